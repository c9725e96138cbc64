"""What happens to a session's orders besides what a command asks for: told once, by the command that hears of it."""

import click

from gateway.client_decoder import Report
from gateway.client_orders import Order
from gateway.client_types import ExecType
from gateway.reasons import GatewayReason

TAKEN_OFF = 8  # ExecRestatementReason (378): partial decline of OrderQty; other restatements are new prices


class Meanwhile:
    """Takes reports, and tells those that have news. aside: on standard error, where standard output is for JSON."""

    def __init__(self, *, aside: bool) -> None:
        self._aside = aside
        self._news: list[tuple[int | None, str]] = []  # the order's id, and what to say

    def __call__(self, report: Report) -> None:
        if (what := happened(report)) is not None:
            self._news.append((report.order_id, f"{report.cl_ord_id} {what}"))

    def shown(self, order: Order) -> None:
        """The command says itself what has become of an order that it entered."""
        self._news = [(order_id, what) for order_id, what in self._news if order_id != order.order_id]

    def tell(self) -> None:
        """What nobody was told of yet."""
        news, self._news = self._news, []
        for _, what in news:
            click.echo(f"since the last command: {what}", err=self._aside)


def happened(report: Report) -> str | None:
    """What an order went through without its owner's request. None: nothing."""
    kind = report.exec_type
    if kind is ExecType.TRADE:
        return f"filled {report.last_quantity} at {report.last_price}"
    if kind is ExecType.BUSTED:
        return f"lost its fill of {report.last_quantity} at {report.last_price}"
    if kind is ExecType.TRIGGERED:
        return "triggered"
    if kind is ExecType.EXPIRED:
        return "expired"
    if kind is ExecType.RESTATED and report.restatement == TAKEN_OFF:
        return f"has {report.leaves} left: {report.text}"
    unasked = report.restatement is not None and report.reason_code != GatewayReason.MASS_CANCELLED
    if kind is ExecType.CANCELED and unasked:
        return cancelled(report.text)
    return None


def cancelled(text: str | None) -> str:
    """Why that was, in the exchange's words, some of which begin so."""
    return text if text and text.startswith("cancelled") else f"cancelled: {text or 'no reason given'}"
