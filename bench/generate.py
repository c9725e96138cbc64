"""Workloads of our own for the matching benchmark: `python -m bench.generate OUT.bin [--resting N] [--count N]`.

The mix is W1's (bench/order_mix.py): 10,000 orders rest, then a million operations; with `--resting 200000` it is W2's,
a book that has left the cache. What must come out is written to OUT.bin.ref.json: the trades of engine/reference.py,
the slow and obvious engine, which takes half a minute for each. The numbers are not those of W1 and W2: the flow has
the same shape and another seed's values.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from bench.match import batches, positive, trade_figures
from bench.order_mix import PREFILL, operations
from bench.workload import HEADER, MAGIC, VERSION, commands_of
from engine import reference


def write(path: Path, resting: int, count: int, seed: int) -> dict[str, int | str]:
    """Writes both files, the answers last; returns the answers."""
    made = operations(count, seed, resting)
    commands = commands_of(made)
    machine = reference.Machine()
    machine.define()
    reports = np.concatenate([machine.apply(batch) for batch in batches(commands, 1024)])
    answers = {"seed": seed, "prefill": resting, "timed": count, "live": machine.live_orders}
    answers |= trade_figures(reports, None)
    path.write_bytes(HEADER.pack(MAGIC, VERSION, resting, len(made)) + made.tobytes())
    path.with_name(path.name + ".ref.json").write_text(json.dumps(answers, indent=1) + "\n")
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.generate", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("out", type=Path, metavar="OUT.bin")
    parser.add_argument("--resting", type=positive, default=PREFILL, help="orders that rest before (10,000)")
    parser.add_argument(
        "--count", type=positive, default=1_000_000, help="operations to be timed (1,000,000)"
    )
    parser.add_argument("--seed", type=positive, default=1)
    options = parser.parse_args()
    try:
        answers = write(options.out, options.resting, options.count, options.seed)
    except OSError as error:
        print(f"bench.generate: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
