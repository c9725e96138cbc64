# The memory that reports are written to, and handed over in: see report_buffers.pyx.

from engine.state cimport Books

cdef class ReportBuffer:
    cdef void* block
    cdef size_t size            # of the block
    cdef Py_ssize_t used

# The reports since the last time, as an array of their own, and the machine's buffer with them.
cdef object taken(Books* books)
# Let the machine write its next reports where the last freed array was: that is still in the cache.
cdef void give_spare(Books* books) noexcept
