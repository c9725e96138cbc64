"""Wire to wire: from a client process over a real connection, through the synced log and the engine, and back.

    python -m bench.wire [--rounds N] [--messages N] [--windows 64,1024,16384] [--repeat N] [--plot FILE]

Prints JSON lines. *One in flight*: an order (or its cancel) is sent when the one before is answered. Beside it, in
the same run and interleaved, are its floors: an echo over the same transport by the same client code, and fdatasync of
128 bytes on a preallocated file, by a process placed as the exchange is (echo + fdatasync is the `floor`, `ratio` is
over it). Both placements: processes free, and exchange, echoes and that process pinned to one core, the client to
another. Two more floors say what that sum hides. `synced_echo` is an echo that itself writes 128 bytes and syncs them
before it answers: while a server waits for its disk its core and the client's fall idle, their caches cool, and both
must be woken; an echo answers before that. `client_floor` takes the fdatasync of the client: the core that takes the
disk's interrupts waits 40 us less for it, and pinned that is the client's. *Many in flight*: W1's mix through a
window; one process encodes each message anew and decodes and checks every report; a feed subscriber is connected;
floors are an echo and the disk (bench/many_in_flight.py). At the end a replay of the log, every checksum verified, must
come to the same state (bench/replay.py).

Latencies run from the intended send time (the moment the window had room) to the report, in HDR histograms; they are
drawn by percentile to FILE and kept beside it as FILE.hlog.
"""

import argparse
import contextlib
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq
from hdrh.histogram import HdrHistogram

from bench import replay
from bench.disk import Disk
from bench.histograms import Curve, draw, figures, histogram, write_log
from bench.many_in_flight import OutOfTurn, many_in_flight
from bench.match import positive
from bench.order_mix import order_mix
from bench.processes import ROOT, Exchange, directory, echo, exchange, pinned, process
from bench.surroundings import surroundings
from gateway.client import Client, connect
from gateway.client_types import ABSENT, REQUEST
from gateway.locate import Place

BLOCK = 10
"""Rounds of one kind before the next kind has its turn."""
WARM_UP = 200
TRANSPORTS = ("tcp", "zmq")
NAMES = {"tcp": "TCP", "zmq": "ZeroMQ"}
PLACEMENTS = {"free": "processes on any core", "pinned": "client pinned to one core, exchange to another"}


def one_way_requests() -> npt.NDArray[np.void]:
    """An order that rests far from the touch and its cancel, in turn."""
    rows = np.zeros(2, REQUEST)
    rows["symbol"], rows["side"] = b"AMZN", ord("1")
    rows["kind"] = [ord("D"), ord("F")]
    rows["price"], rows["price_exponent"], rows["quantity"] = [100, ABSENT], -2, [5, ABSENT]
    rows["ord_type"], rows["time_in_force"] = [ord("2"), 0], [ord("1"), 0]
    return rows


class Rounds:
    """Single requests over one client, each timed until its answer is decoded and checked, in ns."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rows = one_way_requests()
        self.count = 0

    def __call__(self, count: int) -> list[int]:
        return [self.round_trip() for _ in range(count)]

    def round_trip(self) -> int:
        row = self.rows[self.count % 2 : self.count % 2 + 1]
        row["cl_ord_id"] = b"r%d" % self.count
        if self.count % 2:
            row["orig_cl_ord_id"] = b"r%d" % (self.count - 1)
        self.count += 1
        begin = time.perf_counter_ns()
        self.client.send(row)
        while not self.client.receive(1.0):
            pass
        return time.perf_counter_ns() - begin


def one_in_flight(
    venue: Exchange, path: Path, rounds: int
) -> Iterator[tuple[dict[str, Any], dict[str, HdrHistogram]]]:
    """Each transport and placement: the exchange beside its floors, in interleaved blocks."""
    own = Disk(Path(f"{path}-client"))
    with process("bench.echo", "disk", f"{path}") as disk:
        for transport in TRANSPORTS:
            with echo(transport) as (plain, endpoint), echo(transport, f"{path}-echo") as (synced, durable):
                for placement in ("free", "pinned"):
                    name = f"WIRE-{transport}-{placement}"
                    pids = [venue.child.pid, plain.pid, synced.pid, disk.pid]
                    place = pinned(pids) if placement == "pinned" else contextlib.nullcontext()
                    with (
                        connect(venue.fix[transport], name, heartbeat_seconds=60) as real,
                        connect(endpoint, "ECHO", target="ECHO", heartbeat_seconds=3600) as mirror,
                        connect(durable, "ECHO", target="ECHO", heartbeat_seconds=3600) as slower,
                        place,
                    ):
                        kinds: dict[str, Callable[[int], list[int]]] = {
                            "exchange": Rounds(real),
                            "echo": Rounds(mirror),
                            "fdatasync": partial(syncs, disk),
                            "synced_echo": Rounds(slower),
                            "client_fdatasync": own.times,
                        }
                        found = interleaved(kinds, rounds)
                    yield judged(transport, placement, found), found


def syncs(disk: subprocess.Popen[str], count: int) -> list[int]:
    """How long each of `count` syncs takes in that process, in ns."""
    assert disk.stdin is not None
    assert disk.stdout is not None
    took = []
    for _ in range(count):
        print(file=disk.stdin, flush=True)
        took.append(int(disk.stdout.readline()))
    return took


def in_turn(kinds: dict[str, Callable[[int], list[int]]], rounds: int) -> dict[str, list[int]]:
    """What each kind took, in ns, in interleaved blocks."""
    for kind in kinds.values():
        kind(WARM_UP)
    taken: dict[str, list[int]] = {name: [] for name in kinds}
    gc.disable()
    for _ in range(rounds // BLOCK):
        for name, kind in kinds.items():
            taken[name] += kind(BLOCK)
    gc.enable()
    return taken


def interleaved(kinds: dict[str, Callable[[int], list[int]]], rounds: int) -> dict[str, HdrHistogram]:
    """Latencies of each kind, and of the sums: echo + fdatasync."""
    taken = in_turn(kinds, rounds)
    for floor, sync in (("floor", "fdatasync"), ("client_floor", "client_fdatasync")):
        taken[floor] = [a + b for a, b in zip(taken["echo"], taken[sync], strict=True)]
    return {name: histogram(np.array(values)) for name, values in taken.items()}


def judged(transport: str, placement: str, found: dict[str, HdrHistogram]) -> dict[str, Any]:
    result = {"bench": "wire", "what": "one in flight", "transport": transport, "placement": placement}
    for name, one in found.items():
        result |= {f"{name}_{key}": value for key, value in figures(one).items()}
    for ratio, floor in (
        ("ratio", "floor"),
        ("synced_echo_ratio", "synced_echo"),
        ("client_floor_ratio", "client_floor"),
    ):
        result[ratio] = result["exchange_latency_us_p50"] / result[f"{floor}_latency_us_p50"]
    return result


@contextlib.contextmanager
def subscriber(endpoint: str) -> Iterator[None]:
    """A process that reads the whole feed."""
    child = subprocess.Popen([sys.executable, "-m", "bench.wire", "--subscribe", endpoint], cwd=ROOT)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


def subscribe(endpoint: str) -> None:
    """Read every message of the feed until killed."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(endpoint)
    while True:
        socket.recv_multipart()


