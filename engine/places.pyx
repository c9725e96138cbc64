# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone.
"""Places of orders, and increments of price: see places.pxd.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from engine.events cimport EVENT_ADD, note, note_leaving
from engine.index cimport IDS, REFS, hash_id, hash_ref, index_insert, index_remove
from engine.ladder cimport Ladder, key_of, level_at, level_subtract
from engine.levels cimport extend_level, join_level, leave_level, shorten_level
from engine.state cimport (
    Books, FOR_AUCTIONS, List, Market, PEGS, TRAILING, TRAIT_EXTENDED, classify, market_of, need_market, order_at,
    side_of_order, take_order,
)
from engine.store cimport (
    Extra, HIDDEN_PLACE, INCOMING, Increment, Order, SHOWN, UNPRICED, WAITING, pool_give, pool_take,
)
from engine.timers cimport timer_set
from engine.trails cimport join_trail, leave_trail
from engine.types cimport DAY, GTC, LIMIT, PEGGED, TRAILING_STOP

# ---------------------------------------------------------------- places

cdef Ladder* market_ladder(Market* market, uint32_t side, uint32_t place) noexcept nogil:
    if place == HIDDEN_PLACE:
        return &market.hidden[side]
    if place == UNPRICED:
        return &market.unpriced[side]
    if place == WAITING:
        return &market.waiting[side]
    return &market.parked

cdef uint64_t key_in(const Order* order, const Extra* extra, uint32_t place) noexcept nogil:
    """Stops that are reached first come first; without a price there is one level."""
    cdef uint32_t side = side_of_order(order)
    if place == WAITING:
        return key_of(extra.stop_price_ticks, side ^ 1)
    return 0 if place >= UNPRICED else key_of(extra.price_ticks, side)

cdef uint32_t make_order(Books* books, uint32_t instrument) except 0 nogil:
    cdef uint32_t slot = take_order(books)
    cdef Order* order
    if slot == 0:
        raise MemoryError("no memory for another order")
    order = order_at(books, slot)
    memset(order, 0, sizeof(Order))
    new_extra(books, slot, instrument)
    return slot

cdef int new_extra(Books* books, uint32_t slot, uint32_t instrument) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef uint32_t number = pool_take(&books.extras, sizeof(Extra))
    cdef Extra* extra
    if number == 0:
        raise MemoryError("no memory for another order")
    extra = &(<Extra*>books.extras.records)[number]
    memset(extra, 0, sizeof(Extra))
    extra.account = order.account
    extra.order_type = LIMIT
    extra.instrument = instrument
    extra.stop_price_ticks = extra.peg_limit_ticks = extra.price_ticks = EMPTY
    extra.place = INCOMING
    order.account = number
    order.traits |= TRAIT_EXTENDED
    if need_market(books, instrument).extras == 0:
        market_of(books, instrument).extras = 1
        classify(books, instrument)
    else:
        market_of(books, instrument).extras += 1
    return 0

cdef void drop_extra(Books* books, Order* order) noexcept nogil:
    cdef uint32_t number = order.account
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t instrument = extra.instrument
    order.account = extra.account
    order.traits &= ~<uint32_t>TRAIT_EXTENDED
    market_of(books, instrument).extras -= 1
    if market_of(books, instrument).extras == 0:
        classify(books, instrument)
    pool_give(&books.extras, sizeof(Extra), number)

cdef int give_extra(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra
    cdef int64_t price
    if has_extra(order):
        return 0
    price = price_of_order(books, order)
    new_extra(books, slot, level_at(&books.nodes, order.level).instrument)
    extra = extra_of(books, order)
    extra.price_ticks = price
    extra.place = SHOWN
    extra.is_known = 1
    return 0

cdef bint is_plain_order(const Books* books, const Order* order) noexcept nogil:
    """A limit order for the day or longer, all of it shown, that meets anybody, in the book."""
    cdef const Extra* extra = extra_of(books, order)
    return (
        extra.place == SHOWN and extra.order_type == LIMIT and time_in_force_of(order) in (DAY, GTC)
        and extra.display_lots == 0 and extra.self_match_mode == 0
    )

cdef int put_order(Books* books, uint32_t slot, uint32_t place) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t side = side_of_order(order), pegged = extra.order_type == PEGGED
    cdef uint64_t key = key_in(order, extra, place)
    if extra.display_lots and place == SHOWN and order.leaves_lots > extra.display_lots:
        extra.reserve_lots = order.leaves_lots - extra.display_lots
        order.leaves_lots = extra.display_lots
    extra.place = <uint8_t>place
    books.sequence += 1
    extra.sequence = books.sequence
    market_of(books, extra.instrument).stops += place == WAITING
    if place == WAITING and extra.order_type == TRAILING_STOP:
        join_trail(books, slot)
    else:
        join_level(books, extra.instrument, ladder_of(books, extra.instrument, side, place), key, slot)
    if pegged or extra.reserve_lots:
        extend_level(books, order.level, pegged, extra.reserve_lots)
    if not pegged and place <= HIDDEN_PLACE:
        note_unpegged(market_of(books, extra.instrument), side, place, key)
    if not extra.is_known:
        know(books, slot)
    list_in(books, slot)
    note(books, slot, EVENT_ADD, order.leaves_lots, 0)
    if is_plain_order(books, order):
        drop_extra(books, order)
    return 0

cdef inline void note_unpegged(Market* market, uint32_t side, uint32_t place, uint64_t key) noexcept nogil:
    """An order that is not pegged comes to a level."""
    if key < market.unpegged[2 * side + place]:
        market.unpegged[2 * side + place] = key

cdef int put_in_book(Books* books, uint32_t slot) except -1 nogil:
    return put_order(books, slot, HIDDEN_PLACE if flags_of(order_at(books, slot)) & HIDDEN else SHOWN)

cdef int put_slice(Books* books, uint32_t slot, uint32_t place, int64_t slice_lots) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    if slice_lots:
        extra_of(books, order).reserve_lots = order.leaves_lots - slice_lots
        order.leaves_lots = slice_lots
    return put_order(books, slot, place)

cdef int take_out(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order
    cdef Extra* extra
    cdef uint32_t pegged
    give_extra(books, slot)
    order = order_at(books, slot)
    extra = extra_of(books, order)
    pegged = extra.order_type == PEGGED
    note_leaving(books, slot)
    list_out(books, slot)
    if pegged or extra.reserve_lots:
        shorten_level(books, order.level, pegged, extra.reserve_lots)
    market_of(books, extra.instrument).stops -= extra.place == WAITING
    if extra.place == WAITING and extra.order_type == TRAILING_STOP:
        leave_trail(books, slot)
    else:
        leave_level(books, ladder_of(books, extra.instrument, side_of_order(order), extra.place), slot)
    order.leaves_lots += extra.reserve_lots
    extra.reserve_lots = 0
    extra.place = INCOMING
    return 0

cdef void know(Books* books, uint32_t slot) noexcept nogil:
    cdef Order* orders = <Order*>books.orders.records
    cdef Order* order = &orders[slot]
    index_insert(&books.index, orders, hash_id(order.order_id), IDS, slot)
    index_insert(&books.index, orders, hash_ref(order.owner, order.client_ref), REFS, slot)
    extra_of(books, order).is_known = 1

cdef int forget(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* orders = <Order*>books.orders.records
    cdef Order* order = &orders[slot]
    cdef bint known = extra_of(books, order).is_known
    timer_set(books, slot, 0)
    drop_extra(books, order)
    if known and (
        not index_remove(&books.index, orders, hash_id(order.order_id), IDS, slot)
        or not index_remove(&books.index, orders, hash_ref(order.owner, order.client_ref), REFS, slot)
    ):
        raise AssertionError("a live order is not in the index")
    pool_give(&books.orders, sizeof(Order), slot)
    return 0

cdef void take_off(Books* books, uint32_t slot, int64_t lots) noexcept nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra
    cdef int64_t hidden = 0
    order.total_lots -= lots
    if has_extra(order):
        extra = extra_of(books, order)
        hidden = min(lots, extra.reserve_lots)
        extra.reserve_lots -= hidden
        if hidden:
            shorten_level(books, order.level, 0, hidden)
    order.leaves_lots -= lots - hidden
    if order.level:
        level_subtract(level_at(&books.nodes, order.level), lots - hidden)

cdef int settle_terms(Books* books, uint32_t slot) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef int64_t excess = order.leaves_lots - extra.display_lots
    if extra.place == SHOWN and extra.display_lots and excess > 0:
        extra.reserve_lots += excess
        order.leaves_lots -= excess
        level_subtract(level_at(&books.nodes, order.level), excess)
        extend_level(books, order.level, 0, excess)
    if is_plain_order(books, order):
        drop_extra(books, order)
    return 0

cdef int show_slice(Books* books, uint32_t slot) except -1 nogil:
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    take_out(books, slot)
    books.slices += 1
    extra.feed_id = FIRST_FEED_ID + books.slices
    return put_order(books, slot, SHOWN)

# ---------------------------------------------------------------- lists

cdef void forget_unpegged(Market* market) noexcept nogil:
    """The last peg goes: plain orders, which may come from here on, tell nobody where they are."""
    cdef int i
    for i in range(4):
        market.unpegged[i] = 0

cdef List* list_of(Books* books, const Order* order, const Extra* extra) noexcept nogil:
    """The list that an order in a place belongs to; NULL: none."""
    cdef Market* market = market_of(books, extra.instrument)
    if extra.order_type == PEGGED:
        return &market.lists[PEGS]
    if extra.place == WAITING:
        return &market.lists[TRAILING] if extra.order_type == TRAILING_STOP else NULL
    return &market.lists[FOR_AUCTIONS] if is_for_auctions(order) else NULL

cdef void list_in(Books* books, uint32_t slot) noexcept nogil:
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    cdef List* members = list_of(books, order_at(books, slot), extra)
    if members == NULL:
        return
    extra.list_next = 0
    extra.list_previous = members.last
    if members.last:
        extra_of(books, order_at(books, members.last)).list_next = slot
    else:
        members.first = slot
    members.last = slot

cdef void list_out(Books* books, uint32_t slot) noexcept nogil:
    cdef Extra* extra = extra_of(books, order_at(books, slot))
    cdef List* members = list_of(books, order_at(books, slot), extra)
    if members == NULL:
        return
    if members.first == members.last and extra.order_type == PEGGED:
        forget_unpegged(market_of(books, extra.instrument))
    if extra.list_next:
        extra_of(books, order_at(books, extra.list_next)).list_previous = extra.list_previous
    else:
        members.last = extra.list_previous
    if extra.list_previous:
        extra_of(books, order_at(books, extra.list_previous)).list_next = extra.list_next
    else:
        members.first = extra.list_next

# ---------------------------------------------------------------- increments of price

cdef uint32_t add_row(Books* books, int64_t from_ticks, int64_t tick_ticks, uint32_t last) except 0 nogil:
    cdef uint32_t made = pool_take(&books.increments, sizeof(Increment))
    cdef Increment* rows = <Increment*>books.increments.records
    if made == 0:
        raise MemoryError("no memory for a tick-size table")
    rows[made].from_ticks = from_ticks
    rows[made].tick_ticks = tick_ticks
    rows[made].next = 0
    rows[made].reserved_20 = 0
    if last:
        rows[last].next = made
    return made

cdef int add_table(Books* books, uint32_t row) except -1 nogil:
    cdef uint32_t table = pool_take(&books.tables, sizeof(uint32_t))
    if table == 0:
        raise MemoryError("no memory for a tick-size table")
    (<uint32_t*>books.tables.records)[table] = row
    return 0

cdef const Increment* row_of(const Books* books, uint32_t instrument, int64_t price) noexcept nogil:
    """The row that holds for a price; NULL: every price is an increment. O(rows)"""
    cdef uint32_t table = market_of(books, instrument).tick_table
    cdef const Increment* rows = <const Increment*>books.increments.records
    cdef uint32_t at
    if table == 0:
        return NULL
    at = (<uint32_t*>books.tables.records)[table]
    while rows[at].next and rows[rows[at].next].from_ticks <= price:
        at = rows[at].next
    return &rows[at]

cdef inline int64_t past_increment(int64_t price, int64_t tick) noexcept nogil:
    """How far above an increment; 0 .. tick - 1, below zero too."""
    cdef int64_t rest = price % tick
    return rest + tick if rest < 0 else rest

cdef bint is_increment(const Books* books, uint32_t instrument, int64_t price) noexcept nogil:
    cdef const Increment* row = row_of(books, instrument, price)
    return row == NULL or past_increment(price, row.tick_ticks) == 0

cdef int64_t less_aggressive(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """The increment nearest to a price that asks no more of the other side; EMPTY_PRICE: int64 has none."""
    cdef const Increment* row
    cdef int64_t past, end, above
    if price == EMPTY:
        return EMPTY
    row = row_of(books, instrument, price)
    if row == NULL:
        return price
    past = past_increment(price, row.tick_ticks)
    if past == 0:
        return price
    if side == 0:
        return EMPTY if price < -INT64_MAX + past else price - past
    end = (<const Increment*>books.increments.records)[row.next].from_ticks if row.next else EMPTY
    if price > INT64_MAX - (row.tick_ticks - past):
        return end
    above = price + (row.tick_ticks - past)
    return above if end == EMPTY else min(above, end)

cdef int64_t behind(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil:
    """One increment less aggressive than a price of the other side; EMPTY_PRICE: there is none."""
    if price == (-INT64_MAX if side == 0 else INT64_MAX):
        return EMPTY
    return less_aggressive(books, instrument, side, price - 1 if side == 0 else price + 1)
