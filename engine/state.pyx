"""The whole state: opened, copied, measured and closed, and what seldom grows in it.

A Books belongs to whoever opened it. No function takes the GIL but to raise
MemoryError; where there is no `except`, out of memory is a return value.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t
from libc.string cimport memcpy, memset

from engine.events cimport BookEvent
from engine.index cimport Bucket, index_close, index_copy, index_open, index_widen
from engine.ladder cimport nodes_bytes, nodes_close, nodes_copy, nodes_open
from engine.store cimport (
    Extra, Increment, LevelExtra, Order, Timer, block_resize, pool_close, pool_copy, pool_open, pool_take,
)
from engine.types cimport EMPTY_PRICE, RULES_VERSION

cdef enum:
    FIRST_REPORTS = 16
    FIRST_INSTRUMENTS = 1

cdef int books_open(Books* books) noexcept nogil:
    """An empty state. The struct is overwritten."""
    memset(books, 0, sizeof(Books))
    if (
        pool_open(&books.orders, sizeof(Order)) < 0 or nodes_open(&books.nodes) < 0
        or index_open(&books.index) < 0 or open_lists(books) < 0
    ):
        books_close(books)
        return -1
    books.rules = RULES_VERSION
    return 0

cdef int open_lists(Books* books) noexcept nogil:
    """What is there for orders that are more than plain ones."""
    return -1 if (
        pool_open(&books.extras, sizeof(Extra)) < 0 or pool_open(&books.level_extras, sizeof(LevelExtra)) < 0
        or pool_open(&books.trails, sizeof(Trail)) < 0 or pool_open(&books.markets, sizeof(Market)) < 0
        or pool_open(&books.increments, sizeof(Increment)) < 0 or pool_open(&books.tables, sizeof(uint32_t)) < 0
        or pool_open(&books.timers, sizeof(Timer)) < 0 or open_work(books) < 0
    ) else 0

cdef int open_work(Books* books) noexcept nogil:
    """The lists that are empty between commands."""
    return -1 if (
        pool_open(&books.list, sizeof(Listed)) < 0 or pool_open(&books.merged, sizeof(Listed)) < 0
        or pool_open(&books.runs, sizeof(uint32_t)) < 0 or pool_open(&books.touched, sizeof(Prices)) < 0
        or pool_open(&books.moving, sizeof(Moving)) < 0 or pool_open(&books.elected, sizeof(Listed)) < 0
        or pool_open(&books.shares, sizeof(Share)) < 0 or pool_open(&books.events, sizeof(BookEvent)) < 0
        or open_aside(&books.aside) < 0
    ) else 0

cdef int open_aside(Aside* aside) noexcept nogil:
    return -1 if (
        pool_open(&aside.list, sizeof(Listed)) < 0 or pool_open(&aside.merged, sizeof(Listed)) < 0
        or pool_open(&aside.runs, sizeof(uint32_t)) < 0 or pool_open(&aside.touched, sizeof(Prices)) < 0
        or pool_open(&aside.moving, sizeof(Moving)) < 0 or pool_open(&aside.elected, sizeof(Listed)) < 0
        or pool_open(&aside.shares, sizeof(Share)) < 0
    ) else 0

cdef void close_aside(Aside* aside) noexcept nogil:
    pool_close(&aside.list)
    pool_close(&aside.merged)
    pool_close(&aside.runs)
    pool_close(&aside.touched)
    pool_close(&aside.moving)
    pool_close(&aside.elected)
    pool_close(&aside.shares)

cdef void books_close(Books* books) noexcept nogil:
    pool_close(&books.orders)
    nodes_close(&books.nodes)
    index_close(&books.index)
    pool_close(&books.extras)
    pool_close(&books.level_extras)
    pool_close(&books.trails)
    pool_close(&books.markets)
    pool_close(&books.increments)
    pool_close(&books.tables)
    pool_close(&books.timers)
    pool_close(&books.list)
    pool_close(&books.merged)
    pool_close(&books.runs)
    pool_close(&books.touched)
    pool_close(&books.moving)
    pool_close(&books.elected)
    pool_close(&books.shares)
    pool_close(&books.events)
    close_aside(&books.aside)
    if books.instruments != NULL:
        block_resize(books.instruments, books.instrument_capacity * sizeof(Instrument), 0)
    if books.reports != NULL:
        block_resize(books.reports, books.report_capacity * sizeof(Report), 0)
    memset(books, 0, sizeof(Books))

cdef int books_copy(Books* books, const Books* other) noexcept nogil:
    """Make `books`, which is not open, a copy of `other`, without the reports that wait. O(bytes)."""
    memset(books, 0, sizeof(Books))
    books.rules = other.rules
    books.time_ns = other.time_ns
    books.commands = other.commands
    books.last_order_id = other.last_order_id
    books.last_trade_id = other.last_trade_id
    books.slices = other.slices
    books.sequence = other.sequence
    books.special = other.special
    if (
        pool_copy(&books.orders, &other.orders) < 0 or nodes_copy(&books.nodes, &other.nodes) < 0
        or index_copy(&books.index, &other.index) < 0 or copy_lists(books, other) < 0
    ):
        books_close(books)
        return -1
    if other.instrument_count:
        books.instruments = <Instrument*>block_resize(NULL, 0, other.instrument_count * sizeof(Instrument))
        if books.instruments == NULL:
            books_close(books)
            return -1
        books.instrument_capacity = other.instrument_count
        books.instrument_count = other.instrument_count
        memcpy(books.instruments, other.instruments, other.instrument_count * sizeof(Instrument))
    return 0

cdef int copy_lists(Books* books, const Books* other) noexcept nogil:
    return -1 if (
        pool_copy(&books.extras, &other.extras) < 0 or pool_copy(&books.level_extras, &other.level_extras) < 0
        or pool_copy(&books.trails, &other.trails) < 0 or pool_copy(&books.markets, &other.markets) < 0
        or pool_copy(&books.increments, &other.increments) < 0 or pool_copy(&books.tables, &other.tables) < 0
        or pool_copy(&books.timers, &other.timers) < 0 or open_work(books) < 0
    ) else 0

cdef size_t books_bytes(const Books* books) noexcept nogil:
    """Bytes in use: slots that were ever given out, indexes, instruments, room for reports."""
    return (
        books.orders.top * sizeof(Order) + nodes_bytes(&books.nodes)
        + books.index.buckets * sizeof(Bucket)
        + books.extras.top * sizeof(Extra) + books.level_extras.top * sizeof(LevelExtra)
        + books.trails.top * sizeof(Trail) + books.markets.top * sizeof(Market) + books.timers.top * sizeof(Timer)
        + books.instrument_capacity * sizeof(Instrument) + books.report_capacity * sizeof(Report)
    )

cdef uint32_t add_order(Books* books) noexcept nogil:
    """A slot that was never given out, and its buckets; 0 = out of memory."""
    cdef uint32_t slot = pool_take(&books.orders, sizeof(Order))
    return slot if slot and index_widen(&books.index, <Order*>books.orders.records) == 0 else 0

cdef int grow_reports(Books* books, size_t more) except -1 nogil:
    """Room for `more` reports, at least twice as much as before."""
    cdef size_t capacity = books.report_capacity if books.report_capacity else FIRST_REPORTS
    cdef void* block
    while capacity - books.report_count < more:
        capacity *= 2
    block = block_resize(books.reports, books.report_capacity * sizeof(Report), capacity * sizeof(Report))
    if block == NULL:
        raise MemoryError("no memory for reports")
    books.reports = <Report*>block
    books.report_capacity = capacity
    return 0

cdef bint terms_are_valid(
    int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) noexcept nogil:
    """Whether the terms of an instrument do not contradict each other."""
    cdef int64_t empty = EMPTY_PRICE()
    return (
        lot >= 1 and least >= 1 and most >= least and protection >= -1
        and (low == empty or high == empty or low <= high)
    )

cdef void set_terms(
    Instrument* book, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) noexcept nogil:
    cdef int64_t empty = EMPTY_PRICE()
    book.lot_lots = lot
    book.min_lots = least
    book.max_lots = most
    book.low_ticks = low
    book.high_ticks = high
    book.lowest_ticks = INT64_MIN + 1 if low == empty else low
    book.highest_ticks = INT64_MAX if high == empty else high
    book.protection_ticks = protection

cdef bint add_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil:
    """Add an instrument with the next number. False: the terms contradict each other, nothing was added."""
    cdef uint32_t capacity
    cdef void* block
    cdef Instrument* book
    if not terms_are_valid(lot, least, most, low, high, protection):
        return False
    if books.instrument_count == books.instrument_capacity:
        if books.instrument_capacity >= <uint32_t>0x80000000:
            raise MemoryError("no more instruments")
        capacity = books.instrument_capacity * 2 if books.instrument_capacity else FIRST_INSTRUMENTS
        block = block_resize(
            books.instruments, books.instrument_capacity * sizeof(Instrument), capacity * sizeof(Instrument)
        )
        if block == NULL:
            raise MemoryError("no memory for another instrument")
        books.instruments = <Instrument*>block
        books.instrument_capacity = capacity
    book = &books.instruments[books.instrument_count]
    memset(book, 0, sizeof(Instrument))
    set_terms(book, lot, least, most, low, high, protection)
    book.last_ticks = EMPTY_PRICE()
    books.instrument_count += 1
    classify(books, books.instrument_count - 1)
    return True

cdef uint32_t take_market(Books* books) except 0 nogil:
    cdef uint32_t slot = pool_take(&books.markets, sizeof(Market))
    if slot == 0:
        raise MemoryError("no memory for what an instrument needs beyond a book")
    return slot

cdef Market* make_market(Books* books, uint32_t instrument) except NULL nogil:
    cdef uint32_t slot = take_market(books)
    cdef Market* market
    cdef int i
    books.instruments[instrument].market = slot
    market = market_of(books, instrument)
    memset(market, 0, sizeof(Market))
    market.instrument = instrument
    market.reference_ticks = EMPTY_PRICE()
    market.static_ticks = market.dynamic_ticks = market.distance_ticks = market.max_notional = -1
    for i in range(4):
        market.seen[i] = EMPTY_PRICE()
    return market

cdef bint is_special(const Market* market) noexcept nogil:
    return (
        market.extras or market.phase or market.is_delisted or market.algorithm or market.tick_table
        or market.breaker_bp or market.static_ticks >= 0 or market.dynamic_ticks >= 0
        or market.distance_ticks >= 0 or market.max_notional >= 0
    )

cdef void classify(Books* books, uint32_t instrument) noexcept nogil:
    """Say which limit orders need the plain rules only.

    From version 3 on price times quantity fits int64: within 2**31 and 2**32 it always does, beyond it is looked at.
    """
    cdef Instrument* book = &books.instruments[instrument]
    cdef bint special = book.market != 0 and is_special(market_of(books, instrument))
    books.special = books.special + special - book.is_special
    book.is_special = special
    book.plain_least_lots = book.min_lots
    book.plain_most_lots = 0 if special or book.lot_lots != 1 else book.max_lots
    book.plain_lowest_ticks = book.lowest_ticks
    book.plain_highest_ticks = book.highest_ticks
    if books.rules >= 3:
        book.plain_most_lots = min(book.plain_most_lots, PLAIN_LOTS)
        book.plain_lowest_ticks = max(book.plain_lowest_ticks, -PLAIN_TICKS)
        book.plain_highest_ticks = min(book.plain_highest_ticks, PLAIN_TICKS)

cdef void set_rules(Books* books, uint32_t rules) noexcept nogil:
    """What earlier rules had no use for is not known to a machine that was restored: it begins with them."""
    cdef uint32_t number
    if books.rules < 3 <= rules:
        for number in range(books.instrument_count):
            books.instruments[number].last_ticks = EMPTY_PRICE()
    books.rules = rules
    for number in range(books.instrument_count):
        classify(books, number)
