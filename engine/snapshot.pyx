"""The canonical snapshot: the logical state in one order of bytes, whatever the memory looks like.

    magic b"QBENGINE" | u32 rules version | u32 instruments | i64 time_ns | u64 commands
    | u64 last order id | u64 last trade id | u64 live orders
    then per instrument: i64 lot, min, max, low, high, protection | u64 bids | u64 asks
    then its orders, bids and then asks, best price first and oldest first, 56 bytes each:
    u64 order_id | u64 client_ref | u32 owner | u32 account | i64 price | i64 total | i64 leaves
    | u8 order type | u8 time in force | u8 flags | u8 capacity | u32 self-match group

From version 3 of the rules on there is more, laid out in reference_snapshot.py: tick tables behind the header, the rest
of an instrument's terms behind the first six, six more counts, and the orders of those: hidden bids and asks, those
without a limit, stops and parked orders by order id. An order with EXTENDED among its flags has a second record.

All little endian. Reading believes nothing and raises ValueError with the byte
offset of what is wrong; it holds the GIL.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from engine.index cimport hash_ref
from engine.ladder cimport Ladder, key_of, ladder_after, level_at
from engine.places cimport (
    EMPTY, FIRST_FEED_ID, add_row, add_table, best_of, best_of_all, extra_of, has_extra, leaves_of, make_order,
    price_of_order, put_slice, timer_set, timer_set_phase, type_of,
)
from engine.queue cimport find_id, find_ref
from engine.state cimport (
    Books, Instrument, Market, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, add_instrument, classify, market_of,
    need_market, order_at, price_is_allowed, side_of_order,
)
from engine.store cimport (
    Extra, HIDDEN_PLACE, Increment, Order, PARKED, SHOWN, UNPRICED, WAITING, prefetch,
)
from engine.types cimport (
    CLOSED, CONTINUOUS, DAY, DECREMENT_BOTH, EXTENDED, GOOD_FOR_AUCTION, GTC, HIDDEN, LIMIT, MID_PEG, PEGGED, POST_ONLY,
    STOP, TRAILING_STOP,
)

cdef struct Header:
    char magic[8]
    uint32_t rules_version
    uint32_t instruments
    int64_t time_ns
    uint64_t commands
    uint64_t last_order_id
    uint64_t last_trade_id
    uint64_t live_orders

cdef struct HeaderMore:         # version 3
    uint64_t slices
    uint32_t tables
    uint32_t reserved

cdef struct RowImage:
    int64_t from_ticks
    int64_t tick_ticks

cdef struct TermsImage:
    int64_t lot_lots
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks
    int64_t high_ticks
    int64_t protection_ticks

cdef struct MarketImage:        # version 3
    uint8_t algorithm
    uint8_t top_order
    uint8_t trigger
    uint8_t is_delisted
    uint8_t phase
    uint8_t next_phase
    uint16_t reserved
    uint32_t tick_table
    uint32_t breaker_bp
    int64_t pro_rata_minimum_lots
    int64_t until_ns
    int64_t last_ticks
    int64_t reference_ticks
    int64_t static_ticks
    int64_t dynamic_ticks
    int64_t distance_ticks
    int64_t max_notional
    int64_t halt_ns
    int64_t auction_ns
    int64_t seen[4]

cdef struct OrderImage:
    uint64_t order_id
    uint64_t client_ref
    uint32_t owner
    uint32_t account
    int64_t price_ticks
    int64_t total_lots
    int64_t leaves_lots
    uint8_t order_type
    uint8_t time_in_force
    uint8_t flags
    uint8_t capacity
    uint32_t self_match_group

cdef struct ExtraImage:         # version 3, of an order with EXTENDED
    int64_t display_lots
    int64_t slice_lots
    uint64_t feed_id
    int64_t stop_price_ticks
    int64_t offset_ticks
    int64_t peg_limit_ticks
    int64_t expire_ns
    uint8_t peg_kind
    uint8_t is_elected
    uint8_t self_match_mode
    uint8_t side
    uint32_t reserved

cdef enum:
    GROUPS = 8                  # of an instrument's orders, in this order: bids and asks that are shown,
                                # hidden, without a limit; stops; parked
    STOPS_GROUP = 6


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
    place.count = market.waiting[0].orders + market.waiting[1].orders if stops else market.parked.orders
    if place.count == 0:
        return 0
    place.sorted = <uint32_t*>malloc(<size_t>place.count * 4)
    if place.sorted == NULL:
        raise MemoryError("no memory for the orders of a snapshot")
    place.next = 0
    if stops:
        list_slots(books, &market.waiting[0], place)
        list_slots(books, &market.waiting[1], place)
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
            place.sorted[place.next] = slot
            place.next += 1
            slot = order_at(books, slot).next
        level = ladder_after(ladder, &books.nodes, level_at(&books.nodes, level).key)

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
        counts[6] = <uint64_t>market_of(books, instrument).waiting[0].orders
        counts[6] += market_of(books, instrument).waiting[1].orders
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
    more.stop_price_ticks = extra.stop_price_ticks
    more.offset_ticks = extra.offset_ticks
    more.peg_limit_ticks = extra.peg_limit_ticks
    more.expire_ns = extra.expire_ns
    more.peg_kind = extra.peg_kind
    more.is_elected = extra.is_elected
    more.self_match_mode = extra.self_match_mode
    more.side = <uint8_t>side_of_order(order)
    memcpy(at, &more, sizeof(ExtraImage))
    return at + sizeof(ExtraImage)


cdef int require(bint holds, size_t offset, str what) except -1:
    if not holds:
        raise ValueError(f"snapshot, byte offset {offset}: {what}")
    return 0

cdef int read_snapshot(Books* books, const uint8_t* data, size_t size, uint32_t newest) except -1:
    """Fill empty books. newest: the last rules version that is taken. Raises ValueError; the books are then half
    filled and to be thrown away."""
    cdef Header header
    cdef size_t offset = sizeof(Header)
    cdef uint32_t number
    require(size >= sizeof(Header), 0, "it ends in the middle of a record")
    memcpy(&header, data, sizeof(Header))
    require(memcmp(header.magic, b"QBENGINE", 8) == 0, 0, "not a snapshot of this engine")
    if not 1 <= header.rules_version <= newest:
        require(False, 8, f"rules version {header.rules_version}; allowed: 1 to {newest}")
    books.rules = header.rules_version
    books.time_ns = header.time_ns
    books.commands = header.commands
    books.last_order_id = header.last_order_id
    books.last_trade_id = header.last_trade_id
    if books.rules >= 3:
        offset = read_tables(books, data, size, offset)
    for number in range(header.instruments):
        offset = read_instrument(books, number, data, size, offset)
    require(offset == size, offset, "bytes after the end")
    if header.live_orders != books.orders.live:
        require(False, 48, f"{header.live_orders} live orders announced, {books.orders.live} found")
    return 0

cdef size_t read_tables(Books* books, const uint8_t* data, size_t size, size_t offset) except 0:
    cdef HeaderMore more
    cdef RowImage image
    cdef Increment* rows
    cdef uint32_t _, made, last
    cdef uint64_t count, i
    require(offset + sizeof(HeaderMore) <= size, offset, "it ends in the middle of a record")
    memcpy(&more, data + offset, sizeof(HeaderMore))
    require(more.reserved == 0, offset, "a reserved field that is not 0")
    books.slices = more.slices
    offset += sizeof(HeaderMore)
    for _ in range(more.tables):
        require(offset + 8 <= size, offset, "it ends in the middle of a record")
        memcpy(&count, data + offset, 8)
        require(count != 0, offset, "a tick table without rows")
        offset += 8
        last = 0
        for i in range(count):
            require(offset + sizeof(RowImage) <= size, offset, "it ends in the middle of a record")
            memcpy(&image, data + offset, sizeof(RowImage))
            rows = <Increment*>books.increments.records
            require(
                image.tick_ticks >= 1
                and (image.from_ticks == EMPTY if i == 0 else image.from_ticks > rows[last].from_ticks),
                offset, "a row of a tick table that cannot follow",
            )
            require(
                i == 0 or image.from_ticks % image.tick_ticks == 0, offset,
                "a row of a tick table off its increment",
            )
            made = add_row(books, image.from_ticks, image.tick_ticks, last)
            if i == 0:
                add_table(books, made)
            last = made
            offset += sizeof(RowImage)
    return offset

cdef size_t read_instrument(
    Books* books, uint32_t number, const uint8_t* data, size_t size, size_t offset
) except 0:
    cdef TermsImage image
    cdef uint64_t counts[8]
    cdef uint32_t group
    cdef size_t counted = 64 if books.rules >= 3 else 16
    cdef int64_t bid, ask
    require(offset + sizeof(TermsImage) <= size, offset, "it ends in the middle of a record")
    memcpy(&image, data + offset, sizeof(TermsImage))
    require(
        add_instrument(
            books, image.lot_lots, image.min_lots, image.max_lots, image.low_ticks, image.high_ticks,
            image.protection_ticks,
        ),
        offset, "the terms of an instrument contradict each other",
    )
    offset += sizeof(TermsImage)
    if books.rules >= 3:
        offset = read_market(books, number, data, size, offset)
    require(offset + counted <= size, offset, "it ends in the middle of a record")
    memset(counts, 0, 64)
    memcpy(counts, data + offset, counted)
    offset += counted
    for group in range(GROUPS):
        offset = read_group(books, number, group, counts[group], data, size, offset)
    if books.instruments[number].market == 0 or market_of(books, number).phase == CONTINUOUS:
        bid = best_of(&books.instruments[number].sides[0], 0)
        ask = best_of(&books.instruments[number].sides[1], 1)
        if books.instruments[number].market:
            bid = best_of_all(books, number, 0)
            ask = best_of_all(books, number, 1)
        require(bid == EMPTY or ask == EMPTY or bid < ask, offset, "the book is crossed")
    return offset

cdef size_t read_market(Books* books, uint32_t number, const uint8_t* data, size_t size, size_t offset) except 0:
    cdef MarketImage image
    cdef Market* market
    cdef int i
    require(offset + sizeof(MarketImage) <= size, offset, "it ends in the middle of a record")
    memcpy(&image, data + offset, sizeof(MarketImage))
    require(
        image.algorithm <= 1 and image.top_order <= 1 and image.trigger <= 1 and image.is_delisted <= 1
        and image.phase <= CLOSED and image.next_phase <= CLOSED and image.reserved == 0,
        offset, "terms that this rules version does not serve",
    )
    require(image.tick_table < books.tables.top, offset, "a tick table that is not there")
    require(image.pro_rata_minimum_lots >= 0 and image.until_ns >= 0, offset, "a share or a time below 0")
    require(
        image.static_ticks >= -1 and image.dynamic_ticks >= -1 and image.distance_ticks >= -1
        and image.max_notional >= -1 and image.halt_ns >= 0 and image.auction_ns >= 0,
        offset, "a protection below 0",
    )
    market = need_market(books, number)
    books.instruments[number].last_ticks = image.last_ticks
    market.algorithm = image.algorithm
    market.top_order = image.top_order
    market.trigger = image.trigger
    market.is_delisted = image.is_delisted
    market.phase = image.phase
    market.next_phase = image.next_phase
    market.tick_table = image.tick_table
    market.breaker_bp = image.breaker_bp
    market.pro_rata_minimum_lots = image.pro_rata_minimum_lots
    market.reference_ticks = image.reference_ticks
    market.static_ticks = image.static_ticks
    market.dynamic_ticks = image.dynamic_ticks
    market.distance_ticks = image.distance_ticks
    market.max_notional = image.max_notional
    market.halt_ns = image.halt_ns
    market.auction_ns = image.auction_ns
    for i in range(4):
        market.seen[i] = image.seen[i]
    timer_set_phase(books, number, image.until_ns)
    classify(books, number)
    return offset + sizeof(MarketImage)

cdef size_t read_group(
    Books* books, uint32_t number, uint32_t group, uint64_t count, const uint8_t* data, size_t size, size_t offset
) except 0:
    """The orders of one group, in its order."""
    cdef uint64_t _, worst = 0
    for _ in range(count):
        offset = read_order(books, number, group, &worst, data, size, offset)
    return offset

cdef size_t read_order(
    Books* books, uint32_t number, uint32_t group, uint64_t* worst, const uint8_t* data, size_t size, size_t offset
) except 0:
    """One order, to its place. worst: what sorts the group, of the one before it."""
    cdef OrderImage image
    cdef ExtraImage more
    cdef uint64_t ref_hashed
    cdef uint32_t place
    cdef bint extended
    require(offset + sizeof(OrderImage) <= size, offset, "it ends in the middle of a record")
    memcpy(&image, data + offset, sizeof(OrderImage))
    ref_hashed = hash_ref(image.owner, image.client_ref)
    require(0 < image.order_id <= books.last_order_id, offset, "an order id that was never given")
    if find_id(books, image.order_id):
        require(False, offset, f"order id {image.order_id} twice")
    if find_ref(books, ref_hashed, image.owner, image.client_ref):
        require(False, offset, f"owner {image.owner} client_ref {image.client_ref} twice")
    require(
        0 < image.leaves_lots <= image.total_lots, offset, "leaves are more than 0 and at most the quantity"
    )
    if books.rules < 3:
        require(
            price_is_allowed(&books.instruments[number], image.price_ticks), offset, "a price outside the limits"
        )
        require(image.order_type == LIMIT, offset, "only limit orders rest")
        require(image.time_in_force in (DAY, GTC), offset, "only DAY and GTC orders rest")
        require(image.flags in (0, POST_ONLY), offset, "flags that this rules version does not serve")
        require(
            image.self_match_group == 0, offset, "a self-match group, which this rules version does not serve"
        )
    require(LIMIT <= image.order_type <= PEGGED, offset, "an order type that there is not")
    require(image.time_in_force <= GOOD_FOR_AUCTION, offset, "a time in force that there is not")
    require(image.flags & 0x70 == 0, offset, "flags that this rules version does not serve")
    extended = image.flags & EXTENDED != 0
    memset(&more, 0, sizeof(ExtraImage))
    more.stop_price_ticks = more.peg_limit_ticks = EMPTY
    place = place_in(group)
    check_group(&image, group, worst, offset)
    if extended:
        require(offset + sizeof(OrderImage) + sizeof(ExtraImage) <= size, offset, "it ends in the middle of a record")
        memcpy(&more, data + offset + sizeof(OrderImage), sizeof(ExtraImage))
        check_extra(books, &image, &more, group, offset + sizeof(OrderImage))
    require(
        (image.self_match_group == 0) == (more.self_match_mode == 0), offset,
        "a self-match group without a mode, or the reverse",
    )
    require(
        (place == SHOWN and is_plain_image(&image, &more)) != extended, offset,
        "a second record that is missing or needless",
    )
    rest_image(books, number, group, place, &image, &more)
    return offset + sizeof(OrderImage) + (sizeof(ExtraImage) if extended else 0)

cdef uint32_t place_in(uint32_t group) noexcept:
    if group >= STOPS_GROUP:
        return WAITING if group == STOPS_GROUP else PARKED
    return SHOWN if group < 2 else HIDDEN_PLACE if group < 4 else UNPRICED

cdef bint is_plain_image(const OrderImage* image, const ExtraImage* more) noexcept:
    return (
        image.order_type == LIMIT and image.time_in_force in (DAY, GTC) and not image.flags & HIDDEN
        and more.display_lots == 0 and more.self_match_mode == 0
    )

cdef int check_group(const OrderImage* image, uint32_t group, uint64_t* worst, size_t offset) except -1:
    """An order is where it belongs, and behind the one before it."""
    cdef uint64_t key
    if group < 4:
        require(
            (image.flags & HIDDEN != 0) == (group >= 2), offset,
            "a hidden order among those that are shown, or the reverse",
        )
        require(image.price_ticks != EMPTY, offset, "an order without a price in a queue of a price")
        key = key_of(image.price_ticks, group & 1)
        require(key >= worst[0], offset, "orders of a side are not sorted from the best price")
        worst[0] = key
    elif group < STOPS_GROUP:
        require(image.price_ticks == EMPTY, offset, "an order with a limit among those without")
    else:
        require(image.order_id > worst[0], offset, "orders that wait are not sorted by order id")
        worst[0] = image.order_id
    return 0

cdef int check_extra(
    const Books* books, const OrderImage* image, const ExtraImage* more, uint32_t group, size_t offset
) except -1:
    cdef bint is_stop = STOP <= image.order_type <= TRAILING_STOP and not more.is_elected
    require(
        more.side <= 1 if group >= STOPS_GROUP else more.side == (group & 1), offset, "a side that is not its own"
    )
    require(
        (more.slice_lots > 0) == (more.display_lots > 0 and group < 2), offset,
        "an iceberg in the book that shows nothing, or another order that does",
    )
    require(more.reserved == 0, offset, "a reserved field that is not 0")
    require(more.is_elected <= 1, offset, "an order is elected or it is not")
    require(more.peg_kind <= MID_PEG, offset, "a kind of peg that there is not")
    require(more.self_match_mode <= DECREMENT_BOTH, offset, "a self-match mode that there is not")
    require(0 <= more.slice_lots <= image.leaves_lots, offset, "a slice that is more than the leaves")
    require(more.slice_lots <= more.display_lots, offset, "a slice that is more than is shown at most")
    require(
        more.feed_id == 0 or FIRST_FEED_ID < more.feed_id <= FIRST_FEED_ID + books.slices, offset,
        "a feed id that was never given",
    )
    require(is_stop == (group == STOPS_GROUP), offset, "a stop order where others are, or the reverse")
    require(not is_stop or more.stop_price_ticks != EMPTY, offset, "a stop order without a stop price")
    require(more.expire_ns >= 0, offset, "a time below 0")
    return 0

cdef int rest_image(
    Books* books, uint32_t number, uint32_t group, uint32_t place, const OrderImage* image, const ExtraImage* more
) except -1:
    """As if it had come: the record, its place, its slice, its timer."""
    cdef uint32_t slot = make_order(books, number)
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    cdef uint32_t side = more.side if group >= STOPS_GROUP else group & 1
    order.order_id = image.order_id
    order.client_ref = image.client_ref
    order.leaves_lots = image.leaves_lots
    order.total_lots = image.total_lots
    order.owner = image.owner
    order.traits = (
        side | <uint32_t>image.time_in_force << TRAIT_TIME_IN_FORCE
        | (<uint32_t>image.flags | EXTENDED) << TRAIT_FLAGS | <uint32_t>image.capacity << TRAIT_CAPACITY
    )
    extra.account = image.account
    extra.self_match_group = image.self_match_group
    extra.price_ticks = image.price_ticks
    extra.order_type = image.order_type
    extra.display_lots = more.display_lots
    extra.feed_id = more.feed_id
    extra.stop_price_ticks = more.stop_price_ticks
    extra.offset_ticks = more.offset_ticks
    extra.peg_limit_ticks = more.peg_limit_ticks
    extra.peg_kind = more.peg_kind
    extra.is_elected = more.is_elected
    extra.self_match_mode = more.self_match_mode
    timer_set(books, slot, more.expire_ns)
    return put_slice(books, slot, place, more.slice_lots)
