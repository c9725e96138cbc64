"""The format of the log's segments: fields in, bytes out, and back. No I/O. docs/log-format.md has the byte tables.

A segment is a file of fixed size, written to zeros before it is used:

    0     segment header, written together with the first batch
    4096  marks: one 512-byte sector each, so that a torn write of one cannot harm another
          sectors 0-1  proofs ("batch n was synced"), batch n in sector n % 2
          sector 2     successor: the next segment has been reserved
    8192  batches end to end; zeros after the last

A batch is a header, its entries, zeros to the next sector, and the header again: in another sector, and yet part of
one contiguous write.

What is *proven*: batch n is written only after batch n - 1 was synced, so any valid
trace of batch n (header, copy, a later segment's header) proves all before it, and a
proof proves n itself. Proven entries that do not read back are damage; only what
follows the last proven entry may be cut as torn.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

import google_crc32c

from replication.batch import lay_out
from replication.messages import Entry, Proposal

VERSION = 1
ZEROS = bytes(1 << 16)  # zeros are compared in pieces of this size
SECTOR = 512
PADDING = bytes(SECTOR)
MARKS = 4096  # offset of the marks' sectors
DATA = 8192  # offset of the first batch
PROOFS = 2
SUCCESSOR_OFFSET = MARKS + SECTOR * PROOFS

# Every record begins with the CRC32C of all that follows it in the record, then a magic or a length.
CRC = struct.Struct("<I")
SEGMENT = struct.Struct(
    "<4sIQQ16sQQq32s"
)  # magic version number size cluster | position before: index term time hash
BATCH = struct.Struct(
    "<4sIIQQQQQ32s32s"
)  # magic number length offset first last term commit | hash before, after
ENTRY = struct.Struct("<IQQq32s")  # payload length, index, term, timestamp, chain hash
PROOF = struct.Struct("<4sQQQ32s")  # magic number index term hash
SUCCESSOR = struct.Struct("<4sQQ")  # magic number size
RECORD = struct.Struct("<I" + ENTRY.format[1:])  # CRC and ENTRY
LINK = struct.Struct("<QQq")  # index, term, timestamp: hashed between the previous hash and the payload

LINK_AT = 4  # in ENTRY, behind the length

SEGMENT_BYTES = CRC.size + SEGMENT.size
BATCH_BYTES = CRC.size + BATCH.size
ENTRY_BYTES = CRC.size + ENTRY.size
SEGMENT_MAGIC = b"QBsg"
BATCH_MAGIC = b"QBba"
PROOF_MAGIC = b"QBpr"
SUCCESSOR_MAGIC = b"QBsu"
MARK_RECORDS = {
    **{MARKS + SECTOR * number: (PROOF, PROOF_MAGIC) for number in range(PROOFS)},
    SUCCESSOR_OFFSET: (SUCCESSOR, SUCCESSOR_MAGIC),
}


class Position(NamedTuple):
    """A point in the log: the last entry before it. A matching hash means a matching history."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    term: int
    timestamp_ns: int
    hash: bytes


class SegmentHeader(NamedTuple):
    number: int  # 1, 2, 3, ...
    size: int  # bytes of the whole file
    cluster: bytes
    before: Position


class BatchHeader(NamedTuple):
    number: int  # within the segment: 1, 2, 3, ...
    length: int  # bytes of entries that follow the header
    offset: int  # where in the file the header stands
    first_index: int
    last_index: int
    term: int  # of the last entry
    commit_index: int  # through which the log was known to be committed when this was written
    hash_before: bytes
    hash_after: bytes


class Place(NamedTuple):
    """Where the next batch of a segment begins."""

    position: Position
    number: int  # of the batch to come
    offset: int


UNKNOWN = (1 << 64) - 1  # as last index and term of a cut


class Marks(NamedTuple):
    """What the marks of a segment still say; a torn or damaged mark is as if it were not there."""

    proven_index: int  # through which the segment's proofs show a completed sync; 0 = no proof
    successor: int  # number of the reserved next segment; 0 = none
    successor_size: int  # bytes it has at least


class Cut(NamedTuple):
    """What is gone from the end of the log, and may have been promised to a leader: a torn batch that recovery removed
    (a vote for a log that does not reach (term, last_index) has a reservation until an entry past that is committed);
    or data that was durable and was lost, up to that entry (such a log gets no vote), or nobody knows how far: UNKNOWN.
    """

    first_index: int
    last_index: (
        int  # first_index - 1: no trace of its header was left, so no sync of it completed: nothing promised
    )
    term: int
    durable: bool = False  # it was: who else misses it proves nothing

    @property
    def lost(self) -> bool:
        """Whether nobody knows how much that was durable is gone: this member decides nothing until a leader has
        repaired it."""
        return self.last_index == UNKNOWN


def joined(known: Cut | None, cut: Cut) -> Cut:
    """Both, as one that promises no less than either."""
    if known is None:
        return cut
    _, last_index, term, _ = max(known, cut, key=lambda one: (one.term, one.last_index))
    return Cut(min(known.first_index, cut.first_index), last_index, term, known.durable or cut.durable)


class Bad(Exception):
    """Bytes that are not what they should be. `offset` is in the file (or the unpacked chunk)."""

    def __init__(self, offset: int, what: str) -> None:
        self.offset = offset
        self.what = what
        super().__init__(what)


