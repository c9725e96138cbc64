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
    bucket_of, hash_id, hash_ref, index_close, index_copy, index_find, index_insert, index_open, index_remove,
)
from engine.ladder cimport (
    Ladder, branch_at, key_of, ladder_after, ladder_find, ladder_insert, ladder_remove, level_add, level_at,
    level_subtract, price_of,
)
from engine.store cimport (
    Branch, IS_LEVEL, Level, Order, Pool, block_resize, pool_close, pool_copy, pool_give, pool_open, pool_take,
    prefetch,
)
from engine.types cimport (
    ACCEPTED, CANCEL, CANCELLED, DEFINE, DEFINED, DUPLICATE_CLIENT_REF, Definition, FOK,
    FOK_UNFILLABLE, GTC, INVALID_DEFINITION, INVALID_FLAGS, INVALID_ORDER_TYPE, INVALID_PRICE,
    INVALID_QUANTITY, INVALID_SIDE, INVALID_TIME_IN_FORCE, IOC, IOC_REMAINDER, LIMIT, MARKET,
    MARKET_REMAINDER, NEW, NONE, POST_ONLY, POST_ONLY_WOULD_TRADE, PRICE_OUTSIDE_LIMITS,
    QUANTITY_ABOVE_MAXIMUM, QUANTITY_BELOW_MINIMUM, QUANTITY_NOT_ROUND_LOT, REDUCE, REDUCED, REENTER,
    REJECTED, REPLACED, REQUESTED, SELL, TOO_LATE, TRADE, UNKNOWN_COMMAND, UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)

cdef enum:
    FIRST_REPORTS = 16
    FIRST_INSTRUMENTS = 1
    OUTCOMES = 2            # the most reports of a command, trades not counted

cdef extern from *:
    const int64_t EMPTY "INT64_MIN"         # EMPTY_PRICE

cdef struct Incoming:       # the order that a command brings to the book
    Instrument* book
    uint64_t first          # its part of a report's first word, with the command's kind
    uint32_t instrument
    uint32_t owner
    uint64_t client_ref
    uint64_t order_id
    int64_t price_ticks     # EMPTY_PRICE: a market order
    int64_t total_lots
    int64_t leaves_lots
    uint32_t account
    uint32_t side
    uint32_t traits         # as Order.traits
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

cdef inline uint64_t echoed_word(const Command* command) noexcept nogil:
    """A command's side, order type, time in force and flags, at their places in a report's first word."""
    cdef uint64_t word = (<const uint64_t*>command)[0]
    return (word & 0xFF00) | (word & <uint64_t>0xFFFFFF0000) << 8

cdef inline uint32_t traits_of(const Command* command) noexcept nogil:
    cdef uint64_t word = (<const uint64_t*>command)[0]
    return <uint32_t>((word >> 8 & 0xFF) | (word >> 16 & <uint64_t>0xFFFFFF00))

cdef inline uint64_t first_word(uint32_t traits) noexcept nogil:
    """The traits of an order that has rested, at their places in a report's first word."""
    return (
        <uint64_t>(traits & 0xFF) << SIDE_BYTE | <uint64_t>LIMIT << ORDER_TYPE_BYTE
        | <uint64_t>(traits & 0xFFFF00) << (TIME_IN_FORCE_BYTE - TRAIT_TIME_IN_FORCE)
    )

cdef inline int refuse(Books* books, const Command* command, uint64_t reason) noexcept nogil:
    """REJECTED before an order was found or made: the command's own fields are echoed."""
    write_report(
        books, REJECTED | echoed_word(command) | reason << REASON_BYTE | <uint64_t>command.kind << COMMAND_KIND_BYTE,
        command.instrument, command.owner, command.client_ref, command.order_id,
        command.price_ticks, command.quantity_lots, 0, 0, 0,
    )
    return 0

cdef inline void report_order(
    Books* books, const Order* order, uint64_t kind, uint64_t reason, uint64_t command_kind, int64_t price_ticks,
    int64_t leaves_lots, int64_t last_lots
) noexcept nogil:
    """A report about an order in the book; price and leaves are given because the caller has them at hand."""
    write_report(
        books, first_word(order.traits) | kind | reason << REASON_BYTE | command_kind << COMMAND_KIND_BYTE,
        level_at(&books.levels, order.level).instrument, order.owner, order.client_ref, order.order_id,
        price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )

cdef inline void report_incoming(
    Books* books, const Incoming* order, uint64_t kind_and_reason, int64_t leaves_lots, int64_t last_lots
) noexcept nogil:
    write_report(
        books, order.first | kind_and_reason,
        order.instrument, order.owner, order.client_ref, order.order_id,
        order.price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )


# ---------------------------------------------------------------- the book

cdef inline Order* order_at(const Books* books, uint32_t slot) noexcept nogil:
    return &(<Order*>books.orders.records)[slot]

cdef int rest_order(Books* books, uint32_t slot, uint32_t instrument, int64_t price) except -1 nogil:
    """Put an order last in the queue of its price. O(1), and at most 11 steps to its level."""
    cdef Order* order = order_at(books, slot)
    cdef uint32_t side = side_of_order(order), number
    cdef uint64_t key = key_of(price, side)
    cdef Ladder* ladder = &books.instruments[instrument].sides[side]
    cdef Level* level
    cdef uint32_t* before
    number = ladder_find(ladder, &books.levels, &books.branches, key)
    if number == 0:
        number = ladder_insert(ladder, &books.levels, &books.branches, key)
        if number == 0:
            raise MemoryError("no memory for another price level")
        level_at(&books.levels, number).instrument = instrument
    level = level_at(&books.levels, number)
    order.level = number
    order.next = 0
    order.previous = level.tail
    before = &order_at(books, level.tail).next if level.tail else &level.head
    before[0] = slot
    level.tail = slot
    level.orders += 1
    level_add(level, order.leaves_lots)
    ladder.orders += 1
    return 0

cdef inline int leave_book(Books* books, Order* order) except -1 nogil:
    """Take an order out of its queue; the level goes with its last order. O(1), at most 11 steps then."""
    cdef Level* level = level_at(&books.levels, order.level)
    cdef Ladder* ladder = &books.instruments[level.instrument].sides[side_of_order(order)]
    level_subtract(level, order.leaves_lots)
    # Pointers are chosen, not branches: whether an order has neighbours follows no pattern.
    cdef uint32_t* behind = &order_at(books, order.next).previous if order.next else &level.tail
    cdef uint32_t* before = &order_at(books, order.previous).next if order.previous else &level.head
    level.orders -= 1
    ladder.orders -= 1
    behind[0] = order.previous
    before[0] = order.next
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
    cdef Order* orders = <Order*>books.orders.records
    if (
        not index_remove(&books.indexes[IDS], orders, hash_id(order.order_id), True, slot)
        or not index_remove(&books.indexes[REFS], orders, hash_ref(order.owner, order.client_ref), False, slot)
    ):
        raise AssertionError("a live order is not in the index")
    pool_give(&books.orders, sizeof(Order), slot)
    return 0

cdef inline int enter_indexes(Books* books, uint32_t slot, uint64_t id_hashed, uint64_t ref_hashed) except -1 nogil:
    cdef Order* orders = <Order*>books.orders.records
    if (
        index_insert(&books.indexes[IDS], orders, id_hashed, True, slot) < 0
        or index_insert(&books.indexes[REFS], orders, ref_hashed, False, slot) < 0
    ):
        raise MemoryError("no memory for the order index")
    return 0

cdef int index_order(Books* books, uint32_t slot) except -1 nogil:
    """Enter an order whose record is filled into both indexes."""
    cdef const Order* order = order_at(books, slot)
    return enter_indexes(
        books, slot, hash_id(order.order_id), hash_ref(order.owner, order.client_ref)
    )

cdef uint32_t find_order(
    const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref
) noexcept nogil:
    """The live order with this id, or when that is 0 with this ref, if it is this owner's; 0 = none. O(1)."""
    cdef const Order* orders = <const Order*>books.orders.records
    cdef uint32_t slot
    if order_id == 0:
        return index_find(&books.indexes[REFS], orders, hash_ref(owner, client_ref), False, owner, client_ref)
    slot = index_find(&books.indexes[IDS], orders, hash_id(order_id), True, 0, order_id)
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
    words[0] = taker.first | TRADE
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
        # Asked for now, touched after the report: where the maker is known, and who comes after it.
        prefetch(bucket_of(&books.indexes[IDS], hash_id(maker.order_id)))
        prefetch(bucket_of(&books.indexes[REFS], hash_ref(maker.owner, maker.client_ref)))
        prefetch(order_at(books, maker.next))
        lots = min(taker.leaves_lots, maker.leaves_lots)
        taker.leaves_lots -= lots
        maker.leaves_lots -= lots
        level_subtract(level, lots)
        report_trade(books, taker, maker, price, lots)
        if maker.leaves_lots == 0:
            leave_book(books, maker)
            forget_order(books, slot)
    return 0

