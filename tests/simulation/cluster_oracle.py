"""What the slow engine says to the requests of the clients, in the order in which they took effect.

The order is the one of the input numbers (tag 20001) that the exchange itself reports; everything else, who trades with
whom, at which price, for how much, and what that leaves, is computed anew by engine/reference.py from what the clients
sent. It shares no line with the compiled engine, nor with the gateway's way from FIX to the engine.
"""

from collections import Counter
from collections.abc import Iterator

from engine.records import ReportKind, Side, TimeInForce
from engine.reference import Machine, Report
from gateway.inputs import RULES_VERSION

SYMBOLS = ("AAPL", "MSFT")
TICKS = 100  # a unit of price
SIDES = {"1": Side.BUY, "2": Side.SELL}
TIMES = {"0": TimeInForce.DAY, "1": TimeInForce.GTC, "3": TimeInForce.IOC}
CANCELLED = "4"

Told = tuple[str, ...]  # what a report says, as text


class Order:
    def __init__(self, client: str, id: str, order_id: int, quantity: int) -> None:
        self.client = client
        self.id = id  # the ClOrdID that it has now
        self.order_id = order_id
        self.quantity = quantity


class Oracle:
    """requests: by ClOrdID, who sent it and what."""

    def __init__(self, requests: dict[str, tuple[str, dict[str, str]]]) -> None:
        self.machine = Machine(RULES_VERSION)
        for _ in SYMBOLS:
            self.machine.define()
        self.requests = requests
        self._filled: Counter[int] = Counter()  # lots by order id
        self._orders: dict[int, Order] = {}  # every one that was ever accepted, by order id
        self._ids: dict[str, int] = {}  # the ClOrdID that an order has now -> its order id
        self._owners: dict[str, int] = {}

    def expected(self, id: str, told: dict[str, str]) -> list[tuple[str, Told]]:
        """The reports of the request `id`, of which the first is `told`; or of a cancel that nobody asked for."""
        client, request = self.requests[id]
        if told.get("150") == CANCELLED and id in self._ids:
            return self._reports(self.machine.cancel(self._ids[id], owner=self._owner(client)), client, id)
        if id in self._ids:
            return []  # it was taken before
        if request["35"] == "D":
            return self._enter(client, id, request)
        order = self._orders.get(self._ids.get(request["41"], 0))
        if order is None or order.client != client:
            return [(client, ("9", id))]
        live = self.machine.order(order.order_id)
        if live is None or live.side != SIDES[request["54"]]:
            return [(client, ("9", id))]
        if request["35"] == "F":
            return self._cancel(order, id)
        return self._replace(order, id, request)

    def _owner(self, client: str) -> int:
        return self._owners.setdefault(client, len(self._owners) + 1)

    def _enter(self, client: str, id: str, request: dict[str, str]) -> list[tuple[str, Told]]:
        reports = self.machine.submit(
            SYMBOLS.index(request["55"]),
            SIDES[request["54"]],
            int(request["38"]),
            int(request["44"]) * TICKS,
            owner=self._owner(client),
            time_in_force=TIMES[request["59"]],
        )
        if reports[0].kind == ReportKind.ACCEPTED:
            number = reports[0].order_id
            self._orders[number] = Order(client, id, number, int(request["38"]))
            self._ids[id] = number
        return self._reports(reports, client, id)

    def _cancel(self, order: Order, id: str) -> list[tuple[str, Told]]:
        reports = self.machine.cancel(order.order_id, owner=self._owner(order.client))
        if reports[0].kind == ReportKind.CANCELLED:
            self._rename(order, id)
        return self._reports(reports, order.client, id)

    def _replace(self, order: Order, id: str, request: dict[str, str]) -> list[tuple[str, Told]]:
        reports = self.machine.replace(
            order.order_id,
            quantity=int(request["38"]),
            price=int(request["44"]) * TICKS,
            owner=self._owner(order.client),
        )
        if reports[0].kind == ReportKind.REPLACED:
            self._rename(order, id)
        return self._reports(reports, order.client, id)

    def _rename(self, order: Order, id: str) -> None:
        del self._ids[order.id]
        order.id = id
        self._ids[id] = order.order_id

    def _reports(self, reports: tuple[Report, ...], client: str, id: str) -> list[tuple[str, Told]]:
        return [told for report in reports for told in self._told(report, client, id)]

    def _told(self, report: Report, client: str, id: str) -> Iterator[tuple[str, Told]]:
        """In the words of FIX: kind, ClOrdID, OrderID, LeavesQty, CumQty, and of a fill LastQty, LastPx, trade id."""
        kind = {
            ReportKind.ACCEPTED: "0",
            ReportKind.CANCELLED: "4",
            ReportKind.REPLACED: "5",
            ReportKind.TRADE: "F",
        }.get(report.kind)
        if kind is None:
            yield client, ("9", id)
            return
        terms = (str(report.order_id), str(report.leaves_lots), str(report.cumulative_lots))
        if kind != "F":
            yield client, (kind, id, *terms)
            return
        assert report.last_price_ticks is not None
        trade = (str(report.last_lots), f"{report.last_price_ticks / TICKS:.2f}", str(report.trade_id))
        yield client, (kind, id, *terms, *trade)
        maker = self._orders[report.maker_order_id]
        self._filled[maker.order_id] += report.last_lots
        self._filled[report.order_id] += report.last_lots
        maker_terms = (str(maker.order_id), str(report.maker_leaves_lots), str(self._filled[maker.order_id]))
        yield maker.client, (kind, maker.id, *maker_terms, *trade)


def words(fields: dict[str, str]) -> Told:
    """A report of the exchange, in the words of `_told`."""
    if fields["35"] != "8":
        return fields["35"], fields["11"]
    told = (fields["150"], fields["11"], fields["37"], fields["151"], fields["14"])
    return (*told, fields["32"], fields["31"], fields["880"]) if fields["150"] == "F" else told
