"""Matching: what an incoming order trades with, in which shares, and what becomes of the rest of it."""

from collections.abc import Iterator

from engine.records import (
    EMPTY_PRICE,
    INT64_MAX,
    INT64_MIN,
    Algorithm,
    CommandFlag,
    OrderType,
    Phase,
    Reason,
    ReportKind,
    SelfMatchMode,
    Shows,
    Side,
    TimeInForce,
)
from engine.reference_book import BookSide, Instrument, Order, Queue, Report
from engine.reference_state import FIRST_FEED_ID, State

PARTS_PER_UNIT = 10_000
"""Basis points: a breaker of 500 stops at a move of 5 %."""


class Matching(State):
    """An incoming order against the other side of its book, in continuous trading."""

    # ------------------------------------------------------------ limits

    def _would_trade(self, book: Instrument, side: int, price: int) -> bool:
        """Hidden orders count: what would trade with one would trade."""
        opposite = book.sides[1 - side]
        best = opposite.best_of_all()
        return best is not None and opposite.is_within(best, price)

    def _limit(self, order: Order, opposite: BookSide) -> int:
        """A market order takes up to the protection distance from the best price at its arrival."""
        if not order.takes_at_market:
            return order.price_ticks
        protection = self._book(order).protection
        unlimited = INT64_MAX if order.side == Side.BUY else INT64_MIN
        best = opposite.best_of_all()
        if protection is None or best is None:
            return unlimited
        return best + protection if order.side == Side.BUY else best - protection

    def _banded(self, order: Order, limit: int) -> int:
        """An order takes nothing beyond the static band around the reference, the dynamic one around the last trade."""
        book = self._book(order)
        for centre, width in (
            (book.reference_ticks, book.protections.static_ticks),
            (book.last_ticks, book.protections.dynamic_ticks),
        ):
            if centre is not None and width is not None:
                limit = min(limit, centre + width) if order.side == Side.BUY else max(limit, centre - width)
        return limit

    def _breaks(self, book: Instrument, price: int) -> bool:
        """Whether a trade at this price would move so far from the reference that trading halts instead.

        Of a reference of 0 no part is a distance, and there is no breaker.
        """
        reference, percent = book.reference_ticks, book.protections.breaker_bp
        if not percent or not reference:
            return False
        return abs(price - reference) * PARTS_PER_UNIT >= percent * abs(reference)

    # ------------------------------------------------------------ how much there is

    def _is_own(self, order: Order, maker: Order) -> bool:
        """Self-match prevention is by group, and by the incoming order's mode."""
        return bool(order.self_match_mode) and order.self_match_group == maker.self_match_group

    def _available(self, order: Order, limit: int) -> int:
        """What the order can have at once: all or nothing, and a minimum, are judged by it.

        Its own group does not count; in every mode but CANCEL_RESTING the order would not get past it either, so what
        is behind it (with pro-rata: at its price and behind) does not count. An iceberg has its second slice there,
        unless its own is hidden.
        """
        book = self._book(order)
        total, price = 0, None
        at_price: list[Order] = []
        for maker in self._opposite(order).makers(limit):
            if self._breaks(book, maker.price_ticks):
                break
            if maker.price_ticks != price:
                total, at_price, price = total + leaves_of(at_price), [], maker.price_ticks
            if not self._is_own(order, maker):
                at_price.append(maker)
            elif order.self_match_mode != SelfMatchMode.CANCEL_RESTING:
                if book.algorithm == Algorithm.PRO_RATA:
                    return total
                return total + (
                    leaves_of(at_price) if maker.is_hidden else sum(one.shown_lots for one in at_price)
                )
        return total + leaves_of(at_price)

    def _unfillable(self, order: Order, minimum: int, limit: int) -> Reason:
        """Why the order is cancelled before it trades at all."""
        if order.time_in_force == TimeInForce.FOK:
            needed, reason = order.leaves_lots, Reason.FOK_UNFILLABLE
        elif order.flags & CommandFlag.ALL_OR_NONE:
            needed, reason = order.leaves_lots, Reason.ALL_OR_NONE_UNFILLABLE
        else:
            needed, reason = minimum, Reason.MINIMUM_UNFILLABLE
        return Reason.NONE if not needed or self._available(order, limit) >= needed else reason

    # ------------------------------------------------------------ arriving

    def _match(self, order: Order, command_kind: int, minimum: int = 0) -> list[Report]:
        """An incoming order trades at the resting price: the best price first, within it by the book's algorithm."""
        book, opposite = self._book(order), self._opposite(order)
        asked = self._limit(order, opposite)
        if order.order_type == OrderType.MARKET_TO_LIMIT and order.price_ticks == EMPTY_PRICE:
            best = opposite.best_of_all()
            if best is None:
                return [self._close(order, command_kind, Reason.MARKET_REMAINDER)]
            asked = best
        limit = self._banded(order, asked)
        if reason := self._unfillable(order, minimum, limit):
            return [self._close(order, command_kind, reason)]

        reports: list[Report] = []
        shared = None  # the price that was shared out
        while order.leaves_lots and (maker := self._next(opposite, limit)) is not None:
            price = maker.price_ticks
            if self._breaks(book, price):
                reports += self._halt(book, order.instrument, command_kind)
                break
            if book.algorithm == Algorithm.PRO_RATA and shared != price and not maker.is_hidden:
                shared = price
                reports += self._share(order, list(opposite.queues[price].values()), command_kind)
            else:
                reports += self._meet(order, maker, maker.shown_lots, command_kind)
        return reports + self._finish(order, asked, limit, command_kind)

    def _next(self, side: BookSide, limit: int) -> Order | None:
        """The best price first, within it what is shown before what is hidden, and then the oldest."""
        price = side.best_of_all()
        if price is None or not side.is_within(price, limit):
            return None
        queue: Queue = side.queues.get(price) or side.hidden[price]
        return next(iter(queue.values()))

    def _finish(self, order: Order, asked: int, limit: int, command_kind: int) -> list[Report]:
        """What is left of a market or IOC order is cancelled, and what a band kept from trading; the rest rests."""
        if not order.leaves_lots:
            return []
        opposite = self._opposite(order)
        best = opposite.best_of_all()
        continuous = self._book(order).phase == Phase.CONTINUOUS
        stopped = continuous and limit != asked and best is not None and opposite.is_within(best, asked)
        if stopped:
            return [self._close(order, command_kind, Reason.BAND_REMAINDER)]
        if order.takes_at_market:
            return [self._close(order, command_kind, Reason.MARKET_REMAINDER)]
        if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return [self._close(order, command_kind, Reason.IOC_REMAINDER)]
        if order.is_pegged and not continuous:
            return self._unpeg(order, command_kind)
        reports = []
        if order.price_ticks == EMPTY_PRICE:  # market-to-limit: it has its price now
            if overflows(asked, order.quantity_lots):
                return [self._close(order, command_kind, Reason.MARKET_REMAINDER)]
            order.price_ticks = asked
            reports = [self._repriced(order, command_kind, EMPTY_PRICE)]
        self._rest(order)
        return reports

    def _unpeg(self, order: Order, command_kind: int) -> list[Report]:
        """A peg that cannot be in the book is parked."""
        before, order.price_ticks = order.price_ticks, EMPTY_PRICE
        self._park(order)
        return [self._repriced(order, command_kind, before)] if before != EMPTY_PRICE else []

    # ------------------------------------------------------------ one maker

    def _meet(self, order: Order, maker: Order, lots: int, command_kind: int) -> list[Report]:
        """The two trade at most so many lots, or do what the order's self-match mode says."""
        if self._is_own(order, maker):
            return list(self._collide(order, maker, command_kind))
        return self._trade(order, maker, min(order.leaves_lots, lots), command_kind)

    def _trade(self, taker: Order, maker: Order, lots: int, command_kind: int) -> list[Report]:
        book = self._book(taker)
        price = maker.price_ticks
        if self.rules >= 3:
            book.last_ticks = price
        report = self._execute(taker, maker, price, lots, command_kind)
        return [report, *self._refresh(maker, command_kind)]

    def _execute(self, taker: Order, maker: Order, price: int, lots: int, command_kind: int) -> Report:
        """Fill both, and tell of it."""
        self._fill(taker, lots)
        self._fill(maker, lots)
        self._last_trade_id += 1
        return self._report(
            ReportKind.TRADE,
            taker,
            command_kind,
            trade_id=self._last_trade_id,
            last_price_ticks=price,
            last_lots=lots,
            maker_client_ref=maker.client_ref,
            maker_order_id=maker.order_id,
            maker_leaves_lots=maker.leaves_lots,
            maker_owner=maker.owner,
            maker_shows=maker.shows,
        )

    def _fill(self, order: Order, lots: int) -> None:
        order.leaves_lots -= lots
        if order.order_id in self._orders:
            order.slice_lots -= lots if order.display_lots else 0
            if not order.leaves_lots:
                self._leave(order)

    def _refresh(self, order: Order, command_kind: int) -> list[Report]:
        """An iceberg whose slice is used up shows the next one, behind all others of its price and under a new id."""
        if order.shows != Shows.SHOWS_SLICE or not order.leaves_lots:
            return []
        if not order.slice_lots:
            side = self._side(order)
            side.remove(order)
            order.slice_lots = min(order.display_lots, order.leaves_lots)
            self._slices += 1
            order.feed_id = FIRST_FEED_ID + self._slices
            side.add(order)
        return [self._displayed(order, command_kind)]

    def _collide(self, order: Order, maker: Order, command_kind: int) -> Iterator[Report]:
        """Two of one group do not trade; what was traded before stands."""
        if order.self_match_mode == SelfMatchMode.DECREMENT_BOTH:
            lots = min(order.leaves_lots, maker.leaves_lots)
            for one in (maker, order):
                if one.leaves_lots == lots:
                    yield self._close(one, command_kind, Reason.SELF_MATCH)
                    one.leaves_lots = 0
                else:
                    yield self._take_off(one, command_kind, lots, Reason.SELF_MATCH)
            return
        if order.self_match_mode in (SelfMatchMode.CANCEL_RESTING, SelfMatchMode.CANCEL_BOTH):
            yield self._close(maker, command_kind, Reason.SELF_MATCH)
        if order.self_match_mode in (SelfMatchMode.CANCEL_INCOMING, SelfMatchMode.CANCEL_BOTH):
            yield self._close(order, command_kind, Reason.SELF_MATCH)
            order.leaves_lots = 0

    # ------------------------------------------------------------ pro-rata

    def _share(self, order: Order, queue: list[Order], command_kind: int) -> list[Report]:
        """A level is shared out: the top order first where that is a rule, then each by its part of what is shown.

        Shares are of the totals before the first fill, in round lots; one under the minimum becomes 0. What is left
        goes by time, as everywhere.
        """
        book = self._book(order)
        incoming, total = order.leaves_lots, sum(maker.shown_lots for maker in queue)
        shares = [(maker, incoming * maker.shown_lots // total) for maker in queue]
        shares = [(maker, share - share % book.lot) for maker, share in shares]
        shares = [(maker, share if share >= book.pro_rata_minimum else 0) for maker, share in shares]
        if book.top_order:
            shares[0] = (queue[0], queue[0].shown_lots)
        reports = []
        for maker, share in shares:
            lots = min(share, order.leaves_lots, maker.shown_lots)
            if lots:
                reports += self._meet(order, maker, lots, command_kind)
        return reports

    # ------------------------------------------------------------ given by later chapters

    def _halt(self, book: Instrument, number: int, command_kind: int) -> list[Report]:
        raise NotImplementedError


def overflows(price: int, quantity: int) -> bool:
    """Whether int64 cannot hold price times quantity, as it must of every order that has a price."""
    return abs(price) * quantity > INT64_MAX


def leaves_of(orders: list[Order]) -> int:
    return sum(order.leaves_lots for order in orders)
