# An exchange's state -> the pieces of its snapshot.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.machine cimport Machine
from engine.snapshot_writer cimport SnapshotPlace
from gateway.drop_copies cimport DropCopies
from gateway.market_data cimport MarketData
from gateway.operations cimport Operations
from gateway.orders cimport Orders
from gateway.outbox cimport Outbox
from gateway.session cimport Session, Sessions
from gateway.snapshot cimport InstrumentMore, InstrumentStatus, SectionKind

cdef class SnapshotWriter:
    cdef Machine machine
    cdef Sessions sessions
    cdef Orders orders
    cdef MarketData feed
    cdef DropCopies drop_copies
    cdef Operations operations
    cdef Outbox text            # of the piece that is being written
    cdef size_t section         # where its section begins
    cdef SectionKind kind       # of the section written last
    cdef uint32_t crc           # of the pieces that were taken
    cdef SnapshotPlace place    # how far it is in the machine
    # how far it is in the records of this kind
    cdef uint32_t session       # the next to be written, or the one whose orders are
    cdef uint32_t slot          # the next of its open orders, of the free slots or of the subscriptions; 0 = no more
    cdef uint64_t trade_id      # the next of the past trades
    cdef uint32_t closed        # the next of its closed ones, counted from the oldest

    cdef int begin(self, int64_t index, int64_t term, uint64_t skipped_inputs) except -1
    cdef int open_section(self, SectionKind kind) except -1
    cdef int close_section(self, uint32_t count) except -1
    cdef bint go_on(self) except -1
    cdef bytes take(self)       # what was written since the last one
    cdef bytes end(self)        # what comes behind the last one

    cdef void _start(self, SectionKind kind) noexcept
    cdef int _write_state(self, uint64_t skipped_inputs) except -1
    cdef int _write_more_state(self) except -1
    cdef int _write_operations(self) except -1
    cdef int _write_machine(self) except -1
    cdef size_t _write_books(self) except? 0 nogil
    cdef int _write_instruments(self) except -1
    cdef void _write_last_trade(self, InstrumentMore* more, uint32_t instrument) noexcept nogil
    cdef void _write_status(self, InstrumentStatus* status, uint32_t instrument) noexcept nogil
    cdef uint32_t _write_records(self) except? 0 nogil
    cdef uint32_t _write_sessions(self) except? 0 nogil
    cdef int _write_session(self, const Session* s) except -1 nogil
    cdef uint32_t _write_orders(self) except? 0 nogil
    cdef int _write_order(self, uint32_t slot) except -1 nogil
    cdef uint32_t _write_free_slots(self) except? 0 nogil
    cdef uint32_t _write_subscriptions(self) except? 0 nogil
    cdef uint32_t _write_past_trades(self) except? 0 nogil
