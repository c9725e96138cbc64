# cython: boundscheck=False, wraparound=False, cdivision=True
# Safe because: every write is preceded by a check of the room left, every read by a check
# against the end of the message, once per field; indices never come from outside.
"""FIX bytes of the client's side: requests out, reports in.

Holds: `Encoder` the constant parts of one session's messages and one output buffer; `Decoder` the
bytes of a message that has not come whole (TCP); `Batch` the bytes of one read and an array of
parsed `Message`s, which `Report` objects and NumPy views keep alive. Each owns its memory.
The GIL is released while a batch is encoded or parsed. ValueError for a request that cannot be
written, with its row; MemoryError. Bytes that are no message are counted (`garbled`), never raised.
"""

from decimal import Decimal

import numpy as np

from gateway.client_types import MESSAGE, REQUEST, ExecType, MsgType, OrdStatus, OrdType, Side, TimeInForce

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset, strlen
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from gateway.fix cimport (
    FRAME_GARBLED, FRAME_INCOMPLETE, SLACK, SOH, FrameResult, frame, parse_decimal, parse_timestamp,
    write_checksum, write_decimal, write_timestamp, write_uint,
)
from gateway.records cimport (
    MSG_CANCEL_REQUEST, MSG_HEARTBEAT, MSG_LOGON, MSG_LOGOUT, MSG_MASS_CANCEL_REQUEST,
    MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER, MSG_OTHER, MSG_REPLACE_REQUEST, MSG_RESEND_REQUEST,
    MSG_SEQUENCE_RESET, MSG_STATUS_REQUEST, MSG_TEST_REQUEST,
)

cdef enum:
    MAX_REQUEST = 1024          # bytes of one encoded request: CompIDs, ids and account at their longest fit
    HEAD_ROOM = 16              # "8=FIX.4.4|9=ddd|", written last
    FRAME_BYTES = 65536         # messages of one ZeroMQ frame or one write to a socket


# ---------------------------------------------------------------- writing

cdef inline uint8_t* put(uint8_t* out, const char* text) noexcept nogil:
    cdef size_t size = strlen(text)
    memcpy(out, text, size)
    return out + size


cdef uint8_t* finish(uint8_t* begin, uint8_t* end) noexcept nogil:
    """Complete the message whose body lies at begin + HEAD_ROOM .. end; returns the message's end.

    The body is moved when its length has not three digits.
    """
    cdef size_t size = end - (begin + HEAD_ROOM)
    cdef uint8_t head[HEAD_ROOM + SLACK]
    cdef uint8_t* at = put(head, b"8=FIX.4.4\0019=")
    cdef size_t head_size
    at = write_uint(at, size)
    at[0] = SOH
    head_size = at + 1 - head
    if head_size != HEAD_ROOM:
        memmove(begin + head_size, begin + HEAD_ROOM, size)
    memcpy(begin, head, head_size)
    end = begin + head_size + size
    return write_checksum(end, begin, end - begin)


cdef int put_text(uint8_t** out, const char* tag, const uint8_t* text, size_t room) except -1 nogil:
    """`tag=text|` unless text is empty. 1: the text holds a control character."""
    cdef uint8_t* at = out[0]
    cdef size_t i = 0
    if text[0] == 0:
        return 0
    at = put(at, tag)
    while i < room and text[i] != 0:
        if text[i] < 32 or text[i] == 127:
            return 1
        at[i] = text[i]
        i += 1
    at[i] = SOH
    out[0] = at + i + 1
    return 0


cdef inline uint8_t* put_char(uint8_t* out, const char* tag, uint8_t value) noexcept nogil:
    if value == 0:
        return out
    out = put(out, tag)
    out[0] = value
    out[1] = SOH
    return out + 2


