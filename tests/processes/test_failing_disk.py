"""A write or a sync of the log fails: the process says so and ends, tries nothing again, and loses nothing."""

import re
import shutil
import subprocess
from collections.abc import Iterator
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


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """It ran, and ended, on a small file system of its own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(tmp_path)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, check=False, capture_output=True, timeout=30).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        exchange = ExchangeProcess(tmp_path)
        with exchange:
            with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
                alice.logon(heartbeat=0)
            assert exchange.stop() == 0
        yield exchange
        with exchange:  # the fault is over
            assert exchange.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False, timeout=30)


def must_read_and_not_serve(exchange: ExchangeProcess, why: str) -> None:
    replayed = exchange.run("replay", str(exchange.data), "--verify")
    assert replayed.returncode == 0, replayed.stderr
    served = exchange.run(*exchange.command[3:])
    assert served.returncode == 1
    assert why in served.stderr
    assert f"quorumbook: {exchange.data}/" in served.stderr
    assert "Traceback" not in served.stderr


def test_a_start_on_a_read_only_file_system_says_so(stopped: ExchangeProcess) -> None:
    place = str(stopped.directory)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True, timeout=30)
    must_read_and_not_serve(stopped, "Read-only file system")
    subprocess.run(["mount", "-o", "remount,rw", place], check=True, timeout=30)


def test_a_start_on_a_full_file_system_says_so(stopped: ExchangeProcess) -> None:
    ballast = stopped.directory / "ballast"
    (stopped.data / "egress").unlink()  # made again at each start: its room could be used
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    must_read_and_not_serve(stopped, "No space left on device")
    ballast.unlink()
