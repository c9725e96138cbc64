"""`quorumbook bench`: the benchmarks of the repository's bench directory."""

import importlib.util
import runpy
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"hdrh": "hdrhistogram", "matplotlib": "matplotlib"}


@click.command("bench", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Run the benchmarks and print one table; the same as `python -m bench` in a checkout.

    ARGUMENTS: [--quick] [--workloads DIR] [NAME ...]; without a NAME all of W1, W2, flash1, memory, fix, apply, feed
    and wire.
    """
    if not (ROOT / "bench" / "match.py").is_file():
        raise click.ClickException(
            "the benchmarks are not part of the installed package; run `make bench` in a checkout of the repository"
        )
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise click.ClickException(
            f"the benchmarks need {' and '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}"
        )
    sys.path.insert(0, str(ROOT))
    sys.argv = ["quorumbook bench", *arguments]
    runpy.run_module("bench", run_name="__main__")
