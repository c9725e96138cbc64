"""What must have happened on a mixed day for it to prove anything: situations in which several rules meet.

Each is a sentence and a test of one scene: a command, what it reports, and the market before it.
"""

from collections import Counter
from collections.abc import Callable

from market_watch import Heard, Live, Watch

from engine.records import (
    EMPTY_PRICE,
    Algorithm,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    Reason,
    ReportKind,
    SelfMatchMode,
    Shows,
    TimeInForce,
)

FIRST_FEED_ID = 1 << 63


class Scene:
    """A command and its reports, in a market as it was before."""

    def __init__(self, watch: Watch, command: dict[str, int], reports: list[Heard]) -> None:
        self.watch = watch
        self.command = command
        self.reports = reports

    def all(self, kind: ReportKind, **fields: int) -> list[Heard]:
        """The reports of this kind in which these fields are so."""
        return [
            report
            for report in self.reports
            if report.kind == kind and all(getattr(report, name) == value for name, value in fields.items())
        ]

    def runs(self, *wanted: ReportKind) -> bool:
        """Whether reports of these kinds come in this order, others between them."""
        rest = iter(report.kind for report in self.reports)
        return all(kind in rest for kind in wanted)

    def before(self, order_id: int) -> Live | None:
        return self.watch.live.get(order_id)

    def algorithm(self) -> int:
        instrument = self.reports[0].instrument
        floors = self.watch.floors
        return floors[instrument].terms["algorithm"] if instrument < len(floors) else 0

    def trades(self) -> list[Heard]:
        return self.all(ReportKind.TRADE)

    def cancelled(self, reason: Reason, **fields: int) -> list[Heard]:
        return self.all(ReportKind.CANCELLED, reason=reason, **fields)

    def is_arrival(self) -> bool:
        return self.command["kind"] in (CommandKind.NEW, CommandKind.REPLACE, CommandKind.REENTER)

    def uncrossed(self) -> list[Heard]:
        """The trades of an auction, when there was one."""
        auctions = [report for report in self.all(ReportKind.PHASE_CHANGED) if report.quantity_lots]
        return self.trades() if auctions else []

    def follows(self, one: Callable[[Heard], bool], other: Callable[[Heard], bool]) -> bool:
        """Whether a report like the other comes right behind one like the first."""
        pairs = zip(self.reports, self.reports[1:], strict=False)
        return any(one(first) and other(second) for first, second in pairs)

    # ------------------------------------------------------------ what is asked of it in several ways

    def refreshed(self) -> Counter[tuple[int, int]]:
        """How often an order met a new slice of the same iceberg; by taker and iceberg."""
        taker, found = 0, Counter[tuple[int, int]]()
        for report in self.reports:
            if report.kind == ReportKind.TRADE:
                taker = report.order_id
            elif report.kind == ReportKind.DISPLAYED and report.maker_order_id > FIRST_FEED_ID and taker:
                found[taker, report.order_id] += 1
        return found

    def takers(self, kind: OrderType) -> set[int]:
        return {report.order_id for report in self.all(ReportKind.TRADE, order_type=kind)}

    def market_peg_takes(self) -> bool:
        moved = {report.order_id for report in self.all(ReportKind.REPRICED, order_type=OrderType.PEGGED)}
        return bool(self.takers(OrderType.PEGGED) & moved)

    def self_match(self, mode: SelfMatchMode) -> bool:
        collided = [report for report in self.reports if report.reason == Reason.SELF_MATCH]
        return bool(collided) and self.is_arrival() and self.command["self_match_mode"] == mode

    def peg_parked(self, kind: PegKind) -> bool:
        parked = self.all(ReportKind.REPRICED, order_type=OrderType.PEGGED, price_ticks=EMPTY_PRICE)
        known = [self.before(report.order_id) for report in parked]
        return any(order is not None and order.second.get("peg_kind") == kind for order in known)

    def entered(self, flag: CommandFlag) -> list[Heard]:
        entered = self.all(ReportKind.ACCEPTED) + self.all(ReportKind.REPLACED)
        return [report for report in entered if report.flags & flag]

    def slid(self) -> bool:
        wanted = self.command["price_ticks"]
        slides = self.entered(CommandFlag.POST_ONLY_SLIDE)
        return wanted != EMPTY_PRICE and any(report.price_ticks != wanted for report in slides)

    def pro_rata_level(self) -> list[Heard]:
        """The trades of an order that shared out a level of three or more."""
        trades = self.trades()
        if not trades or self.algorithm() != Algorithm.PRO_RATA or self.uncrossed():
            return []
        first = [report for report in trades if report.order_id == trades[0].order_id]
        level = [report for report in first if report.last_price_ticks == first[0].last_price_ticks]
        return level if len({report.maker_order_id for report in level}) > 2 else []

    def without_limit(self, order_id: int) -> bool:
        order = self.before(order_id)
        return order is not None and order.told.price_ticks == EMPTY_PRICE

    def times_in_force(self, trades: list[Heard]) -> set[int]:
        """Of the orders that traded, as far as they were there before."""
        ids = {one for report in trades for one in (report.order_id, report.maker_order_id)}
        return {order.told.time_in_force for order in map(self.before, ids) if order is not None}


