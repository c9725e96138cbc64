"""Gaps between QuickFIX and the exchange, in either direction and in both at once, and how each is closed."""

from collections.abc import Callable

import pytest
from exchange_process import ExchangeProcess, wait_until
from fix_client import FixClient, Message
from quickfix_desk import QuickFixDesk

Start = Callable[..., QuickFixDesk]
OURS_TO_CHANGE = (9, 10, 43, 52, 122)  # of a message that is sent again


@pytest.fixture
def trader(exchange: ExchangeProcess, desk: Start) -> QuickFixDesk:
    """Three orders rest."""
    started = desk("TRADER", exchange.port("fix_tcp"))
    started.wait_for_logon()
    for number in range(3):
        started.order(f"t{number}", "buy", 1, "10.00")
    started.names += ["t0", "t1", "t2"]
    started.finish()
    return started


def lasting(message: Message) -> list[tuple[int, str]]:
    return [(tag, value) for tag, value in message.items() if tag not in OURS_TO_CHANGE]


def trades_on(trader: QuickFixDesk) -> None:
    """Both sides know each other's numbers: nothing is asked for again."""
    trader.finish()
    requests = kinds(trader)
    trader.order("last", "sell", 1, "20.00")
    assert trader.next()[11] == "last"
    trader.finish()
    assert kinds(trader) == requests


def kinds(trader: QuickFixDesk) -> tuple[int, int]:
    """ResendRequests that QuickFIX sent, and that it got."""
    return sum(one[35] == "2" for one in trader.sent), sum(one[35] == "2" for one in trader.admin)


def test_the_exchange_asks_for_orders_that_were_entered_without_a_connection(trader: QuickFixDesk) -> None:
    trader.log_out()
    for number in range(3, 6):
        trader.order(f"t{number}", "buy", 1, "10.00")
        trader.names.append(f"t{number}")
    trader.log_on()
    trades_on(trader)
    assert kinds(trader) == (0, 1)
    assert [one[11] for one in trader.accepted()] == [*trader.names, "last"]
    again = [one for one in trader.sent if one[35] == "D" and one.get(43) == "Y"]
    assert [one[11] for one in again] == ["t3", "t4", "t5"]


def goes_on_with(trader: QuickFixDesk, sender: int, target: int) -> None:
    """Its store has other numbers when it comes back."""
    trader.stop()
    trader.store(sender, target)
    logons = trader.logons
    trader.start()
    trader.wait_for_logon(logons + 1)


@pytest.mark.parametrize("connected", [True, False])
def test_the_exchange_asks_for_what_never_was(trader: QuickFixDesk, connected: bool) -> None:
    """Numbers that QuickFIX skipped are filled by a SequenceReset."""
    sender, target = trader.numbers()
    if connected:
        trader.set_sender(sender + 5)
    else:
        goes_on_with(trader, sender + 5, target + 1)
    trades_on(trader)
    assert kinds(trader) == (0, 1)
    assert [one[11] for one in trader.accepted()] == [*trader.names, "last"]
    assert any(one[35] == "4" and one[123] == "Y" for one in trader.sent)


@pytest.mark.parametrize("connected", [True, False])
def test_quickfix_asks_for_what_it_has_forgotten(trader: QuickFixDesk, connected: bool) -> None:
    before = [lasting(one) for one in trader.received]
    if connected:
        trader.set_target(2)
    else:
        goes_on_with(trader, trader.numbers()[0] + 1, 2)
    trades_on(trader)
    assert kinds(trader) == (1, 0)
    again = trader.received[len(before) : -1]
    assert [lasting(one) for one in again] == before
    assert {one[43] for one in again} == {"Y"}
    assert all(one[122] <= one[52] for one in again)


def test_a_logout_of_the_exchange_is_confirmed_and_that_counts(trader: QuickFixDesk) -> None:
    """Nothing that was sent is missing. But QuickFIX, having just disconnected, numbers a Logon that it cannot send."""
    sender, _ = trader.numbers()
    trader.be_strange()
    trader.order("t3", "buy", 1, "10.00")
    trader.wait_for_logon(2)
    trades_on(trader)
    assert kinds(trader) == (0, 1)
    assert [(one[35], one.get(7)) for one in trader.admin if one[35] in "235"] == [
        ("3", None),
        ("5", None),
        ("2", str(sender + 2)),
    ]
    assert "5" in [one[35] for one in trader.sent if one[34] == str(sender + 1)]


def test_each_asks_the_other_at_once(trader: QuickFixDesk) -> None:
    before = [lasting(one) for one in trader.received]
    trader.log_out()
    trader.order("t3", "buy", 1, "10.00")
    trader.names.append("t3")
    goes_on_with(trader, trader.numbers()[0] + 5, 2)
    trades_on(trader)
    assert kinds(trader) == (1, 1)
    assert [lasting(one) for one in trader.received[3:6]] == before
    assert [one[11] for one in trader.received[6:]] == ["t3", "last"]


def test_a_client_that_lost_its_numbers_is_told_and_finds_them_again(trader: QuickFixDesk) -> None:
    """QuickFIX tries with one number more every second, until one is high enough."""
    sender, target = trader.numbers()
    goes_on_with(trader, sender - 2, target + 1)
    trades_on(trader)
    told = [one[58] for one in trader.admin if one[35] == "5" and 58 in one]
    assert told[0] == f"MsgSeqNum too low, expecting {sender + 1} but received {sender - 2}"


def test_refused_logons_cost_no_report(exchange: ExchangeProcess, trader: QuickFixDesk) -> None:
    """A Logout outside the session would count as one of its messages: QuickFIX would never ask for that one again."""
    trader.kill()
    sender, target = trader.stored()
    with FixClient("tcp", exchange.port("fix_tcp"), "TRADER") as other:
        other.next_out, other.next_in = sender, target
        other.logon()
        for number in range(3, 6):
            other.send_bytes(other.order(f"t{number}", "buy", 1, "10.00"))
            assert other.expect("8")[11] == f"t{number}"
        trader.start()
        wait_until(lambda: trader.events().count("Connecting to") >= 5)  # the first before, three refused
    trader.wait_for_logon(2)
    trader.finish()
    assert [one[11] for one in trader.accepted()] == [f"t{number}" for number in range(6)]
