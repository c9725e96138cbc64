"""The canonical snapshot: the logical state as bytes, written and read back with every doubt.

Little endian, without gaps. Versions 1 and 2 of the rules: a header, then for each instrument its terms and counts, all
its bids from the best price down and within a price in order of arrival, then its asks. Version 3 has longer headers,
and tick tables before the instruments; the orders of an instrument are its shown bids and asks, its hidden ones, those
without a limit (all in that order: bids, asks), then its stops and those that are parked, by order id. An order that is
more than a plain limit order has EXTENDED in its flags, and a second record. The state hash is the SHA-256 of these
bytes.
"""

import struct
from typing import TYPE_CHECKING, Any, Final

from engine.records import (
    EMPTY_PRICE,
    RULES_VERSION,
    CommandFlag,
    OrderType,
    PegKind,
    Phase,
    SelfMatchMode,
    Side,
    TimeInForce,
)
from engine.reference_book import (
    Definition,
    Instrument,
    Order,
    Protections,
    TickTable,
    definition_is_valid,
    instrument_of,
)
from engine.reference_state import FIRST_FEED_ID

if TYPE_CHECKING:
    from engine.reference_state import State

MAGIC: Final = b"QBENGINE"
HEADER: Final = struct.Struct("<8sIIqQQQQ")
"""Magic, rules version, instruments, time, commands, last order id, last trade id, live orders."""
HEADER_3: Final = struct.Struct("<QII")
"""From version 3 on, behind it: slices shown after the first, tick tables, 0."""
TABLE: Final = struct.Struct("<Q")
"""Rows that follow."""
TICK: Final = struct.Struct("<qq")
"""From, increment."""
INSTRUMENT: Final = struct.Struct("<qqqqqq")
"""Lot, minimum, maximum, low, high, protection."""
INSTRUMENT_3: Final = struct.Struct("<BBBBBBHIIqqqqqqqqqqqqqqq")
"""Algorithm, top order, trigger, delisted, phase, next phase, 0, tick table, breaker in basis points, least share, end
of the phase, length of the next, last trade, reference, static band, dynamic band, distance, notional, halt, auction;
what the last repricing saw: best bid that is not pegged, shown and of all, best ask, shown and of all."""
COUNTS: Final = struct.Struct("<QQ")
"""Orders of the bids, orders of the asks."""
COUNTS_3: Final = struct.Struct("<QQQQQQ")
"""Hidden bids, hidden asks, bids without a limit, asks without a limit, stops, parked."""
ORDER: Final = struct.Struct("<QQIIqqqBBBBI")
"""Order id, client_ref, owner, account, price, total, leaves, type, time in force, flags, capacity, group."""
ORDER_3: Final = struct.Struct("<qqQqqqqBBBBI")
"""Display, slice, feed id, stop price, offset, peg limit, expiry, peg kind, elected, self-match mode,
side, 0."""


PARKS = (TimeInForce.AT_CLOSE, TimeInForce.GOOD_FOR_AUCTION)
WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.PEGGED)


def is_plain(order: Order) -> bool:
    """Whether an order is a limit order for the day or longer, all of it shown, that meets anybody."""
    return (
        order.order_type == OrderType.LIMIT
        and order.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
        and not order.is_hidden
        and not order.display_lots
        and not order.self_match_mode
    )


def write_snapshot(machine: "State") -> bytes:
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
    if machine.rules >= 3:
        parts.append(HEADER_3.pack(machine._slices, len(machine._tables), 0))
        for table in machine._tables:
            parts.append(TABLE.pack(len(table.rows)))
            parts += [TICK.pack(*row) for row in table.rows]
    for book in machine._instruments:
        parts += write_instrument(book, machine.rules)
    return b"".join(parts)


def groups_of(book: Instrument) -> list[list[Order]]:
    """The orders of an instrument in the order of the snapshot."""
    shown = [list(side.shown_orders()) for side in book.sides]
    hidden = [list(side.hidden_orders()) for side in book.sides]
    market = [list(side.market.values()) for side in book.sides]
    waiting = [sorted(queue.values(), key=lambda one: one.order_id) for queue in (book.stops, book.parked)]
    return [*shown, *hidden, *market, *waiting]


