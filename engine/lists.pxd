# Lists of orders that a command or a phase goes through, built and sorted as work: see lists.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.index cimport IDS, REFS, bucket_of, hash_id, hash_ref
from engine.ladder cimport level_at
from engine.places cimport extra_of, has_extra
from engine.state cimport Books, Listed, order_at
from engine.store cimport Order, Pool, prefetch
from engine.types cimport Command

cdef enum ListStep:         # of Work.list_step
    NO_LIST = 0
    LISTING = 1
    MERGING = 2

cdef enum Wanted:           # which orders; by order id, pegs by priority
    MEANT = 0               # by a mass cancel, Work.mass; also notes the instruments that it touches
    ALL = 1                 # of the instrument, as all that follow
    DAY_ENDED = 2           # that do not outlast the day
    AUCTION_ENDED = 3       # that took part in the auction that is over only, or have no limit
    OPENING_ENDED = 4       # at-open orders
    ADMITTED = 5            # that waited for an auction which the instrument's phase now collects orders for
    PEGGED_ALL = 6          # bids, then asks, each by price, the shown first, and time; then those that are parked
    PEGGED_IN_BOOK = 7

cdef enum:                  # in a step:
    LOOKS = 64              # at what lies side by side
    MOVES = 16              # from one order to the next, or of an order to another place

# Begin Books.list; it is there when Work.list_step is NO_LIST.
cdef void begin_list(Books* books, uint8_t wanted, uint32_t instrument) noexcept nogil
# The same for one that the caller appends to, at most LOOKS before it says so, and then has sorted.
cdef void open_list(Books* books) noexcept nogil
cdef int append(Books* books, uint32_t slot, uint32_t rank, uint64_t major, uint64_t minor) except -1 nogil
cdef int close_run(Books* books, uint32_t begin) except -1 nogil
cdef int sort_list(Books* books) except -1 nogil
cdef int step_list(Books* books) except -1 nogil
# Note the prices of an instrument that a mass cancel touches, before it does.
cdef int touch(Books* books, uint32_t instrument) except -1 nogil
# Whether an order was for the auction that a phase collected orders for.
cdef bint ended_with(uint32_t lasts, uint8_t phase) noexcept nogil

cdef inline void cut_list(Pool* list, uint32_t top) noexcept nogil:
    list.top = top
    list.live = top - 1

cdef inline uint32_t listed_at(const Books* books, uint32_t position) noexcept nogil:
    """The slot of an order in Books.list."""
    return (<Listed*>books.list.records)[position].slot

# What orders further on in a list will touch, asked for before their turn: first each order, then what it leads to.
cdef inline void expect_places(const Books* books, uint32_t far, uint32_t near) noexcept nogil:
    """Its level, neighbours and Extra; 0: there is no such order."""
    cdef const Order* order = order_at(books, near)
    prefetch(order_at(books, far))
    prefetch(level_at(&books.nodes, order.level))
    prefetch(order_at(books, order.next))
    prefetch(order_at(books, order.previous))
    if has_extra(order):
        prefetch(extra_of(books, order))
        prefetch(<const char*>extra_of(books, order) + 64)

cdef inline void expect_listed(const Books* books, uint32_t position) noexcept nogil:
    cdef uint32_t far = listed_at(books, position + 8) if position + 8 < books.list.top else 0
    cdef uint32_t near = listed_at(books, position + 4) if position + 4 < books.list.top else 0
    expect_places(books, far, near)

cdef inline void expect_names(const Books* books, uint32_t position) noexcept nogil:
    """The same and where its names are known, of orders whose turn is their end."""
    cdef const Order* order
    expect_listed(books, position)
    if position + 4 < books.list.top:
        order = order_at(books, listed_at(books, position + 4))
        prefetch(bucket_of(&books.index, IDS, hash_id(order.order_id)))
        prefetch(bucket_of(&books.index, REFS, hash_ref(order.owner, order.client_ref)))
