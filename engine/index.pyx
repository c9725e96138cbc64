"""Growth of the order index; finding, inserting and removing are inline in index.pxd.

An Index owns its heads and is closed by whoever opened it; the chains run through
the orders. Nothing here takes the GIL or raises; out of memory is a return value
and leaves the index as it was.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.store cimport Order, block_resize, prefetch

cdef enum:
    FIRST_BUCKETS = 16
    # Buckets added for one more slot. Two, so that most orders are alone in their chain: what a search for a
    # new order's ref meets, or a removal walks past, is a cache line of another order.
    WIDEN_BUCKETS = 2
    SPLITS_AHEAD = 8

cdef int index_open(Index* index) noexcept nogil:
    index.heads = <Bucket*>block_resize(NULL, 0, FIRST_BUCKETS * sizeof(Bucket))
    if index.heads == NULL:
        return -1
    memset(index.heads, 0, FIRST_BUCKETS * sizeof(Bucket))
    index.capacity = FIRST_BUCKETS
    index.buckets = FIRST_BUCKETS
    index.mask = FIRST_BUCKETS - 1
    return 0

cdef void index_close(Index* index) noexcept nogil:
    if index.heads != NULL:
        block_resize(index.heads, <size_t>index.capacity * sizeof(Bucket), 0)
    index.heads = NULL

cdef int index_copy(Index* index, const Index* other) noexcept nogil:
    """Make `index`, which is not open, a copy of `other`."""
    index[0] = other[0]
    index.capacity = other.buckets
    index.heads = <Bucket*>block_resize(NULL, 0, <size_t>other.buckets * sizeof(Bucket))
    if index.heads == NULL:
        return -1
    memcpy(index.heads, other.heads, <size_t>other.buckets * sizeof(Bucket))
    return 0

cdef int index_widen(Index* index, Order* orders) noexcept nogil:
    """Add WIDEN_BUCKETS buckets. Cost: the orders of as many chains, twice."""
    cdef int _
    cdef uint64_t capacity = <uint64_t>index.capacity * 2
    cdef void* block
    if index.buckets + WIDEN_BUCKETS > index.capacity:
        if capacity > <uint32_t>0x80000000:
            return -1
        block = block_resize(index.heads, index.capacity * sizeof(Bucket), <size_t>capacity * sizeof(Bucket))
        if block == NULL:
            return -1
        index.heads = <Bucket*>block
        index.capacity = <uint32_t>capacity
    for _ in range(WIDEN_BUCKETS):
        expect_split(index, orders)
        split(index, orders, REFS)
        split(index, orders, IDS)
        index.buckets += 1
        if index.buckets == index.mask * 2 + 2:
            index.mask = index.buckets - 1
    return 0

cdef inline void expect_split(const Index* index, const Order* orders) noexcept nogil:
    """Ask for the first orders of a bucket that is split soon: buckets come in turn, their orders do not."""
    cdef const Bucket* soon = &index.heads[index.buckets + SPLITS_AHEAD & index.mask]
    prefetch(&orders[soon.head[REFS]])
    prefetch(&orders[soon.head[IDS]])

cdef inline void split(Index* index, Order* orders, bint name) noexcept nogil:
    """The orders of one bucket that belong in the new last bucket go there."""
    cdef uint32_t mask = index.mask * 2 + 1, added = index.buckets, slot
    cdef uint32_t* link = &index.heads[added & index.mask].head[name]
    cdef uint32_t* moved = &index.heads[added].head[name]
    while link[0] != 0:
        slot = link[0]
        if (<uint32_t>hash_order(&orders[slot], name) & mask) == added:
            link[0] = link_of(&orders[slot], name)[0]
            moved[0] = slot
            moved = link_of(&orders[slot], name)
        else:
            link = link_of(&orders[slot], name)
    moved[0] = 0
