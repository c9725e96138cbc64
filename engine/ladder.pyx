"""Inserting and removing levels, and walking them in order; finding is inline in ladder.pxd.

A Ladder holds slots of its machine's pools and owns no memory. Nothing here takes
the GIL or raises. A wrong tree is reported by the return value, and the caller's
assert stops the machine.
"""

from libc.stdint cimport uint32_t, uint64_t

from engine.store cimport (
    BUNCH, Branch, Bunch, IS_BUNCH, IS_LEVEL, Level, highest_bit, lowest_bit, pool_close, pool_copy, pool_give,
    pool_open, pool_take,
)

cdef int nodes_open(Nodes* nodes) noexcept nogil:
    if (
        pool_open(&nodes.levels, sizeof(Level)) < 0 or pool_open(&nodes.bunches, sizeof(Bunch)) < 0
        or pool_open(&nodes.branches, sizeof(Branch)) < 0
    ):
        return -1
    return 0

cdef void nodes_close(Nodes* nodes) noexcept nogil:
    pool_close(&nodes.levels)
    pool_close(&nodes.bunches)
    pool_close(&nodes.branches)

cdef int nodes_copy(Nodes* nodes, const Nodes* other) noexcept nogil:
    if (
        pool_copy(&nodes.levels, &other.levels) < 0 or pool_copy(&nodes.bunches, &other.bunches) < 0
        or pool_copy(&nodes.branches, &other.branches) < 0
    ):
        return -1
    return 0

cdef size_t nodes_bytes(const Nodes* nodes) noexcept nogil:
    """Bytes in use."""
    return (
        nodes.levels.top * sizeof(Level) + nodes.bunches.top * sizeof(Bunch) + nodes.branches.top * sizeof(Branch)
    )

cdef inline uint32_t least_under(const Nodes* nodes, uint32_t node) noexcept nogil:
    """The slot of the least level under `node`, which is not 0."""
    cdef const Branch* branch
    while not node & IS_LEVEL:
        branch = branch_at(nodes, node)
        node = branch.child[lowest_bit(branch.present)]
    return node ^ IS_LEVEL

cdef inline uint32_t greatest_under(const Nodes* nodes, uint32_t node) noexcept nogil:
    """The slot of the greatest level under `node`, which is not 0."""
    cdef const Branch* branch
    while not node & IS_LEVEL:
        branch = branch_at(nodes, node)
        node = branch.child[highest_bit(branch.present)]
    return node ^ IS_LEVEL

