"""How fast a log is applied again, every checksum and hash verified: `python -m bench.replay DATA_DIR [--to INDEX]`.

The floor, in turn with it: the same log read, checksums and SHA-256 chain verified, and nothing applied. One JSON line
with the medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.surroundings import ROOT, surroundings
from replication.disk import read_log
from replication.files import LogError


class Failed(Exception):
    """`quorumbook replay` did not end well; its own words."""


def replayed(directory: Path, last: int | None) -> dict[str, str]:
    """What `quorumbook replay --verify` says, by name."""
    to = [] if last is None else ["--to", str(last)]
    command = [sys.executable, "-m", "gateway.cli", "replay", str(directory), "--verify", *to]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip() or f"quorumbook replay ended with exit code {done.returncode}")
    return {line[:15].strip(): line[15:].strip() for line in done.stdout.splitlines()}


def read_only(directory: Path, last: int | None) -> float:
    """Seconds to read and verify the log up to `last`."""
    began = time.perf_counter()
    for entry in read_log(str(directory), verify=True):
        if entry.index == last:
            break
    return time.perf_counter() - began


def measure(directory: Path, last: int | None, repeat: int) -> dict[str, Any]:
    """Raises Failed; LogError when the log cannot be read."""
    seconds, floor = [], []
    for _ in range(repeat):
        told = replayed(directory, last)
        seconds.append(float(told["seconds"].replace(",", "")))
        floor.append(read_only(directory, last))
    commands = int(told["commands"].replace(",", ""))
    return {
        "commands": commands,
        "commands_per_s": round(commands / statistics.median(seconds)),
        "floor_commands_per_s": round(commands / statistics.median(floor)),
        "ratio": round(statistics.median(seconds) / statistics.median(floor), 2),
        "repeat": repeat,
        "index": int(told["last index"]),
        "state_hash": told["state hash"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.replay", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("directory", type=Path, metavar="DATA_DIR")
    parser.add_argument("--to", type=int, metavar="INDEX", help="stop after this log index")
    parser.add_argument("--repeat", type=int, default=5, help="runs; the median counts (5)")
    options = parser.parse_args()
    try:
        result = measure(options.directory, options.to, max(1, options.repeat))
    except (Failed, LogError) as failed:
        print(f"bench.replay: {failed}", file=sys.stderr)
        return 1
    print(json.dumps({"bench": "replay", **result, **surroundings()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
