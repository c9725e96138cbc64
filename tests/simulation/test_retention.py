"""Old entries go when two snapshots hold them, and only then; power is lost at every operation of it."""

from contextlib import suppress
from itertools import chain

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock, Seen
from simulated_disk import Crash, SimulatedDisk
from test_snapshot_files import begin

from replication import snapshots
from replication.files import LogError, LostData
from replication.node import Node
from replication.reader import begins_after, check_pieces, read_pieces
from replication.segments import Names
from replication.snapshots import History


class Life:
    """A replica of one whose state is the list of its entries, and another process that makes snapshots of it."""

    def __init__(self, disk: SimulatedDisk, discards: bool = True) -> None:
        self.disk = disk
        self.discards = discards
        self.entries: list[Seen] = []
        self.node: Node

    def open(self) -> int:
        """Starts, and judges what is there; the index that it started from."""
        self.node = node = Node.open(
            self.disk,
            clock=ManualClock(),
            segment_bytes=SEGMENT_BYTES,
            max_entry_bytes=MAX_ENTRY_BYTES,
            discards=self.discards,
        )
        snapshot = begin(node)
        after = snapshot.index if snapshot is not None else 0
        found = [Seen.of(entry) for entry in chain.from_iterable(node.committed_pieces())]
        known = self.entries[after:]
        assert found[: len(known)] == known
        assert [entry.index for entry in found] == list(range(after + 1, after + 1 + len(found)))
        self.entries = self.entries[:after] + found
        return after

    def write(self, count: int) -> None:
        for number in range(count):
            self.node.propose(b"%d" % number * (number % 90))
            self.entries += map(Seen.of, self.node.turn())

    def snapshot(self) -> None:
        """As snapshot_maker does."""
        snapshots.remove_old(self.disk)
        newest = next(snapshots.newest_first(self.disk, lambda what: None), None)
        history = History(self.node.cluster) if newest is None else History.of(newest.header)
        for entries in read_pieces(
            self.disk, verify=True, after=history.position, through=self.node.last_index - 1
        ):
            history.pass_over(entries)
        snapshots.write(self.disk, history.header(), [b"state"])
        snapshots.remove_old(self.disk)

    def look(self) -> None:
        for _ in range(12):
            self.node.look_at_snapshots()
        assert self.node.notes == []

    def play(self) -> None:
        self.disk.rest = lambda: False  # type: ignore[method-assign]  # compression has the time it wants
        self.open()
        for _ in range(3):
            self.write(25)
            self.snapshot()
            self.write(10)
            self.look()
        self.node.close()
        self.open()
        self.write(10)


def test_segments_that_two_snapshots_hold_are_removed() -> None:
    life = Life(SimulatedDisk(1))
    life.disk.rest = lambda: False  # type: ignore[method-assign]  # compression has the time it wants
    life.open()
    life.write(40)
    life.snapshot()
    life.look()
    assert Names(life.disk).first == 1, "with one snapshot nothing goes"
    life.write(40)
    life.snapshot()
    life.write(20)  # what is to be compressed first, is
    life.look()
    newest, older = map(snapshots.index_of, snapshots.names(life.disk))
    first = Names(life.disk).first
    assert first > 2
    assert 0 < life.node.begins_after <= older < newest
    assert begins_after(life.disk) == life.node.begins_after
    life.node.close()
    assert life.open() == newest
    life.disk.unlink(snapshots.snapshot_name(newest))
    assert life.open() == older


def test_all_is_kept_unless_something_else_is_said() -> None:
    life = Life(SimulatedDisk(1), discards=False)
    life.play()
    assert Names(life.disk).first == 1


def test_nothing_goes_on_the_word_of_a_damaged_snapshot() -> None:
    life = Life(SimulatedDisk(1))
    life.open()
    life.write(40)
    life.snapshot()
    life.write(40)
    life.snapshot()
    life.write(20)
    life.disk.files[snapshots.names(life.disk)[1]].cached[-1] ^= 1
    for _ in range(12):
        life.node.look_at_snapshots()
    assert Names(life.disk).first == 1
    assert "snapshot" in life.node.notes[0]


@pytest.mark.parametrize("seed", range(2))
def test_a_crash_at_every_operation_leaves_a_log_that_opens(seed: int) -> None:
    honest = Life(SimulatedDisk(seed))
    honest.play()
    met = set()
    for crash_at in range(seed, honest.disk.operations, 2):
        life = Life(SimulatedDisk(seed))
        life.disk.crash_at = crash_at
        with suppress(Crash):
            life.play()
        life.disk = life.disk.lose_power() if crash_at % 4 else life.disk.kill()
        if crash_at % 3 == 0:
            life.disk.crash_at = 20
            with suppress(Crash):
                life.open()
            life.disk = life.disk.lose_power()
        life.open()
        life.write(3)
        newest = next(snapshots.newest_first(life.disk, pytest.fail), None)
        after = newest.header.position if newest is not None else None
        read = chain.from_iterable(check_pieces(life.disk.copy(), pytest.fail, after))
        assert [Seen.of(entry) for entry in read] == life.entries[after.index if after else 0 :]
        met.add(Names(life.disk).first)
    assert len(met) > 2, "nothing was ever removed"


def test_without_its_snapshots_the_rest_of_a_log_cannot_be_used() -> None:
    life = Life(SimulatedDisk(1))
    life.play()
    assert Names(life.disk).first > 1
    for name in snapshots.names(life.disk):
        life.disk.files[name].cached[0] ^= 1
    with pytest.raises(LostData, match="the segment is missing"):
        Life(life.disk.copy()).open()
    for name in snapshots.names(life.disk):
        life.disk.unlink(name)
    with pytest.raises(LostData, match="no snapshot holds what was in it"):
        Life(life.disk.copy()).open()


def test_a_reading_from_further_back_is_told_where_the_log_begins() -> None:
    life = Life(SimulatedDisk(1))
    life.play()
    history = History(life.node.cluster)
    history.pass_over([life.entries[0]])  # type: ignore[list-item]
    with pytest.raises(LogError, match="the log begins behind entry 2"):
        list(read_pieces(life.disk, verify=True, after=history.position))
