"""The daily reset of real processes: once, whoever leads, and clients go on behind it."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import wait_until
from fix_client import Closed, FixClient
from test_session_survives import log_on

import quorumbook

ANEW = "the sequence numbers begin anew: log on with MsgSeqNum (34) 1"


def next_minute() -> datetime:
    """A whole minute that is far enough away for a cluster to begin before."""
    return (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)


def wait_for(moment: datetime) -> None:
    time.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0))


def log_on_anew(cluster: ClusterProcesses, client: FixClient, id: int) -> None:
    """With number 1, as soon as this replica takes it."""
    client.port = cluster.members[id].port(f"fix_{client.transport}")

    def taken() -> bool:
        client.next_in = client.next_out = 1
        with suppress(Closed, TimeoutError, ConnectionError):
            client.logon(seconds=3)
            return True
        return False

    wait_until(taken)


@pytest.mark.timeout(300)
def test_a_reset_while_the_leader_is_dead_happens_once(tmp_path: Path) -> None:
    """It is killed a moment before: who is elected resets the sessions, by the log, so the others' do not differ."""
    moment = next_minute()
    genesis = (
        f'[exchange]\ndaily_reset = "{moment:%H:%M}"\n[[drop_copies]]\ncomp_id = "RISK"\nsessions = ["*"]\n'
    )
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda _, config: config + genesis)
        leader = cluster.leader()
        first, second = (id for id in cluster.members if id != leader)
        everywhere = [cluster.members[id].endpoints["fix_tcp"] for id in (first, second)]
        with (
            quorumbook.connect(everywhere, "OURS", timeout=30) as ours,
            FixClient("tcp", 0, "OTHER", notices_end=True) as other,
            FixClient("tcp", 0, "RISK", notices_end=True) as risk,
        ):
            for client in (other, risk):
                log_on(cluster, client, first)
            order = ours.buy("AAPL", 10, "9.00")
            wait_for(moment - timedelta(milliseconds=150))
            cluster.members[leader].kill()
            assert other.expect("5")[58] == ANEW
            log_on_anew(cluster, other, second)
            while not ours._core.session.resets:
                list(ours.reports(timeout=0.05))
            assert ours.replace(order, quantity=9) is not None
            assert [one.leaves for one in ours.orders()] == [9]
            assert ours._core.session.resets == 1
            risk.settle()
            seen = [one[17] for one in risk.received]
            assert [one[150] for one in risk.received][:2] == ["0", "5"]
            log_on(cluster, risk, second, (20006, 0))
            assert [risk.expect("8")[17] for _ in seen] == seen
            risk.settle()
            cluster.members[leader].start()
            wait_until(lambda: bool(cluster.members[leader].ask(command="status")["accepting"]))
            other.settle()
            cluster.wait_for_one_state()
