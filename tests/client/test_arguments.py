"""What a program may pass to the client, and the plain words that it gets for everything else."""

import asyncio
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gateway
import quorumbook as qb
from gateway.client_operations import OPERATIONS
from gateway.client_terms import time_in_force
from tests.client.acceptor import Acceptor


@pytest.fixture
def exchange() -> Iterator[Acceptor]:
    acceptor = Acceptor()
    yield acceptor
    acceptor.close()


@pytest.fixture
def client(exchange: Acceptor) -> Iterator[qb.Client]:
    with qb.connect(exchange.tcp, "T") as client:
        yield client


def test_integers_of_numpy_are_integers(exchange: Acceptor, client: qb.Client) -> None:
    for number in (np.int64(100), np.uint8(100), np.int32(100), 100, "100", np.str_("100"), Decimal(100)):
        order = client.buy("AAPL", number, number)
        assert (order.quantity, order.price, order.leaves) == (100, 100, 100)
        assert type(order.quantity) is Decimal
        client.replace(order, quantity=number, price=number)
    assert {(sent[38], sent[44]) for sent in exchange.accounts["T"].taken} == {("100", "100")}


@pytest.mark.parametrize("given", [qb.DAY, qb.TimeInForce.DAY, "day", "DAY"])
def test_a_time_in_force_has_three_spellings(exchange: Acceptor, client: qb.Client, given: Any) -> None:
    client.buy("AAPL", 1, 1, time_in_force=given)
    assert exchange.accounts["T"].taken[-1][59] == "0"


def test_the_engine_and_fix_call_each_time_in_force_the_same() -> None:
    auctions = ((qb.AT_OPEN, "2"), (qb.AT_CLOSE, "7"), (qb.GOOD_FOR_AUCTION, "B"))
    for engine, fix in ((qb.DAY, "0"), (qb.GTC, "1"), (qb.IOC, "3"), (qb.FOK, "4"), (qb.GTD, "6"), *auctions):
        assert time_in_force(engine) is qb.TimeInForce(fix) is time_in_force(engine.name.lower())


def test_the_operations_are_those_of_the_dictionary() -> None:
    (field,) = ElementTree.parse(Path(gateway.__path__[0]) / "FIX44.xml").findall(
        "fields/field[@number='20021']"
    )
    assert tuple(value.get("enum") for value in field) == OPERATIONS


