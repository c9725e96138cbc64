"""An operator on a real exchange: docs/operations.md as it stands, and a schedule that is followed by the clock."""

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exchange_process import CONFIG, ROOT, ExchangeProcess, wait_until
from fix_client import FixClient

HANDBOOK = (ROOT / "docs" / "operations.md").read_text()
(CONFIGURATION, *_) = re.findall(r"```toml\n(.*?)```", HANDBOOK, re.DOTALL)
(SESSION, *_) = re.findall(r"```console\n(.*?)```", HANDBOOK, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", HANDBOOK, re.DOTALL)


def ran(exchange: ExchangeProcess, line: str) -> subprocess.CompletedProcess[str]:
    """A command of a line that a document shows."""
    name, *arguments = shlex.split(line)
    assert name == "quorumbook"
    command = [
        sys.executable,
        "-c",
        "from gateway.cli import main; main()",
        *arguments,
        "--data",
        str(exchange.data),
    ]
    return subprocess.run(
        command, env=exchange.environment, capture_output=True, text=True, timeout=60, check=False
    )


def admin(exchange: ExchangeProcess, line: str) -> str:
    done = ran(exchange, f"quorumbook admin {line}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_handbook_s_session_is_what_an_exchange_says(tmp_path: Path) -> None:
    """Input numbers count connections, too, whose ends come when they come; phases end by the clock."""

    def counted(text: str) -> str:
        return re.sub(r"\(input \d+\)|20\d\d-\d\d-\d\d \S+ UTC", "N", text)

    first, _, rest = CONFIGURATION.partition("\n\n")
    with ExchangeProcess(tmp_path, config=f"{first}\n{CONFIG}\n{rest}") as exchange:
        told = ""
        for line in re.findall(r"^\$ (.*)$", SESSION, re.MULTILINE):
            done = ran(exchange, line)
            assert done.returncode == (0 if done.stdout else 1)
            told += f"$ {line}\n{done.stdout}{done.stderr}"
        assert counted(told) == counted(SESSION)
        exchange.kill()
        exchange.start()
        instruments = exchange.ask(command="instruments")["instruments"]
        assert (instruments["AAPL"]["phase"], instruments["GOOG"]["delisted"]) == ("VOLATILITY_AUCTION", True)
        program = PROGRAM.replace("tcp://127.0.0.1:7611", f"tcp://127.0.0.1:{exchange.port('fix_tcp')}")
        subprocess.run([sys.executable, "-c", program], env=exchange.environment, check=True, timeout=60)
        assert exchange.ask(command="instruments")["instruments"]["AAPL"]["phase"] == "HALT"


def test_a_book_that_does_not_trade_says_so(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=f'operators = ["OPS"]\n{CONFIG}') as exchange:
        assert ran(exchange, "quorumbook book AAPL").stdout.split()[0] == "orders"
        admin(exchange, "halt AAPL")
        assert ran(exchange, "quorumbook book AAPL").stdout.startswith("halt\n")
        assert json.loads(ran(exchange, "quorumbook book AAPL --json").stdout)["phase"] == "HALT"
        admin(exchange, "delist AAPL")
        assert ran(exchange, "quorumbook book AAPL").stdout.startswith("delisted\n")
        assert json.loads(ran(exchange, "quorumbook book AAPL --json").stdout)["delisted"] is True


def test_what_an_operator_did_to_orders_their_owners_are_told(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=f'operators = ["OPS"]\n{CONFIG}') as exchange:
        with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
            alice.logon()
            alice.send_bytes(alice.order("a1", "buy", 1, "10.00"))
            assert alice.expect("8")[150] == "0"
            assert json.loads(admin(exchange, "kill ALICE --json"))["orders"] == 1
            cancelled = alice.expect("8")
            assert (cancelled[150], cancelled[58]) == ("4", "cancelled by the kill switch")
            alice.send_bytes(alice.order("a2", "buy", 1, "10.00"))
            assert alice.expect("8")[20002] == "136"
            admin(exchange, "restore ALICE")
            alice.send_bytes(alice.order("a3", "buy", 1, "10.00"))
            assert alice.expect("8")[150] == "0"
        refused = ran(exchange, "quorumbook admin halt AAPL --as ALICE")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(
            'quorumbook: refused: only an operator\'s session may ask for this: write operators = ["ALICE"] before'
        )


def test_what_is_refused_is_said_in_the_words_of_the_command(tmp_path: Path) -> None:
    """By a data directory the increment is known; by an endpoint the exchange judges."""
    with ExchangeProcess(tmp_path, config=f'operators = ["OPS"]\n{CONFIG}') as exchange:
        line = "quorumbook admin protect AAPL --static-band 0.005"
        here, there = (
            ran(exchange, line),
            ran(exchange, f"{line} --connect 127.0.0.1:{exchange.port('fix_tcp')}"),
        )
        assert (here.returncode, there.returncode) == (2, 1)
        assert here.stderr.startswith("quorumbook: --static-band must be a multiple of 0.01, not '0.005'")
        assert there.stderr.startswith("quorumbook: refused: --static-band is 0.005; allowed is a multiple")
        assert "unknown symbol 'NOPE'" in ran(exchange, "quorumbook admin terms NOPE --low-price 1").stderr
        admin(exchange, "protect AAPL --max-notional 1e6")
        admin(exchange, "halt AAPL")
        some = ran(exchange, "quorumbook admin phase --all continuous --json")
        answer = json.loads(some.stdout)
        assert (some.returncode, answer["done"], answer["refused_instruments"]) == (1, False, 1)
        assert some.stderr.startswith("quorumbook: refused by 1 instrument; the first is AAPL: ")


def by_the_clock(now: datetime) -> str:
    """A schedule whose day began two hours ago and ends in six: it is the middle of trading."""
    hours = {"pre_open": -2, "continuous": -1, "closed": 6}
    times = (f'{key} = "{now + timedelta(hours=hour):%H:%M:%S}"' for key, hour in hours.items())
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return "\n".join(["[[schedules]]", 'name = "DAY"', f"days = {json.dumps(days)}", *times, ""])


def test_an_exchange_follows_its_schedule_and_enters_each_step_once(tmp_path: Path) -> None:
    """Begun in the middle of the day it opens by an auction; a log that had no schedule gets one."""
    config = f'operators = ["OPS"]\n{CONFIG}'
    with ExchangeProcess(tmp_path, config=config) as exchange:

        def phases() -> set[str]:
            return {one["phase"] for one in exchange.ask(command="instruments")["instruments"].values()}

        def entered() -> list[str]:
            lines = map(json.loads, (exchange.data / "trace.jsonl").read_text().splitlines())
            return [line["phase"] for line in lines if line["event"] == "phase entered"]

        assert phases() == {"CONTINUOUS"}
        exchange.stop()
        (exchange.directory / "config.toml").write_text(config + by_the_clock(datetime.now(UTC)))
        exchange.start()
        wait_until(lambda: phases() == {"OPENING_AUCTION"})
        exchange.kill()
        exchange.start()
        admin(exchange, "phase --schedule DAY continuous")
        assert phases() == {"CONTINUOUS"}
        assert entered() == ["OPENING_AUCTION"]


def test_what_was_asked_is_read_from_the_log(tmp_path: Path) -> None:
    """By whom, with what, why, and what came of it: of a running exchange and of a stopped one."""

    def read(*options: str) -> str:
        done = exchange.run("operations", str(exchange.data), *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    config = f'operators = ["OPS"]\n{CONFIG}\n[[instruments]]\nsymbol = "AAPL"\nreference_price = "5"\n'
    with ExchangeProcess(tmp_path, config=config) as exchange:
        admin(exchange, 'halt AAPL --why "news pending"')
        assert ran(exchange, "quorumbook admin phase AAPL continuous").returncode == 1
        admin(exchange, "kill --all")
        lines = re.sub(r"^\S+ \S+  \d+  ", "", read(), flags=re.MULTILINE).splitlines()
        assert [line for line in lines if "(" in line] == [
            "(configuration)  PROTECT Symbol=AAPL ReferencePrice=5: done, 1 instrument"
        ]
        assert lines[-3:] == [
            "OPS  PHASE Symbol=AAPL Phase=HALT: done, 1 instrument. Why: news pending",
            "OPS  PHASE Symbol=AAPL Phase=CONTINUOUS: REFUSED: that phase may not follow: a halt and the "
            "close lead to trading by an auction",
            "OPS  KILL SessionCompID=*: done, 0 orders cancelled",
        ]
        exchange.stop()
        first, halt, refused, kill = map(json.loads, read("--json").splitlines())
        assert (first["by"], first["operator"], halt["by"], halt["operator"]) == (
            "configuration", None, "operator", "OPS",
        )  # fmt: skip
        assert (halt["fields"], halt["why"], halt["done"]) == (
            [["Symbol", "AAPL"], ["Phase", "HALT"]], "news pending", True,
        )  # fmt: skip
        assert (
            datetime.fromisoformat(halt["time"]) <= datetime.fromisoformat(kill["time"]) <= datetime.now(UTC)
        )
        assert halt["input_number"] < refused["input_number"] < kill["input_number"]
        assert (refused["done"], refused["reason_code"], kill["orders"]) == (False, 35, 0)
