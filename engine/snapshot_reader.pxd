# The canonical snapshot of a machine, read back.

from libc.stdint cimport uint8_t, uint32_t

from engine.state cimport Books

# Fill empty books. newest: the last rules version that is taken. ValueError: the books are to be thrown away.
cdef int read_snapshot(Books* books, const uint8_t* data, size_t size, uint32_t newest) except -1
