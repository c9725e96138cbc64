"""Questions for a state that holds everything that was acknowledged before them, at any replica (Ongaro's thesis, 6.4).

The leader says up to which entry that is as soon as a majority has confirmed that it still leads; the replica answers
when it has applied so much. No clock and no lease is relied on.
"""

from collections.abc import Callable
from typing import Any

from gateway.replica import Replica

MOST_KEPT = 256
"""Answers that nobody has fetched."""


class ReadIndex:
    """ticket: a random number from 1 to 2**63 - 1: the answer to an earlier run of this replica proves nothing. asked:
    called when there is something for the log to do: take a turn."""

    def __init__(self, replica: Replica, ticket: Callable[[], int], asked: Callable[[], None]) -> None:
        self._replica = replica
        self._ticket = ticket
        self._asked = asked
        self._answers: dict[int, int] = {}  # by ticket

    def ask(self) -> dict[str, Any]:
        """The ticket to ask `look` with. There may never be an answer: with a leader or a message it is lost."""
        ticket = self._ticket()
        self._replica.node.read(ticket)
        self._asked()
        return {"ticket": ticket}

    def look(self, ticket: int) -> dict[str, Any]:
        """read_index: None as long as it is not known. reached: whether this replica's state holds what was
        acknowledged before the ticket was taken."""
        self._answers.update(self._replica.node.take_reads())
        while len(self._answers) > MOST_KEPT:
            del self._answers[next(iter(self._answers))]
        exchange, index = self._replica.exchange, self._answers.get(ticket)
        applied = exchange.applied_index
        reached = index is not None and (applied > index or (applied == index and exchange.between_entries))
        return {"ticket": ticket, "read_index": index, "applied_index": applied, "reached": reached}
