# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone.
"""Stops and pegs, a step at a time: each step runs one stop or moves one peg.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_triggers.py says the same slowly.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.ladder cimport Ladder, ladder_after, level_at, price_of
from engine.matching cimport cut_list, list_pegs, match_order, sort_listed, unpeg
from engine.places cimport (
    EMPTY, behind, best_of_all, better_of, extra_of, first_of, less_aggressive, prices_of, put_in_book, put_order,
    take_out,
)
from engine.state cimport Books, Listed, Market, Moving, Prices, market_of, order_at, price_is_allowed, side_of_order
from engine.store cimport Extra, Level, Order, WAITING, pool_take
from engine.tell cimport tell_order, tell_repriced
from engine.types cimport CONTINUOUS, LAST_TRADE, MARKET_PEG, MID_PEG, PRIMARY_PEG, TRIGGERED

cdef extern from *:
    """
    #include <stdint.h>
    static inline int64_t qb_fits(__int128 price)
    {
        return price < -INT64_MAX || price > INT64_MAX ? INT64_MIN : (int64_t)price;
    }
    static inline int64_t qb_sum(int64_t a, int64_t b) { return qb_fits((__int128)a + b); }
    static inline int64_t qb_difference(int64_t a, int64_t b) { return qb_fits((__int128)a - b); }
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
        return qb_fits(price);
    }
    static inline uint64_t qb_distance(int64_t a, int64_t b)
    {
        return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
    }
    """
    int64_t qb_sum(int64_t a, int64_t b) noexcept nogil
    int64_t qb_difference(int64_t a, int64_t b) noexcept nogil
    int64_t qb_middle(int64_t bid, int64_t ask, uint32_t side) noexcept nogil
    int64_t qb_pegged(int64_t reference, int64_t offset, int64_t limit, uint32_t side) noexcept nogil
    uint64_t qb_distance(int64_t a, int64_t b) noexcept nogil

# ---------------------------------------------------------------- stops

cdef int64_t tested(const Books* books, uint32_t instrument, uint32_t side, const Prices* prices) noexcept nogil:
    """The last trade or, where the instrument says so, the opposite best that is shown."""
    return prices.last if market_of(books, instrument).trigger == LAST_TRADE else prices.best[side ^ 1]

cdef int64_t trailing_stop(uint32_t side, int64_t price, int64_t offset) noexcept nogil:
    return qb_sum(price, offset) if side == 0 else qb_difference(price, offset)

cdef int trail(Books* books, uint32_t instrument, const Prices* now) except -1 nogil:
    """Trailing stops follow a price that moves away from them, at their distance. O(trailing stops)"""
    cdef uint32_t slot = market_of(books, instrument).trailing, following, side
    cdef Extra* extra
    cdef int64_t price, stop
    while slot:
        extra = extra_of(books, order_at(books, slot))
        following = extra.list_next
        side = side_of_order(order_at(books, slot))
        price = tested(books, instrument, side, now)
        if price != EMPTY:
            stop = trailing_stop(side, price, extra.offset_ticks)
            if stop != EMPTY and (stop < extra.stop_price_ticks if side == 0 else stop > extra.stop_price_ticks):
                take_out(books, slot)
                extra_of(books, order_at(books, slot)).stop_price_ticks = stop
                put_order(books, slot, WAITING)
        slot = following
    return 0

cdef inline bint is_reached(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """Whether the first stop of a side is."""
    cdef const Ladder* waiting = &market_of(books, instrument).waiting[side]
    cdef Prices now
    cdef int64_t price, stop
    if waiting.best == 0:
        return False
    prices_of(books, instrument, &now)
    price = tested(books, instrument, side, &now)
    stop = price_of(waiting.best_key, side ^ 1)
    return price != EMPTY and (price >= stop if side == 0 else price <= stop)

cdef int elect(Books* books, uint32_t instrument, const Prices* before) except -1 nogil:
    """Stops that were reached go to the tail of Books.elected: nearest to the price before, then by order id."""
    cdef Prices now
    cdef uint32_t begin = books.elected.top, side, slot, i
    cdef int64_t reference, stop
    cdef Ladder* waiting
    cdef Listed* listed
    prices_of(books, instrument, &now)
    trail(books, instrument, &now)
    for side in range(2):
        reference = tested(books, instrument, side, before)
        waiting = &market_of(books, instrument).waiting[side]
        while is_reached(books, instrument, side):
            stop = price_of(waiting.best_key, side ^ 1)
            slot = first_of(books, waiting)
            i = pool_take(&books.elected, sizeof(Listed))
            if i == 0:
                raise MemoryError("no memory for the stops that were elected")
            listed = &(<Listed*>books.elected.records)[i]
            listed.major = 0 if reference == EMPTY else qb_distance(stop, reference)
            listed.minor = order_at(books, slot).order_id
            listed.slot = slot
            listed.rank = 0
            take_out(books, slot)
    sort_listed(&books.elected, begin)
    return 0

cdef int put_back(Books* books) except -1 nogil:
    """Trading halted before they came to run: they wait again."""
    cdef uint32_t i
    for i in range(books.work.elected, books.elected.top):
        put_order(books, (<Listed*>books.elected.records)[i].slot, WAITING)
    cut_list(&books.elected, 1)
    books.work.elected = 1
    return 0

cdef int step_stops(Books* books) except -1 nogil:
    """Run one elected stop to its end as a new arrival; those that it elects join the tail."""
    cdef uint32_t instrument = books.work.instrument, slot
    if market_of(books, instrument).phase != CONTINUOUS:
        put_back(books)
        books.work.after_step = PEGS if books.work.after_step == STOPS else NOTHING_AFTER
        return begin_pegs(books) if books.work.after_step == PEGS else 0
    elect(books, instrument, &books.work.before)
    if books.work.elected == books.elected.top:
        cut_list(&books.elected, 1)
        books.work.elected = 1
        books.work.after_step = PEGS if books.work.after_step == STOPS else NOTHING_AFTER
        return begin_pegs(books) if books.work.after_step == PEGS else 0
    prices_of(books, instrument, &books.work.before)
    slot = (<Listed*>books.elected.records)[books.work.elected].slot
    books.work.elected += 1
    extra_of(books, order_at(books, slot)).is_elected = 1
    tell_order(books, slot, TRIGGERED, 0)
    return match_order(books, slot, 0)

# ---------------------------------------------------------------- pegs

cdef int64_t best_unpegged(const Books* books, const Ladder* ladder, uint32_t side) noexcept nogil:
    """The best price of a ladder that has an order which follows no other. O(levels of pegs only)"""
    cdef uint32_t number = ladder.best
    cdef const Level* level
    while number:
        level = level_at(&books.nodes, number)
        if level.orders > level.pegged:
            return price_of(level.key, side)
        number = ladder_after(ladder, &books.nodes, level.key)
    return EMPTY

cdef void see(const Books* books, uint32_t instrument, int64_t* seen) noexcept nogil:
    """What pegs depend on: the best bid and ask that are shown and not pegged, and those that are not pegged at all."""
    cdef const Market* market = market_of(books, instrument)
    cdef uint32_t side
    for side in range(2):
        seen[2 * side] = best_unpegged(books, &books.instruments[instrument].sides[side], side)
        seen[2 * side + 1] = better_of(seen[2 * side], best_unpegged(books, &market.hidden[side], side), side)

cdef int64_t behind_barrier(
    const Books* books, uint32_t instrument, uint32_t side, int64_t price, int64_t barrier
) noexcept nogil:
    """The price, or one increment behind what it would trade with; EMPTY_PRICE: that is not allowed."""
    if price != EMPTY and barrier != EMPTY and (price >= barrier if side == 0 else price <= barrier):
        price = behind(books, instrument, side, barrier)
    return price if price_is_allowed(&books.instruments[instrument], price) else EMPTY

cdef int64_t peg_price(
    const Books* books, const Order* order, const Extra* extra, int64_t bid, int64_t ask, int64_t barrier
) noexcept nogil:
    """Where a peg belongs; EMPTY_PRICE: it has no reference, or the price is not allowed.

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
    return behind_barrier(books, extra.instrument, side, reference, EMPTY if extra.peg_kind == MARKET_PEG else barrier)

