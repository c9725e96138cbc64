"""The feed of days with all order types, phases and protections: a reader has what the machine shows, and no more."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from feed_world import Action, commands
from hypothesis import given, settings
from hypothesis import strategies as st
from market_watch import Heard, heard
from mixed_day import MixedDay, record

from engine.machine import Machine
from engine.records import (
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    CommandFlag,
    CommandKind,
    Phase,
    ReportKind,
    Side,
)
from gateway.feed import (
    AUCTION_TRADE,
    CURSOR,
    EXECUTE,
    KINDS,
    SLICES,
    Auction,
    FeedReader,
    Level,
    Status,
    cursor_behind,
    decode_message,
)
from gateway.market_data import MarketData

Messages = list[tuple[bytes, bytes]]
Queues = dict[tuple[int, int], list[tuple[int, int]]]


@dataclass
class Floor:
    """A machine, what it publishes, and a day that is played on it a command at a time."""

    seed: int
    steps: int = 2**62
    machine: Machine = field(default_factory=Machine)
    feed: MarketData = field(default_factory=MarketData)
    symbols: list[str] = field(default_factory=list)
    inputs: int = 0
    auctions: dict[int, Auction] = field(default_factory=dict)  # the last of each instrument
    ends: dict[int, int] = field(default_factory=dict)  # when its phase does, as it was said
    delisted: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.day = MixedDay(self.seed)
        self.heard_by = Machine()  # the same, for the day, which draws by what it hears

    def play(self, commands: int = 1) -> Messages:
        """An entry of so many commands, each an input."""
        for _ in range(commands):
            self.enter()
        self.feed.end_entry(self.machine)
        return self.feed.take()

    def enter(self) -> None:
        command = self.day.next()
        reports = self.heard_by.apply(command)
        self.day.hear(reports)
        self.hear(command, heard(reports))
        self.inputs += 1
        self.feed.perform(self.machine, command, self.inputs, self.day.time_ns, steps=self.steps)
        while len(self.symbols) < len(self.day.watch.floors):
            self.symbols.append(f"S{len(self.symbols)}")
            self.feed.define(len(self.symbols) - 1, self.symbols[-1].encode(), 1, -2, 1, 0)

    def hear(self, command: Any, reports: list[Heard]) -> None:
        """What the status of instruments is told by."""
        for place, report in enumerate(reports):
            number, kind = report.instrument, (report.kind, report.command_kind)
            if report.kind == ReportKind.PHASE_CHANGED:
                asked = place == 0 and report.command_kind == CommandKind.PHASE
                self.ends[number] = command.view(PHASE_CHANGE)["until_ns"][0] if asked else report.last_lots
                if report.price_ticks != EMPTY_PRICE:
                    self.auctions[number] = Auction(report.price_ticks, report.quantity_lots)
            elif kind == (ReportKind.CHANGED, CommandKind.CHANGE) and command.view(DEFINITION)["delist"][0]:
                self.delisted.add(number)
                self.ends[number] = 0

    def status(self, symbol: str) -> Status:
        number = self.symbols.index(symbol)
        phase, coming = self.machine.phase(number), None
        if Phase.PRE_OPEN <= phase <= Phase.CLOSING_AUCTION:
            coming = self.machine.indicative(number)
        return Status(
            phase,
            self.ends.get(number) or None,
            self.auctions.get(number),
            Auction(*(max(-INT64_MAX, min(one, INT64_MAX)) for one in coming)) if coming else None,
            number in self.delisted,
            0,
        )

    def depth(self, symbol: str) -> tuple[list[Level], list[Level]]:
        bids, asks = (
            [Level(*row[:3]) for row in side[["price_ticks", "quantity_lots", "orders"]].tolist()]
            for side in self.machine.depth(self.symbols.index(symbol), 1000)
        )
        return bids, asks

    def queues(self) -> dict[str, Queues]:
        """Of each symbol: (side, price) -> (feed id, what is shown), first in the queue first."""
        found: dict[str, dict[tuple[int, int], list[tuple[int, int, int]]]] = {s: {} for s in self.symbols}
        for order in filter(None, map(self.machine.order, self.day.watch.live)):
            try:
                ahead = self.machine.queue_ahead(order.order_id)
            except ValueError:  # it is not shown
                continue
            assert not order.flags & CommandFlag.HIDDEN
            assert order.price_ticks is not None
            shown = order.slice_lots or order.leaves_lots
            level = found[self.symbols[order.instrument]].setdefault((order.side, order.price_ticks), [])
            level.append((ahead, order.feed_id or order.order_id, shown))
        return {
            symbol: {place: [entry[1:] for entry in sorted(level)] for place, level in levels.items()}
            for symbol, levels in found.items()
        }


def agrees(reader: FeedReader, floor: Floor, queues: dict[str, Queues]) -> None:
    """The reader has what the machine shows."""
    depth = floor.depth(reader.symbol)
    assert reader.ready
    assert reader.gaps == 0
    assert reader.levels.depth(1000) == reader.orders.depth(1000) == depth
    assert {
        (side, price): [(order.order_id, order.quantity_lots) for order in reader.orders.queue(side, price)]
        for side in (0, 1)
        for price in reader.orders.sides[side]
    } == queues[reader.symbol]
    bids, asks = depth
    assert (reader.top.bid, reader.top.ask) == (next(iter(bids), None), next(iter(asks), None))
    assert reader.status is not None
    assert reader.status._replace(time_ns=0) == floor.status(reader.symbol)


@dataclass
class Readers:
    """One reader for each symbol, from its first record on."""

    floor: Floor
    readers: dict[str, FeedReader] = field(default_factory=dict)

    def hear(self, published: Messages) -> None:
        for symbol in self.floor.symbols:
            if symbol not in self.readers:
                reader = self.readers[symbol] = FeedReader(symbol, KINDS)
                ask(reader, self.floor)
                continue
            for topic, payload in published:
                self.readers[symbol].receive(topic, payload)

    def agree(self) -> None:
        queues = self.floor.queues()
        for reader in self.readers.values():
            agrees(reader, self.floor, queues)


def ask(reader: FeedReader, floor: Floor) -> None:
    """The snapshots that the reader wants now."""
    for request in reader.requests():
        reader.receive_snapshot(floor.feed.snapshot(request, floor.machine))


def play_and_compare(seed: int, commands: int) -> None:
    floor = Floor(seed)
    readers = Readers(floor)
    for _ in range(commands):
        readers.hear(floor.play())
        readers.agree()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_reader_has_what_the_machine_shows_after_every_command(seed: int) -> None:
    play_and_compare(seed, 250)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_a_reader_has_it_all_day(seed: int) -> None:
    play_and_compare(seed, 3000)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 5))
def test_where_commands_are_cut_the_feed_does_not_show(seed: int, steps: int) -> None:
    whole, cut, quiet = Floor(seed), Floor(seed, steps), Floor(seed, steps)
    quiet.feed.ignore(b"")
    for _ in range(250):
        assert whole.play() == cut.play()
        assert quiet.play() == []
        for symbol in map(str.encode, whole.symbols):
            assert whole.feed.sequences(symbol) == cut.feed.sequences(symbol) == quiet.feed.sequences(symbol)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), late=st.integers(20, 200), chunk=st.integers(1, 4), together=st.integers(1, 5)
)
def test_joining_late_in_chunks_while_the_day_goes_on(
    seed: int, late: int, chunk: int, together: int
) -> None:
    """A chunk is taken after each entry, cursors behind slices of icebergs among them."""
    floor = Floor(seed)
    for _ in range(late):
        floor.play()
    floor.feed.chunk_records = chunk
    readers = [FeedReader(symbol, KINDS) for symbol in floor.symbols]
    for _ in range(300 // together):
        for reader in readers:
            ask(reader, floor)
        published = floor.play(together)
        for reader in readers:
            for topic, payload in published:
                reader.receive(topic, payload)
    floor.feed.chunk_records = 1024
    queues = floor.queues()
    for reader in readers:
        while not reader.ready:
            ask(reader, floor)
        agrees(reader, floor, queues)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_executions_of_orders_are_trades_and_sequences_have_no_holes(seed: int) -> None:
    floor = Floor(seed)
    floor.feed.ignore(b"")
    quiet = [floor.play() for _ in range(250)]
    assert quiet == [[]] * 250
    counted = floor
    floor = Floor(seed)
    records: dict[bytes, list[Any]] = defaultdict(list)
    for _ in range(250):
        for topic, payload in floor.play():
            records[topic].extend(decode_message(payload).records)
    for symbol in floor.symbols:
        found = [records[f"{kind}|{symbol}|".encode()] for kind in KINDS]
        assert floor.feed.sequences(symbol.encode()) == tuple(map(len, found))
        assert counted.feed.sequences(symbol.encode()) == floor.feed.sequences(symbol.encode())
        for of_topic in found:
            assert [int(one["sequence"]) for one in of_topic] == list(range(1, len(of_topic) + 1))
        trades = {int(one["trade_id"]): int(one["quantity_lots"]) for one in found[0]}
        for one in found[3]:
            if one["action"] == EXECUTE:
                assert trades[int(one["trade_id"])] == one["change_lots"]


near = st.one_of(
    st.tuples(st.sampled_from(["new", "new", "new", "post", "ioc", "fok", "market"]), st.just(0), st.integers(0, 1),
              st.integers(96, 104), st.integers(1, 9)),
    st.tuples(st.just("cancel"), st.integers(2, 30)),
    st.tuples(st.just("reduce"), st.integers(2, 30), st.integers(1, 9)),
    st.tuples(st.sampled_from(["replace", "reenter"]), st.integers(2, 30),
              st.one_of(st.just(EMPTY_PRICE), st.integers(96, 104)), st.integers(1, 9)),
)  # fmt: skip


def published_beside(flow: list[Action], where: int) -> Messages:
    """What plain commands on instrument 0 publish while a stop order waits, on this instrument."""
    machine, feed = Machine(), MarketData()
    for symbol in (b"AAPL", b"OTHER"):
        feed.define(machine.define(), symbol, 1, -2, 1, 0)
    machine.submit(where, Side.BUY, 5, stop=10**6)
    published = []
    for number, action in enumerate(flow):
        feed.perform(machine, commands([action], number), number + 1, 0)
        feed.end_entry(machine)
        published += feed.take()
    return published


@settings(max_examples=300)
@given(flow=st.lists(near, max_size=40))
def test_what_nobody_sees_does_not_show_in_the_form_of_records(flow: list[Action]) -> None:
    """An instrument with an order that waits goes another way through the engine; nothing that is published says so."""
    assert published_beside(flow, 0) == published_beside(flow, 1)


def queue_of_slices() -> Floor:
    """Three icebergs and two other orders at one price, after two slices have traded."""
    floor = Floor(0)
    floor.symbols = ["S0"]
    floor.feed.define(floor.machine.define(), b"S0", 1, -2, 1, 0)
    for display in (2, 2, 0, 2, 0):
        floor.machine.submit(0, Side.SELL, 6, 100, display=display)
    floor.machine.submit(0, Side.BUY, 4, 100)
    floor.feed.chunk_records = 1
    return floor


def test_a_chunk_goes_on_behind_a_slice() -> None:
    floor = queue_of_slices()
    reader = FeedReader("S0", ("orders",))
    cursors = []
    while not reader.ready:
        (request,) = reader.requests()
        cursors.append(request.removeprefix(b"orders|S0|"))
        reader.receive_snapshot(floor.feed.snapshot(request, floor.machine))
    shown = [(order.order_id, order.quantity_lots) for order in reader.orders.queue(1, 100)]
    assert shown == [(3, 6), (4, 2), (5, 6), (SLICES + 1, 2), (SLICES + 2, 2)]
    assert CURSOR.pack(1 << 8 | 2 | 1, 100) in cursors


def test_a_slice_that_is_gone_is_no_place_to_go_on_from() -> None:
    floor = queue_of_slices()
    gone = cursor_behind(1, 100, SLICES + 1)
    there = decode_message(floor.feed.snapshot(b"orders|S0|" + gone, floor.machine))
    assert there.records["order_id"].tolist() == [SLICES + 2]
    floor.machine.cancel(1)
    left = decode_message(floor.feed.snapshot(b"orders|S0|" + gone, floor.machine))
    assert (len(left.records), left.until) == (0, gone)


def test_the_id_that_an_iceberg_had_before_names_no_place() -> None:
    floor = queue_of_slices()
    for order_id in (1, 2):
        old = cursor_behind(1, 100, order_id)
        assert decode_message(floor.feed.snapshot(b"orders|S0|" + old, floor.machine)).until == old


def test_an_auction_trade_has_no_aggressor_and_executes_where_orders_rest() -> None:
    floor = Floor(0)
    floor.feed.define(floor.machine.define(phase=Phase.PRE_OPEN), b"S0", 1, -2, 1, 0)
    entered = [("new", 0, 0, 105, 5), ("new", 0, 1, 95, 3), ("new", 0, 1, 101, 1)]
    floor.feed.perform(floor.machine, commands(entered, 0), 1, 0)
    floor.feed.end_entry(floor.machine)
    floor.feed.take()
    opens = record(PHASE_CHANGE, kind=CommandKind.PHASE, phase=Phase.CONTINUOUS)
    floor.feed.perform(floor.machine, opens, 9, 77)
    floor.feed.end_entry(floor.machine)
    found = {topic: decode_message(payload).records for topic, payload in floor.feed.take()}
    trades = found[b"trades|S0|"]
    assert trades[["action", "side", "price_ticks", "quantity_lots"]].tolist() == [
        (AUCTION_TRADE, 0, 105, 3),
        (AUCTION_TRADE, 0, 105, 1),
    ]
    assert found[b"orders|S0|"][["action", "order_id", "price_ticks", "quantity_lots"]].tolist() == [
        (EXECUTE, 1, 105, 2),
        (EXECUTE, 2, 95, 0),
        (EXECUTE, 1, 105, 1),
        (EXECUTE, 3, 101, 0),
    ]
