# cython: boundscheck=False, wraparound=False
# No sequence is indexed here. Every write lies below the batch's size, which was summed up from the same pieces; a
# piece that changes its size meanwhile raises. Every read lies below the end of the bytes given: compared first.
"""Batches as bytes, as docs/log-format.md has them: one laid out, and whole ones read back. No I/O.

Laid out by compiled code, because every answer waits for it: Python objects that lay untouched while the process slept
cost more than the work. Read back by compiled code only as far as nothing is wrong: scanning.py
takes up from there and says what it is. wal.py states the format.
Raises MemoryError, and TypeError for a piece that is no contiguous buffer.
"""

from hashlib import sha256

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory, PyMemoryView_FromObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from replication.checksum cimport crc32c

from replication.messages import Entry

cdef enum:
    SECTOR = 512
    CRC = 4

cdef packed struct BatchHead:
    uint32_t crc
    char magic[4]
    uint32_t number
    uint32_t length
    uint64_t offset
    uint64_t first_index
    uint64_t last_index
    uint64_t term
    uint64_t commit_index
    uint8_t hash_before[32]
    uint8_t hash_after[32]

cdef packed struct EntryHead:
    uint32_t crc
    uint32_t length
    uint64_t index
    uint64_t term
    int64_t timestamp_ns
    uint8_t hash[32]

cdef packed struct Link:    # what is hashed before the payload
    uint8_t hash[32]
    uint64_t index
    uint64_t term
    int64_t timestamp_ns


cdef object seen(const void* data, size_t size):
    """A view for a call that looks at it and lets it go."""
    return PyMemoryView_FromMemory(<char*>data, size, PyBUF_READ)


cdef uint32_t checksum(const void* record, size_t size) except? 0:
    """Of what follows the checksum in a record."""
    return crc32c(<const char*>record + CRC, size - CRC)


cdef size_t payload_size(pieces) except? <size_t>-1:
    cdef size_t size = 0
    for piece in pieces:
        size += <size_t>len(piece)
    return size


cdef size_t padded(size_t size) noexcept:
    return (size + 7) & ~<size_t>7


cdef int join(pieces, uint8_t* at, size_t size) except -1:
    """The pieces end to end; exactly `size` bytes."""
    cdef Py_buffer view
    for piece in pieces:
        PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE)
        if <size_t>view.len <= size:
            memcpy(at, view.buf, view.len)
            at += view.len
            size -= view.len
            PyBuffer_Release(&view)
        else:
            PyBuffer_Release(&view)
            raise BufferError("a payload has grown while it was written")
    if size:
        raise BufferError("a payload has shrunk while it was written")
    return 0


cdef bytes hashed(Link* link, const uint8_t* payload, size_t size):
    """SHA-256 of link and payload."""
    cdef uint8_t together[1024]
    if sizeof(Link) + size <= sizeof(together):     # one call is cheaper than two
        memcpy(together, link, sizeof(Link))
        memcpy(together + sizeof(Link), payload, size)
        return sha256(seen(together, sizeof(Link) + size)).digest()
    digest = sha256(seen(link, sizeof(Link)))
    digest.update(seen(payload, size))
    return digest.digest()


def lay_out(
    uint32_t number, uint64_t offset, bytes before not None, proposals, uint64_t commit_index
) -> tuple[bytes, list[Entry]]:
    """Batch `number` of its segment, at `offset` in the file, and its entries, whose payloads are views of it.

    before: the chain hash before it, 32 bytes; proposals: at least one."""
    cdef size_t length = 0
    cdef size_t end, copy, size
    cdef bytes batch, chain = before
    cdef uint8_t* data
    cdef BatchHead* head
    cdef EntryHead* entry
    cdef Link link
    if len(before) != sizeof(link.hash):
        raise ValueError(f"a chain hash has {sizeof(link.hash)} bytes, not {len(before)}")
    for _, _, _, pieces in proposals:
        length += sizeof(EntryHead) + padded(payload_size(pieces))
    end = sizeof(BatchHead) + length
    copy = end + (SECTOR - (offset + end) % SECTOR) % SECTOR    # in another sector of the file
    batch = PyBytes_FromStringAndSize(NULL, copy + sizeof(BatchHead))
    data = <uint8_t*>PyBytes_AS_STRING(batch)
    head = <BatchHead*>data
    entry = <EntryHead*>(data + sizeof(BatchHead))
    whole = PyMemoryView_FromObject(batch)
    entries = []
    for index, term, timestamp_ns, pieces in proposals:
        size = payload_size(pieces)
        if <uint8_t*>entry + sizeof(EntryHead) + padded(size) > data + end:
            raise BufferError("a payload has grown while it was written")
        if not entries:
            head.first_index = index
        entry.length = <uint32_t>size
        entry.index = link.index = index
        entry.term = link.term = term
        entry.timestamp_ns = link.timestamp_ns = timestamp_ns
        memcpy(link.hash, PyBytes_AS_STRING(chain), sizeof(link.hash))
        join(pieces, <uint8_t*>(entry + 1), size)
        memset(<uint8_t*>(entry + 1) + size, 0, padded(size) - size)
        chain = hashed(&link, <uint8_t*>(entry + 1), size)
        memcpy(entry.hash, PyBytes_AS_STRING(chain), sizeof(entry.hash))
        entry.crc = checksum(entry, sizeof(EntryHead) + padded(size))
        at = <uint8_t*>(entry + 1) - data
        entries.append(tuple.__new__(Entry, (index, term, timestamp_ns, whole[at:at + size], chain)))
        entry = <EntryHead*>(<uint8_t*>(entry + 1) + padded(size))
    memcpy(head.magic, b"QBba", sizeof(head.magic))
    head.number = number
    head.length = <uint32_t>length
    head.offset = offset
    head.last_index = index
    head.term = term
    head.commit_index = commit_index
    memcpy(head.hash_before, PyBytes_AS_STRING(before), sizeof(head.hash_before))
    memcpy(head.hash_after, PyBytes_AS_STRING(chain), sizeof(head.hash_after))
    head.crc = checksum(head, sizeof(BatchHead))
    memset(data + end, 0, copy - end)
    memcpy(data + copy, head, sizeof(BatchHead))
    return batch, entries


