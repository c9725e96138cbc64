# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; slots come from the pool's own lists, pointers into an input were checked when
# the entry began (framing.pyx).
"""Work on all of a session's orders: mass cancel, mass status, cancel-on-disconnect.

Holds the job that is being worked on. A job is done in pieces of a fixed number of orders, so that what comes out does
not depend on how work is cut into steps. Runs without the GIL; raises MemoryError, and AssertionError when engine and
pool disagree.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen

from engine.types cimport (
    BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CANCEL, CANCELLED, Command, INVALID_FILTER,
    MASS_CANCEL as ENGINE_MASS_CANCEL, Report,
)
from gateway.executions cimport Executions, Instrument, PIECE
from gateway.order_pool cimport CLOSED, Order, close_order, order_at, strings_length, strings_of
from gateway.reasons cimport (
    DISCONNECTED, MASS_CANCELLED, MISSING_FIELD, NO_OPEN_ORDERS, UNKNOWN_SYMBOL, UNSUPPORTED_FIELD,
    UNSUPPORTED_REQUEST_TYPE, UNSUPPORTED_SIDE, ord_rej_reason,
)
from gateway.records cimport (
    ExecutionFields, HAS_TERMS, HAS_UNSUPPORTED, MSG_EXECUTION_REPORT, MSG_MASS_CANCEL_REPORT, OrderBody,
    STATUS_REQUEST,
)
from gateway.session cimport Message, Session
from gateway.short_strings cimport put, same
from gateway.terms cimport read_range

cdef int64_t EMPTY = INT64_MIN

cdef enum:
    CHOSEN = 4096                   # orders in a piece of finding those that are meant: of each little is to be done
    BUSINESS_FIELD_MISSING = 5      # BusinessRejectReason (380)


cdef class MassRequests(Executions):

    cdef int missing(self, Session* s, const Message* m, const Request* q, int tag) except -1 nogil:
        # A field is missing that this message needs, given its others.
        cdef char text[64]
        snprintf(text, sizeof(text), b"conditionally required field %d is missing", tag)
        return self.sessions.business_reject(s, m, BUSINESS_FIELD_MISSING, MISSING_FIELD, text, q.cl_ord_id,
                                             q.body.cl_ord_id_length)

    cdef void _mean_all(self) noexcept nogil:
        self.job.instrument = -1
        self.job.side = 0
        self.job.account_length = 0
        self.job.low_ticks = self.job.high_ticks = EMPTY
        self.job.prices_length = 0

    cdef int _filter(self, const Request* q) noexcept nogil:
        # Which orders the job takes: symbol, side, account and prices of the request. 0, or why not.
        cdef const OrderBody* body = q.body
        self._mean_all()
        self.job.side = body.side
        self.job.account_length = body.account_length if self.sessions.rules >= 2 else 0
        memcpy(self.job.account, q.account, self.job.account_length)
        self.job.prices_length = body.parties_length
        memcpy(self.job.prices, q.parties, self.job.prices_length)
        self.job.request_type = body.request_type
        if body.present & HAS_UNSUPPORTED:
            return UNSUPPORTED_FIELD
        if body.request_type != c'1' and body.request_type != c'7':
            return UNSUPPORTED_REQUEST_TYPE
        if body.side != 0 and body.side != c'1' and body.side != c'2':
            return UNSUPPORTED_SIDE
        if body.request_type == c'1' or body.symbol_length:
            self.job.instrument = self.instrument_of(q.symbol, body.symbol_length)
            if self.job.instrument < 0:
                return UNKNOWN_SYMBOL
        if body.present & HAS_TERMS and not read_range(q.parties, body.parties_length,
                                                       &self.instruments[self.job.instrument], &self.job.low_ticks,
                                                       &self.job.high_ticks):
            return INVALID_FILTER
        return 0

    cdef void _start(self, Session* s, JobKind kind, const uint8_t* id, uint8_t length) noexcept nogil:
        self.job.kind = kind
        self.job.session = s.id
        self.job.cursor = s.open_first
        self.job.total = 0
        self.job.done = 0
        self.job.id_length = length
        memcpy(self.job.id, id, length)

    cdef bint _wanted(self, const Order* o) noexcept nogil:
        return ((self.job.instrument < 0 or o.instrument == self.job.instrument)
                and (self.job.side == 0 or o.side == self.job.side)
                and (self.job.low_ticks == EMPTY or o.price_ticks >= self.job.low_ticks)
                and (self.job.high_ticks == EMPTY or (o.price_ticks != EMPTY and o.price_ticks <= self.job.high_ticks))
                and (self.job.account_length == 0 or same(
                    self.job.account, self.job.account_length,
                    strings_of(o) + o.cl_ord_id_length + o.orig_cl_ord_id_length, o.account_length)))

    cdef int mass_cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil:
        cdef int reason
        if q.body.symbol_length == 0 and (q.body.request_type == c'1' or q.body.present & HAS_TERMS):
            return self.missing(s, m, q, 55)
        reason = self._filter(q)
        if reason:
            return self._mass_cancel_report(s, q.cl_ord_id, q.body.cl_ord_id_length, q.symbol, q.body.symbol_length,
                                            reason)
        self._start(s, MASS_CANCEL, q.cl_ord_id, q.body.cl_ord_id_length)
        return 0

    cdef int _mass_cancel_report(self, Session* s, const uint8_t* id, uint8_t id_length, const uint8_t* symbol,
                                 uint8_t symbol_length, int reason) except -1 nogil:
        # Of the job as it stands; reason 0: it was done.
        cdef const char* text = self.words(reason)
        cdef size_t text_length = strlen(text)
        cdef uint8_t account_length = self.job.account_length if self.sessions.rules >= 3 else 0
        cdef uint16_t prices_length = self.job.prices_length if self.sessions.rules >= 3 else 0
        cdef ExecutionFields* fields = self.blank(
            s, MSG_MASS_CANCEL_REPORT, <size_t> id_length + account_length + prices_length + symbol_length + text_length
        )
        if self.sessions.rules >= 2:
            fields.order_id = fields.exec_id    # in a report of no one order: the name that we give to the request
        fields.response_to = self.job.request_type
        fields.mass_response = c'0' if reason else self.job.request_type
        fields.side = self.job.side
        if reason:      # MassCancelRejectReason (532): 0 = not supported, 1 = unknown security, 99 = other
            fields.fix_reason = 1 if reason == UNKNOWN_SYMBOL else 0 if reason == UNSUPPORTED_REQUEST_TYPE else 99
            fields.reason_code = reason
        else:
            fields.affected = self.job.done
        fields.cl_ord_id_length = id_length
        fields.account_length = account_length
        fields.parties_length = prices_length
        fields.symbol_length = symbol_length
        fields.text_length = <uint8_t> text_length
        put(put(put(put(put(<uint8_t*> (fields + 1), id, id_length), self.job.account, account_length),
                    self.job.prices, prices_length), symbol, symbol_length), <const uint8_t*> text, text_length)
        return 0

    cdef int mass_status(self, Session* s, const Message* m, const Request* q) except -1 nogil:
        cdef int reason
        if q.body.request_type == c'1' and q.body.symbol_length == 0:
            return self.missing(s, m, q, 55)
        reason = self._filter(q)
        if reason:
            return self._no_status(s, q.cl_ord_id, q.body.cl_ord_id_length, q.symbol, q.body.symbol_length, reason)
        self._start(s, MASS_STATUS_COUNT, q.cl_ord_id, q.body.cl_ord_id_length)
        return 0

    cdef int _no_status(self, Session* s, const uint8_t* id, uint8_t id_length, const uint8_t* symbol,
                        uint8_t symbol_length, int reason) except -1 nogil:
        # The one answer to a mass status request that has nothing to report.
        cdef ExecutionFields* fields = self.no_order(
            s, reason if reason else NO_OPEN_ORDERS, id, id_length, id, 0, symbol, symbol_length, self.job.side,
            id, id_length
        )
        fields.last_fragment = c'Y'
        if reason:
            fields.fix_reason = ord_rej_reason(reason)
            fields.reason_code = reason
        return 0

    cdef ExecutionFields* no_order(
        self, Session* s, int why, const uint8_t* id, uint8_t id_length, const uint8_t* account,
        uint8_t account_length, const uint8_t* symbol, uint8_t symbol_length, uint8_t side, const uint8_t* request_id,
        uint8_t request_id_length
    ) except NULL nogil:
        # The answer to a status request about no order: what it names, and a limit order of nothing at 0.
        cdef const char* text = self.words(why)
        cdef size_t text_length = strlen(text)
        cdef int64_t instrument = self.instrument_of(symbol, symbol_length)
        cdef ExecutionFields* fields
        if symbol_length == 0:
            symbol = <const uint8_t*> b"[N/A]"
            symbol_length = 5
        fields = self.blank(
            s, MSG_EXECUTION_REPORT,
            <size_t> id_length + account_length + symbol_length + text_length + request_id_length
        )
        fields.exec_type = c'I'
        fields.ord_status = c'8'
        fields.status_request = STATUS_REQUEST
        fields.side = side if side else c'7'        # undisclosed
        fields.ord_type = c'2'
        fields.price = 0
        if instrument >= 0:
            fields.price_exponent = self.instruments[instrument].price_exponent
            fields.quantity_exponent = self.instruments[instrument].quantity_exponent
        fields.cl_ord_id_length = id_length
        fields.account_length = account_length
        fields.symbol_length = symbol_length
        fields.text_length = <uint8_t> text_length
        fields.request_id_length = request_id_length
        put(put(put(put(put(<uint8_t*> (fields + 1), id, id_length), account, account_length), symbol, symbol_length),
                <const uint8_t*> text, text_length), request_id, request_id_length)
        return fields

    cdef int cancel_all(self, Session* s) except -1 nogil:
        self._mean_all()
        self._start(s, GRACE_CANCEL, s.comp_id, 0)
        return 0

    cdef int cancel_account(self, Session* s, const Command* meant, const uint8_t* account,
                            size_t length) except -1 nogil:
        self._mean_all()
        if meant.flags & BY_INSTRUMENT:
            self.job.instrument = meant.instrument
        if meant.flags & BY_SIDE:
            self.job.side = c'2' if meant.side else c'1'
        if meant.flags & BY_PRICES:
            self.job.low_ticks = meant.price_ticks
            self.job.high_ticks = meant.stop_price_ticks
        self.job.account_length = <uint8_t> length
        memcpy(self.job.account, account, length)
        self._start(s, OPERATOR_CANCEL, s.comp_id, 0)
        return 0

    cdef int work(self) except -1 nogil:
        cdef Session* s = self.sessions.by_id(self.job.session)
        if self.job.kind == MASS_STATUS_COUNT:
            self._count_piece(s)
        elif self.job.kind == MASS_STATUS:
            self._status_piece(s)
        elif self.sessions.rules >= 3:
            self._choose_piece(s)
        else:
            self._cancel_piece(s)
        return 0

    cdef int _choose_piece(self, Session* s) except -1 nogil:
        # The orders that are meant become one mass cancel, which stops and pegs follow once.
        cdef uint32_t looked = 0, slot = self.job.cursor
        cdef const Order* o
        while slot and looked < CHOSEN:
            looked += 1
            o = order_at(self, slot)
            slot = o.next
            if self._wanted(o):
                self.machine.choose(o.order_id)
                self.job.total += 1
        self.job.cursor = slot
        if slot:
            return 0
        if self.job.total == 0:
            return self._end_cancel(s)
        if self.job.kind == OPERATOR_CANCEL:
            self.mass_reason = 0
        else:
            self.mass_reason = DISCONNECTED if self.job.kind == GRACE_CANCEL else MASS_CANCELLED
        self.command.kind = ENGINE_MASS_CANCEL
        self.command.flags = BY_OWNER
        self.command.owner = s.id
        self.enter()
        self.command.flags = 0
        return self.leave(0)

    cdef int mass_cancelled(self, uint64_t count) except -1 nogil:
        self.job.done = count
        self.mass_reason = 0
        return self._end_cancel(self.sessions.by_id(self.job.session))

    cdef int _end_cancel(self, Session* s) except -1 nogil:
        if self.job.kind == MASS_CANCEL and self.job.instrument < 0:
            self._mass_cancel_report(s, self.job.id, self.job.id_length, self.job.id, 0, 0)
        elif self.job.kind == MASS_CANCEL:
            self._mass_cancel_report(s, self.job.id, self.job.id_length,
                                     self.instruments[self.job.instrument].symbol,
                                     self.instruments[self.job.instrument].symbol_length, 0)
        self.job.kind = NO_JOB
        return 0

    cdef int _cancel_piece(self, Session* s) except -1 nogil:
        # Before rules 3: one by one.
        cdef uint32_t looked = 0, slot = self.job.cursor, next
        cdef const Report* r
        cdef Order* o
        cdef Command* c = &self.command
        cdef int reason = DISCONNECTED if self.job.kind == GRACE_CANCEL else MASS_CANCELLED
        c.kind = CANCEL
        c.flags = 0
        c.owner = s.id
        while slot and looked < PIECE:
            looked += 1
            o = order_at(self, slot)
            next = o.next
            if self._wanted(o):
                c.client_ref = slot
                c.order_id = o.order_id
                self.machine.run(c, 1)
                r = self.machine.reports() + (self.machine.report_count() - 1)
                assert r.kind == CANCELLED and r.client_ref == slot
                o.state = CLOSED
                self.report(s, o, c'4', reason)
                close_order(self, s, slot, o)
                self.job.done += 1
            slot = next
        self.leave(self.machine.report_count())
        self.job.cursor = slot
        return 0 if slot else self._end_cancel(s)

    cdef int _count_piece(self, Session* s) except -1 nogil:
        cdef uint32_t looked = 0, slot = self.job.cursor
        cdef const Order* o
        while slot and looked < PIECE:
            looked += 1
            o = order_at(self, slot)
            self.job.total += self._wanted(o)
            slot = o.next
        self.job.cursor = slot
        if slot == 0:
            self.job.cursor = s.open_first
            self.job.kind = MASS_STATUS
            if self.job.total == 0:
                self.job.kind = NO_JOB
                if self.job.instrument < 0:
                    self._no_status(s, self.job.id, self.job.id_length, self.job.id, 0, 0)
                else:
                    self._no_status(s, self.job.id, self.job.id_length,
                                    self.instruments[self.job.instrument].symbol,
                                    self.instruments[self.job.instrument].symbol_length, 0)
        return 0

    cdef int _status_piece(self, Session* s) except -1 nogil:
        cdef uint32_t looked = 0, slot = self.job.cursor
        cdef const Order* o
        cdef ExecutionFields* fields
        while slot and looked < PIECE:
            looked += 1
            o = order_at(self, slot)
            slot = o.next
            if self._wanted(o):
                self.job.done += 1
                fields = self.status_of(s, o, self.job.id, self.job.id_length)
                fields.mass_total = self.job.total
                fields.last_fragment = c'Y' if self.job.done == self.job.total else c'N'
        self.job.cursor = slot
        if slot == 0:
            assert self.job.done == self.job.total
            self.job.kind = NO_JOB
        return 0

    cdef ExecutionFields* status_of(
        self, Session* s, const Order* o, const uint8_t* request_id, uint8_t request_id_length
    ) except NULL nogil:
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef size_t length = strings_length(o)
        cdef ExecutionFields* fields = self.blank(
            s, MSG_EXECUTION_REPORT, length + instrument.symbol_length + request_id_length
        )
        self.describe(fields, o)
        fields.exec_type = c'I'
        fields.status_request = STATUS_REQUEST
        fields.cl_ord_id_length = o.cl_ord_id_length
        fields.orig_cl_ord_id_length = o.orig_cl_ord_id_length
        fields.account_length = o.account_length
        fields.parties_length = o.parties_length
        fields.symbol_length = instrument.symbol_length
        fields.request_id_length = request_id_length
        put(put(put(<uint8_t*> (fields + 1), strings_of(o), length), instrument.symbol, instrument.symbol_length),
            request_id, request_id_length)
        return fields
