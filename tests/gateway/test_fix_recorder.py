"""The traffic as lines of a file, which may fill up, be moved away, or be a pipe that nobody reads."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stories import build
from test_connections import LOGON_BYTES, Gateway, heartbeat

from gateway import fix_recorder
from gateway.config import ConfigError
from gateway.fix_log import Logged, Reader
from gateway.fix_recorder import FixRecorder, recorder_of_server

BEAT = build([("35", "0"), ("34", "3")])
LOGON = build([("35", "A"), ("554", "secret"), ("108", "30")])


def recorder(path: Path) -> FixRecorder:
    return FixRecorder(path, pytest.fail)


def logged(path: Path) -> list[Logged]:
    return list(Reader(io.BytesIO(path.read_bytes()).readline))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.integers(0, 200), max_size=8))
def test_each_message_is_a_line_however_it_comes(tmp_path: Path, cuts: list[int]) -> None:
    path = tmp_path / "fix.log"
    path.unlink(missing_ok=True)
    writes = recorder(path)
    data = LOGON + BEAT + b"noise" + BEAT
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        writes.record("in", "tcp/1", data[begin:end])
        writes.record("out", "tcp/1", BEAT)
    writes.write()
    assert b"secret" not in path.read_bytes()
    masked = LOGON.replace(b"secret", b"***")
    assert [one.message for one in logged(path) if one.direction == "in"] == [masked, BEAT, b"noise" + BEAT]
    assert [one.message for one in logged(path) if one.direction == "out"] == [BEAT] * (len(cuts) + 1)
    assert {one.connection for one in logged(path)} == {"tcp/1"}


def test_what_has_no_end_is_there_when_its_connection_has_ended(tmp_path: Path) -> None:
    writes = recorder(tmp_path / "fix.log")
    writes.record("in", "tcp/1", LOGON[:-9])
    writes.ended("tcp/1")
    writes.record("in", "tcp/1", BEAT)
    writes.write()
    assert [one.message for one in logged(tmp_path / "fix.log")] == [
        LOGON[:-9].replace(b"secret", b"***"),
        BEAT,
    ]


def test_noise_without_end_is_not_kept_for_ever(tmp_path: Path) -> None:
    writes = recorder(tmp_path / "fix.log")
    for part in (
        b"8=FIX.4.4\x01",
        b"58=" + b"x" * fix_recorder.LONGEST + b"\x01",
        b"554=sec",
        b"ret\x01",
        BEAT,
    ):
        writes.record("in", "tcp/1", part)
    writes.write()
    first, second = (tmp_path / "fix.log").read_bytes().splitlines()
    assert first.endswith(b"|58=" + b"x" * fix_recorder.LONGEST)
    assert b": |554=***|8=FIX" in second


def test_lines_are_written_many_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "fix.log"
    writes = recorder(path)
    writes.record("out", "tcp/1", BEAT)
    assert path.read_bytes() == b""
    writes.record("out", "tcp/1", BEAT * (fix_recorder.BATCH // len(BEAT)))
    assert len(path.read_bytes()) >= fix_recorder.BATCH
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_moved_away_is_followed_by_another(tmp_path: Path) -> None:
    path = tmp_path / "fix.log"
    writes = recorder(path)
    for name in ("fix.log.1", "fix.log.2"):
        writes.record("in", "tcp/1", BEAT)
        writes.write()
        path.rename(tmp_path / name)
    assert [len(logged(tmp_path / name)) for name in ("fix.log.1", "fix.log.2")] == [1, 1]


def test_a_full_disk_is_told_once_and_what_is_missing_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "fix.log"
    path.symlink_to("/dev/full")
    writes = FixRecorder(path, told.append)
    for _ in range(3):
        writes.record("in", "tcp/1", BEAT * 2)
        writes.write()
    path.unlink()
    writes.record("in", "tcp/1", BEAT)
    writes.write()
    assert told == [
        f"{path}: the FIX log cannot be written: No space left on device; trading goes on",
        f"{path}: the FIX log is written again; lines missing: 6",
    ]
    assert path.read_text().startswith("lines missing here: 6\n")
    assert [one.message for one in logged(path)] == [BEAT]


def test_a_line_that_was_cut_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    writes = FixRecorder(tmp_path / "fix.log", told.append)
    writes.record("in", "tcp/1", BEAT * 3)
    with monkeypatch.context() as patch:
        write = os.write
        patch.setattr(os, "write", lambda file, data: write(file, data[:-5]))
        writes.write()
    writes.record("in", "tcp/1", LOGON)
    writes.write()
    lines = (tmp_path / "fix.log").read_bytes().split(b"\n")
    assert [one.partition(b" : ")[2][:1] for one in lines] == [b"8", b"8", b"8", b"", b"8", b""]
    assert lines[3] == b"lines missing here: 1"
    assert len(told) == 2


def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: the FIX log cannot be written: No such device"):
        recorder_of_server(str(tmp_path / "pipe"), tmp_path, pytest.fail)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    told: list[str] = []
    writes = FixRecorder(tmp_path / "pipe", told.append)
    writes.record("in", "tcp/1", BEAT * 10_000)
    writes.record("in", "tcp/1", BEAT * 10_000)
    assert len(told) == 1
    os.close(reader)


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert recorder_of_server(False, tmp_path, pytest.fail) is None
    assert recorder_of_server("", tmp_path, pytest.fail) is None
    assert recorder_of_server(True, tmp_path, pytest.fail)
    assert (tmp_path / "fix.log").exists()


def test_connections_tell_what_comes_and_goes(tmp_path: Path) -> None:
    gateway = Gateway()
    gateway.connections.recorder = writes = recorder(tmp_path / "fix.log")
    number, _ = gateway.logged_on()
    gateway.connections.received(number, heartbeat(2)[:20])
    gateway.connections.received(number, heartbeat(2)[20:] + b"8=FI")
    gateway.send(2)
    gateway.connections.closed(number)
    writes.write()
    found = logged(tmp_path / "fix.log")
    assert {one.connection for one in found} == {f"tcp/{number}"}
    assert [one.message for one in found if one.direction == "in"] == [LOGON_BYTES, heartbeat(2), b"8=FI"]
    assert [one.message.split(b"\x01")[2] for one in found if one.direction == "out"] == [b"35=A", b"35=0"]
    assert [one.direction for one in found] == ["in", "out", "in", "out", "in"]
