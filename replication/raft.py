"""Raft (Ongaro and Ousterhout, 2014) for a cluster with exactly ONE member.

No I/O and no clock of its own: `campaign` and `propose` go in, `ready` says what
must be durable, `advance` says that it is. One member is a quorum of itself:
its own vote, once durable, elects it; its own log, once durable, commits. There
is nobody to exchange messages with, so no message exists here; what one member
has to do in any cluster - a durable term and vote, a new term with a no-op entry
at every start, commitment only through an entry of its own term - it does.
"""

from replication.clock import Clock, LeaderClock
from replication.messages import Buffer, HardState, Proposal, Ready

MEMBER = 1  # the id of the only member
NOTHING = Ready(None, ())


class Raft:
    """Invariants: term never falls; commit_index <= last_index; at most one vote a term."""

    def __init__(self, hard_state: HardState, last_index: int, last_timestamp_ns: int, clock: Clock) -> None:
        self.hard_state = hard_state
        self.last_index = last_index
        self.commit_index = 0  # known only once an entry of our own term is durable
        self.leader = False
        self._last_timestamp_ns = last_timestamp_ns
        self._clock = clock
        self._time: LeaderClock | None = None  # exists while leader
        self._campaigning = False
        self._unstable: list[Proposal] = []

    def campaign(self) -> None:
        """Follower -> candidate: a new term and a vote for itself."""
        assert not self.leader
        self.hard_state = HardState(self.hard_state.term + 1, MEMBER)
        self._campaigning = True

    def propose(self, pieces: tuple[Buffer, ...]) -> None:
        """One entry, stamped now. Leader only."""
        assert self._time is not None, "only a leader proposes"
        self.last_index += 1
        self._unstable.append(Proposal(self.last_index, self.hard_state.term, self._time.stamp(), pieces))

    def ready(self) -> Ready:
        if not self._campaigning and not self._unstable:
            return NOTHING
        return Ready(self.hard_state if self._campaigning else None, tuple(self._unstable))

    def advance(self, ready: Ready) -> None:
        """All that `ready` named is durable."""
        if ready.hard_state is not None:  # our own vote is a quorum
            assert ready.hard_state == self.hard_state
            self._campaigning = False
            self.leader = True
            self._time = LeaderClock(self._clock, self._last_timestamp_ns)
            self.propose(())  # the no-op
        if ready.entries:  # our own match index is a quorum; the entries are of our own term
            assert ready.entries[-1].term == self.hard_state.term
            self.commit_index = ready.entries[-1].index
            del self._unstable[: len(ready.entries)]
