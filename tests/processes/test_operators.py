"""The operator's commands on real clusters: status, transfer, add, remove, verify."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, config_of, free_members
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient

from gateway.watch import UNLED


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path) as made:
        yield made


def order(cluster: ClusterProcesses, id: int, name: str, side: str) -> str:
    """An order of 10 at 10.00; how often it was filled at once."""
    with FixClient("tcp", cluster.members[id].port("fix_tcp"), f"{name}-{id}") as client:
        client.logon()
        client.send_bytes(client.order(name, side, 10, "10.00"))
        kinds = [client.expect("8")[150]]
        if side == "sell":
            kinds.append(client.expect("8")[150])
        return "".join(map(str, kinds))


def of_one_state(cluster: ClusterProcesses) -> bool:
    """Whether all replicas have answered with the hash of the same entry; it is asserted to be one."""
    states = [one["state"] for one in cluster.status()["replicas"] if one["status"]]
    if None in states or len({state["applied_index"] for state in states}) > 1:
        return False
    assert len({state["state_hash"] for state in states}) == 1
    return True


def term(cluster: ClusterProcesses) -> int:
    return int(cluster.members[cluster.leader()].ask(command="status")["term"])


def in_one_term(cluster: ClusterProcesses, story: Callable[[int], None]) -> None:
    """Tells a story of who leads; from the beginning when another term began meanwhile. Busy cores can cost a leader
    its office at any time."""
    while True:
        began, leader = term(cluster), cluster.leader()
        try:
            return story(leader)
        except AssertionError:
            if term(cluster) == began:
                raise


def test_status_shows_every_replica_and_transfer_changes_who_leads(cluster: ClusterProcesses) -> None:
    cluster.begin(free_members(3))
    assert order(cluster, 2, "first", "buy") == "0"
    wait_until(lambda: of_one_state(cluster))

    def shown_by_all(leader: int) -> None:
        shown = cluster.succeed("status")
        assert len(re.findall(r"^ +[123]  127\.0\.0\.1:\d+ +(?:leader|follower) +voter ", shown, re.M)) == 3
        assert "one state at entry" in shown
        follower, other = (id for id in cluster.members if id != leader)
        leading = cluster.members[leader].ask(command="status")
        assert {one["voter"] for one in leading["membership"]} == {True}
        assert leading["followers"].keys() == {str(follower), str(other)}
        assert leading["linked"] == sorted((follower, other))
        assert cluster.members[follower].ask(command="status")["followers"] == {}

    def refused(leader: int) -> None:
        follower = next(id for id in cluster.members if id != leader)
        said = f"member {follower} does not lead: member {leader} leads"
        assert cluster.members[follower].ask(command="transfer") == {"error": said, "leader": leader}
        line = cluster.fail("transfer", ids=[follower])
        assert line.startswith(f"quorumbook: member {leader} leads, and is not among")
        assert cluster.fail("transfer", str(leader)) == f"quorumbook: member {leader} is the leader"
        assert "member 9 is no voter; the voters are 1, 2, 3" in cluster.fail("transfer", "9")

    in_one_term(cluster, shown_by_all)
    in_one_term(cluster, refused)
    first = cluster.leader()
    other = next(id for id in cluster.members if id != first)
    began = term(cluster)
    cluster.succeed("transfer", str(other))
    assert cluster.leader() == other or term(cluster) > began + 1  # it had it, and lost it on busy cores
    assert order(cluster, first, "second", "sell") == "0F"

    leading = cluster.leader()
    alone = cluster.succeed("status", ids=[next(id for id in cluster.members if id != leading)])
    assert re.search(rf"^ +{leading}  \S+ +leader, not asked +voter ", alone, re.M)
    assert "not asked: members " in alone
    cluster.members[first].kill()
    shown = cluster.succeed("status")
    assert re.search(rf"^ +{first}  \S+ +not reached +voter ", shown, re.M)
    assert shown.count("not reached:") == 1


def test_a_replica_grows_to_three_and_the_first_is_removed(cluster: ClusterProcesses) -> None:
    alone = cluster.start(1, CONFIG)
    assert order(cluster, 1, "before", "buy") == "0"
    addresses = free_members(3)
    identity = alone.ask(command="status")["cluster"]
    assert identity in cluster.succeed("status")
    assert f'[cluster] id = "{identity}", member = 1' in cluster.fail("add", "2", addresses[2])

    alone.stop()
    (alone.directory / "config.toml").write_text(config_of(identity, 1, {1: addresses[1]}))
    alone.start()
    two = cluster.start(2, config_of(identity, 2, addresses))
    wait_until(lambda: two.ask(command="status")["role"] == "refused")
    assert cluster.succeed("add", "2", addresses[2], "--learner").endswith("member 2 is a learner\n")
    assert alone.ask(command="status")["membership"] == [
        {"id": 1, "address": addresses[1], "voter": True},
        {"id": 2, "address": addresses[2], "voter": False},
    ]
    assert "member 2 is there already: a learner" in cluster.fail("add", "2", addresses[2], "--learner")
    assert "member 2 is a voter" in cluster.succeed("add", "2", addresses[2])
    three = cluster.start(3, config_of(identity, 3, addresses))
    assert "member 3 is a voter" in cluster.succeed("add", "3", addresses[3])
    wait_until(lambda: three.ask(command="status")["accepting"])
    wait_until(lambda: of_one_state(cluster))

    if cluster.leader() != 1:  # busy cores may have cost it the leadership
        cluster.succeed("transfer", "1")
    *handed_over, removed = cluster.succeed("remove", "1").splitlines()
    said = r"member [23] leads; before it was member 1|entry \d+ says it: waiting .*"  # on busy cores
    assert all(re.fullmatch(said, line) for line in handed_over)
    assert removed == "member 1 is removed"
    wait_until(lambda: "member 1 was removed" in str(alone.ask(command="status")["why_not"]))
    wait_until(lambda: alone.ask(command="status")["role"] == "refused")
    alone.stop()
    del cluster.members[1]
    assert cluster.leader() in (2, 3)
    assert order(cluster, 3, "after", "sell") == "0F"
    assert "member 1 is not of this cluster" in cluster.fail("remove", "1")
    assert "member id 1 was used before" in cluster.fail("add", "1", addresses[1])


def test_who_would_be_left_too_few_is_not_let_go(cluster: ClusterProcesses) -> None:
    cluster.begin(free_members(3))
    first = cluster.leader()
    dead, living = (id for id in cluster.members if id != first)
    cluster.members[dead].kill()
    wait_until(lambda: cluster.members[first].ask(command="status")["linked"] == [living])
    assert f"of these only {first} can be reached" in cluster.fail("remove", str(living))
    leader = cluster.run("remove", str(first))
    assert (leader.returncode, leader.stdout) == (1, "")  # it did not hand over before it was refused
    assert f"of these only {living} can be reached" in leader.stderr
    start = f"serve --config {cluster.members[dead].directory / 'config.toml'} --data {cluster.members[dead].data}"
    assert start in cluster.succeed("status")
    cluster.succeed("remove", str(dead))
    shown = cluster.succeed("status")
    assert f"member {dead} was removed, or given up: do not start it" in shown
    assert start not in shown
    assert cluster.members[first].ask(command="status")["accepting"]


def test_who_waits_for_a_leader_hears_of_it_before_that_fails(
    cluster: ClusterProcesses, tmp_path: Path
) -> None:
    cluster.begin(free_members(3))
    for id in (2, 3):
        cluster.members[id].kill()
    one = cluster.members[1]
    wait_until(lambda: not one.ask(command="status")["accepting"])
    places = [text for member in cluster.members.values() for text in ("--data", str(member.data))]
    words = (
        "no replica that answers knows a leader: of the voters 1, 2, 3 only 1 can be asked, and it takes 2"
    )
    flow = tmp_path / "flow.csv"
    flow.write_text("seq,time_ns,action,order_id,side,price_ticks,qty,tif\n1,1,NEW,5,B,1,1,GTC\n")
    for arguments in (
        ["order", "buy", "AAPL", "1", "10"],
        ["play", str(flow), "--symbol", "AAPL"],
        ["transfer"],
    ):
        command = one.command[: one.command.index("serve")]
        with subprocess.Popen(
            [*command, *arguments, *places],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=one.environment,
        ) as waiting:  # fmt: skip
            assert waiting.stdout is not None
            said = waiting.stdout.readline()
            assert waiting.poll() is None
            waiting.kill()
        assert said.startswith("waiting")
        assert words in said
        assert f"{cluster.members[2].data}: process" in said
    shown = cluster.run("book", "AAPL")
    assert (shown.returncode, "empty" in shown.stdout) == (0, True)
    assert shown.stderr.startswith("note: what is shown may be old: no replica that answers knows a leader: ")
    with subprocess.Popen(
        [*command, "watch", "AAPL", *places], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "AAPL no bids, no asks\n"
        assert watching.stdout.readline() == f"{UNLED}\n"
        cluster.members[2].start()
        assert watching.stdout.readline() == "a replica leads again\n"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0


def test_who_adds_a_member_hears_why_it_does_not_come(cluster: ClusterProcesses) -> None:
    addresses = free_members(2)
    alone = cluster.start(1, config_of("ab" * 16, 1, {1: addresses[1]}), "--first-start")
    waiting = first_waiting(alone, "add", "2", addresses[2])
    assert f'must have "1 {addresses[1]}", and what it prints says what is wrong' in waiting

    foreign = alone.directory.parent / "foreign"
    with ExchangeProcess(foreign, config=config_of("cd" * 16, 2, addresses)) as two:
        said = f"member 1 at {addresses[1]} refuses this replica: its data is of cluster"
        wait_until(lambda: said in "".join(two.output))
        waiting = first_waiting(alone, "add", "2", addresses[2])
        assert f"was refused: its data is of cluster {'cd' * 16}, and this is cluster {'ab' * 16}" in waiting
        assert "start it" not in waiting
        gave_up = cluster.fail("add", "2", addresses[2])
        assert "and this is cluster" in gave_up
        assert gave_up.endswith("the same command goes on; or quorumbook remove 2")
    cluster.start(2, config_of("ab" * 16, 2, addresses))
    assert "member 2 is a voter" in cluster.succeed("add", "2", addresses[2])
    assert alone.ask(command="status")["troubles"] == {}


def first_waiting(one: ExchangeProcess, *arguments: str) -> str:
    """What a command says first that it waits for; then it is interrupted."""
    command = [sys.executable, "-m", "gateway.cli", *arguments, "--data", str(one.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=one.environment) as process:
        assert process.stdout
        line = next(line for line in process.stdout if line.startswith("waiting: "))
        process.send_signal(signal.SIGINT)
    return line


def test_a_member_that_was_away_hears_a_leader_that_it_does_not_know(cluster: ClusterProcesses) -> None:
    addresses = free_members(5)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    away = cluster.members.pop(next(id for id in (1, 2, 3) if id != cluster.leader()))
    away.stop()
    for id in (4, 5):
        cluster.start(id, config_of("ab" * 16, id, addresses))
        cluster.succeed("add", str(id), addresses[id])
    while cluster.leader() not in (4, 5):  # busy cores may cost it the leadership again
        cluster.succeed("transfer", "5")
    away.start()
    wait_until(lambda: len(away.ask(command="status")["membership"]) == 5)
    wait_until(lambda: away.ask(command="status")["leader"] == cluster.leader())


def test_logs_are_compared_and_a_changed_byte_is_located(cluster: ClusterProcesses, tmp_path: Path) -> None:
    cluster.begin(free_members(3))
    assert order(cluster, 1, "first", "buy") == "0"
    assert order(cluster, 2, "second", "sell") == "0F"
    wait_until(lambda: of_one_state(cluster))
    some = cluster.members[1]
    data = [str(one.data) for one in cluster.members.values()]
    state = some.ask(command="state_hash")
    running = some.run("verify", *data, "--entry", "3")
    assert running.returncode == 0, running.stdout + running.stderr
    assert f"the same up to entry {state['applied_index']}" in running.stdout
    assert f"state hash at entry {state['applied_index']}: {state['state_hash']}" in running.stdout
    (kept,) = re.findall(rf"^entry 3 of cluster {'ab' * 16} has hash ([0-9a-f]{{64}})$", running.stdout, re.M)
    held = some.run("verify", data[2], "--entry", "3", "--hash", kept)
    assert (held.returncode, held.stdout.splitlines()[-1]) == (0, "the given hash holds")
    other = kept[:-1] + ("0" if kept[-1] != "0" else "1")
    broken = some.run("verify", data[2], "--entry", "3", "--hash", other)
    assert (broken.returncode, "DOES NOT HOLD" in broken.stdout) == (1, True)

    for one in cluster.members.values():
        one.stop()
    copy = tmp_path / "copy"
    shutil.copytree(data[1], copy)
    segment = copy / "00000001.segment"
    text = bytearray(segment.read_bytes())
    where = text.index(b"AAPL", 8192)
    text[where] ^= 0x40
    segment.write_bytes(text)
    compared = some.run("verify", data[0], str(copy), data[2])
    assert compared.returncode == 1
    (offset,) = re.findall(
        rf"^{copy}: .*DAMAGED: {segment}, offset (\d+): .*entry \d+", compared.stdout, re.M
    )
    assert 0 <= where - int(offset) < 4096
    assert "the damaged left out" in compared.stdout
    assert "Traceback" not in compared.stderr

    segment.unlink()  # what is left begins with a segment that was only reserved
    (copy / "state").unlink()
    compared = some.run("verify", data[0], str(copy), data[2], "--entry", "3", "--hash", kept)
    assert compared.returncode == 1
    assert (
        f"{copy}: whole up to entry 0, then DAMAGED: {copy / '00000002.segment'}, offset 0: "
        in compared.stdout
    )
    assert "the segments before this one are missing" in compared.stdout
    assert "the damaged left out" in compared.stdout
    assert compared.stdout.endswith("the given hash holds\n")
    shutil.copy(Path(data[1]) / segment.name, segment)
    alone = some.run("verify", str(copy))
    assert alone.returncode == 1
    assert alone.stdout.startswith(
        f"cluster {'ab' * 16}\n{copy}: whole up to entry 0, then DAMAGED: {copy / 'state'}"
    )


def test_one_replica_goes_on_alone_when_the_others_are_lost_and_named(cluster: ClusterProcesses) -> None:
    addresses = free_members(5)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    assert order(cluster, 1, "before", "buy") == "0"
    kept = cluster.members[1]
    config = str(kept.directory / "config.toml")
    assert "in use by process" in refusal(
        kept, "recover", "--config", config, "--give-up", "2", "--give-up", "3"
    )
    for one in cluster.members.values():
        one.kill()
    for id in (2, 3):
        shutil.rmtree(cluster.members.pop(id).data)
    for named in ((), ("--give-up", "2"), ("--give-up", "2", "--give-up", "4")):
        said = refusal(kept, "recover", "--config", config, *named)
        assert said.endswith("and without what only they have, name them: --give-up 2 --give-up 3")
    done = kept.run(
        "recover", "--config", config, "--data", str(kept.data), "--give-up", "2", "--give-up", "3"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("given up: members 2, 3, and every entry after ")
    assert f"start it with quorumbook serve --config {config}, and add others, under new ids" in done.stdout
    assert "is the only one already" in refusal(kept, "recover", "--config", config, "--give-up", "2")

    kept.command.remove("--first-start")
    kept.start()
    assert kept.ask(command="status")["live_orders"] == 1
    assert [one["id"] for one in kept.ask(command="status")["membership"]] == [1]
    identity = kept.ask(command="status")["cluster"]
    assert "member id 2 was used before" in cluster.fail("add", "2", addresses[2])
    for id in (4, 5):
        cluster.start(id, config_of(identity, id, {1: addresses[1], 4: addresses[4], 5: addresses[5]}))
        assert f"member {id} is a voter" in cluster.succeed("add", str(id), addresses[id])
    assert order(cluster, 4, "after", "sell") == "0F"
    kept.kill()
    cluster.leader()
    assert order(cluster, 5, "later", "buy") == "0"


def refusal(one: ExchangeProcess, *arguments: str) -> str:
    """The one line that a command says which is told of one directory."""
    done = one.run(*arguments, "--data", str(one.data))
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line
