"""What a command must be like: the checks of a new order and of new terms, in the order in which they are made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.records import (
    EMPTY_PRICE,
    INT64_MAX,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    Reason,
    SelfMatchMode,
    Side,
    TimeInForce,
)
from engine.reference_auction import OPENING, Auctions
from engine.reference_book import Command, Definition, Instrument, Order
from engine.reference_matching import overflows
from engine.reference_state import COLLECTING

RESTING = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
AUCTION = (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE, TimeInForce.GOOD_FOR_AUCTION)
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
POST_ONLY = CommandFlag.POST_ONLY | CommandFlag.POST_ONLY_SLIDE
MOST_SLICES = 10_000  # of an iceberg: each is a trade with whoever takes it all
FLAGS = POST_ONLY | CommandFlag.HIDDEN | CommandFlag.ALL_OR_NONE | CommandFlag.EXTENDED

TIMES_IN_FORCE = {
    OrderType.LIMIT: (*RESTING, *AUCTION, *AT_ONCE),
    OrderType.MARKET: (TimeInForce.DAY, TimeInForce.GTC, *AUCTION, *AT_ONCE),
    OrderType.MARKET_TO_LIMIT: (*RESTING, *AUCTION),
    OrderType.STOP: RESTING,
    OrderType.STOP_LIMIT: RESTING,
    OrderType.TRAILING_STOP: RESTING,
    OrderType.PEGGED: RESTING,
}


class TickRow(NamedTuple):
    """A command read as one row of a tick-size table."""

    table: int
    from_ticks: int
    tick_ticks: int
    reserved_1: Sequence[int]
    reserved_12: int
    reserved_32: Sequence[int]

    def reserved(self) -> bool:
        return any((*self.reserved_1, self.reserved_12, *self.reserved_32))


class Protection(NamedTuple):
    """A command read as the protections of an instrument; -1 = none, and no breaker is 0."""

    instrument: int
    breaker_bp: int
    reference_ticks: int
    static_ticks: int
    dynamic_ticks: int
    distance_ticks: int
    max_notional: int
    halt_ns: int
    auction_ns: int
    reserved_1: Sequence[int]
    reserved_72: Sequence[int]

    def is_valid(self) -> bool:
        """An order may be worth something; a breaker says how long it halts and how long the auction then collects."""
        widths = (self.static_ticks, self.dynamic_ticks, self.distance_ticks, self.max_notional)
        times = (self.halt_ns, self.auction_ns)
        return (
            all(width >= -1 for width in widths)
            and self.max_notional != 0
            and (all(time >= 1 for time in times) if self.breaker_bp else times == (0, 0))
            and not any((*self.reserved_1, *self.reserved_72))
        )


class PhaseChange(NamedTuple):
    """A command read as the beginning of a phase."""

    phase: int
    next_phase: int
    instrument: int
    until_ns: int
    random: int
    window_ns: int
    reserved_3: Sequence[int]
    reserved_12: int
    reserved_40: Sequence[int]

    def is_valid(self, now_ns: int) -> bool:
        """A phase ends after now, at a time that int64 can tell; without an end there is nothing else to say."""
        if self.phase not in [*Phase] or any((*self.reserved_3, self.reserved_12, *self.reserved_40)):
            return False
        if not self.until_ns:
            return (self.next_phase, self.random, self.window_ns) == (0, 0, 0)
        return (
            self.next_phase in [*Phase]
            and self.until_ns > now_ns
            and self.window_ns >= 0
            and self.until_ns <= INT64_MAX - self.window_ns
        )


class Row(NamedTuple):
    """One record of an array of commands, read in each way."""

    command: Command
    definition: Definition
    tick: TickRow
    protection: Protection
    phase: PhaseChange


class Entries(Auctions):
    """The first check that fails is the reason."""

    # ------------------------------------------------------------ NEW

    def _asks_for_more(self, command: Command) -> bool:
        """Version 1: post-only is the only flag, and the fields of later versions are zero: nothing asked for is
        ignored."""
        later = command.reserved_7 or command.self_match_mode or command.self_match_group
        return bool(later or command.flags & ~CommandFlag.POST_ONLY)

    def _new_refusal(self, command: Command) -> Reason:
        """The checks of a new order, in this order: the first that fails is the reason."""
        if command.instrument >= len(self._instruments):
            return Reason.UNKNOWN_INSTRUMENT
        book = self._instruments[command.instrument]
        if reason := self._kind_refusal(command) or self._terms_refusal(book, command):
            return reason

        # A client_ref names one live order of its owner; it is free again when that order is closed.
        if (command.owner, command.client_ref) in self._refs:
            return Reason.DUPLICATE_CLIENT_REF

        # A post-only order that would trade was never in the book, or rests behind.
        return self._post_only_refusal(book, command.side, command.flags, command.price_ticks)

    def _post_only_refusal(self, book: Instrument, side: int, flags: int, price: int) -> Reason:
        if flags & CommandFlag.POST_ONLY and self._would_trade(book, side, price):
            return Reason.POST_ONLY_WOULD_TRADE
        slid = self._slid(book, side, price) if flags & CommandFlag.POST_ONLY_SLIDE else price
        if slid != price and not (abs(slid) <= INT64_MAX and book.price_is_allowed(slid)):
            return Reason.PRICE_OUTSIDE_LIMITS
        return Reason.NONE

    def _slid(self, book: Instrument, side: int, price: int) -> int:
        """The price, or one increment behind what it would trade with."""
        best = book.sides[1 - side].best_of_all()
        if best is None or not self._would_trade(book, side, price):
            return price
        return self._behind(book, Side(side), best)

    def _kind_refusal(self, command: Command) -> Reason:
        """Side, type, time in force and flags."""
        if command.side not in (Side.BUY, Side.SELL):
            return Reason.INVALID_SIDE
        if self.rules < 3:
            return self._kind_refusal_1(command)
        if command.order_type not in [*OrderType]:
            return Reason.INVALID_ORDER_TYPE
        if command.time_in_force not in TIMES_IN_FORCE[OrderType(command.order_type)]:
            return Reason.INVALID_TIME_IN_FORCE
        return self._flags_refusal(command)

    def _kind_refusal_1(self, command: Command) -> Reason:
        """Versions 1 and 2."""
        if command.order_type not in (OrderType.LIMIT, OrderType.MARKET):
            return Reason.INVALID_ORDER_TYPE
        if command.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC, *AT_ONCE):
            return Reason.INVALID_TIME_IN_FORCE
        # Post-only is only for an order that can rest.
        if self._asks_for_more(command):
            return Reason.INVALID_FLAGS
        if command.flags and (command.order_type == OrderType.MARKET or command.time_in_force in AT_ONCE):
            return Reason.INVALID_FLAGS
        return Reason.NONE

    def _flags_refusal(self, command: Command) -> Reason:
        """Flags that are known, and go with the type, the time in force and each other."""
        flags, rests = command.flags, command.time_in_force in RESTING
        post_only, hidden = flags & POST_ONLY, flags & CommandFlag.HIDDEN
        if command.reserved_7 or any(unused(command)) or flags & ~FLAGS:
            return Reason.INVALID_FLAGS
        if post_only == POST_ONLY or (post_only and (command.order_type != OrderType.LIMIT or not rests)):
            return Reason.INVALID_POST_ONLY
        if hidden and (command.order_type not in (*WITH_LIMIT, OrderType.PEGGED) or not rests):
            return Reason.INVALID_HIDDEN
        if flags & CommandFlag.ALL_OR_NONE and (
            post_only
            or hidden
            or command.order_type not in (OrderType.LIMIT, OrderType.MARKET)
            or command.time_in_force in (*AUCTION, TimeInForce.FOK)
        ):
            return Reason.INVALID_ALL_OR_NONE
        if command.self_match_mode not in [*SelfMatchMode] or bool(command.self_match_mode) != bool(
            command.self_match_group
        ):
            return Reason.INVALID_SELF_MATCH
        return Reason.NONE

    def _terms_refusal(self, book: Instrument, command: Command) -> Reason:
        """Prices and quantities, against each other and against the instrument's terms."""
        has_limit = command.order_type in WITH_LIMIT
        if self.rules >= 3 and (reason := self._phase_refusal(book, command)):
            return reason
        # An order with a limit has a price, any other has none.
        if (command.price_ticks == EMPTY_PRICE) == has_limit:
            return Reason.INVALID_PRICE
        if has_limit and not book.price_is_allowed(command.price_ticks):
            return Reason.PRICE_OUTSIDE_LIMITS
        if reason := self._quantity_refusal(book, command.quantity_lots):
            return reason
        if self.rules < 3:
            return Reason.NONE
        return (
            self._price_refusal(book, command.side, command.price_ticks, command.quantity_lots)
            or self._extent_refusal(book, command)
            or self._stop_refusal(book, command)
            or self._peg_refusal(command)
            or self._expiry_refusal(command)
        )

    def _quantity_refusal(self, book: Instrument, quantity: int) -> Reason:
        if self.rules >= 3 and quantity < 0:
            return Reason.NEGATIVE_QUANTITY
        return book.quantity_refusal(quantity)

    def _phase_refusal(self, book: Instrument, command: Command) -> Reason:
        """What each phase accepts. A halt, and a day that is closed, accept cancels only."""
        phase, lasts = book.phase, command.time_in_force
        if book.is_delisted:
            return Reason.DELISTED
        at_once = lasts in AT_ONCE or command.min_quantity_lots or command.flags & CommandFlag.ALL_OR_NONE
        if phase in (Phase.HALT, Phase.CLOSED):
            return Reason.NOT_IN_THIS_PHASE
        if phase in COLLECTING and at_once:
            return Reason.AT_ONCE_IN_AUCTION
        if phase in COLLECTING and command.flags & POST_ONLY:
            return Reason.POST_ONLY_IN_AUCTION
        return (
            Reason.OPENING_IS_OVER if lasts == TimeInForce.AT_OPEN and phase not in OPENING else Reason.NONE
        )

    def _price_refusal(self, book: Instrument, side: int, price: int, quantity: int) -> Reason:
        """A limit is an increment, inside the band, and not so far or so much that it must be a mistake."""
        limits = book.protections
        priced = price != EMPTY_PRICE
        if priced and not self._is_increment(book, price):
            return Reason.PRICE_OFF_TICK
        if priced and overflows(price, quantity):
            return Reason.NOTIONAL_OVERFLOW
        reference = book.reference_ticks if book.last_ticks is None else book.last_ticks
        width, centre = limits.static_ticks, book.reference_ticks
        if priced and width is not None and centre is not None and abs(price - centre) > width:
            return Reason.PRICE_OUTSIDE_BAND
        if priced and limits.distance_ticks is not None and reference is not None:
            past = price - reference if side == Side.BUY else reference - price
            if past > limits.distance_ticks:
                return Reason.PRICE_TOO_FAR
        worth = price if priced else reference
        if (
            limits.max_notional is not None
            and worth is not None
            and abs(worth) * quantity > limits.max_notional
        ):
            return Reason.NOTIONAL_ABOVE_MAXIMUM
        return Reason.NONE

    def _extent_refusal(self, book: Instrument, command: Command) -> Reason:
        """How much is shown, and how much at least must trade at once."""
        display, minimum, quantity = command.display_lots, command.min_quantity_lots, command.quantity_lots
        if display and (reason := self._display_refusal(book, command)):
            return reason
        if minimum and (
            not 0 < minimum <= quantity
            or command.order_type not in (OrderType.LIMIT, OrderType.MARKET)
            or command.time_in_force in (*AUCTION, TimeInForce.FOK)
            or command.flags & (POST_ONLY | CommandFlag.ALL_OR_NONE)
        ):
            return Reason.INVALID_MINIMUM
        return Reason.NONE

    def _display_refusal(self, book: Instrument, command: Command) -> Reason:
        """An iceberg is an order with a limit that may rest; it shows a part of itself in round lots."""
        display, quantity = command.display_lots, command.quantity_lots
        if (
            command.order_type not in WITH_LIMIT
            or command.time_in_force in AT_ONCE
            or command.flags & CommandFlag.HIDDEN
        ):
            return Reason.NO_ICEBERG
        if not 0 < display <= quantity:
            return Reason.INVALID_DISPLAY
        if (quantity - 1) // MOST_SLICES >= display:
            return Reason.DISPLAY_TOO_SMALL
        return Reason.DISPLAY_NOT_ROUND_LOT if display % book.lot else Reason.NONE

    def _stop_refusal(self, book: Instrument, command: Command) -> Reason:
        """A stop order has a stop price that was not reached; a trailing one may leave it to its distance."""
        stop, kind = command.stop_price_ticks, command.order_type
        if kind == OrderType.TRAILING_STOP:
            if not 0 < command.offset_ticks <= INT64_MAX:
                return Reason.INVALID_OFFSET
            if stop == EMPTY_PRICE:
                tested = self._tested_price(book, command.side)
                if tested is None:
                    return Reason.NO_REFERENCE_PRICE
                stop = trailing_stop(command.side, tested, command.offset_ticks)
                return Reason.INVALID_OFFSET if abs(stop) > INT64_MAX else Reason.NONE
        elif command.offset_ticks and kind != OrderType.PEGGED:
            return Reason.INVALID_OFFSET
        if kind not in STOPS:
            return Reason.INVALID_STOP_PRICE if stop not in (0, EMPTY_PRICE) else Reason.NONE
        if stop == EMPTY_PRICE:
            return Reason.INVALID_STOP_PRICE
        if not book.price_is_allowed(stop):
            return Reason.PRICE_OUTSIDE_LIMITS
        if not self._is_increment(book, stop):
            return Reason.PRICE_OFF_TICK
        tested = self._tested_price(book, command.side)
        if tested is not None and (tested >= stop if command.side == Side.BUY else tested <= stop):
            return Reason.STOP_ON_WRONG_SIDE
        return Reason.NONE

    def _tested_price(self, book: Instrument, side: int) -> int | None:
        """What a stop is tested against now; before the first trade the reference."""
        prices = self._prices(book)
        if book.trigger:
            return prices.ask if side == Side.BUY else prices.bid
        return book.reference_ticks if prices.last is None else prices.last

    def _peg_refusal(self, command: Command) -> Reason:
        """A pegged order says what it follows; only such an order does."""
        pegged = command.order_type == OrderType.PEGGED
        if command.peg_kind not in [*PegKind] or bool(command.peg_kind) != pegged:
            return Reason.INVALID_PEG
        if not pegged and command.peg_limit_ticks not in (0, EMPTY_PRICE):
            return Reason.INVALID_PEG
        return Reason.NONE

    def _expiry_refusal(self, command: Command) -> Reason:
        """A good-till-date order has a date to come; no other order has one."""
        if command.time_in_force != TimeInForce.GTD:
            return Reason.INVALID_EXPIRY if command.expire_ns else Reason.NONE
        if command.expire_ns <= 0:
            return Reason.INVALID_EXPIRY
        return Reason.EXPIRY_IN_THE_PAST if command.expire_ns <= self.time_ns else Reason.NONE

    def _take_terms(self, order: Order, command: Command) -> None:
        """What an order has beyond a plain limit."""
        book = self._book(order)
        order.display_lots = command.display_lots
        order.expire_ns = command.expire_ns
        order.peg_kind = command.peg_kind
        order.offset_ticks = command.offset_ticks
        if order.is_pegged:
            order.peg_limit_ticks = command.peg_limit_ticks
        if order.order_type in STOPS:
            order.stop_price_ticks = command.stop_price_ticks
            self._set_trailing(order)
        if order.flags & CommandFlag.POST_ONLY_SLIDE:
            order.price_ticks = self._slid(book, order.side, order.price_ticks)

    # ------------------------------------------------------------ changes of an order

    def _change_refusal(self, order: Order, command: Command) -> Reason:
        """What holds for every change: in a halt, and when the day is closed, there are cancels only."""
        allowed = CommandFlag.EXTENDED if command.kind == CommandKind.REPLACE else 0
        if self.rules < 3:
            return Reason.INVALID_FLAGS if self._asks_for_more(command) else Reason.NONE
        later = command.reserved_7 or command.self_match_mode or command.self_match_group
        if later or command.flags & ~(allowed | CommandFlag.POST_ONLY):
            return Reason.INVALID_FLAGS
        if command.extended and (any(unused(command)) or command.min_quantity_lots or command.peg_kind):
            return Reason.INVALID_FLAGS
        if command.kind != CommandKind.CANCEL and self._book(order).phase in (Phase.HALT, Phase.CLOSED):
            return Reason.NOT_IN_THIS_PHASE
        return Reason.NONE

    def _amended(self, order: Order, command: Command) -> Order:
        """The order with the terms that a replace or a reenter asks for; its leaves are not those yet.

        Without EXTENDED a replace gives a price and a total and the rest stays; with it, it gives all that may change.
        """
        price = order.price_ticks if command.price_ticks == EMPTY_PRICE else command.price_ticks
        quantity = command.quantity_lots
        if command.kind == CommandKind.REENTER:
            quantity += order.cumulative_lots
        terms = replace(order, price_ticks=price, quantity_lots=quantity)
        if not command.extended or self.rules < 3:
            return terms
        terms = replace(
            terms,
            display_lots=command.display_lots,
            expire_ns=command.expire_ns,
            stop_price_ticks=command.stop_price_ticks if order.is_stop else order.stop_price_ticks,
            offset_ticks=command.offset_ticks,
            peg_limit_ticks=command.peg_limit_ticks if order.is_pegged else EMPTY_PRICE,
        )
        if command.time_in_force in [*TimeInForce]:
            terms.time_in_force = TimeInForce(command.time_in_force)
        return terms

    def _replace_refusal(self, order: Order, terms: Order, command: Command) -> Reason:
        """The checks of a replace, in this order. The given quantity is judged, not the sum of a reenter."""
        book = self._book(order)
        # A replace to a total at or below what has been filled comes too late, whatever else is wrong with it.
        is_reenter = command.kind == CommandKind.REENTER
        if not is_reenter and 0 < order.cumulative_lots >= terms.quantity_lots:
            return Reason.TOO_LATE
        if self.rules >= 3 and (reason := self._amend_refusal(order, terms, command)):
            return reason
        if terms.price_ticks != EMPTY_PRICE and not book.price_is_allowed(terms.price_ticks):
            return Reason.PRICE_OUTSIDE_LIMITS
        if terms.quantity_lots > INT64_MAX:
            return Reason.INVALID_QUANTITY if self.rules < 3 else Reason.QUANTITY_OVERFLOW
        if reason := self._quantity_refusal(book, command.quantity_lots):
            return reason
        if self.rules >= 3 and (reason := self._new_terms_refusal(book, order, terms, command)):
            return reason
        # A post-only order that would take keeps its old terms and its place.
        if reason := self._post_only_refusal(book, order.side, order.flags, terms.price_ticks):
            return Reason.POST_ONLY_IN_AUCTION if book.phase else reason
        return Reason.NONE

    def _amend_refusal(self, order: Order, terms: Order, command: Command) -> Reason:
        """A price only for an order that has a limit of its own; what an order is, it stays."""
        has_limit = limit_of(order) != EMPTY_PRICE
        if command.price_ticks != EMPTY_PRICE and not has_limit:
            return Reason.INVALID_AMEND
        if command.kind == CommandKind.REENTER and (not has_limit or order.is_stop):
            return Reason.INVALID_AMEND
        if not command.extended:
            return Reason.NONE
        changes_auction = {order.time_in_force, command.time_in_force} - {*RESTING}
        if command.time_in_force not in TIMES_IN_FORCE[order.order_type] or (
            changes_auction and command.time_in_force != order.time_in_force
        ):
            return Reason.INVALID_TIME_IN_FORCE
        return Reason.NONE

    def _new_terms_refusal(self, book: Instrument, order: Order, terms: Order, command: Command) -> Reason:
        """New terms are judged as those of a new order."""
        asked = Command(
            kind=command.kind,
            side=order.side,
            order_type=order.order_type,
            time_in_force=terms.time_in_force,
            flags=order.flags,
            capacity=0,
            self_match_mode=0,
            reserved_7=0,
            instrument=order.instrument,
            owner=order.owner,
            client_ref=order.client_ref,
            order_id=order.order_id,
            price_ticks=limit_of(terms),
            quantity_lots=terms.quantity_lots,
            account=0,
            self_match_group=0,
            display_lots=min(terms.display_lots, terms.quantity_lots)
            if not command.extended
            else terms.display_lots,
            stop_price_ticks=terms.stop_price_ticks,
            offset_ticks=terms.offset_ticks,
            peg_limit_ticks=terms.peg_limit_ticks,
            expire_ns=terms.expire_ns,
            peg_kind=order.peg_kind,
        )
        reason = Reason.NONE
        if terms.price_ticks != order.price_ticks or terms.quantity_lots > order.quantity_lots:
            reason = self._price_refusal(book, order.side, asked.price_ticks, terms.quantity_lots)
        reason = reason or self._extent_refusal(book, asked)
        if reason or not command.extended:
            return reason
        if order.is_stop:
            reason = self._stop_refusal(book, asked)
        elif order.order_type != OrderType.PEGGED and command.offset_ticks:
            return Reason.INVALID_OFFSET
        # A stop that was elected may be told again.
        elif command.stop_price_ticks not in (0, EMPTY_PRICE, order.stop_price_ticks):
            return Reason.INVALID_STOP_PRICE
        if not order.is_pegged and command.peg_limit_ticks not in (0, EMPTY_PRICE):
            reason = reason or Reason.INVALID_PEG
        return reason or self._expiry_refusal(asked)

    def _keeps_place(self, order: Order, terms: Order, command: Command) -> bool:
        """Only less of it, or of it shown, or another time in force, keeps an order its place."""
        if command.kind == CommandKind.REENTER:
            return False
        same = (
            terms.price_ticks == order.price_ticks
            and terms.stop_price_ticks == order.stop_price_ticks
            and terms.offset_ticks == order.offset_ticks
            and terms.peg_limit_ticks == order.peg_limit_ticks
        )
        shown = terms.display_lots or INT64_MAX
        less_shown = shown <= (order.display_lots or INT64_MAX)
        if not command.extended or self.rules < 3:
            return same and terms.quantity_lots < order.quantity_lots
        return same and less_shown and terms.quantity_lots <= order.quantity_lots

    def _set_trailing(self, order: Order) -> None:
        """A trailing stop without a stop price begins at its distance."""
        if order.is_stop and order.stop_price_ticks == EMPTY_PRICE:
            tested = self._tested_price(self._book(order), order.side)
            assert tested is not None
            order.stop_price_ticks = trailing_stop(order.side, tested, order.offset_ticks)

    def _amend(self, order: Order, terms: Order) -> None:
        """The order has its new terms; in its place it shows at most what it showed."""
        order.price_ticks = terms.price_ticks
        order.quantity_lots = terms.quantity_lots
        order.leaves_lots = terms.leaves_lots
        order.time_in_force = terms.time_in_force
        order.display_lots = terms.display_lots
        order.expire_ns = terms.expire_ns
        order.stop_price_ticks = terms.stop_price_ticks
        order.offset_ticks = terms.offset_ticks
        order.peg_limit_ticks = terms.peg_limit_ticks
        self._set_trailing(order)
        if not order.display_lots:
            order.feed_id = 0
        if order.display_lots and self._is_shown(order):
            order.slice_lots = min(
                order.slice_lots or order.leaves_lots, order.display_lots, order.leaves_lots
            )
        if order.flags & CommandFlag.POST_ONLY_SLIDE and order.order_id not in self._orders:
            order.price_ticks = self._slid(self._book(order), order.side, order.price_ticks)


def unused(command: Command) -> tuple[int, ...]:
    """Fields of the second line that no rule has a use for yet."""
    return (
        command.link_group,
        command.link_role,
        command.trigger_source,
        command.trail_kind,
        command.reserved_120,
    )


def limit_of(order: Order) -> int:
    """The limit that its owner gave it, or that a market-to-limit order has taken; a peg's price is none."""
    return order.price_ticks if order.order_type in (*WITH_LIMIT, OrderType.MARKET_TO_LIMIT) else EMPTY_PRICE


def trailing_stop(side: int, price: int, offset: int) -> int:
    """A stop at a distance from a price."""
    return price + offset if side == Side.BUY else price - offset
