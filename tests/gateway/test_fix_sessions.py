"""The sessions in docs/fix.md are what an exchange does and what `quorumbook fix decode` prints."""

from fix_sessions import BLOCK, PAGE, with_sessions
from stories import SCENARIOS


def test_the_sessions_of_the_page_are_what_they_are() -> None:
    """Written anew by: python tests/gateway/fix_sessions.py"""
    page = PAGE.read_text()
    assert with_sessions(page) == page


def test_each_is_there() -> None:
    named = [name for _, name, _ in BLOCK.findall(PAGE.read_text())]
    assert sorted(named) == sorted(path.stem for path in (SCENARIOS / "sessions").iterdir())
