"""The examples of docs/client.md, run as they stand against a real exchange."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.running import ROOT, Running

SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.mark.parametrize("transport", ["fix_tcp", "fix_zmq"])
def test_the_examples_run_and_print_what_they_say(
    exchange: Running,
    transport: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    endpoints = exchange.endpoints
    names: dict[str, Any] = {
        "ENDPOINT": endpoints[transport], "FEED": endpoints["feed"], "SNAPSHOT": endpoints["snapshot"]
    }  # fmt: skip
    assert len(SNIPPETS) >= 8
    for snippet in SNIPPETS:
        exec(compile(snippet, "docs/client.md", "exec"), names)
        printed = capsys.readouterr().out
        for promise in re.findall(r"print\(.*\) +# (.*)", snippet):
            assert promise in printed
        if "101.255" in snippet:
            assert printed.startswith("REJECTED Price (44) is not a multiple")
