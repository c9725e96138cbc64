"""Clusters whose logs do not reach back: a replica that was away gets a snapshot."""

import re
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import pytest
from certificates import begin_on
from cluster_processes import ClusterProcesses, config_of, free_members
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient
from namespaces import Network, inside

ORDERS = 80_000
SLOW_MBIT = 16
SMALL_SEGMENTS = """\
from replication.node import Node
Node.open.__func__.__kwdefaults__.update(segment_bytes=1 << 18, max_entry_bytes=1 << 16)
from gateway.cli import main
main()
"""


class Forgetful(ClusterProcesses):
    """Segments are small, and go when two snapshots hold them."""

    def start(self, id: int, config: str, *arguments: str) -> ExchangeProcess:
        config += '\n[log]\nretention = "snapshots"\n'
        made = self.members[id] = ExchangeProcess(
            self._directory / f"member{id}", config=config, namespace=self._namespaces.get(id, "")
        )
        made.command[made.command.index("-c") + 1] = SMALL_SEGMENTS
        made.command += arguments
        return made.start()

    def first_segment(self, id: int) -> int:
        return min(int(path.name[:8]) for path in self.members[id].data.glob("*.segment*"))

    def forget(self, ids: list[int], at: int) -> None:
        """Two snapshots at each of these, and orders at one; until what was there is gone."""
        before = max(self.first_segment(id) for id in ids)
        last = self.members[at].ask(command="status")["last_index"]
        for name in ("first", "second"):
            trade(self.members[at], f"{name}{last}", 400)
            for id in ids:
                made = self.members[id].run("snapshot", "--data", str(self.members[id].data))
                assert made.stdout.startswith("snapshot at entry"), made
        trade(self.members[at], f"third{last}", 30)  # for the next segment to be begun
        wait_until(lambda: all(self.first_segment(id) > before for id in ids))

    def agree(self) -> bool:
        """Whether all are at one entry; they must have one state there."""
        asked = [one.ask(command="state_hash") for one in self.members.values()]
        if len({one.get("applied_index") for one in asked}) > 1:
            return False
        assert len({one["state_hash"] for one in asked}) == 1
        return True


def trade(exchange: ExchangeProcess, name: str, orders: int) -> None:
    with FixClient("tcp", exchange.port("fix_tcp"), name) as client:
        with inside(exchange.namespace):
            client.logon()
        for n in range(orders):
            client.send_bytes(
                client.order(f"{name}{n}", "buy" if n % 2 else "sell", 1 + n % 5, f"{10 + n % 3}.00")
            )
            client.settle()  # an entry of its own


def rest_many(exchange: ExchangeProcess, orders: int) -> None:
    """Orders that stay, with names that nothing compresses."""
    with FixClient("tcp", exchange.port("fix_tcp"), "MANY") as client:
        with inside(exchange.namespace):
            client.logon()
        for _ in range(orders // 100):  # an entry of these segments holds so many
            names = (token_urlsafe(48) for _ in range(100))
            client.send_bytes(b"".join(client.order(name, "buy", 1, "1.00") for name in names))
            client.settle()


def test_a_snapshot_is_made_when_so_much_log_was_written(tmp_path: Path) -> None:
    config = CONFIG + "[log]\nsnapshot_every_mib = 1\n"
    exchange = ExchangeProcess(tmp_path, config=config)
    exchange.command[exchange.command.index("-c") + 1] = SMALL_SEGMENTS
    with exchange:
        for number in range(4):
            trade(exchange, f"CLIENT{number}", 250)
        wait_until(lambda: len(list(exchange.data.glob("snapshot-*[0-9]"))) == 1)
        wait_until(lambda: "snapshot made" in (exchange.data / "trace.jsonl").read_text())
        state = exchange.ask(command="sessions")["sessions"]
        exchange.kill()
        exchange.start()
        known = ("comp_id", "inbound", "outbound", "open_orders")
        assert [[one[name] for name in known] for one in exchange.ask(command="sessions")["sessions"]] == [
            [one[name] for name in known] for one in state
        ]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Forgetful]:
    with Forgetful(tmp_path) as made:
        yield made