def write_instrument(book: Instrument, rules: int) -> list[bytes]:
    groups = groups_of(book)
    parts = [
        INSTRUMENT.pack(
            book.lot,
            book.minimum,
            book.maximum,
            or_else(book.low, EMPTY_PRICE),
            or_else(book.high, EMPTY_PRICE),
            or_else(book.protection, -1),
        )
    ]
    counts = [len(group) for group in groups]
    if rules >= 3:
        limits = book.protections
        parts.append(
            INSTRUMENT_3.pack(
                book.algorithm,
                book.top_order,
                book.trigger,
                book.is_delisted,
                book.phase,
                book.next_phase,
                0,
                book.tick_table,
                limits.breaker_bp,
                book.pro_rata_minimum,
                book.until_ns,
                book.next_lasts_ns,
                or_else(book.last_ticks, EMPTY_PRICE),
                or_else(book.reference_ticks, EMPTY_PRICE),
                or_else(limits.static_ticks, -1),
                or_else(limits.dynamic_ticks, -1),
                or_else(limits.distance_ticks, -1),
                or_else(limits.max_notional, -1),
                limits.halt_ns,
                limits.auction_ns,
                *(or_else(price, EMPTY_PRICE) for price in book.seen),
            )
        )
    parts.append(COUNTS.pack(*counts[:2]))
    if rules >= 3:
        parts.append(COUNTS_3.pack(*counts[2:]))
    return parts + [part for group in groups for order in group for part in write_order(order)]


def or_else(value: int | None, absent: int) -> int:
    return absent if value is None else value


def write_order(order: Order) -> list[bytes]:
    plain = is_plain(order)
    parts = [
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
            order.flags | (0 if plain else CommandFlag.EXTENDED),
            order.capacity,
            order.self_match_group,
        )
    ]
    if not plain:
        parts.append(
            ORDER_3.pack(
                order.display_lots,
                order.slice_lots,
                order.feed_id,
                order.stop_price_ticks,
                order.offset_ticks,
                order.peg_limit_ticks,
                order.expire_ns,
                order.peg_kind,
                order.is_elected,
                order.self_match_mode,
                order.side,
                0,
            )
        )
    return parts


