"""What the options of `quorumbook order` and `replace` say of an order, and an order's terms in their words."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, cast

import click

from gateway.client_arguments import Number
from gateway.client_terms import PEGS, SELF_MATCH_MODES, Changes, Terms, of_order
from gateway.client_types import TimeInForce

Command = Callable[..., None]
OPTIONS = {
    "time_in_force": "--tif",
    "expire_time": "--until",
    "stop_price": "--stop",
    "trail": "--trail",
    "peg": "--peg",
    "peg_offset": "--offset",
    "display_quantity": "--display",
    "hidden": "--hidden",
    "min_quantity": "--min",
    "all_or_none": "--all-or-none",
    "post_only": "--post-only",
    "market_to_limit": "--type market-to-limit",
    "self_match_group": "--self-match-group",
    "self_match_mode": "--self-match-mode",
}
"""Keywords of the client library and the options that say the same."""
WORDS: Mapping[str, str] = {
    "stop_price": "stop {}",
    "trail": "trail {}",
    "peg": "peg {}",
    "peg_offset": "offset {}",
    "display_quantity": "display {}",
    "hidden": "hidden",
    "min_quantity": "min {}",
    "all_or_none": "all-or-none",
    "expire_time": "until {}",
    "self_match_group": "group {}",
}
"""How the terms of an order are shown."""


def change_options(command: Command) -> Command:
    """Those of a new order that a replace may change, too."""
    for option in (
        click.option("--offset", "peg_offset", metavar="PRICE", help="Added to what a peg follows."),
        click.option("--trail", metavar="PRICE", help="Distance of a trailing stop from the last trade."),
        click.option("--stop", "stop_price", metavar="PRICE", help="Where a stop order comes in."),
        click.option("--display", "display_quantity", metavar="QTY", help="How much is shown at a time."),
        click.option(
            "--until",
            "expire_time",
            metavar="TIME",
            callback=lambda _, __, value: expiry(value),
            help="When it expires: 2026-03-01T15:30 or the end of 2026-03-01, by UTC.",
        ),
        click.option(
            "--tif",
            "time_in_force",
            type=click.Choice(
                [one.lower().replace("_", "-") for one in TimeInForce.__members__], case_sensitive=False
            ),
            help="Time in force. Default: gtd with --until; else gtc, or of a replace what it was.",
        ),
    ):
        command = option(command)
    return command


def term_options(command: Command) -> Command:
    """Those of a new order."""
    for option in (
        click.option(
            "--self-match-mode",
            type=click.Choice([mode.replace("_", "-") for mode in SELF_MATCH_MODES]),
            help="What is done instead.",
        ),
        click.option(
            "--self-match-group", type=int, metavar="N", help="It does not trade with orders of its group."
        ),
        click.option("--peg", type=click.Choice(list(PEGS)), help="The best price that it follows."),
        click.option("--min", "min_quantity", metavar="QTY", help="So much trades on entry, or nothing."),
        click.option("--all-or-none", is_flag=True, help="All of it trades on entry, or nothing."),
        click.option("--hidden", is_flag=True, help="Nothing of it is shown."),
        click.option(
            "--slide", is_flag=True, help="Post-only, and rather than trade it rests one increment behind."
        ),
        click.option("--post-only", is_flag=True, help="Refuse it rather than let it trade on entry."),
    ):
        command = option(command)
    return change_options(command)


def expiry(text: str | None) -> datetime | date | None:
    """A day, or a time that is of UTC where it does not say otherwise."""
    if text is None:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; allowed: such as 2026-03-01 or 2026-03-01T15:30:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def changes_of(options: Mapping[str, Any]) -> Changes:
    """The keywords of what was given."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    for name in ("time_in_force", "self_match_mode"):
        if name in given:
            given[name] = given[name].replace("-", "_")
    return cast(Changes, given)


def terms_of(price: Number | None, ord_type: str | None, options: Mapping[str, Any]) -> Terms:
    """The keywords of a new order. UsageError for what no order can say."""
    terms = cast(Terms, changes_of(options))
    if terms.pop("slide", False):  # type: ignore[typeddict-item]
        terms["post_only"] = "slide"
    if ord_type == "market-to-limit":
        terms["market_to_limit"] = True
    try:
        of_order(price, terms)
    except (TypeError, ValueError) as error:
        raise click.UsageError(in_options(str(error))) from None
    return terms


def in_options(text: str) -> str:
    """An error about keywords, about the options that were given instead."""
    return re.sub(r"\b\w+\b", lambda found: OPTIONS.get(found[0], found[0]), text)


def shown(terms: Terms) -> str:
    """An order's terms for people: "stop 101.50, display 10"."""
    words = [WORDS[name].format(one_of(value)) for name, value in terms.items() if name in WORDS]
    if "post_only" in terms:
        words.append("slide" if terms["post_only"] == "slide" else "post-only")
    return ", ".join(words)


def one_of(value: object) -> str:
    """A term as an option would take it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds").replace(
            "+00:00", "Z"
        )
    return f"{value}"
