"""A cluster is upgraded one process at a time while it trades; newer rules begin when the last one can run them."""

from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, config_of, free_addresses, free_members
from exchange_process import ExchangeProcess, wait_until
from test_bad_peers import addresses_of, wait_for_words
from traders import Rover, check, trading, wait_for_more

from gateway.inputs import RULES_VERSION

OLDER = "from gateway.cli import main; main()"
NEWER = f"""
from functools import partial
from gateway import server
from gateway.inputs import RULES_VERSION
server.Replica = partial(server.Replica, newest_rules=RULES_VERSION + 1)
{OLDER}
"""
"""A program that runs one version of the rules more, which differs in nothing."""
NEWEST = RULES_VERSION + 1
TOO_OLD = f"and this program runs rules up to version {RULES_VERSION}"
MISSING = "every member runs a program that has it. Missing"
MORE = 20  # orders that each client has acknowledged between two steps


def run_as(member: ExchangeProcess, program: str) -> None:
    """From its next start on."""
    member.command[member.command.index("-c") + 1] = program


def rules(cluster: ClusterProcesses) -> set[int]:
    return {one.ask(command="status")["rules"] for one in cluster.running().values()}


def upgrade(cluster: ClusterProcesses, id: int) -> None:
    member = cluster.members[id]
    assert member.stop() == 0
    run_as(member, NEWER)
    member.start()
    wait_until(lambda: bool(member.ask(command="status")["accepting"]))


def test_newer_rules_begin_when_the_last_member_was_upgraded(tmp_path: Path) -> None:
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3))
        rovers = [Rover(cluster, id, "tcp", id) for id in cluster.members]
        for rover in rovers:
            rover.arrive()
        leader = cluster.leader()
        followers = [id for id in cluster.members if id != leader]
        with trading(rovers):
            for id in followers:
                upgrade(cluster, id)
                wait_for_more(rovers, MORE)
                assert rules(cluster) == {RULES_VERSION}
            assert f"version {NEWEST} begins by itself when {MISSING}: {leader}" in cluster.succeed("status")
            upgrade(cluster, leader)
            wait_until(lambda: rules(cluster) == {NEWEST})
            wait_for_more(rovers, MORE)
        check(rovers)
        cluster.wait_for_one_state()
        assert "begins by itself" not in cluster.succeed("status")
        for rover in rovers:
            rover.close()
        a_program_that_goes_back_stops(cluster.members[leader])
        a_new_member_with_an_old_program_is_refused(cluster)


def a_program_that_goes_back_stops(member: ExchangeProcess) -> None:
    """Its own log says so; and what only reads that does, too."""
    member.stop()
    run_as(member, OLDER)
    with pytest.raises(AssertionError, match=f"activates rules version {NEWEST}, {TOO_OLD}"):
        member.start()
    assert "Traceback" not in "".join(member.output)
    replayed = member.run("replay", str(member.data))
    assert replayed.returncode == 1
    assert f"activates rules version {NEWEST}, {TOO_OLD}" in replayed.stderr
    assert "Traceback" not in replayed.stderr
    run_as(member, NEWER)
    member.start()


def a_new_member_with_an_old_program_is_refused(cluster: ClusterProcesses) -> None:
    (own,) = free_addresses(1)
    config = config_of("ab" * 16, 4, addresses_of(cluster) | {4: own})
    leader = cluster.members[cluster.leader()]
    four = cluster.start(4, config)
    assert "error" not in leader.ask(command="add", member=4, address=own)
    words = (
        f"the program of member 4 runs rules up to version {RULES_VERSION}, "
        f"and in this cluster version {NEWEST} holds"
    )
    for one in (leader, four):
        wait_for_words(one, words)
    assert "Traceback" not in "".join(four.output)
    four.stop()
    run_as(four, NEWER)
    four.start()
    wait_until(lambda: four.ask(command="status")["rules"] == NEWEST)
    cluster.wait_for_one_state()
