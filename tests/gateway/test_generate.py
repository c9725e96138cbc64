"""The generated flow: the same for a seed, forever, and like a market."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from statistics import mean, stdev

import pytest
from click.testing import CliRunner
from console import told

from engine.machine import Machine
from gateway.flow import FlowRow, flow_line, play_flow
from gateway.flow_files import read_blocks, read_fills, read_flow
from gateway.generate import FlowGenerator
from gateway.generate_command import generate

FIRST_5000_OF_SEED_1 = "c5e1b86b1dd0a9e240aa599ed04e0916d8d32df349daacfcfe94c8ea00e8bfec"


def test_a_seed_gives_the_same_flow_forever() -> None:
    """On every machine and Python; whoever changes the generator on purpose changes this hash."""
    text = "".join(map(flow_line, FlowGenerator(5000, seed=1).flow()))
    assert hashlib.sha256(text.encode()).hexdigest() == FIRST_5000_OF_SEED_1
    assert text != "".join(map(flow_line, FlowGenerator(5000, seed=2).flow()))


def test_it_looks_like_a_market() -> None:
    generator = FlowGenerator(20_000, seed=3)
    rows = list(generator.flow())
    actions = Counter(row.action for row in rows)
    assert len(rows) == 20_000
    assert 0.6 < actions["CANCEL"] / actions["NEW"] < 1
    assert 0.02 < len(generator.fills) / len(rows) < 0.3
    assert {row.tif for row in rows} == {"GTC", "POST", "IOC", ""}
    times = [row.time_ns for row in rows]
    assert times == sorted(times)
    gaps = [late - early for early, late in pairwise(times[400:])]
    assert stdev(gaps) > 1.3 * mean(gaps), "the arrivals are not clustered: a Poisson process has 1"


@pytest.mark.parametrize("rows", [1, 3, 10, 400])
def test_short_flows(rows: int) -> None:
    assert len(list(FlowGenerator(rows, seed=1).flow())) == rows


def test_the_command_writes_a_flow_and_the_fills_it_brings_about(tmp_path: Path) -> None:
    flow, fills = tmp_path / "day.csv.gz", tmp_path / "fills.csv"
    result = CliRunner().invoke(
        generate, ["--rows", "3000", "--seed", "5", "--out", str(flow), "--fills", str(fills)]
    )
    assert result.exit_code == 0, result.output
    machine = Machine()
    machine.define()
    played = [fill for block, _ in play_flow(read_blocks(flow), machine) for fill in block]
    assert played == list(read_fills(fills))
    assert len(list(read_flow(flow))) == 3000


def test_a_place_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = told(monkeypatch, capsys, "generate", "--rows", "10", "--out", "/nonexistent/day.csv")
    assert (code, error) == (1, "quorumbook: /nonexistent/day.csv: No such file or directory\n")


@pytest.mark.parametrize("name", ["day.csv", "day.csv.gz", "day.csv.zst"])
def test_who_is_interrupted_leaves_no_half_file_and_the_one_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / name
    assert CliRunner().invoke(generate, ["--rows", "10", "--out", str(out)]).exit_code == 0
    before = out.read_bytes()
    flow = FlowGenerator.flow

    def interrupted(self: FlowGenerator) -> Iterator[FlowRow]:
        yield from islice(flow(self), 50)
        raise KeyboardInterrupt

    monkeypatch.setattr(FlowGenerator, "flow", interrupted)
    assert CliRunner().invoke(generate, ["--rows", "100", "--out", str(out)]).exit_code != 0
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    link = tmp_path / "null.csv"
    link.symlink_to("/dev/null")
    assert CliRunner().invoke(generate, ["--rows", "10", "--out", str(link)]).exit_code == 0
    assert Path("/dev/null").is_char_device()
    assert list(tmp_path.iterdir()) == [link]
