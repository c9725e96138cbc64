# cython: boundscheck=False, wraparound=False, cdivision=True
# Safe because: every message is written where MAX_REQUEST bytes are left, and its strings are
# bounded by the fields of a Request; indices never come from outside.
"""FIX bytes of the client's side, going out: arrays of REQUEST and messages of the session layer.

An `Encoder` holds the constant parts of one session's messages and one output buffer, which it owns.
The GIL is released while a piece is encoded. ValueError for a request that cannot be written, with its
row; MemoryError.
"""

import numpy as np

from gateway.client_types import REQUEST

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, strlen
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from gateway.client_records cimport ABSENT, Request
from gateway.fix cimport SLACK, SOH, write_checksum, write_decimal, write_timestamp, write_uint
from gateway.records cimport (
    MSG_CANCEL_REQUEST, MSG_MASS_CANCEL_REQUEST, MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER,
    MSG_REPLACE_REQUEST, MSG_STATUS_REQUEST,
)

cdef enum:
    MAX_REQUEST = 1024          # bytes of one encoded request: CompIDs, ids, account and terms at their longest fit
    HEAD_ROOM = 16              # "8=FIX.4.4|9=ddd|", written last
    FRAME_BYTES = 65536         # messages of one ZeroMQ frame or one write to a socket
    TIME_BYTES = 21             # of a UTCTimestamp with milliseconds


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


cdef int put_fields(uint8_t** out, const uint8_t* text, size_t room) noexcept nogil:
    """Fields that have separators between them. 1: they hold another control character."""
    cdef uint8_t* at = out[0]
    cdef size_t i = 0
    if text[0] == 0:
        return 0
    while i < room and text[i] != 0:
        if text[i] != SOH and (text[i] < 32 or text[i] == 127):
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


cdef inline uint8_t* put_uint(uint8_t* out, const char* tag, uint64_t value) noexcept nogil:
    if value == 0:
        return out
    out = write_uint(put(out, tag), value)
    out[0] = SOH
    return out + 1


cdef inline uint8_t* put_decimal(uint8_t* out, const char* tag, int64_t mantissa, int exponent) noexcept nogil:
    if mantissa == ABSENT():
        return out
    out = write_decimal(put(out, tag), mantissa, exponent)
    out[0] = SOH
    return out + 1


cdef inline uint8_t* put_time(uint8_t* out, const char* tag, const uint8_t* stamp) noexcept nogil:
    out = put(out, tag)
    memcpy(out, stamp, TIME_BYTES)
    out[TIME_BYTES] = SOH
    return out + TIME_BYTES + 1


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
        return text[:TIME_BYTES].decode()

    def again(self, bytes message, int64_t time_ns) -> bytes:
        """The same message as a PossDup: same number and body, 43=Y, its first SendingTime as 122."""
        values, body = parts(message)
        return self.admin(values["35"], int(values["34"]), time_ns, body, values["52"])

    def renumbered(self, bytes message, uint64_t number, int64_t time_ns) -> bytes:
        """The same message, which nobody has had yet, under another number."""
        values, body = parts(message)
        return self.admin(values["35"], number, time_ns, body)

    def requests(self, requests, uint64_t first, int64_t time_ns, per_frame=256) -> list:
        """Encode an array of REQUEST, numbered from `first`: a list of (bytes, how many messages).

        A piece holds at most `per_frame` messages and about 64 KiB. ValueError names the row that cannot be
        written; nothing is sent then. TypeError for anything but an array of REQUEST.
        """
        if not isinstance(requests, np.ndarray) or requests.dtype != REQUEST:
            kind = requests.dtype if isinstance(requests, np.ndarray) else type(requests).__name__
            raise TypeError(f"requests is of {kind}; allowed: a NumPy array of dtype quorumbook.REQUEST")
        if per_frame < 1:
            raise ValueError(f"per_frame is {per_frame}; it is a number of messages, 1 or more")
        array = np.ascontiguousarray(requests)
        cdef const uint8_t[::1] view = array.reshape(-1).view(np.uint8)
        cdef size_t count = array.size, most = min(per_frame, count), done = 0, n, size = 0
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
            n = min(most, count - done)
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


def parts(bytes message):
    """Of a message as it is written here: its first fields, 8 9 35 49 56 34 52, by tag, and (tag, text) of its body."""
    fields = [tuple(field.decode().split("=", 1)) for field in message.split(b"\x01") if field]
    return dict(fields[:7]), [field for field in fields[7:] if field[0] != "10"]


WRONG = [
    "",
    "kind must be D, F, G, H, q or AF (1)",
    "an id, symbol, account or term holds a control character",
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
    at = put_time(at, b"\00152=", stamp)
    bad |= put_text(&at, b"1=", r.account, 64)
    bad |= put_text(&at, b"584=" if kind == MSG_MASS_STATUS_REQUEST else b"11=", r.cl_ord_id, 64)
    if r.post_only:
        at = put(at, b"18=6\001")
    at = put_uint(at, b"37=", r.order_id)
    at = put_decimal(at, b"38=", r.quantity, r.quantity_exponent)
    at = put_char(at, b"40=", r.ord_type)
    bad |= put_text(&at, b"41=", r.orig_cl_ord_id, 64)
    at = put_decimal(at, b"44=", r.price, r.price_exponent)
    at = put_char(at, b"54=", r.side)
    bad |= put_text(&at, b"55=", r.symbol, 32)
    at = put_char(at, b"59=", r.time_in_force)
    if kind != MSG_STATUS_REQUEST and kind != MSG_MASS_STATUS_REQUEST:
        at = put_time(at, b"60=", stamp)
    bad |= put_fields(&at, r.terms, sizeof(r.terms))
    if kind == MSG_MASS_STATUS_REQUEST:
        at = put_char(at, b"585=", r.request_type)
    elif kind == MSG_MASS_CANCEL_REQUEST:
        at = put_char(at, b"530=", r.request_type)
    if bad:
        wrong[0] = 2
        return begin
    return finish(begin, at)
