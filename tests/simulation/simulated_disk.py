"""A disk made of memory, where a seed decides what a power failure leaves.

Everything not synced may be lost, torn at any byte or sector, or persist although something written before it
did not; names too, until the directory is synced. A sync that fails leaves the page cache clean: what it did
not write can still be read, until power is lost.
"""

import errno
import os
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

SECTOR = 512
UNLIMITED = 1 << 40  # bytes


class Crash(BaseException):
    """The process ends here, before an operation: no handler of the code under test may run on."""

    def __init__(self, number: int, operation: str, name: str) -> None:
        super().__init__(f"operation {number}: {operation} {name}")
        self.operation = operation


class Inode:
    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.cached = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, bytes); (size, None)
        self.reserved = len(durable)

    def apply(self, target: bytearray, offset: int, data: bytes | None) -> None:
        if data is None:
            del target[offset:]
        if len(target) < offset:
            target.extend(bytes(offset - len(target)))
        if data is not None:
            target[offset : offset + len(data)] = data

    def write(self, offset: int, data: bytes | None) -> None:
        self.apply(self.cached, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.pending:
            self.apply(self.durable, offset, data)
        self.pending.clear()

    def damaged(self) -> None:
        """What is cached now is what lies on the disk, too."""
        self.durable[:] = self.cached
        self.pending.clear()

    def lose_power(self, chance: random.Random) -> "Inode":
        for offset, data in self.pending:
            fate = chance.random()
            if fate < 0.3:
                continue
            if data is None or fate < 0.6:
                self.apply(self.durable, offset, data)
            else:
                for start, end in torn(chance, offset, len(data)):
                    self.apply(self.durable, offset + start, data[start:end])
        return Inode(bytes(self.durable))


def torn(chance: random.Random, offset: int, size: int) -> list[tuple[int, int]]:
    """Which parts of a write reach the disk: a beginning, an end, some sectors, or some bytes."""
    kind = chance.randrange(4)
    cut = chance.randint(0, size)
    if kind == 0:
        return [(0, cut)]
    if kind == 1:
        return [(cut, size)]
    unit = SECTOR if kind == 2 else max(1, size // 8)
    edges = sorted({0, size, *range((-offset) % unit, size, unit)})
    return [part for part in pairwise(edges) if chance.random() < 0.5]


class SimulatedFile:
    def __init__(self, disk: "SimulatedDisk", name: str, inode: Inode, writable: bool) -> None:
        self.path = disk.path(name)
        self._disk = disk
        self._name = name
        self._inode = inode
        self._writable = writable

    def pread(self, size: int, offset: int) -> bytes:
        self._disk.step("pread", self._name)
        return bytes(self._inode.cached[offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        assert self._writable
        self._disk.step("pwrite", self._name)
        self._disk.take_space(self._inode, offset + len(data))
        self._inode.write(offset, bytes(data))

    def write_out(self, offset: int, size: int) -> None:
        pass

    def reserve(self, size: int) -> None:
        self._disk.step("reserve", self._name)
        self._disk.take_space(self._inode, size)
        if size > len(self._inode.cached):
            self._inode.write(size, None)

    def truncate(self, size: int) -> None:
        self._disk.step("truncate", self._name)
        self._inode.write(size, None)

    def size(self) -> int:
        return len(self._inode.cached)

    def sync(self) -> None:
        try:
            self._disk.step("sync", self._name)
        except OSError:
            self._inode.pending.clear()  # the kernel tells once, and forgets what it could not write
            raise
        self._inode.sync()

    def close(self) -> None:
        pass


class SimulatedJob:
    def __init__(self, disk: "SimulatedDisk", work: Callable[[], Any]) -> None:
        self._disk = disk
        self._work: Callable[[], Any] | None = work
        self._result: Any = None
        self._error: Exception | None = None

    def done(self) -> bool:
        if self._work is not None and self._disk.chance.random() < 0.5:
            self._run()
        return self._work is None

    def result(self) -> Any:
        self._run()
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            try:
                self._result = work()
            except Exception as error:
                self._error = error


class SimulatedDisk:
    """`crash_at`: the operation, counted from 0, at which the process dies; or, with `crash_before`, the first one of
    that name from there on. `fail`: called with the name of
    each operation and of its file; may raise OSError."""

    def __init__(self, seed: int = 0, files: dict[str, Inode] | None = None) -> None:
        self.chance = random.Random(seed)
        self.files = dict(files or {})  # as the process sees it
        self.durable_names = dict(self.files)
        self.pending_names: list[tuple[str, str, Inode | None]] = []  # (new name, old name or "", inode)
        self.operations = 0
        self.crash_at = -1
        self.crash_before = ""
        self.fail: Callable[[str, str], None] = lambda operation, name: None
        self.capacity = UNLIMITED
        self.syncing: SimulatedFile | None = None
        self.sync_may_end: Callable[[], bool] = lambda: self.chance.random() < 0.5
        self.read_only = False

    # ------------------------------------------------------------ the Disk protocol

    def path(self, name: str) -> str:
        return f"/simulated/{name}" if name else "/simulated"

    def names(self) -> list[str]:
        self.step("names", "")
        return sorted(self.files)

    def open(self, name: str, *, create: bool = False, write: bool = True) -> SimulatedFile:
        self.step("open", name)
        if name not in self.files:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path(name))
            self._writable(name)
            self.files[name] = Inode()
            self.pending_names.append((name, "", self.files[name]))
        elif write:
            self._writable(name)
        return SimulatedFile(self, name, self.files[name], write)

    def rename(self, old: str, new: str) -> None:
        self.step("rename", old)
        self._writable(old)
        inode = self.files.pop(old)
        self.files[new] = inode
        self.pending_names.append((new, old, inode))

    def unlink(self, name: str) -> None:
        self.step("unlink", name)
        self._writable(name)
        del self.files[name]
        self.pending_names.append(("", name, None))

    def sync_directory(self) -> None:
        self.step("sync_directory", "")
        self.pending_names.clear()
        self.durable_names = dict(self.files)

    def lock(self) -> None:
        self.step("lock", "")

    def unique(self) -> bytes:
        return self.chance.randbytes(16)

    def start(self, work: Callable[[], Any], *, aside: bool = False) -> SimulatedJob:
        return SimulatedJob(self, work)

    def rest(self) -> bool:
        return self.chance.random() < 0.1

    def hurry(self) -> None:
        pass

    def begin_sync(self, file: SimulatedFile) -> None:
        assert self.syncing is None, "one sync at a time"
        self.syncing = file

    def sync_done(self) -> bool:
        if self.syncing is None or not self.sync_may_end():
            return False
        file, self.syncing = self.syncing, None
        file.sync()
        return True

    def sync_descriptor(self) -> int:
        return -1

    def ahead(self, items: Iterable[Any], depth: int) -> Iterator[Any]:
        return iter(items)

    def close(self) -> None:
        pass

    # ------------------------------------------------------------ faults

    def step(self, operation: str, name: str) -> None:
        due = self.operations == self.crash_at
        if self.crash_before:
            due = operation == self.crash_before and 0 <= self.crash_at <= self.operations
        if due:
            raise Crash(self.operations, operation, name)
        self.operations += 1
        self.fail(operation, name)

    @property
    def used(self) -> int:
        """Bytes that the files take."""
        return sum(max(other.reserved, len(other.cached)) for other in self.files.values())

    def take_space(self, inode: Inode, size: int) -> None:
        self._writable("")
        if self.capacity < UNLIMITED:
            more = max(0, size - max(inode.reserved, len(inode.cached)))
            if self.used + more > self.capacity:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        inode.reserved = max(inode.reserved, size)

    def _writable(self, name: str) -> None:
        if self.read_only:
            self.refuse(name)

    def refuse(self, name: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), self.path(name))

    def lose_power(self) -> "SimulatedDisk":
        """The disk as the next start finds it."""
        names = dict(self.durable_names)
        for new, old, inode in self.pending_names:
            if self.chance.random() < 0.5:
                continue
            if old:
                names.pop(old, None)
            if new and inode is not None:
                names[new] = inode
        inodes = {id(inode): inode for inode in names.values()}  # in an order that the seed decides
        survivors = {key: inode.lose_power(self.chance) for key, inode in inodes.items()}
        return SimulatedDisk(
            self.chance.randrange(1 << 32), {name: survivors[id(i)] for name, i in names.items()}
        )

    def kill(self) -> "SimulatedDisk":
        """Only the process died: the page cache, and what is not synced yet, live on."""
        disk = SimulatedDisk(self.chance.randrange(1 << 32))
        disk.files, disk.durable_names = self.files, self.durable_names
        disk.pending_names = self.pending_names
        return disk

    def copy(self) -> "SimulatedDisk":
        """Everything synced, for tests that damage it."""
        return SimulatedDisk(0, {name: Inode(bytes(inode.cached)) for name, inode in self.files.items()})
