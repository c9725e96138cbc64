"""--fix-log: what an exchange and its clients write down of their traffic."""

import json
import re
from pathlib import Path

import pytest
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient

from tests.client.running import quorumbook

ORDER = ((11, "a"), (55, "AAPL"), (54, 1), (38, 1), (40, 2), (44, "10.00"), (60, "20260102-03:04:05"))


def decoded(path: Path) -> list[str]:
    """Direction, connection without its number, and what follows."""
    lines = quorumbook("fix", "decode", path).stdout.splitlines()
    return [re.sub(r"^\d{8}-\d\d:\d\d:\d\d\.\d{6} ", "", line) for line in lines]


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_an_exchange_writes_what_comes_and_what_goes(tmp_path: Path, transport: str) -> None:
    with ExchangeProcess(tmp_path, config=f"{CONFIG}[fix]\nlog = true\n") as exchange:
        with FixClient(transport, exchange.port(f"fix_{transport}"), "ALICE") as alice:
            alice.logon((554, "secret"))
            alice.send("D", *ORDER)
            report = alice.expect("8")
        path = exchange.data / "fix.log"
        wait_until(lambda: len(path.read_bytes().splitlines()) == 4)
        assert exchange.stop() == 0
        assert exchange.start().stop() == 0  # the file is no part of the log
    text = path.read_text()
    assert "secret" not in text
    assert "|554=***|" in text
    assert re.match(rf"\d{{8}}-\d\d:\d\d:\d\d\.\d{{6}} in  {transport}/\d+ : 8=FIX\.4\.4\|", text)
    assert f"|37={report[37]}|" in text
    logon, answer, order, new = decoded(path)
    assert logon == "in  ALICE > QUORUMBOOK 1 Logon EncryptMethod=NONE HeartBtInt=30 Password=***"
    assert answer.startswith("out QUORUMBOOK > ALICE 1 Logon")
    assert order.startswith("in  ALICE > QUORUMBOOK 2 NewOrderSingle ClOrdID=a Symbol=AAPL Side=BUY")
    assert new.startswith("out QUORUMBOOK > ALICE 2 ExecutionReport")
    assert "ExecType=NEW" in new


def test_a_log_that_cannot_be_written_is_traced_and_orders_go_on(tmp_path: Path) -> None:
    exchange = ExchangeProcess(tmp_path)
    exchange.command += ["--fix-log", "/dev/full"]
    with exchange:
        with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
            alice.logon()
            alice.send("D", *ORDER)
            assert alice.expect("8")[150] == "0"

            def traced() -> list[str]:
                lines = map(json.loads, (exchange.data / "trace.jsonl").read_text().splitlines())
                return [line["what"] for line in lines if line["event"] == "FIX log"]

            wait_until(lambda: bool(traced()))
            alice.send("D", *ORDER)
            assert alice.expect("8")[150] == "8"
        assert exchange.stop() == 0
        assert traced() == [
            "/dev/full: the FIX log cannot be written: No space left on device; trading goes on"
        ]


def test_without_it_nothing_is_written(exchange: ExchangeProcess) -> None:
    with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
        alice.logon()
    assert not (exchange.data / "fix.log").exists()


def test_an_exchange_that_could_not_write_it_does_not_start(tmp_path: Path) -> None:
    done = quorumbook("serve", "--fix-log", tmp_path / "no" / "fix.log", data=tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr == (
        f"quorumbook: {tmp_path}/no/fix.log: the FIX log cannot be written: No such file or directory\n"
    )
    assert not any((tmp_path / "data").glob("*.segment*"))


def test_commands_write_theirs(exchange: ExchangeProcess, tmp_path: Path) -> None:
    path = tmp_path / "mine.log"
    for command in (["order", "buy", "AAPL", "5", "10"], ["cancel", "--all"]):
        done = quorumbook(*command, "--fix-log", path, data=exchange.data)
        assert done.returncode == 0, done.stderr
    lines = decoded(path)
    assert lines[0].startswith("out CLI > QUORUMBOOK 1 Logon")
    assert [line.split()[5] for line in lines if line.startswith("out")] == [
        "Logon", "NewOrderSingle", "Logout", "Logon", "OrderMassCancelRequest", "Logout",
    ]  # fmt: skip
    assert sum("OrderMassCancelReport" in line for line in lines if line.startswith("in ")) == 1
    assert f" {exchange.endpoints['fix_tcp']} : 8=FIX" in path.read_text()
    wrong = quorumbook("orders", "--fix-log", tmp_path / "no" / "mine.log", data=exchange.data)
    assert (wrong.returncode, wrong.stderr) == (
        1, f"quorumbook: {tmp_path}/no/mine.log: No such file or directory\n"
    )  # fmt: skip
