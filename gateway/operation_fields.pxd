# The fields of an OperatorRequest: its private tags, and their values read, the first thing that is wrong kept.
#
#   cdef Asked asked = asked_of(text, size)
#   read_phase(&asked, PHASE_TAG, &change.phase)
#   if asked.reason: ...

from libc.stddef cimport size_t
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from gateway.executions cimport Instrument
from gateway.fields cimport Fields

cpdef enum OperationTag:        # our own; docs/fix.md tells them
    OPERATION_ID = 20020
    OPERATION = 20021
    PHASE_TAG = 20022
    NEXT_PHASE = 20023
    OPERATION_STATUS = 20024
    PHASE_END = 20025
    RANDOM_END = 20026          # milliseconds
    RANDOM_NUMBER = 20027
    SCHEDULE_NAME = 20028
    SCHEDULE_STEP = 20029       # only the exchange itself says it: when this step of its schedule was due
    MATCH_ALGORITHM = 20030
    TOP_ORDER = 20031
    PRO_RATA_MINIMUM = 20032
    STOP_TRIGGER = 20033
    TICK_TABLE = 20034
    LIFTED = 20035              # tags of limits that are to hold no longer, with spaces between them
    REFERENCE_PRICE = 20036
    STATIC_BAND = 20037
    DYNAMIC_BAND = 20038
    PRICE_DISTANCE = 20039
    MAX_NOTIONAL = 20040
    BREAKER_MOVE = 20041        # 0.05 is 5 %
    BREAKER_HALT = 20042        # milliseconds
    BREAKER_AUCTION = 20043
    NO_TICK_ROWS = 20044
    TICK_SIZE = 20045           # both count increments of price
    TICK_FROM = 20046
    MAX_OPEN_ORDERS = 20047
    SESSION_COMP_ID = 20048
    AFFECTED_INSTRUMENTS = 20049
    REFUSED_INSTRUMENTS = 20050
    ACCOUNT = 1
    SYMBOL = 55
    SIDE = 54
    TEXT = 58
    TRADE_ID = 880
    ROUND_LOT = 561             # these are of a SecurityList, too
    MIN_TRADE_VOL = 562
    PRICE_INCREMENT = 20005
    QUANTITY_INCREMENT = 20007
    MAX_TRADE_VOL = 20008
    LOW_LIMIT_PRICE = 20009
    HIGH_LIMIT_PRICE = 20010
    PRICE_PROTECTION = 20011

cdef struct Asked:
    const uint8_t* text         # each field with its separator
    size_t size
    int reason                  # ReasonCode (20002) of the first thing that is wrong; 0 = nothing so far
    char why[128]               # in words

cdef Asked asked_of(const uint8_t* text, size_t size) noexcept nogil

# The first of what is wrong stays.
cdef void refuse(Asked* asked, int reason, const char* why) noexcept nogil
cdef void refuse_field(Asked* asked, uint32_t tag, const char* allowed) noexcept nogil

cdef bint find(const Asked* asked, uint32_t tag, Fields* field) noexcept nogil
cdef bint has(const Asked* asked, uint32_t tag) noexcept nogil
cdef bint need(Asked* asked, uint32_t tag) noexcept nogil               # else it is refused
cdef bint is_word(const Fields* field, const char* word) noexcept nogil
# The tags of a Lifted (20035), one after the other from *begin = 0 on; 0 is a word that is no tag. False: no more.
cdef bint next_lifted(const Fields* field, size_t* begin, uint64_t* tag) noexcept nogil
cdef bint is_lifted(const Asked* asked, uint32_t tag) noexcept nogil

# Each: True when the field is there and its value is one that is allowed; else `value` stays as it was, and a value
# that is not allowed is refused.
cdef bint read_phase(Asked* asked, uint32_t tag, uint8_t* phase) noexcept nogil
cdef bint read_flag(Asked* asked, uint32_t tag, uint8_t* value) noexcept nogil
cdef bint read_choice(Asked* asked, uint32_t tag, const char* zero, const char* one, uint8_t* value) noexcept nogil
cdef bint read_number(Asked* asked, uint32_t tag, int64_t least, int64_t most, int64_t* value) noexcept nogil
cdef bint read_milliseconds(Asked* asked, uint32_t tag, int64_t most, int64_t* ns) noexcept nogil
cdef bint read_time(Asked* asked, uint32_t tag, int64_t* ns) noexcept nogil
cdef bint read_price(Asked* asked, uint32_t tag, const Instrument* of, int64_t* ticks) noexcept nogil
cdef bint read_distance(Asked* asked, uint32_t tag, const Instrument* of, int64_t* ticks) noexcept nogil    # >= 0
cdef bint read_quantity(Asked* asked, uint32_t tag, const Instrument* of, int64_t* lots) noexcept nogil     # >= 0
# A limit on price times quantity, rounded down to what the engine counts.
cdef bint read_notional(Asked* asked, uint32_t tag, const Instrument* of, int64_t* value) noexcept nogil
cdef bint read_basis_points(Asked* asked, uint32_t tag, uint32_t* value) noexcept nogil
# The increment of an instrument that is being made.
cdef bint read_increment(Asked* asked, uint32_t tag, int64_t* mantissa, int8_t* exponent) noexcept nogil

cdef const char* phase_name(uint8_t phase) noexcept nogil
