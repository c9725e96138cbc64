# The connections of one gateway: who is at the other end, what it sent, what it is owed.
#
# A connection is one TCP socket or one ZeroMQ routing id, and carries one session at most.
#
#   Table (here)    slots, buffers, beginnings and ends
#   Delivery        Egress -> bytes (gateway/delivery.pyx)
#   Connections     bytes -> Inputs of this turn (gateway/connections.pyx)

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from gateway.fix cimport Identity
from gateway.records cimport InputHead

cdef enum:
    SLOTS = 4096            # connections at one time; a power of two
    MOST = 3584             # of them by one transport: it cannot shut out the other
    SECOND = 1_000_000_000  # nanoseconds
    RANGES = 64             # resend requests that may wait on one connection
    ROUTING_ID = 255        # bytes, ZeroMQ's own bound
    CURVE_KEY = 40          # bytes of a public key as text (Z85)
    UNSENT = 1 << 20        # bytes in a TCP transport's own buffer above which a connection is behind

cdef enum Transport:
    ZEROMQ = 1
    TCP = 2

cdef enum State:
    FREE = 0
    FRESH = 1               # nothing is known; only a Logon is acted on
    ASKED = 2               # its Logon is in the log's hands; what follows waits in the inbox
    LOGGED_ON = 3           # carries `session` at `epoch`
    PROVING = 4             # what its Logon shows is being looked at; the Logon waits at the head of the inbox

cdef struct Buffer:         # malloc'ed; grows to what is needed, freed when the connection ends
    uint8_t* data
    size_t begin            # consumed up to here
    size_t end              # filled up to here
    size_t room

cdef struct Range:          # message sequence numbers to send again, next .. last
    uint64_t next
    uint64_t last
    int64_t time_ns         # SendingTime of the copies: of the request, or later, of the chunk
    uint64_t from_input     # what is sent begins with the first message from this input number on; 0 = with `next`

cdef struct Peer:           # the other end of a TCP connection; with ZeroMQ, of the one underneath
    int descriptor          # ours; -1: not known. libzmq closes its own: it may be another's by now
    uint32_t size           # of the address; 0: it could not be asked for, the connection had ended
    uint8_t address[28]     # a sockaddr_in or sockaddr_in6

cdef struct Connection:
    uint32_t number         # slot + SLOTS * generation: a late answer to an old connection finds nobody
    uint8_t transport       # Transport
    uint8_t state           # State
    bint waiting            # in the ring of connections with more to take
    bint paused             # TCP: reading is paused, the inbox is full
    bint dirty              # in the list of connections to flush
    bint behind             # live messages wait: they are streamed from the egress store
    bint leaving            # it was sent a Logout: nothing new follows
    bint closing            # CLOSE came while it was behind
    bint proven             # its Logon may go on
    uint32_t session
    uint32_t epoch
    Identity identity       # the exchange's CompID and the Logon's SenderCompID
    uint8_t key[ROUTING_ID]
    uint8_t key_size
    char curve_key[CURVE_KEY]   # public key that its ZeroMQ link has proved to have; zeros without CURVE
    Peer peer               # who logged on, or was heard after a silence
    Buffer inbox            # received, not taken yet
    int64_t begun_ns        # when the unfinished message that stands first in the inbox began to come; 0 = none does
    Buffer out              # encoded, not handed to the transport yet
    uint64_t turn           # the turn that `taken` counts for
    size_t taken            # bytes taken from it in that turn
    int64_t second          # of now_ns, that `messages` counts for
    uint32_t messages       # taken from it in that second, without what was asked for
    uint64_t highest        # the highest number that came, not of copies
    uint64_t asked          # the next number that a ResendRequest asks for; 0 = there was none
    size_t noise            # bytes taken from it that were no message, before its Logon
    int64_t opened_ns       # when it came; a connection that never logs on is closed
    int64_t alive_ns        # ZeroMQ: when it was last heard, or found alive
    uint64_t live_last      # the highest number that the session has sent or is owed
    # the send cursor, used while it is behind
    uint64_t live_next      # the next number to stream for the first time
    Range ranges[RANGES]    # resends go before, in the order they were asked for
    int range_count
    uint64_t gap_begin      # first number of a gap fill being collected; 0 = none
    int64_t progress_ns     # when something was last handed over


