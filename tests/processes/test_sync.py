"""No answer leaves before the sync that covers it, seen from the system calls of every thread.

A kill -9 keeps the page cache, so only this shows that the sync is there and comes first.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from answers import every_answer
from exchange_process import ExchangeProcess
from fix_client import FixClient

DATA_OFFSET = 8192  # of a segment: below it are marks, which promise nothing of this entry
CALL = re.compile(r"(?P<thread>\d+)\s+(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)")
RESUMED = re.compile(r"(?P<thread>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
WHERE = re.compile(r", (\d+)(?:\)\s+= \d+| <unfinished \.\.\.>)$")
CALLS = "pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg"


def can_trace() -> str:
    """Why strace cannot run here; empty when it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=30, check=False
    )
    return tried.stderr.strip() if tried.returncode else ""


WHY_NOT = can_trace()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"strace cannot run: {WHY_NOT}")


def judge(lines: list[str]) -> tuple[int, int, list[str]]:
    """(entries written, answers sent, answers that left while an entry was not synced)."""
    entries = answers = 0
    unsynced = False
    early: list[str] = []
    syncing: set[str] = set()  # threads inside a sync of the log that began after the entry was written
    for line in lines:
        if call := CALL.match(line):
            unfinished = call["rest"].endswith("<unfinished ...>")
            if call["file"].endswith(".segment"):
                if call["name"].startswith("pwrite"):
                    where = WHERE.search(call["rest"])
                    assert where, line
                    if int(where[1]) >= DATA_OFFSET:
                        entries += 1
                        unsynced = True
                        syncing.clear()
                elif call["name"] in ("fdatasync", "fsync"):
                    if unfinished:
                        syncing.add(call["thread"])
                    elif call["rest"].endswith("= 0"):
                        unsynced = False
            elif "8=FIX" in call["rest"]:
                answers += 1
                if unsynced:
                    early.append(line)
        elif resumed := RESUMED.match(line):
            synced = resumed["name"] in ("fdatasync", "fsync") and resumed["rest"].endswith("= 0")
            if synced and resumed["thread"] in syncing:
                unsynced = False
    return entries, answers, early


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_no_answer_leaves_before_its_sync(tmp_path: Path, transport: str) -> None:
    trace = tmp_path / "calls"
    wrapper = ("strace", "-f", "-yy", "-s", "160", "-e", f"trace={CALLS}", "-o", str(trace))
    sent = 0
    with ExchangeProcess(tmp_path, wrapper=wrapper) as exchange:
        with FixClient(transport, exchange.port(f"fix_{transport}"), "ALICE") as alice:
            for turn in range(4):
                alice.logon()
                sent += 2 + every_answer(alice, f"a{turn}")
                alice.send("5")
                alice.expect("5")
        assert exchange.stop() == 0
    entries, answers, early = judge(trace.read_text(errors="replace").splitlines())
    assert entries >= sent
    assert answers >= sent
    assert early == []


def test_the_judge_sees_an_answer_that_left_too_early() -> None:
    write = '7 pwrite64(9</d/00000001.segment>, "x"..., 512, 8192) = 512'
    mark = '7 pwrite64(9</d/00000001.segment>, "x"..., 512, 4096) = 512'
    begun = "7 fdatasync(9</d/00000001.segment> <unfinished ...>"
    ended = "7 <... fdatasync resumed>)  = 0"
    sync = "7 fdatasync(9</d/00000001.segment>) = 0"
    other = "7 fdatasync(9</d/00000002.segment.tmp>) = 0"
    answer = (
        '8 sendto(12<TCP:[127.0.0.1:1->127.0.0.1:2]>, "\\1\\0308=FIX.4.4"..., 90, MSG_NOSIGNAL, NULL, 0) = 90'
    )
    assert judge([write, sync, mark, answer]) == (1, 1, [])
    assert judge([write, begun, ended, answer]) == (1, 1, [])
    for lines in (
        [write, answer],
        [write, begun, answer, ended],
        [begun, write, ended, answer],
        [write, other, answer],
    ):
        assert judge(lines)[2] == [answer]
