"""The matching engine for Python: all instruments, commands in, reports out.

A Machine owns its books and the buffer its reports are written to. Matching never
needs the GIL; `apply` releases it. One thread at a time may use a machine, which
is checked. An error inside matching (no memory, a broken invariant) leaves the
machine refusing everything: it does not trade on wrongly.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.number cimport PyNumber_Index as index  # Cython alone cuts an id of 1.5 to 1
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.ahead cimport expect_order
from engine.auction cimport Outcome, auction
from engine.book cimport run_commands
from engine.events cimport BookEvent, drop_events, feed_id_of
from engine.index cimport hash_ref
from engine.ladder cimport Ladder, key_of, ladder_after, ladder_find, level_at, price_of
from engine.many cimport choose_order
from engine.places cimport (
    EMPTY, FIRST_FEED_ID, extra_of, has_extra, instrument_of as instrument_of_order, place_of, price_of_order,
    time_in_force_of, type_of,
)
from engine.queue cimport find_id, find_ref
from engine.report cimport Order, order_object, report_object
from engine.snapshot_reader cimport read_snapshot
from engine.snapshot_writer cimport write_snapshot
from engine.state cimport (
    Books, Instrument, Market, books_bytes, books_close, books_copy, books_open, market_of, order_at, set_rules,
)
from engine.store cimport Extra, Level, SHOWN, Timer, block_resize
from engine.store cimport Order as OrderRecord
from engine.timers cimport first_timer
from engine.trails cimport stop_of
from engine.types cimport (
    ADVANCE, ALL_OR_NONE, BY_ACCOUNT, BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CANCEL, CHANGE, CONTINUOUS, Command,
    DEFINE, Definition, EXTENDED, GTC, GTD, HIDDEN, LIMIT, MARKET, MASS_CANCEL, NEW, PEGGED, PHASE, POST_ONLY,
    POST_ONLY_SLIDE, PROTECT, PhaseChange, Protection, REDUCE, REENTER, REJECTED, REPLACE, RULES_VERSION, STOP,
    STOP_LIMIT, TICK, TRAILING_STOP, TickRow,
)
from engine.types cimport Report as ReportRecord
from engine.work cimport has_work, work_on

import hashlib

import numpy as np

from engine.records import COMMAND, DEPTH, REPORT
from engine.records import Phase as PhaseName

cdef object BYTE = np.dtype(np.uint8)
cdef object frombuffer = np.frombuffer
cdef dict TERMS = {
    "slide": False, "hidden": False, "all_or_none": False, "display": 0, "min_quantity": 0, "stop": None, "trail": 0,
    "peg": 0, "offset": 0, "peg_limit": None, "expire_ns": 0, "account": 0, "self_match_group": 0, "self_match_mode": 0,
}

cdef struct Depth:              # DEPTH of records.py
    int64_t price_ticks
    int64_t quantity_lots
    uint32_t orders
    uint32_t reserved

# ---------------------------------------------------------------- report buffers

cdef enum:
    SPARES = 4                  # freed report buffers kept for the next batch,
    SPARE_BYTES = 1 << 20       # of at most this size; touched only with the GIL

cdef void* spare_blocks[SPARES]
cdef size_t spare_sizes[SPARES]
cdef int spare_count = 0


cdef class ReportBuffer:
    """The memory under an array that `apply` returned: it belongs to that array alone."""
    cdef void* block
    cdef size_t size            # of the block
    cdef Py_ssize_t used

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.block, self.used, 0, flags)

    def __releasebuffer__(self, Py_buffer* view):
        pass

    def __dealloc__(self):
        global spare_count
        if self.block == NULL:
            return
        if spare_count < SPARES and self.size <= SPARE_BYTES:
            spare_blocks[spare_count] = self.block
            spare_sizes[spare_count] = self.size
            spare_count += 1
        else:
            block_resize(self.block, self.size, 0)


cdef ReportBuffer take_reports(Books* books):
    """Hand the machine's report buffer over."""
    cdef ReportBuffer buffer = ReportBuffer.__new__(ReportBuffer)
    buffer.block = books.reports
    buffer.size = books.report_capacity * sizeof(ReportRecord)
    buffer.used = books.report_count * sizeof(ReportRecord)
    books.reports = NULL
    books.report_capacity = 0
    books.report_count = 0
    return buffer


