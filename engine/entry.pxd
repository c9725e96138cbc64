# What a command must be like: the checks of a new order and of new terms: see entry.pyx.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.state cimport Books
from engine.types cimport Command, Definition, PhaseChange, Protection, TickRow

cdef struct Terms:              # of an order, as a command asks for them
    int64_t price_ticks         # EMPTY_PRICE = none
    int64_t total_lots
    int64_t display_lots
    int64_t stop_price_ticks
    int64_t offset_ticks
    int64_t peg_limit_ticks
    int64_t expire_ns
    uint32_t time_in_force

# The first check that fails, or NONE. The instrument has a market.
cdef uint64_t new_refusal_3(const Books* books, const Command* command, uint64_t hashed) noexcept nogil
# Whether int64 cannot hold price times quantity.
cdef bint overflows(int64_t price, int64_t quantity) noexcept nogil
# What a NEW has beyond a plain limit order; the price that it rests at when it slides.
cdef void new_terms(const Books* books, const Command* command, Terms* terms) noexcept nogil
cdef void set_trailing(const Books* books, uint32_t instrument, uint32_t side, Terms* terms) noexcept nogil
cdef uint64_t change_refusal(const Books* books, uint32_t slot, const Command* command) noexcept nogil
cdef void amended(const Books* books, uint32_t slot, const Command* command, Terms* terms) noexcept nogil
cdef uint64_t replace_refusal_3(
    const Books* books, uint32_t slot, const Terms* terms, const Command* command
) noexcept nogil
cdef bint keeps_place(const Books* books, uint32_t slot, const Terms* terms, const Command* command) noexcept nogil
# The price, or one increment behind what it would trade with; EMPTY_PRICE: int64 has none.
cdef int64_t slid(const Books* books, uint32_t instrument, uint32_t side, int64_t price) noexcept nogil
cdef bint definition_is_valid(const Books* books, const Definition* definition) noexcept nogil
cdef bint phase_is_valid(const PhaseChange* change, int64_t now_ns) noexcept nogil
cdef bint may_follow(uint32_t before, uint32_t phase) noexcept nogil
cdef bint protection_is_valid(const Protection* protection) noexcept nogil
cdef bint has_reserved_bytes(const void* bytes, size_t begin, size_t end) noexcept nogil
