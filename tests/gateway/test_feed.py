"""The reader joins at any moment, loses messages, hears two publishers, and ends with the machine's book."""

import contextlib
import struct
from decimal import Decimal

import numpy as np
import pytest
from feed_world import SYMBOLS, Action, World, actions
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway import feed
from gateway.feed import KINDS, FeedReader, UnknownTopic, decode_message

PUBLISHERS = 2


def queues(reader: FeedReader) -> dict[tuple[int, int], list[tuple[int, int]]]:
    return {
        (side, price): [(order.order_id, order.quantity_lots) for order in reader.orders.queue(side, price)]
        for side in (0, 1)
        for price in reader.orders.sides[side]
    }


class Network(RuleBasedStateMachine):
    """Two replicas publish the same; each message may be late, lost or doubled on its way to one reader.

    Snapshots come in chunks of three records, from either replica, late or never; the machines may have
    moved on between two chunks.
    """

    @initialize()
    def start(self) -> None:
        self.worlds = [World() for _ in range(PUBLISHERS)]
        for world in self.worlds:
            world.feed.chunk_records = 3
        self.on_the_way: list[list[tuple[bytes, bytes]]] = [[] for _ in range(PUBLISHERS)]
        self.replies: list[bytes] = []
        self.reader = FeedReader("AAPL", KINDS, trades=10**6)
        self.first_trade = 0  # the number of the first trade after the reader joined
        self.joined = False

    @rule(flow=st.lists(actions, min_size=1, max_size=12))
    def trade(self, flow: list[Action]) -> None:
        for world, queue in zip(self.worlds, self.on_the_way, strict=True):
            queue += [message for message in world.entry(flow) if self.joined]

    @rule(which=st.integers(0, 1), count=st.integers(1, 20))
    def deliver(self, which: int, count: int) -> None:
        queue = self.on_the_way[which]
        for topic, payload in queue[:count]:
            self.reader.receive(topic, payload)
        del queue[:count]

    @rule(which=st.integers(0, 1), count=st.integers(1, 6))
    def lose(self, which: int, count: int) -> None:
        del self.on_the_way[which][:count]

    @rule(which=st.integers(0, 1), count=st.integers(1, 6))
    def double(self, which: int, count: int) -> None:
        self.on_the_way[which][:0] = self.on_the_way[which][:count]

    @rule()
    def subscribe(self) -> None:
        """Messages published before are not seen."""
        self.joined = True

    @rule(which=st.integers(0, 1))
    def ask(self, which: int) -> None:
        world = self.worlds[which]
        self.replies += [world.feed.snapshot(request, world.machine) for request in self.reader.requests()]

    @rule(at=st.integers(0, 9))
    def answer(self, at: int) -> None:
        if at < len(self.replies):
            reply = self.replies.pop(at)
            unknown = self.reader.readers["trades"].expected is None
            self.reader.receive_snapshot(reply)
            if unknown and self.reader.readers["trades"].expected is not None:
                self.first_trade = decode_message(reply).first_sequence

    @rule()
    def lose_replies(self) -> None:
        self.replies.clear()
        self.reader.request_again()

    @rule(which=st.integers(0, 1))
    def beat(self, which: int) -> None:
        if self.joined:
            self.on_the_way[which] += list(self.worlds[which].feed.idle())

    @precondition(lambda self: self.joined)
    @rule()
    def settle(self) -> None:
        """The network behaves for a while: the reader must have it all."""
        for which in range(PUBLISHERS):
            self.deliver(which, 10**6)
        for _ in range(2):
            self.on_the_way[0] += list(self.worlds[0].feed.idle())
        self.deliver(0, 10**6)
        for _ in range(10_000):
            if self.reader.ready:
                break
            self.reader.request_again()
            self.ask(0)
            while self.replies:
                self.answer(0)
            self.on_the_way[0] += [*self.worlds[0].feed.idle(), *self.worlds[0].feed.idle()]
            self.deliver(0, 10**6)
        assert self.reader.ready
        assert self.reader.levels.depth(1000) == self.worlds[0].depth("AAPL")
        assert queues(self.reader) == self.worlds[0].queues("AAPL")
        bids, asks = self.worlds[0].depth("AAPL")
        assert (self.reader.top.bid, self.reader.top.ask) == (next(iter(bids), None), next(iter(asks), None))

    @invariant()
    def trades_are_in_order_and_each_is_seen_once_or_counted_as_lost(self) -> None:
        sequences = [trade.sequence for trade in self.reader.trades]
        assert sequences == sorted(set(sequences))
        topic = self.reader.readers["trades"]
        if topic.expected is not None:
            assert topic.expected - self.first_trade == len(sequences) + self.reader.lost_trades


