"""Clients with passwords at a running exchange: who gets in, who does not, and what is kept of that."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import PATIENCE_SECONDS, Closed, FixClient, build

from gateway.passwords import hashed

PASSWORD = "correct-horse-17"
WRONG = "battery-staple-99"


def configuration(**limits: int) -> str:
    stated = "\n".join(f"{key} = {value}" for key, value in limits.items())
    return f"""{CONFIG}
[limits]
{stated}
[[clients]]
comp_id = "ALICE"
password_hash = "{hashed(PASSWORD.encode())}"
[[clients]]
comp_ids = ["BOB1", "BOB2"]
username = "bob"
password_hash = "{hashed(PASSWORD.encode())}"
[[clients]]
comp_id = "OPEN"
"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    config = configuration(logon_failures_per_minute=1_000)
    with ExchangeProcess(tmp_path_factory.mktemp("passwords"), config=config) as running:
        yield running


def client(exchange: ExchangeProcess, transport: str, comp_id: str) -> FixClient:
    return FixClient(transport, exchange.port(f"fix_{transport}"), comp_id)


def logons(exchange: ExchangeProcess) -> dict[str, int]:
    """How many of each client's Logons the log has."""
    return {one["comp_id"]: one["epoch"] for one in exchange.ask(command="sessions")["sessions"]}


def kept(exchange: ExchangeProcess) -> bytes:
    """Everything that lies in the data directory."""
    return b"".join(path.read_bytes() for path in exchange.data.rglob("*") if path.is_file())


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_who_shows_its_password_trades_again_and_again(exchange: ExchangeProcess, transport: str) -> None:
    for comp_id, fields in (
        ("ALICE", ((554, PASSWORD),)),
        ("ALICE", ((553, "ALICE"), (554, PASSWORD))),
        ("BOB1", ((553, "bob"), (554, PASSWORD))),
        ("BOB2", ((553, "bob"), (554, PASSWORD))),
        ("OPEN", ()),
    ):
        with client(exchange, transport, comp_id) as one:
            one.logon((141, "Y"), *fields)
            one.send_bytes(one.order(f"o{time.time_ns()}", "buy", 1, "1.00", symbol="MSFT"))
            assert one.expect("8")[150] == "0"
            one.send("5")
            one.expect("5")


def test_on_its_own_machine_the_command_line_says_why_somebody_is_not_let_in(
    exchange: ExchangeProcess,
) -> None:
    for comp_id, why in (
        ("ALICE", "no Password (554) is in it"),
        ("EVE", "no client of the configuration has"),
    ):
        done = exchange.run("orders", "--as", comp_id, "--data", str(exchange.data))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert (
            f"closed the connection during the Logon of '{comp_id}', with no password; {why}" in done.stderr
        )


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_who_does_not_is_told_nothing_and_leaves_no_trace_in_the_log(
    exchange: ExchangeProcess, transport: str
) -> None:
    before = logons(exchange)
    for comp_id, fields in (
        ("ALICE", ()),
        ("ALICE", ((554, WRONG),)),
        ("ALICE", ((553, "bob"), (554, PASSWORD))),
        ("BOB1", ((554, PASSWORD),)),
        ("MALLORY", ((554, PASSWORD),)),
        ("MALLORY", ((553, "ALICE"), (554, PASSWORD))),
        ("MALLORY", ()),
        ("OPEN", ((108, "x"),)),
    ):
        with client(exchange, transport, comp_id) as one, pytest.raises(Closed):
            one.logon((141, "Y"), *fields)
    assert logons(exchange) == before
    with client(exchange, transport, "ALICE") as one:  # so that what came before has been written
        one.logon((141, "Y"), (554, PASSWORD))
        one.send("5")
        one.expect("5")
    segments = b"".join(path.read_bytes() for path in exchange.data.rglob("*.segment"))
    assert b"ALICE" in segments
    assert b"MALLORY" not in segments
    everything = kept(exchange)
    for word in (PASSWORD, WRONG):
        assert word.encode() not in everything
    trace = (exchange.data / "trace.jsonl").read_text()
    assert "no client of the configuration has this CompID" in trace


