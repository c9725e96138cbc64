# What follows an input: stops that were reached, and pegs that follow the touch: see triggers.pyx.

from libc.stdint cimport uint32_t

from engine.state cimport Books, Prices

cdef enum AfterStep:        # of Work.after_step
    NOTHING_AFTER = 0
    AFTER_MATCH = 1         # whether anything follows is seen when the order that came has met the other side
    STOPS = 2               # trailing stops follow the price; then the next that is to run does
    REACHED = 3             # those that were reached are found,
    ELECTED = 4             # and join the queue of those that are to run
    PUT_BACK = 5            # trading was halted before they did: they wait again, and follow with the others
    STOPS_ENDED = 6
    SEE = 7                 # whether what pegs depend on has moved
    LEAVE = 8               # pegs whose prices change leave the book,
    SETTLE = 9              # and come back at their new prices, one by one
    PEGS_ENDED = 10
    SEE_AGAIN = 11          # where the next input finds what they depend on

# Begin what follows an input that found these prices. It is done when Work.after_step is NOTHING_AFTER.
cdef int begin_aftermath(Books* books, uint32_t instrument, const Prices* before) except -1 nogil
cdef int step_aftermath(Books* books) except -1 nogil