def is_halt(report: Heard) -> bool:
    return report.kind == ReportKind.PHASE_CHANGED and report.order_type == Phase.HALT


def expiry(report: Heard) -> bool:
    return report.kind == ReportKind.CANCELLED and report.reason == Reason.EXPIRED


def by_time(scene: Scene, before: Phase, phase: Phase) -> bool:
    changes = scene.all(ReportKind.PHASE_CHANGED, time_in_force=before, order_type=phase)
    return scene.command["kind"] == CommandKind.ADVANCE and bool(changes)


TRIGGERED, TRADE, REPRICED = ReportKind.TRIGGERED, ReportKind.TRADE, ReportKind.REPRICED
SITUATIONS: dict[str, Callable[[Scene], bool]] = {
    # stops
    "a cascade of three stops, with trades between them": lambda scene: scene.runs(
        TRIGGERED, TRADE, TRIGGERED, TRADE, TRIGGERED
    ),
    "a breaker halts trading in a cascade": lambda scene: (
        scene.runs(TRIGGERED, ReportKind.PHASE_CHANGED) and any(map(is_halt, scene.reports))
    ),
    "stops of three types run after one command": lambda scene: (
        len({report.order_type for report in scene.all(TRIGGERED)}) == 3
    ),
    "buy and sell stops run after one command": lambda scene: (
        len({report.side for report in scene.all(TRIGGERED)}) == 2
    ),
    "a cancel elects a stop by the best price": lambda scene: (
        scene.command["kind"] == CommandKind.CANCEL and bool(scene.all(TRIGGERED))
    ),
    "a stop-limit order that was elected rests as an iceberg and is met": lambda scene: any(
        order is not None and order.told.order_type == OrderType.STOP_LIMIT
        for order in (
            scene.before(report.maker_order_id) for report in scene.all(TRADE, maker_shows=Shows.SHOWS_SLICE)
        )
    ),
    "a band keeps a stop from trading": lambda scene: bool(
        scene.cancelled(Reason.BAND_REMAINDER, order_type=OrderType.STOP)
    ),
    "an elected stop trades through its own group": lambda scene: (
        bool(scene.all(TRIGGERED)) and any(report.reason == Reason.SELF_MATCH for report in scene.reports)
    ),
    # icebergs and hidden orders
    "an iceberg is refreshed twice by one order": lambda scene: (
        max(scene.refreshed().values(), default=0) > 1
    ),
    "two icebergs take turns under one order": lambda scene: (
        len({iceberg for (_, iceberg), times in scene.refreshed().items() if times > 1}) > 1
    ),
    "one order meets shown, iceberg and hidden orders": lambda scene: (
        len({report.maker_shows for report in scene.trades()}) == 3 and not scene.uncrossed()
    ),
    "an amend keeps an iceberg its place": lambda scene: scene.follows(
        lambda one: one.kind == ReportKind.REPLACED and bool(one.kept_priority),
        lambda other: other.kind == ReportKind.DISPLAYED,
    ),
    # pegs
    "a market peg follows, takes, and elects a stop": lambda scene: (
        scene.market_peg_takes() and scene.runs(REPRICED, TRADE, TRIGGERED)
    ),
    "ten pegs follow one command": lambda scene: len(scene.all(REPRICED, order_type=OrderType.PEGGED)) >= 10,
    "a mid peg is parked": lambda scene: scene.peg_parked(PegKind.MID_PEG),
    "a primary peg is parked": lambda scene: scene.peg_parked(PegKind.PRIMARY_PEG),
    "a parked peg comes back": lambda scene: any(
        report.last_price_ticks == EMPTY_PRICE and report.price_ticks != EMPTY_PRICE
        for report in scene.all(REPRICED, order_type=OrderType.PEGGED)
    ),
    "a hidden peg trades": lambda scene: any(
        order is not None and order.told.order_type == OrderType.PEGGED
        for order in (
            scene.before(report.maker_order_id)
            for report in scene.all(TRADE, maker_shows=Shows.SHOWS_NOTHING)
        )
    ),
    "a market peg meets its own group": lambda scene: (
        scene.market_peg_takes() and any(report.reason == Reason.SELF_MATCH for report in scene.reports)
    ),
    # self-match
    "self-match cancels the resting order": lambda scene: scene.self_match(SelfMatchMode.CANCEL_RESTING),
    "self-match cancels the incoming order": lambda scene: scene.self_match(SelfMatchMode.CANCEL_INCOMING),
    "self-match cancels both": lambda scene: scene.self_match(SelfMatchMode.CANCEL_BOTH),
    "self-match decrements both": lambda scene: bool(scene.all(ReportKind.REDUCED, reason=Reason.SELF_MATCH)),
    "self-match takes off what an iceberg does not show": lambda scene: bool(
        scene.all(ReportKind.REDUCED, reason=Reason.SELF_MATCH, maker_shows=Shows.SHOWS_SLICE)
    ),
    "earlier fills stand before a self-match": lambda scene: bool(
        scene.trades()
        and scene.cancelled(Reason.SELF_MATCH, order_id=scene.trades()[0].order_id)
        and not scene.uncrossed()
    ),
    "a fill-or-kill order passes its own group and fills": lambda scene: (
        bool(scene.all(TRADE, time_in_force=TimeInForce.FOK, leaves_lots=0))
        and bool(scene.cancelled(Reason.SELF_MATCH))
    ),
    # pro-rata
    "a level of three is shared out": lambda scene: bool(scene.pro_rata_level()),
    "a level is shared out, and what is left goes by time": lambda scene: (
        len(level := scene.pro_rata_level()) > len({report.maker_order_id for report in level})
    ),
    "a level is shared out to hidden orders at last": lambda scene: bool(
        (level := scene.pro_rata_level()) and level[-1].maker_shows == Shows.SHOWS_NOTHING
    ),
    "a level is shared out to an iceberg that shows again": lambda scene: (
        bool(scene.pro_rata_level()) and max(scene.refreshed().values(), default=0) > 0
    ),
    "a level is shared out by an order that meets its own group": lambda scene: bool(
        scene.pro_rata_level() and any(report.reason == Reason.SELF_MATCH for report in scene.reports)
    ),
    # conditions on entry
    "all or none, filled by several": lambda scene: any(
        scene.all(TRADE, order_id=report.order_id, leaves_lots=0) and len(scene.trades()) > 1
        for report in scene.entered(CommandFlag.ALL_OR_NONE)
    ),
    "a minimum that was reached, and the rest rests": lambda scene: (
        scene.is_arrival()
        and bool(scene.command["flags"] & CommandFlag.EXTENDED)
        and scene.command["min_quantity_lots"] > 0
        and bool(scene.trades())
        and not scene.all(ReportKind.CANCELLED, order_id=scene.trades()[0].order_id)
        and scene.trades()[-1].leaves_lots > 0
    ),
    "a post-only order slides": lambda scene: scene.slid(),
    "market-to-limit rests at the price it took": lambda scene: (
        bool(scene.all(REPRICED, order_type=OrderType.MARKET_TO_LIMIT)) and scene.is_arrival()
    ),
    # auctions
    "an auction of hidden orders and icebergs": lambda scene: bool(
        (trades := scene.uncrossed())
        and any(report.maker_shows == Shows.SHOWS_NOTHING for report in trades)
        and scene.all(ReportKind.DISPLAYED)
    ),
    "an auction elects stops": lambda scene: bool(scene.uncrossed() and scene.all(TRIGGERED)),
    "an auction, and pegs come back": lambda scene: bool(
        scene.uncrossed() and scene.all(REPRICED, order_type=OrderType.PEGGED)
    ),
    "orders without a limit meet in an auction": lambda scene: any(
        scene.without_limit(report.order_id) and scene.without_limit(report.maker_order_id)
        for report in scene.uncrossed()
    ),
    "an auction gives market-to-limit its price": lambda scene: bool(
        scene.uncrossed() and scene.all(REPRICED, order_type=OrderType.MARKET_TO_LIMIT)
    ),
    "an at-open order trades at the opening": lambda scene: (
        TimeInForce.AT_OPEN in scene.times_in_force(scene.uncrossed())
    ),
    "an at-close order trades at the close": lambda scene: (
        TimeInForce.AT_CLOSE in scene.times_in_force(scene.uncrossed())
    ),
    "an auction of fifty trades": lambda scene: len(scene.uncrossed()) > 50,
    "an owner's orders meet each other in an auction": lambda scene: any(
        report.owner == report.maker_owner for report in scene.uncrossed()
    ),
    "a closing auction into the night": lambda scene: bool(
        scene.uncrossed() and scene.all(ReportKind.PHASE_CHANGED, order_type=Phase.CLOSED)
    ),
    # phases and time
    "a halt ends by time in a volatility auction": lambda scene: by_time(
        scene, Phase.HALT, Phase.VOLATILITY_AUCTION
    ),
    "a volatility auction ends by time": lambda scene: by_time(
        scene, Phase.VOLATILITY_AUCTION, Phase.CONTINUOUS
    ),
    "orders expire and phases end in one step": lambda scene: (
        any(map(expiry, scene.reports)) and bool(scene.all(ReportKind.PHASE_CHANGED))
    ),
    "an expiry moves pegs": lambda scene: scene.follows(expiry, lambda one: one.kind == REPRICED),
    "an expiry elects a stop": lambda scene: scene.follows(expiry, lambda one: one.kind == TRIGGERED),
    "five orders expire in one step": lambda scene: sum(map(expiry, scene.reports)) > 4,
    # mass operations and instruments
    "a mass cancel moves pegs": lambda scene: scene.runs(ReportKind.MASS_CANCELLED, REPRICED),
    "a mass cancel elects a stop": lambda scene: scene.runs(ReportKind.MASS_CANCELLED, TRIGGERED),
    "an instrument is delisted with orders in it": lambda scene: bool(
        scene.cancelled(Reason.INSTRUMENT_DELISTED)
    ),
    "new terms are followed by pegs": lambda scene: (
        scene.command["kind"] == CommandKind.CHANGE and bool(scene.all(REPRICED))
    ),
}


class Situations:
    """Counts them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(SITUATIONS, 0))

    def hear(self, watch: Watch, command: dict[str, int], reports: list[Heard]) -> None:
        scene = Scene(watch, command, reports)
        if len(reports) > 1:  # one report alone is none of them
            self.counts.update(name for name, is_there in SITUATIONS.items() if is_there(scene))
        for report in reports:
            self.counts[f"reason {Reason(report.reason).name}"] += bool(report.reason)
            self.counts[f"report {ReportKind(report.kind).name}"] += 1
