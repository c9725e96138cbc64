# Trailing stops that wait, kept by the price that they follow: see trails.pyx.

from libc.stdint cimport int64_t, uint32_t

from engine.ladder cimport key_of
from engine.state cimport Books, Market, Trail, side_of_order
from engine.store cimport Extra, Order

cdef extern from *:
    """
    #include <stdint.h>
    /* INT64_MIN, the absent price: int64 has no such one. */
    static inline int64_t qb_sum(int64_t a, int64_t b)
    {
        int64_t sum;
        return __builtin_add_overflow(a, b, &sum) ? INT64_MIN : sum;
    }
    static inline int64_t qb_difference(int64_t a, int64_t b)
    {
        int64_t difference;
        return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
    }
    """
    int64_t qb_sum(int64_t a, int64_t b) noexcept nogil
    int64_t qb_difference(int64_t a, int64_t b) noexcept nogil

cdef inline int64_t trailing_stop(uint32_t side, int64_t price, int64_t offset) noexcept nogil:
    """A stop at a distance from a price; EMPTY_PRICE: int64 has none."""
    return qb_sum(price, offset) if side == 0 else qb_difference(price, offset)

cdef inline Trail* trail_at(const Books* books, uint32_t number) noexcept nogil:
    return &(<Trail*>books.trails.records)[number]

cdef inline int64_t stop_of(const Books* books, const Order* order, const Extra* extra) noexcept nogil:
    """The stop price of any order; EMPTY_PRICE = none."""
    if extra.trail == 0:
        return extra.stop_price_ticks
    return trailing_stop(side_of_order(order), trail_at(books, extra.trail).from_ticks, extra.offset_ticks)

cdef inline bint lags(const Market* market, uint32_t side, int64_t price) noexcept nogil:
    """Whether a price is better than one that trailing stops follow from."""
    return market.trails[side].best != 0 and market.trails[side].best_key < key_of(price, side)

# A trailing stop begins to wait, at its stop price; and does not wait any more. O(1)
cdef int join_trail(Books* books, uint32_t slot) except -1 nogil
cdef int leave_trail(Books* books, uint32_t slot) except -1 nogil
# Follow a price that `lags`, one step. When it lags no more, all stops are where they belong.
cdef int follow(Books* books, uint32_t instrument, uint32_t side, int64_t price) except -1 nogil
