"""The feed of a whole exchange: sessions, mass cancels, deadlines and steps, rebuilt by a reader."""

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from test_exchange_properties import World, steps

from gateway.exchange import Exchange
from gateway.feed import KINDS, FeedReader, Level

SYMBOLS = ("AAPL", "BTC/USD")
Story = list[tuple[str, str, object]]
stories = st.lists(steps, max_size=40)


def depth(exchange: Exchange, symbol: str) -> tuple[list[Level], list[Level]]:
    bids, asks = (
        [Level(*row[:3]) for row in side[["price_ticks", "quantity_lots", "orders"]].tolist()]
        for side in exchange.machine.depth(SYMBOLS.index(symbol), 1000)
    )
    return bids, asks


@settings(max_examples=60)
@given(story=stories, budget=st.sampled_from([1, 3, 4096]))
def test_a_reader_has_the_book_after_every_step(story: Story, budget: int) -> None:
    world = World(MemoryEdge(budget=budget))
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


@settings(max_examples=40)
@given(story=stories, budget=st.sampled_from([1, 2, 300]))
def test_where_steps_are_cut_the_feed_does_not_show(story: Story, budget: int) -> None:
    published, sequences = [], []
    for each in (4096, budget):
        world = World(MemoryEdge(budget=each))
        world.start()
        for step in story:
            world.play(step)
        published.append(world.edge.exchange.feed.take())
        sequences.append([world.edge.exchange.feed.sequences(symbol.encode()) for symbol in SYMBOLS])
    quiet = World(MemoryEdge())
    quiet.edge.exchange.feed.ignore(b"")
    quiet.start()
    for step in story:
        quiet.play(step)
    sequences.append([quiet.edge.exchange.feed.sequences(symbol.encode()) for symbol in SYMBOLS])
    assert published[0] == published[1]
    assert sequences[0] == sequences[1] == sequences[2]
    assert quiet.edge.exchange.feed.take() == []
