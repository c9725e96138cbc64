# The levels of one side of one book, best first.
#
# A level's key is its price as an unsigned number that orders the side: best =
# least. A lone level is the root itself. Up to BUNCH levels are in a bunch: their
# keys side by side, all looked at each time. More are in a radix tree over the
# key's 64 bits, six at a time, with the levels as leaves, and single-child
# branches left out (Morrison, "PATRICIA", 1968; six bits because a branch's
# presence bits fit one word). So any price is at most 11 steps away, there is no
# window to slide when prices wander, and memory is bounded for any price.
# The best level is kept beside the root and found again when it goes.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.store cimport BUNCH, Branch, Bunch, IS_LEVEL, Level, Pool, SLOTS

cdef struct Ladder:         # 32 bytes
    uint64_t best_key       # of the best level; only meaningful when best is not 0
    uint32_t best           # its slot; 0 = no orders on this side
    uint32_t root           # a branch, a bunch with IS_BUNCH, or a level with IS_LEVEL; 0 = empty
    uint32_t orders         # resting on this side
    uint32_t levels
    uint32_t leaf[2]        # the branches with shift 0 that were last found in, by the lowest bit above; 0 = none

cdef struct Nodes:          # what the ladders of all books are made of; in the order of a node's two highest bits
    Pool branches           # Branch
    Pool bunches            # Bunch, IS_BUNCH
    Pool levels             # Level, IS_LEVEL

cdef enum:
    BUNCH_AGAIN = 5         # a tree of no more levels becomes a bunch; far from BUNCH, so that none swings

cdef extern from *:
    const uint64_t NO_KEY "UINT64_MAX"      # a place of a bunch without a level; also the key of the last price

# BUY 0, SELL 1. The same mapping leads back: key ^ mask = price.
cdef inline uint64_t key_mask(uint32_t side) noexcept nogil:
    return <uint64_t>0x7FFFFFFFFFFFFFFF + side

cdef inline uint64_t key_of(int64_t price, uint32_t side) noexcept nogil:
    return <uint64_t>price ^ key_mask(side)

cdef inline int64_t price_of(uint64_t key, uint32_t side) noexcept nogil:
    return <int64_t>(key ^ key_mask(side))

cdef inline Level* level_at(const Nodes* nodes, uint32_t slot) noexcept nogil:
    return &(<Level*>nodes.levels.records)[slot]

cdef inline Bunch* bunch_at(const Nodes* nodes, uint32_t slot) noexcept nogil:
    return &(<Bunch*>nodes.bunches.records)[slot]

cdef inline Branch* branch_at(const Nodes* nodes, uint32_t slot) noexcept nogil:
    return &(<Branch*>nodes.branches.records)[slot]

# The key bits above a branch's six: what all keys under it share.
cdef inline uint64_t prefix_of(uint64_t key, uint32_t shift) noexcept nogil:
    return (key >> shift) >> 6

# Which of the two remembered branches a key may be in: a touch near the end of one needs its neighbour too.
cdef inline uint32_t leaf_of(uint64_t key) noexcept nogil:
    return (key >> 6) & 1

cdef inline void level_add(Level* level, int64_t lots) noexcept nogil:
    level.total_low += <uint64_t>lots
    level.total_high += level.total_low < <uint64_t>lots

cdef inline void level_subtract(Level* level, int64_t lots) noexcept nogil:
    level.total_high -= level.total_low < <uint64_t>lots
    level.total_low -= <uint64_t>lots

# Where a node is: which of the pools, and the slot there.
cdef inline const char* node_at(const Nodes* nodes, uint32_t node) noexcept nogil:
    cdef const Pool* pool = &(&nodes.branches)[node >> 30]
    return pool.records + (node & (SLOTS - 1)) * pool.size

# The slot of a bunch's level with this key; 0 = none. All places are compared: where it is follows no pattern.
cdef inline uint32_t bunch_find(const Bunch* bunch, uint64_t key) noexcept nogil:
    cdef uint32_t found = 0
    cdef int i
    for i in range(BUNCH):
        found |= bunch.level[i] & (0 - <uint32_t>(bunch.key[i] == key))
    return found

# Usually 1 step, at most 12. The slot of the level with this key; 0 = none.
cdef inline uint32_t ladder_find(Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil:
    # Orders come near each other. Branch 0 is all zeros: it has no level.
    cdef const Branch* leaf = branch_at(nodes, ladder.leaf[leaf_of(key)])
    if leaf.prefix == key >> 6 and (leaf.present >> (key & 63)) & 1:
        return leaf.child[key & 63] ^ IS_LEVEL
    return ladder_search(ladder, nodes, key)

cdef uint32_t ladder_search(Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil
cdef uint32_t ladder_insert(Ladder* ladder, Nodes* nodes, uint64_t key) noexcept nogil
cdef int ladder_remove(Ladder* ladder, Nodes* nodes, uint32_t slot) noexcept nogil
cdef uint32_t ladder_after(const Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil
cdef uint32_t ladder_before(const Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil
cdef uint32_t ladder_worst(const Ladder* ladder, const Nodes* nodes) noexcept nogil

# At most 22 steps. The slot of the best level whose key is this one or worse; 0 = none.
cdef inline uint32_t ladder_from(const Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil:
    return ladder_after(ladder, nodes, key - 1) if key else ladder.best

cdef int nodes_open(Nodes* nodes) noexcept nogil                        # -1: out of memory; close it all the same
cdef void nodes_close(Nodes* nodes) noexcept nogil
cdef int nodes_copy(Nodes* nodes, const Nodes* other) noexcept nogil    # -1: out of memory; close it all the same
cdef size_t nodes_bytes(const Nodes* nodes) noexcept nogil
