"""docs/feed.md is the format: its example is what the exchange publishes, and reads with nothing but its tables."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from feed_world import commands

from engine.machine import Machine
from engine.records import COMMAND, PHASE_CHANGE, CommandKind, Phase
from gateway.market_data import MarketData

DOCUMENT = (Path(__file__).parents[2] / "docs" / "feed.md").read_text()
TYPES = {"u8": "B", "u32": "I", "u64": "Q", "i64": "q"}
EMPTY_PRICE = -(2**63)


def example(name: str) -> bytes:
    found = re.search(rf"```hex {name}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, f"docs/feed.md has no example {name}"
    return bytes.fromhex(found[1])


def published() -> dict[str, bytes]:
    """The entry that the document tells of."""
    machine, feed = Machine(), MarketData()
    feed.define(machine.define(), b"AAPL", 1, -2, 1, 0)
    flow = [("new", 0, 1, 102, 3), ("new", 0, 1, 102, 5), ("new", 0, 0, 102, 4)]
    feed.perform(machine, commands(flow, 1), 1, 10**9)
    feed.end_entry(machine)
    found = {topic.split(b"|")[0].decode(): payload for topic, payload in feed.take()}
    found["snapshot"] = feed.snapshot(b"levels|AAPL|", machine)
    found["status"] = published_before_the_opening()
    assert not list(feed.idle())
    found["heartbeat"] = dict(feed.idle())[b"trades|AAPL|"]
    return found


def published_before_the_opening() -> bytes:
    """The entry whose status the document shows."""
    machine, feed = Machine(), MarketData()
    feed.define(machine.define(), b"AAPL", 1, -2, 1, 0)
    phase = np.zeros(1, PHASE_CHANGE)
    phase["kind"], phase["phase"], phase["next_phase"] = (
        CommandKind.PHASE,
        Phase.PRE_OPEN,
        Phase.OPENING_AUCTION,
    )
    phase["until_ns"] = 9 * 10**9
    feed.perform(machine, phase.view(COMMAND), 1, 10**9)
    feed.perform(machine, commands([("new", 0, 0, 103, 5), ("new", 0, 1, 101, 3)], 1), 2, 10**9)
    feed.end_entry(machine)
    return dict(feed.take())[b"status|AAPL|"]


def table(heading: str) -> list[tuple[int, str, str]]:
    """(offset, type, field) of the first table after some words of the document."""
    rows = DOCUMENT[DOCUMENT.index(heading) :].split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [(int(offset), kind, field) for offset, kind, field, *_ in cells]


def read(rows: list[tuple[int, str, str]], data: bytes) -> dict[str, int]:
    return {
        field: struct.unpack_from("<" + TYPES[kind], data, offset)[0] for offset, kind, field in rows if field
    }


HEADER = table("### Header")
PREFIX = table("### Records")
SIZES = {"trades": 56, "top": 64, "levels": 40, "orders": 64, "status": 88}


def records(kind: str, data: bytes) -> list[dict[str, int]]:
    rows = PREFIX + table(f"`{kind}`, {SIZES[kind]} bytes, adds")
    return [read(rows, data[at : at + SIZES[kind]]) for at in range(0, len(data), SIZES[kind])]


@pytest.mark.parametrize("name", ["trades", "top", "levels", "orders", "status", "snapshot", "heartbeat"])
def test_the_example_is_what_is_published(name: str) -> None:
    assert published()[name] == example(name)


def test_the_struct_formats_are_the_tables() -> None:
    formats = {"header": "<BBBBIIIQQQq", "prefix": "<QQBBBBI", "trades": "qQqq", "top": "qqqqII", "levels": "qq",
               "orders": "QQqqq", "status": "qqqqqqqII"}  # fmt: skip
    assert all(f"`{form}`" in DOCUMENT for form in formats.values())
    rows = {"header": HEADER, "prefix": PREFIX} | {
        kind: table(f"`{kind}`, {size} bytes, adds") for kind, size in SIZES.items()
    }
    for name, form in formats.items():
        assert form.removeprefix("<") == "".join(TYPES[kind] for _, kind, _ in rows[name])
    for kind, size in SIZES.items():
        assert struct.calcsize(formats["prefix"] + formats[kind]) == size
        last_offset, last_type, _ = rows[kind][-1]
        assert last_offset + struct.calcsize("<" + TYPES[last_type]) == size


def test_the_example_reads_as_the_text_says() -> None:
    head = read(HEADER, example("levels"))
    assert head == {
        "version": 1, "kind": 3, "flags": 0, "instrument": 0, "count": 3, "record_size": 40, "first_sequence": 1,
        "first_input": 1, "last_input": 3, "time_ns": 10**9,
    }  # fmt: skip
    levels = records("levels", example("levels")[48:])
    assert [(r["sequence"], r["input_number"], r["flags"]) for r in levels] == [
        (1, 1, 1),
        (2, 2, 1),
        (3, 3, 1),
    ]
    assert [(r["side"], r["price_ticks"], r["quantity_lots"], r["orders"]) for r in levels] == [
        (1, 102, 3, 1), (1, 102, 8, 2), (1, 102, 4, 1),
    ]  # fmt: skip
    trades = records("trades", example("trades")[48:])
    assert [(r["trade_id"], r["side"], r["price_ticks"], r["quantity_lots"], r["time_ns"]) for r in trades] == [
        (1, 0, 102, 3, 10**9), (2, 0, 102, 1, 10**9),
    ]  # fmt: skip
    assert [r["flags"] for r in trades] == [0, 1]
    orders = records("orders", example("orders")[48:])
    assert [(r["action"], r["order_id"], r["trade_id"], r["quantity_lots"], r["change_lots"]) for r in orders] == [
        (1, 1, 0, 3, 3), (1, 2, 0, 5, 5), (2, 1, 1, 0, 3), (2, 2, 2, 4, 1),
    ]  # fmt: skip
    tops = records("top", example("top")[48:])
    assert [(r["bid_price_ticks"], r["ask_price_ticks"], r["ask_quantity_lots"], r["ask_orders"]) for r in tops] == [
        (EMPTY_PRICE, 102, 3, 1), (EMPTY_PRICE, 102, 8, 2), (EMPTY_PRICE, 102, 4, 1),
    ]  # fmt: skip


def test_the_status_reads_as_the_text_says() -> None:
    begins, coming = records("status", example("status")[48:])
    assert (begins["sequence"], begins["phase"], begins["until_ns"]) == (1, 1, 9 * 10**9)
    assert (begins["indicative_price_ticks"], begins["indicative_lots"]) == (EMPTY_PRICE, 0)
    assert (coming["sequence"], coming["phase"], coming["until_ns"]) == (2, 1, 9 * 10**9)
    assert (coming["indicative_price_ticks"], coming["indicative_lots"], coming["surplus_lots"]) == (
        103,
        3,
        2,
    )
    assert (begins["auction_price_ticks"], coming["auction_lots"]) == (EMPTY_PRICE, 0)


def test_the_snapshot_reads_as_the_text_says() -> None:
    data = example("snapshot")
    head = read(HEADER, data)
    assert (head["flags"], head["count"], head["first_sequence"], head["last_input"]) == (2, 1, 4, 3)
    assert struct.unpack_from("<qqbbB5x32s", data, 48) == (1, 1, -2, 0, 4, b"AAPL".ljust(32, b"\0"))
    assert struct.unpack_from("<B7xq", data, 104) == (0, EMPTY_PRICE)
    assert data[120:136] == bytes(16)
    (level,) = records("levels", data[136:])
    assert (level["side"], level["price_ticks"], level["quantity_lots"], level["orders"]) == (1, 102, 4, 1)


def test_the_heartbeat_names_the_next_record() -> None:
    head = read(HEADER, example("heartbeat"))
    assert (head["kind"], head["flags"], head["count"], head["first_sequence"]) == (1, 1, 0, 3)
    assert len(example("heartbeat")) == 48
