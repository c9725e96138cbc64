"""`quorumbook generate`: a day of order flow from a seed."""

from pathlib import Path

import click

from gateway.flow_files import FillsWriter, write_flow
from gateway.generate import FlowGenerator


@click.command("generate")
@click.option("--rows", type=click.IntRange(1), default=100_000, show_default=True, help="How many rows.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same flow.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="-",
    help="Where to (.csv, .gz, .zst); - is standard output.",
)
@click.option(
    "--fills", type=click.Path(path_type=Path), help="Write the fills that the flow brings about here."
)
def generate(rows: int, seed: int, out: Path, fills: Path | None) -> None:
    """Write a day of order flow: clustered arrivals, prices near the touch, as many cancels as orders."""
    generator = FlowGenerator(rows, seed)
    write_flow(out, generator.flow())
    if fills:
        with FillsWriter(fills) as writer:
            writer.write(generator.fills)
    click.echo(f"{rows:,} rows, {len(generator.fills):,} fills -> {out}", err=True)
