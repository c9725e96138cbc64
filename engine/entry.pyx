# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only; a round lot and an increment are at least 1.
"""The checks of version 3: the first one that fails is the reason.

Holds nothing, changes nothing, raises nothing. reference_entry.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.phases cimport collects
from engine.places cimport (
    EMPTY, behind, best_of_all, extra_of, filled_of, flags_of, has_extra, instrument_of, is_increment, is_stop_type,
    is_within, price_of_order, prices_of, time_in_force_of, type_of,
)
from engine.queue cimport find_ref
from engine.state cimport (
    Books, Instrument, Market, Prices, market_of, order_at, price_is_allowed, quantity_refusal_3, side_of_order,
    terms_are_valid,
)
from engine.store cimport Extra, Order, WAITING
from engine.stops cimport tested
from engine.trails cimport stop_of, trailing_stop
from engine.types cimport (
    ALL_OR_NONE, AT_ONCE_IN_AUCTION, AT_OPEN, CANCEL, CLOSED, CONTINUOUS, Command, DECREMENT_BOTH, DELISTED,
    DISPLAY_NOT_ROUND_LOT, DISPLAY_TOO_SMALL, DUPLICATE_CLIENT_REF, Definition, EXPIRY_IN_THE_PAST, EXTENDED, FOK, GTD,
    HALT, HIDDEN, INVALID_ALL_OR_NONE, INVALID_AMEND, INVALID_DISPLAY, INVALID_EXPIRY, INVALID_FLAGS, INVALID_HIDDEN,
    INVALID_MINIMUM, INVALID_OFFSET, INVALID_ORDER_TYPE, INVALID_PEG, INVALID_POST_ONLY, INVALID_PRICE,
    INVALID_SELF_MATCH, INVALID_SIDE, INVALID_STOP_PRICE, INVALID_TIME_IN_FORCE, LIMIT, MARKET, MARKET_TO_LIMIT,
    MID_PEG, NONE, NOTIONAL_ABOVE_MAXIMUM, NOTIONAL_OVERFLOW, NOT_IN_THIS_PHASE, NO_ICEBERG, NO_REFERENCE_PRICE,
    OPENING_AUCTION, OPENING_IS_OVER, OPPOSITE_BEST, PEGGED, POST_ONLY, POST_ONLY_IN_AUCTION, POST_ONLY_SLIDE,
    POST_ONLY_WOULD_TRADE, PRE_OPEN, PRICE_OFF_TICK, PRICE_OUTSIDE_BAND, PRICE_OUTSIDE_LIMITS, PRICE_TOO_FAR, PRO_RATA,
    PhaseChange, Protection, QUANTITY_OVERFLOW, REENTER, REPLACE, SELL, STOP_LIMIT, STOP_ON_WRONG_SIDE, TOO_LATE,
    TRAILING_STOP,
)

cdef extern from *:
    """
    #include <stdint.h>
    /* |price| * lots > most. */
    static inline int qb_worth_more(int64_t price, int64_t lots, int64_t most)
    {
        unsigned __int128 size = price < 0 ? 0 - (uint64_t)price : (uint64_t)price;
        return size * (uint64_t)lots > (unsigned __int128)(uint64_t)most;
    }
    /* a - b > most, for most >= 0 */
    static inline int qb_past(int64_t a, int64_t b, int64_t most) { return (__int128)a - b > most; }
    """
    bint qb_worth_more(int64_t price, int64_t lots, int64_t most) noexcept nogil
    bint qb_past(int64_t a, int64_t b, int64_t most) noexcept nogil

cdef enum:
    MOST_SLICES = 10000     # of an iceberg: each is a trade with whoever takes it all
    BOTH_POST_ONLY = 1 | 2
    FLAGS = 1 | 2 | 4 | 8 | 128
    RESTING = 1 << 0 | 1 << 1 | 1 << 4          # by TimeInForce: DAY, GTC, GTD
    AUCTION = 1 << 5 | 1 << 6 | 1 << 7
    AT_ONCE = 1 << 2 | 1 << 3

cdef inline uint32_t times_of(uint32_t order_type) noexcept nogil:
    """Which times in force go with an order type, a bit each."""
    if order_type == LIMIT:
        return RESTING | AUCTION | AT_ONCE
    if order_type == MARKET:
        return (RESTING & ~(1 << 4)) | AUCTION | AT_ONCE
    return RESTING | AUCTION if order_type == MARKET_TO_LIMIT else RESTING

cdef inline bint is_in(uint32_t value, uint32_t bits) noexcept nogil:
    return value < 32 and bits >> value & 1

cdef inline bint has_limit(uint32_t order_type) noexcept nogil:
    return order_type == LIMIT or order_type == STOP_LIMIT

cdef bint has_reserved_bytes(const void* bytes, size_t begin, size_t end) noexcept nogil:
    """Whether a byte that must be zero is not."""
    cdef uint8_t found = 0
    cdef size_t i
    for i in range(begin, end):
        found |= (<const uint8_t*>bytes)[i]
    return found != 0

# ---------------------------------------------------------------- parts of the checks

cdef bint has_unused(const Command* command) noexcept nogil:
    """A field of the second line that no rule has a use for yet."""
    return (
        command.link_group or command.link_role or command.trigger_source or command.trail_kind or command.reserved_120
    ) != 0

cdef uint64_t flags_refusal(const Command* command) noexcept nogil:
    """Flags that are known, and go with the type, the time in force and each other."""
    cdef uint32_t flags = command.flags, kind = command.order_type, lasts = command.time_in_force
    cdef bint rests = is_in(lasts, RESTING), all_or_none = flags & ALL_OR_NONE != 0
    cdef uint32_t post_only = flags & BOTH_POST_ONLY
    if command.reserved_7 or flags & ~<uint32_t>FLAGS or (flags & EXTENDED and has_unused(command)):
        return INVALID_FLAGS
    if post_only == BOTH_POST_ONLY or (post_only and (kind != LIMIT or not rests)):
        return INVALID_POST_ONLY
    if flags & HIDDEN and ((not has_limit(kind) and kind != PEGGED) or not rests):
        return INVALID_HIDDEN
    if all_or_none and (post_only or flags & HIDDEN or kind > MARKET or is_in(lasts, AUCTION) or lasts == FOK):
        return INVALID_ALL_OR_NONE
    if command.self_match_mode > DECREMENT_BOTH or (command.self_match_mode == 0) != (command.self_match_group == 0):
        return INVALID_SELF_MATCH
    return NONE

cdef uint64_t phase_refusal(const Market* market, const Command* command) noexcept nogil:
    """What each phase accepts. A halt, and a day that is closed, accept cancels only."""
    cdef uint32_t phase = market.phase, lasts = command.time_in_force
    cdef bint at_once = (
        is_in(lasts, AT_ONCE) or command.flags & ALL_OR_NONE
        or (command.flags & EXTENDED and command.min_quantity_lots)
    )
    if market.is_delisted:
        return DELISTED
    if phase == HALT or phase == CLOSED:
        return NOT_IN_THIS_PHASE
    if collects(phase) and at_once:
        return AT_ONCE_IN_AUCTION
    if collects(phase) and command.flags & BOTH_POST_ONLY:
        return POST_ONLY_IN_AUCTION
    return OPENING_IS_OVER if lasts == AT_OPEN and phase != PRE_OPEN and phase != OPENING_AUCTION else NONE

cdef bint overflows(int64_t price, int64_t quantity) noexcept nogil:
    """Whether int64 cannot hold price times quantity."""
    return qb_worth_more(price, quantity, INT64_MAX)

cdef uint64_t price_refusal(
    const Books* books, uint32_t instrument, uint32_t side, int64_t price, int64_t quantity
) noexcept nogil:
    """A limit is an increment, inside the band, and not so far or so much that it must be a mistake."""
    cdef const Market* market = market_of(books, instrument)
    cdef int64_t last = books.instruments[instrument].last_ticks
    cdef int64_t static = market.reference_ticks, reference = market.reference_ticks if last == EMPTY else last
    if price != EMPTY:
        if not is_increment(books, instrument, price):
            return PRICE_OFF_TICK
        if overflows(price, quantity):
            return NOTIONAL_OVERFLOW
        if market.static_ticks >= 0 and static != EMPTY and (
            qb_past(price, static, market.static_ticks) or qb_past(static, price, market.static_ticks)
        ):
            return PRICE_OUTSIDE_BAND
        if market.distance_ticks >= 0 and reference != EMPTY and (
            qb_past(price, reference, market.distance_ticks) if side == 0
            else qb_past(reference, price, market.distance_ticks)
        ):
            return PRICE_TOO_FAR
        reference = price
    if market.max_notional >= 0 and reference != EMPTY and qb_worth_more(reference, quantity, market.max_notional):
        return NOTIONAL_ABOVE_MAXIMUM
    return NONE

cdef uint64_t display_refusal(
    const Instrument* book, int64_t display, int64_t quantity, uint32_t order_type, uint32_t time_in_force, uint32_t
    flags
) noexcept nogil:
    """An iceberg is an order with a limit that may rest; it shows a part of itself in round lots."""
    if display == 0:
        return NONE
    if not has_limit(order_type) or is_in(time_in_force, AT_ONCE) or flags & HIDDEN:
        return NO_ICEBERG
    if display < 0 or display > quantity:
        return INVALID_DISPLAY
    if (quantity - 1) // MOST_SLICES >= display:
        return DISPLAY_TOO_SMALL
    return DISPLAY_NOT_ROUND_LOT if display % book.lot_lots else NONE

cdef uint64_t minimum_refusal(const Command* command) noexcept nogil:
    cdef int64_t minimum = command.min_quantity_lots
    if minimum and (
        minimum < 0 or minimum > command.quantity_lots or command.order_type > MARKET
        or is_in(command.time_in_force, AUCTION) or command.time_in_force == FOK
        or command.flags & (BOTH_POST_ONLY | ALL_OR_NONE)
    ):
        return INVALID_MINIMUM
    return NONE

cdef int64_t tested_now(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """What a stop is tested against now; before the first trade the reference."""
    cdef Prices prices
    prices_of(books, instrument, &prices)
    if market_of(books, instrument).trigger != OPPOSITE_BEST and prices.last == EMPTY:
        return market_of(books, instrument).reference_ticks
    return tested(books, instrument, side, &prices)

cdef uint64_t stop_refusal(
    const Books* books, uint32_t instrument, uint32_t side, uint32_t order_type, int64_t stop, int64_t offset
) noexcept nogil:
    """A stop order has a stop price that was not reached; a trailing one may leave it to its distance."""
    cdef const Instrument* book = &books.instruments[instrument]
    cdef int64_t price
    if order_type == TRAILING_STOP:
        if offset <= 0:
            return INVALID_OFFSET
        if stop == EMPTY:
            price = tested_now(books, instrument, side)
            if price == EMPTY:
                return NO_REFERENCE_PRICE
            return INVALID_OFFSET if trailing_stop(side, price, offset) == EMPTY else NONE
    elif offset and order_type != PEGGED:
        return INVALID_OFFSET
    if not is_stop_type(order_type):
        return INVALID_STOP_PRICE if stop != 0 and stop != EMPTY else NONE
    if stop == EMPTY:
        return INVALID_STOP_PRICE
    if not price_is_allowed(book, stop):
        return PRICE_OUTSIDE_LIMITS
    if not is_increment(books, instrument, stop):
        return PRICE_OFF_TICK
    price = tested_now(books, instrument, side)
    if price != EMPTY and (price >= stop if side == 0 else price <= stop):
        return STOP_ON_WRONG_SIDE
    return NONE

cdef uint64_t expiry_refusal(const Books* books, uint32_t time_in_force, int64_t expire_ns) noexcept nogil:
    """A good-till-date order has a date to come; no other order has one."""
    if time_in_force != GTD:
        return INVALID_EXPIRY if expire_ns else NONE
    if expire_ns <= 0:
        return INVALID_EXPIRY
    return EXPIRY_IN_THE_PAST if expire_ns <= books.time_ns else NONE

cdef inline bint would_trade(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """Hidden orders count: what would trade with one would trade."""
    cdef int64_t best = best_of_all(books, instrument, side ^ 1)
    return best != EMPTY and is_within(best, price, side ^ 1)

cdef int64_t slid(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    if not would_trade(books, instrument, side, price):
        return price
    return behind(books, instrument, side, best_of_all(books, instrument, side ^ 1))

cdef uint64_t post_only_refusal(
    const Books* books, uint32_t instrument, uint32_t side, uint32_t flags, int64_t price
) noexcept nogil:
    """A post-only order that would trade was never in the book, or rests behind."""
    cdef int64_t rests = price
    if flags & POST_ONLY and would_trade(books, instrument, side, price):
        return POST_ONLY_WOULD_TRADE
    if flags & POST_ONLY_SLIDE:
        rests = slid(books, instrument, side, price)
        if rests != price and not price_is_allowed(&books.instruments[instrument], rests):
            return PRICE_OUTSIDE_LIMITS
    return NONE

# ---------------------------------------------------------------- NEW

cdef uint64_t new_refusal_3(const Books* books, const Command* command, uint64_t hashed) noexcept nogil:
    cdef const Instrument* book = &books.instruments[command.instrument]
    cdef uint32_t kind = command.order_type, side = command.side
    cdef bint extended = command.flags & EXTENDED != 0
    cdef uint64_t reason
    if side > SELL:
        return INVALID_SIDE
    if not LIMIT <= kind <= PEGGED:
        return INVALID_ORDER_TYPE
    if not is_in(command.time_in_force, times_of(kind)):
        return INVALID_TIME_IN_FORCE
    reason = flags_refusal(command)
    if reason == NONE:
        reason = phase_refusal(market_of(books, command.instrument), command)
    if reason:
        return reason
    if (command.price_ticks == EMPTY) == has_limit(kind):
        return INVALID_PRICE
    if has_limit(kind) and not price_is_allowed(book, command.price_ticks):
        return PRICE_OUTSIDE_LIMITS
    reason = quantity_refusal_3(book, command.quantity_lots)
    if reason == NONE:
        reason = price_refusal(books, command.instrument, side, command.price_ticks, command.quantity_lots)
    if reason == NONE:
        reason = second_line_refusal(books, command) if extended else first_line_refusal(books, command)
    if reason:
        return reason
    if find_ref(books, hashed, command.owner, command.client_ref) != 0:
        return DUPLICATE_CLIENT_REF
    return post_only_refusal(books, command.instrument, side, command.flags, command.price_ticks)

cdef uint64_t first_line_refusal(const Books* books, const Command* command) noexcept nogil:
    """Without EXTENDED the second line says nothing, which some orders cannot do without."""
    cdef uint64_t reason = stop_refusal(
        books, command.instrument, command.side, command.order_type, EMPTY, 0
    )
    if reason:
        return reason
    if command.order_type == PEGGED:
        return INVALID_PEG
    return INVALID_EXPIRY if command.time_in_force == GTD else NONE

cdef uint64_t second_line_refusal(const Books* books, const Command* command) noexcept nogil:
    cdef uint32_t kind = command.order_type
    cdef uint64_t reason = display_refusal(
        &books.instruments[command.instrument], command.display_lots, command.quantity_lots, kind,
        command.time_in_force, command.flags,
    )
    if reason == NONE:
        reason = minimum_refusal(command)
    if reason == NONE:
        reason = stop_refusal(
            books, command.instrument, command.side, kind, command.stop_price_ticks, command.offset_ticks
        )
    if reason:
        return reason
    if command.peg_kind > MID_PEG or (command.peg_kind != 0) != (kind == PEGGED):
        return INVALID_PEG
    if kind != PEGGED and command.peg_limit_ticks != 0 and command.peg_limit_ticks != EMPTY:
        return INVALID_PEG
    return expiry_refusal(books, command.time_in_force, command.expire_ns)

cdef void set_trailing(const Books* books, uint32_t instrument, uint32_t side, Terms* terms) noexcept nogil:
    """A trailing stop without a stop price begins at its distance."""
    if terms.stop_price_ticks == EMPTY:
        terms.stop_price_ticks = trailing_stop(side, tested_now(books, instrument, side), terms.offset_ticks)

cdef void new_terms(const Books* books, const Command* command, Terms* terms) noexcept nogil:
    cdef bint extended = command.flags & EXTENDED != 0
    terms.price_ticks = command.price_ticks
    terms.total_lots = command.quantity_lots
    terms.time_in_force = command.time_in_force
    terms.display_lots = command.display_lots if extended else 0
    terms.offset_ticks = command.offset_ticks if extended else 0
    terms.expire_ns = command.expire_ns if extended else 0
    terms.stop_price_ticks = terms.peg_limit_ticks = EMPTY
    if command.order_type == PEGGED:
        terms.peg_limit_ticks = command.peg_limit_ticks
    if is_stop_type(command.order_type):
        terms.stop_price_ticks = command.stop_price_ticks
        set_trailing(books, command.instrument, command.side, terms)
    if command.flags & POST_ONLY_SLIDE:
        terms.price_ticks = slid(books, command.instrument, command.side, command.price_ticks)

# ---------------------------------------------------------------- changes of an order

cdef uint64_t change_refusal(const Books* books, uint32_t slot, const Command* command) noexcept nogil:
    """What holds for every change: in a halt, and when the day is closed, there are cancels only."""
    cdef uint32_t allowed = POST_ONLY | (EXTENDED if command.kind == REPLACE else 0), phase
    if (
        command.reserved_7 or command.self_match_mode or command.self_match_group
        or command.flags & ~allowed
        or (command.flags & EXTENDED and (has_unused(command) or command.min_quantity_lots or command.peg_kind))
    ):
        return INVALID_FLAGS
    phase = market_of(books, instrument_of(books, order_at(books, slot))).phase
    return NOT_IN_THIS_PHASE if command.kind != CANCEL and (phase == HALT or phase == CLOSED) else NONE

cdef void amended(const Books* books, uint32_t slot, const Command* command, Terms* terms) noexcept nogil:
    """Without EXTENDED a replace gives a price and a total and the rest stays; with it, all that may change.

    A total beyond int64, of a reenter, is -1.
    """
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order) if has_extra(order) else NULL
    cdef int64_t filled = filled_of(books, order), price = price_of_order(books, order)
    terms.price_ticks = price if command.price_ticks == EMPTY else command.price_ticks
    terms.total_lots = command.quantity_lots
    if command.kind == REENTER:
        terms.total_lots = -1 if command.quantity_lots > INT64_MAX - filled else command.quantity_lots + filled
    terms.time_in_force = time_in_force_of(order)
    terms.display_lots = terms.offset_ticks = terms.expire_ns = 0
    terms.stop_price_ticks = terms.peg_limit_ticks = EMPTY
    if extra != NULL:
        terms.display_lots = extra.display_lots
        terms.offset_ticks = extra.offset_ticks
        terms.expire_ns = extra.expire_ns
        terms.stop_price_ticks = stop_of(books, order, extra)
        terms.peg_limit_ticks = extra.peg_limit_ticks
    if not command.flags & EXTENDED:
        return
    terms.display_lots = command.display_lots
    terms.expire_ns = command.expire_ns
    terms.offset_ticks = command.offset_ticks
    terms.time_in_force = command.time_in_force
    if extra != NULL and extra.place == WAITING:
        terms.stop_price_ticks = command.stop_price_ticks
    if extra != NULL and extra.order_type == PEGGED:
        terms.peg_limit_ticks = command.peg_limit_ticks

cdef inline int64_t limit_of(uint32_t order_type, int64_t price) noexcept nogil:
    """The limit that the owner gave it, or that a market-to-limit order has taken; a peg's price is none."""
    return price if has_limit(order_type) or order_type == MARKET_TO_LIMIT else EMPTY

