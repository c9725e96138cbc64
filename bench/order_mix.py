"""A seeded stream of operations with the mix of workload W1: 55 % new near the touch, 40 % cancel of a random live
order, 5 % marketable; a book of resting orders is filled before it begins.

An engine in this process says what the touch is and which orders live, so every cancel finds its order.
"""

import random

import numpy as np
import numpy.typing as npt

from bench.workload import CANCEL_OPERATION, MARKETABLE_OPERATION, NEW_OPERATION, OPERATION
from engine.machine import Machine
from engine.records import ReportKind, Side, TimeInForce
from gateway.client_types import ABSENT, REQUEST

PREFILL = 10_000
MIDDLE, LOW, HIGH = 32_768, 1_000, 64_000


class Live:
    """The live orders, of which a random one can be drawn. O(1) each."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._place: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, order: int) -> None:
        self._place[order] = len(self._ids)
        self._ids.append(order)

    def remove(self, order: int) -> None:
        place, last = self._place.pop(order), self._ids.pop()
        if last != order:
            self._ids[place] = last
            self._place[last] = place

    def draw(self, chance: random.Random) -> int:
        return self._ids[chance.randrange(len(self._ids))]


def new_terms(chance: random.Random, op: int, side: int, middle: float, other: int | None) -> tuple[int, int]:
    """(price, quantity). `other`: the best price of the opposite side, which a marketable order reaches."""
    toward = 1 - 2 * side  # up for a buy
    if op == MARKETABLE_OPERATION:
        price = (int(middle) if other is None else other) + toward * chance.randrange(11)
        quantity = chance.randrange(201) + 50
    else:
        offset = min(int(chance.expovariate(1 / 12)), 400)
        nearest = int(middle) - toward
        if other is not None:
            inside = int(middle) + 2 * toward
            nearest = min(other - 1, inside) if side == 0 else max(other + 1, inside)
        price = nearest - toward * offset
        quantity = chance.randrange(100) + 1
    return max(LOW, min(HIGH, price)), quantity


def operations(count: int, seed: int = 42, prefill: int = PREFILL) -> npt.NDArray[np.void]:
    """`prefill` + `count` records of OPERATION; new orders have the ids 1, 2, 3, ..."""
    chance = random.Random(seed)
    machine = Machine()
    instrument = machine.define()
    live = Live()
    terms: list[tuple[int, int]] = [(0, 0)]  # id -> side, price
    made = np.zeros(prefill + count, OPERATION)
    middle = float(MIDDLE)
    for row in range(prefill + count):
        middle += chance.gauss(0, 0.15) + (MIDDLE - middle) * 1e-5
        draw = 0.0 if row < prefill else chance.random()
        if 0.55 <= draw < 0.95 and len(live) > 100:
            order = live.draw(chance)
            live.remove(order)
            machine.cancel(client_ref=order)
            made[row] = (CANCEL_OPERATION, terms[order][0], 0, 0, order, terms[order][1])
            continue
        op = NEW_OPERATION if draw < 0.95 else MARKETABLE_OPERATION
        side, order = chance.randrange(2), len(terms)
        price, quantity = new_terms(chance, op, side, middle, machine.best(instrument)[1 - side])
        terms.append((side, price))
        made[row] = (op, side, 0, quantity, order, price)
        reports = machine.submit(
            instrument, Side(side), quantity, price, client_ref=order, time_in_force=TimeInForce.GTC
        )
        for report in reports:
            if report.kind == ReportKind.TRADE and report.maker_leaves_lots == 0:
                live.remove(report.maker_client_ref)
        if reports[-1].leaves_lots > 0:
            live.add(order)
    return made


def order_mix(count: int, seed: int = 42, prefill: int = PREFILL) -> npt.NDArray[np.void]:
    """The same as requests on AAPL, ticks of 0.01; ClOrdIDs are 1, 2, 3, ... by position."""
    made = operations(count, seed, prefill)
    cancels = made["op"] == CANCEL_OPERATION
    entered = np.flatnonzero(~cancels) + 1  # id - 1 -> ClOrdID of the order
    requests = np.zeros(len(made), REQUEST)
    requests["symbol"] = b"AAPL"
    requests["price_exponent"] = -2
    requests["cl_ord_id"] = np.arange(1, len(made) + 1).astype("S64")
    requests["side"] = made["side"] + ord("1")
    requests["kind"] = np.where(cancels, ord("F"), ord("D"))
    requests["price"] = np.where(cancels, ABSENT, made["price"].astype(np.int64))
    requests["quantity"] = np.where(cancels, ABSENT, made["qty"].astype(np.int64))
    requests["ord_type"] = np.where(cancels, 0, ord("2"))
    requests["time_in_force"] = np.where(cancels, 0, ord("1"))
    requests["orig_cl_ord_id"][cancels] = entered[made["id"][cancels] - 1].astype("S64")
    return requests
