# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; the body was checked when the entry began (framing.pyx), and next_field() keeps
# within it. Divisors are increments (>= 1).
"""What can be traded, on what terms, and whether it can be traded now.

Holds the list that is being written. There are no trading phases: a subscription is answered once and is no state.
Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen

from engine.state cimport Instrument as Terms
from gateway.executions cimport Instrument
from gateway.fields cimport Fields, find_field, is_plain
from gateway.fix_values cimport write_timestamp
from gateway.reasons cimport MISSING_FIELD
from gateway.records cimport MAX_SYMBOL
from gateway.short_strings cimport same

cdef enum:
    VALUE_IS_INCORRECT = 5      # SessionRejectReason (373)
    BUSINESS_FIELD_MISSING = 5  # BusinessRejectReason (380)
    INVALID_OR_UNSUPPORTED = 1  # SecurityRequestResult (560)
    NOTHING_FOUND = 2
    READY_TO_TRADE = 17         # SecurityTradingStatus (326)
    UNKNOWN_OR_INVALID = 20
    OPEN = 2                    # TradSesStatus (340)
    REQUEST_REJECTED = 6
    UNKNOWN_SESSION = 1         # TradSesStatusRejReason (567)
    PRICE_INCREMENT = 20005     # our own tags
    QUANTITY_INCREMENT = 20007
    MAX_TRADE_VOL = 20008
    LOW_LIMIT_PRICE = 20009
    HIGH_LIMIT_PRICE = 20010
    PRICE_PROTECTION = 20011


cdef class ReferenceRequests:
    def __cinit__(self, Sessions sessions not None, Orders orders not None) -> None:
        self.sessions = sessions
        self.orders = orders
        self.body = TextBody()

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef uint8_t kind = m.msg_type[0]
        cdef uint32_t tag = 320 if kind == c'x' else 324 if kind == c'e' else 335
        cdef Fields id, field
        if not self._find(m, tag, &id) or id.length > MAX_REQUEST_ID or not is_plain(id.value, id.length):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, <uint16_t> tag,
                                        b"a request's id must have 1 to 64 bytes of printable ASCII")
        if self._find(m, 263, &field) and field.length == 1 and field.value[0] == c'2':
            return 0            # there is no subscription to end
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
        return self._send(s, c'y')

    cdef int _price(self, uint32_t tag, const Instrument* instrument, int64_t ticks) except -1 nogil:
        return self._units(tag, ticks, instrument.price_increment, instrument.price_exponent)

    cdef int _quantity(self, uint32_t tag, const Instrument* instrument, int64_t lots) except -1 nogil:
        return self._units(tag, lots, instrument.quantity_increment, instrument.quantity_exponent)

    cdef int _units(self, uint32_t tag, int64_t count, int64_t increment, int exponent) except -1 nogil:
        # A limit beyond what an order can say is left out.
        if count > INT64_MAX // increment or count < -(INT64_MAX // increment):
            return 0
        return self.body.decimal(tag, count * increment, exponent)

    # ------------------------------------------------------------ SecurityStatusRequest, TradingSessionStatusRequest

    cdef int _security_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil:
        cdef Fields symbol
        cdef uint8_t time[32]
        if not self._find(m, 55, &symbol) or symbol.length > MAX_SYMBOL or not is_plain(symbol.value, symbol.length):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 55,
                                        b"Symbol (55) must have 1 to 32 bytes of printable ASCII")
        write_timestamp(time, self.sessions.now_ns)
        self.body.clear()
        self.body.text(324, id.value, id.length)
        self.body.text(55, symbol.value, symbol.length)
        self.body.character(325, c'N')
        self.body.number(326, UNKNOWN_OR_INVALID if self._instrument(&symbol) < 0 else READY_TO_TRADE)
        self.body.text(60, time, 21)
        return self._send(s, c'f')

    cdef int _session_status(self, Session* s, const Message* m, const Fields* id) except -1 nogil:
        cdef const uint8_t* day = b"DAY"        # the only trading session
        cdef Fields named
        cdef bint known = True
        if self._find(m, 336, &named):
            if named.length > MAX_REQUEST_ID or not is_plain(named.value, named.length):
                return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 336,
                                            b"TradingSessionID (336) must have 1 to 64 bytes of printable ASCII")
            known = same(named.value, named.length, day, 3)
        self.body.clear()
        self.body.text(335, id.value, id.length)
        if known:
            self.body.text(336, day, 3)
        else:
            self.body.text(336, named.value, named.length)
        self.body.character(325, c'N')
        self.body.number(340, OPEN if known else REQUEST_REJECTED)
        if not known:
            self.body.number(567, UNKNOWN_SESSION)
        return self._send(s, c'h')
