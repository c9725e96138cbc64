"""The log of a follower: synced beside the loop, committed late, given up where another leader's goes on differently.

It remembers what it asked of the log, and how much of that a start may find.
"""

import hashlib
import random
import struct
from contextlib import suppress
from itertools import chain

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock, Seen, Violation, follow
from simulated_disk import Crash, SimulatedDisk

from replication import wal
from replication.log import Log
from replication.messages import HardState, Proposal
from replication.reader import check_pieces


class Follower:
    """Invariant: a start finds the first n of `entries`, for an n in `possible`, and a term and vote of `hards`."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self.disk = disk
        self.clock = ManualClock()
        self.entries: list[Seen] = []
        self.possible = {0}
        self.hards: set[HardState] = set()  # none: any
        self.told_commit = 0  # the highest commit index that the log was told
        self.batches: set[int] = {0}  # last indices of all that were ever written
        self.log: Log

    def open(self) -> Log:
        """Starts, and judges what is there."""
        self.log = log = Log.open(self.disk, self.clock, SEGMENT_BYTES)
        found = [Seen.of(entry) for entry in chain.from_iterable(log.pieces())]
        if len(found) not in self.possible or found != self.entries[: len(found)]:
            raise Violation(f"{len(found)} entries are there, or others; it should be one of {self.possible}")
        if self.hards and log.hard_state not in self.hards:
            raise Violation(f"{log.hard_state} is there; it should be one of {self.hards}")
        if log.commit_index > min(self.told_commit, len(found)):
            raise Violation(
                f"entries to {log.commit_index} are said to be committed; told was {self.told_commit}"
            )
        self.entries = found
        self.possible = {len(found)}
        log.count_start()
        self.hards = {log.hard_state}
        return log

    @property
    def last_index(self) -> int:
        return len(self.entries)

    def append(self, payloads: list[bytes]) -> None:
        """One batch, not synced."""
        log = self.log
        log.poll()
        if not log.make_room([len(payload) for payload in payloads]):
            raise Violation(f"there is no room: {log.why_not}")
        term, now = log.hard_state.term, self.clock.wall_ns()
        first = self.last_index + 1
        proposals = [Proposal(index, term, now, (payload,)) for index, payload in enumerate(payloads, first)]
        self.entries += linked(log.position.hash, proposals)
        self.possible = {first - 1, self.last_index}
        self.batches.add(self.last_index)
        if [Seen.of(entry) for entry in log.append(proposals, log.commit_index)] != self.entries[first - 1 :]:
            raise Violation("the log wrote other entries than it was asked to")

    def sync(self, *, beside: bool) -> None:
        log = self.log
        if beside:
            log.start_sync()
            while not log.finish_sync():
                pass
        else:
            log.sync()
        self.possible = {self.last_index}
        if log.proven_index != self.last_index:
            raise Violation("what was synced does not count as durable")

    def save(self, hard: HardState, *, beside: bool = False) -> None:
        log = self.log
        self.hards.add(hard)
        if beside:
            log.start_save(hard)
            while not log.finish_sync():
                pass
        else:
            log.save(hard)
        self.hards = {hard}
        if log.hard_state != hard:
            raise Violation("what was saved does not count as durable")

    def settle(self, commit_index: int) -> None:
        self.told_commit = max(self.told_commit, commit_index)
        self.log.settle(commit_index)

    def give_up(self, stays: int) -> None:
        self.possible = {self.last_index, stays}
        self.log.truncate(stays)
        del self.entries[stays:]
        self.batches = {last for last in self.batches if last < stays} | {stays}
        self.possible = {stays}
        if self.log.position.index != stays or self.log.position.hash != self.hash_at(stays):
            raise Violation(f"the log goes on from another entry than {stays}")

    def hash_at(self, index: int) -> bytes:
        return self.entries[index - 1].chain_hash if index else wal.beginning(self.log.cluster).hash

    def verify(self) -> None:
        """Nothing that a crash left is taken for damage, or stands there still."""
        found = [Seen.of(e) for e in chain.from_iterable(check_pieces(self.disk.copy(), pytest.fail))]
        if found != self.entries:
            raise Violation("a reader finds other entries")


def linked(chain_hash: bytes, proposals: list[Proposal]) -> list[Seen]:
    """What the proposals become, as docs/log-format.md says."""
    found = []
    for index, term, now, (payload,) in proposals:
        chain_hash = hashlib.sha256(chain_hash + struct.pack("<QQq", index, term, now) + payload).digest()
        found.append(Seen(index, term, now, bytes(payload), chain_hash))
    return found


def play(follower: Follower, seed: int, turns: int) -> None:
    """A life without faults of its own: batches of all sizes, commitment that lags, ends given up, starts."""
    chance = random.Random(seed)
    commits = chance.choice((0.1, 0.5))  # how often the follower hears of commitment
    follower.open()
    for _ in range(turns):
        sizes = [chance.choice((0, 1, 8, 100, MAX_ENTRY_BYTES // 2)) for _ in range(chance.randint(1, 4))]
        follower.append([chance.randbytes(size) for size in sizes])
        follower.sync(beside=chance.random() < 0.8)
        commit = follower.log.commit_index
        if chance.random() < commits:
            commit = (
                follower.last_index if chance.random() < 0.4 else chance.randint(commit, follower.last_index)
            )
            follower.settle(commit)
        if chance.random() < 0.25 and commit < follower.last_index:
            far = chance.random() < 0.3
            follower.give_up(commit if far else chance.randrange(commit, follower.last_index))
            hard = HardState(follower.log.hard_state.term + 1, chance.randrange(4))
            follower.save(hard, beside=chance.random() < 0.8)
        fate = chance.random()
        if fate < 0.05:
            follower.log.close()
            follower.open()
        elif fate < 0.1:
            follower.disk = follow(follower.disk, follower.disk.kill())
            follower.open()
        elif fate < 0.3:
            follower.log.prove()
        elif fate < 0.5:
            follower.log.poll()


def crash_and_judge(seed: int, crash_at: int, turns: int = 16) -> None:
    """Power is lost, or the process killed, at operation `crash_at`, perhaps again during recovery; then the log is
    judged, used, judged."""
    chance = random.Random(f"{seed} {crash_at}")
    follower = Follower(SimulatedDisk(seed))
    follower.disk.crash_at = crash_at
    try:
        play(follower, seed, turns)
        return
    except Crash:
        end(follower, chance)
    while chance.random() < 0.6:
        follower.disk.crash_at = chance.randrange(45)
        with suppress(Crash):
            follower.open()
        end(follower, chance)
    follower.open()
    follower.append([b"after", b"wards"])
    follower.sync(beside=True)
    follower.verify()
    follower.disk = follower.disk.lose_power()
    follower.open()
    follower.verify()


def end(follower: Follower, chance: random.Random) -> None:
    follower.disk = follower.disk.lose_power() if chance.random() < 0.75 else follower.disk.kill()


def operations_of(seed: int, turns: int = 16) -> int:
    follower = Follower(SimulatedDisk(seed))
    play(follower, seed, turns)
    return follower.disk.operations
