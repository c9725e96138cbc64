"""What the exchange publishes, as docs/feed.md says, whatever the commands and the cuts of the log."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from feed_world import SYMBOLS, Action, World, commands, flows
from hypothesis import given
from hypothesis import strategies as st

from engine.machine import Machine
from gateway.feed import (
    DELETE,
    EMPTY_PRICE,
    EXECUTE,
    KINDS,
    LAST_OF_INPUT,
    REPLACE,
    FeedReader,
    Message,
    UnknownTopic,
    decode_message,
)
from gateway.market_data import MarketData


def decoded(messages: Sequence[tuple[bytes, bytes]]) -> dict[bytes, list[Message]]:
    topics = defaultdict(list)
    for topic, payload in messages:
        topics[topic].append(decode_message(payload))
    return topics


def records(messages: Sequence[tuple[bytes, bytes]]) -> dict[bytes, npt.NDArray[np.void]]:
    """Every topic's records end to end."""
    topics = decoded(messages)
    return {topic: np.concatenate([message.records for message in parts]) for topic, parts in topics.items()}


def play(flow: Sequence[Action], cuts: Sequence[int], commands_an_input: int = 1) -> World:
    """The flow in entries of the given numbers of commands, again and again."""
    world, position, turn = World(), 0, 0
    while position < len(flow):
        size = cuts[turn % len(cuts)] * commands_an_input
        world.entry(flow[position : position + size], commands_an_input)
        position, turn = position + size, turn + 1
    return world


def same_book(reader: FeedReader, world: World) -> None:
    assert reader.levels.depth(1000) == world.depth(reader.symbol)
    assert reader.orders.depth(1000) == world.depth(reader.symbol)
    assert {
        (side, price): [(order.order_id, order.quantity_lots) for order in reader.orders.queue(side, price)]
        for side in (0, 1)
        for price in reader.orders.sides[side]
    } == world.queues(reader.symbol)
    bids, asks = world.depth(reader.symbol)
    assert (reader.top.bid, reader.top.ask) == (next(iter(bids), None), next(iter(asks), None))


@given(flow=flows, together=st.sampled_from([1, 1, 2, 30]))
def test_the_increments_alone_rebuild_the_book_after_every_input(flow: list[Action], together: int) -> None:
    world = World()
    readers = [FeedReader(symbol, KINDS) for symbol in SYMBOLS]
    for reader in readers:
        for request in reader.requests():
            reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    for position in range(0, len(flow), together):
        published = world.entry(flow[position : position + together], together)
        for reader in readers:
            for topic, payload in published:
                reader.receive(topic, payload)
            assert reader.ready
            same_book(reader, world)


