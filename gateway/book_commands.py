"""`quorumbook book` and `quorumbook watch`: a symbol's market data in the terminal."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from gateway.client_feed import Feed, feed
from gateway.locate import Place, explained
from gateway.watch import ladder, render

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
        scale = reader.scale
        assert scale is not None, "a joined topic has had a snapshot"
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
            Console().print(ladder(reader, scale, levels))


@click.command("watch")
@click.argument("symbol")
@DATA
@LEVELS
def watch(symbol: str, data: Path | None, levels: int) -> None:
    """Watch SYMBOL's book and trades live; Ctrl-C ends it."""
    with explained(), joined(symbol, data) as market:
        reader = market.wait()[symbol]
        with Live(render(reader, levels), console=Console(), auto_refresh=False) as live:
            try:
                while True:
                    market.update(0.25)
                    live.update(render(reader, levels), refresh=True)
            except KeyboardInterrupt:
                pass


def joined(symbol: str, data: Path | None) -> Feed:
    """The feed of one symbol. ConfigError when no exchange runs or it does not have the symbol."""
    place = Place(None, data)
    place.instrument(symbol)
    return feed(place.other("feed"), place.other("snapshot"), symbol)
