"""`quorumbook match`: a flow file through the engine in this process, as fast as it can."""

from contextlib import nullcontext
from pathlib import Path
from time import perf_counter

import click
import numpy as np

from engine.machine import Machine
from engine.records import Reason, ReportKind
from gateway.flow import FlowError, FlowPlayer
from gateway.flow_files import FillsWriter, read_blocks
from gateway.inputs import RULES_VERSION


@click.command("match")
@click.argument("flow", type=click.Path(path_type=Path))
@click.option(
    "--fills", type=click.Path(path_type=Path), help="Write the fills here (.csv, .csv.gz or .csv.zst)."
)
@click.option("--symbol", help="The name of the instrument in what is printed.  [default: the file's name]")
def match(flow: Path, fills: Path | None, symbol: str | None) -> None:
    """Play FLOW through the engine in this process; print counts, rate and state hash."""
    machine = Machine(RULES_VERSION)
    player = FlowPlayer(machine.define())
    outcomes = np.zeros(256, np.int64)  # reports by kind
    refusals = np.zeros(256, np.int64)  # REJECTED by reason
    rows_played = 0
    engine_seconds = 0.0
    started = perf_counter()
    try:
        with FillsWriter(fills) if fills else nullcontext() as writer:
            for rows in read_blocks(flow):
                commands = player.commands(rows)
                machine.advance(rows[-1].time_ns)
                before = perf_counter()
                reports = machine.apply(commands)
                engine_seconds += perf_counter() - before
                rows_played += len(rows)
                outcomes += np.bincount(reports["kind"], minlength=256)
                refused = reports["kind"] == ReportKind.REJECTED
                refusals += np.bincount(reports["reason"][refused], minlength=256)
                block_fills = player.fills(rows, reports)
                if writer:
                    writer.write(block_fills)
    except FlowError as error:
        raise click.ClickException(str(error)) from None
    seconds = perf_counter() - started

    click.echo(f"{symbol or flow.name}: {rows_played:,} rows, {outcomes[ReportKind.TRADE]:,} fills")
    for kind in ReportKind:
        if outcomes[kind] and kind is not ReportKind.TRADE:
            click.echo(f"  {kind.name.lower():<10} {outcomes[kind]:>12,}")
    for reason in np.flatnonzero(refusals):
        click.echo(f"    {Reason(int(reason)).name.lower()} {refusals[reason]:,}")
    click.echo(f"  still open {machine.live_orders:>12,}")
    click.echo(f"rate: {rows_played / max(seconds, 1e-9):,.0f} rows/s with reading and writing; ", nl=False)
    click.echo(f"engine alone {rows_played / max(engine_seconds, 1e-9):,.0f} commands/s")
    click.echo(f"state hash: {machine.state_hash()}")
