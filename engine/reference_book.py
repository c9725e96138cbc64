"""What the reference engine works on: commands, reports, orders, and the two sides of a book."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from sortedcontainers import SortedDict

from engine.records import (
    EMPTY_PRICE,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    Reason,
    ReportKind,
    Shows,
    Side,
    TimeInForce,
)

Records = npt.NDArray[np.void]
Member = TypeVar("Member", CommandKind, OrderType, Side, TimeInForce)


class Command(NamedTuple):
    """The fields of a command, named as in `types.pxd`; the second line is read only with EXTENDED among the flags."""

    kind: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    capacity: int
    self_match_mode: int
    reserved_7: int
    instrument: int
    owner: int
    client_ref: int
    order_id: int
    price_ticks: int
    quantity_lots: int
    account: int
    self_match_group: int
    display_lots: int = 0
    min_quantity_lots: int = 0
    stop_price_ticks: int = 0
    offset_ticks: int = 0
    peg_limit_ticks: int = 0
    expire_ns: int = 0
    link_group: int = 0
    link_role: int = 0
    peg_kind: int = 0
    trigger_source: int = 0
    trail_kind: int = 0
    reserved_120: int = 0

    @property
    def extended(self) -> bool:
        return bool(self.flags & CommandFlag.EXTENDED)

    def read(self) -> "Command":
        """The command as it counts: without EXTENDED, the second line says nothing."""
        if self.extended:
            return self
        return Command(*self[:16], stop_price_ticks=EMPTY_PRICE, peg_limit_ticks=EMPTY_PRICE)


class Definition(NamedTuple):
    """The same record read as the definition of an instrument."""

    instrument: int
    lot_lots: int
    min_lots: int
    max_lots: int
    low_ticks: int
    high_ticks: int
    protection_ticks: int
    algorithm: int = 0
    top_order: int = 0
    trigger: int = 0
    phase: int = 0
    tick_table: int = 0
    pro_rata_minimum_lots: int = 0
    delist: int = 0
    reserved_1: Sequence[int] = ()
    reserved_12: int = 0
    reserved_81: Sequence[int] = ()

    def reserved(self) -> bool:
        """Whether anything is set that must be zero."""
        return any((*self.reserved_1, self.reserved_12, *self.reserved_81))

    def later(self) -> bool:
        """Whether anything is set that versions 1 and 2 of the rules do not serve."""
        return self.reserved() or any(self[7:14])


@dataclass(frozen=True, slots=True)
class Report:
    """What happened; fields as in `types.pxd`, an absent price is None.

    Bytes that a refused command echoes may be no member of their enumeration; they are plain ints then.
    """

    kind: ReportKind
    side: int = Side.BUY
    reason: Reason = Reason.NONE
    order_type: int = 0
    time_in_force: int = TimeInForce.DAY
    flags: int = 0
    command_kind: int = 0
    kept_priority: int = 0
    instrument: int = 0
    owner: int = 0
    client_ref: int = 0
    order_id: int = 0
    price_ticks: int | None = 0
    quantity_lots: int = 0
    leaves_lots: int = 0
    cumulative_lots: int = 0
    command_number: int = 0
    trade_id: int = 0
    last_price_ticks: int | None = 0
    last_lots: int = 0
    maker_client_ref: int = 0
    maker_order_id: int = 0
    maker_leaves_lots: int = 0
    maker_owner: int = 0
    maker_shows: Shows = Shows.SHOWS_ALL

    def record(self) -> tuple[int, ...]:
        """The fields in the order of REPORT."""
        values = [getattr(self, name) for name in self.__slots__]
        return tuple(EMPTY_PRICE if value is None else int(value) for value in values)


@dataclass(slots=True)
class Order:
    """A live order. quantity_lots is its total, fills included; leaves_lots what is left, shown or not."""

    order_id: int
    client_ref: int
    owner: int
    account: int
    instrument: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    flags: int
    capacity: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    self_match_group: int = 0
    self_match_mode: int = 0
    display_lots: int = 0  # an iceberg shows at most so much; 0 = no iceberg
    slice_lots: int = 0  # what an iceberg shows now
    feed_id: int = 0  # under which the slice is shown; 0 = under the order id
    stop_price_ticks: int = EMPTY_PRICE
    offset_ticks: int = 0
    peg_kind: int = 0
    peg_limit_ticks: int = EMPTY_PRICE
    expire_ns: int = 0
    is_elected: bool = False  # a stop order whose stop was reached

    @property
    def cumulative_lots(self) -> int:
        return self.quantity_lots - self.leaves_lots

    @property
    def is_hidden(self) -> bool:
        return bool(self.flags & CommandFlag.HIDDEN)

    @property
    def is_pegged(self) -> bool:
        return self.order_type == OrderType.PEGGED

    @property
    def is_stop(self) -> bool:
        """Whether it still waits for its stop price."""
        stops = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
        return self.order_type in stops and not self.is_elected

    @property
    def takes_at_market(self) -> bool:
        """Whether it has no limit when it comes to the book."""
        return self.order_type in (OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP)

    @property
    def shows(self) -> Shows:
        return (
            Shows.SHOWS_NOTHING
            if self.is_hidden
            else Shows.SHOWS_SLICE
            if self.display_lots
            else Shows.SHOWS_ALL
        )

    @property
    def shown_lots(self) -> int:
        """What others see of it, and what trades before its turn ends."""
        return self.slice_lots if self.display_lots else self.leaves_lots


Queue = dict[int, Order]  # order_id -> order, in order of arrival


class BookSide:
    """The orders of one side that can trade, best price first, within a price the shown before the hidden ones."""

    def __init__(self, side: Side) -> None:
        self.side = side
        # Invariant: no queue is empty.
        self.queues: Any = SortedDict(lambda price: -price if side is Side.BUY else price)
        self.hidden: Any = SortedDict(lambda price: -price if side is Side.BUY else price)
        self.market: Queue = {}  # orders without a price, in an auction's book only

    def _where(self, order: Order) -> Any:
        return self.hidden if order.is_hidden else self.queues

    def add(self, order: Order) -> None:
        """Last of its price."""
        if order.price_ticks == EMPTY_PRICE:
            self.market[order.order_id] = order
        else:
            self._where(order).setdefault(order.price_ticks, {})[order.order_id] = order

    def remove(self, order: Order) -> None:
        if order.price_ticks == EMPTY_PRICE:
            del self.market[order.order_id]
            return
        queues = self._where(order)
        queue = queues[order.price_ticks]
        del queue[order.order_id]
        if not queue:
            del queues[order.price_ticks]

    def best(self) -> int | None:
        """The best price that is shown."""
        return self.queues.peekitem(0)[0] if self.queues else None

    def best_of_all(self) -> int | None:
        """The best price, hidden orders included."""
        prices = [queues.peekitem(0)[0] for queues in (self.queues, self.hidden) if queues]
        return None if not prices else max(prices) if self.side is Side.BUY else min(prices)

    def best_unpegged_of_all(self) -> int | None:
        """The best price of an order that follows no other, shown or hidden."""
        return next((order.price_ticks for order in self.by_priority() if not order.is_pegged), None)

    def best_unpegged(self) -> int | None:
        """The best shown price of an order that follows no other."""
        for price, queue in self.queues.items():
            if any(not order.is_pegged for order in queue.values()):
                return int(price)
        return None

    def is_within(self, price: int, limit: int) -> bool:
        """Whether an incoming order with this limit may trade at this side's price."""
        return price >= limit if self.side is Side.BUY else price <= limit

    def levels(self) -> Iterator[tuple[int, Queue]]:
        """What is shown."""
        return iter(self.queues.items())

    def shown_orders(self) -> Iterator[Order]:
        return (order for queue in self.queues.values() for order in queue.values())

    def hidden_orders(self) -> Iterator[Order]:
        return (order for queue in self.hidden.values() for order in queue.values())

    def orders(self) -> Iterator[Order]:
        """Those with a price, shown ones first."""
        yield from self.shown_orders()
        yield from self.hidden_orders()

    def by_priority(self) -> Iterator[Order]:
        """Those with a price: the best first, the shown before the hidden, then the oldest."""
        for price in sorted({*self.queues, *self.hidden}, reverse=self.side is Side.BUY):
            yield from self.queues.get(price, {}).values()
            yield from self.hidden.get(price, {}).values()

    def makers(self, limit: int) -> Iterator[Order]:
        """Those an incoming order with this limit may meet, in the order it meets them (refreshed slices aside)."""
        return takewhile(lambda order: self.is_within(order.price_ticks, limit), self.by_priority())


