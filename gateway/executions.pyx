# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; slots in reports are checked against the pool. Divisors are increments (>= 1)
# and cumulative quantities (> 0).
"""Engine reports -> the state of orders and the ExecutionReports about them; instruments and their decimals.

Owns the table of instruments. Runs without the GIL except where trades are recorded for Python. Raises MemoryError,
and AssertionError when engine and pool disagree.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, INT64_MAX, INT64_MIN
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset, strlen

from engine.machine cimport Machine
from engine.types cimport (
    ADVANCE, CANCELLED, Command, DEFINE, DEFINED, Definition, END_OF_DAY, EXPIRED, MASS_CANCELLED, MASS_REQUESTED,
    PHASE, REDUCED, REPRICED, Report, TRADE, TRIGGERED,
)
from gateway.book_updates cimport BookUpdates
from gateway.market_data cimport MarketData
from gateway.names cimport name_hash, names_insert, names_next, names_reserve
from gateway.order_pool cimport (
    CLOSED, OPEN, Order, close_order, expect_order, order_at, strings_length, strings_of,
)
from gateway.reasons cimport TRADE_IS_BUSTED, UNKNOWN_TRADE, restatement_of, text_of, text_under_3
from gateway.records cimport ExecutionFields, InstrumentBody, MSG_EXECUTION_REPORT
from gateway.session cimport Session, Sessions, number_message
from gateway.short_strings cimport put, same
from gateway.trade_capture cimport Fill, TradeCapture

cdef extern from *:
    """
    typedef __int128 quorumbook_int128;
    #define quorumbook_multiply_overflows(a, b, result) __builtin_mul_overflow((int64_t)(a), (int64_t)(b), result)
    static inline void quorumbook_add_notional(uint64_t *low, int64_t *high, int64_t price, int64_t lots) {
        unsigned __int128 sum = ((unsigned __int128)(uint64_t)*high << 64) | *low;
        sum += (unsigned __int128)((__int128)price * lots);
        *low = (uint64_t)sum;
        *high = (int64_t)(sum >> 64);
    }
    /* sum / lots * scale, rounded half to even. lots > 0; the result fits: |sum / lots| * scale does (MAX_MANTISSA). */
    static inline int64_t quorumbook_average(uint64_t low, int64_t high, int64_t lots, int64_t scale) {
        __int128 sum = (__int128)(((unsigned __int128)(uint64_t)high << 64) | low), rest;
        int64_t whole, part, left;
        if (high == ((int64_t)low >> 63)) {
            whole = (int64_t)low / lots;
            rest = (int64_t)low % lots;
        } else {
            whole = (int64_t)(sum / lots);
            rest = sum % lots;
        }
        if (rest == 0)
            return whole * scale;
        if (rest < 0) {
            rest += lots;
            whole -= 1;
        }
        rest *= scale;
        part = (int64_t)(rest / lots);
        left = (int64_t)(rest % lots);
        part += whole * scale;
        if (left > lots - left || (left == lots - left && (part & 1)))
            part += 1;
        return part;
    }
    """
    bint quorumbook_multiply_overflows(int64_t a, int64_t b, int64_t* result) noexcept nogil
    void quorumbook_add_notional(uint64_t* low, int64_t* high, int64_t price, int64_t lots) noexcept nogil
    int64_t quorumbook_average(uint64_t low, int64_t high, int64_t lots, int64_t scale) noexcept nogil

cdef int64_t EMPTY = INT64_MIN
cdef int64_t POWERS[19]
cdef int _power
POWERS[0] = 1
for _power in range(1, 19):
    POWERS[_power] = POWERS[_power - 1] * 10

cdef enum:
    NO_REASON = 255             # ExecutionFields.fix_reason
    RESTATED_PRICE = 3          # ExecRestatementReason (378)
    RESTATED_BY_EXCHANGE = 8
    AVERAGE_SCALE = 100         # AvgPx has two digits more than the price increment

# A price's mantissa times AVERAGE_SCALE fits int64.
cdef int64_t MAX_MANTISSA = INT64_MAX // AVERAGE_SCALE
cdef int64_t MAX_INCREMENT = 10**15


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("no memory for an order")


cdef int disagree() except -1 nogil:
    with gil:
        raise AssertionError("engine and orders disagree")


cdef int to_units(int64_t mantissa, int exponent, int64_t increment, int increment_exponent,
                  int64_t* units) noexcept nogil:
    # A decimal as a count of increments. 0: done; 1: not a multiple; 2: out of range.
    cdef int shift = exponent - increment_exponent
    if shift > 0 and mantissa != 0:
        if shift > 18 or quorumbook_multiply_overflows(mantissa, POWERS[shift], &mantissa):
            return 2
    elif shift < 0 and mantissa != 0:
        if shift < -18 or mantissa % POWERS[-shift] != 0:
            return 1
        mantissa = mantissa // POWERS[-shift]
    if mantissa > MAX_MANTISSA or mantissa < -MAX_MANTISSA:
        return 2
    if increment != 1:
        if mantissa % increment != 0:
            return 1
        mantissa = mantissa // increment
    units[0] = mantissa
    return 0


cdef void to_exponent(int64_t* mantissa, int8_t* exponent, int8_t wanted) noexcept nogil:
    # The same decimal with the instrument's number of places; as it is when those cannot say it.
    cdef int shift = exponent[0] - wanted
    cdef int64_t moved
    if mantissa[0] != 0 and shift > 0:
        if shift > 18 or quorumbook_multiply_overflows(mantissa[0], POWERS[shift], &moved):
            return
        mantissa[0] = moved
    elif mantissa[0] != 0 and shift < 0:
        if shift < -18 or mantissa[0] % POWERS[-shift] != 0:
            return
        mantissa[0] = mantissa[0] // POWERS[-shift]
    exponent[0] = wanted


cdef uint8_t status_of(const Order* o) noexcept nogil:
    if o.cumulative_lots == o.quantity_lots:
        return c'2'
    if o.state == CLOSED:
        return c'C' if o.is_expired else c'4'
    return c'1' if o.cumulative_lots else c'0'


cdef class Executions(OrderPool):
    def __cinit__(self, Machine machine not None, Sessions sessions not None, MarketData feed not None,
                  BookUpdates updates not None) -> None:
        self.machine = machine
        self.sessions = sessions
        self.feed = feed
        self.capture = TradeCapture(sessions)
        self.memory = TradeMemory()
        self.updates = updates
        self.trades = []

    def __dealloc__(self) -> None:
        free(self.instruments)
        free(self.symbols.buckets)

    # ------------------------------------------------------------ instruments

    cdef int define(self, const InstrumentBody* body, const uint8_t* symbol) except -1:
        cdef Definition* definition = <Definition*> &self.command
        cdef Instrument made
        memset(&made, 0, sizeof(Instrument))
        made.price_increment = body.price_increment
        made.quantity_increment = body.quantity_increment
        made.price_exponent = body.price_exponent
        made.quantity_exponent = body.quantity_exponent
        made.symbol_length = body.symbol_length
        memcpy(made.symbol, symbol, body.symbol_length)
        self.judge(&made)
        memset(&self.command, 0, sizeof(Command))
        definition.kind = DEFINE
        definition.instrument = self.instrument_count
        definition.lot_lots = body.lot_lots
        definition.min_lots = body.min_lots
        definition.max_lots = body.max_lots
        definition.low_ticks = body.low_ticks
        definition.high_ticks = body.high_ticks
        definition.protection_ticks = body.protection_ticks
        self.machine.run(&self.command, 1)
        memset(&self.command, 0, sizeof(Command))
        if self.machine.reports()[0].kind != DEFINED:
            self.machine.clear_reports()
            raise ValueError(f"instrument {made.symbol[:made.symbol_length]!r}: the engine refuses its lot, "
                             "quantities, price limits or protection")
        self.machine.clear_reports()
        return self.add_instrument(&made)

    cdef int judge(self, const Instrument* made) except -1:
        cdef bytes name = made.symbol[:made.symbol_length]
        if self.instrument_of(made.symbol, made.symbol_length) >= 0:
            raise ValueError(f"instrument {name!r} is defined already")
        if not (1 <= made.price_increment <= MAX_INCREMENT and 1 <= made.quantity_increment <= MAX_INCREMENT):
            raise ValueError(f"instrument {name!r}: increments must be 1 to {MAX_INCREMENT} (mantissa)")
        if not (-18 <= made.price_exponent <= 18 and -18 <= made.quantity_exponent <= 18):
            raise ValueError(f"instrument {name!r}: the increments' exponents must be -18 to 18")
        return 0

    cdef int add_instrument(self, const Instrument* made) except -1:
        cdef Instrument* grown
        cdef uint32_t room
        if self.instrument_count == self.instrument_room:
            room = self.instrument_room * 2 if self.instrument_room else 16
            grown = <Instrument*> realloc(self.instruments, room * sizeof(Instrument))
            if grown == NULL:
                no_memory()
            self.instruments = grown
            self.instrument_room = room
        if not names_reserve(&self.symbols):
            no_memory()
        self.instruments[self.instrument_count] = made[0]
        self.feed.define(self.instrument_count, made.symbol[:made.symbol_length], made.price_increment,
                         made.price_exponent, made.quantity_increment, made.quantity_exponent)
        self.instrument_count += 1
        names_insert(&self.symbols, name_hash(made.symbol, made.symbol_length), self.instrument_count)
        return 0

    cdef int64_t instrument_of(self, const uint8_t* symbol, uint8_t length) noexcept nogil:
        # -1: unknown
        cdef uint32_t hash, position, number
        if self.last_instrument < self.instrument_count and self.is_called(self.last_instrument, symbol, length):
            return self.last_instrument
        hash = position = name_hash(symbol, length)
        while True:
            number = names_next(&self.symbols, hash, &position)
            if number == 0:
                return -1
            if self.is_called(number - 1, symbol, length):
                self.last_instrument = number - 1
                return self.last_instrument

    cdef bint is_called(self, uint32_t instrument, const uint8_t* symbol, uint8_t length) noexcept nogil:
        cdef const Instrument* known = &self.instruments[instrument]
        return same(known.symbol, known.symbol_length, symbol, length)

    # ------------------------------------------------------------ ExecutionReports

    cdef ExecutionFields* blank(self, Session* s, uint8_t msg_type, size_t strings) except NULL nogil:
        cdef ExecutionFields* fields = <ExecutionFields*> self.sessions.message(
            s, msg_type, sizeof(ExecutionFields) + strings
        )
        self.exec_id += 1
        fields.exec_id = self.exec_id
        fields.transact_time_ns = self.sessions.now_ns
        fields.price = EMPTY
        fields.fix_reason = NO_REASON
        return fields

    cdef void describe(self, ExecutionFields* fields, const Order* o) noexcept nogil:
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        fields.order_id = o.order_id
        fields.price_exponent = instrument.price_exponent
        fields.quantity_exponent = instrument.quantity_exponent
        if o.price_ticks != EMPTY:
            fields.price = o.price_ticks * instrument.price_increment
        fields.quantity = o.quantity_lots * instrument.quantity_increment
        fields.cumulative = o.cumulative_lots * instrument.quantity_increment
        fields.leaves = 0 if o.state == CLOSED else fields.quantity - fields.cumulative
        if o.cumulative_lots:
            fields.average_price = quorumbook_average(
                o.notional_low, o.notional_high, o.cumulative_lots, instrument.price_increment * AVERAGE_SCALE
            )
        fields.ord_status = status_of(o)
        fields.side = o.side
        fields.ord_type = o.ord_type
        fields.time_in_force = o.time_in_force
        fields.post_only = o.post_only

    cdef const char* words(self, int reason) noexcept nogil:
        return text_under_3(reason) if self.sessions.rules >= 3 else text_of(reason)

    cdef ExecutionFields* report(self, Session* s, const Order* o, uint8_t exec_type, int reason) except NULL nogil:
        if self.sessions.outbox.discards:
            number_message(s, self.sessions.now_ns)
            self.exec_id += 1
            return &self.unread
        return self._write_report(s, o, exec_type, reason)

    cdef ExecutionFields* _write_report(self, Session* s, const Order* o, uint8_t exec_type,
                                        int reason) except NULL nogil:
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef const char* text = self.words(reason)
        cdef size_t text_length = strlen(text), length = strings_length(o)
        cdef ExecutionFields* fields = self.blank(
            s, MSG_EXECUTION_REPORT, length + instrument.symbol_length + text_length
        )
        self.describe(fields, o)
        fields.exec_type = exec_type
        fields.reason_code = reason
        if exec_type == c'4' and self.sessions.rules >= 2:
            fields.restatement = restatement_of(reason)
        fields.cl_ord_id_length = o.cl_ord_id_length
        fields.orig_cl_ord_id_length = o.orig_cl_ord_id_length
        fields.account_length = o.account_length
        fields.parties_length = o.parties_length
        fields.symbol_length = instrument.symbol_length
        fields.text_length = <uint8_t> text_length
        put(put(put(<uint8_t*> (fields + 1), strings_of(o), length), instrument.symbol, instrument.symbol_length),
            <const uint8_t*> text, text_length)
        return fields

    # ------------------------------------------------------------ the engine

    cdef const Report* enter(self) except NULL nogil:
        cdef const Report* reports
        cdef size_t i, count
        self.told = 0
        self.machine.run_step(&self.command, PIECE, self.at_once)
        reports = self.machine.reports()
        count = self.machine.report_count()
        for i in range(1, count):       # the makers, while the taker is seen to
            if reports[i].kind == TRADE:
                expect_order(self, <uint32_t> reports[i].maker_client_ref)
        return reports

    cdef int leave(self, size_t told) except -1 nogil:
        cdef const Report* reports = self.machine.reports()
        cdef size_t i, count = self.machine.report_count()
        for i in range(told, count):
            self._tell(&reports[i])
        self.told += count
        self.feed.record(self.machine, reports, count, self.sessions.input_number, self.sessions.now_ns)
        if self.sessions.subscriptions.all.count:
            self.updates.note(reports, count)
        self.machine.clear_reports()
        return 0

    cdef int go_on(self) except -1 nogil:
        self.machine.work(PIECE, self.at_once - self.told)
        return self.leave(0)

    cdef int advance(self, int64_t time_ns) except -1 nogil:
        self.command.kind = ADVANCE
        self.command.expire_ns = time_ns
        self.enter()
        self.command.expire_ns = 0
        return self.leave(0)

    cdef int _tell(self, const Report* r) except -1 nogil:
        if r.kind == TRADE:
            return self._trade(r)
        if r.kind == CANCELLED:
            return self._cancelled(r)
        if r.kind == MASS_CANCELLED:
            return self.mass_cancelled(<uint64_t> r.quantity_lots)
        if r.kind == TRIGGERED:
            self.report(self.sessions.by_id(r.owner), self._order_of(r), c'L', 0)
        if r.kind == REDUCED or (r.kind == REPRICED and r.price_ticks != r.last_price_ticks):
            return self._restated(r)
        return 0

    cdef Order* _order_of(self, const Report* r) except NULL nogil:
        cdef Order* o = order_at(self, <uint32_t> r.client_ref)
        if o.state != OPEN or o.order_id != r.order_id or o.session != r.owner:
            disagree()
        return o

    cdef int mass_cancelled(self, uint64_t count) except -1 nogil:
        return 0

    cdef int _cancelled(self, const Report* r) except -1 nogil:
        cdef Order* o = self._order_of(r)
        cdef Session* s = self.sessions.by_id(o.session)
        o.is_expired = r.reason == EXPIRED or r.reason == END_OF_DAY
        o.state = CLOSED
        self.report(s, o, c'C' if o.is_expired else c'4',
                    self.mass_reason if r.reason == MASS_REQUESTED and self.mass_reason else r.reason)
        return close_order(self, s, <uint32_t> r.client_ref, o)

    cdef int _restated(self, const Report* r) except -1 nogil:
        cdef Order* o = self._order_of(r)
        o.price_ticks = r.price_ticks
        o.quantity_lots = r.quantity_lots
        self.report(self.sessions.by_id(o.session), o, c'D', r.reason).restatement = (
            RESTATED_PRICE if r.kind == REPRICED else RESTATED_BY_EXCHANGE)
        return 0

    cdef int _trade(self, const Report* r) except -1 nogil:
        cdef uint32_t slot = <uint32_t> r.maker_client_ref
        cdef Order* taker = self._order_of(r)
        cdef Order* maker = order_at(self, slot)
        cdef Session* s = self.sessions.by_id(r.owner)
        cdef Session* other = self.sessions.by_id(r.maker_owner)
        cdef bint at_once = r.command_kind != PHASE and r.command_kind != ADVANCE
        assert maker.state == OPEN and maker.order_id == r.maker_order_id and maker.session == r.maker_owner
        taker.cumulative_lots += r.last_lots
        maker.cumulative_lots += r.last_lots
        assert taker.cumulative_lots == r.cumulative_lots
        assert maker.quantity_lots - maker.cumulative_lots == r.maker_leaves_lots
        quorumbook_add_notional(&taker.notional_low, &taker.notional_high, r.last_price_ticks, r.last_lots)
        quorumbook_add_notional(&maker.notional_low, &maker.notional_high, r.last_price_ticks, r.last_lots)
        if self.sessions.rules >= 2:
            self.updates.set_last_trade(taker.instrument, r.last_price_ticks, r.last_lots, self.sessions.now_ns)
        self._fill(s, taker, r, c'2' if at_once else 0)
        self._fill(other, maker, r, c'1' if at_once else 0)
        if self.sessions.rules >= 3:
            self._remember(r, taker, maker)
        if self.record_trades:
            self._record(s, taker, maker, r)
        if r.maker_leaves_lots == 0:
            close_order(self, other, slot, maker)
        if r.leaves_lots == 0:
            close_order(self, s, <uint32_t> r.client_ref, taker)
        return 0

    cdef int _fill(self, Session* s, const Order* o, const Report* r, uint8_t liquidity) except -1 nogil:
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef ExecutionFields* fields = self.report(s, o, c'F', 0)
        fields.trade_id = r.trade_id
        fields.last_price = r.last_price_ticks * instrument.price_increment
        fields.last_quantity = r.last_lots * instrument.quantity_increment
        fields.maker_taker = liquidity
        if s.trade_request_length:
            return self._capture(s, o, r.trade_id, r.last_price_ticks, r.last_lots, 0)
        return 0

    cdef int _remember(self, const Report* r, const Order* taker, const Order* maker) except -1 nogil:
        # Right behind the reports of its two fills.
        cdef PastTrade* trade = self.memory.next(r.trade_id)
        trade.price_ticks = r.last_price_ticks
        trade.lots = r.last_lots
        trade.time_ns = self.sessions.now_ns
        trade.instrument = r.instrument
        trade.taker.order_id = r.order_id
        trade.taker.exec_id = self.exec_id - 1
        trade.taker.session = r.owner
        trade.taker.slot = <uint32_t> r.client_ref
        trade.taker.side = taker.side
        trade.maker.order_id = r.maker_order_id
        trade.maker.exec_id = self.exec_id
        trade.maker.session = r.maker_owner
        trade.maker.slot = <uint32_t> r.maker_client_ref
        trade.maker.side = maker.side
        return 0

    cdef int bust(self, uint64_t trade_id) except -1 nogil:
        cdef PastTrade* trade = self.memory.find(trade_id)
        if trade == NULL:
            return UNKNOWN_TRADE
        if trade.is_busted:
            return TRADE_IS_BUSTED
        trade.is_busted = 1
        self._tell_bust(trade, &trade.taker)
        self._tell_bust(trade, &trade.maker)
        self.updates.bust(trade.instrument, trade.trade_id, trade.price_ticks, trade.lots)
        return self.feed.bust(trade.instrument, trade.trade_id, trade.price_ticks, trade.lots,
                              self.sessions.input_number, self.sessions.now_ns)

    cdef int _tell_bust(self, const PastTrade* trade, const TradeSide* one) except -1 nogil:
        # Of an order that is forgotten there is its OrderID, and nothing of it is open.
        cdef Session* s = self.sessions.by_id(one.session)
        cdef const Instrument* instrument = &self.instruments[trade.instrument]
        cdef const Order* o = order_at(self, one.slot)
        cdef bint is_known = o.order_id == one.order_id and (o.state == OPEN or o.state == CLOSED)
        cdef ExecutionFields* fields
        if is_known:
            fields = self.report(s, o, c'H', 0)
        else:
            fields = self.blank(s, MSG_EXECUTION_REPORT, instrument.symbol_length)
            fields.order_id = one.order_id
            fields.exec_type = c'H'
            fields.ord_status = c'4'
            fields.side = one.side
            fields.price_exponent = instrument.price_exponent
            fields.quantity_exponent = instrument.quantity_exponent
            fields.symbol_length = instrument.symbol_length
            put(<uint8_t*> (fields + 1), instrument.symbol, instrument.symbol_length)
        fields.trade_id = trade.trade_id
        fields.last_price = trade.price_ticks * instrument.price_increment
        fields.last_quantity = trade.lots * instrument.quantity_increment
        fields.affected = one.exec_id
        if s.trade_request_length and is_known:
            return self._capture(s, o, trade.trade_id, trade.price_ticks, trade.lots, one.exec_id)
        return 0

    cdef int _capture(self, Session* s, const Order* o, uint64_t trade_id, int64_t price_ticks, int64_t lots,
                      uint64_t ref_exec_id) except -1 nogil:
        # A TradeCaptureReport of the fill that was reported last, or of its end.
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef Fill fill
        fill.exec_id = self.exec_id
        fill.ref_exec_id = ref_exec_id
        fill.trade_id = trade_id
        fill.price = price_ticks * instrument.price_increment
        fill.quantity = lots * instrument.quantity_increment
        fill.price_exponent = instrument.price_exponent
        fill.quantity_exponent = instrument.quantity_exponent
        fill.symbol = instrument.symbol
        fill.symbol_length = instrument.symbol_length
        return self.capture.report(s, o, &fill)

    cdef int _record(self, const Session* s, const Order* taker, const Order* maker, const Report* r) except -1 nogil:
        cdef const Instrument* instrument = &self.instruments[taker.instrument]
        with gil:
            self.trades.append((
                self.sessions.input_number, self.sessions.now_ns,
                taker.session, strings_of(taker)[:taker.cl_ord_id_length].decode("latin-1"),
                maker.session, strings_of(maker)[:maker.cl_ord_id_length].decode("latin-1"),
                instrument.symbol[:instrument.symbol_length].decode("latin-1"), r.last_price_ticks, r.last_lots,
            ))
        return 0
