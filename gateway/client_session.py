"""The initiator's side of a FIX 4.4 session, without I/O: bytes and time in, bytes and reports out.

Time is nanoseconds since 1970-01-01 UTC and never goes back; the caller passes it in.

What is promised:
- every report of the exchange is delivered once, in the order of its number, whatever the link
  loses or repeats: a gap is asked for again (ResendRequest), and what comes after it is held;
- a request keeps its number. When the exchange asks for numbers again, requests are sent again
  as PossDup with the number they had, so it takes each of them exactly once; messages of the
  session layer, and numbers used by an earlier process, are gap-filled;
- when the exchange begins the numbers of all sessions anew, this one does so, too. Requests that
  had not left are sent then; what became of others without an answer has to be asked.
"""

import re
from collections import deque
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.client_decoder import Batch, Decoder, Report
from gateway.client_encoder import Encoder
from gateway.client_types import MsgType

SECOND_NS = 1_000_000_000
LOGOUT_NS = 2 * SECOND_NS
"""How long an answer to a Logout, or the end of the connection behind one, is waited for."""
STORED_MESSAGES = 131_072
"""How many of the last requests can be sent again."""
HELD_BATCHES = 4096
"""How many reads are held while a gap is filled; beyond it they are dropped and asked for again."""

EXPECTED = re.compile(r"expect\w*\D{0,20}(\d+)", re.IGNORECASE)
BEGUN_ANEW = re.compile(r"sequence numbers begin anew")
MESSAGE_START = b"8=FIX.4.4\x019="


class State(Enum):
    """Where the session stands."""

    CLOSED = "closed"
    LOGON = "logon sent"
    ACTIVE = "active"
    LOGOUT = "logout sent"


class SessionError(Exception):
    """The session with the exchange cannot go on; the text says why."""


class LogonRefused(SessionError):
    """The exchange refused the Logon. `expected` is the number it wants next, where its text says so."""

    def __init__(self, text: str) -> None:
        super().__init__(f"the exchange refused the Logon: {text}")
        self.text = text
        found = EXPECTED.search(text)
        self.expected = int(found[1]) if found else None
        self.begins_anew = BEGUN_ANEW.search(text) is not None
        """Whether the exchange has begun the sequence numbers anew meanwhile: now the session has, too."""


class LoggedOut(SessionError):
    """The exchange ended the session with a Logout; another Logon may follow."""


class Reports(NamedTuple):
    """Reports start .. stop - 1 of a batch, in order."""

    batch: Batch
    start: int
    stop: int


