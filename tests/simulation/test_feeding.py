"""Reading the log from any entry on, while it grows, is compressed, and is given up in part."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from unittest.mock import patch

import pytest
from exchange import MAX_ENTRY_BYTES, ManualClock, Seen
from follower import Follower
from simulated_disk import SimulatedDisk, SimulatedFile
from test_snapshot_files import long_log

from replication.feeding import APART
from replication.files import LostData
from replication.log import Log
from replication.messages import HardState, Proposal


@pytest.mark.parametrize("seed", range(20))
def test_what_is_read_is_the_log_whatever_happens_meanwhile(seed: int) -> None:
    """Several readings go on at a time, each from where it ended, or from anywhere."""
    chance = random.Random(seed)
    follower = Follower(SimulatedDisk(seed))
    follower.open()
    readings = [1] * 3
    packed = False
    for _ in range(80):
        follower.clock.now_ns += 1_000_000_000  # a compression that gave way is tried again
        sizes = [chance.choice((0, 8, MAX_ENTRY_BYTES // 2)) for _ in range(chance.randint(1, 4))]
        follower.append([chance.randbytes(size) for size in sizes])
        follower.sync(beside=True)
        if chance.random() < 0.3:
            follower.settle(follower.last_index - 2 if follower.last_index > 2 else 0)
        stays = max(1, follower.log.commit_index)
        if chance.random() < 0.05 and stays < follower.last_index:
            follower.give_up(stays)
            follower.save(HardState(follower.log.hard_state.term + 1, 0))
        if chance.random() < 0.03:
            follower.log.close()
            follower.open()
        for reading in range(len(readings)):
            if chance.random() < 0.1 or readings[reading] > follower.last_index:
                readings[reading] = chance.randint(1, follower.last_index)
            readings[reading] += read(follower, readings[reading], chance.choice((1, 300, 5_000)))
        packed |= any(name.endswith(".zst") for name in follower.disk.files)
    assert packed


def read(follower: Follower, index: int, max_bytes: int) -> int:
    """How many entries were read; they are the right ones, and not too many. Fewer than would fit may come."""
    entries = [Seen.of(entry) for entry in follower.log.read_from(index, max_bytes)]
    assert entries == follower.entries[index - 1 :][: len(entries)]
    assert len(entries) == 1 or sum(len(entry.payload) for entry in entries) <= max_bytes
    return len(entries)


@pytest.mark.parametrize("known", [True, False])
def test_a_segment_that_is_missing_is_told(known: bool) -> None:
    """Where its entries begin may be known from before."""
    log = long_log().log
    before = log.begins_after
    if known:
        log.read_from(before + 1, 1)
    for name in [name for name in log._disk.names() if name.startswith("00000001.")]:
        log._disk.unlink(name)
    log._feeding._readers.clear()
    with pytest.raises(LostData, match=r"00000001\.segment, offset 0: the segment is missing"):
        log.read_from(before + 1, 1)


def test_an_entry_that_is_not_there_is_told() -> None:
    follower = Follower(SimulatedDisk(1))
    follower.open()
    follower.append([b"x"])
    follower.sync(beside=True)
    with pytest.raises(LostData, match="entry 2"):
        follower.log.read_from(2, 100)


def test_an_entry_that_was_given_up_is_not_read() -> None:
    follower = Follower(SimulatedDisk(1))
    log = follower.open()
    follower.append([b"one", b"two", b"three"])
    follower.sync(beside=True)
    assert read(follower, 1, 1) == 1  # this reading has all of the batch before it
    follower.give_up(1)
    follower.append([b"two of another leader"])
    follower.sync(beside=True)
    assert [bytes(entry.payload) for entry in log.read_from(2, 1_000)] == [b"two of another leader"]


@contextmanager
def bytes_read() -> Iterator[list[int]]:
    sizes: list[int] = []
    honest = SimulatedFile.pread

    def counted(file: SimulatedFile, size: int, offset: int) -> bytes:
        data = honest(file, size, offset)
        sizes.append(len(data))
        return data

    with patch.object(SimulatedFile, "pread", counted):
        yield sizes


def test_no_reading_looks_through_a_segment() -> None:
    """The loop waits for it. Situation: a segment of 8 MiB, as it was written, and after a start."""
    disk = SimulatedDisk(1)
    log = Log.open(disk, ManualClock(), 8 << 20)
    log.save(HardState(1, 0))
    payload = bytes(10_000)
    index = 0
    while log.make_room([len(payload)]) and log._header.number == 1:
        index += 1
        log.append([Proposal(index, 1, 0, (payload,))], 0)
        log.start_sync()
        while not log.finish_sync():
            pass
    for start in (False, True):
        if start:
            log.close()
            log = Log.open(disk, ManualClock(), 8 << 20)
            assert sum(1 for _ in chain.from_iterable(log.pieces())) == index
        for first in (index, index // 2, index - 1):
            with bytes_read() as sizes:
                assert log.read_from(first, 20_000)[0].index == first
            assert sum(sizes) < 2 * APART
        with bytes_read() as sizes:
            assert log.read_from(index // 2 + 2, 20_000)[0].index == index // 2 + 2
        assert sum(sizes) < APART / 2, "it goes on where another ended"


def test_no_giving_up_looks_through_a_segment() -> None:
    """The loop waits for that, too."""
    disk = SimulatedDisk(1)
    log = Log.open(disk, ManualClock(), 8 << 20)
    log.save(HardState(1, 0))
    index = 0
    for start in (False, True):
        while log._place.offset < (6 << 20):
            assert log.make_room([1_000] * 10)
            log.append([Proposal(index + n, 1, 0, (bytes(1_000),)) for n in range(1, 11)], 0)
            index += 10
            log.start_sync()
            while not log.finish_sync():
                pass
        if start:
            log.close()
            log = Log.open(disk, ManualClock(), 8 << 20)
            assert sum(1 for _ in chain.from_iterable(log.pieces())) == index
        for back in (1, 10, 25, 700):
            before = log._place.offset
            index -= back
            with bytes_read() as sizes:
                log.truncate(index)
            assert sum(sizes) < 2 * APART + before - log._place.offset
            assert log.read_from(index, 1_000)[0].index == index == log.position.index
