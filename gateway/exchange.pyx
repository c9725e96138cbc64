# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: the framing of a whole entry is checked when it begins (framing.pyx), before anything is read from it.
"""sessions + orders + machine + feed: `apply` reads the log entry and the state, and nothing else.

Holds the state, and views of the payloads that are being applied. step() runs without the GIL. ValueError: the entry
is not what the log promises; after any exception the exchange refuses to go on (RuntimeError), because half an entry
was applied.

What differs between versions of the rules asks machine.books.rules, as the engine does: the version that the log has
activated, whatever newer ones this program can run.
"""

import hashlib

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t, INT64_MIN
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from engine.machine cimport Machine
from engine.state cimport Instrument as Terms, Market, market_of, set_rules
from engine.work cimport has_work
from gateway.book_updates cimport BookUpdates
from gateway.canonical cimport (
    write_drop_copies, write_orders, write_past_trades, write_schedules, write_sessions, write_subscriptions,
)
from gateway.drop_copies cimport DropCopies
from gateway.early cimport early_find, early_forget_before
from gateway.echo cimport Echo
from gateway.executions cimport Instrument, PIECE
from gateway.framing cimport check_payload, split_message
from gateway.market_data cimport MarketData
from gateway.market_requests cimport MarketRequests
from gateway.mass_requests cimport NO_JOB
from gateway.operation_fields cimport phase_name
from gateway.operations cimport Operations, Schedule
from gateway.orders cimport Expected, Orders
from gateway.outbox cimport Outbox
from gateway.records cimport (
    ActivateBody, APPLICATION_ECHO, DropCopyBody, GatewayBody, INPUT_ACTIVATE, INPUT_DISCONNECT, INPUT_DROP_COPY,
    INPUT_GATEWAY_LOST, INPUT_GATEWAY_START, INPUT_INSTRUMENT, INPUT_MESSAGE, INPUT_OPERATION, INPUT_OPERATOR,
    INPUT_SETTING, InputHead, InstrumentBody, MAX_SYMBOL, MAX_TEXT, MSG_LOGON, MSG_RESEND_REQUEST, NOT_REJECTED,
    OperationBody, OperatorBody, SettingBody,
)
from gateway.reference_requests cimport ReferenceRequests
from gateway.session cimport ACT, Message, Session, Sessions, TIMER_GRACE, in_sequence, is_asked_for
from gateway.status_updates cimport StatusUpdates
from gateway.snapshot cimport GATEWAYS, GatewayImage
from gateway.snapshot_reader cimport SnapshotReader
from gateway.snapshot_writer cimport SnapshotWriter
from gateway.timers cimport Timer

from gateway.inputs import RULES_VERSION, described

cdef enum:
    FAR = 15        # inputs between asking for memory and using it: names, order, engine
    NEAR = 8
    NEXT = 4
    DEFAULT_GRACE_MS = 5000
    DEFAULT_CLOSED = 100000
    DEFAULT_HEARTBEAT = 3600
    DEFAULT_SESSIONS = 10000
    FIRST_RULES = 1             # that every log begins with

cdef bytes DEFAULT_COMP_ID = b"QUORUMBOOK"      # until a setting gives one; part of the rules, as the other defaults


