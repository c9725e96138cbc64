# The engine's records: what goes in (Command), what comes out (Report).
#
# Both are flat, little endian, exactly 128 bytes, with no padding that a
# compiler chooses: every byte is a named field. `records.py` states the same
# layout for NumPy and a test compares the two. Unused bytes are zero.
#
# Units: *_ticks count the instrument's price increment, *_lots its quantity
# increment. Prices may be zero or negative; the absent price is EMPTY_PRICE.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MIN

cdef enum:
    RULES_VERSION = 3

cdef inline int64_t EMPTY_PRICE() noexcept nogil:
    return INT64_MIN

cdef enum CommandKind:
    DEFINE = 1          # an instrument (read as Definition)
    NEW = 2
    CANCEL = 3
    REDUCE = 4          # quantity_lots = amount taken off the leaves
    REPLACE = 5         # quantity_lots = the new total, fills included
    REENTER = 6         # cancel and enter again under the same ids (ITCH 'U'): quantity_lots = new leaves
    # from version 3 on
    MASS_CANCEL = 7     # flags are CancelFilter; a range of prices is price_ticks .. stop_price_ticks
    ADVANCE = 8         # expire_ns = the time that it is now
    PHASE = 9           # an instrument enters a phase (read as PhaseChange)
    CHANGE = 10         # new terms of an instrument (read as Definition)
    TICK = 11           # a row of a tick-size table (read as TickRow)
    PROTECT = 12        # the protections of an instrument (read as Protection)

cdef enum Side:
    BUY = 0
    SELL = 1

cdef enum OrderType:
    LIMIT = 1
    MARKET = 2
    MARKET_TO_LIMIT = 3
    STOP = 4
    STOP_LIMIT = 5
    TRAILING_STOP = 6
    PEGGED = 7

cdef enum TimeInForce:
    DAY = 0
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    AT_OPEN = 5
    AT_CLOSE = 6
    GOOD_FOR_AUCTION = 7

cdef enum CommandFlag:  # bits of Command.flags
    POST_ONLY = 1       # rejected when it would trade on entry
    POST_ONLY_SLIDE = 2
    HIDDEN = 4
    ALL_OR_NONE = 8
    EXTENDED = 128      # the second 64 bytes are in use; without it they are not read

cdef enum CancelFilter: # bits of a MASS_CANCEL's flags: what an order must match; none: every order
    BY_OWNER = 1
    BY_ACCOUNT = 2
    BY_INSTRUMENT = 4
    BY_SIDE = 8
    BY_PRICES = 16

cdef enum SelfMatchMode:
    SELF_MATCH_OFF = 0
    CANCEL_RESTING = 1
    CANCEL_INCOMING = 2
    CANCEL_BOTH = 3
    DECREMENT_BOTH = 4

cdef enum PegKind:
    NO_PEG = 0
    PRIMARY_PEG = 1
    MARKET_PEG = 2
    MID_PEG = 3

cdef enum Algorithm:
    PRICE_TIME = 0
    PRO_RATA = 1

cdef enum Trigger:
    LAST_TRADE = 0
    OPPOSITE_BEST = 1

cdef enum Phase:
    CONTINUOUS = 0
    PRE_OPEN = 1
    OPENING_AUCTION = 2
    VOLATILITY_AUCTION = 3
    CLOSING_AUCTION = 4
    HALT = 5
    CLOSED = 6

cdef enum Shows:        # how much of an order others see
    SHOWS_ALL = 0
    SHOWS_SLICE = 1     # an iceberg
    SHOWS_NOTHING = 2   # hidden

cdef enum ReportKind:
    DEFINED = 1         # outcome of DEFINE
    ACCEPTED = 2        # outcome of NEW
    REJECTED = 3        # outcome of any command; reason says why; nothing changed
    TRADE = 4           # both sides of one execution
    CANCELLED = 5       # outcome of CANCEL (and of a REDUCE of all leaves), or what is left of MARKET, IOC, FOK
    REDUCED = 6         # outcome of REDUCE
    REPLACED = 7        # outcome of REPLACE and REENTER
    MASS_CANCELLED = 8  # outcome of MASS_CANCEL, behind the CANCELLED of each; quantity_lots = how many
    ADVANCED = 9        # outcome of ADVANCE; what came due follows
    PHASE_CHANGED = 10  # outcome of PHASE, or a breaker or a time has done it: order_type = the phase, time_in_force
                        # = the one before, price_ticks = the auction's price, quantity_lots = its volume, last_lots
                        # = when it ends, what a random number adds to that not counted; 0 = when told
    CHANGED = 11        # outcome of CHANGE, TICK and PROTECT
    TRIGGERED = 12      # a stop order was elected and comes in
    DISPLAYED = 13      # of an iceberg maker_leaves_lots are shown now, under the id maker_order_id
    REPRICED = 14       # a peg moved or was parked, a market-to-limit order has a price; before: last_price_ticks. The
                        # same of a peg that came back to it: last in its queue, as all that move

