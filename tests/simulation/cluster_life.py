"""A whole life of a simulated cluster: work and faults, then peace, then judgement."""

from collections import Counter
from collections.abc import Callable

from cluster_client import Violation
from cluster_fix import MS, SECOND
from cluster_host import Host
from cluster_judge import judge
from cluster_world import World

INPUTS, FAULTS = 500, 10  # what a seed has to have at least to count
FAULT_KINDS = (
    "all lost power", "clock set", "cut off", "cut one way", "disk full", "disk hung", "frozen", "killed",
    "member added", "member promoted", "member removed", "power lost", "slow", "stopped cleanly",
    "transfer",
)  # fmt: skip


def live(
    seed: int, members: int = 3, trace: bool = False, *, forgets: bool = False, mixed: bool = False
) -> Counter[str]:
    """What happened. Raises Violation, or what the product raises."""
    world = lived(seed, members, trace, forgets=forgets, mixed=mixed)
    judge(world)
    world.counts["faults"] = faults_of(world)
    world.counts["inputs"] = sum(client.requests for client in world.clients)
    skipped = [host.replica.exchange.skipped_inputs for host in world.up() if host.replica]
    world.counts["skipped inputs"] = max(skipped)
    return world.counts


def lived(
    seed: int,
    members: int = 3,
    trace: bool = False,
    *,
    forgets: bool = False,
    mixed: bool = False,
    beside: Callable[[World], object] = lambda world: None,
) -> World:
    """Before the judgement. beside: called with the world before anything happens in it."""
    world = World(seed, members, forgets=forgets, mixed=mixed)
    beside(world)
    if trace:
        world.trace = print
    faults = world.chance.randrange(FAULTS, 2 * FAULTS)
    world.run(SECOND)
    while faults or sum(client.requests for client in world.clients) < INPUTS:
        world.faults.grow()
        if faults:
            before = faults_of(world)
            world.faults.disturb()
            faults -= faults_of(world) > before
        world.run(world.now + world.chance.randrange(10 * MS, SECOND))
        if world.now > 300 * SECOND:
            raise Violation("the work is not done after five minutes")
    if world.chance.random() < 0.5:
        world.faults.bury_a_minority()
    world.faults.end()
    world.run(world.now + 2 * SECOND)
    world.sending = False
    if not world.run(world.now + 120 * SECOND, lambda: healthy(world)):
        raise Violation(f"not healthy two minutes after the last fault: {state(world)}")
    return world


def faults_of(world: World) -> int:
    return sum(world.counts[kind] for kind in FAULT_KINDS)


def healthy(world: World) -> bool:
    """Every member has everything, on its disk too, and every client its answers. A host whose addition was lost is
    none."""
    leader = world.leader()
    if leader is None or leader.replica is None:
        return False
    members = leader.replica.node.membership.ids
    hosts = [host for host in world.hosts.values() if host.id in members]
    return (
        all(map(has_everything, hosts))
        and all(client.done() for client in world.clients)
        and world.versions.settled(members)
    )


def has_everything(host: Host) -> bool:
    exchange = host.replica.exchange if host.replica else None
    applied = (
        exchange is not None and exchange.between_entries and not exchange.works_on and exchange.applied_index
    )
    return applied == len(host.world.log) and host.disk.syncing is None


def state(world: World) -> str:
    hosts = [
        (
            host.id,
            host.replica
            and (host.replica.node.role, host.replica.exchange.applied_index, host.replica.why_not),
        )
        for host in world.hosts.values()
    ]
    clients = [(client.name, client.logged_on, list(client.missing)) for client in world.clients]
    return f"{len(world.log)} entries; {hosts}; {clients}"
