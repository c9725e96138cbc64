"""Inserting and removing levels, and walking them in order; finding is inline in ladder.pxd.

A Ladder holds slots of its machine's pools and owns no memory. Nothing here takes
the GIL or raises. A wrong tree is reported by the return value, and the caller's
assert stops the machine.
"""

from libc.stdint cimport uint32_t, uint64_t

from engine.store cimport Branch, IS_LEVEL, Level, Pool, highest_bit, lowest_bit, pool_give, pool_take

cdef inline uint32_t least_under(const Pool* branches, uint32_t node) noexcept nogil:
    """The slot of the least level under `node`, which is not 0."""
    cdef const Branch* branch
    while not node & IS_LEVEL:
        branch = branch_at(branches, node)
        node = branch.child[lowest_bit(branch.present)]
    return node ^ IS_LEVEL

cdef uint32_t ladder_search(Ladder* ladder, const Pool* levels, const Pool* branches, uint64_t key) noexcept nogil:
    """The slot of the level with this key, from the root; 0 = none. At most 11 steps."""
    cdef uint32_t node = ladder.root, bit
    cdef const Branch* branch
    while node != 0:
        if node & IS_LEVEL:
            node ^= IS_LEVEL
            return node if level_at(levels, node).key == key else 0
        branch = branch_at(branches, node)
        bit = (key >> branch.shift) & 63
        if prefix_of(key, branch.shift) != branch.prefix or not (branch.present >> bit) & 1:
            return 0
        if branch.shift == 0:
            ladder.leaf[leaf_of(key)] = node
        node = branch.child[bit]
    return 0

cdef uint32_t ladder_insert(Ladder* ladder, Pool* levels, Pool* branches, uint64_t key) noexcept nogil:
    """Make the level of this key, without orders; there is none yet. 0 = out of memory, nothing changed.

    At most 11 steps and one new branch.
    """
    cdef uint32_t slot = pool_take(levels, sizeof(Level)), node, bit, shift, above
    cdef uint32_t* place = &ladder.root
    cdef uint64_t other
    cdef Level* level
    cdef Branch* branch
    if slot == 0:
        return 0
    while place[0] != 0:
        node = place[0]
        if node & IS_LEVEL:
            other = level_at(levels, node ^ IS_LEVEL).key
        else:
            branch = branch_at(branches, node)
            bit = (key >> branch.shift) & 63
            if prefix_of(key, branch.shift) == branch.prefix:
                if (branch.present >> bit) & 1:
                    place = &branch.child[bit]
                    continue
                branch.present |= <uint64_t>1 << bit
                place = &branch.child[bit]
                break
            other = branch.prefix << branch.shift << 6
        # Keys part above what `node` holds: a branch goes between, at the six bits where they do.
        shift = highest_bit((key ^ other) if node & IS_LEVEL else prefix_difference(key, branch)) // 6 * 6
        bit = (key >> shift) & 63
        above = branch_between(ladder, branches, place, node, key, other, shift)
        if above == 0:
            pool_give(levels, sizeof(Level), slot)
            return 0
        place = &branch_at(branches, above).child[bit]
        break
    place[0] = slot | IS_LEVEL
    level = level_at(levels, slot)
    level.key = key
    level.total_low = 0
    level.total_high = 0
    level.head = 0
    level.tail = 0
    level.orders = 0
    level.reserved_36 = 0
    if ladder.best == 0 or key < ladder.best_key:
        ladder.best = slot
        ladder.best_key = key
    return slot

cdef inline uint64_t prefix_difference(uint64_t key, const Branch* branch) noexcept nogil:
    """The bits above the branch's six in which the key and the branch's keys differ; not 0."""
    return (prefix_of(key, branch.shift) ^ branch.prefix) << branch.shift << 6

cdef uint32_t branch_between(
    Ladder* ladder, Pool* branches, uint32_t* place, uint32_t node, uint64_t key, uint64_t other, uint32_t shift
) noexcept nogil:
    """Put a branch where `node` is, with `node` and the (not yet filled) place of `key` as its children."""
    cdef bint at_root = place == &ladder.root
    cdef size_t offset = 0 if at_root else <char*>place - branches.records
    cdef uint32_t above = pool_take(branches, sizeof(Branch))    # may move the branches
    cdef Branch* branch
    if above == 0:
        return 0
    if not at_root:
        place = <uint32_t*>(branches.records + offset)
    branch = branch_at(branches, above)
    branch.prefix = prefix_of(key, shift)
    branch.shift = shift
    branch.reserved_20 = 0
    branch.present = (<uint64_t>1 << ((key >> shift) & 63)) | (<uint64_t>1 << ((other >> shift) & 63))
    branch.child[(other >> shift) & 63] = node
    place[0] = above
    return above

cdef int ladder_remove(Ladder* ladder, Pool* levels, Pool* branches, uint32_t slot) noexcept nogil:
    """Take a level without orders away and find the next best. At most 11 steps. -1: it is not there."""
    cdef uint64_t key = level_at(levels, slot).key
    cdef uint32_t* place = &ladder.root
    cdef uint32_t* parent_place = NULL
    cdef uint32_t node, bit
    cdef Branch* branch = NULL
    while True:
        node = place[0]
        if node == 0:
            return -1
        if node & IS_LEVEL:
            break
        branch = branch_at(branches, node)
        bit = (key >> branch.shift) & 63
        if not (branch.present >> bit) & 1:
            return -1
        parent_place = place
        place = &branch.child[bit]
    if node != (slot | IS_LEVEL):
        return -1
    if parent_place == NULL:
        ladder.root = 0
    else:
        branch.present &= ~(<uint64_t>1 << ((key >> branch.shift) & 63))
        if branch.present & (branch.present - 1) == 0:
            # One child is left: it takes the branch's place.
            node = parent_place[0]
            parent_place[0] = branch.child[lowest_bit(branch.present)]
            if node == ladder.leaf[leaf_of(key)]:
                ladder.leaf[leaf_of(key)] = 0
            pool_give(branches, sizeof(Branch), node)
    pool_give(levels, sizeof(Level), slot)
    if ladder.best == slot:
        if ladder.root == 0:
            ladder.best = 0
        else:
            ladder.best = least_under(branches, ladder.root)
            ladder.best_key = level_at(levels, ladder.best).key
    return 0

cdef uint32_t ladder_after(
    const Ladder* ladder, const Pool* levels, const Pool* branches, uint64_t key
) noexcept nogil:
    """The slot of the level next worse than this key; 0 = none. At most 22 steps."""
    cdef uint32_t node = ladder.root, worse = 0, bit
    cdef uint64_t prefix, more
    cdef const Branch* branch
    while node != 0:
        if node & IS_LEVEL:
            node ^= IS_LEVEL
            if level_at(levels, node).key > key:
                return node
            break
        branch = branch_at(branches, node)
        prefix = prefix_of(key, branch.shift)
        if prefix != branch.prefix:
            if prefix < branch.prefix:
                return least_under(branches, node)
            break
        bit = (key >> branch.shift) & 63
        more = branch.present & (~<uint64_t>1 << bit)      # the children after this one
        if more:
            worse = branch.child[lowest_bit(more)]
        node = branch.child[bit] if (branch.present >> bit) & 1 else 0
    return least_under(branches, worse) if worse else 0
