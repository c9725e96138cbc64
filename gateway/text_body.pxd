# The fields of a message that goes out as text, as `apply` writes them.

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


@cython.final
cdef class TextBody:
    cdef uint8_t* data          # size bytes of it; each field with its separator
    cdef size_t size
    cdef size_t room

    cdef void clear(self) noexcept nogil
    cdef int text(self, uint32_t tag, const uint8_t* value, size_t length) except -1 nogil
    cdef int character(self, uint32_t tag, uint8_t value) except -1 nogil
    cdef int number(self, uint32_t tag, uint64_t value) except -1 nogil
    cdef int decimal(self, uint32_t tag, int64_t mantissa, int exponent) except -1 nogil
    cdef int fields(self, const uint8_t* whole, size_t length) except -1 nogil     # written before

    cdef uint8_t* _begin(self, uint32_t tag, size_t length) except NULL nogil
    cdef void _end(self, uint8_t* at) noexcept nogil
    cdef int _reserve(self, size_t more) except -1 nogil
