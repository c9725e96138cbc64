"""What chance alone brings about too rarely: faults that are chosen by what the logs of the machines hold.

Each plot needs three members, all well, and gives up as soon as something else comes of it than it meant to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from cluster_client import Violation
from cluster_fix import MS, SECOND
from cluster_host import Host
from simulated_disk import SimulatedDisk

from replication import leading
from replication.messages import Entry
from replication.raft import Raft

if TYPE_CHECKING:
    from cluster_world import World

PATIENCE = 3 * SECOND
RECENT = 40  # the last entries, one of which rots
BEHIND = 6  # entries that one member lacks and the other two have


def count_an_old_term(world: "World") -> None:
    """Figure 8 of the Raft paper: an entry of an older term reaches a majority, its leader falls before anything of its
    own term does, and another member whose log ends with a term between the two leads: the entry is replaced."""
    first, others = trio(world)
    if first is None:
        return
    with staged(world):
        isolate(world, first, {first})
        before = max(raft(other).log.last_index for other in others)
        if not wait(world, lambda: raft(first).log.written_index > before):
            return
        isolate(world, first)
        if not wait(world, lambda: any(leads(other) for other in others)):
            return
        second, third = sorted(others, key=leads, reverse=True)
        isolate(world, second)
        if not wait(world, lambda: raft(second).log.synced_index == raft(second).log.last_index):
            return
        second.die(power=False)
        join(world, first, third)
        if not wait(world, lambda: leads(first)):
            return
        old = last_before_it_led(first)
        if not wait(world, lambda: raft(third).log.last_index >= old):
            return
        if raft(third).log.last_term == raft(first).hard.term:
            return
        isolate(world, first, {first})
        if not wait(world, lambda: leads(first) and has_acknowledged(first, third, old)):
            return
        world.run(world.now + 10 * MS)
        world.count("old term not counted", f"{first.name}, entry {old}")
        first.die(power=False)
        join(world, second, third)
        second.restart()
        wait(world, lambda: leads(second) and raft(second).commit_index > last_before_it_led(second))


def lose_a_promise(world: "World") -> None:
    """A member that made a majority for entries loses them, and meets the one that never had them, while the third is
    away: the two of them could elect a leader, and must not. Where its last entry rots, too, nobody knows how far its
    log went."""
    first, others = trio(world)
    if first is None or world.faults.repairs():
        return
    second, third = others
    with staged(world):
        isolate(world, third)
        before = raft(third).log.last_index
        if not wait(world, lambda: raft(second).log.synced_index >= before + BEHIND <= len(world.log)):
            return
        newest = last_entry(second)
        first.die(power=False)
        second.die(power=False)
        for entry in world.entries[before : before + BEHIND // 2]:
            if world.faults.rot_in(second, entry):
                world.count("promise lost", f"{second.name}, entry {entry.index}")
                if world.chance.random() < 0.5:
                    world.faults.rot_in(second, newest)
                break
        join(world, second, third)
        second.restart()
        world.run(world.now + SECOND)


def rot_in_two(world: "World") -> None:
    """Both followers are stopped, and their logs rot in different entries; their leader has everything, and may die,
    too. When all are back they go on by themselves."""
    first, others = trio(world)
    if first is None or world.faults.repairs():
        return
    second, third = others
    with staged(world):
        last = raft(first).log.last_index
        for _ in range(2):  # so a batch follows that of the last entry that may rot
            reached = max(raft(host).log.last_index for host in (first, second, third))
            if not wait(world, lambda reached=reached: have_synced(others, reached + 1)):
                return
        for host in others:
            host.die(power=False)
        early = world.entries[max(0, last - RECENT) : last]
        world.chance.shuffle(early)
        if not any(world.faults.rot_in(second, entry) for entry in early[::2]):
            return
        if any(world.faults.rot_in(third, entry, (second,)) for entry in early[1::2]):
            world.count("two disks rotten", f"{second.name} and {third.name}")
        if world.chance.random() < 0.5:
            first.die(power=False)
        for host in world.chance.sample([first, second, third], 3):
            host.restart()
            world.run(world.now + world.chance.randrange(300 * MS))
        if not wait(world, lambda: any(leads(host) for host in (first, second, third))):
            raise Violation("one has everything, the others know how far their logs went, and nobody leads")


def lose_what_is_not_synced(world: "World") -> None:
    """A member with a slow disk loses power while it syncs what a majority needs its word for, and meets the one that
    never had it, while the leader is away."""
    first, others = trio(world)
    if first is None or world.faults.repairs():
        return
    second, third = others
    with staged(world):
        isolate(world, third)
        second.slow_down(300, 2 * SECOND)
        log = raft(second).log
        if not wait(world, lambda: log.synced_index < log.written_index <= raft(first).log.synced_index):
            return
        world.run(world.now + 5 * MS)
        world.count("power lost in a sync", second.name)
        first.die(power=False)
        second.die(power=True)
        join(world, second, third)
        second.restart()
        world.run(world.now + SECOND)


def ask_for_another_vote(world: "World") -> None:
    """A voter loses power right after its vote has left, and is asked by a rival in the same term, who won its pre-vote
    before and slept since: a second vote would make a second leader."""
    rival, others = trio(world)
    if rival is None or world.faults.repairs():
        return
    candidate, voter = others
    term = raft(rival).hard.term
    with staged(world):
        isolate(world, voter)
        between = world.link(candidate.id, rival.id)
        assert between is not None
        between.partition({candidate.id})
        if not wait(world, lambda: raft(rival).leading is None and not raft(candidate).hears_leader):
            return
        world.run(world.now + 300 * MS)  # the rival asks, and the answer does not come through
        rival.stand_still()
        between.let_through()
        isolate(world, rival)
        join(world, candidate, voter)
        if not wait(world, lambda: leads(candidate)) or raft(candidate).hard != (term + 1, candidate.id):
            rival.go_on()
            return
        voter.die(power=True)
        isolate(world, candidate)
        voter.restart()
        join(world, rival, voter)
        rival.go_on()
        world.open_links()
        if wait(world, lambda: raft(rival).hard == (term + 1, rival.id) and not raft(rival).unsaved):
            world.count("another vote asked", f"{rival.name}, term {term + 1}")
            world.run(world.now + 20 * MS)


def bring_back_a_copy(world: "World") -> None:
    """A member comes back with a copy of its directory that was made one start ago, or with none: it has forgotten
    promises, so nobody may talk to it. Its machine is given up then, and the operator removes it."""
    first, others = trio(world)
    if first is None or world.faults.repairs():
        return
    host = world.chance.choice([first, *others])
    with staged(world):
        host.die(power=False)
        older = host.disk.copy() if world.chance.random() < 0.7 else SimulatedDisk(world.seed)
        host.restart()
        if not wait(world, lambda: is_well(world)):
            return
        host.die(power=False)
        host.disk = older
        host.restart()
        if world.run(world.now + SECOND, lambda: any(link.up for link in world.links_of(host.id))):
            raise Violation(f"{host.name} came back with another directory, and was let in")
        world.count("older directory", host.name)
        world.end_for_good(host)


# ---------------------------------------------------------------- means


def trio(world: "World") -> tuple[Host, list[Host]] | tuple[None, list[Host]]:
    """The leader and the two others, when all is well; None: it is not in time."""
    if len(world.hosts) != 3 or not world.run(world.now + PATIENCE, lambda: is_well(world)):
        return None, []
    if len(world.hosts) != 3:  # one was removed meanwhile
        return None, []
    leader = world.leader()
    assert leader is not None
    others = [host for host in world.hosts.values() if host is not leader]
    world.chance.shuffle(others)
    return leader, others


def is_well(world: "World") -> bool:
    leader = world.leader()
    return (
        leader is not None
        and len(world.hosts) == 3
        and raft(leader).membership.voters == world.hosts.keys()
        and raft(leader).memberships[-1][0] <= raft(leader).commit_index
        and all(host.is_well() for host in world.hosts.values())
        and all(link.up and not link.cut for link in world.links)
    )


@contextmanager
def staged(world: "World") -> Iterator[None]:
    """No other faults, and appends of one entry each; at the end everything is as before."""
    loss, world.loss = world.loss, 0.0
    with patch.object(leading, "MESSAGE_BYTES", 1):
        yield
    world.loss = loss
    for link in world.links:
        link.heal()
    for host in world.hosts.values():
        host.restart()


def wait(world: "World", done: Callable[[], bool]) -> bool:
    return world.run(world.now + PATIENCE, done)


def isolate(world: "World", host: Host, silenced: set[Host] | None = None) -> None:
    """From both others, whoever speaks; or only what these say is held back."""
    for link in world.links_of(host.id):
        link.partition({one.id for one in silenced} if silenced else set(link.ends))


def join(world: "World", one: Host, other: Host) -> None:
    link = world.link(one.id, other.id)
    assert link is not None
    link.heal()


def raft(host: Host) -> Raft:
    assert host.replica is not None
    return host.replica.node._running


def have_synced(hosts: list[Host], index: int) -> bool:
    return all(raft(host).log.synced_index >= index for host in hosts)


def last_entry(host: Host) -> Entry:
    assert host.replica is not None
    node = host.replica.node
    return node._log.read_from(node.last_index, 1)[0]


def leads(host: Host) -> bool:
    """The newest term that anybody led."""
    return (
        host.replica is not None
        and raft(host).leading is not None
        and raft(host).hard.term == max(host.world.leaders)
    )


def last_before_it_led(host: Host) -> int:
    leader = raft(host).leading
    assert leader is not None
    return leader.first_index - 1


def has_acknowledged(leader: Host, follower: Host, index: int) -> bool:
    known = raft(leader).leading
    return known is not None and known.progress[follower.id].match >= index
