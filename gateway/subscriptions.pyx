# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; slots come from the lists themselves, lists are reserved for who is in one.
"""Subscriptions, in three kinds of lists: all, those of a session, those of an instrument.

Owns them. Which slot one has shows nowhere. Runs without the GIL; raises MemoryError.
"""

from libc.stdlib cimport free, realloc
from libc.string cimport memset

from gateway.short_strings cimport same


cdef void* enlarged(void* memory, uint32_t count, uint32_t room, size_t size) except NULL nogil:
    # An array of `room` members, those beyond `count` zero.
    cdef char* bigger = <char*> realloc(memory, room * size)
    if bigger == NULL:
        with gil:
            raise MemoryError("no memory for a subscription")
    memset(bigger + count * size, 0, (room - count) * size)
    return bigger


cdef inline uint32_t room_for(uint32_t wanted, uint32_t room) noexcept nogil:
    if room == 0:
        room = 16
    while room < wanted:
        room *= 2
    return room


cdef class Subscriptions:
    def __dealloc__(self) -> None:
        free(self.slots)
        free(self.by_session)
        free(self.by_instrument)

    cdef List* _list(self, ListKind kind, const Subscription* s) noexcept nogil:
        if kind == ALL:
            return &self.all
        if kind == OF_SESSION:
            return &self.by_session[s.session]
        return &self.by_instrument[<uint32_t> (s.instrument + 1)]

    cdef int _reserve_lists(self, const Subscription* s) except -1 nogil:
        cdef uint32_t room
        if s.session >= self.session_room:
            room = room_for(s.session + 1, self.session_room)
            self.by_session = <List*> enlarged(self.by_session, self.session_room, room, sizeof(List))
            self.session_room = room
        if <uint32_t> (s.instrument + 1) >= self.instrument_room:
            room = room_for(s.instrument + 2, self.instrument_room)
            self.by_instrument = <List*> enlarged(self.by_instrument, self.instrument_room, room, sizeof(List))
            self.instrument_room = room
        return 0

    cdef uint32_t _take_slot(self) except 0 nogil:
        cdef uint32_t slot = self.free_first, room
        if slot:
            self.free_first = self.slots[slot].next[<int> ALL]
            return slot
        if self.used + 1 >= self.room:
            room = room_for(self.used + 2, self.room)
            self.slots = <Subscription*> enlarged(self.slots, self.room, room, sizeof(Subscription))
            self.room = room
        self.used += 1
        return self.used

    cdef int add(self, const Subscription* given) except -1 nogil:
        cdef uint32_t slot, kind
        cdef Subscription* s
        cdef List* list
        self._reserve_lists(given)
        slot = self._take_slot()
        s = &self.slots[slot]
        s[0] = given[0]
        for kind in range(LISTS):
            list = self._list(<ListKind> kind, s)
            s.previous[kind] = list.last
            s.next[kind] = 0
            if list.last:
                self.slots[list.last].next[kind] = slot
            else:
                list.first = slot
            list.last = slot
            list.count += 1
        return 0

    cdef void _remove(self, uint32_t slot) noexcept nogil:
        cdef Subscription* s = &self.slots[slot]
        cdef List* list
        cdef uint32_t kind
        for kind in range(LISTS):
            list = self._list(<ListKind> kind, s)
            if s.previous[kind]:
                self.slots[s.previous[kind]].next[kind] = s.next[kind]
            else:
                list.first = s.next[kind]
            if s.next[kind]:
                self.slots[s.next[kind]].previous[kind] = s.previous[kind]
            else:
                list.last = s.previous[kind]
            list.count -= 1
        s.next[<int> ALL] = self.free_first
        self.free_first = slot

    cdef uint32_t count_of(self, uint32_t session) noexcept nogil:
        return self.by_session[session].count if session < self.session_room else 0

    cdef uint32_t first_of(self, uint32_t instrument) noexcept nogil:
        cdef uint32_t place = instrument + 1
        return self.by_instrument[place].first if place < self.instrument_room else 0

    cdef bint _is(self, uint32_t slot, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil:
        cdef const Subscription* s = &self.slots[slot]
        return s.kind == kind and same(s.id, s.id_length, id, length)

    cdef uint32_t find(self, uint32_t session, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil:
        cdef uint32_t slot
        if session >= self.session_room:
            return 0
        slot = self.by_session[session].first
        while slot and not self._is(slot, kind, id, length):
            slot = self.slots[slot].next[<int> OF_SESSION]
        return slot

    cdef bint repeats(self, uint32_t session, uint32_t instrument, const uint8_t* id, size_t length) noexcept nogil:
        cdef const Subscription* s
        if self.first_of(instrument) == 0:
            return False
        s = &self.slots[self.by_instrument[instrument + 1].last]
        return s.session == session and s.kind == MARKET_DATA and same(s.id, s.id_length, id, length)

    cdef void end(self, uint32_t session, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil:
        cdef uint32_t slot = self.find(session, kind, id, length), next
        # one request's are together
        while slot and self._is(slot, kind, id, length):
            next = self.slots[slot].next[<int> OF_SESSION]
            self._remove(slot)
            slot = next

    cdef void end_session(self, uint32_t session) noexcept nogil:
        while self.count_of(session):
            self._remove(self.by_session[session].first)
