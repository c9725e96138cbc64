"""Judgement over a life: everything follows from the log alone, and everybody got what follows from it."""

import hashlib
import os
import pickle
import struct
import subprocess
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from cluster_client import Client, Fields, Violation, parse, stable
from cluster_host import Host
from cluster_oracle import Oracle, Told, words
from cluster_quantities import judge_quantities
from cluster_versions import NEXT
from cluster_world import World

import gateway
from gateway.exchange import Exchange
from gateway.fix import encode_records
from gateway.inputs import split as split_inputs
from replication.membership import is_membership
from replication.messages import Entry

HEAD = struct.Struct("<IBBHIIQIIq")  # of an input: gateway/records.pxd
INCARNATION, SESSION, NUMBER, EPOCH = 4, 5, 6, 7  # places in it
MESSAGE, CLOSE = 1, 3  # kinds of egress records
ELSEWHERE = 8  # the log of every so many-th seed is applied in another process, too
REMAINDER, ON_DISCONNECT = "65", "151"  # why an order was cancelled that nobody asked to (tag 20002)
ANSWERS = ("8", "9", "3", "j")
Said = list[tuple[str, Fields]]  # (client, numbered message), in the order of the log
Epochs = dict[
    tuple[str, str, str], int
]  # of the session, when a message was said: by client, time, MsgSeqNum


def judge(world: World) -> None:
    """Raises Violation."""
    host, *others = [
        one for one in world.up() if one.replica and one.replica.exchange.applied_index == len(world.log)
    ]
    exchange, said, epochs, digest = applied_again(host)
    for other in (host, *others):
        assert other.replica is not None
        if other.replica.exchange.state_hash() != exchange.state_hash():
            raise Violation(f"host {other.id} ends in another state than its log leads to")
    of: dict[str, dict[tuple[str, int], Fields]] = defaultdict(dict)
    epoch: dict[str, str] = defaultdict(str)  # by client: when its numbers were reset last
    for name, fields in said:
        values = dict(fields)
        if values["35"] == "A" and "141" in values:
            epoch[name] = values["52"]
        of[name][epoch[name], int(values["34"])] = fields
    for client in world.clients:
        judge_client(client, of[client.name])
        judge_connections(client, epochs)
    reports = [(name, dict(fields)) for name, fields in said if fields[2][1] in ANSWERS]
    judge_order(world, reports)
    judge_matching(world, reports)
    judge_quantities(reports, exchange.machine)
    if world.seed % ELSEWHERE == 0:
        judge_elsewhere(world, committed(host), digest)


def committed(host: Host) -> list[Entry]:
    assert host.replica is not None
    if host.world.forgets:
        return host.world.entries
    entries = list(chain.from_iterable(host.replica.node.committed_pieces()))
    return entries[
        : len(host.world.log)
    ]  # one may be committed in this very moment, and applied by nobody yet


