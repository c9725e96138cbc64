"""Lives of simulated clusters under faults: nothing acknowledged is lost, nothing happens twice."""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest
from cluster_life import FAULTS, INPUTS, live
from simulate import one, unseen


def live_all(seeds: range) -> None:
    """Every promise is kept in every life, and every kind of event occurs in some."""
    totals: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, counts, wrong in pool.map(one, seeds):
            assert not wrong, f"make sim SEED={seed}\n{wrong}"
            assert counts["inputs"] >= INPUTS
            assert counts["faults"] >= FAULTS
            totals += counts
    print(", ".join(f"{number:,} {kind}" for kind, number in sorted(totals.items())))
    assert not unseen(totals)


@pytest.mark.timeout(1800)
def test_clusters_keep_their_promises_and_everything_occurs() -> None:
    live_all(range(120))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_clusters_keep_their_promises() -> None:
    live_all(range(1000, 1500))


def test_a_seed_decides_everything() -> None:
    assert live(7, 3) == live(7, 3)
