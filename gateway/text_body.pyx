# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; _begin() makes the room for what is written behind it.
"""Writes the fields of a body into a buffer that it owns and uses again. Runs without the GIL; raises MemoryError."""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from gateway.fix_values cimport SLACK, SOH, write_decimal, write_uint

cdef enum:
    LONGEST = 48            # bytes of a tag with its '=', or of a number


cdef class TextBody:
    def __dealloc__(self) -> None:
        free(self.data)

    cdef void clear(self) noexcept nogil:
        self.size = 0

    cdef int text(self, uint32_t tag, const uint8_t* value, size_t length) except -1 nogil:
        cdef uint8_t* at = self._begin(tag, length)
        memcpy(at, value, length)
        self._end(at + length)
        return 0

    cdef int character(self, uint32_t tag, uint8_t value) except -1 nogil:
        return self.text(tag, &value, 1)

    cdef int number(self, uint32_t tag, uint64_t value) except -1 nogil:
        self._end(write_uint(self._begin(tag, LONGEST), value))
        return 0

    cdef int decimal(self, uint32_t tag, int64_t mantissa, int exponent) except -1 nogil:
        self._end(write_decimal(self._begin(tag, LONGEST), mantissa, exponent))
        return 0

    cdef int fields(self, const uint8_t* whole, size_t length) except -1 nogil:
        if length:
            self._reserve(length)
            memcpy(self.data + self.size, whole, length)
            self.size += length
        return 0

    cdef uint8_t* _begin(self, uint32_t tag, size_t length) except NULL nogil:
        # The tag, and where its value of at most so many bytes goes.
        cdef uint8_t* at
        self._reserve(LONGEST + length + 1 + SLACK)
        at = write_uint(self.data + self.size, tag)
        at[0] = c'='
        return at + 1

    cdef void _end(self, uint8_t* at) noexcept nogil:
        at[0] = SOH
        self.size = <size_t> (at + 1 - self.data)

    cdef int _reserve(self, size_t more) except -1 nogil:
        cdef size_t room = self.room if self.room else 4096
        cdef uint8_t* data
        if self.size + more <= self.room:
            return 0
        while room < self.size + more:
            room *= 2
        data = <uint8_t*> realloc(self.data, room)
        if data == NULL:
            with gil:
                raise MemoryError("no memory for a message")
        self.data = data
        self.room = room
        return 0
