"""Topics of the feed where nothing happens: each repeats its last sequence once a second, so that readers see a gap."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

from gateway.feed_topics import FeedTopics

SLICE = 1_024  # topics repeated at a time
AGAIN_SECONDS = 1.0

Messages = list[tuple[bytes, bytes]]


class IdleTopics:
    """feed: gives the feed of the exchange as it is now; a snapshot replaces it."""

    def __init__(self, publish: Callable[[Messages], None], feed: Callable[[], FeedTopics]) -> None:
        self._publish = publish
        self._feed = feed
        self._left: Iterator[tuple[bytes, bytes]] = iter(())
        self._next = 0.0

    def repeat(self) -> None:
        """The next slice, when it is time."""
        messages = list(islice(self._left, SLICE))
        self._publish(messages)
        if len(messages) < SLICE and time.monotonic() >= self._next:
            self._next = time.monotonic() + AGAIN_SECONDS
            self._left = self._feed().idle()
