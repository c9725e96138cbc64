"""Wire to wire: from a client process over a real connection, through the synced log and the engine, and back.

    python -m bench.wire [--rounds N] [--messages N] [--windows 64,1024,16384] [--plot FILE]

Prints JSON lines. *One in flight*: an order (or its cancel) is sent when the one before is answered. Beside it, in
the same run and interleaved, are its floors: an echo over the same transport by the same client code, and fdatasync of
128 bytes on a preallocated file, by a process placed as the exchange is (echo + fdatasync is the `floor`, `ratio` is
over it). Both placements: processes free, and exchange, echoes and that process pinned to one core, the client to
another. Two more floors say what that sum hides. `synced_echo` is an echo that itself writes 128 bytes and syncs them
before it answers: while a server waits for its disk its core and the client's fall idle, their caches cool, and both
must be woken; an echo answers before that. `client_floor` takes the fdatasync of the client: the core that takes the
disk's interrupts waits 40 us less for it, and pinned that is the client's. *Many in flight*: W1's mix through a
window; one process encodes each message anew and decodes and checks every report; a feed subscriber is connected. At
the end a replay of the log, every checksum verified, must come to the same inputs and state.

Latencies run from the intended send time (the moment the window had room) to the report, in HDR histograms.
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

from bench.echo import Disk
from bench.order_mix import PREFILL, order_mix
from bench.processes import ROOT, Exchange, directory, echo, exchange, pinned, process
from bench.surroundings import surroundings
from gateway.client import Client, connect
from gateway.client_types import ABSENT, REQUEST
from gateway.locate import Place

BLOCK = 10
"""Rounds of one kind before the next kind has its turn."""
WARM_UP = 200
TRANSPORTS = ("zmq", "tcp")


def histogram(values_ns: npt.NDArray[np.int64]) -> HdrHistogram:
    """1 us to a minute, in ns, three digits."""
    found = HdrHistogram(1_000, 60_000_000_000, 3)
    for value, count in zip(*np.unique(values_ns // 100 * 100, return_counts=True), strict=True):
        found.record_value(int(max(value, 1_000)), int(count))
    return found


def figures(found: HdrHistogram) -> dict[str, float]:
    return {
        "latency_us_p50": found.get_value_at_percentile(50) / 1000,
        "latency_us_p99": found.get_value_at_percentile(99) / 1000,
    }


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


def one_in_flight(venue: Exchange, path: Path, rounds: int) -> Iterator[tuple[dict[str, Any], HdrHistogram]]:
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
                    yield judged(transport, placement, found), found["exchange"]


def syncs(disk: subprocess.Popen[str], count: int) -> list[int]:
    """How long each of `count` syncs takes in that process, in ns."""
    assert disk.stdin is not None
    assert disk.stdout is not None
    took = []
    for _ in range(count):
        print(file=disk.stdin, flush=True)
        took.append(int(disk.stdout.readline()))
    return took


def interleaved(kinds: dict[str, Callable[[int], list[int]]], rounds: int) -> dict[str, HdrHistogram]:
    """Latencies of each kind, and of the sums: echo + fdatasync."""
    for kind in kinds.values():
        kind(WARM_UP)
    taken: dict[str, list[int]] = {name: [] for name in kinds}
    gc.disable()
    for _ in range(rounds // BLOCK):
        for name, kind in kinds.items():
            taken[name] += kind(BLOCK)
    gc.enable()
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


def many_in_flight(
    venue: Exchange, transport: str, window: int, requests: npt.NDArray[np.void], name: str
) -> tuple[dict[str, Any], HdrHistogram]:
    """All requests after the prefill, at most `window` unanswered: rate and latencies."""
    with connect(venue.fix[transport], name, heartbeat_seconds=60, timeout=60) as client:
        stream(client, requests[:PREFILL], 1024)
        begin = time.perf_counter_ns()
        processor = time.process_time()
        intended, answered, reports = stream(client, requests[PREFILL:], window)
        seconds = (time.perf_counter_ns() - begin) / 1e9
        processor = time.process_time() - processor
        client.mass_cancel()
    found = histogram(answered - intended)
    count = len(requests) - PREFILL
    result = {
        "bench": "wire",
        "what": "many in flight",
        "transport": transport,
        "window": window,
        "messages": count,
        "reports": reports,
        "rate": count / seconds,
        "client_us_per_message": processor / count * 1e6,
        **figures(found),
    }
    return result, found


def stream(
    client: Client, requests: npt.NDArray[np.void], window: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Send all through a window: intended send time and answer time of each, and how many reports came."""
    count = len(requests)
    intended, answered = np.zeros(count, np.int64), np.zeros(count, np.int64)
    sent = done = reports = last = 0
    now = time.monotonic_ns()
    while done < count:
        room = min(window - (sent - done), count - sent)
        if room:
            intended[sent : sent + room] = now
            client.send(requests[sent : sent + room])
            sent += room
        received = client.receive(5.0)
        now = time.monotonic_ns()
        for batch, start, stop in received:
            array = batch.array[start:stop]
            reports += stop - start
            # Invariant: an input's first report that is no maker's fill answers the next request.
            numbers = array["input_number"][array["maker_taker"] != ord("1")]
            if len(numbers):
                fresh = int(np.count_nonzero(np.diff(numbers, prepend=np.uint64(last))))
                last = int(numbers[-1])
                answered[done : done + fresh] = now
                done += fresh
    return intended, answered, reports


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


