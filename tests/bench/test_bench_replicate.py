"""`python -m bench.replicate`: what becomes of elections that nobody wanted, and the round trip between members."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bench import link, replicate
from replication.wire import Frames


@pytest.mark.parametrize(
    ("arguments", "elections", "code"),
    [(["--no-elections"], 2, 1), (["--no-elections"], 0, 0), ([], 2, 0)],
)
def test_elections_that_nobody_wanted_can_fail_the_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    elections: int,
    code: int,
) -> None:
    def measure(options: object) -> Iterator[dict[str, Any]]:
        yield {"what": "many in flight"}
        yield {"what": "false elections", "elections": elections}

    monkeypatch.setattr(replicate, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["replicate", *arguments])
    assert replicate.main() == code
    assert ("2 elections that nobody wanted" in capsys.readouterr().err) == bool(code)


def test_a_message_of_an_append_goes_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "ROUNDS", 50)
    assert 1 < link.round_trip_us() < 1_000_000
    assert len(list(Frames().feed(link.append()))) == 1
