"""Options of `order` and `replace`: what they say to the client library, and what is refused before that is asked."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gateway.client_terms import Terms
from gateway.order_commands import order, replace
from gateway.order_options import changes_of, expiry, shown, term_options, terms_of

GIVEN: dict[str, tuple[str | None, str | None, list[str], dict[str, Any]]] = {
    "nothing": ("9", None, [], {}),
    "a time in force": ("9", None, ["--tif", "good-for-auction"], {"time_in_force": "good_for_auction"}),
    "a day": ("9", None, ["--until", "2026-03-01"], {"expire_time": date(2026, 3, 1)}),
    "a time": (
        "9", None, ["--tif", "gtd", "--until", "2026-03-01T15:30"],
        {"time_in_force": "gtd", "expire_time": datetime(2026, 3, 1, 15, 30, tzinfo=UTC)},
    ),
    "a stop below zero": (None, None, ["--stop", "-5"], {"stop_price": "-5"}),
    "a trailing stop": (None, None, ["--trail", "0.5", "--stop", "9"], {"trail": "0.5", "stop_price": "9"}),
    "a peg": (None, None, ["--peg", "mid", "--offset", "-0.01"], {"peg": "mid", "peg_offset": "-0.01"}),
    "an iceberg": ("9", "limit", ["--display", "10", "--min", "5"], {"display_quantity": "10", "min_quantity": "5"}),
    "flags": ("9", None, ["--hidden", "--all-or-none", "--post-only"],
              {"hidden": True, "all_or_none": True, "post_only": True}),
    "a slide": ("9", None, ["--post-only", "--slide"], {"post_only": "slide"}),
    "market-to-limit": (None, "market-to-limit", [], {"market_to_limit": True}),
    "a group": (
        "9", None, ["--self-match-group", "7", "--self-match-mode", "cancel-both"],
        {"self_match_group": 7, "self_match_mode": "cancel_both"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_options_are_keywords(name: str) -> None:
    price, ord_type, arguments, expected = GIVEN[name]
    told: list[Terms] = []

    @click.command(context_settings={"ignore_unknown_options": True})
    @term_options
    def command(**options: Any) -> None:
        told.append(terms_of(price, ord_type, options))

    assert CliRunner().invoke(command, arguments, standalone_mode=False).exception is None
    assert told == [expected]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["1", "--offset", "1"], "--offset needs --peg; allowed"),
        (["1", "--stop", "1", "--peg", "mid"], "--peg and --stop are different types of orders"),
        (["1", "9", "--trail", "1"], "an order with --trail has no price"),
        (["1", "9", "--type", "market-to-limit"], "an order with --type market-to-limit has no price"),
        (
            ["1", "9", "--hidden", "--display", "1"],
            "--hidden shows nothing of the order and --display a part",
        ),
        (
            ["1", "9", "--display", "0"],
            "--display is 0; an order of which nothing is shown is --hidden from the start",
        ),
        (
            ["1", "9", "--self-match-group", "0", "--self-match-mode", "cancel-both"],
            "--self-match-group is 0; allowed",
        ),
        (["1", "9", "--self-match-group", "7"], "--self-match-group and --self-match-mode go together"),
        (["1", "9", "--tif", "gtd"], "--until goes with --tif GTD"),
        (["1", "9", "--tif", "ioc", "--until", "2026-03-01"], "--until goes with --tif GTD"),
        (["1", "9", "--until", "tomorrow"], "'tomorrow' is no time; allowed: such as 2026-03-01 or"),
        (["1", "9", "--until", "2026-02-30"], "'2026-02-30' is no time"),
        (["1", "--stop", "high"], "--stop is 'high', which is not a number"),
        (["1", "9", "--peg", "last"], "'last' is not one of 'primary', 'mid', 'market'"),
    ],
)
def test_mistakes_are_found_before_anybody_is_asked(arguments: list[str], text: str) -> None:
    done = CliRunner().invoke(order, ["buy", "AAPL", *arguments])
    assert done.exit_code == 2
    assert text in " ".join(done.output.replace("│", " ").split())


def test_a_replace_changes_something() -> None:
    done = CliRunner().invoke(replace, ["mine"])
    assert done.exit_code == 2
    assert "give --qty, --price or what else is to change" in done.output
    assert changes_of({"stop_price": "-5", "trail": None, "time_in_force": "at-close"}) == {
        "stop_price": "-5",
        "time_in_force": "at_close",
    }


def test_times_of_other_zones_are_taken() -> None:
    moment = expiry("2026-03-01T15:30:00.250+02:00")
    assert isinstance(moment, datetime)
    assert shown({"expire_time": moment.astimezone(UTC)}) == "until 2026-03-01T13:30:00.250Z"


def test_terms_are_shown_in_few_words() -> None:
    terms: Terms = {
        "stop_price": Decimal("101.50"), "display_quantity": Decimal(10), "post_only": "slide", "hidden": True,
        "peg": "mid", "expire_time": date(2026, 3, 1), "self_match_group": 7, "self_match_mode": "cancel_both",
    }  # fmt: skip
    assert shown(terms) == "stop 101.50, display 10, hidden, peg mid, until 2026-03-01, group 7, slide"
    assert shown({"post_only": "reject", "all_or_none": True}) == "all-or-none, post-only"
    assert shown({}) == ""
