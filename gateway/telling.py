"""What a server says of itself: to people on its terminal, and as the trace."""

import time
from collections.abc import Callable
from typing import Any

from structlog.typing import FilteringBoundLogger

from gateway.replica import Replica
from gateway.replica_log import describe
from replication.node import Node

PROGRESS_SECONDS = 1.0


class Telling:
    """say: to people."""

    def __init__(self, trace: FilteringBoundLogger, say: Callable[[str], None]) -> None:
        self.trace = trace
        self.say = say
        self._why_not: str | None = None
        self._progress_told = time.monotonic()

    def cut(self, node: Node) -> None:
        """What a start found torn at the end of the log."""
        if node.cut is not None:
            what = describe(node.cut)
            self.trace.warning(what, **node.cut._asdict())
            self.say(what)

    def progress(self, index: int, last: int) -> None:
        """Of applying the log again."""
        if time.monotonic() - self._progress_told > PROGRESS_SECONDS:
            self._progress_told = time.monotonic()
            self.say(f"applying the log again: entry {index:,} of {last:,}")

    def passed_over(self, what: str) -> None:
        """A snapshot cannot be used."""
        self.trace.warning("snapshot passed over", what=what)
        self.say(what)

    def dropped(self, address: Any) -> None:
        """A reader of the feed."""
        self.trace.warning("a feed subscriber asked for too many topics that do not exist", address=address)

    def events(self, replica: Replica) -> None:
        """What connections have to tell."""
        for what, details in replica.connections.events:
            self.trace.info(what, **details)
        replica.connections.events.clear()

    def intake(self, why_not: str | None) -> None:
        """Whether input is taken, when that has changed."""
        if why_not == self._why_not:
            return
        self._why_not = why_not
        if why_not is None:
            self.trace.info("taking input again")
            self.say("taking input again")
        else:
            self.trace.error("not taking input", why=why_not)
            self.say(f"not taking input: {why_not}")  # the trace may lie on the disk that is full

    def notes(self, node: Node) -> None:
        """What is wrong with snapshots."""
        for what in node.notes:
            self.trace.warning("snapshots", what=what)
        node.notes.clear()
