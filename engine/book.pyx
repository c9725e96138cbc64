# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Those checks are about Python's buffers and division by zero. Here are only C
# pointers into pools: slots come from the pools and the index alone, instrument
# numbers are checked against the count, and a round lot is at least 1.
"""The matching rules.

Holds nothing: all state is in the Books that the caller owns. No function takes
the GIL; a failing invariant or a lack of memory raises, and the state is then not
to be used any more (doorway.pyx sees to that).
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.ahead cimport Ahead, BLOCK, MANY_BOOKS, look_ahead, look_at_books
from engine.commands cimport change_special, define_3, go_on_again, go_on_as_new, new_special, run_command_3
from engine.emit cimport (
    Incoming, KEPT_PRIORITY_BYTE, COMMAND_KIND_BYTE, REASON_BYTE, echoed_word, emit_accepted, emit_incoming,
    emit_order, emit_refusal, emit_trade, first_word, traits_of, write_report,
)
from engine.entry cimport definition_is_valid, has_reserved_bytes, overflows
from engine.index cimport IDS, REFS, bucket_of, hash_id, hash_ref
from engine.ladder cimport Ladder, key_of, ladder_after, level_at, level_subtract, price_of
from engine.queue cimport (
    enter_index, find_id, find_ref, forget_order, leave_book, rest_order, unlikely,
)
from engine.state cimport (
    PLAIN_LOTS, TRAIT_FLAGS, Books, Instrument, add_instrument, order_at, price_at, price_is_allowed, quantity_refusal,
    quantity_refusal_3, reserve_reports, side_of_order, take_order,
)
from engine.store cimport Level, Order, prefetch
from engine.types cimport (
    CANCEL, CANCELLED, Command, DEFINE, DEFINED, DUPLICATE_CLIENT_REF, Definition, FOK,
    FOK_UNFILLABLE, GTC, INVALID_DEFINITION, INVALID_FLAGS, INVALID_ORDER_TYPE, INVALID_POST_ONLY,
    INVALID_PRICE, INVALID_QUANTITY, INVALID_SIDE, INVALID_TIME_IN_FORCE, IOC, IOC_REMAINDER, LIMIT, MARKET,
    MARKET_REMAINDER, NEGATIVE_QUANTITY, NEW, NONE, NOTIONAL_OVERFLOW, POST_ONLY, POST_ONLY_SLIDE,
    POST_ONLY_WOULD_TRADE, PRICE_OUTSIDE_LIMITS, QUANTITY_OVERFLOW, REDUCE, REDUCED, REENTER,
    REJECTED, REPLACE, REPLACED, REQUESTED, SELL, TOO_LATE, UNKNOWN_COMMAND, UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)

cdef enum:
    OUTCOMES = 2            # the most reports of a command, trades not counted
    AT_ONCE = 1024          # trades, or levels that are looked at; more is work, if a command may leave any
    GOES_ON = 0x100         # no Reason: there was more

cdef extern from *:
    const int64_t EMPTY "INT64_MIN"         # EMPTY_PRICE


# ---------------------------------------------------------------- matching

cdef inline bint would_trade(const Instrument* book, uint32_t side, int64_t price) noexcept nogil:
    cdef const Ladder* opposite = &book.sides[side ^ 1]
    return opposite.best != 0 and opposite.best_key <= key_of(price, side ^ 1)

cdef inline uint64_t limit_key(const Instrument* book, const Incoming* order) noexcept nogil:
    """The worst key of the opposite side that the order may take.

    A market order may go protection_ticks past the opposite best of its arrival, within int64; keys are
    prices in order, so it is an addition that stops at the last key.
    """
    cdef const Ladder* opposite = &book.sides[order.side ^ 1]
    cdef uint64_t worst = <uint64_t>0xFFFFFFFFFFFFFFFF, distance
    if order.price_ticks != EMPTY:
        return key_of(order.price_ticks, order.side ^ 1)
    if book.protection_ticks < 0 or opposite.best == 0:
        return worst
    distance = <uint64_t>book.protection_ticks
    return worst if opposite.best_key > worst - distance else opposite.best_key + distance

cdef bint can_fill(
    Books* books, const Ladder* opposite, int64_t lots, uint64_t limit, int64_t* most
) noexcept nogil:
    """Whether the levels within the limit hold the whole quantity; most 0: that many did not. O(levels looked at)."""
    cdef uint32_t number = opposite.best
    cdef uint64_t wanted = <uint64_t>lots
    cdef const Level* level
    while number != 0 and most[0]:
        most[0] -= 1
        level = level_at(&books.nodes, number)
        if level.key > limit:
            return False
        if level.total_high or level.total_low >= wanted:
            return True
        wanted -= level.total_low
        number = ladder_after(opposite, &books.nodes, level.key)
    return False

cdef inline int match(
    Books* books, Incoming* taker, Ladder* opposite, uint64_t limit, int64_t most
) except -1 nogil:
    """Trade with the opposite side, best price first, oldest first, down to `limit`, so many times. O(1) a trade."""
    cdef Level* level
    cdef Order* maker
    cdef uint32_t slot
    cdef int64_t lots, price
    while taker.leaves_lots and opposite.best and opposite.best_key <= limit and most:
        most -= 1
        reserve_reports(books, 1 + BLOCK * OUTCOMES)
        level = level_at(&books.nodes, opposite.best)
        price = price_of(level.key, taker.side ^ 1)
        slot = level.head
        maker = order_at(books, slot)
        if unlikely(maker.leaves_lots <= 0 or maker.level != opposite.best):
            raise AssertionError("the head of a level is not a live order of that level")
        # Asked for now, touched after the report: where the maker is known, and who comes after it.
        prefetch(bucket_of(&books.index, IDS, hash_id(maker.order_id)))
        prefetch(bucket_of(&books.index, REFS, hash_ref(maker.owner, maker.client_ref)))
        prefetch(order_at(books, maker.next))
        lots = min(taker.leaves_lots, maker.leaves_lots)
        taker.leaves_lots -= lots
        maker.leaves_lots -= lots
        level_subtract(level, lots)
        emit_trade(books, taker, maker, price, lots)
        books.instruments[taker.instrument].last_ticks = price
        if maker.leaves_lots == 0:
            leave_book(books, maker)
            forget_order(books, slot)
    return 0

cdef inline uint64_t trade(
    Books* books, Incoming* order, uint8_t order_type, uint8_t time_in_force
) except? 0xDEAD nogil:
    """Match an accepted order. What is left of it is cancelled for the reason returned; NONE: it may rest."""
    cdef Instrument* book = &books.instruments[order.instrument]
    cdef Ladder* opposite = &book.sides[order.side ^ 1]
    cdef uint64_t limit = limit_key(book, order)
    cdef int64_t most = AT_ONCE if books.leaves_work and books.rules >= 3 else INT64_MAX
    order.limit_key = limit
    if time_in_force == FOK and not can_fill(books, opposite, order.leaves_lots, limit, &most):
        return FOK_UNFILLABLE if most else GOES_ON
    match(books, order, opposite, limit, most)
    if unlikely(order.leaves_lots != 0 and opposite.best != 0 and opposite.best_key <= limit):
        return GOES_ON
    return MARKET_REMAINDER if order_type == MARKET else IOC_REMAINDER if time_in_force == IOC else NONE

cdef inline int rest_new(
    Books* books, const Command* command, int64_t leaves_lots, uint64_t ref_hashed
) except -1 nogil:
    """Make the record of the order that was accepted last, and put it in the book."""
    cdef uint32_t slot = take_order(books)
    cdef Order* record
    if unlikely(slot == 0):
        raise MemoryError("no memory for another order")
    record = order_at(books, slot)
    record.order_id = books.last_order_id
    record.client_ref = command.client_ref
    record.leaves_lots = leaves_lots
    record.total_lots = command.quantity_lots
    record.owner = command.owner
    record.account = command.account
    record.traits = traits_of(command)
    enter_index(books, slot, ref_hashed)
    return rest_order(books, slot, command.instrument, command.side, command.price_ticks)


# ---------------------------------------------------------------- NEW

cdef inline bint asks_for_more(const Command* command) noexcept nogil:
    """A flag other than POST_ONLY, or a field of a later version."""
    cdef uint64_t word = (<const uint64_t*>command)[0]
    # The bytes flags, self_match_mode, reserved_7.
    return (word & <uint64_t>0xFFFF00FE00000000 | command.self_match_group) != 0

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
    if asks_for_more(command):
        return INVALID_FLAGS
    if command.flags and (command.order_type == MARKET or command.time_in_force >= IOC):
        return INVALID_FLAGS if books.rules < 3 else INVALID_POST_ONLY
    if (command.order_type == LIMIT) == (command.price_ticks == EMPTY):
        return INVALID_PRICE
    if command.order_type == LIMIT and not price_is_allowed(book, command.price_ticks):
        return PRICE_OUTSIDE_LIMITS
    return quantity_refusal(book, command.quantity_lots)

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
        book.plain_lowest_ticks <= command.price_ticks <= book.plain_highest_ticks
        and book.plain_least_lots <= command.quantity_lots <= book.plain_most_lots
    )

cdef bint needs_more(const Books* books, const Command* command) noexcept nogil:
    """Whether a NEW that is not plain is a matter of version 3: what it asks for, or how much, or its instrument."""
    cdef const Instrument* book = &books.instruments[command.instrument]
    if book.is_special or asks_for_more(command) or command.order_type > MARKET or command.time_in_force > FOK:
        return True
    if command.quantity_lots < 0:
        return True
    # Beyond what is plain, price times quantity may not fit int64.
    return command.order_type == LIMIT and not (
        book.plain_lowest_ticks <= command.price_ticks <= book.plain_highest_ticks
        and command.quantity_lots <= PLAIN_LOTS
    )

cdef inline int new_order(Books* books, const Command* command, uint64_t hashed) except -1 nogil:
    cdef const Instrument* book
    cdef uint64_t reason
    cdef int64_t leaves = command.quantity_lots
    if unlikely(not is_plain(books, command)):
        if books.rules >= 3 and command.instrument < books.instrument_count and needs_more(books, command):
            return new_special(books, command, hashed)
        reason = new_refusal(books, command)
        if reason:
            return refuse(books, command, reason)
    if unlikely(find_ref(books, hashed, command.owner, command.client_ref) != 0):
        return refuse(books, command, DUPLICATE_CLIENT_REF)
    book = &books.instruments[command.instrument]
    if (
        command.order_type == MARKET or command.time_in_force >= IOC
        or would_trade(book, command.side, command.price_ticks)
    ):
        if command.flags:   # POST_ONLY, which only a limit order that may rest can have
            return refuse(books, command, POST_ONLY_WOULD_TRADE)
        leaves = take(books, command)
        if leaves == 0:
            return 0
    else:                   # the common case
        books.last_order_id += 1
        emit_accepted(books, command)
    return rest_new(books, command, leaves, hashed)

cdef int64_t take(Books* books, const Command* command) except -1 nogil:
    """Accept an order that trades, or is gone at once; the lots that are left to rest."""
    cdef Incoming order
    cdef uint64_t reason
    books.last_order_id += 1
    emit_accepted(books, command)
    order.first = echoed_word(command) | <uint64_t>NEW << COMMAND_KIND_BYTE
    order.instrument = command.instrument
    order.owner = command.owner
    order.client_ref = command.client_ref
    order.order_id = books.last_order_id
    order.price_ticks = command.price_ticks
    order.total_lots = command.quantity_lots
    order.leaves_lots = command.quantity_lots
    order.side = command.side
    order.slot = 0
    reason = trade(books, &order, command.order_type, command.time_in_force)
    if unlikely(reason == GOES_ON):
        go_on_as_new(books, command, &order)
        return 0
    if reason and order.leaves_lots:
        emit_incoming(books, &order, CANCELLED | reason << REASON_BYTE, 0, order.leaves_lots)
        return 0
    return order.leaves_lots


# ---------------------------------------------------------------- the other commands

cdef inline uint64_t caused_by(const Command* command) noexcept nogil:
    return <uint64_t>command.kind << COMMAND_KIND_BYTE

cdef int refuse_order(Books* books, uint32_t slot, const Command* command, uint64_t reason) except -1 nogil:
    """A refusal after the order was found tells that order's own terms."""
    cdef const Order* order = order_at(books, slot)
    emit_order(
        books, order, REJECTED | reason << REASON_BYTE | caused_by(command), price_at(books, order),
        order.leaves_lots, 0,
    )
    return 0

