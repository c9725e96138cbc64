"""The feed for programs: subscriptions and snapshots joined into books that keep themselves up to date."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Self

import zmq

from gateway.feed import FeedReader, Kind

ASK_AGAIN_SECONDS = 1.0
"""A snapshot that has not come after so long is asked for again."""
FRAMES_PER_READ = 1024


class Feed:
    """The market data of some symbols. Made by `feed`; a context manager.

    `feed["AAPL"]` is a FeedReader: `depth(n)`, `top`, `trades`. It changes only inside this object's calls. Use it
    either from ordinary code (`update`, iteration) or from asyncio (`async for`), not both.
    """

    def __init__(
        self, endpoint: str, snapshot_endpoint: str, symbols: Iterable[str], kinds: Iterable[Kind]
    ) -> None:
        kinds = tuple(kinds)
        self._readers = {symbol: FeedReader(symbol, kinds) for symbol in symbols}
        self._subscription: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._snapshots: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._subscription.setsockopt(zmq.RCVHWM, 1_000_000)
        self._subscription.setsockopt(zmq.LINGER, 0)
        self._snapshots.setsockopt(zmq.LINGER, 0)
        for reader in self._readers.values():
            for topic in reader.topics:
                self._subscription.subscribe(topic)
        self._subscription.connect(endpoint)
        self._snapshots.connect(snapshot_endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._subscription, zmq.POLLIN)
        self._poller.register(self._snapshots, zmq.POLLIN)
        self._asked = time.monotonic()
        self._ask()

    def __getitem__(self, symbol: str) -> FeedReader:
        return self._readers[symbol]

    @property
    def ready(self) -> bool:
        """Whether every symbol's snapshot and increments are joined."""
        return all(reader.ready for reader in self._readers.values())

    def wait(self, timeout: float = 5.0) -> Self:
        """Wait until it is `ready`. TimeoutError; UnknownTopic when a symbol does not exist."""
        end = time.monotonic() + timeout
        while not self.ready:
            if time.monotonic() >= end:
                raise TimeoutError(f"no snapshot has come within {timeout} s")
            self.update(0.1)
        return self

    def update(self, timeout: float = 0.0) -> set[str]:
        """Take in what has come, waiting up to `timeout` seconds for the first: the symbols that something came for."""
        self._poller.poll(int(timeout * 1000))
        return self._read()

    def __iter__(self) -> Iterator[set[str]]:
        """The symbols that changed, again and again, for ever."""
        while True:
            if changed := self.update(1.0):
                yield changed

    async def __aiter__(self) -> AsyncIterator[set[str]]:
        """The same on the running asyncio loop."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        watched = [int(socket.getsockopt(zmq.FD)) for socket in (self._subscription, self._snapshots)]
        for descriptor in watched:
            loop.add_reader(descriptor, came.set)
        try:
            while True:
                came.clear()
                if changed := self._read():
                    yield changed
                    continue  # the descriptors tell only of a change: read until there is nothing
                try:
                    await asyncio.wait_for(came.wait(), ASK_AGAIN_SECONDS)
                except TimeoutError:
                    continue
        finally:
            for descriptor in watched:
                loop.remove_reader(descriptor)

    def _read(self) -> set[str]:
        changed: set[str] = set()
        for _ in range(FRAMES_PER_READ):
            try:
                topic, payload = self._subscription.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            symbol = topic.split(b"|")[1].decode("latin-1")
            self._readers[symbol].receive(topic, payload)
            changed.add(symbol)
        for _ in range(FRAMES_PER_READ):
            try:
                payload = self._snapshots.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            for symbol, reader in self._readers.items():
                reader.receive_snapshot(payload)
                changed.add(symbol)
        self._ask()
        return changed

    def _ask(self) -> None:
        now = time.monotonic()
        if not self.ready and now - self._asked >= ASK_AGAIN_SECONDS:
            for reader in self._readers.values():
                reader.request_again()
        for reader in self._readers.values():
            for request in reader.requests():
                self._asked = now
                self._snapshots.send(request)

    def close(self) -> None:
        """Unsubscribe and close."""
        self._subscription.close()
        self._snapshots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def feed(
    endpoint: str,
    snapshot_endpoint: str,
    symbols: str | Iterable[str],
    kinds: Iterable[Kind] = ("levels", "trades"),
) -> Feed:
    """Subscribe to the market data of one or more symbols; kinds are "trades", "top", "levels" and "orders"."""
    return Feed(endpoint, snapshot_endpoint, [symbols] if isinstance(symbols, str) else symbols, kinds)
