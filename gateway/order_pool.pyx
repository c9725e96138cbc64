# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; slots come from the pool's own lists and the sessions' name indexes.
"""Where orders are kept: slots, the lists of each session, and the ClOrdIDs that name them.

Owns the slots and their strings. Runs without the GIL; raises MemoryError, and AssertionError when a list and the
index disagree.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset
from posix.stdlib cimport posix_memalign

from gateway.names cimport names_insert, names_next, names_prefetch, names_remove, names_reserve
from gateway.session cimport Remembered, Session


cdef extern from "<sys/mman.h>" nogil:
    int madvise(void* address, size_t length, int advice) noexcept
    int MADV_HUGEPAGE


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("no memory for an order")


cdef inline uint8_t* put(uint8_t* at, const uint8_t* text, size_t length) noexcept nogil:
    memcpy(at, text, length)
    return at + length


cdef class OrderPool:
    def __cinit__(self, *args: object) -> None:
        assert sizeof(Order) == 128, "an order is two cache lines"

    def __dealloc__(self) -> None:
        cdef uint32_t slot
        if self.chunks == NULL:
            return
        for slot in range(1, self.used + 1):
            self._drop_strings(order_at(self, slot))
        for slot in range(self.chunk_count):
            free(self.chunks[slot])
        free(self.chunks)

    cdef uint32_t take(self) except 0 nogil:
        # A free slot: the one freed last, so which one depends on the log alone.
        cdef uint32_t slot = self.free_first, room
        cdef Order** chunks
        if slot:
            self.free_first = order_at(self, slot).next
            if self.free_first:
                expect_order(self, self.free_first)
            return slot
        assert self.used < <uint32_t> 0xfffffffe
        slot = self.used + 1
        if slot >> CHUNK_BITS >= self.chunk_count:
            if self.chunk_count == self.chunk_room:
                room = self.chunk_room * 2 if self.chunk_room else 64
                chunks = <Order**> realloc(self.chunks, room * sizeof(Order*))
                if chunks == NULL:
                    no_memory()
                self.chunks = chunks
                self.chunk_room = room
            if posix_memalign(
                <void**> &self.chunks[self.chunk_count], CHUNK * sizeof(Order), CHUNK * sizeof(Order)
            ) != 0:
                no_memory()
            madvise(self.chunks[self.chunk_count], CHUNK * sizeof(Order), MADV_HUGEPAGE)     # a wish
            memset(self.chunks[self.chunk_count], 0, CHUNK * sizeof(Order))
            self.chunk_count += 1
        self.used = slot
        expect_order(self, (slot & ~(<uint32_t> CHUNK - 1)) | ((slot + EXPECTED) & (CHUNK - 1)))
        return slot

    cdef void give_back(self, uint32_t slot) noexcept nogil:
        cdef Order* o = order_at(self, slot)
        o.state = FREE
        o.next = self.free_first
        self.free_first = slot

    cdef void _drop_strings(self, Order* o) noexcept nogil:
        if strings_length(o) > INLINE_TEXT:
            free(<void*> strings_of(o))
        o.cl_ord_id_length = 0
        o.orig_cl_ord_id_length = 0
        o.account_length = 0

    cdef int set_strings(self, Order* o, const uint8_t* cl, uint8_t cl_length, const uint8_t* orig, uint8_t orig_length,
                         const uint8_t* account, uint8_t account_length) except -1 nogil:
        # orig and account may be the order's own.
        cdef size_t total = <size_t> cl_length + orig_length + account_length
        cdef uint8_t* block = NULL
        cdef uint8_t text[INLINE_TEXT]
        cdef uint8_t* at = text
        if total > INLINE_TEXT:
            block = <uint8_t*> malloc(total)
            if block == NULL:
                no_memory()
            at = block
        put(put(put(at, cl, cl_length), orig, orig_length), account, account_length)
        self._drop_strings(o)
        o.cl_ord_id_length = cl_length
        o.orig_cl_ord_id_length = orig_length
        o.account_length = account_length
        if block != NULL:
            memcpy(o.text, &block, sizeof(block))
        else:
            memcpy(o.text, text, total)
        return 0

    cdef uint32_t find(self, Session* s, const uint8_t* name, uint8_t length, uint32_t hash) noexcept nogil:
        # The slot that holds this ClOrdID: open, closed or alias; 0 = none.
        cdef uint32_t position = hash, slot
        cdef Order* o
        while True:
            slot = names_next(&s.names, hash, &position)
            if slot == 0:
                return 0
            o = order_at(self, slot)
            if o.cl_ord_id_length == length and memcmp(strings_of(o), name, length) == 0:
                return slot

    cdef int name(self, Session* s, uint32_t slot, uint32_t hash) except -1 nogil:
        if not names_reserve(&s.names):
            no_memory()
        order_at(self, slot).hash = hash
        names_insert(&s.names, hash, slot)
        return 0

    cdef void enlist(self, Session* s, uint32_t slot, Order* o) noexcept nogil:
        # Order ids only grow, so the tail is the place.
        o.next = 0
        o.previous = s.open_last
        if s.open_last:
            order_at(self, s.open_last).next = slot
        else:
            s.open_first = slot
        s.open_last = slot
        s.open_count += 1

    cdef int close(self, Session* s, uint32_t slot, Order* o) except -1 nogil:
        # After its last report: the order moves to the closed ClOrdIDs.
        o.state = CLOSED
        if o.previous:
            order_at(self, o.previous).next = o.next
        else:
            s.open_first = o.next
        if o.next:
            order_at(self, o.next).previous = o.previous
        else:
            s.open_last = o.previous
        s.open_count -= 1
        return self.remember(s, slot, o)

    cdef int remember(self, Session* s, uint32_t slot, Order* o) except -1 nogil:
        if s.closed_count == s.closed_room:
            self._grow_closed(s)
        s.closed[(s.closed_first + s.closed_count) & (s.closed_room - 1)].slot = slot
        s.closed[(s.closed_first + s.closed_count) & (s.closed_room - 1)].hash = o.hash
        s.closed_count += 1
        while s.closed_count > self.window:
            self._forget(s)
        return 0

    cdef int _forget(self, Session* s) except -1 nogil:
        # The oldest closed ClOrdID. Which ones are next is known, so their memory is asked for in time.
        cdef Remembered oldest = s.closed[s.closed_first & (s.closed_room - 1)]
        cdef Remembered* later = &s.closed[(s.closed_first + EXPECTED) & (s.closed_room - 1)]
        cdef Order* o = order_at(self, oldest.slot)
        s.closed_first += 1
        s.closed_count -= 1
        if s.closed_count > EXPECTED:
            names_prefetch(&s.names, later.hash)
            expect_order(self, later.slot)
        assert names_remove(&s.names, oldest.hash, oldest.slot)
        self._drop_strings(o)
        self.give_back(oldest.slot)
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

    cdef uint32_t alias(self, Session* s, uint32_t target, const uint8_t* name, uint8_t length,
                        uint32_t hash) except 0 nogil:
        # A slot that keeps a further ClOrdID of an order; not in the index or a list yet.
        cdef uint32_t slot = self.take()
        cdef Order* o = order_at(self, slot)
        o.state = ALIAS
        o.session = s.id
        o.order_id = order_at(self, target).order_id
        o.target = target
        o.hash = hash
        self.set_strings(o, name, length, name, 0, name, 0)
        return slot

    cdef uint32_t named(self, uint32_t slot) noexcept nogil:
        # The open or closed order that a slot stands for, an alias followed; 0 = forgotten.
        cdef Order* o = order_at(self, slot)
        cdef Order* target
        if o.state != ALIAS:
            return slot
        target = order_at(self, o.target)
        if target.order_id == o.order_id and (target.state == OPEN or target.state == CLOSED):
            return o.target
        return 0
