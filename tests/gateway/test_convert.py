"""Venue records rebuilt as flow: a generated day written as LOBSTER and ITCH files must come back with its fills."""

import gzip
import os
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from engine.machine import Machine
from engine.records import ReportKind
from gateway.convert import FIRST_TAKER, Execution, FlowBuilder, takers
from gateway.convert_command import convert
from gateway.flow import Fill, FlowError, FlowPlayer, play_flow
from gateway.flow_files import read_fills, read_flow
from gateway.generate import FlowGenerator
from gateway.itch import ItchConverter, messages_of
from gateway.lobster import LobsterConverter, parse_messages, parse_orderbook

LEVELS = 5
PLACES = [
    Path(os.environ.get("QUORUMBOOK_DATA", "/nonexistent")),
    Path(__file__).parents[3] / "shared" / "data",
]


class Event(NamedTuple):
    """What a venue publishes: A add, E execute, X take off, D delete; and the book after it."""

    time_ns: int
    kind: str
    order_id: int
    side: str
    price: int
    quantity: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


def published(rows: int, seed: int) -> tuple[list[Event], list[Fill]]:
    """A generated day as a venue would publish it, and the fills as they happened."""
    generator = FlowGenerator(rows, seed)
    machine = Machine()
    machine.define()
    player = FlowPlayer()
    events: list[Event] = []
    for seq, row in enumerate(generator.flow(), 1):
        reports = machine.apply(player.commands([row]))
        bids, asks = ([level[:2] for level in side.tolist()] for side in machine.depth(0, 2000))
        side = "BS"[reports[0]["side"]]
        news = []
        for report in reports:
            if report["kind"] == ReportKind.TRADE:
                price, lots = int(report["last_price_ticks"]), int(report["last_lots"])
                news.append(("E", int(report["maker_client_ref"]), "SB"[report["side"]], price, lots))
        last = reports[-1]
        if row.action == "NEW" and last["leaves_lots"] and last["kind"] != ReportKind.CANCELLED:
            news.append(("A", row.order_id, side, row.price_ticks, int(last["leaves_lots"])))
        elif row.action != "NEW":
            kind = "D" if last["kind"] == ReportKind.CANCELLED else "X"
            news.append((kind, row.order_id, side, int(last["price_ticks"]), int(last["last_lots"])))
        events += [Event(seq * 1000, *one, bids, asks) for one in news]
    return events, generator.fills


def lobster_message(event: Event) -> str:
    kind = {"A": 1, "X": 2, "D": 3, "E": 4}[event.kind]
    direction = 1 if event.side == "B" else -1
    seconds, fraction = divmod(event.time_ns, 10**9)
    return (
        f"{seconds}.{fraction:09d},{kind},{event.order_id},{event.quantity},{event.price * 100},{direction}\n"
    )


def lobster_row(event: Event) -> str:
    values: list[int] = []
    for level in range(LEVELS):
        for side, empty in ((event.asks, 9_999_999_999), (event.bids, -9_999_999_999)):
            price, quantity = side[level] if level < len(side) else (empty, 0)
            values += [price * 100 if quantity else price, quantity]
    return ",".join(map(str, values)) + "\n"


def visible(event: Event, before: Event | None) -> bool:
    """LOBSTER shows an event when it touches a level that was or is among the first."""
    books = [event, *([before] if before else [])]
    return any(
        event.price in [price for price, _ in (book.bids if event.side == "B" else book.asks)[:LEVELS]]
        for book in books
    )


