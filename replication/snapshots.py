"""Snapshots: files beside the log, each the application's state after one entry, and what the log was up to there.

What the state is, the application knows; here it is bytes. The same entries give the same file, byte for byte, at every
member. docs/snapshot-format.md has the byte tables.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import zstandard

from replication import membership, wal
from replication.files import Disk, File, LogDamaged
from replication.membership import Membership
from replication.messages import Entry
from replication.segments import TEMPORARY

SNAPSHOT_NAME = re.compile(r"snapshot-(\d{20})")
PART_NAME = re.compile(r"snapshot-(\d{20})\.([0-9a-f]{16})\.part")  # one that comes from another member
KEPT = 2  # the newest are kept
VERSION = 1
MAGIC, END_MAGIC = b"QBsn", b"QBse"
HEAD = struct.Struct(
    "<4sI16sQQq32sQII"
)  # magic version cluster | index term time hash | membership: index bytes | term runs
RUN = struct.Struct("<QQ")  # index of the first entry of a term, the term
CHUNK = struct.Struct("<II")  # bytes of the zstd frame, bytes it unpacks to
CHUNK_BYTES = 1 << 18
SYNC_BYTES = 1 << 20  # of the file, between two syncs
END = struct.Struct("<4sQ")  # magic, bytes of the state
DIGEST = 32
END_BYTES = wal.CRC.size + END.size + DIGEST
LEVEL = 1


class Header(NamedTuple):
    """The log up to a snapshot, for who does not read that."""

    cluster: bytes
    position: wal.Position
    membership_index: int
    membership: Membership | None  # the newest one up to there; None: no entry named one
    terms: tuple[tuple[int, int], ...]  # (index of its first entry, term), rising


class Snapshot(NamedTuple):
    """One that was read whole, and is right."""

    name: str
    header: Header
    size: int  # bytes of the file
    digest: bytes  # SHA-256 of all of it but itself: who has the same one has the same file

    @property
    def index(self) -> int:  # type: ignore[override]  # hides tuple.index
        return self.header.position.index


class History:
    """What a header says of the log, while that is read. position: None before the first entry."""

    def __init__(self, cluster: bytes) -> None:
        self.cluster = cluster
        self.position: wal.Position | None = None
        self._membership_index = 0
        self._membership: Membership | None = None
        self._terms: list[tuple[int, int]] = []

    @classmethod
    def of(cls, header: Header) -> "History":
        made = cls(header.cluster)
        made.position = header.position
        made._membership_index, made._membership = header.membership_index, header.membership
        made._terms = list(header.terms)
        return made

    @property
    def index(self) -> int:
        return self.position.index if self.position is not None else 0

    def pass_over(self, entries: list[Entry]) -> None:
        """The next entries."""
        for index, term, _, payload, _ in entries:
            if not self._terms or self._terms[-1][1] != term:
                self._terms.append((index, term))
            changed = membership.decode(payload)
            if changed is not None:
                self._membership_index, self._membership = index, changed
        last = entries[-1]
        self.position = wal.Position(last.index, last.term, last.timestamp_ns, last.chain_hash)

    def header(self) -> Header:
        assert self.position is not None, "there is something to make a snapshot of"
        return Header(
            self.cluster, self.position, self._membership_index, self._membership, tuple(self._terms)
        )


def snapshot_name(index: int) -> str:
    return f"snapshot-{index:020}"


def part_name(index: int, digest: bytes) -> str:
    return f"{snapshot_name(index)}.{digest[:8].hex()}.part"


def names(disk: Disk) -> list[str]:
    """Of all snapshots, the newest first."""
    return sorted(filter(SNAPSHOT_NAME.fullmatch, disk.names()), reverse=True)


def index_of(name: str) -> int:
    return int(name.rpartition("-")[2])


# ---------------------------------------------------------------- writing


def write(disk: Disk, header: Header, state: Iterable[bytes]) -> str:
    """Makes a snapshot, durably; its name. state: the application's bytes, in pieces of any size. A crash leaves the
    whole file, or none but a temporary one. Raises OSError."""
    name = snapshot_name(header.position.index)
    file = disk.open(name + TEMPORARY, create=True)
    try:
        file.truncate(0)
        digest = hashlib.sha256()
        at = size = synced = 0
        compressor = zstandard.ZstdCompressor(level=LEVEL)

        def put(data: bytes) -> None:
            nonlocal at
            file.pwrite(data, at)
            digest.update(data)
            at += len(data)

        put(encode_header(header))
        for chunk in chunks(state):
            frame = compressor.compress(chunk)
            put(wal.sealed(CHUNK.pack(len(frame), len(chunk)) + frame))
            size += len(chunk)
            if at - synced >= SYNC_BYTES:  # the log's own syncs wait behind one at most, and not all the time
                file.sync()
                synced = at
        put(wal.sealed(END.pack(END_MAGIC, size)))
        file.pwrite(digest.digest(), at)
        file.sync()
    except BaseException:
        with suppress(OSError):
            disk.unlink(name + TEMPORARY)
        raise
    finally:
        file.close()
    disk.rename(name + TEMPORARY, name)
    disk.sync_directory()
    return name


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut anew: where the pieces ended must not show in the file."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        whole = len(waiting) - len(waiting) % CHUNK_BYTES
        for at in range(0, whole, CHUNK_BYTES):
            yield bytes(waiting[at : at + CHUNK_BYTES])
        del waiting[:whole]
    if waiting:
        yield bytes(waiting)


def encode_header(header: Header) -> bytes:
    members = membership.encode(header.membership) if header.membership is not None else b""
    head = HEAD.pack(
        MAGIC,
        VERSION,
        header.cluster,
        *header.position,
        header.membership_index,
        len(members),
        len(header.terms),
    )
    return wal.sealed(head + members + b"".join(RUN.pack(*run) for run in header.terms))


def remove_old(disk: Disk) -> None:
    """All but the newest, and what was never finished. Raises OSError."""
    for name in disk.names():
        if SNAPSHOT_NAME.fullmatch(name.removesuffix(TEMPORARY)) and name.endswith(TEMPORARY):
            disk.unlink(name)
    for name in names(disk)[KEPT:]:
        disk.unlink(name)
    disk.sync_directory()


# ---------------------------------------------------------------- reading


def check(disk: Disk, name: str) -> Snapshot:
    """Reads all of a snapshot; every byte is checked. Raises LogDamaged, OSError."""
    found = read(disk, name)
    if snapshot_name(found.index) != name:
        raise LogDamaged(disk.path(name), 0, f"it is the snapshot of entry {found.index}")
    return found


def adopt(disk: Disk, index: int) -> Snapshot:
    """The snapshot at `index`; if it still has the name of one that comes, it gets its own. Raises LogDamaged,
    OSError."""
    name = snapshot_name(index)
    there = disk.names()
    part = next((found for found in there if PART_NAME.fullmatch(found) and found.startswith(name)), None)
    if name in there or part is None:
        return check(disk, name)
    return settle(disk, read(disk, part))


def settle(disk: Disk, arrived: Snapshot) -> Snapshot:
    """Gives one that came whole its own name, durably. Raises OSError."""
    name = snapshot_name(arrived.index)
    disk.rename(arrived.name, name)
    disk.sync_directory()
    return arrived._replace(name=name)


def read(disk: Disk, name: str) -> Snapshot:
    """As `check`, under whatever name."""
    file = disk.open(name, write=False)
    try:
        header, at = read_header(file)
        for _ in read_state(file, at):
            pass
        size = file.size()
        return Snapshot(name, header, size, file.pread(DIGEST, size - DIGEST))
    finally:
        file.close()


def state_of(disk: Disk, name: str) -> Iterator[bytes]:
    """The application's bytes, in pieces. Raises LogDamaged, OSError."""
    file = disk.open(name, write=False)
    try:
        yield from read_state(file, read_header(file)[1])
    finally:
        file.close()


