"""What market data and the egress store cost: `python -m bench.feed [--workload W1.bin]`.

A mixed flow (W1 when its file is given, else a seeded one like it) is run one command an input, in log entries of 64
inputs. "quiet" counts sequences and builds nothing (replay); "all" builds and takes every message of the kinds.
The egress store takes ExecutionReports of 1,000 sessions; its file swallows what is written.

The floors, in the same run: under the feed the engine alone, which takes 64 commands in one call; under the reader
each message's numbers unpacked and kept nowhere; under the egress store one copy of the same bytes. Times are CPU
time of the one thread, so that a busy machine disturbs less. A table is printed, then one JSON line a figure with the
medians.
"""

import argparse
import json
import statistics
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.match import positive
from bench.surroundings import surroundings
from bench.workload import Wrong, read
from engine.machine import Machine
from engine.records import COMMAND, CommandKind, OrderType, TimeInForce
from gateway.egress import EgressStore
from gateway.feed import HEADER, KINDS, RECORDS, FeedReader
from gateway.market_data import MarketData

Records = npt.NDArray[np.void]
ENTRY = 64  # inputs a log entry
SESSIONS = 1000
EGRESS_ROUNDS = 270  # reports of each session: more than the store keeps in memory
REPORT_BYTES = 264  # an ExecutionReport of a fill
REACH = {"all": 300.0, "egress append": 30.0}  # ns


def flow(count: int) -> Records:
    """55 % new near the touch, 40 % cancels, 5 % marketable, on one instrument."""
    random = np.random.default_rng(42)
    made = np.zeros(count, COMMAND)
    made["kind"], made["order_type"], made["time_in_force"] = (
        CommandKind.NEW,
        OrderType.LIMIT,
        TimeInForce.GTC,
    )
    made["client_ref"] = np.arange(1, count + 1)
    made["quantity_lots"] = random.integers(1, 100, count)
    made["side"] = random.integers(0, 2, count)
    distance = np.where(random.random(count) < 1 / 12, -3, random.geometric(0.08, count) - 1)
    made["price_ticks"] = np.where(made["side"] == 0, 10_000 - distance, 10_001 + distance)
    cancels = random.random(count) < 0.40
    cancels[:1000] = False
    made["kind"][cancels] = CommandKind.CANCEL
    earlier = (random.random(count) * np.arange(count)).astype(np.uint64) + np.uint64(1)
    made["client_ref"][cancels] = earlier[cancels]
    return made


def play(commands: Records, prefixes: list[bytes], messages: list[tuple[bytes, bytes]] | None) -> float:
    """Nanoseconds an input; the messages go to `messages`, when it is given."""
    machine, feed = Machine(), MarketData()
    feed.define(machine.define(), b"AAPL", 1, -2, 1, 0)
    feed.ignore(b"")
    for prefix in prefixes:
        feed.listen(prefix)
    began = time.thread_time_ns()
    for position in range(0, len(commands), ENTRY):
        feed.perform(machine, commands[position : position + ENTRY], position + 1, 0)
        feed.end_entry(machine)
        taken = feed.take()
        if messages is not None:
            messages += taken
    return (time.thread_time_ns() - began) / len(commands)


def engine_alone(commands: Records) -> float:
    """The floor: the same commands without a feed."""
    machine = Machine()
    machine.define()
    began = time.thread_time_ns()
    for position in range(0, len(commands), ENTRY):
        machine.apply(commands[position : position + ENTRY])
    return (time.thread_time_ns() - began) / len(commands)


def read_messages(messages: list[tuple[bytes, bytes]], inputs: int) -> float:
    reader = FeedReader("AAPL", KINDS)
    machine, feed = Machine(), MarketData()
    feed.define(machine.define(), b"AAPL", 1, -2, 1, 0)
    for request in reader.requests():
        reader.receive_snapshot(feed.snapshot(request, machine))
    began = time.thread_time_ns()
    for topic, payload in messages:
        reader.receive(topic, payload)
    return (time.thread_time_ns() - began) / inputs


