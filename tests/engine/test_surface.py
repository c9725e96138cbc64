"""The Python surface of both machines: the same calls, the same typed reports, the same refusals."""

from typing import Any

import numpy as np
import pytest

from engine import machine, reference
from engine.records import (
    COMMAND,
    EMPTY_PRICE,
    INT64_MAX,
    REPORT,
    Algorithm,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    SelfMatchMode,
    Side,
    TimeInForce,
    Trigger,
)

KINDS = pytest.mark.parametrize("kind", [machine, reference], ids=["machine", "reference"])
REPORT_FIELDS = [name for name in REPORT.names or () if not name.startswith("reserved")]

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("define", (), {"protection": 5}),
    ("define", (10, 20, 100), {"low": -5, "high": 5}),
    ("submit", (0, Side.BUY, 10, 100), {}),
    ("submit", (0, 0, 10, 99), {"owner": 3, "client_ref": 2**64 - 1, "post_only": True}),
    ("submit", (0, Side.SELL, 4), {}),
    ("submit", (0, Side.SELL, 4, 100), {"time_in_force": TimeInForce.IOC}),
    ("submit", (0, 7, 4, 100), {}),
    ("submit", (0, 255, 4, 100), {"order_type": 200, "time_in_force": 77}),
    ("submit", (0, Side.BUY, 5), {"order_type": 1}),
    ("submit", (9, Side.BUY, 5, 1), {}),
    ("submit", (1, Side.BUY, 20, -5), {"time_in_force": TimeInForce.DAY}),
    ("reduce", (1, 1), {}),
    ("reduce", (0, 1), {"owner": 3, "client_ref": 2**64 - 1}),
    ("replace", (2, 8), {"owner": 3}),
    ("replace", (2, 8, 101), {"owner": 3}),
    ("reenter", (2, 8, 98), {"owner": 3}),
    ("reenter", (1,), {"quantity": 3}),
    ("cancel", (5,), {}),
    ("cancel", (), {"owner": 3, "client_ref": 2**64 - 1}),
    ("cancel", (77,), {}),
    ("submit", (0, Side.SELL, INT64_MAX), {}),
    ("define", (0,), {}),
    ("define", (), {"low": 5, "high": 4}),
    ("define", (), {"protection": -3}),
    ("submit", (0, 256, 1, 1), {}),
    ("submit", (0, -1, 1, 1), {}),
    ("submit", (-1, 0, 1, 1), {}),
    ("submit", (2**32, 0, 1, 1), {}),
    ("submit", (0, 0, 2**63, 1), {}),
    ("submit", (0, 0, 1, 2**63), {}),
    ("submit", (0, 0, 1, 1), {"owner": 2**32}),
    ("submit", (0, 0, 1, 1), {"client_ref": 2**64}),
    ("submit", (0, 0, 1, 1), {"client_ref": -1}),
    ("cancel", (2**64,), {}),
    ("cancel", (-1,), {}),
    ("define", (2**63,), {}),
    ("depth", (5, 1), {}),
    ("depth", (0, -1), {}),
    ("best", (2,), {}),
    ("queue_ahead", (99,), {}),
    ("order", (99,), {}),
    ("order", (1,), {}),
    ("orders", (3,), {}),
    ("best", (0,), {}),
    ("advance", (10,), {}),
    ("advance", (9,), {}),
    ("advance", (2**63,), {}),
    ("advance", (10.5,), {}),
    ("submit", (0, "B", 1, 1), {}),
    ("submit", (0, 0, 1.5, 1), {}),
    ("submit", (0.0, 0, 1, 1), {}),
    ("submit", (0, 1.5, 1, 1), {}),
    ("submit", (0, 0, 1, 1), {"owner": 1.5}),
    ("submit", (0, 0, 1, 1), {"client_ref": 1.5}),
    ("submit", (0, 0, 1, 1), {"order_type": 1.5}),
    ("submit", (0, 0, 1, 1), {"time_in_force": 1.5}),
    ("submit", (0, 0, 1, 1), {"client_ref": 77}),
    ("cancel", (1.5,), {}),
    ("cancel", (0,), {"owner": 0.5, "client_ref": 77}),
    ("cancel", (0,), {"client_ref": 77.5}),
    ("reduce", (1.5, 1), {}),
    ("replace", (1.5, 1), {}),
    ("reenter", (1.5, 1), {}),
    ("depth", (0.5, 1), {}),
    ("best", ("0",), {}),
    ("queue_ahead", (1.5,), {}),
    ("order", (1.5,), {}),
    ("order", ("1",), {}),
    ("orders", (0.5,), {}),
]

