"""Commands about a thousand orders: their work is more than a step, a chunk or a run of any of its lists.

The compiled machine does each at once and in pieces, and both come out as the specification has it.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from engine_strategies import plain_instrument
from mixed_day import record
from test_differential import assert_same_reports
from test_steps import run_in_steps

from engine import machine, reference
from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    CancelFilter,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    Side,
    TimeInForce,
    Trigger,
)

MANY = 1300
ABSENT = {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE}


class Crowd:
    """The same commands for the three, each compared."""

    def __init__(self, seed: int, **terms: int) -> None:
        self.draw = random.Random(seed)
        self.whole, self.cut = machine.Machine(), machine.Machine()
        self.rules: Any = reference.Machine()
        self.refs = 0
        self.run(plain_instrument(0, **terms))

    def run(self, command: Any) -> Any:
        expected = self.rules.apply(command)
        assert_same_reports(self.whole.apply(command), expected)
        cuts = [self.draw.choice([0, 1, 3, 50]), self.draw.choice([1, 7, 1000])]
        assert_same_reports(run_in_steps(self.cut, command, cuts), expected)
        return expected

    def settle(self, command: Any) -> Any:
        """Run it; the states are the same then, and remain so after a restore."""
        told = self.run(command)
        state = self.rules.snapshot()
        assert self.whole.snapshot() == state
        assert self.cut.snapshot() == state
        self.cut = machine.Machine.restore(state)
        return told

    def order(self, side: Side, lots: int, price: int | None = None, **more: int) -> Any:
        self.refs += 1
        fields = {
            "side": side,
            "quantity_lots": lots,
            "client_ref": self.refs,
            "time_in_force": TimeInForce.GTC,
        }
        fields["price_ticks"] = EMPTY_PRICE if price is None else price
        fields["order_type"] = OrderType.MARKET if price is None else OrderType.LIMIT
        return record(COMMAND, kind=CommandKind.NEW, **fields | more)

    def special(self, side: Side, lots: int, price: int | None = None, **more: int) -> Any:
        """One with a second line."""
        return self.order(side, lots, price, **{"flags": int(CommandFlag.EXTENDED)} | ABSENT | more)

    def fill(self, orders: Iterator[Any]) -> None:
        for order in orders:
            self.run(order)

    def stir(self) -> None:
        """Orders come and go, so that those which come then do not lie in the order of their ids."""
        first = self.refs + 1
        self.fill(self.order(Side.BUY, 1, 1) for _ in range(MANY))
        gone = list(range(first, self.refs + 1))
        self.draw.shuffle(gone)
        for ref in gone:
            self.run(record(COMMAND, kind=CommandKind.CANCEL, client_ref=ref))


def anything(crowd: Crowd, collecting: bool) -> Iterator[Any]:
    """Orders of every kind that rest; in an auction's book they meet."""
    draw = crowd.draw
    for _ in range(MANY):
        side, lots = Side(draw.randint(0, 1)), draw.randint(1, 30)
        apart = 20 if collecting else -1
        price = 1000 + (-1 if side == Side.BUY else 1) * draw.randint(-apart, 60)
        more: dict[str, int] = {"owner": draw.randint(0, 2), "account": draw.randint(0, 2)}
        match draw.randint(0, 9):
            case 0:
                stop = 1000 + (200 if side == Side.BUY else -200) + draw.randint(-50, 50)
                yield crowd.special(side, lots, order_type=OrderType.STOP, stop_price_ticks=stop, **more)
            case 1:
                offset = draw.choice([100, 100, 120, 150])
                stop = 1000 + (offset + 7 if side == Side.BUY else -offset - 7)
                terms = {"order_type": OrderType.TRAILING_STOP, "offset_ticks": offset}
                yield crowd.special(side, lots, stop_price_ticks=stop, **terms, **more)
            case 2:
                terms = {"order_type": OrderType.PEGGED, "peg_kind": PegKind.PRIMARY_PEG}
                yield crowd.special(side, lots, offset_ticks=draw.randint(-9, 0), **terms, **more)
            case 3:
                yield crowd.special(side, lots, price, display_lots=draw.randint(1, lots), **more)
            case 4:
                yield crowd.order(side, lots, price, flags=CommandFlag.HIDDEN, **more)
            case 5:
                more["time_in_force"] = draw.choice([TimeInForce.GOOD_FOR_AUCTION, TimeInForce.AT_CLOSE])
                yield crowd.order(side, lots, price, **more)
            case 6 if collecting:
                more["time_in_force"] = draw.choice([TimeInForce.AT_OPEN, TimeInForce.DAY])
                kind = draw.choice([OrderType.MARKET, OrderType.MARKET_TO_LIMIT])
                yield crowd.order(side, lots, **more | {"order_type": kind})
            case 7:
                more["time_in_force"] = TimeInForce.GTD
                yield crowd.special(side, lots, price, expire_ns=draw.randint(10, 90), **more)
            case _:
                more["time_in_force"] = draw.choice([TimeInForce.DAY, TimeInForce.GTC])
                yield crowd.order(side, lots, price, **more)


