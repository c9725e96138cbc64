"""When a server has a snapshot made: by a process of its own, when so much log was written since the newest. No I/O of
its own: whoever makes it starts processes and knows the time.

Who leads has better things to do, and the others have the same log; a replica of one makes its own.
"""

from collections.abc import Callable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

RETRY_SECONDS = 60.0  # after one that failed


class Process(Protocol):
    """One that makes a snapshot."""

    def ended(self) -> tuple[int, str] | None:
        """Its exit code, and what it said; None while it runs."""

    def kill(self) -> None: ...


class Replica(Protocol):
    """What is looked at of a node."""

    @property
    def written_bytes(self) -> int: ...
    @property
    def covered_bytes(self) -> int: ...
    @property
    def alone(self) -> bool: ...
    @property
    def leader(self) -> int: ...
    @property
    def me(self) -> int: ...


class SnapshotKeeper:
    """every_bytes: of log; 0 = never. start: raises OSError."""

    def __init__(
        self,
        every_bytes: int,
        start: Callable[[], Process],
        seconds: Callable[[], float],
        trace: FilteringBoundLogger,
    ) -> None:
        self._every_bytes = every_bytes
        self._start = start
        self._seconds = seconds
        self._trace = trace
        self._process: Process | None = None
        self._not_before = 0.0
        self._written_then = 0  # how much log there was when the one that runs was started
        self._covered = 0  # how much log the newest snapshot made here stands for

    def look(self, replica: Replica) -> None:
        """Now and then."""
        if self._process is not None:
            self._look_at_process()
        elif self._due(replica):
            self._written_then = replica.written_bytes
            try:
                self._process = self._start()
            except OSError as error:
                self._failed(str(error))

    def _due(self, replica: Replica) -> bool:
        if not self._every_bytes or self._seconds() < self._not_before:
            return False
        if not replica.alone and replica.leader in (0, replica.me):
            return False
        if self._covered > replica.written_bytes:  # the log was given up for a snapshot, and begins anew
            self._covered = 0
        covered = max(replica.covered_bytes, self._covered)
        return replica.written_bytes - covered >= self._every_bytes

    def _look_at_process(self) -> None:
        assert self._process is not None
        ended = self._process.ended()
        if ended is None:
            return
        self._process = None
        code, said = ended
        if code:
            self._failed(said or f"exit code {code}")
        else:
            self._covered = self._written_then
            self._trace.info("snapshot made", said=said)

    def _failed(self, why: str) -> None:
        self._not_before = self._seconds() + RETRY_SECONDS
        self._trace.warning("snapshot failed", why=why, again_in_s=RETRY_SECONDS)

    def close(self) -> None:
        """One that is not done is given up: what it wrote is removed by the next."""
        if self._process is not None:
            self._process.kill()
