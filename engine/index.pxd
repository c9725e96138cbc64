# Finds a live order's slot by its order_id, or by owner and client_ref.
#
# Linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing",
# 1980) with the chains inside the orders: a bucket is the slot of its first order.
# Every order is under both names, so a bucket is for both: two buckets for every slot
# that was ever given out. They come two by two with the slots, out of the
# orders of other buckets, so no insertion ever pays for a rehash, none has to ask
# whether there is room, and no second table is held.

from libc.stdint cimport uint32_t, uint64_t

from engine.store cimport Order

cdef enum:                      # the names of an order
    REFS = 0                    # owner and client_ref
    IDS = 1                     # order_id

cdef struct Bucket:
    uint32_t head[2]            # by name: the slot of the first order of its chain, 0 = empty

cdef struct Index:
    Bucket* heads
    uint32_t buckets            # in use. Invariant: mask < buckets <= 2 * mask + 1 (or both are at their start)
    uint32_t mask               # 2**k - 1; a hash beyond `buckets` under the next larger mask takes this one
    uint32_t capacity           # buckets that `heads` has room for

cdef extern from *:
    """
    #include <stdint.h>
    /* The two halves of a 128-bit product, folded: dense, strided and random keys all spread over all 64 bits. */
    static inline uint64_t qb_mix(uint64_t key)
    {
        unsigned __int128 product = (unsigned __int128)(key ^ 0xA0761D6478BD642FULL) * 0x9E3779B97F4A7C15ULL;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t mix "qb_mix" (uint64_t key) noexcept nogil

cdef int index_open(Index* index) noexcept nogil                            # -1: out of memory
cdef void index_close(Index* index) noexcept nogil
cdef int index_copy(Index* index, const Index* other) noexcept nogil        # -1: out of memory
cdef int index_widen(Index* index, Order* orders) noexcept nogil            # -1: out of memory

# Order ids are dense: their low bits are the best hash, and orders that came together lie together.
cdef inline uint64_t hash_id(uint64_t order_id) noexcept nogil:
    return order_id

cdef inline uint64_t hash_ref(uint32_t owner, uint64_t client_ref) noexcept nogil:
    return mix(client_ref + owner * <uint64_t>0xC2B2AE3D27D4EB4F)

cdef inline uint64_t hash_order(const Order* order, bint name) noexcept nogil:
    return hash_id(order.order_id) if name == IDS else hash_ref(order.owner, order.client_ref)

cdef inline uint32_t bucket_number(const Index* index, uint64_t hashed) noexcept nogil:
    # Arithmetic for `wide if wide < buckets else wide & mask`, which no processor can predict.
    cdef uint32_t wide = <uint32_t>hashed & (index.mask * 2 + 1)
    return wide & (index.mask | (0 - <uint32_t>(wide < index.buckets)))

cdef inline uint32_t* bucket_of(const Index* index, bint name, uint64_t hashed) noexcept nogil:
    return &index.heads[bucket_number(index, hashed)].head[name]

# The link that leads from an order to the next of its chain.
cdef inline uint32_t* link_of(Order* order, bint name) noexcept nogil:
    return &order.next_id if name == IDS else &order.next_ref

# O(1). The slot of the order with this id, or with this owner and client_ref; 0 = none.
cdef inline uint32_t index_find(
    const Index* index, const Order* orders, uint64_t hashed, bint name, uint32_t owner, uint64_t value
) noexcept nogil:
    # An empty bucket leads to record 0, which is all zeros and ends the chain: one path for empty and for others.
    cdef uint32_t slot = bucket_of(index, name, hashed)[0]
    cdef const Order* order
    while True:
        order = &orders[slot]
        if name == IDS:
            if (order.order_id == value) & (slot != 0):
                return slot
            slot = order.next_id
        else:
            if (order.client_ref == value) & (order.owner == owner) & (slot != 0):
                return slot
            slot = order.next_ref
        if slot == 0:
            return 0

# O(1). The name must not be in the index; the buckets for the slot are there.
cdef inline void index_insert(Index* index, Order* orders, uint64_t hashed, bint name, uint32_t slot) noexcept nogil:
    cdef uint32_t* head = bucket_of(index, name, hashed)
    link_of(&orders[slot], name)[0] = head[0]
    head[0] = slot

# O(1). False when the slot is not there: the index and the pool disagree.
cdef inline bint index_remove(Index* index, Order* orders, uint64_t hashed, bint name, uint32_t slot) noexcept nogil:
    cdef uint32_t* link = bucket_of(index, name, hashed)
    while link[0] != slot:
        if link[0] == 0:
            return False
        link = link_of(&orders[link[0]], name)
    link[0] = link_of(&orders[slot], name)[0]
    return True
