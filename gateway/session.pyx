# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; every pointer into an input was checked against the payload's bounds when
# the entry began (framing.pyx, `check_payload`). Divisors are constants.
"""FIX 4.4 session layer as a state machine: an input in, numbered messages and effects out.

Holds the table of sessions, which it owns, their subscriptions, and the heap of their deadlines. Appends to the
outbox. Runs without the GIL; raises MemoryError, and AssertionError when an invariant is broken.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MAX, INT64_MIN, UINT32_MAX
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, strlen

from gateway.early cimport early_forget, early_keep
from gateway.fix_frame cimport MAX_MESSAGE
from gateway.names cimport name_hash, names_insert, names_next, names_remove, names_reserve, pair_hash
from gateway.outbox cimport Outbox
from gateway.records cimport (
    EgressHead, InputHead, SessionBody, SessionFields, TextFields,
    EGRESS_CLOSE, EGRESS_MESSAGE, EGRESS_OPEN, EGRESS_REFUSE, EGRESS_RESEND,
    FLAG_BEGIN_STRING, FLAG_GAP_FILL, FLAG_NO_ORIG_SENDING_TIME, FLAG_POSS_DUP, FLAG_RESET_SEQ_NUM,
    FLAG_SENDING_TIME_PROBLEM, FLAG_WRONG_COMP_ID, HAS_STATED_TAG, MAX_COMP_ID, MAX_TEXT,
    MSG_BUSINESS_REJECT, MSG_CANCEL_REQUEST, MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT, MSG_MASS_CANCEL_REQUEST, MSG_OTHER,
    MSG_REJECT, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET, MSG_TEST_REQUEST, NOT_REJECTED, TOO_LONG,
)
from gateway.subscriptions cimport Subscriptions
from gateway.timers cimport Timer, timers_pop, timers_push

cdef enum:
    SECOND = 1000000000
    CANCELS = 2                 # so many times as often as other messages
    LOGOUT_SECONDS = 2          # a Logout of the other side, or the end of its connection, comes within this
    RETRY_SECONDS = 30          # a gap is asked for again after the heartbeat interval, or this when there is none
    REQUIRED_TAG_MISSING = 1    # SessionRejectReason (373)
    VALUE_IS_INCORRECT = 5
    COMP_ID_PROBLEM = 9
    SENDING_TIME_ACCURACY = 10
    OTHER_REASON = 99

cdef uint64_t NO_INPUT = <uint64_t> -1      # later than every one
cdef const char* BEGIN_ANEW = b"the sequence numbers begin anew: log on with MsgSeqNum (34) 1"

cdef int64_t EMPTY_TIME = INT64_MIN
cdef int64_t MINUTE = 60 * <int64_t> SECOND
cdef int64_t DAY = 24 * 60 * MINUTE


cdef inline size_t padded(size_t size) noexcept nogil:
    return (size + 7) & ~(<size_t> 7)


cdef inline bint is_reset(const Message* m) noexcept nogil:
    # A SequenceReset in reset mode, whose MsgSeqNum is not looked at.
    return (m.fields.msg_type == MSG_SEQUENCE_RESET and not m.fields.flags & FLAG_GAP_FILL
            and m.head.verdict == NOT_REJECTED)


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("no memory for a session's state")


cdef class Sessions:
    def __cinit__(self, Outbox outbox not None) -> None:
        self.outbox = outbox
        self.subscriptions = Subscriptions()
        self.next_reset_ns = EMPTY_TIME

    def __dealloc__(self) -> None:
        cdef uint32_t i
        for i in range(self.count):
            free(self.table[i].names.buckets)
            free(self.table[i].closed)
            early_forget(&self.table[i].early)
            free(self.table[i])
        free(self.table)
        free(self.by_comp_id.buckets)
        free(self.by_connection.buckets)
        free(self.timers.nodes)

    # ------------------------------------------------------------ finding a session

    cdef Session* by_id(self, uint32_t id) noexcept nogil:
        if id == 0 or id > self.count:
            return NULL
        return self.table[id - 1]

    cdef Session* by_name(self, const uint8_t* comp_id, size_t length) noexcept nogil:
        cdef uint32_t hash = name_hash(comp_id, length), position = hash, id
        cdef Session* s
        while True:
            id = names_next(&self.by_comp_id, hash, &position)
            if id == 0:
                return NULL
            s = self.table[id - 1]
            if s.comp_id_length == length and memcmp(s.comp_id, comp_id, length) == 0:
                return s

    cdef Session* named(self, const uint8_t* comp_id, size_t length) except NULL nogil:
        cdef Session* s = self.by_name(comp_id, length)
        return self._create(comp_id, length) if s == NULL else s

    cdef Session* on_connection(self, uint32_t incarnation, uint32_t connection) noexcept nogil:
        cdef uint32_t hash = pair_hash(incarnation, connection), position = hash, id
        cdef Session* s
        while True:
            id = names_next(&self.by_connection, hash, &position)
            if id == 0:
                return NULL
            s = self.table[id - 1]
            if s.incarnation == incarnation and s.connection == connection:
                return s

    cdef Session* _create(self, const uint8_t* comp_id, size_t length) except NULL nogil:
        cdef Session* s
        cdef Session** table
        cdef uint32_t room, kind
        if self.count == self.room:
            room = self.room * 2 if self.room else 16
            table = <Session**> realloc(self.table, room * sizeof(Session*))
            if table == NULL:
                no_memory()
            self.table = table
            self.room = room
        s = <Session*> calloc(1, sizeof(Session))
        if s == NULL or not names_reserve(&self.by_comp_id):
            free(s)
            no_memory()
        s.id = self.count + 1
        s.inbound = 1
        s.outbound = 1
        s.grace_deadline_ns = EMPTY_TIME
        for kind in range(4):
            s.armed_ns[kind] = EMPTY_TIME
        s.comp_id_length = <uint8_t> length
        memcpy(s.comp_id, comp_id, length)
        self.bound_orders(s)
        self.table[self.count] = s
        self.count += 1
        names_insert(&self.by_comp_id, name_hash(comp_id, length), s.id)
        return s

    cdef Session* resume(self, const Session* given) except NULL nogil:
        cdef Session* s = self._create(given.comp_id, given.comp_id_length)
        cdef uint32_t id = s.id, kind
        s[0] = given[0]
        s.id = id
        self.bound_orders(s)
        for kind in range(TIMER_KINDS):
            s.armed_ns[kind] = EMPTY_TIME
        if s.connected:
            self._take_connection(s)
        for kind in range(TIMER_HEARTBEAT, TIMER_KINDS):
            self._arm(s, <TimerKind> kind)
        return s

    cdef void bound_orders(self, Session* s) noexcept nogil:
        s.most_open = s.max_open_orders if s.max_open_orders else self.settings.max_open_orders
        if s.most_open == 0:
            s.most_open = UINT32_MAX
        if s.is_killed or self.settings.is_killed:
            s.most_open = 0

    # ------------------------------------------------------------ what goes out

    cdef EgressHead* _record(self, Session* s, uint8_t kind, size_t size) except NULL nogil:
        # A zeroed record with `size` bytes after its head.
        cdef EgressHead* head = <EgressHead*> self.outbox.reserve(sizeof(EgressHead) + padded(size))
        head.size = <uint32_t> (sizeof(EgressHead) + padded(size))
        head.kind = kind
        head.sending_time_ns = self.now_ns
        head.input_number = self.input_number
        if s != NULL:
            head.session = s.id
            head.epoch = s.epoch
        return head

    cdef uint8_t* message(self, Session* s, uint8_t msg_type, size_t size) except NULL nogil:
        cdef EgressHead* head = self._record(s, EGRESS_MESSAGE, size)
        head.msg_type = msg_type
        head.msg_seq_num = s.outbound
        number_message(s, self.now_ns)
        return <uint8_t*> head + sizeof(EgressHead)

    cdef EgressHead* text(self, Session* s, const uint8_t* msg_type, size_t type_length, const uint8_t* body,
                          size_t length) except NULL nogil:
        cdef uint8_t* record = self.message(s, MSG_OTHER, sizeof(TextFields) + type_length + length)
        cdef TextFields* fields = <TextFields*> record
        fields.body_length = <uint32_t> length
        fields.type_length = <uint8_t> type_length
        memcpy(record + sizeof(TextFields), msg_type, type_length)
        memcpy(record + sizeof(TextFields) + type_length, body, length)
        return <EgressHead*> (record - sizeof(EgressHead))

    cdef int _admin(self, Session* s, uint8_t msg_type, const uint8_t* text, size_t text_length) except -1 nogil:
        cdef uint8_t* body = self.message(s, msg_type, sizeof(SessionFields) + text_length)
        cdef SessionFields* fields = <SessionFields*> body
        fields.reject_reason = NOT_REJECTED
        fields.text_length = <uint8_t> text_length
        memcpy(body + sizeof(SessionFields), text, text_length)
        return 0

    cdef int _effect(self, Session* s, uint8_t kind, uint32_t incarnation, uint32_t connection, const uint8_t* text,
                     size_t text_length) except -1 nogil:
        # OPEN, CLOSE, REFUSE: nothing numbered.
        cdef EgressHead* head = self._record(s, kind, sizeof(SessionFields) + text_length)
        cdef SessionFields* fields = <SessionFields*> (<uint8_t*> head + sizeof(EgressHead))
        head.incarnation = incarnation
        head.connection = connection
        fields.reject_reason = NOT_REJECTED
        fields.text_length = <uint8_t> text_length
        memcpy(<uint8_t*> fields + sizeof(SessionFields), text, text_length)
        return 0

    cdef int refuse(self, const InputHead* head, const char* text) except -1 nogil:
        return self._effect(NULL, EGRESS_REFUSE, head.incarnation, head.connection, <const uint8_t*> text,
                            strlen(text))

    cdef int _reject(self, Session* s, const Message* m, uint8_t reason, uint16_t ref_tag, const uint8_t* text,
                     size_t text_length) except -1 nogil:
        cdef size_t type_length = m.fields.msg_type_length, route_length = m.fields.route_length
        cdef uint8_t* body
        cdef SessionFields* fields
        if m.fields.msg_type == MSG_REJECT and self.rules >= 2:
            return 0        # two engines that object to each other's Rejects would never end
        body = self.message(s, MSG_REJECT, sizeof(SessionFields) + text_length + type_length + route_length)
        fields = <SessionFields*> body
        fields.ref_seq_num = m.fields.msg_seq_num
        fields.ref_tag = ref_tag
        fields.reject_reason = reason
        fields.ref_msg_type = m.fields.msg_type
        fields.text_length = <uint8_t> text_length
        fields.ref_type_length = <uint8_t> type_length
        fields.route_length = <uint8_t> route_length
        if m.fields.more & HAS_STATED_TAG and m.head.verdict == reason:
            fields.has_stated_tag = 1
            fields.stated_tag = m.fields.stated_tag
        body += sizeof(SessionFields)
        memcpy(body, text, text_length)
        memcpy(body + text_length, m.msg_type, type_length)
        memcpy(body + text_length + type_length, m.route, route_length)
        return 0

    cdef int reject(self, Session* s, const Message* m, uint8_t reason, uint16_t ref_tag,
                    const char* text) except -1 nogil:
        return self._reject(s, m, reason, ref_tag, <const uint8_t*> text, strlen(text))

    cdef int business_reject(self, Session* s, const Message* m, uint8_t reason, uint16_t code, const char* text,
                             const uint8_t* ref_id, uint8_t ref_id_length) except -1 nogil:
        cdef size_t text_length = strlen(text), type_length = m.fields.msg_type_length
        cdef size_t route_length = m.fields.route_length
        cdef uint8_t* body = self.message(
            s, MSG_BUSINESS_REJECT,
            sizeof(SessionFields) + text_length + type_length + ref_id_length + route_length
        )
        cdef SessionFields* fields = <SessionFields*> body
        fields.ref_seq_num = m.fields.msg_seq_num
        fields.reject_reason = reason
        fields.ref_msg_type = m.fields.msg_type
        fields.reason_code = code
        fields.text_length = <uint8_t> text_length
        fields.ref_type_length = <uint8_t> type_length
        fields.ref_id_length = ref_id_length
        fields.route_length = <uint8_t> route_length
        body += sizeof(SessionFields)
        memcpy(body, text, text_length)
        memcpy(body + text_length, m.msg_type, type_length)
        memcpy(body + text_length + type_length, ref_id, ref_id_length)
        memcpy(body + text_length + type_length + ref_id_length, m.route, route_length)
        return 0

    cdef int _leave(self, Session* s, const char* text) except -1 nogil:
        # A Logout; then the other side's, or when that came first the end of its connection, is waited for. Meanwhile
        # what comes is acted on, and nothing leaves but what is asked for again.
        if s.leaving or self.rules < 2:
            return self._logout(s, text)
        self._admin(s, MSG_LOGOUT, <const uint8_t*> text, strlen(text))
        s.leaving = LEAVES
        s.leaves_ns = self.now_ns + LOGOUT_SECONDS * <int64_t> SECOND
        self.subscriptions.end_session(s.id)
        s.trade_request_length = 0
        self._begin_grace(s)
        return self._arm(s, TIMER_SILENCE)

    cdef int _logout(self, Session* s, const char* text) except -1 nogil:
        # Says why, unless it has, and closes: there is no use in waiting for an answer.
        if not s.leaving:
            self._admin(s, MSG_LOGOUT, <const uint8_t*> text, strlen(text))
        return self._close(s, text)

    cdef int _close(self, Session* s, const char* text) except -1 nogil:
        self._effect(s, EGRESS_CLOSE, s.incarnation, s.connection, <const uint8_t*> text, strlen(text))
        return self.disconnect(s)

    # ------------------------------------------------------------ connections

    cdef int disconnect(self, Session* s) except -1 nogil:
        if not s.connected:
            return 0
        assert names_remove(&self.by_connection, pair_hash(s.incarnation, s.connection), s.id)
        s.connected = 0
        s.test_pending = 0
        s.gap_end = 0           # the next Logon finds it again
        early_forget(&s.early)
        s.waits = 0
        s.trade_request_length = 0
        self.subscriptions.end_session(s.id)
        if s.leaving == BEGINS_ANEW:
            s.inbound = 1
        s.leaving = STAYS
        s.leaves_ns = 0
        return self._begin_grace(s)

    cdef int _begin_grace(self, Session* s) except -1 nogil:
        # From a Logout or, without one, the end of the connection on.
        if not s.cancel_on_disconnect or s.grace_deadline_ns != EMPTY_TIME:
            return 0
        s.grace_deadline_ns = self.now_ns + s.grace_ns
        return self._arm(s, TIMER_GRACE)

    cdef int lose(self, uint32_t incarnation) except -1 nogil:
        cdef uint32_t i
        for i in range(self.count):
            if incarnation == 0 or self.table[i].incarnation == incarnation:
                self.disconnect(self.table[i])
        return 0

    cdef int restart_clocks(self) except -1 nogil:
        cdef uint32_t i
        cdef Session* s
        for i in range(self.count):
            s = self.table[i]
            s.last_received_ns = self.now_ns
            s.test_pending = 0
            if s.leaving:
                s.leaves_ns = self.now_ns + LOGOUT_SECONDS * <int64_t> SECOND
            if s.grace_deadline_ns != EMPTY_TIME:
                s.grace_deadline_ns = self.now_ns + s.grace_ns
        return self.arm_all()

    cdef int arm_all(self) except -1 nogil:
        # After what may have brought a deadline forward, or begun one, in any session.
        cdef uint32_t i, kind
        for i in range(self.count):
            for kind in range(TIMER_HEARTBEAT, TIMER_KINDS):
                self._arm(self.table[i], <TimerKind> kind)
        return 0

    # ------------------------------------------------------------ Logon

    cdef bint _logon_fault(self, const Message* m, char* text, size_t room) noexcept nogil:
        # A Logon that is wrong in itself, or by its time, whatever the session: True, and why.
        if self.misstated(m, text, room):
            return True
        if self._is_off_time(m):
            snprintf(text, room, b"Logon refused: SendingTime (52) is too far from the exchange's time")
            return True
        return False

    cdef bint misstated(self, const Message* m, char* text, size_t room) noexcept nogil:
        cdef const SessionBody* body = m.session
        cdef const Settings* settings = &self.settings
        cdef const uint8_t* target = m.strings + body.sender_length
        if m.fields.flags & FLAG_BEGIN_STRING:
            snprintf(text, room, b"Logon refused: BeginString (8) must be FIX.4.4")
        elif m.head.verdict != NOT_REJECTED:
            snprintf(text, room, b"Logon refused: %.*s", <int> m.fields.text_length, <const char*> m.text)
        elif (body.target_length != settings.comp_id_length
                or memcmp(target, settings.comp_id, body.target_length) != 0):
            snprintf(text, room, b"Logon refused: TargetCompID (56) must be %.*s", <int> settings.comp_id_length,
                     <const char*> settings.comp_id)
        elif body.sender_length == 0 or body.sender_length > MAX_COMP_ID:
            snprintf(text, room, b"Logon refused: SenderCompID (49) must have 1 to 64 bytes")
        elif body.encrypt_method != 0:
            snprintf(text, room, b"Logon refused: EncryptMethod (98) must be 0")
        elif body.heartbeat_seconds > settings.max_heartbeat_seconds:
            snprintf(text, room, b"Logon refused: HeartBtInt (108) must be 0 to %u seconds",
                     settings.max_heartbeat_seconds)
        elif body.end_seq_no and body.end_seq_no < MAX_MESSAGE:
            snprintf(text, room, b"Logon refused: MaxMessageSize (383) must be %d or more: messages of the exchange"
                     b" may be as long", <int> MAX_MESSAGE)
        elif m.fields.msg_seq_num == 0:
            snprintf(text, room, b"Logon refused: MsgSeqNum (34) is missing")
        elif m.fields.flags & FLAG_NO_ORIG_SENDING_TIME and self.rules >= 2:
            snprintf(text, room, b"Logon refused: PossDupFlag (43) wants OrigSendingTime (122)")
        elif m.fields.flags & FLAG_RESET_SEQ_NUM and m.fields.msg_seq_num != 1:
            snprintf(text, room, b"Logon refused: with ResetSeqNumFlag (141) MsgSeqNum (34) must be 1")
        else:
            return False
        return True

    cdef bint _is_off_time(self, const Message* m) noexcept nogil:
        # SendingTime, where it is judged, is too far from ours.
        cdef int64_t allowed = self.settings.sending_time_ns
        return allowed != 0 and not -allowed <= m.fields.sending_time_ns - self.now_ns <= allowed

    cdef int logon(self, const Message* m) except -1 nogil:
        cdef const SessionBody* body = m.session
        cdef const uint8_t* sender = m.strings
        cdef char text[MAX_TEXT + 1]
        cdef Session* s
        if self._logon_fault(m, text, sizeof(text)):
            return self.refuse(m.head, text)
        s = self.by_name(sender, body.sender_length)
        if s == NULL:
            if not self.settings.open_to_any:
                return self.refuse(m.head, b"Logon refused: SenderCompID (49) is not known here")
            if m.head.epoch != 0:
                return self.refuse(m.head, b"Logon refused: the session has moved on, log on again")
            if self.settings.max_sessions and self.count >= self.settings.max_sessions:
                snprintf(text, sizeof(text), b"Logon refused: there are %u sessions already, no more are made",
                         self.settings.max_sessions)
                return self.refuse(m.head, text)
            s = self._create(sender, body.sender_length)
        elif s.connected and s.incarnation == m.head.incarnation and not s.leaving:
            return self.refuse(m.head, b"Logon refused: this SenderCompID is already connected")
        elif m.head.epoch != s.epoch:
            return self.refuse(m.head, b"Logon refused: the session has moved on, log on again")
        return self._open(s, m)

    cdef int _take_connection(self, Session* s) except -1 nogil:
        if not names_reserve(&self.by_connection):
            no_memory()
        names_insert(&self.by_connection, pair_hash(s.incarnation, s.connection), s.id)
        return 0

    cdef int _open(self, Session* s, const Message* m) except -1 nogil:
        # The connection carries the session from here on; an old one, through another gateway, is fenced.
        cdef char text[160]
        cdef const char* taken = b"the session was taken over by a Logon through another gateway"
        if s.leaving:
            self._close(s, b"another Logon of the session came")
        elif s.connected:
            if self.rules >= 2:     # at the old epoch: who holds it may live, and is to know
                self._admin(s, MSG_LOGOUT, <const uint8_t*> taken, strlen(taken))
            self._close(s, taken)
        s.epoch += 1
        s.connected = 1
        s.incarnation = m.head.incarnation
        s.connection = m.head.connection
        s.last_received_ns = self.now_ns
        self._take_connection(s)
        self._effect(s, EGRESS_OPEN, s.incarnation, s.connection, s.comp_id, s.comp_id_length)
        if self.settings.reset_on_logon:
            self._reset(s)
        if self._number_fault(s, m, text, sizeof(text)):
            # A grace that runs goes on: nobody logged on.
            self._admin(s, MSG_LOGOUT, <const uint8_t*> text, strlen(text))
            self._effect(s, EGRESS_CLOSE, s.incarnation, s.connection, <const uint8_t*> text, strlen(text))
            assert names_remove(&self.by_connection, pair_hash(s.incarnation, s.connection), s.id)
            s.connected = 0
            return 0
        return self._accept(s, m)

    cdef bint _number_fault(self, const Session* s, const Message* m, char* text, size_t room) noexcept nogil:
        # A Logon that does not go on where the session is: True, and why. After a reset of all sessions a number above
        # 1 goes on with the day before: what would be asked for is that day's, and what it expects of us, too.
        cdef uint64_t number = m.fields.msg_seq_num
        if m.fields.flags & FLAG_RESET_SEQ_NUM:
            return False
        if number < s.inbound:
            snprintf(text, room, b"MsgSeqNum too low, expecting %llu but received %llu", s.inbound, number)
        elif s.reset_ns and s.inbound == 1 and number > 1:
            snprintf(text, room, b"%s", BEGIN_ANEW)
        else:
            return False
        return True

    cdef int _accept(self, Session* s, const Message* m) except -1 nogil:
        # What the Logon asks for, from here on. Its number is not too low.
        cdef bint reset = m.fields.flags & FLAG_RESET_SEQ_NUM != 0
        cdef uint64_t before, from_input
        cdef const SessionBody* body = m.session
        s.heartbeat_ns = <int64_t> body.heartbeat_seconds * SECOND
        s.cancel_on_disconnect = self.settings.cancel_on_disconnect
        if body.cancel_on_disconnect:
            s.cancel_on_disconnect = body.cancel_on_disconnect == 2
        s.grace_ns = self.settings.grace_ns
        if body.grace_ms != <uint32_t> 0xffffffff:
            s.grace_ns = <int64_t> body.grace_ms * 1000000
        s.grace_deadline_ns = EMPTY_TIME
        s.leaving = STAYS
        s.leaves_ns = 0
        if reset:
            self._reset(s)
        if m.fields.msg_seq_num == s.inbound:
            s.inbound += 1
        before = s.outbound
        self._answer_logon(s, reset, body.end_seq_no != 0)
        if m.fields.msg_seq_num > s.inbound:
            self._gap(s, m.fields.msg_seq_num)
        from_input = body.begin_seq_no
        if reset:
            if before > 2:              # what it sees has numbers that go on behind the answer
                self._resend_from(s, from_input if from_input else NO_INPUT, 2, before - 1)
        elif from_input:
            self._resend_from(s, from_input, 0, before - 1)
        self._arm(s, TIMER_HEARTBEAT)
        return self._arm(s, TIMER_SILENCE)

    cdef int _answer_logon(self, Session* s, bint reset, bint with_size) except -1 nogil:
        cdef uint8_t* body = self.message(s, MSG_LOGON, sizeof(SessionFields))
        cdef EgressHead* head = <EgressHead*> (body - sizeof(EgressHead))
        cdef SessionFields* fields = <SessionFields*> body
        fields.heartbeat_seconds = <uint32_t> (s.heartbeat_ns // SECOND)
        fields.reject_reason = NOT_REJECTED
        if reset:
            head.flags = FLAG_RESET_SEQ_NUM
            head.msg_seq_num = 1
            if s.outbound > 2:  # a drop copy session's, which does not go back
                s.outbound -= 1
                fields.ref_seq_num = s.outbound - 1
        if with_size:           # who states its own bound is told ours
            fields.end_seq_no = MAX_MESSAGE
        return 0

    cdef int _reset(self, Session* s) except -1 nogil:
        # What a drop copy session was sent can be asked for for ever, by the numbers that it has.
        s.inbound = 1
        if not s.sees_others:
            s.outbound = 1
        s.gap_end = 0
        early_forget(&s.early)
        s.waits = 0
        return 0

    # ------------------------------------------------------------ a message on an open connection

    cdef int heard(self, Session* s) except -1 nogil:
        s.last_received_ns = self.now_ns
        if s.test_pending:
            s.test_pending = 0
            return self._arm(s, TIMER_HEARTBEAT)
        return 0

    cdef int receive(self, Session* s, const Message* m) except -1 nogil:
        cdef uint64_t number = m.fields.msg_seq_num
        cdef uint8_t type = m.fields.msg_type, flags = m.fields.flags
        if m.fields.more & TOO_LONG:
            self._too_long(s)
            return DONE
        self.heard(s)
        if s.leaving and type == MSG_LOGOUT:    # whatever is wrong with it: what we left for may be
            if number == s.inbound:
                s.inbound += 1
            self._close(s, b"")
            return DONE
        if flags & FLAG_BEGIN_STRING:
            if number == s.inbound and self.rules >= 2:
                s.inbound += 1
            self._leave(s, b"BeginString (8) must be FIX.4.4")
            return DONE
        if number == 0 and not (self.rules >= 2 and is_reset(m)):
            self._logout(s, b"MsgSeqNum (34) is missing or not a number")
            return DONE
        if flags & FLAG_WRONG_COMP_ID:
            if number == s.inbound:
                s.inbound += 1
            if not s.leaving:
                self.reject(s, m, COMP_ID_PROBLEM, 0,
                            b"SenderCompID (49) or TargetCompID (56) is not this session's")
            self._leave(s, b"SenderCompID (49) or TargetCompID (56) is not this session's")
            return DONE
        if type == MSG_LOGON and flags & FLAG_RESET_SEQ_NUM and not flags & FLAG_POSS_DUP:
            self._logon_again(s, m)
            return DONE
        if is_reset(m):
            if self.rules < 2 or not self._is_off(s, m):
                self._sequence_reset(s, m)
            return DONE
        if number < s.inbound:
            self._below(s, m)
            return DONE
        if number > s.inbound:
            self._above(s, m)
            return DONE
        self.pass_over(s)
        if s.gap_end and self.rules >= 2:
            s.gap_asked_ns = self.now_ns        # it is being filled: a long resend is not asked for twice
        if m.head.verdict != NOT_REJECTED:
            self._reject(s, m, m.head.verdict, m.fields.ref_tag, m.text, m.fields.text_length)
            return DONE
        if flags & FLAG_SENDING_TIME_PROBLEM:
            self.reject(s, m, REQUIRED_TAG_MISSING, 52, b"SendingTime (52) is missing or not a time")
            return DONE
        if flags & FLAG_POSS_DUP and (self._dup_fault(s, m) or self._is_of_before(s, m)):
            return DONE
        if not m.kept and self._is_off(s, m):
            return DONE
        if type == MSG_TEST_REQUEST and not s.leaving:
            self._admin(s, MSG_HEARTBEAT, m.text, m.fields.text_length)
        elif type == MSG_RESEND_REQUEST:
            self._resend(s, m)
        elif type == MSG_SEQUENCE_RESET:
            self._sequence_reset(s, m)
        elif type == MSG_LOGOUT:
            self._leave(s, b"")
        elif type == MSG_LOGON:
            self.reject(s, m, OTHER_REASON, 0, b"Logon is not expected: the session is logged on")
        elif (type != MSG_HEARTBEAT and type != MSG_REJECT and type != MSG_BUSINESS_REJECT
                and type != MSG_TEST_REQUEST):
            return ACT
        return DONE

    cdef int _logon_again(self, Session* s, const Message* m) except -1 nogil:
        # With ResetSeqNumFlag: both sides begin at 1 again, on terms that may be new.
        cdef char text[MAX_TEXT + 1]
        if self._logon_fault(m, text, sizeof(text)):
            if m.fields.msg_seq_num == s.inbound:
                s.inbound += 1
            return self._logout(s, text)
        return self._accept(s, m)

    cdef int _is_off(self, Session* s, const Message* m) except -1 nogil:
        # 1 when its SendingTime is too far from ours: it was rejected, and the session ended.
        if m.fields.flags & FLAG_SENDING_TIME_PROBLEM or not self._is_off_time(m):
            return 0
        self.reject(s, m, SENDING_TIME_ACCURACY, 52 if self.rules < 2 else 0,
                    b"SendingTime (52) is too far from the exchange's time")
        self._leave(s, b"SendingTime (52) is too far from the exchange's time")
        return 1

    cdef int _dup_fault(self, Session* s, const Message* m) except -1 nogil:
        # Of a message with PossDupFlag: 1 when it was rejected. A gap fill needs no other time, it is no copy: who
        # leaves it out would be asked for the same gap for ever.
        if m.fields.msg_type == MSG_SEQUENCE_RESET and self.rules >= 2:
            return 0
        if m.fields.flags & FLAG_NO_ORIG_SENDING_TIME:
            self.reject(s, m, REQUIRED_TAG_MISSING, 122, b"PossDupFlag (43) wants OrigSendingTime (122)")
            return 1
        if m.fields.orig_sending_time_ns > m.fields.sending_time_ns:
            self.reject(s, m, SENDING_TIME_ACCURACY, 122 if self.rules < 2 else 0,
                        b"OrigSendingTime (122) is after SendingTime (52)")
            if self.rules >= 2:
                self._leave(s, b"OrigSendingTime (122) is after SendingTime (52)")
            return 1
        return 0

    cdef int _is_of_before(self, Session* s, const Message* m) except -1 nogil:
        # A copy of what was sent before the numbers began anew, and may have been acted on then: 1, it was rejected.
        if (m.fields.msg_type == MSG_SEQUENCE_RESET or m.fields.orig_sending_time_ns >= s.reset_ns
                or s.leaving == BEGINS_ANEW):       # it still has the numbers of before
            return 0
        self.reject(s, m, SENDING_TIME_ACCURACY, 0,
                    b"OrigSendingTime (122) is before the sequence numbers began anew: not acted on")
        return 1

    cdef int _below(self, Session* s, const Message* m) except -1 nogil:
        cdef char text[160]
        if m.fields.flags & FLAG_POSS_DUP and self.rules >= 2 and m.fields.flags & FLAG_SENDING_TIME_PROBLEM:
            return 0        # there is nothing to compare OrigSendingTime with
        if m.fields.flags & FLAG_POSS_DUP:
            self._dup_fault(s, m)
            return 0
        if self.rules >= 2 and m.fields.msg_type == MSG_RESEND_REQUEST and m.head.verdict == NOT_REJECTED:
            return self._resend(s, m)       # it may be lost; what it asks for shows what it has
        snprintf(text, sizeof(text), b"MsgSeqNum too low, expecting %llu but received %llu", s.inbound,
                 m.fields.msg_seq_num)
        return self._logout(s, text)

    cdef int _above(self, Session* s, const Message* m) except -1 nogil:
        # Kept until its turn, with two exceptions: both sides might otherwise wait for each other for ever. Its
        # SendingTime is right or wrong now; what fills the gap may take its time.
        if m.head.verdict == NOT_REJECTED:
            if self.rules >= 2 and self._is_off(s, m):
                return 0
            if m.fields.msg_type == MSG_LOGOUT:
                return self._leave(s, b"")
            if m.fields.msg_type == MSG_RESEND_REQUEST:
                self._resend(s, m)
        if self.rules >= 2 and m.fields.msg_type != MSG_LOGON and m.fields.msg_type != MSG_SEQUENCE_RESET:
            if not early_keep(&s.early, m.head):
                no_memory()
        if s.waits:     # what may be missing is asked for afterwards
            s.gap_end = max(s.gap_end, m.fields.msg_seq_num)
            return 0
        return self._gap(s, m.fields.msg_seq_num)

    cdef int keep(self, Session* s, const Message* m) except -1 nogil:
        self.heard(s)
        if s.waits:             # it came twice
            return 1
        if self._is_off(s, m):
            self.pass_over(s)
            return 0
        if not early_keep(&s.early, m.head):
            no_memory()
        s.gap_end = max(s.gap_end, m.fields.msg_seq_num)    # what there was no room for is asked for afterwards
        return 1

    cdef int _too_long(self, Session* s) except -1 nogil:
        # While what was asked for is waited for, that may be it: it would be asked for, and come, for ever.
        cdef char text[MAX_TEXT + 1]
        if s.gap_end == 0 or s.inbound >= s.gap_first or s.leaving:
            return 0
        snprintf(text, sizeof(text), b"messages of more than %d bytes are not taken: fill the gap from MsgSeqNum (34)"
                 b" %llu without", <int> MAX_MESSAGE, s.inbound)
        return self._leave(s, text)

    cdef void pass_over(self, Session* s) noexcept nogil:
        s.inbound += 1
        if s.gap_end and s.inbound > s.gap_end:
            s.gap_end = 0

    cdef int _gap(self, Session* s, uint64_t number) except -1 nogil:
        # One open-ended ResendRequest a gap. Asked again when nothing fills it for an interval, or when what was
        # missing has come without what was sent behind it.
        cdef int64_t retry = s.heartbeat_ns if s.heartbeat_ns else <int64_t> RETRY_SECONDS * SECOND
        cdef bint ask = not s.leaving and (
            s.gap_end == 0 or s.inbound >= s.gap_first or self.now_ns - s.gap_asked_ns >= retry
        )
        cdef uint8_t* body
        if number > s.gap_end:
            s.gap_end = number
        if ask:
            s.gap_first = number if number > s.inbound else s.inbound + 1
            s.gap_asked_ns = self.now_ns
            body = self.message(s, MSG_RESEND_REQUEST, sizeof(SessionFields))
            (<SessionFields*> body).begin_seq_no = s.inbound
            (<SessionFields*> body).reject_reason = NOT_REJECTED
        return 0

    cdef int ask_for_rest(self, Session* s) except -1 nogil:
        if s.gap_end and s.inbound >= s.gap_first:
            self._gap(s, s.gap_end)
        return 0

    cdef int _sequence_reset(self, Session* s, const Message* m) except -1 nogil:
        # Gap fill: in sequence, already counted. Reset mode: MsgSeqNum is not looked at.
        cdef uint64_t new = m.session.begin_seq_no
        cdef char text[160]
        if new > <uint64_t> INT64_MAX:      # the next numbers must exist
            return self.reject(s, m, VALUE_IS_INCORRECT, 36, b"NewSeqNo (36) is above 9223372036854775807")
        if new < s.inbound:
            snprintf(text, sizeof(text), b"attempt to lower sequence number to %llu, expecting %llu", new,
                     s.inbound)
            return self.reject(s, m, VALUE_IS_INCORRECT, 36 if self.rules < 2 else 0, text)
        s.inbound = new
        if s.gap_end and s.inbound > s.gap_end:
            s.gap_end = 0
        return 0

    cdef int _resend_from(self, Session* s, uint64_t input_number, uint64_t first, uint64_t last) except -1 nogil:
        # Up to the last message before the Logon's answer. Which one is the first, the egress store knows; from `first`
        # on, unless it is 0, a gap fill goes before it.
        cdef SessionFields* fields
        if last:
            fields = <SessionFields*> (<uint8_t*> self._record(s, EGRESS_RESEND, sizeof(SessionFields))
                                       + sizeof(EgressHead))
            fields.begin_seq_no = first
            fields.ref_seq_num = input_number
            fields.end_seq_no = last
            fields.reject_reason = NOT_REJECTED
        return 0

    cdef int _resend(self, Session* s, const Message* m) except -1 nogil:
        cdef uint64_t begin = m.session.begin_seq_no, end = m.session.end_seq_no, last = s.outbound - 1
        cdef EgressHead* head
        cdef SessionFields* fields
        cdef char text[160]
        if s.leaving == BEGINS_ANEW:    # what it asks for is not kept any more
            return 0
        if begin == last + 1 and (end == 0 or end >= begin):    # the other side has everything
            return 0
        if begin == 0 or begin > last or (end != 0 and end < begin):
            snprintf(text, sizeof(text), b"cannot resend %llu to %llu (7, 16): the last number sent is %llu",
                     begin, end, last)
            return self.reject(s, m, VALUE_IS_INCORRECT, 7, text)
        head = self._record(s, EGRESS_RESEND, sizeof(SessionFields))
        fields = <SessionFields*> (<uint8_t*> head + sizeof(EgressHead))
        fields.begin_seq_no = begin
        fields.end_seq_no = last if end == 0 or end > last else end
        fields.reject_reason = NOT_REJECTED
        return 0

    # ------------------------------------------------------------ bounds

    cdef bint exceeds_rate(self, Session* s, uint8_t msg_type) noexcept nogil:
        # The generic cell rate algorithm (ITU-T I.371, annex A) in log time: a second's worth may come at once. A
        # cancel takes risk away, so those have a measure of their own.
        cdef bint cancels = msg_type == MSG_CANCEL_REQUEST or msg_type == MSG_MASS_CANCEL_REQUEST
        cdef int64_t interval = SECOND // (self.settings.messages_per_second * (CANCELS if cancels else 1))
        cdef int64_t due = s.due_ns[cancels] if s.due_ns[cancels] > self.now_ns else self.now_ns
        if due - self.now_ns > SECOND - interval:
            return True
        s.due_ns[cancels] = due + interval
        return False

    cdef void set_next_reset(self) noexcept nogil:
        # The first such minute after now.
        cdef int64_t minute = self.settings.reset_minute
        self.next_reset_ns = EMPTY_TIME
        if minute:
            self.next_reset_ns = self.now_ns // DAY * DAY + (minute - 1) * MINUTE
            if self.next_reset_ns <= self.now_ns:
                self.next_reset_ns += DAY

    cdef int reset_all(self) except -1 nogil:
        # What is sent is numbered anew from the Logout on, so that no report is lost; what comes, when the other side
        # has left: it may have been sent before.
        cdef uint32_t i
        cdef Session* s
        for i in range(self.count):
            s = self.table[i]
            if s.sees_others:
                continue        # its messages are those of all days
            if s.connected:
                if not s.leaving:
                    self._leave(s, BEGIN_ANEW)
                s.leaving = BEGINS_ANEW
                s.outbound = 1
            else:
                self._reset(s)
            s.reset_ns = self.now_ns
        self.set_next_reset()
        return 0

    # ------------------------------------------------------------ deadlines

    cdef int64_t _deadline(self, const Session* s, uint32_t kind) noexcept nogil:
        # What is true now; EMPTY_TIME = none.
        cdef int64_t allowance
        if kind == TIMER_GRACE:
            return s.grace_deadline_ns
        if not s.connected:
            return EMPTY_TIME
        if s.leaving:
            return s.leaves_ns if kind == TIMER_SILENCE else EMPTY_TIME
        if s.heartbeat_ns == 0:
            return EMPTY_TIME
        if kind == TIMER_HEARTBEAT:
            # none while a TestRequest is out: the other side may be gone
            return EMPTY_TIME if s.test_pending and self.rules >= 2 else s.last_sent_ns + s.heartbeat_ns
        # a fifth of the interval for transmission; twice the time when a TestRequest is out
        allowance = s.heartbeat_ns // 5
        if self.rules < 2 and allowance < SECOND:
            allowance = SECOND
        return s.last_received_ns + (s.heartbeat_ns + allowance) * (2 if s.test_pending else 1)

    cdef int _arm(self, Session* s, TimerKind kind) except -1 nogil:
        # Sees to it that the heap holds a node at or before the deadline.
        cdef Timer timer
        timer.deadline_ns = self._deadline(s, kind)
        timer.kind = kind
        timer.session = s.id
        if timer.deadline_ns == EMPTY_TIME:
            return 0
        if s.armed_ns[<int> kind] != EMPTY_TIME and s.armed_ns[<int> kind] <= timer.deadline_ns:
            return 0
        s.armed_ns[<int> kind] = timer.deadline_ns
        if not timers_push(&self.timers, timer):
            no_memory()
        return 0

    cdef int _settle_first(self) except -1 nogil:
        # Brings a true deadline to the top of the heap. 0: there is none at all.
        cdef Timer timer
        cdef Session* s
        while self.timers.count:
            timer = self.timers.nodes[0]
            s = self.table[timer.session - 1]
            if s.armed_ns[timer.kind] != timer.deadline_ns:     # replaced by an earlier one
                timers_pop(&self.timers)
                continue
            if self._deadline(s, timer.kind) == timer.deadline_ns:
                return 1
            timers_pop(&self.timers)
            s.armed_ns[timer.kind] = EMPTY_TIME
            self._arm(s, <TimerKind> timer.kind)
        return 0

    cdef int64_t next_deadline(self) except? -1 nogil:
        cdef int64_t first = self.timers.nodes[0].deadline_ns if self._settle_first() else EMPTY_TIME
        if first == EMPTY_TIME or (self.next_reset_ns != EMPTY_TIME and self.next_reset_ns < first):
            return self.next_reset_ns
        return first

    cdef int due(self, Timer* timer) except -1 nogil:
        cdef Session* s
        if self.timers.count == 0 or self.timers.nodes[0].deadline_ns > self.now_ns:
            return 0
        if not self._settle_first() or self.timers.nodes[0].deadline_ns > self.now_ns:
            return 0
        timer[0] = self.timers.nodes[0]
        timers_pop(&self.timers)
        s = self.table[timer.session - 1]
        s.armed_ns[timer.kind] = EMPTY_TIME
        if timer.kind == TIMER_GRACE:
            s.grace_deadline_ns = EMPTY_TIME
        return 1

    cdef bint ends_orders(self) except -1 nogil:
        cdef const Timer* first
        if not self._settle_first() or self.timers.nodes[0].deadline_ns > self.now_ns:
            return False
        first = &self.timers.nodes[0]
        return first.kind == TIMER_GRACE or (first.kind == TIMER_SILENCE and self.table[first.session - 1].waits != 0)

    cdef int perform(self, const Timer* timer) except -1 nogil:
        cdef Session* s = self.table[timer.session - 1]
        cdef char text[32]
        # When both are due at the same time a TestRequest is as good as a Heartbeat, and goes alone.
        if timer.kind == TIMER_HEARTBEAT and (self.rules < 2
                                              or self._deadline(s, TIMER_SILENCE) > timer.deadline_ns):
            self._admin(s, MSG_HEARTBEAT, <const uint8_t*> b"", 0)
            return self._arm(s, TIMER_HEARTBEAT)
        if s.leaving:
            return self._close(s, b"the Logout was 2 seconds ago")
        if s.test_pending and self.rules >= 2:      # nobody reads a Logout; it would only use a number
            return self._close(s, b"no answer to TestRequest")
        if s.test_pending:
            return self._logout(s, b"no answer to TestRequest")
        if self.rules >= 2:
            snprintf(text, sizeof(text), b"TEST")
        else:
            snprintf(text, sizeof(text), b"%llu", s.outbound)
        self._admin(s, MSG_TEST_REQUEST, <const uint8_t*> text, strlen(text))
        s.test_pending = 1
        return self._arm(s, TIMER_SILENCE)
