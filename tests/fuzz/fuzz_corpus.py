"""What the cases are made of: every message that a story sends, and those of fix_verdicts.txt."""

from dataclasses import dataclass, field

from fix_records import message
from memory_edge import MemoryEdge
from stories import STORIES, play
from test_fix_scan import SAMPLES, stories


@dataclass
class ListeningEdge(MemoryEdge):
    """An edge that keeps what clients send."""

    heard: list[bytes] = field(default_factory=list)

    def send(self, name: str, *messages: bytes) -> None:
        self.heard += messages
        super().send(name, *messages)


def corpus() -> list[bytes]:
    """Each message once, always in the same order; the first is a good one."""
    edges = [ListeningEdge() for _ in STORIES]
    for path, edge in zip(STORIES, edges, strict=True):
        play(path.read_text(), edge)
    told = [heard for edge in edges for heard in edge.heard]
    return list(dict.fromkeys([*SAMPLES, *(message(sent) for _, sent, _ in stories()), *told]))
