# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Those checks are about Python's buffers and division by zero. Here are only C
# pointers into pools: slots come from the pools and the index alone, instrument
# numbers are checked against the count, and a round lot is at least 1.
"""The matching rules.

Holds nothing: all state is in the Books that the caller owns. No function takes
the GIL; a failing invariant or a lack of memory raises, and the state is then not
to be used any more (machine.pyx sees to that).
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.index cimport (
    hash_id, hash_ref, index_bytes, index_close, index_copy, index_find, index_insert, index_open, index_remove,
)
from engine.ladder cimport (
    Ladder, key_of, ladder_after, ladder_find, ladder_insert, ladder_remove, level_add, level_at,
    level_subtract, price_of,
)
from engine.store cimport (
    Branch, Level, Order, block_resize, pool_close, pool_copy, pool_give, pool_open, pool_take,
)
from engine.types cimport (
    ACCEPTED, BUY, CANCEL, CANCELLED, DAY, DEFINE, DEFINED, DUPLICATE_CLIENT_REF, Definition, FOK,
    FOK_UNFILLABLE, GTC, INVALID_DEFINITION, INVALID_FLAGS, INVALID_ORDER_TYPE, INVALID_PRICE,
    INVALID_QUANTITY, INVALID_SIDE, INVALID_TIME_IN_FORCE, IOC, IOC_REMAINDER, LIMIT, MARKET,
    MARKET_REMAINDER, NEW, NONE, POST_ONLY, POST_ONLY_WOULD_TRADE, PRICE_OUTSIDE_LIMITS,
    QUANTITY_ABOVE_MAXIMUM, QUANTITY_BELOW_MINIMUM, QUANTITY_NOT_ROUND_LOT, REDUCE, REDUCED, REENTER,
    REJECTED, REPLACE, REPLACED, REQUESTED, SELL, TOO_LATE, TRADE, UNKNOWN_COMMAND, UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)

cdef enum:
    FIRST_REPORTS = 16
    FIRST_INSTRUMENTS = 1
    OUTCOMES = 2            # the most reports of a command, trades not counted

cdef extern from *:
    """
    #define QB_TRAITS 0x0000FFFFFF00FF00ULL
    """
    const uint64_t TRAITS "QB_TRAITS"       # the bytes of Order.traits that a report carries
    const int64_t EMPTY "INT64_MIN"         # EMPTY_PRICE

cdef struct Incoming:       # the order that a command brings to the book
    Instrument* book
    uint64_t traits         # as Order.traits
    uint64_t command_byte   # the command's kind at its place in a report's first word
    uint32_t instrument
    uint32_t owner
    uint64_t client_ref
    uint64_t order_id
    int64_t price_ticks     # EMPTY_PRICE: a market order
    int64_t total_lots
    int64_t leaves_lots
    uint32_t account
    uint32_t side
    uint32_t slot           # REPLACE, REENTER: its slot, which it keeps; NEW: 0


# ---------------------------------------------------------------- reports

cdef int reserve_reports(Books* books, size_t more) except -1 nogil:
    """Room for `more` reports; O(1) amortised."""
    cdef size_t capacity
    cdef void* block
    if books.report_capacity - books.report_count >= more:
        return 0
    capacity = books.report_capacity * 2 if books.report_capacity else FIRST_REPORTS
    block = block_resize(books.reports, books.report_capacity * sizeof(Report), capacity * sizeof(Report))
    if block == NULL:
        raise MemoryError("no memory for reports")
    books.reports = <Report*>block
    books.report_capacity = capacity
    return 0

cdef inline uint64_t* new_report(Books* books) noexcept nogil:
    """The next report as 16 words; room was reserved. Every word is written by the caller."""
    cdef uint64_t* words = <uint64_t*>&books.reports[books.report_count]
    books.report_count += 1
    return words

cdef inline void write_report(
    Books* books, uint64_t first, uint32_t instrument, uint32_t owner, uint64_t client_ref, uint64_t order_id,
    int64_t price_ticks, int64_t quantity_lots, int64_t leaves_lots, int64_t cumulative_lots, int64_t last_lots
) noexcept nogil:
    """A report that is not a trade."""
    cdef uint64_t* words = new_report(books)
    words[0] = first
    words[1] = instrument | <uint64_t>owner << 32
    words[2] = client_ref
    words[3] = order_id
    words[4] = <uint64_t>price_ticks
    words[5] = <uint64_t>quantity_lots
    words[6] = <uint64_t>leaves_lots
    words[7] = <uint64_t>cumulative_lots
    words[8] = books.commands
    words[9] = 0
    words[10] = 0
    words[11] = <uint64_t>last_lots
    words[12] = 0
    words[13] = 0
    words[14] = 0
    words[15] = 0

cdef inline int refuse(Books* books, const Command* command, uint64_t reason) noexcept nogil:
    """REJECTED before an order was found or made: the command's own fields are echoed."""
    cdef uint64_t traits = (
        <uint64_t>command.side << SIDE_BYTE | <uint64_t>command.order_type << ORDER_TYPE_BYTE
        | <uint64_t>command.time_in_force << TIME_IN_FORCE_BYTE | <uint64_t>command.flags << FLAGS_BYTE
    )
    write_report(
        books, REJECTED | traits | reason << REASON_BYTE | <uint64_t>command.kind << COMMAND_KIND_BYTE,
        command.instrument, command.owner, command.client_ref, command.order_id,
        command.price_ticks, command.quantity_lots, 0, 0, 0,
    )
    return 0

