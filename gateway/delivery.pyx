# cython: boundscheck=False, wraparound=False
# boundscheck: every record's size is checked against its buffer before it is read.
"""Egress records to the connections they are for.

A message goes out only on the connection that carries its session at its epoch,
many of them in one write. A connection that asked for a resend, or whose
transport is full, is *behind*: nothing more is encoded for it, its messages are
streamed from the egress store as it reads, resends first, and when it does not
read at all for STALL_NS it is cut off and recovers by ResendRequest.

Raises MemoryError; AssertionError on a record that breaks its layout.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memmove, memset

from gateway.connection_table cimport (
    ASKED, FREE, LOGGED_ON, RANGES, SLOTS, TCP, UNSENT, Connection, Range, reserve,
)
from gateway.fix cimport MAX_ENCODED, encode, encode_gap_fill
from gateway.records cimport (
    EGRESS_CLOSE, EGRESS_MESSAGE, EGRESS_OPEN, EGRESS_REFUSE, EGRESS_RESEND, FLAG_RESET_SEQ_NUM, MSG_HEARTBEAT,
    MSG_LOGON, MSG_LOGOUT, MSG_OTHER, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET, MSG_TEST_REQUEST, NOT_REJECTED,
    EgressHead, SessionFields, TextFields,
)

cdef enum:
    CHUNK = 1 << 16         # bytes encoded for a connection before they are handed over, and streamed a turn

cdef int64_t STALL_NS = 5_000_000_000   # a connection that is behind takes something within this
cdef int64_t FIRST_TIME = INT64_MIN     # encode(): a first transmission


cdef bint is_admin(uint8_t msg_type) noexcept:
    """Session messages are gap-filled, never sent again; a Reject is (FIX 4.4, volume 2)."""
    return (msg_type == MSG_HEARTBEAT or msg_type == MSG_TEST_REQUEST or msg_type == MSG_RESEND_REQUEST
            or msg_type == MSG_SEQUENCE_RESET or msg_type == MSG_LOGOUT or msg_type == MSG_LOGON)


cdef bint is_passing(EgressHead* head) noexcept:
    """Session messages, and what a book was (W, X): when it is asked for again it is old, and its subscription may have
    ended with the connection that it was sent on."""
    cdef TextFields* text = <TextFields*>(<uint8_t*>head + sizeof(EgressHead))
    cdef uint8_t first
    if head.msg_type != MSG_OTHER:
        return is_admin(head.msg_type)
    first = (<uint8_t*>text)[sizeof(TextFields)]
    return text.type_length == 1 and (first == c'W' or first == c'X')


cdef class Delivery(Table):
    """sessions: called with the CompID of a Logon, returns (session id, epoch), (0, 0) when it is not known.
    store: the EgressStore that resends come from."""

    def __init__(self, sessions, store):
        Table.__init__(self)
        self.sessions = sessions
        self.store = store

    def dispatch(self, const uint8_t[::1] egress) -> None:
        """Egress records, in order, to the connections that they are for."""
        cdef size_t at = 0, size = egress.shape[0]
        cdef EgressHead* head
        while at < size:
            head = <EgressHead*>&egress[at]
            if size - at < sizeof(EgressHead) or head.size < sizeof(EgressHead) or head.size > size - at:
                raise AssertionError(f"egress record of {head.size} bytes at {at} of {size}")
            if head.kind == EGRESS_MESSAGE:
                self.send_message(head)
            elif head.kind == EGRESS_OPEN:
                self.opened(head)
            elif head.kind == EGRESS_RESEND:
                self.resend(head)
            elif head.kind == EGRESS_CLOSE:
                self.close(head)
            elif head.kind == EGRESS_REFUSE:
                self.refuse(head)
            else:
                raise AssertionError(f"egress kind {head.kind} is unknown")
            at += head.size

    cdef Connection* carrier(self, EgressHead* head) noexcept:
        """The connection that carries the record's session at its epoch, or NULL. What comes after CLOSE is not for
        it."""
        cdef Connection* c
        if head.session >= self.session_room or self.by_session[head.session] == 0:
            return NULL
        c = &self.table[self.by_session[head.session] - 1]
        return c if c.epoch == head.epoch and not c.closing else NULL

    cdef int opened(self, EgressHead* head) except -1:
        cdef Connection* c
        cdef size_t room
        if head.incarnation != self.incarnation:
            return self.fence(head.session)
        c = self.find(head.connection)
        if c == NULL or c.state != ASKED:   # it went while its Logon was in the log's hands
            return self.disconnected(head.session, head.epoch, head.connection)
        if head.session >= self.session_room:
            room = 2 * <size_t>head.session + 64
            self.by_session = <uint32_t*>realloc(self.by_session, room * sizeof(uint32_t))
            if self.by_session == NULL:
                raise MemoryError
            memset(self.by_session + self.session_room, 0, (room - self.session_room) * sizeof(uint32_t))
            self.session_room = room
        self.fence(head.session)
        c.session = head.session
        c.epoch = head.epoch
        c.state = LOGGED_ON
        self.by_session[head.session] = c.number % SLOTS + 1
        self.event("logged on", c, "")
        return self.wait(c, c.inbox.end > c.inbox.begin)

    cdef int fence(self, uint32_t session) except -1:
        """The epoch of the connection that carries it is over. What that is still owed is for the next one to ask for:
        the numbers may begin anew there, and the store would give others under the old ones."""
        cdef Connection* old
        if session >= self.session_room or self.by_session[session] == 0:
            return 0
        old = &self.table[self.by_session[session] - 1]
        self.event("fenced", old, "the session is connected elsewhere")
        return self.end(old, True)

    cdef int refuse(self, EgressHead* head) except -1:
        cdef Connection* c
        cdef SessionFields* fields = <SessionFields*>(<uint8_t*>head + sizeof(EgressHead))
        if head.incarnation != self.incarnation:
            return 0
        c = self.find(head.connection)
        if c == NULL or c.state != ASKED:
            return 0
        return self.decline(c, (<char*>fields + sizeof(SessionFields))[:fields.text_length], True)

    cdef int decline(self, Connection* c, bytes why, bint counts) except -1:
        """A Logon that was let in is refused: a Logout that says why, which is no message of a session, or nothing but
        the end. counts: as a failure of its address."""
        cdef EgressHead* logout
        cdef SessionFields* fields
        cdef bytearray record = bytearray(sizeof(EgressHead) + sizeof(SessionFields)) + why + bytes(-len(why) % 8)
        cdef bint exists = self.sessions((<const char*>c.identity.peer)[:c.identity.peer_length])[0] != 0
        self.refused += 1
        self.event("refused", c, why.decode("utf-8", "replace"))
        if counts and self.gate is not None:
            self.gate.failed(self.addresses[c.number % SLOTS])
        # No Logout outside a session that exists: engines that count every Logout (QuickFIX) would never ask for the
        # session's message that has the next number.
        if self.explains and not exists:
            logout = <EgressHead*><char*>record
            fields = <SessionFields*>(<uint8_t*>logout + sizeof(EgressHead))
            logout.size = <uint32_t>len(record)
            logout.kind = EGRESS_MESSAGE
            logout.msg_type = MSG_LOGOUT
            logout.msg_seq_num = 1
            logout.sending_time_ns = self.now_ns
            fields.reject_reason = NOT_REJECTED
            fields.text_length = <uint8_t>len(why)
            self.encode_one(c, logout, FIRST_TIME)
        return self.end(c, True)

    cdef int close(self, EgressHead* head) except -1:
        cdef Connection* c = self.carrier(head)
        if c == NULL:
            return 0
        if not c.behind:        # it may be now
            self.hand_over(c)
        if c.state == FREE:
            return 0
        if c.behind:
            c.closing = True    # after what it is owed
            return 0
        self.event("closed", c, "")
        return self.end(c, True)

    cdef int send_message(self, EgressHead* head) except -1:
        """Encoded at once on a connection that keeps up; one that is behind gets it from the store."""
        cdef Connection* c = self.carrier(head)
        cdef uint64_t behind
        if c == NULL:
            return 0
        if head.flags & FLAG_RESET_SEQ_NUM and head.msg_type == MSG_LOGON:
            c.range_count = 0   # the numbers start again: nothing older is owed
            c.gap_begin = 0
            behind = (<SessionFields*>(<uint8_t*>head + sizeof(EgressHead))).ref_seq_num
            if behind:
                c.live_last = behind
                c.live_next = behind + 1
                return self.encode_one(c, head, FIRST_TIME)     # the store has another one of its number
            c.live_next = head.msg_seq_num
            c.leaving = False
            c.highest = c.asked = 0
        if c.leaving:           # nothing follows a Logout but what is asked for: the next connection asks for it
            return 0
        c.leaving = head.msg_type == MSG_LOGOUT
        if head.msg_type == MSG_RESEND_REQUEST:
            c.asked = (<SessionFields*>(head + 1)).begin_seq_no
        c.live_last = head.msg_seq_num
        if c.behind:
            return 0
        self.encode_one(c, head, FIRST_TIME)
        if c.out.end - c.out.begin >= CHUNK:
            self.hand_over(c)
        return 0

    cdef int encode_one(self, Connection* c, EgressHead* head, int64_t resend_ns) except -1:
        cdef ssize_t size
        reserve(&c.out, MAX_ENCODED + head.size)
        size = encode(<uint8_t*>head, &c.identity, resend_ns, c.out.data + c.out.end, MAX_ENCODED + head.size)
        if size <= 0:
            raise AssertionError(f"message {head.msg_seq_num} of session {head.session} cannot be encoded")
        c.out.end += size
        self.messages_out += 1
        return self.mark(c)

    cdef int mark(self, Connection* c) except -1:
        if not c.dirty:
            c.dirty = True
            self.dirty.append(c.number)
        return 0

    def flush(self) -> None:
        """Hands over what was encoded since the last flush: one write per connection."""
        cdef Connection* c
        cdef list dirty = self.dirty
        if not dirty:
            return
        self.dirty = []
        for number in dirty:
            c = self.find(number)
            if c != NULL:
                c.dirty = False
                self.hand_over(c)

    # ------------------------------------------------------------ the send cursor

    cdef int resend(self, EgressHead* head) except -1:
        """Messages to send again; live ones wait behind them."""
        cdef Connection* c = self.carrier(head)
        cdef SessionFields* fields = <SessionFields*>(<uint8_t*>head + sizeof(EgressHead))
        cdef Range wanted
        if c == NULL:
            return 0
        self.fall_behind(c)
        wanted.next = fields.begin_seq_no
        wanted.from_input = fields.ref_seq_num
        # What waits was never sent, and follows once, as it is.
        wanted.last = min(fields.end_seq_no if fields.end_seq_no else c.live_last, c.live_next - 1)
        wanted.time_ns = head.sending_time_ns
        if not self.is_answered_with(c, &wanted):
            c.ranges[c.range_count] = wanted
            c.range_count += 1
        return 0

    cdef bint is_answered_with(self, Connection* c, const Range* wanted) noexcept:
        """Whether a request needs no answer of its own: one that waits, and is not being answered yet, asks for all of
        it. When RANGES wait the last one is made to."""
        cdef Range* waits
        cdef int i
        for i in range(1, c.range_count):
            waits = &c.ranges[i]
            if waits.next <= wanted.next and wanted.last <= waits.last and not wanted.from_input:
                return True
        if c.range_count < RANGES:
            return False
        waits = &c.ranges[RANGES - 1]
        waits.next = min(waits.next, wanted.next)
        waits.last = max(waits.last, wanted.last)
        waits.time_ns = wanted.time_ns
        return True

    @property
    def behind(self) -> int:
        """Connections that are being streamed to."""
        return self.behind_count

    def pump(self) -> bool:
        """Streams one chunk to every connection that is behind and reads. True: another chunk could follow."""
        cdef uint32_t slot
        cdef bint more = False
        cdef size_t left = self.behind_count
        cdef Connection* c
        for slot in range(SLOTS):
            if left == 0:
                break
            c = &self.table[slot]
            if c.state != FREE and c.behind:
                left -= 1
                more |= self.pump_one(c)
        return more

    cdef bint pump_one(self, Connection* c) except -1:
        if c.transport == TCP and self.transports[c.number % SLOTS].get_write_buffer_size() > UNSENT:
            return self.stalled(c)
        if not self.hand_over(c):
            return self.stalled(c) if c.state != FREE else False
        while c.out.end < CHUNK:
            if c.range_count:
                self.stream(c, &c.ranges[0])
            elif c.live_next <= c.live_last:
                self.stream(c, NULL)
            else:
                break
        if self.hand_over(c) and c.range_count == 0 and c.live_next > c.live_last:
            c.behind = False
            self.behind_count -= 1
            if c.closing:
                self.event("closed", c, "")
                self.end(c, True)
            return False
        return c.state != FREE and c.out.end == 0

    cdef bint stalled(self, Connection* c) except -1:
        if self.now_ns - c.progress_ns > STALL_NS:
            self.cut(c, "does not read what it is sent")
        return False

    cdef int stream(self, Connection* c, Range* again) except -1:
        """Encodes the next records of the range (NULL: the live messages), at most about a chunk."""
        cdef uint64_t next_number, last
        cdef const uint8_t[::1] view
        cdef size_t at
        cdef EgressHead* head
        cdef bint found = False
        if again != NULL:
            again.time_ns = max(again.time_ns, self.now_ns)     # a slow reader gets it long after it asked
            if again.from_input:
                self.find_begin(c, again)
        next_number = again.next if again != NULL else c.live_next
        last = again.last if again != NULL else c.live_last
        if next_number <= last:
            for records in self.store.read(c.session, next_number, last, CHUNK // 2):
                view = records
                at = 0
                while at < <size_t>view.shape[0]:
                    head = <EgressHead*>&view[at]
                    found = True
                    if again != NULL:
                        self.send_again(c, head, again, next_number)
                    else:
                        self.encode_one(c, head, FIRST_TIME)
                    next_number = head.msg_seq_num + 1
                    at += head.size
        if not found:       # nothing of the rest is kept
            if again != NULL and c.gap_begin == 0 and next_number <= last:
                c.gap_begin = next_number
            next_number = last + 1
        if again == NULL:
            c.live_next = next_number
            return 0
        again.next = next_number
        if next_number > last:
            self.fill_gap(c, again, next_number)
            c.range_count -= 1
            memmove(&c.ranges[0], &c.ranges[1], c.range_count * sizeof(Range))
        return 0

    cdef int find_begin(self, Connection* c, Range* again) except -1:
        """By its input number: only now the store has what came in the same turn."""
        cdef uint64_t begin = self.store.first_from(c.session, again.from_input)
        if begin == 0 or begin > again.last:
            begin = again.last + 1
        if 0 < again.next < begin:
            c.gap_begin = again.next
        again.next = begin
        again.from_input = 0
        return 0

    cdef int send_again(self, Connection* c, EgressHead* head, Range* again, uint64_t expected) except -1:
        """One copy; what lies before it and is not kept, and what is not sent again, become gap fills."""
        if head.msg_seq_num > expected and c.gap_begin == 0:
            c.gap_begin = expected
        if is_passing(head):
            if c.gap_begin == 0:
                c.gap_begin = head.msg_seq_num
            return 0
        self.fill_gap(c, again, head.msg_seq_num)
        return self.encode_one(c, head, again.time_ns)

    cdef int fill_gap(self, Connection* c, Range* again, uint64_t until) except -1:
        """A SequenceReset-GapFill over gap_begin .. until - 1, if one is being collected."""
        cdef ssize_t size
        if c.gap_begin == 0:
            return 0
        reserve(&c.out, MAX_ENCODED)
        size = encode_gap_fill(&c.identity, c.gap_begin, until, again.time_ns, c.out.data + c.out.end, MAX_ENCODED)
        if size <= 0:
            raise AssertionError(f"gap fill {c.gap_begin} to {until} cannot be encoded")
        c.out.end += size
        c.gap_begin = 0
        self.messages_out += 1
        return self.mark(c)
