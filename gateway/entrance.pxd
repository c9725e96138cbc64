# Who comes in, who leaves without a word, and what a Logon has to show. The struct is in connection_table.pxd.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from gateway.connection_table cimport Connection, Peer
from gateway.delivery cimport Delivery

cdef enum:
    EARLY = 8192    # bytes of a Logon, and of what a TCP connection may send before it without saying anything

cdef class Entrance(Delivery):
    cdef public int64_t logon_ns        # a connection logs on within this
    cdef public size_t most_strangers   # connections that have not: the oldest goes when another comes
    cdef public bint guarded            # a session needs a proof: its ZeroMQ frames come by the connection that gave it
    cdef public bint accepting          # False: nothing is taken, TCP sockets are not read
    cdef int64_t searched_second        # of now_ns: when there was no room, and the dead were looked for

    cdef Connection* admit(self, uint8_t transport, int descriptor) except? NULL
    cdef int turn_off(self, uint8_t transport, str why) except -1
    cdef int make_room(self) except -1
    cdef bint is_same(self, Connection* c) noexcept
    cdef bint passes(self, Connection* c, bytes comp_id, bint sound, const uint8_t* logon, size_t size) except -1
    cdef int turn_away(self, Connection* c, bytes comp_id, str why) except -1
    cdef void from_peer(self, Connection* c, int descriptor) noexcept
    cdef bint gone(self, Connection* c) noexcept
    cdef bint bury(self, Connection* c) except -1
    cdef int look_for_dead(self, int most, int64_t silent_ns) except -1
    cdef int look_for_strangers(self) except -1
