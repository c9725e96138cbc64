"""What one gateway has proposed and not seen applied yet, and whom it proposes to.

The fence (gateway/DESIGN.md) takes the inputs of a gateway in the order of their numbers, each once. So whatever may
have been lost on its way, with a leader or a link, is proposed again, all of it, in order: what lies in the log twice
takes effect once. So is what comes to nothing for long, whyever: nothing that this gateway enters later would count.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from gateway import inputs
from replication.messages import Message
from replication.node import Node

WAITING_BYTES = 4 << 20  # proposed and not applied: beyond it nothing more is taken from clients
PATIENCE_NS = 2_000_000_000  # before what comes to nothing is proposed again; twice as long each time after
REPEATS = 3  # that the log has taken, before it is given up


class Links(Protocol):
    """To the other members."""

    @property
    def linked(self) -> dict[int, int]:
        """The members that there is a link to, and the newest rules that each can run."""

    def send(self, message: Message) -> None: ...

    def forward(self, to: int, payload: bytes) -> None: ...


class Intake:
    """nonce: gives a random number, 1 to 2**64 - 1."""

    def __init__(self, node: Node, me: int, links: Links, nonce: Callable[[], int]) -> None:
        self._node = node
        self._me = me
        self._links = links
        self._new_nonce = nonce
        self.nonce = 0  # of the start that this gateway asked for; 0 = none yet
        self._start = b""
        self._waiting: deque[tuple[int, bytes]] = deque()  # (number of an input not before its last, payload)
        self._waiting_bytes = 0
        self._told = (0, 0)  # (term, leader) that everything was proposed to
        self._moved = False  # whether something was applied, or proposed anew, ...
        self._since_ns = 0  # ... since this was looked after
        self._wait_ns = PATIENCE_NS
        self._repeats = 0
        self._repeated_at = 0  # the commit index at the last of them

    @property
    def full(self) -> bool:
        return self._waiting_bytes >= WAITING_BYTES

    @property
    def waits(self) -> bool:
        """Whether something proposed is not applied yet."""
        return bool(self._start or self._waiting)

    def ask_for_start(self) -> None:
        """A new incarnation; what waits is of the old one, and dropped."""
        self.nonce = self._new_nonce()
        self._start = inputs.gateway_start(self._me, self.nonce)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._got_on()
        self.again()

    def started(self) -> None:
        """The incarnation is there."""
        self._start = b""
        self._got_on()

    def offer(self, last_number: int, payload: bytes) -> None:
        """Proposes inputs of this gateway. last_number: that of the last of them, or of a later one."""
        self._waiting.append((last_number, payload))
        self._waiting_bytes += len(payload)
        if self._told == (self._node.term, self._node.leader):
            self._propose(payload)

    def keep(self, last_number: int, payload: bytes) -> None:
        """As `offer`, for what was proposed already: only another leader gets it again."""
        self._waiting.append((last_number, payload))
        self._waiting_bytes += len(payload)

    def applied(self, last_number: int) -> None:
        """Inputs up to this one have been applied."""
        while self._waiting and self._waiting[0][0] <= last_number:
            self._waiting_bytes -= len(self._waiting.popleft()[1])
            self._got_on()

    def _got_on(self) -> None:
        self._moved = True
        self._wait_ns = PATIENCE_NS
        self._repeats = 0

    def again(self) -> None:
        """Something may have been lost on the way."""
        self._told = (0, 0)

    @property
    def due(self) -> bool:
        """Whether there is a leader that `follow` has something for."""
        leader = (self._node.term, self._node.leader)
        return leader[1] != 0 and leader != self._told

    def follow(self) -> None:
        """Proposes what waits, in order, to a leader that has not got it."""
        leader = (self._node.term, self._node.leader)
        if leader == self._told or not leader[1]:
            return
        self._told = leader
        self._moved = True
        if self._start:
            self._propose(self._start)
        for _, payload in self._waiting:
            self._propose(payload)

    def look_after(self, now_ns: int) -> int:
        """Now and then, while there is a leader: what has come to nothing for long is proposed again. How often that
        was, while the log went on, without anything being applied."""
        if self._moved or not self.waits:
            self._moved = False
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= self._wait_ns:
            self._wait_ns *= 2
            if self._node.commit_index > self._repeated_at:  # or nothing at all gets into the log
                self._repeats += 1
            self._repeated_at = self._node.commit_index
            self.again()
        return self._repeats

    def _propose(self, payload: bytes) -> None:
        leader = self._node.leader
        if leader == self._me:
            self._node.propose(payload)
        elif leader:
            self._links.forward(leader, payload)
