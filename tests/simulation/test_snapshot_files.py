"""Snapshot files on a disk that breaks, and logs that are read from a snapshot on."""

import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain

import pytest
from exchange import MAX_ENTRY_BYTES, ManualClock, Seen
from exchange import SEGMENT_BYTES as SMALL
from follower import Follower
from simulated_disk import Crash, SimulatedDisk

from replication import snapshots, wal
from replication.files import LogDamaged, LogError, LostData
from replication.membership import Member, Membership, encode
from replication.messages import HardState
from replication.node import Node
from replication.reader import segment_of
from replication.snapshots import CHUNK_BYTES, Header, History, Snapshot

CLUSTER = bytes(range(16))
MEMBERS = Membership((Member(1, "one:1", True), Member(2, "two:2", False)))
HEADER = Header(CLUSTER, wal.Position(70, 3, 1_700, bytes(range(32))), 1, MEMBERS, ((1, 1), (9, 3)))


def state(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(disk: SimulatedDisk, name: str) -> tuple[Snapshot, bytes]:
    found = snapshots.check(disk, name)
    return found, b"".join(snapshots.state_of(disk, name))


@pytest.mark.parametrize("size", [0, 1, 5_000, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES - 7])
def test_what_was_written_is_read(size: int) -> None:
    disk = SimulatedDisk()
    name = snapshots.write(disk, HEADER, [state(size)])
    found, data = read(disk, name)
    assert data == state(size)
    assert (found.name, found.header, found.index) == (name, HEADER, 70)
    assert found.size == len(disk.files[name].cached)
    assert list(disk.files) == [name]


def test_the_same_state_is_the_same_file_however_it_comes() -> None:
    files = set()
    for size in (1, 999, CHUNK_BYTES, CHUNK_BYTES + 1):
        disk = SimulatedDisk()
        name = snapshots.write(disk, HEADER, pieces(state(300_000), size))
        files.add(bytes(disk.files[name].cached))
    assert len(files) == 1


def test_a_log_without_memberships_has_none_in_its_snapshot() -> None:
    disk = SimulatedDisk()
    header = HEADER._replace(membership=None, membership_index=0, terms=())
    assert snapshots.check(disk, snapshots.write(disk, header, [])).header == header


def test_every_byte_counts() -> None:
    disk = SimulatedDisk()
    name = snapshots.write(disk, HEADER, [state(300)])
    whole = bytes(disk.files[name].cached)
    for at in range(len(whole)):
        damaged = disk.copy()
        damaged.files[name].cached[at] ^= 1 << at % 8
        with pytest.raises(LogDamaged):
            snapshots.check(damaged, name)
    for size in range(len(whole)):
        damaged = disk.copy()
        del damaged.files[name].cached[size:]
        with pytest.raises(LogDamaged):
            snapshots.check(damaged, name)
    damaged = disk.copy()
    damaged.files[name].cached.append(0)
    with pytest.raises(LogDamaged):
        snapshots.check(damaged, name)


def test_a_snapshot_under_the_name_of_another_is_not_taken() -> None:
    disk = SimulatedDisk()
    disk.rename(snapshots.write(disk, HEADER, []), snapshots.snapshot_name(71))
    told: list[str] = []
    assert list(snapshots.newest_first(disk, told.append)) == []
    assert "it is the snapshot of entry 70" in told[0]


def test_a_crash_while_one_is_written_leaves_it_whole_or_not_at_all() -> None:
    def life(disk: SimulatedDisk) -> None:
        for index in (70, 80, 90):
            position = HEADER.position._replace(index=index)
            snapshots.write(disk, HEADER._replace(position=position), [state(CHUNK_BYTES + 500)])
            snapshots.remove_old(disk)

    honest = SimulatedDisk()
    life(honest)
    left = set()
    for crash_at in range(honest.operations + 1):
        disk = SimulatedDisk(crash_at)
        disk.crash_at = crash_at
        with suppress(Crash):
            life(disk)
        disk = disk.lose_power()
        found = snapshots.names(disk)
        for name in found:
            assert read(disk, name)[1] == state(CHUNK_BYTES + 500)
        left.add(tuple(map(snapshots.index_of, found)))
        snapshots.remove_old(disk)
        assert snapshots.names(disk) == found[:2]
        assert list(disk.files) == sorted(found[:2])
    assert {(), (70,), (80, 70), (90, 80, 70), (90, 80)} <= left, left


def test_what_was_never_finished_is_removed_and_nothing_else() -> None:
    disk = SimulatedDisk()
    name = snapshots.write(disk, HEADER, [])
    for other in (f"{snapshots.snapshot_name(71)}.tmp", "snapshot-x", "snapshot-x.tmp", "state"):
        disk.open(other, create=True)
    snapshots.remove_old(disk)
    assert set(disk.files) == {name, "snapshot-x", "snapshot-x.tmp", "state"}


# ---------------------------------------------------------------- logs


def long_log(seed: int = 1) -> Follower:
    """Several segments, several terms, a membership in the middle, all committed but the end."""
    chance = random.Random(seed)
    follower = Follower(SimulatedDisk(seed))
    follower.open()
    for number in range(24):
        if number % 7 == 0:
            follower.save(HardState(follower.log.hard_state.term + 1, 0))
        payloads = [chance.randbytes(chance.choice((0, 8, 300))) for _ in range(chance.randint(1, 4))]
        follower.append([*payloads, encode(MEMBERS)] if number == 12 else payloads)
        follower.sync(beside=False)
        follower.settle(follower.last_index - 1)
    assert follower.log._header.number > 3
    return follower


def snapshot_at(follower: Follower, index: int) -> str:
    history = History(follower.log.cluster)
    history.pass_over([entry for piece in follower.log.pieces() for entry in piece][:index])  # type: ignore[arg-type]
    return snapshots.write(follower.disk, history.header(), [b"state %d" % index])


def opened(disk: SimulatedDisk) -> Node:
    return Node.open(disk, clock=ManualClock(), segment_bytes=SMALL, max_entry_bytes=MAX_ENTRY_BYTES)


def begin(node: Node) -> Snapshot | None:
    """As a replica does."""
    for snapshot in node.snapshots(lambda what: None):
        node.start_from(snapshot)
        return snapshot
    return None


def test_a_start_reads_what_follows_the_snapshot_and_nothing_before_its_segment() -> None:
    follower = long_log()
    for index in range(1, follower.last_index + 1):
        snapshot_at(follower, index)
        disk = follower.disk.copy()
        follower.disk.unlink(snapshots.snapshot_name(index))
        node = opened(disk)
        found = begin(node)
        assert found is not None
        assert found.index == index
        seen: set[str] = set()
        disk.fail = partial(note_reading, seen)
        entries = [Seen.of(entry) for entry in chain.from_iterable(node.committed_pieces())]
        node.begin()
        known = [entry for entry in follower.entries[index:] if entry.index <= node.commit_index]
        assert entries == known
        oldest = min(int(name[:8]) for name in seen if "segment" in name)
        assert oldest == segment_of(disk, index)
        assert node.membership == MEMBERS
        terms = [entry.term for entry in follower.entries]
        assert [node._running.log.term_at(i) for i in range(1, len(terms) + 1)] == terms


def note_reading(seen: set[str], operation: str, name: str) -> None:
    if operation == "pread" and name not in seen:
        seen.add(name)


def test_a_snapshot_of_another_history_is_refused() -> None:
    follower = long_log()
    index = follower.log.commit_index - 3
    name = snapshot_at(follower, index)
    header = snapshots.check(follower.disk, name).header
    follower.log.close()
    disk = follower.disk.copy()
    snapshots.write(disk, header._replace(position=header.position._replace(hash=bytes(32))), [])
    node = opened(disk)
    begin(node)
    with pytest.raises(LogError, match=f"the snapshot at entry {index} and the log differ"):
        list(node.committed_pieces())
    disk = follower.disk.copy()
    snapshots.write(disk, header._replace(cluster=bytes(16)), [])
    with pytest.raises(LogError, match="is of cluster 0000"):
        begin(opened(disk))


def test_a_log_that_ends_before_the_snapshot_has_lost_data() -> None:
    follower = long_log()
    name = snapshot_at(follower, follower.last_index)
    follower.disk.rename(name, "kept")
    follower.give_up(follower.last_index - 1)
    follower.log.close()
    follower.disk.rename("kept", name)
    with pytest.raises(LostData, match="a snapshot shows that"):
        begin(opened(follower.disk))


def test_the_commit_index_is_never_behind_the_snapshot() -> None:
    """The batch that said what was committed was given up, after the snapshot was made."""
    follower = long_log()
    index = follower.last_index
    follower.settle(index)
    follower.append([b"x"])
    follower.sync(beside=False)
    snapshot_at(follower, index)
    follower.give_up(index)
    follower.log.close()
    disk = follower.disk.lose_power()
    node = Node.open(
        disk, clock=ManualClock(), segment_bytes=SMALL, max_entry_bytes=MAX_ENTRY_BYTES, me=3
    )  # not alone
    assert node.commit_index < index
    begin(node)
    assert node.commit_index == index
    assert list(node.committed_pieces()) == []


def test_a_damaged_snapshot_is_told_and_the_one_before_is_used() -> None:
    follower = long_log()
    names = [snapshot_at(follower, index) for index in (5, 9)]
    follower.disk.files[names[1]].cached[-1] ^= 1
    told: list[str] = []
    found = [snapshot.index for snapshot in snapshots.newest_first(follower.disk, told.append)]
    assert found == [5]
    (what,) = told
    assert names[1] in what
    assert "not used" in what
