"""`python -m bench.kills`: what it makes of the words of the tests that kill."""

import subprocess
import sys

import pytest

from bench import kills

SAID = (
    "{} kills, 9 of the leader; 84 logons; 1,000 orders acknowledged, 2,500 reports: 0 lost, 0 executed twice, "
    "0 missing or repeated\n."
)


def ending(monkeypatch: pytest.MonkeyPatch, code: int, said: str) -> list[str]:
    """What the tests end with; the tests that were asked for are put into the list."""
    asked: list[str] = []

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        asked.extend(word for word in command if word.startswith("tests/"))
        return subprocess.CompletedProcess(command, code, said, "")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_kills_of_several_clusters_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ending(monkeypatch, 0, SAID.format(20) + "\n" + SAID.format(20))
    assert kills.measure(40) == {
        "what": "kills", "kills": 40, "led": 18, "orders": 2_000, "reports": 5_000,
    }  # fmt: skip
    assert asked == [f"{kills.TEST}[1-20]", f"{kills.TEST}[2-20]"]


@pytest.mark.parametrize(("code", "clusters"), [(1, 1), (0, 0)])
def test_a_loss_or_silence_fails_the_bench_in_the_tests_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, clusters: int
) -> None:
    ending(monkeypatch, code, f"{SAID.format(20) * clusters}\nan order is lost")
    monkeypatch.setattr(sys, "argv", ["kills"])
    assert kills.main() == 1
    assert "an order is lost" in capsys.readouterr().err


def test_the_tests_are_there() -> None:
    wanted = [one for count in (6, 200) for one in kills.tests(count)]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "", "-p", "no:cacheprovider", *wanted],
        capture_output=True, text=True, cwd=kills.ROOT, check=False,
    )  # fmt: skip
    assert found.stdout.splitlines()[: len(wanted)] == wanted
