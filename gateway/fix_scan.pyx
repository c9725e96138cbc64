# cython: boundscheck=False, wraparound=False, cdivision=True
"""Scans framed FIX messages into Input records by the tables of `gateway.fix_rules`.

Holds nothing between calls; memory belongs to the callers; needs no GIL and cannot raise.
boundscheck and wraparound are off because only C pointers and the tables are indexed: `scan` checks once
that the message ends in a separator and the seven bytes of a trailer, which stops every loop below and
makes each eight-byte load that begins before the trailer lie inside the message; the tables are indexed by
places, which `place_of` gives.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.string cimport memchr, memcmp, memcpy, memset

from gateway.fix_build cimport Identity
from gateway.fix_frame cimport ends_in_trailer
from gateway.fix_rules cimport *
from gateway.fix_values cimport *
from gateway.records cimport *

# ---------------------------------------------------------------- scanning

cdef enum:
    NO_TAG = -1 << 31
    MSG_TYPE = 5            # the last string
    STRINGS = 6             # text, then up to four of the body, then MsgType
    PIECES = 11             # the parties, and each term once
    USER_TAGS = 64          # so many different ones of a message are remembered

cdef struct Piece:          # fields that are carried as they came, without the last separator
    const uint8_t* text
    size_t length

cdef struct Scan:           # one pass over one message
    const uint8_t* strings[STRINGS]
    size_t lengths[STRINGS]
    const char* detail      # what a person should read instead of the verdict's own words; or NULL
    const Identity* identity
    uint32_t version        # of the rules that hold
    MessageHead* message
    SessionBody* session
    OrderBody* order
    uint32_t problem_tag
    uint8_t verdict
    bint stated             # the dictionary says what may stand in the body
    bint in_groups          # of a body that it does not state: a counter was there, the fields behind it may repeat
    bint xml                # MsgType n, the one that has XmlData
    bint parties            # they are there, as the piece of this number
    uint32_t parties_piece
    uint32_t piece_count    # in the order of the message
    Piece pieces[PIECES]
    uint32_t last_tag       # of the field before this one
    int64_t stated_tag      # the number of a field that has no valid tag; NO_TAG: none that can be said
    uint32_t route_length   # of what is in `route`
    uint8_t route[MAX_ROUTE]
    const uint8_t* body     # the first field behind the header; NULL: there is none
    const uint8_t* body_end
    uint64_t seen[BITS]     # one bit a place
    uint32_t user_tag_count
    uint32_t user_tags[USER_TAGS]   # those that have no place, as far as there is room


cdef void problem(Scan* scanned, uint8_t verdict, uint32_t tag, const char* detail) noexcept nogil:
    """The first problem is the verdict; the scan goes on for the header's sake."""
    if scanned.verdict == NOT_REJECTED:
        scanned.verdict = verdict
        scanned.problem_tag = tag
        scanned.detail = detail


cdef struct Separators:     # the places of the message's separators, in order
    const uint8_t* base     # of the 64 bytes that `mask` is about
    uint64_t mask           # separators not yet passed
    const uint8_t* limit    # the end of the message: the last separator stands before it
    size_t length           # of the message

cdef inline uint64_t mask_at(const Separators* separators, const uint8_t* base) noexcept nogil:
    """The separators in the 64 bytes at base < limit, without reading outside the message."""
    cdef size_t left = <size_t>(separators.limit - base), i
    cdef uint64_t mask = 0
    if left >= 64:
        return separators_in_64(base)
    if separators.length >= 64:
        return separators_in_64(separators.limit - 64) >> (64 - left)
    for i in range(left):
        mask |= <uint64_t>(base[i] == SOH) << i
    return mask


cdef inline const uint8_t* next_separator(Separators* separators) noexcept nogil:
    """The next one, which is then passed. The caller stops at the trailer, so there always is one."""
    cdef const uint8_t* found
    while separators.mask == 0:
        separators.base += 64
        separators.mask = mask_at(separators, separators.base)
    found = separators.base + __builtin_ctzll(separators.mask)
    separators.mask &= separators.mask - 1
    return found


cdef inline void seek(Separators* separators, const uint8_t* p) noexcept nogil:
    """The next separator is the first at or after p."""
    separators.base = p
    separators.mask = mask_at(separators, p)


cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, uint32_t version, uint8_t* input,
                  size_t room) noexcept nogil:
    cdef Scan scanned
    cdef Separators separators
    cdef const uint8_t* end
    cdef const uint8_t* p
    cdef const uint8_t* type_end
    cdef int slot
    if room < MAX_INPUT + (length if version >= TEXT_BODIES else 0):
        return -1
    # 8=FIX|9=5|35=?|10=nnn| : the shortest that frame() lets through
    if length < 22 or memcmp(message, b"8=FIX", 5) != 0 or not ends_in_trailer(message, length):
        return 0
    end = message + length - 7
    separators.limit = message + length
    separators.length = length
    seek(&separators, message)
    p = next_separator(&separators) + 1
    if end - p < 3 or p[0] != 57 or p[1] != 61:
        return 0
    p = next_separator(&separators) + 1
    if end - p < 4 or p[0] != 51 or p[1] != 53 or p[2] != 61:
        return 0
    p += 3
    type_end = next_separator(&separators)
    memset(input, 0, sizeof(InputHead) + sizeof(MessageHead) + sizeof(OrderBody))
    memset(scanned.seen, 0, rules.used_bits * sizeof(uint64_t))
    memset(scanned.lengths, 0, sizeof(scanned.lengths))
    scanned.detail = NULL
    scanned.problem_tag = 0
    scanned.user_tag_count = 0
    scanned.verdict = NOT_REJECTED
    scanned.in_groups = False
    scanned.last_tag = 35
    scanned.body = scanned.body_end = NULL
    scanned.stated_tag = NO_TAG
    scanned.route_length = 0
    scanned.identity = identity
    scanned.version = version
    scanned.parties = False
    scanned.piece_count = 0
    scanned.message = <MessageHead*>(input + sizeof(InputHead))
    scanned.session = <SessionBody*>(input + sizeof(InputHead) + sizeof(MessageHead))
    scanned.order = <OrderBody*>scanned.session
    scanned.message.sending_time_ns = EMPTY_TIME()
    scanned.message.orig_sending_time_ns = EMPTY_TIME()
    if memcmp(message, b"8=FIX.4.4\x01", 10) != 0:
        scanned.message.flags |= FLAG_BEGIN_STRING
    scanned.seen[0] = (<uint64_t>1 << 8) | (<uint64_t>1 << 9) | (<uint64_t>1 << 10) | (<uint64_t>1 << 35)
    slot = slot_of_type(&scanned, p, <size_t>(type_end - p))
    scanned.xml = type_end - p == 1 and p[0] == 110
    scanned.stated = slot != 0
    scanned.message.msg_type = rules.served[slot].msg_type
    if scanned.message.msg_type == MSG_LOGON:
        scanned.session.grace_ms = 0xFFFFFFFF
    scan_fields(&scanned, &separators, type_end + 1, end, slot)
    if scanned.body_end == NULL:
        scanned.body_end = end
    judge_whole(&scanned, slot)
    return write_input(&scanned, slot, input)


cdef int slot_of_type(Scan* scanned, const uint8_t* text, size_t length) noexcept nogil:
    """The slot of a MsgType whose body is stated, else 0; unknown ones are a problem. The text of what is not
    acted on is kept for the tail, where it can be shown: it is echoed.
    """
    cdef bint printable = is_printable(text, length)
    cdef int slot = rules.slots[text[0]] if length == 1 and text[0] < 128 else slot_of_text(text, length)
    if length == 0:
        problem(scanned, NO_VALUE, 35, NULL)
    elif slot < 0 and (text[0] != 85 or not printable):     # 'U...' are private types: valid, not served
        problem(scanned, INVALID_MSG_TYPE, 35, NULL)
    slot = max(slot, 0)
    if rules.served[slot].msg_type == MSG_OTHER and printable:
        scanned.strings[MSG_TYPE] = text
        scanned.lengths[MSG_TYPE] = length if length <= 32 else 32
    return slot


cdef int slot_of_text(const uint8_t* text, size_t length) noexcept nogil:
    """That of any MsgType; 0: the body is not stated, -1: the type is unknown."""
    cdef uint64_t word = 0
    cdef uint32_t at
    if length == 0 or length > sizeof(word):
        return -1
    memcpy(&word, text, length)
    at = type_hash(word)
    while rules.type_hashes[at].text != 0:
        if rules.type_hashes[at].text == word:
            return rules.type_hashes[at].slot
        at = (at + 1) & (TYPE_HASHES - 1)
    return -1


cdef inline uint32_t read_tag(const uint8_t* p, const uint8_t** value) noexcept nogil:
    """The tag of the field at p and where its value begins; 0: it does not begin with 1 to 7 digits and '='.

    Eight bytes at p are readable. A separator is no digit, so the value begins inside the field.
    """
    cdef uint32_t first = <uint32_t>p[0] - 48, second = <uint32_t>p[1] - 48, third
    cdef uint64_t word, hit
    cdef size_t digits
    if p[2] == 61 and first - 1 <= 8 and second <= 9:
        value[0] = p + 3
        return first * 10 + second
    third = <uint32_t>p[2] - 48
    if p[3] == 61 and first - 1 <= 8 and second <= 9 and third <= 9:
        value[0] = p + 4
        return first * 100 + second * 10 + third
    word = load_word(p)
    hit = find_byte(word, <uint64_t>0x3D3D3D3D3D3D3D3D)
    if hit == 0 or p[0] == 61 or p[0] == 48:
        return 0
    digits = <size_t>(__builtin_ctzll(hit) >> 3)
    word = (word << (64 - 8 * digits)) | (<uint64_t>0x3030303030303030 >> (8 * digits))
    if not eight_digits(word):
        return 0
    value[0] = p + digits + 1
    return <uint32_t>parse_eight_digits(word)


