"""The blocking and the asyncio client against a small scripted exchange, over both transports."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gateway.client import connect
from gateway.client_async import connect_async
from gateway.client_decoder import Decoder, Report
from gateway.client_link import ConnectError, address
from gateway.client_orders import Order, Orders, RequestRefused
from gateway.client_session import LogonRefused, SessionError
from gateway.client_types import REQUEST, ExecType, MsgType, OrdStatus, Side, TimeInForce
from gateway.operation_fields import OperationTag
from tests.client.acceptor import REJECTS, Acceptor, Account, Relay, message


@pytest.fixture
def exchange() -> Iterator[Acceptor]:
    acceptor = Acceptor()
    yield acceptor
    acceptor.close()


@pytest.fixture(params=["tcp", "zmq", "look-tcp", "look-zmq"])
def endpoint(request: pytest.FixtureRequest, exchange: Acceptor) -> str:
    return dict(
        zip(
            ("tcp", "zmq", "look-tcp", "look-zmq"), (exchange.tcp, exchange.zmq, *exchange.ports), strict=True
        )
    )[request.param]


def test_an_order_lives_its_life(exchange: Acceptor, endpoint: str) -> None:
    with connect(endpoint, "T") as client:
        order = client.buy("AAPL", 100, "101.25", time_in_force=TimeInForce.DAY, account="A1")
        assert (order.status, order.price, order.leaves) == (OrdStatus.NEW, Decimal("101.25"), 100)
        answer = client.replace(order, quantity=150)
        assert answer is not None
        assert (answer.exec_type, order.quantity, answer.orig_cl_ord_id) == (
            ExecType.REPLACED,
            150,
            order.first_cl_ord_id,
        )
        assert [found.cl_ord_id for found in client.orders()] == [order.cl_ord_id]
        client.cancel(order)
        assert order.status is OrdStatus.CANCELED
        assert not order.open
        refused = client.cancel(order)
        assert refused is not None
        assert (refused.msg_type, refused.text) == (MsgType.ORDER_CANCEL_REJECT, "unknown order")
    sent = exchange.accounts["T"].taken[0]
    assert {tag: sent[tag] for tag in (1, 38, 40, 44, 54, 55, 59)} == {
        1: "A1", 38: "100", 40: "2", 44: "101.25", 54: "1", 55: "AAPL", 59: "0",
    }  # fmt: skip


def test_a_refusal_is_a_state_with_a_text(exchange: Acceptor) -> None:
    with connect(exchange.tcp, "T") as client:
        order = client.sell("NONE", 1, 1)
        assert (order.status, order.text) == (OrdStatus.REJECTED, "unknown symbol")


def test_who_uses_a_cl_ord_id_again_hears_of_a_refusal_and_not_of_the_other_order(exchange: Acceptor) -> None:
    with connect(exchange.tcp, "T") as client:
        first = client.buy("AAPL", 100, 100, cl_ord_id="d1")
        second = client.buy("AAPL", 50, 99, cl_ord_id="d1")
        assert (second.status, second.reason_code, second.open) == (OrdStatus.REJECTED, 101, False)
        assert (second.quantity, second.price, second.leaves, second.order_id) == (50, 99, 0, None)
        assert (first.status, first.quantity, first.price, first.text) == (OrdStatus.NEW, 100, 100, None)
        with suppress(KeyError), client.batch():
            client.buy("AAPL", 50, 99, cl_ord_id="d1")
            raise KeyError
        assert client.orders() == [first]
        client.replace(first, quantity=80)
        assert first.quantity == 80
    with connect(exchange.tcp, "T") as client:  # the first is of a process that is gone
        [known] = client.orders()
        assert client.sell("AAPL", 7, 7, cl_ord_id=known.cl_ord_id).status is OrdStatus.REJECTED
        assert (known.status, known.quantity) == (OrdStatus.NEW, 80)


def test_what_happens_to_an_order_is_not_the_answer_to_another_under_its_cl_ord_id() -> None:
    """The first is one that this process has not heard of yet."""
    orders, decoder = Orders("t"), Decoder("QUORUMBOOK", "T")
    head = [(35, "8"), (49, "QUORUMBOOK"), (56, "T"), (34, "1"), (11, "d1"), (37, "7")]

    def told(*more: tuple[int, str]) -> Order | None:
        return orders.apply(decoder.feed(message([*head, (55, "AAPL"), (54, "1"), *more])).report(0))

    pending = orders.enter(Side.BUY, "AAPL", 50, "99", cl_ord_id="d1")
    first = told((150, "F"), (39, "1"), (38, "100"), (32, "10"), (31, "100"), (151, "90"), (14, "10"))
    assert first is not None
    assert (first is pending.order, pending.done) == (False, False)
    assert told((150, "8"), (39, "1"), (38, "100"), (151, "90"), (20002, "101")) is pending.order
    assert pending.order is not None
    assert (pending.done, pending.order.status, pending.order.quantity) == (True, OrdStatus.REJECTED, 50)
    assert told((150, "F"), (39, "2"), (38, "100"), (151, "0"), (14, "100")) is first
    assert (first.status, first.cumulative) == (OrdStatus.FILLED, 100)


def test_a_refused_mass_request_raises(exchange: Acceptor) -> None:
    with connect(exchange.tcp, "T") as client:
        with pytest.raises(RequestRefused, match="refused: unknown symbol") as refused:
            client.mass_cancel("NONE")
        assert (refused.value.text, refused.value.reason_code) == ("unknown symbol", 100)
        assert client.mass_cancel("AAPL") == 0

    async def story() -> None:
        async with await connect_async(exchange.tcp, "WATCHER") as client:
            for asked in (client.mass_cancel, client.orders):
                with pytest.raises(RequestRefused, match="no orders"):
                    await asked()

    asyncio.run(story())


def test_what_an_operator_asks_for_is_answered(exchange: Acceptor) -> None:
    tag = OperationTag
    with connect(exchange.tcp, "T") as client:
        done = client.operate("KILL", [(tag.SESSION_COMP_ID, "A"), (tag.TEXT, "runaway")])
        told = (done.done, done.orders, done.instruments, done.refused_instruments)
        assert told == (False, 5, 3, 1), "not by all that were meant"
        refused = client.operate("BUST")
        assert (refused.done, refused.text, refused.reason_code) == (False, "no", 100)
        with pytest.raises(ValueError, match="field 58 is"):
            client.operate("KILL", [(tag.TEXT, "two\nlines")])
        assert client.buy("AAPL", 1, "10").status is OrdStatus.NEW

    async def story() -> None:
        async with await connect_async(exchange.zmq, "U") as other:
            assert (await other.operate("LIMITS", [(tag.MAX_OPEN_ORDERS, 7)])).orders == 5

    asyncio.run(story())
    asked, other = exchange.accounts["T"].taken[0], exchange.accounts["U"].taken[0]
    assert (asked[35], asked[20048], asked[58], other[20047]) == ("UQ", "A", "runaway", "7")


@pytest.mark.parametrize("symbol", REJECTS)
def test_nothing_is_left_of_an_order_that_a_reject_answers(exchange: Acceptor, symbol: str) -> None:
    with connect(exchange.tcp, "T") as client:
        order = client.sell(symbol, 10, 1)
        assert (order.status, order.text, order.open) == (OrdStatus.REJECTED, "Desk (6001)", False)
        assert (order.leaves, order.quantity) == (0, 10)


def test_a_mass_cancel_says_which_orders_it_means(exchange: Acceptor, endpoint: str) -> None:
    with connect(endpoint, "T") as client:
        client.mass_cancel()
        client.mass_cancel("AAPL", side=Side.SELL, account="fund", low="-1.50", high=Decimal("1e2"))
    every, some = (
        {tag: f.get(tag) for tag in (530, 55, 54, 1, 20009, 20010)} for f in exchange.accounts["T"].taken
    )
    assert list(every.values()) == ["7", None, None, None, None, None]
    assert list(some.values()) == ["1", "AAPL", "2", "fund", "-1.50", "100"]


def test_a_batch_goes_out_in_few_frames_and_is_answered_at_its_end(exchange: Acceptor, endpoint: str) -> None:
    with connect(endpoint, "T") as client:
        with client.batch():
            orders = [client.sell("AAPL", 1 + i, "102.5") for i in range(600)]
            assert all(order.status is OrdStatus.PENDING for order in orders)
        assert all(order.status is OrdStatus.NEW for order in orders)
        assert len(list(client.reports(timeout=0))) == 600
        assert client.mass_cancel() == 600
        assert client.orders() == []
    assert [int(request[38]) for request in exchange.accounts["T"].taken[:600]] == list(range(1, 601))


def test_numbers_continue_in_the_next_process_without_and_with_memory(
    exchange: Acceptor, tmp_path: Path
) -> None:
    memory = tmp_path / "clients" / "T.json"
    for remembered in (None, memory, memory, None, memory):
        options = {} if remembered is None else {"memory": remembered}
        with connect(exchange.tcp, "T", **options) as client:  # type: ignore[arg-type]
            assert client.buy("AAPL", 1, 1).status is OrdStatus.NEW
    numbers = [int(request[34]) for request in exchange.accounts["T"].taken]
    assert numbers == [
        2,
        5,
        8,
        11,
        15,
    ]  # Logon, order, Logout; the last one first asks for what the fourth read


def test_reports_missed_between_two_processes_come_with_memory(exchange: Acceptor, tmp_path: Path) -> None:
    memory = tmp_path / "T.json"
    with connect(exchange.tcp, "T", memory=memory) as client:
        client.buy("AAPL", 5, 1, cl_ord_id="mine")
    exchange.fill("T", "mine", 5)
    with connect(exchange.tcp, "T", memory=memory) as client:
        [report] = client.reports(timeout=0.2)
        assert (report.cl_ord_id, report.last_quantity, report.poss_dup) == ("mine", 5, True)
    exchange.fill("T", "mine", 5)
    with connect(exchange.tcp, "T") as client:
        assert list(client.reports(timeout=0.1)) == []
    with connect(exchange.tcp, "T", recover=True) as client:
        assert len(list(client.reports(timeout=0.2))) == 3


@pytest.mark.parametrize("told", [True, False])
def test_a_report_that_comes_with_the_end_is_told_then_or_in_the_next_process(
    exchange: Acceptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    act = exchange._act

    def filled_at_the_end(fields: dict[int, str], name: str, account: Account, out: list[bytes]) -> bool:
        if fields[35] == "5" and "mine" in account.orders:
            exchange.fill(name, "mine", 5, out)
            del account.orders["mine"]
        return act(fields, name, account, out)

    monkeypatch.setattr(exchange, "_act", filled_at_the_end)
    first, second, memory = list[Report](), list[Report](), tmp_path / "T.json"
    with connect(exchange.tcp, "T", memory=memory, on_report=first.append if told else None) as client:
        client.buy("AAPL", 5, 1, cl_ord_id="mine")
    with connect(exchange.tcp, "T", memory=memory, on_report=second.append) as client:
        client.buy("AAPL", 5, 1)
    fills = [
        [one.last_quantity for one in seen if one.exec_type is ExecType.TRADE] for seen in (first, second)
    ]
    assert fills == ([[5], []] if told else [[], [5]])

    async def story() -> None:
        async with await connect_async(exchange.tcp, "T", memory=memory, on_report=first.append) as client:
            await client.buy("AAPL", 5, 1, cl_ord_id="mine")
        assert first[-1].exec_type is ExecType.TRADE

    asyncio.run(story())


def test_after_a_lost_connection_every_request_counts_once_and_every_report_comes_once(
    exchange: Acceptor,
) -> None:
    with connect(exchange.tcp, "T") as client:
        client.buy("AAPL", 1, 1)
        exchange.mute = True
        requests = rows(500)
        client.send(requests)
        time.sleep(0.05)
        exchange.cut()
        exchange.mute = False
        client.send(requests)
        seen = []
        end = time.monotonic() + 10
        while len(seen) < 1000 and time.monotonic() < end:
            for reports in client.receive(timeout=0.2):
                seen += reports.batch.array["msg_seq_num"][reports.start : reports.stop].tolist()
    assert len(exchange.accounts["T"].taken) == 1001
    assert [int(request[38]) for request in exchange.accounts["T"].taken[1:]] == [
        *range(1, 501),
        *range(1, 501),
    ]
    assert len(seen) == 1000  # the first order's report was taken by `buy`
    assert seen == sorted(set(seen))


def rows(count: int) -> np.ndarray:
    requests = np.zeros(count, REQUEST)
    requests["kind"], requests["side"], requests["ord_type"] = ord("D"), ord(Side.BUY.value), ord("2")
    requests["time_in_force"], requests["symbol"], requests["price"] = ord("1"), b"AAPL", 100
    requests["quantity"] = np.arange(1, count + 1)
    requests["cl_ord_id"] = [b"%d.%d" % (i, time.monotonic_ns()) for i in range(count)]
    return requests


def test_lost_reports_are_asked_for_again_and_come_in_order(exchange: Acceptor, endpoint: str) -> None:
    exchange.lose = lambda number: number % 7 == 3
    with connect(endpoint, "T") as client:
        client.send(rows(300))
        client.send(rows(1))
        seen: list[int] = []
        end = time.monotonic() + 10
        while len(seen) < 301 and time.monotonic() < end:
            for reports in client.receive(timeout=0.1):
                array = reports.batch.array[reports.start : reports.stop]
                seen += array["msg_seq_num"][array["msg_type"] == ord("8")].tolist()
            exchange.lose = lambda number: False
            client.send(rows(1)) if len(seen) < 301 else None
    assert seen == sorted(set(seen))
    assert len(seen) >= 301


def test_heartbeats_keep_a_quiet_client_alive(exchange: Acceptor) -> None:
    with connect(exchange.tcp, "T", heartbeat_seconds=1) as client:
        time.sleep(1.6)
        assert exchange.accounts["T"].next_in > 2
        assert client.buy("AAPL", 1, 1).open


def test_several_endpoints_are_tried_in_turn(exchange: Acceptor) -> None:
    with connect(["fix+tcp://127.0.0.1:1", exchange.tcp], "T") as client:
        assert client.buy("AAPL", 1, 1).open


def test_an_endpoint_that_keeps_silent_leaves_time_for_the_others(exchange: Acceptor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"fix+tcp://127.0.0.1:{mute.getsockname()[1]}"
        with connect([silent, exchange.tcp], "T", timeout=3) as client:
            assert client.buy("AAPL", 1, 1).open

        async def story() -> None:
            async with await connect_async([silent, exchange.tcp], "U", timeout=3) as client:
                assert (await client.buy("AAPL", 1, 1)).open

        asyncio.run(story())


def test_when_no_endpoint_answers_each_is_named_with_its_reason() -> None:
    dead = "fix+tcp://127.0.0.1:1"
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"fix+tcp://127.0.0.1:{mute.getsockname()[1]}"
        for failing in (connect, lambda *a, **o: asyncio.run(connect_async(*a, **o))):
            with pytest.raises(ConnectError) as caught:
                failing([dead, silent], "T", timeout=0.6)
            assert re.fullmatch(
                rf"none of 2 endpoints takes a Logon: no exchange answers at {re.escape(dead)} \(Connection refused\); "
                rf"nobody answers the Logon at {re.escape(silent)} within 0\.\d+ s; either its cluster has no .*",
                str(caught.value),
            )


def test_the_session_goes_on_at_the_next_endpoint(exchange: Acceptor) -> None:
    """The same session behind two ports, as two replicas have it; the first is cut off."""
    with Relay(exchange.tcp) as first, connect([first.endpoint, exchange.tcp], "T") as client:
        order = client.buy("AAPL", 1, 1)
        exchange.mute = True
        client.send(rows(100))
        first.close()
        exchange.fill("T", order.cl_ord_id, 1)
        exchange.mute = False
        seen: list[int] = []
        end = time.monotonic() + 10
        while len(seen) < 101 and time.monotonic() < end:
            for reports in client.receive(timeout=0.2):
                seen += reports.batch.array["msg_seq_num"][reports.start : reports.stop].tolist()
    account = exchange.accounts["T"]
    assert [int(request[34]) for request in account.taken] == list(range(2, 103))
    assert len(seen) == 101
    assert seen == sorted(set(seen))


def test_errors_say_what_to_do(exchange: Acceptor) -> None:
    with pytest.raises(ConnectError, match=r"no exchange answers at tcp://127.0.0.1:1"):
        connect("tcp://127.0.0.1:1", "T")
    with pytest.raises(ValueError, match=r"fix\+tcp://host:port"):
        connect("http://x:1", "T")
    with pytest.raises(ValueError, match="CompID"):
        connect(exchange.tcp, "")
    exchange.refuse = "not today"
    with pytest.raises(LogonRefused, match="not today"):
        connect(exchange.tcp, "T", timeout=0.3)
    exchange.refuse = ""
    with connect(exchange.tcp, "T") as client:
        with pytest.raises(TypeError, match="float"):
            client.buy("AAPL", 1, 1.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="ClOrdID"):
            client.buy("AAPL", 1, 1, cl_ord_id="x" * 65)
        with pytest.raises(ValueError, match="not a number"):
            client.buy("AAPL", 1, "one")
        with pytest.raises(LogonRefused, match="already connected"):
            connect(exchange.tcp, "T", timeout=0.3)
        exchange.mute = True
        client._timeout = 0.2
        with pytest.raises(TimeoutError, match="has not answered"):
            client.buy("AAPL", 1, 1)


def test_a_process_that_comes_with_memory_after_a_daily_reset_begins_anew(
    exchange: Acceptor, tmp_path: Path
) -> None:
    for _ in range(2):
        with connect(exchange.tcp, "LATE", memory=tmp_path / "memory") as client:
            assert client.buy("AAPL", 1, "10").status is OrdStatus.NEW
        exchange.begin_anew("LATE")
    assert [int(one[34]) for one in exchange.accounts["LATE"].taken] == [2, 2]


def test_what_a_daily_reset_left_without_an_answer_is_asked_about(exchange: Acceptor) -> None:
    """A new order waits for what is said of it. A cancel ends without an answer, and its order is what it is."""
    with connect(exchange.tcp, "T", timeout=0.5) as client:
        resting = client.buy("AAPL", 5, "10")
        exchange.lose = lambda number: number > 2
        with pytest.raises(TimeoutError):
            client.buy("AAPL", 1, "11", cl_ord_id="taken")
        with pytest.raises(TimeoutError):
            client.replace(resting, quantity=4)
        account = exchange.accounts["T"]
        account.orders[resting.cl_ord_id] = account.orders.pop(account.taken[-1][11]) | {
            11: resting.cl_ord_id
        }
        taken = client._core.orders.pending["taken"].order
        assert taken is not None
        assert (taken.status, resting.leaves) == (OrdStatus.PENDING, 5)
        exchange.lose = lambda number: False
        exchange.begin_anew("T")
        exchange.cut()
        for _ in client.reports(timeout=0.3):
            pass
        assert [one[35] for one in account.taken] == ["D", "D", "G", "H", "H"]
        assert (taken.status, resting.leaves) == (OrdStatus.NEW, 4)
        assert client._core.orders.pending == {}


def test_an_exchange_that_lost_its_log_is_noticed(exchange: Acceptor, tmp_path: Path) -> None:
    memory = tmp_path / "T.json"
    memory.write_text('{"next_out": 50, "next_in": 70}')
    with pytest.raises(SessionError, match="70 was expected"):
        connect(exchange.tcp, "T", memory=memory)


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_the_asyncio_client_does_the_same(exchange: Acceptor, transport: str) -> None:
    async def story() -> None:
        async with await connect_async(getattr(exchange, transport), "T") as client:
            order = await client.buy("AAPL", 100, "101.25")
            assert order.status is OrdStatus.NEW
            await client.replace(order, price="101.5")
            assert order.price == Decimal("101.5")
            async with client.batch():
                orders = [await client.sell("AAPL", 1, 2) for _ in range(300)]
            assert all(other.status is OrdStatus.NEW for other in orders)
            if transport == "tcp":
                exchange.cut()
            assert len(await client.orders()) == 301
            await client.cancel(order)
            assert await client.mass_cancel() == 300
            numbers = [report.msg_seq_num async for report in client.reports(timeout=0.1)]
            assert numbers == sorted(set(numbers))
            assert len(numbers) == 1 + 1 + 300 + 301 + 1 + 1
        with pytest.raises(ConnectError):
            await connect_async("fix+tcp://127.0.0.1:1", "T")

    asyncio.run(story())


def test_endpoints_have_one_rule() -> None:
    assert address("127.0.0.1:9") == ("tcp", "127.0.0.1", 9)
    assert address("fix+tcp://h:9") == ("fix+tcp", "h", 9)
    assert address("ipc:///tmp/x") == ("ipc", "/tmp/x", 0)
    for wrong in ("tcp://h", "h", "udp://h:1", "tcp://h:99999"):
        with pytest.raises(ValueError, match=r"allowed|is not one of"):
            address(wrong)