WRONG: dict[str, tuple[Callable[[qb.Client], object], str]] = {
    "a float": (lambda c: c.buy("AAPL", 1, 1.5), r'price is a float; give it as text \("1.5"\)'),
    "a float of NumPy": (lambda c: c.buy("AAPL", np.float32(2), 1), "quantity is a float"),
    "a list": (lambda c: c.buy("AAPL", [1], 1), "quantity is .*allowed: text such as"),
    "a bool": (lambda c: c.buy("AAPL", True, 1), "quantity is True; allowed"),
    "a fraction": (lambda c: c.buy("AAPL", Fraction(1, 3), 1), "quantity is Fraction.*allowed"),
    "nothing": (lambda c: c.buy("AAPL", None, 1), "quantity is None; allowed"),
    "a word": (lambda c: c.buy("AAPL", "ten", 1), "quantity is 'ten', which is not a number"),
    "not finite": (lambda c: c.buy("AAPL", "NaN", 1), "must be finite"),
    "too many digits": (lambda c: c.buy("AAPL", 10**30, 1), "at most 18 digits"),
    "an empty symbol": (lambda c: c.buy("", 1, 1), "symbol is ''; it has 1 to 32"),
    "a symbol of bytes": (lambda c: c.buy(b"AAPL", 1, 1), "symbol is b'AAPL'; it is text"),
    "an account": (lambda c: c.buy("AAPL", 1, 1, account=7), "account is 7; it is text"),
    "a ClOrdID": (lambda c: c.buy("AAPL", 1, 1, cl_ord_id=7), "ClOrdID is 7; it is text"),
    "an empty ClOrdID": (lambda c: c.buy("AAPL", 1, 1, cl_ord_id=""), "ClOrdID is ''"),
    "post-only": (lambda c: c.buy("AAPL", 1, 1, post_only="no"), "post_only is 'no'; allowed: True, False, "),
    "a time in force": (lambda c: c.buy("AAPL", 1, 1, time_in_force="now"), 'allowed: .*TimeInForce.IOC or "ioc"'),
    "a bare number": (lambda c: c.buy("AAPL", 1, 1, time_in_force=3), "time_in_force is 3; allowed"),
    "one it has not": (lambda c: c.buy("AAPL", 1, 1, time_in_force=qb.Machine), "time_in_force is .*allowed"),
    "an unknown term": (lambda c: c.buy("AAPL", 1, 1, tif="ioc"), "unknown order term 'tif'; allowed: time_in_force"),
    "no order": (lambda c: c.cancel("id-1"), "'id-1' is no Order; allowed: what buy and sell return"),
    "no order to replace": (lambda c: c.replace(None, quantity=1), "None is no Order"),
    "no order to ask for": (lambda c: c.status(7), "7 is no Order"),
    "no change": (lambda c: c.replace(c.buy("AAPL", 1, 1)), "give quantity, price or a term"),
    "an operation": (lambda c: c.operate("HALT"), "operation is 'HALT'; allowed: PHASE, INSTRUMENT"),
    "an operation in small letters": (lambda c: c.operate("phase"), "operation is 'phase'; allowed: PHASE"),
    "fields by tag": (lambda c: c.operate("KILL", {qb.OperationTag.SYMBOL: "A"}), "a mapping; allowed: pairs"),
    "a field alone": (lambda c: c.operate("KILL", [qb.OperationTag.SYMBOL]), "no field; allowed: a pair"),
    "a tag's name": (lambda c: c.operate("KILL", [("SYMBOL", "A")]), "'SYMBOL' is no tag; allowed: a member"),
    "no value of a field": (lambda c: c.operate("KILL", [(55, None)]), "field 55 is None; allowed: text such as"),
    "a float of a field": (lambda c: c.operate("PROTECT", [(20037, 0.5)]), "field 20037 is a float; give it as"),
    "a long symbol of a field": (lambda c: c.operate("PHASE", [(55, "A" * 33)]), "field 55 is .* has 1 to 32"),
    "a long reason": (lambda c: c.operate("PHASE", [(58, "A" * 129)]), "field 58 is .* has 1 to 128"),
    "a symbol to cancel": (lambda c: c.mass_cancel(7), "symbol is 7"),
    "prices of no symbol": (lambda c: c.mass_cancel(low=1), "low and high are prices of a symbol"),
    "a price of orders": (lambda c: c.mass_cancel("AAPL", high=1.5), "high is a float"),
    "an account to cancel": (lambda c: c.mass_cancel(account=""), "account is ''"),
    "which orders": (lambda c: c.mass_cancel(owner="A"), "unknown keyword 'owner'; allowed: side, account, low, high"),
    "no array": (lambda c: c.send([1, 2]), "requests is of list; allowed: a NumPy array of dtype"),
    "another array": (lambda c: c.send(np.zeros(3)), "requests is of float64; allowed"),
    "no messages a frame": (lambda c: c.send(np.zeros(1, qb.REQUEST), 0), "per_frame is 0; .* 1 or more"),
    "an empty request": (lambda c: c.send(np.zeros(1, qb.REQUEST)), "request 0: kind must be"),
}  # fmt: skip


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_named_with_what_is_allowed(
    exchange: Acceptor, client: qb.Client, call: tuple[Callable[[qb.Client], object], str]
) -> None:
    with pytest.raises((TypeError, ValueError), match=call[1]):
        call[0](client)
    assert client.sell("AAPL", 1, 1).open, "the client is as good as before"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"heartbeat": 5},
            "unknown option 'heartbeat'; allowed: timeout, on_report, .*target, heartbeat_seconds",
        ),
        ({"heartbeat_seconds": 0}, "heartbeat_seconds is 0; allowed: 1 to 86400"),
        ({"heartbeat_seconds": "5"}, "heartbeat_seconds is '5'; it is an int"),
        ({"grace_ms": -1}, "grace_ms is -1; allowed"),
        ({"timeout": 0}, "timeout is 0; it is a number of seconds above 0"),
        ({"timeout": "5"}, "timeout is '5'"),
        ({"on_report": 5}, "on_report is 5; it is a function"),
        ({"endpoint": []}, "no endpoint is given"),
        ({"endpoint": "tcp://127.0.0.1"}, "allowed|is not one of"),
        ({"endpoint": ["tcp://127.0.0.1:1", 7]}, "endpoint is 7; it is text"),
        ({"comp_id": "a b\n"}, "CompID"),
        ({"comp_id": 7}, "CompID is 7"),
        ({"target": ""}, "target CompID is ''"),
        ({"password": b"x"}, "password is a bytes; it is text"),
        ({"password": "\n"}, "password is not served; allowed: up to 128 printable ASCII"),
        ({"username": "x" * 65}, "username is not served; allowed: up to 64 printable ASCII"),
        ({"tls": "yes"}, "tls is 'yes'; allowed: an ssl.SSLContext, True, False"),
        (
            {"curve": ("x" * 40, "y" * 40)},
            r"curve is not \(public key, secret key, the server's public key\)",
        ),
        ({"curve": ('"' * 40, "y" * 40, "z" * 40)}, "each 40 characters of Z85"),
        ({"cancel_on_disconnect": "no"}, "cancel_on_disconnect is 'no'; allowed: True, False"),
    ],
)
def test_a_wrong_option_of_connect_is_named(options: dict[str, Any], text: str) -> None:
    given = {"endpoint": "tcp://127.0.0.1:1", "comp_id": "T"} | options
    with pytest.raises((TypeError, ValueError), match=text):
        qb.connect(**given)
    with pytest.raises((TypeError, ValueError), match=text):
        asyncio.run(qb.connect_async(**given))


