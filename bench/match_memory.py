"""What orders and instruments cost in memory: the resident set of the process, and the engine's account.

The floor of each is what a snapshot of the same machine needs: every field of an order or an instrument that outlives
the call, and nothing to find it by (no links, no levels, no index).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.machine import Machine
from engine.records import COMMAND, CommandKind, OrderType, Side, TimeInForce

ORDERS = 1_000_000
INSTRUMENTS = 10_000
LEVELS = 2_000  # each side; a tick apart
BATCH = 1024
PAGE = 4096


def memory() -> dict[str, Any]:
    """Bytes of a resting order and of an instrument, with their floors."""
    return {**order_bytes(), **instrument_bytes(), "orders": ORDERS, "instrument_count": INSTRUMENTS}


def order_bytes() -> dict[str, float]:
    """All that a book of ORDERS needs, divided by its orders: the worst while it fills, and at its end."""
    commands = resting_orders()
    machine = Machine()
    machine.define()
    machine.apply(commands[:BATCH])  # the buffers for reports exist from here on
    resident, account = [], []
    before, own = resident_bytes(), machine.memory_bytes
    for at in range(BATCH, ORDERS, BATCH):
        machine.apply(commands[at : at + BATCH])
        if at > ORDERS // 20:
            orders = machine.live_orders - BATCH
            resident.append((resident_bytes() - before) / orders)
            account.append((machine.memory_bytes - own) / orders)
    assert machine.live_orders == ORDERS, "an order of this book does not rest"
    return {
        "order_bytes_resident_worst": round(max(resident), 1),
        "order_bytes_resident_at_the_end": round(resident[-1], 1),
        "order_bytes_account_worst": round(max(account), 1),
        "order_bytes_floor": round(len(machine.snapshot()) / ORDERS, 1),
    }


def resting_orders() -> npt.NDArray[np.void]:
    """New orders over LEVELS prices of each side that do not trade with each other."""
    commands = np.zeros(ORDERS, COMMAND)
    number = np.arange(ORDERS)
    commands["kind"] = CommandKind.NEW
    commands["order_type"] = OrderType.LIMIT
    commands["time_in_force"] = TimeInForce.GTC
    commands["side"] = number % 2
    commands["client_ref"] = number + 1
    commands["quantity_lots"] = 1
    distance = (number * 7919) % LEVELS + 1
    commands["price_ticks"] = np.where(commands["side"] == 0, -distance, distance)
    return commands


def instrument_bytes() -> dict[str, float]:
    """Bytes of an instrument whose book has been empty from the beginning, and of one that was emptied."""
    machine = Machine()
    before = resident_bytes()
    for _ in range(INSTRUMENTS):
        machine.define()
    resident, account = resident_bytes() - before, machine.memory_bytes
    floor = len(machine.snapshot())
    for instrument in range(INSTRUMENTS):
        for side, price in ((Side.BUY, 9_999), (Side.SELL, 10_001)):
            (report,) = machine.submit(instrument, side, 1, price)
            machine.cancel(report.order_id)
    return {
        "empty_instrument_bytes_resident": round(resident / INSTRUMENTS, 1),
        "empty_instrument_bytes_account": round(account / INSTRUMENTS, 1),
        "emptied_instrument_bytes_resident": round((resident_bytes() - before) / INSTRUMENTS, 1),
        "emptied_instrument_bytes_account": round(machine.memory_bytes / INSTRUMENTS, 1),
        "empty_instrument_bytes_floor": round(floor / INSTRUMENTS, 1),
    }


def resident_bytes() -> int:
    """The resident set of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
