"""Orders of every type over a real exchange: a day from its opening to its close, with an operator."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import quorumbook as qb
from gateway.client_types import ExecType, OrdStatus
from tests.client.running import CONFIG, Running

SYMBOL = "AAPL"


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr("tests.client.running.CONFIG", 'operators = ["OPS"]\n' + CONFIG)
    running = Running(tmp_path)
    yield running
    running.stop()


def told(client: qb.Client, order: qb.Order) -> list[str]:
    """What has come of an order since the last look, without its own answers."""
    mine = (one for one in client.reports(timeout=0.2) if one.order_id == order.order_id)
    return [one.exec_type.name for one in mine if one.exec_type and one.exec_type is not ExecType.STATUS]


@pytest.mark.parametrize("transport", ["fix_tcp", "fix_zmq"])
def test_a_day_with_orders_of_every_type(exchange: Running, transport: str) -> None:
    endpoint = exchange.endpoints[transport]

    def phase(name: str) -> None:
        assert operator.operate("PHASE", [(55, SYMBOL), (20022, name)]).done

    with (
        qb.connect(endpoint, "OPS") as operator,
        qb.connect(endpoint, "ALICE") as alice,
        qb.connect(endpoint, "BOB") as bob,
    ):
        phase("PRE_OPEN")
        waiting = alice.buy(SYMBOL, 10)
        assert waiting.status is OrdStatus.NEW, "a market order that waits for the auction is answered"
        at_open = alice.buy(SYMBOL, 5, "101", time_in_force="at_open")
        refused = alice.buy(SYMBOL, 5, "101", time_in_force="ioc")
        assert (refused.status, refused.reason_code) == (OrdStatus.REJECTED, qb.Reason.AT_ONCE_IN_AUCTION)
        bob.sell(SYMBOL, 12, "100")
        phase("CONTINUOUS")
        assert told(alice, waiting)[-1] == "TRADE"
        assert (waiting.status, at_open.cumulative, at_open.status) == (
            OrdStatus.FILLED,
            2,
            OrdStatus.CANCELED,
        )

        stop = alice.sell(SYMBOL, 10, stop_price="98", time_in_force="day")
        trailing = alice.sell(SYMBOL, 10, trail="3")
        iceberg = bob.buy(SYMBOL, 40, "99", display_quantity=10)
        pegged = bob.buy(SYMBOL, 5, "99.50", peg="primary", peg_offset="-0.25")
        hidden = bob.sell(SYMBOL, 5, "103", hidden=True, expire_time=datetime.now(UTC) + timedelta(seconds=3))
        sliding = alice.sell(SYMBOL, 5, "99", post_only="slide")
        assert sliding.price == Decimal("99.01")
        mine = alice.buy(SYMBOL, 5, "98.75", self_match_group=7, self_match_mode="cancel_resting")
        alice.replace(stop, stop_price="98.50")
        assert stop.terms == {"stop_price": Decimal("98.50")}
        assert told(bob, pegged)[-1] == "RESTATED"
        assert pegged.price == Decimal("98.75")

        taker = alice.sell(SYMBOL, 50, "98.50", self_match_group=7, self_match_mode="cancel_resting")
        assert (taker.cumulative, taker.leaves) == (45, 5), "of the iceberg and of the peg"
        assert (mine.status, mine.reason_code) == (OrdStatus.CANCELED, qb.Reason.SELF_MATCH)
        assert told(bob, iceberg) == ["TRADE"] * 4, "a slice at a time"
        assert (iceberg.status, pegged.status, hidden.status) == (
            OrdStatus.FILLED,
            OrdStatus.FILLED,
            OrdStatus.NEW,
        )

        bob.buy(SYMBOL, 5, "98.50")
        assert "TRIGGERED" in told(alice, stop)
        assert stop.status is OrdStatus.CANCELED, "it found nobody"
        fill = next(one for one in bob.reports(timeout=0.2) if one.trade_id)
        assert operator.operate("BUST", [(880, fill.trade_id), (58, "mistake")]).done
        assert any(one.exec_type is ExecType.BUSTED for one in alice.reports(timeout=0.5))

        for one in bob.reports(timeout=4):
            if one.exec_type is ExecType.EXPIRED:
                break
        assert (hidden.status, hidden.reason_code) == (OrdStatus.EXPIRED, qb.Reason.EXPIRED)

        resting = alice.sell(SYMBOL, 1, "104", time_in_force="day")
        phase("CLOSED")
        assert told(alice, resting)[-1] == "EXPIRED"
        assert (resting.status, resting.reason_code) == (OrdStatus.EXPIRED, qb.Reason.END_OF_DAY)
        assert alice.orders() == [trailing, sliding], "what is good till cancelled outlasts the day"
