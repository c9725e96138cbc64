"""The feed of a whole exchange: sessions, mass cancels, deadlines, phases and steps, rebuilt by a reader."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from stories import time_text
from test_exchange_properties import World, steps

from engine.records import Phase
from gateway import inputs
from gateway.exchange import Exchange
from gateway.feed import KINDS, FeedReader, Level

SYMBOLS = ("AAPL", "BTC/USD")
Story = list[tuple[str, str, Any]]
PHASES = [phase.name for phase in Phase] + ["CONTINUOUS"] * 3
# A phase, and the one that follows it in a second, and by a number up to half a second later.
phase = st.tuples(st.sampled_from(PHASES), st.sampled_from(["", "", *PHASES]), st.integers(0, 2**40))
phases = st.tuples(st.just("phase"), st.sampled_from([*SYMBOLS, "*"]), phase)
prices = st.integers(98, 102).map(lambda n: f"{n / 10:.1f}")
few = st.integers(1, 9)
entered = st.one_of(
    *[
        st.builds(
            "38={}|40=2|44={}{}".format, few, prices, st.sampled_from(["", "", "|111=0", "|111=1", "|59=7"])
        )
    ]
    * 4,
    st.builds("38={}|40=1|59={}".format, few, st.sampled_from("0B")),
    st.builds("38={}|40=3|99={}".format, few, prices),
    st.builds("38={}|40=P|18={}".format, few, st.sampled_from("RM")),
)
numbered = st.integers(0, 60).map("c{}".format)
sides = st.sampled_from("12")
trading = st.one_of(
    *[st.builds("35=D|11={}|55=AAPL|54={}|{}|".format, numbered, sides, entered)] * 4,
    st.builds("35=F|11={}|41={}|55=AAPL|54={}|".format, numbered, numbered, sides),
)
calm_steps = st.one_of(
    *[st.tuples(st.just("order"), st.sampled_from("AB"), trading)] * 6,
    st.tuples(st.just("many"), st.sampled_from("AB"), st.lists(trading, min_size=1, max_size=4)),
    *[st.tuples(st.just("phase"), st.just("AAPL"), phase)] * 2,
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 7 * 10**8, 2 * 10**9])),
    st.tuples(st.just("another leader"), st.just(""), st.just(0)),
)
wild = st.lists(st.one_of(steps, steps, steps, phases), max_size=40)
calm = st.lists(calm_steps, min_size=15, max_size=60)
stories = st.one_of(calm, calm, wild)


class Phased(World):
    """Whose exchange is told phases."""

    def play(self, step: tuple[str, str, Any]) -> None:
        """One step of a random story."""
        kind, of, what = step
        if kind == "phase":
            begins, follows, random = what
            fields = [(20021, "PHASE"), (55, of), (20022, begins)]
            if follows:
                end = time_text(self.edge.now_ns + 10**9)
                fields += [(20025, end), (20023, follows), (20026, "500"), (20027, str(random))]
            self.edge.entry(inputs.operation(fields))
        elif kind == "many":
            super().play(("order", of, what[0]))
            self.say(of, *what[1:])
        else:
            super().play(step)


def depth(exchange: Exchange, symbol: str) -> tuple[list[Level], list[Level]]:
    bids, asks = (
        [Level(*row[:3]) for row in side[["price_ticks", "quantity_lots", "orders"]].tolist()]
        for side in exchange.machine.depth(SYMBOLS.index(symbol), 1000)
    )
    return bids, asks


@settings(max_examples=60)
@given(story=stories, budget=st.sampled_from([1, 3, 4096]))
def test_a_reader_has_the_book_after_every_step(story: Story, budget: int) -> None:
    world = Phased(MemoryEdge(budget=budget))
    world.start()
    exchange = world.edge.exchange
    readers = [FeedReader(symbol, KINDS, trades=10**6) for symbol in SYMBOLS]
    for reader in readers:
        for request in reader.requests():
            reader.receive_snapshot(exchange.feed.snapshot(request, exchange.machine))
    for step in story:
        world.play(step)
        published = exchange.feed.take()
        for reader in readers:
            for topic, payload in published:
                reader.receive(topic, payload)
            assert reader.ready
            assert reader.levels.depth(1000) == reader.orders.depth(1000) == depth(exchange, reader.symbol)
            bids, asks = depth(exchange, reader.symbol)
            assert (reader.top.bid, reader.top.ask) == (next(iter(bids), None), next(iter(asks), None))
            assert reader.input_number <= exchange.input_number
            assert reader.status is not None
            number = SYMBOLS.index(reader.symbol)
            coming = exchange.machine.indicative(number)
            collects = Phase.PRE_OPEN <= exchange.machine.phase(number) <= Phase.CLOSING_AUCTION
            assert reader.status.phase == exchange.machine.phase(number)
            assert reader.status.indicative == (coming if collects else None)
            if reader.status.until_ns is not None:  # the random part of it is not told
                assert reader.status.until_ns % 10**6 == 0
                assert reader.status.until_ns > world.edge.now_ns - 5 * 10**8


@settings(max_examples=40)
@given(story=stories, budget=st.sampled_from([1, 2, 300]))
def test_where_steps_are_cut_the_feed_does_not_show(story: Story, budget: int) -> None:
    published, sequences = [], []
    for each in (4096, budget):
        world = Phased(MemoryEdge(budget=each))
        world.start()
        for step in story:
            world.play(step)
        published.append(world.edge.exchange.feed.take())
        sequences.append([world.edge.exchange.feed.sequences(symbol.encode()) for symbol in SYMBOLS])
    quiet = Phased(MemoryEdge())
    quiet.edge.exchange.feed.ignore(b"")
    quiet.start()
    for step in story:
        quiet.play(step)
    sequences.append([quiet.edge.exchange.feed.sequences(symbol.encode()) for symbol in SYMBOLS])
    assert published[0] == published[1]
    assert sequences[0] == sequences[1] == sequences[2]
    assert quiet.edge.exchange.feed.take() == []
