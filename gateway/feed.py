"""Reading the feed: bytes -> typed records, and the state machine that joins snapshots and increments.

No sockets: `FeedReader` is given what subscriptions and snapshot replies bring, in any order, from any
number of publishers, and says what to ask for. docs/feed.md states the bytes.
"""

import struct
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from sortedcontainers import SortedDict

from engine.records import EMPTY_PRICE, INT64_MAX, Phase

FORMAT_VERSION = 1
BUY, SELL = 0, 1
HEARTBEAT, SNAPSHOT, MORE, UNKNOWN = 1, 2, 4, 8  # flags of a message
LAST_OF_INPUT = 1  # flag of a record
ADD, EXECUTE, REDUCE, DELETE, REPLACE = 1, 2, 3, 4, 5  # actions of an order record
AUCTION_TRADE, BUST = 1, 2  # actions of a trade record; 0: an incoming order made it

Kind = Literal["trades", "top", "levels", "orders", "status"]
KINDS: tuple[Kind, ...] = ("trades", "top", "levels", "orders", "status")  # kind number - 1

PREFIX: list[tuple[str, str]] = [
    ("sequence", "<u8"), ("input_number", "<u8"), ("flags", "u1"), ("side", "u1"), ("action", "u1"),
    ("kept_priority", "u1"), ("orders", "<u4"),
]  # fmt: skip
TRADE = np.dtype([
    *PREFIX, ("time_ns", "<i8"), ("trade_id", "<u8"), ("price_ticks", "<i8"), ("quantity_lots", "<i8"),
])  # fmt: skip
TOP = np.dtype([
    *PREFIX, ("bid_price_ticks", "<i8"), ("bid_quantity_lots", "<i8"), ("ask_price_ticks", "<i8"),
    ("ask_quantity_lots", "<i8"), ("bid_orders", "<u4"), ("ask_orders", "<u4"),
])  # fmt: skip
LEVEL = np.dtype([*PREFIX, ("price_ticks", "<i8"), ("quantity_lots", "<i8")])
ORDER = np.dtype([
    *PREFIX, ("order_id", "<u8"), ("trade_id", "<u8"), ("price_ticks", "<i8"), ("quantity_lots", "<i8"),
    ("change_lots", "<i8"),
])  # fmt: skip
STATUS = np.dtype([
    *PREFIX, ("time_ns", "<i8"), ("until_ns", "<i8"), ("auction_price_ticks", "<i8"), ("auction_lots", "<i8"),
    ("indicative_price_ticks", "<i8"), ("indicative_lots", "<i8"), ("surplus_lots", "<i8"), ("phase", "<u4"),
    ("is_delisted", "<u4"),
])  # fmt: skip
DTYPES: dict[Kind, np.dtype[np.void]] = {
    "trades": TRADE, "top": TOP, "levels": LEVEL, "orders": ORDER, "status": STATUS
}  # fmt: skip

HEADER = struct.Struct("<BBBBIIIQQQq")
SCALE = struct.Struct("<qqbbB5x32s")
CURSOR = struct.Struct("<Qq")  # side + 256 * feed id, price; `cursor_behind` says how ids of slices are put
SLICES = 1 << 63  # feed ids from here on: slices of icebergs, behind their first
START = CURSOR.pack(BUY, EMPTY_PRICE)  # the cursor before the first level
SNAPSHOT_HEAD = HEADER.size + SCALE.size + 2 * CURSOR.size
RECORDS = {
    "trades": struct.Struct("<QQBBBBIqQqq"),
    "top": struct.Struct("<QQBBBBIqqqqII"),
    "levels": struct.Struct("<QQBBBBIqq"),
    "orders": struct.Struct("<QQBBBBIQQqqq"),
    "status": struct.Struct("<QQBBBBIqqqqqqqII"),
}
MOST_WAITING_BYTES = 64 << 20  # of a topic, until its snapshot comes; beyond it the join starts again


class UnknownTopic(LookupError):
    """The exchange has no such symbol, or no such kind of feed."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What one price tick and one lot of an instrument are worth."""

    symbol: str
    price_increment: Decimal
    quantity_increment: Decimal

    def price(self, ticks: int) -> Decimal:
        return ticks * self.price_increment

    def quantity(self, lots: int) -> Decimal:
        return lots * self.quantity_increment