cdef inline void report_order(
    Books* books, const Order* order, uint64_t kind, uint64_t reason, uint64_t command_kind, int64_t price_ticks,
    int64_t leaves_lots, int64_t last_lots
) noexcept nogil:
    """A report about a resting order; price and leaves are given because the caller has them at hand."""
    write_report(
        books, (order.traits & TRAITS) | kind | reason << REASON_BYTE | command_kind << COMMAND_KIND_BYTE,
        order.instrument, order.owner, order.client_ref, order.order_id,
        price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )

cdef inline void report_incoming(
    Books* books, const Incoming* order, uint64_t kind_and_reason, int64_t leaves_lots, int64_t last_lots
) noexcept nogil:
    write_report(
        books, (order.traits & TRAITS) | order.command_byte | kind_and_reason,
        order.instrument, order.owner, order.client_ref, order.order_id,
        order.price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )


# ---------------------------------------------------------------- the book

cdef inline Order* order_at(const Books* books, uint32_t slot) noexcept nogil:
    return &(<Order*>books.orders.records)[slot]

cdef int rest_order(Books* books, uint32_t slot, int64_t price) except -1 nogil:
    """Put an order last in the queue of its price. O(1), and at most 11 steps to its level."""
    cdef Order* order = order_at(books, slot)
    cdef uint32_t side = side_of_order(order), number
    cdef uint64_t key = key_of(price, side)
    cdef Ladder* ladder = &books.instruments[order.instrument].sides[side]
    cdef Level* level
    number = ladder_find(ladder, &books.levels, &books.branches, key)
    if number == 0:
        number = ladder_insert(ladder, &books.levels, &books.branches, key)
        if number == 0:
            raise MemoryError("no memory for another price level")
    level = level_at(&books.levels, number)
    order.level = number
    order.next = 0
    order.previous = level.tail
    if level.tail:
        order_at(books, level.tail).next = slot
    else:
        level.head = slot
    level.tail = slot
    level.orders += 1
    level_add(level, order.leaves_lots)
    ladder.orders += 1
    return 0

cdef inline int leave_book(Books* books, Order* order) except -1 nogil:
    """Take an order out of its queue; the level goes with its last order. O(1), at most 11 steps then."""
    cdef Level* level = level_at(&books.levels, order.level)
    cdef Ladder* ladder = &books.instruments[order.instrument].sides[side_of_order(order)]
    level_subtract(level, order.leaves_lots)
    level.orders -= 1
    ladder.orders -= 1
    if order.next:
        order_at(books, order.next).previous = order.previous
    else:
        level.tail = order.previous
    if order.previous:
        order_at(books, order.previous).next = order.next
    else:
        level.head = order.next
    if level.orders == 0:
        if level.head or level.tail or level.total_low or level.total_high:
            raise AssertionError("a level without orders is not empty")
        if ladder_remove(ladder, &books.levels, &books.branches, order.level) < 0:
            raise AssertionError("a level is not in its ladder")
    order.level = 0
    return 0