cdef int arrive(Books* books, Incoming order, uint8_t order_type, uint8_t time_in_force) except -1 nogil:
    """An accepted order trades; what is left rests or is cancelled."""
    return settle(books, &order, order_type, time_in_force)

cdef inline int settle(Books* books, Incoming* order, uint8_t order_type, uint8_t time_in_force) except -1 nogil:
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
        rest_order(books, order.slot, order.instrument, order.price_ticks)
    else:
        rest_new(books, order, hash_ref(order.owner, order.client_ref))
    return 0

cdef inline int rest_new(Books* books, const Incoming* order, uint64_t ref_hashed) except -1 nogil:
    """Make the record of an order that has not rested before, and put it in the book."""
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
    record.traits = order.traits
    enter_indexes(books, slot, hash_id(order.order_id), ref_hashed)
    return rest_order(books, slot, order.instrument, order.price_ticks)


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

cdef uint64_t new_refusal(const Books* books, const Command* command) noexcept nogil:
    """The first check of a NEW that fails, but for the last two, or NONE."""
    cdef const Instrument* book
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
    return quantity_refusal(book, command.quantity_lots)

cdef inline uint64_t name_refusal(const Books* books, const Command* command, uint64_t hashed) noexcept nogil:
    """The last two checks of a NEW: the name is free, and a post-only order would rest."""
    if index_find(
        &books.indexes[REFS], <const Order*>books.orders.records, hashed, False, command.owner, command.client_ref
    ):
        return DUPLICATE_CLIENT_REF
    if command.flags and would_trade(
        &books.instruments[command.instrument], command.side, command.price_ticks
    ):
        return POST_ONLY_WOULD_TRADE
    return NONE

cdef inline bint is_plain(const Books* books, const Command* command) noexcept nogil:
    """Whether a NEW is a limit order without flags that passes every check but the last two; most are."""
    cdef const Instrument* book
    cdef uint64_t word = (<const uint64_t*>command)[0]
    if (
        command.instrument >= books.instrument_count or command.self_match_group
        # NEW, either side, LIMIT, the first four times in force, no flags, any capacity, the rest zero.
        or word & <uint64_t>0xFFFF00FFFCFFFEFF != <uint64_t>(LIMIT << 16 | NEW)
    ):
        return False
    book = &books.instruments[command.instrument]
    return (
        command.price_ticks != EMPTY and price_is_allowed(book, command.price_ticks)
        and book.min_lots <= command.quantity_lots <= book.max_lots and book.lot_lots == 1
    )

cdef int new_order(Books* books, const Command* command, uint64_t hashed) except -1 nogil:
    cdef Incoming order
    cdef uint64_t reason = NONE
    if not is_plain(books, command):
        reason = new_refusal(books, command)
    if not reason:
        reason = name_refusal(books, command, hashed)
    if reason:
        return refuse(books, command, reason)
    books.last_order_id += 1
    order.book = &books.instruments[command.instrument]
    order.first = echoed_word(command) | <uint64_t>NEW << COMMAND_KIND_BYTE
    order.traits = traits_of(command)
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
    # The common case, with the order in registers: a limit order that may rest and has nothing to trade with.
    if (
        command.order_type == LIMIT and command.time_in_force < IOC
        and not would_trade(order.book, order.side, order.price_ticks)
    ):
        return rest_new(books, &order, hashed)
    return arrive(books, order, command.order_type, command.time_in_force)

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
    if not is_reenter and filled > 0 and quantity <= filled:
        return TOO_LATE     # before all other checks: whatever else is wrong, the fills have overtaken it
    if not price_is_allowed(book, price):
        return PRICE_OUTSIDE_LIMITS
    if is_reenter and quantity > INT64_MAX - filled:
        return INVALID_QUANTITY
    reason = quantity_refusal(book, quantity)
    if reason:
        return reason
    if order.traits >> TRAIT_FLAGS & POST_ONLY and would_trade(book, side_of_order(order), price):
        return POST_ONLY_WOULD_TRADE
    return NONE

