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
from gateway.instrument_commands import facts, table
from gateway.member_admin import MemberAdmin
from gateway.read_index import ReadIndex
from gateway.replica import Replica
from gateway.status import new_orders, session_table
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


TABLE = inputs.operation(
    [(20021, "TICKS"), (20034, "1"), (20044, "2"), (20045, "1"), (20045, "5"), (20046, "1000")]
)


def of_operations(*asked: str) -> MemoryEdge:
    """An exchange under rules 3 that was asked for these operations."""
    edge = MemoryEdge(Exchange(3))
    edge.start(
        inputs.instrument("AAPL", protection="0.05"), inputs.instrument("BTC", price_increment="1"), TABLE
    )
    for line in asked:
        pairs = (field.split("=") for field in line.split("|"))
        edge.entry(inputs.operation([(int(tag), value) for tag, value in pairs]))
    return edge


def test_instruments_tell_what_they_do_and_what_holds_for_them() -> None:
    edge = of_operations(
        "20021=TERMS|55=AAPL|20034=1|20030=PRO_RATA|20031=Y|20033=OPPOSITE_BEST|20028=DAY",
        "20021=PROTECT|55=AAPL|20036=10|20037=0.5|20040=1000|20041=0.075|20042=1500|20043=60000",
        "20021=PHASE|55=AAPL|20022=PRE_OPEN|20025=20300105-10:00:00|20023=OPENING_AUCTION",
        "20021=DELIST|55=BTC",
    )
    answer = ask(edge, "instruments")
    assert (answer["count"], answer["input_number"]) == (2, edge.exchange.input_number)
    aapl, btc = answer["instruments"]["AAPL"], answer["instruments"]["BTC"]
    assert aapl == {
        "price_increment": "0.01", "quantity_increment": "1", "round_lot": "1", "min_quantity": "1",
        "max_quantity": None, "low_price": None, "high_price": None, "protection": "0.05", "phase": "PRE_OPEN",
        "phase_end_ns": 1893837600 * 10**9, "next_phase": "OPENING_AUCTION", "delisted": False, "schedule": "DAY",
        "last_price": None, "tick_table": 1, "ticks": ["0.01", "10.00:0.05"], "algorithm": "pro-rata",
        "top_order": True, "pro_rata_minimum": "0", "stop_trigger": "opposite-best", "reference_price": "10.00",
        "static_band": "0.50", "dynamic_band": None, "price_distance": None, "max_notional": "1000.00",
        "breaker_percent": "7.5", "breaker_halt_seconds": "1.5", "breaker_auction_seconds": "60",
    }  # fmt: skip
    assert (btc["delisted"], btc["tick_table"], btc["ticks"], btc["reference_price"]) == (
        True,
        None,
        [],
        None,
    )
    assert [" ".join(line.split()) for line in table(answer["instruments"], 3)] == [
        "symbol phase last reference schedule",
        "AAPL pre-open until 2030-01-05 10:00:00 UTC, then opening-auction - 10.00 DAY",
        "BTC delisted - - -",
        "and 1 more: name a SYMBOL",
    ]
    told = dict(facts(aapl))
    assert told["tick_table"] == "1: 0.01, 10.00:0.05"
    assert (told["top_order"], told["dynamic_band"], told["schedule"]) == ("true", "none", "DAY")


def test_of_many_symbols_a_few_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = json.dumps({"command": "instruments", "symbol": "NOPE"}).encode()
    edge = of_operations()
    assert json.loads(admin_of(edge).answer(asked))["error"] == (
        "unknown symbol 'NOPE'; this exchange has AAPL, BTC"
    )
    monkeypatch.setattr(admin, "MOST_NAMED", 1)
    assert json.loads(admin_of(edge).answer(asked))["error"] == (
        "unknown symbol 'NOPE'; this exchange has AAPL and 1 more, see quorumbook instruments"
    )


def test_the_last_price_is_told_and_a_random_end_is_not() -> None:
    world = World(MemoryEdge(Exchange(3)))
    world.start()
    for side in (1, 2):
        world.play(("order", "A", f"35=D|11=o{side}|55=AAPL|54={side}|38=1|40=2|44=10.05|"))
    world.edge.entry(inputs.operation([
        (20021, "PHASE"), (55, "AAPL"), (20022, "PRE_OPEN"), (20025, "20300105-10:00:00"), (20023, "CONTINUOUS"),
        (20026, "5000"), (20027, "4999"),
    ]))  # fmt: skip
    one = ask(world.edge, "instruments")["instruments"]["AAPL"]
    assert (one["last_price"], one["phase_end_ns"]) == ("10.05", 1893837600 * 10**9)


def test_sessions_tell_who_is_stopped_and_how_much_each_may() -> None:
    edge = MemoryEdge(Exchange(3))
    edge.start(inputs.instrument("AAPL"), inputs.operator("OPS"))
    edge.entry(inputs.operation([(20021, "LIMITS"), (20048, "OPS"), (20047, "5")]))
    (one,) = ask(edge, "sessions")["sessions"]
    assert (one["is_operator"], one["killed"], one["max_open_orders"]) == (True, False, 5)
    assert new_orders(one) == "5 may be open"
    edge.entry(inputs.operation([(20021, "KILL"), (20048, "OPS")]))
    (one,) = ask(edge, "sessions")["sessions"]
    assert "  stopped  " in list(session_table([one], 1))[1]
    status = ask(edge, "status")
    assert (status["killed"], status["max_open_orders"]) == (False, None)
    for fields in ((20021, "KILL"), (20048, "*")), ((20021, "LIMITS"), (20048, "*"), (20047, "7")):
        edge.entry(inputs.operation(fields))
    status = ask(edge, "status")
    assert (status["killed"], status["max_open_orders"]) == (True, 7)
