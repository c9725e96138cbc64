"""Giving up the end of the log: entries that were never committed, and in whose place another leader's come (Raft
paper, 5.3).

Whatever crashes between its steps, the entries that stay are there whole, and a start goes on with the work: `state`
says durably which stay before the first of the others goes. The segment that holds the last one that stays is written
again as a new file and renamed, because a batch cannot be shortened in place without a moment in which it is torn.
"""

from typing import NamedTuple

from replication import wal
from replication.archive import read_header
from replication.files import Disk, LogDamaged, LostData
from replication.messages import Entry, Proposal
from replication.segments import TEMPORARY, Names, raw_pieces, segment_name


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
        except wal.Bad as bad:
            raise LogDamaged(disk.path(segment_name(number)), bad.offset, bad.what) from None
        if header is not None and header.before.index <= stays:
            break
        disk.unlink(segment_name(number))
        disk.sync_directory()  # last first: no name is missing in the middle
    if header is None:
        raise LostData(disk.path(segment_name(1)), 0, "the segment is missing, or its header is damaged")
    return Kept(header, rewrite(disk, header, stays))


def rewrite(disk: Disk, header: wal.SegmentHeader, stays: int) -> wal.Place:
    """The segment with its entries up to `stays`, and nothing else; the place after them."""
    name = segment_name(header.number)
    source = disk.open(name, write=False)
    place = wal.first_place(header)
    batches = [wal.encode_segment(header).ljust(wal.DATA, b"\0")]
    try:
        for piece in raw_pieces(source, header, place, True):
            if piece.place.position.index <= stays:
                batches.append(piece.data[: piece.length])
                place = piece.place
                continue
            kept = [entry for entry in piece.entries if entry.index <= stays]
            if kept:
                batch, place = one_batch(kept, place)
                batches.append(batch)
            break
    except wal.Bad as bad:
        if place.position.index < stays:
            raise LostData(source.path, bad.offset, bad.what) from None
    finally:
        source.close()
    if place.position.index < stays:
        raise LostData(
            source.path, place.offset, f"entries {place.position.index + 1} to {stays} are missing"
        )
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
    return place


def one_batch(entries: list[Entry], place: wal.Place) -> tuple[bytes, wal.Place]:
    """The entries as one batch at `place`."""
    proposals = [Proposal(e.index, e.term, e.timestamp_ns, (e.payload,)) for e in entries]
    batch, _, after = wal.encode_batch(place, proposals, place.position.index)
    return batch, after
