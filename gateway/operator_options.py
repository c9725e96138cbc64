"""What the commands of `quorumbook admin` take, and what it is as fields of an OperatorRequest."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click

from engine.records import Phase
from gateway.client_arguments import exact
from gateway.operation_fields import OperationTag as Tag
from gateway.operation_fields import timestamp
from gateway.operation_inputs import DISTANCES, MOST, PRICES, QUANTITIES, amount, multiple

Command = TypeVar("Command", bound=Callable[..., None])
Fields = list[tuple[int, object]]
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
PHASE = click.Choice([phase.name.lower().replace("_", "-") for phase in Phase])

TERMS = {
    "round_lot": Tag.ROUND_LOT,
    "min_quantity": Tag.MIN_TRADE_VOL,
    "max_quantity": Tag.MAX_TRADE_VOL,
    "low_price": Tag.LOW_LIMIT_PRICE,
    "high_price": Tag.HIGH_LIMIT_PRICE,
    "protection": Tag.PRICE_PROTECTION,
    "tick_table": Tag.TICK_TABLE,
    "algorithm": Tag.MATCH_ALGORITHM,
    "top_order": Tag.TOP_ORDER,
    "pro_rata_minimum": Tag.PRO_RATA_MINIMUM,
    "stop_trigger": Tag.STOP_TRIGGER,
    "schedule": Tag.SCHEDULE_NAME,
}
PROTECTIONS = {
    "reference_price": Tag.REFERENCE_PRICE,
    "static_band": Tag.STATIC_BAND,
    "dynamic_band": Tag.DYNAMIC_BAND,
    "price_distance": Tag.PRICE_DISTANCE,
    "max_notional": Tag.MAX_NOTIONAL,
    "breaker": Tag.BREAKER_MOVE,
    "breaker_halt": Tag.BREAKER_HALT,
    "breaker_auction": Tag.BREAKER_AUCTION,
}
LIFTED_TERMS = ("max-quantity", "low-price", "high-price", "protection", "schedule")
LIFTED_PROTECTIONS = ("static-band", "dynamic-band", "price-distance", "max-notional", "breaker")


LEAST = dict.fromkeys(PRICES.values(), -MOST) | dict.fromkeys([*DISTANCES.values(), *QUANTITIES.values()], 0)
"""Of prices, distances and quantities: the least number of increments that one may be."""
DECIMALS = frozenset(map(int, (*LEAST, Tag.MAX_NOTIONAL)))


class Span(click.ParamType[int]):
    """A time span in milliseconds."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,7})(ms|s|m|h)", str(value))
        if found is None:
            self.fail(f"{value!r} is no time span; allowed: such as 90s, 5m, 1h or 250ms", param, ctx)
        return int(found[1]) * UNITS[found[2]]


