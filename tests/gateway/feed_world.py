"""An exchange without sessions for the feed's tests: a machine, its market data, and random commands."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from engine.machine import Machine
from engine.records import COMMAND, EMPTY_PRICE, CommandFlag, CommandKind, OrderType, TimeInForce
from gateway.feed import Level
from gateway.inputs import RULES_VERSION
from gateway.market_data import MarketData

INT64_MAX = 2**63 - 1
SYMBOLS = ("AAPL", "BTC/USD")
Action = tuple[Any, ...]
IMMEDIATE = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}

prices = st.one_of(
    st.integers(96, 104), st.integers(96, 104), st.sampled_from([-(2**63) + 1, -1, 0, INT64_MAX, 4000, 4001])
)
quantities = st.one_of(st.integers(1, 9), st.sampled_from([INT64_MAX, 0]))
instruments = st.integers(0, len(SYMBOLS) - 1)
targets = st.integers(1, 40)
actions = st.one_of(
    st.tuples(st.just("new"), instruments, st.integers(0, 1), prices, quantities),
    st.tuples(st.just("new"), instruments, st.integers(0, 1), prices, quantities),
    st.tuples(st.just("post"), instruments, st.integers(0, 1), prices, quantities),
    st.tuples(st.sampled_from(["ioc", "fok", "market"]), instruments, st.integers(0, 1), prices, quantities),
    st.tuples(st.just("cancel"), targets),
    st.tuples(st.just("reduce"), targets, quantities),
    st.tuples(
        st.sampled_from(["replace", "reenter"]), targets, st.one_of(st.just(EMPTY_PRICE), prices), quantities
    ),
)
flows = st.lists(actions, max_size=60)


def commands(flow: Sequence[Action], first: int) -> npt.NDArray[np.void]:
    """The engine's records; `first` makes client_refs differ between calls."""
    made = np.zeros(len(flow), COMMAND)
    for position, action in enumerate(flow):
        row = made[position]
        match action:
            case ("cancel", target):
                row["kind"], row["order_id"] = CommandKind.CANCEL, target
            case ("reduce", target, quantity):
                row["kind"], row["order_id"], row["quantity_lots"] = CommandKind.REDUCE, target, quantity
            case ("replace" | "reenter" as word, target, price, quantity):
                row["kind"] = CommandKind.REPLACE if word == "replace" else CommandKind.REENTER
                row["order_id"], row["price_ticks"], row["quantity_lots"] = target, price, quantity
            case (word, instrument, side, price, quantity):
                row["kind"], row["instrument"], row["side"] = CommandKind.NEW, instrument, side
                row["client_ref"] = first + position
                row["order_type"] = OrderType.MARKET if word == "market" else OrderType.LIMIT
                row["time_in_force"] = IMMEDIATE.get(word, TimeInForce.GTC)
                row["flags"] = CommandFlag.POST_ONLY if word == "post" else 0
                row["price_ticks"] = EMPTY_PRICE if word == "market" else price
                row["quantity_lots"] = quantity
    return made


class World:
    """One replica: what it has published is in `messages`."""

    def __init__(self) -> None:
        self.machine = Machine(RULES_VERSION)
        self.feed = MarketData()
        for symbol in SYMBOLS:
            self.feed.define(self.machine.define(), symbol.encode(), 1, -2, 1, -8)
        self.input_number = 0
        self.messages: list[tuple[bytes, bytes]] = []

    def entry(self, flow: Sequence[Action], commands_an_input: int = 1) -> list[tuple[bytes, bytes]]:
        """One log entry; what it published."""
        made = commands(flow, 1000 * self.input_number)
        time_ns = 10**9 + self.input_number
        self.feed.perform(self.machine, made, self.input_number + 1, time_ns, commands_an_input)
        self.input_number += -(-len(flow) // commands_an_input)
        self.feed.end_entry(self.machine)
        published = self.feed.take()
        self.messages += published
        return published

    def sequences(self) -> list[tuple[int, int, int, int]]:
        return [self.feed.sequences(symbol.encode()) for symbol in SYMBOLS]

    def depth(self, symbol: str) -> tuple[list[Level], list[Level]]:
        bids, asks = (
            [Level(*row[:3]) for row in side[["price_ticks", "quantity_lots", "orders"]].tolist()]
            for side in self.machine.depth(SYMBOLS.index(symbol), 1000)
        )
        return bids, asks

    def queues(self, symbol: str) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """(side, price) -> (order_id, leaves), first in the queue first."""
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        orders = [order for order in self.machine.orders(0) if order.instrument == SYMBOLS.index(symbol)]
        for order in sorted(orders, key=lambda order: self.machine.queue_ahead(order.order_id)):
            found.setdefault((order.side, order.price_ticks), []).append((order.order_id, order.leaves_lots))
        return found