def phase(to: Phase) -> Any:
    return record(PHASE_CHANGE, kind=CommandKind.PHASE, phase=to)


def protection(**terms: int) -> Any:
    none = {"static_ticks": -1, "dynamic_ticks": -1, "distance_ticks": -1, "max_notional": -1}
    return record(PROTECTION, kind=CommandKind.PROTECT, **none | {"reference_ticks": EMPTY_PRICE} | terms)


def delisting() -> Any:
    terms = {"lot_lots": 1, "min_lots": 1, "max_lots": INT64_MAX, "protection_ticks": -1}
    terms |= {"low_ticks": EMPTY_PRICE, "high_ticks": EMPTY_PRICE}
    return record(DEFINITION, kind=CommandKind.CHANGE, delist=1, **terms)


def mass_cancel(**filters: int) -> Any:
    return record(COMMAND, kind=CommandKind.MASS_CANCEL, **filters)


@pytest.mark.parametrize(
    "command",
    [
        phase(Phase.CLOSED),
        phase(Phase.HALT),
        phase(Phase.CLOSING_AUCTION),
        delisting(),
        mass_cancel(),
        mass_cancel(flags=CancelFilter.BY_OWNER | CancelFilter.BY_SIDE, owner=1, side=Side.SELL),
        mass_cancel(flags=CancelFilter.BY_PRICES, price_ticks=900, stop_price_ticks=1003),
        record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=50),
    ],
)
def test_a_crowd_of_all_kinds(command: Any) -> None:
    crowd = Crowd(int(command["kind"][0]))
    crowd.stir()
    for side, price in ((Side.BUY, 999), (Side.SELL, 1001)):
        crowd.run(crowd.order(side, 5, price))
    crowd.fill(anything(crowd, collecting=False))
    assert len(crowd.settle(command)) > 50


