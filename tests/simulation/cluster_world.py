"""A cluster of real replicas with clients, in one process, under virtual time; a seed decides everything.

Each host runs the real Replica, Node, Log and Connections on a simulated disk; only sockets and clocks are false. The
network keeps what TCP keeps, order within a link, and besides loses, delays and repeats Raft's messages. What has to
hold is checked at every step (judge.py has what is checked at the end).
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

from cluster_client import Client
from simulated_disk import Crash, SimulatedDisk, SimulatedFile

from gateway.config import Cluster, parse
from gateway.connections import Connections
from gateway.egress_file import EgressFile
from gateway.feed import HEADER
from gateway.member_admin import MemberAdmin
from gateway.replica import Replica
from gateway.snapshot_maker import Maker
from replication.files import File, LogDamaged, LogError
from replication.membership import Member, Membership, Refused
from replication.messages import Entry, Message
from replication.node import Node
from replication.raft import Timing
from replication.snapshots import SNAPSHOT_NAME
from replication.wire import FRAME_BYTES, decode_message, encode_message

MS = 1_000_000
SECOND = 1_000 * MS
SEGMENT_BYTES = 160 << 10
ROOM = 1 << 40  # bytes of a disk
MOST_MEMBERS = 5
ENTRY_BYTES = 128 << 10
CLUSTER = bytes(range(16))
CONFIG = """
[exchange]
cancel_on_disconnect = true
grace_ms = 1500
[[instruments]]
symbol = "AAPL"
[[instruments]]
symbol = "MSFT"
"""


class HostClock:
    """Of one machine: it drifts, and somebody sets its wall clock."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.drift = world.chance.uniform(0.999, 1.001)
        self.wall_offset_ns = world.chance.randrange(-2 * SECOND, 2 * SECOND)

    def monotonic_ns(self) -> int:
        return 10 * SECOND + int(self._world.now * self.drift)

    def wall_ns(self) -> int:
        return 1_700_000_000 * SECOND + self._world.now + self.wall_offset_ns


class Transport:
    """A client's connection as its gateway sees it."""

    def __init__(self, host: "Host", client: Client) -> None:
        self.host = host
        self.client = client
        self.number = 0
        self.open = True

    def write(self, data: bytes) -> None:
        if self.open:
            world = self.host.world
            delay = world.delay()
            self.client.arrives = max(self.client.arrives + 1, world.now + delay)
            world.at(self.client.arrives, lambda: self.client.received(self, bytes(data)))

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        if self.open:
            self.open = False
            world = self.host.world
            self.client.arrives = max(self.client.arrives + 1, world.now + world.delay())
            world.at(self.client.arrives, lambda: self.client.lost(self))

    abort = close


class Resends:
    """The egress store's file: no part of what is durable, and begun anew with every start."""

    path = "egress"

    def __init__(self) -> None:
        self._data = bytearray()

    def truncate(self, size: int) -> None:
        pass

    def reserve(self, size: int) -> None:
        pass

    def pwrite(self, data: bytes, offset: int) -> None:
        self._data[len(self._data) :] = bytes(max(0, offset - len(self._data)))
        self._data[offset : offset + len(data)] = data

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._data[offset : offset + size])


