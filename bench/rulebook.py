"""What the rule book costs: `python -m bench.rulebook [--orders N] [--steps N] [--repeat N]`.

One JSON line for each figure. *Plain path*: instructions of a plain limit order or cancel, counted by callgrind where
valgrind is installed, beside those before there was a rule book. *A stop, an iceberg*: entered and cancelled again, in
turn with plain limit orders. *Repricing*: 10,000 pegged orders when the touch moves, again and again. *Crowds*:
commands about --orders orders at once (1,000,000), done as the gateway does them, --steps steps at a time (256); `ms`
is all of the work, `longest_ms` the longest of its pieces; --repeat runs (5), each on a copy of the machine. The floor
of both is a copy of as many reports.

The clock is CPU time of the thread; figures are medians.
"""

import argparse
import gc
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.crowded_markets import (
    BATCH,
    CROWD,
    CROWDED,
    MIDDLE,
    Records,
    Situation,
    apart,
    better_bid,
    enter,
    orders,
    pegs,
    special_orders,
    traded,
)
from bench.order_mix import PREFILL, operations
from bench.surroundings import ROOT, surroundings
from bench.workload import commands_of
from engine.machine import Machine
from engine.records import COMMAND, EMPTY_PRICE, REPORT, CommandKind, OrderType

PLAIN_OPERATIONS = 100_000
PLAIN_BEFORE = 371.87
"""Instructions a command of this flow at commit 75d2bfc, the last without version 3 of the rules; GCC 12.2, x86-64."""
PLAIN_PATH = "__pyx_f_6engine_4book_run_commands"
PEGS = 10_000
TURNS = 60  # of orders that are entered and cancelled, each kind in turn; and moves of the touch
ENTERED = 4096  # in a turn


# ---------------------------------------------------------------- the plain path


def play(commands: Records) -> None:
    machine = Machine()
    machine.define()
    for at in range(0, len(commands), BATCH):
        machine.apply(commands[at : at + BATCH])


