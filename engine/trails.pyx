# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools and the ladders alone.
"""Trailing stops that wait: those that follow from one price are a Trail, and a better price moves them as one.

A stop that has seen 100 as the lowest price and one that came at 100 follow alike from there on, each at its own
distance. So a Trail has them by distance, and only the nearest, which will be reached first, waits where the other
stops do. When the price is better than those of several Trails they become one: the orders of the smaller go over to
the larger, one at a time. An order goes over at most as often as its Trail can double.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from engine.ladder cimport Ladder, key_of, ladder_find, ladder_insert, ladder_remove, level_at
from engine.levels cimport join_level, leave_level
from engine.places cimport EMPTY, extra_of
from engine.state cimport Books, Trail, market_of, order_at, side_of_order
from engine.store cimport Extra, Order, pool_give, pool_take

cdef int wait(Books* books, uint32_t slot) except -1 nogil:
    """Where all stops wait, by stop price."""
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order)
    return join_level(
        books, extra.instrument, &market_of(books, extra.instrument).waiting[side],
        key_of(stop_of(books, order, extra), side ^ 1), slot
    )

cdef int wait_no_more(Books* books, uint32_t slot) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    return leave_level(books, &market_of(books, extra.instrument).waiting[side_of_order(order)], slot)

cdef inline uint64_t distance_of(const Books* books, uint32_t slot) noexcept nogil:
    return <uint64_t>extra_of(books, order_at(books, slot)).offset_ticks

cdef int join(Books* books, uint32_t number, uint32_t slot) except -1 nogil:
    """The members of a Trail, by distance."""
    return join_level(
        books, extra_of(books, order_at(books, slot)).instrument, &trail_at(books, number).members,
        distance_of(books, slot), slot
    )

cdef int part(Books* books, uint32_t number, uint32_t slot) except -1 nogil:
    return leave_level(books, &trail_at(books, number).members, slot)

# ---------------------------------------------------------------- trails

cdef int place_trail(Books* books, uint32_t instrument, uint32_t side, uint32_t number) except -1 nogil:
    """Among the Trails of its side, none of which is at its price."""
    cdef Ladder* ladder = &market_of(books, instrument).trails[side]
    cdef uint32_t level = ladder_insert(ladder, &books.nodes, key_of(trail_at(books, number).from_ticks, side))
    if level == 0:
        raise MemoryError("no memory for another price of trailing stops")
    level_at(&books.nodes, level).instrument = instrument
    level_at(&books.nodes, level).head = number
    return 0

cdef int displace_trail(Books* books, uint32_t instrument, uint32_t side, uint32_t number) except -1 nogil:
    cdef Ladder* ladder = &market_of(books, instrument).trails[side]
    cdef uint32_t level = ladder_find(ladder, &books.nodes, key_of(trail_at(books, number).from_ticks, side))
    if level == 0 or ladder_remove(ladder, &books.nodes, level) < 0:
        raise AssertionError("a price of trailing stops is not in its ladder")
    return 0

cdef uint32_t trail_from(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """The Trail that follows from a price; 0 = there is none."""
    cdef uint32_t level = ladder_find(&market_of(books, instrument).trails[side], &books.nodes, key_of(price, side))
    return level_at(&books.nodes, level).head if level else 0

cdef uint32_t make_trail(Books* books, uint32_t instrument, uint32_t side, int64_t price) except 0 nogil:
    cdef uint32_t number = pool_take(&books.trails, sizeof(Trail))
    if number == 0:
        raise MemoryError("no memory for another price of trailing stops")
    memset(trail_at(books, number), 0, sizeof(Trail))
    trail_at(books, number).from_ticks = price
    place_trail(books, instrument, side, number)
    return number

cdef int enter_trail(Books* books, uint32_t number, uint32_t slot) except -1 nogil:
    """As the nearest, or by its distance, behind those of the same."""
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    cdef Trail* trail = trail_at(books, number)
    cdef uint32_t other = trail.nearest
    extra.trail = number
    trail.count += 1
    if other and distance_of(books, other) <= distance_of(books, slot):
        return join(books, number, slot)
    trail.nearest = slot
    wait(books, slot)
    if other == 0:
        return 0
    wait_no_more(books, other)
    return join(books, number, other)

cdef int exit_trail(Books* books, uint32_t slot) except -1 nogil:
    """The next nearest waits in its place. A Trail without orders is gone."""
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    cdef uint32_t number = extra.trail
    cdef Trail* trail = trail_at(books, number)
    extra.trail = 0
    trail.count -= 1
    if slot != trail.nearest:
        return part(books, number, slot)
    wait_no_more(books, slot)
    trail.nearest = level_at(&books.nodes, trail.members.best).head if trail.members.best else 0
    if trail.nearest:
        part(books, number, trail.nearest)
        return wait(books, trail.nearest)
    displace_trail(books, extra.instrument, side_of_order(order_at(books, slot)), number)
    pool_give(&books.trails, sizeof(Trail), number)
    return 0

# ---------------------------------------------------------------- orders

cdef int join_trail(Books* books, uint32_t slot) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order), number
    cdef int64_t price = trailing_stop(side ^ 1, extra.stop_price_ticks, extra.offset_ticks)
    if price == EMPTY:      # no price is so good that it would follow
        return wait(books, slot)
    number = trail_from(books, extra.instrument, side, price)
    if number == 0:
        number = make_trail(books, extra.instrument, side, price)
    return enter_trail(books, number, slot)

cdef int leave_trail(Books* books, uint32_t slot) except -1 nogil:
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    if extra.trail == 0:
        return wait_no_more(books, slot)
    extra.stop_price_ticks = stop_of(books, order_at(books, slot), extra)
    return exit_trail(books, slot)

cdef int go_over(Books* books, uint32_t number, uint32_t other) except -1 nogil:
    """One order of a Trail to another."""
    cdef const Trail* trail = trail_at(books, number)
    cdef uint32_t slot = level_at(&books.nodes, trail.members.best).head if trail.members.best else trail.nearest
    exit_trail(books, slot)
    return enter_trail(books, other, slot)

cdef int follow(Books* books, uint32_t instrument, uint32_t side, int64_t price) except -1 nogil:
    cdef uint32_t level = market_of(books, instrument).trails[side].best
    cdef uint32_t number = level_at(&books.nodes, level).head, other = trail_from(books, instrument, side, price)
    cdef Trail* trail = trail_at(books, number)
    if other and trail.count <= trail_at(books, other).count:
        return go_over(books, number, other)
    # It is moved itself. A smaller one that was there takes its old price until its orders have gone over.
    displace_trail(books, instrument, side, number)
    if other:
        displace_trail(books, instrument, side, other)
        trail_at(books, other).from_ticks = trail.from_ticks
        place_trail(books, instrument, side, other)
    trail.from_ticks = price
    place_trail(books, instrument, side, number)
    wait_no_more(books, trail.nearest)
    return wait(books, trail.nearest)