class Host:
    """One machine: its disk survives, its process comes and goes."""

    def __init__(self, world: "World", id: int) -> None:
        self.world = world
        self.id = id
        self.disk = SimulatedDisk(world.chance.randrange(1 << 32))
        self.clock = HostClock(world)
        self.replica: Replica | None = None
        self.life = 0  # events of an earlier one are void
        self.frozen: list[Callable[[], None]] | None = None  # what waits while the process stands still
        self.scheduled = False
        self.transports: list[Transport] = []
        self.feed: dict[
            bytes, int
        ] = {}  # by topic: the sequence of the record that this process publishes next
        self.checked = 0  # the last index at which this process' state was compared

    # ---------------------------------------------------------------- coming and going

    def start(self) -> None:
        world = self.world
        self.life += 1
        self.feed.clear()
        self.checked = 0
        disk = self.disk
        disk.sync_may_end = lambda: False
        birth = world.birth if self.id in world.birth.ids and not disk.names() else None
        try:
            try:
                self._come_up(disk, birth, repair=False)
            except LogDamaged:
                world.count("repairs")
                self._come_up(disk, birth, repair=True)
        except Crash:
            self.die(power=True)
            return
        except LogError:
            if not self.is_full:
                raise
            self.die(power=False)
            return
        world.count("start")
        life = self.life
        self.tick(life)
        self.rest(life)

    def _come_up(self, disk: SimulatedDisk, birth: Membership | None, *, repair: bool) -> None:
        world = self.world
        node = Node.open(
            disk,
            clock=self.clock,
            segment_bytes=SEGMENT_BYTES,
            max_entry_bytes=ENTRY_BYTES,
            me=self.id,
            below=world.chance.randrange,
            timing=Timing(10 * MS, 100 * MS),
            origin=Membership(()),
            birth=birth,
            cluster=CLUSTER,
            repair=repair,
            discards=world.forgets,
        )
        self._watch(node, disk)
        replica = Replica(
            node,
            EgressFile(cast(File, Resends())),
            Connections,
            self._published,
            lambda: None,
            self.clock.monotonic_ns,
            self.id,
            self,
            lambda: world.chance.randrange(1, 1 << 64),
        )
        replica.recover(lambda index, last: None)
        self.replica = replica
        replica.start(parse(CONFIG, "sim.toml"))

    def _published(self, messages: list[tuple[bytes, bytes]]) -> None:
        """Every replica publishes the same, numbered without gaps."""
        for topic, payload in messages:
            fields = HEADER.unpack_from(payload)
            count, sequence = fields[5], fields[7]
            if self.feed.setdefault(topic, sequence) != sequence:
                raise Violation(
                    f"{topic!r} at host {self.id} goes on with {sequence}, not {self.feed[topic]}"
                )
            self.feed[topic] = sequence + count
            if self.world.feed.setdefault((topic, sequence), payload) != payload:
                raise Violation(f"message {sequence} of {topic!r} is another one at host {self.id}")

    def _watch(self, node: Node, disk: SimulatedDisk) -> None:
        """What a node gives to be applied is judged at once; its syncs take their time."""
        turn, begin_sync, truncate = node.turn, disk.begin_sync, node._log.truncate

        def watched() -> list[Entry]:
            entries = turn()
            if node.installed is not None:
                self.world.count("snapshots installed")
                self.feed.clear()
            self.world.committed(self, entries)
            return entries

        def slow(file: SimulatedFile) -> None:
            begin_sync(file)
            life = self.life
            self.world.at(self.world.now + self.world.sync_time(), lambda: self.run(life, self._synced))

        def counted(stays: int) -> None:
            self.world.count("truncations")
            truncate(stays)

        node._log.truncate = counted  # type: ignore[method-assign]
        node.turn = watched  # type: ignore[method-assign]
        disk.begin_sync = slow  # type: ignore[method-assign]

    def is_whole(self) -> bool:
        """Whether it has everything that it ever promised."""
        return (
            self.replica is not None
            and self.replica.node._log.promised is None
            and self.replica.exchange.applied_index == len(self.world.log)
        )

    def _synced(self) -> None:
        assert self.replica is not None
        self.disk.sync_may_end = lambda: True
        self.replica.node.take_sync()
        self.disk.sync_may_end = lambda: False
        if self.replica.relay():
            self.schedule()

    def die(self, *, power: bool) -> None:
        """The process is killed, or the machine loses power: then nobody is told that its links are closed."""
        world = self.world
        world.count("power lost" if power else "killed")
        self.replica = None
        self.life += 1
        self.frozen = None
        self.scheduled = False
        self.disk = self.disk.lose_power() if power else self.disk.kill()
        for transport in self.transports:
            transport.close()
        self.transports.clear()
        for link in world.links_of(self.id):
            link.break_off(silent=power)

    def run(self, life: int, what: Callable[[], None]) -> None:
        """Something happens to the process, unless it is another one by now; a frozen one sees it later."""
        if life != self.life or self.replica is None:
            return
        if self.frozen is not None:
            self.frozen.append(lambda: self.run(life, what))
            return
        try:
            what()
        except Crash:
            self.die(power=self.world.chance.random() < 0.7)
            return
        except (LogError, OSError):
            if not self.is_full:
                raise
            self.world.count("stopped by a full disk")
            self.die(power=False)
            self.world.at(self.world.now + SECOND, lambda: self.world.restart(self))
            return
        self.world.check(self)

    @property
    def is_full(self) -> bool:
        return self.disk.capacity < ROOM

    def fill_disk(self, duration: int) -> None:
        """Nothing can be reserved for a while; what is reserved can be written to."""
        self.world.count("disk full")
        disk = self.disk
        disk.capacity = disk.used

        def make_room() -> None:
            disk.capacity = ROOM

        self.world.at(self.world.now + duration, make_room)

    def accepts(self, id: int) -> bool:
        """Whether it takes another one for a member; who is none yet goes by a configuration, which names all."""
        assert self.replica is not None
        members = self.replica.node.membership.ids
        return self.id not in members or id in members

    def freeze(self, duration: int) -> None:
        if self.replica is None or self.frozen is not None:
            return
        self.world.count("frozen")
        self.frozen = []
        life = self.life

        def thaw() -> None:
            if life == self.life and self.frozen is not None:
                waiting, self.frozen = self.frozen, None
                for what in waiting:
                    what()

        self.world.at(self.world.now + duration, thaw)

    # ---------------------------------------------------------------- the loop

    def tick(self, life: int) -> None:
        if life == self.life and self.replica is not None:
            self.world.at(self.world.now + 10 * MS, lambda: self.tick(life))
            self.run(life, self._ticked)

    def _ticked(self) -> None:
        assert self.replica is not None
        self.replica.exchange.feed.listen(b"")  # once there are instruments
        self.replica.tick()
        if self.replica.relay():
            self.schedule()

    def rest(self, life: int) -> None:
        if life == self.life and self.replica is not None:
            self.world.at(self.world.now + 250 * MS, lambda: self.rest(life))
            self.run(life, self.replica.rest)
            if self.world.forgets:
                self.run(life, self._keep_snapshots)
            self.schedule()

    def _keep_snapshots(self) -> None:
        """As the server does, and the process beside it, now and then."""
        assert self.replica is not None
        self.replica.node.look_at_snapshots()
        self.replica.node.notes.clear()
        if self.world.chance.random() < 0.2:
            self.world.count("snapshots made" if Maker(self.disk).make() else "snapshots not needed")

    def schedule(self) -> None:
        if not self.scheduled:
            self.scheduled = True
            life = self.life
            self.world.at(self.world.now + 20_000, lambda: self.run(life, self.turn))

    def turn(self) -> None:
        self.scheduled = False
        replica = self.replica
        assert replica is not None
        replica.connections.now_ns = self.clock.wall_ns()
        more = replica.turn()
        if replica.connections.behind:
            more |= replica.connections.pump()
        if more:
            self.schedule()
        replica.connections.events.clear()

    # ---------------------------------------------------------------- clients

    def connect(self, client: Client) -> Transport | None:
        """None: refused."""
        replica = self.replica
        if replica is None or self.frozen is not None:
            return None
        transport = Transport(self, client)
        replica.connections.now_ns = self.clock.wall_ns()
        transport.number = replica.connections.open(cast(Any, transport))
        if not transport.number:
            return None
        self.transports.append(transport)
        return transport

    def sent(self, transport: Transport, data: bytes) -> None:
        """Bytes of a client are on their way."""
        life = self.life
        client = transport.client
        client.leaves = max(client.leaves + 1, self.world.now + self.world.delay())

        def arrive() -> None:
            assert self.replica is not None
            if transport.open:
                self.replica.connections.now_ns = self.clock.wall_ns()
                self.replica.connections.received(transport.number, data)
                self.schedule()

        self.world.at(client.leaves, lambda: self.run(life, arrive))

    def hung_up(self, transport: Transport) -> None:
        """By the client."""
        life = self.life
        transport.open = False

        def gone() -> None:
            assert self.replica is not None
            self.replica.connections.closed(transport.number)
            self.schedule()

        self.world.at(self.world.now + self.world.delay(), lambda: self.run(life, gone))

    # ---------------------------------------------------------------- links, as the replica sees them

    @property
    def linked(self) -> set[int]:
        return {link.other(self.id) for link in self.world.links_of(self.id) if link.up}

    def send(self, message: Message) -> None:
        if (link := self.world.link(self.id, message.to)) is not None:
            link.send_message(self.id, message)

    def forward(self, to: int, payload: bytes) -> None:
        if (link := self.world.link(self.id, to)) is not None:
            link.send_inputs(self.id, payload)


