"""The Python surface of both machines: the same calls, the same typed reports, the same refusals."""

from typing import Any

import numpy as np
import pytest

from engine import machine, reference
from engine.records import COMMAND, INT64_MAX, REPORT, ReportKind, Side, TimeInForce

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


def outcome(one: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What a call gives, in a form that compares: reports field by field, an error by its type."""
    try:
        result = getattr(one, name)(*arguments, **keywords)
    except (ValueError, OverflowError, TypeError) as error:
        return type(error)
    if name in ("submit", "cancel", "reduce", "replace", "reenter"):
        assert isinstance(result, tuple)
        return [
            [(type(value), value) for value in map(report.__getattribute__, REPORT_FIELDS)]
            for report in result
        ]
    if name in ("order", "orders"):
        found = result if name == "orders" else [result] if result else []
        return [(order.order_id, order.side, type(order.side), order.leaves_lots) for order in found]
    return result


@pytest.mark.parametrize("kind", [machine.Machine, reference.Machine])
def test_a_default_ref_is_one_that_the_owner_does_not_use(kind: Any) -> None:
    one = kind()
    one.define()
    one.submit(0, Side.BUY, 1, 1, owner=1, client_ref=2)
    refs = [one.submit(0, Side.BUY, 1, 1, owner=1)[0].client_ref for _ in range(3)]
    assert refs == [3, 4, 5]
    assert one.submit(0, Side.BUY, 1, 1, owner=2)[0].client_ref == 5


def test_every_call_gives_the_same() -> None:
    core, rules = machine.Machine(), reference.Machine()
    for name, arguments, keywords in CALLS:
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
    header, instrument = 56, 64
    order = header + instrument
    for damaged, place in [
        (b"", 0),
        (b"x" + data[1:], 0),
        (data[:8] + b"\3" + data[9:], 0),
        (data + b"\0", order + 56),
        (data[:-1], order),
        (data[:header] + bytes(8) + data[header + 8 :], header),
        (data[: order + 32] + bytes(8) + data[order + 40 :], order),
    ]:
        with pytest.raises(ValueError, match=r"offset \d+") as error:
            kind.Machine.restore(damaged)
        told = int(str(error.value).split("offset ")[1].split(":")[0].split(" ")[0].rstrip(",."))
        assert place <= told < place + 128, str(error.value)
