"""The picture of `quorumbook watch`, as text."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from feed_world import Action, World
from rich.console import Console

from engine.records import Phase
from gateway import book_commands
from gateway.book_commands import Leadership
from gateway.feed import Auction, FeedReader
from gateway.watch import BAR, UNLED, Told, clock, render


def picture(reader: FeedReader, levels: int = 10, *, led: bool = True) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(reader, levels, led=led))
    return console.export_text()


def reader_of(*entries: list[Action]) -> FeedReader:
    world, reader = World(), FeedReader("AAPL", ("levels", "trades"))
    for request in reader.requests():
        reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    for entry in entries:
        for topic, payload in world.entry(entry):
            reader.receive(topic, payload)
    return reader


def test_before_the_first_snapshot_it_says_so() -> None:
    assert "joining" in picture(FeedReader("AAPL"))


def test_an_empty_book_is_called_empty() -> None:
    text = picture(reader_of())
    for words in ("AAPL", "no bids / no asks", "empty", "none yet", "input 0"):
        assert words in text


def test_asks_stand_above_bids_and_the_newest_trade_first() -> None:
    book: list[Action] = [
        ("new", 0, 0, 9_998, 1_000_000_000),
        ("new", 0, 0, 9_999, 250_000_000),
        ("new", 0, 1, 10_001, 500_000_000),
        ("new", 0, 1, 10_003, 10),
    ]
    text = picture(reader_of(book, [("ioc", 0, 1, 9_999, 100_000_000)], [("ioc", 0, 0, 10_001, 1)]))
    rows = [line.strip("│ ") for line in text.splitlines()]
    assert "99.99 / 100.01   spread 0.02   last 0.00000001 at 100.01" in text
    ladder = [row.split()[2] for row in rows[3:] if len(row.split()) > 2]
    assert [price for price in ladder if "." in price] == ["100.03", "100.01", "99.99", "99.98"]
    assert "█" * BAR in text
    assert "input 6" in text
    trades = [row.split()[-2:] for row in rows if "00:00:0" in row]
    assert trades == [["100.01", "0.00000001"], ["99.99", "1.00000000"]]


def test_what_was_lost_is_told() -> None:
    world = World()
    world.entry([("new", 0, 0, 100, 9)])
    reader = FeedReader("AAPL", ("levels", "trades"))
    for request in reader.requests():
        reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    world.entry([("ioc", 0, 1, 100, 1)])
    for topic, payload in world.entry([("ioc", 0, 1, 100, 1)]):
        reader.receive(topic, payload)
    assert "joining" in picture(reader)
    for request in reader.requests():
        reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    text = picture(reader)
    assert "gaps: 2" in text
    assert "trades not seen: 1" in text


def test_only_the_levels_asked_for_are_shown() -> None:
    text = picture(reader_of([("new", 0, 0, 100 - step, 1) for step in range(30)]), levels=3)
    assert "0.98" in text
    assert "0.97" not in text


def test_what_may_be_old_is_called_so() -> None:
    reader = reader_of()
    assert UNLED in picture(reader, led=False)
    assert UNLED not in picture(reader)
    told = Told(reader)
    assert told.lines() == ["AAPL no bids, no asks"]
    assert [told.lines(led=led) for led in (False, False, True, True)] == [
        [UNLED],
        [],
        ["a replica leads again"],
        [],
    ]


def test_a_moment_without_a_leader_is_an_election(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_commands, "LOOK_SECONDS", 0.0)
    answers, seen = iter([None, "nobody leads", None, "nobody leads", "nobody leads", None]), []

    def unled() -> str | None:
        seen.append(leadership.known)
        return next(answers, None)

    place: Any = SimpleNamespace(unled=unled)
    leadership = Leadership(place)
    with leadership:
        while len(seen) < 7 and leadership._thread.is_alive():
            time.sleep(0.001)
    assert seen[:7] == [True, True, True, True, True, False, True]


def test_the_clock_is_that_of_the_day_in_utc() -> None:
    assert clock(1_767_607_200_000_000_000) == "10:00:00.000"
    assert clock(1_767_657_599_999_999_999) == "23:59:59.999"
    assert clock(61_005_000_000) == "00:01:01.005"


def test_a_trade_of_an_auction_has_no_side_and_one_that_is_void_is_struck_out() -> None:
    reader = reader_of([("new", 0, 0, 100, 9)], [("ioc", 0, 1, 100, 2)])
    told = Told(reader)
    last = reader.trades[-1]
    reader.tape.trades.append(last._replace(trade_id=2, sequence=2, aggressor=None, price_ticks=101))
    assert told.lines() == [
        "00:00:01.000 trade 0.00000002 at 1.01 in an auction",
        "AAPL bid 0.00000007 at 1.00, no asks",
    ]
    reader.tape.trades[-1] = reader.trades[-1]._replace(is_busted=True)
    reader.tape.busts.append(reader.trades[-1]._replace(sequence=3))
    assert told.lines() == ["00:00:01.000 trade 2 is void: 0.00000002 at 1.01"]
    assert "last 0.00000002 at 1.00" in picture(reader)


def test_the_phase_and_what_an_auction_would_come_to_are_told() -> None:
    world, reader = World(), FeedReader("AAPL", ("levels", "trades", "status"))
    for request in reader.requests():
        reader.receive_snapshot(world.feed.snapshot(request, world.machine))
    told = Told(reader)
    assert told.lines() == ["AAPL no bids, no asks"]
    until = clock(3600 * 10**9)

    def becomes(**changes: Any) -> list[str]:
        assert reader.status is not None
        reader.instrument.now = reader.status._replace(**changes)
        return told.lines()

    assert becomes(phase=Phase.PRE_OPEN, until_ns=3600 * 10**9) == [f"AAPL pre-open until {until}"]
    assert becomes(indicative=Auction(100, 5 * 10**8, 3 * 10**8)) == [
        f"AAPL pre-open until {until}, would trade 5.00000000 at 1.00, 3.00000000 more to buy"
    ]
    assert "would trade 5.00000000 at 1.00" in picture(reader)
    assert becomes(indicative=Auction(100, 5 * 10**8, -1)) == [
        f"AAPL pre-open until {until}, would trade 5.00000000 at 1.00, 0.00000001 more to sell"
    ]
    assert becomes(
        phase=Phase.CONTINUOUS, until_ns=None, indicative=None, auction=Auction(100, 5 * 10**8)
    ) == ["AAPL auction 5.00000000 at 1.00", "AAPL continuous"]
    assert "last auction 5.00000000 at 1.00" in picture(reader)
    assert becomes() == []
    assert becomes(is_delisted=True, phase=Phase.CLOSED) == ["AAPL delisted"]
