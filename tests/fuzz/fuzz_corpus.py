"""What the cases are made of: every message that a story or a session case sends, those of fix_verdicts.txt, and one of
each type with all that the dictionary lets it have."""

from dataclasses import dataclass, field

from every_message import every_message
from fix_records import message
from memory_edge import MemoryEdge
from session_script import FILES
from stories import STORIES, play
from test_fix_scan import SAMPLES, stories
from told_cases import tell

from gateway import fix
from gateway.fix44 import FIX44


@dataclass
class ListeningEdge(MemoryEdge):
    """An edge that keeps what clients send."""

    heard: list[bytes] = field(default_factory=list)

    def send(self, name: str, *messages: bytes) -> None:
        self.heard += messages
        super().send(name, *messages)


def corpus() -> list[bytes]:
    """Each message once, always in the same order; the first is a good one."""
    fix.use(FIX44)
    edges = [ListeningEdge() for _ in STORIES]
    for path, edge in zip(STORIES, edges, strict=True):
        play(path.read_text(), edge)
    fix.use(FIX44, echo=True)
    edges += (edge for path in FILES for edge in tell(path, ListeningEdge))
    told = (heard for edge in edges for heard in edge.heard)
    written = (message(sent) for _, sent, _ in stories())
    return list(dict.fromkeys([*SAMPLES, *written, *told, *every_message(FIX44)]))
