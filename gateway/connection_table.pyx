# cython: boundscheck=False, wraparound=False
# boundscheck: C arrays only, indexed by slots that this file hands out.
"""Slots, buffers, beginnings and ends: what sending and receiving share.

Holds the table of connections and the payload being collected; owns every buffer
in them (malloc, freed with the connection). Does no I/O: ZeroMQ bytes leave
through an `Outlet`, TCP bytes through the transport object it was given. The GIL
is held throughout: there is one thread, and nothing here waits.
"""

from collections import deque

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from gateway.records cimport INPUT_DISCONNECT, NOT_REJECTED, InputHead

cdef enum:
    LINGERERS = 1024        # TCP connections whose peers are given time to end them, too
    KINDS = 16              # of events in a second that are told apart


cdef int reserve(Buffer* buffer, size_t more) except -1:
    """Room for `more` bytes after buffer.end."""
    cdef size_t wanted = buffer.end + more
    cdef size_t room
    if wanted <= buffer.room:
        return 0
    room = buffer.room if buffer.room else 4096
    while room < wanted:
        room *= 2
    cdef uint8_t* data = <uint8_t*>realloc(buffer.data, room)
    if data == NULL:
        raise MemoryError
    buffer.data = data
    buffer.room = room
    return 0


cdef int append(Buffer* buffer, const uint8_t* data, size_t size) except -1:
    if buffer.begin:    # what was consumed makes room first
        memmove(buffer.data, buffer.data + buffer.begin, buffer.end - buffer.begin)
        buffer.end -= buffer.begin
        buffer.begin = 0
    reserve(buffer, size)
    memcpy(buffer.data + buffer.end, data, size)
    buffer.end += size
    return 0


cdef void release(Buffer* buffer) noexcept:
    free(buffer.data)
    memset(buffer, 0, sizeof(Buffer))


cdef str label_of(Connection* c):
    """As the FIX log names it."""
    return f"{'tcp' if c.transport == TCP else 'zmq'}/{c.number}"


cdef class Outlet:
    cdef int send(self, const uint8_t* key, size_t key_size, const uint8_t* data, size_t size) except -1:
        raise NotImplementedError

    cdef int source(self) noexcept:
        return -1

    cdef const char* curve_key(self) noexcept:
        return NULL

    cdef void look_up(self, Peer* peer) noexcept:
        peer.size = 0

    cdef bint comes_from(self, const Peer* peer) noexcept:
        return True

    cdef bint gone(self, const Peer* peer) noexcept:
        return False


