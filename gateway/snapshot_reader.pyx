# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: record() and more() check every read against the section's end, which _check() has checked against the data's.
"""Reads the snapshot of an exchange (docs/snapshot-format.md) into an empty one.

Holds a view of the bytes and where it is. Believes nothing: frames and checksum are checked first, then every value on
which memory, an index or a loop depends; what is restored has the snapshot it was restored from, byte for byte. Raises
ValueError with the byte offset of what is wrong, NewerRules, and MemoryError; what was restored so far is then to be
thrown away.
"""

from libc.stdint cimport INT64_MIN, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from engine.machine cimport Machine
from engine.snapshot_reader cimport read_snapshot
from gateway.drop_copies cimport DropCopies
from gateway.executions cimport Instrument
from gateway.market_data cimport MarketData
from gateway.names cimport name_hash
from gateway.early cimport MAX_EARLY_BYTES, early_keep
from gateway.feed_topics cimport AuctionPrice, STATUS
from gateway.framing cimport is_whole
from gateway.operations cimport Operations
from gateway.order_pool cimport (
    ALIAS, CLOSED, FREE, OPEN, Order, UNREAD, enlist, find_name, give_name, join_closed, order_at, set_strings,
)
from gateway.orders cimport Orders
from gateway.records cimport INPUT_MESSAGE, InputHead, MAX_PARTIES
from gateway.session cimport BEGINS_ANEW, Session, Sessions
from gateway.snapshot cimport (
    AliasImage, DropCopyImage, END, FREE_SLOTS, HAS_PARTIES, INSTRUMENTS, IS_EXPIRED, IS_POST_ONLY, InstrumentImage,
    InstrumentMore, InstrumentSchedule, InstrumentStatus, MACHINE, ORDERS, OperationsImage, OrderImage, PAST_TRADES,
    SECTION_RECORDS, SESSIONS, SNAPSHOT_VERSION, STATE, SUBSCRIPTIONS, ScheduleImage, SectionHead, SectionKind,
    SessionImage, SessionMore, SessionPowers, SlotImage, SnapshotHeader, StateImage, StateMore, SubscriptionImage,
    place_of,
)
from gateway.status_updates cimport MOST_STATUS
from gateway.subscriptions cimport (
    IMBALANCE, MARKET_DATA, MAX_DEPTH, MAX_SUBSCRIPTIONS, NO_INSTRUMENT, SECURITY_STATUS, SESSION_STATUS, Subscription,
    TRADES,
)
from gateway.trade_memory cimport PastTrade, REMEMBERED_TRADES, TradeSide
from replication.checksum cimport crc32c

from gateway.rules import NewerRules


