"""docs/rulebook.md is what the stories tell and a machine answers."""

import re

import pytest
from engine_scenario import FILES
from rulebook import CHAPTERS, ENGINE_PAGE, page, slug

from engine.records import Reason

PAGE = ENGINE_PAGE.with_name("rulebook.md")


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_the_page_is_what_is_printed(text: str) -> None:
    """Written anew by: cd tests/engine && PYTHONPATH=../.. python rulebook.py > ../../docs/rulebook.md"""
    assert PAGE.read_text() == text


def test_every_file_of_stories_is_a_chapter() -> None:
    assert set(CHAPTERS) == {path.stem for path in FILES}


def test_every_reason_is_told_of(text: str) -> None:
    """With its number, its meaning and a chapter; those of the table of what goes together are among them."""
    listed = dict(re.findall(r"^\| (\d+) \| (\w+) \| .+ \| \[.+\) \|$", text, re.MULTILINE))
    assert listed == {str(reason.value): reason.name for reason in Reason if reason}


def test_its_links_lead_to_its_headings(text: str) -> None:
    titles = [slug(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert len(set(titles)) == len(titles)
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(titles)
