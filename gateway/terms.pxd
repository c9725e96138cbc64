# What an order is beyond side, price and quantity: the fields of a D or G that travel as text, as the engine knows it.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.types cimport Command
from gateway.executions cimport Instrument

cdef enum:
    MAX_MERGED = 2048           # bytes that merge_terms may write: twice what a message may carry

# The engine's names of an OrdType (40) and a TimeInForce (59). 0, and 255: not served under these rules.
cdef uint8_t engine_order_type(uint8_t ord_type, uint32_t rules) noexcept nogil
cdef uint8_t engine_time_in_force(uint8_t time_in_force, uint32_t rules) noexcept nogil

# The terms of a command before any was read: those of an order that has none.
cdef void no_terms(Command* command) noexcept nogil
# What the fields say, into the command, beside what stands there. 0, or the reason against them.
cdef int read_terms(const uint8_t* text, size_t length, const Instrument* instrument, Command* command) noexcept nogil
# The tag of a field that an order of this type and time in force cannot do without and does not have; 0 = none.
cdef uint32_t missing_term(uint8_t ord_type, uint8_t time_in_force, bint has_price, const uint8_t* text,
                           size_t length) noexcept nogil
# The prices that a mass cancel is about; EMPTY_PRICE: no bound. False: one is no multiple of the increment, or the low
# one is above the high one.
cdef bint read_range(const uint8_t* text, size_t length, const Instrument* instrument, int64_t* low,
                     int64_t* high) noexcept nogil
# Whether a replace would change what an order keeps for life: ExecInst, minimum, self-match prevention.
cdef bint changes_for_life(const uint8_t* own, size_t own_length, const uint8_t* given,
                           size_t given_length) noexcept nogil
# The order's text with the fields that are given in the place of its own, and its expiry only if it still `expires`.
# Returns the length.
cdef size_t merge_terms(const uint8_t* own, size_t own_length, const uint8_t* given, size_t given_length,
                        bint expires, uint8_t* merged) noexcept nogil
# The parties alone; there is room for as much as there is text. Returns the length.
cdef size_t without_terms(const uint8_t* text, size_t length, uint8_t* parties) noexcept nogil
