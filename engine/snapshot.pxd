# The canonical snapshot: the logical state in one order of bytes, whatever the memory looks like.
#
#     magic b"QBENGINE" | u32 rules version | u32 instruments | i64 time_ns | u64 commands
#     | u64 last order id | u64 last trade id | u64 live orders
#     then per instrument: i64 lot, min, max, low, high, protection | u64 bids | u64 asks
#     then its orders, bids and then asks, best price first and oldest first, 56 bytes each:
#     u64 order_id | u64 client_ref | u32 owner | u32 account | i64 price | i64 total | i64 leaves
#     | u8 order type | u8 time in force | u8 flags | u8 capacity | u32 self-match group
#
# From version 3 of the rules on there is more, laid out in reference_snapshot.py: tick tables behind the header, the
# rest of an instrument's terms behind the first six, six more counts, and the orders of those: hidden bids and asks,
# those without a limit, stops and parked orders by order id. An order with EXTENDED in its flags has a second record.
#
# All little endian.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    SNAPSHOT_HEADER = 56        # bytes
    SNAPSHOT_RECORD = 256       # bytes that a record has at most

cdef struct Header:
    char magic[8]
    uint32_t rules_version
    uint32_t instruments
    int64_t time_ns
    uint64_t commands
    uint64_t last_order_id
    uint64_t last_trade_id
    uint64_t live_orders

cdef struct HeaderMore:         # version 3
    uint64_t slices
    uint32_t tables
    uint32_t reserved

cdef struct RowImage:
    int64_t from_ticks
    int64_t tick_ticks

cdef struct TermsImage:
    int64_t lot_lots
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks
    int64_t high_ticks
    int64_t protection_ticks

cdef struct MarketImage:        # version 3
    uint8_t algorithm
    uint8_t top_order
    uint8_t trigger
    uint8_t is_delisted
    uint8_t phase
    uint8_t next_phase
    uint16_t reserved
    uint32_t tick_table
    uint32_t breaker_bp
    int64_t pro_rata_minimum_lots
    int64_t until_ns
    int64_t next_lasts_ns
    int64_t last_ticks
    int64_t reference_ticks
    int64_t static_ticks
    int64_t dynamic_ticks
    int64_t distance_ticks
    int64_t max_notional
    int64_t halt_ns
    int64_t auction_ns
    int64_t seen[4]

cdef struct OrderImage:
    uint64_t order_id
    uint64_t client_ref
    uint32_t owner
    uint32_t account
    int64_t price_ticks
    int64_t total_lots
    int64_t leaves_lots
    uint8_t order_type
    uint8_t time_in_force
    uint8_t flags
    uint8_t capacity
    uint32_t self_match_group

cdef struct ExtraImage:         # version 3, of an order with EXTENDED
    int64_t display_lots
    int64_t slice_lots
    uint64_t feed_id
    int64_t stop_price_ticks
    int64_t offset_ticks
    int64_t peg_limit_ticks
    int64_t expire_ns
    uint8_t peg_kind
    uint8_t is_elected
    uint8_t self_match_mode
    uint8_t side
    uint32_t reserved

cdef enum:
    GROUPS = 8                  # of an instrument's orders, in this order: bids and asks that are shown,
                                # hidden, without a limit; stops; parked
    STOPS_GROUP = 6
