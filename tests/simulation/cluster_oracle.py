"""What the slow engine says to what the log holds, input by input.

The order of the inputs is the one that the exchange itself reports; time, and what a leader enters itself, are read in
the log. Everything else, who trades with whom, at which price, for how much, what that leaves, and what comes due when,
is computed anew by engine/reference.py from what the clients sent. It shares no line with the compiled engine, nor with
the gateway's way from FIX to the engine.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from cluster_client import Client, Violation
from cluster_fix import Fields
from cluster_operations import STEP, Operations
from cluster_replay import Input
from cluster_terms import (
    BEFORE_3,
    SIDES,
    TIMES,
    amended_terms,
    carried,
    changes_for_life,
    is_post_only,
    new_terms,
    price_text,
)  # fmt: skip
from cluster_versions import rules_of

from engine.records import CommandKind, OrderType, Phase, Reason, ReportKind, Side
from engine.reference import Machine, Report
from engine.reference_state import FIRST_FEED_ID
from gateway.inputs import (
    ACTIVATE,
    INSTRUMENT,
    OPERATION,
    OPERATOR,
    read_instrument,
    read_operation,
    read_operator,
)

# Of ReasonCode (20002) what no engine says.
UNKNOWN_SYMBOL, UNSUPPORTED_TYPE, UNSUPPORTED_TIME, UNSUPPORTED_FIELD = 100, 107, 108, 109
CLOSED, REPLACED, NOT_THIS_ORDER, CANNOT_CHANGE = 110, 111, 112, 113
UNSUPPORTED_MESSAGE, NO_SUCH_ORDER, FIXED_FOR_LIFE, NOT_AN_OPERATOR = 116, 117, 125, 130
KILLED_SESSION, TOO_MANY_OPEN, UNKNOWN_TRADE, TRADE_IS_BUSTED = 136, 137, 138, 139
MASS_CANCELLED, DISCONNECTED, KILLED = 150, 151, 152
KINDS = {
    ReportKind.ACCEPTED: "0", ReportKind.CANCELLED: "4", ReportKind.REPLACED: "5", ReportKind.TRADE: "F",
    ReportKind.TRIGGERED: "L", ReportKind.REDUCED: "D", ReportKind.REPRICED: "D",
}  # fmt: skip
ENDS = (Reason.EXPIRED, Reason.END_OF_DAY)
SAID_BY = {
    "r": ("11", "531", "533", "20002"), "UR": ("20020", "20024", "533", "20049", "20050", "20002"), "j": ("20002",),
}  # fmt: skip
REASONS = {  # what is counted
    Reason.EXPIRED: "expired", Reason.END_OF_DAY: "closed for the day", Reason.SELF_MATCH: "self-match prevented",
    Reason.AUCTION_REMAINDER: "auction remainder", Reason.BAND_REMAINDER: "band remainder",
    Reason.INSTRUMENT_DELISTED: "delisted", Reason.MINIMUM_UNFILLABLE: "minimum unfillable",
}  # fmt: skip
HAPPENED = {
    ReportKind.TRIGGERED: "stop triggered", ReportKind.REPRICED: "repriced", ReportKind.REDUCED: "decremented",
    ReportKind.REPLACED: "replaced", ReportKind.MASS_CANCELLED: "mass cancelled",
}  # fmt: skip

Words = tuple[str, ...]  # what a report says, as text
Told = list[tuple[str, Words]]  # and to whom


class Request(NamedTuple):
    """rules: that held at a gateway to which it was sent, the oldest; heard: the largest input number that anybody had
    heard of when it was first sent."""

    client: str
    fields: Fields
    rules: int
    heard: int


class Order:
    """As its reports have told it."""

    def __init__(self, client: str, id: str, asked: dict[str, str], report: Report, term: int) -> None:
        self.client = client
        self.id = id  # the ClOrdID that it has now
        self.asked = asked
        self.own = carried(asked)
        self.order_id = report.order_id
        self.order_type = OrderType(report.order_type)
        self.lasts = asked["59"]
        self.quantity = report.quantity_lots
        self.price = report.price_ticks
        self.filled = 0
        self.ended = ""  # OrdStatus, once it is cancelled or expired
        self.term = term  # in which its terms were given

    @property
    def status(self) -> str:
        if self.filled == self.quantity:
            return "2"
        return self.ended or ("1" if self.filled else "0")

    @property
    def leaves(self) -> int:
        return 0 if self.ended else self.quantity - self.filled

    def said(self, kind: str, reason: int = 0) -> Words:
        """In the words of FIX: ExecType, ClOrdID, OrderID, OrderQty, Price, OrdStatus, LeavesQty, CumQty, reason."""
        terms = (str(self.order_id), str(self.quantity), price_text(self.price), self.status)
        return kind, self.id, *terms, str(self.leaves), str(self.filled), str(reason or "")


class Oracle:
    """requests: by ClOrdID or OperationID. clients: by name. counts: what happened."""

    def __init__(self, requests: dict[str, Request], clients: dict[str, Client]) -> None:
        self.machine = Machine(1)
        self.operations = Operations(self.machine)
        self.counts: Counter[str] = Counter()
        self._requests = requests
        self._clients = clients
        self._trades: dict[int, tuple[Report, Order, Order]] = {}  # by id, of rules 3, that were not busted
        self._busted: set[int] = set()
        self._orders: dict[int, Order] = {}  # every one that was ever accepted, by order id
        self._ids: dict[str, Order] = {}  # by every ClOrdID that it has or had
        self._done: set[str] = set()  # requests that were performed
        self._phases: dict[int, int] = {}  # by instrument: in which term its phase began
        self._term = 0

    # ------------------------------------------------------------ inputs

    def catch_up(self, time_ns: int, term: int) -> Iterator[Told]:
        """What comes due up to a time, a time after the other, as far as anybody is told of it."""
        machine = self.machine
        self._term = term
        while machine.rules >= 3 and (due_ns := self._due_ns()) <= time_ns:
            if told := self._told(machine.advance(due_ns)):
                yield told
        machine.time_ns = time_ns

    def _due_ns(self) -> int:
        """Of what comes due next; the end of time when nothing does."""
        machine = self.machine
        times = [order.expire_ns for order in machine._orders.values() if order.expire_ns]
        times += [book.until_ns for book in machine._instruments if book.until_ns]
        return min(times, default=1 << 63)

    def performed(self, input: Input) -> Told:
        """What is said because of an input that a client or the leader has entered, or because a client was away too
        long. Raises Violation."""
        if input.of_leader:
            return self._enter(input.of_leader)
        client, epoch, answer = next(
            (one for one in input.answers if one[2]["35"] in ("r", "UR")), input.answers[0]
        )
        if answer.get("20002") == str(DISCONNECTED):
            return self._disconnect(client)
        id = self._asked(client, epoch, answer, input.number)
        request = self._requests[id]
        asked = dict(request.fields)
        self._done.add(id)
        if asked["35"] == "UQ":
            return self._operate(id, request, answer)
        unsupported = self._is_unsupported(request, asked, answer)
        if asked["35"] == "D":
            return self._new(client, id, asked, unsupported)
        if asked["35"] == "q":
            return self._mass_cancel(client, id, asked)
        return self._change(client, id, asked, unsupported)

    def _asked(self, client: str, epoch: str, answer: dict[str, str], number: int) -> str:
        """The request that an answer is about; it was not performed before, and came after what was heard."""
        id = self._clients[client].answered_by(epoch, answer)
        request = self._requests.get(id)
        if request is None or request.client != client or id in self._done:
            raise Violation(f"{client} was told {answer}, by input {number}, and did not ask for it")
        if number <= request.heard:
            raise Violation(
                f"{id} is input {number}; when it was sent input {request.heard} had been heard of"
            )
        return id

    def _is_unsupported(self, request: Request, asked: dict[str, str], answer: dict[str, str]) -> bool:
        """Whether fields of it were refused before anything else, as rules 1 and 2 do. A gateway that is behind still
        goes by them when newer ones hold."""
        if not carried(asked):
            return False
        refused = self.machine.rules < 3
        if refused:
            self.counts["refused by older rules"] += 1
        return refused or (request.rules < 3 and answer.get("20002") == str(UNSUPPORTED_FIELD))

    def _enter(self, record: bytes) -> Told:
        """An input of a leader."""
        kind = record[4]
        if kind == ACTIVATE:
            self.machine.rules = max(self.machine.rules, rules_of(record))
        if kind == INSTRUMENT:
            self.operations.list(read_instrument(record)["symbol"])
        if self.machine.rules >= 3 and kind == OPERATOR:
            self.operations.operators.add(read_operator(record))
        if self.machine.rules >= 3 and kind == OPERATION:
            fields = [(str(tag), value) for tag, value in read_operation(record)]
            self.counts["schedule steps"] += any(tag == STEP for tag, _ in fields)
            self.operations.perform(fields, None)
            return self._told(self.operations.reports)
        return []

    # ------------------------------------------------------------ requests

    def _operate(self, id: str, request: Request, answer: dict[str, str]) -> Told:
        client, rules = request.client, self.machine.rules
        if rules < 3 or (request.rules < 3 and answer.get("20002") == str(UNSUPPORTED_MESSAGE)):
            self.counts["operation refused by older rules"] += 1
            return [(client, ("j", str(UNSUPPORTED_MESSAGE)))]
        if client not in self.operations.operators:
            return [(client, ("j", str(NOT_AN_OPERATOR)))]
        asked = dict(request.fields)
        if asked["20021"] == "BUST":
            told, *said = self._bust(int(asked["880"]))
        else:
            self.operations.perform(request.fields, self._clients.keys())
            told = self._told(self.operations.reports, KILLED if asked["20021"] == "KILL" else 0)
            said = list(self.operations.answer())
        self.counts["operator refused" if said[0] == "1" else "operator answered"] += 1
        return [*told, (client, ("UR", id, *said))]

    def _bust(self, trade_id: int) -> tuple[Told, str, str, str, str, str]:
        """Both sides are told, and the operator: nothing else changes."""
        if trade_id not in self._trades:
            reason = TRADE_IS_BUSTED if trade_id in self._busted else UNKNOWN_TRADE
            return [], "1", "", "", "", str(reason)
        self.counts["busted"] += 1
        self._busted.add(trade_id)
        report, *both = self._trades.pop(trade_id)
        trade = terms_of_trade(report)
        return [(order.client, (*order.said("H"), *trade)) for order in both], "0", "", "", "", ""

    def _new(self, client: str, id: str, asked: dict[str, str], unsupported: bool) -> Told:
        if reason := self._new_refusal(client, asked, unsupported):
            return [(client, ("8", id, str(reason)))]
        instrument = self.operations.symbols.index(asked["55"])
        owner = self.operations.owner(client)
        reports = self.machine.submit(instrument, owner=owner, **new_terms(asked))
        if reports[0].kind == ReportKind.REJECTED:
            return [(client, ("8", id, str(int(reports[0].reason))))]
        order = Order(client, id, asked, reports[0], self._term)
        self._orders[order.order_id] = self._ids[id] = order
        return self._told(reports)

    def _new_refusal(self, client: str, asked: dict[str, str], unsupported: bool) -> int:
        if unsupported:
            return UNSUPPORTED_FIELD
        if self.machine.rules < 3 and asked["40"] not in BEFORE_3["40"]:
            return UNSUPPORTED_TYPE
        if self.machine.rules < 3 and asked["59"] not in BEFORE_3["59"]:
            return UNSUPPORTED_TIME
        if asked["55"] not in self.operations.symbols:
            return UNKNOWN_SYMBOL
        most = self.operations.most_open(client)
        if most is None or len(self.machine.orders(self.operations.owner(client))) < most:
            return 0
        self.counts["too many open orders" if most else "stopped by the kill switch"] += 1
        return TOO_MANY_OPEN if most else KILLED_SESSION

    def _change(self, client: str, id: str, asked: dict[str, str], unsupported: bool) -> Told:
        order = self._ids.get(asked["41"])
        if order is None or order.client != client:
            return [(client, ("9", id, str(NO_SUCH_ORDER)))]
        reason = self._change_refusal(order, asked, unsupported)
        if not reason and asked["35"] == "G":
            reason = self._replace_refusal(order, asked)
        if reason:
            return [(client, ("9", id, str(reason)))]
        owner = self.operations.owner(client)
        if asked["35"] == "F":
            reports = self.machine.cancel(order.order_id, owner=owner)
        else:
            reports = self.machine.replace(order.order_id, owner=owner, **self._amended(order, asked))
        if reports[0].kind == ReportKind.REJECTED:  # pegs may go on with what they did after the input before
            return [(client, ("9", id, str(int(reports[0].reason)))), *self._told(reports[1:])]
        order.id, self._ids[id] = id, order
        if asked["35"] == "G":
            order.own |= carried(asked)
            order.lasts = asked.get("59", order.lasts)
            order.term = self._term
        return self._told(reports)

    def _change_refusal(self, order: Order, asked: dict[str, str], unsupported: bool) -> int:
        if order.status in "24C":
            return CLOSED
        if order.id != asked["41"]:
            return REPLACED
        if unsupported:
            return UNSUPPORTED_FIELD
        same = all(asked[tag] == order.asked[tag] for tag in ("54", "55"))
        return 0 if same else NOT_THIS_ORDER

    def _replace_refusal(self, order: Order, asked: dict[str, str]) -> int:
        if self.operations.most_open(order.client) == 0:
            return KILLED_SESSION
        if asked["40"] != order.asked["40"] or (is_post_only(asked) and not is_post_only(order.asked)):
            return CANNOT_CHANGE
        if self.machine.rules < 3 and asked.get("59", order.lasts) != order.lasts:
            return CANNOT_CHANGE
        return FIXED_FOR_LIFE if changes_for_life(order.own, asked) else 0

    def _amended(self, order: Order, asked: dict[str, str]) -> dict[str, Any]:
        terms = amended_terms(asked, order.order_type)
        if carried(asked) or asked["40"] == "P" or asked.get("59", order.lasts) != order.lasts:
            terms["time_in_force"] = TIMES[asked.get("59", order.lasts)]
        return terms

    # ------------------------------------------------------------ cancels

    def _mass_cancel(self, client: str, id: str, asked: dict[str, str]) -> Told:
        symbols, side = self.operations.symbols, asked.get("54")
        if asked.get("55", symbols[0]) not in symbols:
            return [(client, ("r", id, "0", "0", str(UNKNOWN_SYMBOL)))]
        instrument = symbols.index(asked["55"]) if "55" in asked else None
        ends = client, id, asked["530"]
        return self._cancel_all(client, MASS_CANCELLED, instrument, SIDES[side] if side else None, ends)

    def _disconnect(self, client: str) -> Told:
        self.counts["cancelled on disconnect"] += 1
        return self._cancel_all(client, DISCONNECTED)

    def _cancel_all(
        self,
        client: str,
        reason: int,
        instrument: int | None = None,
        side: Side | None = None,
        ends: tuple[str, str, str] | None = None,
    ) -> Told:
        """Of a client. Before rules 3 one by one."""
        machine, owner = self.machine, self.operations.owner(client)
        if machine.rules >= 3:
            return self._told(
                machine.mass_cancel(owner=owner, instrument=instrument, side=side), reason, ends
            )
        told: Told = []
        for order in machine.orders(owner):
            if instrument in (None, order.instrument) and side in (None, order.side):
                told += self._told(machine.cancel(order.order_id, owner=owner), reason)
        return told + ([mass_cancel_report(*ends, len(told))] if ends else [])

    # ------------------------------------------------------------ reports

    def _told(
        self, reports: Iterable[Report], reason: int = 0, ends: tuple[str, str, str] | None = None
    ) -> Told:
        """reason: of cancels of many. ends: whom a mass cancel is reported to, its ClOrdID, what it is of."""
        told: Told = []
        for report in reports:
            self._count(report)
            if report.kind == ReportKind.TRADE:
                told += self._trade(report)
            elif report.kind == ReportKind.MASS_CANCELLED and ends:
                told.append(mass_cancel_report(*ends, report.quantity_lots))
            elif report.kind in KINDS and (said := self._said(report, reason)):
                told.append(said)
        return told

    def _said(self, report: Report, mass_reason: int) -> tuple[str, Words] | None:
        """Of one order that did not trade; None: nobody is told."""
        order, kind, reason = self._orders[report.order_id], KINDS[report.kind], int(report.reason)
        if kind == "4":
            order.ended = kind = "C" if reason in ENDS else "4"
            reason = 0 if reason == Reason.REQUESTED else reason
            reason = mass_reason if mass_reason and reason in (0, Reason.MASS_REQUESTED) else reason
        elif report.kind == ReportKind.REPRICED and report.price_ticks == report.last_price_ticks:
            return None
        elif kind in "5D":
            order.price, order.quantity = report.price_ticks, report.quantity_lots
        return order.client, order.said(kind, reason)

    def _trade(self, report: Report) -> Told:
        """To the incoming order's client, then to the other's."""
        trade = terms_of_trade(report)
        both = self._orders[report.order_id], self._orders[report.maker_order_id]
        if self.machine.rules >= 3:
            self._trades[report.trade_id] = report, *both
        for order in both:
            order.filled += report.last_lots
        return [(order.client, (*order.said("F"), *trade)) for order in both]

    def _count(self, report: Report) -> None:
        by_time = report.command_kind == CommandKind.ADVANCE
        if report.kind == ReportKind.CANCELLED and report.reason in REASONS:
            self.counts[REASONS[report.reason]] += 1
            if report.reason == Reason.EXPIRED and self._orders[report.order_id].term != self._term:
                self.counts["expired under another leader"] += 1
        if report.kind in HAPPENED:
            self.counts[HAPPENED[report.kind]] += 1
        if report.kind == ReportKind.DISPLAYED and report.maker_order_id >= FIRST_FEED_ID:
            self.counts["iceberg refreshed"] += 1
        if report.kind != ReportKind.PHASE_CHANGED:
            return
        if report.price_ticks is not None:
            self.counts["auction"] += 1
        if report.order_type == Phase.HALT:
            self.counts["halted" if report.command_kind == CommandKind.PHASE else "halted by a breaker"] += 1
        if by_time:
            self.counts["phase ended"] += 1
            if self._phases.get(report.instrument) != self._term:
                self.counts["phase ended under another leader"] += 1
        self._phases[report.instrument] = self._term


def terms_of_trade(report: Report) -> Words:
    """LastQty, LastPx, TrdMatchID."""
    return str(report.last_lots), price_text(report.last_price_ticks), str(report.trade_id)


def mass_cancel_report(client: str, id: str, what: str, count: int) -> tuple[str, Words]:
    return client, ("r", id, what, str(count), "")


def words(fields: dict[str, str]) -> Words:
    """An answer of the exchange, as the oracle says it."""
    kind = fields["35"]
    tags = SAID_BY.get(kind, ("11", "20002"))
    if kind == "8" and fields["150"] != "8":
        tags = ("150", "11", "37", "38", "44", "39", "151", "14", "20002")
        return tuple(fields.get(tag, "") for tag in (tags + ("32", "31", "880") * (fields["150"] in "FH")))
    return kind, *(fields.get(tag, "") for tag in tags)
