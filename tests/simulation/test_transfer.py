"""A follower that gets a snapshot, on a simulated disk: power is lost, or the process killed, at every operation of it;
and what its leader sends may be damaged, or of another snapshot.
"""

import random
from contextlib import suppress
from itertools import chain

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock, Seen
from follower import Follower
from simulated_disk import Crash, SimulatedDisk
from test_snapshot_files import begin, long_log

from replication import sending, snapshots
from replication.log import Log
from replication.membership import Member, Membership
from replication.messages import Kind, Message
from replication.node import Node
from replication.snapshots import History, Snapshot

CHUNK = 1_000
TERM = 9
THREE = Membership(tuple(Member(id, f"host{id}", voter=True) for id in (1, 2, 3)))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CHUNK_BYTES", CHUNK)


class Leader:
    """Member 1, as far as the wire shows it: it has a snapshot, and the entries behind it."""

    def __init__(self, seed: int = 1, state_seed: int = 1) -> None:
        ahead = long_log(seed)
        self.ahead: Follower = ahead
        self.index = ahead.last_index - 4
        history = History(ahead.log.cluster)
        history.pass_over([e for piece in ahead.log.pieces() for e in piece][: self.index])
        self.state = random.Random(state_seed).randbytes(4_500)
        name = snapshots.write(ahead.disk, history.header(), [self.state])
        self.snapshot: Snapshot = snapshots.check(ahead.disk, name)
        self.data = bytes(ahead.disk.files[name].cached)

    def chunk(self, offset: int, *, asks: bool = False, data: bytes | None = None) -> Message:
        sent = self.data[offset : offset + CHUNK] if data is None else data
        return Message(
            Kind.SNAPSHOT, 1, 2, TERM, self.index, self.snapshot.header.position.term, len(self.data),
            forced=asks, number=offset, hash=self.snapshot.digest, data=b"" if asks else sent,
        )  # fmt: skip

    def entries(self) -> Message:
        """What follows the snapshot."""
        behind = [e for piece in self.ahead.log.pieces() for e in piece][self.index :]
        return Message(
            Kind.APPEND, 1, 2, TERM, self.index, self.snapshot.header.position.term, self.index,
            hash=self.snapshot.header.position.hash, entries=behind,
        )  # fmt: skip


class Receiver:
    """Member 2: a node that had entries of its own, of a history that came to nothing."""

    def __init__(self, leader: Leader, disk: SimulatedDisk | None = None) -> None:
        self.leader = leader
        self.installed = 0
        if disk is None:
            disk = SimulatedDisk(5)
            Log.open(disk, ManualClock(), SEGMENT_BYTES, leader.ahead.log.cluster)
            old = Follower(disk)
            old.open()
            old.append([b"came to nothing"] * 3)
            old.sync(beside=False)
        self.disk = disk

    def open(self) -> None:
        self.node = node = Node.open(
            self.disk,
            clock=ManualClock(),
            segment_bytes=SEGMENT_BYTES,
            max_entry_bytes=MAX_ENTRY_BYTES,
            me=2,
            origin=THREE,
        )
        begin(node)
        list(node.committed_pieces())
        node.begin()

    def take(self, message: Message) -> list[Message]:
        """The answers, when all work beside the loop is done."""
        self.node.step(message)
        answers: list[Message] = []
        for _ in range(40):
            self.node.turn()
            answers += self.node.messages
            self.node.messages.clear()
            if self.node.installed is not None:
                self.installed += 1
                assert b"".join(self.node.state_of(self.node.installed)) == self.leader.state
                self.node.installed = None
        return answers

    def receive(self) -> int:
        """All of it, from where it wants to begin; how many chunks that took."""
        leader, count = self.leader, 0
        answers = self.take(leader.chunk(0, asks=True))
        while not any(m.kind is Kind.APPEND_ANSWER and m.index == leader.index for m in answers):
            wanted = [m.number for m in answers if m.kind is Kind.SNAPSHOT_ANSWER]
            assert wanted, "no answer"
            if wanted[-1] == len(leader.data):
                answers = self.take(leader.chunk(0, asks=True))
                continue
            answers = self.take(leader.chunk(wanted[-1]))
            count += 1
            assert count < 50
        return count

    def judge(self) -> None:
        """It has the snapshot's place, takes what follows it, and gives all of it again after a loss of power."""
        leader = self.leader
        assert self.node.last_index >= leader.index
        self.take(leader.entries())
        last = leader.ahead.last_index
        assert self.node.last_index == last
        self.disk = self.disk.lose_power()
        self.open()
        assert self.node.last_index == last
        assert self.node.begins_after == leader.index
        log = self.node._log
        found = [Seen.of(e) for e in chain.from_iterable(log.pieces(leader.snapshot.header.position))]
        assert found == leader.ahead.entries[leader.index :]
        assert sorted(name for name in self.disk.files if "snapshot" in name) == [leader.snapshot.name]


