"""Giving up all of the log for a snapshot, behind which it goes on: a follower that is further behind than its leader's
log reaches (Raft paper, section 7), and a log whose damage lies before a snapshot.

The snapshot is durable before, under the name of one that comes. Whatever crashes between the steps, a start goes on
with the work: `state` says durably that it is under way before the first segment goes, and says so until the new one is
there.
"""

from replication import snapshots, wal
from replication.files import Disk
from replication.segments import SEGMENT_NAME, make, segment_name


def renew(disk: Disk, cluster: bytes, index: int, segment_bytes: int) -> None:
    """A log without entries that goes on behind the snapshot at `index` (0: from the beginning); can be done again
    after a crash. Raises LogDamaged, OSError."""
    begin_behind(
        disk,
        cluster,
        snapshots.adopt(disk, index).header.position if index else wal.beginning(cluster),
        segment_bytes,
    )


def begin_behind(disk: Disk, cluster: bytes, position: wal.Position, segment_bytes: int) -> None:
    """Removes every segment, and makes one that begins behind `position`. Raises OSError."""
    for name in disk.names():
        if SEGMENT_NAME.fullmatch(name):
            disk.unlink(name)
    disk.sync_directory()
    number = 2 if position.index else 1  # only what begins with entry 1 is segment 1
    make(
        disk, segment_name(number), segment_bytes, wal.SegmentHeader(number, segment_bytes, cluster, position)
    )
