# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the ladders alone.
"""The price of an auction: the largest volume; the least imbalance; all of buyers: the highest price, all of sellers:
the lowest; otherwise the nearest to the reference; the higher.

Both sides are walked from their best prices inwards until they do not meet any more: that is the volume, and the prices
at which all of it trades lie between the worst ask and the worst bid that it needs. Then these prices are gone through
from the lowest to the highest.

Holds nothing, changes nothing, raises nothing. reference_auction.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from engine.ladder cimport (
    Ladder, key_of, ladder_after, ladder_before, ladder_find, ladder_worst, level_at, price_of,
)
from engine.levels cimport level_extra
from engine.places cimport EMPTY, best_of, better_of, less_aggressive
from engine.state cimport Books, Choice, Crossing, Instrument, Market, int128, market_of, price_is_allowed
from engine.store cimport Level, LevelExtra

cdef enum Stage:                # of Crossing.stage
    MEETING = 0                 # the two sides
    ADDING = 1                  # what buyers want at the lowest of the prices
    CHOOSING = 2                # among these prices
    DONE = 3

# ---------------------------------------------------------------- levels

cdef int128 level_lots(const Books* books, uint32_t number) noexcept nogil:
    """All leaves of a level, shown or not; of level 0, which is all zeros, none."""
    cdef const Level* level = level_at(&books.nodes, number)
    cdef const LevelExtra* extra = level_extra(books, level)
    return (
        (<int128>level.total_high << 64) + <int128>level.total_low
        + (<int128>extra.reserve_high << 64) + <int128>extra.reserve_low
    )

cdef inline Ladder* ladder_in(const Books* books, uint32_t instrument, uint32_t which) noexcept nogil:
    """Bids that are shown, hidden; asks."""
    if which & 1:
        return &market_of(books, instrument).hidden[which >> 1]
    return &books.instruments[instrument].sides[which >> 1]

cdef int128 lots_at(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """Of a side at a price, shown or not."""
    cdef uint64_t key = key_of(price, side)
    return (
        level_lots(books, ladder_find(ladder_in(books, instrument, 2 * side), &books.nodes, key))
        + level_lots(books, ladder_find(ladder_in(books, instrument, 2 * side + 1), &books.nodes, key))
    )

cdef int128 unpriced_lots(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    return level_lots(books, market_of(books, instrument).unpriced[side].best)

cdef bint next_price(const Books* books, uint32_t instrument, uint32_t side, Crossing* crossing) noexcept nogil:
    """To the next price of a side, and what is there. False: there is none."""
    cdef uint32_t* levels = &crossing.levels[2 * side]
    cdef uint64_t key
    cdef uint32_t i
    if not levels[0] and not levels[1]:
        return False
    if not levels[0] or (levels[1] and level_at(&books.nodes, levels[1]).key < level_at(&books.nodes, levels[0]).key):
        key = level_at(&books.nodes, levels[1]).key
    else:
        key = level_at(&books.nodes, levels[0]).key
    crossing.prices[side] = price_of(key, side)
    for i in range(2):
        if levels[i] and level_at(&books.nodes, levels[i]).key == key:
            crossing.lots[side] += level_lots(books, levels[i])
            levels[i] = ladder_after(ladder_in(books, instrument, 2 * side + i), &books.nodes, key)
    return True

cdef int64_t worst_limit(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """EMPTY_PRICE: there is none."""
    cdef uint32_t shown = ladder_worst(ladder_in(books, instrument, 2 * side), &books.nodes)
    cdef uint32_t hidden = ladder_worst(ladder_in(books, instrument, 2 * side + 1), &books.nodes)
    cdef int64_t one = price_of(level_at(&books.nodes, shown).key, side) if shown else EMPTY
    cdef int64_t other = price_of(level_at(&books.nodes, hidden).key, side) if hidden else EMPTY
    return better_of(one, other, side ^ 1)

cdef int64_t best_limit(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    cdef int64_t shown = best_of(ladder_in(books, instrument, 2 * side), side)
    return better_of(shown, best_of(ladder_in(books, instrument, 2 * side + 1), side), side)

# ---------------------------------------------------------------- the two sides meet

cdef void look_around(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """The increments next to the reference that are allowed, or next to the limit that it is beyond."""
    cdef const Market* market = market_of(books, instrument)
    cdef const Instrument* book = &books.instruments[instrument]
    cdef int64_t reference = market.reference_ticks, price
    cdef uint32_t side
    crossing.around[0] = crossing.around[1] = EMPTY
    if reference == EMPTY or not market.unpriced[0].best or not market.unpriced[1].best:
        return
    reference = min(max(reference, book.lowest_ticks), book.highest_ticks)
    for side in range(2):
        price = less_aggressive(books, instrument, side, reference)
        if price_is_allowed(book, price):
            crossing.around[side] = price

cdef void begin_crossing(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    cdef uint32_t which, side
    look_around(books, instrument, crossing)
    crossing.stage = MEETING
    crossing.volume = 0
    crossing.low = crossing.high = EMPTY
    for which in range(4):
        crossing.levels[which] = ladder_in(books, instrument, which).best
    for side in range(2):
        crossing.prices[side] = EMPTY
        crossing.lots[side] = unpriced_lots(books, instrument, side)
    crossing.choice.least = -1
    crossing.choice.near = EMPTY

cdef bint meets(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """The best of both sides that is left trades. False: nothing does any more."""
    cdef const int64_t* prices = crossing.prices
    cdef int128 lots
    cdef uint32_t side
    for side in range(2):
        if crossing.lots[side] == 0 and not next_price(books, instrument, side, crossing):
            return False
    if prices[0] != EMPTY and prices[1] != EMPTY and prices[0] < prices[1]:
        return False
    lots = min(crossing.lots[0], crossing.lots[1])
    crossing.volume += lots
    crossing.lots[0] -= lots
    crossing.lots[1] -= lots
    crossing.high = prices[0]
    crossing.low = prices[1]
    return True

cdef void bound(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """Where orders without a limit are needed for the volume, the lowest and the highest limit bound the price, and the
    increments around the reference when such orders meet."""
    cdef int64_t lowest = better_of(crossing.around[0], crossing.around[1], 1)
    cdef int64_t highest = better_of(crossing.around[0], crossing.around[1], 0)
    lowest = better_of(lowest, better_of(worst_limit(books, instrument, 0), best_limit(books, instrument, 1), 1), 1)
    highest = better_of(highest, better_of(best_limit(books, instrument, 0), worst_limit(books, instrument, 1), 0), 0)
    crossing.low = lowest if crossing.low == EMPTY else crossing.low
    crossing.high = highest if crossing.high == EMPTY else crossing.high

cdef void end_meeting(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """What is offered below the lowest of the prices, and what is wanted as far as the walk has come."""
    cdef int64_t ask = crossing.low
    crossing.stage = DONE
    if crossing.volume == 0:
        return
    if crossing.low == EMPTY or crossing.high == EMPTY:
        bound(books, instrument, crossing)
    if crossing.low == EMPTY:
        return
    crossing.stage = ADDING
    crossing.price_ticks = crossing.low
    if ask == EMPTY:
        crossing.supply = unpriced_lots(books, instrument, 1)
    else:
        crossing.supply = crossing.volume - lots_at(books, instrument, 1, ask)
        if crossing.prices[1] == ask:
            crossing.supply += crossing.lots[1]
    crossing.demand = crossing.volume
    if crossing.prices[0] == EMPTY or crossing.prices[0] >= crossing.low:
        crossing.demand += crossing.lots[0]

cdef void add_demand(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """Of the next bids, down to the lowest of the prices."""
    crossing.lots[0] = 0
    if crossing.prices[0] == EMPTY or crossing.prices[0] >= crossing.low:
        if next_price(books, instrument, 0, crossing) and crossing.prices[0] >= crossing.low:
            crossing.demand += crossing.lots[0]
            return
    crossing.stage = CHOOSING

# ---------------------------------------------------------------- the best of their prices

cdef inline uint64_t apart(int64_t one, int64_t other) noexcept nogil:
    return <uint64_t>one - <uint64_t>other if one > other else <uint64_t>other - <uint64_t>one

cdef void consider_price(Choice* choice, int64_t price, int128 surplus, int64_t reference) noexcept nogil:
    """Of two as near to the reference the higher, which comes later."""
    if choice.near == EMPTY or apart(price, reference) <= choice.distance:
        choice.near = price
        choice.distance = apart(price, reference)
        choice.near_surplus = surplus

cdef void consider(
    const Books* books, uint32_t instrument, Choice* choice, int64_t low, int64_t high, int128 surplus
) noexcept nogil:
    """Prices from low to high, above all that were considered, at which the surplus is the same."""
    cdef int64_t reference = market_of(books, instrument).reference_ticks, around
    cdef int128 size = surplus if surplus >= 0 else -surplus
    if choice.least >= 0 and size > choice.least:
        return
    if choice.least < 0 or size < choice.least:
        choice.any_buys = choice.any_sells = choice.any_level = False
        choice.low = low
        choice.low_surplus = surplus
        choice.near = EMPTY
    choice.least = size
    choice.any_buys |= surplus > 0
    choice.any_sells |= surplus < 0
    choice.any_level |= surplus == 0
    choice.high = high
    choice.high_surplus = surplus
    if reference == EMPTY:
        return
    if not low < reference < high:
        consider_price(choice, low, surplus, reference)
        consider_price(choice, high, surplus, reference)
        return
    around = less_aggressive(books, instrument, 0, reference)
    if low <= around <= high:
        consider_price(choice, around, surplus, reference)
    around = less_aggressive(books, instrument, 1, reference)
    if low <= around <= high:
        consider_price(choice, around, surplus, reference)

cdef void consider_between(
    const Books* books, uint32_t instrument, Choice* choice, int64_t below, int64_t above, int128 surplus
) noexcept nogil:
    """The increments between two prices, if there are any."""
    cdef int64_t low = less_aggressive(books, instrument, 1, below + 1)
    cdef int64_t high = less_aggressive(books, instrument, 0, above - 1)
    if low != EMPTY and high != EMPTY and low <= high:
        consider(books, instrument, choice, low, high, surplus)

cdef int64_t point_above(const Books* books, uint32_t instrument, const Crossing* crossing) noexcept nogil:
    """The next higher price at which anything changes: of a level, or where orders without a limit may meet; at last
    the highest."""
    cdef int64_t price = crossing.price_ticks, above = crossing.high
    cdef uint32_t which, number
    for which in range(2):
        if price < crossing.around[which]:
            above = min(above, crossing.around[which])
    for which in range(4):
        if which < 2:
            number = ladder_before(ladder_in(books, instrument, which), &books.nodes, key_of(price, 0))
        else:
            number = ladder_after(ladder_in(books, instrument, which), &books.nodes, key_of(price, 1))
        if number:
            above = min(above, price_of(level_at(&books.nodes, number).key, which >> 1))
    return above

cdef void choose(const Books* books, uint32_t instrument, Crossing* crossing) noexcept nogil:
    """Among one more price and those up to the next."""
    cdef int64_t price = crossing.price_ticks, above
    crossing.supply += lots_at(books, instrument, 1, price)
    consider(books, instrument, &crossing.choice, price, price, crossing.demand - crossing.supply)
    if price == crossing.high:
        crossing.stage = DONE
        return
    crossing.demand -= lots_at(books, instrument, 0, price)
    above = point_above(books, instrument, crossing)
    consider_between(books, instrument, &crossing.choice, price, above, crossing.demand - crossing.supply)
    crossing.price_ticks = above

cdef bint cross(const Books* books, uint32_t instrument, Crossing* crossing, int64_t looks) noexcept nogil:
    while looks > 0 and crossing.stage != DONE:
        looks -= 1
        if crossing.stage == MEETING:
            if not meets(books, instrument, crossing):
                end_meeting(books, instrument, crossing)
        elif crossing.stage == ADDING:
            add_demand(books, instrument, crossing)
        else:
            choose(books, instrument, crossing)
    return crossing.stage == DONE

cdef void outcome_of(
    const Books* books, uint32_t instrument, const Crossing* crossing, Outcome* outcome
) noexcept nogil:
    cdef const Choice* choice = &crossing.choice
    cdef const Market* market = market_of(books, instrument)
    cdef int128 surplus
    outcome.price_ticks = EMPTY
    outcome.volume_low = outcome.volume_high = outcome.surplus_low = outcome.surplus_high = 0
    if choice.least < 0:
        return
    if choice.any_sells and not choice.any_buys and not choice.any_level:
        outcome.price_ticks = choice.low
        surplus = choice.low_surplus
    elif (choice.any_buys and not choice.any_sells and not choice.any_level) or market.reference_ticks == EMPTY:
        outcome.price_ticks = choice.high
        surplus = choice.high_surplus
    else:
        outcome.price_ticks = choice.near
        surplus = choice.near_surplus
    outcome.volume_low = <uint64_t>crossing.volume
    outcome.volume_high = <uint64_t>(crossing.volume >> 64)
    outcome.surplus_low = <uint64_t>surplus
    outcome.surplus_high = <uint64_t>(surplus >> 64)

cdef void auction(const Books* books, uint32_t instrument, Outcome* outcome) noexcept nogil:
    cdef Crossing crossing
    begin_crossing(books, instrument, &crossing)
    cross(books, instrument, &crossing, INT64_MAX)
    outcome_of(books, instrument, &crossing, outcome)
