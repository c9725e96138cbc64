# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools alone.
"""What others see happen in the books, order by order.

A command that needs more than the plain rules notes it as it happens, behind an EVENT_COMMAND; of a plain one the
reports say all of it, and nothing is noted, also when it goes on as work. Orders that are hidden, wait, are parked or
have no price are not seen; of an iceberg the slice is, under the id that it is shown under. Events are taken, and
dropped, with the reports.

Holds nothing; raises MemoryError.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.places cimport instrument_of, place_of, price_of_order
from engine.state cimport Books, order_at, side_of_order
from engine.store cimport Order, SHOWN, pool_take


cdef inline BookEvent* last_event(Books* books) noexcept nogil:
    return &(<BookEvent*>books.events.records)[books.events.top - 1]

cdef int take_event(Books* books) except -1 nogil:
    if pool_take(&books.events, sizeof(BookEvent)) == 0:
        raise MemoryError("no memory for what others see of a command")
    last_event(books).command_number = books.commands
    last_event(books).reports = books.report_count
    return 0

cdef int note_command(Books* books) except -1 nogil:
    books.is_noted = True
    take_event(books)
    last_event(books).action = EVENT_COMMAND
    return 0

cdef int note(Books* books, uint32_t slot, BookAction action, int64_t change_lots, uint64_t trade_id) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef BookEvent* event
    if place_of(books, order) != SHOWN or not books.is_noted:
        return 0
    take_event(books)
    event = last_event(books)
    event.feed_id = feed_id_of(books, order)
    event.trade_id = trade_id
    event.price_ticks = price_of_order(books, order)
    event.shown_lots = order.leaves_lots
    event.change_lots = change_lots
    event.instrument = instrument_of(books, order)
    event.side = <uint8_t>side_of_order(order)
    event.action = <uint8_t>action
    return 0

cdef int note_less(Books* books, uint32_t slot, BookAction action, int64_t shown_before) except -1 nogil:
    cdef int64_t less = shown_before - order_at(books, slot).leaves_lots
    return note(books, slot, action, less, 0) if less > 0 else 0

cdef int note_leaving(Books* books, uint32_t slot) except -1 nogil:
    cdef int64_t shown = order_at(books, slot).leaves_lots
    return note(books, slot, EVENT_DELETE, shown, 0) if shown else 0

cdef void note_moving(Books* books) noexcept nogil:
    if last_event(books).action == EVENT_DELETE:    # nothing was seen of one that was not shown
        last_event(books).action = EVENT_MOVE

cdef void drop_events(Books* books) noexcept nogil:
    books.events.top = 1
    books.events.live = 0