cdef uint64_t amend_refusal(
    const Books* books, const Order* order, const Terms* terms, const Command* command
) noexcept nogil:
    """A price only for an order that has a limit of its own; what an order is, it stays."""
    cdef uint32_t kind = type_of(books, order), lasts = time_in_force_of(order)
    cdef bint waits = has_extra(order) and extra_of(books, order).place == WAITING
    cdef bint limited = limit_of(kind, price_of_order(books, order)) != EMPTY
    if command.price_ticks != EMPTY and not limited:
        return INVALID_AMEND
    if command.kind == REENTER and (not limited or waits):
        return INVALID_AMEND
    if not command.flags & EXTENDED:
        return NONE
    if not is_in(command.time_in_force, times_of(kind)):
        return INVALID_TIME_IN_FORCE
    if command.time_in_force != lasts and not (is_in(lasts, RESTING) and is_in(command.time_in_force, RESTING)):
        return INVALID_TIME_IN_FORCE
    return NONE

cdef uint64_t new_terms_refusal(
    const Books* books, const Order* order, const Terms* terms, const Command* command
) noexcept nogil:
    """New terms are judged as those of a new order."""
    cdef uint32_t kind = type_of(books, order), instrument = instrument_of(books, order), side = side_of_order(order)
    cdef bint extended = command.flags & EXTENDED != 0
    cdef int64_t display = terms.display_lots if extended else min(terms.display_lots, terms.total_lots)
    cdef uint64_t reason = NONE
    if terms.price_ticks != price_of_order(books, order) or terms.total_lots > order.total_lots:
        reason = price_refusal(
            books, instrument, side, limit_of(kind, terms.price_ticks), terms.total_lots
        )
    if reason == NONE:
        reason = display_refusal(
            &books.instruments[instrument], display, terms.total_lots, kind, terms.time_in_force, flags_of(order)
        )
    if reason or not extended:
        return reason
    if has_extra(order) and extra_of(books, order).place == WAITING:
        reason = stop_refusal(books, instrument, side, kind, terms.stop_price_ticks, terms.offset_ticks)
    elif kind != PEGGED and command.offset_ticks:
        reason = INVALID_OFFSET
    # A stop that was elected may be told again.
    elif command.stop_price_ticks not in (0, EMPTY, terms.stop_price_ticks):
        reason = INVALID_STOP_PRICE
    if reason == NONE and kind != PEGGED and command.peg_limit_ticks not in (0, EMPTY):
        reason = INVALID_PEG
    return reason if reason else expiry_refusal(books, terms.time_in_force, terms.expire_ns)

