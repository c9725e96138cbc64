"""What befalls a cluster, as sequences of faults in which a wrong Raft goes wrong. Each is a generator that acts
between steps of the world; where members are to be in a certain state it waits for that, and not for long.
"""

from collections.abc import Callable

from raft_cluster import Replica
from raft_world import MOST_MEMBERS, MS, USUAL_SLOWNESS, Plot, World

from replication.membership import Refused


def anything(world: World) -> Plot:
    """One plot after the other, for ever."""
    usual = [crash, part, one_way, jump, transfer, cut_off_leader, lag, slow_disk]
    special = {
        "electing": [duel, duel, duel, older_term, quick_elections],
        "changing": [change, conflicting_changes],
        "losing": [lose, lose_and_elect, lose_and_elect, rot_in_all_but_one],
    }[world.nature]
    while True:
        plot = world.random.choice(usual if world.chance(0.4) else special)
        yield from plot(world)
        for replica in world.cluster.replicas.values():
            world.restart(replica)
        if world.chance(0.8):
            world.heal()
        yield from wait(world.random.randrange(20))


def wait(steps: int) -> Plot:
    for _ in range(steps):
        yield


def until(condition: Callable[[], object], limit: int = 80) -> Plot:
    for _ in range(limit):
        if condition():
            return
        yield


def some(world: World) -> Replica:
    return world.random.choice(list(world.cluster.replicas.values()))


def newest_leader(world: World) -> Replica | None:
    return max(world.cluster.leaders, key=lambda replica: replica.raft.hard.term, default=None)


def a_leader(world: World) -> Replica:
    """The one there is; anyone, if there is none."""
    return newest_leader(world) or some(world)


def settled(world: World) -> Plot:
    """Until there is a leader that may change the membership."""

    def is_settled() -> bool:
        leader = newest_leader(world)
        if leader is None or leader.raft.leading is None:
            return False
        first, changed = leader.raft.leading.first_index, leader.raft.memberships[-1][0]
        return leader.raft.commit_index >= max(first, changed)

    yield from until(is_settled)


# -------------------------------------------------------------------- single faults


def crash(world: World) -> Plot:
    for _ in range(world.random.choice([1, 1, 2])):
        world.crash(a_leader(world) if world.chance(0.5) else some(world))
    yield from wait(world.random.randrange(60))


def part(world: World) -> Plot:
    replicas = list(world.cluster.replicas.values())
    world.isolate(*world.random.sample(replicas, world.random.randrange(1, len(replicas))))
    yield from wait(world.random.randrange(100))


def one_way(world: World) -> Plot:
    for _ in range(world.random.randint(1, 3)):
        world.cluster.cut.add((some(world).id, some(world).id))
    yield from wait(world.random.randrange(60))


def jump(world: World) -> Plot:
    """One member's process stands still, or its clock runs ahead."""
    some(world).tick(world.random.randrange(30, 400) * MS)
    yield


def slow_disk(world: World) -> Plot:
    """A member knows of commitments that it could not write yet when it comes to lead, and is deposed."""
    yield from settled(world)
    leader = a_leader(world)
    slow = world.random.choice(
        [replica for replica in world.cluster.replicas.values() if replica is not leader]
    )
    world.slow_disk = slow.id
    world.idle = True
    for _ in range(3):
        world.propose(leader)
        yield from wait(4)
    world.crash(leader)
    yield from wait(4)  # its last words are heard
    for replica in world.cluster.up:
        replica.raft.link_closed(leader.id)
    lose_patience(slow)
    yield from until(lambda: slow.raft.unsaved, 20)
    for _ in range(2):  # a batch; term and vote
        slow.sync()
        slow.turn()
    yield from until(lambda: slow.raft.leading is not None, 20)
    world.isolate(slow)
    yield from until(lambda: slow.raft.leading is None, 60)
    world.heal()
    world.slow_disk, world.idle = 0, False


def transfer(world: World) -> Plot:
    try:
        a_leader(world).raft.transfer(some(world).id)
    except Refused:
        return
    if world.chance(0.3):
        world.crash(some(world))
    yield from wait(20)


