"""The egress store's file, with room reserved ahead of what is written: a full disk is noticed before it hurts."""

from replication.files import File

CHUNK = 64 << 20  # bytes reserved at a time
MARGIN = 16 << 20  # bytes that are free ahead while input is taken
PIECE = 1 << 20  # bytes that the disk gets at a time,
KEPT_BACK = 64 << 20  # of those before the last so many


class EgressFile:
    """What EgressStore reads and writes. Starts empty: the store is made again from a snapshot and the log.

    Nothing here needs to be durable. Left to the kernel, what was written is kept for half a minute and then written to
    the disk all at once: a gigabyte under load, behind which the log's syncs wait. So the disk gets it a piece at a
    time, some way behind the end: a burst of orders need not share the disk with it.

    A turn can outgrow the margin (a mass cancel of a million orders); if the disk is full at that moment the write
    raises OSError and the process stops, with nothing lost.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self.empty()

    def empty(self) -> None:
        """For another store. Raises OSError."""
        self._end = self._out = 0
        self._reserved = 0
        self._file.truncate(0)

    def pwrite(self, data: memoryview, offset: int) -> None:
        self._file.pwrite(data, offset)
        self._end = max(self._end, offset + len(data))
        while self._end - self._out >= KEPT_BACK + PIECE:
            self._file.write_out(self._out, PIECE)
            self._out += PIECE

    def pread(self, size: int, offset: int) -> bytes:
        return self._file.pread(size, offset)

    def why_not(self) -> str | None:
        """None when there is room for the next turns; otherwise why not, for people."""
        while self._end + MARGIN > self._reserved:
            try:
                self._file.reserve(self._reserved + CHUNK)
            except OSError as error:
                return f"{self._file.path}: cannot reserve {CHUNK >> 20} MiB for messages to resend: {error.strerror}"
            self._reserved += CHUNK
        return None

    def close(self) -> None:
        self._file.close()
