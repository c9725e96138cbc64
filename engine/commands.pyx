# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone, instrument numbers are checked here.
"""The commands where more than the plain rules hold.

A command does at once what takes a bounded time; the rest (trades, orders that a mass cancel or a time takes away,
stops, pegs) is work that it leaves: see work.pyx.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.emit cimport Incoming, KEPT_PRIORITY_BYTE
from engine.entry cimport (
    Terms, amended, change_refusal, definition_is_valid, has_reserved_bytes, keeps_place, may_follow, new_refusal_3,
    new_terms, phase_is_valid, protection_is_valid, replace_refusal_3, set_trailing, slid,
)
from engine.events cimport EVENT_AMEND, EVENT_REDUCE, note_command, note_less, note_moving
from engine.ladder cimport price_of
from engine.many cimport begin_advance, begin_delisting, begin_mass_cancel
from engine.matching cimport begin_match, close_order, go_on_matching
from engine.pegs cimport place_peg
from engine.phases cimport collect, enter_phase, waits_for
from engine.places cimport (
    EMPTY, add_row, add_table, extra_of, filled_of, give_extra, instrument_of, leaves_of, make_order, new_extra,
    place_of, price_of_order, prices_of, put_order, settle_terms, shows_of, take_off, take_out, time_in_force_of,
    waits_for_price,
)
from engine.state cimport (
    Books, Market, Prices, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, classify, market_of, need_market, order_at,
    set_terms, side_of_order,
)
from engine.store cimport Extra, Increment, Order, SHOWN, WAITING, pool_give
from engine.tell cimport (
    display_of, refuse, tell, tell_accepted, tell_displayed, tell_order, tell_reduced, tell_refused, tell_shown,
)
from engine.timers cimport expect_phase, timer_set
from engine.triggers cimport begin_aftermath
from engine.types cimport (
    ADVANCE, CANCEL, CHANGE, CHANGED, CLOSED, CONTINUOUS, Command, DELISTED, Definition, EXTENDED, FOK,
    INVALID_DEFINITION, INVALID_PHASE, INVALID_PROTECTION, INVALID_QUANTITY, INVALID_TICK_TABLE, MASS_CANCEL,
    NEGATIVE_QUANTITY, NONE, PEGGED, PHASE, POST_ONLY_SLIDE, PROTECT, PhaseChange, Protection, REDUCE, REJECTED,
    REPLACED, REQUESTED, SHOWS_SLICE, TICK, TickRow, UNKNOWN_COMMAND, UNKNOWN_INSTRUMENT,
)
from engine.work cimport has_work, leave_work

# ---------------------------------------------------------------- NEW

cdef int new_special(Books* books, const Command* command, uint64_t hashed) except -1 nogil:
    cdef uint64_t reason
    cdef Terms terms
    cdef uint32_t slot
    cdef Prices before
    cdef uint32_t instrument = command.instrument
    books.command_kind = command.kind
    note_command(books)
    need_market(books, instrument)
    reason = new_refusal_3(books, command, hashed)
    if reason:
        return refuse(books, command, reason)
    prices_of(books, instrument, &before)
    new_terms(books, command, &terms)
    books.last_order_id += 1
    slot = enter(books, command, &terms)
    tell_accepted(books, slot)
    arrive(books, slot, command.min_quantity_lots if command.flags & EXTENDED else 0)
    begin_aftermath(books, instrument, &before)
    return leave_work(books) if has_work(books) else 0

cdef uint32_t enter(Books* books, const Command* command, const Terms* terms) except 0 nogil:
    """The record of the order that was accepted last, in no place."""
    cdef uint32_t slot = make_order(books, command.instrument)
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    order.order_id = books.last_order_id
    order.client_ref = command.client_ref
    order.leaves_lots = command.quantity_lots
    order.total_lots = command.quantity_lots
    order.owner = command.owner
    order.traits = (
        command.side | <uint32_t>command.time_in_force << TRAIT_TIME_IN_FORCE
        | (<uint32_t>command.flags | EXTENDED) << TRAIT_FLAGS | <uint32_t>command.capacity << TRAIT_CAPACITY
    )
    extra.account = command.account
    extra.self_match_group = command.self_match_group
    extra.self_match_mode = command.self_match_mode
    extra.order_type = command.order_type
    if command.flags & EXTENDED:
        extra.peg_kind = command.peg_kind
    take_terms(books, slot, terms)
    return slot

cdef int take_terms(Books* books, uint32_t slot, const Terms* terms) except -1 nogil:
    """What a replace may change, but for the quantities."""
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    order.traits = order.traits & ~(<uint32_t>0xFF << TRAIT_TIME_IN_FORCE) | terms.time_in_force << TRAIT_TIME_IN_FORCE
    extra.price_ticks = terms.price_ticks
    extra.display_lots = terms.display_lots
    if terms.display_lots == 0:
        extra.feed_id = 0
    extra.stop_price_ticks = terms.stop_price_ticks
    extra.offset_ticks = terms.offset_ticks
    extra.peg_limit_ticks = terms.peg_limit_ticks
    return timer_set(books, slot, terms.expire_ns)

cdef int arrive(Books* books, uint32_t slot, int64_t minimum) except -1 nogil:
    """Where an order goes that was accepted or has new terms."""
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra = extra_of(books, order)
    cdef uint8_t phase = market_of(books, extra.instrument).phase
    if waits_for_price(extra.order_type, extra.is_elected):
        return put_order(books, slot, WAITING)
    if phase != CONTINUOUS or waits_for(order, phase):
        return collect(books, slot)
    return place_peg(books, slot) if extra.order_type == PEGGED else begin_match(books, slot, minimum)

cdef int go_on_as_new(Books* books, const Command* command, const Incoming* taker) except -1 nogil:
    cdef Terms terms
    cdef uint32_t slot
    new_terms(books, command, &terms)
    slot = enter(books, command, &terms)
    order_at(books, slot).leaves_lots = taker.leaves_lots
    return go_on(books, slot, taker, command.kind)

cdef int go_on_again(Books* books, const Incoming* taker, uint64_t command_kind) except -1 nogil:
    cdef Order* order = order_at(books, taker.slot)
    order.leaves_lots = taker.leaves_lots
    order.total_lots = taker.total_lots
    new_extra(books, taker.slot, taker.instrument)
    extra_of(books, order).price_ticks = taker.price_ticks
    extra_of(books, order).is_known = 1
    return go_on(books, taker.slot, taker, command_kind)

cdef int go_on(Books* books, uint32_t slot, const Incoming* taker, uint64_t command_kind) except -1 nogil:
    """One that must be filled at once and has not traded is still to be found fillable."""
    cdef const Order* order = order_at(books, slot)
    cdef int64_t limit = price_of(taker.limit_key, taker.side ^ 1)
    books.command_kind = <uint32_t>command_kind
    books.is_noted = False
    if time_in_force_of(order) == FOK and order.leaves_lots == order.total_lots:
        return begin_match(books, slot, 0)
    return go_on_matching(books, slot, limit)

# ---------------------------------------------------------------- changes of an order

cdef int change_special(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef uint32_t instrument = instrument_of(books, order_at(books, slot))
    cdef Prices before
    cdef uint64_t reason
    books.command_kind = command.kind
    note_command(books)
    need_market(books, instrument)
    reason = change_refusal(books, slot, command)
    if reason:
        return tell_refused(books, slot, reason)
    prices_of(books, instrument, &before)
    if command.kind == CANCEL:
        close_order(books, slot, REQUESTED)
    elif command.kind == REDUCE:
        reduce_special(books, slot, command.quantity_lots)
    else:
        replace_special(books, slot, command)
    if books.reports[books.report_count - 1].kind == REJECTED:
        return 0                # what is refused changes nothing: nor do pegs follow
    begin_aftermath(books, instrument, &before)
    return leave_work(books) if has_work(books) else 0

cdef int reduce_special(Books* books, uint32_t slot, int64_t amount) except -1 nogil:
    cdef int64_t shown = order_at(books, slot).leaves_lots
    if amount <= 0:
        return tell_refused(books, slot, NEGATIVE_QUANTITY if amount < 0 else INVALID_QUANTITY)
    if amount >= leaves_of(books, order_at(books, slot)):
        return close_order(books, slot, REQUESTED)
    take_off(books, slot, amount)
    tell_reduced(books, slot, amount, NONE)
    return note_less(books, slot, EVENT_REDUCE, shown)

cdef int replace_special(Books* books, uint32_t slot, const Command* command) except -1 nogil:
    cdef Terms terms
    cdef uint64_t reason
    cdef int64_t price_before, leaves_before, filled
    cdef bint keeps
    amended(books, slot, command, &terms)
    reason = replace_refusal_3(books, slot, &terms, command)
    if reason:
        return tell_refused(books, slot, reason)
    keeps = keeps_place(books, slot, &terms, command)
    price_before = price_of_order(books, order_at(books, slot))
    leaves_before = leaves_of(books, order_at(books, slot))
    filled = filled_of(books, order_at(books, slot))
    if keeps:
        return amend_in_place(books, slot, &terms, price_before, leaves_before)
    if place_of(books, order_at(books, slot)) == WAITING:
        set_trailing(
            books, instrument_of(books, order_at(books, slot)), side_of_order(order_at(books, slot)), &terms
        )
    take_out(books, slot)
    note_moving(books)
    if order_at(books, slot).traits >> TRAIT_FLAGS & POST_ONLY_SLIDE:
        terms.price_ticks = slid(
            books, extra_of(books, order_at(books, slot)).instrument, side_of_order(order_at(books, slot)),
            terms.price_ticks,
        )
    order_at(books, slot).total_lots = terms.total_lots
    order_at(books, slot).leaves_lots = terms.total_lots - filled
    take_terms(books, slot, &terms)
    tell_replaced(books, slot, price_before, leaves_before, False)
    return arrive(books, slot, 0)

cdef int tell_replaced(
    Books* books, uint32_t slot, int64_t price_before, int64_t leaves_before, bint kept
) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, REPLACED, 0)
    words[0] |= <uint64_t>kept << KEPT_PRIORITY_BYTE
    words[10] = <uint64_t>price_before
    words[11] = <uint64_t>leaves_before
    tell_shown(books, slot, words, display_of(books, slot))
    return 0

cdef int amend_in_place(
    Books* books, uint32_t slot, const Terms* terms, int64_t price_before, int64_t leaves_before
) except -1 nogil:
    """Less of it, or of it shown, or another time in force: it shows at most what it showed."""
    cdef int64_t shown = order_at(books, slot).leaves_lots
    if order_at(books, slot).total_lots > terms.total_lots:
        take_off(books, slot, order_at(books, slot).total_lots - terms.total_lots)
    give_extra(books, slot)
    take_terms(books, slot, terms)
    settle_terms(books, slot)
    tell_replaced(books, slot, price_before, leaves_before, True)
    note_less(books, slot, EVENT_AMEND, shown)
    if place_of(books, order_at(books, slot)) == SHOWN and shows_of(books, order_at(books, slot)) == SHOWS_SLICE:
        return tell_displayed(books, slot)
    return 0

# ---------------------------------------------------------------- instruments

cdef int define_3(Books* books, const Definition* definition) except -1 nogil:
    """DEFINE: what comes behind the terms of version 2. The instrument was added."""
    cdef Market* market
    if not (
        definition.algorithm or definition.top_order or definition.trigger or definition.phase or definition.tick_table
        or definition.pro_rata_minimum_lots
    ):
        return 0
    market = need_market(books, definition.instrument)
    market.phase = market.next_phase = definition.phase
    return take_market_terms(books, definition)

cdef int take_market_terms(Books* books, const Definition* definition) except -1 nogil:
    cdef Market* market = market_of(books, definition.instrument)
    market.algorithm = definition.algorithm
    market.top_order = definition.top_order
    market.trigger = definition.trigger
    market.tick_table = definition.tick_table
    market.pro_rata_minimum_lots = definition.pro_rata_minimum_lots
    classify(books, definition.instrument)
    return 0

cdef int change(Books* books, const Definition* definition) except -1 nogil:
    """New terms hold for what comes; orders that rest stay. Delisting ends them all, and trading for good."""
    cdef uint32_t instrument = definition.instrument
    cdef uint64_t reason = NONE
    cdef Market* market
    cdef Prices before
    cdef int i
    if instrument >= books.instrument_count:
        reason = UNKNOWN_INSTRUMENT
    elif books.instruments[instrument].market and market_of(books, instrument).is_delisted:
        reason = DELISTED
    elif not definition_is_valid(books, definition) or definition.phase:
        reason = INVALID_DEFINITION
    if reason:
        tell(books, REJECTED, reason, instrument)
        return 0
    market = need_market(books, instrument)
    prices_of(books, instrument, &before)
    set_terms(
        &books.instruments[instrument], definition.lot_lots, definition.min_lots, definition.max_lots,
        definition.low_ticks, definition.high_ticks, definition.protection_ticks,
    )
    take_market_terms(books, definition)
    tell(books, CHANGED, NONE, instrument)
    if not definition.delist:
        begin_aftermath(books, instrument, &before)
        return 0
    market.is_delisted = 1
    market.phase = CLOSED
    expect_phase(books, instrument, CLOSED, 0)
    for i in range(4):
        market.seen[i] = EMPTY
    classify(books, instrument)
    begin_delisting(books, instrument)
    return 0

cdef int tick(Books* books, const TickRow* row) except -1 nogil:
    """A row from EMPTY_PRICE begins a table, a new one or one that is there, anew; the others follow it, rising."""
    cdef uint32_t count = books.tables.top - 1, last = 0, made
    cdef Increment* increments = <Increment*>books.increments.records
    cdef bint begins = row.from_ticks == EMPTY, known = 1 <= row.table <= count
    cdef bint valid = row.tick_ticks >= 1 and not has_reserved_bytes(row, 1, 8) and not row.reserved_12
    valid = valid and not has_reserved_bytes(row, 32, 128)
    if known:
        last = (<uint32_t*>books.tables.records)[row.table]
        while increments[last].next:
            last = increments[last].next
    if begins:
        valid = valid and 1 <= row.table <= count + 1
    else:
        valid = valid and known and row.from_ticks > increments[last].from_ticks
        valid = valid and row.from_ticks % row.tick_ticks == 0
    if not valid:
        tell(books, REJECTED, INVALID_TICK_TABLE, row.table)
        return 0
    if begins and known:
        drop_rows(books, row.table)
    made = add_row(books, row.from_ticks, row.tick_ticks, 0 if begins else last)
    if begins and known:
        (<uint32_t*>books.tables.records)[row.table] = made
    elif begins:
        add_table(books, made)
    tell(books, CHANGED, NONE, row.table)
    return 0

cdef void drop_rows(Books* books, uint32_t table) noexcept nogil:
    cdef uint32_t row = (<uint32_t*>books.tables.records)[table], following
    while row:
        following = (<Increment*>books.increments.records)[row].next
        pool_give(&books.increments, sizeof(Increment), row)
        row = following

cdef int protect(Books* books, const Protection* protection) except -1 nogil:
    """The protections of an instrument, all anew; the reference only when one is given."""
    cdef uint64_t reason = NONE
    cdef Market* market
    cdef Prices before
    if protection.instrument >= books.instrument_count:
        reason = UNKNOWN_INSTRUMENT
    elif market_of(books, protection.instrument).is_delisted:
        reason = DELISTED
    elif not protection_is_valid(protection):
        reason = INVALID_PROTECTION
    if reason:
        tell(books, REJECTED, reason, protection.instrument)
        return 0
    market = need_market(books, protection.instrument)
    prices_of(books, protection.instrument, &before)
    if protection.reference_ticks != EMPTY:
        market.reference_ticks = protection.reference_ticks
    market.static_ticks = protection.static_ticks
    market.dynamic_ticks = protection.dynamic_ticks
    market.distance_ticks = protection.distance_ticks
    market.max_notional = protection.max_notional
    market.breaker_bp = protection.breaker_bp
    market.halt_ns = protection.halt_ns
    market.auction_ns = protection.auction_ns
    classify(books, protection.instrument)
    tell(books, CHANGED, NONE, protection.instrument)
    return begin_aftermath(books, protection.instrument, &before)

cdef int change_phase(Books* books, const PhaseChange* asked) except -1 nogil:
    """An instrument enters a phase, which ends at a time, and by a number from outside somewhat later, or when told."""
    cdef uint64_t reason = NONE
    cdef int64_t until_ns = 0
    cdef Market* market
    if asked.instrument >= books.instrument_count:
        tell(books, REJECTED, UNKNOWN_INSTRUMENT, asked.instrument)
        return 0
    market = need_market(books, asked.instrument)
    if market.is_delisted:
        reason = DELISTED
    elif not phase_is_valid(asked, books.time_ns) or not may_follow(market.phase, asked.phase):
        reason = INVALID_PHASE
    elif asked.until_ns and not may_follow(asked.phase, asked.next_phase):
        reason = INVALID_PHASE
    if reason:
        tell(books, REJECTED, reason, asked.instrument)
        return 0
    if asked.until_ns:
        until_ns = asked.until_ns + <int64_t>(asked.random % (<uint64_t>asked.window_ns + 1))
    return enter_phase(books, asked.instrument, asked.phase, asked.next_phase, until_ns, asked.until_ns)

# ---------------------------------------------------------------- the way through a command

cdef int run_command_3(Books* books, const Command* command) except -1 nogil:
    books.command_kind = command.kind
    note_command(books)
    if command.kind == MASS_CANCEL:
        begin_mass_cancel(books, command)
    elif command.kind == ADVANCE:
        begin_advance(books, command)
    elif command.kind == PHASE:
        change_phase(books, <const PhaseChange*>command)
    elif command.kind == CHANGE:
        change(books, <const Definition*>command)
    elif command.kind == TICK:
        tick(books, <const TickRow*>command)
    elif command.kind == PROTECT:
        protect(books, <const Protection*>command)
    else:
        return refuse(books, command, UNKNOWN_COMMAND)
    return leave_work(books)
