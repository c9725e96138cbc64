"""What README and docs say is there, and what they say to type runs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.running import ENVIRONMENT, Running

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(path for room in ("docs", "engine", "replication", "gateway") for path in (ROOT / room).glob("*.md")),
]
TOOLS = ["git", "make", "gcc", "python3-dev", "python3-venv"]
FOR_TESTS = ["strace", "iproute2", "nftables", "openssl", "fiu-utils"]
NO_TOOLS = "/nonexistent"
# What the README shows of the session below that does not change from run to run.
SHOWN = [
    "filled 60 at 190.05",
    "100,000 rows, 14,945 fills -> day.csv.zst",
    "100,000 requests, 14,945 fills",
    "commands        100,008",
    "fills           14,946",
    "live orders     368",
    "verified        every byte and hash",
]


def typed(document: str) -> list[str]:
    """The commands that a document shows behind a prompt."""
    return re.findall(r"^\$ (.+)$", document, re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_file_names_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    links = [path.parent / link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    rooms = "engine|replication|gateway|tests|docs|examples|deploy"
    named = [ROOT / name for name in re.findall(rf"`((?:{rooms})/[\w./-]+)`", text)]
    assert [str(found) for found in links + named if not found.exists()] == []


class Shell:
    """A terminal of somebody whose exchange runs on the default data directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.exchange = Running(home)
        default = home / ".local" / "state"
        default.mkdir(parents=True)
        (default / "quorumbook").symlink_to(self.exchange.data)
        command = home / "bin" / "quorumbook"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gateway.cli "$@"\n')
        command.chmod(0o755)
        self.environment = {name: value for name, value in ENVIRONMENT.items() if name != "XDG_STATE_HOME"}
        self.environment |= {"HOME": str(home), "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def types(self, line: str) -> str:
        """What a command prints; AssertionError when it fails."""
        done = subprocess.run(
            line, shell=True, cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=200,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.exchange.stop()


def test_the_first_session_of_the_readme_runs_and_shows_what_it_says(shell: Shell) -> None:
    commands = typed(README)
    assert len(commands) >= 7
    printed = "".join(map(shell.types, commands))
    assert [shown for shown in SHOWN if shown not in README or shown not in printed] == []


def test_the_commands_of_the_command_line_page_run(shell: Shell) -> None:
    commands = typed((ROOT / "docs" / "cli.md").read_text())
    assert len(commands) >= 8
    printed = "".join(map(shell.types, commands))
    assert "since the last command: mine filled 40 at 101.25" in printed


def test_the_python_of_the_readme_runs(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    engine, client = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(engine, {})
    assert capsys.readouterr().out == "".join(
        f"{line}\n" for line in re.findall(r"^# (.*)", engine, re.MULTILINE)
    )
    names: dict[str, object] = {}
    exec(client.replace("tcp://127.0.0.1:7610", shell.exchange.endpoints["fix_zmq"]), names)
    assert names["order"].open  # type: ignore[attr-defined]


def test_the_debian_packages_are_the_same_everywhere() -> None:
    """README, what `make` asks for when all of them are missing, and what CI installs, with what some tests use."""
    told = subprocess.run(
        ["/bin/sh", ROOT / "deploy" / "check-tools.sh"],
        env={"PATH": NO_TOOLS}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    line = f"sudo apt-get install --yes {' '.join(TOOLS)}\n"
    assert told.returncode == 1
    assert told.stdout.endswith(line)
    assert line in README
    assert f"in {' '.join(TOOLS + FOR_TESTS)};" in (ROOT / ".ci" / "run").read_text()


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$1" in -V) echo Python 3.9.2 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    told = subprocess.run(
        ["/bin/sh", ROOT / "deploy" / "check-tools.sh", old],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert told.stdout == (
        f"Quorumbook needs Python 3.11 or later; {old} is Python 3.9.2. Set PYTHON=/path/to/python3.11\n"
    )