class Moment(click.ParamType[int]):
    """A time, UTC, in nanoseconds since 1970; without a day the next such time."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        now = datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(value if "T" in value else f"{now:%Y-%m-%d}T{value}")
        except ValueError:
            self.fail(f"{value!r} is no time, UTC; allowed: 16:30, 16:30:05 or 2026-11-28T16:30", param, ctx)
        moment = moment.replace(tzinfo=UTC)
        if "T" not in value and moment <= now:
            moment += timedelta(days=1)
        return int(moment.timestamp()) * 1_000_000_000


class Percent(click.ParamType[str]):
    """5 or 5% is 0.05."""

    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return f"{Decimal(value.removesuffix('%')) / 100:f}"
        except InvalidOperation:
            self.fail(f"{value!r} is no percentage; allowed: such as 5 or 7.5%", param, ctx)


class Increment(click.ParamType[str]):
    """A decimal above 0."""

    name = "INCREMENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            number = exact("it", str(value))
        except ValueError:
            number = Decimal(0)
        if number <= 0:
            self.fail(f"{value!r} is no increment; allowed: a decimal above 0, such as 0.01", param, ctx)
        return f"{number:f}"


def instrument_or_all(command: Command) -> Command:
    """SYMBOL, or --all."""
    every = click.option("--all", "every", is_flag=True, help="All instruments.")
    return click.argument("symbol", required=False)(every(command))


def session_or_all(command: Command) -> Command:
    """COMPID, or --all."""
    every = click.option("--all", "every", is_flag=True, help="All sessions.")
    return click.argument("whose", metavar="[COMPID]", required=False)(every(command))


def chosen(tag: Tag, name: str | None, every: bool) -> Fields:
    """What it is about: this one, or all. UsageError."""
    if every == (name is not None):
        raise click.UsageError(f"give a {'SYMBOL' if tag == Tag.SYMBOL else 'COMPID'}, or --all")
    return [(tag, "*" if every else name)]


def phase_field(tag: Tag, name: str) -> tuple[int, object]:
    return tag, name.upper().replace("-", "_")


def ending(until_ns: int | None, lasts_ms: int | None, then: str | None, random_end_ms: int | None) -> Fields:
    """When a phase ends, and by which one. UsageError."""
    if until_ns is not None and lasts_ms is not None:
        raise click.UsageError("give --until or --for, not both")
    if until_ns is None and lasts_ms is None:
        if then or random_end_ms:
            raise click.UsageError("--then and --random-end go with --until or --for")
        return []
    if then is None:
        raise click.UsageError("--until and --for go with --then, the phase that follows")
    if until_ns is None:
        until_ns = int(datetime.now(UTC).timestamp() * 1000 + (lasts_ms or 0)) * 1_000_000
    fields: Fields = [(Tag.PHASE_END, timestamp(until_ns)), phase_field(Tag.NEXT_PHASE, then)]
    if random_end_ms:
        fields += [(Tag.RANDOM_END, random_end_ms), (Tag.RANDOM_NUMBER, secrets.randbits(63))]
    return fields


def terms(command: Command) -> Command:
    """What an instrument may have, an option each."""
    algorithm, trigger = (
        click.Choice(["price-time", "pro-rata"]),
        click.Choice(["last-trade", "opposite-best"]),
    )
    for option in (
        click.option("--schedule", help="The schedule of the configuration that it follows."),
        click.option("--stop-trigger", type=trigger, help="What triggers stop orders."),
        click.option("--pro-rata-minimum", help="A share below it becomes 0."),
        click.option(
            "--top-order/--no-top-order", default=None, help="Pro-rata gives to the oldest order first."
        ),
        click.option("--algorithm", type=algorithm, help="How the orders of a price share what comes."),
        click.option("--tick-table", type=click.IntRange(0), help="The number of a tick table; 0: none."),
        click.option("--protection", help="How far past the opposite best a market order may take."),
        click.option("--high-price", help="The highest price of an order."),
        click.option("--low-price", help="The lowest price of an order."),
        click.option("--max-quantity", help="The largest quantity of an order."),
        click.option("--min-quantity", help="The least quantity of an order."),
        click.option("--round-lot", help="Quantities are multiples of it."),
    ):
        command = option(command)
    return command


def protections(command: Command) -> Command:
    """What protects an instrument, an option each."""
    for option in (
        click.option(
            "--breaker-auction", type=Span(), help="How long the auction behind it collects orders."
        ),
        click.option("--breaker-halt", type=Span(), help="How long the breaker halts."),
        click.option(
            "--breaker", type=Percent(), help="A trade that moves so far from the reference halts instead."
        ),
        click.option("--max-notional", help="The most that price times quantity of an order may be."),
        click.option("--price-distance", help="A limit is at most so far past the last trade."),
        click.option("--dynamic-band", help="An order takes at most so far past the last trade before it."),
        click.option("--static-band", help="Limits and trades are at most so far from the reference."),
        click.option("--reference-price", help="What that is; an auction's price becomes it, too."),
    ):
        command = option(command)
    return command


def lifting(names: tuple[str, ...]) -> Callable[[Command], Command]:
    """--lift, as often as wanted."""
    return click.option(
        "--lift",
        multiple=True,
        type=click.Choice(names),
        help="A limit that is to hold no longer; repeat for others.",
    )


def given_fields(tags: dict[str, Tag], given: dict[str, Any]) -> Fields:
    """Of what was given, and of what is lifted. UsageError: nothing is."""
    fields: Fields = []
    for name, tag in tags.items():
        value = given[name]
        if isinstance(value, bool):
            fields.append((tag, "NY"[value]))
        elif value is not None:
            is_name = name in ("algorithm", "stop_trigger")
            fields.append((tag, value.upper().replace("-", "_") if is_name else value))
    for name in given.get("lift", ()):
        if given[name.replace("-", "_")] is not None:
            raise click.UsageError(f"--{name} sets what --lift {name} ends: give one of them")
    if lifted := [str(int(tags[name.replace("-", "_")])) for name in given.get("lift", ())]:
        fields.append((Tag.LIFTED, " ".join(lifted)))
    return fields


def checked(fields: Fields, names: dict[int, str], increments: tuple[Decimal, Decimal] | None) -> Fields:
    """The same with decimals as FIX has them. ValueError names the option, and the increment where it is known.

    increments: of prices and of quantities.
    """
    return [
        (tag, decimal(Tag(tag), names[tag], str(value), increments) if tag in DECIMALS else value)
        for tag, value in fields
    ]


def decimal(tag: Tag, name: str, value: str, increments: tuple[Decimal, Decimal] | None) -> str:
    number = f"{exact(name, value):f}"
    if tag == Tag.MAX_NOTIONAL:
        return amount(name, number)
    if increments is None:
        return number
    return multiple(name, number, f"{increments[tag in QUANTITIES.values()]:f}", LEAST[tag])
