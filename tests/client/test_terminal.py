"""What the commands show in a terminal, in a pipe, and on their last line."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import quorumbook as qb
from tests.client.running import ENVIRONMENT, Running, quorumbook


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def test_the_version_has_one_source() -> None:
    assert qb.__version__ == version("quorumbook")
    assert quorumbook("--version").stdout == f"quorumbook, version {qb.__version__}\n"


def test_the_command_says_what_shadows_its_packages(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").touch()
    command = [
        sys.executable,
        "-c",
        "import gateway.cli, sys; sys.path.insert(0, sys.argv.pop(1)); gateway.cli.main()",
    ]
    done = subprocess.run(
        [*command, str(tmp_path), "match", "x.csv"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"quorumbook: it needs its own package 'engine', but Python finds {tmp_path}"
    )
    assert done.stderr.count("\n") == 1


def test_status_for_programs_is_complete(exchange: Running) -> None:
    status = json.loads(quorumbook("status", "--json", data=exchange.data).stdout)
    assert {name: status[name] for name in ("accepting", "why_not", "role", "term", "sessions", "pid")} == {
        "accepting": True, "why_not": None, "role": "leader", "term": 1, "sessions": 0, "pid": exchange.process.pid,
    }  # fmt: skip
    assert status["applied_index"] == status["last_index"] > 0
    assert status["input_number"] > 0
    assert status["version"] == qb.__version__
    storage = status["storage"]
    assert storage["directory"] == str(exchange.data)
    names = [file.name for file in exchange.data.iterdir() if file.name.endswith(".segment")]
    assert storage["segments"] in (len(names) - 1, len(names)), "one may have been reserved meanwhile"
    assert storage["log_bytes"] > 0
    assert storage["free_bytes"] > 0
    assert storage["snapshot"] == 0


def test_status_for_people_says_it_in_words(exchange: Running) -> None:
    made = quorumbook("order", "buy", "AAPL", "7", "10", "--as", "ALICE", data=exchange.data)
    assert made.returncode == 0, made.stderr
    text = quorumbook("status", data=exchange.data).stdout
    lines = dict(re.findall(r"^  (\w[\w ]*?)  +(.*)$", text, re.M))
    assert lines["accepting"] == "yes"
    assert lines["role"] == "leader, term 1"
    assert re.fullmatch(r"entry [\d,]+ applied of [\d,]+", lines["log"])
    assert re.fullmatch(r"\d+ segments? of the log, [\d.]+ MB; [\d.]+ [MGT]B free", lines["disk"])
    assert lines["open orders"] == "1"
    assert re.search(r"^  ALICE +no +1  yes +\d+ +\d+  keep orders$", text, re.M)


def watch(exchange: Running, **streams: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "gateway.cli", "watch", "AAPL", "--data", str(exchange.data)]
    environment = ENVIRONMENT | {"TERM": "xterm-256color"} | dict(streams.pop("env", {}))  # type: ignore[call-overload]
    return subprocess.Popen(command, text=True, env=environment, stderr=subprocess.PIPE, **streams)  # type: ignore[call-overload, no-any-return]


def order(exchange: Running, *terms: str) -> None:
    done = quorumbook("order", *terms, data=exchange.data)
    assert done.returncode == 0, done.stderr


def test_watch_into_a_pipe_writes_lines(exchange: Running) -> None:
    order(exchange, "sell", "AAPL", "100", "10.50")
    watching = watch(exchange, stdout=subprocess.PIPE)
    assert watching.stdout is not None
    assert watching.stdout.readline() == "AAPL no bids, ask 100 at 10.50\n"
    order(exchange, "buy", "AAPL", "30", "10.50", "--as", "BOB")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} trade 30 at 10.50 bought\n", watching.stdout.readline())
    assert watching.stdout.readline() == "AAPL no bids, ask 70 at 10.50\n"
    exchange.keep_ports()
    exchange.kill()
    assert watching.stdout.readline() == "the exchange is away: waiting for it\n"
    exchange.start()
    assert watching.stdout.readline() == "the exchange is back\n"
    order(exchange, "buy", "AAPL", "70", "10.50", "--as", "BOB")
    assert "trade 70 at 10.50 bought" in watching.stdout.readline()
    assert watching.stdout.readline() == "AAPL no bids, no asks\n"
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=20) == ("", "")
    assert watching.returncode == 0


def test_watch_ends_quietly_when_nobody_reads(exchange: Running) -> None:
    watching = watch(exchange, stdout=subprocess.PIPE)
    assert watching.stdout is not None
    assert watching.stdout.readline() == "AAPL no bids, no asks\n"
    watching.stdout.close()
    order(exchange, "sell", "AAPL", "100", "10.50")
    assert watching.wait(20) == 0
    assert watching.stderr is not None
    assert watching.stderr.read() == ""
    watching.stderr.close()


@pytest.mark.parametrize("terminal", ["xterm-256color", "dumb"])
def test_watch_in_a_terminal_gives_it_back(exchange: Running, terminal: str) -> None:
    order(exchange, "sell", "AAPL", "100", "10.50")
    ours, theirs = pty.openpty()
    watching = watch(exchange, stdout=theirs, env={"TERM": terminal})
    os.close(theirs)
    seen = b""
    end = time.monotonic() + 20
    while b"10.50" not in seen and time.monotonic() < end:
        seen += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:  # the other end of a terminal is gone
        pass
    os.close(ours)
    assert watching.wait(20) == 0
    assert watching.communicate()[1] == ""
    if terminal == "dumb":
        assert seen.replace(b"\r", b"") == b"AAPL no bids, ask 100 at 10.50\n"
    else:
        assert seen.index(b"\x1b[?1049h") < seen.index(b"\x1b[?1049l"), "the screen of before comes back"
        assert b"\x1b[?25h" in seen, "and the cursor"
        assert b"10.50" in seen[seen.index(b"\x1b[?1049l") :], "with the last picture on it"
