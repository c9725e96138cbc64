"""kill -9 of the leader or of another replica while six clients trade: what was lost, done twice or not told.

    python -m bench.kills [--kills N]

Runs tests/processes/test_cluster_kills.py, which keeps the clients' books: every order that was acknowledged is in the
log of every replica once, and every report was got once. Prints a JSON line, or what was wrong.
"""

import argparse
import json
import os
import re
import subprocess
import sys

from bench.processes import ROOT
from bench.surroundings import surroundings

TEST = "tests/processes/test_cluster_kills.py::test_kills_lose_and_repeat_nothing"
KILLS = 20  # of one cluster
SEEDS = 10
FEW = 6  # of the cluster that every run of the suite kills
SAID = re.compile(
    r"^(\d+) kills, (\d+) of the leader; .*; ([\d,]+) orders acknowledged, ([\d,]+) reports: 0 lost, 0 executed twice, "
    r"0 missing or repeated$",
    re.M,
)


class Failed(Exception):
    """Something was lost, done twice or not told; in the test's words."""


def tests(kills: int) -> list[str]:
    seeds = range(1, kills // KILLS + 1)
    return [f"{TEST}[0-{FEW}]"] if kills == FEW else [f"{TEST}[{seed}-{KILLS}]" for seed in seeds]


def measure(kills: int) -> dict[str, object]:
    """Raises Failed."""
    wanted = tests(kills)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-m", "", "-p", "no:cacheprovider", *wanted],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    found = SAID.findall(done.stdout)
    if done.returncode or len(found) != len(wanted):
        raise Failed("\n".join((done.stdout + done.stderr).strip().splitlines()[-20:]))
    counts = [[int(number.replace(",", "")) for number in one] for one in found]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    return {"what": "kills"} | dict(zip(("kills", "led", "orders", "reports"), totals, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kills", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=KILLS,
        choices=[FEW, *range(KILLS, (SEEDS + 1) * KILLS, KILLS)],
        metavar="N",
        help=f"{FEW}, or {KILLS} of each of up to {SEEDS} clusters: {KILLS} (the default), {2 * KILLS}, ... "
        f"{SEEDS * KILLS}",
    )
    options = parser.parse_args()
    try:
        result = measure(options.kills)
    except Failed as failed:
        print(f"bench.kills: {failed}", file=sys.stderr)
        return 1
    print(json.dumps({"bench": "failover"} | result | surroundings()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
