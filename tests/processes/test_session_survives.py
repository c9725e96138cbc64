"""A session whose replica dies in the middle of something goes on at another one, and misses nothing."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import wait_until
from fix_client import Closed, FixClient, build

ORDERS = 3_000
DISCONNECTED = "151"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path) as made:
        made.begin(free_members(3))
        yield made


def log_on(cluster: ClusterProcesses, client: FixClient, id: int, *fields: tuple[int, object]) -> None:
    """At this replica, as soon as it takes the session."""
    client.port = cluster.members[id].port(f"fix_{client.transport}")

    def taken() -> bool:
        with suppress(Closed, TimeoutError, ConnectionError):
            client.logon(*fields, seconds=3)
            return True
        return False

    wait_until(taken)


def kill_and_start(cluster: ClusterProcesses, id: int) -> None:
    cluster.members[id].kill()
    cluster.members[id].start()
    wait_until(lambda: bool(cluster.members[id].ask(command="status")["accepting"]))


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_a_resend_is_asked_for_again_at_another_replica(cluster: ClusterProcesses, transport: str) -> None:
    leader = cluster.leader()
    first, second = (id for id in cluster.members if id != leader)
    with FixClient(transport, 0, "ALICE", notices_end=True) as client:
        log_on(cluster, client, first)
        for at in range(0, ORDERS, 100):
            orders = [client.order(f"a{at + one}", "buy", 1, "1.00", tif="3") for one in range(100)]
            client.send_bytes(b"".join(orders))
            client.settle()
        before = list(client.received)
        assert len(before) == 2 * ORDERS
        client.received.clear()
        client.next_in = 1
        log_on(cluster, client, first)
        client.send("2", (7, 1), (16, 0))
        while len(client.received) < ORDERS // 10:
            client.receive()
        cluster.members[first].kill()
        log_on(cluster, client, second)
        client.catch_up()
        assert [message[17] for message in client.received] == [message[17] for message in before]
        assert all(message[43] == "Y" for message in client.received)


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_who_holds_a_session_hears_that_another_replica_has_it_now(
    cluster: ClusterProcesses, transport: str
) -> None:
    wait_until(lambda: cluster.members[1].ask(command="status")["rules"] >= 2)
    with FixClient(transport, 0, "TWIN") as first, FixClient(transport, 0, "TWIN") as second:
        log_on(cluster, first, 1)
        first.send_bytes(first.order("t1", "buy", 1, "1.00"))
        first.expect("8")
        second.next_out, second.next_in = first.next_out, first.next_in
        second.port = cluster.members[2].port(f"fix_{transport}")
        second.logon()
        logout = first.receive()
        assert (logout[35], logout[34]) == ("5", str(first.next_in - 1))
        assert "another gateway" in logout[58]
        with pytest.raises(Closed):
            first.receive()
        second.send_bytes(second.order("t2", "buy", 1, "1.00"))
        assert second.expect("8")[11] == "t2"


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_a_replica_dies_with_a_logon_under_way(cluster: ClusterProcesses, transport: str) -> None:
    with FixClient(transport, 0, "ALICE", notices_end=True) as client:
        log_on(cluster, client, 1)
        for number in range(4):
            dying, other = 1 + number % 3, 1 + (number + 1) % 3
            client.port = cluster.members[dying].port(f"fix_{transport}")
            client.connect()
            client.send("A", (98, 0), (108, 30))
            time.sleep(0.002 * number)
            cluster.members[dying].kill()
            log_on(cluster, client, other)
            if client.gap:
                client.catch_up()
            client.send_bytes(client.order(f"a{number}", "buy", 1, "1.00"))
            client.settle()
            assert Counter(one[11] for one in client.received)[f"a{number}"] == 1
            cluster.members[dying].start()
            wait_until(lambda: bool(cluster.members[dying].ask(command="status")["accepting"]))  # noqa: B023
        assert [one[150] for one in client.received] == ["0"] * 4


def test_an_order_that_is_sent_again_elsewhere_is_executed_once(cluster: ClusterProcesses) -> None:
    """By PossDup under its number, by PossResend under another; without either it is a duplicate."""
    leader = cluster.leader()
    first, second = (id for id in cluster.members if id != leader)
    with FixClient("tcp", 0, "ALICE") as client:
        log_on(cluster, client, first)
        number = client.next_out
        client.send_bytes(client.order("once", "buy", 1, "1.00"))
        client.expect("8")
        cluster.members[first].kill()
        log_on(cluster, client, second)
        kind, fields = client.sent[number]
        dup = [(43, "Y"), (122, "20260101-00:00:00.000")]
        client.send_bytes(build(kind, "ALICE", number, dup + fields))
        client.settle()
        assert len(client.received) == 1
        client.send(kind, (97, "Y"), *fields)
        assert client.expect("8")[150] == "I"
        client.send(kind, *fields)
        refused = client.expect("8")
        assert (refused[150], refused[103]) == ("8", "6")
        client.send("AF", (584, "all"), (585, 7))
        assert client.expect("8")[911] == "1"


def test_cancel_on_disconnect_comes_once_and_not_to_who_is_back_in_time(cluster: ClusterProcesses) -> None:
    leader = cluster.leader()
    first, second = (id for id in cluster.members if id != leader)
    terms = ((20003, "Y"), (20004, 1_000))
    with FixClient("tcp", 0, "STAYS") as stays, FixClient("tcp", 0, "GOES") as goes:
        for client in (stays, goes):
            log_on(cluster, client, first, *terms)
            client.send_bytes(b"".join(client.order(f"{at}", "buy", 1, "1.00") for at in range(5)))
            client.settle()
        kill_and_start(cluster, first)
        log_on(cluster, stays, second, *terms)
        time.sleep(5)  # the gateway is given up after two, then the grace
        log_on(cluster, goes, second, *terms)
        goes.catch_up()
        cancelled = [one for one in goes.received if one[150] == "4"]
        assert [(one[11], one[20002]) for one in cancelled] == [(f"{at}", DISCONNECTED) for at in range(5)]
        stays.send("AF", (584, "all"), (585, 7))
        assert stays.expect("8")[911] == "5"
        assert not any(one[150] == "4" for one in stays.received)
        cluster.wait_for_one_state()
