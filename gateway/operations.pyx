# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; the text of an operation was checked when the entry began (framing.pyx), and
# next_field() keeps within it; instruments and schedules have numbers that were given out.
"""Operators and what they ask for: OperatorRequests, and operations that the exchange itself enters.

Owns the table of schedules, which operations name, and a copy of the operation that is running: one that is about
many instruments is performed one at a time, so that none holds the loop. Whoever asked, the same fields lead to the
same. Runs without the GIL but for a new instrument; raises MemoryError.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from engine.state cimport market_of
from engine.types cimport (
    BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CHANGE, CLOSED, Command, DEFINE, Definition, INVALID_FILTER,
    MASS_CANCEL, PHASE,
    PROTECT, PhaseChange, Protection, REJECTED, Report, TICK, TickRow,
)
from gateway.executions cimport Instrument
from gateway.fields cimport Fields, find_field, is_plain
from gateway.fix_values cimport write_timestamp
from gateway.instrument_terms cimport (
    TickRows, are_terms, check_protections, check_terms, is_symbol, next_row, present_protections, present_terms,
    read_protections, read_terms, rows_of,
)
from gateway.operation_fields cimport (
    ACCOUNT, AFFECTED_INSTRUMENTS, Asked, HIGH_LIMIT_PRICE, LOW_LIMIT_PRICE, MAX_OPEN_ORDERS, MIN_TRADE_VOL, NEXT_PHASE,
    NO_TICK_ROWS, OPERATION, OPERATION_ID, OPERATION_STATUS, PHASE_END, PHASE_TAG, PRICE_INCREMENT,
    QUANTITY_INCREMENT, RANDOM_END, RANDOM_NUMBER, REFUSED_INSTRUMENTS, SCHEDULE_NAME, SCHEDULE_STEP,
    SESSION_COMP_ID, SIDE, SYMBOL, TEXT, TICK_FROM, TICK_TABLE, TRADE_ID, asked_of, find, has, is_lifted, is_word,
    need, read_choice, read_increment, read_milliseconds, read_number, read_phase, read_price, read_time, refuse,
    refuse_field,
)
from gateway.operation_kinds cimport (
    BUST, CANCEL_ORDERS, DELIST, KILL, MAKE_INSTRUMENT, NO_OPERATION, SET_LIMITS, SET_PHASE, SET_PROTECTIONS, SET_TERMS,
    SET_TICKS, cancels, check_fields, is_about_instruments, kind_of,
)
from gateway.reasons cimport (
    INSTRUMENT_EXISTS, KILLED, NOT_AN_OPERATOR, UNKNOWN_OPERATION, UNKNOWN_SCHEDULE, UNKNOWN_SESSION, UNKNOWN_SYMBOL,
    text_of, text_under_3,
)
from gateway.records cimport MAX_ACCOUNT, MAX_COMP_ID, MAX_SYMBOL, MAX_TEXT, OperationBody, OperatorBody
from gateway.session cimport Message, Session, Sessions
from gateway.short_strings cimport same
from gateway.text_body cimport TextBody

cdef enum:
    VALUE_IS_INCORRECT = 5      # SessionRejectReason (373)
    NOT_AUTHORIZED = 6          # BusinessRejectReason (380)
    DONE = 0                    # OperationStatus (20024)
    REFUSED = 1
    TRANSACT_TIME = 60
    TOTAL_AFFECTED_ORDERS = 533
    LOOKED_AT = 256             # instruments that are passed over in one piece
    MOST_RANDOM_MS = 3600000    # an hour

cdef int64_t MOST_ORDERS = UINT32_MAX - 1


cdef class Operations:
    def __cinit__(self, Sessions sessions not None, Orders orders not None) -> None:
        self.sessions = sessions
        self.orders = orders
        self.asked = TextBody()
        self.body = TextBody()
        self.recorded = []

    def __dealloc__(self) -> None:
        free(self.schedules)

    cdef int enter_operator(self, const OperatorBody* body) except -1 nogil:
        self.sessions.named(<const uint8_t*> (body + 1), body.comp_id_length).is_operator = 1
        return 0

    cdef int enter(self, const OperationBody* body) except -1 nogil:
        return self._begin(0, <const uint8_t*> (body + 1), body.text_length)

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef Fields id, why
        if (not find_field(m.body, m.fields.body_length, OPERATION_ID, &id) or id.length > MAX_OPERATION_ID
                or not is_plain(id.value, id.length)):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, <uint16_t> OPERATION_ID,
                                        b"OperationID (20020) must have 1 to 64 bytes of printable ASCII")
        if not s.is_operator:
            return self.sessions.business_reject(s, m, NOT_AUTHORIZED, NOT_AN_OPERATOR, text_of(NOT_AN_OPERATOR),
                                                 id.value, <uint8_t> id.length)
        if find_field(m.body, m.fields.body_length, TEXT, &why) and (
                why.length > MAX_TEXT or not is_plain(why.value, why.length)):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, TEXT,
                                        b"Text (58) must have 1 to 128 bytes of printable ASCII")
        return self._begin(s.id, m.body, m.fields.body_length)

    # ------------------------------------------------------------ what is asked for

    cdef int _begin(self, uint32_t session, const uint8_t* text, size_t size) except -1 nogil:
        # It is performed by work(), a piece at a time.
        cdef Asked asked
        cdef Fields name
        self.asked.clear()
        self.asked.fields(text, size)
        asked = asked_of(self.asked.data, self.asked.size)
        memset(&self.running, 0, sizeof(Running))
        memset(&self.first, 0, sizeof(Asked))
        self.running.session = session
        if find(&asked, OPERATION, &name):
            self.running.kind = kind_of(&name)
        if self.running.kind == NO_OPERATION:
            refuse(&asked, UNKNOWN_OPERATION, text_of(UNKNOWN_OPERATION))
        else:
            check_fields(&asked, self.running.kind, session != 0)
        if asked.reason == 0:
            self._choose(&asked)
        if asked.reason:
            self._refused(&asked, -1)
            return self._answer()
        return 0

    cdef int _choose(self, Asked* asked) except -1 nogil:
        # What can be judged before any of it is performed.
        cdef PhaseChange change
        if is_about_instruments(self.running.kind):
            self._choose_instruments(asked)
        if self.running.kind == SET_PHASE or self.running.kind == SET_TERMS or self.running.kind == MAKE_INSTRUMENT:
            self._choose_schedule(asked)
        if self.running.kind == SET_PHASE:
            self._read_phase_change(asked, &change)
        return 0

    cdef int _choose_instruments(self, Asked* asked) except -1 nogil:
        # One, all ("*"), or those that follow a schedule.
        cdef Fields symbol
        cdef int64_t instrument
        self.running.end = self.orders.instrument_count
        self.running.all = True
        if not find(asked, SYMBOL, &symbol):
            if self.running.kind != SET_PHASE or not has(asked, SCHEDULE_NAME):
                need(asked, SYMBOL)
            return 0
        if is_word(&symbol, b"*") and self.running.kind != DELIST:
            return 0
        instrument = self._instrument(asked)
        if instrument >= 0:
            self.running.next = <uint32_t> instrument
            self.running.end = <uint32_t> instrument + 1
            self.running.all = False
        return 0

    cdef int64_t _instrument(self, Asked* asked) noexcept nogil:
        # -1: it is not said or unknown, and refused.
        cdef Fields symbol
        cdef int64_t instrument = -1
        if not need(asked, SYMBOL):
            return -1
        find(asked, SYMBOL, &symbol)
        if symbol.length <= MAX_SYMBOL:
            instrument = self.orders.instrument_of(symbol.value, <uint8_t> symbol.length)
        if instrument < 0:
            refuse(asked, UNKNOWN_SYMBOL, text_of(UNKNOWN_SYMBOL))
        return instrument

    cdef int _choose_schedule(self, Asked* asked) except -1 nogil:
        # Only the exchange itself names a new one, and says which step of it this is; a step is performed once.
        cdef Fields name
        cdef int64_t step_ns
        cdef uint32_t number
        if not find(asked, SCHEDULE_NAME, &name):
            return 0
        number = self.schedule_of(name.value, name.length)
        if number == 0 and self.running.session:
            refuse(asked, UNKNOWN_SCHEDULE, text_of(UNKNOWN_SCHEDULE))
            return 0
        if number == 0 and name.length <= MAX_SCHEDULE:
            number = self.add_schedule(name.value, name.length)
        self.running.schedule = number
        if self.running.session == 0 and number and read_time(asked, SCHEDULE_STEP, &step_ns):
            if step_ns <= self.schedules[number - 1].step_ns:
                self.running.kind = NO_OPERATION
            else:
                self.schedules[number - 1].step_ns = step_ns
        return 0

    cdef Session* _session(self, Asked* asked) noexcept nogil:
        # NULL: all, or it is refused.
        cdef Fields name
        cdef Session* s = NULL
        if not need(asked, SESSION_COMP_ID):
            return NULL
        find(asked, SESSION_COMP_ID, &name)
        if is_word(&name, b"*"):
            return NULL
        if name.length <= MAX_COMP_ID:
            s = self.sessions.by_name(name.value, name.length)
        if s == NULL:
            refuse(asked, UNKNOWN_SESSION, text_of(UNKNOWN_SESSION))
        return s

    # ------------------------------------------------------------ performing it

    cdef int work(self) except -1 nogil:
        cdef Asked asked = asked_of(self.asked.data, self.asked.size)
        cdef uint32_t instrument, looked = 0
        if not is_about_instruments(self.running.kind) and not self.running.is_begun:
            self.running.is_begun = True
            self._perform(&asked)
            return self._refused(&asked, -1)
        while self.running.next < self.running.end and looked < LOOKED_AT:
            instrument = self.running.next
            self.running.next += 1
            looked += 1
            if self._is_meant(instrument):
                self._perform_at(&asked, instrument)
                return self._refused(&asked, instrument)
        return 0 if self.running.next < self.running.end else self._answer()

    cdef bint _is_meant(self, uint32_t instrument) noexcept nogil:
        if self.running.kind == SET_PHASE and self.running.schedule:
            if self.orders.instruments[instrument].schedule != self.running.schedule:
                return False
        return not self.running.all or not market_of(&self.orders.machine.books, instrument).is_delisted

    cdef int _perform_at(self, Asked* asked, uint32_t instrument) except -1 nogil:
        if self.running.kind == SET_PHASE:
            self._set_phase(asked, instrument)
        elif self.running.kind == SET_TERMS:
            self._set_terms(asked, instrument)
        elif self.running.kind == SET_PROTECTIONS:
            self._protect(asked, instrument)
        else:
            self._delist(asked, instrument)
        self.running.affected += asked.reason == 0
        return 0

    cdef int _perform(self, Asked* asked) except -1 nogil:
        if self.running.kind == MAKE_INSTRUMENT:
            return self._define(asked)
        if self.running.kind == SET_TICKS:
            return self._set_ticks(asked)
        if self.running.kind == CANCEL_ORDERS:
            return self._cancel(asked)
        if self.running.kind == SET_LIMITS:
            return self._limit(asked)
        if self.running.kind == BUST:
            return self._bust(asked)
        return self._switch(asked, self.running.kind == KILL)

    cdef bint _run(self, Asked* asked) except -1 nogil:
        # The command through the engine. False: refused, or something was wrong before.
        cdef const Report* r
        if asked.reason:
            memset(&self.orders.command, 0, sizeof(Command))
            return False
        self.orders.mass_reason = KILLED if self.running.kind == KILL else 0
        r = self.orders.enter()
        if self.orders.machine.report_count() and r.kind == REJECTED:
            refuse(asked, r.reason, text_under_3(r.reason))
        self.orders.leave(0)
        memset(&self.orders.command, 0, sizeof(Command))
        return asked.reason == 0

    cdef int _refused(self, const Asked* asked, int64_t instrument) except -1 nogil:
        # instrument: at which; -1 = at none. Of several the first is told.
        cdef const Instrument* where
        if asked.reason == 0:
            return 0
        self.running.refused += 1
        if self.first.reason:
            return 0
        self.first = asked[0]
        if instrument >= 0 and self.running.all:
            where = &self.orders.instruments[instrument]
            snprintf(self.first.why, sizeof(self.first.why), b"%.*s: %s", <int> where.symbol_length,
                     <const char*> where.symbol, asked.why)
        return 0

    # ------------------------------------------------------------ instruments

    cdef int _set_phase(self, Asked* asked, uint32_t instrument) except -1 nogil:
        cdef PhaseChange* change = <PhaseChange*> &self.orders.command
        self._read_phase_change(asked, change)
        change.kind = PHASE
        change.instrument = instrument
        return self._run(asked)

    cdef void _read_phase_change(self, Asked* asked, PhaseChange* change) noexcept nogil:
        cdef int64_t random = 0
        memset(change, 0, sizeof(PhaseChange))
        need(asked, PHASE_TAG)
        read_phase(asked, PHASE_TAG, &change.phase)
        if read_time(asked, PHASE_END, &change.until_ns):
            need(asked, NEXT_PHASE)
            read_phase(asked, NEXT_PHASE, &change.next_phase)
            if change.until_ns <= self.sessions.now_ns:
                refuse_field(asked, PHASE_END, b"a time to come")
            if read_milliseconds(asked, RANDOM_END, MOST_RANDOM_MS, &change.window_ns):
                need(asked, RANDOM_NUMBER)
                read_number(asked, RANDOM_NUMBER, 0, INT64_MAX, &random)
                change.random = <uint64_t> random
        elif has(asked, NEXT_PHASE) or has(asked, RANDOM_END):
            need(asked, PHASE_END)

    cdef int _set_terms(self, Asked* asked, uint32_t instrument) except -1 nogil:
        # What is not given stays as it is.
        cdef Definition* terms = <Definition*> &self.orders.command
        cdef Instrument* known = &self.orders.instruments[instrument]
        memset(terms, 0, sizeof(Definition))
        if are_terms(asked):
            terms.kind = CHANGE
            terms.instrument = instrument
            present_terms(&self.orders.machine.books, terms)
            read_terms(asked, known, terms)
            if not market_of(&self.orders.machine.books, instrument).is_delisted:   # which the engine refuses
                check_terms(asked, &self.orders.machine.books, terms)
            if not self._run(asked):
                return 0
        if self.running.schedule:
            known.schedule = self.running.schedule
        elif is_lifted(asked, SCHEDULE_NAME):
            known.schedule = 0
        return 0

    cdef int _delist(self, Asked* asked, uint32_t instrument) except -1 nogil:
        cdef Definition* terms = <Definition*> &self.orders.command
        memset(terms, 0, sizeof(Definition))
        terms.kind = CHANGE
        terms.instrument = instrument
        present_terms(&self.orders.machine.books, terms)
        terms.delist = 1
        return self._run(asked)

    cdef int _protect(self, Asked* asked, uint32_t instrument) except -1 nogil:
        # What is not given stays as it is.
        cdef Protection* protection = <Protection*> &self.orders.command
        memset(protection, 0, sizeof(Protection))
        protection.kind = PROTECT
        protection.instrument = instrument
        present_protections(&self.orders.machine.books, protection)
        read_protections(asked, &self.orders.instruments[instrument], protection)
        check_protections(asked, &self.orders.machine.books, protection)
        return self._run(asked)

    cdef int _define(self, Asked* asked) except -1 nogil:
        cdef Definition* terms = <Definition*> &self.orders.command
        cdef Instrument made
        cdef Fields symbol
        memset(&made, 0, sizeof(Instrument))
        memset(terms, 0, sizeof(Definition))
        if need(asked, SYMBOL) and find(asked, SYMBOL, &symbol):
            if not is_symbol(&symbol):
                refuse_field(asked, SYMBOL, b"1 to 32 bytes of printable ASCII, no space, no |, not * alone")
            elif self.orders.instrument_of(symbol.value, <uint8_t> symbol.length) >= 0:
                refuse(asked, INSTRUMENT_EXISTS, text_of(INSTRUMENT_EXISTS))
        made.price_increment = made.quantity_increment = 1
        made.price_exponent = -2
        read_increment(asked, PRICE_INCREMENT, &made.price_increment, &made.price_exponent)
        read_increment(asked, QUANTITY_INCREMENT, &made.quantity_increment, &made.quantity_exponent)
        terms.kind = DEFINE
        terms.instrument = self.orders.instrument_count
        terms.lot_lots = terms.min_lots = 1
        terms.max_lots = INT64_MAX
        terms.low_ticks = terms.high_ticks = INT64_MIN
        terms.protection_ticks = -1
        if asked.reason == 0:
            made.symbol_length = <uint8_t> symbol.length
            memcpy(made.symbol, symbol.value, symbol.length)
            read_terms(asked, &made, terms)
            if not has(asked, MIN_TRADE_VOL):
                terms.min_lots = terms.lot_lots
            check_terms(asked, &self.orders.machine.books, terms)
            if self.running.schedule:
                terms.phase = CLOSED        # until the next step of the schedule
            read_phase(asked, PHASE_TAG, &terms.phase)
        made.schedule = self.running.schedule
        if self._run(asked):
            with gil:
                self.orders.add_instrument(&made)
        return 0

    cdef int _set_ticks(self, Asked* asked) except -1 nogil:
        # The whole table anew; nothing of it when a row is wrong.
        cdef TickRow* command = <TickRow*> &self.orders.command
        cdef TickRows rows = rows_of(asked)
        cdef uint32_t count = 0
        cdef int64_t table = 0, last = INT64_MIN
        need(asked, NO_TICK_ROWS)
        if need(asked, TICK_TABLE):
            read_number(asked, TICK_TABLE, 1, self.orders.machine.books.tables.top, &table)
        while asked.reason == 0 and next_row(asked, &rows):
            if (rows.from_ticks == INT64_MIN) != (count == 0) or (
                    count and (rows.from_ticks <= last or rows.from_ticks % rows.tick_ticks)):
                refuse_field(asked, TICK_FROM, b"none in the first row, then rising multiples of TickSize (20045)")
            last = rows.from_ticks
            count += 1
        if count == 0:
            refuse_field(asked, NO_TICK_ROWS, b"one row or more")
        rows = rows_of(asked)
        while asked.reason == 0 and next_row(asked, &rows):
            memset(command, 0, sizeof(TickRow))
            command.kind = TICK
            command.table = <uint32_t> table
            command.from_ticks = rows.from_ticks
            command.tick_ticks = rows.tick_ticks
            self._run(asked)
        return 0

    # ------------------------------------------------------------ sessions and orders

    cdef int _switch(self, Asked* asked, bint kills) except -1 nogil:
        # The kill switch of a session, or the one for all: each is restored by itself.
        cdef Session* s = self._session(asked)
        cdef Command* command = &self.orders.command
        cdef uint32_t i
        if asked.reason:
            return 0
        if s == NULL:
            self.sessions.settings.is_killed = kills
            for i in range(self.sessions.count):
                self.sessions.bound_orders(self.sessions.table[i])
        else:
            s.is_killed = kills
            self.sessions.bound_orders(s)
        if not kills:
            return 0
        memset(command, 0, sizeof(Command))
        command.kind = MASS_CANCEL
        if s != NULL:
            command.flags = BY_OWNER
            command.owner = s.id
        return self._run(asked)

    cdef int _cancel(self, Asked* asked) except -1 nogil:
        # What is given narrows it; something must be given, be it "*".
        cdef Command* command = &self.orders.command
        cdef Session* s = NULL
        cdef int64_t instrument
        cdef uint8_t side = 0
        memset(command, 0, sizeof(Command))
        command.kind = MASS_CANCEL
        if has(asked, SESSION_COMP_ID) or has(asked, ACCOUNT) or not has(asked, SYMBOL):
            s = self._session(asked)
        if s != NULL:
            command.flags |= BY_OWNER
            command.owner = s.id
        if has(asked, SYMBOL):
            instrument = self._instrument(asked)
            command.flags |= BY_INSTRUMENT
            command.instrument = <uint32_t> instrument
        if read_choice(asked, SIDE, b"1", b"2", &side):
            command.flags |= BY_SIDE
            command.side = side
        if has(asked, LOW_LIMIT_PRICE) or has(asked, HIGH_LIMIT_PRICE):
            command.flags |= BY_PRICES
            command.price_ticks = INT64_MIN + 1
            command.stop_price_ticks = INT64_MAX
            if need(asked, SYMBOL) and asked.reason == 0:
                read_price(asked, LOW_LIMIT_PRICE, &self.orders.instruments[instrument], &command.price_ticks)
                read_price(asked, HIGH_LIMIT_PRICE, &self.orders.instruments[instrument], &command.stop_price_ticks)
        if command.price_ticks > command.stop_price_ticks:
            refuse(asked, INVALID_FILTER, text_under_3(INVALID_FILTER))
        return self._cancel_account(asked, s) if has(asked, ACCOUNT) else self._run(asked)

    cdef int _cancel_account(self, Asked* asked, Session* s) except -1 nogil:
        # Of the orders that the command means: an account is a name that its session gave it.
        cdef Fields account
        find(asked, ACCOUNT, &account)
        if s == NULL:
            refuse_field(asked, SESSION_COMP_ID, b"the session whose account it is")
        if account.length > MAX_ACCOUNT:
            refuse_field(asked, ACCOUNT, b"1 to 64 bytes")
        if asked.reason == 0:
            self.orders.cancel_account(s, &self.orders.command, account.value, account.length)
        memset(&self.orders.command, 0, sizeof(Command))
        return 0

    cdef int _limit(self, Asked* asked) except -1 nogil:
        # The most open orders of a session, or of all that have no bound of their own.
        cdef Session* s = self._session(asked)
        cdef int64_t most = 0
        cdef uint32_t i
        need(asked, MAX_OPEN_ORDERS)
        read_number(asked, MAX_OPEN_ORDERS, 0, MOST_ORDERS, &most)
        if asked.reason:
            return 0
        if s != NULL:
            s.max_open_orders = <uint32_t> most
            self.sessions.bound_orders(s)
            return 0
        self.sessions.settings.max_open_orders = <uint32_t> most
        for i in range(self.sessions.count):
            self.sessions.bound_orders(self.sessions.table[i])
        return 0

    cdef int _bust(self, Asked* asked) except -1 nogil:
        cdef int64_t trade_id = 0
        cdef int reason
        need(asked, TRADE_ID)
        read_number(asked, TRADE_ID, 1, INT64_MAX, &trade_id)
        if asked.reason:
            return 0
        reason = self.orders.bust(<uint64_t> trade_id)
        if reason:
            refuse(asked, reason, text_of(reason))
        return 0

    # ------------------------------------------------------------ the answer

    cdef int _answer(self) except -1 nogil:
        # OperatorReport, to who asked; then the operation is over.
        cdef Session* s = self.sessions.by_id(self.running.session) if self.running.session else NULL
        cdef bint is_refused = self.first.reason != 0 and self.running.affected == 0
        cdef uint8_t time[32]
        cdef size_t length = 0
        cdef uint8_t kind = self.running.kind
        if self.records:
            with gil:
                self._record(is_refused)
        self.running.kind = NO_OPERATION
        if s == NULL:
            return 0
        self.body.clear()
        self._echo(OPERATION_ID)
        self._echo(OPERATION)
        self.body.number(OPERATION_STATUS, REFUSED if is_refused else DONE)
        self._echo(SYMBOL)
        self._echo(SCHEDULE_NAME)
        self._echo(SESSION_COMP_ID)
        self._echo(TRADE_ID)
        if not is_refused and cancels(kind):
            self.body.number(TOTAL_AFFECTED_ORDERS, self.orders.job.done)
        if not is_refused and is_about_instruments(kind):
            self.body.number(AFFECTED_INSTRUMENTS, self.running.affected)
            if self.running.refused:
                self.body.number(REFUSED_INSTRUMENTS, self.running.refused)
        if self.first.reason:
            self.body.number(20002, self.first.reason)
            while self.first.why[length]:
                length += 1
            self.body.text(TEXT, <const uint8_t*> self.first.why, length)
        else:
            self._echo(TEXT)
        write_timestamp(time, self.sessions.now_ns)
        self.body.text(TRANSACT_TIME, time, 21)
        self.body.number(20001, self.sessions.input_number)
        self.sessions.text(s, b"UR", 2, self.body.data, self.body.size)
        return 0

    cdef int _record(self, bint is_refused) except -1:
        cdef const Session* s = self.sessions.by_id(self.running.session) if self.running.session else NULL
        cdef uint8_t kind = self.running.kind
        self.recorded.append((
            self.sessions.input_number,
            self.sessions.now_ns,
            "" if s == NULL else s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace"),
            self.asked.data[:self.asked.size],
            not is_refused,
            self.running.affected if is_about_instruments(kind) else None,
            self.running.refused if is_about_instruments(kind) else 0,
            self.orders.job.done if cancels(kind) else None,
            self.first.reason,
            self.first.why.decode(),
        ))
        return 0

    cdef int _echo(self, uint32_t tag) except -1 nogil:
        cdef Fields field
        if find_field(self.asked.data, self.asked.size, tag, &field) and is_plain(field.value, field.length):
            self.body.text(tag, field.value, field.length if field.length < MAX_TEXT else MAX_TEXT)
        return 0

    # ------------------------------------------------------------ schedules

    cdef uint32_t schedule_of(self, const uint8_t* name, size_t length) noexcept nogil:
        cdef uint32_t i
        for i in range(self.schedule_count):
            if same(self.schedules[i].name, self.schedules[i].name_length, name, length):
                return i + 1
        return 0

    cdef uint32_t add_schedule(self, const uint8_t* name, size_t length) except 0 nogil:
        cdef uint32_t room
        cdef Schedule* made
        if self.schedule_count == self.schedule_room:
            room = self.schedule_room * 2 if self.schedule_room else 8
            made = <Schedule*> realloc(self.schedules, room * sizeof(Schedule))
            if made == NULL:
                with gil:
                    raise MemoryError("no memory for a schedule")
            self.schedules = made
            self.schedule_room = room
        made = &self.schedules[self.schedule_count]
        memset(made, 0, sizeof(Schedule))
        made.step_ns = INT64_MIN
        made.name_length = <uint8_t> length
        memcpy(made.name, name, length)
        self.schedule_count += 1
        return self.schedule_count
