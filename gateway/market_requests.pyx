# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; the body was checked when the entry began (framing.pyx), and next_field() keeps
# within it.
"""MarketDataRequests: judged as a whole, then served for every symbol, or refused and nothing has changed.

Holds no state: subscriptions are in `subscriptions`, what they are told is `book_updates`. Runs without the GIL;
raises MemoryError.
"""

from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen

from gateway.fields cimport Fields, fields_of, is_plain, next_field
from gateway.fix_values cimport parse_int
from gateway.records cimport MAX_SYMBOL
from gateway.subscriptions cimport (
    BIDS, CLOSING, IMBALANCE, MARKET_DATA, MAX_DEPTH, MAX_REQUEST_ID, MAX_SUBSCRIPTIONS, OPENING, Subscription,
)

cdef enum:
    VALUE_IS_INCORRECT = 5      # SessionRejectReason (373)
    MAX_LEVELS = 10000          # a side, of all symbols of one request: what one input may lead to is bounded

cdef enum RejectReason:         # MDReqRejReason (281), the FIX character
    NO_REASON = 0
    UNKNOWN_SYMBOL = 48
    DUPLICATE_ID = 49
    TOO_MUCH = 50               # insufficient bandwidth
    UNSUPPORTED_KIND = 52
    UNSUPPORTED_DEPTH = 53
    UNSUPPORTED_UPDATE = 54
    NOT_AGGREGATED = 55
    UNSUPPORTED_ENTRY = 56
    TRADING_SESSION = 57
    SCOPE = 65
    OPEN_CLOSE = 66
    IMPLICIT_DELETE = 67
    NO_SUCH_REQUEST = 255       # FIX has no reason for that


cdef const char* words_of(uint8_t reason, uint32_t rules) noexcept nogil:
    if reason == UNKNOWN_SYMBOL:
        return b"unknown Symbol (55)"
    if reason == DUPLICATE_ID:
        return b"MDReqID (262) is that of a subscription"
    if reason == TOO_MUCH:
        return (b"too much: a request asks for at most 10000 levels of all its symbols, and a session is subscribed "
                b"to at most 1000")
    if reason == UNSUPPORTED_KIND:
        return b"SubscriptionRequestType (263) must be 0, 1 or 2"
    if reason == UNSUPPORTED_DEPTH:
        return b"MarketDepth (264) must be 0 to 250"
    if reason == UNSUPPORTED_UPDATE:
        return b"a subscription has MDUpdateType (265) 0 or 1"
    if reason == NOT_AGGREGATED:
        return b"AggregatedBook (266) must be Y: orders of one price are one entry"
    if reason == UNSUPPORTED_ENTRY and rules < 3:
        return b"MDEntryType (269) must be 0, 1 or 2"
    if reason == UNSUPPORTED_ENTRY:
        return b"MDEntryType (269) must be 0, 1, 2, 4, 5 or A"
    if reason == TRADING_SESSION:
        return b"NoTradingSessions (386) is not served"
    if reason == SCOPE:
        return b"Scope (546) is not served"
    if reason == OPEN_CLOSE:
        return b"OpenCloseSettlFlag (286) is not served"
    if reason == IMPLICIT_DELETE:
        return b"MDImplicitDelete (547) must be N: what leaves the depth is deleted by an entry"
    return b"no subscription of this session has this MDReqID (262)"


