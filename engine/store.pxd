# What a machine keeps in memory: the records of its books and the pools they live in.
#
# A pool is one block of records of one size. A record is named by its 32-bit
# slot; slot 0 is never given out and means "none". Blocks of more than a few
# pages are mapped: they grow by moving page table entries, not bytes, and pages
# that no record has touched are not resident. A pool never shrinks; freed slots
# are used again, the last freed first.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef struct Order:          # a live order; 64 bytes, one cache line
    uint64_t order_id       # 0    while the slot is free: the next free slot (uint32)
    uint64_t client_ref     # 8
    int64_t leaves_lots     # 16   > 0; of an iceberg in the book: its slice
    int64_t total_lots      # 24   what is more than all its leaves has been filled
    uint32_t owner          # 32
    uint32_t next           # 36   the order behind it at its price, 0 = none
    uint32_t previous       # 40   the order before it, 0 = none
    uint32_t level          # 44   its level; 0 = in no book (the slot is free, or the order is on its way in)
    uint32_t account        # 48   with EXTENDED among its flags: the slot of its Extra, which has the account
    uint32_t next_id        # 52   the next order in its chain of the index by order_id, 0 = none
    uint32_t next_ref       # 56   the same in the index by client_ref
    uint32_t traits         # 60   side, time in force, flags, capacity: see state.pxd

cdef struct Level:          # the orders of one price and side; 40 bytes
    uint64_t key            # 0    price as an unsigned number, best = least: see ladder.pxd
    uint64_t total_low      # 8    sum of the leaves, 96 bits
    uint32_t total_high     # 16
    uint32_t head           # 20   first in time
    uint32_t tail           # 24
    uint32_t orders         # 28   how many; > 0
    uint32_t instrument     # 32
    uint32_t extra          # 36   its LevelExtra; 0 = none of its orders is pegged or an iceberg

cdef struct LevelExtra:     # what a level has beyond plain orders; 16 bytes, slot 0 is all zeros
    uint32_t pegged         # 0    how many of the orders are pegged
    uint32_t reserve_high   # 4    sum of what is left of icebergs beside their slices, 96 bits
    uint64_t reserve_low    # 8

cdef enum OrderPlace:       # which of an instrument's ladders an order is in
    SHOWN = 0               # Instrument.sides; every plain order is here
    HIDDEN_PLACE = 1
    UNPRICED = 2            # orders without a limit, while they are collected for an auction
    WAITING = 3             # stop orders, by stop price
    PARKED = 4              # for a later auction, and pegs without a reference
    INCOMING = 5            # in none: on its way in, or between two places

cdef struct Extra:          # of an order that is more than a plain limit order; 128 bytes, two cache lines
    uint32_t account        # 0
    uint32_t self_match_group   # 4    0 = none
    int64_t reserve_lots    # 8    of an iceberg in the book: what is left beside the slice; else 0
    int64_t display_lots    # 16   0 = no iceberg
    uint64_t feed_id        # 24   under which the slice is shown; 0 = under the order id
    int64_t stop_price_ticks    # 32   EMPTY_PRICE = none
    int64_t offset_ticks    # 40
    int64_t peg_limit_ticks # 48   EMPTY_PRICE = none
    int64_t expire_ns       # 56   0 = never
    int64_t price_ticks     # 64   EMPTY_PRICE = none
    uint64_t sequence       # 72   when it came to its place: a later one has a larger number. Not part of the state
    uint32_t instrument     # 80
    uint32_t trail          # 84   the Trail that a trailing stop is in; 0 = none
    uint32_t list_next      # 88   in the list of its kind, of its instrument (Market.lists); 0 = none
    uint32_t list_previous  # 92
    uint8_t order_type      # 96
    uint8_t peg_kind        # 97
    uint8_t self_match_mode # 98
    uint8_t place           # 99   OrderPlace
    uint8_t is_elected      # 100  a stop order whose stop was reached
    uint8_t is_known        # 101  its names are in the index
    uint8_t reserved_102[2]
    uint32_t timer          # 104  of its expiry; 0 = none
    uint32_t reserved_108
    uint64_t reserved_112[2]