cdef inline int forget_order(Books* books, uint32_t slot) except -1 nogil:
    """An order that has left the book is dead: its ids are free again and its slot is given back. O(1)."""
    cdef Order* order = order_at(books, slot)
    if (
        not index_remove(&books.ids, hash_id(order.order_id), slot)
        or not index_remove(&books.refs, hash_ref(order.owner, order.client_ref), slot)
    ):
        raise AssertionError("a live order is not in the index")
    pool_give(&books.orders, sizeof(Order), slot)
    return 0

cdef int enter_indexes(Books* books, uint32_t slot) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef const Order* orders = <const Order*>books.orders.records
    if (
        index_insert(&books.ids, orders, hash_id(order.order_id), slot) < 0
        or index_insert(&books.refs, orders, hash_ref(order.owner, order.client_ref), slot) < 0
    ):
        raise MemoryError("no memory for the order index")
    return 0

cdef uint32_t find_order(
    const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref
) noexcept nogil:
    """The live order with this id, or when that is 0 with this ref, if it is this owner's; 0 = none. O(1)."""
    cdef const Order* orders = <const Order*>books.orders.records
    cdef uint32_t slot
    if order_id == 0:
        return index_find(&books.refs, orders, hash_ref(owner, client_ref), False, owner, client_ref)
    slot = index_find(&books.ids, orders, hash_id(order_id), True, 0, order_id)
    return slot if slot and orders[slot].owner == owner else 0


# ---------------------------------------------------------------- matching

cdef inline bint would_trade(const Instrument* book, uint32_t side, int64_t price) noexcept nogil:
    cdef const Ladder* opposite = &book.sides[side ^ 1]
    return opposite.best != 0 and opposite.best_key <= key_of(price, side ^ 1)

cdef inline uint64_t limit_key(const Incoming* order) noexcept nogil:
    """The worst key of the opposite side that the order may take.

    A market order may go protection_ticks past the opposite best of its arrival, within int64; keys are
    prices in order, so it is an addition that stops at the last key.
    """
    cdef const Ladder* opposite = &order.book.sides[order.side ^ 1]
    cdef uint64_t worst = <uint64_t>0xFFFFFFFFFFFFFFFF, distance
    if order.price_ticks != EMPTY:
        return key_of(order.price_ticks, order.side ^ 1)
    if order.book.protection_ticks < 0 or opposite.best == 0:
        return worst
    distance = <uint64_t>order.book.protection_ticks
    return worst if opposite.best_key > worst - distance else opposite.best_key + distance

cdef bint can_fill(Books* books, const Incoming* order, uint64_t limit) noexcept nogil:
    """Whether the levels within the limit hold the order's whole quantity. O(levels looked at)."""
    cdef const Ladder* opposite = &order.book.sides[order.side ^ 1]
    cdef uint32_t number = opposite.best
    cdef uint64_t wanted = <uint64_t>order.leaves_lots
    cdef const Level* level
    while number != 0:
        level = level_at(&books.levels, number)
        if level.key > limit:
            return False
        if level.total_high or level.total_low >= wanted:
            return True
        wanted -= level.total_low
        number = ladder_after(opposite, &books.levels, &books.branches, level.key)
    return False

