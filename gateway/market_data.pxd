# Market data: the reports of each input -> records of five topics an instrument.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.events cimport BookEvent
from engine.machine cimport Machine
from engine.types cimport Report
from gateway.feed_topics cimport FeedTopics, Instrument, OrderAction

cdef struct Touched:        # a level that the current command changed
    uint32_t instrument
    uint32_t side
    int64_t price_ticks

cdef struct Incoming:       # an order that may come to rest when its command is done; order_id 0 = none
    uint64_t order_id
    uint64_t command_number
    int64_t price_ticks
    int64_t leaves_lots
    int64_t old_price_ticks
    int64_t old_leaves_lots
    uint32_t instrument
    uint8_t side
    bint replaces           # it was in the book before


cdef struct Amid:           # of a command that is not done: see the fields of MarketData
    uint64_t serial
    Incoming incoming
    uint64_t seen_command
    bint is_uncrossing
    Touched* touched
    size_t touched_count
    size_t touched_room
    uint64_t* places
    size_t places_room
    uint32_t* active
    size_t active_count


@cython.final
cdef class MarketData(FeedTopics):
    cdef uint64_t serial            # counts calls of record that ended with whole commands
    cdef Incoming incoming
    cdef uint64_t seen_command      # the last one of which the engine notes what others see
    cdef bint is_amid_command       # the last one has still something to do
    cdef bint is_uncrossing         # an auction's trades are being reported
    cdef Touched* touched           # levels that the current commands touched, in order, each once
    cdef size_t touched_count
    cdef size_t touched_room
    cdef uint64_t* places           # hash table over `touched`: low half of serial, then position
    cdef size_t places_room         # a power of two, or 0
    cdef Amid aside                 # of a command that waits; when none does, spare room and the last serial

    # What the engine has just done of one taken input. Docs in the .pyx.
    cdef int record(
        self, Machine machine, const Report* reports, size_t count, uint64_t input_number, int64_t time_ns
    ) except -1 nogil
    # Amid a command: it waits, its first time or again, while others are recorded; goes on; is done.
    cdef int put_aside(self, bint is_first) except -1 nogil
    cdef void take_up(self) noexcept nogil
    cdef void end_aside(self) noexcept nogil
    # A snapshot's instrument, whose book the machine has: its topics go on behind these sequences.
    cdef void resume(self, Machine machine, uint32_t instrument, const uint64_t* sequences) noexcept nogil
    cdef void _swap(self) noexcept nogil
    cdef bint _unheard(self, const Report* report) noexcept nogil
    cdef void _count(self, Machine machine, const Report* report) noexcept nogil
    cdef int _report(self, Machine machine, const Report* report) except -1 nogil
    cdef int _changed(self, Machine machine, const Report* report) except -1 nogil
    cdef void _phase_changed(self, Machine machine, const Report* report) noexcept nogil
    cdef void _status(self, Machine machine, uint32_t instrument, uint8_t phase) noexcept nogil
    cdef void _collect(self, Machine machine, uint32_t instrument) noexcept nogil
    cdef int bust(
        self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots, uint64_t input_number,
        int64_t time_ns
    ) except -1 nogil
    cdef void _trade(self, const Report* report) noexcept nogil
    cdef int _plain_trade(self, const Report* report) except -1 nogil
    cdef int _plain(self, const Report* report) except -1 nogil
    cdef int _event(self, const BookEvent* event) except -1 nogil
    cdef int _known(self, uint32_t instrument) except -1 nogil
    cdef int _settle(self) except -1 nogil
    cdef int _touch(self, uint32_t instrument, uint8_t side, int64_t price_ticks) except -1 nogil
    cdef void _activate(self, uint32_t instrument, uint8_t side, int64_t price_ticks) noexcept nogil
    cdef bint _place(self, uint32_t instrument, uint8_t side, int64_t price_ticks, size_t at) noexcept nogil
    cdef int _grow_places(self) except -1 nogil
    cdef void _levels(self, Machine machine) noexcept nogil
    cdef void _tops(self, Machine machine) noexcept nogil
    cdef bint _top_changed(self, Machine machine, uint32_t number, Instrument* instrument) noexcept nogil
    cdef void _mark_stale(self, Instrument* touched, uint8_t side, int64_t price_ticks) noexcept nogil
    cdef void _order(
        self, OrderAction action, uint32_t instrument, uint8_t side, uint64_t order_id, int64_t price_ticks,
        int64_t quantity_lots, int64_t change_lots, uint64_t trade_id, uint8_t kept_priority
    ) noexcept nogil
