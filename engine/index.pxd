# Finds a live order's slot by its order_id, or by owner and client_ref.
#
# Open addressing in buckets of one cache line: twelve one-byte tags that one
# vector comparison searches, and twelve slots. A full bucket passes an entry on
# to the next and counts it, so removal clears one place and leaves no tombstone,
# and a search goes on only where something was passed on (the scheme of
# Facebook's F14, folly/container/F14.md).
#
# Buckets form segments of at most SEGMENT_BUCKETS; the top bits of the hash pick
# a segment through a directory (Fagin et al., "Extendible hashing", 1979). A
# full segment splits in two, so growth costs the same few microseconds however
# many orders there are, and an index is sized to the orders it has held.
# Keys are not stored: an entry is compared with the order itself.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from engine.store cimport Order

cdef enum:
    BUCKET_ENTRIES = 12
    SEGMENT_BUCKETS = 256       # 16 KiB
    MAX_DEPTH = 16              # directory bits; beyond it a segment doubles instead of splitting

cdef struct Bucket:             # 64 bytes
    uint8_t tags[12]            # 0 = free
    uint32_t passed             # entries that found this bucket full and went on
    uint32_t slots[12]

cdef struct Segment:
    Bucket* buckets
    uint32_t mask               # buckets - 1
    uint32_t entries
    uint32_t depth              # leading hash bits that all its entries share
    uint32_t reserved

