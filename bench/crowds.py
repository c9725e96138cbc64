"""One command about a million orders, in a cluster: who else waits, and whether anybody believes the leader dead.

    python -m bench.crowds [--orders N] [--transport tcp|zmq] [NAME ...]

Three replicas with default time-outs, each order synced by a majority. A session enters N orders of one instrument;
then an auction trades all of them, or all are cancelled, expire at one time, or are stops that one trade reaches.
Meanwhile another session sends an order of another instrument every 5 ms, whatever becomes of those before. A JSON line
each: `seconds` from the command to the last of the crowd's reports, how long the other session's orders took in that
time (from when each was to be sent), and before it, and `elections`.
Processes run on any core.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.cluster import Cluster, cluster
from bench.histograms import figures, histogram
from bench.many_in_flight import stream
from bench.match import positive
from bench.processes import directory, process
from bench.surroundings import surroundings
from gateway.client import Client, connect
from gateway.client_types import ABSENT, REQUEST
from gateway.operation_fields import OperationTag

Requests = npt.NDArray[np.void]
WINDOW = 1024
EVERY_NS = 5_000_000
CALM_SECONDS = 2.0  # before the command
PATIENCE = 120.0  # for all of a crowd's reports
MIDDLE = 1_000_000  # ticks
SPREAD = 500


def requests(count: int, **fields: Any) -> Requests:
    """New limit orders of one share of the crowd's instrument, good till cancelled. Prices in ticks."""
    rows = np.zeros(count, REQUEST)
    defaults = {"symbol": b"AAPL", "kind": ord("D"), "side": ord("1"), "quantity": 1, "price_exponent": -2}
    defaults |= {"ord_type": ord("2"), "time_in_force": ord("1")}
    defaults |= {"cl_ord_id": [b"%d" % number for number in range(1, count + 1)]}
    for name, values in (defaults | fields).items():
        rows[name] = values
    return rows


def apart(count: int) -> Requests:
    """Orders that do not meet, over 500 prices of each side."""
    draw = np.random.default_rng(3)
    side, distance = draw.integers(0, 2, count), draw.integers(1, SPREAD + 1, count)
    return requests(count, side=ord("1") + side, price=MIDDLE + np.where(side == 0, -distance, distance))


# ---------------------------------------------------------------- commands about all of them


class Stage(NamedTuple):
    """Who takes part."""

    crowd: Client
    other: Client
    operator: Client

    def phase(self, phase: str) -> None:
        done = self.operator.operate(
            "PHASE", [(OperationTag.SYMBOL, "AAPL"), (OperationTag.PHASE_TAG, phase)]
        )
        if not done.done:
            raise RuntimeError(f"the instrument does not go into {phase}: {done.text}")


Command = Callable[[], object]


def auction(stage: Stage, count: int) -> Command:
    """All of them trade."""
    stage.phase("PRE_OPEN")
    crossed = requests(count, side=ord("1") + np.arange(count) % 2, price=MIDDLE)
    stream(stage.crowd, crossed, WINDOW)
    return lambda: stage.phase("CONTINUOUS")


def mass_cancel(stage: Stage, count: int) -> Command:
    stream(stage.crowd, apart(count), WINDOW)
    return stage.crowd.mass_cancel


def expiry(stage: Stage, count: int) -> Command:
    """All at one time, which comes by itself: long enough after their entry, and after the calm."""
    when = time.time() + 20 + CALM_SECONDS + count / 20_000
    stamp = datetime.fromtimestamp(when, UTC).strftime("%Y%m%d-%H:%M:%S")
    rows = apart(count)
    rows["time_in_force"], rows["terms"] = ord("6"), f"126={stamp}".encode()
    stream(stage.crowd, rows, WINDOW)
    return lambda: time.sleep(max(0.0, int(when) - time.time()))


def stops(stage: Stage, count: int) -> Command:
    """One trade reaches all; each sells to an order that takes everything."""
    low = MIDDLE - 2 * SPREAD
    others = {
        "side": [ord(side) for side in "211"],
        "price": [MIDDLE, MIDDLE, low],
        "quantity": [1, 1, 2 * count],
    }
    stream(stage.other, requests(3, **others), WINDOW)
    rows = requests(count, side=ord("2"), ord_type=ord("3"), price=ABSENT)
    rows["terms"] = [b"99=%.2f" % ((MIDDLE - 1 - at % SPREAD) / 100) for at in range(count)]
    stream(stage.crowd, rows, WINDOW)
    return lambda: stage.other.send(requests(1, side=ord("2"), price=low, cl_ord_id=b"4"))


