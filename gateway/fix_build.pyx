# cython: boundscheck=False, wraparound=False, cdivision=True
"""Builds FIX messages from Egress records.

Holds nothing: each call reads one record and writes one message. The GIL is not needed and nothing is
raised. boundscheck and wraparound are off because only C pointers are indexed: `encode` checks the record's
lengths and the room once, before anything is written. cdivision: divisors are non-zero constants.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t, INT64_MIN
from libc.string cimport memcmp, memcpy, memmove

from gateway.fix_values cimport (EMPTY_TIME, SOH, write_bytes, write_checksum, write_decimal,
                                 write_timestamp, write_uint)
from gateway.records cimport (EGRESS_MESSAGE, FLAG_GAP_FILL, FLAG_POSS_RESEND, FLAG_RESET_SEQ_NUM, MSG_BUSINESS_REJECT,
                              MSG_EXECUTION_REPORT, MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT,
                              MSG_MASS_CANCEL_REPORT, MSG_MASS_STATUS_REQUEST, MSG_ORDER_CANCEL_REJECT,
                              MSG_OTHER, MSG_REJECT, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET,
                              MSG_TEST_REQUEST, NOT_REJECTED, STATUS_OF_ONE, EgressHead, ExecutionFields,
                              SessionFields, TextFields)

cdef enum:
    NO_REASON = 255             # ExecutionFields.fix_reason
    OWN_DIGITS = 5              # our own tags are 20000 and above, all others shorter
    TRADE_CANCEL = 72           # 'H'
    TRIGGERED = 76              # 'L', of FIX 5.0: to who wants FIX 4.4 alone the order is restated,
    RESTATED = 68               # 'D',
    OTHER_RESTATEMENT = 99      # for a reason that FIX 4.4 does not name
    LENGTH_AT = 12              # where the digits of BodyLength begin, after 8=FIX.4.4|9=
    PREFIX = 16                 # 8=FIX.4.4|9=nnn|


cdef inline uint8_t* put_text(uint8_t* out, const char* tag, size_t tag_length, const uint8_t* text,
                              size_t length) noexcept nogil:
    """Separator, tag and text; nothing when the text is empty."""
    if length == 0:
        return out
    out = write_bytes(out, tag, tag_length)
    memcpy(out, text, length)
    return out + length


cdef inline uint8_t* put_uint(uint8_t* out, const char* tag, size_t tag_length,
                              uint64_t number) noexcept nogil:
    return write_uint(write_bytes(out, tag, tag_length), number)


cdef inline uint8_t* put_int(uint8_t* out, const char* tag, size_t tag_length, int64_t number) noexcept nogil:
    out = write_bytes(out, tag, tag_length)
    if number < 0:
        out[0] = 45
        out += 1
        number = -number
    return write_uint(out, <uint64_t>number)


cdef inline uint8_t* put_decimal(uint8_t* out, const char* tag, size_t tag_length, int64_t mantissa,
                                 int exponent) noexcept nogil:
    """Nothing when the number is absent."""
    if mantissa == INT64_MIN:
        return out
    return write_decimal(write_bytes(out, tag, tag_length), mantissa, exponent)


cdef inline uint8_t* put_char(uint8_t* out, const char* tag, size_t tag_length,
                              uint8_t character) noexcept nogil:
    """Nothing when the character is absent."""
    if character == 0:
        return out
    out = write_bytes(out, tag, tag_length)
    out[0] = character
    return out + 1


cdef inline uint8_t* put_type(uint8_t* out, uint8_t msg_type) noexcept nogil:
    if msg_type == MSG_MASS_STATUS_REQUEST:
        return write_bytes(out, b"AF", 2)
    out[0] = msg_type
    return out + 1


cdef inline uint8_t* put_header(uint8_t* out, const Identity* identity, uint64_t msg_seq_num,
                                int64_t sending_time_ns, int64_t orig_sending_time_ns) noexcept nogil:
    """SenderCompID to SendingTime; with an original time also PossDupFlag and OrigSendingTime."""
    out = put_text(out, b"\x0149=", 4, identity.own, identity.own_length)
    out = put_text(out, b"\x0156=", 4, identity.peer, identity.peer_length)
    out = put_uint(out, b"\x0134=", 4, msg_seq_num)
    if orig_sending_time_ns != EMPTY_TIME():
        out = write_bytes(out, b"\x0143=Y", 5)
    out = write_timestamp(write_bytes(out, b"\x0152=", 4), sending_time_ns)
    if orig_sending_time_ns != EMPTY_TIME():
        out = write_timestamp(write_bytes(out, b"\x01122=", 5), orig_sending_time_ns)
    return out


cdef inline bint executes(uint8_t msg_type) noexcept nogil:
    return (msg_type == MSG_EXECUTION_REPORT or msg_type == MSG_ORDER_CANCEL_REJECT
            or msg_type == MSG_MASS_CANCEL_REPORT)


cdef uint8_t* put_on_behalf(uint8_t* out, const ExecutionFields* fields) noexcept nogil:
    """Whose report this is a drop copy of."""
    cdef const uint8_t* text = <const uint8_t*>fields + strings_end(fields) - fields.on_behalf_length
    return put_text(out, b"\x01115=", 5, text, fields.on_behalf_length)


cdef inline size_t strings_end(const ExecutionFields* fields) noexcept nogil:
    return (sizeof(ExecutionFields) + fields.cl_ord_id_length + fields.orig_cl_ord_id_length + fields.account_length
            + fields.parties_length + fields.symbol_length + fields.text_length + fields.request_id_length
            + fields.on_behalf_length)


cdef inline uint8_t* put_start(uint8_t* message, const EgressHead* head, const Identity* identity,
                               int64_t resend_time_ns) noexcept nogil:
    """MsgType and the header of a record's message, for the first time or again."""
    cdef const TextFields* fields = <const TextFields*>(head + 1)
    cdef uint8_t* out = write_bytes(message + PREFIX, b"35=", 3)
    if head.msg_type == MSG_OTHER:
        memcpy(out, fields + 1, fields.type_length)
        out += fields.type_length
    else:
        out = put_type(out, head.msg_type)
    if resend_time_ns == EMPTY_TIME():
        out = put_header(out, identity, head.msg_seq_num, head.sending_time_ns, EMPTY_TIME())
    else:
        out = put_header(out, identity, head.msg_seq_num, resend_time_ns, head.sending_time_ns)
    if executes(head.msg_type) and (<const ExecutionFields*>fields).on_behalf_length:
        out = put_on_behalf(out, <const ExecutionFields*>fields)
    return write_bytes(out, b"\x0197=Y", 5) if head.flags & FLAG_POSS_RESEND else out


