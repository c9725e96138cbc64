"""Commands as Hypothesis draws them: mostly near one another, now and then extreme, now and then garbage."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    TimeInForce,
)

NEAR_PRICES = st.integers(98, 103)
EXTREME_PRICES = st.sampled_from(
    [
        EMPTY_PRICE,
        EMPTY_PRICE + 1,
        EMPTY_PRICE + 2,
        -1,
        0,
        1,
        10**9,
        -(10**12),
        2**40,
        INT64_MAX - 1,
        INT64_MAX,
    ]
)
PRICES = st.one_of(NEAR_PRICES, NEAR_PRICES, NEAR_PRICES, st.just(EMPTY_PRICE), EXTREME_PRICES)
NEAR_QUANTITIES = st.integers(1, 12)
EXTREME_QUANTITIES = st.sampled_from(
    [EMPTY_PRICE, -1, 0, 1, 2**62, INT64_MAX // 2, INT64_MAX - 1, INT64_MAX, INT64_MAX - 7]
)
QUANTITIES = st.one_of(NEAR_QUANTITIES, NEAR_QUANTITIES, NEAR_QUANTITIES, EXTREME_QUANTITIES)
KINDS = st.sampled_from([*[CommandKind.NEW] * 6, *CommandKind])
TIMES = st.one_of(st.integers(0, 40), st.integers(0, 40), st.sampled_from([-1, INT64_MAX, INT64_MAX - 1]))
TYPICAL = {
    "kind": KINDS,
    "side": st.integers(0, 1),
    "order_type": st.sampled_from([1, 1, 1, 1, 2]),
    "time_in_force": st.sampled_from([0, 1, 1, 1, 2, 3]),
    "flags": st.sampled_from([0, 0, 0, 1]),
    "capacity": st.sampled_from([0, 0, 9]),
    "instrument": st.sampled_from([0, 0, 0, 1, 2]),
    "owner": st.sampled_from([0, 0, 1]),
    "client_ref": st.integers(0, 12),
    "order_id": st.sampled_from([0, 0, *range(1, 13)]),
    "price_ticks": PRICES,
    "quantity_lots": QUANTITIES,
    "account": st.sampled_from([0, 0, 77]),
}
BYTES = {1: st.integers(0, 255), 4: st.integers(0, 2**32 - 1), 8: st.integers(-(2**63), 2**63 - 1)}


@st.composite
def orders(draw: st.DrawFn) -> Any:
    """A command with fields that may meet those of others, and at times one field that is anything."""
    command = np.zeros(1, COMMAND)
    for name, values in TYPICAL.items():
        command[name] = draw(values)
    if command["order_type"][0] == 2 and draw(st.integers(0, 9)):
        command["price_ticks"] = EMPTY_PRICE
    if not draw(st.integers(0, 7)):
        name = draw(st.sampled_from(COMMAND.names or ()))
        field = COMMAND[name]
        value = draw(BYTES[field.itemsize])
        command[name] = value if field.kind == "i" or field.itemsize < 8 else value % 2**64
    return command


EXTENSION = {
    "display_lots": st.sampled_from([0, 0, 0, 1, 2, 3, 5, -1]),
    "min_quantity_lots": st.sampled_from([0, 0, 0, 0, 1, 4, -1]),
    "stop_price_ticks": st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 0]),
    "offset_ticks": st.sampled_from([0, 0, 0, 0, 1, -1]),
    "peg_limit_ticks": st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 0]),
    "peg_kind": st.sampled_from([0, 0, 0, 0, 0, 1]),
}
LASTING = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD])


@st.composite
def rich_orders(draw: st.DrawFn) -> Any:
    """An order of any type, with the terms that go with it, near the others."""
    command = np.zeros(1, COMMAND)
    kind = draw(st.sampled_from(OrderType))
    has_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    simple = kind in (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT)
    lasts = draw(st.one_of(LASTING, st.sampled_from(TimeInForce)) if simple else LASTING)
    fields = {name: draw(TYPICAL[name]) for name in ("side", "instrument", "owner", "client_ref", "account")}
    fields |= {"kind": CommandKind.NEW, "order_type": kind, "time_in_force": lasts}
    fields["quantity_lots"] = draw(NEAR_QUANTITIES)
    fields["price_ticks"] = draw(NEAR_PRICES) if has_limit else EMPTY_PRICE
    fields["flags"] = draw(st.sampled_from([0, 0, 0, 0, 1, 2, 4, 8])) | CommandFlag.EXTENDED
    if draw(st.integers(0, 2)) == 0:
        fields["self_match_group"], fields["self_match_mode"] = (
            draw(st.integers(1, 2)),
            draw(st.integers(1, 4)),
        )
    fields |= (
        {name: draw(values) for name, values in EXTENSION.items()}
        if draw(st.booleans())
        else {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE}
    )
    if lasts == TimeInForce.GTD:
        fields["expire_ns"] = draw(TIMES)
    if kind in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP):
        fields["stop_price_ticks"] = draw(PRICES)
    if kind == OrderType.TRAILING_STOP:
        fields["offset_ticks"] = draw(st.sampled_from([1, 1, 2, 3, 0, INT64_MAX]))
    if kind == OrderType.PEGGED:
        fields["peg_kind"], fields["offset_ticks"] = draw(st.integers(1, 3)), draw(st.integers(-2, 2))
        fields["peg_limit_ticks"] = draw(st.one_of(st.just(EMPTY_PRICE), PRICES))
    for name, value in fields.items():
        command[name] = value
    return command


@st.composite
def amendments(draw: st.DrawFn) -> Any:
    """A replace of all that may change, or another change of an order that may be there."""
    command = np.zeros(1, COMMAND)
    command["kind"] = draw(st.sampled_from([CommandKind.REPLACE, CommandKind.REPLACE, *CommandKind]))
    command["flags"] = draw(st.sampled_from([CommandFlag.EXTENDED, 0]))
    for name in ("owner", "client_ref", "order_id", "quantity_lots"):
        command[name] = draw(TYPICAL[name])
    command["time_in_force"] = draw(LASTING)
    command["price_ticks"] = draw(st.one_of(st.just(EMPTY_PRICE), PRICES))
    command["display_lots"] = draw(st.integers(0, 4))
    command["stop_price_ticks"] = draw(st.one_of(st.just(EMPTY_PRICE), PRICES))
    command["offset_ticks"] = draw(st.integers(-2, 3))
    command["peg_limit_ticks"] = draw(st.one_of(st.just(EMPTY_PRICE), PRICES))
    command["expire_ns"] = draw(TIMES) if command["time_in_force"][0] == TimeInForce.GTD else 0
    return command


@st.composite
def mass_cancels(draw: st.DrawFn) -> Any:
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.MASS_CANCEL
    command["flags"] = draw(st.integers(0, 33))
    for name in ("side", "instrument", "owner", "account", "price_ticks"):
        command[name] = draw(TYPICAL[name])
    command["stop_price_ticks"] = draw(PRICES)
    return command


@st.composite
def advances(draw: st.DrawFn) -> Any:
    command = np.zeros(1, COMMAND)
    command["kind"], command["expire_ns"] = CommandKind.ADVANCE, draw(TIMES)
    return command


@st.composite
def phases(draw: st.DrawFn) -> Any:
    """Half of them lead back to trading."""
    command = np.zeros(1, COMMAND)
    change = command.view(PHASE_CHANGE)
    any_phase = st.one_of(st.just(0), st.integers(1, 4), st.integers(0, 7))
    change["kind"], change["instrument"] = CommandKind.PHASE, draw(st.sampled_from([0, 0, 0, 1, 2]))
    change["phase"] = draw(any_phase)
    if draw(st.booleans()):
        change["next_phase"], change["until_ns"] = draw(any_phase), draw(TIMES)
        change["random"] = draw(st.integers(0, 2**64 - 1))
        change["window_ns"] = draw(st.sampled_from([0, 1, 5, INT64_MAX, -1]))
    return command


@st.composite
def protections(draw: st.DrawFn) -> Any:
    command = np.zeros(1, COMMAND)
    limits = command.view(PROTECTION)
    limits["kind"], limits["instrument"] = CommandKind.PROTECT, draw(st.sampled_from([0, 0, 0, 1, 2]))
    limits["reference_ticks"] = draw(PRICES)
    for name in ("static_ticks", "dynamic_ticks", "distance_ticks"):
        limits[name] = draw(st.sampled_from([-1, -1, -1, 0, 1, 2, 3, INT64_MAX, -2]))
    limits["max_notional"] = draw(st.sampled_from([-1, -1, -1, 1000, INT64_MAX]))
    if draw(st.booleans()):
        limits["breaker_bp"] = draw(st.sampled_from([1, 100, 200, 2**32 - 1]))
        limits["halt_ns"] = draw(st.sampled_from([1, 5, INT64_MAX, 0]))
        limits["auction_ns"] = draw(st.sampled_from([1, 5, INT64_MAX]))
    return command


@st.composite
def tick_rows(draw: st.DrawFn) -> Any:
    command = np.zeros(1, COMMAND)
    row = command.view(TICK_ROW)
    row["kind"], row["table"] = CommandKind.TICK, draw(st.sampled_from([1, 1, 2, 0]))
    row["from_ticks"] = draw(st.one_of(st.just(EMPTY_PRICE), PRICES))
    row["tick_ticks"] = draw(st.sampled_from([1, 2, 3, 0, INT64_MAX]))
    return command


@st.composite
def definitions(draw: st.DrawFn) -> Any:
    """An instrument, or new terms of one; mostly valid: with tight terms, or none."""
    command = np.zeros(1, COMMAND)
    definition = command.view(DEFINITION)
    changes = draw(st.booleans())
    definition["kind"] = CommandKind.CHANGE if changes else CommandKind.DEFINE
    definition["instrument"] = draw(st.sampled_from([0, 0, 1] if changes else [0, 1, 1, 2, 2, 3]))
    definition["lot_lots"] = draw(st.sampled_from([1, 1, 1, 2, 0, INT64_MAX]))
    definition["min_lots"] = draw(st.sampled_from([1, 1, 1, 3, -1]))
    definition["max_lots"] = draw(st.sampled_from([INT64_MAX, INT64_MAX, 10, 2]))
    definition["low_ticks"] = draw(st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 99, 0, EMPTY_PRICE + 1]))
    definition["high_ticks"] = draw(st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 102, INT64_MAX, 0]))
    definition["protection_ticks"] = draw(st.sampled_from([-1, -1, 0, 2, INT64_MAX, -2]))
    if draw(st.booleans()):
        definition["algorithm"] = draw(st.sampled_from([0, 1, 1, 1, 2]))
        definition["top_order"] = draw(st.sampled_from([0, 1, 1, 2]))
        definition["trigger"] = draw(st.sampled_from([0, 1, 1, 2]))
        definition["tick_table"] = draw(st.sampled_from([0, 0, 1, 2]))
        definition["pro_rata_minimum_lots"] = draw(st.sampled_from([0, 2, 3, -1]))
        definition["phase"] = 0 if changes else draw(st.sampled_from([0, 0, *Phase]))
        definition["delist"] = draw(st.sampled_from([0] * 15 + [1])) if changes else 0
    return command


@st.composite
def garbage(draw: st.DrawFn) -> Any:
    """Any 128 bytes at all, with a kind that means something more often than not."""
    command = np.frombuffer(draw(st.binary(min_size=128, max_size=128)), COMMAND).copy()
    if draw(st.booleans()):
        command["kind"] = draw(KINDS)
    return command


COMMANDS = st.one_of(
    *[orders()] * 8,
    *[rich_orders()] * 10,
    *[amendments()] * 3,
    *[phases()] * 2,
    advances(),
    mass_cancels(),
    protections(),
    tick_rows(),
    definitions(),
    garbage(),
)


def plain_instrument(number: int, **terms: int) -> Any:
    """The command that defines an instrument without limits."""
    command = np.zeros(1, COMMAND)
    definition = command.view(DEFINITION)
    definition["kind"] = CommandKind.DEFINE
    definition["instrument"] = number
    values = {"lot_lots": 1, "min_lots": 1, "max_lots": INT64_MAX, "protection_ticks": -1}
    values |= {"low_ticks": EMPTY_PRICE, "high_ticks": EMPTY_PRICE, **terms}
    for name, value in values.items():
        definition[name] = value
    return command
