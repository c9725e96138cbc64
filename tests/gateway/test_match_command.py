"""`quorumbook match`: counts, fills and state hash of a flow; a user's mistake is told in one line."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from console import told

from gateway.flow_files import read_fills, write_flow
from gateway.generate import FlowGenerator
from gateway.match_command import match


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FlowGenerator]:
    generator = FlowGenerator(5000, seed=4)
    path = tmp_path_factory.mktemp("match") / "day.csv.zst"
    write_flow(path, generator.flow())
    return path, generator


def test_it_prints_counts_rate_and_hash_and_writes_the_fills(
    day: tuple[Path, FlowGenerator], tmp_path: Path
) -> None:
    path, generator = day
    fills = tmp_path / "fills.csv"
    results = [
        CliRunner().invoke(match, [str(path), "--fills", str(fills), "--symbol", "TEST"]) for _ in range(2)
    ]
    assert results[0].exit_code == 0, results[0].output
    assert list(read_fills(fills)) == generator.fills
    output = results[0].output
    assert f"TEST: 5,000 rows, {len(generator.fills):,} fills" in output
    assert re.search(r"still open +" + str(generator.machine.live_orders), output)
    assert re.search(r"rate: [\d,]+ rows/s", output)
    hashes = [re.search(r"state hash: ([0-9a-f]{64})\n", result.output) for result in results]
    assert hashes[0]
    assert hashes[1]
    assert hashes[0][1] == hashes[1][1]


def test_refusals_are_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "flow.csv"
    path.write_text(
        "seq,time_ns,action,order_id,side,price_ticks,qty,tif\n1,1,CANCEL,5,B,1,0,\n2,2,CANCEL,6,B,1,0,\n"
    )
    result = CliRunner().invoke(match, [str(path)])
    assert result.exit_code == 0
    assert "unknown_order 2" in result.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "seq,time_ns,action,order_id,side,price_ticks,qty,tif\n1,1,NEW,5,B,1,x,GTC\n",
            "line 2, column qty: 'x'",
        ),
        ("hello\n", "line 1: the header is 'hello'"),
        ("", "line 1: the header is ''"),
        (None, "No such file"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    expected: str,
) -> None:
    path = tmp_path / "flow.csv"
    if text is not None:
        path.write_text(text)
    code, error = told(monkeypatch, capsys, "match", str(path))
    assert code == 1
    assert error.startswith("quorumbook: ")
    assert expected in error
    assert str(path) in error
    assert error.count("\n") == 1


def test_a_directory_is_no_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = told(monkeypatch, capsys, "match", str(tmp_path))
    assert (code, error) == (1, f"quorumbook: {tmp_path}: Is a directory\n")
