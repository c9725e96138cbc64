# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: no Python sequence is indexed; slots come from the pool's own lists and index, pointers into an input were
# checked when the entry began (framing.pyx, `check_payload`).
"""Order messages: each is judged against the state, becomes one engine command, and is answered.

A refused message changes nothing but sequence numbers. Holds no state beyond its base classes'. Runs without the GIL;
raises MemoryError, and AssertionError when engine and pool disagree.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MIN
from libc.stdio cimport snprintf
from libc.string cimport memset, strlen

from engine.types cimport (
    ACCEPTED, BUY, CANCEL, CANCELLED, Command, EXTENDED, GTD, NEW, PEGGED, POST_ONLY, REJECTED, REPLACE, REPLACED,
    Report, SELL,
)
from gateway.executions cimport Instrument, status_of, to_exponent, to_units
from gateway.names cimport name_hash, names_bucket, names_next, names_prefetch
from gateway.order_pool cimport (
    CLOSED, OPEN, Order, close_order, enlist, expect_order, expect_strings, find_name, give_name, give_slot_back,
    make_alias, named_order, order_at, remember, set_strings, strings_of, take_slot,
)
from gateway.reasons cimport (
    CANNOT_CHANGE, DUPLICATE_CL_ORD_ID, FIXED_FOR_LIFE, NO_SUCH_ORDER, NOT_ITS_NAME, NOT_THIS_ORDER, ORDER_CLOSED,
    ORDER_REPLACED, TEXT_TOO_LONG, PRICE_OFF_TICK, PRICE_OUT_OF_RANGE, QUANTITY_OFF_INCREMENT, QUANTITY_OUT_OF_RANGE,
    SESSION_KILLED, TOO_MANY_MESSAGES, TOO_MANY_OPEN_ORDERS, UNKNOWN_SYMBOL, UNSUPPORTED_FIELD, UNSUPPORTED_MESSAGE,
    UNSUPPORTED_ORDER_TYPE, UNSUPPORTED_SIDE, UNSUPPORTED_TIME_IN_FORCE, WATCHES_ONLY, cxl_rej_reason, ord_rej_reason,
    text_of,
)
from gateway.records cimport (
    ExecutionFields, FLAG_POSS_RESEND, HAS_PRICE, HAS_QUANTITY, HAS_TERMS, HAS_UNSUPPORTED, MAX_PARTIES,
    MSG_CANCEL_REQUEST, MSG_EXECUTION_REPORT, MSG_MASS_CANCEL_REQUEST, MSG_MASS_STATUS_REQUEST, MSG_NEW_ORDER,
    MSG_ORDER_CANCEL_REJECT, MSG_REPLACE_REQUEST, MSG_STATUS_REQUEST, STATUS_OF_ONE, STATUS_REQUEST,
)
from gateway.session cimport Message, Session
from gateway.short_strings cimport put, same
from gateway.terms cimport (
    MAX_MERGED, changes_for_life, engine_order_type, engine_time_in_force, merge_terms, missing_term, no_terms,
    read_terms,
)

cdef int64_t EMPTY = INT64_MIN

cdef enum:                          # BusinessRejectReason (380)
    BUSINESS_OTHER = 0
    BUSINESS_UNSUPPORTED_TYPE = 3
    BUSINESS_NOT_AUTHORIZED = 6


cdef inline Request request_of(const Expected* coming) noexcept nogil:
    cdef Request q
    q.body = coming.message.order
    q.cl_ord_id = coming.message.strings
    q.orig_cl_ord_id = q.cl_ord_id + q.body.cl_ord_id_length
    q.account = q.orig_cl_ord_id + q.body.orig_cl_ord_id_length
    q.symbol = q.account + q.body.account_length
    q.parties = q.symbol + q.body.symbol_length
    q.hash = coming.hash
    q.orig_hash = coming.orig_hash
    return q


cdef inline bint means(const Request* q, const Order* o, const Instrument* instrument) noexcept nogil:
    # Side, Symbol and OrderID, where it is given, are the order's.
    cdef const OrderBody* body = q.body
    return (body.side == o.side and (body.order_id == 0 or body.order_id == o.order_id)
            and same(q.symbol, body.symbol_length, instrument.symbol, instrument.symbol_length))


cdef class Orders(MassRequests):

    cdef int act(self, Session* s, const Expected* coming) except -1 nogil:
        cdef const Message* m = &coming.message
        cdef uint8_t type = m.fields.msg_type
        cdef Request q
        if m.order == NULL:
            return self.sessions.business_reject(
                s, m, BUSINESS_UNSUPPORTED_TYPE, UNSUPPORTED_MESSAGE, text_of(UNSUPPORTED_MESSAGE), m.text, 0
            )
        if s.sees_others:
            return self.sessions.business_reject(s, m, BUSINESS_NOT_AUTHORIZED, WATCHES_ONLY, text_of(WATCHES_ONLY),
                                                 m.strings, m.order.cl_ord_id_length)
        q = request_of(coming)
        if type == MSG_NEW_ORDER:
            return self._new_order(s, m, &q)
        if type == MSG_CANCEL_REQUEST:
            return self._cancel(s, m, &q)
        if type == MSG_REPLACE_REQUEST:
            return self._replace(s, m, &q)
        if type == MSG_STATUS_REQUEST:
            return self._status(s, &q)
        if type == MSG_MASS_CANCEL_REQUEST:
            return self.mass_cancel(s, m, &q)
        assert type == MSG_MASS_STATUS_REQUEST
        return self.mass_status(s, m, &q)

    cdef bint is_about_busy(self, const Session* s, const Expected* coming) noexcept nogil:
        # Of one order or request: by its Symbol, or by the order that it names.
        cdef Request q = request_of(coming)
        cdef int64_t instrument = self.instrument_of(q.symbol, q.body.symbol_length)
        cdef uint8_t type = coming.message.fields.msg_type
        cdef uint32_t found
        if type == MSG_MASS_CANCEL_REQUEST or type == MSG_MASS_STATUS_REQUEST:
            return True
        if instrument >= 0 and self.machine.is_busy(<uint32_t> instrument, self.sessions.now_ns):
            return True
        if type == MSG_NEW_ORDER:
            return False
        if type == MSG_STATUS_REQUEST:
            found = find_name(self, s, q.cl_ord_id, q.body.cl_ord_id_length, q.hash)
        else:
            found = find_name(self, s, q.orig_cl_ord_id, q.body.orig_cl_ord_id_length, q.orig_hash)
        return found != 0 and self.machine.is_busy(order_at(self, named_order(self, found)).instrument,
                                                   self.sessions.now_ns)

    cdef int refuse_rate(self, Session* s, const Expected* coming) except -1 nogil:
        # Its ClOrdID is not used up, nothing is looked at.
        cdef const Message* m = &coming.message
        cdef uint8_t type = m.fields.msg_type
        cdef Request q
        cdef uint32_t found
        if type != MSG_NEW_ORDER and type != MSG_CANCEL_REQUEST and type != MSG_REPLACE_REQUEST:
            return self.sessions.business_reject(
                s, m, BUSINESS_OTHER, TOO_MANY_MESSAGES, text_of(TOO_MANY_MESSAGES), m.strings,
                0 if m.order == NULL else m.order.cl_ord_id_length
            )
        q = request_of(coming)
        if type == MSG_NEW_ORDER:
            return self._refuse_new(s, &q, TOO_MANY_MESSAGES)
        found = find_name(self, s, q.orig_cl_ord_id, q.body.orig_cl_ord_id_length, q.orig_hash)
        return self._refuse_change(s, m, &q, named_order(self, found) if found else 0, TOO_MANY_MESSAGES)

    cdef void foresee_names(self, Expected* coming, const Session* session) noexcept nogil:
        cdef const OrderBody* body = coming.message.order
        cdef const uint8_t* cl_ord_id = coming.message.strings
        coming.hash = name_hash(cl_ord_id, body.cl_ord_id_length)
        # Also of none: whether there is an OrigClOrdID follows no pattern, and a wrong guess costs more.
        coming.orig_hash = name_hash(cl_ord_id + body.cl_ord_id_length, body.orig_cl_ord_id_length)
        if session != NULL:
            names_prefetch(&session.names, coming.hash)
            names_prefetch(&session.names, coming.orig_hash)
        coming.session = session if body.orig_cl_ord_id_length else NULL

    cdef void foresee_order(self, Expected* coming) noexcept nogil:
        cdef uint32_t position = coming.orig_hash
        coming.slot = names_next(&coming.session.names, coming.orig_hash, &position)
        if coming.slot:
            expect_order(self, coming.slot)

    cdef void foresee_engine(self, const Expected* coming, int stage) noexcept nogil:
        cdef const Order* o = order_at(self, coming.slot)
        if o.state != OPEN:
            return
        self.machine.expect(o.order_id, o.session, coming.slot, stage)
        if stage == 0:
            expect_strings(o)
            expect_order(self, o.next)
            expect_order(self, o.previous)

    cdef const char* _why(self, const Request* q, int reason, char* text, size_t room) noexcept nogil:
        if reason != UNSUPPORTED_FIELD:
            return self.words(reason)
        snprintf(text, room, b"field %u is not supported", <unsigned int> q.body.unsupported_tag)
        return text

    # ------------------------------------------------------------ NewOrderSingle

    cdef int _new_order(self, Session* s, const Message* m, const Request* q) except -1 nogil:
        cdef const OrderBody* body = q.body
        cdef Command* c = &self.command
        cdef uint32_t hash, slot
        cdef const Report* r
        cdef Order* o
        cdef int reason
        cdef uint32_t tag = self._missing_field(q)
        if tag == 0 and self.sessions.rules >= 3 and not body.present & HAS_UNSUPPORTED:
            tag = missing_term(body.ord_type, body.time_in_force, body.present & HAS_PRICE, q.parties,
                               body.parties_length)
        if tag or body.cl_ord_id_length == 0:
            return self.missing(s, m, q, tag if tag else 11)
        hash = q.hash
        c.flags = POST_ONLY if body.post_only else 0
        reason = self._judge_new(s, q, hash)
        if reason == DUPLICATE_CL_ORD_ID and self.sessions.rules >= 2:
            slot = named_order(self, find_name(self, s, q.cl_ord_id, body.cl_ord_id_length, hash))
            if slot:
                return self._refuse_repeated(s, q, order_at(self, slot))
        if reason:
            self._forget_terms()
            return self._refuse_new(s, q, reason)
        slot = take_slot(self)
        c.kind = NEW
        c.side = BUY if body.side == c'1' else SELL
        c.owner = s.id
        c.client_ref = slot
        c.order_id = 0
        c.received_ns = m.head.received_ns
        r = self.enter()
        self._forget_terms()
        if r.kind == REJECTED:
            give_slot_back(self, slot)
            reason = r.reason
            self.machine.clear_reports()
            return self._refuse_new(s, q, reason)
        assert r.kind == ACCEPTED and r.client_ref == slot
        o = order_at(self, slot)
        o.order_id = r.order_id
        o.price_ticks = r.price_ticks
        o.quantity_lots = r.quantity_lots
        o.cumulative_lots = 0
        o.notional_low = 0
        o.notional_high = 0
        o.session = s.id
        o.instrument = r.instrument
        o.state = OPEN
        o.side = body.side
        o.ord_type = body.ord_type
        o.time_in_force = body.time_in_force if body.time_in_force else c'0'
        o.post_only = body.post_only
        o.is_expired = 0
        set_strings(o, q.cl_ord_id, body.cl_ord_id_length, q.account, 0, q.account, body.account_length, q.parties,
                    body.parties_length)
        give_name(self, s, slot, hash)
        enlist(self, s, slot, o)
        self.report(s, o, c'0', 0)
        return self.leave(1)

    cdef uint32_t _missing_field(self, const Request* q) noexcept nogil:
        # Of those that a D or G needs; 0 = none.
        if not q.body.present & HAS_QUANTITY:
            return 38
        return 44 if q.body.ord_type == c'2' and not q.body.present & HAS_PRICE else 0

    cdef void _forget_terms(self) noexcept nogil:
        # What only some commands set is zero in every other.
        cdef Command* c = &self.command
        if c.flags & EXTENDED:
            memset(&c.display_lots, 0, sizeof(Command) - 64)
            c.self_match_mode = 0
            c.self_match_group = 0
        c.flags = 0

    cdef int _judge_new(self, Session* s, const Request* q, uint32_t hash) except -1 nogil:
        # 0, or why not. Sets the command's instrument, price, quantity, type and other terms.
        cdef const OrderBody* body = q.body
        cdef int64_t instrument
        cdef int reason
        if body.present & HAS_UNSUPPORTED:
            return UNSUPPORTED_FIELD
        if body.side != c'1' and body.side != c'2':
            return UNSUPPORTED_SIDE
        self.command.order_type = engine_order_type(body.ord_type, self.sessions.rules)
        if self.command.order_type == 0:
            return UNSUPPORTED_ORDER_TYPE
        self.command.time_in_force = engine_time_in_force(body.time_in_force, self.sessions.rules)
        if self.command.time_in_force == 255:
            return UNSUPPORTED_TIME_IN_FORCE
        instrument = self.instrument_of(q.symbol, body.symbol_length)
        if instrument < 0:
            return UNKNOWN_SYMBOL
        if find_name(self, s, q.cl_ord_id, body.cl_ord_id_length, hash):
            return DUPLICATE_CL_ORD_ID
        if s.open_count >= s.most_open:
            return TOO_MANY_OPEN_ORDERS if s.most_open else SESSION_KILLED
        self.command.instrument = <uint32_t> instrument
        reason = self._terms(body, &self.instruments[instrument])
        if reason or not (body.present & HAS_TERMS or self.command.order_type == PEGGED):
            return reason
        no_terms(&self.command)
        return self._more_terms(q, &self.instruments[instrument])

    cdef int _more_terms(self, const Request* q, const Instrument* instrument) noexcept nogil:
        # Those that came as text; the price of a pegged order is its limit. 0, or why not.
        cdef Command* c = &self.command
        cdef int reason = 0
        if q.body.present & HAS_TERMS:
            reason = read_terms(q.parties, q.body.parties_length, instrument, c)
        if c.order_type == PEGGED and c.price_ticks != EMPTY:
            c.peg_limit_ticks = c.price_ticks
            c.price_ticks = EMPTY
        return reason

    cdef int _terms(self, const OrderBody* body, const Instrument* instrument) noexcept nogil:
        # Price and quantity of the command, in ticks and lots. 0, or why not.
        cdef int failed
        self.command.price_ticks = EMPTY
        if body.present & HAS_PRICE:
            failed = to_units(body.price_mantissa, body.price_exponent, instrument.price_increment,
                              instrument.price_exponent, &self.command.price_ticks)
            if failed:
                return PRICE_OFF_TICK if failed == 1 else PRICE_OUT_OF_RANGE
        failed = to_units(body.quantity_mantissa, body.quantity_exponent, instrument.quantity_increment,
                          instrument.quantity_exponent, &self.command.quantity_lots)
        if failed:
            return QUANTITY_OFF_INCREMENT if failed == 1 else QUANTITY_OUT_OF_RANGE
        return 0

    cdef int _refuse_new(self, Session* s, const Request* q, int reason) except -1 nogil:
        # The message's own fields come back; its numbers as every report has them, when that says the same.
        cdef const OrderBody* body = q.body
        cdef char buffer[64]
        cdef const char* text = self._why(q, reason, buffer, sizeof(buffer))
        cdef size_t text_length = strlen(text)
        cdef int64_t instrument = self.instrument_of(q.symbol, body.symbol_length)
        cdef ExecutionFields* fields = self.blank(
            s, MSG_EXECUTION_REPORT,
            <size_t> body.cl_ord_id_length + body.account_length + body.parties_length + body.symbol_length
            + text_length
        )
        fields.exec_type = c'8'
        fields.ord_status = c'8'
        fields.price_exponent = body.price_exponent
        fields.quantity_exponent = body.quantity_exponent
        fields.price = body.price_mantissa
        fields.quantity = body.quantity_mantissa
        if instrument >= 0:
            to_exponent(&fields.price, &fields.price_exponent, self.instruments[instrument].price_exponent)
            to_exponent(&fields.quantity, &fields.quantity_exponent, self.instruments[instrument].quantity_exponent)
        if not body.present & HAS_PRICE:
            fields.price = EMPTY
        fields.side = body.side
        fields.ord_type = body.ord_type
        fields.time_in_force = body.time_in_force if body.time_in_force else c'0'
        fields.post_only = body.post_only
        fields.fix_reason = ord_rej_reason(reason)
        fields.reason_code = reason
        fields.cl_ord_id_length = body.cl_ord_id_length
        fields.account_length = body.account_length
        fields.parties_length = body.parties_length
        fields.symbol_length = body.symbol_length
        fields.text_length = <uint8_t> text_length
        put(put(put(put(put(<uint8_t*> (fields + 1), q.cl_ord_id, body.cl_ord_id_length), q.account,
                        body.account_length), q.parties, body.parties_length), q.symbol, body.symbol_length),
            <const uint8_t*> text, text_length)
        return 0

    cdef int _refuse_repeated(self, Session* s, const Request* q, const Order* o) except -1 nogil:
        # The report is of the order that has the ClOrdID or had it, as it stands, under the name that was sent.
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef const uint8_t* account = strings_of(o) + o.cl_ord_id_length + o.orig_cl_ord_id_length
        cdef size_t account_length = <size_t> o.account_length + o.parties_length
        cdef const char* text = self.words(DUPLICATE_CL_ORD_ID)
        cdef size_t text_length = strlen(text)
        cdef ExecutionFields* fields = self.blank(
            s, MSG_EXECUTION_REPORT,
            q.body.cl_ord_id_length + account_length + instrument.symbol_length + text_length
        )
        self.describe(fields, o)
        fields.exec_type = c'8'
        fields.fix_reason = ord_rej_reason(DUPLICATE_CL_ORD_ID)
        fields.reason_code = DUPLICATE_CL_ORD_ID
        fields.cl_ord_id_length = q.body.cl_ord_id_length
        fields.account_length = o.account_length
        fields.parties_length = o.parties_length
        fields.symbol_length = instrument.symbol_length
        fields.text_length = <uint8_t> text_length
        put(put(put(put(<uint8_t*> (fields + 1), q.cl_ord_id, q.body.cl_ord_id_length), account, account_length),
                instrument.symbol, instrument.symbol_length), <const uint8_t*> text, text_length)
        return 0

    # ------------------------------------------------------------ OrderCancelRequest, OrderCancelReplaceRequest

    cdef int _judge_change(self, Session* s, const Request* q, uint32_t hash, uint32_t* slot) except -1 nogil:
        # 0 and the slot of the open order that OrigClOrdID names; or why not, and the order meant (0: none).
        cdef const OrderBody* body = q.body
        cdef Order* o
        cdef uint32_t found, named
        slot[0] = 0
        found = find_name(self, s, q.orig_cl_ord_id, body.orig_cl_ord_id_length, q.orig_hash)
        named = named_order(self, found) if found else 0
        slot[0] = named
        if find_name(self, s, q.cl_ord_id, body.cl_ord_id_length, hash):
            return DUPLICATE_CL_ORD_ID
        if named == 0:
            if self.sessions.rules >= 2:
                slot[0] = self._numbered(s, body.order_id)
            return NOT_ITS_NAME if slot[0] else NO_SUCH_ORDER
        o = order_at(self, named)
        if o.state == CLOSED:
            return ORDER_CLOSED
        if named != found:
            return ORDER_REPLACED
        if body.present & HAS_UNSUPPORTED:
            return UNSUPPORTED_FIELD
        if not means(q, o, &self.instruments[o.instrument]):
            return NOT_THIS_ORDER
        return 0

    cdef uint32_t _numbered(self, const Session* s, uint64_t order_id) noexcept nogil:
        # The session's open order with this OrderID; 0 = none.
        cdef uint32_t owner = 0
        cdef uint64_t reference = 0
        if self.machine.find(order_id, &owner, &reference) and owner == s.id:
            return <uint32_t> reference
        return 0

    cdef int _refuse_change(self, Session* s, const Message* m, const Request* q, uint32_t slot,
                            int reason) except -1 nogil:
        # OrderCancelReject, with what is true of the order meant. It names the ClOrdID asked for, or the order's own
        # where that was never one.
        cdef const OrderBody* body = q.body
        cdef const uint8_t* orig = q.orig_cl_ord_id
        cdef uint8_t orig_length = body.orig_cl_ord_id_length
        cdef char buffer[64]
        cdef const char* text = self._why(q, reason, buffer, sizeof(buffer))
        cdef size_t text_length = strlen(text), account_length = body.account_length
        cdef const Order* o = order_at(self, slot) if slot else NULL
        cdef const uint8_t* account = q.account
        cdef ExecutionFields* fields
        if o != NULL:
            account = strings_of(o) + o.cl_ord_id_length + o.orig_cl_ord_id_length
            account_length = o.account_length
        if reason == NOT_ITS_NAME:
            orig = strings_of(o)
            orig_length = o.cl_ord_id_length
        fields = self.blank(
            s, MSG_ORDER_CANCEL_REJECT,
            <size_t> body.cl_ord_id_length + orig_length + account_length + text_length
        )
        fields.ord_status = c'8'
        if o != NULL:
            fields.order_id = o.order_id
            fields.ord_status = status_of(o)
        fields.response_to = c'1' if m.fields.msg_type == MSG_CANCEL_REQUEST else c'2'
        fields.fix_reason = cxl_rej_reason(reason)
        fields.reason_code = reason
        fields.cl_ord_id_length = body.cl_ord_id_length
        fields.orig_cl_ord_id_length = orig_length
        fields.account_length = <uint8_t> account_length
        fields.text_length = <uint8_t> text_length
        put(put(put(put(<uint8_t*> (fields + 1), q.cl_ord_id, body.cl_ord_id_length),
                    orig, orig_length), account, account_length),
            <const uint8_t*> text, text_length)
        return 0

    cdef int _cancel(self, Session* s, const Message* m, const Request* q) except -1 nogil:
        cdef const OrderBody* body = q.body
        cdef Command* c = &self.command
        cdef uint32_t hash, slot, alias
        cdef const Report* r
        cdef Order* o
        cdef int reason
        if body.cl_ord_id_length == 0 or body.orig_cl_ord_id_length == 0:
            return self.missing(s, m, q, 41 if body.cl_ord_id_length else 11)
        hash = q.hash
        reason = self._judge_change(s, q, hash, &slot)
        if reason:
            return self._refuse_change(s, m, q, slot, reason)
        o = order_at(self, slot)
        c.kind = CANCEL
        c.flags = 0
        c.owner = s.id
        c.client_ref = slot
        c.order_id = o.order_id
        r = self.enter()
        assert r.kind == CANCELLED and r.client_ref == slot
        o.state = CLOSED
        alias = self._rename(s, slot, q, hash)
        self.report(s, o, c'4', 0)
        close_order(self, s, slot, o)
        remember(self, s, alias, order_at(self, alias))
        return self.leave(1)

    cdef int _replace(self, Session* s, const Message* m, const Request* q) except -1 nogil:
        cdef const OrderBody* body = q.body
        cdef Command* c = &self.command
        cdef uint32_t hash, slot, alias
        cdef const Report* r
        cdef Order* o
        cdef int reason
        if body.cl_ord_id_length == 0 or body.orig_cl_ord_id_length == 0:
            return self.missing(s, m, q, 41 if body.cl_ord_id_length else 11)
        if self._missing_field(q):
            return self.missing(s, m, q, self._missing_field(q))
        hash = q.hash
        c.flags = 0
        reason = self._judge_change(s, q, hash, &slot)
        if reason == 0:
            reason = self._judge_replace(q, order_at(self, slot))
        if reason:
            self._forget_terms()
            return self._refuse_change(s, m, q, slot, reason)
        o = order_at(self, slot)
        c.kind = REPLACE
        c.owner = s.id
        c.client_ref = slot
        c.order_id = o.order_id
        r = self.enter()
        self._forget_terms()
        if r.kind == REJECTED:
            return self._refuse_replace(s, m, q, slot, r.reason)
        assert r.kind == REPLACED and r.client_ref == slot
        o.price_ticks = r.price_ticks
        o.quantity_lots = r.quantity_lots
        if body.time_in_force:
            o.time_in_force = body.time_in_force
        alias = self._rename(s, slot, q, hash)
        self.report(s, o, c'5', 0)
        self.leave(1)
        return remember(self, s, alias, order_at(self, alias))

    cdef int _refuse_replace(self, Session* s, const Message* m, const Request* q, uint32_t slot,
                             int reason) except -1 nogil:
        # By the engine. Pegs may follow now what pegs have done after the input before: that is told, too.
        self._refuse_change(s, m, q, slot, reason)
        if self.machine.report_count() > 1:
            return self.leave(1)
        self.machine.clear_reports()
        return 0

    cdef int _judge_replace(self, const Request* q, const Order* o) noexcept nogil:
        # Price and quantity may change, from rules 3 on other terms too. Sets them in the command. 0, or why not.
        cdef const OrderBody* body = q.body
        cdef const Instrument* instrument = &self.instruments[o.instrument]
        cdef const uint8_t* account = strings_of(o) + o.cl_ord_id_length + o.orig_cl_ord_id_length
        cdef uint8_t merged[MAX_MERGED]
        cdef bint lasts = body.time_in_force == 0 or body.time_in_force == o.time_in_force
        cdef int reason
        if body.ord_type != o.ord_type or (body.post_only and not o.post_only):
            return CANNOT_CHANGE
        if not lasts and self.sessions.rules < 3:
            return CANNOT_CHANGE
        if body.account_length and not same(q.account, body.account_length, account, o.account_length):
            return CANNOT_CHANGE
        reason = self._terms(body, instrument)
        if reason == 0 and body.parties_length and self._merged(q, o, merged) > MAX_PARTIES:
            return TEXT_TOO_LONG
        if reason or (lasts and not body.present & HAS_TERMS and body.ord_type != c'P'):
            return reason
        if body.present & HAS_TERMS and changes_for_life(account + o.account_length, o.parties_length, q.parties,
                                                         body.parties_length):
            return FIXED_FOR_LIFE
        return self._new_terms(q, o, instrument)

    cdef size_t _merged(self, const Request* q, const Order* o, uint8_t* merged) noexcept nogil:
        # What is carried of the order after a replace.
        cdef const uint8_t* own = strings_of(o) + o.cl_ord_id_length + o.orig_cl_ord_id_length + o.account_length
        cdef uint8_t lasts = q.body.time_in_force if q.body.time_in_force else o.time_in_force
        return merge_terms(own, o.parties_length, q.parties, q.body.parties_length, lasts == c'6', merged)

    cdef int _new_terms(self, const Request* q, const Order* o, const Instrument* instrument) noexcept nogil:
        # What a replace gives beside price and quantity, in the place of what the order has. 0, or why not.
        cdef Command* c = &self.command
        cdef int reason
        c.flags = EXTENDED | (POST_ONLY if o.post_only else 0)
        self.machine.terms(o.order_id, c)
        if q.body.time_in_force:
            c.time_in_force = engine_time_in_force(q.body.time_in_force, self.sessions.rules)
        if c.time_in_force != GTD:
            c.expire_ns = 0
        reason = self._more_terms(q, instrument)
        c.flags = EXTENDED          # and what it has for life is the order's own
        c.peg_kind = 0
        c.min_quantity_lots = 0
        c.self_match_mode = 0
        c.self_match_group = 0
        return reason

    cdef uint32_t _rename(self, Session* s, uint32_t slot, const Request* q, uint32_t hash) except 0 nogil:
        # The order takes its new ClOrdID, and of the fields carried as text those that are given; the old ClOrdID goes
        # to an alias, which is returned, not yet on a list.
        cdef Order* o = order_at(self, slot)
        cdef const uint8_t* own = strings_of(o)
        cdef const uint8_t* account = own + o.cl_ord_id_length + o.orig_cl_ord_id_length
        cdef const uint8_t* carried = account + o.account_length
        cdef uint8_t merged[MAX_MERGED]
        cdef size_t carried_length = o.parties_length
        cdef uint32_t old_hash = o.hash
        cdef uint32_t alias = make_alias(self, s, slot, own, o.cl_ord_id_length, old_hash)
        names_bucket(&s.names, old_hash, slot).reference = alias
        if q.body.parties_length or (o.parties_length and self.sessions.rules >= 3):
            carried_length = self._merged(q, o, merged)
            carried = merged
        set_strings(o, q.cl_ord_id, q.body.cl_ord_id_length, own, o.cl_ord_id_length, account, o.account_length,
                    carried, <uint16_t> carried_length)
        give_name(self, s, slot, hash)
        return alias

    # ------------------------------------------------------------ PossResend

    cdef int answer_resent(self, Session* s, const Expected* coming) except -1 nogil:
        cdef uint8_t type = coming.message.fields.msg_type
        cdef Request q
        cdef uint32_t slot
        if not coming.message.fields.flags & FLAG_POSS_RESEND or (
                type != MSG_NEW_ORDER and type != MSG_CANCEL_REQUEST and type != MSG_REPLACE_REQUEST):
            return 0
        q = request_of(coming)
        slot = self._changed_by(s, &q)
        if slot == 0:
            return 0
        self.report(s, order_at(self, slot), c'I', 0).status_request = STATUS_REQUEST
        return 1

    cdef uint32_t _changed_by(self, Session* s, const Request* q) noexcept nogil:
        # The order that a message with these ids entered, replaced or cancelled before; 0 = none that is known.
        cdef const OrderBody* body = q.body
        cdef uint32_t found = find_name(self, s, q.cl_ord_id, body.cl_ord_id_length, q.hash)
        cdef uint32_t slot = named_order(self, found) if found else 0
        cdef uint32_t original
        cdef const Order* o
        if slot == 0:
            return 0
        o = order_at(self, slot)
        if not means(q, o, &self.instruments[o.instrument]):
            return 0
        if found == slot:       # its newest ClOrdID, which is known with the one before
            return slot if same(q.orig_cl_ord_id, body.orig_cl_ord_id_length,
                                strings_of(o) + o.cl_ord_id_length, o.orig_cl_ord_id_length) else 0
        original = find_name(self, s, q.orig_cl_ord_id, body.orig_cl_ord_id_length, q.orig_hash)
        if original:
            original = named_order(self, original)
        return slot if original == 0 or original == slot else 0

    # ------------------------------------------------------------ OrderStatusRequest

    cdef int _status(self, Session* s, const Request* q) except -1 nogil:
        cdef const OrderBody* body = q.body
        cdef uint32_t slot = find_name(self, s, q.cl_ord_id, body.cl_ord_id_length, q.hash)
        cdef const Order* o
        cdef ExecutionFields* fields
        if slot:
            slot = named_order(self, slot)
        if slot == 0:
            slot = self._numbered(s, body.order_id)
        if slot == 0:
            return self._unknown_order(s, q, NO_SUCH_ORDER)
        o = order_at(self, slot)
        if self.sessions.rules >= 2 and not means(q, o, &self.instruments[o.instrument]):
            return self._unknown_order(s, q, NOT_THIS_ORDER)
        if body.order_id != 0 and o.order_id != body.order_id:
            return self._unknown_order(s, q, NO_SUCH_ORDER)
        # Its OrdStatusReqID comes where others have an OrigClOrdID.
        fields = self.status_of(s, o, q.orig_cl_ord_id, body.orig_cl_ord_id_length)
        if body.orig_cl_ord_id_length:
            fields.status_request = STATUS_OF_ONE
        return 0

    cdef int _unknown_order(self, Session* s, const Request* q, int why) except -1 nogil:
        cdef const OrderBody* body = q.body
        cdef ExecutionFields* fields = self.no_order(
            s, why, q.cl_ord_id, body.cl_ord_id_length, q.account, body.account_length, q.symbol,
            body.symbol_length, body.side, q.orig_cl_ord_id, body.orig_cl_ord_id_length
        )
        if body.orig_cl_ord_id_length:
            fields.status_request = STATUS_OF_ONE
        fields.fix_reason = ord_rej_reason(why)
        fields.reason_code = why
        return 0
