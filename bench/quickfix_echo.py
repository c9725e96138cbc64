"""One order in flight over TCP, beside QuickFIX in C++ that only echoes.

    python -m bench.quickfix_echo [--rounds N]

The exchange is one replica with `durability = "memory"`. QuickFIX's acceptor (bench/quickfix_echo.cpp) answers each
request at once: it has no book, no log and no store. The same client code times both, in turn, and an echo of bytes as
the floor of both. Prints a JSON line for processes free and for pinned ones (the client on one core).

QuickFIX's sources come from PyPI and are compiled, once, with g++ -O2: some five minutes. The program is kept beside
the wheel of `make test-interop`.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.processes import ROOT, directory, echo, exchange, pinned
from bench.surroundings import surroundings
from bench.wire import PLACEMENTS, Rounds, in_turn
from gateway.client import connect

SOURCE = ROOT / "bench" / "quickfix_echo.cpp"
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quorumbook" / "quickfix_echo"
COMPILER = ("g++", "-O2", "-std=c++17", "-w")


def program() -> Path:
    """Built when it is not there, or when its source is newer. CalledProcessError when that fails."""
    built = KEPT / "quickfix_echo"
    if built.exists() and built.stat().st_mtime > SOURCE.stat().st_mtime:
        return built
    library = KEPT / "libquickfix.a"
    headers = KEPT / "C++"
    if not library.exists():
        print("bench.quickfix_echo: compiling QuickFIX, some five minutes, once", file=sys.stderr)
        compile_quickfix(headers, library)
    subprocess.run([*COMPILER, f"-I{headers}", SOURCE, library, "-lpthread", "-o", built], check=True)
    return built


def compile_quickfix(sources: Path, library: Path) -> None:
    """All of it but the binding to Python."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as where:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", where, "quickfix"], check=True)
        (archive,) = Path(where).glob("quickfix-*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(where, filter="data")
        (unpacked,) = Path(where).glob("quickfix-*/C++")
        subprocess.run(["cp", "-r", unpacked, KEPT], check=True)
    files = [path for path in sources.glob("*.cpp") if path.stem != "QuickfixPython"]

    def compiled(file: Path) -> Path:
        made = file.with_suffix(".o")
        subprocess.run([*COMPILER, f"-I{sources}", "-c", file, "-o", made], check=True)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, files))
    subprocess.run(["ar", "rcs", library, *objects], check=True)


@contextlib.contextmanager
def quickfix() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The acceptor, and its endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = subprocess.Popen([program(), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("QuickFIX's acceptor did not start")
        yield child, f"fix+tcp://127.0.0.1:{port}"
        child.kill()


def medians(kinds: dict[str, Callable[[int], list[int]]], rounds: int) -> dict[str, float]:
    """The median latency of each in us."""
    taken = in_turn(kinds, rounds)
    return {f"{name}_p50_us": statistics.median(values) / 1000 for name, values in taken.items()}


def measure(rounds: int) -> Iterator[dict[str, Any]]:
    with (
        directory() as path,
        exchange(path / "data", durability="memory") as venue,
        quickfix() as (acceptor, endpoint),
        echo("tcp") as (plain, floor),
    ):
        for placement in PLACEMENTS:
            pids = [venue.child.pid, acceptor.pid, plain.pid]
            with (
                connect(venue.fix["tcp"], f"QF-{placement}", heartbeat_seconds=60) as ours,
                connect(endpoint, "CLIENT", target="QUICKFIX", heartbeat_seconds=60) as theirs,
                connect(floor, "ECHO", target="ECHO", heartbeat_seconds=3600) as mirror,
                pinned(pids) if placement == "pinned" else contextlib.nullcontext(),
            ):
                kinds = {"exchange": Rounds(ours), "quickfix": Rounds(theirs), "echo": Rounds(mirror)}
                found = medians(kinds, rounds)
            yield {"bench": "quickfix echo", "placement": placement} | found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.quickfix_echo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=2000, help="round trips of each (default 2000)")
    for result in measure(parser.parse_args().rounds):
        print(json.dumps(result | surroundings()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
