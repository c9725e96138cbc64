# cython: boundscheck=False, wraparound=False, cdivision=True
"""Frames and scans FIX messages; thin Python wrappers of these and of the builder.

Holds the tables of `gateway.fix44`, filled once at import and never written again, so any number of threads may scan.
Memory belongs to the callers. The C functions need no GIL and cannot raise.
boundscheck and wraparound are off because only C pointers and the tables are indexed: `scan` checks once that the
message ends in a separator and a trailer of eight bytes, which stops every loop below and makes each eight-byte load
that begins before the trailer lie inside the message; tags are compared with TAGS before they index a table.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MIN, UINT64_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from gateway.fix_values cimport *
from gateway.records cimport *

from gateway.dictionary import FIRST_USER_TAG
from gateway.fix44 import FIX44

# ---------------------------------------------------------------- tables

cdef enum:
    TAGS = 1024             # tags below this index the tables; FIX 4.4 ends at 956
    SLOTS = 16              # served message types, and slot 0 for all others
    GROUPS = 32
    MEMBERS = 256           # of all groups
    SETS = 128              # lists of allowed values
    WORDS = 4096            # bytes of allowed values longer than a character

cdef enum Kind:             # what text a value must be
    KIND_NONE = 0           # not a tag of FIX 4.4
    KIND_STRING = 1         # any bytes
    KIND_CHAR = 2
    KIND_INT = 3
    KIND_LENGTH = 4         # not negative
    KIND_SEQNUM = 5         # positive, but EndSeqNo
    KIND_COUNT = 6          # positive
    KIND_DECIMAL = 7
    KIND_BOOLEAN = 8
    KIND_TIMESTAMP = 9
    KIND_TIME = 10
    KIND_DATE = 11
    KIND_MONTH = 12
    KIND_CURRENCY = 13      # three letters
    KIND_COUNTRY = 14       # two letters
    KIND_VALUES = 15        # single characters separated by spaces
    KIND_DATA = 16

cdef enum Section:          # the upper two bits of a rule, in the order of a message
    HEADER = 0
    BODY = 64
    TRAILER = 128

cdef enum Action:           # the lower six bits of a rule
    NOT_ALLOWED = 0
    JUDGE = 1               # check the value, nothing more
    SKIP = 2                # not even that: the body of a message we do not serve
    GROUP = 3
    DATA = 4
    UNSERVED = 5
    TAKE_SENDER = 6
    TAKE_TARGET = 7
    TAKE_SEQ_NUM = 8
    TAKE_SENDING_TIME = 9
    TAKE_ORIG_SENDING_TIME = 10
    TAKE_POSS_DUP = 11
    TAKE_POSS_RESEND = 12
    TAKE_GAP_FILL = 13
    TAKE_RESET = 14
    TAKE_TEXT = 15          # Logout
    TAKE_TEST_REQ_ID = 16
    TAKE_BEGIN = 17
    TAKE_END = 18
    TAKE_HEARTBEAT = 19
    TAKE_ENCRYPT = 20
    TAKE_CL_ORD_ID = 21
    TAKE_ORIG_CL_ORD_ID = 22
    TAKE_ACCOUNT = 23
    TAKE_SYMBOL = 24
    TAKE_SIDE = 25
    TAKE_ORD_TYPE = 26
    TAKE_TIME_IN_FORCE = 27
    TAKE_EXEC_INST = 28
    TAKE_PRICE = 29
    TAKE_QUANTITY = 30
    TAKE_ORDER_ID = 31
    TAKE_REQUEST_TYPE = 32
    ONLY_UNITS = 33         # PriceType (423): 2, QtyType (854): 0; others are not served
    LENGTH = 34             # of the data field that follows

cdef struct ValueSet:
    uint64_t characters[2]  # one bit an ASCII character
    uint16_t first          # words: length byte and text, end to end
    uint16_t count

cdef struct GroupRule:
    uint16_t counter
    uint16_t first          # in members; the first member begins an instance
    uint16_t count

cdef struct Served:
    uint8_t msg_type        # MessageType
    uint8_t body_size
    uint8_t orders          # the body is an OrderBody
    uint64_t required[16]   # one bit a tag

cdef uint8_t kinds[TAGS]
cdef uint8_t sets[TAGS]                 # 0 = any value
cdef uint8_t rules[SLOTS][TAGS]         # Section | Action
cdef Served served[SLOTS]
cdef uint8_t slots[128]                 # one-character MsgType -> slot
cdef uint8_t slot_of_mass_status
cdef uint64_t known_types[2]            # one-character MsgTypes of FIX 4.4
cdef uint32_t known_pairs[2]            # the same for "A?" and "B?", a bit a letter
cdef ValueSet value_sets[SETS]
cdef uint8_t words[WORDS]
cdef GroupRule groups[GROUPS]
cdef uint16_t members[MEMBERS]
cdef uint8_t group_of[TAGS]             # counter -> group
cdef uint16_t data_of[TAGS]             # length field -> data field
cdef char names[TAGS][32]               # for people

cdef dict KINDS = {
    "STRING": KIND_STRING, "EXCHANGE": KIND_STRING, "CHAR": KIND_CHAR, "INT": KIND_INT, "LENGTH": KIND_LENGTH,
    "SEQNUM": KIND_SEQNUM, "NUMINGROUP": KIND_COUNT, "PRICE": KIND_DECIMAL, "QTY": KIND_DECIMAL,
    "AMT": KIND_DECIMAL, "FLOAT": KIND_DECIMAL, "PERCENTAGE": KIND_DECIMAL, "PRICEOFFSET": KIND_DECIMAL,
    "BOOLEAN": KIND_BOOLEAN, "UTCTIMESTAMP": KIND_TIMESTAMP, "UTCTIMEONLY": KIND_TIME, "UTCDATEONLY": KIND_DATE,
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
    11: TAKE_CL_ORD_ID, 584: TAKE_CL_ORD_ID, 41: TAKE_ORIG_CL_ORD_ID, 1: TAKE_ACCOUNT, 55: TAKE_SYMBOL,
    54: TAKE_SIDE, 40: TAKE_ORD_TYPE, 59: TAKE_TIME_IN_FORCE, 18: TAKE_EXEC_INST, 44: TAKE_PRICE,
    38: TAKE_QUANTITY, 37: TAKE_ORDER_ID, 530: TAKE_REQUEST_TYPE, 585: TAKE_REQUEST_TYPE,
    423: ONLY_UNITS, 854: ONLY_UNITS,
}


cdef object _load(dictionary):
    """Fills the tables; raises ValueError when they are too small for the dictionary."""
    cdef int tag, slot
    if (len(dictionary.messages) >= SLOTS or len(dictionary.groups) >= GROUPS or max(dictionary.defined) >= TAGS
            or sum(len(group.members) for group in dictionary.groups.values()) > MEMBERS):
        raise ValueError("the dictionary is larger than the tables of gateway/fix.pyx")
    for tag in dictionary.defined:
        kinds[tag] = KIND_STRING
    numbers = {}
    for tag, field in dictionary.fields.items():
        kinds[tag] = KINDS[field.type]
        _name(tag, field.name.encode())
        if field.values:
            sets[tag] = numbers.setdefault(field.values, len(numbers) + 1)
    _load_values(numbers)
    _load_groups(dictionary)
    for length, data in dictionary.lengths.items():
        data_of[length] = data
    for tag in dictionary.defined:
        rules[0][tag] = BODY | SKIP
    _load_part(0, dictionary.header, HEADER, dictionary, HEADER_ACTIONS)
    _load_part(0, dictionary.trailer, TRAILER, dictionary, {})
    served[0].msg_type = MSG_OTHER
    for slot, (name, layout) in enumerate(dictionary.messages.items(), 1):
        served[slot].msg_type, served[slot].body_size, served[slot].orders = MESSAGES[name]
        if len(name) == 1:
            slots[ord(name)] = slot
        else:
            global slot_of_mass_status
            slot_of_mass_status = slot
        _load_part(slot, layout, BODY, dictionary, SESSION_ACTIONS.get(name, ORDER_ACTIONS))
        _load_part(slot, dictionary.header, HEADER, dictionary, HEADER_ACTIONS)
        _load_part(slot, dictionary.trailer, TRAILER, dictionary, {})
    for name in dictionary.message_types:
        if len(name) == 1:
            known_types[ord(name) >> 6] |= <uint64_t>1 << (ord(name) & 63)
        else:
            known_pairs[ord(name[0]) - 65] |= <uint32_t>1 << (ord(name[1]) - 65)


cdef object _name(int tag, bytes name):
    cdef const char* text = name
    memcpy(names[tag], text, min(len(name), 31))


cdef object _load_values(numbers):
    cdef int used = 0, number
    for values, number in numbers.items():
        if number >= SETS:
            raise ValueError("more lists of values than the tables of gateway/fix.pyx hold")
        value_sets[number].first = used
        for value in values:
            if len(value) == 1:
                value_sets[number].characters[ord(value) >> 6] |= <uint64_t>1 << (ord(value) & 63)
                continue
            value_sets[number].count += 1
            for byte in bytes([len(value)]) + value.encode():
                words[used] = byte
                used += 1


cdef object _load_groups(dictionary):
    cdef int used = 0, number, tag
    for number, group in enumerate(dictionary.groups.values(), 1):
        groups[number].counter = group.counter
        groups[number].first = used
        groups[number].count = len(group.members)
        group_of[group.counter] = number
        for tag in group.members:
            members[used] = tag
            used += 1


cdef object _load_part(int slot, layout, int section, dictionary, actions):
    cdef int tag
    for tag in layout.tags:
        action = actions.get(tag, JUDGE)
        if tag in dictionary.groups:
            action = GROUP
        elif tag in dictionary.lengths:
            action = LENGTH
        elif kinds[tag] == KIND_DATA:
            action = DATA
        elif section == BODY and served[slot].orders and tag in dictionary.unserved:
            action = UNSERVED
        rules[slot][tag] = section | action
    for tag in layout.required:
        served[slot].required[tag >> 6] |= <uint64_t>1 << (tag & 63)


_load(FIX44)

# ---------------------------------------------------------------- framing

cdef FrameResult frame(const uint8_t* data, size_t size, size_t* length) noexcept nogil:
    cdef size_t i, start, body = 0, total
    cdef uint32_t digit
    length[0] = 0
    i = 5
    if size < 5:
        return FRAME_INCOMPLETE if memcmp(data, b"8=FIX", size) == 0 else skip(data, size, length)
    if memcmp(data, b"8=FIX", 5) != 0:
        return skip(data, size, length)
    while i < size and data[i] != SOH:
        i += 1
        if i > 16:
            return skip(data, size, length)
    start = i + 3
    if size < start:                    # not yet "<separator>9="
        if i + 1 < size and data[i + 1] != 57:
            return skip(data, size, length)
        return FRAME_INCOMPLETE
    if data[i + 1] != 57 or data[i + 2] != 61:
        return skip(data, size, length)
    i = start
    while i < size and data[i] != SOH:
        digit = <uint32_t>data[i] - 48
        i += 1
        if digit > 9 or i - start > 8:
            return skip(data, size, length)
        body = body * 10 + digit
    if i == start and i < size:
        return skip(data, size, length)
    total = i + 1 + body + 7
    if total > MAX_MESSAGE:
        return skip(data, size, length)
    if i >= size or total > size:
        return FRAME_INCOMPLETE
    if body < 5 or not ends_in_trailer(data, total):
        return skip(data, size, length)
    length[0] = total
    if memcmp(data + i + 1, b"35=", 3) != 0 or not checksum_is_right(data, total):
        return FRAME_GARBLED
    return FRAME_OK


cdef FrameResult skip(const uint8_t* data, size_t size, size_t* length) noexcept nogil:
    """Garbled: everything up to the next "8=FIX" after the first byte, or to a tail that may become one."""
    cdef size_t i = 1, left
    while i < size:
        if data[i] == 56:
            left = size - i
            if memcmp(data + i, b"8=FIX", 5 if left > 5 else left) == 0:
                break
        i += 1
    length[0] = i
    return FRAME_GARBLED


cdef inline bint ends_in_trailer(const uint8_t* message, size_t length) noexcept nogil:
    """<separator>10=nnn<separator> ends the message of at least eight bytes."""
    cdef const uint8_t* end = message + length - 8
    return (end[0] == SOH and end[1] == 49 and end[2] == 48 and end[3] == 61 and <uint32_t>end[4] - 48 <= 9
            and <uint32_t>end[5] - 48 <= 9 and <uint32_t>end[6] - 48 <= 9 and end[7] == SOH)


cdef inline bint checksum_is_right(const uint8_t* message, size_t length) noexcept nogil:
    cdef const uint8_t* digits = message + length - 4
    cdef uint32_t stated = (digits[0] - 48) * 100 + (digits[1] - 48) * 10 + (digits[2] - 48)
    return stated == checksum(message, length - 7)

# ---------------------------------------------------------------- scanning

cdef enum:
    STRINGS = 6             # text, then up to four of the body, then MsgType

cdef struct Scan:           # one pass over one message
    const uint8_t* strings[STRINGS]
    size_t lengths[STRINGS]
    const char* detail      # what a person should read when `verdict` alone does not say it; NULL = the reason's own
    const Identity* identity
    MessageHead* message
    SessionBody* session
    OrderBody* order
    uint32_t problem_tag
    uint8_t verdict
    uint64_t seen[16]       # one bit a tag


cdef void problem(Scan* scanned, uint8_t verdict, uint32_t tag, const char* detail) noexcept nogil:
    """The first problem is the verdict; the scan goes on for the header's sake."""
    if scanned.verdict == NOT_REJECTED:
        scanned.verdict = verdict
        scanned.problem_tag = tag
        scanned.detail = detail


cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, uint8_t* input,
                  size_t room) noexcept nogil:
    cdef Scan scanned
    cdef const uint8_t* end
    cdef const uint8_t* p = message
    cdef size_t type_length
    cdef int slot
    if room < MAX_INPUT:
        return -1
    # 8=FIX?|9=?|35=?|10=nnn| : the shortest
    if length < 24 or memcmp(message, b"8=FIX", 5) != 0 or not ends_in_trailer(message, length):
        return 0
    end = message + length - 7
    p = after_separator(p)
    if p >= end or p[0] != 57:
        return 0
    p = after_separator(p)
    if end - p < 4 or p[0] != 51 or p[1] != 53 or p[2] != 61:
        return 0
    memset(input, 0, sizeof(InputHead) + sizeof(MessageHead) + sizeof(OrderBody))
    memset(&scanned, 0, sizeof(Scan))
    scanned.verdict = NOT_REJECTED
    scanned.identity = identity
    scanned.message = <MessageHead*>(input + sizeof(InputHead))
    scanned.message.sending_time_ns = EMPTY_TIME()
    scanned.message.orig_sending_time_ns = EMPTY_TIME()
    if memcmp(message, b"8=FIX.4.4\x01", 10) != 0:
        scanned.message.flags |= FLAG_BEGIN_STRING
    scanned.seen[0] = (<uint64_t>1 << 8) | (<uint64_t>1 << 9) | (<uint64_t>1 << 10) | (<uint64_t>1 << 35)
    p += 3
    type_length = <size_t>(after_separator(p) - p) - 1
    slot = slot_of_type(&scanned, p, type_length)
    scanned.message.msg_type = served[slot].msg_type
    scanned.session = <SessionBody*>(input + sizeof(InputHead) + sizeof(MessageHead))
    scanned.order = <OrderBody*>scanned.session
    if served[slot].msg_type == MSG_LOGON:
        scanned.session.grace_ms = 0xFFFFFFFF
    scan_fields(&scanned, p + type_length + 1, end, slot)
    judge_whole(&scanned, slot)
    return write_input(&scanned, slot, input)


