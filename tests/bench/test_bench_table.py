"""`python -m bench`: what is run, what becomes of a run that fails, and the table."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as everything
from bench.table import rows

MATCH = {"bench": "match", "ns_op": 40.0, "cpu_ns_op": 39.0, "floor_ns_op": 13.0, "instruments": 1}
ONE = {
    "bench": "wire", "what": "one in flight", "run": "wire", "transport": "tcp", "placement": "free",
    "exchange_latency_us_p50": 200.0, "exchange_latency_us_p99": 300.0, "floor_latency_us_p50": 100.0,
    "floor_latency_us_p99": 150.0, "ratio": 2.0, "synced_echo_latency_us_p50": 160.0, "synced_echo_ratio": 1.25,
}  # fmt: skip


def cells(*lines: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows(list(lines))]


@pytest.mark.parametrize("own", ["", "own "])
@pytest.mark.parametrize(("ns", "reached"), [(120.0, True), (121.0, False)])
def test_many_instruments_stand_beside_w1_of_the_same_run(own: str, ns: float, reached: bool) -> None:
    w1 = MATCH | {"run": f"{own}W1"}
    many = MATCH | {"run": f"{own}W1, 10,000 instruments", "instruments": 10_000, "ns_op": ns}
    first, second = cells(w1, many)
    assert first == (f"{own}W1", "40 ns/operation (cpu 39)", "40 ns", True, "13 ns", "3.0")
    assert second[1:4] == (f"{ns:.0f} ns/operation (cpu 39), 3.0 x W1", "3 x W1", reached)
    assert cells(many)[0][3] is None  # without W1 nothing can be said


def test_flash1_counts_by_its_worst_scenario() -> None:
    lines = [MATCH | {"run": f"flash1 {name}", "ns_op": ns} for name, ns in (("a", 50.0), ("b", 101.0))]
    *_, worst = cells(*lines)
    assert worst[:4] == ("flash1, worst of 2", "9.9 M/s (b)", "10 M/s", False)


def test_one_in_flight_stands_beside_its_floor() -> None:
    ((_, figure, reach, reached, floor, ratio),) = cells(ONE)
    assert (figure, floor) == ("p50 200 µs, p99 300 µs", "p50 100 µs, p99 150 µs; synced 160")
    assert (reach, reached, ratio) == ("1.3 x floor", False, "2.00; 1.25")
    assert cells(ONE | {"ratio": 1.29})[0][3]


def test_rows_of_sessions_say_what_was_reached() -> None:
    crowd = {"bench": "heartbeats", "run": "sessions", "sessions": 2000, "core": 0.042, "floor_core": 0.021}
    resend = {"bench": "resend", "run": "sessions", "messages": 100_000, "seconds": 1.5}
    ((_, figure, _, reached, floor, ratio),) = cells(crowd)
    assert (figure, reached, floor, ratio) == ("4.2% of a core", True, "echo 2.1%", "2.0")
    assert not cells(crowd | {"core": 0.05})[0][3]
    assert cells(resend | {"calm_p99_us": 300.0, "meanwhile_p99_us": 600.0})[0][3]
    assert not cells(resend | {"calm_p99_us": 300.0, "meanwhile_p99_us": 601.0})[0][3]
    assert not cells(resend | {"seconds": 2.0, "calm_p99_us": 300.0, "meanwhile_p99_us": 300.0})[0][3]


def test_rows_of_a_crowd_in_a_cluster_say_what_was_reached() -> None:
    line = {"bench": "crowds", "run": "crowds", "what": "auction", "orders": 1_000_000, "seconds": 1.25}
    line |= {"latency_us_p50": 2_500.0, "ms_max": 250.0, "calm_ms_max": 9.0, "elections": 0}
    ((what, figure, _, reached, floor, _),) = cells(line)
    assert (what, reached, floor) == ("1,000,000 in a cluster: auction", True, "9 ms before")
    assert figure == "1.2 s; others at most 250 ms, p50 2.5"
    assert not cells(line | {"ms_max": 251.0})[0][3]
    ((_, figure, _, reached, _, _),) = cells(line | {"elections": 1})
    assert (figure[-11:], reached) == ("1 elections", False)


def test_rows_of_the_rule_book_say_what_was_reached() -> None:
    plain = {"bench": "rulebook", "run": "rulebook", "what": "plain path", "before": 400.0}
    stop = {"bench": "rulebook", "run": "rulebook", "what": "stop", "ns": 120.0, "limit_ns": 40.0}
    crowd = {
        "bench": "rulebook",
        "run": "rulebook",
        "orders": 1_000_000,
        "floor_ms": 10.0,
        "reports": 500_000,
    }
    auction = crowd | {"what": "an auction, half of them trade", "longest_ms": 0.5}
    told = cells(plain | {"instructions": 411.9})[0]
    assert told[:4] == ("plain path", "411.9 instructions, +3.0%", "+3%", True)
    assert not cells(plain | {"instructions": 412.1})[0][3]
    assert cells(stop | {"times": 3.0})[0][1:4] == ("120 ns, 3.0 x a limit order", "3 x", True)
    assert not cells(stop | {"times": 3.1})[0][3]
    ((what, figure, reach, reached, floor, ratio),) = cells(auction | {"ms": 100.0})
    assert what == "1,000,000: an auction, half of them trade"
    assert (figure, reach) == ("100.0 ms, longest piece 0.50 ms", "100 ms, pieces 5 ms")
    assert (reached, floor, ratio) == (True, "10.0 ms", "10")
    assert not cells(auction | {"ms": 100.1})[0][3]
    assert not cells(auction | {"ms": 1.0, "longest_ms": 5.1})[0][3]
    calm = crowd | {"what": "expiries", "ms": 9e9, "longest_ms": 5.0, "reports": 2}
    assert cells(calm)[0][3:] == (True, "", "")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two programs instead of the benchmarks: one measures, one fails after its first line."""
    line = json.dumps({name: value for name, value in ONE.items() if name != "run"})
    for name, text in {
        "good": f"print({json.dumps(line)})",
        "bad": f"import sys\nprint({json.dumps(line)})\nsys.exit('the disk is gone')",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    programs = [everything.Run(name, [str(tmp_path / f"{name}.py")]) for name in ("bad", "good")]
    monkeypatch.setattr(everything, "runs", lambda directory, quick: programs)
    monkeypatch.setattr(everything, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(everything, "MADE", tmp_path / "made")
    return tmp_path / "results"


def test_a_run_that_fails_is_told_and_the_others_stand(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench"])
    assert everything.main() == 1
    told = capsys.readouterr().out
    assert "failed: bad: the disk is gone" in told
    assert told.count("one in flight, tcp, free") == 2
    (path,) = results.glob("*.jsonl")
    assert [json.loads(line)["run"] for line in path.read_text().splitlines()] == ["bad", "good"]


def test_names_choose_what_is_run(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "good"])
    assert everything.main() == 0
    monkeypatch.setattr(sys, "argv", ["bench", "other"])
    with pytest.raises(SystemExit) as error:
        everything.main()
    assert error.value.code == 2
    assert "no benchmark begins with other; there are bad, good" in capsys.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_without_shared_workloads_our_own_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(everything, "MADE", tmp_path)
    if there:
        for name in ("own-w1", "own-w2"):
            (tmp_path / f"{name}.bin.ref.json").touch()
    names = [run.name for run in everything.runs(None, quick=False)]
    making = [name for name in names if name.endswith(everything.MAKING)]
    assert making == ([] if there else ["own W1: making its file", "own W2: making its file"])
    assert {"own W2", "own W1, 10,000 instruments", "own W1, Python API", "memory", "wire"} <= set(names)
    assert not any(name.startswith("flash1") for name in names)


def test_choosing_a_workload_makes_its_file(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = str(results.parent / "good.py")
    names = [f"own W1{everything.MAKING}", f"own W2{everything.MAKING}", "own W1", "own W2"]
    monkeypatch.setattr(
        everything, "runs", lambda directory, quick: [everything.Run(name, [program]) for name in names]
    )
    monkeypatch.setattr(sys, "argv", ["bench", "w2"])
    assert everything.main() == 0
    (path,) = results.glob("*.jsonl")
    ran = [json.loads(line)["run"] for line in path.read_text().splitlines()]
    assert ran == [f"own W2{everything.MAKING}", "own W2"]


def test_rows_of_a_cluster_say_what_was_reached() -> None:
    replicate = {"bench": "replicate", "run": "replicate", "transport": "tcp", "latency_us_p99": 1000}
    failover = {"bench": "failover", "run": "failover", "count": 3}
    one = replicate | {
        "what": "one in flight",
        "client_at": "leader",
        "floor_us_p50": 400,
        "durability": "disk",
    }
    memory = one | {"durability": "memory"}
    snapshot = failover | {"what": "snapshot", "resting": 5, "seconds": 3, "before_ms": 2}
    kill = failover | {"pause_ms_worst": 20, "closed_ms_median": 4, "reconnected_ms_median": 30}
    behind = failover | {"what": "behind", "commands": 5, "seconds": 3, "before_us_p99": 10}
    lines = [
        (one | {"latency_us_p50": 900, "ratio": 2.2}, False),
        (one | {"latency_us_p50": 500, "ratio": 1.2}, True),
        (one | {"latency_us_p50": 900, "ratio": 2.2, "reach_us": 950, "link_us_p50": 50.4}, True),
        (memory | {"latency_us_p50": 150, "ratio": 1.5}, True),
        (memory | {"latency_us_p50": 170, "ratio": 1.7}, False),
        (snapshot | {"silence_ms": 19}, True),
        (snapshot | {"silence_ms": 21}, False),
        (replicate | {"what": "false elections", "seconds": 5, "rate": 10, "elections": 1}, False),
        (kill | {"what": "kill", "pause_ms_median": 12}, False),
        (kill | {"what": "kill with 1,000,000 resting orders", "pause_ms_median": 12}, True),
        (kill | {"what": "freeze", "pause_ms_median": 200}, True),
        (kill | {"what": "transfer", "pause_ms_median": 8}, False),
        (kill | {"what": "cut off", "pause_ms_median": 200}, True),
        (failover | {"what": "kills", "kills": 20, "led": 9, "orders": 7_000, "reports": 9}, True),
        (behind | {"during_us_p99": 15}, True),
        (behind | {"during_us_p99": 21}, False),
    ]
    found = list(rows([line for line, _ in lines]))
    assert [row.reached for row in found] == [reached for _, reached in lines]
    assert found[8].reach == "median 10 ms, worst 60 ms"
    assert found[13].what == "lost, done twice, missing over 20 kills, 9 of the leader"
    assert found[13].figure == "0 of 7,000 orders and 9 reports"
