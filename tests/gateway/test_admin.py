"""The admin socket's answers: never an error that stops the exchange, and bounded however many sessions there are."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from memory_edge import MemoryEdge
from test_exchange_properties import GENESIS, World

from gateway import admin, inputs
from gateway.admin import Admin
from gateway.config import Cluster
from gateway.exchange import Exchange
from gateway.member_admin import MemberAdmin
from gateway.read_index import ReadIndex
from gateway.replica import Replica
from replication.membership import of_one


def admin_of(edge: MemoryEdge) -> Admin:
    node = SimpleNamespace(
        role="leader", term=1, last_index=1, chain_hash=b"", cluster=bytes(16), me=1, leader=1, commit_index=1,
        membership=of_one(), progress={},
    )  # fmt: skip
    connections = SimpleNamespace(incarnation=1, counts=dict)
    replica = SimpleNamespace(
        exchange=edge.exchange, node=node, connections=connections, turns=0, linked=set()
    )
    members = MemberAdmin(cast(Replica, replica), Cluster(), dict, lambda: False, lambda: None)
    reads = ReadIndex(cast(Replica, replica), lambda: 1, lambda: None)
    return Admin(cast(Replica, replica), lambda: None, members, reads, lambda: None, dict)


def ask(edge: MemoryEdge, command: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(admin_of(edge).answer(json.dumps({"command": command}).encode()))
    return answer


def test_a_hash_is_not_asked_of_an_entry_that_is_half_applied() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    before = ask(edge, "state_hash")
    assert before == {"applied_index": 1, "state_hash": edge.exchange.state_hash()}
    edge.exchange.begin(inputs.timer(), 2, 1, edge.now_ns)
    assert "half applied: ask again" in ask(edge, "state_hash")["error"]
    while not edge.exchange.step():
        pass
    assert ask(edge, "state_hash")["applied_index"] == 2


def test_sessions_are_listed_the_connected_first_and_counted_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(MemoryEdge())
    world.start()
    for name in ("A", "B", "C"):
        world.play(("admin", name, "35=1|112=x|"))
    world.edge.close("A")
    status = ask(world.edge, "status")
    assert (status["sessions"], status["sessions_connected"]) == (3, 2)
    assert [one["comp_id"] for one in ask(world.edge, "sessions")["sessions"]] == ["B", "C", "A"]
    assert ask(world.edge, "held") == {"count": 2, "comp_ids": ["B", "C"]}
    monkeypatch.setattr(admin, "MOST_HELD", 1)
    assert ask(world.edge, "held") == {"count": 2, "comp_ids": ["B"]}
    monkeypatch.setattr(admin, "MOST_SESSIONS", 1)
    assert [one["comp_id"] for one in ask(world.edge, "sessions")["sessions"]] == ["B"]


def test_status_tells_the_rules_that_hold_and_those_that_can_be_run() -> None:
    edge = MemoryEdge(Exchange(3), rules=2)
    edge.start(*GENESIS)
    status = ask(edge, "status")
    assert (status["rules"], status["newest_rules"]) == (2, 3)
