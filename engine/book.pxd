# The rules: one command in, its reports out, over the books of all instruments.

from engine.state cimport Books
from engine.types cimport Command

cdef int run_commands(Books* books, const Command* commands, size_t count) except -1 nogil
