# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: slots come from the pools and the index alone, instrument numbers are checked here.
"""The commands where more than the plain rules hold, and the work that they leave.

A command does at once what takes a bounded time; the rest (trades of an auction, orders that a mass cancel or a time
takes away, stops, pegs) is work that `work_on` does a step at a time. The same comes out however it is cut.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from engine.auction cimport (
    NO_PHASE_STEP, collect, enter_phase, list_order, list_orders, step_phase, waits_for,
)
from engine.emit cimport KEPT_PRIORITY_BYTE, emit_refusal
from engine.entry cimport (
    Terms, amended, change_refusal, definition_is_valid, has_reserved_bytes, keeps_place, may_follow, new_refusal_3,
    new_terms, phase_is_valid, protection_is_valid, replace_refusal_3, set_trailing, slid,
)
from engine.events cimport EVENT_AMEND, EVENT_REDUCE, note_command, note_less, note_moving
from engine.matching cimport close_order, cut_list, later, match_order, sort_listed
from engine.places cimport (
    EMPTY, add_row, add_table, extra_of, filled_of, give_extra, has_extra, instrument_of, leaves_of, make_order,
    next_timer, place_of, price_of_order, prices_of, put_order, settle_terms, shows_of, take_off, take_out, timer_set,
    timer_set_phase, waits_for_price,
)
from engine.queue cimport find_id
from engine.state cimport (
    Books, Listed, Market, Prices, TRAIT_CAPACITY, TRAIT_FLAGS, TRAIT_TIME_IN_FORCE, Touched, classify,
    market_of, need_market, order_at, set_terms, side_of_order, reserve_reports,
)
from engine.store cimport Extra, Increment, Order, SHOWN, Timer, WAITING, pool_give, pool_take
from engine.tell cimport (
    display_of, tell, tell_accepted, tell_displayed, tell_order, tell_reduced, tell_refused, tell_shown,
)
from engine.triggers cimport NOTHING_AFTER, begin_aftermath, place_peg, step_aftermath
from engine.types cimport (
    ADVANCE, ADVANCED, BY_ACCOUNT, BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CANCEL, CHANGE, CHANGED, CLOSED,
    CONTINUOUS, Command, DELISTED, Definition, EXPIRED, EXTENDED, INSTRUMENT_DELISTED,
    INVALID_DEFINITION, INVALID_FILTER, INVALID_PHASE, INVALID_PROTECTION, INVALID_QUANTITY, INVALID_TICK_TABLE,
    MASS_CANCEL, MASS_CANCELLED, MASS_REQUESTED, NONE, PEGGED, PHASE, POST_ONLY_SLIDE, PROTECT, PhaseChange, Protection,
    REDUCE, REJECTED, REPLACED, REQUESTED, SELL, SHOWS_SLICE, TICK, TIME_GOES_BACK, TickRow,
    UNKNOWN_COMMAND, UNKNOWN_INSTRUMENT, VOLATILITY_AUCTION,
)

cdef enum:
    FLAGS_BYTE = 40
    ALL_FILTERS = 31
    SEVERAL = 66            # reports, reserved where a command of the plain rules would have

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
    slot = enter(books, command, &terms)
    tell_accepted(books, slot)
    arrive(books, slot, command.min_quantity_lots if command.flags & EXTENDED else 0)
    begin_aftermath(books, instrument, &before)
    return leave_work(books) if has_work(books) else 0

cdef uint32_t enter(Books* books, const Command* command, const Terms* terms) except 0 nogil:
    """The record of an accepted order, in no place."""
    cdef uint32_t slot = make_order(books, command.instrument)
    cdef Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    books.last_order_id += 1
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
    return place_peg(books, slot) if extra.order_type == PEGGED else match_order(books, slot, minimum)

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
    begin_aftermath(books, instrument, &before)
    return leave_work(books) if has_work(books) else 0

cdef int reduce_special(Books* books, uint32_t slot, int64_t amount) except -1 nogil:
    cdef int64_t shown = order_at(books, slot).leaves_lots
    if amount <= 0:
        return tell_refused(books, slot, INVALID_QUANTITY)
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

# ---------------------------------------------------------------- MASS_CANCEL and ADVANCE

cdef bint matches(const Books* books, const Order* order, const Command* asked) noexcept nogil:
    """Whether a mass cancel means this order; an order without a price is in no range of prices."""
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

cdef int choose_order(Books* books, uint32_t slot) except -1 nogil:
    if not books.chosen:
        cut_list(&books.list, 1)
        books.chosen = True
    return list_order(books, slot)

cdef int begin_mass_cancel(Books* books, const Command* command) except -1 nogil:
    """List what it means by order id, unless that was chosen, and the instruments where something follows.

    O(slots of the machine), or O(what was chosen).
    """
    cdef uint32_t slot
    if command.flags & ~<uint32_t>ALL_FILTERS or command.reserved_7 or command.side > SELL:
        return refuse(books, command, INVALID_FILTER)
    if command.flags & BY_INSTRUMENT and command.instrument >= books.instrument_count:
        return refuse(books, command, UNKNOWN_INSTRUMENT)
    if not books.chosen:
        cut_list(&books.list, 1)
        for slot in range(1, books.orders.top):
            if order_at(books, slot).level and matches(books, order_at(books, slot), command):
                list_order(books, slot)
        sort_listed(&books.list, 1)
    books.chosen = False
    list_touched(books)
    books.work.command = MASS_CANCEL
    books.work.position = 1
    books.work.mass = command[0]
    return 0

cdef int list_touched(Books* books) except -1 nogil:
    """The instruments of Books.list that have a market, rising, with their prices now."""
    cdef uint32_t i, number
    cdef Touched* touched
    cut_list(&books.touched, 1)
    books.work.touched = 1
    for i in range(1, books.list.top):
        number = instrument_of(books, order_at(books, (<Listed*>books.list.records)[i].slot))
        if books.instruments[number].market:
            market_of(books, number).is_touched = 1
    for number in range(books.instrument_count):
        if books.instruments[number].market and market_of(books, number).is_touched:
            market_of(books, number).is_touched = 0
            if pool_take(&books.touched, sizeof(Touched)) == 0:
                raise MemoryError("no memory for the instruments of a mass cancel")
            touched = &(<Touched*>books.touched.records)[books.touched.top - 1]
            touched.instrument = number
            prices_of(books, number, &touched.before)
    return 0

cdef int step_mass_cancel(Books* books) except -1 nogil:
    """One order; behind the last the outcome; then what follows, an instrument at a time."""
    cdef const Command* command = &books.work.mass
    cdef uint64_t* words
    cdef const Touched* touched
    if books.work.position < books.list.top:
        books.work.position += 1
        return close_order(books, (<Listed*>books.list.records)[books.work.position - 1].slot, MASS_REQUESTED)
    if books.work.position == books.list.top:
        books.work.position += 1
        words = tell(books, MASS_CANCELLED, NONE, command.instrument)
        words[0] |= <uint64_t>command.flags << FLAGS_BYTE
        words[1] |= <uint64_t>command.owner << 32
        words[5] = books.list.top - 1
    if books.work.touched == books.touched.top:
        cut_list(&books.list, 1)
        cut_list(&books.touched, 1)
        books.work.command = 0
        return 0
    touched = &(<Touched*>books.touched.records)[books.work.touched]
    books.work.touched += 1
    begin_aftermath(books, touched.instrument, &touched.before)
    return 0

cdef int begin_advance(Books* books, const Command* command) except -1 nogil:
    """Time never goes back."""
    if command.expire_ns < books.time_ns:
        return refuse(books, command, TIME_GOES_BACK)
    books.time_ns = command.expire_ns
    tell(books, ADVANCED, NONE, 0)
    books.work.command = ADVANCE
    return 0

cdef int step_advance(Books* books) except -1 nogil:
    """One order that expires, or the end of one phase: by time, orders first, by number."""
    cdef const Timer* next = next_timer(books)
    cdef Timer timer
    cdef Market* market
    cdef Prices before
    cdef uint32_t instrument, slot
    cdef int64_t lasts_ns, until_ns = 0
    if next == NULL or next.due_ns > books.time_ns:
        books.work.command = 0
        return 0
    timer = next[0]
    if not timer.is_phase:
        slot = find_id(books, timer.number)
        instrument = instrument_of(books, order_at(books, slot))
        prices_of(books, instrument, &before)
        close_order(books, slot, EXPIRED)
        begin_aftermath(books, instrument, &before)
        return 0
    instrument = <uint32_t>timer.number
    market = market_of(books, instrument)
    lasts_ns = market.auction_ns if market.next_phase == VOLATILITY_AUCTION else 0
    if lasts_ns:
        until_ns = later(timer.due_ns, lasts_ns)
    return enter_phase(books, instrument, market.next_phase, CONTINUOUS, until_ns, until_ns)

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
    market.phase = market.next_phase = CLOSED
    timer_set_phase(books, instrument, 0)
    for i in range(4):
        market.seen[i] = EMPTY
    classify(books, instrument)
    cut_list(&books.list, 1)
    list_orders(books, instrument, True)
    books.work.command = CHANGE
    books.work.position = 1
    return 0

cdef int step_delisting(Books* books) except -1 nogil:
    if books.work.position == books.list.top:
        cut_list(&books.list, 1)
        books.work.command = 0
        return 0
    books.work.position += 1
    return close_order(books, (<Listed*>books.list.records)[books.work.position - 1].slot, INSTRUMENT_DELISTED)

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
    if protection.instrument >= books.instrument_count:
        reason = UNKNOWN_INSTRUMENT
    elif not protection_is_valid(protection):
        reason = INVALID_PROTECTION
    if reason:
        tell(books, REJECTED, reason, protection.instrument)
        return 0
    market = need_market(books, protection.instrument)
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
    return 0

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

cdef int refuse(Books* books, const Command* command, uint64_t reason) except -1 nogil:
    reserve_reports(books, SEVERAL)
    emit_refusal(books, command, reason)
    return 0

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

cdef int step(Books* books) except -1 nogil:
    """The innermost thing that is begun goes on: what follows an input, a phase, a command."""
    if books.work.after_step != NOTHING_AFTER:
        return step_aftermath(books)
    if books.work.phase_step != NO_PHASE_STEP:
        return step_phase(books)
    if books.work.command == MASS_CANCEL:
        return step_mass_cancel(books)
    if books.work.command == ADVANCE:
        return step_advance(books)
    return step_delisting(books)

cdef bint work_on(Books* books, int64_t steps) except -1 nogil:
    while steps > 0 and has_work(books):
        step(books)
        steps -= 1
    # The commands behind it in a block find the room that was reserved for the block.
    reserve_reports(books, SEVERAL)
    return not has_work(books)

cdef int leave_work(Books* books) except -1 nogil:
    """The command was begun; the rest is done now, unless the owner wants to do it in pieces."""
    if not books.leaves_work:
        work_on(books, INT64_MAX)
    return 0