class TickTable:
    """Price increments by range of price: the row that begins last at or below a price holds for it."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []  # (from, increment), rising; the first begins at EMPTY_PRICE

    def row(self, price: int) -> tuple[int, int, int | None]:
        """The row of a price, and where the next one begins."""
        at = max(n for n, (begin, _) in enumerate(self.rows) if begin <= price)
        return (*self.rows[at], self.rows[at + 1][0] if at + 1 < len(self.rows) else None)

    def holds(self, price: int) -> bool:
        return price % self.row(price)[1] == 0

    def down(self, price: int) -> int:
        """The nearest price that is an increment, at or below this one."""
        return price - price % self.row(price)[1]

    def up(self, price: int) -> int:
        """The nearest price that is an increment, at or above this one."""
        _, increment, end = self.row(price)
        above = price + -price % increment
        return above if end is None else min(above, end)


@dataclass
class Protections:
    """Of an instrument; None: there is none of this kind."""

    static_ticks: int | None = None
    dynamic_ticks: int | None = None
    distance_ticks: int | None = None
    max_notional: int | None = None
    breaker_bp: int = 0  # 0 = no breaker
    halt_ns: int = 0
    auction_ns: int = 0


@dataclass
class Instrument:
    """An instrument's terms and its book; None for a price limit or a protection that is not set."""

    lot: int
    minimum: int
    maximum: int
    low: int | None
    high: int | None
    protection: int | None
    algorithm: int = 0
    top_order: bool = False
    trigger: int = 0
    tick_table: int = 0
    pro_rata_minimum: int = 0
    is_delisted: bool = False
    phase: Phase = Phase.CONTINUOUS
    next_phase: Phase = Phase.CONTINUOUS
    until_ns: int = 0  # when the next phase begins; 0 = when a command says so
    next_lasts_ns: int = 0  # how long that then lasts; 0 = until a command ends it
    last_ticks: int | None = None  # of the last trade
    reference_ticks: int | None = None
    protections: Protections = field(default_factory=Protections)
    sides: tuple[BookSide, BookSide] = field(
        default_factory=lambda: (BookSide(Side.BUY), BookSide(Side.SELL))
    )
    stops: Queue = field(default_factory=dict)  # that wait for their stop price
    parked: Queue = field(default_factory=dict)  # that wait for an auction, or pegs without a reference
    seen: tuple[int | None, ...] = (None, None, None, None)  # what the last repricing of pegs saw

    def take_terms(self, definition: Definition) -> None:
        """All that a CHANGE may change."""
        terms = instrument_of(definition)
        self.lot, self.minimum, self.maximum = terms.lot, terms.minimum, terms.maximum
        self.low, self.high, self.protection = terms.low, terms.high, terms.protection
        self.algorithm, self.top_order, self.trigger = terms.algorithm, terms.top_order, terms.trigger
        self.tick_table, self.pro_rata_minimum = terms.tick_table, terms.pro_rata_minimum

    def price_is_allowed(self, price: int) -> bool:
        return (self.low is None or price >= self.low) and (self.high is None or price <= self.high)

    def quantity_refusal(self, quantity: int) -> Reason:
        """A quantity lies between minimum and maximum and is a multiple of the round lot."""
        if quantity <= 0:
            return Reason.INVALID_QUANTITY
        if quantity < self.minimum:
            return Reason.QUANTITY_BELOW_MINIMUM
        if quantity > self.maximum:
            return Reason.QUANTITY_ABOVE_MAXIMUM
        if quantity % self.lot:
            return Reason.QUANTITY_NOT_ROUND_LOT
        return Reason.NONE

    def all_orders(self) -> list[Order]:
        """Every live order of the instrument in order of order id."""
        found = [order for side in self.sides for order in (*side.orders(), *side.market.values())]
        return sorted([*found, *self.stops.values(), *self.parked.values()], key=lambda order: order.order_id)


