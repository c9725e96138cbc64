# Hash -> reference, open addressing with linear probing; the strings stay with whoever holds them.
#
# One bucket is 8 bytes. A table grows at 5/8 full, so probes stay short, and removal shifts back, so there are
# no tombstones. The order of buckets is never observed: a caller walks the candidates of one hash and compares
# strings. Growing rehashes from the stored hashes alone.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef extern from *:
    """
    typedef unsigned __int128 quorumbook_uint128;
    static inline unsigned long long quorumbook_mix(unsigned long long a, unsigned long long b) {
        quorumbook_uint128 product = (quorumbook_uint128)a * b;
        return (unsigned long long)product ^ (unsigned long long)(product >> 64);
    }
    #define quorumbook_prefetch(address) __builtin_prefetch(address)
    """
    uint64_t quorumbook_mix(uint64_t a, uint64_t b) noexcept nogil
    void quorumbook_prefetch(const void* address) noexcept nogil

cdef struct Bucket:
    uint32_t hash
    uint32_t reference          # 0 = empty

cdef struct NameIndex:          # all zero = empty, no memory
    Bucket* buckets
    uint32_t mask               # buckets - 1, a power of two
    uint32_t count

cdef inline uint32_t name_hash(const uint8_t* name, size_t length) noexcept nogil:
    # wyhash's multiply-and-fold over 8-byte words, the last one with zeros below; the length is mixed in. The 8 bytes
    # before the name may be read, too: it lies in a record, a struct or a bytes object. So lengths that vary cost no
    # branch, and no word is read that was written in pieces.
    cdef uint64_t state = 0xa0761d6478bd642fULL ^ length, word
    cdef uint32_t half
    while length > 8:
        memcpy(&word, name, 8)
        state = quorumbook_mix(state ^ word, 0xe7037ed1a0b428dbULL)
        name += 8
        length -= 8
    memcpy(&word, name + length - 8, 8)
    half = <uint32_t> (8 - length) * 4
    state = quorumbook_mix(state ^ (word >> half >> half), 0x8ebc6af09c88c6e3ULL)     # in two: 64 is no shift
    return <uint32_t> (state ^ (state >> 32))

cdef inline uint32_t pair_hash(uint32_t first, uint32_t second) noexcept nogil:
    cdef uint64_t pair = <uint64_t> first << 32 | second
    cdef uint64_t state = quorumbook_mix(pair ^ 0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL)
    return <uint32_t> (state ^ (state >> 32))

cdef inline uint32_t names_next(const NameIndex* index, uint32_t hash, uint32_t* position) noexcept nogil:
    # The next reference stored under this hash, 0 = no more. *position starts as the hash.
    cdef const Bucket* bucket
    if index.buckets == NULL:
        return 0
    while True:
        bucket = &index.buckets[position[0] & index.mask]
        if bucket.reference == 0:
            return 0
        position[0] += 1
        if bucket.hash == hash:
            return bucket.reference

cdef inline void names_prefetch(const NameIndex* index, uint32_t hash) noexcept nogil:
    if index.buckets != NULL:
        quorumbook_prefetch(&index.buckets[hash & index.mask])

cdef inline void names_place(NameIndex* index, uint32_t hash, uint32_t reference) noexcept nogil:
    cdef uint32_t position = hash & index.mask
    while index.buckets[position].reference:
        position = (position + 1) & index.mask
    index.buckets[position].hash = hash
    index.buckets[position].reference = reference

cdef inline bint names_reserve(NameIndex* index) noexcept nogil:
    # Room for one more; False: no memory.
    cdef NameIndex grown
    cdef size_t i, room = 0 if index.buckets == NULL else <size_t> index.mask + 1
    if <size_t> (index.count + 1) * 8 <= room * 5:
        return True
    grown.mask = <uint32_t> (room * 2 - 1) if room else 15
    grown.count = index.count
    grown.buckets = <Bucket*> calloc(<size_t> grown.mask + 1, sizeof(Bucket))
    if grown.buckets == NULL:
        return False
    for i in range(room):
        if index.buckets[i].reference:
            names_place(&grown, index.buckets[i].hash, index.buckets[i].reference)
    free(index.buckets)
    index[0] = grown
    return True

cdef inline void names_insert(NameIndex* index, uint32_t hash, uint32_t reference) noexcept nogil:
    # After names_reserve.
    names_place(index, hash, reference)
    index.count += 1

cdef inline Bucket* names_bucket(NameIndex* index, uint32_t hash, uint32_t reference) noexcept nogil:
    # The bucket that holds it, NULL = none.
    cdef uint32_t position = hash & index.mask
    cdef Bucket* bucket
    if index.buckets == NULL:
        return NULL
    while True:
        bucket = &index.buckets[position]
        if bucket.reference == 0:
            return NULL
        if bucket.reference == reference and bucket.hash == hash:
            return bucket
        position = (position + 1) & index.mask

cdef inline bint names_remove(NameIndex* index, uint32_t hash, uint32_t reference) noexcept nogil:
    # False: it was not there.
    cdef Bucket* bucket = names_bucket(index, hash, reference)
    cdef uint32_t hole, position
    if bucket == NULL:
        return False
    hole = <uint32_t> (bucket - index.buckets)
    position = hole
    while True:
        position = (position + 1) & index.mask
        bucket = &index.buckets[position]
        if bucket.reference == 0:
            break
        # it may move back when its home is not between the hole (exclusive) and where it stands
        if ((position - bucket.hash) & index.mask) >= ((position - hole) & index.mask):
            index.buckets[hole] = bucket[0]
            hole = position
    index.buckets[hole].reference = 0
    index.count -= 1
    return True
