"""What is said to who waits for an exchange that does not answer."""

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.client_core import NO_ANSWER
from gateway.client_search import GUESSES
from gateway.config import ConfigError
from gateway.impatience import reasoned
from gateway.locate import Place

GUESS = f"nobody answers the Logon at A within 60 s; either {NO_ANSWER}"


def test_the_reason_takes_the_place_of_guesses_where_it_is_known() -> None:
    place = cast(
        Place, SimpleNamespace(refusal=lambda _: None, unled=lambda: "no replica that answers knows a leader")
    )
    with pytest.raises(ConfigError) as caught, reasoned(place, "T"):
        raise TimeoutError(GUESS)
    assert str(caught.value) == (
        "nobody answers the Logon at A within 60 s; no replica that answers knows a leader"
    )


def test_who_was_refused_is_told_why() -> None:
    place = cast(
        Place, SimpleNamespace(refusal=lambda comp_id: f"{comp_id}: no password", unled=lambda: None)
    )
    with pytest.raises(ConfigError, match=r"^A closed; T: no password$"), reasoned(place, "T"):
        raise ConnectionError(f"A closed{GUESSES}it has no leader")


def test_where_it_is_not_known_the_guesses_stay() -> None:
    place = cast(Place, SimpleNamespace(refusal=lambda _: None, unled=lambda: None))
    with pytest.raises(TimeoutError, match="or it is no FIX endpoint"), reasoned(place, "T"):
        raise TimeoutError(GUESS)