cdef class Table:
    def __cinit__(self):
        cdef uint32_t slot
        self.table = <Connection*>calloc(SLOTS, sizeof(Connection))
        self.free_slots = <uint32_t*>malloc(SLOTS * sizeof(uint32_t))
        if self.table == NULL or self.free_slots == NULL:
            raise MemoryError
        for slot in range(SLOTS):
            self.table[slot].number = slot
            self.free_slots[SLOTS - 1 - slot] = slot
        self.free_count = SLOTS

    def __init__(self):
        self.ring = deque()
        self.dirty = []
        self.by_key = {}
        self.transports = [None] * SLOTS
        self.addresses = [None] * SLOTS
        self.lingering = []
        self.events = []
        self.repeats = {}
        self.comp_id = b"QUORUMBOOK"

    def __dealloc__(self):
        cdef uint32_t slot
        if self.table != NULL:
            for slot in range(SLOTS):
                free(self.table[slot].inbox.data)
                free(self.table[slot].out.data)
        free(self.table)
        free(self.free_slots)
        free(self.by_session)
        free(self.payload.data)

    cdef Connection* claim(self, uint8_t transport) except? NULL:
        """A fresh connection; NULL when all SLOTS are taken, or MOST by this transport."""
        cdef Connection* c
        cdef uint32_t number
        if self.free_count == 0 or self.held[transport] >= MOST:
            return NULL
        self.held[transport] += 1
        self.free_count -= 1
        c = &self.table[self.free_slots[self.free_count]]
        number = c.number + SLOTS   # the next generation; wraps after 2**20 of them
        memset(c, 0, sizeof(Connection))
        c.number = number
        c.transport = transport
        c.state = FRESH
        self.strangers += 1
        c.opened_ns = c.alive_ns = self.now_ns
        return c

    cdef bint is_stranger(self, Connection* c) noexcept:
        return c.state == FRESH or c.state == PROVING

    cdef Connection* find(self, uint32_t number) noexcept:
        cdef Connection* c = &self.table[number % SLOTS]
        return c if c.number == number and c.state != FREE else NULL

    cdef int vacate(self, Connection* c) except -1:
        """The slot is free again; the transport has been dealt with."""
        cdef uint32_t slot = c.number % SLOTS
        if c.state == LOGGED_ON and self.by_session[c.session] == slot + 1:
            self.by_session[c.session] = 0
        if c.transport == ZEROMQ:
            self.by_key.pop(PyBytes_FromStringAndSize(<char*>c.key, c.key_size), None)
        if c.behind:
            self.behind_count -= 1
        if self.is_stranger(c):
            self.strangers -= 1
        if self.recorder is not None:
            self.recorder.ended(label_of(c))
        self.held[c.transport] -= 1
        self.transports[slot] = None
        if self.addresses[slot] is not None:
            self.gate.leaves(self.addresses[slot])
            self.addresses[slot] = None
        release(&c.inbox)
        release(&c.out)
        c.state = FREE
        self.free_slots[self.free_count] = slot
        self.free_count += 1
        return 0

    cdef int end(self, Connection* c, bint flush) except -1:
        """The gateway ends the connection. flush: what it was sent before still goes out."""
        cdef object transport
        if flush and c.out.end > c.out.begin:
            self.hand_over(c)
            if c.state == FREE:
                return 0
        if c.transport == TCP:
            transport = self.transports[c.number % SLOTS]
            if flush:
                self.part(transport, c.paused)
            else:
                transport.abort()
        else:
            self.outlet.send(c.key, c.key_size, NULL, 0)    # bye; if it cannot go, silence says the same
        self.vacate(c)
        return 0

    cdef int part(self, object transport, bint paused) except -1:
        """Ends a TCP connection behind what was written. Ours alone, so that it has an end when the other side has one:
        a socket closed with bytes unread is reset, and a peer that still sends may never read why it was left."""
        if len(self.lingering) < LINGERERS and transport.can_write_eof() and not transport.is_closing():
            if paused:
                transport.resume_reading()      # into nothing
            transport.write_eof()
        else:
            transport.close()
        self.lingering.append((transport, self.now_ns))
        return 0

    cdef int left(self, Connection* c) except -1:
        """The client ended it, or died: nothing can be said to it."""
        if c.state == LOGGED_ON and not c.closing:
            self.disconnected(c.session, c.epoch, c.number)
        return self.vacate(c)   # a Logon of it that is still in the log's hands: see opened()

    cdef int cut(self, Connection* c, str why) except -1:
        """Ended for what it did, or did not do."""
        self.cut_off += 1
        self.event("cut off", c, why)
        if c.state == LOGGED_ON and not c.closing:
            self.disconnected(c.session, c.epoch, c.number)
        return self.end(c, False)

    cdef int disconnected(self, uint32_t session, uint32_t epoch, uint32_t number) except -1:
        """An input that says so: the exchange decides what it means."""
        cdef InputHead* head
        reserve(&self.payload, sizeof(InputHead))
        head = <InputHead*>(self.payload.data + self.payload.end)
        memset(head, 0, sizeof(InputHead))
        head.size = sizeof(InputHead)
        head.kind = INPUT_DISCONNECT
        head.verdict = NOT_REJECTED
        head.session = session
        head.epoch = epoch
        self.number_input(head, number)
        self.payload.end += sizeof(InputHead)
        return 0

    cdef void number_input(self, InputHead* head, uint32_t connection) noexcept:
        self.gateway_number += 1
        head.incarnation = self.incarnation
        head.gateway_number = self.gateway_number
        head.connection = connection
        head.received_ns = self.now_ns

    # ------------------------------------------------------------ to the transport

    cdef bint hand_over(self, Connection* c) except -1:
        """The out buffer to the transport. False: it cannot take it (now, or ever)."""
        cdef size_t size = c.out.end - c.out.begin
        cdef object transport
        cdef int sent
        if size == 0:
            return True
        if c.transport == TCP:
            transport = self.transports[c.number % SLOTS]
            if transport.get_write_buffer_size() > UNSENT:
                return self.fall_behind(c)
            transport.write(PyBytes_FromStringAndSize(<char*>c.out.data + c.out.begin, size))
        else:
            sent = self.outlet.send(c.key, c.key_size, c.out.data + c.out.begin, size)
            if sent == 0:
                return self.fall_behind(c)
            if sent == 2:
                self.cut(c, "the peer is gone")
                return False
        if self.recorder is not None:
            self.record(c, "out", c.out.data + c.out.begin, size)
        self.bytes_out += size
        c.out.begin = c.out.end = 0
        c.progress_ns = self.now_ns
        return True

    cdef bint fall_behind(self, Connection* c) except -1:
        if not c.behind:
            c.behind = True
            c.live_next = c.live_last + 1
            c.progress_ns = self.now_ns
            self.behind_count += 1
        return False

    cdef int record(self, Connection* c, str direction, const uint8_t* data, size_t size) except -1:
        self.recorder.record(direction, label_of(c), PyBytes_FromStringAndSize(<const char*>data, size))
        return 0

    cdef int wait(self, Connection* c, bint more) except -1:
        if more and c.state != ASKED and c.state != PROVING and not c.waiting:
            c.waiting = True
            self.ring.append(c.number)
        return 0

    cdef int event(self, str what, Connection* c, str why) except -1:
        comp_id = (<char*>c.identity.peer)[:c.identity.peer_length].decode("ascii", "replace")
        transport = "tcp" if c.transport == TCP else "zeromq"
        return self.tell(what, {"comp_id": comp_id, "transport": transport, "why": why})

    cpdef int tell(self, str what, dict details) except -1:
        """For the trace, which may lie on the log's disk: the first of its kind in a second, and how many followed. The
        same to the same client, for the same reason, is a kind, up to KINDS of them."""
        cdef tuple kind = (what, details.get("comp_id"), details.get("why"))
        if kind not in self.repeats and len(self.repeats) >= KINDS:
            kind = (what, None, None)
        if kind in self.repeats:
            self.repeats[kind] += 1
        else:
            self.repeats[kind] = 0
            self.events.append((what, details))
        return 0

    cdef int tell_repeats(self) except -1:
        """The second that repeats are counted for may be over."""
        if self.now_ns // SECOND == self.told_second:
            return 0
        self.told_second = self.now_ns // SECOND
        for (what, comp_id, why), count in self.repeats.items():
            if count:
                whose = {} if comp_id is None else {"comp_id": comp_id}
                reason = f"{why}: as many more within a second" if why else "as many more within a second"
                self.events.append((what, {**whose, "count": count, "why": reason}))
        self.repeats.clear()
        return 0
