"""What the reference engine works on: commands, reports, orders, and the two sides of a book."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from sortedcontainers import SortedDict

from engine.records import EMPTY_PRICE, CommandKind, OrderType, Reason, ReportKind, Side, TimeInForce

Records = npt.NDArray[np.void]
Member = TypeVar("Member", CommandKind, OrderType, Side, TimeInForce)


class Command(NamedTuple):
    """The fields of a command that version 1 reads, named as in `types.pxd`."""

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


class Definition(NamedTuple):
    """The same record read as the definition of an instrument."""

    instrument: int
    lot_lots: int
    min_lots: int
    max_lots: int
    low_ticks: int
    high_ticks: int
    protection_ticks: int
    reserved_1: Sequence[int] = ()
    reserved_12: int = 0
    reserved_64: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What happened; fields as in `types.pxd`, an absent price is None.

    Bytes that a refused command echoes may be no member of their enumeration; they are plain ints then.
    """

    kind: ReportKind
    side: int = 0
    reason: Reason = Reason.NONE
    order_type: int = 0
    time_in_force: int = 0
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
    last_price_ticks: int = 0
    last_lots: int = 0
    maker_client_ref: int = 0
    maker_order_id: int = 0
    maker_leaves_lots: int = 0
    maker_owner: int = 0

    def record(self) -> tuple[int, ...]:
        """The fields in the order of REPORT."""
        values = [getattr(self, name) for name in self.__slots__]
        return (*(EMPTY_PRICE if value is None else int(value) for value in values), 0)


@dataclass(slots=True)
class Order:
    """A live order. quantity_lots is its total, fills included."""

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

    @property
    def cumulative_lots(self) -> int:
        return self.quantity_lots - self.leaves_lots


Queue = dict[int, Order]  # order_id -> order, in order of arrival


class BookSide:
    """The resting orders of one side, best price first, within a price in order of arrival."""

    def __init__(self, side: Side) -> None:
        self.side = side
        # Invariant: no queue is empty.
        self.queues: Any = SortedDict(lambda price: -price if side is Side.BUY else price)

    def add(self, order: Order) -> None:
        self.queues.setdefault(order.price_ticks, {})[order.order_id] = order

    def remove(self, order: Order) -> None:
        queue = self.queues[order.price_ticks]
        del queue[order.order_id]
        if not queue:
            del self.queues[order.price_ticks]

    def best(self) -> int | None:
        return self.queues.peekitem(0)[0] if self.queues else None

    def is_within(self, price: int, limit: int) -> bool:
        """Whether an incoming order with this limit may trade at this side's price."""
        return price >= limit if self.side is Side.BUY else price <= limit

    def levels(self) -> Iterator[tuple[int, Queue]]:
        return iter(self.queues.items())

    def orders(self) -> Iterator[Order]:
        return (order for queue in self.queues.values() for order in queue.values())

    def lots_within(self, limit: int) -> int:
        """What an incoming order with this limit can have."""
        return sum(
            order.leaves_lots
            for price, queue in self.levels()
            if self.is_within(price, limit)
            for order in queue.values()
        )


@dataclass
class Instrument:
    """An instrument's terms and its book; None for a price limit or a protection that is not set."""

    lot: int
    minimum: int
    maximum: int
    low: int | None
    high: int | None
    protection: int | None
    sides: tuple[BookSide, BookSide] = field(
        default_factory=lambda: (BookSide(Side.BUY), BookSide(Side.SELL))
    )

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


def definition_is_valid(definition: Definition) -> bool:
    """Lot and minimum are positive, maximum >= minimum, low <= high, protection >= 0 or -1; the rest is zero."""
    low, high = definition.low_ticks, definition.high_ticks
    return (
        definition.lot_lots >= 1
        and 1 <= definition.min_lots <= definition.max_lots
        and definition.protection_ticks >= -1
        and (EMPTY_PRICE in (low, high) or low <= high)
        and not any((*definition.reserved_1, definition.reserved_12, *definition.reserved_64))
    )


def instrument_of(definition: Definition) -> Instrument:
    return Instrument(
        lot=definition.lot_lots,
        minimum=definition.min_lots,
        maximum=definition.max_lots,
        low=None if definition.low_ticks == EMPTY_PRICE else definition.low_ticks,
        high=None if definition.high_ticks == EMPTY_PRICE else definition.high_ticks,
        protection=None if definition.protection_ticks == -1 else definition.protection_ticks,
    )


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
