# MarketDataRequest (V): a look at books, or subscriptions to them.

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

from gateway.book_updates cimport BookUpdates
from gateway.orders cimport Orders
from gateway.session cimport Message, Session, Sessions
from gateway.text_body cimport TextBody

cdef struct Asked:              # what a request says
    const uint8_t* id           # MDReqID
    size_t id_length
    uint8_t kind                # SubscriptionRequestType (263), the FIX character
    uint8_t update              # MDUpdateType (265); 0 = absent
    uint8_t types               # EntryType
    uint8_t unserved            # MDReqRejReason (281) of a field that cannot be served; 0 = there is none
    int64_t depth               # MarketDepth (264); below 0: none that is served
    uint32_t symbols
    const uint8_t* unknown      # the first symbol that no instrument has; NULL = none
    size_t unknown_length


@cython.final
cdef class MarketRequests:
    cdef Sessions sessions
    cdef Orders orders
    cdef BookUpdates updates
    cdef TextBody reject

    cdef int act(self, Session* s, const Message* m) except -1 nogil

    cdef Asked _read(self, const Message* m) noexcept nogil
    cdef void _read_field(self, Asked* asked, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil
    cdef void _read_type(self, Asked* asked, uint8_t type) noexcept nogil
    cdef uint8_t _judge(self, const Session* s, const Asked* asked) noexcept nogil
    cdef int _serve(self, Session* s, const Message* m, const Asked* asked) except -1 nogil
    cdef int _refuse(self, Session* s, const Asked* asked, uint8_t reason) except -1 nogil
