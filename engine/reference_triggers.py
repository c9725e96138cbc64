"""What follows an input: stop orders that were reached, and pegged orders that follow the touch."""

from typing import NamedTuple

from engine.records import (
    EMPTY_PRICE,
    INT64_MAX,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    Side,
    Trigger,
)
from engine.reference_book import Instrument, Order, Report
from engine.reference_matching import Matching, overflows


class Prices(NamedTuple):
    """The prices that stop orders are tested against."""

    last: int | None
    bid: int | None
    ask: int | None


class Triggers(Matching):
    """Stops and pegs; `_aftermath` is what every input ends with."""

    # ------------------------------------------------------------ stops

    def _prices(self, book: Instrument) -> Prices:
        bids, asks = book.sides
        return Prices(book.last_ticks, bids.best(), asks.best())

    def _tested(self, order: Order, prices: Prices) -> int | None:
        """A stop is tested against the last trade or, where the instrument says so, the opposite best that is shown."""
        if self._book(order).trigger == Trigger.LAST_TRADE:
            return prices.last
        return prices.ask if order.side == Side.BUY else prices.bid

    def _is_reached(self, order: Order, price: int | None) -> bool:
        """A buy stop at or above its price, a sell stop at or below."""
        if price is None:
            return False
        return price >= order.stop_price_ticks if order.side == Side.BUY else price <= order.stop_price_ticks

    def _trail(self, order: Order, price: int | None) -> None:
        """A trailing stop follows a price that moves away from it, at its distance, and never comes back."""
        if order.order_type != OrderType.TRAILING_STOP or price is None:
            return
        if order.side == Side.BUY:
            order.stop_price_ticks = min(order.stop_price_ticks, price + order.offset_ticks)
        else:
            order.stop_price_ticks = max(order.stop_price_ticks, price - order.offset_ticks)

    def _elected(self, book: Instrument, before: Prices, waiting: set[int]) -> list[Order]:
        """The stops that were reached since, as they run: nearest to the price before the move, then by id."""
        now = self._prices(book)
        found = []
        for order in book.stops.values():
            price, price_before = self._tested(order, now), self._tested(order, before)
            if order.order_id in waiting:
                continue
            self._trail(order, price)
            if self._is_reached(order, price):
                distance = 0 if price_before is None else abs(order.stop_price_ticks - price_before)
                found.append((distance, order.order_id, order))
        return [order for _, _, order in sorted(found, key=lambda one: one[:2])]

    def _run_stops(self, book: Instrument, before: Prices, command_kind: int) -> list[Report]:
        """Each elected stop runs to its end as a new arrival; those it elects join the tail.

        In every phase trailing stops follow the last trade: of an auction that closes the day, or before a halt.
        """
        reports: list[Report] = []
        queue: list[Order] = []
        while book.phase == Phase.CONTINUOUS:
            queue += self._elected(book, before, {order.order_id for order in queue})
            if not queue:
                break
            order = queue.pop(0)
            before = self._prices(book)
            self._leave(order)
            order.is_elected = True
            reports.append(self._report(ReportKind.TRIGGERED, order, command_kind))
            reports += self._match(order, command_kind)
        if book.phase != Phase.CONTINUOUS and book.trigger == Trigger.LAST_TRADE:
            for order in book.stops.values():
                self._trail(order, book.last_ticks)
        return reports

    # ------------------------------------------------------------ pegs

    def _reference(self, order: Order, bid: int | None, ask: int | None) -> int | None:
        """What the order follows; a mid between increments is taken on the less aggressive side."""
        if order.peg_kind == PegKind.MID_PEG:
            if bid is None or ask is None:
                return None
            return (bid + ask) // 2 if order.side == Side.BUY else -(-(bid + ask) // 2)
        follows_bid = (order.peg_kind == PegKind.PRIMARY_PEG) == (order.side == Side.BUY)
        return bid if follows_bid else ask

    def _peg_price(self, order: Order, bid: int | None, ask: int | None, barrier: int | None) -> int | None:
        """Where a peg belongs; None: it has no reference, or the price is not allowed, or too high for its quantity.

        barrier: the best price it must not trade with; a market peg may.
        """
        reference = self._reference(order, bid, ask)
        if reference is None:
            return None
        price = reference + order.offset_ticks
        if order.peg_limit_ticks != EMPTY_PRICE:
            worst = min if order.side == Side.BUY else max
            price = worst(price, order.peg_limit_ticks)
        if not -INT64_MAX <= price <= INT64_MAX:
            return None
        price = self._less_aggressive(self._book(order), order.side, price)
        return self._behind_barrier(order, price, None if order.peg_kind == PegKind.MARKET_PEG else barrier)

    def _place_peg(self, order: Order, command_kind: int) -> list[Report]:
        """A pegged order arrives."""
        bids, asks = self._book(order).sides
        barrier = self._opposite(order).best_of_all()
        price = self._peg_price(order, bids.best_unpegged(), asks.best_unpegged(), barrier)
        return self._settle_peg(order, price, command_kind)

    def _seen(self, book: Instrument) -> tuple[int | None, ...]:
        """What pegs depend on: the best that is shown and not pegged, and the best that is not pegged at all."""
        return tuple(
            best for side in book.sides for best in (side.best_unpegged(), side.best_unpegged_of_all())
        )

    def _pegs(self, book: Instrument) -> list[Order]:
        """The pegged orders in order of priority: bids, asks, each by price and time; then those that are parked."""
        resting = [order for side in book.sides for order in side.by_priority() if order.is_pegged]
        parked = [order for order in book.parked.values() if order.is_pegged]
        return resting + sorted(parked, key=lambda order: order.order_id)

    def _reprice(self, book: Instrument, command_kind: int) -> list[Report]:
        """Pegs follow, once after each input that moved what they follow, in order of priority.

        Those whose price changes leave first, then come back one after the other, last at their new prices.
        """
        if book.phase != Phase.CONTINUOUS:
            return []
        pegs = self._pegs(book)
        nothing = (None, None, None, None)
        seen, before = (self._seen(book) if pegs else nothing), book.seen
        book.seen = seen
        if not pegs or (seen == before and seen != nothing):
            return []
        bid, bid_of_all, ask, ask_of_all = seen
        barriers = [ask_of_all, bid_of_all]
        moving = []
        for order in pegs:
            price = self._peg_price(order, bid, ask, barriers[order.side])
            if price is not None and order.peg_kind != PegKind.MARKET_PEG:
                other = barriers[1 - order.side]
                better = max if order.side == Side.BUY else min
                barriers[1 - order.side] = price if other is None else better(other, price)
            if (EMPTY_PRICE if price is None else price) != order.price_ticks:
                moving.append((order, price))
        for order, _ in moving:
            self._leave(order)
        reports: list[Report] = []
        for order, price in moving:
            reports += self._settle_peg(order, price, command_kind, was_there=True)
        return reports

    def _settle_peg(
        self, order: Order, price: int | None, command_kind: int, *, was_there: bool = False
    ) -> list[Report]:
        """A peg that is in no book goes to its price, behind what market pegs have put there since, or is parked.

        One that was in the book lost its place there, which is told even when it comes back to the same price.
        """
        book = self._book(order)
        before = order.price_ticks
        if price is not None and order.peg_kind != PegKind.MARKET_PEG:
            price = self._behind_barrier(order, price, self._opposite(order).best_of_all())
        if price is None or book.phase != Phase.CONTINUOUS:
            return self._unpeg(order, command_kind)
        order.price_ticks = price
        told = price != before or was_there
        reports = [self._repriced(order, command_kind, before)] if told else []
        if order.peg_kind == PegKind.MARKET_PEG:
            return reports + self._match(order, command_kind)
        self._rest(order)
        return reports

    def _behind_barrier(self, order: Order, price: int, barrier: int | None) -> int | None:
        """The price, or one increment behind what it would trade with; None: that is not allowed."""
        book = self._book(order)
        if barrier is not None and (price >= barrier if order.side == Side.BUY else price <= barrier):
            price = self._behind(book, order.side, barrier)
        is_allowed = abs(price) <= INT64_MAX and book.price_is_allowed(price)
        return price if is_allowed and not overflows(price, order.quantity_lots) else None

    # ------------------------------------------------------------ after an input

    def _aftermath(self, book: Instrument, before: Prices, command_kind: int) -> list[Report]:
        """Stops, then pegs once, then the stops that market pegs have reached."""
        if self.rules < 3:
            return []
        reports = self._run_stops(book, before, command_kind)
        before = self._prices(book)
        repriced = self._reprice(book, command_kind)
        reports += repriced
        if repriced:
            reports += self._run_stops(book, before, command_kind)
        if not self._pegs(book):
            book.seen = (None, None, None, None)
        return reports
