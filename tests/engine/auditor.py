"""An auditor of version 3 of the rules: it hears commands and reports, and believes only these.

It keeps a market of its own, moves each order as the reports say, and asserts at every report that it had to be so: the
right maker, the right price and amount, the right stop. What it found to hold, and how often, is in `held`.
"""

from collections import Counter
from typing import Any

from audited_market import COLLECTING, Account, Book, Run
from market_watch import Heard

from engine.records import (
    DEFINITION,
    EMPTY_PRICE,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    Reason,
    ReportKind,
    SelfMatchMode,
    Side,
    TimeInForce,
    Trigger,
)

FIRST_FEED_ID = 1 << 63
MOST_TICKS = 600  # that are tried for the price of an auction
OPENING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION)
LAYOUTS = {
    CommandKind.DEFINE: DEFINITION,
    CommandKind.CHANGE: DEFINITION,
    CommandKind.PHASE: PHASE_CHANGE,
    CommandKind.TICK: TICK_ROW,
    CommandKind.PROTECT: PROTECTION,
}


def fields(command: Any) -> dict[str, Any]:
    """The command as its kind reads it."""
    layout = LAYOUTS.get(int(command["kind"][0]))
    view = command if layout is None else command.view(layout)
    return dict(zip(view.dtype.names, view[0].tolist(), strict=True))


def given(value: int, absent: int = EMPTY_PRICE) -> int | None:
    return None if value == absent else value


UNTOUCHED = (ReportKind.REJECTED, ReportKind.ADVANCED, ReportKind.MASS_CANCELLED, ReportKind.CHANGED)
BY_ORDER_ID = (Reason.MASS_REQUESTED, Reason.END_OF_DAY, Reason.INSTRUMENT_DELISTED)


