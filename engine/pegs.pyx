# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools and the ladders alone.
"""Pegged orders: when what they follow has moved, those whose prices change leave, and come back one by one.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_triggers.py says the same slowly.
"""

from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t

from engine.entry cimport overflows
from engine.ladder cimport Ladder, ladder_after, ladder_from, level_at, price_of
from engine.levels cimport has_unpegged
from engine.lists cimport MOVES, PEGGED_ALL, begin_list, cut_list, expect_listed, expect_places, listed_at
from engine.matching cimport begin_match, unpeg
from engine.places cimport (
    EMPTY, behind, best_of_all, better_of, extra_of, less_aggressive, prices_of, put_in_book, take_out,
)
from engine.state cimport Books, Market, Moving, market_of, order_at, price_is_allowed, side_of_order
from engine.store cimport Extra, Level, Order, pool_take
from engine.tell cimport tell_repriced
from engine.triggers cimport LEAVE, NOTHING_AFTER, PEGS_ENDED, SETTLE
from engine.types cimport CONTINUOUS, MARKET_PEG, MID_PEG, PRIMARY_PEG

cdef extern from *:
    """
    #include <stdint.h>
    /* Half of the sum, rounded down for bids and up for asks. */
    static inline int64_t qb_middle(int64_t bid, int64_t ask, uint32_t side)
    {
        __int128 sum = (__int128)bid + ask + side;
        return (int64_t)(sum >> 1);
    }
    /* A price at an offset, no more aggressive than a limit (INT64_MIN: none); INT64_MIN: int64 has no such price. */
    static inline int64_t qb_pegged(int64_t reference, int64_t offset, int64_t limit, uint32_t side)
    {
        __int128 price = (__int128)reference + offset;
        if (limit != INT64_MIN && (side == 0 ? price > limit : price < limit)) price = limit;
        return price < -INT64_MAX || price > INT64_MAX ? INT64_MIN : (int64_t)price;
    }
    """
    int64_t qb_middle(int64_t bid, int64_t ask, uint32_t side) noexcept nogil
    int64_t qb_pegged(int64_t reference, int64_t offset, int64_t limit, uint32_t side) noexcept nogil

# ---------------------------------------------------------------- what they depend on
#
# Levels of pegs only may lie before the best order that is not pegged, any number of them. So Market.unpegged tells
# where to begin, and what has been looked at is not looked at again until an order that is not pegged comes there.

cdef const Ladder* seen_ladder(const Books* books, uint32_t instrument, uint32_t which) noexcept nogil:
    """Of Market.unpegged."""
    if which & 1:
        return &market_of(books, instrument).hidden[which >> 1]
    return &books.instruments[instrument].sides[which >> 1]

cdef bint is_found(Books* books, uint32_t instrument, uint32_t which, int* looks) noexcept nogil:
    """Look from there on, at so many levels; whether it now tells where the first is, or that there is none."""
    cdef uint64_t* begin = &market_of(books, instrument).unpegged[which]
    cdef const Ladder* ladder = seen_ladder(books, instrument, which)
    cdef uint32_t number = ladder_from(ladder, &books.nodes, begin[0])
    cdef const Level* level
    while number and looks[0]:
        looks[0] -= 1
        level = level_at(&books.nodes, number)
        begin[0] = level.key
        if has_unpegged(books, level) or level.key == UINT64_MAX:
            return True
        begin[0] += 1
        number = ladder_after(ladder, &books.nodes, level.key)
    if number == 0:
        begin[0] = UINT64_MAX
    return number == 0

cdef int64_t best_unpegged(const Books* books, uint32_t instrument, uint32_t which) noexcept nogil:
    """EMPTY_PRICE: there is none. O(1) when it is found."""
    cdef const Ladder* ladder = seen_ladder(books, instrument, which)
    cdef uint32_t number = ladder_from(ladder, &books.nodes, market_of(books, instrument).unpegged[which])
    while number and not has_unpegged(books, level_at(&books.nodes, number)):
        number = ladder_after(ladder, &books.nodes, level_at(&books.nodes, number).key)
    return price_of(level_at(&books.nodes, number).key, which >> 1) if number else EMPTY

cdef void look(const Books* books, uint32_t instrument, int64_t* seen) noexcept nogil:
    """The best bid and ask that are shown and not pegged, and those that are not pegged at all."""
    cdef uint32_t side
    for side in range(2):
        seen[2 * side] = best_unpegged(books, instrument, 2 * side)
        seen[2 * side + 1] = better_of(seen[2 * side], best_unpegged(books, instrument, 2 * side + 1), side)

cdef bint is_all_found(Books* books) noexcept nogil:
    cdef uint32_t which
    cdef int looks = MOVES
    for which in range(4):
        if not is_found(books, books.work.instrument, which, &looks):
            return False
    return True

# ---------------------------------------------------------------- prices

cdef int64_t behind_barrier(const Books* books, const Order* order, int64_t price, int64_t barrier) noexcept nogil:
    """The price, or one increment behind what it would trade with; EMPTY_PRICE: that is not allowed."""
    cdef uint32_t instrument = extra_of(books, order).instrument, side = side_of_order(order)
    if price != EMPTY and barrier != EMPTY and (price >= barrier if side == 0 else price <= barrier):
        price = behind(books, instrument, side, barrier)
    if not price_is_allowed(&books.instruments[instrument], price) or overflows(price, order.total_lots):
        return EMPTY
    return price

