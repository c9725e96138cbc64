"""The log of a follower whose end is given up: power is lost at every operation of it, and of every start after it."""

from contextlib import suppress
from itertools import chain, product

import pytest
from exchange import MAX_ENTRY_BYTES, SEGMENT_BYTES, ManualClock, Seen
from follower import Follower, crash_and_judge, operations_of, play
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_disk import Crash, SimulatedDisk

from replication import wal
from replication.files import LostData
from replication.messages import HardState
from replication.node import Node
from replication.wal import UNKNOWN, Cut


@pytest.mark.parametrize("seed", range(8))
def test_a_crash_at_every_operation_of_a_follower(seed: int) -> None:
    for crash_at in range(operations_of(seed)):
        crash_and_judge(seed, crash_at)


@settings(max_examples=60)
@given(seed=st.integers(100, 1 << 30), crash_at=st.integers(0, 500), turns=st.integers(1, 30))
def test_a_crash_anywhere_in_any_life_of_a_follower(seed: int, crash_at: int, turns: int) -> None:
    crash_and_judge(seed, crash_at, turns)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_crash_of_many_followers() -> None:
    for seed in range(1_000, 1_100):
        for crash_at in range(operations_of(seed)):
            try:
                crash_and_judge(seed, crash_at)
            except BaseException as error:
                error.add_note(f"seed {seed}, crash at {crash_at}")
                raise


def test_the_lives_of_followers_meet_what_they_are_for() -> None:
    """Ends that reach back over several segments, batches of which a part stays, compressed segments, segments in
    which nothing is left: lives without them would prove little."""
    met: set[str] = set()

    class Watched(Follower):
        def give_up(self, stays: int) -> None:
            log = self.log
            before, number, batches = log._place, log._header.number, self.batches
            super().give_up(stays)
            met.add(f"{number - log._header.number} segments back")
            met.add("a part of a batch stays" if stays not in batches else "whole batches stay")
            if log._place.number == 1:
                met.add("a segment without a batch")
            assert log._place.offset <= before.offset or log._header.number < number

    for seed in range(16):
        follower = Watched(SimulatedDisk(seed))
        play(follower, seed, 16)
        met.update(name.partition(".")[2] for name in follower.disk.files)
    assert {"0 segments back", "1 segments back", "segment.zst"} <= met, met
    assert {"a part of a batch stays", "whole batches stay", "a segment without a batch"} <= met, met


def aged() -> Follower:
    """A follower with several segments, of which nothing is known to be committed."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    follower.save(HardState(1, 0))
    for number in range(12):
        follower.append([b"%d" % number * 100, b"and", b"more"])
        follower.sync(beside=False)
    assert follower.log._header.number > 2
    return follower


@pytest.mark.parametrize("back", [2, 29], ids=["the last segment", "an earlier segment"])
def test_a_kill_and_then_a_loss_of_power_at_every_pair_of_operations(back: int) -> None:
    """The process is killed while it gives up the log's end, and power is lost while the next start goes on with it:
    what the first left may have been where only the page cache knew it."""
    old = aged()
    old.log.close()
    stays = old.last_index - back  # within a batch
    for kill_at, lose_at in product(range(40), range(40)):
        follower = again(old, f"{kill_at} {lose_at}")
        follower.disk.crash_at = follower.disk.operations + kill_at
        with suppress(Crash):
            follower.give_up(stays)
        follower.disk = follower.disk.kill()
        follower.disk.crash_at = lose_at
        with suppress(Crash):
            follower.open()
        follower.disk = follower.disk.lose_power()
        follower.open()
        follower.verify()


def again(old: Follower, seed: str) -> Follower:
    """Another follower with what `old` had synced."""
    follower = Follower(old.disk.copy())
    follower.disk.chance.seed(seed)
    follower.entries, follower.possible = list(old.entries), {old.last_index}
    follower.told_commit = old.told_commit
    follower.open()
    return follower


def with_a_long_batch() -> Follower:
    """A follower whose last batch holds many entries and says that entry 1 is committed."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    follower.save(HardState(1, 0))
    follower.append([b"one", b"two"])
    follower.sync(beside=True)
    follower.settle(1)
    follower.append([b"%d" % number * 40 for number in range(16)])
    follower.sync(beside=True)
    assert follower.log._header.number == 1
    return follower


