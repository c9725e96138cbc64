"""The cases of tests/processes/session_cases, told to an echo in memory: their messages at their moments. What must
come of them is judged by test_fix_echo.py, over sockets."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from memory_edge import MemoryEdge
from session_script import CONTINUED, Client, cases, play

from gateway import fix, inputs

OWN = "ISLD"
SENDING_TIME_SECONDS = 120
OK, INCOMPLETE = 0, 1
Told = TypeVar("Told", bound=MemoryEdge)


class MemoryLink:
    """One client's connection to an edge, in place of a FixLink."""

    transport = "memory"

    def __init__(self, edge: MemoryEdge, name: str) -> None:
        self.edge, self.name = edge, name
        self._waiting = b""

    def connect(self) -> None:
        self.close()
        self.edge.connect(self.name)

    def close(self) -> None:
        self._waiting = b""
        if self.name in self.edge.connections:
            self.edge.close(self.name)

    def bye(self) -> None:
        self.close()

    def send_bytes(self, data: bytes) -> None:
        """Every whole message, as long as the edge has not ended the connection."""
        self._waiting += data
        while self._waiting and self.name in self.edge.connections:
            kind, length = fix.frame_message(self._waiting)
            if kind == INCOMPLETE:
                return
            message, self._waiting = self._waiting[:length], self._waiting[length:]
            if kind == OK:
                self.edge.send(self.name, message)

    def receive_message(self, seconds: float) -> bytes:
        raise NotImplementedError


class Speaker(Client):
    """Says what the client of a case says, and listens to nothing."""

    def __init__(self, edge: MemoryEdge, begins_anew: bool, name: str) -> None:
        super().__init__(MemoryLink(edge, name), begins_anew)
        self.edge = edge

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.edge.now_ns / 10**9, UTC)

    def do_expect(self, rest: str) -> None:
        pass

    def do_closed(self, rest: str) -> None:
        self.link.close()

    def do_after(self, rest: str) -> None:
        self.do_wait(rest.partition(" ")[0])

    def do_quiet(self, rest: str) -> None:
        self.do_wait(rest)

    def do_wait(self, rest: str) -> None:
        self.edge.wait(round(float(rest) * 10**9))


def tell(path: Path, edge_of: Callable[[], Told]) -> list[Told]:
    """Each case of a file to an edge of its own, once its tables are those of an echo: `fix.use(FIX44, echo=True)`."""
    edges = []
    begins_anew = path.stem != CONTINUED
    for case in cases(path):
        edge = edge_of()
        edge.own = OWN
        edge.start(inputs.setting(
            comp_id=OWN, sending_time_seconds=SENDING_TIME_SECONDS, reset_on_logon=begins_anew, echo=True,
        ))  # fmt: skip
        play(case, partial(Speaker, edge, begins_anew))
        edges.append(edge)
    return edges