cdef int64_t peg_price(
    const Books* books, const Order* order, const Extra* extra, int64_t bid, int64_t ask, int64_t barrier
) noexcept nogil:
    """Where a peg belongs; EMPTY_PRICE: it has no reference, or the price is not allowed, or too high for its quantity.

    barrier: the best price that it must not trade with, unless it is a market peg.
    """
    cdef uint32_t side = side_of_order(order)
    cdef int64_t reference
    if extra.peg_kind == MID_PEG:
        if bid == EMPTY or ask == EMPTY:
            return EMPTY
        reference = qb_middle(bid, ask, side)
    else:
        reference = bid if (extra.peg_kind == PRIMARY_PEG) == (side == 0) else ask
    if reference == EMPTY:
        return EMPTY
    reference = qb_pegged(reference, extra.offset_ticks, extra.peg_limit_ticks, side)
    reference = less_aggressive(books, extra.instrument, side, reference)
    return behind_barrier(books, order, reference, EMPTY if extra.peg_kind == MARKET_PEG else barrier)

cdef int settle_peg(Books* books, uint32_t slot, int64_t price, bint was_there) except -1 nogil:
    """A peg in no place goes to its price, behind what market pegs have put there since, or is parked.

    One that was in the book lost its place there, which is told even when it comes back to the same price.
    """
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order)
    cdef int64_t before = extra.price_ticks
    if price != EMPTY and extra.peg_kind != MARKET_PEG:
        price = behind_barrier(books, order, price, best_of_all(books, extra.instrument, side ^ 1))
    if price == EMPTY or market_of(books, extra.instrument).phase != CONTINUOUS:
        return unpeg(books, slot)
    extra.price_ticks = price
    if price != before or was_there:
        tell_repriced(books, slot, before)
    if extra.peg_kind == MARKET_PEG:
        return begin_match(books, slot, 0)
    return put_in_book(books, slot)

cdef int place_peg(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef int64_t seen[4]
    look(books, extra.instrument, seen)
    return settle_peg(books, slot, peg_price(
        books, order, extra, seen[0], seen[2], best_of_all(books, extra.instrument, side_of_order(order) ^ 1)
    ), False)

# ---------------------------------------------------------------- a step

cdef int see(Books* books) except -1 nogil:
    """Whether what they depend on has moved; only then do they."""
    cdef uint32_t instrument = books.work.instrument
    cdef Market* market = market_of(books, instrument)
    cdef int64_t seen[4]
    cdef bint moved = False, sees = False
    cdef int i
    if not is_all_found(books):
        return 0
    look(books, instrument, seen)
    for i in range(4):
        moved |= seen[i] != market.seen[i]
        sees |= seen[i] != EMPTY
        market.seen[i] = seen[i]
    if sees and not moved:
        books.work.after_step = NOTHING_AFTER
        return 0
    # By the side of the order that must not go past it.
    books.work.barriers[0] = seen[3]
    books.work.barriers[1] = seen[1]
    books.work.has_repriced = 0
    books.work.moving = 1
    cut_list(&books.moving, 1)
    prices_of(books, instrument, &books.work.before)
    begin_list(books, PEGGED_ALL, instrument)
    books.work.after_step = LEAVE
    return 0

cdef int leave(Books* books) except -1 nogil:
    """By priority; a peg must not reach those of the other side before it."""
    cdef int moves = MOVES
    while moves and books.work.position < books.list.top:
        moves -= 1
        expect_listed(books, books.work.position)
        leave_for(books, listed_at(books, books.work.position))
        books.work.position += 1
    if books.work.position == books.list.top:
        cut_list(&books.list, 1)
        books.work.after_step = SETTLE
    return 0

cdef int leave_for(Books* books, uint32_t slot) except -1 nogil:
    """For its new price, if that is another."""
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order)
    cdef const int64_t* seen = market_of(books, extra.instrument).seen
    cdef int64_t* barriers = books.work.barriers
    cdef int64_t price = peg_price(books, order, extra, seen[0], seen[2], barriers[side])
    cdef Moving* moving
    if price != EMPTY and extra.peg_kind != MARKET_PEG:
        barriers[side ^ 1] = better_of(barriers[side ^ 1], price, side)
    if price == extra.price_ticks:
        return 0
    if pool_take(&books.moving, sizeof(Moving)) == 0:
        raise MemoryError("no memory for the pegged orders that move")
    moving = &(<Moving*>books.moving.records)[books.moving.top - 1]
    moving.slot = slot
    moving.price_ticks = price
    return take_out(books, slot)

cdef inline uint32_t moving_at(const Books* books, uint32_t position) noexcept nogil:
    """0: there is none."""
    return (<Moving*>books.moving.records)[position].slot if position < books.moving.top else 0

cdef int settle(Books* books) except -1 nogil:
    cdef const Moving* moving
    cdef size_t told = books.report_count
    if books.work.moving == books.moving.top:
        cut_list(&books.moving, 1)
        books.work.after_step = PEGS_ENDED
        return 0
    expect_places(books, moving_at(books, books.work.moving + 8), moving_at(books, books.work.moving + 4))
    moving = &(<Moving*>books.moving.records)[books.work.moving]
    books.work.moving += 1
    settle_peg(books, moving.slot, moving.price_ticks, True)
    books.work.has_repriced |= books.report_count != told
    return 0

cdef int see_again(Books* books) except -1 nogil:
    if is_all_found(books):
        books.work.after_step = NOTHING_AFTER
    return 0
