# The bytes of an exchange's snapshot; docs/snapshot-format.md is the same for people. Little endian, every part a
# multiple of 8 bytes, every unused byte zero.

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from gateway.feed_topics cimport Auctions

cdef enum:
    SNAPSHOT_VERSION = 1
    SECTION_RECORDS = 4096      # sessions, orders or slots in one section

cdef enum SectionKind:          # in this order; those from SESSIONS on as often as there are records for them
    STATE = 1
    GATEWAYS = 2
    MACHINE = 3                 # the engine's own snapshot
    INSTRUMENTS = 4
    SESSIONS = 5
    ORDERS = 6
    FREE_SLOTS = 7
    SUBSCRIPTIONS = 9           # from rules 2 on
    PAST_TRADES = 10            # from rules 3 on: PastTrade of trade_memory.pxd
    END = 8                     # the last one whatever its number

cdef struct SnapshotHeader:     # 40 bytes
    char magic[8]               # QBEXSNAP
    uint32_t version            # SNAPSHOT_VERSION
    uint32_t rules_version
    int64_t index               # of the last entry applied
    int64_t term
    int64_t time_ns             # INT64_MIN + 1 before the first entry

cdef struct SectionHead:        # 16 bytes
    uint32_t kind
    uint32_t count              # records in it
    uint64_t length             # bytes that follow

cdef struct StateImage:         # 136 bytes
    uint64_t input_number
    uint64_t skipped_inputs
    uint64_t exec_id            # last given out
    uint64_t feed_input_number  # last recorded
    int64_t feed_time_ns
    int64_t grace_ns            # from here on: the settings
    int64_t sending_time_ns
    uint32_t closed_cl_ord_ids
    uint32_t max_heartbeat_seconds
    uint32_t max_sessions
    uint8_t cancel_on_disconnect
    uint8_t open_to_any
    uint8_t comp_id_length
    uint8_t reset_on_logon
    uint8_t comp_id[64]

cdef struct StateMore:          # 24 bytes, behind it from rules 2 on; then the drop copies
    int64_t next_reset_ns
    uint32_t messages_per_second
    uint16_t reset_minute
    uint8_t reserved[2]
    uint64_t drop_copy_count

cdef struct OperationsImage:    # 16 bytes, behind these from rules 3 on; then the schedules
    uint32_t max_open_orders
    uint8_t is_killed
    uint8_t reserved[3]
    uint64_t schedule_count

cdef struct ScheduleImage:      # 48 bytes
    int64_t step_ns             # of its last step; INT64_MIN = none so far
    uint8_t name_length
    uint8_t reserved[7]
    uint8_t name[32]

cdef struct DropCopyImage:      # 8 bytes
    uint32_t session
    uint32_t of                 # 0 = every one

cdef struct GatewayImage:       # 24 bytes
    uint64_t last_number
    uint64_t nonce
    uint32_t lost
    uint32_t member

cdef struct InstrumentImage:    # 88 bytes
    int64_t price_increment
    int64_t quantity_increment
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t symbol_length
    uint8_t reserved[5]
    uint8_t symbol[32]
    uint64_t sequences[4]       # of its feed topics trades, top, levels and orders, last given out

cdef struct InstrumentMore:     # 24 bytes, behind it from rules 2 on: its last trade
    int64_t price_ticks
    int64_t lots                # 0: there was none
    int64_t time_ns

cdef struct InstrumentStatus:   # 72 bytes, behind it from rules 3 on: its feed topic status
    uint64_t sequence           # last given out
    Auctions auctions

cdef struct InstrumentSchedule: # 8 bytes, behind it from rules 3 on
    uint32_t schedule           # 1, 2, 3, ... in the order of the state's; 0 = none
    uint32_t reserved

cdef struct SessionImage:       # 168 bytes
    uint32_t epoch
    uint32_t incarnation
    uint32_t connection
    uint32_t open_count         # of its orders, which come in this order, open ones first
    uint32_t closed_count
    uint8_t connected
    uint8_t test_pending
    uint8_t cancel_on_disconnect
    uint8_t comp_id_length
    uint64_t inbound
    uint64_t outbound
    uint64_t gap_end
    uint64_t gap_first
    int64_t gap_asked_ns
    int64_t last_received_ns
    int64_t last_sent_ns
    int64_t heartbeat_ns
    int64_t grace_ns
    int64_t grace_deadline_ns
    uint8_t comp_id[64]

cdef struct SessionMore:        # 40 bytes, behind it from rules 2 on; then the TradeRequestID, padded, early messages
    int64_t due_ns[2]
    int64_t leaves_ns
    int64_t reset_ns
    uint8_t trade_request_length
    uint8_t leaving             # Leaving
    uint8_t reserved[2]
    uint32_t early_size         # bytes: Inputs, end to end

cdef struct SessionPowers:      # 8 bytes, behind all that from rules 3 on
    uint32_t max_open_orders
    uint8_t is_operator
    uint8_t is_killed
    uint8_t reserved[2]

cdef struct SlotImage:          # 16 bytes, at the start of an order and of an alias; at the end their strings, padded
    uint32_t slot
    uint8_t state               # OPEN, CLOSED, ALIAS
    uint8_t cl_ord_id_length
    uint8_t orig_cl_ord_id_length
    uint8_t account_length
    uint64_t order_id

cdef enum OrderFlag:            # bits of OrderImage.flags
    IS_POST_ONLY = 1
    HAS_PARTIES = 2             # behind the image, before the strings, the length of the parties; from rules 2 on
    IS_EXPIRED = 4              # from rules 3 on

cdef struct OrderImage:         # 64 bytes
    SlotImage head
    int64_t price_ticks
    int64_t quantity_lots
    int64_t cumulative_lots
    uint64_t notional_low
    int64_t notional_high
    uint32_t instrument
    uint8_t side
    uint8_t ord_type
    uint8_t time_in_force
    uint8_t flags               # OrderFlag

cdef struct AliasImage:         # 24 bytes
    SlotImage head
    uint32_t target
    uint32_t reserved

cdef struct SubscriptionImage:  # 80 bytes
    uint32_t session
    uint32_t instrument
    uint32_t depth
    uint8_t types
    uint8_t refresh
    uint8_t id_length
    uint8_t kind                # RequestKind; before rules 3 zero
    uint8_t id[64]

# The place of a kind of section among the others, and which kind comes next.
cdef inline uint32_t place_of(uint32_t kind) noexcept nogil:
    if kind == END:
        return FREE_SLOTS + 3
    return kind - 1 if kind > END else kind

cdef inline SectionKind kind_after(SectionKind kind) noexcept nogil:
    return SUBSCRIPTIONS if kind == FREE_SLOTS else END if kind == PAST_TRADES else <SectionKind> (kind + 1)
