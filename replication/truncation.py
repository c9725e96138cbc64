"""Giving up the end of the log: entries that were never committed, and in whose place another leader's come (Raft
paper, 5.3).

Whatever crashes between its steps, the entries that stay are there whole, and a start goes on with the work: `state`
says durably which stay before the first of the others goes. The segment that holds the last one that stays is written
again as a new file and renamed, because a batch cannot be shortened in place without a moment in which it is torn.
"""

from typing import NamedTuple

from replication import wal
from replication.archive import read_header, segment_pieces
from replication.files import Disk, LogDamaged, LostData
from replication.messages import Entry, Proposal
from replication.segments import TEMPORARY, Names, Piece, packed_name, segment_name


class Kept(NamedTuple):
    """The segment that the log ends in now."""

    header: wal.SegmentHeader
    place: wal.Place


def give_up(disk: Disk, stays: int) -> Kept:
    """Removes every entry after `stays` from the files; can be done again after a crash. Raises LostData, LogDamaged,
    OSError."""
    names = Names(disk)
    header = None
    for number in range(names.last, 0, -1):
        try:
            header = read_header(disk, number)
        except FileNotFoundError:
            continue
        except wal.Bad as bad:
            raise LogDamaged(disk.path(segment_name(number)), bad.offset, bad.what) from None
        if header is not None and header.before.index <= stays:
            break
        for name in {segment_name(number), packed_name(number)} & set(disk.names()):
            disk.unlink(name)
        disk.sync_directory()  # last first: no name is missing in the middle
    if header is None:
        raise LostData(disk.path(segment_name(1)), 0, "the segment is missing, or its header is damaged")
    return Kept(header, rewrite(disk, header, stays))


def rewrite(disk: Disk, header: wal.SegmentHeader, stays: int) -> wal.Place:
    """The segment with its entries up to `stays`, and nothing else; the place after them."""
    name = segment_name(header.number)
    place = wal.first_place(header)
    batches = [wal.encode_segment(header).ljust(wal.DATA, b"\0")]
    damage: LogDamaged | None = None
    try:
        for piece in segment_pieces(disk, header.number, verify=True):
            if piece.place.position.index <= stays:
                batches.append(piece.data[: piece.length])
                place = piece.place
                continue
            rest, place = beginning_of(piece, place, stays)
            batches += rest
            break
    except LogDamaged as found:
        damage = found
    if place.position.index < stays:
        what = f"entries {place.position.index + 1} to {stays} are missing"
        raise damage or LostData(disk.path(name), place.offset, what)
    target = disk.open(name + TEMPORARY, create=True)
    try:
        target.truncate(0)
        target.reserve(header.size)
        target.pwrite(b"".join(batches), 0)
        target.sync()
    finally:
        target.close()
    disk.rename(name + TEMPORARY, name)
    disk.sync_directory()
    if packed_name(header.number) in disk.names():
        disk.unlink(packed_name(header.number))
        disk.sync_directory()
    return place


def beginning_of(piece: Piece, place: wal.Place, stays: int) -> tuple[list[bytes], wal.Place]:
    """The batches of a piece that begins at `place`, up to entry `stays`, and the place after them. A batch of which
    only a part stays is laid out again; what it says of commitment stays true."""
    batches: list[bytes] = []
    at = 0
    while (head := wal.decode_batch_header(piece.data, at)) is not None and head.first_index <= stays:
        entries: list[Entry] = []
        after = wal.decode_batch(piece.data, at, place, entries, verify=False)
        assert after is not None, "the piece holds whole batches"
        length = after.offset - place.offset
        batch = piece.data[at : at + length]
        if head.last_index > stays:
            kept = [
                Proposal(e.index, e.term, e.timestamp_ns, (e.payload,)) for e in entries if e.index <= stays
            ]
            batch, _, after = wal.encode_batch(place, kept, head.commit_index)
        batches.append(batch)
        at += length
        place = after
    return batches, place