cdef bint is_blank(const uint8_t* data, size_t size) noexcept:
    # Only zeros; of less than a sector.
    cdef uint8_t zeros[SECTOR]
    memset(zeros, 0, size)
    return memcmp(data, zeros, size) == 0


cdef const EntryHead* next_entry(
    const EntryHead* entry, const uint8_t* end, Link* link, bint verify
) except? NULL:
    # What follows this entry, which must be the one after `link`; `link` is then this one. NULL: anything is wrong.
    cdef size_t size
    cdef bytes chain
    if end - <const uint8_t*>entry < <Py_ssize_t>sizeof(EntryHead):
        return NULL
    size = sizeof(EntryHead) + padded(entry.length)
    if end - <const uint8_t*>entry < <Py_ssize_t>size or entry.index != link.index + 1:
        return NULL
    if checksum(entry, size) != entry.crc or (verify and entry.timestamp_ns < link.timestamp_ns):
        return NULL
    link.index = entry.index
    link.term = entry.term
    link.timestamp_ns = entry.timestamp_ns
    if verify:
        chain = hashed(link, <const uint8_t*>(entry + 1), entry.length)
        if memcmp(PyBytes_AS_STRING(chain), entry.hash, sizeof(entry.hash)):
            return NULL
    memcpy(link.hash, entry.hash, sizeof(link.hash))
    return <const EntryHead*>(<const uint8_t*>entry + size)


cdef size_t read_batch(
    bytes data, size_t at, uint32_t number, uint64_t offset, Link* link, list entries, bint verify
) except? 0:
    """The bytes of the batch at data[at], whose entries are appended; `link` becomes its last entry. 0: it is not there
    or anything about it is wrong; then `link` and `entries` may hold some of it."""
    cdef const uint8_t* begin = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef size_t room = <size_t>len(data) - at
    cdef const BatchHead* head = <const BatchHead*>(begin + at)
    cdef const EntryHead* entry = <const EntryHead*>(head + 1)
    cdef const EntryHead* following
    cdef const uint8_t* end
    cdef size_t copy
    if room < 2 * sizeof(BatchHead) or memcmp(head.magic, b"QBba", sizeof(head.magic)):
        return 0
    if checksum(head, sizeof(BatchHead)) != head.crc:
        return 0
    if head.offset != offset or head.number != number or head.first_index != link.index + 1:
        return 0
    copy = sizeof(BatchHead) + head.length
    copy += (SECTOR - (offset + copy) % SECTOR) % SECTOR
    if copy + sizeof(BatchHead) > room or memcmp(head.hash_before, link.hash, sizeof(link.hash)):
        return 0
    end = <const uint8_t*>entry + head.length
    whole = PyMemoryView_FromObject(data)
    while <const uint8_t*>entry < end:
        following = next_entry(entry, end, link, verify)
        if following == NULL:
            return 0
        first = <const uint8_t*>(entry + 1) - begin
        entries.append(tuple.__new__(Entry, (
            entry.index, entry.term, entry.timestamp_ns, whole[first:first + entry.length],
            PyBytes_FromStringAndSize(<const char*>entry.hash, sizeof(entry.hash)),
        )))
        entry = following
    if head.last_index != link.index or head.term != link.term:
        return 0
    if memcmp(head.hash_after, link.hash, sizeof(link.hash)):
        return 0
    if verify and not (is_blank(end, begin + at + copy - end) and
                       memcmp(begin + at + copy, head, sizeof(BatchHead)) == 0):
        return 0
    return copy + sizeof(BatchHead)


def read_whole(
    bytes data not None, size_t at, position not None, uint32_t number, uint64_t offset, list entries not None,
    bint verify
) -> tuple[tuple[int, int, int, bytes], int, int, int]:
    """Appends the entries of the whole batches that follow each other from data[at] on, where batch `number`, found at
    `offset` in the file, should begin. Stops in front of the first that is not there, not whole, or wrong in any way.

    position: index, term, timestamp and hash before it. Gives the same for what follows (position, number, offset), and
    the offset of the last batch that was read, 0 for none.
    """
    cdef Link link, reached
    cdef bytes chain
    cdef uint64_t last = 0
    cdef size_t length
    cdef Py_ssize_t kept
    link.index, link.term, link.timestamp_ns, chain = position
    if len(chain) != sizeof(link.hash):
        raise ValueError(f"a chain hash has {sizeof(link.hash)} bytes, not {len(chain)}")
    memcpy(link.hash, PyBytes_AS_STRING(chain), sizeof(link.hash))
    while at < <size_t>len(data):
        kept = len(entries)
        reached = link
        length = read_batch(data, at, number, offset, &reached, entries, verify)
        if length == 0:
            del entries[kept:]
            break
        link = reached
        last = offset
        number += 1
        at += length
        offset += length
    chain = PyBytes_FromStringAndSize(<const char*>link.hash, sizeof(link.hash))
    return (link.index, link.term, link.timestamp_ns, chain), number, offset, last
