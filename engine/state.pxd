# The whole state of a machine as one struct, and where things are in it.
#
# doorway.pyx owns it; book.pyx changes it by commands, snapshot_reader.pyx fills it.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.index cimport Index
from engine.ladder cimport Ladder, Nodes, level_at, price_of
from engine.store cimport Extra, Order, Pool, pool_take_free
from engine.types cimport (
    Command, Definition, EXTENDED, INVALID_QUANTITY, NEGATIVE_QUANTITY, NONE, QUANTITY_ABOVE_MAXIMUM,
    QUANTITY_BELOW_MINIMUM, QUANTITY_NOT_ROUND_LOT, Report,
)

cdef extern from *:
    """
    /* Aligned as the words it is made of, so that a struct with one in it may lie where any other may. */
    typedef __int128 qb_int128 __attribute__((aligned(8)));
    """
    ctypedef long long int128 "qb_int128"       # wider than Cython believes; C does the arithmetic
    # From version 3 on price times quantity fits int64: within these it always does, beyond them it is looked at.
    const int64_t PLAIN_TICKS "((int64_t)1 << 31)"
    const int64_t PLAIN_LOTS "(((int64_t)1 << 32) - 1)"

cdef struct Instrument:     # 192 bytes, three cache lines; a cancel touches the first, a plain order the first two
    Ladder sides[2]         # BUY, SELL: all that a cancel touches
    # What a plain limit order may have; nothing, where such an order needs more than these four comparisons.
    int64_t plain_lowest_ticks
    int64_t plain_highest_ticks
    int64_t plain_least_lots
    int64_t plain_most_lots
    int64_t last_ticks      # of the last trade; EMPTY_PRICE = none. Part of the state from version 3 of the rules on
    int64_t protection_ticks    # -1 = no limit
    uint32_t market         # its Market; 0 = it needs none
    uint32_t is_special     # its commands need more than the plain rules
    uint64_t mark           # of the mass cancel that last meant any of its orders; no part of the state
    int64_t lot_lots        # round lot
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks       # EMPTY_PRICE = none
    int64_t high_ticks      # EMPTY_PRICE = none
    int64_t lowest_ticks    # low_ticks, or the least price there is; these two are what prices are compared with,
    int64_t highest_ticks   # high_ticks, or INT64_MAX; EMPTY_PRICE is below all
    int64_t reserved_184

cdef enum:                  # Market.lists
    PEGS = 0                # pegged orders
    TRAILING = 1            # trailing stops that wait
    FOR_AUCTIONS = 2        # orders that take part in an auction only
    LISTS = 3

cdef struct List:           # of orders of one kind, in order of their coming to their places; 0 = none
    uint32_t first
    uint32_t last

cdef struct Market:         # what an instrument has beyond a book of plain orders
    Ladder hidden[2]
    Ladder unpriced[2]      # one level each
    Ladder waiting[2]       # by stop price, the one reached first is best: keys are those of the other side
    Ladder trails[2]        # by Trail.from_ticks, the one that follows first is best; the head of a level is a Trail
    Ladder parked           # one level
    List lists[LISTS]
    uint32_t instrument
    uint32_t extras         # orders with an Extra
    uint32_t stops          # that wait
    uint32_t tick_table     # 0 = every price is an increment
    uint32_t breaker_bp     # 0 = none
    uint32_t touched        # by the mass cancel that is under way: its Prices in Books.touched
    uint32_t timer          # of the end of the phase; 0 = none
    uint8_t phase
    uint8_t next_phase
    uint8_t algorithm
    uint8_t top_order
    uint8_t trigger
    uint8_t is_delisted
    uint8_t reserved[6]
    int64_t pro_rata_minimum_lots
    int64_t until_ns        # end of the phase; 0 = when told
    int64_t next_lasts_ns   # how long the next one then lasts; 0 = until told
    int64_t reference_ticks # EMPTY_PRICE = none
    int64_t static_ticks    # -1 = any, as the next three
    int64_t dynamic_ticks
    int64_t distance_ticks
    int64_t max_notional
    int64_t halt_ns
    int64_t auction_ns
    int64_t seen[4]         # by the last repricing: best bid not pegged, shown and of all; best ask; EMPTY_PRICE = none
    uint64_t unpegged[4]    # bids that are shown, hidden; asks: levels of better keys have pegged orders only

cdef struct Trail:          # trailing stops of a side that follow from one price
    Ladder members          # all but the nearest, by distance
    int64_t from_ticks      # the best that they have seen: their stop prices are at their distances from it
    uint32_t nearest        # the first that will be reached; it is in Market.waiting. 0 = there are none
    uint32_t count          # of all

cdef struct Prices:         # what stop orders are tested against; EMPTY_PRICE = none
    int64_t last
    int64_t best[2]         # BUY, SELL: shown

cdef struct Listing:        # a list that is being built: see lists.pyx
    uint32_t instrument
    uint32_t slot           # the order to be looked at next; 0 = no more
    uint8_t wanted          # Wanted of lists.pxd
    uint8_t part            # of the instrument: the ladder that the order is in,
    uint8_t parts           # of so many that are looked through;
    uint8_t members         # behind them one of Market.lists
    uint32_t run            # the first of two sorted runs that are being merged,
    uint32_t left           # the next of it,
    uint32_t right          # and of the second

