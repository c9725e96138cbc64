# cython: boundscheck=False, wraparound=False
"""The codec for Python: tests, tools and benches. The gateway itself calls the C functions of fix.pxd.

Holds nothing. Every call works on a copy of its input in memory of exactly that size, so that a
sanitizer sees each byte read past the end. The GIL is released while a stream is scanned or records are
built. boundscheck and wraparound are off: only C memory of known size is indexed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from gateway.records cimport EgressHead

from gateway.fix_rules import load


cdef Identity _identity(own: str, peer: str) except *:
    cdef Identity identity
    cdef bytes own_bytes = own.encode(), peer_bytes = peer.encode()
    if len(own_bytes) > MAX_COMP_ID or len(peer_bytes) > MAX_COMP_ID:
        raise ValueError(f"a CompID has at most {MAX_COMP_ID} bytes: {own!r}, {peer!r}")
    memset(&identity, 0, sizeof(Identity))
    memcpy(identity.own, <const char*>own_bytes, len(own_bytes))
    memcpy(identity.peer, <const char*>peer_bytes, len(peer_bytes))
    identity.own_length = <uint8_t>len(own_bytes)
    identity.peer_length = <uint8_t>len(peer_bytes)
    return identity


cdef uint8_t* _exact_copy(bytes data) except NULL:
    cdef size_t size = len(data)
    cdef uint8_t* copy = <uint8_t*>malloc(size if size else 1)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, <const char*>data, size)
    return copy


cdef class _Output:
    """Bytes that grow; `room` more can always be asked for."""
    cdef uint8_t* data
    cdef size_t used, size

    def __dealloc__(self):
        free(self.data)

    cdef uint8_t* room(self, size_t more) except NULL nogil:
        cdef uint8_t* data
        if self.size - self.used < more:
            data = <uint8_t*>realloc(self.data, 2 * self.size + more)
            if data == NULL:
                with gil:
                    raise MemoryError
            self.data = data
            self.size = 2 * self.size + more
        return self.data + self.used

    cdef bytes taken(self):
        return (<char*>self.data)[:self.used] if self.used else b""


def use(dictionary, bint echo = False) -> None:
    load(dictionary, echo)


def frame_message(bytes data not None) -> tuple[int, int]:
    cdef uint8_t* copy = _exact_copy(data)
    cdef size_t length = 0
    cdef FrameResult result = frame(copy, len(data), &length)
    free(copy)
    return <int>result, length


def checksum_of(bytes data not None) -> int:
    cdef uint8_t* copy = _exact_copy(data)
    cdef uint8_t total = checksum(copy, len(data))
    free(copy)
    return total


def scan_message(bytes message not None, own: str = "", peer: str = "", uint32_t version = 1) -> bytes:
    cdef Identity identity = _identity(own, peer)
    cdef _Output output = _Output()
    cdef size_t room = MAX_INPUT + len(message)
    cdef uint8_t* copy = _exact_copy(message)
    try:
        output.used = scan(copy, len(message), &identity, version, output.room(room), room)
    finally:
        free(copy)
    return output.taken()


def scan_stream(bytes data not None, own: str = "", peer: str = "") -> tuple[bytes, int]:
    cdef Identity identity = _identity(own, peer)
    cdef _Output output = _Output()
    cdef size_t size = len(data), at = 0, length
    cdef FrameResult result
    cdef uint8_t* room
    cdef uint8_t* copy = _exact_copy(data)
    try:
        with nogil:
            while at < size:
                result = frame(copy + at, size - at, &length)
                if result == FRAME_INCOMPLETE:
                    break
                if result == FRAME_OK:
                    room = output.room(MAX_INPUT)
                    output.used += scan(copy + at, length, &identity, 1, room, MAX_INPUT)
                at += length
    finally:
        free(copy)
    return output.taken(), at


def encode_record(
    bytes record not None, own: str, peer: str, resend_time_ns: int | None = None, bint standard = False
) -> bytes:
    cdef Identity identity = _identity(own, peer)
    cdef int64_t resend = EMPTY_TIME() if resend_time_ns is None else resend_time_ns
    cdef _Output output = _Output()
    cdef size_t room = MAX_ENCODED + len(record)
    cdef uint8_t* copy
    identity.standard = standard
    _check_size(record, 0)
    copy = _exact_copy(record)
    try:
        output.used = encode(copy, &identity, resend, output.room(room), room)
    finally:
        free(copy)
    if output.used == 0:
        raise ValueError("not a message record, or its lengths contradict its size")
    return output.taken()


def encode_records(bytes records not None, own: str, peer: str) -> bytes:
    cdef Identity identity = _identity(own, peer)
    cdef _Output output = _Output()
    cdef size_t size = len(records), at = 0, length
    cdef uint8_t* room
    cdef uint8_t* copy
    while at < size:
        at += _check_size(records, at)
    copy = _exact_copy(records)
    at = 0
    try:
        with nogil:
            while at < size:
                length = (<const EgressHead*>(copy + at)).size
                room = output.room(MAX_ENCODED + length)
                output.used += encode(copy + at, &identity, EMPTY_TIME(), room, MAX_ENCODED + length)
                at += length
    finally:
        free(copy)
    return output.taken()


cdef size_t _check_size(bytes records, size_t at) except 0:
    """The size of the record at `at`, which must lie inside `records`."""
    cdef EgressHead head
    if at + sizeof(EgressHead) > <size_t>len(records):
        raise ValueError(f"offset {at}: shorter than an Egress record")
    memcpy(&head, <const char*>records + at, sizeof(EgressHead))
    if head.size < sizeof(EgressHead) or head.size & 7 or at + head.size > <size_t>len(records):
        raise ValueError(f"offset {at}: the record's size {head.size} is not a multiple of 8 that fits")
    return head.size


def gap_fill(own: str, peer: str, seq: int, new_seq: int, time_ns: int) -> bytes:
    cdef Identity identity = _identity(own, peer)
    cdef uint8_t out[512]
    cdef ssize_t length = encode_gap_fill(&identity, seq, new_seq, time_ns, out, 512)
    return (<char*>out)[:length]
