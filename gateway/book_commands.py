"""`quorumbook book` and `quorumbook watch`: a symbol's market data in the terminal."""

import json
import os
import signal
from pathlib import Path
from threading import Event, Thread
from typing import Self

import click
from rich.console import Console, RenderableType
from rich.live import Live

from engine.records import Phase
from gateway.client_feed import Feed, feed
from gateway.feed import FeedReader, Kind
from gateway.locate import Place, explained
from gateway.proofs import with_keys
from gateway.replicas import by_directory
from gateway.watch import Told, doing, ladder, render

REDRAW_SECONDS = 0.25
LOOK_SECONDS = 1.0  # between two questions whether anybody leads
PICTURE_ROWS = 7
"""Rows of the picture that are no levels: borders, touch, phase, headings, the line between the sides."""
WATCHED: tuple[Kind, ...] = ("levels", "trades", "status")

LEVELS = click.option(
    "--levels", type=click.IntRange(1, 1000), default=10, show_default=True, help="Levels of each side."
)


@click.command("book")
@click.argument("symbol")
@by_directory
@with_keys
@LEVELS
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def book(symbol: str, data: tuple[Path, ...], levels: int, as_json: bool) -> None:
    """Show SYMBOL's order book: price, quantity and number of orders of each level.

    Its phase is said when it is not continuous; in an auction the sides may cross.
    """
    with explained(), joined(symbol, place := Place((), data), "levels", "status") as market:
        reader = market.wait()[symbol]
        bids, asks = reader.depth(levels)
        scale = reader.scale
        assert scale is not None, "a joined topic has had a snapshot"
        if as_json:
            sides = {"bids": bids, "asks": asks}
            status = reader.status
            answer = {
                "symbol": symbol,
                "input_number": reader.input_number,
                "phase": status.phase.name if status else Phase.CONTINUOUS.name,
                "delisted": bool(status and status.is_delisted),
            } | {
                name: [
                    [str(scale.price(one.price_ticks)), str(scale.quantity(one.quantity_lots)), one.orders]
                    for one in side
                ]
                for name, side in sides.items()
            }
            click.echo(json.dumps(answer))
        else:
            if (status := reader.status) and (status.is_delisted or status.phase != Phase.CONTINUOUS):
                click.echo(doing(status, scale))
            Console().print(ladder(reader, scale, levels))
        if (why := place.unled()) is not None:
            click.echo(f"note: what is shown may be old: {why}", err=True)


@click.command("watch")
@click.argument("symbol")
@by_directory
@with_keys
@LEVELS
def watch(symbol: str, data: tuple[Path, ...], levels: int) -> None:
    """Watch SYMBOL's book, trades and phase live; Ctrl-C ends it.

    Where the output is no terminal that can redraw (a pipe, a file), each trade and each change of the touch or the
    phase is one line.
    """
    place = Place((), data)
    with explained(), joined(symbol, place, *WATCHED) as market, Leadership(place) as leadership:
        reader = market.wait()[symbol]
        console = Console()
        ended = Event()  # rather than an exception, which may come when the terminal is half set up
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        if console.is_terminal and not console.is_dumb_terminal:
            draw(market, reader, levels, console, ended, leadership)
        else:
            tell(market, reader, ended, leadership)


class Leadership:
    """`known`: whether a replica knows who leads, or none says anything; asked beside the work of the `with` block. An
    election is over before it is asked again."""

    def __init__(self, place: Place) -> None:
        self.known = True
        self._place = place
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        before = True
        while not self._ended.wait(LOOK_SECONDS):
            now = self._place.unled() is None
            self.known, before = now or before, now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def draw(
    market: Feed, reader: FeedReader, levels: int, console: Console, ended: Event, leadership: Leadership
) -> None:
    """The picture on a screen of its own, with as many levels as the terminal has room for."""

    def picture() -> RenderableType:
        rows = max((console.height - PICTURE_ROWS) // 2, 1)
        return render(reader, min(levels, rows), connected=market.connected, led=leadership.known)

    try:
        with Live(picture(), console=console, auto_refresh=False, screen=True) as live:
            while not ended.is_set():
                live.update(picture(), refresh=True)
                market.update(REDRAW_SECONDS)
    finally:
        console.print(picture())  # the screen of before is back: the last picture stays on it


def tell(market: Feed, reader: FeedReader, ended: Event, leadership: Leadership) -> None:
    """Lines, until nobody reads them any more."""
    told = Told(reader)
    try:
        while not ended.is_set():
            for line in told.lines(connected=market.connected, led=leadership.known):
                click.echo(line)
            market.update(REDRAW_SECONDS)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain of it once more at its end


def joined(symbol: str, place: Place, *kinds: Kind) -> Feed:
    """The feed of one symbol. ConfigError when no exchange runs or it does not have the symbol."""
    place.instrument(symbol)
    return feed(place.others("feed"), place.others("snapshot"), symbol, kinds, curve=place.curve())
