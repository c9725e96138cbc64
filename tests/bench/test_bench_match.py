"""`python -m bench.match`: right answers make one JSON line, wrong ones exit with 1, bad files are a sentence."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from bench import generate, match
from bench.workload import HEADER, MESSAGE, OPERATION

Ran = tuple[int, dict[str, Any] | None, str]


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    path = tmp_path / "small.bin"
    generate.write(path, resting=200, count=1_500, seed=7)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(path: Path, *arguments: str) -> Ran:
        monkeypatch.setattr(
            sys, "argv", ["match", "--workload", str(path), "--repeat", "1", *map(str, arguments)]
        )
        code = match.main()
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else None, told.err

    return run


def answers_of(path: Path) -> Path:
    return path.with_name(path.name + ".ref.json")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--api", "python"), ("--ids", "random"), ("--api", "python", "--ids", "random"), ("--batch", "7")],
    ids=" ".join,
)
def test_right_answers_make_one_line(workload: Path, run: Any, arguments: tuple[str, ...]) -> None:
    code, line, _ = run(workload, *arguments)
    assert code == 0
    published = json.loads(answers_of(workload).read_text())
    assert published["trades"] > 100
    assert {name: line[name] for name in match.ANSWERS} == {name: published[name] for name in match.ANSWERS}
    assert line["operations"] == 1_500
    assert {"ns_op", "cpu_ns_op", "floor_ns_op", "commit", "date", "cpu", "cores", "python"} <= line.keys()


def test_many_instruments_are_checked_against_each_alone(workload: Path, run: Any) -> None:
    code, line, _ = run(workload, "--instruments", "40")
    assert (code, line["checked"]) == (0, "each instrument alone")


@pytest.mark.parametrize("name", match.ANSWERS)
def test_another_answer_is_wrong(workload: Path, run: Any, name: str) -> None:
    published = json.loads(answers_of(workload).read_text())
    published[name] = published[name][::-1] if name == "hash" else published[name] + 1
    answers_of(workload).write_text(json.dumps(published))
    code, line, told = run(workload)
    assert (code, line) == (1, None)
    assert f"{name} is " in told
    assert str(published[name]) in told


def test_another_flow_is_wrong(workload: Path, run: Any) -> None:
    data = bytearray(workload.read_bytes())
    operations = np.frombuffer(data, OPERATION, offset=HEADER.size)
    marketable = int(np.flatnonzero(operations["op"] == 2)[0])
    operations["qty"][marketable] += 1
    workload.write_bytes(data)
    code, line, told = run(workload)
    assert (code, line) == (1, None)
    assert "published is" in told


FLASH1 = [  # type, side, ioc, zero, quantity, order, price
    (0, 1, 0, 0, 5, 11, 101),
    (0, 1, 0, 0, 5, 12, 100),
    (0, 0, 0, 0, 7, 13, 101),  # takes 12 at 100, then 2 of 11 at 101
    (2, 1, 0, 0, 4, 11, 99),  # loses its place, enters again
    (0, 0, 1, 0, 9, 14, 99),  # takes it, the rest is cancelled
    (1, 0, 0, 0, 0, 13, 0),  # gone long ago
    (2, 0, 0, 0, 1, 99, 1),  # never was
]
FLASH1_TEXT = """\
0,0,1,11,101,5
0,1,1,12,100,5
0,2,0,13,101,7
1,2,100,5,12,13
1,2,101,2,11,13
3,3,1,11,99,4
0,4,0,14,99,9
1,4,99,4,11,14
2,4,0,14,99
4,5,13
5,6,99"""


@pytest.mark.parametrize("api", ["batch", "python"])
@pytest.mark.parametrize("ending", ["raw", "zst"])
def test_a_flash1_scenario_is_checked_by_its_report_text(
    tmp_path: Path, run: Any, api: str, ending: str
) -> None:
    data = np.array(FLASH1, MESSAGE).tobytes()
    path = tmp_path / f"scenario.{ending}"
    path.write_bytes(zstandard.compress(data) if ending == "zst" else data)
    digest = hashlib.sha256(FLASH1_TEXT.encode()).hexdigest()
    code, line, told = run(path, "--sha256", digest.upper(), "--api", api)
    assert (code, told) == (0, "")
    assert (line["sha256"], line["checked"]) == (digest, "sha256")
    code, line, told = run(path, "--sha256", "0" * 64, "--api", api)
    assert (code, line) == (1, None)
    assert digest in told
    _, line, _ = run(path)
    assert line["checked"].startswith("nothing")


def flash1(**changed: int) -> bytes:
    messages = np.array(FLASH1, MESSAGE)
    for name, value in changed.items():
        messages[name][3] = value
    return messages.tobytes()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("missing", None, "No such file"),
        ("empty", b"", "is no workload"),
        ("text", b"hello, world\n", "is no workload"),
        ("type", flash1(type=9), "message 3"),
        ("side", flash1(side=2), "message 3"),
        ("broken.zst", b"no zstd at all", "cannot be unpacked"),
        ("short.bin", b"MEW1\x01", "ends within its header"),
        ("version.bin", HEADER.pack(b"MEW1", 2, 0, 1) + bytes(16), "version 2"),
        ("count.bin", HEADER.pack(b"MEW1", 1, 0, 3) + bytes(20), "there are 1 and 4 bytes"),
        ("prefill.bin", HEADER.pack(b"MEW1", 1, 1, 1) + bytes(16), "announces 1 records, 1 of them"),
        ("operation.bin", HEADER.pack(b"MEW1", 1, 0, 1) + b"\x07" + bytes(15), "record 0"),
        ("answers.bin", HEADER.pack(b"MEW1", 1, 0, 1) + bytes(16), "answers.bin.ref.json: No such file"),
    ],
)
def test_a_bad_file_is_told_in_a_sentence(
    tmp_path: Path, run: Any, name: str, data: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    code, line, told = run(path)
    assert (code, line) == (1, None)
    assert said in told
    assert str(tmp_path) in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"), [("no json", "is not JSON"), ('{"trades": 1}', "must be an object")]
)
def test_answers_that_are_none(workload: Path, run: Any, text: str, said: str) -> None:
    answers_of(workload).write_text(text)
    code, _, told = run(workload)
    assert code == 1
    assert said in told


def test_a_hash_for_a_file_with_answers_of_its_own(workload: Path, run: Any) -> None:
    code, _, told = run(workload, "--sha256", "0" * 64)
    assert code == 1
    assert "--sha256 is of the report text of a flash1 scenario" in told


@pytest.mark.parametrize("arguments", [("--sha256", "12ab"), ("--repeat", "0"), ("--batch", "many")])
def test_options_that_are_none(workload: Path, run: Any, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as error:
        run(workload, *arguments)
    assert error.value.code == 2
