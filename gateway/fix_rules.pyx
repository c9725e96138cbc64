# cython: boundscheck=False, wraparound=False, cdivision=True
"""The scanner's tables, made from `gateway.fix44` at import; judges single values and words the verdicts.

Holds `rules`, written only while this module is imported (ValueError then: the tables are too small), so
any number of threads may read it. The C functions need no GIL and cannot raise. boundscheck and wraparound
are off: callers index with tags below TAGS, `_load` checks that everything fits.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from gateway.fix_values cimport (parse_date, parse_decimal, parse_int, parse_time_of_day, parse_timestamp,
                                 parse_uint, write_uint)
from gateway.records cimport (MSG_BUSINESS_REJECT, MSG_CANCEL_REQUEST, MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT,
                              MSG_MASS_CANCEL_REQUEST, MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER, MSG_OTHER,
                              MSG_REJECT, MSG_REPLACE_REQUEST, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET,
                              MSG_STATUS_REQUEST, MSG_TEST_REQUEST, NOT_REJECTED, OrderBody, SessionBody)

from gateway.fix44 import FIX44

cdef dict KINDS = {
    "STRING": KIND_STRING, "EXCHANGE": KIND_STRING, "CHAR": KIND_CHAR, "INT": KIND_INT, "LENGTH": KIND_LENGTH,
    "SEQNUM": KIND_SEQNUM, "NUMINGROUP": KIND_COUNT, "PRICE": KIND_DECIMAL, "QTY": KIND_DECIMAL,
    "AMT": KIND_DECIMAL, "FLOAT": KIND_DECIMAL, "PERCENTAGE": KIND_DECIMAL, "PRICEOFFSET": KIND_DECIMAL,
    "BOOLEAN": KIND_BOOLEAN, "UTCTIMESTAMP": KIND_TIMESTAMP, "UTCTIMEONLY": KIND_TIME, "UTCDATEONLY":
    KIND_DATE,
    "LOCALMKTDATE": KIND_DATE, "MONTHYEAR": KIND_MONTH, "CURRENCY": KIND_CURRENCY, "COUNTRY": KIND_COUNTRY,
    "MULTIPLEVALUESTRING": KIND_VALUES, "DATA": KIND_DATA,
}

cdef dict MESSAGES = {      # MsgType: MessageType, size of its body, whether that is an OrderBody
    "0": (MSG_HEARTBEAT, 0, False),
    "1": (MSG_TEST_REQUEST, 0, False),
    "2": (MSG_RESEND_REQUEST, sizeof(SessionBody), False),
    "3": (MSG_REJECT, 0, False),
    "4": (MSG_SEQUENCE_RESET, sizeof(SessionBody), False),
    "5": (MSG_LOGOUT, 0, False),
    "A": (MSG_LOGON, sizeof(SessionBody), False),
    "D": (MSG_NEW_ORDER, sizeof(OrderBody), True),
    "F": (MSG_CANCEL_REQUEST, sizeof(OrderBody), True),
    "G": (MSG_REPLACE_REQUEST, sizeof(OrderBody), True),
    "H": (MSG_STATUS_REQUEST, sizeof(OrderBody), True),
    "j": (MSG_BUSINESS_REJECT, 0, False),
    "q": (MSG_MASS_CANCEL_REQUEST, sizeof(OrderBody), True),
    "AF": (MSG_MASS_STATUS_REQUEST, sizeof(OrderBody), True),
}

cdef dict HEADER_ACTIONS = {
    49: TAKE_SENDER, 56: TAKE_TARGET, 34: TAKE_SEQ_NUM, 52: TAKE_SENDING_TIME, 122: TAKE_ORIG_SENDING_TIME,
    43: TAKE_POSS_DUP, 97: TAKE_POSS_RESEND,
}

cdef dict SESSION_ACTIONS = {
    "0": {112: TAKE_TEST_REQ_ID},
    "1": {112: TAKE_TEST_REQ_ID},
    "2": {7: TAKE_BEGIN, 16: TAKE_END},
    "3": {},
    "4": {36: TAKE_BEGIN, 123: TAKE_GAP_FILL},
    "5": {58: TAKE_TEXT},
    "A": {98: TAKE_ENCRYPT, 108: TAKE_HEARTBEAT, 141: TAKE_RESET},
    "j": {},
}

cdef dict ORDER_ACTIONS = {
    11: TAKE_CL_ORD_ID, 584: TAKE_CL_ORD_ID, 41: TAKE_ORIG_CL_ORD_ID, 790: TAKE_ORIG_CL_ORD_ID, 1: TAKE_ACCOUNT,
    55: TAKE_SYMBOL,
    54: TAKE_SIDE, 40: TAKE_ORD_TYPE, 59: TAKE_TIME_IN_FORCE, 18: TAKE_EXEC_INST, 44: TAKE_PRICE,
    38: TAKE_QUANTITY, 37: TAKE_ORDER_ID, 530: TAKE_REQUEST_TYPE, 585: TAKE_REQUEST_TYPE,
    423: ONLY_UNITS, 854: ONLY_UNITS,
}


cdef object _load(dictionary):
    """Fills the tables; raises ValueError when they are too small for the dictionary."""
    cdef int tag, slot
    if (len(dictionary.messages) >= SLOTS or len(dictionary.groups) >= GROUPS
            or max(dictionary.defined) >= TAGS
            or sum(len(group.members) for group in dictionary.groups.values()) > MEMBERS):
        raise ValueError("the dictionary is larger than the tables of gateway/fix.pyx")
    for tag in dictionary.defined:
        rules.kinds[tag] = KIND_STRING
    numbers = {}
    for tag, field in dictionary.fields.items():
        rules.kinds[tag] = KINDS[field.type]
        _name(tag, field.name.encode())
        if field.values:
            rules.sets[tag] = numbers.setdefault(field.values, len(numbers) + 1)
    _load_values(numbers)
    _load_groups(dictionary)
    for length, data in dictionary.lengths.items():
        rules.data_of[length] = data
    for tag in dictionary.defined:
        rules.actions[0][tag] = BODY | SKIP
    _load_part(0, dictionary.header, HEADER, dictionary, HEADER_ACTIONS)
    _load_part(0, dictionary.trailer, TRAILER, dictionary, {})
    rules.served[0].msg_type = MSG_OTHER
    for slot, (name, layout) in enumerate(dictionary.messages.items(), 1):
        rules.served[slot].msg_type, rules.served[slot].body_size, rules.served[slot].orders = MESSAGES[name]
        if len(name) == 1:
            rules.slots[ord(name)] = slot
        else:
            rules.slot_of_mass_status = slot
        _load_part(slot, layout, BODY, dictionary, SESSION_ACTIONS.get(name, ORDER_ACTIONS))
        _load_part(slot, dictionary.header, HEADER, dictionary, HEADER_ACTIONS)
        _load_part(slot, dictionary.trailer, TRAILER, dictionary, {})
    for name in dictionary.message_types:
        if len(name) == 1:
            rules.known_types[ord(name) >> 6] |= <uint64_t>1 << (ord(name) & 63)
        else:
            rules.known_pairs[ord(name[0]) - 65] |= <uint32_t>1 << (ord(name[1]) - 65)


cdef object _name(int tag, bytes name):
    cdef const char* text = name
    memcpy(rules.names[tag], text, min(len(name), 31))


cdef object _load_values(numbers):
    cdef int used = 0, number
    for values, number in numbers.items():
        if number >= SETS:
            raise ValueError("more lists of values than the tables of gateway/fix.pyx hold")
        rules.value_sets[number].first = used
        for value in values:
            if len(value) == 1:
                rules.value_sets[number].characters[ord(value) >> 6] |= <uint64_t>1 << (ord(value) & 63)
                continue
            rules.value_sets[number].count += 1
            for byte in bytes([len(value)]) + value.encode():
                rules.words[used] = byte
                used += 1


cdef object _load_groups(dictionary):
    cdef int used = 0, number, tag
    for number, group in enumerate(dictionary.groups.values(), 1):
        rules.groups[number].counter = group.counter
        rules.groups[number].first = used
        rules.groups[number].count = len(group.members)
        rules.group_of[group.counter] = number
        for tag in group.members:
            rules.members[used] = tag
            used += 1


cdef object _load_part(int slot, layout, int section, dictionary, actions):
    cdef int tag
    for tag in layout.tags:
        action = actions.get(tag, JUDGE)
        if tag in dictionary.groups:
            action = GROUP
        elif tag in dictionary.lengths:
            action = LENGTH
        elif rules.kinds[tag] == KIND_DATA:
            action = DATA
        elif section == BODY and rules.served[slot].orders and tag in dictionary.unserved:
            action = UNSERVED
        rules.actions[slot][tag] = section | action
    for tag in layout.required:
        rules.served[slot].required[tag >> 6] |= <uint64_t>1 << (tag & 63)


_load(FIX44)

# ---------------------------------------------------------------- judging values

cdef uint8_t judge_value(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    cdef uint8_t kind = rules.kinds[tag]
    cdef const ValueSet* allowed = &rules.value_sets[rules.sets[tag]]
    cdef int64_t number
    cdef uint64_t count = 0
    cdef int8_t exponent
    cdef bint good = True
    if kind == KIND_CHAR:
        good = length == 1
    elif kind == KIND_INT:
        good = parse_int(value, length, &number)
    elif kind == KIND_LENGTH or kind == KIND_SEQNUM:
        good = parse_uint(value, length, &count)
    elif kind == KIND_COUNT:
        good = parse_uint(value, length, &count)
        if good and count == 0:
            return INCORRECT_VALUE
    elif kind == KIND_DECIMAL:
        good = parse_decimal(value, length, &number, &exponent)
    elif kind == KIND_BOOLEAN:
        good = length == 1 and (value[0] == 89 or value[0] == 78)
    elif kind == KIND_TIMESTAMP:
        good = parse_timestamp(value, length, &number)
    elif kind == KIND_TIME:
        good = parse_time_of_day(value, length, &number)
    elif kind == KIND_DATE:
        good = length == 8 and parse_date(value, &number)
    elif kind == KIND_MONTH:
        good = is_month(value, length)
    elif kind == KIND_CURRENCY:
        good = length == 3 and are_capitals(value, length)
    elif kind == KIND_COUNTRY:
        good = length == 2 and are_capitals(value, length)
    elif kind == KIND_VALUES:
        return judge_values(allowed if rules.sets[tag] else NULL, value, length)
    if not good:
        return INCORRECT_FORMAT
    if rules.sets[tag] and not in_set(allowed, value, length):
        return INCORRECT_VALUE
    return NOT_REJECTED


cdef bint in_set(const ValueSet* allowed, const uint8_t* value, size_t length) noexcept nogil:
    cdef const uint8_t* word = rules.words + allowed.first
    cdef int _
    if length == 1:
        return value[0] < 128 and (allowed.characters[value[0] >> 6] >> (value[0] & 63)) & 1
    for _ in range(allowed.count):
        if word[0] == length and memcmp(word + 1, value, length) == 0:
            return True
        word += 1 + word[0]
    return False


cdef uint8_t judge_values(const ValueSet* allowed, const uint8_t* value, size_t length) noexcept nogil:
    """Single characters of the list (NULL = any), with single spaces between them."""
    cdef size_t i
    if length & 1 == 0:
        return INCORRECT_FORMAT
    for i in range(1, length, 2):
        if value[i] != 32:
            return INCORRECT_FORMAT
    for i in range(0, length, 2):
        if allowed != NULL and not in_set(allowed, value + i, 1):
            return INCORRECT_VALUE
    return NOT_REJECTED


cdef bint are_capitals(const uint8_t* value, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if value[i] < 65 or value[i] > 90:
            return False
    return True


cdef bint is_month(const uint8_t* value, size_t length) noexcept nogil:
    """YYYYMM, YYYYMMDD or YYYYMMw1 to w5."""
    cdef uint64_t number, month
    if not ((length == 6 or length == 8) and parse_uint(value, 6, &number)):
        return False
    month = number % 100
    if month < 1 or month > 12:
        return False
    if length == 6:
        return True
    if value[6] == 119:
        return value[7] >= 49 and value[7] <= 53
    return parse_uint(value + 6, 2, &number) and number >= 1 and number <= 31

# ---------------------------------------------------------------- words for people

cdef size_t describe(uint8_t verdict, uint32_t tag, const char* detail, char* text) noexcept nogil:
    cdef const char* reason = detail if detail != NULL else reason_text(verdict)
    cdef const char* name = b""
    cdef uint8_t number[32]
    cdef size_t used = 0
    if tag < TAGS:
        name = rules.names[tag]
    used = append(text, used, reason, 80)
    if tag:
        write_uint(number, tag)[0] = 0
        used = append(text, used, b": ", 2)
        used = append(text, used, name, 31)
        used = append(text, used, b" (" if name[0] else b"tag (", 5)
        used = append(text, used, <const char*>number, 8)
        used = append(text, used, b")", 1)
    return used


cdef size_t append(char* text, size_t used, const char* more, size_t limit) noexcept nogil:
    cdef size_t i = 0
    while i < limit and more[i] != 0:
        text[used] = more[i]
        used += 1
        i += 1
    return used


cdef const char* reason_text(uint8_t verdict) noexcept nogil:
    if verdict == INVALID_TAG:
        return b"Invalid tag number"
    if verdict == MISSING_TAG:
        return b"Required tag missing"
    if verdict == NOT_IN_MESSAGE:
        return b"Tag not defined for this message type"
    if verdict == UNDEFINED_TAG:
        return b"Undefined tag"
    if verdict == NO_VALUE:
        return b"Tag specified without a value"
    if verdict == INCORRECT_VALUE:
        return b"Value is incorrect (out of range) for this tag"
    if verdict == INCORRECT_FORMAT:
        return b"Incorrect data format for value"
    if verdict == INVALID_MSG_TYPE:
        return b"Invalid MsgType"
    if verdict == REPEATED_TAG:
        return b"Tag appears more than once"
    if verdict == OUT_OF_ORDER:
        return b"Tag specified out of required order"
    if verdict == GROUP_OUT_OF_ORDER:
        return b"Repeating group fields out of order"
    return b"Incorrect NumInGroup count for repeating group"
