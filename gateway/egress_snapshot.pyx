# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: every record's size is checked against the bytes that are there before it is read.
"""The egress store as bytes, and back (docs/snapshot-format.md): every message that can still be resent.

Holds no state. The GIL is held; a piece is at most 1 MiB.
"""

import struct

import google_crc32c

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from gateway.egress cimport BLOCK, EgressStore
from gateway.records cimport EGRESS_MESSAGE, EgressHead

from gateway.egress import WINDOW_BYTES

HEAD = struct.Struct("<8sII")   # magic, format version, all session ids are below this
TAIL = struct.Struct("<QQ")     # 0, where a record would have its size; how many records. Then CRC32C, in 8 bytes
MAGIC, VERSION = b"QBEGRESS", 1


cdef bint is_message(const EgressHead* head) noexcept:
    return sizeof(EgressHead) <= head.size <= BLOCK and head.size % 8 == 0 and head.kind == EGRESS_MESSAGE


def snapshot_pieces(EgressStore store not None):
    """What can be resent when the first piece is taken, in pieces of at most 1 MiB (which may be empty).

    The same bytes for every store of the same messages. Appending may go on between the pieces. Raises OSError from
    the file, and RuntimeError when it does not hold what was written.
    """
    cdef uint64_t offset = 0, whole = 0, count = 0
    cdef uint64_t end = store.end
    cdef bytes firsts = store.first_offsets()
    cdef bytes piece = HEAD.pack(MAGIC, VERSION, len(firsts) // sizeof(uint64_t))
    checksum = google_crc32c.value(piece)
    yield piece
    while offset < end:
        piece = live_records(store.stretch(offset, end), offset, firsts, &whole, &count)
        offset += whole
        checksum = google_crc32c.extend(checksum, piece)
        yield piece
    piece = TAIL.pack(0, count)
    yield piece + google_crc32c.extend(checksum, piece).to_bytes(8, "little")


cdef bytes live_records(bytes stretch, uint64_t offset, bytes firsts, uint64_t* whole, uint64_t* count):
    """Of the whole records in a stretch of the stream, those that can be resent, unlinked."""
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(stretch)
    cdef const uint64_t* first_offsets = <const uint64_t*> PyBytes_AS_STRING(firsts)
    cdef size_t size = len(stretch), sessions = len(firsts) // sizeof(uint64_t), at = 0, kept = 0
    cdef bytes records = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t* out = <uint8_t*> PyBytes_AS_STRING(records)
    cdef EgressHead head
    while size - at >= sizeof(EgressHead):
        memcpy(&head, data + at, sizeof(EgressHead))
        if not is_message(&head) or head.session >= sessions:
            at = 0      # the stream consists of messages
            break
        if head.size > size - at:
            break
        if offset + at >= first_offsets[head.session]:
            head.previous = 0
            memcpy(out + kept, &head, sizeof(EgressHead))
            memcpy(out + kept + sizeof(EgressHead), data + at + sizeof(EgressHead), head.size - sizeof(EgressHead))
            kept += head.size
            count[0] += 1
        at += head.size
    if at == 0:
        raise RuntimeError(
            f"the egress file does not hold the messages written at offset {offset} and after it: it was changed from "
            "outside; stop and start again to make it from the log")
    whole[0] = at
    return records[:kept]


def restore(file, pieces, size_t window_bytes=WINDOW_BYTES):
    """An EgressStore over an empty file with the messages of a snapshot, whose bytes may be cut anywhere.

    ValueError says at which byte offset it is not a snapshot that this program reads; the file is then to be thrown
    away. Raises OSError from the file.
    """
    cdef EgressStore store = EgressStore(file, window_bytes)
    cdef bytes data = b""
    cdef uint64_t offset = 0, count = 0
    cdef uint32_t sessions = 0
    cdef size_t begin, whole
    checksum = 0
    for piece in pieces:
        data += piece
        begin = 0
        if offset == 0:
            if len(data) < HEAD.size:
                continue
            begin = HEAD.size
            magic, version, sessions = HEAD.unpack_from(data)
            if (magic, version) != (MAGIC, VERSION):
                raise wrong(0, f"not an egress snapshot of format version {VERSION}")
        whole = messages_end(data, begin, offset, sessions, &count)
        try:
            store.append(memoryview(data)[begin:whole])
        except ValueError as error:
            raise wrong(offset, f"here or after it: {error}") from None
        checksum = google_crc32c.extend(checksum, data[:whole])
        offset += whole
        data = data[whole:]
    if len(data) != TAIL.size + 8 or TAIL.unpack_from(data) != (0, count):
        raise wrong(offset, "it does not end behind its last message: it was damaged or cut short")
    if google_crc32c.extend(checksum, data[:TAIL.size]) != int.from_bytes(data[TAIL.size:], "little"):
        raise wrong(offset + TAIL.size, "the checksum is not that of the bytes before it: they were damaged")
    return store


cdef size_t messages_end(bytes data, size_t at, uint64_t offset, uint32_t sessions, uint64_t* count) except? 0:
    """Where the whole messages from `at` on end."""
    cdef const uint8_t* begin = <const uint8_t*> PyBytes_AS_STRING(data)
    cdef size_t size = len(data)
    cdef EgressHead head
    while size - at >= sizeof(EgressHead):
        memcpy(&head, begin + at, sizeof(EgressHead))
        if not is_message(&head) or head.previous or head.session >= sessions:
            raise wrong(offset + at, "no message")
        if head.size > size - at:
            break
        at += head.size
        count[0] += 1
    return at


cdef object wrong(uint64_t offset, str what):
    return ValueError(f"egress snapshot, byte offset {offset}: {what}")
