# cython: cdivision=True
"""The pools that hold a machine's orders, levels and branches.

Holds no state of its own: a Pool belongs to the struct it is a member of, and is
freed by whoever opened it. Nothing here takes the GIL or raises; out of memory is
a return value.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
    #include <sys/mman.h>
    #define QB_MAPPED 1
    #endif

    /* Blocks of this size and more are mapped, where the kernel can move a mapping. */
    #define QB_MAPPED_BYTES ((size_t)1 << 18)

    static void qb_release(void *block, size_t bytes)
    {
    #ifdef QB_MAPPED
        if (bytes >= QB_MAPPED_BYTES) { if (block) munmap(block, bytes); return; }
    #endif
        free(block);
    }

    /* A block of whole cache lines, aligned to one; NULL when there is no memory. */
    static void *qb_acquire(size_t bytes)
    {
        void *block;
    #ifdef QB_MAPPED
        if (bytes >= QB_MAPPED_BYTES) {
            block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            return block == MAP_FAILED ? NULL : block;
        }
    #endif
        return posix_memalign(&block, 64, bytes) ? NULL : block;
    }

    static void *qb_resize(void *old, size_t old_bytes, size_t bytes)
    {
        void *block;
    #ifdef QB_MAPPED
        if (old && old_bytes >= QB_MAPPED_BYTES && bytes >= QB_MAPPED_BYTES) {
            block = mremap(old, old_bytes, bytes, MREMAP_MAYMOVE);
            return block == MAP_FAILED ? NULL : block;
        }
    #endif
        block = qb_acquire(bytes);
        if (block && old) {
            memcpy(block, old, old_bytes < bytes ? old_bytes : bytes);
            qb_release(old, old_bytes);
        }
        return block;
    }
    """
    void* qb_acquire(size_t bytes) noexcept nogil
    void qb_release(void* block, size_t bytes) noexcept nogil
    void* qb_resize(void* old, size_t old_bytes, size_t new_bytes) noexcept nogil

cdef enum:
    FIRST_SLOTS = 8

cdef size_t block_bytes(uint64_t slots, size_t size) noexcept nogil:
    """Bytes of a block of `slots` records, in whole cache lines."""
    return (slots * size + 63) & ~<size_t>63

cdef void* block_resize(void* block, size_t old_bytes, size_t new_bytes) noexcept nogil:
    """Grow, make (block NULL) or free (new_bytes 0) a block aligned to cache lines; its bytes are kept."""
    if new_bytes == 0:
        qb_release(block, old_bytes)
        return NULL
    return qb_resize(block, old_bytes, new_bytes)

cdef int pool_open(Pool* pool, size_t size) noexcept nogil:
    pool.size = size
    pool.capacity = 0
    pool.free = 0
    pool.live = 0
    pool.records = <char*>qb_acquire(block_bytes(FIRST_SLOTS, size))
    if pool.records == NULL:
        return -1
    pool.capacity = FIRST_SLOTS
    pool.top = 1
    memset(pool.records, 0, size)
    return 0

cdef void pool_close(Pool* pool) noexcept nogil:
    if pool.records != NULL:
        qb_release(pool.records, block_bytes(pool.capacity, pool.size))
    pool.records = NULL

cdef int pool_copy(Pool* pool, const Pool* other) noexcept nogil:
    """Make `pool`, which is not open, a copy of `other`; only slots that were given out are copied."""
    pool[0] = other[0]
    # A small block is cut to what is in use; a mapped one costs nothing for pages that are not touched.
    pool.capacity = other.top
    pool.records = <char*>qb_acquire(block_bytes(pool.capacity, pool.size))
    if pool.records == NULL:
        return -1
    memcpy(pool.records, other.records, <size_t>other.top * other.size)
    return 0

cdef int pool_grow(Pool* pool) noexcept nogil:
    """O(1) page table moves a slot, amortised; slots double. -1 leaves the pool as it was."""
    cdef uint64_t capacity = <uint64_t>pool.capacity * 2
    if capacity > SLOTS:
        return -1
    cdef void* records = qb_resize(
        pool.records, block_bytes(pool.capacity, pool.size), block_bytes(capacity, pool.size)
    )
    if records == NULL:
        return -1
    pool.records = <char*>records
    pool.capacity = <uint32_t>capacity
    return 0
