# The doorway to the engine.
#
# For C callers: run() appends reports to the machine's buffer, reports() shows
# them until clear_reports(). The pointer is good until the next run().
#
# A command may leave much to do: an auction, a mass cancel, a cascade of stops.
# run() does all of it; run_step() and work() do it in pieces, the same however it
# is cut. Until it is done no other command is taken, and no snapshot or copy.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.events cimport BookEvent
from engine.state cimport Books
from engine.types cimport Command, Report

cdef class Doorway:
    cdef Books books
    cdef bint entered       # a command is being run; stays set when one raised, and then refuses the next

    cdef int run(self, const Command* commands, size_t count) except -1 nogil
    # Begin one command and do at most so many steps of what it leaves; go on with it. True: it is done. Reports may be
    # taken in between; no step is begun when so many of them are there. A step is a trade, an order that is cancelled,
    # a stop, a peg; how many steps find the orders that a command is about depends on where they lie in memory.
    cdef bint run_step(self, const Command* command, int64_t steps, size_t reports) except -1 nogil
    cdef bint work(self, int64_t steps, size_t reports) except -1 nogil
    # What is under way waits, if it may, while commands about other instruments come; goes on, when no other is under
    # way; and is done. At most one waits, between put_aside and end_aside.
    cdef bint put_aside(self) noexcept nogil
    cdef void take_up(self) noexcept nogil
    cdef void end_aside(self) noexcept nogil
    # Whether what waits has left an instrument's book half done; whether a command about it must wait as well.
    cdef bint is_half_done(self, uint32_t instrument) noexcept nogil
    cdef bint is_busy(self, uint32_t instrument, int64_t now_ns) noexcept nogil
    cdef const Report* reports(self) noexcept nogil
    cdef size_t report_count(self) noexcept nogil
    cdef void clear_reports(self) noexcept nogil       # and the events
    # What others see of the commands whose reports these are; no bytes of it change until the next command or work.
    cdef const BookEvent* events(self) noexcept nogil
    cdef size_t event_count(self) noexcept nogil
    cdef void clear_events(self) noexcept nogil
    # The best price of a side (0 bids, 1 asks). False: it is empty, or there is no such instrument.
    cdef bint touch(self, uint32_t instrument, int side, int64_t* price) noexcept nogil
    # How many orders a level has, and their leaves in 128 bits; 0 = no such level.
    cdef uint32_t level(
        self, uint32_t instrument, int side, int64_t price, uint64_t* low, int64_t* high
    ) noexcept nogil
    # The best level strictly worse than `after` (EMPTY_PRICE: the best of all). False: no more.
    cdef bint next_level(self, uint32_t instrument, int side, int64_t after, int64_t* price) noexcept nogil
    # The level's orders as others see them, behind the one with the feed id `after` (0: all), first in the queue first:
    # feed ids and what is shown. Returns how many it wrote, at most `room`; -1: `after` is not in this level.
    # O(what it writes); behind a slice of an iceberg after the first, O(the orders before it) more
    cdef Py_ssize_t queue(
        self, uint32_t instrument, int side, int64_t price, uint64_t after, uint64_t* feed_ids, int64_t* shown_lots,
        Py_ssize_t room
    ) noexcept nogil
    # Whose order it is and what its owner calls it. False: no live order has this id.
    cdef bint find(self, uint64_t order_id, uint32_t* owner, uint64_t* client_ref) noexcept nogil
    # The type of a live order, and its terms as a REPLACE would give them, but for price and quantity.
    cdef void terms(self, uint64_t order_id, Command* into) noexcept nogil
    # The next MASS_CANCEL means the orders that were chosen, live ones in order of order id, and no other.
    cdef int choose(self, uint64_t order_id) except -1 nogil
    # When something comes due next, EMPTY_PRICE = never; `advance` does it.
    cdef int64_t due(self) noexcept nogil
    # Asks for the memory that a command on a live order will touch, for callers who run commands one at a time but know
    # which come: stage 0, then 1, then 2, each some commands after the one before. Changes nothing. O(1)
    cdef void expect(self, uint64_t order_id, uint32_t owner, uint64_t client_ref, int stage) noexcept nogil
    cdef void set_time(self, int64_t time_ns) noexcept nogil

    cdef uint32_t in_level(self, uint32_t level, uint64_t feed_id) noexcept nogil
    # Raise RuntimeError when another thread is inside, or an error has left the books half changed; and the second also
    # when a command is under way.
    cdef int check(self) except -1
    cdef int check_done(self) except -1
