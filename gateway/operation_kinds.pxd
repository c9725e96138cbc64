# What operators may ask for, and which fields go with it.

from libc.stdint cimport uint8_t, uint32_t

from gateway.fields cimport Fields
from gateway.operation_fields cimport Asked

cdef enum OperationKind:
    NO_OPERATION = 0
    SET_PHASE
    MAKE_INSTRUMENT
    SET_TERMS
    SET_TICKS
    SET_PROTECTIONS
    DELIST
    KILL
    RESTORE
    CANCEL_ORDERS
    SET_LIMITS
    BUST

cdef OperationKind kind_of(const Fields* name) noexcept nogil      # by Operation (20021)
cdef bint is_about_instruments(uint8_t kind) noexcept nogil
cdef bint cancels(uint8_t kind) noexcept nogil

# Refuses a field that the operation does not take, a limit set and lifted at once, and what changes nothing.
cdef void check_fields(Asked* asked, uint8_t kind, bint is_operators) noexcept nogil
