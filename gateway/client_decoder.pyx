# cython: boundscheck=False, wraparound=False, cdivision=True
# Safe because: every read is preceded by a check against the end of the message, once per field;
# an array of messages grows before it is full; indices never come from outside.
"""FIX bytes of the client's side, coming in: the exchange's messages as records and as objects.

Holds: `Decoder` the bytes of a message that has not come whole (TCP); `Batch` the bytes of one read
and an array of parsed `Message`s, which `Report` objects and NumPy views keep alive. Each owns its
memory. The GIL is released while a batch is parsed. MemoryError. Bytes that are no message are counted
(`garbled`), never raised.
"""

from decimal import Decimal

import numpy as np

from gateway.client_terms import read_terms
from gateway.client_types import MESSAGE, ExecType, MsgType, OrdStatus, OrdType, Side, TimeInForce

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from gateway.client_records cimport (
    ABSENT, NOTE_GAP_FILL, NOTE_POSS_DUP, NOTE_RESET, NOTE_TERMS, NOTE_WRONG_COMP_ID, TEXT_ACCOUNT,
    TEXT_CL_ORD_ID, TEXT_EXEC_ID, TEXT_ORIG_CL_ORD_ID, TEXT_REF_ID, TEXT_REF_MSG_TYPE, TEXT_REQUEST_ID,
    TEXT_SYMBOL, TEXT_TEST_REQ_ID, TEXT_TEXT, Message,
)
from gateway.fix cimport (
    FRAME_INCOMPLETE, FRAME_OK, SOH, FrameResult, frame, parse_decimal, parse_timestamp,
)
from gateway.records cimport (
    MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT, MSG_OTHER, MSG_RESEND_REQUEST, MSG_SEQUENCE_RESET,
    MSG_TEST_REQUEST,
)


cdef inline uint64_t read_uint(const uint8_t* text, size_t size) noexcept nogil:
    """The digits at the start of text; 0 when there are none or they do not fit."""
    cdef uint64_t value = 0
    cdef size_t i
    cdef uint32_t digit
    for i in range(size):
        digit = <uint32_t>text[i] - 48
        if digit > 9:
            break
        if value > (UINT64_MAX - digit) // 10:
            return 0
        value = value * 10 + digit
    return value


cdef inline void read_decimal(const uint8_t* text, size_t size, int64_t* mantissa,
                              int8_t* exponent) noexcept nogil:
    """ABSENT when it is no decimal that int64 holds."""
    if not parse_decimal(text, size, mantissa, exponent):
        mantissa[0] = ABSENT()


cdef inline int64_t read_time(const uint8_t* text, size_t size) noexcept nogil:
    """ABSENT when it is no UTCTimestamp."""
    cdef int64_t time_ns
    return time_ns if parse_timestamp(text, size, &time_ns) else ABSENT()


cdef inline void keep(Message* m, int which, const uint8_t* value, size_t size,
                      const uint8_t* origin) noexcept nogil:
    m.at[which] = <uint32_t>(value - origin)
    m.length[which] = <uint16_t>size


