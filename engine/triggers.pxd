# What follows an input: stops that were reached, and pegs that follow the touch: see triggers.pyx.

from libc.stdint cimport int64_t, uint32_t

from engine.state cimport Books, Prices

cdef enum AfterStep:        # of Work.after_step
    NOTHING_AFTER = 0
    STOPS = 1               # elected stops run; then pegs follow
    PEGS = 2
    STOPS_AGAIN = 3         # that the pegs have reached

# Begin what follows an input that found these prices. It is done when Work.after_step is NOTHING_AFTER.
cdef void begin_aftermath(Books* books, uint32_t instrument, const Prices* before) noexcept nogil
cdef int step_aftermath(Books* books) except -1 nogil
# A pegged order that is in no place arrives. The slot is free again when nothing is left of it.
cdef int place_peg(Books* books, uint32_t slot) except -1 nogil
# What a stop of a side is tested against; EMPTY_PRICE = nothing.
cdef int64_t tested(const Books* books, uint32_t instrument, uint32_t side, const Prices* prices) noexcept nogil
# A stop at a distance from a price; EMPTY_PRICE: int64 has none.
cdef int64_t trailing_stop(uint32_t side, int64_t price, int64_t offset) noexcept nogil
