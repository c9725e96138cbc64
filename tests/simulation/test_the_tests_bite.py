"""Deliberately broken logs: each of them must be found by one of the tests beside this file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import test_crashes
import test_damage
import test_renewal
import test_truncation
from exchange import Violation, crash_and_judge, operations_of
from simulated_disk import SimulatedDisk, SimulatedFile

from replication import log as log_module
from replication import recovery, scanning, truncation, wal
from replication.files import Disk, LogError, LostData
from replication.log import Log
from replication.state import State, write_state_of
from replication.upkeep import Upkeep

FOUND = (AssertionError, Violation, LogError, pytest.fail.Exception)


@contextmanager
def acknowledge_before_the_sync() -> Iterator[None]:
    def pretend(log: Log) -> None:
        log.proven_index = log.position.index

    with patch.object(Log, "sync", pretend):
        yield


@contextmanager
def no_directory_sync() -> Iterator[None]:
    with patch.object(SimulatedDisk, "sync_directory", lambda disk: None):
        yield


@contextmanager
def remove_the_raw_segment_before_its_compressed_name_is_durable() -> Iterator[None]:
    honest = SimulatedDisk.sync_directory

    def forgetful(disk: SimulatedDisk) -> None:
        if not any(new.endswith(".zst") for new, _, _ in disk.pending_names):
            honest(disk)

    with patch.object(SimulatedDisk, "sync_directory", forgetful):
        yield


@contextmanager
def no_second_header_copy() -> Iterator[None]:
    honest = wal.encode_batch

    def once(*args: Any) -> Any:
        batch, entries, after = honest(*args)
        return batch[: -wal.BATCH_BYTES] + bytes(wal.BATCH_BYTES), entries, after

    with patch.object(wal, "encode_batch", once):
        yield


@contextmanager
def cut_whatever_does_not_read() -> Iterator[None]:
    honest = recovery.judge_end

    def careless(
        path: str, data: bytes, place: wal.Place, bad: wal.Bad | None
    ) -> tuple[bool, wal.Cut | None]:
        try:
            return honest(path, data, place, bad)
        except LostData:
            index = place.position.index
            return True, wal.Cut(index + 1, index, 0)

    with patch.object(recovery, "judge_end", careless):
        yield


@contextmanager
def trust_the_cache_after_a_failed_sync() -> Iterator[None]:
    with patch.object(Log, "_adopt", lambda log, data, tail: None):
        yield


@contextmanager
def no_proof_after_a_sync() -> Iterator[None]:
    with patch.object(wal, "encode_proof", lambda number, position: b""):
        yield


@contextmanager
def do_not_note_the_reserved_segment() -> Iterator[None]:
    with patch.object(wal, "encode_successor", lambda number, size: b""):
        yield


@contextmanager
def give_up_without_saying_so_first() -> Iterator[None]:
    def silent(disk: Disk, state: State) -> State:
        return write_state_of(disk, state._replace(stays=None))

    with patch.object(log_module, "write_state_of", silent):
        yield


@contextmanager
def go_on_giving_up_what_only_the_cache_says() -> Iterator[None]:
    honest = Log._write_state

    def lazy(log: Log, state: State) -> None:
        if state != log._state:
            honest(log, state)

    with patch.object(Log, "_write_state", lazy):
        yield


@contextmanager
def remove_the_compressed_segment_before_the_raw_name_is_durable() -> Iterator[None]:
    honest = SimulatedDisk.sync_directory

    def forgetful(disk: SimulatedDisk) -> None:
        if not any(
            new.endswith(".segment") and f"{new}.zst" in disk.files for new, _, _ in disk.pending_names
        ):
            honest(disk)

    with patch.object(SimulatedDisk, "sync_directory", forgetful):
        yield


@contextmanager
def write_both_headers_of_a_shortened_batch_before_a_sync() -> Iterator[None]:
    honest = SimulatedFile.sync

    def forgetful(file: SimulatedFile) -> None:
        if not any(len(data or b"") == MARKS_BYTES for _, data in file._inode.pending[-1:]):
            honest(file)

    with patch.object(SimulatedFile, "sync", forgetful):
        yield


MARKS_BYTES = wal.DATA - wal.SEGMENT_BYTES  # what is zeroed with the first header


@contextmanager
def leave_the_marks_of_what_is_given_up() -> Iterator[None]:
    def zeros(size: int) -> bytes:
        return b"" if size == MARKS_BYTES else bytes(size)

    with patch.object(truncation, "bytes", zeros, create=True):
        yield


@contextmanager
def leave_what_follows_a_shortened_batch() -> Iterator[None]:
    def zeros(size: int) -> bytes:
        return bytes(size) if size == MARKS_BYTES else b""

    with patch.object(truncation, "bytes", zeros, create=True):
        yield


@contextmanager
def call_what_precedes_a_shortened_batch_committed() -> Iterator[None]:
    class Bold:
        def __getattr__(self, name: str) -> Any:
            return getattr(wal, name)

        def encode_batch(self, place: wal.Place, proposals: Any, commit_index: int) -> Any:
            return wal.encode_batch(place, proposals, place.position.index)

    with patch.object(truncation, "wal", Bold()):
        yield


@contextmanager
def compress_what_may_be_given_up() -> Iterator[None]:
    with patch.object(Upkeep, "may_compress", lambda upkeep, header, commit_index: True):
        yield


@contextmanager
def forget_a_promise_that_is_only_present() -> Iterator[None]:
    honest = Log.settle

    def hasty(log: Log, commit_index: int) -> None:
        honest(log, commit_index)
        if log.promised is not None and log.promised.last_index <= log.position.index:
            log._state = log._state._replace(cut=None)

    with patch.object(Log, "settle", hasty):
        yield


@contextmanager
def take_a_sync_that_was_begun_for_done() -> Iterator[None]:
    def pretend(log: Log) -> bool:
        log.syncing = False
        log.proven_index = log.position.index
        return True

    with patch.object(Log, "finish_sync", pretend), patch.object(SimulatedDisk, "begin_sync"):
        yield


class Anything(int):
    """A checksum that agrees with every other."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


