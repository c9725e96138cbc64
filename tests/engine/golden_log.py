"""Records the golden log of the newest rules: `cd tests/engine && PYTHONPATH=../.. python golden_log.py`.

Only while the rules are not released: afterwards their golden log stays as it is for ever.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from engine_commands import command_of
from mixed_day import MixedDay

from engine import machine
from engine.records import RULES_VERSION

GOLDEN = Path(__file__).parent / "golden"
SEED = 20  # of a day on which everything happens, but for this
RARE = ("define", "buy 5 @ 1", "sell 3 @ 1", "reenter ref=1 owner=9 qty=max", "buy 5 @ 1 gtd=1")
CALM, WILD = 4000, 4000
"""Commands: first a mixed day as it is, then one on which every other command has a field that is anything."""


def commands() -> Any:
    day, one = MixedDay(SEED), machine.Machine()
    calm = day.played(one, CALM)
    day.spoiled = 50
    wild = day.played(one, WILD)
    book = one.copy().define()
    rare = [command_of(line, at, book) for at, line in enumerate(RARE)]
    for command in rare[1:]:
        command["owner"], command["instrument"] = 9, book
    return np.concatenate([calm, wild, *rare])


def keep(name: str, data: bytes) -> None:
    (GOLDEN / f"rules_{RULES_VERSION}.{name}.gz").write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    one, log = machine.Machine(), commands()
    keep("commands", log.tobytes())
    keep("reports", one.apply(log).tobytes())
    (GOLDEN / f"rules_{RULES_VERSION}.state_hash").write_text(one.state_hash() + "\n")
