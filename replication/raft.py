"""Raft (Ongaro and Ousterhout, 2014, "the paper"; Ongaro's thesis, 2014): one member's side of it.

No I/O, no clock and no randomness of its own. Messages, the passing of time and what has become durable go in: `step`,
`tick`, `link_closed`, `propose`, `saved`, `written`, `synced`. What is to be done comes out: `ready`, `take_messages`,
`commit_index`. messages.Ready states the order.

    roles, terms, what is committed                   here (paper 5.1)
    what a leader does                                leading.py (paper 5.3 sender, 5.4.2)
    what a follower does                              following.py (paper 5.3 receiver)
    votes, and standing for election                  candidacy.py (paper 5.2, 5.4.1; thesis 9.6)
    what was durable and is lost                      repair.py
    the end of the log, and the terms of all of it    window.py

Unlike the paper's servers a member answers nothing but what is durable: an entry counts, the leader's own too, when
`synced` has reached it. Of a new term, or a vote, nobody hears before it is `saved`, and no entry of it is written.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from replication.candidacy import Candidacy, Voting, turn_ns
from replication.clock import Clock
from replication.following import hear
from replication.impossible import check
from replication.leading import Leading
from replication.membership import Membership, Refused
from replication.messages import Buffer, Entry, HardState, Kind, Message, Offer, Ready
from replication.repair import TICKETS, Repair
from replication.window import Window

NOTHING = Ready(None, None, ())
HANGING_ELECTIONS = 10  # election timeouts without a sync that was begun, after which a leader steps down
FROM_LEADER = (Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT)
PROMISES_NOTHING = (Kind.HEARTBEAT_ANSWER, Kind.READ)  # true whatever a start finds: these wait for no disk
FROM_STRANGER = (*FROM_LEADER, Kind.PRE_VOTE, Kind.VOTE, Kind.TIMEOUT_NOW, Kind.READ_ANSWER)


class Timing(NamedTuple):
    heartbeat_ns: int = 10_000_000
    election_ns: int = (
        100_000_000  # silence after which a leader is doubted; the wait has up to as much again added
    )


class Diverged(Exception):
    """Two logs have the same entry, term and index, with different contents: one of them is damaged. The process must
    stop; the text is for people."""


class Raft:
    """Invariants: term never falls; at most one vote a term; commit_index <= last_index, and what it covers never
    changes.

    memberships: of the log, each with its index, the first being in force before the log's first entry or at its start.
    promised: (term, index) of an entry that this member may have acknowledged and has not any more; (0, 0) = none.
    missing: of the last one that was durable here, when what was is gone; (0, 0) = nothing. Nobody gets a vote whose
    log does not reach it, this member itself included.
    lost: it may have acknowledged, and lost, more than anybody knows (repair.py).
    below: below(n) is a random number 0 <= r < n.
    """

    def __init__(
        self,
        me: int,
        hard: HardState,
        log: Window,
        commit_index: int,
        memberships: Sequence[tuple[int, Membership]],
        clock: Clock,
        below: Callable[[int], int],
        timing: Timing,
        promised: tuple[int, int] = (0, 0),
        missing: tuple[int, int] = (0, 0),
        *,
        lost: bool = False,
    ) -> None:
        self.me = me
        self.hard = hard
        self.log = log
        self.commit_index = commit_index
        self.memberships = list(memberships)
        self.membership = self.memberships[-1][1]
        self.clock = clock
        self.timing = timing
        self.leader = 0  # whom this member follows; itself while it leads
        self.leading: Leading | None = None
        self.candidacy: Candidacy | None = None
        self.reads: list[
            tuple[int, int]
        ] = []  # (ticket, index): reads that are linearizable once applied to index
        self.lazy = False  # nobody here waits to hear what is committed
        self.offers: Sequence[Offer] = ()  # snapshots that are here to be sent, the newest first
        self.chunks: list[Message] = []  # to be posted when their bytes were read
        self.arrived: list[Message] = []  # chunks of a snapshot that is wanted here, and questions about it
        self.repair = Repair(below(TICKETS)) if lost else None
        self.promised = promised
        self.missing = missing
        self._below = below
        self._saved = hard
        self._stays: int | None = None  # given up after it, not yet on the disk
        self._out: list[Message] = []
        self._held: dict[
            tuple[Kind, int], Message
        ] = {}  # until term and vote are durable: the last of each to each
        self.owed: tuple[int, int] | None = None  # (leader, index): acknowledged when it is durable
        self.lost_link = (0, 0)  # (leader, term) whose link closed
        self.voting = Voting(self)
        self.full = False  # the log has no room: nothing that this member proposed could be written
        self._unsynced_ns: int | None = None  # since when there is something written that is not synced
        self._heard_ns = self._ticked_ns = clock.monotonic_ns()
        self._stand_at = 0
        self._forget_memberships()
        self.wait_for_silence()

    # ---------------------------------------------------------------- out

    def ready(self, *, writing: bool = True) -> Ready:
        """What is to be done now. writing: whether the disk is free (no sync is under way)."""
        if self.leading is not None:
            self.leading.replicate()
        if not writing:
            return NOTHING
        if self.unsaved:
            return Ready(self.hard, None, ())
        stays, self._stays = self._stays, None
        return Ready(None, stays, self.log.unwritten)

    @property
    def unsaved(self) -> bool:
        """Whether term or vote is not durable yet."""
        return self.hard != self._saved

    def due(self, *, writing: bool) -> bool:
        """Whether `ready` or `take_messages` has something."""
        return (
            bool(self._out)
            or bool(self.chunks)
            or bool(self.arrived)
            or self.unsaved
            or (writing and self.unwritten)
        )

    @property
    def unwritten(self) -> bool:
        """Whether the log has to be written to, or shortened."""
        return bool(self.log.unwritten) or self._stays is not None

    def saved(self, hard: HardState) -> None:
        """Term and vote are durable, as they are now or as they were."""
        self._saved = hard
        if not self.unsaved:
            self._out += self._held.values()
            self._held.clear()

    def written(self, entries: Sequence[Entry]) -> None:
        """What the proposals of `ready` became. Raises Diverged."""
        if self._unsynced_ns is None:
            self._unsynced_ns = self.clock.monotonic_ns()
        if bad := self.log.written(entries):
            raise Diverged(
                f"entry {bad[0]} of term {entries[0].term}: its chain hash here is not the one its leader sent. One of "
                "the two logs is damaged: compare them with quorumbook verify, and restore the damaged one"
            )
        if self.leading is not None:
            self.leading.replicate()

    def synced(self, index: int) -> None:
        """Everything written up to `index` is durable."""
        log = self.log
        log.synced_index = max(log.synced_index, min(index, log.written_index))
        done = log.synced_index == log.written_index
        self._unsynced_ns = None if done else self.clock.monotonic_ns()
        if self.leading is not None:
            self.leading.commit()
            if self.leading is not None:
                self.leading.replicate()
        elif self.owed is not None:
            leader, owed = self.owed
            durable = min(owed, log.synced_index)
            if durable == owed:
                self.owed = None
            self.send(Kind.APPEND_ANSWER, leader, index=durable, lazy=self.lazy)

    def take_messages(self) -> list[Message]:
        out, self._out = self._out, []
        return out

    def send_snapshot(self, to: int, offer: Offer, offset: int, *, forced: bool = False) -> None:
        """A chunk, whose bytes are to be read first, or (forced) the question which one is wanted."""
        chunk = Message(
            Kind.SNAPSHOT, self.me, to, self.hard.term, offer.index, offer.term, offer.size,
            forced=forced, number=offset, hash=offer.digest,
        )  # fmt: skip
        if forced:
            self._send(chunk)
        else:
            self.chunks.append(chunk)

    def post(self, message: Message) -> None:
        """A chunk whose bytes were read."""
        if message.term == self.hard.term and self.leading is not None:
            self._send(message)

    def send(self, kind: Kind, to: int, **fields: Any) -> None:
        self._send(Message(kind, self.me, to, fields.pop("term", self.hard.term), **fields))

    def _send(self, message: Message) -> None:
        if self.unsaved and message.kind not in PROMISES_NOTHING:
            self._held[message.kind, message.to] = message
        else:
            self._out.append(message)

    # ---------------------------------------------------------------- in: the loop's side

    def propose(self, pieces: tuple[Buffer, ...]) -> int:
        """One entry; its index. Leaders only, and not while they hand over."""
        assert self.leading is not None, "only a leader proposes"
        return self.leading.propose(pieces)

    @property
    def proposing(self) -> bool:
        """Whether `propose` may be called."""
        return self.leading is not None and not self.leading.transfer_to

    def committed_alone(self, entry: Entry) -> None:
        """The only member made what `leading.stamped` gave durable: its own disk is a quorum's."""
        assert entry.index == self.commit_index + 1
        self.log.pass_over(entry)
        self.commit_index = entry.index

    def change(self, changed: Membership) -> int:
        """Proposes another membership, one member away from this one; the index of its entry. Raises Refused."""
        return self._must_lead().change(changed)

    def transfer(self, to: int) -> None:
        """Hands the leadership over. Raises Refused."""
        self._must_lead().transfer(to)

    def _must_lead(self) -> Leading:
        if self.leading is None:
            where = f"ask member {self.leader}" if self.leader else "no leader is known here"
            raise Refused(f"member {self.me} does not lead: {where}")
        return self.leading

    def read(self, ticket: int) -> None:
        """Asks for a linearizable read, under a ticket below repair.TICKETS; `reads` gets it when a quorum has
        confirmed the leader. It may be lost with a leader: ask again after a while."""
        if self.leading is not None:
            self.leading.read(self.me, ticket)
        elif self.leader:
            self.send(Kind.READ, self.leader, number=ticket)

    def tick(self) -> None:
        """Time has passed. To be called at least once a heartbeat interval, after what has arrived was stepped."""
        now = self.clock.monotonic_ns()
        if now - self._ticked_ns > 2 * self.timing.heartbeat_ns:
            # This process stood still. What came meanwhile may still be on its way up: one more look before a verdict.
            self._stand_at = max(self._stand_at, now + self.timing.heartbeat_ns)
        self._ticked_ns = now
        self.voting.expire(now)
        if self.repair is not None:
            self._see_to_repair(self.repair, now)
        if self.leading is not None:
            if self.disk_hangs:
                self.follow(self.hard.term, 0)
            else:
                self.leading.tick(now)
        elif now >= self._stand_at:
            self.stand()

    def _see_to_repair(self, repair: Repair, now: int) -> None:
        if repair.index is not None and min(self.commit_index, self.log.synced_index) >= repair.index:
            self.repair = None
        elif self.leader and repair.asks(now, self.timing.election_ns):
            self.send(Kind.READ, self.leader, number=repair.ticket)

    @property
    def disk_hangs(self) -> bool:
        """Whether nothing became durable for long, though something was written: a leader must let another one lead,
        because nothing of its own counts, and it takes no new entries meanwhile."""
        since = self._unsynced_ns
        patience = HANGING_ELECTIONS * self.timing.election_ns
        return since is not None and self.clock.monotonic_ns() - since >= patience

    def link_closed(self, peer: int) -> None:
        """The link to a peer is closed: by its end, not by ours."""
        if self.leading is not None:
            if peer in self.leading.progress:
                self.leading.progress[peer].cut_off()
        elif peer == self.leader and self.lost_link != (peer, self.hard.term):
            self.lost_link = (peer, self.hard.term)
            wait = turn_ns(self.me, peer, self.membership, self.timing.heartbeat_ns)
            self._stand_at = min(self._stand_at, self.clock.monotonic_ns() + wait)
            self.voting.reconsider()
            if wait == 0:
                self.stand()  # before the next tick

    # ---------------------------------------------------------------- roles

    def follow(self, term: int, leader: int) -> None:
        """Becomes, or stays, a follower."""
        if term > self.hard.term:
            self.hard = HardState(term, 0)
            self.voting.deferred.clear()
            self.owed = None
        if self.leading is not None:
            before, self.leading = self.leading.first_index - 1, None
            # Nobody has seen what it proposed and did not even write; what it was given before may be committed.
            self.give_up(max(self.log.written_index, before))
        self.candidacy = self.voting.kept = None
        self.leader = leader
        self.wait_for_silence()

    def wait_for_silence(self) -> None:
        """The election timer begins anew: a leader, or somebody who may become one, was heard."""
        self._heard_ns = now = self.clock.monotonic_ns()
        self._stand_at = now + self.timing.election_ns + self._below(self.timing.election_ns)

    @property
    def hears_leader(self) -> bool:
        """Whether a leader is there, as far as this member can tell: votes are disregarded then (thesis 4.2.3)."""
        if self.leading is not None:
            return True
        return (
            self.leader != 0
            and self.lost_link != (self.leader, self.hard.term)
            and self.clock.monotonic_ns() - self._heard_ns < self.timing.election_ns
        )

    @property
    def may_stand(self) -> bool:
        """A voter by the newest membership, or while its removal is not committed."""
        if self.me in self.membership.voters:
            return True
        committed = [kept for index, kept in self.memberships if index <= self.commit_index]
        return bool(committed) and self.me in committed[-1].voters

    @property
    def last(self) -> tuple[int, int]:
        """Term and index of the last entry: what logs are compared by."""
        return self.log.last_term, self.log.last_index

    @property
    def unrepaired(self) -> bool:
        """Whether something that was durable here may not have come back: then this member cannot lead."""
        return self.repair is not None or self.missing > self.last

    def stand(self, *, forced: bool = False) -> None:
        """Stands for election: a pre-vote first, unless the leader itself asked for it."""
        self.wait_for_silence()
        self.leader = 0
        if not self.may_stand or self.unrepaired or self.disk_hangs or self.full:
            return
        if forced:
            self.voting.campaign(forced=True)
        else:
            self.voting.ask_first()

    def lead(self) -> None:
        """The election is won."""
        self.candidacy = self.voting.kept = None
        self.leader = self.me
        self.leading = Leading(self)
        self.leading.beat()

    # ---------------------------------------------------------------- messages

    def step(self, m: Message) -> None:
        """A message has come. Raises Impossible, and nothing has changed; Diverged."""
        assert m.to == self.me
        check(self, m)
        if self._is_strange(m):
            return
        if m.term > self.hard.term and not self._newer_term(m):
            return
        if m.term < self.hard.term:
            self._older_term(m)
        elif m.kind in FROM_LEADER:
            hear(self, m)
        elif m.kind in (Kind.APPEND_ANSWER, Kind.HEARTBEAT_ANSWER, Kind.SNAPSHOT_ANSWER):
            if self.leading is not None:
                self.leading.answered(m)
        elif m.kind is Kind.PRE_VOTE:
            self.voting.pre_vote(m)
        elif m.kind is Kind.VOTE:
            self.voting.vote(m)
        elif m.kind in (Kind.PRE_VOTE_ANSWER, Kind.VOTE_ANSWER):
            self.voting.answered(m)
        elif m.kind is Kind.TIMEOUT_NOW:
            if m.sender == self.leader:
                self.stand(forced=True)
        elif m.kind is Kind.READ:
            if self.leading is not None:
                self.leading.read(m.sender, m.number)
        elif m.kind is Kind.READ_ANSWER:
            if m.number < TICKETS:
                self.reads.append((m.number, m.index))
            elif self.repair is not None:
                self.repair.answered(m.number, m.index)

    def _is_strange(self, m: Message) -> bool:
        """Whether it is not to be heard. Who is newer than all that this log knows may be a member by entries that are
        missing here (thesis 4.1): as long as nobody else leads, it may, or may want to."""
        if m.sender <= self.membership.last_id or self.me not in self.membership.ids:
            return False  # who was removed is answered, and its link closed
        return m.kind not in FROM_STRANGER or (self.hears_leader and m.sender != self.leader)

    def _newer_term(self, m: Message) -> bool:
        """Whether a message of a term above ours goes on."""
        if m.kind is Kind.PRE_VOTE or (m.kind is Kind.PRE_VOTE_ANSWER and not m.rejected):
            return True  # nobody is in that term yet
        if m.kind is Kind.VOTE and not m.forced and self.hears_leader:
            return False  # whoever disturbs is not heard while a leader is (thesis 4.2.3)
        self.follow(m.term, m.sender if m.kind in FROM_LEADER else 0)
        return True

    def _older_term(self, m: Message) -> None:
        """Who is behind learns the term."""
        if m.kind in FROM_LEADER:
            self.send(Kind.HEARTBEAT_ANSWER, m.sender)
        elif m.kind is Kind.PRE_VOTE:
            self.send(Kind.PRE_VOTE_ANSWER, m.sender, rejected=True)
        elif m.kind is Kind.VOTE:
            self.send(Kind.VOTE_ANSWER, m.sender, rejected=True)

    # ---------------------------------------------------------------- snapshots that come

    def answer_chunk(self, m: Message, wanted: int, *, again: bool) -> None:
        """What came up to `wanted` is durable. again: that is to be sent next, whatever was sent."""
        if m.term == self.hard.term:
            self.send(
                Kind.SNAPSHOT_ANSWER, m.sender, index=m.index, hash=m.hash, number=wanted, rejected=again
            )

    def wants(self, index: int, term: int) -> bool:
        """Whether a snapshot that ends with this entry still says more than the log."""
        log = self.log
        has = index <= log.last_index and log.term_at(index) == term
        return self.leading is None and index > self.commit_index and not has

    def install(self, log: Window, memberships: Sequence[tuple[int, Membership]]) -> None:
        """The log was given up, durably, for a snapshot that ends with this window's last entry (paper, section 7)."""
        assert self.leading is None
        assert log.last_index > self.commit_index
        self.log = log
        self.commit_index = log.last_index
        self.memberships = list(memberships)
        self.membership = self.memberships[-1][1]
        self._stays = self.owed = None
        self._end_promises(log.last_index)
        self.arrived.clear()
        if self.leader:
            self.send(Kind.APPEND_ANSWER, self.leader, index=log.last_index)

    # ---------------------------------------------------------------- the log

    def must_agree(self, index: int, chain_hash: bytes) -> None:
        """Raises Diverged."""
        own = self.log.hash_at(index)
        if own and chain_hash and own != chain_hash:
            if index == 1:
                raise Diverged(
                    f"entry 1 is not that of member {self.leader}, so this member began a cluster of its own: "
                    "--first-start was wrong here, because the cluster was there already, or cluster.members is not "
                    f"the same at all. Remove member {self.me} from the cluster, and add it under a new id, with an "
                    "empty directory, without --first-start"
                )
            raise Diverged(
                f"entry {index} has the same term here and at member {self.leader}, and another chain hash: one of the "
                "two logs is damaged. Compare them with quorumbook verify, and restore the damaged one"
            )

    def give_up(self, stays: int) -> None:
        """Entries after `stays` are not committed, and another leader's take their place."""
        assert stays >= self.commit_index, "a committed entry would be given up"
        if stays >= self.log.last_index:
            return
        if stays < self.log.written_index:
            self._stays = stays if self._stays is None else min(self._stays, stays)
        self.log.truncate(stays)
        while len(self.memberships) > 1 and self.memberships[-1][0] > stays:
            self.memberships.pop()
        self.membership = self.memberships[-1][1]

    # ---------------------------------------------------------------- commitment

    def committed(self, index: int) -> None:
        """Everything up to `index` is committed."""
        if index <= self.commit_index:
            return
        assert index <= self.log.last_index
        self.commit_index = index
        self._end_promises(index)
        self._forget_memberships()
        if self.leading is not None and self.me not in self.membership.voters and self._change_is_committed:
            self.leading.beat()  # who is left learns that it is committed
            self.follow(self.hard.term, 0)

    def _end_promises(self, index: int) -> None:
        """What was promised up to the committed entry `index` is here, or was never committed."""
        if self.promised[1] <= index:
            self.promised = (0, 0)
        if self.missing[1] <= index:
            self.missing = (0, 0)

    def _forget_memberships(self) -> None:
        """Those that a committed one has replaced; those after it may be given up yet."""
        while len(self.memberships) > 1 and self.memberships[1][0] <= self.commit_index:
            del self.memberships[0]

    @property
    def _change_is_committed(self) -> bool:
        return self.memberships[-1][0] <= self.commit_index

    def adopt(self, index: int, changed: Membership) -> None:
        """Goes by the membership of the entry at `index` from now on."""
        self.memberships.append((index, changed))
        self.membership = changed
        if self.leading is not None:
            self.leading.follow(changed)
