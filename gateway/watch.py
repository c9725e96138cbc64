"""What `quorumbook watch` shows: a symbol's ladder and trades as one picture for the terminal.

Pure functions from a FeedReader to what rich prints; the command keeps the reader up to date and draws.
"""

from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.records import Phase
from gateway.feed import BUY, SELL, Auction, FeedReader, Level, Scale, Status, Trade

BAR = 16
"""Characters of the longest bar: the largest level that is shown."""
EIGHTHS = " ▏▎▍▌▋▊▉"
BID, ASK, QUIET = "green", "red", "dim"
TAKEN = {BUY: "bought", SELL: "sold", None: "in an auction"}


AWAY = "the exchange is away: waiting for it"
UNLED = "no replica knows a leader: what is shown may be old"


def render(
    reader: FeedReader, levels: int = 10, *, connected: bool = True, led: bool = True
) -> RenderableType:
    """The whole picture: touch, phase, ladder (asks above bids) and as many trades as the ladder has rows. led: whether
    somebody can say what comes next."""
    scale = reader.scale
    if scale is None:
        return Panel(Text("joining ...", style="yellow"), title=reader.symbol, expand=False)
    sides = Table.grid(padding=(0, 2))
    sides.add_row(ladder(reader, scale, levels), trades(reader, scale, 2 * levels))
    return Panel(
        Group(touch(reader, scale), phase(reader, scale), sides),
        title=reader.symbol,
        subtitle=f"[yellow]{AWAY if not connected else UNLED}[/]"
        if not (connected and led)
        else standing(reader),
        expand=False,
    )


def touch(reader: FeedReader, scale: Scale) -> Text:
    """Best bid and ask, what lies between them, the last trade."""
    bids, asks = reader.depth(1)
    line = Text()
    line.append(price(scale, bids[0].price_ticks) if bids else "no bids", style=BID)
    line.append(" / ")
    line.append(price(scale, asks[0].price_ticks) if asks else "no asks", style=ASK)
    if bids and asks:
        line.append(f"   spread {price(scale, asks[0].price_ticks - bids[0].price_ticks)}", style=QUIET)
    last = next((trade for trade in reversed(reader.trades) if not trade.is_busted), None)
    if last is not None:
        line.append("   last ")
        line.append(
            f"{quantity(scale, last.quantity_lots)} at {price(scale, last.price_ticks)}", style=side(last)
        )
    return line


def phase(reader: FeedReader, scale: Scale) -> Text:
    """What the instrument is doing, and what it was last opened or closed at."""
    status = reader.status
    if status is None:
        return Text()
    line = Text(doing(status, scale), style=QUIET if status.phase == Phase.CONTINUOUS else "yellow")
    if status.auction is not None:
        line.append(f"   last auction {traded(status.auction, scale)}", style=QUIET)
    return line


def doing(status: Status, scale: Scale) -> str:
    """`pre-open until 09:00:00.000, would trade 5 at 1.00, 3 more to buy`."""
    if status.is_delisted:
        return "delisted"
    words = status.phase.name.lower().replace("_", "-")
    if status.until_ns is not None:
        words += f" until {clock(status.until_ns)}"
    if status.indicative is not None:
        words += f", would trade {traded(status.indicative, scale)}"
        surplus = status.indicative.surplus_lots
        if surplus:
            words += f", {quantity(scale, abs(surplus))} more to {'buy' if surplus > 0 else 'sell'}"
    return words


def traded(auction: Auction, scale: Scale) -> str:
    return f"{quantity(scale, auction.quantity_lots)} at {price(scale, auction.price_ticks)}"


def ladder(reader: FeedReader, scale: Scale, levels: int) -> Table:
    """The levels of both sides around the touch, with a bar as long as the level is large."""
    bids, asks = reader.depth(levels)
    largest = max((level.quantity_lots for level in bids + asks), default=1)
    table = Table(box=None, pad_edge=False)
    for heading in ("orders", "quantity", "price"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="crop")  # the bars give way first: a number that is cut short is worse
    for style, shown in ((ASK, asks[::-1]), (BID, bids)):
        for level in shown:
            cells = (
                f"{level.orders:,}",
                quantity(scale, level.quantity_lots),
                price(scale, level.price_ticks),
            )
            table.add_row(*cells, bar(level, largest), style=style)
        if style == ASK and asks and bids:
            table.add_row("", "", "·", "", style=QUIET)
    if not bids and not asks:
        table.add_row("", "", "empty", "", style=QUIET)
    return table


