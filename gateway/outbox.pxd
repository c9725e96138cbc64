# A growing byte buffer that records are appended to, readable from Python without a copy.

cimport cython
from libc.stdint cimport uint8_t


@cython.final
cdef class Outbox:
    cdef uint8_t* data          # 8-aligned; room bytes
    cdef size_t size            # Invariant: a multiple of 8
    cdef size_t room
    cdef Py_ssize_t exports     # memoryviews alive; the bytes must not move under them
    cdef bint discards          # nothing is kept: every reserve gives the same bytes again, which are not zeroed

    # size zeroed bytes at the end, rounded up to a multiple of 8. The pointer holds until the next call.
    cdef uint8_t* reserve(self, size_t size) except NULL nogil
    cdef int clear(self) except -1

    cdef int _grow(self, size_t wanted) except -1 nogil
