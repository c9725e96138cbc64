"""`quorumbook admin`: what an operator does with a running exchange, each a request of the operator's FIX session.

Who asked, when and why is in the log. Exit code 1: it was refused, or some instruments refused it.
"""

import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

import click

from gateway.config import TickTable
from gateway.locate import Place, explained, where_to_log_on
from gateway.operation_fields import OperationTag as Tag
from gateway.operation_inputs import tick_rows
from gateway.operator_options import (
    LEAST,
    LIFTED_PROTECTIONS,
    LIFTED_TERMS,
    PHASE,
    PROTECTIONS,
    TERMS,
    Command,
    Fields,
    Increment,
    Moment,
    Span,
    checked,
    chosen,
    ending,
    given_fields,
    instrument_or_all,
    lifting,
    phase_field,
    protections,
    session_or_all,
    terms,
)
from gateway.operator_words import in_options, options, told
from gateway.order_commands import counted, session

NOT_AN_OPERATOR = 130  # reason code


class Asking(TypedDict):
    """What every command takes."""

    comp_id: str
    endpoints: tuple[str, ...]
    data: tuple[Path, ...]
    as_json: bool
    why: str | None


def as_operator(command: Command) -> Command:
    """--as, --why, --json, and where the exchange is."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="The answer as a JSON object."),
        where_to_log_on,
        click.option("--why", metavar="TEXT", help="Goes into the log, and into the answer."),
        click.option(
            "--as",
            "comp_id",
            default="OPS",
            show_default=True,
            help="SenderCompID of the operator's session.",
        ),
    ):
        command = option(command)
    return command


def ask(operation: str, fields: Fields, asking: Asking) -> None:
    """Raises ClickException when it was not done, or not by all that were meant."""
    why: Fields = [(Tag.TEXT, asking["why"])] if asking["why"] else []
    fields, as_json = fields + why, asking["as_json"]
    with session(asking["comp_id"], asking["endpoints"], asking["data"], as_json) as (client, place, _told):
        try:
            fields = checked(fields, options(operation), increments(place, operation, fields))
            answer = client.operate(operation, fields)
        except ValueError as error:
            raise click.UsageError(in_options(str(error), operation, fields)) from None
    if as_json:
        click.echo(json.dumps(asdict(answer)))
    elif answer.done or answer.instruments:
        click.echo(told(answer, dict(fields)))
    text = in_options(answer.text or "no reason given", operation, fields)
    if answer.reason_code == NOT_AN_OPERATOR:
        text += (
            f': write operators = ["{asking["comp_id"]}"] before the first table of the configuration of every '
            "replica, and start them again"
        )
    if answer.refused_instruments:
        count = counted(answer.refused_instruments, "instrument")
        raise click.ClickException(f"refused by {count}; the first is {text}")
    if not answer.done:
        raise click.ClickException(f"refused: {text}")


def increments(place: Place, operation: str, fields: Fields) -> tuple[Decimal, Decimal] | None:
    """Of prices and quantities of the instrument that is meant; None: they are not known. ConfigError."""
    given = dict(fields)
    if operation == "INSTRUMENT":
        return Decimal(str(given[Tag.PRICE_INCREMENT])), Decimal(str(given[Tag.QUANTITY_INCREMENT]))
    symbol = given.get(Tag.SYMBOL)
    wanted = symbol not in (None, "*") and any(tag in LEAST for tag in given)
    return place.instrument(str(symbol)) if wanted and not place.connect else None


@click.group()
def admin() -> None:
    """Operate an exchange: phases, instruments, protections, limits, the kill switch.

    Each command is a request of an operator's session, one of the `operators` of the configuration.
    """


@admin.command()
@click.argument("names", metavar="[SYMBOL] PHASE", nargs=-1, required=True)
@click.option("--all", "every", is_flag=True, help="All instruments.")
@click.option("--schedule", help="All that follow this schedule.")
@click.option("--until", type=Moment(), help="When it ends, UTC: 16:30 or 2026-11-28T16:30.")
@click.option("--for", "lasts", type=Span(), help="How long it lasts: 90s, 5m.")
@click.option("--then", type=PHASE, help="The phase that follows.")
@click.option("--random-end", type=Span(), help="It ends at random, up to so much later.")
@as_operator
def phase(
    names: tuple[str, ...], every: bool, schedule: str | None, until: int | None, lasts: int | None,
    then: str | None, random_end: int | None, **asking: Unpack[Asking],
) -> None:  # fmt: skip
    """Put an instrument into a phase: quorumbook admin phase AAPL pre-open.

    PHASE is one of continuous, pre-open, opening-auction, volatility-auction, closing-auction, halt, closed.
    """
    *symbols, name = names
    if len(symbols) > 1 or len(symbols) + every + (schedule is not None) != 1:
        raise click.UsageError("give a SYMBOL, --all or --schedule, and the PHASE")
    if name not in PHASE.choices:
        raise click.UsageError(f"{name!r} is no phase; allowed: {', '.join(PHASE.choices)}")
    symbol = symbols[0] if symbols else None
    about: Fields = [(Tag.SCHEDULE_NAME, schedule)] if schedule else chosen(Tag.SYMBOL, symbol, every)
    ask("PHASE", [*about, phase_field(Tag.PHASE_TAG, name), *ending(until, lasts, then, random_end)], asking)


@admin.command()
@instrument_or_all
@as_operator
def halt(symbol: str | None, every: bool, **asking: Unpack[Asking]) -> None:
    """Halt an instrument: it takes cancels only, until it is resumed."""
    ask("PHASE", [*chosen(Tag.SYMBOL, symbol, every), (Tag.PHASE_TAG, "HALT")], asking)


@admin.command()
@instrument_or_all
@click.option(
    "--auction", type=Span(), default="60s", show_default=True, help="How long orders are collected."
)
@click.option("--random-end", type=Span(), help="It ends at random, up to so much later.")
@as_operator
def resume(
    symbol: str | None, every: bool, auction: int, random_end: int | None, **asking: Unpack[Asking]
) -> None:
    """Resume trading after a halt, by way of an auction."""
    about = [*chosen(Tag.SYMBOL, symbol, every), (Tag.PHASE_TAG, "VOLATILITY_AUCTION")]
    ask("PHASE", [*about, *ending(None, auction, "continuous", random_end)], asking)


@admin.command()
@click.argument("symbol")
@click.option(
    "--price-increment", type=Increment(), default="0.01", show_default=True, help="Of prices, for its life."
)
@click.option(
    "--quantity-increment",
    type=Increment(),
    default="1",
    show_default=True,
    help="Of quantities, for its life.",
)
@click.option(
    "--phase", "first", type=PHASE, help="It begins in. Default: closed with --schedule, else continuous."
)
@terms
@as_operator
def instrument(**given: Any) -> None:
    """Add an instrument: quorumbook admin instrument NEW --price-increment 0.5."""
    increments: Fields = [
        (Tag.PRICE_INCREMENT, given["price_increment"]),
        (Tag.QUANTITY_INCREMENT, given["quantity_increment"]),
    ]
    first = [phase_field(Tag.PHASE_TAG, given["first"])] if given["first"] else []
    fields = [(Tag.SYMBOL, given["symbol"]), *increments, *first, *given_fields(TERMS, given)]
    ask("INSTRUMENT", fields, asking_of(given))


@admin.command("terms")
@instrument_or_all
@terms
@lifting(LIFTED_TERMS)
@as_operator
def change_terms(symbol: str | None, every: bool, **given: Any) -> None:
    """Change the terms of an instrument; what is not given stays as it is."""
    change("TERMS", chosen(Tag.SYMBOL, symbol, every), given_fields(TERMS, given), asking_of(given))


@admin.command()
@instrument_or_all
@protections
@lifting(LIFTED_PROTECTIONS)
@as_operator
def protect(symbol: str | None, every: bool, **given: Any) -> None:
    """Change the protections of an instrument; what is not given stays as it is."""
    change("PROTECT", chosen(Tag.SYMBOL, symbol, every), given_fields(PROTECTIONS, given), asking_of(given))


def asking_of(given: dict[str, Any]) -> Asking:
    """Of a command's options those that every command takes."""
    return cast(Asking, {key: given[key] for key in Asking.__annotations__})


