"""Lives of simulated clusters under faults: nothing acknowledged is lost, nothing happens twice."""

from collections import Counter

import pytest
from cluster_life import FAULTS, INPUTS, live
from simulate import life, members_of, unseen

SEEDS = 8
PARTS = 4


def lives(seeds: range) -> Counter[str]:
    totals: Counter[str] = Counter()
    for seed in seeds:
        counts = life(seed)
        assert counts["inputs"] >= INPUTS
        assert counts["faults"] >= FAULTS
        totals += counts
    return totals


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_clusters_keep_their_promises(part: int) -> None:
    lives(range(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_clusters_whose_logs_do_not_reach_back_keep_their_promises(part: int) -> None:
    totals: Counter[str] = Counter()
    for seed in range(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS):
        totals += live(seed, members_of(seed), forgets=True)
    assert totals["snapshots made"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_clusters_keep_their_promises_and_everything_occurs() -> None:
    totals = lives(range(1000, 1400))
    assert not unseen(totals)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_clusters_whose_logs_do_not_reach_back() -> None:
    totals: Counter[str] = Counter()
    for seed in range(1400, 1500):
        try:
            totals += live(seed, members_of(seed), forgets=True)
        except Exception as error:
            error.add_note(f"seed {seed}, forgets")
            raise
    assert totals["snapshots installed"]
    assert totals["repairs"]


def test_a_seed_decides_everything() -> None:
    assert live(7, 3) == live(7, 3)
