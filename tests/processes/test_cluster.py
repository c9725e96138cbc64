"""Clusters of real processes under load: what kills, freezes, lost majorities and handovers leave of it.

What was acknowledged is there once, on every replica; sessions go on at another one.
"""

import random
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import PATIENCE_SECONDS, wait_until
from fix_client import Closed, FixClient
from traders import Rover, check_all, trading, wait_for_more

import quorumbook

MORE = 100  # orders that each client has acknowledged before something happens, and after it


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    """Three replicas, one of them leads."""
    with ClusterProcesses(tmp_path) as made:
        made.begin(free_members(3))
        yield made


@pytest.fixture
def rovers(cluster: ClusterProcesses) -> Iterator[list[Rover]]:
    """A client of each transport at each replica, logged on."""
    made = [
        Rover(cluster, home, transport, seed)
        for home in cluster.members
        for seed, transport in enumerate(("tcp", "zmq"), 2 * home)
    ]
    for rover in made:
        rover.arrive()
    yield made
    for rover in made:
        rover.close()


def test_a_leader_is_killed_under_load_and_comes_back(
    cluster: ClusterProcesses, rovers: list[Rover], tmp_path: Path
) -> None:
    leader = cluster.leader()
    with trading(rovers):
        wait_for_more(rovers, MORE)
        cluster.members[leader].kill()
        wait_for_more(rovers, MORE)
        cluster.members[leader].start()
        wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)
    for rover in rovers:
        if rover.home != leader:
            assert rover.visited == [rover.home], "a survivor's client lost its connection"
        else:
            assert len(rover.visited) == 2
            assert rover.visited[1] != leader


def test_a_killed_leader_is_not_waited_for(cluster: ClusterProcesses) -> None:
    """Its links are closed: that alone begins the election, long before the election timeout."""
    leader = cluster.leader()
    for id, member in cluster.members.items():
        if id != leader:
            member.stop()
            file = member.directory / "config.toml"
            file.write_text(f"{file.read_text()}election_timeout_ms = 100000\n")
            member.start()
    cluster.wait_for_one_state()
    cluster.members[leader].kill()
    killed = time.monotonic()
    assert cluster.leader() != leader
    assert time.monotonic() - killed < 50


def test_a_feed_of_all_replicas_misses_nothing_when_they_are_killed(
    cluster: ClusterProcesses, rovers: list[Rover]
) -> None:
    places = [[str(one.endpoints[name]) for one in cluster.members.values()] for name in ("feed", "snapshot")]
    with quorumbook.feed(*places, "AAPL") as market:
        reader = market.wait(PATIENCE_SECONDS)["AAPL"]
        with trading(rovers):
            for _ in range(2):
                wanted = [rover.answers + MORE for rover in rovers]
                while any(rover.answers < least for rover, least in zip(rovers, wanted, strict=True)):
                    market.update(0.1)
                killed = cluster.members[cluster.leader()]
                killed.kill()
                killed.start()  # its feed is at another port now
        book = cluster.members[cluster.leader()].ask(command="depth", symbol="AAPL", levels=100)
        scale = reader.scale
        assert scale is not None

        def same() -> bool:
            market.update(0.1)
            return all(
                [(Decimal(price), Decimal(quantity), orders) for price, quantity, orders in book[name]]
                == [
                    (scale.price(one.price_ticks), scale.quantity(one.quantity_lots), one.orders)
                    for one in side
                ]
                for name, side in zip(("bids", "asks"), reader.depth(100), strict=True)
            )

        wait_until(same)
    assert len(reader.trades) == 1000
    assert (reader.gaps, reader.lost_trades) == (0, 0)


def test_a_leader_that_stood_still_follows_and_nothing_of_its_epoch_is_sent(
    cluster: ClusterProcesses, rovers: list[Rover], tmp_path: Path
) -> None:
    leader = cluster.leader()
    frozen = cluster.members[leader]
    others = {id: one for id, one in cluster.members.items() if id != leader}
    with FixClient("tcp", frozen.port("fix_tcp"), "MOVER") as old, FixClient("tcp", 0, "MOVER") as new:
        old.logon(heartbeat=0)
        old.send_bytes(old.order("kept", "buy", 1, "1.00"))
        assert old.expect("8")[150] == "0"
        with trading([rover for rover in rovers if rover.home != leader]):
            frozen.signal(signal.SIGSTOP)
            led = time.monotonic()
            wait_until(lambda: any(one.ask(command="status")["role"] == "leader" for one in others.values()))
            print(f"another led {time.monotonic() - led:.3f} s after the leader stood still")
            new.next_out, new.next_in, new.sent = old.next_out, old.next_in, dict(old.sent)
            old.send_bytes(old.order("fenced", "buy", 1, "1.00"))  # it waits where nobody reads
            new.port = next(iter(others.values())).port("fix_tcp")
            new.logon(heartbeat=0)
            new.send_bytes(new.order("taken", "buy", 1, "1.00"))
            assert new.expect("8")[11] == "taken"
            frozen.signal(signal.SIGCONT)
            assert old.receive()[35] == "5"  # another took the session over
            with pytest.raises(Closed):
                old.receive()
            wait_until(lambda: frozen.ask(command="status")["role"] == "follower")
            wait_until(lambda: bool(frozen.ask(command="status")["accepting"]))
        new.send("AF", (584, "mine"), (585, 7))
        assert {new.expect("8")[11] for _ in range(2)} == {"kept", "taken"}
    check_all(cluster, rovers, tmp_path)


