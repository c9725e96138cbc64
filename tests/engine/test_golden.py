"""The golden logs: what a version of the rules made of these commands, it makes of them for ever.

Version 1's commands are generated traffic with extremes and garbage. Version 2 judges commands as version 1 does: only
the state's hash, which names the version, is its own. Version 3's are a mixed day (golden_log.py). Every kind of report
and every reason of a version is in its log.

A test that fails here means that logs in the world would no longer replay to their state: new rules get a new version
and a golden log of their own, and these files stay as they are.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import machine, reference
from engine.records import COMMAND, REPORT, Reason, ReportKind

GOLDEN = Path(__file__).parent / "golden"
LOG_OF = {1: 1, 2: 1, 3: 3}  # the log that a version of the rules replays
SINCE_3 = {reason for reason in Reason if 18 <= reason < Reason.REQUESTED or reason >= 68}


def records(name: str, dtype: Any) -> Any:
    return np.frombuffer(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()), dtype)


@pytest.mark.parametrize("rules", LOG_OF)
@pytest.mark.parametrize("kind", [machine, reference], ids=["machine", "reference"])
@pytest.mark.parametrize("batch", [1, 97, 10_000])
def test_the_golden_log_replays_byte_for_byte(kind: Any, batch: int, rules: int) -> None:
    commands = records(f"rules_{LOG_OF[rules]}.commands", COMMAND)
    expected = records(f"rules_{LOG_OF[rules]}.reports", REPORT)
    one = kind.Machine(rules=rules)
    reports = [one.apply(commands[at : at + batch]) for at in range(0, len(commands), batch)]
    assert np.concatenate(reports).tobytes() == expected.tobytes()
    assert one.state_hash() == (GOLDEN / f"rules_{rules}.state_hash").read_text().strip()


@pytest.mark.parametrize(
    ("version", "kinds", "reasons"),
    [
        (1, {kind for kind in ReportKind if kind <= ReportKind.REPLACED}, set(Reason) - SINCE_3),
        (3, set(ReportKind), set(Reason)),
    ],
)
def test_the_golden_log_holds_every_kind_and_reason(
    version: int, kinds: set[ReportKind], reasons: set[Reason]
) -> None:
    reports = records(f"rules_{version}.reports", REPORT)
    assert set(reports["kind"].tolist()) == kinds
    assert set(reports["reason"].tolist()) == reasons
