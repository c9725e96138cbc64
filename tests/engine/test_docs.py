"""docs/engine.md lists every reason with its number, and its example runs."""

import re
from pathlib import Path

from engine.records import Reason

TEXT = (Path(__file__).parents[2] / "docs" / "engine.md").read_text()


def test_every_reason_is_listed_with_its_number() -> None:
    listed = dict(re.findall(r"^\| (\d+) \| (\w+) \|", TEXT, re.MULTILINE))
    assert {int(number): name for number, name in listed.items()} == {
        reason.value: reason.name for reason in Reason if reason
    }


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["fork"].live_orders == 1  # type: ignore[attr-defined]