cdef struct Index:
    uint32_t* directory         # 1 << depth segment numbers
    Segment* segments
    uint32_t depth
    uint32_t segment_count
    uint32_t segment_capacity
    bint by_id                  # the key is order_id; else owner and client_ref

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    /* Bit i is set when tags[i] == tag; tags are the first 12 of 16 readable bytes. */
    static inline uint32_t qb_tags_equal(const uint8_t *tags, uint8_t tag)
    {
    #ifdef __SSE2__
        __m128i all = _mm_load_si128((const __m128i *)tags);
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8((char)tag))) & 0xFFFu;
    #else
        uint32_t mask = 0;
        for (int i = 0; i < 12; i++) mask |= (uint32_t)(tags[i] == tag) << i;
        return mask;
    #endif
    }
    static inline void qb_prefetch(const void *address) { __builtin_prefetch(address); }
    static inline uint32_t qb_lowest_bit(uint64_t bits) { return (uint32_t)__builtin_ctzll(bits); }
    static inline uint32_t qb_highest_bit(uint64_t bits) { return 63u - (uint32_t)__builtin_clzll(bits); }
    """
    uint32_t tags_equal "qb_tags_equal" (const uint8_t* tags, uint8_t tag) noexcept nogil
    void prefetch "qb_prefetch" (const void* address) noexcept nogil
    uint32_t lowest_bit "qb_lowest_bit" (uint64_t bits) noexcept nogil      # bits != 0
    uint32_t highest_bit "qb_highest_bit" (uint64_t bits) noexcept nogil    # bits != 0

cdef int index_open(Index* index, bint by_id) noexcept nogil                # -1: out of memory
cdef void index_close(Index* index) noexcept nogil
cdef int index_copy(Index* index, const Index* other) noexcept nogil        # -1: out of memory
cdef int index_make_room(Index* index, const Order* orders, uint64_t hashed) noexcept nogil  # -1: out of memory
cdef size_t index_bytes(const Index* index) noexcept nogil

# Two rounds of multiply and fold: dense, strided and random keys all spread over all 64 bits.
cdef inline uint64_t mix(uint64_t key) noexcept nogil:
    key = (key ^ (key >> 32)) * <uint64_t>0x9E3779B97F4A7C15
    key = (key ^ (key >> 29)) * <uint64_t>0xD6E8FEB86659FD93
    return key ^ (key >> 32)

cdef inline uint64_t hash_id(uint64_t order_id) noexcept nogil:
    return mix(order_id)

cdef inline uint64_t hash_ref(uint32_t owner, uint64_t client_ref) noexcept nogil:
    return mix(client_ref + owner * <uint64_t>0xC2B2AE3D27D4EB4F)

cdef inline uint64_t hash_order(const Order* order, bint by_id) noexcept nogil:
    return hash_id(order.order_id) if by_id else hash_ref(order.owner, order.client_ref)

cdef inline uint8_t tag_of(uint64_t hashed) noexcept nogil:
    cdef uint8_t tag = <uint8_t>hashed
    return tag if tag else 1

cdef inline uint32_t home_of(uint64_t hashed, uint32_t mask) noexcept nogil:
    return <uint32_t>(hashed >> 16) & mask

cdef inline Segment* segment_of(const Index* index, uint64_t hashed) noexcept nogil:
    # In two steps because a shift by 64, for depth 0, is not defined.
    return &index.segments[index.directory[(hashed >> 1) >> (63 - index.depth)]]

cdef inline Bucket* bucket_of(const Index* index, uint64_t hashed) noexcept nogil:
    cdef Segment* segment = segment_of(index, hashed)
    return &segment.buckets[home_of(hashed, segment.mask)]

# O(1). The slot of the order with this id, or with this owner and client_ref (by_id chooses); 0 = none.
cdef inline uint32_t index_find(
    const Index* index, const Order* orders, uint64_t hashed, bint by_id, uint32_t owner, uint64_t name
) noexcept nogil:
    cdef Segment* segment = segment_of(index, hashed)
    cdef uint32_t at = home_of(hashed, segment.mask), steps = segment.mask + 1, candidates, slot
    cdef uint8_t tag = tag_of(hashed)
    cdef Bucket* bucket
    cdef const Order* order
    while True:
        bucket = &segment.buckets[at]
        candidates = tags_equal(bucket.tags, tag)
        while candidates:
            slot = bucket.slots[lowest_bit(candidates)]
            order = &orders[slot]
            if by_id:
                if order.order_id == name:
                    return slot
            elif order.client_ref == name and order.owner == owner:
                return slot
            candidates &= candidates - 1
        if bucket.passed == 0:
            return 0
        steps -= 1
        if steps == 0:
            return 0
        at = (at + 1) & segment.mask

# A place among `candidates` entries or fewer: 4/5 full is where buckets begin to pass much on.
cdef inline bint segment_is_full(const Segment* segment) noexcept nogil:
    return segment.entries * 5 >= (segment.mask + 1) * (4 * BUCKET_ENTRIES)

cdef inline void segment_put(Segment* segment, uint64_t hashed, uint32_t slot) noexcept nogil:
    cdef uint32_t at = home_of(hashed, segment.mask), free, place
    cdef Bucket* bucket
    while True:
        bucket = &segment.buckets[at]
        free = tags_equal(bucket.tags, 0)
        if free:
            place = lowest_bit(free)
            bucket.tags[place] = tag_of(hashed)
            bucket.slots[place] = slot
            segment.entries += 1
            return
        bucket.passed += 1
        at = (at + 1) & segment.mask

# O(1) and at most one split. The key must not be in the index. -1: out of memory, nothing changed.
cdef inline int index_insert(Index* index, const Order* orders, uint64_t hashed, uint32_t slot) noexcept nogil:
    cdef Segment* segment = segment_of(index, hashed)
    if segment_is_full(segment):
        if index_make_room(index, orders, hashed) < 0:
            return -1
        segment = segment_of(index, hashed)
    segment_put(segment, hashed, slot)
    return 0

# O(1). False when the slot is not there: the index and the pool disagree.
cdef inline bint index_remove(Index* index, uint64_t hashed, uint32_t slot) noexcept nogil:
    cdef Segment* segment = segment_of(index, hashed)
    cdef uint32_t home = home_of(hashed, segment.mask), at = home, candidates, place
    cdef uint8_t tag = tag_of(hashed)
    cdef Bucket* bucket
    while True:
        bucket = &segment.buckets[at]
        candidates = tags_equal(bucket.tags, tag)
        while candidates:
            place = lowest_bit(candidates)
            if bucket.slots[place] == slot:
                bucket.tags[place] = 0
                segment.entries -= 1
                while at != home:
                    at = (at - 1) & segment.mask
                    segment.buckets[at].passed -= 1
                return True
            candidates &= candidates - 1
        at = (at + 1) & segment.mask
        if bucket.passed == 0 or at == home:
            return False
