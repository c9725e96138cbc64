"""Markets of very many orders, each with the command that is about all of them: what `bench.rulebook` times.

Orders do not lie in memory as they came: as many came and went before, in no order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.machine import Machine
from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    Side,
    TimeInForce,
)

Records = npt.NDArray[np.void]
BATCH = 1024
MIDDLE = 10_000
SPREAD = 500  # ticks
CROWD, STRANGER = 9, 8  # owners


class Situation(NamedTuple):
    """A market before the command, and the command."""

    machine: Machine
    command: Records


def command(layout: np.dtype[Any] = COMMAND, **fields: int) -> Records:
    one = np.zeros(1, COMMAND)
    for name, value in fields.items():
        one.view(layout)[name] = value
    return one


def orders(count: int, **fields: Any) -> Records:
    """New limit orders of one lot of the crowd; fields are numbers or arrays of them."""
    made = np.zeros(count, COMMAND)
    terms = {"kind": CommandKind.NEW, "order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}
    terms |= {"owner": CROWD, "client_ref": np.arange(count) + 1, "quantity_lots": 1}
    for name, values in (terms | fields).items():
        made[name] = values
    return made


def special_orders(count: int, **fields: Any) -> Records:
    """The same with a second line."""
    absent = {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE}
    made = orders(count, **absent | fields)
    made["flags"] |= np.uint8(CommandFlag.EXTENDED)
    return made


def enter(machine: Machine, commands: Records) -> None:
    """Raises ValueError when one of them is refused: the market would not be what it is meant to be."""
    for at in range(0, len(commands), BATCH):
        if (machine.apply(commands[at : at + BATCH])["kind"] == ReportKind.REJECTED).any():
            raise ValueError("a market cannot be set up: an order is refused")


def stirred(count: int, instruments: int = 1) -> Machine:
    """A machine where as many orders came, and went in another order."""
    machine = Machine()
    for _ in range(instruments):
        machine.define()
    enter(machine, orders(count, price_ticks=1))
    gone = np.zeros(count, COMMAND)
    gone["kind"], gone["owner"] = CommandKind.CANCEL, CROWD
    gone["client_ref"] = np.random.default_rng(1).permutation(count) + 1
    enter(machine, gone)
    return machine


def traded(machine: Machine, price: int = MIDDLE) -> None:
    """The last trade is at this price."""
    for side in (Side.SELL, Side.BUY):
        machine.submit(0, side, 1, price, owner=STRANGER)


def apart(count: int, draw: np.random.Generator) -> dict[str, Any]:
    """Sides and prices of orders that do not meet, over SPREAD prices of each side."""
    side = draw.integers(0, 2, count)
    distance = draw.integers(1, SPREAD + 1, count)
    return {"side": side, "price_ticks": MIDDLE + np.where(side == Side.BUY, -distance, distance)}


# ---------------------------------------------------------------- situations


def auction(count: int, *, all_trade: bool) -> Situation:
    """Buyers and sellers over the same 1,000 prices, of which about half trade; or over prices at which all do."""
    draw = np.random.default_rng(2)
    machine = stirred(count)
    machine.set_phase(0, Phase.PRE_OPEN)
    side = draw.integers(0, 2, count)
    away = SPREAD * np.where(side == Side.BUY, 1, -1) if all_trade else 0
    price = MIDDLE + away + draw.integers(-SPREAD, SPREAD, count)
    enter(machine, orders(count, side=side, price_ticks=price, quantity_lots=draw.integers(1, 101, count)))
    return Situation(machine, command(PHASE_CHANGE, kind=CommandKind.PHASE, phase=Phase.CONTINUOUS))


def mass_cancel(count: int) -> Situation:
    machine = stirred(count)
    enter(machine, orders(count, **apart(count, np.random.default_rng(3))))
    return Situation(machine, command(kind=CommandKind.MASS_CANCEL))


def end_of_day(count: int) -> Situation:
    machine = stirred(count)
    enter(machine, orders(count, time_in_force=TimeInForce.DAY, **apart(count, np.random.default_rng(4))))
    return Situation(machine, command(PHASE_CHANGE, kind=CommandKind.PHASE, phase=Phase.CLOSED))


def delisting(count: int) -> Situation:
    machine = stirred(count)
    enter(machine, orders(count, **apart(count, np.random.default_rng(5))))
    terms = {"lot_lots": 1, "min_lots": 1, "max_lots": INT64_MAX, "protection_ticks": -1}
    terms |= {"low_ticks": EMPTY_PRICE, "high_ticks": EMPTY_PRICE, "delist": 1}
    return Situation(machine, command(DEFINITION, kind=CommandKind.CHANGE, **terms))


def expiry(count: int) -> Situation:
    """Each at a time of its own."""
    draw = np.random.default_rng(6)
    machine = stirred(count)
    lasts = {"time_in_force": TimeInForce.GTD, "expire_ns": draw.permutation(count) + 1}
    enter(machine, special_orders(count, **lasts, **apart(count, draw)))
    return Situation(machine, command(kind=CommandKind.ADVANCE, expire_ns=count))


def stops(count: int, *, at_once: bool) -> Situation:
    """A cascade, each stop reached by the trade of the one before; or all reached by one trade."""
    draw = np.random.default_rng(7)
    machine = stirred(count)
    traded(machine)
    if at_once:
        prices = MIDDLE + draw.integers(1, SPREAD, count)
        enter(
            machine,
            orders(1, owner=STRANGER, side=Side.SELL, price_ticks=MIDDLE + SPREAD, quantity_lots=2 * count),
        )
    else:
        prices = MIDDLE + 1 + np.arange(count)
        makers = {"side": Side.SELL, "price_ticks": MIDDLE + 1 + np.arange(count + 1)}
        enter(machine, orders(count + 1, owner=STRANGER, **makers))
    terms = {"order_type": OrderType.STOP, "price_ticks": EMPTY_PRICE, "stop_price_ticks": prices}
    enter(machine, special_orders(count, **terms))
    return Situation(
        machine, orders(1, owner=STRANGER + 2, price_ticks=MIDDLE + SPREAD if at_once else MIDDLE + 1)
    )


def halt(count: int) -> Situation:
    """Stops that were all reached, when the first of them halts trading: they are put back."""
    machine, touch = stops(count, at_once=True)
    enter(
        machine,
        orders(1, owner=STRANGER, client_ref=2, side=Side.SELL, price_ticks=2 * MIDDLE, quantity_lots=count),
    )
    machine.cancel(owner=STRANGER, client_ref=1)
    enter(machine, orders(1, owner=STRANGER, client_ref=1, side=Side.SELL, price_ticks=MIDDLE + SPREAD))
    machine.protect(0, reference=MIDDLE, breaker_bp=2000, halt_ns=1, auction_ns=1)
    return Situation(machine, touch)


def trailing_stops(count: int) -> Situation:
    """All of them follow a better price."""
    draw = np.random.default_rng(8)
    machine = stirred(count)
    traded(machine)
    terms = {"order_type": OrderType.TRAILING_STOP, "price_ticks": EMPTY_PRICE, "side": Side.SELL}
    enter(machine, special_orders(count, offset_ticks=draw.integers(100, 2000, count), **terms))
    machine.submit(0, Side.SELL, 1, MIDDLE + 1, owner=STRANGER)
    return Situation(machine, orders(1, owner=STRANGER + 2, price_ticks=MIDDLE + 1))


def pegs(count: int) -> Situation:
    """All of them follow a better touch, over 100 prices."""
    draw = np.random.default_rng(9)
    machine = stirred(count)
    for side, price in ((Side.BUY, MIDDLE), (Side.SELL, 2 * MIDDLE)):
        machine.submit(0, side, 1, price, owner=STRANGER)
    terms = {"order_type": OrderType.PEGGED, "peg_kind": PegKind.PRIMARY_PEG, "price_ticks": EMPTY_PRICE}
    enter(machine, special_orders(count, offset_ticks=-draw.integers(0, 100, count), **terms))
    return Situation(machine, better_bid(0))


def better_bid(number: int) -> Records:
    """The touch that `pegs` follow moves by a tick, and each time by another."""
    return orders(1, owner=STRANGER + 2, client_ref=number, price_ticks=MIDDLE + 1 + number)


def sweep(count: int) -> Situation:
    """A market order that takes everything."""
    machine = stirred(count)
    draw = np.random.default_rng(10)
    price = MIDDLE + draw.integers(0, SPREAD, count)
    enter(machine, orders(count, side=Side.SELL, price_ticks=price))
    taker = {"order_type": OrderType.MARKET, "price_ticks": EMPTY_PRICE, "quantity_lots": count}
    return Situation(machine, orders(1, owner=STRANGER, time_in_force=TimeInForce.IOC, **taker))


CROWDED: dict[str, Callable[[int], Situation]] = {
    "an auction, half of them trade": lambda count: auction(count, all_trade=False),
    "an auction, all of them trade": lambda count: auction(count, all_trade=True),
    "a mass cancel": mass_cancel,
    "the end of the day": end_of_day,
    "a delisting": delisting,
    "expiries": expiry,
    "a cascade of stops": lambda count: stops(count, at_once=False),
    "stops reached at once": lambda count: stops(count, at_once=True),
    "stops put back by a halt": halt,
    "trailing stops that follow": trailing_stops,
    "pegs that follow": pegs,
    "an order that takes all": sweep,
}
"""By what happens to the orders: the market and the command for so many of them."""
