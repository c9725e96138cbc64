# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: the framing of a whole entry is checked when it begins (framing.pyx), before anything is read from it.
"""sessions + orders + machine + feed: `apply` reads the log entry and the state, and nothing else.

Holds the state, and during an entry a view of its payload. step() runs without the GIL. ValueError: the entry is not
what the log promises; after any exception the exchange refuses to go on (RuntimeError), because half an entry was
applied.
"""

import hashlib

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t, INT64_MIN
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from engine.machine cimport Machine
from engine.types cimport RULES_VERSION
from gateway.canonical cimport write_orders, write_sessions
from gateway.framing cimport check_payload, split_message
from gateway.market_data cimport MarketData
from gateway.mass_requests cimport NO_JOB
from gateway.orders cimport Orders
from gateway.outbox cimport Outbox
from gateway.records cimport (
    ActivateBody, GatewayBody, INPUT_ACTIVATE, INPUT_DISCONNECT, INPUT_GATEWAY_LOST, INPUT_GATEWAY_START,
    INPUT_INSTRUMENT, INPUT_MESSAGE, INPUT_SETTING, InputHead, InstrumentBody, MSG_LOGON, NOT_REJECTED,
    SettingBody,
)
from gateway.session cimport ACT, Message, Session, Sessions, TIMER_GRACE, in_sequence
from gateway.timers cimport Timer

cdef enum:
    FAR = 15        # inputs between asking for memory and using it: names, order, engine
    NEAR = 8
    NEXT = 4
    DEFAULT_GRACE_MS = 5000
    DEFAULT_CLOSED = 100000
    DEFAULT_HEARTBEAT = 3600
    DEFAULT_SESSIONS = 10000