cdef class MarketRequests:
    def __cinit__(self, Sessions sessions not None, Orders orders not None, BookUpdates updates not None) -> None:
        self.sessions = sessions
        self.orders = orders
        self.updates = updates
        self.reject = TextBody()

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef Asked asked = self._read(m)
        cdef uint8_t reason
        if not 0 < asked.id_length <= MAX_REQUEST_ID or not is_plain(asked.id, asked.id_length):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 262,
                                        b"MDReqID (262) must have 1 to 64 bytes of printable ASCII")
        if asked.kind == c'2':
            if not self.updates.subscriptions.find(s.id, MARKET_DATA, asked.id, asked.id_length):
                return self._refuse(s, &asked, NO_SUCH_REQUEST)
            self.updates.subscriptions.end(s.id, MARKET_DATA, asked.id, asked.id_length)
            return 0
        reason = self._judge(s, &asked)
        return self._refuse(s, &asked, reason) if reason else self._serve(s, m, &asked)

    cdef Asked _read(self, const Message* m) noexcept nogil:
        cdef Fields field = fields_of(m.body, m.fields.body_length)
        cdef Asked asked
        memset(&asked, 0, sizeof(Asked))
        asked.depth = -1
        while next_field(&field):
            self._read_field(&asked, field.tag, field.value, field.length)
        return asked

    cdef void _read_field(self, Asked* asked, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
        cdef uint8_t only = value[0] if length == 1 else 0
        if tag == 262:
            asked.id, asked.id_length = value, length
        elif tag == 263:
            asked.kind = only
        elif tag == 264 and not parse_int(value, length, &asked.depth):
            asked.depth = -1
        elif tag == 265:
            asked.update = only
        elif tag == 269:
            self._read_type(asked, only)
        elif tag == 55:
            asked.symbols += 1
            if asked.unknown == NULL and (
                    length > MAX_SYMBOL or self.orders.instrument_of(value, <uint8_t> length) < 0):
                asked.unknown, asked.unknown_length = value, length
        elif tag == 266 and only != c'Y':
            asked.unserved = NOT_AGGREGATED
        elif tag == 547 and only != c'N':
            asked.unserved = IMPLICIT_DELETE
        elif tag == 386:
            asked.unserved = TRADING_SESSION
        elif tag == 546:
            asked.unserved = SCOPE
        elif tag == 286:
            asked.unserved = OPEN_CLOSE

    cdef void _read_type(self, Asked* asked, uint8_t type) noexcept nogil:
        if c'0' <= type <= c'2':
            asked.types |= BIDS << (type - c'0')
        elif self.sessions.rules >= 3 and type == c'4':
            asked.types |= OPENING
        elif self.sessions.rules >= 3 and type == c'5':
            asked.types |= CLOSING
        elif self.sessions.rules >= 3 and type == c'A':
            asked.types |= IMBALANCE
        else:
            asked.unserved = UNSUPPORTED_ENTRY

    cdef uint8_t _judge(self, const Session* s, const Asked* asked) noexcept nogil:
        # RejectReason
        cdef bint lasts = asked.kind == c'1'
        if not lasts and asked.kind != c'0':
            return UNSUPPORTED_KIND
        if self.updates.subscriptions.find(s.id, MARKET_DATA, asked.id, asked.id_length):
            return DUPLICATE_ID
        if asked.unserved:
            return asked.unserved
        if asked.types == 0:
            return UNSUPPORTED_ENTRY
        if not 0 <= asked.depth <= MAX_DEPTH:
            return UNSUPPORTED_DEPTH
        if lasts and asked.update != c'0' and asked.update != c'1':
            return UNSUPPORTED_UPDATE
        if asked.symbols == 0 or asked.unknown != NULL:
            return UNKNOWN_SYMBOL
        if <int64_t> asked.symbols * depth_of(asked) > MAX_LEVELS or (
                lasts and self.updates.subscriptions.count_of(s.id) + asked.symbols > MAX_SUBSCRIPTIONS):
            return TOO_MUCH
        return NO_REASON

    cdef int _serve(self, Session* s, const Message* m, const Asked* asked) except -1 nogil:
        cdef Fields field = fields_of(m.body, m.fields.body_length)
        cdef Subscription wanted
        memset(&wanted, 0, sizeof(Subscription))
        wanted.session = s.id
        wanted.depth = depth_of(asked)
        wanted.types = asked.types
        wanted.refresh = asked.update == c'0'
        wanted.fresh = True
        wanted.id_length = <uint8_t> asked.id_length
        memcpy(wanted.id, asked.id, asked.id_length)
        while next_field(&field):
            if field.tag != 55:
                continue
            wanted.instrument = <uint32_t> self.orders.instrument_of(field.value, <uint8_t> field.length)
            if asked.kind == c'0':
                self.updates.show(s, &wanted)
            elif not self.updates.subscriptions.repeats(s.id, wanted.instrument, asked.id, asked.id_length):
                self.updates.begin(&wanted)
        return 0

    cdef int _refuse(self, Session* s, const Asked* asked, uint8_t reason) except -1 nogil:
        cdef char text[128]
        cdef const char* words = words_of(reason, self.sessions.rules)
        if reason == UNKNOWN_SYMBOL and asked.unknown_length <= MAX_SYMBOL and (
                is_plain(asked.unknown, asked.unknown_length)):
            snprintf(text, sizeof(text), b"%s: %.*s", words, <int> asked.unknown_length, <const char*> asked.unknown)
            words = text
        self.reject.clear()
        self.reject.text(262, asked.id, asked.id_length)
        if reason != NO_SUCH_REQUEST:
            self.reject.character(281, reason)
        self.reject.text(58, <const uint8_t*> words, strlen(words))
        self.reject.number(20001, self.sessions.input_number)
        self.sessions.text(s, <const uint8_t*> b"Y", 1, self.reject.data, self.reject.size)
        return 0


cdef inline uint32_t depth_of(const Asked* asked) noexcept nogil:
    return <uint32_t> asked.depth if asked.depth else MAX_DEPTH
