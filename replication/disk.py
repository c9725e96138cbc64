"""The edge of the log: real files, one worker thread, the clock of nobody. Linux only.

The lock is an advisory flock on the file `lock`, which holds the owner's process id for the message a second
process gets; the kernel drops it with the process, however it dies.
"""

import errno
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar, cast

from replication.archive import read_header
from replication.files import File, Job, LogDamaged, LogInUse, LogUnavailable, LostData
from replication.messages import Entry
from replication.reader import begins_after, check_pieces, check_there, read_pieces
from replication.segments import SEGMENT_NAME, Names
from replication.snapshots import Snapshot, newest_first, state_of
from replication.state import read_state
from replication.sync_thread import SyncThread
from replication.wal import Bad, Position

T = TypeVar("T")
LOCK_NAME = "lock"
REST_SECONDS = 0.003  # between two pieces of its writing


class RealFile:
    """One open file. Raises OSError; a short write goes on until it is whole or fails. durable: whether `sync` does
    anything."""

    def __init__(self, path: str, descriptor: int, durable: bool = True) -> None:
        self.path = path
        self.durable = durable
        self._descriptor = descriptor

    def pread(self, size: int, offset: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        pieces = [data]  # the kernel may stop early (at 2 GiB, or at a signal)
        got = len(data)
        while got < size and (data := os.pread(self._descriptor, size - got, offset + got)):
            pieces.append(data)
            got += len(data)
        return b"".join(pieces)

    def pwrite(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        try:
            written = os.pwrite(self._descriptor, data, offset)
            while written < len(data):
                written += os.pwrite(self._descriptor, memoryview(data)[written:], offset + written)
        except OSError as error:
            error.filename = self.path  # which the kernel does not know
            raise

    def write_out(self, offset: int, size: int) -> None:
        os.posix_fadvise(self._descriptor, offset, size, os.POSIX_FADV_DONTNEED)  # Linux begins what is dirty

    def reserve(self, size: int) -> None:
        free = os.fstatvfs(self._descriptor)
        more = size - os.fstat(self._descriptor).st_blocks * 512
        if (
            more > free.f_bavail * free.f_frsize
        ):  # fallocate would first take all that is left, from others too
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        os.posix_fallocate(self._descriptor, 0, size)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def sync(self) -> None:
        if self.durable:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class RealDisk:
    """One directory, made when it is not there. Raises LogUnavailable.

    durable: False = segments are never synced. What is written to them survives the process, and not the machine; term
    and vote are synced all the same.
    """

    def __init__(self, directory: str, *, create: bool = True, durable: bool = True) -> None:
        self._durable = durable
        self._synced = False  # without a sync
        self._directory = os.path.abspath(directory)
        self._descriptor = self._lock = -1
        try:
            if create:
                make_directory(self._directory)
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise LogUnavailable(self._directory, error) from None
        self._worker: ThreadPoolExecutor | None = None
        self._aside: ThreadPoolExecutor | None = None
        self._hurry = threading.Event()
        self._syncs: SyncThread | None = None

    def path(self, name: str) -> str:
        return os.path.join(self._directory, name) if name else self._directory

    def names(self) -> list[str]:
        return sorted(os.listdir(self._directory))

    def open(self, name: str, *, create: bool = False, write: bool = True) -> RealFile:
        flags = os.O_CLOEXEC | (os.O_RDWR if write else os.O_RDONLY) | (os.O_CREAT if create else 0)
        durable = self._durable or SEGMENT_NAME.match(name) is None
        return RealFile(self.path(name), os.open(self.path(name), flags, 0o644), durable)

    def rename(self, old: str, new: str) -> None:
        os.replace(self.path(old), self.path(new))

    def unlink(self, name: str) -> None:
        os.unlink(self.path(name))

    def sync_directory(self) -> None:
        os.fsync(self._descriptor)

    def lock(self, name: str = LOCK_NAME) -> None:
        descriptor = os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise LogInUse(
                f"{self._directory}: in use by process {owner}. Stop that process first, or give this one "
                "a directory of its own"
            ) from None
        self._lock = descriptor
        with suppress(
            OSError
        ):  # the number serves the message only; a full disk must not keep us from starting
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def unique(self) -> bytes:
        return os.urandom(16)

    def start(self, work: Callable[[], T], *, aside: bool = False) -> Job[T]:
        if aside:
            if self._aside is None:
                self._aside = ThreadPoolExecutor(1, "snapshots")
            return self._aside.submit(work)
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "log")
        self._hurry.clear()
        return self._worker.submit(work)

    def rest(self) -> bool:
        return self._worker is not None and self._hurry.wait(REST_SECONDS)

    def hurry(self) -> None:
        self._hurry.set()

    def begin_sync(self, file: File) -> None:
        if cast(RealFile, file).durable:
            self._sync_thread.begin(cast(RealFile, file).descriptor)
        else:
            self._synced = True

    def sync_done(self) -> bool:
        if self._synced:
            self._synced = False
            return True
        return self._sync_thread.done()

    def sync_descriptor(self) -> int:
        return self._sync_thread.descriptor

    @property
    def _sync_thread(self) -> SyncThread:
        if self._syncs is None:
            self._syncs = SyncThread()
        return self._syncs

    def ahead(self, items: Iterable[T], depth: int) -> Iterator[T]:
        return ahead(items, depth)

    def close(self) -> None:
        if self._syncs is not None:
            self._syncs.close()
            self._syncs = None
        self._hurry.set()
        for worker in (self._worker, self._aside):
            if worker is not None:
                worker.shutdown(cancel_futures=True)
        self._worker = self._aside = None
        for descriptor in (self._lock, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._descriptor = -1


def make_directory(directory: str) -> None:
    """With its parents, each name durable."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    make_directory(parent)
    with suppress(FileExistsError):
        os.mkdir(directory)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot sync a directory
            raise
    finally:
        os.close(descriptor)


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The same items, computed by a thread of their own up to `depth` ahead of the caller."""
    ready: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: tuple[list[T], BaseException | None]) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                return ready.put(item, timeout=0.1)
        return None

    def work() -> None:
        try:
            for item in items:
                put(([item], None))
                if stopped.is_set():
                    return
            put(([], None))
        except BaseException as error:
            put(([], error))

    thread = threading.Thread(target=work, name="log-reader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if not item:
                return
            yield item[0]
    finally:
        stopped.set()
        thread.join()


def cluster_of(directory: str) -> bytes | None:
    """The cluster that the log in `directory` is of; None when neither `state` nor the first segment says it. Raises
    LogError when there is no log."""
    disk = RealDisk(directory, create=False)
    try:
        check_there(disk)
        with suppress(LogDamaged):
            return read_state(disk).cluster
        with suppress(Bad):
            header = read_header(disk, Names(disk).first)
            return header.cluster if header is not None else None
        return None
    finally:
        disk.close()


def opening_snapshot(directory: str) -> tuple[Snapshot, Iterator[bytes]] | None:
    """What stands for the entries that the log in `directory` does not hold any more, and its state in pieces; None: it
    begins with entry 1. Raises LostData when no whole snapshot reaches so far, LogDamaged, LogError."""
    disk = RealDisk(directory, create=False)
    check_there(disk)
    begins = begins_after(disk)
    if begins == 0:
        return None
    what = f"the log begins behind entry {begins}, and no snapshot can be used"
    for snapshot in reversed(list(newest_first(disk, lambda damage: None))):
        if snapshot.index >= begins:
            return snapshot, state_of(disk, snapshot.name)
    raise LostData(disk.path(""), 0, what)


def read_log(directory: str, verify: bool = True) -> Iterator[Entry]:
    """As `read_log_pieces`, one by one."""
    for entries in read_log_pieces(directory, verify):
        yield from entries


def read_log_pieces(
    directory: str,
    verify: bool = True,
    unfinished: Callable[[str], None] = lambda what: None,
    after: Position | None = None,
) -> Iterator[list[Entry]]:
    """The entries of the log in `directory`, of a stopped or a running exchange, many at a time; needs no lock and
    changes nothing.

    `after`: as read_pieces has it; a log that does not begin with entry 1 is read from its `opening_snapshot` on. With
    `verify` every byte of the log is checked, and the hash chain. `unfinished` is told, for people, when the
    log ends with a batch that is not whole and that nothing proves. Raises LogDamaged with file and offset,
    LogError when there is no log.
    """
    disk = RealDisk(directory, create=False)
    try:
        if verify:
            yield from check_pieces(disk, unfinished, after)
        else:
            yield from read_pieces(disk, verify=False, after=after, unfinished=unfinished)
    finally:
        disk.close()
