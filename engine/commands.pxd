# The commands where more than the plain rules hold: see commands.pyx.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.emit cimport Incoming
from engine.state cimport Books
from engine.types cimport Command, Definition

# A NEW that is not plain, or whose instrument is special. The instrument is there.
cdef int new_special(Books* books, const Command* command, uint64_t hashed) except -1 nogil
# CANCEL, REDUCE, REPLACE and REENTER of an order that the command names rightly.
cdef int change_special(Books* books, uint32_t slot, const Command* command) except -1 nogil
# An order of the plain rules with more to trade than a command does at once goes on as work: of a NEW, and of a command
# of this kind about an order that has left the book.
cdef int go_on_as_new(Books* books, const Command* command, const Incoming* taker) except -1 nogil
cdef int go_on_again(Books* books, const Incoming* taker, uint64_t command_kind) except -1 nogil
# The kinds of command that version 3 brought.
cdef int run_command_3(Books* books, const Command* command) except -1 nogil
# What a DEFINE of version 3 says beyond the terms of version 2; the instrument was added.
cdef int define_3(Books* books, const Definition* definition) except -1 nogil
