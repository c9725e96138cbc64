"""Which endpoint is tried when, and what is said when none takes a Logon. A clock of our own; no sockets."""

import pytest

from gateway.client_link import ConnectError
from gateway.client_search import BACKOFF_SECONDS, GUESSES, Search
from gateway.client_session import LogonRefused

NOBODY = ConnectError("no exchange answers")
SILENT = TimeoutError("nobody answers the Logon at c")


def pauses(search: Search, count: int, attempts: int) -> list[float]:
    return [search.failed("abc"[i % count], NOBODY, 0.0, count) for i in range(attempts)]


def test_within_a_round_the_next_is_tried_at_once() -> None:
    first, second, third = BACKOFF_SECONDS[:3]
    assert pauses(Search(0.0, 60.0, waits=True), 3, 9) == [0, 0, first, 0, 0, second, 0, 0, third]
    assert pauses(Search(0.0, 60.0, waits=True), 1, 9) == [*BACKOFF_SECONDS, *BACKOFF_SECONDS[-1:] * 3]


def test_one_of_several_is_waited_for_longer_in_every_round() -> None:
    search = Search(0.0, 60.0, waits=True)
    waited = []
    for i in range(7):
        waited.append(search.patience(0.0, 3))
        search.failed("abc"[i % 3], SILENT, 0.0, 3)
    assert waited == [2, 2, 2, 4, 4, 4, 8]
    assert search.patience(59.0, 3) == 1
    assert Search(0.0, 60.0, waits=True).patience(0.0, 1) == 60
    assert Search(0.0, 3.0, waits=True).patience(0.0, 3) == 1


def test_an_exchange_that_was_never_there_is_no_exchange() -> None:
    search = Search(0.0, 60.0, waits=False)
    assert search.failed("at A", NOBODY, 0.0, 2) == 0
    with pytest.raises(
        ConnectError, match=r"none of 2 endpoints takes a Logon: at A: no exchange .*; at B: no exch"
    ):
        search.failed("at B", NOBODY, 0.0, 2)


def test_guesses_that_are_the_same_of_all_are_said_once() -> None:
    search = Search(0.0, 60.0, waits=False)
    search.failed("A", ConnectError(f"A closed{GUESSES}it has no leader, or another"), 0.0, 3)
    search.failed("B", ConnectError(f"B is silent{GUESSES}it has no leader"), 0.0, 3)
    with pytest.raises(ConnectError) as told:
        search.failed("C", NOBODY, 0.0, 3)
    assert str(told.value) == (
        "none of 3 endpoints takes a Logon: A closed; B is silent; C: no exchange answers; "
        "either it has no leader, or another"
    )


def test_one_that_is_there_and_silent_is_tried_again_until_the_time_is_over() -> None:
    search = Search(0.0, 60.0, waits=False)
    for now in (1.0, 2.0, 59.0):
        search.failed("at A", NOBODY, now, 2)
        assert search.failed("c", SILENT, now, 2) > 0
    with pytest.raises(ConnectError, match="at A: no exchange answers; nobody answers the Logon at c"):
        search.failed("at A", NOBODY, 60.0, 2)


def test_one_endpoint_has_its_own_error_and_a_refusal_is_the_answer() -> None:
    with pytest.raises(TimeoutError, match="at c"):
        Search(0.0, 1.0, waits=True).failed("c", SILENT, 1.0, 1)
    search = Search(0.0, 1.0, waits=True)
    search.failed("a", LogonRefused("not today"), 0.5, 2)
    with pytest.raises(LogonRefused, match="not today"):
        search.failed("c", SILENT, 1.0, 2)
