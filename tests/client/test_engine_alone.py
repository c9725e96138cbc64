"""Where only the engine is built (macOS): what works there, and what the rest says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.running import ROOT

START = "import sys, setuptools, Cython.Build; sys.platform = 'darwin'; "


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with the engine's compiled modules and without the gateway's."""
    root = tmp_path_factory.mktemp("elsewhere")
    for package in ("engine", "replication", "gateway"):
        (root / package).mkdir()
        for file in (ROOT / package).iterdir():
            if file.suffix == ".py" or (file.suffix == ".so" and package == "engine"):
                shutil.copy(file, root / package)
    (root / "quorumbook.py").write_bytes((ROOT / "quorumbook.py").read_bytes())
    return root


def run(root: Path, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", START + code, *arguments],
        capture_output=True, text=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip


def test_the_engine_is_whole_and_the_client_says_what_is_missing(elsewhere: Path) -> None:
    code = """
import quorumbook as qb
machine = qb.Machine()
aapl = machine.define()
assert machine.submit(aapl, qb.BUY, 1, price=1, owner=1)[0].kind is qb.ReportKind.ACCEPTED
print(len(list(qb.FlowGenerator(10, 1).flow())))
try:
    qb.connect
except ImportError as error:
    print(error)
"""
    done = run(elsewhere, code)
    assert done.stderr == ""
    rows, error = done.stdout.splitlines()
    assert rows == "10"
    assert error.startswith("quorumbook.connect needs the compiled module gateway.")
    assert "outside Linux only the engine is" in error


def test_the_commands_of_the_engine_work_and_the_others_say_so(elsewhere: Path, tmp_path: Path) -> None:
    code = "from gateway.cli import main; main()"
    flow = str(tmp_path / "flow.csv")
    assert run(elsewhere, code, "generate", "--rows", "10", "--out", flow).returncode == 0
    assert "state hash" in run(elsewhere, code, "match", flow).stdout
    assert "the server runs on Linux only" in run(elsewhere, code, "serve").stderr
    for arguments in (
        ("orders",),
        ("watch", "AAPL"),
        ("replay", str(tmp_path)),
        ("play", flow, "--symbol", "AAPL"),
    ):
        done = run(elsewhere, code, *arguments)
        assert done.returncode == 1
        assert "which is not built here: outside Linux only the engine is" in done.stderr
        assert done.stderr.count("\n") == 1


def test_setup_builds_the_engine_alone_elsewhere() -> None:
    code = """
built = []
setuptools.setup = lambda **given: built.extend(given["ext_modules"])
Cython.Build.cythonize = lambda extensions, **_: extensions
import runpy
runpy.run_path(sys.argv[1])
print({one.name.partition(".")[0] for one in built})
print({library for one in built for library in one.libraries})
"""
    done = run(ROOT, code, str(ROOT / "setup.py"))
    assert done.stdout.splitlines() == ["{'engine'}", "set()"], done.stderr
