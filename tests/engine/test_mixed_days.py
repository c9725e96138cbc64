"""Whole days of all order types, phases and protections mixed, on the compiled machine and by the specification.

A million commands in all, with every report compared, and the state every fifty commands, or on some days every one.
"""

from random import Random
from typing import Any

import pytest
from market_watch import heard
from mixed_day import MixedDay
from situations import Situations
from test_differential import assert_same_reports

from engine import machine, reference
from engine.records import COMMAND, Reason, ReportKind

COMMANDS_A_DAY = 5_000
AT_ONCE = 50


class Pair:
    """The two machines, and what the one was told that the other is to be told."""

    def __init__(self, seed: int) -> None:
        self.day = MixedDay(seed)
        self.core: Any = machine.Machine()
        self.rules: Any = reference.Machine()

    def compare(self, commands: Any, before: Any) -> None:
        """The reports of these commands, and the state behind them; `before` is the core as it was then."""
        expected = self.rules.apply(commands)
        assert_same_reports(before.apply(commands), expected)
        state = self.core.snapshot()
        assert state == before.snapshot(), "one command a time and all at once come out differently"
        assert state == self.rules.snapshot()
        assert self.core.state_hash() == self.rules.state_hash()

    def go_on(self, count: int) -> None:
        before = self.core.copy()
        self.compare(self.day.played(self.core, count), before)

    def restore(self) -> None:
        """Each goes on from the other's snapshot."""
        core, rules = self.core.snapshot(), self.rules.snapshot()
        self.core, self.rules = machine.Machine.restore(rules), reference.Machine.restore(core)

    def books_are_the_same(self) -> None:
        for instrument in range(len(self.day.watch.floors)):
            assert self.core.best(instrument) == self.rules.best(instrument)
            for told, expected in zip(
                self.core.depth(instrument, 1000), self.rules.depth(instrument, 1000), strict=True
            ):
                assert told.tolist() == expected.tolist()


def compare_a_day(seed: int, commands: int, at_once: int) -> None:
    pair = Pair(seed)
    for number in range(commands // at_once):
        pair.go_on(at_once)
        if number % 20 == 7:
            pair.restore()
        if number % 20 == 17:
            pair.core = pair.core.copy()
            pair.books_are_the_same()


@pytest.mark.parametrize("first", range(0, 200, 10))
def test_mixed_days_come_out_the_same(first: int) -> None:
    for seed in range(first, first + 10):
        compare_a_day(seed, COMMANDS_A_DAY, AT_ONCE)


@pytest.mark.parametrize("seed", range(1000, 1010))
def test_a_mixed_day_comes_out_the_same_command_by_command(seed: int) -> None:
    compare_a_day(seed, COMMANDS_A_DAY, 1)


def restored(kind: Any, data: bytes) -> bytes | None:
    """None: it is refused."""
    try:
        return bytes(kind.restore(data).snapshot())
    except ValueError:
        return None


def damage_a_day(seed: int, places: int) -> None:
    """A snapshot with one wrong byte is refused by both, or it is one state to both."""
    chance, core = Random(seed), machine.Machine()
    MixedDay(seed).played(core, chance.choice([5, 20, 60, 120]))
    whole = core.snapshot()
    for _ in range(places):
        data, at = bytearray(whole), chance.randrange(len(whole))
        data[at] = chance.choice([0, 1, 127, 128, 255, data[at] ^ 1 << chance.randrange(8)])
        assert restored(machine.Machine, bytes(data)) == restored(reference.Machine, bytes(data)), (
            at,
            data[at],
        )


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_judged_alike(seed: int) -> None:
    damage_a_day(seed, 100)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(100, 300, 10))
def test_much_damage_is_judged_alike(first: int) -> None:
    for seed in range(first, first + 10):
        damage_a_day(seed, 1000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(2000, 4000, 100))
def test_many_mixed_days_come_out_the_same(first: int) -> None:
    for seed in range(first, first + 100):
        compare_a_day(seed, COMMANDS_A_DAY, AT_ONCE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4000, 4010))
def test_long_mixed_days_come_out_the_same(seed: int) -> None:
    """Books of thousands of orders."""
    compare_a_day(seed, 20 * COMMANDS_A_DAY, AT_ONCE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(5000, 5200, 10))
def test_many_mixed_days_come_out_the_same_command_by_command(first: int) -> None:
    for seed in range(first, first + 10):
        compare_a_day(seed, COMMANDS_A_DAY, 1)


def test_everything_happens_on_mixed_days() -> None:
    """Otherwise the days prove less than they seem to: each situation, reason and kind of report, more than once."""
    situations, fullest = Situations(), 0
    for seed in range(40):
        day, core = MixedDay(seed), machine.Machine()
        for _ in range(4_000):
            command = day.next()
            reports = core.apply(command)
            fields = dict(zip(COMMAND.names or (), command[0].tolist(), strict=True))
            situations.hear(day.watch, fields, heard(reports))
            day.hear(reports)
            fullest = max(fullest, core.live_orders)
    wanted = [name for name in situations.counts if not name.startswith(("reason", "report"))]
    wanted += [f"reason {reason.name}" for reason in Reason if reason]
    wanted += [f"report {kind.name}" for kind in ReportKind]
    seldom = {name: situations.counts[name] for name in wanted if situations.counts[name] < 2}
    assert not seldom
    assert fullest > 400
    refused = situations.counts["report REJECTED"]
    assert refused < 40 * 4_000 / 5, "most commands should do something"


def test_the_same_seed_gives_the_same_day() -> None:
    one, other = (MixedDay(7).played(machine.Machine(), 500) for _ in range(2))
    assert one.tobytes() == other.tobytes()
