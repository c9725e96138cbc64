# What the connections of one gateway send: bytes -> Inputs of this turn. The struct is in connection_table.pxd.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from gateway.connection_table cimport Connection
from gateway.delivery cimport Delivery
from gateway.records cimport InputHead, MessageHead

cdef class Connections(Delivery):
    cdef uint64_t turn
    cdef int64_t searched_second    # of now_ns: when there was no room, and the dead were looked for
    cdef object sessions        # CompID -> (session id, epoch)
    cdef public bint accepting  # False: nothing is taken, TCP sockets are not read

    cdef bint full(self) noexcept
    cdef int frame_received(self, bytes key, const uint8_t* data, size_t size) except -1
    cdef int parts_received(self, bytes key) except -1
    cdef int receive(self, Connection* c, const uint8_t* data, size_t size) except -1
    cdef int take_inbox(self, Connection* c) except -1
    cdef bint take(self, Connection* c, const uint8_t* data, size_t size, size_t* used) except -1
    cdef int message(self, Connection* c, const uint8_t* data, size_t length) except -1
    cdef bint logon(self, Connection* c, InputHead* head, MessageHead* message) except -1
    cdef bint frees(self, MessageHead* message) except -1
    cdef bint starts_over(self, Connection* c, const uint8_t* data, size_t size) except -1
    cdef bint gone(self, Connection* c) noexcept
    cdef bint bury(self, Connection* c) except -1
    cdef int look_for_dead(self, int most, int64_t silent_ns) except -1
    cdef Connection* admit(self, uint8_t transport) except? NULL
    cdef void from_peer(self, Connection* c, int descriptor) noexcept
    cdef int refill(self) except -1
