"""Deliberately broken replicas: lives of simulated clusters must find each of them, and say what is wrong.

That a life goes wrong somehow is not enough: what is to be found, by the checkers or by the replicas themselves, stands
beside each.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import cluster_host
import pytest
from cluster_edge import Transport
from cluster_fix import build, parse, split
from mutants import MUTANTS, Mutant, found_by
from mutants import build as build_mutant
from simulate import finding

from gateway import recover_command, rules
from gateway.inputs import RULES_VERSION
from gateway.intake import Intake
from gateway.replica import Replica
from replication import following, membership, recovery, state, wal
from replication.acquaintances import Acquaintances
from replication.clock import LeaderClock
from replication.files import Disk, LostData
from replication.leading import Leading
from replication.log import Log
from replication.membership import Membership, Refused
from replication.messages import Entry, HardState, Kind, Message, Proposal, Ready
from replication.node import Node
from replication.raft import Raft
from replication.starting import Starting
from replication.state import State


@contextmanager
def votes_are_not_persisted() -> Iterator[None]:
    """The term is."""

    def forgetful(saved: State) -> bytes:
        return honest(saved._replace(hard=HardState(saved.hard.term, 0)))

    honest = state.encode_state
    with patch.object(state, "encode_state", forgetful):
        yield


@contextmanager
def votes_are_not_persisted_and_nobody_looks_at_the_disk() -> Iterator[None]:
    """What it leads to has to be found, too."""
    blind = patch.multiple(
        cluster_host, leaves=lambda host, message: None, look_at_start=lambda host, node: None
    )
    with votes_are_not_persisted(), blind:
        yield


@contextmanager
def speaks_before_it_is_saved() -> Iterator[None]:
    def at_once(raft: Raft) -> list[Message]:
        held = list(raft._held.values())
        raft._held.clear()
        return honest(raft) + held

    honest = Raft.take_messages
    with patch.object(Raft, "take_messages", at_once):
        yield


@contextmanager
def writes_before_its_term_is_saved() -> Iterator[None]:
    def at_once(raft: Raft, *, writing: bool = True) -> Ready:
        ready = honest(raft, writing=writing)
        if ready.hard_state is not None and raft.log.unwritten and raft._stays is None:
            return Ready(None, None, raft.log.unwritten)
        return ready

    def speak(node: Node) -> None:
        node.messages += node._running.take_messages()

    honest = Raft.ready
    with patch.object(Raft, "ready", at_once), patch.object(Node, "relay", speak):
        yield


@contextmanager
def acknowledges_before_the_sync() -> Iterator[None]:
    def at_once(raft: Raft, leader: int, index: int) -> None:
        raft.send(Kind.APPEND_ANSWER, leader, index=index)

    with patch.object(following, "acknowledge", at_once):
        yield


@contextmanager
def commit_index_beyond_what_matches() -> Iterator[None]:
    def unbounded(leading: Leading, id: int, number: int) -> None:
        raft, peer = leading._raft, leading.progress[id]
        peer.told_commit = raft.commit_index
        raft.send(Kind.HEARTBEAT, id, commit=raft.commit_index, number=number)

    with patch.object(Leading, "_heartbeat", unbounded):
        yield


@contextmanager
def time_restarts_with_a_leader() -> Iterator[None]:
    honest = LeaderClock.__init__

    def forgetful(clock: LeaderClock, outside: Any, last_ns: int) -> None:
        honest(clock, outside, 0)

    with patch.object(LeaderClock, "__init__", forgetful):
        yield


@contextmanager
def nothing_is_proposed_again() -> Iterator[None]:
    def once(intake: Intake) -> None:
        node = intake._node
        if node.leader and intake._told != (node.term, node.leader):
            intake._told = (node.term, node.leader)
            if intake._start:
                intake._propose(intake._start)

    with patch.object(Intake, "follow", once), patch.object(Intake, "look_after", lambda intake, now_ns: 0):
        yield


@contextmanager
def cuts_a_proven_tail() -> Iterator[None]:
    honest = recovery.judge_end

    def careless(
        path: str, data: bytes, place: wal.Place, bad: wal.Bad | None
    ) -> tuple[bool, wal.Cut | None]:
        try:
            return honest(path, data, place, bad)
        except LostData:
            index = place.position.index
            return True, wal.Cut(index + 1, index, 0)

    with patch.object(recovery, "judge_end", careless):
        yield


@contextmanager
def votes_after_lost_data() -> Iterator[None]:
    with patch.object(Node, "lost", property(lambda node: False)):
        yield


@contextmanager
def votes_for_less_than_it_had() -> Iterator[None]:
    honest = Raft.__init__

    def forgetful(raft: Raft, *args: Any, lost: bool) -> None:
        honest(raft, *args[:9], lost=lost)

    with patch.object(Raft, "__init__", forgetful):
        yield


@contextmanager
def commit_counts_old_terms() -> Iterator[None]:
    def counted(leading: Leading) -> None:
        leading.first_index, first = 0, leading.first_index
        try:
            honest(leading)
        finally:
            leading.first_index = first

    honest = Leading.commit
    with patch.object(Leading, "commit", counted):
        yield


@contextmanager
def the_edge_answers_with_a_number_of_its_own() -> Iterator[None]:
    """Now and then a gateway itself tells its client something, numbered as what comes next."""
    honest = Transport.write

    def write(transport: Transport, data: bytes) -> None:
        honest(transport, data)
        if transport.host.world.chance.random() < 0.01:
            client = transport.client.name
            last = [int(dict(parse(one))["34"]) for one in split(data)[0]][-1:]
            for number in last:
                fields = [("35", "3"), ("49", "QUORUMBOOK"), ("56", client), ("34", str(number + 1))]
                honest(
                    transport, build([*fields, ("52", "20260101-00:00:00.000"), ("45", "1"), ("20001", "0")])
                )

    with patch.object(Transport, "write", write):
        yield


@contextmanager
def an_old_connection_is_written_to() -> Iterator[None]:
    """Whoever left a client's connection open goes on with it when the client is elsewhere."""
    honest = Transport.write

    def write(transport: Transport, data: bytes) -> None:
        for other in transport.client.transports:
            if other.open:
                honest(other, data)

    with patch.object(Transport, "write", write):
        yield


