# The price of an auction, found as work: see auction.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.state cimport Books, Crossing

cdef struct Outcome:        # of an auction
    int64_t price_ticks     # EMPTY_PRICE: nothing would trade
    uint64_t volume_low     # 128 bits
    uint64_t volume_high
    uint64_t surplus_low    # of buyers, above 0; two's complement
    uint64_t surplus_high

cdef void begin_crossing(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil
# Look at so many prices more. True: it is done.
cdef bint cross(const Books* books, uint32_t instrument, Crossing* crossing, int64_t looks) noexcept nogil
# What an auction would come out as, when it is done.
cdef void outcome_of(const Books* books, uint32_t instrument, const Crossing* crossing, Outcome* outcome) noexcept nogil
# The same at once. O(levels that could trade)
cdef void auction(const Books* books, uint32_t instrument, Outcome* outcome) noexcept nogil
