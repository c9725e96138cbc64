# The terms and protections of an instrument: as they are, and as an OperatorRequest wants them.

from libc.stdint cimport int64_t

from engine.state cimport Books
from engine.types cimport Definition, Protection
from gateway.executions cimport Instrument
from gateway.fields cimport Fields
from gateway.operation_fields cimport Asked

cdef struct TickRows:           # of a request, one after the other
    Fields field
    int64_t from_ticks          # of the row that was read last; EMPTY_PRICE: it says none
    int64_t tick_ticks

# Whether a symbol is one that an instrument may have.
cdef bint is_symbol(const Fields* symbol) noexcept nogil

# What the engine has, as a command that would change nothing.
cdef void present_terms(const Books* books, Definition* terms) noexcept nogil           # of terms.instrument
cdef void present_protections(const Books* books, Protection* protection) noexcept nogil

# What is given or lifted takes its place. `of` has the increments.
cdef bint are_terms(const Asked* asked) noexcept nogil      # any at all
cdef void read_terms(Asked* asked, const Instrument* of, Definition* terms) noexcept nogil
# Whether they contradict each other; the engine has one reason for all of that.
cdef void check_terms(Asked* asked, const Books* books, const Definition* terms) noexcept nogil
cdef void read_protections(Asked* asked, const Instrument* of, Protection* protection) noexcept nogil
# What is measured from a reference price would protect from nothing without one.
cdef void check_protections(Asked* asked, const Books* books, const Protection* protection) noexcept nogil

cdef TickRows rows_of(const Asked* asked) noexcept nogil
# The next row. False: there is none, or it is refused.
cdef bint next_row(Asked* asked, TickRows* rows) noexcept nogil
