"""The traffic of FIX connections, written to a file as it goes: diagnostics, for who asks for them.

Lines are kept and written many at a time. A file that cannot be written loses them, says so once, and holds nobody up.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from gateway.config import ConfigError
from gateway.fix_log import whole, written

NAME = "fix.log"  # in a data directory
BATCH = 1 << 16  # bytes of lines that are kept at most
LONGEST = 1 << 17  # bytes without an end that are waited for
# Not blocking: the reader of a pipe that stands still would stop an exchange.
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
PRIVATE = 0o600  # it names accounts and orders


def recorder_of_server(log: bool | str, directory: Path, tell: Callable[[str], None]) -> "FixRecorder | None":
    """What `[fix] log` asks for. Raises ConfigError."""
    if not log:
        return None
    path = directory / NAME if log is True else Path(log)
    try:
        return FixRecorder(path, tell)
    except OSError as error:
        raise ConfigError(f"{path}: the FIX log cannot be written: {error.strerror}") from None


class FixRecorder:
    """tell: called when the file cannot be written any more, and when it can again. The file is opened for each batch:
    whoever moves it away gets a new one.

    Raises OSError when it cannot be written now.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path = path.absolute()
        self._tell = tell
        self._lines: list[bytes] = []
        self._size = 0
        self._unfinished: dict[tuple[str, str], bytes] = {}
        self._second = 0
        self._time = ""
        self._lost = 0  # lines, since it could be written
        self._torn = False  # its last line has no end
        os.close(os.open(self._path, APPEND, PRIVATE))

    def record(self, direction: str, connection: str, data: bytes) -> None:
        """Bytes that came by a connection (in), or went (out)."""
        unfinished = self._unfinished.pop((direction, connection), b"")
        messages, rest = whole(unfinished + data, len(unfinished))
        if len(rest) > LONGEST:  # between two fields: a password stays behind its tag
            cut = rest.rfind(b"\x01") if rest.rfind(b"\x01") > 0 else len(rest)
            messages.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            self._unfinished[direction, connection] = rest
        self._keep(direction, connection, messages)
        if self._size >= BATCH:
            self.write()

    def ended(self, connection: str) -> None:
        """What came by it and has no end is all there is."""
        for direction in ("in", "out"):
            if rest := self._unfinished.pop((direction, connection), b""):
                self._keep(direction, connection, [rest])

    def _keep(self, direction: str, connection: str, messages: list[bytes]) -> None:
        when = self._now()
        lines = [written(when, direction, connection, message) for message in messages]
        self._lines += lines
        self._size += sum(map(len, lines))

    def _now(self) -> str:
        """UTC, with microseconds."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._time = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
        return f"{self._time}.{rest // 1000:06}"

    def write(self) -> None:
        """What was kept."""
        if not self._lines:
            return
        data = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        head = b"\n" * self._torn + (f"lines missing here: {self._lost}\n".encode() if self._lost else b"")
        data = head + data
        try:
            done, why = self._append(data), "only a part was taken"
        except OSError as error:
            done, why = 0, error.strerror or str(error)
        self._torn = data[done - 1 : done] != b"\n" if done else self._torn
        if done < len(data):
            if not self._lost:
                self._tell(f"{self._path}: the FIX log cannot be written: {why}; trading goes on")
            self._lost = data.count(b"\n", max(done, len(head))) + (self._lost if done < len(head) else 0)
        elif self._lost:
            self._tell(f"{self._path}: the FIX log is written again; lines missing: {self._lost}")
            self._lost = 0

    def _append(self, data: bytes) -> int:
        """How much of it is there. Raises OSError."""
        file = os.open(self._path, APPEND, PRIVATE)
        try:
            return os.write(file, data)
        finally:
            os.close(file)
