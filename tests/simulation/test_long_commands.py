"""A command that goes on from entry to entry: its replica enters them, and has no snapshot of what is half done."""

from exchange import ManualClock
from replica_life import Life, Transport, fix
from simulated_disk import SimulatedDisk

from gateway.snapshot_maker import Maker
from replication import snapshots
from replication.reader import committed_through

ORDERS = 12_000
"""More reports than one entry has of a command."""


class Crowd(Life):
    """One client, with more orders than one log entry cancels."""

    def enter(self) -> None:
        self.transport = Transport()
        connections = self.replica.connections
        connections.now_ns = self.clock.wall_ns()
        self.transport.number = connections.open(self.transport)
        self.say(fix("A", 1, "98=0", "108=0"))
        for first in range(2, ORDERS + 2, 500):
            self.say(
                *[
                    fix(
                        "D", n, f"11=x{n}", "55=AAPL", "54=1", "60=20260101-00:00:00", "38=1", "40=2", "44=10"
                    )
                    for n in range(first, first + 500)
                ]
            )

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self.replica.connections.received(self.transport.number, message)
        self.run()

    def cancel_all(self) -> None:
        cancel = fix("q", ORDERS + 2, "11=all", "530=7", "60=20260101-00:00:00")
        self.replica.connections.received(self.transport.number, cancel)
        while self.replica.turn():
            pass


def lived(disk: SimulatedDisk) -> Crowd:
    return Crowd(disk, ManualClock(), segment_bytes=1 << 20, entry_bytes=1 << 17)


def test_its_own_entries_come_one_after_the_other_until_it_is_done() -> None:
    life = lived(SimulatedDisk(1))
    life.enter()
    life.cancel_all()
    exchange = life.replica.exchange
    assert exchange.works_on
    assert 0 < exchange.machine.live_orders < ORDERS
    assert life.replica.timer_ns is not None
    before = life.node.last_index
    life.run()
    assert not exchange.works_on
    assert exchange.machine.live_orders == 0
    assert life.node.last_index - before == ORDERS // 4096
    life.run()
    assert life.node.last_index - before == ORDERS // 4096


def test_a_snapshot_is_made_of_the_state_before_and_leads_to_the_same() -> None:
    life = lived(SimulatedDisk(1))
    life.enter()
    whole = life.node.last_index
    life.cancel_all()
    life.replica.turn()  # what is behind the first entry of it shows that this one is committed
    assert life.replica.exchange.works_on
    disk = life.disk.kill()
    assert committed_through(disk) > whole
    name = Maker(disk).make()
    assert name is not None
    assert snapshots.index_of(name) <= whole
    again = lived(disk)
    again.run()
    life.run()
    for one in (life, again):
        assert not one.replica.exchange.works_on
        assert one.replica.exchange.machine.live_orders == 0
