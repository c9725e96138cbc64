"""Rafts that each leave one rule out."""

from collections.abc import Sequence
from typing import Any

from replication.candidacy import Voting
from replication.leading import Leading
from replication.membership import Membership, encode
from replication.messages import HardState, Kind, Message, Ready
from replication.raft import Raft
from replication.window import Window


class VotesAreNotPersisted(Raft):
    def ready(self, *, writing: bool = True) -> Ready:
        ready = super().ready(writing=writing)
        return ready._replace(hard_state=ready.hard_state and ready.hard_state._replace(vote=0))

    def saved(self, hard: HardState) -> None:
        super().saved(self.hard)


class SpeaksBeforeItIsSaved(Raft):
    def take_messages(self) -> list[Message]:
        held = list(self._held.values())
        self._held.clear()
        return super().take_messages() + held


class WritesBeforeItsTermIsSaved(Raft):
    def ready(self, *, writing: bool = True) -> Ready:
        ready = super().ready(writing=writing)
        if ready.hard_state is not None and self.log.unwritten and self._stays is None:
            return Ready(None, None, self.log.unwritten)
        return ready


class BrokenVoting(Raft):
    """Votes in a way of its own."""

    way: type[Voting]

    def __init__(self, *args: Any, lost: bool) -> None:
        super().__init__(*args, lost=lost)
        self.voting = self.way(self)


class VotesTwice(BrokenVoting):
    class way(Voting):
        def vote(self, m: Message) -> None:
            self._raft.hard = self._raft.hard._replace(vote=0)
            super().vote(m)


class VotesForAnyLog(BrokenVoting):
    class way(Voting):
        def _reaches(self, m: Message) -> bool:
            return True


class AcknowledgesBeforeTheSync(Raft):
    def step(self, m: Message) -> None:
        super().step(m)
        if self.owed is not None:
            (leader, index), self.owed = self.owed, None
            self.send(Kind.APPEND_ANSWER, leader, index=index)


class KeepsMembershipsThatWereGivenUp(Raft):
    def give_up(self, stays: int) -> None:
        kept = list(self.memberships)
        super().give_up(stays)
        self.memberships, self.membership = kept, kept[-1][1]


class GivesUpWhatItWasGivenWhenDeposed(Raft):
    def follow(self, term: int, leader: int) -> None:
        if self.leading is not None:
            self.leading.first_index = 0
        super().follow(term, leader)


class ForgetsWhatItPromised(Raft):
    def __init__(self, *args: Any, lost: bool) -> None:
        super().__init__(*args[:8], (0, 0), *args[9:], lost=lost)


class ForgetsHowFarItsLogWent(Raft):
    def __init__(self, *args: Any, lost: bool) -> None:
        super().__init__(*args[:9], lost=lost)


class VotesAfterLostData(Raft):
    def __init__(self, *args: Any, lost: bool) -> None:
        super().__init__(*args)


class BrokenLeading(Raft):
    """Leads in a way of its own."""

    way: type[Leading]

    def lead(self) -> None:
        self.candidacy = None
        self.leader = self.me
        self.leading = self.way(self)
        self.leading.beat()


class CommitsOlderTermsByCounting(BrokenLeading):
    class way(Leading):
        def commit(self) -> None:
            first, self.first_index = self.first_index, 0
            super().commit()
            self.first_index = first


class CountsItsUnsyncedEntries(BrokenLeading):
    class way(Leading):
        def commit(self) -> None:
            log = self._raft.log
            synced, log.synced_index = log.synced_index, log.written_index
            super().commit()
            log.synced_index = synced


class HeartbeatsCommitWhatIsNotThere(BrokenLeading):
    class way(Leading):
        def _heartbeat(self, id: int, number: int) -> None:
            commit = self.progress[id].told_commit = self._raft.commit_index
            self._raft.send(Kind.HEARTBEAT, id, commit=commit, number=number)


class AnswersReadsAtOnce(BrokenLeading):
    class way(Leading):
        def read(self, member: int, ticket: int) -> None:
            if member == self._raft.me:
                self._raft.reads.append((ticket, self._raft.commit_index))
            else:
                self._raft.send(Kind.READ_ANSWER, member, index=self._raft.commit_index, number=ticket)


class ChangesTwoAtOnce(BrokenLeading):
    class way(Leading):
        def change(self, changed: Membership) -> int:
            raft = self._raft
            if raft.commit_index < self.first_index:
                return super().change(changed)
            index = self.propose((encode(changed),))
            raft.adopt(index, changed)
            return index


class ChangesBeforeItsFirstCommit(BrokenLeading):
    class way(Leading):
        def change(self, changed: Membership) -> int:
            first, self.first_index = self.first_index, 0
            try:
                return super().change(changed)
            finally:
                self.first_index = first


class GoesByItsOldMembershipAfterASnapshot(Raft):
    def install(self, log: Window, memberships: Sequence[tuple[int, Membership]]) -> None:
        super().install(log, self.memberships)


class AcknowledgesASnapshotThatIsToCome(Raft):
    def step(self, m: Message) -> None:
        super().step(m)
        if m.kind is Kind.SNAPSHOT and m.term == self.hard.term:
            self.send(Kind.APPEND_ANSWER, m.sender, index=m.index)