@dataclass(frozen=True, slots=True)
class Message:
    """One payload: its header and its records.

    `records` is a read-only array over the payload's own bytes, of the dtype TRADE, TOP, LEVEL or ORDER.
    `first_sequence` of a heartbeat or snapshot is that of the topic's next record. Snapshots only: `scale`,
    the cursors `after` and `until` (None: this chunk is the last).
    """

    kind: Kind
    flags: int
    instrument: int
    first_sequence: int
    first_input: int
    last_input: int
    time_ns: int
    records: npt.NDArray[np.void]
    payload: bytes
    scale: Scale | None = None
    after: bytes | None = None
    until: bytes | None = None

    @property
    def next_sequence(self) -> int:
        """The sequence that follows this message."""
        return self.first_sequence if self.flags & SNAPSHOT else self.first_sequence + len(self.records)


def decode_message(payload: bytes) -> Message:
    """The message in a feed payload or a snapshot reply.

    Raises ValueError for bytes that are not one (with what is wrong) and UnknownTopic for the reply to a
    request that named none.
    """
    if len(payload) < HEADER.size:
        raise ValueError(f"a feed message has at least {HEADER.size} bytes, this one {len(payload)}")
    fields = HEADER.unpack_from(payload)
    version, kind_number, flags, _, instrument, count, size, sequence, first, last, time_ns = fields
    if version != FORMAT_VERSION:
        raise ValueError(f"feed format version {version}: this reader knows version {FORMAT_VERSION}")
    if flags & UNKNOWN:
        raise UnknownTopic(f"the exchange has no feed topic {payload[HEADER.size :]!r}")
    if not 1 <= kind_number <= len(KINDS):
        raise ValueError(f"feed message of kind {kind_number}: allowed are 1 to {len(KINDS)}")
    kind = KINDS[kind_number - 1]
    offset = SNAPSHOT_HEAD if flags & SNAPSHOT else HEADER.size
    if size != DTYPES[kind].itemsize or len(payload) != offset + count * size:
        raise ValueError(f"{kind} message of {len(payload)} bytes: it cannot hold {count} records of {size}")
    records = np.frombuffer(payload, DTYPES[kind], count, offset)
    scale = after = until = None
    if flags & SNAPSHOT:
        scale = _scale(payload)
        after = payload[SNAPSHOT_HEAD - 32 : SNAPSHOT_HEAD - 16]
        until = payload[SNAPSHOT_HEAD - 16 : SNAPSHOT_HEAD] if flags & MORE else None
        if until is not None and until[0] > 3:
            raise ValueError(
                f"snapshot that goes on at a cursor whose first byte is {until[0]}: 0 to 3 are allowed"
            )
    return Message(
        kind, flags, instrument, sequence, first, last, time_ns, records, payload, scale, after, until
    )


def _scale(payload: bytes) -> Scale:
    fields = SCALE.unpack_from(payload, HEADER.size)
    price, quantity, price_exponent, quantity_exponent, length, symbol = fields
    return Scale(
        symbol[:length].decode("latin-1"),
        Decimal(price).scaleb(price_exponent),
        Decimal(quantity).scaleb(quantity_exponent),
    )


class Trade(NamedTuple):
    trade_id: int
    price_ticks: int
    quantity_lots: int
    aggressor: int | None  # BUY or SELL; None: the trade was made in an auction
    time_ns: int
    input_number: int
    sequence: int
    is_busted: bool = False  # it is void: both sides were told so


class Level(NamedTuple):
    price_ticks: int
    quantity_lots: int
    orders: int


class BookOrder(NamedTuple):
    order_id: int
    side: int
    price_ticks: int
    quantity_lots: int


class Auction(NamedTuple):
    """What an auction came to, or would come to now."""

    price_ticks: int
    quantity_lots: int
    surplus_lots: int = (
        0  # what buyers want more at that price; below 0: sellers. Only of one that is to come
    )


class Status(NamedTuple):
    """What an instrument is doing."""

    phase: Phase
    until_ns: int | None  # when that ends, a random end later; None: when it is told to
    auction: Auction | None  # the last one in which something traded
    indicative: (
        Auction | None
    )  # while orders are collected: the one that there would be now; None: nothing would trade
    is_delisted: bool
    time_ns: int


