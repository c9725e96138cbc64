# A growing byte buffer that records are appended to, readable from Python without a copy.

from libc.stdint cimport uint8_t

cdef class Outbox:
    cdef uint8_t* data          # 8-aligned; room bytes
    cdef size_t size            # Invariant: a multiple of 8
    cdef size_t room
    cdef Py_ssize_t exports     # memoryviews alive; the bytes must not move under them

    # size zeroed bytes at the end, rounded up to a multiple of 8. The pointer holds until the next call.
    cdef uint8_t* reserve(self, size_t size) except NULL nogil
    cdef int clear(self) except -1

    cdef int _grow(self, size_t wanted) except -1 nogil
