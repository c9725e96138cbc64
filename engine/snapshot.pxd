# The canonical snapshot of a machine; the layout is in snapshot.pyx.

from libc.stdint cimport uint8_t, uint32_t

from engine.state cimport Books

cdef struct SnapshotPlace:      # how far a snapshot is written; all zero = only its header
    uint32_t instrument
    uint32_t part               # of it that comes next: 0 its terms, 1 more bids, 2 more asks
    uint32_t slot               # the next order of that side, 0 = no more

cdef enum:
    SNAPSHOT_HEADER = 56        # bytes

cdef bytes write_snapshot(const Books* books)
cdef int read_snapshot(Books* books, const uint8_t* data, size_t size, uint32_t newest) except -1

# A piece at a time: the header, then records until a piece has no bytes.
cdef size_t snapshot_size(const Books* books) noexcept nogil
cdef void write_header(const Books* books, uint8_t* at) noexcept nogil
# At most `records` orders and instruments, of at most 64 bytes each; the bytes written.
cdef size_t write_records(const Books* books, SnapshotPlace* place, uint8_t* at, size_t records) noexcept nogil
