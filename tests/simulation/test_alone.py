"""A member becomes the only one: by an entry of a leader that goes, or by the operator's word."""

from itertools import count

from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES
from simulated_disk import Crash, SimulatedDisk
from test_births import BIRTH, opened

from replication import membership, wal
from replication.membership import Membership
from replication.messages import Entry, HardState, Kind, Message, Proposal
from replication.node import Node

ONLY = Membership((BIRTH.members[0],), 3)


def appended(node: Node, *payloads: bytes) -> list[int]:
    """By member 2, which leads in term 2, and written here; the entries that are given to be applied."""
    before = node.last_index
    entries = tuple(
        Entry(before + 1 + place, 2, 10**9, memoryview(payload), b"")
        for place, payload in enumerate(payloads)
    )
    log_term = 1 if before == 1 else 2
    node.step(Message(Kind.APPEND, 2, 1, 2, index=before, log_term=log_term, commit=before, entries=entries))
    given = []
    for _ in range(8):
        given += [entry.index for entry in node.turn()]
        node.relay()
    return given


def test_the_entry_that_leaves_it_alone_comes_with_more_than_the_segment_has_room_for() -> None:
    disk = SimulatedDisk(1)
    disk.sync_may_end = lambda: True
    node = opened(disk, birth=BIRTH)
    node.begin()
    large, last = b"x" * MAX_ENTRY_BYTES, membership.encode(ONLY)
    given = []
    while wal.batch_end(node._log._place.offset, [len(large), len(last)]) <= SEGMENT_BYTES:
        given += appended(node, b"y" * 100)
    given += appended(node, large, last)
    assert (node.role, node.commit_index) == ("leader", node.last_index)
    assert given == list(range(given[0], node.last_index + 1)), "each is applied, in order"


def test_the_entry_that_leaves_a_leader_alone_is_applied_before_what_is_proposed_then() -> None:
    """Its sync is taken between two turns."""
    disk = SimulatedDisk(1)
    disk.sync_may_end = lambda: True
    node = opened(disk, birth=ONLY)
    node.begin()
    given = node.turn()
    node.change(node.membership.add(4, "host4:1"))
    for _ in range(4):
        given += node.turn()
    disk.sync_may_end = lambda: False
    node.change(node.membership.remove(4))
    given += node.turn()
    disk.sync_may_end = lambda: True
    node.take_sync()
    node.propose(b"z" * 20)
    for _ in range(4):
        given += node.turn()
    assert [entry.index for entry in given] == list(range(given[0].index, node.last_index + 1))


def damaged() -> SimulatedDisk:
    """Of member 1 of three, which acknowledged two entries; the first is rotten."""
    disk = SimulatedDisk(1)
    log = opened(disk, birth=BIRTH)._log
    log.save(HardState(2, 2))
    for index in (2, 3):
        log.append([Proposal(index, 2, 5, (b"x" * 100,))], 0)
        log.sync()
    data = disk.files["00000001.segment"].cached
    data[data.index(b"x" * 100)] ^= 1
    return disk.copy()


def recovered(disk: SimulatedDisk) -> Node:
    node = opened(disk, birth=None)
    for _ in node.committed_pieces():
        pass
    node.stand_alone()
    return node


def test_whatever_a_recovery_was_interrupted_in_who_lost_data_decides_nothing_among_others() -> None:
    repaired = opened(damaged(), birth=None, repair=True)
    assert repaired.promised is not None
    base = repaired._disk.copy()
    interrupted = set()
    for operation in count():
        for power in (True, False):
            disk = base.copy()
            disk.crash_at = operation
            try:
                recovered(disk)
                assert not opened(disk.kill(), birth=None).promised
                assert interrupted == {True, False}, "whether it was alone by then"
                return
            except Crash:
                pass
            after = disk.lose_power() if power else disk.kill()
            node = opened(after, birth=None)
            node.begin()
            alone = node.membership.ids == {1}
            interrupted.add(alone)
            if alone:
                recovered(after.kill())
                assert not opened(after.kill(), birth=None).promised
                continue
            node.step(Message(Kind.VOTE, 3, 1, 9, index=1, log_term=1, forced=True))
            assert node._log.hard_state.vote != 3
            assert node._raft is not None
            assert node._raft.hard.vote == 0, "it does not know what it acknowledged"