def change(operation: str, about: Fields, fields: Fields, asking: Asking) -> None:
    if not fields:
        raise click.UsageError("nothing is given to change")
    ask(operation, about + fields, asking)


@admin.command()
@click.argument("table", type=click.IntRange(1, 1_000_000))
@click.argument("rows", metavar="TICK [FROM:TICK]...", nargs=-1, required=True)
@click.option(
    "--price-increment",
    type=Increment(),
    default="0.01",
    show_default=True,
    help="Of the instruments that use it.",
)
@as_operator
def ticks(table: int, rows: tuple[str, ...], price_increment: str, **asking: Unpack[Asking]) -> None:
    """Make a tick table, or replace it: quorumbook admin ticks 1 0.01 10:0.05 100:0.1."""
    with explained():
        found = list(tick_rows(TickTable("", rows, price_increment)))
    group = [field for row in found for field in row]
    ask("TICKS", [(Tag.TICK_TABLE, table), (Tag.NO_TICK_ROWS, len(found)), *group], asking)


@admin.command()
@click.argument("symbol")
@as_operator
def delist(symbol: str, **asking: Unpack[Asking]) -> None:
    """End an instrument for good: its orders are cancelled."""
    ask("DELIST", [(Tag.SYMBOL, symbol)], asking)


@admin.command()
@session_or_all
@as_operator
def kill(whose: str | None, every: bool, **asking: Unpack[Asking]) -> None:
    """Cancel all orders of a session, or of all, and take no new ones until it is restored."""
    ask("KILL", chosen(Tag.SESSION_COMP_ID, whose, every), asking)