def itch_file(events: list[Event]) -> bytes:
    def framed(body: bytes) -> bytes:
        return struct.pack(">H", len(body)) + body

    def head(kind: bytes, locate: int, time_ns: int) -> bytes:
        return kind + struct.pack(">HHHI", locate, 0, time_ns >> 32, time_ns & 0xFFFFFFFF)

    data = framed(head(b"S", 0, 0) + b"O")
    for locate, stock in ((1, b"OTHER   "), (2, b"TEST    ")):
        data += framed(head(b"R", locate, 0) + stock + b"\0" * 20)
    data += framed(head(b"A", 1, 5) + struct.pack(">QcI8sI", 1, b"B", 5, b"OTHER   ", 100))
    for event in events:
        start = head(event.kind.encode(), 2, event.time_ns)
        match event.kind:
            case "A":
                fields = (event.order_id, event.side.encode(), event.quantity, b"TEST    ", event.price * 100)
                data += framed(start + struct.pack(">QcI8sI", *fields))
            case "E":
                data += framed(start + struct.pack(">QIQ", event.order_id, event.quantity, 7))
            case "X":
                data += framed(start + struct.pack(">QI", event.order_id, event.quantity))
            case "D":
                data += framed(start + struct.pack(">Q", event.order_id))
    return data


def as_recorded(fills: list[Fill]) -> list[tuple[int, int, int]]:
    return [(fill.maker_id, fill.price_ticks, fill.qty) for fill in fills]


def played(rows: list[Any]) -> list[Fill]:
    machine = Machine()
    machine.define()
    return [fill for fills, _ in play_flow([rows], machine) for fill in fills]


@pytest.fixture(scope="module")
def day() -> tuple[list[Event], list[Fill]]:
    return published(4000, seed=11)


def test_itch_comes_back(day: tuple[list[Event], list[Fill]], tmp_path: Path) -> None:
    events, fills = day
    path = tmp_path / "day.itch.gz"
    path.write_bytes(gzip.compress(itch_file(events)))
    out = tmp_path / "day.orders.csv"
    result = CliRunner().invoke(convert, ["itch", str(path), "--symbol", "TEST", "--out", str(out)])
    assert result.exit_code == 0, result.output
    recorded = list(read_fills(tmp_path / "day.fills.csv"))
    assert as_recorded(recorded) == as_recorded(fills)
    assert played(list(read_flow(out))) == recorded
    assert f"{len(fills):,} of {len(fills):,} recorded fills come out" in result.output
    takers_named = {fill.taker_id for fill in recorded if fill.taker_id < FIRST_TAKER}
    assert takers_named == {fill.taker_id for fill in fills} & {event.order_id for event in events}


@pytest.mark.parametrize("with_orderbook", [True, False])
def test_lobster_comes_back(
    day: tuple[list[Event], list[Fill]], tmp_path: Path, *, with_orderbook: bool
) -> None:
    events, fills = day
    message, orderbook, out = (
        tmp_path / "message.csv.gz",
        tmp_path / "orderbook.csv",
        tmp_path / "flow.csv.gz",
    )
    message.write_bytes(gzip.compress("".join(map(lobster_message, events)).encode()))
    orderbook.write_text("".join(map(lobster_row, events)))
    arguments = ["lobster", str(message), *([str(orderbook)] if with_orderbook else []), "--out", str(out)]
    result = CliRunner().invoke(convert, arguments)
    assert result.exit_code == 0, result.output
    recorded = list(read_fills(tmp_path / "flow.fills.csv.gz"))
    assert as_recorded(recorded) == as_recorded(fills)
    assert played(list(read_flow(out))) == recorded


def test_lobster_that_begins_in_the_middle_and_shows_few_levels(day: tuple[list[Event], list[Fill]]) -> None:
    """What is visible after the last message is the venue's book, and every execution comes out."""
    events, _ = day
    middle = [event for before, event in pairwise(events[1999:]) if visible(event, before)]
    messages = parse_messages(map(lobster_message, middle), "m")
    builder = LobsterConverter(messages, parse_orderbook(map(lobster_row, middle), "o")).convert()
    executed = [(event.order_id, event.price, event.quantity) for event in middle if event.kind == "E"]
    assert executed
    assert as_recorded(builder.fills) == executed
    machine = Machine()
    machine.define()
    fills = [fill for block, _ in play_flow([builder.rows], machine) for fill in block]
    assert fills == builder.fills
    bids, asks = ([level[:2] for level in side.tolist()] for side in machine.depth(0, LEVELS))
    assert (bids, asks) == (middle[-1].bids[:LEVELS], middle[-1].asks[:LEVELS])


