"""All benchmarks, one after the other, as one table: `python -m bench`, `make bench` or `quorumbook bench`.

    python -m bench [--workloads DIR] [--quick] [NAME ...]

Each runs in a process of its own and prints JSON lines with commit and machine; they are appended to
bench/results/DATE.jsonl. Figure and floor are taken in turn within one process, and both are medians.

The workloads of the matching benchmark are read from DIR: W1 and W2, which DIR/generate.py makes, and the scenarios
DIR/flash1. Without DIR, workloads of the same shape are made by bench/generate.py, their rows begin with "own", and
those of flash1 are missing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.surroundings import ROOT, surroundings
from bench.table import OWN, Line, rows

RESULTS = ROOT / "bench" / "results"
MADE = ROOT / "build" / "workloads"
FLASH1 = {
    "static": "9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1",
    "normal": "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e",
    "swing-25": "61a84be9469661bd039e00dbc9a7c011e70b6ace37aadfe60045ea083b05f4df",
    "swing-40": "3cb0175e7982ff09ea220d1feaee3844cf9116a5ce455757879dea1d880b9b9f",
    "flash-crash": "cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b",
}
MAKING = ": making its file"
"""Ends the name of a run that makes a workload, so that whoever chooses the workload chooses this too."""
QUICK_COUNT = 100_000  # operations of a workload that is made for a quick look
PIPED_WIDTH = 160  # columns, when the table does not go to a terminal


class Run(NamedTuple):
    """One process: a name, its arguments after `-m` (or a program and its arguments)."""

    name: str
    arguments: list[str]


class Failed(Exception):
    """A benchmark ended with an error; its own words."""


def runs(directory: Path | None, quick: bool) -> list[Run]:
    """Everything there is to run, in order."""
    repeat = ["--repeat", "2" if quick else "5"]
    sizes = ["--rounds", "300", "--messages", "50000", "--repeat", "2"] if quick else []
    kills = ["--kills", "3", "--freezes", "1", "--transfers", "2", "--resting", "0", "--behind", "50000"]
    return [
        *match_runs(directory, quick, repeat),
        Run("memory", ["bench.match", "--memory"]),
        Run("rulebook", ["bench.rulebook", *repeat, *(["--orders", "100000"] if quick else [])]),
        Run("fix", ["bench.fix", "--repeat", "5" if quick else "15"]),
        Run("apply", ["bench.apply", *repeat]),
        Run("feed", ["bench.feed", *repeat]),
        Run("wire", ["bench.wire", *sizes]),
        Run("sessions", ["bench.sessions", *(["--seconds", "5", "--resends", "2"] if quick else [])]),
        Run("replicate", ["bench.replicate", *sizes, *(["--seconds", "5"] if quick else [])]),
        Run("crowds", ["bench.crowds", *(["--orders", "50000"] if quick else [])]),
        Run("failover", ["bench.failover", *(kills if quick else [])]),
        Run("cut off", ["bench.cut_off", *(["--times", "1"] if quick else [])]),
        Run("kills", ["bench.kills", *(["--kills", "6"] if quick else [])]),
    ]


def match_runs(directory: Path | None, quick: bool, repeat: list[str]) -> Iterator[Run]:
    """The workloads first, where they must be made; then what plays them."""
    own = OWN if directory is None else ""
    prefix = "" if directory is not None else "own-quick-" if quick else "own-"
    w1, w2 = (MADE / f"{prefix}{name}.bin" for name in ("w1", "w2"))
    for what, path, given in (("W1", w1, []), ("W2", w2, ["200000", "1000000", "43"])):
        if path.with_name(path.name + ".ref.json").exists():
            continue
        if directory is not None:
            yield Run(f"{own}{what}{MAKING}", [str(directory / "generate.py"), str(path), *given])
        else:
            size = ["--count", str(QUICK_COUNT)] if quick else []
            resting = ["--resting", given[0]] if given else []
            yield Run(f"{own}{what}{MAKING}", ["bench.generate", str(path), *resting, *size])
    yield Run(f"{own}W1", ["bench.match", "--workload", str(w1), *repeat])
    yield Run(f"{own}W1, random ids", ["bench.match", "--workload", str(w1), "--ids", "random", *repeat])
    yield Run(f"{own}W2", ["bench.match", "--workload", str(w2), *repeat])
    yield Run(f"{own}W2, random ids", ["bench.match", "--workload", str(w2), "--ids", "random", *repeat])
    many = ["--instruments", "10000"]
    yield Run(f"{own}W1, 10,000 instruments", ["bench.match", "--workload", str(w1), *many, *repeat])
    yield Run(f"{own}W1, Python API", ["bench.match", "--workload", str(w1), "--api", "python", *repeat])
    for name, digest in FLASH1.items():
        scenario = directory / "flash1" / f"{name}.zst" if directory is not None else None
        if scenario is not None and scenario.exists():
            yield Run(
                f"flash1 {name}", ["bench.match", "--workload", str(scenario), "--sha256", digest, *repeat]
            )


def lines_of(run: Run) -> Iterator[Line]:
    """What the benchmark measured, as it comes. Failed with its own words when it did not end well."""
    program = run.arguments if run.arguments[0].endswith(".py") else ["-m", *run.arguments]
    with tempfile.TemporaryFile("w+") as told:
        child = subprocess.Popen(
            [sys.executable, *program],
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        with child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith('{"bench"'):
                    yield {"run": run.name} | json.loads(line)
        if child.returncode:
            told.seek(0)
            raise Failed(f"{run.name}: {told.read().strip() or f'exit code {child.returncode}'}")


def measured(wanted: list[Run], results: Path, failures: list[str]) -> Iterator[Line]:
    """Every line of every run, written to `results` as well; the words of those that failed go to `failures`."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, results.open("a") as out:
        task = progress.add_task("", total=len(wanted))
        for position, run in enumerate(wanted, 1):
            progress.update(task, description=run.name)
            if not console.is_terminal:
                print(f"{position}/{len(wanted)} {run.name}", file=sys.stderr, flush=True)
            try:
                for line in lines_of(run):
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                    yield line
            except Failed as failed:
                failures.append(str(failed))
            progress.advance(task)