@admin.command()
@session_or_all
@as_operator
def restore(whose: str | None, every: bool, **asking: Unpack[Asking]) -> None:
    """End the kill switch of a session, or the one for all."""
    ask("RESTORE", chosen(Tag.SESSION_COMP_ID, whose, every), asking)


@admin.command()
@click.option("--session", "whose", metavar="COMPID", help="The orders of this session.")
@click.option("--account", help="Of this account of the session.")
@click.option("--symbol", help="Of this instrument.")
@click.option("--side", type=click.Choice(["buy", "sell"]), help="Of this side.")
@click.option("--from", "low", help="At this price of the instrument, or above.")
@click.option("--to", "high", help="At this price of the instrument, or below.")
@click.option("--all", "every", is_flag=True, help="Every order of the exchange.")
@as_operator
def cancel(
    whose: str | None, account: str | None, symbol: str | None, side: str | None, low: str | None, high: str | None,
    every: bool, **asking: Unpack[Asking],
) -> None:  # fmt: skip
    """Cancel orders: what is given narrows it."""
    if every == (whose is not None or symbol is not None):
        raise click.UsageError("give --session, --symbol or both, or --all")
    if account is not None and whose is None:
        raise click.UsageError("--account goes with --session, whose account it is")
    given = (
        (Tag.SESSION_COMP_ID, "*" if every else whose), (Tag.ACCOUNT, account), (Tag.SYMBOL, symbol),
        (Tag.LOW_LIMIT_PRICE, low), (Tag.HIGH_LIMIT_PRICE, high), (Tag.SIDE, side and {"buy": "1", "sell": "2"}[side]),
    )  # fmt: skip
    ask("CANCEL", [(tag, value) for tag, value in given if value is not None], asking)


@admin.command()
@click.argument("trade_id", metavar="TRDMATCHID", type=click.IntRange(1))
@as_operator
def bust(trade_id: int, **asking: Unpack[Asking]) -> None:
    """Bust a trade, by the TrdMatchID (880) of its reports: both sides are told, and the feed."""
    ask("BUST", [(Tag.TRADE_ID, trade_id)], asking)


@admin.command()
@session_or_all
@click.option("--max-open-orders", type=click.IntRange(0, 2**32 - 2), required=True, help="0: no bound.")
@as_operator
def limits(whose: str | None, every: bool, max_open_orders: int, **asking: Unpack[Asking]) -> None:
    """Bound the open orders of a session, or (--all) of those that have no bound of their own."""
    ask(
        "LIMITS", [*chosen(Tag.SESSION_COMP_ID, whose, every), (Tag.MAX_OPEN_ORDERS, max_open_orders)], asking
    )
