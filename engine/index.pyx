"""Growth of the order index; finding, inserting and removing are inline in index.pxd.

An Index owns its directory and its segments' buckets and is closed by whoever
opened it. Nothing here takes the GIL or raises; out of memory is a return value
and leaves the index as it was.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.store cimport Order, block_resize

cdef size_t bucket_bytes(const Segment* segment) noexcept nogil:
    return (<size_t>segment.mask + 1) * sizeof(Bucket)

cdef int segment_open(Segment* segment, uint32_t buckets, uint32_t depth) noexcept nogil:
    segment.mask = buckets - 1
    segment.entries = 0
    segment.depth = depth
    segment.reserved = 0
    segment.buckets = <Bucket*>block_resize(NULL, 0, bucket_bytes(segment))
    if segment.buckets == NULL:
        return -1
    memset(segment.buckets, 0, bucket_bytes(segment))
    return 0

cdef void segment_close(Segment* segment) noexcept nogil:
    if segment.buckets != NULL:
        block_resize(segment.buckets, bucket_bytes(segment), 0)
    segment.buckets = NULL

cdef int index_open(Index* index, bint by_id) noexcept nogil:
    memset(index, 0, sizeof(Index))
    index.by_id = by_id
    index.directory = <uint32_t*>block_resize(NULL, 0, sizeof(uint32_t))
    index.segments = <Segment*>block_resize(NULL, 0, sizeof(Segment))
    if index.directory == NULL or index.segments == NULL or segment_open(index.segments, 1, 0) < 0:
        index_close(index)
        return -1
    index.directory[0] = 0
    index.segment_count = 1
    index.segment_capacity = 1
    return 0

cdef void index_close(Index* index) noexcept nogil:
    cdef uint32_t i
    for i in range(index.segment_count):
        segment_close(&index.segments[i])
    if index.segments != NULL:
        block_resize(index.segments, index.segment_capacity * sizeof(Segment), 0)
    if index.directory != NULL:
        block_resize(index.directory, (<size_t>1 << index.depth) * sizeof(uint32_t), 0)
    index.segments = NULL
    index.directory = NULL
    index.segment_count = 0

cdef int index_copy(Index* index, const Index* other) noexcept nogil:
    """Make `index`, which is not open, a copy of `other`."""
    cdef size_t directory_bytes = (<size_t>1 << other.depth) * sizeof(uint32_t)
    cdef uint32_t i
    cdef Segment* segment
    index[0] = other[0]
    index.segment_count = 0
    index.segment_capacity = other.segment_count
    index.directory = <uint32_t*>block_resize(NULL, 0, directory_bytes)
    index.segments = <Segment*>block_resize(NULL, 0, other.segment_count * sizeof(Segment))
    if index.directory == NULL or index.segments == NULL:
        index_close(index)
        return -1
    memcpy(index.directory, other.directory, directory_bytes)
    for i in range(other.segment_count):
        segment = &index.segments[i]
        if segment_open(segment, other.segments[i].mask + 1, other.segments[i].depth) < 0:
            index_close(index)
            return -1
        index.segment_count += 1
        segment.entries = other.segments[i].entries
        memcpy(segment.buckets, other.segments[i].buckets, bucket_bytes(segment))
    return 0

cdef size_t index_bytes(const Index* index) noexcept nogil:
    """Bytes that the index holds."""
    cdef size_t total = (<size_t>1 << index.depth) * sizeof(uint32_t) + index.segment_capacity * sizeof(Segment)
    cdef uint32_t i
    for i in range(index.segment_count):
        total += bucket_bytes(&index.segments[i])
    return total

cdef int index_make_room(Index* index, const Order* orders, uint64_t hashed) noexcept nogil:
    """Double or split the segment of this hash until it is not full. Cost: the entries of one segment.

    A split may leave all entries on one side; then the new segment is still full
    and is split again, at most MAX_DEPTH times, and then doubled.
    """
    cdef Segment* segment = segment_of(index, hashed)
    while segment_is_full(segment):
        if segment.mask + 1 < SEGMENT_BUCKETS or segment.depth == MAX_DEPTH:
            if segment_double(index, orders, segment) < 0:
                return -1
        elif segment_split(index, orders, hashed) < 0:
            return -1
        segment = segment_of(index, hashed)
    return 0

cdef void segment_move(
    const Segment* old, Segment* zeros, Segment* ones, const Order* orders, bint by_id, uint32_t depth
) noexcept nogil:
    """Put each entry of `old` into `zeros` or `ones` by hash bit number `depth`, counted from the top."""
    cdef uint32_t i, entry
    cdef uint64_t hashed
    cdef const Bucket* bucket
    for i in range(old.mask + 1):
        bucket = &old.buckets[i]
        # The keys lie in the orders: have all of a bucket's on their way before the first is read.
        for entry in range(BUCKET_ENTRIES):
            if bucket.tags[entry]:
                prefetch(&orders[bucket.slots[entry]])
        for entry in range(BUCKET_ENTRIES):
            if bucket.tags[entry]:
                hashed = hash_order(&orders[bucket.slots[entry]], by_id)
                segment_put(ones if (hashed >> (63 - depth)) & 1 else zeros, hashed, bucket.slots[entry])

cdef int segment_double(Index* index, const Order* orders, Segment* segment) noexcept nogil:
    cdef Segment doubled
    if segment.mask >= 1 << 27 or segment_open(&doubled, (segment.mask + 1) * 2, segment.depth) < 0:
        return -1
    segment_move(segment, &doubled, &doubled, orders, index.by_id, 0)
    segment_close(segment)
    segment[0] = doubled
    return 0

cdef int segment_split(Index* index, const Order* orders, uint64_t hashed) noexcept nogil:
    cdef Segment zeros, ones
    cdef Segment* old
    cdef uint32_t number, depth, first, span, i
    if reserve_split(index, hashed) < 0:
        return -1
    number = index.directory[(hashed >> 1) >> (63 - index.depth)]
    old = &index.segments[number]
    depth = old.depth
    if segment_open(&zeros, old.mask + 1, depth + 1) < 0:
        return -1
    if segment_open(&ones, old.mask + 1, depth + 1) < 0:
        segment_close(&zeros)
        return -1
    segment_move(old, &zeros, &ones, orders, index.by_id, depth)
    segment_close(old)
    old[0] = zeros
    index.segments[index.segment_count] = ones
    # The old segment had a run of 2 ** (index.depth - depth) directory entries: the second half is the new one's.
    span = <uint32_t>1 << (index.depth - depth)
    first = <uint32_t>((hashed >> 1) >> (63 - index.depth)) & ~(span - 1)
    for i in range(first + span // 2, first + span):
        index.directory[i] = index.segment_count
    index.segment_count += 1
    return 0

cdef int reserve_split(Index* index, uint64_t hashed) noexcept nogil:
    """Room for one more segment, and a directory deep enough to tell the two halves apart."""
    cdef size_t entries = <size_t>1 << index.depth
    cdef size_t i
    cdef void* block
    if index.segment_count == index.segment_capacity:
        block = block_resize(
            index.segments, index.segment_capacity * sizeof(Segment), index.segment_capacity * 2 * sizeof(Segment)
        )
        if block == NULL:
            return -1
        index.segments = <Segment*>block
        index.segment_capacity *= 2
    if segment_of(index, hashed).depth == index.depth:
        block = block_resize(index.directory, entries * sizeof(uint32_t), entries * 2 * sizeof(uint32_t))
        if block == NULL:
            return -1
        index.directory = <uint32_t*>block
        for i in range(entries, 0, -1):
            index.directory[2 * i - 1] = index.directory[i - 1]
            index.directory[2 * i - 2] = index.directory[i - 1]
        index.depth += 1
    return 0
