# The rules: one command in, its reports out, over the books of all instruments.
#
# Books is the whole state of a machine as one struct; machine.pyx owns it.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.index cimport Index
from engine.ladder cimport Ladder
from engine.store cimport Order, Pool
from engine.types cimport Command, Report

cdef struct Instrument:     # 128 bytes, two cache lines: what an instrument with an empty book costs
    Ladder sides[2]         # BUY, SELL: all that a cancel touches
    int64_t lot_lots        # round lot
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks       # EMPTY_PRICE = none
    int64_t high_ticks      # EMPTY_PRICE = none
    int64_t highest_ticks   # high_ticks, or INT64_MAX when there is none: what prices are compared with
    int64_t protection_ticks    # -1 = no limit
    int64_t reserved_120

cdef enum:
    REFS = 0
    IDS = 1

cdef struct Books:
    Pool orders             # Order
    Pool levels             # Level
    Pool branches           # Branch
    Index indexes[2]        # REFS: owner, client_ref -> Order; IDS: order_id -> Order
    Instrument* instruments
    uint32_t instrument_count
    uint32_t instrument_capacity
    int64_t time_ns
    uint64_t commands       # handed in so far
    uint64_t last_order_id
    uint64_t last_trade_id
    Report* reports         # not yet taken
    size_t report_count
    size_t report_capacity

# The first word of a Report: where its bytes are.
cdef enum:
    SIDE_BYTE = 8
    REASON_BYTE = 16
    ORDER_TYPE_BYTE = 24
    TIME_IN_FORCE_BYTE = 32
    FLAGS_BYTE = 40
    COMMAND_KIND_BYTE = 48
    KEPT_PRIORITY_BYTE = 56

# Order.traits: side, time in force, flags, capacity, a byte each from the lowest. Only limit orders rest.
cdef enum:
    TRAIT_TIME_IN_FORCE = 8
    TRAIT_FLAGS = 16
    TRAIT_CAPACITY = 24

cdef inline uint32_t side_of_order(const Order* order) noexcept nogil:
    return order.traits & 1

cdef int books_open(Books* books) noexcept nogil                        # -1: out of memory
cdef void books_close(Books* books) noexcept nogil
cdef int books_copy(Books* books, const Books* other) noexcept nogil    # -1: out of memory
cdef size_t books_bytes(const Books* books) noexcept nogil
cdef void expect_order(
    const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref, int stage
) noexcept nogil
cdef int run_commands(Books* books, const Command* commands, size_t count) except -1 nogil
cdef bint define_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil
cdef uint32_t find_order(const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref) noexcept nogil
cdef int rest_order(Books* books, uint32_t slot, uint32_t instrument, int64_t price) except -1 nogil
cdef int index_order(Books* books, uint32_t slot) except -1 nogil