cdef uint64_t replace_refusal_3(
    const Books* books, uint32_t slot, const Terms* terms, const Command* command
) noexcept nogil:
    """The given quantity is judged, not the sum of a reenter."""
    cdef const Order* order = order_at(books, slot)
    cdef uint32_t instrument = instrument_of(books, order)
    cdef const Instrument* book = &books.instruments[instrument]
    cdef int64_t filled = filled_of(books, order)
    cdef uint64_t reason
    if command.kind != REENTER and filled > 0 and terms.total_lots <= filled:
        return TOO_LATE     # before all other checks: whatever else is wrong, the fills have overtaken it
    reason = amend_refusal(books, order, terms, command)
    if reason:
        return reason
    if terms.price_ticks != EMPTY and not price_is_allowed(book, terms.price_ticks):
        return PRICE_OUTSIDE_LIMITS
    if command.kind == REENTER and command.quantity_lots > INT64_MAX - filled:
        return QUANTITY_OVERFLOW
    reason = quantity_refusal_3(book, command.quantity_lots)
    if reason == NONE:
        reason = new_terms_refusal(books, order, terms, command)
    if reason:
        return reason
    reason = post_only_refusal(books, instrument, side_of_order(order), flags_of(order), terms.price_ticks)
    if reason and market_of(books, instrument).phase != CONTINUOUS:
        return POST_ONLY_IN_AUCTION
    return reason

