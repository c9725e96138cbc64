# What operators ask for, and the exchange itself by its schedules: OperatorRequests (U1) and OperatorReports (U2).

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

from gateway.records cimport OperatorBody
from gateway.session cimport Sessions

cdef enum:
    MAX_SCHEDULE = 32           # bytes of its name

cdef struct Schedule:           # that instruments follow
    int64_t step_ns             # when its last step was due; INT64_MIN = none so far
    uint8_t name_length
    uint8_t name[32]


@cython.final
cdef class Operations:
    cdef Sessions sessions
    cdef Schedule* schedules    # in the order in which they were named first
    cdef uint32_t schedule_count
    cdef uint32_t schedule_room

    cdef int enter_operator(self, const OperatorBody* body) except -1 nogil     # an INPUT_OPERATOR

    cdef uint32_t schedule_of(self, const uint8_t* name, size_t length) noexcept nogil  # counted from 1; 0 = unknown
    cdef uint32_t add_schedule(self, const uint8_t* name, size_t length) except 0 nogil