def plain_path() -> Iterator[dict[str, Any]]:
    """Instructions of the mix of W1; nothing where there is no valgrind."""
    if shutil.which("valgrind") is None:
        return
    commands = commands_of(operations(PLAIN_OPERATIONS, 1, PREFILL))
    with tempfile.TemporaryDirectory() as directory:
        flow = Path(directory) / "flow.npy"
        np.save(flow, commands)
        counter = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out"]
        counter += [
            f"--toggle-collect={PLAIN_PATH}",
            sys.executable,
            "-m",
            "bench.rulebook",
            "--play",
            str(flow),
        ]
        told = subprocess.run(counter, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    collected = re.search(r"Collected : (\d+)", told)
    assert collected is not None, told
    instructions = int(collected[1]) / len(commands)
    yield {"what": "plain path", "instructions": round(instructions, 2), "before": PLAIN_BEFORE}


# ---------------------------------------------------------------- kinds of orders


def kinds() -> dict[str, Records]:
    """Orders that rest or wait, at the same distances from the middle."""
    draw = np.random.default_rng(11)
    places = apart(ENTERED, draw) | {"quantity_lots": 10}
    waiting = places | {"price_ticks": EMPTY_PRICE, "stop_price_ticks": 2 * MIDDLE - places["price_ticks"]}
    return {
        "limit": orders(ENTERED, **places),
        "stop": special_orders(ENTERED, order_type=OrderType.STOP, **waiting),
        "iceberg": special_orders(ENTERED, display_lots=2, **places),
    }


def market() -> Machine:
    """With a book of PREFILL orders of others, and a trade in the middle."""
    machine = Machine()
    machine.define()
    traded(machine)
    enter(machine, orders(PREFILL, owner=CROWD + 1, **apart(PREFILL, np.random.default_rng(12))))
    return machine


def kinds_of_orders() -> Iterator[dict[str, Any]]:
    """Each kind is entered and cancelled on a machine of its own, in turn."""
    machines = {name: (market(), entered) for name, entered in kinds().items()}
    gone = np.zeros(ENTERED, COMMAND)
    gone["kind"], gone["owner"] = CommandKind.CANCEL, CROWD
    gone["client_ref"] = np.random.default_rng(13).permutation(ENTERED) + 1
    taken: dict[str, list[float]] = {name: [] for name in machines}
    for _ in range(TURNS):
        for name, (machine, entered) in machines.items():
            begin = time.thread_time_ns()
            for commands in (entered, gone):
                for at in range(0, ENTERED, BATCH):
                    machine.apply(commands[at : at + BATCH])
            taken[name].append((time.thread_time_ns() - begin) / (2 * ENTERED))
    limit = taken.pop("limit")
    for name, ns in taken.items():
        times = statistics.median(one / other for one, other in zip(ns, limit, strict=True))
        line = {"what": name, "ns": round(statistics.median(ns), 1), "times": round(times, 2)}
        yield line | {"limit_ns": round(statistics.median(limit), 1)}


# ---------------------------------------------------------------- crowds


def done_in_pieces(machine: Machine, command: Records, steps: int) -> tuple[list[int], int]:
    """The nanoseconds of each piece, and how many reports there were."""
    clock = time.thread_time_ns
    pieces, reports = [], 0
    begin = clock()
    told = machine.begin(command, steps)
    pieces.append(clock() - begin)
    reports += len(told)
    while not machine.is_done:
        begin = clock()
        told = machine.go_on(steps)
        pieces.append(clock() - begin)
        reports += len(told)
    return pieces, reports


def floor_ns(reports: int, steps: int) -> int:
    """A copy of so many reports, in pieces."""
    record = np.dtype((np.void, REPORT.itemsize))
    source, target = np.zeros(steps, record), np.empty(steps, record)
    begin = time.thread_time_ns()
    for _ in range(reports // steps + 1):
        np.copyto(target, source)
    return time.thread_time_ns() - begin


def summary(what: str, count: int, runs: Iterator[tuple[list[int], int]], steps: int) -> dict[str, Any]:
    totals, longest, floors, reports = [], [], [], 0
    for pieces, reports in runs:
        totals.append(sum(pieces))
        longest.append(max(pieces))
        floors.append(floor_ns(reports, steps))
    return {
        "what": what,
        "orders": count,
        "steps": steps,
        "ms": round(statistics.median(totals) / 1e6, 3),
        "longest_ms": round(statistics.median(longest) / 1e6, 3),
        "floor_ms": round(statistics.median(floors) / 1e6, 3),
        "reports": reports,
    }


def on_copies(situation: Situation, steps: int, repeat: int) -> Iterator[tuple[list[int], int]]:
    for _ in range(repeat):
        gc.collect()
        yield done_in_pieces(situation.machine.copy(), situation.command, steps)


def figures(count: int, steps: int, repeat: int) -> Iterator[dict[str, Any]]:
    yield from plain_path()
    yield from kinds_of_orders()
    machine = pegs(PEGS).machine
    moves = (done_in_pieces(machine, better_bid(number), steps) for number in range(TURNS))
    yield summary("repricing", PEGS, moves, steps)
    for what, situation in CROWDED.items():
        yield summary(what, count, on_copies(situation(count), steps, repeat), steps)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.rulebook", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--orders", type=int, default=1_000_000, help="of a crowd (1,000,000)")
    parser.add_argument("--steps", type=int, default=256, help="of its work, in one piece (256)")
    parser.add_argument("--repeat", type=int, default=5, help="runs; the median counts (5)")
    parser.add_argument("--play", type=Path, metavar="FILE", help="run these commands, and measure nothing")
    given = parser.parse_args()
    if given.play is not None:
        play(np.load(given.play))
        return
    for line in figures(given.orders, given.steps, given.repeat):
        print(json.dumps({"bench": "rulebook", **line, **surroundings()}), flush=True)


if __name__ == "__main__":
    main()