cdef inline bint is_zero(const uint8_t* data, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if data[i]:
            return False
    return True


cdef enum:
    MINUTES = 24 * 60           # of a day
    MAX_RATE = 1000000          # messages a second
    MAX_DROP_COPIES = 1 << 24   # more than one genesis holds


cdef class SnapshotReader:
    """Frames and checksum are checked when it is made; then the kinds of records are read in their order."""

    def __init__(self, const uint8_t[::1] view not None, uint32_t newest_rules) -> None:
        self.view = view
        self.size = view.shape[0]
        if self.size < sizeof(SnapshotHeader):
            self.wrong(b"it ends in the middle of its header")
        self.data = &view[0]
        memcpy(&self.header, self.data, sizeof(SnapshotHeader))
        if memcmp(self.header.magic, b"QBEXSNAP", 8) != 0:
            self.wrong(b"not a snapshot of an exchange")
        self.begin = 8
        if self.header.version != SNAPSHOT_VERSION:
            self.wrong(b"format version %d; this program reads version %d" % (self.header.version, SNAPSHOT_VERSION))
        self._check()
        self.begin = 12
        if self.header.rules_version == 0:
            self.wrong(b"rules version 0; the first one is 1")
        if self.header.rules_version > newest_rules:
            raise NewerRules(f"the state at entry {self.header.index} is of rules version {self.header.rules_version}",
                             newest_rules)
        self.begin = 16
        if self.header.index < 0 or self.header.term < 0:
            self.wrong(b"an index or a term below 0")
        self.at = self.section_end = sizeof(SnapshotHeader)

    cdef int wrong(self, const char* what) except -1 nogil:
        with gil:
            raise ValueError(f"snapshot, byte offset {self.begin}: {what.decode()}")

    # ------------------------------------------------------------ frames

    cdef int _check(self) except -1 nogil:
        # The sections follow each other as they must, up to the end of the data, and the checksum is right.
        cdef SectionHead head
        cdef uint32_t before = 0, full = SECTION_RECORDS, place
        cdef uint64_t checksum
        self.begin = sizeof(SnapshotHeader)
        while before != END:
            if self.size - self.begin < sizeof(SectionHead):
                self.wrong(b"it ends before its last section: it was cut short")
            memcpy(&head, self.data + self.begin, sizeof(SectionHead))
            place = place_of(head.kind)
            if not (place == place_of(before) + 1 or INSTRUMENTS <= before and place_of(before) < place
                    or (head.kind == before >= SESSIONS and full == SECTION_RECORDS)) or place > place_of(END):
                self.wrong(b"no section of this kind can be here")
            if head.length % 8 or head.length > self.size - self.begin - sizeof(SectionHead):
                self.wrong(b"this section goes beyond the end: it was damaged or cut short")
            if head.count > head.length // 4:
                self.wrong(b"a section with more records than bytes for them")
            if (head.kind == STATE or head.kind == MACHINE or head.kind == END) and head.count != 1:
                self.wrong(b"a section of one record that says it has another number")
            if head.kind >= SESSIONS and not 0 < head.count <= SECTION_RECORDS:
                self.wrong(b"a section with no records, or too many")
            self.counts[head.kind] += head.count
            before, full = head.kind, head.count
            self.begin += sizeof(SectionHead) + head.length
        if self.begin != self.size or head.length != sizeof(checksum):
            self.wrong(b"bytes after the end")
        self.begin -= sizeof(checksum)
        memcpy(&checksum, self.data + self.begin, sizeof(checksum))
        if checksum != crc32c(self.data, self.begin):
            self.wrong(b"the checksum is not that of the bytes before it: they were damaged")
        return 0

    cdef int enter(self, SectionKind kind) except -1 nogil:
        cdef SectionHead head
        self.begin = self.at
        if self.left or self.at != self.section_end:
            self.wrong(b"bytes that no record has")
        memcpy(&head, self.data + self.at, sizeof(SectionHead))
        if head.kind != kind:
            self.wrong(b"a section where there should be records of the kind before")
        self.at += sizeof(SectionHead)
        self.section_end = self.at + head.length
        self.left = head.count
        return 0

    cdef const uint8_t* record(self, SectionKind kind, size_t size) except NULL nogil:
        if self.left == 0:
            self.enter(kind)
        self.left -= 1
        self.begin = self.at
        return self.more(size)

    cdef const uint8_t* more(self, size_t size) except NULL nogil:
        cdef const uint8_t* data = self.data + self.at
        if size > self.section_end - self.at:
            self.wrong(b"a record that goes beyond the end of its section")
        self.at += size
        return data

    # ------------------------------------------------------------ one of each

    cdef int read_state(self, Sessions sessions, Orders orders, MarketData feed, Operations operations,
                        uint64_t* skipped_inputs) except -1:
        cdef StateImage image
        self.enter(STATE)
        memcpy(&image, self.record(STATE, sizeof(StateImage)), sizeof(StateImage))
        if (not 0 < image.comp_id_length <= sizeof(image.comp_id) or image.cancel_on_disconnect > 1
                or image.reset_on_logon > (self.header.rules_version >= 2)
                or not is_zero(image.comp_id + image.comp_id_length, sizeof(image.comp_id) - image.comp_id_length)):
            self.wrong(b"settings that cannot be")
        if image.grace_ns < 0 or image.sending_time_ns < 0:
            self.wrong(b"a time span below 0")
        sessions.now_ns = self.header.time_ns
        sessions.input_number = image.input_number
        sessions.settings.grace_ns = image.grace_ns
        sessions.settings.sending_time_ns = image.sending_time_ns
        sessions.settings.closed_cl_ord_ids = orders.window = image.closed_cl_ord_ids
        sessions.settings.max_heartbeat_seconds = image.max_heartbeat_seconds
        sessions.settings.max_sessions = image.max_sessions
        sessions.settings.cancel_on_disconnect = image.cancel_on_disconnect
        sessions.settings.open_to_any = image.open_to_any
        sessions.settings.reset_on_logon = image.reset_on_logon
        sessions.settings.comp_id_length = image.comp_id_length
        memcpy(sessions.settings.comp_id, image.comp_id, sizeof(image.comp_id))
        if self.header.rules_version >= 2:
            self._read_more_state(sessions)
        if self.header.rules_version >= 3:
            self._read_operations(sessions, operations)
        orders.exec_id = image.exec_id
        feed.input_number = image.feed_input_number
        feed.time_ns = image.feed_time_ns
        skipped_inputs[0] = image.skipped_inputs
        return 0

    cdef int _read_more_state(self, Sessions sessions) except -1:
        cdef StateMore more
        memcpy(&more, self.more(sizeof(StateMore)), sizeof(StateMore))
        if (more.messages_per_second > MAX_RATE or more.reset_minute > MINUTES or not is_zero(more.reserved, 2)
                or (more.reset_minute == 0) != (more.next_reset_ns == INT64_MIN)):
            self.wrong(b"settings that cannot be")
        if more.drop_copy_count > MAX_DROP_COPIES:
            self.wrong(b"more drop copies than there can be")
        self.drop_copies = self.at
        self.drop_copy_count = more.drop_copy_count
        self.more(more.drop_copy_count * sizeof(DropCopyImage))
        sessions.next_reset_ns = more.next_reset_ns
        sessions.settings.messages_per_second = more.messages_per_second
        sessions.settings.reset_minute = more.reset_minute
        return 0

    cdef int _read_operations(self, Sessions sessions, Operations operations) except -1:
        cdef OperationsImage image
        cdef ScheduleImage schedule
        cdef uint64_t i
        memcpy(&image, self.more(sizeof(OperationsImage)), sizeof(OperationsImage))
        if image.is_killed > 1 or not is_zero(image.reserved, sizeof(image.reserved)):
            self.wrong(b"settings that cannot be")
        sessions.settings.max_open_orders = image.max_open_orders
        sessions.settings.is_killed = image.is_killed
        for i in range(image.schedule_count):
            memcpy(&schedule, self.more(sizeof(ScheduleImage)), sizeof(ScheduleImage))
            if (not 0 < schedule.name_length <= sizeof(schedule.name) or not is_zero(schedule.reserved, 7)
                    or not is_zero(schedule.name + schedule.name_length,
                                   sizeof(schedule.name) - schedule.name_length)
                    or operations.schedule_of(schedule.name, schedule.name_length)):
                self.wrong(b"a schedule that cannot be")
            operations.add_schedule(schedule.name, schedule.name_length)
            operations.schedules[i].step_ns = schedule.step_ns
        return 0

    cdef int read_machine(self, Machine machine) except -1:
        cdef size_t size
        cdef const uint8_t* data
        self.enter(MACHINE)
        size = self.section_end - self.at
        data = self.record(MACHINE, size)
        try:
            read_snapshot(&machine.books, data, size, self.header.rules_version)
        except ValueError as error:
            raise ValueError(f"snapshot, byte offset {self.begin}: the engine's part: {error}") from None
        if machine.books.rules != self.header.rules_version:
            self.wrong(b"the engine's part is of other rules")
        return 0

    cdef int read_instruments(self, Machine machine, Orders orders, MarketData feed, Operations operations) except -1:
        cdef InstrumentImage image
        cdef InstrumentSchedule more
        cdef Instrument instrument
        cdef uint32_t number
        self.enter(INSTRUMENTS)
        if self.left != machine.books.instrument_count:
            self.wrong(b"not as many instruments as the engine has")
        for number in range(machine.books.instrument_count):
            memcpy(&image, self.record(INSTRUMENTS, sizeof(InstrumentImage)), sizeof(InstrumentImage))
            if (not 0 < image.symbol_length <= sizeof(image.symbol) or not is_zero(image.reserved, 5)
                    or not is_zero(image.symbol + image.symbol_length, sizeof(image.symbol) - image.symbol_length)):
                self.wrong(b"an instrument that cannot be")
            memset(&instrument, 0, sizeof(Instrument))
            instrument.price_increment = image.price_increment
            instrument.quantity_increment = image.quantity_increment
            instrument.price_exponent = image.price_exponent
            instrument.quantity_exponent = image.quantity_exponent
            instrument.symbol_length = image.symbol_length
            memcpy(instrument.symbol, image.symbol, sizeof(image.symbol))
            try:
                orders.judge(&instrument)
            except ValueError as error:
                raise ValueError(f"snapshot, byte offset {self.begin}: {error}") from None
            orders.add_instrument(&instrument)
            feed.resume(machine, number, image.sequences)
            if self.header.rules_version >= 2:
                self._read_last_trade(orders, number)
            if self.header.rules_version >= 3:
                self._read_status(feed, number)
                memcpy(&more, self.more(sizeof(InstrumentSchedule)), sizeof(InstrumentSchedule))
                if more.schedule > operations.schedule_count or more.reserved:
                    self.wrong(b"an instrument of a schedule that there is not")
                orders.instruments[number].schedule = more.schedule
        return 0

    cdef int _read_status(self, MarketData feed, uint32_t instrument) except -1:
        cdef InstrumentStatus status
        cdef const AuctionPrice* price
        cdef int i
        memcpy(&status, self.more(sizeof(InstrumentStatus)), sizeof(InstrumentStatus))
        for i in range(2):
            price = &status.auctions.prices[i]
            if price.lots < 0 or (price.lots == 0 and (price.price_ticks or price.time_ns)):
                self.wrong(b"an auction that cannot be")
        if status.auctions.until_ns < 0 or status.auctions.last > 1:
            self.wrong(b"a phase or an auction that cannot be")
        feed.instruments[instrument].topics[<int> STATUS - 1].sequence = status.sequence
        feed.instruments[instrument].auctions = status.auctions
        return 0

    cdef int _read_last_trade(self, Orders orders, uint32_t instrument) except -1:
        cdef InstrumentMore more
        memcpy(&more, self.more(sizeof(InstrumentMore)), sizeof(InstrumentMore))
        if more.lots < 0 or (more.lots == 0 and (more.price_ticks or more.time_ns)):
            self.wrong(b"a last trade that cannot be")
        if more.lots:
            orders.updates.set_last_trade(instrument, more.price_ticks, more.lots, more.time_ns)
        return 0

    # ------------------------------------------------------------ many

    cdef int read_sessions(self, Sessions sessions) except -1 nogil:
        cdef uint64_t _, orders = 0
        cdef const Session* s
        for _ in range(self.counts[<int> SESSIONS]):
            s = self._read_session(sessions)
            orders += <uint64_t> s.open_count + s.closed_count
        if orders != self.counts[<int> ORDERS]:
            self.wrong(b"the sessions have more orders than there are, or fewer")
        return 0

    cdef Session* _read_session(self, Sessions sessions) except NULL nogil:
        cdef SessionImage image
        cdef Session s
        memcpy(&image, self.record(SESSIONS, sizeof(SessionImage)), sizeof(SessionImage))
        if (not 0 < image.comp_id_length <= sizeof(image.comp_id)
                or not is_zero(image.comp_id + image.comp_id_length, sizeof(image.comp_id) - image.comp_id_length)
                or image.connected > 1 or image.test_pending > 1 or image.cancel_on_disconnect > 1):
            self.wrong(b"a session that cannot be")
        if image.heartbeat_ns < 0 or image.grace_ns < 0:
            self.wrong(b"a time span below 0")
        memset(&s, 0, sizeof(Session))
        s.epoch = image.epoch
        s.incarnation = image.incarnation
        s.connection = image.connection
        s.inbound = image.inbound
        s.outbound = image.outbound
        s.gap_end = image.gap_end
        s.gap_first = image.gap_first
        s.gap_asked_ns = image.gap_asked_ns
        s.last_received_ns = image.last_received_ns
        s.last_sent_ns = image.last_sent_ns
        s.heartbeat_ns = image.heartbeat_ns
        s.grace_ns = image.grace_ns
        s.grace_deadline_ns = image.grace_deadline_ns
        s.connected = image.connected
        s.test_pending = image.test_pending
        s.cancel_on_disconnect = image.cancel_on_disconnect
        s.comp_id_length = image.comp_id_length
        memcpy(s.comp_id, image.comp_id, sizeof(image.comp_id))
        s.open_count = image.open_count
        s.closed_count = image.closed_count
        if self.header.rules_version >= 2:
            self._read_more_session(&s)
        if self.header.rules_version >= 3:
            self._read_powers(&s)
        if sessions.by_name(s.comp_id, s.comp_id_length) != NULL:
            self.wrong(b"a CompID twice")
        if s.connected and sessions.on_connection(s.incarnation, s.connection) != NULL:
            self.wrong(b"two sessions on one connection")
        return sessions.resume(&s)

    cdef int _read_more_session(self, Session* s) except -1 nogil:
        cdef SessionMore more
        cdef const uint8_t* request
        memcpy(&more, self.more(sizeof(SessionMore)), sizeof(SessionMore))
        if (more.trade_request_length > (sizeof(s.trade_request) if s.connected else 0)
                or more.leaving > (<int> BEGINS_ANEW if s.connected else 0) or (more.leaves_ns and not more.leaving)
                or not is_zero(more.reserved, sizeof(more.reserved))):
            self.wrong(b"a session that cannot be")
        request = self.more((more.trade_request_length + 7) & ~(<size_t> 7))
        if not is_zero(request + more.trade_request_length, (8 - more.trade_request_length % 8) % 8):
            self.wrong(b"bytes after a string that are not zero")
        memcpy(s.due_ns, more.due_ns, sizeof(s.due_ns))
        s.reset_ns = more.reset_ns
        self._read_early(s, more.early_size)
        s.leaving = more.leaving
        s.leaves_ns = more.leaves_ns
        s.trade_request_length = more.trade_request_length
        memcpy(s.trade_request, request, more.trade_request_length)
        return 0

    cdef int _read_powers(self, Session* s) except -1 nogil:
        cdef SessionPowers powers
        memcpy(&powers, self.more(sizeof(SessionPowers)), sizeof(SessionPowers))
        if powers.is_operator > 1 or powers.is_killed > 1 or not is_zero(powers.reserved, sizeof(powers.reserved)):
            self.wrong(b"a session that cannot be")
        s.max_open_orders = powers.max_open_orders
        s.is_operator = powers.is_operator
        s.is_killed = powers.is_killed
        return 0

    cdef int read_drop_copies(self, DropCopies drop_copies) except -1 nogil:
        cdef DropCopyImage image
        cdef uint64_t i
        for i in range(self.drop_copy_count):
            self.begin = self.drop_copies + i * sizeof(DropCopyImage)
            memcpy(&image, self.data + self.begin, sizeof(DropCopyImage))
            if not 0 < image.session <= drop_copies.sessions.count or image.of > drop_copies.sessions.count:
                self.wrong(b"a drop copy of a session that there is not")
            if drop_copies.has(image.session, image.of):
                self.wrong(b"a drop copy twice")
            drop_copies.add(image.session, image.of)
        return 0

    cdef int _read_early(self, Session* s, uint32_t size) except -1 nogil:
        cdef const uint8_t* records
        cdef const InputHead* head
        cdef uint32_t at = 0
        if size % 8 or size > (MAX_EARLY_BYTES if s.connected else 0):
            self.wrong(b"early messages that cannot be")
        records = self.more(size)
        while at < size:
            head = <const InputHead*> (records + at)
            if not is_whole(head, size - at) or head.kind != INPUT_MESSAGE:
                self.wrong(b"an early message that cannot be")
            if not early_keep(&s.early, head):
                with gil:
                    raise MemoryError("no memory for a session's state")
            at += head.size
        if s.early.size != size:
            self.wrong(b"an early message twice, or too many")
        return 0

    cdef int read_orders(self, Machine machine, Sessions sessions, Orders orders) except -1 nogil:
        cdef uint64_t slots = self.counts[<int> ORDERS] + self.counts[<int> FREE_SLOTS], open_orders = 0
        cdef uint32_t i, _, open_count, closed_count
        cdef Session* s
        if slots >= <uint32_t> 0xfffffffe:
            self.wrong(b"more orders than one exchange can have")
        orders.lay_out(<uint32_t> slots)
        for i in range(sessions.count):
            s = sessions.table[i]
            open_count, closed_count = s.open_count, s.closed_count
            s.open_count = s.closed_count = 0
            open_orders += open_count
            for _ in range(open_count):
                self._read_order(machine, orders, s, True)
            for _ in range(closed_count):
                self._read_order(machine, orders, s, False)
        if open_orders != machine.books.orders.live:
            self.wrong(b"not as many open orders as the engine has")
        return 0

    cdef int _read_order(self, Machine machine, Orders orders, Session* s, bint is_open) except -1 nogil:
        cdef OrderImage image
        cdef SlotImage* head = &image.head
        cdef const uint8_t* strings
        cdef const uint8_t* account
        cdef size_t length, room
        cdef uint64_t parties_length = 0
        cdef uint32_t hash
        cdef Order* o
        memcpy(head, self.record(ORDERS, sizeof(SlotImage)), sizeof(SlotImage))
        o = self._unread(orders, head.slot)
        if (head.state == OPEN) != is_open or not OPEN <= head.state <= ALIAS or head.cl_ord_id_length == 0:
            self.wrong(b"an order that cannot be")
        o.state = head.state
        o.session = s.id
        o.order_id = head.order_id
        if head.state == ALIAS:
            self._read_alias(orders, o, head)
        else:
            memcpy(&image.price_ticks, self.more(sizeof(OrderImage) - sizeof(SlotImage)),
                   sizeof(OrderImage) - sizeof(SlotImage))
            self._fill(orders, o, &image)
            if image.flags & HAS_PARTIES:
                parties_length = self._read_parties_length()
        length = <size_t> head.cl_ord_id_length + head.orig_cl_ord_id_length + head.account_length + parties_length
        room = (length + 7) & ~(<size_t> 7)
        strings = self.more(room)
        hash = name_hash(strings, head.cl_ord_id_length)
        if not is_zero(strings + length, room - length):
            self.wrong(b"bytes after a string that are not zero")
        if find_name(orders, s, strings, head.cl_ord_id_length, hash):
            self.wrong(b"a ClOrdID of a session twice")
        account = strings + head.cl_ord_id_length + head.orig_cl_ord_id_length
        set_strings(o, strings, head.cl_ord_id_length, strings + head.cl_ord_id_length, head.orig_cl_ord_id_length,
                    account, head.account_length, account + head.account_length, <uint16_t> parties_length)
        give_name(orders, s, head.slot, hash)
        if is_open:
            self._judge_open(machine, orders, s, head)
            enlist(orders, s, head.slot, o)
        else:
            join_closed(orders, s, head.slot, o)
        return 0

    cdef uint64_t _read_parties_length(self) except 0 nogil:
        cdef uint64_t length
        memcpy(&length, self.more(sizeof(length)), sizeof(length))
        if not 0 < length <= MAX_PARTIES:
            self.wrong(b"parties that cannot be")
        return length

    cdef Order* _unread(self, Orders orders, uint32_t slot) except NULL nogil:
        cdef Order* o
        if not 0 < slot <= orders.used:
            self.wrong(b"a slot that there is not")
        o = order_at(orders, slot)
        if o.state != UNREAD:
            self.wrong(b"a slot twice")
        return o

    cdef int _read_alias(self, Orders orders, Order* o, const SlotImage* head) except -1 nogil:
        cdef AliasImage image
        memcpy(&image.target, self.more(sizeof(AliasImage) - sizeof(SlotImage)), sizeof(AliasImage) - sizeof(SlotImage))
        if (not 0 < image.target <= orders.used or image.reserved or head.orig_cl_ord_id_length
                or head.account_length):
            self.wrong(b"an alias that cannot be")
        o.target = image.target
        return 0

    cdef int _fill(self, Orders orders, Order* o, const OrderImage* image) except -1 nogil:
        if image.instrument >= orders.instrument_count:
            self.wrong(b"an order of an instrument that there is not")
        if not 0 <= image.cumulative_lots <= image.quantity_lots:
            self.wrong(b"an order filled beyond its quantity")
        if image.flags & ~self._order_flags() or (image.flags & IS_EXPIRED and image.head.state != CLOSED):
            self.wrong(b"an order that cannot be")
        o.price_ticks = image.price_ticks
        o.quantity_lots = image.quantity_lots
        o.cumulative_lots = image.cumulative_lots
        o.notional_low = image.notional_low
        o.notional_high = image.notional_high
        o.instrument = image.instrument
        o.side = image.side
        o.ord_type = image.ord_type
        o.time_in_force = image.time_in_force
        o.post_only = image.flags & IS_POST_ONLY
        o.is_expired = image.flags & IS_EXPIRED != 0
        return 0

    cdef uint32_t _order_flags(self) noexcept nogil:
        cdef uint32_t rules = self.header.rules_version
        return IS_POST_ONLY | (HAS_PARTIES if rules >= 2 else 0) | (IS_EXPIRED if rules >= 3 else 0)

    cdef int _judge_open(self, Machine machine, Orders orders, const Session* s, const SlotImage* head) except -1 nogil:
        cdef uint32_t owner = 0
        cdef uint64_t slot = 0
        if s.open_last and order_at(orders, s.open_last).order_id >= head.order_id:
            self.wrong(b"open orders of a session that are not in order of order id")
        if not machine.find(head.order_id, &owner, &slot) or owner != s.id or slot != head.slot:
            self.wrong(b"an open order that the engine does not have")
        return 0

    cdef int read_free_slots(self, Orders orders) except -1 nogil:
        cdef uint32_t slot, last = 0
        cdef uint64_t _
        for _ in range(self.counts[<int> FREE_SLOTS]):
            memcpy(&slot, self.record(FREE_SLOTS, sizeof(slot)), sizeof(slot))
            self._unread(orders, slot).state = FREE
            if last:
                order_at(orders, last).next = slot
            else:
                orders.free_first = slot
            last = slot
            if self.left == 0 and self.section_end - self.at == sizeof(slot) and not is_zero(self.more(4), 4):
                self.wrong(b"bytes after the last slot that are not zero")
        return 0

    # ------------------------------------------------------------ from rules 2 on

    cdef int read_subscriptions(self, Sessions sessions, Orders orders) except -1 nogil:
        cdef uint64_t _
        for _ in range(self.counts[<int> SUBSCRIPTIONS]):
            self._read_subscription(sessions, orders)
        return 0

    cdef int read_past_trades(self, Machine machine, Sessions sessions, Orders orders) except -1 nogil:
        cdef PastTrade trade
        cdef uint64_t before = 0, _
        for _ in range(self.counts[<int> PAST_TRADES]):
            memcpy(&trade, self.record(PAST_TRADES, sizeof(PastTrade)), sizeof(PastTrade))
            if (self.header.rules_version < 3 or trade.trade_id == 0 or (before and trade.trade_id != before + 1)
                    or trade.trade_id > machine.books.last_trade_id or trade.instrument >= orders.instrument_count
                    or trade.lots <= 0 or trade.is_busted > 1 or not self._is_side(&trade.taker, sessions, orders)
                    or not self._is_side(&trade.maker, sessions, orders)):
                self.wrong(b"a trade that cannot be")
            before = trade.trade_id
            memcpy(orders.memory.next(trade.trade_id), &trade, sizeof(PastTrade))
        if self.counts[<int> PAST_TRADES] > REMEMBERED_TRADES or (before and before != machine.books.last_trade_id):
            self.wrong(b"other trades than the newest, or too many")
        return self.enter(END)

    cdef bint _is_side(self, const TradeSide* one, Sessions sessions, Orders orders) noexcept nogil:
        return (sessions.by_id(one.session) != NULL and 0 < one.slot <= orders.used
                and (one.side == c'1' or one.side == c'2') and is_zero(one.reserved, sizeof(one.reserved)))

    cdef bint _can_be(self, const SubscriptionImage* image) noexcept nogil:
        # What it asks for.
        if image.kind == MARKET_DATA:
            return (0 < image.depth <= MAX_DEPTH and image.refresh <= 1
                    and 0 < image.types < (2 * TRADES if self.header.rules_version < 3 else 2 * IMBALANCE))
        if self.header.rules_version < 3 or image.kind > SESSION_STATUS or image.types or image.refresh:
            return False
        if image.kind == SECURITY_STATUS:
            return image.depth == 0
        return image.instrument == NO_INSTRUMENT and image.depth <= MOST_STATUS

    cdef int _read_subscription(self, Sessions sessions, Orders orders) except -1 nogil:
        cdef SubscriptionImage image
        cdef Subscription s
        cdef const Session* whose
        memcpy(&image, self.record(SUBSCRIPTIONS, sizeof(SubscriptionImage)), sizeof(SubscriptionImage))
        whose = sessions.by_id(image.session)
        if (self.header.rules_version < 2 or whose == NULL or not whose.connected
                or (image.kind != SESSION_STATUS and image.instrument >= orders.instrument_count)):
            self.wrong(b"a subscription of nobody who is connected, or to no instrument")
        if (not self._can_be(&image) or not 0 < image.id_length <= sizeof(image.id)
                or not is_zero(image.id + image.id_length, sizeof(image.id) - image.id_length)
                or sessions.subscriptions.count_of(image.session) == MAX_SUBSCRIPTIONS):
            self.wrong(b"a subscription that cannot be")
        memset(&s, 0, sizeof(Subscription))
        s.session = image.session
        s.instrument = image.instrument
        s.depth = image.depth
        s.kind = image.kind
        s.types = image.types
        s.refresh = image.refresh
        s.id_length = image.id_length
        memcpy(s.id, image.id, sizeof(image.id))
        return sessions.subscriptions.add(&s)