cdef inline int cancel_order(Books* books, uint32_t slot, uint64_t command_kind) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    emit_order(
        books, order, CANCELLED | REQUESTED << REASON_BYTE | command_kind << COMMAND_KIND_BYTE,
        price_at(books, order), 0, order.leaves_lots,
    )
    leave_book(books, order)
    return forget_order(books, slot)

cdef int reduce_order(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef int64_t amount = command.quantity_lots
    if amount >= order.leaves_lots:
        return cancel_order(books, slot, REDUCE)
    if amount <= 0:
        return refuse_order(
            books, slot, command, NEGATIVE_QUANTITY if amount < 0 and books.rules >= 3 else INVALID_QUANTITY
        )
    order.leaves_lots -= amount
    order.total_lots -= amount
    level_subtract(level_at(&books.nodes, order.level), amount)
    emit_order(books, order, REDUCED | caused_by(command), price_at(books, order), order.leaves_lots, amount)
    return 0

cdef inline bint is_worth_too_much(
    const Order* order, int64_t old_price, int64_t price, int64_t quantity, int64_t added
) noexcept nogil:
    """Version 3: price times total must fit int64 when either is new and not less."""
    return (price != old_price or quantity + added > order.total_lots) and overflows(price, quantity + added)

cdef uint64_t replace_refusal(
    const Books* books, const Instrument* book, const Order* order, int64_t old_price, int64_t price, int64_t quantity,
    int64_t filled, bint is_reenter,
) noexcept nogil:
    """The first check of a REPLACE or REENTER that fails, or NONE."""
    cdef uint64_t reason
    if not is_reenter and filled > 0 and quantity <= filled:
        return TOO_LATE     # before all other checks: whatever else is wrong, the fills have overtaken it
    if not price_is_allowed(book, price):
        return PRICE_OUTSIDE_LIMITS
    if is_reenter and quantity > INT64_MAX - filled:
        return INVALID_QUANTITY if books.rules < 3 else QUANTITY_OVERFLOW
    reason = quantity_refusal(book, quantity) if books.rules < 3 else quantity_refusal_3(book, quantity)
    if reason:
        return reason
    if books.rules >= 3 and is_worth_too_much(order, old_price, price, quantity, filled if is_reenter else 0):
        return NOTIONAL_OVERFLOW
    if order.traits >> TRAIT_FLAGS & POST_ONLY and would_trade(book, side_of_order(order), price):
        return POST_ONLY_WOULD_TRADE
    return NONE

cdef int replace_order(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Order* order = order_at(books, slot)
    cdef bint is_reenter = command.kind == REENTER
    cdef int64_t old_price = price_at(books, order)
    cdef int64_t price = old_price if command.price_ticks == EMPTY else command.price_ticks
    cdef int64_t filled = order.total_lots - order.leaves_lots, quantity = command.quantity_lots, total
    cdef const Instrument* book = &books.instruments[level_at(&books.nodes, order.level).instrument]
    cdef uint64_t reason
    if order.traits >> TRAIT_FLAGS & POST_ONLY_SLIDE:
        return change_special(books, slot, command)
    reason = replace_refusal(books, book, order, old_price, price, quantity, filled, is_reenter)
    if reason:
        return refuse_order(books, slot, command, reason)
    total = quantity + filled if is_reenter else quantity
    if not is_reenter and price == old_price and total < order.total_lots:
        return shrink_order(books, order, old_price, total)
    return move_order(books, slot, command.kind, old_price, price, total)

cdef int shrink_order(Books* books, Order* order, int64_t price, int64_t total) except -1 nogil:
    """A replace that keeps the order's place."""
    cdef int64_t old_leaves = order.leaves_lots, less = order.total_lots - total
    level_subtract(level_at(&books.nodes, order.level), less)
    order.leaves_lots -= less
    order.total_lots = total
    emit_order(
        books, order, REPLACED | <uint64_t>1 << KEPT_PRIORITY_BYTE | <uint64_t>REPLACE << COMMAND_KIND_BYTE, price,
        order.leaves_lots, old_leaves,
    )
    books.reports[books.report_count - 1].last_price_ticks = price
    return 0

cdef int move_order(
    Books* books, uint32_t slot, uint64_t command_kind, int64_t old_price, int64_t price, int64_t total
) except -1 nogil:
    """The order leaves the book and arrives anew under its ids. What has rested once may rest again."""
    cdef Order* order = order_at(books, slot)
    cdef Incoming again
    cdef int64_t old_leaves = order.leaves_lots
    again.instrument = level_at(&books.nodes, order.level).instrument
    leave_book(books, order)
    again.first = first_word(order.traits) | command_kind << COMMAND_KIND_BYTE
    again.owner = order.owner
    again.client_ref = order.client_ref
    again.order_id = order.order_id
    again.price_ticks = price
    again.total_lots = total
    again.leaves_lots = total - (order.total_lots - old_leaves)
    again.side = side_of_order(order)
    again.slot = slot
    emit_incoming(books, &again, REPLACED, again.leaves_lots, old_leaves)
    books.reports[books.report_count - 1].last_price_ticks = old_price
    if trade(books, &again, LIMIT, GTC) == GOES_ON:
        return go_on_again(books, &again, command_kind)
    if again.leaves_lots == 0:
        return forget_order(books, slot)
    order.leaves_lots = again.leaves_lots
    order.total_lots = total
    return rest_order(books, slot, again.instrument, again.side, price)

cdef bint is_valid(const Books* books, const Definition* definition) noexcept nogil:
    """The terms are looked at when the instrument is added; here, that nothing is asked for which is not served."""
    if definition.instrument != books.instrument_count:
        return False
    if books.rules >= 3:
        return definition_is_valid(books, definition) and not definition.delist
    return (
        not has_reserved_bytes(definition, 1, 8) and not definition.reserved_12
        and not has_reserved_bytes(definition, 64, 128)
    )

cdef int define(Books* books, const Definition* definition) except -1 nogil:
    cdef uint64_t first = DEFINED | <uint64_t>DEFINE << COMMAND_KIND_BYTE
    if not is_valid(books, definition) or not add_instrument(
        books, definition.lot_lots, definition.min_lots, definition.max_lots, definition.low_ticks,
        definition.high_ticks, definition.protection_ticks,
    ):
        first = REJECTED | <uint64_t>INVALID_DEFINITION << REASON_BYTE | <uint64_t>DEFINE << COMMAND_KIND_BYTE
    elif books.rules >= 3:
        define_3(books, definition)
    write_report(books, first, definition.instrument, 0, 0, 0, 0, 0, 0, 0)
    return 0

cdef int refuse(Books* books, const Command* command, uint64_t reason) except -1 nogil:
    """The one out-of-line emit_refusal."""
    emit_refusal(books, command, reason)
    return 0


# ---------------------------------------------------------------- commands

cdef inline uint32_t find_target(const Books* books, const Command* command, const Ahead* ahead) noexcept nogil:
    """The live order that a command names, if it is its owner's; 0 = none. O(1)."""
    cdef const Order* order = order_at(books, ahead.slot)
    cdef uint32_t slot
    # Names are unique among live orders, so a live order with the name is the one, wherever the guess came from.
    if command.order_id == 0:
        if order.level and order.client_ref == command.client_ref and order.owner == command.owner:
            return ahead.slot
        return find_ref(books, ahead.hashed, command.owner, command.client_ref)
    slot = find_id(books, command.order_id)
    return slot if slot and order_at(books, slot).owner == command.owner else 0

cdef inline bint is_special(const Books* books, uint32_t slot) noexcept nogil:
    """Whether a change of this order may be more than the plain rules have. Every order with an Extra makes it so."""
    return books.instruments[level_at(&books.nodes, order_at(books, slot).level).instrument].is_special != 0

cdef inline int run_command(Books* books, const Command* command, const Ahead* ahead) except -1 nogil:
    """One command; its reports are appended. Room for OUTCOMES reports is there."""
    cdef uint32_t slot
    books.commands += 1
    if command.kind == NEW:
        return new_order(books, command, ahead.hashed)
    if command.kind == DEFINE:
        return define(books, <const Definition*>command)
    if command.kind < CANCEL or command.kind > REENTER:
        return run_command_3(books, command) if books.rules >= 3 else refuse(books, command, UNKNOWN_COMMAND)
    slot = find_target(books, command, ahead)
    if slot == 0:
        return refuse(books, command, UNKNOWN_ORDER)
    if unlikely(books.special != 0) or unlikely(asks_for_more(command)):
        if books.rules >= 3 and (asks_for_more(command) or is_special(books, slot)):
            return change_special(books, slot, command)
        if asks_for_more(command):
            return refuse_order(books, slot, command, INVALID_FLAGS)
    if command.kind == CANCEL:
        return cancel_order(books, slot, CANCEL)
    if command.kind == REDUCE:
        return reduce_order(books, slot, command)
    return replace_order(books, slot, command)

cdef int run_commands(Books* books, const Command* commands, size_t count) except -1 nogil:
    """Run `count` commands in order and append their reports. Raises MemoryError, and for a broken invariant."""
    cdef Ahead ahead[BLOCK]
    cdef size_t i, size
    while count:
        size = min(<size_t>BLOCK, count)
        look_ahead(books, commands, ahead, size)
        if books.instrument_count > MANY_BOOKS:
            look_at_books(books, commands, ahead, size)
        # For the whole block: match reserves for its trades and leaves this room.
        reserve_reports(books, size * OUTCOMES)
        for i in range(size):
            # The commands of the block after the next, one at a time: what streams in hides behind the work. Asked for
            # in one go they took 10 ns each. Past the end of the batch a prefetch does nothing that can be seen.
            prefetch(&commands[i + 2 * BLOCK])
            prefetch(<const char*>&commands[i + 2 * BLOCK] + 63)
            run_command(books, &commands[i], &ahead[i])
        commands += size
        count -= size
    return 0
