"""A log applied again in one go, an input at a time: what each of them was, and what was said because of it."""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from cluster_client import ANSWERS, Violation
from cluster_fix import Fields, parse
from cluster_host import Host
from cluster_versions import NEXT

from gateway.exchange import Exchange
from gateway.fix import encode_records
from gateway.inputs import split as split_inputs
from replication.membership import is_membership
from replication.messages import Entry

HEAD = struct.Struct("<IBBHIIQIIq")  # of an input: gateway/records.pxd
KIND, INCARNATION, SESSION, NUMBER, EPOCH = 1, 4, 5, 6, 7  # places in it
MESSAGE, CLOSE = 1, 3  # kinds of egress records
Said = list[tuple[str, Fields]]  # (client, numbered message), in the order of the log
Epochs = dict[
    tuple[str, str, str], int
]  # of the session, by client, and by time and MsgSeqNum of what was said


class Input:
    """What has an input number: a message, an input of a leader, time that has come."""

    def __init__(self, number: int, entry: Entry, rules: int) -> None:
        self.number = number
        self.time_ns = entry.timestamp_ns
        self.term = entry.term
        self.rules = rules  # that held when it came
        self.of_leader = b""  # the input, when it is no gateway's
        # To whom, when the client's numbers had been reset, and what.
        self.answers: list[tuple[str, str, dict[str, str]]] = []


class Replay:
    """What it leads to, and what was said on the way. digest: what apply_again.py gives."""

    def __init__(self, host: Host) -> None:
        self.entries = committed(host)
        self.exchange = Exchange(NEXT)
        self.said: Said = []
        self.epochs: Epochs = {}
        self.inputs: dict[int, Input] = {}  # by number
        self._names: dict[int, str] = {}
        self._reset: dict[str, str] = {}  # by client: when its numbers were, in the exchange's words
        self.takeovers = 0
        digest = hashlib.sha256()
        fence = Fence(self.exchange)
        for entry in self.entries:
            rules = self.exchange.rules
            for record in fence.apply(entry):
                with self.exchange.egress() as view:
                    records = bytes(view)
                self.exchange.clear_egress()
                digest.update(records)
                self._hear(self._input(entry, rules), record, records)
                rules = self.exchange.rules
        digest.update(self.exchange.state_hash().encode())
        self.digest = digest.hexdigest()

    def _input(self, entry: Entry, rules: int) -> Input:
        number = self.exchange.input_number
        if number not in self.inputs:
            self.inputs[number] = Input(number, entry, rules)
        return self.inputs[number]

    def _hear(self, input: Input, record: bytes, records: bytes) -> None:
        input.of_leader = input.of_leader or record
        at = 0
        while at < len(records):
            size = int.from_bytes(records[at : at + 4], "little")
            session = int.from_bytes(records[at + 8 : at + 12], "little")
            if records[at + 4] == MESSAGE:
                epoch = int.from_bytes(records[at + 12 : at + 16], "little")
                self._say(input, self._name(session), records[at : at + size], epoch)
            if records[at + 4] == CLOSE and b"taken over" in records[at : at + size]:
                self.takeovers += 1
            at += size

    def _name(self, session: int) -> str:
        if session not in self._names:
            self._names = {one["id"]: one["comp_id"] for one in self.exchange.sessions()}
        return self._names[session]

    def _say(self, input: Input, name: str, record: bytes, epoch: int) -> None:
        fields = parse(encode_records(record, "QUORUMBOOK", name))
        values = dict(fields)
        self.said.append((name, fields))
        self.epochs[name, *transmission(fields)] = epoch
        if values["35"] == "A" and "141" in values:
            self._reset[name] = values["52"]
        if values["35"] in ANSWERS:
            input.answers.append((name, self._reset.get(name, ""), values))


def committed(host: Host) -> list[Entry]:
    assert host.replica is not None
    if host.world.forgets:
        return host.world.entries
    entries = list(chain.from_iterable(host.replica.node.committed_pieces()))
    return entries[
        : len(host.world.log)
    ]  # one may be committed in this very moment, and applied by nobody yet


def transmission(fields: Fields) -> tuple[str, str]:
    """SendingTime and MsgSeqNum of a first one."""
    values = dict(fields)
    return values["52"], values["34"]


class Fence:
    """Applies entries, an input at a time, and holds each against the fence's rule: it takes effect only if it has the
    next number of its incarnation and, when it names a session, that session's epoch."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last: Counter[int] = Counter()  # the last number by incarnation

    def apply(self, entry: Entry) -> Iterator[bytes]:
        """Stops after each step, with the input that the leader itself has entered, if it was one."""
        exchange = self._exchange
        exchange.begin(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        coming = [] if is_membership(entry.payload) else list(split_inputs(bytes(entry.payload)))
        done = False
        while not done:
            at, skipped = exchange.looked_at, exchange.skipped_inputs
            head = HEAD.unpack_from(coming[at]) if at < len(coming) else None
            epoch = exchange.epoch(head[SESSION]) if head else 0
            done = exchange.step(1)
            if head is None or exchange.looked_at == at:
                yield b""  # it was time that had passed, or a long input goes on
                continue
            effect = exchange.skipped_inputs == skipped
            self._judge(head, epoch, effect)
            yield coming[at] if effect and head[INCARNATION] == 0 else b""

    def _judge(self, head: tuple[int, ...], epoch: int, effect: bool) -> None:
        incarnation, number = head[INCARNATION], head[NUMBER]
        if incarnation == 0:
            return
        due = number == self._last[incarnation] + 1
        if due:
            self._last[incarnation] = number
        if effect and not due:
            raise Violation(f"input {number} of incarnation {incarnation} took effect out of its turn")
        if effect and head[SESSION] and head[EPOCH] != epoch:
            raise Violation(f"an input of epoch {head[EPOCH]} of a session took effect in epoch {epoch}")
