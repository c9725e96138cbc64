"""A random world around a cluster of Rafts: messages are lost, late, doubled and out of order, members crash, clocks
jump. Everything comes from one seed. What is likely to find something is not left to chance: raft_plots.py.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from unittest import mock

from raft_cluster import MOST_AT_ONCE, Cluster, Replica
from raft_properties import Properties

from replication import leading, progress, sending, window
from replication.membership import Membership, Refused
from replication.messages import Kind, Message
from replication.raft import Raft

MS = 1_000_000
PATIENCE = 3_000  # steps within which a cluster without faults must get over everything
MOST_MEMBERS = 6
USUAL_SLOWNESS = 0.25
NATURES = ("electing", "changing", "losing")
Plot = Iterator[None]


class World:
    """forgets: members make snapshots, and their logs do not reach back. nature: what befalls it most. Only in a
    changing one members come and go; only in a losing one a member may lose what it had synced: who is left of two must
    wait for that for ever.
    """

    def __init__(self, seed: int, raft_class: type[Raft] = Raft, forgets: bool = False) -> None:
        self.random = Random(seed)
        self.forgets = forgets
        self.properties = Properties()
        self.cluster = Cluster(
            3 + seed % 3,
            below=lambda _, n: self.random.randrange(n),
            watch=self.properties.observe,
            raft_class=raft_class,
        )
        self.properties.cluster = self.cluster
        self.cluster.batch = self.random.choice((1, MOST_AT_ONCE))
        self.nature = self.random.choice(NATURES)
        self.faults = True
        self.slowness = USUAL_SLOWNESS  # how likely a message is not to arrive in a step
        self.slow_disk = 0  # the member whose syncs do not end
        self.idle = False  # whether nothing is proposed but by plots
        self.fallible: set[int] = set()  # members that crash, once, when they have given their vote
        self._late: list[tuple[int, Message]] = []
        self._step = 0
        self._asked: list[int] = []  # of each read: how much was committed when it was asked

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # ---------------------------------------------------------------- a step

    def step(self) -> None:
        """A few milliseconds."""
        self._step += 1
        ns = self.random.randrange(1 * MS, 8 * MS)
        for replica in self.cluster.replicas.values():
            replica.tick(ns)
        self._deliver()
        for replica in self.cluster.up:
            if replica.id != self.slow_disk and self.chance(0.6):
                replica.sync()
                replica.turn()
            if not self.idle and self.chance(0.3):
                self.propose(replica)
            self._read(replica)
            if self.forgets and self.chance(0.05):
                self._forget_entries(replica)

    def _forget_entries(self, replica: Replica) -> None:
        """Makes a snapshot, and keeps the entries behind the one before."""
        offers = replica.disk.snapshots
        index = min(replica.raft.commit_index, replica.disk.synced)
        if index > (offers[0].index if offers else 0):
            replica.snapshot(index)
            if len(offers) > 1:
                replica.compact(offers[1].index)

    def propose(self, replica: Replica) -> None:
        if replica.up and replica.raft.proposing:
            replica.raft.propose((b"%d" % self.random.randrange(1_000_000),))
            replica.turn()

    def _deliver(self) -> None:
        network = self.cluster.network
        network += [message for due, message in self._late if due <= self._step]
        self._late = [(due, message) for due, message in self._late if due > self._step]
        self.cluster.sent.clear()
        waiting, network[:] = list(network), []
        for message in waiting:
            if self.chance(self.slowness):
                network.append(message)  # another may overtake it
                continue
            fate = self.random.random()
            if self.faults and fate < 0.03:
                continue
            if self.faults and fate < 0.06:
                self._late.append((self._step + self.random.randrange(60), message))
            self.cluster.deliver(message)
            if message.kind is Kind.VOTE and message.to in self.fallible:
                self._forget(self.cluster.replicas[message.to], message.sender)

    def _forget(self, voter: Replica, candidate: int) -> None:
        if voter.raft.hard.vote == candidate:
            self.fallible.remove(voter.id)
            if self.chance(0.5):
                voter.sync()
            self.crash(voter)
            self.restart(voter)

    def _read(self, replica: Replica) -> None:
        if self.chance(0.05):
            replica.raft.read(len(self._asked))
            self._asked.append(len(self.properties.committed))
            replica.turn()
        for ticket, index in replica.raft.reads:
            assert index >= self._asked[ticket], f"read {ticket} of member {replica.id} is stale"
        replica.raft.reads.clear()

    # ---------------------------------------------------------------- faults

    def crash(self, replica: Replica) -> None:
        """The others' links to it close; not all of them notice at once."""
        if replica.up:
            unsynced = len(replica.disk.entries) - replica.disk.synced
            replica.crash(survive=self.random.randint(0, unsynced), saves=self.chance(0.5))
            self.close(replica)

    def close(self, to: Replica) -> None:
        for other in self.cluster.up:
            if other is not to and self.chance(0.7):
                other.raft.link_closed(to.id)
                other.turn()

    def restart(self, replica: Replica) -> None:
        """Of one that lost data the links count, as they do in peers.py: the old ones are closed, everybody knows, and
        nothing that was on them comes any more."""
        if not replica.up:
            if replica.disk.lost:
                self.cluster.network = [m for m in self.cluster.network if replica.id not in (m.sender, m.to)]
                for other in self.cluster.up:
                    other.raft.link_closed(replica.id)
                    other.turn()
            replica.start()

    def isolate(self, *group: Replica) -> None:
        """These reach each other, and so do the others."""
        inside = {replica.id for replica in group}
        self.cluster.partition(inside, self.cluster.replicas.keys() - inside)

    def heal(self) -> None:
        self.cluster.cut.clear()

    def change(self, replica: Replica, changed: Callable[[Membership], Membership]) -> None:
        """What it refuses is left."""
        if replica.up:
            try:
                replica.raft.change(changed(replica.raft.membership))
            except Refused:
                return
            replica.turn()

    # ---------------------------------------------------------------- all of it

    def run(self, plots: Callable[["World"], Plot], steps: int) -> None:
        plot = plots(self)
        for _ in range(steps):
            next(plot)
            self.step()
        self.faults = False
        self.slowness = USUAL_SLOWNESS
        self.slow_disk, self.idle = 0, False
        self.heal()
        self._late.clear()
        for replica in self.cluster.replicas.values():
            self.restart(replica)
        self._recovers()

    def _recovers(self) -> None:
        """Without faults a leader is found, commits something new, and every member gets it."""
        goal = len(self.properties.committed) + 1
        for _ in range(PATIENCE):
            self.step()
            for leader in self.cluster.leaders:
                members = [self.cluster.replicas[id] for id in leader.raft.membership.ids]
                if all(replica.raft.commit_index >= goal for replica in members):
                    return
        raise AssertionError("the cluster did not recover")


def live(
    seed: int,
    plots: Callable[[World], Plot],
    *,
    steps: int = 500,
    raft_class: type[Raft] = Raft,
    forgets: bool = False,
) -> World:
    """A whole life. What takes megabytes elsewhere takes a few bytes in it: appends, windows, what is in memory."""
    with ExitStack() as limits:
        limits.enter_context(mock.patch.object(leading, "MESSAGE_BYTES", 5))
        limits.enter_context(mock.patch.object(progress, "IN_FLIGHT_MESSAGES", 4 + seed % 2 * 60))
        limits.enter_context(mock.patch.object(window, "KEEP_BYTES", 40))
        limits.enter_context(mock.patch.object(sending, "CHUNK_BYTES", 1))
        limits.enter_context(mock.patch.object(sending, "IN_FLIGHT_BYTES", 2))
        world = World(seed, raft_class, forgets)
        world.run(plots, steps)
        return world