def newest_first(disk: Disk, passed_over: Callable[[str], None]) -> Iterator[Snapshot]:
    """Every snapshot that is whole. passed_over is told, for people, what is wrong with the others."""
    for name in names(disk):
        try:
            yield check(disk, name)
        except LogDamaged as damage:
            passed_over(f"{damage.path}, offset {damage.offset}: {damage.what}: this snapshot is not used")
        except OSError as error:
            passed_over(f"{disk.path(name)}: {error.strerror or error}: this snapshot is not used")


def read_header(file: File) -> tuple[Header, int]:
    """The header, and the offset after it. Raises LogDamaged."""
    head = file.pread(wal.CRC.size + HEAD.size, 0)
    if len(head) < wal.CRC.size + HEAD.size or head[4:8] != MAGIC:
        raise damaged(file, 0, "it does not begin as a snapshot does")
    _, version, cluster, index, term, timestamp_ns, digest, changed, size, runs = HEAD.unpack_from(head, 4)
    if version != VERSION:
        raise damaged(file, 8, f"snapshot format version {version}; this program reads version {VERSION}")
    end = len(head) + size + runs * RUN.size
    data = file.pread(end, 0) if end <= file.size() else b""
    if not whole(data, 0, end):
        raise damaged(file, 0, "the checksum of the header does not match")
    members = data[len(head) : len(head) + size]
    return (
        Header(
            cluster,
            wal.Position(index, term, timestamp_ns, digest),
            changed,
            membership.decode(members) if members else None,
            tuple(RUN.iter_unpack(data[len(head) + size :])),
        ),
        end,
    )


def read_state(file: File, at: int) -> Iterator[bytes]:
    """The state from the first chunk at `at` on. What is not followed by a right end was not right. Raises
    LogDamaged."""
    digest = hashlib.sha256(file.pread(at, 0))
    end = file.size() - END_BYTES
    decompressor = zstandard.ZstdDecompressor()
    size = 0
    while at < end:
        head = file.pread(wal.CRC.size + CHUNK.size, at)
        packed, unpacked = CHUNK.unpack_from(head, wal.CRC.size)
        after = at + len(head) + packed
        data = head + (
            file.pread(packed, at + len(head)) if after <= end and unpacked <= CHUNK_BYTES else b""
        )
        if not whole(data, 0, after - at):
            raise damaged(file, at, "the checksum of a piece does not match")
        yield decompressor.decompress(memoryview(data)[len(head) :], max_output_size=unpacked)
        digest.update(data)
        size += unpacked
        at = after
    tail = file.pread(END_BYTES, at)
    fields = wal.unsealed(END, END_MAGIC, tail, 0)
    digest.update(tail[:-DIGEST])
    if at != end or fields is None or fields[0] != size or digest.digest() != tail[-DIGEST:]:
        raise damaged(file, max(at, 0), "it does not end as it should")


def whole(data: bytes, at: int, end: int) -> bool:
    return len(data) >= end and wal.CRC.unpack_from(data, at)[0] == wal.crc32c(data[at + wal.CRC.size : end])


def damaged(file: File, offset: int, what: str) -> LogDamaged:
    return LogDamaged(file.path, offset, what)
