"""A link between two machines of a simulated cluster."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from cluster_fix import MS, SECOND
from cluster_hello import are_known, is_member

from gateway.replica import Replica
from replication.messages import Message
from replication.wire import FRAME_BYTES, decode_message, encode_message

if TYPE_CHECKING:
    from cluster_world import World

INPUTS_LOST = 0.003


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
        self._dead = 0  # who ended it by its death: what it had sent arrives yet
        self._untold: dict[
            int, int
        ] = {}  # ends, with their lives, that have not noticed yet that it is closed

    def other(self, id: int) -> int:
        return self.ends[1] if id == self.ends[0] else self.ends[0]

    def try_to_open(self) -> None:
        a, b = self.ends
        hosts = one, other = self.world.hosts[a], self.world.hosts[b]
        for host in hosts:
            if host.replica is None or host.frozen is not None:
                return
        known = is_member(one, other, linked=self.up) and is_member(other, one, linked=self.up)
        if self.up and not known:
            self.break_off()
        if self.up or self.cut or not known:
            return
        if not are_known(max(hosts, key=lambda host: host.id), min(hosts, key=lambda host: host.id)):
            return
        for id in list(self._untold):
            self._tell(id, self.generation)
        self.up = True
        self.generation += 1
        for host in hosts:
            replica = host.replica
            assert replica is not None
            peer = self.other(host.id)
            host.run(host.life, lambda replica=replica, peer=peer: replica.opened(peer))  # type: ignore[misc]

    def break_off(self, *, dead: int = 0, silent: bool = False) -> None:
        """dead: the end that died of it. silent: the other is not told before it finds out by itself, after some
        seconds, or meets it again."""
        if not self.up:
            return
        world = self.world
        self.up = False
        self.generation += 1
        self._dead = dead
        for held in self._held.values():
            held.clear()
        self._untold = {id: world.hosts[id].life for id in self.ends if id != dead}
        for id in self._untold:
            last = self._arrives[dead] + 1 if dead else 0
            when = world.now + 3 * SECOND if silent else max(world.now + world.delay(), last)
            world.at(when, partial(self._tell, id, self.generation))

    def _tell(self, id: int, generation: int) -> None:
        """That it is closed, unless it was told, or there is another by now."""
        if generation != self.generation:
            return
        life = self._untold.pop(id, None)
        host = self.world.hosts.get(id)
        self._dead = 0
        if host is not None and life is not None:
            host.run(life, lambda: host.replica.closed(self.other(id)))  # type: ignore[union-attr]

    def send_inputs(self, sender: int, payload: bytes) -> None:
        """Lost now and then though the link lives on, which takes a defect: the gateway heals it."""
        if self.world.faulty and self.world.chance.random() < INPUTS_LOST:
            self.world.count("inputs lost")
            return
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
            on_its_way = sender == self._dead and generation == self.generation - 1
            if generation != self.generation and not on_its_way:
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
        if self.cut and self.world.chance.random() < 0.5:
            self.break_off()
        self.let_through()

    def let_through(self) -> None:
        cut, self.cut = self.cut, set()
        for sender in cut:
            held = self._held[sender]
            while held:
                held.popleft()()
