"""Damage to the log, seen from outside: `serve` and `replay` name file and offset, end with 1, and change nothing."""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient

from gateway import inputs
from gateway.config_file import load
from replication import scanning, wal
from replication.disk import RealDisk, read_log
from replication.messages import Proposal
from replication.node import Node

SEGMENT_BYTES = 64 << 10


class Clock:
    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def make_log(directory: Path) -> None:
    """Segments 1 and 2 compressed, 3 sealed and raw, 4 in use, 5 reserved; ended cleanly."""
    node = Node.open(
        RealDisk(str(directory)), clock=Clock(), segment_bytes=SEGMENT_BYTES, max_entry_bytes=16 << 10
    )
    node.turn()
    node.propose(b"".join(load(None).genesis))
    node.turn()
    log = node._log
    while log._header.number < 4 or log._place.number < 3:
        node.propose(inputs.timer() * 100)
        node.turn()
        while log._upkeep.next_size == 0 or (log._upkeep.sealed and log._header.number < 4):
            node.turn()
            time.sleep(0.001)
        if log._header.number == 3:
            log._upkeep.compress_retry_ns = 1 << 62
    node.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two logs of the same shape."""
    one, two = (tmp_path_factory.mktemp("logs") / name for name in ("one", "two"))
    make_log(one)
    make_log(two)
    return one, two


def patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def truncate(log: Path, other: Path) -> str:
    os.truncate(log / "00000003.segment", 20_000)
    return "00000003.segment"


def truncate_compressed(log: Path, other: Path) -> str:
    path = log / "00000002.segment.zst"
    os.truncate(path, path.stat().st_size - 1)
    return path.name


def truncate_reserved(log: Path, other: Path) -> str:
    os.truncate(log / "00000005.segment", 512)
    return "00000005.segment"


def delete(log: Path, other: Path) -> str:
    (log / "00000002.segment.zst").unlink()
    return "00000002.segment"


def delete_last(log: Path, other: Path) -> str:
    (log / "00000004.segment").unlink()
    return "00000004.segment"


def swap(log: Path, other: Path) -> str:
    three, four = log / "00000003.segment", log / "00000004.segment"
    three.rename(log / "x")
    four.rename(three)
    (log / "x").rename(four)
    return r"0000000[34]\.segment"


def take_from_another_log(log: Path, other: Path) -> str:
    shutil.copy(other / "00000003.segment", log)
    return "00000003.segment"


def take_the_first_from_another_log(log: Path, other: Path) -> str:
    shutil.copy(other / "00000001.segment.zst", log)
    return "00000001.segment.zst"


def zero_a_page(log: Path, other: Path) -> str:
    patch(log / "00000003.segment", 12_288, bytes(4096))
    return "00000003.segment"


def zero_the_last_page(log: Path, other: Path) -> str:
    data = (log / "00000004.segment").read_bytes().rstrip(b"\0")
    patch(log / "00000004.segment", len(data) // 4096 * 4096, bytes(4096))
    return "00000004.segment"


def garbage(log: Path, other: Path) -> str:
    patch(log / "00000003.segment", 9_000, random.Random(1).randbytes(5_000))
    return "00000003.segment"


def garbage_behind_the_end(log: Path, other: Path) -> str:
    with (log / "00000003.segment").open("ab") as file:
        file.write(b"garbage")
    return "00000003.segment"


def state_of_another_log(log: Path, other: Path) -> str:
    shutil.copy(other / "state", log)
    return r"(state|0000000\d.segment)"


def no_state(log: Path, other: Path) -> str:
    (log / "state").unlink()
    return "state"


def a_segment_too_many(log: Path, other: Path) -> str:
    shutil.copy(log / "00000005.segment", log / "00000009.segment")
    return r"0000000\d.segment"


def segment_zero(log: Path, other: Path) -> str:
    (log / "00000000.segment").write_bytes(b"what is this")
    return "00000000.segment"


def contents(directory: Path) -> dict[str, bytes]:
    """The term, the vote, and every batch."""
    return {
        path.name: path.read_bytes()[wal.DATA if path.suffix == ".segment" else 0 :].rstrip(b"\0")
        for path in sorted(directory.iterdir())
        if path.name == "state" or path.name.endswith((".segment", ".segment.zst"))
    }


def must_fail(exchange: ExchangeProcess, damaged: str, *commands: str) -> None:
    for command in commands:
        before = contents(exchange.data)
        arguments = ["--config", str(exchange.directory / "config.toml"), "--data", str(exchange.data)]
        if command == "replay":
            arguments = [str(exchange.data), "--verify"]
        ended = exchange.run(command, *arguments)
        assert ended.returncode == 1, (command, ended.stdout, ended.stderr)
        assert re.search(rf"{re.escape(str(exchange.data))}/{damaged}(\.zst)?, offset \d+: ", ended.stderr), (
            command,
            ended.stderr,
        )
        assert "Traceback" not in ended.stderr
        assert contents(exchange.data) == before, "the log was changed"


def on_a_copy(tmp_path: Path, log: Path) -> ExchangeProcess:
    shutil.copytree(log, tmp_path / "data")
    return ExchangeProcess(tmp_path, config=CONFIG)


def test_whole_it_is_read_and_served(tmp_path: Path, logs: tuple[Path, Path]) -> None:
    """Files of other names, and what a crash left unfinished, are no damage."""
    exchange = on_a_copy(tmp_path, logs[0])
    for name in ("notes.txt", "00000001.segment.zst.tmp", "5.segment", "old.segment", "core"):
        (exchange.data / name).write_bytes(b"unfinished")
    (exchange.data / "subdirectory").mkdir()
    ended = exchange.run("replay", str(exchange.data), "--verify")
    assert ended.returncode == 0, ended.stderr
    assert "unfinished" not in ended.stdout
    with exchange:
        assert exchange.stop() == 0
    assert exchange.run("replay", str(exchange.data), "--verify").returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        truncate, truncate_compressed, truncate_reserved, delete, delete_last, swap, take_from_another_log,
        take_the_first_from_another_log, zero_a_page, zero_the_last_page, garbage, garbage_behind_the_end,
        state_of_another_log, no_state, a_segment_too_many, segment_zero,
    ],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_damage_is_reported(
    tmp_path: Path, logs: tuple[Path, Path], damage: Callable[[Path, Path], str]
) -> None:
    exchange = on_a_copy(tmp_path, logs[0])
    damaged = damage(exchange.data, logs[1])
    must_fail(exchange, damaged, "replay", "serve")


def wait_for_proof(segment: Path, index: int) -> None:
    wait_until(lambda: wal.decode_marks(segment.read_bytes()[: wal.DATA]).proven_index >= index)


def last_batch(segment: Path) -> wal.BatchHeader:
    return max(scanning.batch_headers(segment.read_bytes(), wal.DATA), key=lambda batch: batch.number)


def trade(exchange: ExchangeProcess) -> FixClient:
    """Its order has been acknowledged, and it stays connected."""
    alice = FixClient("tcp", exchange.port("fix_tcp"), "ALICE")
    alice.logon(heartbeat=0)
    alice.send_bytes(alice.order("a1", "buy", 5, "10.00"))
    assert alice.expect("8")[150] == "0"
    return alice


@pytest.mark.parametrize("what", ["entry", "header", "second header", "zeros between"])
def test_a_last_batch_that_rots_after_a_kill_is_lost_data(tmp_path: Path, what: str) -> None:
    """Situation: an order was acknowledged, then nothing happened, then kill -9: the last batch is the order's.

    Script: one byte of it rots. Outcome: nothing is cut; start and replay say what is lost, and where.
    """
    with ExchangeProcess(tmp_path) as exchange:
        segment = exchange.data / "00000001.segment"
        with trade(exchange):
            batch = last_batch(segment)
            wait_for_proof(segment, batch.last_index)
            assert last_batch(segment) == batch
            exchange.kill()
        end = batch.offset + wal.BATCH_BYTES + batch.length
        at = {
            "entry": batch.offset + wal.BATCH_BYTES + 70,
            "header": batch.offset + 30,
            "second header": wal.second_header(end) + 20,
            "zeros between": end,
        }[what]
        patch(segment, at, bytes([segment.read_bytes()[at] ^ 0x20]))
        must_fail(exchange, segment.name, "serve", "replay")


def test_a_torn_batch_is_cut_and_told(tmp_path: Path) -> None:
    """What a killed write leaves: the beginning of a batch that nobody was told of."""
    with ExchangeProcess(tmp_path) as exchange:
        segment = exchange.data / "00000001.segment"
        trade(exchange).close()
        exchange.stop()
        last = last_batch(segment)
        entry = list(read_log(str(exchange.data)))[-1]
        end = wal.second_header(last.offset + wal.BATCH_BYTES + last.length) + wal.BATCH_BYTES
        place = wal.Place(
            wal.Position(entry.index, entry.term, entry.timestamp_ns, entry.chain_hash), last.number + 1, end
        )
        proposal = Proposal(entry.index + 1, entry.term, entry.timestamp_ns, (bytes(range(256)) * 20,))
        torn = wal.encode_batch(place, [proposal], entry.index)[0][:4096]
        patch(segment, end, torn)
        told = f"entries {entry.index + 1} to {entry.index + 1}"
        replayed = exchange.run("replay", str(exchange.data), "--verify")
        assert replayed.returncode == 0
        assert re.search(
            rf"^unfinished +{re.escape(str(segment))}, offset \d+: {told} ", replayed.stdout, re.M
        )
        exchange.start()
        assert any(told in line and "cut off" in line for line in exchange.output)
        assert told in (exchange.data / "trace.jsonl").read_text()
        exchange.stop()
        replayed = exchange.run("replay", str(exchange.data), "--verify")
        assert replayed.returncode == 0
        assert "unfinished" not in replayed.stdout


@pytest.mark.parametrize("command", ["replay", "serve"])
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, logs: tuple[Path, Path], command: str) -> None:
    exchange = on_a_copy(tmp_path, logs[0])
    (exchange.directory / "config.toml").write_text(CONFIG)
    (exchange.data / "00000003.segment").chmod(0)
    arguments = exchange.command[3:] if command == "serve" else ["replay", str(exchange.data)]
    wrapper = []
    if os.geteuid() == 0:  # who may read everything, unless that is taken away
        wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
    ended = subprocess.run(
        [*wrapper, *exchange.command[:3], *arguments],
        capture_output=True, text=True, timeout=60, env=exchange.environment, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert f"{exchange.data}/00000003.segment: Permission denied" in ended.stderr
    assert "Traceback" not in ended.stderr
