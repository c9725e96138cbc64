"""The commands against a real exchange: orders, books, and whole flows played over FIX."""

import errno
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.records import Reason
from gateway import bench_command, play_command
from gateway.client_core import Memory
from gateway.config import ConfigError
from gateway.flow_files import read_blocks
from gateway.locate import Place
from gateway.order_commands import order
from gateway.play_command import play
from gateway.reasons import GatewayReason, reason_text
from tests.client.running import CONFIG, ENVIRONMENT, Running, quorumbook

SAMPLES = Path(os.environ.get("QUORUMBOOK_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("exchange"))
    yield running
    running.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def operated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr("tests.client.running.CONFIG", 'operators = ["OPS"]\n' + CONFIG)
    running = Running(tmp_path)
    yield running
    running.stop()


def test_orders_from_the_shell_share_one_session(exchange: Running) -> None:
    data = exchange.data
    made = quorumbook("order", "sell", "MSFT", "5", "400.5", "--cl-ord-id", "first", "--json", data=data)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["status"] == "new"
    assert "first" in quorumbook("orders", data=data).stdout
    other = quorumbook("order", "buy", "MSFT", "2", "--as", "OTHER", data=data)
    assert "filled" in other.stdout
    listed = quorumbook("orders", data=data).stdout
    assert "since the last command: first filled 2 at 400.50" in listed
    assert "partially filled" in listed
    assert "since" not in quorumbook("orders", data=data).stdout
    replaced = json.loads(
        quorumbook("replace", "first", "--qty", "9", "--price", "401", "--json", data=data).stdout
    )
    assert (replaced["leaves"], replaced["price"]) == ("7", "401.00")
    book = json.loads(quorumbook("book", "MSFT", "--json", data=data).stdout)
    assert (book["bids"], book["asks"]) == ([], [["401.00", "7", 1]])
    cancelled = quorumbook("cancel", replaced["cl_ord_id"], "--json", data=data)
    assert json.loads(cancelled.stdout)["status"] == "canceled"
    assert "no open orders" in quorumbook("orders", data=data).stdout
    assert "empty" in quorumbook("book", "MSFT", data=data).stdout


def test_orders_of_every_type_from_the_shell(exchange: Running) -> None:
    def order(*arguments: str, who: str = "TYPES") -> dict[str, Any]:
        done = quorumbook("order", *arguments, "--as", who, "--json", data=exchange.data)
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    assert order("sell", "AMZN", "1", "100", who="OTHER")["status"] == "new"
    assert order("buy", "AMZN", "1", "--tif", "ioc")["status"] == "filled"
    assert order("sell", "AMZN", "5", "--stop", "99", "--cl-ord-id", "stop")["terms"] == {"stop_price": "99"}
    assert order("sell", "AMZN", "5", "--trail", "2")["type"] == "trailing_stop"
    assert order("sell", "AMZN", "9", "101", "--hidden", "--min", "9")["status"] == "canceled"
    assert order("sell", "AMZN", "9", "101", "--display", "3", "--until", "2100-01-01")["status"] == "new"
    assert order("buy", "AMZN", "9", "101", "--slide", "--cl-ord-id", "slide")["price"] == "100.99"
    pegged = order("buy", "AMZN", "4", "--peg", "primary", "--offset", "-0.50")
    assert (pegged["type"], pegged["terms"]) == ("pegged", {"peg_offset": "-0.50", "peg": "primary"})
    assert order("buy", "AMZN", "4", "101", "--all-or-none", who="OTHER")["status"] == "filled"
    told = quorumbook("orders", "--as", "TYPES", data=exchange.data).stdout
    assert re.search(r"101\.00 +gtd .* display 3, until 2100-01-01", told)
    assert "offset -0.50, peg primary" in told
    beyond = quorumbook("replace", "stop", "--stop", "102", "--as", "TYPES", data=exchange.data)
    assert "refused: StopPx (99) is reached already" in beyond.stderr
    assert quorumbook("replace", "stop", "--stop", "98", "--as", "TYPES", data=exchange.data).returncode == 0
    assert order("buy", "AMZN", "1", "--type", "market-to-limit", who="OTHER")["status"] == "filled"
    assert order("sell", "AMZN", "9", "100.99", "--tif", "ioc", who="OTHER")["status"] == "filled"
    assert order("buy", "AMZN", "1", "97", who="OTHER")["status"] == "new"
    assert order("sell", "AMZN", "1", "97", "--tif", "ioc", who="THIRD")["status"] == "filled"
    told = quorumbook("orders", "--as", "TYPES", data=exchange.data).stdout
    assert len(re.findall("since the last command: .* triggered", told)) == 2
    assert "stop 98" not in told
    for who in ("TYPES", "OTHER"):
        assert quorumbook("cancel", "--all", "--as", who, data=exchange.data).returncode == 0


def test_what_a_command_does_to_other_orders_of_the_session_is_told(own: Running) -> None:
    """Its stop triggers, and its own bid is hit, by the order that is entered; that order's fill is in its row."""

    def order(*arguments: str, who: str = "HIT") -> subprocess.CompletedProcess[str]:
        return quorumbook("order", *arguments, "--as", who, data=own.data)

    for arguments in (
        ["buy", "GOOG", "9", "97"],
        ["sell", "GOOG", "3", "--stop", "99", "--cl-ord-id", "stop"],
    ):
        assert order(*arguments).returncode == 0
    order("buy", "GOOG", "1", "98", who="OTHER")
    hits = order("sell", "GOOG", "1", "98", "--cl-ord-id", "hits")
    later = quorumbook("orders", "--as", "HIT", data=own.data)
    told = [
        line.split(": ")[1] for line in (hits.stdout + later.stdout).splitlines() if line.startswith("since")
    ]
    assert [line.partition(" ")[2] for line in told] == [
        "triggered",
        "filled 3 at 97.00",
        "filled 3 at 97.00",
    ]
    assert sum(line.startswith("stop ") for line in told) == 2
    assert " filled" in hits.stdout
    as_json = order("sell", "GOOG", "2", "97", "--json")
    assert (json.loads(as_json.stdout)["filled"], "filled 2 at 97.00" in as_json.stderr) == ("2", True)


def test_who_did_not_ask_for_a_cancel_is_told_why_it_was(operated: Running) -> None:
    told = []
    for line in (
        "order buy GOOG 9 97 --tif GTC --cl-ord-id a --as OWNER",
        "admin kill OWNER",
        "admin restore OWNER",
        "admin halt MSFT",
        "admin resume MSFT",
        "order buy MSFT 9 7 --tif good-for-auction --cl-ord-id b --as OWNER",
        "admin phase MSFT continuous",
        "orders --as OWNER",
    ):
        done = quorumbook(*line.split(), data=operated.data)
        assert done.returncode == 0
        if "--as OWNER" in line:
            told.append([line for line in done.stdout.splitlines() if line.startswith("since")])
    assert told == [
        [],
        ["since the last command: a cancelled by the kill switch"],
        ["since the last command: b cancelled: the auction that it was for is over"],
    ]


def test_an_order_that_the_exchange_cancels_at_once_says_why(exchange: Running) -> None:
    killed = quorumbook("order", "buy", "INTC", "5", "9", "--tif", "FOK", "--as", "F", data=exchange.data)
    assert killed.returncode == 0
    assert "cancelled: fill-or-kill order cannot be filled at once" in killed.stdout
    market = quorumbook("order", "buy", "INTC", "5", "--as", "F", "--json", data=exchange.data)
    told = json.loads(market.stdout)
    assert (told["status"], told["reason_code"]) == ("canceled", Reason.MARKET_REMAINDER)
    assert "since" not in quorumbook("orders", "--as", "F", data=exchange.data).stdout


def test_a_cl_ord_id_that_was_used_before_is_a_refusal(exchange: Running) -> None:
    line = ["order", "buy", "INTC", "5", "9", "--cl-ord-id", "twice", "--as", "D"]
    assert quorumbook(*line, data=exchange.data).returncode == 0
    again = quorumbook(*line[:3], "3", "8", *line[5:], "--json", data=exchange.data)
    assert (again.returncode, again.stderr) == (1, "quorumbook: rejected: ClOrdID (11) was used before\n")
    told = json.loads(again.stdout)
    assert (told["status"], told["quantity"], told["price"]) == ("rejected", "3", "8")
    assert told["reason_code"] == GatewayReason.DUPLICATE_CL_ORD_ID
    assert quorumbook("cancel", "--all", "--as", "D", data=exchange.data).stdout == "1 order cancelled\n"
    assert "since" not in quorumbook("orders", "--as", "D", data=exchange.data).stdout


@pytest.mark.parametrize(
    ("narrowed", "text"),
    [
        (["NOPE"], "unknown symbol 'NOPE'; this exchange has AAPL"),
        (["AAPL", "--from", "200", "--to", "100"], "--from 200 is above --to 100"),
        (["AAPL", "--from", "1.005"], "--from of AAPL must be a multiple of 0.01, not 1.005"),
        (["AAPL", "--to", "low"], "--to is 'low', which is not a number"),
    ],
)
def test_a_mass_cancel_that_is_refused_is_an_error(exchange: Running, narrowed: list[str], text: str) -> None:
    done = quorumbook("cancel", "--all", "--symbol", *narrowed, data=exchange.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr
    if narrowed[-1] != "low":  # by its FIX endpoint alone, the exchange judges
        there = quorumbook(
            "cancel", "--all", "--symbol", *narrowed, "--connect", exchange.endpoints["fix_tcp"]
        )
        assert (there.returncode, there.stdout) == (1, "")
        assert there.stderr.startswith("quorumbook: refused: ")


def test_the_session_continues_without_its_memory_and_over_either_transport(exchange: Running) -> None:
    for name in ("fix_tcp", "fix_zmq", "fix_tcp"):
        done = quorumbook(
            "order", "buy", "INTC", "1", "10", "--as", "ROAMER", "--connect", exchange.endpoints[name]
        )
        assert done.returncode == 0, done.stderr
    (exchange.data / "clients" / "ROAMER.json").unlink(missing_ok=True)
    listed = quorumbook("orders", "--as", "ROAMER", "--json", data=exchange.data)
    assert len(listed.stdout.splitlines()) == 3, listed.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("order", "buy", "NOPE", "1", "1"), "this exchange has AAPL, AMZN, GOOG, MSFT, INTC, BTC/USD"),
        (("order", "buy", "AAPL", "x", "1"), "quantity is 'x'"),
        (("order", "buy", "AAPL", "1", "1.005"), "rejected"),
        (("cancel", "nothing"), "has no open order 'nothing'"),
        (("book", "NOPE"), "unknown symbol"),
        (("play", "-", "--symbol", "AAPL"), "reads a flow twice"),
        (("play", "missing.csv", "--symbol", "AAPL"), "quorumbook: missing.csv: No such file or directory"),
        (("order", "buy", "AAPL", "-1", "100"), "rejected: OrderQty (38) is below zero"),
        (("order", "buy", "AAPL", "1", "100", "--tiff", "ioc"), "unexpected extra argument"),
        (
            ("orders", "--curve-keys", "nodir"),
            "quorumbook: nodir: No such file or directory; quorumbook keys",
        ),
        (("order", "hold", "AAPL", "1"), "'hold' is not one of 'buy', 'sell'"),
    ],
)
def test_mistakes_are_explained(exchange: Running, arguments: tuple[str, ...], text: str) -> None:
    done = quorumbook(*arguments, data=exchange.data)
    assert done.returncode != 0
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "x.csv"
    for arguments in (
        ("match", nowhere),
        ("generate", "--rows", 10, "--out", nowhere),
        ("generate", "--rows", 10, "--out", tmp_path / "x.csv", "--fills", nowhere),
        ("convert", "lobster", nowhere),
        ("convert", "itch", nowhere, "--symbol", "A"),
    ):
        done = quorumbook(*arguments)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"quorumbook: {nowhere}: No such file or directory"
        assert "Traceback" not in done.stderr


