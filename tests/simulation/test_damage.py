"""Damage to what was durable is reported with file and offset, or does not matter; it is never cut silently.

The log is small and old: compressed segments, raw ones, a reserved one, all synced.
"""

from collections.abc import Iterable
from functools import cache
from itertools import chain

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, Exchange, ManualClock, Seen
from simulated_disk import SimulatedDisk

from replication import scanning, wal
from replication.files import LogDamaged, LostData
from replication.messages import Entry
from replication.node import Node
from replication.reader import check_pieces, read_pieces
from replication.state import STATE, decode_state

LAST = "00000004.segment"
FILES = [
    "00000001.segment.zst",
    "00000002.segment.zst",
    "00000003.segment",
    LAST,
    "00000005.segment",
    "state",
]


@cache
def aged() -> tuple[SimulatedDisk, list[Seen]]:
    """Segments 1 and 2 compressed, 3 sealed and raw, 4 in use, 5 reserved; killed after the last
    acknowledgement."""
    exchange = Exchange(SimulatedDisk(5))
    exchange.disk.chance.random = lambda: 0.0  # type: ignore[method-assign]  # work beside the loop ends at once
    exchange.disk.rest = lambda: False  # type: ignore[method-assign]
    node = exchange.open()
    log = node._log
    number = 0
    while log._header.number < 4 or log._place.number < 4:
        number += 1
        exchange.turn(b"%d " % number * 60)
        while log._upkeep.next_size == 0 or (log._upkeep.sealed and log._upkeep.sealed != [3]):
            exchange.turn(None)
            assert node.accepting, node.why_not
        if log._upkeep.sealed:  # leave this one alone
            log._upkeep.job, log._upkeep.compress_retry_ns = None, 1 << 62
    node._log.prove()
    exchange.disk = exchange.disk.copy()
    assert sorted(exchange.disk.files) == FILES, sorted(exchange.disk.files)
    return exchange.disk, exchange.acknowledged


def start(disk: SimulatedDisk) -> Node:
    return Node.open(disk, clock=ManualClock(), segment_bytes=SEGMENT_BYTES, max_entry_bytes=MAX_ENTRY_BYTES)


def contents(disk: SimulatedDisk) -> dict[str, bytes]:
    return {name: bytes(inode.cached) for name, inode in disk.files.items()}


def seen(entries: Iterable[Entry]) -> list[Seen]:
    return [Seen.of(entry) for entry in entries]


def judge_reading(disk: SimulatedDisk, damaged: str) -> bool:
    """Whether the damage was reported; if not, everything must be there."""
    try:
        found = seen(chain.from_iterable(check_pieces(disk, pytest.fail)))
    except LogDamaged as damage:
        return judge_report(disk, damaged, damage)
    assert found == aged()[1]
    return False


def judge_report(disk: SimulatedDisk, damaged: str, damage: LogDamaged) -> bool:
    assert damage.path == disk.path(damaged), damage
    assert 0 <= damage.offset <= max(SEGMENT_BYTES, len(disk.files[damaged].cached))
    return True


def judge_start(disk: SimulatedDisk, damaged: str) -> bool:
    before = contents(disk)
    try:
        node = start(disk)
        assert node.cut is None or node.cut.last_index < node.cut.first_index, "something was cut"
        found = seen(node.committed(1))
    except LogDamaged as damage:
        if not damaged.endswith((".zst", "3.segment")):  # damage in old segments is found when they are read
            assert contents(disk) == before, "the directory was changed"
        return judge_report(disk, damaged, damage)
    assert found == aged()[1]
    return False


def offsets(data: bytes) -> list[int]:
    """Every byte that says something and its neighbours, and some of the others."""
    said = {at + step for at, value in enumerate(data) if value for step in (-1, 0, 1)}
    return sorted(at for at in {*said, *range(0, len(data), 61)} if 0 <= at < len(data))