class State(Protocol):
    """What a topic's records add up to."""

    def clear(self) -> None: ...

    def apply(self, record: tuple[Any, ...], until: bytes | None) -> None:
        """One record, of a topic of which the part up to `until` (None: all) is known."""

    def resumed(self, until: bytes) -> bytes:
        """The cursor of the part that is known now, which began as the part up to `until`."""


def level_of(cursor: bytes) -> tuple[int, int]:
    """Side and price of a cursor."""
    place, price_ticks = CURSOR.unpack(cursor)
    return place & 1, price_ticks


def cursor_behind(side: int, price_ticks: int, order_id: int) -> bytes:
    """Behind an order of a level; 0: before its first. A slice has 2 beside its side, and its id counts from SLICES."""
    slice_bit = 2 if order_id >= SLICES else 0
    return CURSOR.pack(order_id % SLICES << 8 | slice_bit | side, price_ticks)


def covered(side: int, price_ticks: int, until: bytes | None) -> bool:
    """Whether a level lies in the part of the book that chunks up to the cursor `until` hold; its own level does."""
    if until is None:
        return True
    last_side, last_price = level_of(until)
    if side == BUY:
        return bool(last_side == SELL or price_ticks >= last_price)
    return bool(last_side == SELL and price_ticks <= last_price)


class TradeTape:
    """The latest trades, oldest first, those that were busted since marked so; and the busts, in their order.

    A bust is the trade as it was, with the time, the input number and the sequence of its end.
    """

    def __init__(self, length: int = 1000) -> None:
        self.trades: deque[Trade] = deque(maxlen=length)
        self.busts: deque[Trade] = deque(maxlen=length)

    def clear(self) -> None:
        """Trades have happened: a join keeps them."""

    def resumed(self, until: bytes) -> bytes:
        return until

    def apply(self, record: tuple[Any, ...], _: bytes | None) -> None:
        sequence, input_number, _, side, action = record[:5]
        time_ns, trade_id, price, quantity = record[7:]
        aggressor = None if action == AUCTION_TRADE else side
        trade = Trade(trade_id, price, quantity, aggressor, time_ns, input_number, sequence, action == BUST)
        if not trade.is_busted:
            self.trades.append(trade)
            return
        self.busts.append(trade)
        for place in range(len(self.trades) - 1, -1, -1):
            if self.trades[place].trade_id == trade_id:
                self.trades[place] = self.trades[place]._replace(is_busted=True)
                return


class TopOfBook:
    """The best level of each side, None when it is empty."""

    def __init__(self) -> None:
        self.bid: Level | None = None
        self.ask: Level | None = None

    def clear(self) -> None:
        self.bid = self.ask = None

    def resumed(self, until: bytes) -> bytes:
        return until

    def apply(self, record: tuple[Any, ...], _: bytes | None) -> None:
        bid, bid_lots, ask, ask_lots, bid_orders, ask_orders = record[7:]
        self.bid = Level(bid, bid_lots, bid_orders) if bid_orders else None
        self.ask = Level(ask, ask_lots, ask_orders) if ask_orders else None


class InstrumentStatus:
    """What the instrument is doing now; None before anything is known."""

    def __init__(self) -> None:
        self.now: Status | None = None

    def clear(self) -> None:
        self.now = None

    def resumed(self, until: bytes) -> bytes:
        return until

    def apply(self, record: tuple[Any, ...], _: bytes | None) -> None:
        time_ns, until_ns, price, lots, indicative, indicative_lots, surplus, phase, is_delisted = record[7:]
        self.now = Status(
            Phase(phase),
            until_ns or None,
            Auction(price, lots) if lots else None,
            Auction(indicative, indicative_lots, surplus) if indicative_lots else None,
            bool(is_delisted),
            time_ns,
        )


def _best_first(side: int) -> SortedDict:
    return SortedDict(int.__neg__) if side == BUY else SortedDict()


