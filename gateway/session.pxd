# FIX sessions as replicated state: sequence numbers, gaps, heartbeats, Logon and Logout, the connection epoch.
#
# Everything is judged in log time (`now_ns`, the entry's timestamp). A message is numbered and appended to the
# outbox in one step, so none is ever sent that the state does not know.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from gateway.early cimport Early
from gateway.names cimport NameIndex
from gateway.outbox cimport Outbox
from gateway.records cimport (
    EgressHead, FLAG_GAP_FILL, FLAG_POSS_DUP, InputHead, MessageHead, MSG_BUSINESS_REJECT, MSG_HEARTBEAT, MSG_LOGON,
    MSG_LOGOUT, MSG_SEQUENCE_RESET, OrderBody, SessionBody,
)
from gateway.subscriptions cimport Subscriptions
from gateway.timers cimport Timer, TimerHeap

cdef enum TimerKind:
    TIMER_HEARTBEAT = 1         # nothing sent for the interval: Heartbeat
    TIMER_SILENCE = 2           # nothing received: TestRequest, then the end; no Logout, or no end, after ours
    TIMER_GRACE = 3             # disconnected for the grace: cancel the session's orders
    TIMER_KINDS = 4

cdef enum Action:               # what is left to do with a received message
    DONE = 0
    ACT = 1                     # an application message in sequence

cdef enum Leaving:              # we have sent a Logout; from rules 2 on
    STAYS = 0
    LEAVES = 1                  # the other side's Logout, or the end of its connection, is waited for
    BEGINS_ANEW = 2             # and then it expects 1 again; what it sends is numbered so already

cdef struct Message:            # one INPUT_MESSAGE, its pieces; bodies that its type does not have are NULL
    const InputHead* head
    const MessageHead* fields
    const SessionBody* session
    const OrderBody* order
    const uint8_t* text         # fields.text_length bytes
    const uint8_t* strings      # the body's strings, end to end
    const uint8_t* msg_type     # fields.msg_type_length bytes
    const uint8_t* route        # fields.route_length bytes
    const uint8_t* body         # fields.body_length bytes
    bint kept                   # it came before its turn, which is now

cdef struct Remembered:         # a closed ClOrdID
    uint32_t slot
    uint32_t hash

cdef struct Session:
    uint32_t id                 # 1, 2, 3, ... in the order of their first Logon
    uint32_t epoch              # of the connection; raised by every Logon that opens one
    uint32_t incarnation        # whose connection it is, while connected
    uint32_t connection
    uint64_t inbound            # next MsgSeqNum (34) expected
    uint64_t outbound           # next MsgSeqNum to send
    uint64_t gap_end            # highest number seen beyond a gap; 0 = no gap. Invariant: 0 or >= inbound
    uint64_t gap_first          # while there is a gap: the number that made us ask for it, above `inbound` then
    Early early                 # what came behind the gap; from rules 2 on
    int64_t gap_asked_ns        # when the gap's ResendRequest was sent
    int64_t last_received_ns
    int64_t last_sent_ns
    int64_t heartbeat_ns        # HeartBtInt; 0 = none, silence is not judged
    int64_t grace_ns
    int64_t grace_deadline_ns   # EMPTY_TIME = none
    int64_t leaves_ns           # while it leaves: when it is waited for no longer
    int64_t reset_ns            # when a reset of all sessions last began its numbers anew; 0 = never
    int64_t due_ns[2]           # of orders and of cancels: when the next one is due, were they sent evenly
    int64_t armed_ns[4]         # TimerKind -> the deadline of its live node in the heap; EMPTY_TIME = none
    uint8_t connected
    uint8_t test_pending        # our TestRequest is not answered yet
    uint8_t leaving             # Leaving; STAYS while it is not connected
    uint8_t cancel_on_disconnect
    uint8_t comp_id_length
    uint8_t comp_id[64]
    uint8_t sees_others         # a drop copy session: it enters no orders
    uint8_t is_operator         # its OperatorRequests are acted on
    uint32_t waits              # its turn among those whose next message waits for work put aside; 0 = it does not
    uint8_t is_killed           # by the kill switch: it enters no orders until it is restored
    uint32_t max_open_orders    # 0 = as Settings say
    uint32_t most_open          # what follows of these two, and of the kill switch for all: its open orders are fewer
    uint8_t trade_request_length    # 0: it has not asked for TradeCaptureReports
    uint8_t trade_request[64]   # TradeRequestID (568)
    # what the order layer keeps here: slots of its pool, 0 = none
    uint32_t open_first         # open orders, in order of order id
    uint32_t open_last
    uint32_t open_count
    uint32_t closed_first       # ring of closed ClOrdIDs, oldest first; counts up, taken modulo the room
    uint32_t closed_count       # Invariant: <= Settings.closed_cl_ord_ids between inputs
    uint32_t closed_room        # a power of two, or 0
    Remembered* closed
    NameIndex names             # ClOrdID -> slot, open and closed

