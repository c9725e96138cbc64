"""QuickFIX with its own FIX44.xml and nothing set otherwise, at an exchange that sends nothing of its own."""

import sys
from pathlib import Path

import pytest
from cluster_processes import at_tcp_port
from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient, Message
from quickfix_desk import TIME, QuickFixDesk
from test_quickfix_life import Start, told

VENUE = "\n[fix]\nown_tags = false\n"
CLIENT = '\n[[clients]]\ncomp_id = "TRADER"\nown_tags = false\n\n[[clients]]\ncomp_id = "OTHER"\n'
ONE = (146, [[(55, "AAPL")]])
BIDS_AND_OFFERS = (267, [[(269, 0)], [(269, 1)]])
ALL_TYPES = (267, [[(269, 0)], [(269, 1)], [(269, 2)]])


@pytest.fixture(params=[VENUE, CLIENT], ids=["venue", "client"])
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> ExchangeProcess:
    return ExchangeProcess(tmp_path / "exchange", config=at_tcp_port(CONFIG) + request.param)


def trader_of(exchange: ExchangeProcess, desk: Start) -> QuickFixDesk:
    own = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    trader = desk("TRADER", exchange.port("fix_tcp"), DataDictionary=own)
    trader.wait_for_logon()
    return trader


def own_tags(messages: list[Message]) -> list[int]:
    return [tag for message in messages for tag in message if tag >= 20000]


def test_it_trades(stock: ExchangeProcess, desk: Start) -> None:
    with stock as exchange:
        trader = trader_of(exchange, desk)
        trader.order("s1", "sell", 5, "10.00", (1, "house"))
        trader.order("b1", "buy", 2, "10.00")
        assert [told(trader.next(), 35, 11, 150) for _ in range(2)] == [["8", "s1", "0"], ["8", "b1", "0"]]
        fills = [trader.next(), trader.next()]
        assert [told(one, 11, 150, 31, 32, 880, 527) for one in fills] == [
            ["b1", "F", "10.00", "2", None, "1"],
            ["s1", "F", "10.00", "2", None, "1"],
        ]
        trader.order("b1", "buy", 2, "10.00")
        assert told(trader.next(), 150, 103) == ["8", "6"]
        trader.cancel("b2", "b1", "buy")
        assert told(trader.next(), 35, 39, 102) == ["9", "2", "0"]
        trader.send("H", (11, "s1"), (55, "AAPL"), (54, 2), (790, "how"))
        assert told(trader.next(), 150, 790, 151) == ["I", "how", "3"]
        trader.send("AF", (584, "all"), (585, 7))
        assert told(trader.next(), 150, 584, 911, 912) == ["I", "all", "1", "Y"]
        trader.send("q", (11, "q1"), (530, 7), (60, TIME))
        assert [told(trader.next(), 35, 150, 533) for _ in range(2)] == [["8", "4", None], ["r", None, "1"]]
        trader.send("B", (148, "news"), (33, [[(58, "a line")]]))
        assert told(trader.next(), 35, 380) == ["j", "3"]
        assert own_tags(trader.received) == []
        trader.set_target(2)  # what it asks for again is no other
        before = len(trader.received)
        trader.finish()
        assert len(trader.received) == 2 * before
        assert own_tags(trader.received) == []


def test_it_asks_for_everything(stock: ExchangeProcess, desk: Start) -> None:
    with stock as exchange:
        trader = trader_of(exchange, desk)
        trader.send("x", (320, "all"), (559, 4))
        listed = [trader.next() for _ in range(6)]
        assert [told(one, 35, 893, 146, 55) for one in listed][-2:] == [
            ["y", "N", "1", "INTC"],
            ["y", "Y", "1", "BTC/USD"],
        ]
        trader.send("e", (324, "e1"), (55, "AAPL"), (263, 0))
        assert told(trader.next(), 35, 326) == ["f", "17"]
        trader.send("g", (335, "g1"), (263, 0))
        assert told(trader.next(), 35, 340) == ["h", "2"]
        trader.send("V", (262, "v0"), (263, 0), (264, 0), (267, [[(269, 0)]]), (146, [[(55, "NOWHERE")]]))
        assert told(trader.next(), 35, 281) == ["Y", "0"]
        trader.send("V", (262, "v1"), (263, 1), (264, 5), (265, 1), ALL_TYPES, ONE)
        assert told(trader.next(), 35, 262, 268) == ["W", "v1", "0"]
        trader.send("AD", (568, "a1"), (569, 0), (263, 1))
        assert told(trader.next(), 35, 749, 750) == ["AQ", "0", "0"]
        trader.order("s1", "sell", 5, "10.00")
        trader.order("s2", "sell", 5, "10.01")
        trader.order("b1", "buy", 2, "10.00")
        trader.wait(lambda: any(one[35] == "X" and 278 in one for one in trader.received))
        trader.finish()
        kinds = [one[35] for one in trader.received]
        assert (kinds.count("8"), kinds.count("AE")) == (5, 2)
        trader.send("V", (262, "v2"), (263, 0), (264, 0), BIDS_AND_OFFERS, ONE)
        trader.wait(lambda: trader.received[-1].get(262) == "v2")
        assert told(trader.received[-1], 35, 268) == ["W", "2"]
        assert own_tags(trader.received) == []


def test_others_have_all_of_it(tmp_path: Path) -> None:
    with (
        ExchangeProcess(tmp_path, config=CONFIG + CLIENT) as exchange,
        FixClient("tcp", exchange.port("fix_tcp"), "OTHER") as other,
        FixClient("zmq", exchange.port("fix_zmq"), "TRADER") as trader,
    ):
        for client in (other, trader):
            client.logon()
            client.send_bytes(client.order("a", "buy", 1, "10.00"))
        assert 20001 in other.expect("8")
        assert 20001 not in trader.expect("8")
