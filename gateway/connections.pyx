# cython: boundscheck=False, wraparound=False
# boundscheck: the one memoryview that is indexed is so at 0, after its length was looked at.
"""What the connections of one gateway send: bytes into this turn's Inputs.

Everything that queues is bounded: what one connection adds to a turn (QUOTA), what
a turn takes (ENTRY), what waits unread (INBOX: a TCP socket is not read beyond it;
what a ZeroMQ client sends waits in its own ROUTER queue). The GIL is held
throughout. Raises MemoryError.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from gateway.connection_table cimport (
    ASKED, CURVE_KEY, FREE, FRESH, LOGGED_ON, PROVING, SECOND, SLOTS, TCP, ZEROMQ, Connection, append, reserve,
)
from gateway.entrance cimport EARLY
from gateway.fix cimport (
    FRAME_INCOMPLETE, FRAME_OK, FRAME_TOO_LONG, MAX_INPUT, TEXT_BODIES, FrameResult, frame, scan, skip,
)
from gateway.records cimport (
    FLAG_POSS_DUP, FLAG_RESET_SEQ_NUM, FLAG_WRONG_COMP_ID, INPUT_MESSAGE, MAX_COMP_ID, MSG_LOGON, MSG_OTHER,
    NOT_REJECTED, TOO_LONG, InputHead, MessageHead, SessionBody,
)

cdef enum:
    QUOTA = 1 << 18         # bytes taken from one TCP connection a turn; the rest waits its turn in the ring
    ENTRY = 1 << 20         # payload bytes after which a turn takes no more
    INBOX = 1 << 19         # bytes waiting after which a TCP socket is not read
    INBOX_ASKED = 1 << 21   # bytes a ZeroMQ client may send behind its Logon before it is answered
    LOOKS = 256             # silent ZeroMQ peers looked after in one sweep

cdef int64_t SILENT_NS = 30_000_000_000     # a ZeroMQ peer is looked after when it was silent so long, and again
cdef int64_t REST_NS = 5_000_000_000        # the rest of a message comes within this, or it is dropped
cdef int64_t LINGER_NS = 2_000_000_000      # an ended TCP connection flushes, and is ended by its peer, within this


cdef bint is_logon(const uint8_t* data, size_t size) noexcept:
    """Whether the first message's third field says so: 8=FIX.4.4|9=100|35=A|."""
    cdef size_t at
    cdef int fields = 0
    for at in range(min(size, 32)):
        fields += data[at] == 1
        if fields == 2:
            return size - at > 5 and memcmp(data + at, b"\x0135=A\x01", 6) == 0
    return False


cdef bytes logon_of(MessageHead* message):
    """The CompID of who logs on; None: the message is no Logon with both CompIDs."""
    cdef SessionBody* body = <SessionBody*>(<uint8_t*>message + sizeof(MessageHead))
    cdef const uint8_t* tail = <uint8_t*>body + sizeof(SessionBody) + message.text_length
    if (message.msg_type != MSG_LOGON
            or not 0 < body.sender_length <= MAX_COMP_ID or not 0 < body.target_length <= MAX_COMP_ID):
        return None
    return (<const char*>tail)[:body.sender_length]


