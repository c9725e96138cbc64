"""Commands as Hypothesis draws them: mostly near one another, now and then extreme, now and then garbage."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.records import COMMAND, DEFINITION, EMPTY_PRICE, INT64_MAX, CommandKind

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


@st.composite
def definitions(draw: st.DrawFn) -> Any:
    """An instrument, mostly valid: with tight terms, or none."""
    command = np.zeros(1, COMMAND)
    definition = command.view(DEFINITION)
    definition["kind"] = CommandKind.DEFINE
    definition["instrument"] = draw(st.sampled_from([0, 1, 1, 2, 2, 3]))
    definition["lot_lots"] = draw(st.sampled_from([1, 1, 1, 2, 0, INT64_MAX]))
    definition["min_lots"] = draw(st.sampled_from([1, 1, 1, 3, -1]))
    definition["max_lots"] = draw(st.sampled_from([INT64_MAX, INT64_MAX, 10, 2]))
    definition["low_ticks"] = draw(st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 99, 0, EMPTY_PRICE + 1]))
    definition["high_ticks"] = draw(st.sampled_from([EMPTY_PRICE, EMPTY_PRICE, 102, INT64_MAX, 0]))
    definition["protection_ticks"] = draw(st.sampled_from([-1, -1, 0, 2, INT64_MAX, -2]))
    return command


@st.composite
def garbage(draw: st.DrawFn) -> Any:
    """Any 128 bytes at all, with a kind that means something more often than not."""
    command = np.frombuffer(draw(st.binary(min_size=128, max_size=128)), COMMAND).copy()
    if draw(st.booleans()):
        command["kind"] = draw(KINDS)
    return command


COMMANDS = st.one_of(*[orders()] * 12, definitions(), garbage())


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