cdef bint keeps_place(const Books* books, uint32_t slot, const Terms* terms, const Command* command) noexcept nogil:
    """Only less of it, or of it shown, or another time in force, keeps an order its place."""
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order) if has_extra(order) else NULL
    cdef uint64_t shown = <uint64_t>terms.display_lots - 1, showed     # 0 = all wraps to the most there is
    if command.kind == REENTER or terms.price_ticks != price_of_order(books, order):
        return False
    if not command.flags & EXTENDED:
        return terms.total_lots < order.total_lots
    showed = <uint64_t>(extra.display_lots if extra != NULL else 0) - 1
    return (
        shown <= showed and terms.total_lots <= order.total_lots
        and terms.stop_price_ticks == (stop_of(books, order, extra) if extra != NULL else EMPTY)
        and terms.offset_ticks == (extra.offset_ticks if extra != NULL else 0)
        and terms.peg_limit_ticks == (extra.peg_limit_ticks if extra != NULL else EMPTY)
    )

# ---------------------------------------------------------------- instruments

cdef bint definition_is_valid(const Books* books, const Definition* definition) noexcept nogil:
    """Terms that do not contradict each other; an algorithm, a trigger and a tick table that there are.

    Where no quantity is allowed, there is nothing to do but to delist it.
    """
    return (
        terms_are_valid(
            definition.lot_lots, definition.min_lots, definition.max_lots, definition.low_ticks,
            definition.high_ticks, definition.protection_ticks,
        )
        and not has_reserved_bytes(definition, 1, 8) and not definition.reserved_12
        and not has_reserved_bytes(definition, 81, 128)
        and (definition.lot_lots <= definition.max_lots or definition.delist)
        and definition.algorithm <= PRO_RATA and definition.top_order <= definition.algorithm
        and definition.trigger <= OPPOSITE_BEST
        and definition.phase <= CLOSED and definition.tick_table < books.tables.top
        and definition.pro_rata_minimum_lots >= 0 and definition.delist <= 1
    )

