# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; next_field() keeps within the text. Divisors are increments (>= 1) and powers.
"""Values of an OperatorRequest's fields, and words for what is wrong with them. Holds no state, raises nothing.

The edge has judged formats by its dictionary, but nothing here rests on that: what the exchange asks of itself has not
been at an edge, and replicas may have different dictionaries.
"""

from libc.stdint cimport INT64_MAX, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset, strlen

from engine.types cimport CLOSED
from gateway.executions cimport Instrument, to_units
from gateway.fields cimport Fields, find_field
from gateway.fix_values cimport parse_decimal, parse_int, parse_timestamp, parse_uint, write_timestamp
from gateway.reasons cimport INVALID_OPERATION, MISSING_FIELD
from gateway.short_strings cimport same

cdef extern from *:
    """
    /* mantissa * 10^exponent in units of price * quantity * 10^units, rounded down; most where it is more. */
    static inline int64_t quorumbook_notional(int64_t mantissa, int exponent, int64_t price, int64_t quantity,
                                              int units, int64_t most) {
        __int128 value = mantissa;
        int shift = exponent - units;
        for (; shift > 0 && value && value <= ((__int128)1 << 120); shift--)
            value *= 10;
        if (shift > 0 && value)
            return most;
        for (; shift < 0 && value; shift++)
            value /= 10;
        value = value / price / quantity;
        return value > most ? most : (int64_t)value;
    }
    """
    int64_t quorumbook_notional(int64_t mantissa, int exponent, int64_t price, int64_t quantity, int units,
                                int64_t most) noexcept nogil

cdef enum:
    MOST_BASIS_POINTS = 1000000     # a hundred times
    MOST_DECIMALS = 16              # of an increment

cdef int64_t MAX_INCREMENT = 10**15


cdef Asked asked_of(const uint8_t* text, size_t size) noexcept nogil:
    cdef Asked asked
    memset(&asked, 0, sizeof(Asked))
    asked.text = text
    asked.size = size
    return asked


cdef void refuse(Asked* asked, int reason, const char* why) noexcept nogil:
    if asked.reason == 0:
        asked.reason = reason
        snprintf(asked.why, sizeof(asked.why), b"%s", why)


cdef void refuse_field(Asked* asked, uint32_t tag, const char* allowed) noexcept nogil:
    if asked.reason == 0:
        asked.reason = INVALID_OPERATION
        snprintf(asked.why, sizeof(asked.why), b"field %u: allowed is %s", <unsigned int> tag, allowed)


cdef bint find(const Asked* asked, uint32_t tag, Fields* field) noexcept nogil:
    return find_field(asked.text, asked.size, tag, field)


cdef bint has(const Asked* asked, uint32_t tag) noexcept nogil:
    cdef Fields field
    return find(asked, tag, &field)


cdef bint need(Asked* asked, uint32_t tag) noexcept nogil:
    if has(asked, tag):
        return True
    if asked.reason == 0:
        asked.reason = MISSING_FIELD
        snprintf(asked.why, sizeof(asked.why), b"this operation needs field %u", <unsigned int> tag)
    return False


cdef bint is_word(const Fields* field, const char* word) noexcept nogil:
    return same(field.value, field.length, <const uint8_t*> word, strlen(word))


cdef bint next_lifted(const Fields* field, size_t* begin, uint64_t* tag) noexcept nogil:
    cdef size_t end = begin[0]
    if end >= field.length:
        return False
    while end < field.length and field.value[end] != c' ':
        end += 1
    if not parse_uint(field.value + begin[0], end - begin[0], tag):
        tag[0] = 0
    begin[0] = end + 1
    return True


cdef bint is_lifted(const Asked* asked, uint32_t tag) noexcept nogil:
    # Among the tags of the list.
    cdef Fields field
    cdef uint64_t number
    cdef size_t begin = 0
    if find(asked, LIFTED, &field):
        while next_lifted(&field, &begin, &number):
            if number == tag:
                return True
    return False


cdef const char* phase_name(uint8_t phase) noexcept nogil:
    if phase == 0:
        return b"CONTINUOUS"
    if phase == 1:
        return b"PRE_OPEN"
    if phase == 2:
        return b"OPENING_AUCTION"
    if phase == 3:
        return b"VOLATILITY_AUCTION"
    if phase == 4:
        return b"CLOSING_AUCTION"
    return b"HALT" if phase == 5 else b"CLOSED"


cdef bint read_phase(Asked* asked, uint32_t tag, uint8_t* phase) noexcept nogil:
    cdef Fields field
    cdef uint8_t one
    if not find(asked, tag, &field):
        return False
    for one in range(<int> CLOSED + 1):
        if is_word(&field, phase_name(one)):
            phase[0] = one
            return True
    refuse_field(asked, tag, b"CONTINUOUS, PRE_OPEN, OPENING_, VOLATILITY_ or CLOSING_AUCTION, HALT or CLOSED")
    return False


cdef bint read_flag(Asked* asked, uint32_t tag, uint8_t* value) noexcept nogil:
    return read_choice(asked, tag, b"N", b"Y", value)