@pytest.mark.parametrize("stays", [1, 2, 3, 10, 17])
def test_whatever_is_torn_while_a_batch_is_shortened_its_beginning_is_there(stays: int) -> None:
    """And what its header says of commitment, of which there are two copies, old and new."""
    old = with_a_long_batch()
    old.log.prove()
    old.log.close()
    committed = 1 if stays > 2 else 0
    for crash_at, seed in product(range(40), range(30)):
        follower = again(old, f"{crash_at} {seed}")
        follower.disk.crash_at = follower.disk.operations + crash_at
        try:
            follower.give_up(stays)
            break
        except Crash:
            follower.disk = follower.disk.lose_power()
        log = follower.open()
        assert log.promised is None
        assert log.commit_index == (1 if follower.last_index > stays else committed)
        follower.verify()
    else:
        pytest.fail("it takes more operations")


@pytest.mark.parametrize("size", [0, 100, 900])
def test_a_batch_over_what_was_given_up_may_be_torn(size: int) -> None:
    """Nothing of what stood there is taken for a part of it, nor proves it."""
    for seed in range(60):
        follower = with_a_long_batch()
        follower.disk.chance.seed(seed)
        follower.log.prove()
        follower.give_up(10)
        follower.save(HardState(2, 0))
        follower.append([bytes([1]) * size, b"of another leader"])
        follower.disk = follower.disk.lose_power()
        follower.open()
        follower.append([b"and on"])
        follower.sync(beside=True)
        follower.disk = follower.disk.lose_power()
        follower.open()
        follower.verify()