def bar(level: Level, largest: int) -> str:
    """The level's quantity as a part of the largest, in eighths of a character; never nothing."""
    eighths = max(1, level.quantity_lots * BAR * 8 // largest)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def trades(reader: FeedReader, scale: Scale, rows: int) -> Table:
    """The latest trades, newest first, in the colour of the side that took; those that are void struck out."""
    table = Table(box=None, pad_edge=False)
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("quantity", justify="right", no_wrap=True)
    for trade in list(reader.trades)[: -rows - 1 : -1]:
        cells = (price(scale, trade.price_ticks), quantity(scale, trade.quantity_lots))
        table.add_row(
            clock(trade.time_ns), *cells, style=side(trade) + (" strike" if trade.is_busted else "")
        )
    if not reader.trades:
        table.add_row("none yet", "", "", style=QUIET)
    return table


class Told:
    """The same news as lines of plain text: what changed since the last look at the reader."""

    def __init__(self, reader: FeedReader) -> None:
        self._reader = reader
        self._touch = ("", "")
        self._doing = Phase.CONTINUOUS.name.lower()
        self._auction: Auction | None = None
        self._connected = self._led = True
        self._last_trade = reader.trades[-1].sequence if reader.trades else -1
        self._last_bust = reader.busts[-1].sequence if reader.busts else -1
        self._lost = 0

    def lines(self, *, connected: bool = True, led: bool = True) -> list[str]:
        """Trades first, oldest first, then those that are void, then an auction, the phase and the touch if they are
        others; and that the exchange, or who leads it, went or came back."""
        reader, scale = self._reader, self._reader.scale
        if connected != self._connected:
            self._connected = connected
            return ["the exchange is back" if connected else AWAY]
        if led != self._led:
            self._led = led
            return ["a replica leads again" if led else UNLED]
        if scale is None or not reader.ready:
            return []
        fresh = [trade for trade in reader.trades if trade.sequence > self._last_trade]
        found = [
            f"{clock(trade.time_ns)} trade {quantity(scale, trade.quantity_lots)} at {price(scale, trade.price_ticks)}"
            f" {TAKEN[trade.aggressor]}"
            for trade in fresh
        ]
        if fresh:
            self._last_trade = fresh[-1].sequence
        for bust in (bust for bust in reader.busts if bust.sequence > self._last_bust):
            self._last_bust = bust.sequence
            found.append(
                f"{clock(bust.time_ns)} trade {bust.trade_id} is void: {quantity(scale, bust.quantity_lots)} at"
                f" {price(scale, bust.price_ticks)}"
            )
        if reader.lost_trades > self._lost:
            found.insert(0, f"trades not seen: {reader.lost_trades - self._lost:,}")
            self._lost = reader.lost_trades
        found += self._status(scale)
        bids, asks = reader.depth(1)
        words = (best(scale, "bid", bids), best(scale, "ask", asks))
        if words != self._touch:
            self._touch = words
            found.append(f"{reader.symbol} {words[0]}, {words[1]}")
        return found

    def _status(self, scale: Scale) -> list[str]:
        status, found = self._reader.status, []
        if status is None:
            return []
        if status.auction != self._auction and status.auction is not None:
            self._auction = status.auction
            found.append(f"{self._reader.symbol} auction {traded(status.auction, scale)}")
        words = doing(status, scale)
        if words != self._doing:
            self._doing = words
            found.append(f"{self._reader.symbol} {words}")
        return found


def best(scale: Scale, name: str, levels: list[Level]) -> str:
    """`bid 100 at 190.00`, or that there is none."""
    if not levels:
        return f"no {name}s"
    return f"{name} {quantity(scale, levels[0].quantity_lots)} at {price(scale, levels[0].price_ticks)}"


def standing(reader: FeedReader) -> str:
    """Where the reader stands: the input number it has, whether it is live, what it has lost."""
    parts = [f"input {reader.input_number:,}"]
    if not reader.ready:
        parts.append("[yellow]joining ...[/]")
    if reader.gaps:
        parts.append(f"gaps: {reader.gaps:,}")
    if reader.lost_trades:
        parts.append(f"trades not seen: {reader.lost_trades:,}")
    return ", ".join(parts)


def clock(time_ns: int) -> str:
    """The time of day in UTC, to the millisecond."""
    minutes, milliseconds = divmod(time_ns // 10**6, 60_000)
    hours, minutes = divmod(minutes % 1440, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def side(trade: Trade) -> str:
    return QUIET if trade.aggressor is None else BID if trade.aggressor == BUY else ASK


def price(scale: Scale, ticks: int) -> str:
    return plain(scale.price(ticks))


def quantity(scale: Scale, lots: int) -> str:
    return plain(scale.quantity(lots))


def plain(number: Decimal) -> str:
    """All digits of the increment, thousands apart, no exponent."""
    return f"{number:,f}"
