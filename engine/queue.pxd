# An order into the book and out of it: its queue, its level, its two names.
#
# Inline, because every command does it. An error is a broken invariant or a lack
# of memory, and the machine stops.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.index cimport IDS, REFS, hash_id, hash_ref, index_find, index_insert, index_remove
from engine.ladder cimport (
    Ladder, key_of, ladder_find, ladder_insert, ladder_remove, level_add, level_at, level_subtract,
)
from engine.state cimport Books, order_at, side_of_order
from engine.store cimport Level, Order, pool_give

cdef extern from *:
    bint unlikely(bint condition) noexcept nogil    # Cython's own: the branch is laid out of the way

# Put an order last in the queue of its price. O(1), and at most 11 steps to its level.
cdef inline int rest_order(
    Books* books, uint32_t slot, uint32_t instrument, uint32_t side, int64_t price
) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef uint64_t key = key_of(price, side)
    cdef Ladder* ladder = &books.instruments[instrument].sides[side]
    cdef uint32_t number = ladder_find(ladder, &books.nodes, key)
    cdef Level* level
    cdef uint32_t* before
    if unlikely(number == 0):
        number = ladder_insert(ladder, &books.nodes, key)
        if number == 0:
            raise MemoryError("no memory for another price level")
        level_at(&books.nodes, number).instrument = instrument
    level = level_at(&books.nodes, number)
    order.level = number
    order.next = 0
    order.previous = level.tail
    before = &order_at(books, level.tail).next if level.tail else &level.head
    before[0] = slot
    level.tail = slot
    level.orders += 1
    level_add(level, order.leaves_lots)
    ladder.orders += 1
    return 0

# Take an order out of its queue; the level goes with its last order. O(1), at most 11 steps then.
cdef inline int leave_book(Books* books, Order* order) except -1 nogil:
    cdef Level* level = level_at(&books.nodes, order.level)
    cdef Ladder* ladder = &books.instruments[level.instrument].sides[side_of_order(order)]
    level_subtract(level, order.leaves_lots)
    # Pointers are chosen, not branches: whether an order has neighbours follows no pattern.
    cdef uint32_t* behind = &order_at(books, order.next).previous if order.next else &level.tail
    cdef uint32_t* before = &order_at(books, order.previous).next if order.previous else &level.head
    level.orders -= 1
    ladder.orders -= 1
    behind[0] = order.previous
    before[0] = order.next
    if unlikely(level.orders == 0):
        if level.head or level.tail or level.total_low or level.total_high:
            raise AssertionError("a level without orders is not empty")
        if ladder_remove(ladder, &books.nodes, order.level) < 0:
            raise AssertionError("a level is not in its ladder")
    order.level = 0
    return 0

# Enter an order whose record is filled under both its names. O(1)
cdef inline void enter_index(Books* books, uint32_t slot, uint64_t ref_hashed) noexcept nogil:
    cdef Order* orders = <Order*>books.orders.records
    index_insert(&books.index, orders, hash_id(orders[slot].order_id), IDS, slot)
    index_insert(&books.index, orders, ref_hashed, REFS, slot)

# An order that has left the book is dead: its ids are free again and its slot is given back. O(1)
cdef inline int forget_order(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Order* orders = <Order*>books.orders.records
    if unlikely(
        not index_remove(&books.index, orders, hash_id(order.order_id), IDS, slot)
        or not index_remove(&books.index, orders, hash_ref(order.owner, order.client_ref), REFS, slot)
    ):
        raise AssertionError("a live order is not in the index")
    pool_give(&books.orders, sizeof(Order), slot)
    return 0

# The live order with this id, or with this owner and client_ref; 0 = none. O(1)
cdef inline uint32_t find_id(const Books* books, uint64_t order_id) noexcept nogil:
    return index_find(&books.index, <const Order*>books.orders.records, hash_id(order_id), IDS, 0, order_id)

cdef inline uint32_t find_ref(const Books* books, uint64_t hashed, uint32_t owner, uint64_t client_ref) noexcept nogil:
    return index_find(&books.index, <const Order*>books.orders.records, hashed, REFS, owner, client_ref)
