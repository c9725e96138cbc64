"""A cluster whose followers do not answer, or do not sync: what its clients are told, and how much it takes on."""

from typing import Any
from unittest.mock import patch

from cluster_edge import Transport
from cluster_fix import MS, SECOND
from cluster_host import Host
from cluster_life import healthy
from cluster_world import World

from gateway import inputs
from replication import node as node_module
from replication.node import Node

IN_DOUBT_BYTES = 8 << 10
ENTRY = inputs.timer() * 20
LOOK = 250 * MS  # how often a gateway looks


def well(clients: int) -> tuple[World, Host]:
    """A cluster of three without faults, its clients logged on, and its leader."""
    world = World(1, 3, clients)
    world.faulty = False
    world.loss = 0.0
    assert world.run(20 * SECOND, lambda: all(client.logged_on for client in world.clients))
    world.sending = False
    assert world.run(40 * SECOND, lambda: healthy(world))
    leader = world.leader()
    assert leader is not None
    return world, leader


def test_clients_are_closed_two_seconds_after_the_majority_was_lost() -> None:
    world, _ = well(clients=9)
    held = [transport for host in world.up() for transport in host.transports if transport.open]
    assert len({transport.host.id for transport in held}) == 3
    cut = world.now
    for link in world.links:
        link.partition(set(link.ends))
    closed: dict[Transport, int] = {}

    def look() -> bool:
        for transport in held:
            if not transport.open:
                closed.setdefault(transport, world.now - cut)
        return len(closed) == len(held)

    assert world.run(cut + 10 * SECOND, look)
    assert min(closed.values()) >= 2 * SECOND - LOOK
    assert max(closed.values()) <= 3 * SECOND
    for link in world.links:
        link.let_through()
    assert world.run(world.now + 20 * SECOND, lambda: all(client.logged_on for client in world.clients))


def test_a_leader_whose_followers_do_not_sync_proposes_no_more_than_a_bound_and_goes_on_later() -> None:
    world, leader = well(clients=3)
    for host in world.up():
        if host is not leader:
            host.hang_disk(3 * SECOND)
    assert leader.replica is not None
    node = leader.replica.node
    term, before, most = node.term, node.commit_index, 0
    proposed: list[int] = []  # bytes: besides the test the leader enters what its schedules say
    propose = node.propose

    def counted(payload: Any) -> None:
        proposed.append(len(payload))
        propose(payload)

    with (
        patch.object(node_module, "IN_DOUBT_BYTES", IN_DOUBT_BYTES),
        patch.object(node, "propose", counted),
    ):
        for _ in range(100):
            node.propose(ENTRY)
            leader.schedule()
            world.run(world.now + 20 * MS)
            most = max(most, in_doubt(node))
        assert IN_DOUBT_BYTES <= most < IN_DOUBT_BYTES + len(ENTRY)
        assert node.commit_index == before
        assert len(proposed) >= 100
        assert node.queued_bytes == sum(proposed) - most
        assert world.run(world.now + 5 * SECOND, lambda: given(world, before) == sum(proposed))
    assert node.term == term


def in_doubt(node: Node) -> int:
    """Bytes of what the leader has proposed that are not committed."""
    window = node._running.log
    written = window.between(node.commit_index, window.written_index)
    return sum(len(entry.payload) for entry in written) + sum(
        len(piece) for proposal in window.unwritten for piece in proposal.pieces
    )


def given(world: World, before: int) -> int:
    """Bytes of the entries that were committed after this one."""
    return sum(len(entry.payload) for entry in world.entries[before:])
