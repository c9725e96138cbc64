"""The bytes on disk are those of docs/log-format.md, read here with nothing but that page in hand."""

import hashlib
import re
import struct
import time
from pathlib import Path

import google_crc32c

from replication import archive, wal
from replication.disk import RealDisk
from replication.node import Node
from replication.state import STATE

PAGE = (Path(__file__).parents[2] / "docs" / "log-format.md").read_text()


class SystemClock:
    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def table(heading: str) -> dict[str, tuple[int, int]]:
    """field -> (offset, bytes) of the table under a heading."""
    text = re.split(r"\n#+ ", PAGE.split(heading, 1)[1], maxsplit=1)[0]
    rows = re.findall(r"^\| (\d+) \| (\d+|n) \| ([^|]+?) \|", text, re.M)
    return {field: (int(at), 0 if size == "n" else int(size)) for at, size, field in rows}


def number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def test_a_log_reads_as_the_page_says(tmp_path: Path) -> None:
    node = Node.open(
        RealDisk(str(tmp_path)), clock=SystemClock(), segment_bytes=1 << 16, max_entry_bytes=1 << 10
    )
    node.turn()
    node.propose(b"thirteen byte")
    (entry,) = node.turn()
    node.close()
    data = (tmp_path / "00000001.segment").read_bytes()
    head = table("### Segment header")
    assert data[4:8] == b"QBsg"
    assert number(data, *head["bytes of the whole file"]) == len(data)
    cluster_at, size = head["cluster id"]
    cluster = data[cluster_at : cluster_at + size]
    chain = hashlib.sha256(b"quorumbook log " + cluster).digest()
    hash_at = head["its hash"][0]
    assert data[hash_at : hash_at + 32] == chain
    assert number(data, 0, 4) == google_crc32c.value(data[4 : hash_at + 32])

    batch, fields = table("### Batch header"), table("### Entry")
    at = 8192
    for index, payload in ((1, b""), (2, b"thirteen byte")):
        assert data[at + 4 : at + 8] == b"QBba"
        assert number(data, at, 4) == google_crc32c.value(data[at + 4 : at + 120])
        assert number(data, at + 16, 8) == at
        commit_at, size = next(where for what, where in batch.items() if what.startswith("commit: "))
        assert number(data, at + commit_at, size) == index - 1
        start = at + 120
        length = number(data, start + fields["bytes of payload"][0], 4)
        begin = start + fields["payload, then zeros to a multiple of 8"][0]
        end = begin + length + -length % 8
        assert data[begin:end].rstrip(b"\0") == payload
        timestamp = struct.unpack_from("<q", data, start + 24)[0]
        assert number(data, start, 4) == google_crc32c.value(data[start + 4 : end])
        chain = hashlib.sha256(chain + struct.pack("<QQq", index, 1, timestamp) + payload).digest()
        assert data[start + 32 : start + 64] == chain
        copy = end + -end % 512
        assert not any(data[end:copy])
        assert data[at : at + 120] == data[copy : copy + 120], "the second copy"
        at = copy + 120
    assert chain == entry.chain_hash
    assert not any(data[at:])
    proof = data[4096:][:64]
    assert proof[4:8] == b"QBpr"
    assert proof[32:64] == chain

    state = (tmp_path / "state").read_bytes()
    fields = table("## state")
    assert number(state, *fields["term"]) == 1
    assert number(state, *fields["vote (member id, 0 = none)"]) == 1
    assert state[20:36] == cluster


def test_the_page_gives_the_sizes_the_program_uses() -> None:
    def end(heading: str) -> int:
        return max(at + size for at, size in table(heading).values())

    assert end("### Segment header") == wal.SEGMENT_BYTES
    assert end("### Batch header") == wal.BATCH_BYTES
    assert end("### Entry") == wal.ENTRY_BYTES
    assert end("## state") == wal.CRC.size + STATE.size
    assert f"0x{archive.HEAD_MAGIC:X}" in PAGE
    assert f"0x{archive.BLOCK_MAGIC:X}" in PAGE
