"""What the network may do to a cluster that trades: cut members off, lose packets, deliver late. Nothing is lost by it,
nothing acknowledged falsely, and all is well when it is over.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from certificates import PORT, begin_on
from cluster_processes import ClusterProcesses
from exchange_process import ExchangeProcess, wait_until
from namespaces import Network
from slow_links import slow_links
from traders import WINDOW, Rover, check_all, trading, wait_for_more

LOST = 100  # packets
MORE = WINDOW + 20  # orders that each client has acknowledged: not only those that were on their way


@pytest.fixture
def cluster(network: Network, tmp_path: Path) -> Iterator[ClusterProcesses]:
    """A replica on each machine."""
    with ClusterProcesses(tmp_path, network.namespaces) as made:
        begin_on(network, made, tmp_path)
        yield made


def clients(cluster: ClusterProcesses) -> list[Rover]:
    """One at each replica, logged on. A thread that ZeroMQ began long ago would be in no namespace."""
    made = [Rover(cluster, id, "tcp", id) for id in cluster.members]
    for rover in made:
        rover.arrive()
    return made


def accepts(exchange: ExchangeProcess) -> bool:
    return bool(exchange.ask(command="status")["accepting"])


def wait_for_leader(cluster: ClusterProcesses, ids: Sequence[int]) -> None:
    """Among these."""
    asked = [cluster.members[id] for id in ids]
    wait_until(lambda: any(one.ask(command="status")["role"] == "leader" for one in asked))


def wait_until_all_accept(cluster: ClusterProcesses) -> None:
    wait_until(lambda: all(map(accepts, cluster.members.values())))


def wait_until_no_link(cluster: ClusterProcesses, alone: int) -> None:
    """It is given up by both ends (replication.peers.DEAD_MS), between two followers too; TCP by itself would send
    again for a quarter of an hour, and of an idle link notice nothing at all."""
    rest = [cluster.members[id] for id in others(cluster, alone)]
    wait_until(lambda: all(alone not in one.ask(command="status")["linked"] for one in rest))
    wait_until(lambda: cluster.members[alone].ask(command="status")["linked"] == [])


def others(cluster: ClusterProcesses, *ids: int) -> list[int]:
    return [id for id in cluster.members if id not in ids]


@pytest.mark.parametrize(
    ("hears", "speaks"),
    [
        (False, False),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
    ],
)
def test_a_leader_is_cut_off(
    network: Network, cluster: ClusterProcesses, tmp_path: Path, hears: bool, speaks: bool
) -> None:
    rovers = clients(cluster)
    leader = cluster.leader()
    old = cluster.members[leader]
    with trading(rovers):
        wait_for_more(rovers, MORE)
        network.cut_off(leader, hears=hears, speaks=speaks)
        wait_for_leader(cluster, others(cluster, leader))
        wait_for_more(rovers, MORE)  # its own client, too: it was closed, and goes on elsewhere
        wait_until(lambda: not accepts(old))
        network.heal()
        wait_until(lambda: accepts(old))
        wait_for_more(rovers, MORE)
    assert len(rovers[leader - 1].visited) > 1
    check_all(cluster, rovers, tmp_path)


def test_a_follower_is_cut_off(network: Network, cluster: ClusterProcesses, tmp_path: Path) -> None:
    rovers = clients(cluster)
    alone = others(cluster, cluster.leader())[0]
    with trading(rovers):
        wait_for_more(rovers, MORE)
        network.cut_off(alone)
        wait_for_more(rovers, MORE)
        wait_until_no_link(cluster, alone)
        wait_until(lambda: not accepts(cluster.members[alone]))
        network.heal()
        wait_until_all_accept(cluster)
        wait_for_more(rovers, MORE)
    assert len(rovers[alone - 1].visited) > 1
    check_all(cluster, rovers, tmp_path)


def test_without_any_majority_nothing_is_acknowledged_and_clients_are_closed(
    network: Network, cluster: ClusterProcesses, tmp_path: Path
) -> None:
    rovers = clients(cluster)
    with trading(rovers):
        wait_for_more(rovers, MORE)
        for id in cluster.members:
            network.cut_off(id)
        wait_until(lambda: not any(map(accepts, cluster.members.values())))
        wait_until(lambda: all(rover.lost for rover in rovers))
        told = [len(rover.received) for rover in rovers]
        tried = [rover.attempts for rover in rovers]
        wait_until(lambda: all(rover.attempts > least for rover, least in zip(rovers, tried, strict=True)))
        assert [len(rover.received) for rover in rovers] == told
        network.heal()
        wait_until_all_accept(cluster)
        wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)


@pytest.mark.parametrize("percent", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_packets_are_lost_everywhere(
    filtered: Network, cluster: ClusterProcesses, tmp_path: Path, percent: int
) -> None:
    rovers = clients(cluster)
    with trading(rovers):
        wait_for_more(rovers, MORE)
        for sender in cluster.members:
            for receiver in others(cluster, sender):
                filtered.lose(sender, receiver, percent)
        wait_until(lambda: filtered.lost() >= LOST)
        wait_for_more(rovers, MORE)
        filtered.heal()
        wait_until_all_accept(cluster)
        wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("percent", [30, 90])
@pytest.mark.parametrize("sends", [True, False])
def test_packets_of_or_to_a_leader_are_lost(
    filtered: Network, cluster: ClusterProcesses, tmp_path: Path, sends: bool, percent: int
) -> None:
    rovers = clients(cluster)
    leader = cluster.leader()
    with trading(rovers):
        wait_for_more(rovers, MORE)
        for other in others(cluster, leader):
            filtered.lose(*((leader, other) if sends else (other, leader)), percent)
        wait_until(lambda: filtered.lost() >= LOST)
        wait_for_more(rovers, MORE)
        filtered.heal()
        wait_until_all_accept(cluster)
        wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)


@pytest.mark.parametrize(("delay_ms", "jitter_ms"), [(5, 5), pytest.param(20, 30, marks=pytest.mark.slow)])
def test_messages_between_members_are_late(
    filtered: Network, tmp_path: Path, delay_ms: float, jitter_ms: float
) -> None:
    with (
        slow_links(filtered, PORT, delay_ms, jitter_ms),
        ClusterProcesses(tmp_path, filtered.namespaces) as cluster,
    ):
        begin_on(filtered, cluster, tmp_path)
        rovers = clients(cluster)
        with trading(rovers):
            wait_for_more(rovers, 4 * MORE)
            killed = cluster.members[cluster.leader()]
            killed.kill()
            wait_for_more(rovers, MORE)
            killed.start()
            wait_until_all_accept(cluster)
            wait_for_more(rovers, MORE)
        check_all(cluster, rovers, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", [5], indirect=True)
def test_two_of_five_are_cut_off(network: Network, cluster: ClusterProcesses, tmp_path: Path) -> None:
    """The leader and a follower, and each other."""
    rovers = clients(cluster)
    for _ in range(3):
        leader = cluster.leader()
        lost = (leader, others(cluster, leader)[0])
        with trading(rovers):
            wait_for_more(rovers, MORE)
            for id in lost:
                network.cut_off(id)
            wait_for_leader(cluster, others(cluster, *lost))
            wait_for_more(rovers, MORE)
            wait_until(lambda lost=lost: not any(accepts(cluster.members[id]) for id in lost))
            network.heal()
            wait_until_all_accept(cluster)
            wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)
