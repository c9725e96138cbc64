"""Deliberately broken replicas: lives of simulated clusters must find each of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from cluster_life import live
from simulate import members_of

from gateway.intake import Intake
from replication import wal
from replication.clock import LeaderClock
from replication.files import LostData
from replication.leading import Leading
from replication.log import Log
from replication.messages import HardState, Kind
from replication.raft import Raft

SEEDS = 200  # each broken replica is found within so many


@contextmanager
def votes_are_not_persisted() -> Iterator[None]:
    def forget(log: Log, hard: HardState) -> None:
        log._state = log._state._replace(hard=hard)

    with patch.object(Log, "save", forget):
        yield


@contextmanager
def acknowledges_before_the_sync() -> Iterator[None]:
    def at_once(raft: Raft, leader: int, index: int) -> None:
        raft.send(Kind.APPEND_ANSWER, leader, index=index)

    with patch.object(Raft, "_acknowledge", at_once):
        yield


@contextmanager
def commit_index_beyond_what_matches() -> Iterator[None]:
    def unbounded(leading: Leading, id: int) -> None:
        raft, peer = leading._raft, leading.progress[id]
        peer.told_commit = raft.commit_index
        raft.send(Kind.HEARTBEAT, id, commit=raft.commit_index, number=leading._round)

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

    with patch.object(Intake, "follow", once):
        yield


@contextmanager
def cuts_a_proven_tail() -> Iterator[None]:
    honest = wal.judge_end

    def careless(
        path: str, data: bytes, place: wal.Place, bad: wal.Bad | None
    ) -> tuple[bool, wal.Cut | None]:
        try:
            return honest(path, data, place, bad)
        except LostData:
            index = place.position.index
            return True, wal.Cut(index + 1, index, 0)

    with patch.object(wal, "judge_end", careless):
        yield


@contextmanager
def votes_after_lost_data() -> Iterator[None]:
    with patch.object(Raft, "_breaks_promise", lambda raft, m: False):
        yield


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "broken",
    [
        votes_are_not_persisted,
        acknowledges_before_the_sync,
        commit_index_beyond_what_matches,
        time_restarts_with_a_leader,
        nothing_is_proposed_again,
        cuts_a_proven_tail,
        votes_after_lost_data,
    ],
    ids=lambda broken: broken.__name__,
)
def test_a_broken_replica_is_found(broken: Callable[[], Any]) -> None:
    with broken():
        for seed in range(5000, 5000 + SEEDS):
            try:
                live(seed, members_of(seed))
            except Exception:
                return
    pytest.fail(f"{SEEDS} lives found nothing wrong")
