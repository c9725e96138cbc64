# Phases and auctions, a step at a time: see auction.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.state cimport Books
from engine.store cimport Order

cdef enum PhaseStep:        # of Work.phase_step
    NO_PHASE_STEP = 0
    UNCROSS = 1             # trades at one price
    AFTER_AUCTION = 2       # what took part in the auction only is cancelled
    END_TIMES = 3           # at-open orders, and at the close those for the day
    ADMIT = 4               # orders that waited for an auction come into its book

cdef struct Outcome:        # of an auction
    int64_t price_ticks     # EMPTY_PRICE: nothing would trade
    uint64_t volume_low     # 128 bits
    uint64_t volume_high
    uint64_t surplus_low    # of buyers, above 0; two's complement
    uint64_t surplus_high

cdef bint collects(uint8_t phase) noexcept nogil
# Whether an order for an auction is kept apart in this phase.
cdef bint waits_for(const Order* order, uint8_t phase) noexcept nogil
# What an auction now would come out as. O(levels that could trade)
cdef int auction(Books* books, uint32_t instrument, Outcome* outcome) except -1 nogil
# Begin a phase; what it brings is done when Work.phase_step is NO_PHASE_STEP and Work.after_step NOTHING_AFTER. It ends
# at until_ns, and told_ns is said of that.
cdef int enter_phase(
    Books* books, uint32_t instrument, uint8_t phase, uint8_t next_phase, int64_t until_ns, int64_t told_ns
) except -1 nogil
cdef int step_phase(Books* books) except -1 nogil
# Outside continuous trading an order waits without trading: in the auction's book, or apart from it.
cdef int collect(Books* books, uint32_t slot) except -1 nogil
# The live orders of an instrument, which has a market, by order id: Books.list from the slot that is returned on.
cdef uint32_t list_orders(Books* books, uint32_t instrument, bint plain_too) except 0 nogil
cdef uint32_t list_order(Books* books, uint32_t slot) except 0 nogil
