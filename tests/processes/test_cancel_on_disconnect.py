"""Cancel-on-disconnect as a client lives it, over both transports: what starts the grace, and what stops it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess, wait_until
from fix_client import Closed, FixClient

# One grace that is longer than the test waits for anything, and one that is soon over: no step has to be quick.
LONG = ((20003, "Y"), (20004, 3_600_000))
SHORT = ((20003, "Y"), (20004, 100))


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_orders_outlive_a_connection_by_the_grace_only(tmp_path: Path, transport: str) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        client = FixClient(transport, exchange.port(f"fix_{transport}"), "CAREFUL")
        for end, heartbeat in ((logout, 600), (hang_up, 600), (fall_silent, 1)):
            place(client)
            leave(client, exchange, logout)
            client.logon(*LONG, heartbeat=heartbeat)
            leave(client, exchange, end)
            client.logon(*LONG)  # within the grace
            client.catch_up()
            assert live_orders(exchange) == 1
            leave(client, exchange, logout)
            client.logon(*SHORT, heartbeat=heartbeat)
            leave(client, exchange, end)
            wait_until(lambda: live_orders(exchange) == 0)
        place(client)
        restart(exchange, client)
        assert live_orders(exchange) == 1
        client.logon(*SHORT)
        restart(exchange, client)
        wait_until(lambda: live_orders(exchange) == 0)
        client.logon()
        client.catch_up()
        ended = [report for report in client.received if report.get(150) == "4"]
        assert [report[20002] for report in ended] == ["151"] * 4
        numbers = [int(report[20001]) for report in client.received]
        assert numbers == sorted(set(numbers)), "each of these reports has an input or a deadline of its own"
        client.close()


def place(client: FixClient) -> None:
    """An order that rests; the connection stays."""
    client.logon(*LONG)
    client.send_bytes(client.order(f"o{client.next_out}", "buy", 1, "1.00"))
    assert client.expect("8")[150] == "0"


def leave(client: FixClient, exchange: ExchangeProcess, end: Callable[[FixClient], None]) -> None:
    """Ends the connection in this way. The next Logon would be refused before the exchange has seen it end."""
    end(client)
    wait_until(lambda: exchange.ask(command="status")["sessions_connected"] == 0)
    client.close()


def logout(client: FixClient) -> None:
    client.send("5")
    assert client.expect("5")


def hang_up(client: FixClient) -> None:
    if client.transport == "zmq":
        client.bye()
    else:
        client.close()


def fall_silent(client: FixClient) -> None:
    """Reads on, says nothing: a TestRequest comes, then the end of the connection."""
    assert client.expect("1")[112] == "TEST"
    with pytest.raises(Closed):
        client.receive()


def restart(exchange: ExchangeProcess, client: FixClient) -> None:
    """kill -9 and a new process: its start ends every connection."""
    exchange.kill()
    exchange.start()
    client.port = exchange.port(f"fix_{client.transport}")


def live_orders(exchange: ExchangeProcess) -> int:
    return int(exchange.ask(command="status")["live_orders"])
