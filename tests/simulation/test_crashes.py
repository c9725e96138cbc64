"""Power is lost at every operation of many lives; whatever was acknowledged is there afterwards, and nothing
half."""

import pytest
from exchange import (
    Exchange,
    LogFailed,
    crash_again_and_again,
    crash_and_judge,
    fail_and_judge,
    operations_of,
    play,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_disk import SimulatedDisk


@pytest.mark.parametrize("seed", range(8))
def test_a_crash_at_every_operation(seed: int) -> None:
    for crash_at in range(operations_of(seed)):
        crash_and_judge(seed, crash_at)


@settings(max_examples=60)
@given(seed=st.integers(100, 1 << 30), crash_at=st.integers(0, 600), turns=st.integers(1, 30))
def test_a_crash_anywhere_in_any_life(seed: int, crash_at: int, turns: int) -> None:
    crash_and_judge(seed, crash_at, turns)


@pytest.mark.parametrize("seed", range(40))
def test_crashes_during_recovery_from_crashes(seed: int) -> None:
    crash_again_and_again(seed)


@pytest.mark.parametrize("seed", range(150))
def test_any_operation_may_fail(seed: int) -> None:
    fail_and_judge(seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_lives() -> None:
    for seed in range(1_000, 5_000):
        try:
            crash_again_and_again(seed)
            fail_and_judge(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def test_the_lives_meet_what_they_are_for() -> None:
    """Rolls, compression, kills: a life without them would prove little."""
    seen: set[str] = set()
    for seed in range(12):
        exchange = Exchange(SimulatedDisk(seed))

        def note(operation: str, name: str) -> None:
            seen.add(f"{operation} {name.partition('.')[2]}")

        exchange.disk.fail = note
        play(exchange, seed, 14)
        seen.update(f"file {name.partition('.')[2]}" for name in exchange.disk.files)
    assert {"file segment", "file segment.zst", "unlink segment", "rename segment.tmp"} <= seen
    assert {"rename segment.zst.tmp", "rename tmp", "sync segment", "sync_directory "} <= seen


@pytest.mark.parametrize("operation", ["pwrite", "sync"])
def test_a_failed_write_or_sync_ends_the_process_and_is_not_retried(operation: str) -> None:
    """Situation: one write or sync of the log fails, each in turn. Nothing acknowledged is lost, the failed
    operation is the last one, and what only the page cache held is written again at the next start."""
    for at in range(1, 60):
        exchange = Exchange(SimulatedDisk(at))
        count = 0

        def fail(name_of_operation: str, name: str, at: int = at) -> None:
            nonlocal count
            if name_of_operation == operation and name in ("00000001.segment", "00000002.segment", "state"):
                count += 1
                if count == at:
                    raise OSError(5, "Input/output error")

        exchange.open()
        exchange.disk.fail = fail
        try:
            for number in range(12):
                exchange.turn(b"%d" % number * 150)
            continue
        except LogFailed:
            pass
        assert exchange.node is not None
        done = exchange.disk.operations
        assert not exchange.node.accepting
        with pytest.raises(LogFailed):
            exchange.node.turn()
        assert exchange.disk.operations == done, "something was tried after the failure"
        exchange.disk = exchange.disk.kill()
        exchange.open()  # what is whole in the cache is taken up ...
        exchange.disk = exchange.disk.lose_power()
        exchange.open()  # ... and had been made durable by then
