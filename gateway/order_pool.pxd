# The orders of every session: one pool of 192-byte slots.
#
# It holds open orders, closed ones that are still remembered, and aliases (further ClOrdIDs of an order). The slot
# is the engine's client_ref, so a report finds its order without hashing. A slot is on exactly one of: its session's
# open list (in order of order id), its session's ring of closed ones (oldest first, bounded), the free list. Slots
# never move; which one is given out depends on the log alone.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from gateway.names cimport names_insert, names_next, names_prefetch, names_remove, names_reserve, quorumbook_prefetch
from gateway.session cimport Remembered, Session
from gateway.short_strings cimport put, same

cdef enum:
    INLINE_TEXT = 109           # three ClOrdIDs of 36 bytes
    SECOND_LINE_TEXT = 45       # of which the second cache line holds so many
    CHUNK_BITS = 15             # slots in one allocation: 6 MiB, huge pages where the system gives them
    CHUNK = 32768
    EXPECTED = 8                # how many closed ClOrdIDs ahead of their end their memory is asked for

cdef enum OrderState:
    FREE = 0
    OPEN = 1
    CLOSED = 2
    ALIAS = 3                   # only order_id, target, session, hash and the ClOrdID mean anything
    UNREAD = 4                  # while a snapshot is read: not come yet

cdef struct Order:              # 192 bytes, three cache lines; the third is touched for long strings only
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
    uint8_t cl_ord_id_length    # the strings, end to end: ClOrdID, OrigClOrdID, Account, parties and what else is text
    uint8_t orig_cl_ord_id_length
    uint8_t account_length
    uint16_t parties_length
    uint8_t is_expired          # closed because its time had come
    uint8_t text[109]           # the strings, or a pointer to them when they are longer

cdef class OrderPool:
    cdef Order** chunks
    cdef uint32_t chunk_count
    cdef uint32_t chunk_room
    cdef uint32_t used          # slots given out so far, free ones included; slot 0 is never given out
    cdef uint32_t free_first
    cdef uint32_t window        # closed ClOrdIDs a session remembers

    cdef int lay_out(self, uint32_t slots) except -1 nogil      # of an empty pool, for a snapshot: all UNREAD
    cdef int _add_chunk(self) except -1 nogil
    cdef int _grow_closed(self, Session* s) except -1 nogil

cdef inline Order* order_at(OrderPool pool, uint32_t slot) noexcept nogil:
    return &pool.chunks[slot >> CHUNK_BITS][slot & (CHUNK - 1)]

cdef inline void expect_order(OrderPool pool, uint32_t slot) noexcept nogil:
    # Asks for an order's memory ahead of its use.
    cdef const uint8_t* order = <const uint8_t*> order_at(pool, slot)
    quorumbook_prefetch(order)
    quorumbook_prefetch(order + 64)

cdef inline size_t strings_length(const Order* o) noexcept nogil:
    return <size_t> o.cl_ord_id_length + o.orig_cl_ord_id_length + o.account_length + o.parties_length

cdef inline const uint8_t* strings_of(const Order* o) noexcept nogil:
    cdef const uint8_t* block
    if strings_length(o) <= INLINE_TEXT:
        return o.text
    memcpy(&block, o.text, sizeof(block))
    return block

cdef inline void expect_strings(const Order* o) noexcept nogil:
    # Its second line has come: what of its strings lies beyond.
    if strings_length(o) > SECOND_LINE_TEXT:
        quorumbook_prefetch(<const uint8_t*> o + 128)

cdef int no_memory() except -1 nogil

# ---------------------------------------------------------------- slots

cdef inline uint32_t take_slot(OrderPool pool) except 0 nogil:
    # A free slot, its strings empty: the one freed last, so which one depends on the log alone.
    cdef uint32_t slot = pool.free_first
    if slot:
        pool.free_first = order_at(pool, slot).next
        if pool.free_first:
            expect_order(pool, pool.free_first)
        return slot
    slot = pool.used + 1
    if slot >> CHUNK_BITS >= pool.chunk_count:
        pool._add_chunk()
    pool.used = slot
    expect_order(pool, slot + 4 if slot + 4 < pool.chunk_count << CHUNK_BITS else slot)
    memset(order_at(pool, slot), 0, sizeof(Order) - INLINE_TEXT)    # its text, on a line of its own, is not read
    return slot

cdef inline void drop_strings(Order* o) noexcept nogil:
    if strings_length(o) > INLINE_TEXT:
        free(<void*> strings_of(o))
    o.cl_ord_id_length = 0
    o.orig_cl_ord_id_length = 0
    o.account_length = 0
    o.parties_length = 0

cdef inline void give_slot_back(OrderPool pool, uint32_t slot) noexcept nogil:
    cdef Order* o = order_at(pool, slot)
    drop_strings(o)
    o.state = FREE
    o.next = pool.free_first
    pool.free_first = slot

