"""The calls of the reference engine for people; each makes one command."""

import copy
import hashlib
from dataclasses import replace
from itertools import islice
from operator import index
from typing import Any, Self

import numpy as np

from engine.records import (
    COMMAND,
    DEFINITION,
    DEPTH,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    REPORT,
    TICK_ROW,
    CancelFilter,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    SelfMatchMode,
    TimeInForce,
)
from engine.reference_book import Command, Definition, Order, Records, Report, columns, fits, told_price
from engine.reference_entry import PhaseChange, Protection, Row, TickRow
from engine.reference_snapshot import Restorer, write_snapshot
from engine.reference_state import State

VIEWS: Any = (
    (DEFINITION, Definition),
    (TICK_ROW, TickRow),
    (PROTECTION, Protection),
    (PHASE_CHANGE, PhaseChange),
)


def terms_of(
    lot: int,
    minimum: int,
    maximum: int,
    low: int | None,
    high: int | None,
    protection: int | None,
    *,
    algorithm: int,
    top_order: bool,
    pro_rata_minimum: int,
    trigger: int,
    tick_table: int,
) -> dict[str, int]:
    """The fields of a definition; None is no limit."""
    return {
        "lot_lots": lot,
        "min_lots": minimum,
        "max_lots": maximum,
        "low_ticks": EMPTY_PRICE if low is None else low,
        "high_ticks": EMPTY_PRICE if high is None else high,
        "protection_ticks": -1 if protection is None else protection,
        "algorithm": algorithm,
        "top_order": bool(top_order),
        "trigger": trigger,
        "tick_table": tick_table,
        "pro_rata_minimum_lots": pro_rata_minimum,
    }


def told(order: Order) -> Order:
    """A copy for people: an absent price is None, as in reports, and what is one of several kinds has its name."""
    prices: Any = {
        name: told_price(getattr(order, name))
        for name in ("price_ticks", "stop_price_ticks", "peg_limit_ticks")
    }
    return replace(
        order,
        peg_kind=PegKind(order.peg_kind),
        self_match_mode=SelfMatchMode(order.self_match_mode),
        **prices,
    )


