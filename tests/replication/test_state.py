"""The file `state`: whose directory it is, and the format before this one."""

import time
from pathlib import Path

import pytest

from replication import wal
from replication.disk import RealDisk
from replication.files import LogDamaged, LogError
from replication.log import Log
from replication.messages import HardState
from replication.state import (
    STATE_1,
    STATE_2,
    STATE_3,
    STATE_MAGIC,
    State,
    check_state,
    decode_state,
    encode_state,
)

CLUSTER = bytes(range(16))


class SystemClock:
    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def start(directory: Path, cluster: bytes | None = None) -> tuple[bytes, bytes, int]:
    """Opens the log and closes it; its cluster, directory, and number of starts."""
    disk = RealDisk(str(directory))
    try:
        disk.lock()
        log = Log.open(disk, SystemClock(), 1 << 16, cluster)
        log.count_start()
        log.close()
        assert check_state(disk)._replace(sequence=0) == log._state._replace(sequence=0)
        return log.cluster, log.directory, log.starts
    finally:
        disk.close()


def test_a_directory_knows_itself_and_counts_its_starts(tmp_path: Path) -> None:
    cluster, directory, starts = start(tmp_path / "one")
    assert any(cluster)
    assert any(directory)
    assert starts == 1
    assert start(tmp_path / "one") == (cluster, directory, 2)
    assert start(tmp_path / "one", cluster) == (cluster, directory, 3)
    other, elsewhere, starts = start(tmp_path / "two", CLUSTER)
    assert other == CLUSTER
    assert elsewhere != directory
    assert starts == 1


def test_a_directory_of_another_cluster_is_refused_with_both_names(tmp_path: Path) -> None:
    cluster, _, _ = start(tmp_path)
    before = (tmp_path / "state").read_bytes()
    with pytest.raises(LogError, match=f"{cluster.hex()}.*{CLUSTER.hex()}"):
        start(tmp_path, CLUSTER)
    assert (tmp_path / "state").read_bytes() == before
    assert start(tmp_path, cluster)[2] == 2


def slots_of_version_3(cluster: bytes) -> bytes:
    record = STATE_3.pack(STATE_MAGIC, 3, 7, cluster, 3, 1, 5, 6, 2, b"d" * 16, 9, 0, 0)
    return wal.sealed(record).ljust(wal.SECTOR, b"\0") * 2


def test_the_state_of_format_version_3_is_read_and_written_again(tmp_path: Path) -> None:
    cluster, _, _ = start(tmp_path)
    (tmp_path / "state").write_bytes(slots_of_version_3(cluster))
    state = check_state(RealDisk(str(tmp_path)))
    assert (state.hard, state.cut, state.starts) == (HardState(3, 1), wal.Cut(5, 6, 2), 9)
    assert start(tmp_path) == (cluster, b"d" * 16, 10)


def slots_of_version_2(cluster: bytes) -> bytes:
    record = STATE_2.pack(STATE_MAGIC, 2, 7, cluster, 3, 1, 5, 6, 2, b"d" * 16, 9, 0)
    return wal.sealed(record).ljust(wal.SECTOR, b"\0") * 2


def test_the_state_of_format_version_2_is_read_and_written_again(tmp_path: Path) -> None:
    cluster, _, _ = start(tmp_path)
    (tmp_path / "state").write_bytes(slots_of_version_2(cluster))
    state = check_state(RealDisk(str(tmp_path)))
    assert (state.hard, state.cut, state.starts, state.renews) == (HardState(3, 1), wal.Cut(5, 6, 2), 9, None)
    assert start(tmp_path) == (cluster, b"d" * 16, 10)


def slots_of_version_1(cluster: bytes, version: int = 1) -> bytes:
    record = STATE_1.pack(STATE_MAGIC, version, 7, cluster, 3, 1, 5, 6, 2)
    return wal.sealed(record).ljust(wal.SECTOR, b"\0") * 2


def test_the_state_of_format_version_1_is_read_and_written_again(tmp_path: Path) -> None:
    cluster, _, _ = start(tmp_path)
    (tmp_path / "state").write_bytes(slots_of_version_1(cluster))
    state = check_state(RealDisk(str(tmp_path)))
    assert (state.hard, state.cut) == (HardState(3, 1), wal.Cut(5, 6, 2))
    assert (state.stays, state.starts) == (None, 0)
    _, directory, starts = start(tmp_path)
    assert any(directory)
    assert starts == 1
    assert start(tmp_path) == (cluster, directory, 2)
    state = check_state(RealDisk(str(tmp_path)))
    assert (state.hard, state.cut) == (HardState(3, 1), wal.Cut(5, 6, 2))


def test_the_state_of_a_later_format_is_refused(tmp_path: Path) -> None:
    cluster, _, _ = start(tmp_path)
    (tmp_path / "state").write_bytes(slots_of_version_1(cluster, version=5))
    with pytest.raises(LogDamaged, match="version 5"):
        start(tmp_path)


@pytest.mark.parametrize("stays", [None, 0, 1, 1 << 40])
def test_what_stays_is_kept(stays: int | None) -> None:
    given_up = State(1, CLUSTER, HardState(1, 1), None, bytes(16), 0, stays)
    for state in (given_up, given_up._replace(stays=None, renews=stays)):
        assert decode_state(encode_state(state).ljust(2 * wal.SECTOR, b"\0")) == state


CUTS = [wal.Cut(5, 6, 2), wal.Cut(5, 6, 2, durable=True), wal.Cut(5, wal.UNKNOWN, wal.UNKNOWN, durable=True)]


@pytest.mark.parametrize("cut", CUTS)
def test_what_was_cut_is_kept(cut: wal.Cut) -> None:
    state = State(1, CLUSTER, HardState(1, 1), cut, bytes(16), 0, None)
    assert decode_state(encode_state(state).ljust(2 * wal.SECTOR, b"\0")) == state


@pytest.mark.parametrize(
    ("known", "cut", "both"),
    [
        (None, wal.Cut(5, 6, 2), wal.Cut(5, 6, 2)),
        (wal.Cut(5, 9, 2), wal.Cut(3, 4, 3), wal.Cut(3, 4, 3)),
        (wal.Cut(5, 9, 2, durable=True), wal.Cut(3, 4, 3), wal.Cut(3, 4, 3, durable=True)),
        (wal.Cut(3, 4, 3), wal.Cut(5, 9, 2, durable=True), wal.Cut(3, 4, 3, durable=True)),
        (wal.Cut(5, 9, 2, durable=True), CUTS[2], CUTS[2]),
        (CUTS[2], wal.Cut(5, 9, 2, durable=True), CUTS[2]),
    ],
)
def test_two_cuts_promise_no_less_than_either(known: wal.Cut | None, cut: wal.Cut, both: wal.Cut) -> None:
    assert wal.joined(known, cut) == both
