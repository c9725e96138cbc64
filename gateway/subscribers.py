"""Who reads the feed: what its XPUB tells of subscriptions, and the end of a link that only fills memory.

ZeroMQ keeps every prefix that a peer subscribes to. Those that some topic begins with are bounded by the topics; the
others are counted by peer, and a peer that sends too many of them loses its link.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

import zmq

from gateway.feed_topics import FeedTopics

VISIT_NS = 1_000_000
"""How long one look at the subscriptions takes before others are served."""
MOST_FRUITLESS = 1_024
"""Prefixes that no topic begins with, from one peer."""
MOST_PEERS = 4_096
"""Peers that sent such prefixes and are remembered."""
MOST_BYTES = 1_024
"""A larger frame costs its sender the link: no topic is so long, and ZeroMQ's own greeting is shorter."""
WAITING = 256
"""Subscriptions of one peer that ZeroMQ takes in before we look at them."""

Peer = tuple[int, Any]  # descriptor and address: a descriptor alone is used again


class Subscribers:
    """Reads the XPUB; `dropped` hears of each peer that loses its link. feed: gives the feed of the exchange as it is
    now; a snapshot replaces it."""

    def __init__(
        self, publisher: zmq.Socket[bytes], feed: Callable[[], FeedTopics], dropped: Callable[[Any], None]
    ) -> None:
        publisher.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        publisher.rcvhwm = WAITING
        self._publisher = publisher
        self._feed = feed
        self._dropped = dropped
        self._fruitless: dict[Peer, int] = {}

    @cached_property
    def _port(self) -> int:
        return int(self._publisher.get_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def take(self) -> bool:
        """Takes in what has come, for about a millisecond. True: more may wait."""
        end = time.monotonic_ns() + VISIT_NS
        while time.monotonic_ns() < end:
            try:
                frame = self._publisher.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return False
            what, prefix = frame.bytes[:1], frame.bytes[1:]
            if what == b"\0":
                self._feed().ignore(prefix)
            elif what != b"\1" or not self._feed().listen(prefix):
                with suppress(zmq.ZMQError, OSError):  # the link has gone already
                    self._count(frame.get(zmq.SRCFD))
        return True

    def _count(self, descriptor: int) -> None:
        """One more prefix of no use. Raises OSError when its sender is gone.

        What a link sent may be read after its end, when the descriptor is another's. A connection that did not come
        by the feed's own port is left alone; another reader of the feed is counted, and comes back after a cut.
        """
        with socket.socket(fileno=os.dup(descriptor)) as link:
            peer = (descriptor, link.getpeername())
            if link.getsockname()[1] != self._port:
                return
            count = self._fruitless.pop(peer, 0) + 1
            if count > MOST_FRUITLESS:
                link.shutdown(socket.SHUT_RDWR)
                self._dropped(peer[1])
                return
            if len(self._fruitless) == MOST_PEERS:
                del self._fruitless[next(iter(self._fruitless))]
            self._fruitless[peer] = count
