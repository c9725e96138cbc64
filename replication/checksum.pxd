# CRC32C of bytes in memory, without a Python object for each.

from libc.stdint cimport uint32_t

# The GIL may be held or not. MemoryError; only where google_crc32c has no compiled code.
cdef uint32_t crc32c(const void* data, size_t size) except? 0 nogil
