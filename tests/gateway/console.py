"""The console command as a user meets it, without a process."""

import sys

import pytest

from gateway.cli import main


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Exit code and standard error of `quorumbook ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["quorumbook", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err
