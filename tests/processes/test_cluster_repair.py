"""A replica finds damage in its own log, when it starts or while it runs, and is repaired in a running cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, config_of, free_members
from exchange_process import ExchangeProcess, wait_until
from test_snapshot_transfer import SMALL_SEGMENTS, trade

from replication import wal

SAID = "what is whole before it stays; the rest comes again from the other members\n"


class SmallSegments(ClusterProcesses):
    def start(self, id: int, config: str, *arguments: str) -> ExchangeProcess:
        made = self.members[id] = ExchangeProcess(self._directory / f"member{id}", config=config)
        made.command[made.command.index("-c") + 1] = SMALL_SEGMENTS
        made.command += arguments
        return made.start()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallSegments]:
    with SmallSegments(tmp_path) as made:
        yield made


def segments(exchange: ExchangeProcess) -> list[int]:
    return sorted({int(path.name[:8]) for path in exchange.data.glob("*.segment*")})


def damage(exchange: ExchangeProcess, number: int) -> Path:
    """Turns a bit over, in the middle of what a segment holds."""
    (path,) = exchange.data.glob(f"{number:08}.segment*")
    data = path.read_bytes().rstrip(b"\0")
    with path.open("r+b") as file:
        at = (wal.DATA + len(data)) // 2 if path.suffix == ".segment" else len(data) // 2
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    return path


def test_a_follower_that_starts_with_a_damaged_log(cluster: SmallSegments) -> None:
    addresses = free_members(3)
    cluster.begin(addresses)
    leader = cluster.leader()
    away = next(id for id in addresses if id != leader)
    trade(cluster.members[leader], "BEFORE", 500)
    cluster.wait_for_one_state()
    came = cluster.members[away]
    came.stop()
    path = damage(came, segments(came)[1])
    trade(cluster.members[cluster.leader()], "MEANWHILE", 20)
    came.start()
    wait_until(lambda: bool(came.ask(command="status")["accepting"]))
    assert any(line.startswith(f"{path}, offset ") for line in came.output), came.output
    assert SAID in came.output
    trade(came, "AFTER", 20)
    cluster.wait_for_one_state()
    compared = came.run("verify", *(str(one.data) for one in cluster.members.values()))
    assert compared.returncode == 0, compared


def test_two_of_three_start_with_logs_that_are_damaged_in_different_places(cluster: SmallSegments) -> None:
    """Each knows how far its log went, so they vote for the third, which has everything, and brings back what is
    missing."""
    addresses = free_members(3)
    cluster.begin(addresses)
    leader = cluster.leader()
    trade(cluster.members[leader], "BEFORE", 800)
    before = cluster.wait_for_one_state()
    rotten = [one for id, one in cluster.members.items() if id != leader]
    whole = cluster.members[leader]
    for one in (*rotten, whole):
        one.stop()
    paths = [damage(one, segments(one)[number]) for number, one in enumerate(rotten, 1)]
    for one in rotten:
        one.start()
    wait_until(lambda: all("votes only for one that has all of it" in waiting_for(one) for one in rotten))
    whole.start()
    wait_until(lambda: all(one.ask(command="status")["accepting"] for one in cluster.members.values()))
    for one, path in zip(rotten, paths, strict=True):
        assert any(line.startswith(f"{path}, offset ") for line in one.output), one.output
        assert SAID in one.output
    after = cluster.wait_for_one_state()
    assert after["applied_index"] > before["applied_index"]
    trade(rotten[0], "AFTER", 20)
    cluster.wait_for_one_state()
    for one in rotten:
        one.stop()
        one.start()
    wait_until(lambda: all(one.ask(command="status")["accepting"] for one in cluster.members.values()))
    compared = whole.run("verify", *(str(one.data) for one in cluster.members.values()))
    assert compared.returncode == 0, compared


def waiting_for(exchange: ExchangeProcess) -> str:
    return str(exchange.ask(command="status")["why_not"])


def test_a_leader_comes_upon_damage_before_its_snapshot(cluster: SmallSegments) -> None:
    """Its start does not read what is damaged; then a new member needs that. The leader gives up what its snapshot
    holds, and goes on in the same process."""
    addresses = free_members(4)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    trade(cluster.members[cluster.leader()], "BEFORE", 1_200)
    cluster.wait_for_one_state()
    leader = cluster.leader()
    led = cluster.members[leader]
    assert led.run("snapshot", "--data", str(led.data)).stdout.startswith("snapshot at entry")
    assert len(segments(led)) > 4
    led.stop()
    path = damage(led, 2)
    led.start()
    assert SAID not in led.output
    wait_until(lambda: bool(led.ask(command="status")["accepting"]))
    cluster.succeed("transfer", str(leader))

    cluster.start(4, config_of("ab" * 16, 4, addresses))

    def is_added() -> bool:
        done = cluster.run("add", "4", addresses[4])  # which may lose its leader
        return "a voter" in done.stdout + done.stderr

    wait_until(is_added)
    assert any(line.startswith(f"{path}, offset ") for line in led.output), led.output
    assert SAID in led.output
    assert segments(led)[0] > 2

    wait_until(lambda: sum(line.startswith("ready") for line in led.output) > 1)
    led.endpoints = json.loads((led.data / "endpoints.json").read_text())  # of ports that nobody chose
    wait_until(lambda: bool(led.ask(command="status")["accepting"]))
    trade(led, "AFTER", 20)
    cluster.wait_for_one_state()
    assert not led.has_ended()
    compared = led.run("verify", *(str(one.data) for one in cluster.members.values()))
    assert compared.returncode == 0, compared


def test_a_log_whose_only_voter_this_is_is_left_as_it_is(cluster: SmallSegments) -> None:
    """It was made alone; its configuration names the others still. Nobody has what is damaged here."""
    addresses = free_members(3)
    cluster.begin(addresses)
    trade(cluster.members[cluster.leader()], "BEFORE", 30)
    cluster.wait_for_one_state()
    for id in (3, 2, 1):
        cluster.members[id].stop()
    one = cluster.members[1]
    config = str(one.directory / "config.toml")
    done = one.run("recover", "--config", config, "--data", str(one.data), "--give-up", "2", "--give-up", "3")
    assert done.returncode == 0, done
    one.command.remove("--first-start")
    one.start()
    wait_until(lambda: bool(one.ask(command="status")["accepting"]))
    trade(one, "ALONE", 300)
    one.stop()
    path = damage(one, segments(one)[0])
    before = {file.name: file.read_bytes() for file in one.data.glob("*segment*")}
    with pytest.raises(
        AssertionError, match=rf"ended with 1 before it was ready:\n.*{path.name}, offset \d+"
    ):
        one.start()
    assert {file.name: file.read_bytes() for file in one.data.glob("*segment*")} == before


def test_an_empty_directory_is_no_cluster_of_its_own(cluster: SmallSegments) -> None:
    """Of a member whose configuration was not completed when the cluster grew."""
    (address,) = free_members(1).values()
    with pytest.raises(AssertionError, match="there is no log here, and member 1 is the only one"):
        cluster.start(1, config_of("ab" * 16, 1, {1: address}))
