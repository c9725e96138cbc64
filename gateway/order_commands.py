"""`quorumbook order`, `cancel`, `replace`, `orders`: one request of one session from the shell.

The session goes on from command to command: its numbers are kept in DATA/clients. What happened to its orders
between two commands is told by the next one.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gateway.client import Client, connect
from gateway.client_arguments import INT64_MAX, exact
from gateway.client_decoder import Report
from gateway.client_orders import Order
from gateway.client_session import SessionError
from gateway.client_types import MsgType, OrdStatus, Side
from gateway.impatience import impatient
from gateway.inputs import units
from gateway.locate import Place, explained, where_to_log_on
from gateway.meanwhile import Meanwhile, cancelled
from gateway.order_options import (
    change_options,
    changes_of,
    in_options,
    one_of,
    shown,
    term_options,
    terms_of,
)

Command = Callable[..., None]
COLUMNS = {
    "ClOrdID": "cl_ord_id",
    "symbol": "symbol",
    "side": "side",
    "quantity": "quantity",
    "price": "price",
    "tif": "time_in_force",
    "filled": "filled",
    "leaves": "leaves",
    "status": "status",
}
"""Headings of the table and what stands under them; --json has more."""


def session_options(command: Command) -> Command:
    """--as, --connect, --data, --json."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
        where_to_log_on,
        click.option(
            "--as", "comp_id", default="CLI", show_default=True, help="SenderCompID of the session."
        ),
    ):
        command = option(command)
    return command


@contextmanager
def session(
    comp_id: str, endpoints: tuple[str, ...], data: tuple[Path, ...], as_json: bool
) -> Iterator[tuple[Client, Place, Meanwhile]]:
    """A logged-on session, and what happens to its orders meanwhile; what is not told of that by then is at the end."""
    meanwhile = Meanwhile(aside=as_json)
    with explained(), impatient(place := Place(endpoints, data), comp_id):
        memory = place.memory(comp_id)

        def log_on() -> Client:
            return connect(
                place.fix(),
                comp_id,
                cancel_on_disconnect=False,
                memory=memory,
                timeout=10.0,
                on_report=meanwhile,
                **place.wire(),
            )

        try:
            client = log_on()
        except SessionError as error:
            if "lost its log" not in str(error):
                raise
            click.echo(f"note: {error}; starting over", err=True)
            memory.unlink(missing_ok=True)
            client = log_on()
        try:
            yield client, place, meanwhile
        finally:
            close(client)
            meanwhile.tell()


def close(client: Client) -> None:
    """What was asked for is done by now, whatever becomes of the numbers."""
    try:
        client.close()
    except ConnectionError:
        raise
    except OSError as error:
        click.echo(
            f"note: the session's numbers could not be kept: {error.filename}: {error.strerror}; what is shown here "
            "was done, and the next command goes on with the numbers that the exchange has",
            err=True,
        )


