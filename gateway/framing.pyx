# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; every read is behind a comparison with what is left of the payload.
"""Whether a log entry's payload is what it should be. Holds no state.

An input that is malformed, or of a kind this version does not know, raises ValueError, one that activates rules which
this program does not have NewerRules: the replica stops, it does not guess.
"""

from libc.stdint cimport int64_t, uint32_t, uint8_t
from libc.string cimport memset

from gateway.names cimport quorumbook_prefetch
from gateway.records cimport (
    ActivateBody, DropCopyBody, GatewayBody, INPUT_ACTIVATE, INPUT_DISCONNECT, INPUT_DROP_COPY, INPUT_GATEWAY_LOST,
    INPUT_GATEWAY_START, INPUT_INSTRUMENT, INPUT_MESSAGE, INPUT_OPERATION, INPUT_OPERATOR, INPUT_SETTING, INPUT_TIMER,
    InputHead, InstrumentBody, MAX_BODY, MAX_COMP_ID, MAX_PARTIES, MAX_SYMBOL, MessageHead, MSG_CANCEL_REQUEST,
    MSG_LOGON, MSG_MASS_CANCEL_REQUEST, MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER, MSG_REPLACE_REQUEST,
    MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET, MSG_STATUS_REQUEST, OperationBody, OperatorBody, OrderBody, SessionBody,
    SettingBody,
)
from gateway.session cimport Message

from gateway.rules import NewerRules

cdef enum:
    FAR = 2048      # bytes between asking for a payload's memory, which another core has written, and looking at it


cdef inline bint has_session_body(uint8_t type) noexcept nogil:
    return type == MSG_LOGON or type == MSG_RESEND_REQUEST or type == MSG_SEQUENCE_RESET


cdef inline bint has_order_body(uint8_t type) noexcept nogil:
    return (type == MSG_NEW_ORDER or type == MSG_CANCEL_REQUEST or type == MSG_REPLACE_REQUEST
            or type == MSG_STATUS_REQUEST or type == MSG_MASS_CANCEL_REQUEST or type == MSG_MASS_STATUS_REQUEST)


cdef size_t exact_size(const InputHead* head, size_t left) noexcept nogil:
    # What the record's own lengths say its bytes are, padding not counted; 0: it is too short to say, or unknown.
    cdef const uint8_t* body = <const uint8_t*> (head + 1)
    cdef const MessageHead* fields
    cdef const OrderBody* order
    cdef const SessionBody* session
    cdef size_t size = sizeof(InputHead)
    if head.kind == INPUT_GATEWAY_START or head.kind == INPUT_DISCONNECT or head.kind == INPUT_TIMER:
        return size
    if head.kind == INPUT_GATEWAY_LOST:
        return size + sizeof(GatewayBody)
    if head.kind == INPUT_ACTIVATE:
        return size + sizeof(ActivateBody)
    if head.kind == INPUT_INSTRUMENT:
        size += sizeof(InstrumentBody)
        return size + (<const InstrumentBody*> body).symbol_length if size <= left else 0
    if head.kind == INPUT_SETTING:
        size += sizeof(SettingBody)
        return size + (<const SettingBody*> body).comp_id_length if size <= left else 0
    if head.kind == INPUT_DROP_COPY:
        size += sizeof(DropCopyBody)
        if size > left:
            return 0
        return size + (<const DropCopyBody*> body).comp_id_length + (<const DropCopyBody*> body).of_length
    if head.kind == INPUT_OPERATOR:
        size += sizeof(OperatorBody)
        return size + (<const OperatorBody*> body).comp_id_length if size <= left else 0
    if head.kind == INPUT_OPERATION:
        size += sizeof(OperationBody)
        return size + (<const OperationBody*> body).text_length if size <= left else 0
    if head.kind != INPUT_MESSAGE:
        return 0
    size += sizeof(MessageHead)
    if size > left:
        return 0
    fields = <const MessageHead*> body
    body += sizeof(MessageHead)
    size += <size_t> fields.text_length + fields.msg_type_length + fields.route_length + fields.body_length
    if has_order_body(fields.msg_type):
        if sizeof(InputHead) + sizeof(MessageHead) + sizeof(OrderBody) > left:
            return 0
        order = <const OrderBody*> body
        if order.parties_length > MAX_PARTIES:
            return 0
        return (size + sizeof(OrderBody) + order.cl_ord_id_length + order.orig_cl_ord_id_length + order.account_length
                + order.symbol_length + order.parties_length)
    if has_session_body(fields.msg_type):
        if sizeof(InputHead) + sizeof(MessageHead) + sizeof(SessionBody) > left:
            return 0
        session = <const SessionBody*> body
        return size + sizeof(SessionBody) + session.sender_length + session.target_length
    return size


cdef const char* wrong_body(const InputHead* head) noexcept nogil:
    # Of a record of the right size; NULL: nothing.
    cdef const uint8_t* body = <const uint8_t*> (head + 1)
    if head.reserved != 0:
        return b"reserved bytes are set"
    if head.kind == INPUT_INSTRUMENT and not 1 <= (<const InstrumentBody*> body).symbol_length <= MAX_SYMBOL:
        return b"a symbol has 1 to 32 bytes"
    if head.kind == INPUT_SETTING and not 1 <= (<const SettingBody*> body).comp_id_length <= MAX_COMP_ID:
        return b"a CompID has 1 to 64 bytes"
    if head.kind == INPUT_DROP_COPY and (not 1 <= (<const DropCopyBody*> body).comp_id_length <= MAX_COMP_ID
                                         or (<const DropCopyBody*> body).of_length > MAX_COMP_ID):
        return b"a CompID has 1 to 64 bytes"
    if head.kind == INPUT_OPERATOR and not 1 <= (<const OperatorBody*> body).comp_id_length <= MAX_COMP_ID:
        return b"a CompID has 1 to 64 bytes"
    if head.kind == INPUT_OPERATION and not 1 <= (<const OperationBody*> body).text_length <= MAX_BODY:
        return b"an operation has 1 to 65536 bytes"
    return NULL


cdef int check_payload(int64_t index, const uint8_t* payload, size_t size, uint32_t newest_rules) except -1 nogil:
    cdef size_t at = 0
    cdef const InputHead* head
    while at < size:
        head = <const InputHead*> (payload + at)
        quorumbook_prefetch(payload + at + FAR)     # past its end that does nothing that can be seen
        quorumbook_prefetch(payload + at + FAR + 64)
        quorumbook_prefetch(payload + at + FAR + 128)
        if not is_whole(head, size - at):
            with gil:
                raise ValueError(f"log entry {index}: {what_is_wrong(head, at, size - at)}")
        if head.kind == INPUT_ACTIVATE and (<const ActivateBody*> (head + 1)).rules_version > newest_rules:
            with gil:   # before what follows is looked at, which newer rules may have other kinds of
                raise NewerRules(f"log entry {index} activates rules version "
                                 f"{(<const ActivateBody*> (head + 1)).rules_version}", newest_rules)
        at += head.size
    return 0


def incarnation_of(const uint8_t[::1] payload not None, member: int) -> int:
    """Whose inputs these are, which the gateway of another member wants proposed: messages and disconnects of one
    incarnation; 0: the member asks for one, once. Raises ValueError for anything else: nothing like it may get into
    the log, which every replica would stop at."""
    cdef size_t at = 0, size = payload.shape[0]
    cdef const InputHead* head = <const InputHead*> &payload[0] if size else NULL
    cdef uint32_t incarnation, asking = member
    if size < sizeof(InputHead):
        raise ValueError(f"{size} bytes are no input")
    incarnation = head.incarnation
    while at < size:
        head = <const InputHead*> (&payload[0] + at)
        if not is_whole(head, size - at):
            raise ValueError(what_is_wrong(head, at, size - at))
        if head.kind == INPUT_GATEWAY_START and head.size == size and incarnation == 0 and head.connection == asking:
            pass
        elif head.incarnation != incarnation or incarnation == 0 or (
                head.kind != INPUT_MESSAGE and head.kind != INPUT_DISCONNECT):
            raise ValueError(f"input of kind {head.kind} and incarnation {head.incarnation} at offset {at}, "
                             "which is not for this gateway to enter")
        at += head.size
    return incarnation


cdef bint is_whole(const InputHead* head, size_t left) noexcept nogil:
    cdef size_t exact
    if left < sizeof(InputHead) or head.size > left or head.size < sizeof(InputHead):
        return False
    exact = exact_size(head, head.size)
    return exact != 0 and (exact + 7) // 8 * 8 == head.size and wrong_body(head) == NULL


cdef str what_is_wrong(const InputHead* head, size_t at, size_t left):
    cdef size_t exact
    if left < sizeof(InputHead):
        return f"{left} bytes left at offset {at}, an input has at least {sizeof(InputHead)}"
    if head.size > left or head.size < sizeof(InputHead) or head.size % 8:
        return f"input at offset {at} says size {head.size}, of {left} bytes left"
    if not INPUT_GATEWAY_START <= head.kind <= INPUT_OPERATION:
        return f"input at offset {at} has kind {head.kind}, which this version does not know"
    exact = exact_size(head, head.size)
    if exact == 0 or (exact + 7) // 8 * 8 != head.size:
        return f"input of kind {head.kind} at offset {at} has size {head.size}, its lengths say {exact}"
    return f"input of kind {head.kind} at offset {at}: {wrong_body(head).decode()}"


cdef void split_message(const InputHead* head, Message* m) noexcept nogil:
    cdef const uint8_t* at = <const uint8_t*> (head + 1) + sizeof(MessageHead)
    memset(m, 0, sizeof(Message))
    m.head = head
    m.fields = <const MessageHead*> (head + 1)
    if has_order_body(m.fields.msg_type):
        m.order = <const OrderBody*> at
        at += sizeof(OrderBody)
    elif has_session_body(m.fields.msg_type):
        m.session = <const SessionBody*> at
        at += sizeof(SessionBody)
    m.text = at
    at += m.fields.text_length
    m.strings = at
    if m.order != NULL:
        at += (<size_t> m.order.cl_ord_id_length + m.order.orig_cl_ord_id_length + m.order.account_length
               + m.order.symbol_length + m.order.parties_length)
    elif m.session != NULL:
        at += <size_t> m.session.sender_length + m.session.target_length
    m.msg_type = at
    m.route = at + m.fields.msg_type_length
    m.body = m.route + m.fields.route_length