cdef void scan_fields(Scan* scanned, Separators* separators, const uint8_t* p, const uint8_t* end,
                      int slot) noexcept nogil:
    """Every field from p to the trailer at `end`; the byte before `end` is a separator."""
    cdef const uint8_t* rule_of = rules.actions[slot]
    cdef const uint8_t* value = NULL
    cdef const uint8_t* begin
    cdef const uint8_t* field_end
    cdef uint64_t data_length = 0
    cdef uint32_t tag, place, data_tag = 0      # data_tag: the data field that must be next
    cdef size_t length
    cdef uint8_t rule, action, section = HEADER
    cdef bint announced
    while p < end:
        field_end = next_separator(separators)
        tag = read_tag(p, &value)
        begin = p
        p = field_end + 1
        if tag == 0:
            judge_no_tag(scanned, begin, field_end)
            continue
        scanned.last_tag = tag
        announced = data_tag != 0 and data_is_whole(scanned, tag, data_tag, value, data_length, end)
        data_tag = 0
        if announced:
            field_end = value + data_length
            p = field_end + 1
            if p < end:
                seek(separators, p)
        length = <size_t>(field_end - value)
        place = place_of(tag)
        if place == 0:
            judge_user_tag(scanned, tag, value, length)
            continue
        rule = rule_of[place]
        action = rule & 63
        if action <= DATA:
            if rules.data_of[place] and parse_uint(value, length, &data_length):
                data_tag = rules.data_of[place]
            judge_data(scanned, tag)
            if action == SKIP:
                if section != BODY:
                    section = in_order(scanned, tag, rule, section, begin)
                judge_unstated(scanned, tag, place, length)
                continue
            if action == NOT_ALLOWED:
                problem(scanned, INVALID_TAG if rules.kinds[place] == KIND_NONE else NOT_IN_MESSAGE, tag,
                        NULL)
                continue
            if action == DATA and not announced:
                problem(scanned, MISSING_TAG, rules.length_of[place], NULL)
        if (rule & 192) != section:
            section = in_order(scanned, tag, rule, section, begin)
        if length == 0:
            problem(scanned, NO_VALUE, tag, NULL)
        elif action == GROUP:
            p = scan_group(scanned, group_of(slot, tag), value, length, p, end)
            if tag == 453 and p != field_end + 1:
                take_parties(scanned, begin, p - 1)
            if p < end:
                seek(separators, p)
        elif action == LENGTH and data_tag == 0:
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
        if is_new(scanned, tag, place) and length > 0 and action > DATA:
            take(scanned, action, tag, value, length)
    if data_tag:
        problem(scanned, MISSING_TAG, data_tag, NULL)


cdef void judge_no_tag(Scan* scanned, const uint8_t* begin, const uint8_t* end) noexcept nogil:
    """What stands for a field and does not begin with a tag. Without '=' it is the rest of the value before it, unless
    the length of that was stated.
    """
    if memchr(begin, 61, <size_t>(end - begin)) == NULL and not rules.length_of[place_of(scanned.last_tag)]:
        problem(scanned, CUT_VALUE, scanned.last_tag, NULL)
        return
    if scanned.verdict == NOT_REJECTED:
        scanned.stated_tag = stated_tag(begin, end)
    problem(scanned, INVALID_TAG, 0, NULL)


cdef inline void judge_data(Scan* scanned, uint32_t tag) noexcept nogil:
    """Data fields of the header that this message may not have, and their lengths."""
    if tag == 90 or tag == 91:
        problem(scanned, ENCRYPTED, 91, NULL)
    elif (tag == 212 or tag == 213) and not scanned.xml:
        problem(scanned, NOT_IN_MESSAGE, tag, NULL)


cdef inline void judge_unstated(Scan* scanned, uint32_t tag, uint32_t place, size_t length) noexcept nogil:
    """A field of a body that the dictionary does not state: it has a value and is there once, but in groups."""
    if length == 0:
        problem(scanned, NO_VALUE, tag, NULL)
    if not scanned.in_groups:
        is_new(scanned, tag, place)
        scanned.in_groups = rules.kinds[place] == KIND_COUNT


