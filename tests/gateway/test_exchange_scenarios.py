"""Every story in scenarios/ comes out as written, and does so however the work is cut into steps."""

import re
from pathlib import Path

import pytest
from memory_edge import MemoryEdge
from stories import SCENARIOS, STORIES, play

MATRICES = Path(__file__).parent / "ORDER_STATES.md"


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


def test_the_table_of_matrices_names_what_the_stories_tell() -> None:
    row = r"^\| (?:4 )?([A-L]\.\d\.[a-f]) \|[^|]*\| (\w+(?:, \w+)*) \|"
    rows = re.findall(row, MATRICES.read_text(), re.MULTILINE)
    told = {
        (matrix, path.stem)
        for path in (SCENARIOS / "order_states").glob("*.txt")
        for matrix in re.findall(r"\b[A-L]\.\d\.[a-f]\b", path.read_text())
    }
    assert {
        (matrix, story) for matrix, names in rows for story in names.split(", ") if story != "none"
    } == told
