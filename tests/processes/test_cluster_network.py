"""A leader that is cut off from the others, entirely or in one direction: another leads, and all is well afterwards."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from cluster_processes import ClusterProcesses
from exchange_process import wait_until
from namespaces import Network
from traders import Rover, check_all, trading, wait_for_more

PORT = 7620
MORE = 50  # orders that each client has acknowledged


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        with Network(3) as made:
            yield made
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made here: {getattr(error, 'stderr', '') or error}")


def cut_off(network: Network, one: int, *, hears: bool, speaks: bool) -> None:
    for other in network.namespaces.keys() - {one}:
        if not speaks:
            network.cut(one, other)
        if not hears:
            network.cut(other, one)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_leader_is_cut_off(network: Network, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority", "authority")
    with ClusterProcesses(tmp_path, network.namespaces) as cluster:
        cluster.begin(
            {id: f"{network.address(id)}:{PORT}" for id in network.namespaces},
            lambda id, config: config + authority.sign(f"member{id}"),
        )
        rovers = [Rover(cluster, id, "tcp", id) for id in cluster.members]
        for rover in rovers:
            rover.arrive()
        for hears, speaks in ((False, False), (True, False), (False, True)):
            leader = cluster.leader()
            old = cluster.members[leader]
            with trading(rovers):
                wait_for_more(rovers, MORE)
                cut_off(network, leader, hears=hears, speaks=speaks)
                others = [one for id, one in cluster.members.items() if id != leader]
                wait_until(
                    lambda others=others: any(one.ask(command="status")["role"] == "leader" for one in others)
                )
                wait_for_more([rover for rover in rovers if rover.visited[-1] != leader], MORE)
                wait_until(lambda old=old: not old.ask(command="status")["accepting"])
                network.heal()
                wait_until(lambda old=old: bool(old.ask(command="status")["accepting"]))
                assert old.ask(command="status")["role"] == "follower"
                wait_for_more(rovers, MORE)
        check_all(cluster, rovers, tmp_path)
