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
from gateway.config import Client

AT_ONCE = 2  # passwords compared at a time
WAITING = 4_096  # attempts; beyond it none is kept of a connection that has left
OFTEN = "too many refused Logons from its address within a minute"
UNKNOWN = "no client of the configuration has this CompID"
NO_PASSWORD = "no Password (554) is in it"
ONLY_BY_KEY = "its client has a CURVE key instead of a password: by ZeroMQ, with that key"
OTHER_USER = "its Username (553) is not its client's"
OTHER_PASSWORD = "its Password (554) is not its client's"
OTHER_KEY = "its CURVE key is not its client's"
MALFORMED = "a field of it is wrong or missing"


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
    nobody: str  # why it is refused whatever its password, so that only time is spent; or empty
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
            return OFTEN
        if not sound:
            return self._refused(address, MALFORMED)
        client = self._clients.get(comp_id)
        if key:
            if client is not None and client.curve_public_key == key:
                return ""
            return self._refused(address, OTHER_KEY if client is not None else UNKNOWN)
        if client is not None and not client.password_hash and not client.curve_public_key:
            return ""
        username, password = credentials(logon)
        nobody = self._not_by_password(client, comp_id, username)
        if not password or not self._clients.stand_in:
            return self._refused(address, nobody or NO_PASSWORD)
        expected = self._clients.stand_in if nobody or client is None else client.password_hash
        if len(self._waiting) >= WAITING:
            self._waiting = deque(one for one in self._waiting if self._doors.is_proving(one.number))
        self._waiting.append(Attempt(number, comp_id, address, nobody, expected, password))
        self._go_on()
        return None

    @staticmethod
    def _not_by_password(client: Client | None, comp_id: bytes, username: bytes) -> str:
        """Why no password would do; empty: its client's would."""
        if client is None:
            return UNKNOWN
        if not client.password_hash:
            return ONLY_BY_KEY
        return "" if (username or comp_id) == user_of(client, comp_id) else OTHER_USER

    def failed(self, address: str) -> None:
        """A Logon from there was let in here, and refused behind that."""
        if self._clients:
            self._attempts.failed(address, self._now())

    def _go_on(self) -> None:
        """The next comparisons. Who has left, or whose address has failed too often meanwhile, needs none."""
        while self._waiting and self._checking < AT_ONCE:
            attempt = self._waiting.popleft()
            if not self._doors.is_proving(attempt.number):
                continue
            if self._attempts.blocked(attempt.address, self._now()):
                self._doors.proved(attempt.number, attempt.comp_id, OFTEN)
                continue
            self._checking += 1
            self._check(attempt.password_hash, attempt.password, partial(self._checked, attempt))

    def _checked(self, attempt: Attempt, match: bool) -> None:
        self._checking -= 1
        wrong = attempt.nobody or ("" if match else OTHER_PASSWORD)
        why = self._refused(attempt.address, wrong) if wrong else ""
        self._doors.proved(attempt.number, attempt.comp_id, why)
        self._go_on()

    def _refused(self, address: str, why: str) -> str:
        self._attempts.failed(address, self._now())
        return why
