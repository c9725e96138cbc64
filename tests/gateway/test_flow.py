"""Flow files: what is read, how a bad line is told, and that writing and reading are each other's inverse."""

import gzip
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.reference import Machine
from gateway.flow import (
    FILLS_HEADER,
    FLOW_HEADER,
    Fill,
    FlowError,
    FlowRow,
    flow_line,
    play_flow,
)
from gateway.flow_files import FillsWriter, read_blocks, read_fills, read_flow, write_flow

SHORT_HEADER = FLOW_HEADER.removesuffix(",src")
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


def flow(tmp_path: Path, *lines: str, header: str = SHORT_HEADER, name: str = "flow.csv") -> Path:
    path = tmp_path / name
    text = "\n".join((header, *lines)) + "\n"
    match path.suffix:
        case ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        case ".zst":
            path.write_bytes(zstandard.compress(text.encode()))
        case _:
            path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["flow.csv", "flow.csv.gz", "flow.csv.zst"])
def test_every_kind_of_row(tmp_path: Path, name: str) -> None:
    path = flow(
        tmp_path,
        "1,10,NEW,7,B,-3,5,POST",
        "2,11,REDUCE,7,B,-3,2,",
        "3,11,CANCEL,7,,,,",
        "4,12,NEW,8,S,,5,IOC",
        name=name,
    )
    assert list(read_flow(path)) == [
        FlowRow(1, 10, "NEW", 7, "B", -3, 5, "POST"),
        FlowRow(2, 11, "REDUCE", 7, "B", -3, 2, ""),
        FlowRow(3, 11, "CANCEL", 7, "", None, 0, ""),
        FlowRow(4, 12, "NEW", 8, "S", None, 5, "IOC"),
    ]


def test_a_time_that_goes_back_is_clamped_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    for lines in (
        ["1,10,NEW,1,B,1,1,GTC", "2,7,CANCEL,1,B,1,0,"],
        ["1,10,NEW,1,B,1,1,GTC", "", "2,7,CANCEL,1,B,1,0,\r"],
    ):
        assert [row.time_ns for row in read_flow(flow(tmp_path, *lines))] == [10, 10]


GOOD = "1,10,NEW,7,B,100,5,GTC"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("x,10,NEW,7,B,100,5,GTC", "line 3, column seq: 'x'; allowed is a whole number"),
        ("1,10.5,NEW,7,B,100,5,GTC", "line 3, column time_ns: '10.5'"),
        ("1,10,MODIFY,7,B,100,5,GTC", "line 3, column action: 'MODIFY'; allowed is NEW, REDUCE or CANCEL"),
        ("1,10,NEW,-7,B,100,5,GTC", "line 3, column order_id: '-7'"),
        ("1,10,NEW,7,X,100,5,GTC", "line 3, column side: 'X'; allowed is B or S"),
        ("1,10,NEW,7,,100,5,GTC", "line 3, column side: nothing"),
        ("1,10,NEW,7,B,1e2,5,GTC", "line 3, column price_ticks: '1e2'"),
        ("1,10,NEW,7,B,-9223372036854775808,5,GTC", "line 3, column price_ticks: -9223372036854775808"),
        ("1,10,NEW,7,B,100,9223372036854775808,GTC", "line 3, column qty: 9223372036854775808"),
        ("1,10,NEW,7,B,100,0,GTC", "line 3, column qty: 0; allowed is 1 or more"),
        ("1,10,NEW,7,B,100,,GTC", "line 3, column qty: nothing"),
        ("1,10,REDUCE,7,B,100,0,", "line 3, column qty: 0; allowed is 1 or more"),
        ("1,10,NEW,7,B,100,5,", "line 3, column tif: nothing"),
        ("1,10,NEW,7,B,100,5,GTX", "line 3, column tif: 'GTX'; allowed is GTC, IOC, FOK, DAY or POST"),
        ("1,10,NEW,7,B,100,5", "line 3: 7 columns; the header has 8"),
        ("1,10,NEW,7,B,100,5,GTC,M", "line 3: 9 columns; the header has 8"),
        ("1,10,NEW,7,B,1\u0660,5,GTC", "line 3, column price_ticks"),
        ("\0\0\0", "line 3: 1 columns"),
        (
            "1,10,NEW,18446744073709551616,B,1,5,GTC",
            "line 3, column order_id: 18446744073709551616; allowed",
        ),
        (
            "1,99999999999999999999,NEW,7,B,1,5,GTC",
            "line 3, column time_ns: 99999999999999999999; allowed is at most",
        ),
    ],
)
def test_a_bad_line_is_told_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    path = flow(tmp_path, GOOD, line, GOOD)
    with pytest.raises(FlowError) as error:
        list(read_flow(path))
    assert f"{path}, {told}" in str(error.value)


