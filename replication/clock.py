"""Time as input: what a leader stamps its entries with. Nanoseconds since 1970-01-01 UTC."""

from typing import Protocol

SLEW_PER_SECOND_NS = 500_000  # at most 500 ppm, as NTP slews
REVIEW_NS = 100_000_000  # how often the anchor is compared with the wall clock


class Clock(Protocol):
    """The outside clocks, injected."""

    def monotonic_ns(self) -> int: ...

    def wall_ns(self) -> int: ...


class LeaderClock:
    """max(last timestamp, anchor + monotonic clock): never goes back, never stands, never jumps while one leader leads.

    The anchor is taken at election, from the wall clock or the last timestamp, whichever is later; afterwards it is
    slewed towards the wall clock, never stepped.
    """

    def __init__(self, clock: Clock, last_ns: int) -> None:
        self._clock = clock
        self._last_ns = last_ns
        self._reviewed_ns = clock.monotonic_ns()
        self._anchor_ns = max(clock.wall_ns(), last_ns) - self._reviewed_ns

    def stamp(self) -> int:
        now = self._clock.monotonic_ns()
        elapsed = now - self._reviewed_ns
        if elapsed >= REVIEW_NS:
            limit = elapsed * SLEW_PER_SECOND_NS // 1_000_000_000
            error = self._clock.wall_ns() - (self._anchor_ns + now)
            self._anchor_ns += max(-limit, min(limit, error))
            self._reviewed_ns = now
        self._last_ns = max(self._last_ns, self._anchor_ns + now)
        return self._last_ns
