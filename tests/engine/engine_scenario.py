"""Stories of the engine as text: a sentence, commands, and the reports they must give.

    # A reduce keeps the place.
    > define
    defined 0
    > buy 10 @ 100
    accepted 1: buy 10 @ 100, leaves 10

A line with `>` is a command or a question, the lines below it what comes of it; a line with `#` begins the next story;
a line with `--` is a remark. Each story has a machine of its own, under the newest rules or, when the file or the story
says `Rules 1, 2 and 3.` below its sentence, one under each of these, and all must tell the same.

`engine_commands` has the commands. Questions: `book` (what is shown), `book all` (every order in the order of its turn,
then stops, then what is parked), `best`, `ahead ID`, `orders OWNER`, `indicative`, `phase?`; book, indicative and
phase? take an instrument. `engine_words` has the answers.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine_commands import command_of
from engine_words import answer, tell

from engine import machine, reference
from engine.records import RULES_VERSION, ReportKind

__all__ = ["Story", "play", "stories", "tell"]

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
UNDER = re.compile(r"^Rules ([\d, and]+)\.$", re.MULTILINE)


class Story(NamedTuple):
    """A sentence and what follows it, and the versions of the rules under which that is so."""

    text: str
    rules: tuple[int, ...]

    @property
    def sentence(self) -> str:
        return self.text.splitlines()[0].removeprefix("#").strip()


class Play:
    """One story on several machines that must agree in every byte."""

    def __init__(self, machines: list[Any]) -> None:
        self.machines = machines
        self.accepted = 0
        self.defined = 0

    def line(self, text: str) -> list[str]:
        """What comes of one line, as every machine tells it."""
        answers = [answer(machine, text) for machine in self.machines]
        if answers[0] is not None:
            assert answers == [answers[0]] * len(answers), text
            return answers[0]
        command = command_of(text, self.accepted + 1, self.defined)
        reports = [machine.apply(command) for machine in self.machines]
        for other in reports[1:]:
            assert list(map(tell, other)) == list(map(tell, reports[0])), text
            assert other.tobytes() == reports[0].tobytes(), text
        hashes = {machine.state_hash() for machine in self.machines}
        assert len(hashes) == 1, f"the states differ after {text!r}"
        self.accepted += int((reports[0]["kind"] == ReportKind.ACCEPTED).sum())
        self.defined += int((reports[0]["kind"] == ReportKind.DEFINED).sum())
        return list(map(tell, reports[0]))


def versions(text: str) -> tuple[int, ...]:
    """Those that a text names; none when it says nothing."""
    match = UNDER.search(text)
    return tuple(map(int, re.findall(r"\d", match[1]))) if match else ()


def stories(text: str) -> Iterator[Story]:
    """The text cut before each sentence; what is above the first holds for all."""
    head, *told = re.split(r"^(?=#)", text, flags=re.MULTILINE)
    for story in told:
        yield Story(story, versions(story) or versions(head) or (RULES_VERSION,))


def preface(text: str) -> str:
    """What is above the first sentence."""
    return re.split(r"^(?=#)", text, flags=re.MULTILINE)[0]


def play(story: Story, rules: int) -> str:
    """The story with what its lines are answered now, under a version of the rules, by both engines alike."""
    told = Play([reference.Machine(rules=rules), machine.Machine(rules=rules)])
    lines = []
    for line in story.text.splitlines():
        if line.startswith(("#", ">", "--")) or UNDER.match(line) or not line.strip():
            lines.append(line)
        if line.startswith(">"):
            lines += told.line(line.removeprefix(">").strip())
    return "\n".join(lines).rstrip() + "\n"
