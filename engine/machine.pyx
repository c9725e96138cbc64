"""The matching engine for Python: all instruments, commands in, reports out.

`apply` runs arrays of commands and releases the GIL; the other calls run one command each. What guards them is in
doorway.pyx.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.number cimport PyNumber_Index as index  # Cython alone cuts an id of 1.5 to 1
from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.answers cimport instrument_of, live_slot, order_at_slot, side_best, side_depth
from engine.asking cimport add_terms, name_order, take_own_terms, take_terms
from engine.auction cimport Outcome, auction
from engine.book cimport run_commands
from engine.events cimport drop_events
from engine.index cimport hash_ref
from engine.places cimport EMPTY, place_of
from engine.queue cimport find_ref
from engine.report cimport report_object
from engine.report_buffers cimport give_spare, taken
from engine.snapshot_reader cimport read_snapshot
from engine.snapshot_writer cimport write_snapshot
from engine.state cimport Books, Instrument, Market, books_bytes, books_close, books_copy, market_of
from engine.store cimport Order as OrderRecord, SHOWN
from engine.types cimport (
    ADVANCE, BY_ACCOUNT, BY_INSTRUMENT, BY_OWNER, BY_PRICES, BY_SIDE, CANCEL, CHANGE, CONTINUOUS, Command, DEFINE,
    Definition, GTC, GTD, LIMIT, MARKET, MASS_CANCEL, NEW, PHASE, POST_ONLY, PROTECT, PhaseChange, Protection, REDUCE,
    REENTER, REJECTED, REPLACE, RULES_VERSION, TICK, TickRow,
)
from engine.work cimport has_work

import hashlib

import numpy as np

from engine.records import COMMAND
from engine.records import Phase as PhaseName

cdef object BYTE = np.dtype(np.uint8)


cdef class Machine(Doorway):
    """A matching engine: instruments, their books, and the rules.

    Nothing but commands and `advance` changes it, and the same commands give the same reports, always.
    """

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
        self.run_step(&one, steps, SIZE_MAX)
        return taken(&self.books)

    def go_on(self, int64_t steps):
        """Do at most so many more steps of the command that was begun; return their reports."""
        self.check()
        self.work(steps, SIZE_MAX)
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
