# The whole state of a machine as one struct, and where things are in it.
#
# machine.pyx owns it; book.pyx changes it by commands, snapshot.pyx fills it.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.index cimport Index
from engine.ladder cimport Ladder, Nodes, level_at, price_of
from engine.store cimport Order, Pool, pool_take_free
from engine.types cimport Command, Report

cdef struct Instrument:     # 128 bytes, two cache lines: what an instrument with an empty book costs
    Ladder sides[2]         # BUY, SELL: all that a cancel touches
    int64_t lot_lots        # round lot
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks       # EMPTY_PRICE = none
    int64_t high_ticks      # EMPTY_PRICE = none
    int64_t lowest_ticks    # low_ticks, or the least price there is; these two are what prices are compared with,
    int64_t highest_ticks   # high_ticks, or INT64_MAX; EMPTY_PRICE is below all
    int64_t protection_ticks    # -1 = no limit

cdef struct Books:
    Pool orders             # Order
    Nodes nodes             # what the ladders are made of
    Index index             # every order under both its names
    Instrument* instruments
    uint32_t instrument_count
    uint32_t instrument_capacity
    int64_t time_ns
    uint32_t rules          # the version that commands are judged by: the newest, unless the owner says another one
    uint64_t commands       # handed in so far
    uint64_t last_order_id
    uint64_t last_trade_id
    Report* reports         # not yet taken
    size_t report_count
    size_t report_capacity

# Order.traits: side, time in force, flags, capacity, a byte each from the lowest. Only limit orders rest.
cdef enum:
    TRAIT_TIME_IN_FORCE = 8
    TRAIT_FLAGS = 16
    TRAIT_CAPACITY = 24

cdef inline uint32_t side_of_order(const Order* order) noexcept nogil:
    return order.traits & 1

cdef inline Order* order_at(const Books* books, uint32_t slot) noexcept nogil:
    return &(<Order*>books.orders.records)[slot]

cdef inline int64_t price_at(const Books* books, const Order* order) noexcept nogil:
    return price_of(level_at(&books.nodes, order.level).key, side_of_order(order))

cdef inline bint price_is_allowed(const Instrument* book, int64_t price) noexcept nogil:
    return book.lowest_ticks <= price <= book.highest_ticks

# O(1). A slot for an order, and the buckets that its names need; 0 = out of memory.
cdef inline uint32_t take_order(Books* books) noexcept nogil:
    cdef uint32_t slot = pool_take_free(&books.orders, sizeof(Order))
    return slot if slot else add_order(books)

# O(1) amortised. Room for `more` reports.
cdef inline int reserve_reports(Books* books, size_t more) except -1 nogil:
    if books.report_capacity - books.report_count < more:
        grow_reports(books, more)
    return 0

cdef int books_open(Books* books) noexcept nogil                        # -1: out of memory
cdef void books_close(Books* books) noexcept nogil
cdef int books_copy(Books* books, const Books* other) noexcept nogil    # -1: out of memory
cdef size_t books_bytes(const Books* books) noexcept nogil
cdef uint32_t add_order(Books* books) noexcept nogil                    # 0: out of memory
cdef int grow_reports(Books* books, size_t more) except -1 nogil
cdef bint add_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil
