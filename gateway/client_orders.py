"""Orders as the client sees them: requests built, and the exchange's reports applied to them. No I/O."""

import struct
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from gateway.client_arguments import Number, exact, identifier, known, parts
from gateway.client_decoder import Report
from gateway.client_operations import request_named
from gateway.client_terms import Changes, Narrowed, Stated, Terms, of_order, of_replace, price_range
from gateway.client_types import ABSENT, REQUEST, ExecType, MsgType, OrdStatus, OrdType, Side, TimeInForce

ROW = struct.Struct("<qqQbb6B32s64s64s64s128s")  # one REQUEST
CLOSED_ORDERS = 10_000
"""How many closed orders are remembered by their ClOrdIDs."""


class RequestRefused(Exception):
    """The exchange refused what has no order whose state could say so; the text says why."""

    def __init__(self, report: Report) -> None:
        self.text = report.text or "no reason given"
        self.reason_code = report.reason_code
        super().__init__(f"refused: {self.text}")


class Order:
    """One order of this session, as far as reports have told."""

    def __init__(self, cl_ord_id: str, symbol: str, side: Side) -> None:
        self.cl_ord_id = cl_ord_id
        """The newest accepted ClOrdID; it changes with every replace."""
        self.first_cl_ord_id = cl_ord_id
        self.symbol, self.side = symbol, side
        self.order_id: int | None = None
        self.ord_type: OrdType | None = None
        self.time_in_force: TimeInForce | None = None
        self.terms: Terms = {}
        """What else it is: stop_price, display_quantity, ... as the keywords of `buy` have them."""
        self.quantity: Decimal | None = None
        self.price: Decimal | None = None
        self.leaves: Decimal | None = None
        self.cumulative = Decimal(0)
        self.average_price: Decimal | None = None
        self.status = OrdStatus.PENDING
        self.text: str | None = None
        """Why it was refused, or the last text of the exchange about it."""
        self.reason_code: int | None = None

    @property
    def open(self) -> bool:
        """Whether it may still trade."""
        return self.status.open

    @property
    def immediate(self) -> bool:
        """Whether it never rests in continuous trading."""
        lasts = self.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        return lasts or self.ord_type is OrdType.MARKET or self.terms.get("all_or_none", False)

    def __repr__(self) -> str:
        price = "" if self.price is None else f" at {self.price}"
        price += "".join(f" {name}={value}" for name, value in self.terms.items())
        text = f": {self.text}" if self.text else ""
        return (
            f"<Order {self.cl_ord_id} {self.side.name.lower()} {self.quantity} {self.symbol}{price} "
            f"{self.status.name.lower()}, filled {self.cumulative}{text}>"
        )


class Pending:
    """A request on its way: done when the exchange has said all it has to say about it."""

    def __init__(self, order: Order | None = None) -> None:
        self.order = order
        self.reports: list[Report] = []
        self.number = 0  # its MsgSeqNum, once sent
        self.done = False
        self.notify: Callable[[], None] | None = None

    def finish(self) -> None:
        self.done = True
        if self.notify is not None:
            self.notify()


def an_order(value: object) -> Order:
    """TypeError for anything else."""
    if not isinstance(value, Order):
        raise TypeError(f"{value!r} is no Order; allowed: what buy and sell return, and what orders() lists")
    return value


