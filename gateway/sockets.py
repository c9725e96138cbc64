"""The ZeroMQ sockets of a server: FIX, the feed, snapshots and the admin socket."""

from collections.abc import Callable, Container
from functools import partial
from typing import cast

import zmq
from zmq.backend.cython import _zmq

from gateway import zeromq
from gateway.curve import KeyPair, Zap

FRAME_BYTES = 1 << 20  # a larger FIX frame costs its sender the link
HIGH_WATER = 256  # frames waiting for one FIX peer, either way
FEED_HIGH_WATER = (
    8_192  # feed messages of at most 8,240 bytes waiting for one subscriber; more are lost to it
)
LINGER_MS = 200  # what was handed over before a stop still goes out
KEEPALIVE = {
    "IDLE": 60,
    "INTVL": 20,
    "CNT": 3,
}  # a FIX client behind a dead network is gone after two minutes


class Sockets:
    """FIX has an I/O thread of its own. keys: of the server, for CURVE; None: plain. clients: whose public keys may
    connect."""

    def __init__(self, keys: KeyPair | None, clients: Container[str]) -> None:
        zeromq.load(_zmq.__file__)
        self._context = zmq.Context(io_threads=2)
        self.fix = self._socket(zmq.ROUTER, affinity=1)
        self.fix.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.fix.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES)
        self.fix.set_hwm(HIGH_WATER)
        self.fix.tcp_keepalive = 1
        for name, value in KEEPALIVE.items():
            self.fix.setsockopt(getattr(zmq, f"TCP_KEEPALIVE_{name}"), value)
        self.feed = self._socket(zmq.XPUB, affinity=2)
        self.feed.sndhwm = FEED_HIGH_WATER
        self.snapshot = self._socket(zmq.ROUTER, affinity=2)
        self.admin = self._socket(zmq.ROUTER, affinity=2)
        self.zap: Zap | None = None
        if keys is not None:
            self.zap = Zap(self._context, clients)  # before a client can come
            for made in (self.fix, self.feed, self.snapshot):
                keys.serve(made)

    def _socket(self, kind: int, affinity: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.linger = LINGER_MS
        made.affinity = affinity
        return made

    @property
    def by_endpoint(self) -> dict[str, zmq.Socket[bytes]]:
        return {"fix_zmq": self.fix, "feed": self.feed, "snapshot": self.snapshot, "admin": self.admin}

    @property
    def watched(self) -> list[zmq.Socket[bytes]]:
        """Those that something comes in by."""
        return [*self.by_endpoint.values(), *([self.zap.socket] if self.zap is not None else [])]

    def publisher(self) -> Callable[[list[tuple[bytes, bytes]]], None]:
        """What sends (topic, payload) messages by the feed, in C."""
        address = self.feed.underlying

        def publish(messages: list[tuple[bytes, bytes]]) -> None:
            if messages:
                zeromq.publish(address, messages)

        return publish

    def bind(self, bind: Callable[[str, Callable[[str], str]], str]) -> dict[str, str]:
        """The endpoints by name. bind(name, how): chooses an address, binds by how(address), and gives the endpoint."""
        return {name: bind(name, partial(bound, made)) for name, made in self.by_endpoint.items()}

    def close(self) -> None:
        """Waits until what was handed over is sent, for LINGER_MS at most."""
        for made in self.watched:
            made.close()
        self._context.term()


def descriptor(made: zmq.Socket[bytes]) -> int:
    """Readable when the socket may have something; edge-triggered."""
    return cast(int, made.get(zmq.FD))


def bound(made: zmq.Socket[bytes], address: str) -> str:
    """The endpoint. Raises OSError."""
    if "[" in address:
        made.setsockopt(zmq.IPV6, 1)
    try:
        made.bind(address)
    except zmq.ZMQError as error:
        raise OSError(error.errno, zmq.strerror(error.errno or 0), address) from None
    return made.get_string(zmq.LAST_ENDPOINT)
