"""How fast the engine matches: `python -m bench.match --workload FILE`.

FILE is a `.bin` of shared/workloads (its answers are beside it in FILE.ref.json) or a scenario of the
flash1 benchmark, raw or .zst. Every figure is checked: a run whose trades or report text are not the
published ones prints what differs and exits with 1. One JSON line comes out; `ns_op` is the median over
the repeats of the time for all operations, from command records in memory to full report records in
memory, divided by their number; `cpu_ns_op` is the same in processor time of the thread, and `floor_ns_op` what
copying the commands' bytes to where reports would be costs in the same run, without a book. Orders are
cancelled and replaced by client_ref, as a client would.
"""

import argparse
import gc
import hashlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.match_memory import memory
from engine.machine import Machine
from engine.records import COMMAND, REPORT, CommandKind, OrderType, ReportKind, TimeInForce

Records = npt.NDArray[np.void]
Refs = npt.NDArray[np.uint64]

MAGIC = b"MEW1"
OPERATION = np.dtype(
    [("op", "u1"), ("side", "u1"), ("zero", "<u2"), ("qty", "<u4"), ("id", "<u4"), ("price", "<i4")]
)
CANCEL_OPERATION = 1
MESSAGE = np.dtype(
    [
        ("type", "u1"),
        ("side", "u1"),
        ("ioc", "u1"),
        ("zero", "u1"),
        ("qty", "<u4"),
        ("id", "<u8"),
        ("price", "<i8"),
    ]
)
FNV_BASIS, FNV_PRIME, WORD = 1469598103934665603, 1099511628211, 2**64 - 1
OWNER = 1


class Wrong(Exception):
    """The engine's answers are not the published ones, or the file is not a workload."""


class Workload(NamedTuple):
    commands: Records
    prefill: int  # the first so many commands are not timed
    published: dict[str, Any] | None  # trades, volume, notional, hash; None: flash1


# ---------------------------------------------------------------- reading


def read(path: Path) -> Workload:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}") from None
    if path.suffix == ".zst":
        import zstandard

        data = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(data).read()
    if data[:4] == MAGIC:
        return read_operations(path, data)
    if not data or len(data) % MESSAGE.itemsize:
        raise Wrong(f"{path}: neither begins with MEW1 nor holds whole records of {MESSAGE.itemsize} bytes")
    return Workload(flash1_commands(np.frombuffer(data, MESSAGE)), 0, None)


def read_operations(path: Path, data: bytes) -> Workload:
    prefill, total = (int(n) for n in np.frombuffer(data, "<u4", 2, 8))
    operations = np.frombuffer(data, OPERATION, offset=32)
    if len(operations) != total or prefill >= total:
        raise Wrong(f"{path}: the header announces {total} records, {prefill} of them to fill the book; "
                    f"there are {len(operations)}")  # fmt: skip
    answers = path.with_name(path.name + ".ref.json")
    try:
        published = json.loads(answers.read_text())
    except (OSError, ValueError) as error:
        raise Wrong(f"{answers}: the published answers are needed to check the run: {error}") from None
    commands = np.zeros(total, COMMAND)
    cancels = operations["op"] == CANCEL_OPERATION
    commands["kind"] = np.where(cancels, CommandKind.CANCEL, CommandKind.NEW)
    commands["order_type"] = np.where(cancels, 0, OrderType.LIMIT)
    commands["side"] = operations["side"]
    commands["time_in_force"] = np.where(cancels, 0, TimeInForce.GTC)
    commands["owner"] = OWNER
    commands["client_ref"] = operations["id"]
    commands["price_ticks"] = np.where(cancels, 0, operations["price"])
    commands["quantity_lots"] = operations["qty"]
    return Workload(commands, prefill, published)


def flash1_commands(messages: Records) -> Records:
    """A modify is a REENTER: cancel and enter again under the same id."""
    commands = np.zeros(len(messages), COMMAND)
    kinds = np.array([CommandKind.NEW, CommandKind.CANCEL, CommandKind.REENTER], "u1")
    if messages["type"].max() >= len(kinds):
        raise Wrong(f"message {int(messages['type'].argmax())} has a type that is not 0, 1 or 2")
    commands["kind"] = kinds[messages["type"]]
    commands["order_type"] = OrderType.LIMIT
    commands["side"] = messages["side"]
    commands["time_in_force"] = np.where(messages["ioc"], TimeInForce.IOC, TimeInForce.GTC)
    commands["owner"] = OWNER
    commands["client_ref"] = messages["id"]
    commands["price_ticks"] = messages["price"]
    commands["quantity_lots"] = messages["qty"]
    return commands


