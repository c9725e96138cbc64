"""`quorumbook serve` with a dictionary that it cannot use: said in one line, and nothing is begun."""

from pathlib import Path

import pytest
from console import told

FIELD = '<fields><field number="{}" name="{}" type="{}"/></fields>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<fix", "{file}, line 1: not XML: unclosed token"),
        ('<fix major="5" minor="0"/>', "{file}, line 1: <fix>: it is of FIX.5.0; allowed: FIX.4.4"),
        (
            f'<fix major="4" minor="4">\n{FIELD.format(11, "ClOrdID", "INT")}</fix>',
            "{file}: field 11 ClOrdID: its type is INT; the exchange reads a STRING",
        ),
        (None, "{file}: the dictionary cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("by", ["option", "configuration"])
def test_a_dictionary_that_is_of_no_use(
    text: str | None,
    said: str,
    by: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, config, data = tmp_path / "own.xml", tmp_path / "c.toml", tmp_path / "data"
    if text is not None:
        file.write_text(text)
    named = file if by == "configuration" else tmp_path / "none.xml"  # the option is the one that counts
    config.write_text(f'[fix]\ndictionary = "{named}"\n')
    option = ["--dictionary", str(file)] if by == "option" else []
    code, error = told(monkeypatch, capsys, "serve", "--config", str(config), "--data", str(data), *option)
    assert (code, error) == (1, f"quorumbook: {said.format(file=file)}\n")
    assert not data.exists()
