"""`quorumbook replay` on the log of a running and of a stopped exchange, whole and damaged."""

import re
import shutil
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from fix_client import FixClient


@pytest.fixture
def traded(exchange: ExchangeProcess) -> ExchangeProcess:
    """Flow ids 1 (entered twice), 2 and 3; two fills."""
    with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
        alice.logon()
        for name, side, quantity, price in (
            ("1.1", "buy", 10, "10.00"),
            ("2.1", "sell", 4, "10.00"),
            ("3.1", "sell", 6, "9.99"),
            ("1.2", "buy", 5, "9.00"),
        ):
            alice.send_bytes(alice.order(name, side, quantity, price))
        alice.settle()
    return exchange


def shown(text: str) -> dict[str, str]:
    return dict(re.split(r" {2,}|(?<=hash) ", line, maxsplit=1) for line in text.splitlines())


def test_a_running_and_a_stopped_log_lead_to_one_state(traded: ExchangeProcess, tmp_path: Path) -> None:
    fills = tmp_path / "fills.csv"
    running = traded.run("replay", str(traded.data), "--verify", "--fills", str(fills))
    assert running.returncode == 0, running.stderr
    lines = [line.split(",") for line in fills.read_text().splitlines()]
    assert ",".join(lines[0]) == "fill_seq,order_seq,time_ns,taker_id,maker_id,price_ticks,qty"
    assert [(line[0], *line[3:]) for line in lines[1:]] == [
        ("1", "2", "1", "1000", "4"),
        ("2", "3", "1", "1000", "6"),
    ]
    status = traded.ask(command="status")
    assert shown(running.stdout)["chain hash"] == status["chain_hash"]
    traded.stop()
    stopped = traded.run("replay", str(traded.data))
    for name in ("state hash", "chain hash", "last index", "commands", "fills"):
        assert name in shown(stopped.stdout)
    last = int(shown(running.stdout)["last index"])
    assert int(shown(stopped.stdout)["last index"]) >= last
    to_last = traded.run("replay", str(traded.data), "--to", str(last))
    for name in ("state hash", "chain hash", "commands", "fills"):
        assert shown(to_last.stdout)[name] == shown(running.stdout)[name]
    earlier = traded.run("replay", str(traded.data), "--to", str(last - 1))
    assert shown(earlier.stdout)["state hash"] != shown(running.stdout)["state hash"]
    beyond = traded.run("replay", str(traded.data), "--to", "1000000")
    assert beyond.returncode != 0
    assert "beyond" in beyond.stderr


def test_a_damaged_log_is_reported_with_file_and_offset(traded: ExchangeProcess, tmp_path: Path) -> None:
    traded.stop()
    (segment,) = [path for path in traded.data.glob("00000001*") if path.is_file()]
    copy = tmp_path / "copy"
    shutil.copytree(traded.data, copy)
    data = bytearray((copy / segment.name).read_bytes())
    where = data.index(b"\x031.1") if b"\x031.1" in data else data.index(b"AAPL", 8192)
    data[where + 1] ^= 0x40
    (copy / segment.name).write_bytes(data)
    replayed = traded.run("replay", str(copy), "--verify")
    assert replayed.returncode != 0
    assert str(copy / segment.name) in replayed.stderr
    assert re.search(r"offset \d+", replayed.stderr)
    assert "Traceback" not in replayed.stderr
    served = traded.run("serve", "--config", str(traded.directory / "config.toml"), "--data", str(copy))
    assert served.returncode != 0
    assert re.search(r"offset \d+", served.stderr)
    assert "Traceback" not in served.stderr


def test_a_symbol_that_the_log_has_not_is_refused(traded: ExchangeProcess, tmp_path: Path) -> None:
    fills = tmp_path / "fills.csv"
    refused = traded.run("replay", str(traded.data), "--symbol", "NOPE", "--fills", str(fills))
    assert refused.returncode == 1
    assert re.search(r"--symbol NOPE: .* it has AAPL, ", refused.stderr)
    assert not fills.exists()
    known = traded.run("replay", str(traded.data), "--symbol", "AMZN", "--fills", str(fills))
    assert known.returncode == 0
    assert len(fills.read_text().splitlines()) == 1


def test_no_log_is_said_so(traded: ExchangeProcess, tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere", tmp_path):
        replayed = traded.run("replay", str(place))
        assert replayed.returncode != 0
        assert str(place) in replayed.stderr
        assert "Traceback" not in replayed.stderr
