"""The canonical snapshot written, whole or a piece at a time. snapshot.pxd has its layout.

Holds nothing; a SnapshotPlace is its caller's. Runs without the GIL but for `write_snapshot`; raises MemoryError.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from engine.ladder cimport Ladder, ladder_after, level_at
from engine.places cimport EMPTY, extra_of, has_extra, leaves_of, price_of_order, type_of
from engine.snapshot cimport (
    Header, HeaderMore, RowImage, TermsImage, MarketImage, OrderImage, ExtraImage, GROUPS, STOPS_GROUP,
)
from engine.state cimport (
    Books, Instrument, Market, TRAILING, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, market_of, order_at,
    side_of_order,
)
from engine.store cimport Extra, Increment, Order, SHOWN, prefetch
from engine.trails cimport stop_of
from engine.types cimport TRAILING_STOP


cdef size_t snapshot_size(const Books* books) noexcept nogil:
    cdef size_t size = (
        sizeof(Header) + books.instrument_count * (sizeof(TermsImage) + 16) + books.orders.live * sizeof(OrderImage)
    )
    if books.rules >= 3:
        size += (
            sizeof(HeaderMore) + (books.tables.top - 1) * 8 + books.increments.live * sizeof(RowImage)
            + books.instrument_count * (sizeof(MarketImage) + 48) + books.extras.live * sizeof(ExtraImage)
        )
    return size

cdef bytes write_snapshot(const Books* books):
    cdef size_t size = snapshot_size(books)
    cdef bytes snapshot = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t* begin = <uint8_t*>PyBytes_AS_STRING(snapshot)
    cdef SnapshotPlace place
    cdef size_t written
    memset(&place, 0, sizeof(SnapshotPlace))
    write_header(books, begin)
    written = write_records(books, &place, begin + sizeof(Header), size)
    end_place(&place)
    if written != size - sizeof(Header):
        raise AssertionError("the books do not hold as many orders as the machine")
    return snapshot

cdef void write_header(const Books* books, uint8_t* at) noexcept nogil:
    cdef Header header
    memcpy(header.magic, b"QBENGINE", 8)
    header.rules_version = books.rules
    header.instruments = books.instrument_count
    header.time_ns = books.time_ns
    header.commands = books.commands
    header.last_order_id = books.last_order_id
    header.last_trade_id = books.last_trade_id
    header.live_orders = books.orders.live
    memcpy(at, &header, sizeof(Header))

cdef void end_place(SnapshotPlace* place) noexcept nogil:
    free(place.sorted)
    place.sorted = NULL

cdef size_t write_records(const Books* books, SnapshotPlace* place, uint8_t* at, size_t records) except? 0 nogil:
    cdef const uint8_t* begin = at
    while records and (books.rules >= 3 and place.table < books.tables.top):
        at = write_tables(books, place, at)
        records -= 1
    while records and place.instrument < books.instrument_count:
        if place.group == 0:
            at = write_terms(books, place.instrument, at)
            records -= 1
            begin_group(books, place, 1)
        elif place.group > STOPS_GROUP and place.next < place.count:
            at = write_order(books, place.sorted[place.next], at)
            place.next += 1
            records -= 1
        elif place.group <= STOPS_GROUP and place.slot:
            at = write_order(books, place.slot, at)
            place.slot = behind_it(books, place)
            records -= 1
        elif place.group == (GROUPS if books.rules >= 3 else 2):
            place.group = 0
            place.instrument += 1
        else:
            begin_group(books, place, place.group + 1)
    return at - begin

cdef uint8_t* write_tables(const Books* books, SnapshotPlace* place, uint8_t* at) noexcept nogil:
    """The header of version 3, or of a table, or a row. place.table 0: nothing of it is written."""
    cdef HeaderMore more
    cdef RowImage image
    cdef const Increment* rows = <const Increment*>books.increments.records
    cdef uint32_t row
    cdef uint64_t count = 0
    if place.table == 0:
        more.slices = books.slices
        more.tables = books.tables.top - 1
        more.reserved = 0
        memcpy(at, &more, sizeof(HeaderMore))
        place.table = 1
        place.slot = 0
        return at + sizeof(HeaderMore)
    if place.slot == 0:
        place.slot = row = (<const uint32_t*>books.tables.records)[place.table]
        while row:
            count += 1
            row = rows[row].next
        memcpy(at, &count, 8)
        return at + 8
    image.from_ticks = rows[place.slot].from_ticks
    image.tick_ticks = rows[place.slot].tick_ticks
    memcpy(at, &image, sizeof(RowImage))
    place.slot = rows[place.slot].next
    place.table += place.slot == 0
    return at + sizeof(RowImage)

cdef const Ladder* ladder_in(const Books* books, uint32_t instrument, uint32_t group) noexcept nogil:
    """Of groups 1 to 6; NULL: there is no market."""
    cdef const Market* market = market_of(books, instrument)
    cdef uint32_t side = (group - 1) & 1
    if group <= 2:
        return &books.instruments[instrument].sides[side]
    if books.instruments[instrument].market == 0:
        return NULL
    return &market.hidden[side] if group <= 4 else &market.unpriced[side]

cdef int begin_group(const Books* books, SnapshotPlace* place, uint32_t group) except -1 nogil:
    cdef const Ladder* ladder
    place.group = group
    place.slot = 0
    if group > STOPS_GROUP:
        return sort_group(books, place)
    ladder = ladder_in(books, place.instrument, group)
    if ladder != NULL and ladder.best:
        place.slot = level_at(&books.nodes, ladder.best).head
    return 0

cdef uint32_t behind_it(const Books* books, const SnapshotPlace* place) noexcept nogil:
    """The slot of the order behind one in its group; 0 = none."""
    cdef const Order* order = order_at(books, place.slot)
    cdef uint32_t level
    if order.next:
        prefetch(order_at(books, order.next))
        return order.next
    level = ladder_after(
        ladder_in(books, place.instrument, place.group), &books.nodes, level_at(&books.nodes, order.level).key
    )
    return level_at(&books.nodes, level).head if level else 0

cdef int sort_group(const Books* books, SnapshotPlace* place) except -1 nogil:
    """Stops, or parked orders, by order id; their ladders go by price and time. O(n log n)"""
    cdef const Market* market = market_of(books, place.instrument)
    cdef bint stops = place.group == STOPS_GROUP + 1
    end_place(place)
    place.next = place.count = 0
    if books.instruments[place.instrument].market == 0:
        return 0
    place.count = market.stops if stops else market.parked.orders
    if place.count == 0:
        return 0
    place.sorted = <uint32_t*>malloc(<size_t>place.count * 4)
    if place.sorted == NULL:
        raise MemoryError("no memory for the orders of a snapshot")
    place.next = 0
    if stops:
        list_slots(books, &market.waiting[0], place)
        list_slots(books, &market.waiting[1], place)
        list_trailing(books, market, place)
    else:
        list_slots(books, &market.parked, place)
    place.next = 0
    qb_sort_slots(place.sorted, place.count, books.orders.records)
    return 0

cdef void list_slots(const Books* books, const Ladder* ladder, SnapshotPlace* place) noexcept nogil:
    cdef uint32_t level = ladder.best, slot
    while level:
        slot = level_at(&books.nodes, level).head
        while slot:
            if type_of(books, order_at(books, slot)) != TRAILING_STOP:
                place.sorted[place.next] = slot
                place.next += 1
            slot = order_at(books, slot).next
        level = ladder_after(ladder, &books.nodes, level_at(&books.nodes, level).key)

cdef void list_trailing(const Books* books, const Market* market, SnapshotPlace* place) noexcept nogil:
    """Some of them wait where the other stops do, and all are in a list."""
    cdef uint32_t slot = market.lists[TRAILING].first
    while slot:
        place.sorted[place.next] = slot
        place.next += 1
        slot = extra_of(books, order_at(books, slot)).list_next

cdef extern from *:
    """
    #include <stdlib.h>
    #include <stdint.h>
    static int qb_slots(const void *a, const void *b, void *orders)
    {
        /* An order of 64 bytes begins with its id. */
        uint64_t x = *(const uint64_t *)((const char *)orders + 64 * (size_t)*(const uint32_t *)a);
        uint64_t y = *(const uint64_t *)((const char *)orders + 64 * (size_t)*(const uint32_t *)b);
        return x < y ? -1 : x > y;
    }
    static void qb_sort_slots(uint32_t *slots, size_t count, void *orders)
    {
        qsort_r(slots, count, 4, qb_slots, orders);
    }
    """
    void qb_sort_slots(uint32_t* slots, size_t count, void* orders) noexcept nogil

cdef uint8_t* write_terms(const Books* books, uint32_t instrument, uint8_t* at) noexcept nogil:
    cdef const Instrument* book = &books.instruments[instrument]
    cdef TermsImage image
    cdef uint64_t counts[8]
    cdef uint32_t group
    cdef const Ladder* ladder
    image.lot_lots = book.lot_lots
    image.min_lots = book.min_lots
    image.max_lots = book.max_lots
    image.low_ticks = book.low_ticks
    image.high_ticks = book.high_ticks
    image.protection_ticks = book.protection_ticks
    memcpy(at, &image, sizeof(TermsImage))
    at += sizeof(TermsImage)
    if books.rules >= 3:
        at = write_market(books, instrument, at)
    for group in range(1, STOPS_GROUP + 1):
        ladder = ladder_in(books, instrument, group)
        counts[group - 1] = ladder.orders if ladder != NULL else 0
    counts[6] = counts[7] = 0
    if book.market:
        counts[6] = market_of(books, instrument).stops
        counts[7] = market_of(books, instrument).parked.orders
    memcpy(at, counts, 64 if books.rules >= 3 else 16)
    return at + (64 if books.rules >= 3 else 16)

cdef uint8_t* write_market(const Books* books, uint32_t instrument, uint8_t* at) noexcept nogil:
    cdef const Market* market = market_of(books, instrument)
    cdef MarketImage image
    cdef int i
    memset(&image, 0, sizeof(MarketImage))
    image.last_ticks = books.instruments[instrument].last_ticks
    image.reference_ticks = EMPTY
    image.static_ticks = image.dynamic_ticks = image.distance_ticks = image.max_notional = -1
    for i in range(4):
        image.seen[i] = EMPTY
    if books.instruments[instrument].market:
        image.algorithm = market.algorithm
        image.top_order = market.top_order
        image.trigger = market.trigger
        image.is_delisted = market.is_delisted
        image.phase = market.phase
        image.next_phase = market.next_phase
        image.tick_table = market.tick_table
        image.breaker_bp = market.breaker_bp
        image.pro_rata_minimum_lots = market.pro_rata_minimum_lots
        image.until_ns = market.until_ns
        image.next_lasts_ns = market.next_lasts_ns
        image.reference_ticks = market.reference_ticks
        image.static_ticks = market.static_ticks
        image.dynamic_ticks = market.dynamic_ticks
        image.distance_ticks = market.distance_ticks
        image.max_notional = market.max_notional
        image.halt_ns = market.halt_ns
        image.auction_ns = market.auction_ns
        for i in range(4):
            image.seen[i] = market.seen[i]
    memcpy(at, &image, sizeof(MarketImage))
    return at + sizeof(MarketImage)

cdef uint8_t* write_order(const Books* books, uint32_t slot, uint8_t* at) noexcept nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order) if has_extra(order) else NULL
    cdef OrderImage image
    cdef ExtraImage more
    image.order_id = order.order_id
    image.client_ref = order.client_ref
    image.owner = order.owner
    image.account = order.account if extra == NULL else extra.account
    image.price_ticks = price_of_order(books, order)
    image.total_lots = order.total_lots
    image.leaves_lots = leaves_of(books, order)
    image.order_type = type_of(books, order)
    image.time_in_force = order.traits >> TRAIT_TIME_IN_FORCE & 255
    image.flags = order.traits >> TRAIT_FLAGS & 255
    image.capacity = order.traits >> TRAIT_CAPACITY & 255
    image.self_match_group = 0 if extra == NULL else extra.self_match_group
    memcpy(at, &image, sizeof(OrderImage))
    at += sizeof(OrderImage)
    if extra == NULL:
        return at
    memset(&more, 0, sizeof(ExtraImage))
    more.display_lots = extra.display_lots
    more.slice_lots = order.leaves_lots if extra.display_lots and extra.place == SHOWN else 0
    more.feed_id = extra.feed_id
    more.stop_price_ticks = stop_of(books, order, extra)
    more.offset_ticks = extra.offset_ticks
    more.peg_limit_ticks = extra.peg_limit_ticks
    more.expire_ns = extra.expire_ns
    more.peg_kind = extra.peg_kind
    more.is_elected = extra.is_elected
    more.self_match_mode = extra.self_match_mode
    more.side = <uint8_t>side_of_order(order)
    memcpy(at, &more, sizeof(ExtraImage))
    return at + sizeof(ExtraImage)