cdef inline void report_trade(
    Books* books, const Incoming* taker, const Order* maker, int64_t price_ticks, int64_t lots
) noexcept nogil:
    """Leaves of both are already those after the trade."""
    cdef uint64_t* words = new_report(books)
    books.last_trade_id += 1
    words[0] = (taker.traits & TRAITS) | taker.command_byte | TRADE
    words[1] = taker.instrument | <uint64_t>taker.owner << 32
    words[2] = taker.client_ref
    words[3] = taker.order_id
    words[4] = <uint64_t>taker.price_ticks
    words[5] = <uint64_t>taker.total_lots
    words[6] = <uint64_t>taker.leaves_lots
    words[7] = <uint64_t>(taker.total_lots - taker.leaves_lots)
    words[8] = books.commands
    words[9] = books.last_trade_id
    words[10] = <uint64_t>price_ticks
    words[11] = <uint64_t>lots
    words[12] = maker.client_ref
    words[13] = maker.order_id
    words[14] = <uint64_t>maker.leaves_lots
    words[15] = maker.owner

cdef int match(Books* books, Incoming* taker, uint64_t limit) except -1 nogil:
    """Trade with the opposite side, best price first, oldest first, down to `limit`. O(1) a trade."""
    cdef Ladder* opposite = &taker.book.sides[taker.side ^ 1]
    cdef Level* level
    cdef Order* maker
    cdef uint32_t slot
    cdef int64_t lots, price
    while taker.leaves_lots and opposite.best and opposite.best_key <= limit:
        reserve_reports(books, 1 + OUTCOMES)
        level = level_at(&books.levels, opposite.best)
        price = price_of(level.key, taker.side ^ 1)
        slot = level.head
        maker = order_at(books, slot)
        if maker.leaves_lots <= 0 or maker.level != opposite.best:
            raise AssertionError("the head of a level is not a live order of that level")
        lots = min(taker.leaves_lots, maker.leaves_lots)
        taker.leaves_lots -= lots
        maker.leaves_lots -= lots
        level_subtract(level, lots)
        report_trade(books, taker, maker, price, lots)
        if maker.leaves_lots == 0:
            leave_book(books, maker)
            forget_order(books, slot)
    return 0

cdef int arrive(Books* books, Incoming* order, uint8_t order_type, uint8_t time_in_force) except -1 nogil:
    """An accepted order trades; what is left rests or is cancelled."""
    cdef uint64_t limit = limit_key(order)
    cdef uint64_t reason = 0
    if time_in_force == FOK and not can_fill(books, order, limit):
        reason = FOK_UNFILLABLE
    else:
        match(books, order, limit)
        if order_type == MARKET:
            reason = MARKET_REMAINDER
        elif time_in_force == IOC:
            reason = IOC_REMAINDER
    if order.leaves_lots == 0:
        if order.slot:
            forget_order(books, order.slot)
    elif reason:
        if order.slot:
            raise AssertionError("an order that has rested cannot be cancelled for its time in force")
        report_incoming(books, order, CANCELLED | reason << REASON_BYTE, 0, order.leaves_lots)
    elif order.slot:
        order_at(books, order.slot).leaves_lots = order.leaves_lots
        order_at(books, order.slot).total_lots = order.total_lots
        rest_order(books, order.slot, order.price_ticks)
    else:
        rest_new(books, order)
    return 0

cdef inline int rest_new(Books* books, const Incoming* order) except -1 nogil:
    cdef uint32_t slot = pool_take(&books.orders, sizeof(Order))
    cdef Order* record
    if slot == 0:
        raise MemoryError("no memory for another order")
    record = order_at(books, slot)
    record.order_id = order.order_id
    record.client_ref = order.client_ref
    record.leaves_lots = order.leaves_lots
    record.total_lots = order.total_lots
    record.owner = order.owner
    record.account = order.account
    record.instrument = order.instrument
    record.traits = order.traits
    enter_indexes(books, slot)
    return rest_order(books, slot, order.price_ticks)


# ---------------------------------------------------------------- the commands

cdef inline uint64_t quantity_refusal(const Instrument* book, int64_t quantity) noexcept nogil:
    """The reason against a quantity, or NONE."""
    if quantity <= 0:
        return INVALID_QUANTITY
    if quantity < book.min_lots:
        return QUANTITY_BELOW_MINIMUM
    if quantity > book.max_lots:
        return QUANTITY_ABOVE_MAXIMUM
    if book.lot_lots != 1 and quantity % book.lot_lots != 0:
        return QUANTITY_NOT_ROUND_LOT
    return NONE

