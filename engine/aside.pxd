# Work that waits while commands about other instruments come: see aside.pyx.

from libc.stdint cimport int64_t, uint32_t

from engine.state cimport Books

# Whether what is under way may wait now: it is known which instruments it is about.
cdef bint may_wait(const Books* books) noexcept nogil
# What is under way waits, and other commands may come.
cdef void put_work_aside(Books* books) noexcept nogil
# What waits goes on; no other command is under way.
cdef void take_work_up(Books* books) noexcept nogil
# What was put aside, and taken up again, is done.
cdef void end_work_aside(Books* books) noexcept nogil
# Whether what waits is about an instrument, and has left its book half done.
cdef bint book_is_half_done(const Books* books, uint32_t instrument) noexcept nogil
# Whether commands about an instrument must wait as well: that, or something of it may have come due meanwhile.
cdef bint book_is_busy(const Books* books, uint32_t instrument, int64_t now_ns) noexcept nogil
