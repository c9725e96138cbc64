"""What a type checker sees of the public names."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import quorumbook as qb


def trade(endpoint: str, feed: str, snapshot: str) -> Decimal | None:
    with qb.connect(endpoint, "A", heartbeat_seconds=5) as client, qb.feed(feed, snapshot, "AAPL", "top") as market:
        order: qb.Order = client.buy("AAPL", np.int64(100), "190.00", time_in_force=qb.IOC)
        client.buy("AAPL", 1, Decimal("190"), time_in_force="ioc")
        stop = client.sell("AAPL", 5, stop_price=np.int64(180), self_match_group=7, self_match_mode="cancel_both")
        client.replace(stop, stop_price="181", expire_time=date(2100, 1, 1))
        client.buy("AAPL", 5, "190", peg="mid", peg_offset="-0.5", post_only="slide", hidden=True)
        trigger: Decimal | int | str | np.integer[Any] | None = stop.terms.get("stop_price")
        report: qb.Report | None = client.cancel(order)
        for one in client.reports(timeout=0.1):
            print(one.exec_type, one.last_price, one.terms.get("trail"), trigger)
        bids, asks = market.wait(1.0)["AAPL"].depth(5)
        return order.price if report is None else report.price


async def main() -> None:
    async with await qb.connect_async("tcp://127.0.0.1:7610", "B") as client:
        order = await client.sell("AAPL", 1, 1, time_in_force=qb.TimeInForce.IOC)
        print(order.status.name, qb.__version__.upper())


machine = qb.Machine()
for report in machine.submit(machine.define(), qb.BUY, 1, price=1, owner=1):
    print(report.kind.name, report.leaves_lots + 1)
array = machine.apply(np.zeros(1, qb.COMMAND))["kind"]
asyncio.run(main())
"""


def test_a_strict_program_passes_against_the_installed_names(tmp_path: Path) -> None:
    """As docs/client.md says: quorumbook is a module of one file, which cannot carry py.typed (PEP 561)."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = ["--strict", "--follow-untyped-imports", "--config-file=", f"--cache-dir={tmp_path}"]
    command = [sys.executable, "-m", "mypy", *options, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