class Calls(State):
    """Arrays of commands, and one call a command."""

    def _run(self, row: Row) -> list[Report]:
        raise NotImplementedError

    def _rows(self, commands: Records) -> list[Row]:
        """Each record, read in every way."""
        read = [map(Command._make, columns(commands, Command._fields))]
        read += [map(kind._make, columns(commands.view(layout), kind._fields)) for layout, kind in VIEWS]
        return [Row._make(row) for row in zip(*read, strict=True)]

    def apply(self, commands: Records) -> Records:
        """Run an array of COMMAND; return a new array of REPORT that the caller owns.

        Raises TypeError for another dtype and ValueError for more than one dimension; nothing has run then.
        """
        if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND:
            raise TypeError("apply takes a NumPy array with dtype quorumbook.COMMAND")
        if commands.ndim != 1:
            raise ValueError(f"apply takes an array of one dimension; this one has {commands.ndim}")
        commands = np.ascontiguousarray(commands)
        reports = [report.record() for row in self._rows(commands) for report in self._run(row)]
        return np.array(reports, REPORT)

    def _one(self, layout: np.dtype[np.void], **fields: int) -> tuple[Report, ...]:
        """Run one command of which only these fields are set. Raises OverflowError for a value that does not fit."""
        fits(layout, **fields)
        record = np.zeros(1, COMMAND)
        for name, value in fields.items():
            record.view(layout)[name] = index(value)
        return tuple(self._run(self._rows(record)[0]))

    def define(
        self,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = INT64_MAX,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
        *,
        algorithm: int = 0,
        top_order: bool = False,
        pro_rata_minimum: int = 0,
        trigger: int = 0,
        tick_table: int = 0,
        phase: int = Phase.CONTINUOUS,
    ) -> int:
        """Define the next instrument and return its number; the units are lots and ticks, None is no limit.

        Raises ValueError for terms that contradict each other.
        """
        number = len(self._instruments)
        terms = terms_of(
            lot, min_quantity, max_quantity, low, high, protection, algorithm=algorithm, top_order=top_order,
            pro_rata_minimum=pro_rata_minimum, trigger=trigger, tick_table=tick_table,
        )  # fmt: skip
        terms["phase"] = phase
        if self._one(DEFINITION, kind=CommandKind.DEFINE, instrument=number, **terms)[0].reason:
            raise ValueError(
                "an instrument needs lot >= 1, 1 <= min_quantity <= max_quantity, low <= high, protection >= 0, and"
                " an algorithm, a trigger, a tick table and a phase that there are"
            )
        return number

    def change(
        self,
        instrument: int,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = INT64_MAX,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
        *,
        algorithm: int = 0,
        top_order: bool = False,
        pro_rata_minimum: int = 0,
        trigger: int = 0,
        tick_table: int = 0,
    ) -> tuple[Report, ...]:
        """Give an instrument the terms that `define` would give it, all of them anew; orders that rest stay."""
        terms = terms_of(
            lot, min_quantity, max_quantity, low, high, protection, algorithm=algorithm, top_order=top_order,
            pro_rata_minimum=pro_rata_minimum, trigger=trigger, tick_table=tick_table,
        )  # fmt: skip
        return self._one(DEFINITION, kind=CommandKind.CHANGE, instrument=instrument, **terms)

    def delist(self, instrument: int) -> tuple[Report, ...]:
        """End an instrument for good, its orders with it; its terms stay. Raises ValueError when there is none."""
        book = self._instrument(instrument)
        terms = terms_of(
            book.lot, book.minimum, book.maximum, book.low, book.high, book.protection, algorithm=book.algorithm,
            top_order=book.top_order, pro_rata_minimum=book.pro_rata_minimum, trigger=book.trigger,
            tick_table=book.tick_table,
        )  # fmt: skip
        return self._one(DEFINITION, kind=CommandKind.CHANGE, instrument=instrument, delist=1, **terms)

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
        slide: bool = False,
        hidden: bool = False,
        all_or_none: bool = False,
        display: int = 0,
        min_quantity: int = 0,
        stop: int | None = None,
        trail: int = 0,
        peg: int = PegKind.NO_PEG,
        offset: int = 0,
        peg_limit: int | None = None,
        expire_ns: int = 0,
        account: int = 0,
        self_match_group: int = 0,
        self_match_mode: int = 0,
    ) -> tuple[Report, ...]:
        """Enter an order and return what came of it.

        Without an order type it is what its terms make it: pegged, a trailing stop, a stop, a market or a limit order.
        Without a client_ref the next order id is taken for it, or the first number from there on that no live order of
        the owner has.
        """
        if order_type is None:
            order_type = (
                OrderType.PEGGED
                if peg
                else OrderType.TRAILING_STOP
                if trail
                else (OrderType.STOP if price is None else OrderType.STOP_LIMIT)
                if stop is not None
                else OrderType.MARKET
                if price is None
                else OrderType.LIMIT
            )
        extended = any((display, min_quantity, trail, peg, offset, expire_ns)) or stop is not None
        extended = extended or peg_limit is not None
        second_line = {
            "display_lots": display,
            "min_quantity_lots": min_quantity,
            "stop_price_ticks": EMPTY_PRICE if stop is None else stop,
            "offset_ticks": trail or offset,
            "peg_limit_ticks": EMPTY_PRICE if peg_limit is None else peg_limit,
            "expire_ns": expire_ns,
            "peg_kind": peg,
        }
        return self._one(
            COMMAND,
            kind=CommandKind.NEW,
            instrument=instrument,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            flags=CommandFlag.POST_ONLY * bool(post_only)
            | CommandFlag.POST_ONLY_SLIDE * bool(slide)
            | CommandFlag.HIDDEN * bool(hidden)
            | CommandFlag.ALL_OR_NONE * bool(all_or_none)
            | CommandFlag.EXTENDED * extended,
            owner=owner,
            client_ref=self._unused_ref(index(owner)) if client_ref is None else client_ref,
            price_ticks=EMPTY_PRICE if price is None else price,
            quantity_lots=quantity,
            account=account,
            self_match_group=self_match_group,
            self_match_mode=self_match_mode,
            **(second_line if extended else {}),
        )

    def cancel(
        self, order_id: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Cancel an order, named by its order_id or, when that is 0, by owner and client_ref."""
        return self._one(
            COMMAND, kind=CommandKind.CANCEL, order_id=order_id, owner=owner, client_ref=client_ref or 0
        )

    def reduce(
        self, order_id: int = 0, quantity: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Take an amount off an order; it keeps its place."""
        return self._one(
            COMMAND,
            kind=CommandKind.REDUCE,
            order_id=order_id,
            quantity_lots=quantity,
            owner=owner,
            client_ref=client_ref or 0,
        )

    def replace(
        self,
        order_id: int = 0,
        quantity: int | None = None,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
        time_in_force: int | None = None,
        display: int | None = None,
        stop: int | None = None,
        trail: int | None = None,
        offset: int | None = None,
        peg_limit: int | None = None,
        expire_ns: int | None = None,
    ) -> tuple[Report, ...]:
        """Give an order new terms; quantity is its total, fills included. What is not given stays as it is.

        A stop or a peg_limit of EMPTY_PRICE is none. An order that is not good till a date any more has no expire_ns.
        """
        terms = {
            "time_in_force": time_in_force,
            "display_lots": display,
            "stop_price_ticks": stop,
            "offset_ticks": offset if trail is None else trail,
            "peg_limit_ticks": peg_limit,
            "expire_ns": expire_ns,
        }
        given = {name: value for name, value in terms.items() if value is not None}
        order = self._named(index(order_id), index(owner), index(client_ref or 0))
        if given and time_in_force not in (None, TimeInForce.GTD):
            given.setdefault("expire_ns", 0)
        if given and order is not None:
            given = {name: getattr(order, name) for name in terms} | given
        if quantity is None:
            quantity = 0 if order is None else order.quantity_lots
        return self._one(
            COMMAND,
            kind=CommandKind.REPLACE,
            flags=CommandFlag.EXTENDED * bool(given),
            order_id=order_id,
            quantity_lots=quantity,
            price_ticks=EMPTY_PRICE if price is None else price,
            owner=owner,
            client_ref=client_ref or 0,
            **given,
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
        return self._one(
            COMMAND,
            kind=CommandKind.REENTER,
            order_id=order_id,
            quantity_lots=quantity,
            price_ticks=EMPTY_PRICE if price is None else price,
            owner=owner,
            client_ref=client_ref or 0,
        )

    def mass_cancel(
        self,
        *,
        owner: int | None = None,
        account: int | None = None,
        instrument: int | None = None,
        side: int | None = None,
        prices: tuple[int, int] | None = None,
    ) -> tuple[Report, ...]:
        """Cancel every order that matches all that is given; nothing given, every order there is."""
        asked = {
            CancelFilter.BY_OWNER: owner,
            CancelFilter.BY_ACCOUNT: account,
            CancelFilter.BY_INSTRUMENT: instrument,
            CancelFilter.BY_SIDE: side,
            CancelFilter.BY_PRICES: prices,
        }
        low, high = (0, 0) if prices is None else prices
        return self._one(
            COMMAND,
            kind=CommandKind.MASS_CANCEL,
            flags=sum(bit for bit, value in asked.items() if value is not None),
            owner=owner or 0,
            account=account or 0,
            instrument=instrument or 0,
            side=side or 0,
            price_ticks=low,
            stop_price_ticks=high,
        )

    def advance(self, time_ns: int) -> tuple[Report, ...]:
        """Step the simulated clock; what comes due happens. Raises ValueError when it would go back."""
        time_ns = index(time_ns)
        if time_ns < self.time_ns:
            raise ValueError(f"time goes forward only: {time_ns} is before {self.time_ns}")
        if time_ns > INT64_MAX:
            raise OverflowError(f"{time_ns} does not fit int64 nanoseconds")
        if self.rules < 3:
            self.time_ns = time_ns
            return ()
        return self._one(COMMAND, kind=CommandKind.ADVANCE, expire_ns=time_ns)

    def set_phase(
        self,
        instrument: int,
        phase: int,
        *,
        until_ns: int = 0,
        next_phase: int = Phase.CONTINUOUS,
        random: int = 0,
        window_ns: int = 0,
    ) -> tuple[Report, ...]:
        """Begin a phase; with until_ns it ends then, and by random modulo window_ns + 1 later, and the next begins."""
        return self._one(
            PHASE_CHANGE,
            kind=CommandKind.PHASE,
            instrument=instrument,
            phase=phase,
            next_phase=next_phase,
            until_ns=until_ns,
            random=random,
            window_ns=window_ns,
        )

    def tick_table(self, table: int, rows: dict[int | None, int]) -> tuple[Report, ...]:
        """Set a table of increments by the price each range begins at; the first begins at None, below all prices."""
        reports = [
            self._one(
                TICK_ROW,
                kind=CommandKind.TICK,
                table=table,
                from_ticks=EMPTY_PRICE if begin is None else begin,
                tick_ticks=increment,
            )
            for begin, increment in rows.items()
        ]
        return tuple(report for each in reports for report in each)

    def protect(
        self,
        instrument: int,
        *,
        reference: int | None = None,
        static: int | None = None,
        dynamic: int | None = None,
        distance: int | None = None,
        max_notional: int | None = None,
        breaker_bp: int = 0,
        halt_ns: int = 0,
        auction_ns: int = 0,
    ) -> tuple[Report, ...]:
        """Set all protections of an instrument; None is none of the kind, but the reference is kept then."""
        return self._one(
            PROTECTION,
            kind=CommandKind.PROTECT,
            instrument=instrument,
            reference_ticks=EMPTY_PRICE if reference is None else reference,
            static_ticks=-1 if static is None else static,
            dynamic_ticks=-1 if dynamic is None else dynamic,
            distance_ticks=-1 if distance is None else distance,
            max_notional=-1 if max_notional is None else max_notional,
            breaker_bp=breaker_bp,
            halt_ns=halt_ns,
            auction_ns=auction_ns,
        )

    def _unused_ref(self, owner: int) -> int:
        ref = self._last_order_id + 1
        while (owner, ref) in self._refs:
            ref += 1
        return ref

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
                    (price, min(INT64_MAX, sum(order.shown_lots for order in queue.values())), len(queue))
                    for price, queue in islice(side.levels(), n)
                ],
                DEPTH,
            )
            for side in self._instrument(instrument).sides
        )
        return bids, asks

    def queue_ahead(self, order_id: int) -> int:
        """The shown lots before this order at its price. Raises ValueError when it is not live, or shown in no book."""
        order = self._orders.get(index(order_id))
        if order is None:
            raise ValueError(f"order {order_id} is not live")
        queue = self._side(order).queues.get(order.price_ticks, {})
        if order.order_id not in queue:
            raise ValueError(f"order {order_id} has no place in a queue that is shown")
        ahead = 0
        for other in queue.values():
            if other is order:
                break
            ahead += other.shown_lots
        return ahead

    def phase(self, instrument: int) -> Phase:
        return self._instrument(instrument).phase

    def order(self, order_id: int) -> Order | None:
        order = self._orders.get(index(order_id))
        return None if order is None else told(order)

    def orders(self, owner: int) -> tuple[Order, ...]:
        """The owner's live orders in order of order_id."""
        owner = index(owner)
        return tuple(told(order) for order_id, order in sorted(self._orders.items()) if order.owner == owner)

    def copy(self) -> Self:
        """A machine with the same state that goes its own way from here."""
        return copy.deepcopy(self)

    def snapshot(self) -> bytes:
        """The logical state as bytes; `reference_snapshot` states the layout."""
        return write_snapshot(self)

    def state_hash(self) -> str:
        """SHA-256 of the snapshot, in hexadecimal."""
        return hashlib.sha256(self.snapshot()).hexdigest()

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """The machine a snapshot was taken of. Raises ValueError with the byte offset of what is wrong."""
        machine = cls()
        Restorer(bytes(snapshot)).fill(machine)
        return machine
