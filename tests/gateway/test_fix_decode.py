"""`quorumbook fix decode`."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result
from stories import build

from gateway.fix_commands import fix
from gateway.fix_log import written

WHEN = "20261128-09:30:00.123456"
ORDER = build(
    [("35", "D"), ("49", "ALICE"), ("56", "QB"), ("34", "2"), ("52", "20261128-09:30:00"), ("11", "a b"), ("54", "1"),
     ("453", "1"), ("448", "P"), ("59", "Z"), ("9999", "x")]
)  # fmt: skip
LOGON = build([("35", "A"), ("49", "ALICE"), ("56", "QB"), ("34", "1"), ("554", "secret")])
LINE = (
    f'{WHEN} in  ALICE > QB 2 NewOrderSingle ClOrdID="a b" Side=BUY NoPartyIDs=1 - PartyID=P '
    "TimeInForce=Z! 9999!=x\n"
)


def decode(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(fix, ["decode", *arguments], input=given)


def test_a_message_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "fix.log").write_bytes(written(WHEN, "in", "tcp/7", ORDER))
    assert decode(str(tmp_path / "fix.log")).output == LINE
    assert decode("-", given=written(WHEN, "in", "tcp/7", ORDER)).output == LINE
    assert decode(given=ORDER).output == LINE.replace(f"{WHEN} in ", "20261128-09:30:00")


def test_or_a_block() -> None:
    output = decode("--fields", "--raw", given=written(WHEN, "in", "tcp/7", LOGON)).output
    assert output.splitlines()[0] == f"{WHEN} in  ALICE > QB 1 Logon by tcp/7"
    assert "    554 Password = ***" in output.splitlines()
    assert f"  {written('', '', '', LOGON).decode().partition(' : ')[2]}" in output
    assert "secret" not in output
    block = decode("--fields", given=ORDER).output.splitlines()
    assert "     54 Side = 1 (BUY)" in block
    assert "    -   448 PartyID = P" in block
    assert "     59 TimeInForce = Z ! not one of its values" in block
    assert "   9999 ! = x" in block


def test_what_is_no_fix_log_is_said(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_text("Dear diary\n" * 3)
    assert decode(str(file)).output == (
        f"Error: {file}, line 1: no FIX message in it, nor in the 2 after it (one begins with 8=FIX); it begins "
        '"Dear diary"\n'
    )
    file.write_text("")
    assert decode(str(file)).output == f"Error: {file}: it is empty\n"
    assert decode("--dictionary", "nowhere.xml", given=ORDER).output == (
        "Error: nowhere.xml: the dictionary cannot be read: No such file or directory\n"
    )


def test_it_follows_a_log_that_grows() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "fix", "decode", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    for _ in range(2):
        process.stdin.write(written(WHEN, "in", "tcp/7", ORDER))
        process.stdin.flush()
        assert select.select([process.stdout], [], [], 30)[0]
        assert os.read(process.stdout.fileno(), 65_536).decode() == LINE
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_terminal_gets_colours_and_whole_lines() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "40"}
    environment.pop("NO_COLOR", None)
    subprocess.run(
        [sys.executable, "-m", "gateway.cli", "fix", "decode", "-"],
        input=written(WHEN, "in", "tcp/7", ORDER), stdout=theirs, env=environment, timeout=30, check=True,
    )  # fmt: skip
    os.close(theirs)
    output = os.read(ours, 65_536).decode()
    os.close(ours)
    assert "\x1b[32mSide\x1b[0m" in output
    assert output.count("\n") == 1
