"""The floor of everything that is durable: a write and fdatasync on a preallocated file, as the log does it."""

import os
import time
from pathlib import Path

SIZE = 1 << 24
PIECE = 1 << 20


class Disk:
    """A file of its own, written once from end to end before anything is timed."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(self.descriptor, 0, SIZE)
        for offset in range(0, SIZE, PIECE):
            os.pwrite(self.descriptor, bytes(PIECE), offset)
        os.fsync(self.descriptor)
        self.offset = 0

    def sync(self, size: int = 128) -> int:
        """Nanoseconds to write `size` bytes at the next place and sync them."""
        data = b"x" * size
        if self.offset + size > SIZE:
            self.offset = 0
        begin = time.perf_counter_ns()
        os.pwrite(self.descriptor, data, self.offset)
        os.fdatasync(self.descriptor)
        self.offset += size
        return time.perf_counter_ns() - begin

    def times(self, count: int) -> list[int]:
        """Nanoseconds of each of `count` syncs of 128 bytes."""
        return [self.sync() for _ in range(count)]

    def close(self) -> None:
        os.close(self.descriptor)
