# When orders expire and phases end: see timers.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.state cimport Books
from engine.store cimport Timer

# When an order expires, and when a phase ends; 0 = never. Both are kept where they belong: expire_ns, until_ns.
# O(log timers)
cdef int timer_set(Books* books, uint32_t slot, int64_t due_ns) except -1 nogil
# The phase that follows the present one, and when; 0 = when told. A volatility auction will then last as long as the
# protections say now.
cdef int expect_phase(Books* books, uint32_t instrument, uint8_t phase, int64_t at_ns) except -1 nogil
cdef int timer_set_phase(Books* books, uint32_t instrument, int64_t due_ns) except -1 nogil

cdef inline const Timer* first_timer(const Books* books) noexcept nogil:
    """What comes due first, good until a timer is set; NULL: nothing does."""
    return &(<const Timer*>books.timers.records)[1] if books.timers.top > 1 else NULL
