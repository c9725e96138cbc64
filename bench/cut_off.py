"""The leader is cut off: its machine runs, and nothing that it sends or is sent comes through.

    python -m bench.cut_off [--times N]

As a freeze in bench.failover, but for the network: each replica is on a machine of its own (a network namespace, which
takes root; elsewhere this says so and measures nothing), with TLS between them. Prints a JSON line. *Pause*: from the
moment before the first cable is cut to the first report, at a survivor, for an order that was sent after it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from bench.failover import Failed, load
from bench.processes import ROOT, directory
from bench.surroundings import surroundings
from gateway.client import connect

sys.path.insert(0, str(ROOT / "tests" / "processes"))  # machines and clusters on them are made there
from certificates import begin_on
from cluster_processes import ClusterProcesses
from exchange_process import wait_until
from namespaces import Network, inside


def cut_off(network: Network, venue: ClusterProcesses, number: int) -> float:
    """The pause, in ms."""
    leader = venue.leader()
    survivor = venue.members[next(id for id in venue.members if id != leader)]

    def cut() -> int:
        when = time.monotonic_ns()
        network.cut_off(leader)
        return when

    with inside(survivor.namespace):
        client = connect(survivor.endpoints["fix_tcp"], f"CUT-{number}", heartbeat_seconds=60)
    with client:
        seen = load(client, cut)
    network.heal()
    wait_until(lambda: all(one.ask(command="status")["accepting"] for one in venue.members.values()))
    return seen.pause_ms


def measure(times: int) -> dict[str, object]:
    with directory() as path, Network(3) as network, ClusterProcesses(path, network.namespaces) as venue:
        begin_on(network, venue, path)
        pauses = [cut_off(network, venue, number) for number in range(times)]
    return {
        "what": "cut off",
        "count": times,
        "pause_ms_median": round(statistics.median(pauses), 2),
        "pause_ms_worst": round(max(pauses), 2),
    }


def permitted() -> str:
    """Why no network can be made here; empty: one can."""
    try:
        with Network(1):
            return ""
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
    except OSError as error:
        return str(error)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cut_off", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--times", type=int, default=5, help="(default 5)")
    options = parser.parse_args()
    if why := permitted():
        print(f"bench.cut_off: no network can be made here: {why}", file=sys.stderr)
        return 0
    try:
        result = measure(options.times)
    except Failed as failed:
        print(f"bench.cut_off: {failed}", file=sys.stderr)
        return 1
    print(json.dumps({"bench": "failover"} | result | surroundings()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