cdef class Encoder:
    """Writes one session's messages. `sender` is the client's CompID, `target` the exchange's."""

    cdef bytes sender, target
    cdef bytes ids              # "|49=sender|56=target|34="
    cdef uint8_t* out
    cdef size_t room

    def __cinit__(self, str sender, str target):
        for name in (sender, target):
            if not 1 <= len(name) <= 64 or not name.isascii() or not name.isprintable():
                raise ValueError(f"a CompID has 1 to 64 printable ASCII characters, not {name!r}")
        self.sender, self.target = sender.encode(), target.encode()
        self.ids = b"\00149=%b\00156=%b\00134=" % (self.sender, self.target)
        self.room = FRAME_BYTES + MAX_REQUEST
        self.out = <uint8_t*>malloc(self.room)
        if self.out == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.out)

    def admin(self, str msg_type, uint64_t msg_seq_num, int64_t time_ns, list fields, orig_time=None):
        """One message of the session layer; `fields` are (tag, text); `orig_time` makes it a PossDup."""
        stamp = self.time_text(time_ns)
        sender, target = self.sender.decode(), self.target.decode()
        head = [("35", msg_type), ("49", sender), ("56", target), ("34", str(msg_seq_num))]
        if orig_time is not None:
            head.append(("43", "Y"))
        head.append(("52", stamp))
        if orig_time is not None:
            head.append(("122", orig_time))
        body = "".join(f"{tag}={text}\x01" for tag, text in head + fields).encode("ascii", "replace")
        message = b"8=FIX.4.4\0019=%d\001%b" % (len(body), body)
        return b"%b10=%03d\001" % (message, sum(message) & 255)

    def time_text(self, int64_t time_ns) -> str:
        """UTCTimestamp with milliseconds."""
        cdef uint8_t text[32]
        write_timestamp(text, time_ns)
        return text[:21].decode()

    def again(self, bytes message, int64_t time_ns) -> bytes:
        """The same message as a PossDup: same number and body, 43=Y, its first SendingTime as 122."""
        fields = [tuple(field.split(b"=", 1)) for field in message.split(b"\x01") if field]
        values = dict(fields[:7])       # 8 9 35 49 56 34 52, as written here
        body = [(tag.decode(), text.decode()) for tag, text in fields[7:] if tag != b"10"]
        return self.admin(values[b"35"].decode(), int(values[b"34"]), time_ns, body, values[b"52"].decode())

    def requests(self, requests, uint64_t first, int64_t time_ns, size_t per_frame=256) -> list:
        """Encode an array of REQUEST, numbered from `first`: a list of (bytes, how many messages).

        A piece holds at most `per_frame` messages and about 64 KiB. ValueError names the row that cannot be
        written; nothing is sent then.
        """
        array = np.ascontiguousarray(requests, dtype=REQUEST)
        cdef const uint8_t[::1] view = array.reshape(-1).view(np.uint8)
        cdef size_t count = array.size, done = 0, n, size = 0
        cdef int wrong = 0
        cdef const Request* records
        cdef uint8_t stamp[32]
        cdef const uint8_t* ids = <const uint8_t*>PyBytes_AS_STRING(self.ids)
        cdef size_t ids_size = PyBytes_GET_SIZE(self.ids)
        pieces = []
        if count == 0:
            return pieces
        records = <const Request*>&view[0]
        write_timestamp(stamp, time_ns)
        while done < count:
            n = min(per_frame, count - done)
            with nogil:
                n = self.piece(records + done, n, first + done, stamp, ids, ids_size, &size, &wrong)
            if wrong:
                raise ValueError(f"request {done + n}: {WRONG[wrong]}")
            pieces.append((PyBytes_FromStringAndSize(<char*>self.out, size), n))
            done += n
        return pieces

    cdef size_t piece(self, const Request* records, size_t count, uint64_t first, const uint8_t* stamp,
                      const uint8_t* ids, size_t ids_size, size_t* size, int* wrong) noexcept nogil:
        """Encode up to `count` while a piece has room. How many; with *wrong set, which is wrong."""
        cdef uint8_t* at = self.out
        cdef uint8_t* end = NULL
        cdef size_t i
        for i in range(count):
            if <size_t>(at - self.out) > FRAME_BYTES:
                break
            end = encode_request(records + i, first + i, stamp, ids, ids_size, at, wrong)
            if wrong[0]:
                return i
            at = end
        else:
            i = count
        size[0] = at - self.out
        return i


WRONG = [
    "",
    "kind must be D, F, G, H, q or AF (1)",
    "an id, symbol or account holds a control character",
    "ClOrdID is empty",
    "an exponent is outside -18..18",
]


cdef uint8_t* encode_request(const Request* r, uint64_t seq, const uint8_t* stamp, const uint8_t* ids,
                             size_t ids_size, uint8_t* begin, int* wrong) noexcept nogil:
    """One message at `begin`, which has MAX_REQUEST bytes of room. Returns its end."""
    cdef uint8_t* at = begin + HEAD_ROOM
    cdef uint8_t kind = r.kind
    cdef int bad = 0
    if kind == MSG_MASS_STATUS_REQUEST:
        at = put(at, b"35=AF")
    elif (kind == MSG_NEW_ORDER or kind == MSG_CANCEL_REQUEST or kind == MSG_REPLACE_REQUEST
          or kind == MSG_STATUS_REQUEST or kind == MSG_MASS_CANCEL_REQUEST):
        at = put(at, b"35=")
        at[0] = kind
        at += 1
    else:
        wrong[0] = 1
        return begin
    if r.cl_ord_id[0] == 0:
        wrong[0] = 3
        return begin
    if not (-18 <= r.price_exponent <= 18 and -18 <= r.quantity_exponent <= 18):
        wrong[0] = 4
        return begin
    memcpy(at, ids, ids_size)
    at = write_uint(at + ids_size, seq)
    at = put(at, b"\00152=")
    memcpy(at, stamp, 21)
    at[21] = SOH
    at += 22
    bad |= put_text(&at, b"1=", r.account, 64)
    bad |= put_text(&at, b"584=" if kind == MSG_MASS_STATUS_REQUEST else b"11=", r.cl_ord_id, 64)
    if r.post_only:
        at = put(at, b"18=6\001")
    if r.order_id:
        at = put(at, b"37=")
        at = write_uint(at, r.order_id)
        at[0] = SOH
        at += 1
    if r.quantity != ABSENT():
        at = put(at, b"38=")
        at = write_decimal(at, r.quantity, r.quantity_exponent)
        at[0] = SOH
        at += 1
    at = put_char(at, b"40=", r.ord_type)
    bad |= put_text(&at, b"41=", r.orig_cl_ord_id, 64)
    if r.price != ABSENT():
        at = put(at, b"44=")
        at = write_decimal(at, r.price, r.price_exponent)
        at[0] = SOH
        at += 1
    at = put_char(at, b"54=", r.side)
    bad |= put_text(&at, b"55=", r.symbol, 32)
    at = put_char(at, b"59=", r.time_in_force)
    if kind != MSG_STATUS_REQUEST and kind != MSG_MASS_STATUS_REQUEST:
        at = put(at, b"60=")
        memcpy(at, stamp, 21)
        at[21] = SOH
        at += 22
    if kind == MSG_MASS_STATUS_REQUEST:
        at = put_char(at, b"585=", r.request_type)
    elif kind == MSG_MASS_CANCEL_REQUEST:
        at = put_char(at, b"530=", r.request_type)
    if bad:
        wrong[0] = 2
        return begin
    return finish(begin, at)


# ---------------------------------------------------------------- reading

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
                    if found == FRAME_GARBLED:
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
