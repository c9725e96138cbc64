"""The canonical snapshot: the logical state as bytes, written and read back with every doubt.

Little endian, without gaps: a header, then for each instrument its terms and counts, all its bids
from the best price down and within a price in order of arrival, then its asks. The state hash is the
SHA-256 of these bytes.
"""

import struct
from typing import TYPE_CHECKING, Any, Final

from engine.records import EMPTY_PRICE, RULES_VERSION, CommandFlag, OrderType, Side, TimeInForce
from engine.reference_book import Definition, Instrument, Order, definition_is_valid, instrument_of

if TYPE_CHECKING:
    from engine.reference import Machine

MAGIC: Final = b"QBENGINE"
HEADER: Final = struct.Struct("<8sIIqQQQQ")
"""Magic, rules version, instruments, time, commands, last order id, last trade id, live orders."""
INSTRUMENT: Final = struct.Struct("<qqqqqqQQ")
"""Lot, minimum, maximum, low, high, protection, orders of the bids, orders of the asks."""
ORDER: Final = struct.Struct("<QQIIqqqBBBBI")
"""Order id, client_ref, owner, account, price, total, leaves, type, time in force, flags, capacity, group."""


def write_snapshot(machine: "Machine") -> bytes:
    """The snapshot of a machine."""
    parts = [
        HEADER.pack(
            MAGIC,
            machine.rules,
            len(machine._instruments),
            machine.time_ns,
            machine.commands,
            machine._last_order_id,
            machine._last_trade_id,
            len(machine._orders),
        )
    ]
    for instrument in machine._instruments:
        sides = [list(side.orders()) for side in instrument.sides]
        parts.append(
            INSTRUMENT.pack(
                instrument.lot,
                instrument.minimum,
                instrument.maximum,
                EMPTY_PRICE if instrument.low is None else instrument.low,
                EMPTY_PRICE if instrument.high is None else instrument.high,
                -1 if instrument.protection is None else instrument.protection,
                *map(len, sides),
            )
        )
        parts += [
            ORDER.pack(
                order.order_id,
                order.client_ref,
                order.owner,
                order.account,
                order.price_ticks,
                order.quantity_lots,
                order.leaves_lots,
                order.order_type,
                order.time_in_force,
                order.flags,
                order.capacity,
                0,  # self-match group
            )
            for side in sides
            for order in side
        ]
    return b"".join(parts)


class Restorer:
    """Reads a snapshot from front to back and believes nothing of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0  # of the record being read

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(f"snapshot, byte offset {self.offset}: {what}")

    def take(self, layout: struct.Struct, at: int) -> tuple[Any, ...]:
        self.offset = at
        self.require(at + layout.size <= len(self.data), "it ends in the middle of a record")
        return layout.unpack_from(self.data, at)

    def fill(self, machine: "Machine") -> None:
        """Put the state into a machine that is new."""
        magic, version, instruments, time_ns, commands, last_order_id, last_trade_id, live = self.take(
            HEADER, 0
        )
        self.require(magic == MAGIC, "not a snapshot of this engine")
        self.require(1 <= version <= RULES_VERSION, f"rules version {version}; allowed: 1 to {RULES_VERSION}")
        machine.rules = version
        machine.time_ns = time_ns
        machine.commands = commands
        machine._last_order_id = last_order_id
        machine._last_trade_id = last_trade_id
        at = HEADER.size
        for number in range(instruments):
            at = self.instrument(machine, number, at)
        self.offset = at
        self.require(at == len(self.data), "bytes after the end")
        self.offset = 0
        self.require(
            live == len(machine._orders), f"{live} live orders announced, {len(machine._orders)} found"
        )

    def instrument(self, machine: "Machine", number: int, at: int) -> int:
        *terms, bids, asks = self.take(INSTRUMENT, at)
        definition = Definition(number, *terms)
        self.require(definition_is_valid(definition), "the terms of an instrument contradict each other")
        instrument = instrument_of(definition)
        machine._instruments.append(instrument)
        at += INSTRUMENT.size
        for side, count in ((Side.BUY, bids), (Side.SELL, asks)):
            worst = None
            for _ in range(count):
                order = self.order(machine, instrument, number, side, at)
                in_order = worst is None or instrument.sides[1 - side].is_within(order.price_ticks, worst)
                self.require(in_order, "orders of a side are not sorted from the best price")
                worst = order.price_ticks
                machine._rest(order)
                at += ORDER.size
        best_bid, best_ask = (side.best() for side in instrument.sides)
        self.require(best_bid is None or best_ask is None or best_bid < best_ask, "the book is crossed")
        return at

    def order(self, machine: "Machine", instrument: Instrument, number: int, side: Side, at: int) -> Order:
        (
            order_id,
            client_ref,
            owner,
            account,
            price,
            quantity,
            leaves,
            order_type,
            time_in_force,
            flags,
            capacity,
            group,
        ) = self.take(ORDER, at)
        self.require(0 < order_id <= machine._last_order_id, "an order id that was never given")
        self.require(order_id not in machine._orders, f"order id {order_id} twice")
        self.require((owner, client_ref) not in machine._refs, f"owner {owner} client_ref {client_ref} twice")
        self.require(
            price != EMPTY_PRICE and instrument.price_is_allowed(price), "a price outside the limits"
        )
        self.require(0 < leaves <= quantity, "leaves are more than 0 and at most the quantity")
        self.require(order_type == OrderType.LIMIT, "only limit orders rest")
        self.require(time_in_force in (TimeInForce.DAY, TimeInForce.GTC), "only DAY and GTC orders rest")
        self.require(flags in (0, CommandFlag.POST_ONLY), "flags that this rules version does not serve")
        self.require(group == 0, "a self-match group, which this rules version does not serve")
        return Order(
            order_id,
            client_ref,
            owner,
            account,
            number,
            side,
            OrderType(order_type),
            TimeInForce(time_in_force),
            flags,
            capacity,
            price,
            quantity,
            leaves,
        )
