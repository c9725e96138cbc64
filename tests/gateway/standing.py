"""What a message that is refused may not change: everything but numbers that are given out, and clocks."""

import struct
from collections.abc import Iterator
from typing import Any

from gateway.exchange import Exchange

HEADER, SECTION = 40, struct.Struct("<IIQ")
INSTRUMENTS, SESSIONS, ORDERS = 4, 5, 6
SESSION, MORE, POWERS = 168, 40, 8
TERMS = (slice(12, 20), slice(22, 24), slice(80, 96), slice(104, 168))
"""Of a session: how many orders and ClOrdIDs it has, cancel-on-disconnect, HeartBtInt, grace, CompID."""


def sessions(records: bytes, rules: int) -> Iterator[bytes]:
    """The records of a section of sessions; from rules 2 on each has a TradeRequestID and early messages behind it,
    from rules 3 on what operators have said of it."""
    at = 0
    while at < len(records):
        begin, at = at, at + SESSION
        if rules >= 2:
            request, early = struct.unpack_from("<B3xI", records, at + MORE - 8)
            at += MORE + (request + 7) // 8 * 8 + early
        if rules >= 3:
            at += POWERS
        yield records[begin:at]


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
            found += [record[part] for record in sessions(records, exchange.rules) for part in TERMS]
        elif kind in (INSTRUMENTS, ORDERS):
            found.append(records)
    return found
