"""`quorumbook book` and `quorumbook watch`: a symbol's market data in the terminal."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.client_feed import Feed, feed
from gateway.feed import BUY, FeedReader, Level, Scale, Trade
from gateway.locate import Place, explained

DATA = click.option("--data", type=click.Path(path_type=Path), help="The exchange's data directory.")
LEVELS = click.option(
    "--levels", type=click.IntRange(1, 1000), default=10, show_default=True, help="Levels of each side."
)


@click.command("book")
@click.argument("symbol")
@DATA
@LEVELS
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def book(symbol: str, data: Path | None, levels: int, as_json: bool) -> None:
    """Show SYMBOL's order book: price, quantity and number of orders of each level."""
    with explained(), joined(symbol, data) as market:
        reader = market.wait()[symbol]
        bids, asks = reader.depth(levels)
        scale = scale_of(reader)
        if as_json:
            sides = {"bids": bids, "asks": asks}
            answer = {"symbol": symbol, "input_number": reader.input_number} | {
                name: [
                    [str(scale.price(one.price_ticks)), str(scale.quantity(one.quantity_lots)), one.orders]
                    for one in side
                ]
                for name, side in sides.items()
            }
            click.echo(json.dumps(answer))
        else:
            Console().print(ladder(symbol, scale, bids, asks))


@click.command("watch")
@click.argument("symbol")
@DATA
@LEVELS
def watch(symbol: str, data: Path | None, levels: int) -> None:
    """Watch SYMBOL's book and trades live; Ctrl-C ends it."""
    with explained(), joined(symbol, data) as market:
        reader = market.wait()[symbol]
        with Live(picture(symbol, reader, levels), console=Console(), auto_refresh=False) as live:
            try:
                while True:
                    market.update(0.25)
                    live.update(picture(symbol, reader, levels), refresh=True)
            except KeyboardInterrupt:
                pass


def joined(symbol: str, data: Path | None) -> Feed:
    """The feed of one symbol. ConfigError when no exchange runs or it does not have the symbol."""
    place = Place(None, data)
    place.instrument(symbol)
    return feed(place.other("feed"), place.other("snapshot"), symbol)


def scale_of(reader: FeedReader) -> Scale:
    scale = next(iter(reader.readers.values())).scale
    assert scale is not None, "a joined topic has had a snapshot"
    return scale


def ladder(symbol: str, scale: Scale, bids: list[Level], asks: list[Level]) -> Table:
    """Asks above bids, the touch in the middle."""
    table = Table("", "price", "quantity", "orders", title=symbol, box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for level in reversed(asks):
        table.add_row("ask", *cells(scale, level), style="red")
    if asks and bids:
        table.add_section()
    for level in bids:
        table.add_row("bid", *cells(scale, level), style="green")
    if not asks and not bids:
        table.add_row("", "empty", "", "")
    return table


def cells(scale: Scale, level: Level) -> tuple[str, str, str]:
    return (
        f"{scale.price(level.price_ticks):,f}",
        f"{scale.quantity(level.quantity_lots):,f}",
        f"{level.orders:,}",
    )


def picture(symbol: str, reader: FeedReader, levels: int) -> Group:
    """The ladder and the latest trades, newest first."""
    scale = scale_of(reader)
    trades = Table(
        "time (UTC)", "price", "quantity", title=f"trades (input {reader.input_number:,})", box=SIMPLE_HEAD
    )
    for trade in list(reader.trades)[-levels:][::-1]:
        trades.add_row(*trade_cells(scale, trade), style="green" if trade.aggressor == BUY else "red")
    state = Text("" if reader.ready else "joining ...", style="yellow")
    return Group(ladder(symbol, scale, *reader.depth(levels)), trades, state)


def trade_cells(scale: Scale, trade: Trade) -> tuple[str, str, str]:
    moment = datetime.fromtimestamp(trade.time_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]
    return moment, f"{scale.price(trade.price_ticks):,f}", f"{scale.quantity(trade.quantity_lots):,f}"
