# The engine for Python; what C callers use of it is in doorway.pxd.

from libc.stdint cimport uint32_t, uint64_t

from engine.doorway cimport Doorway
from engine.types cimport Command

cdef class Machine(Doorway):
    cdef uint64_t unused_ref(self, uint32_t owner) noexcept nogil
    cdef tuple run_one(self, const Command* command)
