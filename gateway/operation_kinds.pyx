# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; next_field() and next_lifted() keep within the text.
"""The operations that there are, and the fields that each takes. Holds no state, raises nothing.

A field that does not belong is refused, not passed over: who asks for `KILL` with a Symbol (55) means less than would
be done.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf

from gateway.fields cimport fields_of, next_field
from gateway.operation_fields cimport (
    ACCOUNT, BREAKER_AUCTION, BREAKER_HALT, BREAKER_MOVE, DYNAMIC_BAND, HIGH_LIMIT_PRICE, LIFTED, LOW_LIMIT_PRICE,
    MATCH_ALGORITHM, MAX_NOTIONAL, MAX_OPEN_ORDERS, MAX_TRADE_VOL, MIN_TRADE_VOL, NEXT_PHASE, NO_TICK_ROWS, OPERATION,
    OPERATION_ID, PHASE_END, PHASE_TAG, PRICE_DISTANCE, PRICE_INCREMENT, PRICE_PROTECTION, PRO_RATA_MINIMUM,
    QUANTITY_INCREMENT, RANDOM_END, RANDOM_NUMBER, REFERENCE_PRICE, ROUND_LOT, SCHEDULE_NAME, SCHEDULE_STEP,
    SESSION_COMP_ID, SIDE, STATIC_BAND, STOP_TRIGGER, SYMBOL, TEXT, TICK_FROM, TICK_SIZE, TICK_TABLE, TOP_ORDER,
    TRADE_ID, find, has, is_word, next_lifted, refuse, refuse_field,
)
from gateway.reasons cimport MISSING_FIELD, UNEXPECTED_FIELD


cdef OperationKind kind_of(const Fields* name) noexcept nogil:
    if is_word(name, b"PHASE"):
        return SET_PHASE
    if is_word(name, b"INSTRUMENT"):
        return MAKE_INSTRUMENT
    if is_word(name, b"TERMS"):
        return SET_TERMS
    if is_word(name, b"TICKS"):
        return SET_TICKS
    if is_word(name, b"PROTECT"):
        return SET_PROTECTIONS
    if is_word(name, b"DELIST"):
        return DELIST
    if is_word(name, b"KILL"):
        return KILL
    if is_word(name, b"RESTORE"):
        return RESTORE
    if is_word(name, b"CANCEL"):
        return CANCEL_ORDERS
    if is_word(name, b"BUST"):
        return BUST
    return SET_LIMITS if is_word(name, b"LIMITS") else NO_OPERATION


cdef bint is_about_instruments(uint8_t kind) noexcept nogil:
    return kind == SET_PHASE or kind == SET_TERMS or kind == SET_PROTECTIONS or kind == DELIST


cdef bint cancels(uint8_t kind) noexcept nogil:
    return kind == KILL or kind == CANCEL_ORDERS


cdef bint is_term(uint32_t tag) noexcept nogil:
    return tag in (ROUND_LOT, MIN_TRADE_VOL, MAX_TRADE_VOL, LOW_LIMIT_PRICE, HIGH_LIMIT_PRICE, PRICE_PROTECTION,
                   MATCH_ALGORITHM, TOP_ORDER, PRO_RATA_MINIMUM, STOP_TRIGGER, TICK_TABLE, SCHEDULE_NAME)


cdef bint is_protection(uint32_t tag) noexcept nogil:
    return tag in (REFERENCE_PRICE, STATIC_BAND, DYNAMIC_BAND, PRICE_DISTANCE, MAX_NOTIONAL, BREAKER_MOVE,
                   BREAKER_HALT, BREAKER_AUCTION)


cdef bint takes(uint8_t kind, uint32_t tag, bint is_operators) noexcept nogil:
    # Beside OperationID, Operation and Text, which all take.
    if kind == SET_PHASE:
        return (tag in (SYMBOL, SCHEDULE_NAME, PHASE_TAG, PHASE_END, NEXT_PHASE, RANDOM_END, RANDOM_NUMBER)
                or (tag == SCHEDULE_STEP and not is_operators))
    if kind == MAKE_INSTRUMENT:
        return is_term(tag) or tag in (SYMBOL, PRICE_INCREMENT, QUANTITY_INCREMENT, PHASE_TAG)
    if kind == SET_TERMS:
        return is_term(tag) or tag in (SYMBOL, LIFTED)
    if kind == SET_TICKS:
        return tag in (TICK_TABLE, NO_TICK_ROWS, TICK_SIZE, TICK_FROM)
    if kind == SET_PROTECTIONS:
        return is_protection(tag) or tag in (SYMBOL, LIFTED)
    if kind == DELIST:
        return tag == SYMBOL
    if kind == CANCEL_ORDERS:
        return tag in (SESSION_COMP_ID, ACCOUNT, SYMBOL, SIDE, LOW_LIMIT_PRICE, HIGH_LIMIT_PRICE)
    if kind == SET_LIMITS:
        return tag in (SESSION_COMP_ID, MAX_OPEN_ORDERS)
    return tag == (TRADE_ID if kind == BUST else SESSION_COMP_ID)


cdef bint can_lift(uint8_t kind, uint32_t tag) noexcept nogil:
    if kind == SET_TERMS:
        return tag in (MAX_TRADE_VOL, LOW_LIMIT_PRICE, HIGH_LIMIT_PRICE, PRICE_PROTECTION, SCHEDULE_NAME)
    return tag in (STATIC_BAND, DYNAMIC_BAND, PRICE_DISTANCE, MAX_NOTIONAL, BREAKER_MOVE)


cdef void check_lifted(Asked* asked, uint8_t kind) noexcept nogil:
    cdef Fields field
    cdef uint64_t tag
    cdef size_t begin = 0
    if find(asked, LIFTED, &field):
        while next_lifted(&field, &begin, &tag):
            if tag > 99999 or not can_lift(kind, <uint32_t> tag) or has(asked, <uint32_t> tag):
                refuse_field(asked, LIFTED, b"tags of limits that the operation can lift and does not set")


cdef void check_fields(Asked* asked, uint8_t kind, bint is_operators) noexcept nogil:
    cdef Fields field = fields_of(asked.text, asked.size)
    cdef char why[64]
    cdef bint is_empty = kind == SET_TERMS or kind == SET_PROTECTIONS
    while next_field(&field):
        if field.tag in (OPERATION_ID, OPERATION, TEXT):
            continue
        if not takes(kind, field.tag, is_operators):
            snprintf(why, sizeof(why), b"this operation takes no field %u", <unsigned int> field.tag)
            refuse(asked, UNEXPECTED_FIELD, why)
        is_empty = is_empty and field.tag == SYMBOL
    check_lifted(asked, kind)
    if is_empty:
        refuse(asked, MISSING_FIELD, b"this operation needs something to change")
