"""What Python asks for, as command records.

Holds nothing. Raises OverflowError for a number that its field cannot hold, TypeError for a term that there is not.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from engine.index cimport hash_ref
from engine.places cimport EMPTY, extra_of, has_extra, time_in_force_of
from engine.queue cimport find_id, find_ref
from engine.state cimport Books, order_at
from engine.store cimport Extra, Order
from engine.trails cimport stop_of
from engine.types cimport (
    ALL_OR_NONE, Command, Definition, EXTENDED, HIDDEN, MARKET, PEGGED, POST_ONLY_SLIDE, STOP, STOP_LIMIT,
    TRAILING_STOP,
)

cdef dict TERMS = {
    "slide": False, "hidden": False, "all_or_none": False, "display": 0, "min_quantity": 0, "stop": None, "trail": 0,
    "peg": 0, "offset": 0, "peg_limit": None, "expire_ns": 0, "account": 0, "self_match_group": 0, "self_match_mode": 0,
}

cdef int take_terms(
    Command* command, uint8_t kind, object instrument, tuple limits, object algorithm, bint top_order,
    object pro_rata_minimum, object trigger, object tick_table,
) except -1:
    cdef Definition* definition = <Definition*>command
    lot, least, most, low, high, protection = limits
    memset(command, 0, sizeof(Command))
    definition.kind = kind
    definition.instrument = instrument
    definition.lot_lots = index(lot)
    definition.min_lots = index(least)
    definition.max_lots = index(most)
    definition.low_ticks = EMPTY if low is None else index(low)
    definition.high_ticks = EMPTY if high is None else index(high)
    definition.protection_ticks = -1 if protection is None else index(protection)
    definition.algorithm = index(algorithm)
    definition.top_order = top_order
    definition.pro_rata_minimum_lots = index(pro_rata_minimum)
    definition.trigger = index(trigger)
    definition.tick_table = index(tick_table)
    return 0

cdef int add_terms(Command* command, dict given) except -1:
    # As names of their own they would cost each call of `submit` a tenth more.
    cdef dict terms = TERMS | given
    if len(terms) > len(TERMS):
        raise TypeError(f"submit has no term {', '.join(sorted(given.keys() - TERMS.keys()))}; see its help")
    if terms["slide"]:
        command.flags |= POST_ONLY_SLIDE
    if terms["hidden"]:
        command.flags |= HIDDEN
    if terms["all_or_none"]:
        command.flags |= ALL_OR_NONE
    command.account = index(terms["account"])
    command.self_match_group = index(terms["self_match_group"])
    command.self_match_mode = index(terms["self_match_mode"])
    return extend(
        command, terms["display"], terms["min_quantity"], terms["stop"], terms["trail"], terms["peg"], terms["offset"],
        terms["peg_limit"], terms["expire_ns"],
    )

cdef int extend(
    Command* command, object display, object min_quantity, object stop, object trail, object peg, object offset,
    object peg_limit, object expire_ns,
) except -1:
    """The second line of an order, when anything of it is asked for; and the type that this makes of it."""
    if stop is None and peg_limit is None and not (
        display or min_quantity or trail or peg or offset or expire_ns
    ):
        return 0
    if peg:
        command.order_type = PEGGED
    elif trail:
        command.order_type = TRAILING_STOP
    elif stop is not None:
        command.order_type = STOP if command.order_type == MARKET else STOP_LIMIT
    command.flags |= EXTENDED
    command.display_lots = index(display)
    command.min_quantity_lots = index(min_quantity)
    command.stop_price_ticks = EMPTY if stop is None else index(stop)
    command.offset_ticks = index(trail or offset)
    command.peg_kind = index(peg)
    command.peg_limit_ticks = EMPTY if peg_limit is None else index(peg_limit)
    command.expire_ns = index(expire_ns)
    return 0

cdef void take_own_terms(const Books* books, Command* command, bint extended) noexcept:
    cdef uint32_t slot = named_slot(books, command)
    cdef const Order* order = order_at(books, slot)
    cdef const Extra* extra
    if extended:
        command.flags = EXTENDED
    if slot == 0:
        return
    command.quantity_lots = order.total_lots
    if not extended:
        return
    command.time_in_force = time_in_force_of(order)
    command.stop_price_ticks = command.peg_limit_ticks = EMPTY
    if has_extra(order):
        extra = extra_of(books, order)
        command.display_lots = extra.display_lots
        command.stop_price_ticks = stop_of(books, order, extra)
        command.offset_ticks = extra.offset_ticks
        command.peg_limit_ticks = extra.peg_limit_ticks
        command.expire_ns = extra.expire_ns

cdef uint32_t named_slot(const Books* books, const Command* command) noexcept:
    """The live order that a command names, if it is its owner's; 0 = none."""
    cdef uint32_t slot
    if command.order_id == 0:
        return find_ref(books, hash_ref(command.owner, command.client_ref), command.owner, command.client_ref)
    slot = find_id(books, command.order_id)
    return slot if slot and order_at(books, slot).owner == command.owner else 0
