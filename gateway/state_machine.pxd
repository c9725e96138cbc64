# The replicated state machine: log entry in, egress records and market data out. gateway/DESIGN.md tells its way.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.machine cimport Machine
from gateway.book_updates cimport BookUpdates
from gateway.drop_copies cimport DropCopies
from gateway.echo cimport Echo
from gateway.market_data cimport MarketData
from gateway.market_requests cimport MarketRequests
from gateway.operations cimport Operations
from gateway.orders cimport Expected, Orders
from gateway.outbox cimport Outbox
from gateway.records cimport InputHead
from gateway.reference_requests cimport ReferenceRequests
from gateway.session cimport Session, Sessions
from gateway.status_updates cimport StatusUpdates

cdef enum Aside:                # a command's work that takes long: see engine/aside.pyx
    NOTHING_ASIDE = 0
    WAITS = 1                   # while inputs that have nothing to do with it are taken
    GOES_ON = 2

cdef struct Gateway:            # one incarnation, numbered from 1
    uint64_t last_number        # of its inputs, taken or not
    uint32_t lost               # 1: nothing of it is taken any more
    uint32_t member             # of the cluster, whose gateway it is; 0 = a log from before there were members
    uint64_t nonce              # what the member asked for it with

cdef struct Entry:              # a log entry to be applied
    Py_buffer view              # of its payload
    uint8_t* aligned            # a copy of the payload when it does not lie on 8 bytes
    const uint8_t* begin
    const uint8_t* end
    int64_t index
    int64_t term
    int64_t time_ns


cdef class StateMachine:
    cdef readonly Machine machine
    cdef readonly MarketData feed
    cdef readonly int64_t applied_index
    cdef readonly int64_t applied_term
    cdef readonly uint64_t skipped_inputs
    cdef readonly uint32_t newest_rules     # that this program runs; those that hold are machine.books.rules
    cdef Sessions state         # sessions
    cdef Orders orders
    cdef BookUpdates updates
    cdef StatusUpdates statuses
    cdef MarketRequests market_requests
    cdef Echo echo
    cdef ReferenceRequests reference_requests
    cdef DropCopies drop_copies
    cdef Operations operations
    cdef bint discards          # egress is not wanted
    cdef Outbox outbox
    cdef Gateway* table         # the gateways, by incarnation
    cdef uint32_t gateway_count
    cdef uint32_t gateway_room
    # the entries that are being applied, in order
    cdef Entry* entries
    cdef size_t entry_count
    cdef size_t entry_room
    cdef size_t current         # the one that the inputs come from
    cdef bint open              # there are entries, and they are not done
    cdef bint failed            # an exception left one half done: nothing more is applied
    cdef int64_t index          # of the current one
    cdef const uint8_t* cursor  # its next input
    cdef const uint8_t* end
    cdef bint engine_is_late     # what is due in it by the entry's time was not done yet
    cdef bint deadlines_done
    cdef Session* filled        # whose gap may be filled: what came early is acted on before anything else; or NULL
    # work put aside
    cdef Aside aside
    cdef bint hurries           # it goes on until it is done: an input has to do with all there is
    cdef uint32_t* line         # sessions whose next message waits for it, by turn, which counts from 1
    cdef uint32_t line_count
    cdef uint32_t line_room
    cdef uint32_t line_first    # those before it have had their turn
    # looking ahead; inputs are counted over all entries
    cdef size_t ahead_entry
    cdef const uint8_t* ahead   # the first input that has not been seen
    cdef uint64_t taken         # inputs before cursor
    cdef uint64_t seen          # before ahead
    cdef Expected coming[16]    # by number of the input, modulo 16

    cdef bint _advance(self, int64_t budget) except -1 nogil
    cdef int _take(self, const InputHead* head) except -1 nogil
    cdef int _work(self) except -1 nogil
    cdef void _take_up(self) noexcept nogil
    cdef void _end_aside(self) noexcept nogil
    cdef void _call_next(self) noexcept nogil
    cdef bint _must_wait(self, const Session* s, const Expected* coming) noexcept nogil
    cdef int _stand_in_line(self, Session* s) except -1 nogil
    cdef bint _waits_still(self, Session* s, const InputHead* head) except -1 nogil
    cdef bint _is_about_all(self, const InputHead* head) noexcept nogil
    cdef int _activate(self, uint32_t rules) except -1 nogil
    cdef bint _reset_is_due(self) noexcept nogil
    cdef void _look_ahead(self) noexcept nogil
    cdef bint _see_next(self) noexcept nogil
    cdef void _foresee_order(self, uint64_t number) noexcept nogil
    cdef void _foresee_engine(self, uint64_t number, int stage) noexcept nogil
    cdef bint _passes_fence(self, const InputHead* head) noexcept nogil
    cdef int _message(self, const Expected* coming) except -1 nogil
    cdef int _receive(self, Session* s, const Expected* coming) except -1 nogil
    cdef int _take_early(self) except -1 nogil
    cdef int _other(self, Session* s, const Expected* coming) except -1 nogil
    cdef int _disconnect(self, const InputHead* head) except -1 nogil
    cdef bint _started(self, uint32_t member, uint64_t nonce) noexcept nogil
    cdef int _gateway_start(self, uint32_t member, uint64_t nonce) except -1 nogil
    cdef int _gateway_lost(self, uint32_t incarnation) except -1 nogil
    cdef int _catch_up(self) except -1 nogil
    cdef int _copy_reports(self, size_t begin) except -1 nogil
    cdef int _setting(self, const InputHead* head) except -1 nogil
    cdef int _instrument(self, const InputHead* head) except -1
    cdef int _enter(self, payload, int64_t index, int64_t term, int64_t time_ns) except -1
    cdef int _check(self) except -1
    cdef int _align(self, Entry* entry) except -1
    cdef void _release(self) noexcept
    cdef int _open_entry(self) except -1 nogil
    cdef int _close_entry(self) except -1 nogil
