"""A cluster of Rafts in memory: logs that lose on a crash what is not synced, clocks that move when told, and a network
that is a list of messages. Nothing here is random or looks at the time: who drives it decides everything.
"""

import hashlib
from collections.abc import Callable

from replication import membership, sending
from replication.membership import Member, Membership
from replication.messages import Entry, HardState, Message, Offer, Proposal
from replication.raft import Raft, Timing
from replication.window import Window

GENESIS = bytes(32)
SNAPSHOT_BYTES = 5
MOST_AT_ONCE = 100  # entries in a batch
STRANGER = Membership(())  # what a member goes by before it has got a log


class LocalClock:
    """One member's own time."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns


class MemoryLog:
    """What a member has on its disk: entries of which the first `synced` survive a crash, and the hard state."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.synced = 0
        self.hard = HardState(0, 0)
        self.promised = (0, 0)  # (term, index) of an entry that was synced here, and was lost
        self.missing = (
            0,
            0,
        )  # of the last one that was synced here, when damage took what was: a start knows that
        self.lost = False  # as a start sees it that finds damage: nobody knows what it promised
        self.changes: list[int] = []  # indices of entries that are memberships
        self.begins_after = 0  # entries up to it are only there to be compared: the log begins behind them
        self.snapshots: list[Offer] = []  # the newest first
        self.part = (b"", 0)  # of a snapshot that comes: its digest, how much of it is there

    def write(self, proposals: list[Proposal]) -> list[Entry]:
        return [self.append(p.index, p.term, p.timestamp_ns, b"".join(p.pieces)) for p in proposals]

    def append(self, index: int, term: int, timestamp_ns: int, payload: bytes) -> Entry:
        assert index == len(self.entries) + 1
        previous = self.entries[-1].chain_hash if self.entries else GENESIS
        text = b"%d %d %d " % (index, term, timestamp_ns)
        chain_hash = hashlib.sha256(previous + text + payload).digest()
        self.entries.append(Entry(index, term, timestamp_ns, memoryview(payload), chain_hash))
        if membership.decode(payload) is not None:
            self.changes.append(index)
        return self.entries[-1]

    def give_up(self, stays: int) -> None:
        """Durably, as Ready demands."""
        del self.entries[stays:]
        self.changes = [index for index in self.changes if index <= stays]
        self.synced = min(self.synced, stays)

    def lose(self, stays: int) -> None:
        """What must not happen, and does: durable entries are gone; a snapshot is left."""
        stays = max(stays, self.begins_after)
        if stays >= self.synced:
            return
        last = self.entries[self.synced - 1]
        self.promised = max(self.promised, (last.term, last.index))
        self.give_up(stays)

    def rot(self, stays: int) -> None:
        """Durable entries are gone, and what was whole behind the damage says how far they went."""
        stays = max(stays, self.begins_after)
        if stays >= self.synced:
            return
        last = self.entries[self.synced - 1]
        self.missing = max(self.missing, (last.term, last.index))
        self.give_up(stays)

    def damage(self, stays: int) -> None:
        """The same, and nobody can tell how many there were."""
        self.lost = True
        self.give_up(max(stays, self.begins_after))