def check_replay(venue: Exchange) -> dict[str, Any]:
    """Replay the log to where the running exchange is, every checksum verified: the state hashes must be equal."""
    live = Place(None, venue.data).ask({"command": "state_hash"})
    index, state_hash = live["applied_index"], live["state_hash"]
    command = [sys.executable, "-m", "gateway.cli", "replay", str(venue.data), "--verify", "--to", str(index)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    lines = done.stdout.replace("state hash", "state_hash").splitlines()
    told = dict(line.split(maxsplit=1) for line in lines if line.strip())
    if told["state_hash"] != state_hash:
        raise SystemExit(
            f"at entry {index} the exchange has state {state_hash}, a replay {told['state_hash']}"
        )
    rate = float(told["commands/s"].replace(",", ""))
    return {"index": index, "state_hash": state_hash, "commands_per_s": rate}


def plot(found: dict[str, HdrHistogram], path: Path) -> None:
    """Latency by percentile, both axes logarithmic: the right half is the tail."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5))
    nines = np.linspace(0, 5, 200)
    percentiles = 100 * (1 - 10.0**-nines)
    for name, one in found.items():
        axes.plot(nines, [one.get_value_at_percentile(p) / 1000 for p in percentiles], label=name)
    axes.set_yscale("log")
    axes.set_xticks(range(6), ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"])
    axes.set_xlabel("percentile")
    axes.set_ylabel("latency, µs (from the intended send time)")
    axes.set_title("Wire to wire, sync on")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.wire", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=2000, help="round trips of one in flight (default 2000)"
    )
    parser.add_argument(
        "--messages", type=int, default=200_000, help="messages of many in flight (default 200000)"
    )
    parser.add_argument(
        "--windows", default="64,1024,16384", help="how many in flight (default 64,1024,16384)"
    )
    parser.add_argument("--plot", type=Path, default=ROOT / "bench" / "results" / "wire.png")
    parser.add_argument("--subscribe", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subscribe:
        subscribe(options.subscribe)
    around = surroundings()
    found: dict[str, HdrHistogram] = {}
    with directory() as path, exchange(path / "data") as venue:
        for result, one in one_in_flight(venue, path / "floor", options.rounds):
            found[f"one in flight, {result['transport']}, {result['placement']}"] = one
            print(json.dumps(result | around), flush=True)
        if options.messages:
            requests = order_mix(options.messages)
            with subscriber(venue.endpoints["feed"]):
                for transport in TRANSPORTS:
                    for window in map(int, options.windows.split(",")):
                        name = f"MIX-{transport}-{window}"
                        result, one = many_in_flight(venue, transport, window, requests, name)
                        found[f"{window} in flight, {transport}"] = one
                        print(json.dumps(result | around), flush=True)
        replayed = {"bench": "wire", "what": "replay"} | check_replay(venue)
        print(json.dumps(replayed | around), flush=True)
    plot(found, options.plot)


if __name__ == "__main__":
    main()
