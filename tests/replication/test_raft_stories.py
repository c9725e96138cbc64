"""Every rule of Raft as a story, with its source; raft_story.py says how to read one. `pytest --regenerate` rewrites
what they expect."""

from pathlib import Path

import pytest
from raft_story import play

FILES = sorted((Path(__file__).parent / "raft_scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_story_comes_out_as_told(path: Path, pytestconfig: pytest.Config) -> None:
    told = path.read_text()
    played = play(told)
    if pytestconfig.getoption("--regenerate"):
        path.write_text(played)
        return
    assert played == told
