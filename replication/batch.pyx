# cython: boundscheck=False, wraparound=False
# No sequence is indexed here. Every write lies below the batch's size, which was summed up from the same pieces; a
# piece that changes its size meanwhile raises.
"""A batch as bytes, as docs/log-format.md has it; wal.py reads it back. No I/O.

Compiled, because every answer waits for it: Python objects that lay untouched while the process slept cost more than
the work. Raises MemoryError, and TypeError for a piece that is no contiguous buffer.
"""

from hashlib import sha256

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory, PyMemoryView_FromObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from google_crc32c import value as crc32c

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
    uint64_t proven_index
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
    return crc32c(PyBytes_FromStringAndSize(<const char*>record + CRC, size - CRC))     # it takes bytes only


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
    uint32_t number, uint64_t offset, bytes before not None, proposals, uint64_t proven_index
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
    head.first_index = proposals[0].index
    head.last_index = index
    head.term = term
    head.proven_index = proven_index
    memcpy(head.hash_before, PyBytes_AS_STRING(before), sizeof(head.hash_before))
    memcpy(head.hash_after, PyBytes_AS_STRING(chain), sizeof(head.hash_after))
    head.crc = checksum(head, sizeof(BatchHead))
    memset(data + end, 0, copy - end)
    memcpy(data + copy, head, sizeof(BatchHead))
    return batch, entries
