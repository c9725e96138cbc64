"""A replica that goes on from a snapshot is the one that read all of the log."""

from contextlib import suppress
from typing import cast

import pytest
from exchange import ManualClock
from replica_life import Life, Scratch, Transport, fix
from simulated_disk import Crash, SimulatedDisk

from gateway import replica_snapshot
from gateway.egress import EgressStore
from gateway.exchange import Exchange
from gateway.snapshot_maker import EGRESS_NAME, Maker
from replication import snapshots
from replication.files import LostData

SEGMENT_BYTES = 1 << 14


class Trading(Life):
    """One client that logs on, enters orders, and is gone when the process is."""

    def trade(self, number: int, orders: int) -> int:
        """Logs on with this MsgSeqNum and enters orders; the next number."""
        transport = Transport()
        replica = self.replica
        replica.connections.now_ns = self.clock.wall_ns()
        transport.number = replica.connections.open(transport)
        replica.connections.received(transport.number, fix("A", number, "98=0", "108=0"))
        for n in range(number + 1, number + 1 + orders):
            side, price = 1 + n % 2, 10 + n % 3
            order = fix(
                "D",
                n,
                f"11=x{n}",
                "55=AAPL",
                f"54={side}",
                "60=20260101-00:00:00",
                f"38={n}",
                "40=2",
                f"44={price}",
            )
            replica.connections.received(transport.number, order)
            self.run()
        return number + 1 + orders

    def seen(self) -> tuple[object, ...]:
        """All that an outsider can tell."""
        exchange, replica = self.replica.exchange, self.replica
        session = exchange.session_id("ALICE")
        return (
            exchange.state_hash(),
            [bytes(record)[16:] for record in replica._store.read(session, 1, 0, 1 << 30)],
            exchange.instruments(),
            exchange.feed.snapshot(b"levels|AAPL|", exchange.machine),
        )


def lived(seed: int = 1) -> Trading:
    """Four lives, and a snapshot after each but the last."""
    disk, number = SimulatedDisk(seed), 1
    for _ in range(4):
        if number > 1:
            Maker(disk).make()
        life = Trading(disk, ManualClock(), segment_bytes=SEGMENT_BYTES)
        number = life.trade(number, 7)
        disk = disk.kill()
    life.disk = disk
    return life


def without_snapshots(disk: SimulatedDisk) -> SimulatedDisk:
    for name in snapshots.names(disk):
        disk.unlink(name)
    return disk


def starts(disk: SimulatedDisk) -> Trading:
    """Before it has done anything of its own."""
    life = Trading.__new__(Trading)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.replica.Replica.start", lambda replica, loaded: None)
        life.__init__(disk, ManualClock(), segment_bytes=SEGMENT_BYTES)  # type: ignore[misc]
    return life


def test_a_start_from_a_snapshot_is_as_one_from_the_log() -> None:
    life = lived()
    names = snapshots.names(life.disk)
    assert len(names) == 2
    disk = life.disk.copy()
    from_log = starts(without_snapshots(disk.copy()))
    for kept in names:
        only = disk.copy()
        for name in set(names) - {kept}:
            only.unlink(name)
        from_snapshot = starts(only)
        assert from_snapshot.node.started_from > 0
        assert from_snapshot.seen() == from_log.seen()
        assert len(cast(list[bytes], from_log.seen()[1])) > 20


def test_both_go_on_in_the_same_way() -> None:
    life = lived()
    disk = life.disk.copy()
    ends = []
    for one in (disk.copy(), without_snapshots(disk.copy())):
        going = Trading(one, ManualClock(), segment_bytes=SEGMENT_BYTES)
        going.clock.now_ns = 50_000_000_000
        number = going.replica.exchange.sessions()[0]["inbound"]
        going.trade(number, 5)
        ends.append(going.seen()[1:])
    assert ends[0] == ends[1]


def test_a_snapshot_made_from_a_snapshot_is_the_one_made_from_the_log() -> None:
    life = lived()
    newest = snapshots.names(life.disk)[0]
    disk = without_snapshots(life.disk.copy())
    index = snapshots.index_of(newest)
    again = Maker(disk)
    again._begin()
    again._apply(index)
    assert snapshots.write(disk, again._history.header(), replica_snapshot.pieces(*again._restored)) == newest
    assert disk.files[newest].cached == life.disk.files[newest].cached


