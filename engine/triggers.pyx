# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools alone.
"""What follows an input: stops, then pegs once, then the stops that market pegs have reached.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_triggers.py says the same slowly.
"""

from libc.stdint cimport uint8_t, uint32_t

from engine.lists cimport cut_list
from engine.matching cimport NO_MATCH
from engine.pegs cimport leave, see, see_again, settle
from engine.places cimport EMPTY
from engine.state cimport Books, Market, PEGS, Prices, market_of
from engine.stops cimport any_moves, find_reached, join_queue, put_back, step_stops
from engine.types cimport CONTINUOUS

cdef inline void see_nothing(Market* market) noexcept nogil:
    """Without pegs: plain commands, which may come now, look at nothing."""
    cdef int i
    if market.lists[PEGS].first == 0:
        for i in range(4):
            market.seen[i] = EMPTY

cdef int begin_aftermath(Books* books, uint32_t instrument, const Prices* before) except -1 nogil:
    cdef Market* market = market_of(books, instrument)
    books.work.after_step = NOTHING_AFTER
    if books.instruments[instrument].market == 0:
        return 0
    if books.work.match_step != NO_MATCH:
        books.work.after_step = AFTER_MATCH
    else:
        see_nothing(market)
        if (market.phase == CONTINUOUS and market.lists[PEGS].first) or (
            market.stops and any_moves(books, instrument)
        ):
            books.work.after_step = STOPS
            books.work.has_followed = 0
            books.work.elected = 1
            cut_list(&books.elected, 1)
    books.work.instrument = instrument
    books.work.before = before[0]
    return 0

cdef void after_stops(Books* books) noexcept nogil:
    """No stop is to run any more: pegs follow, unless they have."""
    cdef const Market* market = market_of(books, books.work.instrument)
    books.work.after_step = NOTHING_AFTER
    if market.phase == CONTINUOUS and market.lists[PEGS].first:
        books.work.after_step = SEE_AGAIN if books.work.has_followed else SEE

cdef void after_pegs(Books* books) noexcept nogil:
    """Those that take may have reached stops."""
    books.work.has_followed = 1
    books.work.after_step = STOPS if books.work.has_repriced else NOTHING_AFTER

cdef int step_aftermath(Books* books) except -1 nogil:
    cdef uint8_t step = books.work.after_step
    cdef Prices before
    if step == STOPS:
        step_stops(books)
    elif step == SEE:
        see(books)
    elif step == LEAVE:
        leave(books)
    elif step == SETTLE:
        settle(books)
    elif step == SEE_AGAIN:
        see_again(books)
    elif step == REACHED:
        find_reached(books)
    elif step == ELECTED:
        join_queue(books)
    elif step == PUT_BACK:
        put_back(books)
    else:
        before = books.work.before
        begin_aftermath(books, books.work.instrument, &before)
    if books.work.after_step == STOPS_ENDED:
        after_stops(books)
    elif books.work.after_step == PEGS_ENDED:
        after_pegs(books)
    if books.work.after_step == NOTHING_AFTER:
        see_nothing(market_of(books, books.work.instrument))
    return 0