def test_a_replica_that_was_away_comes_back_by_a_snapshot(cluster: Forgetful) -> None:
    addresses = free_members(4)
    cluster.begin({id: addresses[id] for id in (1, 2, 3)})
    leader = cluster.leader()
    away = next(id for id in cluster.members if id != leader)
    trade(cluster.members[leader], "BEFORE", 20)
    cluster.members[away].stop()
    others = [id for id in cluster.members if id != away]
    cluster.forget(others, leader)

    came = cluster.members[away].start()
    wait_until(cluster.agree)
    assert cluster.first_segment(away) == 2
    assert len(list(came.data.glob("snapshot-*[0-9]"))) == 1
    assert not list(came.data.glob("*.part"))
    followers = cluster.members[cluster.leader()].ask(command="status")["followers"]
    assert followers[str(away)]["flow"] == "replicate"

    wait_until(lambda: came.ask(command="status")["accepting"])
    trade(came, "AFTER", 20)
    with FixClient(
        "tcp", came.port("fix_tcp"), "BEFORE"
    ) as client:  # what was sent before comes again from here
        sessions = came.ask(command="sessions")["sessions"]
        client.next_out = next(one["inbound"] for one in sessions if one["comp_id"] == "BEFORE")
        client.logon()
        client.catch_up()
        assert {one[11] for one in client.received if one[35] == "8"} == {f"BEFORE{n}" for n in range(20)}
    wait_until(cluster.agree)
    came.stop()
    came.start()
    wait_until(cluster.agree)

    joining = cluster.start(4, config_of("ab" * 16, 4, addresses))
    assert "member 4 is a voter" in cluster.succeed("add", "4", addresses[4])
    wait_until(cluster.agree)
    assert cluster.first_segment(4) == 2
    wait_until(lambda: joining.ask(command="status")["accepting"])

    compared = came.run("verify", *(str(one.data) for one in cluster.members.values()))
    assert compared.returncode == 0, compared
    assert "the same up to entry" in compared.stdout
    assert "the ones before in snapshots" in compared.stdout
    (told,) = re.findall(r"state hash at entry ([\d,]+): (\w+)", compared.stdout)
    replayed = came.run("replay", str(came.data), "--to", told[0].replace(",", ""))
    assert replayed.stdout.startswith("begins with     the snapshot at entry"), replayed
    assert told[1] in replayed.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_snapshot_goes_on_where_the_link_broke_off(network: Network, tmp_path: Path) -> None:
    with Forgetful(tmp_path, network.namespaces) as cluster:
        begin_on(network, cluster, tmp_path)
        leader = cluster.leader()
        away = next(id for id in cluster.members if id != leader)
        rest_many(cluster.members[leader], ORDERS)
        cluster.members[away].stop()
        others = [id for id in cluster.members if id != away]
        cluster.forget(others, leader)
        size = max(path.stat().st_size for path in cluster.members[leader].data.glob("snapshot-*[0-9]"))
        network.narrow(away, SLOW_MBIT)
        before = network.sent_to(away)
        came = cluster.members[away].start()

        def arrived() -> int:
            return max((path.stat().st_size for path in came.data.glob("*.part")), default=0)

        def linked() -> set[int]:
            found: list[int] = came.ask(command="status")["linked"]
            return set(found)

        for quarter in (1, 2, 3):
            wait_until(lambda quarter=quarter: arrived() > quarter * size // 4)
            network.cut_off(away)
            wait_until(lambda: not linked())
            network.heal()
        wait_until(cluster.agree)
        sent = network.sent_to(away) - before
        print(f"a snapshot of {size:,} bytes came over three broken links in {sent:,} bytes")
        assert size < sent < 1.5 * size  # 2.5 of it, if it began again each time
