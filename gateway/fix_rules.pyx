# cython: boundscheck=False, wraparound=False, cdivision=True
"""The scanner's tables, made of a dictionary; judges single values and words the verdicts.

Holds `rules`: those of `gateway.fix44` from the import on, or of the dictionary that `load` was given. They
are written only by `load`, before anything is scanned, so any number of threads may read them. The C
functions need no GIL and cannot raise. boundscheck and wraparound are off: callers index with places, and
`_check` makes sure that everything fits before anything is written.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from gateway.fix_values cimport (parse_date, parse_decimal, parse_int, parse_time_of_day, parse_timestamp,
                                 parse_uint, write_uint)
from gateway.records cimport (MSG_BUSINESS_REJECT, MSG_CANCEL_REQUEST, MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT,
                              MSG_MASS_CANCEL_REQUEST, MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER, MSG_OTHER,
                              MSG_REJECT, MSG_REPLACE_REQUEST, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET,
                              MSG_STATUS_REQUEST, MSG_TEST_REQUEST, NOT_REJECTED, OrderBody, SessionBody)

from gateway.dictionary import DictionaryError
from gateway.fix44 import FIX44

cdef dict KINDS = {
    "STRING": KIND_STRING, "EXCHANGE": KIND_STRING, "LANGUAGE": KIND_STRING, "XID": KIND_STRING,
    "XIDREF": KIND_STRING, "LOCALMKTTIME": KIND_STRING, "TZTIMEONLY": KIND_STRING, "TZTIMESTAMP": KIND_STRING,
    "CHAR": KIND_CHAR, "INT": KIND_INT, "LENGTH": KIND_LENGTH, "TAGNUM": KIND_LENGTH, "SEQNUM": KIND_SEQNUM,
    "NUMINGROUP": KIND_COUNT, "DAYOFMONTH": KIND_DAY, "PRICE": KIND_DECIMAL, "QTY": KIND_DECIMAL,
    "AMT": KIND_DECIMAL, "FLOAT": KIND_DECIMAL, "PERCENTAGE": KIND_DECIMAL, "PRICEOFFSET": KIND_DECIMAL,
    "BOOLEAN": KIND_BOOLEAN, "UTCTIMESTAMP": KIND_TIMESTAMP, "TIME": KIND_TIMESTAMP, "UTCTIMEONLY": KIND_TIME,
    "UTCDATEONLY": KIND_DATE, "UTCDATE": KIND_DATE, "LOCALMKTDATE": KIND_DATE, "DATE": KIND_DATE,
    "MONTHYEAR": KIND_MONTH, "CURRENCY": KIND_CURRENCY, "COUNTRY": KIND_COUNTRY,
    "MULTIPLEVALUESTRING": KIND_VALUES, "MULTIPLECHARVALUE": KIND_VALUES, "MULTIPLESTRINGVALUE": KIND_WORDS,
    "DATA": KIND_DATA, "XMLDATA": KIND_DATA,
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
    115: TAKE_ROUTE, 116: TAKE_ROUTE, 144: TAKE_ROUTE, 128: TAKE_ROUTE, 129: TAKE_ROUTE, 145: TAKE_ROUTE,
}

cdef dict SESSION_ACTIONS = {
    "0": {112: TAKE_TEST_REQ_ID},
    "1": {112: TAKE_TEST_REQ_ID},
    "2": {7: TAKE_BEGIN, 16: TAKE_END},
    "3": {},
    "4": {36: TAKE_BEGIN, 123: TAKE_GAP_FILL},
    "5": {58: TAKE_TEXT},
    "A": {98: TAKE_ENCRYPT, 108: TAKE_HEARTBEAT, 141: TAKE_RESET, 20003: TAKE_CANCEL_ON_DISCONNECT,
          383: TAKE_MAX_SIZE, 464: NO_TESTS, 20004: TAKE_GRACE, 20006: TAKE_START_INPUT},
    "j": {},
}

cdef dict ORDER_ACTIONS = {
    11: TAKE_CL_ORD_ID, 584: TAKE_CL_ORD_ID, 41: TAKE_ORIG_CL_ORD_ID, 790: TAKE_ORIG_CL_ORD_ID, 1: TAKE_ACCOUNT,
    55: TAKE_SYMBOL,
    54: TAKE_SIDE, 40: TAKE_ORD_TYPE, 59: TAKE_TIME_IN_FORCE, 18: TAKE_EXEC_INST, 44: TAKE_PRICE,
    38: TAKE_QUANTITY, 37: TAKE_ORDER_ID, 530: TAKE_REQUEST_TYPE, 585: TAKE_REQUEST_TYPE,
    423: ONLY_UNITS, 854: ONLY_UNITS,
}

cdef dict TERM_ACTIONS = ORDER_ACTIONS | {      # of D and G
    99: TAKE_TERM, 110: TAKE_TERM, 111: TAKE_TERM, 126: TAKE_TERM, 211: TAKE_TERM, 432: TAKE_TERM,
    20012: TAKE_SELF_MATCH_GROUP, 20013: TAKE_TERM, 20014: TAKE_TERM,
}

cdef dict MASS_CANCEL_ACTIONS = ORDER_ACTIONS | {20009: TAKE_TERM, 20010: TAKE_TERM}

# Messages that an exchange acts on and whose bodies it reads as text.
cdef frozenset REQUESTS = frozenset({"AD", "UQ", "V", "e", "g", "x"})

# Tags whose values the exchange acts on: it reads them as FIX 4.4 has them, whatever a dictionary says.
cdef frozenset READ = frozenset(HEADER_ACTIONS).union(TERM_ACTIONS, MASS_CANCEL_ACTIONS, *SESSION_ACTIONS.values())


def load(dictionary, bint echo = False):
    """Puts the tables of a dictionary in the place of those that were there; nothing is scanned meanwhile.

    echo: no message is an order, every application message is carried as text; private tags are those that the
    dictionary has; a session may be one of tests, and a message for somebody else.
    Raises DictionaryError, and changes nothing, when they do not hold it or a field that the exchange acts on
    is of another type.
    """
    cdef int slot, used = 0
    places = _places(dictionary)
    sets = _value_sets(dictionary)
    groups = _groups(dictionary)
    _check(dictionary, places, sets, groups)
    memset(&rules, 0, sizeof(Rules))
    _load_fields(dictionary, places, sets)
    _load_values(sets)
    _load_groups(groups, places)
    _load_types(dictionary)
    rules.served[0].msg_type = MSG_OTHER
    rules.served[0].carried = echo
    rules.echo = echo
    for place in places.values():
        rules.actions[0][<int>place] = BODY | SKIP
    _load_part(0, dictionary.header, HEADER, dictionary, HEADER_ACTIONS, places)
    _load_part(0, dictionary.trailer, TRAILER, dictionary, {}, places)
    used = _load_message_groups(0, (dictionary.header, dictionary.trailer), groups, used)
    for slot, (kind, message) in enumerate(dictionary.messages.items(), 1):
        served = MESSAGES.get(kind, (MSG_OTHER, 0, False))
        if echo and kind not in SESSION_ACTIONS:
            served = (MSG_OTHER, 0, False)
        rules.served[slot].msg_type, rules.served[slot].body_size, rules.served[slot].orders = served
        rules.served[slot].carried = kind in REQUESTS or (echo and kind not in SESSION_ACTIONS)
        actions = SESSION_ACTIONS.get(kind, {})
        if rules.served[slot].orders:
            actions = TERM_ACTIONS if kind in ("D", "G") else MASS_CANCEL_ACTIONS if kind == "q" else ORDER_ACTIONS
        _load_part(slot, message.body, BODY, dictionary, actions, places)
        _load_part(slot, dictionary.header, HEADER, dictionary, HEADER_ACTIONS, places)
        _load_part(slot, dictionary.trailer, TRAILER, dictionary, {}, places)
        used = _load_message_groups(slot, (message.body, dictionary.header, dictionary.trailer), groups, used)


cdef dict _places(dictionary):
    """Tag -> its place in the tables."""
    places = {tag: tag for tag in dictionary.defined if tag < TAGS}
    others = sorted(tag for tag in dictionary.defined if tag >= TAGS)
    places.update((tag, TAGS + number) for number, tag in enumerate(others))
    return places


cdef tuple _values(dictionary, field):
    """The only ones allowed; none: any. Of a field that the exchange acts on there always are those of FIX 4.4."""
    values = tuple(field.values) if field.closed else ()
    if not values and field.tag in READ:
        values = tuple(FIX44.fields[field.tag].values)
    return values


cdef dict _value_sets(dictionary):
    """Lists of values -> their numbers."""
    sets = {}
    for field in dictionary.fields.values():
        if values := _values(dictionary, field):
            sets.setdefault(values, len(sets) + 1)
    return sets


cdef dict _groups(dictionary):
    """Every group that is another, however deep it lies -> its number."""
    groups = {}
    layouts = [dictionary.header, dictionary.trailer, *(message.body for message in dictionary.messages.values())]
    for layout in layouts:      # grows: what is found is looked into
        for group in layout.groups:
            if group not in groups:
                groups[group] = len(groups) + 1
                layouts.append(group.members)
    return groups


cdef object _check(dictionary, places, sets, groups):
    """That it fits: sizes, and the types of what the exchange acts on."""
    layouts = [message.body for message in dictionary.messages.values()]
    of_messages = sum(len(layout.groups) for layout in layouts)
    of_messages += (len(layouts) + 1) * (len(dictionary.header.groups) + len(dictionary.trailer.groups))
    words = sum(1 + len(value) for values in sets for value in values if len(value) > 1)
    for what, count, most in (
        ("messages", len(dictionary.messages), SLOTS - 1),
        ("message types", len(dictionary.message_types), TYPE_HASHES // 2),
        (f"fields of {TAGS} and above", sum(tag >= TAGS for tag in places), PLACES - TAGS),
        ("lists of values", len(sets), SETS - 1),
        ("bytes of values", words, WORDS),
        ("groups", len(groups), GROUPS - 1),
        ("groups of messages", of_messages, MESSAGE_GROUPS),
        ("fields in groups", sum(len(group.members.tags) for group in groups), MEMBERS),
        ("fields in one group", max([len(group.members.tags) for group in groups], default=0), 64 * MEMBER_BITS),
    ):
        if count > most:
            raise DictionaryError(f"it has {count} {what}; at most {most} are served")
    for tag in READ:
        if KINDS[dictionary.fields[tag].type] != KINDS[FIX44.fields[tag].type]:
            raise DictionaryError(f"field {tag} {dictionary.fields[tag].name}: its type is "
                                  f"{dictionary.fields[tag].type}; the exchange reads a {FIX44.fields[tag].type}")


cdef object _load_fields(dictionary, places, sets):
    cdef int place
    cdef uint32_t at
    for tag, place in places.items():
        rules.tags[place] = tag
        rules.kinds[place] = KIND_STRING
        rules.used_bits = max(rules.used_bits, place // 64 + 1)
        if tag >= TAGS:
            at = tag_hash(tag)
            while rules.tag_hashes[at].tag:
                at = (at + 1) & (TAG_HASHES - 1)
            rules.tag_hashes[at].tag, rules.tag_hashes[at].place = tag, place
    for tag, field in dictionary.fields.items():
        place = places[tag]
        values = _values(dictionary, field)
        rules.kinds[place] = KINDS[field.type]
        if field.type == "MULTIPLEVALUESTRING" and any(len(value) > 1 for value in values):
            rules.kinds[place] = KIND_WORDS
        rules.sets[place] = sets.get(values, 0)
        _name(place, field.name.encode())
    for length, data in dictionary.lengths.items():
        rules.data_of[<int>places[length]] = data
        rules.length_of[<int>places[data]] = length


cdef object _name(int place, bytes name):
    cdef const char* text = name
    memcpy(rules.names[place], text, min(len(name), NAME - 1))


cdef object _load_values(sets):
    cdef int used = 0, number
    for values, number in sets.items():
        rules.value_sets[number].first = used
        for value in values:
            if len(value) == 1:
                rules.value_sets[number].characters[ord(value) >> 6] |= <uint64_t>1 << (ord(value) & 63)
                continue
            rules.value_sets[number].count += 1
            for byte in bytes([len(value)]) + value.encode():
                rules.words[used] = byte
                used += 1


cdef object _load_groups(groups, places):
    cdef int used = 0, number, position
    for group, number in groups.items():
        rules.groups[number].counter = group.counter
        rules.groups[number].first = used
        rules.groups[number].count = len(group.members.tags)
        for position, tag in enumerate(group.members.tags):
            rules.members[used].tag = tag
            rules.members[used].place = places[tag]
            rules.members[used].group = groups.get(group.members.group(tag), 0)
            if tag in group.members.required:
                rules.groups[number].required[position >> 6] |= <uint64_t>1 << (position & 63)
            used += 1


cdef int _load_message_groups(int slot, layouts, groups, int used) except -1:
    """Returns how many entries of message_groups are used now."""
    rules.served[slot].first_group = used
    for layout in layouts:
        for group in layout.groups:
            rules.message_groups[used] = groups[group]
            used += 1
    rules.served[slot].group_count = used - rules.served[slot].first_group
    return used


cdef object _load_types(dictionary):
    slots = {kind: slot for slot, kind in enumerate(dictionary.messages, 1)}
    cdef uint32_t at
    cdef int character
    for character in range(128):
        rules.slots[character] = -1
    for kind in dictionary.message_types:
        if len(kind) == 1:
            rules.slots[<int>ord(kind)] = slots.get(kind, 0)
            continue
        text = int.from_bytes(kind.encode(), "little")
        at = type_hash(text)
        while rules.type_hashes[at].text:
            at = (at + 1) & (TYPE_HASHES - 1)
        rules.type_hashes[at].text, rules.type_hashes[at].slot = text, slots.get(kind, 0)


cdef object _load_part(int slot, layout, int section, dictionary, actions, places):
    cdef int place
    counters = {group.counter for group in layout.groups}
    for tag in layout.tags:
        place = places[tag]
        action = actions.get(tag, JUDGE)
        if tag in counters:
            action = GROUP
        elif rules.data_of[place]:
            action = LENGTH
        elif rules.length_of[place]:
            action = DATA
        elif section == BODY and rules.served[slot].orders and tag in dictionary.unserved:
            action = UNSERVED
        rules.actions[slot][place] = section | action
    for tag in layout.required:
        place = places[tag]
        rules.served[slot].required[place >> 6] |= <uint64_t>1 << (place & 63)


load(FIX44)

# ---------------------------------------------------------------- judging values

cdef uint8_t judge_value(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    cdef uint32_t place = place_of(tag)
    cdef uint8_t kind = rules.kinds[place]
    cdef const ValueSet* allowed = &rules.value_sets[rules.sets[place]] if rules.sets[place] else NULL
    cdef int64_t number
    cdef uint64_t count = 0
    cdef int8_t exponent
    cdef bint good = True
    if kind == KIND_CHAR:
        good = length == 1
    elif kind == KIND_INT:
        good = parse_int(value, length, &number)
    elif kind == KIND_LENGTH or kind == KIND_SEQNUM or kind == KIND_COUNT:
        good = parse_uint(value, length, &count)
    elif kind == KIND_DAY:
        good = length <= 2 and parse_uint(value, length, &count) and count >= 1 and count <= 31
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
        return judge_values(allowed, value, length)
    elif kind == KIND_WORDS:
        return judge_words(allowed, value, length)
    if not good:
        return INCORRECT_FORMAT
    if allowed != NULL and not in_set(allowed, value, length):
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


cdef uint8_t judge_words(const ValueSet* allowed, const uint8_t* value, size_t length) noexcept nogil:
    """Words of the list (NULL = any), with single spaces between them."""
    cdef size_t i, begin = 0
    for i in range(length + 1):
        if i < length and value[i] != 32:
            continue
        if i == begin:
            return INCORRECT_FORMAT
        if allowed != NULL and not in_set(allowed, value + begin, i - begin):
            return INCORRECT_VALUE
        begin = i + 1
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
    cdef const char* name = rules.names[place_of(tag)]
    cdef uint8_t number[32]
    cdef size_t used = 0
    used = append(text, used, reason, 80)
    if tag:
        write_uint(number, tag)[0] = 0
        used = append(text, used, b": ", 2)
        used = append(text, used, name, NAME - 1)
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
    if verdict == NO_VALUE:
        return b"Tag specified without a value"
    if verdict == INCORRECT_VALUE:
        return b"Value is incorrect (out of range) for this tag"
    if verdict == INCORRECT_FORMAT:
        return b"Incorrect data format for value"
    if verdict == ENCRYPTED:
        return b"Decryption problem"
    if verdict == WRONG_SIGNATURE:
        return b"Signature problem"
    if verdict == FOR_SOMEBODY_ELSE:
        return b"CompID problem"
    if verdict == INVALID_MSG_TYPE:
        return b"Invalid MsgType"
    if verdict == REPEATED_TAG:
        return b"Tag appears more than once"
    if verdict == OUT_OF_ORDER:
        return b"Tag specified out of required order"
    if verdict == GROUP_OUT_OF_ORDER:
        return b"Repeating group fields out of order"
    if verdict == CUT_VALUE:
        return b"A value holds the separator"
    return b"Incorrect NumInGroup count for repeating group"
