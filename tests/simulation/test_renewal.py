"""A log that is given up for a snapshot, and goes on behind it: power is lost at every operation of it."""

from contextlib import suppress
from itertools import chain, product

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock, Seen
from follower import Follower
from simulated_disk import Crash, SimulatedDisk
from test_snapshot_files import begin, long_log, snapshot_at

from replication import snapshots, wal
from replication.files import LogDamaged
from replication.log import Log
from replication.messages import HardState, Proposal
from replication.node import Node
from replication.reader import check_pieces
from replication.salvage import salvage
from replication.snapshots import Snapshot, part_name
from replication.state import read_state


def behind() -> tuple[Follower, Follower, int]:
    """A follower with an old log of its own, one of another history, and the index of a snapshot of that in its
    directory."""
    ahead = long_log(1)
    old = Follower(SimulatedDisk(2))
    Log.open(old.disk, ManualClock(), SEGMENT_BYTES, ahead.log.cluster)
    old.open()
    old.save(HardState(9, 0))
    for number in range(9):
        old.append([b"old %d" % number * 30])
        old.sync(beside=False)
    index = ahead.last_index - 5
    name = snapshot_at(ahead, index)
    data = bytes(ahead.disk.files[name].cached)
    file = old.disk.open(part_name(index, data[-32:]), create=True)
    file.pwrite(data, 0)
    file.sync()
    old.disk.sync_directory()
    return old, ahead, index


def arrived(old: Follower, index: int) -> Snapshot:
    name = next(name for name in old.disk.files if name.endswith(".part"))
    return snapshots.read(old.disk, name)


def write_on(log: Log, ahead: Follower, index: int) -> None:
    """What the leader sends next."""
    for entry in ahead.entries[index:]:
        while not log.make_room([len(entry.payload)]):
            log.poll(wait=True)
        proposal = Proposal(entry.index, entry.term, entry.timestamp_ns, (entry.payload,))
        assert [Seen.of(written) for written in log.append([proposal], index)] == [entry]
        log.sync()


def test_the_log_goes_on_behind_the_snapshot() -> None:
    old, ahead, index = behind()
    log = old.log
    log.renew(arrived(old, index))
    assert (log.begins_after, log.commit_index, log.proven_index) == (index, index, index)
    assert log.position.hash == ahead.entries[index - 1].chain_hash
    write_on(log, ahead, index)
    position = snapshots.check(old.disk, snapshots.snapshot_name(index)).header.position
    assert [Seen.of(e) for e in chain.from_iterable(log.pieces(position))] == ahead.entries[index:]
    assert log.read_from(index + 1, 1)[0].index == index + 1
    log.close()
    again = Log.open(old.disk.lose_power(), ManualClock(), SEGMENT_BYTES)
    assert again.position.index == ahead.last_index
    assert again.begins_after == index


def test_a_crash_at_every_operation_leaves_the_old_log_or_the_new_beginning() -> None:
    outcomes = set()
    honest, _, index = behind()
    before = honest.disk.operations
    honest.log.renew(arrived(honest, index))
    for kill_at in range(honest.disk.operations - before + 1):
        for lose_at in (0, 4, 8, 12, 16, 20, 24, 28, 1 << 20):
            old, ahead, index = behind()
            old.disk.chance.seed(f"{kill_at} {lose_at}")
            old.disk.crash_at = old.disk.operations + kill_at
            with suppress(Crash):
                old.log.renew(arrived(old, index))
            disk = old.disk.kill() if lose_at else old.disk.lose_power()
            if lose_at:
                disk.crash_at = lose_at
                with suppress(Crash):
                    Log.open(disk, ManualClock(), SEGMENT_BYTES)
                disk = disk.lose_power()
            log = Log.open(disk, ManualClock(), SEGMENT_BYTES)
            log.count_start()
            assert log.hard_state == HardState(9, 0)
            assert read_state(disk).renews is None
            outcomes.add(log.position.index)
            if log.position.index == index:
                assert log.commit_index == index
                write_on(log, ahead, index)
                log = Log.open(disk.lose_power(), ManualClock(), SEGMENT_BYTES)
                assert log.position.index == ahead.last_index
    assert outcomes == {9, index}


def stopped_with_a_snapshot() -> tuple[Follower, int]:
    """A long log, and the index of a snapshot not far from its end."""
    follower = long_log()
    index = follower.last_index - 8
    snapshot_at(follower, index)
    follower.log.close()
    return follower, index


@pytest.mark.parametrize(
    "where", ["before the snapshot", "the first segment's header", "a segment before it is gone"]
)
def test_damage_before_a_snapshot_costs_no_promise(where: str) -> None:
    """What was there goes, as compaction would remove it; a member of a cluster still votes."""
    follower, index = stopped_with_a_snapshot()
    disk = follower.disk
    names = sorted(name for name in disk.files if "segment" in name)
    if where == "before the snapshot":
        disk.files[names[1]].cached[wal.DATA + 200] ^= 1
    elif where == "the first segment's header":
        disk.files[names[0]].cached[20] ^= 1
    else:
        del disk.files[names[1]]
        disk.sync_directory()
    assert salvage(disk, SEGMENT_BYTES) is None
    node = started(disk.lose_power(), index)
    assert not node.lost
    assert node.last_index == follower.last_index
    assert 0 < node.begins_after <= index
    assert [Seen.of(entry) for entry in node._log.read_from(node.begins_after + 1, 1 << 30)] == (
        follower.entries[node.begins_after :]
    )


