"""A leader is elected though term and vote take longer to be durable than a candidate waits for votes."""

import random

import pytest

from replication.membership import Member, Membership
from replication.messages import HardState, Message
from replication.raft import Raft, Timing
from replication.window import Window

MS = 1_000_000
MEMBERS = Membership(tuple(Member(id, "", voter=True) for id in (1, 2, 3)))
DEAD = 3  # it led
TICK_MS = 10


class Time:
    def __init__(self) -> None:
        self.ms = 1_000

    def monotonic_ns(self) -> int:
        return self.ms * MS

    wall_ns = monotonic_ns


class Survivor:
    """save_ms: how long its term and vote take to be durable."""

    def __init__(self, id: int, time: Time, save_ms: int, chance: random.Random) -> None:
        window = Window([], 0, 0, bytes(32), lambda index, size: [])
        self.raft = Raft(id, HardState(1, DEAD), window, 0, [(0, MEMBERS)], time, chance.randrange, Timing())
        self.raft.leader = DEAD
        self._save_ms = save_ms
        self._saving: tuple[HardState, int] | None = None

    def live(self, now_ms: int, arrived: list[Message]) -> list[Message]:
        """A millisecond; what it says."""
        raft = self.raft
        if self._saving is not None and now_ms >= self._saving[1]:
            saved, self._saving = self._saving[0], None
            raft.saved(saved)
        for message in arrived:
            raft.step(message)
        if now_ms % TICK_MS == raft.me:
            raft.tick()
        if raft.unsaved and self._saving is None:
            self._saving = raft.hard, now_ms + self._save_ms
        return raft.take_messages()


def elected_after_ms(saves: dict[int, int], limit_ms: int) -> int:
    """Since both have seen the leader's link close."""
    time, chance = Time(), random.Random(1)
    survivors = {id: Survivor(id, time, save_ms, chance) for id, save_ms in saves.items()}
    for survivor in survivors.values():
        survivor.raft.link_closed(DEAD)
    said: list[Message] = []
    for passed in range(limit_ms):
        time.ms += 1
        arrived, said = said, []
        for id, survivor in survivors.items():
            said += survivor.live(time.ms, [message for message in arrived if message.to == id])
            if survivor.raft.leading is not None:
                return passed
    raise AssertionError(
        f"nobody leads after {limit_ms} ms; terms {[s.raft.hard.term for s in survivors.values()]}"
    )


@pytest.mark.parametrize("slow_ms", [80, 150, 250, 500, 2500])
@pytest.mark.parametrize("slow", [(1,), (2,), (1, 2)])
def test_one_save_at_each_slow_member_elects_a_leader(slow: tuple[int, ...], slow_ms: int) -> None:
    saves = {id: slow_ms if id in slow else 2 for id in (1, 2)}
    enough = sum(saves.values()) + 100
    assert elected_after_ms(saves, enough) <= enough
