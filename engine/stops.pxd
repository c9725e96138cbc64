# Stops that wait for a price, and run when it is reached: see stops.pyx.

from libc.stdint cimport int64_t, uint32_t

from engine.state cimport Books, Prices

# What a stop of a side is tested against; EMPTY_PRICE = nothing.
cdef int64_t tested(const Books* books, uint32_t instrument, uint32_t side, const Prices* prices) noexcept nogil
# Whether a stop was reached, or a trailing one follows.
cdef bint any_moves(const Books* books, uint32_t instrument) noexcept nogil
# AfterStep STOPS, REACHED, ELECTED and PUT_BACK, one step.
cdef int step_stops(Books* books) except -1 nogil
cdef int find_reached(Books* books) except -1 nogil
cdef int join_queue(Books* books) except -1 nogil
cdef int put_back(Books* books) except -1 nogil
