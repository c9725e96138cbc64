"""A member's run is in its directory before anybody hears of it: power is lost at every operation of writing it."""

from contextlib import suppress

import pytest
from simulated_disk import Crash, SimulatedDisk

from replication.acquaintances import Acquaintances

FIRST, SECOND = b"1" * 16, b"2" * 16


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_has_begun_is_kept_and_no_earlier_one_is_lost(seed: int) -> None:
    begun, crash_at = False, 0
    while not begun:
        disk = SimulatedDisk(seed)
        Acquaintances(disk).begin(FIRST)
        disk.crash_at = disk.operations + crash_at
        with suppress(Crash):
            Acquaintances(disk).begin(SECOND)
            begun = True
        runs = Acquaintances(disk.lose_power()).runs
        assert runs == (FIRST, SECOND) or (runs == (FIRST,) and not begun)
        crash_at += 1
    assert crash_at > 5
