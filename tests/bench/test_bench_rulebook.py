"""`bench.rulebook`: its markets are what their names say, and the work is done in the pieces that are timed."""

import shutil

import pytest

from bench.crowded_markets import CROWDED, enter, orders
from bench.rulebook import done_in_pieces, kinds_of_orders, on_copies, plain_path, summary
from engine.machine import Machine
from engine.records import Phase

CALM = {"trailing stops that follow", "stops put back by a halt"}


@pytest.mark.parametrize("what", CROWDED)
def test_a_crowd_does_what_its_name_says(what: str) -> None:
    situation = CROWDED[what](2000)
    assert situation.machine.live_orders >= 2000
    machine = situation.machine.copy()
    pieces, reports = done_in_pieces(machine, situation.command, 256)
    assert machine.is_done
    assert (reports < 20) == (what in CALM)
    assert len(pieces) >= reports // 512
    if what == "stops put back by a halt":
        assert machine.phase(0) == Phase.HALT
        assert machine.live_orders > 1900
    line = summary(what, 2000, on_copies(situation, 256, 2), 256)
    assert line["reports"] == reports
    assert 0 < line["longest_ms"] <= line["ms"]


def test_kinds_of_orders_stand_beside_limit_orders() -> None:
    stop, iceberg = kinds_of_orders()
    assert (stop["what"], iceberg["what"]) == ("stop", "iceberg")
    assert stop["limit_ns"] == iceberg["limit_ns"] > 0


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts the instructions")
def test_the_instructions_of_the_plain_path_are_counted() -> None:
    (line,) = plain_path()
    assert 200 < line["instructions"] < 1000


def test_a_market_that_cannot_be_set_up_is_told() -> None:
    machine = Machine()
    machine.define()
    with pytest.raises(ValueError, match="refused"):
        enter(machine, orders(2, price_ticks=5, client_ref=1))
