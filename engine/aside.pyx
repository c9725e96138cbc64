# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools alone, instrument numbers were checked by who asks.
"""Work put aside: a command about some instruments waits, half done, while commands about others come and are done.

That is sound because books share nothing but pools, names and counters, which are whole after every step. Who puts
work aside sees to it that no command comes about an instrument whose `book_is_busy`, nor one about all of them. Where
work is put aside and taken up again can be seen in the numbers of trades and slices only.

Holds nothing, raises nothing.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.lists cimport NO_LIST
from engine.many cimport CLOSING
from engine.matching cimport NO_MATCH
from engine.phases cimport NO_PHASE_STEP
from engine.places cimport instrument_of
from engine.state cimport Aside, Books, Market, Work, market_of, order_at
from engine.store cimport Pool, Timer
from engine.timers cimport first_timer
from engine.triggers cimport NOTHING_AFTER
from engine.types cimport INSTRUMENT_DELISTED, MASS_CANCEL

cdef inline void swap_pools(Pool* one, Pool* other) noexcept nogil:
    cdef Pool kept = one[0]
    one[0] = other[0]
    other[0] = kept

cdef void swap(Books* books) noexcept nogil:
    """The work and what goes with it for that which is aside."""
    cdef Aside* aside = &books.aside
    cdef Work work = books.work
    cdef bint is_noted = books.is_noted
    cdef uint32_t command_kind = books.command_kind
    cdef uint64_t commands = books.commands
    books.work = aside.work
    books.is_noted = aside.is_noted
    books.command_kind = aside.command_kind
    books.commands = aside.commands
    aside.work = work
    aside.is_noted = is_noted
    aside.command_kind = command_kind
    aside.commands = commands
    swap_pools(&books.list, &aside.list)
    swap_pools(&books.merged, &aside.merged)
    swap_pools(&books.runs, &aside.runs)
    swap_pools(&books.touched, &aside.touched)
    swap_pools(&books.moving, &aside.moving)
    swap_pools(&books.elected, &aside.elected)
    swap_pools(&books.shares, &aside.shares)

cdef bint may_wait(const Books* books) noexcept nogil:
    return books.command_kind != MASS_CANCEL or books.work.list_step == NO_LIST

cdef void put_work_aside(Books* books) noexcept nogil:
    if not books.aside.is_there:
        books.aside.is_there = True
        books.aside.commands = books.commands
        books.aside.mark = books.mark if books.command_kind == MASS_CANCEL else 0
    swap(books)

cdef void take_work_up(Books* books) noexcept nogil:
    swap(books)

cdef void end_work_aside(Books* books) noexcept nogil:
    books.commands = books.aside.commands
    books.aside.is_there = False

cdef bint book_is_half_done(const Books* books, uint32_t instrument) noexcept nogil:
    cdef const Aside* aside = &books.aside
    cdef const Work* work = &aside.work
    if not aside.is_there:
        return False
    if aside.mark and books.instruments[instrument].mark == aside.mark:
        return True
    if work.match_step != NO_MATCH and instrument_of(books, order_at(books, work.taking.slot)) == instrument:
        return True
    return work.instrument == instrument and (
        work.after_step != NOTHING_AFTER or work.phase_step != NO_PHASE_STEP
        or (work.command_step == CLOSING and work.reason == INSTRUMENT_DELISTED)
    )

cdef bint book_is_busy(const Books* books, uint32_t instrument, int64_t now_ns) noexcept nogil:
    """What is due waits, too, and comes first then; which orders expire is known of the machine, not of a book."""
    cdef const Timer* first = first_timer(books)
    cdef const Market* market = market_of(books, instrument)
    if book_is_half_done(books, instrument):
        return True
    if first == NULL or first.due_ns > now_ns:
        return False
    return market.extras != 0 or (market.timer != 0 and market.until_ns <= now_ns)