@pytest.mark.parametrize(("seed", "to"), [(1, Phase.CONTINUOUS), (2, Phase.CONTINUOUS), (3, Phase.CLOSED)])
def test_a_crowd_in_an_auction(seed: int, to: Phase) -> None:
    crowd = Crowd(seed, phase=Phase.PRE_OPEN)
    crowd.run(protection(reference_ticks=1000))
    crowd.stir()
    crowd.fill(anything(crowd, collecting=True))
    told = crowd.settle(phase(to))
    assert len(told) > MANY / 3
    crowd.settle(phase(Phase.CLOSING_AUCTION))
    crowd.settle(phase(Phase.CLOSED))


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET])
@pytest.mark.parametrize("lasts", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize("lots", [3 * MANY // 2, 4 * MANY])
def test_an_order_that_meets_more_than_a_command_does_at_once(kind: int, lasts: int, lots: int) -> None:
    crowd = Crowd(1)
    crowd.fill(crowd.order(Side.SELL, 2, 1000 + number * 7 % MANY) for number in range(MANY))
    limit = 1000 + MANY if kind == OrderType.LIMIT else None
    crowd.settle(crowd.order(Side.BUY, lots, limit, time_in_force=lasts))
    crowd.settle(crowd.order(Side.BUY, 3, 900))


def test_a_replaced_order_that_meets_more_than_a_command_does_at_once() -> None:
    for lots, kind in ((3 * MANY // 2, CommandKind.REPLACE), (4 * MANY, CommandKind.REENTER)):
        crowd = Crowd(1)
        crowd.run(crowd.order(Side.BUY, lots, 900, account=5))
        crowd.fill(crowd.order(Side.SELL, 2, 1000 + number * 7 % MANY) for number in range(MANY))
        change = {"client_ref": 1, "price_ticks": 1000 + MANY, "quantity_lots": lots}
        crowd.settle(record(COMMAND, kind=kind, **change))
        crowd.settle(crowd.order(Side.SELL, 3, 2000 + MANY))


@pytest.mark.parametrize("top_order", [0, 1])
def test_a_level_of_many_is_shared_out(top_order: int) -> None:
    crowd = Crowd(1, algorithm=1, top_order=top_order)
    crowd.fill(crowd.special(Side.SELL, 50, 1000, display_lots=number % 50 + 1) for number in range(MANY))
    crowd.settle(crowd.order(Side.BUY, 10 * MANY, 1000))
    crowd.settle(crowd.order(Side.BUY, 3 * MANY, 1000, flags=CommandFlag.ALL_OR_NONE))


@pytest.mark.parametrize("spread", [1, 40])
def test_many_stops_are_elected_at_once(spread: int) -> None:
    crowd = Crowd(spread)
    crowd.stir()
    crowd.run(crowd.order(Side.SELL, 1, 1000))
    crowd.run(crowd.order(Side.BUY, 1, 1000))
    crowd.run(crowd.order(Side.BUY, 9, 990))
    crowd.fill(
        crowd.special(
            Side(number % 3 == 0),
            1,
            order_type=OrderType.STOP_LIMIT,
            price_ticks=1000,
            stop_price_ticks=1001 + crowd.draw.randrange(spread) if number % 3 else 999,
        )
        for number in range(MANY // 2)
    )
    crowd.run(crowd.order(Side.SELL, 1, 1060))
    crowd.settle(crowd.order(Side.BUY, 1, 1060))


def test_a_halt_puts_many_stops_back_and_parks_many_pegs() -> None:
    crowd = Crowd(4)
    crowd.run(crowd.order(Side.SELL, 1, 1000))
    crowd.run(crowd.order(Side.BUY, 1, 1000))
    for price in (1060, 1200):
        crowd.run(crowd.order(Side.SELL, 50, price))
    crowd.run(crowd.order(Side.BUY, 1, 800))
    peg = {"order_type": OrderType.PEGGED, "peg_kind": PegKind.PRIMARY_PEG}
    crowd.fill(
        crowd.special(Side.BUY, 1, order_type=OrderType.STOP, stop_price_ticks=1001 + number % 50)
        if number % 2
        else crowd.special(Side.BUY, 1, offset_ticks=-(number % 30), **peg)
        for number in range(MANY // 2)
    )
    crowd.run(protection(reference_ticks=1000, breaker_bp=1000, halt_ns=5, auction_ns=5))
    crowd.settle(crowd.order(Side.BUY, 1, 1060))
    crowd.settle(record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=100))


def test_many_pegs_follow_and_come_back() -> None:
    crowd = Crowd(5)
    crowd.run(crowd.order(Side.BUY, 50, 900))
    crowd.run(crowd.order(Side.SELL, 50, 1100))
    terms = {"order_type": OrderType.PEGGED}
    crowd.fill(
        crowd.special(
            Side(number % 2),
            3,
            offset_ticks=crowd.draw.randint(-60, 60),
            peg_kind=crowd.draw.choice([PegKind.PRIMARY_PEG, PegKind.MID_PEG, PegKind.PRIMARY_PEG]),
            flags=int(CommandFlag.EXTENDED) | (0 if number % 5 else int(CommandFlag.HIDDEN)),
            **terms,
        )
        for number in range(MANY // 2)
    )
    for price in (905, 930, 901):
        crowd.settle(crowd.order(Side.BUY, 1, price))
    for ref in (crowd.refs, crowd.refs - 1, 1, 2):
        crowd.settle(record(COMMAND, kind=CommandKind.CANCEL, client_ref=ref))


@pytest.mark.parametrize("trigger", [Trigger.LAST_TRADE, Trigger.OPPOSITE_BEST])
@pytest.mark.parametrize("seed", range(3))
def test_many_trailing_stops_follow_a_price_that_wanders(seed: int, trigger: int) -> None:
    """New ones, some with a stop price of their own, cancels and replaces in between; the state after each."""
    crowd = Crowd(seed, trigger=trigger)
    draw, price = crowd.draw, 1000
    crowd.run(crowd.order(Side.SELL, 1, price))
    crowd.run(crowd.order(Side.BUY, 1, price))
    followers: list[int] = []
    triggered = 0
    for _ in range(700):
        side = Side(draw.randint(0, 1))
        distance = draw.choice([5, 9, 30, 31, 32, 200])
        away = distance + draw.randint(-3, 3) if draw.random() < 0.4 else None
        stop = EMPTY_PRICE if away is None else price + (away if side == Side.BUY else -away)
        trailing = {"order_type": OrderType.TRAILING_STOP, "offset_ticks": distance, "stop_price_ticks": stop}
        if draw.random() < 0.6:
            crowd.run(crowd.special(side, 1, **trailing))
            followers.append(crowd.refs)
        elif draw.random() < 0.3 and followers:
            ref = draw.choice(followers)
            kind = draw.choice([CommandKind.CANCEL, CommandKind.REPLACE])
            change = {"client_ref": ref, "kind": kind, "quantity_lots": 1, "price_ticks": EMPTY_PRICE}
            if kind == CommandKind.REPLACE:
                change |= ABSENT | trailing | {"flags": int(CommandFlag.EXTENDED), "order_type": 0}
                change["time_in_force"] = TimeInForce.GTC
            crowd.run(record(COMMAND, **change))
        else:
            price += round(draw.gauss(0, 6))
            for order in ((Side.SELL, 3, price + 1), (Side.BUY, 1, price + 1), (Side.BUY, 2, price - 1)):
                told = crowd.settle(crowd.order(*order))
                triggered += int((told["kind"] == ReportKind.TRIGGERED).sum())
            crowd.settle(mass_cancel(flags=CancelFilter.BY_PRICES, price_ticks=-5000, stop_price_ticks=5000))
    assert len(followers) > 300
    assert triggered > 30


def test_trailing_stops_at_the_ends_of_the_numbers() -> None:
    crowd = Crowd(1)
    crowd.run(crowd.order(Side.SELL, 1, 0))
    crowd.run(crowd.order(Side.BUY, 1, 0))
    far = [1, 2, INT64_MAX - 1, INT64_MAX]
    for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
        for stop in far:
            for offset in far:
                terms = {"offset_ticks": offset, "stop_price_ticks": sign * stop}
                crowd.settle(crowd.special(side, 1, order_type=OrderType.TRAILING_STOP, **terms))
    for price in (-5, 5, -(2**40), 2**40):
        crowd.run(crowd.order(Side.SELL, 1, price))
        crowd.settle(crowd.order(Side.BUY, 1, price))


def test_timers_that_are_not_meant_any_more_are_swept() -> None:
    crowd = Crowd(9)
    lasts = {"time_in_force": TimeInForce.GTD}
    crowd.fill(crowd.special(Side.BUY, 1, 5, expire_ns=10 + number % 7, **lasts) for number in range(MANY))
    refs = list(range(crowd.refs - MANY + 1, crowd.refs + 1))
    crowd.draw.shuffle(refs)
    for ref in refs[: MANY - 50]:
        crowd.run(record(COMMAND, kind=CommandKind.CANCEL, client_ref=ref))
    for number in range(400):
        crowd.run(crowd.special(Side.BUY, 1, 5, expire_ns=5 + number, **lasts))
    told = crowd.settle(record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=100))
    assert len(told) > 100
    crowd.settle(record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=1000))
    assert crowd.whole.live_orders == 0


def test_lists_are_the_same_however_the_orders_lie() -> None:
    """A mass cancel of a crowd that came in one order, in another, and half in each."""
    for order in (sorted, lambda refs: sorted(refs, reverse=True), lambda refs: refs[1::2] + refs[::2]):
        crowd = Crowd(1)
        for _ in range(MANY):
            crowd.run(crowd.order(Side.BUY, 1, 1))
        for ref in order(list(range(1, MANY + 1))):
            crowd.run(record(COMMAND, kind=CommandKind.CANCEL, client_ref=ref))
        for _ in range(MANY):
            crowd.run(crowd.order(Side.BUY, 1, 1))
        told = crowd.settle(mass_cancel())
        assert (np.diff(told["order_id"][:-1].astype(np.int64)) > 0).all()
