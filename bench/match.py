"""How fast the engine matches: `python -m bench.match --workload FILE`.

FILE is a `.bin` as `python -m bench.generate` makes them (its answers are beside it in FILE.ref.json) or a scenario
of the flash1 benchmark, raw or .zst. Every run is checked: when its trades, or the report text whose SHA-256 is given,
are not the published ones, it prints what differs and exits with 1. One JSON line comes out; `ns_op` is the median
over the repeats of the time for all operations, from command records in memory to full report records in memory,
divided by their number; `cpu_ns_op` is the same in processor time of the thread.

`floor_ns_op` is taken before each repeat: copying the commands' bytes to where reports would be, without a book; with
`--api python` one call an order that changes nothing and its answer read.
"""

import argparse
import gc
import hashlib
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.match_memory import memory
from bench.surroundings import surroundings
from bench.workload import ANSWERS, OWNER, Records, Workload, Wrong, permuted, read
from engine.machine import Machine
from engine.records import REPORT, CommandKind, ReportKind

FNV_BASIS, FNV_PRIME, WORD = 1469598103934665603, 1099511628211, 2**64 - 1


# ---------------------------------------------------------------- playing


def new_machine(instruments: int) -> Machine:
    machine = Machine()
    for _ in range(instruments):
        machine.define()
    return machine


def batches(commands: Records, size: int) -> list[Records]:
    return [commands[at : at + size] for at in range(0, len(commands), size)]


class Taken(NamedTuple):
    """Nanoseconds: by the clock, and of this thread on a processor, which others' load distorts less."""

    wall: int
    cpu: int


def taken_since(wall: int, cpu: int) -> Taken:
    return Taken(time.perf_counter_ns() - wall, time.thread_time_ns() - cpu)


def play_batches(machine: Machine, commands: Records, size: int) -> Taken:
    """The time for all, in place where they lie in memory; each batch's reports are whole before the next batch."""
    work = batches(commands, size)
    apply = machine.apply
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for batch in work:
        apply(batch)
    return taken_since(wall, cpu)


def play_floor(commands: Records, size: int) -> Taken:
    """The time to read the same commands and write a report for each, without a book: one copy of the bytes."""
    record = np.dtype((np.void, REPORT.itemsize))  # as bytes: NumPy copies fields one by one
    work = batches(commands.view(record), size)
    reports = np.empty(size, record)
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for batch in work:
        np.copyto(reports[: len(batch)], batch)
    return taken_since(wall, cpu)


def play_calls(machine: Machine, commands: Records) -> Taken:
    """The time for all, with one Python call an order and the leaves of every report read."""
    names = ("kind", "instrument", "side", "quantity_lots", "price_ticks", "client_ref", "time_in_force")
    work = list(zip(*(commands[name].tolist() for name in names), strict=True))
    submit, cancel, reenter = machine.submit, machine.cancel, machine.reenter
    new, gone = int(CommandKind.NEW), int(CommandKind.CANCEL)
    leaves = 0
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for kind, instrument, side, quantity, price, ref, time_in_force in work:
        if kind == new:
            reports = submit(
                instrument, side, quantity, price, owner=OWNER, client_ref=ref, time_in_force=time_in_force
            )
        elif kind == gone:
            reports = cancel(owner=OWNER, client_ref=ref)
        else:
            reports = reenter(0, quantity, price, owner=OWNER, client_ref=ref)
        for report in reports:
            leaves += report.leaves_lots
    return taken_since(wall, cpu)


def play_calls_floor(machine: Machine, commands: Records) -> Taken:
    """The time for one compiled call an order that changes nothing, with a number of its answer read."""
    work = list(range(len(commands)))
    best = machine.best
    found = None
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for _ in work:
        found, _ask = best(0)
    taken = taken_since(wall, cpu)
    assert found is None
    return taken


def all_reports(machine: Machine, commands: Records) -> Records:
    return np.concatenate([machine.apply(batch).copy() for batch in batches(commands, 4096)])


# ---------------------------------------------------------------- checking