def applied_again(host: Host) -> tuple[Exchange, Said, Epochs, str]:
    """The exchange that the log leads to in one go, what it says to the clients, and what apply_again.py gives."""
    exchange = Exchange(NEXT)
    digest = hashlib.sha256()
    said: Said = []
    epochs: Epochs = {}
    fence = Fence(exchange)
    names: dict[int, str] = {}
    for _ in chain.from_iterable(map(fence.apply, committed(host))):
        with exchange.egress() as view:
            records = bytes(view)
        digest.update(records)
        exchange.clear_egress()
        at = 0
        while at < len(records):
            size = int.from_bytes(records[at : at + 4], "little")
            session = int.from_bytes(records[at + 8 : at + 12], "little")
            if records[at + 4] == MESSAGE:
                if session not in names:
                    names = {one["id"]: one["comp_id"] for one in exchange.sessions()}
                message = encode_records(records[at : at + size], "QUORUMBOOK", names[session])
                name, fields = names[session], parse(message)
                said.append((name, fields))
                epochs[name, *transmission(fields)] = int.from_bytes(records[at + 12 : at + 16], "little")
            if records[at + 4] == CLOSE and b"taken over" in records[at : at + size]:
                host.world.counts["takeovers"] += 1
            at += size
    digest.update(exchange.state_hash().encode())
    return exchange, said, epochs, digest.hexdigest()


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

    def apply(self, entry: Entry) -> Iterator[None]:
        """Stops after each step."""
        exchange = self._exchange
        exchange.begin(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        coming = [] if is_membership(entry.payload) else list(split_inputs(bytes(entry.payload)))
        done = False
        while not done:
            at, skipped = exchange.looked_at, exchange.skipped_inputs
            head = HEAD.unpack_from(coming[at]) if at < len(coming) else None
            epoch = exchange.epoch(head[SESSION]) if head else 0
            done = exchange.step(1)
            if (
                head is not None and exchange.looked_at > at
            ):  # else it was time that had passed, or a long input goes on
                self._judge(head, epoch, exchange.skipped_inputs == skipped)
            yield

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


def judge_elsewhere(world: World, entries: list[Entry], digest: str) -> None:
    """All that comes out is the same in another process, byte by byte."""
    plain = [(one.index, one.term, one.timestamp_ns, bytes(one.payload), one.chain_hash) for one in entries]
    root = Path(gateway.__file__).parents[1]  # a mutant's are applied by that mutant
    found = subprocess.run(
        [sys.executable, Path(__file__).with_name("apply_again.py"), str(world.seed)],
        input=pickle.dumps(plain),
        env=os.environ | {"PYTHONHASHSEED": str(world.seed % 4_294_967_295 + 1), "PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
    )
    if found.stdout.decode().strip() != digest:
        raise Violation(f"the log leads elsewhere in another process: {found.stderr.decode()[-500:]}")
    world.counts["applied elsewhere"] += 1


def judge_client(client: Client, said: dict[tuple[str, int], Fields]) -> None:
    """It got every message that the log says since its numbers were reset, and no other; every request was answered
    once. said: by the time of the reset, and MsgSeqNum."""
    for epoch in {epoch for epoch, _ in said}:
        numbers = [number for of, number in said if of == epoch]
        if numbers != list(range(1, len(numbers) + 1)):
            raise Violation(f"the messages for {client.name} are not numbered without gaps")
    for number, fields in client.got.items():
        if said.get(number) != fields and (number not in said or stable(said[number]) != stable(fields)):
            raise Violation(f"{client.name} got message {number} that the log does not say: {fields}")
    missing = [
        key for key, fields in said.items() if key not in client.got and fields[2][1] in ANSWERS
        and key[0] == client.epoch and key[1] < client.next_in
    ]  # fmt: skip
    if missing:
        raise Violation(f"{client.name} never got messages {missing}, {said[missing[0]]}")
    twice = [id for id, times in client.answered.items() if times > 1]
    if twice:
        raise Violation(f"{client.name}: answered twice: {twice}")
    executions = [dict(fields)["17"] for fields in client.got.values() if fields[2][1] == "8"]
    if len(executions) != len(set(executions)):
        raise Violation(f"{client.name}: an execution was reported twice")


def judge_connections(client: Client, epochs: Epochs) -> None:
    """A message goes out only on the connection whose epoch is current: everything that came first by a connection was
    said in the epoch that its Logon began, also when nobody was there any more to read it."""
    for transport in client.transports:
        first = [fields for fields in transport.told if ("43", "Y") not in fields]
        of = {epochs.get((client.name, *transmission(fields)), 0): fields for fields in first}
        of.pop(0, None)  # refusals have no number of the session's
        if len(of) > 1:
            raise Violation(f"{client.name} was sent messages of several epochs by one connection: {of}")


def judge_order(world: World, reports: list[tuple[str, dict[str, str]]]) -> None:
    """The histories of the clients are linearizable: each request has an input number of its own, and a larger one than
    everything that anybody had heard of when it was sent."""
    floors = {id: floor for client in world.clients for id, floor in client.floors.items()}
    own: dict[int, str] = {}
    last = 0
    cancelled = (0, "", 0)  # without being asked: input, client, order
    for name, fields in reports:
        number = int(fields["20001"])
        if number < last:
            raise Violation(f"input {number} is reported after input {last}")
        last = number
        id = fields["11"]
        if fields.get("20002") == ON_DISCONNECT:
            now = (number, name, int(fields["37"]))
            if now[:2] == cancelled[:2] and now < cancelled:
                raise Violation(
                    f"{name}: the order of cancels on disconnect is not that of the orders: {fields}"
                )
            cancelled = now
        if not begins(fields):
            continue
        if own.setdefault(number, id) != id:
            raise Violation(f"requests {own[number]} and {id} have the same input number {number}")
        if number <= floors[id]:
            raise Violation(f"{id} is input {number}; when it was sent input {floors[id]} had been heard of")


def begins(fields: dict[str, str]) -> bool:
    """Whether a report is the first of its request's, rather than a fill, or a cancel that follows."""
    asked = fields.get("20002") not in (ON_DISCONNECT, REMAINDER)
    return fields["35"] != "8" or fields["150"] in "058" or (fields["150"] == "4" and asked)


def judge_matching(world: World, reports: list[tuple[str, dict[str, str]]]) -> None:
    """Every report is the one that the slow engine gives, to the same client, in the same order."""
    requests = {id: (client.name, asked) for client in world.clients for id, asked in client.asked.items()}
    oracle = Oracle(requests)
    expected: dict[str, deque[Told]] = defaultdict(deque)
    for client, fields in reports:
        if fields["35"] in ("3", "j"):
            raise Violation(f"{client} was told that a request of its is malformed: {fields}")
        if not expected[client]:
            for name, told in oracle.expected(fields["11"], fields):
                expected[name].append(told)
        told = words(fields)
        if not expected[client] or expected[client].popleft() != told:
            raise Violation(f"{client} was told {fields}; by the slow engine it is another report")
    late = {client: list(waiting) for client, waiting in expected.items() if waiting}
    if late:
        raise Violation(f"the slow engine says more than the exchange: {late}")