def test_the_segment_that_is_reserved_stays() -> None:
    follower = with_a_long_batch()
    follower.settle(2)
    while not follower.log._upkeep.next_size:
        follower.log.poll(wait=True)
    reserved = follower.disk.files["00000002.segment"]
    follower.give_up(10)
    assert follower.disk.files["00000002.segment"] is reserved
    follower.log.sync()
    front = bytes(follower.disk.files["00000001.segment"].durable[: wal.DATA])
    assert wal.decode_marks(front) == wal.Marks(0, 2, SEGMENT_BYTES)
    while follower.log._header.number == 1:
        follower.append([bytes(MAX_ENTRY_BYTES // 2)])
        follower.sync(beside=True)
    follower.verify()


def test_no_segment_is_reserved_while_a_power_failure_could_tear_the_header_before_it() -> None:
    """Only of the last one nothing needs to be durable."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    follower.save(HardState(1, 0))
    while True:
        follower.append([bytes(MAX_ENTRY_BYTES // 2)])
        if follower.log._header.number == 2:
            break
        follower.sync(beside=True)
    for _ in range(20):
        follower.log.poll(wait=True)
    assert "00000003.segment" not in follower.disk.files
    follower.sync(beside=True)
    for _ in range(20):
        follower.log.poll(wait=True)
    assert "00000003.segment" in follower.disk.files
    follower.verify()


def test_a_log_whose_end_could_not_be_given_up_can_be_closed() -> None:
    """Situation: an entry that stays has been damaged. A start says so too; nothing was changed but `state`."""
    follower = with_a_long_batch()
    while not follower.log._upkeep.next_size:
        follower.log.poll(wait=True)
    segment = follower.disk.files["00000001.segment"]
    segment.cached[segment.cached.index(b"5" * 40)] ^= 1
    before = bytes(segment.cached)
    with pytest.raises(LostData, match="checksum of entry 8 "):
        follower.log.truncate(10)
    follower.log.close()
    assert segment.cached == before
    follower.disk = follower.disk.copy()
    with pytest.raises(LostData, match="checksum of entry 8 "):
        follower.open()


def test_nothing_that_is_committed_is_given_up() -> None:
    follower = aged()
    follower.settle(20)
    with pytest.raises(AssertionError):
        follower.log.truncate(19)
    follower.give_up(20)
    follower.verify()


def test_everything_may_be_given_up() -> None:
    follower = aged()
    follower.give_up(0)
    follower.append([b"another history"])
    follower.sync(beside=False)
    follower.verify()
    follower.disk = follower.disk.lose_power()
    assert follower.open().position.index == 1


def test_what_the_log_goes_on_with_stands_where_the_given_up_entries_stood() -> None:
    follower = aged()
    last = follower.last_index
    follower.give_up(last // 2 - 1)
    follower.save(HardState(2, 0))
    while follower.last_index < last:
        follower.append([bytes(MAX_ENTRY_BYTES // 2)])
        follower.sync(beside=True)
    follower.verify()
    follower.disk = follower.disk.lose_power()
    assert {entry.term for entry in chain.from_iterable(follower.open().pieces())} == {1, 2}


def test_a_sealed_segment_is_compressed_only_when_all_of_it_is_committed() -> None:
    follower = aged()
    disk, log = follower.disk, follower.log
    sealed = log._header.before.index

    def work() -> list[str]:
        for _ in range(40):
            log.poll()
        return [name for name in disk.files if name.endswith(".zst")]

    disk.rest = lambda: False  # type: ignore[method-assign]  # the loop has all the time in the world
    assert work() == []
    follower.settle(sealed - 1)
    assert work() == []
    follower.settle(sealed)
    assert len(work()) == log._header.number - 1
    follower.verify()


def test_a_cut_is_a_promise_until_an_entry_past_it_is_committed() -> None:
    """Situation: the last batch is torn, so a start cuts it, and it may have been acknowledged."""
    follower = Follower(SimulatedDisk(1))
    follower.open()
    follower.save(HardState(1, 0))
    follower.append([b"one"])
    follower.sync(beside=False)
    follower.append([b"two", b"three"])
    end = follower.log._place.offset
    del follower.disk.files["00000001.segment"].cached[end - 300 : end - 200]
    follower.disk.files["00000001.segment"].cached[end - 300 : end - 300] = bytes(100)
    follower.disk = follower.disk.copy()
    log = follower.open()
    assert log.cut is not None
    assert log.promised == log.cut
    assert (log.cut.first_index, log.cut.last_index) == (2, 3)
    follower.settle(1)
    follower.append([b"two of another leader", b"three of another leader"])
    follower.sync(beside=False)
    follower.settle(2)
    assert log.promised == log.cut, "an entry past it is there, and not committed"
    follower.disk = follower.disk.kill()
    assert follower.open().promised == log.cut
    follower.settle(3)
    assert follower.log.promised is None
    follower.save(HardState(2, 0))
    follower.disk = follower.disk.lose_power()
    assert follower.open().promised is None


@pytest.mark.parametrize(
    ("cut", "promised"),
    [
        (Cut(2, 4, 1), (2, 4)),
        (Cut(2, UNKNOWN, 1), (2, None)),
        (Cut(2, 3, 1), (2, 3)),
        (Cut(2, 2, 1), None),  # an entry past it is committed
        (Cut(5, 4, 1), None),  # it held nothing that anybody knows of
    ],
)
def test_what_a_recovery_says_is_lost(cut: Cut, promised: tuple[int, int | None] | None) -> None:
    follower = Follower(SimulatedDisk(1))
    log = follower.open()
    follower.save(HardState(1, 0))
    for payload in (b"one", b"two", b"three", b"four"):
        follower.append([payload])
        follower.sync(beside=False)
        follower.settle(log.position.index - 1)
    log._save_cut(cut)
    node = Node.open(
        follower.disk.kill(),
        clock=ManualClock(),
        segment_bytes=SEGMENT_BYTES,
        max_entry_bytes=MAX_ENTRY_BYTES,
    )
    assert node.commit_index == 2
    assert node.promised == promised


def test_the_commit_index_of_the_last_batch_survives() -> None:
    """Also when the last segment holds no batch yet, or none any more."""
    follower = aged()
    follower.settle(7)
    follower.append([b"x"])
    follower.sync(beside=False)
    follower.disk = follower.disk.kill()
    log = follower.open()
    assert log.commit_index == 7
    follower.settle(8)
    while True:  # to the first batch of the next segment
        follower.append([bytes(MAX_ENTRY_BYTES // 2)])
        follower.sync(beside=False)
        if log._place.number == 2:
            break
    follower.give_up(follower.last_index - 1)
    assert log._place.number == 1
    follower.disk = follower.disk.lose_power()
    assert follower.open().commit_index == 8


def test_a_sync_beside_the_loop_makes_durable_what_was_appended() -> None:
    follower = Follower(SimulatedDisk(3))
    log = follower.open()
    follower.append([b"one"])
    log.start_sync()
    assert log.syncing
    assert log.proven_index == 0
    with pytest.raises(AssertionError):
        log.append([], 0)
    with pytest.raises(AssertionError):
        log.truncate(0)
    follower.disk.sync_may_end = lambda: False
    assert not log.finish_sync()
    follower.disk.sync_may_end = lambda: True
    assert log.finish_sync()
    assert not log.syncing
    assert log.proven_index == 1
    assert not log.finish_sync(), "told once"
    follower.possible = {1}
    follower.disk = follower.disk.lose_power()
    assert [Seen.of(entry) for entry in chain.from_iterable(follower.open().pieces())] == follower.entries
