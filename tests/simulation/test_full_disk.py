"""The next segment cannot be reserved: input is refused with a reason, what is there is served, and it ends."""

import errno
import os
from unittest.mock import patch

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, Exchange, ManualClock
from simulated_disk import SimulatedDisk, SimulatedFile

from replication import wal
from replication.files import LogUnavailable
from replication.node import Node


def used(disk: SimulatedDisk) -> int:
    return sum(len(inode.cached) for inode in disk.files.values())


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill(exchange: Exchange, turns: int = 30) -> int:
    """Proposes until nothing more is taken; how many were."""
    node = exchange.node
    assert node is not None
    for number in range(turns):
        before = len(exchange.acknowledged)
        exchange.turn(b"%03d" % number * 100)
        if len(exchange.acknowledged) == before:
            return number
    raise AssertionError("the disk is not full at all")


def stopped(exchange: Exchange, what: str) -> None:
    assert exchange.node is not None
    assert not exchange.node.accepting
    why = exchange.node.why_not
    assert why is not None
    assert what in why
    assert "/simulated/0000000" in why


@pytest.mark.parametrize("fault", ["No space left", "Read-only"])
def test_input_stops_with_a_reason_and_goes_on_when_there_is_room(fault: str) -> None:
    """Situation: the disk has room for the first segment only, or turns read-only for new files.

    Script: fill the segment; look; ask to read; give room; wait a second.
    Outcome: not one acknowledged entry is lost, what was queued meanwhile is acknowledged later, in order.
    """
    exchange = Exchange(SimulatedDisk(3))
    disk = exchange.disk
    node = exchange.open()
    exchange.turn(None)
    while not node.accepting or node._log._upkeep.job is not None:
        exchange.turn(None)
    if fault == "Read-only":
        # an open file goes on; no name can be made
        disk.fail = lambda operation, name: (
            disk.refuse(name) if operation == "open" and "tmp" in name else None
        )
    else:
        disk.capacity = used(disk)
    taken = fill(exchange)
    assert taken >= 4, "segments 1 and 2 were there"
    stopped(exchange, fault)
    assert node.queued_bytes > 0
    assert len(list(node.committed(1))) == len(exchange.acknowledged)
    operations = disk.operations
    assert not node.accepting
    assert disk.operations == operations, "tried again at once"
    disk.capacity = 1 << 40
    disk.fail = lambda operation, name: None
    exchange.clock.now_ns += 1_000_000_000
    for _ in range(10):
        exchange.turn(None)
    assert node.accepting
    assert node.why_not is None
    assert node.queued_bytes == 0
    exchange.disk = disk.lose_power()
    exchange.open()


def test_a_full_disk_does_not_keep_the_exchange_from_starting() -> None:
    exchange = Exchange(SimulatedDisk(4))
    exchange.open()
    exchange.turn(b"one")
    exchange.disk = exchange.disk.lose_power()
    exchange.disk.capacity = used(exchange.disk)
    node = exchange.open()
    for _ in range(3):
        exchange.turn(None)
    assert node.term == 2, "the term needs no new space"
    exchange.turn(b"two")
    assert exchange.acknowledged[-1].payload == b"two"


def test_damage_found_while_compressing_stops_input_for_good() -> None:
    """Situation: a sealed segment rots before it is compressed. The raw file stays, the loop is told."""
    exchange = Exchange(SimulatedDisk(6))
    exchange.disk.rest = lambda: False  # type: ignore[method-assign]
    node = exchange.open()
    for number in range(2):
        exchange.turn(b"%03d" % number * 100)
    data = exchange.disk.files["00000001.segment"].cached
    data[data.index(b"001001")] ^= 4
    for number in range(40):
        exchange.turn(b"%03d" % number * 20)
    assert not node.accepting
    assert node.why_not is not None
    assert "00000001.segment, offset" in node.why_not
    assert "00000001.segment" in exchange.disk.files
    assert "00000001.segment.zst" not in exchange.disk.files


def test_a_compressed_segment_that_does_not_read_back_does_not_replace_the_raw_one() -> None:
    """Situation: what is written of the compressed segment is not what was to be written."""
    exchange = Exchange(SimulatedDisk(7))
    exchange.disk.rest = lambda: False  # type: ignore[method-assign]
    node = exchange.open()
    honest = SimulatedFile.pwrite

    def flip(file: SimulatedFile, data: bytes, offset: int) -> None:
        wrong = bytes([data[0] ^ 1]) + data[1:]
        honest(file, wrong if file.path.endswith(".zst.tmp") and offset else data, offset)

    with patch.object(SimulatedFile, "pwrite", flip):
        for number in range(40):
            exchange.turn(b"%03d" % number * 20)
    assert not node.accepting
    assert node.why_not is not None
    assert "00000001.segment.zst.tmp, offset" in node.why_not
    assert not [name for name in exchange.disk.files if ".zst" in name]
    exchange.disk = exchange.disk.kill()
    exchange.open()
    exchange.turn(b"again")
    exchange.verify()


def rotten(at: bytes) -> SimulatedDisk:
    """A disk without room, with a log in whose last segment the first byte of `at` is wrong."""
    exchange = Exchange(SimulatedDisk(8))
    exchange.open()
    for _ in range(3):
        exchange.turn(b"one" * 100)
    disk = exchange.disk.kill()
    data = disk.files["00000001.segment"].cached
    data[data.index(at)] ^= 4
    disk.fail = lambda operation, name: full() if operation == "reserve" else None
    return disk


def repaired(disk: SimulatedDisk) -> Node:
    return Node.open(
        disk,
        clock=ManualClock(),
        segment_bytes=SEGMENT_BYTES,
        max_entry_bytes=MAX_ENTRY_BYTES,
        repair=True,
    )


def test_a_repair_that_needs_room_says_so_and_goes_on_when_there_is_some() -> None:
    """Situation: nothing stays of the log, and there is no room for a new one."""
    disk = rotten(wal.BATCH_MAGIC)
    with pytest.raises(LogUnavailable, match="No space left"):
        repaired(disk)
    disk.fail = lambda operation, name: None
    assert repaired(disk).last_index == 0


def test_a_repair_of_the_last_segment_needs_no_room() -> None:
    """What stays of it stands where it stood."""
    assert repaired(rotten(b"oneone")).last_index > 0