@click.command("order", context_settings={"ignore_unknown_options": True})  # -5 is a price, not an option
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("symbol")
@click.argument("quantity", metavar="QTY")
@click.argument("price", required=False)
@click.option(
    "--type",
    "ord_type",
    type=click.Choice(["limit", "market", "market-to-limit"]),
    help="Default: limit with a PRICE, else market.",
)
@term_options
@click.option("--account", default="", help="Account (1), echoed in reports.")
@click.option("--cl-ord-id", help="ClOrdID (11). Default: a new one.")
@session_options
def order(
    side: str,
    symbol: str,
    quantity: str,
    price: str | None,
    ord_type: str | None,
    account: str,
    cl_ord_id: str | None,
    comp_id: str,
    endpoints: tuple[str, ...],
    data: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Enter an order: quorumbook order buy AAPL 100 101.25."""
    if ord_type == "limit" and price is None:
        raise click.UsageError("a limit order needs a PRICE")
    if ord_type == "market" and price is not None:
        raise click.UsageError("a market order has no PRICE")
    terms = terms_of(price, ord_type, options)
    if account:
        terms["account"] = account
    if cl_ord_id:
        terms["cl_ord_id"] = cl_ord_id
    with session(comp_id, endpoints, data, as_json) as (client, place, meanwhile):
        if not place.connect:
            place.instrument(symbol)
        enter = client.buy if side == "buy" else client.sell
        made = enter(symbol, quantity, price, **terms)
        meanwhile.shown(made)
        show([made], meanwhile, as_json)
    if made.status is OrdStatus.REJECTED:
        raise click.ClickException(f"rejected: {made.text or 'no reason given'}")


@click.command("cancel")
@click.argument("cl_ord_id", metavar="CLORDID", required=False)
@click.option("--all", "every", is_flag=True, help="All open orders of the session.")
@click.option("--symbol", help="With --all: of this instrument only.")
@click.option("--side", type=click.Choice(["buy", "sell"]), help="With --all: of this side only.")
@click.option("--account", help="With --all: of this account only.")
@click.option("--from", "low", help="With --all and --symbol: at this price or above.")
@click.option("--to", "high", help="With --all and --symbol: at this price or below.")
@session_options
def cancel(
    cl_ord_id: str | None,
    every: bool,
    symbol: str | None,
    side: str | None,
    account: str | None,
    low: str | None,
    high: str | None,
    comp_id: str,
    endpoints: tuple[str, ...],
    data: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Cancel the open order CLORDID of this session, or all of them, or some."""
    if every == (cl_ord_id is not None):
        raise click.UsageError("give a CLORDID, or --all")
    if not every and any((symbol, side, account, low, high)):
        raise click.UsageError("--symbol, --side, --account, --from and --to go with --all")
    if symbol is None and (low or high):
        raise click.UsageError("--from and --to go with --symbol, whose prices they are")
    with session(comp_id, endpoints, data, as_json) as (client, place, meanwhile):
        if cl_ord_id is None:
            if symbol is not None and not place.connect:
                price_range(symbol, place.instrument(symbol)[0], low, high)
            meant = Side[side.upper()] if side else None
            count = client.mass_cancel(symbol, side=meant, account=account, low=low, high=high)
            meanwhile.tell()
            click.echo(
                json.dumps({"cancelled": count}) if as_json else f"{counted(count, 'order')} cancelled"
            )
            return
        found = find(client, cl_ord_id)
        answer = client.cancel(found)
        show([found], meanwhile, as_json)
    refused(answer)


@click.command("replace", context_settings={"ignore_unknown_options": True})  # -5 is an offset, not an option
@click.argument("cl_ord_id", metavar="CLORDID")
@click.option("--qty", "quantity", help="The new total quantity, fills included.")
@click.option("--price", help="The new price.")
@change_options
@session_options
def replace(
    cl_ord_id: str,
    quantity: str | None,
    price: str | None,
    comp_id: str,
    endpoints: tuple[str, ...],
    data: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Change the total quantity, the price or the terms of the open order CLORDID of this session."""
    changes = changes_of(options)
    if quantity is None and price is None and not changes:
        raise click.UsageError("give --qty, --price or what else is to change")
    with session(comp_id, endpoints, data, as_json) as (client, _, meanwhile):
        found = find(client, cl_ord_id)
        try:
            answer = client.replace(found, quantity=quantity, price=price, **changes)
        except ValueError as error:
            raise click.UsageError(in_options(str(error))) from None
        show([found], meanwhile, as_json)
    refused(answer)


@click.command("orders")
@session_options
def orders(comp_id: str, endpoints: tuple[str, ...], data: tuple[Path, ...], as_json: bool) -> None:
    """List the open orders of this session."""
    with session(comp_id, endpoints, data, as_json) as (client, _, meanwhile):
        show(client.orders(), meanwhile, as_json)


def price_range(symbol: str, increment: Decimal, low: str | None, high: str | None) -> None:
    """ValueError for prices that no order of the symbol has, or that have nothing between them."""
    low_units, high_units = (
        None if price is None else units(f"{name} of {symbol}", exact(name, price), increment, -INT64_MAX)
        for name, price in (("--from", low), ("--to", high))
    )
    if low_units is not None and high_units is not None and low_units > high_units:
        raise ValueError(f"--from {low} is above --to {high}")


def find(client: Client, cl_ord_id: str) -> Order:
    """The open order with this ClOrdID. ClickException lists the open ones."""
    known = client.orders()
    for one in known:
        if cl_ord_id == one.cl_ord_id:
            return one
    names = ", ".join(one.cl_ord_id for one in known[:20]) or "none"
    raise click.ClickException(f"{client.comp_id} has no open order {cl_ord_id!r}; open: {names}")


def refused(answer: Report | None) -> None:
    """A refused cancel or replace ends the command with an error."""
    if answer is not None and answer.msg_type is not MsgType.EXECUTION_REPORT:
        raise click.ClickException(f"refused: {answer.text or 'no reason given'}")


def show(found: list[Order], meanwhile: Meanwhile, as_json: bool) -> None:
    """The orders, and what nobody was told of yet."""
    meanwhile.tell()
    if as_json:
        for one in found:
            click.echo(json.dumps(facts(one)))
        return
    if not found:
        click.echo("no open orders")
        return
    columns = COLUMNS | ({"terms": "terms"} if any(one.terms for one in found) else {})
    table = Table(*columns, box=SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = True  # a number that is cut short is worse than a long line
    for one in found:
        row = facts(one) | {"status": one.status.name.lower().replace("_", " "), "terms": shown(one.terms)}
        row["price"] = row["price"] or row["type"].replace("_", " ")
        row["time_in_force"] = (row["time_in_force"] or "").replace("_", "-")
        table.add_row(
            *(row[name] for name in columns.values()), style="green" if one.side is Side.BUY else "red"
        )
    needed = Console(width=1000).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)
    for one in found:
        if one.status in (OrdStatus.CANCELED, OrdStatus.EXPIRED) and one.reason_code is not None:
            click.echo(f"{one.cl_ord_id} {cancelled(one.text)}")


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def facts(one: Order) -> dict[str, Any]:
    """What there is to say about an order, as JSON knows it."""

    def number(value: object) -> str | None:
        return None if value is None else f"{value:f}"

    return {
        "cl_ord_id": one.cl_ord_id,
        "order_id": one.order_id,
        "symbol": one.symbol,
        "side": one.side.name.lower(),
        "type": "trailing_stop"
        if "trail" in one.terms
        else one.ord_type.name.lower()
        if one.ord_type
        else None,
        "time_in_force": one.time_in_force.name.lower() if one.time_in_force else None,
        "quantity": number(one.quantity),
        "price": number(one.price),
        "filled": number(one.cumulative),
        "leaves": number(one.leaves),
        "average_price": number(one.average_price),
        "status": one.status.name.lower(),
        "text": one.text,
        "reason_code": one.reason_code,
        "terms": {name: value if value is True else one_of(value) for name, value in one.terms.items()},
    }