class Restorer:
    """Reads a snapshot from front to back and believes nothing of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0  # of the record being read
        self.end = 0  # of what has been read

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(f"snapshot, byte offset {self.offset}: {what}")

    def take(self, layout: struct.Struct) -> tuple[Any, ...]:
        self.offset = self.end
        self.require(self.offset + layout.size <= len(self.data), "it ends in the middle of a record")
        self.end += layout.size
        return layout.unpack_from(self.data, self.offset)

    def fill(self, machine: "State") -> None:
        """Put the state into a machine that is new."""
        magic, version, instruments, time_ns, commands, last_order_id, last_trade_id, live = self.take(HEADER)
        self.require(magic == MAGIC, "not a snapshot of this engine")
        self.require(1 <= version <= RULES_VERSION, f"rules version {version}; allowed: 1 to {RULES_VERSION}")
        machine.rules = version
        machine.time_ns = time_ns
        machine.commands = commands
        machine._last_order_id = last_order_id
        machine._last_trade_id = last_trade_id
        if version >= 3:
            self.tables(machine)
        for number in range(instruments):
            self.instrument(machine, number)
        self.offset = self.end
        self.require(self.end == len(self.data), "bytes after the end")
        self.offset = 0
        self.require(
            live == len(machine._orders), f"{live} live orders announced, {len(machine._orders)} found"
        )

    def tables(self, machine: "State") -> None:
        machine._slices, tables, zero = self.take(HEADER_3)
        self.require(zero == 0, "a reserved field that is not 0")
        self.require(machine._slices < FIRST_FEED_ID, "more slices than there are feed ids for")
        for _ in range(tables):
            table = TickTable()
            (rows,) = self.take(TABLE)
            for row in range(rows):
                begin, increment = self.take(TICK)
                above = begin == EMPTY_PRICE if row == 0 else begin > table.rows[-1][0]
                self.require(increment >= 1 and above, "a row of a tick table that cannot follow")
                self.require(row == 0 or begin % increment == 0, "a row of a tick table off its increment")
                table.rows.append((begin, increment))
            self.require(bool(table.rows), "a tick table without rows")
            machine._tables.append(table)

    def instrument(self, machine: "State", number: int) -> None:
        definition = Definition(number, *self.take(INSTRUMENT))
        self.require(definition_is_valid(definition), "the terms of an instrument contradict each other")
        book = instrument_of(definition)
        machine._instruments.append(book)
        if machine.rules >= 3:
            self.rules_3(machine, book)
        counts = self.take(COUNTS)
        if machine.rules >= 3:
            counts += self.take(COUNTS_3)
        for group, count in enumerate(counts):
            self.orders(machine, book, number, group, count)
        if book.phase == Phase.CONTINUOUS:
            best_bid, best_ask = (side.best_of_all() for side in book.sides)
            self.require(best_bid is None or best_ask is None or best_bid < best_ask, "the book is crossed")

    def rules_3(self, machine: "State", book: Instrument) -> None:
        (
            algorithm,
            top_order,
            trigger,
            delisted,
            phase,
            next_phase,
            zero,
            tick_table,
            breaker_bp,
            pro_rata_minimum,
            until_ns,
            next_lasts_ns,
            last,
            reference,
            static,
            dynamic,
            distance,
            notional,
            halt_ns,
            auction_ns,
            seen_0,
            seen_1,
            seen_2,
            seen_3,
        ) = self.take(INSTRUMENT_3)
        known = algorithm <= 1 and top_order <= 1 and trigger <= 1 and delisted <= 1
        known = known and phase in [*Phase] and next_phase in [*Phase]
        self.require(known and zero == 0, "terms that this rules version does not serve")
        self.require(tick_table <= len(machine._tables), "a tick table that is not there")
        self.require(min(pro_rata_minimum, until_ns, next_lasts_ns) >= 0, "a share or a time below 0")
        self.require(
            min(static, dynamic, distance, notional, halt_ns - 1, auction_ns - 1) >= -1,
            "a protection below 0",
        )
        book.algorithm, book.top_order, book.trigger = algorithm, bool(top_order), trigger
        book.is_delisted, book.phase, book.next_phase = bool(delisted), Phase(phase), Phase(next_phase)
        book.tick_table, book.pro_rata_minimum, book.until_ns = tick_table, pro_rata_minimum, until_ns
        book.next_lasts_ns = next_lasts_ns
        book.last_ticks, book.reference_ticks = given(last, EMPTY_PRICE), given(reference, EMPTY_PRICE)
        book.protections = Protections(
            given(static, -1), given(dynamic, -1), given(distance, -1), given(notional, -1)
        )
        book.protections.breaker_bp = breaker_bp
        book.protections.halt_ns, book.protections.auction_ns = halt_ns, auction_ns
        book.seen = tuple(given(price, EMPTY_PRICE) for price in (seen_0, seen_1, seen_2, seen_3))

    def orders(self, machine: "State", book: Instrument, number: int, group: int, count: int) -> None:
        """One of the groups of `groups_of`."""
        side = Side(group % 2)
        before: Order | None = None
        for _ in range(count):
            order = self.order(machine, book, number, side, group)
            if group < 4:
                self.require(
                    order.is_hidden == (group >= 2),
                    "a hidden order among those that are shown, or the reverse",
                )
                self.require(
                    order.price_ticks != EMPTY_PRICE, "an order without a price in a queue of a price"
                )
                in_order = before is None or book.sides[1 - side].is_within(
                    order.price_ticks, before.price_ticks
                )
                self.require(in_order, "orders of a side are not sorted from the best price")
            elif group < 6:
                unlimited = order.price_ticks == EMPTY_PRICE and order.order_type not in WITH_LIMIT
                self.require(
                    unlimited and book.phase != Phase.CONTINUOUS, "an order without a limit in the book"
                )
            else:
                rising = before is None or order.order_id > before.order_id
                self.require(rising, "orders that wait are not sorted by order id")
            before = order
            if group < 6:
                book.sides[side].add(order)
            else:
                (book.stops if group == 6 else book.parked)[order.order_id] = order
            machine._register(order)

    def order(self, machine: "State", book: Instrument, number: int, side: Side, group: int) -> Order:
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
            match_group,
        ) = self.take(ORDER)
        self.require(0 < order_id <= machine._last_order_id, "an order id that was never given")
        self.require(order_id not in machine._orders, f"order id {order_id} twice")
        self.require((owner, client_ref) not in machine._refs, f"owner {owner} client_ref {client_ref} twice")
        self.require(0 < leaves <= quantity, "leaves are more than 0 and at most the quantity")
        if machine.rules < 3:
            self.require(price != EMPTY_PRICE and book.price_is_allowed(price), "a price outside the limits")
            self.require(order_type == OrderType.LIMIT, "only limit orders rest")
            self.require(time_in_force in (TimeInForce.DAY, TimeInForce.GTC), "only DAY and GTC orders rest")
            self.require(flags in (0, CommandFlag.POST_ONLY), "flags that this rules version does not serve")
            self.require(match_group == 0, "a self-match group, which this rules version does not serve")
        self.require(order_type in [*OrderType], "an order type that there is not")
        self.require(time_in_force in [*TimeInForce], "a time in force that there is not")
        self.require(flags & ~0x8F == 0, "flags that this rules version does not serve")
        order = Order(
            order_id,
            client_ref,
            owner,
            account,
            number,
            side,
            OrderType(order_type),
            TimeInForce(time_in_force),
            flags & ~CommandFlag.EXTENDED,
            capacity,
            price,
            quantity,
            leaves,
            match_group,
        )
        if flags & CommandFlag.EXTENDED:
            self.extended(machine, order, group)
        grouped = bool(order.self_match_group) == bool(order.self_match_mode)
        self.require(grouped, "a self-match group without a mode, or the reverse")
        self.require(
            (is_plain(order) and group < 2) != bool(flags & CommandFlag.EXTENDED),
            "a second record that is missing or needless",
        )
        return order

    def extended(self, machine: "State", order: Order, group: int) -> None:
        (
            order.display_lots,
            order.slice_lots,
            order.feed_id,
            order.stop_price_ticks,
            order.offset_ticks,
            order.peg_limit_ticks,
            order.expire_ns,
            order.peg_kind,
            elected,
            order.self_match_mode,
            side,
            zero,
        ) = self.take(ORDER_3)
        self.require(side in [*Side] and (group >= 6 or side == order.side), "a side that is not its own")
        order.side = Side(side)
        shows = order.display_lots > 0 and group < 2
        self.require(
            (order.slice_lots > 0) == shows,
            "an iceberg in the book that shows nothing, or another order that does",
        )
        self.require(zero == 0, "a reserved field that is not 0")
        order.is_elected = bool(elected)
        self.require(elected <= 1, "an order is elected or it is not")
        self.require(order.peg_kind in [*PegKind], "a kind of peg that there is not")
        self.require(order.self_match_mode in [*SelfMatchMode], "a self-match mode that there is not")
        self.require(0 <= order.slice_lots <= order.leaves_lots, "a slice that is more than the leaves")
        self.require(order.slice_lots <= order.display_lots, "a slice that is more than is shown at most")
        feeds = order.feed_id == 0 or FIRST_FEED_ID < order.feed_id <= FIRST_FEED_ID + machine._slices
        self.require(feeds, "a feed id that was never given")
        self.require(order.is_stop == (group == 6), "a stop order where others are, or the reverse")
        has_stop = order.stop_price_ticks != EMPTY_PRICE
        self.require(has_stop or not order.is_stop, "a stop order without a stop price")
        parks = order.order_type == OrderType.PEGGED or order.time_in_force in PARKS
        self.require(group != 7 or parks, "a parked order that nothing keeps out of the book")
        self.require(order.expire_ns >= 0, "a time below 0")


def given(value: int, absent: int) -> int | None:
    return None if value == absent else value
