"""The sessions in docs/fix.md: stories of scenarios/sessions/, told to an exchange in memory, their messages written
as a client's --fix-log has them and printed by `quorumbook fix decode`.

    python tests/gateway/fix_sessions.py        writes them into docs/fix.md anew
"""

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner
from memory_edge import MemoryEdge
from stories import SCENARIOS, Storyteller, steps, time_text

from gateway.fix_commands import fix
from gateway.fix_log import written

PAGE = Path(__file__).parents[2] / "docs" / "fix.md"
WHO = "ALICE"
WIDTH = 118
BLOCK = re.compile(r"(<!-- session (\w+) -->\n```text\n).*?(```\n)", re.DOTALL)


@dataclass
class Observed(MemoryEdge):
    """Notes what its client sends and gets, in the order that she does."""

    seen: list[bytes] = field(default_factory=list)

    def note(self, direction: str, message: bytes) -> None:
        self.seen.append(
            written(f"{time_text(self.now_ns)}000", direction, "fix+tcp://127.0.0.1:7611", message)
        )

    def send(self, name: str, *messages: bytes) -> None:
        if name == WHO:
            for message in messages:
                self.note("out", message)
        super().send(name, *messages)
        self.note_what_came()

    def wait(self, nanoseconds: int) -> None:
        super().wait(nanoseconds)
        self.note_what_came()

    def note_what_came(self) -> None:
        for receiver, kind, content in self.out:
            if receiver == WHO and kind in ("message", "again"):
                self.note("in", content)


def session(name: str) -> str:
    """A story as lines of text: its comments, and her messages."""
    edge = Observed()
    teller = Storyteller(edge)
    lines: list[str] = []
    for step, _ in list(steps((SCENARIOS / "sessions" / f"{name}.txt").read_text()))[1:]:
        if step.startswith("#"):
            lines.append(step)
        list(teller.tell(step))
        if edge.seen:
            shown = CliRunner().invoke(fix, ["decode", "-"], input=b"".join(edge.seen)).output
            lines += [line for one in shown.splitlines() for line in wrapped(one)]
            edge.seen.clear()
    return "\n".join(lines) + "\n"


def wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=" " * 4, break_long_words=False, break_on_hyphens=False
    )


def with_sessions(page: str) -> str:
    """The page with every session as it is."""
    return BLOCK.sub(lambda found: found[1] + session(found[2]) + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(with_sessions(PAGE.read_text()))