cdef object taken(Books* books):
    """The reports since the last time, as an array of their own."""
    drop_events(books)
    return frombuffer(take_reports(books), REPORT) if books.report_count else np.empty(0, REPORT)


cdef void give_spare(Books* books) noexcept:
    """Let the machine write its next reports where the last freed array was: that is still in the cache."""
    global spare_count
    if books.reports == NULL and spare_count:
        spare_count -= 1
        books.reports = <ReportRecord*>spare_blocks[spare_count]
        books.report_capacity = spare_sizes[spare_count] // sizeof(ReportRecord)


cdef class Machine:
    """A matching engine: instruments, their books, and the rules.

    Nothing but commands and `advance` changes it, and the same commands give the same reports, always.
    """

    def __cinit__(self, rules=RULES_VERSION):
        cdef uint32_t version = index(rules)
        if not 1 <= version <= RULES_VERSION:
            raise ValueError(f"rules version {version}; allowed: 1 to {RULES_VERSION}")
        if books_open(&self.books) < 0:
            raise MemoryError("no memory for a machine")
        set_rules(&self.books, version)

    def __dealloc__(self):
        books_close(&self.books)

    # ------------------------------------------------------------ for C callers

    cdef int run(self, const Command* commands, size_t count) except -1 nogil:
        """Run commands in order. Raises MemoryError, or AssertionError for a broken invariant."""
        if self.entered or has_work(&self.books):
            raise_in_use(self.entered)
        self.entered = True
        run_commands(&self.books, commands, count)
        self.entered = False
        return 0

    cdef bint run_step(self, const Command* command, int64_t steps) except -1 nogil:
        self.books.leaves_work = True
        try:
            self.run(command, 1)
        finally:
            self.books.leaves_work = False
        return self.work(steps)

    cdef bint work(self, int64_t steps) except -1 nogil:
        cdef bint done
        if self.entered:
            raise_in_use(True)
        self.entered = True
        done = work_on(&self.books, steps)
        self.entered = False
        return done

    cdef const ReportRecord* reports(self) noexcept nogil:
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
        cdef const OrderRecord* orders = <const OrderRecord*>self.books.orders.records
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
        cdef const OrderRecord* orders = <const OrderRecord*>self.books.orders.records
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
        cdef const OrderRecord* order = order_at(&self.books, find_id(&self.books, order_id))
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
        if self.entered or has_work(&self.books):
            raise_in_use(self.entered)
        return 0

    # ------------------------------------------------------------ commands

    def apply(self, commands):
        """Run an array of COMMAND; return a new array of REPORT that the caller owns.

        The GIL is released while matching. The commands are read in place when they are contiguous.
        Raises TypeError for another dtype and ValueError for more than one dimension; nothing has run then.
        """
        cdef Py_buffer view
        cdef size_t count
        if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND:
            raise TypeError("apply takes a NumPy array with dtype quorumbook.COMMAND")
        if commands.ndim != 1:
            raise ValueError(f"apply takes an array of one dimension; this one has {commands.ndim}")
        self.check_done()
        if self.books.report_count:
            raise RuntimeError("reports of earlier commands have not been taken")
        # As bytes: NumPy would describe all fields of the record to export it. Records are read as 8-byte words.
        if not commands.flags.c_contiguous:
            commands = np.ascontiguousarray(commands)
        PyObject_GetBuffer(commands.view(BYTE), &view, PyBUF_SIMPLE)
        if <size_t>view.buf % 8:
            PyBuffer_Release(&view)
            PyObject_GetBuffer(commands.copy().view(BYTE), &view, PyBUF_SIMPLE)
        count = <size_t>view.len // sizeof(Command)
        give_spare(&self.books)
        try:
            self.check_done()
            self.entered = True     # while the GIL is held: nobody else can have passed check() in between
            with nogil:
                run_commands(&self.books, <const Command*>view.buf, count)
            self.entered = False
        finally:
            PyBuffer_Release(&view)
        return taken(&self.books)

    cdef tuple run_one(self, const Command* command):
        """Run one command and return its reports as objects."""
        cdef size_t i, before = self.books.report_count
        cdef list reports
        self.run(command, 1)
        try:
            if self.books.report_count == before + 1:
                return (report_object(&self.books.reports[before]),)
            reports = []
            for i in range(before, self.books.report_count):
                reports.append(report_object(&self.books.reports[i]))
            return tuple(reports)
        finally:
            self.books.report_count = before
            drop_events(&self.books)

    def begin(self, command, int64_t steps):
        """Begin a command, an array of one, and do at most so many steps of what it leaves; return its reports so far.

        Until it `is_done` by `go_on`, the machine takes no other command and tells no state. The reports and the state
        are those of `apply`, however it is cut. A step is a trade, an order that is cancelled, a stop, a peg.
        """
        cdef Command one
        cdef bytes record
        if not isinstance(command, np.ndarray) or command.dtype != COMMAND or command.size != 1:
            raise TypeError("begin takes a NumPy array of one command, with dtype quorumbook.COMMAND")
        record = command.tobytes()
        memcpy(&one, <const char*>record, sizeof(Command))
        self.check_done()
        self.run_step(&one, steps)
        return taken(&self.books)

    def go_on(self, int64_t steps):
        """Do at most so many more steps of the command that was begun; return their reports."""
        self.check()
        self.work(steps)
        return taken(&self.books)

    @property
    def is_done(self):
        """Whether no command is under way."""
        return not has_work(&self.books)

    def define(
        self, lot=1, min_quantity=1, max_quantity=INT64_MAX, low=None, high=None, protection=None, *, algorithm=0,
        bint top_order=False, pro_rata_minimum=0, trigger=0, tick_table=0, phase=CONTINUOUS,
    ):
        """Define the next instrument and return its number; the units are lots and ticks, None is no limit.

        Raises ValueError for terms that contradict each other.
        """
        cdef Command command
        cdef uint32_t number = self.books.instrument_count
        take_terms(
            &command, DEFINE, number, (lot, min_quantity, max_quantity, low, high, protection), algorithm, top_order,
            pro_rata_minimum, trigger, tick_table,
        )
        (<Definition*>&command).phase = index(phase)
        if self.run_one(&command)[0].record()[0] == REJECTED:
            raise ValueError(
                "an instrument needs lot >= 1, 1 <= min_quantity <= max_quantity, low <= high, protection >= 0, and"
                " an algorithm, a trigger, a tick table and a phase that there are"
            )
        return number

    def change(
        self, instrument, lot=1, min_quantity=1, max_quantity=INT64_MAX, low=None, high=None, protection=None, *,
        algorithm=0, bint top_order=False, pro_rata_minimum=0, trigger=0, tick_table=0,
    ):
        """Give an instrument the terms that `define` would give it, all of them anew; orders that rest stay."""
        cdef Command command
        take_terms(
            &command, CHANGE, index(instrument), (lot, min_quantity, max_quantity, low, high, protection), algorithm,
            top_order, pro_rata_minimum, trigger, tick_table,
        )
        return self.run_one(&command)

    def delist(self, instrument):
        """End an instrument for good, its orders with it; its terms stay. Raises ValueError when there is none."""
        cdef const Instrument* book = instrument_of(self, instrument)
        cdef const Market* market = market_of(&self.books, index(instrument))
        cdef Command command
        cdef Definition* definition = <Definition*>&command
        memset(&command, 0, sizeof(Command))
        definition.kind = CHANGE
        definition.instrument = index(instrument)
        definition.lot_lots = book.lot_lots
        definition.min_lots = book.min_lots
        definition.max_lots = book.max_lots
        definition.low_ticks = book.low_ticks
        definition.high_ticks = book.high_ticks
        definition.protection_ticks = book.protection_ticks
        definition.algorithm = market.algorithm
        definition.top_order = market.top_order
        definition.trigger = market.trigger
        definition.tick_table = market.tick_table
        definition.pro_rata_minimum_lots = market.pro_rata_minimum_lots
        definition.delist = 1
        return self.run_one(&command)

    def submit(
        self, instrument, side, quantity, price=None, *, owner=0, client_ref=None, order_type=None, time_in_force=GTC,
        bint post_only=False, **terms,
    ):
        """Enter an order and return what came of it.

        Without an order type it is what its terms make it: pegged, a trailing stop, a stop, a market or a limit order.
        Without a client_ref the next order id is taken for it, or the first number from there on that no live order of
        the owner has.

        terms: slide, hidden, all_or_none, display, min_quantity, stop, trail, peg, offset, peg_limit, expire_ns,
        account, self_match_group, self_match_mode.
        """
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = NEW
        command.side = index(side)
        command.order_type = MARKET if price is None else LIMIT
        command.time_in_force = index(time_in_force)
        command.flags = POST_ONLY if post_only else 0
        command.instrument = index(instrument)
        command.owner = index(owner)
        command.client_ref = self.unused_ref(command.owner) if client_ref is None else index(client_ref)
        command.price_ticks = EMPTY if price is None else index(price)
        command.quantity_lots = index(quantity)
        if terms:
            add_terms(&command, terms)
        if order_type is not None:
            command.order_type = index(order_type)
        return self.run_one(&command)

    cdef uint64_t unused_ref(self, uint32_t owner) noexcept nogil:
        """O(1) unless the owner's own refs lie where order ids are now."""
        cdef uint64_t ref = self.books.last_order_id + 1
        while find_ref(&self.books, hash_ref(owner, ref), owner, ref) != 0:
            ref += 1
        return ref

    def cancel(self, order_id=0, *, owner=0, client_ref=None):
        """Cancel an order, named by its order_id or, when that is 0, by owner and client_ref."""
        cdef Command command
        name_order(&command, CANCEL, order_id, owner, client_ref)
        return self.run_one(&command)

    def reduce(self, order_id=0, quantity=0, *, owner=0, client_ref=None):
        """Take an amount off an order; it keeps its place."""
        cdef Command command
        name_order(&command, REDUCE, order_id, owner, client_ref)
        command.quantity_lots = index(quantity)
        return self.run_one(&command)

    def replace(
        self, order_id=0, quantity=None, price=None, *, owner=0, client_ref=None, time_in_force=None, display=None,
        stop=None, trail=None, offset=None, peg_limit=None, expire_ns=None,
    ):
        """Give an order new terms; quantity is its total, fills included. What is not given stays as it is.

        A stop or a peg_limit of EMPTY_PRICE is none. An order that is not good till a date any more has no expire_ns.
        """
        cdef Command command
        cdef bint extended = (
            time_in_force is not None or display is not None or stop is not None or trail is not None
            or offset is not None or peg_limit is not None or expire_ns is not None
        )
        name_order(&command, REPLACE, order_id, owner, client_ref)
        if extended or quantity is None:
            self.check()
            take_own_terms(&self.books, &command, extended)
        if quantity is not None:
            command.quantity_lots = index(quantity)
        command.price_ticks = EMPTY if price is None else index(price)
        if time_in_force is not None:
            command.time_in_force = index(time_in_force)
            if command.time_in_force != GTD:
                command.expire_ns = 0
        if display is not None:
            command.display_lots = index(display)
        if stop is not None:
            command.stop_price_ticks = index(stop)
        if trail is not None or offset is not None:
            command.offset_ticks = index(offset if trail is None else trail)
        if peg_limit is not None:
            command.peg_limit_ticks = index(peg_limit)
        if expire_ns is not None:
            command.expire_ns = index(expire_ns)
        return self.run_one(&command)

    def reenter(self, order_id=0, quantity=0, price=None, *, owner=0, client_ref=None):
        """Cancel an order and enter it again under the same ids with these leaves; None keeps the price."""
        cdef Command command
        name_order(&command, REENTER, order_id, owner, client_ref)
        command.quantity_lots = index(quantity)
        command.price_ticks = EMPTY if price is None else index(price)
        return self.run_one(&command)

    def mass_cancel(self, *, owner=None, account=None, instrument=None, side=None, prices=None):
        """Cancel every order that matches all that is given; nothing given, every order there is."""
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = MASS_CANCEL
        if owner is not None:
            command.flags |= BY_OWNER
            command.owner = index(owner)
        if account is not None:
            command.flags |= BY_ACCOUNT
            command.account = index(account)
        if instrument is not None:
            command.flags |= BY_INSTRUMENT
            command.instrument = index(instrument)
        if side is not None:
            command.flags |= BY_SIDE
            command.side = index(side)
        if prices is not None:
            command.flags |= BY_PRICES
            low, high = prices
            command.price_ticks = index(low)
            command.stop_price_ticks = index(high)
        return self.run_one(&command)

    def set_phase(self, instrument, phase, *, until_ns=0, next_phase=CONTINUOUS, random=0, window_ns=0):
        """Begin a phase; with until_ns it ends then, and by random modulo window_ns + 1 later, and the next begins."""
        cdef Command command
        cdef PhaseChange* asked = <PhaseChange*>&command
        memset(&command, 0, sizeof(Command))
        asked.kind = PHASE
        asked.instrument = index(instrument)
        asked.phase = index(phase)
        asked.next_phase = index(next_phase)
        asked.until_ns = index(until_ns)
        asked.random = index(random)
        asked.window_ns = index(window_ns)
        return self.run_one(&command)

    def tick_table(self, table, rows):
        """Set a table of increments by the price each range begins at; the first begins at None, below all prices."""
        cdef Command command
        cdef TickRow* row = <TickRow*>&command
        cdef tuple reports = ()
        for begin, increment in rows.items():
            memset(&command, 0, sizeof(Command))
            row.kind = TICK
            row.table = index(table)
            row.from_ticks = EMPTY if begin is None else index(begin)
            row.tick_ticks = index(increment)
            reports += self.run_one(&command)
        return reports

    def protect(
        self, instrument, *, reference=None, static=None, dynamic=None, distance=None, max_notional=None, breaker_bp=0,
        halt_ns=0, auction_ns=0,
    ):
        """Set all protections of an instrument; None is none of the kind, but the reference is kept then."""
        cdef Command command
        cdef Protection* asked = <Protection*>&command
        memset(&command, 0, sizeof(Command))
        asked.kind = PROTECT
        asked.instrument = index(instrument)
        asked.reference_ticks = EMPTY if reference is None else index(reference)
        asked.static_ticks = -1 if static is None else index(static)
        asked.dynamic_ticks = -1 if dynamic is None else index(dynamic)
        asked.distance_ticks = -1 if distance is None else index(distance)
        asked.max_notional = -1 if max_notional is None else index(max_notional)
        asked.breaker_bp = index(breaker_bp)
        asked.halt_ns = index(halt_ns)
        asked.auction_ns = index(auction_ns)
        return self.run_one(&command)

    def advance(self, time_ns):
        """Step the simulated clock; what comes due happens. Raises ValueError when it would go back."""
        cdef Command command
        cdef int64_t time
        self.check_done()
        if index(time_ns) < self.books.time_ns:
            raise ValueError(f"time goes forward only: {time_ns} is before {self.books.time_ns}")
        time = index(time_ns)
        if self.books.rules < 3:
            self.books.time_ns = time
            return ()
        memset(&command, 0, sizeof(Command))
        command.kind = ADVANCE
        command.expire_ns = time
        return self.run_one(&command)

    # ------------------------------------------------------------ questions

    @property
    def time_ns(self):
        return self.books.time_ns

    @property
    def rules(self):
        return self.books.rules

    @property
    def commands(self):
        return self.books.commands

    @property
    def trades(self):
        return self.books.last_trade_id

    @property
    def live_orders(self):
        return self.books.orders.live

    @property
    def memory_bytes(self):
        """Bytes that the machine's records, indexes and report buffer take."""
        return books_bytes(&self.books) + sizeof(Books)

    def best(self, instrument):
        """The best bid and the best ask; None for a side that is empty."""
        cdef const Instrument* book = instrument_of(self, instrument)
        return side_best(&book.sides[0], 0), side_best(&book.sides[1], 1)

    def depth(self, instrument, Py_ssize_t n):
        """Up to n levels of bids and of asks, best first, as new arrays of DEPTH."""
        cdef const Instrument* book = instrument_of(self, instrument)
        if n < 0:
            raise ValueError(f"a depth of {n} levels; 0 or more is allowed")
        return side_depth(&self.books, &book.sides[0], 0, n), side_depth(&self.books, &book.sides[1], 1, n)

    def phase(self, instrument):
        """What an instrument is doing."""
        instrument_of(self, instrument)
        return PhaseName(market_of(&self.books, index(instrument)).phase)

    def indicative(self, instrument):
        """What an auction now would come out as: price, volume, surplus of buyers; None: nothing would trade."""
        cdef Outcome outcome
        instrument_of(self, instrument)
        auction(&self.books, index(instrument), &outcome)
        if outcome.price_ticks == EMPTY:
            return None
        return (
            outcome.price_ticks, outcome.volume_low + (<object>outcome.volume_high << 64),
            outcome.surplus_low + (<object><int64_t>outcome.surplus_high << 64),
        )

    def queue_ahead(self, order_id):
        """The shown lots before this order at its price. Raises ValueError when it is not live, or shown in no book."""
        cdef uint32_t slot = live_slot(self, order_id)
        cdef const OrderRecord* orders = <const OrderRecord*>self.books.orders.records
        cdef object ahead = 0
        if slot == 0:
            raise ValueError(f"order {order_id} is not live")
        if place_of(&self.books, &orders[slot]) != SHOWN:
            raise ValueError(f"order {order_id} has no place in a queue that is shown")
        slot = orders[slot].previous
        while slot:
            ahead += orders[slot].leaves_lots
            slot = orders[slot].previous
        return ahead

    def order(self, order_id):
        """The live order with this id, or None."""
        cdef uint32_t slot = live_slot(self, order_id)
        return None if slot == 0 else order_at_slot(self, slot)

    def orders(self, owner):
        """The owner's live orders in order of order_id. Looks at every order of the machine."""
        cdef const OrderRecord* orders = <const OrderRecord*>self.books.orders.records
        cdef uint32_t slot, asked = index(owner)
        cdef list found = []
        self.check()
        for slot in range(1, self.books.orders.top):
            if orders[slot].level and orders[slot].owner == asked:
                found.append((orders[slot].order_id, slot))
        found.sort()
        return tuple([order_at_slot(self, slot) for _, slot in found])

    # ------------------------------------------------------------ the whole state

    def copy(self):
        """A machine with the same state that goes its own way from here."""
        cdef Machine other = Machine.__new__(Machine)
        self.check_done()
        books_close(&other.books)
        if books_copy(&other.books, &self.books) < 0:
            raise MemoryError("no memory for a copy of the machine")
        return other

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return Machine.restore, (self.snapshot(),)

    def snapshot(self):
        """The logical state as bytes, the same for every history that led to it (snapshot.pxd has the layout)."""
        self.check_done()
        return write_snapshot(&self.books)

    @staticmethod
    def restore(bytes snapshot not None):
        """The machine a snapshot was taken of. Raises ValueError with the byte offset of what is wrong."""
        cdef Machine machine = Machine.__new__(Machine)
        cdef const uint8_t* data = snapshot
        read_snapshot(&machine.books, data, len(snapshot), RULES_VERSION)
        return machine

    def state_hash(self):
        """SHA-256 of the snapshot, in hexadecimal."""
        return hashlib.sha256(self.snapshot()).hexdigest()

    def __repr__(self):
        return (
            f"<Machine: {self.books.instrument_count} instruments, {self.books.orders.live} live orders,"
            f" {self.books.commands} commands>"
        )


