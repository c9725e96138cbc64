"""`--first-start`: a cluster is born once, and no promise is taken back."""

from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock
from simulated_disk import SimulatedDisk

from replication import wal
from replication.membership import Member, Membership
from replication.messages import HardState, Proposal
from replication.node import Node

BIRTH = Membership(tuple(Member(id, f"host{id}:1", voter=True) for id in (1, 2, 3)))


def opened(disk: SimulatedDisk, *, birth: Membership | None, repair: bool = False) -> Node:
    return Node.open(
        disk,
        clock=ManualClock(),
        segment_bytes=SEGMENT_BYTES,
        max_entry_bytes=MAX_ENTRY_BYTES,
        me=1,
        origin=Membership(()),
        birth=birth,
        repair=repair,
    )


def test_an_empty_log_is_born_with_its_membership() -> None:
    node = opened(SimulatedDisk(1), birth=BIRTH)
    node.begin()
    assert (node.last_index, node.term, node.membership) == (1, 1, BIRTH)


def test_a_log_that_was_repaired_down_to_nothing_is_not_born_again() -> None:
    """Its only segment is damaged in entry 1; the process is killed before a leader has brought anything back."""
    disk = SimulatedDisk(1)
    node = opened(disk, birth=BIRTH)
    log = node._log
    log.save(HardState(7, 2))
    log.append([Proposal(2, 7, 5, (b"x" * 100,))], 0)
    log.sync()
    node.begin()
    node.close()
    disk.files["00000001.segment"].cached[wal.DATA + wal.BATCH_BYTES + 60] ^= 1
    repaired = opened(disk, birth=None, repair=True)
    assert (repaired.last_index, repaired.promised) == (0, (1, 2))
    again = opened(disk.kill(), birth=BIRTH)
    assert (again.last_index, again.promised) == (0, (1, 2))
    assert again._log.hard_state == HardState(7, 2)


def test_a_member_that_voted_and_has_no_log_yet_is_not_born() -> None:
    disk = SimulatedDisk(1)
    opened(disk, birth=None)._log.save(HardState(1, 3))
    node = opened(disk.kill(), birth=BIRTH)
    assert node.last_index == 0
    assert node._log.hard_state == HardState(1, 3)


def test_the_only_voter_that_lost_data_takes_nothing() -> None:
    """The others were removed while it was being repaired."""
    disk = SimulatedDisk(1)
    alone = Membership((BIRTH.members[0],), 3)
    node = opened(disk, birth=alone)
    node.turn()
    node.close()
    lost = opened(disk.kill(), birth=None, repair=True)
    assert lost.lost
    assert lost.turn() == []
    assert not lost.accepting
    assert "no other voter" in (lost.why_not or "")


def test_a_repair_that_ended_as_the_others_went_has_ended() -> None:
    """The entry that ends it makes this member the only one, too: no turn among several follows."""
    disk = SimulatedDisk(1)
    alone = Membership((BIRTH.members[0],), 3)
    opened(disk, birth=alone).close()
    lost = opened(disk.kill(), birth=None, repair=True)
    lost.begin()
    assert lost.alone
    assert lost._raft is not None
    lost._raft.repair = None
    lost.turn()
    assert not lost.lost
    assert not opened(disk.kill(), birth=None).lost


def test_the_only_voter_whose_log_went_further_takes_nothing() -> None:
    disk = SimulatedDisk(1)
    node = opened(disk, birth=Membership((BIRTH.members[0],), 3))
    node.turn()
    for payload in (b"one", b"two"):
        node.propose(payload)
        node.turn()
    node.close()
    data = disk.files["00000001.segment"].cached
    data[data.index(b"one")] ^= 1
    repaired = opened(disk.kill(), birth=None, repair=True)
    assert (repaired.promised, repaired.lost) == ((3, 4), False)
    assert repaired.turn() == []
    assert repaired.missing == 4
    assert "no other voter" in (repaired.why_not or "")


def test_who_goes_on_alone_lets_go_what_is_missing() -> None:
    """`recover`: by the operator's word nobody has it any more."""
    disk = SimulatedDisk(1)
    node = opened(disk, birth=BIRTH)
    node._log.save(HardState(7, 2))
    for index, payload in enumerate((b"one", b"two"), 2):
        node._log.append([Proposal(index, 7, 5, (payload,))], 0)
        node._log.sync()
    node.begin()
    node.close()
    data = disk.files["00000001.segment"].cached
    data[data.index(b"one")] ^= 1
    repaired = opened(disk.kill(), birth=None, repair=True)
    assert repaired.promised == (2, 3)
    assert repaired.stand_alone() == 2
    repaired.close()
    alone = opened(disk.kill(), birth=None)
    assert alone.promised is None
    assert [entry.index for entry in alone.turn()] == [3]
