"""Cancel-on-disconnect as a client lives it, over both transports: what starts the grace, and what stops it."""

import time
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess, wait_until
from fix_client import FixClient

ON = ((20003, "Y"), (20004, 700))


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_orders_outlive_a_connection_by_the_grace_only(tmp_path: Path, transport: str) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        client = FixClient(transport, exchange.port(f"fix_{transport}"), "CAREFUL")
        for end in (logout, hang_up, fall_silent):
            client.logon(*ON, heartbeat=1)
            place(client)
            end(client)
            client.logon(*ON, heartbeat=1)  # within the grace
            client.catch_up()
            assert live_orders(exchange) == 1
            end(client)
            wait_until(lambda: live_orders(exchange) == 0)
        client.logon(*ON)
        place(client)
        exchange.kill()
        exchange.start()
        client.port = exchange.port(f"fix_{transport}")
        assert live_orders(exchange) == 1
        wait_until(lambda: live_orders(exchange) == 0)
        client.logon()
        client.catch_up()
        ended = [report for report in client.received if report.get(150) == "4"]
        assert [report[20002] for report in ended] == ["151"] * 4
        numbers = [int(report[20001]) for report in client.received]
        assert numbers == sorted(set(numbers)), "each of these reports has an input or a deadline of its own"
        client.close()


def place(client: FixClient) -> None:
    client.send_bytes(client.order(f"o{client.next_out}", "buy", 1, "1.00"))
    assert client.expect("8")[150] == "0"


def logout(client: FixClient) -> None:
    client.send("5")
    assert client.expect("5")
    client.close()


def hang_up(client: FixClient) -> None:
    if client.transport == "zmq":
        client.bye()
        time.sleep(0.1)  # it leaves before the socket closes
    client.close()


def fall_silent(client: FixClient) -> None:
    """Reads on, says nothing: a TestRequest comes, then a Logout."""
    assert client.expect("5", 20)[58] == "no answer to TestRequest"
    client.close()


def live_orders(exchange: ExchangeProcess) -> int:
    return int(exchange.ask(command="status")["live_orders"])
