# Commands that are about many orders: see many.pyx.

from libc.stdint cimport uint32_t

from engine.state cimport Books
from engine.types cimport Command

cdef enum CommandStep:      # of Work.command_step
    NO_COMMAND_STEP = 0
    CLOSING = 1             # the orders of the list
    FOLLOWING = 2           # what the instruments that a mass cancel touched do then
    DUE = 3                 # orders that expire, and phases that end

# MASS_CANCEL and ADVANCE. Done when Work.command_step is NO_COMMAND_STEP.
cdef int begin_mass_cancel(Books* books, const Command* command) except -1 nogil
cdef int begin_advance(Books* books, const Command* command) except -1 nogil
# The next MASS_CANCEL means the orders that were chosen, and no other; they are given in order of order id.
cdef int choose_order(Books* books, uint32_t slot) except -1 nogil
# All orders of an instrument end with it.
cdef void begin_delisting(Books* books, uint32_t instrument) noexcept nogil
cdef int step_command(Books* books) except -1 nogil
