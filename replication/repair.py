"""A member that lost data which had been durable, and what has to happen before it decides anything again.

It may have acknowledged entries that it does not have any more, nobody knows which. It follows, takes entries and
acknowledges what is durable here again; it neither votes nor stands for election, so whoever leads was elected without
it, and has everything that was committed. That leader is asked for its commit index, as for a linearizable read. It
has let go of what this member acknowledged before, because their link was closed since (progress.py): what it commits
later on is counted by what is here again. So when all up to that index is committed and durable here, everything is
back that this member's word may have helped to commit.
"""

TICKETS = 1 << 63  # those of repairs begin here; readers' are lower


class Repair:
    """chance: a random number, of this start: the answer to an earlier one proves nothing."""

    def __init__(self, chance: int) -> None:
        self.ticket = TICKETS + chance
        self.asked_ns: int | None = None  # monotonic clock
        self.index: int | None = None  # the leader's commit index, when it has answered

    def answered(self, ticket: int, index: int) -> None:
        if ticket == self.ticket:
            self.index = index

    def asks(self, now_ns: int, again_ns: int) -> bool:
        """Whether it is time to ask. again_ns: how long an answer is waited for."""
        due = self.asked_ns is None or now_ns - self.asked_ns >= again_ns
        if self.index is None and due:
            self.asked_ns = now_ns
            return True
        return False
