# What others see happen in the books, order by order: what the market-data feed is made of. See events.pyx.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.places cimport extra_of, has_extra
from engine.state cimport Books
from engine.store cimport Order

cdef enum BookAction:
    EVENT_COMMAND = 0       # the events of this command follow, if any
    EVENT_ADD = 1           # last of its price
    EVENT_EXECUTE = 2
    EVENT_REDUCE = 3
    EVENT_DELETE = 4
    EVENT_AMEND = 5         # new terms, of which less of it shown is seen; it kept its place
    EVENT_MOVE = 6          # new terms, by which it left its place; EVENT_ADD under the same id: where it went

cdef struct BookEvent:      # 64 bytes
    uint64_t command_number
    uint64_t reports        # how many there were before it
    uint64_t feed_id
    uint64_t trade_id       # EVENT_EXECUTE
    int64_t price_ticks     # where it rests, or rested
    int64_t shown_lots      # after it
    int64_t change_lots     # added, executed or taken off
    uint32_t instrument
    uint8_t side
    uint8_t action          # BookAction
    uint16_t reserved_62

cdef inline uint64_t feed_id_of(const Books* books, const Order* order) noexcept nogil:
    """What others know it by."""
    cdef uint64_t slice_id = extra_of(books, order).feed_id if has_extra(order) else 0
    return slice_id if slice_id else order.order_id

# A command that needs more than the plain rules begins.
cdef int note_command(Books* books) except -1 nogil
# Of an order in its place, behind what has happened to it there.
cdef int note(Books* books, uint32_t slot, BookAction action, int64_t change_lots, uint64_t trade_id) except -1 nogil
# Less of it is shown than before, if that is so.
cdef int note_less(Books* books, uint32_t slot, BookAction action, int64_t shown_before) except -1 nogil
# It is about to leave its place. What was executed in full is gone already.
cdef int note_leaving(Books* books, uint32_t slot) except -1 nogil
# What was noted last was seen as its going: it goes on its way to another place, by new terms.
cdef void note_moving(Books* books) noexcept nogil
cdef void drop_events(Books* books) noexcept nogil
