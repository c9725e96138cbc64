# cython: boundscheck=False, wraparound=False
# boundscheck: C arrays only, indexed by slots that connection_table.pyx hands out.
"""Who comes in, and who leaves without a word.

The gate (gateway/admission.py) counts connections by the address they come from and judges what a Logon shows;
comparing a password takes it a while, and the Logon waits. Nothing of a Logon that it refuses gets into the log. The
GIL is held throughout; nothing here waits. Raises MemoryError.
"""

from ipaddress import IPv6Address

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy

from gateway.connection_table cimport (
    CURVE_KEY, FRESH, LOGGED_ON, PROVING, SECOND, SLOTS, TCP, ZEROMQ, Connection, Peer,
)

cdef enum:
    IPV4 = 2            # AF_INET and AF_INET6 of Linux
    IPV6 = 10


cdef str address_of(const Peer* peer):
    """As text; empty when it is not known."""
    cdef uint16_t family
    cdef bytes address = (<const char*>peer.address)[:sizeof(peer.address)]
    memcpy(&family, peer.address, sizeof(family))
    if peer.size and family == IPV4:
        return ".".join(map(str, address[4:8]))
    if peer.size and family == IPV6:
        return str(IPv6Address(address[8:24]))
    return ""


cdef class Entrance(Delivery):
    """sessions, store: as Delivery has them."""

    def __init__(self, sessions, store):
        Delivery.__init__(self, sessions, store)
        self.logon_ns = 10 * <int64_t>SECOND
        self.most_strangers = SLOTS
        self.accepting = True

    # ------------------------------------------------------------ coming

    cdef Connection* admit(self, uint8_t transport, int descriptor) except? NULL:
        """A fresh connection. The dead make room first; they are looked for once a second. NULL: there is none."""
        cdef Connection* c
        cdef Peer peer
        cdef str address = None
        peer.descriptor = descriptor
        peer.size = 0
        if descriptor >= 0:
            self.outlet.look_up(&peer)
        if self.gate is not None:
            address = address_of(&peer)
            why = self.gate.enters(address)
            if why:
                self.turn_off(transport, why)
                return NULL
        if self.strangers >= self.most_strangers:
            self.make_room()
        c = self.claim(transport)
        if c == NULL and self.now_ns // SECOND != self.searched_second:
            self.searched_second = self.now_ns // SECOND
            self.look_for_dead(SLOTS, SECOND)
            c = self.claim(transport)
        if c == NULL:
            if address is not None:
                self.gate.leaves(address)
            self.turn_off(transport, "no room for another connection")
            return NULL
        c.peer = peer
        self.addresses[c.number % SLOTS] = address
        return c

    cdef int turn_off(self, uint8_t transport, str why) except -1:
        """Somebody who came is no connection."""
        self.refused += 1
        return self.tell("refused", {"transport": "tcp" if transport == TCP else "zeromq", "why": why})

    cdef int make_room(self) except -1:
        """The oldest stranger goes: who means to log on does so at once, while strangers who hold all places would keep
        everybody out if it was the newest."""
        cdef uint32_t slot
        cdef Connection* c
        cdef Connection* oldest = NULL
        for slot in range(SLOTS):
            c = &self.table[slot]
            if self.is_stranger(c) and (oldest == NULL or c.opened_ns < oldest.opened_ns):
                oldest = c
        if oldest != NULL:
            self.event("closed", oldest, f"{self.strangers} connections have not logged on, and another came")
            return self.end(oldest, False)
        return 0

    cdef bint is_same(self, Connection* c) noexcept:
        """Whether the frame being received is from who has the connection. A routing id is for anybody to use: only a
        key, or the connection underneath, says who that is."""
        cdef const char* key = self.outlet.curve_key()
        if key != NULL:
            return memcmp(key, c.curve_key, CURVE_KEY) == 0
        return not self.guarded or self.outlet.comes_from(&c.peer)

    # ------------------------------------------------------------ a Logon's proof

    cdef bint passes(self, Connection* c, bytes comp_id, bint sound, const uint8_t* logon, size_t size) except -1:
        """Whether a Logon may go on. False: that is not known yet, or the connection has ended."""
        cdef bytes key
        if c.proven:
            return True
        why = ""
        if size > EARLY:
            why = f"a Logon of {size} bytes; allowed: {EARLY}"
        elif self.gate is not None:
            key = (<const char*>c.curve_key)[:CURVE_KEY].rstrip(b"\0")
            c.state = PROVING
            why = self.gate.judge(c.number, comp_id, key.decode(), self.addresses[c.number % SLOTS], sound,
                                  (<const char*>logon)[:size])
            if why is None:
                return False
            c.state = FRESH
        if why:
            self.turn_away(c, comp_id, why)
            return False
        c.proven = True
        return True

    def is_proving(self, uint32_t number) -> bool:
        """Whether the connection is there and its Logon waits for a verdict."""
        cdef Connection* c = self.find(number)
        return c != NULL and c.state == PROVING

    def proved(self, uint32_t number, bytes comp_id, str why) -> None:
        """The verdict on a Logon that waits. why: it is refused; empty: it may go on."""
        cdef Connection* c = self.find(number)
        if c == NULL or c.state != PROVING:
            return
        c.state = FRESH
        if why:
            self.turn_away(c, comp_id, why)
        else:
            c.proven = True
            self.wait(c, True)

    cdef int turn_away(self, Connection* c, bytes comp_id, str why) except -1:
        """Closed without an answer: whoever guesses is told nothing."""
        cdef str transport = "tcp" if c.transport == TCP else "zeromq"
        self.refused += 1
        self.tell("logon refused", {"comp_id": comp_id.decode("ascii", "replace"), "transport": transport,
                                    "address": self.addresses[c.number % SLOTS] or "", "why": why})
        return self.end(c, False)

    cdef int look_for_strangers(self) except -1:
        """Ends those that had time enough to log on."""
        cdef uint32_t slot
        cdef Connection* c
        for slot in range(SLOTS):
            c = &self.table[slot]
            if (self.accepting      # else its Logon may be waiting
                    and self.is_stranger(c) and not c.proven and self.now_ns - c.opened_ns > self.logon_ns):
                self.event("closed", c, f"no Logon within {self.logon_ns // SECOND} s")
                self.end(c, False)
        return 0

    # ------------------------------------------------------------ going

    cdef void from_peer(self, Connection* c, int descriptor) noexcept:
        c.peer.descriptor = descriptor
        if descriptor >= 0:
            self.outlet.look_up(&c.peer)

    cdef bint gone(self, Connection* c) noexcept:
        """The peer is known to be gone. ZeroMQ tells nobody, TCP may be about to."""
        return c.peer.descriptor >= 0 and self.outlet.gone(&c.peer)

    cdef bint bury(self, Connection* c) except -1:
        """Ends a connection whose peer is gone, as a send that fails would."""
        if c.state != LOGGED_ON or not self.gone(c):
            return False
        self.cut(c, "the peer is gone")
        return True

    cdef int look_for_dead(self, int most, int64_t silent_ns) except -1:
        """Ends the ZeroMQ connections whose peers are gone, among at most so many that were silent so long."""
        cdef uint32_t slot
        cdef Connection* c
        for slot in range(SLOTS):
            c = &self.table[slot]
            if c.state == LOGGED_ON and c.transport == ZEROMQ and self.now_ns - c.alive_ns >= silent_ns:
                if most == 0:
                    break
                most -= 1
                if not self.bury(c):
                    c.alive_ns = self.now_ns
        return 0