class Link:
    """Between two hosts: what is sent arrives in order, or the link breaks. Raft's messages besides may be lost,
    delayed beyond others and repeated."""

    def __init__(self, world: "World", a: int, b: int) -> None:
        self.world = world
        self.ends = (a, b)
        self.up = False
        self.generation = 0
        self.cut: set[int] = set()  # senders whose bytes do not come through
        self._held: dict[int, deque[Callable[[], None]]] = {a: deque(), b: deque()}
        self._arrives = {a: 0, b: 0}

    def other(self, id: int) -> int:
        return self.ends[1] if id == self.ends[0] else self.ends[0]

    def try_to_open(self) -> None:
        hosts = [self.world.hosts[id] for id in self.ends]
        if any(host.replica is None or host.frozen is not None for host in hosts):
            return
        known = all(host.accepts(self.other(host.id)) for host in hosts)
        if self.up and not known:
            self.break_off()
        if self.up or self.cut or not known:
            return
        self.up = True
        self.generation += 1
        for host in hosts:
            replica = host.replica
            assert replica is not None
            peer = self.other(host.id)
            host.run(host.life, lambda replica=replica, peer=peer: replica.opened(peer))  # type: ignore[misc]

    def break_off(self, *, silent: bool = False) -> None:
        """silent: neither end is told before it finds out by itself, after some seconds."""
        if not self.up:
            return
        self.up = False
        self.generation += 1
        for held in self._held.values():
            held.clear()
        for id in self.ends:
            host = self.world.hosts[id]
            if host.replica is not None:
                wait = 3 * SECOND if silent else self.world.delay()
                self.world.at(
                    self.world.now + wait,
                    lambda host=host, life=host.life: host.run(  # type: ignore[misc]
                        life, lambda: host.replica.closed(self.other(host.id))
                    ),
                )

    def send_inputs(self, sender: int, payload: bytes) -> None:
        self._deliver(sender, lambda replica: replica.forwarded(payload), ordered=True)

    def send_message(self, sender: int, message: Message) -> None:
        world, chance = self.world, self.world.chance
        if world.faulty and chance.random() < world.loss:
            world.count("message lost")
            return
        body = encode_message(message)[FRAME_BYTES:]
        ordered = not (world.faulty and chance.random() < world.loss)
        self._deliver(sender, lambda replica: replica.message(decode_message(body)), ordered=ordered)
        if world.faulty and chance.random() < world.loss:
            world.count("message repeated")
            self._deliver(sender, lambda replica: replica.message(decode_message(body)), ordered=False)

    def _deliver(self, sender: int, what: Callable[[Replica], None], *, ordered: bool) -> None:
        if not self.up:
            return
        world = self.world
        receiver = world.hosts[self.other(sender)]
        generation, life = self.generation, receiver.life

        def happen() -> None:
            assert receiver.replica is not None
            what(receiver.replica)
            if receiver.replica.relay():
                receiver.schedule()

        def arrive() -> None:
            if generation != self.generation:
                return
            if sender in self.cut:
                self._held[sender].append(lambda: receiver.run(life, happen))
            else:
                receiver.run(life, happen)

        when = world.now + world.delay()
        if ordered:
            when = self._arrives[sender] = max(when, self._arrives[sender] + 1)
        else:
            when += world.chance.randrange(100 * MS)
        world.at(when, arrive)

    def partition(self, senders: set[int]) -> None:
        self.cut = senders

    def heal(self) -> None:
        """What was held comes through at last, or the link had been given up meanwhile."""
        if not self.cut:
            return
        cut, self.cut = self.cut, set()
        if self.world.chance.random() < 0.5:
            self.break_off()
            return
        for sender in cut:
            held = self._held[sender]
            while held:
                held.popleft()()