def test_the_line_number_counts_over_blocks(tmp_path: Path) -> None:
    path = flow(tmp_path, *[GOOD] * 20_000, "what")
    with pytest.raises(FlowError, match=r"line 20002: 1 columns"):
        list(read_blocks(path))


def test_a_mark_of_utf_8_before_the_header_is_passed_over(tmp_path: Path) -> None:
    header = "\ufeff" + SHORT_HEADER
    assert [row.order_id for row in read_flow(flow(tmp_path, GOOD, header=header))] == [7]


@pytest.mark.parametrize("header", ["", "seq,time", "time_ns,seq,action,order_id,side,price_ticks,qty,tif"])
def test_a_wrong_header_is_told(tmp_path: Path, header: str) -> None:
    with pytest.raises(FlowError, match=r"line 1: the header is .* it must be seq,time_ns"):
        list(read_flow(flow(tmp_path, GOOD, header=header)))


@pytest.mark.parametrize("name", ["flow.csv.gz", "flow.csv.zst"])
def test_a_compressed_file_that_is_cut_short_or_damaged_is_told(tmp_path: Path, name: str) -> None:
    path = flow(tmp_path, *[GOOD] * 1000, name=name)
    whole = path.read_bytes()
    for damaged in (whole[:-5], whole[: len(whole) // 2], b"\0" + whole):
        path.write_bytes(damaged)
        with pytest.raises(FlowError, match="damaged or cut short"):
            list(read_flow(path))


ROWS = st.builds(
    FlowRow,
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.just("NEW"),
    st.integers(0, 2**64 - 1),
    st.sampled_from("BS"),
    st.none() | INT64,
    st.integers(1, 2**63 - 1),
    st.sampled_from(["GTC", "IOC", "FOK", "DAY", "POST"]),
    st.sampled_from(["", "M", "any text"]),
)


@given(st.lists(ROWS, max_size=30), st.sampled_from(["a.csv", "a.csv.gz", "a.csv.zst"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[FlowRow], name: str
) -> None:
    rows.sort(key=lambda row: row.time_ns)
    path = tmp_path_factory.mktemp("flow") / name
    assert write_flow(path, rows) == len(rows)
    assert list(read_flow(path)) == rows


@pytest.mark.parametrize("name", ["fills.csv", "fills.csv.gz"])
def test_fills_are_written_and_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    fills = [Fill(1, 2, 3, 4, 5, -6, 7), Fill(2, 2, 3, 10**18, 5, 6, 2**63 - 1)]
    with FillsWriter(path) as writer:
        writer.write(fills)
    assert list(read_fills(path)) == fills


def test_a_bad_line_of_fills_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fills.csv"
    path.write_text(FILLS_HEADER + "\n1,2,3\n")
    with pytest.raises(FlowError, match="line 2: '1,2,3'"):
        list(read_fills(path))


STORY = """1,10,NEW,7,B,100,5,GTC
2,11,NEW,8,S,100,2,IOC
3,12,CANCEL,9,B,100,0,
4,13,CANCEL,7,B,100,0,
5,14,NEW,7,B,101,5,GTC
6,15,REDUCE,7,B,101,1,
7,16,NEW,10,S,101,9,POST
8,17,NEW,11,S,,9,IOC
9,18,CANCEL,7,B,101,0,"""


def test_a_flow_is_played(tmp_path: Path) -> None:
    """An id entered again is a new order, an unknown id is refused, fills bear the ids of the flow."""
    machine = Machine()
    machine.define()
    path = flow(tmp_path, *STORY.split("\n"))
    ((fills, reports),) = play_flow(read_blocks(path), machine)
    assert fills == [Fill(1, 2, 11, 8, 7, 100, 2), Fill(2, 8, 17, 11, 7, 101, 4)]
    assert (reports["kind"] == 3).sum() == 3
    assert machine.live_orders == 0
    assert machine.time_ns == 18


def test_cuts_between_blocks_do_not_matter(tmp_path: Path) -> None:
    rows = list(read_flow(flow(tmp_path, *STORY.split("\n"))))
    results = []
    for size in (1, 2, 5, 100):
        machine = Machine(rules=2)  # from version 3 on every step of time is a command
        machine.define()
        blocks = [rows[at : at + size] for at in range(0, len(rows), size)]
        fills = [fill for block, _ in play_flow(blocks, machine) for fill in block]
        results.append((fills, machine.state_hash()))
    assert results == [results[0]] * 4


def test_a_line_is_exact() -> None:
    assert flow_line(FlowRow(1, 2, "NEW", 3, "B", None, 4, "IOC", "M")) == "1,2,NEW,3,B,,4,IOC,M\n"
