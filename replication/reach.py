"""How far a damaged log went, from what is whole behind the damage.

A batch says its index, its term and the hash of all before it, and so does a segment's header. So when the log can be
read from some place behind the damage to an end that a start would take for one, with nothing torn, its last entry is
known, whatever stood in between. Stale bytes are not taken for it: what recovery cuts, and what is given up when
another leader's entries take its place, is zeros, or its file is gone, before anything else is written; `state` says
when that is not done yet. Where nothing is wrong but that entries or a file are missing, or of another history, nothing
is known.
"""

from replication import scanning, wal
from replication.archive import read_header, segment_pieces
from replication.files import Disk, LogDamaged, LogError
from replication.reader import end_behind, read_pieces, segment_of
from replication.segments import packed_name, segment_name


def whole_through(disk: Disk, cluster: bytes, after: wal.Position | None) -> wal.Position:
    """The last entry before which no byte is wrong, of the whole log or of what follows a snapshot at `after`."""
    position = after or wal.beginning(cluster)
    try:
        for entries in read_pieces(disk, verify=True, cluster=cluster, after=after):
            index, term, timestamp_ns, _, chain_hash = entries[-1]
            position = wal.Position(index, term, timestamp_ns, chain_hash)
    except LogError:  # damage; or another history than the snapshot's
        pass
    return position


def last_entry(disk: Disk, cluster: bytes, whole: wal.Position) -> wal.Position | None:
    """Of a log with one damaged place, behind entry `whole` or before it in the same segment; None: nobody can tell.
    Raises OSError."""
    try:
        number = segment_of(disk, whole.index)
        hole = hole_in(disk, number)
        start = place_behind(disk, number, hole) if hole is not None else None
        return end_behind(disk, cluster, *start) if start is not None else None
    except (LogError, wal.Bad):
        return None


def hole_in(disk: Disk, number: int) -> wal.Place | None:
    """Where the first damaged batch of a segment stands; None: none is. Raises LogDamaged, wal.Bad."""
    header = read_header(disk, number)
    if header is None:
        return None
    place = wal.first_place(header)
    try:
        for piece in segment_pieces(disk, number, verify=True):
            place = piece.place
    except LogDamaged:
        return place
    return None


def place_behind(disk: Disk, number: int, hole: wal.Place) -> tuple[int, wal.Place] | None:
    """The segment, and the place in it, from which a log with a hole can be read on: the next segment, or else the next
    batch. Raises wal.Bad."""
    names = set(disk.names())
    if {segment_name(number + 1), packed_name(number + 1)} & names:
        header = read_header(disk, number + 1)
        if header is not None:
            before, last = header.before, hole.position
            follows = before.index > last.index and before.term >= last.term
            return (number + 1, wal.first_place(header)) if follows else None
    if segment_name(number) not in names:
        return None
    file = disk.open(segment_name(number), write=False)
    data = file.pread(file.size(), 0)
    file.close()
    for batch in scanning.batch_headers(data, hole.offset):
        further = batch.number > hole.number and batch.first_index > hole.position.index + 1
        if further and wal.decode_batch_header(data, batch.offset) == batch:
            before = hole.position._replace(index=batch.first_index - 1, hash=batch.hash_before)
            return number, wal.Place(before, batch.number, batch.offset)
    return None