cdef void parse(const uint8_t* origin, size_t at, size_t size, const uint8_t* sender, size_t sender_size,
                const uint8_t* target, size_t target_size, Message* m) noexcept nogil:
    """Fill m from the verified message at origin + at. Fields that we do not know are passed over."""
    cdef const uint8_t* p = origin + at + 12
    cdef const uint8_t* end = origin + at + size - 7
    cdef const uint8_t* value
    cdef const void* stop
    cdef uint32_t tag
    cdef size_t n, i
    memset(m, 0, sizeof(Message))
    m.message_at = <uint32_t>at
    m.message_length = <uint32_t>size
    m.price = m.quantity = m.leaves = m.cumulative = ABSENT()
    m.last_price = m.last_quantity = m.average_price = ABSENT()
    m.sending_time_ns = m.transact_time_ns = ABSENT()
    m.fix_reason = 65535
    m.msg_type = MSG_OTHER
    while p[0] != SOH:          # the end of BodyLength; message_size saw it
        p += 1
    p += 1
    while p < end:
        tag = 0
        while p < end and 48 <= p[0] <= 57:
            tag = tag * 10 + (p[0] - 48)
            p += 1
        if p >= end or p[0] != 61:
            return
        value = p + 1
        stop = memchr(value, SOH, end - value)
        if stop == NULL:
            return
        n = <const uint8_t*>stop - value
        p = value + n + 1
        if n == 0 or n > 65535:
            continue
        if tag == 35:
            if n == 1:
                m.msg_type = value[0]
        elif tag == 34:
            m.msg_seq_num = read_uint(value, n)
        elif tag == 49:
            if n != sender_size or memcmp(value, sender, n) != 0:
                m.flags |= NOTE_WRONG_COMP_ID
        elif tag == 56:
            if n != target_size or memcmp(value, target, n) != 0:
                m.flags |= NOTE_WRONG_COMP_ID
        elif tag == 52:
            m.sending_time_ns = read_time(value, n)
        elif tag == 60:
            m.transact_time_ns = read_time(value, n)
        elif tag == 11:
            keep(m, TEXT_CL_ORD_ID, value, n, origin)
            m.cl_ord_id_number = read_uint(value, n)
            stop = memchr(value, 46, n)
            if stop != NULL:
                i = <const uint8_t*>stop - value + 1
                m.cl_ord_id_entry = read_uint(value + i, n - i)
        elif tag == 37:
            m.order_id = read_uint(value, n)
        elif tag == 17:
            keep(m, TEXT_EXEC_ID, value, n, origin)
        elif tag == 150:
            m.exec_type = value[0]
        elif tag == 39:
            m.ord_status = value[0]
        elif tag == 55:
            keep(m, TEXT_SYMBOL, value, n, origin)
        elif tag == 54:
            m.side = value[0]
        elif tag == 38:
            read_decimal(value, n, &m.quantity, &m.quantity_exponent)
        elif tag == 40:
            m.ord_type = value[0]
        elif tag == 44:
            read_decimal(value, n, &m.price, &m.price_exponent)
        elif tag == 59:
            m.time_in_force = value[0]
        elif tag == 151:
            read_decimal(value, n, &m.leaves, &m.leaves_exponent)
        elif tag == 14:
            read_decimal(value, n, &m.cumulative, &m.cumulative_exponent)
        elif tag == 6:
            read_decimal(value, n, &m.average_price, &m.average_price_exponent)
        elif tag == 31:
            read_decimal(value, n, &m.last_price, &m.last_price_exponent)
        elif tag == 32:
            read_decimal(value, n, &m.last_quantity, &m.last_quantity_exponent)
        elif tag == 880:
            m.trade_id = read_uint(value, n)
        elif tag == 851:
            m.maker_taker = value[0]
        elif tag == 20001:
            m.input_number = read_uint(value, n)
        elif tag == 20002:
            m.reason_code = <uint16_t>read_uint(value, n)
        elif tag == 41:
            keep(m, TEXT_ORIG_CL_ORD_ID, value, n, origin)
        elif tag == 1:
            keep(m, TEXT_ACCOUNT, value, n, origin)
        elif tag == 58:
            keep(m, TEXT_TEXT, value, n, origin)
        elif tag == 18:
            m.post_only = memchr(value, 54, n) != NULL
            m.flags |= NOTE_TERMS
        elif (tag == 99 or tag == 110 or tag == 111 or tag == 126 or tag == 211 or tag == 432
              or 20012 <= tag <= 20014):
            m.flags |= NOTE_TERMS
        elif tag == 378:
            m.restatement = <uint8_t>read_uint(value, n)
        elif tag == 102 or tag == 103 or tag == 373 or tag == 380 or tag == 532:
            m.fix_reason = <uint16_t>read_uint(value, n)
        elif tag == 43:
            if value[0] == 89:
                m.flags |= NOTE_POSS_DUP
        elif tag == 123:
            if value[0] == 89:
                m.flags |= NOTE_GAP_FILL
        elif tag == 141:
            if value[0] == 89:
                m.flags |= NOTE_RESET
        elif tag == 7 or tag == 36 or tag == 45:
            m.ref_seq_num = read_uint(value, n)
        elif tag == 16:
            m.end_seq_no = read_uint(value, n)
        elif tag == 108:
            m.heartbeat_seconds = <uint16_t>read_uint(value, n)
        elif tag == 112:
            keep(m, TEXT_TEST_REQ_ID, value, n, origin)
        elif tag == 371:
            m.ref_tag = <uint16_t>read_uint(value, n)
        elif tag == 372:
            keep(m, TEXT_REF_MSG_TYPE, value, n, origin)
        elif tag == 379:
            keep(m, TEXT_REF_ID, value, n, origin)
        elif tag == 434 or tag == 530:
            m.response_to = value[0]
        elif tag == 531:
            m.mass_response = value[0]
        elif tag == 533 or tag == 911:
            m.affected = read_uint(value, n)
        elif tag == 584:
            keep(m, TEXT_REQUEST_ID, value, n, origin)
        elif tag == 912:
            m.last_fragment = value[0]


cdef inline bint numbered_report(uint8_t msg_type) noexcept nogil:
    """Whether the application wants it; the others belong to the session."""
    return not (msg_type == MSG_HEARTBEAT or msg_type == MSG_TEST_REQUEST or msg_type == MSG_RESEND_REQUEST
                or msg_type == MSG_SEQUENCE_RESET or msg_type == MSG_LOGOUT or msg_type == MSG_LOGON)


