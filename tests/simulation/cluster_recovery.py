"""The operator's `recover`: two of three machines are gone for good, the third goes on alone, and grows again.

Only with a replica that has everything that was acknowledged: so all of it has to be there afterwards, in the same
order, and the judgement over the whole life is as always. What goes is what only the lost ones had, which nobody was
told of. With one that is behind the command is looked at on a copy of its directory.
"""

from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_client import Violation
from cluster_fix import MS
from cluster_host import Host
from cluster_plots import BEHIND, isolate, leads, raft, staged, trio, wait
from simulated_disk import Crash, SimulatedDisk

from gateway import recover_command
from replication import membership
from replication.acquaintances import Acquaintances
from replication.membership import Refused
from replication.messages import Entry
from replication.node import Node

if TYPE_CHECKING:
    from cluster_world import World

OPERATIONS = 60  # of its disk, that a recovery takes about
STEPS = 30  # until it has grown again


def go_on_alone(world: "World") -> None:
    first, others = trio(world)
    if first is None or world.faults.repairs():
        return
    survivor = world.chance.choice([first, *others])
    with staged(world):
        world.run(world.now + world.below(100 * MS))
        well = all(host.replica is not None for host in (first, *others))
        if not well or raft(survivor).hard.term < max(world.leaders):
            return
        for host in (first, *others):
            host.die(power=False)
        entries = entries_of(survivor, survivor.disk)
        if (len(world.log), *world.log[-1]) not in [(one.index, one.term, one.chain_hash) for one in entries]:
            return
        lost = [host for host in (first, *others) if host is not survivor]
        for host in lost:
            world.end_for_good(host)
        survivor.disk = recover(survivor, survivor.disk, [host.id for host in lost])
        world.committed(survivor, entries_of(survivor, survivor.disk))
        survivor.restart()
        if not wait(world, lambda: leads(survivor)):
            raise Violation(f"{survivor.name} is the only member, and does not lead")
        world.count("went on alone", survivor.name)
        for _ in range(STEPS):
            world.faults.grow()
            world.run(world.now + 100 * MS)
    leader = world.leader()
    if leader is not None and len(raft(leader).membership.voters) == 3:
        world.count("grown again")


def recover_a_copy(world: "World") -> None:
    """One that was cut off lacks what the two others have acknowledged. On a copy of its directory the command gives up
    that and nothing else; the life goes on without the copy."""
    first, others = trio(world)
    if first is None:
        return
    behind, other = others
    with staged(world):
        isolate(world, behind)
        if not wait(world, lambda: len(world.log) >= raft(behind).log.last_index + BEHIND):
            return
        behind.die(power=False)
        disk = recover(behind, behind.disk.copy(), [first.id, other.id])
        node = started(behind, disk)
        last = node.last_index
        node.turn()
        if (node.role, node.commit_index) != ("leader", last + 1):
            raise Violation(f"a copy of {behind.name} goes on alone, and does not lead")
        node.close()
        world.count("recovered without all", f"{behind.name}, {len(world.log) - last} entries")


def recover(host: Host, disk: SimulatedDisk, lost: Sequence[int]) -> SimulatedDisk:
    """All lost ones have to be named; power may be lost in the middle, then the operator does it again. Every entry
    stays, and behind them the log says who is left. What becomes of the disk."""
    before = entries_of(host, disk)
    last = before[-1].index
    with suppress(Refused):
        command(host, disk, lost[1:])
        raise Violation(f"{host.name} goes on alone, and member {lost[0]} was not given up")
    if host.world.chance.random() < 0.5:
        disk.crash_at = disk.operations + host.world.below(OPERATIONS)
    try:
        told = command(host, disk, lost)
        if f"every entry after {last:,} " not in told:
            raise Violation(f"{host.name} has {last} entries, and this is said to go: {told}")
    except Crash:
        host.world.count("power lost in a recovery", host.name)
        disk = disk.lose_power()
        with suppress(Refused):  # it was done already
            command(host, disk, lost)
    disk = disk.kill()
    *kept, alone = entries_of(host, disk)
    members = membership.decode(alone.payload)
    if kept != before or members is None or not members.ids == members.voters == {host.id}:
        raise Violation(
            f"{host.name} goes on alone from entry {alone.index} on with {members}, and had {last}"
        )
    if Acquaintances(disk).voters != {host.id}:
        raise Violation(f"{host.name} goes on alone, and would be repaired from the lost ones")
    return disk


def command(host: Host, disk: SimulatedDisk, given_up: Sequence[int]) -> str:
    """gateway/recover_command.py; what it says. Raises Refused."""
    node, told = host.open_log(disk), StringIO()
    try:
        with redirect_stdout(told):
            recover_command.go_on(node, Acquaintances(disk), Path(), given_up, "serve")
    finally:
        node.close()
    return told.getvalue()


def entries_of(host: Host, disk: SimulatedDisk) -> list[Entry]:
    """Of its log, with those that only it may have."""
    node = started(host, disk)
    try:
        entries = list(chain.from_iterable(node.committed_pieces()))
        given = entries[-1].index if entries else 0  # one that is alone gives all
        return entries + [entry for entry in node._start._rest or () if entry.index > given]
    finally:
        node.close()


def started(host: Host, disk: SimulatedDisk) -> Node:
    node = host.open_log(disk)
    for snapshot in node.snapshots(lambda what: None):
        node.start_from(snapshot)
        break
    return node
