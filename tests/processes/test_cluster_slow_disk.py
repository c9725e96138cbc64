"""A leader is replaced while the disk of a third member is slow: that one has to save the new term, and serves on
meanwhile."""

import time
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from disks import slow_disk, slow_syncs
from exchange_process import ExchangeProcess, wait_until
from fix_client import FixClient
from test_cluster_admission import cluster_on_disks_of_their_own, flooder, taken

SYNC_MS = 2_500  # longer than a member may stay away before its clients are given up
VOTE_MS = 300  # an election timeout is 100 to 200
ELECTED_SECONDS = 15
WATCHED_SECONDS = 8
STANDS_STILL_SECONDS = 1.0
FLOOD = 600_000
DIRTY = 300_000  # orders that have come when the leader is replaced


def longest_silence(exchange: ExchangeProcess, seconds: float) -> float:
    """Of its loop, meanwhile."""
    longest, end = 0.0, time.monotonic() + seconds
    while (asked := time.monotonic()) < end:
        exchange.ask(command="status")
        longest = max(longest, time.monotonic() - asked)
        time.sleep(0.02)
    return longest


def roles(cluster: ClusterProcesses) -> tuple[ExchangeProcess, ExchangeProcess, int]:
    """The leader, a follower, and the id of the other one."""
    leader = cluster.leader()
    follower, other = (id for id in cluster.members if id != leader)
    return cluster.members[leader], cluster.members[follower], other


def handed_over(cluster: ClusterProcesses, led: ExchangeProcess, to: int) -> bool:
    """A transfer is given up when the other one does not catch up in time."""
    led.ask(command="transfer", member=to)
    return bool(cluster.members[to].ask(command="status")["role"] == "leader")


def check(cluster: ClusterProcesses, slow: ExchangeProcess, term: int, silence: float) -> None:
    """The term is entered, and nothing stood still. On a busy machine others may have been elected since."""
    print(f"longest silence {silence:.2f} s")
    assert cluster.members[cluster.leader()] is not slow
    assert slow.ask(command="status")["term"] > term
    assert silence < STANDS_STILL_SECONDS


def serves(client: FixClient) -> None:
    """It was there all the time."""
    client.send_bytes(client.order("after", "buy", 1, "1.00"))
    assert client.expect("8")[150] == "0"


def test_a_member_with_slow_syncs_enters_a_term(tmp_path: Path) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3))
        led, slow, other = roles(cluster)
        client = FixClient("tcp", slow.port("fix_tcp"), "NEAR")
        client.logon(heartbeat=0)
        term = slow.ask(command="status")["term"]
        with slow_syncs(slow, SYNC_MS):
            wait_until(lambda: handed_over(cluster, led, other))
            longest = longest_silence(slow, WATCHED_SECONDS)
        check(cluster, slow, term, longest)
        serves(client)
        cluster.wait_for_one_state()


@pytest.mark.parametrize("place", [0, 1], ids=["candidate", "voter"])
def test_a_leader_is_elected_though_a_vote_takes_longer_than_a_candidate_waits(
    tmp_path: Path, place: int
) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3))
        led = cluster.leader()
        left = [id for id in cluster.members if id != led]
        with slow_syncs(cluster.members[left[place]], VOTE_MS // 2):  # a vote takes two
            cluster.members[led].kill()
            until = time.monotonic() + ELECTED_SECONDS
            while not any(cluster.members[id].ask(command="status")["role"] == "leader" for id in left):
                assert time.monotonic() < until, "nobody is elected"
                time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_member_that_writes_a_megabyte_a_second_enters_a_term(tmp_path: Path) -> None:
    with cluster_on_disks_of_their_own(tmp_path) as cluster:
        led, slow, other = roles(cluster)
        client = FixClient("tcp", slow.port("fix_tcp"), "NEAR")
        client.logon(heartbeat=0)
        term = slow.ask(command="status")["term"]
        with slow_disk(slow), flooder(led, FLOOD) as flooding:
            while taken(led) < DIRTY:
                time.sleep(0.05)
            wait_until(lambda: handed_over(cluster, led, other))
            longest = longest_silence(slow, 30)
            check(cluster, slow, term, longest)
            flooding.wait()
        serves(client)
        cluster.wait_for_one_state()
