# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone.
"""Phases and auctions: the price of an auction, its trades one by one, and what becomes of the orders around it.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
reference_auction.py says the same slowly.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.emit cimport ORDER_TYPE_BYTE, TIME_IN_FORCE_BYTE
from engine.events cimport EVENT_EXECUTE, note
from engine.ladder cimport Ladder, ladder_after, level_at, level_subtract, price_of
from engine.matching cimport after_fill, close_order, cut_list, next_maker, park_pegs, sort_listed
from engine.places cimport (
    EMPTY, extra_of, first_of, has_extra, less_aggressive, place_of, prices_of, put_in_book, put_order, take_out,
    time_in_force_of, timer_set_phase,
)
from engine.state cimport Books, Listed, Market, Prices, classify, market_of, order_at
from engine.store cimport Extra, Level, Order, PARKED, SHOWN, UNPRICED, WAITING, pool_take
from engine.tell cimport tell, tell_repriced, tell_trade
from engine.triggers cimport begin_aftermath
from engine.types cimport (
    AT_CLOSE, AT_OPEN, AUCTION_REMAINDER, CLOSED, CLOSING_AUCTION, CONTINUOUS, END_OF_DAY, GOOD_FOR_AUCTION, GTC, GTD,
    HALT, MARKET, MARKET_REMAINDER, OPENING_AUCTION, PEGGED, PHASE_CHANGED, PRE_OPEN,
)

cdef extern from *:
    ctypedef long long int128 "__int128"        # wider than Cython believes; C does the arithmetic

cdef bint collects(uint8_t phase) noexcept nogil:
    return PRE_OPEN <= phase <= CLOSING_AUCTION

cdef bint waits_for(const Order* order, uint8_t phase) noexcept nogil:
    if time_in_force_of(order) == AT_CLOSE:
        return phase != CLOSING_AUCTION
    return time_in_force_of(order) == GOOD_FOR_AUCTION and not collects(phase)

# ---------------------------------------------------------------- the price

cdef struct Walk:               # over one side of a book, best price first; first what has no limit
    const Ladder* ladders[2]    # shown, hidden
    uint32_t levels[2]          # the next of each
    uint32_t side

cdef struct Choice:             # the best prices so far
    int128 least                # imbalance; below 0: there are none yet
    bint any_buys               # among them: surplus of buyers, of sellers, none
    bint any_sells
    bint any_level
    int64_t low                 # of the first piece
    int128 low_surplus
    int64_t high                # of the last
    int128 high_surplus
    int64_t near                # nearest to the reference
    uint64_t distance
    int128 near_surplus

cdef int128 level_lots(const Books* books, uint32_t number) noexcept nogil:
    """All leaves of a level, shown or not. O(orders) where there are icebergs."""
    cdef const Level* level = level_at(&books.nodes, number)
    cdef int128 lots = (<int128>level.total_high << 64) + <int128>level.total_low
    cdef uint32_t slot = level.head
    if market_of(books, level.instrument).extras == 0:
        return lots
    while slot:
        if has_extra(order_at(books, slot)):
            lots += extra_of(books, order_at(books, slot)).reserve_lots
        slot = order_at(books, slot).next
    return lots

cdef void begin_walk(const Books* books, uint32_t instrument, uint32_t side, Walk* walk) noexcept nogil:
    walk.ladders[0] = &books.instruments[instrument].sides[side]
    walk.ladders[1] = &market_of(books, instrument).hidden[side]
    walk.levels[0] = walk.ladders[0].best
    walk.levels[1] = walk.ladders[1].best
    walk.side = side

cdef bint next_price(const Books* books, Walk* walk, int64_t* price, int128* lots) noexcept nogil:
    """The next price and what is there; False: there is none."""
    cdef uint32_t one = walk.levels[0], other = walk.levels[1]
    cdef uint64_t key
    cdef int i
    if not one and not other:
        return False
    if not one or (other and level_at(&books.nodes, other).key < level_at(&books.nodes, one).key):
        key = level_at(&books.nodes, other).key
    else:
        key = level_at(&books.nodes, one).key
    price[0] = price_of(key, walk.side)
    lots[0] = 0
    for i in range(2):
        if walk.levels[i] and level_at(&books.nodes, walk.levels[i]).key == key:
            lots[0] += level_lots(books, walk.levels[i])
            walk.levels[i] = ladder_after(walk.ladders[i], &books.nodes, key)
    return True

cdef int128 unpriced_lots(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    cdef uint32_t level = market_of(books, instrument).unpriced[side].best
    return level_lots(books, level) if level else 0

cdef int128 volume_of(const Books* books, uint32_t instrument, int64_t* low, int64_t* high) noexcept nogil:
    """What would trade; the worst prices that are needed for it: EMPTY_PRICE when orders without a limit do."""
    cdef Walk bids, asks
    cdef int64_t bid = EMPTY, ask = EMPTY
    cdef int128 buys = unpriced_lots(books, instrument, 0), sells = unpriced_lots(books, instrument, 1)
    cdef int128 volume = 0, lots
    begin_walk(books, instrument, 0, &bids)
    begin_walk(books, instrument, 1, &asks)
    low[0] = high[0] = EMPTY
    while True:
        if buys == 0 and not next_price(books, &bids, &bid, &buys):
            break
        if sells == 0 and not next_price(books, &asks, &ask, &sells):
            break
        if bid != EMPTY and ask != EMPTY and bid < ask:
            break
        lots = min(buys, sells)
        volume += lots
        buys -= lots
        sells -= lots
        high[0] = bid
        low[0] = ask
    return volume

cdef void hull_of(const Books* books, uint32_t instrument, int64_t* low, int64_t* high) noexcept nogil:
    """The lowest and the highest limit, and the reference when orders without a limit meet; EMPTY_PRICE: none.
    O(levels)"""
    cdef const Market* market = market_of(books, instrument)
    cdef Walk walk
    cdef int64_t price
    cdef int128 lots
    cdef uint32_t side
    low[0] = high[0] = EMPTY
    if market.unpriced[0].best and market.unpriced[1].best:
        low[0] = high[0] = market.reference_ticks
    for side in range(2):
        begin_walk(books, instrument, side, &walk)
        while next_price(books, &walk, &price, &lots):
            low[0] = price if low[0] == EMPTY else min(low[0], price)
            high[0] = price if high[0] == EMPTY else max(high[0], price)

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

cdef inline uint64_t rising(int64_t price) noexcept nogil:
    return <uint64_t>price ^ (<uint64_t>1 << 63)

cdef int128 list_levels(
    Books* books, uint32_t instrument, uint32_t side, int64_t low, int64_t high
) except? -1 nogil:
    """The levels of a side from low to high to Books.list, to be sorted by price; what is at better prices."""
    cdef Walk walk
    cdef int64_t price
    cdef int128 lots, better = unpriced_lots(books, instrument, side)
    begin_walk(books, instrument, side, &walk)
    while next_price(books, &walk, &price, &lots):
        if price < low if side == 0 else price > high:
            break
        if price > high if side == 0 else price < low:
            better += lots
        else:
            add_point(books, price, lots, side)
    return better

cdef int add_point(Books* books, int64_t price, int128 lots, uint32_t side) except -1 nogil:
    cdef uint32_t i = pool_take(&books.list, sizeof(Listed))
    cdef Listed* listed
    if i == 0:
        raise MemoryError("no memory for the prices of an auction")
    listed = &(<Listed*>books.list.records)[i]
    listed.major = rising(price)
    listed.minor = <uint64_t>lots
    listed.slot = <uint32_t>(lots >> 64)
    listed.rank = side
    return 0

cdef int choose(Books* books, uint32_t instrument, int64_t low, int64_t high, Choice* choice) except -1 nogil:
    """Of the prices from low to high, at all of which the same volume trades."""
    cdef uint32_t begin = books.list.top, i
    cdef int128 buys, sells, lots, leaving
    cdef const Listed* listed
    cdef const Market* market = market_of(books, instrument)
    cdef int64_t price, following, reference = market.reference_ticks
    choice.least = -1
    choice.near = EMPTY
    buys = list_levels(books, instrument, 0, low, high)
    sells = list_levels(books, instrument, 1, low, high)
    add_point(books, low, 0, 0)
    add_point(books, high, 0, 0)
    if market.unpriced[0].best and market.unpriced[1].best and low < reference < high:
        add_point(books, reference, 0, 0)       # they may meet there, an increment or not
    for i in range(begin, books.list.top):
        listed = &(<Listed*>books.list.records)[i]
        if listed.rank == 0:
            buys += (<int128>listed.slot << 64) + <int128>listed.minor
    sort_listed(&books.list, begin)
    i = begin
    while i < books.list.top:
        price = <int64_t>((<Listed*>books.list.records)[i].major ^ (<uint64_t>1 << 63))
        leaving = 0
        while i < books.list.top and (<Listed*>books.list.records)[i].major == rising(price):
            listed = &(<Listed*>books.list.records)[i]
            lots = (<int128>listed.slot << 64) + <int128>listed.minor
            if listed.rank == 0:
                leaving += lots
            else:
                sells += lots
            i += 1
        consider(books, instrument, choice, price, price, buys - sells)
        buys -= leaving
        if i < books.list.top and price != INT64_MAX:
            following = <int64_t>((<Listed*>books.list.records)[i].major ^ (<uint64_t>1 << 63))
            consider_between(books, instrument, choice, price, following, buys - sells)
    cut_list(&books.list, begin)
    return 0

cdef void consider_between(
    const Books* books, uint32_t instrument, Choice* choice, int64_t below, int64_t above, int128 surplus
) noexcept nogil:
    """The increments between two prices, if there are any."""
    cdef int64_t low = less_aggressive(books, instrument, 1, below + 1)
    cdef int64_t high = less_aggressive(books, instrument, 0, above - 1)
    if low != EMPTY and high != EMPTY and low <= high:
        consider(books, instrument, choice, low, high, surplus)

cdef int auction(Books* books, uint32_t instrument, Outcome* outcome) except -1 nogil:
    """The largest volume; the least imbalance; all of buyers: the highest price, all of sellers: the lowest; otherwise
    the nearest to the reference; the higher."""
    cdef const Market* market = market_of(books, instrument)
    cdef int64_t low, high, lowest, highest
    cdef int128 volume = volume_of(books, instrument, &low, &high), surplus
    cdef Choice choice
    outcome.price_ticks = EMPTY
    if volume == 0:
        return 0
    if low == EMPTY or high == EMPTY:
        hull_of(books, instrument, &lowest, &highest)
        low = lowest if low == EMPTY else low
        high = highest if high == EMPTY else high
        if low == EMPTY:
            return 0
    choose(books, instrument, low, high, &choice)
    if choice.any_sells and not choice.any_buys and not choice.any_level:
        outcome.price_ticks = choice.low
        surplus = choice.low_surplus
    elif (choice.any_buys and not choice.any_sells and not choice.any_level) or market.reference_ticks == EMPTY:
        outcome.price_ticks = choice.high
        surplus = choice.high_surplus
    else:
        outcome.price_ticks = choice.near
        surplus = choice.near_surplus
    outcome.volume_low = <uint64_t>volume
    outcome.volume_high = <uint64_t>(volume >> 64)
    outcome.surplus_low = <uint64_t>surplus
    outcome.surplus_high = <uint64_t>(surplus >> 64)
    return 0

# ---------------------------------------------------------------- phases

cdef uint32_t list_order(Books* books, uint32_t slot) except 0 nogil:
    cdef uint32_t i = pool_take(&books.list, sizeof(Listed))
    cdef Listed* listed
    if i == 0:
        raise MemoryError("no memory for a list of orders")
    listed = &(<Listed*>books.list.records)[i]
    listed.major = order_at(books, slot).order_id
    listed.minor = 0
    listed.slot = slot
    listed.rank = 0
    return i

cdef int list_ladder(Books* books, const Ladder* ladder, bint plain_too) except -1 nogil:
    cdef uint32_t level = ladder.best, slot
    while level:
        slot = level_at(&books.nodes, level).head
        while slot:
            if plain_too or has_extra(order_at(books, slot)):
                list_order(books, slot)
            slot = order_at(books, slot).next
        level = ladder_after(ladder, &books.nodes, level_at(&books.nodes, level).key)
    return 0

cdef uint32_t list_orders(Books* books, uint32_t instrument, bint plain_too) except 0 nogil:
    cdef uint32_t begin = books.list.top, side
    cdef const Market* market = market_of(books, instrument)
    if not plain_too and market.extras == 0:
        return begin
    for side in range(2):
        list_ladder(books, &books.instruments[instrument].sides[side], plain_too)
        list_ladder(books, &market.hidden[side], plain_too)
        list_ladder(books, &market.unpriced[side], plain_too)
        list_ladder(books, &market.waiting[side], plain_too)
    list_ladder(books, &market.parked, plain_too)
    sort_listed(&books.list, begin)
    return begin

cdef int enter_phase(
    Books* books, uint32_t instrument, uint8_t phase, uint8_t next_phase, int64_t until_ns, int64_t told_ns
) except -1 nogil:
    cdef Market* market = market_of(books, instrument)
    cdef uint8_t before = market.phase
    cdef Outcome outcome
    cdef uint64_t* words
    cdef bint uncrosses = collects(before) and phase in (CONTINUOUS, CLOSED)
    outcome.price_ticks = EMPTY
    outcome.volume_low = outcome.volume_high = 0
    prices_of(books, instrument, &books.work.before)
    market.next_phase = next_phase
    timer_set_phase(books, instrument, until_ns)
    if uncrosses:
        auction(books, instrument, &outcome)
    market.phase = phase
    classify(books, instrument)
    words = tell(books, PHASE_CHANGED, 0, instrument)
    words[0] |= <uint64_t>phase << ORDER_TYPE_BYTE | <uint64_t>before << TIME_IN_FORCE_BYTE
    words[4] = <uint64_t>outcome.price_ticks
    words[11] = <uint64_t>told_ns
    if outcome.price_ticks != EMPTY:
        words[5] = min(outcome.volume_low, <uint64_t>INT64_MAX) if outcome.volume_high == 0 else <uint64_t>INT64_MAX
    books.work.phase_step = NO_PHASE_STEP
    if phase == before:
        return 0
    if before == CONTINUOUS:
        park_pegs(books, instrument)
    books.work.instrument = instrument
    books.work.phase_before = before
    books.work.auction_ticks = outcome.price_ticks
    books.work.phase_step = UNCROSS if uncrosses else END_TIMES
    if outcome.price_ticks == EMPTY:
        return next_step(books, UNCROSS if uncrosses else AFTER_AUCTION)
    return 0

cdef int next_step(Books* books, uint8_t done) except -1 nogil:
    """What comes behind a step, and the list of orders that it goes through."""
    cdef uint32_t instrument = books.work.instrument
    cdef Prices before = books.work.before
    books.work.phase_step = done + 1
    cut_list(&books.list, 1)
    books.work.position = 1
    if done == ADMIT:
        books.work.phase_step = NO_PHASE_STEP
        begin_aftermath(books, instrument, &before)
    else:
        list_orders(books, instrument, done + 1 == END_TIMES and market_of(books, instrument).phase == CLOSED)
    return 0

cdef int step_phase(Books* books) except -1 nogil:
    """One trade, or one order of the list."""
    cdef uint32_t slot
    if books.work.phase_step == UNCROSS:
        return 0 if uncross(books) else next_step(books, UNCROSS)
    if books.work.position == books.list.top:
        return next_step(books, books.work.phase_step)
    slot = (<Listed*>books.list.records)[books.work.position].slot
    books.work.position += 1
    if books.work.phase_step == AFTER_AUCTION:
        return after_auction(books, slot)
    if books.work.phase_step == END_TIMES:
        return end_times(books, slot)
    return admit(books, slot)

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
    cdef uint32_t place = place_of(books, order), lasts = time_in_force_of(order)
    cdef uint8_t before = books.work.phase_before
    if place in (WAITING, PARKED):
        return 0
    if (
        lasts == GOOD_FOR_AUCTION or (lasts == AT_OPEN and before in (PRE_OPEN, OPENING_AUCTION))
        or (lasts == AT_CLOSE and before == CLOSING_AUCTION)
    ):
        return close_order(books, slot, AUCTION_REMAINDER)
    if place != UNPRICED:
        return 0
    if extra_of(books, order).order_type == MARKET or books.work.auction_ticks == EMPTY:
        return close_order(books, slot, MARKET_REMAINDER)
    take_out(books, slot)
    extra_of(books, order).price_ticks = books.work.auction_ticks
    tell_repriced(books, slot, EMPTY)
    return put_order(books, slot, SHOWN)

cdef int end_times(Books* books, uint32_t slot) except -1 nogil:
    """At-open orders end when opening does, and at the close all that was not to outlast the day."""
    cdef uint8_t phase = market_of(books, books.work.instrument).phase
    cdef uint32_t lasts = time_in_force_of(order_at(books, slot))
    if phase == CLOSED:
        return 0 if lasts in (GTC, GTD) else close_order(books, slot, END_OF_DAY)
    if phase in (PRE_OPEN, OPENING_AUCTION, HALT) or lasts != AT_OPEN:
        return 0
    return close_order(books, slot, AUCTION_REMAINDER)

cdef int admit(Books* books, uint32_t slot) except -1 nogil:
    """Orders that waited for an auction come into its book in order of order id."""
    cdef Order* order = order_at(books, slot)
    cdef uint8_t phase = market_of(books, books.work.instrument).phase
    if not collects(phase) or place_of(books, order) != PARKED or extra_of(books, order).order_type == PEGGED:
        return 0
    if waits_for(order, phase):
        return 0
    take_out(books, slot)
    return collect(books, slot)

cdef int collect(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    if extra.order_type == PEGGED or waits_for(order, market_of(books, extra.instrument).phase):
        return put_order(books, slot, PARKED)
    if extra.price_ticks == EMPTY:
        return put_order(books, slot, UNPRICED)
    return put_in_book(books, slot)