cdef struct Limits:         # of an incoming order
    int64_t asked           # by itself
    int64_t banded          # nothing beyond trades
    int64_t breaker         # reference of the breaker; EMPTY_PRICE = none
    uint32_t breaker_bp

cdef struct Taking:         # an order that meets the other side: see matching.pyx
    Limits limits
    uint32_t slot
    uint32_t maker          # the next to be counted, or to be given a share; 0 = no more
    uint32_t share          # the next of Books.shares
    uint32_t reserved_12
    int64_t price_ticks     # of the makers that are counted, or of the level that was shared out; EMPTY_PRICE = none
    int64_t wanted_lots     # not yet counted,
    int64_t before_lots     # before the makers of this price were,
    int64_t ahead_lots      # and when only those slices of them are that are met before an own order behind them

cdef struct Choice:         # the best prices of an auction so far
    int128 least            # imbalance; below 0: there are none yet
    int64_t low             # of the first piece
    int128 low_surplus
    int64_t high            # of the last
    int128 high_surplus
    int64_t near            # nearest to the reference; EMPTY_PRICE = none
    uint64_t distance
    int128 near_surplus
    bint any_buys           # among them: surplus of buyers, of sellers, none
    bint any_sells
    bint any_level

cdef struct Crossing:       # an auction whose price is being found: see auction.pyx
    uint8_t stage
    uint32_t levels[4]      # the next of bids that are shown, hidden; of asks; 0 = no more
    int64_t around[2]       # the reference, where orders without a limit may meet; EMPTY_PRICE = none
    int64_t prices[2]       # that the walks have come to; EMPTY_PRICE = orders without a limit
    int128 lots[2]          # that are left there
    int128 volume
    int64_t low             # prices at which all of that trades; EMPTY_PRICE: bounded by no limit yet
    int64_t high
    int64_t price_ticks     # the next to be considered,
    int128 demand           # what is wanted there,
    int128 supply           # and offered below it
    Choice choice

cdef struct Work:           # what a command that is not done has still to do; all zero = nothing
    # What is begun, innermost first: each goes on when all before it are done. 0 = it is.
    uint8_t list_step       # ListStep of lists.pxd
    uint8_t park_step       # 1: pegs lose their prices, one by one
    uint8_t match_step      # MatchStep of matching.pxd
    uint8_t after_step      # AfterStep of triggers.pxd
    uint8_t phase_step      # PhaseStep of phases.pxd
    uint8_t command_step    # CommandStep of many.pxd
    uint8_t reserved[2]
    uint32_t position       # in Books.list, of whoever goes through it
    uint32_t instrument     # that after_step and phase_step are about
    uint32_t elected        # in Books.elected
    uint32_t moving         # in Books.moving
    uint32_t cancelled      # by a MASS_CANCEL
    uint32_t touched        # the instrument that it has come to
    uint8_t has_followed    # pegs have, after this input
    uint8_t has_repriced    # anything was told of that
    uint8_t reason          # why the orders of a list are cancelled
    uint8_t phase           # that is entered
    uint8_t phase_before
    uint8_t reserved_2[3]
    int64_t told_ns         # of its end
    int64_t auction_ticks   # EMPTY_PRICE: nothing trades
    int64_t barriers[2]     # the best prices of bids and asks that pegs of the other side must not reach
    Prices before
    Listing listing
    Taking taking
    Crossing crossing
    Command mass

cdef struct Aside:          # work that waits, and what goes with it: see aside.pyx. Between times the lists are spare
    bint is_there           # from when it was put aside first until it is done
    bint is_noted
    uint32_t command_kind
    uint64_t commands       # the number of its command; while it goes on, of the last one
    uint64_t mark           # of the instruments that it is about; 0 = none are marked
    Work work
    Pool list
    Pool merged
    Pool runs
    Pool touched
    Pool moving
    Pool elected
    Pool shares

cdef struct Listed:         # an order in a list, with what the list is sorted by: rank, major, minor
    uint64_t major
    uint64_t minor
    uint32_t slot
    uint32_t rank

cdef struct Moving:
    int64_t price_ticks     # EMPTY_PRICE: to be parked
    uint32_t slot
    uint32_t reserved_12

cdef struct Share:
    uint64_t lots
    uint32_t slot
    uint32_t reserved_12

