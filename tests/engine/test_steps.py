"""A command that is done in pieces gives the reports and the state that it gives in one, wherever it is cut."""

from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_day import MixedDay

from engine.machine import Machine
from engine.records import COMMAND, CommandKind, Phase, Side, TimeInForce

Records = npt.NDArray[np.void]
CUTS = st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 10]), max_size=20).filter(any)


def run_in_steps(machine: Machine, command: Records, cuts: list[int]) -> Records:
    """All reports of a command that is done so many steps at a time; the cuts come around again."""
    pieces = [machine.begin(command, cuts[0])]
    for steps in cycle(cuts):
        if machine.is_done:
            break
        pieces.append(machine.go_on(steps))
    return np.concatenate(pieces)


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), cuts=CUTS)
def test_cuts_anywhere_change_nothing(seed: int, cuts: list[int]) -> None:
    day = MixedDay(seed)
    whole, cut = Machine(), Machine()
    for _ in range(150):
        command = day.next()
        expected = whole.apply(command)
        day.hear(expected)
        assert run_in_steps(cut, command, cuts).tobytes() == expected.tobytes()
        assert cut.snapshot() == whole.snapshot()


def crowded(count: int) -> Machine:
    machine = Machine()
    machine.define(phase=Phase.PRE_OPEN)
    for number in range(count):
        machine.submit(0, Side(number % 2), 1, 100, owner=number % 2)
    return machine


def mass_cancel() -> Records:
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.MASS_CANCEL
    return command


def test_a_step_is_bounded() -> None:
    """Each gives a report or two, however much there is to do."""
    machine = crowded(1000)
    assert len(machine.begin(mass_cancel(), 0)) == 0
    steps = 0
    while not machine.is_done:
        assert len(machine.go_on(1)) <= 2
        steps += 1
    assert 1000 <= steps <= 1030, "a few in which orders are found, and one for each"
    assert machine.live_orders == 0


def test_until_it_is_done_there_is_no_other_command_and_no_state() -> None:
    machine = crowded(20)
    machine.begin(mass_cancel(), 6)  # they are found, and five of them cancelled
    assert machine.live_orders == 15
    assert machine.best(0) == (100, 100)
    one: dict[str, Any] = {"owner": 7, "time_in_force": TimeInForce.GTC}
    refused = [
        lambda: machine.submit(0, Side.BUY, 1, 1, **one),
        lambda: machine.apply(mass_cancel()),
        lambda: machine.begin(mass_cancel(), 1),
        lambda: machine.advance(5),
        machine.snapshot,
        machine.state_hash,
        machine.copy,
    ]
    for call in refused:
        with pytest.raises(RuntimeError, match="under way"):
            call()
    while not machine.is_done:
        machine.go_on(5)
    assert len(machine.go_on(5)) == 0
    assert machine.commands == 22
    assert machine.submit(0, Side.BUY, 1, 1, **one)[0].command_number == 23
    assert machine.copy().snapshot() == machine.snapshot()


def test_a_command_that_leaves_nothing_is_done_at_once() -> None:
    machine = crowded(0)
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.CANCEL
    assert machine.begin(command, 0)["kind"].tolist() == [3]
    assert machine.is_done


def test_only_one_command_can_be_begun() -> None:
    machine = crowded(0)
    for wrong in (np.zeros(2, COMMAND), np.zeros(0, COMMAND), np.zeros(1), [1]):
        with pytest.raises(TypeError, match="one command"):
            machine.begin(wrong, 1)  # type: ignore[arg-type]
