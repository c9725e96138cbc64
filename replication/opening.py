"""What a directory holds when a log is opened: begun and reserved segments, and what recovery decides about its end.

Only `begin` changes anything: it makes the log of a directory that has none.
"""

from typing import NamedTuple

from replication import recovery, wal
from replication.archive import commits
from replication.files import Disk, File, LogDamaged, LostData
from replication.messages import HardState
from replication.reader import begins_after
from replication.segments import SEGMENT_NAME, TEMPORARY, Names, make, segment_name
from replication.state import STATE_NAME, State, check_term, no_state, write_state


class Found(NamedTuple):
    """A log that can be gone on with."""

    first: int  # its lowest segment
    sealed: list[int]  # segments still to be compressed
    begins_after: int  # the index before its first entry
    commit_index: int  # through which entries are known to be committed
    file: File  # the last begun segment, open,
    data: bytes  # whole
    header: wal.SegmentHeader
    tail: recovery.Tail
    reserved: tuple[File, bytes] | None  # the segment after it, open, whole
    cut: wal.Cut | None  # what is to go


def find(disk: Disk, state: State, names: Names) -> Found:
    """Decides everything, and changes nothing. Raises LostData, LogDamaged, OSError."""
    names.check_complete()
    number = names.last
    reserved = None
    file, data, header = load(disk, number)
    if header is None and number > names.first:
        reserved = (file, data) if data else None
        number -= 1
        file, data, header = load(disk, number)
    if header is None:
        raise LostData(file.path, 0, "the segment header is damaged")
    check_segment(file, data, header, number, state)
    check_successor(disk, wal.decode_marks(data), names, reserved[1] if reserved else b"")
    tail = recovery.recover_tail(file.path, data, header)
    last = wal.decode_batch_header(data, tail.last_batch) if tail.last_batch else None
    after = begins_after(disk)
    committed = last.commit_index if last else last_commit(disk, number - 1, names)
    check_term(disk, state, tail.place.position.term)
    return Found(
        names.first,
        [sealed for sealed in names.raw if sealed < number],
        after,
        max(committed, after),
        file,
        data,
        header,
        tail,
        reserved,
        cut_of(file, tail, reserved),
    )


def check_segment(file: File, data: bytes, header: wal.SegmentHeader, number: int, state: State) -> None:
    """Raises LostData, LogDamaged unless this is segment `number` of the directory's log, with nothing between its
    records."""
    if header.number != number or header.cluster != state.cluster:
        raise LogDamaged(
            file.path, 0, "the segment belongs elsewhere: its header names another number or cluster"
        )
    if len(data) < header.size:
        raise LostData(file.path, len(data), f"the segment ends here; it was made {header.size} bytes long")
    try:
        wal.check_gaps(data)
    except wal.Bad as bad:
        raise LogDamaged(file.path, bad.offset, bad.what) from None


def check_successor(disk: Disk, marks: wal.Marks, names: Names, reserved: bytes) -> None:
    """Raises LostData when the marks name a next segment that is not there, or not as long as it was made."""
    if not marks.successor:
        return
    path = disk.path(segment_name(marks.successor))
    if marks.successor != names.last:
        raise LostData(path, 0, "the segment is missing")
    if len(reserved) < marks.successor_size:
        raise LostData(
            path, len(reserved), f"the segment ends here; it was made {marks.successor_size} bytes long"
        )


def cut_of(file: File, tail: recovery.Tail, reserved: tuple[File, bytes] | None) -> wal.Cut | None:
    """The torn batch at the log's end, in its last begun segment or the one after it. Raises LostData."""
    if reserved is None:
        return tail.cut
    cut = recovery.recover_reserved(reserved[0].path, reserved[1], tail.place.position)
    if tail.cut is not None and cut is not None:
        raise LostData(file.path, tail.place.offset, "damaged, and the segment after it had been begun")
    return tail.cut or cut


def begin(disk: Disk, names: Names, segment_bytes: int, cluster: bytes | None) -> None:
    """Makes a new log in a directory that has none; goes on where a crash interrupted that."""
    if names.all:
        if names.all != {1}:
            raise no_state(disk)
        _, data, header = load(disk, 1)
        if header is None or not wal.blank(data, wal.MARKS):
            raise no_state(disk)
        cluster = header.cluster
    else:
        cluster = cluster or disk.unique()
        make(
            disk,
            segment_name(1),
            segment_bytes,
            wal.SegmentHeader(1, segment_bytes, cluster, wal.beginning(cluster)),
        )
    name = STATE_NAME + TEMPORARY
    file = disk.open(name, create=True)
    write_state(file, State(1, cluster, HardState(0, 0), None, disk.unique(), 0, None))
    file.close()
    disk.rename(name, STATE_NAME)
    disk.sync_directory()


def load(disk: Disk, number: int) -> tuple[File, bytes, wal.SegmentHeader | None]:
    """A raw segment, open, whole, and its header: None when it is not begun, or damaged."""
    file = disk.open(segment_name(number))
    data = file.pread(file.size(), 0)
    try:
        return file, data, wal.decode_segment(data)
    except wal.Bad as bad:
        raise LogDamaged(file.path, bad.offset, bad.what) from None


def last_commit(disk: Disk, number: int, names: Names) -> int:
    """What the last batch of sealed segment `number` says of commitment; 0 when there is no such segment."""
    return max(commits(disk, number), default=0) if number >= names.first else 0


def is_unfinished(name: str) -> bool:
    """A file of ours that a crash left before it got its name."""
    target = name.removesuffix(TEMPORARY)
    return target != name and (target == STATE_NAME or SEGMENT_NAME.fullmatch(target) is not None)
