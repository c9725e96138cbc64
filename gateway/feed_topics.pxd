# The feed's topics: numbered records -> messages, heartbeats, and snapshots to join
# them. docs/feed.md is the wire format; the structs below are its bytes. Little endian, a multiple of 8 bytes, every
# unused byte zero.

from libc.stdint cimport INT64_MAX, int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

from engine.machine cimport Machine
from gateway.records cimport MAX_SYMBOL

cdef enum:
    FORMAT_VERSION = 1
    KINDS = 5
    MAX_RECORDS = 128       # in one message of increments: at most 8,240 bytes
    MAX_TOPIC = 8 + MAX_SYMBOL  # bytes of the longest name

cdef enum FeedKind:
    TRADES = 1
    TOP = 2
    LEVELS = 3
    ORDERS = 4
    STATUS = 5

cdef enum MessageFlag:      # bits of MessageHeader.flags
    HEARTBEAT = 1           # no records: the topic is idle
    SNAPSHOT = 2
    MORE = 4                # snapshot: not all of it; ask again with the cursor `until`
    UNKNOWN = 8             # snapshot: no such topic; the rest of the header is zero, the request follows

cdef enum RecordFlag:       # bits of Prefix.flags
    LAST_OF_INPUT = 1       # the next record of the topic belongs to another input, or to another log entry

cdef enum OrderAction:      # Prefix.action of an order record
    ADD = 1
    EXECUTE = 2
    REDUCE_ORDER = 3
    DELETE = 4
    REPLACE_ORDER = 5

cdef enum TradeAction:      # Prefix.action of a trade record; 0: one that an incoming order made
    AUCTION_TRADE = 1       # of an auction: nobody was the aggressor
    BUST = 2                # the trade with this id is void

cdef struct MessageHeader:  # 48 bytes
    uint8_t version         # 0    FORMAT_VERSION
    uint8_t kind            # 1    FeedKind
    uint8_t flags           # 2    MessageFlag
    uint8_t reserved_3      # 3
    uint32_t instrument     # 4    the engine's number of the instrument
    uint32_t count          # 8    records that follow
    uint32_t record_size    # 12   bytes of each
    uint64_t first_sequence  # 16  of the first record; heartbeat, snapshot: of the topic's next record
    uint64_t first_input    # 24   of the first record; heartbeat, snapshot: as last_input
    uint64_t last_input     # 32   of the last record; heartbeat, snapshot: the last input recorded
    int64_t time_ns         # 40   log time of the last input recorded when the message was closed

cdef struct Scale:          # 56 bytes, follows the header of a snapshot: what a tick and a lot are worth
    int64_t price_increment     # 0    mantissa * 10**exponent
    int64_t quantity_increment  # 8
    int8_t price_exponent   # 16
    int8_t quantity_exponent    # 17
    uint8_t symbol_length   # 18
    uint8_t reserved[5]
    uint8_t symbol[MAX_SYMBOL]  # 24

cdef struct Cursor:         # 16 bytes: a place in the book; bids first, best first
    uint64_t place          # side, and 2 for an id of 2**63 or more, + 256 * (feed id modulo 2**63).
                            # orders: behind this order of the level, id 0: before its first; levels: id 0, behind it
    int64_t price_ticks     # EMPTY_PRICE: before the side's best

cdef struct Extent:         # 32 bytes, follows the scale: which part of the book this chunk holds
    Cursor after            # as asked; the start: buy, EMPTY_PRICE
    Cursor until            # MORE: the last level or order in it; otherwise zero

cdef struct Prefix:         # 24 bytes, at the start of every record
    uint64_t sequence       # 0    1, 2, 3, ... within the topic
    uint64_t input_number   # 8
    uint8_t flags           # 16   RecordFlag
    uint8_t side            # 17   0 buy, 1 sell; trade: the aggressor's, 0 when there was none
    uint8_t action          # 18   OrderAction, TradeAction; zero in other topics
    uint8_t kept_priority   # 19   REPLACE_ORDER: 1 = kept its place in the queue
    uint32_t orders         # 20   level: orders at the price; zero in other topics

cdef struct TradeRecord:    # 56 bytes
    Prefix prefix
    int64_t time_ns         # 24   log time
    uint64_t trade_id       # 32
    int64_t price_ticks     # 40   the maker's
    int64_t quantity_lots   # 48

cdef struct TopRecord:      # 64 bytes; an empty side: EMPTY_PRICE, 0, 0
    Prefix prefix
    int64_t bid_price_ticks     # 24
    int64_t bid_quantity_lots   # 32   saturated at INT64_MAX
    int64_t ask_price_ticks     # 40
    int64_t ask_quantity_lots   # 48
    uint32_t bid_orders     # 56
    uint32_t ask_orders     # 60

cdef struct LevelRecord:    # 40 bytes; orders 0: the level is gone
    Prefix prefix
    int64_t price_ticks     # 24
    int64_t quantity_lots   # 32   total, saturated at INT64_MAX

cdef struct OrderRecord:    # 64 bytes
    Prefix prefix
    uint64_t order_id       # 24
    uint64_t trade_id       # 32   EXECUTE, otherwise 0
    int64_t price_ticks     # 40   where the order rests (DELETE: rested)
    int64_t quantity_lots   # 48   resting after this record; 0 = gone
    int64_t change_lots     # 56   entered (ADD), executed, or taken off (REDUCE, DELETE); REPLACE: 0

