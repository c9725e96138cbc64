"""What must hold whatever the commands: judged by an auditor that believes only reports.

It asserts, among others: the book is never crossed in continuous trading and no order without a limit rests; no order
is filled beyond its quantity or past its limit, a band or a breaker; quantities are conserved; the maker is always the
one whose turn it is, hidden orders behind all that is shown and refreshed slices at the back; a level is shared out as
it must be; self-match prevention prevents; what wants all or a minimum gets it or nothing; an auction has one price,
found here by trying every tick, and its whole volume; stops run when they were reached, in their order, and none that
was reached does not; pegs are at their price when what they follow moved; orders expire in order.
"""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from auditor import Auditor
from engine_strategies import COMMANDS, plain_instrument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market_watch import heard
from mixed_day import MixedDay
from test_differential import traffic

from engine import machine, reference


def audit(commands: Any, one: Any) -> Counter[str]:
    auditor = Auditor()
    for at in range(len(commands)):
        command = commands[at : at + 1]
        auditor.hear(command, heard(one.apply(command)))
    assert one.live_orders == len(auditor.orders)
    return auditor.held


def audit_a_day(seed: int, commands: int, one: Any) -> Counter[str]:
    """A day that hears the machine, and so does the auditor."""
    day, auditor = MixedDay(seed), Auditor()
    for _ in range(commands):
        command = day.next()
        reports = one.apply(command)
        auditor.hear(command, heard(reports))
        day.hear(reports)
    assert one.live_orders == len(auditor.orders)
    return auditor.held


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(COMMANDS, min_size=5, max_size=60), st.integers(0, 1), st.integers(0, 1))
def test_the_invariants_hold_for_any_commands(commands: list[Any], algorithm: int, trigger: int) -> None:
    start = [
        plain_instrument(0, algorithm=algorithm, trigger=trigger),
        plain_instrument(1, protection_ticks=1),
    ]
    audit(np.concatenate([*start, *commands]), machine.Machine())


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_invariants_hold_in_busy_markets(seed: int, version: int) -> None:
    start = [plain_instrument(0), plain_instrument(1, protection_ticks=5), plain_instrument(2, lot_lots=2)]
    commands = traffic(np.random.default_rng(seed + 500), 1500, 200)
    audit(np.concatenate([*start, commands]), machine.Machine(rules=version))


def test_the_invariants_hold_on_mixed_days() -> None:
    held = Counter[str]()
    for seed in range(300, 320):
        held += audit_a_day(seed, 2_000, machine.Machine())
    assert len(held) == 20
    assert min(held.values()) > 30, "what never happens, holds"


def test_the_invariants_hold_for_the_specification() -> None:
    for seed in range(400, 405):
        audit_a_day(seed, 2_000, reference.Machine())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(6000, 6400, 20))
def test_the_invariants_hold_on_many_mixed_days(first: int) -> None:
    for seed in range(first, first + 20):
        audit_a_day(seed, 5_000, machine.Machine())
