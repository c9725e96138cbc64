"""Work for the log beside the loop, one piece at a time: the next segment is reserved, sealed ones are compressed.

It touches only files the loop does not.
"""

from replication.archive import compress
from replication.clock import Clock
from replication.files import Disk, Job, LogDamaged
from replication.segments import make, segment_name
from replication.wal import SegmentHeader

RETRY_NS = 1_000_000_000  # between two attempts to reserve the next segment
COMPRESS_RETRY_NS = 60_000_000_000
NEVER_NS = 1 << 62


class Upkeep:
    """The segment that is written to is its caller's, and named in each call."""

    def __init__(self, disk: Disk, clock: Clock, segment_bytes: int) -> None:
        self._disk = disk
        self._clock = clock
        self._segment_bytes = segment_bytes
        self.next_size = 0  # of the segment after it; 0 = not reserved yet
        self.sealed: list[int] = []  # segments still to be compressed
        self.job: Job[int] | None = None
        self._reserving = False  # what the job does: reserve a segment, or compress one
        self._retry_ns = 0
        self.compress_retry_ns = 0
        self.damage: str | None = None  # found while compressing, for people: no input may be taken any more
        self.unreserved: str | None = None  # why there is no next segment, for people

    def due(self, header: SegmentHeader, commit_index: int) -> bool:
        """Whether there may be something to do."""
        return (
            self.next_size == 0
            or self.job is not None
            or (len(self.sealed) > 0 and self.may_compress(header, commit_index))
        )

    def may_compress(self, header: SegmentHeader, commit_index: int) -> bool:
        """A sealed segment is compressed when all of it is committed: it is never given up then."""
        return header.before.index <= commit_index

    def ended(self, *, wait: bool) -> bool:
        """Whether `finish` need not wait, or is to."""
        assert self.job is not None
        if wait:
            self._disk.hurry()
            return True
        return self.job.done()

    def begin(self, header: SegmentHeader, commit_index: int, *, may_reserve: bool) -> None:
        """Starts what is due."""
        assert self.job is None
        now = self._clock.monotonic_ns()
        if self.next_size == 0:
            if now >= self._retry_ns and may_reserve:
                number, size, disk = header.number + 1, self._segment_bytes, self._disk
                self._reserving = True
                self.job = disk.start(lambda: reserve(disk, number, size))
        elif self.sealed and self.may_compress(header, commit_index) and now >= self.compress_retry_ns:
            number, disk = self.sealed[0], self._disk
            self._reserving = False
            self.job = disk.start(lambda: compress(disk, number))

    def finish(self, header: SegmentHeader) -> bool:
        """Takes up what the job has done, and waits for it; True: the next segment is reserved now."""
        assert self.job is not None
        job, self.job = self.job, None
        try:
            size = job.result()
        except LogDamaged as damage:
            self.damage = str(damage)
            self.compress_retry_ns = NEVER_NS
            return False
        except OSError as error:
            self._failed(header, error)
            return False
        if self._reserving:
            self.next_size = size
            self.unreserved = None
            return True
        if size == 0:
            self.compress_retry_ns = self._clock.monotonic_ns() + RETRY_NS
        else:
            del self.sealed[0]
        return False

    def _failed(self, header: SegmentHeader, error: OSError) -> None:
        now = self._clock.monotonic_ns()
        if not self._reserving:
            self.compress_retry_ns = now + COMPRESS_RETRY_NS
            return
        path = self._disk.path(segment_name(header.number + 1))
        self.unreserved = (
            f"{path}: the next segment of the log cannot be reserved: {error.strerror or error}. "
            "Input is taken again when it can be: make room on the disk, or make it writable"
        )
        self._retry_ns = now + RETRY_NS

    def seal(self, number: int) -> None:
        """The log goes on in the segment that was reserved."""
        self.sealed.append(number)
        self.next_size = 0

    def give_up(self, number: int) -> None:
        """The log ends in segment `number` again: what was there behind it is gone."""
        self.sealed = [sealed for sealed in self.sealed if sealed < number]
        self.next_size = self._retry_ns = 0


def reserve(disk: Disk, number: int, size: int) -> int:
    """Makes segment `number` ready to be written to; its size. Raises OSError."""
    make(disk, segment_name(number), size, None)
    return size
