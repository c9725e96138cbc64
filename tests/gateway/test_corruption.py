"""Every message of the stories, with every byte changed and cut off at every byte.

With the checksum that it had it is ignored. With one that is right again it is judged: whatever the verdict, the
exchange goes on, and what is refused changes nothing but numbers and clocks.
"""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_edge import MemoryEdge
from order_checker import fields
from standing import standing
from stories import SCENARIOS, STORIES, play

from gateway.exchange import Exchange

VALUES = (0, 1, ord("="), ord("7"), ord("-"), ord("A"), 255)
SAMPLE = 60  # one of so many in the default run


def corruptions(message: bytes) -> Iterator[bytes]:
    """Each byte as several others, one after the other."""
    for at, byte in enumerate(message):
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
    m = fields(content.decode("latin-1").encode())  # 372 says what came
    return m["35"] in "3j9" or m.get("150") == "8" or m.get("531") == "0"


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
        state, before, number = self.exchange.snapshot(), standing(self.exchange), self.gateway_number
        for bad in corruptions(message):
            assert self.input_of(name, bad) == b"", bad
            self.judge(name, repaired(bad), state, before)
        for size in range(len(message)):
            assert self.input_of(name, message[:size]) == b"", message[:size]
            self.judge(name, repaired(message[:size] + message[-7:]), state, before)
        assert (self.gateway_number, self.exchange.snapshot()) == (number, state)

    def judge(self, name: str, message: bytes, state: bytes, before: list[object]) -> None:
        if self.chance and self.chance.randrange(SAMPLE):
            return
        if any(one["early_messages"] for one in self.exchange.sessions()):
            return  # a refused message uses its number: those behind it are acted on
        self.judged += 1
        edge = self.copy(state)
        edge.send(name, message)
        if any(is_refusal(kind, content) for _, kind, content in edge.out):
            self.refused += 1
            assert standing(edge.exchange) == before, message
        else:
            self.changed += standing(edge.exchange) != before

    def copy(self, state: bytes) -> MemoryEdge:
        """An edge that goes on alone from here."""
        return MemoryEdge(
            Exchange.restore(state), now_ns=self.now_ns, term=self.term, incarnation=self.incarnation,
            gateway_number=self.gateway_number, connections=copy.deepcopy(self.connections), names=dict(self.names),
            sent={session: dict(kept) for session, kept in self.sent.items()}, comp_ids=dict(self.comp_ids),
            opened=self.opened,
        )  # fmt: skip


def tell(path: Path, chance: random.Random | None) -> CorruptingEdge:
    edge = CorruptingEdge(chance=chance)
    play(path.read_text(), edge)
    return edge


def test_a_sample_of_corrupted_messages_is_ignored_or_judged() -> None:
    edges = [tell(path, random.Random(path.name)) for path in STORIES]
    assert sum(edge.refused for edge in edges) > 1_000
    assert sum(edge.changed for edge in edges) > 100


@pytest.mark.slow
@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.relative_to(SCENARIOS).with_suffix("")))
def test_every_corrupted_message_is_ignored_or_judged(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    edge = tell(path, None)
    record_property("counted", f"{edge.judged:,} judged, {edge.refused:,} refused")