cdef class Exchange:
    """The replicated state machine. Entries go in by apply (or begin and step); egress() shows what comes out.

    newest_rules: the last version of the rules that this program runs; a log that activates a later one stops it.
    """

    def __init__(self, newest_rules: int = RULES_VERSION) -> None:
        self.newest_rules = newest_rules
        self.outbox = Outbox()
        self.machine = Machine()
        set_rules(&self.machine.books, FIRST_RULES)
        self.state = Sessions(self.outbox)
        self.state.rules = FIRST_RULES
        self.echo = Echo(self.state)
        self.feed = MarketData()
        self.statuses = StatusUpdates(self.machine, self.state, self.feed)
        self.updates = BookUpdates(self.machine, self.state, self.feed, self.statuses)
        self.orders = Orders(self.machine, self.state, self.feed, self.updates)
        self.market_requests = MarketRequests(self.state, self.orders, self.updates)
        self.reference_requests = ReferenceRequests(self.state, self.orders, self.statuses)
        self.drop_copies = DropCopies(self.state)
        self.operations = Operations(self.state, self.orders)
        self.orders.window = DEFAULT_CLOSED
        self.state.now_ns = INT64_MIN + 1
        self.state.settings.grace_ns = <int64_t> DEFAULT_GRACE_MS * 1000000
        self.state.settings.closed_cl_ord_ids = DEFAULT_CLOSED
        self.state.settings.max_heartbeat_seconds = DEFAULT_HEARTBEAT
        self.state.settings.max_sessions = DEFAULT_SESSIONS
        self.state.settings.open_to_any = 1
        self.state.settings.comp_id_length = <uint8_t> len(DEFAULT_COMP_ID)
        memcpy(self.state.settings.comp_id, <const uint8_t*> <const char*> DEFAULT_COMP_ID, len(DEFAULT_COMP_ID))

    def __dealloc__(self) -> None:
        self._release()
        free(self.entries)
        free(self.table)

    # ------------------------------------------------------------ entries

    def begin(self, payload, index: int, term: int, timestamp_ns: int) -> None:
        """Takes the next log entry; the whole framing of its payload is checked here.

        ValueError: it is not the next entry, its time goes back, or it is malformed. NewerRules: it activates rules
        that this program does not have. Nothing was changed.
        """
        self.begin_all(((index, term, timestamp_ns, payload, None),))

    def begin_all(self, entries) -> None:
        """Takes the next log entries, each (index, term, timestamp_ns, payload, chain hash); step goes through all.

        ValueError and NewerRules, as from begin, for any of them: nothing was changed.
        """
        cdef tuple entry
        if self.failed or self.open:
            raise RuntimeError(f"entry {self.index} failed: this exchange cannot go on" if self.failed else
                               f"entry {self.index} is not done")
        try:
            for item in entries:
                if not isinstance(item, tuple) or len(item) != 5:
                    raise TypeError("a log entry is (index, term, timestamp_ns, payload, chain hash)")
                entry = <tuple> item    # or a subclass: Entry is a named tuple
                self._enter(entry[3], entry[0], entry[1], entry[2])
            self._check()
        except BaseException:
            self._release()
            raise
        if self.entry_count == 0:
            return
        self.open = True
        self.taken = self.seen = 0
        self.ahead_entry = 0
        self.ahead = self.entries[0].begin
        self._open_entry()

    cdef int _enter(self, payload, int64_t index, int64_t term, int64_t time_ns) except -1:
        cdef const Entry* last = &self.entries[self.entry_count - 1] if self.entry_count else NULL
        cdef int64_t last_time_ns = self.state.now_ns if last == NULL else last.time_ns
        cdef int64_t last_term = self.applied_term if last == NULL else last.term
        cdef Entry* entry
        cdef size_t room
        if index != self.applied_index + <int64_t> self.entry_count + 1:
            raise ValueError(
                f"log entry {index} does not follow entry {self.applied_index + <int64_t> self.entry_count}")
        if time_ns < last_time_ns:
            raise ValueError(f"log entry {index}: its time {time_ns} is before {last_time_ns}")
        if term < last_term:
            raise ValueError(f"log entry {index}: its term {term} is before {last_term}")
        if self.entry_count == self.entry_room:
            room = self.entry_room * 2 if self.entry_room else 16
            entry = <Entry*> realloc(self.entries, room * sizeof(Entry))
            if entry == NULL:
                raise MemoryError("no memory for a log entry")
            self.entries = entry
            self.entry_room = room
        entry = &self.entries[self.entry_count]
        PyObject_GetBuffer(payload, &entry.view, PyBUF_SIMPLE)
        entry.aligned = NULL
        entry.index = index
        entry.term = term
        entry.time_ns = time_ns
        self.entry_count += 1
        return self._align(entry)

    cdef int _align(self, Entry* entry) except -1:
        entry.begin = <const uint8_t*> entry.view.buf
        if <uintptr_t> entry.begin % 8 and entry.view.len:
            entry.aligned = <uint8_t*> malloc(entry.view.len)
            if entry.aligned == NULL:
                raise MemoryError(f"no memory for an entry of {entry.view.len} bytes")
            memcpy(entry.aligned, entry.view.buf, entry.view.len)
            entry.begin = entry.aligned
        entry.end = entry.begin + entry.view.len
        if entry.view.len >= 4 and (<const uint32_t*> entry.begin)[0] == 0:
            entry.end = entry.begin     # the log's own (a membership): it holds no inputs
        return 0

    cdef int _check(self) except -1:
        cdef size_t i
        cdef const Entry* entry
        with nogil:
            for i in range(self.entry_count):
                entry = &self.entries[i]
                check_payload(entry.index, entry.begin, entry.end - entry.begin, self.newest_rules)
        return 0

    cdef void _release(self) noexcept:
        cdef size_t i
        for i in range(self.entry_count):
            PyBuffer_Release(&self.entries[i].view)
            free(self.entries[i].aligned)
        self.entry_count = 0

    cdef int _open_entry(self) except -1 nogil:
        cdef const Entry* entry = &self.entries[self.current]
        self.index = entry.index
        self.cursor = entry.begin
        self.end = entry.end
        self.state.now_ns = entry.time_ns
        self.engine_is_late = self.state.rules >= 3
        if not self.engine_is_late:
            self.machine.set_time(entry.time_ns)
        self.deadlines_done = False
        if entry.term != self.applied_term:
            self.applied_term = entry.term
            self.state.restart_clocks()
        return 0

    cdef int _close_entry(self) except -1 nogil:
        if self.updates.touched_count:
            self.updates.end_entry()
        if self.statuses.is_due():
            self.statuses.end_entry()
        if self.feed.open_count or self.feed.collecting_count:
            with gil:
                self.feed.end_entry(self.machine)
        self.applied_index = self.index
        self.current += 1
        return 0

    def step(self, budget: int = 4096) -> bool:
        """Goes on with the entries: about `budget` inputs' worth of work. True when they are done.

        What comes out does not depend on where the steps are cut.
        """
        cdef int64_t work = budget
        cdef bint done
        if not self.open or self.failed:
            raise RuntimeError("no entry was begun, or it failed")
        if work <= 0:
            raise ValueError(f"budget must be above 0, not {budget}")
        self.failed = True
        with nogil:
            done = self._advance(work)
        if done:
            self._release()
            self.current = 0
            self.open = False
        self.failed = False
        return done

    def apply(self, payload, index: int, term: int, timestamp_ns: int) -> None:
        """begin and step until the entry is done."""
        self.begin(payload, index, term, timestamp_ns)
        while not self.step():
            pass

    cdef bint _advance(self, int64_t budget) except -1 nogil:
        # In each entry deadlines first, then the inputs; what one leaves to do is finished before anything else.
        cdef Timer timer
        cdef const InputHead* head
        cdef size_t begin
        cdef bint done = False
        while True:
            begin = self.outbox.size
            if has_work(&self.machine.books):
                self.orders.go_on()
                budget -= PIECE
            elif self.orders.job.kind != NO_JOB:
                self.orders.work()
                budget -= PIECE
            elif self.operations.running.kind:
                self.operations.work()
                budget -= 16
            elif self.filled != NULL:
                self._take_early()
                budget -= 1
            elif self.reference_requests.listing.session:
                self.reference_requests.work()
                budget -= PIECE
            elif self.engine_is_late:
                self._catch_up()
                budget -= 1
            elif not self.deadlines_done:
                if self._reset_is_due():
                    self.state.input_number += 1
                    self.state.reset_all()
                elif self.state.due(&timer):
                    self.state.input_number += 1    # time is an input: what comes of it has a number of its own
                    if timer.kind == TIMER_GRACE:
                        self.orders.cancel_all(self.state.by_id(timer.session))
                    else:
                        self.state.perform(&timer)
                else:
                    self.deadlines_done = True
                budget -= 1
            elif self.cursor == self.end:
                self._close_entry()
                done = self.current == self.entry_count
                if not done:
                    self._open_entry()
            else:
                self._look_ahead()
                head = <const InputHead*> self.cursor
                self.cursor += head.size
                self.taken += 1
                self._take(head)
                budget -= 1
            if self.drop_copies.count:
                self._copy_reports(begin)
            if done or budget <= 0:
                return done

    cdef int _catch_up(self) except -1 nogil:
        # What comes due in the engine, a time after the other, as an input of its own; then it is as late as the entry.
        cdef int64_t due_ns = self.machine.due()
        if due_ns == INT64_MIN or due_ns > self.state.now_ns:
            self.engine_is_late = False
            self.machine.set_time(self.state.now_ns)
            return 0
        self.state.input_number += 1
        return self.orders.advance(due_ns)

    cdef int _copy_reports(self, size_t begin) except -1 nogil:
        self.drop_copies.copy(begin)
        if self.discards:       # they were written to be looked at
            self.outbox.size = begin
        return 0

    cdef inline bint _reset_is_due(self) noexcept nogil:
        return self.state.next_reset_ns != INT64_MIN and self.state.next_reset_ns <= self.state.now_ns

    cdef void _look_ahead(self) noexcept nogil:
        # Up to FAR inputs ahead the names of a message are asked for, then its order, then what the engine has of it.
        cdef uint64_t number
        cdef int stage
        while self.seen < self.taken + FAR and self._see_next():
            pass
        if self.taken == 0:     # the first ones catch up
            for number in range(NEAR):
                self._foresee_order(number)
            for stage in range(3):
                for number in range(NEXT - stage):
                    self._foresee_engine(number, stage)
        self._foresee_order(self.taken + NEAR)
        self._foresee_engine(self.taken + NEXT, 0)
        self._foresee_engine(self.taken + NEXT - 1, 1)
        self._foresee_engine(self.taken + NEXT - 2, 2)

    cdef void _foresee_order(self, uint64_t number) noexcept nogil:
        cdef Expected* coming = &self.coming[number & 15]
        if number < self.seen and coming.session != NULL:
            self.orders.foresee_order(coming)

    cdef void _foresee_engine(self, uint64_t number, int stage) noexcept nogil:
        cdef const Expected* coming = &self.coming[number & 15]
        if number < self.seen and coming.slot:
            self.orders.foresee_engine(coming, stage)

    cdef bint _see_next(self) noexcept nogil:
        # False: there are no more.
        cdef const InputHead* head
        cdef Expected* coming = &self.coming[self.seen & 15]
        while self.ahead == self.entries[self.ahead_entry].end:
            if self.ahead_entry + 1 == self.entry_count:
                return False
            self.ahead_entry += 1
            self.ahead = self.entries[self.ahead_entry].begin
        head = <const InputHead*> self.ahead
        self.ahead += head.size
        self.seen += 1
        coming.session = NULL
        coming.slot = 0
        if head.kind == INPUT_MESSAGE:
            split_message(head, &coming.message)
            if coming.message.order != NULL:
                self.orders.foresee_names(coming, self.state.by_id(head.session))
        return True

    # ------------------------------------------------------------ an input

    cdef bint _passes_fence(self, const InputHead* head) noexcept nogil:
        # Exactly the next number of a live incarnation; 0 is the leader itself, whose inputs need no number.
        cdef Gateway* gateway
        if head.incarnation == 0:
            return head.kind != INPUT_GATEWAY_START or not self._started(head.connection, head.gateway_number)
        if head.incarnation > self.gateway_count:
            return False
        gateway = &self.table[head.incarnation - 1]
        if gateway.lost or head.gateway_number != gateway.last_number + 1:
            return False
        gateway.last_number += 1
        return True

    cdef int _take(self, const InputHead* head) except -1 nogil:
        if not self._passes_fence(head):
            self.skipped_inputs += 1
            return 0
        if head.kind == INPUT_MESSAGE:
            return self._message(&self.coming[(self.taken - 1) & 15])
        if head.kind == INPUT_DISCONNECT:
            return self._disconnect(head)
        self.state.input_number += 1
        if head.kind == INPUT_GATEWAY_START:
            return self._gateway_start(head.connection, head.gateway_number)
        if head.kind == INPUT_GATEWAY_LOST:
            return self._gateway_lost((<const GatewayBody*> (head + 1)).incarnation)
        if head.kind == INPUT_SETTING:
            return self._setting(head)
        if head.kind == INPUT_INSTRUMENT:
            with gil:
                self._instrument(head)
        if head.kind == INPUT_DROP_COPY and self.state.rules >= 2:
            self.drop_copies.enter(<const DropCopyBody*> (head + 1))
            self.outbox.discards = False
        if head.kind == INPUT_OPERATOR and self.state.rules >= 3:
            self.operations.enter_operator(<const OperatorBody*> (head + 1))
        if head.kind == INPUT_OPERATION and self.state.rules >= 3:
            self.operations.enter(<const OperationBody*> (head + 1))
        if head.kind == INPUT_ACTIVATE:
            self._activate((<const ActivateBody*> (head + 1)).rules_version)
        return 0

    cdef int _activate(self, uint32_t rules) except -1 nogil:
        # From the next input on. Rules never go back: a version that holds, or an older one, changes nothing.
        if rules > self.machine.books.rules:
            set_rules(&self.machine.books, rules)
            self.state.rules = rules
            self.state.arm_all()
        return 0

    cdef int _message(self, const Expected* coming) except -1 nogil:
        cdef const Message* m = &coming.message
        cdef const InputHead* head = m.head
        cdef Session* s
        if head.session:
            s = self.state.by_id(head.session)
            if s == NULL or not s.connected or s.epoch != head.epoch:
                self.skipped_inputs += 1
                return 0
        else:       # its gateway did not know yet that this connection had logged on, or it had not
            s = self.state.on_connection(head.incarnation, head.connection)
        self.state.input_number += 1
        if s == NULL:
            if m.fields.msg_type == MSG_LOGON:
                return self.state.logon(m)
            return self.state.refuse(head, b"the first message must be a Logon")
        if (m.order != NULL and head.verdict == NOT_REJECTED and self.state.settings.sending_time_ns == 0
                and self.state.settings.messages_per_second == 0 and in_sequence(s, m.fields)):
            s.inbound += 1
            self.state.heard(s)
            return self.orders.act(s, coming)
        self._receive(s, coming)
        if s.early.count:
            self.filled = s
        return 0

    cdef int _take_early(self) except -1 nogil:
        # The next one that came before its turn, which is now, as an input of its own.
        cdef Session* s = self.filled
        cdef const InputHead* head
        cdef Expected coming
        cdef uint8_t* record
        early_forget_before(&s.early, s.inbound)
        head = early_find(&s.early, s.inbound)
        if head == NULL:
            self.filled = NULL
            return self.state.ask_for_rest(s)
        record = <uint8_t*> malloc(head.size)       # the session may forget it meanwhile
        if record == NULL:
            with gil:
                raise MemoryError("no memory for a message")
        memcpy(record, head, head.size)
        memset(&coming, 0, sizeof(Expected))
        split_message(<const InputHead*> record, &coming.message)
        coming.message.kept = True
        self.state.input_number += 1
        if coming.message.fields.msg_type == MSG_RESEND_REQUEST and head.verdict == NOT_REJECTED:
            self.state.pass_over(s)     # answered when it came
        else:
            if coming.message.order != NULL:
                self.orders.foresee_names(&coming, s)
            self._receive(s, &coming)
        free(record)
        return 0

    cdef int _receive(self, Session* s, const Expected* coming) except -1 nogil:
        cdef const Message* m = &coming.message
        cdef bint counts = (
            self.state.settings.messages_per_second != 0 and not s.is_operator and not is_asked_for(s, m)
        )
        if self.state.receive(s, m) != ACT:
            return 0
        if self.state.settings.application == APPLICATION_ECHO:
            return self.echo.act(s, m)
        if counts and self.state.exceeds_rate(s, m.fields.msg_type):
            return self.orders.refuse_rate(s, coming)
        if m.order == NULL and self.state.rules >= 2:
            return self._other(s, coming)
        return 0 if self.orders.answer_resent(s, coming) else self.orders.act(s, coming)

    cdef int _other(self, Session* s, const Expected* coming) except -1 nogil:
        # No order message. A request came as text.
        cdef const Message* m = &coming.message
        if m.fields.msg_type_length == 2 and m.msg_type[0] == c'A' and m.msg_type[1] == c'R':
            return 0            # says that a TradeCaptureReport came
        if m.fields.body_length == 0:
            return self.orders.act(s, coming)
        if m.fields.msg_type_length == 1:
            if m.msg_type[0] == c'x' or m.msg_type[0] == c'e' or m.msg_type[0] == c'g':
                return self.reference_requests.act(s, m)
            if m.msg_type[0] == c'V':
                return self.market_requests.act(s, m)
        elif m.fields.msg_type_length == 2:
            if m.msg_type[0] == c'A' and m.msg_type[1] == c'D':
                return self.orders.capture.act(s, m)
            if m.msg_type[0] == c'U' and m.msg_type[1] == c'1' and self.state.rules >= 3:
                return self.operations.act(s, m)
        return self.orders.act(s, coming)

    cdef int _disconnect(self, const InputHead* head) except -1 nogil:
        cdef Session* s
        if head.session:
            s = self.state.by_id(head.session)
            if s == NULL or s.epoch != head.epoch:
                s = NULL
        else:
            s = self.state.on_connection(head.incarnation, head.connection)
        if s == NULL:
            self.skipped_inputs += 1
            return 0
        self.state.input_number += 1
        return self.state.disconnect(s)

    cdef bint _started(self, uint32_t member, uint64_t nonce) noexcept nogil:
        # A start that lies in the log twice is one.
        cdef uint32_t i
        for i in range(self.gateway_count):
            if member and self.table[i].member == member and self.table[i].nonce == nonce:
                return True
        return False

    cdef int _gateway_start(self, uint32_t member, uint64_t nonce) except -1 nogil:
        # A member has one gateway: what it had before is lost.
        cdef Gateway* grown
        cdef uint32_t room, i
        for i in range(self.gateway_count):
            if member and self.table[i].member == member and not self.table[i].lost:
                self._gateway_lost(i + 1)
        if self.gateway_count == self.gateway_room:
            room = self.gateway_room * 2 if self.gateway_room else 16
            grown = <Gateway*> realloc(self.table, room * sizeof(Gateway))
            if grown == NULL:
                with gil:
                    raise MemoryError("no memory for a gateway")
            self.table = grown
            self.gateway_room = room
        memset(&self.table[self.gateway_count], 0, sizeof(Gateway))
        self.table[self.gateway_count].member = member
        self.table[self.gateway_count].nonce = nonce
        self.gateway_count += 1
        return 0

    cdef int _gateway_lost(self, uint32_t incarnation) except -1 nogil:
        # 0: every incarnation so far.
        cdef uint32_t i
        for i in range(self.gateway_count):
            if incarnation == 0 or incarnation == i + 1:
                self.table[i].lost = 1
        return self.state.lose(incarnation)

    cdef int _setting(self, const InputHead* head) except -1 nogil:
        cdef const SettingBody* body = <const SettingBody*> (head + 1)
        self.state.settings.grace_ns = <int64_t> body.grace_ms * 1000000
        self.state.settings.sending_time_ns = <int64_t> body.sending_time_seconds * 1000000000
        self.state.settings.closed_cl_ord_ids = body.closed_cl_ord_ids
        self.state.settings.max_heartbeat_seconds = body.max_heartbeat_seconds
        self.state.settings.max_sessions = body.max_sessions
        self.state.settings.cancel_on_disconnect = body.cancel_on_disconnect == 2
        self.state.settings.open_to_any = body.open_to_any
        if self.state.rules >= 2:
            self.state.settings.application = body.application
            self.state.settings.reset_on_logon = body.reset_on_logon
            self.state.settings.messages_per_second = body.messages_per_second
            self.state.settings.reset_minute = body.reset_minute
            self.state.set_next_reset()
        self.state.settings.comp_id_length = body.comp_id_length
        memcpy(self.state.settings.comp_id, body + 1, body.comp_id_length)
        self.orders.window = body.closed_cl_ord_ids
        return 0

    cdef int _instrument(self, const InputHead* head) except -1:
        cdef const InstrumentBody* body = <const InstrumentBody*> (head + 1)
        return self.orders.define(body, <const uint8_t*> (body + 1))

    # ------------------------------------------------------------ snapshots

    def snapshot(self) -> bytes:
        """The whole state as bytes (docs/snapshot-format.md), the same for every replica. Between entries only.

        What was not taken yet (egress, feed messages, trades) and what is listened to is no part of it.
        """
        return b"".join(self.snapshot_pieces())

    def snapshot_pieces(self):
        """The bytes of `snapshot` in pieces, for who has other things to do: at most 4,096 orders' each.

        RuntimeError: an entry is half applied, or one was begun since the first piece.
        """
        cdef SnapshotWriter writer = SnapshotWriter(self.machine, self.state, self.orders, self.feed, self.drop_copies,
                                                    self.operations)
        cdef int64_t index = self.applied_index
        if not self.between_entries:
            raise RuntimeError("snapshot: an entry is half applied")
        if self.echoes:
            raise RuntimeError("snapshot: an exchange that echoes makes none")
        writer.begin(index, self.applied_term, self.skipped_inputs)
        self._write_gateways(writer)
        while writer.go_on():
            yield writer.take()
            if self.open or self.failed or self.applied_index != index:
                raise RuntimeError(f"the snapshot at entry {index} was not done when the next entry came")
        yield writer.end()

    @staticmethod
    def restore(const uint8_t[::1] data not None, newest_rules: int = RULES_VERSION) -> Exchange:
        """The exchange a snapshot was taken of: it goes on as that one did, entry for entry, byte for byte.

        Like a new one it listens to the whole feed and keeps egress. ValueError says at which byte offset the data is
        not a snapshot that this program reads. NewerRules: it is one, of rules that this program does not have.
        """
        cdef SnapshotReader reader = SnapshotReader(data, newest_rules)
        cdef Exchange exchange = Exchange(newest_rules)
        exchange.applied_index = reader.header.index
        exchange.applied_term = reader.header.term
        reader.read_state(exchange.state, exchange.orders, exchange.feed, exchange.operations, &exchange.skipped_inputs)
        exchange.state.rules = reader.header.rules_version
        exchange._read_gateways(reader)
        reader.read_machine(exchange.machine)
        reader.read_instruments(exchange.machine, exchange.orders, exchange.feed, exchange.operations)
        with nogil:
            reader.read_sessions(exchange.state)
            reader.read_drop_copies(exchange.drop_copies)
            reader.read_orders(exchange.machine, exchange.state, exchange.orders)
            reader.read_free_slots(exchange.orders)
            reader.read_subscriptions(exchange.state, exchange.orders)
            reader.read_past_trades(exchange.machine, exchange.state, exchange.orders)
            exchange.updates.resume()
        return exchange

    cdef int _write_gateways(self, SnapshotWriter writer) except -1:
        cdef uint32_t i
        cdef GatewayImage* image
        writer.open_section(GATEWAYS)
        for i in range(self.gateway_count):
            image = <GatewayImage*> writer.text.reserve(sizeof(GatewayImage))
            image.last_number = self.table[i].last_number
            image.nonce = self.table[i].nonce
            image.lost = self.table[i].lost
            image.member = self.table[i].member
        return writer.close_section(self.gateway_count)

    cdef int _read_gateways(self, SnapshotReader reader) except -1:
        cdef GatewayImage image
        cdef Gateway* made
        reader.enter(GATEWAYS)
        while reader.left:
            memcpy(&image, reader.record(GATEWAYS, sizeof(GatewayImage)), sizeof(GatewayImage))
            if image.lost > 1:
                reader.wrong(b"a gateway that cannot be")
            self._gateway_start(0, 0)
            made = &self.table[self.gateway_count - 1]
            made.last_number = image.last_number
            made.nonce = image.nonce
            made.lost = image.lost
            made.member = image.member
        return 0

    # ------------------------------------------------------------ what can be seen of it

    def egress(self) -> memoryview:
        """The egress records since clear_egress, end to end. Release the view before the next step."""
        return memoryview(self.outbox)

    def clear_egress(self) -> None:
        """Forgets the egress records. BufferError while a view of them is alive."""
        self.outbox.clear()

    @property
    def discards_egress(self) -> bool:
        """Whether egress records are numbered but not written, so that egress() stays empty: for who only wants to know
        where a log leads. The state, and its hash, are the same."""
        return self.discards

    @discards_egress.setter
    def discards_egress(self, value: bool) -> None:
        self.outbox.clear()
        self.discards = value
        self.outbox.discards = value and self.drop_copies.count == 0

    @property
    def input_number(self) -> int:
        """The number of the last input taken or deadline performed; 0 = none yet."""
        return self.state.input_number

    @property
    def rules(self) -> int:
        """The version of the rules that holds; 1 until the log activates a newer one."""
        return self.machine.books.rules

    @property
    def echoes(self) -> bool:
        """Its application is not an exchange's: every application message comes back."""
        return self.state.settings.application == APPLICATION_ECHO

    @property
    def messages_per_second(self) -> int:
        """Application messages that a session may send; 0 = no bound."""
        return self.state.settings.messages_per_second

    @property
    def between_entries(self) -> bool:
        """No entry is half applied."""
        return not self.open and not self.failed

    @property
    def comp_id(self) -> bytes:
        """The exchange's own CompID, as the log has it; QUORUMBOOK until a setting gives it."""
        return self.state.settings.comp_id[:self.state.settings.comp_id_length]

    @property
    def time_ns(self) -> int:
        """Log time: the last entry's timestamp; 0 = none yet."""
        return self.state.now_ns if self.applied_index or self.open else 0

    @property
    def last_incarnation(self) -> int:
        """The incarnation given out last; 0 = none yet."""
        return self.gateway_count

    def gateways(self) -> list:
        """The gateways that are not lost: (incarnation, member, nonce, the last number of its inputs)."""
        cdef uint32_t i
        return [(i + 1, self.table[i].member, self.table[i].nonce, self.table[i].last_number)
                for i in range(self.gateway_count) if not self.table[i].lost]

    def member_of(self, incarnation: int) -> int:
        """Whose gateway that is or was; 0 = there is no such one yet."""
        return self.table[<uint32_t> incarnation - 1].member if 1 <= incarnation <= self.gateway_count else 0

    def last_number(self, incarnation: int) -> int:
        """The number of the last input of a gateway; -1 when it is lost, or there is no such one."""
        if not 1 <= incarnation <= self.gateway_count or self.table[<uint32_t> incarnation - 1].lost:
            return -1
        return self.table[<uint32_t> incarnation - 1].last_number

    @property
    def looked_at(self) -> int:
        """Inputs of the entries that were begun last, so far: taken or skipped."""
        return self.taken

    @property
    def next_deadline_ns(self) -> int | None:
        """When the state machine wants an entry even if nothing else happens."""
        cdef int64_t deadline = self.state.next_deadline(), due_ns = self.machine.due()
        if deadline == INT64_MIN or (due_ns != INT64_MIN and due_ns < deadline):
            deadline = due_ns
        return None if deadline == INT64_MIN else deadline

    @property
    def record_trades(self) -> bool:
        """Whether trades are kept for take_trades."""
        return self.orders.record_trades

    @record_trades.setter
    def record_trades(self, value: bool) -> None:
        self.orders.record_trades = value

    def take_trades(self) -> list:
        """The trades recorded since the last call, in order: (input number, time_ns, taker's session, taker's ClOrdID,
        maker's session, maker's ClOrdID, symbol, price_ticks, quantity_lots)."""
        trades = self.orders.trades
        self.orders.trades = []
        return trades

    def symbols(self) -> list:
        """The symbols of the instruments, in the order in which they were defined."""
        cdef uint32_t i
        found = []
        for i in range(self.orders.instrument_count):
            found.append(self.orders.instruments[i].symbol[:self.orders.instruments[i].symbol_length].decode())
        return found

    def session_id(self, comp_id: str) -> int:
        """The session of a client's CompID; 0 = there is none."""
        cdef bytes name = comp_id.encode()
        cdef Session* s = self.state.by_name(<const uint8_t*> <const char*> name, len(name))
        return 0 if s == NULL else s.id

    def epoch(self, session_id: int) -> int:
        """The epoch of a session's last connection; 0 for an unknown session."""
        cdef Session* s = self.state.by_id(session_id)
        return 0 if s == NULL else s.epoch

    def logon_fault(self, const uint8_t[::1] logon not None) -> str:
        """Why a Logon, as an Input, would be refused whatever its session and the time; empty: it would not."""
        cdef Message m
        cdef char text[MAX_TEXT + 1]
        check_payload(0, &logon[0], logon.shape[0], self.newest_rules)
        split_message(<const InputHead*> &logon[0], &m)
        return text.decode("utf-8", "replace") if self.state.misstated(&m, text, sizeof(text)) else ""

    def open_orders(self, comp_id: str) -> int:
        """How many a client's session has."""
        cdef Session* s = self.state.by_id(self.session_id(comp_id))
        return 0 if s == NULL else s.open_count

    def schedules(self) -> dict:
        """The schedules that the log has named; of each when the last step that was taken was due, None: none was."""
        cdef uint32_t i
        cdef const Schedule* one
        found = {}
        for i in range(self.operations.schedule_count):
            one = &self.operations.schedules[i]
            found[self._schedule(i + 1)] = None if one.step_ns == INT64_MIN else one.step_ns
        return found

    @property
    def tick_tables(self) -> int:
        """How many tick tables there are; they are numbered from 1."""
        return self.machine.books.tables.top - 1

    def instruments(self, most: int | None = None) -> list:
        """What is traded, in the order in which it was defined, as `instrument` tells of each; at most so many."""
        cdef uint32_t i, count = self.orders.instrument_count
        if most is not None and most < count:
            count = most
        return [self._instrument_facts(i) for i in range(count)]

    def instrument(self, symbol: str) -> dict | None:
        """An instrument's number and terms as they are now, under the names of inputs.instrument; its phase, the
        schedule that it follows ("" = none), whether it is delisted. None: there is no such one."""
        cdef bytes name = symbol.encode()
        cdef int64_t number = -1
        if 1 <= len(name) <= MAX_SYMBOL:
            number = self.orders.instrument_of(<const uint8_t*> <const char*> name, <uint8_t> len(name))
        return None if number < 0 else self._instrument_facts(<uint32_t> number)

    cdef dict _instrument_facts(self, uint32_t number):
        cdef const Instrument* one = &self.orders.instruments[number]
        cdef const Terms* terms = &self.machine.books.instruments[number]
        cdef const Market* market = market_of(&self.machine.books, number)
        symbol = one.symbol[:one.symbol_length].decode()
        return {
            "number": number,
            **described(symbol, one.price_increment, one.price_exponent, one.quantity_increment, one.quantity_exponent,
                        terms.lot_lots, terms.min_lots, terms.max_lots, terms.low_ticks, terms.high_ticks,
                        terms.protection_ticks),
            "phase": phase_name(market.phase).decode(),
            "delisted": bool(market.is_delisted),
            "schedule": self._schedule(one.schedule),
        }

    cdef str _schedule(self, uint32_t number):
        # "" of none.
        cdef const Schedule* one
        if number == 0:
            return ""
        one = &self.operations.schedules[number - 1]
        return one.name[:one.name_length].decode("utf-8", "backslashreplace")

    def operators(self) -> list:
        """The CompIDs of the sessions whose OperatorRequests are acted on, in order of session id."""
        cdef uint32_t i
        return [self._comp_id(i + 1) for i in range(self.state.count) if self.state.table[i].is_operator]

    def watches(self) -> list:
        """Who sees whose reports: pairs of CompIDs, "*" for every other session, in the order of the log."""
        cdef uint32_t i
        return [(self._comp_id(self.drop_copies.pairs[i].session), self._comp_id(self.drop_copies.pairs[i].of) or "*")
                for i in range(self.drop_copies.count)]

    cdef str _comp_id(self, uint32_t session):
        # "" of none.
        cdef const Session* s = self.state.by_id(session)
        return "" if s == NULL else s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace")

    def sessions(self, most: int | None = None) -> list:
        """Sessions as dicts: every one, in order of id, or at most so many, the connected before the others."""
        cdef uint32_t i
        cdef bint connected
        if most is None:
            return [self._session(self.state.table[i]) for i in range(self.state.count)]
        found = []
        for connected in (True, False):
            for i in range(self.state.count):
                if len(found) == most:
                    return found
                if <bint>(self.state.table[i].connected != 0) == connected:
                    found.append(self._session(self.state.table[i]))
        return found

    def session_counts(self) -> tuple:
        """How many sessions there are, and how many of them are connected."""
        cdef uint32_t i, connected = 0
        for i in range(self.state.count):
            connected += self.state.table[i].connected != 0
        return self.state.count, connected

    def held(self, incarnation: int, most: int) -> tuple:
        """How many sessions are connected at this gateway, and the CompIDs of at most so many, in order of id."""
        cdef uint32_t i, whose = incarnation, count = 0
        cdef const Session* s
        names = []
        for i in range(self.state.count):
            s = self.state.table[i]
            if s.connected and s.incarnation == whose:
                count += 1
                if len(names) < most:
                    names.append(s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace"))
        return count, names

    def kept_orders(self) -> int:
        """Open ones, and closed ones whose ClOrdIDs are remembered: what state_hash goes through."""
        cdef uint64_t kept = 0
        cdef uint32_t i
        for i in range(self.state.count):
            kept += self.state.table[i].open_count + self.state.table[i].closed_count
        return kept

    cdef dict _session(self, const Session* s):
        return {
            "id": s.id,
            "comp_id": self._comp_id(s.id),
            "epoch": s.epoch,
            "connected": bool(s.connected),
            "inbound": s.inbound,
            "outbound": s.outbound,
            "open_orders": s.open_count,
            "closed_cl_ord_ids": s.closed_count,
            "heartbeat_seconds": s.heartbeat_ns // 1000000000,
            "cancel_on_disconnect": bool(s.cancel_on_disconnect),
            "grace_ms": s.grace_ns // 1000000,
            "early_messages": s.early.count,
            "last_received_ns": s.last_received_ns,
        }

    def state_hash(self) -> str:
        """SHA-256 over the canonical state (gateway/DESIGN.md), engine included, in hex. Between entries only."""
        cdef Outbox text = Outbox()
        cdef uint32_t i
        cdef uint64_t* words
        if self.open or self.failed:
            raise RuntimeError("state_hash: an entry is half applied")
        words = <uint64_t*> text.reserve(64)
        memcpy(words, b"QBEXCHNG", 8)
        words[1] = self.machine.books.rules
        words[2] = self.applied_index
        words[3] = self.applied_term
        words[4] = <uint64_t> self.state.now_ns
        words[5] = self.state.input_number
        words[6] = self.skipped_inputs
        words[7] = self.gateway_count
        for i in range(self.gateway_count):
            words = <uint64_t*> text.reserve(16)
            words[0] = self.table[i].last_number
            words[1] = self.table[i].lost | <uint64_t> self.table[i].member << 32
            if self.table[i].member:
                (<uint64_t*> text.reserve(8))[0] = self.table[i].nonce
        write_sessions(text, self.state)
        if self.state.rules >= 2:
            write_drop_copies(text, self.drop_copies)
        if self.state.rules >= 3:
            write_schedules(text, self.operations)
        write_orders(text, self.state, self.orders)
        if self.state.rules >= 2:
            write_subscriptions(text, self.state.subscriptions, self.state.rules)
        if self.state.rules >= 3:
            write_past_trades(text, self.orders)
        digest = hashlib.sha256(text)
        digest.update(self.machine.snapshot())
        return digest.hexdigest()