cdef ssize_t close_message(uint8_t* message, uint8_t* end) noexcept nogil:
    """Writes the last separator, what stands before the body (which begins at message + PREFIX) and the
    trailer.
    """
    cdef size_t body, digits
    cdef uint8_t text[32]
    end[0] = SOH
    end += 1
    body = <size_t>(end - message) - PREFIX
    digits = <size_t>(write_uint(text, body) - text)
    if digits != 3:
        memmove(message + LENGTH_AT + digits + 1, message + PREFIX, body)
        end = message + LENGTH_AT + digits + 1 + body
    memcpy(message, b"8=FIX.4.4\x019=", LENGTH_AT)
    memcpy(message + LENGTH_AT, text, digits)
    message[LENGTH_AT + digits] = SOH
    return write_checksum(end, message, <size_t>(end - message)) - message


cdef uint8_t* put_fields(uint8_t* out, const uint8_t* fields, size_t length, bint standard) noexcept nogil:
    """Fields that have separators between them, each with one in front; without those of our own tags where only
    standard ones are wanted. None of ours that is carried as text has data with separators in it."""
    cdef size_t at = 0, digits, size
    if length == 0 or not standard:
        return put_text(out, b"\x01", 1, fields, length)
    while at < length:
        digits = at
        while digits < length and fields[digits] != c'=':
            digits += 1
        size = digits
        while size < length and fields[size] != SOH:
            size += 1
        if digits - at < OWN_DIGITS:
            out = put_text(out, b"\x01", 1, fields + at, size - at)
        at = size + 1
    return out


cdef bint has_exec_inst(const uint8_t* fields, size_t length) noexcept nogil:
    """Whether ExecInst (18) is among fields that have separators between them."""
    cdef size_t i
    for i in range(length):
        if (i == 0 or fields[i - 1] == SOH) and length - i > 3 and memcmp(fields + i, b"18=", 3) == 0:
            return True
    return False


