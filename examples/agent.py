"""A market maker trades into a replayed flow, and its own latency decides how it fares.

The flow is a generated day, or the flow file named on the command line. The agent sees the book after every row
and keeps one order on each side at the touch; what it sends arrives some time later, and the flow goes on in
between. Run it:

    python examples/agent.py [FLOW.csv.gz]
"""

import heapq
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import quorumbook as qb

FLOW, AGENT = 0, 1  # owners
LOTS = 100
MAX_POSITION = 1000
LATENCIES_NS = (10_000, 1_000_000, 100_000_000, 5_000_000_000)


@dataclass
class MarketMaker:
    """One bid and one ask at the touch; moves an order when the touch has moved away from it."""

    machine: qb.Machine
    instrument: int
    latency_ns: int
    position: int = 0
    cash_ticks: int = 0
    trades: int = 0
    quotes: dict[int, int | None] = field(
        default_factory=lambda: {qb.BUY: None, qb.SELL: None}
    )  # price meant
    last_ref: dict[int, int] = field(default_factory=lambda: {qb.BUY: 0, qb.SELL: 0})
    refs: int = 0

    def see(self, time_ns: int) -> Iterator[tuple[int, Callable[[], tuple]]]:
        """Look at the book and say what to do when: the action arrives after the latency."""
        bid, ask = self.machine.best(self.instrument)
        for side, touch in ((qb.BUY, bid), (qb.SELL, ask)):
            room = MAX_POSITION - self.position if side == qb.BUY else MAX_POSITION + self.position
            wanted = touch if room >= LOTS else None
            if wanted == self.quotes[side]:
                continue
            old, self.quotes[side] = self.last_ref[side], wanted
            arrives = time_ns + self.latency_ns
            if old:
                yield arrives, lambda ref=old: self.machine.cancel(owner=AGENT, client_ref=ref)
            if wanted is not None:
                self.refs += 1
                self.last_ref[side] = self.refs
                yield (
                    arrives,
                    lambda side=side, price=wanted, ref=self.refs: self.machine.submit(
                        self.instrument, side, LOTS, price, owner=AGENT, client_ref=ref, post_only=True
                    ),
                )

    def hear(self, reports: tuple) -> None:
        """Count the trades that are its own, as maker or taker."""
        for report in reports:
            if (
                report.kind == qb.ReportKind.REJECTED
                and report.owner == AGENT
                and report.reason == qb.Reason.POST_ONLY_WOULD_TRADE
            ):
                self.quotes[report.side] = None  # the market was there first: quote again
            if report.kind != qb.ReportKind.TRADE or AGENT not in (report.owner, report.maker_owner):
                continue
            side = report.side if report.owner == AGENT else 1 - report.side
            sign = 1 if side == qb.BUY else -1
            self.position += sign * report.last_lots
            self.cash_ticks -= sign * report.last_lots * report.last_price_ticks
            self.trades += 1
            if not (report.leaves_lots if report.owner == AGENT else report.maker_leaves_lots):
                self.quotes[side] = None

    def worth(self) -> float:
        """Cash and position at the middle of the book, in ticks times lots."""
        bid, ask = self.machine.best(self.instrument)
        return self.cash_ticks + self.position * ((bid or 0) + (ask or 0)) / 2


def play(machine: qb.Machine, instrument: int, row: qb.FlowRow) -> tuple:
    """One row of the flow, as the rest of the market."""
    if row.action == "NEW":
        return machine.submit(
            instrument,
            qb.BUY if row.side == "B" else qb.SELL,
            row.qty,
            row.price_ticks,
            owner=FLOW,
            client_ref=row.order_id,
            time_in_force=qb.IOC if row.tif == "IOC" else qb.GTC,
            post_only=row.tif == "POST",
        )
    if row.action == "REDUCE":
        return machine.reduce(quantity=row.qty, owner=FLOW, client_ref=row.order_id)
    return machine.cancel(owner=FLOW, client_ref=row.order_id)


def simulate(rows: list[qb.FlowRow], latency_ns: int) -> MarketMaker:
    machine = qb.Machine()
    agent = MarketMaker(machine, machine.define(), latency_ns)
    pending: list = []  # the agent's actions on their way, by arrival
    sent = 0
    for row in rows:
        while pending and pending[0][0] <= row.time_ns:
            arrives, _, action = heapq.heappop(pending)
            machine.advance(arrives)
            agent.hear(action())
        machine.advance(row.time_ns)
        agent.hear(play(machine, agent.instrument, row))
        for arrives, action in agent.see(row.time_ns):
            sent += 1
            heapq.heappush(pending, (arrives, sent, action))
    return agent


def main() -> None:
    rows = (
        list(qb.read_flow(sys.argv[1]))
        if len(sys.argv) > 1
        else list(qb.FlowGenerator(10_000, seed=7).flow())
    )
    print(f"{len(rows):,} rows of flow")
    print(f"{'latency':>12} {'trades':>8} {'position':>9} {'worth, ticks x lots':>20}")
    for latency_ns in LATENCIES_NS:
        agent = simulate(rows, latency_ns)
        print(f"{latency_ns / 1e6:>9.2f} ms {agent.trades:>8,} {agent.position:>9,} {agent.worth():>20,.0f}")


if __name__ == "__main__":
    main()
