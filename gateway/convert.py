"""A venue's record of its book rebuilt as order flow that our engine turns into the same executions.

A record says which resting order was executed; a flow must say which incoming order did it. So a run of
executions at one instant becomes one incoming order of the opposite side, and where the record shows that the
venue's queue was not what we knew (orders that were out of sight, or lost their place), the flow is repaired
before the incoming order, each repair with its own mark in the src column:

    M  a message of the venue          B  resting before the record begins, or back-filled
    R  reconciled with what is visible P  priority: an order moved behind the others of its price

Invariant: `queues` is the book that the rows written so far leave in our engine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sortedcontainers import SortedDict

from gateway.flow import Fill, FlowRow

FIRST_TAKER: Final = 100_000_000_000_000_001
"""The id of the n-th incoming order is this and n - 1, unless the record names what was left of it."""
FIRST_UNNAMED: Final = 200_000_000_000_000_001
"""Ids of resting orders that the record shows only as quantity."""


class Execution(NamedTuple):
    """A resting order was executed at its price."""

    order_id: int
    price: int
    quantity: int


@dataclass(slots=True)
class Resting:
    order_id: int
    side: str
    price: int
    quantity: int


def opposite(side: str) -> str:
    return "S" if side == "B" else "B"


class FlowBuilder:
    """The rows and the recorded fills, and the book that they leave."""

    def __init__(self) -> None:
        self.rows: list[FlowRow] = []
        self.fills: list[Fill] = []
        self.orders: dict[int, Resting] = {}
        # Per side a map from price to a queue (order id -> order, in order of arrival); no queue is empty.
        self.queues: dict[str, Any] = {"B": SortedDict(lambda price: -price), "S": SortedDict()}
        self.time_ns = 0
        self.takers = FIRST_TAKER - 1
        self.unnamed = FIRST_UNNAMED - 1

    def at(self, time_ns: int) -> None:
        """The time of the rows that follow; it does not go back."""
        self.time_ns = max(self.time_ns, time_ns)

    def row(self, action: str, order: Resting, quantity: int, tif: str, src: str) -> None:
        self.rows.append(
            FlowRow(
                len(self.rows) + 1,
                self.time_ns,
                action,
                order.order_id,
                order.side,
                order.price,
                quantity,
                tif,
                src,
            )
        )

    # ------------------------------------------------------------ single orders

    def enter(self, order_id: int, side: str, price: int, quantity: int, src: str) -> None:
        """An order that rests. What it would trade with is stale, for at the venue it did not trade."""
        for other in list(self.within(opposite(side), price)):
            self.cancel(other.order_id, "R")
        if order_id in self.orders:
            self.cancel(order_id, "R")
        self.rest(Resting(order_id, side, price, quantity))
        self.row("NEW", self.orders[order_id], quantity, "GTC", src)

    def enter_unnamed(self, side: str, price: int, quantity: int, src: str) -> None:
        self.unnamed += 1
        self.enter(self.unnamed, side, price, quantity, src)

    def cancel(self, order_id: int, src: str) -> None:
        order = self.orders[order_id]
        self.leave(order)
        self.row("CANCEL", order, 0, "", src)

    def reduce(self, order_id: int, amount: int, src: str) -> None:
        """Take an amount off; by at least the leaves it cancels."""
        order = self.orders[order_id]
        if amount >= order.quantity:
            self.cancel(order_id, src)
        else:
            order.quantity -= amount
            self.row("REDUCE", order, amount, "", src)

    def rest(self, order: Resting) -> None:
        self.orders[order.order_id] = order
        self.queues[order.side].setdefault(order.price, {})[order.order_id] = order

    def leave(self, order: Resting) -> None:
        del self.orders[order.order_id]
        queues = self.queues[order.side]
        del queues[order.price][order.order_id]
        if not queues[order.price]:
            del queues[order.price]

    def within(self, side: str, limit: int) -> Iterator[Resting]:
        """The resting orders that an incoming order of the other side with this limit may trade with."""
        for price, queue in self.queues[side].items():
            if price > limit if side == "S" else price < limit:
                return
            yield from queue.values()

    # ------------------------------------------------------------ executions

    def execute(self, side: str, executions: list[Execution], remainder: Execution | None = None) -> None:
        """One incoming order of this side made these executions; what was left of it rests as `remainder`."""
        self.prepare(side, executions, remainder)
        self.takers += 1
        quantity = sum(execution.quantity for execution in executions)
        if remainder:
            taker = Resting(remainder.order_id, side, remainder.price, quantity + remainder.quantity)
            self.row("NEW", taker, taker.quantity, "GTC", "M")
        else:
            taker = Resting(self.takers, side, executions[-1].price, quantity)
            self.row("NEW", taker, quantity, "IOC", "M")
        for order_id, price, lots in executions:
            self.fills.append(
                Fill(len(self.fills) + 1, len(self.rows), self.time_ns, taker.order_id, order_id, price, lots)
            )
            maker = self.orders[order_id]
            maker.quantity -= lots
            if not maker.quantity:
                self.leave(maker)
        if remainder:
            self.rest(Resting(remainder.order_id, side, remainder.price, remainder.quantity))

    def prepare(self, side: str, executions: list[Execution], remainder: Execution | None) -> None:
        """Repair the book so that exactly these executions come about, in this order."""
        last = None if remainder else executions[-1]
        named = {execution.order_id for execution in executions}
        for execution in executions:
            self.provide(opposite(side), execution, may_keep=execution is last)
        limit = remainder.price if remainder else executions[-1].price
        for order in list(self.within(opposite(side), limit)):
            beyond = last is not None and order.price == last.price
            if order.order_id not in named and not beyond:
                self.cancel(order.order_id, "R")
        by_price: dict[int, list[int]] = {}
        for execution in executions:
            by_price.setdefault(execution.price, []).append(execution.order_id)
        for price, order_ids in by_price.items():
            self.bring_forward(self.queues[opposite(side)][price], order_ids)

    def provide(self, side: str, execution: Execution, *, may_keep: bool) -> None:
        """The executed order is in the book with its quantity; only the last one may keep some."""
        order = self.orders.get(execution.order_id)
        if (
            order is None
            or (order.side, order.price) != (side, execution.price)
            or order.quantity < execution.quantity
        ):
            self.enter(
                execution.order_id, side, execution.price, execution.quantity, "B" if order is None else "R"
            )
        elif order.quantity > execution.quantity and not may_keep:
            self.reduce(order.order_id, order.quantity - execution.quantity, "R")

    def bring_forward(self, queue: dict[int, Resting], order_ids: list[int]) -> None:
        """These orders are the first of their queue, in this order: whatever is ahead moves behind."""
        for place, order_id in enumerate(order_ids):
            while (ahead := list(queue)[place]) != order_id:
                order = queue[ahead]
                self.row("CANCEL", order, 0, "", "P")
                queue[ahead] = queue.pop(ahead)
                self.row("NEW", order, order.quantity, "GTC", "P")


def takers(executions: list[Execution], side: str) -> Iterator[list[Execution]]:
    """Executions of one instant and side cut into incoming orders.

    A new one begins where the price gets better again or an order is executed a second time.
    """
    start = 0
    seen = set()
    for at, (before, execution) in enumerate(pairwise(executions), 1):
        seen.add(before.order_id)
        better = execution.price < before.price if side == "B" else execution.price > before.price
        if better or execution.order_id in seen:
            yield executions[start:at]
            start = at
            seen.clear()
    yield executions[start:]
