"""What a trader on the floor knows of the market: heard from the reports, and used to draw commands that fit it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.records import EMPTY_PRICE, REPORT, CommandFlag, Phase, ReportKind

Heard = NamedTuple("Heard", [(name, int) for name in REPORT.names or ()])  # type: ignore[misc]


def heard(reports: Any) -> list[Heard]:
    """Reports with their fields as ints."""
    return [Heard._make(report) for report in reports.tolist()]


@dataclass(slots=True)
class Live:
    """A live order: its terms as they were reported, and the second line of the command that set them."""

    told: Heard
    second: dict[str, int]
    leaves: int

    @property
    def filled(self) -> int:
        return self.told.quantity_lots - self.leaves


@dataclass
class Floor:
    """One instrument."""

    phase: int = Phase.CONTINUOUS
    last_ticks: int | None = None
    terms: dict[str, int] = field(default_factory=dict)
    is_delisted: bool = False


SECOND = ("display_lots", "stop_price_ticks", "offset_ticks", "peg_limit_ticks", "expire_ns", "peg_kind")


class Watch:
    """Listens; the live orders and the phases are as the reports say."""

    def __init__(self) -> None:
        self.live: dict[int, Live] = {}
        self.ids: list[int] = []  # of live orders, and of some that were
        self.floors: list[Floor] = []

    def hear(self, command: Any, reports: list[Heard]) -> None:
        """What came of one command."""
        for report in reports:
            match report.kind:
                case ReportKind.ACCEPTED | ReportKind.REPLACED:
                    self.entered(command, report)
                case ReportKind.TRADE:
                    self.floors[report.instrument].last_ticks = report.last_price_ticks
                    self.left(report.order_id, report.leaves_lots)
                    self.left(report.maker_order_id, report.maker_leaves_lots)
                case ReportKind.CANCELLED:
                    self.left(report.order_id, 0)
                case ReportKind.REDUCED | ReportKind.REPRICED:
                    self.retold(report)
                case ReportKind.PHASE_CHANGED:
                    self.floors[report.instrument].phase = report.order_type

    def entered(self, command: Any, report: Heard) -> None:
        known = self.live.get(report.order_id)
        second = known.second if known else {}
        if command["flags"] & CommandFlag.EXTENDED:
            second = {name: int(command[name]) for name in SECOND}
        if known is None:
            self.ids.append(report.order_id)
        self.live[report.order_id] = Live(report, second, report.leaves_lots)

    def retold(self, report: Heard) -> None:
        order = self.live.get(report.order_id)
        if order is not None:
            order.told, order.leaves = report, report.leaves_lots

    def left(self, order_id: int, leaves: int) -> None:
        order = self.live.get(order_id)
        if order is None:
            return
        order.leaves = leaves
        if not leaves:
            del self.live[order_id]

    def some_order(self, random: Any) -> Live | None:
        """A live order, any of them alike."""
        while self.ids:
            at = random.randrange(len(self.ids))
            order = self.live.get(self.ids[at])
            if order is not None:
                return order
            self.ids[at] = self.ids[-1]
            self.ids.pop()
        return None

    def anchor(self, instrument: int, home: int) -> int:
        """Where an instrument trades, pulled home when it went far."""
        last = self.floors[instrument].last_ticks if instrument < len(self.floors) else None
        return home if last is None or last == EMPTY_PRICE else (9 * last + home) // 10
