"""The canonical snapshot read back with every doubt. snapshot.pxd has its layout.

Raises ValueError with the byte offset of what is wrong, and MemoryError. Holds the GIL.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from engine.events cimport drop_events
from engine.index cimport hash_ref
from engine.ladder cimport key_of
from engine.places cimport (
    EMPTY, FIRST_FEED_ID, add_row, add_table, best_of, best_of_all, extra_of, make_order, put_slice,
    waits_for_price,
)
from engine.queue cimport find_id, find_ref
from engine.snapshot cimport (
    Header, HeaderMore, RowImage, TermsImage, MarketImage, OrderImage, ExtraImage, GROUPS, STOPS_GROUP,
)
from engine.state cimport (
    Books, Market, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, add_instrument, classify, market_of, need_market,
    order_at, price_is_allowed,
)
from engine.store cimport Extra, HIDDEN_PLACE, Increment, Order, PARKED, SHOWN, UNPRICED, WAITING
from engine.timers cimport timer_set, timer_set_phase
from engine.types cimport (
    AT_CLOSE, CLOSED, CONTINUOUS, DAY, DECREMENT_BOTH, EXTENDED, GOOD_FOR_AUCTION, GTC, HIDDEN, LIMIT, MID_PEG,
    PEGGED, POST_ONLY, STOP_LIMIT,
)


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
    require(more.slices < FIRST_FEED_ID, offset, "more slices than there are feed ids for")
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
    require(
        image.pro_rata_minimum_lots >= 0 and image.until_ns >= 0 and image.next_lasts_ns >= 0, offset,
        "a share or a time below 0",
    )
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
    market.next_lasts_ns = image.next_lasts_ns
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
    check_group(&image, market_of(books, number).phase, group, worst, offset)
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

cdef int check_group(
    const OrderImage* image, uint32_t phase, uint32_t group, uint64_t* worst, size_t offset
) except -1:
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
        require(
            image.price_ticks == EMPTY and phase != CONTINUOUS
            and image.order_type not in (LIMIT, STOP_LIMIT, PEGGED), offset, "an order without a limit in the book",
        )
    else:
        require(image.order_id > worst[0], offset, "orders that wait are not sorted by order id")
        worst[0] = image.order_id
    return 0

cdef int check_extra(
    const Books* books, const OrderImage* image, const ExtraImage* more, uint32_t group, size_t offset
) except -1:
    cdef bint is_stop = waits_for_price(image.order_type, more.is_elected)
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
    require(
        group <= STOPS_GROUP or image.order_type == PEGGED or image.time_in_force in (AT_CLOSE, GOOD_FOR_AUCTION),
        offset, "a parked order that nothing keeps out of the book",
    )
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
    put_slice(books, slot, place, more.slice_lots)
    drop_events(books)          # it has been there before
    return 0
