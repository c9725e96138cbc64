# The commands where more than the plain rules hold: see commands.pyx.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.state cimport Books
from engine.types cimport Command, Definition

# A NEW that is not plain, or whose instrument is special. The instrument is there.
cdef int new_special(Books* books, const Command* command, uint64_t hashed) except -1 nogil
# CANCEL, REDUCE, REPLACE and REENTER of an order that the command names rightly.
cdef int change_special(Books* books, uint32_t slot, const Command* command) except -1 nogil
# The kinds of command that version 3 brought.
cdef int run_command_3(Books* books, const Command* command) except -1 nogil
# The next MASS_CANCEL means the orders that were chosen, and no other; they are given in order of order id.
cdef int choose_order(Books* books, uint32_t slot) except -1 nogil
# What a DEFINE of version 3 says beyond the terms of version 2; the instrument was added.
cdef int define_3(Books* books, const Definition* definition) except -1 nogil
# Go on with what a command has still to do, at most so many steps. True: it is done.
cdef bint work_on(Books* books, int64_t steps) except -1 nogil

cdef inline bint has_work(const Books* books) noexcept nogil:
    """Whether a command has something still to do: until it is done, there is no other."""
    return (books.work.after_step | books.work.phase_step | books.work.command) != 0
