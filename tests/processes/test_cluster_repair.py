"""A replica finds damage in its own log, when it starts or while it runs, and is repaired in a running cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, config_of, free_members
from exchange_process import ExchangeProcess, wait_until
from test_snapshot_transfer import SMALL_SEGMENTS, trade

from replication import wal

RAW = "from replication.upkeep import Upkeep\nUpkeep.may_compress = lambda *of: False\n"
SERVERS = """\
import threading, time, weakref
from gateway.server import Server
servers, init = weakref.WeakSet(), Server.__init__
def counted(self, *of):
    servers.add(self)
    init(self, *of)
def tell():
    while True:
        time.sleep(0.2)
        print("servers:", len(servers), flush=True)
Server.__init__ = counted
threading.Thread(target=tell, daemon=True).start()
"""
SAID = "what is whole before it stays; the rest comes again from the other members\n"


class SmallSegments(ClusterProcesses):
    before = ""  # code that a process runs first

    def start(self, id: int, config: str, *arguments: str) -> ExchangeProcess:
        made = self.members[id] = ExchangeProcess(self._directory / f"member{id}", config=config)
        made.command[made.command.index("-c") + 1] = self.before + SMALL_SEGMENTS
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


def open_in(exchange: ExchangeProcess) -> tuple[int, int]:
    """ZeroMQ's threads, and descriptors."""
    of = Path(f"/proc/{exchange.endpoints['pid']}")
    names = [(task / "comm").read_text() for task in (of / "task").iterdir()]
    return sum(name.startswith("ZMQ") for name in names), len(list((of / "fd").iterdir()))


def check_that_nothing_is_left(exchange: ExchangeProcess) -> None:
    """Of the server that found the damage: the process has open what one has that found none, but for a client that
    comes or goes. A server's sockets alone are more than twenty descriptors."""
    said = len(exchange.output)
    wait_until(lambda: len(exchange.output) > said + 1)
    assert exchange.output[-1] == "servers: 1\n"
    threads, descriptors = open_in(exchange)
    exchange.stop()
    exchange.start()
    wait_until(lambda: bool(exchange.ask(command="status")["accepting"]))
    fresh = open_in(exchange)
    assert threads == fresh[0]
    assert descriptors < fresh[1] + 8


def test_a_follower_that_starts_with_a_damaged_log(cluster: SmallSegments) -> None:
    cluster.before = SERVERS
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
    check_that_nothing_is_left(came)
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


@pytest.mark.parametrize("how", ["rotten", "missing"])
def test_a_leader_comes_upon_damage_before_its_snapshot(cluster: SmallSegments, how: str) -> None:
    """Its start does not read what is damaged; then a new member needs that. The leader gives up what its snapshot
    holds, and goes on in the same process."""
    cluster.before = SERVERS
    addresses = free_members(4)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    trade(cluster.members[cluster.leader()], "BEFORE", 1_200)
    cluster.wait_for_one_state()
    leader = cluster.leader()
    led = cluster.members[leader]
    assert led.run("snapshot", "--data", str(led.data)).stdout.startswith("snapshot at entry")
    assert len(segments(led)) > 4
    led.stop()
    path = led.data / "00000002.segment" if how == "missing" else damage(led, 2)
    led.start()
    assert SAID not in led.output
    wait_until(lambda: bool(led.ask(command="status")["accepting"]))
    cluster.succeed("transfer", str(leader))
    if how == "missing":
        next(led.data.glob("00000002.segment*")).unlink()

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
    check_that_nothing_is_left(led)
    compared = led.run("verify", *(str(one.data) for one in cluster.members.values()))
    assert compared.returncode == 0, compared


def held(exchange: ExchangeProcess) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in exchange.data.glob("*segment*")}


def is_written(exchange: ExchangeProcess, number: int) -> bool:
    """Not only reserved."""
    (path,) = exchange.data.glob(f"{number:08}.segment*")
    return any(path.read_bytes())


def check_that_damage_is_left(exchange: ExchangeProcess, number: int) -> None:
    path = damage(exchange, number)
    before = held(exchange)
    with pytest.raises(AssertionError, match=r"ended with 1 before it was ready:\n") as ended:
        exchange.start()
    assert f"{path.name}, offset " in str(ended.value)
    assert "nothing here shows that another one votes" in str(ended.value)
    assert held(exchange) == before
    damage(exchange, number)  # turns the bit back


@pytest.mark.parametrize("form", ["raw", "compressed"])
@pytest.mark.parametrize("how", ["recovered", "left by the others"])
def test_a_log_whose_only_voter_this_is_is_left_as_it_is(cluster: SmallSegments, how: str, form: str) -> None:
    """Its configuration names the others still. Nobody has what is damaged here, wherever that is: where its log says
    that it is alone, too."""
    cluster.before = RAW if form == "raw" else ""
    addresses = free_members(3)
    cluster.begin(addresses)
    trade(cluster.members[cluster.leader()], "BEFORE", 600)
    cluster.wait_for_one_state()
    alone = cluster.leader()
    others = [id for id in addresses if id != alone]
    one = cluster.members[alone]
    if how == "recovered":
        for id in (*others, alone):
            cluster.members[id].stop()
        given_up = [text for id in others for text in ("--give-up", str(id))]
        config = str(one.directory / "config.toml")
        done = one.run("recover", "--config", config, "--data", str(one.data), *given_up)
        assert done.returncode == 0, done
        check_that_damage_is_left(one, segments(one)[0])
        one.command = [word for word in one.command if word != "--first-start"]
        one.start()
    else:
        for id in others:
            cluster.succeed("remove", str(id))
            cluster.members[id].stop()
    wait_until(lambda: bool(one.ask(command="status")["accepting"]))
    trade(one, "ALONE", 900)
    if form == "compressed":
        wait_until(lambda: len(list(one.data.glob("*.segment"))) == 2)  # where the log ends, and the next one
    one.stop()
    written = [number for number in segments(one) if is_written(one, number)]
    assert len(written) > 3
    assert any(one.data.glob("*.zst")) == (form == "compressed")
    for number in written:
        check_that_damage_is_left(one, number)
    one.start()
    wait_until(lambda: bool(one.ask(command="status")["accepting"]))


def test_an_empty_directory_is_no_cluster_of_its_own(cluster: SmallSegments) -> None:
    """Of a member whose configuration was not completed when the cluster grew."""
    (address,) = free_members(1).values()
    with pytest.raises(AssertionError, match="there is no log here, and member 1 is the only one"):
        cluster.start(1, config_of("ab" * 16, 1, {1: address}))
