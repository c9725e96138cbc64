"""A seeded stream of requests with the mix of workload W1: 55 % new near the touch, 40 % cancel of a random live
order, 5 % marketable; 10,000 orders rest before it begins.

An engine in this process says which orders live, so nearly every cancel finds its order.
"""

import random

import numpy as np
import numpy.typing as npt

from engine.machine import Machine
from engine.records import ReportKind, Side, TimeInForce
from gateway.client_types import ABSENT, REQUEST

PREFILL = 10_000
MIDDLE, LOW, HIGH = 32_768.0, 1_000, 64_000


def order_mix(count: int, seed: int = 42, prefill: int = PREFILL) -> npt.NDArray[np.void]:
    """`prefill` + `count` requests on AAPL, ticks of 0.01; ClOrdIDs are 1, 2, 3, ... by position."""
    chance = random.Random(seed)
    machine = Machine()
    instrument = machine.define()
    live: list[int] = []
    place: dict[int, int] = {}
    price_of: dict[int, tuple[int, int, int]] = {}  # ref -> side, price, order_id
    total = prefill + count
    requests = np.zeros(total, REQUEST)
    requests["symbol"] = b"AAPL"
    requests["price_exponent"] = -2
    requests["cl_ord_id"] = np.char.mod("%d", np.arange(1, total + 1)).astype("S64")
    middle = MIDDLE

    def drop(ref: int) -> None:
        position, last = place.pop(ref), live.pop()
        if last != ref:
            live[position] = last
            place[last] = position

    for i in range(total):
        ref = i + 1
        what = 0.0 if i < prefill else chance.random()
        middle += chance.gauss(0, 0.15) + (MIDDLE - middle) * 1e-5
        row = requests[i]
        if 0.55 <= what < 0.95 and len(live) > 100:
            target = live[chance.randrange(len(live))]
            side, _, order_id = price_of[target]
            machine.cancel(order_id)
            drop(target)
            row["kind"], row["side"], row["orig_cl_ord_id"] = ord("F"), ord("12"[side]), b"%d" % target
            row["price"] = row["quantity"] = ABSENT
            continue
        side = chance.randrange(2)
        other = machine.best(instrument)[1 - side]
        if what < 0.95:
            offset = min(int(chance.expovariate(1 / 12)), 400)
            if side == 0:
                price = (int(middle) - 1 if other is None else min(other - 1, int(middle) + 2)) - offset
            else:
                price = (int(middle) + 1 if other is None else max(other + 1, int(middle) - 2)) + offset
            quantity = chance.randrange(100) + 1
        else:
            price = (int(middle) if other is None else other) + chance.randrange(11) * (1 - 2 * side)
            quantity = chance.randrange(201) + 50
        price = max(LOW, min(HIGH, price))
        row["kind"], row["side"], row["ord_type"], row["time_in_force"] = (
            ord("D"),
            ord("12"[side]),
            ord("2"),
            ord("1"),
        )
        row["price"], row["quantity"] = price, quantity
        reports = machine.submit(
            instrument, Side(side), quantity, price, client_ref=ref, time_in_force=TimeInForce.GTC
        )
        rests = reports[-1].leaves_lots > 0
        for report in reports:
            if report.kind == ReportKind.TRADE and report.maker_leaves_lots == 0:
                drop(report.maker_client_ref)
        if rests:
            place[ref] = len(live)
            live.append(ref)
            price_of[ref] = (side, price, reports[0].order_id)
    return requests