@contextmanager
def stops_without_a_proof() -> Iterator[None]:
    """Of its last batch: nothing shows that it was synced."""

    def careless(log: Log) -> None:
        log._end_work()
        log._file.close()

    with patch.object(Log, "close", careless):
        yield


@contextmanager
def is_born_again() -> Iterator[None]:
    """With the members of the first start, when its command line says so."""

    def reborn(disk: Disk, *, birth: Membership | None = None, **more: Any) -> Node:
        node: Node = honest(disk, birth=birth, **more)
        log = node._log
        if birth is not None and node.last_index > 1:
            at_ns = log.position.timestamp_ns
            log.append([Proposal(node.last_index + 1, node.term, at_ns, (membership.encode(birth),))], 0)
            log.sync()
        return node

    honest = Node.open
    with patch.object(Node, "open", reborn):
        yield


@contextmanager
def goes_on_alone_without_what_it_did_not_know_to_be_committed() -> Iterator[None]:
    def careless(start: Starting, clock: Any) -> int:
        start.read()
        log = start._log
        if log.commit_index < log.position.index:
            log.truncate(log.commit_index)
        return honest(start, clock)

    honest = Starting.stand_alone
    with patch.object(Starting, "stand_alone", careless):
        yield


@contextmanager
def goes_on_alone_without_asking() -> Iterator[None]:
    def careless(
        node: Node, met: Acquaintances, directory: Path, given_up: Sequence[int], start: str
    ) -> None:
        try:
            honest(node, met, directory, given_up, start)
        except Refused:
            node.stand_alone()

    honest = recover_command.go_on
    with patch.object(recover_command, "go_on", careless):
        yield


@contextmanager
def newer_rules_begin_without_asking_everybody() -> Iterator[None]:
    """As soon as anybody can run them."""

    def anybody(members: Any, newest: dict[int, int]) -> int:
        return max(newest.values())

    with patch.object(rules, "runnable", anybody):
        yield


@contextmanager
def a_gateway_takes_what_the_rules_do_not_have_yet() -> Iterator[None]:
    """Whatever its program can run."""

    def hasty(replica: Replica, entry: Entry) -> None:
        honest(replica, entry)
        replica.connections.rules = RULES_VERSION

    honest = Replica._applied
    with patch.object(Replica, "_applied", hasty):
        yield