cdef int raise_in_use(bint entered) except -1 nogil:
    if entered:
        raise RuntimeError("the machine is in use by another thread, or an earlier error has broken it")
    raise RuntimeError("a command is under way: the machine takes no other, and tells no state, until it is done")

cdef int name_order(Command* command, uint8_t kind, order_id, owner, client_ref) except -1:
    memset(command, 0, sizeof(Command))
    command.kind = kind
    command.order_id = index(order_id)
    command.owner = index(owner)
    command.client_ref = 0 if client_ref is None else index(client_ref)
    return 0

cdef int take_terms(
    Command* command, uint8_t kind, object instrument, tuple limits, object algorithm, bint top_order,
    object pro_rata_minimum, object trigger, object tick_table,
) except -1:
    """limits: lot, least and most quantity, lowest and highest price, protection."""
    cdef Definition* definition = <Definition*>command
    lot, least, most, low, high, protection = limits
    memset(command, 0, sizeof(Command))
    definition.kind = kind
    definition.instrument = instrument
    definition.lot_lots = index(lot)
    definition.min_lots = index(least)
    definition.max_lots = index(most)
    definition.low_ticks = EMPTY if low is None else index(low)
    definition.high_ticks = EMPTY if high is None else index(high)
    definition.protection_ticks = -1 if protection is None else index(protection)
    definition.algorithm = index(algorithm)
    definition.top_order = top_order
    definition.pro_rata_minimum_lots = index(pro_rata_minimum)
    definition.trigger = index(trigger)
    definition.tick_table = index(tick_table)
    return 0

