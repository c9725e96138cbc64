"""Lives of simulated clusters under faults: nothing acknowledged is lost, nothing happens twice."""

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest
from cluster_apart import live_apart
from cluster_life import FAULTS, INPUTS, live
from simulate import one, report, unseen

Record = Callable[[str, object], None]


def live_all(seeds: range, record: Record) -> None:
    """Every promise is kept in every life, and every kind of event occurs in some."""
    totals: Counter[str] = Counter()
    began = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, counts, wrong in pool.map(one, seeds):
            assert not wrong, f"make sim SEED={seed}\n{wrong}"
            assert counts["inputs"] >= INPUTS
            assert counts["faults"] >= FAULTS
            totals += counts
    record("counted", report(len(seeds), time.monotonic() - began, totals))
    assert not unseen(totals)


@pytest.mark.timeout(1800)
def test_clusters_keep_their_promises_and_everything_occurs(record_property: Record) -> None:
    live_all(range(120), record_property)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_clusters_keep_their_promises(record_property: Record) -> None:
    live_all(range(1000, 1500), record_property)


def live_all_apart(seeds: range) -> None:
    totals: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for counts in pool.map(live_apart, seeds):
            totals += counts
    assert totals["put aside"] > 100 * len(seeds)
    assert totals["applied elsewhere"]
    assert totals["elections"] > len(seeds)


def test_clusters_that_put_work_aside_keep_them_too() -> None:
    live_all_apart(range(24))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_clusters_that_put_work_aside_keep_them_too() -> None:
    live_all_apart(range(2000, 2400))


def test_a_seed_decides_everything() -> None:
    assert live(7, 3) == live(7, 3)
