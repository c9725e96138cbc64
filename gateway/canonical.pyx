# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; slots come from the sessions' own lists.
"""Logical state as bytes: every field is 8 bytes little endian, a string is its length and then its bytes, padded to 8.

Nothing in it depends on slots, hash tables or heap order. Holds no state.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from gateway.book_updates cimport BookUpdates
from gateway.drop_copies cimport DropCopies
from gateway.feed_topics cimport Auctions
from gateway.operations cimport Operations
from gateway.order_pool cimport ALIAS, Order, order_at, strings_of
from gateway.orders cimport Orders
from gateway.outbox cimport Outbox
from gateway.session cimport Session, Sessions
from gateway.subscriptions cimport ALL, Subscription, Subscriptions
from gateway.trade_memory cimport PastTrade


cdef int number(Outbox text, uint64_t value) except -1 nogil:
    memcpy(text.reserve(8), &value, 8)
    return 0


cdef int string(Outbox text, const uint8_t* value, size_t length) except -1 nogil:
    number(text, length)
    if length:      # or there is no memory of it, as of early messages
        memcpy(text.reserve((length + 7) & ~(<size_t> 7)), value, length)
    return 0


cdef int write_sessions(Outbox text, Sessions sessions) except -1 nogil:
    cdef uint32_t i
    cdef const Session* s
    number(text, sessions.settings.grace_ns)
    number(text, sessions.settings.sending_time_ns)
    number(text, sessions.settings.closed_cl_ord_ids)
    number(text, sessions.settings.max_heartbeat_seconds)
    number(text, sessions.settings.max_sessions)
    number(text, sessions.settings.cancel_on_disconnect)
    number(text, sessions.settings.open_to_any)
    if sessions.rules >= 2:
        number(text, sessions.settings.application)
        number(text, sessions.settings.reset_on_logon)
        number(text, sessions.settings.messages_per_second)
        number(text, sessions.settings.reset_minute)
        number(text, sessions.next_reset_ns)
    if sessions.rules >= 3:
        number(text, sessions.settings.max_open_orders)
        number(text, sessions.settings.is_killed)
    string(text, sessions.settings.comp_id, sessions.settings.comp_id_length)
    number(text, sessions.count)
    for i in range(sessions.count):
        s = sessions.table[i]
        string(text, s.comp_id, s.comp_id_length)
        number(text, s.epoch)
        number(text, s.connected)
        number(text, s.incarnation)
        number(text, s.connection)
        number(text, s.inbound)
        number(text, s.outbound)
        number(text, s.gap_end)
        number(text, s.gap_first)
        number(text, s.gap_asked_ns)
        number(text, s.last_received_ns)
        number(text, s.last_sent_ns)
        number(text, s.heartbeat_ns)
        number(text, s.test_pending)
        number(text, s.cancel_on_disconnect)
        number(text, s.grace_ns)
        number(text, s.grace_deadline_ns)
        if sessions.rules >= 2:
            number(text, s.leaving)
            number(text, s.leaves_ns)
            number(text, s.due_ns[0])
            number(text, s.due_ns[1])
            number(text, s.reset_ns)
            number(text, s.early.count)
            string(text, s.early.records, s.early.size)
            string(text, s.trade_request, s.trade_request_length)
        if sessions.rules >= 3:
            number(text, s.is_operator)
            number(text, s.is_killed)
            number(text, s.max_open_orders)
    return 0


cdef int write_drop_copies(Outbox text, DropCopies drop_copies) except -1 nogil:
    cdef uint32_t i
    number(text, drop_copies.count)
    for i in range(drop_copies.count):
        number(text, drop_copies.pairs[i].session)
        number(text, drop_copies.pairs[i].of)
    return 0


cdef int write_schedules(Outbox text, Operations operations) except -1 nogil:
    cdef uint32_t i
    number(text, operations.schedule_count)
    for i in range(operations.schedule_count):
        string(text, operations.schedules[i].name, operations.schedules[i].name_length)
        number(text, <uint64_t> operations.schedules[i].step_ns)
    return 0


cdef int write_order(Outbox text, const Order* o, uint32_t rules) except -1 nogil:
    cdef const uint8_t* strings = strings_of(o)
    cdef const uint8_t* account = strings + o.cl_ord_id_length + o.orig_cl_ord_id_length
    number(text, o.state)
    number(text, o.order_id)
    string(text, strings, o.cl_ord_id_length)
    if o.state == ALIAS:
        return 0
    string(text, strings + o.cl_ord_id_length, o.orig_cl_ord_id_length)
    string(text, account, o.account_length)
    if rules >= 2:
        string(text, account + o.account_length, o.parties_length)
    number(text, o.instrument)
    number(text, o.price_ticks)
    number(text, o.quantity_lots)
    number(text, o.cumulative_lots)
    number(text, o.notional_low)
    number(text, o.notional_high)
    number(text, o.side)
    number(text, o.ord_type)
    number(text, o.time_in_force)
    number(text, o.post_only)
    if rules >= 3:
        number(text, o.is_expired)
    return 0


cdef int write_last_trade(Outbox text, BookUpdates updates, uint32_t instrument) except -1 nogil:
    cdef bint known = instrument < updates.watched_room
    number(text, <uint64_t> updates.watched[instrument].last_price_ticks if known else 0)
    number(text, <uint64_t> updates.watched[instrument].last_lots if known else 0)
    return number(text, <uint64_t> updates.watched[instrument].last_ns if known else 0)


cdef int write_auctions(Outbox text, const Auctions* auctions) except -1 nogil:
    cdef int i
    number(text, <uint64_t> auctions.until_ns)
    for i in range(2):
        number(text, <uint64_t> auctions.prices[i].price_ticks)
        number(text, <uint64_t> auctions.prices[i].lots)
        number(text, <uint64_t> auctions.prices[i].time_ns)
    return number(text, auctions.last)


cdef int write_orders(Outbox text, Sessions sessions, Orders orders) except -1 nogil:
    cdef uint32_t i, slot
    cdef const Session* s
    number(text, orders.exec_id)
    number(text, orders.instrument_count)
    for i in range(orders.instrument_count):
        string(text, orders.instruments[i].symbol, orders.instruments[i].symbol_length)
        number(text, orders.instruments[i].price_increment)
        number(text, <uint64_t> <int64_t> orders.instruments[i].price_exponent)
        number(text, orders.instruments[i].quantity_increment)
        number(text, <uint64_t> <int64_t> orders.instruments[i].quantity_exponent)
        if sessions.rules >= 2:
            write_last_trade(text, orders.updates, i)
        if sessions.rules >= 3:
            write_auctions(text, &orders.feed.instruments[i].auctions)
            number(text, orders.instruments[i].schedule)
    for i in range(sessions.count):
        s = sessions.table[i]
        number(text, s.open_count)
        slot = s.open_first
        while slot:
            write_order(text, order_at(orders, slot), sessions.rules)
            slot = order_at(orders, slot).next
        number(text, s.closed_count)
        for slot in range(s.closed_count):
            write_order(text, order_at(orders, s.closed[(s.closed_first + slot) & (s.closed_room - 1)].slot),
                        sessions.rules)
    return 0


cdef int write_past_trades(Outbox text, Orders orders) except -1 nogil:
    cdef uint64_t trade_id = orders.memory.oldest()
    number(text, orders.memory.newest + 1 - trade_id)
    while trade_id <= orders.memory.newest:
        memcpy(text.reserve(sizeof(PastTrade)), orders.memory.find(trade_id), sizeof(PastTrade))
        trade_id += 1
    return 0


cdef int write_subscriptions(Outbox text, Subscriptions subscriptions, uint32_t rules) except -1 nogil:
    cdef uint32_t slot = subscriptions.all.first
    cdef const Subscription* s
    number(text, subscriptions.all.count)
    while slot:
        s = &subscriptions.slots[slot]
        number(text, s.session)
        if rules >= 3:
            number(text, s.kind)
        string(text, s.id, s.id_length)
        number(text, s.instrument)
        number(text, s.depth)
        number(text, s.types)
        number(text, s.refresh)
        slot = s.next[<int> ALL]
    return 0