class Replica:
    """One member: a Raft, its disk, its clock. Obeys Ready."""

    def __init__(self, cluster: "Cluster", id: int, born: Membership) -> None:
        self.cluster = cluster
        self.id = id
        self.born = born
        self.clock = LocalClock()
        self.disk = MemoryLog()
        self.up = False
        self.start()

    def start(self) -> None:
        """Everything that the disk has is durable by now."""
        entries = self.disk.entries
        self.disk.synced = len(entries)
        begins = self.disk.begins_after
        before = entries[begins - 1].chain_hash if begins else GENESIS
        last_ns = entries[-1].timestamp_ns if entries else 0
        log = Window(self._terms(), len(entries), last_ns, before, self._fetch)
        log.recovered(entries[begins:])
        log.begins_after = begins
        found = [(index, membership.decode(entries[index - 1].payload)) for index in self.disk.changes]
        self.raft = self.cluster.raft_class(
            self.id,
            self.disk.hard,
            log,
            begins,
            [(0, self.born), *((index, changed) for index, changed in found if changed is not None)],
            self.clock,
            lambda n: self.cluster.below(self.id, n),
            Timing(),
            self.disk.promised,
            self.disk.missing,
            lost=self.disk.lost,
        )
        self.raft.offers = self.disk.snapshots
        self.up = True
        self.syncing = False
        self.saving: HardState | None = None  # what the sync is of; None: of entries
        self.applied = 0
        self.whole: Message | None = None  # the last chunk of a snapshot that came whole
        self.turn()

    def _fetch(self, index: int, max_bytes: int) -> list[Entry]:
        assert index > self.disk.begins_after, f"entry {index} is not in the log any more"
        return self.disk.entries[index - 1 : index + 3]

    def crash(self, survive: int = 0, *, saves: bool = False) -> None:
        """survive: how many of the entries that are not synced reached the disk all the same; saves: whether a term and
        vote did."""
        self.up = False
        if saves and self.saving is not None:
            self.disk.hard = self.saving
        self.disk.give_up(self.disk.synced + survive)

    def turn(self) -> None:
        """Does what Raft wants done, short of the sync."""
        raft, disk = self.raft, self.disk
        ready = raft.ready(writing=not self.syncing)
        if ready.hard_state is not None:
            self.saving, self.syncing = ready.hard_state, True
        if ready.stays is not None:
            disk.give_up(ready.stays)
        if ready.proposals:
            assert ready.proposals[-1].term <= disk.hard.term, "an entry of a term that is not saved"
            raft.written(disk.write(list(ready.proposals[: self.cluster.batch])))
            self.syncing = True
        self._carry_on()
        self._out()

    def snapshot(self, index: int) -> None:
        """Makes one of what is committed. Its bytes stand for the entries, which the cluster keeps for it."""
        entry = self.disk.entries[index - 1]
        self.cluster.files[entry.chain_hash] = self.disk.entries[:index]
        self.disk.snapshots.insert(0, Offer(index, entry.term, entry.chain_hash, SNAPSHOT_BYTES))
        del self.disk.snapshots[2:]

    def compact(self, index: int) -> None:
        """The log begins behind `index` from now on."""
        assert any(index <= offer.index for offer in self.disk.snapshots)
        self.disk.begins_after = self.raft.log.begins_after = index

    def _carry_on(self) -> None:
        """With snapshots, as transfer.py does; what is written here is durable at once."""
        raft, disk = self.raft, self.disk
        chunks, raft.chunks = raft.chunks, []
        for m in chunks:
            raft.post(m._replace(data=bytes(min(sending.CHUNK_BYTES, m.commit - m.number))))
        arrived, raft.arrived = raft.arrived, []
        for m in arrived:
            digest, length = disk.part
            if digest != m.hash:
                disk.part = (m.hash, length := 0)
            if m.forced or m.number != length:
                raft.answer_chunk(m, length, again=True)
            else:
                length += len(m.data)
                disk.part = (m.hash, length)
                raft.answer_chunk(m, length, again=False)
            if length == m.commit:
                self.whole = m
        if self.whole is not None and not self.syncing and not raft.unsaved:
            m, self.whole = self.whole, None
            if raft.wants(m.index, m.log_term):
                self._install(m)

    def _install(self, m: Message) -> None:
        disk = self.disk
        self.cluster.installed += 1
        disk.entries = list(self.cluster.files[m.hash])
        disk.synced = disk.begins_after = m.index
        disk.snapshots[:] = [Offer(m.index, m.log_term, m.hash, m.commit)]
        disk.part = (b"", 0)
        found = [(entry.index, membership.decode(entry.payload)) for entry in disk.entries]
        changes = [(index, changed) for index, changed in found if changed is not None]
        disk.changes = [index for index, _ in changes]
        last = disk.entries[-1]
        log = Window(self._terms(), m.index, last.timestamp_ns, last.chain_hash, self._fetch)
        log.begins_after = m.index
        self.raft.install(log, changes[-1:] or [(0, self.born)])

    def _terms(self) -> list[tuple[int, int]]:
        terms = [entry.term for entry in self.disk.entries]
        return [(i, term) for i, term in enumerate(terms, 1) if i == 1 or term != terms[i - 2]]

    def sync(self) -> None:
        if self.syncing:
            self.syncing = False
            if self.saving is not None:
                self.disk.hard, self.saving = self.saving, None
                self.raft.saved(self.disk.hard)
            else:
                self.disk.synced = len(self.disk.entries)
                self.raft.synced(self.disk.synced)
            self._out()

    def _out(self) -> None:
        for message in self.raft.take_messages():
            self.cluster.post(message)
        self.raft.log.shrink(min(self.raft.commit_index, self.disk.synced))
        self.disk.lost = self.raft.repair is not None
        if self.disk.promised[1] and self.raft.commit_index >= self.disk.promised[1]:
            self.disk.promised = (0, 0)
        if self.disk.missing[1] and min(self.raft.commit_index, self.disk.synced) >= self.disk.missing[1]:
            self.disk.missing = (0, 0)
        self.cluster.watch(self)

    def step(self, message: Message) -> None:
        self.raft.step(message)
        self.turn()

    def tick(self, ns: int) -> None:
        """This member's time passes."""
        self.clock.now_ns += ns
        if self.up:
            self.raft.tick()
            self.turn()


