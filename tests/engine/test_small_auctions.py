"""Auctions of a few orders near a reference, where each of the five rules of the price decides now and then."""

import random
from typing import Any

import numpy as np
import pytest
from auditor import Auditor
from engine_strategies import plain_instrument
from market_watch import heard
from mixed_day import record
from test_differential import assert_same_reports

from engine import machine, reference
from engine.records import (
    COMMAND,
    EMPTY_PRICE,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandKind,
    OrderType,
    Phase,
    TimeInForce,
)

TABLES = ([(EMPTY_PRICE, 2)], [(EMPTY_PRICE, 5), (102, 3)], [(EMPTY_PRICE, 1), (100, 2)])


def auction(draw: random.Random, number: int) -> list[Any]:
    """An instrument, a reference, a few orders of one or two lots, and trading begins."""
    table = draw.randint(0, len(TABLES))
    near = {"instrument": number, "reference_ticks": draw.choice([EMPTY_PRICE, *range(96, 109)])}
    none = {"static_ticks": -1, "dynamic_ticks": -1, "distance_ticks": -1, "max_notional": -1}
    commands = [
        plain_instrument(number, tick_table=table, phase=Phase.PRE_OPEN),
        record(PROTECTION, kind=CommandKind.PROTECT, **near, **none),
    ]
    for ref in range(draw.randint(2, 7)):
        has_limit = draw.random() < 0.8
        order = {
            "instrument": number,
            "client_ref": 100 * number + ref,
            "side": draw.randint(0, 1),
            "order_type": OrderType.LIMIT if has_limit else OrderType.MARKET,
            "time_in_force": TimeInForce.GTC,
            "price_ticks": draw.randint(96, 108) if has_limit else EMPTY_PRICE,
            "quantity_lots": draw.randint(1, 2),
        }
        commands.append(record(COMMAND, kind=CommandKind.NEW, **order))
    return [
        *commands,
        record(PHASE_CHANGE, kind=CommandKind.PHASE, instrument=number, phase=Phase.CONTINUOUS),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_small_auctions_come_out_the_same_and_right(seed: int) -> None:
    draw = random.Random(seed)
    core: Any = machine.Machine()
    auditor = Auditor()
    commands = [
        record(TICK_ROW, kind=CommandKind.TICK, table=number, from_ticks=begin, tick_ticks=step)
        for number, rows in enumerate(TABLES, 1)
        for begin, step in rows
    ]
    for number in range(400):
        commands += auction(draw, number)
    told = []
    for command in commands:
        told.append(core.apply(command))
        auditor.hear(command, heard(told[-1]))
    rules: Any = reference.Machine()
    assert_same_reports(np.concatenate(told), rules.apply(np.concatenate(commands)))
    assert core.snapshot() == rules.snapshot()
    assert auditor.held["an auction's price"] > 200