# orig, account and parties may be the order's own strings.
cdef inline int set_strings(Order* o, const uint8_t* cl, uint8_t cl_length, const uint8_t* orig, uint8_t orig_length,
                            const uint8_t* account, uint8_t account_length, const uint8_t* parties,
                            uint16_t parties_length) except -1 nogil:
    cdef size_t total = <size_t> cl_length + orig_length + account_length + parties_length
    cdef uint8_t* block = NULL
    cdef uint8_t text[INLINE_TEXT]
    cdef uint8_t* at = text
    if total > INLINE_TEXT:
        block = <uint8_t*> malloc(total)
        if block == NULL:
            no_memory()
        at = block
    put(put(put(put(at, cl, cl_length), orig, orig_length), account, account_length), parties, parties_length)
    drop_strings(o)
    o.cl_ord_id_length = cl_length
    o.orig_cl_ord_id_length = orig_length
    o.account_length = account_length
    o.parties_length = parties_length
    if block != NULL:
        memcpy(o.text, &block, sizeof(block))
    else:
        put(o.text, text, total)
    return 0

# ---------------------------------------------------------------- ClOrdIDs and lists

cdef inline uint32_t find_name(OrderPool pool, Session* s, const uint8_t* name, uint8_t length,
                               uint32_t hash) noexcept nogil:
    # The slot that holds this ClOrdID: open, closed or alias; 0 = none.
    cdef uint32_t position = hash, slot
    cdef Order* o
    while True:
        slot = names_next(&s.names, hash, &position)
        if slot == 0:
            return 0
        o = order_at(pool, slot)
        if same(strings_of(o), o.cl_ord_id_length, name, length):
            return slot

cdef inline int give_name(OrderPool pool, Session* s, uint32_t slot, uint32_t hash) except -1 nogil:
    if not names_reserve(&s.names):
        no_memory()
    order_at(pool, slot).hash = hash
    names_insert(&s.names, hash, slot)
    return 0

cdef inline void enlist(OrderPool pool, Session* s, uint32_t slot, Order* o) noexcept nogil:
    # Order ids only grow, so the tail is the place.
    o.next = 0
    o.previous = s.open_last
    if s.open_last:
        order_at(pool, s.open_last).next = slot
    else:
        s.open_first = slot
    s.open_last = slot
    s.open_count += 1

cdef inline int forget_oldest(OrderPool pool, Session* s) except -1 nogil:
    # The oldest closed ClOrdID. Which ones are next is known, so their memory is asked for in time.
    cdef Remembered oldest = s.closed[s.closed_first & (s.closed_room - 1)]
    cdef Remembered* later = &s.closed[(s.closed_first + EXPECTED) & (s.closed_room - 1)]
    s.closed_first += 1
    s.closed_count -= 1
    if s.closed_count > EXPECTED:
        names_prefetch(&s.names, later.hash)
        expect_order(pool, later.slot)
    assert names_remove(&s.names, oldest.hash, oldest.slot)
    give_slot_back(pool, oldest.slot)
    return 0

cdef inline int join_closed(OrderPool pool, Session* s, uint32_t slot, Order* o) except -1 nogil:
    cdef Remembered* place
    if s.closed_count == s.closed_room:
        pool._grow_closed(s)
    place = &s.closed[(s.closed_first + s.closed_count) & (s.closed_room - 1)]
    place.slot = slot
    place.hash = o.hash
    s.closed_count += 1
    return 0

cdef inline int remember(OrderPool pool, Session* s, uint32_t slot, Order* o) except -1 nogil:
    # A closed order or an alias joins the closed ClOrdIDs.
    join_closed(pool, s, slot, o)
    while s.closed_count > pool.window:
        forget_oldest(pool, s)
    return 0

cdef inline int close_order(OrderPool pool, Session* s, uint32_t slot, Order* o) except -1 nogil:
    # After its last report: the order moves to the closed ClOrdIDs.
    o.state = CLOSED
    if o.previous:
        order_at(pool, o.previous).next = o.next
    else:
        s.open_first = o.next
    if o.next:
        order_at(pool, o.next).previous = o.previous
    else:
        s.open_last = o.previous
    s.open_count -= 1
    return remember(pool, s, slot, o)

cdef inline uint32_t make_alias(OrderPool pool, Session* s, uint32_t target, const uint8_t* name, uint8_t length,
                                uint32_t hash) except 0 nogil:
    # A slot that keeps a further ClOrdID of an order; not in the index or a list yet.
    cdef uint32_t slot = take_slot(pool)
    cdef Order* o = order_at(pool, slot)
    o.state = ALIAS
    o.session = s.id
    o.order_id = order_at(pool, target).order_id
    o.target = target
    o.hash = hash
    set_strings(o, name, length, name, 0, name, 0, name, 0)
    return slot

cdef inline uint32_t named_order(OrderPool pool, uint32_t slot) noexcept nogil:
    # The open or closed order that a slot stands for, an alias followed; 0 = forgotten.
    cdef Order* o = order_at(pool, slot)
    cdef Order* target
    if o.state != ALIAS:
        return slot
    target = order_at(pool, o.target)
    if target.order_id == o.order_id and (target.state == OPEN or target.state == CLOSED):
        return o.target
    return 0
