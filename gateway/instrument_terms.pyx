# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; instruments have numbers that were given out.
"""Terms of instruments between an OperatorRequest and the engine's commands. Holds no state, raises nothing."""

from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from engine.state cimport Books, Instrument as Book, Market, market_of
from engine.types cimport Definition, Protection
from gateway.executions cimport Instrument
from gateway.fields cimport Fields, fields_of, is_plain, next_field
from gateway.fix_values cimport parse_int
from gateway.operation_fields cimport (
    Asked, BREAKER_AUCTION, BREAKER_HALT, BREAKER_MOVE, DYNAMIC_BAND, HIGH_LIMIT_PRICE, LOW_LIMIT_PRICE,
    MATCH_ALGORITHM, MAX_NOTIONAL, MAX_TRADE_VOL, MIN_TRADE_VOL, PRICE_DISTANCE, PRICE_PROTECTION,
    PRO_RATA_MINIMUM, REFERENCE_PRICE, ROUND_LOT, STATIC_BAND, STOP_TRIGGER, TICK_FROM, TICK_SIZE, TICK_TABLE,
    TOP_ORDER, has, is_lifted, is_word, read_basis_points, read_choice, read_distance, read_flag, read_milliseconds,
    read_notional, read_number, read_price, read_quantity, refuse_field,
)
from gateway.records cimport MAX_SYMBOL

cdef enum:
    MOST_TABLES = 1000000       # more are not there
    MOST_BREAK_MS = 86400000    # a day


cdef bint is_symbol(const Fields* symbol) noexcept nogil:
    cdef size_t i
    if not 1 <= symbol.length <= MAX_SYMBOL or not is_plain(symbol.value, symbol.length) or is_word(symbol, b"*"):
        return False
    for i in range(symbol.length):
        if symbol.value[i] == c' ' or symbol.value[i] == c'|':
            return False
    return True


cdef void present_terms(const Books* books, Definition* terms) noexcept nogil:
    cdef const Book* book = &books.instruments[terms.instrument]
    cdef const Market* market = market_of(books, terms.instrument)
    terms.lot_lots = book.lot_lots
    terms.min_lots = book.min_lots
    terms.max_lots = book.max_lots
    terms.low_ticks = book.low_ticks
    terms.high_ticks = book.high_ticks
    terms.protection_ticks = book.protection_ticks
    terms.algorithm = market.algorithm
    terms.top_order = market.top_order
    terms.trigger = market.trigger
    terms.tick_table = market.tick_table
    terms.pro_rata_minimum_lots = market.pro_rata_minimum_lots


cdef bint are_terms(const Asked* asked) noexcept nogil:
    return (has(asked, ROUND_LOT) or has(asked, MIN_TRADE_VOL) or has(asked, MAX_TRADE_VOL)
            or has(asked, LOW_LIMIT_PRICE) or has(asked, HIGH_LIMIT_PRICE) or has(asked, PRICE_PROTECTION)
            or has(asked, MATCH_ALGORITHM) or has(asked, TOP_ORDER) or has(asked, PRO_RATA_MINIMUM)
            or has(asked, STOP_TRIGGER) or has(asked, TICK_TABLE)
            or is_lifted(asked, MAX_TRADE_VOL) or is_lifted(asked, LOW_LIMIT_PRICE)
            or is_lifted(asked, HIGH_LIMIT_PRICE) or is_lifted(asked, PRICE_PROTECTION))


cdef void read_terms(Asked* asked, const Instrument* of, Definition* terms) noexcept nogil:
    cdef int64_t table
    if is_lifted(asked, MAX_TRADE_VOL):
        terms.max_lots = INT64_MAX
    if is_lifted(asked, LOW_LIMIT_PRICE):
        terms.low_ticks = INT64_MIN
    if is_lifted(asked, HIGH_LIMIT_PRICE):
        terms.high_ticks = INT64_MIN
    if is_lifted(asked, PRICE_PROTECTION):
        terms.protection_ticks = -1
    read_quantity(asked, ROUND_LOT, of, &terms.lot_lots)
    read_quantity(asked, MIN_TRADE_VOL, of, &terms.min_lots)
    read_quantity(asked, MAX_TRADE_VOL, of, &terms.max_lots)
    read_price(asked, LOW_LIMIT_PRICE, of, &terms.low_ticks)
    read_price(asked, HIGH_LIMIT_PRICE, of, &terms.high_ticks)
    read_distance(asked, PRICE_PROTECTION, of, &terms.protection_ticks)
    if read_choice(asked, MATCH_ALGORITHM, b"PRICE_TIME", b"PRO_RATA", &terms.algorithm):
        terms.top_order &= terms.algorithm      # which is of pro-rata only
    read_flag(asked, TOP_ORDER, &terms.top_order)
    read_quantity(asked, PRO_RATA_MINIMUM, of, &terms.pro_rata_minimum_lots)
    read_choice(asked, STOP_TRIGGER, b"LAST_TRADE", b"OPPOSITE_BEST", &terms.trigger)
    if read_number(asked, TICK_TABLE, 0, MOST_TABLES, &table):
        terms.tick_table = <uint32_t> table