@given(flow=flows, cuts=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_cuts_of_the_log_group_records_and_change_nothing_else(flow: list[Action], cuts: list[int]) -> None:
    single, cut = play(flow, [1]), play(flow, cuts)
    one, other = records(single.messages), records(cut.messages)
    assert one.keys() == other.keys()
    for topic in one:
        # World gives every entry its own time, so a trade's time tells of the cut; all else is the same.
        names = [name for name in one[topic].dtype.names or () if name != "time_ns"]
        assert one[topic][names].tolist() == other[topic][names].tolist()
    assert single.sequences() == cut.sequences()


@given(flow=flows, cuts=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_two_replicas_publish_the_same_bytes(flow: list[Action], cuts: list[int]) -> None:
    assert play(flow, cuts).messages == play(flow, cuts).messages


@given(flow=flows, together=st.integers(1, 5))
def test_sequences_have_no_holes_and_each_input_ends_with_a_flag(flow: list[Action], together: int) -> None:
    world = play(flow, [7], together)
    for parts in decoded(world.messages).values():
        expected = 1
        for message in parts:
            assert message.first_sequence == expected
            assert message.first_input == message.records["input_number"][0]
            assert message.last_input == message.records["input_number"][-1]
            expected = message.next_sequence
    for topic, found in records(world.messages).items():
        assert found["sequence"].tolist() == list(range(1, len(found) + 1)), topic
        inputs = found["input_number"].tolist()
        assert inputs == sorted(inputs)
        last = [one != following for one, following in zip(inputs, [*inputs[1:], None], strict=True)]
        assert [bool(flags & LAST_OF_INPUT) for flags in found["flags"]] == last
    for symbol in SYMBOLS:
        counted = world.feed.sequences(symbol.encode())
        built = [len(records(world.messages).get(f"{kind}|{symbol}|".encode(), ())) for kind in KINDS]
        assert list(counted) == built


@given(
    flow=flows,
    prefixes=st.sets(
        st.sampled_from([b"levels|", b"trades|AAPL|", b"orders|BTC/USD|", b"t", b"top|A", b"top|AAPL|x"])
    ),
)
def test_what_is_listened_to_decides_what_is_built_and_never_the_numbers(
    flow: list[Action], prefixes: set[bytes]
) -> None:
    whole, part = play(flow, [5]), World()
    part.feed.ignore(b"")
    for prefix in prefixes:
        part.feed.listen(prefix)
    for position in range(0, len(flow), 5):
        part.entry(flow[position : position + 5])
    assert part.messages == [
        (topic, payload) for topic, payload in whole.messages if topic.startswith(tuple(prefixes))
    ]
    assert whole.sequences() == part.sequences()


def resting(count: int, side: int = 0, step: int = 1) -> list[Action]:
    return [("new", 0, side, 100_000 - position * step, 5) for position in range(count)]


def test_a_sweep_over_many_levels_names_each_once() -> None:
    world = World()
    world.entry(resting(3000))
    swept = records(world.entry([("ioc", 0, 1, 0, 3000 * 5 - 2)]))
    levels = swept[b"levels|AAPL|"]
    assert levels["price_ticks"].tolist() == [100_000 - position for position in range(3000)]
    assert levels["orders"].tolist() == [0] * 2999 + [1]
    assert levels["quantity_lots"].tolist() == [0] * 2999 + [2]
    assert len(swept[b"trades|AAPL|"]) == len(swept[b"orders|AAPL|"]) == 3000
    top = swept[b"top|AAPL|"]
    assert top[["bid_price_ticks", "bid_quantity_lots", "bid_orders"]].tolist() == [(97_001, 2, 1)]


def test_an_input_of_many_commands_names_each_level_once() -> None:
    """As a mass cancel: thousands of levels, twice in a row, so that the hash table is used again."""
    for _ in range(2):
        world = World()
        world.entry(resting(2000, step=3))
        cancels: list[Action] = [("cancel", order_id) for order_id in range(1, 2001)]
        found = records(world.entry([*cancels, *resting(2000, step=3)], 4000))
        assert found[b"levels|AAPL|"]["orders"].tolist() == [1] * 2000
        assert len(found[b"orders|AAPL|"]) == 4000
        assert b"top|AAPL|" not in found  # the same after the input as before


def test_an_input_recorded_in_pieces_ends_once() -> None:
    """A mass cancel in steps, which an entry may cut."""
    world = World()
    world.entry(resting(6, step=0))
    for order_id in (1, 2, 3):
        world.feed.perform(world.machine, commands([("cancel", order_id)], 0), 7, 0)
    world.feed.end_entry(world.machine)
    pieces = records(world.feed.take())[b"levels|AAPL|"]
    assert pieces[["input_number", "flags", "orders"]].tolist() == [
        (7, 0, 5),
        (7, 0, 4),
        (7, LAST_OF_INPUT, 3),
    ]
    world.feed.perform(world.machine, commands([("cancel", 4)], 0), 7, 0)
    world.feed.perform(world.machine, commands([("cancel", 5)], 0), 8, 0)
    world.feed.end_entry(world.machine)
    deadline = records(world.feed.take())[b"levels|AAPL|"]
    assert deadline[["input_number", "flags"]].tolist() == [(7, LAST_OF_INPUT), (8, LAST_OF_INPUT)]


def test_a_long_entry_is_cut_into_messages_of_a_fixed_number_of_records() -> None:
    world = World()
    parts = decoded(world.entry(resting(300)))[b"levels|AAPL|"]
    assert [len(message.records) for message in parts] == [128, 128, 44]
    assert [message.first_sequence for message in parts] == [1, 129, 257]


def test_what_no_topic_begins_with_is_not_listened_to() -> None:
    world = World()
    world.feed.ignore(b"")
    for prefix in (b"levels|", b"levels|AAPL|", b"levels|BTC/U", b"", b"t"):
        assert world.feed.listen(prefix)
        assert world.feed.listen(prefix)
    for prefix in (b"x1", b"levels|XYZ|", b"levels|AAPL|1", b"levels|AAPL|" + bytes(1000), b"|"):
        assert not world.feed.listen(prefix)
        world.feed.ignore(prefix)
    for prefix in (b"levels|", b"levels|AAPL|", b"levels|BTC/U", b"", b"t"):
        assert (
            b"levels|AAPL|" in {topic for topic, _ in world.entry([("new", 0, 0, 100, 1)])} or prefix == b"t"
        )
        world.feed.ignore(prefix)
    assert world.entry([("new", 0, 0, 100, 1)]) == []


def test_totals_beyond_int64_are_saturated() -> None:
    world = World()
    huge = 2**63 - 1
    found = records(world.entry([("new", 0, 0, 1, huge), ("new", 0, 0, 1, huge), ("cancel", 1)]))
    assert found[b"levels|AAPL|"]["quantity_lots"].tolist() == [huge, huge, huge]
    assert found[b"levels|AAPL|"]["orders"].tolist() == [1, 2, 1]
    assert found[b"top|AAPL|"]["bid_orders"].tolist() == [1, 2, 1]


def test_a_replaced_order_that_trades_rests_with_what_is_left() -> None:
    world = World()
    world.entry([("new", 0, 0, 100, 5), ("new", 0, 1, 102, 3)])
    found = records(world.entry([("replace", 1, 102, 9)]))
    orders = found[b"orders|AAPL|"]
    assert orders[["action", "order_id", "price_ticks", "quantity_lots"]].tolist() == [
        (EXECUTE, 2, 102, 0),
        (REPLACE, 1, 102, 6),
    ]
    levels = found[b"levels|AAPL|"]
    assert levels[["side", "price_ticks", "orders"]].tolist() == [(0, 100, 0), (1, 102, 0), (0, 102, 1)]
    world.entry([("new", 0, 1, 104, 6)])
    gone = records(world.entry([("replace", 1, 104, 9)]))[b"orders|AAPL|"]
    assert gone[["action", "order_id", "price_ticks", "change_lots"]].tolist() == [
        (EXECUTE, 3, 104, 6),
        (DELETE, 1, 102, 6),
    ]


def test_a_topic_that_is_silent_for_a_round_gives_a_heartbeat() -> None:
    world = World()
    world.entry([("new", 0, 0, 100, 5)])
    assert {topic.split(b"|")[0] for topic, _ in world.feed.idle() if b"AAPL" in topic} == set()
    beats = {topic: decode_message(payload) for topic, payload in world.feed.idle()}
    assert sorted(beats) == sorted(f"{kind}|{symbol}|".encode() for kind in KINDS for symbol in SYMBOLS)
    assert beats[b"levels|AAPL|"].first_sequence == 2
    assert beats[b"trades|AAPL|"].first_sequence == 1
    assert beats[b"levels|AAPL|"].last_input == 1
    world.feed.ignore(b"")
    world.feed.listen(b"levels|AAPL|")
    assert [topic for topic, _ in world.feed.idle()] == [b"levels|AAPL|"]
    world.entry([("new", 0, 0, 100, 5)])
    assert list(world.feed.idle()) == []


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"levels", b"levels|", b"levels|XYZ|", b"books|AAPL|", b"levels|AAPL", b"levels|AAPL|x" * 20,
     b"levels|AAPL|" + bytes([4]) + bytes(15), bytes(100)],
)  # fmt: skip
def test_a_request_that_names_no_topic_is_answered_so(request_bytes: bytes) -> None:
    world = World()
    with pytest.raises(UnknownTopic, match="no feed topic"):
        decode_message(world.feed.snapshot(request_bytes, world.machine))


