# What the next commands will touch, asked for before they run.
#
# A batch is known ahead, so a block of its commands is looked at in three steps: the
# bucket of the order named, then the order, then its level, its neighbours and its
# other bucket. The cache misses of a block overlap. Nothing is decided by it: a guess
# that has become wrong costs a cache line.

from libc.stdint cimport uint32_t, uint64_t

from engine.index cimport IDS, REFS, bucket_number, bucket_of, hash_id, hash_ref
from engine.ladder cimport Ladder, Nodes, branch_at, bunch_at, bunch_find, key_of, level_at, node_at
from engine.state cimport Books, Instrument, order_at
from engine.store cimport Branch, Extra, Level, Order, SLOTS, prefetch
from engine.types cimport Command, NEW

cdef enum:
    BLOCK = 32              # commands; what they touch fits the first-level cache
    MANY_BOOKS = 256        # from here on their 32 KiB would fill that cache

cdef struct Ahead:          # of one command
    uint64_t hashed         # of the name that it gives, as the index has it
    const uint32_t* head    # of that name's chain; good until something changes
    uint32_t slot           # the order that may be meant; 0 = none

cdef struct Place:          # where a command goes, when there are many books
    uint64_t key            # of its level
    uint32_t instrument
    uint32_t side
    uint32_t node           # the root of that ladder
    uint32_t level          # of that key, if it is found so soon; else 0
    uint32_t rival          # the best level of the other side, if the command would trade with it; else 0

# Bring what `count` commands will touch into the cache. No branches: commands follow no pattern.
cdef inline void look_ahead(const Books* books, const Command* commands, Ahead* ahead, size_t count) noexcept nogil:
    cdef const Order* order
    cdef const Command* command
    cdef uint64_t hashed, by_id
    cdef uint32_t named[BLOCK]      # the commands that name a live order
    cdef uint32_t i, k, elsewhere, names = 0
    for i in range(count):
        command = &commands[i]
        named[names] = i
        names += command.kind != NEW
        by_id = (command.kind != NEW) & (command.order_id != 0)
        hashed = hash_ref(command.owner, command.client_ref)
        hashed ^= (hashed ^ hash_id(command.order_id)) & (0 - by_id)     # the latter when by_id is 1
        ahead[i].hashed = hashed
        ahead[i].head = &books.index.heads[bucket_number(&books.index, hashed)].head[by_id]
        prefetch(ahead[i].head)
    for i in range(count):
        ahead[i].slot = ahead[i].head[0]
        prefetch(order_at(books, ahead[i].slot))
    for i in range(count):
        # Whoever is next in the chain: a new ref is compared with all of it.
        prefetch(order_at(books, order_at(books, ahead[i].slot).next_ref))
    for k in range(names):
        i = named[k]
        command = &commands[i]
        order = order_at(books, ahead[i].slot)
        # Behind another's order in the chain of its ref, it is most often next.
        elsewhere = 0 - <uint32_t>((order.client_ref != command.client_ref) & (command.order_id == 0))
        ahead[i].slot ^= (ahead[i].slot ^ order.next_ref) & elsewhere
        order = order_at(books, ahead[i].slot)
        prefetch(level_at(&books.nodes, order.level))
        prefetch(order_at(books, order.next))
        prefetch(order_at(books, order.previous))
        prefetch(bucket_of(&books.index, IDS, hash_id(order.order_id)))
        # Slot 0 of the Extras for an order that has none.
        prefetch(books.extras.records + (order.account & (0 - (order.traits >> 23 & 1))) * sizeof(Extra))

# One order's share of look_ahead, a stage at a time: its buckets, its record, its level and neighbours.
cdef inline void expect_order(
    const Books* books, uint64_t order_id, uint32_t owner, uint64_t client_ref, int stage
) noexcept nogil:
    cdef const uint32_t* head = bucket_of(&books.index, IDS, hash_id(order_id))
    cdef const Order* order
    if stage == 0:
        prefetch(head)
        prefetch(bucket_of(&books.index, REFS, hash_ref(owner, client_ref)))
        return
    order = order_at(books, head[0])
    if stage == 1:
        prefetch(order)
        return
    prefetch(level_at(&books.nodes, order.level))
    prefetch(order_at(books, order.next))
    prefetch(order_at(books, order.previous))

