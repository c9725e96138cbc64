"""Phases: which orders collect, at which price an auction uncrosses, and what becomes of the rest."""

import itertools

from engine.records import (
    EMPTY_PRICE,
    INT64_MAX,
    CommandKind,
    OrderType,
    Phase,
    Reason,
    ReportKind,
    Side,
    TimeInForce,
)
from engine.reference_book import BookSide, Instrument, Order, Report
from engine.reference_matching import overflows
from engine.reference_state import COLLECTING
from engine.reference_triggers import Triggers

OPENING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION)


class Candidate:
    """Prices from `low` to `high` at which an auction would come out the same."""

    def __init__(self, low: int, high: int, buys: int, sells: int) -> None:
        self.low, self.high = low, high
        self.volume = min(buys, sells)
        self.surplus = buys - sells


class Auctions(Triggers):
    """An instrument's phases, and the auction that leads from collecting orders to trading."""

    # ------------------------------------------------------------ the price

    def _wanted(self, side: BookSide, price: int) -> int:
        """What of a side can trade at a price, shown or not; orders without a limit can at any."""
        orders = [order for order in side.orders() if side.is_within(order.price_ticks, price)]
        return sum(order.leaves_lots for order in (*orders, *side.market.values()))

    def _candidates(self, book: Instrument) -> list[Candidate]:
        """All prices from the lowest to the highest limit, in pieces; those around the reference too when orders
        without a limit meet."""
        bids, asks = book.sides
        points = {order.price_ticks for side in book.sides for order in side.orders()}
        if bids.market and asks.market:
            points |= self._around_reference(book)
        prices = sorted(points)
        pieces = [(price, price) for price in prices]
        for low, high in itertools.pairwise(prices):
            first, last = (
                self._less_aggressive(book, Side.SELL, low + 1),
                self._less_aggressive(book, Side.BUY, high - 1),
            )
            if first <= last:
                pieces.append((first, last))
        return [
            Candidate(low, high, self._wanted(bids, low), self._wanted(asks, low))
            for low, high in sorted(pieces)
        ]

    def _around_reference(self, book: Instrument) -> set[int]:
        """The increments next to the reference that are allowed, or next to the limit that it is beyond."""
        if book.reference_ticks is None:
            return set()
        reference = book.reference_ticks if book.low is None else max(book.low, book.reference_ticks)
        reference = reference if book.high is None else min(book.high, reference)
        around = {self._less_aggressive(book, side, reference) for side in Side}
        return {price for price in around if abs(price) <= INT64_MAX and book.price_is_allowed(price)}

    def _auction(self, book: Instrument) -> tuple[int, int, int] | None:
        """The price of an auction, its volume and the surplus (above 0: of buyers); None: nothing would trade.

        The largest volume; of those the least imbalance; when it is all on the buy side the highest price, all on the
        sell side the lowest; otherwise the nearest to the reference; the higher of two.
        """
        candidates = self._candidates(book)
        volume = max((one.volume for one in candidates), default=0)
        if not volume:
            return None
        candidates = [one for one in candidates if one.volume == volume]
        least = min(abs(one.surplus) for one in candidates)
        candidates = [one for one in candidates if abs(one.surplus) == least]
        reference = book.reference_ticks
        if all(one.surplus < 0 for one in candidates):
            return candidates[0].low, volume, candidates[0].surplus
        if all(one.surplus > 0 for one in candidates) or reference is None:
            return candidates[-1].high, volume, candidates[-1].surplus
        near = [(price, one) for one in candidates for price in self._nearest(book, one, reference)]
        price, one = min(near, key=lambda pair: (abs(pair[0] - reference), -pair[0]))
        return price, volume, one.surplus

    def _nearest(self, book: Instrument, piece: Candidate, reference: int) -> list[int]:
        """The prices of a piece that may be nearest to the reference."""
        if not piece.low < reference < piece.high:
            return [piece.low, piece.high]
        around = (self._less_aggressive(book, side, reference) for side in Side)
        return [price for price in around if piece.low <= price <= piece.high]

    def indicative(self, instrument: int) -> tuple[int, int, int] | None:
        """What an auction now would come out as: price, volume, surplus of buyers; None: nothing would trade."""
        return self._auction(self._instrument(instrument))

    # ------------------------------------------------------------ uncrossing

    def _first(self, side: BookSide, price: int) -> Order | None:
        """Orders without a limit first, then by price, what is shown before what is hidden, and the oldest."""
        return next(iter(side.market.values()), None) or self._next(side, price)

    def _uncross(self, book: Instrument, price: int, command_kind: int) -> list[Report]:
        """Everything trades at one price. Self-match prevention is off."""
        bids, asks = book.sides
        reports: list[Report] = []
        while (bid := self._first(bids, price)) is not None and (ask := self._first(asks, price)) is not None:
            lots = min(bid.shown_lots, ask.shown_lots)
            reports.append(self._execute(bid, ask, price, lots, command_kind))
            for order in (bid, ask):
                reports += self._refresh(order, command_kind)
        book.last_ticks = book.reference_ticks = price
        return reports

    def _after_auction(
        self, book: Instrument, phase: Phase, price: int | None, command_kind: int
    ) -> list[Report]:
        """What took part in an auction only, or had no limit, is cancelled; market-to-limit has its price now."""
        reports = []
        for order in book.all_orders():
            if order.order_id in book.stops or order.order_id in book.parked:
                continue
            ends = {
                TimeInForce.AT_OPEN: phase in OPENING,
                TimeInForce.AT_CLOSE: phase == Phase.CLOSING_AUCTION,
                TimeInForce.GOOD_FOR_AUCTION: True,
            }
            if ends.get(order.time_in_force):
                reports.append(self._close(order, command_kind, Reason.AUCTION_REMAINDER))
            elif order.price_ticks == EMPTY_PRICE:
                if (
                    order.order_type == OrderType.MARKET
                    or price is None
                    or overflows(price, order.quantity_lots)
                ):
                    reports.append(self._close(order, command_kind, Reason.MARKET_REMAINDER))
                else:
                    self._leave(order)
                    order.price_ticks = price
                    reports.append(self._repriced(order, command_kind, EMPTY_PRICE))
                    self._rest(order)
        return reports

    # ------------------------------------------------------------ phases

    def _may_follow(self, before: Phase, phase: Phase) -> bool:
        """A halt, and a day that was closed, lead to trading by way of an auction only."""
        return phase != Phase.CONTINUOUS or before not in (Phase.HALT, Phase.CLOSED)

    def _enter(
        self,
        book: Instrument,
        number: int,
        phase: Phase,
        next_phase: Phase,
        until_ns: int,
        told_ns: int,
        command_kind: int,
    ) -> list[Report]:
        """An instrument enters a phase, which lasts until a time, or with 0 until it is told otherwise.

        What is told of that time has nothing random in it.
        """
        before, prices = book.phase, self._prices(book)
        self._expect(book, next_phase, until_ns)
        uncrosses = before in COLLECTING and phase in (Phase.CONTINUOUS, Phase.CLOSED)
        outcome = self._auction(book) if uncrosses else None
        price = outcome[0] if outcome else None
        book.phase = phase
        reports = [
            self._told(
                ReportKind.PHASE_CHANGED,
                command_kind,
                number,
                order_type=phase,
                time_in_force=before,
                price_ticks=price,
                quantity_lots=min(outcome[1], INT64_MAX) if outcome else 0,
                last_lots=told_ns,
            )
        ]
        if phase == before:
            return reports + self._aftermath(book, prices, command_kind)
        if before == Phase.CONTINUOUS:
            reports += self._park_pegs(book, command_kind)
        if price is not None:
            reports += self._uncross(book, price, command_kind)
        if uncrosses:
            reports += self._after_auction(book, before, price, command_kind)
        reports += self._end_times_in_force(book, phase, command_kind)
        reports += self._admit(book, phase, command_kind)
        return reports + self._aftermath(book, prices, command_kind)

    def _expect(self, book: Instrument, phase: Phase, at_ns: int) -> None:
        """What follows, and when. A volatility auction will last as long as the protections say now."""
        is_volatile = at_ns and phase == Phase.VOLATILITY_AUCTION
        book.next_phase, book.until_ns = phase, at_ns
        book.next_lasts_ns = book.protections.auction_ns if is_volatile else 0

    def _park_pegs(self, book: Instrument, command_kind: int) -> list[Report]:
        """Without continuous trading there is no touch to follow."""
        reports = []
        for order in self._pegs(book):
            if order.price_ticks != EMPTY_PRICE:
                self._leave(order)
                reports += self._unpeg(order, command_kind)
        book.seen = (None, None, None, None)
        return reports

    def _end_times_in_force(self, book: Instrument, phase: Phase, command_kind: int) -> list[Report]:
        """At-open orders end when opening does, and at the close all that was not to outlast the day, by order id."""
        if phase == Phase.CLOSED:
            kept: tuple[TimeInForce, ...] = (TimeInForce.GTC, TimeInForce.GTD)
        elif phase in (*OPENING, Phase.HALT):
            return []
        else:
            kept = tuple(member for member in TimeInForce if member != TimeInForce.AT_OPEN)
        reason = Reason.END_OF_DAY if phase == Phase.CLOSED else Reason.AUCTION_REMAINDER
        return [
            self._close(order, command_kind, reason)
            for order in book.all_orders()
            if order.time_in_force not in kept
        ]

    def _waits_for(self, order: Order, phase: Phase) -> bool:
        """Whether an order for an auction is kept apart in this phase."""
        if order.time_in_force == TimeInForce.AT_CLOSE:
            return phase != Phase.CLOSING_AUCTION
        return order.time_in_force == TimeInForce.GOOD_FOR_AUCTION and phase not in COLLECTING

    def _admit(self, book: Instrument, phase: Phase, command_kind: int) -> list[Report]:
        """Orders that waited for an auction come into its book in order of order id."""
        if phase not in COLLECTING:
            return []
        for order in sorted(book.parked.values(), key=lambda one: one.order_id):
            if not order.is_pegged and not self._waits_for(order, phase):
                self._leave(order)
                self._rest(order)
        return []

    def _collect(self, order: Order) -> None:
        """Outside continuous trading an order waits for the auction without trading."""
        if order.is_pegged or self._waits_for(order, self._book(order).phase):
            self._park(order)
        else:
            self._rest(order)

    # ------------------------------------------------------------ what halts trading

    def _halt(self, book: Instrument, number: int, command_kind: int) -> list[Report]:
        """A breaker halts trading for a time; then a volatility auction of a given length leads back to it."""
        until_ns = in_time(self.time_ns + book.protections.halt_ns)
        book.phase = phase = Phase.HALT
        self._expect(book, Phase.VOLATILITY_AUCTION, until_ns)
        report = self._told(
            ReportKind.PHASE_CHANGED,
            command_kind,
            number,
            order_type=phase,
            time_in_force=Phase.CONTINUOUS,
            price_ticks=None,
            last_lots=until_ns,
        )
        return [report, *self._park_pegs(book, command_kind)]

    # ------------------------------------------------------------ time

    def _due(self) -> list[tuple[int, int, int]]:
        """What happens up to now, as (time, kind, number): expiries of orders first, then ends of phases."""
        expiries = [
            (order.expire_ns, 0, order.order_id) for order in self._orders.values() if order.expire_ns
        ]
        ends = [(book.until_ns, 1, number) for number, book in enumerate(self._instruments) if book.until_ns]
        return [one for one in sorted([*expiries, *ends]) if one[0] <= self.time_ns]

    def _advance(self, time_ns: int) -> list[Report]:
        """Time goes on: orders expire, by time and then by order id, and phases end."""
        self.time_ns = time_ns
        kind = CommandKind.ADVANCE
        reports = [self._told(ReportKind.ADVANCED, kind, 0)]
        while due := self._due():
            _, what, number = due[0]
            if what == 0:
                order = self._orders[number]
                book = self._book(order)
                prices = self._prices(book)
                reports.append(self._close(order, kind, Reason.EXPIRED))
                reports += self._aftermath(book, prices, kind)
            else:
                book = self._instruments[number]
                phase, then, lasts_ns = book.next_phase, Phase.CONTINUOUS, book.next_lasts_ns
                until_ns = in_time(book.until_ns + lasts_ns) if lasts_ns else 0
                reports += self._enter(book, number, phase, then, until_ns, until_ns, kind)
        return reports


def in_time(until_ns: int) -> int:
    """A time that int64 cannot tell never comes: 0, until it is told otherwise."""
    return until_ns if until_ns <= INT64_MAX else 0
