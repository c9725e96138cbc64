"""One machine of a simulated cluster: the real Replica, Node, Log and Connections over a simulated disk; clocks,
sockets and links are false."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from cluster_client import Client, Violation
from cluster_edge import HostClock, Resends, Transport
from cluster_fix import MS, SECOND
from cluster_operator import NAME as OPERATOR
from cluster_stop import Left, look_at_start, look_at_stop
from cluster_versions import NEXT
from cluster_watch import leaves, published, watch, watch_intake
from simulated_disk import UNLIMITED, Crash, SimulatedDisk

from gateway.config_file import parse
from gateway.connections import Connections
from gateway.egress_file import EgressFile
from gateway.replica import Replica
from gateway.rules import NewerRules
from gateway.snapshot_maker import Maker
from replication.acquaintances import Acquaintances
from replication.files import File, LogDamaged, LogError
from replication.membership import Membership, of_one
from replication.messages import Message
from replication.node import Node
from replication.raft import Timing

if TYPE_CHECKING:
    from cluster_world import World


SEGMENT_BYTES = 64 << 10
ENTRY_BYTES = 48 << 10
CLUSTER = bytes(range(16))
SYMBOLS = ("AAPL", "MSFT", "DAYS")
CONFIG = """
[exchange]
cancel_on_disconnect = true
grace_ms = 1500
[[instruments]]
symbol = "AAPL"
[[instruments]]
symbol = "MSFT"
"""
WITH_OPERATORS = f"""
operators = ["{OPERATOR}"]
{CONFIG}
[[instruments]]
symbol = "DAYS"
[[schedules]]
name = "day"
symbols = ["DAYS"]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
pre_open = "22:13:23"
opening_auction = "22:13:25"
continuous = "22:13:28"
closing_auction = "22:13:38"
closed = "22:13:41"
random_end_seconds = 1
"""


class Host:
    """One machine: its disk survives, its process comes and goes."""

    def __init__(self, world: "World", id: int) -> None:
        self.world = world
        self.id = id
        self.name = f"host {id}"
        self.disk = SimulatedDisk(world.chance.randrange(1 << 32))
        self.clock = HostClock(world)
        self.newest = world.versions.of_new_machine()  # rules that its program runs
        self.replica: Replica | None = None
        self.met: Acquaintances  # of this start
        self.hangs_until = 0  # no sync beside the loop ends before
        self.life = 0  # events of an earlier one are void
        self.frozen: list[Callable[[], None]] | None = None  # what waits while the process stands still
        self.scheduled = False
        self.slowness = 1  # how many times longer than usual turns and syncs take
        self.transports: list[Transport] = []
        self.feed: dict[
            bytes, int
        ] = {}  # by topic: the sequence of the record that this process publishes next
        self.checked = 0  # the last index at which this process' state was compared
        self.stopping = False  # it was asked to
        self.left: Left | None = None  # by a clean stop

    # ---------------------------------------------------------------- coming and going

    def start(self, *, repair: bool = False) -> None:
        world = self.world
        self.life += 1
        self.scheduled = False
        self.feed.clear()
        self.checked = 0
        disk = self.disk
        disk.sync_may_end = lambda: False
        birth = world.birth if self.id in world.birth.ids and not repair and self._is_first_start() else None
        try:
            try:
                self._come_up(disk, birth, repair=repair)
            except LogDamaged:
                if repair:
                    raise
                world.count("repairs", self.name)
                self._come_up(disk, None, repair=True)
                if self._knows_what_it_lost():
                    world.count("repairs that know the end", self.name)
        except Crash:
            self.die(power=True)
            return
        except NewerRules:
            self._lacks_rules()
            return
        except LogError:
            if not self.is_full:
                raise
            self.die(power=False)
            return
        assert self.replica is not None
        node = self.replica.node
        world.count("start", f"{self.name}, {node.last_index} of {node.commit_index}")
        life = self.life
        self.tick(life)
        self.rest(life)

    def _is_first_start(self) -> bool:
        """By its command line: now and then it says so of a log that was born long ago."""
        if not self.disk.names():
            return True
        again = self.world.chance.random() < 0.1
        if again:
            self.world.count("first start again", self.name)
        return again

    def _knows_what_it_lost(self) -> bool:
        cut = self.replica.node._log.promised if self.replica is not None else None
        return cut is not None and cut.durable and not cut.lost

    def restart(self) -> None:
        """Comes back, at the latest when its disk does not end it any more; not when it is gone for good."""
        if self.replica is None and self not in self.world.gone:
            self.start()
            if self.replica is None:
                self.world.at(self.world.now + 100 * MS, self.restart)

    def _come_up(self, disk: SimulatedDisk, birth: Membership | None, *, repair: bool) -> None:
        world = self.world
        node = self.open_log(disk, birth, repair=repair)
        look_at_start(self, node)
        self.met = Acquaintances(disk)
        self.met.begin(disk.unique())
        watch(self, node, disk)
        replica = Replica(
            node,
            EgressFile(cast(File, Resends())),
            Connections,
            lambda messages: published(self, messages),
            lambda: None,
            self.clock.monotonic_ns,
            self.id,
            self,
            lambda: world.chance.randrange(1, 1 << 64),
            self.newest,
        )
        watch_intake(self, replica._intake)
        replica.recover(lambda index, last: None)
        self.replica = replica
        with_operators = self.newest == NEXT and world.versions.may_have_operators
        replica.start(parse(WITH_OPERATORS if with_operators else CONFIG, "sim.toml"))

    def open_log(self, disk: SimulatedDisk, birth: Membership | None = None, *, repair: bool = False) -> Node:
        world = self.world
        return Node.open(
            disk,
            clock=self.clock,
            segment_bytes=SEGMENT_BYTES,
            max_entry_bytes=ENTRY_BYTES,
            me=self.id,
            below=world.chance.randrange,
            timing=Timing(world.heartbeat, 100 * MS),
            origin=of_one() if world.alone and self.id == 1 else Membership(()),
            birth=birth,
            cluster=CLUSTER,
            repair=repair,
            discards=world.forgets,
        )

    def is_whole(self) -> bool:
        """Whether it has everything that it ever promised."""
        return (
            self.replica is not None
            and self.replica.node._log.promised is None
            and self.replica.exchange.applied_index == len(self.world.log)
        )

    def is_well(self) -> bool:
        """Whether it runs, and nothing is wrong with it."""
        steady = (
            self.frozen is None
            and not self.stopping
            and self.slowness == 1
            and self.hangs_until <= self.world.now
            and self.disk.crash_at < 0
            and not self.is_full
        )
        return steady and self.replica is not None and self.replica.node._log.promised is None

    def may_be_torn(self) -> bool:
        """Whether it may miss what it may have promised: it is down, or about to be, or found its log torn."""
        if self.replica is None or self.disk.crash_at >= 0:
            return True
        return self.replica.node._log.promised is not None

    def synced(self) -> None:
        assert self.replica is not None
        self.disk.sync_may_end = lambda: True
        self.replica.node.take_sync()
        self.disk.sync_may_end = lambda: False
        self.effect("answer to a sync")
        if self.replica.relay():
            self.schedule()

    def die(self, *, power: bool) -> None:
        """The process is killed, or the machine loses power."""
        self.world.count("power lost" if power else "killed", self.name)
        self.end(power=power)

    def end(self, *, power: bool) -> None:
        """power: the machine ends with the process, and nobody is told that its links are closed."""
        world = self.world
        self.replica = None
        self.stopping = False
        self.life += 1
        self.frozen = None
        self.scheduled = False
        if power:
            self._lose_power()
        else:
            self.disk = self.disk.kill()
        for transport in self.transports:
            transport.close()
        self.transports.clear()
        for link in world.links_of(self.id):
            link.break_off(dead=self.id, silent=power)

    def _lose_power(self) -> None:
        before, self.disk = self.disk.files, self.disk.lose_power()
        after = self.disk.files
        if before.keys() != after.keys():
            self.world.count("file names lost", self.name)
        if any(inode.cached != after[name].cached for name, inode in before.items() if name in after):
            self.world.count("unsynced bytes lost", self.name)

    def run(self, life: int, what: Callable[[], None]) -> None:
        """Something happens to the process, unless it is another one by now; a frozen one sees it later."""
        if life != self.life or self.replica is None:
            return
        if self.frozen is not None:
            self.frozen.append(lambda: self.run(life, what))
            return
        try:
            what()
        except Crash as crash:
            self.world.count(f"crashed before {crash.operation}", self.name)
            self.world.count("crashed in the middle", self.name)
            self.die(power=self.world.chance.random() < 0.7)
            self.world.at(self.world.now + self.world.chance.randrange(4 * SECOND), self.restart)
            return
        except NewerRules:
            self._lacks_rules()
            return
        except LogDamaged as damage:  # gateway/process.py does as much
            self.world.count("repairs while running", str(damage))
            self.die(power=False)
            self.start(repair=True)
            return
        except (LogError, OSError):
            if not self.is_full:
                raise
            self.world.count("stopped by a full disk", self.name)
            self.die(power=False)
            self.world.at(self.world.now + SECOND, self.restart)
            return
        if self.replica is not None:
            self.world.check(self)

    def _lacks_rules(self) -> None:
        """It stays down until somebody gives it the next program."""
        if not self.world.versions.begun:
            raise Violation(f"host {self.id} is stopped by rules that were not activated")
        self.world.count("old program stopped", self.name)
        self.die(power=False)

    @property
    def rules(self) -> int:
        """Under which its gateway takes what clients send: these, or later ones."""
        return self.replica.exchange.rules if self.replica is not None else NEXT

    @property
    def is_full(self) -> bool:
        return self.disk.capacity < UNLIMITED

    def fill_disk(self, duration: int) -> None:
        """Nothing can be reserved for a while; what is reserved can be written to."""
        self.world.count("disk full", self.name)
        disk = self.disk
        disk.capacity = disk.used

        def make_room() -> None:
            disk.capacity = UNLIMITED

        self.world.at(self.world.now + duration, make_room)

    def freeze(self, duration: int) -> None:
        if self.replica is None or self.frozen is not None:
            return
        self.world.count("frozen", f"{self.name}, {duration // MS} ms")
        self.stand_still()
        life = self.life

        def wake() -> None:
            if life == self.life:
                self.go_on()

        self.world.at(self.world.now + duration, wake)

    def stand_still(self) -> None:
        self.frozen = []

    def go_on(self) -> None:
        """What came meanwhile happens now."""
        if self.frozen is not None:
            waiting, self.frozen = self.frozen, None
            for what in waiting:
                what()

    def slow_down(self, times: int, duration: int) -> None:
        self.world.count("slow", f"{self.name}, {times} times for {duration // MS} ms")
        self.slowness = times

        def hurry() -> None:
            self.slowness = 1

        self.world.at(self.world.now + duration, hurry)

    def hang_disk(self, duration: int) -> None:
        """Syncs beside the loop do not end for so long."""
        self.world.count("disk hung", f"{self.name}, {duration // MS} ms")
        self.hangs_until = self.world.now + duration

    # ---------------------------------------------------------------- the loop

    def tick(self, life: int) -> None:
        if life == self.life and self.replica is not None:
            self.world.at(self.world.now + self.world.heartbeat, lambda: self.tick(life))
            self.run(life, self._ticked)

    def _ticked(self) -> None:
        assert self.replica is not None
        self.replica.exchange.feed.listen(b"")  # once there are instruments
        self.replica.tick()
        look_at_stop(self)
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
            self.world.count(
                "snapshots made" if Maker(self.disk, self.newest).make() else "snapshots not needed"
            )

    def schedule(self) -> None:
        if not self.scheduled:
            self.scheduled = True
            life = self.life
            self.world.at(self.world.now + 20_000 * self.slowness, lambda: self.run(life, self.turn))

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
    def linked(self) -> dict[int, int]:
        others = [link.other(self.id) for link in self.world.links_of(self.id) if link.up]
        return {id: self.world.hosts[id].newest for id in others}

    def effect(self, what: str) -> None:
        """The process may end before it, as before any operation of its disk. Raises Crash."""
        self.disk.step(what, "")

    def send(self, message: Message) -> None:
        self.effect("message")
        leaves(self, message)
        if (link := self.world.link(self.id, message.to)) is not None:
            link.send_message(self.id, message)

    def forward(self, to: int, payload: bytes) -> None:
        self.effect("inputs")
        if (link := self.world.link(self.id, to)) is not None:
            link.send_inputs(self.id, payload)
