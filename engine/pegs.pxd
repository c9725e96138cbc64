# Pegged orders, which follow the touch: see pegs.pyx.

from libc.stdint cimport uint32_t

from engine.state cimport Books

# A pegged order that is in no place arrives. One that takes begins to meet the other side: see begin_match.
cdef int place_peg(Books* books, uint32_t slot) except -1 nogil
# AfterStep SEE, LEAVE, SETTLE and SEE_AGAIN, one step.
cdef int see(Books* books) except -1 nogil
cdef int leave(Books* books) except -1 nogil
cdef int settle(Books* books) except -1 nogil
cdef int see_again(Books* books) except -1 nogil
