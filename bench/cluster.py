"""Three replicas and the client on this machine, every order synced to a majority's disks: latency, rate, failover.

    python -m bench.cluster [--rounds N] [--messages N] [--repeat N] [--kills N] [--resting N] [--floors DIR]

Prints JSON lines. *One in flight*: an order, sent when the one before is answered, by a client at the leader and by one
at a follower. Floors of the same run, interleaved: an echo over the same transport by the same client code, and
DIR/replfloor.c, which appends and syncs 128 bytes on a majority of three processes in C. *Many in flight*: W1's mix
through a window. *Failover*: the leader is killed with SIGKILL under load; the time from the kill to the first report
for an order that was sent after it, by an open-loop client at a survivor. The killed replica is started again, and has
caught up, before the next kill. Processes run on any core.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.histograms import figures, histogram
from bench.many_in_flight import stream
from bench.order_mix import PREFILL, order_mix
from bench.processes import ROOT, directory, echo
from bench.surroundings import surroundings
from bench.wire import BLOCK, WARM_UP, Rounds
from gateway import cluster_command
from gateway.client import Client, connect
from gateway.config import read_endpoints
from gateway.locate import Place

WINDOW = 1024
MS = 1_000_000
LOAD_SECONDS = 0.0005  # between two orders of the open loop
FLOORS = ROOT.parent / "shared" / "floors"


class Cluster:
    """Replicas by their configuration files."""

    def __init__(self, data: Path, replicas: int = 3) -> None:
        data.mkdir(parents=True, exist_ok=True)
        cluster_command.configure(data, replicas)
        self.files = sorted(data.glob("replica*.toml"))
        self.processes = {file: cluster_command.start(file, first=True) for file in self.files}
        if not cluster_command.wait_until_ready(self.processes):
            raise RuntimeError("the cluster did not start")
        self.wait_until_equal()

    def status(self, file: Path) -> dict[str, Any]:
        return Place((), cluster_command.directory_of(file)).ask({"command": "status"})

    def fix(self, file: Path, transport: str) -> str:
        endpoints = read_endpoints(cluster_command.directory_of(file))
        return f"zmq+{endpoints['fix_zmq']}" if transport == "zmq" else f"fix+{endpoints['fix_tcp']}"

    def leader(self) -> Path:
        while True:
            for file in self.files:
                if self.processes[file].poll() is None and self.status(file)["role"] == "leader":
                    return file
            time.sleep(0.01)

    def followers(self) -> list[Path]:
        leader = self.leader()
        return [file for file in self.files if file != leader]

    def wait_until_equal(self) -> None:
        """Every replica takes clients, and has applied what the others have."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = [self.status(file) for file in self.files]
            if all(one["accepting"] for one in found) and len({one["applied_index"] for one in found}) == 1:
                return
            time.sleep(0.05)
        raise RuntimeError("the replicas did not come to the same entry within a minute")

    def kill(self, file: Path) -> int:
        """When, monotonic_ns."""
        when = time.monotonic_ns()
        os.kill(self.processes[file].pid, signal.SIGKILL)
        return when

    def start(self, file: Path) -> None:
        self.processes[file].wait()
        self.processes[file] = cluster_command.start(file, first=False)
        cluster_command.wait_until_ready({file: self.processes[file]})
        self.wait_until_equal()

    def stop(self) -> None:
        cluster_command.stop(self.processes)


@contextlib.contextmanager
def cluster(data: Path) -> Iterator[Cluster]:
    made = Cluster(data)
    try:
        yield made
    finally:
        made.stop()


# ---------------------------------------------------------------- latency and rate


