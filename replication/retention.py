"""What is kept of the log when old entries may go (Raft paper, section 7: compaction).

Sealed segments that end at or before the older of the two newest snapshots, both of which were read whole: what that
one holds can always be had again, and what follows it is in the log. The lowest goes first, durably, before the next:
a crash leaves a log without holes.
"""

from collections.abc import Callable, Iterable, Sequence

from replication import wal
from replication.archive import read_header
from replication.files import Disk, LogDamaged
from replication.segments import Names, packed_name, segment_name
from replication.snapshots import KEPT, Snapshot, check


def read_whole(
    disk: Disk, names: Iterable[str], known: Sequence[Snapshot], damaged: Callable[[str], None]
) -> list[Snapshot]:
    """The snapshots of these names that are whole; those that are known are not read again. Raises OSError."""
    found = []
    for name in names:
        try:
            found.append(next((one for one in known if one.name == name), None) or check(disk, name))
        except LogDamaged as damage:
            damaged(str(damage))
    return found


def first_to_keep(disk: Disk, kept: Sequence[Snapshot], below: int) -> wal.SegmentHeader | None:
    """The lowest segment that is needed beside these snapshots, the newest first; None: every one is. below: of
    segments with lower numbers. Raises LogDamaged, OSError."""
    if len(kept) < KEPT:
        return None
    names = Names(disk)
    for number in range(min(below, names.last), names.first, -1):
        try:
            header = read_header(disk, number)
        except wal.Bad as bad:
            raise LogDamaged(disk.path(segment_name(number)), bad.offset, bad.what) from None
        if header is not None and header.before.index <= kept[KEPT - 1].index:
            return header
    return None


def remove(disk: Disk, first: int) -> None:
    """Removes the segments before segment `first`. Raises OSError."""
    for number in range(Names(disk).first, first):
        there = set(disk.names())
        for name in (segment_name(number), packed_name(number)):
            if name in there:
                disk.unlink(name)
        disk.sync_directory()
