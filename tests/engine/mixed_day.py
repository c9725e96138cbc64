"""A day with everything: all order types, phases and protections mixed, near one another so that they meet.

The commands are drawn to fit the market, as its reports tell of it (`hear`): most name orders that live, stop prices
lie ahead of the last trade, closed instruments open again. Now and then one is wrong in a field, or anything.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from market_watch import Floor, Live, Watch, heard

from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    INT64_MIN,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    ReportKind,
    Side,
    TimeInForce,
    Trigger,
)

KINDS = {
    CommandKind.NEW: 65,
    CommandKind.CANCEL: 12,
    CommandKind.REDUCE: 3,
    CommandKind.REPLACE: 9,
    CommandKind.REENTER: 2,
    CommandKind.MASS_CANCEL: 0.5,
    CommandKind.ADVANCE: 3,
    CommandKind.PHASE: 2,
    CommandKind.CHANGE: 0.3,
    CommandKind.TICK: 0.2,
    CommandKind.PROTECT: 1,
    CommandKind.DEFINE: 0.1,
}
TYPES = {
    OrderType.LIMIT: 55,
    OrderType.MARKET: 8,
    OrderType.MARKET_TO_LIMIT: 5,
    OrderType.STOP: 6,
    OrderType.STOP_LIMIT: 8,
    OrderType.TRAILING_STOP: 6,
    OrderType.PEGGED: 12,
}
COLLECTING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
NEXT_PHASES = {
    Phase.CONTINUOUS: dict.fromkeys(COLLECTING, 2) | {Phase.HALT: 2, Phase.CLOSED: 1, Phase.CONTINUOUS: 0.3},
    Phase.HALT: dict.fromkeys(COLLECTING, 2) | {Phase.CLOSED: 0.5, Phase.CONTINUOUS: 0.3},
    Phase.CLOSED: dict.fromkeys(COLLECTING, 2) | {Phase.CONTINUOUS: 0.3},
} | dict.fromkeys(
    COLLECTING,
    dict.fromkeys(COLLECTING, 0.7) | {Phase.CONTINUOUS: 9, Phase.HALT: 0.3, Phase.CLOSED: 1},
)
RESTING = {TimeInForce.GTC: 50, TimeInForce.DAY: 15, TimeInForce.GTD: 10}
WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
MOST_INSTRUMENTS = 8
KNOWN_TERMS = ("lot_lots", "tick_table", "trigger", "algorithm", "top_order")


def record(layout: Any, **fields: int) -> Any:
    """One command, written by the names of `layout`."""
    command = np.zeros(1, COMMAND)
    view = command.view(layout)
    for name, value in fields.items():
        view[name] = value
    return command


class MixedDay:
    """Draws commands; `seed` decides all of them, together with what is heard.

    So many of a hundred are `spoiled`: one field is anything.
    """

    def __init__(self, seed: int, instruments: int = 3, spoiled: float = 1) -> None:
        self.random = random.Random(seed)
        self.instruments = instruments
        self.spoiled = spoiled
        self.watch = Watch()
        self.tables: list[list[tuple[int, int]]] = []  # as they were asked for: (from, increment)
        self.time_ns = 0
        self.entries = 0
        self.command: Any = None  # the last one
        self.opening = self.start()
        self.centre = self.random.choice([100, 100, 0, 10_000])
        self.width = self.random.choice([3, 6, 20])
        # On a deep day most orders rest away from the market, and there are hundreds.
        self.is_deep = self.chance(30)
        rarer = {CommandKind.CANCEL: 4, CommandKind.PHASE: 0.7, CommandKind.MASS_CANCEL: 0.3}
        self.kinds = KINDS | (rarer if self.is_deep else {})

    # ------------------------------------------------------------ drawing

    def chance(self, percent: float) -> bool:
        return self.random.random() * 100 < percent

    def pick(self, weights: dict[Any, float]) -> Any:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def from_to(self, low: int, high: int) -> int:
        """Any of them, both included."""
        return self.random.randint(low, high)

    def bell(self) -> int:
        return round(self.random.gauss(0, 1) * self.width)

    def floor(self, instrument: int) -> Floor:
        floors = self.watch.floors
        return floors[instrument] if instrument < len(floors) else Floor()

    def anchor(self, instrument: int) -> int:
        return max(-(2**62), min(self.watch.anchor(instrument, self.centre), 2**62))

    def instrument(self) -> int:
        """Mostly one that takes orders."""
        number = self.from_to(0, self.instruments - 1)
        for _ in range(4):
            floor = self.floor(number)
            if not floor.is_delisted and floor.phase not in (Phase.HALT, Phase.CLOSED):
                break
            number = self.from_to(0, self.instruments - 1)
        return number

    def on_tick(self, instrument: int, price: int) -> int:
        """The increment at or below a price; now and then the price itself."""
        price = max(-INT64_MAX, min(price, INT64_MAX))
        table = self.floor(instrument).terms.get("tick_table", 0)
        if not 1 <= table <= len(self.tables) or self.chance(2):
            return price
        increment = next(step for begin, step in reversed(self.tables[table - 1]) if begin <= price)
        return max(price - price % increment, -INT64_MAX)

    def price(self, instrument: int, side: int | None = None) -> int:
        """Near the last trade; of a side, on a deep day, rather behind it."""
        away = abs(self.bell()) + self.width // 2 if self.is_deep and self.chance(85) else self.bell()
        price = self.anchor(instrument) + (away if side == Side.SELL else -away)
        return self.on_tick(instrument, price)

    def lots(self, instrument: int, mean: float = 8) -> int:
        lot = self.floor(instrument).terms.get("lot_lots", 1)
        lots = min(1 + int(self.random.expovariate(1 / mean)), 400) * (30 if self.chance(1) else 1)
        return lots if self.chance(1) else lot * max(1, lots // lot)

    # ------------------------------------------------------------ what came of it

    def hear(self, reports: Any) -> None:
        """The reports of the last command."""
        command, told = self.command[0], heard(reports)
        done = {report.kind for report in told}
        if command["kind"] == CommandKind.DEFINE and ReportKind.DEFINED in done:
            self.instruments = max(self.instruments, len(self.watch.floors) + 1)
            self.listed(Floor())
        elif command["kind"] == CommandKind.CHANGE and ReportKind.CHANGED in done:
            floor = self.floor(int(command["instrument"]))
            self.listed(floor)
            if floor.is_delisted:
                floor.phase = Phase.CLOSED
        elif command["kind"] == CommandKind.TICK and ReportKind.CHANGED in done:
            self.tabled(self.command.view(TICK_ROW)[0])
        elif ReportKind.ADVANCED in done:
            self.time_ns = int(command["expire_ns"])
        self.watch.hear(command, told)

    def listed(self, floor: Floor) -> None:
        terms = self.command.view(DEFINITION)[0]
        floor.terms = {name: int(terms[name]) for name in KNOWN_TERMS}
        if terms["kind"] == CommandKind.DEFINE:
            floor.phase = int(terms["phase"])
            self.watch.floors.append(floor)
        floor.is_delisted = bool(terms["delist"])

    def tabled(self, row: Any) -> None:
        number, begin = int(row["table"]), int(row["from_ticks"])
        if number > len(self.tables):
            self.tables.append([])
        if begin == EMPTY_PRICE:
            self.tables[number - 1].clear()
        self.tables[number - 1].append((begin, int(row["tick_ticks"])))

    # ------------------------------------------------------------ commands

    def start(self) -> Iterator[Any]:
        """Tick tables and instruments, each with terms of its own."""
        third = self.centre - self.centre % 15 + 3  # begins in the middle of an increment of the row below
        for row in [
            (1, EMPTY_PRICE, 1),
            (1, self.centre + 4, 2),
            (2, EMPTY_PRICE, 5),
            (2, third, 3),
            (3, EMPTY_PRICE, 2),
        ]:
            yield self.tick(*row)
        for number in range(self.instruments):
            yield self.definition(number)

    def next(self) -> Any:
        """One command, as an array of one."""
        self.command = next(self.opening, None)
        if self.command is None:
            self.command = self.any_command()
            if self.chance(self.spoiled):
                self.spoil(self.command)
        return self.command

    def any_command(self) -> Any:
        kind = self.pick(self.kinds)
        draw = {
            CommandKind.NEW: self.new,
            CommandKind.MASS_CANCEL: self.mass_cancel,
            CommandKind.ADVANCE: self.advance,
            CommandKind.PHASE: self.phase,
            CommandKind.CHANGE: lambda: self.definition(self.instrument(), CommandKind.CHANGE),
            CommandKind.TICK: self.any_tick,
            CommandKind.PROTECT: self.protect,
            CommandKind.DEFINE: self.another,
        }.get(kind, lambda: self.change(kind))
        return draw()

    def played(self, machine: Any, count: int) -> Any:
        """The next commands, as one array; the machine runs each of them, and what it reports is heard."""
        commands = []
        for _ in range(count):
            commands.append(self.next())
            self.hear(machine.apply(commands[-1]))
        return np.concatenate(commands)

    def spoil(self, command: Any) -> None:
        """One field that is anything."""
        name = self.random.choice(COMMAND.names or ())
        if name == "expire_ns" and command["kind"][0] == CommandKind.ADVANCE:
            return  # the end of time is the end of the day
        kind = COMMAND[name]
        info = np.iinfo(kind)
        extremes = [0, 1, -1, EMPTY_PRICE, INT64_MAX] if kind.kind == "i" else [0, 1, 255]
        low, high = int(info.min), int(info.max)
        if name == "quantity_lots" and (command["display_lots"][0] or command["kind"][0] != CommandKind.NEW):
            # Two orders of 2**62 lots, one of them shown in slices of two, would trade for years.
            low, high, extremes = 0, 1000, extremes[:4]
        command[name] = self.from_to(low, high) if self.chance(50) else self.random.choice(extremes)

    # ------------------------------------------------------------ instruments

    def tick(self, table: int, begin: int, increment: int) -> Any:
        return record(TICK_ROW, kind=CommandKind.TICK, table=table, from_ticks=begin, tick_ticks=increment)

    def any_tick(self) -> Any:
        """A table begun anew, or one more row of it."""
        begins = EMPTY_PRICE if self.chance(60) else self.anchor(0) + self.bell()
        return self.tick(self.from_to(1, 5), begins, self.from_to(0 if self.chance(5) else 1, 4))

    def another(self) -> Any:
        """A new instrument where one was delisted, so that there are always some."""
        number = len(self.watch.floors)
        wanted = number < MOST_INSTRUMENTS and any(floor.is_delisted for floor in self.watch.floors)
        return self.definition(number if wanted else 0)

    def definition(self, number: int, kind: int = CommandKind.DEFINE) -> Any:
        terms = {
            "lot_lots": 1 if self.chance(80) else 2,
            "min_lots": 1 if self.chance(90) else 2,
            "max_lots": INT64_MAX if self.chance(90) else 40,
            "low_ticks": EMPTY_PRICE if self.chance(85) else self.centre - 4 * self.width,
            "high_ticks": EMPTY_PRICE if self.chance(85) else self.centre + 4 * self.width,
            "protection_ticks": -1 if self.chance(70) else self.from_to(0, 2 * self.width),
            "algorithm": self.chance(40),
            "top_order": self.chance(40),
            "pro_rata_minimum_lots": 0 if self.chance(60) else 2,
            "trigger": self.chance(30),
            "tick_table": 0 if self.chance(60) else self.from_to(1, max(1, len(self.tables))),
        }
        terms["top_order"] &= terms["algorithm"]
        if kind == CommandKind.DEFINE:
            terms["phase"] = 0 if self.chance(70) else self.random.choice([*Phase])
        elif self.chance(6) and sum(not floor.is_delisted for floor in self.watch.floors) > 1:
            terms["delist"] = 1
        return record(DEFINITION, kind=kind, instrument=number, **terms)

    def phase(self) -> Any:
        """Mostly out of a phase in which nothing trades, the way it may be left."""
        idle = [
            number for number, floor in enumerate(self.watch.floors) if floor.phase and not floor.is_delisted
        ]
        number = (
            self.random.choice(idle) if idle and self.chance(75) else self.from_to(0, self.instruments - 1)
        )
        now = Phase(self.floor(number).phase)
        phase = self.pick(NEXT_PHASES[now])
        ends = {}
        if self.chance(50):
            ends = {
                "until_ns": self.time_ns + self.from_to(0 if self.chance(5) else 1, 40),
                "next_phase": self.pick(NEXT_PHASES[phase]),
                "random": self.random.getrandbits(64),
                "window_ns": self.from_to(0, 5),
            }
        return record(PHASE_CHANGE, kind=CommandKind.PHASE, instrument=number, phase=phase, **ends)

    def protect(self) -> Any:
        """Wide enough that most orders pass; sometimes none at all."""
        collecting = [at for at, floor in enumerate(self.watch.floors) if floor.phase in COLLECTING]
        number = self.random.choice(collecting) if collecting and self.chance(50) else self.instrument()
        limits = {
            "reference_ticks": EMPTY_PRICE if self.chance(30) else self.anchor(number) + self.bell() // 4,
            "static_ticks": -1 if self.chance(75) else self.from_to(self.width, 5 * self.width),
            "dynamic_ticks": -1 if self.chance(75) else self.from_to(self.width // 2, 4 * self.width),
            "distance_ticks": -1 if self.chance(75) else self.from_to(self.width, 5 * self.width),
            "max_notional": -1 if self.chance(85) else 60 * max(1, abs(self.centre)),
        }
        if self.chance(50):
            part = 10_000 * self.width / max(10, abs(self.anchor(number)))
            limits["breaker_bp"] = max(1, round(part * self.random.uniform(0.3, 3)))
            limits["halt_ns"], limits["auction_ns"] = (
                self.from_to(0 if self.chance(5) else 1, 20),
                self.from_to(1, 20),
            )
        return record(PROTECTION, kind=CommandKind.PROTECT, instrument=number, **limits)

    def advance(self) -> Any:
        time_ns = self.time_ns + self.from_to(-1 if self.chance(3) else 0, 12)
        return record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=time_ns)

    # ------------------------------------------------------------ new orders

    def new(self) -> Any:
        kind, instrument, side = self.pick(TYPES), self.instrument(), self.from_to(0, 1)
        lots = self.lots(instrument, 25 if kind == OrderType.MARKET else 8)
        fields = {
            "instrument": instrument,
            "side": side,
            "order_type": kind,
            "quantity_lots": lots,
            "price_ticks": self.price(instrument, side) if kind in WITH_LIMIT else EMPTY_PRICE,
            "time_in_force": self.time_in_force(kind, instrument),
            "account": self.from_to(0, 2),
        } | self.name()
        if self.chance(30):
            fields |= {"self_match_group": self.from_to(1, 2), "self_match_mode": self.from_to(1, 4)}
        flags = self.flags(kind, fields["time_in_force"], self.floor(instrument).phase)
        if second := self.second(kind, flags, fields):
            flags |= CommandFlag.EXTENDED
            fields |= {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE} | second
        fields["flags"] = flags
        if self.chance(3):
            fields |= self.mistake(fields)
        return record(COMMAND, kind=CommandKind.NEW, **fields)

    def name(self) -> dict[str, int]:
        """A name of its own, and now and then that of an order that lives."""
        self.entries += 1
        known = self.watch.some_order(self.random) if self.chance(0.5) else None
        if known is not None:
            return {"owner": known.told.owner, "client_ref": known.told.client_ref}
        return {"owner": self.from_to(0, 2), "client_ref": self.entries}

    def time_in_force(self, kind: int, instrument: int) -> int:
        phase = self.floor(instrument).phase
        times = dict(RESTING)
        if kind == OrderType.MARKET:
            del times[TimeInForce.GTD]
        if kind in (OrderType.LIMIT, OrderType.MARKET) and not phase:
            times |= {TimeInForce.IOC: 6, TimeInForce.FOK: 6}
        if kind in (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT):
            times |= {TimeInForce.AT_CLOSE: 3, TimeInForce.GOOD_FOR_AUCTION: 4}
            opening = phase in (Phase.PRE_OPEN, Phase.OPENING_AUCTION)
            times[TimeInForce.AT_OPEN] = 12 if opening else 0.3
        return int(self.pick(times))

    def flags(self, kind: int, lasts: int, phase: int) -> int:
        trades = not phase or self.chance(5)
        if kind == OrderType.LIMIT and lasts in RESTING and trades and self.chance(15):
            return CommandFlag.POST_ONLY if self.chance(50) else CommandFlag.POST_ONLY_SLIDE
        if kind in (*WITH_LIMIT, OrderType.PEGGED) and lasts in RESTING and self.chance(15):
            return CommandFlag.HIDDEN
        at_once = kind in (OrderType.LIMIT, OrderType.MARKET) and lasts in (*RESTING, TimeInForce.IOC)
        return CommandFlag.ALL_OR_NONE if at_once and trades and self.chance(8) else 0

    def second(self, kind: int, flags: int, fields: dict[str, int]) -> dict[str, int]:
        """The second line, where something in it is asked for."""
        instrument, side, lasts = fields["instrument"], fields["side"], fields["time_in_force"]
        second: dict[str, int] = {}
        if lasts == TimeInForce.GTD:
            second["expire_ns"] = self.time_ns + self.from_to(0 if self.chance(5) else 1, 60)
        at_once = lasts in (TimeInForce.IOC, TimeInForce.FOK)
        if kind in WITH_LIMIT and not at_once and not flags & CommandFlag.HIDDEN and self.chance(30):
            second["display_lots"] = self.display(instrument, fields["quantity_lots"])
        elif kind in (OrderType.LIMIT, OrderType.MARKET) and (lasts in RESTING or lasts == TimeInForce.IOC):
            trades = not self.floor(instrument).phase
            if not flags & ~CommandFlag.HIDDEN and trades and self.chance(10):
                second["min_quantity_lots"] = min(self.from_to(1, 8), fields["quantity_lots"])
        if kind in (OrderType.STOP, OrderType.STOP_LIMIT) or (
            kind == OrderType.TRAILING_STOP and self.chance(30)
        ):
            second["stop_price_ticks"] = self.stop(instrument, side)
        if kind == OrderType.TRAILING_STOP:
            second["offset_ticks"] = self.from_to(1, self.width + 1)
        if kind == OrderType.PEGGED:
            second["peg_kind"] = self.pick(
                {PegKind.PRIMARY_PEG: 4, PegKind.MARKET_PEG: 3, PegKind.MID_PEG: 3}
            )
            second["offset_ticks"] = self.from_to(-3, 3) if self.chance(70) else 0
            if self.chance(25):
                second["peg_limit_ticks"] = self.price(instrument)
        return second

    def display(self, instrument: int, lots: int) -> int:
        lot = self.floor(instrument).terms.get("lot_lots", 1)
        return max(lot, min(lot * self.from_to(1, 3), lots - lots % lot))

    def stop(self, instrument: int, side: int) -> int:
        """Ahead of the last trade, and where others are too."""
        ahead = 1 + abs(self.bell()) // 2
        if self.floor(instrument).terms.get("trigger") == Trigger.OPPOSITE_BEST:
            ahead += self.width
        anchor = self.floor(instrument).last_ticks
        anchor = self.centre if anchor is None else anchor
        return self.on_tick(instrument, anchor + ahead + 4 if side == Side.BUY else anchor - ahead)

    def mistake(self, fields: dict[str, int]) -> dict[str, int]:
        """Terms that make no sense."""
        lots, flags = fields["quantity_lots"], int(fields["flags"]) | CommandFlag.EXTENDED
        second = (
            {"flags": flags}
            if fields["flags"] & CommandFlag.EXTENDED
            else {"flags": flags, "stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE}
        )
        wrong: list[dict[str, int]] = [
            {"quantity_lots": self.random.choice([0, -1, -lots, INT64_MIN, INT64_MAX, 1])},
            {"price_ticks": self.random.choice([EMPTY_PRICE, 0, self.centre, INT64_MAX, -INT64_MAX, 2**40])},
            {"price_ticks": 2**40, "quantity_lots": 2**30},
            {"side": 2},
            {"order_type": self.from_to(0, 8)},
            {"time_in_force": self.from_to(0, 8)},
            {"flags": self.from_to(0, 255)},
            {"self_match_group": self.from_to(0, 1), "self_match_mode": self.from_to(0, 5)},
            {"instrument": self.instruments},
            {**second, "display_lots": self.random.choice([-1, 1, lots, lots + 1, INT64_MAX])},
            {**second, "display_lots": 2, "quantity_lots": 24_000},
            {"flags": fields["flags"] | self.pick({CommandFlag.HIDDEN: 1, CommandFlag.ALL_OR_NONE: 1})},
            {**second, "min_quantity_lots": self.random.choice([-1, 1, lots, lots + 1, INT64_MAX])},
            {**second, "stop_price_ticks": self.random.choice([0, 1, self.centre, INT64_MAX, EMPTY_PRICE])},
            {**second, "offset_ticks": self.random.choice([-1, 0, 1, INT64_MAX, INT64_MIN])},
            {**second, "peg_kind": self.from_to(0, 4)},
            {**second, "peg_limit_ticks": self.random.choice([0, self.centre, INT64_MAX])},
            {**second, "expire_ns": self.random.choice([-1, 0, self.time_ns, self.time_ns + 5, INT64_MAX])},
            {**second, "link_role": 1},
        ]
        return self.random.choice(wrong)

    # ------------------------------------------------------------ changes

    def change(self, kind: int) -> Any:
        """Of an order that lives, named in one way or the other; now and then of none."""
        order = None if self.chance(4) else self.watch.some_order(self.random)
        if order is None:
            fields = {"owner": self.from_to(0, 2), "client_ref": self.from_to(0, self.entries)}
            return record(COMMAND, kind=kind, price_ticks=self.centre, quantity_lots=5, **fields)
        told = order.told
        fields = {"owner": told.owner, "client_ref": told.client_ref}
        if self.chance(30):
            fields = {"owner": told.owner, "order_id": told.order_id}
        if kind == CommandKind.REDUCE:
            fields["quantity_lots"] = self.from_to(0 if self.chance(3) else 1, min(order.leaves, 100) + 1)
        elif kind != CommandKind.CANCEL:
            fields |= self.amendment(kind, order)
        return record(COMMAND, kind=kind, **fields)

    def amendment(self, kind: int, order: Live) -> dict[str, int]:
        told = order.told
        has_limit = told.price_ticks != EMPTY_PRICE and told.order_type != OrderType.PEGGED
        new_price = self.chance(50 if has_limit else 2)
        price = self.price(told.instrument, told.side) if new_price else EMPTY_PRICE
        lots = self.lots(told.instrument) if kind == CommandKind.REENTER else told.quantity_lots
        if kind == CommandKind.REENTER and self.chance(3):
            lots = INT64_MAX
        if kind == CommandKind.REPLACE and self.chance(60):
            lots = max(order.filled, min(lots + self.from_to(-min(order.leaves, 50), 3), INT64_MAX))
        fields = {"price_ticks": price, "quantity_lots": lots}
        if kind == CommandKind.REPLACE and self.chance(45):
            fields |= {"flags": int(CommandFlag.EXTENDED)} | self.second_amendment(order)
        return fields

    def second_amendment(self, order: Live) -> dict[str, int]:
        """All that may change, most of it as it is."""
        told = order.told
        second = {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE} | order.second
        second.pop("peg_kind", None)
        second["time_in_force"] = told.time_in_force
        if told.time_in_force in RESTING and self.chance(40):
            second["time_in_force"] = self.pick(RESTING)
        second["expire_ns"] = 0
        if second["time_in_force"] == TimeInForce.GTD:
            second["expire_ns"] = self.time_ns + self.from_to(0 if self.chance(5) else 1, 60)
        if told.order_type in WITH_LIMIT and order.leaves < 1000 and self.chance(50):
            second["display_lots"] = self.random.choice([0, 1, 2, 3, 4])
        is_stop = told.order_type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
        if is_stop and (self.chance(40) or not order.second):
            second["stop_price_ticks"] = self.stop(told.instrument, told.side)
        if told.order_type in (OrderType.PEGGED, OrderType.TRAILING_STOP) and self.chance(40):
            second["offset_ticks"] = self.from_to(-2, 4)
        if told.order_type == OrderType.PEGGED and self.chance(30):
            second["peg_limit_ticks"] = self.price(told.instrument)
        return second

    def filters(self) -> int:
        """Mostly narrow: at least two of the five."""
        if self.chance(10):
            return self.from_to(0, 255)
        return sum(1 << bit for bit in self.random.sample(range(5), self.from_to(2, 5)))

    def mass_cancel(self) -> Any:
        number = self.instrument()
        low, high = sorted((self.price(number), self.price(number)))
        return record(
            COMMAND,
            kind=CommandKind.MASS_CANCEL,
            flags=self.filters(),
            owner=self.from_to(0, 2),
            account=self.from_to(0, 2),
            instrument=number if self.chance(97) else self.instruments,
            side=self.from_to(0, 1),
            price_ticks=low,
            stop_price_ticks=high,
        )