class Orders:
    """Builds requests and follows the orders they make. `token` makes ClOrdIDs unique among processes."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.by_id: dict[str, Order] = {}
        """Those that the exchange has told of: a ClOrdID that is on its way may be another order's still."""
        self.pending: dict[str, Pending] = {}
        self.unsettled: list[str] = []
        """Requests for market orders that were accepted: these trade at once, or wait for an auction."""
        self._by_number: dict[int, str] = {}  # the message number of a pending request
        self._rows: list[tuple[bytes, str]] = []
        self._closed: deque[Order] = deque()
        self._count = 0

    # ------------------------------------------------------------ requests

    def enter(
        self,
        side: Side,
        symbol: str,
        quantity: Number,
        price: Number | None,
        **terms: Unpack[Terms],
    ) -> Pending:
        """NewOrderSingle; a market order when neither price nor terms say otherwise."""
        stated = of_order(price, terms)
        chosen = terms.get("cl_ord_id")
        cl_ord_id = self._next_id() if chosen is None else chosen
        identifier("symbol", symbol, 32)
        identifier("ClOrdID", cl_ord_id, 64)
        if cl_ord_id in self.pending:
            raise ValueError(f"ClOrdID {cl_ord_id!r} is on its way already")
        order = Order(cl_ord_id, symbol, side)
        order.ord_type, order.time_in_force, order.terms = stated.ord_type, stated.time_in_force, stated.terms
        order.quantity = order.leaves = exact("quantity", quantity)
        order.price = None if price is None else exact("price", price)
        return self._request(
            "D",
            cl_ord_id,
            order,
            quantity=quantity,
            price=price,
            stated=stated,
            account=terms.get("account", ""),
        )

    def cancel(self, order: Order) -> Pending:
        """OrderCancelRequest for the whole order."""
        an_order(order)
        return self._request("F", self._next_id(), order, orig=order.cl_ord_id, quantity=order.quantity)

    def replace(
        self, order: Order, quantity: Number | None, price: Number | None, **changes: Unpack[Changes]
    ) -> Pending:
        """OrderCancelReplaceRequest; quantity is the new total, fills included; what is not given stays."""
        an_order(order)
        if quantity is None and price is None and not changes:
            raise ValueError("a replace changes something: give quantity, price or a term")
        kind = order.ord_type or OrdType.LIMIT
        stated = of_replace(kind, order.time_in_force, order.terms, changes)
        if price is None and kind in (OrdType.LIMIT, OrdType.STOP_LIMIT):
            price = order.price  # which they have to say
        cl_ord_id = self._next_id()
        pending = self._request(
            "G",
            cl_ord_id,
            order,
            orig=order.cl_ord_id,
            quantity=order.quantity if quantity is None else quantity,
            price=price,
            stated=stated,
        )
        self.by_id[cl_ord_id] = order
        return pending

    def status(self, order: Order) -> Pending:
        """OrderStatusRequest."""
        return self._request("H", an_order(order).cl_ord_id, order)

    def mass_status(self) -> Pending:
        """OrderMassStatusRequest for all of the session's open orders."""
        return self._request("AF", self._next_id(), None, request_type=ord("7"))

    def mass_cancel(self, symbol: str | None, **narrowed: Unpack[Narrowed]) -> Pending:
        """OrderMassCancelRequest: all orders, or those that are meant."""
        known(narrowed, Narrowed, "keyword")
        account, side, prices = narrowed.get("account"), narrowed.get("side"), price_range(narrowed)
        if symbol is not None:
            identifier("symbol", symbol, 32)
        elif prices:
            raise ValueError("low and high are prices of a symbol; give it, too")
        if account is not None:
            identifier("account", account, 64)
        return self._request(
            "q",
            self._next_id(),
            None,
            symbol=symbol or "",
            account=account or "",
            side=side,
            text=prices,
            request_type=ord("7" if symbol is None else "1"),
        )

    def operation(self) -> tuple[str, Pending]:
        """An operator's request that is sent beside the others: its id."""
        name = self._next_id()
        pending = self.pending[name] = Pending()
        return name, pending

    def rows(self) -> tuple[NDArray[np.void], list[str]]:
        """The requests built since the last call as an array of REQUEST, and their ids."""
        rows, self._rows = self._rows, []
        return np.frombuffer(b"".join(row for row, _ in rows), REQUEST), [name for _, name in rows]

    def discard(self) -> None:
        """Forget the requests built since `rows`: they were not sent."""
        for _, name in self._rows:
            order = self.pending.pop(name).order
            if order is not None and name != order.cl_ord_id:  # a replace's
                self.by_id.pop(name, None)
        self._rows = []

    def sent(self, first: int, names: list[str]) -> None:
        """The requests `names` went out numbered from `first`."""
        for number, name in enumerate(names, first):
            if name in self.pending:
                self.pending[name].number = number
                self._by_number[number] = name

    def unanswered(self) -> list[str]:
        """The requests that were sent and have no answer yet. The numbers of messages begin anew."""
        self._by_number.clear()
        return [name for name, pending in self.pending.items() if pending.number]

    def ask_again(self, names: list[str]) -> None:
        """Builds a question about each order that these requests, if they wait still, are about.

        What it is answered is the answer to a new order, too; a cancel or a replace ends without one.
        """
        asked: set[Order] = set()
        for name in names:
            pending = self.pending.get(name)
            if pending is None or pending.order is None:
                continue
            order, is_new = pending.order, name == pending.order.cl_ord_id
            if not is_new:
                del self.pending[name]
                pending.finish()
            if order not in asked:
                asked.add(order)
                waits = self.pending.get(order.cl_ord_id)
                self.status(order)
                if waits is not None:
                    self.pending[order.cl_ord_id] = waits

    def _next_id(self) -> str:
        self._count += 1
        return f"{self.token}-{self._count}"

    def _request(
        self,
        kind: str,
        cl_ord_id: str,
        order: Order | None,
        *,
        orig: str = "",
        quantity: Number | None = None,
        price: Number | None = None,
        stated: Stated | None = None,
        request_type: int = 0,
        account: str = "",
        symbol: str = "",
        side: Side | None = None,
        text: bytes = b"",
    ) -> Pending:
        price_mantissa, price_exponent = (ABSENT, 0) if price is None else parts("price", price)
        lots, lots_exponent = (ABSENT, 0) if quantity is None else parts("quantity", quantity)
        if order is not None:
            symbol, side = order.symbol, order.side
        row = ROW.pack(
            price_mantissa,
            lots,
            0,
            price_exponent,
            lots_exponent,
            1 if kind == "AF" else ord(kind),
            0 if side is None else ord(side.value),
            ord(stated.ord_type.value) if stated else 0,
            ord(stated.time_in_force.value) if stated and stated.time_in_force else 0,
            stated.post_only if stated else 0,
            request_type,
            identifier("symbol", symbol, 32) if symbol else b"",
            identifier("ClOrdID", cl_ord_id, 64),
            identifier("OrigClOrdID", orig, 64) if orig else b"",
            identifier("account", account, 64) if account else b"",
            stated.text if stated else text,
        )
        self._rows.append((row, cl_ord_id))
        pending = self.pending[cl_ord_id] = Pending(order)
        return pending

    # ------------------------------------------------------------ reports

    def apply(self, report: Report) -> Order | None:
        """Take a report in: the order it is about, if any, is brought up to date; its request is answered."""
        kind = report.msg_type
        order = None
        if kind is MsgType.EXECUTION_REPORT:
            order = self._execution(report)
        elif kind is MsgType.ORDER_CANCEL_REJECT:
            order = self.by_id.get(report.orig_cl_ord_id or "")
        self._answer(report)
        return order

    def _execution(self, report: Report) -> Order | None:
        name, origin = report.cl_ord_id, report.orig_cl_ord_id
        if name is None or report.symbol is None or report.side is None:
            return None  # the answer to a status request about nothing
        order = self._entered(report) or self.by_id.get(name) or self.by_id.get(origin or "")
        if order is None:
            order = Order(name, report.symbol, report.side)
        if report.exec_type is ExecType.REJECTED:
            if order.status is OrdStatus.PENDING:
                self._rejected(order, report)
            return order
        was_open = order.open
        if report.exec_type is not ExecType.CANCELED or origin is None:
            self.by_id[name] = order
            order.cl_ord_id = name
        order.order_id = report.order_id or order.order_id
        order.ord_type = report.ord_type or order.ord_type
        order.time_in_force = report.time_in_force or order.time_in_force
        order.terms = report.terms
        order.quantity = order.quantity if report.quantity is None else report.quantity
        if report.price is not None or order.ord_type is OrdType.PEGGED:  # one that is parked has none
            order.price = report.price
        order.leaves = order.leaves if report.leaves is None else report.leaves
        order.cumulative = order.cumulative if report.cumulative is None else report.cumulative
        order.average_price = report.average_price or None
        order.status = report.ord_status or order.status
        order.text = report.text
        order.reason_code = report.reason_code
        if was_open and not order.open:
            self._close(order)
        return order

    def _entered(self, report: Report) -> Order | None:
        """The new order that this is the first report of; None: another that has, or had, its ClOrdID, or was entered.

        A refusal tells of the other order's state, so that nothing but its ExecType is the new one's.
        """
        pending = self.pending.get(report.cl_ord_id or "")
        order = pending.order if pending else None
        if order is None or order.status is not OrdStatus.PENDING or order.cl_ord_id != report.cl_ord_id:
            return None
        other = self.by_id.get(order.cl_ord_id)
        its_own = other is None or other.order_id != report.order_id
        first = report.exec_type in (ExecType.NEW, ExecType.STATUS) and its_own
        return order if first or report.exec_type is ExecType.REJECTED else None

    def _close(self, order: Order) -> None:
        self._closed.append(order)
        if len(self._closed) > CLOSED_ORDERS:
            old = self._closed.popleft()
            for name in {old.cl_ord_id, old.first_cl_ord_id}:
                if self.by_id.get(name) is old:
                    del self.by_id[name]

    def _answer(self, report: Report) -> None:
        name = self._request_named(report)
        pending = self.pending.get(name) if name else None
        if name is None or pending is None:
            return
        order = pending.order
        if order is not None and order.status is OrdStatus.PENDING and order.cl_ord_id == report.cl_ord_id:
            return  # about another order of that ClOrdID
        pending.reports.append(report)
        if report.request_id is not None and not report.last_fragment and report.affected:
            return  # one of several answers to a mass status request
        if order is not None and order.immediate and order.open and report.exec_type is not ExecType.STATUS:
            if order.ord_type is OrdType.MARKET and report.exec_type is not ExecType.TRADE:
                self.unsettled.append(name)
            return  # its fills, and the cancel of what is left, follow at once
        del self.pending[name]
        self._by_number.pop(pending.number, None)
        if report.msg_type in (MsgType.REJECT, MsgType.BUSINESS_REJECT) and pending.order is not None:
            self._rejected(pending.order, report)
        pending.finish()

    def _rejected(self, order: Order, report: Report) -> None:
        """One that was never taken is closed; another stays what it was."""
        order.text, order.reason_code = report.text, report.reason_code
        if order.status is OrdStatus.PENDING:
            order.status, order.leaves = OrdStatus.REJECTED, Decimal(0)
            self._close(order)

    def _request_named(self, report: Report) -> str | None:
        """Which request this report answers."""
        if report.msg_type in (MsgType.REJECT, MsgType.BUSINESS_REJECT):
            return self._by_number.get(report.ref_seq_num or 0, report.ref_id)
        return report.request_id or report.cl_ord_id or request_named(report)
