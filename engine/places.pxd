# Where an order with an Extra is, and how it comes there and leaves; and how much of it there is.
#
# Orders of an instrument that needs more than the plain rules go through here, plain
# ones too: one on its way in always has an Extra, and loses it when it rests and is
# plain again. Pointers into pools are good until something is taken from a pool.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.ladder cimport Ladder, key_of, level_at, price_of
from engine.state cimport Books, Instrument, Market, Prices, TRAIT_EXTENDED, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE
from engine.state cimport market_of, order_at, side_of_order
from engine.store cimport Extra, Order, SHOWN
from engine.types cimport AT_OPEN, HIDDEN, LIMIT, SHOWS_ALL, SHOWS_NOTHING, SHOWS_SLICE, STOP, TRAILING_STOP

cdef extern from *:
    const int64_t EMPTY "INT64_MIN"         # EMPTY_PRICE
    const uint64_t FIRST_FEED_ID "0x8000000000000000ULL"    # ids of slices begin above it

cdef inline bint waits_for_price(uint32_t order_type, bint is_elected) noexcept nogil:
    """A stop order whose stop was not reached."""
    return is_stop_type(order_type) and not is_elected

cdef inline bint is_stop_type(uint32_t order_type) noexcept nogil:
    return STOP <= order_type <= TRAILING_STOP

cdef inline bint has_extra(const Order* order) noexcept nogil:
    return order.traits & TRAIT_EXTENDED != 0

cdef inline Extra* extra_of(const Books* books, const Order* order) noexcept nogil:
    """Of an order that has one."""
    return &(<Extra*>books.extras.records)[order.account]

cdef inline uint32_t flags_of(const Order* order) noexcept nogil:
    return order.traits >> TRAIT_FLAGS & 0x7F

cdef inline uint32_t time_in_force_of(const Order* order) noexcept nogil:
    return order.traits >> TRAIT_TIME_IN_FORCE & 0xFF

cdef inline bint is_for_auctions(const Order* order) noexcept nogil:
    """Whether it takes part in an auction only: at the open, at the close, or in any."""
    return time_in_force_of(order) >= AT_OPEN

cdef inline uint32_t place_of(const Books* books, const Order* order) noexcept nogil:
    return extra_of(books, order).place if has_extra(order) else SHOWN

cdef inline uint32_t type_of(const Books* books, const Order* order) noexcept nogil:
    return extra_of(books, order).order_type if has_extra(order) else LIMIT

cdef inline uint32_t instrument_of(const Books* books, const Order* order) noexcept nogil:
    return extra_of(books, order).instrument if has_extra(order) else level_at(&books.nodes, order.level).instrument

cdef inline int64_t price_of_order(const Books* books, const Order* order) noexcept nogil:
    """Its limit; EMPTY_PRICE: it has none."""
    if has_extra(order):
        return extra_of(books, order).price_ticks
    return price_of(level_at(&books.nodes, order.level).key, side_of_order(order))

cdef inline int64_t leaves_of(const Books* books, const Order* order) noexcept nogil:
    """All of it that is left, shown or not."""
    return order.leaves_lots + (extra_of(books, order).reserve_lots if has_extra(order) else 0)

cdef inline int64_t filled_of(const Books* books, const Order* order) noexcept nogil:
    return order.total_lots - leaves_of(books, order)

cdef inline uint32_t shows_of(const Books* books, const Order* order) noexcept nogil:
    if not has_extra(order):
        return SHOWS_ALL
    if flags_of(order) & HIDDEN:
        return SHOWS_NOTHING
    return SHOWS_SLICE if extra_of(books, order).display_lots else SHOWS_ALL

# The ladder of a place. The market is there, unless the place is SHOWN.
cdef inline Ladder* ladder_of(Books* books, uint32_t instrument, uint32_t side, uint32_t place) noexcept nogil:
    return &books.instruments[instrument].sides[side] if place == SHOWN else market_ladder(
        market_of(books, instrument), side, place
    )