class ClientSession:
    """One session. `next_in` None: begin with the exchange's Logon, whatever its number."""

    def __init__(
        self,
        comp_id: str,
        target: str = "QUORUMBOOK",
        *,
        heartbeat_seconds: int = 30,
        next_out: int = 1,
        next_in: int | None = None,
        cancel_on_disconnect: bool | None = None,
        grace_ms: int | None = None,
        username: str = "",
        password: str = "",
    ) -> None:
        self.encoder = Encoder(comp_id, target)
        self.decoder = Decoder(target, comp_id)
        self.comp_id = comp_id
        self.heartbeat_ns = heartbeat_seconds * SECOND_NS
        self.next_out, self.next_in = next_out, next_in
        self.options = [] if cancel_on_disconnect is None else [("20003", "NY"[cancel_on_disconnect])]
        if grace_ms is not None:
            self.options.append(("20004", str(grace_ms)))
        self.options += [(tag, text) for tag, text in (("553", username), ("554", password)) if text]
        self.state = State.CLOSED
        self.failure: SessionError | None = None
        self.silent = False  # the exchange has not been heard for too long
        self.ever_active = False
        self.resets = 0
        """How often the exchange has begun the numbers anew."""
        self._anew = False  # since then there was no Logon, which has number 1
        self._outgoing: list[bytes] = []
        self._reports: list[Reports] = []
        self._stored: deque[tuple[int, int, bytes]] = deque()  # first number, how many, their bytes
        self._stored_count = 0
        self._forgotten = 0  # the highest request number that can no longer be sent again
        self._left = 0  # the highest number of a request that may have reached the exchange
        self._held: list[Reports] = []
        # Invariant: while _held, next_in < _held_first, and _held is _held_first .. _held_next - 1.
        self._held_first = self._held_next = 0
        self._asked_ns = 0
        self._logon_number = 0
        self._answered = 0  # the number of the last ResendRequest answered
        self._sent_ns = self._received_ns = 0
        self._tested = False
        self._leaves_ns = 0  # in state LOGOUT: when the exchange is waited for no longer

    # ------------------------------------------------------------ what the caller does

    def logon(self, now_ns: int, *, reset: bool = False) -> None:
        """Begin on a new connection. `reset` starts both numbers at 1: what was not received is lost."""
        if self.state is not State.CLOSED:
            raise SessionError(f"Logon in state {self.state.value!r}")
        self.decoder.clear()
        self._drop_held()
        self._outgoing.clear()
        self.failure, self.silent, self._tested, self._answered = None, False, False, 0
        fields = [("98", "0"), ("108", str(self.heartbeat_ns // SECOND_NS))]
        if reset:
            self.next_out, self.next_in = 1, 1
            self._stored.clear()
            self._stored_count = self._forgotten = self._left = 0
            self._anew = False
            fields.append(("141", "Y"))
        self.state = State.LOGON
        self._received_ns = now_ns
        self._logon_number = 1 if self._anew else self.next_out
        self.next_out = max(self.next_out, self._logon_number + 1)
        self._outgoing.append(self.encoder.admin("A", self._logon_number, now_ns, fields + self.options))
        self._sent_ns = now_ns

    def logout(self, now_ns: int, text: str = "") -> None:
        """Say goodbye; the state becomes CLOSED when the exchange has answered, or has not within two seconds."""
        if self.state is State.ACTIVE:
            self._admin("5", [("58", text)] if text else [], now_ns)
            self.state = State.LOGOUT
            self._leaves_ns = now_ns + LOGOUT_NS

    def disconnected(self) -> None:
        """The connection is gone. Numbers and stored requests stay."""
        self.state = State.CLOSED
        self._outgoing.clear()

    def send(self, requests: NDArray[np.void], now_ns: int, per_frame: int = 256) -> int:
        """Number, encode and store an array of REQUEST; returns the first number.

        While the session is not active they wait in the store: the exchange asks for them after the Logon.
        """
        first = self.next_out
        for data, count in self.encoder.requests(requests, first, now_ns, per_frame):
            self._stored.append((self.next_out, count, data))
            self._stored_count += count
            self.next_out += count
            if self.state is State.ACTIVE:
                self._outgoing.append(data)
                self._left = self.next_out - 1
                self._sent_ns = now_ns
        self._forget()
        return first

    def send_fields(self, msg_type: str, fields: list[tuple[str, str]], now_ns: int) -> int:
        """The same of one message of any type; returns its number."""
        number = self.next_out
        data = self.encoder.admin(msg_type, number, now_ns, fields)
        self._stored.append((number, 1, data))
        self._stored_count += 1
        self.next_out += 1
        if self.state is State.ACTIVE:
            self._outgoing.append(data)
            self._left = number
            self._sent_ns = now_ns
        self._forget()
        return number

    def _forget(self) -> None:
        while self._stored_count > STORED_MESSAGES and len(self._stored) > 1:
            number, count, _ = self._stored.popleft()
            self._stored_count -= count
            self._forgotten = number + count - 1

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the exchange: a ZeroMQ frame, or whatever a TCP read gave."""
        self._received_ns = now_ns
        self._tested = False
        batch = self.decoder.feed(data)
        self._process(Reports(batch, 0, len(batch)), now_ns)

    def tick(self, now_ns: int) -> None:
        """Perform what is due: heartbeat, test request, a gap asked for again. `silent` is set here."""
        if self.state is State.ACTIVE:
            if now_ns - self._sent_ns >= self.heartbeat_ns:
                self._admin("0", [], now_ns)
            if now_ns - self._received_ns >= self.heartbeat_ns * 12 // 10 and not self._tested:
                self._tested = True
                self._admin("1", [("112", str(now_ns))], now_ns)
            if self._held and now_ns - self._asked_ns >= max(self.heartbeat_ns, 5 * SECOND_NS):
                self._ask(now_ns)
        elif self.state is State.LOGOUT and now_ns >= self._leaves_ns:
            self.state = State.CLOSED
        if self.state is not State.CLOSED and now_ns - self._received_ns >= self.heartbeat_ns * 24 // 10:
            self.silent = True

    def deadline_ns(self) -> int | None:
        """When `tick` has something to do."""
        if self.state is State.CLOSED:
            return None
        if self.state is State.LOGOUT:
            return self._leaves_ns
        return min(self._sent_ns + self.heartbeat_ns, self._received_ns + self.heartbeat_ns * 12 // 10)

    def take_outgoing(self) -> list[bytes]:
        """The bytes to send, each a whole frame; they are handed out once."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def take_reports(self) -> list[Reports]:
        """The reports received since the last call, in order."""
        reports, self._reports = self._reports, []
        return reports

    # ------------------------------------------------------------ receiving

    def _process(self, reports: Reports, now_ns: int) -> None:
        batch, i, stop = reports
        while i < stop:
            n = 0
            if self.state in (State.ACTIVE, State.LOGOUT) and self.next_in is not None:
                n = min(batch.run(i, self.next_in), stop - i)
                if n:
                    self._deliver(batch, i, i + n)
                    self.next_in += n
                    self._release(now_ns)
                elif self._held:
                    n = min(batch.run(i, self._held_next), stop - i)
                    if n:
                        self._hold(Reports(batch, i, i + n), n)
            if n == 0:
                self._message(batch, i, now_ns)
                n = 1
            i += n

    def _message(self, batch: Batch, i: int, now_ns: int) -> None:
        """One message that is not simply the next report."""
        report = batch.report(i)
        kind, number = report.msg_type, report.msg_seq_num
        if self.state is State.CLOSED:
            return
        if report.wrong_comp_id:
            self._fail(f"a message came that is not for {self.comp_id!r}: {report.raw[:120]!r}")
        elif self.state is State.LOGON:
            self._logon_answer(batch, i, report, now_ns)
        elif kind is MsgType.LOGOUT:
            self._logout_received(report, now_ns)
        elif kind is MsgType.SEQUENCE_RESET and not report.gap_fill:
            if report.ref_seq_num is not None and report.ref_seq_num > (self.next_in or 0):
                self._drop_held()
                self.next_in = report.ref_seq_num
        elif number == 0:
            self._fail(f"a message without MsgSeqNum (34): {report.raw[:120]!r}")
        else:
            if kind is MsgType.RESEND_REQUEST and number >= (self.next_in or 1):
                self._resend(report, now_ns)  # before our own request, or both sides would wait
            self._sequenced(batch, i, report, now_ns)

    def _sequenced(self, batch: Batch, i: int, report: Report, now_ns: int) -> None:
        number = report.msg_seq_num
        assert self.next_in is not None, "an active session knows its next number"
        if number == self.next_in:
            self.next_in += 1
            self._act(batch, i, report, now_ns)
            self._release(now_ns)
        elif number > self.next_in:
            if not self._held:
                self._held_first = self._held_next = number
                self._hold(Reports(batch, i, i + 1), 1)
                self._ask(now_ns)
            elif number == self._held_next:
                self._hold(Reports(batch, i, i + 1), 1)
            # else: something after `held` is missing too; it is found when the held are through
        elif not report.poss_dup:
            self._fail(f"MsgSeqNum too low, expecting {self.next_in} but received {number}", now_ns)

    def _act(self, batch: Batch, i: int, report: Report, now_ns: int) -> None:
        """Obey the message whose turn it is; `next_in` is already past it."""
        kind = report.msg_type
        if kind is MsgType.TEST_REQUEST:
            if self.state is State.ACTIVE:
                self._admin("0", [("112", report.test_req_id or "")], now_ns)
        elif kind is MsgType.RESEND_REQUEST:
            self._resend(report, now_ns)
        elif kind is MsgType.SEQUENCE_RESET:
            assert self.next_in is not None
            new = report.ref_seq_num or 0
            self.next_in = max(self.next_in, min(new, self._held_first) if self._held else new)
        elif kind not in (MsgType.HEARTBEAT, MsgType.LOGON):
            self._deliver(batch, i, i + 1)

    def _logon_answer(self, batch: Batch, i: int, report: Report, now_ns: int) -> None:
        if report.msg_type in (MsgType.LOGOUT, MsgType.REJECT):
            self.failure = refused = LogonRefused(report.text or "no reason given")
            if refused.begins_anew:
                self._begin_anew(now_ns)
            elif self.next_out == self._logon_number + 1 and not self._anew:
                self.next_out = self._logon_number  # a refused Logon takes no number
            self.state = State.CLOSED
        elif report.msg_type is MsgType.LOGON:
            if self.next_in is None or report.reset:
                self.next_in = report.msg_seq_num
            self.state = State.ACTIVE
            self.ever_active, self._anew = True, False
            self._left = self.next_out - 1
            self._outgoing.extend(data for first, _, data in self._stored if first > self._logon_number)
            if report.msg_seq_num < self.next_in:
                self._fail(
                    f"the exchange goes on with number {report.msg_seq_num}, but {self.next_in} was "
                    "expected: it has lost its log, or is another exchange",
                    now_ns,
                )
            else:
                self._sequenced(batch, i, report, now_ns)
        # anything else before the answer is recovered by its number later

    def _logout_received(self, report: Report, now_ns: int) -> None:
        if report.msg_seq_num == self.next_in:
            self.next_in += 1
        if self.state is State.ACTIVE:  # who said it first ends the connection
            self.logout(now_ns)
            self.failure = LoggedOut(f"the exchange logged out: {report.text or 'no reason given'}")
        else:
            self.state = State.CLOSED
        if BEGUN_ANEW.search(report.text or ""):
            self._begin_anew(now_ns)

    def _begin_anew(self, now_ns: int) -> None:
        """Number 1 is the next Logon's. Requests that have not left follow it; no others are sent again."""
        waiting = [(count, data) for first, count, data in self._stored if first > self._left]
        self.next_out, self.next_in, self._anew = 2, 1, True
        self._stored.clear()
        self._stored_count = self._forgotten = self._left = 0
        self._drop_held()
        self.resets += 1
        for count, data in waiting:
            whole = [MESSAGE_START + part for part in data.split(MESSAGE_START)[1:]]
            under = [self.encoder.renumbered(one, n, now_ns) for n, one in enumerate(whole, self.next_out)]
            self._stored.append((self.next_out, count, b"".join(under)))
            self._stored_count += count
            self.next_out += count

    def _deliver(self, batch: Batch, start: int, stop: int) -> None:
        self._reports.append(Reports(batch, start, stop))

    def _hold(self, reports: Reports, count: int) -> None:
        self._held_next += count
        self._held.append(reports)
        if len(self._held) > HELD_BATCHES:
            self._drop_held()

    def _release(self, now_ns: int) -> None:
        if self._held and self.next_in == self._held_first:
            held, self._held = self._held, []
            for reports in held:
                self._process(reports, now_ns)

    def _drop_held(self) -> None:
        self._held = []

    def _ask(self, now_ns: int) -> None:
        if self.state is not State.ACTIVE:  # logged out: the next Logon finds the gap again
            return
        self._asked_ns = now_ns
        self._admin("2", [("7", str(self.next_in)), ("16", str(self._held_first - 1))], now_ns)

    # ------------------------------------------------------------ sending

    def _admin(self, msg_type: str, fields: list[tuple[str, str]], now_ns: int) -> None:
        self._outgoing.append(self.encoder.admin(msg_type, self.next_out, now_ns, fields))
        self.next_out += 1
        self._sent_ns = now_ns

    def _resend(self, report: Report, now_ns: int) -> None:
        """Answer a ResendRequest: requests as PossDup, the rest gap-filled."""
        if report.msg_seq_num <= self._answered:
            return
        self._answered = report.msg_seq_num
        begin, last = max(report.ref_seq_num or 1, 1), self.next_out - 1
        if report.end_seq_no:
            last = min(last, report.end_seq_no)
        if begin <= self._forgotten:
            kept = f"only those after {self._forgotten} are kept"
            self._fail(f"the exchange asks for request {begin} again, but {kept}", now_ns)
            return
        number = begin
        for first, count, data in list(self._stored):
            if first + count <= number or first > last:
                continue
            if number < first:
                self._gap_fill(number, first, now_ns)
                number = first
            stop = min(first + count, last + 1)
            messages = [MESSAGE_START + part for part in data.split(MESSAGE_START)[1:]]
            wanted = messages[number - first : stop - first]
            again = [self.encoder.again(message, now_ns) for message in wanted]
            self._outgoing.append(b"".join(again))
            self._left = max(self._left, stop - 1)
            number = stop
        if number <= last:
            self._gap_fill(number, last + 1, now_ns)
        self._sent_ns = now_ns
        if self._held:
            self._ask(now_ns)  # our own request may have been too high for the exchange: now it is not

    def _gap_fill(self, number: int, new: int, now_ns: int) -> None:
        fields = [("123", "Y"), ("36", str(new))]
        stamp = self.encoder.time_text(now_ns)
        self._outgoing.append(self.encoder.admin("4", number, now_ns, fields, stamp))

    def _fail(self, text: str, now_ns: int | None = None) -> None:
        """End the session for good: its numbers no longer make sense."""
        if now_ns is not None and self.state is State.ACTIVE:
            self._admin("5", [("58", text[:120])], now_ns)
        self.failure = SessionError(text)
        self.state = State.CLOSED
