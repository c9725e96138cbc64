"""A clean stop, as gateway/server.py has it: who leads hands over first, if there is somebody to hand over to. What was
durable then is there when the replica comes back, though its machine has lost power meanwhile."""

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cluster_client import Violation
from cluster_damage import turn_a_bit_over_in
from cluster_fix import SECOND
from simulated_disk import Inode, SimulatedDisk

from gateway.server import HAND_OVER_SECONDS, LET_GO_SECONDS
from replication.files import LogDamaged
from replication.membership import Refused
from replication.messages import Entry, HardState
from replication.node import Node

if TYPE_CHECKING:
    from cluster_host import Host

HAND_OVER = int(HAND_OVER_SECONDS * SECOND)
LET_GO = int(LET_GO_SECONDS * SECOND)


class Left(NamedTuple):
    """What a replica leaves on its disk."""

    index: int
    chain_hash: bytes
    hard: HardState


def left_by(node: Node) -> Left:
    return Left(node.last_index, node.chain_hash, node._log.hard_state)


def stop(host: "Host") -> None:
    assert host.replica is not None
    node = host.replica.node
    host.stopping = True
    if not node.alone:
        with suppress(Refused):
            node.transfer()
            end_after(host, HAND_OVER)
            host.schedule()
            return
    end(host)


def look_at_stop(host: "Host") -> None:
    """At a tick: whether another one leads now."""
    assert host.replica is not None
    if host.stopping and host.replica.node.leader not in (0, host.id):
        end_after(host, LET_GO, handed_over=True)


def end_after(host: "Host", delay: int, *, handed_over: bool = False) -> None:
    life = host.life
    host.world.at(host.world.now + delay, lambda: host.run(life, lambda: end(host, handed_over=handed_over)))


def end(host: "Host", *, handed_over: bool = False) -> None:
    world, replica = host.world, host.replica
    assert replica is not None
    node = replica.node
    durable = not node._log.syncing
    last = node._log.read_from(node.last_index, 1) if node.last_index > node.begins_after else []
    replica.connections.close_all()
    node.close()
    world.count("stopped cleanly", host.name)
    if handed_over:
        world.count("handed over", host.name)
    if durable:
        host.left = left_by(node)
        judge_proof(host, last)
    host.end(power=durable and world.chance.random() < 0.5)
    world.at(world.now + world.chance.randrange(4 * SECOND), host.restart)


def judge_proof(host: "Host", last: list[Entry]) -> None:
    """What was synced is proven: damage to the last entry is found, and not taken for a write that was torn."""
    disk = SimulatedDisk(0, {name: Inode(bytes(inode.durable)) for name, inode in host.disk.files.items()})
    if not any(turn_a_bit_over_in(disk, entry, disk.chance) for entry in last):
        return
    with suppress(LogDamaged):
        host.open_log(disk)
        raise Violation(f"{host.name} was stopped, and damage to its last entry is not found")


def look_at_start(host: "Host", node: Node) -> None:
    """Whether everything is there that a clean stop left."""
    left, host.left = host.left, None
    if left is not None and left_by(node) != left:
        raise Violation(f"{host.name} was stopped with {left}, and starts with {left_by(node)}")
