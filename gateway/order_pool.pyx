# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; slots come from the pool's own lists and the sessions' name indexes.
"""Where orders are kept: slots, the lists of each session, and the ClOrdIDs that name them.

Owns the slots and their strings. Runs without the GIL; raises MemoryError, and AssertionError when a list and the
index disagree.
"""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from gateway.session cimport Remembered, Session


cdef extern from "<sys/mman.h>" nogil:
    int madvise(void* address, size_t length, int advice) noexcept
    int MADV_HUGEPAGE

cdef enum:
    HUGE_PAGE = 1 << 21


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("no memory for an order")


cdef class OrderPool:
    def __cinit__(self, *args: object) -> None:
        assert sizeof(Order) == 192, "an order is three cache lines"

    def __dealloc__(self) -> None:
        cdef uint32_t slot
        if self.chunks == NULL:
            return
        for slot in range(1, self.used + 1):
            drop_strings(order_at(self, slot))
        for slot in range(self.chunk_count):
            free(self.chunks[slot])
        free(self.chunks)

    cdef int lay_out(self, uint32_t slots) except -1 nogil:
        cdef uint32_t slot
        while slots >> CHUNK_BITS >= self.chunk_count:
            self._add_chunk()
        for slot in range(1, slots + 1):
            memset(order_at(self, slot), 0, sizeof(Order) - INLINE_TEXT)
            order_at(self, slot).state = UNREAD
        self.used = slots
        return 0

    cdef int _add_chunk(self) except -1 nogil:
        # Its slots are zeroed when they are first taken.
        cdef uint32_t room
        cdef Order** chunks
        assert self.used < <uint32_t> 0xfffffffe
        if self.chunk_count == self.chunk_room:
            room = self.chunk_room * 2 if self.chunk_room else 64
            chunks = <Order**> realloc(self.chunks, room * sizeof(Order*))
            if chunks == NULL:
                no_memory()
            self.chunks = chunks
            self.chunk_room = room
        if posix_memalign(<void**> &self.chunks[self.chunk_count], HUGE_PAGE, CHUNK * sizeof(Order)) != 0:
            no_memory()
        madvise(self.chunks[self.chunk_count], CHUNK * sizeof(Order), MADV_HUGEPAGE)     # a wish
        self.chunk_count += 1
        return 0

    cdef int _grow_closed(self, Session* s) except -1 nogil:
        cdef uint32_t i, room = s.closed_room * 2 if s.closed_room else 16
        cdef Remembered* grown = <Remembered*> malloc(room * sizeof(Remembered))
        if grown == NULL:
            no_memory()
        for i in range(s.closed_count):
            grown[i] = s.closed[(s.closed_first + i) & (s.closed_room - 1)]
        free(s.closed)
        s.closed = grown
        s.closed_room = room
        s.closed_first = 0
        return 0
