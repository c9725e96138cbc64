"""Judgement over a life: everything follows from the log alone, and everybody got what follows from it."""

import os
import pickle
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path

from cluster_client import ANSWERS, Client, Violation
from cluster_fix import Fields, stable
from cluster_oracle import Oracle, Request, Told, words
from cluster_quantities import judge_quantities
from cluster_replay import Epochs, Input, Replay, transmission
from cluster_world import World

import gateway
from replication.messages import Entry

ELSEWHERE = 8  # the log of every so many-th seed is applied in another process, too


def judge(world: World, at_once: int | None = None) -> None:
    """at_once: reports of a command in an entry; None: what the exchange has by itself. Raises Violation."""
    host, *others = [
        one for one in world.up() if one.replica and one.replica.exchange.applied_index == len(world.log)
    ]
    replay = Replay(host)
    world.counts["takeovers"] += replay.takeovers
    for other in (host, *others):
        assert other.replica is not None
        if other.replica.exchange.state_hash() != replay.exchange.state_hash():
            raise Violation(f"host {other.id} ends in another state than its log leads to")
    of: dict[str, dict[tuple[str, int], Fields]] = defaultdict(dict)
    epoch: dict[str, str] = defaultdict(str)  # by client: when its numbers were reset last
    for name, fields in replay.said:
        values = dict(fields)
        if values["35"] == "A" and "141" in values:
            epoch[name] = values["52"]
        of[name][epoch[name], int(values["34"])] = fields
    for client in world.clients:
        judge_client(client, of[client.name])
        judge_connections(client, replay.epochs)
    reports = [(name, values) for name, values in numbered(replay.said)]
    judge_order(reports)
    if at_once is None:
        judge_matching(world, replay.inputs.values(), replay.entries[-1])
    judge_quantities(reports, replay.exchange.machine)
    if world.seed % ELSEWHERE == 0:
        judge_elsewhere(world, replay.entries, replay.digest, at_once)


def numbered(said: Iterable[tuple[str, Fields]]) -> list[tuple[str, dict[str, str]]]:
    """What says by which input it is said."""
    found = [(name, dict(fields)) for name, fields in said if fields[2][1] in ANSWERS]
    return [(name, values) for name, values in found if "20001" in values]


def judge_elsewhere(world: World, entries: list[Entry], digest: str, at_once: int | None = None) -> None:
    """All that comes out is the same in another process, byte by byte."""
    plain = [(one.index, one.term, one.timestamp_ns, bytes(one.payload), one.chain_hash) for one in entries]
    root = Path(gateway.__file__).parents[1]  # a mutant's are applied by that mutant
    found = subprocess.run(
        [sys.executable, Path(__file__).with_name("apply_again.py"), str(world.seed), str(at_once or "")],
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


def judge_order(reports: list[tuple[str, dict[str, str]]]) -> None:
    """What is said is said in the order of the inputs."""
    last = 0
    for _, fields in reports:
        number = int(fields["20001"])
        if number < last:
            raise Violation(f"input {number} is reported after input {last}")
        last = number


def judge_matching(world: World, inputs: Iterable[Input], last: Entry) -> None:
    """Every answer is the one that the slow engine gives, to the same client, in the same order. Each request has an
    input of its own, with a larger number than everything that anybody had heard of when it was sent: the histories of
    the clients are linearizable."""
    requests = {
        id: Request(client.name, fields, client.rules[id], client.floors[id])
        for client in world.clients
        for id, fields in client.asked.items()
    }
    oracle = Oracle(requests, {client.name: client for client in world.clients})
    due: deque[Told] = deque()
    for one in inputs:
        due.extend(oracle.catch_up(one.time_ns, one.term))
        if one.answers or one.of_leader:
            judge_input(one, due.popleft() if due else oracle.performed(one))
    due.extend(oracle.catch_up(last.timestamp_ns, last.term))
    if due:
        raise Violation(f"the slow engine says more than the exchange: {list(due)}")
    world.counts += oracle.counts


def judge_input(input: Input, expected: Told) -> None:
    for at, (client, _, fields) in enumerate(input.answers):
        if fields["35"] == "3":
            raise Violation(f"{client} was told that a request of its is malformed: {fields}")
        if at == len(expected) or expected[at] != (client, words(fields)):
            by_it = expected[at] if at < len(expected) else "none"
            raise Violation(f"{client} was told {fields}; by the slow engine it is another report: {by_it}")
    if len(expected) > len(input.answers):
        more = expected[len(input.answers) :]
        raise Violation(f"the slow engine says more than the exchange to input {input.number}: {more}")
