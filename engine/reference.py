"""The whole engine again, slow and obvious: the specification of rules version 1.

Read it as a rule book. Each rule is one sentence and the lines that do it. The
compiled `engine.machine.Machine` has the same surface and must give the same
reports, the same snapshot and the same hash for the same commands; the tests
drive both and compare.

`reference_book` holds the two sides of a book and the checks of price and quantity,
`reference_snapshot` the state as bytes. Integers are Python's, so nothing overflows
here; where the rules speak of int64, they say so.
"""

import copy
import hashlib
from dataclasses import replace
from itertools import islice
from operator import index
from typing import Any

import numpy as np

from engine.records import (
    COMMAND,
    DEFINITION,
    DEPTH,
    EMPTY_PRICE,
    INT64_MAX,
    INT64_MIN,
    REPORT,
    RULES_VERSION,
    CommandFlag,
    CommandKind,
    OrderType,
    Reason,
    ReportKind,
    Side,
    TimeInForce,
)
from engine.reference_book import (
    BookSide,
    Command,
    Definition,
    Instrument,
    Order,
    Records,
    Report,
    columns,
    definition_is_valid,
    fits,
    instrument_of,
    member,
)
from engine.reference_snapshot import Restorer, write_snapshot

__all__ = ["Machine", "Order", "Report"]


