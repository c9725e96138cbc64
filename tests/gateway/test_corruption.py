"""Every message of the stories and of the session cases, with every byte changed and cut off at every byte.

With the checksum that it had it is ignored. With one that is right again it is judged: whatever the verdict, the
exchange goes on, and what is refused changes nothing but numbers and clocks.
"""

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from memory_edge import MemoryEdge
from session_script import FILES
from standing import standing
from stories import SCENARIOS, STORIES, play
from told_cases import tell

from gateway import fix
from gateway.exchange import Exchange
from gateway.fix44 import FIX44
from replication.messages import Entry

VALUES = (0, 1, ord("="), ord("7"), ord("-"), ord("A"), 255)
SANITIZED_SECONDS = 1800  # what a sample may take with sanitizers, on a busy machine
SAMPLE = 60  # one of so many in the default run
TERMS = ("comp_id", "heartbeat_seconds", "cancel_on_disconnect", "grace_ms")
"""Of a session of an echo: what a message that is refused may not change."""
ALIKE = 50  # bytes to both sides; what is behind so many of one value is as what is before


def places(message: bytes) -> Iterator[int]:
    """Where a message is changed: everywhere but in the midst of one byte many times."""
    for at in range(len(message)):
        around = message[max(at - ALIKE, 0) : at + ALIKE + 1]
        if around != bytes([message[at]]) * (2 * ALIKE + 1):
            yield at


def corruptions(message: bytes) -> Iterator[bytes]:
    """Each byte as several others, one after the other."""
    for at in places(message):
        byte = message[at]
        for value in {*VALUES, *(byte ^ 1 << bit for bit in range(8))} - {byte}:
            yield message[:at] + bytes([value]) + message[at + 1 :]


def repaired(message: bytes) -> bytes:
    """BodyLength and CheckSum are right again; what stood in their place is lost."""
    begin, _, rest = message[:-7].partition(b"\x019=")
    body = rest.partition(b"\x01")[2]
    whole = (
        begin + b"\x019=%d\x01" % (len(body) + 1 - body.endswith(b"\x01")) + body.rstrip(b"\x01") + b"\x01"
    )
    return whole + b"10=%03d\x01" % (sum(whole) % 256)


def is_refusal(kind: str, content: bytes) -> bool:
    if kind != "message":
        return kind == "refuse"
    m = dict(part.partition(b"=")[::2] for part in content.split(b"\x01"))
    return m[b"35"] in (b"3", b"j", b"9") or m.get(b"150") == b"8" or m.get(b"531") == b"0"


@dataclass
class CorruptingEdge(MemoryEdge):
    """Tries every corruption of a message on a copy of the exchange, before the message itself is sent."""

    chance: random.Random | None = None  # of a sample; None: all
    judged: int = 0
    refused: int = 0
    changed: int = 0  # of those that were not

    def send(self, name: str, *messages: bytes) -> None:
        for message in messages:
            self.corrupt(name, message)
            super().send(name, message)

    def corrupt(self, name: str, message: bytes) -> None:
        fork, before, number = self.forks(), self.standing(self.exchange), self.gateway_number
        for bad in corruptions(message):
            assert self.input_of(name, bad) == b"", bad
            self.judge(name, repaired(bad), fork, before)
        for size in places(message):
            assert self.input_of(name, message[:size]) == b"", message[:size]
            self.judge(name, repaired(message[:size] + message[-7:]), fork, before)
        assert (self.gateway_number, self.standing(self.exchange)) == (number, before)

    def judge(self, name: str, message: bytes, fork: Callable[[], Exchange], before: list[Any]) -> None:
        if self.chance and self.chance.randrange(SAMPLE):
            return
        early = any(one["early_messages"] for one in self.exchange.sessions())
        self.judged += 1
        edge = self.copy(fork())
        edge.send(name, message)
        if any(is_refusal(kind, content) for _, kind, content in edge.out):
            self.refused += 1
            # A refused message uses its number: those that came early are acted on.
            assert early or self.standing(edge.exchange) == before, message
        else:
            self.changed += self.standing(edge.exchange) != before

    def copy(self, exchange: Exchange) -> MemoryEdge:
        """An edge that goes on alone from here."""
        return MemoryEdge(
            exchange, now_ns=self.now_ns, term=self.term, incarnation=self.incarnation, own=self.own,
            gateway_number=self.gateway_number, connections=copy.deepcopy(self.connections), names=dict(self.names),
            sent={session: dict(kept) for session, kept in self.sent.items()}, comp_ids=dict(self.comp_ids),
            opened=self.opened,
        )  # fmt: skip

    def forks(self) -> Callable[[], Exchange]:
        """What makes exchanges that are as this one is now."""
        return partial(Exchange.restore, self.exchange.snapshot())

    def standing(self, exchange: Exchange) -> list[Any]:
        return standing(exchange)


class CorruptingEcho(CorruptingEdge):
    """An exchange that echoes makes no snapshot: another comes to the same by its log. It has sessions only."""

    def forks(self) -> Callable[[], Exchange]:
        return partial(replayed, list(self.log))

    def standing(self, exchange: Exchange) -> list[Any]:
        return [[session[term] for term in TERMS] for session in exchange.sessions()]


def replayed(log: list[Entry]) -> Exchange:
    exchange = Exchange()
    for entry in log:
        exchange.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        exchange.clear_egress()
    return exchange


def of_story(path: Path, chance: random.Random | None) -> CorruptingEdge:
    edge = CorruptingEdge(chance=chance)
    play(path.read_text(), edge)
    return edge


@pytest.fixture
def of_an_echo() -> Iterator[None]:
    """Messages are scanned by the tables of `fix-echo`."""
    fix.use(FIX44, echo=True)
    yield
    fix.use(FIX44)


def counted(edges: Iterable[CorruptingEdge]) -> str:
    judged, refused = sum(edge.judged for edge in edges), sum(edge.refused for edge in edges)
    return f"{judged:,} judged, {refused:,} refused"


@pytest.mark.timeout(SANITIZED_SECONDS)
def test_a_sample_of_corrupted_messages_is_ignored_or_judged() -> None:
    edges = [of_story(path, random.Random(path.name)) for path in STORIES]
    assert sum(edge.refused for edge in edges) > 1_000
    assert sum(edge.changed for edge in edges) > 100


@pytest.mark.timeout(SANITIZED_SECONDS)
@pytest.mark.usefixtures("of_an_echo")
def test_a_sample_of_corrupted_messages_to_an_echo_is_ignored_or_judged() -> None:
    edges = [
        edge
        for path in FILES
        for edge in tell(path, partial(CorruptingEcho, chance=random.Random(path.name)))
    ]
    assert sum(edge.judged for edge in edges) > 10_000
    assert sum(edge.refused for edge in edges) > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.relative_to(SCENARIOS).with_suffix("")))
def test_every_corrupted_message_is_ignored_or_judged(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", counted([of_story(path, None)]))


@pytest.mark.slow
@pytest.mark.usefixtures("of_an_echo")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_corrupted_message_to_an_echo_is_ignored_or_judged(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", counted(tell(path, CorruptingEcho)))
