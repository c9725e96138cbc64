# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; slots come from the sessions' own lists.
"""Writes the snapshot of an exchange (docs/snapshot-format.md), a piece at a time.

Holds the piece that is being written and how far it is; reads the state and changes nothing. Only what depends on the
log alone is written: no hash table, no heap, no link, none of what subscribers or connections have under way. Raises
MemoryError.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import google_crc32c

from engine.snapshot cimport SNAPSHOT_HEADER, SNAPSHOT_RECORD
from engine.snapshot_writer cimport SnapshotPlace, end_place, snapshot_size, write_header, write_records
from engine.state cimport Books
from gateway.book_updates cimport Watched
from gateway.executions cimport Instrument
from gateway.feed_topics cimport ORDERS as ORDERS_TOPIC, STATUS
from gateway.operations cimport Schedule
from gateway.order_pool cimport ALIAS, Order, expect_order, order_at, strings_length, strings_of
from gateway.session cimport Session, Settings
from gateway.snapshot cimport (
    AliasImage, DropCopyImage, END, FREE_SLOTS, HAS_PARTIES, INSTRUMENTS, IS_EXPIRED, IS_POST_ONLY, InstrumentImage,
    InstrumentMore, InstrumentSchedule, InstrumentStatus, MACHINE, ORDERS, OperationsImage, OrderImage, PAST_TRADES,
    SECTION_RECORDS, SESSIONS, SNAPSHOT_VERSION, STATE, SUBSCRIPTIONS, ScheduleImage, SectionHead, SectionKind,
    SessionImage, SessionMore, SessionPowers, SlotImage, SnapshotHeader, StateImage, StateMore, SubscriptionImage,
    kind_after,
)
from gateway.subscriptions cimport ALL, Subscription
from gateway.trade_memory cimport PastTrade

cdef enum:
    EXPECTED = 8                # how many closed orders ahead the memory is asked for


cdef class SnapshotWriter:
    """begin and the gateways; take and go_on until nothing is left; end."""

    def __cinit__(self, machine, sessions, orders, feed, drop_copies, operations) -> None:
        self.machine = machine
        self.sessions = sessions
        self.orders = orders
        self.feed = feed
        self.drop_copies = drop_copies
        self.operations = operations
        self.text = Outbox()

    def __dealloc__(self) -> None:
        end_place(&self.place)

    cdef int begin(self, int64_t index, int64_t term, uint64_t skipped_inputs) except -1:
        cdef SnapshotHeader* header = <SnapshotHeader*> self.text.reserve(sizeof(SnapshotHeader))
        memcpy(header.magic, b"QBEXSNAP", 8)
        header.version = SNAPSHOT_VERSION
        header.rules_version = self.machine.books.rules
        header.index = index
        header.term = term
        header.time_ns = self.sessions.now_ns
        return self._write_state(skipped_inputs)

    cdef int open_section(self, SectionKind kind) except -1:
        self.section = self.text.size
        self.text.reserve(sizeof(SectionHead))
        self.kind = kind
        return 0

    cdef int close_section(self, uint32_t count) except -1:
        cdef SectionHead* head = <SectionHead*> (self.text.data + self.section)
        head.kind = self.kind
        head.count = count
        head.length = self.text.size - self.section - sizeof(SectionHead)
        return 0

    cdef bytes take(self):
        cdef bytes piece = self.text.data[:self.text.size]
        self.crc = google_crc32c.extend(self.crc, piece)
        self.text.clear()
        return piece

    cdef bytes end(self):
        cdef SectionHead head
        cdef uint64_t checksum
        cdef bytes piece
        head.kind = END
        head.count = 1
        head.length = sizeof(checksum)
        piece = (<const uint8_t*> &head)[:sizeof(head)]
        checksum = google_crc32c.extend(self.crc, piece)
        return piece + (<const uint8_t*> &checksum)[:sizeof(checksum)]

    cdef bint go_on(self) except -1:
        # Writes what comes after the gateways, some at a time. False: there is no more.
        cdef SectionKind kind = self.kind
        cdef uint32_t count
        cdef size_t written
        if self.kind < MACHINE:
            self._write_machine()
            return True
        if self.kind == MACHINE:
            with nogil:
                written = self._write_books()
            if written == 0:
                self._write_instruments()
            return True
        while kind != END:
            if kind != self.kind:
                self._start(kind)
            if kind > INSTRUMENTS:
                self.open_section(kind)
                with nogil:
                    count = self._write_records()
                if count:
                    self.close_section(count)
                    return True
                self.text.clear()
            kind = kind_after(kind)
        return False

    cdef void _start(self, SectionKind kind) noexcept:
        self.kind = kind
        self.session = self.closed = self.slot = 0
        if kind == ORDERS and self.sessions.count:
            self.slot = self.sessions.table[0].open_first
        elif kind == FREE_SLOTS:
            self.slot = self.orders.free_first
        elif kind == SUBSCRIPTIONS:
            self.slot = self.sessions.subscriptions.all.first
        elif kind == PAST_TRADES:
            self.trade_id = self.orders.memory.oldest()

    # ------------------------------------------------------------ one of each

    cdef int _write_state(self, uint64_t skipped_inputs) except -1:
        cdef const Settings* settings = &self.sessions.settings
        cdef StateImage* image
        self.open_section(STATE)
        image = <StateImage*> self.text.reserve(sizeof(StateImage))
        image.input_number = self.sessions.input_number
        image.skipped_inputs = skipped_inputs
        image.exec_id = self.orders.exec_id
        image.feed_input_number = self.feed.input_number
        image.feed_time_ns = self.feed.time_ns
        image.grace_ns = settings.grace_ns
        image.sending_time_ns = settings.sending_time_ns
        image.closed_cl_ord_ids = settings.closed_cl_ord_ids
        image.max_heartbeat_seconds = settings.max_heartbeat_seconds
        image.max_sessions = settings.max_sessions
        image.cancel_on_disconnect = settings.cancel_on_disconnect
        image.open_to_any = settings.open_to_any
        image.reset_on_logon = settings.reset_on_logon
        image.comp_id_length = settings.comp_id_length
        memcpy(image.comp_id, settings.comp_id, settings.comp_id_length)
        if self.sessions.rules >= 2:
            self._write_more_state()
        if self.sessions.rules >= 3:
            self._write_operations()
        return self.close_section(1)

    cdef int _write_more_state(self) except -1:
        cdef uint32_t i, count = self.drop_copies.count
        cdef StateMore* more = <StateMore*> self.text.reserve(sizeof(StateMore) + count * sizeof(DropCopyImage))
        cdef DropCopyImage* image = <DropCopyImage*> (more + 1)
        more.next_reset_ns = self.sessions.next_reset_ns
        more.messages_per_second = self.sessions.settings.messages_per_second
        more.reset_minute = self.sessions.settings.reset_minute
        more.drop_copy_count = count
        for i in range(count):
            image[i].session = self.drop_copies.pairs[i].session
            image[i].of = self.drop_copies.pairs[i].of
        return 0

    cdef int _write_operations(self) except -1:
        cdef uint32_t i, count = self.operations.schedule_count
        cdef OperationsImage* image = <OperationsImage*> self.text.reserve(
            sizeof(OperationsImage) + count * sizeof(ScheduleImage)
        )
        cdef ScheduleImage* schedule = <ScheduleImage*> (image + 1)
        cdef const Schedule* known
        image.max_open_orders = self.sessions.settings.max_open_orders
        image.is_killed = self.sessions.settings.is_killed
        image.schedule_count = count
        for i in range(count):
            known = &self.operations.schedules[i]
            schedule[i].step_ns = known.step_ns
            schedule[i].name_length = known.name_length
            memcpy(schedule[i].name, known.name, known.name_length)
        return 0

    cdef int _write_machine(self) except -1:
        # One section, though in many pieces: how long it will be is known.
        cdef const Books* books = &self.machine.books
        cdef SectionHead* head
        self.machine.check_done()
        memset(&self.place, 0, sizeof(SnapshotPlace))
        head = <SectionHead*> self.text.reserve(sizeof(SectionHead))
        head.kind = self.kind = MACHINE
        head.count = 1
        head.length = snapshot_size(books)
        write_header(books, self.text.reserve(SNAPSHOT_HEADER))
        return 0

    cdef size_t _write_books(self) except? 0 nogil:
        # More of the machine; 0: all of it was written.
        cdef size_t room = SECTION_RECORDS * SNAPSHOT_RECORD
        cdef uint8_t* at = self.text.reserve(room)
        cdef size_t written = write_records(&self.machine.books, &self.place, at, SECTION_RECORDS)
        self.text.size -= room - written
        return written

    cdef int _write_instruments(self) except -1:
        cdef uint32_t i
        cdef int kind
        cdef const Instrument* instrument
        cdef InstrumentImage* image
        self.open_section(INSTRUMENTS)
        for i in range(self.orders.instrument_count):
            instrument = &self.orders.instruments[i]
            image = <InstrumentImage*> self.text.reserve(sizeof(InstrumentImage))
            image.price_increment = instrument.price_increment
            image.quantity_increment = instrument.quantity_increment
            image.price_exponent = instrument.price_exponent
            image.quantity_exponent = instrument.quantity_exponent
            image.symbol_length = instrument.symbol_length
            memcpy(image.symbol, instrument.symbol, instrument.symbol_length)
            for kind in range(<int> ORDERS_TOPIC):
                image.sequences[kind] = self.feed.instruments[i].topics[kind].sequence
            if self.sessions.rules >= 2:
                self._write_last_trade(<InstrumentMore*> self.text.reserve(sizeof(InstrumentMore)), i)
            if self.sessions.rules >= 3:
                self._write_status(<InstrumentStatus*> self.text.reserve(sizeof(InstrumentStatus)), i)
                (<InstrumentSchedule*> self.text.reserve(sizeof(InstrumentSchedule))).schedule = instrument.schedule
        return self.close_section(self.orders.instrument_count)

    cdef void _write_last_trade(self, InstrumentMore* more, uint32_t instrument) noexcept nogil:
        cdef const Watched* watched
        if instrument < self.orders.updates.watched_room:
            watched = &self.orders.updates.watched[instrument]
            more.price_ticks = watched.last_price_ticks
            more.lots = watched.last_lots
            more.time_ns = watched.last_ns

    cdef void _write_status(self, InstrumentStatus* status, uint32_t instrument) noexcept nogil:
        status.sequence = self.feed.instruments[instrument].topics[<int> STATUS - 1].sequence
        status.auctions = self.feed.instruments[instrument].auctions

    # ------------------------------------------------------------ many

    cdef uint32_t _write_records(self) except? 0 nogil:
        # One section's; 0: there are no more of this kind.
        if self.kind == SESSIONS:
            return self._write_sessions()
        if self.kind == ORDERS:
            return self._write_orders()
        if self.kind == FREE_SLOTS:
            return self._write_free_slots()
        return self._write_past_trades() if self.kind == PAST_TRADES else self._write_subscriptions()

    cdef uint32_t _write_sessions(self) except? 0 nogil:
        cdef uint32_t count = 0
        while count < SECTION_RECORDS and self.session < self.sessions.count:
            self._write_session(self.sessions.table[self.session])
            self.session += 1
            count += 1
        return count

    cdef int _write_session(self, const Session* s) except -1 nogil:
        cdef SessionImage* image = <SessionImage*> self.text.reserve(sizeof(SessionImage))
        cdef SessionMore* more
        cdef SessionPowers* powers
        image.epoch = s.epoch
        image.incarnation = s.incarnation
        image.connection = s.connection
        image.open_count = s.open_count
        image.closed_count = s.closed_count
        image.connected = s.connected
        image.test_pending = s.test_pending
        image.cancel_on_disconnect = s.cancel_on_disconnect
        image.comp_id_length = s.comp_id_length
        image.inbound = s.inbound
        image.outbound = s.outbound
        image.gap_end = s.gap_end
        image.gap_first = s.gap_first
        image.gap_asked_ns = s.gap_asked_ns
        image.last_received_ns = s.last_received_ns
        image.last_sent_ns = s.last_sent_ns
        image.heartbeat_ns = s.heartbeat_ns
        image.grace_ns = s.grace_ns
        image.grace_deadline_ns = s.grace_deadline_ns
        memcpy(image.comp_id, s.comp_id, s.comp_id_length)
        if self.sessions.rules >= 2:
            more = <SessionMore*> self.text.reserve(sizeof(SessionMore) + s.trade_request_length)
            memcpy(more.due_ns, s.due_ns, sizeof(s.due_ns))
            more.leaving = s.leaving
            more.leaves_ns = s.leaves_ns
            more.reset_ns = s.reset_ns
            more.trade_request_length = s.trade_request_length
            memcpy(more + 1, s.trade_request, s.trade_request_length)
            more.early_size = s.early.size
            if s.early.size:    # or there is no memory of them
                memcpy(self.text.reserve(s.early.size), s.early.records, s.early.size)
        if self.sessions.rules >= 3:
            powers = <SessionPowers*> self.text.reserve(sizeof(SessionPowers))
            powers.max_open_orders = s.max_open_orders
            powers.is_operator = s.is_operator
            powers.is_killed = s.is_killed
        return 0

    cdef uint32_t _write_orders(self) except? 0 nogil:
        # Of each session the open ones in order of order id, then the closed ones and aliases, oldest first.
        cdef uint32_t count = 0, mask
        cdef const Session* s
        while count < SECTION_RECORDS and self.session < self.sessions.count:
            s = self.sessions.table[self.session]
            mask = s.closed_room - 1
            if self.slot:
                expect_order(self.orders, order_at(self.orders, self.slot).next)
                self._write_order(self.slot)
                self.slot = order_at(self.orders, self.slot).next
                count += 1
            elif self.closed < s.closed_count:
                if self.closed + EXPECTED < s.closed_count:
                    expect_order(self.orders, s.closed[(s.closed_first + self.closed + EXPECTED) & mask].slot)
                self._write_order(s.closed[(s.closed_first + self.closed) & mask].slot)
                self.closed += 1
                count += 1
            else:
                self.session += 1
                self.closed = 0
                if self.session < self.sessions.count:
                    self.slot = self.sessions.table[self.session].open_first
        return count

    cdef int _write_order(self, uint32_t slot) except -1 nogil:
        cdef const Order* o = order_at(self.orders, slot)
        cdef size_t length = strings_length(o)
        cdef size_t size = sizeof(AliasImage) if o.state == ALIAS else sizeof(OrderImage)
        cdef SlotImage* head = <SlotImage*> self.text.reserve(size + (8 if o.parties_length else 0) + length)
        cdef OrderImage* image = <OrderImage*> head
        head.slot = slot
        head.state = o.state
        head.cl_ord_id_length = o.cl_ord_id_length
        head.orig_cl_ord_id_length = o.orig_cl_ord_id_length
        head.account_length = o.account_length
        head.order_id = o.order_id
        if o.state == ALIAS:
            (<AliasImage*> head).target = o.target
        else:
            image.price_ticks = o.price_ticks
            image.quantity_lots = o.quantity_lots
            image.cumulative_lots = o.cumulative_lots
            image.notional_low = o.notional_low
            image.notional_high = o.notional_high
            image.instrument = o.instrument
            image.side = o.side
            image.ord_type = o.ord_type
            image.time_in_force = o.time_in_force
            image.flags = (IS_POST_ONLY if o.post_only else 0) | (HAS_PARTIES if o.parties_length else 0) | (
                IS_EXPIRED if o.is_expired else 0)
        if o.parties_length:
            (<uint64_t*> (<uint8_t*> head + size))[0] = o.parties_length
            size += 8
        memcpy(<uint8_t*> head + size, strings_of(o), length)
        return 0

    cdef uint32_t _write_free_slots(self) except? 0 nogil:
        # The one that is given out next comes first.
        cdef uint32_t count = 0
        cdef uint32_t* place = NULL
        while count < SECTION_RECORDS and self.slot:
            if count % 2 == 0:
                place = <uint32_t*> self.text.reserve(8)
            place[count % 2] = self.slot
            self.slot = order_at(self.orders, self.slot).next
            count += 1
        return count

    cdef uint32_t _write_past_trades(self) except? 0 nogil:
        # Oldest first.
        cdef uint32_t count = 0
        while count < SECTION_RECORDS and self.trade_id <= self.orders.memory.newest:
            memcpy(self.text.reserve(sizeof(PastTrade)), self.orders.memory.find(self.trade_id), sizeof(PastTrade))
            self.trade_id += 1
            count += 1
        return count

    cdef uint32_t _write_subscriptions(self) except? 0 nogil:
        cdef uint32_t count = 0
        cdef const Subscription* s
        cdef SubscriptionImage* image
        while count < SECTION_RECORDS and self.slot:
            s = &self.sessions.subscriptions.slots[self.slot]
            image = <SubscriptionImage*> self.text.reserve(sizeof(SubscriptionImage))
            image.session = s.session
            image.instrument = s.instrument
            image.depth = s.depth
            image.types = s.types
            image.refresh = s.refresh
            image.kind = s.kind
            image.id_length = s.id_length
            memcpy(image.id, s.id, s.id_length)
            self.slot = s.next[<int> ALL]
            count += 1
        return count
