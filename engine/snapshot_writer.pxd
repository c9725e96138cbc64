# The canonical snapshot of a machine, written.

from libc.stdint cimport uint8_t, uint32_t

from engine.state cimport Books

cdef struct SnapshotPlace:      # how far a snapshot is written; all zero = only its header
    uint32_t table              # tick table that comes next; 0 = the header of version 3
    uint32_t instrument
    uint32_t group              # of it that is being written; 0 = its terms come next, 1 bids, 2 asks, ...
    uint32_t slot               # the next order of that group, or row of that table; 0 = no more
    uint32_t* sorted            # the slots of a group that goes by order id; the place's own
    uint32_t count
    uint32_t next

cdef bytes write_snapshot(const Books* books)

# A piece at a time: the header, then records until a piece has no bytes.
cdef size_t snapshot_size(const Books* books) noexcept nogil
cdef void write_header(const Books* books, uint8_t* at) noexcept nogil
# At most `records` orders, instruments and rows of tick tables; the bytes written.
cdef size_t write_records(const Books* books, SnapshotPlace* place, uint8_t* at, size_t records) except? 0 nogil
# Frees what a place holds; for one that was not written to the end.
cdef void end_place(SnapshotPlace* place) noexcept nogil