def test_a_snapshot_comes_in_chunks_and_the_log_goes_on_behind_it() -> None:
    receiver = Receiver(Leader())
    receiver.open()
    assert receiver.receive() == -(-len(receiver.leader.data) // CHUNK)
    assert receiver.installed == 1
    receiver.judge()


def test_power_lost_or_a_kill_at_every_operation() -> None:
    """Afterwards the leader asks again, and goes on where the file ends."""
    leader = Leader()
    honest = Receiver(leader)
    honest.open()
    before = honest.disk.operations
    whole = honest.receive()
    fewer = 0
    for crash_at in range(honest.disk.operations - before + 1):
        receiver = Receiver(leader)
        receiver.open()
        receiver.disk.chance.seed(crash_at)
        receiver.disk.crash_at = receiver.disk.operations + crash_at
        with suppress(Crash):
            receiver.receive()
        receiver.disk = receiver.disk.kill() if crash_at % 3 == 0 else receiver.disk.lose_power()
        if crash_at % 4 == 0:
            receiver.disk.crash_at = 10 + crash_at % 30
            with suppress(Crash):
                receiver.open()
            receiver.disk = receiver.disk.lose_power()
        receiver.open()
        if receiver.node.last_index < leader.index:
            fewer += receiver.receive() < whole
            assert receiver.installed >= 1
        receiver.judge()
    assert fewer > 10, "nothing went on where it had been broken off"


def test_chunks_twice_too_early_or_of_another_snapshot_do_no_harm() -> None:
    leader, other = Leader(), Leader(2)
    receiver = Receiver(leader)
    receiver.open()
    (answer,) = (m for m in receiver.take(leader.chunk(2 * CHUNK)) if m.kind is Kind.SNAPSHOT_ANSWER)
    assert (answer.number, answer.rejected) == (0, True)
    receiver.take(leader.chunk(0))
    (answer,) = (m for m in receiver.take(leader.chunk(0)) if m.kind is Kind.SNAPSHOT_ANSWER)
    assert (answer.number, answer.rejected) == (CHUNK, True)
    receiver.take(other.chunk(0))  # another leader has another one: it begins anew, and so does this one then
    assert len([name for name in receiver.disk.files if name.endswith(".part")]) == 1
    receiver.receive()
    receiver.judge()


def test_a_snapshot_that_comes_damaged_is_not_installed_and_comes_again() -> None:
    leader = Leader()
    receiver = Receiver(leader)
    receiver.open()
    bad = bytearray(leader.data)
    bad[1_500] ^= 1
    answers: list[Message] = []
    for offset in range(0, len(bad), CHUNK):
        answers = receiver.take(leader.chunk(offset, data=bytes(bad[offset : offset + CHUNK])))
    assert (answers[-1].number, answers[-1].rejected) == (0, True)
    assert receiver.node.last_index == 3
    assert any(".part" in note for note in receiver.node.notes)
    receiver.receive()
    receiver.judge()


def test_a_whole_snapshot_that_is_not_the_one_it_was_said_to_be_is_not_installed() -> None:
    leader, twin = Leader(), Leader(state_seed=2)
    receiver = Receiver(leader)
    receiver.open()
    assert len(twin.data) == len(leader.data)
    for offset in range(0, len(twin.data), CHUNK):
        receiver.take(leader.chunk(offset, data=twin.data[offset : offset + CHUNK]))
    assert receiver.node.last_index == 3
    assert "not the snapshot that the leader said" in receiver.node.notes[0]
    receiver.receive()
    receiver.judge()


def test_a_full_disk_is_told_once_and_it_comes_when_there_is_room() -> None:
    leader = Leader()
    receiver = Receiver(leader)
    receiver.open()
    used = sum(max(inode.reserved, len(inode.cached)) for inode in receiver.disk.files.values())
    receiver.disk.capacity = used + CHUNK
    for _ in range(3):
        for offset in range(0, 3 * CHUNK, CHUNK):
            receiver.take(leader.chunk(offset))
    assert len(receiver.node.notes) == 1
    assert "cannot be received" in receiver.node.notes[0]
    receiver.disk.capacity = 1 << 40
    receiver.receive()
    receiver.judge()
