"""A day's real order flow, played over FIX into a cluster whose leader is killed again and again on the way."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_addresses, free_members
from exchange_process import PATIENCE_SECONDS, wait_until

SAMPLES = Path(os.environ.get("QUORUMBOOK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def fills_in(text: str) -> list[list[str]]:
    """Takers, makers, prices and quantities of a fills file, in order."""
    return [line.split(",")[3:] for line in text.splitlines()]


def applied(cluster: ClusterProcesses) -> int:
    return max(int(one.ask(command="status")["input_number"]) for one in cluster.running().values())


@pytest.mark.parametrize(("kills", "rate"), [(2, 6000), pytest.param(10, 1500, marks=pytest.mark.slow)])
def test_the_fills_are_the_recorded_ones_on_every_replica(tmp_path: Path, kills: int, rate: int) -> None:
    """rate: requests a second, few enough that a killed replica is back before the next is killed."""
    flow = SAMPLES / "lobster" / "AAPL_L50_0930-1010.orders.csv.gz"
    if not flow.exists():
        pytest.skip(f"the real flow {flow} is not here (its terms forbid a copy in the repository)")
    recorded = fills_in(
        gzip.decompress(flow.with_name("AAPL_L50_0930-1010.fills.csv.gz").read_bytes()).decode()
    )
    requests = len(gzip.decompress(flow.read_bytes()).splitlines()) - 1
    with ClusterProcesses(tmp_path) as cluster:
        ports = free_addresses(3)  # found again at the same place after a restart
        cluster.begin(
            free_members(3),
            lambda id, config: config.replace("fix_tcp = 0", f"fix_tcp = {ports[id - 1].rpartition(':')[2]}"),
        )
        connect = [
            text for one in cluster.members.values() for text in ("--connect", one.endpoints["fix_tcp"])
        ]
        command = ["play", str(flow), "--symbol", "AAPL", "--rate", str(rate), *connect]
        command += ["--fills", str(tmp_path / "played.csv")]
        some = cluster.members[1]
        playing = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=some.environment,
        )  # fmt: skip
        try:
            for number in range(1, kills + 1):
                wait_until(
                    lambda number=number: (
                        applied(cluster) > number * requests // (kills + 1) or playing.poll() is not None
                    )
                )
                assert playing.poll() is None, playing.stdout and playing.stdout.read()
                leader = cluster.members[cluster.leader()]
                leader.kill()
                leader.start()
            said, _ = playing.communicate(timeout=PATIENCE_SECONDS)
        finally:
            playing.kill()
        print(said)
        assert playing.returncode == 0, said
        assert f"{requests:,} requests, {len(recorded) - 1:,} fills" in said
        assert fills_in((tmp_path / "played.csv").read_text()) == recorded
        cluster.wait_for_one_state()
        for id, one in cluster.members.items():
            file = tmp_path / f"replica{id}.csv"
            replayed = one.run("replay", str(one.data), "--verify", "--fills", str(file))
            assert replayed.returncode == 0, replayed.stderr
            assert fills_in(file.read_text()) == recorded
