# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; every read is behind a comparison with the end of the text.
"""The fields of an order that travel as text -> the engine's command. Holds no state.

The edge has judged their types by its dictionary; what is no value all the same is refused as the engine refuses such a
term. Runs without the GIL.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t, INT64_MIN, UINT32_MAX
from libc.string cimport memcpy

from engine.types cimport (
    ALL_OR_NONE, AT_CLOSE, AT_OPEN, DAY, EXTENDED, FOK, GOOD_FOR_AUCTION, GTC, GTD, HIDDEN, INVALID_DISPLAY,
    INVALID_EXPIRY, INVALID_FILTER, INVALID_MINIMUM, INVALID_OFFSET, INVALID_PEG, INVALID_POST_ONLY,
    INVALID_SELF_MATCH, INVALID_STOP_PRICE, IOC, LIMIT, MARKET, MARKET_PEG, MARKET_TO_LIMIT, MID_PEG, PEGGED, POST_ONLY,
    POST_ONLY_SLIDE, PRIMARY_PEG, STOP, STOP_LIMIT, TRAILING_STOP,
)
from gateway.executions cimport to_units
from gateway.fix_values cimport SOH, parse_date, parse_decimal, parse_timestamp, parse_uint
from gateway.reasons cimport TERM_OFF_INCREMENT, TERM_OUT_OF_RANGE, UNSUPPORTED_FIELD

cdef int64_t EMPTY = INT64_MIN
cdef int64_t DAY_NS = <int64_t> 86400 * 1000000000

cdef enum:
    EXEC_INST = 18
    STOP_PX = 99
    MIN_QTY = 110
    MAX_FLOOR = 111
    EXPIRE_TIME = 126
    PEG_OFFSET = 211
    EXPIRE_DATE = 432
    PARTIES = 453
    LOW_LIMIT_PRICE = 20009
    HIGH_LIMIT_PRICE = 20010
    SELF_MATCH_GROUP = 20012
    SELF_MATCH_MODE = 20013
    POST_ONLY_MODE = 20014

cdef struct Field:
    uint32_t tag                # of the field that was found last
    const uint8_t* value
    size_t length
    const uint8_t* at           # the next field
    const uint8_t* end


cdef Field _fields_of(const uint8_t* text, size_t length) noexcept nogil:
    cdef Field field
    field.tag = 0
    field.value = field.at = text
    field.length = 0
    field.end = text + length
    return field


cdef bint _next(Field* field) noexcept nogil:
    # Fields have separators between them, and none behind the last.
    cdef const uint8_t* at = field.at
    cdef uint32_t tag = 0
    if at == field.end:
        return False
    while at < field.end and at[0] != c'=':
        tag = tag * 10 + at[0] - c'0'
        at += 1
    if at < field.end:
        at += 1
    field.tag = tag
    field.value = at
    while at < field.end and at[0] != SOH:
        at += 1
    field.length = <size_t> (at - field.value)
    field.at = at + 1 if at < field.end else at
    return True


cdef bint _find(const uint8_t* text, size_t length, uint32_t tag, Field* found) noexcept nogil:
    found[0] = _fields_of(text, length)
    while _next(found):
        if found.tag == tag:
            return True
    return False


cdef uint8_t engine_order_type(uint8_t ord_type, uint32_t rules) noexcept nogil:
    if ord_type == c'2':
        return LIMIT
    if ord_type == c'1':
        return MARKET
    if rules < 3:
        return 0
    if ord_type == c'3':
        return STOP
    if ord_type == c'4':
        return STOP_LIMIT
    if ord_type == c'K':
        return MARKET_TO_LIMIT
    return PEGGED if ord_type == c'P' else 0


cdef uint8_t engine_time_in_force(uint8_t time_in_force, uint32_t rules) noexcept nogil:
    if time_in_force == 0 or time_in_force == c'0':
        return DAY
    if time_in_force == c'1':
        return GTC
    if time_in_force == c'3':
        return IOC
    if time_in_force == c'4':
        return FOK
    if rules < 3:
        return 255
    if time_in_force == c'2':
        return AT_OPEN
    if time_in_force == c'6':
        return GTD
    if time_in_force == c'7':
        return AT_CLOSE
    return GOOD_FOR_AUCTION if time_in_force == c'B' else 255


cdef void no_terms(Command* command) noexcept nogil:
    command.flags |= EXTENDED
    command.stop_price_ticks = EMPTY
    command.peg_limit_ticks = EMPTY


cdef int read_terms(const uint8_t* text, size_t length, const Instrument* instrument, Command* command) noexcept nogil:
    cdef Field field = _fields_of(text, length)
    cdef bint slides = False, has_mode = False, has_expiry = False
    cdef int reason = 0
    while reason == 0 and _next(&field):
        if field.tag == EXEC_INST:
            reason = _exec_inst(&field, command)
        elif field.tag == STOP_PX:
            reason = _price(&field, instrument, INVALID_STOP_PRICE, &command.stop_price_ticks)
        elif field.tag == PEG_OFFSET:
            reason = _price(&field, instrument, INVALID_OFFSET, &command.offset_ticks)
        elif field.tag == MIN_QTY:
            reason = _quantity(&field, instrument, INVALID_MINIMUM, &command.min_quantity_lots)
            if reason == 0 and command.min_quantity_lots == 0:      # the engine's word for none
                reason = INVALID_MINIMUM
        elif field.tag == MAX_FLOOR:
            reason = _quantity(&field, instrument, INVALID_DISPLAY, &command.display_lots)
            if command.display_lots == 0:
                command.flags |= HIDDEN
        elif field.tag == EXPIRE_TIME or field.tag == EXPIRE_DATE:
            reason = INVALID_EXPIRY if has_expiry else _expiry(&field, command)
            has_expiry = True
        elif field.tag == SELF_MATCH_GROUP or field.tag == SELF_MATCH_MODE:
            reason = _self_match(&field, command)
        elif field.tag == POST_ONLY_MODE:
            has_mode = True
            slides = field.length == 1 and field.value[0] == c'S'
            if not slides and (field.length != 1 or field.value[0] != c'R'):
                reason = INVALID_POST_ONLY
    if has_mode and reason == 0 and not command.flags & POST_ONLY:
        return INVALID_POST_ONLY
    if slides:
        command.flags = (command.flags & ~POST_ONLY) | POST_ONLY_SLIDE
    return reason


cdef int _exec_inst(const Field* field, Command* command) noexcept nogil:
    # Characters with a space between them; some say what goes without saying.
    cdef size_t i
    cdef uint8_t one
    for i in range(field.length):
        one = field.value[i]
        if i % 2:
            if one != c' ':
                return UNSUPPORTED_FIELD
        elif one == c'6':
            command.flags |= POST_ONLY
        elif one == c'G':
            command.flags |= ALL_OR_NONE
        elif one == c'R' or one == c'P' or one == c'M':
            if command.peg_kind:
                return INVALID_PEG
            command.peg_kind = PRIMARY_PEG if one == c'R' else MARKET_PEG if one == c'P' else MID_PEG
        elif one == c'a':
            if command.order_type != PEGGED and command.order_type != TRAILING_STOP:
                return INVALID_PEG
            command.order_type = TRAILING_STOP
        elif one != c'1' and one != c'2' and one != c'4' and one != c'5':
            return UNSUPPORTED_FIELD
    return 0


cdef int _in_units(const Field* field, int64_t increment, int increment_exponent, int invalid,
                   int64_t* units) noexcept nogil:
    cdef int64_t mantissa = 0
    cdef int8_t exponent = 0
    cdef int failed
    if not parse_decimal(field.value, field.length, &mantissa, &exponent):
        return invalid
    failed = to_units(mantissa, exponent, increment, increment_exponent, units)
    return 0 if failed == 0 else TERM_OFF_INCREMENT if failed == 1 else TERM_OUT_OF_RANGE


cdef int _price(const Field* field, const Instrument* instrument, int invalid, int64_t* ticks) noexcept nogil:
    return _in_units(field, instrument.price_increment, instrument.price_exponent, invalid, ticks)


cdef int _quantity(const Field* field, const Instrument* instrument, int invalid, int64_t* lots) noexcept nogil:
    return _in_units(field, instrument.quantity_increment, instrument.quantity_exponent, invalid, lots)


cdef int _expiry(const Field* field, Command* command) noexcept nogil:
    # A date lasts to its end.
    cdef int64_t days = 0
    if field.tag == EXPIRE_TIME:
        return 0 if parse_timestamp(field.value, field.length, &command.expire_ns) else INVALID_EXPIRY
    if field.length != 8 or not parse_date(field.value, &days):
        return INVALID_EXPIRY
    command.expire_ns = (days + 1) * DAY_NS
    return 0


cdef int _self_match(const Field* field, Command* command) noexcept nogil:
    cdef uint64_t number = 0
    if not parse_uint(field.value, field.length, &number):
        return INVALID_SELF_MATCH
    if number > (UINT32_MAX if field.tag == SELF_MATCH_GROUP else 255):
        return INVALID_SELF_MATCH
    if field.tag == SELF_MATCH_GROUP:
        command.self_match_group = <uint32_t> number
    else:
        command.self_match_mode = <uint8_t> number
    return 0


cdef uint32_t missing_term(uint8_t ord_type, uint8_t time_in_force, bint has_price, const uint8_t* text,
                           size_t length) noexcept nogil:
    cdef Field field
    if ord_type == c'4' and not has_price:
        return 44
    if (ord_type == c'3' or ord_type == c'4') and not _find(text, length, STOP_PX, &field):
        return STOP_PX
    if time_in_force == c'6' and not _find(text, length, EXPIRE_TIME, &field) and (
            not _find(text, length, EXPIRE_DATE, &field)):
        return EXPIRE_TIME
    return 0


cdef bint _is_for_life(uint32_t tag) noexcept nogil:
    return tag == EXEC_INST or tag == MIN_QTY or SELF_MATCH_GROUP <= tag <= POST_ONLY_MODE


cdef bint read_range(const uint8_t* text, size_t length, const Instrument* instrument, int64_t* low,
                     int64_t* high) noexcept nogil:
    cdef Field field
    low[0] = high[0] = EMPTY
    if _find(text, length, LOW_LIMIT_PRICE, &field) and _price(&field, instrument, INVALID_FILTER, low):
        return False
    if _find(text, length, HIGH_LIMIT_PRICE, &field) and _price(&field, instrument, INVALID_FILTER, high):
        return False
    return low[0] <= high[0] or high[0] == EMPTY


cdef bint changes_for_life(const uint8_t* own, size_t own_length, const uint8_t* given,
                           size_t given_length) noexcept nogil:
    cdef Field field = _fields_of(given, given_length), known
    cdef size_t i
    cdef bint is_hidden, was_there
    while _next(&field):
        if field.tag != MAX_FLOOR and not _is_for_life(field.tag):
            continue
        was_there = _find(own, own_length, field.tag, &known)
        if field.tag == MAX_FLOOR:      # hidden or not is for life, how much is shown is not
            is_hidden = _is_zero(&field)
            if is_hidden != (was_there and _is_zero(&known)):
                return True
            continue
        if not was_there or known.length != field.length:
            return True
        for i in range(field.length):
            if known.value[i] != field.value[i]:
                return True
    return False


cdef bint _is_zero(const Field* field) noexcept nogil:
    cdef int64_t mantissa = 1
    cdef int8_t exponent = 0
    return parse_decimal(field.value, field.length, &mantissa, &exponent) and mantissa == 0


cdef bint _is_term(uint32_t tag) noexcept nogil:
    # Or else a field of the parties, which a dictionary may have added to.
    return (tag == EXEC_INST or tag == STOP_PX or tag == MIN_QTY or tag == MAX_FLOOR or tag == EXPIRE_TIME
            or tag == PEG_OFFSET or tag == EXPIRE_DATE or SELF_MATCH_GROUP <= tag <= POST_ONLY_MODE)


cdef bint _is_restated(uint32_t tag, const uint8_t* given, size_t length, bint expires) noexcept nogil:
    cdef Field field
    if not _is_term(tag):
        return _find(given, length, PARTIES, &field)
    if tag == EXPIRE_TIME or tag == EXPIRE_DATE:
        return not expires or _find(given, length, EXPIRE_TIME, &field) or _find(given, length, EXPIRE_DATE, &field)
    return _find(given, length, tag, &field)


cdef size_t _joined(uint8_t* out, size_t length, const uint8_t* text, size_t size) noexcept nogil:
    # More behind what is there, with a separator between them. Returns the length.
    if length and size:
        out[length] = SOH
        length += 1
    memcpy(out + length, text, size)
    return length + size


cdef size_t merge_terms(const uint8_t* own, size_t own_length, const uint8_t* given, size_t given_length,
                        bint expires, uint8_t* merged) noexcept nogil:
    cdef Field field = _fields_of(own, own_length)
    cdef const uint8_t* begin = field.at
    cdef size_t length = 0
    while _next(&field):
        if not _is_restated(field.tag, given, given_length, expires):
            length = _joined(merged, length, begin, <size_t> (field.value + field.length - begin))
        begin = field.at
    return _joined(merged, length, given, given_length)


cdef size_t without_terms(const uint8_t* text, size_t length, uint8_t* parties) noexcept nogil:
    cdef Field field = _fields_of(text, length)
    cdef const uint8_t* begin = field.at
    cdef size_t kept = 0
    while _next(&field):
        if not _is_term(field.tag):
            kept = _joined(parties, kept, begin, <size_t> (field.value + field.length - begin))
        begin = field.at
    return kept