cdef class Exchange:
    """The replicated state machine. Entries go in by apply (or begin and step); egress() shows what comes out.

    comp_id: the exchange's own CompID until a setting in the log says otherwise.
    """

    def __init__(self, comp_id: str = "QUORUMBOOK") -> None:
        cdef bytes name = comp_id.encode()
        if not 1 <= len(name) <= 64:
            raise ValueError(f"a CompID has 1 to 64 bytes, not {comp_id!r}")
        self.outbox = Outbox()
        self.machine = Machine()
        self.state = Sessions(self.outbox)
        self.feed = MarketData()
        self.orders = Orders(self.machine, self.state, self.feed)
        self.orders.window = DEFAULT_CLOSED
        self.state.now_ns = INT64_MIN + 1
        self.state.settings.grace_ns = <int64_t> DEFAULT_GRACE_MS * 1000000
        self.state.settings.closed_cl_ord_ids = DEFAULT_CLOSED
        self.state.settings.max_heartbeat_seconds = DEFAULT_HEARTBEAT
        self.state.settings.max_sessions = DEFAULT_SESSIONS
        self.state.settings.open_to_any = 1
        self.state.settings.comp_id_length = <uint8_t> len(name)
        memcpy(self.state.settings.comp_id, <const uint8_t*> <const char*> name, len(name))

    def __dealloc__(self) -> None:
        if self.open:
            PyBuffer_Release(&self.payload)
        free(self.aligned)
        free(self.gateways)

    # ------------------------------------------------------------ an entry

    def begin(self, payload, index: int, term: int, timestamp_ns: int) -> None:
        """Takes the next log entry; the whole framing of its payload is checked here.

        ValueError: it is not the next entry, its time goes back, or it is malformed; nothing was changed.
        """
        cdef int64_t now = timestamp_ns
        if self.failed or self.open:
            raise RuntimeError(f"entry {self.index} failed: this exchange cannot go on" if self.failed else
                               f"entry {self.index} is not done")
        if index != self.applied_index + 1:
            raise ValueError(f"log entry {index} does not follow entry {self.applied_index}")
        if now < self.state.now_ns:
            raise ValueError(f"log entry {index}: its time {now} is before {self.state.now_ns}")
        if term < self.applied_term:
            raise ValueError(f"log entry {index}: its term {term} is before {self.applied_term}")
        PyObject_GetBuffer(payload, &self.payload, PyBUF_SIMPLE)
        try:
            self._align()
            check_payload(self.cursor, self.payload.len)
        except BaseException:
            self._release()
            raise
        self.open = True
        self.index = index
        self.state.now_ns = now
        self.machine.set_time(now)
        self.deadlines_done = False
        self.ahead = self.cursor
        self.taken = 0
        self.seen = 0
        if term != self.applied_term:
            self.applied_term = term
            self.state.restart_clocks()

    cdef int _align(self) except -1:
        self.cursor = <const uint8_t*> self.payload.buf
        if <uintptr_t> self.cursor % 8 and self.payload.len:
            self.aligned = <uint8_t*> malloc(self.payload.len)
            if self.aligned == NULL:
                raise MemoryError(f"no memory for an entry of {self.payload.len} bytes")
            memcpy(self.aligned, self.payload.buf, self.payload.len)
            self.cursor = self.aligned
        self.end = self.cursor + self.payload.len
        return 0

    cdef int _release(self) except -1:
        PyBuffer_Release(&self.payload)
        free(self.aligned)
        self.aligned = NULL
        self.cursor = NULL
        self.end = NULL
        return 0

    def step(self, budget: int = 4096) -> bool:
        """Goes on with the entry: about `budget` inputs' worth of work. True when the entry is done.

        What comes out does not depend on where the steps are cut.
        """
        cdef int64_t work = budget
        cdef bint done
        if not self.open or self.failed:
            raise RuntimeError("no entry was begun, or it failed")
        if work <= 0:
            raise ValueError(f"budget must be above 0, not {budget}")
        self.failed = True
        with nogil:
            done = self._advance(work)
        if done:
            self._finish()
        self.failed = False
        return done

    cdef int _finish(self) except -1:
        self._release()
        self.feed.end_entry()
        self.open = False
        self.applied_index = self.index
        return 0

    def apply(self, payload, index: int, term: int, timestamp_ns: int) -> None:
        """begin and step until the entry is done."""
        self.begin(payload, index, term, timestamp_ns)
        while not self.step():
            pass

    cdef bint _advance(self, int64_t budget) except -1 nogil:
        # Deadlines first, then the inputs; a job is finished before anything else.
        cdef Timer timer
        cdef const InputHead* head
        while True:
            if self.orders.job.kind != NO_JOB:
                self.orders.work()
                budget -= 256
            elif not self.deadlines_done:
                if self.state.due(&timer):
                    self.state.input_number += 1    # time is an input: what comes of it has a number of its own
                    if timer.kind == TIMER_GRACE:
                        self.orders.cancel_all(self.state.by_id(timer.session))
                    else:
                        self.state.perform(&timer)
                else:
                    self.deadlines_done = True
                budget -= 1
            elif self.cursor == self.end:
                return True
            else:
                self._look_ahead()
                head = <const InputHead*> self.cursor
                self.cursor += head.size
                self.taken += 1
                self._take(head)
                budget -= 1
            if budget <= 0:
                return False

    cdef void _look_ahead(self) noexcept nogil:
        # Up to FAR inputs ahead the names of a message are asked for, then its order, then what the engine has of it.
        cdef const InputHead* head
        cdef const Session* s
        cdef Message m
        cdef int stage
        while self.seen < self.taken + FAR and self.ahead != self.end:
            head = <const InputHead*> self.ahead
            self.ahead += head.size
            self.coming[self.seen & 15].session = NULL
            s = self.state.by_id(head.session) if head.kind == INPUT_MESSAGE else NULL
            if s != NULL:
                split_message(head, &m)
                self.orders.foresee_names(s, &m, &self.coming[self.seen & 15])
            self.seen += 1
        if self.taken + NEAR < self.seen:
            self.orders.foresee_order(&self.coming[(self.taken + NEAR) & 15])
        for stage in range(3):
            if self.taken + NEXT - stage < self.seen:
                self.orders.foresee_engine(&self.coming[(self.taken + NEXT - stage) & 15], stage)

    # ------------------------------------------------------------ an input

    cdef bint _passes_fence(self, const InputHead* head) noexcept nogil:
        # Exactly the next number of a live incarnation; 0 is the leader itself, whose inputs need no number.
        cdef Gateway* gateway
        if head.incarnation == 0:
            return True
        if head.incarnation > self.gateway_count:
            return False
        gateway = &self.gateways[head.incarnation - 1]
        if gateway.lost or head.gateway_number != gateway.last_number + 1:
            return False
        gateway.last_number += 1
        return True

    cdef int _take(self, const InputHead* head) except -1 nogil:
        if not self._passes_fence(head):
            self.skipped_inputs += 1
            return 0
        if head.kind == INPUT_MESSAGE:
            return self._message(head)
        if head.kind == INPUT_DISCONNECT:
            return self._disconnect(head)
        self.state.input_number += 1
        if head.kind == INPUT_GATEWAY_START:
            return self._gateway_start()
        if head.kind == INPUT_GATEWAY_LOST:
            return self._gateway_lost((<const GatewayBody*> (head + 1)).incarnation)
        if head.kind == INPUT_SETTING:
            return self._setting(head)
        if head.kind == INPUT_INSTRUMENT:
            with gil:
                self._instrument(head)
        if head.kind == INPUT_ACTIVATE and (<const ActivateBody*> (head + 1)).rules_version != RULES_VERSION:
            with gil:
                raise ValueError(f"log entry {self.index} activates rules version "
                                 f"{(<const ActivateBody*> (head + 1)).rules_version}, which is not known here")
        return 0

    cdef int _message(self, const InputHead* head) except -1 nogil:
        cdef Message m
        cdef Session* s
        split_message(head, &m)
        if head.session:
            s = self.state.by_id(head.session)
            if s == NULL or not s.connected or s.epoch != head.epoch:
                self.skipped_inputs += 1
                return 0
        else:       # its gateway did not know yet that this connection had logged on, or it had not
            s = self.state.on_connection(head.incarnation, head.connection)
        self.state.input_number += 1
        if s == NULL:
            if m.fields.msg_type == MSG_LOGON:
                return self.state.logon(&m)
            return self.state.refuse(head, b"the first message must be a Logon")
        if (m.order != NULL and head.verdict == NOT_REJECTED and self.state.settings.sending_time_ns == 0
                and in_sequence(s, m.fields)):
            s.inbound += 1
            s.last_received_ns = self.state.now_ns
            s.test_pending = 0
            return self.orders.act(s, &m)
        if self.state.receive(s, &m) == ACT:
            return self.orders.act(s, &m)
        return 0

    cdef int _disconnect(self, const InputHead* head) except -1 nogil:
        cdef Session* s
        if head.session:
            s = self.state.by_id(head.session)
            if s == NULL or s.epoch != head.epoch:
                s = NULL
        else:
            s = self.state.on_connection(head.incarnation, head.connection)
        if s == NULL:
            self.skipped_inputs += 1
            return 0
        self.state.input_number += 1
        return self.state.disconnect(s)

    cdef int _gateway_start(self) except -1 nogil:
        cdef Gateway* grown
        cdef uint32_t room
        if self.gateway_count == self.gateway_room:
            room = self.gateway_room * 2 if self.gateway_room else 16
            grown = <Gateway*> realloc(self.gateways, room * sizeof(Gateway))
            if grown == NULL:
                with gil:
                    raise MemoryError("no memory for a gateway")
            self.gateways = grown
            self.gateway_room = room
        memset(&self.gateways[self.gateway_count], 0, sizeof(Gateway))
        self.gateway_count += 1
        return 0

    cdef int _gateway_lost(self, uint32_t incarnation) except -1 nogil:
        # 0: every incarnation so far.
        cdef uint32_t i
        for i in range(self.gateway_count):
            if incarnation == 0 or incarnation == i + 1:
                self.gateways[i].lost = 1
        return self.state.lose(incarnation)

    cdef int _setting(self, const InputHead* head) except -1 nogil:
        cdef const SettingBody* body = <const SettingBody*> (head + 1)
        self.state.settings.grace_ns = <int64_t> body.grace_ms * 1000000
        self.state.settings.sending_time_ns = <int64_t> body.sending_time_seconds * 1000000000
        self.state.settings.closed_cl_ord_ids = body.closed_cl_ord_ids
        self.state.settings.max_heartbeat_seconds = body.max_heartbeat_seconds
        self.state.settings.max_sessions = body.max_sessions
        self.state.settings.cancel_on_disconnect = body.cancel_on_disconnect == 2
        self.state.settings.open_to_any = body.open_to_any
        self.state.settings.comp_id_length = body.comp_id_length
        memcpy(self.state.settings.comp_id, body + 1, body.comp_id_length)
        self.orders.window = body.closed_cl_ord_ids
        return 0

    cdef int _instrument(self, const InputHead* head) except -1:
        cdef const InstrumentBody* body = <const InstrumentBody*> (head + 1)
        return self.orders.define(body, <const uint8_t*> (body + 1))

    # ------------------------------------------------------------ what can be seen of it

    def egress(self) -> memoryview:
        """The egress records since clear_egress, end to end. Release the view before the next step."""
        return memoryview(self.outbox)

    def clear_egress(self) -> None:
        """Forgets the egress records. BufferError while a view of them is alive."""
        self.outbox.clear()

    @property
    def input_number(self) -> int:
        """The number of the last input taken or deadline performed; 0 = none yet."""
        return self.state.input_number

    @property
    def comp_id(self) -> bytes:
        """The exchange's own CompID, as the log has it."""
        return self.state.settings.comp_id[:self.state.settings.comp_id_length]

    @property
    def time_ns(self) -> int:
        """Log time: the last entry's timestamp; 0 = none yet."""
        return self.state.now_ns if self.applied_index or self.open else 0

    @property
    def last_incarnation(self) -> int:
        """The incarnation given out last; 0 = none yet."""
        return self.gateway_count

    @property
    def next_deadline_ns(self) -> int | None:
        """When the state machine wants an entry even if nothing else happens."""
        cdef int64_t deadline = self.state.next_deadline()
        return None if deadline == INT64_MIN else deadline

    @property
    def record_trades(self) -> bool:
        """Whether trades are kept for take_trades."""
        return self.orders.record_trades

    @record_trades.setter
    def record_trades(self, value: bool) -> None:
        self.orders.record_trades = value

    def take_trades(self) -> list:
        """The trades recorded since the last call, in order: (input number, time_ns, taker's session, taker's ClOrdID,
        maker's session, maker's ClOrdID, symbol, price_ticks, quantity_lots)."""
        trades = self.orders.trades
        self.orders.trades = []
        return trades

    def session_id(self, comp_id: str) -> int:
        """The session of a client's CompID; 0 = there is none."""
        cdef bytes name = comp_id.encode()
        cdef Session* s = self.state.by_name(<const uint8_t*> <const char*> name, len(name))
        return 0 if s == NULL else s.id

    def epoch(self, session_id: int) -> int:
        """The epoch of a session's last connection; 0 for an unknown session."""
        cdef Session* s = self.state.by_id(session_id)
        return 0 if s == NULL else s.epoch

    def sessions(self) -> list:
        """Every session, in order of id, as a dict."""
        cdef uint32_t i
        found = []
        for i in range(self.state.count):
            found.append(self._session(self.state.table[i]))
        return found

    cdef dict _session(self, const Session* s):
        return {
            "id": s.id,
            "comp_id": s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace"),
            "epoch": s.epoch,
            "connected": bool(s.connected),
            "inbound": s.inbound,
            "outbound": s.outbound,
            "open_orders": s.open_count,
            "closed_cl_ord_ids": s.closed_count,
            "heartbeat_seconds": s.heartbeat_ns // 1000000000,
            "cancel_on_disconnect": bool(s.cancel_on_disconnect),
            "grace_ms": s.grace_ns // 1000000,
            "last_received_ns": s.last_received_ns,
        }

    def state_hash(self) -> str:
        """SHA-256 over the canonical state (gateway/DESIGN.md), engine included, in hex. Between entries only."""
        cdef Outbox text = Outbox()
        cdef uint32_t i
        cdef uint64_t* words
        if self.open or self.failed:
            raise RuntimeError("state_hash: an entry is half applied")
        words = <uint64_t*> text.reserve(64)
        memcpy(words, b"QBEXCHNG", 8)
        words[1] = RULES_VERSION
        words[2] = self.applied_index
        words[3] = self.applied_term
        words[4] = <uint64_t> self.state.now_ns
        words[5] = self.state.input_number
        words[6] = self.skipped_inputs
        words[7] = self.gateway_count
        for i in range(self.gateway_count):
            words = <uint64_t*> text.reserve(16)
            words[0] = self.gateways[i].last_number
            words[1] = self.gateways[i].lost
        write_sessions(text, self.state)
        write_orders(text, self.state, self.orders)
        digest = hashlib.sha256(text)
        digest.update(self.machine.snapshot())
        return digest.hexdigest()
