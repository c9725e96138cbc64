# Order messages -> engine commands and answers.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from gateway.executions cimport Instrument
from gateway.mass_requests cimport MassRequests, Request
from gateway.order_pool cimport Order
from gateway.records cimport OrderBody
from gateway.session cimport Message, Session

cdef struct Expected:           # a message that will be applied soon, and what is known of where its memory lies
    Message message
    const Session* session      # whose order its OrigClOrdID names; NULL: nothing to look up
    uint32_t hash               # of its ClOrdID, when it is an order message
    uint32_t orig_hash          # of its OrigClOrdID
    uint32_t slot               # of the order it is about; 0 = unknown yet, or none


@cython.final
cdef class Orders(MassRequests):
    cdef int act(self, Session* s, const Expected* coming) except -1 nogil      # an application message in sequence
    # 1: it is a possible resend (97=Y) of what was acted on before, and answered with the state of the order.
    # Whether a message must wait, because work put aside is about its instrument, or it is about many.
    cdef bint is_about_busy(self, const Session* s, const Expected* coming) noexcept nogil
    cdef int refuse_rate(self, Session* s, const Expected* coming) except -1 nogil
    cdef int answer_resent(self, Session* s, const Expected* coming) except -1 nogil

    # Looks at a coming message ask for the memory it will touch; each uses what the one before has fetched.
    # Nothing is changed, and nothing that comes out depends on them; but `act` wants the hashes of the first.
    cdef void foresee_names(self, Expected* coming, const Session* session) noexcept nogil  # of an order message
    cdef void foresee_order(self, Expected* coming) noexcept nogil
    cdef void foresee_engine(self, const Expected* coming, int stage) noexcept nogil

    cdef int _new_order(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _replace(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _status(self, Session* s, const Request* q) except -1 nogil

    cdef const char* _why(self, const Request* q, int reason, char* text, size_t room) noexcept nogil
    cdef int _judge_new(self, Session* s, const Request* q, uint32_t hash) except -1 nogil
    cdef int _terms(self, const OrderBody* body, const Instrument* instrument) noexcept nogil
    cdef int _more_terms(self, const Request* q, const Instrument* instrument) noexcept nogil
    cdef size_t _merged(self, const Request* q, const Order* o, uint8_t* merged) noexcept nogil
    cdef int _new_terms(self, const Request* q, const Order* o, const Instrument* instrument) noexcept nogil
    cdef uint32_t _missing_field(self, const Request* q) noexcept nogil
    cdef void _forget_terms(self) noexcept nogil
    cdef int _refuse_new(self, Session* s, const Request* q, int reason) except -1 nogil
    cdef int _refuse_repeated(self, Session* s, const Request* q, const Order* o) except -1 nogil
    cdef int _judge_change(self, Session* s, const Request* q, uint32_t hash, uint32_t* slot) except -1 nogil
    cdef uint32_t _numbered(self, const Session* s, uint64_t order_id) noexcept nogil
    cdef int _refuse_change(self, Session* s, const Message* m, const Request* q, uint32_t slot,
                            int reason) except -1 nogil
    cdef int _refuse_replace(self, Session* s, const Message* m, const Request* q, uint32_t slot,
                             int reason) except -1 nogil
    cdef int _judge_replace(self, const Request* q, const Order* o) noexcept nogil
    cdef uint32_t _rename(self, Session* s, uint32_t slot, const Request* q, uint32_t hash) except 0 nogil
    cdef uint32_t _changed_by(self, Session* s, const Request* q) noexcept nogil
    cdef int _unknown_order(self, Session* s, const Request* q, int why) except -1 nogil
