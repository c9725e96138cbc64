"""A write or a sync of the log fails: the process says so and ends, tries nothing again, and loses nothing."""

import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from fix_client import Closed, FixClient
from test_sync import WHY_NOT

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"strace cannot run: {WHY_NOT}")


def trade_until_it_ends(exchange: ExchangeProcess) -> tuple[FixClient, list[str]]:
    """A client, and the orders that were acknowledged to it."""
    acknowledged = []
    with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
        alice.logon(heartbeat=0)
        with suppress(Closed, OSError):
            for number in range(200):
                alice.send_bytes(alice.order(f"a{number}", "buy", 5, "10.00"))
                alice.expect("8", 20)
                acknowledged.append(f"a{number}")
    return alice, acknowledged


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("fdatasync:error=EIO:when=30", "Input/output error"),
        ("pwrite64:error=EIO:when=30", "Input/output error"),
        ("pwrite64:error=ENOSPC:when=30", "No space left on device"),
    ],
)
def test_a_failed_call_ends_the_process(tmp_path: Path, fault: str, why: str) -> None:
    plain = ExchangeProcess(tmp_path)
    with plain:
        plain.stop()
    segment, calls = plain.data / "00000001.segment", tmp_path / "calls"
    wrapper = (
        "strace", "-f", "-o", str(calls), "-P", str(segment), "-e", "trace=pwrite64,fdatasync", "-e", f"inject={fault}",
    )  # fmt: skip
    with ExchangeProcess(tmp_path, wrapper=wrapper) as exchange:
        alice, acknowledged = trade_until_it_ends(exchange)
        assert exchange.wait() == 1
        said = exchange.output[-1]
        assert said.startswith(f"quorumbook: {segment}: {why}: ")
        assert "this process must stop" in said
        assert "Traceback" not in "".join(exchange.output)
    traced = calls.read_text().splitlines()
    failed = next(at for at, line in enumerate(traced) if "INJECTED" in line)
    assert not [line for line in traced[failed + 1 :] if re.search(r"pwrite64|fdatasync", line)], (
        "tried again"
    )
    assert len(acknowledged) >= 5
    with plain as exchange:
        alice.port = exchange.port("fix_tcp")
        alice.logon(heartbeat=0)
        alice.catch_up()
        alice.settle()
        answered = [message[11] for message in alice.received if message[150] == "0"]
        assert answered[: len(acknowledged)] == acknowledged
        assert len(answered) == len(set(answered))
        exchange.stop()
        assert exchange.run("replay", str(exchange.data), "--verify").returncode == 0


def test_a_directory_that_turns_read_only_is_read_and_starts_again(tmp_path: Path) -> None:
    """Situation: the file system has become read-only; the exchange is started. Outcome: it says so; `replay` reads."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(tmp_path)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, check=False, capture_output=True, timeout=30).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        exchange = ExchangeProcess(tmp_path)
        with exchange:
            trade = FixClient("tcp", exchange.port("fix_tcp"), "ALICE")
            trade.logon(heartbeat=0)
            trade.close()
            exchange.stop()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True, timeout=30)
        replayed = exchange.run("replay", str(exchange.data), "--verify")
        assert replayed.returncode == 0, replayed.stderr
        served = exchange.run(*exchange.command[3:])
        assert served.returncode == 1
        assert "Read-only file system" in served.stderr
        assert str(exchange.data) in served.stderr
        assert "Traceback" not in served.stderr
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path)], check=True, timeout=30)
        with exchange:
            assert exchange.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False, timeout=30)
