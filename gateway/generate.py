"""Order flow that looks like a trading day, from a seed: the same rows on every machine and Python.

Arrivals are clustered: a Hawkes process in its cluster form (A. G. Hawkes and D. Oakes, 1974), in which
every arrival has a few children shortly after it. Limit prices lie at a power-law distance from the touch
(exponent 2 here; J.-P. Bouchaud, M. Mezard and M. Potters, 2002, found 1.6). Orders are cancelled about as
often as entered; some are IOC, post-only or marketable. The flow is played through a machine as it is made,
so that prices follow their own book and cancels name orders that live.

Integers only: chances are drawn by SplitMix64 (G. Steele, D. Lea, C. Flood, 2014) and from tables.
"""

from bisect import bisect_right
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import accumulate
from math import log
from typing import Final

from engine.machine import Machine
from engine.records import ReportKind, Side, TimeInForce
from gateway.flow import Fill, FlowRow
from gateway.inputs import RULES_VERSION

MASK: Final = 2**64 - 1
DAY_OPEN_NS: Final = 34_200 * 10**9
DAY_NS: Final = 23_400 * 10**9
"""From 09:30 to 16:00."""

CHILDREN: Final = (0, 0, 0, 0, 0, 0, 1, 1, 1, 3)
"""How many arrivals an arrival brings about, each as likely; the mean must stay below 1."""
CHILD_DELAY_NS: Final = 40_000_000

