"""Whether a connection, and then its Logon, is let in: decided at the edge, before anything is proposed for the log.

A state machine without clock and threads: `check` has a password compared somewhere else and tells by a call; until
then the Logon waits at the head of its connection's inbox, and no other connection waits for it.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from gateway.attempts import Attempts
from gateway.clients import Clients, credentials, user_of

AT_ONCE = 2  # passwords compared at a time
WAITING = 4_096  # attempts; beyond it none is kept of a connection that has left
REFUSED = "no client of the configuration has this CompID and shows what it has to"


class Doors(Protocol):
    """The connections, as far as they are asked here."""

    def is_proving(self, number: int) -> bool: ...

    def proved(self, number: int, comp_id: bytes, why: str) -> None:
        """why: it is refused; empty: its Logon may go on."""


class Attempt(NamedTuple):
    """A Logon that waits for its password to be compared."""

    number: int  # of the connection
    comp_id: bytes
    address: str
    known: bool  # it names a client, as that calls itself; else only time is spent
    password_hash: str
    password: bytes


class Admission:
    """check(hash, password, tell): compares elsewhere, and calls tell(whether they match). now: seconds."""

    def __init__(
        self,
        clients: Clients,
        attempts: Attempts,
        check: Callable[[str, bytes, Callable[[bool], None]], None],
        now: Callable[[], float],
        doors: Doors,
    ) -> None:
        self._clients = clients
        self._attempts = attempts
        self._check = check
        self._now = now
        self._doors = doors
        self._waiting: deque[Attempt] = deque()
        self._checking = 0

    def enters(self, address: str) -> str:
        """A connection from there. Why it is refused; empty: it is counted."""
        return self._attempts.enters(address, self._now())

    def leaves(self, address: str) -> None:
        self._attempts.leaves(address)

    def judge(
        self, number: int, comp_id: bytes, key: str, address: str, sound: bool, logon: bytes
    ) -> str | None:
        """Why a Logon is refused; empty: it may go on; None: `Doors.proved` will say. key: the public key of its
        connection, empty without CURVE. sound: the scanner found nothing wrong with it."""
        if not self._clients:
            return ""
        if self._attempts.blocked(address, self._now()):
            return "too many refused Logons from its address within a minute"
        if not sound:
            return self._refused(address)
        client = self._clients.get(comp_id)
        if key:
            return "" if client is not None and client.curve_public_key == key else self._refused(address)
        if client is not None and not client.password_hash and not client.curve_public_key:
            return ""
        username, password = credentials(logon)
        if not password or not self._clients.stand_in:
            return self._refused(address)
        known = (
            client is not None and client.password_hash and (username or comp_id) == user_of(client, comp_id)
        )
        expected = client.password_hash if known and client is not None else self._clients.stand_in
        if len(self._waiting) >= WAITING:
            self._waiting = deque(one for one in self._waiting if self._doors.is_proving(one.number))
        self._waiting.append(Attempt(number, comp_id, address, bool(known), expected, password))
        self._go_on()
        return None

    def _go_on(self) -> None:
        """The next comparisons. Who has left, or whose address has failed too often meanwhile, needs none."""
        while self._waiting and self._checking < AT_ONCE:
            attempt = self._waiting.popleft()
            if not self._doors.is_proving(attempt.number):
                continue
            if self._attempts.blocked(attempt.address, self._now()):
                why = "too many refused Logons from its address within a minute"
                self._doors.proved(attempt.number, attempt.comp_id, why)
                continue
            self._checking += 1
            self._check(attempt.password_hash, attempt.password, partial(self._checked, attempt))

    def _checked(self, attempt: Attempt, match: bool) -> None:
        self._checking -= 1
        why = "" if match and attempt.known else self._refused(attempt.address)
        self._doors.proved(attempt.number, attempt.comp_id, why)
        self._go_on()

    def _refused(self, address: str) -> str:
        self._attempts.failed(address, self._now())
        return REFUSED
