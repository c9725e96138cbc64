"""All benchmarks, one after the other, as one table: `python -m bench` or `make bench`.

    python -m bench [--workloads DIR] [--quick] [NAME ...]

Each runs in a process of its own and prints JSON lines; they are appended to bench/results/DATE.jsonl with commit and
machine. The workloads of the matching benchmark (W1, W2, flash1) are read from DIR, where generate.py makes W1 and W2
if they are not there; without DIR those rows are missing, and said to be.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
FLASH1 = {
    "static": "9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1",
    "normal": "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e",
    "swing-25": "61a84be9469661bd039e00dbc9a7c011e70b6ace37aadfe60045ea083b05f4df",
    "swing-40": "3cb0175e7982ff09ea220d1feaee3844cf9116a5ce455757879dea1d880b9b9f",
    "flash-crash": "cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b",
}
Line = dict[str, Any]


class Run(NamedTuple):
    """One process: a name, its arguments after `-m`."""

    name: str
    arguments: list[str]


class Row(NamedTuple):
    """One line of the table."""

    what: str
    figure: str
    reach: str
    floor: str
    ratio: str


def workloads(directory: Path | None) -> tuple[Path, Path] | None:
    """W1 and W2, generated when only their generator is there."""
    if directory is None or not (directory / "generate.py").exists():
        return None
    made = ROOT / "build" / "workloads"
    made.mkdir(parents=True, exist_ok=True)
    for name, arguments in {"w1": [], "w2": ["200000", "1000000", "43"]}.items():
        if not (made / f"{name}.bin.ref.json").exists():
            command = [sys.executable, str(directory / "generate.py"), str(made / f"{name}.bin"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made / "w1.bin", made / "w2.bin"


def runs(directory: Path | None, quick: bool) -> Iterator[Run]:
    """Everything there is to run."""
    repeat = ["--repeat", "2" if quick else "5"]
    found = workloads(directory)
    if found is not None and directory is not None:
        w1, w2 = map(str, found)
        yield Run("W1", ["bench.match", "--workload", w1, *repeat])
        yield Run("W1, random ids", ["bench.match", "--workload", w1, "--ids", "random", *repeat])
        yield Run("W2", ["bench.match", "--workload", w2, *repeat])
        yield Run(
            "W1, 10,000 instruments", ["bench.match", "--workload", w1, "--instruments", "10000", *repeat]
        )
        yield Run("W1, Python API", ["bench.match", "--workload", w1, "--api", "python", *repeat])
        for name, digest in FLASH1.items():
            scenario = str(directory / "flash1" / f"{name}.zst")
            yield Run(f"flash1 {name}", ["bench.match", "--workload", scenario, "--sha256", digest, *repeat])
    yield Run("fix", ["bench.fix", "--repeat", "5" if quick else "15"])
    yield Run("apply", ["bench.apply", *repeat])
    yield Run("feed", ["bench.feed", *repeat])
    sizes = ["--rounds", "300", "--messages", "50000"] if quick else []
    yield Run("wire", ["bench.wire", *sizes])


def lines_of(run: Run) -> list[Line]:
    """What the benchmark measured. SystemExit with its own words when it failed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *run.arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{run.name}: {done.stderr or done.stdout}")
    return [{"run": run.name} | json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def match_row(line: Line) -> Row:
    per_second = 1000 / line["ns_op"]
    floor, ratio = f"{line['floor_ns_op']:.0f} ns", f"{line['cpu_ns_op'] / line['floor_ns_op']:.1f}"
    if line["run"].startswith("flash1"):
        return Row(line["run"], f"{per_second:.1f} M/s", "10 M/s", floor, ratio)
    reach = {
        "W1": "40 ns",
        "W2": "150 ns",
        "W1, Python API": "500 ns",
        "W1, 10,000 instruments": "3 x W1",
    }.get(line["run"], "")
    figure = f"{line['ns_op']:.0f} ns/op (cpu {line['cpu_ns_op']:.0f})"
    return Row(line["run"], figure, reach, floor, ratio)


def fix_row(line: Line) -> Row:
    reach = f"{line['reach_per_second'] / 1e6:.1f} M/s"
    figure = f"{line['per_second'] / 1e6:.2f} M/s ({line['ns']:.0f} ns)"
    return Row(f"FIX {line['what']}", figure, reach, f"{line['floor_ns']:.0f} ns", f"{line['ratio']:.1f}")


def apply_row(line: Line) -> Row:
    ratio = f"{line['apply_ns'] / line['engine_ns']:.1f}"
    return Row(
        "apply, an input", f"{line['apply_ns']:.0f} ns", "", f"engine {line['engine_ns']:.0f} ns", ratio
    )


def feed_row(line: Line) -> Row:
    return Row(f"feed, {line['name']}", f"{line['ns']:.0f} ns", "", "", "")


def wire_row(line: Line) -> Row:
    if line["what"] == "one in flight":
        figure = f"p50 {line['exchange_latency_us_p50']:.0f} µs, p99 {line['exchange_latency_us_p99']:.0f}"
        floor = f"p50 {line['floor_latency_us_p50']:.0f} µs, p99 {line['floor_latency_us_p99']:.0f}"
        name = f"one in flight, {line['transport']}, {line['placement']}"
        return Row(name, figure, "1.3 x floor", floor, f"{line['ratio']:.2f}")
    if line["what"] == "many in flight":
        figure = (
            f"{line['rate']:,.0f}/s, p50 {line['latency_us_p50']:,.0f} µs, p99 {line['latency_us_p99']:,.0f}"
        )
        reach = "200,000/s" if line["window"] == 1024 else ""
        return Row(f"{line['window']:,} in flight, {line['transport']}", figure, reach, "", "")
    return Row("replay, checksums verified", f"{line['commands_per_s']:,.0f}/s", "3,000,000/s", "", "")


ROWS: dict[str, Callable[[Line], Row]] = {
    "fix": fix_row,
    "wire": wire_row,
    "feed": feed_row,
    "apply": apply_row,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="only these: W1, W2, flash1, fix, apply, feed, wire (default all)"
    )
    default = ROOT.parent / "shared" / "workloads"
    parser.add_argument(
        "--workloads", type=Path, default=default if default.exists() else None, metavar="DIR"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter runs: a look, not a measurement"
    )
    options = parser.parse_args()
    console = Console()
    wanted = [
        run
        for run in runs(options.workloads, options.quick)
        if not options.names or any(run.name.startswith(name) for name in options.names)
    ]
    if options.workloads is None:
        console.print("no --workloads DIR: the rows of W1, W2 and flash1 are missing", style="yellow")
    table = Table("what", "figure", "reach", "floor", "ratio", box=SIMPLE_HEAD)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("%Y-%m-%d.jsonl")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        path.open("a") as results,
    ):
        for run in wanted:
            task = progress.add_task(run.name)
            for line in lines_of(run):
                results.write(json.dumps(line) + "\n")
                table.add_row(*ROWS.get(run.name, match_row)(line))
            progress.remove_task(task)
    console.print(table)
    console.print(f"JSON lines in {path.relative_to(ROOT)}; latency distribution in bench/results/wire.png")


if __name__ == "__main__":
    main()
