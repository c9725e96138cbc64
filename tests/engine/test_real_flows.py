"""Real order flow with recorded executions: every fill, in order, and the venue's own book where it is known.

The data may not be part of the project; the tests look for it beside the repository and in $QUORUMBOOK_DATA.
"""

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from engine import machine, reference
from gateway.flow import Fill, play_flow
from gateway.flow_files import read_blocks, read_fills, read_flow

PLACES = [
    Path(os.environ.get("QUORUMBOOK_DATA", "/nonexistent")),
    Path(__file__).parents[3] / "shared" / "data",
]
LOBSTER_EMPTY = 9_999_999_999  # the price of a level that is not there


def data(name: str) -> Path:
    for place in PLACES:
        if (place / name).exists():
            return place / name
    pytest.skip(f"real data {name} is neither in ../shared/data nor in $QUORUMBOOK_DATA")


def played(kind: Any, flow: Path) -> list[Fill]:
    one = kind.Machine()
    one.define()
    return [fill for fills, _ in play_flow(read_blocks(flow), one) for fill in fills]


@pytest.mark.parametrize("name", ["AAPL_L10_first999", "AAPL_L50_0930-1010", "AMZN_L1_day"])
def test_the_recorded_fills_come_out_line_for_line(name: str) -> None:
    recorded = list(read_fills(data(f"lobster/{name}.fills.csv.gz")))
    assert recorded
    assert played(machine, data(f"lobster/{name}.orders.csv.gz")) == recorded


def test_the_specification_agrees_with_the_venue() -> None:
    name = "lobster/AAPL_L10_first999"
    assert played(reference, data(f"{name}.orders.csv.gz")) == list(read_fills(data(f"{name}.fills.csv.gz")))


def test_btc_usd_misses_what_the_capture_misses() -> None:
    """142 of the 144 recorded fills come out; 2 come out otherwise and 5 more than were recorded."""
    name = "bitstamp/BTCUSD_2026-05-02_A"
    recorded = {fill[3:] for fill in read_fills(data(f"{name}.fills.csv.gz"))}
    fills = {fill[3:] for fill in played(machine, data(f"{name}.orders.csv.gz"))}
    assert (len(recorded), len(recorded & fills), len(fills)) == (144, 142, 149)


@pytest.mark.parametrize(
    ("name", "orderbook", "levels"),
    [
        ("AAPL_L10_first999", "AAPL_2012-06-21_34200000_57600000_orderbook_10", 10),
        ("AMZN_L1_day", "AMZN_2012-06-21_34200000_57600000_orderbook_1", 1),
    ],
)
def test_the_book_is_the_venues_own(name: str, orderbook: str, levels: int) -> None:
    """At every row that the venue's file shows, the best levels are its levels."""
    flow = data(f"lobster/{name}.orders.csv.gz")
    with gzip.open(data(f"lobster/{name}.rows.csv.gz"), "rt") as text:
        rows = {int(row["after_seq"]): int(row["row_index"]) for row in csv.DictReader(text)}
    with gzip.open(data(f"lobster/{orderbook}.csv.gz"), "rt") as text:
        venue = [list(map(int, row)) for row in csv.reader(text)]
    one = machine.Machine()
    one.define()
    blocks: list[Any] = [[]]
    for row in read_flow(flow):
        blocks[-1].append(row)
        if row.seq in rows:
            blocks.append([])
    blocks = [block for block in blocks if block]
    compared = 0
    for block, _ in zip(blocks, play_flow(blocks, one), strict=True):
        if (after := block[-1].seq) in rows:
            compared += 1
            bids, asks = ([level[:2] for level in side.tolist()] for side in one.depth(0, levels))
            assert (asks, bids) == venue_levels(venue[rows[after]]), f"after seq {after}, row {rows[after]}"
    assert compared == len(rows) > 0


def venue_levels(row: list[int]) -> tuple[list[Any], list[Any]]:
    """Asks and bids of a venue's row, in our ticks, without the levels that are not there."""
    asks, bids = (
        [(row[at] // 100, row[at + 1]) for at in range(first, len(row), 4) if abs(row[at]) != LOBSTER_EMPTY]
        for first in (0, 2)
    )
    return asks, bids