# -------------------------------------------------------------------- elections


def lose_patience(replica: Replica) -> None:
    """More silence than anyone bears; the second time shows that nothing was on its way."""
    replica.tick(250 * MS)
    replica.tick(15 * MS)


def duel(world: World) -> Plot:
    """Two that do not hear each other stand at once; who has voted for one crashes, and is asked by the other."""
    leader = a_leader(world)
    world.crash(leader)
    world.restart(leader)
    rivals = world.random.sample(list(world.cluster.replicas.values()), 2)
    ids = [replica.id for replica in rivals]
    world.cluster.cut |= {(ids[0], ids[1]), (ids[1], ids[0])}
    for replica in world.cluster.up:
        replica.raft.link_closed(leader.id)
    for replica in rivals:
        lose_patience(replica)
    world.fallible = world.cluster.replicas.keys() - set(ids)
    world.slowness = 0.5
    yield from wait(15)
    world.fallible.clear()
    world.slowness = USUAL_SLOWNESS


def quick_elections(world: World) -> Plot:
    """Leaders die as soon as they have told one member of something."""
    for _ in range(3):
        yield from until(lambda: newest_leader(world))
        leader = a_leader(world)
        follower = some(world)
        world.isolate(leader, follower)
        world.propose(leader)
        yield from wait(world.random.randrange(4))
        world.crash(leader)
        world.heal()
        yield from wait(world.random.randrange(10))
        world.restart(leader)


def lag(world: World) -> Plot:
    """A member misses what the others commit, and is the first to stand when the leader dies."""
    leader = a_leader(world)
    behind = some(world)
    world.isolate(behind)
    yield from wait(world.random.randrange(10, 40))
    world.crash(leader)
    world.heal()
    lose_patience(behind)
    yield from wait(world.random.randrange(30))


def cut_off_leader(world: World) -> Plot:
    """It goes on writing what nobody gets, while the others elect another; and comes back."""
    yield from settled(world)
    leader = a_leader(world)
    world.isolate(leader)
    world.propose(leader)
    world.close(leader)
    if world.nature == "changing" and world.chance(0.5):
        someone = some(world).id
        world.change(leader, lambda now: now.remove(someone))
    yield from until(lambda: newest_leader(world) not in (None, leader))
    world.heal()
    yield from wait(world.random.randrange(20))


def older_term(world: World) -> Plot:
    """Figure 8 of the paper: two leaders leave an entry each that nobody else got; the first one brings its own to a
    majority in a later term, and dies; the second one leads again."""
    left: list[Replica] = []
    for _ in range(2):
        yield from until(lambda: newest_leader(world))
        leader = a_leader(world)
        world.isolate(leader)
        world.propose(leader)
        yield from until(
            lambda leader=leader: not leader.up or leader.disk.synced == len(leader.disk.entries), 5
        )
        world.crash(leader)
        left.append(leader)
    first, second = left
    world.heal()
    world.restart(first)
    yield from until(lambda: newest_leader(world) is first)
    known = len(world.properties.committed)
    yield from until(lambda: len(world.properties.committed) > known, 20)
    world.crash(first)
    world.restart(second)
    yield from until(lambda: newest_leader(world))


# -------------------------------------------------------------------- lost data


def lose(world: World) -> Plot:
    """Durable entries are gone. One member at a time: what two of three lost may be lost for good, unless the third has
    everything."""
    yield from lose_at(world, some(world))


def lose_at(world: World, replica: Replica) -> Plot:
    disk = replica.disk
    if all_are_whole(world) and disk.synced:
        world.crash(replica)
        take = world.random.choice((disk.lose, disk.damage, disk.rot))
        take(max(0, disk.synced - world.random.randint(1, 3)))
        yield from wait(world.random.randrange(5))
        world.restart(replica)


def all_are_whole(world: World) -> bool:
    disks = [replica.disk for replica in world.cluster.replicas.values()]
    return all(max(disk.promised, disk.missing) == (0, 0) and not disk.lost for disk in disks)


