"""Wrong endpoints, dead ones, and clients that are closed: an error in time, never a hang."""

import asyncio
import shutil
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quorumbook as qb
from tests.client.acceptor import Acceptor
from tests.client.running import Running


@pytest.fixture
def acceptor() -> Iterator[Acceptor]:
    acceptor = Acceptor()
    yield acceptor
    acceptor.close()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("exchange"))
    yield running
    running.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """An exchange that a test may kill; it comes back on the same ports."""
    running = Running(tmp_path)
    running.keep_ports()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mute() -> Iterator[str]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


CALLS: dict[str, Callable[[Any], Any]] = {
    "buy": lambda client: client.buy("AAPL", 1, 1),
    "orders": lambda client: client.orders(),
    "mass_cancel": lambda client: client.mass_cancel(),
    "send": lambda client: client.send(np.zeros(1, qb.REQUEST)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_closed_client_says_so_at_once(acceptor: Acceptor, call: Callable[[Any], Any]) -> None:
    client = qb.connect(acceptor.tcp, "T", timeout=60)
    order = client.buy("AAPL", 1, 1)
    client.close()
    client.close()
    for closed in (call, lambda client: client.cancel(order), lambda client: client.receive()):
        with pytest.raises(qb.ConnectError, match="this client is closed"):
            closed(client)
    assert len(list(client.reports(timeout=0))) == 1, "what came before is still there"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_closed_asyncio_client_says_so_at_once(acceptor: Acceptor, call: Callable[[Any], Any]) -> None:
    async def story() -> None:
        client = await qb.connect_async(acceptor.tcp, "T", timeout=60)
        order = await client.buy("AAPL", 1, 1)
        acceptor.mute = True
        waiting = asyncio.ensure_future(client.buy("AAPL", 1, 1))
        reading = asyncio.ensure_future(collect(client))
        await asyncio.sleep(0.05)
        await client.close()
        await client.close()
        for task in (waiting, reading):
            with pytest.raises(qb.ConnectError, match="this client is closed"):
                await task
        for closed in (call, lambda client: client.cancel(order)):
            with pytest.raises(qb.ConnectError, match="this client is closed"):
                await closed(client)
        with pytest.raises(qb.ConnectError, match="this client is closed"):
            async with client.batch():
                pass

    async def collect(client: qb.AsyncClient) -> None:
        async for _ in client.reports():
            pass

    run(story())


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 20))


def test_an_asyncio_client_tries_again_after_the_exchange_was_away_for_long(own: Running) -> None:

    async def story() -> None:
        client = await qb.connect_async(own.endpoints["fix_tcp"], "T", timeout=0.5)
        order = await client.buy("AAPL", 5, 1)
        own.kill()
        with pytest.raises((qb.ConnectError, TimeoutError)):
            await client.orders()
        await asyncio.sleep(0.6)
        own.start()
        for _ in range(20):
            try:
                assert [one.cl_ord_id for one in await client.orders()] == [order.cl_ord_id]
                break
            except (qb.ConnectError, TimeoutError):
                continue
        else:
            raise AssertionError("it never came back")
        await client.close()

    run(story())


@pytest.mark.parametrize("name", ["feed", "snapshot", "admin", "mute"])
def test_another_endpoint_than_fix_is_an_error_in_time(exchange: Running, mute: str, name: str) -> None:
    endpoint = {**exchange.endpoints, "mute": mute}[name]
    for connect in (qb.connect, lambda *a, **o: asyncio.run(qb.connect_async(*a, **o))):
        started = time.monotonic()
        with pytest.raises((qb.ConnectError, TimeoutError), match=r"FIX"):
            connect(endpoint, "T", timeout=0.7)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("wrong", ["feed", "snapshot", "admin", "fix_zmq", "fix_tcp", "mute", "dead"])
@pytest.mark.parametrize("which", ["feed", "snapshot"])
def test_a_feed_at_a_wrong_endpoint_is_an_error_in_time(
    exchange: Running, mute: str, which: str, wrong: str
) -> None:
    places = {**exchange.endpoints, "mute": mute, "dead": "tcp://127.0.0.1:1"}
    places["fix_tcp"] = places["fix_tcp"].removeprefix("fix+")  # what is said to be FIX is refused at once
    chosen = {name: places[wrong if name == which else name] for name in ("feed", "snapshot")}
    with qb.feed(chosen["feed"], chosen["snapshot"], "AAPL") as market:
        if which == wrong:
            assert market.wait().ready
            return
        started = time.monotonic()
        with pytest.raises((TimeoutError, ValueError), match=f"{chosen[which]}.*{which}"):
            market.wait(timeout=2.5)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("wiped", [False, True])
def test_a_feed_follows_the_exchange_into_its_next_life(own: Running, wiped: bool) -> None:
    places = own.endpoints
    with qb.feed(places["feed"], places["snapshot"], "AAPL") as market:
        market.wait()
        with qb.connect(places["fix_tcp"], "T") as client:
            client.buy("AAPL", 10, "5")
            client.sell("AAPL", 4, "5")
        until(market, lambda: len(market["AAPL"].trades) == 1 and bids(market) == [(500, 6)])
        own.kill()
        until(market, lambda: not market.connected)
        if wiped:
            shutil.rmtree(own.data)
        own.start()
        with qb.connect(places["fix_tcp"], "U") as client:
            client.buy("AAPL", 1, "4")
        until(market, lambda: bids(market) == ([(400, 1)] if wiped else [(500, 6), (400, 1)]))
        assert market.wait().ready
        assert market["AAPL"].lost_trades == 0


def bids(market: qb.Feed) -> list[tuple[int, int]]:
    return [(level.price_ticks, level.quantity_lots) for level in market["AAPL"].depth(5)[0]]


def until(market: qb.Feed, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        market.update(0.1)


def test_a_feed_explains_its_mistakes(exchange: Running) -> None:
    feed, snapshot = exchange.endpoints["feed"], exchange.endpoints["snapshot"]
    with pytest.raises(ValueError, match="allowed are tcp://host:port"):
        qb.feed("nonsense:1", snapshot, "AAPL")
    with pytest.raises(ValueError, match="feed kind 'books': allowed are trades"):
        qb.feed(feed, snapshot, "AAPL", "books")  # type: ignore[arg-type]
    with qb.feed(feed, snapshot, "NOPE") as market, pytest.raises(qb.UnknownTopic, match="NOPE"):
        market.wait()
    with qb.feed(feed, snapshot, ["AAPL", "MSFT"], "top") as market:
        market.wait()
        with pytest.raises(KeyError, match="'GOOG' is not read here; this feed has AAPL, MSFT"):
            market["GOOG"]
    with pytest.raises(qb.ConnectError, match="closed"):
        market.update()