def test_executions_are_cut_into_incoming_orders() -> None:
    one, two, three = Execution(1, 100, 5), Execution(2, 101, 5), Execution(3, 100, 5)
    assert list(takers([one, two], "B")) == [[one, two]]
    assert list(takers([one, two, three], "B")) == [[one, two], [three]]
    assert list(takers([two, one], "S")) == [[two, one]]
    assert list(takers([one, one, two], "B")) == [[one], [one, two]]


def test_priority_is_repaired_before_an_execution() -> None:
    builder = FlowBuilder()
    for order_id in (1, 2, 3):
        builder.enter(order_id, "B", 100, 10, "M")
    builder.execute("S", [Execution(3, 100, 10), Execution(1, 100, 4)])
    assert played(builder.rows) == builder.fills
    assert [(row.action, row.order_id) for row in builder.rows if row.src == "P"] == [
        ("CANCEL", 1),
        ("NEW", 1),
        ("CANCEL", 2),
        ("NEW", 2),
    ]


def test_itch_replaces_and_crosses() -> None:
    """U loses priority; an execution at another price than the order's is taken off it without a fill."""
    head = struct.pack(">HHHI", 2, 0, 0, 9)
    bodies = [
        b"R" + head + b"TEST    " + b"\0" * 20,
        b"A" + head + struct.pack(">QcI8sI", 1, b"B", 100, b"TEST    ", 10_000),
        b"A" + head + struct.pack(">QcI8sI", 2, b"B", 100, b"TEST    ", 10_000),
        b"U" + head + struct.pack(">QQII", 1, 3, 50, 10_000),
        b"C" + head + struct.pack(">QIQcI", 2, 30, 7, b"Y", 10_100),
        b"C" + head + struct.pack(">QIQcI", 2, 70, 7, b"Y", 10_000),
        b"E" + head + struct.pack(">QIQ", 3, 10, 8),
        b"D" + head + struct.pack(">Q", 99),
    ]
    data = b"".join(struct.pack(">H", len(body)) + body for body in bodies)
    converter = ItchConverter(messages_of(Chunks(data), "TEST", "test.itch"))
    builder = converter.convert()
    assert as_recorded(builder.fills) == [(2, 100, 70), (3, 100, 10)]
    assert played(builder.rows) == builder.fills
    assert (converter.elsewhere, converter.unknown) == (1, 1)
    assert "P" not in {row.src for row in builder.rows}


