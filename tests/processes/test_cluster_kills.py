"""kill -9 of the leader or of any other, again and again, with clients trading at every replica: nothing acknowledged
is lost, nothing is executed twice, and no report is missing or repeated after recovery.

The slow ones make 200 kills: `python -m bench.kills --kills 200` says what they saw.
"""

import os
import random
import signal
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import wait_until
from test_snapshots import makers, snapshots
from traders import Rover, check_all, trading, wait_for_more

MOST = 60  # orders that each client has acknowledged between two kills: within a window, or beyond it
SILENCE_SECONDS = 10  # that no client waits for anything, however busy the machine
SNAPSHOTS = "[log]\nsnapshot_every_mib = 8\n"  # so that some starts go on from one


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(0, 6), *(pytest.param(seed, 20, marks=pytest.mark.slow) for seed in range(1, 11))],
)
@pytest.mark.timeout(1800)
def test_kills_lose_and_repeat_nothing(tmp_path: Path, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: f"{SNAPSHOTS}\n{config}")
        rovers = [
            Rover(cluster, id, transport, 100 * seed + 10 * id + number)
            for id in cluster.members
            for number, transport in enumerate(("tcp", "zmq"))
        ]
        led = 0
        for _ in range(kills):
            for rover in rovers:
                rover.go_home()
            leader = cluster.leader()
            victim = leader if chance.random() < 0.5 else chance.choice(list(cluster.members))
            led += victim == leader
            killed = cluster.members[victim]
            with trading(rovers):
                wait_for_more(rovers, chance.randrange(MOST))
                killed.kill()
                wait_for_more(rovers, chance.randrange(MOST))
                killed.start()
                wait_until(lambda killed=killed: bool(killed.ask(command="status")["accepting"]))
        check_all(cluster, rovers, tmp_path)
        for rover in rovers:
            rover.close()
    longest = max(rover.silence for rover in rovers)
    assert longest < SILENCE_SECONDS
    acknowledged = sum(len(rover.accepted()) for rover in rovers)
    reports = sum(len(rover.received) for rover in rovers)
    logons = sum(len(rover.visited) for rover in rovers)
    print(
        f"{kills} kills, {led} of the leader; {logons} logons, silent for {longest:.2f} s; {acknowledged:,} orders "
        f"acknowledged, {reports:,} reports: 0 lost, 0 executed twice, 0 missing or repeated"
    )


def test_a_leader_is_killed_while_a_follower_makes_a_snapshot(tmp_path: Path) -> None:
    """One that takes as long as it likes."""
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: f"[log]\nsnapshot_every_mib = 1\n{config}")
        rovers = [Rover(cluster, id, "tcp", id) for id in cluster.members]
        for rover in rovers:
            rover.arrive()
        leader = cluster.leader()
        killed = cluster.members[leader]
        followers = [one for id, one in cluster.members.items() if id != leader]
        making: dict[int, Path] = {}

        def begun() -> bool:
            for one in followers:
                making.update(dict.fromkeys(makers(one.endpoints["pid"]), one.data))
            return bool(making)

        with trading(rovers):
            wait_until(begun)
            for pid in making:
                os.kill(pid, signal.SIGSTOP)
            killed.kill()
            wait_until(lambda: any(one.ask(command="status")["role"] == "leader" for one in followers))
            wait_for_more(rovers, MOST)
            for pid in making:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: all(map(snapshots, making.values())))
            killed.start()
            wait_until(lambda: bool(killed.ask(command="status")["accepting"]))
            wait_for_more(rovers, MOST)
        check_all(cluster, rovers, tmp_path)
        for rover in rovers:
            rover.close()
    assert max(rover.silence for rover in rovers) < SILENCE_SECONDS