def trade_figures(reports: Records, original: dict[int, int] | None) -> dict[str, Any]:
    """Trades, volume, notional and the FNV-1a hash over maker, taker and quantity, as the generator has them.

    `original` leads from permuted refs back to the file's ids.
    """
    trades = reports[reports["kind"] == ReportKind.TRADE]
    lots = trades["last_lots"].tolist()
    makers, takers = trades["maker_client_ref"].tolist(), trades["client_ref"].tolist()
    if original is not None:
        makers, takers = [original[ref] for ref in makers], [original[ref] for ref in takers]
    hashed = FNV_BASIS
    for row in zip(makers, takers, lots, strict=True):
        for number in row:
            hashed = ((hashed ^ number) * FNV_PRIME) & WORD
    return {
        "trades": len(lots),
        "volume": sum(lots),
        "notional": sum(
            n * price for n, price in zip(lots, trades["last_price_ticks"].tolist(), strict=True)
        ),
        "hash": f"{hashed:016x}",
    }


def check_published(figures: dict[str, Any], published: dict[str, Any]) -> None:
    wrong = [
        f"{name} is {figures[name]}, published is {published[name]}"
        for name in ANSWERS
        if figures[name] != published[name]
    ]
    if wrong:
        raise Wrong("; ".join(wrong))


def check_spread(commands: Records, reports: Records, instruments: int) -> None:
    """Nothing is published over many books: each must do as it does when its commands come alone."""
    order = np.argsort(commands["instrument"], kind="stable")
    apart = all_reports(new_machine(instruments), commands[order])
    columns = [
        "kind",
        "instrument",
        "client_ref",
        "leaves_lots",
        "last_lots",
        "maker_client_ref",
        "last_price_ticks",
    ]
    together = reports[np.argsort(reports["instrument"], kind="stable")][columns]
    # A cancel that finds nothing echoes the command's instrument, so both orders have it at the same place.
    if not np.array_equal(together, apart[columns]):
        raise Wrong(f"{instruments} instruments played together do not trade as each one alone")


def flash1_lines(reports: Records, original: dict[int, int] | None) -> Iterator[tuple[int, int, str]]:
    """(sequence, type, line) of each report in the order of the reports."""
    names = (
        "kind", "command_kind", "command_number", "side", "client_ref", "price_ticks", "quantity_lots",
        "leaves_lots", "last_price_ticks", "last_lots", "maker_client_ref",
    )  # fmt: skip
    back = (lambda ref: ref) if original is None else original.__getitem__
    for kind, command, number, side, ref, price, quantity, leaves, at, lots, maker in zip(
        *(reports[name].tolist() for name in names), strict=True
    ):
        seq, order_id = number - 2, back(ref)  # command 1 defined the instrument; sequences begin at 0
        if kind == ReportKind.ACCEPTED:
            yield seq, 0, f"0,{seq},{side},{order_id},{price},{quantity}"
        elif kind == ReportKind.TRADE:
            yield seq, 1, f"1,{seq},{at},{lots},{back(maker)},{order_id}"
        elif kind == ReportKind.CANCELLED:
            yield seq, 2, f"2,{seq},{side},{order_id},{price}"
        elif kind == ReportKind.REPLACED:
            yield seq, 3, f"3,{seq},{side},{order_id},{price},{leaves}"
        elif kind == ReportKind.REJECTED and command == CommandKind.CANCEL:
            yield seq, 4, f"4,{seq},{order_id}"
        elif kind == ReportKind.REJECTED and command == CommandKind.REENTER:
            yield seq, 5, f"5,{seq},{order_id}"
        else:
            raise Wrong(f"message {seq}: a report of kind {kind}, which the benchmark does not have")


def flash1_sha256(reports: Records, original: dict[int, int] | None) -> str:
    lines = sorted(flash1_lines(reports, original), key=lambda line: line[:2])
    return hashlib.sha256("\n".join(line for _, _, line in lines).encode()).hexdigest()


# ---------------------------------------------------------------- the whole run


class Options(NamedTuple):
    """What is played, and how; the command line's."""

    ids: str = "dense"
    api: str = "batch"
    batch: int = 1024
    instruments: int = 1
    sha256: str | None = None
    repeat: int = 5