cdef inline const uint8_t* after_separator(const uint8_t* p) noexcept nogil:
    """The byte after the next separator; one is known to follow."""
    while p[0] != SOH:
        p += 1
    return p + 1


cdef int slot_of_type(Scan* scanned, const uint8_t* text, size_t length) noexcept nogil:
    """The slot of a served MsgType, else 0, its text kept for the tail; unknown ones are a problem."""
    cdef bint known = False
    if length == 1 and text[0] < 128:
        if slots[text[0]]:
            return slots[text[0]]
        known = (known_types[text[0] >> 6] >> (text[0] & 63)) & 1
    elif length == 2:
        if text[0] == 65 and text[1] == 70:
            return slot_of_mass_status
        if (text[0] == 65 or text[0] == 66) and text[1] >= 65 and text[1] <= 90:
            known = (known_pairs[text[0] - 65] >> (text[1] - 65)) & 1
    if length == 0:
        problem(scanned, 4, 35, NULL)
    elif not known and text[0] != 85:       # 'U...' are private types: valid, not served
        problem(scanned, 11, 35, NULL)
    scanned.strings[STRINGS - 1] = text
    scanned.lengths[STRINGS - 1] = length if length <= 32 else 32
    return 0


cdef void scan_fields(Scan* scanned, const uint8_t* p, const uint8_t* end, int slot) noexcept nogil:
    """Every field from p to the trailer at `end`; the byte before `end` is a separator, eight bytes follow it."""
    cdef const uint8_t* value
    cdef const uint8_t* rule_of = rules[slot]
    cdef uint64_t word, hit
    cdef uint32_t tag, data_tag = 0
    cdef uint64_t data_length = 0
    cdef size_t digits, length
    cdef uint8_t rule, action, section = HEADER
    while p < end:
        word = load_word(p)
        hit = find_byte(word, <uint64_t>0x3D3D3D3D3D3D3D3D)
        digits = <size_t>(__builtin_ctzll(hit | (<uint64_t>1 << 63)) >> 3)
        if hit == 0 or digits == 0 or p[0] == 48:
            problem(scanned, 0, 0, NULL)
            p = after_separator(p)
            continue
        word = (word << (64 - 8 * digits)) | (<uint64_t>0x3030303030303030 >> (8 * digits))
        if not eight_digits(word):
            problem(scanned, 0, 0, NULL)
            p = after_separator(p)
            continue
        tag = <uint32_t>parse_eight_digits(word)
        value = p + digits + 1
        if data_tag:
            if tag != data_tag:
                problem(scanned, 1, data_tag, NULL)
            elif data_length >= <uint64_t>(end - value) or value[data_length] != SOH or data_length == 0:
                problem(scanned, 5, data_tag, b"Length does not agree with the data")
            else:
                p = value + data_length + 1
                data_tag = 0
                mark(scanned, tag)
                section = in_order(scanned, tag, rule_of[tag], section)
                continue
            data_tag = 0
        p = value
        while True:
            hit = find_byte(load_word(p), <uint64_t>0x0101010101010101)
            if hit:
                p += __builtin_ctzll(hit) >> 3
                break
            p += 8
        length = <size_t>(p - value)
        p += 1
        if tag >= TAGS:
            judge_user_tag(scanned, tag, value, length)
            continue
        rule = rule_of[tag]
        action = rule & 63
        if action == SKIP:
            continue
        if length == 0:
            problem(scanned, 4, tag, NULL)
        if action == NOT_ALLOWED:
            problem(scanned, 3 if kinds[tag] == KIND_NONE else 2, tag, NULL)
            continue
        mark(scanned, tag)
        if (rule & 192) != section:
            section = in_order(scanned, tag, rule, section)
        if length == 0:
            continue
        if action == GROUP:
            p = scan_group(scanned, group_of[tag], value, length, p, end)
        elif action == LENGTH:
            data_tag = data_of[tag]
            if not parse_uint(value, length, &data_length):
                problem(scanned, 6, tag, NULL)
                data_tag = 0
        else:
            take(scanned, action, tag, value, length)
    if data_tag:
        problem(scanned, 1, data_tag, NULL)