Network.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestNetwork = Network.TestCase


def joined(world: World, *kinds: feed.Kind) -> FeedReader:
    reader = FeedReader("AAPL", kinds)
    for request in reader.requests():
        reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    assert reader.ready
    return reader


NEW: Action = ("new", 0, 0, 100, 5)


def test_a_heartbeat_shows_what_was_lost_in_silence() -> None:
    world = World()
    reader = joined(world, "levels")
    world.entry([NEW])  # lost
    assert reader.ready
    assert reader.depth(5) == ([], [])
    for _ in range(2):
        for topic, payload in list(world.feed.idle()):
            reader.receive(topic, payload)
    assert not reader.ready
    assert reader.gaps == 1
    assert reader.requests() == [b"levels|AAPL|"]
    reader.receive_snapshot(world.feed.snapshot(b"levels|AAPL|", world.machine))
    assert reader.ready
    assert reader.depth(5) == ([(100, 5, 1)], [])


def test_a_gap_closes_when_another_publisher_brings_what_one_lost() -> None:
    world = World()
    reader = joined(world, "levels")
    published = [world.entry([NEW]) for _ in range(4)]
    for entry in (published[0], published[2], published[3]):
        for topic, payload in entry:
            reader.receive(topic, payload)
    assert not reader.ready
    for topic, payload in published[1]:
        reader.receive(topic, payload)
    assert reader.ready
    assert reader.requests() == []
    assert reader.depth(1) == ([(100, 20, 4)], [])


def test_lost_trades_are_counted_and_the_others_kept() -> None:
    world = World()
    world.entry([("new", 0, 0, 100, 9)])
    reader = joined(world, "trades")
    published = [world.entry([("ioc", 0, 1, 100, 1)]) for _ in range(5)]
    for entry in (published[0], published[3], published[4]):
        for topic, payload in entry:
            reader.receive(topic, payload)
    reader.receive_snapshot(world.feed.snapshot(reader.requests()[0], world.machine))
    assert reader.ready
    assert [trade.trade_id for trade in reader.trades] == [1, 4, 5]
    assert reader.lost_trades == 2


