"""A step loop for learning: sell a block of lots in a live book, trying each action on a copy first.

The environment is a machine and the flow that goes on around the agent. `copy()` forks the whole exchange, so that
a policy may look ahead: here each step tries every action on forks that play on for a while, and takes the best.
Run it:

    python examples/step_loop.py
"""

from time import perf_counter

import quorumbook as qb

FLOW, AGENT = 0, 1  # owners
BLOCK_LOTS = 40_000
STEPS = 20
ROWS_A_STEP = 100
ACTIONS = (0, 1_000, 2_000, 4_000, 8_000)  # lots sold at the market in a step


class SellBlock:
    """Sell BLOCK_LOTS within STEPS steps; what is left at the end goes at the market. The reward is the proceeds."""

    def __init__(self, blocks: list, machine: qb.Machine, step: int = 0, left: int = BLOCK_LOTS) -> None:
        self.blocks = blocks
        self.machine = machine
        self.at = step
        self.left = left

    def fork(self) -> "SellBlock":
        return SellBlock(self.blocks, self.machine.copy(), self.at, self.left)

    def observe(self) -> tuple[int, int, int | None, int | None]:
        """Steps and lots that remain, best bid and ask."""
        return (STEPS - self.at, self.left, *self.machine.best(0))

    def step(self, lots: int) -> tuple[tuple, float, bool]:
        """Sell, let the market go on, return observation, reward and whether it is over."""
        done = self.at + 1 == STEPS
        lots = self.left if done else min(lots, self.left)
        reward = self.sell(lots) if lots else 0.0
        self.machine.apply(self.blocks[self.at])
        self.at += 1
        return self.observe(), reward, done

    def sell(self, lots: int) -> float:
        reports = self.machine.submit(0, qb.SELL, lots, owner=AGENT)
        trades = [report for report in reports if report.kind == qb.ReportKind.TRADE]
        self.left -= sum(report.last_lots for report in trades)
        return float(sum(report.last_lots * report.last_price_ticks for report in trades))


def look_ahead(world: SellBlock, action: int) -> float:
    """Proceeds of an action when the rest is then sold evenly: played to the end on a fork."""
    fork = world.fork()
    _, total, done = fork.step(action)
    while not done:
        _, reward, done = fork.step(fork.left // (STEPS - fork.at))
        total += reward
    return total


def main() -> None:
    flow = list(qb.FlowGenerator(2_000 + STEPS * ROWS_A_STEP, seed=5).flow())
    player = qb.FlowPlayer(owner=FLOW)
    start = qb.Machine()
    start.define()
    start.apply(player.commands(flow[:2_000]))
    blocks = [player.commands(flow[at : at + ROWS_A_STEP]) for at in range(2_000, len(flow), ROWS_A_STEP)]

    even = SellBlock(blocks, start.copy())
    total, done = 0.0, False
    while not done:
        _, reward, done = even.step(BLOCK_LOTS // STEPS)
        total += reward
    print(f"sold evenly:       {BLOCK_LOTS - even.left:,} lots for {total:,.0f} ticks x lots")

    world = SellBlock(blocks, start.copy())
    total, done, forks = 0.0, False, 0
    began = perf_counter()
    while not done:
        best = max(ACTIONS, key=lambda action: look_ahead(world, action))
        forks += len(ACTIONS)
        _, reward, done = world.step(best)
        total += reward
    seconds = perf_counter() - began
    print(f"with a look ahead: {BLOCK_LOTS - world.left:,} lots for {total:,.0f} ticks x lots")
    print(
        f"{forks} forks of {world.machine.live_orders} live orders, each played to the end, in {seconds:.2f} s"
    )


if __name__ == "__main__":
    main()