cdef inline void mark(Scan* scanned, uint32_t tag) noexcept nogil:
    """The tag is there; twice is a problem. `tag` < TAGS."""
    cdef uint64_t bit = <uint64_t>1 << (tag & 63)
    if scanned.seen[tag >> 6] & bit:
        problem(scanned, 13, tag, NULL)
    scanned.seen[tag >> 6] |= bit


cdef inline uint8_t in_order(Scan* scanned, uint32_t tag, uint8_t rule, uint8_t section) noexcept nogil:
    """The section that the message is in after this tag: header, body, trailer, never back."""
    if (rule & 192) < section:
        problem(scanned, 14, tag, NULL)
        return section
    return rule & 192


cdef void judge_user_tag(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """A tag that no table has: 5000 and above are private; 20003 and 20004 in a Logon are ours."""
    cdef uint64_t number
    if tag < 5000:
        if scanned.message.msg_type != MSG_OTHER:
            problem(scanned, 3, tag, NULL)
    elif length == 0:
        problem(scanned, 4, tag, NULL)
    elif scanned.message.msg_type == MSG_LOGON and tag == 20003:
        if length != 1 or (value[0] != 89 and value[0] != 78):
            problem(scanned, 6, tag, b"CancelOnDisconnect is Y or N")
        else:
            scanned.session.cancel_on_disconnect = 2 if value[0] == 89 else 1
    elif scanned.message.msg_type == MSG_LOGON and tag == 20004:
        if not parse_uint(value, length, &number) or number >= <uint64_t>0xFFFFFFFF:
            problem(scanned, 6, tag, b"The grace is a number of milliseconds below 4294967295")
        else:
            scanned.session.grace_ms = <uint32_t>number


cdef void take(Scan* scanned, uint8_t action, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """Checks one value and puts it where it belongs. length > 0."""
    cdef MessageHead* message = scanned.message
    cdef SessionBody* session = scanned.session
    cdef OrderBody* order = scanned.order
    cdef uint64_t number
    if action == TAKE_CL_ORD_ID:
        keep(scanned, 1, tag, value, length, MAX_CL_ORD_ID, b"At most 64 bytes are served")
    elif action == TAKE_SYMBOL:
        keep(scanned, 4, tag, value, length, MAX_SYMBOL, b"At most 32 bytes are served")
    elif action == TAKE_SIDE:
        order.side = judged_character(scanned, tag, value, length)
    elif action == TAKE_ORD_TYPE:
        order.ord_type = judged_character(scanned, tag, value, length)
    elif action == TAKE_TIME_IN_FORCE:
        order.time_in_force = judged_character(scanned, tag, value, length)
    elif action == TAKE_REQUEST_TYPE:
        order.request_type = judged_character(scanned, tag, value, length)
    elif action == TAKE_PRICE:
        if parse_decimal(value, length, &order.price_mantissa, &order.price_exponent):
            order.present |= HAS_PRICE
        else:
            problem(scanned, 6, tag, NULL)
    elif action == TAKE_QUANTITY:
        if parse_decimal(value, length, &order.quantity_mantissa, &order.quantity_exponent):
            order.present |= HAS_QUANTITY
        else:
            problem(scanned, 6, tag, NULL)
    elif action == TAKE_SENDER:
        if (scanned.identity.peer_length and (length != scanned.identity.peer_length
                                              or memcmp(value, scanned.identity.peer, length) != 0)):
            message.flags |= FLAG_WRONG_COMP_ID
        if message.msg_type == MSG_LOGON:
            keep(scanned, 1, tag, value, length, MAX_COMP_ID, b"At most 64 bytes are served")
    elif action == TAKE_TARGET:
        if (scanned.identity.own_length and (length != scanned.identity.own_length
                                             or memcmp(value, scanned.identity.own, length) != 0)):
            message.flags |= FLAG_WRONG_COMP_ID
        if message.msg_type == MSG_LOGON:
            keep(scanned, 2, tag, value, length, MAX_COMP_ID, b"At most 64 bytes are served")
    elif action == TAKE_SEQ_NUM:
        take_seq_num(scanned, tag, value, length, &message.msg_seq_num)
    elif action == TAKE_SENDING_TIME:
        if not parse_timestamp(value, length, &message.sending_time_ns):
            problem(scanned, 6, tag, NULL)
    elif action == TAKE_ORIG_SENDING_TIME:
        if not parse_timestamp(value, length, &message.orig_sending_time_ns):
            problem(scanned, 6, tag, NULL)
    elif action == TAKE_POSS_DUP:
        take_flag(scanned, tag, value, length, FLAG_POSS_DUP)
    elif action == TAKE_POSS_RESEND:
        take_flag(scanned, tag, value, length, FLAG_POSS_RESEND)
    elif action == TAKE_ORIG_CL_ORD_ID:
        keep(scanned, 2, tag, value, length, MAX_CL_ORD_ID, b"At most 64 bytes are served")
    elif action == TAKE_ACCOUNT:
        keep(scanned, 3, tag, value, length, MAX_ACCOUNT, b"At most 64 bytes are served")
    elif action == TAKE_ORDER_ID:
        order.order_id = UINT64_MAX
        if parse_uint(value, length, &number) and number != 0:
            order.order_id = number
    elif action == TAKE_EXEC_INST:
        take_exec_inst(scanned, tag, value, length)
    elif action == UNSERVED:
        if judge(scanned, tag, value, length):
            unserved(order, tag)
    elif action == ONLY_UNITS:
        if judge(scanned, tag, value, length) and (length != 1 or value[0] != (50 if tag == 423 else 48)):
            unserved(order, tag)
    elif action == TAKE_GAP_FILL:
        take_flag(scanned, tag, value, length, FLAG_GAP_FILL)
    elif action == TAKE_RESET:
        take_flag(scanned, tag, value, length, FLAG_RESET_SEQ_NUM)
    elif action == TAKE_TEXT:
        scanned.strings[0] = value
        scanned.lengths[0] = length if length <= MAX_TEXT else MAX_TEXT
    elif action == TAKE_TEST_REQ_ID:
        keep(scanned, 0, tag, value, length, MAX_TEXT, b"At most 128 bytes are served")
    elif action == TAKE_BEGIN:
        take_seq_num(scanned, tag, value, length, &session.begin_seq_no)
    elif action == TAKE_END:
        if not parse_uint(value, length, &session.end_seq_no):
            problem(scanned, 6, tag, NULL)
    elif action == TAKE_HEARTBEAT:
        if judge(scanned, tag, value, length):
            if not parse_uint(value, length, &number) or number > <uint64_t>0xFFFFFFFF:
                problem(scanned, 5, tag, NULL)
            else:
                session.heartbeat_seconds = <uint32_t>number
    elif action == TAKE_ENCRYPT:
        session.encrypt_method = judged_character(scanned, tag, value, length) - 48
    elif action == DATA:
        problem(scanned, 1, tag, b"The length field must stand directly before the data")
    else:
        judge(scanned, tag, value, length)


cdef inline void keep(Scan* scanned, int string, uint32_t tag, const uint8_t* value, size_t length, size_t limit,
                      const char* detail) noexcept nogil:
    """A string for the tail; longer than the limit is refused, never cut."""
    if length > limit:
        problem(scanned, 5, tag, detail)
    else:
        scanned.strings[string] = value
        scanned.lengths[string] = length


cdef inline void unserved(OrderBody* order, uint32_t tag) noexcept nogil:
    """The first field whose meaning we do not serve."""
    if order.unsupported_tag == 0:
        order.present |= HAS_UNSUPPORTED
        order.unsupported_tag = <uint16_t>tag


cdef inline void take_flag(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length,
                           uint8_t flag) noexcept nogil:
    if length != 1 or (value[0] != 89 and value[0] != 78):
        problem(scanned, 6, tag, b"Y or N is expected")
    elif value[0] == 89:
        scanned.message.flags |= flag


cdef inline void take_seq_num(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length,
                              uint64_t* number) noexcept nogil:
    if not parse_uint(value, length, number):
        problem(scanned, 6, tag, NULL)
    elif number[0] == 0:
        problem(scanned, 5, tag, NULL)


cdef inline uint8_t judged_character(Scan* scanned, uint32_t tag, const uint8_t* value,
                                     size_t length) noexcept nogil:
    """The only character of a value from a list of characters; '0' after a problem."""
    cdef uint8_t character = value[0]
    if length == 1 and character < 128 and (value_sets[sets[tag]].characters[character >> 6] >> (character & 63)) & 1:
        return character
    if judge(scanned, tag, value, length):
        problem(scanned, 5, tag, NULL)
    return 48


cdef void take_exec_inst(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """'6' is post-only. 1, 2, 4 and 5 tell a broker how to work an order and mean nothing here; others are unserved."""
    cdef size_t i
    if not judge(scanned, tag, value, length):
        return
    for i in range(0, length, 2):
        if value[i] == 54:
            scanned.order.post_only = 1
        elif value[i] != 49 and value[i] != 50 and value[i] != 52 and value[i] != 53:
            unserved(scanned.order, tag)

# ---------------------------------------------------------------- judging values

cdef bint judge(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """The value is of the tag's type and, where there is a list, in it. length > 0."""
    cdef uint8_t kind = kinds[tag]
    cdef int64_t number
    cdef uint64_t unsigned_number
    cdef int8_t exponent
    cdef bint good = True
    cdef size_t i
    if kind == KIND_STRING:
        pass
    elif kind == KIND_CHAR:
        good = length == 1
    elif kind == KIND_INT:
        good = parse_int(value, length, &number)
    elif kind == KIND_LENGTH or kind == KIND_SEQNUM:
        good = parse_uint(value, length, &unsigned_number)
    elif kind == KIND_COUNT:
        good = parse_uint(value, length, &unsigned_number)
        if good and unsigned_number == 0:
            problem(scanned, 5, tag, NULL)
            return False
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
        good = judge_month(value, length)
    elif kind == KIND_CURRENCY or kind == KIND_COUNTRY:
        good = length == (3 if kind == KIND_CURRENCY else 2)
        for i in range(length):
            good = good and value[i] >= 65 and value[i] <= 90
    elif kind == KIND_VALUES:
        return judge_values(scanned, tag, value, length)
    if not good:
        problem(scanned, 6, tag, NULL)
    elif sets[tag] and not in_set(&value_sets[sets[tag]], value, length):
        problem(scanned, 5, tag, NULL)
        good = False
    return good


cdef bint in_set(const ValueSet* values, const uint8_t* value, size_t length) noexcept nogil:
    cdef const uint8_t* word = words + values.first
    cdef int i
    if length == 1:
        return value[0] < 128 and (values.characters[value[0] >> 6] >> (value[0] & 63)) & 1
    for i in range(values.count):
        if word[0] == length and memcmp(word + 1, value, length) == 0:
            return True
        word += 1 + word[0]
    return False


cdef bint judge_values(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """Single characters of the tag's list, separated by single spaces."""
    cdef size_t i
    for i in range(length):
        if (length & 1) == 0 or ((i & 1) == 1 and value[i] != 32):
            problem(scanned, 6, tag, NULL)
            return False
    for i in range(0, length, 2):
        if sets[tag] and not in_set(&value_sets[sets[tag]], value + i, 1):
            problem(scanned, 5, tag, NULL)
            return False
    return True


cdef bint judge_month(const uint8_t* value, size_t length) noexcept nogil:
    """YYYYMM, YYYYMMDD or YYYYMMw1 to w5."""
    cdef uint64_t number, month
    if not ((length == 6 or length == 8) and parse_uint(value, 6, &number)):
        return False
    month = number % 100
    if month < 1 or month > 12:
        return False
    if length == 8:
        if value[6] == 119:
            return value[7] >= 49 and value[7] <= 53
        return parse_uint(value + 6, 2, &number) and 1 <= number <= 31
    return True

# ---------------------------------------------------------------- repeating groups

cdef const uint8_t* scan_group(Scan* scanned, int number, const uint8_t* count_text, size_t count_length,
                               const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The instances after a counter, nested groups included; returns the first byte that is not theirs.

    Each instance begins with the group's first tag; the other tags follow in any order, each at most once.
    """
    cdef const GroupRule* group = &groups[number]
    cdef const uint16_t* tags = members + group.first
    cdef uint64_t stated, seen = 0, instances = 0
    cdef const uint8_t* next_p
    cdef const uint8_t* value
    cdef size_t length, position, i
    cdef uint32_t tag
    if not judge(scanned, group.counter, count_text, count_length):
        return p
    parse_uint(count_text, count_length, &stated)
    while p < end:
        position = 0
        if next_field(p, <size_t>(end - p), &position, &tag, &value, &length) != 1:
            break
        i = 0
        while i < group.count and tags[i] != tag:
            i += 1
        if i == group.count:
            break
        if i == 0:
            instances += 1
            seen = 0
        elif instances == 0:
            problem(scanned, 15, tag, NULL)
        if (seen >> i) & 1:
            problem(scanned, 13, tag, NULL)
        seen |= <uint64_t>1 << i
        next_p = p + position
        if length == 0:
            problem(scanned, 4, tag, NULL)
        elif group_of[tag]:
            next_p = scan_group(scanned, group_of[tag], value, length, next_p, end)
        elif data_of[tag]:
            next_p = scan_group_data(scanned, tag, value, length, next_p, end)
            seen |= <uint64_t>1 << (i + 1)      # the data field stands next in the list
        else:
            judge(scanned, tag, value, length)
        p = next_p
    if instances != stated:
        problem(scanned, 16, group.counter, NULL)
    return p


cdef const uint8_t* scan_group_data(Scan* scanned, uint32_t length_tag, const uint8_t* value, size_t length,
                                    const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The data field that must follow its length; returns the byte after it, or p when it is not there."""
    cdef uint64_t data_length
    cdef uint32_t tag = 0
    cdef const uint8_t* data = NULL
    cdef size_t position = 0, text_length
    if not parse_uint(value, length, &data_length):
        problem(scanned, 6, length_tag, NULL)
        return p
    if next_field(p, <size_t>(end - p), &position, &tag, &data, &text_length) != 1 or tag != data_of[length_tag]:
        problem(scanned, 1, data_of[length_tag], NULL)
        return p
    if data_length == 0 or data_length >= <uint64_t>(end - data) or data[data_length] != SOH:
        problem(scanned, 5, tag, b"Length does not agree with the data")
        return p + position
    return data + data_length + 1

# ---------------------------------------------------------------- the whole message

cdef void judge_whole(Scan* scanned, int slot) noexcept nogil:
    """What only the whole message shows: what is missing."""
    cdef const Served* rule = &served[slot]
    cdef MessageHead* message = scanned.message
    cdef uint64_t missing
    cdef uint32_t i
    if message.sending_time_ns == EMPTY_TIME():
        message.flags |= FLAG_SENDING_TIME_PROBLEM
    if message.flags & FLAG_POSS_DUP and message.orig_sending_time_ns == EMPTY_TIME():
        message.flags |= FLAG_NO_ORIG_SENDING_TIME
    for i in range(16):
        missing = rule.required[i] & ~scanned.seen[i]
        if missing:
            problem(scanned, 1, 64 * i + __builtin_ctzll(missing), NULL)
    if ((message.msg_type == MSG_NEW_ORDER or message.msg_type == MSG_REPLACE_REQUEST)
            and not scanned.order.present & (HAS_QUANTITY | HAS_UNSUPPORTED)):
        problem(scanned, 1, 38, NULL)


cdef ssize_t write_input(Scan* scanned, int slot, uint8_t* input) noexcept nogil:
    """Fills the heads and the tail; MAX_INPUT bytes suffice since every string is bounded."""
    cdef InputHead* head = <InputHead*>input
    cdef MessageHead* message = scanned.message
    cdef char text[MAX_TEXT]
    cdef uint8_t* out = input + sizeof(InputHead) + sizeof(MessageHead) + served[slot].body_size
    cdef int i
    if scanned.verdict != NOT_REJECTED:
        message.ref_tag = <uint16_t>scanned.problem_tag if scanned.problem_tag < 65536 else 0
        scanned.strings[0] = <const uint8_t*>text
        scanned.lengths[0] = describe(scanned, text)
    message.text_length = <uint8_t>scanned.lengths[0]
    message.msg_type_length = <uint8_t>scanned.lengths[STRINGS - 1]
    if served[slot].orders:
        scanned.order.cl_ord_id_length = <uint8_t>scanned.lengths[1]
        scanned.order.orig_cl_ord_id_length = <uint8_t>scanned.lengths[2]
        scanned.order.account_length = <uint8_t>scanned.lengths[3]
        scanned.order.symbol_length = <uint8_t>scanned.lengths[4]
    elif message.msg_type == MSG_LOGON:
        scanned.session.sender_length = <uint8_t>scanned.lengths[1]
        scanned.session.target_length = <uint8_t>scanned.lengths[2]
    for i in range(STRINGS):
        if scanned.lengths[i]:
            out = write_bytes(out, scanned.strings[i], scanned.lengths[i])
    while (out - input) & 7:
        out[0] = 0
        out += 1
    head.size = <uint32_t>(out - input)
    head.kind = INPUT_MESSAGE
    head.verdict = scanned.verdict
    return out - input


cdef size_t describe(const Scan* scanned, char* text) noexcept nogil:
    """The verdict for people: what is wrong, then the field's name and tag. At most MAX_TEXT bytes."""
    cdef const char* reason = scanned.detail if scanned.detail != NULL else reason_text(scanned.verdict)
    cdef const char* name = b""
    cdef uint8_t number[32]
    cdef size_t used = 0
    if scanned.problem_tag < TAGS:
        name = names[scanned.problem_tag]
    used = append(text, used, reason, 80)
    if scanned.problem_tag:
        write_uint(number, scanned.problem_tag)[0] = 0
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
    if verdict == 0:
        return b"Invalid tag number"
    if verdict == 1:
        return b"Required tag missing"
    if verdict == 2:
        return b"Tag not defined for this message type"
    if verdict == 3:
        return b"Undefined tag"
    if verdict == 4:
        return b"Tag specified without a value"
    if verdict == 5:
        return b"Value is incorrect (out of range) for this tag"
    if verdict == 6:
        return b"Incorrect data format for value"
    if verdict == 11:
        return b"Invalid MsgType"
    if verdict == 13:
        return b"Tag appears more than once"
    if verdict == 14:
        return b"Tag specified out of required order"
    if verdict == 15:
        return b"Repeating group fields out of order"
    return b"Incorrect NumInGroup count for repeating group"

# ---------------------------------------------------------------- for Python

cdef Identity _identity(own: str, peer: str) except *:
    cdef Identity identity
    cdef bytes own_bytes = own.encode(), peer_bytes = peer.encode()
    if len(own_bytes) > MAX_COMP_ID or len(peer_bytes) > MAX_COMP_ID:
        raise ValueError(f"a CompID has at most {MAX_COMP_ID} bytes: {own!r}, {peer!r}")
    memset(&identity, 0, sizeof(Identity))
    memcpy(identity.own, <const char*>own_bytes, len(own_bytes))
    memcpy(identity.peer, <const char*>peer_bytes, len(peer_bytes))
    identity.own_length = len(own_bytes)
    identity.peer_length = len(peer_bytes)
    return identity


cdef uint8_t* _exact_copy(const uint8_t[::1] data) except NULL:
    """A copy in memory of exactly its size, so that a sanitizer sees every byte read past the end."""
    cdef size_t size = data.shape[0]
    cdef uint8_t* copy = <uint8_t*>malloc(size if size else 1)
    if copy == NULL:
        raise MemoryError
    if size:
        memcpy(copy, &data[0], size)
    return copy


def frame_message(const uint8_t[::1] data not None) -> tuple[int, int]:
    """`frame` of the bytes: (FrameResult, length)."""
    cdef uint8_t* copy = _exact_copy(data)
    cdef size_t length = 0
    try:
        result = <int>frame(copy, data.shape[0], &length)
    finally:
        free(copy)
    return result, length


def scan_message(const uint8_t[::1] message not None, own: str = "", peer: str = "") -> bytes:
    """`scan` of one framed message: the Input record, empty when it is not a framed message."""
    cdef Identity identity = _identity(own, peer)
    cdef uint8_t* copy = _exact_copy(message)
    cdef uint64_t record[80]    # MAX_INPUT bytes
    cdef ssize_t length
    try:
        length = scan(copy, message.shape[0], &identity, <uint8_t*>record, MAX_INPUT)
    finally:
        free(copy)
    return (<uint8_t*>record)[:length]


def encode_record(const uint8_t[::1] record not None, own: str, peer: str, resend_time_ns: int | None = None) -> bytes:
    """`encode` of one Egress record; ValueError when it is not a message record or contradicts its size."""
    cdef Identity identity = _identity(own, peer)
    cdef int64_t resend = EMPTY_TIME() if resend_time_ns is None else resend_time_ns
    cdef uint8_t out[MAX_ENCODED]
    cdef uint8_t* copy
    cdef ssize_t length
    if record.shape[0] < <ssize_t>sizeof(EgressHead):
        raise ValueError("shorter than an Egress record")
    copy = _exact_copy(record)
    try:
        if (<EgressHead*>copy).size != record.shape[0]:
            raise ValueError("the record's size is not its length")
        length = encode(copy, &identity, resend, out, MAX_ENCODED)
    finally:
        free(copy)
    if length == 0:
        raise ValueError("not a message record, or its lengths contradict its size")
    return out[:length]


def gap_fill(own: str, peer: str, seq: int, new_seq: int, time_ns: int) -> bytes:
    """`encode_gap_fill`."""
    cdef Identity identity = _identity(own, peer)
    cdef uint8_t out[512]
    cdef ssize_t length = encode_gap_fill(&identity, seq, new_seq, time_ns, out, 512)
    return out[:length]
