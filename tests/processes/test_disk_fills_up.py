"""A disk without room: the exchange stops taking input and says why; what it acknowledged is intact."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from disks import file_system
from exchange_process import ExchangeProcess
from fix_client import FixClient

DISK_MB = 320
PATIENCE_SECONDS = 120


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with file_system(tmp_path / "disk", DISK_MB):
        yield tmp_path / "disk"


def fill(place: Path) -> Path:
    """Takes all the room that is left."""
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
                    file.flush()
        with suppress(OSError):
            os.fsync(file.fileno())
    return ballast


@pytest.mark.timeout(280)
def test_a_full_disk_stops_the_intake_and_nothing_else(small_disk: Path) -> None:
    with ExchangeProcess(small_disk / "exchange") as exchange:
        ballast = fill(small_disk)
        with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
            alice.logon(heartbeat=0)
            until = time.monotonic() + PATIENCE_SECONDS
            while exchange.ask(command="status")["accepting"] and time.monotonic() < until:
                names = (f"a{number}" for number in range(alice.next_out, alice.next_out + 1_000))
                alice.send_bytes(b"".join(alice.order(name, "buy", 1, "10.00") for name in names))
                with suppress(TimeoutError):  # the disk is full, or the machine is busy with other things
                    for _ in range(1_000):
                        alice.receive(5)
            waiting = (f"a{number}" for number in range(alice.next_out, alice.next_out + 10))
            alice.send_bytes(b"".join(alice.order(name, "buy", 1, "10.00") for name in waiting))
            status = exchange.ask(command="status")
            assert status["accepting"] is False
            assert "No space left" in status["why_not"]
            assert str(exchange.data) in status["why_not"]
            assert any("not taking input: " in line and "No space left" in line for line in exchange.output)
            book = exchange.run("book", "AAPL", "--data", str(exchange.data))
            assert book.returncode == 0, book.stderr
            assert "10.00" in book.stdout
            acknowledged = len(alice.received)
            assert acknowledged >= 1_000
            ballast.unlink()
            alice.settle(60)
            assert exchange.ask(command="status")["accepting"] is True
            trace = (exchange.data / "trace.jsonl").read_text()
            assert 0 < trace.index("not taking input") < trace.index("taking input again")
            answered = [message[11] for message in alice.received]
            assert len(answered) > acknowledged
            assert answered == [f"a{number}" for number in range(2, 2 + len(answered))]
        assert exchange.stop() == 0
        exchange.start()
        with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as again:
            again.next_out, again.next_in = alice.next_out, alice.next_in
            again.logon(heartbeat=0)
            again.send("H", (11, answered[-1]), (55, "AAPL"), (54, 1))
            assert again.expect("8")[39] == "0"
        exchange.stop()
