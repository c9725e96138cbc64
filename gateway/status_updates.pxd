# What sessions are told of trading itself: SecurityStatus (f) of an instrument, TradingSessionStatus (h) of all.

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.machine cimport Machine
from engine.types cimport Report
from gateway.feed_topics cimport FeedTopics
from gateway.fields cimport Fields
from gateway.session cimport Session, Sessions
from gateway.subscriptions cimport Subscription, Subscriptions
from gateway.text_body cimport TextBody

cdef enum TradingSessionStatus:     # TradSesStatus (340)
    HALTED = 1
    OPEN = 2
    CLOSED_FOR_ALL = 3
    BEFORE_OPENING = 4
    BEFORE_CLOSING = 5
    REQUEST_REJECTED = 6
    MOST_STATUS = 6

cdef enum News:                 # of Subscription.fresh
    NO_NEWS = 0
    PHASE_BEGAN = 1
    TRADING_RESUMED = 2         # after a volatility auction


@cython.final
cdef class StatusUpdates:
    cdef Machine machine
    cdef Sessions sessions
    cdef Subscriptions subscriptions
    cdef FeedTopics feed        # symbols, and when phases end
    cdef TextBody body
    cdef uint32_t instruments   # that there were when all of them were looked at last
    # of the current entry
    cdef bint has_changed       # some phase
    cdef uint32_t* changed      # instruments whose subscribers have news, in the order in which they changed first
    cdef size_t changed_count
    cdef size_t changed_room

    # Reports of the engine, in order: phases that somebody is subscribed to are told when the entry ends.
    cdef int note(self, const Report* reports, size_t count) except -1 nogil
    cdef bint is_due(self) noexcept nogil
    cdef int end_entry(self) except -1 nogil
    # A subscription whose request is answered as things are.
    cdef int begin(self, const Subscription* given) except -1 nogil
    # instrument: the symbol's; -1 = it has none.
    cdef int tell_security(self, Session* to, const uint8_t* id, size_t id_length, const uint8_t* symbol,
                           size_t symbol_length, int64_t instrument, News news) except -1 nogil
    # named: a session that there is not.
    cdef int tell_session(self, Session* to, const uint8_t* id, size_t id_length, const Fields* named, uint32_t status,
                          bint unasked) except -1 nogil
    cdef uint32_t session_status(self) noexcept nogil

    cdef int _phase_changed(self, uint32_t instrument, News news) except -1 nogil
    cdef int _tell_sessions(self) except -1 nogil
    cdef int _trading_status(self, int64_t instrument, News news) noexcept nogil
    cdef int _send(self, Session* to, uint8_t msg_type) except -1 nogil
