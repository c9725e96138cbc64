"""How far a damaged log went is known only where what is left proves it, and never as less than what was durable."""

import random
from contextlib import suppress
from itertools import product

import pytest
from exchange import SEGMENT_BYTES, ManualClock
from follower import Follower, operations_of, play
from simulated_disk import Crash, SimulatedDisk
from test_damage import FILES, LAST, aged, offsets
from test_snapshot_files import long_log, snapshot_at

from replication import scanning, wal
from replication.files import LogDamaged
from replication.log import Log
from replication.messages import Proposal
from replication.reader import check_pieces
from replication.salvage import salvage
from replication.state import read_state

SEGMENTS = [name for name in FILES if name.startswith("0")]


def repaired(disk: SimulatedDisk) -> wal.Cut:
    cut = salvage(disk, SEGMENT_BYTES)
    assert cut is not None
    log = Log.open(disk, ManualClock(), SEGMENT_BYTES)
    assert log.promised == cut, "the promise is not remembered"
    assert log.position.index == cut.first_index - 1
    return cut


def is_known(cut: wal.Cut) -> bool:
    """Else nobody knows; what is known has to be the end of the log of test_damage.py."""
    last = aged()[1][-1]
    assert cut.durable
    assert cut.lost or (cut.term, cut.last_index) == (last.term, last.index)
    return not cut.lost


def batches(disk: SimulatedDisk, name: str) -> list[wal.BatchHeader]:
    data = bytes(disk.files[name].cached)
    found = {batch.offset: batch for batch in scanning.batch_headers(data, wal.DATA)}
    return [found[offset] for offset in sorted(found)]


def rot(disk: SimulatedDisk, name: str, batch: wal.BatchHeader) -> None:
    """In a payload."""
    disk.files[name].cached[batch.offset + wal.BATCH_BYTES + wal.ENTRY_BYTES] ^= 1


@pytest.mark.parametrize("name", SEGMENTS)
def test_no_flipped_byte_makes_the_log_seem_shorter_or_longer(name: str) -> None:
    known = 0
    data = bytes(aged()[0].files[name].cached)
    for at in offsets(data):
        disk = aged()[0].copy()
        disk.files[name].cached[at] ^= 1 << at % 8
        try:
            for _ in check_pieces(disk.copy(), lambda what: None):
                pass
        except LogDamaged:
            known += is_known(repaired(disk))
            for _ in check_pieces(disk, lambda what: None):  # what is left is whole
                pass
    assert (known == 0) == (name == SEGMENTS[-1]), "only of a reserved segment nothing follows the damage"


