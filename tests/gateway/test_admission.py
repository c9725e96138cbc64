"""Who is let in at the edge, without threads and clocks."""

from collections.abc import Callable

import pytest

from gateway.admission import (
    AT_ONCE,
    MALFORMED,
    NO_PASSWORD,
    ONLY_BY_KEY,
    OTHER_KEY,
    OTHER_PASSWORD,
    OTHER_USER,
    UNKNOWN,
    WAITING,
    Admission,
)
from gateway.attempts import Attempts
from gateway.clients import Clients, credentials, masked
from gateway.config import Client

HASH, OTHER = "$argon2id$alice", "$argon2id$bob"
CLIENTS = (
    Client(comp_id="ALICE", password_hash=HASH),
    Client(comp_ids=("BOB", "BOB2"), username="bob", password_hash=OTHER),
    Client(comp_id="OPEN"),
    Client(comp_id="KEY", curve_public_key="k" * 40),
)
HERE = "10.0.0.1"


def logon(username: str = "", password: str = "") -> bytes:
    fields = f"8=FIX.4.4|9=1|35=A|49=X|98=0|{f'553={username}|' if username else ''}"
    return f"{fields}{f'554={password}|' if password else ''}10=000|".replace("|", "\x01").encode()


class Doors:
    def __init__(self) -> None:
        self.there: set[int] = set(range(100))
        self.told: list[tuple[int, str]] = []

    def is_proving(self, number: int) -> bool:
        return number in self.there

    def proved(self, number: int, comp_id: bytes, why: str) -> None:
        self.told.append((number, why))


class World:
    def __init__(self, clients: tuple[Client, ...] = CLIENTS, failures: int = 3) -> None:
        self.doors = Doors()
        self.now = 0.0
        self.compared: list[tuple[str, bytes, Callable[[bool], None]]] = []
        self.admission = Admission(
            Clients(clients),
            Attempts(9, 9, failures),
            lambda *asked: self.compared.append(asked),
            lambda: self.now,
            self.doors,
        )

    def judge(self, number: int, comp_id: str, message: bytes, **more: bool) -> str | None:
        return self.admission.judge(number, comp_id.encode(), "", HERE, more.get("sound", True), message)

    def verdict(self, match: bool) -> None:
        self.compared.pop(0)[2](match)


@pytest.fixture
def world() -> World:
    return World()


def test_without_clients_anybody_is_let_in() -> None:
    assert World(()).judge(1, "ANY", logon()) == ""


def test_a_password_is_compared_before_a_logon_goes_on(world: World) -> None:
    assert world.judge(1, "ALICE", logon(password="secret")) is None
    assert world.doors.told == []
    assert world.compared[0][:2] == (HASH, b"secret")
    world.verdict(True)
    assert world.doors.told == [(1, "")]


def test_a_wrong_password_is_refused(world: World) -> None:
    world.judge(1, "ALICE", logon(password="guess"))
    world.verdict(False)
    assert world.doors.told == [(1, OTHER_PASSWORD)]


@pytest.mark.parametrize(
    ("comp_id", "message", "why"),
    [
        ("MALLORY", logon(password="x"), UNKNOWN),
        ("MALLORY", logon("ALICE", "x"), UNKNOWN),
        ("ALICE", logon("bob", "x"), OTHER_USER),
        ("BOB", logon("BOB", "x"), OTHER_USER),
        ("BOB", logon(password="x"), OTHER_USER),
        ("KEY", logon(password="x"), ONLY_BY_KEY),
    ],
)
def test_who_is_nobody_takes_the_time_of_a_wrong_password_and_is_refused_whatever_matches(
    world: World, comp_id: str, message: bytes, why: str
) -> None:
    assert world.judge(1, comp_id, message) is None
    world.verdict(True)
    assert world.doors.told == [(1, why)]


def test_a_username_goes_with_every_comp_id_of_its_client(world: World) -> None:
    for number, comp_id in enumerate(("BOB", "BOB2")):
        assert world.judge(number, comp_id, logon("bob", "x")) is None
        assert world.compared[0][0] == OTHER
        world.verdict(True)
    assert world.judge(7, "ALICE", logon("ALICE", "x")) is None
    world.verdict(True)
    assert world.doors.told == [(0, ""), (1, ""), (7, "")]


def test_a_client_without_a_password_needs_none_and_without_one_nobody_else_is_let_in(world: World) -> None:
    assert world.judge(1, "OPEN", logon()) == ""
    assert world.judge(2, "ALICE", logon()) == NO_PASSWORD
    assert world.judge(3, "MALLORY", logon()) == UNKNOWN
    assert world.compared == []
    assert World((Client(comp_id="OPEN"),)).judge(1, "MALLORY", logon(password="x")) == UNKNOWN


def test_a_key_is_for_its_own_client(world: World) -> None:
    for key, comp_id, why in (
        ("k", "KEY", ""),
        ("x", "KEY", OTHER_KEY),
        ("k", "BOB", OTHER_KEY),
        ("k", "M", UNKNOWN),
    ):
        assert world.admission.judge(1, comp_id.encode(), key * 40, HERE, True, logon()) == why


def test_what_is_refused_behind_the_gate_is_a_failure_where_there_are_clients() -> None:
    for clients, why in ((CLIENTS, "within a minute"), ((), "")):
        world = World(clients, failures=1)
        world.admission.failed(HERE)
        assert why in (world.judge(1, "OPEN", logon()) or "")
        assert why in world.admission.enters(HERE)


def test_a_logon_that_is_wrong_in_itself_never_goes_on(world: World) -> None:
    assert world.judge(1, "ALICE", logon(password="x"), sound=False) == MALFORMED
    assert world.compared == []


def test_few_passwords_are_compared_at_a_time_and_none_of_who_has_left(world: World) -> None:
    for number in range(6):
        world.judge(number, "ALICE", logon(password=f"p{number}"))
    assert len(world.compared) == AT_ONCE
    world.doors.there -= {2, 3}
    world.verdict(True)
    assert [password for _, password, _ in world.compared] == [b"p1", b"p4"]


def test_attempts_of_who_has_left_do_not_pile_up(world: World) -> None:
    world.doors.there = set(range(AT_ONCE))
    for number in range(3 * WAITING):
        world.doors.there.add(number)
        world.judge(number, "ALICE", logon(password="x"))
        world.doors.there.discard(number)
    assert len(world.admission._waiting) <= WAITING + 1


def test_an_address_that_failed_too_often_has_no_more_passwords_compared() -> None:
    world = World(failures=1)
    for number in range(5):
        world.judge(number, "ALICE", logon(password="guess"))
    world.verdict(False)
    world.verdict(True)  # it had begun
    assert [why for _, why in world.doors.told].count("") == 1
    assert len(world.doors.told) == 5
    assert world.compared == []
    assert "within a minute" in (world.judge(9, "ALICE", logon(password="secret")) or "")
    world.now = 60
    assert world.judge(9, "ALICE", logon(password="secret")) is None


def test_credentials_are_found_and_masked() -> None:
    message = logon("bob", "secret")
    assert credentials(message) == (b"bob", b"secret")
    assert credentials(logon()) == (b"", b"")
    assert b"secret" not in masked(message + message)
    assert masked(message) == message.replace(b"=secret\x01", b"=***\x01")
    assert masked(logon()) == logon()