# What came with version 3 of the rules; begins on new machines.
MORE_CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("tick_table", (1, {None: 1, 100: 5}), {}),
    ("tick_table", (3, {None: 1}), {}),
    ("tick_table", (1, {None: 2**63}), {}),
    (
        "define",
        (),
        {"algorithm": Algorithm.PRO_RATA, "top_order": True, "pro_rata_minimum": 2, "tick_table": 1},
    ),
    ("define", (), {"trigger": Trigger.OPPOSITE_BEST, "phase": Phase.PRE_OPEN}),
    ("define", (), {"algorithm": 2}),
    ("define", (), {"tick_table": 2}),
    ("define", (), {"phase": 7}),
    ("define", (), {"phase": 256}),
    ("phase", (0,), {}),
    ("phase", (1,), {}),
    ("phase", (2,), {}),
    ("indicative", (0,), {}),
    ("indicative", (2,), {}),
    ("submit", (1, Side.BUY, 10, 101), {"time_in_force": TimeInForce.GOOD_FOR_AUCTION}),
    ("submit", (1, Side.SELL, 4), {"order_type": OrderType.MARKET_TO_LIMIT}),
    ("submit", (1, Side.SELL, 9, 99), {"display": 3}),
    ("indicative", (1,), {}),
    ("orders", (0,), {}),
    ("set_phase", (1, Phase.CONTINUOUS), {}),
    ("set_phase", (7, Phase.HALT), {}),
    ("set_phase", (1, 256), {}),
    (
        "set_phase",
        (1, Phase.HALT),
        {"until_ns": 50, "next_phase": Phase.OPENING_AUCTION, "random": 7, "window_ns": 4},
    ),
    ("set_phase", (1, Phase.HALT), {"until_ns": 50, "random": -1}),
    ("submit", (1, Side.BUY, 1, 1), {}),
    ("advance", (60,), {}),
    ("advance", (5,), {}),
    ("advance", (-(2**70),), {}),
    ("set_phase", (1, Phase.CONTINUOUS), {}),
    (
        "submit",
        (0, Side.BUY, 10, 100),
        {"owner": 1, "display": 4, "expire_ns": 90, "time_in_force": TimeInForce.GTD},
    ),
    ("submit", (0, Side.BUY, 10, 95), {"owner": 1, "hidden": True}),
    ("submit", (0, Side.SELL, 10, 110), {"owner": 2, "account": 7}),
    ("submit", (0, Side.SELL, 10, 100), {"owner": 2, "slide": True}),
    ("submit", (0, Side.SELL, 10, 100), {"owner": 2, "slide": True, "post_only": True}),
    ("submit", (0, Side.BUY, 5), {"owner": 3, "peg": PegKind.PRIMARY_PEG, "offset": -1, "peg_limit": 99}),
    ("submit", (0, Side.BUY, 5), {"owner": 3, "peg": 4}),
    ("submit", (0, Side.BUY, 5), {"owner": 3, "peg_limit": 99}),
    ("submit", (0, Side.SELL, 5), {"owner": 3, "stop": 90}),
    ("submit", (0, Side.SELL, 5, 89), {"owner": 3, "stop": 90}),
    ("submit", (0, Side.SELL, 5), {"owner": 3, "trail": 6}),
    ("submit", (0, Side.SELL, 5), {"owner": 3, "trail": 6, "stop": 88}),
    ("submit", (0, Side.SELL, 5, 100), {"owner": 4, "all_or_none": True}),
    ("submit", (0, Side.SELL, 50, 100), {"owner": 4, "all_or_none": True}),
    ("submit", (0, Side.SELL, 50, 100), {"owner": 4, "min_quantity": 30}),
    ("submit", (0, Side.BUY, 1, 90), {"self_match_group": 5, "self_match_mode": SelfMatchMode.CANCEL_BOTH}),
    ("submit", (0, Side.BUY, 1, 90), {"self_match_group": 5}),
    ("submit", (0, Side.BUY, 1, 90), {"order_type": OrderType.STOP_LIMIT}),
    ("submit", (0, Side.BUY, 1, 90), {"display": 1.5}),
    ("submit", (0, Side.BUY, 1, 90), {"trail": 2**63}),
    ("submit", (0, Side.BUY, 1, 90), {"account": 2**32}),
    ("submit", (0, Side.BUY, 1, 90), {"self_match_mode": 256}),
    ("submit", (0, Side.BUY, 1, 90), {"displayed": 5}),
    ("submit", (0, Side.BUY, 1, 90), {"display": 0, "stop": None}),
    ("orders", (1,), {}),
    ("orders", (2,), {}),
    ("orders", (3,), {}),
    ("queue_ahead", (5,), {}),
    ("depth", (0, 5), {}),
    ("replace", (4,), {"owner": 1, "display": 2}),
    ("replace", (4,), {"owner": 1, "time_in_force": TimeInForce.GTC}),
    ("order", (4,), {}),
    ("replace", (4, 9), {"owner": 1, "expire_ns": 80, "time_in_force": TimeInForce.GTD}),
    ("replace", (4, None, 95), {"owner": 1}),
    ("replace", (4,), {"owner": 2, "display": 1}),
    ("replace", (99,), {"display": 1, "stop": 3}),
    ("replace", (6,), {"owner": 2, "display": 5}),
    ("replace", (6,), {"owner": 2, "display": 2**63}),
    ("replace", (6,), {"owner": 2, "time_in_force": 1.5}),
    ("orders", (1,), {}),
    ("orders", (2,), {}),
    ("replace", (8,), {"owner": 3, "offset": -2, "peg_limit": EMPTY_PRICE}),
    ("replace", (9,), {"owner": 3, "stop": 85}),
    ("replace", (10, 4, 84), {"owner": 3}),
    ("replace", (11,), {"owner": 3, "trail": 8, "stop": EMPTY_PRICE}),
    ("orders", (3,), {}),
    (
        "protect",
        (0,),
        {"reference": 100, "static": 50, "dynamic": 40, "distance": 45, "max_notional": 10_000},
    ),
    ("protect", (0,), {"breaker_bp": 100}),
    ("protect", (0,), {"breaker_bp": 100, "halt_ns": 5, "auction_ns": 6}),
    ("protect", (0,), {"static": -2}),
    ("protect", (9,), {}),
    ("protect", (0,), {"breaker_bp": 2**32}),
    ("submit", (0, Side.SELL, 30), {"owner": 5}),
    ("phase", (0,), {}),
    ("advance", (200,), {}),
    ("change", (0,), {"lot": 2, "min_quantity": 2, "high": 500, "trigger": 1}),
    ("change", (0, 2, 1, 9, 5, 4), {}),
    ("change", (0,), {"tick_table": 3}),
    ("change", (9,), {}),
    ("change", (2**32,), {}),
    ("change", (0, 1.5), {}),
    ("mass_cancel", (), {"owner": 3, "side": Side.SELL}),
    ("mass_cancel", (), {"account": 7}),
    ("mass_cancel", (), {"instrument": 0, "prices": (90, 100)}),
    ("mass_cancel", (), {"instrument": 9}),
    ("mass_cancel", (), {"side": 2}),
    ("mass_cancel", (), {"prices": (1,)}),
    ("mass_cancel", (), {"prices": (1, 2**63)}),
    ("delist", (1,), {}),
    ("delist", (1,), {}),
    ("delist", (9,), {}),
    ("phase", (1,), {}),
    ("submit", (1, Side.BUY, 1, 1), {}),
    ("mass_cancel", (), {}),
]
QUESTIONS = ("best", "depth", "indicative", "order", "orders", "phase", "queue_ahead")
ORDER_FIELDS = [*reference.Order.__slots__, "cumulative_lots"]