cdef inline bint price_is_allowed(const Instrument* book, int64_t price) noexcept nogil:
    return book.low_ticks <= price <= book.highest_ticks     # no low limit is INT64_MIN

cdef inline uint64_t new_refusal(Books* books, const Command* command) noexcept nogil:
    """The first check of a NEW that fails, or NONE."""
    cdef const Instrument* book
    cdef uint64_t reason
    if command.instrument >= books.instrument_count:
        return UNKNOWN_INSTRUMENT
    book = &books.instruments[command.instrument]
    if command.side > SELL:
        return INVALID_SIDE
    if command.order_type != LIMIT and command.order_type != MARKET:
        return INVALID_ORDER_TYPE
    if command.time_in_force > FOK:
        return INVALID_TIME_IN_FORCE
    if command.flags & ~POST_ONLY or command.reserved_7 or command.self_match_mode or command.self_match_group:
        return INVALID_FLAGS
    if command.flags and (command.order_type == MARKET or command.time_in_force >= IOC):
        return INVALID_FLAGS
    if (command.order_type == LIMIT) == (command.price_ticks == EMPTY):
        return INVALID_PRICE
    if command.order_type == LIMIT and not price_is_allowed(book, command.price_ticks):
        return PRICE_OUTSIDE_LIMITS
    reason = quantity_refusal(book, command.quantity_lots)
    if reason:
        return reason
    if find_order(books, 0, command.owner, command.client_ref):
        return DUPLICATE_CLIENT_REF
    if command.flags and would_trade(book, command.side, command.price_ticks):
        return POST_ONLY_WOULD_TRADE
    return NONE

cdef int new_order(Books* books, const Command* command) except -1 nogil:
    cdef uint64_t reason = new_refusal(books, command)
    cdef Incoming order
    if reason:
        return refuse(books, command, reason)
    books.last_order_id += 1
    order.book = &books.instruments[command.instrument]
    order.traits = (
        command.capacity | <uint64_t>command.side << SIDE_BYTE | <uint64_t>command.order_type << ORDER_TYPE_BYTE
        | <uint64_t>command.time_in_force << TIME_IN_FORCE_BYTE | <uint64_t>command.flags << FLAGS_BYTE
    )
    order.command_byte = <uint64_t>NEW << COMMAND_KIND_BYTE
    order.instrument = command.instrument
    order.owner = command.owner
    order.client_ref = command.client_ref
    order.order_id = books.last_order_id
    order.price_ticks = command.price_ticks
    order.total_lots = command.quantity_lots
    order.leaves_lots = command.quantity_lots
    order.account = command.account
    order.side = command.side
    order.slot = 0
    report_incoming(books, &order, ACCEPTED, order.leaves_lots, 0)
    return arrive(books, &order, command.order_type, command.time_in_force)

cdef inline int64_t price_at(const Books* books, const Order* order) noexcept nogil:
    return price_of(level_at(&books.levels, order.level).key, side_of_order(order))

cdef int cancel_order(Books* books, uint32_t slot, uint64_t command_kind) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    report_order(
        books, order, CANCELLED, REQUESTED, command_kind, price_at(books, order), 0, order.leaves_lots
    )
    leave_book(books, order)
    return forget_order(books, slot)

