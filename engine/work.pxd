# What a command leaves to do: see work.pyx.

from libc.stdint cimport int64_t, uint64_t

from engine.state cimport Books

# Go on with it, at most so many steps, until there are so many reports. True: the command is done.
cdef bint work_on(Books* books, int64_t steps, size_t reports) except -1 nogil
# A command was begun; the rest is done now, unless the owner wants to do it in pieces.
cdef int leave_work(Books* books) except -1 nogil

cdef inline bint has_work(const Books* books) noexcept nogil:
    """Whether a command has something still to do: until it is done, there is no other."""
    return (<const uint64_t*>&books.work)[0] != 0       # its first eight bytes: all steps
