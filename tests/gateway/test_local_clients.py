"""What `quorumbook cluster` says of replicas that take no clients."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import cluster_command
from gateway.cluster_command import Clients, watch

MEMBERS = [{"id": id, "address": f"127.0.0.1:{id}", "voter": True} for id in (1, 2)]


def status(member: int, role: str, why_not: str | None = None) -> dict[str, Any]:
    return {
        "member": member, "role": role, "accepting": why_not is None, "why_not": why_not, "term": 2, "last_index": 9,
        "membership": MEMBERS, "last_id": 2,
    }  # fmt: skip


class World:
    """Two replicas that run, and answer what `answers` says next; then they have ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        running = SimpleNamespace(poll=lambda: None)
        files = [Path("replica1.toml"), Path("replica2.toml")]
        self.processes = {file: cast("subprocess.Popen[bytes]", running) for file in files}
        self.answers: Iterator[dict[str, Any]] = iter(())
        monkeypatch.setattr(cluster_command, "member_of", lambda file: (int(file.stem[-1]), "127.0.0.1:1"))
        monkeypatch.setattr(cluster_command, "ask", self._ask)
        monkeypatch.setattr(cluster_command, "WORD_SECONDS", 0.0)
        monkeypatch.setattr(cluster_command, "LATER_WORD_SECONDS", 0.0)
        monkeypatch.setattr(cluster_command, "LATE_SECONDS", 0.0)

    def _ask(self, processes: dict[Path, Any]) -> dict[str, Any]:
        found = next(self.answers, None)
        if found is None:
            processes.clear()
        return found or {}


def test_where_none_takes_clients_it_is_waited_for_and_where_some_do_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(monkeypatch)
    world.answers = iter(
        [
            {"replica1": status(1, "candidate", "an election is on")},
            {"replica1": status(1, "leader"), "replica2": status(2, "refused", "it is refused")},
        ]
    )
    clients = Clients(world.processes, list(world.processes))
    clients.wait()
    assert capsys.readouterr().out.splitlines() == [
        "replica1 is not ready: an election is on",
        "replica2 is not ready: it does not answer",
        "replica2 is not ready: it is refused",
    ]
    assert clients.late == {"replica2": "it is refused"}
    assert len(world.processes) == 2


def test_it_is_told_when_a_late_one_takes_clients(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(monkeypatch)
    late = {"replica1": status(1, "leader"), "replica2": status(2, "follower", "it has not caught up")}
    world.answers = iter([late, late, {"replica1": status(1, "leader"), "replica2": status(2, "follower")}])
    clients = Clients(world.processes, list(world.processes))
    clients.wait()
    capsys.readouterr()
    monkeypatch.setattr(cluster_command.time, "sleep", lambda _: clients.late or world.processes.clear())
    watch(world.processes, clients)
    assert capsys.readouterr().out == "replica2 takes clients now\n"
