"""Where pegs go and what is told of it, and an auction's price, in corners that a day seldom comes to."""

from typing import Any

import pytest
from engine_strategies import plain_instrument
from market_watch import Heard, heard
from mixed_day import record

from engine import machine, reference
from engine.records import (
    COMMAND,
    EMPTY_PRICE,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    Side,
    TimeInForce,
)

REFS = iter(range(10_000))


def order(side: Side, price: int | None, lots: int, **more: int) -> Any:
    """A limit order, or without a price a market order, or what `more` makes of it."""
    terms = {
        "side": side,
        "order_type": OrderType.MARKET if price is None else OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_ticks": EMPTY_PRICE if price is None else price,
        "quantity_lots": lots,
        "client_ref": next(REFS),
        "stop_price_ticks": EMPTY_PRICE,
        "peg_limit_ticks": EMPTY_PRICE,
    }
    return record(COMMAND, kind=CommandKind.NEW, **(terms | more))


def peg(side: Side, kind: PegKind, lots: int, offset: int = 0, limit: int = EMPTY_PRICE) -> Any:
    return order(
        side,
        None,
        lots,
        order_type=OrderType.PEGGED,
        peg_kind=kind,
        offset_ticks=offset,
        peg_limit_ticks=limit,
        flags=CommandFlag.EXTENDED,
    )


def cancel(order_id: int) -> Any:
    return record(COMMAND, kind=CommandKind.CANCEL, order_id=order_id)


def last_of(commands: list[Any], kind: Any) -> list[Heard]:
    """The reports of the last command."""
    one = kind.Machine()
    told = [heard(one.apply(command)) for command in [plain_instrument(0), *commands]]
    return told[-1]


BOTH = pytest.mark.parametrize("kind", [machine, reference])


@BOTH
def test_a_first_peg_that_takes_all_it_follows_is_parked(kind: Any) -> None:
    told = last_of(
        [
            order(Side.BUY, 100, 1),
            order(Side.BUY, 101, 5),
            order(Side.SELL, 101, 1),
            order(Side.SELL, None, 9, order_type=OrderType.STOP, stop_price_ticks=100, flags=128),
            order(Side.BUY, 99, 1),
            cancel(5),
            cancel(2),
            peg(Side.SELL, PegKind.MARKET_PEG, 3, -5),
        ],
        kind,
    )
    assert [report.kind for report in told] == [
        ReportKind.ACCEPTED,
        ReportKind.REPRICED,
        ReportKind.TRADE,
        ReportKind.TRIGGERED,
        ReportKind.CANCELLED,
        ReportKind.REPRICED,
    ]
    assert told[-1].price_ticks == EMPTY_PRICE, "there is no bid that it follows"


@BOTH
def test_a_peg_that_comes_back_to_its_price_is_told_to_have_lost_its_place(kind: Any) -> None:
    """The middle moves up, and a market peg that stays where it is leaves it no better price than it had."""
    commands = [
        order(Side.BUY, 90, 5),
        order(Side.SELL, 100, 5),
        peg(Side.SELL, PegKind.MARKET_PEG, 4, limit=96),
        peg(Side.BUY, PegKind.MID_PEG, 2),
        order(Side.BUY, 94, 5),
    ]
    told = last_of(commands, kind)
    moved = [report for report in told if report.kind == ReportKind.REPRICED]
    assert [(one.order_id, one.last_price_ticks, one.price_ticks) for one in moved] == [(4, 95, 95)]


@BOTH
def test_orders_without_a_limit_meet_at_the_increment_next_to_the_reference(kind: Any) -> None:
    told = last_of(
        [
            record(TICK_ROW, kind=CommandKind.TICK, table=1, from_ticks=EMPTY_PRICE, tick_ticks=2),
            plain_instrument(1, tick_table=1, phase=Phase.PRE_OPEN),
            record(
                PROTECTION,
                kind=CommandKind.PROTECT,
                instrument=1,
                reference_ticks=107,
                static_ticks=-1,
                dynamic_ticks=-1,
                distance_ticks=-1,
                max_notional=-1,
            ),
            order(Side.BUY, None, 5, instrument=1),
            order(Side.SELL, None, 5, instrument=1),
            order(Side.BUY, 98, 3, instrument=1),
            order(Side.SELL, 120, 3, instrument=1),
            record(PHASE_CHANGE, kind=CommandKind.PHASE, instrument=1, phase=Phase.CONTINUOUS),
        ],
        kind,
    )
    assert (told[0].price_ticks, told[0].quantity_lots) == (108, 5)
