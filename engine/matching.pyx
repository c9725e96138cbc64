# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone.
"""Matching where more than the plain rules hold: bands, breakers, self-match, icebergs, hidden orders, pro-rata.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_matching.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t

from engine.emit cimport ORDER_TYPE_BYTE
from engine.entry cimport overflows
from engine.events cimport EVENT_EXECUTE, EVENT_REDUCE, note, note_leaving, note_less
from engine.ladder cimport Ladder, Nodes, ladder_after, ladder_from, level_at, level_subtract, price_of
from engine.lists cimport LOOKS, MOVES, PEGGED_IN_BOOK, begin_list, cut_list, expect_listed, listed_at
from engine.places cimport (
    EMPTY, best_of_all, extra_of, first_of, flags_of, forget, has_extra, is_within, leaves_of, place_of, price_of_order,
    put_in_book, put_order, show_slice, shows_of, take_off, take_out, time_in_force_of,
)
from engine.queue cimport forget_order, leave_book
from engine.state cimport Books, Limits, Market, PEGS, Share, Taking, classify, market_of, order_at, side_of_order
from engine.store cimport Extra, Level, Order, PARKED, SHOWN, pool_take
from engine.tell cimport (
    tell, tell_cancelled, tell_displayed, tell_reduced, tell_repriced, tell_trade,
)
from engine.timers cimport expect_phase
from engine.types cimport (
    ALL_OR_NONE, ALL_OR_NONE_UNFILLABLE, BAND_REMAINDER, CANCEL_BOTH, CANCEL_INCOMING, CANCEL_RESTING, CONTINUOUS,
    DECREMENT_BOTH, FOK, FOK_UNFILLABLE, HALT, IOC, IOC_REMAINDER, MARKET, MARKET_REMAINDER, MARKET_TO_LIMIT,
    MINIMUM_UNFILLABLE, PEGGED, PHASE_CHANGED, PRO_RATA, SELF_MATCH, SHOWS_SLICE, STOP, TRAILING_STOP,
    VOLATILITY_AUCTION,
)

cdef extern from *:
    """
    #include <stdint.h>
    /* part * whole / total, rounded down; the product has 128 bits, the total 96. It is at most `whole`. */
    static inline uint64_t qb_share(uint64_t part, uint64_t whole, uint64_t total_low, uint32_t total_high)
    {
        unsigned __int128 total = (unsigned __int128)total_high << 64 | total_low;
        return (uint64_t)((unsigned __int128)part * whole / total);
    }
    /* Whether a price is `bp` or more 1/10000 of the reference away from it. */
    static inline int qb_breaks(int64_t price, int64_t reference, uint32_t bp)
    {
        unsigned __int128 moved = price > reference ? (uint64_t)price - (uint64_t)reference : (uint64_t)reference -
        (uint64_t)price; unsigned __int128 size = reference < 0 ? 0 - (uint64_t)reference : (uint64_t)reference; return
        moved * 10000u >= size * bp;
    }
    static inline int64_t qb_plus(int64_t a, int64_t b)
    {
        int64_t sum;
        if (!__builtin_add_overflow(a, b, &sum)) return sum;
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    """
    uint64_t qb_share(uint64_t part, uint64_t whole, uint64_t total_low, uint32_t total_high) noexcept nogil
    bint qb_breaks(int64_t price, int64_t reference, uint32_t bp) noexcept nogil
    int64_t qb_plus(int64_t a, int64_t b) noexcept nogil

# ---------------------------------------------------------------- the end of an order

cdef int close_order(Books* books, uint32_t slot, uint64_t reason) except -1 nogil:
    tell_cancelled(books, slot, reason)
    if not has_extra(order_at(books, slot)):
        note_leaving(books, slot)
        leave_book(books, order_at(books, slot))
        return forget_order(books, slot)
    if order_at(books, slot).level:
        take_out(books, slot)
    return forget(books, slot)

cdef int unpeg(Books* books, uint32_t slot) except -1 nogil:
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    cdef int64_t before = extra.price_ticks
    extra.price_ticks = EMPTY
    if before != EMPTY:
        tell_repriced(books, slot, before)
    return put_order(books, slot, PARKED)

# ---------------------------------------------------------------- limits

cdef inline bint takes_at_market(const Extra* extra) noexcept nogil:
    return extra.order_type in (MARKET, STOP, TRAILING_STOP)

cdef int64_t market_limit(const Books* books, uint32_t instrument, uint32_t side, int64_t best) noexcept nogil:
    """How far an order without a limit goes: the protection distance past the best price at its arrival."""
    cdef int64_t protection = books.instruments[instrument].protection_ticks
    if protection < 0 or best == EMPTY:
        return INT64_MAX if side == 0 else INT64_MIN
    return qb_plus(best, protection) if side == 0 else qb_plus(best, -protection)

cdef inline int64_t within_band(int64_t limit, int64_t centre, int64_t width, uint32_t side) noexcept nogil:
    if centre == EMPTY or width < 0:
        return limit
    return min(limit, qb_plus(centre, width)) if side == 0 else max(limit, qb_plus(centre, -width))

cdef void limits_of(Books* books, const Order* order, const Extra* extra, Limits* limits) noexcept nogil:
    cdef uint32_t side = side_of_order(order)
    cdef int64_t best = best_of_all(books, extra.instrument, side ^ 1)
    cdef const Market* market = market_of(books, extra.instrument)
    if takes_at_market(extra):
        limits.asked = market_limit(books, extra.instrument, side, best)
    elif extra.price_ticks == EMPTY:        # market-to-limit
        limits.asked = best
    else:
        limits.asked = extra.price_ticks
    limits.banded = within_band(limits.asked, market.reference_ticks, market.static_ticks, side)
    limits.banded = within_band(
        limits.banded, books.instruments[extra.instrument].last_ticks, market.dynamic_ticks, side
    )
    limits.breaker_bp = market.breaker_bp
    # Of a reference of 0 no part is a distance.
    limits.breaker = market.reference_ticks if market.breaker_bp and market.reference_ticks else EMPTY

cdef inline bint breaks(const Limits* limits, int64_t price) noexcept nogil:
    return limits.breaker != EMPTY and qb_breaks(price, limits.breaker, limits.breaker_bp)

# ---------------------------------------------------------------- how much there is

cdef inline uint32_t group_of(const Books* books, const Order* order) noexcept nogil:
    return extra_of(books, order).self_match_group if has_extra(order) else 0

cdef inline bint is_own(const Books* books, const Extra* taker, const Order* maker) noexcept nogil:
    return taker.self_match_mode != 0 and taker.self_match_group == group_of(books, maker)

cdef uint32_t first_maker(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """The best price first, within it what is shown before what is hidden, then the oldest; 0 = none."""
    cdef const Ladder* shown = &books.instruments[instrument].sides[side]
    cdef const Ladder* hidden = &market_of(books, instrument).hidden[side]
    if hidden.best and (not shown.best or hidden.best_key < shown.best_key):
        shown = hidden
    return first_of(books, shown)

cdef uint32_t maker_behind(const Books* books, uint32_t instrument, uint32_t side, uint32_t slot) noexcept nogil:
    """The maker whose turn comes next; 0 = none."""
    cdef const Order* order = order_at(books, slot)
    cdef const Nodes* nodes = &books.nodes
    cdef uint64_t key
    cdef uint32_t shown, hidden
    if order.next:
        return order.next
    key = level_at(nodes, order.level).key
    shown = ladder_after(&books.instruments[instrument].sides[side], nodes, key)
    if place_of(books, order) == SHOWN:
        hidden = ladder_from(&market_of(books, instrument).hidden[side], nodes, key)
    else:
        hidden = ladder_after(&market_of(books, instrument).hidden[side], nodes, key)
    if hidden and (not shown or level_at(nodes, hidden).key < level_at(nodes, shown).key):
        shown = hidden
    return level_at(nodes, shown).head if shown else 0

cdef int64_t needed_at_once(const Order* order, int64_t minimum) noexcept nogil:
    return order.leaves_lots if time_in_force_of(order) == FOK or flags_of(order) & ALL_OR_NONE else minimum

cdef uint64_t unfillable(const Order* order) noexcept nogil:
    """Why the order is cancelled when there is less."""
    if time_in_force_of(order) == FOK:
        return FOK_UNFILLABLE
    return ALL_OR_NONE_UNFILLABLE if flags_of(order) & ALL_OR_NONE else MINIMUM_UNFILLABLE

cdef int count(Books* books, Taking* taking) except -1 nogil:
    """Count what the order can have at once, some makers further.

    Its own group does not count, nor, unless its mode cancels the resting one, what is behind that: the further slices
    of icebergs before it are, unless it is hidden, and with pro-rata all of its price.
    """
    cdef const Order* order = order_at(books, taking.slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef const Order* maker
    cdef uint32_t side = side_of_order(order) ^ 1
    cdef bint shares = market_of(books, extra.instrument).algorithm == PRO_RATA
    cdef bint stops = extra.self_match_mode > CANCEL_RESTING
    cdef int64_t price, leaves
    cdef int looks = MOVES
    while taking.maker and looks:
        looks -= 1
        maker = order_at(books, taking.maker)
        price = price_of_order(books, maker)
        if price != taking.price_ticks:
            if taking.wanted_lots == 0 or not is_within(price, taking.limits.banded, side) or (
                breaks(&taking.limits, price)
            ):
                return counted(books, taking, taking.wanted_lots)
            taking.price_ticks = price
            taking.before_lots = taking.ahead_lots = taking.wanted_lots
        if place_of(books, maker) != SHOWN:
            taking.ahead_lots = taking.wanted_lots
        if not is_own(books, extra, maker):
            leaves = leaves_of(books, maker)
            taking.wanted_lots -= min(taking.wanted_lots, leaves)
            taking.ahead_lots -= min(taking.ahead_lots, maker.leaves_lots if stops else leaves)
            if taking.ahead_lots == 0 and not shares:
                return counted(books, taking, 0)
        elif stops:
            return counted(books, taking, taking.before_lots if shares else taking.ahead_lots)
        taking.maker = maker_behind(books, extra.instrument, side, taking.maker)
    return 0 if taking.maker else counted(books, taking, taking.wanted_lots)

cdef int counted(Books* books, Taking* taking, int64_t missing) except -1 nogil:
    """All that it must have at once is there, or it is cancelled before it trades at all."""
    cdef uint32_t slot = taking.slot
    taking.price_ticks = EMPTY
    books.work.match_step = TRADING
    if missing == 0:
        return 0
    books.work.match_step = NO_MATCH
    return close_order(books, slot, unfillable(order_at(books, slot)))

# ---------------------------------------------------------------- arriving

cdef uint32_t next_maker(const Books* books, uint32_t instrument, uint32_t side, int64_t limit) noexcept nogil:
    cdef const Ladder* shown = &books.instruments[instrument].sides[side]
    cdef const Ladder* hidden = &market_of(books, instrument).hidden[side]
    if hidden.best and (not shown.best or hidden.best_key < shown.best_key):
        shown = hidden
    if not shown.best or not is_within(price_of(shown.best_key, side), limit, side):
        return 0
    return first_of(books, shown)

cdef int begin_match(Books* books, uint32_t slot, int64_t minimum) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef Taking* taking = &books.work.taking
    limits_of(books, order, extra, &taking.limits)
    if extra.order_type == MARKET_TO_LIMIT and taking.limits.asked == EMPTY:    # there is nobody on the other side
        return close_order(books, slot, MARKET_REMAINDER)
    taking.slot = slot
    taking.price_ticks = EMPTY
    taking.wanted_lots = needed_at_once(order, minimum)
    if taking.wanted_lots:
        taking.maker = first_maker(books, extra.instrument, side_of_order(order) ^ 1)
        books.work.match_step = COUNTING
        return 0
    if next_maker(books, extra.instrument, side_of_order(order) ^ 1, taking.limits.banded) == 0:
        return finish(books, taking)
    books.work.match_step = TRADING
    return 0

cdef int go_on_matching(Books* books, uint32_t slot, int64_t limit) except -1 nogil:
    cdef Taking* taking = &books.work.taking
    taking.limits.asked = taking.limits.banded = limit
    taking.limits.breaker = EMPTY
    taking.slot = slot
    taking.price_ticks = EMPTY
    books.work.match_step = TRADING
    return 0

cdef int step_match(Books* books) except -1 nogil:
    cdef Taking* taking = &books.work.taking
    if books.work.match_step == TRADING:
        return trade(books, taking)
    if books.work.match_step == COUNTING:
        return count(books, taking)
    if books.work.match_step == SHARING:
        return share_out(books, taking)
    if books.work.match_step == SHARED:
        return trade_share(books, taking)
    return finish(books, taking)

cdef int trade(Books* books, Taking* taking) except -1 nogil:
    """With the next maker, or with all of a level by shares, or not at all."""
    cdef const Order* order = order_at(books, taking.slot)
    cdef uint32_t instrument = extra_of(books, order).instrument, maker
    cdef int64_t price
    if order.leaves_lots == 0:
        return finish(books, taking)
    maker = next_maker(books, instrument, side_of_order(order) ^ 1, taking.limits.banded)
    if maker == 0:
        return finish(books, taking)
    price = price_of_order(books, order_at(books, maker))
    if breaks(&taking.limits, price):
        books.work.match_step = FINISHING
        return halt(books, instrument)
    if market_of(books, instrument).algorithm == PRO_RATA and taking.price_ticks != price and (
        place_of(books, order_at(books, maker)) == SHOWN
    ):
        taking.price_ticks = price
        taking.maker = maker
        taking.share = 1
        cut_list(&books.shares, 1)
        books.work.match_step = SHARING
        return 0
    return meet(books, taking.slot, maker, order_at(books, maker).leaves_lots)

cdef int finish(Books* books, const Taking* taking) except -1 nogil:
    """What is left of a market or IOC order is cancelled, and what a band kept from trading; the rest rests."""
    cdef uint32_t slot = taking.slot
    cdef const Limits* limits = &taking.limits
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t other = side_of_order(order) ^ 1
    cdef int64_t best
    cdef bint continuous = market_of(books, extra.instrument).phase == CONTINUOUS
    books.work.match_step = NO_MATCH
    if order.leaves_lots == 0:
        return forget(books, slot)
    if continuous and limits.banded != limits.asked:
        best = best_of_all(books, extra.instrument, other)
        if best != EMPTY and is_within(best, limits.asked, other):
            return close_order(books, slot, BAND_REMAINDER)
    if takes_at_market(extra):
        return close_order(books, slot, MARKET_REMAINDER)
    if time_in_force_of(order) in (IOC, FOK):
        return close_order(books, slot, IOC_REMAINDER)
    if extra.order_type == PEGGED and not continuous:
        return unpeg(books, slot)
    if extra.price_ticks == EMPTY:
        if overflows(limits.asked, order.total_lots):
            return close_order(books, slot, MARKET_REMAINDER)
        extra.price_ticks = limits.asked
        tell_repriced(books, slot, EMPTY)
    return put_in_book(books, slot)

# ---------------------------------------------------------------- one maker

cdef int meet(Books* books, uint32_t slot, uint32_t maker, int64_t lots) except -1 nogil:
    """The two trade at most so many lots, or do what the incoming order's self-match mode says."""
    cdef Order* order = order_at(books, slot)
    cdef Order* other = order_at(books, maker)
    cdef int64_t price
    if is_own(books, extra_of(books, order), other):
        return collide(books, slot, maker)
    lots = min(order.leaves_lots, lots)
    price = price_of_order(books, other)
    order.leaves_lots -= lots
    other.leaves_lots -= lots
    level_subtract(level_at(&books.nodes, other.level), lots)
    books.instruments[extra_of(books, order).instrument].last_ticks = price
    tell_trade(books, slot, maker, price, lots)
    note(books, maker, EVENT_EXECUTE, lots, books.last_trade_id)
    return after_fill(books, maker)

cdef int after_fill(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    if not has_extra(order):
        if order.leaves_lots == 0:
            leave_book(books, order)
            forget_order(books, slot)
        return 0
    if leaves_of(books, order) == 0:
        take_out(books, slot)
        return forget(books, slot)
    if shows_of(books, order) != SHOWS_SLICE or order.level == 0:
        return 0
    if order.leaves_lots == 0:
        show_slice(books, slot)
    return tell_displayed(books, slot)

cdef int collide(Books* books, uint32_t slot, uint32_t maker) except -1 nogil:
    """Two of one group do not trade; what was traded before stands."""
    cdef uint8_t mode = extra_of(books, order_at(books, slot)).self_match_mode
    cdef int64_t ours, theirs, shown = order_at(books, maker).leaves_lots
    if mode == DECREMENT_BOTH:
        ours = order_at(books, slot).leaves_lots
        theirs = leaves_of(books, order_at(books, maker))
        if theirs <= ours:
            close_order(books, maker, SELF_MATCH)
        else:
            take_off(books, maker, ours)
            tell_reduced(books, maker, ours, SELF_MATCH)
            note_less(books, maker, EVENT_REDUCE, shown)
        if ours <= theirs:
            return end_incoming(books, slot)
        take_off(books, slot, theirs)
        return tell_reduced(books, slot, theirs, SELF_MATCH)
    if mode in (CANCEL_RESTING, CANCEL_BOTH):
        close_order(books, maker, SELF_MATCH)
    if mode in (CANCEL_INCOMING, CANCEL_BOTH):
        return end_incoming(books, slot)
    return 0

cdef int end_incoming(Books* books, uint32_t slot) except -1 nogil:
    """Cancelled by self-match prevention; whoever matches it finds that nothing is left."""
    tell_cancelled(books, slot, SELF_MATCH)
    order_at(books, slot).leaves_lots = 0
    return 0

# ---------------------------------------------------------------- pro-rata

cdef int share_out(Books* books, Taking* taking) except -1 nogil:
    """Of a level among its shown orders, some orders further: the top order first where that is a rule, then each by
    its part of the totals before the first of these trades."""
    cdef const Order* order = order_at(books, taking.slot)
    cdef uint32_t instrument = extra_of(books, order).instrument, i
    cdef const Market* market = market_of(books, instrument)
    cdef const Level* level = level_at(&books.nodes, order_at(books, taking.maker).level)
    cdef const Order* maker
    cdef int64_t lot = books.instruments[instrument].lot_lots, least = market.pro_rata_minimum_lots
    cdef Share* share
    cdef int looks = MOVES
    while taking.maker and looks:
        looks -= 1
        maker = order_at(books, taking.maker)
        i = pool_take(&books.shares, sizeof(Share))
        if i == 0:
            raise MemoryError("no memory for the shares of a level")
        share = &(<Share*>books.shares.records)[i]
        share.slot = taking.maker
        share.lots = share_of(
            <uint64_t>maker.leaves_lots, <uint64_t>order.leaves_lots, level.total_low, level.total_high, lot, least
        )
        if i == 1 and market.top_order:
            share.lots = <uint64_t>maker.leaves_lots
        taking.maker = maker.next
    if taking.maker == 0:
        books.work.match_step = SHARED
    return 0

cdef int trade_share(Books* books, Taking* taking) except -1 nogil:
    """With the next that has a share; behind the last, what is left goes by time."""
    cdef const Share* share
    cdef int looks = LOOKS
    while looks:
        looks -= 1
        if taking.share == books.shares.top or order_at(books, taking.slot).leaves_lots == 0:
            books.work.match_step = TRADING
            return 0
        share = &(<Share*>books.shares.records)[taking.share]
        taking.share += 1
        if share.lots:
            return meet(
                books, taking.slot, share.slot, min(<int64_t>share.lots, order_at(books, share.slot).leaves_lots)
            )
    return 0

cdef inline uint64_t share_of(
    uint64_t shown, uint64_t incoming, uint64_t total_low, uint32_t total_high, int64_t lot, int64_t least
) noexcept nogil:
    """Rounded down to round lots; below the minimum it is 0."""
    cdef uint64_t share = qb_share(shown, incoming, total_low, total_high)
    share -= share % <uint64_t>lot
    return share if share >= <uint64_t>least else 0

# ---------------------------------------------------------------- halting

cdef int64_t later(int64_t time_ns, int64_t lasts_ns) noexcept nogil:
    return 0 if lasts_ns > INT64_MAX - time_ns else time_ns + lasts_ns

cdef int halt(Books* books, uint32_t instrument) except -1 nogil:
    """A breaker halts trading for a time; then a volatility auction of a given length leads back to it."""
    cdef Market* market = market_of(books, instrument)
    cdef uint64_t* words
    market.phase = HALT
    expect_phase(books, instrument, VOLATILITY_AUCTION, later(books.time_ns, market.halt_ns))
    classify(books, instrument)
    words = tell(books, PHASE_CHANGED, 0, instrument)
    words[0] |= <uint64_t>HALT << ORDER_TYPE_BYTE
    words[4] = <uint64_t>EMPTY
    words[11] = <uint64_t>market.until_ns
    return begin_park(books, instrument)

cdef int begin_park(Books* books, uint32_t instrument) except -1 nogil:
    cdef int i
    for i in range(4):
        market_of(books, instrument).seen[i] = EMPTY
    if market_of(books, instrument).lists[PEGS].first:
        books.work.park_step = 1
        begin_list(books, PEGGED_IN_BOOK, instrument)
    return 0

cdef int step_park(Books* books) except -1 nogil:
    """One peg loses its price."""
    cdef uint32_t slot
    if books.work.position == books.list.top:
        books.work.park_step = 0
        cut_list(&books.list, 1)
        return 0
    expect_listed(books, books.work.position)
    slot = listed_at(books, books.work.position)
    books.work.position += 1
    take_out(books, slot)
    return unpeg(books, slot)
