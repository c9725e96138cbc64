# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; the body was checked when the entry began (framing.pyx), and next_field() keeps
# within it. Divisors are increments (>= 1).
"""What can be traded, on what terms, and whether it can be traded now.

Holds the list that is being written. Before rules 3 there are no trading phases: a subscription is answered once and is
no state. From then on it is, and `status_updates` tells what comes.
Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen

from engine.state cimport Books, Instrument as Terms, Market, market_of
from engine.store cimport Increment
from engine.types cimport EMPTY_PRICE, OPPOSITE_BEST, PRO_RATA
from gateway.executions cimport Instrument
from gateway.fields cimport Fields, find_field, is_plain
from gateway.fix_values cimport write_decimal
from gateway.operation_fields cimport (
    HIGH_LIMIT_PRICE, LOW_LIMIT_PRICE, MATCH_ALGORITHM, MAX_TRADE_VOL, PHASE_TAG, PRICE_INCREMENT, PRICE_PROTECTION,
    PRO_RATA_MINIMUM, QUANTITY_INCREMENT, STOP_TRIGGER, TICK_TABLE, TOP_ORDER, phase_name,
)
from gateway.reasons cimport MISSING_FIELD, TOO_MANY_SUBSCRIPTIONS, text_of
from gateway.records cimport MAX_SYMBOL
from gateway.short_strings cimport same
from gateway.status_updates cimport NO_NEWS, REQUEST_REJECTED
from gateway.subscriptions cimport MAX_SUBSCRIPTIONS, NO_INSTRUMENT, RequestKind, SECURITY_STATUS, SESSION_STATUS

cdef enum:
    VALUE_IS_INCORRECT = 5      # SessionRejectReason (373)
    BUSINESS_FIELD_MISSING = 5  # BusinessRejectReason (380)
    INVALID_OR_UNSUPPORTED = 1  # SecurityRequestResult (560)
    NOTHING_FOUND = 2
    OTHER = 0                   # BusinessRejectReason
    TICK_SIZES = 20060          # our own, beside those of operators
    MOST_SIZES_BYTES = 4096
    LONGEST_PRICE = 48          # bytes


cdef inline bint fits(int64_t count, int64_t increment) noexcept nogil:
    return -(INT64_MAX // increment) <= count <= INT64_MAX // increment


cdef inline bint is_price(const Instrument* of, int64_t ticks) noexcept nogil:
    return fits(ticks, of.price_increment)


cdef class ReferenceRequests:
    def __cinit__(self, Sessions sessions not None, Orders orders not None, StatusUpdates statuses not None) -> None:
        self.sessions = sessions
        self.orders = orders
        self.statuses = statuses
        self.body = TextBody()

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef uint8_t kind = m.msg_type[0]
        cdef uint32_t tag = 320 if kind == c'x' else 324 if kind == c'e' else 335
        cdef Fields id, field
        if not self._find(m, tag, &id) or id.length > MAX_REQUEST_ID or not is_plain(id.value, id.length):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, <uint16_t> tag,
                                        b"a request's id must have 1 to 64 bytes of printable ASCII")
        if self._find(m, 263, &field) and field.length == 1 and field.value[0] == c'2':
            if kind != c'x':
                self.statuses.subscriptions.end(s.id, SECURITY_STATUS if kind == c'e' else SESSION_STATUS, id.value,
                                                id.length)
            return 0
        if kind == c'x':
            return self._security_list(s, m, &id)
        return self._security_status(s, m, &id) if kind == c'e' else self._session_status(s, m, &id)

    cdef bint _find(self, const Message* m, uint32_t tag, Fields* field) noexcept nogil:
        return find_field(m.body, m.fields.body_length, tag, field)

    cdef int64_t _instrument(self, const Fields* symbol) noexcept nogil:
        # -1: unknown
        if symbol.length > MAX_SYMBOL:
            return -1
        return self.orders.instrument_of(symbol.value, <uint8_t> symbol.length)

    cdef int _send(self, Session* s, uint8_t msg_type) except -1 nogil:
        self.body.number(20001, self.sessions.input_number)
        self.sessions.text(s, &msg_type, 1, self.body.data, self.body.size)
        return 0

    # ------------------------------------------------------------ SecurityListRequest

    cdef int _security_list(self, Session* s, const Message* m, const Fields* id) except -1 nogil:
        cdef Fields kind, symbol
        cdef int64_t instrument
        self.listing.fragments = 0
        self.listing.id_length = id.length
        memcpy(self.listing.id, id.value, id.length)
        if not self._find(m, 559, &kind) or kind.length != 1 or (kind.value[0] != c'0' and kind.value[0] != c'4'):
            return self._no_list(s, INVALID_OR_UNSUPPORTED)
        if kind.value[0] == c'4':
            if self.orders.instrument_count == 0:
                return self._no_list(s, NOTHING_FOUND)
            self.listing.session = s.id
            self.listing.next = 0
            return 0
        if not self._find(m, 55, &symbol):
            return self.sessions.business_reject(s, m, BUSINESS_FIELD_MISSING, MISSING_FIELD,
                                                 b"conditionally required field 55 is missing", id.value,
                                                 <uint8_t> id.length)
        instrument = self._instrument(&symbol)
        if instrument < 0:
            return self._no_list(s, NOTHING_FOUND)
        return self._send_instrument(s, <uint32_t> instrument, 1, True)

    cdef int work(self) except -1 nogil:
        cdef Session* s = self.sessions.by_id(self.listing.session)
        cdef uint32_t number = self.listing.next, total = self.orders.instrument_count
        self.listing.next += 1
        if self.listing.next == total:
            self.listing.session = 0
        return self._send_instrument(s, number, total, self.listing.next == total)

    cdef int _begin_list(self, int result) except -1 nogil:
        cdef char text[32]
        self.listing.fragments += 1
        snprintf(text, sizeof(text), b"%llu-%u", <unsigned long long> self.sessions.input_number,
                 <unsigned int> self.listing.fragments)
        self.body.clear()
        self.body.text(320, self.listing.id, self.listing.id_length)
        self.body.text(322, <const uint8_t*> text, strlen(text))
        self.body.number(560, result)
        return 0

    cdef int _no_list(self, Session* s, int result) except -1 nogil:
        self._begin_list(result)
        return self._send(s, c'y')

    cdef int _send_instrument(self, Session* s, uint32_t number, uint32_t total, bint last) except -1 nogil:
        # A message for each: our own tags stand behind the group, which they would end for who does not know them.
        cdef const Instrument* instrument = &self.orders.instruments[number]
        cdef const Terms* terms = &self.orders.machine.books.instruments[number]
        self._begin_list(0)
        self.body.number(393, total)
        self.body.character(893, c'Y' if last else c'N')
        self.body.number(146, 1)
        self.body.text(55, instrument.symbol, instrument.symbol_length)
        self._quantity(561, instrument, terms.lot_lots)
        self._quantity(562, instrument, terms.min_lots)
        self._price(PRICE_INCREMENT, instrument, 1)
        self._quantity(QUANTITY_INCREMENT, instrument, 1)
        if terms.max_lots != INT64_MAX:
            self._quantity(MAX_TRADE_VOL, instrument, terms.max_lots)
        if terms.low_ticks != INT64_MIN:
            self._price(LOW_LIMIT_PRICE, instrument, terms.low_ticks)
        if terms.high_ticks != INT64_MIN:
            self._price(HIGH_LIMIT_PRICE, instrument, terms.high_ticks)
        if terms.protection_ticks >= 0:
            self._price(PRICE_PROTECTION, instrument, terms.protection_ticks)
        if self.sessions.rules >= 3:
            self._market_terms(number)
        return self._send(s, c'y')

    cdef int _market_terms(self, uint32_t number) except -1 nogil:
        cdef const Books* books = &self.orders.machine.books
        cdef const Market* market = market_of(books, number)
        self._word(PHASE_TAG, phase_name(market.phase))
        self._word(MATCH_ALGORITHM, b"PRO_RATA" if market.algorithm == PRO_RATA else b"PRICE_TIME")
        if market.algorithm == PRO_RATA:
            self.body.character(TOP_ORDER, c'Y' if market.top_order else c'N')
            self._quantity(PRO_RATA_MINIMUM, &self.orders.instruments[number], market.pro_rata_minimum_lots)
        self._word(STOP_TRIGGER, b"OPPOSITE_BEST" if market.trigger == OPPOSITE_BEST else b"LAST_TRADE")
        if market.tick_table:
            self.body.number(TICK_TABLE, market.tick_table)
            self._tick_sizes(number)
        return 0

    cdef int _tick_sizes(self, uint32_t number) except -1 nogil:
        # "from=increment" of each row, the first without its beginning; left out when it is too long to be told.
        cdef const Books* books = &self.orders.machine.books
        cdef const Instrument* of = &self.orders.instruments[number]
        cdef const Increment* rows = <const Increment*> books.increments.records
        cdef uint32_t at = (<const uint32_t*> books.tables.records)[market_of(books, number).tick_table]
        cdef uint8_t text[MOST_SIZES_BYTES]
        cdef uint8_t* end = text
        while at:
            if end - text > MOST_SIZES_BYTES - 2 * LONGEST_PRICE or not is_price(of, rows[at].tick_ticks):
                return 0
            if rows[at].from_ticks != EMPTY_PRICE():
                if not is_price(of, rows[at].from_ticks):
                    return 0
                end[0] = c' '
                end = write_decimal(end + 1, rows[at].from_ticks * of.price_increment, of.price_exponent)
                end[0] = c'='
                end += 1
            end = write_decimal(end, rows[at].tick_ticks * of.price_increment, of.price_exponent)
            at = rows[at].next
        return self.body.text(TICK_SIZES, text, end - text)

    cdef int _word(self, uint32_t tag, const char* word) except -1 nogil:
        return self.body.text(tag, <const uint8_t*> word, strlen(word))

    cdef int _price(self, uint32_t tag, const Instrument* instrument, int64_t ticks) except -1 nogil:
        return self._units(tag, ticks, instrument.price_increment, instrument.price_exponent)

    cdef int _quantity(self, uint32_t tag, const Instrument* instrument, int64_t lots) except -1 nogil:
        return self._units(tag, lots, instrument.quantity_increment, instrument.quantity_exponent)

    cdef int _units(self, uint32_t tag, int64_t count, int64_t increment, int exponent) except -1 nogil:
        # A limit beyond what an order can say is left out.
        if not fits(count, increment):
            return 0
        return self.body.decimal(tag, count * increment, exponent)

    # ------------------------------------------------------------ SecurityStatusRequest, TradingSessionStatusRequest

    cdef Subscription _wanted(self, const Session* s, const Message* m, const Fields* id) noexcept nogil:
        # What the request would subscribe to; before rules 3 nothing, nor when it does not ask for it.
        cdef Subscription wanted
        cdef Fields kind
        memset(&wanted, 0, sizeof(Subscription))
        if self.sessions.rules >= 3 and self._find(m, 263, &kind) and kind.length == 1 and kind.value[0] == c'1':
            wanted.session = s.id
        wanted.kind = SECURITY_STATUS if m.msg_type[0] == c'e' else SESSION_STATUS
        wanted.instrument = NO_INSTRUMENT
        wanted.id_length = <uint8_t> id.length
        memcpy(wanted.id, id.value, id.length)
        return wanted

    cdef bint _may_subscribe(self, Session* s, const Message* m, const Subscription* wanted) except -1 nogil:
        # One of the same id gives way to it.
        if wanted.session == 0:
            return True
        self.statuses.subscriptions.end(s.id, <RequestKind> wanted.kind, wanted.id, wanted.id_length)
        if self.statuses.subscriptions.count_of(s.id) < MAX_SUBSCRIPTIONS:
            return True
        self.sessions.business_reject(s, m, OTHER, TOO_MANY_SUBSCRIPTIONS, text_of(TOO_MANY_SUBSCRIPTIONS), wanted.id,
                                      wanted.id_length)
        return False

    cdef int _security_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil:
        cdef Fields symbol
        cdef int64_t instrument
        cdef Subscription wanted = self._wanted(s, m, id)
        if not self._find(m, 55, &symbol) or symbol.length > MAX_SYMBOL or not is_plain(symbol.value, symbol.length):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 55,
                                        b"Symbol (55) must have 1 to 32 bytes of printable ASCII")
        instrument = self._instrument(&symbol)
        if instrument >= 0 and not self._may_subscribe(s, m, &wanted):
            return 0
        self.statuses.tell_security(s, id.value, id.length, symbol.value, symbol.length, instrument, NO_NEWS)
        if instrument >= 0 and wanted.session:
            wanted.instrument = <uint32_t> instrument
            self.statuses.begin(&wanted)
        return 0

    cdef int _session_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil:
        cdef Fields named
        cdef Subscription wanted = self._wanted(s, m, id)
        if self._find(m, 336, &named):
            if named.length > MAX_REQUEST_ID or not is_plain(named.value, named.length):
                return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 336,
                                            b"TradingSessionID (336) must have 1 to 64 bytes of printable ASCII")
            if not same(named.value, named.length, <const uint8_t*> b"DAY", 3):
                return self.statuses.tell_session(s, id.value, id.length, &named, REQUEST_REJECTED, False)
        if not self._may_subscribe(s, m, &wanted):
            return 0
        wanted.depth = self.statuses.session_status()
        self.statuses.tell_session(s, id.value, id.length, NULL, wanted.depth, False)
        return self.statuses.begin(&wanted) if wanted.session else 0
