# Requests about all of a session's orders, and the job they become.

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.types cimport Command
from gateway.executions cimport Executions
from gateway.order_pool cimport Order
from gateway.records cimport ExecutionFields, OrderBody
from gateway.session cimport Message, Session

cdef enum JobKind:
    NO_JOB = 0
    MASS_CANCEL = 1             # 'q'
    GRACE_CANCEL = 2            # cancel-on-disconnect
    MASS_STATUS_COUNT = 3       # 'AF': how many there will be
    MASS_STATUS = 4
    OPERATOR_CANCEL = 5         # of an account

cdef struct Job:                # work on a session's open orders by order id; nothing else is applied meanwhile
    uint32_t kind
    uint32_t session
    uint32_t cursor             # next slot of the open list, 0 = the end
    int64_t instrument          # -1 = all
    int64_t low_ticks           # prices; EMPTY_PRICE: no bound
    int64_t high_ticks
    uint8_t side                # FIX character, 0 = both
    uint8_t request_type
    uint8_t account_length      # 0 = any account
    uint8_t account[64]
    uint16_t prices_length      # 'q': 20009 and 20010 as they came
    uint8_t prices[512]
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
    const uint8_t* parties
    uint32_t hash               # of the ClOrdID, for the index of names
    uint32_t orig_hash

cdef class MassRequests(Executions):
    cdef Job job

    cdef int cancel_all(self, Session* s) except -1 nogil                       # starts a GRACE_CANCEL job
    # Starts an OPERATOR_CANCEL job: those of the orders that `meant` names which are of this account.
    cdef int cancel_account(self, Session* s, const Command* meant, const uint8_t* account,
                            size_t length) except -1 nogil
    cdef int work(self) except -1 nogil                                         # one piece of the job
    cdef int mass_cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil
    cdef int mass_status(self, Session* s, const Message* m, const Request* q) except -1 nogil
    # A BusinessMessageReject: a field is missing that this message needs, given its others.
    cdef int missing(self, Session* s, const Message* m, const Request* q, int tag) except -1 nogil

    # An ExecutionReport about no order, for a status request: `why` is its text.
    cdef ExecutionFields* no_order(
        self, Session* s, int why, const uint8_t* id, uint8_t id_length, const uint8_t* account,
        uint8_t account_length, const uint8_t* symbol, uint8_t symbol_length, uint8_t side, const uint8_t* request_id,
        uint8_t request_id_length
    ) except NULL nogil
    # An order as it stands; request_id: of the request for it, none when its length is 0.
    cdef ExecutionFields* status_of(
        self, Session* s, const Order* o, const uint8_t* request_id, uint8_t request_id_length
    ) except NULL nogil

    cdef void _mean_all(self) noexcept nogil
    cdef int _filter(self, const Request* q) noexcept nogil
    cdef void _start(self, Session* s, JobKind kind, const uint8_t* id, uint8_t length) noexcept nogil
    cdef bint _wanted(self, const Order* o) noexcept nogil
    cdef int _mass_cancel_report(self, Session* s, const uint8_t* id, uint8_t id_length, const uint8_t* symbol,
                                 uint8_t symbol_length, int reason) except -1 nogil
    cdef int _no_status(self, Session* s, const uint8_t* id, uint8_t id_length, const uint8_t* symbol,
                        uint8_t symbol_length, int reason) except -1 nogil
    cdef int _cancel_piece(self, Session* s) except -1 nogil
    cdef int _choose_piece(self, Session* s) except -1 nogil
    cdef int _end_cancel(self, Session* s) except -1 nogil
    cdef int _count_piece(self, Session* s) except -1 nogil
    cdef int _status_piece(self, Session* s) except -1 nogil
