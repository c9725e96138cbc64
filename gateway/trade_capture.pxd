# TradeCaptureReportRequest (AD), and the TradeCaptureReports (AE) that a session has subscribed to.

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from gateway.fields cimport Fields
from gateway.order_pool cimport Order
from gateway.session cimport Message, Session, Sessions
from gateway.text_body cimport TextBody

cdef struct Fill:               # one side of a trade
    uint64_t exec_id            # of the ExecutionReport that says the same
    uint64_t ref_exec_id        # of the one that a bust makes void; 0: it is a trade
    uint64_t trade_id
    int64_t price               # mantissas
    int64_t quantity
    int price_exponent
    int quantity_exponent
    const uint8_t* symbol
    size_t symbol_length


@cython.final
cdef class TradeCapture:
    cdef Sessions sessions
    cdef TextBody body

    cdef int act(self, Session* s, const Message* m) except -1 nogil        # a TradeCaptureReportRequest
    # To a session that has asked for them (trade_request_length is not 0).
    cdef int report(self, Session* s, const Order* o, const Fill* fill) except -1 nogil

    cdef int _judge(self, const Session* s, const Message* m, const Fields* id, uint8_t type, uint8_t wanted,
                    const char** why) noexcept nogil
    cdef int _answer(self, Session* s, const Fields* id, uint8_t type, uint8_t wanted, int result, int status,
                     const char* why) except -1 nogil
