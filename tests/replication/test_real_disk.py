"""The log on a real directory: what only real files, processes and threads show."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zstandard

from replication import wal
from replication.disk import RealDisk, read_log
from replication.files import LogDamaged, LogError, LogInUse, LogUnavailable
from replication.node import Node

SEGMENT_BYTES = 64 * 1024
MAX_ENTRY_BYTES = 16 * 1024


class SystemClock:
    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


def start(directory: Path) -> Node:
    return Node.open(
        RealDisk(str(directory)),
        clock=SystemClock(),
        segment_bytes=SEGMENT_BYTES,
        max_entry_bytes=MAX_ENTRY_BYTES,
    )


def test_what_was_acknowledged_is_there_again(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    expected: list[tuple[int, bytes, bytes]] = []
    for life in range(3):
        node = start(directory)
        assert [(e.index, bytes(e.payload), e.chain_hash) for e in node.committed(1)] == expected
        assert node.accepting
        for number in range(100):
            node.propose(b"%d.%d " % (life, number) * 100)
            node.propose(memoryview(b"and this"))
            expected += [(e.index, bytes(e.payload), e.chain_hash) for e in node.turn()]
        assert node.queued_bytes == 0
        assert node.term == life + 1
        assert (node.last_index, node.chain_hash) == (expected[-1][0], expected[-1][2])
        node.close()
    assert [(e.index, bytes(e.payload), e.chain_hash) for e in read_log(str(directory))] == expected
    assert expected[1][1].endswith(b"and this")


def test_from_index_gives_the_rest(tmp_path: Path) -> None:
    node = start(tmp_path)
    for _ in range(5):
        node.propose(b"x")
        node.turn()
    assert [entry.index for entry in node.committed(4)] == [4, 5, 6]
    assert list(node.committed(7)) == []
    node.close()


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    node = start(tmp_path)
    script = (
        "import sys; from replication.disk import RealDisk; from replication.files import LogInUse\n"
        "try: RealDisk(sys.argv[1]).lock()\n"
        "except LogInUse as refused: print(refused)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"in use by process {os.getpid()}" in told
    assert str(tmp_path) in told
    with pytest.raises(LogInUse):
        start(tmp_path)
    node.close()
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == ""


def test_too_much_for_one_entry_goes_into_the_next_and_is_never_cut(tmp_path: Path) -> None:
    node = start(tmp_path)
    node.turn()
    for letter in b"abc":
        node.propose(bytes([letter]) * (MAX_ENTRY_BYTES // 2 + 1))
    payloads = [bytes(entry.payload) for _ in range(4) for entry in node.turn()]
    assert payloads == [bytes([letter]) * (MAX_ENTRY_BYTES // 2 + 1) for letter in b"abc"]
    with pytest.raises(ValueError, match="at most 16384"):
        node.propose(bytes(MAX_ENTRY_BYTES + 1))
    node.close()


def test_a_segment_that_cannot_hold_an_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Node.open(
            RealDisk(str(tmp_path)), clock=SystemClock(), segment_bytes=1 << 20, max_entry_bytes=1 << 20
        )


def test_segments_may_become_larger_or_smaller(tmp_path: Path) -> None:
    written: list[bytes] = []
    for segment_bytes in (SEGMENT_BYTES, 4 * SEGMENT_BYTES, SEGMENT_BYTES // 2):
        disk = RealDisk(str(tmp_path))
        node = Node.open(
            disk, clock=SystemClock(), segment_bytes=segment_bytes, max_entry_bytes=segment_bytes // 3
        )
        for _ in range(8):
            node.propose(bytes(segment_bytes // 3))
            written += [entry.chain_hash for entry in node.turn()]
        assert node.queued_bytes == 0
        node.close()
    assert [entry.chain_hash for entry in read_log(str(tmp_path))] == written


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LogUnavailable, match=f"{tmp_path}/file.*permissions"):
            RealDisk(str(path))
    with pytest.raises(LogUnavailable, match="No such file"):
        list(read_log(str(tmp_path / "nothing")))


def test_no_log_is_not_an_empty_log(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no log here"):
        list(read_log(str(tmp_path)))


def test_a_running_log_is_read_without_a_lock(tmp_path: Path) -> None:
    """A writer appends, begins segments and compresses them; readers see a growing beginning of the log, verified,
    and never an alarm."""
    node = start(tmp_path)
    node.turn()
    written: list[bytes] = [node.chain_hash]
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            node.propose(b"%d " % number * (1 + number % 2000))
            written.extend(entry.chain_hash for entry in node.turn())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        last = 0
        while sum(name.endswith(".zst") for name in os.listdir(tmp_path)) < 20:
            sure = len(written)
            read = [entry.chain_hash for entry in read_log(str(tmp_path))]
            assert len(read) >= max(sure, last)
            last = len(read)
    finally:
        stop.set()
        writer.join()
    node.close()
    assert [entry.chain_hash for entry in read_log(str(tmp_path))] == written


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    node = start(tmp_path)
    for _ in range(50):
        node.propose(bytes(8000))
        node.turn()
    node.close()
    reading = read_log(str(tmp_path))
    next(reading)
    reading.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "log-reader"]


def test_a_copy_of_a_killed_log_is_the_log(tmp_path: Path) -> None:
    script = (
        "import os, sys, test_real_disk as log; node = log.start(log.Path(sys.argv[1]))\n"
        "for number in range(20): node.propose(b'%d' % number * 2000); node.turn()\n"
        "print(node.last_index, node.chain_hash.hex(), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "one")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    assert killed.returncode == -9, killed.stderr
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    other = start(tmp_path / "two")
    assert killed.stdout.split() == [str(other.last_index), other.chain_hash.hex()]
    assert other.cut is None
    other.close()


def test_damage_names_file_and_offset(tmp_path: Path) -> None:
    node = start(tmp_path)
    for number in range(20):
        node.propose(b"%d " % number * 500)
        node.turn()
    node.close()
    segment = tmp_path / "00000001.segment"
    data = bytearray(segment.read_bytes())
    at = data.index(b"3 3 3 ")
    data[at] ^= 1
    segment.write_bytes(data)
    for look in (lambda: list(read_log(str(tmp_path))), lambda: start(tmp_path)):
        with pytest.raises(LogDamaged) as raised:
            look()
        assert raised.value.path == str(segment)
        assert 0 < at - raised.value.offset < 200
        assert "No entry was changed" in str(raised.value)


def test_a_compressed_segment_unpacks_with_the_zstd_tool_to_its_batches(tmp_path: Path) -> None:
    node = start(tmp_path)
    while node._log._header.number == 1:
        node.propose(b"compressible " * 300)
        node.turn()
    while not (tmp_path / "00000001.segment.zst").exists():
        node.turn()  # and let it: a log in a hurry puts compression off
    node.close()
    packed = (tmp_path / "00000001.segment.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as stream:
        data = stream.read()
    header = wal.decode_batch_header(data, 0)
    assert header is not None
    assert (header.number, header.first_index, header.offset) == (1, 1, wal.DATA)
