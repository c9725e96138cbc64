"""What must hold whatever the commands: judged from the reports alone, by a book kept beside the machine."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from engine_strategies import COMMANDS, plain_instrument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_differential import traffic

from engine import machine
from engine.records import EMPTY_PRICE, CommandFlag, OrderType, Reason, ReportKind, Side, TimeInForce


class Auditor:
    """Believes only reports. Keeps each order's account and each level's queue, and checks every trade against both."""

    def __init__(self) -> None:
        self.queues: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.orders: dict[int, Any] = {}  # order id -> the report that told its terms last
        self.leaves: dict[int, int] = {}
        self.filled: dict[int, int] = defaultdict(int)
        self.trades = 0
        self.incoming: int | None = None

    def best(self, instrument: int, side: int) -> int | None:
        prices = [price for price, queue in self.queues[instrument, side].items() if queue]
        return None if not prices else max(prices) if side == Side.BUY else min(prices)

    def hear(self, reports: Any) -> None:
        """The reports of one command."""
        self.incoming = None
        for report in reports:
            getattr(self, ReportKind(report["kind"]).name.lower())(report)
        self.settle()
        for instrument in {instrument for instrument, _ in list(self.queues)}:
            bid, ask = self.best(instrument, Side.BUY), self.best(instrument, Side.SELL)
            assert bid is None or ask is None or bid < ask, "the book is crossed"
        assert all(leaves > 0 for leaves in self.leaves.values()), "an order without leaves is live"

    def settle(self) -> None:
        """What is left of the incoming order rests at the tail, unless it must not rest."""
        if self.incoming is None or self.incoming not in self.leaves:
            return
        terms = self.orders[self.incoming]
        assert terms["order_type"] == OrderType.LIMIT, "a market order rests"
        assert terms["time_in_force"] in (TimeInForce.DAY, TimeInForce.GTC), "an IOC or FOK order rests"
        self.queue(terms).append(self.incoming)

    def queue(self, terms: Any) -> list[int]:
        return self.queues[int(terms["instrument"]), int(terms["side"])][int(terms["price_ticks"])]

    def account(self, report: Any) -> None:
        order_id = int(report["order_id"])
        leaves, cumulative = int(report["leaves_lots"]), int(report["cumulative_lots"])
        assert cumulative == self.filled[order_id]
        if report["kind"] != ReportKind.CANCELLED:
            assert leaves + cumulative == report["quantity_lots"], "quantity is not conserved"
        if leaves:
            self.leaves[order_id] = leaves
        else:
            self.leaves.pop(order_id, None)

    def defined(self, report: Any) -> None: ...

    def rejected(self, report: Any) -> None:
        assert report["reason"] != Reason.NONE
        if report["leaves_lots"]:
            assert self.leaves[int(report["order_id"])] == report["leaves_lots"]

    def accepted(self, report: Any) -> None:
        assert report["order_id"] == max(self.orders, default=0) + 1, "order ids are not dense"
        self.orders[int(report["order_id"])] = report
        self.account(report)
        self.incoming = int(report["order_id"])

    def trade(self, report: Any) -> None:
        maker, taker = int(report["maker_order_id"]), int(report["order_id"])
        price, lots = int(report["last_price_ticks"]), int(report["last_lots"])
        self.trades += 1
        assert report["trade_id"] == self.trades, "trade ids are not dense"
        assert taker == self.incoming
        terms = self.orders[maker]
        assert terms["side"] != report["side"]
        assert terms["price_ticks"] == price, "not at the resting price"
        assert self.best(int(terms["instrument"]), int(terms["side"])) == price, "not the best price"
        queue = self.queue(terms)
        assert queue[0] == maker, "not the oldest of its price"
        limit = int(report["price_ticks"])
        assert limit == EMPTY_PRICE or (price <= limit if report["side"] == Side.BUY else price >= limit)
        assert 0 < lots <= self.leaves[maker]
        self.filled[maker] += lots
        self.filled[taker] += lots
        assert report["maker_leaves_lots"] == self.leaves[maker] - lots
        assert report["leaves_lots"] == self.leaves[taker] - lots
        self.leaves[maker] -= lots
        if not self.leaves[maker]:
            del self.leaves[maker]
            queue.pop(0)
        self.account(report)

    def cancelled(self, report: Any) -> None:
        order_id = int(report["order_id"])
        assert report["last_lots"] == self.leaves[order_id], "not all leaves were taken off"
        if order_id != self.incoming:
            self.queue(self.orders[order_id]).remove(order_id)
        self.account(report)

    def reduced(self, report: Any) -> None:
        order_id = int(report["order_id"])
        assert report["leaves_lots"] == self.leaves[order_id] - int(report["last_lots"])
        self.account(report)

    def replaced(self, report: Any) -> None:
        order_id = int(report["order_id"])
        before = self.orders[order_id]
        assert (report["last_price_ticks"], report["last_lots"]) == (
            before["price_ticks"],
            self.leaves[order_id],
        )
        if report["kept_priority"]:
            assert report["price_ticks"] == before["price_ticks"]
            assert report["leaves_lots"] < self.leaves[order_id]
        else:
            self.queue(before).remove(order_id)
            self.incoming = order_id
        if report["flags"] & CommandFlag.POST_ONLY:
            other = self.best(int(report["instrument"]), 1 - int(report["side"]))
            crosses = other is not None and (
                report["price_ticks"] >= other
                if report["side"] == Side.BUY
                else report["price_ticks"] <= other
            )
            assert not crosses, "a post-only order was replaced into a trade"
        self.orders[order_id] = report
        self.account(report)


def audit(commands: Any) -> None:
    one = machine.Machine()
    auditor = Auditor()
    for at in range(len(commands)):
        auditor.hear(one.apply(commands[at : at + 1]))
    assert one.live_orders == len(auditor.leaves)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMANDS, min_size=5, max_size=60))
def test_the_invariants_hold_for_any_commands(commands: list[Any]) -> None:
    audit(np.concatenate([plain_instrument(0), plain_instrument(1, protection_ticks=1), *commands]))


@pytest.mark.parametrize("seed", range(3))
def test_the_invariants_hold_in_busy_markets(seed: int) -> None:
    start = [plain_instrument(0), plain_instrument(1, protection_ticks=5), plain_instrument(2, lot_lots=2)]
    audit(np.concatenate([*start, traffic(np.random.default_rng(seed + 500), 1500, 200)]))