EXPONENTIAL: Final = [round(-log((step + 0.5) / 4096) * 2**20) for step in range(4096)]
"""Quantiles of the exponential distribution with mean 2**20."""
FARTHEST: Final = 2_000
DISTANCES: Final = list(accumulate(10**12 // (distance + 3) ** 2 for distance in range(FARTHEST)))
"""Cumulative weights of the distances from the touch, in ticks."""
SIZES: Final = (100,) * 9 + (200, 200, 300, 500, 1000, 50, 50, 10, 10, 1)

# The kinds of arrivals, in parts of 1,000; what is left over cancels.
LIMIT_SHARE: Final = 455
POST_SHARE: Final = 30
IOC_SHARE: Final = 20
CROSSING_SHARE: Final = 12
MARKET_SHARE: Final = 6
REDUCE_SHARE: Final = 17


class SplitMix64:
    """A stream of 64-bit numbers that depends on nothing but its seed."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK

    def below(self, bound: int) -> int:
        """A number from 0 up to but without the bound (well under 2**32)."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return ((mixed ^ (mixed >> 31)) >> 32) * bound >> 32

    def exponential(self, mean: int) -> int:
        return mean * EXPONENTIAL[self.below(4096)] >> 20


class FlowGenerator:
    """Makes a flow row by row; `fills` holds what it brought about so far.

    Raises ValueError when rows is less than 1.
    """

    def __init__(self, rows: int, seed: int, *, price_ticks: int = 10_000, resting: int = 400) -> None:
        if rows < 1:
            raise ValueError(f"{rows} rows; 1 or more is allowed")
        self.rows = rows
        self.price_ticks = price_ticks
        self.resting = min(resting, rows // 4)
        self.random = SplitMix64(seed)
        self.machine = Machine(RULES_VERSION)
        self.instrument = self.machine.define()
        self.seq = 0
        self.entered = 0
        self.live: list[int] = []  # order ids, in no order that matters
        self.place: dict[int, int] = {}  # order id -> its index in live
        self.fills: list[Fill] = []

    def flow(self) -> Iterator[FlowRow]:
        """The rows: first orders that rest on both sides, then the day."""
        for _ in range(self.resting):
            side = Side(self.random.below(2))
            away = 1 + self.distance()
            price = self.price_ticks - away if side is Side.BUY else self.price_ticks + away
            yield self.enter(DAY_OPEN_NS, side, price, "GTC")
        for time_ns in self.arrivals(self.rows - self.resting):
            yield self.arrival(time_ns)

    def arrivals(self, count: int) -> Iterator[int]:
        """The times of a clustered process that fills about a day."""
        spared = len(CHILDREN) - sum(CHILDREN)  # of so many arrivals, in len(CHILDREN), no other is the cause
        gap = DAY_NS * len(CHILDREN) // (spared * (count + 1))
        pending: list[int] = []
        immigrant = DAY_OPEN_NS + self.random.exponential(gap)
        for _ in range(count):
            if pending and pending[0] < immigrant:
                time_ns = heappop(pending)
            else:
                time_ns = immigrant
                immigrant += self.random.exponential(gap)
            for _ in range(CHILDREN[self.random.below(len(CHILDREN))]):
                heappush(pending, time_ns + 1 + self.random.exponential(CHILD_DELAY_NS))
            yield time_ns

    def arrival(self, time_ns: int) -> FlowRow:
        """One row: an order, or the cancel or reduce of one."""
        draw = self.random.below(1000)
        side = Side(self.random.below(2))
        if len(self.live) < self.resting:  # few are left: more enter
            draw = draw * 17 // 20
        for share, tif in ((LIMIT_SHARE, "GTC"), (POST_SHARE, "POST")):
            if draw < share:
                return self.enter(time_ns, side, self.passive_price(side), tif)
            draw -= share
        for share, tif in ((IOC_SHARE, "IOC"), (CROSSING_SHARE, "GTC")):
            if draw < share:
                return self.enter(time_ns, side, self.marketable_price(side), tif, 1 + self.random.below(5))
            draw -= share
        if draw < MARKET_SHARE:
            return self.enter(time_ns, side, None, "IOC")
        draw -= MARKET_SHARE
        if not self.live:
            return self.enter(time_ns, side, self.passive_price(side), "GTC")
        return self.shrink(time_ns, draw < REDUCE_SHARE)

    def distance(self) -> int:
        return bisect_right(DISTANCES, self.random.below(2**32) * DISTANCES[-1] >> 32)

    def touch(self) -> tuple[int, int]:
        """Best bid and ask; where a side is empty, what lies beside the other."""
        bid, ask = self.machine.best(self.instrument)
        if bid is None:
            bid = self.price_ticks - 1 if ask is None else ask - 2
        if ask is None:
            ask = bid + 2
        return bid, ask

    def passive_price(self, side: Side) -> int:
        """At or behind the touch, or at times one tick before it where the spread has room."""
        bid, ask = self.touch()
        away = self.distance() - (ask - bid > 1 and not self.random.below(4))
        return bid - away if side is Side.BUY else ask + away

    def marketable_price(self, side: Side) -> int:
        """At the opposite touch or a few ticks through it."""
        bid, ask = self.touch()
        through = self.random.below(3)
        return ask + through if side is Side.BUY else bid - through

    def quantity(self) -> int:
        return SIZES[self.random.below(len(SIZES))] if self.random.below(4) else 1 + self.random.below(99)

    def enter(self, time_ns: int, side: Side, price: int | None, tif: str, times: int = 1) -> FlowRow:
        """Enter an order of a few times the usual quantity."""
        quantity = times * self.quantity()
        self.seq += 1
        self.entered += 1
        reports = self.machine.submit(
            self.instrument,
            side,
            quantity,
            price,
            client_ref=self.entered,
            time_in_force=TimeInForce.IOC if tif == "IOC" else TimeInForce.GTC,
            post_only=tif == "POST",
        )
        for report in reports:
            if report.kind == ReportKind.TRADE:
                maker, price_ticks = report.maker_client_ref, report.last_price_ticks
                assert price_ticks is not None  # every trade has one
                self.fills.append(
                    Fill(
                        len(self.fills) + 1,
                        self.seq,
                        time_ns,
                        self.entered,
                        maker,
                        price_ticks,
                        report.last_lots,
                    )
                )
                if not report.maker_leaves_lots:
                    self.close(maker)
        if tif in ("GTC", "POST") and reports[-1].leaves_lots:
            self.place[self.entered] = len(self.live)
            self.live.append(self.entered)
        return FlowRow(self.seq, time_ns, "NEW", self.entered, "BS"[side], price, quantity, tif, "G")

    def shrink(self, time_ns: int, reduces: bool) -> FlowRow:
        """Cancel or reduce any order that lives."""
        self.seq += 1
        order_id = self.live[self.random.below(len(self.live))]
        if reduces:
            amount = 1 + self.random.below(50)
            (report,) = self.machine.reduce(client_ref=order_id, quantity=amount)
        else:
            amount = 0
            (report,) = self.machine.cancel(client_ref=order_id)
        if report.kind == ReportKind.CANCELLED:
            self.close(order_id)
        action = "REDUCE" if reduces else "CANCEL"
        return FlowRow(
            self.seq, time_ns, action, order_id, "BS"[report.side], report.price_ticks, amount, "", "G"
        )

    def close(self, order_id: int) -> None:
        """Take an order out of the list of the live in one step: the last takes its place."""
        at = self.place.pop(order_id)
        last = self.live.pop()
        if last != order_id:
            self.live[at] = last
            self.place[last] = at
