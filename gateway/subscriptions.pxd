# Who is told what of which book: subscriptions of sessions to instruments, in the order in which they were made.

cimport cython
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    MAX_REQUEST_ID = 64     # bytes
    MAX_DEPTH = 250         # levels a side: with them every message fits into 65,536 bytes
    MAX_SUBSCRIPTIONS = 1000    # of a session

cdef enum EntryType:        # bits: MDEntryType (269) 0, 1 and 2
    BIDS = 1
    OFFERS = 2
    TRADES = 4

cdef enum ListKind:         # every subscription is in one list of each kind, behind those that were there before it
    ALL = 0
    OF_SESSION = 1
    OF_INSTRUMENT = 2
    LISTS = 3

cdef struct List:
    uint32_t first          # slots; 0 = none
    uint32_t last
    uint32_t count

cdef struct Subscription:
    uint32_t session
    uint32_t instrument
    uint32_t depth          # levels a side
    uint8_t types           # EntryType
    uint8_t refresh         # the whole depth each time, not what has changed
    uint8_t fresh           # it was told nothing yet. Never between entries
    uint8_t id_length
    uint8_t id[MAX_REQUEST_ID]
    uint32_t previous[LISTS]
    uint32_t next[LISTS]


@cython.final
cdef class Subscriptions:
    cdef Subscription* slots    # slot 0 is never used
    cdef uint32_t used
    cdef uint32_t room
    cdef uint32_t free_first    # chained by next[ALL]
    cdef List all
    cdef List* by_session       # by id
    cdef uint32_t session_room
    cdef List* by_instrument    # by number
    cdef uint32_t instrument_room

    # What is given, but for its links.
    cdef int add(self, const Subscription* given) except -1 nogil
    cdef uint32_t count_of(self, uint32_t session) noexcept nogil
    cdef uint32_t first_of(self, uint32_t instrument) noexcept nogil
    # One that a request of the session with this MDReqID made; 0: none.
    cdef uint32_t find(self, uint32_t session, const uint8_t* id, size_t length) noexcept nogil
    # The same request has subscribed to this instrument: nothing else came since.
    cdef bint repeats(self, uint32_t session, uint32_t instrument, const uint8_t* id, size_t length) noexcept nogil
    cdef void end(self, uint32_t session, const uint8_t* id, size_t length) noexcept nogil
    cdef void end_session(self, uint32_t session) noexcept nogil

    cdef List* _list(self, ListKind kind, const Subscription* s) noexcept nogil
    cdef uint32_t _take_slot(self) except 0 nogil
    cdef int _reserve_lists(self, const Subscription* s) except -1 nogil
    cdef void _remove(self, uint32_t slot) noexcept nogil
