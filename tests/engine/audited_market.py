"""The market as the auditor keeps it: orders, queues and terms, written from the rules' words and sharing no code."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from engine.records import (
    EMPTY_PRICE,
    INT64_MAX,
    Algorithm,
    CommandFlag,
    OrderType,
    PegKind,
    Phase,
    SelfMatchMode,
    Side,
    TimeInForce,
    Trigger,
)

COLLECTING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


@dataclass(slots=True)
class Account:
    """One order, as the reports tell it; what they do not tell is of the command that they accept."""

    order_id: int
    instrument: int
    side: int
    order_type: int
    lasts: int
    flags: int
    price: int
    total: int
    leaves: int
    group: int = 0
    mode: int = 0
    minimum: int = 0
    display: int = 0
    shown: int = 0  # of an iceberg in the book
    stop: int = EMPTY_PRICE
    offset: int = 0
    peg: int = 0
    peg_limit: int = EMPTY_PRICE
    expires: int = 0
    filled: int = 0
    is_elected: bool = False
    place: str = ""  # shown, hidden, market, stops or parked; "" while it comes in

    @property
    def is_hidden(self) -> bool:
        return bool(self.flags & CommandFlag.HIDDEN)

    @property
    def waits(self) -> bool:
        return self.order_type in STOPS and not self.is_elected

    @property
    def without_limit(self) -> bool:
        return self.order_type in (OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP)

    def is_of_group(self, maker: "Account") -> bool:
        return bool(self.mode) and maker.group == self.group

    def is_stopped_by(self, makers: list["Account"]) -> bool:
        """Whether it does not get past one of them, being of its own group."""
        return self.mode > SelfMatchMode.CANCEL_RESTING and any(map(self.is_of_group, makers))

    @property
    def lots(self) -> int:
        """What of it trades before its turn is over."""
        return self.shown if self.display and self.place == "shown" else self.leaves


class Run:
    """An order that comes to the book, from its first trade to its end."""

    def __init__(self, order: Account, has_price: bool = False) -> None:
        self.order = order
        self.is_begun = False
        self.has_price = has_price  # of a peg: the one of its arrival, or of its repricing
        self.asked: int | None = None  # its limit; None: none
        self.limit: int | None = None  # the same, or a band before it
        self.filled = 0
        self.shared: int | None = (
            None  # the price of the level that is shared out, and what is still to come of it
        )
        self.shares: list[tuple[Account, int]] = []

    def awaits_price(self, phase: int) -> bool:
        """Whether a new price is of this run: of market-to-limit, or of a peg that comes, or that a halt parks."""
        if self.order.order_type != OrderType.PEGGED or phase != Phase.CONTINUOUS:
            return True
        return not self.is_begun and not self.has_price


Queues = dict[int, list[Account]]  # by price; the first is the oldest


@dataclass
class Book:
    """One instrument: its terms, and each side's queues."""

    lot: int = 1
    low: int | None = None
    high: int | None = None
    protection: int | None = None
    algorithm: int = 0
    top_order: int = 0
    share_minimum: int = 0
    trigger: int = 0
    table: list[tuple[int, int]] | None = None
    phase: int = Phase.CONTINUOUS
    last: int | None = None
    reference: int | None = None
    static: int | None = None
    dynamic: int | None = None
    breaker_bp: int = 0
    followed: tuple[int | None, ...] | None = None  # what pegs were placed by, last
    shown: tuple[Queues, Queues] = field(default_factory=lambda: (defaultdict(list), defaultdict(list)))
    hidden: tuple[Queues, Queues] = field(default_factory=lambda: (defaultdict(list), defaultdict(list)))
    market: tuple[list[Account], list[Account]] = field(default_factory=lambda: ([], []))
    waiting: dict[int, Account] = field(default_factory=dict)  # stops, and what is parked

    # ------------------------------------------------------------ where orders are

    def put(self, order: Account, place: str) -> None:
        """Last of its queue."""
        order.place = place
        if place in ("stops", "parked"):
            self.waiting[order.order_id] = order
        elif place == "market":
            self.market[order.side].append(order)
        else:
            queues = self.shown if place == "shown" else self.hidden
            queues[order.side][order.price].append(order)
            order.shown = min(order.display, order.leaves)

    def take(self, order: Account) -> None:
        if order.place in ("stops", "parked"):
            del self.waiting[order.order_id]
        elif order.place == "market":
            self.market[order.side].remove(order)
        elif order.place:
            queues = (self.shown if order.place == "shown" else self.hidden)[order.side]
            queues[order.price].remove(order)
            if not queues[order.price]:
                del queues[order.price]
        order.place = ""

    def rest(self, order: Account) -> None:
        """Where an order goes that does not trade, or no more."""
        if order.waits:
            self.put(order, "stops")
        elif self.waits_for_an_auction(order):
            self.put(order, "parked")
        elif order.price == EMPTY_PRICE:
            self.put(order, "parked" if order.order_type == OrderType.PEGGED else "market")
        else:
            self.put(order, "hidden" if order.is_hidden else "shown")

    def waits_for_an_auction(self, order: Account) -> bool:
        if order.lasts == TimeInForce.AT_CLOSE:
            return self.phase != Phase.CLOSING_AUCTION
        if order.order_type == OrderType.PEGGED:
            return self.phase != Phase.CONTINUOUS
        return order.lasts == TimeInForce.GOOD_FOR_AUCTION and self.phase not in COLLECTING

    def resting(self) -> Iterator[Account]:
        """In the book, with a price."""
        for queues in (*self.shown, *self.hidden):
            for queue in queues.values():
                yield from queue

    # ------------------------------------------------------------ prices

    def best(self, side: int, *, hidden_too: bool = False, unpegged: bool = False) -> int | None:
        books = (self.shown[side], self.hidden[side]) if hidden_too else (self.shown[side],)
        prices = [
            price
            for queues in books
            for price, queue in queues.items()
            if not unpegged or any(order.order_type != OrderType.PEGGED for order in queue)
        ]
        return None if not prices else max(prices) if side == Side.BUY else min(prices)

    def tested(self, side: int) -> int | None:
        """What a stop of this side is tested against."""
        return self.last if self.trigger == Trigger.LAST_TRADE else self.best(1 - side)

    def is_reached(self, order: Account) -> bool:
        price = self.tested(order.side)
        if price is None:
            return False
        return price >= order.stop if order.side == Side.BUY else price <= order.stop

    def is_tick(self, price: int) -> bool:
        return price % self.increment(price) == 0

    def increment(self, price: int) -> int:
        return 1 if self.table is None else [step for begin, step in self.table if begin <= price][-1]

    def tick(self, side: int, price: int) -> int:
        """The nearest increment that is no more aggressive; the beginning of a range of prices is one."""
        step = self.increment(price)
        if side == Side.BUY:
            return price - price % step
        above = [begin for begin, _ in self.table or () if begin >= price]
        return min([price + -price % step, *above])

    def behind(self, side: int, price: int) -> int:
        return self.tick(side, price - 1 if side == Side.BUY else price + 1)

    def allows(self, price: int) -> bool:
        return (self.low is None or price >= self.low) and (self.high is None or price <= self.high)

    def breaks(self, price: int) -> bool:
        """Whether a breaker halts trading before a trade at this price."""
        if not self.breaker_bp or not self.reference:
            return False
        return abs(price - self.reference) * 10_000 >= self.breaker_bp * abs(self.reference)

    # ------------------------------------------------------------ who is next

    def next_maker(self, side: int, limit: int | None) -> Account | None:
        """Best price first, at it what is shown before what is hidden, then the oldest, within the limit."""
        price = self.best(side, hidden_too=True)
        if price is None:
            return None
        if limit is not None and (price < limit if side == Side.BUY else price > limit):
            return None
        return (self.shown[side].get(price) or self.hidden[side][price])[0]

    def next_in_auction(self, side: int, price: int) -> Account | None:
        return self.market[side][0] if self.market[side] else self.next_maker(side, price)

    def banded(self, side: int, limit: int | None) -> int | None:
        """A limit, or what the static or the dynamic band leaves of it."""
        for centre, width in ((self.reference, self.static), (self.last, self.dynamic)):
            if centre is None or width is None:
                continue
            edge = centre + width if side == Side.BUY else centre - width
            nearer = min if side == Side.BUY else max
            limit = edge if limit is None else nearer(limit, edge)
        return limit

    def available(self, order: Account, limit: int | None) -> int:
        """What others have within its limit, as far as a breaker and its own group let it come."""
        side, lots = 1 - order.side, 0
        for price in sorted({*self.shown[side], *self.hidden[side]}, reverse=side == Side.BUY):
            past = limit is not None and (price > limit if order.side == Side.BUY else price < limit)
            if past or self.breaks(price):
                break
            shown, hidden = self.shown[side].get(price, []), self.hidden[side].get(price, [])
            if order.is_stopped_by([*shown, *hidden]):
                return lots + self.ahead_of_own(order, shown, hidden)
            lots += sum(maker.leaves for maker in (*shown, *hidden) if not order.is_of_group(maker))
        return lots

    def ahead_of_own(self, order: Account, shown: list[Account], hidden: list[Account]) -> int:
        """What it can have at the price at which an own order stops it: of an iceberg before a shown one, a slice."""
        if self.algorithm == Algorithm.PRO_RATA:
            return 0
        if order.is_stopped_by(shown):
            return sum(maker.lots for maker in takewhile(lambda one: not order.is_of_group(one), shown))
        ahead = takewhile(lambda one: not order.is_of_group(one), hidden)
        return sum(maker.leaves for maker in (*shown, *ahead))

    # ------------------------------------------------------------ pro-rata

    def shares_out(self, maker: Account) -> bool:
        return self.algorithm == Algorithm.PRO_RATA and not maker.is_hidden

    def shares(self, first: Account, incoming: int) -> list[tuple[Account, int]]:
        """A level's orders and what each is to have: the top order all it shows, where that is a rule."""
        queue = self.shown[first.side][first.price]
        total = sum(order.lots for order in queue)
        found = []
        for order in queue:
            share = incoming * order.lots // total // self.lot * self.lot
            found.append((order, share if share >= self.share_minimum else 0))
        if self.top_order:
            found[0] = (first, first.lots)
        return found

    # ------------------------------------------------------------ auctions

    def ticks(self) -> int:
        """How many prices there are to try, at most."""
        limits = [order.price for order in self.resting()]
        limits += [] if self.reference is None else [self.reference]
        return max(limits, default=0) - min(limits, default=0)

    def at(self, side: int, price: int) -> int:
        """What of a side would trade at a price."""
        lots = sum(order.leaves for order in self.market[side])
        for queues in (self.shown[side], self.hidden[side]):
            for limit, queue in queues.items():
                if limit >= price if side == Side.BUY else limit <= price:
                    lots += sum(order.leaves for order in queue)
        return lots

    def around_reference(self, reference: int) -> list[int]:
        """The increments next to it, or to the limit that it is beyond, which orders without a limit meet at."""
        nearest = (
            reference
            if self.allows(reference)
            else self.low
            if reference < (self.low or reference)
            else self.high
        )
        assert nearest is not None
        return [price for price in (self.tick(side, nearest) for side in Side) if self.allows(price)]

    def auction(self) -> tuple[int, int] | None:
        """Price and volume, by trying every tick; None: nothing trades, or there are too many to try."""
        limits = [order.price for order in self.resting()]
        if self.market[0] and self.market[1] and self.reference is not None:
            limits += self.around_reference(self.reference)
        if not limits:
            return None
        ticks = [
            price for price in range(min(limits), max(limits) + 1) if self.is_tick(price) or price in limits
        ]
        tried = [(price, self.at(Side.BUY, price), self.at(Side.SELL, price)) for price in ticks]
        volume = max(min(buys, sells) for _, buys, sells in tried)
        if not volume:
            return None
        tried = [one for one in tried if min(one[1:]) == volume]
        least = min(abs(buys - sells) for _, buys, sells in tried)
        tried = [one for one in tried if abs(one[1] - one[2]) == least]
        prices = [price for price, _, _ in tried]
        if all(buys > sells for _, buys, sells in tried):
            return max(prices), volume
        if all(buys < sells for _, buys, sells in tried):
            return min(prices), volume
        if self.reference is None:
            return max(prices), volume
        return min(prices, key=lambda price: (abs(price - (self.reference or 0)), -price)), volume

    # ------------------------------------------------------------ pegs

    def peg_price(self, order: Account) -> int | None:
        """Where a peg belongs, but for what it would trade with; None: nowhere."""
        bid, ask = self.best(Side.BUY, unpegged=True), self.best(Side.SELL, unpegged=True)
        if order.peg == PegKind.MID_PEG:
            if bid is None or ask is None:
                return None
            followed = (bid + ask + order.side) // 2
        else:
            own = (order.peg == PegKind.PRIMARY_PEG) == (order.side == Side.BUY)
            price = bid if own else ask
            if price is None:
                return None
            followed = price
        followed += order.offset
        if order.peg_limit != EMPTY_PRICE:
            followed = (min if order.side == Side.BUY else max)(followed, order.peg_limit)
        return self.tick(order.side, followed) if abs(followed) <= INT64_MAX else None

    def place_of_peg(self, order: Account) -> int | None:
        """The same, behind what it must not trade with, and within the instrument's limits; None: it is parked."""
        price = self.peg_price(order)
        barrier = None if order.peg == PegKind.MARKET_PEG else self.best(1 - order.side, hidden_too=True)
        if price is None:
            return None
        if barrier is not None and (price >= barrier if order.side == Side.BUY else price <= barrier):
            price = self.behind(order.side, barrier)
        return price if self.allows(price) and abs(price) * order.total <= INT64_MAX else None

    def touch(self) -> tuple[int | None, ...]:
        """What pegs depend on: the best that is not pegged, shown and of all."""
        return tuple(
            self.best(side, unpegged=True, hidden_too=hidden_too)
            for side in Side
            for hidden_too in (False, True)
        )

    def trail(self, order: Account) -> None:
        """A trailing stop follows a price that moves away from it."""
        price = self.tested(order.side)
        if order.order_type != OrderType.TRAILING_STOP or price is None:
            return
        if order.side == Side.BUY:
            order.stop = min(order.stop, price + order.offset)
        else:
            order.stop = max(order.stop, price - order.offset)
