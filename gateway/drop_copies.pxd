# Sessions that see the reports of others.

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

from gateway.records cimport DropCopyBody, EgressHead
from gateway.session cimport Sessions

cdef struct DropCopy:
    uint32_t session            # that sees
    uint32_t of                 # the session whose reports they are; 0 = every one that sees none itself


@cython.final
cdef class DropCopies:
    cdef Sessions sessions
    cdef DropCopy* pairs        # in the order in which they were entered
    cdef uint32_t count
    cdef uint32_t room

    cdef int enter(self, const DropCopyBody* body) except -1 nogil          # an INPUT_DROP_COPY
    cdef int add(self, uint32_t session, uint32_t of) except -1 nogil
    # Of what the outbox holds from a byte on, the reports to the sessions that others see go to those, too.
    cdef int copy(self, size_t begin) except -1 nogil

    cdef void _forget(self, uint32_t session) noexcept nogil
    cdef bint has(self, uint32_t session, uint32_t of) noexcept nogil
    cdef int _copy_one(self, size_t at, uint32_t session) except -1 nogil
