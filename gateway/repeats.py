"""What happens again and again is said once, then at growing intervals, with how often it happened."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

FIRST_SECONDS = 10.0  # each interval is twice the one before
LONGEST_SECONDS = 3_600.0
MOST = 256  # things that are remembered


@dataclass
class _Said:
    at: float
    interval: float = FIRST_SECONDS
    since: int = 0  # how often it happened since


class Repeats:
    """seconds: a clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._said: dict[Hashable, _Said] = {}

    def happened(self, what: Hashable) -> int:
        """0: not to be said now; else how often it happened since it was said last. What did not happen for two
        intervals is new."""
        now = self._seconds()
        said = self._said.pop(what, None)
        if said is None or now - said.at > 2 * said.interval:
            said = _Said(now)
            count = 1
        else:
            said.since += 1
            count = 0
            if now - said.at >= said.interval:
                count = said.since
                said = _Said(now, min(2 * said.interval, LONGEST_SECONDS))
        self._said[what] = said
        if len(self._said) > MOST:
            del self._said[next(iter(self._said))]
        return count
