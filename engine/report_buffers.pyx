"""Reports are written once, where they stay: a machine's buffer becomes the array that Python gets.

A ReportBuffer owns its block; freed ones are spares for the next batch. All of it holds the GIL.
"""

from cpython.buffer cimport PyBuffer_FillInfo

from engine.events cimport drop_events
from engine.state cimport Books
from engine.store cimport block_resize
from engine.types cimport Report as ReportRecord

import numpy as np

from engine.records import REPORT

cdef object frombuffer = np.frombuffer

cdef enum:
    SPARES = 4                  # freed report buffers kept for the next batch,
    SPARE_BYTES = 1 << 20       # of at most this size; touched only with the GIL

cdef void* spare_blocks[SPARES]
cdef size_t spare_sizes[SPARES]
cdef int spare_count = 0


cdef class ReportBuffer:
    """The memory under an array that `apply` returned: it belongs to that array alone."""

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.block, self.used, 0, flags)

    def __releasebuffer__(self, Py_buffer* view):
        pass

    def __dealloc__(self):
        global spare_count
        if self.block == NULL:
            return
        if spare_count < SPARES and self.size <= SPARE_BYTES:
            spare_blocks[spare_count] = self.block
            spare_sizes[spare_count] = self.size
            spare_count += 1
        else:
            block_resize(self.block, self.size, 0)


cdef ReportBuffer take_reports(Books* books):
    """Hand the machine's report buffer over."""
    cdef ReportBuffer buffer = ReportBuffer.__new__(ReportBuffer)
    buffer.block = books.reports
    buffer.size = books.report_capacity * sizeof(ReportRecord)
    buffer.used = books.report_count * sizeof(ReportRecord)
    books.reports = NULL
    books.report_capacity = 0
    books.report_count = 0
    return buffer


cdef object taken(Books* books):
    drop_events(books)
    return frombuffer(take_reports(books), REPORT) if books.report_count else np.empty(0, REPORT)


cdef void give_spare(Books* books) noexcept:
    global spare_count
    if books.reports == NULL and spare_count:
        spare_count -= 1
        books.reports = <ReportRecord*>spare_blocks[spare_count]
        books.report_capacity = spare_sizes[spare_count] // sizeof(ReportRecord)
