"""LOBSTER message and orderbook files (lobsterdata.com) into flow.

A message is `seconds,type,order id,size,price,direction` and in some files a seventh column, which is passed over.
Types: 1 submission, 2 partial cancel, 3 deletion, 4 execution of a visible order, 5 of a hidden one, 6 cross, 7 halt;
the price is in 1/10,000 dollar and the direction is the resting order's, 1 buy and -1 sell. Row n
of the orderbook file is the book after message n: ask price, ask size, bid price, bid size, level by level.

Without the orderbook file, an order that is cancelled or executed without a submission rested before the record
began. With it, each row says what must be visible: an order that leaves the visible levels is taken out and comes
back, under its own id where a later message names it, when its price is visible again.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.convert import Execution, FlowBuilder, opposite, takers
from gateway.flow import FlowError

MESSAGE: Final = re.compile(
    r"(\d{1,9})(?:\.(\d{1,9})\d*)?,([1-7]),(-?\d{1,18}),(\d{1,18}),(-?\d{1,18}),(-?1|0)(?:,[^,]*)?\s*",
    re.ASCII,
)
SUBMIT, REDUCE, DELETE, EXECUTE = 1, 2, 3, 4
NO_LEVEL: Final = 9_999_999_999
CENT: Final = 100

Level = tuple[int, int]  # price, quantity


class Message(NamedTuple):
    time_ns: int
    kind: int
    order_id: int
    quantity: int
    price: int
    side: str


def parse_messages(lines: Iterable[str], name: str) -> list[Message]:
    """The messages of a file. Raises FlowError at the first bad line."""
    messages = []
    for number, line in enumerate(lines, 1):
        match = MESSAGE.fullmatch(line)
        if match is None:
            raise FlowError(
                f"{name}, line {number}: {line.strip()[:120]!r} is no LOBSTER message; "
                "allowed is seconds,type (1-7),order id,size,price,direction (1 or -1)"
            )
        seconds, fraction, kind, order_id, size, price, direction = match.groups()
        time_ns = int(seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))
        side = "B" if direction == "1" else "S"
        message = Message(time_ns, int(kind), int(order_id), int(size), int(price), side)
        if message.kind <= EXECUTE and (message.order_id < 0 or not message.quantity or direction == "0"):
            raise FlowError(
                f"{name}, line {number}: {line.strip()[:120]!r} is about a visible order (type 1 to 4); "
                "allowed is an order id of 0 or more, a size of 1 or more, and direction 1 or -1"
            )
        messages.append(message)
    if not messages:
        raise FlowError(f"{name}: the file is empty; a LOBSTER message file has a message on each line")
    return messages


def parse_orderbook(lines: Iterable[str], name: str) -> list[tuple[list[Level], list[Level], int]]:
    """Per row the visible bids and asks, best first, and how many levels the file has. Raises FlowError."""
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            values = list(map(int, line.split(",")))
        except ValueError:
            values = []
        if not values or len(values) % 4:
            raise FlowError(
                f"{name}, line {number}: {line.strip()[:120]!r} is no row of a LOBSTER orderbook; "
                "allowed is ask price,ask size,bid price,bid size for each level"
            )
        bids, asks = (
            [
                (values[at], values[at + 1])
                for at in range(first, len(values), 4)
                if abs(values[at]) != NO_LEVEL and values[at + 1] > 0
            ]
            for first in (2, 0)
        )
        rows.append((bids, asks, len(values) // 4))
    return rows


def tick_of(messages: list[Message]) -> int:
    """A cent, in the file's 1/10,000 dollar; or 1 when a visible order's price needs it."""
    fits = all(message.price % CENT == 0 for message in messages if message.kind <= EXECUTE)
    return CENT if fits else 1


class LobsterConverter:
    """Messages, and the rows of the orderbook when they are known, into a FlowBuilder's rows and fills.

    Raises FlowError when the two files have not the same number of lines.
    """

    def __init__(
        self,
        messages: list[Message],
        orderbook: list[tuple[list[Level], list[Level], int]] | None = None,
        name: str = "",
    ) -> None:
        if orderbook is not None and len(orderbook) != len(messages):
            raise FlowError(
                f"{name}: {len(orderbook)} rows of the orderbook for {len(messages)} messages; they go line by line"
            )
        self.builder = FlowBuilder()
        self.messages = messages
        self.orderbook = orderbook
        self.tick = tick_of(messages)
        self.now = 0  # the message that is being converted
        self.submitted: dict[int, int] = {}  # order id -> the message that submitted it
        self.references: dict[int, list[tuple[int, int]]] = defaultdict(
            list
        )  # id -> (message, size) of 2, 3 and 4
        self.named: dict[tuple[str, int], list[int]] = defaultdict(
            list
        )  # side and price -> ids referenced there
        self.leaves: dict[int, int] = {}  # of orders that were submitted; also while they are out of sight
        for at, message in enumerate(messages):
            if message.kind == SUBMIT:
                self.submitted.setdefault(message.order_id, at)
            elif message.kind in (REDUCE, DELETE, EXECUTE):
                if not self.references[message.order_id]:
                    self.named[message.side, message.price // self.tick].append(message.order_id)
                self.references[message.order_id].append((at, message.quantity))

    def convert(self) -> FlowBuilder:
        """Do it all and return the rows and fills."""
        self.builder.at(self.messages[0].time_ns)
        if self.orderbook is not None:
            self.begin_with_first_row()
        else:
            self.begin_with_unsubmitted()
        while self.now < len(self.messages):
            message = self.messages[self.now]
            self.builder.at(message.time_ns)
            last = self.now
            if message.kind == EXECUTE:
                last = self.executions()
            elif message.kind in (SUBMIT, REDUCE, DELETE):
                self.change(message)
            self.now = last
            if self.orderbook is not None:
                bids, asks, levels = self.orderbook[last]
                self.reconcile("B", bids, levels, "R")
                self.reconcile("S", asks, levels, "R")
            self.now += 1
        return self.builder

    # ------------------------------------------------------------ the beginning

    def begin_with_first_row(self) -> None:
        """The book before the first message is the first row with that message undone."""
        assert self.orderbook
        bids, asks, levels = self.orderbook[0]
        first = self.messages[0]
        before = {"B": dict(bids), "S": dict(asks)}[first.side]
        if first.kind <= EXECUTE:
            before[first.price] = before.get(first.price, 0) + (
                -first.quantity if first.kind == SUBMIT else first.quantity
            )
        undone = sorted((level for level in before.items() if level[1] > 0), reverse=first.side == "B")
        self.now = -1
        self.reconcile("B", undone if first.side == "B" else bids, levels + 1, "B")
        self.reconcile("S", undone if first.side == "S" else asks, levels + 1, "B")
        self.now = 0

    def begin_with_unsubmitted(self) -> None:
        """Orders named without a submission rest from the start, except those that cross one named before."""
        best: dict[str, int] = {}
        resting = []
        for order_id, references in sorted(self.references.items(), key=lambda item: item[1][0]):
            if order_id in self.submitted:
                continue
            message = self.messages[references[0][0]]
            price = message.price // self.tick
            other = best.get(opposite(message.side))
            if other is not None and (price >= other if message.side == "B" else price <= other):
                continue  # comes in when it is executed
            outdo = max if message.side == "B" else min
            best[message.side] = outdo(best.get(message.side, price), price)
            resting.append((order_id, message.side, price, sum(size for _, size in references)))
        for order in sorted(resting):
            self.builder.enter(*order, "B")

    # ------------------------------------------------------------ messages

    def change(self, message: Message) -> None:
        """A submission, partial cancel or deletion."""
        order_id = message.order_id
        if message.kind == SUBMIT:
            self.leaves[order_id] = message.quantity
            self.builder.enter(order_id, message.side, message.price // self.tick, message.quantity, "M")
            return
        self.take_off(order_id, message.quantity)
        if order_id in self.builder.orders:
            if message.kind == REDUCE:
                self.builder.reduce(order_id, message.quantity, "M")
            else:
                self.builder.cancel(order_id, "M")

    def executions(self) -> int:
        """The executions from here on that belong together; returns the last message that was used."""
        first = self.messages[self.now]
        executed = []
        last = at = self.now
        while at < len(self.messages):
            message = self.messages[at]
            if message.time_ns != first.time_ns:
                break
            if message.kind == EXECUTE and message.side == first.side:
                executed.append(Execution(message.order_id, message.price // self.tick, message.quantity))
                self.take_off(message.order_id, message.quantity)
                last = at
            elif message.kind <= EXECUTE:
                break
            at += 1
        side = opposite(first.side)
        *whole, final = takers(executed, side)
        for run in whole:
            self.builder.execute(side, run)
        remainder = self.remainder(at, side, final[-1].price)
        self.builder.execute(side, final, remainder)
        return at if remainder else last

    def remainder(self, at: int, side: str, price: int) -> Execution | None:
        """The row right after the executions, when it is what was left of the order that made them."""
        if at == len(self.messages):
            return None
        message = self.messages[at]
        rests_at = message.price // self.tick
        reaches = rests_at >= price if side == "B" else rests_at <= price
        if message.kind != SUBMIT or message.time_ns != self.messages[self.now].time_ns:
            return None
        if message.side != side or not reaches:
            return None
        self.leaves[message.order_id] = message.quantity
        return Execution(message.order_id, rests_at, message.quantity)

    def take_off(self, order_id: int, quantity: int) -> None:
        if order_id in self.leaves:
            self.leaves[order_id] -= quantity

    # ------------------------------------------------------------ what must be visible

    def reconcile(self, side: str, levels: list[Level], count: int, src: str) -> None:
        """Make this side the visible levels. What lies beyond them is taken out: it may change unseen."""
        target = {price // self.tick: quantity for price, quantity in levels}
        queues = self.builder.queues[side]
        for price in [price for price in queues if price not in target]:
            for order_id in list(queues[price]):
                self.builder.cancel(order_id, src)
        for price, quantity in target.items():
            have = sum(order.quantity for order in queues.get(price, {}).values())
            if have < quantity:
                self.fill_up(side, price, quantity - have, src)
            elif have > quantity:
                self.take_away(side, price, have - quantity)

    def fill_up(self, side: str, price: int, missing: int, src: str) -> None:
        """Orders that later messages name, the soonest named first, in order of their ids; then one without a name."""
        hidden = []
        for order_id in self.named[side, price]:
            ahead = [(at, size) for at, size in self.references[order_id] if at > self.now]
            if not ahead or order_id in self.builder.orders or self.submitted.get(order_id, -1) > self.now:
                continue
            quantity = self.leaves.get(order_id) or sum(size for _, size in ahead)
            hidden.append((ahead[0][0], order_id, quantity))
        back = []
        for _, order_id, quantity in sorted(hidden):
            if 0 < quantity <= missing:
                missing -= quantity
                back.append((order_id, quantity))
        for order_id, quantity in sorted(back):
            self.builder.enter(
                order_id, side, price, quantity, "B" if order_id not in self.submitted else src
            )
        if missing:
            self.builder.enter_unnamed(side, price, missing, src)

    def take_away(self, side: str, price: int, surplus: int) -> None:
        """From orders without a name first, then from those that no later message names, the youngest first."""
        queue = self.builder.queues[side][price]

        def keep(order_id: int) -> bool:
            references = self.references.get(order_id)
            return bool(references) and references[-1][0] > self.now  # type: ignore[index]

        youngest_first = list(reversed(queue))
        for order_id in sorted(youngest_first, key=keep):
            if not surplus:
                return
            amount = min(surplus, queue[order_id].quantity)
            surplus -= amount
            self.builder.reduce(order_id, amount, "R")