cdef bint phase_is_valid(const PhaseChange* change, int64_t now_ns) noexcept nogil:
    """A phase ends after now, at a time that int64 can tell; without an end there is nothing else to say."""
    if (
        change.phase > CLOSED or has_reserved_bytes(change, 3, 8) or change.reserved_12
        or has_reserved_bytes(change, 40, 128)
    ):
        return False
    if change.until_ns == 0:
        return change.next_phase == 0 and change.random == 0 and change.window_ns == 0
    return (
        change.next_phase <= CLOSED and change.until_ns > now_ns and change.window_ns >= 0
        and change.until_ns <= INT64_MAX - change.window_ns
    )

cdef bint may_follow(uint32_t before, uint32_t phase) noexcept nogil:
    """A halt, and a day that was closed, lead to trading by way of an auction only."""
    return phase != CONTINUOUS or (before != HALT and before != CLOSED)

cdef bint protection_is_valid(const Protection* protection) noexcept nogil:
    """An order may be worth something; a breaker says how long it halts and how long the auction then collects."""
    if (
        protection.static_ticks < -1 or protection.dynamic_ticks < -1 or protection.distance_ticks < -1
        or protection.max_notional < -1 or protection.max_notional == 0 or has_reserved_bytes(protection, 1, 8)
        or has_reserved_bytes(protection, 72, 128)
    ):
        return False
    if protection.breaker_bp:
        return protection.halt_ns >= 1 and protection.auction_ns >= 1
    return protection.halt_ns == 0 and protection.auction_ns == 0
