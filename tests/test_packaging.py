"""What others get: the source distribution, the wheel built from it, and an installation of that wheel.

Needs the package registry that pip uses.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from sysconfig import get_config_var
from typing import NamedTuple

import pytest

from gateway.sample_config import complete_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("packaging")]

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "replication", "gateway")
# Which files are there does not depend on how well the compiler optimises, and -O0 is much sooner done.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
    "QUORUMBOOK_OPTIMISE": "-O0"
}


def run(*command: str | Path, cwd: Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """AssertionError with all it said when it ends with another code."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, check=False)
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
    return done


class Built(NamedTuple):
    tracked: set[str]  # the repository's files
    sdist: Path
    wheel: Path
    version: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both distributions; the wheel comes from the unpacked sdist."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a checkout tells which files belong to the project")
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = run("git", "ls-files", "-z", cwd=ROOT).stdout.strip("\0").split("\0")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--outdir", dist, cwd=source)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Built(set(tracked), sdist, wheel, wheel.name.split("-")[1])


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a virtual environment that has the wheel and what it depends on."""
    environment = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", environment, cwd=environment)
    run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", built.wheel, cwd=environment)
    return environment / "bin"


def test_the_sdist_is_the_repository_and_nothing_generated(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {
        name for name in names if name in ("PKG-INFO", "setup.cfg") or name.startswith("quorumbook.egg-info/")
    }
    assert names - made == built.tracked - {".ci/run", ".ci/interop", ".gitignore"}


def test_the_wheel_holds_what_an_import_needs_and_no_more(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    about = f"quorumbook-{built.version}.dist-info"
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, "quorumbook.py", about}
    ours = [Path(name) for name in built.tracked if name.partition("/")[0] in PACKAGES]
    copied = {str(path) for path in ours if path.suffix in (".py", ".pxd", ".pyi", ".xml", ".typed")}
    compiled = {str(path.with_suffix(get_config_var("EXT_SUFFIX"))) for path in ours if path.suffix == ".pyx"}
    made = {name for name in names if name.startswith(about)}
    assert names - made == copied | compiled | {"quorumbook.py"}
    assert copied >= {f"{package}/py.typed" for package in PACKAGES}
    assert made >= {f"{about}/licenses/{name}" for name in ("LICENSE", "NOTICE")}


def test_an_installation_works_from_any_directory(built: Built, installed: Path, tmp_path: Path) -> None:
    command = installed / "quorumbook"
    assert run(command, "--version", cwd=tmp_path).stdout == f"quorumbook, version {built.version}\n"
    assert run(command, "config", cwd=tmp_path).stdout == complete_file()
    run(command, "generate", "--rows", "100", "--out", "flow.csv", cwd=tmp_path)
    assert "state hash" in run(command, "match", "flow.csv", cwd=tmp_path).stdout


def test_an_installation_has_all_that_its_modules_import(
    built: Built, installed: Path, tmp_path: Path
) -> None:
    code = """
import pkgutil, quorumbook
from importlib import import_module
for package in ("engine", "replication", "gateway"):
    for module in pkgutil.iter_modules(import_module(package).__path__, package + "."):
        import_module(module.name)
for name in quorumbook.__all__:
    getattr(quorumbook, name)
print(quorumbook.__version__, quorumbook.__file__)
"""
    version, place = run(installed / "python", "-c", code, cwd=tmp_path).stdout.split()
    assert version == built.version
    assert Path(place).is_relative_to(installed.parent)


def test_an_installation_says_what_shadows_it(installed: Path, tmp_path: Path) -> None:
    other = tmp_path / "engine.py"
    other.touch()
    said = run(installed / "python", "-c", "import quorumbook", cwd=tmp_path, code=1).stderr
    assert "Quorumbook needs its own package 'engine'" in said
    assert f"but Python finds {other}" in said
    run(installed / "quorumbook", "--version", cwd=tmp_path)  # a command looks into no directory but its own
