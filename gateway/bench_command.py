"""`quorumbook bench`: the benchmarks of the repository's bench directory."""

import importlib.util
import runpy
import sys
from pathlib import Path

import click


@click.command("bench", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Run the benchmarks and print one table; the same as `python -m bench` in a checkout."""
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    if importlib.util.find_spec("bench") is None or importlib.util.find_spec("bench.__main__") is None:
        raise click.ClickException(
            "the benchmarks are not part of the installed package; run `make bench` in a checkout of the repository"
        )
    sys.argv = ["quorumbook bench", *arguments]
    runpy.run_module("bench", run_name="__main__")
