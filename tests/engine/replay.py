"""Replays logs of commands and prints what came of each: `python replay.py ENGINE LOG ...`.

For interpreters and builds other than the one under test: it needs NumPy and the folder that holds `engine`, no more.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np


def digests(commands: bytes, folder: str = "") -> str:
    """Of all reports, and of the state behind the last; by the engine of a folder, if one is given."""
    from engine import machine as compiled
    from engine.records import COMMAND

    assert compiled.__file__.startswith(folder), f"{compiled.__file__} is another engine"
    machine = compiled.Machine()
    reports = machine.apply(np.frombuffer(commands, COMMAND))
    return f"{hashlib.sha256(reports.tobytes()).hexdigest()} {machine.state_hash()}"


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    for log in sys.argv[2:]:
        print(digests(Path(log).read_bytes(), sys.argv[1]))
