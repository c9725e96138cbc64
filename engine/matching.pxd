# Matching where more than the plain rules hold: see matching.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.state cimport Books
from engine.store cimport Pool

# An order that is in no place meets the other side; what is left of it rests or is cancelled. minimum: lots that must
# trade at once, 0 = any. The slot is free again when nothing is left.
cdef int match_order(Books* books, uint32_t slot, int64_t minimum) except -1 nogil
# The order is reported as cancelled, and dead.
cdef int close_order(Books* books, uint32_t slot, uint64_t reason) except -1 nogil
# A pegged order that is in no place is parked.
cdef int unpeg(Books* books, uint32_t slot) except -1 nogil
# The pegs that are in the book, by priority, with those that are parked behind, if wanted: Books.list from the slot
# that is returned on, for the caller to cut off again.
cdef uint32_t list_pegs(Books* books, uint32_t instrument, bint with_parked) except 0 nogil
# When what lasts so long from a time on is over. A time that int64 cannot tell never comes: 0, until told otherwise.
cdef int64_t later(int64_t time_ns, int64_t lasts_ns) noexcept nogil
cdef int park_pegs(Books* books, uint32_t instrument) except -1 nogil
# What is shown of an order in the book after a fill: nothing left, the same slice, or the next.
cdef int after_fill(Books* books, uint32_t slot) except -1 nogil
# The first order that one of this limit meets; 0 = none.
cdef uint32_t next_maker(const Books* books, uint32_t instrument, uint32_t side, int64_t limit) noexcept nogil
# A list of Listed from a slot on, by major and minor.
cdef void sort_listed(Pool* list, uint32_t begin) noexcept nogil
cdef void cut_list(Pool* list, uint32_t top) noexcept nogil
