"""Whether a server takes clients, as people are told: when that changes, why not, and that it lasts."""

import time
from collections.abc import Callable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from gateway.endpoints import Endpoints

REASON_SECONDS = 1.0  # between two reasons: links and elections come and go
REMINDER_SECONDS = 10.0  # the first; each later one after twice the time


class People(Protocol):
    """Who started the server."""

    def say(self, what: str) -> None: ...

    def listening(self, endpoints: Endpoints) -> None:
        """The sockets are there. Whether clients are taken is said next."""

    def ready(self, endpoints: Endpoints) -> None:
        """Clients are taken, for the first time."""


class Readiness:
    """why_not: why no client is taken, or None."""

    def __init__(
        self,
        trace: FilteringBoundLogger,
        people: People,
        why_not: Callable[[], str | None],
    ) -> None:
        self._trace = trace
        self._people = people
        self._why_not = why_not
        self._endpoints: Endpoints = {}
        self._taken = True
        self._was_ready = False
        self._why: str | None = None  # the reason that was said last
        self._since = self._said_at = time.monotonic()
        self._reminder = REMINDER_SECONDS

    def listening(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._trace.info("listening", **endpoints)
        self._people.listening(endpoints)
        why = self._why_not()
        self._taken = why is None
        self._told(why)

    def turned(self, taken: bool) -> None:
        """After each turn: whether clients are taken."""
        if taken != self._taken:
            self._taken = taken
            self._since = time.monotonic()
            self._reminder = REMINDER_SECONDS
            self._told(self._why_not())

    def look(self) -> None:
        """A few times a second: the reason may be another one, or may have lasted."""
        if self._taken:
            return
        why = self._why_not()
        quiet = time.monotonic() - self._said_at
        if why is not None and why != self._why:
            if quiet >= REASON_SECONDS:
                self._told(why)
        elif quiet >= self._reminder:
            self._reminder *= 2
            self._told(why, f" for {time.monotonic() - self._since:.0f} s")

    def _told(self, why: str | None, lasting: str = "") -> None:
        self._why, self._said_at = why, time.monotonic()
        if why is None:
            if self._was_ready:
                self._trace.info("taking input again")
                self._people.say("taking input again")
            else:
                self._was_ready = True
                self._trace.info("ready", **self._endpoints)
                self._people.ready(self._endpoints)
            return
        what = "not taking input" if self._was_ready else "not ready"
        trace = self._trace.error if self._was_ready else self._trace.warning
        trace(what, why=why)
        self._people.say(f"{what}{lasting}: {why}")  # the trace may lie on the disk that is full
