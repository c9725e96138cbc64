"""Compressed segments: what a sealed segment becomes.

`zstd -dc` gives the batches of the segment; our own checksums travel in skippable frames between zstd's. One
block holds whole batches. Layout in docs/log-format.md.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress

import zstandard

from replication import scanning, wal
from replication.files import Disk, File, LogDamaged, LostData
from replication.messages import Entry
from replication.segments import TEMPORARY, Piece, packed_name, raw_pieces, segment_name

LEVEL = 1
SKIPPABLE = struct.Struct("<II")  # zstd's skippable frame: magic, length
HEAD_MAGIC, BLOCK_MAGIC = 0x184D2A50, 0x184D2A51
END = struct.Struct("<4sQQQq32s")  # magic, bytes of batches | position after the last
END_MAGIC = b"QBen"
BLOCK = struct.Struct("<II")  # bytes of the zstd frame, bytes it unpacks to
HEAD_BYTES = wal.SEGMENT_BYTES + wal.CRC.size + END.size
BLOCKS = SKIPPABLE.size + HEAD_BYTES  # offset of the first block
BLOCK_BYTES = SKIPPABLE.size + wal.CRC.size + BLOCK.size


def compress(disk: Disk, number: int) -> int:
    """Replaces sealed segment `number` by its compressed form, which is durable, and has been read back and
    compared, before the raw file goes; its size.

    Runs beside the loop, and gives way to it: 0 when the loop cannot wait, the raw file then stays. Every
    entry is verified on the way. Raises LostData, LogDamaged, OSError.
    """
    temporary = packed_name(number) + TEMPORARY
    file = disk.open(segment_name(number), write=False)
    target = disk.open(temporary, create=True)
    try:
        target.truncate(0)
        following = read_header(disk, number + 1)
        if following is None:
            raise LostData(disk.path(segment_name(number + 1)), 0, "the segment header is damaged")
        size = pack(disk, file, target, following.before)
        target.sync()
        if size and not compare(disk, file, target):
            size = 0
    except (OSError, LogDamaged):
        with suppress(OSError):
            disk.unlink(temporary)
        raise
    finally:
        target.close()
        file.close()
    if size == 0:
        disk.unlink(temporary)
        return 0
    disk.rename(temporary, packed_name(number))
    disk.sync_directory()
    disk.unlink(segment_name(number))
    disk.sync_directory()
    return size


def pack(disk: Disk, file: File, target: File, end: wal.Position) -> int:
    """Writes the compressed form of a segment that ends at `end`; its size, 0 when the loop cannot wait."""
    header = wal.decode_segment(file.pread(wal.DATA, 0))
    if header is None:
        raise LostData(file.path, 0, "the segment header is damaged")
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    at, place = BLOCKS, wal.first_place(header)
    try:
        for piece in raw_pieces(file, header, place, True):
            frame = compressor.compress(memoryview(piece.data)[: piece.length])
            body = BLOCK.pack(len(frame), piece.length) + frame
            target.pwrite(SKIPPABLE.pack(BLOCK_MAGIC, wal.CRC.size + BLOCK.size) + wal.sealed(body), at)
            at += SKIPPABLE.size + wal.CRC.size + len(body)
            place = piece.place
            target.sync()
            if disk.rest():
                return 0
        if place.position != end:
            raise wal.Bad(place.offset, f"entries {place.position.index + 1} to {end.index} are missing")
    except wal.Bad as bad:
        raise LostData(file.path, bad.offset, bad.what) from None
    tail = wal.sealed(END.pack(END_MAGIC, place.offset - wal.DATA, *place.position))
    target.pwrite(SKIPPABLE.pack(HEAD_MAGIC, HEAD_BYTES) + wal.encode_segment(header) + tail, 0)
    return at


def compare(disk: Disk, file: File, target: File) -> bool:
    """Reads the compressed form back; False when the loop cannot wait. Raises LogDamaged unless it unpacks to the raw
    segment's batches."""
    header = wal.decode_segment(file.pread(wal.DATA, 0))
    if header is None or open_packed(target) != header:
        raise LogDamaged(target.path, 0, "the header does not read back as it was written")
    place = wal.DATA
    for at, data in unpack(target):
        if data != file.pread(len(data), place):
            raise LogDamaged(target.path, at, "this compressed piece does not read back as it was written")
        place += len(data)
        if disk.rest():
            return False
    return True