@contextmanager
def no_checksums() -> Iterator[None]:
    honest = scanning.decode_batch

    def blind(*args: object, verify: bool) -> object:
        with patch.object(wal, "crc32c", lambda data: Anything(0)):
            return honest(*args, verify=False)  # type: ignore[arg-type]

    with patch.object(scanning, "decode_batch", blind):
        yield


def crashes() -> None:
    for seed in range(8):
        for crash_at in range(operations_of(seed)):
            crash_and_judge(seed, crash_at)


def crashes_of_followers() -> None:
    for seed in range(8):
        test_truncation.test_a_crash_at_every_operation_of_a_follower(seed)


def pairs_of_crashes() -> None:
    test_truncation.test_a_kill_and_then_a_loss_of_power_at_every_pair_of_operations(29)


def torn_batches() -> None:
    test_truncation.test_whatever_is_torn_while_a_batch_is_shortened_its_beginning_is_there(10)


def flips() -> None:
    for name in (test_damage.LAST, test_damage.FILES[0]):
        test_damage.test_a_flipped_byte_is_reported(name)


def failed_syncs() -> None:
    test_crashes.test_a_failed_write_or_sync_ends_the_process_and_is_not_retried("sync")


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (acknowledge_before_the_sync, crashes),
        (no_directory_sync, crashes),
        (remove_the_raw_segment_before_its_compressed_name_is_durable, crashes),
        (no_second_header_copy, test_damage.test_damage_to_an_unproven_last_batch_keeps_its_promise),
        (cut_whatever_does_not_read, flips),
        (no_checksums, flips),
        (no_proof_after_a_sync, flips),
        (trust_the_cache_after_a_failed_sync, failed_syncs),
        (do_not_note_the_reserved_segment, test_damage.test_the_last_two_segments_are_missed_too),
        (give_up_without_saying_so_first, crashes_of_followers),
        (
            go_on_giving_up_what_only_the_cache_says,
            pairs_of_crashes,
        ),
        (
            remove_the_compressed_segment_before_the_raw_name_is_durable,
            test_renewal.test_a_crash_at_every_operation_of_a_repair_that_unpacks_a_segment,
        ),
        (write_both_headers_of_a_shortened_batch_before_a_sync, torn_batches),
        (leave_the_marks_of_what_is_given_up, crashes_of_followers),
        (leave_what_follows_a_shortened_batch, crashes_of_followers),
        (call_what_precedes_a_shortened_batch_committed, crashes_of_followers),
        (take_a_sync_that_was_begun_for_done, crashes_of_followers),
        (
            compress_what_may_be_given_up,
            test_truncation.test_a_sealed_segment_is_compressed_only_when_all_of_it_is_committed,
        ),
        (
            forget_a_promise_that_is_only_present,
            test_truncation.test_a_cut_is_a_promise_until_an_entry_past_it_is_committed,
        ),
    ],
    ids=lambda item: item.__name__,
)
def test_a_broken_log_is_found(broken: Callable[[], Iterator[None]], test: Callable[[], None]) -> None:
    test_damage.aged.cache_clear()
    try:
        with broken(), pytest.raises(FOUND):  # type: ignore[attr-defined]
            test()
    finally:
        test_damage.aged.cache_clear()
