"""A short run of the fuzzer, where its modules are built."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scanner", reason="built where there are sanitizers: make sanitize, make fuzz")

FUZZ = Path(__file__).parent / "fuzz.py"
TESTS = FUZZ.parent.parent


def test_strangers_messages_by_the_scanner_and_the_exchange() -> None:
    """In a process of its own: it changes the tables that messages are scanned by, and may die. Cases that take new
    ways are kept."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS / 'gateway'}:{TESTS / 'processes'}"}
    ran = subprocess.run(
        [sys.executable, FUZZ, "--cases", "200000", "--seed", "2"],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, *_, last = re.findall(r"a corpus of (\d+)", ran.stdout.replace(",", ""))
    assert int(last) > int(first) + 100