class Chunks:
    """A file that hands out three bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.parts: Iterator[bytes] = (data[at : at + 3] for at in range(0, len(data), 3))

    def read(self, size: int, /) -> bytes:
        return next(self.parts, b"")


def test_a_damaged_itch_file_is_told() -> None:
    whole = itch_file([])
    with pytest.raises(FlowError, match=r"x, byte offset \d+: the file ends in the middle of a message"):
        list(messages_of(Chunks(whole[:-3]), "TEST", "x"))
    with pytest.raises(FlowError, match=r"byte offset 0: a message b'A' of 4 bytes"):
        list(messages_of(Chunks(b"\0\4Axyz"), "TEST", "x"))
    with pytest.raises(FlowError, match="no stock 'NONE'"):
        list(messages_of(Chunks(whole), "NONE", "x"))


@pytest.mark.parametrize("line", ["", "1,2,3", "34200.1,9,1,1,1,1", "34200.1,1,1,1,1,x", "a,1,1,1,1,1"])
def test_a_bad_lobster_line_is_told(line: str) -> None:
    with pytest.raises(FlowError, match=r"m.csv, line 2: .* is no LOBSTER message"):
        parse_messages(["34200.1,1,1,1,100,1\n", line + "\n"], "m.csv")


@pytest.mark.parametrize("line", ["34200.1,1,-5,10,100,1", "34200.1,3,1,0,100,1", "34200.1,4,1,5,100,0"])
def test_a_lobster_message_that_no_order_can_have_is_told(line: str) -> None:
    with pytest.raises(FlowError, match=r"m.csv, line 2: .* is about a visible order"):
        parse_messages(["34200.1,1,1,1,100,1\n", line + "\n"], "m.csv")


def test_a_seventh_column_of_lobster_and_halts_are_passed_over() -> None:
    lines = ["34200.1,1,1,1,100,1,null\n", "34200.2,7,0,0,-1,-1\n", "34200.3,6,-1,5,100,-1,\r\n"]
    assert [message.kind for message in parse_messages(lines, "m.csv")] == [1, 7, 6]


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (b"A", struct.pack(">QcI8sI", 1, b"X", 5, b"TEST    ", 100), "a side b'X'; allowed is B or S"),
        (b"F", struct.pack(">QcI8sI4s", 1, b"B", 0, b"TEST    ", 100, b"MPID"), "of 0 shares"),
        (b"E", struct.pack(">QIQ", 1, 0, 7), "of 0 shares"),
        (b"C", struct.pack(">QIQcI", 1, 0, 7, b"Y", 100), "of 0 shares"),
        (b"X", struct.pack(">QI", 1, 0), "of 0 shares"),
        (b"U", struct.pack(">QQII", 1, 2, 0, 100), "of 0 shares"),
    ],
)
def test_an_itch_message_that_no_order_can_have_is_told(kind: bytes, body: bytes, told: str) -> None:
    head = struct.pack(">HHHI", 2, 0, 0, 9)
    bodies = [b"R" + head + b"TEST    " + b"\0" * 20, kind + head + body]
    data = b"".join(struct.pack(">H", len(one)) + one for one in bodies)
    with pytest.raises(FlowError, match=rf"x, byte offset 41: .*{told}"):
        list(messages_of(Chunks(data), "TEST", "x"))


def test_a_bad_orderbook_is_told() -> None:
    with pytest.raises(FlowError, match=r"o.csv, line 1: .* is no row"):
        parse_orderbook(["1,2,3\n"], "o.csv")
    messages = parse_messages(["34200.1,1,1,1,100,1\n"], "m.csv")
    with pytest.raises(FlowError, match="0 rows of the orderbook for 1 messages"):
        LobsterConverter(messages, [], "o.csv")


@pytest.mark.parametrize(
    ("message", "orderbook", "derived"),
    [
        (
            "AAPL_2012-06-21_34200000_57600000_message_10",
            "AAPL_2012-06-21_34200000_57600000_orderbook_10",
            "AAPL_L10_first999",
        ),
        ("AAPL_2012-06-21_34200000_37800000_message_50.until_36600", None, "AAPL_L50_0930-1010"),
        (
            "AMZN_2012-06-21_34200000_57600000_message_1",
            "AMZN_2012-06-21_34200000_57600000_orderbook_1",
            "AMZN_L1_day",
        ),
        ("AMZN_2012-06-21_34200000_57600000_message_1", None, "AMZN_L1_day"),
    ],
)
def test_the_venues_files_give_every_recorded_execution(
    message: str, orderbook: str | None, derived: str, tmp_path: Path
) -> None:
    folder = next((place / "lobster" for place in PLACES if (place / "lobster").exists()), None)
    if folder is None:
        pytest.skip("the LOBSTER samples are neither in ../shared/data nor in $QUORUMBOOK_DATA")
    out = tmp_path / "flow.csv"
    sources = [str(folder / f"{name}.csv.gz") for name in (message, orderbook) if name]
    result = CliRunner().invoke(convert, ["lobster", *sources, "--out", str(out)])
    assert result.exit_code == 0, result.output
    recorded = [fill[3:] for fill in read_fills(folder / f"{derived}.fills.csv.gz")]
    assert [fill[3:] for fill in read_fills(tmp_path / "flow.fills.csv")] == recorded
    assert [fill[3:] for fill in played(list(read_flow(out)))] == recorded