def test_damage_behind_a_snapshot_costs_what_follows_it() -> None:
    follower, index = stopped_with_a_snapshot()
    disk = follower.disk
    disk.files[f"{follower.log._header.number:08}.segment"].cached[wal.DATA + 200] ^= 1
    cut = salvage(disk, SEGMENT_BYTES)
    assert cut is not None
    assert cut.lost
    node = started(disk.lose_power(), index)
    assert node.lost
    assert index <= node.last_index == cut.first_index - 1 < follower.last_index


def test_damage_before_and_behind_a_snapshot_costs_all_that_is_not_in_it() -> None:
    follower, index = stopped_with_a_snapshot()
    disk = follower.disk
    for number in (1, follower.log._header.number):
        name = next(name for name in disk.files if name.startswith(f"{number:08}"))
        disk.files[name].cached[wal.DATA + 200] ^= 1
    cut = salvage(disk, SEGMENT_BYTES)
    assert cut is not None
    assert cut.first_index == index + 1
    node = started(disk.lose_power(), index)
    assert node.lost
    assert node.last_index == index


def started(disk: SimulatedDisk, index: int) -> Node:
    """From the snapshot at `index`."""
    node = Node.open(
        disk, clock=ManualClock(), segment_bytes=SEGMENT_BYTES, max_entry_bytes=MAX_ENTRY_BYTES, me=7
    )
    begun = begin(node)
    assert begun is not None
    assert begun.index == index
    list(node.committed_pieces())
    node.begin()
    assert node.commit_index >= index
    return node


def test_power_is_lost_at_every_operation_of_a_repair_that_costs_no_promise() -> None:
    follower, index = stopped_with_a_snapshot()
    name = next(name for name in follower.disk.files if name.startswith("00000002"))
    follower.disk.files[name].cached[wal.DATA + 200] ^= 1
    for crash_at, seed in product(range(1_000), range(4)):
        disk = follower.disk.copy()
        disk.chance.seed(f"{crash_at} {seed}")
        disk.crash_at = crash_at
        with suppress(Crash):
            assert salvage(disk, SEGMENT_BYTES) is None
            return
        disk = disk.lose_power()
        try:
            node = started(disk.copy(), index)
        except LogDamaged:  # the first segment that is still there is the damaged one
            assert salvage(disk, SEGMENT_BYTES) is None
            node = started(disk, index)
        assert not node.lost
        assert node.last_index == follower.last_index
    pytest.fail("it takes more operations")


def test_a_log_of_which_nothing_can_be_used_begins_again() -> None:
    """Its beginning was given up for snapshots, and they are damaged: the leader sends its own."""
    follower = long_log()
    index = follower.last_index - 4
    name = snapshot_at(follower, index)
    follower.log.renew(snapshots.check(follower.disk, name))
    follower.entries = follower.entries[:index]
    follower.log.close()
    disk = follower.disk
    disk.files[name].cached[100] ^= 1
    cut = salvage(disk, SEGMENT_BYTES)
    assert cut is not None
    assert cut.first_index == 1
    log = Log.open(disk.lose_power(), ManualClock(), SEGMENT_BYTES)
    assert log.position == wal.beginning(log.cluster)
    assert log.hard_state == follower.log.hard_state


def test_a_crash_at_every_operation_of_a_repair_that_unpacks_a_segment() -> None:
    """Situation: the segment behind a compressed one cannot be read, so the log goes on in that one, which has to be
    raw for it."""
    follower = long_log()
    follower.disk.rest = lambda: False  # type: ignore[method-assign]  # the loop has all the time in the world
    follower.clock.now_ns += 1_000_000_000
    for _ in range(40):
        follower.log.poll()
    names = sorted(follower.disk.files)
    packed = max(int(name[:8]) for name in names if name.endswith(".zst"))
    header = wal.decode_segment(bytes(follower.disk.files[f"{packed + 1:08}.segment"].cached))
    assert header is not None
    follower.log.close()
    for name in names:
        if name > f"{packed + 1:08}" and name[0].isdigit():
            follower.disk.files[name].cached[:512] = bytes(512)
    stays = header.before.index
    for crash_at, seed in product(range(1_000), range(8)):
        disk = follower.disk.copy()
        disk.chance.seed(f"{crash_at} {seed}")
        disk.crash_at = crash_at
        crashed = False
        try:
            salvage(disk, SEGMENT_BYTES)
        except Crash:
            crashed = True
            disk = disk.lose_power()
        disk.crash_at = -1
        if crashed and read_state(disk).stays is None:
            salvage(disk, SEGMENT_BYTES)  # else a start goes on with it
        log = Log.open(disk, ManualClock(), SEGMENT_BYTES)
        assert [Seen.of(entry) for entry in chain.from_iterable(log.pieces())] == follower.entries[:stays]
        log.close()
        assert sum(1 for _ in chain.from_iterable(check_pieces(disk.copy(), pytest.fail))) == stays
        if not crashed:
            return
    pytest.fail("it takes more operations")
