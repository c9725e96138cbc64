# Reports, written once, where they stay: at the end of the books' buffer.
#
# Whoever emits has room: run_commands reserves it for a block of commands, match
# for its trades. Every byte is written, because the buffer has been used before.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.ladder cimport level_at
from engine.state cimport Books, TRAIT_TIME_IN_FORCE
from engine.store cimport Order
from engine.types cimport ACCEPTED, Command, LIMIT, NEW, REJECTED, TRADE

cdef enum:                  # the first word of a Report: where its bytes are
    SIDE_BYTE = 8
    REASON_BYTE = 16
    ORDER_TYPE_BYTE = 24
    TIME_IN_FORCE_BYTE = 32
    FLAGS_BYTE = 40
    COMMAND_KIND_BYTE = 48
    KEPT_PRIORITY_BYTE = 56

cdef struct Incoming:       # an order that comes to a book and does not simply rest
    uint64_t first          # its part of a report's first word, with the command's kind
    uint32_t instrument
    uint32_t owner
    uint64_t client_ref
    uint64_t order_id
    int64_t price_ticks     # EMPTY_PRICE: a market order
    int64_t total_lots
    int64_t leaves_lots
    uint32_t side
    uint32_t slot           # REPLACE, REENTER: its slot, which it keeps; NEW: 0
    uint64_t limit_key      # the worst key of the other side that it takes, from when it was matched on

cdef inline uint64_t* new_report(Books* books) noexcept nogil:
    """The next report as 16 words."""
    cdef uint64_t* words = <uint64_t*>&books.reports[books.report_count]
    books.report_count += 1
    return words

cdef inline void write_report(
    Books* books, uint64_t first, uint64_t instrument_and_owner, uint64_t client_ref, uint64_t order_id,
    int64_t price_ticks, int64_t quantity_lots, int64_t leaves_lots, int64_t cumulative_lots, int64_t last_lots
) noexcept nogil:
    """A report that is not a trade."""
    cdef uint64_t* words = new_report(books)
    words[0] = first
    words[1] = instrument_and_owner
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

cdef inline uint64_t instrument_and_owner(const Command* command) noexcept nogil:
    """The second word, which a command and a report have alike."""
    return (<const uint64_t*>command)[1]

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

cdef inline void emit_refusal(Books* books, const Command* command, uint64_t reason) noexcept nogil:
    """REJECTED before an order was found or made: the command's own fields are echoed."""
    write_report(
        books, REJECTED | echoed_word(command) | reason << REASON_BYTE | <uint64_t>command.kind << COMMAND_KIND_BYTE,
        instrument_and_owner(command), command.client_ref, command.order_id,
        command.price_ticks, command.quantity_lots, 0, 0, 0,
    )

cdef inline void emit_accepted(Books* books, const Command* command) noexcept nogil:
    """ACCEPTED, under the order id that was given last."""
    write_report(
        books, ACCEPTED | echoed_word(command) | <uint64_t>NEW << COMMAND_KIND_BYTE,
        instrument_and_owner(command), command.client_ref, books.last_order_id,
        command.price_ticks, command.quantity_lots, command.quantity_lots, 0, 0,
    )

cdef inline void emit_order(
    Books* books, const Order* order, uint64_t kind_reason_and_command, int64_t price_ticks, int64_t leaves_lots,
    int64_t last_lots
) noexcept nogil:
    """About an order in the book; price and leaves are given because the caller has them at hand."""
    write_report(
        books, first_word(order.traits) | kind_reason_and_command,
        level_at(&books.nodes, order.level).instrument | <uint64_t>order.owner << 32,
        order.client_ref, order.order_id,
        price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )

cdef inline void emit_incoming(
    Books* books, const Incoming* order, uint64_t kind_and_reason, int64_t leaves_lots, int64_t last_lots
) noexcept nogil:
    write_report(
        books, order.first | kind_and_reason,
        order.instrument | <uint64_t>order.owner << 32, order.client_ref, order.order_id,
        order.price_ticks, order.total_lots, leaves_lots, order.total_lots - order.leaves_lots, last_lots,
    )

cdef inline void emit_trade(
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