def voters(ids: range) -> Membership:
    return Membership(tuple(Member(id, f"host{id}", voter=True) for id in ids))


class Cluster:
    """watch(replica) is called whenever a member has changed. below(id, n) is what the member gets for a random number.
    batch: how many entries a member writes at once. sent: every message and whether it was lost at once, until somebody
    takes it."""

    def __init__(
        self,
        size: int,
        *,
        below: Callable[[int, int], int],
        watch: Callable[[Replica], None],
        raft_class: type[Raft] = Raft,
    ) -> None:
        self.below = below
        self.watch = watch
        self.raft_class = raft_class
        self.network: list[Message] = []
        self.cut: set[tuple[int, int]] = set()  # (sender, to): messages are lost
        self.sent: list[tuple[Message, bool]] = []
        self.replicas: dict[int, Replica] = {}
        self.batch = MOST_AT_ONCE
        self.installed = 0  # snapshots that came from another member
        self.files: dict[bytes, list[Entry]] = {}  # what snapshots stand for, by digest
        born = voters(range(1, size + 1))
        for id in sorted(born.ids):
            self.join(id, born)

    def join(self, id: int, born: Membership = STRANGER) -> None:
        self.replicas[id] = Replica(self, id, born)

    @property
    def up(self) -> list[Replica]:
        return [replica for replica in self.replicas.values() if replica.up]

    @property
    def leaders(self) -> list[Replica]:
        return [replica for replica in self.up if replica.raft.leading is not None]

    def post(self, message: Message) -> None:
        lost = (message.sender, message.to) in self.cut or message.to not in self.replicas
        self.sent.append((message, lost))
        if not lost:
            self.network.append(message)

    def deliver(self, message: Message) -> None:
        """One that is taken from the network already."""
        replica = self.replicas[message.to]
        if replica.up:
            replica.step(message)

    def partition(self, *groups: set[int]) -> None:
        """Only members of one group reach each other; what is on its way between groups is lost."""
        group_of = {id: number for number, group in enumerate(groups) for id in group}
        self.cut = {
            (a, b) for a in self.replicas for b in self.replicas if group_of.get(a) != group_of.get(b)
        }
        self.network = [m for m in self.network if (m.sender, m.to) not in self.cut]
