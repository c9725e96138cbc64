"""The canonical snapshot: the logical state in one order of bytes, whatever the memory looks like.

    magic b"QBENGINE" | u32 rules version | u32 instruments | i64 time_ns | u64 commands
    | u64 last order id | u64 last trade id | u64 live orders
    then per instrument: i64 lot, min, max, low, high, protection | u64 bids | u64 asks
    then its orders, bids and then asks, best price first and oldest first, 56 bytes each:
    u64 order_id | u64 client_ref | u32 owner | u32 account | i64 price | i64 total | i64 leaves
    | u8 order type | u8 time in force | u8 flags | u8 capacity | u32 self-match group (0)

All little endian. Reading believes nothing and raises ValueError with the byte
offset of what is wrong; it holds the GIL.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from engine.index cimport hash_ref
from engine.ladder cimport Ladder, key_of, ladder_after, level_at, price_of
from engine.queue cimport enter_index, find_id, find_ref, rest_order
from engine.state cimport (
    Books, Instrument, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, add_instrument, order_at, price_is_allowed,
    take_order,
)
from engine.store cimport Level, Order, prefetch
from engine.types cimport DAY, GTC, LIMIT, POST_ONLY

cdef struct Header:
    char magic[8]
    uint32_t rules_version
    uint32_t instruments
    int64_t time_ns
    uint64_t commands
    uint64_t last_order_id
    uint64_t last_trade_id
    uint64_t live_orders

cdef struct InstrumentImage:
    int64_t lot_lots
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks
    int64_t high_ticks
    int64_t protection_ticks
    uint64_t orders[2]

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


cdef size_t snapshot_size(const Books* books) noexcept nogil:
    return (
        sizeof(Header) + books.instrument_count * sizeof(InstrumentImage) + books.orders.live * sizeof(OrderImage)
    )

cdef bytes write_snapshot(const Books* books):
    cdef size_t size = snapshot_size(books)
    cdef bytes snapshot = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t* begin = <uint8_t*>PyBytes_AS_STRING(snapshot)
    cdef SnapshotPlace place
    memset(&place, 0, sizeof(SnapshotPlace))
    write_header(books, begin)
    if write_records(books, &place, begin + sizeof(Header), size) != size - sizeof(Header):
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

cdef size_t write_records(const Books* books, SnapshotPlace* place, uint8_t* at, size_t records) noexcept nogil:
    cdef const uint8_t* begin = at
    cdef const Instrument* book
    while records and place.instrument < books.instrument_count:
        book = &books.instruments[place.instrument]
        if place.slot:
            place.slot = write_order(books, place, at)
            at += sizeof(OrderImage)
            records -= 1
        elif place.part == 0:
            write_terms(book, at)
            at += sizeof(InstrumentImage)
            records -= 1
            place.part = 1
            place.slot = head_of(books, book.sides[0].best)
        elif place.part == 1:
            place.part = 2
            place.slot = head_of(books, book.sides[1].best)
        else:
            place.part = 0
            place.instrument += 1
    return at - begin

cdef inline uint32_t head_of(const Books* books, uint32_t level) noexcept nogil:
    return level_at(&books.nodes, level).head if level else 0

cdef void write_terms(const Instrument* book, uint8_t* at) noexcept nogil:
    cdef InstrumentImage image
    cdef int side
    image.lot_lots = book.lot_lots
    image.min_lots = book.min_lots
    image.max_lots = book.max_lots
    image.low_ticks = book.low_ticks
    image.high_ticks = book.high_ticks
    image.protection_ticks = book.protection_ticks
    for side in range(2):
        image.orders[side] = book.sides[side].orders
    memcpy(at, &image, sizeof(InstrumentImage))

cdef uint32_t write_order(const Books* books, const SnapshotPlace* place, uint8_t* at) noexcept nogil:
    """The order at the place; the slot of the one behind it on its side."""
    cdef const Order* order = order_at(books, place.slot)
    cdef const Level* level = level_at(&books.nodes, order.level)
    cdef uint32_t side = place.part - 1
    cdef OrderImage image
    prefetch(order_at(books, order.next))
    image.order_id = order.order_id
    image.client_ref = order.client_ref
    image.owner = order.owner
    image.account = order.account
    image.price_ticks = price_of(level.key, side)
    image.total_lots = order.total_lots
    image.leaves_lots = order.leaves_lots
    image.order_type = LIMIT
    image.time_in_force = order.traits >> TRAIT_TIME_IN_FORCE & 255
    image.flags = order.traits >> TRAIT_FLAGS & 255
    image.capacity = order.traits >> TRAIT_CAPACITY & 255
    image.self_match_group = 0
    memcpy(at, &image, sizeof(OrderImage))
    if order.next:
        return order.next
    return head_of(books, ladder_after(&books.instruments[place.instrument].sides[side], &books.nodes, level.key))


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
    for number in range(header.instruments):
        offset = read_instrument(books, number, data, size, offset)
    require(offset == size, offset, "bytes after the end")
    if header.live_orders != books.orders.live:
        require(False, 48, f"{header.live_orders} live orders announced, {books.orders.live} found")
    return 0

cdef size_t read_instrument(
    Books* books, uint32_t number, const uint8_t* data, size_t size, size_t offset
) except 0:
    cdef InstrumentImage image
    cdef uint32_t side
    cdef uint64_t _, worst
    cdef Ladder* ladder
    require(offset + sizeof(InstrumentImage) <= size, offset, "it ends in the middle of a record")
    memcpy(&image, data + offset, sizeof(InstrumentImage))
    require(
        add_instrument(
            books, image.lot_lots, image.min_lots, image.max_lots, image.low_ticks, image.high_ticks,
            image.protection_ticks,
        ),
        offset, "the terms of an instrument contradict each other",
    )
    offset += sizeof(InstrumentImage)
    for side in range(2):
        worst = 0
        for _ in range(image.orders[side]):
            worst = read_order(books, number, side, worst, data, size, offset)
            offset += sizeof(OrderImage)
    ladder = books.instruments[number].sides
    if ladder[0].best and ladder[1].best:
        require(
            price_of(ladder[0].best_key, 0) < price_of(ladder[1].best_key, 1), offset, "the book is crossed"
        )
    return offset

cdef uint64_t read_order(
    Books* books, uint32_t number, uint32_t side, uint64_t worst, const uint8_t* data, size_t size, size_t offset
) except? 0xDEAD:
    """Rest one order; its key, which must not be better than `worst`."""
    cdef OrderImage image
    cdef const Instrument* book = &books.instruments[number]
    cdef Order* order
    cdef uint32_t slot
    cdef uint64_t key, ref_hashed
    require(offset + sizeof(OrderImage) <= size, offset, "it ends in the middle of a record")
    memcpy(&image, data + offset, sizeof(OrderImage))
    ref_hashed = hash_ref(image.owner, image.client_ref)
    require(0 < image.order_id <= books.last_order_id, offset, "an order id that was never given")
    if find_id(books, image.order_id):
        require(False, offset, f"order id {image.order_id} twice")
    if find_ref(books, ref_hashed, image.owner, image.client_ref):
        require(False, offset, f"owner {image.owner} client_ref {image.client_ref} twice")
    require(price_is_allowed(book, image.price_ticks), offset, "a price outside the limits")
    require(
        0 < image.leaves_lots <= image.total_lots, offset, "leaves are more than 0 and at most the quantity"
    )
    require(image.order_type == LIMIT, offset, "only limit orders rest")
    require(image.time_in_force in (DAY, GTC), offset, "only DAY and GTC orders rest")
    require(image.flags in (0, POST_ONLY), offset, "flags that this rules version does not serve")
    require(
        image.self_match_group == 0, offset, "a self-match group, which this rules version does not serve"
    )
    key = key_of(image.price_ticks, side)
    require(key >= worst, offset, "orders of a side are not sorted from the best price")
    slot = take_order(books)
    if slot == 0:
        raise MemoryError("no memory for another order")
    order = order_at(books, slot)
    order.order_id = image.order_id
    order.client_ref = image.client_ref
    order.leaves_lots = image.leaves_lots
    order.total_lots = image.total_lots
    order.owner = image.owner
    order.account = image.account
    order.traits = (
        side | <uint32_t>image.time_in_force << TRAIT_TIME_IN_FORCE | <uint32_t>image.flags << TRAIT_FLAGS
        | <uint32_t>image.capacity << TRAIT_CAPACITY
    )
    enter_index(books, slot, ref_hashed)
    rest_order(books, slot, number, side, image.price_ticks)
    return key
