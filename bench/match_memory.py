"""What orders and instruments cost in memory: the resident set of the process, and the engine's account."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.machine import Machine
from engine.records import COMMAND, CommandKind, OrderType, TimeInForce

ORDERS = 1_000_000
INSTRUMENTS = 10_000
LEVELS = 2_000  # each side; a tick apart
BATCH = 1024
PAGE = 4096


def memory() -> dict[str, Any]:
    """Bytes of a resting order (the worst while a book of ORDERS fills) and of an empty instrument."""
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

    empty = Machine()
    before = resident_bytes()
    for _ in range(INSTRUMENTS):
        empty.define()
    return {
        "order_bytes_resident_worst": round(max(resident), 1),
        "order_bytes_resident_at_the_end": round(resident[-1], 1),
        "order_bytes_account_worst": round(max(account), 1),
        "orders": ORDERS,
        "empty_instrument_bytes_resident": round((resident_bytes() - before) / INSTRUMENTS, 1),
        "empty_instrument_bytes_account": round(empty.memory_bytes / INSTRUMENTS, 1),
    }


def resident_bytes() -> int:
    """The resident set of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
