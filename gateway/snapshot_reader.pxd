# The bytes of a snapshot, checked -> records, and the state that they make.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from engine.machine cimport Machine
from gateway.drop_copies cimport DropCopies
from gateway.market_data cimport MarketData
from gateway.operations cimport Operations
from gateway.order_pool cimport Order
from gateway.orders cimport Orders
from gateway.session cimport Session, Sessions
from gateway.snapshot cimport OrderImage, SectionKind, SlotImage, SnapshotHeader, SubscriptionImage
from gateway.trade_memory cimport TradeSide

cdef class SnapshotReader:
    cdef const uint8_t[::1] view
    cdef const uint8_t* data
    cdef size_t size
    cdef SnapshotHeader header
    cdef uint64_t counts[11]    # SectionKind -> records in all its sections
    # where it is
    cdef size_t begin           # of the record, for messages
    cdef size_t at
    cdef size_t section_end
    cdef uint32_t left          # records in the section
    cdef size_t drop_copies     # where they are; they are about sessions, which come later
    cdef uint64_t drop_copy_count

    cdef int enter(self, SectionKind kind) except -1 nogil      # the next section, which must be of this kind
    # The next record of a kind, or the rest of one: its first `size` bytes.
    cdef const uint8_t* record(self, SectionKind kind, size_t size) except NULL nogil
    cdef const uint8_t* more(self, size_t size) except NULL nogil
    cdef int wrong(self, const char* what) except -1 nogil      # raises

    # In this order; the gateways, which are the exchange's own, after the state.
    cdef int read_state(self, Sessions sessions, Orders orders, MarketData feed, Operations operations,
                        uint64_t* skipped_inputs) except -1
    cdef int _read_more_state(self, Sessions sessions) except -1
    cdef int _read_operations(self, Sessions sessions, Operations operations) except -1
    cdef int read_machine(self, Machine machine) except -1
    cdef int read_instruments(self, Machine machine, Orders orders, MarketData feed, Operations operations) except -1
    cdef int _read_status(self, MarketData feed, uint32_t instrument) except -1
    cdef int _read_last_trade(self, Orders orders, uint32_t instrument) except -1
    cdef int read_sessions(self, Sessions sessions) except -1 nogil
    cdef int read_drop_copies(self, DropCopies drop_copies) except -1 nogil
    cdef int read_orders(self, Machine machine, Sessions sessions, Orders orders) except -1 nogil
    cdef int read_free_slots(self, Orders orders) except -1 nogil
    cdef int read_past_trades(self, Machine machine, Sessions sessions, Orders orders) except -1 nogil
    cdef bint _is_side(self, const TradeSide* one, Sessions sessions, Orders orders) noexcept nogil
    cdef int read_subscriptions(self, Sessions sessions, Orders orders) except -1 nogil

    cdef int _check(self) except -1 nogil
    cdef Session* _read_session(self, Sessions sessions) except NULL nogil
    cdef int _read_more_session(self, Session* s) except -1 nogil
    cdef int _read_powers(self, Session* s) except -1 nogil
    cdef int _read_early(self, Session* s, uint32_t size) except -1 nogil
    cdef int _read_order(self, Machine machine, Orders orders, Session* s, bint is_open) except -1 nogil
    cdef uint64_t _read_parties_length(self) except 0 nogil
    cdef Order* _unread(self, Orders orders, uint32_t slot) except NULL nogil
    cdef bint _can_be(self, const SubscriptionImage* image) noexcept nogil
    cdef int _read_subscription(self, Sessions sessions, Orders orders) except -1 nogil
    cdef int _read_alias(self, Orders orders, Order* o, const SlotImage* head) except -1 nogil
    cdef int _fill(self, Orders orders, Order* o, const OrderImage* image) except -1 nogil
    cdef uint32_t _order_flags(self) noexcept nogil
    cdef int _judge_open(self, Machine machine, Orders orders, const Session* s, const SlotImage* head) except -1 nogil
