"""The log of a mixed day gives the same reports and the same state however the engine was compiled, and for whom.

The other CPython is $QUORUMBOOK_OTHER_PYTHON, or the first of PYTHONS that is there and is not the one that runs.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mixed_day import MixedDay
from replay import digests

from engine import machine

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.13", "3.11", "3.12")
NEEDS = ("Cython>=3.3,<3.4", "numpy>=1.26", "setuptools>=77")  # as pyproject.toml has them
DAYS = range(700, 710)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("logs")
    for seed in DAYS:
        (folder / str(seed)).write_bytes(MixedDay(seed).played(machine.Machine(), 3_000).tobytes())
    return sorted(folder.iterdir())


def build(folder: Path, optimise: str, python: str) -> None:
    """The engine alone, compiled anew."""
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy2(ROOT / "setup.py", folder)
    environment = os.environ | {
        "QUORUMBOOK_OPTIMISE": optimise,
        "CFLAGS": optimise,
        "QUORUMBOOK_SANITIZE": "",
    }
    command = [python, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def replayed(python: str, folder: Path, logs: list[Path]) -> list[str]:
    command = [python, str(Path(__file__).with_name("replay.py")), str(folder), *map(str, logs)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


def other_python() -> str:
    """A CPython of another version than the one that runs."""
    if given := os.environ.get("QUORUMBOOK_OTHER_PYTHON"):
        return given
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in PYTHONS:
        names = [shutil.which(f"python{version}"), *installed.glob(f"{version}*/bin/python{version}")]
        for python in filter(None, names):
            asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
            if told == version != "{}.{}".format(*sys.version_info):
                return str(python)
    pytest.skip(
        f"no CPython {' or '.join(PYTHONS)} other than this one; $QUORUMBOOK_OTHER_PYTHON may name one"
    )


def test_a_mixed_day_is_the_same_without_optimisation(logs: list[Path], tmp_path: Path) -> None:
    """The one under test is built with -O3, unless somebody asked for another."""
    build(tmp_path, "-O0", sys.executable)
    assert replayed(sys.executable, tmp_path, logs) == [digests(log.read_bytes()) for log in logs]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_mixed_day_is_the_same_on_another_python(logs: list[Path], tmp_path: Path) -> None:
    made = subprocess.run(
        [other_python(), "-m", "venv", str(tmp_path / "venv")], capture_output=True, check=False
    )
    python = str(tmp_path / "venv" / "bin" / "python")
    needs = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "cython>=3.1",
        "numpy>=2",
        "setuptools",
    ]
    installed = subprocess.run(needs, capture_output=True, text=True, check=False)
    if made.returncode or installed.returncode:
        pytest.skip(f"what the build needs cannot be installed there: {installed.stderr[-200:]}")
    build(tmp_path / "built", "-O3", python)
    assert replayed(python, tmp_path / "built", logs) == [digests(log.read_bytes()) for log in logs]