cdef struct Settings:
    int64_t grace_ns
    int64_t sending_time_ns     # 0 = not judged
    uint32_t closed_cl_ord_ids
    uint32_t max_heartbeat_seconds
    uint32_t max_sessions
    uint32_t messages_per_second    # 0 = no bound
    uint32_t max_open_orders    # of each session; 0 = no bound
    uint16_t reset_minute       # of the day, + 1; 0 = never
    uint8_t cancel_on_disconnect
    uint8_t open_to_any
    uint8_t application         # Application
    uint8_t reset_on_logon      # both numbers are 1 whenever a Logon opens a connection
    uint8_t is_killed           # by the kill switch: nobody enters orders until it is restored
    uint8_t comp_id_length      # of the exchange
    uint8_t comp_id[64]

cdef inline bint in_sequence(Session* s, const MessageHead* fields) noexcept nogil:
    # The common case: the next number, nothing else to judge. Without `verdict`, which is in the input's head.
    return fields.msg_seq_num == s.inbound and fields.flags == 0 and s.gap_end == 0

cdef inline bint is_asked_for(const Session* s, const Message* m) noexcept nogil:
    # It is acted on together with others because of a gap, however slowly they were sent at first.
    return m.kept or (m.fields.flags & FLAG_POSS_DUP and m.fields.msg_seq_num <= s.gap_end)

cdef inline bint is_of_session(uint8_t msg_type) noexcept nogil:
    return (MSG_HEARTBEAT <= msg_type <= MSG_LOGOUT or msg_type == MSG_LOGON or msg_type == MSG_BUSINESS_REJECT)

cdef inline bint ends_numbers(const Message* m) noexcept nogil:
    # What its session sent before may be forgotten.
    return (m.fields.msg_type == MSG_LOGON or m.fields.msg_type == MSG_LOGOUT
            or (m.fields.msg_type == MSG_SEQUENCE_RESET and not m.fields.flags & FLAG_GAP_FILL))

cdef inline void number_message(Session* s, int64_t now_ns) noexcept nogil:
    s.outbound += 1
    s.last_sent_ns = now_ns