cdef uint8_t* build_execution(uint8_t* out, const ExecutionFields* fields, const uint8_t* tail,
                              bint standard) noexcept nogil:
    """ExecutionReport (8) after the header."""
    cdef const uint8_t* cl_ord_id = tail
    cdef const uint8_t* orig_cl_ord_id = cl_ord_id + fields.cl_ord_id_length
    cdef const uint8_t* account = orig_cl_ord_id + fields.orig_cl_ord_id_length
    cdef const uint8_t* parties = account + fields.account_length
    cdef const uint8_t* symbol = parties + fields.parties_length
    cdef const uint8_t* text = symbol + fields.symbol_length
    cdef const uint8_t* request_id = text + fields.text_length
    cdef uint8_t exec_type = fields.exec_type, restatement = fields.restatement
    if standard and exec_type == TRIGGERED:
        exec_type, restatement = RESTATED, OTHER_RESTATEMENT
    out = put_order_id(out, fields.order_id)
    out = put_text(out, b"\x0111=", 4, cl_ord_id, fields.cl_ord_id_length)
    out = put_text(out, b"\x0141=", 4, orig_cl_ord_id, fields.orig_cl_ord_id_length)
    if fields.request_id_length:
        out = put_text(out, b"\x01790=" if fields.status_request == STATUS_OF_ONE else b"\x01584=", 5, request_id,
                       fields.request_id_length)
    if fields.last_fragment:  # 0 reports is an answer too
        out = put_uint(out, b"\x01911=", 5, fields.mass_total)
    out = put_char(out, b"\x01912=", 5, fields.last_fragment)
    out = put_uint(out, b"\x0117=", 4, fields.exec_id)
    if exec_type == TRADE_CANCEL:
        out = put_uint(out, b"\x0119=", 4, fields.affected)
    out = put_char(out, b"\x01150=", 5, exec_type)
    out = put_char(out, b"\x0139=", 4, fields.ord_status)
    if fields.fix_reason != NO_REASON:
        out = put_uint(out, b"\x01103=", 5, fields.fix_reason)
    if restatement:
        out = put_uint(out, b"\x01378=", 5, restatement)
    out = put_fields(out, parties, fields.parties_length, standard)
    out = put_text(out, b"\x011=", 3, account, fields.account_length)
    out = put_text(out, b"\x0155=", 4, symbol, fields.symbol_length)
    out = put_char(out, b"\x0154=", 4, fields.side)
    out = put_decimal(out, b"\x0138=", 4, fields.quantity, fields.quantity_exponent)
    out = put_char(out, b"\x0140=", 4, fields.ord_type)
    out = put_decimal(out, b"\x0144=", 4, fields.price, fields.price_exponent)
    out = put_char(out, b"\x0159=", 4, fields.time_in_force if fields.time_in_force else 48)
    if fields.post_only and not has_exec_inst(parties, fields.parties_length):
        out = write_bytes(out, b"\x0118=6", 5)
    if fields.last_quantity:
        out = put_decimal(out, b"\x0132=", 4, fields.last_quantity, fields.quantity_exponent)
        out = put_decimal(out, b"\x0131=", 4, fields.last_price, fields.price_exponent)
    out = put_decimal(out, b"\x01151=", 5, fields.leaves, fields.quantity_exponent)
    out = put_decimal(out, b"\x0114=", 4, fields.cumulative, fields.quantity_exponent)
    out = put_decimal(out, b"\x016=", 3, fields.average_price, fields.price_exponent - 2)
    out = write_timestamp(write_bytes(out, b"\x0160=", 4), fields.transact_time_ns)
    out = put_char(out, b"\x01851=", 5, fields.maker_taker)
    if fields.trade_id:
        out = put_uint(out, b"\x01527=" if standard else b"\x01880=", 5, fields.trade_id)
    return put_text(out, b"\x0158=", 4, text, fields.text_length)


cdef inline uint8_t* put_order_id(uint8_t* out, uint64_t order_id) noexcept nogil:
    if order_id == 0:
        return write_bytes(out, b"\x0137=NONE", 8)
    return put_uint(out, b"\x0137=", 4, order_id)


cdef uint8_t* build_refusal(uint8_t* out, uint8_t msg_type, const ExecutionFields* fields,
                            const uint8_t* tail) noexcept nogil:
    """OrderCancelReject (9) and OrderMassCancelReport (r) after the header."""
    cdef const uint8_t* orig_cl_ord_id = tail + fields.cl_ord_id_length
    cdef const uint8_t* account = orig_cl_ord_id + fields.orig_cl_ord_id_length
    cdef const uint8_t* prices = account + fields.account_length
    cdef const uint8_t* symbol = prices + fields.parties_length
    cdef const uint8_t* text = symbol + fields.symbol_length
    out = put_order_id(out, fields.order_id)
    out = put_text(out, b"\x0111=", 4, tail, fields.cl_ord_id_length)
    if msg_type == MSG_ORDER_CANCEL_REJECT:
        out = put_text(out, b"\x0141=", 4, orig_cl_ord_id, fields.orig_cl_ord_id_length)
        out = put_char(out, b"\x0139=", 4, fields.ord_status)
        out = put_text(out, b"\x011=", 3, account, fields.account_length)
        out = put_char(out, b"\x01434=", 5, fields.response_to)
        if fields.fix_reason != NO_REASON:
            out = put_uint(out, b"\x01102=", 5, fields.fix_reason)
    else:
        out = put_char(out, b"\x01530=", 5, fields.response_to)
        out = put_char(out, b"\x01531=", 5, fields.mass_response)
        if fields.fix_reason != NO_REASON:
            out = put_uint(out, b"\x01532=", 5, fields.fix_reason)
        out = put_uint(out, b"\x01533=", 5, fields.affected)
        out = put_text(out, b"\x011=", 3, account, fields.account_length)
        out = put_text(out, b"\x01", 1, prices, fields.parties_length)
        out = put_text(out, b"\x0155=", 4, symbol, fields.symbol_length)
        out = put_char(out, b"\x0154=", 4, fields.side)
    out = write_timestamp(write_bytes(out, b"\x0160=", 4), fields.transact_time_ns)
    return put_text(out, b"\x0158=", 4, text, fields.text_length)


cdef uint8_t* build_session(uint8_t* out, const EgressHead* head, const SessionFields* fields,
                            const uint8_t* tail) noexcept nogil:
    """Every other message after the header."""
    cdef const uint8_t* ref_type = tail + fields.text_length
    cdef const uint8_t* ref_id = ref_type + fields.ref_type_length
    cdef uint8_t msg_type = head.msg_type
    if msg_type == MSG_HEARTBEAT or msg_type == MSG_TEST_REQUEST:
        return put_text(out, b"\x01112=", 5, tail, fields.text_length)
    if msg_type == MSG_RESEND_REQUEST:
        out = put_uint(out, b"\x017=", 3, fields.begin_seq_no)
        return put_uint(out, b"\x0116=", 4, fields.end_seq_no)
    if msg_type == MSG_SEQUENCE_RESET:
        if head.flags & FLAG_GAP_FILL:
            out = write_bytes(out, b"\x01123=Y", 6)
        return put_uint(out, b"\x0136=", 4, fields.begin_seq_no)
    if msg_type == MSG_LOGON:
        out = put_uint(write_bytes(out, b"\x0198=0", 5), b"\x01108=", 5, fields.heartbeat_seconds)
        if head.flags & FLAG_RESET_SEQ_NUM:
            out = write_bytes(out, b"\x01141=Y", 6)
        if fields.end_seq_no:
            out = put_uint(out, b"\x01383=", 5, fields.end_seq_no)
    elif msg_type == MSG_REJECT or msg_type == MSG_BUSINESS_REJECT:
        out = put_uint(out, b"\x0145=", 4, fields.ref_seq_num)
        if fields.has_stated_tag:
            out = put_int(out, b"\x01371=", 5, fields.stated_tag)
        elif fields.ref_tag:
            out = put_uint(out, b"\x01371=", 5, fields.ref_tag)
        if fields.ref_type_length:
            out = put_text(out, b"\x01372=", 5, ref_type, fields.ref_type_length)
        elif fields.ref_msg_type != 0 and fields.ref_msg_type != MSG_OTHER:
            out = put_type(write_bytes(out, b"\x01372=", 5), fields.ref_msg_type)
        out = put_text(out, b"\x01379=", 5, ref_id, fields.ref_id_length)
        if fields.reject_reason != NOT_REJECTED:
            if msg_type == MSG_REJECT:
                out = put_uint(out, b"\x01373=", 5, fields.reject_reason)
            else:
                out = put_uint(out, b"\x01380=", 5, fields.reject_reason)
    return put_text(out, b"\x0158=", 4, tail, fields.text_length)


