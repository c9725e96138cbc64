"""Lives of simulated clusters under faults: nothing acknowledged is lost, nothing happens twice."""

from collections import Counter

import pytest
from cluster_life import FAULTS, INPUTS, live
from simulate import life, unseen

PART = 10  # seeds; several parts, so that several workers live them


def lives(seeds: range) -> Counter[str]:
    totals: Counter[str] = Counter()
    for seed in seeds:
        try:
            counts = life(seed)
        except Exception as error:
            error.add_note(f"make sim SEED={seed}")
            raise
        assert counts["inputs"] >= INPUTS
        assert counts["faults"] >= FAULTS
        totals += counts
    return totals


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, 8 * PART, PART))
def test_clusters_keep_their_promises(first: int) -> None:
    assert lives(range(first, first + PART))["snapshots made"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_clusters_keep_their_promises_and_everything_occurs() -> None:
    totals = lives(range(1000, 1500))
    print(", ".join(f"{number:,} {kind}" for kind, number in sorted(totals.items())))
    assert not unseen(totals)


def test_a_seed_decides_everything() -> None:
    assert live(7, 3) == live(7, 3)
