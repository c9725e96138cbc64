"""A leader's term: replication, commitment, read index, transfer, membership changes.

Ongaro and Ousterhout 2014 (the paper) 5.3, 5.4; Ongaro's thesis 3.10 (transfer), 4.1 to 4.2 (membership), 6.4 (read
index), 10.2.1 (writing to the leader's disk in parallel).
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from replication.clock import LeaderClock
from replication.membership import Membership, NotNow, Refused, encode, listed
from replication.messages import Buffer, Kind, Message, Proposal
from replication.progress import Flow, Progress
from replication.sending import Sending

if TYPE_CHECKING:
    from replication.raft import Raft

MESSAGE_BYTES = 1 << 20  # payload bytes of an append


class Leading:
    """Exists while its member leads. Invariant: entries of this term begin with the no-op at `first_index`."""

    def __init__(self, raft: "Raft") -> None:
        self._raft = raft
        now = raft.clock.monotonic_ns()
        self._time = LeaderClock(raft.clock, raft.log.last_timestamp_ns)
        self.first_index = raft.log.last_index + 1
        self.progress: dict[int, Progress] = {}
        self._review_at = now + raft.timing.election_ns
        self._heartbeat_at = now
        self.round = 0  # of heartbeats: the last that was begun
        self._reads: list[tuple[int, int, int, int]] = []  # (round, member, ticket, index)
        self._early_reads: list[tuple[int, int]] = []  # (member, ticket): before this term's first commitment
        self.transfer_to = 0
        self._transfer_until = 0
        self._without_room: set[int] = set()  # who was asked to lead because there is no room here
        self.follow(raft.membership)
        self.propose(())

    def follow(self, membership: Membership) -> None:
        """Goes by another membership."""
        raft = self._raft
        now = raft.clock.monotonic_ns()
        for id in membership.ids - self.progress.keys() - {raft.me}:
            self.progress[id] = Progress(raft.log.last_index + 1, now)
        for id in self.progress.keys() - membership.ids:
            del self.progress[id]
        if self.transfer_to not in membership.voters:
            self.transfer_to = 0

    # ---------------------------------------------------------------- proposing

    def propose(self, pieces: tuple[Buffer, ...]) -> int:
        """One entry, stamped now; its index."""
        proposal = self.stamped(pieces)
        self._raft.log.add(proposal)
        return proposal.index

    def stamped(self, pieces: tuple[Buffer, ...]) -> Proposal:
        """The next entry."""
        raft = self._raft
        return Proposal(raft.log.last_index + 1, raft.hard.term, self._time.stamp(), pieces)

    def change(self, changed: Membership) -> int:
        """Proposes a membership, which holds from now on; the index of its entry. Raises Refused."""
        raft = self._raft
        if raft.commit_index < self.first_index:  # Ongaro's correction of 2015
            raise NotNow("this leader has committed nothing of its own term yet: try again in a moment")
        if raft.memberships[-1][0] > raft.commit_index:
            raise NotNow("another change of the membership is not committed yet: try again in a moment")
        if self.transfer_to:
            raise NotNow("the leadership is being handed over: try again in a moment")
        raft.membership.check_next(changed)
        index = self.propose((encode(changed),))
        raft.adopt(index, changed)
        return index

    # ---------------------------------------------------------------- time

    def tick(self, now: int) -> None:
        raft = self._raft
        if self.transfer_to and now >= self._transfer_until:
            self.transfer_to = 0
        if now >= self._review_at:
            self._review_at = now + raft.timing.election_ns
            if not self._hears_quorum(now):
                raft.follow(raft.hard.term, 0)
                return
        if now >= self._heartbeat_at:
            self.beat()

    def _hears_quorum(self, now: int) -> bool:
        """Check-quorum (thesis 6.2): whether a quorum answered within an election timeout."""
        since = now - self._raft.timing.election_ns
        return self._counts({id for id, peer in self.progress.items() if peer.heard_ns >= since})

    def _counts(self, ids: set[int]) -> bool:
        """Whether these and the leader itself are a quorum."""
        raft = self._raft
        return len((ids | {raft.me}) & raft.membership.voters) >= raft.membership.quorum

    def beat(self) -> None:
        """A heartbeat to everyone, with a new round."""
        raft = self._raft
        self._heartbeat_at = raft.clock.monotonic_ns() + raft.timing.heartbeat_ns
        self.round += 1
        for id in self.progress:
            self._heartbeat(id, self.round)

    def _heartbeat(self, id: int, number: int) -> None:
        """number: the round; 0 = it only tells the commit index, and wants no answer."""
        raft, peer = self._raft, self.progress[id]
        peer.told_commit = min(peer.match, raft.commit_index)
        raft.send(Kind.HEARTBEAT, id, commit=peer.told_commit, number=number)

    # ---------------------------------------------------------------- replication

    def replicate(self) -> None:
        """Sends what was written since, and the commit index to whom nothing else is about to tell it."""
        for id, peer in self.progress.items():
            self._feed(id, peer)

    def _feed(self, id: int, peer: Progress) -> None:
        raft = self._raft
        while peer.may_send and (peer.next <= raft.log.written_index or peer.flow is Flow.PROBE):
            self._append(id, peer)
        if not peer.lazy and peer.told_commit < min(peer.match, raft.commit_index):
            self._heartbeat(id, 0)

    def _append(self, id: int, peer: Progress) -> None:
        log = self._raft.log
        if peer.next <= log.begins_after:
            self._offer(id, peer)
            return
        before = peer.next - 1
        more = peer.may_send and peer.next <= log.written_index
        entries = log.read(peer.next, MESSAGE_BYTES) if more else []
        last = before + len(entries)
        peer.told_commit = min(self._raft.commit_index, last)
        self._raft.send(
            Kind.APPEND,
            id,
            index=before,
            log_term=log.term_at(before),
            hash=log.hash_at(before),
            commit=peer.told_commit,
            entries=entries,
        )
        peer.sent(last, sum(len(entry.payload) for entry in entries))

    def _offer(self, id: int, peer: Progress) -> None:
        """What a follower needs is not in the log any more: asks how much it has of a snapshot. As long as there is
        none a heartbeat's answer tries again."""
        raft = self._raft
        known = peer.sending.offer if peer.sending is not None else None
        offer = known if known in raft.offers else next(iter(raft.offers), None)
        if offer is None:
            peer.needs_snapshot(None)
            return
        peer.needs_snapshot(Sending(offer, raft.clock.monotonic_ns()))
        raft.send_snapshot(id, offer, offer.size, forced=True)

    def _snapshot_answered(self, id: int, peer: Progress, m: Message) -> None:
        sending = peer.sending
        if sending is None or (m.index, m.hash) != (sending.offer.index, sending.offer.digest):
            return  # of one that is not sent any more
        sending.answered(m.number, m.rejected, peer.heard_ns)
        for offset in sending.chunks():
            self._raft.send_snapshot(id, sending.offer, offset)

    def commit(self) -> None:
        """Counts who has what durably. Only entries of this term are committed by counting (paper 5.4.2)."""
        raft = self._raft
        matches = sorted(
            raft.log.synced_index if id == raft.me else self.progress[id].match
            for id in raft.membership.voters
        )
        index = matches[len(matches) - raft.membership.quorum]
        if index >= self.first_index and index > raft.commit_index:
            raft.committed(index)
            if self._early_reads and raft.leading is self:
                early, self._early_reads = self._early_reads, []
                for member, ticket in early:
                    self.read(member, ticket)

    # ---------------------------------------------------------------- answers

    def answered(self, m: Message) -> None:
        peer = self.progress.get(m.sender)
        if peer is None:
            return  # a member no longer
        peer.heard_ns = self._raft.clock.monotonic_ns()
        peer.lazy = m.lazy
        if m.kind is Kind.HEARTBEAT_ANSWER:
            self._beat_answered(m.sender, peer, m.number)
        elif m.kind is Kind.SNAPSHOT_ANSWER:
            self._snapshot_answered(m.sender, peer, m)
        elif m.rejected:
            peer.rejected(m.number, self._raft.log.last_not_above(m.index, m.log_term))
            self._feed(m.sender, peer)
        else:
            if peer.acknowledged(m.index):
                self.commit()
                self._hand_over()
            if self._raft.leading is self:
                self._feed(m.sender, peer)

    def _beat_answered(self, id: int, peer: Progress, number: int) -> None:
        peer.answered_round = max(peer.answered_round, number)
        peer.paused = False
        if peer.flow is Flow.REPLICATE and peer.match < self._raft.log.written_index:
            self._append(id, peer)  # if something was lost on the way, it says so
        elif peer.flow is Flow.PROBE:
            self._feed(id, peer)
        elif peer.flow is Flow.SNAPSHOT:
            self._look_at_sending(id, peer)
        self._answer_reads()

    def _look_at_sending(self, id: int, peer: Progress) -> None:
        """Nothing was heard of the snapshot for long, or there is another one to send: asks again."""
        sending, raft = peer.sending, self._raft
        silent = sending is not None and peer.heard_ns - sending.asked_ns >= raft.timing.election_ns
        if sending is None or sending.offer not in raft.offers or silent:
            self._offer(id, peer)

    # ---------------------------------------------------------------- read index

    def read(self, member: int, ticket: int) -> None:
        """Asks at which index a read that came now is linearizable; answered by a heartbeat round begun after it."""
        if self._raft.commit_index < self.first_index:
            self._early_reads.append((member, ticket))
            return
        self.beat()
        self._reads.append((self.round, member, ticket, self._raft.commit_index))
        self._answer_reads()

    def _answer_reads(self) -> None:
        raft = self._raft
        while self._reads:
            number, member, ticket, index = self._reads[0]
            if not self._counts({id for id, peer in self.progress.items() if peer.answered_round >= number}):
                return
            del self._reads[0]
            if member == raft.me:
                raft.reads.append((ticket, index))
            else:
                raft.send(Kind.READ_ANSWER, member, index=index, number=ticket)

    # ---------------------------------------------------------------- transfer

    def transfer(self, to: int) -> None:
        """Hands over to a voter as soon as it has everything; proposals wait meanwhile, for an election timeout at
        most. Raises Refused."""
        raft = self._raft
        if to == raft.me:
            raise Refused(f"member {to} is the leader")
        if to not in raft.membership.voters:
            raise Refused(f"member {to} is no voter; the voters are {listed(raft.membership.voters)}")
        self.transfer_to = to
        self._transfer_until = raft.clock.monotonic_ns() + raft.timing.election_ns
        self._hand_over()

    def give_way(self) -> None:
        """Hands over because the log has no room here: to who has most of it, and to the next when that one has no room
        either."""
        to = self.successor(self._without_room)
        if to:
            self._without_room.add(to)
            self.transfer(to)
        else:
            self._without_room.clear()

    def successor(self, but: Collection[int] = ()) -> int:
        """The voter that has most of the log, without these; 0 = there is none that answers."""
        raft = self._raft
        since = raft.clock.monotonic_ns() - raft.timing.election_ns
        fit = [
            (peer.match, -id)
            for id, peer in self.progress.items()
            if id in raft.membership.voters and id not in but and peer.heard_ns >= since
        ]
        return -max(fit)[1] if fit else 0

    def _hand_over(self) -> None:
        to = self.transfer_to
        if to and self.progress[to].match == self._raft.log.last_index:
            self._raft.send(Kind.TIMEOUT_NOW, to)
