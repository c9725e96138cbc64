"""The session layer by the test cases of FIX 4.4, volume 2, over TCP and ZeroMQ: tests/processes/session_cases."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange_process import ROOT
from fix_link import PATIENCE_SECONDS, FixLink
from session_script import CONTINUED, FILES, Case, Client, cases, play

NUMBERS = [
    *("1a", "1b", "1c", "1d", "1e"),
    *(f"2{letter}" for letter in "abcdefghijklmnopqrst"),
    *("3a", "3b", "3c", "3d", "3e", "4a", "4b", "5", "6", "7", "8", "9"),
    *("10a", "10b", "10c", "10d", "10e", "11a", "11b", "11c", "12", "13a", "13b"),
    *(f"14{letter}" for letter in "abcdefghijk"),
    *("15", "16", "17", "18", "19a", "19b", "20", "21"),
]
"""All that an echo can show: it has no terms (14m), and is never away while its session is there (14l)."""
ALL = [
    (path.stem != CONTINUED, case, transport)
    for path in FILES
    for case in cases(path)
    for transport in case.transports
]
Ports = dict[str, int]


COMMAND = [
    sys.executable, "-c", "from gateway.cli import main; main()",
    "fix-echo", "--port", "0", "--sender", "ISLD", "--target", "TW44",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def echo(*options: str) -> Iterator[Ports]:
    """A `fix-echo` of ISLD for TW44: its ports by transport."""
    with subprocess.Popen(
        [*COMMAND, *options], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.fullmatch(r"ready fix_tcp=\S+:(\d+) fix_zmq=\S+:(\d+) pid=\d+\n", said)
            assert found, said
            yield {"tcp": int(found[1]), "zmq": int(found[2])}
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0


@pytest.fixture(scope="module")
def echoes() -> Iterator[dict[bool, Ports]]:
    """By whether it begins anew with every Logon."""
    with echo("--reset-on-logon") as anew, echo() as continued:
        yield {True: anew, False: continued}


def play_by(transport: str, ports: Ports, case: Case, begins_anew: bool) -> None:
    play(case, lambda _: Client(FixLink(transport, ports[transport], notices_end=True), begins_anew))


@pytest.mark.parametrize(
    ("anew", "case", "transport"), ALL, ids=[f"{case.number} {case.title}, {by}" for _, case, by in ALL]
)
def test_case(anew: bool, case: Case, transport: str, echoes: dict[bool, Ports]) -> None:
    play_by(transport, echoes[anew], case, anew)


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_it_writes_what_comes_and_what_goes(tmp_path: Path, transport: str) -> None:
    case = next(case for anew, case, by in ALL if anew and by == transport)
    with echo("--reset-on-logon", "--fix-log", str(tmp_path / "fix.log")) as ports:
        play_by(transport, ports, case, begins_anew=True)
    logon, answer, *_ = (tmp_path / "fix.log").read_text().splitlines()
    assert re.search(rf" in  {transport}/\d+ : 8=FIX\.4\.4\|9=\d+\|35=A\|", logon)
    assert re.search(rf" out {transport}/\d+ : 8=FIX\.4\.4\|9=\d+\|35=A\|", answer)


def test_every_number_has_a_case() -> None:
    assert {case.number for _, case, _ in ALL} == set(NUMBERS)


@pytest.mark.parametrize("option", ["--port {}", "--zmq tcp://127.0.0.1:{}"])
def test_a_port_that_was_asked_for_is_not_replaced(option: str) -> None:
    """What runs there instead would be tested."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = option.format(held.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, *taken.split()],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        port = held.getsockname()[1]
    assert (done.returncode, done.stdout) == (1, "")
    name = option.split(maxsplit=1)[0]
    assert done.stderr == f"quorumbook: {name}: port {port} on 127.0.0.1: Address already in use\n"


def test_it_listens_where_it_is_told() -> None:
    with echo("--host", "127.0.0.2", "--zmq", "tcp://127.0.0.2:0") as ports:
        for port in ports.values():
            socket.create_connection(("127.0.0.2", port)).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "nowhere"), "--host nowhere: allowed: an IP address of this machine"),
        (("--host", "192.0.2.1"), "--host: this machine has no address 192.0.2.1"),
        (
            ("--zmq", "tcp://0.0.0.0:0"),
            "--zmq tcp://0.0.0.0:0: allowed: tcp://127.0.0.1:PORT; --host ADDRESS",
        ),
    ],
)
def test_an_address_that_cannot_be_is_said(options: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [*COMMAND, *options], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (1, 2)
    assert said in done.stderr
