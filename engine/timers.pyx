# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# C pointers into pools only: a timer is there as long as what it belongs to.
"""Timers: a heap, the earliest first, with four branches at each (Johnson, "Priority queues with update", 1975): what
goes up or down passes half as many others as with two, and each is told where it is then.

Holds nothing; raises MemoryError.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.places cimport extra_of
from engine.state cimport Books, Market, market_of, order_at
from engine.store cimport Extra, Order, Timer, pool_take
from engine.types cimport VOLATILITY_AUCTION

cdef enum:
    BRANCHES = 4

cdef inline Timer* timer_at(const Books* books, uint32_t at) noexcept nogil:
    return &(<Timer*>books.timers.records)[at]

cdef inline uint32_t above(uint32_t at) noexcept nogil:
    return (at + BRANCHES - 2) // BRANCHES

cdef inline uint32_t first_below(uint32_t at) noexcept nogil:
    return BRANCHES * at - (BRANCHES - 2)

cdef inline bint is_before(const Timer* one, const Timer* other) noexcept nogil:
    """By time; of one time orders before phases, by number."""
    if one.due_ns != other.due_ns:
        return one.due_ns < other.due_ns
    if one.is_phase != other.is_phase:
        return other.is_phase != 0
    return one.number < other.number

cdef inline uint32_t* place_told(const Books* books, const Timer* timer) noexcept nogil:
    """Where it is told where its timer is."""
    if timer.is_phase:
        return &(<Market*>books.markets.records)[timer.owner].timer
    return &(<Extra*>books.extras.records)[timer.owner].timer

cdef inline void put(Books* books, uint32_t at, const Timer* timer) noexcept nogil:
    timer_at(books, at)[0] = timer[0]
    place_told(books, timer)[0] = at

cdef uint32_t first_of_few(const Books* books, uint32_t begin) noexcept nogil:
    """The earliest of those below one."""
    cdef uint32_t end = min(begin + BRANCHES, books.timers.top), at, first = begin
    for at in range(begin + 1, end):
        if is_before(timer_at(books, at), timer_at(books, first)):
            first = at
    return first

cdef void settle(Books* books, uint32_t at, const Timer* timer) noexcept nogil:
    """Put a timer where there is room, or above it, or below. O(log timers)"""
    cdef uint32_t below
    while at > 1 and is_before(timer, timer_at(books, above(at))):
        put(books, at, timer_at(books, above(at)))
        at = above(at)
    while first_below(at) < books.timers.top:
        below = first_of_few(books, first_below(at))
        if not is_before(timer_at(books, below), timer):
            break
        put(books, at, timer_at(books, below))
        at = below
    put(books, at, timer)

cdef void drop_timer(Books* books, uint32_t at) noexcept nogil:
    """The last one fills the room."""
    cdef Timer last = timer_at(books, books.timers.top - 1)[0]
    books.timers.top -= 1
    books.timers.live -= 1
    if at < books.timers.top:
        settle(books, at, &last)

cdef int add_timer(Books* books, int64_t due_ns, uint64_t number, uint32_t owner, bint is_phase) except -1 nogil:
    cdef uint32_t at = pool_take(&books.timers, sizeof(Timer))
    cdef Timer timer
    if at == 0:
        raise MemoryError("no memory for another timer")
    timer.due_ns = due_ns
    timer.number = number
    timer.owner = owner
    timer.is_phase = is_phase
    settle(books, at, &timer)
    return 0

cdef int timer_set(Books* books, uint32_t slot, int64_t due_ns) except -1 nogil:
    cdef const Order* order = order_at(books, slot)
    cdef Extra* extra = extra_of(books, order)
    if extra.expire_ns == due_ns:
        return 0
    extra.expire_ns = due_ns
    if extra.timer:
        drop_timer(books, extra.timer)
        extra.timer = 0
    return add_timer(books, due_ns, order.order_id, order.account, False) if due_ns else 0

cdef int expect_phase(Books* books, uint32_t instrument, uint8_t phase, int64_t at_ns) except -1 nogil:
    cdef Market* market = market_of(books, instrument)
    market.next_phase = phase
    market.next_lasts_ns = market.auction_ns if at_ns and phase == VOLATILITY_AUCTION else 0
    return timer_set_phase(books, instrument, at_ns)

cdef int timer_set_phase(Books* books, uint32_t instrument, int64_t due_ns) except -1 nogil:
    cdef Market* market = market_of(books, instrument)
    if market.until_ns == due_ns:
        return 0
    market.until_ns = due_ns
    if market.timer:
        drop_timer(books, market.timer)
        market.timer = 0
    return add_timer(books, due_ns, instrument, books.instruments[instrument].market, True) if due_ns else 0
