# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: the framing of a whole entry is checked when it begins (framing.pyx), before anything is read from it.
"""sessions + orders + machine + feed: `apply` reads the log entry and the state, and nothing else.

Holds the state, and views of the payloads that are being applied. step() runs without the GIL. ValueError: the entry
is not what the log promises; after any exception it refuses to go on (RuntimeError), because half an entry was applied.

What differs between versions of the rules asks machine.books.rules, as the engine does: the version that the log has
activated, whatever newer ones this program can run.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t, INT64_MIN
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from engine.machine cimport Machine
from engine.state cimport set_rules
from engine.work cimport has_work
from gateway.book_updates cimport BookUpdates
from gateway.drop_copies cimport DropCopies
from gateway.early cimport early_find, early_forget_before
from gateway.echo cimport Echo
from gateway.framing cimport check_payload, split_message
from gateway.market_data cimport MarketData
from gateway.market_requests cimport MarketRequests
from gateway.mass_requests cimport NO_JOB
from gateway.operations cimport Operations
from gateway.orders cimport Expected, Orders
from gateway.outbox cimport Outbox
from gateway.records cimport (
    ActivateBody, APPLICATION_ECHO, DropCopyBody, GatewayBody, INPUT_ACTIVATE, INPUT_DISCONNECT, INPUT_DROP_COPY,
    INPUT_GATEWAY_LOST, INPUT_GATEWAY_START, INPUT_INSTRUMENT, INPUT_MESSAGE, INPUT_OPERATION, INPUT_OPERATOR,
    INPUT_SETTING, INPUT_TIMER, InputHead, InstrumentBody, MSG_LOGON, MSG_RESEND_REQUEST, NOT_REJECTED,
    OperationBody, OperatorBody, SettingBody,
)
from gateway.reference_requests cimport ReferenceRequests
from gateway.session cimport (
    ACT, Message, Session, Sessions, TIMER_GRACE, in_sequence, ends_numbers, is_asked_for, is_of_session,
)
from gateway.status_updates cimport StatusUpdates
from gateway.timers cimport Timer

from gateway.inputs import RULES_VERSION

cdef enum:
    FAR = 15        # inputs between asking for memory and using it: names, order, engine
    NEAR = 8
    NEXT = 4
    DEFAULT_GRACE_MS = 5000
    DEFAULT_CLOSED = 100000
    DEFAULT_HEARTBEAT = 3600
    DEFAULT_SESSIONS = 10000
    FIRST_RULES = 1             # that every log begins with
    REPORTS_AT_ONCE = 4096      # of one command in a log entry, about; then it is put aside
    PIECE_WORK = 1024           # what a PIECE of long work counts for in a budget, in inputs: a millisecond or two

cdef bytes DEFAULT_COMP_ID = b"QUORUMBOOK"      # until a setting gives one; part of the rules, as the other defaults


cdef class StateMachine:
    """Log entries go in by apply (or begin and step). `Exchange` is one that can be looked at, and kept.

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
        self.reports_at_once = REPORTS_AT_ONCE
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
        free(self.line)

    @property
    def reports_at_once(self) -> int:
        """Of one command in a log entry, about; then it is put aside. Part of the rules: only tests set it."""
        return self.orders.at_once

    @reports_at_once.setter
    def reports_at_once(self, reports: int) -> None:
        self.orders.at_once = reports

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
        if self.aside == WAITS:
            self._take_up()
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
                self._work()
                budget -= PIECE_WORK
            elif self.aside == GOES_ON:
                self._end_aside()
            elif self.orders.job.kind != NO_JOB and self.aside != WAITS:
                self.orders.work()
                budget -= PIECE_WORK
            elif self.operations.running.kind and self.aside != WAITS:
                self.operations.work()
                budget -= 16
            elif self.filled != NULL and not (self.reference_requests.listing.session and self.state.rules >= 3):
                self._take_early()
                budget -= 1
            elif self.reference_requests.listing.session:
                self.reference_requests.work()
                budget -= PIECE_WORK
            elif self.engine_is_late:
                self._catch_up()
                budget -= 1
            elif self.line_first < self.line_count and self.aside != WAITS:
                self._call_next()
                budget -= 1
            elif not self.deadlines_done:
                if self.aside == WAITS and (self._reset_is_due() or self.state.ends_orders()):
                    self.hurries = True
                    self._take_up()
                elif self._reset_is_due():
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
                if self.aside == WAITS and self._is_about_all(head):
                    self.hurries = True
                    self._take_up()
                else:
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
        # While work is put aside nothing does: it follows when that is done, then later than it was due.
        cdef int64_t due_ns = self.machine.due()
        if due_ns == INT64_MIN or due_ns > self.state.now_ns or self.aside == WAITS:
            self.engine_is_late = False
            self.machine.set_time(self.state.now_ns)
            return 0
        self.state.input_number += 1
        return self.orders.advance(max(due_ns, self.machine.books.time_ns))

    # ------------------------------------------------------------ work put aside

    cdef int _work(self) except -1 nogil:
        # Where it is put aside depends on what was told, which is the same everywhere; how many steps it took is not.
        if self.orders.told >= self.orders.at_once:
            if self.aside != WAITS and not self.hurries and self.state.rules >= 3 and self.machine.put_aside():
                self.feed.put_aside(self.aside == NOTHING_ASIDE)
                self.aside = WAITS
                return 0
            self.orders.told = 0
        return self.orders.go_on()

    cdef void _take_up(self) noexcept nogil:
        self.aside = GOES_ON
        self.orders.told = 0
        self.engine_is_late = True          # what came due meanwhile comes before who waits
        self.state.input_number += 1        # time is an input
        self.machine.take_up()
        self.feed.take_up()

    cdef void _end_aside(self) noexcept nogil:
        self.aside = NOTHING_ASIDE
        self.hurries = False
        self.machine.end_aside()
        self.feed.end_aside()

    cdef void _call_next(self) noexcept nogil:
        # The session whose turn it is, if it still waits for it: all that it sent meanwhile, in turn.
        cdef Session* s = self.state.by_id(self.line[self.line_first])
        self.line_first += 1
        if s.waits == self.line_first:
            s.waits = 0
            self.filled = s
        if self.line_first == self.line_count:
            self.line_first = self.line_count = 0

    cdef bint _must_wait(self, const Session* s, const Expected* coming) noexcept nogil:
        # The next message of a session, when it is about a book that is half done, or reads any: who is in line stays.
        cdef const Message* m = &coming.message
        cdef uint8_t type = m.fields.msg_type
        if m.fields.msg_seq_num != s.inbound:
            return False
        if s.waits:
            return True
        if m.head.verdict != NOT_REJECTED or is_of_session(type):
            return False
        return m.order == NULL or self.orders.is_about_busy(s, coming)

    cdef int _stand_in_line(self, Session* s) except -1 nogil:
        cdef uint32_t* grown
        cdef uint32_t room
        if s.waits:
            return 0
        if self.line_count == self.line_room:
            room = 2 * self.line_room + 16
            grown = <uint32_t*> realloc(self.line, room * sizeof(uint32_t))
            if grown == NULL:
                with gil:
                    raise MemoryError("no memory for sessions in line")
            self.line = grown
            self.line_room = room
        self.line[self.line_count] = s.id
        self.line_count += 1
        s.waits = self.line_count
        s.gap_first = s.inbound     # what is missing behind it is asked for when it has had its turn
        return 0

    cdef bint _is_about_all(self, const InputHead* head) noexcept nogil:
        # What is about every book, or would lose what waits.
        cdef const Message* m = &self.coming[self.taken & 15].message
        cdef const Session* s
        if head.kind == INPUT_GATEWAY_START or head.kind == INPUT_GATEWAY_LOST:
            return self.line_first < self.line_count
        if head.kind != INPUT_MESSAGE and head.kind != INPUT_DISCONNECT:
            return head.kind != INPUT_TIMER
        if head.kind == INPUT_MESSAGE and not ends_numbers(m):
            return False
        if head.session:
            s = self.state.by_id(head.session)
        else:
            s = self.state.on_connection(head.incarnation, head.connection)
        if s == NULL and head.kind == INPUT_MESSAGE and m.fields.msg_type == MSG_LOGON:     # it may take over
            s = self.state.by_name(m.strings, m.session.sender_length)
        return s != NULL and s.waits != 0

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
        if self.aside == WAITS and self._must_wait(s, coming):
            return self._stand_in_line(s) if self.state.keep(s, m) else 0
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
        if self.aside == WAITS and self._waits_still(s, head):
            self.filled = NULL
            return 0
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

    cdef bint _waits_still(self, Session* s, const InputHead* head) except -1 nogil:
        # Of a message that was kept.
        cdef Expected coming
        memset(&coming, 0, sizeof(Expected))
        split_message(head, &coming.message)
        if coming.message.order != NULL:
            self.orders.foresee_names(&coming, s)
        if not self._must_wait(s, &coming):
            return False
        self._stand_in_line(s)
        return True

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
            if m.msg_type[0] == c'U' and m.msg_type[1] == c'Q' and self.state.rules >= 3:
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
