"""Giving up the end of the log: entries that were never committed, and in whose place another leader's come (Raft
paper, 5.3).

`state` says durably which entries stay before the first of the others goes, and a start goes on with the work whatever
crashed between its steps. The segment that holds the last one that stays is shortened in place. Its batch begins with
the same entries whether it is whole, shortened or half shortened: they are not written again, and can be read without
the header in front of them. That says what is committed; of its two copies one is whole at every moment: the first is
written and synced before the second, behind the entries, is.
"""

from contextlib import suppress

from replication import scanning, wal
from replication.archive import read_header, segment_pieces
from replication.files import Disk, File, LogDamaged, LostData
from replication.messages import Entry, Proposal
from replication.segments import TEMPORARY, Names, Piece, packed_name, raw_pieces, segment_name


def give_up(disk: Disk, stays: int, *, damaged: bool = False) -> None:
    """Removes every entry after `stays` from the files; can be done again after a crash. damaged: of the segment with
    that entry nothing that follows it stays, be it what fills it up. Raises LostData, LogDamaged, OSError."""
    header = remove_after(disk, stays, damaged=damaged)
    shorten(disk, header, stays, wal.first_place(header), header.size)


def remove_after(disk: Disk, stays: int, *, damaged: bool = False) -> wal.SegmentHeader:
    """Removes the segments that hold nothing up to entry `stays`, but for one that begins behind it, unless what is in
    front of that is `damaged`; the segment that the log ends in then. Raises LostData, LogDamaged, OSError."""
    names = Names(disk)
    header = None
    for number in range(names.last, 0, -1):
        try:
            header = read_header(disk, number)
        except FileNotFoundError:
            continue
        except wal.Bad as bad:
            raise LogDamaged(disk.path(segment_name(number)), bad.offset, bad.what) from None
        behind = damaged and number > names.first
        if header is not None and header.before.index <= stays - behind:
            return header
        for name in {segment_name(number), packed_name(number)} & set(disk.names()):
            disk.unlink(name)
        disk.sync_directory()  # last first: no name is missing in the middle
    raise LostData(disk.path(segment_name(1)), 0, "the segment is missing, or its header is damaged")


def shorten(disk: Disk, header: wal.SegmentHeader, stays: int, near: wal.Place, end: int) -> wal.Place:
    """Removes every entry after `stays` from a segment; the place after them. near: where a batch stands that begins
    with an entry that stays, or the first one. end: behind it nothing was ever written. Raises LostData, OSError."""
    unpack_again(disk, header, stays)
    file = disk.open(segment_name(header.number))
    try:
        if file.size() != header.size:
            file.truncate(header.size)
            file.reserve(header.size)
        place = batch_of(file, header, stays, near)
        data = file.pread(end - place.offset, place.offset)
        batch, after = beginning_of(file, place, data, stays)
        head = wal.decode_batch_header(batch, 0)
        closing = wal.BATCH_BYTES + head.length if head is not None else 0
        file.pwrite(batch[: wal.BATCH_BYTES], place.offset)
        file.pwrite(bytes(wal.DATA - wal.SEGMENT_BYTES), wal.SEGMENT_BYTES)  # no mark names what is gone
        file.sync()
        given_up = len(data.rstrip(b"\0")) - len(batch)
        file.pwrite(batch[closing:] + bytes(max(0, given_up)), place.offset + closing)
        file.sync()
    finally:
        file.close()
    return after


def batch_of(file: File, header: wal.SegmentHeader, stays: int, place: wal.Place) -> wal.Place:
    """Where the batch with entry `stays` stands, at `place` or behind it. Also when a crash left it half shortened: it
    is the first one then that is not whole. `place`, when that is where the entries that stay end."""
    with suppress(wal.Bad):
        for piece in raw_pieces(file, header, place, verify=False):
            if piece.place.position.index >= stays:
                return within(piece, place, stays)
            place = piece.place
    return place


def within(piece: Piece, start: wal.Place, stays: int) -> wal.Place:
    """As `batch_of`, of a piece that begins at `start` and reaches that entry."""
    offset = start.offset
    while True:
        head = wal.decode_batch_header(piece.data, offset - start.offset)
        assert head is not None, "the piece holds whole batches"
        if head.last_index >= stays:
            break
        offset = wal.second_header(offset + wal.BATCH_BYTES + head.length) + wal.BATCH_BYTES
    if offset == start.offset:
        return start
    index, term, timestamp_ns, _, chain_hash = piece.entries[head.first_index - piece.entries[0].index - 1]
    return wal.Place(wal.Position(index, term, timestamp_ns, chain_hash), head.number, offset)


def beginning_of(file: File, place: wal.Place, data: bytes, stays: int) -> tuple[bytes, wal.Place]:
    """The batch at `place`, where `data` stands, laid out for its entries up to `stays` (none: no bytes), and the place
    after it. What it says of commitment stays true. Raises LostData, OSError."""
    if place.position.index == stays:
        return b"", place
    entries: list[Entry] = []
    try:
        scanning.decode_entries(
            data, wal.BATCH_BYTES, len(data), place.position, entries, verify=True, through=stays
        )
    except wal.Bad as bad:
        raise LostData(file.path, place.offset + bad.offset, bad.what) from None
    if not entries or entries[-1].index < stays:
        raise LostData(file.path, place.offset, f"entries up to {stays} should stand here")
    kept = [Proposal(e.index, e.term, e.timestamp_ns, (e.payload,)) for e in entries]
    batch, _, after = wal.encode_batch(place, kept, commit_index(file, place, data))
    return batch, after


def commit_index(file: File, place: wal.Place, data: bytes) -> int:
    """What the batch at `place`, where `data` stands, says of commitment. Raises LostData, OSError."""
    head = wal.decode_batch_header(data, 0)
    if head is None:  # torn while it was written; its second copy, that of the whole batch, is still there
        traces = scanning.batch_headers(file.pread(file.size(), 0), place.offset)
        head = next((head for head in traces if head.first_index == place.position.index + 1), None)
    if head is None:
        raise LostData(file.path, place.offset, "both headers of the batch are damaged")
    return head.commit_index


def unpack_again(disk: Disk, header: wal.SegmentHeader, stays: int) -> None:
    """Makes a compressed segment raw, as far as entry `stays` needs it: only raw ones are written to. Raises LostData,
    OSError."""
    name, packed = segment_name(header.number), packed_name(header.number)
    if packed not in disk.names():
        return
    if name not in disk.names():
        batches = [wal.encode_segment(header).ljust(wal.DATA, b"\0")]
        with suppress(LostData):  # what is missing is told when it is looked for
            for piece in segment_pieces(disk, header.number, verify=False):
                batches.append(piece.data[: piece.length])
                if piece.place.position.index >= stays:
                    break
        file = disk.open(name + TEMPORARY, create=True)
        try:
            file.truncate(0)
            file.reserve(header.size)
            file.pwrite(b"".join(batches), 0)
            file.sync()
        finally:
            file.close()
        disk.rename(name + TEMPORARY, name)
        disk.sync_directory()
    disk.unlink(packed)
    disk.sync_directory()