def rot_in_all_but_one(world: World) -> Plot:
    """Each disk loses something else, and each member knows how far its log went: as far as the one that is whole, at
    most."""
    yield from settled(world)
    replicas = list(world.cluster.replicas.values())
    whole = a_leader(world)
    if not all_are_whole(world) or whole.disk.synced < len(world.properties.committed):
        return
    for replica in replicas:
        world.crash(replica)
    for replica in replicas:
        if replica is not whole and synced_end(replica) <= synced_end(whole):
            replica.disk.rot(world.random.randrange(replica.disk.synced + 1))
    for replica in world.random.sample(replicas, len(replicas)):
        yield from wait(world.random.randrange(10))
        world.restart(replica)
    yield from until(lambda: newest_leader(world))


def synced_end(replica: Replica) -> tuple[int, int]:
    """Term and index of the last entry that is durable."""
    disk = replica.disk
    return (disk.entries[disk.synced - 1].term, disk.synced) if disk.synced else (0, 0)


def lose_and_elect(world: World) -> Plot:
    """A bare majority has an entry; one of it loses it, and the rest is gone: the others must not elect each other."""
    yield from settled(world)
    leader = a_leader(world)
    replicas = list(world.cluster.replicas.values())
    others = [replica for replica in replicas if replica is not leader]
    majority = [leader, *world.random.sample(others, len(replicas) // 2)]
    world.isolate(*majority)
    yield from wait(world.random.randrange(10, 30))
    yield from lose_at(world, majority[-1])
    for replica in majority[:-1]:
        world.crash(replica)
    world.heal()
    for replica in world.cluster.up:
        lose_patience(replica)
    yield from until(lambda: newest_leader(world), 30)


# -------------------------------------------------------------------- memberships


def change(world: World) -> Plot:
    leader = a_leader(world)
    now = leader.raft.membership
    if len(world.cluster.replicas) < MOST_MEMBERS and world.chance(0.4):
        new = max(world.cluster.replicas) + 1
        world.cluster.join(new)
        world.change(leader, lambda now: now.add(new, f"host{new}"))
    elif learners := sorted(now.ids - now.voters):
        world.change(leader, lambda now: now.promote(learners[0]))
    elif len(now.voters) > 2:
        someone = world.random.choice(sorted(now.voters))
        world.change(leader, lambda now: now.remove(someone))
    yield from wait(world.random.randrange(30))


def conflicting_changes(world: World) -> Plot:
    yield from settled(world)
    leader = a_leader(world)
    voters = leader.raft.membership.voters
    if leader.id in voters:
        yield from (early_change if len(voters) == 4 else two_changes)(
            world, leader, sorted(voters - {leader.id})
        )


def two_changes(world: World, leader: Replica, others: list[int]) -> Plot:
    """Less than half of them remove two of the others at once, and the others elect a leader."""
    world.random.shuffle(others)
    near = (len(others) - 1) // 2
    world.isolate(leader, *(world.cluster.replicas[id] for id in others[:near]))
    world.close(leader)
    for id in others[near : near + 2]:
        world.change(leader, lambda now, id=id: now.remove(id))
    yield from until(lambda: newest_leader(world) not in (None, leader))
    yield from wait(30)


def early_change(world: World, first: Replica, others: list[int]) -> Plot:
    """The bug of 2015: two leaders of different terms change the same membership of four, each in its own way, and
    the second one does so before it has committed anything of its own. What it then commits with one other member,
    the first leader and the fourth member do not have."""
    world.isolate(first)
    world.close(first)
    removed = world.random.choice(others)
    world.change(first, lambda now: now.remove(removed))
    yield from until(lambda: newest_leader(world) not in (None, first))
    second = a_leader(world)
    if second is first:
        return
    helper = removed if removed != second.id else next(id for id in others if id != removed)
    world.isolate(second, world.cluster.replicas[helper])
    world.change(second, lambda now: now.remove(first.id))
    yield from wait(15)
    world.isolate(*(r for r in world.cluster.replicas.values() if r.id not in (second.id, helper)))
    lose_patience(first)
    yield from until(lambda: first.raft.leading is not None and first.raft.hard.term > second.raft.hard.term)
