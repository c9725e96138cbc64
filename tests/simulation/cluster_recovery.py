"""The operator's `recover`: two of three machines are gone for good, the third goes on alone, and grows again.

Only with a replica that has everything that was acknowledged: so all of it has to be there afterwards, in the same
order, and the judgement over the whole life is as always. What goes is what only the lost ones had, which nobody was
told of.
"""

from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_client import Violation
from cluster_edge import MS
from cluster_host import Host
from cluster_plots import leads, raft, staged, trio, wait
from simulated_disk import Crash

from gateway import recover_command
from replication import membership
from replication.membership import Refused
from replication.messages import Entry

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
        if any(host.replica is None for host in (first, *others)) or raft(survivor).hard.term < max(
            world.leaders
        ):
            return
        for host in (first, *others):
            host.die(power=False)
        last = entries_of(survivor)[-1].index
        if last < len(world.log):
            return
        lost = [host for host in (first, *others) if host is not survivor]
        for host in lost:
            world.end_for_good(host)
        recover(survivor, [host.id for host in lost], last)
        judge_recovered(survivor, last)
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


def recover(host: Host, lost: Sequence[int], last: int) -> None:
    """All lost ones have to be named. Power may be lost in the middle; then the operator does it again."""
    with suppress(Refused):
        command(host, lost[1:])
        raise Violation(f"{host.name} goes on alone, and member {lost[0]} was not given up")
    if host.world.chance.random() < 0.5:
        host.disk.crash_at = host.disk.operations + host.world.below(OPERATIONS)
    try:
        told = command(host, lost)
        if f"every entry after {last:,} " not in told:
            raise Violation(f"{host.name} has {last} entries, and this is said to go: {told}")
    except Crash:
        host.world.count("power lost in a recovery", host.name)
        host.disk = host.disk.lose_power()
        with suppress(Refused):  # it was done already
            command(host, lost)
    host.disk.crash_at = -1


def command(host: Host, given_up: Sequence[int]) -> str:
    """gateway/recover_command.py; what it says. Raises Refused."""
    node, told = host.open_log(host.disk), StringIO()
    try:
        with redirect_stdout(told):
            recover_command.go_on(node, Path(), given_up, "serve")
    finally:
        node.close()
    host.disk = host.disk.kill()
    return told.getvalue()


def judge_recovered(host: Host, last: int) -> None:
    """Everything up to `last` stays, what was acknowledged as it was, and is committed; behind it the log says who is
    left."""
    entries = entries_of(host)
    host.world.committed(host, entries)
    members = membership.decode(entries[-1].payload)
    if (
        len(host.world.log) != last + 1
        or members is None
        or members.voters != {host.id}
        or members.ids != {host.id}
    ):
        raise Violation(f"{host.name} goes on alone from entry {last} on with {members}")


def entries_of(host: Host) -> list[Entry]:
    """Of its log, with those that only it may have."""
    node = host.open_log(host.disk)
    try:
        for snapshot in node.snapshots(lambda what: None):
            node.start_from(snapshot)
            break
        known = list(chain.from_iterable(node.committed_pieces()))
        return known + list(node._start._rest or ())
    finally:
        node.close()
        host.disk = host.disk.kill()
