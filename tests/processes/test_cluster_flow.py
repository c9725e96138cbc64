"""A day's order flow, real and generated, played over FIX into a cluster whose leader is killed again and again."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_addresses, free_members
from exchange_process import PATIENCE_SECONDS, wait_until

from gateway.flow_files import FillsWriter, write_flow
from gateway.generate import FlowGenerator

SAMPLES = Path(os.environ.get("QUORUMBOOK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def fills_in(text: str) -> list[list[str]]:
    """Takers, makers, prices and quantities of a fills file, in order."""
    return [line.split(",")[3:] for line in text.splitlines()]


def applied(cluster: ClusterProcesses) -> int:
    return max(int(one.ask(command="status")["input_number"]) for one in cluster.running().values())


def play_through_kills(
    directory: Path, flow: Path, requests: int, recorded: list[list[str]], kills: int, rate: int
) -> None:
    """recorded: the fills that there have to be, at the client and by each replica's log."""
    with ClusterProcesses(directory) as cluster:
        ports = free_addresses(3)  # found again at the same place after a restart
        cluster.begin(
            free_members(3),
            lambda id, config: config.replace("fix_tcp = 0", f"fix_tcp = {ports[id - 1].rpartition(':')[2]}"),
        )
        connect = [
            text for one in cluster.members.values() for text in ("--connect", one.endpoints["fix_tcp"])
        ]
        command = ["play", str(flow), "--symbol", "AAPL", "--rate", str(rate), *connect]
        command += ["--fills", str(directory / "played.csv")]
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
        assert fills_in((directory / "played.csv").read_text()) == recorded
        cluster.wait_for_one_state()
        for id, one in cluster.members.items():
            file = directory / f"replica{id}.csv"
            replayed = one.run("replay", str(one.data), "--verify", "--fills", str(file))
            assert replayed.returncode == 0, replayed.stderr
            assert fills_in(file.read_text()) == recorded


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
    play_through_kills(tmp_path, flow, requests, recorded, kills, rate)


def test_a_generated_flow_makes_the_same_fills_on_every_replica(tmp_path: Path) -> None:
    """The generator has them from a machine in this process."""
    generator = FlowGenerator(24_000, seed=5)
    flow, fills = tmp_path / "flow.csv", tmp_path / "fills.csv"
    write_flow(flow, generator.flow())
    with FillsWriter(fills) as writer:
        writer.write(generator.fills)
    assert len(generator.fills) > 500
    play_through_kills(tmp_path, flow, generator.rows, fills_in(fills.read_text()), kills=3, rate=3000)
