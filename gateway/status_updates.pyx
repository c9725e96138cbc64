# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; instruments are those of the engine's reports and of subscriptions.
"""The status of trading by FIX, as answers and, from rules 3 on, to whoever is subscribed.

Holds which instruments have changed phase in the current entry. A subscriber is told once an entry, as it leaves
things: between two entries all follows from the subscriptions and the engine. Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport strlen

from engine.state cimport Market, market_of
from engine.types cimport (
    CHANGE, CHANGED, CLOSED, CLOSING_AUCTION, CONTINUOUS, HALT, OPENING_AUCTION, PHASE_CHANGED, PRE_OPEN,
    VOLATILITY_AUCTION,
)
from gateway.feed_topics cimport Scale
from gateway.fix_values cimport write_timestamp
from gateway.operation_fields cimport PHASE_END, PHASE_TAG, phase_name
from gateway.subscriptions cimport NO_INSTRUMENT, OF_INSTRUMENT, SECURITY_STATUS

cdef enum:                      # SecurityTradingStatus (326)
    TRADING_HALT = 2
    RESUME = 3
    PRICE_INDICATION = 5
    READY_TO_TRADE = 17
    NOT_AVAILABLE = 18
    NOT_TRADED = 19
    UNKNOWN_OR_INVALID = 20
    BEFORE_OPENING_AUCTION = 21
    OPENING_ROTATION = 22

cdef enum:
    UNKNOWN_SESSION = 1         # TradSesStatusRejReason (567)
    TIME_LENGTH = 21


cdef class StatusUpdates:
    def __cinit__(self, Machine machine not None, Sessions sessions not None, FeedTopics feed not None) -> None:
        self.machine = machine
        self.sessions = sessions
        self.subscriptions = sessions.subscriptions
        self.feed = feed
        self.body = TextBody()

    def __dealloc__(self) -> None:
        free(self.changed)

    # ------------------------------------------------------------ within an entry

    cdef int note(self, const Report* reports, size_t count) except -1 nogil:
        cdef size_t i
        cdef const Report* r
        for i in range(count):
            r = &reports[i]
            if r.kind == PHASE_CHANGED:
                self._phase_changed(r.instrument, TRADING_RESUMED if r.order_type == CONTINUOUS and (
                    r.time_in_force == VOLATILITY_AUCTION) else PHASE_BEGAN)
            elif r.kind == CHANGED and r.command_kind == CHANGE and (
                    market_of(&self.machine.books, r.instrument).is_delisted):
                self._phase_changed(r.instrument, PHASE_BEGAN)
        return 0

    cdef int _phase_changed(self, uint32_t instrument, News news) except -1 nogil:
        cdef uint32_t slot = self.subscriptions.first_of(instrument)
        cdef bint is_first = False
        cdef Subscription* s
        cdef void* bigger
        self.has_changed = True
        while slot:
            s = &self.subscriptions.slots[slot]
            if s.kind == SECURITY_STATUS:
                is_first |= s.fresh == NO_NEWS
                s.fresh = <uint8_t> news
            slot = s.next[<int> OF_INSTRUMENT]
        if not is_first:
            return 0
        if self.changed_count == self.changed_room:
            bigger = realloc(self.changed, (2 * self.changed_room + 16) * sizeof(uint32_t))
            if bigger == NULL:
                with gil:
                    raise MemoryError("no memory for phases that have changed")
            self.changed = <uint32_t*> bigger
            self.changed_room = 2 * self.changed_room + 16
        self.changed[self.changed_count] = instrument
        self.changed_count += 1
        return 0

    cdef int begin(self, const Subscription* given) except -1 nogil:
        return self.subscriptions.add(given)

    # ------------------------------------------------------------ the end of an entry

    cdef bint is_due(self) noexcept nogil:
        return self.has_changed or (
            self.instruments != self.machine.books.instrument_count and self.subscriptions.first_of(NO_INSTRUMENT) != 0)

    cdef int end_entry(self) except -1 nogil:
        cdef size_t i
        cdef uint32_t slot
        cdef Subscription* s
        cdef const Scale* scale
        for i in range(self.changed_count):
            scale = &self.feed.instruments[self.changed[i]].scale
            slot = self.subscriptions.first_of(self.changed[i])
            while slot:
                s = &self.subscriptions.slots[slot]
                slot = s.next[<int> OF_INSTRUMENT]
                if s.kind == SECURITY_STATUS and s.fresh != NO_NEWS:
                    self.tell_security(self.sessions.by_id(s.session), s.id, s.id_length, scale.symbol,
                                       scale.symbol_length, self.changed[i], <News> s.fresh)
                    s.fresh = NO_NEWS
        self.changed_count = 0
        self.has_changed = False
        return self._tell_sessions()

    cdef int _tell_sessions(self) except -1 nogil:
        cdef uint32_t slot = self.subscriptions.first_of(NO_INSTRUMENT), status
        cdef Subscription* s
        if slot == 0:
            return 0
        status = self.session_status()
        self.instruments = self.machine.books.instrument_count
        while slot:
            s = &self.subscriptions.slots[slot]
            slot = s.next[<int> OF_INSTRUMENT]
            if s.depth != status:
                s.depth = status
                self.tell_session(self.sessions.by_id(s.session), s.id, s.id_length, NULL, status, True)
        return 0

    # ------------------------------------------------------------ what the status is

    cdef int _trading_status(self, int64_t instrument, News news) noexcept nogil:
        cdef const Market* market
        if instrument < 0:
            return UNKNOWN_OR_INVALID
        market = market_of(&self.machine.books, <uint32_t> instrument)
        if market.is_delisted:
            return NOT_TRADED
        if market.phase == CONTINUOUS:
            return RESUME if news == TRADING_RESUMED else READY_TO_TRADE
        if market.phase == PRE_OPEN:
            return BEFORE_OPENING_AUCTION
        if market.phase == OPENING_AUCTION:
            return OPENING_ROTATION
        if market.phase == HALT:
            return TRADING_HALT
        return NOT_AVAILABLE if market.phase == CLOSED else PRICE_INDICATION

    cdef uint32_t session_status(self) noexcept nogil:
        # Of the only session there is: what the furthest of its instruments is doing. O(instruments)
        cdef uint32_t i, closes = 0, halts = 0, opens = 0
        cdef const Market* market
        for i in range(self.machine.books.instrument_count):
            market = market_of(&self.machine.books, i)
            if market.phase == CONTINUOUS:
                return OPEN
            opens += PRE_OPEN <= market.phase <= VOLATILITY_AUCTION
            closes += market.phase == CLOSING_AUCTION
            halts += market.phase == HALT
        if opens or self.machine.books.instrument_count == 0:
            return BEFORE_OPENING if opens else OPEN
        return BEFORE_CLOSING if closes else HALTED if halts else CLOSED_FOR_ALL

    # ------------------------------------------------------------ messages

    cdef int tell_security(self, Session* to, const uint8_t* id, size_t id_length, const uint8_t* symbol,
                           size_t symbol_length, int64_t instrument, News news) except -1 nogil:
        cdef uint8_t time[48]
        cdef int64_t until_ns
        cdef const char* phase
        write_timestamp(time, self.sessions.now_ns)
        self.body.clear()
        self.body.text(324, id, id_length)
        self.body.text(55, symbol, symbol_length)
        self.body.character(325, c'N' if news == NO_NEWS else c'Y')
        self.body.number(326, self._trading_status(instrument, news))
        self.body.text(60, time, TIME_LENGTH)
        if instrument >= 0 and self.sessions.rules >= 3:
            phase = phase_name(market_of(&self.machine.books, <uint32_t> instrument).phase)
            self.body.text(PHASE_TAG, <const uint8_t*> phase, strlen(phase))
            until_ns = self.feed.instruments[instrument].auctions.until_ns
            if until_ns:
                write_timestamp(time, until_ns)
                self.body.text(PHASE_END, time, TIME_LENGTH)
        return self._send(to, c'f')

    cdef int tell_session(self, Session* to, const uint8_t* id, size_t id_length, const Fields* named, uint32_t status,
                          bint unasked) except -1 nogil:
        self.body.clear()
        self.body.text(335, id, id_length)
        if named == NULL:
            self.body.text(336, b"DAY", 3)      # the only trading session
        else:
            self.body.text(336, named.value, named.length)
        self.body.character(325, c'Y' if unasked else c'N')
        self.body.number(340, status)
        if status == REQUEST_REJECTED:
            self.body.number(567, UNKNOWN_SESSION)
        return self._send(to, c'h')

    cdef int _send(self, Session* to, uint8_t msg_type) except -1 nogil:
        self.body.number(20001, self.sessions.input_number)
        self.sessions.text(to, &msg_type, 1, self.body.data, self.body.size)
        return 0
