"""A link between two machines of a simulated cluster."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cluster_edge import MS, SECOND

from gateway.replica import Replica
from replication.messages import Message
from replication.wire import FRAME_BYTES, decode_message, encode_message

if TYPE_CHECKING:
    from cluster_world import World


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
        a, b = self.ends
        hosts = one, other = self.world.hosts[a], self.world.hosts[b]
        for host in hosts:
            if host.replica is None or host.frozen is not None:
                return
        known = one.accepts(b, linked=self.up) and other.accepts(a, linked=self.up)
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
        self._deliver(sender, lambda replica: replica.forwarded(sender, payload), ordered=True)

    def send_message(self, sender: int, message: Message) -> None:
        world, random, loss = self.world, self.world.chance.random, self.world.loss
        if world.faulty and random() < loss:
            world.count("message lost")
            return
        body = encode_message(message)[FRAME_BYTES:]

        def come(replica: Replica) -> None:
            replica.message(decode_message(body))

        ordered = not (world.faulty and random() < loss)
        if not ordered:
            world.count("message overtaken")
        self._deliver(sender, come, ordered=ordered)
        if world.faulty and random() < loss:
            world.count("message repeated")
            self._deliver(sender, come, ordered=False)

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
            if when <= (last := self._arrives[sender]):
                when = last + 1
            self._arrives[sender] = when
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
