"""Drop copies that a configuration names when the log is there already."""

import json
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient


def watching(*sessions: str) -> str:
    return f'[[drop_copies]]\ncomp_id = "RISK"\nsessions = {json.dumps(sessions)}\n'


def trade(exchange: ExchangeProcess, comp_id: str, name: str) -> None:
    """An order that stays open."""
    with FixClient("tcp", exchange.port("fix_tcp"), comp_id) as client:
        client.logon((141, "Y"))
        client.send_bytes(client.order(name, "buy", 1, "10.00"))
        assert client.expect("8")[150] == "0"


def copies(exchange: ExchangeProcess) -> list[str]:
    """Whose report of which order RISK was sent, from the first on."""
    with FixClient("tcp", exchange.port("fix_tcp"), "RISK") as risk:
        risk.logon()
        if risk.gap:
            risk.catch_up()
        return [f"{message[115]} {message[11]}" for message in risk.received]


def start_again(exchange: ExchangeProcess, config: str) -> None:
    if not exchange.has_ended():
        assert exchange.stop() == 0
    (exchange.directory / "config.toml").write_text(config)
    exchange.start()


def added(exchange: ExchangeProcess) -> list[str]:
    """What its leader has entered."""
    lines = map(json.loads, (exchange.data / "trace.jsonl").read_text().splitlines())
    return [line["pairs"] for line in lines if line["event"] == "drop copies added"]


def test_one_begins_with_the_start_that_names_it_and_stays(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        trade(exchange, "ALICE", "before")
        start_again(exchange, CONFIG + watching("ALICE"))
        trade(exchange, "ALICE", "one")
        trade(exchange, "BOB", "two")
        start_again(exchange, CONFIG + watching("ALICE", "BOB"))
        trade(exchange, "BOB", "three")
        with pytest.raises(AssertionError, match="the log has RISK of BOB, and the file has not"):
            start_again(exchange, CONFIG + watching("ALICE"))
        start_again(exchange, CONFIG + watching("ALICE", "BOB"))
        start_again(exchange, CONFIG)  # a file that names none leaves them
        assert added(exchange) == ["RISK of ALICE", "RISK of BOB"]
        trade(exchange, "ALICE", "four")
        assert copies(exchange) == ["ALICE one", "BOB three", "ALICE four"]


def test_who_has_open_orders_is_refused_in_words(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        trade(exchange, "RISK", "its own")
        with pytest.raises(AssertionError, match=r"drop_copies: RISK has open orders \(1\)"):
            start_again(exchange, CONFIG + watching("ALICE"))
        start_again(exchange, CONFIG)


def test_in_a_cluster_the_leader_enters_it(tmp_path: Path) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3))
        leader = cluster.leader()
        for id in sorted(cluster.members, key=lambda id: id == leader):
            member = cluster.members[id]
            start_again(member, (member.directory / "config.toml").read_text() + watching("*"))
            wait_until(lambda member=member: bool(member.ask(command="status")["accepting"]))
        wait_until(lambda: any(map(added, cluster.members.values())))
        cluster.wait_for_one_state()
        first, _, last = cluster.members.values()
        trade(first, "ALICE", "one")
        cluster.wait_for_one_state()
        assert copies(last) == ["ALICE one"]
