"""Which replicas an operator's command asks."""

import json
import os
from pathlib import Path

import pytest

from gateway import replicas
from gateway.config import ConfigError
from gateway.replicas import ask_all, at_endpoint, beside, find, in_directory, unled, unreached


def cluster_in(directory: Path) -> list[Path]:
    """As `quorumbook cluster` lays it out."""
    made = [directory / f"replica{id}" for id in (1, 2, 3)]
    for one in made:
        one.mkdir(parents=True)
        one.with_suffix(".toml").touch()
    return made


def runs(directory: Path, pid: int) -> None:
    (directory / "endpoints.json").write_text(json.dumps({"admin": "tcp://127.0.0.1:1", "pid": pid}))


def test_a_cluster_on_one_machine_is_found_by_its_directory_and_by_each_replica(tmp_path: Path) -> None:
    one, two, three = cluster_in(tmp_path / "cluster")
    assert beside(tmp_path / "cluster") == [one, two, three]
    assert beside(tmp_path) == [one, two, three]
    runs(two, os.getpid())
    assert beside(two) == [two, one, three]
    assert [Path(replica.where) for replica in find([two, one], [])] == [two, one, three]


def test_a_directory_of_one_replica_stands_for_itself(tmp_path: Path) -> None:
    own = tmp_path / "data"
    cluster_in(own / "cluster")
    runs(own, os.getpid())
    (tmp_path / "data.toml").touch()
    assert beside(own) == [own]


def test_a_replica_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    assert in_directory(tmp_path).why.endswith(f"Start it: quorumbook serve --data {tmp_path}")
    (tmp_path / "replica1.toml").touch()
    assert in_directory(tmp_path / "replica1").why.endswith(f"serve --config {tmp_path}/replica1.toml")
    ended = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(ended, 0)
    runs(tmp_path, ended)
    assert in_directory(tmp_path).admin == ""
    assert f"process {ended} has ended" in in_directory(tmp_path).why
    runs(tmp_path, os.getpid())
    assert in_directory(tmp_path).admin == "tcp://127.0.0.1:1"


def test_a_member_of_a_cluster_is_started_with_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "peers").touch()
    assert in_directory(tmp_path).why.endswith("Start it: quorumbook serve --config FILE")
    ended = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(ended, 0)
    left = {"admin": "tcp://127.0.0.1:1", "pid": ended, "config": "/etc/two.toml", "member": 2}
    (tmp_path / "endpoints.json").write_text(json.dumps(left))
    found = in_directory(tmp_path)
    assert found.why.endswith(f"Start it again: quorumbook serve --config /etc/two.toml --data {tmp_path}")
    assert found.member == 2


def test_who_was_removed_or_given_up_is_not_to_be_started(tmp_path: Path) -> None:
    (tmp_path / "replica3.toml").write_text(
        f'[cluster]\nid = "{"ab" * 16}"\nmember = 3\nmembers = ["1 127.0.0.1:1", "3 127.0.0.1:3"]\n'
    )
    stopped = in_directory(tmp_path / "replica3")
    assert stopped.member == 3
    silent = replicas.Replied(stopped, {}, stopped.why)

    def said(last_id: int, *ids: int) -> list[str]:
        status = {"term": 5, "role": "leader", "last_index": 9, "last_id": last_id}
        answer = {**status, "membership": [{"id": id, "voter": True} for id in ids]}
        return unreached([replicas.Replied(at_endpoint("127.0.0.1:1"), answer), silent])

    assert said(3, 1, 2) == [f"{tmp_path}/replica3: member 3 was removed, or given up: do not start it"]
    assert said(3, 1, 2, 3) == [stopped.why]
    assert said(2, 1, 2) == [stopped.why]  # it waits to be added
    assert unreached([silent]) == [stopped.why]


def test_endpoints_are_asked_besides_directories_and_must_be_some(tmp_path: Path) -> None:
    runs(tmp_path, os.getpid())
    assert [one.admin for one in find([tmp_path], ["127.0.0.1:2", "tcp://[::1]:3"])] == [
        "tcp://127.0.0.1:1",
        "tcp://127.0.0.1:2",
        "tcp://[::1]:3",
    ]
    with pytest.raises(ValueError, match="endpoint"):
        find([], ["nowhere"])


def test_a_silent_endpoint_may_be_another_than_the_admin_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "ANSWER_SECONDS", 0.01)
    runs(tmp_path, os.getpid())
    known, given = ask_all(find([tmp_path], ["127.0.0.1:1"]), {"command": "status"})
    assert known.why == "tcp://127.0.0.1:1: no answer within 0 s"
    assert given.why.startswith(
        f"{known.why}. It must be the admin endpoint, and not that of FIX or the feed"
    )


def test_a_leader_that_cannot_be_asked_is_named_as_the_newest_term_knows_it() -> None:
    assert "member 3 leads" in unled([{"term": 4, "leader": 2}, {"term": 5, "leader": 3}])


def unled_three(*answering: int) -> str:
    members = [{"id": id, "voter": id < 4} for id in (1, 2, 3, 4)]
    statuses = [
        {"term": 5, "leader": 0, "member": id, "membership": members, "role": "candidate"} for id in answering
    ]
    return unled(
        [{"term": 4, "leader": 2, "member": 4, "role": "learner"}, *statuses],
        ["replica9 does not run: start it"],
    )


def test_where_nobody_leads_it_is_said_who_is_to_be_started() -> None:
    assert unled_three(1, 4) == (
        "no replica that answers knows a leader: of the voters 1, 2, 3 only 1 can be asked, and it takes 2: start the "
        "others; replica9 does not run: start it"
    )
    assert "quorumbook status shows what each waits for; replica9" in unled_three(1, 2)


def test_where_others_will_not_have_the_only_one_that_answers_nobody_is_to_be_started() -> None:
    members = [{"id": 1, "voter": True}, {"id": 4, "voter": True}]
    status = {"term": 5, "leader": 0, "member": 1, "membership": members, "role": "refused"}
    assert unled([{**status, "why_not": "member 4 refuses this replica: member 1 was removed"}]) == (
        "member 1: member 4 refuses this replica: member 1 was removed"
    )


def test_a_command_that_waits_for_a_leader_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {"term": 5, "leader": 0, "member": 1, "role": "candidate", "membership": [], "last_index": 0}
    monkeypatch.setattr(replicas, "ask_all", lambda asked, request: [replicas.Replied(asked[0], status)])
    monkeypatch.setattr(replicas, "WORD_SECONDS", 0.05)
    monkeypatch.setattr(replicas, "LEADER_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="knows a leader"):
        replicas.Cluster([], ["127.0.0.1:1"]).leader()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("waiting up to 0 s: no replica that answers knows a leader: ")