@cython.final
cdef class Sessions:
    cdef Outbox outbox
    cdef Session** table        # by id - 1; each allocated by itself, so a Session* stays valid
    cdef uint32_t count
    cdef uint32_t room
    cdef NameIndex by_comp_id
    cdef NameIndex by_connection
    cdef TimerHeap timers
    cdef Subscriptions subscriptions    # of connected sessions
    cdef Settings settings
    cdef int64_t now_ns         # of the current entry
    cdef uint32_t rules         # the version that holds
    cdef int64_t next_reset_ns  # of all sessions' numbers; EMPTY_TIME = none
    cdef uint64_t input_number  # the last input taken or deadline performed

    cdef Session* by_id(self, uint32_t id) noexcept nogil                   # NULL: none
    cdef Session* by_name(self, const uint8_t* comp_id, size_t length) noexcept nogil
    # The same, made when there is none.
    cdef Session* named(self, const uint8_t* comp_id, size_t length) except NULL nogil
    cdef Session* on_connection(self, uint32_t incarnation, uint32_t connection) noexcept nogil

    # After a change of what its number of open orders is bounded by.
    cdef void bound_orders(self, Session* s) noexcept nogil

    # A session of a snapshot; but for its id, its deadlines in the heap and its orders it is what is given.
    cdef Session* resume(self, const Session* given) except NULL nogil

    # A numbered message with a zeroed body of `size` bytes (padded here): the pointer holds until the next call.
    cdef uint8_t* message(self, Session* s, uint8_t msg_type, size_t size) except NULL nogil
    # A numbered message of any type, whose fields are given as they are sent; its record, as above.
    cdef EgressHead* text(self, Session* s, const uint8_t* msg_type, size_t type_length, const uint8_t* body,
                          size_t length) except NULL nogil
    cdef int business_reject(self, Session* s, const Message* m, uint8_t reason, uint16_t code, const char* text,
                             const uint8_t* ref_id, uint8_t ref_id_length) except -1 nogil

    cdef int reject(self, Session* s, const Message* m, uint8_t reason, uint16_t ref_tag,
                    const char* text) except -1 nogil
    # Whether a Logon is wrong in itself, and why. No session has to do with it, nor the time.
    cdef bint misstated(self, const Message* m, char* text, size_t room) noexcept nogil
    cdef int logon(self, const Message* m) except -1 nogil                  # on a connection without a session
    cdef int heard(self, Session* s) except -1 nogil                        # a message of it came
    cdef int receive(self, Session* s, const Message* m) except -1 nogil     # Action
    # The next one in sequence is kept for later, as what comes early is. 0: the session ends instead.
    cdef int keep(self, Session* s, const Message* m) except -1 nogil
    cdef void pass_over(self, Session* s) noexcept nogil                    # its next number has had its turn
    cdef int ask_for_rest(self, Session* s) except -1 nogil                 # of its gap, when what was missing has come
    cdef int refuse(self, const InputHead* head, const char* text) except -1 nogil
    cdef int disconnect(self, Session* s) except -1 nogil
    cdef int lose(self, uint32_t incarnation) except -1 nogil               # 0: every one
    cdef int arm_all(self) except -1 nogil
    cdef int restart_clocks(self) except -1 nogil                           # a new term began

    cdef bint exceeds_rate(self, Session* s, uint8_t msg_type) noexcept nogil  # else it is counted
    cdef void set_next_reset(self) noexcept nogil
    cdef int reset_all(self) except -1 nogil                                # it is next_reset_ns

    # What is due next is of kind GRACE, or may end a session that waits.
    cdef bint ends_orders(self) except -1 nogil
    cdef int due(self, Timer* timer) except -1 nogil                        # 1: one at or before now_ns, taken
    cdef int perform(self, const Timer* timer) except -1 nogil              # of kind HEARTBEAT or SILENCE
    cdef int64_t next_deadline(self) except? -1 nogil                       # EMPTY_TIME = none

    cdef bint _logon_fault(self, const Message* m, char* text, size_t room) noexcept nogil
    cdef bint _is_off_time(self, const Message* m) noexcept nogil
    cdef int _logon_again(self, Session* s, const Message* m) except -1 nogil
    cdef int _take_connection(self, Session* s) except -1 nogil
    cdef int _open(self, Session* s, const Message* m) except -1 nogil
    cdef Session* _create(self, const uint8_t* comp_id, size_t length) except NULL nogil
    cdef int _accept(self, Session* s, const Message* m) except -1 nogil
    cdef int _answer_logon(self, Session* s, bint reset, bint with_size) except -1 nogil
    cdef int _reset(self, Session* s) except -1 nogil
    cdef bint _number_fault(self, const Session* s, const Message* m, char* text, size_t room) noexcept nogil
    cdef int _gap(self, Session* s, uint64_t number) except -1 nogil
    cdef int _below(self, Session* s, const Message* m) except -1 nogil
    cdef int _too_long(self, Session* s) except -1 nogil
    cdef int _above(self, Session* s, const Message* m) except -1 nogil
    cdef int _sequence_reset(self, Session* s, const Message* m) except -1 nogil
    cdef int _resend_from(self, Session* s, uint64_t input_number, uint64_t first, uint64_t last) except -1 nogil
    cdef int _resend(self, Session* s, const Message* m) except -1 nogil
    cdef int _is_off(self, Session* s, const Message* m) except -1 nogil
    cdef int _dup_fault(self, Session* s, const Message* m) except -1 nogil
    cdef int _is_of_before(self, Session* s, const Message* m) except -1 nogil
    cdef int _reject(self, Session* s, const Message* m, uint8_t reason, uint16_t ref_tag, const uint8_t* text,
                     size_t text_length) except -1 nogil
    cdef int _admin(self, Session* s, uint8_t msg_type, const uint8_t* text, size_t text_length) except -1 nogil
    cdef int _leave(self, Session* s, const char* text) except -1 nogil
    cdef int _logout(self, Session* s, const char* text) except -1 nogil
    cdef int _begin_grace(self, Session* s) except -1 nogil
    cdef int _close(self, Session* s, const char* text) except -1 nogil
    cdef int _arm(self, Session* s, TimerKind kind) except -1 nogil
    cdef int64_t _deadline(self, const Session* s, uint32_t kind) noexcept nogil

    cdef EgressHead* _record(self, Session* s, uint8_t kind, size_t size) except NULL nogil
    cdef int _effect(self, Session* s, uint8_t kind, uint32_t incarnation, uint32_t connection,
                     const uint8_t* text, size_t text_length) except -1 nogil
    cdef int _settle_first(self) except -1 nogil
