"""Every story in scenarios/ comes out as written, and does so however the work is cut into steps."""

from pathlib import Path

import pytest
from memory_edge import MemoryEdge
from stories import SCENARIOS, play

STORIES = sorted(SCENARIOS.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_comes_out_as_written(path: Path) -> None:
    assert play(path.read_text(), MemoryEdge()) == path.read_text()


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_does_not_depend_on_where_steps_are_cut(path: Path) -> None:
    whole, cut = MemoryEdge(), MemoryEdge(budget=1)
    play(path.read_text(), whole)
    play(path.read_text(), cut)
    assert cut.records == whole.records
    assert cut.exchange.state_hash() == whole.exchange.state_hash()