cdef enum Reason:       # Report.reason; docs list them; numbers never change
    NONE = 0
    # refusals
    UNKNOWN_COMMAND = 1
    UNKNOWN_INSTRUMENT = 2
    INVALID_DEFINITION = 3
    UNKNOWN_ORDER = 4
    DUPLICATE_CLIENT_REF = 5
    INVALID_SIDE = 6
    INVALID_ORDER_TYPE = 7
    INVALID_TIME_IN_FORCE = 8
    INVALID_FLAGS = 9
    INVALID_PRICE = 10
    PRICE_OUTSIDE_LIMITS = 11
    INVALID_QUANTITY = 12
    QUANTITY_BELOW_MINIMUM = 13
    QUANTITY_ABOVE_MAXIMUM = 14
    QUANTITY_NOT_ROUND_LOT = 15
    POST_ONLY_WOULD_TRADE = 16
    TOO_LATE = 17       # replace: the new total is at or below what has been filled
    # refusals of version 3
    NOT_IN_THIS_PHASE = 18
    DELISTED = 19
    PRICE_OFF_TICK = 20
    INVALID_DISPLAY = 21
    INVALID_MINIMUM = 22
    INVALID_STOP_PRICE = 23
    STOP_ON_WRONG_SIDE = 24
    INVALID_OFFSET = 25
    INVALID_PEG = 26
    INVALID_EXPIRY = 27
    EXPIRY_IN_THE_PAST = 28
    INVALID_SELF_MATCH = 29
    NO_REFERENCE_PRICE = 30
    PRICE_OUTSIDE_BAND = 31
    PRICE_TOO_FAR = 32
    NOTIONAL_ABOVE_MAXIMUM = 33
    NOTIONAL_OVERFLOW = 34
    INVALID_PHASE = 35
    INVALID_TICK_TABLE = 36
    INVALID_PROTECTION = 37
    INVALID_FILTER = 38
    INVALID_AMEND = 39
    TIME_GOES_BACK = 40
    INVALID_POST_ONLY = 41
    INVALID_HIDDEN = 42
    INVALID_ALL_OR_NONE = 43
    NO_ICEBERG = 44
    DISPLAY_TOO_SMALL = 45
    DISPLAY_NOT_ROUND_LOT = 46
    NEGATIVE_QUANTITY = 47
    QUANTITY_OVERFLOW = 48
    AT_ONCE_IN_AUCTION = 49
    POST_ONLY_IN_AUCTION = 50
    OPENING_IS_OVER = 51
    # why an order was cancelled
    REQUESTED = 64      # CANCEL, or REDUCE of all leaves
    IOC_REMAINDER = 65
    FOK_UNFILLABLE = 66
    MARKET_REMAINDER = 67
    MINIMUM_UNFILLABLE = 68
    ALL_OR_NONE_UNFILLABLE = 69
    SELF_MATCH = 70
    EXPIRED = 71
    MASS_REQUESTED = 72
    END_OF_DAY = 73
    AUCTION_REMAINDER = 74
    BAND_REMAINDER = 75
    INSTRUMENT_DELISTED = 76

cdef struct Command:
    uint8_t kind            # 0    CommandKind
    uint8_t side            # 1    Side; this and the next two of NEW only: an order keeps its own
    uint8_t order_type      # 2    OrderType
    uint8_t time_in_force   # 3    TimeInForce
    uint8_t flags           # 4    CommandFlag bits; POST_ONLY of NEW only, any other is INVALID_FLAGS in version 1
    uint8_t capacity        # 5    not interpreted
    uint8_t self_match_mode # 6    0 = off; version 1 serves nothing else (INVALID_FLAGS)
    uint8_t reserved_7      # 7    zero (INVALID_FLAGS)
    uint32_t instrument     # 8    0, 1, 2, ... in the order of definition (NEW only; others find it by the order)
    uint32_t owner          # 12   whose order it is; an order of another owner is UNKNOWN_ORDER
    uint64_t client_ref     # 16   unique among the owner's live orders; any value
    uint64_t order_id       # 24   not NEW: find the order by it; 0 = find by client_ref
    int64_t price_ticks     # 32   limit; EMPTY_PRICE: a market order, or in REPLACE and REENTER the price stays
    int64_t quantity_lots   # 40   1 .. INT64_MAX
    uint32_t account        # 48   not interpreted by version 1
    uint32_t self_match_group  # 52  0 = none; version 1 serves nothing else (INVALID_FLAGS)
    int64_t received_ns     # 56   audit only, never interpreted
    # the second line, read only with EXTENDED (version 1 rejects EXTENDED as INVALID_FLAGS)
    int64_t display_lots    # 64   iceberg; 0 = all
    int64_t min_quantity_lots  # 72
    int64_t stop_price_ticks   # 80
    int64_t offset_ticks    # 88   trailing amount, or peg offset
    int64_t peg_limit_ticks # 96
    int64_t expire_ns       # 104
    uint32_t link_group     # 112  linked orders; 0 = none
    uint8_t link_role       # 116
    uint8_t peg_kind        # 117
    uint8_t trigger_source  # 118
    uint8_t trail_kind      # 119  amount or percent
    uint64_t reserved_120   # 120  zero

