"""A Raft of one: what it says must be durable, and when it commits."""

import pytest

from replication.clock import REVIEW_NS, LeaderClock
from replication.messages import HardState
from replication.raft import MEMBER, NOTHING, Raft


class StandingClock:
    def __init__(self, wall_ns: int = 5_000_000_000, monotonic_ns: int = 100) -> None:
        self.wall = wall_ns
        self.monotonic = monotonic_ns

    def wall_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def pass_time(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns


def test_a_start_is_a_new_term_a_durable_vote_and_a_no_op() -> None:
    raft = Raft(HardState(3, MEMBER), 17, 0, StandingClock())
    assert raft.ready() == NOTHING
    raft.campaign()
    vote = raft.ready()
    assert vote.hard_state == HardState(4, MEMBER)
    assert not vote.entries, "a candidate has nothing to append"
    assert not raft.leader
    raft.advance(vote)
    assert raft.leader
    first = raft.ready()
    assert first.hard_state is None
    assert [(entry.index, entry.term, entry.pieces) for entry in first.entries] == [(18, 4, ())]
    assert raft.commit_index == 0, "what older terms left commits only with an entry of this one"
    raft.advance(first)
    assert raft.commit_index == 18
    assert raft.ready() == NOTHING


def test_an_entry_commits_when_it_is_durable_and_not_before() -> None:
    raft = Raft(HardState(0, 0), 0, 0, StandingClock())
    raft.campaign()
    raft.advance(raft.ready())
    raft.advance(raft.ready())
    raft.propose((b"a", b"b"))
    ready = raft.ready()
    raft.propose((b"c",))
    assert raft.commit_index == 1
    raft.advance(ready)
    assert raft.commit_index == 2
    assert [entry.pieces for entry in raft.ready().entries] == [(b"c",)]


def test_only_a_leader_proposes() -> None:
    raft = Raft(HardState(0, 0), 0, 0, StandingClock())
    with pytest.raises(AssertionError):
        raft.propose((b"x",))


def test_timestamps_never_go_back_whatever_the_wall_clock_does() -> None:
    clock = StandingClock(wall_ns=1_000)
    leader = LeaderClock(clock, last_ns=7_000)
    assert leader.stamp() == 7_000
    clock.pass_time(10_000)
    assert leader.stamp() == 11_000
    clock.wall -= 5_000_000
    assert leader.stamp() == 11_000


def test_a_step_of_the_wall_clock_is_slewed_at_500_ppm() -> None:
    clock = StandingClock()
    leader = LeaderClock(clock, 0)
    before = leader.stamp()
    clock.wall += 3_600_000_000_000  # somebody sets it an hour ahead
    clock.pass_time(REVIEW_NS)
    assert leader.stamp() - before == REVIEW_NS + REVIEW_NS // 2_000
    clock.wall -= 7_200_000_000_000
    before = leader.stamp()
    clock.pass_time(REVIEW_NS)
    assert leader.stamp() - before == REVIEW_NS - REVIEW_NS // 2_000
