"""QuickFIX as it comes, while what it is connected to is killed: it finds the next replica of its own list, both sides
ask for what they missed, and nothing is lost or done twice.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, at_tcp_port, free_members
from exchange_process import ExchangeProcess, wait_until
from quickfix_desk import QuickFixDesk
from traders import Rover, check, check_all, trading, wait_for_more

Start = Callable[..., QuickFixDesk]
MORE = 40  # orders that each client has acknowledged between two kills
KILLS = 3
FAILOVERS = 10


def each_report_once(desk: QuickFixDesk) -> None:
    reports = [message for message in desk.received if message[150] != "I"]
    assert len({message[17] for message in reports}) == len(reports)
    once = [(message[11], message[150]) for message in reports if message[150] != "F"]
    assert len(set(once)) == len(once)


@pytest.mark.timeout(600)
def test_an_exchange_is_killed_and_comes_back(exchange: ExchangeProcess, desk: Start) -> None:
    desks = [desk(name, exchange.port("fix_tcp")) for name in ("ONE", "TWO")]
    for kill in range(KILLS):
        with trading(desks):
            wait_for_more(desks, MORE)
            exchange.kill()
            exchange.start()
            for one in desks:
                one.wait_for_logon(kill + 2)
            wait_for_more(desks, MORE)
    check(desks)
    for one in desks:
        each_report_once(one)
        assert one.asked_open() == one.told_open()
        assert any(message.get(43) == "Y" for message in one.received), "no report was missed"
        assert one.logons == 1 + KILLS


def where(cluster: ClusterProcesses, desk: QuickFixDesk) -> int:
    """The replica that it is connected to."""
    return next(id for id, one in cluster.members.items() if one.port("fix_tcp") == desk.port())


@pytest.mark.timeout(1800)
def test_ten_failovers(tmp_path: Path, desk: Start) -> None:
    """Each time the replica that QuickFIX is connected to is killed; in every other round it leads."""
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: at_tcp_port(config))
        trader = desk("TRADER", *(one.port("fix_tcp") for one in cluster.members.values()))
        others = [Rover(cluster, id, "zmq", id) for id in cluster.members]
        for other in others:
            other.arrive()
        trader.wait_for_logon()
        for failover in range(FAILOVERS):
            with trading([trader, *others]):
                wait_for_more([trader, *others], MORE)
                victim = where(cluster, trader)
                leader = victim if failover % 2 else victim % 3 + 1
                if cluster.leader() != leader:
                    cluster.succeed("transfer", str(leader))
                cluster.members[victim].kill()
                trader.wait_for_logon(failover + 2)
                wait_for_more([trader, *others], MORE)
                cluster.members[victim].start()
                wait_until(lambda id=victim: bool(cluster.members[id].ask(command="status")["accepting"]))
        check_all(cluster, [trader, *others], tmp_path)
        each_report_once(trader)
        for other in others:
            other.close()
    assert trader.logons == 1 + FAILOVERS
    print(f"{FAILOVERS} failovers; {len(trader.names)} orders, {len(trader.received)} reports")


@pytest.mark.timeout(600)
def test_a_replica_that_stands_still_is_left(tmp_path: Path, desk: Start) -> None:
    """QuickFIX misses its heartbeats; what it sent there is asked for elsewhere."""
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: at_tcp_port(config))
        trader = desk("TRADER", *(one.port("fix_tcp") for one in cluster.members.values()), HeartBtInt=1)
        trader.wait_for_logon()
        victim = where(cluster, trader)
        frozen = cluster.members[victim]
        other = Rover(cluster, victim % 3 + 1, "zmq", 1)
        other.arrive()
        with trading([trader, other]):
            wait_for_more([trader, other], MORE)
            frozen.signal(signal.SIGSTOP)
            trader.wait_for_logon(2)
            assert where(cluster, trader) != victim
            wait_for_more([trader, other], MORE)
            frozen.signal(signal.SIGCONT)
            wait_for_more([trader, other], MORE)
        check_all(cluster, [trader, other], tmp_path)
        each_report_once(trader)
        other.close()
