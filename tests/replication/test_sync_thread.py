"""The thread that syncs beside the loop: what it does, and what it tells."""

import errno
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.disk import RealDisk
from replication.files import LogFailed
from replication.log import Log
from replication.messages import HardState, Proposal
from replication.sync_thread import SyncThread

PATIENCE = 60  # seconds; decides nothing but how long a broken thread is waited for


@pytest.fixture
def thread() -> Iterator[SyncThread]:
    thread = SyncThread()
    yield thread
    thread.close()


def readable(descriptor: int, seconds: float = PATIENCE) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def test_the_descriptor_tells_when_a_sync_is_done(thread: SyncThread, tmp_path: Path) -> None:
    assert not thread.done(), "nothing was begun"
    with (tmp_path / "file").open("wb") as file:
        for _ in range(3):
            file.write(bytes(4096))
            file.flush()
            thread.begin(file.fileno())
            assert thread.running
            assert readable(thread.descriptor)
            assert thread.done()
            assert not thread.running
            assert not thread.done(), "told once"
            assert not readable(thread.descriptor, 0)


def test_a_sync_that_fails_is_told_with_its_error(thread: SyncThread, tmp_path: Path) -> None:
    reading, writing = os.pipe()  # which cannot be synced
    thread.begin(writing)
    assert readable(thread.descriptor)
    with pytest.raises(OSError, match="Invalid argument") as raised:
        thread.done()
    assert raised.value.errno == errno.EINVAL
    os.close(reading)
    os.close(writing)
    with (tmp_path / "file").open("wb") as file:
        thread.begin(file.fileno())  # and the thread goes on
        assert readable(thread.descriptor)
        assert thread.done()


def test_one_sync_at_a_time(thread: SyncThread, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        thread.begin(file.fileno())
        with pytest.raises(RuntimeError, match="under way"):
            thread.begin(file.fileno())
        assert readable(thread.descriptor)


def test_closing_waits_for_the_thread_and_closes_its_descriptor(tmp_path: Path) -> None:
    threads = len(os.listdir("/proc/self/task"))
    thread = SyncThread()
    assert len(os.listdir("/proc/self/task")) == threads + 1
    with (tmp_path / "file").open("wb") as file:
        thread.begin(file.fileno())
        thread.close()
    assert len(os.listdir("/proc/self/task")) == threads
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(thread.descriptor)
    with pytest.raises(RuntimeError, match="ended"):
        thread.begin(0)
    thread.close()


class SystemClock:
    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def begun(directory: Path) -> tuple[RealDisk, Log]:
    """A log with one entry that is not synced."""
    disk = RealDisk(str(directory))
    disk.lock()
    log = Log.open(disk, SystemClock(), 1 << 16)
    log.save(HardState(1, 1))
    log.append([Proposal(1, 1, 0, (b"one",))], 0)
    return disk, log


def test_a_log_syncs_beside_the_loop(tmp_path: Path) -> None:
    disk, log = begun(tmp_path)
    log.start_sync()
    assert readable(disk.sync_descriptor())
    assert log.finish_sync()
    assert log.proven_index == 1
    log.close()
    disk.close()


def test_a_log_whose_sync_fails_beside_the_loop_has_failed(tmp_path: Path) -> None:
    disk, log = begun(tmp_path)
    reading, writing = os.pipe()
    log._file._descriptor, kept = writing, log._file.descriptor  # type: ignore[attr-defined]
    log.start_sync()
    assert readable(disk.sync_descriptor())
    with pytest.raises(LogFailed):
        log.finish_sync()
    with pytest.raises(LogFailed):
        log.poll()
    assert log.proven_index == 0
    assert log.why_not is not None
    log.close()
    disk.close()
    os.close(reading)
    os.close(kept)
