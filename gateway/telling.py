"""What a server says of itself: to people on its terminal, and as the trace."""

import time
from collections.abc import Callable
from typing import Any

from structlog.typing import FilteringBoundLogger

from gateway.repeats import Repeats
from gateway.replica import Replica
from gateway.replica_log import describe
from replication.node import Node

PROGRESS_SECONDS = 1.0


class Telling:
    """say: to people."""

    def __init__(self, trace: FilteringBoundLogger, say: Callable[[str], None]) -> None:
        self.trace = trace
        self.say = say
        self._led = (0, 0)  # (leader, term) that was told
        self._repeats = Repeats(time.monotonic)
        self._progress_told = time.monotonic()

    # ---------------------------------------------------------------- the log

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

    def notes(self, node: Node) -> None:
        """What is wrong with snapshots."""
        for what in node.notes:
            self.trace.warning("snapshots", what=what)
        node.notes.clear()

    # ---------------------------------------------------------------- clients

    def dropped(self, address: Any) -> None:
        """A reader of the feed."""
        self.trace.warning("a feed subscriber asked for too many topics that do not exist", address=address)

    def events(self, replica: Replica) -> None:
        """What connections have to tell."""
        for what, details in replica.connections.events:
            self.trace.info(what, **details)
        replica.connections.events.clear()

    def fix_log(self, what: str) -> None:
        """Whether the traffic can be written down."""
        self.trace.warning("FIX log", what=what)

    # ---------------------------------------------------------------- members

    def leader(self, node: Node) -> None:
        """Who leads, when that has changed."""
        led = (node.leader, node.term)
        if led == self._led:
            return
        before, self._led = self._led, led
        leader, term = led
        if leader:
            self.trace.info("leader", member=leader, term=term)
            here = " (this one)" if leader == node.me else ""
            self.say(f"member {leader}{here} leads, term {term}")
        elif before[0]:
            self.trace.warning("no leader", term=term, led_before=before[0])

    def linked(self, member: int) -> None:
        self._again(("linked", member), member=member)

    def link_closed(self, member: int) -> None:
        self._again(("link closed", member), member=member)

    def trouble(self, member: int, what: str) -> None:
        """What stands between this replica and a member (0 = a stranger)."""
        count = self._again(("peer", member, what), member=member, what=what)
        if count:
            self.say(what if count == 1 else f"{what} ({count} times since this was said)")

    def _again(self, key: tuple[Any, ...], **details: Any) -> int:
        """Traces what may come again and again. How often it came since it was traced last; 0: not now."""
        count = self._repeats.happened(key)
        if count:
            times = {"times": count} if count > 1 else {}
            trace = self.trace.info if key[0] == "linked" else self.trace.warning
            trace(key[0], **details, **times)
        return count
