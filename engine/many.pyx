# cython: boundscheck=False, wraparound=False, initializedcheck=False
# C pointers into pools only: slots come from the pools alone, instrument numbers are checked here.
"""Commands about many orders: mass cancel, the passing of time, delisting.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.emit cimport FLAGS_BYTE
from engine.lists cimport (
    ALL, LOOKS, MEANT, append, begin_list, cut_list, expect_names, listed_at, open_list, touch,
)
from engine.matching cimport close_order, later
from engine.phases cimport enter_phase
from engine.places cimport instrument_of, prices_of
from engine.queue cimport find_id
from engine.state cimport Books, Market, Prices, market_of, order_at
from engine.store cimport Timer
from engine.tell cimport refuse, tell
from engine.timers cimport first_timer
from engine.triggers cimport begin_aftermath
from engine.types cimport (
    ADVANCED, BY_INSTRUMENT, BY_PRICES, CONTINUOUS, Command, EXPIRED, INSTRUMENT_DELISTED, INVALID_FILTER,
    MASS_CANCELLED, MASS_REQUESTED, NONE, SELL, TIME_GOES_BACK, UNKNOWN_INSTRUMENT,
)

cdef enum:
    ALL_FILTERS = 31

# ---------------------------------------------------------------- mass cancel, delisting

cdef inline void open_touched(Books* books) noexcept nogil:
    """For the instruments of a mass cancel."""
    books.mark += 1
    cut_list(&books.touched, 1)

cdef int choose_order(Books* books, uint32_t slot) except -1 nogil:
    if not books.chosen:
        open_list(books)
        open_touched(books)
        books.chosen = True
    touch(books, instrument_of(books, order_at(books, slot)))
    return append(books, slot, 0, order_at(books, slot).order_id, 0)

cdef uint64_t filter_refusal(const Books* books, const Command* command) noexcept nogil:
    """A filter that there is, and prices from the lower to the higher."""
    if command.flags & ~<uint32_t>ALL_FILTERS or command.reserved_7 or command.side > SELL or (
        command.flags & BY_PRICES and command.price_ticks > command.stop_price_ticks
    ):
        return INVALID_FILTER
    if command.flags & BY_INSTRUMENT and command.instrument >= books.instrument_count:
        return UNKNOWN_INSTRUMENT
    return NONE

cdef int begin_mass_cancel(Books* books, const Command* command) except -1 nogil:
    """What it means, unless that was chosen, goes by order id; then follows what follows, by instrument."""
    cdef uint64_t reason = filter_refusal(books, command)
    if reason:
        books.chosen = False
        return refuse(books, command, reason)
    books.work.mass = command[0]
    books.work.reason = MASS_REQUESTED
    books.work.command_step = CLOSING
    books.work.touched = 0
    if not books.chosen:
        open_touched(books)
        begin_list(books, MEANT, 0)
    books.chosen = False
    return 0

cdef void begin_delisting(Books* books, uint32_t instrument) noexcept nogil:
    books.work.reason = INSTRUMENT_DELISTED
    books.work.instrument = instrument
    books.work.command_step = CLOSING
    begin_list(books, ALL, instrument)

cdef int close_next(Books* books) except -1 nogil:
    """One order of the list."""
    if books.work.position < books.list.top:
        expect_names(books, books.work.position)
        books.work.position += 1
        return close_order(books, listed_at(books, books.work.position - 1), books.work.reason)
    books.work.command_step = NO_COMMAND_STEP
    if books.work.reason == MASS_REQUESTED:
        tell_mass_cancelled(books, books.list.top - 1)
        books.work.command_step = FOLLOWING
    cut_list(&books.list, 1)
    return 0

cdef int tell_mass_cancelled(Books* books, uint32_t orders) except -1 nogil:
    cdef const Command* command = &books.work.mass
    cdef uint64_t* words = tell(books, MASS_CANCELLED, NONE, command.instrument)
    words[0] |= <uint64_t>command.flags << FLAGS_BYTE
    words[1] |= <uint64_t>command.owner << 32
    words[5] = orders
    return 0

cdef int follow_next(Books* books) except -1 nogil:
    """The next instrument that was touched, if it is among the next few."""
    cdef Prices before
    cdef Market* market
    cdef uint32_t instrument, touched
    cdef int looks = LOOKS
    while looks and books.work.touched < books.instrument_count:
        looks -= 1
        instrument = books.work.touched
        books.work.touched += 1
        market = market_of(books, instrument)
        if books.instruments[instrument].market and market.touched:
            touched = market.touched
            market.touched = 0
            before = (<Prices*>books.touched.records)[touched]
            return begin_aftermath(books, instrument, &before)
    if books.work.touched == books.instrument_count:
        cut_list(&books.touched, 1)
        books.work.command_step = NO_COMMAND_STEP
    return 0

# ---------------------------------------------------------------- time

cdef int begin_advance(Books* books, const Command* command) except -1 nogil:
    """Time never goes back."""
    if command.expire_ns < books.time_ns:
        return refuse(books, command, TIME_GOES_BACK)
    books.time_ns = command.expire_ns
    tell(books, ADVANCED, NONE, 0)
    books.work.mass = command[0]
    books.work.command_step = DUE
    return 0

cdef int expire_next(Books* books) except -1 nogil:
    """One order that expires, or the end of one phase: by time, orders first, by number.

    What came due while the command was aside is for the next one: books that this one has done with have gone on.
    """
    cdef const Timer* first = first_timer(books)
    cdef Market* market
    cdef Prices before
    cdef uint32_t instrument, slot
    cdef int64_t until_ns = 0
    if first == NULL or first.due_ns > books.work.mass.expire_ns:
        books.work.command_step = NO_COMMAND_STEP
        return 0
    if not first.is_phase:
        slot = find_id(books, first.number)
        instrument = instrument_of(books, order_at(books, slot))
        prices_of(books, instrument, &before)
        close_order(books, slot, EXPIRED)
        return begin_aftermath(books, instrument, &before)
    instrument = <uint32_t>first.number
    market = market_of(books, instrument)
    if market.next_lasts_ns:
        until_ns = later(first.due_ns, market.next_lasts_ns)
    return enter_phase(books, instrument, market.next_phase, CONTINUOUS, until_ns, until_ns)

cdef int step_command(Books* books) except -1 nogil:
    if books.work.command_step == CLOSING:
        return close_next(books)
    if books.work.command_step == FOLLOWING:
        return follow_next(books)
    return expire_next(books)