def definition_is_valid(definition: Definition) -> bool:
    """Lot and minimum are positive, maximum >= minimum, low <= high, protection >= 0 or -1; the rest is zero."""
    low, high = definition.low_ticks, definition.high_ticks
    return (
        definition.lot_lots >= 1
        and 1 <= definition.min_lots <= definition.max_lots
        and definition.protection_ticks >= -1
        and (EMPTY_PRICE in (low, high) or low <= high)
        and not definition.reserved()
    )


def instrument_of(definition: Definition) -> Instrument:
    return Instrument(
        lot=definition.lot_lots,
        minimum=definition.min_lots,
        maximum=definition.max_lots,
        low=None if definition.low_ticks == EMPTY_PRICE else definition.low_ticks,
        high=None if definition.high_ticks == EMPTY_PRICE else definition.high_ticks,
        protection=None if definition.protection_ticks == -1 else definition.protection_ticks,
        algorithm=definition.algorithm,
        top_order=bool(definition.top_order),
        trigger=definition.trigger,
        phase=Phase(definition.phase),
        next_phase=Phase(definition.phase),
        tick_table=definition.tick_table,
        pro_rata_minimum=definition.pro_rata_minimum_lots,
    )


def told_price(price: int) -> int | None:
    """As people are told it: an absent price is None."""
    return None if price == EMPTY_PRICE else price


def member(enumeration: type[Member], value: int) -> Member | int:
    """The member with this value, or the plain int of an echoed byte that is none."""
    return enumeration(value) if value in enumeration.__members__.values() else value


def columns(records: Records, names: Iterable[str]) -> Iterator[tuple[int, ...]]:
    """The named fields of each record as Python ints."""
    return zip(*(records[name].tolist() for name in names), strict=True)


def fits(layout: np.dtype[np.void], **values: int) -> None:
    """Raises OverflowError for a value that its field cannot hold."""
    for name, value in values.items():
        info = np.iinfo(layout[name])
        if not info.min <= value <= info.max:
            raise OverflowError(f"{name} is {value}; allowed is {info.min} .. {info.max}")
