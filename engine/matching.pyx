# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone.
"""Matching where more than the plain rules hold: bands, breakers, self-match, icebergs, hidden orders, pro-rata.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_matching.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t

from engine.emit cimport ORDER_TYPE_BYTE
from engine.events cimport EVENT_EXECUTE, EVENT_REDUCE, note, note_leaving, note_less
from engine.ladder cimport Ladder, ladder_after, level_at, level_subtract, price_of
from engine.places cimport (
    EMPTY, best_of_all, extra_of, first_of, flags_of, forget, has_extra, is_within, leaves_of, place_of, price_of_order,
    put_in_book, put_order, show_slice, shows_of, take_off, take_out, time_in_force_of, timer_set_phase,
)
from engine.queue cimport forget_order, leave_book
from engine.state cimport (
    Books, Listed, Market, Share, classify, market_of, order_at, side_of_order,
)
from engine.store cimport (
    Extra, HIDDEN_PLACE, Level, Order, PARKED, SHOWN, Pool, pool_take,
)
from engine.tell cimport (
    tell, tell_cancelled, tell_displayed, tell_reduced, tell_repriced, tell_trade,
)
from engine.types cimport (
    ALL_OR_NONE, ALL_OR_NONE_UNFILLABLE, BAND_REMAINDER, CANCEL_BOTH, CANCEL_INCOMING, CANCEL_RESTING, CONTINUOUS,
    DECREMENT_BOTH, FOK, FOK_UNFILLABLE, HALT, IOC, IOC_REMAINDER, MARKET, MARKET_REMAINDER, MARKET_TO_LIMIT,
    MINIMUM_UNFILLABLE, NONE, PEGGED, PHASE_CHANGED, PRO_RATA, SELF_MATCH, SHOWS_SLICE, STOP, TRAILING_STOP,
    VOLATILITY_AUCTION,
)

cdef extern from *:
    """
    #include <stdlib.h>
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
    static int qb_listed(const void *a, const void *b)
    {
        const uint64_t *x = a, *y = b;
        if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
        return x[1] < y[1] ? -1 : x[1] > y[1];
    }
    static void qb_sort_listed(void *records, size_t count) { qsort(records, count, 24, qb_listed); }
    """
    uint64_t qb_share(uint64_t part, uint64_t whole, uint64_t total_low, uint32_t total_high) noexcept nogil
    bint qb_breaks(int64_t price, int64_t reference, uint32_t bp) noexcept nogil
    int64_t qb_plus(int64_t a, int64_t b) noexcept nogil
    void qb_sort_listed(void* records, size_t count) noexcept nogil

cdef struct Limits:             # of an incoming order
    int64_t asked               # by itself
    int64_t banded              # nothing beyond trades
    int64_t breaker             # reference of the breaker; EMPTY_PRICE = none
    uint32_t breaker_bp

cdef void sort_listed(Pool* list, uint32_t begin) noexcept nogil:
    qb_sort_listed(&(<Listed*>list.records)[begin], list.top - begin)

cdef void cut_list(Pool* list, uint32_t top) noexcept nogil:
    list.top = top
    list.live = top - 1

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
    limits.breaker = market.reference_ticks if market.breaker_bp else EMPTY

cdef inline bint breaks(const Limits* limits, int64_t price) noexcept nogil:
    return limits.breaker != EMPTY and qb_breaks(price, limits.breaker, limits.breaker_bp)

# ---------------------------------------------------------------- how much there is

cdef inline uint32_t group_of(const Books* books, const Order* order) noexcept nogil:
    return extra_of(books, order).self_match_group if has_extra(order) else 0

cdef inline bint is_own(const Books* books, const Extra* taker, const Order* maker) noexcept nogil:
    return taker.self_match_mode != 0 and taker.self_match_group == group_of(books, maker)

cdef bint level_has(
    const Books* books, const Extra* taker, uint32_t level, int64_t* wanted
) noexcept nogil:
    """Take a level's orders off what is wanted. False: one of the order's own group is in the way."""
    cdef uint32_t slot = level_at(&books.nodes, level).head
    cdef const Order* maker
    cdef int64_t leaves
    while slot:
        maker = order_at(books, slot)
        if is_own(books, taker, maker):
            if taker.self_match_mode != CANCEL_RESTING:
                return False
        else:
            leaves = leaves_of(books, maker)
            if leaves >= wanted[0]:
                wanted[0] = 0
            else:
                wanted[0] -= leaves
        slot = maker.next
    return True

cdef bint can_have(Books* books, uint32_t slot, int64_t needed, const Limits* limits) noexcept nogil:
    """Whether so many lots are there at once, for this order. O(orders within its limit), until they are found.

    Its own group does not count, nor, unless its mode cancels the resting one, what is behind that.
    """
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order) ^ 1
    cdef const Ladder* shown = &books.instruments[extra.instrument].sides[side]
    cdef const Market* market = market_of(books, extra.instrument)
    cdef const Ladder* hidden = &market.hidden[side]
    cdef uint32_t one = shown.best, other = hidden.best
    cdef int64_t wanted = needed, before = 0, price
    cdef bint blocked = False
    cdef uint64_t key
    while one or other:
        if not one:
            key = level_at(&books.nodes, other).key
        elif not other:
            key = level_at(&books.nodes, one).key
        else:
            key = min(level_at(&books.nodes, one).key, level_at(&books.nodes, other).key)
        price = price_of(key, side)
        if not is_within(price, limits.banded, side) or breaks(limits, price):
            return False
        before = wanted
        if one and level_at(&books.nodes, one).key == key:
            blocked = not level_has(books, extra, one, &wanted)
            one = ladder_after(shown, &books.nodes, key)
        if not blocked and other and level_at(&books.nodes, other).key == key:
            blocked = not level_has(books, extra, other, &wanted)
            other = ladder_after(hidden, &books.nodes, key)
        if blocked:
            return (before if market.algorithm == PRO_RATA else wanted) == 0
        if wanted == 0:
            return True
    return False

cdef uint64_t unfillable(Books* books, uint32_t slot, int64_t minimum, const Limits* limits) noexcept nogil:
    """Why the order is cancelled before it trades at all; NONE."""
    cdef const Order* order = order_at(books, slot)
    cdef uint64_t reason = MINIMUM_UNFILLABLE
    if time_in_force_of(order) == FOK:
        reason = FOK_UNFILLABLE
        minimum = order.leaves_lots
    elif flags_of(order) & ALL_OR_NONE:
        reason = ALL_OR_NONE_UNFILLABLE
        minimum = order.leaves_lots
    return NONE if minimum == 0 or can_have(books, slot, minimum, limits) else reason

# ---------------------------------------------------------------- arriving

cdef uint32_t next_maker(const Books* books, uint32_t instrument, uint32_t side, int64_t limit) noexcept nogil:
    """The best price first, within it what is shown before what is hidden, then the oldest."""
    cdef const Ladder* shown = &books.instruments[instrument].sides[side]
    cdef const Ladder* hidden = &market_of(books, instrument).hidden[side]
    if hidden.best and (not shown.best or hidden.best_key < shown.best_key):
        shown = hidden
    if not shown.best or not is_within(price_of(shown.best_key, side), limit, side):
        return 0
    return first_of(books, shown)

cdef int match_order(Books* books, uint32_t slot, int64_t minimum) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t instrument = extra.instrument, side = side_of_order(order) ^ 1, maker
    cdef Market* market = market_of(books, instrument)
    cdef Limits limits
    cdef uint64_t reason
    cdef int64_t price, shared = EMPTY
    limits_of(books, order, extra, &limits)
    if extra.order_type == MARKET_TO_LIMIT and limits.asked == EMPTY:      # there is nobody on the other side
        return close_order(books, slot, MARKET_REMAINDER)
    reason = unfillable(books, slot, minimum, &limits)
    if reason:
        return close_order(books, slot, reason)
    while order_at(books, slot).leaves_lots:
        maker = next_maker(books, instrument, side, limits.banded)
        if maker == 0:
            break
        price = price_of_order(books, order_at(books, maker))
        if breaks(&limits, price):
            halt(books, instrument)
            break
        if market.algorithm == PRO_RATA and shared != price and place_of(books, order_at(books, maker)) == SHOWN:
            shared = price
            share_out(books, slot, maker)
        else:
            meet(books, slot, maker, order_at(books, maker).leaves_lots)
    return finish(books, slot, &limits)

cdef int finish(Books* books, uint32_t slot, const Limits* limits) except -1 nogil:
    """What is left of a market or IOC order is cancelled, and what a band kept from trading; the rest rests."""
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t other = side_of_order(order) ^ 1
    cdef int64_t best
    cdef bint continuous = market_of(books, extra.instrument).phase == CONTINUOUS
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

cdef int share_out(Books* books, uint32_t slot, uint32_t first) except -1 nogil:
    """A level among its shown orders: the top order first where that is a rule, then each by its part. O(orders)"""
    cdef Order* order = order_at(books, slot)
    cdef uint32_t instrument = extra_of(books, order).instrument, maker = first, i
    cdef const Market* market = market_of(books, instrument)
    cdef const Level* level = level_at(&books.nodes, order_at(books, first).level)
    cdef uint64_t incoming = <uint64_t>order.leaves_lots, total_low = level.total_low
    cdef uint32_t total_high = level.total_high
    cdef int64_t lot = books.instruments[instrument].lot_lots, least = market.pro_rata_minimum_lots
    cdef bint top = market.top_order
    cdef Share* share
    cut_list(&books.shares, 1)
    while maker:
        i = pool_take(&books.shares, sizeof(Share))
        if i == 0:
            raise MemoryError("no memory for the shares of a level")
        share = &(<Share*>books.shares.records)[i]
        share.slot = maker
        share.lots = share_of(<uint64_t>order_at(books, maker).leaves_lots, incoming, total_low, total_high, lot, least)
        if top:
            share.lots = <uint64_t>order_at(books, maker).leaves_lots
            top = False
        maker = order_at(books, maker).next
    for i in range(1, books.shares.top):
        share = &(<Share*>books.shares.records)[i]
        if order_at(books, slot).leaves_lots == 0:
            break
        if share.lots:
            meet(books, slot, share.slot, min(<int64_t>share.lots, order_at(books, share.slot).leaves_lots))
    cut_list(&books.shares, 1)
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
    market.next_phase = VOLATILITY_AUCTION
    timer_set_phase(books, instrument, later(books.time_ns, market.halt_ns))
    classify(books, instrument)
    words = tell(books, PHASE_CHANGED, 0, instrument)
    words[0] |= <uint64_t>HALT << ORDER_TYPE_BYTE
    words[4] = <uint64_t>EMPTY
    words[11] = <uint64_t>market.until_ns
    return park_pegs(books, instrument)

cdef uint32_t list_pegs(Books* books, uint32_t instrument, bint with_parked) except 0 nogil:
    """Bids, then asks, each by price, the shown first, and time; then those that are parked, by id."""
    cdef uint32_t slot = market_of(books, instrument).pegs, i
    cdef const Extra* extra
    cdef const Order* order
    cdef Listed* listed
    cdef uint32_t begin = books.list.top
    while slot:
        order = order_at(books, slot)
        extra = extra_of(books, order)
        if extra.place != PARKED or with_parked:
            i = pool_take(&books.list, sizeof(Listed))
            if i == 0:
                raise MemoryError("no memory for the pegged orders of an instrument")
            listed = &(<Listed*>books.list.records)[i]
            listed.slot = slot
            priority(books, order, extra, listed)
        slot = extra.list_next
    qb_sort_pegs(&(<Listed*>books.list.records)[begin], books.list.top - begin)
    return begin

cdef void priority(const Books* books, const Order* order, const Extra* extra, Listed* listed) noexcept nogil:
    """What sorts a peg: the key of its level, when it came there, and with `rank` side and place."""
    if extra.place == PARKED:
        listed.major = 0
        listed.minor = order.order_id
        listed.rank = 4
        return
    listed.major = level_at(&books.nodes, order.level).key
    listed.minor = extra.sequence
    listed.rank = side_of_order(order) * 2 + (extra.place == HIDDEN_PLACE)

cdef extern from *:
    """
    /* Side and place are in the last word: side 2, hidden 1, parked 4. */
    static int qb_peg(const void *a, const void *b)
    {
        const uint64_t *x = a, *y = b;
        uint32_t p = (uint32_t)(x[2] >> 32), q = (uint32_t)(y[2] >> 32);
        if (p >> 1 != q >> 1) return p >> 1 < q >> 1 ? -1 : 1;
        if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
        if (p != q) return p < q ? -1 : 1;
        return x[1] < y[1] ? -1 : x[1] > y[1];
    }
    static void qb_sort_pegs(void *records, size_t count)
    {
        size_t i;
        for (i = 1; i < count; i++)
            if (qb_peg((char *)records + 24 * (i - 1), (char *)records + 24 * i) > 0) {
                qsort(records, count, 24, qb_peg);
                return;
            }
    }
    """
    void qb_sort_pegs(void* records, size_t count) noexcept nogil

cdef int park_pegs(Books* books, uint32_t instrument) except -1 nogil:
    """Without continuous trading there is no touch to follow."""
    cdef Market* market = market_of(books, instrument)
    cdef uint32_t begin = list_pegs(books, instrument, False), i, slot
    for i in range(begin, books.list.top):
        slot = (<Listed*>books.list.records)[i].slot
        take_out(books, slot)
        unpeg(books, slot)
    cut_list(&books.list, begin)
    for i in range(4):
        market.seen[i] = EMPTY
    return 0