def outcome(one: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What a call gives, in a form that compares: reports field by field, an error by its type."""
    try:
        result = getattr(one, name)(*arguments, **keywords)
    except (ValueError, OverflowError, TypeError) as error:
        return type(error)
    if name in ("order", "orders"):
        found = result if name == "orders" else [result] if result else []
        return [typed(order, ORDER_FIELDS) for order in found]
    if name == "depth":
        return [side.tolist() for side in result]
    if name in (*QUESTIONS, "define"):
        return type(result), result
    assert isinstance(result, tuple)
    return [typed(report, REPORT_FIELDS) for report in result]


def typed(one: Any, fields: list[str]) -> list[tuple[str, type, Any]]:
    return [(name, type(getattr(one, name)), getattr(one, name)) for name in fields]


@pytest.mark.parametrize("kind", [machine.Machine, reference.Machine])
def test_a_default_ref_is_one_that_the_owner_does_not_use(kind: Any) -> None:
    one = kind()
    one.define()
    one.submit(0, Side.BUY, 1, 1, owner=1, client_ref=2)
    refs = [one.submit(0, Side.BUY, 1, 1, owner=1)[0].client_ref for _ in range(3)]
    assert refs == [3, 4, 5]
    assert one.submit(0, Side.BUY, 1, 1, owner=2)[0].client_ref == 5


@pytest.mark.parametrize("calls", [CALLS, MORE_CALLS], ids=["plain", "more"])
def test_every_call_gives_the_same(calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> None:
    core, rules = machine.Machine(), reference.Machine()
    for name, arguments, keywords in calls:
        told = outcome(core, name, arguments, keywords)
        assert told == outcome(rules, name, arguments, keywords), (name, arguments, keywords)
        assert core.snapshot() == rules.snapshot(), (name, arguments, keywords)


@KINDS
def test_reports_are_read_only(kind: Any) -> None:
    one = kind.Machine()
    one.define()
    (report,) = one.submit(0, Side.BUY, 5, 100)
    assert report.kind is ReportKind.ACCEPTED
    for name in ("kind", "leaves_lots", "price_ticks"):
        with pytest.raises(AttributeError):
            setattr(report, name, 1)


@KINDS
def test_apply_takes_only_commands_and_gives_an_array_of_its_own(kind: Any) -> None:
    one = kind.Machine()
    one.define()
    commands = np.zeros(8, COMMAND)
    commands["kind"] = 2
    commands["order_type"] = 1
    commands["price_ticks"] = 100
    commands["quantity_lots"] = 1
    commands["client_ref"] = range(8)
    strided = one.apply(commands[::2])
    assert strided.dtype == REPORT
    assert strided["client_ref"].tolist() == [0, 2, 4, 6]
    strided["leaves_lots"] = 99
    assert one.order(1).leaves_lots == 1
    read_only = commands[1::2].copy()
    read_only.flags.writeable = False
    assert one.apply(read_only)["order_id"].tolist() == [5, 6, 7, 8]
    assert len(one.apply(commands[:0])) == 0
    before = one.snapshot()
    for wrong in (np.zeros(3), commands.view("u1"), [1, 2], None, commands.view(f"V{COMMAND.itemsize}")):
        with pytest.raises(TypeError):
            one.apply(wrong)
    for wrong in (commands.reshape(2, 4), np.array(commands[0])):
        with pytest.raises(ValueError, match="one"):
            one.apply(wrong)
    assert one.snapshot() == before


@KINDS
def test_a_snapshot_is_refused_with_the_place_of_what_is_wrong(kind: Any) -> None:
    one = kind.Machine()
    one.define()
    one.submit(0, Side.BUY, 5, 100)
    data = one.snapshot()
    header, instrument = 56 + 16, 248
    order = header + instrument
    for damaged, place in [
        (b"", 0),
        (b"x" + data[1:], 0),
        (data[:8] + b"\4" + data[9:], 0),
        (data + b"\0", order + 56),
        (data[:-1], order),
        (data[:header] + bytes(8) + data[header + 8 :], header),
        (data[: order + 32] + bytes(8) + data[order + 40 :], order),
    ]:
        with pytest.raises(ValueError, match=r"offset \d+") as error:
            kind.Machine.restore(damaged)
        told = int(str(error.value).split("offset ")[1].split(":")[0].split(" ")[0].rstrip(",."))
        assert place <= told < place + 128, str(error.value)
