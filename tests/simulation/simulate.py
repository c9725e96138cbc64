"""`make sim`: lives of simulated clusters until it is stopped. `make sim SEED=n` lives one again, with a trace."""

import os
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice

from cluster_life import live

EXPECTED = (
    "all lost power",
    "applied elsewhere",
    "clock set",
    "crashed in the middle",
    "cut off",
    "cut one way",
    "disk full",
    "elections",
    "frozen",
    "gone for good",
    "hung up",
    "killed",
    "member added",
    "member promoted",
    "member removed",
    "message lost",
    "message overtaken",
    "message repeated",
    "numbers reset",
    "power lost",
    "repeated what was missed",
    "repairs",
    "resend asked",
    "skipped inputs",
    "slow",
    "stopped by a full disk",
    "takeovers",
    "transfer",
    "truncations",
)


def members_of(seed: int) -> int:
    return 5 if seed % 4 == 3 else 3


def one(seed: int) -> tuple[int, Counter[str], str]:
    """What happened, and what went wrong."""
    try:
        return seed, live(seed, members_of(seed)), ""
    except Exception:
        return seed, Counter(), traceback.format_exc(limit=-3)


def unseen(totals: Counter[str]) -> list[str]:
    """Kinds of events that never occurred: then nothing was tested about them."""
    return [kind for kind in EXPECTED if not totals[kind]]


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1]:
        seed = int(sys.argv[1])
        print(dict(live(seed, members_of(seed), trace=True)))
        return
    began = time.monotonic()
    totals: Counter[str] = Counter()
    lives = failed = 0
    seeds = count(int(time.time()) * 1000)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        try:
            while True:
                for seed, counts, wrong in pool.map(one, islice(seeds, 20)):
                    lives += 1
                    totals += counts
                    if wrong:
                        failed += 1
                        print(f"seed {seed} failed:\n{wrong}", flush=True)
                minutes = (time.monotonic() - began) / 60
                happened = ", ".join(f"{number:,} {kind}" for kind, number in sorted(totals.items()))
                print(
                    f"{lives} lives, {failed} failed, {lives / minutes:.1f} a minute: {happened}", flush=True
                )
        except KeyboardInterrupt:
            pass
    if missing := unseen(totals):
        print(f"never occurred: {', '.join(missing)}")
    sys.exit(1 if failed or missing else 0)


if __name__ == "__main__":
    main()
