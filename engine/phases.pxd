# The phases of an instrument: see phases.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.places cimport time_in_force_of
from engine.state cimport Books
from engine.store cimport Order
from engine.types cimport AT_CLOSE, CLOSING_AUCTION, GOOD_FOR_AUCTION, PRE_OPEN

cdef enum PhaseStep:        # of Work.phase_step
    NO_PHASE_STEP = 0
    CROSSING = 1            # the price of the auction is found
    ENTERING = 2
    UNCROSSING = 3          # trades at that price
    AFTER_AUCTION = 4       # what took part in it only is cancelled
    END_TIMES = 5           # at-open orders, and at the close those for the day
    ADMITTING = 6           # orders that waited for an auction come into its book

cdef inline bint collects(uint8_t phase) noexcept nogil:
    return PRE_OPEN <= phase <= CLOSING_AUCTION

cdef inline bint waits_for(const Order* order, uint8_t phase) noexcept nogil:
    """Whether an order for an auction is kept apart in this phase."""
    if time_in_force_of(order) == AT_CLOSE:
        return phase != CLOSING_AUCTION
    return time_in_force_of(order) == GOOD_FOR_AUCTION and not collects(phase)

# Begin a phase; what it brings is done when Work.phase_step is NO_PHASE_STEP and Work.after_step NOTHING_AFTER. It ends
# at until_ns, and told_ns is said of that.
cdef int enter_phase(
    Books* books, uint32_t instrument, uint8_t phase, uint8_t next_phase, int64_t until_ns, int64_t told_ns
) except -1 nogil
cdef int step_phase(Books* books) except -1 nogil
# Outside continuous trading an order waits without trading: in the auction's book, or apart from it.
cdef int collect(Books* books, uint32_t slot) except -1 nogil
