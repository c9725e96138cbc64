"""Standing for election, and who may: pre-vote (Ongaro's thesis 9.6), votes (paper 5.2, 5.4.1), the order of candidacy.

A member whose link to the leader closes need not wait for silence: the kernel closed it, so the leader's process has
most likely died. A closed link is not a dead leader, though: only a pre-vote that a majority grants, all of whom lost
it too, goes on. Who stands first is fixed, because two candidates at once can split the votes: the voters that are
left, in order of id, one heartbeat interval after the other.
"""

from typing import TYPE_CHECKING, NamedTuple

from replication.membership import Membership
from replication.messages import HardState, Kind, Message

if TYPE_CHECKING:
    from replication.raft import Raft


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


class Voting:
    """One member's candidacies, and its answers to others'. What is voted is in Raft's hard state."""

    def __init__(self, raft: "Raft") -> None:
        self._raft = raft
        self.deferred: dict[int, Deferred] = {}  # by candidate
        self.kept: Candidacy | None = None  # for the term that it is in, while it asks for the next one

    # ---------------------------------------------------------------- its own candidacy

    def ask_first(self) -> None:
        """A pre-vote: nobody enters another term for it (thesis 9.6). Votes for the term that it is in count until it
        has entered another: where a vote takes longer to be durable than a candidate waits, none would ever count."""
        raft = self._raft
        if raft.candidacy is not None and not raft.candidacy.pre:
            self.kept = raft.candidacy
        raft.candidacy = Candidacy(raft.hard.term + 1, pre=True)
        self._canvass(Kind.PRE_VOTE, raft.candidacy)

    def campaign(self, *, forced: bool = False) -> None:
        """A new term, and a vote for itself (paper 5.2)."""
        raft = self._raft
        raft.hard = HardState(raft.hard.term + 1, raft.me)
        self.deferred.clear()
        self.kept = raft.owed = None
        raft.candidacy = Candidacy(raft.hard.term, pre=False, forced=forced)
        raft.wait_for_silence()
        self._canvass(Kind.VOTE, raft.candidacy)

    def _canvass(self, kind: Kind, standing: Candidacy) -> None:
        """Its own vote first, which may be enough."""
        raft = self._raft
        standing.count(raft.me, granted=True, reserved=raft.promised > raft.last)
        if self._decided(standing):
            return
        term, index = raft.last
        for id in sorted(raft.membership.voters - {raft.me}):
            raft.send(kind, id, term=standing.term, index=index, log_term=term, forced=standing.forced)

    def answered(self, m: Message) -> None:
        pre = m.kind is Kind.PRE_VOTE_ANSWER
        standing = self._raft.candidacy if pre or self.kept is None else self.kept
        if standing is None or standing.pre != pre:
            return
        if not m.rejected and m.term != standing.term:
            return  # for an earlier candidacy
        standing.count(m.sender, granted=not m.rejected, reserved=bool(m.number))
        self._decided(standing)

    def _decided(self, standing: Candidacy) -> bool:
        """Whether a candidacy is won, or lost; what follows."""
        raft = self._raft
        if standing.won(raft.membership):
            if standing.pre:
                self.campaign()
            else:
                raft.lead()
            return True
        if standing.lost(raft.membership):
            if standing is self.kept:
                self.kept = None
            else:
                raft.candidacy = None
            return True
        return False

    # ---------------------------------------------------------------- others' candidacies

    def vote(self, m: Message) -> None:
        raft = self._raft
        free = raft.hard.vote in (0, m.sender) and raft.leader in (0, m.sender)
        granted = free and self._reaches(m) and raft.repair is None
        if granted:
            raft.hard = HardState(raft.hard.term, m.sender)
            raft.wait_for_silence()
        raft.send(Kind.VOTE_ANSWER, m.sender, rejected=not granted, number=self._breaks_promise(m))

    def pre_vote(self, m: Message) -> None:
        raft = self._raft
        granted = m.term > raft.hard.term and self._reaches(m) and raft.repair is None
        if granted and raft.hears_leader:
            if raft.leading is None:
                until = raft.clock.monotonic_ns() + raft.timing.election_ns
                self.deferred[m.sender] = Deferred(m, raft.hard.term, until)
                return
            granted = False
        if granted:
            raft.send(Kind.PRE_VOTE_ANSWER, m.sender, term=m.term, number=self._breaks_promise(m))
            return
        self._deny(m.sender)
        if raft.candidacy is None and not raft.hears_leader and not self._reaches(m):
            raft.stand()  # first in line has the older log

    def _reaches(self, m: Message) -> bool:
        """Whether the candidate's log is up to date (paper 5.4.1): as far as this member's log reached when it was
        whole, too."""
        return (m.log_term, m.index) >= max(self._raft.last, self._raft.missing)

    def _breaks_promise(self, m: Message) -> bool:
        """Whether the candidate has not what this member may have acknowledged, and lost."""
        return (m.log_term, m.index) < self._raft.promised

    def _deny(self, candidate: int) -> None:
        self._raft.send(Kind.PRE_VOTE_ANSWER, candidate, rejected=True)

    # ---------------------------------------------------------------- pre-votes that wait

    def reconsider(self) -> None:
        """The link to the leader has closed here, too."""
        for kept in list(self.deferred.values()):
            if kept.term == self._raft.hard.term:
                self.pre_vote(kept.request)
        self.deferred.clear()

    def deny(self) -> None:
        """The leader was heard."""
        for candidate in self.deferred:
            self._deny(candidate)
        self.deferred.clear()

    def expire(self, now: int) -> None:
        """Those that have waited for an election timeout are denied."""
        for candidate in [id for id, kept in self.deferred.items() if now >= kept.until_ns]:
            del self.deferred[candidate]
            self._deny(candidate)