class Machine:
    """All instruments: commands in, reports out.

    The first half is the rules; the second half, from `define`, is the surface for people.
    """

    def __init__(self) -> None:
        self.rules = RULES_VERSION  # the version that commands are judged by
        self.time_ns = 0
        self.commands = 0  # handed in, refused ones included
        self._last_order_id = 0
        self._last_trade_id = 0
        self._instruments: list[Instrument] = []
        self._orders: dict[int, Order] = {}  # the live ones, by order_id
        self._refs: dict[tuple[int, int], Order] = {}  # the same, by owner and client_ref

    # ------------------------------------------------------------ the rules

    def _run(self, command: Command, definition: Definition) -> list[Report]:
        """Every command is counted and has exactly one outcome, whatever it holds."""
        self.commands += 1
        match command.kind:
            case CommandKind.DEFINE:
                return [self._define(definition)]
            case CommandKind.NEW:
                return self._new(command)
            case CommandKind.CANCEL | CommandKind.REDUCE | CommandKind.REPLACE | CommandKind.REENTER:
                order = self._find(command)
                if order is None:
                    return [self._refuse(command, Reason.UNKNOWN_ORDER)]
                if self._asks_for_more(command):
                    return [self._refuse_order(order, command.kind, Reason.INVALID_FLAGS)]
                if command.kind == CommandKind.CANCEL:
                    return [self._close(order, command.kind, Reason.REQUESTED)]
                if command.kind == CommandKind.REDUCE:
                    return [self._reduce(order, command)]
                return self._replace(order, command)
            case _:
                return [self._refuse(command, Reason.UNKNOWN_COMMAND)]

    def _asks_for_more(self, command: Command) -> bool:
        """Post-only is the only flag, and the fields of later versions are zero: nothing asked for is ignored."""
        later = command.reserved_7 or command.self_match_mode or command.self_match_group
        return bool(later or command.flags & ~CommandFlag.POST_ONLY)

    def _find(self, command: Command) -> Order | None:
        """An order is found by order_id, or when that is 0 by client_ref; another owner's is unknown."""
        if command.order_id:
            order = self._orders.get(command.order_id)
            return order if order and order.owner == command.owner else None
        return self._refs.get((command.owner, command.client_ref))

    # -- DEFINE

    def _define(self, definition: Definition) -> Report:
        """An instrument takes the next number and keeps its terms for life."""
        valid = definition.instrument == len(self._instruments) and definition_is_valid(definition)
        if valid:
            self._instruments.append(instrument_of(definition))
        return Report(
            ReportKind.DEFINED if valid else ReportKind.REJECTED,
            reason=Reason.NONE if valid else Reason.INVALID_DEFINITION,
            command_kind=CommandKind.DEFINE,
            instrument=definition.instrument,
            command_number=self.commands,
        )

    # -- NEW

    def _new(self, command: Command) -> list[Report]:
        """A new order is checked, accepted, matched; what is left rests or is cancelled."""
        reason = self._new_refusal(command)
        if reason:
            return [self._refuse(command, reason)]
        self._last_order_id += 1
        order = Order(
            order_id=self._last_order_id,
            client_ref=command.client_ref,
            owner=command.owner,
            account=command.account,
            instrument=command.instrument,
            side=Side(command.side),
            order_type=OrderType(command.order_type),
            time_in_force=TimeInForce(command.time_in_force),
            flags=command.flags,
            capacity=command.capacity,
            price_ticks=command.price_ticks,
            quantity_lots=command.quantity_lots,
            leaves_lots=command.quantity_lots,
        )
        return [self._report(ReportKind.ACCEPTED, order, command.kind), *self._arrive(order, command.kind)]

    def _new_refusal(self, command: Command) -> Reason:
        """The checks of a new order, in this order: the first that fails is the reason."""
        if command.instrument >= len(self._instruments):
            return Reason.UNKNOWN_INSTRUMENT
        instrument = self._instruments[command.instrument]
        is_market = command.order_type == OrderType.MARKET
        if command.side not in (Side.BUY, Side.SELL):
            return Reason.INVALID_SIDE
        if command.order_type not in (OrderType.LIMIT, OrderType.MARKET):
            return Reason.INVALID_ORDER_TYPE
        if command.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
            return Reason.INVALID_TIME_IN_FORCE

        # Post-only is only for an order that can rest.
        if self._asks_for_more(command):
            return Reason.INVALID_FLAGS
        if command.flags and (is_market or command.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)):
            return Reason.INVALID_FLAGS

        # A limit order has a price, a market order has none.
        if (command.price_ticks == EMPTY_PRICE) != is_market:
            return Reason.INVALID_PRICE
        if not is_market and not instrument.price_is_allowed(command.price_ticks):
            return Reason.PRICE_OUTSIDE_LIMITS
        if reason := instrument.quantity_refusal(command.quantity_lots):
            return reason

        # A client_ref names one live order of its owner; it is free again when that order is closed.
        if (command.owner, command.client_ref) in self._refs:
            return Reason.DUPLICATE_CLIENT_REF

        # A post-only order that would trade was never in the book.
        if command.flags and self._would_trade(command.instrument, command.side, command.price_ticks):
            return Reason.POST_ONLY_WOULD_TRADE
        return Reason.NONE

    # -- REDUCE

    def _reduce(self, order: Order, command: Command) -> Report:
        """A reduce takes an amount off and keeps the place; by at least the leaves it cancels."""
        amount = command.quantity_lots
        if amount <= 0:
            return self._refuse_order(order, command.kind, Reason.INVALID_QUANTITY)
        if amount >= order.leaves_lots:
            return self._close(order, command.kind, Reason.REQUESTED)
        order.quantity_lots -= amount
        order.leaves_lots -= amount
        return self._report(ReportKind.REDUCED, order, command.kind, last_lots=amount)

    # -- REPLACE and REENTER

    def _replace(self, order: Order, command: Command) -> list[Report]:
        """A replace changes price and total under the same ids.

        It keeps the place only when the price stays and the total goes down; otherwise the order
        leaves the book and comes in as a new arrival. A reenter names the new leaves instead of the
        new total and never keeps the place. The report also tells the price and the leaves before.
        """
        filled = order.cumulative_lots
        is_reenter = command.kind == CommandKind.REENTER
        price = order.price_ticks if command.price_ticks == EMPTY_PRICE else command.price_ticks
        total = filled + command.quantity_lots if is_reenter else command.quantity_lots
        if reason := self._replace_refusal(order, price, command.quantity_lots, total):
            return [self._refuse_order(order, command.kind, reason)]

        keeps = price == order.price_ticks and total < order.quantity_lots and not is_reenter
        price_before, leaves_before = order.price_ticks, order.leaves_lots
        if not keeps:
            self._leave(order)
        order.price_ticks = price
        order.quantity_lots = total
        order.leaves_lots = total - filled
        report = self._report(
            ReportKind.REPLACED,
            order,
            command.kind,
            kept_priority=int(keeps),
            last_price_ticks=price_before,
            last_lots=leaves_before,
        )
        return [report] if keeps else [report, *self._arrive(order, command.kind)]

    def _replace_refusal(self, order: Order, price: int, quantity: int, total: int) -> Reason:
        """The checks of a replace, in this order. The given quantity is judged, not the sum of a reenter."""
        instrument = self._instruments[order.instrument]
        # A replace to a total at or below what has been filled comes too late, whatever else is wrong with it.
        # (A reenter is never too late: with fills, its total is not the quantity it gives.)
        if order.cumulative_lots > 0 and total == quantity and total <= order.cumulative_lots:
            return Reason.TOO_LATE
        if not instrument.price_is_allowed(price):
            return Reason.PRICE_OUTSIDE_LIMITS
        if total > INT64_MAX:
            return Reason.INVALID_QUANTITY
        if reason := instrument.quantity_refusal(quantity):
            return reason
        # A post-only order that would take keeps its old terms and its place.
        if order.flags & CommandFlag.POST_ONLY and self._would_trade(order.instrument, order.side, price):
            return Reason.POST_ONLY_WOULD_TRADE
        return Reason.NONE

    # -- matching

    def _would_trade(self, instrument: int, side: int, price: int) -> bool:
        opposite = self._instruments[instrument].sides[1 - side]
        best = opposite.best()
        return best is not None and opposite.is_within(best, price)

    def _arrive(self, order: Order, command_kind: int) -> list[Report]:
        """An incoming order trades at the resting price: the best price first, within it the oldest."""
        opposite = self._instruments[order.instrument].sides[1 - order.side]
        limit = self._limit(order, opposite)
        if order.time_in_force == TimeInForce.FOK and opposite.lots_within(limit) < order.leaves_lots:
            return [self._close(order, command_kind, Reason.FOK_UNFILLABLE)]

        reports = []
        while order.leaves_lots and (best := opposite.best()) is not None and opposite.is_within(best, limit):
            maker = next(iter(opposite.queues[best].values()))
            reports.append(self._trade(order, maker, command_kind))

        # What is left of a market or IOC order is cancelled; of any other it rests, last of its price.
        if order.leaves_lots:
            if order.order_type == OrderType.MARKET:
                reports.append(self._close(order, command_kind, Reason.MARKET_REMAINDER))
            elif order.time_in_force == TimeInForce.IOC:
                reports.append(self._close(order, command_kind, Reason.IOC_REMAINDER))
            else:
                self._rest(order)
        return reports

    def _limit(self, order: Order, opposite: BookSide) -> int:
        """A market order takes up to the protection distance from the best price at its arrival."""
        if order.order_type == OrderType.LIMIT:
            return order.price_ticks
        protection = self._instruments[order.instrument].protection
        unlimited = INT64_MAX if order.side == Side.BUY else INT64_MIN
        best = opposite.best()
        if protection is None or best is None:
            return unlimited
        return best + protection if order.side == Side.BUY else best - protection

    def _trade(self, taker: Order, maker: Order, command_kind: int) -> Report:
        lots = min(taker.leaves_lots, maker.leaves_lots)
        taker.leaves_lots -= lots
        maker.leaves_lots -= lots
        if not maker.leaves_lots:
            self._leave(maker)
        self._last_trade_id += 1
        return self._report(
            ReportKind.TRADE,
            taker,
            command_kind,
            trade_id=self._last_trade_id,
            last_price_ticks=maker.price_ticks,
            last_lots=lots,
            maker_client_ref=maker.client_ref,
            maker_order_id=maker.order_id,
            maker_leaves_lots=maker.leaves_lots,
            maker_owner=maker.owner,
        )

    # -- the book

    def _rest(self, order: Order) -> None:
        """An order that rests goes behind all others of its price."""
        self._instruments[order.instrument].sides[order.side].add(order)
        self._orders[order.order_id] = order
        self._refs[order.owner, order.client_ref] = order

    def _leave(self, order: Order) -> None:
        self._instruments[order.instrument].sides[order.side].remove(order)
        del self._orders[order.order_id]
        del self._refs[order.owner, order.client_ref]

    def _close(self, order: Order, command_kind: int, reason: Reason) -> Report:
        """A cancelled order keeps its total and its fills; its leaves are taken off."""
        lots = order.leaves_lots
        if order.order_id in self._orders:
            self._leave(order)
        report = self._report(ReportKind.CANCELLED, order, command_kind, reason=reason, last_lots=lots)
        return replace(report, leaves_lots=0)

    # -- reports

    def _report(
        self,
        kind: ReportKind,
        order: Order,
        command_kind: int,
        *,
        reason: Reason = Reason.NONE,
        kept_priority: int = 0,
        **trade: int,
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
            price_ticks=None if order.price_ticks == EMPTY_PRICE else order.price_ticks,
            quantity_lots=order.quantity_lots,
            leaves_lots=order.leaves_lots,
            cumulative_lots=order.cumulative_lots,
            command_number=self.commands,
            **trade,
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
            price_ticks=None if command.price_ticks == EMPTY_PRICE else command.price_ticks,
            quantity_lots=command.quantity_lots,
            command_number=self.commands,
        )

    # ------------------------------------------------------------ the surface

    def apply(self, commands: Records) -> Records:
        """Run an array of COMMAND; return a new array of REPORT that the caller owns.

        Raises TypeError for another dtype and ValueError for more than one dimension; nothing has run then.
        """
        if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND:
            raise TypeError("apply takes a NumPy array with dtype quorumbook.COMMAND")
        if commands.ndim != 1:
            raise ValueError(f"apply takes an array of one dimension; this one has {commands.ndim}")
        commands = np.ascontiguousarray(commands)
        rows = zip(
            map(Command._make, columns(commands, Command._fields)),
            map(Definition._make, columns(commands.view(DEFINITION), Definition._fields)),
            strict=True,
        )
        reports = [
            report.record() for command, definition in rows for report in self._run(command, definition)
        ]
        return np.array(reports, REPORT)

    def define(
        self,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = INT64_MAX,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
    ) -> int:
        """Define the next instrument and return its number; the units are lots and ticks, None is no limit.

        Raises ValueError for terms that contradict each other.
        """
        number = len(self._instruments)
        terms: dict[str, Any] = {
            "instrument": number,
            "lot_lots": lot,
            "min_lots": min_quantity,
            "max_lots": max_quantity,
            "low_ticks": EMPTY_PRICE if low is None else low,
            "high_ticks": EMPTY_PRICE if high is None else high,
            "protection_ticks": -1 if protection is None else protection,
        }
        fits(DEFINITION, **terms)
        self.commands += 1
        if self._define(Definition(**terms)).reason:
            raise ValueError(
                "lot >= 1, 1 <= min_quantity <= max_quantity, low <= high and protection >= 0 do not all hold"
            )
        return number

    def submit(
        self,
        instrument: int,
        side: int,
        quantity: int,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
        order_type: int | None = None,
        time_in_force: int = TimeInForce.GTC,
        post_only: bool = False,
    ) -> tuple[Report, ...]:
        """Enter an order and return what came of it.

        Without a price it is a market order. Without a client_ref the next order id is taken for it, or the first
        number from there on that no live order of the owner has.
        """
        if order_type is None:
            order_type = OrderType.MARKET if price is None else OrderType.LIMIT
        return self._command(
            kind=CommandKind.NEW,
            instrument=instrument,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            flags=CommandFlag.POST_ONLY if post_only else 0,
            owner=owner,
            client_ref=self._unused_ref(index(owner)) if client_ref is None else client_ref,
            price_ticks=EMPTY_PRICE if price is None else price,
            quantity_lots=quantity,
        )

    def cancel(
        self, order_id: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Cancel an order, named by its order_id or, when that is 0, by owner and client_ref."""
        return self._command(
            kind=CommandKind.CANCEL, order_id=order_id, owner=owner, client_ref=client_ref or 0
        )

    def reduce(
        self, order_id: int = 0, quantity: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Take an amount off an order; it keeps its place."""
        return self._command(
            kind=CommandKind.REDUCE,
            order_id=order_id,
            quantity_lots=quantity,
            owner=owner,
            client_ref=client_ref or 0,
        )

    def replace(
        self,
        order_id: int = 0,
        quantity: int = 0,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
    ) -> tuple[Report, ...]:
        """Give an order a new total (fills included) and, unless None, a new price."""
        return self._command(
            kind=CommandKind.REPLACE,
            order_id=order_id,
            quantity_lots=quantity,
            price_ticks=EMPTY_PRICE if price is None else price,
            owner=owner,
            client_ref=client_ref or 0,
        )

    def reenter(
        self,
        order_id: int = 0,
        quantity: int = 0,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
    ) -> tuple[Report, ...]:
        """Cancel an order and enter it again under the same ids with these leaves; None keeps the price."""
        return self._command(
            kind=CommandKind.REENTER,
            order_id=order_id,
            quantity_lots=quantity,
            price_ticks=EMPTY_PRICE if price is None else price,
            owner=owner,
            client_ref=client_ref or 0,
        )

    def _unused_ref(self, owner: int) -> int:
        ref = self._last_order_id + 1
        while (owner, ref) in self._refs:
            ref += 1
        return ref

    def _command(self, **fields: int) -> tuple[Report, ...]:
        fits(COMMAND, **fields)
        command = Command._make(index(fields.get(name, 0)) for name in Command._fields)
        return tuple(self._run(command, Definition(0, 0, 0, 0, 0, 0, 0)))

    def advance(self, time_ns: int) -> None:
        """Step the simulated clock. Raises ValueError when it would go back."""
        time_ns = index(time_ns)
        if time_ns < self.time_ns:
            raise ValueError(f"time goes forward only: {time_ns} is before {self.time_ns}")
        if time_ns > INT64_MAX:
            raise OverflowError(f"{time_ns} does not fit int64 nanoseconds")
        self.time_ns = time_ns

    @property
    def trades(self) -> int:
        return self._last_trade_id

    @property
    def live_orders(self) -> int:
        return len(self._orders)

    def best(self, instrument: int) -> tuple[int | None, int | None]:
        """The best bid and the best ask; None for a side that is empty."""
        bids, asks = self._instrument(instrument).sides
        return bids.best(), asks.best()

    def depth(self, instrument: int, n: int) -> tuple[Records, Records]:
        """Up to n levels of bids and of asks, best first, as new arrays of DEPTH."""
        if n < 0:
            raise ValueError(f"a depth of {n} levels; 0 or more is allowed")
        bids, asks = (
            np.array(
                [
                    (price, min(INT64_MAX, sum(order.leaves_lots for order in queue.values())), len(queue))
                    for price, queue in islice(side.levels(), n)
                ],
                DEPTH,
            )
            for side in self._instrument(instrument).sides
        )
        return bids, asks

    def queue_ahead(self, order_id: int) -> int:
        """The lots that trade before this order at its price. Raises ValueError when it is not live."""
        order = self._orders.get(index(order_id))
        if order is None:
            raise ValueError(f"order {order_id} is not live")
        queue = self._instruments[order.instrument].sides[order.side].queues[order.price_ticks]
        ahead = 0
        for other in queue.values():
            if other is order:
                break
            ahead += other.leaves_lots
        return ahead

    def order(self, order_id: int) -> Order | None:
        order = self._orders.get(index(order_id))
        return None if order is None else replace(order)

    def orders(self, owner: int) -> tuple[Order, ...]:
        """The owner's live orders in order of order_id."""
        owner = index(owner)
        return tuple(
            replace(order) for order_id, order in sorted(self._orders.items()) if order.owner == owner
        )

    def _instrument(self, number: int) -> Instrument:
        if not 0 <= index(number) < len(self._instruments):
            raise ValueError(f"instrument {number} is not defined; there are {len(self._instruments)}")
        return self._instruments[number]

    def copy(self) -> "Machine":
        """A machine with the same state that goes its own way from here."""
        return copy.deepcopy(self)

    def snapshot(self) -> bytes:
        """The logical state as bytes; `reference_snapshot` states the layout."""
        return write_snapshot(self)

    def state_hash(self) -> str:
        """SHA-256 of the snapshot, in hexadecimal."""
        return hashlib.sha256(self.snapshot()).hexdigest()

    @classmethod
    def restore(cls, snapshot: bytes) -> "Machine":
        """The machine a snapshot was taken of. Raises ValueError with the byte offset of what is wrong."""
        machine = cls()
        Restorer(bytes(snapshot)).fill(machine)
        return machine