def test_a_big_book_comes_in_chunks_while_it_changes() -> None:
    world = World()
    world.feed.chunk_records = 50
    world.entry([("new", 0, 0, 10_000 - position // 2, 5) for position in range(500)])
    world.entry([("new", 0, 1, 10_001 + position // 2, 5) for position in range(500)])
    reader = FeedReader("AAPL", ("levels", "orders"))
    chunks = 0
    while not reader.ready:
        for request in reader.requests():
            reader.receive_snapshot(world.feed.snapshot(request, world.machine))
            chunks += 1
        moves: list[Action] = [("cancel", 7 * chunks + 1), ("replace", 900 - chunks, 10_000 + chunks, 3)]
        moves.append(("new", 0, chunks % 2, 9_990 + chunks, 1))
        for topic, payload in world.entry(moves):
            reader.receive(topic, payload)
    assert chunks > 20
    assert reader.gaps == 0
    assert reader.levels.depth(1000) == reader.orders.depth(1000) == world.depth("AAPL")
    assert queues(reader) == world.queues("AAPL")


def test_a_long_queue_comes_in_chunks_while_it_changes() -> None:
    """The order at a chunk's end is cancelled, moved to the queue's end, or traded before the next chunk is made."""
    world = World()
    world.feed.chunk_records = 10
    world.entry([("new", 0, 0, 100, 5) for _ in range(200)])
    reader = FeedReader("AAPL", ("orders",))
    topic = reader.readers["orders"]
    sizes = []
    while not reader.ready:
        (request,) = reader.requests()
        last = feed.CURSOR.unpack(topic.cursor)[0] >> 8
        moves: list[list[Action]] = [
            [],
            [("cancel", last)],
            [("reenter", last, 100, 5)],
            [("ioc", 0, 1, 100, 18)],
            [("cancel", order_id) for order_id in range(1, last + 1)],
            [("new", 0, 0, 100, 1), ("reduce", last, 1)],
            [("reenter", last, 101, 5), ("reenter", last, 100, 5)],
        ]
        for name, payload in world.entry(moves[len(sizes) % len(moves)]) if last else []:
            reader.receive(name, payload)
        reply = world.feed.snapshot(request, world.machine)
        sizes.append(len(decode_message(reply).records))
        reader.receive_snapshot(reply)
    assert max(sizes) == 10
    assert sizes.count(0) > 3  # the order was gone
    assert reader.gaps == 0
    assert queues(reader) == world.queues("AAPL")


def test_a_chunk_behind_an_order_that_has_moved_is_not_loaded() -> None:
    """The exchange finds it at the queue's end, and nothing behind it."""
    world = World()
    world.feed.chunk_records = 3
    world.entry([("new", 0, 0, 100, 5) for _ in range(6)])
    reader = FeedReader("AAPL", ("orders",))
    reader.receive_snapshot(world.feed.snapshot(reader.requests()[0], world.machine))
    published = world.entry([("reenter", 3, 100, 7)])
    late = world.feed.snapshot(reader.requests()[0], world.machine)
    assert len(decode_message(late).records) == 0
    assert decode_message(late).until is None
    reader.receive_snapshot(late)
    for topic, payload in published:
        reader.receive(topic, payload)
    assert not reader.ready
    (request,) = reader.requests()
    assert feed.CURSOR.unpack(request.removeprefix(b"orders|AAPL|")) == (2 << 8, 100)
    reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    reader.receive_snapshot(world.feed.snapshot(reader.requests()[0], world.machine))
    assert reader.ready
    assert [order.order_id for order in reader.orders.queue(0, 100)] == [1, 2, 4, 5, 6, 3]


def bust_of(payload: bytes) -> bytes:
    """The message that makes the last trade of one void, a second later."""
    head, record = payload[: feed.HEADER.size], bytearray(payload[-feed.RECORDS["trades"].size :])
    fields = list(feed.HEADER.unpack(head))
    sequence = struct.unpack_from("<Q", record)[0] + 1
    fields[5], fields[7] = 1, sequence
    struct.pack_into("<Q", record, 0, sequence)
    struct.pack_into("<B", record, 18, feed.BUST)
    struct.pack_into("<q", record, 24, fields[-1] + 10**9)
    return feed.HEADER.pack(*fields) + record


def test_a_bust_makes_a_trade_void() -> None:
    world = World()
    reader = joined(world, "trades")
    world.entry([("new", 0, 0, 100, 9)])
    published = dict(world.entry([("ioc", 0, 1, 100, 2), ("ioc", 0, 1, 100, 3)]))
    trades = published[b"trades|AAPL|"]
    reader.receive(b"trades|AAPL|", trades)
    reader.receive(b"trades|AAPL|", bust_of(trades))
    assert [(trade.trade_id, trade.is_busted) for trade in reader.trades] == [(1, False), (2, True)]
    (bust,) = reader.busts
    assert bust == reader.trades[-1]._replace(time_ns=bust.time_ns, sequence=3)
    assert bust.time_ns == reader.trades[-1].time_ns + 10**9


def test_a_bust_of_a_trade_that_was_not_seen_is_told_alone() -> None:
    world = World()
    reader = FeedReader("AAPL", ("trades",), trades=1)
    reader.receive_snapshot(world.feed.snapshot(reader.requests()[0], world.machine))
    world.entry([("new", 0, 0, 100, 9)])
    first = dict(world.entry([("ioc", 0, 1, 100, 2)]))[b"trades|AAPL|"]
    second = dict(world.entry([("ioc", 0, 1, 100, 3)]))[b"trades|AAPL|"]
    for payload in (first, second):
        reader.receive(b"trades|AAPL|", payload)
    gone = bytearray(bust_of(second))
    struct.pack_into("<Q", gone, feed.HEADER.size + 32, 1)
    reader.receive(b"trades|AAPL|", bytes(gone))
    assert [(trade.trade_id, trade.is_busted) for trade in reader.trades] == [(2, False)]
    assert [bust.trade_id for bust in reader.busts] == [1]


def test_waiting_for_a_snapshot_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING_BYTES", 10_000)
    world = World()
    reader = FeedReader("AAPL", ("orders",))
    assert reader.requests() == [b"orders|AAPL|"]
    for _ in range(200):
        for topic, payload in world.entry([NEW]):
            reader.receive(topic, payload)
        assert reader.readers["orders"].waiting_bytes <= 10_000
    assert reader.requests() == [b"orders|AAPL|"]


def test_rejoin_begins_with_another_exchange_whose_numbers_are_lower() -> None:
    old, new = World(), World()
    old.entry([NEW] * 5)
    reader = joined(old, "levels")
    reader.rejoin()
    new.entry([NEW])
    reader.receive_snapshot(new.feed.snapshot(reader.requests()[0], new.machine))
    assert reader.depth(1) == ([(100, 5, 1)], [])


def test_other_symbols_are_passed_over() -> None:
    world = World()
    reader = joined(world, "levels", "trades")
    for topic, payload in world.entry([("new", 1, 0, 100, 5)]):
        reader.receive(topic, payload)
    reader.receive_snapshot(world.feed.snapshot(b"levels|BTC/USD|", world.machine))
    assert reader.ready
    assert reader.depth(1) == ([], [])
    with pytest.raises(UnknownTopic, match=r"levels\|XYZ\|"):
        reader.receive_snapshot(world.feed.snapshot(b"levels|XYZ|", world.machine))


def test_the_scale_says_what_a_tick_and_a_lot_are() -> None:
    scale = joined(World(), "top").scale
    assert scale is not None
    assert scale.symbol == "AAPL"
    assert scale.price(12345) == Decimal("123.45")
    assert scale.quantity(150_000_000) == Decimal("1.50000000")


@given(junk=st.binary(max_size=200))
def test_bytes_that_are_no_message_raise_nothing_but_value_errors(junk: bytes) -> None:
    reader = joined(World(), "levels")
    for take in (decode_message, reader.receive_snapshot, lambda data: reader.receive(b"levels|AAPL|", data)):
        with contextlib.suppress(ValueError, UnknownTopic):
            take(junk)


def test_a_snapshot_that_goes_on_nowhere_is_refused() -> None:
    world = World()
    world.feed.chunk_records = 1
    world.entry([NEW, NEW])
    reply = bytearray(world.feed.snapshot(b"orders|AAPL|", world.machine))
    reply[feed.SNAPSHOT_HEAD - feed.CURSOR.size] = 4
    with pytest.raises(ValueError, match="first byte is 4"):
        decode_message(bytes(reply))


@given(at=st.integers(0, 87), byte=st.integers(0, 255))
def test_a_changed_byte_never_breaks_the_reader(at: int, byte: int) -> None:
    world = World()
    reader = joined(world, "levels")
    (payload,) = (payload for topic, payload in world.entry([NEW]) if topic == b"levels|AAPL|")
    changed = payload[:at] + bytes([byte]) + payload[at + 1 :]
    with contextlib.suppress(ValueError, UnknownTopic):
        reader.receive(b"levels|AAPL|", changed)


def test_the_structs_and_the_dtypes_are_one_layout() -> None:
    for kind in KINDS:
        dtype = feed.DTYPES[kind]
        assert feed.RECORDS[kind].size == dtype.itemsize
        numbers = tuple(range(1, len(dtype.names or ()) + 1))
        packed = np.array([numbers], dtype).tobytes()
        assert feed.RECORDS[kind].unpack(packed) == numbers
    assert len(SYMBOLS) == 2
    assert struct.calcsize("<BBBBIIIQQQq") == feed.HEADER.size == 48
