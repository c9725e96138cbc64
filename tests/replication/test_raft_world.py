"""Lives of clusters under every fault: nothing that was promised breaks, and when the faults stop everything recovers.

A failure names its seed; `live(seed, anything)` repeats it.
"""

import pytest
from raft_plots import anything
from raft_world import live

SEEDS = 100


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_life(seed: int) -> None:
    live(seed, anything)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_lives_with_snapshots(first: int) -> None:
    """Logs that do not reach back: what a member lacks may have to come as a snapshot."""
    installed = 0
    for seed in range(first, first + 10):
        try:
            installed += live(seed, anything, forgets=True).cluster.installed
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    assert installed > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SEEDS, 30 * SEEDS, SEEDS))
def test_many_lives(first: int) -> None:
    for seed in range(first, first + SEEDS):
        try:
            live(seed, anything)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def test_a_life_is_repeated_by_its_seed() -> None:
    lives = [live(7, anything) for _ in range(2)]
    assert lives[0].properties.committed
    assert lives[0].properties.committed == lives[1].properties.committed