cdef class Batch:
    """What one read brought: `data` and the `count` messages parsed from it. Read-only."""

    def __cinit__(self, bytes data, size_t room):
        self.data = data
        self.count = 0
        self.messages = <Message*>malloc(max(room, <size_t>1) * sizeof(Message))
        if self.messages == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.messages)

    def __len__(self) -> int:
        return self.count

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        self.shape[0] = self.count * sizeof(Message)
        buffer.buf = self.messages
        buffer.obj = self
        buffer.len = self.shape[0]
        buffer.readonly = 1
        buffer.itemsize = 1
        buffer.format = b"B"
        buffer.ndim = 1
        buffer.shape = self.shape
        buffer.strides = &buffer.itemsize
        buffer.suboffsets = NULL
        buffer.internal = NULL

    def __releasebuffer__(self, Py_buffer* buffer):
        pass

    @property
    def array(self):
        """The messages as a read-only NumPy array of MESSAGE; it keeps the batch alive."""
        return np.frombuffer(self, dtype=MESSAGE)

    def report(self, size_t i) -> Report:
        """Message i as an object."""
        if i >= self.count:
            raise IndexError(i)
        cdef Report report = Report.__new__(Report)
        report.batch = self
        report.message = self.messages + i
        return report

    def run(self, size_t start, uint64_t expected) -> int:
        """How many messages from `start` are reports numbered expected, expected + 1, ... without a break."""
        cdef size_t i = start
        cdef const Message* m
        with nogil:
            while i < self.count:
                m = self.messages + i
                if m.msg_seq_num != expected or not numbered_report(m.msg_type):
                    break
                if m.flags & NOTE_WRONG_COMP_ID:
                    break
                expected += 1
                i += 1
        return i - start


cdef class Decoder:
    """Cuts, verifies and parses what comes in. `sender` is the exchange's CompID, `target` the client's."""

    cdef bytes sender, target, rest
    cdef readonly uint64_t garbled      # stretches of bytes that were no message

    def __cinit__(self, str sender, str target):
        self.sender, self.target = sender.encode(), target.encode()
        self.rest = b""
        self.garbled = 0

    def clear(self) -> None:
        """Forget the beginning of a message whose connection is gone."""
        self.rest = b""

    def feed(self, bytes data) -> Batch:
        """The messages that `data` completes."""
        if self.rest:
            data = self.rest + data
            self.rest = b""
        cdef const uint8_t* origin = <const uint8_t*>PyBytes_AS_STRING(data)
        cdef size_t size = PyBytes_GET_SIZE(data), at = 0, room = size // 128 + 1
        cdef Batch batch = Batch(data, room)
        cdef const uint8_t* sender = <const uint8_t*>PyBytes_AS_STRING(self.sender)
        cdef const uint8_t* target = <const uint8_t*>PyBytes_AS_STRING(self.target)
        cdef size_t sender_size = PyBytes_GET_SIZE(self.sender)
        cdef size_t target_size = PyBytes_GET_SIZE(self.target), length = 0
        cdef FrameResult found
        cdef bint full
        while True:
            full = False
            with nogil:
                while at < size and not full:
                    found = frame(origin + at, size - at, &length)
                    if found == FRAME_INCOMPLETE:
                        break
                    if found != FRAME_OK:
                        self.garbled += 1
                    elif batch.count == room:
                        full = True
                        break
                    else:
                        parse(origin, at, length, sender, sender_size, target, target_size,
                              batch.messages + batch.count)
                        batch.count += 1
                    at += length
            if not full:
                break
            room *= 2
            grown = realloc(batch.messages, room * sizeof(Message))
            if grown == NULL:
                raise MemoryError
            batch.messages = <Message*>grown
        if at < size:
            self.rest = data[at:]
        return batch


# ---------------------------------------------------------------- one report as an object

EXEC_TYPES = {ord(member.value): member for member in ExecType}
ORD_STATUSES = {ord(member.value): member for member in OrdStatus if member.value}
SIDES = {ord(member.value): member for member in Side}
ORD_TYPES = {ord(member.value): member for member in OrdType}
TIMES_IN_FORCE = {ord(member.value): member for member in TimeInForce}
MSG_TYPES = {ord(member.value): member for member in MsgType}


cdef object decimal(int64_t mantissa, int8_t exponent):
    return None if mantissa == ABSENT() else Decimal(mantissa).scaleb(exponent)


