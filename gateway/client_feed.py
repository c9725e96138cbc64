"""The feed for programs: subscriptions and snapshots joined into books that keep themselves up to date."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import zmq
from zmq.utils.monitor import recv_monitor_message

from gateway.client_link import ConnectError, address
from gateway.feed import FeedReader, Kind, decode_message
from gateway.protection import Curve, protection

ASK_AGAIN_SECONDS = 1.0
"""A snapshot that has not come after so long is asked for again."""
FRAMES_PER_READ = 1024


class Feed:
    """The market data of some symbols. Made by `feed`; a context manager.

    `feed["AAPL"]` is a FeedReader: `depth(n)`, `top`, `trades`. It changes only inside this object's calls. Use it
    either from ordinary code (`update`, iteration) or from asyncio (`async for`), not both.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        snapshot_endpoints: Sequence[str],
        symbols: Iterable[str],
        kinds: Kind | Iterable[Kind],
        curve: Curve | None,
    ) -> None:
        self._feeds = ", ".join(map(published, endpoints))
        self._snapshot_places = ", ".join(map(published, snapshot_endpoints))
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        self._readers = {symbol: FeedReader(symbol, kinds) for symbol in symbols}
        self._subscription: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._snapshots: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._monitor: zmq.Socket[bytes] = self._subscription.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._publishers = 0  # that are there
        if curve is not None:
            curve.protect(self._subscription)
            curve.protect(self._snapshots)
        self._subscription.setsockopt(zmq.RCVHWM, 1_000_000)
        self._subscription.setsockopt(zmq.LINGER, 0)
        self._snapshots.setsockopt(zmq.LINGER, 0)
        self._snapshots.setsockopt(zmq.IMMEDIATE, 1)  # only who is there is asked
        for reader in self._readers.values():
            for topic in reader.topics:
                self._subscription.subscribe(topic)
        for endpoint in endpoints:
            self._subscription.connect(endpoint)
        for endpoint in snapshot_endpoints:
            self._snapshots.connect(endpoint)
        self._poller = zmq.Poller()
        for socket in self._sockets:
            self._poller.register(socket, zmq.POLLIN)
        self._asked = time.monotonic()
        self._ask()

    @property
    def _sockets(self) -> tuple["zmq.Socket[bytes]", ...]:
        return self._subscription, self._snapshots, self._monitor

    def __getitem__(self, symbol: str) -> FeedReader:
        if symbol not in self._readers:
            raise KeyError(f"{symbol!r} is not read here; this feed has {', '.join(self._readers)}")
        return self._readers[symbol]

    @property
    def connected(self) -> bool:
        """Whether a publisher answers; one that went away is waited for."""
        return self._publishers > 0

    @property
    def ready(self) -> bool:
        """Whether it is connected, and every symbol's snapshot and increments are joined."""
        return self.connected and all(reader.ready for reader in self._readers.values())

    def wait(self, timeout: float = 5.0) -> Self:
        """Wait until it is `ready`. UnknownTopic when a symbol does not exist; TimeoutError says what is missing."""
        end = time.monotonic() + timeout
        while not self.ready:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self._missing()} within {timeout:g} s")
            self.update(min(left, 0.1))
        return self

    def _missing(self) -> str:
        if not self.connected:
            return f"nobody publishes at {self._feeds}: is it the exchange's feed endpoint? Nothing has come"
        late = ", ".join(symbol for symbol, reader in self._readers.items() if not reader.ready)
        where = f"{self._snapshot_places}: is it the exchange's snapshot endpoint?"
        return f"no snapshot of {late} at {where} Nothing has come"

    def update(self, timeout: float = 0.0) -> set[str]:
        """Take in what has come, waiting up to `timeout` seconds for the first: the symbols that something came for."""
        if self._subscription.closed:
            raise ConnectError("this feed is closed: make another")
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
        watched = [int(socket.getsockopt(zmq.FD)) for socket in self._sockets]
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
        while self._monitor.poll(0):
            made = recv_monitor_message(self._monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            self._publishers += 1 if made else -1
            if not self.connected:  # who comes back may have another log
                for reader in self._readers.values():
                    reader.rejoin()
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
            changed |= self._snapshot(payload)
        self._ask()
        return changed

    def _snapshot(self, payload: bytes) -> set[str]:
        """A reply: the symbol it is about. ValueError when it is no snapshot."""
        try:
            scale = decode_message(payload).scale
        except ValueError as error:
            raise ValueError(f"what answers at {self._snapshot_places} is no snapshot: {error}") from None
        reader = self._readers.get(scale.symbol) if scale is not None else None
        if reader is None:
            return set()
        reader.receive_snapshot(payload)
        return {reader.symbol}

    def _ask(self) -> None:
        now = time.monotonic()
        if not self.ready and now - self._asked >= ASK_AGAIN_SECONDS:
            for reader in self._readers.values():
                reader.request_again()
        if not self._snapshots.poll(0, zmq.POLLOUT):
            return  # nobody speaks snapshots there yet: asked as soon as somebody does
        for reader in self._readers.values():
            for request in reader.requests():
                self._asked = now
                with suppress(zmq.Again):  # asked again later
                    self._snapshots.send(request, zmq.NOBLOCK)

    def close(self) -> None:
        """Unsubscribe and close."""
        if not self._subscription.closed:
            self._subscription.disable_monitor()
        self._subscription.close()
        self._snapshots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def feed(
    endpoint: str | Sequence[str],
    snapshot_endpoint: str | Sequence[str],
    symbols: str | Iterable[str],
    kinds: Kind | Iterable[Kind] = ("levels", "trades"),
    *,
    curve: tuple[str, str, str] | None = None,
) -> Feed:
    """Subscribe to the market data of one or more symbols; kinds are "trades", "top", "levels", "orders" and
    "status".

    Endpoints are tcp://host:port or ipc://path, as `quorumbook serve` prints them. ValueError for another.
    Give those of several replicas, and all are read at once: what one has said is dropped when another says it, so
    nothing is missed when one ends. curve: as `connect` takes it.
    """
    endpoints, places, names = (
        [one] if isinstance(one, str) else list(one) for one in (endpoint, snapshot_endpoint, symbols)
    )
    return Feed(endpoints, places, names, kinds, protection(None, curve).curve)


def published(endpoint: str) -> str:
    """The endpoint, if it is one of ZeroMQ's. ValueError says what is allowed."""
    if address(endpoint)[0] not in ("tcp", "ipc") or "://" not in endpoint:
        raise ValueError(f"feed endpoint {endpoint!r}: allowed are tcp://host:port and ipc://path")
    return endpoint