cdef class Connections(Entrance):
    """The table. One per gateway.

    sessions: called with the CompID of a Logon, returns (session id, epoch), (0, 0) when it is not known.
    store: the EgressStore that resends come from.
    """

    def __init__(self, sessions, store):
        Entrance.__init__(self, sessions, store)
        self.explains = self.own_tags = True
        self.own_tags_of = {}
        self.turn = 1

    # ------------------------------------------------------------ coming and going

    def open(self, transport, int descriptor=-1, int64_t since_ns=0) -> int:
        """A TCP connection was accepted; returns its number, 0 when there is no room for it.

        descriptor: of its socket, to look whether the peer is there; -1 when there is none. since_ns: when it came, if
        that was not now."""
        cdef Connection* c = self.admit(TCP, descriptor)
        if c == NULL:
            return 0
        self.transports[c.number % SLOTS] = transport
        if since_ns:
            c.opened_ns = since_ns
        return c.number

    def closed(self, uint32_t number) -> None:
        """The TCP connection is gone."""
        cdef Connection* c = self.find(number)
        if c != NULL:
            self.left(c)

    # ------------------------------------------------------------ bytes in

    cdef bint full(self) noexcept:
        """This turn takes no more."""
        return not self.accepting or self.payload.end >= ENTRY

    def received(self, uint32_t number, const uint8_t[::1] data) -> None:
        """Bytes of a TCP connection."""
        cdef Connection* c = self.find(number)
        if c == NULL or data.shape[0] == 0:
            return
        self.bytes_in += data.shape[0]
        if self.recorder is not None:
            self.record(c, "in", &data[0], data.shape[0])
        self.receive(c, &data[0], data.shape[0])
        if (c.state != FREE and not c.paused
                and c.inbox.end - c.inbox.begin >= <size_t>(EARLY if self.is_stranger(c) else INBOX)):
            c.paused = True
            self.transports[number % SLOTS].pause_reading()

    cdef int frame_received(self, bytes key, const uint8_t* data, size_t size) except -1:
        """One ZeroMQ part from the routing id `key`. An empty one is bye."""
        cdef object slot = self.by_key.get(key)
        cdef Connection* c
        self.bytes_in += size
        if slot is not None:
            c = &self.table[<uint32_t>slot]
            if size == 0:
                return self.left(c)
            if self.is_same(c) and not self.starts_over(c, data, size):
                if self.now_ns - c.alive_ns >= SECOND:  # a DEALER that chose its routing id may have reconnected
                    self.from_peer(c, self.outlet.source())
                c.alive_ns = self.now_ns
                if self.recorder is not None:
                    self.record(c, "in", data, size)
                self.receive(c, data, size)
                if (c.inbox.end > <size_t>(EARLY if c.state == PROVING else INBOX_ASKED)
                        and (c.state == ASKED or c.state == PROVING)):
                    self.cut(c, "sent more behind its Logon than is kept")
                return 0
            self.event("gone", c, "another client has its routing id now")
            self.left(c)
        if size == 0:
            return 0
        c = self.admit(ZEROMQ, self.outlet.source())
        if c != NULL:
            c.key_size = <uint8_t>len(key)
            memcpy(c.key, <const char*>key, c.key_size)
            if self.outlet.curve_key() != NULL:
                memcpy(c.curve_key, self.outlet.curve_key(), CURVE_KEY)
            self.by_key[key] = c.number % SLOTS
            if self.recorder is not None:
                self.record(c, "in", data, size)
            self.receive(c, data, size)
            if c.state == FRESH:    # garbled: a routing id takes no place before its Logon
                self.vacate(c)
        else:
            self.outlet.send(<const uint8_t*><const char*>key, len(key), NULL, 0)
        return 0

    cdef int parts_received(self, bytes key) except -1:
        """A ZeroMQ message of several parts: none of them is taken."""
        cdef object slot = self.by_key.get(key)
        self.garbled += 1
        if slot is not None:
            self.cut(&self.table[<uint32_t>slot], "sent a message of several parts")
        return 0

    cdef int receive(self, Connection* c, const uint8_t* data, size_t size) except -1:
        """Takes what may be taken now; the rest waits in the inbox, in order."""
        cdef size_t used = 0
        cdef bint more
        if c.inbox.end > c.inbox.begin:
            append(&c.inbox, data, size)
            if c.waiting or c.state == ASKED or c.state == PROVING:
                return 0
            return self.take_inbox(c)
        more = self.take(c, data, size, &used)
        if c.state == FREE:
            return 0
        if used < size:
            if c.transport == ZEROMQ and c.state == FRESH and not more:
                self.garbled += 1       # a truncated Logon: its frame holds a whole one
                return 0
            append(&c.inbox, data + used, size - used)
        return self.wait(c, more)

    cdef int take_inbox(self, Connection* c) except -1:
        cdef size_t used = 0
        cdef bint more = self.take(c, c.inbox.data + c.inbox.begin, c.inbox.end - c.inbox.begin, &used)
        if c.state == FREE:
            return 0
        c.inbox.begin += used
        if c.inbox.begin == c.inbox.end:
            c.inbox.begin = c.inbox.end = 0
        if c.paused and c.inbox.end - c.inbox.begin < INBOX // 2:
            c.paused = False
            self.transports[c.number % SLOTS].resume_reading()
        return self.wait(c, more)

    cdef bint take(self, Connection* c, const uint8_t* data, size_t size, size_t* used) except -1:
        """Whole messages become inputs. True: it stopped although more of them may follow."""
        cdef size_t at = 0, length = 0
        cdef FrameResult result
        cdef bint overdue = c.begun_ns != 0 and self.now_ns - c.begun_ns > REST_NS
        if c.turn != self.turn:
            c.turn = self.turn
            c.taken = 0
        while at < size and c.state != FREE:
            if c.state == ASKED or c.state == PROVING or self.full() or (c.transport == TCP and c.taken >= QUOTA):
                used[0] = at
                c.begun_ns = 0
                return True
            result = frame(data + at, size - at, &length)
            if result == FRAME_INCOMPLETE and overdue and at == 0:
                result = skip(data, size, &length)
            if result == FRAME_INCOMPLETE:
                break
            if result != FRAME_OK:
                self.garbled += 1
                if c.state == FRESH:    # no Logon: whoever that is, it speaks something else
                    self.refused += 1
                    self.event("refused", c, "its first bytes are not a FIX message")
                    self.end(c, False)
                    break
                if result == FRAME_TOO_LONG and self.rules >= TEXT_BODIES and c.asked:
                    self.too_long(c)
            elif not self.message(c, data + at, length):
                used[0] = at
                c.begun_ns = 0
                return True
            at += length
            c.taken += length
        used[0] = at
        if at == size:
            c.begun_ns = 0
        elif at > 0 or c.begun_ns == 0:
            c.begun_ns = self.now_ns
        if c.state == FRESH and c.transport == TCP:
            c.noise += at
            if c.noise + size - at > EARLY:
                self.cut(c, f"sent more than {EARLY} bytes, and no Logon")
        return False

    cdef bint message(self, Connection* c, const uint8_t* data, size_t length) except -1:
        """One framed message becomes an input, or ends a connection that has not logged on. False: it has to wait."""
        cdef ssize_t size
        cdef bytes comp_id
        cdef InputHead* head
        cdef MessageHead* message
        cdef size_t room = MAX_INPUT + (length if self.rules >= TEXT_BODIES else 0)
        reserve(&self.payload, room)
        head = <InputHead*>(self.payload.data + self.payload.end)
        size = scan(data, length, &c.identity, self.rules, <uint8_t*>head, room)
        if size < 0:
            raise AssertionError("an Input is larger than the room for it")
        if size == 0:
            self.garbled += 1
            return True
        message = <MessageHead*>(<uint8_t*>head + sizeof(InputHead))
        if c.state == FRESH:
            comp_id = logon_of(message)
            if comp_id is None:
                self.refused += 1
                self.event("refused", c, "the first message is not a Logon with both CompIDs")
                self.end(c, False)
                return True
            if not self.passes(c, comp_id, head.verdict == NOT_REJECTED, data, length):
                return c.state == FREE
            if self.frees(comp_id):
                return self.message(c, data, length)    # once more, behind the disconnect
            if not self.logon(c, head, comp_id):
                return True
        elif self.most_messages and not self.is_asked_for(c, message) and self.floods(c):
            self.cut(c, f"sends more than {self.most_messages} messages a second")
            return True
        else:
            head.session = c.session
            head.epoch = c.epoch
        self.messages_in += 1
        self.number_input(head, c.number)
        self.payload.end += size
        return True

    cdef int too_long(self, Connection* c) except -1:
        """What a ResendRequest asks for may come too long for ever: an input that says so, and no more of it."""
        cdef size_t size = sizeof(InputHead) + sizeof(MessageHead)
        cdef InputHead* head
        cdef MessageHead* message
        reserve(&self.payload, size)
        head = <InputHead*>(self.payload.data + self.payload.end)
        memset(head, 0, size)
        head.size = <uint32_t>size
        head.kind = INPUT_MESSAGE
        head.verdict = NOT_REJECTED
        head.session = c.session
        head.epoch = c.epoch
        message = <MessageHead*>(head + 1)
        message.msg_type = MSG_OTHER
        message.more = TOO_LONG
        self.number_input(head, c.number)
        self.payload.end += size
        return 0

    cdef bint logon(self, Connection* c, InputHead* head, bytes comp_id) except -1:
        """The Logon asks for its session at the epoch that this gateway knows. False: what needs no session refuses it,
        or that one is connected here; nothing of it gets into the log."""
        cdef uint32_t session, epoch, slot
        memcpy(c.identity.peer, <const char*>comp_id, len(comp_id))
        c.identity.peer_length = <uint8_t>len(comp_id)
        c.identity.own_length = <uint8_t>len(self.comp_id)      # ours, whatever the Logon called us
        memcpy(c.identity.own, <const char*>self.comp_id, c.identity.own_length)
        c.identity.standard = not self.own_tags_of.get(comp_id, self.own_tags)
        why = "" if self.judge is None else self.judge((<const char*>head)[:head.size])
        if why:
            self.decline(c, why.encode(), True)
            return False
        session, epoch = self.sessions(comp_id)
        slot = self.by_session[session] if 0 < session < self.session_room else 0  # 0: none yet
        if slot and not self.table[slot - 1].closing and not self.table[slot - 1].leaving:
            self.decline(c, b"Logon refused: this SenderCompID is already connected", False)
            return False
        head.epoch = epoch
        c.highest = (<MessageHead*>(head + 1)).msg_seq_num
        c.state = ASKED
        self.strangers -= 1
        return True

    cdef bint frees(self, bytes comp_id) except -1:
        """A Logon for a session that a dead peer holds: the end of that is an input before the Logon, whose place in
        the payload it takes."""
        cdef uint32_t session = self.sessions(comp_id)[0]
        if session >= self.session_room or self.by_session[session] == 0:
            return False
        return self.bury(&self.table[self.by_session[session] - 1])

    cdef bint starts_over(self, Connection* c, const uint8_t* data, size_t size) except -1:
        """Whether a frame begins with a Logon that ends this connection and begins another: a session belongs to a
        CompID, a routing id to whoever uses it now. One with ResetSeqNumFlag is for the session to judge, unless that
        was logged out."""
        cdef size_t length = 0
        cdef InputHead* head
        cdef MessageHead* message
        if c.state != LOGGED_ON or not is_logon(data, size):
            return False
        reserve(&self.payload, MAX_INPUT)   # room to look at it; it is not an input yet
        head = <InputHead*>(self.payload.data + self.payload.end)
        if (frame(data, size, &length) != FRAME_OK
                or scan(data, length, &c.identity, False, <uint8_t*>head, MAX_INPUT) <= 0):
            return False
        message = <MessageHead*>(<uint8_t*>head + sizeof(InputHead))
        if message.msg_type != MSG_LOGON:
            return False
        return (c.leaving or message.flags & FLAG_WRONG_COMP_ID != 0
                or message.flags & (FLAG_RESET_SEQ_NUM | FLAG_POSS_DUP) == 0
                or self.gone(c))

    cdef bint is_asked_for(self, Connection* c, const MessageHead* message) noexcept:
        """Whether it is a copy that a ResendRequest asks for, which each number is once."""
        if not message.flags & FLAG_POSS_DUP:
            c.highest = max(c.highest, message.msg_seq_num)
            return False
        if c.asked == 0 or not c.asked <= message.msg_seq_num <= c.highest:
            return False
        c.asked = message.msg_seq_num + 1
        return True

    cdef bint floods(self, Connection* c) noexcept:
        if c.second != self.now_ns // SECOND:
            c.second = self.now_ns // SECOND
            c.messages = 0
        c.messages += 1
        return c.messages > self.most_messages

    # ------------------------------------------------------------ a turn

    @property
    def pending(self) -> bool:
        """There is something for a log entry."""
        return self.payload.end > 0 or (self.accepting and len(self.ring) > 0)

    def take_payload(self) -> bytes:
        """The Inputs collected so far; the next turn's begin with what waited."""
        cdef bytes payload
        if self.payload.end == 0:
            self.refill()
        payload = PyBytes_FromStringAndSize(<char*>self.payload.data, self.payload.end)
        self.payload.end = 0
        self.turn += 1
        self.refill()
        return payload

    cdef int refill(self) except -1:
        """Connections that wait, one quota each, in the order they came."""
        cdef Connection* c
        for _ in range(len(self.ring)):
            if self.full():
                break
            c = self.find(self.ring.popleft())
            if c != NULL and c.waiting:
                c.waiting = False
                self.take_inbox(c)
        return 0

    # ------------------------------------------------------------ housekeeping

    def sweep(self) -> None:
        """Now and then: who never logged on, who is gone, who does not read, who cannot be flushed."""
        self.look_for_strangers()
        self.look_for_dead(LOOKS, SILENT_NS)
        kept = []
        for transport, since in self.lingering:
            if self.now_ns - since > LINGER_NS:
                transport.abort()
            else:
                kept.append((transport, since))
        self.lingering = kept
        self.tell_repeats()

    def close_all(self) -> None:
        """The server stops: every connection is told, nothing is put in the log."""
        cdef uint32_t slot
        for slot in range(SLOTS):
            if self.table[slot].state != FREE:
                self.end(&self.table[slot], True)

    def forget_payload(self) -> None:
        """What came in and was not taken: its gateway's incarnation is over."""
        self.payload.end = 0

    @property
    def any(self) -> bool:
        """Whether there is a connection."""
        return self.held[<int>TCP] + self.held[<int>ZEROMQ] > 0

    def counts(self) -> dict[str, int]:
        """For `status`."""
        return {"tcp": self.held[<int>TCP], "zeromq": self.held[<int>ZEROMQ], "behind": self.behind_count,
                "messages_in": self.messages_in, "messages_out": self.messages_out, "bytes_in": self.bytes_in,
                "bytes_out": self.bytes_out, "garbled": self.garbled, "cut_off": self.cut_off, "refused": self.refused}
