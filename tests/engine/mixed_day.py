"""A day with everything: all order types, phases and protections mixed, near one another so that they meet."""

from typing import Any

import numpy as np

from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    TimeInForce,
)

KINDS = {
    CommandKind.NEW: 62,
    CommandKind.CANCEL: 10,
    CommandKind.REDUCE: 3,
    CommandKind.REPLACE: 9,
    CommandKind.REENTER: 2,
    CommandKind.MASS_CANCEL: 0.4,
    CommandKind.ADVANCE: 3,
    CommandKind.PHASE: 1.6,
    CommandKind.CHANGE: 0.3,
    CommandKind.TICK: 0.2,
    CommandKind.PROTECT: 0.5,
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


class MixedDay:
    """Draws commands; `seed` decides all of them. So many of a hundred are `spoiled`: one field is anything."""

    def __init__(self, seed: int, instruments: int = 3, spoiled: float = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.instruments = instruments
        self.spoiled = spoiled
        self.time_ns = 0
        self.named: list[tuple[int, int]] = []  # owner and client_ref of the orders entered so far
        self.centre = int(self.random.choice([100, 100, 0, 10_000]))
        self.width = int(self.random.choice([3, 6, 20]))

    def chance(self, percent: float) -> bool:
        return bool(self.random.random() * 100 < percent)

    def pick(self, weights: dict[Any, float]) -> Any:
        keys = list(weights)
        shares = np.array([weights[key] for key in keys], float)
        return keys[int(self.random.choice(len(keys), p=shares / shares.sum()))]

    def price(self) -> int:
        return self.centre + int(np.rint(self.random.normal() * self.width))

    def lots(self) -> int:
        return int(self.random.geometric(0.12)) * (2 if self.chance(70) else 1)

    def instrument(self) -> int:
        return int(self.random.integers(0, self.instruments))

    # ------------------------------------------------------------ commands

    def start(self) -> Any:
        """Tick tables and instruments, each with terms of its own."""
        rows = [(1, EMPTY_PRICE, 1), (1, self.centre + 4, 2), (2, EMPTY_PRICE, 5)]
        commands = [self.tick(*row) for row in rows]
        return np.concatenate([*commands, *(self.definition(number) for number in range(self.instruments))])

    def tick(self, table: int, begin: int, increment: int) -> Any:
        command = np.zeros(1, COMMAND)
        row = command.view(TICK_ROW)
        row["kind"], row["table"], row["from_ticks"], row["tick_ticks"] = (
            CommandKind.TICK,
            table,
            begin,
            increment,
        )
        return command

    def definition(self, number: int, kind: int = CommandKind.DEFINE) -> Any:
        command = np.zeros(1, COMMAND)
        terms = command.view(DEFINITION)
        terms["kind"], terms["instrument"] = kind, number
        terms["lot_lots"] = 1 if self.chance(80) else 2
        terms["min_lots"] = 1 if self.chance(90) else 2
        terms["max_lots"] = INT64_MAX if self.chance(90) else 40
        terms["low_ticks"] = EMPTY_PRICE if self.chance(80) else self.centre - 3 * self.width
        terms["high_ticks"] = EMPTY_PRICE if self.chance(80) else self.centre + 3 * self.width
        terms["protection_ticks"] = -1 if self.chance(70) else int(self.random.integers(0, 2 * self.width))
        terms["algorithm"], terms["top_order"] = self.chance(40), self.chance(40)
        terms["pro_rata_minimum_lots"] = 0 if self.chance(60) else 2
        terms["trigger"] = self.chance(30)
        terms["tick_table"] = 0 if self.chance(60) else int(self.random.integers(1, 3))
        if kind == CommandKind.DEFINE:
            terms["phase"] = 0 if self.chance(70) else int(self.random.integers(0, 7))
        elif self.chance(3):
            terms["delist"] = 1
        return command

    def next(self) -> Any:
        """One command, as an array of one."""
        kind = self.pick(KINDS)
        command = {
            CommandKind.NEW: self.new,
            CommandKind.MASS_CANCEL: self.mass_cancel,
            CommandKind.ADVANCE: self.advance,
            CommandKind.PHASE: self.phase,
            CommandKind.CHANGE: lambda: self.definition(self.instrument(), CommandKind.CHANGE),
            CommandKind.TICK: lambda: self.tick(
                int(self.random.integers(1, 4)), EMPTY_PRICE, int(self.random.integers(1, 4))
            ),
            CommandKind.PROTECT: self.protect,
        }.get(kind, lambda: self.change(kind))()
        if self.chance(self.spoiled):
            self.spoil(command)
        return command

    def batch(self, count: int) -> Any:
        return np.concatenate([self.next() for _ in range(count)])

    def spoil(self, command: Any) -> None:
        """One field that is anything."""
        name = str(self.random.choice(COMMAND.names or ()))
        size = COMMAND[name].itemsize
        bits = int(self.random.integers(0, 2 ** min(8 * size, 63)))
        extremes = [0, 1, -1, EMPTY_PRICE, INT64_MAX] if COMMAND[name].kind == "i" else [0, 1, 255]
        if name == "quantity_lots" and (command["display_lots"][0] or command["kind"][0] != CommandKind.NEW):
            # Two orders of 2**62 lots, one of them shown in slices of two, would trade for years.
            bits, extremes = bits % 2**10, extremes[:4]
        command[name] = bits if self.chance(50) else int(self.random.choice(extremes))

    def entered(self, command: Any) -> None:
        """A name of its own, and now and then one that was used before."""
        owner, ref = int(self.random.integers(0, 3)), len(self.named)
        if self.chance(3) and self.named:
            owner, ref = self.named[int(self.random.integers(0, ref))]
        self.named.append((owner, ref))
        command["owner"], command["client_ref"], command["account"] = owner, ref, self.random.integers(0, 3)

    def named_before(self, command: Any) -> None:
        """The name of an order, rather a late one, or now and then an order id."""
        back = min(len(self.named), int(self.random.geometric(0.03)))
        command["owner"], command["client_ref"] = self.named[-back] if back else (0, 0)
        if self.chance(8):
            command["order_id"] = self.random.integers(1, len(self.named) + 2)

    def new(self) -> Any:
        command = np.zeros(1, COMMAND)
        self.entered(command)
        kind = self.pick(TYPES)
        command["kind"], command["instrument"] = CommandKind.NEW, self.instrument()
        command["side"], command["order_type"] = self.random.integers(0, 2), kind
        command["quantity_lots"] = self.lots()
        has_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        command["price_ticks"] = self.price() if has_limit else EMPTY_PRICE
        rests = kind not in (OrderType.MARKET,)
        times = {TimeInForce.GTC: 50, TimeInForce.DAY: 15, TimeInForce.GTD: 10 if rests else 0}
        if kind in (OrderType.LIMIT, OrderType.MARKET):
            times |= {TimeInForce.IOC: 6, TimeInForce.FOK: 6}
        if kind in (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT):
            times |= {TimeInForce.AT_OPEN: 3, TimeInForce.AT_CLOSE: 3, TimeInForce.GOOD_FOR_AUCTION: 4}
        command["time_in_force"] = self.pick(times)
        if self.chance(30):
            command["self_match_group"] = self.random.integers(1, 3)
            command["self_match_mode"] = self.random.integers(1, 5)
        self.flags(command, kind)
        self.extend(command, kind)
        return command

    def flags(self, command: Any, kind: int) -> None:
        rests = command["time_in_force"][0] in (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
        if kind == OrderType.LIMIT and rests and self.chance(15):
            command["flags"] |= np.uint8(
                CommandFlag.POST_ONLY if self.chance(50) else CommandFlag.POST_ONLY_SLIDE
            )
        elif kind in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.PEGGED) and rests and self.chance(15):
            command["flags"] |= np.uint8(CommandFlag.HIDDEN)
        elif kind in (OrderType.LIMIT, OrderType.MARKET) and self.chance(6):
            command["flags"] |= np.uint8(CommandFlag.ALL_OR_NONE)

    def extend(self, command: Any, kind: int) -> None:
        """The second line, where something in it is asked for."""
        lasts = command["time_in_force"][0]
        second: dict[str, int] = {}
        if lasts == TimeInForce.GTD:
            second["expire_ns"] = self.time_ns + int(self.random.integers(0, 60))
        if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) and self.chance(25):
            second["display_lots"] = 2 * int(self.random.integers(1, 3)) if self.chance(80) else 3
        elif kind in (OrderType.LIMIT, OrderType.MARKET) and self.chance(8):
            second["min_quantity_lots"] = int(self.random.integers(1, 8))
        if kind in (OrderType.STOP, OrderType.STOP_LIMIT) or (
            kind == OrderType.TRAILING_STOP and self.chance(20)
        ):
            second["stop_price_ticks"] = self.price()
        if kind == OrderType.TRAILING_STOP:
            second["offset_ticks"] = int(self.random.integers(1, self.width + 1))
        if kind == OrderType.PEGGED:
            second["peg_kind"] = int(self.random.integers(1, 4))
            second["offset_ticks"] = int(self.random.integers(-3, 4))
            if self.chance(30):
                second["peg_limit_ticks"] = self.price()
        if second:
            command["flags"] |= np.uint8(CommandFlag.EXTENDED)
            command["stop_price_ticks"] = command["peg_limit_ticks"] = EMPTY_PRICE
            for name, value in second.items():
                command[name] = value

    def change(self, kind: int) -> Any:
        command = np.zeros(1, COMMAND)
        self.named_before(command)
        command["kind"] = kind
        command["price_ticks"] = EMPTY_PRICE if self.chance(50) else self.price()
        command["quantity_lots"] = self.lots()
        if kind == CommandKind.REPLACE and self.chance(40):
            command["flags"] = CommandFlag.EXTENDED
            command["time_in_force"] = self.pick({TimeInForce.GTC: 3, TimeInForce.DAY: 1, TimeInForce.GTD: 1})
            if command["time_in_force"][0] == TimeInForce.GTD:
                command["expire_ns"] = self.time_ns + int(self.random.integers(0, 60))
            command["display_lots"] = 0 if self.chance(60) else int(self.random.integers(1, 4))
            command["stop_price_ticks"] = EMPTY_PRICE if self.chance(50) else self.price()
            command["offset_ticks"] = int(self.random.integers(-2, 5)) if self.chance(50) else 0
            command["peg_limit_ticks"] = EMPTY_PRICE if self.chance(70) else self.price()
        return command

    def mass_cancel(self) -> Any:
        command = np.zeros(1, COMMAND)
        command["kind"] = CommandKind.MASS_CANCEL
        command["flags"] = self.random.integers(1, 32) if self.chance(98) else 0
        command["owner"], command["account"] = self.random.integers(0, 3, 2)
        command["instrument"], command["side"] = self.instrument(), self.random.integers(0, 2)
        low, high = sorted((self.price(), self.price()))
        command["price_ticks"], command["stop_price_ticks"] = low, high
        return command

    def advance(self) -> Any:
        command = np.zeros(1, COMMAND)
        self.time_ns += int(self.random.integers(0, 12))
        command["kind"], command["expire_ns"] = CommandKind.ADVANCE, self.time_ns
        return command

    def phase(self) -> Any:
        command = np.zeros(1, COMMAND)
        change = command.view(PHASE_CHANGE)
        phases = {Phase.CONTINUOUS: 25, Phase.HALT: 1.5, Phase.CLOSED: 1.2, Phase.PRE_OPEN: 2}
        phases |= dict.fromkeys((Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION), 2)
        change["kind"], change["instrument"], change["phase"] = (
            CommandKind.PHASE,
            self.instrument(),
            self.pick(phases),
        )
        if self.chance(60):
            change["until_ns"] = self.time_ns + int(self.random.integers(1, 40))
            change["next_phase"] = self.pick(phases)
            change["random"] = self.random.integers(0, 2**62)
            change["window_ns"] = self.random.integers(0, 5)
        return command

    def protect(self) -> Any:
        command = np.zeros(1, COMMAND)
        limits = command.view(PROTECTION)
        limits["kind"], limits["instrument"] = CommandKind.PROTECT, self.instrument()
        limits["reference_ticks"] = EMPTY_PRICE if self.chance(30) else self.price()
        for name, scale in (("static_ticks", 4), ("dynamic_ticks", 3), ("distance_ticks", 4)):
            limits[name] = -1 if self.chance(70) else int(self.random.integers(0, scale * self.width))
        limits["max_notional"] = -1 if self.chance(80) else 3000
        if self.chance(40):
            limits["breaker_bp"] = self.random.integers(100, 2000)
            limits["halt_ns"], limits["auction_ns"] = self.random.integers(1, 20, 2)
        return command