cdef inline bint is_within(int64_t price, int64_t limit, uint32_t maker_side) noexcept nogil:
    """Whether an incoming order with this limit may trade at a price of the other side."""
    return price >= limit if maker_side == 0 else price <= limit

cdef inline int64_t best_of(const Ladder* ladder, uint32_t side) noexcept nogil:
    """EMPTY_PRICE: there is none."""
    return price_of(ladder.best_key, side) if ladder.best else EMPTY

cdef inline int64_t better_of(int64_t one, int64_t other, uint32_t side) noexcept nogil:
    """The better of two prices of a side, either of which may be absent."""
    if one == EMPTY or other == EMPTY:
        return one if other == EMPTY else other
    return max(one, other) if side == 0 else min(one, other)

cdef inline int64_t best_of_all(const Books* books, uint32_t instrument, uint32_t side) noexcept nogil:
    """The best price of a side, hidden orders included."""
    return better_of(
        best_of(&books.instruments[instrument].sides[side], side),
        best_of(&market_of(books, instrument).hidden[side], side), side,
    )

cdef inline void prices_of(const Books* books, uint32_t instrument, Prices* prices) noexcept nogil:
    cdef const Instrument* book = &books.instruments[instrument]
    prices.last = book.last_ticks
    prices.best[0] = best_of(&book.sides[0], 0)
    prices.best[1] = best_of(&book.sides[1], 1)

cdef inline uint32_t first_of(const Books* books, const Ladder* ladder) noexcept nogil:
    """The oldest order of the best level; 0 = none."""
    return level_at(&books.nodes, ladder.best).head if ladder.best else 0

cdef Ladder* market_ladder(Market* market, uint32_t side, uint32_t place) noexcept nogil
# A slot with an Extra; its record is filled by the caller.
cdef uint32_t make_order(Books* books, uint32_t instrument) except 0 nogil
# Give a plain order that is in no place an Extra, and one that rests. Moves other Extras.
cdef int new_extra(Books* books, uint32_t slot, uint32_t instrument) except -1 nogil
cdef int give_extra(Books* books, uint32_t slot) except -1 nogil
# Last of its price in a place; an iceberg that is shown begins its first slice. Its Extra goes if the order is plain.
cdef int put_order(Books* books, uint32_t slot, uint32_t place) except -1 nogil
# The same in the book: shown, or hidden when the order is.
cdef int put_in_book(Books* books, uint32_t slot) except -1 nogil
# The same for an order of a snapshot, whose slice is known; 0 = it is no iceberg that is shown.
cdef int put_slice(Books* books, uint32_t slot, uint32_t place, int64_t slice_lots) except -1 nogil
# Out of its place, all its leaves in one; it has an Extra then.
cdef int take_out(Books* books, uint32_t slot) except -1 nogil
# The order is dead: its names are free again. It is in no place.
cdef int forget(Books* books, uint32_t slot) except -1 nogil
# Lots off an order in a place or incoming, hidden ones of an iceberg first. Fewer than its leaves.
cdef void take_off(Books* books, uint32_t slot, int64_t lots) noexcept nogil
# After a change of terms in place: an iceberg shows at most its display; the Extra goes if the order is plain.
cdef int settle_terms(Books* books, uint32_t slot) except -1 nogil
# The next slice of an iceberg, last of its price, under a new id.
cdef int show_slice(Books* books, uint32_t slot) except -1 nogil

# Increments of price: another row behind `last` (0: the first of its table), and a table that begins with a row.
cdef uint32_t add_row(Books* books, int64_t from_ticks, int64_t tick_ticks, uint32_t last) except 0 nogil
cdef int add_table(Books* books, uint32_t row) except -1 nogil
cdef bint is_increment(const Books* books, uint32_t instrument, int64_t price) noexcept nogil
cdef int64_t less_aggressive(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil
cdef int64_t behind(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil
