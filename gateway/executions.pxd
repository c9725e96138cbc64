# Instruments, and what the engine's reports make of orders: their new state and the ExecutionReports that say so.

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from engine.machine cimport Machine
from engine.types cimport Command, Report
from gateway.book_updates cimport BookUpdates
from gateway.market_data cimport MarketData
from gateway.names cimport NameIndex
from gateway.order_pool cimport Order, OrderPool
from gateway.records cimport ExecutionFields, InstrumentBody
from gateway.session cimport Session, Sessions
from gateway.trade_capture cimport TradeCapture
from gateway.trade_memory cimport PastTrade, TradeMemory, TradeSide

cdef enum:
    PIECE = 256                 # orders, or steps of the engine, in one piece of work; fixes how reports group

cdef struct Instrument:
    int64_t price_increment     # mantissa; 1 .. 10**15
    int64_t quantity_increment
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t symbol_length
    uint8_t symbol[32]
    uint32_t schedule           # that it follows, in the order of Operations.schedules from 1 on; 0 = none

cdef class Executions(OrderPool):
    cdef Machine machine
    cdef Sessions sessions
    cdef MarketData feed
    cdef TradeCapture capture
    cdef TradeMemory memory
    cdef BookUpdates updates
    cdef Instrument* instruments
    cdef uint32_t instrument_count
    cdef uint32_t instrument_room
    cdef NameIndex symbols      # symbol -> instrument + 1
    cdef uint32_t last_instrument   # that was looked up: often the next one, too
    cdef uint64_t exec_id       # last given out
    cdef ExecutionFields unread     # stands for the reports that nobody reads
    cdef size_t at_once         # reports of a command, after which the engine stops,
    cdef size_t told            # and those since it was entered, stopped or taken up
    cdef Command command        # scratch; every byte is zero that no function here sets
    cdef int mass_reason        # of the orders that a mass cancel takes; 0: the engine's
    cdef bint record_trades
    cdef list trades

    cdef int define(self, const InstrumentBody* body, const uint8_t* symbol) except -1
    cdef int judge(self, const Instrument* made) except -1      # ValueError: there can be no such instrument
    cdef int add_instrument(self, const Instrument* made) except -1     # the next one; the engine has it already
    cdef int64_t instrument_of(self, const uint8_t* symbol, uint8_t length) noexcept nogil  # -1: unknown
    cdef bint is_called(self, uint32_t instrument, const uint8_t* symbol, uint8_t length) noexcept nogil

    # One command into the engine. Its first report, and what follows of it so far, hold until leave.
    cdef const Report* enter(self) except NULL nogil
    # Everybody learns what the reports from the index `told` on say of their orders, and the feed of all.
    cdef int leave(self, size_t told) except -1 nogil
    # The next piece of what the command left to do. Nothing else is applied before the engine has done all of it.
    cdef int go_on(self) except -1 nogil
    # What comes due in the engine up to then.
    cdef int advance(self, int64_t time_ns) except -1 nogil
    cdef int mass_cancelled(self, uint64_t count) except -1 nogil   # the engine's mass cancel was done
    cdef const char* words(self, int reason) noexcept nogil         # Text (58)
    cdef int _tell(self, const Report* r) except -1 nogil
    cdef Order* _order_of(self, const Report* r) except NULL nogil  # which must be open
    cdef int _cancelled(self, const Report* r) except -1 nogil
    cdef int _restated(self, const Report* r) except -1 nogil

    # An ExecutionReport of an order as it stands, to its session; `reason` 0 = none (else 20002 and 58).
    cdef ExecutionFields* report(self, Session* s, const Order* o, uint8_t exec_type, int reason) except NULL nogil
    cdef ExecutionFields* _write_report(self, Session* s, const Order* o, uint8_t exec_type,
                                        int reason) except NULL nogil
    # The same record with strings of the caller's; they are written by `put` at the returned fields + 1.
    cdef ExecutionFields* blank(self, Session* s, uint8_t msg_type, size_t strings) except NULL nogil
    cdef void describe(self, ExecutionFields* fields, const Order* o) noexcept nogil

    cdef int _trade(self, const Report* r) except -1 nogil
    # A trade is void: both sides are told, and the feed. Quantities of orders stay. 0, or why not.
    cdef int bust(self, uint64_t trade_id) except -1 nogil
    cdef int _tell_bust(self, const PastTrade* trade, const TradeSide* one) except -1 nogil
    cdef int _remember(self, const Report* r, const Order* taker, const Order* maker) except -1 nogil
    cdef int _fill(self, Session* s, const Order* o, const Report* r, uint8_t liquidity) except -1 nogil
    cdef int _capture(self, Session* s, const Order* o, uint64_t trade_id, int64_t price_ticks, int64_t lots,
                      uint64_t ref_exec_id) except -1 nogil
    cdef int _record(self, const Session* s, const Order* taker, const Order* maker,
                     const Report* r) except -1 nogil

cdef int to_units(int64_t mantissa, int exponent, int64_t increment, int increment_exponent,
                  int64_t* units) noexcept nogil
cdef void to_exponent(int64_t* mantissa, int8_t* exponent, int8_t wanted) noexcept nogil
cdef uint8_t status_of(const Order* o) noexcept nogil   # OrdStatus (39)