def test_play_looks_at_the_place_of_its_fills_before_it_sends(exchange: Running, tmp_path: Path) -> None:
    flow = tmp_path / "flow.csv"
    flow.write_text(FLOW)
    nowhere = tmp_path / "none" / "fills.csv"
    before = quorumbook("status", "--json", data=exchange.data).stdout
    done = quorumbook("play", flow, "--symbol", "AMZN", "--fills", nowhere, data=exchange.data)
    assert done.stderr == f"quorumbook: {nowhere}: No such file or directory\n"
    after = quorumbook("status", "--json", data=exchange.data).stdout
    assert json.loads(before)["input_number"] == json.loads(after)["input_number"]


def test_who_could_not_keep_the_sessions_numbers_is_told_before_anything_is_sent(own: Running) -> None:
    (own.data / "clients").write_text("not a directory")
    before = quorumbook("status", "--json", data=own.data).stdout
    done = quorumbook("order", "buy", "AAPL", "1", "10", data=own.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"quorumbook: {own.data / 'clients'}: File exists\n"
    after = quorumbook("status", "--json", data=own.data).stdout
    assert json.loads(before)["input_number"] == json.loads(after)["input_number"]


def test_who_loses_the_sessions_numbers_hears_that_the_order_is_in(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Memory, *_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    monkeypatch.setattr(Memory, "save", full)
    done = CliRunner().invoke(order, ["buy", "AAPL", "1", "10", "--data", str(own.data)])
    assert (done.exit_code, "new" in done.stdout) == (0, True)
    assert "CLI.json: No space left on device; what is shown here was done" in done.stderr


def test_an_endpoint_of_another_kind_is_told_at_once(exchange: Running, tmp_path: Path) -> None:
    began = time.monotonic()
    done = quorumbook("order", "buy", "AAPL", "1", "10", "--connect", exchange.endpoints["admin"])
    assert (done.returncode, "does not speak FIX" in done.stderr) == (1, True)
    assert time.monotonic() - began < 5


def test_a_table_in_a_pipe_cuts_nothing_short(exchange: Running) -> None:
    done = quorumbook(
        "order", "sell", "BTC/USD", "0.00000001", "123456789", "--cl-ord-id", "x" * 64, data=exchange.data
    )
    assert done.returncode == 0, done.stderr
    for whole in ("x" * 64, "BTC/USD", "0.00000001", "123456789", "leaves", "new"):
        assert whole in done.stdout
    assert "…" not in done.stdout


def test_output_that_nobody_reads_to_the_end_is_no_mistake() -> None:
    command = f"'{sys.executable}' -m gateway.cli generate --rows 50000 | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.stdout.startswith("seq,time_ns")
    assert done.stderr == ""


def test_orders_that_nobody_reads_are_no_mistake_either(exchange: Running) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gateway.cli", "orders", "--data", str(exchange.data)]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False
    )
    os.close(writer)
    assert done.stderr == ""


def test_without_an_exchange_the_command_says_what_to_start(tmp_path: Path) -> None:
    for done in (quorumbook("orders", data=tmp_path), quorumbook("orders", "--connect", "127.0.0.1:1")):
        assert done.returncode == 1
        assert "quorumbook serve" in done.stderr


def test_a_bad_line_of_a_flow_is_named_before_anything_is_sent(exchange: Running, tmp_path: Path) -> None:
    flow = tmp_path / "flow.csv"
    flow.write_text(
        "seq,time_ns,action,order_id,side,price_ticks,qty,tif\n1,1,NEW,1,B,100,5,GTC\n2,1,NEW,2,Q,100,5,GTC\n"
    )
    done = quorumbook("play", flow, "--symbol", "AAPL", data=exchange.data)
    assert done.returncode == 1
    assert "line 3, column side" in done.stderr
    assert json.loads(quorumbook("book", "AAPL", "--json", data=exchange.data).stdout)["bids"] == []


FLOW = """seq,time_ns,action,order_id,side,price_ticks,qty,tif
1,10,NEW,1,B,10000,10,GTC
2,11,NEW,2,S,10000,4,GTC
3,12,REDUCE,1,B,10000,2,
4,13,NEW,3,S,10000,1,IOC
5,14,REDUCE,1,B,10000,7,
6,15,NEW,4,S,10000,5,GTC
7,16,CANCEL,77,B,0,0,
8,17,NEW,5,B,10000,3,POST
9,18,NEW,6,B,10000,9,FOK
10,19,CANCEL,4,S,10000,5,
11,20,NEW,4,S,10100,5,GTC
12,21,NEW,7,B,,2,GTC
13,22,REDUCE,4,S,10100,1,
14,23,NEW,8,B,10100,9,IOC
"""
FILLS = """fill_seq,order_seq,time_ns,taker_id,maker_id,price_ticks,qty
1,2,11,2,1,10000,4
2,4,13,3,1,10000,1
3,12,21,7,4,10100,2
4,14,23,8,4,10100,2
"""


def test_every_action_and_time_in_force_means_over_fix_what_it_means_to_the_engine(
    own: Running, tmp_path: Path
) -> None:
    flow, fills, matched = tmp_path / "flow.csv", tmp_path / "fills.csv", tmp_path / "matched.csv"
    flow.write_text(FLOW)
    done = quorumbook("play", flow, "--symbol", "BTC/USD", "--fills", fills, "--as", "P", data=own.data)
    assert done.returncode == 0, done.stderr
    assert fills.read_text() == FILLS
    assert quorumbook("match", flow, "--fills", matched).returncode == 0
    assert matched.read_text() == FILLS
    assert "14 requests, 4 fills" in done.stdout
    assert "p99" in done.stdout


@pytest.mark.parametrize("transport", ["fix_zmq", "fix_tcp"])
def test_a_generated_flow_gives_the_fills_that_the_engine_gives(
    exchange: Running, tmp_path: Path, transport: str
) -> None:
    flow, expected, fills = tmp_path / "flow.csv.zst", tmp_path / "expected.csv", tmp_path / "fills.csv"
    assert (
        quorumbook("generate", "--rows", 5000, "--seed", 7, "--out", flow, "--fills", expected).returncode
        == 0
    )
    symbol = {"fix_zmq": "GOOG", "fix_tcp": "AMZN"}[transport]
    endpoint = exchange.endpoints[transport]
    done = quorumbook("play", flow, "--symbol", symbol, "--fills", fills, "--connect", endpoint)
    assert done.returncode == 0, done.stderr
    assert fills.read_text() == expected.read_text()


def test_a_rate_is_kept(own: Running, tmp_path: Path) -> None:
    flow = tmp_path / "flow.csv"
    flow.write_text(FLOW)
    start = time.monotonic()
    done = quorumbook("play", flow, "--symbol", "AAPL", "--rate", 10, data=own.data)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start >= 1.3


def test_play_that_is_interrupted_says_what_it_leaves(own: Running, tmp_path: Path) -> None:
    flow, fills = tmp_path / "flow.csv", tmp_path / "fills.csv"
    rows = "".join(f"{n},{n},NEW,{n},B,{9000 + n},5,GTC\n" for n in range(1, 3001))
    flow.write_text("seq,time_ns,action,order_id,side,price_ticks,qty,tif\n" + rows)
    session = ["--as", "P", "--data", str(own.data)]
    command = ["play", str(flow), "--symbol", "AAPL", "--rate", "100", "--fills", str(fills), *session]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as playing:  # fmt: skip
        while not Place((), [own.data]).ask({"command": "status"})["live_orders"]:
            time.sleep(0.05)
        playing.send_signal(signal.SIGINT)
        said, why = playing.communicate(timeout=120)
    assert playing.returncode == 130, why
    found = re.fullmatch(
        r"interrupted: (\d+) of 3,000 requests were sent, (\d+) of these answered; (\d+) orders stay open: "
        rf"see them with quorumbook orders {' '.join(session)}, cancel all with quorumbook cancel --all "
        rf"{' '.join(session)}\n",
        why,
    )
    assert found, why
    assert len(set(found.groups())) == 1
    assert said.startswith(f"AAPL as P: {found[1]} requests, 0 fills")
    assert fills.exists()
    listed = quorumbook("orders", "--json", *session)
    assert len(listed.stdout.splitlines()) == int(found[1])
    assert quorumbook("cancel", "--all", *session).stdout == f"{found[1]} orders cancelled\n"
    assert quorumbook("orders", *session).stdout == "no open orders\n"
    assert json.loads(quorumbook("cancel", "--all", "--json", *session).stdout) == {"cancelled": 0}
    for wrong in (["cancel"], ["cancel", "1.1", "--all"]):
        assert "give a CLORDID, or --all" in quorumbook(*wrong, *session).stderr
    for narrowed, why in (
        (["1.1", "--side", "buy"], "go with --all"),
        (["--all", "--to", "9"], "go with --symbol"),
    ):
        assert why in quorumbook("cancel", *narrowed, *session).stderr
    narrow = ["--symbol", "AAPL", "--side", "buy", "--account", "fund", "--from", "1", "--to", "2"]
    assert quorumbook("cancel", "--all", *narrow, *session).stdout == "0 orders cancelled\n"


def test_play_says_how_far_it_came_when_the_exchange_goes_away(
    own: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = tmp_path / "flow.csv"
    quorumbook("generate", "--rows", 20000, "--seed", 3, "--out", flow)

    class Ends(play_command.bar):
        def __call__(self, done: int) -> None:
            own.kill()

    monkeypatch.setattr(play_command, "bar", Ends)
    monkeypatch.setattr(play_command, "PATIENCE_SECONDS", 1)
    done = CliRunner().invoke(play, [str(flow), "--symbol", "AAPL", "--as", "P", "--data", str(own.data)])
    assert done.exit_code == 1
    assert re.search(
        r"^[\d,]+ of 20,000 requests were sent, [\d,]+ of these answered\. Open orders", done.output
    )
    assert f"quorumbook orders --as P --data {own.data}" in done.output


@pytest.mark.parametrize("end", [Running.kill, Running.stop])
def test_play_survives_restarts_of_the_exchange(
    own: Running, tmp_path: Path, end: Callable[[Running], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, expected, fills = tmp_path / "flow.csv", tmp_path / "expected.csv", tmp_path / "fills.csv"
    quorumbook("generate", "--rows", 4000, "--seed", 3, "--out", flow, "--fills", expected)
    own.keep_ports()
    starts: list[threading.Thread] = []

    class Restarts(play_command.bar):
        """Ends the exchange whenever another thousand requests are sent; it starts again while `play` goes on."""

        def __call__(self, done: int) -> None:
            super().__call__(done)
            if len(starts) < 3 and done >= 1000 * (len(starts) + 1):
                for start in starts[-1:]:
                    start.join()
                end(own)
                starts.append(threading.Thread(target=own.start))
                starts[-1].start()

    monkeypatch.setattr(play_command, "bar", Restarts)
    monkeypatch.setattr(play_command, "PATIENCE_SECONDS", 200)
    arguments = [str(flow), "--symbol", "AAPL", "--fills", str(fills), "--data", str(own.data)]
    done = CliRunner().invoke(play, arguments)
    for start in starts:
        start.join()
    assert done.exit_code == 0, done.output
    assert len(starts) == 3
    assert fills.read_text() == expected.read_text()


def test_play_counts_what_is_refused(own: Running, tmp_path: Path) -> None:
    flow = tmp_path / "flow.csv"
    flow.write_text(
        "seq,time_ns,action,order_id,side,price_ticks,qty,tif\n"
        "1,1,NEW,1,S,10000,5,GTC\n"
        "2,2,NEW,2,B,10000,5,POST\n"
        "3,3,CANCEL,2,B,,,\n"
        "4,4,CANCEL,9,B,,,\n"
        "5,5,NEW,3,B,9000,9000000000000000000,GTC\n"
    )
    done = quorumbook("play", flow, "--symbol", "AAPL", data=own.data)
    assert done.returncode == 0, done.stderr
    refused = {line.strip() for line in done.stdout.splitlines() if "refused" in line}
    assert refused == {
        f"refused 1: {reason_text(Reason.POST_ONLY_WOULD_TRADE)}",
        f"refused 2: {reason_text(GatewayReason.NO_SUCH_ORDER)}",
        f"refused 1: {reason_text(GatewayReason.QUANTITY_OUT_OF_RANGE)}",
    }


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("AAPL_L10_first999", "MSFT"), ("AAPL_L50_0930-1010", "AAPL"), ("AMZN_L1_day", "AMZN")],
)
def test_real_flows_played_over_fix_give_the_recorded_fills(
    own: Running, tmp_path: Path, name: str, symbol: str
) -> None:
    flow = SAMPLES / "lobster" / f"{name}.orders.csv.gz"
    if not flow.exists():
        pytest.skip(f"the real flow {flow} is not here (its terms forbid a copy in the repository)")
    fills = tmp_path / "fills.csv"
    done = quorumbook("play", flow, "--symbol", symbol, "--fills", fills, data=own.data, timeout=250)
    assert done.returncode == 0, done.stderr
    recorded = gzip.decompress(flow.with_name(f"{name}.fills.csv.gz").read_bytes()).decode()
    assert [line.split(",")[3:] for line in fills.read_text().splitlines()] == [
        line.split(",")[3:] for line in recorded.splitlines()
    ]
    assert sum(map(len, read_blocks(flow))) > 0


def test_help_imports_no_heavy_module() -> None:
    done = quorumbook("--help")
    assert done.returncode == 0
    for name in (
        "serve",
        "play",
        "replay",
        "order",
        "book",
        "watch",
        "bench",
        "generate",
        "convert",
        "status",
    ):
        assert f" {name} " in done.stdout


def test_bench_without_its_directory_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installed package has no benchmarks; another package of that name beside it is not run."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text("raise AssertionError")
    monkeypatch.setattr(bench_command, "ROOT", tmp_path)
    done = CliRunner().invoke(bench_command.bench, [])
    assert done.exit_code == 1
    assert "make bench" in done.output


def test_an_endpoint_alone_does_not_tell_the_exchanges_own_symbols(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"an exchange with the default configuration has AAPL.*give --data"
    ):
        Place(["fix+tcp://127.0.0.1:1"], [tmp_path]).instrument("OWN")


def test_play_says_which_increments_it_assumes(tmp_path: Path) -> None:
    flow = tmp_path / "flow.csv"
    flow.write_text("seq,time_ns,action,order_id,side,price_ticks,qty,tif\n1,0,NEW,1,B,100,1,GTC\n")
    done = CliRunner().invoke(
        play, [str(flow), "--symbol", "AAPL", "--connect", "fix+tcp://127.0.0.1:1", "--data", str(tmp_path)]
    )
    assert done.exit_code == 1
    assert (
        "AAPL: taken to have the default configuration's increments, price 0.01 and quantity 1" in done.output
    )
    assert "no exchange answers" in done.output


def test_bench_names_the_packages_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command.importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(bench_command.bench, [])
    assert done.exit_code == 1
    assert "the benchmarks need hdrhistogram and matplotlib" in done.output
