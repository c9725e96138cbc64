"""The state of the reference engine: instruments, orders and where each of them is; and how reports tell of it."""

from dataclasses import replace
from operator import index
from typing import Any

from engine.records import (
    RULES_VERSION,
    CommandKind,
    OrderType,
    Phase,
    Reason,
    ReportKind,
    Side,
    TimeInForce,
)
from engine.reference_book import BookSide, Command, Instrument, Order, Report, TickTable, member, told_price

COLLECTING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
"""The phases in which orders collect and nothing trades; leaving them for trading is an auction."""

FIRST_FEED_ID = 1 << 63
"""Feed ids of refreshed slices begin above it; an order's first is its order id."""


class State:
    """What is known of all instruments and orders, and the words of a report."""

    def __init__(self, rules: int = RULES_VERSION) -> None:
        self.rules = rules  # the version that commands are judged by
        self.time_ns = 0
        self.commands = 0  # handed in, refused ones included
        self._last_order_id = 0
        self._last_trade_id = 0
        self._slices = 0  # of icebergs, shown after the first
        self._instruments: list[Instrument] = []
        self._tables: list[TickTable] = []  # table n is at n - 1
        self._orders: dict[int, Order] = {}  # the live ones, by order_id
        self._refs: dict[tuple[int, int], Order] = {}  # the same, by owner and client_ref

    # ------------------------------------------------------------ where an order is

    def _instrument(self, number: int) -> Instrument:
        if not 0 <= index(number) < len(self._instruments):
            raise ValueError(f"instrument {number} is not defined; there are {len(self._instruments)}")
        return self._instruments[number]

    def _book(self, order: Order) -> Instrument:
        return self._instruments[order.instrument]

    def _side(self, order: Order) -> BookSide:
        return self._book(order).sides[order.side]

    def _opposite(self, order: Order) -> BookSide:
        return self._book(order).sides[1 - order.side]

    def _is_shown(self, order: Order) -> bool:
        """Whether it is in the part of the book that others see."""
        return order.order_id in self._side(order).queues.get(order.price_ticks, {})

    def _register(self, order: Order) -> None:
        self._orders[order.order_id] = order
        self._refs[order.owner, order.client_ref] = order

    def _rest(self, order: Order) -> None:
        """An order that rests goes behind all others of its price; an iceberg shows its first slice."""
        if order.display_lots:
            order.slice_lots = min(order.display_lots, order.leaves_lots)
        self._side(order).add(order)
        self._register(order)

    def _wait(self, order: Order) -> None:
        """A stop order waits for its price."""
        self._book(order).stops[order.order_id] = order
        self._register(order)

    def _park(self, order: Order) -> None:
        """An order for a later auction, or a peg without a reference, is live and in no book."""
        self._book(order).parked[order.order_id] = order
        self._register(order)

    def _leave(self, order: Order) -> None:
        """Out of wherever it is; an iceberg shows nothing then."""
        order.slice_lots = 0
        book = self._book(order)
        if order.order_id in book.stops:
            del book.stops[order.order_id]
        elif order.order_id in book.parked:
            del book.parked[order.order_id]
        else:
            book.sides[order.side].remove(order)
        del self._orders[order.order_id]
        del self._refs[order.owner, order.client_ref]

    def _find(self, command: Command) -> Order | None:
        """An order is found by order_id, or when that is 0 by client_ref; another owner's is unknown."""
        return self._named(command.order_id, command.owner, command.client_ref)

    def _named(self, order_id: int, owner: int, client_ref: int) -> Order | None:
        if order_id:
            order = self._orders.get(order_id)
            return order if order and order.owner == owner else None
        return self._refs.get((owner, client_ref))

    # ------------------------------------------------------------ increments of price

    def _increments(self, book: Instrument) -> TickTable | None:
        return self._tables[book.tick_table - 1] if book.tick_table else None

    def _is_increment(self, book: Instrument, price: int) -> bool:
        table = self._increments(book)
        return table is None or table.holds(price)

    def _less_aggressive(self, book: Instrument, side: Side, price: int) -> int:
        """The increment nearest to a price that asks no more of the other side than it does."""
        table = self._increments(book)
        if table is None:
            return price
        return table.down(price) if side is Side.BUY else table.up(price)

    def _behind(self, book: Instrument, side: Side, price: int) -> int:
        """One increment less aggressive than a price of the other side."""
        return self._less_aggressive(book, side, price - 1 if side is Side.BUY else price + 1)

    # ------------------------------------------------------------ reports

    def _report(
        self,
        kind: ReportKind,
        order: Order,
        command_kind: int,
        *,
        reason: Reason = Reason.NONE,
        kept_priority: int = 0,
        **trade: Any,
    ) -> Report:
        """A report tells the order as it is after what it reports."""
        return Report(
            kind=kind,
            side=order.side,
            reason=reason,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            flags=order.flags,
            command_kind=CommandKind(command_kind),
            kept_priority=kept_priority,
            instrument=order.instrument,
            owner=order.owner,
            client_ref=order.client_ref,
            order_id=order.order_id,
            price_ticks=told_price(order.price_ticks),
            quantity_lots=order.quantity_lots,
            leaves_lots=order.leaves_lots,
            cumulative_lots=order.cumulative_lots,
            command_number=self.commands,
            **trade,
        )

    def _entered(self, kind: ReportKind, order: Order, command_kind: int, **fields: Any) -> Report:
        """ACCEPTED or REPLACED: it also tells what of the order is shown, and how much at most."""
        shown: Any = {"maker_leaves_lots": order.display_lots, "maker_shows": order.shows}
        return self._report(kind, order, command_kind, **fields, **shown)

    def _displayed(self, order: Order, command_kind: int) -> Report:
        """The slice that an iceberg shows now, and under which id."""
        return self._report(
            ReportKind.DISPLAYED,
            order,
            command_kind,
            maker_order_id=order.feed_id or order.order_id,
            maker_leaves_lots=order.slice_lots,
        )

    def _repriced(self, order: Order, command_kind: int, price_before: int) -> Report:
        """A price that the order did not get by a command of its owner."""
        return self._report(
            ReportKind.REPRICED,
            order,
            command_kind,
            last_price_ticks=told_price(price_before),
            last_lots=order.leaves_lots,
            maker_leaves_lots=order.display_lots,
            maker_shows=order.shows,
        )

    def _close(self, order: Order, command_kind: int, reason: Reason) -> Report:
        """A cancelled order keeps its total and its fills; its leaves are taken off."""
        lots = order.leaves_lots
        if order.order_id in self._orders:
            self._leave(order)
        report = self._report(ReportKind.CANCELLED, order, command_kind, reason=reason, last_lots=lots)
        return replace(report, leaves_lots=0)

    def _take_off(self, order: Order, command_kind: int, lots: int, reason: Reason = Reason.NONE) -> Report:
        """Less of an order that keeps its place; an iceberg loses first what it does not show."""
        order.quantity_lots -= lots
        order.leaves_lots -= lots
        order.slice_lots = min(order.slice_lots, order.leaves_lots)
        return self._report(
            ReportKind.REDUCED,
            order,
            command_kind,
            reason=reason,
            last_lots=lots,
            maker_leaves_lots=order.slice_lots,
            maker_shows=order.shows,
        )

    def _refuse_order(self, order: Order, command_kind: int, reason: Reason) -> Report:
        """A refusal changes nothing; after an order was found it tells that order's own terms."""
        return self._report(ReportKind.REJECTED, order, command_kind, reason=reason)

    def _refuse(self, command: Command, reason: Reason) -> Report:
        """Before an order is found or made, a refusal echoes the command."""
        return Report(
            kind=ReportKind.REJECTED,
            side=member(Side, command.side),
            reason=reason,
            order_type=member(OrderType, command.order_type),
            time_in_force=member(TimeInForce, command.time_in_force),
            flags=command.flags,
            command_kind=member(CommandKind, command.kind),
            instrument=command.instrument,
            owner=command.owner,
            client_ref=command.client_ref,
            order_id=command.order_id,
            price_ticks=told_price(command.price_ticks),
            quantity_lots=command.quantity_lots,
            command_number=self.commands,
        )

    def _told(
        self,
        kind: ReportKind,
        command_kind: int,
        instrument: int,
        reason: Reason = Reason.NONE,
        **fields: Any,
    ) -> Report:
        """The outcome of a command that is about no order."""
        return Report(
            kind,
            reason=reason,
            command_kind=CommandKind(command_kind),
            instrument=instrument,
            command_number=self.commands,
            **fields,
        )