cdef struct Books:
    Pool orders             # Order
    Nodes nodes             # what the ladders are made of
    Index index             # every order under both its names
    Instrument* instruments
    uint32_t instrument_count
    uint32_t instrument_capacity
    int64_t time_ns
    uint32_t rules          # the version that commands are judged by: the newest, unless the owner says another one
    uint64_t commands       # handed in so far
    uint64_t last_order_id
    uint64_t last_trade_id
    # Version 3 of the rules. Pools whose slots are given out in turn are lists.
    uint64_t slices         # of icebergs, shown after the first
    uint64_t sequence       # given last
    uint32_t special        # instruments that are
    uint32_t command_kind   # of the command that is run
    bint chosen             # list holds what the next MASS_CANCEL means
    bint is_noted           # what others see of the command that is run is noted: see events.pyx
    bint leaves_work        # commands leave the work that follows them to work_on, instead of doing all of it
    Pool extras             # Extra
    Pool level_extras       # LevelExtra
    Pool trails             # Trail
    Pool markets            # Market
    Pool increments         # Increment
    Pool tables             # uint32_t: the first row of each tick-size table
    Pool timers             # Timer, a heap from slot 1: see timers.pyx
    Pool list               # Listed: orders that the work goes through
    Pool merged             # Listed: where sorted runs of it are merged to
    Pool runs               # uint32_t: where each sorted run of it begins
    Pool touched            # Prices, before it, of the instruments that a mass cancel touches
    Pool moving             # Moving: pegs between their old and their new price
    Pool elected            # Listed: stops that were reached, the nearest first
    Pool shares             # Share: of a level that is shared out
    Pool events             # BookEvent: what others see of the commands, not yet taken
    Work work
    Aside aside
    uint64_t mark           # of the last mass cancel
    Report* reports         # not yet taken
    size_t report_count
    size_t report_capacity

# Order.traits: side, time in force, flags, capacity, a byte each from the lowest. Without an Extra it is a limit order.
# EXTENDED among the flags: the order has an Extra; no report shows that bit.
cdef enum:
    TRAIT_TIME_IN_FORCE = 8
    TRAIT_FLAGS = 16
    TRAIT_CAPACITY = 24
    TRAIT_EXTENDED = 128 << 16

cdef inline uint32_t side_of_order(const Order* order) noexcept nogil:
    return order.traits & 1

cdef inline Order* order_at(const Books* books, uint32_t slot) noexcept nogil:
    return &(<Order*>books.orders.records)[slot]

cdef inline int64_t price_at(const Books* books, const Order* order) noexcept nogil:
    return price_of(level_at(&books.nodes, order.level).key, side_of_order(order))

cdef inline bint price_is_allowed(const Instrument* book, int64_t price) noexcept nogil:
    return book.lowest_ticks <= price <= book.highest_ticks


@cython.cdivision(True)     # a round lot is at least 1
cdef inline uint64_t quantity_refusal(const Instrument* book, int64_t quantity) noexcept nogil:
    """The reason against a quantity, or NONE."""
    if quantity <= 0:
        return INVALID_QUANTITY
    if quantity < book.min_lots:
        return QUANTITY_BELOW_MINIMUM
    if quantity > book.max_lots:
        return QUANTITY_ABOVE_MAXIMUM
    if book.lot_lots != 1 and quantity % book.lot_lots != 0:
        return QUANTITY_NOT_ROUND_LOT
    return NONE


cdef inline uint64_t quantity_refusal_3(const Instrument* book, int64_t quantity) noexcept nogil:
    """The same, from version 3 on."""
    return NEGATIVE_QUANTITY if quantity < 0 else quantity_refusal(book, quantity)


# O(1). A slot for an order, and the buckets that its names need; 0 = out of memory.
cdef inline uint32_t take_order(Books* books) noexcept nogil:
    cdef uint32_t slot = pool_take_free(&books.orders, sizeof(Order))
    return slot if slot else add_order(books)

# O(1) amortised. Room for `more` reports.
cdef inline int reserve_reports(Books* books, size_t more) except -1 nogil:
    if books.report_capacity - books.report_count < more:
        grow_reports(books, more)
    return 0

cdef int books_open(Books* books) noexcept nogil                        # -1: out of memory
cdef void books_close(Books* books) noexcept nogil
cdef int books_copy(Books* books, const Books* other) noexcept nogil    # -1: out of memory
cdef size_t books_bytes(const Books* books) noexcept nogil
cdef uint32_t add_order(Books* books) noexcept nogil                    # 0: out of memory
cdef int grow_reports(Books* books, size_t more) except -1 nogil
cdef bint add_instrument(
    Books* books, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) except -1 nogil
cdef bint terms_are_valid(
    int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) noexcept nogil
cdef void set_terms(
    Instrument* book, int64_t lot, int64_t least, int64_t most, int64_t low, int64_t high, int64_t protection
) noexcept nogil
# The Market of an instrument that has none. Moves the others.
cdef Market* make_market(Books* books, uint32_t instrument) except NULL nogil
# After anything that decides whether its commands are plain.
cdef void classify(Books* books, uint32_t instrument) noexcept nogil
# Another version of the rules holds from here on.
cdef void set_rules(Books* books, uint32_t rules) noexcept nogil

cdef inline Market* market_of(const Books* books, uint32_t instrument) noexcept nogil:
    """Slot 0 is the market of an instrument that has none: nothing in it, and nothing is written there."""
    return &(<Market*>books.markets.records)[books.instruments[instrument].market]

cdef inline Market* need_market(Books* books, uint32_t instrument) except NULL nogil:
    """The instrument's Market, made when there is none."""
    return market_of(books, instrument) if books.instruments[instrument].market else make_market(books, instrument)
