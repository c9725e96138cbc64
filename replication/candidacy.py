"""Standing for election, and who may: pre-vote (Ongaro's thesis 9.6), votes (paper 5.2, 5.4.1), the order of candidacy.

A member whose link to the leader closes need not wait for silence: the kernel closed it, so the leader's process has
most likely died. A closed link is not a dead leader, though: only a pre-vote that a majority grants, all of whom lost
it too, goes on. Who stands first is fixed, because two candidates at once can split the votes: the voters that are
left, in order of id, one heartbeat interval after the other.
"""

from typing import NamedTuple

from replication.membership import Membership
from replication.messages import Message


class Candidacy:
    """The votes, or pre-votes, that one member has got for one term."""

    def __init__(self, term: int, *, pre: bool, forced: bool = False) -> None:
        self.term = term
        self.pre = pre
        self.forced = forced
        self._granted: set[int] = set()
        self._reserved: set[int] = set()
        self._denied: set[int] = set()

    def count(self, voter: int, *, granted: bool, reserved: bool) -> None:
        """reserved: the voter may have promised, and lost, an entry that the candidate has not."""
        (self._denied if not granted else self._reserved if reserved else self._granted).add(voter)

    def won(self, membership: Membership) -> bool:
        """By a quorum; or by every voter, with reservations: then nobody has what some have lost, and as who voted
        acknowledges nothing of an older term any more, nobody will have it."""
        if len(self._granted & membership.voters) >= membership.quorum:
            return True
        return membership.voters <= self._granted | self._reserved

    def lost(self, membership: Membership) -> bool:
        return len(membership.voters - self._denied) < membership.quorum


class Deferred(NamedTuple):
    """A pre-vote that came while the leader still seemed alive: its link may be about to close here, too."""

    request: Message
    term: int  # of that leader: good for that one only
    until_ns: int


def turn_ns(me: int, leader: int, membership: Membership, heartbeat_ns: int) -> int:
    """How long a member waits after the leader's link closed before it stands."""
    before = [id for id in membership.voters if id < me and id != leader]
    return len(before) * heartbeat_ns
