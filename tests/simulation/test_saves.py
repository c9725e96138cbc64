"""Term and vote are saved beside the loop: what rests on them waits, whatever fails or ends meanwhile, and nothing else
does."""

import errno
from contextlib import suppress

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock
from simulated_disk import Crash, SimulatedDisk

from replication.files import LogFailed
from replication.membership import Member, Membership
from replication.messages import Entry, HardState, Kind, Message
from replication.node import Node
from replication.state import SIZE, STATE_NAME, decode_slot
from replication.wal import SECTOR

ME = 2
THREE = Membership(tuple(Member(id, f"host{id}", voter=True) for id in (1, 2, 3)))
CANDIDACY = Message(Kind.VOTE, 1, ME, 2, 1, 1)
HEARTBEAT = Message(Kind.HEARTBEAT, 1, ME, 2, number=1)
ENTRY = Entry(2, 2, 1 << 62, memoryview(b"x"), b"")
APPEND = Message(Kind.APPEND, 1, ME, 2, 1, 1, entries=[ENTRY])
VOTED = HardState(2, 1)


class Loop:
    """Of member 2, which has the first entry of a new cluster; syncs beside it end when they are told to."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self.disk = disk
        disk.sync_may_end = lambda: False
        self.node = Node.open(
            disk,
            clock=ManualClock(),
            segment_bytes=SEGMENT_BYTES,
            max_entry_bytes=MAX_ENTRY_BYTES,
            me=ME,
            origin=Membership(()),
            birth=None if disk.names() else THREE,
        )
        self.node.begin()

    def take(self, message: Message) -> None:
        self.node.step(message)
        self.node.relay()

    def sync(self) -> None:
        self.disk.sync_may_end = lambda: True
        self.node.take_sync()
        self.disk.sync_may_end = lambda: False
        self.node.relay()
        self.node.turn()

    @property
    def said(self) -> list[Kind]:
        """Since it was looked at last."""
        said = [message.kind for message in self.node.messages]
        self.node.messages.clear()
        return said

    @property
    def durable(self) -> list[HardState]:
        """Of both copies."""
        data = bytes(self.disk.files[STATE_NAME].durable)
        slots = [decode_slot(data, at) for at in range(0, SIZE, SECTOR)]
        return [slot.hard for slot in slots if slot is not None]


def test_a_vote_is_told_when_both_copies_of_it_are_durable() -> None:
    loop = Loop(SimulatedDisk(1))
    loop.take(CANDIDACY)
    for _ in range(2):
        assert loop.durable != [VOTED, VOTED]
        assert loop.said == []
        loop.sync()
    assert loop.durable == [VOTED, VOTED]
    assert loop.said == [Kind.VOTE_ANSWER]
    assert loop.disk.syncing is None


def test_heartbeats_are_answered_meanwhile_and_entries_wait() -> None:
    loop = Loop(SimulatedDisk(1))
    for number in range(1, 9):
        loop.take(HEARTBEAT._replace(number=number))
        loop.take(APPEND)
        loop.node.turn()
    assert loop.said == [Kind.HEARTBEAT_ANSWER] * 8
    assert loop.node.last_index == 1
    loop.sync()
    assert loop.node.last_index == 1
    loop.sync()
    assert loop.node.last_index == 2
    assert loop.said == []
    loop.sync()
    assert loop.said == [Kind.APPEND_ANSWER]


def test_what_waits_is_one_of_each_kind_to_each() -> None:
    loop = Loop(SimulatedDisk(1))
    for _ in range(9):
        loop.take(APPEND._replace(entries=()))
    assert loop.said == []
    loop.sync()
    loop.sync()
    assert loop.said == [Kind.APPEND_ANSWER]


def test_a_save_waits_for_the_sync_of_a_batch() -> None:
    loop = Loop(SimulatedDisk(1))
    loop.take(APPEND)
    loop.sync()
    loop.sync()
    assert loop.node.last_index == 2
    loop.take(CANDIDACY._replace(sender=3, term=3, index=2, log_term=2, forced=True))
    loop.node.turn()
    loop.sync()
    assert loop.node._log.proven_index == 2
    assert loop.said == [], "its leader's term is over"
    loop.sync()
    assert loop.said == []
    loop.sync()
    assert loop.durable == [HardState(3, 3)] * 2
    assert loop.said == [Kind.VOTE_ANSWER]


@pytest.mark.parametrize("failing", [("open", 0), ("pwrite", 0), ("sync", 0), ("pwrite", 1), ("sync", 1)])
def test_a_save_that_fails_is_not_tried_again(failing: tuple[str, int]) -> None:
    loop = Loop(SimulatedDisk(1))
    seen: list[str] = []

    def fail(operation: str, name: str) -> None:
        if name == STATE_NAME:
            seen.append(operation)
            if operation == failing[0] and seen.count(operation) > failing[1]:
                raise OSError(errno.EIO, "Input/output error")

    loop.disk.fail = fail
    with pytest.raises(LogFailed, match=r"/simulated/state: Input/output error"):
        live(loop)
    tried = len(seen)
    loop.take(HEARTBEAT)
    assert loop.node.due
    with pytest.raises(LogFailed):
        loop.node.turn()
    assert len(seen) == tried
    assert loop.said == [Kind.HEARTBEAT_ANSWER]


def live(loop: Loop) -> None:
    loop.take(CANDIDACY)
    loop.node.turn()
    loop.sync()
    loop.sync()


def lives_again(loop: Loop, *, power: bool) -> HardState:
    disk = loop.disk.lose_power() if power else loop.disk.kill()
    return Loop(disk).node._log.hard_state


@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_a_crash_at_every_operation_of_a_save(seed: int, *, power: bool) -> None:
    for crash_after in range(60):
        loop = Loop(SimulatedDisk(seed))
        loop.disk.crash_at = loop.disk.operations + crash_after
        with suppress(Crash):
            live(loop)
        answered = Kind.VOTE_ANSWER in loop.said
        found = lives_again(loop, power=power)
        assert found in (HardState(1, 0), VOTED)
        assert found == VOTED or not answered
    assert answered