def read_header(disk: Disk, number: int) -> wal.SegmentHeader | None:
    """Of a raw or compressed segment; None when it is not begun, or damaged. Raises FileNotFoundError,
    wal.Bad."""
    try:
        file = disk.open(segment_name(number), write=False)
    except FileNotFoundError:
        file = disk.open(packed_name(number), write=False)
        header = open_packed(file)
    else:
        header = wal.decode_segment(file.pread(wal.DATA, 0))
    file.close()
    return header


def open_packed(file: File) -> wal.SegmentHeader | None:
    """The header of a compressed segment; None when it is damaged."""
    data = file.pread(BLOCKS, 0)
    if len(data) < BLOCKS or SKIPPABLE.unpack_from(data) != (HEAD_MAGIC, HEAD_BYTES):
        return None
    if wal.unsealed(END, END_MAGIC, data, SKIPPABLE.size + wal.SEGMENT_BYTES) is None:
        return None
    return wal.decode_segment(data[SKIPPABLE.size :])


def unpack(file: File, start: int = wal.DATA) -> Iterator[tuple[int, bytes]]:
    """(offset of the block in the file, the batches it holds), to the end that the head names; from the batch on that
    stood at `start` in the raw segment. Raises LostData."""
    fields = wal.unsealed(END, END_MAGIC, file.pread(BLOCKS, 0), SKIPPABLE.size + wal.SEGMENT_BYTES)
    assert fields is not None, "open_packed has read it"
    left: int = fields[0]  # type: ignore[assignment]
    skip = start - wal.DATA
    decompressor = zstandard.ZstdDecompressor()
    at = BLOCKS
    while left > 0:
        head = file.pread(BLOCK_BYTES, at)
        if len(head) < BLOCK_BYTES or SKIPPABLE.unpack_from(head) != (BLOCK_MAGIC, wal.CRC.size + BLOCK.size):
            raise LostData(file.path, at, "the head of a compressed piece is damaged or missing")
        packed, unpacked = BLOCK.unpack_from(head, SKIPPABLE.size + wal.CRC.size)
        if unpacked > skip:
            frame = file.pread(packed, at + BLOCK_BYTES)
            body = head[SKIPPABLE.size + wal.CRC.size :] + frame
            if (
                len(frame) < packed
                or wal.CRC.unpack_from(head, SKIPPABLE.size)[0] != wal.crc32c(body)
                or unpacked > left
            ):
                raise LostData(file.path, at, "the checksum of a compressed piece does not match")
            yield at, decompressor.decompress(frame, max_output_size=unpacked)[skip:]
        skip = max(0, skip - unpacked)
        at += BLOCK_BYTES + packed
        left -= unpacked
    if file.size() != at:
        raise LostData(file.path, at, "the compressed segment should end here")


def segment_pieces(
    disk: Disk, number: int, place: wal.Place | None = None, *, verify: bool
) -> Iterator[Piece]:
    """The batches of a segment, raw or compressed, from `place` on (None: from its first), many at a time. Raises
    LostData where they end wrongly, after it gave what is whole before that; OSError."""
    packed = False
    try:
        file = disk.open(segment_name(number), write=False)
    except FileNotFoundError:
        packed = True
        try:
            file = disk.open(packed_name(number), write=False)
        except FileNotFoundError:
            raise missing(disk, number) from None
    try:
        header = open_packed(file) if packed else wal.decode_segment(file.pread(wal.DATA, 0))
        if header is None:
            raise LostData(file.path, 0, "the segment header is damaged")
        place = place or wal.first_place(header)
        yield from packed_pieces(file, place, verify) if packed else raw_pieces(file, header, place, verify)
    except wal.Bad as bad:
        raise LostData(file.path, bad.offset, bad.what) from None
    finally:
        file.close()


def missing(disk: Disk, number: int) -> LostData:
    return LostData(disk.path(segment_name(number)), 0, "the segment is missing")


def commits(disk: Disk, number: int) -> Iterator[int]:
    """What batches of a segment say of commitment, rising. Raises LostData, OSError."""
    for piece in segment_pieces(disk, number, verify=False):
        last = wal.decode_batch_header(piece.data, piece.length - wal.BATCH_BYTES)  # the second copy
        if last is not None:
            yield last.commit_index


def packed_pieces(file: File, place: wal.Place, verify: bool) -> Iterator[Piece]:
    """As raw_pieces, of a compressed segment. Raises Bad, LostData."""
    for _, data in unpack(file, place.offset):
        entries: list[Entry] = []
        start = place.offset
        place, _ = scanning.decode_whole(data, 0, place, entries, verify=verify)
        yield Piece(entries, data, place.offset - start, place)
        if place.offset - start < len(data):
            raise wal.Bad(place.offset, f"the batch after entry {place.position.index} is damaged")
