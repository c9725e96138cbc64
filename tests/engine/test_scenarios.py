"""Every rule as a story, played over both machines; `pytest --regenerate` rewrites what they expect."""

import re
from pathlib import Path

import pytest
from engine_scenario import FILES, play, preface, stories

from engine.records import RULES_VERSION, Reason, ReportKind

ALL = "\n".join(path.read_text() for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_stories_come_out_as_told(path: Path, pytestconfig: pytest.Config) -> None:
    text = path.read_text()
    if pytestconfig.getoption("--regenerate"):
        path.write_text(preface(text) + "\n".join(play(story, story.rules[-1]) for story in stories(text)))
        return
    for story in stories(text):
        for rules in story.rules:
            assert play(story, rules).rstrip() == story.text.rstrip(), f"under rules {rules}"


def test_every_reason_is_in_a_story_of_the_newest_rules() -> None:
    told = "".join(
        story.text for path in FILES for story in stories(path.read_text()) if RULES_VERSION in story.rules
    )
    words = set(re.findall(r"^\w+ (\w+)", told, re.MULTILINE))
    assert not {reason.name.lower() for reason in Reason if reason} - words


def test_every_kind_of_report_is_in_a_story() -> None:
    words = set(re.findall(r"^\w+", ALL, re.MULTILINE))
    assert not {kind.name.lower() for kind in ReportKind} - words


def test_no_two_stories_have_one_sentence() -> None:
    sentences = re.findall(r"^# .*", ALL, re.MULTILINE)
    assert len(set(sentences)) == len(sentences)