cdef int reduce_order(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef int64_t amount = command.quantity_lots
    if amount >= order.leaves_lots:
        return cancel_order(books, slot, REDUCE)
    if amount <= 0:
        report_order(
            books, order, REJECTED, INVALID_QUANTITY, REDUCE, price_at(books, order), order.leaves_lots, 0
        )
        return 0
    order.leaves_lots -= amount
    order.total_lots -= amount
    level_subtract(level_at(&books.levels, order.level), amount)
    report_order(books, order, REDUCED, NONE, REDUCE, price_at(books, order), order.leaves_lots, amount)
    return 0

cdef uint64_t replace_refusal(
    const Instrument* book, const Order* order, int64_t price, int64_t quantity, int64_t filled, bint is_reenter
) noexcept nogil:
    """The first check of a REPLACE or REENTER that fails, or NONE."""
    cdef uint64_t reason
    if not price_is_allowed(book, price):
        return PRICE_OUTSIDE_LIMITS
    if is_reenter and quantity > INT64_MAX - filled:
        return INVALID_QUANTITY
    reason = quantity_refusal(book, quantity)
    if reason:
        return reason
    if not is_reenter and quantity <= filled:
        return TOO_LATE
    if (order.traits >> FLAGS_BYTE) & POST_ONLY and would_trade(book, side_of_order(order), price):
        return POST_ONLY_WOULD_TRADE
    return NONE

cdef int replace_order(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef bint is_reenter = command.kind == REENTER
    cdef int64_t old_price = price_at(books, order)
    cdef int64_t price = old_price if command.price_ticks == EMPTY else command.price_ticks
    cdef int64_t filled = order.total_lots - order.leaves_lots, quantity = command.quantity_lots, total
    cdef Instrument* book = &books.instruments[order.instrument]
    cdef int64_t old_leaves = order.leaves_lots
    cdef uint64_t reason = replace_refusal(book, order, price, quantity, filled, is_reenter)
    cdef Incoming again
    if reason:
        report_order(books, order, REJECTED, reason, command.kind, old_price, order.leaves_lots, 0)
        return 0
    total = quantity + filled if is_reenter else quantity
    if not is_reenter and price == old_price and total < order.total_lots:
        level_subtract(level_at(&books.levels, order.level), order.total_lots - total)
        order.leaves_lots = total - filled
        order.total_lots = total
        report_order(
            books, order, REPLACED | <uint64_t>1 << KEPT_PRIORITY_BYTE, NONE, command.kind, price,
            order.leaves_lots, old_leaves,
        )
        books.reports[books.report_count - 1].last_price_ticks = old_price
        return 0
    leave_book(books, order)
    again.book = book
    again.traits = order.traits
    again.command_byte = <uint64_t>command.kind << COMMAND_KIND_BYTE
    again.instrument = order.instrument
    again.owner = order.owner
    again.client_ref = order.client_ref
    again.order_id = order.order_id
    again.price_ticks = price
    again.total_lots = total
    again.leaves_lots = total - filled
    again.account = order.account
    again.side = side_of_order(order)
    again.slot = slot
    report_incoming(books, &again, REPLACED, again.leaves_lots, old_leaves)
    books.reports[books.report_count - 1].last_price_ticks = old_price
    return arrive(books, &again, LIMIT, GTC)    # what has rested once may rest again

cdef bint define_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil:
    """Add an instrument with the next number. False: the terms contradict each other, nothing was added."""
    cdef uint32_t capacity
    cdef void* block
    cdef Instrument* book
    if lot < 1 or least < 1 or most < least or protection < -1 or (low != EMPTY and high != EMPTY and low > high):
        return False
    if books.instrument_count == books.instrument_capacity:
        if books.instrument_capacity >= <uint32_t>0x80000000:
            raise MemoryError("no more instruments")
        capacity = books.instrument_capacity * 2 if books.instrument_capacity else FIRST_INSTRUMENTS
        block = block_resize(
            books.instruments, books.instrument_capacity * sizeof(Instrument), capacity * sizeof(Instrument)
        )
        if block == NULL:
            raise MemoryError("no memory for another instrument")
        books.instruments = <Instrument*>block
        books.instrument_capacity = capacity
    book = &books.instruments[books.instrument_count]
    memset(book, 0, sizeof(Instrument))
    book.lot_lots = lot
    book.min_lots = least
    book.max_lots = most
    book.low_ticks = low
    book.high_ticks = high
    book.highest_ticks = INT64_MAX if high == EMPTY else high
    book.protection_ticks = protection
    books.instrument_count += 1
    return True

cdef int define(Books* books, const Definition* definition) except -1 nogil:
    cdef uint64_t first = DEFINED | <uint64_t>DEFINE << COMMAND_KIND_BYTE
    if definition.instrument != books.instrument_count or not define_instrument(
        books, definition.lot_lots, definition.min_lots, definition.max_lots, definition.low_ticks,
        definition.high_ticks, definition.protection_ticks,
    ):
        first = REJECTED | <uint64_t>INVALID_DEFINITION << REASON_BYTE | <uint64_t>DEFINE << COMMAND_KIND_BYTE
    write_report(books, first, definition.instrument, 0, 0, 0, 0, 0, 0, 0, 0)
    return 0

cdef int run_command(Books* books, const Command* command) except -1 nogil:
    """One command; its reports are appended. Room for OUTCOMES reports is there."""
    cdef uint32_t slot
    books.commands += 1
    if command.kind == NEW:
        return new_order(books, command)
    if command.kind == DEFINE:
        return define(books, <const Definition*>command)
    if command.kind < CANCEL or command.kind > REENTER:
        return refuse(books, command, UNKNOWN_COMMAND)
    slot = find_order(books, command.order_id, command.owner, command.client_ref)
    if slot == 0:
        return refuse(books, command, UNKNOWN_ORDER)
    if command.kind == CANCEL:
        return cancel_order(books, slot, CANCEL)
    if command.kind == REDUCE:
        return reduce_order(books, slot, command)
    return replace_order(books, slot, command)

cdef int run_commands(Books* books, const Command* commands, size_t count) except -1 nogil:
    """Run `count` commands in order and append their reports. Raises MemoryError, and for a broken invariant."""
    cdef size_t i
    for i in range(count):
        reserve_reports(books, OUTCOMES)
        run_command(books, &commands[i])
    return 0


# ---------------------------------------------------------------- the whole state

cdef int books_open(Books* books) noexcept nogil:
    """An empty state. The struct is overwritten."""
    memset(books, 0, sizeof(Books))
    if (
        pool_open(&books.orders, sizeof(Order)) < 0 or pool_open(&books.levels, sizeof(Level)) < 0
        or pool_open(&books.branches, sizeof(Branch)) < 0
        or index_open(&books.ids, True) < 0 or index_open(&books.refs, False) < 0
    ):
        books_close(books)
        return -1
    return 0

cdef void books_close(Books* books) noexcept nogil:
    pool_close(&books.orders)
    pool_close(&books.levels)
    pool_close(&books.branches)
    index_close(&books.ids)
    index_close(&books.refs)
    if books.instruments != NULL:
        block_resize(books.instruments, books.instrument_capacity * sizeof(Instrument), 0)
    if books.reports != NULL:
        block_resize(books.reports, books.report_capacity * sizeof(Report), 0)
    memset(books, 0, sizeof(Books))

cdef int books_copy(Books* books, const Books* other) noexcept nogil:
    """Make `books`, which is not open, a copy of `other`, without the reports that wait. O(bytes)."""
    memset(books, 0, sizeof(Books))
    books.time_ns = other.time_ns
    books.commands = other.commands
    books.last_order_id = other.last_order_id
    books.last_trade_id = other.last_trade_id
    if (
        pool_copy(&books.orders, &other.orders) < 0 or pool_copy(&books.levels, &other.levels) < 0
        or pool_copy(&books.branches, &other.branches) < 0
        or index_copy(&books.ids, &other.ids) < 0 or index_copy(&books.refs, &other.refs) < 0
    ):
        books_close(books)
        return -1
    if other.instrument_count:
        books.instruments = <Instrument*>block_resize(NULL, 0, other.instrument_count * sizeof(Instrument))
        if books.instruments == NULL:
            books_close(books)
            return -1
        books.instrument_capacity = other.instrument_count
        books.instrument_count = other.instrument_count
        memcpy(books.instruments, other.instruments, other.instrument_count * sizeof(Instrument))
    return 0

cdef size_t books_bytes(const Books* books) noexcept nogil:
    """Bytes in use: slots that were ever given out, indexes, instruments, room for reports."""
    return (
        books.orders.top * sizeof(Order) + books.levels.top * sizeof(Level) + books.branches.top * sizeof(Branch)
        + index_bytes(&books.ids) + index_bytes(&books.refs)
        + books.instrument_capacity * sizeof(Instrument) + books.report_capacity * sizeof(Report)
    )
