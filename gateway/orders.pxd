# Order messages (D, F, G, H, AF, q) -> engine commands and answers.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from gateway.executions cimport Executions, Instrument
from gateway.order_pool cimport Order
from gateway.records cimport ExecutionFields, OrderBody
from gateway.session cimport Message, Session

cdef enum:
    PIECE = 256                 # orders looked at in one piece of a job; fixes how their reports group

cdef enum JobKind:
    NO_JOB = 0
    MASS_CANCEL = 1             # 'q'
    GRACE_CANCEL = 2            # cancel-on-disconnect
    MASS_STATUS_COUNT = 3       # 'AF': how many there will be
    MASS_STATUS = 4

cdef struct Job:                # work on a session's open orders by order id; nothing else is applied meanwhile
    uint32_t kind
    uint32_t session
    uint32_t cursor             # next slot of the open list, 0 = the end
    int64_t instrument          # -1 = all
    uint8_t side                # FIX character, 0 = both
    uint8_t request_type
    uint8_t id_length           # ClOrdID or MassStatusReqID
    uint8_t id[255]
    uint64_t total
    uint64_t done

cdef struct Request:            # an order message, its strings apart
    const OrderBody* body
    const uint8_t* cl_ord_id
    const uint8_t* orig_cl_ord_id
    const uint8_t* account
    const uint8_t* symbol

cdef struct Expected:           # an order message that will be applied soon: what is known of where its memory lies
    const Session* session      # NULL: nothing to ask for
    uint32_t hash               # of the ClOrdID that it looks up
    uint32_t slot               # of the order it is about; 0 = unknown yet, or none

cdef class Orders(Executions):
    cdef Job job

    cdef int act(self, Session* s, const Message* m) except -1 nogil            # an application message in sequence
    cdef int cancel_all(self, Session* s) except -1 nogil                       # starts a GRACE_CANCEL job
    cdef int work(self) except -1 nogil                                         # one piece of the job

    # Three looks at a coming message ask for the memory it will touch; each uses what the one before has fetched.
    # Nothing is changed, and nothing that comes out depends on them.
    cdef void foresee_names(self, const Session* s, const Message* m, Expected* coming) noexcept nogil
    cdef void foresee_order(self, Expected* coming) noexcept nogil
    cdef void foresee_engine(self, const Expected* coming) noexcept nogil

    cdef int _new_order(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _replace(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _status(self, Session* s, const Request* q) except -1 nogil
    cdef int _mass_cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int _mass_status(self, Session* s, const Message* m, const Request* q) except -1 nogil

    cdef int _missing(self, Session* s, const Message* m, const Request* q, int tag) except -1 nogil
    cdef const char* _why(self, const Request* q, int reason, char* text, size_t room) noexcept nogil
    cdef int _judge_new(self, Session* s, const Request* q, uint32_t hash) except -1 nogil
    cdef int _terms(self, const OrderBody* body, const Instrument* instrument) noexcept nogil
    cdef int _refuse_new(self, Session* s, const Request* q, int reason) except -1 nogil
    cdef int _judge_change(self, Session* s, const Request* q, uint32_t hash, uint32_t* slot) except -1 nogil
    cdef int _refuse_change(self, Session* s, const Message* m, const Request* q, uint32_t slot,
                            int reason) except -1 nogil
    cdef int _judge_replace(self, const Request* q, const Order* o) noexcept nogil
    cdef uint32_t _rename(self, Session* s, uint32_t slot, const Request* q, uint32_t hash) except 0 nogil
    cdef int _unknown_order(self, Session* s, const Request* q) except -1 nogil
    cdef int _filter(self, const Request* q) noexcept nogil
    cdef void _start(self, Session* s, JobKind kind, const uint8_t* id, uint8_t length) noexcept nogil
    cdef bint _wanted(self, const Order* o) noexcept nogil
    cdef int _mass_cancel_report(self, Session* s, const uint8_t* id, uint8_t id_length, const uint8_t* symbol,
                                 uint8_t symbol_length, int reason) except -1 nogil
    cdef int _no_status(self, Session* s, const uint8_t* id, uint8_t id_length, int reason) except -1 nogil
    cdef int _cancel_piece(self, Session* s) except -1 nogil
    cdef int _count_piece(self, Session* s) except -1 nogil
    cdef int _status_piece(self, Session* s) except -1 nogil
    cdef int _status_of_many(self, Session* s, const Order* o) except -1 nogil
