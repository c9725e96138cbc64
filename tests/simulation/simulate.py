"""`make sim`: lives of simulated clusters until it is stopped. `make sim SEED=n` lives one again, with a trace.

The seed decides what kind of cluster it is, too: how many members, whether their logs reach back to the beginning, and
whether their programs are upgraded.
"""

import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice

from cluster_life import live

LIVES = 50  # between two reports
EXPECTED = (
    "a copy of the vote rotten",
    "activated",
    "all lost power",
    "another vote asked",
    "applied elsewhere",
    "auction",
    "auction remainder",
    "band remainder",
    "busted",
    "cancelled on disconnect",
    "clock set",
    "closed for the day",
    "crashed before answer to a client",
    "crashed before answer to a sync",
    "crashed before message",
    "crashed before pwrite",
    "crashed before sync",
    "crashed in the middle",
    "cut off",
    "cut one way",
    "decremented",
    "delisted",
    "disk full",
    "disk hung",
    "downgraded",
    "elections",
    "expired",
    "expired under another leader",
    "file lost",
    "file names lost",
    "first start again",
    "frozen",
    "gone for good",
    "grown again",
    "grown from one",
    "halted",
    "halted by a breaker",
    "handed over",
    "hung up",
    "iceberg refreshed",
    "inputs lost",
    "killed",
    "mass cancelled",
    "member added",
    "member promoted",
    "member removed",
    "message lost",
    "message overtaken",
    "message repeated",
    "minimum unfillable",
    "numbers reset",
    "old program refused",
    "old program stopped",
    "old term not counted",
    "older directory",
    "operation refused by older rules",
    "operator answered",
    "operator refused",
    "phase ended",
    "phase ended under another leader",
    "power lost",
    "power lost in a recovery",
    "power lost in a sync",
    "promise lost",
    "re-proposals",
    "recovered without all",
    "refused by older rules",
    "repairs",
    "repairs that know the end",
    "repeated what was missed",
    "replaced",
    "repriced",
    "resend asked",
    "rotten",
    "schedule steps",
    "self-match prevented",
    "skipped inputs",
    "slow",
    "snapshots installed",
    "snapshots made",
    "states compared",
    "stop triggered",
    "stopped by a full disk",
    "stopped by the kill switch",
    "stopped cleanly",
    "synced tail lost",
    "takeovers",
    "too many open orders",
    "transfer",
    "truncations",
    "two disks rotten",
    "unsynced bytes lost",
    "upgraded",
    "walked away",
    "went on alone",
)


def members_of(seed: int) -> int:
    """Of the first start."""
    return {3: 5, 7: 5, 5: 1}.get(seed % 8, 3)


def life(seed: int, *, trace: bool = False) -> Counter[str]:
    return live(seed, members_of(seed), trace, forgets=seed % 3 == 2, mixed=seed % 5 in (1, 3))


def one(seed: int) -> tuple[int, Counter[str], str]:
    """What happened, and what went wrong."""
    try:
        return seed, life(seed), ""
    except Exception:
        return seed, Counter(), traceback.format_exc(limit=-3)


def finding(seeds: Iterable[int]) -> str:
    """What goes wrong in the first of these lives in which anything does; its last line."""
    for seed in seeds:
        _, _, wrong = one(seed)
        if wrong:
            return wrong.strip().splitlines()[-1]
    return "nothing"


def unseen(totals: Counter[str]) -> list[str]:
    """Kinds of events that never occurred: then nothing was tested about them."""
    return [kind for kind in EXPECTED if not totals[kind]]


def report(lives: int, seconds: float, totals: Counter[str]) -> str:
    happened = ", ".join(f"{number:,} {kind}" for kind, number in sorted(totals.items()))
    return f"{lives} lives, {lives / seconds * 60:.1f} a minute: {happened}"


def deaf() -> None:
    """Control-C is for the process that counts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_until_stopped() -> int:
    """The exit code."""
    began = time.monotonic()
    totals: Counter[str] = Counter()
    lives = failed = 0
    seeds = count(time.time_ns() // 1_000_000)
    pool = ProcessPoolExecutor(os.cpu_count(), initializer=deaf)
    try:
        while True:
            for seed, counts, wrong in pool.map(one, islice(seeds, LIVES)):
                lives += 1
                totals += counts
                if wrong:
                    failed += 1
                    print(f"seed {seed} failed (make sim SEED={seed}):\n{wrong}", flush=True)
            print(f"{failed} failed of {report(lives, time.monotonic() - began, totals)}", flush=True)
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
    if missing := unseen(totals):
        print(f"never occurred: {', '.join(missing)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    if sys.argv[1:]:
        print(dict(life(int(sys.argv[1]), trace=True)))
    else:
        sys.exit(run_until_stopped())