def test_over_zeromq_a_routing_id_is_no_proof(exchange: ExchangeProcess) -> None:
    """Whoever takes it when its owner is gone gets its session ended, and nothing done in its name."""
    import zmq

    port = exchange.port("fix_zmq")
    with zmq.Context() as context:

        def dealer() -> "zmq.Socket[bytes]":
            made = context.socket(zmq.DEALER)
            made.linger = 0
            made.routing_id = b"guessed"
            made.connect(f"tcp://127.0.0.1:{port}")
            return made

        owner = dealer()
        owner.send(build("A", "ALICE", 1, [(98, "0"), (108, "0"), (141, "Y"), (554, PASSWORD)]))
        assert owner.poll(PATIENCE_SECONDS * 1000)
        assert b"\x0135=A\x01" in owner.recv()
        owner.close()
        before = exchange.ask(command="status")["live_orders"]
        order = [
            (11, "stolen"),
            (55, "MSFT"),
            (54, "1"),
            (38, "1"),
            (40, "2"),
            (44, "1.00"),
            (60, "20260101-00:00:00"),
        ]
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            with dealer() as thief:
                thief.send(build("D", "ALICE", 2, order))
                if thief.poll(200):  # else ZeroMQ knew the owner still, and hears nobody of that name
                    assert thief.recv() == b""
                    break
            assert time.monotonic() < until
    assert exchange.ask(command="status")["live_orders"] == before
    wait_until(lambda: exchange.ask(command="status")["sessions_connected"] == 0)


GUESSING = f"""
import sys
from fix_client import Closed, FixClient
print("guessing", flush=True)
while True:
    try:
        FixClient("tcp", int(sys.argv[1]), "BOB1").logon((553, "bob"), (554, "{WRONG}"))
    except (Closed, OSError):
        pass
"""


@contextmanager
def guessing(exchange: ExchangeProcess) -> Iterator[None]:
    """Some processes try wrong passwords, one after the other."""
    environment = {**exchange.environment, "PYTHONPATH": str(Path(__file__).parent)}
    arguments = [sys.executable, "-c", GUESSING, str(exchange.port("fix_tcp"))]
    with ExitStack() as stack:
        for _ in range(4):
            made = stack.enter_context(subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE))
            stack.callback(made.kill)
            assert made.stdout
            made.stdout.readline()
        yield


@pytest.mark.parametrize("failures", [10, 1_000_000])
def test_while_wrong_passwords_pour_in_others_trade(tmp_path: Path, failures: int) -> None:
    with ExchangeProcess(tmp_path, config=configuration(logon_failures_per_minute=failures)) as exchange:
        honest = client(exchange, "tcp", "ALICE")
        honest.logon((554, PASSWORD))
        took = []
        with guessing(exchange):
            until = time.monotonic() + 3
            while time.monotonic() < until:
                began = time.perf_counter()
                honest.send_bytes(honest.order(f"o{len(took)}", "buy", 1, "1.00", symbol="MSFT"))
                assert honest.expect("8")[150] == "0"
                took.append(time.perf_counter() - began)
            if failures == 10:  # this address waits for the next minute
                shut_out = "too many refused Logons from 127.0.0.1"
                wait_until(lambda: shut_out in (exchange.data / "trace.jsonl").read_text())
                with pytest.raises((Closed, OSError)):
                    client(exchange, "tcp", "OPEN").logon()
            else:  # who knows its password gets in, through all the others that are compared
                client(exchange, "tcp", "BOB2").logon((553, "bob"), (554, PASSWORD))
        refused = exchange.ask(command="status")["connections"]["refused"]
        took.sort()
        print(f"{len(took)} orders, median {took[len(took) // 2] * 1e3:.2f} ms, longest {took[-1] * 1e3:.1f} ms, "
              f"while {refused} were refused")  # fmt: skip


def test_an_address_has_so_many_connections(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=configuration(connections_on_loopback=300)) as exchange:
        port = exchange.port("fix_tcp")
        many = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(300)]
        wait_until(lambda: exchange.ask(command="status")["connections"]["tcp"] == 300)
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as one_more:
            assert one_more.recv(1) == b""
        many.pop().close()
        wait_until(lambda: exchange.ask(command="status")["connections"]["tcp"] == 299)
        with client(exchange, "tcp", "ALICE") as one:
            one.logon((554, PASSWORD))
        for connection in many:
            connection.close()


def test_who_logs_on_by_a_byte_at_a_time_is_closed_in_time(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=configuration(unauthenticated_seconds=2)) as exchange:
        slow = socket.create_connection(("127.0.0.1", exchange.port("fix_tcp")), 5)
        logon = build("A", "ALICE", 1, [(98, "0"), (108, "30"), (554, PASSWORD)])
        began = time.monotonic()
        with slow, suppress(ConnectionError):
            for byte in logon:
                slow.sendall(bytes([byte]))
                time.sleep(0.2)
        assert time.monotonic() - began < 0.2 * len(logon)