def flip(name: str, where: Iterable[int]) -> None:
    """Each of these bytes in turn, one bit: reading reports it, and a start reports it or comes to no harm."""
    disk, _ = aged()
    for at in where:
        flipped = disk.copy()
        flipped.files[name].cached[at] ^= 1 << at % 8
        assert judge_reading(flipped, name), at
        judge_start(flipped, name)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_reported(name: str) -> None:
    flip(name, offsets(bytes(aged()[0].files[name].cached)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_reported(name: str) -> None:
    flip(name, range(len(aged()[0].files[name].cached)))


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_reported(name: str) -> None:
    disk, _ = aged()
    size = len(disk.files[name].cached)
    for length in {*range(0, size, 7), *range(size - 40, size), *range(200)}:
        short = disk.copy()
        del short.files[name].cached[length:]
        one_slot_left = name == "state" and length >= wal.CRC.size + STATE.size
        assert judge_start(short, name) or one_slot_left, length
        if name not in ("state", "00000005.segment"):
            assert judge_reading(short, name), length


@pytest.mark.parametrize("name", FILES)
def test_an_absent_file_is_reported(name: str) -> None:
    disk, _ = aged()
    without = disk.copy()
    del without.files[name]
    with pytest.raises(LostData, match=name.removesuffix(".zst")):
        list(start(without).committed(1))
    if name != "state":
        with pytest.raises(LostData, match=name.removesuffix(".zst")):
            list(read_pieces(without, verify=True))


def test_the_last_two_segments_are_missed_too() -> None:
    disk, _ = aged()
    without = disk.copy()
    del without.files["00000005.segment"]
    del without.files[LAST]
    with pytest.raises(LostData, match="00000004"):
        start(without)


SWAPS = [("00000003.segment", LAST), ("00000001.segment.zst", "00000002.segment.zst")]


@pytest.mark.parametrize(("at", "taken"), SWAPS)
def test_a_segment_in_the_place_of_another_is_reported(at: str, taken: str) -> None:
    disk, _ = aged()
    wrong = disk.copy()
    wrong.files[at] = disk.copy().files[taken]
    assert judge_reading(wrong, at)


def unproven() -> tuple[SimulatedDisk, wal.BatchHeader]:
    """The last batch was synced and acknowledged, but power failed before the mark that says so reached the
    disk."""
    disk = aged()[0].copy()
    data = disk.files[LAST].cached
    for number in range(wal.PROOFS):
        start = wal.proof_offset(number)
        data[start : start + wal.SECTOR] = bytes(wal.SECTOR)
    last = max(scanning.batch_headers(bytes(data), wal.DATA), key=lambda batch: batch.number)
    return disk, last


def test_damage_to_an_unproven_last_batch_keeps_its_promise() -> None:
    """It cannot be told from a torn one, so it is cut; but its range is known from either header, and
    remembered."""
    disk, last = unproven()
    size = len(disk.files[LAST].cached)
    end = last.offset + wal.BATCH_BYTES + last.length
    copy = wal.second_header(end)
    cuts = 0
    for at in {*range(last.offset, end), *range(copy, copy + wal.BATCH_BYTES)}:
        assert at < size
        flipped = disk.copy()
        flipped.files[LAST].cached[at] ^= 0x10
        node = start(flipped)
        found = seen(node.committed(1))
        if found == aged()[1]:
            assert node.cut is None
            continue
        cuts += 1
        assert found == aged()[1][:-1]
        assert node.cut == wal.Cut(last.first_index, last.last_index, last.term)
        state = decode_state(bytes(flipped.files["state"].cached))
        assert state is not None
        assert state.cut == node.cut, "the promise is not remembered"
    assert cuts >= last.length


def test_what_a_batch_proves_outlives_the_proof() -> None:
    """The batch before the last is proven by the last one's header alone."""
    disk, last = unproven()
    batches = scanning.batch_headers(bytes(disk.files[LAST].cached), wal.DATA)
    before = next(batch for batch in batches if batch.number == last.number - 1)
    for at in range(before.offset, before.offset + wal.BATCH_BYTES + before.length):
        flipped = disk.copy()
        flipped.files[LAST].cached[at] ^= 0x01
        with pytest.raises(LostData) as raised:
            start(flipped)
        assert before.offset <= raised.value.offset < last.offset
