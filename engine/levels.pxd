# An order into the queue of a level and out of it, in any ladder; what a level has beyond plain orders.
#
# queue.pxd has the same for plain orders in the book. Inline, because every order goes through it; an error is a broken
# invariant or a lack of memory, and the machine stops.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from engine.ladder cimport (
    Ladder, ladder_find, ladder_insert, ladder_remove, level_add, level_at, level_subtract,
)
from engine.state cimport Books, order_at
from engine.store cimport Level, LevelExtra, Order, pool_give, pool_take

cdef inline LevelExtra* level_extra(const Books* books, const Level* level) noexcept nogil:
    """Slot 0, all zeros, where there is none."""
    return &(<LevelExtra*>books.level_extras.records)[level.extra]

cdef inline bint has_unpegged(const Books* books, const Level* level) noexcept nogil:
    """Whether an order of the level follows no other."""
    return level.orders > level_extra(books, level).pegged

# Last in the queue of a key; the level is made when there is none. O(1), at most 11 steps to the level.
cdef inline int join_level(
    Books* books, uint32_t instrument, Ladder* ladder, uint64_t key, uint32_t slot
) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef uint32_t number = ladder_find(ladder, &books.nodes, key)
    cdef Level* level
    if number == 0:
        number = ladder_insert(ladder, &books.nodes, key)
        if number == 0:
            raise MemoryError("no memory for another price level")
        level_at(&books.nodes, number).instrument = instrument
    level = level_at(&books.nodes, number)
    order.level = number
    order.next = 0
    order.previous = level.tail
    if level.tail:
        order_at(books, level.tail).next = slot
    else:
        level.head = slot
    level.tail = slot
    level.orders += 1
    level_add(level, order.leaves_lots)
    ladder.orders += 1
    return 0

# Out of its queue; the level goes with its last order. O(1), at most 11 steps then.
cdef inline int leave_level(Books* books, Ladder* ladder, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Level* level = level_at(&books.nodes, order.level)
    level_subtract(level, order.leaves_lots)
    if order.next:
        order_at(books, order.next).previous = order.previous
    else:
        level.tail = order.previous
    if order.previous:
        order_at(books, order.previous).next = order.next
    else:
        level.head = order.next
    level.orders -= 1
    ladder.orders -= 1
    if level.orders == 0:
        if level.head or level.tail or level.total_low or level.total_high or level.extra:
            raise AssertionError("a level without orders is not empty")
        if ladder_remove(ladder, &books.nodes, order.level) < 0:
            raise AssertionError("a level is not in its ladder")
    order.level = 0
    return 0

# So many pegged orders, and lots beside the slices of icebergs, more or fewer. O(1)
cdef inline int extend_level(Books* books, uint32_t number, uint32_t pegged, int64_t reserve) except -1 nogil:
    cdef Level* level = level_at(&books.nodes, number)
    cdef LevelExtra* extra
    if level.extra == 0:
        level.extra = pool_take(&books.level_extras, sizeof(LevelExtra))
        if level.extra == 0:
            raise MemoryError("no memory for another price level")
        memset(level_extra(books, level), 0, sizeof(LevelExtra))
    extra = level_extra(books, level)
    extra.pegged += pegged
    extra.reserve_low += <uint64_t>reserve
    extra.reserve_high += extra.reserve_low < <uint64_t>reserve
    return 0

cdef inline void shorten_level(Books* books, uint32_t number, uint32_t pegged, int64_t reserve) noexcept nogil:
    cdef Level* level = level_at(&books.nodes, number)
    cdef LevelExtra* extra = level_extra(books, level)
    extra.pegged -= pegged
    extra.reserve_high -= extra.reserve_low < <uint64_t>reserve
    extra.reserve_low -= <uint64_t>reserve
    if extra.pegged == 0 and extra.reserve_low == 0 and extra.reserve_high == 0:
        pool_give(&books.level_extras, sizeof(LevelExtra), level.extra)
        level.extra = 0
