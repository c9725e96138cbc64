# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# No index here comes from outside: instruments are those of the engine's own reports, checked against the
# number defined once a report, and room is reserved before it is written.
"""Market data: what each input changed, as numbered records of five topics an instrument.

Of commands that need no more than the plain rules the reports say what others see; of the others the machine's events
do (engine/events.pxd), so that hidden orders show nowhere, and in no difference between records either.

Holds the levels that the current command touched and the order that is coming in; nothing else of the book
is kept: totals and best prices are asked of the machine when the command is done. `feed_topics` numbers the records and
makes messages of them.

Memory: arrays owned by the object, grown by doubling, freed with it.
GIL: `record` runs without it (O(1) a report and a touched level).
Raises: MemoryError; RuntimeError for reports that cannot follow each other (a bug: stop the replica).

Everything is computed from the recorded inputs alone, so every replica gives the same numbers; what is
listened to only decides which records are built, never how they are numbered.
"""

from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from engine.events cimport BookEvent, EVENT_ADD, EVENT_AMEND, EVENT_COMMAND, EVENT_DELETE, EVENT_MOVE
from engine.machine cimport Machine
from engine.phases cimport collects
from engine.state cimport market_of
from engine.types cimport (
    ACCEPTED, ADVANCED, BUY, CANCELLED, CHANGE, CHANGED, CLOSED, CLOSING_AUCTION, Command, DEFINED, DISPLAYED,
    EMPTY_PRICE, MASS_CANCELLED, PHASE_CHANGED, REDUCED, REJECTED, REPLACED, SELL, TICK, TRADE, Report,
)
from engine.work cimport has_work
from gateway.feed_topics cimport (
    ADD, AUCTION_TRADE, BUST, AuctionPrice, DELETE, EXECUTE, FeedTopics, Instrument, LEVELS, LevelRecord, ORDERS,
    OrderAction, OrderRecord, Prefix, REDUCE_ORDER, REPLACE_ORDER, STATUS, StatusRecord, TOP, TRADES, TopRecord,
    TradeRecord, grown, saturated,
)

cdef enum:
    SCANNED = 8             # touched levels compared one by one; more are hashed
    REPORT_WORDS = 27       # most that one report writes: two order records, one trade, their links
    EVENT_WORDS = 18        # that one event writes: two order records, their links

cdef uint64_t SCATTER = 0x9E3779B97F4A7C15    # 2**64 / the golden ratio (Knuth's multiplicative hashing)


cdef bint best_of(
    Machine machine, uint32_t instrument, int side, int64_t* price_ticks, int64_t* quantity_lots,
    uint32_t* orders
) noexcept nogil:
    """Bring one side of a top up to date; True when that changed it."""
    cdef int64_t price = EMPTY_PRICE()
    cdef uint64_t low = 0
    cdef int64_t high = 0
    cdef uint32_t count = 0
    if machine.touch(instrument, side, &price):
        count = machine.level(instrument, side, price, &low, &high)
    if count == orders[0] and price == price_ticks[0] and saturated(low, high) == quantity_lots[0]:
        return False
    price_ticks[0], quantity_lots[0], orders[0] = price, saturated(low, high), count
    return True