cdef bint read_choice(Asked* asked, uint32_t tag, const char* zero, const char* one, uint8_t* value) noexcept nogil:
    cdef Fields field
    cdef char allowed[64]
    if not find(asked, tag, &field):
        return False
    if is_word(&field, zero) or is_word(&field, one):
        value[0] = is_word(&field, one)
        return True
    snprintf(allowed, sizeof(allowed), b"%s or %s", zero, one)
    refuse_field(asked, tag, allowed)
    return False


cdef bint read_number(Asked* asked, uint32_t tag, int64_t least, int64_t most, int64_t* value) noexcept nogil:
    cdef Fields field
    cdef char allowed[64]
    cdef int64_t number
    if not find(asked, tag, &field):
        return False
    if parse_int(field.value, field.length, &number) and least <= number <= most:
        value[0] = number
        return True
    snprintf(allowed, sizeof(allowed), b"a whole number, %lld to %lld", <long long> least, <long long> most)
    refuse_field(asked, tag, allowed)
    return False


cdef bint read_milliseconds(Asked* asked, uint32_t tag, int64_t most, int64_t* ns) noexcept nogil:
    cdef int64_t ms = 0
    if not read_number(asked, tag, 0, most, &ms):
        return False
    ns[0] = ms * 1000000
    return True


cdef bint read_time(Asked* asked, uint32_t tag, int64_t* ns) noexcept nogil:
    cdef Fields field
    if not find(asked, tag, &field):
        return False
    if parse_timestamp(field.value, field.length, ns):
        return True
    refuse_field(asked, tag, b"a time, UTC, such as 20260105-10:00:00.000")
    return False


cdef bint read_units(Asked* asked, uint32_t tag, int64_t increment, int exponent, const char* allowed,
                     int64_t* units) noexcept nogil:
    cdef Fields field
    cdef int64_t mantissa
    cdef int8_t places
    if not find(asked, tag, &field):
        return False
    if (parse_decimal(field.value, field.length, &mantissa, &places)
            and to_units(mantissa, places, increment, exponent, units) == 0):
        return True
    refuse_field(asked, tag, allowed)
    return False


cdef bint read_price(Asked* asked, uint32_t tag, const Instrument* of, int64_t* ticks) noexcept nogil:
    return read_units(asked, tag, of.price_increment, of.price_exponent, b"a multiple of the price increment", ticks)


cdef bint read_distance(Asked* asked, uint32_t tag, const Instrument* of, int64_t* ticks) noexcept nogil:
    cdef int64_t found
    if not read_price(asked, tag, of, &found):
        return False
    if found < 0:
        refuse_field(asked, tag, b"a multiple of the price increment, not below 0")
        return False
    ticks[0] = found
    return True


cdef bint read_quantity(Asked* asked, uint32_t tag, const Instrument* of, int64_t* lots) noexcept nogil:
    cdef const char* allowed = b"a multiple of the quantity increment, not below 0"
    cdef int64_t found
    if not read_units(asked, tag, of.quantity_increment, of.quantity_exponent, allowed, &found):
        return False
    if found < 0:
        refuse_field(asked, tag, allowed)
        return False
    lots[0] = found
    return True


cdef bint read_notional(Asked* asked, uint32_t tag, const Instrument* of, int64_t* value) noexcept nogil:
    cdef Fields field
    cdef int64_t mantissa
    cdef int8_t places
    if not find(asked, tag, &field):
        return False
    cdef int64_t found = 0
    if parse_decimal(field.value, field.length, &mantissa, &places) and mantissa > 0:
        found = quorumbook_notional(mantissa, places, of.price_increment, of.quantity_increment,
                                    of.price_exponent + of.quantity_exponent, INT64_MAX)
    if found == 0:
        refuse_field(asked, tag, b"an amount above 0: an increment of price times one of quantity, or more")
        return False
    value[0] = found
    return True


cdef bint read_basis_points(Asked* asked, uint32_t tag, uint32_t* value) noexcept nogil:
    cdef int64_t found
    cdef const char* allowed = b"a part, such as 0.05 for 5 %, in steps of 0.0001 up to 100"
    if not read_units(asked, tag, 1, -4, allowed, &found):
        return False
    if not 0 <= found <= MOST_BASIS_POINTS:
        refuse_field(asked, tag, allowed)
        return False
    value[0] = <uint32_t> found
    return True


cdef bint read_increment(Asked* asked, uint32_t tag, int64_t* mantissa, int8_t* exponent) noexcept nogil:
    cdef Fields field
    if not find(asked, tag, &field):
        return False
    if (parse_decimal(field.value, field.length, mantissa, exponent) and 1 <= mantissa[0] <= MAX_INCREMENT
            and exponent[0] >= -MOST_DECIMALS):
        return True
    refuse_field(asked, tag, b"a decimal above 0, at most 10^15, with at most 16 decimals")
    return False


def timestamp(time_ns: int) -> str:
    """A time as a field has it (UTCTimestamp), cut to milliseconds."""
    cdef uint8_t text[32]
    write_timestamp(text, time_ns)
    return text[:21].decode()
