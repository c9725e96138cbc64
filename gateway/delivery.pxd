# Egress records to the connections they are for, and the send cursor of those that are behind.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from gateway.connection_table cimport Connection, Range, Table
from gateway.records cimport EgressHead

cdef class Delivery(Table):
    cdef object sessions        # CompID -> (session id, epoch)
    cdef public object store    # the EgressStore that resends come from

    cdef Connection* carrier(self, EgressHead* head) noexcept
    cdef int opened(self, EgressHead* head) except -1
    cdef int fence(self, uint32_t session) except -1
    cdef int refuse(self, EgressHead* head) except -1
    cdef int decline(self, Connection* c, bytes why, bint counts) except -1
    cdef int close(self, EgressHead* head) except -1
    cdef int send_message(self, EgressHead* head) except -1
    cdef int encode_one(self, Connection* c, EgressHead* head, int64_t resend_ns) except -1
    cdef int mark(self, Connection* c) except -1
    cdef int resend(self, EgressHead* head) except -1
    cdef bint is_answered_with(self, Connection* c, const Range* wanted) noexcept
    cdef bint pump_one(self, Connection* c) except -1
    cdef bint stalled(self, Connection* c) except -1
    cdef int stream(self, Connection* c, Range* again) except -1
    cdef int find_begin(self, Connection* c, Range* again) except -1
    cdef int send_again(self, Connection* c, EgressHead* head, Range* again, uint64_t expected) except -1
    cdef int fill_gap(self, Connection* c, Range* again, uint64_t until) except -1
