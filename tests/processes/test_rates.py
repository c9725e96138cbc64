"""What a session may send in a second, and when all of them begin anew."""

from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient
from fix_link import Closed

from gateway.inputs import RULES_VERSION

RATE = """
[exchange]
messages_per_second = 20
"""
ORDER = ((55, "AAPL"), (54, 1), (38, 1), (40, 2), (44, "1.00"), (60, "20260102-03:04:05"))
TOO_MANY = "120"


def hear_all(client: FixClient) -> None:
    """Until the connection ends."""
    while True:
        client.receive()


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_who_sends_too_much_is_told_and_who_floods_is_cut_off(transport: str, tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=CONFIG + RATE) as exchange:
        port = exchange.port(f"fix_{transport}")
        with FixClient(transport, port, "ALICE") as alice, FixClient(transport, port, "BOB") as bob:
            alice.logon()
            alice.send_bytes(b"".join(alice.next("D", (11, f"a{number}"), *ORDER) for number in range(60)))
            reports = [alice.receive() for _ in range(60)]
            told = [one.get(20002) for one in reports]
            assert told[:20] == [None] * 20
            assert 0 < told.count(TOO_MANY) <= 40
            bob.logon()
            bob.send("D", (11, "b"), *ORDER)
            assert bob.receive()[150] == "0"
            flood = b"".join(alice.next("D", (11, f"f{number}"), *ORDER) for number in range(1_000))
            alice.send_bytes(flood)
            with pytest.raises((Closed, ConnectionError)):
                hear_all(alice)
            bob.send("D", (11, "c"), *ORDER)
            assert bob.receive()[150] == "0"


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_what_was_asked_for_is_not_too_much(transport: str, tmp_path: Path) -> None:
    """A client that was away has more to send again than anybody may send in a second."""
    with (
        ExchangeProcess(tmp_path, config=CONFIG + RATE) as exchange,
        FixClient(transport, exchange.port(f"fix_{transport}"), "ALICE") as alice,
    ):
        alice.logon()
        for number in range(300):  # which the exchange does not get
            alice.next("D", (11, f"a{number}"), *ORDER)
        alice.send("D", (11, "last"), *ORDER)
        assert alice.receive()[35] == "2"
        reports = [alice.receive() for _ in range(301)]
        assert [one[11] for one in reports] == [*(f"a{number}" for number in range(300)), "last"]
        assert {one[150] for one in reports} == {"0"}
        alice.send_bytes(b"".join(alice.next("D", (11, f"b{number}"), *ORDER) for number in range(60)))
        assert [alice.receive().get(20002) for _ in range(60)].count(TOO_MANY) > 0


def test_a_cluster_waits_for_the_rules_that_its_settings_need(tmp_path: Path) -> None:
    """The first leader may not know yet what the third member can run."""
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: config + RATE)
        states = [one.ask(command="status") for one in cluster.members.values()]
        assert {one["rules"] for one in states} == {RULES_VERSION}
        port = cluster.members[cluster.leader()].port("fix_tcp")
        with FixClient("tcp", port, "ALICE") as alice:
            alice.logon()
            alice.send_bytes(b"".join(alice.next("D", (11, f"a{number}"), *ORDER) for number in range(60)))
            assert [alice.receive().get(20002) for _ in range(60)].count(TOO_MANY) > 0
