"""The processes that a wire benchmark needs: an exchange of its own, echoes, a feed subscriber."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "[network]\nfix_zmq = 0\nfix_tcp = 0\nfeed = 0\nsnapshot = 0\nadmin = 0\n"


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m arguments`, killed at the end. Its standard input and output are pipes."""
    child = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        child.stdout.close()


@contextmanager
def directory() -> Iterator[Path]:
    """A fresh directory on the disk that holds the repository, removed at the end."""
    parent = ROOT / "build"
    parent.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Exchange:
    """A running `quorumbook serve`."""

    def __init__(self, child: subprocess.Popen[str], data: Path) -> None:
        self.child, self.data = child, data
        self.endpoints: dict[str, Any] = json.loads((data / "endpoints.json").read_text())

    @property
    def fix(self) -> dict[str, str]:
        """Transport to endpoint."""
        return {
            "zmq": "zmq+" + self.endpoints["fix_zmq"],
            "tcp": self.endpoints["fix_tcp"],
        }


@contextmanager
def exchange(data: Path, durability: str = "disk") -> Iterator[Exchange]:
    """An exchange with the default rules on free ports, its log in `data`. durability: storage.durability."""
    data.mkdir(parents=True, exist_ok=True)
    config = data.with_suffix(".toml")
    config.write_text(f'{CONFIG}[storage]\ndurability = "{durability}"\n')
    with process("gateway.cli", "serve", "--config", str(config), "--data", str(data)) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("ready"):
                break
        else:
            raise RuntimeError("the exchange did not start")
        yield Exchange(child, data)


@contextmanager
def echo(transport: str, *synced: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An echo and its endpoint; `synced`: the file that it makes durable before it answers."""
    with process("bench.echo", transport, *synced) as child:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()


@contextmanager
def pinned(children: list[int]) -> Iterator[None]:
    """The children on one core, this process on another. Threads that exist follow."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("pinning needs two cores")
    before = {pid: os.sched_getaffinity(pid) for pid in children} | {0: os.sched_getaffinity(0)}
    place(children, {cores[0]})
    place([os.getpid()], {cores[1]})
    try:
        yield
    finally:
        place(children, before[children[0]])
        place([os.getpid()], before[0])


def place(pids: list[int], cores: set[int]) -> None:
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cores)


def settle(seconds: float = 0.2) -> None:
    time.sleep(seconds)
