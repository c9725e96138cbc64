"""A client that floods, quiet ones beside it, and members that stand still or are slow: what queues is bounded, and the
others are served.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from cluster_processes import ClusterProcesses, free_members
from disks import file_system, slow_disk, slow_syncs
from exchange_process import PATIENCE_SECONDS, ROOT, ExchangeProcess, wait_until
from fix_client import FixClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DISK_MB = 4_000
REMEMBERED = 100_000  # ClOrdIDs of closed orders, of each session
GROWTH_BYTES = 48 << 20  # of any while the second half of the flood comes
FLOODER = """
import sys, threading
import numpy as np
from fix_client import FixClient
from gateway.client_encoder import Encoder
from gateway.client_types import REQUEST

port, count = map(int, sys.argv[1:])
client = FixClient("tcp", port, "FLOODER")
client.logon(heartbeat=0)
tcp = client._tcp

def count_answers():
    left, kept = 2 * count, b""
    while left:
        data = kept + tcp.recv(1 << 20)
        left -= data.count(b"\\x0110=")
        kept = data[-3:]

answers = threading.Thread(target=count_answers)
answers.start()
print("ready", flush=True)
rows = np.zeros(10_000, REQUEST)
rows["kind"], rows["side"], rows["ord_type"], rows["time_in_force"] = map(ord, "D123")
rows["symbol"], rows["quantity"], rows["price"] = b"AAPL", 1, 1
for first in range(0, count, len(rows)):
    rows["cl_ord_id"] = [b"f%d" % (first + i) for i in range(len(rows))]
    for data, _ in Encoder("FLOODER", "QUORUMBOOK").requests(rows, first + 2, 1_790_000_000_000_000_000, 256):
        tcp.sendall(data)
answers.join()
"""


@contextmanager
def flooder(exchange: ExchangeProcess, orders: int) -> Iterator["subprocess.Popen[str]"]:
    """Begins when it has said so."""
    process = subprocess.Popen(
        [sys.executable, "-c", FLOODER, str(exchange.port("fix_tcp")), str(orders)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{ROOT}"},
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


def resident_bytes(exchange: ExchangeProcess) -> int:
    status = Path(f"/proc/{exchange.endpoints['pid']}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def taken(exchange: ExchangeProcess) -> int:
    return int(exchange.ask(command="status")["input_number"])


def round_trip_us(client: FixClient, name: str) -> float:
    began = time.perf_counter_ns()
    client.send_bytes(client.order(name, "buy", 1, "1.00", tif="3"))
    assert client.expect("8")[150] == "0"
    assert client.expect("8")[150] == "4"
    return (time.perf_counter_ns() - began) / 1000


@contextmanager
def stopped(led: ExchangeProcess, follower: ExchangeProcess, other: ExchangeProcess) -> Iterator[None]:
    """A follower stands still: the other two are all that can decide."""
    follower.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        follower.signal(signal.SIGCONT)


@contextmanager
def slow_quorum(led: ExchangeProcess, follower: ExchangeProcess, other: ExchangeProcess) -> Iterator[None]:
    with stopped(led, follower, other), slow_syncs(other, 20):
        yield


@contextmanager
def slow_disk_of_one(
    led: ExchangeProcess, follower: ExchangeProcess, other: ExchangeProcess
) -> Iterator[None]:
    with slow_disk(follower):
        yield


Situation = Callable[
    [ExchangeProcess, ExchangeProcess, ExchangeProcess], AbstractContextManager[None]
]  # leader, a follower, the other one


@contextmanager
def cluster_on_disks_of_their_own(directory: Path) -> Iterator[ClusterProcesses]:
    """Of three, which can be made slow one by one."""
    members = free_members(3)
    with ExitStack() as stack:
        for id in members:
            stack.enter_context(file_system(directory / f"member{id}", DISK_MB))
        cluster = stack.enter_context(ClusterProcesses(directory))
        cluster.begin(members)
        yield cluster


def watch_a_flood(cluster: ClusterProcesses, situation: Situation, flood: int) -> None:
    """Of so many orders, at the leader: no member grows by it. Prints what quiet clients waited meanwhile."""
    leader = cluster.leader()
    led = cluster.members[leader]
    follower, other = (one for id, one in cluster.members.items() if id != leader)
    quiet = [FixClient("tcp", one.port("fix_tcp"), name) for one, name in ((led, "NEAR"), (other, "FAR"))]
    for client in quiet:
        client.logon(heartbeat=0)
    latencies: dict[str, list[float]] = {client.comp_id: [] for client in quiet}
    sizes: list[tuple[int, list[int]]] = []
    with flooder(led, flood) as flooding:
        with situation(led, follower, other):
            while not sizes or sizes[-1][0] < flood:
                sizes.append((taken(led), [resident_bytes(one) for one in cluster.members.values()]))
                for number in range(10):
                    for client in quiet:
                        latencies[client.comp_id].append(round_trip_us(client, f"{len(sizes)}-{number}"))
        assert flooding.wait(PATIENCE_SECONDS) == 0
    for name, found in latencies.items():
        p50, p99 = np.percentile(found, (50, 99))
        print(f"{name}: p50 {p50:,.0f} us, p99 {p99:,.0f} us of {len(found)}")
    half = next(at for at, (inputs, _) in enumerate(sizes) if inputs > max(flood // 2, REMEMBERED))
    for id, resident in zip(cluster.members, zip(*(now for _, now in sizes), strict=True), strict=True):
        grown = max(resident) - resident[half]
        print(
            f"member {id}{' (leader)' if id == leader else ''}: resident {resident[half] >> 20} MB when half had "
            f"come, {grown >> 20} MB more at most after it"
        )
        assert grown < GROWTH_BYTES
    wait_until(lambda: len({taken(one) for one in cluster.members.values()}) == 1)
    cluster.wait_for_one_state()


@pytest.mark.parametrize("situation", [stopped, slow_quorum])
def test_a_flood_costs_no_memory_when_members_are_slow_or_stand_still(
    tmp_path: Path, situation: Situation
) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3))
        watch_a_flood(cluster, situation, 1_500_000)


def test_a_flood_costs_no_memory_when_one_disk_writes_a_megabyte_a_second(tmp_path: Path) -> None:
    with cluster_on_disks_of_their_own(tmp_path) as cluster:
        watch_a_flood(cluster, slow_disk_of_one, 1_000_000)
