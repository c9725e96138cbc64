# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools and the ladders alone.
"""Phases: what is told when one begins, the trades of an auction one by one, and what becomes of the orders around it.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_auction.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.ahead cimport expect_queue
from engine.auction cimport Outcome, begin_crossing, cross, outcome_of
from engine.emit cimport ORDER_TYPE_BYTE, TIME_IN_FORCE_BYTE
from engine.entry cimport overflows
from engine.events cimport EVENT_EXECUTE, note
from engine.ladder cimport level_at, level_subtract
from engine.lists cimport (
    ADMITTED, AUCTION_ENDED, DAY_ENDED, OPENING_ENDED, begin_list, ended_with, expect_names, listed_at, open_list,
)
from engine.matching cimport after_fill, begin_park, close_order, next_maker
from engine.places cimport (
    EMPTY, extra_of, first_of, prices_of, put_in_book, put_order, take_out, time_in_force_of,
)
from engine.state cimport Books, Prices, classify, market_of, order_at
from engine.store cimport Extra, Order, PARKED, SHOWN, UNPRICED
from engine.tell cimport tell, tell_repriced, tell_trade
from engine.timers cimport expect_phase
from engine.triggers cimport begin_aftermath
from engine.types cimport (
    AUCTION_REMAINDER, CLOSED, CONTINUOUS, END_OF_DAY, HALT, MARKET, MARKET_REMAINDER, OPENING_AUCTION, PEGGED,
    PHASE_CHANGED, PRE_OPEN,
)

cdef enum:
    PRICES = 16             # that are looked at in a step

cdef int enter_phase(
    Books* books, uint32_t instrument, uint8_t phase, uint8_t next_phase, int64_t until_ns, int64_t told_ns
) except -1 nogil:
    books.work.instrument = instrument
    books.work.phase = phase
    books.work.phase_before = market_of(books, instrument).phase
    books.work.told_ns = told_ns
    books.work.auction_ticks = EMPTY
    prices_of(books, instrument, &books.work.before)
    expect_phase(books, instrument, next_phase, until_ns)
    books.work.phase_step = ENTERING
    if uncrosses(books):
        books.work.phase_step = CROSSING
        begin_crossing(books, instrument, &books.work.crossing)
    return 0

cdef inline bint uncrosses(const Books* books) noexcept nogil:
    """Whether an auction leads from the phase before to the one that is entered."""
    return collects(books.work.phase_before) and books.work.phase in (CONTINUOUS, CLOSED)

cdef int step_phase(Books* books) except -1 nogil:
    """Some prices, one trade, or one order of the list."""
    cdef uint32_t slot
    if books.work.phase_step == UNCROSSING:
        return 0 if books.work.auction_ticks != EMPTY and uncross(books) else next_step(books)
    if books.work.phase_step == CROSSING:
        if cross(books, books.work.instrument, &books.work.crossing, PRICES):
            books.work.phase_step = ENTERING
        return 0
    if books.work.phase_step == ENTERING:
        return enter(books)
    if books.work.position == books.list.top:
        return next_step(books)
    expect_names(books, books.work.position)
    slot = listed_at(books, books.work.position)
    books.work.position += 1
    if books.work.phase_step == AFTER_AUCTION:
        return after_auction(books, slot)
    if books.work.phase_step == END_TIMES:
        return close_order(books, slot, END_OF_DAY if books.work.phase == CLOSED else AUCTION_REMAINDER)
    take_out(books, slot)
    return collect(books, slot)

cdef int enter(Books* books) except -1 nogil:
    """The phase begins, and is told of with the price and the volume of the auction that ended."""
    cdef uint32_t instrument = books.work.instrument
    cdef uint8_t phase = books.work.phase, before = books.work.phase_before
    cdef Outcome outcome
    cdef Prices prices
    cdef uint64_t* words
    outcome.price_ticks = EMPTY
    if uncrosses(books):
        outcome_of(books, instrument, &books.work.crossing, &outcome)
    market_of(books, instrument).phase = phase
    classify(books, instrument)
    words = tell(books, PHASE_CHANGED, 0, instrument)
    words[0] |= <uint64_t>phase << ORDER_TYPE_BYTE | <uint64_t>before << TIME_IN_FORCE_BYTE
    words[4] = <uint64_t>outcome.price_ticks
    words[11] = <uint64_t>books.work.told_ns
    if outcome.price_ticks != EMPTY:
        words[5] = min(outcome.volume_low, <uint64_t>INT64_MAX) if outcome.volume_high == 0 else <uint64_t>INT64_MAX
    books.work.auction_ticks = outcome.price_ticks
    if phase == before:
        books.work.phase_step = NO_PHASE_STEP
        prices = books.work.before
        return begin_aftermath(books, instrument, &prices)
    if before == CONTINUOUS:
        begin_park(books, instrument)
    books.work.phase_step = UNCROSSING
    return 0

cdef int next_step(Books* books) except -1 nogil:
    """What comes behind a step, and the list of orders that it goes through."""
    cdef uint32_t instrument = books.work.instrument
    cdef uint8_t phase = books.work.phase
    cdef Prices before = books.work.before
    books.work.phase_step += 1
    open_list(books)
    if books.work.phase_step == AFTER_AUCTION:
        if uncrosses(books):
            begin_list(books, AUCTION_ENDED, instrument)
    elif books.work.phase_step == END_TIMES:
        if phase == CLOSED:
            begin_list(books, DAY_ENDED, instrument)
        elif phase not in (PRE_OPEN, OPENING_AUCTION, HALT):
            begin_list(books, OPENING_ENDED, instrument)
    elif books.work.phase_step == ADMITTING:
        if collects(phase):
            begin_list(books, ADMITTED, instrument)
    else:
        books.work.phase_step = NO_PHASE_STEP
        begin_aftermath(books, instrument, &before)
    return 0

cdef uint32_t first_in_auction(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """Orders without a limit first, then by price, what is shown before what is hidden, and the oldest; 0 = none."""
    cdef uint32_t slot = first_of(books, &market_of(books, instrument).unpriced[side])
    return slot if slot else next_maker(books, instrument, side, price)

cdef bint uncross(Books* books) except -1 nogil:
    """One trade at the auction's price; self-match prevention is off. False: no more."""
    cdef uint32_t instrument = books.work.instrument
    cdef int64_t price = books.work.auction_ticks, lots
    cdef uint32_t bid = first_in_auction(books, instrument, 0, price)
    cdef uint32_t ask = first_in_auction(books, instrument, 1, price)
    cdef Order* buyer = order_at(books, bid)
    cdef Order* seller = order_at(books, ask)
    if not bid or not ask:
        books.instruments[instrument].last_ticks = price
        market_of(books, instrument).reference_ticks = price
        return False
    expect_queue(books, buyer)
    expect_queue(books, seller)
    lots = min(buyer.leaves_lots, seller.leaves_lots)
    buyer.leaves_lots -= lots
    seller.leaves_lots -= lots
    level_subtract(level_at(&books.nodes, buyer.level), lots)
    level_subtract(level_at(&books.nodes, seller.level), lots)
    tell_trade(books, bid, ask, price, lots)
    note(books, bid, EVENT_EXECUTE, lots, books.last_trade_id)
    note(books, ask, EVENT_EXECUTE, lots, books.last_trade_id)
    after_fill(books, bid)
    after_fill(books, ask)
    return True

cdef int after_auction(Books* books, uint32_t slot) except -1 nogil:
    """What took part in an auction only, or had no limit, is cancelled; market-to-limit has its price now."""
    cdef Order* order = order_at(books, slot)
    if ended_with(time_in_force_of(order), books.work.phase_before):
        return close_order(books, slot, AUCTION_REMAINDER)
    if extra_of(books, order).order_type == MARKET or books.work.auction_ticks == EMPTY or (
        overflows(books.work.auction_ticks, order.total_lots)
    ):
        return close_order(books, slot, MARKET_REMAINDER)
    take_out(books, slot)
    extra_of(books, order).price_ticks = books.work.auction_ticks
    tell_repriced(books, slot, EMPTY)
    return put_order(books, slot, SHOWN)

cdef int collect(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    if extra.order_type == PEGGED or waits_for(order, market_of(books, extra.instrument).phase):
        return put_order(books, slot, PARKED)
    if extra.price_ticks == EMPTY:
        return put_order(books, slot, UNPRICED)
    return put_in_book(books, slot)
