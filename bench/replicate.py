"""Three replicas and the client on this machine, every order synced by a majority: latency, rate, false elections.

    python -m bench.replicate [--rounds N] [--messages N] [--repeat N] [--seconds N] [--floors DIR]

Prints JSON lines. *One in flight*: an order, sent when the one before is answered, by a client at the leader and, in
its turn, by one at a follower; then at a leader of replicas with `durability = "memory"`. Floors of the same run,
interleaved: an echo over the same transport by the same client code, and DIR/replfloor.c, which appends 128 bytes at a
majority of three processes in C, and syncs them where the replicas do. *Many in flight*: W1's mix through a window,
beside the same through an echo. *False elections*: how many there were under full load; with --no-elections the bench
fails when there was one. A client at a follower may wait for two round trips between members more (bench/link.py), and
half of that.
Processes run on any core.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.cluster import Cluster, cluster
from bench.histograms import figures, histogram
from bench.link import round_trip_us
from bench.many_in_flight import stream
from bench.order_mix import PREFILL, order_mix
from bench.processes import ROOT, directory, echo
from bench.surroundings import surroundings
from bench.wire import BLOCK, WARM_UP, Rounds
from gateway.client import connect

WINDOW = 1024
FLOOR_EVERY = 20  # blocks
FLOOR_ROUNDS = 200
LINKS = 3.0  # 1.5 times two round trips between members
FLOORS = ROOT.parent / "shared" / "floors"


def one_in_flight(
    venue: Cluster, transport: str, where: str, rounds: int, floor: Path | None, data: Path, durability: str
) -> dict[str, Any]:
    """where: "leader" or "follower". durability: of the replicas, and so of the floor."""
    replica = venue.leader() if where == "leader" else venue.followers()[0]
    taken: dict[str, list[int]] = {"exchange": [], "echo": []}
    replicated = []
    with (
        echo(transport) as (_, endpoint),
        connect(venue.fix(replica, transport), f"ONE-{where}-{transport}", heartbeat_seconds=60) as real,
        connect(endpoint, "ECHO", target="ECHO", heartbeat_seconds=3600) as mirror,
    ):
        kinds = {"exchange": Rounds(real), "echo": Rounds(mirror)}
        for kind in kinds.values():
            kind(WARM_UP)
        for number in range(rounds // BLOCK):
            for name, kind in kinds.items():
                taken[name] += kind(BLOCK)
            if floor is not None and number % FLOOR_EVERY == 0:
                replicated.append(floor_us(floor, data, durability))
    found = histogram(np.array(taken["exchange"]))
    echo_us = statistics.median(taken["echo"]) / 1000
    result = {
        "what": "one in flight",
        "transport": transport,
        "client_at": where,
        "durability": durability,
        "rounds": rounds,
        **figures(found),
        "echo_us_p50": echo_us,
    }
    if replicated:
        append = statistics.median(replicated)
        ratio = statistics.median(taken["exchange"]) / 1000 / (append + echo_us)
        result |= {
            "replicated_append_us_p50": append,
            "floor_us_p50": append + echo_us,
            "ratio": round(ratio, 2),
        }
    return result


def floor_us(program: Path, data: Path, durability: str) -> float:
    """The median of the floor program, one in flight, in us."""
    sync = "1" if durability == "disk" else "0"
    said = subprocess.run(
        [program, data, sync, "1", str(FLOOR_ROUNDS), "128"], capture_output=True, text=True, check=True
    ).stdout
    return float(said.split("p50=")[1].split()[0])


def many_in_flight(venue: Cluster, transport: str, messages: int, repeat: int) -> dict[str, Any]:
    requests = order_mix(messages)
    rates, echoes, latencies = [], [], []
    with echo(transport) as (_, mirror):
        for number in range(repeat):
            endpoint = venue.fix(venue.leader(), transport)
            with connect(endpoint, f"MIX-{transport}-{number}", heartbeat_seconds=60, timeout=60) as client:
                stream(client, requests[:PREFILL], WINDOW)
                taken = stream(client, requests[PREFILL:], WINDOW, PREFILL)
                client.mass_cancel()
            rates.append((len(requests) - PREFILL) / taken.seconds)
            latencies.append(taken.answered - taken.intended)
            with connect(mirror, "ECHO", target="ECHO", heartbeat_seconds=3600, timeout=60) as client:
                echoed = stream(client, requests[PREFILL:], WINDOW, PREFILL)
            echoes.append((len(requests) - PREFILL) / echoed.seconds)
    return {
        "what": "many in flight",
        "transport": transport,
        "window": WINDOW,
        "messages": messages,
        "repeat": repeat,
        "rate": round(statistics.median(rates)),
        "echo_rate": round(statistics.median(echoes)),
        **figures(histogram(np.concatenate(latencies))),
    }


def false_elections(venue: Cluster, messages: int, seconds: float) -> dict[str, Any]:
    """Full load on the leader, for so long; every new term is one too many."""
    requests = order_mix(messages)
    leader = venue.leader()
    before = venue.status(leader)["term"]
    sent = 0
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < seconds:
        endpoint = venue.fix(venue.leader(), "tcp")
        with connect(endpoint, f"FULL-{number}", heartbeat_seconds=60, timeout=60) as client:
            stream(client, requests, WINDOW)
            client.mass_cancel()
        sent += len(requests)
        number += 1
    taken = time.monotonic() - began
    return {
        "what": "false elections",
        "seconds": round(taken, 1),
        "rate": round(sent / taken),
        "elections": venue.status(venue.leader())["term"] - before,
    }


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with directory() as path, cluster(path / "data") as venue:
        floor = compiled(options.floors, path) if options.floors is not None else None
        for transport in ("tcp", "zmq") if options.rounds else ():
            venue.wait_until_quiet()
            near = one_in_flight(venue, transport, "leader", options.rounds, floor, path, "disk")
            yield near
            link_us = round_trip_us()
            far = one_in_flight(venue, transport, "follower", options.rounds, floor, path, "disk")
            reach = near["latency_us_p50"] + LINKS * link_us
            yield far | {"link_us_p50": round(link_us, 1), "reach_us": round(reach, 1)}
        for transport in ("tcp", "zmq"):
            if options.messages:
                yield many_in_flight(venue, transport, options.messages, options.repeat)
        if options.seconds:
            yield false_elections(venue, options.messages or 100_000, options.seconds)
    if options.rounds:
        with directory() as path, cluster(path / "data", "memory") as venue:
            venue.wait_until_quiet()
            floor = compiled(options.floors, path) if options.floors is not None else None
            for transport in ("tcp", "zmq"):
                yield one_in_flight(venue, transport, "leader", options.rounds, floor, path, "memory")


def compiled(floors: Path, path: Path) -> Path | None:
    """None without a compiler."""
    program = path / "replfloor"
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["gcc", "-O2", "-w", "-o", program, floors / "replfloor.c"], check=True)
        return program
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.replicate", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=2000, help="of one in flight (default 2000; 0 = none)")
    parser.add_argument("--messages", type=int, default=200_000, help="of many in flight (200000; 0 = none)")
    parser.add_argument("--repeat", type=int, default=3, help="of many in flight (3)")
    parser.add_argument("--seconds", type=float, default=60, help="of full load (60; 0 = none)")
    parser.add_argument(
        "--floors",
        type=Path,
        default=FLOORS if (FLOORS / "replfloor.c").exists() else None,
        metavar="DIR",
        help="holds replfloor.c",
    )
    parser.add_argument(
        "--no-elections", action="store_true", help="fail when there was a false election under full load"
    )
    options = parser.parse_args()
    elections = 0
    for result in measure(options):
        print(json.dumps({"bench": "replicate"} | result | surroundings()), flush=True)
        elections += result.get("elections", 0)
    if options.no_elections and elections:
        print(f"bench.replicate: {elections} elections that nobody wanted under full load", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