cdef size_t said_size(const EgressHead* head) noexcept nogil:
    """What a message record's own lengths say; 0: it is none, or too short to say."""
    cdef const ExecutionFields* execution = <const ExecutionFields*>(head + 1)
    cdef const SessionFields* session = <const SessionFields*>(head + 1)
    cdef const TextFields* text = <const TextFields*>(head + 1)
    cdef size_t size = sizeof(EgressHead)
    if head.kind != EGRESS_MESSAGE:
        return 0
    if head.msg_type == MSG_OTHER:
        size += sizeof(TextFields)
        return size + text.body_length + text.type_length if size <= head.size else 0
    if executes(head.msg_type):
        return size + strings_end(execution) if size + sizeof(ExecutionFields) <= head.size else 0
    size += sizeof(SessionFields)
    if size > head.size or not sendable(head.msg_type):
        return 0
    return size + session.text_length + session.ref_type_length + session.ref_id_length + session.route_length


cdef ssize_t build(const EgressHead* head, const Identity* identity, int64_t resend_time_ns,
                   uint8_t* out) noexcept nogil:
    """encode, where there is room enough."""
    cdef const ExecutionFields* execution = <const ExecutionFields*>(head + 1)
    cdef const SessionFields* session = <const SessionFields*>(head + 1)
    cdef const TextFields* text = <const TextFields*>(head + 1)
    cdef uint8_t* end = put_start(out, head, identity, resend_time_ns)
    cdef uint16_t reason_code
    if head.msg_type == MSG_OTHER:
        if text.body_length:            # its last separator is the message's
            end = put_fields(end, <const uint8_t*>(text + 1) + text.type_length, text.body_length - 1,
                             identity.standard)
        return close_message(out, end)
    if executes(head.msg_type):
        if head.msg_type == MSG_EXECUTION_REPORT:
            end = build_execution(end, execution, <const uint8_t*>(execution + 1), identity.standard)
        else:
            end = build_refusal(end, head.msg_type, execution, <const uint8_t*>(execution + 1))
        if not identity.standard:
            end = put_uint(end, b"\x0120001=", 7, head.input_number)
        reason_code = execution.reason_code
    else:
        if session.route_length:
            end[0] = SOH
            memcpy(end + 1, <const uint8_t*>(session + 1) + session.text_length + session.ref_type_length
                   + session.ref_id_length, session.route_length)
            end += session.route_length     # without the last separator
        end = build_session(end, head, session, <const uint8_t*>(session + 1))
        reason_code = session.reason_code
    if reason_code and not identity.standard:
        end = put_uint(end, b"\x0120002=", 7, reason_code)
    return close_message(out, end)


cdef inline bint sendable(uint8_t msg_type) noexcept nogil:
    return (msg_type == MSG_BUSINESS_REJECT or msg_type == MSG_LOGON
            or (msg_type >= MSG_HEARTBEAT and msg_type <= MSG_LOGOUT))


cdef ssize_t encode(const uint8_t* egress, const Identity* identity, int64_t resend_time_ns, uint8_t* out,
                    size_t room) noexcept nogil:
    cdef const EgressHead* head = <const EgressHead*>egress
    cdef uint8_t message[MAX_ENCODED]
    cdef size_t said = said_size(head)
    cdef ssize_t length
    if said == 0 or said > head.size:
        return 0
    if head.msg_type == MSG_OTHER:
        return build(head, identity, resend_time_ns, out) if room >= MAX_ENCODED + head.size else -1
    if room >= MAX_ENCODED:
        return build(head, identity, resend_time_ns, out)
    length = build(head, identity, resend_time_ns, message)
    if length > <ssize_t>room:
        return -1
    memcpy(out, message, <size_t>length)
    return length


cdef ssize_t encode_gap_fill(const Identity* identity, uint64_t seq, uint64_t new_seq, int64_t time_ns,
                             uint8_t* out,
                             size_t room) noexcept nogil:
    cdef uint8_t message[512]
    cdef uint8_t* end = put_header(write_bytes(message + PREFIX, b"35=4", 4), identity, seq, time_ns, time_ns)
    cdef ssize_t length
    end = put_uint(write_bytes(end, b"\x01123=Y", 6), b"\x0136=", 4, new_seq)
    length = close_message(message, end)
    if length > <ssize_t>room:
        return -1
    memcpy(out, message, <size_t>length)
    return length