cdef int replace_order(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef bint is_reenter = command.kind == REENTER
    cdef int64_t old_price = price_at(books, order)
    cdef int64_t price = old_price if command.price_ticks == EMPTY else command.price_ticks
    cdef int64_t filled = order.total_lots - order.leaves_lots, quantity = command.quantity_lots, total
    cdef int64_t old_leaves = order.leaves_lots
    cdef uint32_t instrument = level_at(&books.levels, order.level).instrument
    cdef Instrument* book = &books.instruments[instrument]
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
    again.first = first_word(order.traits) | <uint64_t>command.kind << COMMAND_KIND_BYTE
    again.traits = order.traits
    again.instrument = instrument
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
    return arrive(books, again, LIMIT, GTC)    # what has rested once may rest again

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

# A batch is known ahead, so what a block of its commands will touch is asked for in three steps before they
# run: the bucket of the order named, then the order, then its level, its neighbours and its other bucket.
# Nothing is decided by it: a guess that has become wrong costs a cache line.
cdef enum:
    BLOCK = 32              # commands; what they touch fits the first-level cache
    MANY_BOOKS = 256        # from here on their 32 KiB would fill that cache

cdef struct Ahead:
    uint64_t hashed         # of the name, as the index that the command looks in has it
    uint32_t slot           # the first order of that bucket; 0 = none
    uint32_t instrument     # this and the rest, only set when there are many books: where the command goes
    uint32_t side
    uint32_t node           # the root of that ladder
    uint64_t key            # of its level

cdef inline uint64_t names_by_id(const Command* command) noexcept nogil:
    """IDS or REFS: which name the command's order is looked for by."""
    return (command.kind != NEW) & (command.order_id != 0)

cdef inline uint32_t find_target(const Books* books, const Command* command, const Ahead* ahead) noexcept nogil:
    """The live order that a command names, if it is its owner's; 0 = none. O(1)."""
    cdef const Order* orders = <const Order*>books.orders.records
    cdef const Order* order = &orders[ahead.slot]
    cdef uint32_t slot
    # Names are unique among live orders, so a live order with the name is the one, wherever the guess came from.
    if command.order_id == 0:
        if order.level and order.client_ref == command.client_ref and order.owner == command.owner:
            return ahead.slot
        return index_find(
            &books.indexes[REFS], orders, ahead.hashed, False, command.owner, command.client_ref
        )
    slot = index_find(&books.indexes[IDS], orders, ahead.hashed, True, 0, command.order_id)
    return slot if slot and orders[slot].owner == command.owner else 0

cdef inline int run_command(Books* books, const Command* command, const Ahead* ahead) except -1 nogil:
    """One command; its reports are appended. Room for OUTCOMES reports is there."""
    cdef uint32_t slot
    books.commands += 1
    if command.kind == NEW:
        return new_order(books, command, ahead.hashed)
    if command.kind == DEFINE:
        return define(books, <const Definition*>command)
    if command.kind < CANCEL or command.kind > REENTER:
        return refuse(books, command, UNKNOWN_COMMAND)
    slot = find_target(books, command, ahead)
    if slot == 0:
        return refuse(books, command, UNKNOWN_ORDER)
    if command.kind == CANCEL:
        return cancel_order(books, slot, CANCEL)
    if command.kind == REDUCE:
        return reduce_order(books, slot, command)
    return replace_order(books, slot, command)

cdef inline void look_ahead(const Books* books, const Command* commands, Ahead* ahead, size_t count) noexcept nogil:
    """Bring what `count` commands will touch into the cache. No branches: commands follow no pattern."""
    cdef const Order* order
    cdef const Command* command
    cdef uint64_t hashed, by_id
    cdef size_t i
    for i in range(count):
        command = &commands[i]
        # The next block's commands. Past the end of the batch a prefetch does nothing that can be seen.
        prefetch(<const char*>command + BLOCK * sizeof(Command))
        prefetch(<const char*>command + BLOCK * sizeof(Command) + 63)
        by_id = names_by_id(command)
        hashed = hash_ref(command.owner, command.client_ref)
        hashed ^= (hashed ^ hash_id(command.order_id)) & (0 - by_id)     # the latter when by_id is 1
        ahead[i].hashed = hashed
        prefetch(bucket_of(&books.indexes[by_id], hashed))
    for i in range(count):
        ahead[i].slot = bucket_of(&books.indexes[names_by_id(&commands[i])], ahead[i].hashed)[0]
        prefetch(order_at(books, ahead[i].slot))
    for i in range(count):
        order = order_at(books, ahead[i].slot)
        prefetch(level_at(&books.levels, order.level))
        prefetch(order_at(books, order.next))
        prefetch(order_at(books, order.previous))
        prefetch(bucket_of(&books.indexes[IDS], hash_id(order.order_id)))

cdef void expect_order(
    const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref, int stage
) noexcept nogil:
    """One order's share of look_ahead, a stage at a time: its buckets, its record, its level and neighbours."""
    cdef const uint32_t* bucket = bucket_of(&books.indexes[IDS], hash_id(order_id))
    cdef const Order* order
    if stage == 0:
        prefetch(bucket)
        prefetch(bucket_of(&books.indexes[REFS], hash_ref(owner, client_ref)))
        return
    order = order_at(books, bucket[0])
    if stage == 1:
        prefetch(order)
        return
    prefetch(level_at(&books.levels, order.level))
    prefetch(order_at(books, order.next))
    prefetch(order_at(books, order.previous))

cdef inline const char* node_at(const Books* books, uint32_t node) noexcept nogil:
    """Where a node of a ladder is: a branch, or a level with IS_LEVEL."""
    cdef const Pool* pool = &books.levels if node & IS_LEVEL else &books.branches
    return pool.records + (node & ~<uint32_t>IS_LEVEL) * pool.size

cdef void look_at_books(const Books* books, const Command* commands, Ahead* ahead, size_t count) noexcept nogil:
    """The same for the books that `count` commands go to, when there are so many that they leave the cache."""
    cdef const Order* order
    cdef const Level* level
    cdef const Command* command
    cdef const Instrument* book
    cdef const char* record
    cdef const Branch* branch
    cdef uint32_t number, side
    cdef size_t i
    for i in range(count):
        command = &commands[i]
        order = order_at(books, ahead[i].slot)
        level = level_at(&books.levels, order.level)
        side = command.side & 1
        number = command.instrument if command.kind == NEW else level.instrument
        ahead[i].instrument = number if number < books.instrument_count else 0
        ahead[i].side = side if command.kind == NEW else side_of_order(order)
        ahead[i].key = key_of(command.price_ticks, side) if command.kind == NEW else level.key
        book = &books.instruments[ahead[i].instrument]
        prefetch(&book.sides)
        prefetch(&book.lot_lots)
    for i in range(count):
        book = &books.instruments[ahead[i].instrument]
        ahead[i].node = book.sides[ahead[i].side].root
        record = node_at(books, ahead[i].node)
        prefetch(record)
        prefetch(record + 24 + 4 * (ahead[i].key & 63))     # its child, if it is a branch of single ticks
        prefetch(level_at(&books.levels, book.sides[ahead[i].side ^ 1].best))
    # One step down; deeper trees are seldom.
    for i in range(count):
        book = &books.instruments[ahead[i].instrument]
        branch = branch_at(&books.branches, 0 if ahead[i].node & IS_LEVEL else ahead[i].node)
        record = node_at(books, branch.child[ahead[i].key >> branch.shift & 63])
        prefetch(record)
        prefetch(record + 24 + 4 * (ahead[i].key & 63))
        prefetch(order_at(books, level_at(&books.levels, book.sides[ahead[i].side ^ 1].best).head))

cdef int run_commands(Books* books, const Command* commands, size_t count) except -1 nogil:
    """Run `count` commands in order and append their reports. Raises MemoryError, and for a broken invariant."""
    cdef Ahead ahead[BLOCK]
    cdef size_t i, size
    while count:
        size = min(<size_t>BLOCK, count)
        look_ahead(books, commands, ahead, size)
        if books.instrument_count > MANY_BOOKS:
            look_at_books(books, commands, ahead, size)
        for i in range(size):
            reserve_reports(books, OUTCOMES)
            run_command(books, &commands[i], &ahead[i])
        commands += size
        count -= size
    return 0


# ---------------------------------------------------------------- the whole state

cdef int books_open(Books* books) noexcept nogil:
    """An empty state. The struct is overwritten."""
    memset(books, 0, sizeof(Books))
    if (
        pool_open(&books.orders, sizeof(Order)) < 0 or pool_open(&books.levels, sizeof(Level)) < 0
        or pool_open(&books.branches, sizeof(Branch)) < 0
        or index_open(&books.indexes[IDS], True) < 0 or index_open(&books.indexes[REFS], False) < 0
    ):
        books_close(books)
        return -1
    return 0

cdef void books_close(Books* books) noexcept nogil:
    pool_close(&books.orders)
    pool_close(&books.levels)
    pool_close(&books.branches)
    index_close(&books.indexes[IDS])
    index_close(&books.indexes[REFS])
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
        or index_copy(&books.indexes[IDS], &other.indexes[IDS]) < 0
        or index_copy(&books.indexes[REFS], &other.indexes[REFS]) < 0
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
        + <size_t>(books.indexes[IDS].buckets + books.indexes[REFS].buckets) * sizeof(uint32_t)
        + books.instrument_capacity * sizeof(Instrument) + books.report_capacity * sizeof(Report)
    )
