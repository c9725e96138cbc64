# What operators ask for, and the exchange itself by its schedules: OperatorRequests (UQ) and OperatorReports (UR).

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.types cimport PhaseChange
from gateway.executions cimport Instrument
from gateway.operation_fields cimport Asked
from gateway.orders cimport Orders
from gateway.records cimport OperationBody, OperatorBody
from gateway.session cimport Message, Session, Sessions
from gateway.text_body cimport TextBody

cdef enum:
    MAX_SCHEDULE = 32           # bytes of its name
    MAX_OPERATION_ID = 64

cdef struct Schedule:           # that instruments follow
    int64_t step_ns             # when its last step was due; INT64_MIN = none so far
    uint8_t name_length
    uint8_t name[32]

cdef struct Running:            # the operation that is being performed; nothing else is applied meanwhile
    uint8_t kind                # OperationKind; NO_OPERATION = there is none
    uint8_t is_begun
    uint32_t session            # whom to answer; 0 = the exchange itself
    uint32_t next               # of the instruments that are left
    uint32_t end
    uint32_t schedule           # only those that follow it; 0 = all
    bint all                    # more than one was meant: those that are delisted are passed over
    uint32_t affected           # instruments
    uint32_t refused


@cython.final
cdef class Operations:
    cdef Sessions sessions
    cdef Orders orders
    cdef TextBody asked         # the fields of the operation that is running
    cdef TextBody body
    cdef Running running
    cdef Asked first            # what is wrong with it, at the first instrument that refused it
    cdef Schedule* schedules    # in the order in which they were named first
    cdef uint32_t schedule_count
    cdef uint32_t schedule_room
    cdef bint records           # those that were performed are kept for take_operations
    cdef list recorded

    cdef int enter_operator(self, const OperatorBody* body) except -1 nogil     # an INPUT_OPERATOR
    cdef int enter(self, const OperationBody* body) except -1 nogil             # an INPUT_OPERATION
    cdef int act(self, Session* s, const Message* m) except -1 nogil            # an OperatorRequest
    cdef int work(self) except -1 nogil         # the next piece; the engine has done what it had to do

    cdef uint32_t schedule_of(self, const uint8_t* name, size_t length) noexcept nogil  # counted from 1; 0 = unknown
    cdef uint32_t add_schedule(self, const uint8_t* name, size_t length) except 0 nogil

    cdef int _begin(self, uint32_t session, const uint8_t* text, size_t size) except -1 nogil
    cdef int _choose(self, Asked* asked) except -1 nogil
    cdef int _choose_instruments(self, Asked* asked) except -1 nogil
    cdef int _choose_schedule(self, Asked* asked) except -1 nogil
    cdef int64_t _instrument(self, Asked* asked) noexcept nogil
    cdef Session* _session(self, Asked* asked) noexcept nogil
    cdef bint _is_meant(self, uint32_t instrument) noexcept nogil
    cdef int _perform_at(self, Asked* asked, uint32_t instrument) except -1 nogil
    cdef int _perform(self, Asked* asked) except -1 nogil
    cdef bint _run(self, Asked* asked) except -1 nogil
    cdef int _refused(self, const Asked* asked, int64_t instrument) except -1 nogil

    cdef int _set_phase(self, Asked* asked, uint32_t instrument) except -1 nogil
    cdef void _read_phase_change(self, Asked* asked, PhaseChange* change) noexcept nogil
    cdef int _set_terms(self, Asked* asked, uint32_t instrument) except -1 nogil
    cdef int _delist(self, Asked* asked, uint32_t instrument) except -1 nogil
    cdef int _protect(self, Asked* asked, uint32_t instrument) except -1 nogil
    cdef int _define(self, Asked* asked) except -1 nogil
    cdef int _set_ticks(self, Asked* asked) except -1 nogil
    cdef int _switch(self, Asked* asked, bint kills) except -1 nogil
    cdef int _cancel(self, Asked* asked) except -1 nogil
    cdef int _cancel_account(self, Asked* asked, Session* s) except -1 nogil
    cdef int _bust(self, Asked* asked) except -1 nogil
    cdef int _limit(self, Asked* asked) except -1 nogil

    cdef int _record(self, bint is_refused) except -1
    cdef int _answer(self) except -1 nogil
    cdef int _echo(self, uint32_t tag) except -1 nogil