cdef int64_t stated_tag(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """What stands for the tag of a field, where it is a number at all (0, -1, 007); NO_TAG: it is none, or too long."""
    cdef bint negative = p[0] == 45
    cdef int64_t number = 0
    cdef const uint8_t* digit = p + 1 if negative else p
    while digit < end and digit[0] != 61:
        if digit[0] - 48 > 9 or digit[0] < 48 or digit - p > 9:
            return NO_TAG
        number = number * 10 + digit[0] - 48
        digit += 1
    if digit == end or digit == p + negative:
        return NO_TAG
    return -number if negative else number


cdef bint data_is_whole(Scan* scanned, uint32_t tag, uint32_t data_tag, const uint8_t* value, uint64_t length,
                        const uint8_t* end) noexcept nogil:
    """The field is the data that its length announced, and a separator stands where that says."""
    if tag != data_tag:
        problem(scanned, MISSING_TAG, data_tag, NULL)
        return False
    if length == 0 or length >= <uint64_t>(end - value) or value[length] != SOH:
        problem(scanned, WRONG_SIGNATURE if data_tag == 89 else INCORRECT_VALUE, data_tag,
                b"Length does not agree with the data")
        return False
    return True


cdef int group_of(int slot, uint32_t counter) noexcept nogil:
    """The group that a counter at the top level of a message counts."""
    cdef const uint16_t* number = rules.message_groups + rules.served[slot].first_group
    while rules.groups[number[0]].counter != counter:   # ends: a tag's action is GROUP when there is one
        number += 1
    return number[0]


cdef inline bint is_new(Scan* scanned, uint32_t tag, uint32_t place) noexcept nogil:
    """The tag is there; a second time is a problem."""
    cdef uint64_t bit = <uint64_t>1 << (place & 63)
    if scanned.seen[place >> 6] & bit:
        problem(scanned, REPEATED_TAG, tag, NULL)
        return False
    scanned.seen[place >> 6] |= bit
    return True


cdef bint is_new_user_tag(Scan* scanned, uint32_t tag) noexcept nogil:
    """Whether a tag that no table has is there for the first time, as far as there was room to remember.

    A message has few or none of them; the bound is what one with thousands can cost.
    """
    cdef uint32_t i
    for i in range(scanned.user_tag_count):
        if scanned.user_tags[i] == tag:
            return False
    if scanned.user_tag_count < USER_TAGS:
        scanned.user_tags[scanned.user_tag_count] = tag
        scanned.user_tag_count += 1
    return True


cdef inline uint8_t in_order(Scan* scanned, uint32_t tag, uint8_t rule, uint8_t section,
                             const uint8_t* begin) noexcept nogil:
    """The section that the message is in after this tag, whose field begins there; never back."""
    if (rule & 192) < section:
        problem(scanned, OUT_OF_ORDER, tag, NULL)
        return section
    if (rule & 192) == TRAILER:
        scanned.body_end = begin
    else:
        scanned.body = begin
    return rule & 192


cdef void judge_user_tag(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """A tag that no table has: 5000 and above are private."""
    if tag < 5000:
        if scanned.stated:
            problem(scanned, INVALID_TAG, tag, NULL)
    elif length == 0:
        problem(scanned, NO_VALUE, tag, NULL)
    elif not scanned.in_groups and not is_new_user_tag(scanned, tag):
        problem(scanned, REPEATED_TAG, tag, NULL)
    elif scanned.stated and rules.echo:
        problem(scanned, INVALID_TAG, tag, NULL)


cdef void take(Scan* scanned, uint8_t action, uint32_t tag, const uint8_t* value,
               size_t length) noexcept nogil:
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
        if parse_short_decimal(value, length, &order.price_mantissa, &order.price_exponent):
            order.present |= HAS_PRICE
        else:
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
    elif action == TAKE_QUANTITY:
        if parse_short_decimal(value, length, &order.quantity_mantissa, &order.quantity_exponent):
            order.present |= HAS_QUANTITY
        else:
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
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
        if message.msg_type != MSG_SEQUENCE_RESET or length != 1 or value[0] != 48:     # 0 there, in reset mode
            take_seq_num(scanned, tag, value, length, &message.msg_seq_num)
    elif action == TAKE_ROUTE:
        if not is_printable(value, length):
            problem(scanned, INCORRECT_FORMAT, tag, b"Only printable ASCII is served")
        elif judge(scanned, tag, value, length):
            take_route(scanned, tag, value, length)
    elif action == TAKE_SENDING_TIME:
        if not parse_timestamp(value, length, &message.sending_time_ns):
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
    elif action == TAKE_ORIG_SENDING_TIME:
        if not parse_timestamp(value, length, &message.orig_sending_time_ns):
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
    elif action == TAKE_POSS_DUP:
        take_flag(scanned, tag, value, length, FLAG_POSS_DUP)
    elif action == TAKE_POSS_RESEND:
        take_flag(scanned, tag, value, length, FLAG_POSS_RESEND)
    elif action == TAKE_ORIG_CL_ORD_ID:
        keep(scanned, 2, tag, value, length, MAX_CL_ORD_ID, b"At most 64 bytes are served")
    elif action == TAKE_ACCOUNT:
        if message.msg_type == MSG_MASS_CANCEL_REQUEST and scanned.version < ORDER_TERMS:
            unserved(order, tag)
        keep(scanned, 3, tag, value, length, MAX_ACCOUNT, b"At most 64 bytes are served")
    elif action == TAKE_ORDER_ID:
        order.order_id = UINT64_MAX
        if parse_uint(value, length, &number) and number != 0:
            order.order_id = number
    elif action == TAKE_EXEC_INST:
        take_exec_inst(scanned, tag, value, length)
    elif action == TAKE_TERM:
        if judge(scanned, tag, value, length):
            take_term(scanned, tag, value, length)
    elif action == TAKE_SELF_MATCH_GROUP:
        if judge(scanned, tag, value, length):
            if not parse_uint(value, length, &number) or number - 1 >= <uint64_t>0xFFFFFFFF:
                problem(scanned, INCORRECT_VALUE, tag, b"A group is a number from 1 to 4294967295")
            take_term(scanned, tag, value, length)
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
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
    elif action == TAKE_HEARTBEAT:
        if judge(scanned, tag, value, length):
            if not parse_uint(value, length, &number) or number > <uint64_t>0xFFFFFFFF:
                problem(scanned, INCORRECT_VALUE, tag, NULL)
            else:
                session.heartbeat_seconds = <uint32_t>number
    elif action == TAKE_CANCEL_ON_DISCONNECT:
        if length != 1 or (value[0] != 89 and value[0] != 78):
            problem(scanned, INCORRECT_FORMAT, tag, b"CancelOnDisconnect is Y or N")
        else:
            session.cancel_on_disconnect = 2 if value[0] == 89 else 1
    elif action == TAKE_GRACE:
        if not parse_uint(value, length, &number) or number >= <uint64_t>0xFFFFFFFF:
            problem(scanned, INCORRECT_FORMAT, tag, b"The grace is a number of milliseconds below 4294967295")
        else:
            session.grace_ms = <uint32_t>number
    elif action == TAKE_START_INPUT:
        if not parse_uint(value, length, &session.begin_seq_no):
            problem(scanned, INCORRECT_FORMAT, tag, b"StartInputNumber is a number")
        session.begin_seq_no = max(session.begin_seq_no, 1)     # 0 is the whole, too
    elif action == NO_TESTS:
        if judge(scanned, tag, value, length) and value[0] == 89 and not rules.echo:
            problem(scanned, INCORRECT_VALUE, tag, b"Here is no session for tests")
    elif action == TAKE_MAX_SIZE:
        if not parse_uint(value, length, &session.end_seq_no):
            problem(scanned, INCORRECT_FORMAT, tag, NULL)
        session.end_seq_no = max(session.end_seq_no, 1)         # 0 is a size, too
    elif action == TAKE_ENCRYPT:
        session.encrypt_method = judged_character(scanned, tag, value, length) - 48
    else:
        judge(scanned, tag, value, length)


cdef inline void keep(Scan* scanned, int string, uint32_t tag, const uint8_t* value, size_t length,
                      size_t limit,
                      const char* detail) noexcept nogil:
    """A string for the tail; longer than the limit is refused, never cut."""
    if length > limit:
        problem(scanned, INCORRECT_VALUE, tag, detail)
    elif not is_printable(value, length):
        problem(scanned, INCORRECT_FORMAT, tag, b"Only printable ASCII is served")
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
        problem(scanned, INCORRECT_FORMAT, tag, b"Y or N is expected")
    elif value[0] == 89:
        scanned.message.flags |= flag


cdef inline void take_seq_num(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length,
                              uint64_t* number) noexcept nogil:
    if not parse_short_uint(value, length, number):
        problem(scanned, INCORRECT_FORMAT, tag, NULL)
    elif number[0] == 0:
        problem(scanned, INCORRECT_VALUE, tag, NULL)


cdef void take_route(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """Who sent it on whose behalf, or for whom it is, turned round: an answer goes back that way. What is too long is
    left out.
    """
    cdef uint8_t* out = scanned.route + scanned.route_length
    if scanned.route_length + length + 5 > MAX_ROUTE:
        return
    out = write_bytes(out, turned(tag), 4)
    memcpy(out, value, length)
    out[length] = SOH
    scanned.route_length += <uint32_t>length + 5


cdef inline const char* turned(uint32_t tag) noexcept nogil:
    if tag == 115:
        return b"128="
    if tag == 116:
        return b"129="
    if tag == 144:
        return b"145="
    if tag == 128:
        return b"115="
    if tag == 129:
        return b"116="
    return b"144="


cdef inline uint8_t judged_character(Scan* scanned, uint32_t tag, const uint8_t* value,
                                     size_t length) noexcept nogil:
    """The only character of a value from a list of characters; '0' after a problem."""
    if is_one_of(tag, value, length):
        return value[0]
    if judge(scanned, tag, value, length):
        problem(scanned, INCORRECT_VALUE, tag, NULL)
    return 48


cdef void take_exec_inst(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """'6' is post-only; with all-or-none (G), a peg (R, P, M) or a trail (a) among them they are terms. 1, 2, 4 and 5
    tell a broker how to work an order and mean nothing here; others are unserved.
    """
    cdef bint post_only = False, terms = False
    cdef size_t i
    if not judge(scanned, tag, value, length):
        return
    for i in range(0, length, 2):
        if value[i] == c'6':
            post_only = True
        elif value[i] == c'G' or value[i] == c'R' or value[i] == c'P' or value[i] == c'M' or value[i] == c'a':
            terms = True
        elif value[i] != c'1' and value[i] != c'2' and value[i] != c'4' and value[i] != c'5':
            unserved(scanned.order, tag)
    if terms:
        take_term(scanned, tag, value, length)
    else:
        scanned.order.post_only = post_only


cdef void take_term(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """A field that says more of an order than its body has room for. Numbers could be of any length."""
    cdef const uint8_t* begin = value
    if not carries_terms(scanned):
        unserved(scanned.order, tag)
        return
    if length > MAX_TERM:
        problem(scanned, INCORRECT_VALUE, tag, b"At most 32 bytes are served")
    while (begin - 1)[0] != SOH:    # a separator stands before every field
        begin -= 1
    scanned.order.present |= HAS_TERMS
    add_piece(scanned, begin, value + length)


cdef inline bint carries_terms(const Scan* scanned) noexcept nogil:
    return scanned.version >= ORDER_TERMS and (carries_parties(scanned)
                                               or scanned.message.msg_type == MSG_MASS_CANCEL_REQUEST)


cdef inline bint carries_parties(const Scan* scanned) noexcept nogil:
    return scanned.message.msg_type == MSG_NEW_ORDER or scanned.message.msg_type == MSG_REPLACE_REQUEST


cdef inline void add_piece(Scan* scanned, const uint8_t* begin, const uint8_t* end) noexcept nogil:
    scanned.pieces[scanned.piece_count].text = begin
    scanned.pieces[scanned.piece_count].length = <size_t>(end - begin)
    scanned.piece_count += 1


cdef inline void take_parties(Scan* scanned, const uint8_t* begin, const uint8_t* end) noexcept nogil:
    """They are there more than once in a message that is refused, whose pieces nobody takes."""
    if not scanned.parties:
        scanned.parties = True
        scanned.parties_piece = scanned.piece_count
        add_piece(scanned, begin, end)


cdef bint judge(Scan* scanned, uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """The value is of the tag's type and in its list, if there is one. length > 0."""
    cdef uint8_t verdict = judge_value(tag, value, length)
    if verdict != NOT_REJECTED:
        problem(scanned, verdict, tag, NULL)
    return verdict == NOT_REJECTED

# ---------------------------------------------------------------- repeating groups

cdef const uint8_t* scan_group(Scan* scanned, int number, const uint8_t* count_text, size_t count_length,
                               const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The instances after a counter, nested groups included; returns the first byte that is not theirs.

    Each instance begins with the group's first tag; the other tags follow in their order, each at most once.
    A count of 0 without instances says that there is no group.
    """
    cdef const GroupRule* group = &rules.groups[number]
    cdef const Member* members = rules.members + group.first
    cdef const Member* member
    cdef uint64_t seen[MEMBER_BITS]     # of this instance, one bit a member
    cdef uint64_t stated = 0, instances = 0
    cdef const uint8_t* next_p
    cdef const uint8_t* value
    cdef size_t length, position, i, last = 0
    cdef uint32_t tag
    if not parse_uint(count_text, count_length, &stated):
        problem(scanned, INCORRECT_FORMAT, group.counter, NULL)
        return p
    if stated != 0 and not judge(scanned, group.counter, count_text, count_length):
        return p
    memset(seen, 0, sizeof(seen))
    while p < end:
        position = 0
        if next_field(p, <size_t>(end - p), &position, &tag, &value, &length) != 1:
            judge_no_tag(scanned, p, <const uint8_t*>memchr(p, SOH, <size_t>(end - p)))
            break
        i = 0
        while i < group.count and members[i].tag != tag:
            i += 1
        if i == group.count:
            break
        if i == 0:
            if instances:
                judge_instance(scanned, group, seen)
            instances += 1
            memset(seen, 0, sizeof(seen))
        elif instances == 0:
            problem(scanned, GROUP_OUT_OF_ORDER, tag, NULL)
        if is_set(seen, i):
            problem(scanned, REPEATED_TAG, tag, NULL)
        elif i != 0 and i < last:
            problem(scanned, GROUP_OUT_OF_ORDER, tag, NULL)
        set_bit(seen, i)
        last = i
        scanned.last_tag = tag
        member = &members[i]
        next_p = p + position
        if length == 0:
            problem(scanned, NO_VALUE, tag, NULL)
        elif member.group:
            next_p = scan_group(scanned, member.group, value, length, next_p, end)
        elif rules.data_of[member.place]:
            next_p = scan_group_data(scanned, tag, value, length, next_p, end)
            see_data(group, rules.data_of[member.place], seen)
            scanned.last_tag = rules.data_of[member.place]
        else:
            judge(scanned, tag, value, length)
        p = next_p
    if instances:
        judge_instance(scanned, group, seen)
    if instances != stated:
        problem(scanned, INCORRECT_COUNT, group.counter, NULL)
    return p


cdef inline bint is_set(const uint64_t* bits, size_t at) noexcept nogil:
    return (bits[at >> 6] >> (at & 63)) & 1


cdef inline void set_bit(uint64_t* bits, size_t at) noexcept nogil:
    bits[at >> 6] |= <uint64_t>1 << (at & 63)


cdef void see_data(const GroupRule* group, uint32_t data_tag, uint64_t* seen) noexcept nogil:
    """The data field was there with its length: another one is a second."""
    cdef size_t i
    for i in range(group.count):
        if rules.members[group.first + i].tag == data_tag:
            set_bit(seen, i)


cdef void judge_instance(Scan* scanned, const GroupRule* group, const uint64_t* seen) noexcept nogil:
    """What an instance must have is there."""
    cdef uint64_t missing
    cdef size_t i
    for i in range(MEMBER_BITS):
        missing = group.required[i] & ~seen[i]
        if missing:
            problem(scanned, MISSING_TAG,
                    rules.members[group.first + 64 * i + <size_t>__builtin_ctzll(missing)].tag, NULL)


cdef const uint8_t* scan_group_data(Scan* scanned, uint32_t length_tag, const uint8_t* value, size_t length,
                                    const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The data field that must follow its length; returns the byte after it, or p when it is not there."""
    cdef uint64_t data_length
    cdef uint32_t tag = 0, data_tag = rules.data_of[place_of(length_tag)]
    cdef const uint8_t* data = NULL
    cdef size_t position = 0, text_length
    if not parse_uint(value, length, &data_length):
        problem(scanned, INCORRECT_FORMAT, length_tag, NULL)
        return p
    if (next_field(p, <size_t>(end - p), &position, &tag, &data, &text_length) != 1
            or tag != data_tag):
        problem(scanned, MISSING_TAG, data_tag, NULL)
        return p
    if data_length == 0 or data_length >= <uint64_t>(end - data) or data[data_length] != SOH:
        problem(scanned, INCORRECT_VALUE, tag, b"Length does not agree with the data")
        return p + position
    return data + data_length + 1

# ---------------------------------------------------------------- the whole message

cdef void judge_whole(Scan* scanned, int slot) noexcept nogil:
    """What only the whole message shows: what is missing, and how long its body is."""
    cdef const Served* rule = &rules.served[slot]
    cdef bint carry = scanned.version >= TEXT_BODIES
    cdef MessageHead* message = scanned.message
    cdef uint64_t missing
    cdef uint32_t i
    if message.sending_time_ns == EMPTY_TIME():
        message.flags |= FLAG_SENDING_TIME_PROBLEM
    if message.flags & FLAG_POSS_DUP and message.orig_sending_time_ns == EMPTY_TIME():
        message.flags |= FLAG_NO_ORIG_SENDING_TIME
    for i in range(rules.used_bits):
        missing = rule.required[i] & ~scanned.seen[i]
        if missing:
            problem(scanned, MISSING_TAG, rules.tags[64 * i + <uint32_t>__builtin_ctzll(missing)], NULL)
    if ((message.msg_type == MSG_NEW_ORDER or message.msg_type == MSG_REPLACE_REQUEST)
            and not scanned.order.present & (HAS_QUANTITY | HAS_UNSUPPORTED)):
        problem(scanned, MISSING_TAG, 38, NULL)
    if message.msg_type == MSG_MASS_STATUS_REQUEST and scanned.parties:
        unserved(scanned.order, 453)    # to report orders of others, too, would be wrong
    if not carry or not (carries_parties(scanned) or carries_terms(scanned)):
        scanned.piece_count = 0
    elif scanned.piece_count:
        judge_pieces(scanned)
    if not carry:       # rules 1 have none of it
        if message.msg_type == MSG_LOGON:
            scanned.session.begin_seq_no = scanned.session.end_seq_no = 0
        scanned.route_length = 0
        scanned.stated_tag = NO_TAG
    elif not rules.echo:
        judge_route(scanned)
    if carry and scanned.problem_tag > 65535:
        scanned.stated_tag = scanned.problem_tag
    if carry and rule.carried and scanned.body != NULL:
        if scanned.body_end - scanned.body > MAX_BODY:
            problem(scanned, OTHER_REASON, 0, b"A body has at most 65536 bytes")
        elif scanned.verdict == NOT_REJECTED:
            message.body_length = <uint32_t>(scanned.body_end - scanned.body)


cdef void judge_route(Scan* scanned) noexcept nogil:
    """To act on it in the sender's own name would be wrong."""
    cdef uint32_t tag = 115 if is_set(scanned.seen, 115) else 128
    if is_set(scanned.seen, tag):
        problem(scanned, FOR_SOMEBODY_ELSE, tag, b"Each firm has its own session")


cdef void judge_pieces(Scan* scanned) noexcept nogil:
    """They are echoed, as text that keeps its separators. Terms alone are never too long."""
    if scanned.parties:
        judge_parties(scanned, &scanned.pieces[scanned.parties_piece])
    if pieces_length(scanned) > MAX_PARTIES:
        problem(scanned, INCORRECT_VALUE, 453, b"At most 512 bytes of parties and terms are served")
    if scanned.verdict != NOT_REJECTED:
        scanned.piece_count = 0
        scanned.order.present &= ~HAS_TERMS


cdef void judge_parties(Scan* scanned, const Piece* parties) noexcept nogil:
    cdef uint8_t byte
    cdef size_t i
    if parties.length > MAX_PARTIES:
        problem(scanned, INCORRECT_VALUE, 453, b"At most 512 bytes of parties are served")
    for i in range(parties.length):
        byte = parties.text[i]
        if byte != SOH and (byte < 32 or byte > 126):
            problem(scanned, INCORRECT_FORMAT, 453, b"Only printable ASCII is served")


cdef inline size_t pieces_length(const Scan* scanned) noexcept nogil:
    """Of all of them, with separators between them."""
    cdef size_t length = 0
    cdef uint32_t i
    for i in range(scanned.piece_count):
        length += scanned.pieces[i].length + (1 if i else 0)
    return length


cdef ssize_t write_input(Scan* scanned, int slot, uint8_t* input) noexcept nogil:
    """Fills the heads and the tail; but for the body MAX_INPUT bytes suffice, since every string is bounded."""
    cdef InputHead* head = <InputHead*>input
    cdef MessageHead* message = scanned.message
    cdef char text[136]     # MAX_TEXT and the rest of a word
    cdef uint8_t* out = input + sizeof(InputHead) + sizeof(MessageHead) + rules.served[slot].body_size
    cdef int i
    if scanned.verdict != NOT_REJECTED:
        if scanned.problem_tag < 65536 and scanned.verdict != INVALID_MSG_TYPE:
            message.ref_tag = <uint16_t>scanned.problem_tag
        scanned.strings[0] = <const uint8_t*>text
        scanned.lengths[0] = describe(scanned.verdict, scanned.problem_tag, scanned.detail, text)
    if scanned.stated_tag != NO_TAG:
        message.more |= HAS_STATED_TAG
        message.stated_tag = <int32_t>scanned.stated_tag
    message.route_length = <uint8_t>scanned.route_length
    message.text_length = <uint8_t>scanned.lengths[0]
    message.msg_type_length = <uint8_t>scanned.lengths[MSG_TYPE]
    if rules.served[slot].orders:
        scanned.order.cl_ord_id_length = <uint8_t>scanned.lengths[1]
        scanned.order.orig_cl_ord_id_length = <uint8_t>scanned.lengths[2]
        scanned.order.account_length = <uint8_t>scanned.lengths[3]
        scanned.order.symbol_length = <uint8_t>scanned.lengths[4]
        scanned.order.parties_length = <uint16_t>pieces_length(scanned)
    elif message.msg_type == MSG_LOGON:
        scanned.session.sender_length = <uint8_t>scanned.lengths[1]
        scanned.session.target_length = <uint8_t>scanned.lengths[2]
    for i in range(MSG_TYPE):
        if scanned.lengths[i]:
            out = write_words(out, scanned.strings[i], scanned.lengths[i])
    for i in range(scanned.piece_count):
        if i:
            out[0] = SOH
            out += 1
        out = write_words(out, scanned.pieces[i].text, scanned.pieces[i].length)
    if scanned.lengths[MSG_TYPE]:
        out = write_words(out, scanned.strings[MSG_TYPE], scanned.lengths[MSG_TYPE])
    if message.route_length:
        memcpy(out, scanned.route, message.route_length)
        out += message.route_length
    if message.body_length:
        memcpy(out, scanned.body, message.body_length)
        out += message.body_length
    memset(out, 0, 8)       # padding, and what the last words copied too far
    out += (input - out) & 7
    head.size = <uint32_t>(out - input)
    head.kind = INPUT_MESSAGE
    head.verdict = scanned.verdict
    return out - input