class Violation(AssertionError):
    """The cluster broke a promise."""


class World:
    """loss: how likely a message of Raft is lost, repeated, or overtaken. forgets: logs keep what is behind the older
    of two snapshots."""

    def __init__(self, seed: int, members: int = 3, clients: int = 5, *, forgets: bool = False) -> None:
        self.seed = seed
        self.forgets = forgets
        self.chance = random.Random(seed)
        self.now = 0
        self.loss = self.chance.choice((0.0, 0.0, 0.01, 0.05))
        self.faulty = True
        self.sending = True  # clients enter requests
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self.counts: Counter[str] = Counter()
        self.leaders: dict[int, int] = {}  # by term
        self.log: list[tuple[int, bytes]] = []  # (term, chain hash) of what was committed
        self.entries: list[Entry] = []  # the same, whole
        self.hashes: dict[int, str] = {}  # state hash by index
        self.feed: dict[tuple[bytes, int], bytes] = {}  # what was published, by topic and sequence
        self.heard = 0  # the largest input number that any client was told
        self.rotten: Host | None = None  # the last machine whose disk lost something
        self.trace: Callable[[str], None] | None = None
        self.birth = Membership(tuple(Member(id, f"host{id}:1", voter=True) for id in range(1, members + 1)))
        self.hosts = {id: Host(self, id) for id in range(1, members + 1)}
        self.gone: list[Host] = []  # removed, or dead for good
        self._last_id = members
        ids = sorted(self.hosts)
        self._links = {(a, b): Link(self, a, b) for a in ids for b in ids if a < b}
        self.clients = [Client(self, f"CLIENT{number}") for number in range(clients)]
        for host in self.hosts.values():
            host.start()
        self.every(20 * MS, self._open_links)

    # ---------------------------------------------------------------- time

    def at(self, when: int, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (max(when, self.now), self._sequence, what))

    def every(self, period: int, what: Callable[[], None]) -> None:
        def again() -> None:
            self.at(self.now + period, again)
            what()

        self.at(self.now, again)

    def run(self, until: int, done: Callable[[], bool] = lambda: False) -> bool:
        """False: it was not done in time."""
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
            if done():
                return True
        self.now = max(self.now, until)
        return False

    def delay(self) -> int:
        return self.chance.randrange(50_000, 2 * MS)

    def sync_time(self) -> int:
        return self.chance.randrange(100_000, 3 * MS)

    def count(self, what: str) -> None:
        self.counts[what] += 1
        if self.trace is not None:
            self.trace(f"{self.now / 1e9:9.4f} {what}")

    # ---------------------------------------------------------------- links

    def link(self, a: int, b: int) -> Link | None:
        """None: one of them is gone."""
        return self._links.get((min(a, b), max(a, b)))

    def links_of(self, id: int) -> list[Link]:
        return [link for link in self._links.values() if id in link.ends]

    @property
    def links(self) -> list[Link]:
        return list(self._links.values())

    def _open_links(self) -> None:
        for link in self._links.values():
            link.try_to_open()

    # ---------------------------------------------------------------- checks

    def committed(self, host: Host, entries: list[Entry]) -> None:
        """Committed entries never change, and are the same everywhere."""
        for entry in entries:
            own = (entry.term, entry.chain_hash)
            if entry.index == len(self.log) + 1:
                self.log.append(own)
                self.entries.append(entry)
            elif entry.index > len(self.log) or self.log[entry.index - 1] != own:
                raise Violation(f"entry {entry.index} of term {entry.term} at host {host.id} is another one")

    def check(self, host: Host) -> None:
        replica = host.replica
        assert replica is not None
        node, exchange = replica.node, replica.exchange
        if node.role == "leader" and self.leaders.setdefault(node.term, host.id) != host.id:
            raise Violation(f"hosts {host.id} and {self.leaders[node.term]} both lead term {node.term}")
        index = exchange.applied_index
        if index % 16 == 0 and index > host.checked and exchange.between_entries:
            host.checked = index
            found = exchange.state_hash()
            if self.hashes.setdefault(index, found) != found:
                raise Violation(f"the state at entry {index} is another one at host {host.id}")

    # ---------------------------------------------------------------- faults

    def leader(self) -> Host | None:
        leaders = [
            host for host in self.hosts.values() if host.replica and host.replica.node.role == "leader"
        ]
        return max(leaders, key=lambda host: cast(Replica, host.replica).node.term, default=None)

    def up(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.replica is not None]

    def disturb(self) -> None:
        """One fault. At most a minority of hosts is down at a time, or all of them lose power."""
        chance = self.chance
        host = self.leader() if chance.random() < 0.5 else None
        host = host or chance.choice(list(self.hosts.values()))
        most = self.most_down()
        kind = chance.choice(
            (
                *(
                    "kill",
                    "power",
                    "crash",
                    "rot",
                    "freeze",
                    "cut",
                    "cut",
                    "transfer",
                    "clock",
                    "all",
                    "full",
                ),
                *("member", "member"),
            )
        )
        down = len(self.hosts) - len(self.up())
        if kind == "member":
            self._change_members()
        elif kind == "full":
            host.fill_disk(chance.randrange(SECOND, 4 * SECOND))
        elif kind in ("kill", "power", "crash", "rot"):
            if host.replica is None or down >= most:
                return
            if kind == "crash":
                host.disk.crash_at = host.disk.operations + chance.randrange(40)
            else:
                host.die(power=kind == "power")
                if kind == "rot":
                    self._rot(host)
            self.at(self.now + chance.randrange(4 * SECOND), lambda: self.restart(host))
        elif kind == "all" and chance.random() < 0.3:
            self.count("all lost power")
            for other in self.up():
                other.die(power=True)
                self.at(self.now + chance.randrange(SECOND), lambda other=other: self.restart(other))  # type: ignore[misc]
        elif kind == "freeze":
            host.freeze(chance.randrange(20 * MS, 3 * SECOND))
        elif kind == "cut":
            self._cut(host)
        elif kind == "transfer" and host.replica is not None:
            try:
                host.replica.node.transfer(chance.choice(sorted(self.hosts)))
                self.count("transfer")
            except Refused:
                pass
        elif kind == "clock":
            self.count("clock set")
            host.clock.wall_offset_ns = chance.randrange(-3600 * SECOND, 3600 * SECOND)

    def most_down(self) -> int:
        """How many of the voters may be down. Learners and hosts that wait to be added count as voters here."""
        leader = self.leader()
        voters = cast(Replica, leader.replica).node.membership.voters if leader else set()
        return (len(voters) - 1) // 2

    def _change_members(self) -> None:
        """A learner is promoted, a new host added, or a follower removed, whichever is due."""
        leader = self.leader()
        if leader is None or leader.frozen is not None:
            return
        replica = cast(Replica, leader.replica)
        admin = MemberAdmin(replica, Cluster(), leader.schedule)
        members = replica.node.membership
        learners = sorted(members.ids - members.voters)
        try:
            if learners:
                admin.promote(learners[0])
                self.count("member promoted")
            elif len(members.ids) < MOST_MEMBERS and self.chance.random() < 0.6:
                id = self._last_id + 1
                admin.add(id, f"127.0.0.1:{id}")
                self.count("member added")
                self._join(id)
            elif len(members.voters) > 3 and len(self.up()) == len(self.hosts):
                id = self.chance.choice(sorted(members.ids - {leader.id}))
                admin.remove(id)
                self.count("member removed")
                self.at(self.now + SECOND, lambda: self._retire(id))
        except Refused:
            pass

    def _join(self, id: int) -> None:
        """Its id is its own for ever, also when the change that names it is lost with a leader."""
        self._last_id = id
        host = self.hosts[id] = Host(self, id)
        for other in self.hosts:
            if other != id:
                self._links[other, id] = Link(self, other, id)
        host.start()

    def _retire(self, id: int) -> None:
        """Ends a member when its removal is committed; when that was lost, it stays."""
        leader = self.leader()
        node = leader.replica.node if leader and leader.replica else None
        if node is None or node.membership_index > node.commit_index:
            self.at(self.now + SECOND, lambda: self._retire(id))
        elif id not in node.membership.ids:
            self.end_for_good(self.hosts[id])

    def end_for_good(self, host: Host) -> None:
        if host.replica is not None:
            host.die(power=False)
        del self.hosts[host.id]
        self.gone.append(host)
        self._links = {ends: link for ends, link in self._links.items() if host.id not in ends}

    def bury_a_minority(self) -> None:
        """Some machines never come back, if what they have is elsewhere, too."""
        leader = self.leader()
        if leader is None or leader.replica is None or (self.rotten and not self.rotten.is_whole()):
            return
        voters = leader.replica.node.membership.voters
        dead = [id for id in voters if self.hosts[id].replica is None]
        spare = (len(voters) - 1) // 2 - len(dead)
        for id in sorted(voters - set(dead) - {leader.id})[: max(spare, 0)]:
            dead.append(id)
        for id in dead:
            self.count("gone for good")
            self.end_for_good(self.hosts[id])

    def _rot(self, host: Host) -> None:
        """A bit of what is durable turns over while the machine is down. The budget: one machine at a time has lost
        something, until it has everything again."""
        if self.rotten is not None and not self.rotten.is_whole():
            return
        files = [name for name in host.disk.files if ".segment" in name or SNAPSHOT_NAME.fullmatch(name)]
        data = host.disk.files[self.chance.choice(sorted(files))].cached
        written = [at for at in range(0, len(data), 7) if data[at]]
        if written:
            self.rotten = host
            at = self.chance.choice(written)
            data[at] ^= 1 << self.chance.randrange(8)
            self.count("rotten")

    def _cut(self, host: Host) -> None:
        chance = self.chance
        links = self.links_of(host.id)
        if chance.random() < 0.4:
            links = [chance.choice(links)]
        one_way = chance.random() < 0.3
        self.count("cut one way" if one_way else "cut off")
        for link in links:
            link.partition({host.id} if one_way else set(link.ends))
            self.at(self.now + chance.randrange(30 * MS, 4 * SECOND), link.heal)

    def restart(self, host: Host) -> None:
        if host.replica is None and host not in self.gone:
            host.start()
            if host.replica is None:
                self.at(self.now + 100 * MS, lambda: self.restart(host))

    def end_faults(self) -> None:
        self.faulty = False
        for link in self.links:
            link.heal()
        for host in self.hosts.values():
            host.disk.crash_at = -1
            host.disk.capacity = ROOM
            if host.replica is None:
                self.restart(host)