cdef int add_terms(Command* command, dict given) except -1:
    """Terms of `submit` that a plain order has not: as names of their own they would cost each call a tenth more."""
    cdef dict terms = TERMS | given
    if len(terms) > len(TERMS):
        raise TypeError(f"submit has no term {', '.join(sorted(given.keys() - TERMS.keys()))}; see its help")
    if terms["slide"]:
        command.flags |= POST_ONLY_SLIDE
    if terms["hidden"]:
        command.flags |= HIDDEN
    if terms["all_or_none"]:
        command.flags |= ALL_OR_NONE
    command.account = index(terms["account"])
    command.self_match_group = index(terms["self_match_group"])
    command.self_match_mode = index(terms["self_match_mode"])
    return extend(
        command, terms["display"], terms["min_quantity"], terms["stop"], terms["trail"], terms["peg"], terms["offset"],
        terms["peg_limit"], terms["expire_ns"],
    )

cdef int extend(
    Command* command, object display, object min_quantity, object stop, object trail, object peg, object offset,
    object peg_limit, object expire_ns,
) except -1:
    """The second line of an order, when anything of it is asked for; and the type that this makes of it."""
    if stop is None and peg_limit is None and not (
        display or min_quantity or trail or peg or offset or expire_ns
    ):
        return 0
    if peg:
        command.order_type = PEGGED
    elif trail:
        command.order_type = TRAILING_STOP
    elif stop is not None:
        command.order_type = STOP if command.order_type == MARKET else STOP_LIMIT
    command.flags |= EXTENDED
    command.display_lots = index(display)
    command.min_quantity_lots = index(min_quantity)
    command.stop_price_ticks = EMPTY if stop is None else index(stop)
    command.offset_ticks = index(trail or offset)
    command.peg_kind = index(peg)
    command.peg_limit_ticks = EMPTY if peg_limit is None else index(peg_limit)
    command.expire_ns = index(expire_ns)
    return 0

