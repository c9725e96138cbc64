"""Timestamps: never back, never a jump."""

from replication.clock import REVIEW_NS, LeaderClock


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


def test_timestamps_never_go_back_whatever_the_wall_clock_does() -> None:
    clock = StandingClock(wall_ns=1_000)
    leader = LeaderClock(clock, last_ns=7_000)
    assert leader.stamp() == 7_000
    clock.pass_time(10_000)
    assert leader.stamp() == 17_000, "time goes on from there"
    clock.wall -= 5_000_000
    assert leader.stamp() == 17_000


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
