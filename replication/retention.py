"""What is kept of the log when old entries may go (Raft paper, section 7: compaction).

Sealed segments that end at or before the older of the two newest snapshots, both of which were read whole: what that
one holds can always be had again, and what follows it is in the log. The lowest goes first, durably, before the next:
a crash leaves a log without holes. Reading and removing run beside the loop.
"""

from collections.abc import Callable, Iterable, Sequence

from replication import snapshots, wal
from replication.archive import read_header
from replication.files import Disk, Job, LogDamaged, LogError
from replication.log import Log
from replication.messages import Offer
from replication.reader import segment_of
from replication.segments import Names, packed_name, segment_name
from replication.snapshots import KEPT, Snapshot, check


class Retention:
    """The snapshots of one log. notes: what is wrong with them, for people. discards: what the older of two holds is
    removed, a segment at a time."""

    def __init__(self, disk: Disk, log: Log, notes: list[str], *, discards: bool) -> None:
        self._disk = disk
        self._log = log
        self._notes = notes
        self._discards = discards
        self.kept: list[Snapshot] = []  # the newest, read whole, newest first
        self.covered_bytes = 0  # of the log, those that no start needs beside the newest, at least
        self._looked_at: tuple[list[str], int] = ([], 0)  # names of those that were, and what might go then
        self._looking: Job[tuple[list[Snapshot], wal.SegmentHeader | None, int]] | None = None
        self._removing: Job[None] | None = None

    def look(self, commit_index: int) -> bool:
        """Goes on: reads those that are new, removes what may go. Whether `kept`, or where the log begins, may have
        changed. Raises OSError."""
        if self._removing is not None:
            if self._removing.done():
                self._removed()
            return False
        if self._looking is not None:
            return self._looking.done() and self._looked(commit_index)
        names = snapshots.names(self._disk)[:KEPT]
        below = self._log.compressed_below if self._discards else 0
        if (names, below) == self._looked_at:
            return False
        self._looked_at = names, below
        disk, known, damaged = self._disk, self.kept, self._notes.append

        def read() -> tuple[list[Snapshot], wal.SegmentHeader | None, int]:
            found = read_whole(disk, names, known, damaged)
            first = first_to_keep(disk, found, below)
            return found, first, segment_of(disk, found[0].index) if found else 1

        self._looking = disk.start(read, aside=True)
        return False

    def _looked(self, commit_index: int) -> bool:
        """Nobody may still read what goes now."""
        assert self._looking is not None
        job, self._looking = self._looking, None
        try:
            self.kept, first, segment = job.result()
        except (LogError, OSError) as error:
            self._notes.append(str(error))
            return False
        self.covered_bytes = self._log.bytes_before(segment)
        if first is not None and first.before.index <= commit_index:
            number = first.number
            self._log.begin_with(first)
            self._removing = self._disk.start(lambda: remove(self._disk, number), aside=True)
        return True

    def _removed(self) -> None:
        assert self._removing is not None
        job, self._removing = self._removing, None
        try:
            job.result()
        except OSError as error:
            self._notes.append(str(error))

    def finish(self, commit_index: int) -> None:
        """Waits for what is under way."""
        if self._looking is not None:
            self._looked(commit_index)
        if self._removing is not None:
            self._removed()

    def offers(self) -> list[Offer]:
        """What may be sent to another member, the newest first."""
        return [Offer(one.index, one.header.position.term, one.digest, one.size) for one in self.kept]


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