def one_in_flight(
    venue: Cluster, transport: str, rounds: int, floor: Path | None, data: Path
) -> dict[str, Any]:
    leader, follower = venue.leader(), venue.followers()[0]
    with (
        echo(transport) as (_, endpoint),
        connect(venue.fix(leader, transport), f"ONE-L-{transport}", heartbeat_seconds=60) as near,
        connect(venue.fix(follower, transport), f"ONE-F-{transport}", heartbeat_seconds=60) as far,
        connect(endpoint, "ECHO", target="ECHO", heartbeat_seconds=3600) as mirror,
    ):
        kinds = {"leader": Rounds(near), "follower": Rounds(far), "echo": Rounds(mirror)}
        taken: dict[str, list[int]] = {name: [] for name in kinds}
        replicated = []
        for kind in kinds.values():
            kind(WARM_UP)
        for number in range(rounds // BLOCK):
            for name, kind in kinds.items():
                taken[name] += kind(BLOCK)
            if floor is not None and number % 20 == 0:
                replicated.append(floor_us(floor, data, 1, 200))
    found = {name: statistics.median(values) / 1000 for name, values in taken.items()}
    result: dict[str, Any] = {"what": "one in flight", "transport": transport}
    result |= {f"{name}_us_p50": value for name, value in found.items()}
    if replicated:
        result["replicated_append_us_p50"] = statistics.median(replicated)
        result["floor_us_p50"] = result["replicated_append_us_p50"] + found["echo"]
        result["ratio"] = found["leader"] / result["floor_us_p50"]
    return result | {
        f"{name}_{key}": value
        for name, values in taken.items()
        for key, value in figures(histogram(np.array(values))).items()
    }


def floor_us(program: Path, data: Path, in_flight: int, count: int) -> float:
    """The median of the floor program, in us."""
    said = subprocess.run(
        [program, data, "1", str(in_flight), str(count), "128"], capture_output=True, text=True, check=True
    ).stdout
    return float(said.split("p50=")[1].split()[0])


def many_in_flight(venue: Cluster, transport: str, messages: int, repeat: int) -> dict[str, Any]:
    requests = order_mix(messages)
    rates, latencies = [], []
    for number in range(repeat):
        endpoint = venue.fix(venue.leader(), transport)
        with connect(endpoint, f"MIX-{transport}-{number}", heartbeat_seconds=60, timeout=60) as client:
            stream(client, requests[:PREFILL], WINDOW)
            taken = stream(client, requests[PREFILL:], WINDOW, PREFILL)
            client.mass_cancel()
        rates.append((len(requests) - PREFILL) / taken.seconds)
        latencies.append(taken.answered - taken.intended)
    return {
        "what": "many in flight",
        "transport": transport,
        "window": WINDOW,
        "rate": round(statistics.median(rates)),
        **figures(histogram(np.concatenate(latencies))),
    }


# ---------------------------------------------------------------- failover


def failover(venue: Cluster, transport: str, kills: int) -> Iterator[dict[str, Any]]:
    """A line for each kill."""
    for number in range(kills):
        leader = venue.leader()
        survivor = next(file for file in venue.files if file != leader)
        with connect(
            venue.fix(survivor, transport), f"KILL-{transport}-{number}", heartbeat_seconds=60
        ) as client:
            pause_ns = one_kill(venue, leader, client)
        yield {"what": "kill", "transport": transport, "pause_ms": pause_ns / MS}
        venue.start(leader)


def one_kill(venue: Cluster, leader: Path, client: Client) -> int:
    """From the kill to the first report for an order sent after it, ns."""
    rounds = Rounds(client)
    sent: list[int] = []  # when, by number of the ClOrdID
    answered = 0
    killed = 0
    begin = time.monotonic_ns()
    next_ns = begin
    while True:
        now = time.monotonic_ns()
        if not killed and now - begin > 300 * MS:
            killed = venue.kill(leader)
        if now >= next_ns:
            row = rounds.rows[len(sent) % 2 : len(sent) % 2 + 1]
            row["cl_ord_id"] = b"k%d" % len(sent)
            if len(sent) % 2:
                row["orig_cl_ord_id"] = b"k%d" % (len(sent) - 1)
            client.send(row)
            sent.append(now)
            next_ns += int(LOAD_SECONDS * 1e9)
        for batch, start, stop in client.receive(0.0):
            now = time.monotonic_ns()
            for id in batch.array["cl_ord_id"][start:stop]:
                answered = int(bytes(id).strip(b"\0")[1:])
                if killed and sent[answered] > killed:
                    return now - killed
        if killed and now - killed > 10_000 * MS:
            raise RuntimeError("no report within ten seconds of the kill")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with directory() as path, cluster(path / "data") as venue:
        floor = compiled(options.floors, path) if options.floors is not None else None
        for transport in ("tcp", "zmq"):
            if options.rounds:
                yield one_in_flight(venue, transport, options.rounds, floor, path)
            if options.messages:
                yield many_in_flight(venue, transport, options.messages, options.repeat)
        if options.kills:
            pauses = []
            for line in failover(venue, "tcp", options.kills):
                pauses.append(line["pause_ms"])
                yield line
            yield {
                "what": "failover",
                "kills": options.kills,
                "pause_ms_median": statistics.median(pauses),
                "pause_ms_max": max(pauses),
            }


def compiled(floors: Path, path: Path) -> Path:
    program = path / "replfloor"
    subprocess.run(["gcc", "-O2", "-o", program, floors / "replfloor.c"], check=True)
    return program


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=2000, help="of one in flight (default 2000; 0 = none)")
    parser.add_argument("--messages", type=int, default=200_000, help="of many in flight (200000; 0 = none)")
    parser.add_argument("--repeat", type=int, default=3, help="of many in flight (3)")
    parser.add_argument("--kills", type=int, default=20, help="of the leader (20; 0 = none)")
    parser.add_argument(
        "--floors",
        type=Path,
        default=FLOORS if (FLOORS / "replfloor.c").exists() else None,
        metavar="DIR",
        help="holds replfloor.c",
    )
    for result in measure(parser.parse_args()):
        print(json.dumps({"bench": "cluster"} | result | surroundings()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