def test_a_snapshot_that_the_leader_sent_replaces_everything() -> None:
    """Whoever is connected has to come again; who reads the feed need not."""
    life = lived()
    newest = snapshots.check(life.disk, snapshots.names(life.disk)[0])
    behind = Trading(SimulatedDisk(9), ManualClock(), segment_bytes=SEGMENT_BYTES)
    transport = behind.client()
    behind.run()
    behind.replica.exchange.feed.listen(b"trades|AAPL|")
    behind.node.state_of = life.node.state_of  # type: ignore[method-assign]
    behind.replica._start_over(newest)
    expected = starts(life.disk.copy())
    expected.replica._restore(newest)
    assert behind.seen() == expected.seen()
    assert behind.replica.exchange.applied_index == newest.index
    assert behind.replica.exchange.feed.listeners() == [b"trades|AAPL|"]
    assert behind.replica.connections.incarnation == 0
    assert transport.ended
    assert not behind.replica.connections.any


def test_nothing_new_makes_no_snapshot() -> None:
    life = lived()
    Maker(life.disk).make()
    assert Maker(life.disk).make() is None
    assert EGRESS_NAME not in life.disk.files


def test_what_is_not_committed_is_in_no_snapshot() -> None:
    """The last batch says what was committed before it, and nothing of itself."""
    life = lived()
    name = Maker(life.disk).make()
    assert name is not None
    assert snapshots.index_of(name) == life.node.last_index - 1


@pytest.mark.parametrize("damage", ["a byte", "another version", "of nothing known"])
def test_a_snapshot_that_cannot_be_used_is_told_and_the_older_one_is(damage: str) -> None:
    life = lived()
    disk = life.disk.copy()
    newest, older = snapshots.names(disk)
    header = snapshots.check(disk, newest).header
    if damage == "a byte":
        disk.files[newest].cached[300] ^= 1
    else:
        body = bytearray(b"".join(snapshots.state_of(disk, newest)))
        body[8 if damage == "another version" else 0] ^= 1
        snapshots.write(disk, header, [bytes(body)])
    told: list[str] = []
    begun = starts(disk.copy())
    begun.replica.recover(lambda index, last: None, told.append)
    assert begun.node.started_from == snapshots.index_of(older)
    assert newest in told[0]
    maker = Maker(disk)
    maker.make()
    assert newest in maker.passed_over[0]
    assert begun.seen() == starts(without_snapshots(life.disk.copy())).seen()


def test_with_no_snapshot_left_the_log_must_have_its_beginning() -> None:
    life = lived()
    disk = without_snapshots(life.disk.copy())
    assert len([name for name in disk.files if "segment" in name]) > 2
    for name in [name for name in disk.files if name.startswith("00000001.")]:
        disk.unlink(name)
    with pytest.raises(LostData, match=r"00000001\.segment, offset 0: the segment is missing"):
        starts(disk)


def test_bytes_that_end_too_early_are_refused() -> None:
    store = EgressStore(Scratch())  # type: ignore[arg-type]
    whole = b"".join(replica_snapshot.pieces(b"genesis!", Exchange(), store))
    assert replica_snapshot.restore([whole], Scratch()).genesis == b"genesis!"  # type: ignore[arg-type]
    for size in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            replica_snapshot.restore([whole[:size]], Scratch())  # type: ignore[arg-type]


def test_a_crash_while_a_snapshot_is_made_hurts_nobody() -> None:
    """At every operation of the maker, killed or without power; then a start, and another maker."""
    life = lived()
    whole = starts(without_snapshots(life.disk.copy())).seen()
    honest = life.disk.copy()
    Maker(honest).make()
    for crash_at in range(0, honest.operations, 3):
        disk = life.disk.copy()
        disk.chance.seed(crash_at)
        disk.crash_at = crash_at
        with suppress(Crash):
            Maker(disk).make()
        disk = disk.lose_power() if crash_at % 2 else disk.kill()
        assert starts(disk).seen() == whole
        Maker(disk).make()
        assert len(snapshots.names(disk)) == 2
        assert EGRESS_NAME not in disk.files
        assert starts(disk).seen() == whole
