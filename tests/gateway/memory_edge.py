"""An edge without sockets: FIX bytes in and out of an Exchange, in virtual time. What a server does, in memory."""

from dataclasses import dataclass, field

from fix_records import EGRESS_HEAD, SESSION_FIELDS, read

from gateway import fix, inputs
from gateway.exchange import Exchange
from replication.messages import Entry

OWN = "QUORUMBOOK"
MESSAGE, RESEND, CLOSE, OPEN, REFUSE = range(1, 6)
ADMIN = b"012345A"
LOGON = ord("A")
GAP_FILL = 4
TEXT = 255
START_NS = 1_767_607_200_000_000_000
"""2026-01-05 10:00:00 UTC"""


@dataclass
class Connection:
    """One client connection: the name a story gives it, and what the Logon proved."""

    number: int
    incarnation: int
    session: int = 0
    epoch: int = 0
    comp_id: str = ""
    leaving: bool = False  # it was sent a Logout


@dataclass
class MemoryEdge:
    """One gateway of one exchange. What comes out is (connection, kind, bytes or text), in order."""

    exchange: Exchange = field(default_factory=Exchange)
    budget: int = 4096
    now_ns: int = START_NS
    term: int = 1
    incarnation: int = 0
    gateway_number: int = 0
    connections: dict[str, Connection] = field(default_factory=dict)
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    sent: dict[int, dict[int, bytes]] = field(default_factory=dict)
    comp_ids: dict[int, str] = field(default_factory=dict)
    out: list[tuple[str, str, bytes]] = field(default_factory=list)
    records: bytearray = field(default_factory=bytearray)
    log: list[Entry] = field(default_factory=list)
    opened: int = 0
    own: str = OWN  # its CompID, as its setting has it
    rules: int = 0  # that hold from the start; 0: the newest

    def start(self, *genesis: bytes) -> None:
        """The first entry of an empty log: the newest rules hold from the start, as where one replica is alone."""
        self._start_gateway(
            inputs.activate(self.rules or self.exchange.newest_rules), *genesis, inputs.gateway_lost()
        )

    def _start_gateway(self, *before: bytes) -> None:
        """A member's new gateway: what it had before is lost."""
        self.entry(*before, inputs.gateway_start(member=1, nonce=self.exchange.last_incarnation + 1))
        self.incarnation = self.exchange.last_incarnation
        self.gateway_number = 0

    def restart(self) -> None:
        """The server is killed and starts again: connections are gone, a new term begins."""
        self.connections.clear()
        self.term += 1
        strangers = [number for number, member, *_ in self.exchange.gateways() if member != 1]
        self._start_gateway(*map(inputs.gateway_lost, strangers))

    def another_leader(self) -> None:
        """Elsewhere: connections stay, a new term begins."""
        self.term += 1
        self.entry(inputs.timer())

    def entry(self, *items: bytes) -> None:
        """One log entry with these inputs; routes what comes out."""
        payload, index = b"".join(items), self.exchange.applied_index + 1
        self.exchange.begin(payload, index, self.term, self.now_ns)
        self.log.append(Entry(index, self.term, self.now_ns, memoryview(payload), b""))
        done = False
        while not done:
            done = self.exchange.step(self.budget)
            with self.exchange.egress() as view:
                data = bytes(view)
            self.exchange.clear_egress()
            self.records += data
            self.route(data)

    def connect(self, name: str) -> None:
        """A client connects under a name; nothing is logged."""
        self.opened += 1
        self.connections[name] = Connection(self.opened, self.incarnation)
        self.names[self.incarnation, self.opened] = name

    def input_of(self, name: str, message: bytes) -> bytes:
        """The input that one message on a connection becomes; b"" when it is garbled."""
        connection = self.connections[name]
        kind, length = fix.frame_message(message)
        if kind != 0 or length != len(message):
            return b""
        own = self.own if connection.session else ""
        record = bytes(fix.scan_message(message, own, connection.comp_id, self.exchange.rules))
        epoch = connection.epoch
        if not connection.session:
            epoch = self.exchange.epoch(self.exchange.session_id(sender_of(message)))
        self.gateway_number += 1
        return inputs.message(
            record, incarnation=connection.incarnation, number=self.gateway_number,
            connection=connection.number, session=connection.session, epoch=epoch, received_ns=self.now_ns,
        )  # fmt: skip

    def send(self, name: str, *messages: bytes) -> None:
        """Messages on a connection, one log entry."""
        items = [item for item in (self.input_of(name, message) for message in messages) if item]
        if items:
            self.entry(*items)

    def close(self, name: str) -> None:
        """The client's connection breaks."""
        connection = self.connections.pop(name)
        self.gateway_number += 1
        gone = inputs.disconnect(
            incarnation=connection.incarnation, number=self.gateway_number, connection=connection.number,
            session=connection.session, epoch=connection.epoch,
        )  # fmt: skip
        self.entry(gone)

    def wait(self, nanoseconds: int) -> None:
        """Virtual time passes: a timer entry at every deadline the exchange names."""
        end = self.now_ns + nanoseconds
        while (deadline := self.exchange.next_deadline_ns) is not None and deadline <= end:
            self.now_ns = max(self.now_ns, deadline)
            self.entry(inputs.timer())
        self.now_ns = end

    def route(self, data: bytes) -> None:
        """Egress records to the connections they are for, as a server does."""
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            self.record(data[at : at + size])
            at += size

    def record(self, record: bytes) -> None:
        """One egress record."""
        head, at = read(EGRESS_HEAD, record, 0)
        if head["kind"] == MESSAGE:
            self.message(head, record)
            return
        fields, at = read(SESSION_FIELDS, record, at)
        text = record[at : at + fields["text_length"]]
        if head["kind"] == RESEND:
            begin, end = fields["begin_seq_no"], fields["end_seq_no"]
            if fields["ref_seq_num"]:
                found = min(self.first_from(head["session"], fields["ref_seq_num"]), end + 1)
                self.resend(head, found, end, begin or found)
            else:
                self.resend(head, begin, end, begin)
            return
        name = self.names[head["incarnation"], head["connection"]]
        if head["kind"] == OPEN:
            self.comp_ids[head["session"]] = text.decode()
            connection = self.connections[name]
            connection.session, connection.epoch, connection.comp_id = (
                head["session"],
                head["epoch"],
                text.decode(),
            )
            self.out.append((name, "open", b""))
        else:
            self.out.append((name, "close" if head["kind"] == CLOSE else "refuse", text))
            self.connections.pop(name, None)

    def message(self, head: dict[str, int], record: bytes) -> None:
        """A numbered message: kept for resending, sent when its session's connection is open."""
        session, number = head["session"], head["msg_seq_num"]
        if not (
            number == 1 and head["msg_type"] == LOGON and read(SESSION_FIELDS, record, 64)[0]["ref_seq_num"]
        ):
            self.keep(session, number, record)
        comp_id = self.comp_id_of(session)
        text = fix.encode_record(record, self.own, comp_id)
        for name, connection in self.connections.items():
            if connection.session == session and connection.epoch == head["epoch"]:
                connection.leaving &= head["msg_type"] != ord("A")
                if connection.leaving:
                    break
                connection.leaving = head["msg_type"] == ord("5")
                self.out.append((name, "message", text))
                return
        self.out.append((comp_id, "kept", text))

    def keep(self, session: int, number: int, record: bytes) -> None:
        """To be sent again."""
        if number == 1:
            self.sent[session] = {}
        kept = self.sent.setdefault(session, {})
        assert not kept or number == max(kept) + 1, f"session {session}: number {number} follows {max(kept)}"
        kept[number] = record

    def first_from(self, session: int, input_number: int) -> int:
        """The number of the first message of this input or a later one."""
        kept = self.sent[session]
        late = (
            n for n, record in kept.items() if read(EGRESS_HEAD, record, 0)[0]["input_number"] >= input_number
        )
        return next(late, max(kept, default=0) + 1)

    def comp_id_of(self, session: int) -> str:
        """Of one that may never have logged on."""
        if session not in self.comp_ids:
            self.comp_ids[session] = self.exchange.sessions()[session - 1]["comp_id"]
        return self.comp_ids[session]

    def resend(self, head: dict[str, int], begin: int, end: int, gap: int) -> None:
        """Messages again, with PossDupFlag; gap fills for administrative ones, for books, and from `gap` to begin."""
        name = next(name for name, c in self.connections.items() if c.session == head["session"])
        comp_id, kept = self.comp_ids[head["session"]], self.sent[head["session"]]
        if gap < begin:
            self.out.append((name, "again", fix.gap_fill(self.own, comp_id, gap, begin, self.now_ns)))
        number = begin
        while number <= end:
            first = number
            while number <= end and (number not in kept or is_passing(kept[number])):
                number += 1
            if number > first:
                self.out.append((name, "again", fix.gap_fill(self.own, comp_id, first, number, self.now_ns)))
                continue
            self.out.append((name, "again", fix.encode_record(kept[number], self.own, comp_id, self.now_ns)))
            number += 1


def is_passing(record: bytes) -> bool:
    """Session messages but Rejects, and market data."""
    head, at = read(EGRESS_HEAD, record, 0)
    if head["msg_type"] == TEXT:
        return record[at + 4] == 1 and record[at + 8 : at + 9] in (b"W", b"X")
    return head["msg_type"] in ADMIN and head["msg_type"] != ord("3")


def sender_of(message: bytes) -> str:
    """SenderCompID (49) of a message."""
    for part in message.split(b"\x01"):
        if part.startswith(b"49="):
            return part[3:].decode("latin-1")
    return ""