cdef void take_own_terms(const Books* books, Command* command, bint extended) noexcept:
    """What the order that a replace names has now; nothing when it is not there."""
    cdef uint32_t slot = named_slot(books, command)
    cdef const OrderRecord* order = order_at(books, slot)
    cdef const Extra* extra
    if extended:
        command.flags = EXTENDED
    if slot == 0:
        return
    command.quantity_lots = order.total_lots
    if not extended:
        return
    command.time_in_force = time_in_force_of(order)
    command.stop_price_ticks = command.peg_limit_ticks = EMPTY
    if has_extra(order):
        extra = extra_of(books, order)
        command.display_lots = extra.display_lots
        command.stop_price_ticks = stop_of(books, order, extra)
        command.offset_ticks = extra.offset_ticks
        command.peg_limit_ticks = extra.peg_limit_ticks
        command.expire_ns = extra.expire_ns

cdef uint32_t named_slot(const Books* books, const Command* command) noexcept:
    """The live order that a command names, if it is its owner's; 0 = none."""
    cdef uint32_t slot
    if command.order_id == 0:
        return find_ref(books, hash_ref(command.owner, command.client_ref), command.owner, command.client_ref)
    slot = find_id(books, command.order_id)
    return slot if slot and order_at(books, slot).owner == command.owner else 0

