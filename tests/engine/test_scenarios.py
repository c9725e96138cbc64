"""Every rule as a story, played over both machines; `pytest --regenerate` rewrites what they expect."""

from pathlib import Path

import pytest
from engine_scenario import replay, stories

from engine import machine, reference
from engine.records import Reason

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_stories_come_out_as_told(path: Path, pytestconfig: pytest.Config) -> None:
    told = path.read_text()
    played = "\n".join(replay(story, [reference.Machine(), machine.Machine()]) for story in stories(told))
    if pytestconfig.getoption("--regenerate"):
        path.write_text(played)
        return
    assert played == told


def test_every_reason_is_in_a_story() -> None:
    words = set(" ".join(path.read_text() for path in FILES).split())
    assert not {reason.name.lower() for reason in Reason if reason} - words
