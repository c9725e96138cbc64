# Requests about instruments and trading: SecurityListRequest (x), SecurityStatusRequest (e), and
# TradingSessionStatusRequest (g).

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

from gateway.executions cimport Instrument
from gateway.fields cimport Fields
from gateway.orders cimport Orders
from gateway.session cimport Message, Session, Sessions
from gateway.status_updates cimport StatusUpdates
from gateway.subscriptions cimport Subscription
from gateway.text_body cimport TextBody

cdef enum:
    MAX_REQUEST_ID = 64         # bytes of SecurityReqID (320), SecurityStatusReqID (324), TradSesReqID (335)

cdef struct Listing:            # a list of all instruments that is being written; nothing else is applied meanwhile
    uint32_t session            # 0 = there is none
    uint32_t next               # instrument
    uint32_t fragments          # so far
    size_t id_length
    uint8_t id[64]


@cython.final
cdef class ReferenceRequests:
    cdef Sessions sessions
    cdef Orders orders
    cdef StatusUpdates statuses
    cdef TextBody body
    cdef Listing listing

    cdef int act(self, Session* s, const Message* m) except -1 nogil        # one of the three
    cdef int work(self) except -1 nogil                                     # the next instrument of the listing

    cdef bint _find(self, const Message* m, uint32_t tag, Fields* field) noexcept nogil
    cdef int64_t _instrument(self, const Fields* symbol) noexcept nogil
    cdef int _send(self, Session* s, uint8_t msg_type) except -1 nogil
    cdef int _security_list(self, Session* s, const Message* m, const Fields* id) except -1 nogil
    cdef int _begin_list(self, int result) except -1 nogil
    cdef int _no_list(self, Session* s, int result) except -1 nogil
    cdef int _send_instrument(self, Session* s, uint32_t number, uint32_t total, bint last) except -1 nogil
    cdef int _market_terms(self, uint32_t number) except -1 nogil
    cdef int _tick_sizes(self, uint32_t number) except -1 nogil
    cdef int _word(self, uint32_t tag, const char* word) except -1 nogil
    cdef int _price(self, uint32_t tag, const Instrument* instrument, int64_t ticks) except -1 nogil
    cdef int _quantity(self, uint32_t tag, const Instrument* instrument, int64_t lots) except -1 nogil
    cdef int _units(self, uint32_t tag, int64_t count, int64_t increment, int exponent) except -1 nogil
    cdef Subscription _wanted(self, const Session* s, const Message* m, const Fields* id) noexcept nogil
    cdef bint _may_subscribe(self, Session* s, const Message* m, const Subscription* wanted) except -1 nogil
    cdef int _security_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil
    cdef int _session_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil
