"""The command `instruments`: what the instruments of a running exchange are doing, and what holds for them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.config import ConfigError
from gateway.locate import explained
from gateway.operator_words import phase
from gateway.replicas import Replica, ask_all, find, where_replicas_are

HEADINGS = ("symbol", "phase", "last", "reference", "schedule")
TERMS = (
    "price_increment", "quantity_increment", "round_lot", "min_quantity", "max_quantity", "low_price", "high_price",
    "protection", "algorithm", "top_order", "pro_rata_minimum", "stop_trigger",
)  # fmt: skip
PROTECTIONS = (
    "reference_price", "static_band", "dynamic_band", "price_distance", "max_notional", "breaker_percent",
    "breaker_halt_seconds", "breaker_auction_seconds",
)  # fmt: skip


@click.command()
@click.argument("symbol", required=False)
@where_replicas_are
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def instruments(symbol: str | None, data: Sequence[Path], admin: Sequence[str], as_json: bool) -> None:
    """Show what the instruments are doing; of one SYMBOL its terms and protections, too.

    The first replica that answers tells what it has applied.
    """
    import msgspec

    with explained():
        answer = first_answer(find(data, admin), {"command": "instruments", "symbol": symbol or ""})
    found: dict[str, dict[str, Any]] = answer["instruments"]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    elif symbol:
        rows = list(facts(found[symbol]))
        width = max(len(name) for name, _ in rows)
        click.echo("\n".join([symbol, *(f"  {name:<{width}}  {text}" for name, text in rows)]))
    else:
        click.echo("\n".join(table(found, answer["count"])))


def first_answer(replicas: Sequence[Replica], request: dict[str, Any]) -> dict[str, Any]:
    """Raises ConfigError: none answers, or the answer is an error."""
    silent = []
    for one in replicas:
        (reply,) = ask_all([one], request)
        if reply.answer and reply.why:
            raise ConfigError(reply.why)
        if reply.answer:
            return reply.answer
        silent.append(reply.why)
    raise ConfigError("; ".join(silent))


def table(found: dict[str, dict[str, Any]], count: int) -> Iterator[str]:
    """A line for each of the first of `count` instruments."""
    rows = [HEADINGS]
    for symbol, one in found.items():
        prices = (one["last_price"] or "-", one["reference_price"] or "-")
        rows.append((symbol, doing(one), *prices, one["schedule"] or "-"))
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    for row in rows:
        cells = [f"{cell:>{width}}" if at in (2, 3) else f"{cell:<{width}}"
                 for at, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        yield "  ".join(cells).rstrip()
    if count > len(found):
        yield f"and {count - len(found):,} more: name a SYMBOL"


def facts(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of each line. Terms and protections have the names of the configuration."""
    yield "phase", doing(one)
    yield "schedule", one["schedule"] or "none"
    yield "last_price", one["last_price"] or "none"
    rows = ", ".join(one["ticks"])
    yield "tick_table", f"{one['tick_table']}: {rows}" if one["tick_table"] else "none"
    for name in (*TERMS, *PROTECTIONS):
        value = one[name]
        yield name, "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def doing(one: dict[str, Any]) -> str:
    """`pre-open until 2026-11-28 09:00:00 UTC, then opening-auction`. A random end comes on top."""
    if one["delisted"]:
        return "delisted"
    words = phase(one["phase"])
    if one["phase_end_ns"]:
        end = datetime.fromtimestamp(one["phase_end_ns"] / 1e9, UTC)
        words += f" until {end:%Y-%m-%d %H:%M:%S} UTC"
    return words + (f", then {phase(one['next_phase'])}" if one["next_phase"] else "")
