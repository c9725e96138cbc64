# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools and the ladders alone.
"""Stops: those that were reached queue, nearest first, and each runs to its end as a new arrival.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_triggers.py says the same slowly.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.ladder cimport Ladder, price_of
from engine.lists cimport LOOKS, MOVES, NO_LIST, append, close_run, cut_list, open_list, sort_list
from engine.matching cimport begin_match
from engine.places cimport EMPTY, extra_of, first_of, prices_of, put_order, take_out
from engine.state cimport Books, Listed, Market, Prices, market_of, order_at
from engine.store cimport Pool, WAITING, pool_take
from engine.tell cimport tell_order
from engine.trails cimport follow, lags
from engine.triggers cimport ELECTED, PUT_BACK, REACHED, STOPS, STOPS_ENDED
from engine.types cimport CONTINUOUS, LAST_TRADE, TRIGGERED

cdef extern from *:
    """
    #include <stdint.h>
    static inline uint64_t qb_distance(int64_t a, int64_t b)
    {
        return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
    }
    """
    uint64_t distance "qb_distance" (int64_t one, int64_t other) noexcept nogil

cdef int64_t tested(const Books* books, uint32_t instrument, uint32_t side, const Prices* prices) noexcept nogil:
    """The last trade or, where the instrument says so, the opposite best that is shown."""
    return prices.last if market_of(books, instrument).trigger == LAST_TRADE else prices.best[side ^ 1]

cdef inline bint is_reached(const Market* market, uint32_t side, int64_t price) noexcept nogil:
    """Whether the first stop of a side is."""
    cdef const Ladder* waiting = &market.waiting[side]
    cdef int64_t stop = price_of(waiting.best_key, side ^ 1)
    return waiting.best != 0 and (price >= stop if side == 0 else price <= stop)

cdef inline int64_t tested_in_phase(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """What they follow and are reached by now; in other phases than continuous trading, the last trade alone."""
    cdef const Market* market = market_of(books, instrument)
    cdef Prices now
    if market.phase != CONTINUOUS and market.trigger != LAST_TRADE:
        return EMPTY
    prices_of(books, instrument, &now)
    return tested(books, instrument, side, &now)

cdef bint any_moves(const Books* books, uint32_t instrument) noexcept nogil:
    cdef const Market* market = market_of(books, instrument)
    cdef uint32_t side
    cdef int64_t price
    for side in range(2):
        price = tested_in_phase(books, instrument, side)
        if price != EMPTY and (lags(market, side, price) or (
            market.phase == CONTINUOUS and is_reached(market, side, price)
        )):
            return True
    return False

cdef int step_stops(Books* books) except -1 nogil:
    cdef uint32_t instrument = books.work.instrument, side
    cdef const Market* market = market_of(books, instrument)
    cdef int64_t price
    cdef bint reached = False
    if market.phase != CONTINUOUS and books.work.elected < books.elected.top:
        books.work.after_step = PUT_BACK
        return 0
    for side in range(2):
        price = tested_in_phase(books, instrument, side)
        if price != EMPTY:
            if lags(market, side, price):
                return follow(books, instrument, side, price)
            reached |= is_reached(market, side, price)
    if not reached or market.phase != CONTINUOUS:
        return run_next(books)
    open_list(books)
    books.work.after_step = REACHED
    return find_reached(books)

cdef int find_reached(Books* books) except -1 nogil:
    """To a list: nearest to the price before, then by order id, of both sides."""
    cdef uint32_t instrument = books.work.instrument, begin = books.list.top, side, slot
    cdef const Market* market = market_of(books, instrument)
    cdef Prices now
    cdef int64_t price, before, stop
    cdef int moves = MOVES
    prices_of(books, instrument, &now)
    for side in range(2):
        price = tested(books, instrument, side, &now)
        before = tested(books, instrument, side, &books.work.before)
        while moves and price != EMPTY and is_reached(market, side, price):
            moves -= 1
            stop = price_of(market.waiting[side].best_key, side ^ 1)
            slot = first_of(books, &market.waiting[side])
            append(books, slot, 0, 0 if before == EMPTY else distance(stop, before), order_at(books, slot).order_id)
            take_out(books, slot)
    close_run(books, begin)
    if moves == 0:
        return 0
    books.work.after_step = ELECTED
    sort_list(books)
    return join_queue(books) if books.work.list_step == NO_LIST else 0

cdef int join_queue(Books* books) except -1 nogil:
    """The list goes behind those that were elected before."""
    cdef Pool list = books.list
    cdef uint32_t i
    cdef int moves = LOOKS
    if books.work.elected == books.elected.top:
        books.list = books.elected
        books.elected = list
        books.work.elected = 1
        cut_list(&books.list, 1)
    while moves and books.work.position < books.list.top:
        moves -= 1
        i = pool_take(&books.elected, sizeof(Listed))
        if i == 0:
            raise MemoryError("no memory for the stops that were elected")
        (<Listed*>books.elected.records)[i] = (<Listed*>books.list.records)[books.work.position]
        books.work.position += 1
    if books.work.position < books.list.top:
        return 0
    return run_next(books)

cdef int run_next(Books* books) except -1 nogil:
    """One elected stop begins to run; those that it elects join the tail."""
    cdef uint32_t slot
    if books.work.elected == books.elected.top:
        cut_list(&books.elected, 1)
        books.work.elected = 1
        books.work.after_step = STOPS_ENDED
        return 0
    books.work.after_step = STOPS
    prices_of(books, books.work.instrument, &books.work.before)
    slot = (<Listed*>books.elected.records)[books.work.elected].slot
    books.work.elected += 1
    extra_of(books, order_at(books, slot)).is_elected = 1
    tell_order(books, slot, TRIGGERED, 0)
    return begin_match(books, slot, 0)

cdef int put_back(Books* books) except -1 nogil:
    cdef int moves = MOVES
    while moves and books.work.elected < books.elected.top:
        moves -= 1
        put_order(books, (<Listed*>books.elected.records)[books.work.elected].slot, WAITING)
        books.work.elected += 1
    if books.work.elected == books.elected.top:
        books.work.after_step = STOPS
    return 0