def test_the_clients_of_a_follower_that_stands_still_count_as_disconnected(cluster: ClusterProcesses) -> None:
    leader = cluster.leader()
    follower = next(id for id in cluster.members if id != leader)
    led, frozen = cluster.members[leader], cluster.members[follower]
    with FixClient("tcp", frozen.port("fix_tcp"), "CAREFUL") as client:
        client.logon((20003, "Y"), (20004, 0), heartbeat=0)
        client.send_bytes(client.order("cancelled", "buy", 1, "1.00"))
        assert client.expect("8")[150] == "0"
        assert led.ask(command="depth", symbol="AAPL", levels=1)["bids"]
        frozen.signal(signal.SIGSTOP)
        wait_until(lambda: not led.ask(command="depth", symbol="AAPL", levels=1)["bids"])
        frozen.signal(signal.SIGCONT)
        with pytest.raises(Closed):
            print("it got", client.receive())
        client.logon(heartbeat=0)
        client.catch_up()
        assert [message[150] for message in client.received] == ["0", "4"]
    cluster.wait_for_one_state()


def takes_it(client: FixClient) -> bool:
    """Whether its Logon is accepted. A Logon that waited longer than its client did may come first, over ZeroMQ."""
    try:
        client.logon(heartbeat=0)
    except Closed:
        return False
    return True


@pytest.mark.parametrize("comes_back", ["leader", "follower"])
def test_one_of_three_acknowledges_nothing_and_takes_its_clients_again_when_there_are_two(
    cluster: ClusterProcesses, comes_back: str
) -> None:
    leader = cluster.leader()
    survivor, other = (id for id in cluster.members if id != leader)
    one = cluster.members[survivor]
    clients = [FixClient(transport, one.port(f"fix_{transport}"), transport) for transport in ("tcp", "zmq")]
    for client in clients:
        client.logon(heartbeat=0)
        client.send_bytes(client.order("before", "buy", 1, "1.00"))
        assert client.expect("8")[11] == "before"
    for id in (leader, other):
        cluster.members[id].kill()
    for client in clients:
        client.send_bytes(client.order("between", "buy", 1, "1.00"))
    for client in clients:
        with pytest.raises(Closed):
            print(f"{client.comp_id} got", client.receive())
    status = one.ask(command="status")
    assert (status["role"], status["accepting"], status["leader"]) != ("leader", True, survivor)
    for client in clients:
        with pytest.raises((Closed, TimeoutError)):
            print(f"{client.comp_id} got", client.logon(heartbeat=0, seconds=0.5))
    cluster.members[leader if comes_back == "leader" else other].start()
    for client in clients:
        with client:
            wait_until(lambda client=client: takes_it(client))
            client.catch_up()
            client.send("AF", (584, "mine"), (585, 7))
            wait_until(lambda client=client: client.receive().get(912) == "Y")
            new = [message[11] for message in client.received if message.get(150) == "0"]
            known = [message[11] for message in client.received if message.get(150) == "I"]
            assert new == ["before", "between"]
            assert sorted(known) == ["before", "between"]
    cluster.wait_for_one_state()


def test_a_planned_handover_rejects_and_loses_nothing(
    cluster: ClusterProcesses, rovers: list[Rover], tmp_path: Path
) -> None:
    first = cluster.leader()
    with trading(rovers):
        wait_for_more(rovers, MORE)
        cluster.succeed("transfer")
        second = cluster.leader()
        assert second != first
        wait_for_more(rovers, MORE)
        assert [rover.visited for rover in rovers] == [[rover.home] for rover in rovers]
        assert cluster.members[second].stop() == 0
        assert '"event":"handing over"' in (cluster.members[second].data / "trace.jsonl").read_text()
        wait_for_more(rovers, MORE)
        cluster.members[second].start()
    check_all(cluster, rovers, tmp_path)
    assert not [message for rover in rovers for message in rover.accepted() if message[150] == "8"]
    for rover in rovers:
        assert len(rover.visited) == (2 if rover.home == second else 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thirty_kills_and_freezes_of_any_replica(
    cluster: ClusterProcesses, rovers: list[Rover], tmp_path: Path
) -> None:
    chance = random.Random(4)
    with trading(rovers):
        for _ in range(30):
            wait_for_more(rovers, chance.randrange(50))
            victim = cluster.members[chance.choice((cluster.leader(), *cluster.members))]
            if chance.random() < 0.7:
                victim.kill()
                wait_for_more(rovers, chance.randrange(50))
                victim.start()
            else:
                victim.signal(signal.SIGSTOP)
                others = [one for one in cluster.members.values() if one is not victim]
                wait_until(
                    lambda others=others: any(one.ask(command="status")["role"] == "leader" for one in others)
                )
                victim.signal(signal.SIGCONT)
            wait_until(
                lambda: all(one.ask(command="status")["accepting"] for one in cluster.members.values())
            )
    check_all(cluster, rovers, tmp_path)
