"""What people are told at the terminal of a replica: when it is ready, what it waits for, who leads."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, config_of, free_members
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path) as made:
        yield made


def wait_for_words(one: ExchangeProcess, words: str) -> None:
    wait_until(lambda: any(words in line for line in one.output))


def said(one: ExchangeProcess, words: str) -> list[str]:
    return [line for line in one.output if words in line]


def test_a_member_is_ready_when_there_is_a_leader_and_says_who(cluster: ClusterProcesses) -> None:
    addresses = free_members(3)
    first = cluster.start(1, config_of("ab" * 16, 1, addresses), "--first-start")
    wait_for_words(first, "not ready: no leader is heard since ")
    wait_for_words(first, "of the voters 1, 2, 3 only 1 can be reached from here, and it takes 2")
    assert not said(first, "Try in another terminal")
    why_not = first.ask(command="status")["why_not"]
    assert "no leader is heard since " in why_not
    second = cluster.start(2, config_of("ab" * 16, 2, addresses), "--first-start")
    for one in (first, second):
        wait_until(lambda one=one: any(line.startswith("ready fix_zmq=") for line in one.output))
        assert one.ask(command="status")["accepting"]
        wait_for_words(one, " leads, term ")
        trace = [json.loads(line) for line in (one.data / "trace.jsonl").read_text().splitlines()]
        leaders = [(line["member"], line["term"]) for line in trace if line["event"] == "leader"]
        assert any(f"member {leaders[0][0]}" in line for line in said(one, f" leads, term {leaders[0][1]}"))
        events = [line["event"] for line in trace]
        assert events.index("not ready") < events.index("ready")


def test_an_empty_member_says_what_may_have_been_forgotten(cluster: ClusterProcesses) -> None:
    addresses = free_members(2)
    alone = cluster.start(1, config_of("ab" * 16, 1, addresses))
    wait_for_words(alone, "If this is a new cluster, start each member once with --first-start")
    assert f"quorumbook add 1 {addresses[1]}" in said(alone, "--first-start")[0]


def test_a_new_member_that_began_a_cluster_of_its_own_says_so(cluster: ClusterProcesses) -> None:
    addresses = free_members(4)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    cluster.succeed("add", "4", addresses[4], "--learner")
    four = cluster.members[4] = ExchangeProcess(
        cluster.members[1].directory.parent / "member4", config=config_of("ab" * 16, 4, addresses)
    )
    four.command.append("--first-start")
    with suppress(AssertionError):
        four.start()  # it may end before it said whether it is ready
    assert four.wait() == 1
    (line,) = said(four, "began a cluster of its own: --first-start was wrong here")
    assert "Remove member 4 from the cluster, and add it under a new id, with an empty directory" in line
    assert "damaged" not in line


@pytest.mark.parametrize("removed", [1, 3])
def test_a_removed_member_says_that_it_is_and_not_every_second(
    cluster: ClusterProcesses, removed: int
) -> None:
    cluster.begin(free_members(3))
    if cluster.leader() == removed:
        cluster.succeed("transfer", "2")
    cluster.succeed("remove", str(removed))
    one = cluster.members[removed]
    wait_for_words(one, f"refuses this replica: member {removed} was removed from this cluster")
    wait_for_words(one, "not taking input: no leader is heard since ")
    assert f"member {removed} was removed from this cluster" in said(one, "not taking input")[0]
    for other in cluster.members.values():
        lines = said(other, "was removed from this cluster")
        assert len(lines) == len(set(lines))


def test_a_member_is_not_started_without_or_against_what_its_log_says(cluster: ClusterProcesses) -> None:
    addresses = free_members(3)
    cluster.begin(addresses)
    one = cluster.members[1]
    wait_until(lambda: one.ask(command="status")["commit_index"] > 1)
    one.kill()
    swapped = addresses | {2: addresses[3], 3: addresses[2]}
    file = one.directory / "swapped.toml"
    file.write_text(config_of("ab" * 16, 1, swapped))
    refused = one.run("serve", "--config", str(file), "--data", str(one.data))
    assert refused.returncode == 1
    assert (
        f"member 2 is at {addresses[3]} by the configuration, and at {addresses[2]} by the log"
        in refused.stderr
    )
    file.write_text(CONFIG)
    refused = one.run("serve", "--config", str(file), "--data", str(one.data))
    assert refused.returncode == 1
    assert (
        "is the directory of a member of a cluster, whose members are 1, 2, 3: start it with"
        in refused.stderr
    )
    one.start()


def test_status_shows_which_sessions_each_replica_holds(cluster: ClusterProcesses) -> None:
    cluster.begin(free_members(3))
    with (
        FixClient("tcp", cluster.members[2].port("fix_tcp"), "ALICE") as alice,
        FixClient("zmq", cluster.members[3].port("fix_zmq"), "BOB") as bob,
    ):
        alice.logon()
        bob.logon()
        shown = cluster.succeed("status")
        assert "  member 2 holds 1 session: ALICE\n" in shown
        assert "  member 3 holds 1 session: BOB\n" in shown
        assert "member 1 holds" not in shown
        found = {one["id"]: one["sessions"] for one in cluster.status()["replicas"]}
        assert found[2] == {"count": 1, "comp_ids": ["ALICE"]}
        assert found[1] == {"count": 0, "comp_ids": []}
