"""Where the commands that log on look for an exchange."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.client_link import ConnectError
from gateway.config import ConfigError
from gateway.locate import Place


def runs(directory: Path, port: int, pid: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    places = {"admin": "tcp://127.0.0.1:1", "fix_tcp": f"fix+tcp://127.0.0.1:{port}", "pid": pid}
    (directory / "endpoints.json").write_text(json.dumps(places))


@pytest.fixture
def ended() -> int:
    """The id of a process that is no more."""
    pid = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(pid, 0)
    return pid


def cluster_in(directory: Path, pids: list[int]) -> None:
    """As `quorumbook cluster` lays it out."""
    for id, pid in enumerate(pids, 1):
        runs(directory / f"replica{id}", id, pid)
        (directory / f"replica{id}.toml").touch()


def test_a_session_may_go_on_at_every_replica_that_runs_on_this_machine(tmp_path: Path, ended: int) -> None:
    cluster_in(tmp_path, [ended, os.getpid(), os.getpid()])
    for named in (tmp_path, tmp_path / "replica1", tmp_path / "replica2"):
        place = Place((), [named])
        assert place.directory == tmp_path / "replica2"
        where = place.fix()
        assert callable(where)
        assert where() == ["fix+tcp://127.0.0.1:2", "fix+tcp://127.0.0.1:3"]
        assert place.memory("A/B") == tmp_path / "clients" / "A%2fB.json"
        runs(tmp_path / "replica3", 9, os.getpid())
        assert where() == ["fix+tcp://127.0.0.1:2", "fix+tcp://127.0.0.1:9"]
        runs(tmp_path / "replica3", 3, os.getpid())
    assert Place((), [tmp_path / "replica3"]).directory == tmp_path / "replica3"


def test_replicas_may_be_named_one_by_one(tmp_path: Path, ended: int) -> None:
    for number, pid in enumerate([ended, os.getpid(), os.getpid()], 1):
        runs(tmp_path / f"data{number}", number, pid)
    place = Place((), [tmp_path / f"data{number}" for number in (1, 2, 3, 2)])
    where = place.fix()
    assert callable(where)
    assert where() == ["fix+tcp://127.0.0.1:2", "fix+tcp://127.0.0.1:3"]
    assert place.memory("ME") == tmp_path / "clients" / "ME.json"


def test_why_a_logon_was_refused_is_in_the_trace_of_a_replica_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.locate.TRACED_SECONDS", 0.05)
    runs(tmp_path, 1, os.getpid())
    place, trace = Place((), [tmp_path]), tmp_path / "trace.jsonl"
    assert place.refusal("ALICE") is None

    def refused(comp_id: str, why: str, age: float = 0.0, **more: object) -> dict[str, object]:
        at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
        return {"event": "logon refused", "comp_id": comp_id, "why": why, "timestamp": at, **more}

    lines = [
        {"event": "ready", "timestamp": "2026-01-01T00:00:00Z"},
        refused("BOB", "long ago", age=60),
        refused("ALICE", "first"),
        refused("ALICE", "last"),
        refused("ALICE", "as many more", count=3),
    ]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"event": "log')
    assert place.refusal("ALICE") == f"last ({trace})"
    assert place.refusal("BOB") is None
    monkeypatch.setattr("gateway.locate.TRACE_BYTES", 60)
    assert place.refusal("ALICE") is None


def test_an_exchange_of_one_keeps_its_sessions_with_its_data(tmp_path: Path) -> None:
    runs(tmp_path / "data", 5, os.getpid())
    place = Place((), [tmp_path / "data"])
    assert place.memory("ME") == tmp_path / "data" / "clients" / "ME.json"
    where = place.fix()
    assert callable(where)
    (tmp_path / "data" / "endpoints.json").unlink()
    with pytest.raises(ConnectError, match="no exchange runs on"):
        where()
    with pytest.raises(ConfigError, match="no exchange runs on"):
        Place((), [tmp_path / "data"])


def test_endpoints_are_used_as_they_are_given(tmp_path: Path) -> None:
    place = Place(["10.0.0.1:1", "tcp://10.0.0.2:2"], [tmp_path])
    assert place.fix() == ["10.0.0.1:1", "tcp://10.0.0.2:2"]
    assert place.memory("ME").parent.name == "10.0.0.1-1"
    with pytest.raises(ValueError, match="endpoint"):
        Place(["10.0.0.1:1", "nowhere"], [tmp_path])