def measure(path: Path, options: Options) -> dict[str, Any]:
    """Check one whole run, then time `repeat` runs that must end in the same state. Raises Wrong."""
    workload = read(path)
    if options.sha256 is not None and (workload.published is not None or options.instruments > 1):
        raise Wrong("--sha256 is of the report text of a flash1 scenario on one instrument")
    commands, original = workload.commands, None
    if options.ids == "random":
        refs = permuted(commands["client_ref"])
        original = dict(zip(refs.tolist(), commands["client_ref"].tolist(), strict=True))
        commands["client_ref"] = refs
    if options.instruments > 1:
        commands["instrument"] = permuted(commands["client_ref"]) % np.uint64(options.instruments)
    state, figures = checked(workload, original, options)
    return {
        "bench": "match",
        **timed(workload, state, options),
        "workload": path.name,
        "api": options.api,
        "ids": options.ids,
        "instruments": options.instruments,
        "batch": options.batch if options.api == "batch" else 1,
        **figures,
        **surroundings(),
    }


def checked(
    workload: Workload, original: dict[int, int] | None, options: Options
) -> tuple[str, dict[str, Any]]:
    """The state hash after a run whose answers were compared, and its figures; `checked` names what with."""
    machine = new_machine(options.instruments)
    reports = all_reports(machine, workload.commands)
    figures = {"reports": len(reports), **trade_figures(reports, original)}
    if options.instruments > 1:
        check_spread(workload.commands, reports, options.instruments)
        figures["checked"] = "each instrument alone"
    elif workload.published is not None:
        check_published(figures, workload.published)
        figures["checked"] = ", ".join(ANSWERS)
    else:
        figures["sha256"] = flash1_sha256(reports, original)
        figures["checked"] = "sha256" if options.sha256 is not None else "nothing: no --sha256 was given"
        if options.sha256 not in {None, figures["sha256"]}:
            raise Wrong(f"the report text has SHA-256 {figures['sha256']}; published is {options.sha256}")
    return machine.state_hash(), figures


def timed(workload: Workload, state: str, options: Options) -> dict[str, Any]:
    """Medians of runs that each end in `state`, a run of the floor before each."""
    commands = workload.commands[workload.prefill :]
    taken, floor = [], []
    for _ in range(options.repeat):
        machine = new_machine(options.instruments)
        floor.append(
            play_floor(commands, options.batch)
            if options.api == "batch"
            else play_calls_floor(machine, commands)
        )
        if workload.prefill:
            machine.apply(workload.commands[: workload.prefill])
        gc.collect()
        taken.append(
            play_batches(machine, commands, options.batch)
            if options.api == "batch"
            else play_calls(machine, commands)
        )
        if machine.state_hash() != state:
            raise Wrong("the timed run ended in another state than the checked one")
    nanoseconds = [total.wall / len(commands) for total in taken]
    processor = [total.cpu / len(commands) for total in taken]
    ns_op = statistics.median(nanoseconds)
    return {
        "ns_op": round(ns_op, 2),
        "ns_op_min": round(min(nanoseconds), 2),
        "cpu_ns_op": round(statistics.median(processor), 2),
        "cpu_ns_op_min": round(min(processor), 2),
        "floor_ns_op": round(statistics.median(total.cpu for total in floor) / len(commands), 2),
        "rate_m_s": round(1000 / ns_op, 3),
        "operations": len(commands),
        "repeat": options.repeat,
    }


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number, 1 or more, is allowed")
    return int(text)


def sha256_text(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text}: a SHA-256 is 64 hexadecimal digits")
    return text.lower()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.match", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--workload", type=Path, metavar="FILE", help="a .bin with its .ref.json, or a flash1 scenario"
    )
    parser.add_argument(
        "--ids", choices=["dense", "random"], default="dense", help="random: a 64-bit permutation"
    )
    parser.add_argument(
        "--api", choices=["batch", "python"], default="batch", help="python: one call an order"
    )
    parser.add_argument("--batch", type=positive, default=1024, help="commands a call (1024)")
    parser.add_argument(
        "--instruments", type=positive, default=1, help="spread the orders over so many books"
    )
    parser.add_argument("--sha256", type=sha256_text, metavar="HASH", help="of the flash1 report text")
    parser.add_argument("--repeat", type=positive, default=5, help="timed runs; the median counts (5)")
    parser.add_argument(
        "--memory", action="store_true", help="bytes of a resting order and of an empty instrument"
    )
    options = parser.parse_args()
    if options.memory:
        print(json.dumps({"bench": "memory", **memory(), **surroundings()}))
        return 0
    if options.workload is None:
        parser.error("--workload FILE or --memory is needed")
    try:
        result = measure(options.workload, Options(*(getattr(options, name) for name in Options._fields)))
    except Wrong as wrong:
        print(f"bench.match: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
