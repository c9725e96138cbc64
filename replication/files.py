"""What the log asks of files, and the ways in which a log fails.

The real files are in disk.py; the tests use simulated ones that lose, tear and
reorder whatever was not synced.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class File(Protocol):
    """One open file. Every method may raise OSError; a write is whole or raises."""

    @property
    def path(self) -> str:
        """For messages: the file's full name."""

    def pread(self, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; fewer only where the file ends."""

    def pwrite(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """All of `data` at `offset`. Durable after `sync`."""

    def write_out(self, offset: int, size: int) -> None:
        """Has the disk begin with what was written there, and does not wait for it."""

    def reserve(self, size: int) -> None:
        """Room for `size` bytes, so that later writes below it cannot run out of space."""

    def truncate(self, size: int) -> None: ...

    def size(self) -> int: ...

    def sync(self) -> None:
        """fdatasync: everything written to this file before is durable (its name may not be)."""

    def close(self) -> None: ...


class Job(Protocol[T_co]):
    """Work that runs beside the loop."""

    def done(self) -> bool: ...

    def result(self) -> T_co:
        """Waits; raises what the work raised."""


class Disk(Protocol):
    """One flat directory."""

    def path(self, name: str) -> str: ...

    def names(self) -> list[str]: ...

    def open(self, name: str, *, create: bool = False, write: bool = True) -> File:
        """Raises FileNotFoundError unless `create`."""

    def rename(self, old: str, new: str) -> None:
        """Replaces `new`. Durable after `sync_directory`."""

    def unlink(self, name: str) -> None: ...

    def sync_directory(self) -> None:
        """Makes created, renamed and removed names durable."""

    def lock(self) -> None:
        """Makes this process the directory's only writer until `close`; raises LogInUse."""

    def unique(self) -> bytes:
        """16 random bytes."""

    def start(self, work: Callable[[], T], *, aside: bool = False) -> Job[T]:
        """Runs `work` beside the loop, one piece of work at a time. aside: in a queue of its own: snapshots do not wait
        for the log's segments, nor those for them."""

    def rest(self) -> bool:
        """Called by such work between two pieces of writing: lets the loop's own syncs through. True:
        hurry."""

    def hurry(self) -> None:
        """The loop waits for the work that runs: no more rests."""

    def begin_sync(self, file: File) -> None:
        """Begins to sync `file` beside the loop; one sync at a time. The file stays open until it is done."""

    def sync_done(self) -> bool:
        """Whether the sync that was begun is done, told once. Raises OSError when it failed."""

    def sync_descriptor(self) -> int:
        """Readable when a sync that was begun is done."""

    def ahead(self, items: Iterable[T], depth: int) -> Iterator[T]:
        """The same items, computed beside the caller up to `depth` ahead of it."""

    def close(self) -> None: ...


class LogError(Exception):
    """Anything about the log that a person has to act on."""


class LogInUse(LogError):
    """Another process has the directory."""


class LogUnavailable(LogError):
    """The directory cannot be used: permissions, no space for the first segment, not a directory."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"{error.filename or path}: {error.strerror or error}: the log cannot be opened; look at the "
            "directory, its permissions and the space on its disk"
        )


class LogFailed(LogError):
    """A write or a sync of the log failed. What reached the disk is unknown: the process must stop."""

    def __init__(self, path: str, error: OSError) -> None:
        self.path = path
        super().__init__(
            f"{path}: {error.strerror or error}: what reached the disk is unknown, so this process must "
            "stop; nothing acknowledged is lost. Look at the disk and its kernel messages, then start again"
        )


class LogDamaged(LogError):
    """Something that had been made durable reads back differently. Nothing was changed."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        self.path = path
        self.offset = offset  # bytes from the start of the file
        self.what = what
        super().__init__(
            f"{path}, offset {offset}: {what}. No entry was changed or cut. Keep a copy of the directory, "
            "look for a failing disk, and restore the file (or the whole directory) from a copy"
        )


class LostData(LogDamaged):
    """Entries that were durable, and may have been acknowledged, are not there any more."""
