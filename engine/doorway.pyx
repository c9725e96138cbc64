"""The one guarded doorway between C callers and the books.

A Doorway owns its books. Matching never needs the GIL. One thread at a time may be inside, which is checked. An error
inside matching (no memory, a broken invariant) leaves it refusing everything: it does not trade on wrongly.
"""

from cpython.number cimport PyNumber_Index as index
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.ahead cimport expect_order
from engine.aside cimport book_is_busy, book_is_half_done, end_work_aside, may_wait, put_work_aside, take_work_up
from engine.book cimport run_commands
from engine.events cimport BookEvent, drop_events, feed_id_of
from engine.ladder cimport Ladder, key_of, ladder_after, ladder_find, level_at, price_of
from engine.many cimport choose_order
from engine.places cimport EMPTY, FIRST_FEED_ID, extra_of, has_extra, time_in_force_of, type_of
from engine.queue cimport find_id
from engine.state cimport books_close, books_open, order_at, set_rules
from engine.store cimport Level, Order, Timer
from engine.timers cimport first_timer
from engine.trails cimport stop_of
from engine.types cimport Command, RULES_VERSION, Report
from engine.work cimport has_work, work_on


cdef class Doorway:
    """Commands in, reports out, for C callers; the Machine of Python is one."""

    def __cinit__(self, rules=RULES_VERSION):
        cdef uint32_t version = index(rules)
        if not 1 <= version <= RULES_VERSION:
            raise ValueError(f"rules version {version}; allowed: 1 to {RULES_VERSION}")
        if books_open(&self.books) < 0:
            raise MemoryError("no memory for a machine")
        set_rules(&self.books, version)

    def __dealloc__(self):
        books_close(&self.books)

    cdef int run(self, const Command* commands, size_t count) except -1 nogil:
        """Run commands in order. Raises MemoryError, or AssertionError for a broken invariant."""
        if self.entered or has_work(&self.books):
            raise_in_use(self.entered)
        self.entered = True
        run_commands(&self.books, commands, count)
        self.entered = False
        return 0

    cdef bint run_step(self, const Command* command, int64_t steps, size_t reports) except -1 nogil:
        self.books.leaves_work = True
        try:
            self.run(command, 1)
        finally:
            self.books.leaves_work = False
        return self.work(steps, reports)

    cdef bint work(self, int64_t steps, size_t reports) except -1 nogil:
        cdef bint done
        if self.entered:
            raise_in_use(True)
        self.entered = True
        done = work_on(&self.books, steps, reports)
        self.entered = False
        return done

    cdef bint put_aside(self) noexcept nogil:
        if not may_wait(&self.books):
            return False
        put_work_aside(&self.books)
        return True

    cdef void take_up(self) noexcept nogil:
        take_work_up(&self.books)

    cdef void end_aside(self) noexcept nogil:
        end_work_aside(&self.books)

    cdef bint is_half_done(self, uint32_t instrument) noexcept nogil:
        return book_is_half_done(&self.books, instrument)

    cdef bint is_busy(self, uint32_t instrument, int64_t now_ns) noexcept nogil:
        return book_is_busy(&self.books, instrument, now_ns)

    cdef const Report* reports(self) noexcept nogil:
        return self.books.reports

    cdef size_t report_count(self) noexcept nogil:
        return self.books.report_count

    cdef void clear_reports(self) noexcept nogil:
        self.books.report_count = 0
        drop_events(&self.books)

    cdef const BookEvent* events(self) noexcept nogil:
        return &(<const BookEvent*>self.books.events.records)[1]

    cdef size_t event_count(self) noexcept nogil:
        return self.books.events.live

    cdef void clear_events(self) noexcept nogil:
        drop_events(&self.books)

    cdef bint touch(self, uint32_t instrument, int side, int64_t* price) noexcept nogil:
        cdef const Ladder* ladder
        if instrument >= self.books.instrument_count:
            return False
        ladder = &self.books.instruments[instrument].sides[side]
        if ladder.best == 0:
            return False
        price[0] = price_of(ladder.best_key, side)
        return True

    cdef uint32_t level(
        self, uint32_t instrument, int side, int64_t price, uint64_t* low, int64_t* high
    ) noexcept nogil:
        cdef uint32_t number = 0
        cdef const Level* found
        low[0] = 0
        high[0] = 0
        if instrument < self.books.instrument_count:
            number = ladder_find(
                &self.books.instruments[instrument].sides[side], &self.books.nodes,
                key_of(price, side),
            )
        if number == 0:
            return 0
        found = level_at(&self.books.nodes, number)
        low[0] = found.total_low
        high[0] = found.total_high
        return found.orders

    cdef bint next_level(self, uint32_t instrument, int side, int64_t after, int64_t* price) noexcept nogil:
        cdef const Ladder* ladder
        cdef uint32_t number
        if after == EMPTY:
            return self.touch(instrument, side, price)
        if instrument >= self.books.instrument_count:
            return False
        ladder = &self.books.instruments[instrument].sides[side]
        number = ladder_after(ladder, &self.books.nodes, key_of(after, side))
        if number == 0:
            return False
        price[0] = price_of(level_at(&self.books.nodes, number).key, side)
        return True

    cdef Py_ssize_t queue(
        self, uint32_t instrument, int side, int64_t price, uint64_t after, uint64_t* feed_ids, int64_t* shown_lots,
        Py_ssize_t room
    ) noexcept nogil:
        cdef const Order* orders = <const Order*>self.books.orders.records
        cdef uint32_t level = 0
        cdef uint32_t number
        cdef Py_ssize_t position = 0
        if instrument < self.books.instrument_count:
            level = ladder_find(
                &self.books.instruments[instrument].sides[side], &self.books.nodes, key_of(price, side)
            )
        if after:
            number = self.in_level(level, after)
            if number == 0:
                return -1
            number = orders[number].next
        else:
            number = level_at(&self.books.nodes, level).head if level else 0
        while number and position < room:
            feed_ids[position] = feed_id_of(&self.books, &orders[number])
            shown_lots[position] = orders[number].leaves_lots
            position += 1
            number = orders[number].next
        return position

    cdef uint32_t in_level(self, uint32_t level, uint64_t feed_id) noexcept nogil:
        """The order that a level, 0 = none, shows under an id; 0: it does not. Slices have no index."""
        cdef const Order* orders = <const Order*>self.books.orders.records
        cdef uint32_t number = 0
        cdef bint shown
        if level and feed_id < FIRST_FEED_ID:
            number = find_id(&self.books, feed_id)
            shown = number and orders[number].level == level and feed_id_of(&self.books, &orders[number]) == feed_id
            return number if shown else 0
        if level:
            number = level_at(&self.books.nodes, level).head
        while number and feed_id_of(&self.books, &orders[number]) != feed_id:
            number = orders[number].next
        return number

    cdef bint find(self, uint64_t order_id, uint32_t* owner, uint64_t* client_ref) noexcept nogil:
        cdef uint32_t slot = find_id(&self.books, order_id) if order_id else 0
        if slot:
            owner[0] = order_at(&self.books, slot).owner
            client_ref[0] = order_at(&self.books, slot).client_ref
        return slot != 0

    cdef void terms(self, uint64_t order_id, Command* into) noexcept nogil:
        cdef const Order* order = order_at(&self.books, find_id(&self.books, order_id))
        into.order_type = type_of(&self.books, order)
        into.time_in_force = time_in_force_of(order)
        into.stop_price_ticks = into.peg_limit_ticks = EMPTY
        if has_extra(order):
            into.display_lots = extra_of(&self.books, order).display_lots
            into.stop_price_ticks = stop_of(&self.books, order, extra_of(&self.books, order))
            into.offset_ticks = extra_of(&self.books, order).offset_ticks
            into.peg_limit_ticks = extra_of(&self.books, order).peg_limit_ticks
            into.expire_ns = extra_of(&self.books, order).expire_ns

    cdef int choose(self, uint64_t order_id) except -1 nogil:
        return choose_order(&self.books, find_id(&self.books, order_id))

    cdef int64_t due(self) noexcept nogil:
        cdef const Timer* first = first_timer(&self.books)
        return EMPTY if first == NULL else first.due_ns

    cdef void expect(self, uint64_t order_id, uint32_t owner, uint64_t client_ref, int stage) noexcept nogil:
        expect_order(&self.books, order_id, owner, client_ref, stage)

    cdef void set_time(self, int64_t time_ns) noexcept nogil:
        self.books.time_ns = time_ns

    cdef int check(self) except -1:
        """Another thread may be inside `apply`, or an error may have left the books half changed."""
        if self.entered:
            raise_in_use(True)
        return 0

    cdef int check_done(self) except -1:
        """Between commands only there is a state that a snapshot tells, and room for another command."""
        if self.entered or has_work(&self.books) or self.books.aside.is_there:
            raise_in_use(self.entered)
        return 0


cdef int raise_in_use(bint entered) except -1 nogil:
    if entered:
        raise RuntimeError("the machine is in use by another thread, or an earlier error has broken it")
    raise RuntimeError("a command is under way: the machine takes no other, and tells no state, until it is done")