def check_replay(venue: Exchange, repeat: int) -> dict[str, Any]:
    """Replay the log to where the running exchange is, every checksum verified: the state hashes must be equal."""
    live = Place((), [venue.data]).ask({"command": "state_hash"})
    result = replay.measure(venue.data, live["applied_index"], repeat)
    if result["state_hash"] != live["state_hash"]:
        raise SystemExit(
            f"bench.wire: at entry {live['applied_index']} the exchange has state {live['state_hash']}, a replay "
            f"{result['state_hash']}"
        )
    return result


def measure(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], list[Curve]]]:
    """Every result, with the curves that belong to it."""
    with directory() as path, exchange(path / "data") as venue:
        for result, found in one_in_flight(venue, path / "floor", options.rounds):
            transport = result["transport"]
            panel = f"one in flight, {PLACEMENTS[result['placement']]}"
            colour = TRANSPORTS.index(transport)
            yield (
                result,
                [
                    Curve(panel, f"{NAMES[transport]}, {name}", colour, style, found[name.replace(" ", "_")])
                    for style, name in enumerate(("exchange", "floor", "synced echo"))
                ],
            )
        if options.messages:
            requests = order_mix(options.messages)
            with subscriber(venue.endpoints["feed"]):
                for transport in TRANSPORTS:
                    for number, window in enumerate(options.windows):
                        result, one = many_in_flight(venue, transport, window, requests, path, options.repeat)
                        name = f"{NAMES[transport]}, {window:,}"
                        style = TRANSPORTS.index(transport)
                        yield result, [Curve("many in flight", name, number, style, one)]
        yield {"bench": "wire", "what": "replay"} | check_replay(venue, options.repeat), []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.wire", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=2000, help="round trips of one in flight (default 2000)"
    )
    parser.add_argument(
        "--messages", type=int, default=200_000, help="messages of many in flight (default 200000)"
    )
    parser.add_argument(
        "--windows",
        type=lambda text: [positive(window) for window in text.split(",")],
        default=[64, 1024, 16384],
        help="how many in flight (default 64,1024,16384)",
    )
    parser.add_argument("--repeat", type=positive, default=3, help="of many in flight, and replays (3)")
    parser.add_argument(
        "--plot", type=Path, default=ROOT / "bench" / "results" / "wire.png", help="where the picture goes"
    )
    parser.add_argument("--subscribe", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subscribe:
        subscribe(options.subscribe)
    curves: list[Curve] = []
    try:
        for result, found in measure(options):
            print(json.dumps(result | surroundings()), flush=True)
            curves += found
    except (OutOfTurn, replay.Failed) as failed:
        print(f"bench.wire: {failed}", file=sys.stderr)
        return 1
    here = surroundings()
    machine = f"{here['cpu']}, {here['cores']} cores, {here['date'][:10]}, commit {here['commit']}"
    draw(curves, f"Wire to wire, every order synced to disk ({machine})", options.plot)
    write_log(curves, options.plot.with_suffix(".hlog"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