cdef void check_terms(Asked* asked, const Books* books, const Definition* terms) noexcept nogil:
    cdef const char* above_zero = b"a multiple of the quantity increment, above 0"
    cdef char tables[64]
    if terms.lot_lots < 1:
        refuse_field(asked, ROUND_LOT, above_zero)
    if terms.min_lots < 1:
        refuse_field(asked, MIN_TRADE_VOL, above_zero)
    if terms.max_lots < terms.min_lots:
        refuse_field(asked, MAX_TRADE_VOL, b"MinTradeVol (562) or more")
    if terms.max_lots < terms.lot_lots:
        refuse_field(asked, MAX_TRADE_VOL, b"RoundLot (561) or more")
    if terms.low_ticks != INT64_MIN and terms.high_ticks != INT64_MIN and terms.low_ticks > terms.high_ticks:
        refuse_field(asked, HIGH_LIMIT_PRICE, b"LowLimitPrice (20009) or more")
    if terms.top_order and not terms.algorithm:
        refuse_field(asked, TOP_ORDER, b"Y with MatchAlgorithm (20030) PRO_RATA only")
    if terms.tick_table >= books.tables.top:
        snprintf(tables, sizeof(tables), b"0, or the number of a tick table; there are %u",
                 <unsigned int> (books.tables.top - 1))
        refuse_field(asked, TICK_TABLE, tables)


cdef void present_protections(const Books* books, Protection* protection) noexcept nogil:
    cdef const Market* market = market_of(books, protection.instrument)
    protection.reference_ticks = INT64_MIN      # the one that there is
    protection.static_ticks = protection.dynamic_ticks = protection.distance_ticks = protection.max_notional = -1
    if books.instruments[protection.instrument].market:
        protection.static_ticks = market.static_ticks
        protection.dynamic_ticks = market.dynamic_ticks
        protection.distance_ticks = market.distance_ticks
        protection.max_notional = market.max_notional
        protection.breaker_bp = market.breaker_bp
        protection.halt_ns = market.halt_ns
        protection.auction_ns = market.auction_ns


cdef void read_protections(Asked* asked, const Instrument* of, Protection* protection) noexcept nogil:
    if is_lifted(asked, STATIC_BAND):
        protection.static_ticks = -1
    if is_lifted(asked, DYNAMIC_BAND):
        protection.dynamic_ticks = -1
    if is_lifted(asked, PRICE_DISTANCE):
        protection.distance_ticks = -1
    if is_lifted(asked, MAX_NOTIONAL):
        protection.max_notional = -1
    if is_lifted(asked, BREAKER_MOVE):
        protection.breaker_bp = 0
        protection.halt_ns = protection.auction_ns = 0
    read_price(asked, REFERENCE_PRICE, of, &protection.reference_ticks)
    read_distance(asked, STATIC_BAND, of, &protection.static_ticks)
    read_distance(asked, DYNAMIC_BAND, of, &protection.dynamic_ticks)
    read_distance(asked, PRICE_DISTANCE, of, &protection.distance_ticks)
    read_notional(asked, MAX_NOTIONAL, of, &protection.max_notional)
    read_basis_points(asked, BREAKER_MOVE, &protection.breaker_bp)
    read_milliseconds(asked, BREAKER_HALT, MOST_BREAK_MS, &protection.halt_ns)
    read_milliseconds(asked, BREAKER_AUCTION, MOST_BREAK_MS, &protection.auction_ns)


cdef void check_protections(Asked* asked, const Books* books, const Protection* protection) noexcept nogil:
    cdef const char* allowed = b"one with a ReferencePrice (20036), which the instrument has not"
    if protection.reference_ticks != INT64_MIN or market_of(books, protection.instrument).is_delisted:
        return
    if books.instruments[protection.instrument].market:
        if market_of(books, protection.instrument).reference_ticks != INT64_MIN:
            return
    if protection.static_ticks >= 0:
        refuse_field(asked, STATIC_BAND, allowed)
    if protection.breaker_bp:
        refuse_field(asked, BREAKER_MOVE, allowed)


cdef TickRows rows_of(const Asked* asked) noexcept nogil:
    # Before the first one, which begins with TickSize.
    cdef TickRows rows
    memset(&rows, 0, sizeof(TickRows))
    rows.field = fields_of(asked.text, asked.size)
    while next_field(&rows.field):
        if rows.field.tag == TICK_SIZE:
            return rows
    rows.field.tag = 0
    return rows


cdef bint next_row(Asked* asked, TickRows* rows) noexcept nogil:
    # The field that was read last is the row's TickSize, or the group has ended.
    if rows.field.tag != TICK_SIZE:
        return False
    rows.from_ticks = INT64_MIN
    if not parse_int(rows.field.value, rows.field.length, &rows.tick_ticks) or rows.tick_ticks < 1:
        refuse_field(asked, TICK_SIZE, b"a whole number of price increments, 1 or more")
        return False
    if not next_field(&rows.field):
        rows.field.tag = 0
    elif rows.field.tag == TICK_FROM:
        if not parse_int(rows.field.value, rows.field.length, &rows.from_ticks):
            refuse_field(asked, TICK_FROM, b"a whole number of price increments")
            return False
        if not next_field(&rows.field):
            rows.field.tag = 0
    return True
