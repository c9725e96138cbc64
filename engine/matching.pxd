# Matching where more than the plain rules hold: see matching.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.state cimport Books

cdef enum MatchStep:        # of Work.match_step
    NO_MATCH = 0
    COUNTING = 1            # whether there is as much as it must have at once
    TRADING = 2
    SHARING = 3             # the shares of a level
    SHARED = 4              # trades by them
    FINISHING = 5           # trading was halted

# An order that is in no place begins to meet the other side; what is left of it rests or is cancelled. minimum: lots
# that must trade at once, 0 = any. It is done when Work.match_step is NO_MATCH, which may be now; the slot is free
# then when nothing is left.
cdef int begin_match(Books* books, uint32_t slot, int64_t minimum) except -1 nogil
# The same of one that has begun to, by the plain rules, within a limit that was found then.
cdef int go_on_matching(Books* books, uint32_t slot, int64_t limit) except -1 nogil
cdef int step_match(Books* books) except -1 nogil
# The order is reported as cancelled, and dead.
cdef int close_order(Books* books, uint32_t slot, uint64_t reason) except -1 nogil
# A pegged order that is in no place is parked.
cdef int unpeg(Books* books, uint32_t slot) except -1 nogil
# The pegs of an instrument that are in the book begin to be: without continuous trading there is no touch to follow. It
# is done when Work.park_step is 0.
cdef int begin_park(Books* books, uint32_t instrument) except -1 nogil
cdef int step_park(Books* books) except -1 nogil
# When what lasts so long from a time on is over. A time that int64 cannot tell never comes: 0, until told otherwise.
cdef int64_t later(int64_t time_ns, int64_t lasts_ns) noexcept nogil
# What is shown of an order in the book after a fill: nothing left, the same slice, or the next.
cdef int after_fill(Books* books, uint32_t slot) except -1 nogil
# The first order that one of this limit meets; 0 = none.
cdef uint32_t next_maker(const Books* books, uint32_t instrument, uint32_t side, int64_t limit) noexcept nogil
