# The canonical bytes of a machine's logical state.

from engine.state cimport Books

cdef bytes write_snapshot(const Books* books)
cdef int read_snapshot(Books* books, const unsigned char* data, size_t size) except -1
