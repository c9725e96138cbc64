"""What a machine of a simulated cluster does, looked at as it happens: entries, proposals, feed, syncs, what leaves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cluster_client import Violation
from cluster_fix import MS
from simulated_disk import SimulatedDisk, SimulatedFile

from gateway.feed import HEADER
from gateway.intake import Intake
from replication.messages import Entry, HardState, Kind, Message, Proposal
from replication.node import Node
from replication.raft import PROMISES_NOTHING
from replication.state import STATE_NAME, decode_state

if TYPE_CHECKING:
    from cluster_host import Host


def published(host: "Host", messages: list[tuple[bytes, bytes]]) -> None:
    """Every replica publishes the same, numbered without gaps."""
    for topic, payload in messages:
        fields = HEADER.unpack_from(payload)
        count, sequence = fields[5], fields[7]
        if host.feed.setdefault(topic, sequence) != sequence:
            raise Violation(f"{topic!r} at host {host.id} goes on with {sequence}, not {host.feed[topic]}")
        host.feed[topic] = sequence + count
        if host.world.feed.setdefault((topic, sequence), payload) != payload:
            raise Violation(f"message {sequence} of {topic!r} is another one at host {host.id}")


def watch(host: "Host", node: Node, disk: SimulatedDisk) -> None:
    """What a node gives to be applied is judged at once; its syncs take their time."""
    turn, propose, begin_sync = node.turn, node.propose, disk.begin_sync
    append, truncate = node._log.append, node._log.truncate

    def watched() -> list[Entry]:
        entries = turn()
        if node.installed is not None:
            host.world.count("snapshots installed", host.name)
            host.feed.clear()
        host.world.committed(host, entries)
        return entries

    def proposed(payload: Any) -> None:
        host.world.versions.proposed(host, payload)
        propose(payload)

    def slow(file: SimulatedFile) -> None:
        begin_sync(file)
        life = host.life
        time = (100_000 + host.world.below(3 * MS - 100_000)) * host.slowness
        done = max(host.world.now + time, host.hangs_until)
        host.world.at(done, lambda: host.run(life, host.synced))

    def matching(proposals: Sequence[Proposal], commit_index: int) -> list[Entry]:
        if (term := proposals[-1].term) > (saved := durable_state(host).term):
            raise Violation(
                f"an entry of term {term} is written at host {host.id}: a start would find term {saved}"
            )
        entries = append(proposals, commit_index)
        host.world.written(host, entries)
        return entries

    def counted(stays: int) -> None:
        host.world.count("truncations", f"{host.name}, to {stays}")
        truncate(stays)

    node._log.append = matching  # type: ignore[method-assign]
    node._log.truncate = counted  # type: ignore[method-assign]
    node.turn = watched  # type: ignore[method-assign]
    node.propose = proposed  # type: ignore[method-assign]
    disk.begin_sync = slow  # type: ignore[method-assign]


def durable_state(host: "Host") -> HardState:
    """Term and vote as a start finds them after power is lost."""
    state = decode_state(bytes(host.disk.files[STATE_NAME].durable))
    return state.hard if state is not None else HardState(0, 0)


def leaves(host: "Host", message: Message) -> None:
    """A start has to find the term, and the vote, that it rests on."""
    kind, term = message.kind, message.term
    if kind in (*PROMISES_NOTHING, Kind.PRE_VOTE, Kind.PRE_VOTE_ANSWER):
        return
    found, vote = durable_state(host), 0
    if kind is Kind.VOTE:
        vote = host.id
    elif kind is Kind.VOTE_ANSWER and not message.rejected:
        vote = message.to
    if found.term < term or (vote and found.term == term and found.vote != vote):
        raise Violation(
            f"{kind.name} of term {term} leaves host {host.id}, and a start would find term {found.term}, "
            f"vote {found.vote}"
        )


def watch_intake(host: "Host", intake: Intake) -> None:
    follow = intake.follow

    def watched() -> None:
        told = intake._told
        follow()
        if intake._waiting and intake._told != told:
            host.world.count("re-proposals", host.name)

    intake.follow = watched  # type: ignore[method-assign]