def unpack_messages(messages: list[tuple[bytes, bytes]], inputs: int) -> float:
    """The floor of a reader in Python: the numbers of every message, kept nowhere."""
    records = {f"{kind}|AAPL|".encode(): RECORDS[kind] for kind in KINDS}
    began = time.thread_time_ns()
    for topic, payload in messages:
        HEADER.unpack_from(payload)
        for _ in records[topic].iter_unpack(memoryview(payload)[HEADER.size :]):
            pass
    return (time.thread_time_ns() - began) / inputs


class Nowhere:
    """A file that keeps nothing."""

    def pwrite(self, data: memoryview, offset: int) -> None: ...

    def pread(self, size: int, offset: int) -> bytes:
        return b""


def egress(rounds: int) -> dict[str, float]:
    """Nanoseconds a record to append it and to read it again from memory, once the window has been filled."""
    head = struct.Struct("<IBBBBIIQqQQIIQ")
    records = [
        head.pack(REPORT_BYTES, 1, 56, 0, 0, session, 1, 0, 0, 0, 0, 0, 0, 0) + bytes(REPORT_BYTES - 64)
        for session in range(1, SESSIONS + 1)
    ]
    batch = np.frombuffer(bytearray(b"".join(records)), "<u8").reshape(SESSIONS, -1)
    window = np.empty((rounds, *batch.shape), batch.dtype)
    store, appended, copied = EgressStore(Nowhere()), 0, 0
    for number in range(1, 2 * rounds + 1):
        batch[:, 2] = number  # MsgSeqNum
        began = time.thread_time_ns()
        store.append(batch.data.cast("B"))
        between = time.thread_time_ns()
        window[number % rounds] = batch
        copied += time.thread_time_ns() - between if number > rounds else 0
        appended += between - began if number > rounds else 0
    began = time.thread_time_ns()
    found = sum(len(store.read(session, 2 * rounds - 100, 0, 1 << 30)) for session in range(1, SESSIONS + 1))
    read = (time.thread_time_ns() - began) / found
    return {
        "egress append": appended / (rounds * SESSIONS),
        "egress read": read,
        "egress copy": copied / (rounds * SESSIONS),
    }


FLOORS = {
    **dict.fromkeys(("quiet", *KINDS, "all"), "engine"),
    "reader in Python": "unpacking",
    "egress append": "egress copy",
    "egress read": "egress copy",
}
"""Figure to the run that is its floor."""


def figures(commands: Records, repeat: int) -> dict[str, float]:
    """Medians, nanoseconds an input (egress: a record)."""
    messages: list[tuple[bytes, bytes]] = []
    play(commands[: 50 * ENTRY], [b""], messages)
    runs: dict[str, Callable[[], float]] = {
        "engine": lambda: engine_alone(commands),
        "quiet": lambda: play(commands, [], None),
        **{kind: partial(play, commands, [f"{kind}|".encode()], None) for kind in KINDS},
        "all": lambda: play(commands, [b""], None),
        "unpacking": lambda: unpack_messages(messages, 50 * ENTRY),
        "reader in Python": lambda: read_messages(messages, 50 * ENTRY),
    }
    taken: dict[str, list[float]] = {}
    for _ in range(repeat):  # in turn, so that a busy moment spreads over all
        for name, run in runs.items():
            taken.setdefault(name, []).append(run())
        for name, figure in egress(EGRESS_ROUNDS).items():
            taken.setdefault(name, []).append(figure)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.feed", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workload", type=Path, help="a .bin of shared/workloads")
    parser.add_argument("--inputs", type=positive, default=300_000, help="of the seeded flow (300,000)")
    parser.add_argument("--repeat", type=positive, default=5, help="runs; the median counts (5)")
    options = parser.parse_args()
    try:
        commands = flow(options.inputs) if options.workload is None else read(options.workload).commands
    except Wrong as wrong:
        print(f"bench.feed: {wrong}", file=sys.stderr)
        return 1
    found = figures(commands, options.repeat)
    for name, floor in FLOORS.items():
        reach = f"reach {REACH[name]:.0f}" if name in REACH else ""
        print(f"{name:18} {found[name]:8.1f} ns   floor ({floor}) {found[floor]:8.1f} ns   {reach}")
    for name, floor in FLOORS.items():
        line = {"bench": "feed", "name": name, "ns": round(found[name], 1), "floor": floor}
        line |= {"floor_ns": round(found[floor], 1), "reach_ns": REACH.get(name)}
        print(json.dumps(line | surroundings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