CROWDED: dict[str, tuple[Callable[[Stage, int], Command], int]] = {
    "auction": (auction, 1),
    "mass cancel": (mass_cancel, 1),
    "expiry": (expiry, 1),
    "stops": (stops, 2),
}
"""What happens, and how many reports of it each order of the crowd gets."""


# ---------------------------------------------------------------- who waits


def probe(endpoint: str, name: str) -> None:
    """Sends an order when it is due, until the input ends. Prints (due, answered) of each, monotonic ns, as JSON."""
    due, answered = [], []
    with connect(endpoint, name, heartbeat_seconds=60, timeout=60) as client:
        row = requests(1, symbol=b"AMZN", time_in_force=ord("3"), price=MIDDLE // 2)
        print("ready", flush=True)
        ended = end_of_input()
        begin = time.monotonic_ns()
        while not ended.is_set() or len(answered) < len(due):
            while (now := time.monotonic_ns()) >= begin + len(due) * EVERY_NS and not ended.is_set():
                due.append(begin + len(due) * EVERY_NS)
                row["cl_ord_id"] = b"%d" % len(due)
                client.send(row)
            wait_ns = max(0, begin + len(due) * EVERY_NS - now)
            for batch, start, stop in client.receive(min(wait_ns, EVERY_NS) / 1e9):
                last = int(batch.array[start:stop]["cl_ord_id_number"].max())
                now = time.monotonic_ns()
                answered += [now] * (last - len(answered))
    print(json.dumps([due, answered]), flush=True)


def end_of_input() -> threading.Event:
    """Set when standard input has come to its end."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended


def reports_of(client: Client, wanted: int) -> None:
    """Until so many came. Raises RuntimeError when they do not."""
    taken, until = 0, time.monotonic() + PATIENCE
    while taken < wanted:
        taken += sum(stop - start for _, start, stop in client.receive(1.0))
        if time.monotonic() > until:
            raise RuntimeError(f"{taken} reports came of {wanted}")


def measure(venue: Cluster, transport: str, what: str, count: int) -> dict[str, Any]:
    arrange, per_order = CROWDED[what]
    leader = venue.leader()
    endpoint = venue.fix(leader, transport)
    term = venue.status(leader)["term"]

    def session(name: str) -> Client:
        return connect(endpoint, name, heartbeat_seconds=60, timeout=PATIENCE)

    name = what.upper().replace(" ", "-")
    with session(f"{name}-CROWD") as crowd, session(f"{name}-OTHER") as other, session("OPS") as operator:
        command = arrange(Stage(crowd, other, operator), count)
        with process("bench.crowds", "--probe", endpoint, f"{name}-PROBE") as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(CALM_SECONDS)
            begin = time.monotonic_ns()
            if what == "mass cancel":
                command()
            else:
                thread = threading.Thread(target=command)
                thread.start()
                reports_of(crowd, per_order * count)
                thread.join()
            end = time.monotonic_ns()
            time.sleep(0.5)
            child.stdin.close()
            due, answered = (np.array(times) for times in json.loads(child.stdout.readline()))
    calm, meanwhile = answered < begin, (answered >= begin) & (due <= end)
    taken = answered - due
    return {
        "bench": "crowds",
        "what": what,
        "transport": transport,
        "orders": count,
        "seconds": round((end - begin) / 1e9, 3),
        "calm_ms_max": round(int(taken[calm].max()) / 1e6, 1),
        "elections": venue.status(venue.leader())["term"] - term,
        **figures(histogram(taken[meanwhile])),
        "ms_max": round(int(taken[meanwhile].max()) / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.crowds", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CROWDED)} (all)")
    parser.add_argument("--orders", type=positive, default=1_000_000, help="of the crowd (1,000,000)")
    parser.add_argument("--transport", choices=("tcp", "zmq"), default="tcp", help="of the clients (tcp)")
    parser.add_argument("--probe", metavar="ENDPOINT", help="be the other session, and measure nothing else")
    given = parser.parse_args()
    if given.probe is not None:
        probe(given.probe, given.names[0])
        return
    for what in given.names or CROWDED:
        with directory() as path, cluster(path / "data") as venue:
            print(
                json.dumps(measure(venue, given.transport, what, given.orders) | surroundings()), flush=True
            )


if __name__ == "__main__":
    main()