def test_the_snapshot_of_each_kind() -> None:
    world = World()
    world.entry([("new", 0, 0, 100, 5), ("new", 0, 0, 101, 4), ("new", 0, 1, 103, 7), ("ioc", 0, 1, 101, 1)])
    requests = {kind: f"{kind}|AAPL|".encode() for kind in KINDS}
    made = {
        kind: decode_message(world.feed.snapshot(request, world.machine))
        for kind, request in requests.items()
    }
    assert len(made["trades"].records) == 0
    assert made["trades"].first_sequence == 2
    levels, orders = made["levels"].records, made["orders"].records
    assert levels[["side", "price_ticks", "quantity_lots"]].tolist() == [
        (0, 101, 3),
        (0, 100, 5),
        (1, 103, 7),
    ]
    assert orders[["order_id", "price_ticks", "quantity_lots"]].tolist() == [
        (2, 101, 3),
        (1, 100, 5),
        (3, 103, 7),
    ]
    assert made["top"].records[["bid_price_ticks", "ask_price_ticks"]].tolist() == [(101, 103)]
    empty = decode_message(world.feed.snapshot(b"top|BTC/USD|", world.machine)).records
    assert empty[["bid_price_ticks", "ask_price_ticks"]].tolist() == [(EMPTY_PRICE, EMPTY_PRICE)]
    assert {message.last_input for message in made.values()} == {4}


def test_what_cannot_be_is_refused() -> None:
    feed, machine = MarketData(), Machine()
    with pytest.raises(ValueError, match="next is 0"):
        feed.define(1, b"AAPL", 1, -2, 1, 0)
    with pytest.raises(ValueError, match="symbol"):
        feed.define(0, b"A" * 33, 1, -2, 1, 0)
    machine.define()
    with pytest.raises(RuntimeError, match="knows no instrument 0"):
        feed.perform(machine, commands([("new", 0, 0, 1, 1)], 0), 1, 0)
    feed.define(0, b"AAPL", 1, -2, 1, 0)
    feed.perform(machine, commands([("new", 0, 0, 1, 1)], 1), 2, 0)
    with pytest.raises(RuntimeError, match="input 1 cannot follow input 2"):
        feed.perform(machine, commands([("new", 0, 0, 1, 1)], 2), 1, 0)
    with pytest.raises(KeyError):
        feed.sequences(b"XYZ")


def test_ten_thousand_instruments_cost_nothing_to_an_entry_that_touches_one() -> None:
    feed, machine = MarketData(), Machine()
    for number in range(10_000):
        feed.define(machine.define(), b"S%d" % number, 1, -2, 1, 0)
    one = commands([("new", 9_999, 1, 7, 3)], 0)
    feed.perform(machine, one, 1, 0)
    feed.end_entry(machine)
    assert [topic for topic, _ in feed.take()] == [b"orders|S9999|", b"levels|S9999|", b"top|S9999|"]
