"""Linearizable reads at every replica of clusters under faults: a state that is said to hold everything that was
acknowledged before the question holds it."""

from random import Random
from unittest.mock import patch

import pytest
from cluster_client import Violation
from cluster_fix import MS
from cluster_host import Host
from cluster_life import lived
from cluster_world import World

from gateway.read_index import ReadIndex
from replication.leading import Leading

SEEDS = range(4)
PERIOD = 30 * MS


class Reader:
    """Asks every replica that runs, again and again, and looks later for the answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(world.seed)
        self._asked: dict[
            tuple[int, int], tuple[ReadIndex, dict[int, int]]
        ] = {}  # ticket -> input number heard of
        world.every(PERIOD, self._visit)

    def _visit(self) -> None:
        for host in self._world.up():
            host.run(host.life, lambda host=host: self._look(host))  # type: ignore[misc]

    def _look(self, host: Host) -> None:
        replica = host.replica
        assert replica is not None
        reads, floors = self._asked.setdefault(
            (host.id, host.life),
            (ReadIndex(replica, lambda: self._chance.getrandbits(62) | 1, host.schedule), {}),
        )
        for ticket in list(floors):
            if reads.look(ticket)["reached"]:
                floor = floors.pop(ticket)
                if replica.exchange.input_number < floor:
                    raise Violation(f"host {host.id} has not applied input {floor}, which was acknowledged")
                self._world.count("linearizable reads")
        floors[reads.ask()["ticket"]] = self._world.heard


@pytest.mark.timeout(300)
def test_what_was_acknowledged_before_a_read_is_in_it() -> None:
    for seed in SEEDS:
        counts = lived(seed, 3 + 2 * (seed % 2), beside=Reader).counts
        assert counts["linearizable reads"] > 100


@pytest.mark.timeout(600)
def test_a_leader_that_asks_nobody_whether_it_leads_is_found() -> None:
    def at_once(leading: Leading, member: int, ticket: int) -> None:
        leading._reads.append((0, member, ticket, leading._raft.commit_index))
        leading._answer_reads()

    def lives() -> None:
        for seed in range(20):
            lived(seed, 3, beside=Reader)

    with (
        patch.object(Leading, "read", at_once),
        pytest.raises(Violation, match="which was acknowledged"),
    ):
        lives()
