# The orders of every session: one pool of 128-byte slots.
#
# It holds open orders, closed ones that are still remembered, and aliases (further ClOrdIDs of an order). The slot
# is the engine's client_ref, so a report finds its order without hashing. A slot is on exactly one of: its session's
# open list (in order of order id), its session's ring of closed ones (oldest first, bounded), the free list. Slots
# never move; which one is given out depends on the log alone.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from gateway.names cimport quorumbook_prefetch
from gateway.session cimport Session

cdef enum:
    INLINE_TEXT = 48
    CHUNK_BITS = 14             # slots in one allocation: 2 MiB, a huge page where the system gives them
    CHUNK = 16384
    EXPECTED = 8                # how many closed ClOrdIDs ahead of their end their memory is asked for

cdef enum OrderState:
    FREE = 0
    OPEN = 1
    CLOSED = 2
    ALIAS = 3                   # only order_id, target, session, hash and the ClOrdID mean anything

cdef struct Order:              # 128 bytes, two cache lines
    uint64_t order_id           # the engine's
    int64_t price_ticks         # EMPTY_PRICE: a market order
    int64_t quantity_lots       # total
    int64_t cumulative_lots
    uint64_t notional_low       # sum of price_ticks * lots over the fills: 128 bits, signed
    int64_t notional_high
    uint32_t next               # in the open list or the free list, 0 = the last
    uint32_t previous           # in the open list, 0 = the first
    uint32_t session
    uint32_t hash               # of the ClOrdID
    # the second cache line: what its ClOrdID is found by
    uint32_t instrument
    uint32_t target             # ALIAS: slot of the order it names, while that one has the same order_id
    uint8_t state               # OrderState
    uint8_t side                # FIX characters, as in the message
    uint8_t ord_type
    uint8_t time_in_force
    uint8_t post_only
    uint8_t cl_ord_id_length    # the strings: ClOrdID, OrigClOrdID, Account, end to end
    uint8_t orig_cl_ord_id_length
    uint8_t account_length
    uint8_t text[48]            # the strings, or a pointer to them when they are longer

cdef class OrderPool:
    cdef Order** chunks
    cdef uint32_t chunk_count
    cdef uint32_t chunk_room
    cdef uint32_t used          # slots given out so far, free ones included; slot 0 is never given out
    cdef uint32_t free_first
    cdef uint32_t window        # closed ClOrdIDs a session remembers

    cdef uint32_t take(self) except 0 nogil                     # a free slot; its strings are empty
    cdef void give_back(self, uint32_t slot) noexcept nogil
    # orig and account may be the order's own strings
    cdef int set_strings(self, Order* o, const uint8_t* cl, uint8_t cl_length, const uint8_t* orig, uint8_t orig_length,
                         const uint8_t* account, uint8_t account_length) except -1 nogil
    cdef uint32_t find(self, Session* s, const uint8_t* name, uint8_t length, uint32_t hash) noexcept nogil
    cdef int name(self, Session* s, uint32_t slot, uint32_t hash) except -1 nogil
    cdef void enlist(self, Session* s, uint32_t slot, Order* o) noexcept nogil
    cdef int close(self, Session* s, uint32_t slot, Order* o) except -1 nogil
    cdef int remember(self, Session* s, uint32_t slot, Order* o) except -1 nogil
    cdef uint32_t alias(self, Session* s, uint32_t target, const uint8_t* name, uint8_t length,
                        uint32_t hash) except 0 nogil
    cdef uint32_t named(self, uint32_t slot) noexcept nogil
    cdef int _forget(self, Session* s) except -1 nogil
    cdef int _grow_closed(self, Session* s) except -1 nogil
    cdef void _drop_strings(self, Order* o) noexcept nogil

cdef inline Order* order_at(OrderPool pool, uint32_t slot) noexcept nogil:
    return &pool.chunks[slot >> CHUNK_BITS][slot & (CHUNK - 1)]

cdef inline void expect_order(OrderPool pool, uint32_t slot) noexcept nogil:
    # Asks for an order's memory ahead of its use.
    cdef const uint8_t* order = <const uint8_t*> order_at(pool, slot)
    quorumbook_prefetch(order)
    quorumbook_prefetch(order + 64)

cdef inline size_t strings_length(const Order* o) noexcept nogil:
    return <size_t> o.cl_ord_id_length + o.orig_cl_ord_id_length + o.account_length

cdef inline const uint8_t* strings_of(const Order* o) noexcept nogil:
    cdef const uint8_t* block
    if strings_length(o) <= INLINE_TEXT:
        return o.text
    memcpy(&block, o.text, sizeof(block))
    return block
