"""The golden log: what rules version 1 made of these commands, it makes of them for ever.

The commands are generated traffic with extremes and garbage; every kind of report and every reason is among them. A
test that fails here means that logs in the world would no longer replay to their state: new rules get a new version
and a golden log of their own, and these files stay as they are. Version 2 judges commands as version 1 does: only the
state's hash, which names the version, is its own.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import machine, reference
from engine.records import COMMAND, REPORT, RULES_VERSION, Reason, ReportKind

GOLDEN = Path(__file__).parent / "golden"


def records(name: str, dtype: Any) -> Any:
    return np.frombuffer(gzip.decompress((GOLDEN / f"rules_1.{name}.gz").read_bytes()), dtype)


@pytest.mark.parametrize("kind", [machine, reference], ids=["machine", "reference"])
@pytest.mark.parametrize("batch", [1, 97, 10_000])
def test_the_golden_log_replays_byte_for_byte(kind: Any, batch: int) -> None:
    commands, expected = records("commands", COMMAND), records("reports", REPORT)
    one = kind.Machine()
    reports = [one.apply(commands[at : at + batch]) for at in range(0, len(commands), batch)]
    assert np.concatenate(reports).tobytes() == expected.tobytes()
    assert one.state_hash() == (GOLDEN / f"rules_{RULES_VERSION}.state_hash").read_text().strip()


def test_the_golden_log_holds_every_kind_and_reason() -> None:
    reports = records("reports", REPORT)
    assert set(reports["kind"].tolist()) == set(ReportKind)
    assert set(reports["reason"].tolist()) == set(Reason)