# A Command with kind DEFINE, read with other names. A byte that must be zero and is not: INVALID_DEFINITION.
cdef struct Definition:
    uint8_t kind            # 0    DEFINE
    uint8_t reserved_1[7]   # 1    zero
    uint32_t instrument     # 8    must be the number of instruments defined so far
    uint32_t reserved_12    # 12   zero
    int64_t lot_lots        # 16   round lot: every quantity is a multiple; >= 1
    int64_t min_lots        # 24   least order quantity; >= 1
    int64_t max_lots        # 32   most; >= min_lots
    int64_t low_ticks       # 40   least limit price allowed; EMPTY_PRICE = none
    int64_t high_ticks      # 48   highest limit price allowed; EMPTY_PRICE = none
    int64_t protection_ticks   # 56  how far past the opposite best a market order may take; >= 0; -1 = no limit
    # version 1 and 2: zero
    uint8_t algorithm       # 64   Algorithm
    uint8_t top_order       # 65   1: pro-rata gives to the oldest of a price first
    uint8_t trigger         # 66   Trigger
    uint8_t phase           # 67   DEFINE: the first Phase; CHANGE: zero
    uint32_t tick_table     # 68   0 = every price is an increment
    int64_t pro_rata_minimum_lots  # 72  a share below it becomes 0
    uint8_t delist          # 80   CHANGE: 1 ends it for good
    uint8_t reserved_81[47] # 81   zero

cdef struct PhaseChange:
    uint8_t kind            # 0    PHASE
    uint8_t phase           # 1    Phase
    uint8_t next_phase      # 2    that follows at until_ns
    uint8_t reserved_3[5]   # 3    zero
    uint32_t instrument     # 8
    uint32_t reserved_12    # 12   zero
    int64_t until_ns        # 16   0 = until told otherwise; then the next three are zero
    uint64_t random         # 24   the phase lasts longer by random % (window_ns + 1)
    int64_t window_ns       # 32
    uint8_t reserved_40[88] # 40   zero

cdef struct TickRow:
    uint8_t kind            # 0    TICK
    uint8_t reserved_1[7]   # 1    zero
    uint32_t table          # 8    1, 2, ... in the order of their first rows
    uint32_t reserved_12    # 12   zero
    int64_t from_ticks      # 16   EMPTY_PRICE: begins the table, anew if it is there; others rise, multiples
    int64_t tick_ticks      # 24   prices from there on are multiples of it; >= 1
    uint8_t reserved_32[96] # 32   zero

cdef struct Protection:
    uint8_t kind            # 0    PROTECT
    uint8_t reserved_1[7]   # 1    zero
    uint32_t instrument     # 8
    uint32_t breaker_bp     # 12   a trade that moves so many 1/10000 from the reference halts instead; 0 = none
    int64_t reference_ticks # 16   EMPTY_PRICE = the one that there is
    int64_t static_ticks    # 24   limits are, and orders take, at most so far from the reference; -1 = any
    int64_t dynamic_ticks   # 32   an order takes at most so far past the last trade before it; -1 = any
    int64_t distance_ticks  # 40   a limit is at most so far past the last trade (or the reference); -1 = any
    int64_t max_notional    # 48   price times quantity of an order; -1 = any
    int64_t halt_ns         # 56   how long a breaker halts; >= 1 with a breaker, 0 without
    int64_t auction_ns      # 64   how long the volatility auction then collects; the same
    uint8_t reserved_72[56] # 72   zero

cdef struct Report:
    uint8_t kind            # 0    ReportKind
    uint8_t side            # 1    of the order (TRADE: of the taker)
    uint8_t reason          # 2    Reason
    uint8_t order_type      # 3
    uint8_t time_in_force   # 4
    uint8_t flags           # 5    the order's CommandFlag bits
    uint8_t command_kind    # 6    the command that caused it
    uint8_t kept_priority   # 7    REPLACED: 1 when the order kept its place in the queue
    uint32_t instrument     # 8
    uint32_t owner          # 12
    uint64_t client_ref     # 16
    uint64_t order_id       # 24   0 when the command was rejected before an order was found or made
    int64_t price_ticks     # 32   the order's limit; EMPTY_PRICE = none
    int64_t quantity_lots   # 40   total, fills included
    int64_t leaves_lots     # 48   after this report
    int64_t cumulative_lots # 56   filled so far, this report included
    uint64_t command_number # 64   1, 2, 3, ... over the machine's life: which command caused it
    # TRADE only, otherwise zero, but for what last_price_ticks and last_lots say
    uint64_t trade_id       # 72   1, 2, 3, ... over the machine's life
    int64_t last_price_ticks   # 80   TRADE: the maker's price; REPLACED: the price before the command
    int64_t last_lots       # 88   TRADE: executed; CANCELLED, REDUCED: taken off the leaves; REPLACED: leaves before;
                            #      PHASE_CHANGED: see there
    uint64_t maker_client_ref  # 96
    uint64_t maker_order_id # 104
    int64_t maker_leaves_lots  # 112  after this trade
    uint32_t maker_owner    # 120
    uint32_t maker_shows    # 124  Shows of the maker; ACCEPTED, REPLACED, REPRICED: of the order
