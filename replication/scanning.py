"""Batches read back, and what is wrong with one that is not whole. Bytes in, entries or a reason out; no I/O.

As long as nothing is wrong compiled code reads (batch.pyx); `decode_batch` takes up where that stops.
"""

import hashlib

from replication import wal
from replication.batch import read_whole
from replication.messages import Entry


class Frayed(wal.Bad):
    """The batch's entries are whole; what follows them in it, zeros and the header again, is not."""

    def __init__(self, offset: int, what: str, entries: list[Entry], after: wal.Place) -> None:
        super().__init__(offset, what)
        self.entries = entries
        self.after = after  # the place after this batch


class Short(wal.Bad):
    """The bytes given end within a batch. `needed`: how many it takes from the batch's start."""

    def __init__(self, offset: int, what: str, needed: int) -> None:
        super().__init__(offset, what)
        self.needed = needed


def decode_entries(
    data: bytes,
    at: int,
    end: int,
    position: wal.Position,
    entries: list[Entry],
    *,
    verify: bool,
    through: int | None = None,
) -> wal.Position:
    """Appends the entries of data[at:end], to the one with index `through` at most, and gives the position after them.
    Raises wal.Bad."""
    index, term, last_ns, chain = position
    while at < end and index != through:
        if end - at < wal.ENTRY_BYTES:
            raise wal.Bad(at, "an entry's header is cut short")
        checksum, length, found, term, timestamp_ns, digest = wal.RECORD.unpack_from(data, at)
        stop = at + wal.ENTRY_BYTES + length + -length % 8
        if stop > end:
            raise wal.Bad(at, f"an entry of {length} bytes reaches beyond its batch")
        body = data[at + wal.CRC.size : stop]
        payload = memoryview(body)[wal.ENTRY.size : wal.ENTRY.size + length]
        if checksum != wal.crc32c(body):
            raise wal.Bad(at, f"the checksum of entry {index + 1} does not match")
        if found != index + 1:
            raise wal.Bad(at, f"entry {found} stands where entry {index + 1} should")
        if verify:
            link = hashlib.sha256(chain + body[wal.LINK_AT : wal.LINK_AT + wal.LINK.size])
            link.update(payload)
            if link.digest() != digest:
                raise wal.Bad(at, f"the chain hash of entry {found} does not match")
            if timestamp_ns < last_ns:
                raise wal.Bad(at, f"entry {found} is stamped before the one it follows")
        index, last_ns, chain = found, timestamp_ns, digest
        entries.append(Entry(found, term, timestamp_ns, payload, digest))
        at = stop
    return wal.Position(index, term, last_ns, chain)


def decode_batch(
    data: bytes, at: int, place: wal.Place, entries: list[Entry], *, verify: bool
) -> wal.Place | None:
    """Reads the batch that should begin at `place`, found at data[at]. None: nothing was written here
    (zeros). With `verify` its every byte is checked.

    Raises wal.Bad (offset in the file), Short when `data` does not hold the whole batch; Frayed; `entries` then
    holds nothing new.
    """
    if at + wal.BATCH_BYTES > len(data):
        raise Short(place.offset, "a batch header is cut short", wal.BATCH_BYTES)
    header = wal.decode_batch_header(data, at)
    if header is None:
        if not any(data[at : at + wal.BATCH_BYTES]):
            return None
        raise wal.Bad(
            place.offset,
            f"the header of the batch that begins with entry {place.position.index + 1} is damaged",
        )
    if (header.offset, header.number, header.first_index) != (
        place.offset,
        place.number,
        place.position.index + 1,
    ):
        raise wal.Bad(
            place.offset, f"a batch header that belongs to offset {header.offset}, entry {header.first_index}"
        )
    if header.hash_before != place.position.hash:
        raise wal.Bad(
            place.offset, f"the batch of entry {header.first_index} does not follow the entry before it"
        )
    start, end = at + wal.BATCH_BYTES, at + wal.BATCH_BYTES + header.length
    after = wal.second_header(place.offset + wal.BATCH_BYTES + header.length) + wal.BATCH_BYTES
    if at + after - place.offset > len(data):
        what = f"the batch of entry {header.first_index} reaches beyond the end of the file"
        raise Short(place.offset, what, after - place.offset)
    kept = len(entries)
    try:
        position = decode_entries(data, start, end, place.position, entries, verify=verify)
        if (position.index, position.term, position.hash) != (
            header.last_index,
            header.term,
            header.hash_after,
        ):
            raise wal.Bad(
                start, f"the batch of entry {header.first_index} does not end where its header says"
            )
    except wal.Bad as bad:
        del entries[kept:]
        raise wal.Bad(bad.offset - at + place.offset, bad.what) from None
    following = wal.Place(position, place.number + 1, after)
    closing = data[end : at + after - place.offset]
    if verify and closing != wal.PADDING[: len(closing) - wal.BATCH_BYTES] + data[at:start]:
        what = f"behind entry {position.index} are not the zeros and the second header that close its batch"
        added = entries[kept:]
        del entries[kept:]
        raise Frayed(end - at + place.offset, what, added, following)
    return following


def decode_whole(
    data: bytes, at: int, place: wal.Place, entries: list[Entry], *, verify: bool
) -> tuple[wal.Place, int]:
    """Reads the batches that follow each other from data[at], where `place` is, as `decode_batch` would; stops in
    front of the first for which that would not give a place.

    The place after them, and the offset in the file of the last of them (0 = none). Compiled: batch.pyx.
    """
    position, number, offset, last = read_whole(
        data, at, place.position, place.number, place.offset, entries, verify
    )
    return wal.Place(wal.Position(*position), number, offset), last


def batch_headers(data: bytes, at: int) -> list[wal.BatchHeader]:
    """Whole batch headers, first or second copies, anywhere behind `at`, that stand where they say."""
    found: list[wal.BatchHeader] = []
    at = data.find(wal.BATCH_MAGIC, at)
    while at >= 0:
        header = wal.decode_batch_header(data, at - wal.CRC.size)
        if header is not None:
            copy = wal.second_header(header.offset + wal.BATCH_BYTES + header.length)
            if at - wal.CRC.size in (header.offset, copy):
                found.append(header)
        at = data.find(wal.BATCH_MAGIC, at + 1)
    return found
