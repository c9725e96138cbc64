# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools alone.
"""Books.list: found a few orders a step, and merged a few a step.

What a step finds is sorted at once and, if it is not behind all that was found before, begins another run. In most
books orders lie as they came, and there is one run; runs are merged two by two (Knuth, volume 3, 5.2.4, algorithm S
with natural runs).

Holds nothing; raises MemoryError.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.ladder cimport Ladder, ladder_after, level_at
from engine.places cimport (
    EMPTY, extra_of, has_extra, instrument_of, is_for_auctions, place_of, price_of_order, prices_of, time_in_force_of,
    type_of,
)
from engine.state cimport (
    Books, FOR_AUCTIONS, Listed, Listing, Market, PEGS, Prices, TRAILING, market_of, order_at, side_of_order,
)
from engine.store cimport Extra, HIDDEN_PLACE, Order, PARKED, Pool, UNPRICED, WAITING, pool_grow, pool_take
from engine.types cimport (
    AT_CLOSE, AT_OPEN, BY_ACCOUNT, BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CLOSING_AUCTION, Command,
    GOOD_FOR_AUCTION, GTC, GTD, OPENING_AUCTION, PRE_OPEN, TRAILING_STOP,
)

cdef extern from *:
    """
    #include <stdlib.h>
    #include <stdint.h>
    /* Listed: major, minor, slot and rank; by rank, then major, then minor. */
    static inline int qb_listed_before(const void *a, const void *b)
    {
        const uint64_t *x = a, *y = b;
        uint32_t p = (uint32_t)(x[2] >> 32), q = (uint32_t)(y[2] >> 32);
        if (p != q) return p < q;
        if (x[0] != y[0]) return x[0] < y[0];
        return x[1] < y[1];
    }
    static int qb_listed(const void *a, const void *b)
    {
        return qb_listed_before(a, b) ? -1 : qb_listed_before(b, a);
    }
    static void qb_sort_listed(void *records, size_t count) { qsort(records, count, 24, qb_listed); }
    """
    bint is_before "qb_listed_before" (const void* one, const void* other) noexcept nogil
    void qb_sort_listed(void* records, size_t count) noexcept nogil

cdef enum:                  # parts of an instrument
    WITHOUT_LIMIT = 4       # the first of the two
    LADDERS = 9             # all that are ladders

# ---------------------------------------------------------------- which

cdef bint matches(const Books* books, const Order* order, const Command* asked) noexcept nogil:
    """An order without a price is in no range of prices."""
    cdef int64_t price
    if asked.flags & BY_OWNER and order.owner != asked.owner:
        return False
    if asked.flags & BY_ACCOUNT and asked.account != (
        extra_of(books, order).account if has_extra(order) else order.account
    ):
        return False
    if asked.flags & BY_INSTRUMENT and instrument_of(books, order) != asked.instrument:
        return False
    if asked.flags & BY_SIDE and side_of_order(order) != asked.side:
        return False
    if asked.flags & BY_PRICES:
        price = price_of_order(books, order)
        return price != EMPTY and asked.price_ticks <= price <= asked.stop_price_ticks
    return True

cdef bint ended_with(uint32_t lasts, uint8_t phase) noexcept nogil:
    if lasts == AT_OPEN:
        return phase == PRE_OPEN or phase == OPENING_AUCTION
    return phase == CLOSING_AUCTION if lasts == AT_CLOSE else lasts == GOOD_FOR_AUCTION

cdef bint is_wanted(const Books* books, const Listing* listing, const Order* order) noexcept nogil:
    cdef uint32_t lasts = time_in_force_of(order), place = place_of(books, order)
    if listing.wanted <= DAY_ENDED:
        # Some trailing stops are where all stops wait, and all are in the list of them.
        if listing.part != listing.parts and place == WAITING and type_of(books, order) == TRAILING_STOP:
            return False
        return listing.wanted == ALL or (lasts != GTC and lasts != GTD)
    if listing.wanted == AUCTION_ENDED:
        if listing.part != listing.parts:
            return not is_for_auctions(order)
        return place == UNPRICED or (place < UNPRICED and ended_with(lasts, books.work.phase_before))
    if listing.wanted == OPENING_ENDED:
        return lasts == AT_OPEN
    if listing.wanted == ADMITTED:
        return place == PARKED and (
            lasts != AT_CLOSE or market_of(books, listing.instrument).phase == CLOSING_AUCTION
        )
    return listing.wanted == PEGGED_ALL or place != PARKED

# ---------------------------------------------------------------- finding

cdef void open_list(Books* books) noexcept nogil:
    cut_list(&books.list, 1)
    cut_list(&books.runs, 1)
    books.work.position = 1

cdef void begin_list(Books* books, uint8_t wanted, uint32_t instrument) noexcept nogil:
    cdef Listing* listing = &books.work.listing
    open_list(books)
    books.work.list_step = LISTING
    listing.wanted = wanted
    listing.instrument = instrument
    listing.part = listing.parts = 0
    if wanted == MEANT:
        listing.slot = 1
        return
    if wanted <= DAY_ENDED:
        listing.parts = LADDERS
        listing.members = TRAILING
    elif wanted < PEGGED_ALL:
        listing.members = FOR_AUCTIONS
        if wanted == AUCTION_ENDED:
            listing.part = WITHOUT_LIMIT
            listing.parts = WITHOUT_LIMIT + 2
    else:
        listing.members = PEGS
    begin_part(books, listing)

cdef const Ladder* ladder_in(const Books* books, const Listing* listing) noexcept nogil:
    """Those shown, hidden, without a limit, waiting, two each; parked."""
    cdef const Market* market = market_of(books, listing.instrument)
    cdef uint32_t side = listing.part & 1
    if listing.part < WITHOUT_LIMIT:
        return &market.hidden[side] if listing.part > 1 else &books.instruments[listing.instrument].sides[side]
    if listing.part < LADDERS - 1:
        return &market.unpriced[side] if listing.part < WITHOUT_LIMIT + 2 else &market.waiting[side]
    return &market.parked

cdef void begin_part(Books* books, Listing* listing) noexcept nogil:
    """To the first order of a part, or of the next that has any."""
    cdef const Ladder* ladder
    while listing.part < listing.parts:
        ladder = ladder_in(books, listing)
        if ladder.best:
            listing.slot = level_at(&books.nodes, ladder.best).head
            return
        listing.part += 1
    listing.slot = market_of(books, listing.instrument).lists[listing.members].first

cdef void look_behind(Books* books, Listing* listing) noexcept nogil:
    """To the next order."""
    cdef const Order* order = order_at(books, listing.slot)
    cdef uint32_t level
    if listing.part == listing.parts:
        listing.slot = extra_of(books, order).list_next
        return
    listing.slot = order.next
    if listing.slot == 0:
        level = ladder_after(ladder_in(books, listing), &books.nodes, level_at(&books.nodes, order.level).key)
        if level:
            listing.slot = level_at(&books.nodes, level).head
        else:
            listing.part += 1
            begin_part(books, listing)

cdef int append(Books* books, uint32_t slot, uint32_t rank, uint64_t major, uint64_t minor) except -1 nogil:
    cdef uint32_t i = pool_take(&books.list, sizeof(Listed))
    cdef Listed* listed
    if i == 0:
        raise MemoryError("no memory for a list of orders")
    listed = &(<Listed*>books.list.records)[i]
    listed.major = major
    listed.minor = minor
    listed.slot = slot
    listed.rank = rank
    return 0

cdef int append_peg(Books* books, uint32_t slot) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    if extra.place == PARKED:
        return append(books, slot, 2, 0, order.order_id)
    return append(
        books, slot, side_of_order(order), level_at(&books.nodes, order.level).key,
        extra.sequence | <uint64_t>(extra.place == HIDDEN_PLACE) << 63,
    )

cdef int touch(Books* books, uint32_t instrument) except -1 nogil:
    cdef uint32_t i
    books.instruments[instrument].mark = books.mark
    if books.instruments[instrument].market == 0 or market_of(books, instrument).touched:
        return 0
    i = pool_take(&books.touched, sizeof(Prices))
    if i == 0:
        raise MemoryError("no memory for the instruments of a mass cancel")
    prices_of(books, instrument, &(<Prices*>books.touched.records)[i])
    market_of(books, instrument).touched = i
    return 0

cdef int find_meant(Books* books) except -1 nogil:
    """Among the orders of the machine."""
    cdef Listing* listing = &books.work.listing
    cdef uint32_t end = min(listing.slot + LOOKS, books.orders.top)
    cdef const Order* order
    while listing.slot < end:
        order = order_at(books, listing.slot)
        if order.level and matches(books, order, &books.work.mass):
            append(books, listing.slot, 0, order.order_id, 0)
            touch(books, instrument_of(books, order))
        listing.slot += 1
    if end == books.orders.top:
        listing.slot = 0
    return 0

cdef int find_wanted(Books* books) except -1 nogil:
    """Among those of an instrument."""
    cdef Listing* listing = &books.work.listing
    cdef const Order* order
    cdef int looks = MOVES
    while listing.slot and looks:
        order = order_at(books, listing.slot)
        if is_wanted(books, listing, order):
            if listing.members == PEGS:
                append_peg(books, listing.slot)
            else:
                append(books, listing.slot, 0, order.order_id, 0)
        look_behind(books, listing)
        looks -= 1
    return 0

# ---------------------------------------------------------------- sorting

cdef inline Listed* entry_at(const Pool* pool, uint32_t at) noexcept nogil:
    return &(<Listed*>pool.records)[at]

cdef int close_run(Books* books, uint32_t begin) except -1 nogil:
    """What was appended from here on is sorted; it goes on with the last run, or is another."""
    cdef uint32_t i, run
    for i in range(begin + 1, books.list.top):
        if is_before(entry_at(&books.list, i), entry_at(&books.list, i - 1)):
            qb_sort_listed(entry_at(&books.list, begin), books.list.top - begin)
            break
    if begin == books.list.top or (
        begin > 1 and is_before(entry_at(&books.list, begin - 1), entry_at(&books.list, begin))
    ):
        return 0
    run = pool_take(&books.runs, sizeof(uint32_t))
    if run == 0:
        raise MemoryError("no memory for the sorting of a list")
    (<uint32_t*>books.runs.records)[run] = begin
    return 0

cdef int sort_list(Books* books) except -1 nogil:
    books.work.list_step = NO_LIST
    if books.runs.top <= 2:
        return 0
    while books.merged.capacity < books.list.top:
        if pool_grow(&books.merged) < 0:
            raise MemoryError("no memory for the sorting of a list")
    books.work.list_step = MERGING
    begin_pair(books, 1)
    return 0

cdef inline uint32_t run_at(const Books* books, uint32_t run) noexcept nogil:
    """Where a run begins; behind the last, where the list ends."""
    return (<uint32_t*>books.runs.records)[run] if run < books.runs.top else books.list.top

cdef void begin_pair(Books* books, uint32_t run) noexcept nogil:
    books.work.listing.run = run
    books.work.listing.left = run_at(books, run)
    books.work.listing.right = run_at(books, run + 1)

cdef int merge(Books* books) except -1 nogil:
    """A few entries of two runs to where both were, in Books.merged. The last run may have none to go with it."""
    cdef Listing* listing = &books.work.listing
    cdef uint32_t middle = run_at(books, listing.run + 1), end = run_at(books, listing.run + 2)
    cdef uint32_t left = listing.left, right = listing.right, out = left + right - middle
    cdef uint32_t until = min(out + LOOKS, end)
    cdef const Listed* lists = entry_at(&books.list, 0)
    cdef Listed* merged = entry_at(&books.merged, 0)
    while out < until:
        if right == end or (left < middle and is_before(&lists[left], &lists[right])):
            merged[out] = lists[left]
            left += 1
        else:
            merged[out] = lists[right]
            right += 1
        out += 1
    listing.left = left
    listing.right = right
    if out < end:
        return 0
    if listing.run + 2 < books.runs.top:
        begin_pair(books, listing.run + 2)
        return 0
    return end_pass(books)

cdef int end_pass(Books* books) except -1 nogil:
    """Half as many runs. O(runs), of which there are at most as many as steps that found anything."""
    cdef uint32_t* runs = <uint32_t*>books.runs.records
    cdef uint32_t top = books.list.top, run
    cdef Pool list = books.list
    for run in range(1, books.runs.top // 2 + 1):
        runs[run] = runs[2 * run - 1]
    cut_list(&books.runs, books.runs.top // 2 + 1)
    books.list = books.merged
    books.merged = list
    cut_list(&books.list, top)
    return sort_list(books)

cdef int step_list(Books* books) except -1 nogil:
    cdef uint32_t begin = books.list.top
    if books.work.list_step == MERGING:
        return merge(books)
    if books.work.listing.wanted == MEANT:
        find_meant(books)
    else:
        find_wanted(books)
    close_run(books, begin)
    return sort_list(books) if books.work.listing.slot == 0 else 0
