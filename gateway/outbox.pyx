# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed here; reserve() checks the room.
"""Where egress records are appended.

Holds one malloc'ed buffer that it owns. `memoryview(outbox)` shows what is in it; while such a view is alive,
growing or clearing the buffer raises BufferError. reserve() runs without the GIL and can also raise MemoryError.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef class Outbox:
    def __dealloc__(self) -> None:
        free(self.data)

    def __len__(self) -> int:
        return self.size

    cdef uint8_t* reserve(self, size_t size) except NULL nogil:
        cdef size_t begin = self.size
        size = (size + 7) & ~(<size_t> 7)
        if self.discards:
            if size > self.room:
                self._grow(size)
            return self.data
        if begin + size > self.room:
            self._grow(begin + size)
        self.size = begin + size
        memset(self.data + begin, 0, size)
        return self.data + begin

    cdef int _grow(self, size_t wanted) except -1 nogil:
        cdef size_t room = self.room if self.room else 65536
        cdef uint8_t* data
        if self.exports:
            with gil:
                raise BufferError("egress bytes are still viewed: release the memoryview before the next step")
        while room < wanted:
            room *= 2
        data = <uint8_t*> realloc(self.data, room)
        if data == NULL:
            with gil:
                raise MemoryError(f"no memory for {room} bytes of egress")
        self.data = data
        self.room = room
        return 0

    cdef int clear(self) except -1:
        if self.exports:
            raise BufferError("egress bytes are still viewed: release the memoryview before they are cleared")
        self.size = 0
        return 0

    def __getbuffer__(self, Py_buffer* view, int flags) -> None:
        PyBuffer_FillInfo(view, self, self.data, self.size, 1, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view) -> None:
        self.exports -= 1
