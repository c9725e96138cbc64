"""A whole life of a simulated cluster: work and faults, then peace, then judgement."""

from collections import Counter
from itertools import chain

from cluster_client import Client, parse, split, stable
from cluster_world import MS, SECOND, Host, Violation, World

from gateway.exchange import Exchange
from gateway.fix import encode_records

INPUTS, FAULTS = 500, 10  # what a seed has to have at least to count
FAULT_KINDS = (
    "all lost power", "clock set", "cut off", "cut one way", "frozen", "killed", "power lost", "transfer",
)  # fmt: skip
MESSAGE, CLOSE = 1, 3  # kinds of egress records


def live(seed: int, members: int = 3, trace: bool = False) -> Counter[str]:
    """What happened. Raises Violation, or what the product raises."""
    world = World(seed, members)
    if trace:
        world.trace = print
    faults = world.chance.randrange(FAULTS, 2 * FAULTS)
    world.run(SECOND)
    while faults or sum(client.requests for client in world.clients) < INPUTS:
        if faults:
            before = faults_of(world)
            world.disturb()
            faults -= faults_of(world) > before
        world.run(world.now + world.chance.randrange(10 * MS, 1_500 * MS))
        if world.now > 300 * SECOND:
            raise Violation("the work is not done after five minutes")
    world.end_faults()
    world.run(world.now + 5 * SECOND)
    world.sending = False
    if not world.run(world.now + 120 * SECOND, lambda: healthy(world)):
        raise Violation(f"not healthy two minutes after the last fault: {state(world)}")
    judge(world)
    world.counts["faults"] = faults_of(world)
    world.counts["inputs"] = sum(client.requests for client in world.clients)
    world.counts["terms"] = len(world.leaders)
    skipped = [host.replica.exchange.skipped_inputs for host in world.up() if host.replica]
    world.counts["skipped inputs"] = max(skipped)
    return world.counts


def faults_of(world: World) -> int:
    return sum(world.counts[kind] for kind in FAULT_KINDS)


def healthy(world: World) -> bool:
    """Every replica has everything, and every client its answers."""
    applied = {
        host.replica.exchange.applied_index if host.replica and host.replica.exchange.between_entries else -1
        for host in world.hosts.values()
    }
    return applied == {len(world.log)} and all(client.done() for client in world.clients)


def state(world: World) -> str:
    hosts = [
        (
            host.id,
            host.replica
            and (host.replica.node.role, host.replica.exchange.applied_index, host.replica.why_not),
        )
        for host in world.hosts.values()
    ]
    clients = [(client.name, client.logged_on, client.missing()) for client in world.clients]
    return f"{len(world.log)} entries; {hosts}; {clients}"


def judge(world: World) -> None:
    """Everything follows from the log alone, and everybody got what follows from it."""
    host = next(iter(world.up()))
    exchange, reports = applied_again(host)
    for other in world.up():
        assert other.replica is not None
        if other.replica.exchange.state_hash() != exchange.state_hash():
            raise Violation(f"host {other.id} ends in another state than its log leads to")
    for client in world.clients:
        judge_client(client, reports.get(client.name, {}))


def applied_again(host: Host) -> tuple[Exchange, dict[str, dict[int, list[tuple[str, str]]]]]:
    """The exchange that the log leads to in one go, and what it says to each client, by MsgSeqNum."""
    assert host.replica is not None
    exchange = Exchange()
    said: dict[str, dict[int, list[tuple[str, str]]]] = {}
    for entry in chain.from_iterable(host.replica.node.committed_pieces()):
        exchange.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        with exchange.egress() as view:
            records = bytes(view)
        exchange.clear_egress()
        names = {session["id"]: session["comp_id"] for session in exchange.sessions()}
        at = 0
        while at < len(records):
            size = int.from_bytes(records[at : at + 4], "little")
            session = int.from_bytes(records[at + 8 : at + 12], "little")
            if records[at + 4] == MESSAGE:
                message = encode_records(records[at : at + size], "QUORUMBOOK", names[session])
                fields = parse(split(message)[0][0])
                said.setdefault(names[session], {})[int(dict(fields)["34"])] = fields
            if records[at + 4] == CLOSE and b"taken over" in records[at : at + size]:
                host.world.counts["takeovers"] += 1
            at += size
    return exchange, said


def judge_client(client: Client, said: dict[int, list[tuple[str, str]]]) -> None:
    for number, fields in client.got.items():
        if number not in said or stable(said[number]) != stable(fields):
            raise Violation(f"{client.name} got message {number} that the log does not say: {fields}")
    missing = [
        number for number, fields in said.items() if number < client.next_in and number not in client.got
        and fields[2][1] in ("8", "9", "3", "j")
    ]  # fmt: skip
    if missing:
        raise Violation(f"{client.name} never got messages {missing}, {said[missing[0]]}")
    twice = [id for id, times in client.answered.items() if times > 1]
    if twice:
        raise Violation(f"{client.name}: answered twice: {twice}")
    executions = [dict(fields).get("17") for fields in client.got.values() if dict(fields)["35"] == "8"]
    if len(executions) != len(set(executions)):
        raise Violation(f"{client.name}: an execution was reported twice")
