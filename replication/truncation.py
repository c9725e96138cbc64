"""Giving up the end of the log: entries that were never committed, and in whose place another leader's come (Raft
paper, 5.3).

Whatever crashes between its steps, the entries that stay are there whole, and a start goes on with the work: `state`
says durably which stay before the first of the others goes. The segment that holds the last one that stays is written
again as a new file and renamed, because a batch cannot be shortened in place without a moment in which it is torn.
"""

from collections.abc import Iterator
from typing import NamedTuple

from replication import wal
from replication.archive import read_header, unpack
from replication.files import Disk, LogDamaged, LostData
from replication.messages import Entry, Proposal
from replication.segments import TEMPORARY, Names, Piece, packed_name, raw_pieces, segment_name


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
        for piece in pieces_of(disk, header):
            if piece.place.position.index <= stays:
                batches.append(piece.data[: piece.length])
                place = piece.place
                continue
            kept = [entry for entry in piece.entries if entry.index <= stays]
            if kept:
                batch, place = one_batch(kept, place)
                batches.append(batch)
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


def pieces_of(disk: Disk, header: wal.SegmentHeader) -> Iterator[Piece]:
    """The batches of a segment, raw or compressed. Raises LostData where they end wrongly."""
    place = wal.first_place(header)
    try:
        file = disk.open(segment_name(header.number), write=False)
    except FileNotFoundError:
        file = disk.open(packed_name(header.number), write=False)
        for _, data in unpack(file):
            entries: list[Entry] = []
            start = place.offset
            place, _ = wal.decode_whole(data, 0, place, entries, verify=True)
            yield Piece(entries, data, place.offset - start, place)
        return
    try:
        yield from raw_pieces(file, header, place, True)
    except wal.Bad as bad:
        raise LostData(file.path, bad.offset, bad.what) from None
    finally:
        file.close()


def one_batch(entries: list[Entry], place: wal.Place) -> tuple[bytes, wal.Place]:
    """The entries as one batch at `place`."""
    proposals = [Proposal(e.index, e.term, e.timestamp_ns, (e.payload,)) for e in entries]
    batch, _, after = wal.encode_batch(place, proposals, place.position.index)
    return batch, after
