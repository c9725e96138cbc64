"""One replica's log at work: proposals and messages in, committed entries and messages out. Obeys Raft's Ready, in its
order, here and only here.

The only voter of a cluster syncs inline: nothing else could be done meanwhile, and a thread hop would cost more than it
saves. Among several the sync runs beside the loop, of batches and of term and vote: `sync_descriptor` becomes readable
when it is done, and heartbeats never wait behind a disk.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from replication import membership
from replication.clock import Clock
from replication.files import Disk, LogError, LogFailed, LogUnavailable
from replication.impossible import Impossible
from replication.log import Log
from replication.membership import Membership, Refused, of_one
from replication.messages import Buffer, Entry, HardState, Message, Proposal
from replication.progress import Progress
from replication.raft import Raft, Timing
from replication.retention import Retention
from replication.salvage import salvage
from replication.snapshots import Snapshot, newest_first, state_of
from replication.starting import Starting
from replication.transfer import Transfer
from replication.wal import DATA, ENTRY_BYTES, Cut, batch_end

SEGMENT_BYTES = 64 << 20
MAX_ENTRY_BYTES = 4 << 20
IN_DOUBT_BYTES = 16 << 20  # not yet committed: no more is proposed


class Node:
    """Not thread-safe: one loop calls it.

    Start: `open`; if one of `snapshots()` can be used, restore its state and `start_from` it; apply
    `committed_pieces()`, then call `turn`. In a cluster of one the first turn begins a new term and gives its no-op.
    After LogFailed the process must stop: nothing here works any more.

    me: this member's id. origin: the membership of a log that names none: of_one() for a cluster of one, no members for
    a member of a larger one, which waits to be added. birth: what the empty log of a new cluster begins with, the same
    at each of its members. below: below(n) is a random number 0 <= r < n.
    """

    def __init__(
        self,
        disk: Disk,
        log: Log,
        clock: Clock,
        max_entry_bytes: int,
        me: int,
        below: Callable[[int], int],
        timing: Timing,
        origin: Membership,
        discards: bool,
    ) -> None:
        self._disk = disk
        self._log = log
        self._clock = clock
        self._max_entry_bytes = max_entry_bytes
        self.me = me
        self._below = below
        self._timing = timing
        self._start = Starting(log, me, origin)
        self._raft: Raft | None = None  # exists when the log was read
        self._given_index = 0  # through which entries were given to be applied
        self._in_doubt: deque[tuple[int, int]] = deque()  # (index, bytes) proposed here, not committed
        self._in_doubt_bytes = 0
        self._queue: deque[Buffer] = deque()
        self.queued_bytes = 0  # proposed and not yet in an entry
        self.messages: list[Message] = []  # to be sent, in this order, before anything else waits
        self.notes: list[str] = []  # what is wrong with snapshots, for people
        self.installed: Snapshot | None = None  # replaces all that was applied; whoever does that takes it
        self._transfer = Transfer(disk, log.cluster, self.notes)
        self._retention = Retention(disk, log, self.notes, discards=discards)
        self._arrived: Snapshot | None = None  # whole, to be installed

    @classmethod
    def open(
        cls,
        disk: Disk,
        *,
        clock: Clock,
        segment_bytes: int = SEGMENT_BYTES,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        me: int = 1,
        below: Callable[[int], int] = lambda n: 0,
        timing: Timing = Timing(),  # noqa: B008 (immutable)
        origin: Membership = of_one(),  # noqa: B008
        birth: Membership | None = None,
        cluster: bytes | None = None,
        repair: bool = False,
        discards: bool = False,
    ) -> "Node":
        """Locks the directory and recovers. birth: written into a log that never had an entry, and never promised
        anything. discards: entries that the older of two snapshots holds are removed, a
        segment at a time. repair: what was durable here and is lost or damaged now is given up, and
        comes again from the other members. Raises LogInUse, LogUnavailable, LostData, LogDamaged, LogFailed."""
        if batch_end(DATA, [max_entry_bytes]) > segment_bytes:
            raise ValueError(f"a segment of {segment_bytes} bytes cannot hold an entry of {max_entry_bytes}")
        try:
            disk.lock()
        except OSError as error:
            raise LogUnavailable(disk.path(""), error) from None
        try:
            if repair:
                salvage(disk, segment_bytes)
            log = Log.open(disk, clock, segment_bytes, cluster)
            promised = log.promised is not None or log.hard_state not in (HardState(0, 0), HardState(1, 0))
            if birth is not None and log.position.index == 0 and not promised:
                log.save(HardState(1, 0))
                log.append([Proposal(1, 1, 0, (membership.encode(birth),))], 0)
                log.sync()
            return cls(disk, log, clock, max_entry_bytes, me, below, timing, origin, discards)
        except LogError:
            disk.close()
            raise
        except OSError as error:  # of the repair
            disk.close()
            raise LogUnavailable(disk.path(""), error) from None

    # ------------------------------------------------------------ starting

    def snapshots(self, passed_over: Callable[[str], None]) -> Iterator[Snapshot]:
        """What a start may begin with, the newest first; each was read whole. passed_over: told, for people, of each
        that is damaged."""
        for snapshot in newest_first(self._disk, passed_over):
            if snapshot.index >= self._log.begins_after:  # the log goes on from there
                yield snapshot

    def state_of(self, snapshot: Snapshot) -> Iterator[bytes]:
        """The application's bytes, in pieces. Raises LogDamaged, OSError."""
        return state_of(self._disk, snapshot.name)

    def start_from(self, snapshot: Snapshot) -> None:
        """The state was restored from it: a start goes on behind it. Raises LostData, LogError."""
        self._start.start_from(self._disk, snapshot)
        self._retention.kept = [snapshot]

    def committed_pieces(self) -> Iterator[list[Entry]]:
        """The entries that are known to be committed, from the first (or from the snapshot that the start began with)
        on, many at a time, verified: what a start applies. Of a cluster of one that is every entry. Raises LostData,
        LogDamaged; LogError when the snapshot is of another history."""
        return self._start.pieces() if self._raft is None else self._start.pieces_again(self.commit_index)

    def committed(self, from_index: int = 1) -> Iterator[Entry]:
        """As `committed_pieces`, one by one, from `from_index`."""
        for entries in self.committed_pieces():
            yield from (entry for entry in entries if entry.index >= from_index)

    def begin(self) -> None:
        """Ends the start; the first turn does it, too. Raises LostData, LogDamaged."""
        self._start.read()
        self._raft, self._given_index = self._start.end(
            self._clock, self._below, self._timing, lost=self.lost
        )
        self._raft.offers = self._retention.offers()

    def stand_alone(self) -> int:
        """Makes this member the only one, durably, without asking anybody. Instead of `begin`: then close, and open
        again. Everything in its log becomes committed; what only others had never comes back. The index of the entry
        that says so. Raises Refused, LostData, LogDamaged, LogFailed."""
        return self._start.stand_alone(self._clock)

    @property
    def promised(self) -> tuple[int, int | None] | None:
        """Entries that are gone here, from and to (None: nobody knows how far), and may have been acknowledged; a
        leader may bring them back, and has when an entry past them is committed."""
        cut = self._log.promised
        if cut is None or not cut.first_index <= cut.last_index > self.commit_index:
            return None
        return cut.first_index, None if cut.lost else cut.last_index

    @property
    def lost(self) -> bool:
        """Whether this member lost durable data, nobody knows how much, and decides nothing until a leader has repaired
        it."""
        cut = self._log.promised
        return cut is not None and cut.lost

    @property
    def missing(self) -> int:
        """The last entry that was durable here, and is gone: this member votes only for one whose log reaches it. 0:
        none, or it has come back."""
        raft = self._raft
        return raft.missing[1] if raft is not None and raft.missing > raft.last else 0

    @property
    def known_members(self) -> Membership:
        """By the log, as far as a start has read it."""
        return self._start.members

    # ------------------------------------------------------------ the loop's side

    def propose(self, payload: Buffer) -> None:
        """Queues one payload. The payloads of a turn become ONE entry, end to end in this order, as many as
        fit into it; none is cut. `payload` must not change until a turn took it: `queued_bytes` is 0 then.

        Leaders only: what is queued when this member ceases to lead is dropped. Raises ValueError when it is longer
        than an entry may be, or reads like an entry of replication's own.
        """
        size = len(payload)
        if size > self._max_entry_bytes:
            raise ValueError(f"a payload of {size} bytes; an entry holds at most {self._max_entry_bytes}")
        if membership.is_membership(payload):
            raise ValueError("a payload that begins as the log's own entries do")
        self._queue.append(payload)
        self.queued_bytes += size

    def step(self, message: Message) -> None:
        """A message of another member. Raises Impossible, and nothing has changed; Diverged: stop the process."""
        for entry in message.entries:
            if len(entry.payload) > self._max_entry_bytes:
                raise Impossible(
                    f"entry {entry.index} has {len(entry.payload)} bytes; it holds at most {self._max_entry_bytes}"
                )
        self._running.step(message)

    def tick(self) -> None:
        """Time has passed: once a heartbeat interval, after what had arrived was stepped. Who leads and has no room
        hands over to one that has."""
        raft = self._running
        raft.full = not self.alone and self._log.why_not is not None
        raft.tick()
        if raft.full and raft.leading is not None and not raft.leading.transfer_to:
            raft.leading.give_way()

    def link_closed(self, peer: int) -> None:
        """The link to a peer was closed by its end."""
        self._running.link_closed(peer)

    def take_sync(self) -> None:
        """The sync beside the loop may be done. Raises LogFailed."""
        log = self._log
        saving = log.saving
        if not log.syncing or not log.finish_sync():
            return
        if saving:
            self._running.saved(log.hard_state)
        else:
            self._running.synced(log.proven_index)

    def relay(self) -> None:
        """Gives `messages` that need nothing done before they leave. A turn is for what needs more; a new term or vote
        begins to be saved before it."""
        raft = self._running
        if raft.unsaved and not self._log.syncing and not self.alone:
            with suppress(LogFailed):  # the turn says it
                self._log.start_save(raft.hard)
        self.messages += raft.take_messages()

    @property
    def due(self) -> bool:
        """Whether a turn would do something, now that messages were stepped or a sync was taken."""
        raft = self._running
        return (
            bool(self._queue)
            or raft.due(writing=not self._log.syncing)
            or self._transfer.busy
            or self._arrived is not None
            or self._given_index < min(raft.commit_index, raft.log.written_index)
        )

    def be_lazy(self, lazy: bool) -> None:
        """Whether it is enough for this member to hear of commitment with the next append, or heartbeat: nobody waits
        here. It spares a leader and this member a message for each commitment."""
        self._running.lazy = lazy

    def turn(self) -> list[Entry]:
        """Makes what is queued durable and gives the entries that may now be applied, in order.

        Gives nothing while there is no room for them (`why_not` says why): what is queued stays queued.
        Raises LogFailed, Diverged: stop the process.
        """
        self._log.poll()
        if self._raft is None:
            self.begin()
        raft, alone = self._running, self.alone  # as this turn began: a sync that ends in it gives entries
        self.take_sync()
        if self.lost and raft.repair is None and not self._log.syncing:
            self._log.repaired()
        return self._turn_alone(raft) if alone else self._turn_together(raft)

    @property
    def _running(self) -> Raft:
        assert self._raft is not None, "begin() comes first"
        return self._raft

    def _turn_alone(self, raft: Raft) -> list[Entry]:
        log = self._log
        committed: list[Entry] = []
        if raft.leading is None:
            if raft.unrepaired or not log.make_room([0]):
                return []
            committed = self._begin_alone(raft)
        if not self._queue:
            log.prove()
            return committed
        pieces, size = self._next_pieces()
        if log.make_room([size]):
            assert raft.leading is not None
            entries = log.append((raft.leading.stamped(pieces),), raft.commit_index)
            log.sync()
            raft.committed_alone(entries[0])
            self._take(pieces, size)
            self._given_index = log.commit_index = raft.commit_index
            committed += entries
        return committed

    def _begin_alone(self, raft: Raft) -> list[Entry]:
        """A new term, and its no-op."""
        raft.full = False
        raft.stand()
        if raft.unsaved:
            self._log.save(raft.hard)
            raft.saved(raft.hard)
        ready = raft.ready()
        entries = self._log.append(ready.proposals, raft.commit_index)
        raft.written(entries)
        self._log.sync()
        raft.synced(entries[-1].index)
        assert raft.commit_index == entries[-1].index
        self._log.settle(raft.commit_index)
        given, self._given_index = self._given_index, raft.commit_index
        return raft.log.between(given, raft.commit_index)

    def _turn_together(self, raft: Raft) -> list[Entry]:
        log = self._log
        if raft.leading is None:
            self._drop()
        elif self._queue and not log.syncing and raft.proposing and self._in_doubt_bytes < IN_DOUBT_BYTES:
            self._propose(raft)
        if raft.chunks or raft.arrived or self._transfer.busy or self._arrived is not None:
            self._carry_on(raft)
        self._obey(raft)
        return self._committed(raft)

    def _drop(self) -> None:
        """What this member cannot propose any more: whoever wants it proposes it to the next leader."""
        self._queue.clear()
        self.queued_bytes = 0
        self._in_doubt.clear()
        self._in_doubt_bytes = 0

    def _propose(self, raft: Raft) -> bool:
        """One entry of what is queued, if there is room."""
        pieces, size = self._next_pieces()
        if not self._log.make_room([size]):
            return False
        index = raft.propose(pieces)
        self._take(pieces, size)
        self._in_doubt.append((index, size))
        self._in_doubt_bytes += size
        return True

    def _take(self, pieces: tuple[Buffer, ...], size: int) -> None:
        for _ in pieces:
            self._queue.popleft()
        self.queued_bytes -= size

    def _next_pieces(self) -> tuple[tuple[Buffer, ...], int]:
        size = self.queued_bytes
        if size <= self._max_entry_bytes:
            return tuple(self._queue), size
        pieces: list[Buffer] = []
        size = 0
        for piece in self._queue:
            if size + len(piece) > self._max_entry_bytes:
                break
            pieces.append(piece)
            size += len(piece)
        return tuple(pieces), size

    def _obey(self, raft: Raft) -> None:
        """messages.Ready states the order."""
        log = self._log
        ready = raft.ready(writing=not log.syncing)
        if ready.hard_state is not None:
            log.start_save(ready.hard_state)
        if ready.stays is not None:
            log.truncate(ready.stays)
        if ready.proposals:
            self._write(raft, ready.proposals)
        self.messages += raft.take_messages()

    def _write(self, raft: Raft, proposals: Sequence[Proposal]) -> None:
        """A batch of as many as fit; the others come with the next."""
        sizes: list[int] = []
        room = (
            self._max_entry_bytes
        )  # for one entry there is always room in a segment; for several so much of it
        for proposal in proposals:
            size = sum(map(len, proposal.pieces))
            room -= size + ENTRY_BYTES + 8
            if sizes and room < 0:
                break
            sizes.append(size)
        if self._log.make_room(sizes):
            raft.written(self._log.append(proposals[: len(sizes)], raft.commit_index))
            self._log.start_sync()
            self.take_sync()  # a disk that need not sync is done

    def _committed(self, raft: Raft) -> list[Entry]:
        through = min(raft.commit_index, raft.log.written_index)
        if through <= self._given_index:
            return []
        entries = raft.log.between(self._given_index, through)
        self._given_index = through
        self._log.settle(min(through, self._log.proven_index))
        raft.log.shrink(min(through, self._log.proven_index))
        while self._in_doubt and self._in_doubt[0][0] <= through:
            self._in_doubt_bytes -= self._in_doubt.popleft()[1]
        return entries

    # ------------------------------------------------------------ the operator's side

    def change(self, changed: Membership) -> int:
        """Proposes another membership; the index of its entry. Raises membership.Refused."""
        return self._running.change(changed)

    def transfer(self, to: int = 0) -> int:
        """Hands the leadership to a member (0: the one that has most of the log); which. Raises membership.Refused."""
        raft = self._running
        if not to and raft.leading is not None:
            to = raft.leading.successor()
            if not to:
                raise Refused("no other voter answers: there is nobody to hand over to")
        raft.transfer(to)
        return to

    def read(self, ticket: int) -> None:
        """Asks for a linearizable read: `take_reads` gives (ticket, index) when a quorum has confirmed the leader; what
        is applied up to index then holds everything that was acknowledged before. Ask again when a leader was lost."""
        self._running.read(ticket)

    def take_reads(self) -> list[tuple[int, int]]:
        found, self._running.reads = self._running.reads, []
        return found

    # ------------------------------------------------------------ snapshots

    def look_at_snapshots(self) -> None:
        """Now and then: another process may have made one. It is read beside the loop, and what may go of the log goes.
        Raises OSError."""
        if self._retention.look(self.commit_index) and self._raft is not None:
            self._raft.offers = self._retention.offers()
            self._raft.log.begins_after = self._log.begins_after

    def _carry_on(self, raft: Raft) -> None:
        """With snapshots that are sent, and one that comes; when it is whole, no sync is under way and its term is
        durable, it is installed."""
        self._arrived = self._transfer.turn(raft) or self._arrived
        if self._arrived is None or self._log.syncing or raft.unsaved:
            return
        arrived, self._arrived = self._arrived, None
        if raft.wants(arrived.index, arrived.header.position.term):
            self._install(raft, arrived)

    def _install(self, raft: Raft, arrived: Snapshot) -> None:
        """Paper, section 7: the log is given up for a snapshot. Who applies entries restores `installed` first."""
        self._retention.finish(self.commit_index)
        installed = self._log.renew(arrived)
        self._retention.kept = [installed]
        self._start.go_on_behind(arrived.header)
        raft.install(self._start.window(), self._start.memberships)
        raft.offers = self._retention.offers()
        self._given_index = installed.index
        self.installed = installed

    # ------------------------------------------------------------ what is known

    @property
    def started_from(self) -> int:
        """The entry of the snapshot that this log, as it is applied here, goes on behind; 0 = from entry 1."""
        return self._start.after.index if self._start.after is not None else 0

    @property
    def written_bytes(self) -> int:
        """Of the log, gone segments too."""
        return self._log.written_bytes

    @property
    def covered_bytes(self) -> int:
        """Of written_bytes, those that no start needs beside the newest snapshot, at least."""
        return self._retention.covered_bytes

    @property
    def begins_after(self) -> int:
        """The index before the first entry that is in the log."""
        return self._log.begins_after

    @property
    def membership(self) -> Membership:
        return self._running.membership

    @property
    def possible_members(self) -> dict[int, str]:
        """By id, with their addresses: of every membership that is in force, or may be again because the change that
        replaced it is not committed."""
        return {id: address for _, known in self._running.memberships for id, address, _ in known.members}

    @property
    def membership_index(self) -> int:
        """Of the entry that says so; above commit_index while a change is on its way."""
        return self._running.memberships[-1][0]

    @property
    def progress(self) -> dict[int, Progress]:
        """What a leader knows of the others; empty at others."""
        leading = self._running.leading
        return leading.progress if leading is not None else {}

    @property
    def alone(self) -> bool:
        """Whether this is the only member, and nothing is on its way that others took part in."""
        raft = self._raft
        if raft is None or raft.unwritten or self._log.syncing or self._given_index < raft.commit_index:
            return False
        return raft.membership.ids == {self.me}

    @property
    def leader(self) -> int:
        """The member that leads, as far as is known here; 0 = nobody."""
        return self._raft.leader if self._raft is not None else 0

    @property
    def commit_index(self) -> int:
        return self._raft.commit_index if self._raft is not None else self._log.commit_index

    @property
    def sync_descriptor(self) -> int:
        """Readable when a sync beside the loop is done: take a turn."""
        return self._disk.sync_descriptor()

    @property
    def cluster(self) -> bytes:
        return self._log.cluster

    @property
    def directory(self) -> bytes:
        """16 random bytes, made with the data directory."""
        return self._log.directory

    @property
    def starts(self) -> int:
        """How often the data directory was opened to be written to."""
        return self._log.starts

    @property
    def last_index(self) -> int:
        return self._log.position.index

    @property
    def chain_hash(self) -> bytes:
        """Of the last entry: two logs with the same one are the same log."""
        return self._log.position.hash

    @property
    def role(self) -> str:
        """leader, candidate, follower or learner."""
        raft = self._raft
        if raft is None:
            return "follower"
        if raft.leading is not None:
            return "leader"
        if raft.candidacy is not None:
            return "candidate"
        return "follower" if self.me in raft.membership.voters else "learner"

    @property
    def term(self) -> int:
        return self._raft.hard.term if self._raft is not None else self._log.hard_state.term

    @property
    def accepting(self) -> bool:
        """Whether input may be taken. False when the next segment cannot be reserved; tried again every
        second, as long as somebody asks or takes turns."""
        if self._log.work_due:
            with suppress(LogFailed):  # which is in why_not
                self._log.poll()
        return self.why_not is None

    @property
    def why_not(self) -> str | None:
        """Why no input may be taken, for people."""
        if self._raft is not None and self._raft.unrepaired and self.alone:
            return (
                "this member lost what it had acknowledged, and there is no other voter to repair it from: quorumbook "
                "recover goes on with what is left"
            )
        return self._log.why_not

    @property
    def cut(self) -> Cut | None:
        """The torn, never acknowledged batch that this start removed from the end of the log: to be
        traced."""
        return self._log.cut

    def close(self) -> None:
        """Ends cleanly and unlocks the directory."""
        try:
            self._retention.finish(self.commit_index)
            self._transfer.close()
            self._log.close()
        finally:
            self._disk.close()