def permuted(refs: Refs) -> Refs:
    """A bijection of 64-bit numbers that leaves nothing of their order (the finalizer of splitmix64)."""
    refs = (refs ^ (refs >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    refs = (refs ^ (refs >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return refs ^ (refs >> np.uint64(31))


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
    """The time for all; each batch's reports are whole in memory before the next batch.

    A batch is put into one buffer before its clock starts, as `serve` writes commands just before they are run: what
    is measured is matching, not how fast memory streams a file of commands.
    """
    batch = np.empty(size, commands.dtype)
    record = np.dtype((np.void, commands.dtype.itemsize))  # as bytes: NumPy copies fields one by one
    apply, into = machine.apply, batch.view(record)
    wall = cpu = 0
    for work in batches(commands.view(record), size):
        into[: len(work)] = work
        ready = batch[: len(work)]
        began_cpu, began = time.thread_time_ns(), time.perf_counter_ns()
        apply(ready)
        wall += time.perf_counter_ns() - began
        cpu += time.thread_time_ns() - began_cpu
    return Taken(wall, cpu)


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
    for name, value in figures.items():
        if published[name] != value:
            raise Wrong(f"{name} is {value}; published is {published[name]}")


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


def measure(
    path: Path, ids: str, api: str, batch: int, instruments: int, sha256: str | None, repeat: int
) -> dict[str, Any]:
    """Check one whole run, then time `repeat` runs that must end in the same state. Raises Wrong."""
    workload = read(path)
    commands, original = workload.commands, None
    if ids == "random":
        refs = permuted(commands["client_ref"])
        original = dict(zip(refs.tolist(), commands["client_ref"].tolist(), strict=True))
        commands["client_ref"] = refs
    if instruments > 1:
        commands["instrument"] = permuted(commands["client_ref"]) % np.uint64(instruments)

    machine = new_machine(instruments)
    reports = all_reports(machine, commands)
    state = machine.state_hash()
    result: dict[str, Any] = {"workload": path.name, "api": api, "ids": ids, "instruments": instruments}
    result["batch"] = batch if api == "batch" else 1
    figures = trade_figures(reports, original)
    if instruments > 1:
        check_spread(commands, reports, instruments)
    elif workload.published is None:
        figures["sha256"] = flash1_sha256(reports, original)
        if sha256 is not None and figures["sha256"] != sha256:
            raise Wrong(f"the report text has SHA-256 {figures['sha256']}; published is {sha256}")
    else:
        check_published(figures, workload.published)
    result["reports"] = len(reports)
    del reports

    timed = commands[workload.prefill :]
    taken, floor = [], []
    for _ in range(repeat):
        floor.append(play_floor(timed, batch).cpu / len(timed))
        machine = new_machine(instruments)
        if workload.prefill:
            machine.apply(commands[: workload.prefill])
        gc.collect()
        taken.append(play_batches(machine, timed, batch) if api == "batch" else play_calls(machine, timed))
        if machine.state_hash() != state:
            raise Wrong("the timed run ended in another state than the checked one")
    nanoseconds = [total.wall / len(timed) for total in taken]
    processor = [total.cpu / len(timed) for total in taken]
    ns_op = statistics.median(nanoseconds)
    return {
        "ns_op": round(ns_op, 2),
        "ns_op_min": round(min(nanoseconds), 2),
        "cpu_ns_op": round(statistics.median(processor), 2),
        "cpu_ns_op_min": round(min(processor), 2),
        "floor_ns_op": round(statistics.median(floor), 2),
        "rate_m_s": round(1000 / ns_op, 3),
        "operations": len(timed),
        "repeat": repeat,
        **result,
        **figures,
        **surroundings(),
    }


def surroundings() -> dict[str, str]:
    """What a figure depends on beside the code: commit, processor, Python."""
    root = Path(__file__).parent.parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return {"commit": commit, "cpu": cpu, "python": platform.python_version()}


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: 1 or more is allowed")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.match", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--workload", type=Path, help="a .bin of shared/workloads, or a flash1 scenario (.zst or raw)"
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
    parser.add_argument("--sha256", help="of the flash1 report text")
    parser.add_argument("--repeat", type=positive, default=5, help="timed runs; the median counts (5)")
    parser.add_argument(
        "--memory", action="store_true", help="bytes of a resting order and of an empty instrument"
    )
    options = parser.parse_args()
    if options.memory:
        print(json.dumps({**memory(), **surroundings()}))
        return 0
    if options.workload is None:
        parser.error("--workload FILE or --memory is needed")
    try:
        result = measure(
            options.workload, options.ids, options.api, options.batch, options.instruments, options.sha256,
            options.repeat,
        )  # fmt: skip
    except Wrong as wrong:
        print(f"bench.match: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
