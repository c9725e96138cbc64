# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# No index here comes from outside: topics are looked up by name, and room is reserved before it is written.
"""The feed's topics: numbering records, making messages of them, heartbeats and snapshots.

Holds per instrument the last sequence of its topics, its last published top and auctions, and the records of the
current log entry in one arena, each linked to the next of its topic, until `end_entry` makes messages of
them. `market_data` decides what is recorded.

Memory: arrays owned by the object, grown by doubling, freed with it; messages are Python bytes.
GIL: `_next` and `_reserve` run without it; the rest holds it. Raises: MemoryError; ValueError for a
definition that cannot be.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

from engine.auction cimport Outcome, auction
from engine.machine cimport Machine
from engine.phases cimport collects
from engine.state cimport market_of
from engine.types cimport EMPTY_PRICE, SELL
from gateway.records cimport MAX_SYMBOL

KIND_NAMES = (b"trades", b"top", b"levels", b"orders", b"status")
cdef const char* KIND_TEXTS[KINDS]
KIND_TEXTS[0], KIND_TEXTS[1], KIND_TEXTS[2], KIND_TEXTS[3] = b"trades|", b"top|", b"levels|", b"orders|"
KIND_TEXTS[4] = b"status|"


cdef enum:
    KEPT_WORDS = 1 << 23    # an arena above 64 MiB is given back after its entry

cdef size_t[KINDS + 1] SIZES = [
    0, sizeof(TradeRecord), sizeof(TopRecord), sizeof(LevelRecord), sizeof(OrderRecord), sizeof(StatusRecord)]


cdef inline int64_t signed(uint64_t low, int64_t high) noexcept nogil:
    """A 128-bit number as int64, the nearest where it does not fit."""
    if high == <int64_t>low >> 63:
        return <int64_t>low
    return INT64_MAX if high >= 0 else -INT64_MAX


cdef class FeedTopics:
    """The topics of all instruments. Listens to everything at first."""

    def __cinit__(self):
        self.chunk_records = 1024
        self.numbers = {}
        self.names = []
        self.prefixes = {b"": None}
        self.messages = []
        self._reserve(1024)
        self.slots_used = 1

    def __dealloc__(self):
        free(self.instruments)
        free(self.open_topics)
        free(self.active)
        free(self.collecting)
        free(self.slots)

    # ------------------------------------------------------------ instruments and listeners

    def define(
        self, uint32_t instrument, bytes symbol, int64_t price_increment, int price_exponent,
        int64_t quantity_increment, int quantity_exponent,
    ):
        """The engine's instrument `instrument`, the next number. An increment is mantissa * 10**exponent.

        Raises ValueError for a number out of order, or a symbol that is empty, longer than 32 bytes or known.
        """
        cdef Instrument* made
        cdef Scale* scale
        cdef size_t room
        cdef Py_ssize_t topic
        if instrument != self.instrument_count:
            raise ValueError(f"instrument {instrument} cannot be defined: next is {self.instrument_count}")
        if not 0 < len(symbol) <= MAX_SYMBOL or symbol in self.numbers:
            raise ValueError(f"symbol {symbol!r} is known, empty or longer than {MAX_SYMBOL} bytes")
        if self.instrument_count == self.instrument_room:
            room = max(<size_t>16, 2 * self.instrument_room)
            self.instruments = <Instrument*>grown(self.instruments, room * sizeof(Instrument))
            self.open_topics = <uint32_t*>grown(self.open_topics, room * KINDS * sizeof(uint32_t))
            self.active = <uint32_t*>grown(self.active, room * sizeof(uint32_t))
            self.collecting = <uint32_t*>grown(self.collecting, room * sizeof(uint32_t))
            self.instrument_room = room
        made = &self.instruments[instrument]
        memset(made, 0, sizeof(Instrument))
        made.top.bid_price_ticks = made.top.ask_price_ticks = EMPTY_PRICE()
        scale = &made.scale
        scale.price_increment, scale.quantity_increment = price_increment, quantity_increment
        scale.price_exponent, scale.quantity_exponent = price_exponent, quantity_exponent
        scale.symbol_length = <uint8_t>len(symbol)
        memcpy(scale.symbol, PyBytes_AS_STRING(symbol), len(symbol))
        self.numbers[symbol] = instrument
        self.names.extend([None] * KINDS)
        self.instrument_count += 1
        for kind in range(KINDS):
            for prefix in self.prefixes:    # bytes, all of them
                topic = <Py_ssize_t>instrument * KINDS + kind
                if self._begins(topic, <const char*>prefix, len(prefix)):
                    self._add_listeners(topic, 1)

    def listen(self, bytes prefix not None) -> bool:
        """Build the topics that begin with `prefix`, a subscription as XPUB hears it. Twice is once.

        False: no topic of the instruments defined so far begins with it, and it is not kept.
        """
        if prefix not in self.prefixes:
            if self._count_listener(prefix, 1) == 0:
                return False
            self.prefixes[prefix] = None
        return True

    def listeners(self) -> list[bytes]:
        """The prefixes that are listened to, in the order in which they were first asked for."""
        return list(self.prefixes)

    @property
    def listened_to(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self.prefixes)

    def ignore(self, bytes prefix not None):
        """The opposite of `listen`; a prefix that is not listened to is ignored already."""
        if prefix in self.prefixes:
            del self.prefixes[prefix]
            self._count_listener(prefix, -1)

    cdef Py_ssize_t _count_listener(self, bytes prefix, int change) except -1:
        """How many topics begin with `prefix`. O(1) for a whole name, else O(topics)."""
        cdef Py_ssize_t topic = self._topic(prefix)
        cdef const char* text = PyBytes_AS_STRING(prefix)
        cdef size_t length = len(prefix)
        cdef Py_ssize_t count = 0
        if topic >= 0:
            self._add_listeners(topic, change)
            return 1
        if length > MAX_TOPIC:
            return 0
        for topic in range(<Py_ssize_t>self.instrument_count * KINDS):
            if self._begins(topic, text, length):
                self._add_listeners(topic, change)
                count += 1
        return count

    cdef void _add_listeners(self, Py_ssize_t topic, int change) noexcept:
        self.instruments[topic // KINDS].topics[topic % KINDS].listeners += change
        self.instruments[topic // KINDS].listeners += change

    cdef bint _begins(self, Py_ssize_t topic, const char* prefix, size_t length) noexcept:
        """Whether the topic's name begins with `prefix`; the name itself need not be made."""
        cdef Scale* scale = &self.instruments[topic // KINDS].scale
        cdef const char* kind = KIND_TEXTS[topic % KINDS]
        while kind[0]:
            if length == 0:
                return True
            if kind[0] != prefix[0]:
                return False
            kind, prefix, length = kind + 1, prefix + 1, length - 1
        if length <= scale.symbol_length:
            return memcmp(scale.symbol, prefix, length) == 0
        return (length == <size_t>scale.symbol_length + 1 and prefix[length - 1] == c"|"
                and memcmp(scale.symbol, prefix, length - 1) == 0)

    cdef bytes _name(self, Py_ssize_t topic):
        cdef Scale* scale
        if self.names[topic] is None:
            scale = &self.instruments[topic // KINDS].scale
            self.names[topic] = b"%s|%s|" % (KIND_NAMES[topic % KINDS], scale.symbol[:scale.symbol_length])
        return self.names[topic]

    cdef Py_ssize_t _topic(self, bytes name) except -2:
        """The number of the topic with this whole name; -1: none."""
        kind, _, rest = name.partition(b"|")
        symbol = rest.removesuffix(b"|")
        if kind not in KIND_NAMES or symbol == rest or symbol not in self.numbers:
            return -1
        return self.numbers[symbol] * KINDS + KIND_NAMES.index(kind)

    # ------------------------------------------------------------ records

    cdef Prefix* _next(self, uint32_t instrument, FeedKind kind, uint8_t side, size_t size) noexcept nogil:
        """Number the topic's next record; its place to be written, or NULL when nobody listens.

        The caller has reserved the room.
        """
        cdef Instrument* owner = &self.instruments[instrument]
        cdef Topic* topic = &owner.topics[kind - 1]
        cdef uint32_t slot
        cdef Prefix* prefix
        topic.sequence += 1
        if topic.listeners == 0 and topic.count == 0:   # what an entry has begun stays without holes
            return NULL
        slot = <uint32_t>self.slots_used
        self.slots_used += 1 + size // 8
        if topic.count == 0:
            self.open_topics[self.open_count] = instrument * KINDS + kind - 1
            self.open_count += 1
            topic.first = slot
        else:
            prefix = <Prefix*>&self.slots[topic.last + 1]
            if prefix.input_number != self.input_number:
                prefix.flags = LAST_OF_INPUT
            self.slots[topic.last] = slot
        topic.last = slot
        topic.count += 1
        prefix = <Prefix*>&self.slots[slot + 1]
        prefix.sequence = topic.sequence
        prefix.input_number = self.input_number
        prefix.flags = prefix.action = prefix.kept_priority = 0
        prefix.side = side
        prefix.orders = 0
        return prefix

    cdef int _reserve(self, size_t words) except -1 nogil:
        """Room for this many words of 8 bytes in the arena."""
        cdef size_t room = self.slots_room
        if self.slots_used + words <= room:
            return 0
        while room < self.slots_used + words:
            room = max(<size_t>1024, 2 * room)
        if room >> 32:  # links are 32 bits
            with gil:
                raise MemoryError("one log entry makes more than 32 GiB of market data")
        self.slots = <uint64_t*>grown(self.slots, room * sizeof(uint64_t))
        self.slots_room = room
        return 0

    # ------------------------------------------------------------ messages

    cpdef int end_entry(self, Machine machine) except -1:
        """Close the messages of this log entry: one a topic, more when it has over MAX_RECORDS records.

        Instruments that collect orders and were touched have one more record of their status.
        """
        cdef size_t position
        cdef Topic* topic
        cdef uint32_t number, slot, left
        self._end_statuses(machine)
        for position in range(self.open_count):
            number = self.open_topics[position]
            topic = &self.instruments[number // KINDS].topics[number % KINDS]
            (<Prefix*>&self.slots[topic.last + 1]).flags = LAST_OF_INPUT
            slot, left = topic.first, topic.count
            while left:
                self.messages.append((self._name(number), self._message(number, &slot, &left)))
            topic.first = topic.last = topic.count = 0
            topic.silent = False
        self.open_count = 0
        self.slots_used = 1
        if self.slots_room > KEPT_WORDS:
            free(self.slots)
            self.slots = NULL
            self.slots_room = 0
            self._reserve(1024)
        return 0

    cdef bytes _message(self, Py_ssize_t topic, uint32_t* slot, uint32_t* left):
        """The next message of the records that begin at `slot`; moves both on."""
        cdef size_t size = SIZES[topic % KINDS + 1]
        cdef uint32_t count = min(left[0], <uint32_t>MAX_RECORDS)
        cdef bytes message = PyBytes_FromStringAndSize(NULL, sizeof(MessageHeader) + count * size)
        cdef char* out = PyBytes_AS_STRING(message)
        cdef MessageHeader head
        cdef Prefix* prefix = <Prefix*>&self.slots[slot[0] + 1]
        cdef uint32_t position
        self._head(&head, topic, 0)
        head.count = count
        head.first_sequence = prefix.sequence
        head.first_input = prefix.input_number
        for position in range(count):
            prefix = <Prefix*>&self.slots[slot[0] + 1]
            memcpy(out + sizeof(MessageHeader) + position * size, prefix, size)
            slot[0] = <uint32_t>self.slots[slot[0]]
        head.last_input = prefix.input_number
        memcpy(out, &head, sizeof(head))
        left[0] -= count
        return message

    cdef void _head(self, MessageHeader* head, Py_ssize_t topic, uint8_t flags) noexcept:
        """A header without records: the state of the topic now."""
        memset(head, 0, sizeof(MessageHeader))
        head.version = FORMAT_VERSION
        head.kind = <uint8_t>(topic % KINDS + 1)
        head.flags = flags
        head.instrument = <uint32_t>(topic // KINDS)
        head.record_size = <uint32_t>SIZES[topic % KINDS + 1]
        head.first_sequence = self.instruments[topic // KINDS].topics[topic % KINDS].sequence + 1
        head.first_input = head.last_input = self.input_number
        head.time_ns = self.time_ns

    cpdef list take(self):
        """(topic, payload) of the closed messages, in order; they are the caller's now."""
        taken = self.messages
        self.messages = []
        return taken

    def idle(self):
        """Heartbeats of the listened topics that have had no message since the last round: (topic, payload).

        Call once a second; take the iterator in slices when there may be many topics.
        """
        cdef Py_ssize_t topic
        cdef Topic* state
        cdef MessageHeader head
        for topic in range(<Py_ssize_t>self.instrument_count * KINDS):
            state = &self.instruments[topic // KINDS].topics[topic % KINDS]
            if state.listeners and state.silent:
                self._head(&head, topic, HEARTBEAT)
                yield self._name(topic), PyBytes_FromStringAndSize(<char*>&head, sizeof(head))
            else:
                state.silent = True

    def sequences(self, bytes symbol not None):
        """Last sequence of trades, top, levels, orders and status. Raises KeyError for an unknown symbol."""
        cdef Instrument* instrument = &self.instruments[<size_t>self.numbers[symbol]]
        return tuple(instrument.topics[kind].sequence for kind in range(KINDS))

    # ------------------------------------------------------------ the status of instruments

    cdef const Indication* indication(self, Machine machine, uint32_t instrument) except NULL nogil:
        """What an auction now would come to. O(levels), once after anything has happened; O(1) where none will come."""
        cdef Indication* known = &self.instruments[instrument].indication
        cdef Outcome outcome
        if not collects(market_of(&machine.books, instrument).phase):
            known.price_ticks = EMPTY_PRICE()
        elif not known.is_known:
            auction(&machine.books, instrument, &outcome)
            known.price_ticks = outcome.price_ticks
            if outcome.price_ticks != EMPTY_PRICE():
                known.lots = saturated(outcome.volume_low, <int64_t>outcome.volume_high)
                known.surplus_lots = signed(outcome.surplus_low, <int64_t>outcome.surplus_high)
            known.is_known = True
        if known.price_ticks == EMPTY_PRICE():
            known.lots = known.surplus_lots = 0
        return known

    cdef void _write_status(self, Machine machine, uint32_t instrument, StatusRecord* record) noexcept nogil:
        """All but the prefix; the indication was made sure of."""
        cdef const Instrument* owner = &self.instruments[instrument]
        cdef const AuctionPrice* last = &owner.auctions.prices[owner.auctions.last]
        memset(<char*>record + sizeof(Prefix), 0, sizeof(StatusRecord) - sizeof(Prefix))
        record.time_ns = self.time_ns
        record.until_ns = owner.auctions.until_ns
        record.auction_price_ticks = last.price_ticks if last.lots else EMPTY_PRICE()
        record.auction_lots = last.lots
        record.indicative_price_ticks = owner.indication.price_ticks
        record.indicative_lots = owner.indication.lots
        record.surplus_lots = owner.indication.surplus_lots
        record.phase = market_of(&machine.books, instrument).phase
        record.is_delisted = market_of(&machine.books, instrument).is_delisted

    cdef int _end_statuses(self, Machine machine) except -1:
        cdef size_t position
        cdef uint32_t number
        cdef StatusRecord* record
        cdef size_t kept = 0
        self._reserve(self.collecting_count * (1 + sizeof(StatusRecord) // 8))
        for position in range(self.collecting_count):
            number = self.collecting[position]
            if machine.is_half_done(number):    # it is told when that is done
                self.collecting[kept] = number
                kept += 1
                continue
            self.instruments[number].is_collecting = False
            if collects(market_of(&machine.books, number).phase):
                record = <StatusRecord*>self._next(number, STATUS, 0, sizeof(StatusRecord))
                if record != NULL:
                    self.indication(machine, number)
                    self._write_status(machine, number, record)
        self.collecting_count = kept
        return 0

    # ------------------------------------------------------------ snapshots

    def snapshot(self, bytes request not None, Machine machine not None):
        """The answer to one snapshot request: topic name, then nothing or the cursor of the chunk before.

        `machine` is the one whose reports were recorded last. A request that names no topic of ours is
        answered by a header flagged UNKNOWN and the request's own bytes (at most 64). Raises MemoryError.
        """
        cdef Cursor cursor
        cdef MessageHeader head
        cdef Py_ssize_t topic = self._topic(request)
        cdef Py_ssize_t named = len(request) - <Py_ssize_t>sizeof(Cursor)
        memset(&cursor, 0, sizeof(cursor))
        cursor.price_ticks = EMPTY_PRICE()
        if topic < 0 and named > 0:
            topic = self._topic(request[:named])
            memcpy(&cursor, PyBytes_AS_STRING(request) + named, sizeof(cursor))
        if topic < 0 or not is_place(&cursor):
            memset(&head, 0, sizeof(head))
            head.version, head.flags = FORMAT_VERSION, SNAPSHOT | UNKNOWN
            return (<char*>&head)[:sizeof(head)] + request[:64]
        return self._snapshot(topic, &cursor, machine)

    cdef bytes _snapshot(self, Py_ssize_t topic, const Cursor* after, Machine machine):
        """The chunk that begins after a cursor, of at most `chunk_records`. O(its records)."""
        cdef Instrument* instrument = &self.instruments[topic // KINDS]
        cdef int kind = topic % KINDS + 1
        cdef MessageHeader head
        cdef Extent extent
        cdef Cursor cursor = after[0]
        cdef bytearray records = bytearray()
        cdef TopRecord top
        cdef StatusRecord status
        cdef bint more = False
        self._head(&head, topic, SNAPSHOT)
        memset(&extent, 0, sizeof(extent))
        extent.after = after[0]
        if kind == TOP:
            top = instrument.top
            memset(&top.prefix, 0, sizeof(Prefix))
            top.prefix.sequence, top.prefix.input_number = head.first_sequence - 1, self.input_number
            records += (<char*>&top)[:sizeof(top)]
        elif kind == STATUS:
            memset(&status.prefix, 0, sizeof(Prefix))
            self.indication(machine, head.instrument)
            self._write_status(machine, head.instrument, &status)
            status.prefix.sequence, status.prefix.input_number = head.first_sequence - 1, self.input_number
            records += (<char*>&status)[:sizeof(status)]
        elif kind == LEVELS:
            more = self._levels_part(records, &head, &cursor, machine)
        elif kind == ORDERS:
            more = self._orders_part(records, &head, &cursor, machine)
        if more:
            head.flags |= MORE
            extent.until = cursor
        head.count = <uint32_t>(len(records) // head.record_size)
        return ((<char*>&head)[:sizeof(head)] + (<char*>&instrument.scale)[:sizeof(Scale)]
                + (<char*>&extent)[:sizeof(Extent)] + records)

    cdef bint _levels_part(self, bytearray records, MessageHeader* head, Cursor* at, Machine machine) except -1:
        """The levels behind a place, which it moves on. True: there may be more."""
        cdef LevelRecord record
        cdef uint64_t low = 0
        cdef int64_t high = 0
        cdef Py_ssize_t room = self.chunk_records
        memset(&record, 0, sizeof(record))
        record.prefix.sequence, record.prefix.input_number = head.first_sequence - 1, self.input_number
        while room and next_place(machine, head.instrument, at):
            record.prefix.side = <uint8_t>side_of(at)
            record.prefix.orders = machine.level(head.instrument, side_of(at), at.price_ticks, &low, &high)
            record.price_ticks = at.price_ticks
            record.quantity_lots = saturated(low, high)
            records += (<char*>&record)[:sizeof(record)]
            room -= 1
        return room == 0

    cdef bint _orders_part(self, bytearray records, MessageHeader* head, Cursor* at, Machine machine) except -1:
        """The orders behind a place, which it moves on. True: there may be more.

        None when the order that the place names has left its level: its reader sees it go, and asks behind another.
        """
        cdef Py_ssize_t room = self.chunk_records
        cdef Py_ssize_t count
        cdef uint64_t* feed_ids = <uint64_t*>malloc(room * sizeof(uint64_t))
        cdef int64_t* shown = <int64_t*>malloc(room * sizeof(int64_t))
        try:
            if feed_ids == NULL or shown == NULL:
                raise MemoryError(f"no memory for a chunk of {room} orders")
            if at.price_ticks == EMPTY_PRICE() and not next_place(machine, head.instrument, at):
                return False
            while True:
                count = machine.queue(
                    head.instrument, side_of(at), at.price_ticks, feed_id_of(at), feed_ids, shown, room)
                if count > 0:
                    self._queued(records, head, at, feed_ids, shown, count)
                    room -= count
                if count < 0 or room == 0:
                    return True
                if not next_place(machine, head.instrument, at):
                    return False
        finally:
            free(feed_ids)
            free(shown)

    cdef int _queued(self, bytearray records, MessageHeader* head, Cursor* at, const uint64_t* feed_ids,
                     const int64_t* shown, Py_ssize_t count) except -1:
        """Orders of one level as records; the place is behind the last of them then."""
        cdef OrderRecord record
        cdef Py_ssize_t position
        memset(&record, 0, sizeof(record))
        record.prefix.sequence, record.prefix.input_number = head.first_sequence - 1, self.input_number
        record.prefix.side, record.prefix.action = <uint8_t>side_of(at), ADD
        record.price_ticks = at.price_ticks
        for position in range(count):
            record.order_id = feed_ids[position]
            record.quantity_lots = record.change_lots = shown[position]
            records += (<char*>&record)[:sizeof(record)]
        at.place = place_of(side_of(at), feed_ids[count - 1])
        return 0


cdef bint next_place(Machine machine, uint32_t instrument, Cursor* at) noexcept:
    """On to the next level, before its first order: bids first, best first. False: there is none."""
    cdef int64_t price = 0
    while not machine.next_level(instrument, side_of(at), at.price_ticks, &price):
        if side_of(at) == SELL:
            return False
        at.place, at.price_ticks = SELL, EMPTY_PRICE()
    at.place, at.price_ticks = <uint64_t>side_of(at), price
    return True
