"""What a leader knows of one follower, and how much it sends ahead (after etcd-io/raft's design: probe, replicate).

PROBE: where the logs agree is not known; one append at a time, answered or timed out before the next.
REPLICATE: appends follow each other without waiting, as far as the window of unanswered bytes allows.
SNAPSHOT: its next entries are not in the log any more; it gets a snapshot (sending.py), and no appends meanwhile.
"""

from collections import deque
from enum import Enum

from replication.sending import Sending

IN_FLIGHT_BYTES = 4 << 20
IN_FLIGHT_MESSAGES = 256


class Flow(Enum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    """Invariant: match < next."""

    __slots__ = (
        "_bytes",
        "_in_flight",
        "answered_round",
        "flow",
        "heard_ns",
        "lazy",
        "match",
        "next",
        "paused",
        "sending",
        "told_commit",
    )

    def __init__(self, next_index: int, now_ns: int) -> None:
        self.match = 0  # what it has, durably
        self.next = next_index  # what is sent next
        self.flow = Flow.PROBE
        self.paused = False  # PROBE: the one append is out
        self.heard_ns = now_ns
        self.answered_round = 0  # the last heartbeat round that it answered
        self.told_commit = 0  # the commit index that it was told
        self.lazy = False  # it may hear that with the next append or heartbeat
        self.sending: Sending | None = None  # SNAPSHOT; None: there is none to send yet
        self._in_flight: deque[tuple[int, int]] = deque()  # (last index, bytes) of appends without an answer
        self._bytes = 0

    @property
    def may_send(self) -> bool:
        if self.flow is Flow.PROBE:
            return not self.paused
        if self.flow is Flow.SNAPSHOT:
            return False
        return self._bytes < IN_FLIGHT_BYTES and len(self._in_flight) < IN_FLIGHT_MESSAGES

    def sent(self, last_index: int, size: int) -> None:
        """An append with entries up to last_index is on its way."""
        if self.flow is Flow.PROBE:
            self.paused = True
        elif last_index >= self.next:
            self.next = last_index + 1
            self._in_flight.append((last_index, size))
            self._bytes += size

    def acknowledged(self, index: int) -> bool:
        """It has everything up to `index`. Whether that is news."""
        news = index > self.match
        if news:
            self.match = index
            self.next = max(self.next, index + 1)
        while self._in_flight and self._in_flight[0][0] <= index:
            self._bytes -= self._in_flight.popleft()[1]
        if self.flow is Flow.SNAPSHOT and news:
            self.probe()
        elif self.flow is Flow.PROBE and (news or index + 1 >= self.next):
            self.flow = Flow.REPLICATE
            self.next = self.match + 1
            self.paused = False
        return news

    def rejected(self, at: int, hint: int) -> None:
        """It does not have the entry `at`; its log may agree at `hint`."""
        if self.flow is Flow.SNAPSHOT:
            return  # an old answer
        if self.flow is Flow.REPLICATE:
            if at <= self.match:
                return  # an old answer, overtaken by others
            self.probe()
        elif self.next - 1 != at:
            return
        self.next = min(at - 1, hint) + 1
        self.match = min(self.match, self.next - 1)  # it had more, and lost it: it is repaired
        self.paused = False

    def probe(self) -> None:
        """Begins again from what it is known to have: something on the way may be lost."""
        self.flow = Flow.PROBE
        self.paused = False
        self.next = self.match + 1
        self.sending = None
        self._in_flight.clear()
        self._bytes = 0

    def cut_off(self) -> None:
        """The link to it is closed. It may come back with less than it had: that counts again when it says so."""
        self.probe()
        self.match = 0

    def needs_snapshot(self, sending: Sending | None) -> None:
        """What it needs next is not in the log any more."""
        self.probe()
        self.flow = Flow.SNAPSHOT
        self.sending = sending
