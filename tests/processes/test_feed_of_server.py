"""The feed over real sockets: joined before, during and after trading, across a kill -9 and a silent topic."""

import time
from collections.abc import Callable

from exchange_process import ExchangeProcess

from gateway.client import Client, connect
from gateway.client_feed import Feed, feed
from gateway.feed import KINDS, Level

SECONDS = 20.0


def until(market: Feed, done: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not (market.ready and done()):
        assert time.monotonic() < end, "the reader did not get there"
        market.update(0.1)


def reader_of(exchange: ExchangeProcess, *symbols: str) -> Feed:
    return feed(exchange.endpoints["feed"], exchange.endpoints["snapshot"], symbols or "AAPL", KINDS)


def quote(client: Client, first: int, count: int) -> None:
    """Bids at 90.00 downwards of 10 lots each, asks at 100.00 upwards."""
    with client.batch():
        for step in range(first, first + count):
            client.buy("AAPL", 10, f"{90 - step * 0.01:.2f}")
            client.sell("AAPL", 10, f"{100 + step * 0.01:.2f}")


def levels(count: int) -> tuple[list[Level], list[Level]]:
    return (
        [Level(9000 - step, 10, 1) for step in range(count)],
        [Level(10_000 + step, 10, 1) for step in range(count)],
    )


def test_readers_that_join_at_any_time_have_one_book(exchange: ExchangeProcess) -> None:
    with connect(exchange.endpoints["fix_zmq"], "MAKER") as maker, reader_of(exchange) as early:
        early.wait()
        quote(maker, 0, 100)
        with reader_of(exchange) as late:
            quote(maker, 100, 100)
            for market in (early, late):
                until(market, lambda market=market: market["AAPL"].depth(1000) == levels(200))  # type: ignore[misc]
                assert market["AAPL"].orders.depth(1000) == levels(200)
                assert market["AAPL"].gaps == 0
        maker.buy("AAPL", 25, "100.02")
        until(early, lambda: len(early["AAPL"].trades) == 3)
        assert [(t.price_ticks, t.quantity_lots) for t in early["AAPL"].trades] == [
            (10_000, 10),
            (10_001, 10),
            (10_002, 5),
        ]
        until(early, lambda: early["AAPL"].top.ask == Level(10_002, 5, 1))


def test_after_a_kill_the_numbers_go_on_and_a_reader_too(exchange: ExchangeProcess) -> None:
    with connect(exchange.endpoints["fix_zmq"], "MAKER") as maker:
        quote(maker, 0, 20)
    with reader_of(exchange, "AAPL", "MSFT") as market:
        market.wait()
        before = market["AAPL"].readers["levels"].expected
    exchange.kill()
    exchange.start()
    with reader_of(exchange) as market:
        market.wait()
        assert market["AAPL"].readers["levels"].expected == before
        assert market["AAPL"].depth(1000) == levels(20)
        with connect(exchange.endpoints["fix_zmq"], "MAKER") as maker:
            quote(maker, 20, 20)
        until(market, lambda: market["AAPL"].depth(1000) == levels(40))


def test_a_silent_topic_tells_where_it_stands(exchange: ExchangeProcess) -> None:
    with connect(exchange.endpoints["fix_zmq"], "MAKER") as maker, reader_of(exchange) as market:
        market.wait()
        quote(maker, 0, 1)
        until(market, lambda: market["AAPL"].depth(9) == levels(1))
        topic = market["AAPL"].readers["levels"]
        assert topic.expected is not None
        topic.expected -= 1  # as if the last message had been lost on its way
        assert market.ready
        end = time.monotonic() + SECONDS
        while topic.gaps == 0:
            assert time.monotonic() < end, "no heartbeat came"
            market.update(0.1)
        until(market, lambda: market["AAPL"].depth(9) == levels(1))
