"""The examples run as a user runs them, and `import quorumbook` says what is in its way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import quorumbook
from gateway.flow_files import write_flow

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", ["agent", "step_loop"])
def test_an_example_imports_only_quorumbook(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.py").read_text()
    assert "import quorumbook as qb" in text
    for package in ("engine", "replication", "gateway"):
        assert f"import {package}" not in text
        assert f"from {package}" not in text


def test_the_agent_fares_according_to_its_latency(tmp_path: Path) -> None:
    write_flow(tmp_path / "day.csv.gz", quorumbook.FlowGenerator(4000, seed=7).flow())
    done = run(str(ROOT / "examples" / "agent.py"), "day.csv.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, _, *latencies = done.stdout.splitlines()
    assert first == "4,000 rows of flow"
    assert len(latencies) == 4
    assert all(int(line.split()[2].replace(",", "")) > 0 for line in latencies), "an agent never traded"
    again = run(str(ROOT / "examples" / "agent.py"), "day.csv.gz", cwd=tmp_path)
    assert again.stdout == done.stdout


def test_the_step_loop_does_not_sell_worse_than_evenly(tmp_path: Path) -> None:
    done = run(str(ROOT / "examples" / "step_loop.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    even, ahead, _ = done.stdout.splitlines()
    assert even.split()[2] == ahead.split()[4], "not the same quantity was sold"
    assert int(ahead.split()[-4].replace(",", "")) >= int(even.split()[-4].replace(",", ""))


def test_another_engine_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("")
    done = run("-c", "import quorumbook", cwd=tmp_path)
    assert done.returncode == 1
    assert f"needs its own package 'engine', which lies at {ROOT / 'engine'}" in done.stderr
    assert str(tmp_path / "engine") in done.stderr


def test_every_public_name_is_there() -> None:
    assert all(getattr(quorumbook, name) is not None for name in quorumbook.__all__)
    assert dir(quorumbook) == sorted([*quorumbook.__all__, "__version__"])
    with pytest.raises(AttributeError, match="nope"):
        _ = quorumbook.nope
