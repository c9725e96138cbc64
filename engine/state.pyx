"""The whole state: opened, copied, measured and closed, and what seldom grows in it.

A Books belongs to whoever opened it. No function takes the GIL but to raise
MemoryError; where there is no `except`, out of memory is a return value.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t
from libc.string cimport memcpy, memset

from engine.index cimport Bucket, index_close, index_copy, index_open, index_widen
from engine.ladder cimport nodes_bytes, nodes_close, nodes_copy, nodes_open
from engine.store cimport Order, block_resize, pool_close, pool_copy, pool_open, pool_take
from engine.types cimport EMPTY_PRICE, RULES_VERSION

cdef enum:
    FIRST_REPORTS = 16
    FIRST_INSTRUMENTS = 1

cdef int books_open(Books* books) noexcept nogil:
    """An empty state. The struct is overwritten."""
    memset(books, 0, sizeof(Books))
    if (
        pool_open(&books.orders, sizeof(Order)) < 0 or nodes_open(&books.nodes) < 0
        or index_open(&books.index) < 0
    ):
        books_close(books)
        return -1
    books.rules = RULES_VERSION
    return 0

cdef void books_close(Books* books) noexcept nogil:
    pool_close(&books.orders)
    nodes_close(&books.nodes)
    index_close(&books.index)
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
    if (
        pool_copy(&books.orders, &other.orders) < 0 or nodes_copy(&books.nodes, &other.nodes) < 0
        or index_copy(&books.index, &other.index) < 0
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

cdef size_t books_bytes(const Books* books) noexcept nogil:
    """Bytes in use: slots that were ever given out, indexes, instruments, room for reports."""
    return (
        books.orders.top * sizeof(Order) + nodes_bytes(&books.nodes)
        + books.index.buckets * sizeof(Bucket)
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

cdef bint add_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil:
    """Add an instrument with the next number. False: the terms contradict each other, nothing was added."""
    cdef uint32_t capacity
    cdef void* block
    cdef Instrument* book
    cdef int64_t empty = EMPTY_PRICE()
    if lot < 1 or least < 1 or most < least or protection < -1 or (low != empty and high != empty and low > high):
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
    book.lot_lots = lot
    book.min_lots = least
    book.max_lots = most
    book.low_ticks = low
    book.high_ticks = high
    book.lowest_ticks = INT64_MIN + 1 if low == empty else low
    book.highest_ticks = INT64_MAX if high == empty else high
    book.protection_ticks = protection
    books.instrument_count += 1
    return True