cdef class Report:
    """One message of the exchange, read-only. What the message does not carry is None.

    It reads from its batch and keeps that alive: to remember a few of very many, copy what is wanted.
    """

    cdef object text_of(self, int which):
        cdef size_t at = self.message.at[which], size = self.message.length[which]
        return self.batch.data[at:at + size].decode("utf-8", "replace") if size else None

    @property
    def msg_type(self):
        return MSG_TYPES.get(self.message.msg_type, MsgType.OTHER)

    @property
    def msg_seq_num(self):
        return self.message.msg_seq_num

    @property
    def poss_dup(self):
        return self.message.flags & NOTE_POSS_DUP != 0

    @property
    def gap_fill(self):
        return self.message.flags & NOTE_GAP_FILL != 0

    @property
    def reset(self):
        return self.message.flags & NOTE_RESET != 0

    @property
    def wrong_comp_id(self):
        return self.message.flags & NOTE_WRONG_COMP_ID != 0

    @property
    def input_number(self):
        return self.message.input_number or None

    @property
    def order_id(self):
        return self.message.order_id or None

    @property
    def trade_id(self):
        return self.message.trade_id or None

    @property
    def cl_ord_id(self):
        return self.text_of(TEXT_CL_ORD_ID)

    @property
    def orig_cl_ord_id(self):
        return self.text_of(TEXT_ORIG_CL_ORD_ID)

    @property
    def account(self):
        return self.text_of(TEXT_ACCOUNT)

    @property
    def symbol(self):
        return self.text_of(TEXT_SYMBOL)

    @property
    def text(self):
        return self.text_of(TEXT_TEXT)

    @property
    def exec_id(self):
        return self.text_of(TEXT_EXEC_ID)

    @property
    def request_id(self):
        return self.text_of(TEXT_REQUEST_ID)

    @property
    def ref_id(self):
        return self.text_of(TEXT_REF_ID)

    @property
    def ref_msg_type(self):
        return self.text_of(TEXT_REF_MSG_TYPE)

    @property
    def test_req_id(self):
        return self.text_of(TEXT_TEST_REQ_ID)

    @property
    def exec_type(self):
        return EXEC_TYPES.get(self.message.exec_type)

    @property
    def ord_status(self):
        return ORD_STATUSES.get(self.message.ord_status)

    @property
    def side(self):
        return SIDES.get(self.message.side)

    @property
    def ord_type(self):
        return ORD_TYPES.get(self.message.ord_type)

    @property
    def time_in_force(self):
        return TIMES_IN_FORCE.get(self.message.time_in_force)

    @property
    def post_only(self):
        return self.message.post_only != 0

    @property
    def terms(self):
        return read_terms(self.raw) if self.message.flags & NOTE_TERMS else {}

    @property
    def restatement(self):
        return self.message.restatement or None

    @property
    def maker(self):
        return None if self.message.maker_taker == 0 else self.message.maker_taker == 49

    @property
    def price(self):
        return decimal(self.message.price, self.message.price_exponent)

    @property
    def quantity(self):
        return decimal(self.message.quantity, self.message.quantity_exponent)

    @property
    def leaves(self):
        return decimal(self.message.leaves, self.message.leaves_exponent)

    @property
    def cumulative(self):
        return decimal(self.message.cumulative, self.message.cumulative_exponent)

    @property
    def last_price(self):
        return decimal(self.message.last_price, self.message.last_price_exponent)

    @property
    def last_quantity(self):
        return decimal(self.message.last_quantity, self.message.last_quantity_exponent)

    @property
    def average_price(self):
        return decimal(self.message.average_price, self.message.average_price_exponent)

    @property
    def sending_time_ns(self):
        return None if self.message.sending_time_ns == ABSENT() else self.message.sending_time_ns

    @property
    def transact_time_ns(self):
        return None if self.message.transact_time_ns == ABSENT() else self.message.transact_time_ns

    @property
    def reason_code(self):
        return self.message.reason_code or None

    @property
    def fix_reason(self):
        return None if self.message.fix_reason == 65535 else self.message.fix_reason

    @property
    def ref_seq_num(self):
        return self.message.ref_seq_num or None

    @property
    def end_seq_no(self):
        return self.message.end_seq_no

    @property
    def ref_tag(self):
        return self.message.ref_tag or None

    @property
    def affected(self):
        return self.message.affected

    @property
    def last_fragment(self):
        return self.message.last_fragment == 89

    @property
    def mass_accepted(self):
        return self.message.mass_response not in (0, 48)

    @property
    def raw(self):
        """The message's bytes, as received."""
        return self.batch.data[self.message.message_at:self.message.message_at + self.message.message_length]

    def __repr__(self) -> str:
        names = ("cl_ord_id", "symbol", "side", "exec_type", "ord_status", "quantity", "price", "leaves",
                 "last_quantity", "last_price", "trade_id", "input_number", "text")
        words = []
        for name in names:
            value = getattr(self, name)
            if value is not None:
                words.append(f"{name}={getattr(value, 'name', value)}")
        return f"<{self.msg_type.name} {self.msg_seq_num}: {' '.join(words)}>"
