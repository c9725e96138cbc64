"""What a message that is refused may not change: everything but numbers that are given out, and clocks."""

import struct
from typing import Any

from gateway.exchange import Exchange

HEADER, SECTION = 40, struct.Struct("<IIQ")
INSTRUMENTS, SESSIONS, ORDERS = 4, 5, 6
SESSION = {1: 168, 2: 184}  # bytes of a session, by the version of the rules
TERMS = (slice(12, 20), slice(22, 24), slice(80, 96), slice(104, 168))
"""Of a session: how many orders and ClOrdIDs it has, cancel-on-disconnect, HeartBtInt, grace, CompID."""


def standing(exchange: Exchange) -> list[Any]:
    """Comparable: instruments with the feed's sequences, sessions' terms, orders and ClOrdIDs; the engine's
    orders, and how often it traded."""
    machine = exchange.machine
    owners = range(len(exchange.sessions()) + 1)
    found: list[Any] = [machine.trades, *(repr(machine.orders(owner)) for owner in owners)]
    data, at = exchange.snapshot(), HEADER
    while at < len(data):
        kind, _, size = SECTION.unpack_from(data, at)
        at += SECTION.size
        records = data[at : at + size]
        at += size
        if kind == SESSIONS:
            each = SESSION[exchange.rules]
            found += [records[i : i + each][part] for i in range(0, size, each) for part in TERMS]
        elif kind in (INSTRUMENTS, ORDERS):
            found.append(records)
    return found