class LevelBook:
    """Price levels of both sides."""

    def __init__(self) -> None:
        self.sides = (_best_first(BUY), _best_first(SELL))  # price -> Level

    def clear(self) -> None:
        for side in self.sides:
            side.clear()

    def resumed(self, until: bytes) -> bytes:
        return until

    def apply(self, record: tuple[Any, ...], until: bytes | None) -> None:
        _, _, _, side, _, _, orders, price, quantity = record
        if not covered(side, price, until):
            return
        if orders:
            self.sides[side][price] = Level(price, quantity, orders)
        else:
            self.sides[side].pop(price, None)

    def depth(self, levels: int) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first, at most so many each."""
        bids, asks = (list(side.values()[:levels]) for side in self.sides)
        return bids, asks


class OrderBook:
    """Every resting order, each level's in the order of the queue."""

    def __init__(self) -> None:
        self.orders: dict[int, BookOrder] = {}
        self.sides = (_best_first(BUY), _best_first(SELL))  # price -> {order_id: quantity} in queue order

    def clear(self) -> None:
        self.orders.clear()
        for side in self.sides:
            side.clear()

    def resumed(self, until: bytes) -> bytes:
        """Behind the last known order of the cursor's level, which need not be the one it named."""
        side, price = level_of(until)
        last = next(reversed(self.sides[side].get(price, {})), 0)
        return cursor_behind(side, price, last)

    def apply(self, record: tuple[Any, ...], until: bytes | None) -> None:
        _, _, _, side, action, kept_priority, _, order_id, _, price, quantity, _ = record
        if (action in (DELETE, REPLACE) and not kept_priority) or not quantity:
            self._remove(order_id)
        if not quantity or not covered(side, price, until):
            return
        growing = until is not None and (side, price) == level_of(until)  # its tail is in no chunk yet
        if order_id in self.orders or (action in (ADD, REPLACE) and not growing):
            self.orders[order_id] = BookOrder(order_id, side, price, quantity)
            self.sides[side].setdefault(price, {})[order_id] = quantity  # a known id keeps its place

    def _remove(self, order_id: int) -> None:
        order = self.orders.pop(order_id, None)
        if order is not None:  # None: it rested in a part that no chunk has brought yet
            queue = self.sides[order.side][order.price_ticks]
            del queue[order_id]
            if not queue:
                del self.sides[order.side][order.price_ticks]

    def queue(self, side: int, price_ticks: int) -> list[BookOrder]:
        """The orders at a price, first in the queue first."""
        return [self.orders[order_id] for order_id in self.sides[side].get(price_ticks, ())]

    def depth(self, levels: int) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first, at most so many each; totals saturate as in the levels feed."""
        bids, asks = (
            [
                Level(price, min(sum(queue.values()), INT64_MAX), len(queue))
                for price, queue in side.items()[:levels]
            ]
            for side in self.sides
        )
        return bids, asks


class TopicReader:
    """One topic: joins a snapshot, which may come in chunks, and the numbered increments.

    JOINING waits for the first chunk, LOADING for the others, LIVE for increments. After a gap it is
    JOINING again with its state kept: should the missing records still come (from another publisher, or
    late) it goes on from there, otherwise the snapshot replaces the state.
    """

    JOINING, LOADING, LIVE = "joining", "loading", "live"

    def __init__(self, topic: bytes, kind: Kind, state: State) -> None:
        self.topic = topic
        self.kind = kind
        self.kind_number = KINDS.index(kind) + 1
        self.state = state
        self.record = RECORDS[kind]
        self.gaps = 0
        self.lost_records = 0  # trades only: no snapshot brings them back
        self.input_number = 0
        self.whole_input = True  # the state is that after the whole of an input, not in the middle of one
        self.expected: int | None = None  # sequence of the next record; None: nothing is known yet
        self.scale: Scale | None = None
        self.rejoin()

    def rejoin(self) -> None:
        """Forget the position and begin again, as at the start."""
        self.mode = self.JOINING
        self.before = self.expected  # where it stood: what lies between is lost, unless the log is another
        self.expected = None
        self.waiting: list[tuple[int, int, bytes]] = []  # (first sequence, records, payload), in order
        self.waiting_bytes = 0
        self.chunk: Message | None = None  # held until the increments before it have come
        self._ask(START)

    def _ask(self, cursor: bytes) -> None:
        self.cursor = cursor
        self.request: bytes | None = self.topic if cursor == START else self.topic + cursor

    def ask_again(self) -> None:
        """Nothing came of the last request."""
        if self.mode != self.LIVE and self.chunk is None:
            self._ask(self.cursor)

    def receive(self, payload: bytes) -> None:
        """A message of the topic. Raises ValueError for bytes that are none."""
        if len(payload) < HEADER.size:
            raise ValueError(f"a feed message has at least {HEADER.size} bytes, this one {len(payload)}")
        version, kind_number, _, _, _, count, _, first, _, _, _ = HEADER.unpack_from(payload)
        expected_size = HEADER.size + count * self.record.size
        if version != FORMAT_VERSION or kind_number != self.kind_number or len(payload) != expected_size:
            decode_message(payload)  # says what is wrong with the bytes themselves
            raise ValueError(f"a message of another kind came on topic {self.topic!r}")
        if self.expected is not None and first + count <= self.expected:
            return  # a duplicate, or a heartbeat that says we have everything
        insort(self.waiting, (first, count, payload))
        self.waiting_bytes += len(payload)
        self._advance()
        if self.waiting_bytes > MOST_WAITING_BYTES:
            self.rejoin()

    def receive_snapshot(self, message: Message) -> None:
        """A chunk. One that was not asked for, or comes too late to be of use, is ignored."""
        if self.mode == self.LIVE or message.after != self.cursor:
            return
        if self.expected is not None and message.first_sequence < self.expected:
            return  # older than what we have: `ask_again` fetches a newer one
        self.scale = message.scale
        self.chunk = message
        self.request = None
        self._advance()

    def _advance(self) -> None:
        """Go as far as the increments and the chunk at hand allow."""
        if self.mode == self.JOINING and self.chunk is not None:
            self._begin(self.chunk)
        if self.mode == self.LOADING and self.chunk is not None:
            self._catch_up(self.chunk.first_sequence)
            if self.chunk is not None and self.expected == self.chunk.first_sequence:
                self._load_or_ask(self.chunk)
        if self.mode != self.LOADING and self.expected is not None:
            self._catch_up(None)

    def _begin(self, chunk: Message) -> None:
        """The first chunk: what was known gives way to it, but trades are history and stay."""
        if self.expected is None and self.before is not None and self.before <= chunk.first_sequence:
            self.expected = self.before
        if self.expected is None or self.kind != "trades":
            self.expected = chunk.first_sequence
            self.state.clear()
        self.mode = self.LOADING

    def _load_or_ask(self, chunk: Message) -> None:
        """A chunk that begins behind an order which has left its place meanwhile is of no use."""
        resumed = self.state.resumed(self.cursor)
        if resumed == self.cursor:
            self._load(chunk)
        else:
            self.chunk = None
            self._ask(resumed)

    def _load(self, chunk: Message) -> None:
        for record in self.record.iter_unpack(memoryview(chunk.payload)[SNAPSHOT_HEAD:]):
            self.state.apply(record, None)
        self.input_number, self.whole_input = chunk.last_input, True
        self.chunk = None
        if chunk.until is None:
            self.mode = self.LIVE
        else:
            self._ask(chunk.until)

    def _catch_up(self, stop: int | None) -> None:
        """Apply what waits, below the sequence `stop`; a gap begins a new join."""
        assert self.expected is not None
        known = self.cursor if self.mode == self.LOADING else None
        while self.waiting and (stop is None or self.expected < stop):
            first, count, payload = self.waiting[0]
            if first > self.expected:
                if stop is None or self.kind != "trades":
                    self._gap()
                    return
                self.lost_records += min(first, stop) - self.expected
                self.expected = min(first, stop)
                continue
            end = first + count if stop is None else min(first + count, stop)
            if end > self.expected:
                self._apply(payload, self.expected - first, end - first, known)
                self.expected = end
            if end < first + count:
                return
            del self.waiting[0]
            self.waiting_bytes -= len(payload)
        if self.mode == self.JOINING:
            self.mode, self.request = self.LIVE, None  # the gap has closed by itself

    def _apply(self, payload: bytes, begin: int, end: int, known: bytes | None) -> None:
        size = self.record.size
        part = memoryview(payload)[HEADER.size + begin * size : HEADER.size + end * size]
        for record in self.record.iter_unpack(part):
            if record[3] > SELL:
                raise ValueError(f"{self.kind} record {record[0]} has side {record[3]}: 0 and 1 are allowed")
            self.state.apply(record, known)
        self.input_number, self.whole_input = record[1], bool(record[2] & LAST_OF_INPUT)

    def _gap(self) -> None:
        if self.mode == self.LIVE:
            self.gaps += 1
            self.mode = self.JOINING
            self._ask(START)
        elif self.mode == self.LOADING:  # half a book is of no use
            waiting, waiting_bytes = self.waiting, self.waiting_bytes
            self.rejoin()
            self.waiting, self.waiting_bytes = waiting, waiting_bytes


class FeedReader:
    """One symbol's feed: some of the kinds "trades", "top", "levels", "orders", "status".

    Subscribe to `topics`, pass on what comes (`receive`, `receive_snapshot`), send what `requests` returns
    to the snapshot socket, `ask_again` when no reply came in time, `rejoin` after the link was made anew.
    """

    def __init__(
        self, symbol: str, kinds: Iterable[Kind] = ("levels", "trades"), *, trades: int = 1000
    ) -> None:
        self.symbol = symbol
        self.tape = TradeTape(trades)
        self.top = TopOfBook()
        self.levels = LevelBook()
        self.orders = OrderBook()
        self.instrument = InstrumentStatus()
        states: dict[Kind, State] = {
            "trades": self.tape, "top": self.top, "levels": self.levels, "orders": self.orders,
            "status": self.instrument,
        }  # fmt: skip
        self.readers: dict[Kind, TopicReader] = {}
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"feed kind {kind!r}: allowed are {', '.join(KINDS)}")
            topic = f"{kind}|{symbol}|".encode("latin-1")
            self.readers[kind] = TopicReader(topic, kind, states[kind])
        self._by_topic = {reader.topic: reader for reader in self.readers.values()}

    @property
    def topics(self) -> list[bytes]:
        return list(self._by_topic)

    def receive(self, topic: bytes, payload: bytes) -> None:
        """What a subscription brought; other symbols are passed over. Raises ValueError for bad bytes."""
        reader = self._by_topic.get(topic)
        if reader is not None:
            reader.receive(payload)

    def receive_snapshot(self, payload: bytes) -> None:
        """A reply of the snapshot socket. Raises UnknownTopic when the exchange has no such symbol."""
        message = decode_message(payload)
        if message.scale is None:
            raise ValueError("the reply to a snapshot request is not a snapshot")
        if message.scale.symbol == self.symbol and message.kind in self.readers:
            self.readers[message.kind].receive_snapshot(message)

    def requests(self) -> list[bytes]:
        """Snapshot requests to send now; each is handed out once."""
        wanted = [reader.request for reader in self.readers.values() if reader.request is not None]
        for reader in self.readers.values():
            reader.request = None
        return wanted

    def request_again(self) -> None:
        """Replies are overdue: `requests` hands out again what is still missing."""
        for reader in self.readers.values():
            reader.ask_again()

    def rejoin(self) -> None:
        """Begin again, as after connecting to another exchange or one whose log is new."""
        for reader in self.readers.values():
            reader.rejoin()

    @property
    def ready(self) -> bool:
        """Every topic is joined and has no gap."""
        return all(reader.mode == TopicReader.LIVE for reader in self.readers.values())

    @property
    def input_number(self) -> int:
        """The last input that any topic has shown."""
        return max(reader.input_number for reader in self.readers.values())

    @property
    def gaps(self) -> int:
        return sum(reader.gaps for reader in self.readers.values())

    @property
    def trades(self) -> deque[Trade]:
        return self.tape.trades

    @property
    def status(self) -> Status | None:
        """The instrument's phase and its auctions; None: unknown, or this kind is not read."""
        return self.instrument.now

    @property
    def busts(self) -> deque[Trade]:
        """Trades that were made void: each as it was, at the time of its end."""
        return self.tape.busts

    @property
    def lost_trades(self) -> int:
        """Trades that happened in a gap of the trades topic; snapshots do not bring them back."""
        return self.readers["trades"].lost_records if "trades" in self.readers else 0

    @property
    def scale(self) -> Scale | None:
        """Known after the first snapshot."""
        return next((reader.scale for reader in self.readers.values() if reader.scale is not None), None)

    def depth(self, levels: int) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first, from the fullest kind that is read."""
        if "levels" in self.readers:
            return self.levels.depth(levels)
        if "orders" in self.readers:
            return self.orders.depth(levels)
        return [level for level in [self.top.bid] if level], [level for level in [self.top.ask] if level]
