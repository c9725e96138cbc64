# What the connections of one gateway send: bytes -> Inputs of this turn. The struct is in connection_table.pxd.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from gateway.connection_table cimport Connection
from gateway.entrance cimport Entrance
from gateway.records cimport InputHead, MessageHead

cdef class Connections(Entrance):
    cdef uint64_t turn
    cdef public uint32_t rules  # that hold
    cdef public uint32_t most_messages  # of a connection in a second, beyond which it is cut off; 0 = no bound

    cdef bint full(self) noexcept
    cdef int frame_received(self, bytes key, const uint8_t* data, size_t size) except -1
    cdef int parts_received(self, bytes key) except -1
    cdef int receive(self, Connection* c, const uint8_t* data, size_t size) except -1
    cdef int take_inbox(self, Connection* c) except -1
    cdef bint take(self, Connection* c, const uint8_t* data, size_t size, size_t* used) except -1
    cdef bint message(self, Connection* c, const uint8_t* data, size_t length) except -1
    cdef int too_long(self, Connection* c) except -1
    cdef bint logon(self, Connection* c, InputHead* head, bytes comp_id) except -1
    cdef bint frees(self, bytes comp_id) except -1
    cdef bint starts_over(self, Connection* c, const uint8_t* data, size_t size) except -1
    cdef int refill(self) except -1
    cdef bint is_asked_for(self, Connection* c, const MessageHead* message) noexcept
    cdef bint floods(self, Connection* c) noexcept
