"""QuickFIX as it comes, at one exchange: every message that a client can send, and every kind of answer."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient, Message
from quickfix_desk import TIME, QuickFixDesk

from gateway.passwords import hashed

Start = Callable[..., QuickFixDesk]


@pytest.fixture
def buyer(exchange: ExchangeProcess, desk: Start) -> QuickFixDesk:
    started = desk("BUYER", exchange.port("fix_tcp"))
    started.wait_for_logon()
    return started


def told(message: Message, *tags: int) -> list[str | None]:
    return [message.get(tag) for tag in tags]


def test_an_order_lives(exchange: ExchangeProcess, buyer: QuickFixDesk) -> None:
    """Entered, filled in part, replaced, filled again, cancelled."""
    state = (35, 11, 41, 150, 39, 38, 44, 151, 14)
    buyer.order("b1", "buy", 100, "10.00")
    assert told(buyer.next(), *state) == ["8", "b1", None, "0", "0", "100", "10.00", "100", "0"]
    with FixClient("zmq", exchange.port("fix_zmq"), "SELLER") as seller:
        seller.logon()
        seller.send_bytes(seller.order("s1", "sell", 40, "9.99"))
        assert told(buyer.next(), *state) == ["8", "b1", None, "F", "1", "100", "10.00", "60", "40"]
        buyer.send(
            "G", (41, "b1"), (11, "b2"), (21, 1), (55, "AAPL"), (54, 1), (60, TIME), (38, 90), (40, 2),
            (44, "10.01"), (59, 1),
        )  # fmt: skip
        assert told(buyer.next(), *state) == ["8", "b2", "b1", "5", "1", "90", "10.01", "50", "40"]
        seller.send_bytes(seller.order("s2", "sell", 10, "10.01"))
        fill = buyer.next()
        assert told(fill, *state) == ["8", "b2", "b1", "F", "1", "90", "10.01", "40", "50"]
        assert told(fill, 31, 32, 6, 851) == ["10.01", "10", "10.0020", "1"]
        answers = [seller.expect("8") for _ in range(4)]
        assert fill[880] == answers[-1][880]
    buyer.cancel("b3", "b2", "buy")
    assert told(buyer.next(), *state) == ["8", "b3", "b2", "4", "4", "90", "10.01", "0", "50"]


def test_requests_that_are_refused(buyer: QuickFixDesk) -> None:
    buyer.order("b1", "buy", 1, "10.00")
    assert buyer.next()[150] == "0"
    buyer.order("b1", "buy", 1, "10.00")
    assert told(buyer.next(), 35, 150, 103) == ["8", "8", "6"]
    buyer.order("b2", "buy", 1, "10.00", (55, "NOWHERE"))
    assert told(buyer.next(), 35, 150, 103, 37) == ["8", "8", "1", "NONE"]
    buyer.cancel("b3", "b9", "buy")
    assert told(buyer.next(), 35, 37, 39, 102, 434) == ["9", "NONE", "8", "1", "1"]
    buyer.cancel("b4", "b1", "buy")
    assert buyer.next()[150] == "4"
    buyer.cancel("b5", "b1", "buy")
    assert told(buyer.next(), 35, 39, 102, 434) == ["9", "4", "0", "1"]
    buyer.send("R", (131, "quote"))
    assert told(buyer.next(), 35, 372, 380) == ["j", "R", "3"]
    buyer.send("D", (11, "b6"))
    buyer.wait(lambda: buyer.admin[-1][35] == "3")
    assert told(buyer.admin[-1], 372, 373) == ["D", "1"]


def test_orders_that_do_not_rest(buyer: QuickFixDesk) -> None:
    """Immediate or cancel, fill or kill, and at the market."""
    for name, quantity in (("s1", 10), ("s2", 20)):
        buyer.order(name, "sell", quantity, "10.00")
        assert buyer.next()[150] == "0"
    buyer.order("ioc", "buy", 15, "10.00", (59, 3))
    assert [told(buyer.next(), 11, 150, 39, 14) for _ in range(5)] == [
        ["ioc", "0", "0", "0"],
        ["ioc", "F", "1", "10"], ["s1", "F", "2", "10"],
        ["ioc", "F", "2", "15"], ["s2", "F", "1", "5"],
    ]  # fmt: skip
    buyer.order("fok", "buy", 16, "10.00", (59, 4))
    assert [told(buyer.next(), 11, 150, 39, 14) for _ in range(2)] == [
        ["fok", "0", "0", "0"],
        ["fok", "4", "4", "0"],
    ]
    buyer.send("D", (11, "market"), (55, "AAPL"), (54, 1), (60, TIME), (38, 20), (40, 1), (59, 3))
    assert [told(buyer.next(), 11, 150, 39, 14, 44) for _ in range(4)] == [
        ["market", "0", "0", "0", None],
        ["market", "F", "1", "15", None],
        ["s2", "F", "2", "20", "10.00"],
        ["market", "4", "4", "15", None],
    ]


def test_questions(buyer: QuickFixDesk) -> None:
    for name in ("b1", "b2"):
        buyer.order(name, "buy", 5, "10.00")
        assert buyer.next()[150] == "0"
    buyer.send("H", (11, "b1"), (55, "AAPL"), (54, 1), (790, "asked"))
    assert told(buyer.next(), 11, 150, 39, 790) == ["b1", "I", "0", "asked"]
    buyer.send("H", (11, "b9"), (55, "AAPL"), (54, 1))
    assert told(buyer.next(), 11, 37, 150, 39) == ["b9", "NONE", "I", "8"]
    buyer.send("AF", (584, "all"), (585, 7))
    assert [told(buyer.next(), 11, 150, 584, 911, 912) for _ in range(2)] == [
        ["b1", "I", "all", "2", "N"],
        ["b2", "I", "all", "2", "Y"],
    ]
    buyer.send("AF", (584, "none"), (585, 1), (55, "MSFT"))
    assert told(buyer.next(), 37, 39, 584, 911, 912) == ["NONE", "8", "none", "0", "Y"]


def test_a_mass_cancel(buyer: QuickFixDesk) -> None:
    for name in ("b1", "b2"):
        buyer.order(name, "buy", 5, "10.00")
        assert buyer.next()[150] == "0"
    buyer.send("q", (11, "b3"), (530, 7), (60, TIME))
    assert [told(buyer.next(), 35, 11, 150, 531, 533) for _ in range(3)] == [
        ["8", "b1", "4", None, None],
        ["8", "b2", "4", None, None],
        ["r", "b3", None, "7", "2"],
    ]
    buyer.send("q", (11, "b4"), (530, 3), (60, TIME))
    assert told(buyer.next(), 35, 531, 532) == ["r", "0", "0"]


def test_numbers_go_on_after_a_logout(buyer: QuickFixDesk) -> None:
    buyer.order("b1", "buy", 1, "10.00")
    assert buyer.next()[150] == "0"
    sender, target = buyer.numbers()
    buyer.stop()
    assert buyer.stored() == (sender + 1, target + 1)
    buyer.start()
    buyer.wait_for_logon(2)
    assert buyer.numbers() == (sender + 2, target + 2)
    buyer.cancel("b2", "b1", "buy")
    assert told(buyer.next(), 150, 41) == ["4", "b1"]


def test_numbers_go_on_after_a_kill_of_the_client(buyer: QuickFixDesk) -> None:
    """A report that it was at when it was killed it asks for again."""
    for number in range(3):
        buyer.order(f"b{number}", "buy", 1, "10.00")
        assert buyer.next()[150] == "0"
        buyer.kill()
        buyer.start()
        buyer.wait_for_logon(number + 2)
        buyer.finish()
    assert [message[11] for message in buyer.received if message.get(43) != "Y"] == ["b0", "b1", "b2"]


def test_numbers_begin_anew_with_every_logon_that_says_so(exchange: ExchangeProcess, desk: Start) -> None:
    forgetful = desk("FORGETFUL", exchange.port("fix_tcp"), ResetOnLogon="Y")
    for number in range(1, 4):
        forgetful.wait_for_logon(number)
        assert told(forgetful.admin[-1], 35, 34, 141) == ["A", "1", "Y"]
        assert forgetful.numbers() == (2, 2)
        forgetful.order(f"b{number}", "buy", 1, "10.00")
        assert told(forgetful.next(), 11, 34) == [f"b{number}", "2"]
        forgetful.kill()
        forgetful.start()
    forgetful.wait_for_logon(4)
    assert forgetful.asked_open() == {"b1": 1, "b2": 1, "b3": 1}


def test_a_dictionary_of_quickfix_s_own_will_do(exchange: ExchangeProcess, desk: Start) -> None:
    """It must be told that there are fields that it does not know."""
    own = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    trader = desk(
        "TRADER",
        exchange.port("fix_tcp"),
        DataDictionary=own,
        ValidateUserDefinedFields="N",
        AllowUnknownMsgFields="Y",
    )
    trader.order("s1", "sell", 1, "10.00")
    trader.order("b1", "buy", 1, "10.00")
    assert [told(trader.next(), 11, 150) for _ in range(4)] == [
        ["s1", "0"],
        ["b1", "0"],
        ["b1", "F"],
        ["s1", "F"],
    ]
    trader.order("b1", "buy", 1, "10.00")
    assert told(trader.next(), 150, 103, 20002) == ["8", "6", "101"]


def test_a_password_goes_into_the_logon(tmp_path: Path, desk: Start) -> None:
    pytest.importorskip("argon2", reason="passwords need argon2-cffi")
    hash = hashed(b"correct-horse-17")
    config = f'{CONFIG}\n[[clients]]\ncomp_id = "TRADER"\npassword_hash = "{hash}"\n'
    with ExchangeProcess(tmp_path / "exchange", config=config) as exchange:
        trader = desk("TRADER", exchange.port("fix_tcp"), password="correct-horse-17")
        trader.order("b1", "buy", 1, "10.00")
        assert told(trader.next(), 11, 150) == ["b1", "0"]