cdef uint32_t ladder_search(Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil:
    """The slot of the level with this key, from the root; 0 = none. At most 11 steps."""
    cdef uint32_t node = ladder.root, bit
    cdef const Branch* branch
    if node & IS_LEVEL:
        return ladder.best if ladder.best_key == key else 0
    if node & IS_BUNCH:
        return bunch_find(bunch_at(nodes, node ^ IS_BUNCH), key)
    while node != 0:
        if node & IS_LEVEL:
            node ^= IS_LEVEL
            return node if level_at(nodes, node).key == key else 0
        branch = branch_at(nodes, node)
        bit = (key >> branch.shift) & 63
        if prefix_of(key, branch.shift) != branch.prefix or not (branch.present >> bit) & 1:
            return 0
        if branch.shift == 0:
            ladder.leaf[leaf_of(key)] = node
        node = branch.child[bit]
    return 0

cdef uint32_t ladder_insert(Ladder* ladder, Nodes* nodes, uint64_t key) noexcept nogil:
    """Make the level of this key, without orders; there is none yet. At most 11 steps and one new branch.

    0 = out of memory: the ladder is then not to be used any more.
    """
    cdef uint32_t slot = pool_take(&nodes.levels, sizeof(Level))
    cdef Level* level
    if slot == 0:
        return 0
    level = level_at(nodes, slot)
    level.key = key
    level.total_low = 0
    level.total_high = 0
    level.head = 0
    level.tail = 0
    level.orders = 0
    level.extra = 0
    if ladder.levels == 0:
        ladder.root = slot | IS_LEVEL
    elif ladder.levels == BUNCH and ladder.root & IS_BUNCH and make_tree(ladder, nodes) < 0:
        return 0
    elif ladder.root & (IS_LEVEL | IS_BUNCH):
        if bunch_insert(ladder, nodes, key, slot) < 0:
            return 0
    elif tree_insert(ladder, nodes, key, slot) < 0:
        return 0
    ladder.levels += 1
    if ladder.best == 0 or key < ladder.best_key:
        ladder.best = slot
        ladder.best_key = key
    return slot

cdef int ladder_remove(Ladder* ladder, Nodes* nodes, uint32_t slot) noexcept nogil:
    """Take a level without orders away and find the next best. At most 11 steps. -1: it is not there."""
    if ladder.root == (slot | IS_LEVEL):
        ladder.root = 0
        ladder.best = 0
    elif ladder.root & IS_BUNCH:
        if bunch_remove(ladder, nodes, slot) < 0:
            return -1
    elif ladder.root & IS_LEVEL or tree_remove(ladder, nodes, slot) < 0:
        return -1
    ladder.levels -= 1
    pool_give(&nodes.levels, sizeof(Level), slot)
    return 0

# ---------------------------------------------------------------- bunches

cdef inline uint32_t new_bunch(Nodes* nodes) noexcept nogil:
    """An empty bunch; 0 = out of memory."""
    cdef uint32_t slot = pool_take(&nodes.bunches, sizeof(Bunch))
    cdef Bunch* bunch
    cdef int i
    if slot:
        bunch = bunch_at(nodes, slot)
        for i in range(BUNCH):
            bunch.key[i] = NO_KEY
            bunch.level[i] = 0
        bunch.reserved_120 = 0
    return slot

cdef inline int bunch_insert(Ladder* ladder, Nodes* nodes, uint64_t key, uint32_t slot) noexcept nogil:
    """Add a level to a bunch with room for it, or to a lone level. -1: out of memory."""
    cdef uint32_t number
    cdef Bunch* bunch
    if ladder.root & IS_LEVEL:
        number = new_bunch(nodes)
        if number == 0:
            return -1
        bunch = bunch_at(nodes, number)
        bunch.key[0] = ladder.best_key
        bunch.level[0] = ladder.best
        ladder.root = number | IS_BUNCH
    bunch = bunch_at(nodes, ladder.root ^ IS_BUNCH)
    bunch.key[ladder.levels] = key
    bunch.level[ladder.levels] = slot
    return 0

cdef inline int bunch_remove(Ladder* ladder, Nodes* nodes, uint32_t slot) noexcept nogil:
    """Take a level out of a bunch of at least two. -1: it is not there."""
    cdef Bunch* bunch = bunch_at(nodes, ladder.root ^ IS_BUNCH)
    cdef uint32_t last = ladder.levels - 1, at = 0, best = 0, i
    for i in range(BUNCH):
        at |= i & (0 - <uint32_t>(bunch.level[i] == slot))
    if bunch.level[at] != slot:
        return -1
    bunch.key[at] = bunch.key[last]
    bunch.level[at] = bunch.level[last]
    bunch.key[last] = NO_KEY
    bunch.level[last] = 0
    # Among equals the first: a level may have NO_KEY too, and empty places are last.
    for i in range(BUNCH):
        best = i if bunch.key[i] < bunch.key[best] else best
    ladder.best = bunch.level[best]
    ladder.best_key = bunch.key[best]
    if last == 1:
        pool_give(&nodes.bunches, sizeof(Bunch), ladder.root ^ IS_BUNCH)
        ladder.root = ladder.best | IS_LEVEL
    return 0

cdef uint32_t bunch_after(const Bunch* bunch, uint32_t levels, uint64_t key) noexcept nogil:
    """The slot of the level next worse than this key; 0 = none."""
    cdef uint64_t next_key = 0
    cdef uint32_t found = 0, i
    for i in range(levels):
        if bunch.key[i] > key and (found == 0 or bunch.key[i] < next_key):
            found = bunch.level[i]
            next_key = bunch.key[i]
    return found

cdef uint32_t bunch_before(const Bunch* bunch, uint32_t levels, uint64_t key) noexcept nogil:
    """The slot of the level next better than this key; 0 = none."""
    cdef uint64_t next_key = 0
    cdef uint32_t found = 0, i
    for i in range(levels):
        if bunch.key[i] < key and (found == 0 or bunch.key[i] > next_key):
            found = bunch.level[i]
            next_key = bunch.key[i]
    return found

cdef int make_tree(Ladder* ladder, Nodes* nodes) noexcept nogil:
    """Put the levels of a full bunch into a tree. -1: out of memory."""
    cdef uint32_t number = ladder.root ^ IS_BUNCH
    cdef Bunch bunch = bunch_at(nodes, number)[0]
    cdef int i
    ladder.root = 0
    for i in range(BUNCH):
        if tree_insert(ladder, nodes, bunch.key[i], bunch.level[i]) < 0:
            return -1
    pool_give(&nodes.bunches, sizeof(Bunch), number)
    return 0

cdef int make_bunch(Ladder* ladder, Nodes* nodes) noexcept nogil:
    """Put the levels of a tree, BUNCH_AGAIN of them, into a bunch. -1: out of memory."""
    cdef uint32_t number = new_bunch(nodes)
    if number == 0:
        return -1
    gather(nodes, ladder.root, bunch_at(nodes, number), 0)
    ladder.root = number | IS_BUNCH
    ladder.leaf[0] = 0
    ladder.leaf[1] = 0
    return 0

cdef uint32_t gather(Nodes* nodes, uint32_t node, Bunch* bunch, uint32_t count) noexcept nogil:
    """Append the levels under a node and give its branches back; how many there are then."""
    cdef Branch* branch
    cdef uint64_t left
    if node & IS_LEVEL:
        bunch.key[count] = level_at(nodes, node ^ IS_LEVEL).key
        bunch.level[count] = node ^ IS_LEVEL
        return count + 1
    branch = branch_at(nodes, node)
    left = branch.present
    while left:
        count = gather(nodes, branch.child[lowest_bit(left)], bunch, count)
        left &= left - 1
    pool_give(&nodes.branches, sizeof(Branch), node)
    return count

# ---------------------------------------------------------------- trees

cdef int tree_insert(Ladder* ladder, Nodes* nodes, uint64_t key, uint32_t slot) noexcept nogil:
    """Put a level into a tree, which may be empty. At most 11 steps and one new branch. -1: out of memory."""
    cdef uint32_t* place = &ladder.root
    cdef uint32_t node, bit, shift, above
    cdef uint64_t other
    cdef Branch* branch
    while place[0] != 0:
        node = place[0]
        if node & IS_LEVEL:
            other = level_at(nodes, node ^ IS_LEVEL).key
        else:
            branch = branch_at(nodes, node)
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
        above = branch_between(ladder, nodes, place, node, key, other, shift)
        if above == 0:
            return -1
        place = &branch_at(nodes, above).child[bit]
        break
    place[0] = slot | IS_LEVEL
    return 0

cdef inline uint64_t prefix_difference(uint64_t key, const Branch* branch) noexcept nogil:
    """The bits above the branch's six in which the key and the branch's keys differ; not 0."""
    return (prefix_of(key, branch.shift) ^ branch.prefix) << branch.shift << 6

cdef uint32_t branch_between(
    Ladder* ladder, Nodes* nodes, uint32_t* place, uint32_t node, uint64_t key, uint64_t other, uint32_t shift
) noexcept nogil:
    """Put a branch where `node` is, with `node` and the (not yet filled) place of `key` as its children."""
    cdef bint at_root = place == &ladder.root
    cdef size_t offset = 0 if at_root else <char*>place - nodes.branches.records
    cdef uint32_t above = pool_take(&nodes.branches, sizeof(Branch))    # may move the branches
    cdef Branch* branch
    if above == 0:
        return 0
    if not at_root:
        place = <uint32_t*>(nodes.branches.records + offset)
    branch = branch_at(nodes, above)
    branch.prefix = prefix_of(key, shift)
    branch.shift = shift
    branch.reserved_20 = 0
    branch.present = (<uint64_t>1 << ((key >> shift) & 63)) | (<uint64_t>1 << ((other >> shift) & 63))
    branch.child[(other >> shift) & 63] = node
    place[0] = above
    return above

cdef int tree_remove(Ladder* ladder, Nodes* nodes, uint32_t slot) noexcept nogil:
    """Take a level out of a tree and find the next best. At most 11 steps. -1: it is not there, or no memory."""
    cdef uint64_t key = level_at(nodes, slot).key
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
        branch = branch_at(nodes, node)
        bit = (key >> branch.shift) & 63
        if not (branch.present >> bit) & 1:
            return -1
        parent_place = place
        place = &branch.child[bit]
    if node != (slot | IS_LEVEL):
        return -1
    branch.present &= ~(<uint64_t>1 << ((key >> branch.shift) & 63))
    if branch.present & (branch.present - 1) == 0:
        # One child is left: it takes the branch's place.
        node = parent_place[0]
        parent_place[0] = branch.child[lowest_bit(branch.present)]
        if node == ladder.leaf[leaf_of(key)]:
            ladder.leaf[leaf_of(key)] = 0
        pool_give(&nodes.branches, sizeof(Branch), node)
    if ladder.best == slot:
        ladder.best = least_under(nodes, ladder.root)
        ladder.best_key = level_at(nodes, ladder.best).key
    return make_bunch(ladder, nodes) if ladder.levels == BUNCH_AGAIN + 1 else 0

cdef uint32_t ladder_after(const Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil:
    """The slot of the level next worse than this key; 0 = none. At most 22 steps."""
    cdef uint32_t node = ladder.root, worse = 0, bit
    cdef uint64_t prefix, more
    cdef const Branch* branch
    if node & IS_BUNCH:
        return bunch_after(bunch_at(nodes, node ^ IS_BUNCH), ladder.levels, key)
    while node != 0:
        if node & IS_LEVEL:
            node ^= IS_LEVEL
            if level_at(nodes, node).key > key:
                return node
            break
        branch = branch_at(nodes, node)
        prefix = prefix_of(key, branch.shift)
        if prefix != branch.prefix:
            if prefix < branch.prefix:
                return least_under(nodes, node)
            break
        bit = (key >> branch.shift) & 63
        more = branch.present & (~<uint64_t>1 << bit)      # the children after this one
        if more:
            worse = branch.child[lowest_bit(more)]
        node = branch.child[bit] if (branch.present >> bit) & 1 else 0
    return least_under(nodes, worse) if worse else 0

cdef uint32_t ladder_before(const Ladder* ladder, const Nodes* nodes, uint64_t key) noexcept nogil:
    """The slot of the level next better than this key; 0 = none. At most 22 steps."""
    cdef uint32_t node = ladder.root, better = 0, bit
    cdef uint64_t prefix, fewer
    cdef const Branch* branch
    if node & IS_BUNCH:
        return bunch_before(bunch_at(nodes, node ^ IS_BUNCH), ladder.levels, key)
    while node != 0:
        if node & IS_LEVEL:
            node ^= IS_LEVEL
            if level_at(nodes, node).key < key:
                return node
            break
        branch = branch_at(nodes, node)
        prefix = prefix_of(key, branch.shift)
        if prefix != branch.prefix:
            if prefix > branch.prefix:
                return greatest_under(nodes, node)
            break
        bit = (key >> branch.shift) & 63
        fewer = branch.present & ((<uint64_t>1 << bit) - 1)     # the children before this one
        if fewer:
            better = branch.child[highest_bit(fewer)]
        node = branch.child[bit] if (branch.present >> bit) & 1 else 0
    return greatest_under(nodes, better) if better else 0

cdef uint32_t ladder_worst(const Ladder* ladder, const Nodes* nodes) noexcept nogil:
    """The slot of the worst level; 0 = the ladder is empty. At most 11 steps."""
    cdef const Bunch* bunch
    cdef uint32_t worst = 0, i
    if ladder.root & IS_BUNCH:
        bunch = bunch_at(nodes, ladder.root ^ IS_BUNCH)
        for i in range(ladder.levels):
            worst = i if bunch.key[i] > bunch.key[worst] else worst
        return bunch.level[worst]
    return greatest_under(nodes, ladder.root) if ladder.root else 0