cdef struct StatusRecord:   # 88 bytes
    Prefix prefix
    int64_t time_ns         # 24   log time
    int64_t until_ns        # 32   when the phase ends, at the earliest; 0: when it is told to
    int64_t auction_price_ticks     # 40  of the last auction in which something traded; EMPTY_PRICE, 0: there was none
    int64_t auction_lots    # 48
    int64_t indicative_price_ticks  # 56  what an auction now would come to; EMPTY_PRICE, 0, 0: nothing would trade
    int64_t indicative_lots # 64   saturated
    int64_t surplus_lots    # 72   of buyers at that price, below 0 of sellers; saturated
    uint32_t phase          # 80   Phase of engine/types.pxd
    uint32_t is_delisted    # 84   1: for good

cdef struct AuctionPrice:
    int64_t price_ticks
    int64_t lots            # 0: there was none
    int64_t time_ns

cdef struct Auctions:       # of an instrument. State, from rules 3 on; 64 bytes
    int64_t until_ns        # when the phase ends, as its beginning told it
    AuctionPrice prices[2]  # the last auction of any phase but the closing auction; the last closing auction
    uint64_t last           # which of the two was the last one

cdef struct Indication:     # what an auction would come to
    bint is_known           # nothing has happened since
    int64_t price_ticks     # EMPTY_PRICE: nothing would trade
    int64_t lots
    int64_t surplus_lots

cdef struct Topic:
    uint64_t sequence       # last given out
    uint32_t listeners      # subscriptions that match it; 0: records are counted, not built
    uint32_t first          # slot of this entry's first record, 0 = none
    uint32_t last           # slot of its last
    uint32_t count          # records in this entry
    bint silent             # no message since the last round of heartbeats

cdef struct Instrument:
    Topic topics[KINDS]     # FeedKind - 1
    TopRecord top           # as last published (its prefix unused)
    Scale scale
    uint64_t serial         # of the input that touched it last
    uint32_t listeners      # sum over its topics
    uint8_t stale           # bit Side: that input may have changed the side's touch
    Auctions auctions
    Indication indication
    bint is_collecting      # among `collecting`

cdef class FeedTopics:
    cdef public uint32_t chunk_records  # in one chunk of a snapshot, at most
    cdef Instrument* instruments
    cdef size_t instrument_count
    cdef size_t instrument_room
    cdef dict numbers               # symbol -> instrument
    cdef list names                 # by topic number (instrument * KINDS + FeedKind - 1); made when needed
    cdef dict prefixes              # what is listened to, in order (the values are None); some topic begins with each
    cdef list messages              # closed, not yet taken
    cdef uint64_t input_number      # last recorded
    cdef int64_t time_ns
    cdef uint64_t* slots            # this entry's records, each after the slot of its topic's next
    cdef size_t slots_used          # in units of 8 bytes; slot 0 is never given out
    cdef size_t slots_room
    cdef uint32_t* open_topics      # topics with records in this entry, in order of their first; room for all
    cdef size_t open_count
    cdef uint32_t* active           # instruments that the current input touched, in order; room for all
    cdef size_t active_count
    cdef uint32_t* collecting       # instruments that the current entry touched while they collect; room for all
    cdef size_t collecting_count

    cpdef int end_entry(self, Machine machine) except -1
    cpdef list take(self)
    cdef Py_ssize_t _count_listener(self, bytes prefix, int change) except -1
    cdef void _add_listeners(self, Py_ssize_t topic, int change) noexcept
    cdef bint _begins(self, Py_ssize_t topic, const char* prefix, size_t length) noexcept
    cdef Prefix* _next(self, uint32_t instrument, FeedKind kind, uint8_t side, size_t size) noexcept nogil
    cdef int _reserve(self, size_t words) except -1 nogil
    cdef bytes _message(self, Py_ssize_t topic, uint32_t* slot, uint32_t* left)
    cdef bytes _name(self, Py_ssize_t topic)
    cdef Py_ssize_t _topic(self, bytes name) except -2
    cdef void _head(self, MessageHeader* head, Py_ssize_t topic, uint8_t flags) noexcept
    cdef bytes _snapshot(self, Py_ssize_t topic, const Cursor* after, Machine machine)
    cdef const Indication* indication(self, Machine machine, uint32_t instrument) except NULL nogil
    cdef void _write_status(self, Machine machine, uint32_t instrument, StatusRecord* record) noexcept nogil
    cdef int _end_statuses(self, Machine machine) except -1
    cdef bint _levels_part(self, bytearray records, MessageHeader* head, Cursor* at, Machine machine) except -1
    cdef bint _orders_part(self, bytearray records, MessageHeader* head, Cursor* at, Machine machine) except -1
    cdef int _queued(self, bytearray records, MessageHeader* head, Cursor* at, const uint64_t* feed_ids,
                     const int64_t* shown, Py_ssize_t count) except -1


cdef inline int64_t saturated(uint64_t low, int64_t high) noexcept nogil:
    """A 128-bit total as int64, INT64_MAX when it does not fit. Totals are never negative."""
    return INT64_MAX if high != 0 or low > <uint64_t>INT64_MAX else <int64_t>low


cdef inline int side_of(const Cursor* at) noexcept nogil:
    return <int>(at.place & 1)


cdef inline bint is_place(const Cursor* at) noexcept nogil:
    return at.place & 0xFF <= 3


cdef inline uint64_t feed_id_of(const Cursor* at) noexcept nogil:
    return at.place >> 8 | (at.place & 2) << 62


cdef inline uint64_t place_of(uint64_t side, uint64_t feed_id) noexcept nogil:
    return feed_id << 8 | feed_id >> 62 & 2 | side


cdef inline void* grown(void* memory, size_t size) except NULL nogil:
    cdef void* bigger = realloc(memory, size)
    if bigger == NULL:
        with gil:
            raise MemoryError(f"no memory for {size} bytes of market data")
    return bigger