def show(console: Console, lines: list[Line]) -> None:
    table = Table("what", "figure", "reach", "", "floor", "figure / floor", box=SIMPLE_HEAD)
    for row in rows(lines):
        reached = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row.reached]
        table.add_row(row.what, row.figure, row.reach, reached, row.floor, row.ratio)
    console.print(table)
    here = surroundings()
    console.print(
        f"commit {here['commit']}, {here['cpu']}, {here['cores']} cores, {here['system']}, {here['python']}, "
        f"scheduling {here['scheduling']}; processes on any core unless a row says pinned"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only those that begin so: W1, W2, flash1, memory, rulebook, fix, apply, feed, wire, replicate, "
        "crowds, failover, cut, kills (default all)",
    )
    default = ROOT.parent / "shared" / "workloads"
    parser.add_argument(
        "--workloads",
        type=Path,
        default=default if (default / "generate.py").exists() else None,
        metavar="DIR",
        help="holds generate.py (W1, W2) and flash1",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter runs: a look, not a measurement"
    )
    options = parser.parse_args()
    if options.workloads is not None and not (options.workloads / "generate.py").exists():
        parser.error(f"--workloads {options.workloads}: there is no generate.py")
    everything = runs(options.workloads, options.quick)
    names = [run.name.removeprefix(OWN) for run in everything]
    for name in options.names:
        if not any(one.lower().startswith(name.lower()) for one in names):
            known = ", ".join(one for one in names if not one.endswith(MAKING))
            parser.error(f"no benchmark begins with {name}; there are {known}")
    wanted = [
        run
        for run, name in zip(everything, names, strict=True)
        if not options.names or any(name.lower().startswith(chosen.lower()) for chosen in options.names)
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    MADE.mkdir(parents=True, exist_ok=True)
    results = RESULTS / time.strftime("%Y-%m-%d.jsonl")
    failures: list[str] = []
    lines = list(measured(wanted, results, failures))
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
    show(console, lines)
    if any(line["run"].startswith(OWN) for line in lines):
        console.print(
            "own W1, own W2: made by bench/generate.py, of the shape of W1 and W2, answers from engine/reference.py; "
            "flash1 is not here (--workloads DIR, see docs/bench.md)"
        )
    console.print(f"JSON lines: {results}", soft_wrap=True)
    if any(line["bench"] == "wire" for line in lines):
        console.print(f"latency distribution: {RESULTS / 'wire.png'}", soft_wrap=True)
    for failure in failures:
        console.print(f"failed: {failure}", style="red", markup=False, soft_wrap=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
