"""`quorumbook convert`: a venue's record into a flow file and the fills that were recorded."""

from pathlib import Path

import click

from engine.machine import Machine
from gateway.convert import FlowBuilder
from gateway.flow import FlowError, play_flow
from gateway.flow_files import FillsWriter, open_binary, open_text, write_flow
from gateway.inputs import RULES_VERSION
from gateway.itch import ItchConverter, messages_of
from gateway.lobster import LobsterConverter, parse_messages, parse_orderbook

SOURCE = click.Path(path_type=Path)
out_option = click.option(
    "--out",
    type=SOURCE,
    help="Write the flow here (.csv, .gz, .zst); the fills go beside it. Default: the source's name with .orders.csv.",
)


@click.group("convert")
def convert() -> None:
    """Rebuild a venue's record as a flow file and its recorded fills."""


@convert.command("lobster")
@click.argument("message", type=SOURCE)
@click.argument("orderbook", type=SOURCE, required=False)
@out_option
def lobster(message: Path, orderbook: Path | None, out: Path | None) -> None:
    """A LOBSTER MESSAGE file, and its ORDERBOOK file when there is one (plain, .gz or .zst)."""
    try:
        with open_text(message) as text:
            messages = parse_messages(text, str(message))
        rows = None
        if orderbook:
            with open_text(orderbook) as text:
                rows = parse_orderbook(text, str(orderbook))
        converter = LobsterConverter(messages, rows, str(orderbook))
        finish(converter.convert(), converter.tick, out or beside(message))
    except FlowError as error:
        raise click.ClickException(str(error)) from None


@convert.command("itch")
@click.argument("file", type=SOURCE)
@click.option("--symbol", required=True, help="The stock, as in the file's directory.")
@out_option
def itch(file: Path, symbol: str, out: Path | None) -> None:
    """The orders of one stock in an ITCH 5.0 FILE (plain, .gz or .zst)."""
    try:
        with open_binary(file) as binary:
            converter = ItchConverter(messages_of(binary, symbol, str(file)))
        finish(converter.convert(), converter.tick, out or beside(file, f".{symbol}"))
    except FlowError as error:
        raise click.ClickException(str(error)) from None
    if converter.unknown:
        click.echo(f"{converter.unknown:,} messages about orders that were never added: left out", err=True)
    if converter.elsewhere:
        click.echo(
            f"{converter.elsewhere:,} executions at another price (crosses): taken off the order", err=True
        )


def beside(source: Path, more: str = "") -> Path:
    """`day.csv.gz` -> `day.orders.csv`, in the working directory."""
    name = source.name
    for ending in (".gz", ".zst", ".csv", ".itch"):
        name = name.removesuffix(ending)
    return Path(f"{name}{more}.orders.csv")


def fills_path(flow: Path) -> Path:
    """`x.orders.csv.gz` -> `x.fills.csv.gz`, `x.csv` -> `x.fills.csv`."""
    stem, dot, endings = flow.name.partition(".csv")
    return flow.with_name(f"{stem.removesuffix('.orders')}.fills{dot or '.csv'}{endings}")


def finish(built: FlowBuilder, tick: int, flow: Path) -> None:
    """Write both files and say how many of the recorded executions our engine makes of the flow."""
    fills = fills_path(flow)
    write_flow(flow, built.rows)
    with FillsWriter(fills) as writer:
        writer.write(built.fills)
    machine = Machine(RULES_VERSION)
    machine.define()
    played = [fill for block, _ in play_flow([built.rows] if built.rows else [], machine) for fill in block]
    same = sum(one == other for one, other in zip(played, built.fills, strict=False))
    click.echo(f"{len(built.rows):,} rows -> {flow}")
    click.echo(f"{len(built.fills):,} recorded fills -> {fills}")
    click.echo(f"a price tick is {'0.01' if tick == 100 else '0.0001'} dollars, quantities are shares")
    click.echo(
        f"played through the engine: {same:,} of {len(built.fills):,} recorded fills come out, in order"
    )
    if len(played) > len(built.fills):
        click.echo(f"and {len(played) - len(built.fills):,} that were not recorded")