cdef int settle_peg(Books* books, uint32_t slot, int64_t price, bint was_there) except -1 nogil:
    """A peg in no place goes to its price, behind what market pegs have put there since, or is parked.

    One that was in the book lost its place there, which is told even when it comes back to the same price.
    """
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order)
    cdef int64_t before = extra.price_ticks
    if price != EMPTY and extra.peg_kind != MARKET_PEG:
        price = behind_barrier(
            books, extra.instrument, side, price, best_of_all(books, extra.instrument, side ^ 1)
        )
    if price == EMPTY or market_of(books, extra.instrument).phase != CONTINUOUS:
        return unpeg(books, slot)
    extra.price_ticks = price
    if price != before or was_there:
        tell_repriced(books, slot, before)
    if extra.peg_kind == MARKET_PEG:
        return match_order(books, slot, 0)
    return put_in_book(books, slot)

cdef int place_peg(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef int64_t seen[4]
    see(books, extra.instrument, seen)
    return settle_peg(books, slot, peg_price(
        books, order, extra, seen[0], seen[2], best_of_all(books, extra.instrument, side_of_order(order) ^ 1)
    ), False)

cdef int begin_pegs(Books* books) except -1 nogil:
    """Those whose price changes leave; they come back one by one, by priority. O(pegs), when the touch moved."""
    cdef uint32_t instrument = books.work.instrument, begin, i, slot, side
    cdef Market* market = market_of(books, instrument)
    cdef int64_t seen[4]
    cdef int64_t barriers[2]
    cdef int64_t price
    cdef Moving* moving
    cdef bint moved = False, sees = False
    cdef const Order* order
    cdef const Extra* extra
    cut_list(&books.moving, 1)
    books.work.moving = 1
    books.work.has_repriced = 0
    prices_of(books, instrument, &books.work.before)
    if market.phase != CONTINUOUS:
        return 0
    for i in range(4):
        seen[i] = EMPTY
    if market.pegs:
        see(books, instrument, seen)
    for i in range(4):
        moved |= seen[i] != market.seen[i]
        sees |= seen[i] != EMPTY
        market.seen[i] = seen[i]
    if not market.pegs or (sees and not moved):
        return 0
    # By the side of the order that must not go past it.
    barriers[0] = seen[3]
    barriers[1] = seen[1]
    begin = list_pegs(books, instrument, True)
    for i in range(begin, books.list.top):
        slot = (<Listed*>books.list.records)[i].slot
        order = order_at(books, slot)
        extra = extra_of(books, order)
        side = side_of_order(order)
        price = peg_price(books, order, extra, seen[0], seen[2], barriers[side])
        if price != EMPTY and extra.peg_kind != MARKET_PEG:
            barriers[side ^ 1] = better_of(barriers[side ^ 1], price, side)
        if price == extra.price_ticks:
            continue
        if pool_take(&books.moving, sizeof(Moving)) == 0:
            raise MemoryError("no memory for the pegged orders that move")
        moving = &(<Moving*>books.moving.records)[books.moving.top - 1]
        moving.slot = slot
        moving.price_ticks = price
    cut_list(&books.list, begin)
    for i in range(1, books.moving.top):
        take_out(books, (<Moving*>books.moving.records)[i].slot)
    return 0

cdef int step_pegs(Books* books) except -1 nogil:
    cdef const Moving* moving
    cdef size_t told = books.report_count
    if books.work.moving == books.moving.top:
        cut_list(&books.moving, 1)
        books.work.after_step = STOPS_AGAIN if books.work.has_repriced else NOTHING_AFTER
        return 0
    moving = &(<Moving*>books.moving.records)[books.work.moving]
    books.work.moving += 1
    settle_peg(books, moving.slot, moving.price_ticks, True)
    books.work.has_repriced |= books.report_count != told
    return 0

# ---------------------------------------------------------------- after an input

cdef inline void see_nothing(Market* market) noexcept nogil:
    """Without pegs: plain commands, which may come now, look at nothing."""
    cdef int i
    if market.pegs == 0:
        for i in range(4):
            market.seen[i] = EMPTY

cdef void begin_aftermath(Books* books, uint32_t instrument, const Prices* before) noexcept nogil:
    cdef Market* market = market_of(books, instrument)
    books.work.after_step = NOTHING_AFTER
    if books.instruments[instrument].market == 0:
        return
    see_nothing(market)
    if market.pegs == 0 and market.trailing == 0 and not is_reached(books, instrument, 0) and (
        not is_reached(books, instrument, 1)
    ):
        return
    books.work.after_step = STOPS
    books.work.instrument = instrument
    books.work.before = before[0]
    books.work.elected = 1
    cut_list(&books.elected, 1)

cdef int step_aftermath(Books* books) except -1 nogil:
    if books.work.after_step == PEGS:
        step_pegs(books)
    else:
        step_stops(books)
    if books.work.after_step == NOTHING_AFTER:
        see_nothing(market_of(books, books.work.instrument))
    return 0
