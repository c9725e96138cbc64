"""`quorumbook status --confirmed`: it shows what was acknowledged before, or says that nobody can know."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import wait_until
from fix_client import FixClient


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path) as made:
        made.begin(free_members(3))
        yield made


def order(cluster: ClusterProcesses, id: int, name: str) -> int:
    """The input number of an order that was acknowledged."""
    with FixClient("tcp", cluster.members[id].port("fix_tcp"), name) as client:
        client.logon()
        client.send_bytes(client.order(name, "buy", 10, "10.00"))
        return int(client.expect("8")[20001])


def test_a_leader_that_stood_still_does_not_show_what_it_knew(cluster: ClusterProcesses) -> None:
    for name in ("A", "B", "C"):
        first = cluster.leader()
        stale = cluster.members[first]
        rest = {id: one for id, one in cluster.members.items() if id != first}
        stale.signal(signal.SIGSTOP)
        try:
            wait_until(
                lambda rest=rest: any(one.ask(command="status")["role"] == "leader" for one in rest.values())
            )
            wait_until(lambda rest=rest: all(one.ask(command="status")["accepting"] for one in rest.values()))
            number = order(cluster, next(iter(rest)), name)
        finally:
            stale.signal(signal.SIGCONT)
        shown = json.loads(cluster.succeed("status", "--confirmed", "--json", ids=[first]))
        assert shown["input_number"] >= number
        assert shown["applied_index"] >= shown["read_index"]


def test_without_a_majority_nothing_is_confirmed(cluster: ClusterProcesses) -> None:
    number = order(cluster, 1, "A")
    others = [cluster.members[id] for id in (2, 3)]
    for one in others:
        one.signal(signal.SIGSTOP)
    try:
        assert "not confirmed within 5 s" in cluster.fail("status", "--confirmed", ids=[1])
        assert "not confirmed" not in cluster.succeed("status", ids=[1])
    finally:
        for one in others:
            one.signal(signal.SIGCONT)
    shown = cluster.succeed("status", "--confirmed")
    assert "\nconfirmed: what is shown holds everything that was acknowledged before (entry " in shown
    assert "not reached" not in shown
    for one in json.loads(cluster.succeed("status", "--confirmed", "--json"))["replicas"]:
        assert one["status"]["input_number"] >= number
