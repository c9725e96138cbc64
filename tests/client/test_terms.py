"""Orders of every type: what the client sends for its keywords, what it refuses, and what it tells of reports."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quorumbook as qb
from gateway.client_decoder import Decoder
from gateway.client_terms import TAGS, Terms, of_order, read_terms
from gateway.client_types import ExecType, OrdStatus, OrdType, TimeInForce
from tests.client.acceptor import Acceptor, message

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def exchange() -> Iterator[Acceptor]:
    acceptor = Acceptor()
    yield acceptor
    acceptor.close()


@pytest.fixture
def client(exchange: Acceptor) -> Iterator[qb.Client]:
    with qb.connect(exchange.tcp, "T", timeout=2.0) as client:
        yield client


# ---------------------------------------------------------------- what is sent

SENT: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "a stop": (None, {"stop_price": "101.5"}, "40=3 59=1 99=101.5"),
    "a stop at zero": (None, {"stop_price": 0}, "40=3 59=1 99=0"),
    "a stop limit": ("102", {"stop_price": 101, "time_in_force": qb.DAY}, "40=4 44=102 59=0 99=101"),
    "a trailing stop": (None, {"trail": "0.25"}, "18=a 40=P 59=1 211=0.25"),
    "one that begins somewhere": (None, {"trail": 2, "stop_price": 99}, "18=a 40=P 59=1 99=99 211=2"),
    "market-to-limit": (None, {"market_to_limit": True}, "40=K 59=1"),
    "a primary peg": (None, {"peg": "primary"}, "18=R 40=P 59=1"),
    "a market peg with a limit": ("9", {"peg": "MARKET", "peg_offset": "-0.01"}, "18=P 40=P 44=9 59=1 211=-0.01"),
    "a mid peg": ("9", {"peg": "mid", "hidden": True}, "18=M 40=P 44=9 59=1 111=0"),
    "an iceberg": ("9", {"display_quantity": 10}, "40=2 44=9 59=1 111=10"),
    "a hidden order": ("9", {"hidden": True}, "40=2 44=9 59=1 111=0"),
    "nothing of it is": ("9", {"hidden": False, "all_or_none": False, "post_only": False}, "40=2 44=9 59=1"),
    "post-only": ("9", {"post_only": True}, "18=6 40=2 44=9 59=1"),
    "the same by its name": ("9", {"post_only": "reject"}, "18=6 40=2 44=9 59=1"),
    "a slide": ("9", {"post_only": "slide"}, "18=6 40=2 44=9 59=1 20014=S"),
    "post-only and all-or-none": ("9", {"post_only": True, "all_or_none": True}, "18=6 G 40=2 44=9 59=1"),
    "a minimum": ("9", {"min_quantity": 5, "time_in_force": "ioc"}, "40=2 44=9 59=3 110=5"),
    "all or none": (None, {"all_or_none": True}, "18=G 40=1 59=1"),
    "until a time": ("9", {"expire_time": NOON}, "40=2 44=9 59=6 126=20260301-11:00:00.000000"),
    "until a day": ("9", {"expire_time": date(2026, 3, 1), "time_in_force": "gtd"}, "40=2 44=9 59=6 432=20260301"),
    "at the open": (None, {"time_in_force": "AT_OPEN"}, "40=1 59=2"),
    "at the close": ("9", {"time_in_force": TimeInForce.AT_CLOSE}, "40=2 44=9 59=7"),
    "for an auction": ("9", {"time_in_force": qb.GOOD_FOR_AUCTION}, "40=2 44=9 59=B"),
    "a self-match group": (
        "9", {"self_match_group": 7, "self_match_mode": "cancel_both"}, "40=2 44=9 59=1 20012=7 20013=3",
    ),
    "one by the engine's name": (
        "9", {"self_match_group": 2**32 - 1, "self_match_mode": qb.SelfMatchMode.DECREMENT_BOTH},
        "40=2 44=9 59=1 20012=4294967295 20013=4",
    ),
}  # fmt: skip


def terms_sent(fields: dict[int, str]) -> str:
    return " ".join(f"{tag}={fields[tag]}" for tag in sorted(fields) if tag in (40, 44, 59, *TAGS.values()))


@pytest.mark.parametrize("name", SENT)
def test_the_terms_of_an_order_are_fields(exchange: Acceptor, client: qb.Client, name: str) -> None:
    price, terms, expected = SENT[name]
    order = client.buy("AAPL", 100, price, **terms)
    assert terms_sent(exchange.accounts["T"].taken[0]) == expected
    assert order.ord_type is OrdType(expected.partition("40=")[2][0])
    assert order.time_in_force is TimeInForce(expected.partition("59=")[2][0])


@pytest.mark.parametrize("name", SENT)
def test_reports_tell_the_terms_as_they_were_given(exchange: Acceptor, client: qb.Client, name: str) -> None:
    price, terms, _ = SENT[name]
    with client.batch():
        order = client.buy("AAPL", 100, price, **terms)
        told = order.terms
    assert order.terms == told
    assert repr(order).count("=") >= len(told)
    again = of_order(price, told)
    assert again.terms == told
    assert again.ord_type is order.ord_type or order.ord_type is OrdType.MARKET_TO_LIMIT


AMOUNTS = st.decimals(1, 10**9, places=2).map(Decimal.normalize)
ANY_TERMS = st.fixed_dictionaries(
    {},
    optional={
        "min_quantity": AMOUNTS,
        "display_quantity": AMOUNTS,
        "stop_price": AMOUNTS,
        "all_or_none": st.just(True),
        "post_only": st.sampled_from(["reject", "slide"]),
        "expire_time": st.dates(date(1970, 1, 1), date(2200, 1, 1))
        | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    },
)


@given(
    ANY_TERMS,
    st.none() | st.tuples(st.integers(1, 2**32 - 1), st.sampled_from(["cancel_both", "cancel_resting"])),
)
def test_any_terms_are_read_as_they_are_written(terms: Terms, group: tuple[int, str] | None) -> None:
    if group:
        terms |= {"self_match_group": group[0], "self_match_mode": group[1]}
    stated = of_order("9", terms)
    assert stated.terms == terms
    assert read_terms(stated.text + b"\x0118=6" * stated.post_only) == terms


@given(st.dictionaries(st.sampled_from(sorted(TAGS.values())), st.text(max_size=30)))
def test_no_report_is_too_strange_to_be_read(fields: dict[int, str]) -> None:
    text = "\x01".join(f"{tag}={value}" for tag, value in fields.items())
    assert set(read_terms(text.encode())) <= set(Terms.__annotations__)


# ---------------------------------------------------------------- what is not

WRONG: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "two types": (None, {"peg": "mid", "stop_price": 1}, "peg and stop_price are different types of orders; give one"),
    "a trailing peg": (None, {"peg": "mid", "trail": 1}, "trail and peg are different types"),
    "a trailing stop's price": ("9", {"trail": 1}, "an order with trail has no price"),
    "a limit that it gets": ("9", {"market_to_limit": True}, "an order with market_to_limit has no price"),
    "an offset from nothing": ("9", {"peg_offset": 1}, 'peg_offset needs peg; allowed: "primary"'),
    "another peg": (None, {"peg": "last"}, "peg is 'last'; allowed: 'primary', 'mid', 'market'"),
    "hidden in part": ("9", {"hidden": True, "display_quantity": 1}, "hidden shows nothing .* give one of them"),
    "a display of nothing": ("9", {"display_quantity": 0}, "display_quantity is 0; .* is hidden from the start"),
    "a group alone": ("9", {"self_match_group": 1}, "self_match_group and self_match_mode go together"),
    "a mode alone": ("9", {"self_match_mode": "cancel_both"}, "self_match_group and self_match_mode go together"),
    "group 0": ("9", {"self_match_group": 0, "self_match_mode": "cancel_both"}, "is 0; allowed: 1 to 4294967295"),
    "a group of text": ("9", {"self_match_group": "1", "self_match_mode": "cancel_both"}, "is '1'; it is an int"),
    "no such mode": ("9", {"self_match_group": 1, "self_match_mode": "off"}, "is 'off'; allowed: 'cancel_resting'"),
    "a mode that is none": (
        "9", {"self_match_group": 1, "self_match_mode": qb.SelfMatchMode.SELF_MATCH_OFF}, "allowed: 'cancel_resting'",
    ),
    "no time to expire": ("9", {"time_in_force": "gtd"}, "expire_time goes with time_in_force GTD"),
    "a time that is none": ("9", {"time_in_force": "gtc", "expire_time": NOON}, "goes with time_in_force GTD"),
    "a time of nowhere": ("9", {"expire_time": datetime(2026, 3, 1)}, "without a time zone; give one, such as"),
    "a time of text": ("9", {"expire_time": "20260301"}, "is '20260301'; allowed: a datetime with a time zone, a date"),
    "a float": (None, {"stop_price": 1.5}, "stop_price is a float; give it as text"),
    "no flag": ("9", {"hidden": 1}, "hidden is 1; allowed: True, False"),
    "no number": ("9", {"min_quantity": "some"}, "min_quantity is 'some', which is not a number"),
    "an unknown term": ("9", {"stop": 1}, "unknown order term 'stop'; allowed: .*stop_price"),
    "more than can be sent": (
        "9." + "0" * 17,
        {"stop_price": "9." + "1" * 17, "min_quantity": "9." + "1" * 17, "display_quantity": "9." + "1" * 17,
         "self_match_group": 2**32 - 1, "self_match_mode": "cancel_both", "expire_time": NOON, "post_only": "slide"},
        "the terms of the order take .* at most 128 can be sent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_no_order_can_say_is_refused(exchange: Acceptor, client: qb.Client, name: str) -> None:
    price, terms, text = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=text):
        client.buy("AAPL", 100, price, **terms)
    assert exchange.accounts["T"].taken == []
    assert client.sell("AAPL", 1, 1).open, "the client is as good as before"


# ---------------------------------------------------------------- replaces

CHANGES: dict[str, tuple[str | None, dict[str, Any], dict[str, Any], str]] = {
    "a quantity": ("9", {"display_quantity": 5}, {"quantity": 50}, "40=2 44=9 59=1"),
    "a display": ("9", {"display_quantity": 5}, {"display_quantity": 3}, "40=2 44=9 59=1 111=3"),
    "a stop price": (None, {"stop_price": 5}, {"stop_price": 6}, "40=3 59=1 99=6"),
    "a stop limit's": ("9", {"stop_price": 5}, {"stop_price": 6}, "40=4 44=9 59=1 99=6"),
    "a trail": (None, {"trail": 5}, {"trail": "4.5"}, "40=P 59=1 211=4.5"),
    "an offset": ("9", {"peg": "mid"}, {"peg_offset": "-1"}, "40=P 59=1 211=-1"),
    "a peg's limit": ("9", {"peg": "mid"}, {"price": 8}, "40=P 44=8 59=1"),
    "a date": ("9", {"expire_time": NOON}, {"expire_time": date(2026, 3, 2)}, "40=2 44=9 59=6 432=20260302"),
    "a date for ever": ("9", {"expire_time": NOON}, {"time_in_force": "gtc"}, "40=2 44=9 59=1"),
    "a date at last": ("9", {}, {"expire_time": date(2026, 3, 2)}, "40=2 44=9 59=6 432=20260302"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_replace_says_what_changes(exchange: Acceptor, client: qb.Client, name: str) -> None:
    price, terms, changes, expected = CHANGES[name]
    order = client.buy("AAPL", 100, price, **terms)
    client.replace(order, **changes)
    assert exchange.accounts["T"].taken[-1][35] == "G"
    assert terms_sent(exchange.accounts["T"].taken[-1]) == expected


@pytest.mark.parametrize(
    ("terms", "changes", "text"),
    [
        ({"trail": 1}, {"peg_offset": 1}, "peg_offset is a term of a pegged order, which this order is not"),
        ({"peg": "mid"}, {"trail": 1}, "trail is a term of a trailing stop, which this order is not"),
        ({}, {"trail": 1}, "trail is a term of a trailing stop"),
        ({}, {"peg_offset": 1}, "peg_offset is a term of a pegged order"),
        ({}, {"time_in_force": "gtd"}, "GTD needs an expire_time"),
        ({}, {"time_in_force": "day", "expire_time": NOON}, "expire_time goes with time_in_force GTD"),
        ({}, {"hidden": True}, "unknown term to change 'hidden'; allowed: time_in_force, display_quantity"),
        ({}, {"display_quantity": 0}, "display_quantity is 0"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    exchange: Acceptor, client: qb.Client, terms: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    order = client.buy("AAPL", 100, None if terms else "9", **terms)
    with pytest.raises((TypeError, ValueError), match=text):
        client.replace(order, **changes)
    assert len(exchange.accounts["T"].taken) == 1


# ---------------------------------------------------------------- reports

HEAD = [(35, "8"), (49, "QUORUMBOOK"), (56, "ME"), (34, "7"), (52, "20260105-10:00:00.000")]


@pytest.mark.parametrize(
    ("fields", "exec_type", "status", "restatement"),
    [
        ({150: "L", 39: "0", 99: "101"}, ExecType.TRIGGERED, OrdStatus.NEW, None),
        ({150: "C", 39: "C", 126: "20260105-10:00:00"}, ExecType.EXPIRED, OrdStatus.EXPIRED, None),
        ({150: "D", 39: "1", 378: "3"}, ExecType.RESTATED, OrdStatus.PARTIALLY_FILLED, 3),
        ({150: "D", 39: "0", 378: "99"}, ExecType.RESTATED, OrdStatus.NEW, 99),
    ],
)
def test_what_happens_to_an_order_by_itself_is_told(
    fields: dict[int, str], exec_type: ExecType, status: OrdStatus, restatement: int | None
) -> None:
    batch = Decoder("QUORUMBOOK", "ME").feed(message([*HEAD, *fields.items()]))
    report = batch.report(0)
    assert (report.exec_type, report.ord_status, report.restatement) == (exec_type, status, restatement)
    assert batch.array[0]["restatement"] == (restatement or 0)
    assert report.ord_status is not None
    assert report.ord_status.open == (status is not OrdStatus.EXPIRED)


def test_a_report_without_terms_has_none() -> None:
    parties = [(453, "1"), (448, "99=5"), (447, "D"), (452, "1")]
    report = Decoder("QUORUMBOOK", "ME").feed(message([*HEAD, (44, "5"), (38, "1"), *parties])).report(0)
    assert report.terms == {}


def test_an_order_that_expires_is_closed(exchange: Acceptor, client: qb.Client) -> None:
    order = client.buy("AAPL", 100, "9", expire_time=NOON)
    sent = exchange.accounts["T"].orders[order.cl_ord_id]
    exchange.cut()
    exchange._report("T", [], sent, order.cl_ord_id, "D0", "60", [(378, "8")])
    exchange._report("T", [], sent | {38: "60"}, order.cl_ord_id, "CC", "0", [])
    client.sell("AAPL", 1, "10")
    assert (order.status, order.open, order.leaves, order.quantity) == (OrdStatus.EXPIRED, False, 0, 60)


def test_the_price_of_a_peg_is_where_it_is(exchange: Acceptor, client: qb.Client) -> None:
    order = client.buy("AAPL", 100, peg="mid")
    sent = exchange.accounts["T"].orders[order.cl_ord_id]
    exchange.cut()
    exchange._report("T", [], sent | {44: "9.50"}, order.cl_ord_id, "D0", "100", [(378, "3")])
    client.sell("AAPL", 1, "10")
    assert order.price == Decimal("9.50")
    exchange.cut()
    exchange._report("T", [], sent, order.cl_ord_id, "D0", "100", [(378, "3")])
    client.sell("AAPL", 1, "10")
    assert order.price is None


def test_a_market_order_that_waits_for_an_auction_is_asked_about(
    exchange: Acceptor, client: qb.Client
) -> None:
    order = client.buy("AAPL", 100)
    assert order.status is OrdStatus.NEW
    assert [sent[35] for sent in exchange.accounts["T"].taken] == ["D", "H"]
    assert re.search("AAPL new", repr(order))