cdef const Instrument* instrument_of(Machine machine, object number) except NULL:
    machine.check()
    number = index(number)
    if not 0 <= number < machine.books.instrument_count:
        raise ValueError(f"instrument {number} is not defined; there are {machine.books.instrument_count}")
    return &machine.books.instruments[<uint32_t>number]

cdef object side_best(const Ladder* ladder, uint32_t side):
    return price_of(ladder.best_key, side) if ladder.best else None

cdef object side_depth(const Books* books, const Ladder* ladder, uint32_t side, Py_ssize_t n):
    cdef Py_ssize_t count = 0
    cdef uint32_t number = ladder.best
    cdef const Level* level
    cdef bytearray image
    cdef Depth* rows
    while number and count < n:
        count += 1
        number = ladder_after(ladder, &books.nodes, level_at(&books.nodes, number).key)
    if count == 0:
        return np.empty(0, DEPTH)
    image = bytearray(count * sizeof(Depth))
    rows = <Depth*><char*>image
    number = ladder.best
    for i in range(count):
        level = level_at(&books.nodes, number)
        rows[i].price_ticks = price_of(level.key, side)
        rows[i].quantity_lots = (
            INT64_MAX if level.total_high or level.total_low > <uint64_t>INT64_MAX else <int64_t>level.total_low
        )
        rows[i].orders = level.orders
        number = ladder_after(ladder, &books.nodes, level.key)
    return frombuffer(image, DEPTH)

cdef uint32_t live_slot(Machine machine, object order_id) except? 0:
    """0 = no live order has this id."""
    machine.check()
    order_id = index(order_id)
    if not 0 < order_id <= machine.books.last_order_id:
        return 0
    return find_id(&machine.books, <uint64_t>order_id)

cdef Order order_at_slot(Machine machine, uint32_t slot):
    cdef const OrderRecord* order = order_at(&machine.books, slot)
    cdef const Extra* extra = extra_of(&machine.books, order) if has_extra(order) else NULL
    return order_object(
        order, extra, instrument_of_order(&machine.books, order), price_of_order(&machine.books, order),
        EMPTY if extra == NULL else stop_of(&machine.books, order, extra),
    )
