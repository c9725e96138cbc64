"""A member that lost data decides nothing before everything is back that its word may have helped to commit."""

import pytest
from raft_cluster import Cluster

from replication.messages import HardState, Kind, Message
from replication.raft import Raft
from replication.repair import TICKETS
from replication.starting import promises
from replication.wal import UNKNOWN, Cut
from replication.window import Window

LEADER = 2
COMMITTED = 10


def lost() -> Raft:
    """Member 1 of three, in term 5; it follows LEADER, whose answer to its question has come."""
    whole = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None).replicas[1].raft
    raft = Raft(
        1,
        HardState(5, 0),
        Window([], 0, 0, bytes(32), lambda index, size: []),
        0,
        whole.memberships,
        whole.clock,
        lambda n: 7,
        whole.timing,
        lost=True,
    )
    raft.step(Message(Kind.HEARTBEAT, LEADER, 1, 5, number=1))
    raft.tick()
    (asked,) = [message for message in raft.take_messages() if message.kind is Kind.READ]
    assert (asked.to, asked.number) == (LEADER, TICKETS + 7)
    raft.step(Message(Kind.READ_ANSWER, LEADER, 1, 5, number=asked.number, index=COMMITTED))
    return raft


@pytest.mark.parametrize(
    ("committed", "durable", "is_back"),
    [
        (0, 0, False),
        (COMMITTED, COMMITTED - 1, False),
        (COMMITTED - 1, COMMITTED, False),
        (COMMITTED, COMMITTED, True),
    ],
)
def test_what_the_leader_had_committed_must_be_committed_and_durable_here(
    committed: int, durable: int, *, is_back: bool
) -> None:
    raft = lost()
    raft.log.last_index = raft.log.written_index = max(committed, durable)
    raft.commit_index, raft.log.synced_index = committed, durable
    raft.tick()
    assert (raft.repair is None) == is_back


def test_the_answer_to_another_start_proves_nothing() -> None:
    raft = lost()
    assert raft.repair is not None
    raft.repair.index = None
    raft.step(Message(Kind.READ_ANSWER, LEADER, 1, 5, number=TICKETS + 8, index=0))
    assert raft.repair.index is None


def test_it_grants_no_vote_meanwhile() -> None:
    raft = lost()
    raft.step(Message(Kind.VOTE, 3, 1, 6, index=99, log_term=5, forced=True))
    assert raft.hard == HardState(6, 0)
    raft.repair = None
    raft.step(Message(Kind.VOTE, 3, 1, 7, index=99, log_term=5, forced=True))
    assert raft.hard == HardState(7, 3)


@pytest.mark.parametrize(
    ("cut", "promised", "missing"),
    [
        (None, (0, 0), (0, 0)),
        (Cut(5, 6, 2), (2, 6), (0, 0)),
        (Cut(5, 6, 2, durable=True), (0, 0), (2, 6)),
        (Cut(5, UNKNOWN, UNKNOWN), (0, 0), (0, 0)),  # as format version 3 of `state` has it
        (Cut(5, UNKNOWN, UNKNOWN, durable=True), (0, 0), (0, 0)),
    ],
)
def test_what_a_start_makes_of_a_cut(
    cut: Cut | None, promised: tuple[int, int], missing: tuple[int, int]
) -> None:
    assert promises(cut) == (promised, missing)