cdef class Outlet:
    """Where the bytes of ZeroMQ connections leave: gateway.zeromq sends them, a test keeps them."""
    # 1: sent; 0: the peer's queue is full; -1 is an exception; 2: the peer is gone
    cdef int send(self, const uint8_t* key, size_t key_size, const uint8_t* data, size_t size) except -1
    cdef int source(self) noexcept                      # descriptor that the frame being received came by; -1
    cdef const char* curve_key(self) noexcept           # of who sent the frame being received; NULL without CURVE
    cdef void look_up(self, Peer* peer) noexcept        # who is at the other end of its descriptor now
    cdef bint comes_from(self, const Peer* peer) noexcept   # the frame being received does, by the same connection
    cdef bint gone(self, const Peer* peer) noexcept     # this machine knows that its connection has ended


cdef int reserve(Buffer* buffer, size_t more) except -1             # room for `more` bytes after buffer.end
cdef int append(Buffer* buffer, const uint8_t* data, size_t size) except -1

cdef class Table:
    cdef Connection* table      # SLOTS of them
    cdef uint32_t* free_slots
    cdef size_t free_count
    cdef uint32_t held[3]       # connections of each Transport
    cdef uint32_t* by_session   # session id -> slot + 1; 0 = not connected here
    cdef size_t session_room
    cdef Buffer payload         # the Inputs of this turn
    cdef public uint64_t gateway_number     # of the last input
    cdef size_t behind_count
    cdef object ring            # numbers of connections with more to take, first in first out
    cdef list dirty             # numbers of connections with encoded bytes
    cdef dict by_key            # routing id -> slot
    cdef list transports        # slot -> the TCP transport
    cdef list addresses         # slot -> the address that the gate counts it at; None: there is no gate
    cdef public object gate     # whom to ask what may come in (gateway/admission.py); None: everything may
    cdef public object judge    # a Logon, as an Input -> why it is wrong in itself, or ""; None: nobody says
    cdef size_t strangers       # connections whose Logon has not gone on
    cdef list lingering         # (ended transport, when): aborted when they cannot flush, or the peer does not end it
    cdef public Outlet outlet
    cdef public object recorder # who writes the traffic down (gateway/fix_recorder.py); None: nobody
    cdef public bint explains   # a Logon that is refused gets a Logout that says why
    cdef public bint own_tags   # messages have tags of our own
    cdef public dict own_tags_of    # CompID -> the same for that client alone
    cdef public int64_t now_ns  # wall clock of what is received now: audit, and the bounds on silence
    cdef public uint32_t incarnation
    cdef public bytes comp_id   # the exchange's own, 1 to 64 bytes
    cdef public list events     # (what, details) for the trace; the server empties it
    cdef dict repeats           # (what, CompID, why) -> how often again in this second
    cdef int64_t told_second    # of now_ns
    cdef public uint64_t messages_in, messages_out, bytes_in, bytes_out, garbled, cut_off, refused

    cdef Connection* claim(self, uint8_t transport) except? NULL    # a fresh one; NULL: there is no room
    cdef bint is_stranger(self, Connection* c) noexcept             # its Logon has not gone on
    cdef Connection* find(self, uint32_t number) noexcept           # NULL: it has ended
    cdef int vacate(self, Connection* c) except -1
    cdef int end(self, Connection* c, bint flush) except -1
    cdef int part(self, object transport, bint paused) except -1
    cdef int left(self, Connection* c) except -1
    cdef int cut(self, Connection* c, str why) except -1
    cdef int disconnected(self, uint32_t session, uint32_t epoch, uint32_t number) except -1
    cdef void number_input(self, InputHead* head, uint32_t connection) noexcept
    cdef bint hand_over(self, Connection* c) except -1
    cdef bint fall_behind(self, Connection* c) except -1
    cdef int record(self, Connection* c, str direction, const uint8_t* data, size_t size) except -1
    cdef int wait(self, Connection* c, bint more) except -1
    cdef int event(self, str what, Connection* c, str why) except -1
    cpdef int tell(self, str what, dict details) except -1
    cdef int tell_repeats(self) except -1