@pytest.mark.parametrize("name", SEGMENTS[:-1])
def test_what_follows_a_rotten_entry_proves_it_but_not_the_last_entry(name: str) -> None:
    disk, _ = aged()
    if name.endswith(".zst"):
        rotten = disk.copy()
        rotten.files[name].cached[len(rotten.files[name].cached) // 2] ^= 1
        assert is_known(repaired(rotten))
        return
    for batch in batches(disk, name):
        rotten = disk.copy()
        rot(rotten, name, batch)
        assert is_known(repaired(rotten)) == (batch != batches(disk, LAST)[-1])


def test_headers_that_are_gone_are_no_matter_when_a_later_one_is_there() -> None:
    """Both of the first batch, and one of the second."""
    disk = aged()[0].copy()
    first, second = batches(disk, LAST)[:2]
    end = second.offset + 10
    disk.files[LAST].cached[first.offset : end] = b"?" * (end - first.offset)
    assert is_known(repaired(disk))


def test_two_damaged_places_in_different_segments_prove_nothing() -> None:
    disk = aged()[0].copy()
    rot(disk, SEGMENTS[2], batches(disk, SEGMENTS[2])[0])
    rot(disk, LAST, batches(disk, LAST)[0])
    assert not is_known(repaired(disk))


@pytest.mark.parametrize(
    "what", ["zeros", "torn", "remains", "no reserved segment", "last segment gone", "both gone"]
)
def test_an_end_that_is_not_as_it_should_be_proves_nothing(what: str) -> None:
    disk = aged()[0].copy()
    data = disk.files[LAST].cached
    last = batches(disk, LAST)[-1]
    end = wal.second_header(last.offset + wal.BATCH_BYTES + last.length) + wal.BATCH_BYTES
    rot(disk, SEGMENTS[2], batches(disk, SEGMENTS[2])[0])
    if what == "zeros":
        data[last.offset :] = bytes(len(data) - last.offset)
    elif what == "torn":  # its header is there; it may have been whole, and acknowledged
        position = wal.Position(last.last_index, last.term, 1 << 62, last.hash_after)
        batch, _, _ = wal.encode_batch(
            wal.Place(position, last.number + 1, end),
            [Proposal(position.index + 1, last.term, position.timestamp_ns, (b"more",))],
            0,
        )
        data[end : end + wal.BATCH_BYTES] = batch[: wal.BATCH_BYTES]
    elif what == "remains":
        data[end : end + 100] = data[last.offset : last.offset + 100]
    if what in ("no reserved segment", "both gone"):
        del disk.files[SEGMENTS[-1]]
    if what in ("last segment gone", "both gone"):
        del disk.files[LAST]
    assert not is_known(repaired(disk))


@pytest.mark.parametrize("name", SEGMENTS[1:4])
def test_a_segment_that_is_missing_proves_nothing(name: str) -> None:
    disk = aged()[0].copy()
    del disk.files[name]
    assert not is_known(repaired(disk))


def test_a_segment_of_another_time_proves_nothing() -> None:
    """Situation: an older copy of the last segment stands there, of entries that were given up since; all before it is
    whole. The repair may not take its end for the log's."""
    follower = long_log()
    log = follower.log
    log.close()
    log = follower.open()
    number = log._header.number
    name = f"{number:08}.segment"
    stays = log._header.before.index - 1
    older = follower.disk.copy().files[name]
    follower.give_up(stays)
    while log._header.number < number or log._place.number < 3:
        follower.append([b"another" * 40])
        follower.sync(beside=False)
    log.close()
    follower.disk.files[name] = older
    assert repaired(follower.disk).lost


def test_an_end_that_is_being_given_up_proves_nothing() -> None:
    """Power is lost meanwhile, and an entry before that rots: what follows it may be stale."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    for number in range(6):
        follower.append([b"%d" % number * 100])
        follower.sync(beside=False)
    follower.disk.crash_at = follower.disk.operations + 4
    with suppress(Crash):
        follower.give_up(4)
    disk = follower.disk.kill()
    assert read_state(disk).stays == 4
    rot(disk, "00000001.segment", batches(disk, "00000001.segment")[1])
    cut = salvage(disk, SEGMENT_BYTES)
    assert cut is not None
    assert cut.lost


@pytest.mark.parametrize("back", [0, 3, 4])
def test_a_torn_batch_passes_for_durable_only_while_what_was_is_missing(back: int) -> None:
    """Entries 3 to 6 are lost, and a leader brings so many entries; of what is committed it has said nothing yet when
    power is lost in the write of one more."""
    name = "00000001.segment"
    follower = Follower(SimulatedDisk(1))
    follower.open()
    for number in range(6):
        follower.append([b"%d" % number])
        follower.sync(beside=False)
    follower.log.close()
    rot(follower.disk, name, batches(follower.disk, name)[2])
    lost = salvage(follower.disk, SEGMENT_BYTES)
    assert lost == wal.Cut(3, 6, 0, durable=True)
    follower.possible = {2}
    follower.open()
    for number in range(back):
        follower.append([b"%d" % number])
        follower.sync(beside=False)
    follower.append([b"torn"])
    data = follower.disk.files[name].cached
    last = batches(follower.disk, name)[-1]
    data[last.offset + wal.BATCH_BYTES :] = bytes(len(data) - last.offset - wal.BATCH_BYTES)
    log = Log.open(follower.disk.copy(), ManualClock(), SEGMENT_BYTES)
    torn = wal.Cut(3 + back, 3 + back, 0)
    assert log.cut == torn
    assert log.promised == (torn if back >= 4 else lost)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_an_entry_that_rots_in_any_life_leaves_no_promise_that_is_too_small(first: int) -> None:
    """The follower's ends were given up, torn, cut and written anew before; power is lost at any operation."""
    chance = random.Random(first)
    known = 0
    for seed in chance.choices(range(first, first + 10), k=100):
        follower = Follower(SimulatedDisk(seed))
        follower.disk.crash_at = chance.randrange(operations_of(seed))
        with suppress(Crash):
            play(follower, seed, 16)
        disk = follower.disk.lose_power() if chance.random() < 0.5 else follower.disk.kill()
        whole = [
            (name, batch)
            for name in sorted(disk.files)
            if name.endswith(".segment")
            for batch in batches(disk, name)
            if batch.length > wal.ENTRY_BYTES
        ]
        if not whole or "state" not in disk.files:
            continue
        rot(disk, *chance.choice(whole))
        cut = salvage(disk, SEGMENT_BYTES)
        assert cut is not None
        if cut.lost:
            continue
        known += 1
        least, most = (follower.entries[n - 1] for n in (min(follower.possible), max(follower.possible)))
        assert (least.term, least.index) <= (cut.term, cut.last_index) <= (most.term, most.index)
    assert known


def test_power_is_lost_at_every_operation_of_a_repair_that_knows_the_end() -> None:
    rotten = aged()[0].copy()
    rot(rotten, SEGMENTS[2], batches(rotten, SEGMENTS[2])[1])
    for crash_at, seed in product(range(1_000), range(4)):
        disk = rotten.copy()
        disk.chance.seed(f"{crash_at} {seed}")
        disk.crash_at = crash_at
        with suppress(Crash):
            assert is_known(repaired(disk))
            return
        disk = disk.lose_power()
        try:
            log = Log.open(disk.copy(), ManualClock(), SEGMENT_BYTES)
            list(log.pieces())
        except LogDamaged:
            assert is_known(repaired(disk))
        else:
            assert log.promised is not None
            assert is_known(log.promised)
    pytest.fail("it takes more operations")


@pytest.mark.parametrize("where", ["behind it", "in an earlier segment, too", "before it in its segment"])
def test_damage_and_a_snapshot(where: str) -> None:
    follower = long_log()
    while follower.log._place.number < 4:
        follower.append([b"more"])
        follower.sync(beside=False)
    last = follower.entries[-1]
    name = f"{follower.log._header.number - (where != 'before it in its segment'):08}.segment"
    first, second, *_ = batches(follower.disk, name)
    snapshot_at(follower, first.last_index)
    follower.log.close()
    disk = follower.disk
    if where == "in an earlier segment, too":
        disk.files[min(name for name in disk.files if "segment" in name)].cached[wal.DATA + 100] ^= 1
    rot(disk, name, first if where == "before it in its segment" else second)
    cut = repaired(disk)
    assert (cut.term, cut.last_index) == (last.term, last.index)


def test_a_second_repair_keeps_what_the_first_one_promised() -> None:
    disk = aged()[0].copy()
    rot(disk, SEGMENTS[2], batches(disk, SEGMENTS[2])[2])
    first = repaired(disk)
    rot(disk, SEGMENTS[2], batches(disk, SEGMENTS[2])[0])
    again = repaired(disk)
    assert is_known(first)
    assert is_known(again)
    assert again.first_index < first.first_index


@pytest.mark.parametrize(("last", "is_kept"), [(3, False), (4, True)])
def test_what_the_log_shows_to_be_committed_is_promised_no_more(last: int, *, is_kept: bool) -> None:
    """It would make a torn batch that is cut at the same start one that was durable, which nobody may let go."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    for number in range(6):
        follower.append([b"%d" % number])
        follower.sync(beside=False)
        follower.settle(min(number + 1, 3))
    follower.log._write_state(follower.log._state._replace(cut=wal.Cut(2, last, 1, durable=True)))
    follower.disk = follower.disk.lose_power()
    assert (follower.open().promised is not None) == is_kept