def crc32c(data: bytes) -> int:
    value: int = google_crc32c.value(data)
    return value


def sealed(body: bytes) -> bytes:
    return CRC.pack(crc32c(body)) + body


def unsealed(record: struct.Struct, magic: bytes, data: bytes, at: int) -> tuple[object, ...] | None:
    """The fields of the record at `at`, or None when it is not there whole."""
    body = data[at + CRC.size : at + CRC.size + record.size]
    if len(body) < record.size or body[:4] != magic or CRC.unpack_from(data, at)[0] != crc32c(body):
        return None
    return record.unpack(body)[1:]


def beginning(cluster: bytes) -> Position:
    """The position before entry 1. Logs of different clusters share no hash."""
    return Position(0, 0, 0, hashlib.sha256(b"quorumbook log " + cluster).digest())


# ---------------------------------------------------------------- writing


def encode_segment(header: SegmentHeader) -> bytes:
    return sealed(
        SEGMENT.pack(SEGMENT_MAGIC, VERSION, header.number, header.size, header.cluster, *header.before)
    )


def encode_batch(
    place: Place, proposals: Sequence[Proposal], commit_index: int
) -> tuple[bytes, list[Entry], Place]:
    """The batch at `place`, its entries (whose payloads are views of it), and the place after it."""
    batch, entries = lay_out(place.number, place.offset, place.position.hash, proposals, commit_index)
    index, term, timestamp_ns, _, chain = entries[-1]
    position = Position(index, term, timestamp_ns, chain)
    return batch, entries, Place(position, place.number + 1, place.offset + len(batch))


def second_header(end: int) -> int:
    """Where the second copy of a batch's header stands whose entries end at `end`."""
    return end + -end % SECTOR


def batch_end(offset: int, payload_lengths: Sequence[int]) -> int:
    """Where a batch of entries with these payloads ends that begins at `offset`."""
    end = offset + BATCH_BYTES
    for length in payload_lengths:  # no generator: every answer waits for this
        end += ENTRY_BYTES + length + -length % 8
    return second_header(end) + BATCH_BYTES


def encode_proof(number: int, position: Position) -> bytes:
    return sealed(PROOF.pack(PROOF_MAGIC, number, position.index, position.term, position.hash))


def encode_successor(number: int, size: int) -> bytes:
    return sealed(SUCCESSOR.pack(SUCCESSOR_MAGIC, number, size))


def proof_offset(number: int) -> int:
    return MARKS + SECTOR * (number % PROOFS)


# ---------------------------------------------------------------- reading


def decode_segment(data: bytes) -> SegmentHeader | None:
    fields = unsealed(SEGMENT, SEGMENT_MAGIC, data, 0)
    if fields is None:
        return None
    version, number, size, cluster, index, term, timestamp_ns, digest = fields
    if version != VERSION:
        raise Bad(CRC.size + 4, f"log format version {version}; this program reads version {VERSION}")
    return SegmentHeader(number, size, cluster, Position(index, term, timestamp_ns, digest))  # type: ignore[arg-type]


def decode_batch_header(data: bytes, at: int) -> BatchHeader | None:
    fields = unsealed(BATCH, BATCH_MAGIC, data, at)
    return None if fields is None else BatchHeader(*fields)  # type: ignore[arg-type]


def decode_marks(data: bytes) -> Marks:
    """`data` is the file from its start to DATA."""
    proofs = [unsealed(PROOF, PROOF_MAGIC, data, proof_offset(n)) for n in range(PROOFS)]
    successor = unsealed(SUCCESSOR, SUCCESSOR_MAGIC, data, SUCCESSOR_OFFSET)
    return Marks(
        max((proof[1] for proof in proofs if proof is not None), default=0),  # type: ignore[type-var, arg-type]
        *(successor or (0, 0)),  # type: ignore[arg-type]
    )


def torn_marks(data: bytes) -> list[int]:
    """Offsets of the marks that are neither whole nor blank."""
    return [
        at
        for at, (record, magic) in MARK_RECORDS.items()
        if any(data[at : at + CRC.size + record.size]) and unsealed(record, magic, data, at) is None
    ]


def check_gaps(data: bytes) -> None:
    """Raises Bad unless only zeros stand between the records before DATA: nothing ever writes there."""
    start = SEGMENT_BYTES
    for at, length in [
        *((at, CRC.size + record.size) for at, (record, _) in MARK_RECORDS.items()),
        (DATA, 0),
    ]:
        written = first_written(data[:at], start)
        if written < at:
            raise Bad(written, "there should be zeros here")
        start = at + length


def first_place(header: SegmentHeader) -> Place:
    return Place(header.before, 1, DATA)


def blank(data: bytes, at: int) -> bool:
    """Whether only zeros follow `at`."""
    return all(
        data[start : start + len(ZEROS)] == ZEROS[: len(data) - start]
        for start in range(at, len(data), len(ZEROS))
    )


def first_written(data: bytes, at: int) -> int:
    """The offset of the first byte from `at` on that is not zero; len(data) when all are."""
    return len(data) if blank(data, at) else len(data) - len(data[at:].lstrip(b"\0"))
