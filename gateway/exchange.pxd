# The replicated state machine: log entry in, egress records and market data out. gateway/DESIGN.md tells its way.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.machine cimport Machine
from gateway.market_data cimport MarketData
from gateway.orders cimport Expected, Orders
from gateway.outbox cimport Outbox
from gateway.records cimport InputHead
from gateway.session cimport Message, Session, Sessions

cdef struct Gateway:            # one incarnation, numbered from 1
    uint64_t last_number        # of its inputs, taken or not
    uint32_t lost               # 1: nothing of it is taken any more
    uint32_t reserved

cdef class Exchange:
    cdef readonly Machine machine
    cdef readonly MarketData feed
    cdef readonly int64_t applied_index
    cdef readonly int64_t applied_term
    cdef readonly uint64_t skipped_inputs
    cdef Sessions state         # sessions
    cdef Orders orders
    cdef Outbox outbox
    cdef Gateway* gateways
    cdef uint32_t gateway_count
    cdef uint32_t gateway_room
    # the entry that is being applied
    cdef Py_buffer payload
    cdef bint open              # an entry has begun and is not done
    cdef bint failed            # an exception left it half done: nothing more is applied
    cdef int64_t index
    cdef const uint8_t* cursor
    cdef const uint8_t* end
    cdef uint8_t* aligned       # a copy of the payload when it does not lie on 8 bytes
    cdef bint deadlines_done
    cdef const uint8_t* ahead   # the first input whose memory has not been asked for; cursor <= ahead <= end
    cdef uint64_t taken         # inputs of this entry before cursor
    cdef uint64_t seen          # before ahead
    cdef Expected coming[16]    # by number of the input, modulo 16

    cdef bint _advance(self, int64_t budget) except -1 nogil
    cdef int _take(self, const InputHead* head) except -1 nogil
    cdef void _look_ahead(self) noexcept nogil
    cdef bint _passes_fence(self, const InputHead* head) noexcept nogil
    cdef int _message(self, const InputHead* head) except -1 nogil
    cdef int _disconnect(self, const InputHead* head) except -1 nogil
    cdef int _gateway_start(self) except -1 nogil
    cdef int _gateway_lost(self, uint32_t incarnation) except -1 nogil
    cdef int _setting(self, const InputHead* head) except -1 nogil
    cdef int _instrument(self, const InputHead* head) except -1
    cdef int _align(self) except -1
    cdef int _release(self) except -1
    cdef int _finish(self) except -1
    cdef dict _session(self, const Session* s)
