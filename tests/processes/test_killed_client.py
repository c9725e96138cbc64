"""A client that is killed logs on again at once, by whatever transport; one that lives keeps its session."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from fix_client import Closed, FixClient

TRANSPORTS = ("tcp", "zmq")
HOLDER = """
import sys
from fix_client import FixClient
transport, port, heartbeat = sys.argv[1:]
alice = FixClient(transport, int(port), "ALICE")
alice.logon(heartbeat=int(heartbeat))
alice.send_bytes(alice.order("a1", "buy", 100, "10.00"))
alice.expect("8")
print(alice.next_out, alice.next_in, flush=True)
sys.stdin.read()
"""


@contextmanager
def process_of(exchange: ExchangeProcess, transport: str, heartbeat: int) -> Iterator[FixClient]:
    """A process that holds ALICE's session and is killed at the end; gives what its memory holds."""
    port = str(exchange.port(f"fix_{transport}"))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, transport, port, str(heartbeat)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        assert holder.stdout
        numbers = holder.stdout.readline().split()
        assert numbers, "it did not log on"
        memory = FixClient(transport, 0, "ALICE")
        memory.next_out, memory.next_in = map(int, numbers)
        yield memory
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("heartbeat", [0, 30])
@pytest.mark.parametrize("after", TRANSPORTS)
@pytest.mark.parametrize("before", TRANSPORTS)
def test_a_killed_client_logs_on_again_at_once(
    exchange: ExchangeProcess, before: str, after: str, heartbeat: int
) -> None:
    with process_of(exchange, before, heartbeat) as memory:
        pass
    with memory as alice:
        alice.transport, alice.port = after, exchange.port(f"fix_{after}")
        alice.logon(heartbeat=heartbeat)
        alice.send_bytes(alice.cancel("a2", "a1", "buy"))
        cancelled = alice.expect("8")
        assert (cancelled[150], cancelled[41], cancelled[34]) == ("4", "a1", str(alice.next_in - 1))


@pytest.mark.parametrize("second", TRANSPORTS)
@pytest.mark.parametrize("first", TRANSPORTS)
def test_a_living_client_keeps_its_session_and_hears_nothing(
    exchange: ExchangeProcess, first: str, second: str
) -> None:
    with FixClient(first, exchange.port(f"fix_{first}"), "ALICE") as alice:
        alice.logon()
        for _ in range(3):
            other = FixClient(second, exchange.port(f"fix_{second}"), "ALICE")
            with other, pytest.raises(Closed, match=r"^$"):  # no Logout, which QuickFIX would count
                other.logon()
        alice.send_bytes(alice.order("a1", "buy", 1, "10.00"))
        report = alice.receive()
        assert (report[35], report[34], report[150]) == ("8", "2", "0")