cdef class MarketData(FeedTopics):
    """The feed of one exchange: `record` every input, `end_entry` after each log entry, `take` to publish.

    Listens to everything at first: `ignore(b"")` makes it quiet (replay), after which sequences are
    counted and nothing is built.
    """

    def __dealloc__(self):
        free(self.touched)
        free(self.places)
        free(self.aside.touched)
        free(self.aside.places)
        free(self.aside.active)

    # ------------------------------------------------------------ one input

    cdef int record(
        self, Machine machine, const Report* reports, size_t count, uint64_t input_number, int64_t time_ns
    ) except -1 nogil:
        """Reports of one input, which `machine` has just performed: all of it, or some of it, in the order of it.

        Levels and tops are those at the end of each call whose last command is done; where a command is cut shows
        nowhere. A deadline has a number of its own. Takes the machine's events, which go with these reports: all that
        it has. Raises RuntimeError when the number falls.
        """
        cdef size_t position, event_count = machine.event_count()
        cdef const BookEvent* event = machine.events()
        cdef const BookEvent* end = event + event_count
        if input_number < self.input_number:
            with gil:
                raise RuntimeError(f"feed: input {input_number} cannot follow input {self.input_number}")
        self.input_number = input_number
        self.time_ns = time_ns
        if not self.is_amid_command:
            self.serial += 1
            if count == 1 and event_count == 0 and not has_work(&machine.books) and self._unheard(reports):
                self._count(machine, reports)
                return 0
            self.touched_count = self.active_count = 0
        self._reserve(count * REPORT_WORDS + event_count * EVENT_WORDS)
        for position in range(count):
            while event < end and event.reports <= position:
                self._event(event)
                event += 1
            self._report(machine, &reports[position])
        while event < end:
            self._event(event)
            event += 1
        machine.clear_events()
        self.is_amid_command = has_work(&machine.books)
        if self.is_amid_command:
            return 0
        self._settle()
        self._reserve(self.touched_count * (1 + sizeof(LevelRecord) // 8))
        self._levels(machine)
        self._reserve(self.active_count * (1 + sizeof(TopRecord) // 8))
        self._tops(machine)
        return 0

    cdef bint _unheard(self, const Report* report) noexcept nogil:
        """Whether an input's only report changes one order at one level, and nobody listens to its instrument."""
        if (self.open_count or report.instrument >= self.instrument_count
                or self.instruments[report.instrument].listeners):
            return False
        if report.kind == REPLACED:
            return report.kept_priority
        if report.kind == ACCEPTED:
            return report.leaves_lots > 0
        return report.kind == CANCELLED or report.kind == REDUCED

    cdef void _count(self, Machine machine, const Report* report) noexcept nogil:
        """What `_report` and what follows it number for such an input, without writing it down."""
        cdef Instrument* instrument = &self.instruments[report.instrument]
        instrument.topics[ORDERS - 1].sequence += 1
        instrument.topics[LEVELS - 1].sequence += 1
        self._mark_stale(instrument, report.side, report.price_ticks)
        if instrument.stale and self._top_changed(machine, report.instrument, instrument):
            instrument.topics[TOP - 1].sequence += 1

    cdef int _report(self, Machine machine, const Report* report) except -1 nogil:
        """One report -> its records, and the levels it touches. O(1)."""
        if (report.kind == REJECTED or report.kind == DEFINED or report.kind == ADVANCED
                or report.kind == MASS_CANCELLED):
            return 0
        if report.kind == CHANGED:
            return self._changed(machine, report)
        self._known(report.instrument)
        if machine.books.special:
            self._collect(machine, report.instrument)
        if self.incoming.order_id and self.incoming.command_number != report.command_number:
            self._settle()
        if report.kind == PHASE_CHANGED:
            self._phase_changed(machine, report)
        elif report.kind != TRADE and report.kind != DISPLAYED:
            self.is_uncrossing = False
        if report.kind == TRADE:
            self._trade(report)
        return 0 if report.command_number == self.seen_command else self._plain(report)

    cdef void _phase_changed(self, Machine machine, const Report* report) noexcept nogil:
        cdef Instrument* instrument = &self.instruments[report.instrument]
        cdef AuctionPrice* auction
        self.is_uncrossing = report.price_ticks != EMPTY_PRICE()
        if self.is_uncrossing:
            instrument.auctions.last = report.time_in_force == CLOSING_AUCTION
            auction = &instrument.auctions.prices[instrument.auctions.last]
            auction.price_ticks = report.price_ticks
            auction.lots = report.quantity_lots
            auction.time_ns = self.time_ns
        instrument.auctions.until_ns = report.last_lots
        self._status(machine, report.instrument, report.order_type)

    cdef int _changed(self, Machine machine, const Report* report) except -1 nogil:
        """New terms: of an instrument, which may be its end, its protections, or a table of increments."""
        cdef uint32_t number
        if report.command_kind != TICK:
            self._known(report.instrument)
            self._collect(machine, report.instrument)
        if report.command_kind == CHANGE and market_of(&machine.books, report.instrument).is_delisted:
            self.instruments[report.instrument].auctions.until_ns = 0
            self._status(machine, report.instrument, CLOSED)
        for number in range(<uint32_t>self.instrument_count if report.command_kind == TICK else 0):
            if market_of(&machine.books, number).tick_table == report.instrument:
                self._collect(machine, number)
        return 0

    cdef void _collect(self, Machine machine, uint32_t instrument) noexcept nogil:
        """What an auction of the instrument would come to may be another now, if it collects orders for one."""
        cdef Instrument* touched = &self.instruments[instrument]
        if not collects(market_of(&machine.books, instrument).phase):
            return
        touched.indication.is_known = False
        if not touched.is_collecting:
            touched.is_collecting = True
            self.collecting[self.collecting_count] = instrument
            self.collecting_count += 1

    cdef void _status(self, Machine machine, uint32_t instrument, uint8_t phase) noexcept nogil:
        """A record of a phase that begins; what an auction would come to is told at the end of the entry."""
        cdef StatusRecord* record
        self.instruments[instrument].indication.is_known = False
        record = <StatusRecord*>self._next(instrument, STATUS, 0, sizeof(StatusRecord))
        if record != NULL:
            self._write_status(machine, instrument, record)
            record.phase = phase
            record.indicative_price_ticks = EMPTY_PRICE()
            record.indicative_lots = record.surplus_lots = 0

    cdef int _known(self, uint32_t instrument) except -1 nogil:
        if instrument >= self.instrument_count:
            with gil:
                raise RuntimeError(f"the feed knows no instrument {instrument}: define it first")
        return 0

    cdef int _plain(self, const Report* report) except -1 nogil:
        """A report of a command of the plain rules -> what others see of it. O(1)."""
        cdef Incoming* incoming = &self.incoming
        if report.kind == TRADE:
            return self._plain_trade(report)
        if report.kind == ACCEPTED or (report.kind == REPLACED and not report.kept_priority):
            incoming.order_id = report.order_id
            incoming.command_number = report.command_number
            incoming.instrument = report.instrument
            incoming.side = report.side
            incoming.price_ticks = report.price_ticks
            incoming.leaves_lots = report.leaves_lots
            incoming.replaces = report.kind == REPLACED
            if incoming.replaces:
                incoming.old_price_ticks = report.last_price_ticks
                incoming.old_leaves_lots = report.last_lots
                self._touch(report.instrument, report.side, report.last_price_ticks)
            return 0
        if report.kind == CANCELLED and incoming.order_id == report.order_id:
            incoming.leaves_lots = 0    # what is left of it never rests
            return 0
        self._touch(report.instrument, report.side, report.price_ticks)
        if report.kind == CANCELLED:
            self._order(DELETE, report.instrument, report.side, report.order_id, report.price_ticks,
                        0, report.last_lots, 0, 0)
        elif report.kind == REDUCED:
            self._order(REDUCE_ORDER, report.instrument, report.side, report.order_id, report.price_ticks,
                        report.leaves_lots, report.last_lots, 0, 0)
        elif report.kind == REPLACED:
            self._order(REPLACE_ORDER, report.instrument, report.side, report.order_id, report.price_ticks,
                        report.leaves_lots, 0, 0, 1)
        else:
            with gil:
                raise RuntimeError(f"the feed knows no report of kind {report.kind}")
        return 0

    cdef int _event(self, const BookEvent* event) except -1 nogil:
        """What others see happen to an order -> its record, and the level it touches. O(1)."""
        cdef Incoming* incoming = &self.incoming
        if incoming.order_id and incoming.command_number != event.command_number:
            self._settle()
        if event.action == EVENT_COMMAND:
            self.seen_command = event.command_number
            return 0
        self._known(event.instrument)
        self._touch(event.instrument, event.side, event.price_ticks)
        if event.action == EVENT_MOVE:
            incoming.order_id = event.feed_id
            incoming.command_number = event.command_number
            incoming.instrument = event.instrument
            incoming.side = event.side
            incoming.old_price_ticks = event.price_ticks
            incoming.old_leaves_lots = event.change_lots
            incoming.leaves_lots = 0
            incoming.replaces = True
        elif event.action == EVENT_ADD and incoming.order_id == event.feed_id:
            incoming.price_ticks = event.price_ticks
            incoming.leaves_lots = event.shown_lots
            self._settle()
        elif event.action == EVENT_AMEND:
            self._order(REPLACE_ORDER, event.instrument, event.side, event.feed_id, event.price_ticks,
                        event.shown_lots, 0, 0, 1)
        else:
            self._order(<OrderAction>event.action, event.instrument, event.side, event.feed_id, event.price_ticks,
                        0 if event.action == EVENT_DELETE else event.shown_lots, event.change_lots, event.trade_id, 0)
        return 0

    cdef void _trade(self, const Report* report) noexcept nogil:
        cdef uint8_t side = BUY if self.is_uncrossing else report.side
        cdef TradeRecord* trade = <TradeRecord*>self._next(report.instrument, TRADES, side, sizeof(TradeRecord))
        if trade != NULL:
            trade.prefix.action = AUCTION_TRADE if self.is_uncrossing else 0
            trade.time_ns = self.time_ns
            trade.trade_id = report.trade_id
            trade.price_ticks = report.last_price_ticks
            trade.quantity_lots = report.last_lots

    cdef int bust(
        self, uint32_t instrument, uint64_t trade_id, int64_t price_ticks, int64_t lots, uint64_t input_number,
        int64_t time_ns
    ) except -1 nogil:
        """A trade is void, says an input."""
        cdef TradeRecord* trade
        self.input_number = input_number
        self.time_ns = time_ns
        self.serial += 1
        self._reserve(REPORT_WORDS)
        trade = <TradeRecord*>self._next(instrument, TRADES, BUY, sizeof(TradeRecord))
        if trade != NULL:
            trade.prefix.action = BUST
            trade.time_ns = time_ns
            trade.trade_id = trade_id
            trade.price_ticks = price_ticks
            trade.quantity_lots = lots
        return 0

    cdef int _plain_trade(self, const Report* report) except -1 nogil:
        cdef uint8_t maker_side = SELL if report.side == BUY else BUY
        self._touch(report.instrument, maker_side, report.last_price_ticks)
        self._order(EXECUTE, report.instrument, maker_side, report.maker_order_id, report.last_price_ticks,
                    report.maker_leaves_lots, report.last_lots, report.trade_id, 0)
        if self.incoming.order_id != report.order_id:
            with gil:
                raise RuntimeError(f"trade {report.trade_id} has a taker that was not coming in")
        self.incoming.leaves_lots = report.leaves_lots
        return 0

    cdef int _settle(self) except -1 nogil:
        """The incoming order's command is done: what is left of it rests, or it has gone."""
        cdef Incoming* incoming = &self.incoming
        if incoming.order_id == 0:
            return 0
        if incoming.leaves_lots > 0:
            self._touch(incoming.instrument, incoming.side, incoming.price_ticks)
            self._order(REPLACE_ORDER if incoming.replaces else ADD, incoming.instrument, incoming.side,
                        incoming.order_id, incoming.price_ticks, incoming.leaves_lots,
                        0 if incoming.replaces else incoming.leaves_lots, 0, 0)
        elif incoming.replaces:
            self._order(DELETE, incoming.instrument, incoming.side, incoming.order_id,
                        incoming.old_price_ticks, 0, incoming.old_leaves_lots, 0, 0)
        incoming.order_id = 0
        return 0

    # ------------------------------------------------------------ a command that waits

    cdef int put_aside(self, bint is_first) except -1 nogil:
        if is_first:
            self.aside.active = <uint32_t*>grown(self.aside.active, self.instrument_room * sizeof(uint32_t))
            self.aside.serial = self.serial
        self._swap()
        self.is_amid_command = False
        return 0

    cdef void take_up(self) noexcept nogil:
        self._swap()
        self.is_amid_command = True

    cdef void end_aside(self) noexcept nogil:
        self.serial = max(self.serial, self.aside.serial)

    cdef void _swap(self) noexcept nogil:
        cdef Amid other = self.aside
        self.aside.serial, self.serial = self.serial, other.serial
        self.aside.incoming, self.incoming = self.incoming, other.incoming
        self.aside.seen_command, self.seen_command = self.seen_command, other.seen_command
        self.aside.is_uncrossing, self.is_uncrossing = self.is_uncrossing, other.is_uncrossing
        self.aside.touched, self.touched = self.touched, other.touched
        self.aside.touched_count, self.touched_count = self.touched_count, other.touched_count
        self.aside.touched_room, self.touched_room = self.touched_room, other.touched_room
        self.aside.places, self.places = self.places, other.places
        self.aside.places_room, self.places_room = self.places_room, other.places_room
        self.aside.active, self.active = self.active, other.active
        self.aside.active_count, self.active_count = self.active_count, other.active_count

    cdef void resume(self, Machine machine, uint32_t instrument, const uint64_t* sequences) noexcept nogil:
        """What was published last is the best of the book: every input ends with it."""
        cdef Instrument* resumed = &self.instruments[instrument]
        cdef int kind
        for kind in range(ORDERS):
            resumed.topics[kind].sequence = sequences[kind]
        resumed.stale = 3
        self._top_changed(machine, instrument, resumed)

    def perform(self, Machine machine not None, const Command[::1] commands not None, uint64_t input_number,
                int64_t time_ns, size_t commands_an_input=1, int64_t steps=INT64_MAX):
        """Run engine commands (an array of COMMAND) on the machine, so many an input, and record them.

        An exchange without sessions: for research, tests and the bench. The first input is `input_number`.
        steps: at most so many of a command's are recorded together, when each is an input.
        The GIL is released. Reports that the machine still held are dropped.
        """
        cdef size_t left = commands.shape[0]
        cdef const Command* command
        cdef size_t count
        if left == 0 or commands_an_input == 0:
            return
        command = &commands[0]
        with nogil:
            while left:
                count = min(left, commands_an_input)
                machine.clear_reports()
                if commands_an_input == 1:
                    machine.run_step(command, steps, SIZE_MAX)
                else:
                    machine.run(command, count)
                self.record(machine, machine.reports(), machine.report_count(), input_number, time_ns)
                while has_work(&machine.books):
                    machine.clear_reports()
                    machine.work(steps, SIZE_MAX)
                    self.record(machine, machine.reports(), machine.report_count(), input_number, time_ns)
                command += count
                left -= count
                input_number += 1
            machine.clear_reports()

    # ------------------------------------------------------------ the levels an input touched

    cdef int _touch(self, uint32_t instrument, uint8_t side, int64_t price_ticks) except -1 nogil:
        """Remember the level, once an input. O(1)."""
        cdef size_t position = self.touched_count
        cdef size_t room
        cdef Touched* level
        if position > SCANNED:
            if 2 * (position + 1) > self.places_room:
                self._grow_places()
            if not self._place(instrument, side, price_ticks, position):
                return 0
        else:
            while position:     # the newest first: a sweep touches one level many times in a row
                position -= 1
                level = &self.touched[position]
                if level.price_ticks == price_ticks and level.side == side and level.instrument == instrument:
                    return 0
        if self.touched_count == self.touched_room:
            room = max(<size_t>64, 2 * self.touched_room)
            self.touched = <Touched*>grown(self.touched, room * sizeof(Touched))
            self.touched_room = room
        level = &self.touched[self.touched_count]
        level.instrument, level.side, level.price_ticks = instrument, side, price_ticks
        self.touched_count += 1
        self._activate(instrument, side, price_ticks)
        if self.touched_count == SCANNED + 1:
            self._grow_places()     # from here on they are hashed
        return 0

    cdef void _activate(self, uint32_t instrument, uint8_t side, int64_t price_ticks) noexcept nogil:
        """The instrument's side is stale when the level may be, or have been, its best."""
        cdef Instrument* touched = &self.instruments[instrument]
        if touched.serial != self.serial:
            touched.serial = self.serial
            self.active[self.active_count] = instrument
            self.active_count += 1
        self._mark_stale(touched, side, price_ticks)

    cdef void _mark_stale(self, Instrument* touched, uint8_t side, int64_t price_ticks) noexcept nogil:
        cdef TopRecord* top = &touched.top
        if side == BUY:
            touched.stale |= 1 if top.bid_orders == 0 or price_ticks >= top.bid_price_ticks else 0
        else:
            touched.stale |= 2 if top.ask_orders == 0 or price_ticks <= top.ask_price_ticks else 0

    cdef bint _place(self, uint32_t instrument, uint8_t side, int64_t price_ticks, size_t at) noexcept nogil:
        """Note in the hash table that the level is at place `at` of `touched`; False: it is there already.

        An entry of an older input is free: its half of `serial` differs, or, once in 2**32 inputs, it
        is compared like any other. At most half of the table is this input's.
        """
        cdef uint64_t hashed = <uint64_t>price_ticks * SCATTER + ((<uint64_t>instrument << 1) | side)
        cdef size_t place
        cdef uint64_t entry
        cdef Touched* level
        hashed = (hashed ^ (hashed >> 32)) * SCATTER
        place = (hashed >> 32) & (self.places_room - 1)
        while True:
            entry = self.places[place]
            if <uint32_t>(entry >> 32) != <uint32_t>self.serial or <uint32_t>entry >= at:
                self.places[place] = (self.serial << 32) | at
                return True
            level = &self.touched[<uint32_t>entry]
            if level.price_ticks == price_ticks and level.side == side and level.instrument == instrument:
                return False
            place = (place + 1) & (self.places_room - 1)

    cdef int _grow_places(self) except -1 nogil:
        """Make the table at least four times the touched levels and enter them all."""
        cdef size_t room = self.places_room if self.places_room else 64
        cdef size_t position
        while room < 4 * self.touched_count:
            room *= 2
        if room != self.places_room:
            free(self.places)
            self.places_room = 0
            self.places = <uint64_t*>calloc(room, sizeof(uint64_t))
            if self.places == NULL:
                with gil:
                    raise MemoryError(f"no memory for a table of {room} touched levels")
            self.places_room = room
        for position in range(self.touched_count):
            self._place(self.touched[position].instrument, <uint8_t>self.touched[position].side,
                        self.touched[position].price_ticks, position)
        return 0

    # ------------------------------------------------------------ records

    cdef void _levels(self, Machine machine) noexcept nogil:
        """A record of each touched level with its total after the input."""
        cdef size_t position
        cdef Touched* touched
        cdef LevelRecord* record
        cdef uint64_t low
        cdef int64_t high
        for position in range(self.touched_count):
            touched = &self.touched[position]
            record = <LevelRecord*>self._next(
                touched.instrument, LEVELS, <uint8_t>touched.side, sizeof(LevelRecord))
            if record != NULL:
                low = high = 0
                record.prefix.orders = machine.level(
                    touched.instrument, touched.side, touched.price_ticks, &low, &high)
                record.price_ticks = touched.price_ticks
                record.quantity_lots = saturated(low, high) if record.prefix.orders else 0

    cdef void _tops(self, Machine machine) noexcept nogil:
        """A record of each touched instrument's best prices, when the input changed them."""
        cdef size_t position
        cdef uint32_t number
        cdef Instrument* instrument
        cdef TopRecord* record
        for position in range(self.active_count):
            number = self.active[position]
            instrument = &self.instruments[number]
            if self._top_changed(machine, number, instrument):
                record = <TopRecord*>self._next(number, TOP, 0, sizeof(TopRecord))
                if record != NULL:
                    memcpy(<uint8_t*>record + sizeof(Prefix), <uint8_t*>&instrument.top + sizeof(Prefix),
                           sizeof(TopRecord) - sizeof(Prefix))

    cdef bint _top_changed(self, Machine machine, uint32_t number, Instrument* instrument) noexcept nogil:
        """Bring the stale sides of an instrument's top up to date."""
        cdef bint changed = False
        if instrument.stale & 1:
            changed = best_of(machine, number, BUY, &instrument.top.bid_price_ticks,
                              &instrument.top.bid_quantity_lots, &instrument.top.bid_orders)
        if instrument.stale & 2:
            changed |= best_of(machine, number, SELL, &instrument.top.ask_price_ticks,
                               &instrument.top.ask_quantity_lots, &instrument.top.ask_orders)
        instrument.stale = 0
        return changed

    cdef void _order(
        self, OrderAction action, uint32_t instrument, uint8_t side, uint64_t order_id, int64_t price_ticks,
        int64_t quantity_lots, int64_t change_lots, uint64_t trade_id, uint8_t kept_priority
    ) noexcept nogil:
        cdef OrderRecord* record = <OrderRecord*>self._next(instrument, ORDERS, side, sizeof(OrderRecord))
        if record != NULL:
            record.prefix.action = action
            record.prefix.kept_priority = kept_priority
            record.order_id = order_id
            record.trade_id = trade_id
            record.price_ticks = price_ticks
            record.quantity_lots = quantity_lots
            record.change_lots = change_lots
