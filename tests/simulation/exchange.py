"""A client of the log that remembers what was acknowledged, and judges what it finds after each start."""

import errno
import os
import random
from contextlib import suppress
from typing import NamedTuple

import pytest
from simulated_disk import Crash, SimulatedDisk

from replication.files import LogDamaged, LogError, LogFailed
from replication.messages import Entry
from replication.node import Node
from replication.reader import check_pieces

SEGMENT_BYTES = 8192 + 4096
MAX_ENTRY_BYTES = 512


class ManualClock:
    """Moves a little at every look."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.offset_ns = 1_700_000_000_000_000_000

    def monotonic_ns(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns


class Seen(NamedTuple):
    index: int  # type: ignore[assignment]
    term: int
    timestamp_ns: int
    payload: bytes
    chain_hash: bytes

    @classmethod
    def of(cls, entry: Entry) -> "Seen":
        return cls(entry.index, entry.term, entry.timestamp_ns, bytes(entry.payload), entry.chain_hash)


class Violation(AssertionError):
    """The log broke a promise."""


class Refused(Violation):
    """Input is refused. No life without a failing disk may come to that."""


class Exchange:
    def __init__(self, disk: SimulatedDisk) -> None:
        self.disk = disk
        self.acknowledged: list[Seen] = []
        self.asked: bytes | None = None  # proposed, not acknowledged
        self.node: Node | None = None
        self.clock = ManualClock()

    def open(self) -> Node:
        """Starts, and judges what is there."""
        self.node = None
        node = Node.open(
            self.disk, clock=self.clock, segment_bytes=SEGMENT_BYTES, max_entry_bytes=MAX_ENTRY_BYTES
        )
        found = [Seen.of(entry) for entry in node.committed(1)]
        known = self.acknowledged
        if found[: len(known)] != known:
            raise Violation(f"of {len(known)} acknowledged entries only {len(found)} are there, or others")
        more = [entry.payload for entry in found[len(known) :]]
        if more not in ([], [b""], [self.asked], [b"", self.asked]):
            raise Violation("something is there that nobody asked for, or only a part of it")
        if [entry.index for entry in found] != list(range(1, len(found) + 1)):
            raise Violation("indices have holes")
        self.acknowledged = found
        self.asked = None
        self.node = node
        return node

    def turn(self, payload: bytes | None) -> None:
        assert self.node is not None
        if payload is not None:
            self.node.propose(payload)
            self.asked = payload
        before = len(self.acknowledged)
        self.acknowledged += map(Seen.of, self.node.turn())
        if len(self.acknowledged) > before and self.acknowledged[-1].payload == self.asked:
            self.asked = None

    def verify(self) -> None:
        """Nothing that an earlier crash left is taken for damage, or stands there still."""
        found = [Seen.of(entry) for piece in check_pieces(self.disk.copy(), pytest.fail) for entry in piece]
        if found != self.acknowledged:
            raise Violation("a reader finds other entries than the exchange acknowledged")


def play(exchange: Exchange, seed: int, turns: int) -> None:
    """A life of the exchange without faults of its own: starts, entries of all sizes, clean ends, kills."""
    chance = random.Random(seed)
    exchange.open()
    for number in range(turns):
        if chance.random() < 0.3:
            exchange.turn(None)
        size = chance.choice((0, 1, 7, 8, 100, 200, MAX_ENTRY_BYTES))
        exchange.turn(b"%d:" % number + chance.randbytes(size)[: MAX_ENTRY_BYTES - 8])
        assert exchange.node is not None
        if exchange.node.why_not is not None:
            raise Refused(exchange.node.why_not)
        fate = chance.random()
        if fate < 0.08:
            exchange.node.close()
            exchange.open()
        elif fate < 0.16:
            exchange.disk = follow(exchange.disk, exchange.disk.kill())
            exchange.open()


def follow(old: SimulatedDisk, new: SimulatedDisk) -> SimulatedDisk:
    """The same faults go on in the next process."""
    new.operations, new.crash_at, new.fail = old.operations, old.crash_at, old.fail
    return new


def crash_and_judge(seed: int, crash_at: int, turns: int = 14) -> None:
    """Power is lost at operation `crash_at`, perhaps again during recovery; then the log is judged, used,
    judged."""
    chance = random.Random(f"{seed} {crash_at}")
    exchange = Exchange(SimulatedDisk(seed))
    exchange.disk.crash_at = crash_at
    try:
        play(exchange, seed, turns)
        return
    except Crash:
        pass
    exchange.disk = exchange.disk.lose_power()
    if chance.random() < 0.5:
        exchange.disk.crash_at = chance.randrange(40)
    try:
        exchange.open()
        exchange.turn(b"after")
        exchange.disk.crash_at = -1
    except Crash:
        exchange.disk = exchange.disk.lose_power() if chance.random() < 0.7 else exchange.disk.kill()
        exchange.open()
    exchange.turn(b"later")
    exchange.verify()
    exchange.disk = exchange.disk.lose_power()
    exchange.open()
    exchange.turn(b"last")
    exchange.verify()


def crash_again_and_again(seed: int) -> None:
    """Eight lives on one disk, each ended by a crash, most of them during the recovery from the one before."""
    chance = random.Random(seed)
    exchange = Exchange(SimulatedDisk(seed))
    for life in range(8):
        exchange.disk.crash_at = chance.randrange(400)
        with suppress(Crash):
            play(exchange, seed + life, chance.randint(1, 40))
        end(exchange, chance)
        for _ in range(chance.randrange(5)):
            exchange.disk.crash_at = chance.randrange(45)
            with suppress(Crash):
                exchange.open()
                exchange.turn(b"recovered")
            end(exchange, chance)
        exchange.open()
        exchange.turn(b"at last")
        exchange.verify()


def end(exchange: Exchange, chance: random.Random) -> None:
    exchange.disk = exchange.disk.lose_power() if chance.random() < 0.75 else exchange.disk.kill()


def fail_and_judge(seed: int) -> None:
    """Some operations of one life fail, one or many in a row, of one kind or of any; then it is killed or loses
    power. Whatever failed, the exchange goes on, refuses input, or ends: nothing acknowledged is lost."""
    chance = random.Random(seed)
    exchange = Exchange(SimulatedDisk(seed))
    kind = chance.choice(
        (None, "sync", "pwrite", "rename", "unlink", "open", "sync_directory", "reserve", "pread")
    )
    first = chance.randrange(60 if kind else 600)
    failing = range(first, first + chance.choice((1, 1, 1, 5, 100)))
    number = chance.choice((errno.EIO, errno.ENOSPC, errno.EROFS))
    count = 0

    def fail(operation: str, name: str) -> None:
        nonlocal count
        if operation != "lock" and kind in (None, operation):
            count += 1
            if count in failing:
                raise OSError(number, os.strerror(number), name)

    exchange.disk.fail = fail
    try:
        play(exchange, seed, 40)
    except LogDamaged as damage:
        raise Violation(f"a failed operation is taken for damage: {damage}") from damage
    except (LogError, OSError, Refused):
        pass
    for _ in range(2):
        end(exchange, chance)
        exchange.open()
        exchange.turn(b"after")
        exchange.verify()


def operations_of(seed: int, turns: int = 14) -> int:
    exchange = Exchange(SimulatedDisk(seed))
    play(exchange, seed, turns)
    return exchange.disk.operations


__all__ = [
    "Exchange",
    "LogFailed",
    "Violation",
    "crash_again_and_again",
    "crash_and_judge",
    "fail_and_judge",
    "operations_of",
    "play",
]