class Auditor:
    """`hear` it all, a command at a time."""

    def __init__(self) -> None:
        self.orders: dict[int, Account] = {}  # the live ones
        self.books: list[Book] = []
        self.tables: list[list[tuple[int, int]]] = []
        self.held: Counter[str] = Counter()
        self.last_order_id = self.last_trade_id = self.slices = self.time_ns = 0
        self.command: dict[str, Any] = {}
        self.rest: list[Heard] = []  # of the reports, from the one being heard
        self.run: Run | None = None
        self.cancelled_count = 0  # by this command
        self.cancelled_last: dict[tuple[int, int], int] = {}  # order ids, by reason and instrument
        # Of the input that is going on:
        self.before: list[tuple[int | None, ...]] = []  # last trade, bid, ask of each book
        self.elected: dict[int, list[Account]] = {}  # stops that were reached, by instrument
        self.touched: set[int] = set()  # instruments
        self.uncrossing: tuple[Book, int] | None = None  # and the price
        self.lots_to_come = 0
        self.left: Book | None = None  # whose phase changes
        self.moved: set[int] = set()  # instruments whose pegs follow
        self.since: set[int] = set()  # those where more happened then

    # ------------------------------------------------------------ a command, and the inputs it consists of

    def hear(self, command: Any, reports: list[Heard]) -> None:
        self.command = fields(command)
        self.cancelled_count, self.cancelled_last = 0, {}
        self.begin_input()
        for at, report in enumerate(reports):
            self.rest = reports[at:]
            if self.uncrossing and report.kind not in (ReportKind.TRADE, ReportKind.DISPLAYED):
                self.end_auction()
            getattr(self, ReportKind(report.kind).name.lower())(report)
            if report.kind not in UNTOUCHED:
                self.touched.add(report.instrument)
        self.end_input()
        late = [order for order in self.orders.values() if 0 < order.expires <= self.time_ns]
        assert not late, "an order outlived its date"

    def begin_input(self) -> None:
        self.before = [(book.last, book.best(Side.BUY), book.best(Side.SELL)) for book in self.books]
        self.elected, self.touched, self.moved, self.since = {}, set(), set(), set()

    def end_input(self) -> None:
        """What must be so when all that follows an input has happened."""
        self.settle()
        if self.uncrossing:
            self.end_auction()
        self.end_phase()
        for number in self.touched & set(range(len(self.books))):
            book = self.books[number]
            self.elect(number)
            if book.phase == Phase.CONTINUOUS:
                assert not self.elected.get(number), "a stop was reached and did not run"
                self.book_is_not_crossed(book)
                self.pegs_follow(number, book)
            else:
                book.followed = None
                assert not any(order.order_type == OrderType.PEGGED for order in book.resting())

    def book_is_not_crossed(self, book: Book) -> None:
        bid, ask = book.best(Side.BUY, hidden_too=True), book.best(Side.SELL, hidden_too=True)
        assert bid is None or ask is None or bid < ask, "the book is crossed"
        assert not any(book.market), "an order without a limit rests"
        self.held["the book is not crossed"] += 1

    def pegs_follow(self, number: int, book: Book) -> None:
        """Where what they follow moved, and nothing happened behind their repricing, each is where it belongs."""
        pegs = [
            order
            for order in (*book.resting(), *book.waiting.values())
            if order.order_type == OrderType.PEGGED
        ]
        has_moved = number in self.moved
        if not has_moved:
            touch = book.touch() if pegs else None
            has_moved = touch != book.followed
            book.followed = touch
        for order in pegs if has_moved and number not in self.since else []:
            self.is_in_its_place(order, book)

    def is_in_its_place(self, order: Account, book: Book) -> None:
        """Where it belongs or, where pegs of the other side were in its way, behind that."""
        price, told = book.place_of_peg(order), given(order.price)
        assert (order.place == "parked") == (told is None), "a peg has a price and no place, or the reverse"
        others = [one for one in self.orders.values() if one.side != order.side and one.peg]
        if order.peg == PegKind.MARKET_PEG or not any(one.instrument == order.instrument for one in others):
            assert told == price, f"peg {order.order_id} is at {told}, not at {price}"
        elif told is not None:
            assert price is not None, "a peg without a reference is in the book"
            assert told <= price if order.side == Side.BUY else told >= price, "past what it follows"
        self.held["a peg is parked" if told is None else "a peg is at its price"] += 1

    # ------------------------------------------------------------ terms

    def defined(self, report: Heard) -> None:
        self.books.append(Book(phase=self.command["phase"]))
        self.take_terms(self.books[-1])
        self.begin_input()

    def changed(self, report: Heard) -> None:
        terms, kind = self.command, self.command["kind"]
        if kind == CommandKind.TICK:
            if terms["table"] > len(self.tables):
                self.tables.append([])
            if terms["from_ticks"] == EMPTY_PRICE:
                self.tables[terms["table"] - 1].clear()
            self.tables[terms["table"] - 1].append((terms["from_ticks"], terms["tick_ticks"]))
            return
        book = self.books[report.instrument]
        if kind == CommandKind.PROTECT:
            reference = given(terms["reference_ticks"])
            book.reference = book.reference if reference is None else reference
            book.static, book.dynamic = given(terms["static_ticks"], -1), given(terms["dynamic_ticks"], -1)
            book.breaker_bp = terms["breaker_bp"]
            return
        self.take_terms(book)
        self.touched.add(report.instrument)
        if terms["delist"]:
            book.phase = Phase.CLOSED

    def take_terms(self, book: Book) -> None:
        terms = self.command
        book.lot, book.protection = terms["lot_lots"], given(terms["protection_ticks"], -1)
        book.low, book.high = given(terms["low_ticks"]), given(terms["high_ticks"])
        book.algorithm, book.top_order = terms["algorithm"], terms["top_order"]
        book.share_minimum, book.trigger = terms["pro_rata_minimum_lots"], terms["trigger"]
        book.table = self.tables[terms["tick_table"] - 1] if terms["tick_table"] else None

    # ------------------------------------------------------------ orders come, change and go

    def tell(self, report: Heard) -> Account:
        """The order of a report; what it says of the order's quantities is so."""
        order = self.orders[report.order_id]
        assert (report.quantity_lots, report.cumulative_lots) == (order.total, order.filled)
        assert order.filled <= order.total, "filled beyond its quantity"
        if report.kind != ReportKind.CANCELLED:
            assert report.leaves_lots == order.leaves == order.total - order.filled, "not conserved"
            assert order.leaves > 0 or report.kind == ReportKind.TRADE, "an order without leaves is live"
        assert report.price_ticks == order.price or report.kind == ReportKind.CANCELLED
        return order

    def rejected(self, report: Heard) -> None:
        assert report.reason, "refused without a reason"
        order = self.orders.get(report.order_id) if report.leaves_lots else None
        assert order is None or order.leaves == report.leaves_lots, "a refusal changed an order"

    def accepted(self, report: Heard) -> None:
        self.last_order_id += 1
        assert report.order_id == self.last_order_id, "order ids are not dense"
        command, book = self.command, self.books[report.instrument]
        second = dict(command) if command["flags"] & CommandFlag.EXTENDED else {}
        order = Account(
            report.order_id,
            report.instrument,
            report.side,
            report.order_type,
            report.time_in_force,
            report.flags,
            report.price_ticks,
            report.quantity_lots,
            report.leaves_lots,
            group=command["self_match_group"],
            mode=command["self_match_mode"],
            minimum=second.get("min_quantity_lots", 0),
            display=report.maker_leaves_lots,
            peg=second.get("peg_kind", PegKind.NO_PEG),
        )
        self.orders[order.order_id] = order
        self.take_second(order, second)
        self.tell(report)
        if order.flags & (CommandFlag.POST_ONLY | CommandFlag.POST_ONLY_SLIDE):
            self.does_not_take(book, order, command["price_ticks"])
        self.run = Run(order)

    def take_second(self, order: Account, second: dict[str, Any]) -> None:
        """What of an order only commands tell."""
        book = self.books[order.instrument]
        order.expires, order.offset = second.get("expire_ns", 0), second.get("offset_ticks", 0)
        if order.order_type == OrderType.PEGGED:
            order.peg_limit = second.get("peg_limit_ticks", EMPTY_PRICE)
        if not order.waits:
            return
        order.stop = second.get("stop_price_ticks", EMPTY_PRICE)
        if order.stop == EMPTY_PRICE:
            tested = book.tested(order.side)
            if tested is None and not book.trigger:
                tested = book.reference
            assert tested is not None, "a trailing stop without anything to trail"
            order.stop = tested + order.offset if order.side == Side.BUY else tested - order.offset

    def does_not_take(self, book: Book, order: Account, asked: int) -> None:
        """A post-only order rests at its price or, when it slides, one increment behind what it would take."""
        best = book.best(1 - order.side, hidden_too=True)
        if best is None:
            return
        takes = order.price >= best if order.side == Side.BUY else order.price <= best
        assert not takes, "a post-only order takes"
        if asked not in (order.price, EMPTY_PRICE):
            assert order.price == book.behind(order.side, best)
            self.held["a post-only order slides"] += 1

    def replaced(self, report: Heard) -> None:
        order, command = self.orders[report.order_id], self.command
        assert (report.last_price_ticks, report.last_lots) == (order.price, order.leaves)
        extended = command["flags"] & CommandFlag.EXTENDED
        if report.kept_priority:
            assert report.price_ticks == order.price, "another price at the same place"
            assert report.leaves_lots <= order.leaves, "more of it at the same place"
            assert not report.maker_leaves_lots > (order.display or report.maker_leaves_lots)
            assert order.display == 0 or report.maker_leaves_lots, "an iceberg shows all at the same place"
            order.shown = min(order.shown or order.leaves, report.maker_leaves_lots, report.leaves_lots)
        else:
            self.books[order.instrument].take(order)
        order.price, order.display = report.price_ticks, report.maker_leaves_lots
        order.total, order.leaves = report.quantity_lots, report.leaves_lots
        order.lasts = report.time_in_force
        order.minimum = 0
        if extended:
            second = dict(command)
            if report.kept_priority:
                second["stop_price_ticks"] = order.stop
            self.take_second(order, second)
        self.tell(report)
        if report.kept_priority:
            return
        if order.flags & (CommandFlag.POST_ONLY | CommandFlag.POST_ONLY_SLIDE):
            self.does_not_take(self.books[order.instrument], order, command["price_ticks"])
        self.run = Run(order)

    def reduced(self, report: Heard) -> None:
        order = self.orders[report.order_id]
        if report.reason == Reason.SELF_MATCH:
            self.collide(report)
        order.total -= report.last_lots
        order.leaves -= report.last_lots
        order.shown = min(order.shown, order.leaves)
        self.tell(report)
        if order.display and order.place == "shown":
            assert report.maker_leaves_lots == order.shown, "an iceberg lost what it shows first"

    def cancelled(self, report: Heard) -> None:
        order = self.tell(report)
        if report.reason == Reason.EXPIRED:
            self.end_input()
            self.begin_input()
            self.expires(order)
        elif report.reason == Reason.SELF_MATCH:
            self.collide(report)
        elif self.run and self.run.order is order:
            self.ends_rightly(self.run, Reason(report.reason))
        elif report.reason in BY_ORDER_ID:
            group = (report.reason, 0 if report.reason == Reason.MASS_REQUESTED else order.instrument)
            assert order.order_id > self.cancelled_last.get(group, 0), "not in order of order id"
            self.cancelled_last[group] = order.order_id
        self.cancelled_count += 1
        if order.instrument in self.moved:
            self.since.add(order.instrument)
        assert report.last_lots == order.leaves, "not all leaves were taken off"
        self.books[order.instrument].take(order)
        del self.orders[order.order_id]

    def expires(self, order: Account) -> None:
        assert 0 < order.expires <= self.time_ns, "an order expired that should not"
        earlier = min((one.expires, one.order_id) for one in self.orders.values() if one.expires)
        assert earlier == (order.expires, order.order_id), "not the first to expire"
        self.held["orders expire in order"] += 1

    # ------------------------------------------------------------ runs

    def settle(self) -> None:
        """An order has run to its end; what is left of it rests."""
        run, self.run = self.run, None
        if run is None:
            return
        order, book = run.order, self.books[run.order.instrument]
        continuous = book.phase == Phase.CONTINUOUS
        if run.filled:
            self.conditions_are_met(run)
        if order.order_id not in self.orders:
            return
        assert order.lasts not in (TimeInForce.IOC, TimeInForce.FOK), "an IOC or FOK order rests"
        assert not order.flags & CommandFlag.ALL_OR_NONE, "an all-or-none order rests"
        assert not (order.minimum and run.filled < order.minimum), "less than the minimum, and it rests"
        if order.order_type == OrderType.PEGGED and not continuous:
            assert order.price == EMPTY_PRICE, "a peg has a price, and nothing trades"
        book.rest(order)

    def conditions_are_met(self, run: Run) -> None:
        """What trades at all, trades as much as it wanted at least."""
        order = run.order
        if order.lasts == TimeInForce.FOK or order.flags & CommandFlag.ALL_OR_NONE:
            assert order.filled == order.total, "filled in part, and it wanted all"
            self.held["all of it or nothing"] += 1
        if order.minimum:
            assert run.filled >= order.minimum, "less than the minimum"
            self.held["at least the minimum"] += 1

    def begin(self, run: Run) -> None:
        if run.is_begun:
            return
        run.is_begun = True
        order, book = run.order, self.books[run.order.instrument]
        best = book.best(1 - order.side, hidden_too=True)
        worse = 1 if order.side == Side.BUY else -1
        run.asked = given(order.price)
        if order.order_type == OrderType.MARKET_TO_LIMIT and run.asked is None:
            run.asked = best
        elif order.without_limit:
            protected = best is not None and book.protection is not None
            run.asked = best + worse * book.protection if protected else None  # type: ignore[operator]
        run.limit = book.banded(order.side, run.asked)

    def next_of(self, run: Run) -> tuple[Account | None, int]:
        """Whom it meets next, and for how many lots."""
        order, book = run.order, self.books[run.order.instrument]
        self.begin(run)
        maker = book.next_maker(1 - order.side, run.limit)
        if maker and book.shares_out(maker) and run.shared != maker.price:
            run.shared, run.shares = maker.price, book.shares(maker, order.leaves)
        while run.shares:
            sharer, share = run.shares[0]
            if lots := min(share, order.leaves, sharer.lots if sharer.leaves else 0):
                return sharer, lots
            run.shares.pop(0)
        return maker, 0 if maker is None else min(order.leaves, maker.lots)

    def ends_rightly(self, run: Run, reason: Reason) -> None:
        """An incoming order is cancelled: nothing more could trade, or not enough."""
        book, order = self.books[run.order.instrument], run.order
        maker, _ = self.next_of(run)
        halted = book.phase != Phase.CONTINUOUS
        if reason in (Reason.MARKET_REMAINDER, Reason.IOC_REMAINDER):
            assert maker is None or halted, "cancelled, and more would trade"
        elif reason == Reason.BAND_REMAINDER:
            assert maker is None, "cancelled, and more would trade"
            assert book.next_maker(1 - order.side, run.asked), "there is no band in the way"
            self.held["a band is in the way"] += 1
        else:
            assert not run.filled, "it was judged before it traded"
            needed = order.minimum if reason == Reason.MINIMUM_UNFILLABLE else order.leaves
            assert book.available(order, run.limit) < needed, "there is enough, and it was cancelled"
            self.held["not enough is there"] += 1

    def collide(self, report: Heard) -> None:
        """Self-match prevention: two of one group have met, and the incoming order's mode says what happens."""
        run = self.run
        assert run is not None, "nobody came"
        order = self.orders[report.order_id]
        mode = run.order.mode
        if order is run.order:
            assert mode != SelfMatchMode.CANCEL_RESTING
            if mode == SelfMatchMode.CANCEL_INCOMING:
                maker, _ = self.next_of(run)
                assert maker is not None, "it met nobody"
                assert maker.group == order.group, "it met nobody of its group"
            return
        maker, _ = self.next_of(run)
        assert order is maker, "not the one it met"
        assert order.group == run.order.group, "they are of different groups"
        assert mode not in (SelfMatchMode.SELF_MATCH_OFF, SelfMatchMode.CANCEL_INCOMING)
        if mode == SelfMatchMode.DECREMENT_BOTH:
            assert report.last_lots == min(order.leaves, run.order.leaves), "not the smaller leaves"
        if run.shares:
            run.shares.pop(0)
        self.held["two of one group do not trade"] += 1

    # ------------------------------------------------------------ trades

    def trade(self, report: Heard) -> None:
        self.last_trade_id += 1
        assert report.trade_id == self.last_trade_id, "trade ids are not dense"
        taker, maker = self.orders[report.order_id], self.orders[report.maker_order_id]
        book = self.books[report.instrument]
        if self.uncrossing:
            self.auction_trade(report, taker, maker)
        else:
            self.continuous_trade(report, taker, maker)
            book.last = report.last_price_ticks
        for order in (taker, maker):
            assert 0 < report.last_lots <= order.lots, "more than there is"
            order.filled += report.last_lots
            order.leaves -= report.last_lots
            if order.place:
                order.shown -= report.last_lots if order.display else 0
        self.tell(report)
        assert report.maker_leaves_lots == maker.leaves
        for order in (taker, maker):
            if not order.leaves:
                book.take(order)
                del self.orders[order.order_id]

    def continuous_trade(self, report: Heard, taker: Account, maker: Account) -> None:
        book, run = self.books[report.instrument], self.run
        assert run is not None, "nobody came"
        assert run.order is taker, "somebody trades who did not come"
        assert book.phase == Phase.CONTINUOUS, "a trade while trading is stopped"
        assert taker.peg in (PegKind.NO_PEG, PegKind.MARKET_PEG), "only market pegs may take"
        assert not taker.flags & (CommandFlag.POST_ONLY | CommandFlag.POST_ONLY_SLIDE), (
            "a post-only order takes"
        )
        expected, lots = self.next_of(run)
        assert expected is maker, "not the one whose turn it is"
        assert report.last_lots == lots, "not the lots that are its share"
        price = report.last_price_ticks
        assert price == maker.price, "not at the resting price"
        assert not book.breaks(price), "the breaker should have halted trading"
        assert not (taker.mode and taker.group == maker.group), "two of one group trade"
        if run.shares:
            run.shares.pop(0)
            self.held["a share is right"] += 1
        run.filled += report.last_lots
        if report.instrument in self.moved:
            self.since.add(report.instrument)
        self.held["the maker is the one whose turn it is"] += 1
        self.held["hidden behind all that is shown"] += maker.is_hidden

    def displayed(self, report: Heard) -> None:
        order, book = self.tell(report), self.books[report.instrument]
        if not order.shown:
            assert order.place == "shown", "a slice of an order that is not in the book"
            assert order.leaves, "a slice of nothing"
            book.take(order)
            book.put(order, "shown")
            self.slices += 1
            assert report.maker_order_id == FIRST_FEED_ID + self.slices, "a slice without an id of its own"
            self.held["a slice goes to the back"] += 1
        assert report.maker_leaves_lots == order.shown, "another slice than it shows"

    # ------------------------------------------------------------ stops and pegs

    def elect(self, number: int) -> None:
        """Stops that were reached since, to the tail of those that will run."""
        book = self.books[number]
        if book.phase != Phase.CONTINUOUS:
            self.elected.pop(number, None)
            for order in book.waiting.values() if book.trigger == Trigger.LAST_TRADE else ():
                if order.waits:
                    book.trail(order)
            return
        queue = self.elected.setdefault(number, [])
        last, bid, ask = self.before[number]
        found = []
        for order in book.waiting.values():
            if order.waits and order not in queue:
                book.trail(order)
                if book.is_reached(order):
                    before = last if not book.trigger else ask if order.side == Side.BUY else bid
                    distance = 0 if before is None else abs(order.stop - before)
                    found.append((distance, order.order_id))
        queue += [self.orders[order_id] for _, order_id in sorted(found)]

    def triggered(self, report: Heard) -> None:
        order, number = self.tell(report), report.instrument
        book = self.books[number]
        self.settle()
        self.elect(number)
        assert self.elected.get(number), "no stop was reached"
        assert self.elected[number].pop(0) is order, "not the stop whose turn it is"
        self.before[number] = (book.last, book.best(Side.BUY), book.best(Side.SELL))
        book.take(order)
        order.is_elected = True
        self.run = Run(order)
        if number in self.moved:
            self.since.add(number)
        self.held["a stop runs when it is its turn"] += 1

    def repriced(self, report: Heard) -> None:
        """A peg that came where it was before is not told of then, and follows others like any."""
        order, number = self.orders[report.order_id], report.instrument
        book = self.books[number]
        assert (report.last_price_ticks, report.last_lots) == (order.price, order.leaves)
        came = order.peg and book.phase == Phase.CONTINUOUS and given(order.price) == book.place_of_peg(order)
        if self.run and self.run.order is order and self.run.awaits_price(book.phase) and not came:
            self.run.has_price = True
            if order.order_type == OrderType.MARKET_TO_LIMIT:
                assert report.price_ticks == self.run.asked, "not the price that it took"
            elif book.phase == Phase.CONTINUOUS:
                assert given(report.price_ticks) == book.place_of_peg(order), "a peg comes to another price"
                self.held["a peg comes to its price"] += 1
            order.price = report.price_ticks
        elif order.order_type != OrderType.PEGGED:
            assert order.price == EMPTY_PRICE, "another price for an order that has one"
            assert report.price_ticks == book.reference, "not the auction's price"
            book.take(order)
            order.price = report.price_ticks
            book.rest(order)
        elif book.phase != Phase.CONTINUOUS:
            assert report.price_ticks == EMPTY_PRICE, "a peg has a price, and nothing trades"
            book.take(order)
            order.price = EMPTY_PRICE
            book.rest(order)
        else:
            self.follow(number, book)
            order.price = report.price_ticks
            self.run = Run(order, has_price=True)
        self.tell(report)

    def follow(self, number: int, book: Book) -> None:
        """Pegs follow once in an input, when the stops have run: all that move leave first."""
        self.settle()
        if number in self.moved:
            return
        self.elect(number)
        assert not self.elected.get(number), "pegs follow before the stops have run"
        self.before[number] = (book.last, book.best(Side.BUY), book.best(Side.SELL))
        self.moved.add(number)
        book.followed = book.touch()
        is_halted = False
        for report in self.rest:
            if report.reason == Reason.EXPIRED:
                break
            is_halted |= report.kind == ReportKind.PHASE_CHANGED
            order = self.orders.get(report.order_id)
            if order is None or report.kind != ReportKind.REPRICED or report.instrument != number:
                continue
            # A halt in the middle parks all pegs: those on their way, and those that had not moved.
            if order.peg and (not is_halted or given(order.price) != book.place_of_peg(order)):
                book.take(order)

    # ------------------------------------------------------------ phases and auctions

    def phase_changed(self, report: Heard) -> None:
        book, before, phase = self.books[report.instrument], report.time_in_force, report.order_type
        assert book.phase == before
        if self.breaker_halts(report, book):
            return
        if self.command["kind"] == CommandKind.PHASE:
            assert report.last_lots == self.command["until_ns"], "it tells of a random end"
        self.end_input()
        self.begin_input()
        assert not (before in (Phase.HALT, Phase.CLOSED) and phase == Phase.CONTINUOUS), "without an auction"
        uncrosses = before in COLLECTING and phase in (Phase.CONTINUOUS, Phase.CLOSED)
        if uncrosses:
            self.begin_auction(report, book)
        else:
            assert report.price_ticks == EMPTY_PRICE, "a price without an auction"
            assert not report.quantity_lots, "a volume without an auction"
        book.phase = phase
        self.left = book

    def breaker_halts(self, report: Heard, book: Book) -> bool:
        """Whether it is in the middle of an order's run; what that would trade with next is too far away."""
        run = self.run
        if run is None or run.order.order_id not in self.orders or report.order_type != Phase.HALT:
            return False
        maker, _ = self.next_of(run)
        if self.books[run.order.instrument] is not book or maker is None or not book.breaks(maker.price):
            return False
        book.phase = Phase.HALT
        self.elected.pop(report.instrument, None)
        self.held["the breaker halts trading"] += 1
        return True

    def begin_auction(self, report: Heard, book: Book) -> None:
        """The price is the one of the rules, found by trying every tick."""
        told = given(report.price_ticks)
        if book.ticks() <= MOST_TICKS:
            price, volume = book.auction() or (None, 0)
            assert (told, report.quantity_lots) == (price, volume), (
                f"{price} for {volume} is the auction's price"
            )
            self.held["an auction's price" if volume else "an auction without trades"] += 1
        if told is not None:
            self.uncrossing, self.lots_to_come = (book, told), report.quantity_lots

    def auction_trade(self, report: Heard, bid: Account, ask: Account) -> None:
        assert self.uncrossing is not None
        book, price = self.uncrossing
        assert report.last_price_ticks == price, "not at the auction's price"
        for side, order in ((Side.BUY, bid), (Side.SELL, ask)):
            assert order is book.next_in_auction(side, price), "not the one whose turn it is"
        assert report.last_lots == min(bid.lots, ask.lots)
        self.lots_to_come -= report.last_lots
        self.held["a trade at the auction's price"] += 1

    def end_auction(self) -> None:
        assert self.uncrossing is not None
        book, price = self.uncrossing
        assert self.lots_to_come == 0, "not the auction's volume"
        more = [book.next_in_auction(side, price) for side in Side]
        assert None in more, "more would trade in the auction"
        book.last = book.reference = price
        self.uncrossing = None

    def end_phase(self) -> None:
        """What a phase ends is gone; what waited for the next one comes in, in order of order id."""
        if self.left is None:
            return
        book, self.left = self.left, None
        for order in sorted(book.waiting.values(), key=lambda one: one.order_id):
            waits = order.waits or order.peg or book.waits_for_an_auction(order)
            if not waits:
                book.take(order)
                book.rest(order)
        lasting = {order.lasts for order in self.orders.values() if self.books[order.instrument] is book}
        if book.phase == Phase.CLOSED:
            assert lasting <= {TimeInForce.GTC, TimeInForce.GTD}, "an order outlived the day"
        elif book.phase not in (*OPENING, Phase.HALT):
            assert TimeInForce.AT_OPEN not in lasting, "an at-open order outlived the opening"

    # ------------------------------------------------------------ the rest

    def mass_cancelled(self, report: Heard) -> None:
        assert report.quantity_lots == self.cancelled_count, "another number than were cancelled"

    def advanced(self, report: Heard) -> None:
        assert self.command["expire_ns"] >= self.time_ns, "time went back"
        self.time_ns = self.command["expire_ns"]