# What the orders behind one in its queue will touch when their turn comes, each a stage further than the one behind it:
# where its names are known, before that the buckets of its names, before that the order.
cdef inline void expect_queue(const Books* books, const Order* order) noexcept nogil:
    cdef const Order* behind = order_at(books, order.next)      # 0, an order of zeros, ends the queue
    prefetch(order_at(books, bucket_of(&books.index, IDS, hash_id(behind.order_id))[0]))
    prefetch(order_at(books, bucket_of(&books.index, REFS, hash_ref(behind.owner, behind.client_ref))[0]))
    behind = order_at(books, behind.next)
    prefetch(bucket_of(&books.index, IDS, hash_id(behind.order_id)))
    prefetch(bucket_of(&books.index, REFS, hash_ref(behind.owner, behind.client_ref)))
    prefetch(order_at(books, behind.next))

# Bring a node of a ladder: of a branch, what holds the child, if it is one of single ticks; else the record's end.
cdef inline void expect_node(const Nodes* nodes, uint32_t node, uint64_t key) noexcept nogil:
    cdef uint32_t kind = node >> 30
    cdef const char* record = node_at(nodes, node)
    cdef uint64_t child = (24 + 4 * (key & 63)) & (0 - <uint64_t>(kind == 0))     # 24: Branch.child
    prefetch(record)
    prefetch(record + (child | (kind & 1) << 6 | (kind & 2) << 4))

# The same for the books that `count` commands go to, when there are so many that they leave the cache.
cdef inline void look_at_books(
    const Books* books, const Command* commands, const Ahead* ahead, size_t count
) noexcept nogil:
    cdef Place places[BLOCK]
    cdef const Nodes* nodes = &books.nodes
    cdef const Order* order
    cdef const Level* level
    cdef const Command* command
    cdef const Instrument* book
    cdef const Branch* branch
    cdef const Ladder* ladder
    cdef uint64_t is_new
    cdef uint32_t number, slot, bit
    cdef uint32_t taking[BLOCK]     # the commands that would trade
    cdef uint32_t entering[BLOCK]   # the new ones
    cdef uint32_t i, k, takers = 0, entrants = 0
    for i in range(count):
        command = &commands[i]
        order = order_at(books, ahead[i].slot)
        level = level_at(nodes, order.level)
        is_new = 0 - <uint64_t>(command.kind == NEW)
        entering[entrants] = i
        entrants += command.kind == NEW
        number = level.instrument ^ ((level.instrument ^ command.instrument) & <uint32_t>is_new)
        places[i].instrument = number & (0 - <uint32_t>(number < books.instrument_count))
        places[i].side = (order.traits ^ ((order.traits ^ command.side) & <uint32_t>is_new)) & 1
        places[i].key = level.key ^ ((level.key ^ key_of(command.price_ticks, command.side & 1)) & is_new)
        book = &books.instruments[places[i].instrument]
        prefetch(&book.sides)
        prefetch(<const char*>book + (sizeof(book.sides) & is_new))      # the terms, which a NEW is checked against
    for i in range(count):
        book = &books.instruments[places[i].instrument]
        ladder = &book.sides[places[i].side]
        places[i].node = ladder.root
        places[i].level = ladder.best & (0 - <uint32_t>(ladder.best_key == places[i].key))
        expect_node(nodes, ladder.root, places[i].key)
        # The same price as a key of the other side has all its bits turned. An order in the book never crosses it.
        ladder = &book.sides[places[i].side ^ 1]
        places[i].rival = ladder.best & (0 - <uint32_t>(ladder.best_key <= ~places[i].key))
        prefetch(level_at(nodes, places[i].rival))
        taking[takers] = i
        takers += places[i].rival != 0
    # One step down; deeper trees are seldom.
    for i in range(count):
        branch = branch_at(nodes, places[i].node & (0 - <uint32_t>(places[i].node >> 30 == 0)))
        bit = places[i].key >> branch.shift & 63
        expect_node(nodes, branch.child[bit] & (0 - <uint32_t>(branch.present >> bit & 1)), places[i].key)
    for k in range(entrants):
        i = entering[k]
        slot = places[i].node & (SLOTS - 1) & (0 - <uint32_t>(places[i].node >> 30 == 1))
        places[i].level |= bunch_find(bunch_at(nodes, slot), places[i].key)
        prefetch(level_at(nodes, places[i].level))
    for k in range(takers):
        i = taking[k]
        ladder = &books.instruments[places[i].instrument].sides[places[i].side ^ 1]
        expect_node(nodes, ladder.root, ladder.best_key)
        prefetch(order_at(books, level_at(nodes, places[i].rival).head))
    for k in range(entrants):
        prefetch(order_at(books, level_at(nodes, places[entering[k]].level).tail))
    for k in range(takers):
        order = order_at(books, level_at(nodes, places[taking[k]].rival).head)
        prefetch(bucket_of(&books.index, IDS, hash_id(order.order_id)))
        prefetch(bucket_of(&books.index, REFS, hash_ref(order.owner, order.client_ref)))
