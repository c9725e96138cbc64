"""Two gateways of one exchange, in memory: what bytes of clients become, and what each connection is sent."""

from dataclasses import dataclass, field

from fix_records import EGRESS_HEAD, SESSION_FIELDS, read
from session_model import LOGON, LOGOUT, Model, Told
from test_connections import Transport
from test_egress import MemoryFile

from gateway import inputs
from gateway.connections import Connections
from gateway.egress import EgressStore
from gateway.exchange import Exchange

OWN = "QUORUMBOOK"
START_NS = 1_767_607_200_000_000_000
MESSAGE, RESEND, CLOSE, OPEN, REFUSE = range(1, 6)
ADMIN = b"012345A"
Fields = dict[int, str]


class Wire(Transport):
    """A connection, and all that came to it."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.comp_id = ""  # that its first Logon claims
        self.came: list[Fields] = []
        self.owed: list[tuple[int, int]] = []  # number and MsgType of what its session sent while it had it
        self.resets = False
        self.left = False  # it was sent a Logout
        self.fenced = False  # its session is connected elsewhere

    def write(self, data: bytes) -> None:
        assert not self.ended, "something is written on a connection that was ended"
        super().write(data)
        self.came += self.take()


@dataclass
class Gateway:
    connections: Connections
    wires: list[Wire] = field(default_factory=list)


class World:
    """The log is what the gateways propose, an entry a turn."""

    def __init__(self, **settings: object) -> None:
        self.exchange = Exchange()
        self.store = EgressStore(MemoryFile())
        self.model = Model(OWN)
        self.carriers: dict[int, Wire] = {}  # of sessions, last
        self.gateways = [Gateway(Connections(self.session, self.store)) for _ in range(2)]
        self.apply(inputs.activate(2) + inputs.setting(**settings) + inputs.gateway_lost())  # type: ignore[arg-type]
        for member, gateway in enumerate(self.gateways, 1):
            self.apply(inputs.gateway_start(member=member, nonce=member))
            gateway.connections.incarnation = member
            gateway.connections.now_ns = START_NS
            gateway.connections.accepting = True
            gateway.connections.rules = 2

    def session(self, comp_id: bytes) -> tuple[int, int]:
        session = self.exchange.session_id(comp_id.decode("ascii", "replace"))
        return session, self.exchange.epoch(session) if session else 0

    # ---------------------------------------------------------------- clients

    def connect(self, at: int) -> Wire:
        wire = Wire()
        wire.number = self.gateways[at].connections.open(wire)
        self.gateways[at].wires.append(wire)
        return wire

    def hear(self, at: int, wire: Wire, data: bytes) -> None:
        if not wire.ended:
            self.gateways[at].connections.received(wire.number, data)

    def leave(self, at: int, wire: Wire) -> None:
        """The client is gone. What had been ended for it is not ended again."""
        self.gateways[at].connections.closed(wire.number)
        wire.ended = wire.ended or "by the client"

    # ---------------------------------------------------------------- turns

    def turns(self) -> None:
        """Until nothing waits but what a client does not read."""
        busy = True
        while busy:
            busy = False
            for connections in (gateway.connections for gateway in self.gateways):
                if connections.pending:
                    self.apply(connections.take_payload())
                    busy = True
                busy |= connections.pump()

    def apply(self, payload: bytes) -> None:
        exchange, model = self.exchange, self.model
        exchange.apply(payload, exchange.applied_index + 1, 1, START_NS)
        with exchange.egress() as view:
            egress = bytes(view)
        exchange.clear_egress()
        before = len(model.told)
        for record in inputs.split(payload):
            model.input(record)
        told = self.told(egress)
        self.compare(model.told[before:], told)
        self.owe(told)
        for gateway in self.gateways:
            gateway.connections.dispatch(egress)
            gateway.connections.flush()
        self.store.append(egress)

    def told(self, egress: bytes) -> list[Told]:
        """The records in the words of the model."""
        found: list[Told] = []
        for record in inputs.split(egress):
            head, at = read(EGRESS_HEAD, record, 0)
            kind, session, place = head["kind"], head["session"], (head["incarnation"], head["connection"])
            if kind == MESSAGE:
                found.append(("message", session, head["msg_seq_num"], head["msg_type"]))
            elif kind == RESEND:
                fields, _ = read(SESSION_FIELDS, record, at)
                found.append(("resend", session, fields["begin_seq_no"], fields["end_seq_no"]))
            elif kind == CLOSE:
                found.append(("close", session, head["epoch"]))
            elif kind == OPEN:
                found.append(("open", *place, session))
            else:
                found.append(("refuse", *place))
        return found

    def compare(self, expected: list[Told], found: list[Told]) -> None:
        """The exchange and the model agree on what was sent, and on where each session is."""
        assert len(found) == len(expected), (expected, found)
        for right, real in zip(expected, found, strict=True):
            if right[0] == "message" and right[3] is None:
                assert (*real[:3], None) == right
                assert real[3] not in ADMIN, real
            else:
                assert real == right
        for state in self.exchange.sessions():
            session = self.model.sessions[state["comp_id"]]
            assert (state["inbound"], state["outbound"]) == (session.inbound, session.outbound), session
            assert (state["epoch"], state["connected"]) == (session.epoch, session.place is not None), session

    # ---------------------------------------------------------------- what came to clients

    def owe(self, told: list[Told]) -> None:
        """Whose is what was sent."""
        for kind, *what in told:
            if kind == "open":
                incarnation, number, session = what
                wires = self.gateways[incarnation - 1].wires
                if session in self.carriers:
                    self.carriers[session].fenced = True
                self.carriers[session] = next(wire for wire in reversed(wires) if wire.number == number)
            elif kind == "message":
                wire = self.carriers[what[0]]
                wire.resets |= what[1] == 1 and wire.owed != []
                wire.left &= what[2] != LOGON
                if not wire.left:
                    wire.owed.append((what[1], what[2]))
                wire.left |= what[2] == LOGOUT

    def check(self) -> None:
        """When nothing waits: each connection has got what is its own, all of it and in order, and nothing else."""
        for wire in (wire for gateway in self.gateways for wire in gateway.wires):
            last, new = 0, []
            for m in wire.came:
                assert (m[49], m[56]) == (OWN, wire.comp_id), m
                if 43 in m:
                    assert int(m[34]) <= last, m
                else:
                    last = int(m[34])
                    new.append((last, ord(m[35])))
            if not wire.owed:
                assert new == [] or [kind for _, kind in new] == [ord("5")], new  # refused, and told why
            elif wire.resets:  # what one that is slow was owed before is not
                rest = iter(wire.owed)
                assert all(one in rest for one in new), (new, wire.owed)
            elif wire.fenced or wire.ended in ("by the client", "aborted"):
                assert new == wire.owed[: len(new)]
            else:
                assert new == wire.owed
