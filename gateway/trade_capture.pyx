# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; the body was checked when the entry began (framing.pyx), and next_field() keeps
# within it.
"""Trades for who books them: each party's own side, right behind its ExecutionReport.

Holds no state: that a session has subscribed is in the session, until its connection ends. Past trades are not kept as
state; a session's ExecutionReports can be had again by a ResendRequest. Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, strlen

from gateway.fields cimport Fields, fields_of, find_field, is_plain, next_field
from gateway.fix_values cimport write_timestamp
from gateway.order_pool cimport strings_of
from gateway.records cimport MAX_PARTIES
from gateway.short_strings cimport same
from gateway.terms cimport without_terms

cdef enum:
    MAX_REQUEST_ID = 64         # bytes of TradeRequestID (568): Session.trade_request
    VALUE_IS_INCORRECT = 5      # SessionRejectReason (373)
    SUCCESSFUL = 0              # TradeRequestResult (749)
    INVALID_TRANSPORT = 4
    UNSUPPORTED_TYPE = 8
    OTHER = 99
    ACCEPTED = 0                # TradeRequestStatus (750)
    COMPLETED = 1
    REJECTED = 2
    PRIVATE_TAGS = 5000


cdef inline bint is_request(const Session* s, const Fields* id) noexcept nogil:
    # The one that the session's subscription was asked for with.
    return s.trade_request_length != 0 and same(s.trade_request, s.trade_request_length, id.value, id.length)


cdef inline bint is_served(uint32_t tag) noexcept nogil:
    # Or changes nothing.
    return (tag == 568 or tag == 569 or tag == 263 or tag == 725 or tag == 58 or tag == 354 or tag == 355
            or tag >= PRIVATE_TAGS)


cdef class TradeCapture:
    def __cinit__(self, Sessions sessions not None) -> None:
        self.sessions = sessions
        self.body = TextBody()

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef Fields id, field
        cdef uint8_t type, wanted = c'0'
        cdef int result
        cdef const char* why = b""
        if (not find_field(m.body, m.fields.body_length, 568, &id) or id.length > MAX_REQUEST_ID
                or not is_plain(id.value, id.length)):
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 568,
                                        b"TradeRequestID (568) must have 1 to 64 bytes of printable ASCII")
        if not find_field(m.body, m.fields.body_length, 569, &field) or field.length != 1 or field.value[0] < 32:
            return self.sessions.reject(s, m, VALUE_IS_INCORRECT, 569, b"TradeRequestType (569) must be 0")
        type = field.value[0]
        if find_field(m.body, m.fields.body_length, 263, &field):
            wanted = field.value[0] if field.length == 1 else 0
        result = self._judge(s, m, &id, type, wanted, &why)
        if result != SUCCESSFUL:
            return self._answer(s, &id, type, wanted, result, REJECTED, why)
        if wanted == c'2':
            s.trade_request_length = 0
            return self._answer(s, &id, type, wanted, SUCCESSFUL, COMPLETED, why)
        s.trade_request_length = <uint8_t> id.length
        memcpy(s.trade_request, id.value, id.length)
        return self._answer(s, &id, type, wanted, SUCCESSFUL, ACCEPTED, why)

    cdef int _judge(self, const Session* s, const Message* m, const Fields* id, uint8_t type, uint8_t wanted,
                    const char** why) noexcept nogil:
        # TradeRequestResult (749), and its words.
        cdef Fields field
        if wanted == c'2':
            why[0] = b"no subscription of this session has this TradeRequestID (568)"
            return SUCCESSFUL if is_request(s, id) else OTHER
        if type != c'0':
            why[0] = b"TradeRequestType (569) must be 0 (all trades)"
            return UNSUPPORTED_TYPE
        field = fields_of(m.body, m.fields.body_length)
        while next_field(&field):
            if field.tag == 725 and (field.length != 1 or field.value[0] != c'0'):
                why[0] = b"ResponseTransportType (725) must be 0 (in this session)"
                return INVALID_TRANSPORT
            if not is_served(field.tag):
                why[0] = b"criteria are not served: all trades of the session are reported"
                return OTHER
        if wanted != c'1':
            why[0] = (b"past trades are not kept: 263=1 asks for those to come, and a ResendRequest for the session's "
                      b"ExecutionReports")
            return OTHER
        why[0] = b"the session has a subscription"
        return OTHER if s.trade_request_length else SUCCESSFUL

    cdef int _answer(self, Session* s, const Fields* id, uint8_t type, uint8_t wanted, int result, int status,
                     const char* why) except -1 nogil:
        self.body.clear()
        self.body.text(568, id.value, id.length)
        self.body.character(569, type)
        if wanted:
            self.body.character(263, wanted)
        self.body.number(748, 0)
        self.body.number(749, result)
        self.body.number(750, status)
        self.body.text(55, <const uint8_t*> b"[N/A]", 5)    # the message must have one
        if result != SUCCESSFUL:
            self.body.text(58, <const uint8_t*> why, strlen(why))
        self.body.number(20001, self.sessions.input_number)
        self.sessions.text(s, <const uint8_t*> b"AQ", 2, self.body.data, self.body.size)
        return 0

    cdef int report(self, Session* s, const Order* o, const Fill* fill) except -1 nogil:
        cdef const uint8_t* cl_ord_id = strings_of(o)
        cdef const uint8_t* account = cl_ord_id + o.cl_ord_id_length + o.orig_cl_ord_id_length
        cdef uint8_t parties[MAX_PARTIES]
        cdef size_t parties_length = without_terms(account + o.account_length, o.parties_length, parties)
        cdef uint8_t time[32]
        write_timestamp(time, self.sessions.now_ns)
        self.body.clear()
        self.body.number(571, fill.exec_id)
        self.body.number(487, 1 if fill.ref_exec_id else 0)
        if fill.ref_exec_id:
            self.body.number(572, fill.ref_exec_id)
        self.body.text(568, s.trade_request, s.trade_request_length)
        self.body.character(150, c'H' if fill.ref_exec_id else c'F')
        self.body.character(325, c'Y')
        self.body.number(880, fill.trade_id)
        self.body.number(17, fill.exec_id)
        self.body.character(570, c'N')
        self.body.text(55, fill.symbol, fill.symbol_length)
        self.body.decimal(32, fill.quantity, fill.quantity_exponent)
        self.body.decimal(31, fill.price, fill.price_exponent)
        self.body.text(75, time, 8)
        self.body.text(60, time, 21)
        self.body.number(552, 1)
        self.body.character(54, o.side)
        self.body.number(37, o.order_id)
        self.body.text(11, cl_ord_id, o.cl_ord_id_length)
        if parties_length:
            self.body.fields(parties, parties_length)
            self.body.fields(<const uint8_t*> b"\x01", 1)
        if o.account_length:
            self.body.text(1, account, o.account_length)
        self.body.number(20001, self.sessions.input_number)
        self.sessions.text(s, <const uint8_t*> b"AE", 2, self.body.data, self.body.size)
        return 0