cdef struct Timer:          # 24 bytes; earliest first: by time, orders before phases, by number
    int64_t due_ns          # 0
    uint64_t number         # 8    order id, or instrument
    uint32_t is_phase       # 16   the end of a phase, not of an order
    uint32_t owner          # 20   whose it is: an Extra, or a Market

cdef struct Increment:      # a row of a tick-size table
    int64_t from_ticks      # 0
    int64_t tick_ticks      # 8    >= 1
    uint32_t next           # 16   the next row of its table; 0 = none
    uint32_t reserved_20

cdef struct Branch:         # an inner node of a ladder; 280 bytes
    uint64_t prefix         # 0    the key bits above this branch's six
    uint64_t present        # 8    bit i: child[i] is there. Invariant: at least two are
    uint32_t shift          # 16   0, 6, ... 60: the lowest of this branch's six key bits
    uint32_t reserved_20
    uint32_t child[64]      # 24   a branch, or a level with the bit IS_LEVEL

cdef struct Bunch:          # a few levels of one ladder, in no order; 128 bytes, two cache lines
    uint64_t key[10]        # 0    of the levels; NO_KEY where there is none
    uint32_t level[10]      # 80   their slots; 0 where there is none
    uint64_t reserved_120   # 120

cdef enum:
    BUNCH = 10              # levels in a Bunch
    SLOTS = 0x40000000      # slots of a pool are less, so that the name of a node has room for two bits:
    IS_BUNCH = 0x40000000
    IS_LEVEL = 0x80000000

cdef struct Pool:
    char* records
    uint32_t capacity       # slots in the block
    uint32_t top            # slots ever given out, slot 0 included
    uint32_t free           # first of the freed slots, 0 = none
    uint32_t live           # slots in use
    size_t size             # bytes of one record

cdef extern from *:
    """
    #include <stdint.h>
    /* The empty asm: GCC takes a function that only prefetches for one without effects and drops its calls. */
    static inline void qb_prefetch(const void *address) { __builtin_prefetch(address); __asm__ volatile(""); }
    static inline uint32_t qb_lowest_bit(uint64_t bits) { return (uint32_t)__builtin_ctzll(bits); }
    static inline uint32_t qb_highest_bit(uint64_t bits) { return 63u - (uint32_t)__builtin_clzll(bits); }
    """
    void prefetch "qb_prefetch" (const void* address) noexcept nogil
    uint32_t lowest_bit "qb_lowest_bit" (uint64_t bits) noexcept nogil      # bits != 0
    uint32_t highest_bit "qb_highest_bit" (uint64_t bits) noexcept nogil    # bits != 0

cdef int pool_open(Pool* pool, size_t size) noexcept nogil          # -1: out of memory
cdef void pool_close(Pool* pool) noexcept nogil
cdef int pool_copy(Pool* pool, const Pool* other) noexcept nogil    # -1: out of memory
cdef int pool_grow(Pool* pool) noexcept nogil                       # -1: out of memory, or out of slots
cdef void* block_resize(void* block, size_t old_bytes, size_t new_bytes) noexcept nogil  # NULL: out of memory

# O(1). A slot that was given back; 0 = there is none. The record's bytes are left as they are.
cdef inline uint32_t pool_take_free(Pool* pool, size_t size) noexcept nogil:
    cdef uint32_t slot = pool.free
    if slot:
        pool.free = (<uint32_t*>(pool.records + slot * size))[0]
        prefetch(pool.records + pool.free * size)
        pool.live += 1
    return slot

# O(1). 0 = out of memory. The record's bytes are left as they are.
cdef inline uint32_t pool_take(Pool* pool, size_t size) noexcept nogil:
    cdef uint32_t slot = pool_take_free(pool, size)
    if slot == 0:
        if pool.top == pool.capacity and pool_grow(pool) < 0:
            return 0
        slot = pool.top
        pool.top += 1
        pool.live += 1
    return slot

# O(1). The first four bytes of a free record link it to the next.
cdef inline void pool_give(Pool* pool, size_t size, uint32_t slot) noexcept nogil:
    (<uint32_t*>(pool.records + slot * size))[0] = pool.free
    pool.free = slot
    pool.live -= 1