def test_a_batch_that_raises_sends_nothing(exchange: Acceptor, client: qb.Client) -> None:
    def wrong() -> None:
        with client.batch():
            client.buy("AAPL", 1, 1)
            client.buy("AAPL", 1, "one")

    with pytest.raises(ValueError, match="not a number"):
        wrong()
    assert client.sell("AAPL", 2, 1).open
    assert [sent[38] for sent in exchange.accounts["T"].taken] == ["2"]


def test_a_callback_may_trade_and_may_raise(exchange: Acceptor) -> None:
    seen: list[str] = []

    def on_report(report: qb.Report) -> None:
        seen.append(str(report.cl_ord_id))
        if report.cl_ord_id == "a1":
            client.buy("AAPL", 1, 1, cl_ord_id="inner")
        if report.cl_ord_id == "a2":
            raise KeyError("the program's own mistake")

    client = qb.connect(exchange.tcp, "T", on_report=on_report)
    with pytest.raises(KeyError, match="own mistake"):
        buy_five(client)
    assert client.sell("AAPL", 1, 1, cl_ord_id="last").open
    client.close()
    assert sorted(seen) == ["a0", "a1", "a2", "a3", "a4", "inner", "last"], "each report once"


def buy_five(client: qb.Client) -> None:
    with client.batch():
        for number in range(5):
            client.buy("AAPL", 1, 1, cl_ord_id=f"a{number}")


def test_a_fix_log_is_a_file_that_can_be_written(exchange: Acceptor, tmp_path: Path) -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="fix_log is 5; it is the path of a file"):
        qb.connect(exchange.tcp, "T", fix_log=wrong)
    with pytest.raises(FileNotFoundError):
        qb.connect(exchange.tcp, "T", fix_log=tmp_path / "no" / "fix.log")


def test_what_a_program_sends_and_gets_is_in_its_fix_log(
    exchange: Acceptor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "fix.log"

    async def trade() -> None:
        async with await qb.connect_async(exchange.tcp, "B", fix_log=str(path)) as client:
            await client.buy("AAPL", 1, 1)

    with qb.connect(exchange.tcp, "T", fix_log=path) as client:
        client.buy("AAPL", 1, 1)
        path.unlink()
        path.symlink_to("/dev/full")
        client.buy("AAPL", 2, 1)
        path.unlink()
    asyncio.run(trade())
    lines = path.read_text().splitlines()
    assert lines[0] == "lines missing here: 2"
    found = [
        re.sub(r".* (in|out) +(\S+) : 8=FIX.4.4\|9=\d+\|(35=.).*", r"\1 \2 \3", line) for line in lines[1:]
    ]
    session = ["out A", "in A", "out D", "in 8", "out 5", "in 5"]
    assert [line.replace(f" {exchange.tcp} 35=", " ") for line in found] == session[-2:] + session
    assert [record.name for record in caplog.records] == ["quorumbook", "quorumbook"]
