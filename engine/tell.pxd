# Reports about any order, and about instruments; under the command that is run.
#
# They reserve their own room: a command of this kind has no bound to how many it gives.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.emit cimport (
    COMMAND_KIND_BYTE, ORDER_TYPE_BYTE, REASON_BYTE, SIDE_BYTE, TIME_IN_FORCE_BYTE, emit_refusal, new_report,
)
from engine.places cimport (
    EMPTY, extra_of, filled_of, has_extra, instrument_of, leaves_of, place_of, price_of_order, shows_of, type_of,
)
from engine.state cimport Books, TRAIT_FLAGS, order_at, reserve_reports, side_of_order
from engine.store cimport Order, SHOWN
from engine.types cimport (
    ACCEPTED, CANCELLED, Command, DISPLAYED, REDUCED, REJECTED, REPRICED, SHOWS_SLICE, TRADE,
)

cdef enum:
    OTHERS = 66             # BLOCK * OUTCOMES of book.pyx, which its own commands have reserved, and two more

cdef inline uint64_t* tell_order(Books* books, uint32_t slot, uint64_t kind, uint64_t reason) except NULL nogil:
    """The order as it is; the last words are zero, and the caller's."""
    cdef const Order* order
    cdef uint64_t* words
    cdef int i
    reserve_reports(books, OTHERS)
    order = order_at(books, slot)
    words = new_report(books)
    words[0] = (
        kind | reason << REASON_BYTE | <uint64_t>side_of_order(order) << SIDE_BYTE
        | <uint64_t>type_of(books, order) << ORDER_TYPE_BYTE
        | <uint64_t>(order.traits & 0x7FFF00) << (TIME_IN_FORCE_BYTE - 8)
        | <uint64_t>books.command_kind << COMMAND_KIND_BYTE
    )
    words[1] = instrument_of(books, order) | <uint64_t>order.owner << 32
    words[2] = order.client_ref
    words[3] = order.order_id
    words[4] = <uint64_t>price_of_order(books, order)
    words[5] = <uint64_t>order.total_lots
    words[6] = <uint64_t>leaves_of(books, order)
    words[7] = <uint64_t>filled_of(books, order)
    words[8] = books.commands
    for i in range(9, 16):
        words[i] = 0
    return words

cdef inline void tell_shown(Books* books, uint32_t slot, uint64_t* words, int64_t lots) noexcept nogil:
    """What is shown of it: a slice of so many lots, all, or nothing."""
    words[14] = <uint64_t>lots
    words[15] = <uint64_t>shows_of(books, order_at(books, slot)) << 32

cdef inline int64_t display_of(Books* books, uint32_t slot) noexcept nogil:
    return extra_of(books, order_at(books, slot)).display_lots if has_extra(order_at(books, slot)) else 0

cdef inline int tell_accepted(Books* books, uint32_t slot) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, ACCEPTED, 0)
    tell_shown(books, slot, words, display_of(books, slot))
    return 0

cdef inline int tell_cancelled(Books* books, uint32_t slot, uint64_t reason) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, CANCELLED, reason)
    words[11] = words[6]
    words[6] = 0
    return 0

cdef inline int64_t slice_of(const Books* books, const Order* order) noexcept nogil:
    """What an iceberg shows in the book; 0 = it is none, or in no book."""
    return order.leaves_lots if place_of(books, order) == SHOWN and shows_of(books, order) == SHOWS_SLICE else 0

cdef inline int tell_reduced(Books* books, uint32_t slot, int64_t lots, uint64_t reason) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, REDUCED, reason)
    cdef const Order* order = order_at(books, slot)
    words[11] = <uint64_t>lots
    tell_shown(books, slot, words, slice_of(books, order))
    return 0

cdef inline int tell_displayed(Books* books, uint32_t slot) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, DISPLAYED, 0)
    cdef const Order* order = order_at(books, slot)
    words[13] = extra_of(books, order).feed_id
    if words[13] == 0:
        words[13] = order.order_id
    words[14] = <uint64_t>order.leaves_lots
    return 0

cdef inline int tell_repriced(Books* books, uint32_t slot, int64_t price_before) except -1 nogil:
    cdef uint64_t* words = tell_order(books, slot, REPRICED, 0)
    words[10] = <uint64_t>price_before
    words[11] = words[6]
    tell_shown(books, slot, words, display_of(books, slot))
    return 0

cdef inline int tell_trade(Books* books, uint32_t taker, uint32_t maker, int64_t price, int64_t lots) except -1 nogil:
    """Leaves of both are already those after the trade."""
    cdef uint64_t* words = tell_order(books, taker, TRADE, 0)
    cdef const Order* other = order_at(books, maker)
    books.last_trade_id += 1
    words[9] = books.last_trade_id
    words[10] = <uint64_t>price
    words[11] = <uint64_t>lots
    words[12] = other.client_ref
    words[13] = other.order_id
    words[14] = <uint64_t>leaves_of(books, other)
    words[15] = other.owner | <uint64_t>shows_of(books, other) << 32
    return 0

cdef inline int refuse(Books* books, const Command* command, uint64_t reason) except -1 nogil:
    """A refusal before an order was found or made."""
    reserve_reports(books, OTHERS)
    emit_refusal(books, command, reason)
    return 0

cdef inline int tell_refused(Books* books, uint32_t slot, uint64_t reason) except -1 nogil:
    """A refusal after the order was found."""
    tell_order(books, slot, REJECTED, reason)
    return 0

cdef inline uint64_t* tell(Books* books, uint64_t kind, uint64_t reason, uint32_t instrument) except NULL nogil:
    """The outcome of a command that is about no order; the other words are the caller's."""
    cdef uint64_t* words
    cdef int i
    reserve_reports(books, OTHERS)
    words = new_report(books)
    words[0] = kind | reason << REASON_BYTE | <uint64_t>books.command_kind << COMMAND_KIND_BYTE
    words[1] = instrument
    for i in range(2, 16):
        words[i] = 0
    words[8] = books.commands
    return words
