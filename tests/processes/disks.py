"""Disks that are slow for one process, so many bytes a second or so long for each sync, or have no room for it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from test_sync import WHY_NOT

BLKIO = Path("/sys/fs/cgroup/blkio")
MEGABYTE = 1 << 20


@contextmanager
def file_system(place: Path, megabytes: int) -> Iterator[None]:
    """One of its own in that directory, from a file beside it; skips where none can be mounted. When it is slow, nobody
    else waits for its journal."""
    place.mkdir()
    image = place.with_name(f"{place.name}.image")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    for command in (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(place)]):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted here: {getattr(error, 'stderr', error)}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, timeout=60)
        image.unlink()


@contextmanager
def slow_disk(exchange: ExchangeProcess, bytes_a_second: int = MEGABYTE) -> Iterator[None]:
    """By the kernel's own brake (cgroup v1, blkio); skips where there is none."""
    device = os.stat(exchange.data).st_dev
    group = BLKIO / f"quorumbook-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no disk can be slowed here: {error}")
    try:
        limit = f"{os.major(device)}:{os.minor(device)} {bytes_a_second}"
        (group / "blkio.throttle.write_bps_device").write_text(limit)
        (group / "cgroup.procs").write_text(str(exchange.endpoints["pid"]))
        yield
    finally:
        for process in (group / "cgroup.procs").read_text().split():
            (BLKIO / "cgroup.procs").write_text(process)
        group.rmdir()


@contextmanager
def slow_syncs(exchange: ExchangeProcess, milliseconds: int) -> Iterator[None]:
    """Each takes so much longer; skips where strace cannot run."""
    with injected(exchange, f"fdatasync:delay_exit={milliseconds * 1000}"):
        yield


@contextmanager
def no_room(exchange: ExchangeProcess) -> Iterator[None]:
    """For another segment of the log. libfiu does not know the call; skips where strace cannot run."""
    with injected(exchange, "fallocate:error=ENOSPC"):
        yield


@contextmanager
def injected(exchange: ExchangeProcess, fault: str) -> Iterator[None]:
    """By strace, which comes and goes while the process runs."""
    if WHY_NOT:
        pytest.skip(f"strace cannot run: {WHY_NOT}")
    call, pid = fault.partition(":")[0], str(exchange.endpoints["pid"])
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}", "-p", pid]
    tracing = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracing.stderr
        assert "attached" in tracing.stderr.readline()
        yield
    finally:
        tracing.terminate()
        tracing.communicate()
