# Who is told what: subscriptions of sessions to books and to the status of trading, in the order in which they came.

cimport cython
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    MAX_REQUEST_ID = 64     # bytes
    MAX_DEPTH = 250         # levels a side: with them every message fits into 65,536 bytes
    MAX_SUBSCRIPTIONS = 1000    # of a session

    NO_INSTRUMENT = 0xFFFFFFFF  # of a SESSION_STATUS

cdef enum RequestKind:      # what made it; each kind has ids of its own
    MARKET_DATA = 0         # MarketDataRequest
    SECURITY_STATUS = 1     # SecurityStatusRequest
    SESSION_STATUS = 2      # TradingSessionStatusRequest

cdef enum EntryType:        # bits: MDEntryType (269) 0, 1, 2; from rules 3 on 4, 5 and A, too
    BIDS = 1
    OFFERS = 2
    TRADES = 4
    OPENING = 8
    CLOSING = 16
    IMBALANCE = 32
    AUCTIONS = 56           # the last three

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
    uint32_t depth          # levels a side; SESSION_STATUS: the TradSesStatus (340) that was told last
    uint8_t kind            # RequestKind
    uint8_t types           # EntryType
    uint8_t refresh         # the whole depth each time, not what has changed
    uint8_t fresh           # to be told all when the entry ends. Never between entries
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
    cdef List* by_instrument    # by number, behind that of NO_INSTRUMENT
    cdef uint32_t instrument_room

    # What is given, but for its links.
    cdef int add(self, const Subscription* given) except -1 nogil
    cdef uint32_t count_of(self, uint32_t session) noexcept nogil
    cdef uint32_t first_of(self, uint32_t instrument) noexcept nogil
    # One that a request of the session with this id made; 0: none.
    cdef uint32_t find(self, uint32_t session, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil
    # The same MarketDataRequest has subscribed to this instrument: nothing else came since.
    cdef bint repeats(self, uint32_t session, uint32_t instrument, const uint8_t* id, size_t length) noexcept nogil
    cdef void end(self, uint32_t session, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil
    cdef void end_session(self, uint32_t session) noexcept nogil

    cdef bint _is(self, uint32_t slot, RequestKind kind, const uint8_t* id, size_t length) noexcept nogil
    cdef List* _list(self, ListKind kind, const Subscription* s) noexcept nogil
    cdef uint32_t _take_slot(self) except 0 nogil
    cdef int _reserve_lists(self, const Subscription* s) except -1 nogil
    cdef void _remove(self, uint32_t slot) noexcept nogil
