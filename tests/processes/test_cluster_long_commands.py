"""The leader dies in the middle of a command that goes on from entry to entry: the next one goes on with it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import wait_until

from bench.crowds import requests
from bench.many_in_flight import stream
from gateway.client import connect

ORDERS = 60_000
"""What takes fifteen entries to cancel."""


@pytest.mark.parametrize(
    "seconds", [0.01, *(pytest.param(seconds, marks=pytest.mark.slow) for seconds in (0.0, 0.02, 0.03, 0.05))]
)
def test_a_mass_cancel_outlives_its_leader(tmp_path: Path, seconds: float) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: config)
        leader = cluster.leader()
        follower = next(id for id in cluster.members if id != leader)
        endpoint = str(cluster.members[follower].endpoints["fix_tcp"])
        with connect(endpoint, "CROWD", timeout=60) as crowd, ThreadPoolExecutor(1) as beside:
            stream(crowd, requests(ORDERS, price=np.arange(ORDERS) % 500 + 1), 1024)
            cancelled = beside.submit(crowd.mass_cancel)
            time.sleep(seconds)
            cluster.members[leader].kill()
            assert cancelled.result() == ORDERS
        cluster.members[leader].start()
        wait_until(lambda: bool(cluster.members[leader].ask(command="status")["accepting"]))
        cluster.wait_for_one_state()
        for one in cluster.members.values():
            assert one.ask(command="status")["live_orders"] == 0