EARLY = r"Violation: \w+ of term \d+ leaves host \d+, and a start would find term \d+, vote \d+"
UNSAVED = r"Violation: an entry of term \d+ is written at host \d+: a start would find term \d+"
TWO_LEADERS = r"Violation: hosts \d+ and \d+ both lead term \d+"
UNPROVEN = r"Violation: host \d+ was stopped, and damage to its last entry is not found"
ANOTHER = r"Violation: entry \d+ of term \d+ has another history"
REPLACED = r"Violation: entry \d+ of term \d+ at host \d+ is another one"


class Broken(NamedTuple):
    how: Callable[[], AbstractContextManager[None]]
    found: str
    seeds: int  # about three times as many as it takes from anywhere
    first: int = 5000  # as in mutants.py


BROKEN = (
    Broken(votes_are_not_persisted, EARLY, 3),
    Broken(votes_are_not_persisted_and_nobody_looks_at_the_disk, TWO_LEADERS, 60, 5008),
    Broken(speaks_before_it_is_saved, EARLY, 3),
    Broken(writes_before_its_term_is_saved, UNSAVED, 20),
    Broken(the_edge_answers_with_a_number_of_its_own, r"Violation: \w+: message \d+ came twice", 3),
    Broken(
        time_restarts_with_a_leader,
        r"Impossible: APPEND of term \d+ goes back in term or time|log entry \d+: its time \d+ is before",
        3,
    ),
    Broken(commit_index_beyond_what_matches, REPLACED, 12),
    Broken(commit_counts_old_terms, rf"{REPLACED}|Impossible: .*: committed is one of term", 12, 5001),
    Broken(votes_after_lost_data, REPLACED, 30, 5001),
    Broken(votes_for_less_than_it_had, REPLACED, 25, 5017),
    Broken(cuts_a_proven_tail, rf"{REPLACED}|{UNPROVEN}", 15, 5001),
    Broken(an_old_connection_is_written_to, r"Violation: \w+ was sent messages of several epochs", 15, 5002),
    Broken(acknowledges_before_the_sync, REPLACED, 100),
    Broken(stops_without_a_proof, UNPROVEN, 20, 5001),
    Broken(
        is_born_again, rf"{REPLACED}|{ANOTHER}|Violation: host \d+ was stopped with|Diverged: entry", 40, 5003
    ),
    Broken(
        goes_on_alone_without_what_it_did_not_know_to_be_committed,
        rf"{REPLACED}|Violation: host \d+ goes on",
        30,
    ),
    Broken(
        goes_on_alone_without_asking,
        r"Violation: host \d+ goes on alone, and member \d+ was not given up",
        30,
    ),
    Broken(
        newer_rules_begin_without_asking_everybody,
        r"Violation: host \d+ activates rules \d, which host \d+ cannot run",
        20,
        5001,
    ),
    Broken(
        a_gateway_takes_what_the_rules_do_not_have_yet,
        "by the slow engine it is another report",
        20,
        5001,
    ),
    Broken(nothing_is_proposed_again, "Violation: not healthy two minutes after the last fault", 120, 5020),
)
ELSEWHERE = 20_000  # where the wider search begins

each_one = pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.how.__name__)
each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)


@each_one
def test_a_broken_replica_is_found(broken: Broken) -> None:
    with broken.how():
        assert re.search(broken.found, finding(range(broken.first, broken.first + broken.seeds)))


@each_mutant
def test_a_mutant_is_found(mutant: Mutant, tmp_path: Path) -> None:
    build_mutant(mutant, tmp_path)
    assert re.search(mutant.found, found_by(tmp_path, range(mutant.first, mutant.first + mutant.seeds)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@each_one
def test_a_broken_replica_is_found_from_elsewhere(broken: Broken) -> None:
    with broken.how():
        assert re.search(broken.found, finding(range(ELSEWHERE, ELSEWHERE + broken.seeds)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@each_mutant
def test_a_mutant_is_found_from_elsewhere(mutant: Mutant, tmp_path: Path) -> None:
    build_mutant(mutant, tmp_path)
    assert re.search(mutant.found, found_by(tmp_path, range(ELSEWHERE, ELSEWHERE + mutant.seeds)))
