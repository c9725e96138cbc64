"""Market data by FIX: a client that applies what it is told has the book after every log entry."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from test_exchange_properties import CLIENTS, World, orders, steps
from test_feed_of_exchange import Phased, calm_steps, phases

from engine.records import Phase
from gateway import inputs
from gateway.exchange import Exchange
from gateway.feed import RECORDS, SNAPSHOT_HEAD

UNITS = {
    "AAPL": (Decimal("0.01"), Decimal(1)),
    "BTC/USD": (Decimal(1), Decimal("0.00000001")),
    "NEW0": (Decimal("0.01"), Decimal(1)),
}
FULL = 250
COLLECTING = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
Level = tuple[Decimal, Decimal, int]  # price, quantity, orders
Auctions = dict[
    tuple[str, str], tuple[str, ...]
]  # MDEntryType, OpenCloseSettlFlag -> price, quantity, TradeCondition


@st.composite
def requests(draw: Any) -> str:
    """A MarketDataRequest, mostly one that is served."""
    kind, depth = draw(st.sampled_from("0111112")), draw(st.sampled_from(["0", "0", "1", "2", "3", "251"]))
    update = draw(st.sampled_from(["1", "1", "1", "0"]))
    name = f"{'look' if kind == '0' else 'r'}{draw(st.integers(0, 3))}"
    wanted = ["0", "1", "01", "10"]
    types = draw(st.sampled_from([*wanted, "012", "2", "02"] if (kind, update) == ("1", "1") else wanted))
    types += draw(st.sampled_from(["", "", "45A", "4", "A5"]))
    symbols = draw(
        st.sampled_from([["AAPL"], ["AAPL"], ["BTC/USD", "AAPL"], ["AAPL", "AAPL"], ["AAPL", "NONE"]])
    )
    return "|".join(
        [f"35=V|262={name}|263={kind}|264={depth}|265={update}|267={len(types)}"]
        + [f"269={each}" for each in types]
        + [f"146={len(symbols)}"]
        + [f"55={each}" for each in symbols]
    )


def groups(message: bytes, first: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The fields of a message outside of its one repeating group, and the group's instances."""
    single: dict[str, str] = {}
    instances: list[dict[str, str]] = []
    for part in message.decode().rstrip("\x01").split("\x01"):
        tag, _, value = part.partition("=")
        if tag == first:
            instances.append({})
        (instances[-1] if instances and tag not in {"20001", "10"} else single)[tag] = value
    return single, instances


def auction(e: dict[str, str]) -> tuple[tuple[str, str], tuple[str, ...]]:
    """An entry of an auction: which it is, and what it says but for the time."""
    return (e["269"], e.get("286", "")), (e["270"], e["271"], e.get("277", ""))


@dataclass
class Book:
    """What a client knows of one symbol by one subscription."""

    symbol: str
    depth: int
    types: str
    refresh: bool
    told: bool = False
    sides: dict[str, list[Level]] = field(default_factory=lambda: {"0": [], "1": []})
    auctions: Auctions = field(default_factory=dict)
    trades: list[tuple[Decimal, Decimal]] = field(default_factory=list)  # of the entry, by X
    last: tuple[Decimal, Decimal] | None = None  # trade, by W
    is_whole: bool = False  # a W came with the entry
    is_same: bool = False  # and its levels were those before

    def position(self, side: str, price: Decimal) -> int:
        """Where a level with this price is or goes, counted from 0."""
        better = [
            level for level in self.sides[side] if (level[0] > price if side == "0" else level[0] < price)
        ]
        return len(better)

    def whole(self, entries: list[dict[str, str]]) -> None:
        """A W."""
        sides: dict[str, list[Level]] = {"0": [], "1": []}
        self.last, before = None, (self.sides, self.auctions)
        self.auctions = dict(map(auction, (e for e in entries if e["269"] in "45A")))
        for e in (e for e in entries if e["269"] not in "45A"):
            if e["269"] == "2":
                assert self.last is None
                self.last = (Decimal(e["270"]), Decimal(e["271"]))
                continue
            level = (Decimal(e["270"]), Decimal(e["271"]), int(e["346"]))
            sides[e["269"]].append(level)
            assert e.get("290") == (str(len(sides[e["269"]])) if self.depth > 1 else None)
        assert not self.told or self.refresh
        self.is_whole, self.is_same = True, self.told and (sides, self.auctions) == before
        self.told, self.sides = True, sides

    def change(self, e: dict[str, str]) -> None:
        """An entry of an X."""
        assert self.told
        assert not self.refresh
        assert e["55"] == self.symbol
        if e["269"] in "45A":
            key, value = auction(e)
            assert (key in self.auctions) == (e["279"] != "0")
            self.auctions[key] = value
            if e["279"] == "2":
                del self.auctions[key]
            return
        price = Decimal(e["270"])
        if e["269"] == "2":
            assert e["279"] == "0"
            self.trades.append((price, Decimal(e["271"])))
            return
        levels, at = self.sides[e["269"]], self.position(e["269"], price)
        assert e.get("290") == (str(at + 1) if self.depth > 1 else None)
        there = at < len(levels) and levels[at][0] == price
        if e["279"] == "2":
            assert there
            del levels[at]
            return
        level = (price, Decimal(e["271"]), int(e["346"]))
        if e["279"] == "1":
            assert there
            assert levels[at] != level
            levels[at] = level
        else:
            assert e["279"] == "0"
            assert not there
            levels.insert(at, level)


@dataclass
class Readers(Phased):
    """Clients that are subscribed to books, and check them after every entry."""

    books: dict[tuple[str, str], dict[str, Book]] = field(default_factory=dict)
    updates: int = 0
    last: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)  # trade of each symbol
    leaving: set[str] = field(default_factory=set)  # logged out, until they log on again
    phases: dict[str, Phase] = field(default_factory=dict)  # of each symbol, after the last entry
    found: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)  # auctions by MDEntryType

    def __post_init__(self) -> None:
        original = self.edge.entry

        def entry(*items: bytes) -> None:
            self.edge.exchange.record_trades = True
            original(*items)
            self.check()

        self.edge.entry = entry  # type: ignore[method-assign]

    def say(self, client: str, *texts: str) -> None:
        """Messages; what they subscribe to is expected, what they end is not. Only whose connection is open."""
        for text in texts if client in self.edge.connections else []:
            if text.startswith("35=A|"):
                self.leaving.discard(client)
            elif text.startswith("35=5"):
                self.leaving.add(client)
                self.forget(client)
            elif text.startswith("35=V") and client not in self.leaving:
                self.expect(client, text)
        if client in self.edge.connections:
            super().say(client, *texts)

    def expect(self, client: str, text: str) -> None:
        """What a request that will be taken changes."""
        pairs = [part.split("=") for part in text.split("|")]
        one, symbols = dict(pairs), [value for tag, value in pairs if tag == "55"]
        key = (client, one["262"])
        if one["263"] == "2":
            self.books.pop(key, None)
        elif one["263"] == "1" and key not in self.books and "NONE" not in symbols and one["264"] != "251":
            types = "".join(value for tag, value in pairs if tag == "269")
            depth = int(one["264"]) or FULL
            self.books[key] = {s: Book(s, depth, types, one["265"] == "0") for s in symbols}

    def check(self) -> None:
        """After an entry: every message makes sense, and every subscription has the book as it is."""
        edge = self.edge
        told_before = {id(book) for books in self.books.values() for book in books.values() if book.told}
        for name, kind, content in edge.out:
            if kind in {"close", "refuse"}:
                self.forget(name)
            elif kind == "message":
                self.hear(name, content)
        edge.out.clear()
        for client in CLIENTS:
            if client not in edge.connections:
                self.forget(client)
        taken = edge.exchange.take_trades()
        trades = [
            (symbol, (ticks * UNITS[symbol][0], lots * UNITS[symbol][1])) for *_, symbol, ticks, lots in taken
        ]
        self.last |= dict(trades)
        for symbol in UNITS.keys() & set(edge.exchange.symbols()):
            self.look_at_phase(symbol, [ticks for *_, traded, ticks, _ in taken if traded == symbol])
        for books in self.books.values():
            for book in books.values():
                assert book.told
                assert book.sides == dict(self.really(book))
                assert book.auctions == {k: v for k, v in self.auctions(book.symbol) if k[0] in book.types}
                traded = [trade for symbol, trade in trades if symbol == book.symbol and "2" in book.types]
                assert book.trades == (traded if id(book) in told_before and not book.refresh else [])
                assert not book.is_same or traded
                if book.is_whole or book.refresh:
                    assert book.last == (self.last.get(book.symbol) if "2" in book.types else None)
                book.trades.clear()
                book.is_whole = book.is_same = False

    def really(self, book: Book) -> Iterator[tuple[str, list[Level]]]:
        """The sides that a subscription is to, as the engine has them."""
        exchange, (tick, lot) = self.edge.exchange, UNITS[book.symbol]
        both = exchange.machine.depth(exchange.symbols().index(book.symbol), book.depth)
        for side, levels in zip("01", both, strict=True):
            wanted = levels if side in book.types else levels[:0]
            yield side, [(int(p) * tick, int(q) * lot, int(n)) for p, q, n in wanted.tolist()]

    def look_at_phase(self, symbol: str, trades: list[int]) -> None:
        """After an entry, with the prices of its trades: the auction that it had, if it had one."""
        exchange = self.edge.exchange
        before, now = self.phases.get(symbol), exchange.machine.phase(exchange.symbols().index(symbol))
        self.phases[symbol] = now
        if trades and before in COLLECTING and now not in COLLECTING:
            answer = exchange.feed.snapshot(f"status|{symbol}|".encode(), exchange.machine)
            lots = RECORDS["status"].unpack(answer[SNAPSHOT_HEAD:])[10]
            kind = "5" if before == Phase.CLOSING_AUCTION else "4"
            self.found.setdefault(symbol, {})[kind] = (trades[0], lots)

    def auctions(self, symbol: str) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
        """What there was and will be, as the feed and the engine have it."""
        exchange, (tick, lot) = self.edge.exchange, UNITS[symbol]
        number = exchange.symbols().index(symbol)
        phase, coming = exchange.machine.phase(number), exchange.machine.indicative(number)
        for kind, (price, lots) in self.found.get(symbol, {}).items():
            yield (kind, "1"), (f"{price * tick:f}", f"{lots * lot:f}", "")
        if coming is not None and phase in COLLECTING:
            price, lots, surplus = coming
            kind = "5" if phase == Phase.CLOSING_AUCTION else "4"
            yield (kind, "5"), (f"{price * tick:f}", f"{lots * lot:f}", "")
            if surplus:
                yield ("A", ""), (f"{price * tick:f}", f"{abs(surplus) * lot:f}", "P" if surplus > 0 else "Q")

    def forget(self, client: str) -> None:
        """The end of a connection."""
        self.books = {key: books for key, books in self.books.items() if key[0] != client}

    def hear(self, client: str, content: bytes) -> None:
        """One message."""
        kind = content.split(b"\x0135=")[1][:1]
        if kind == b"W":
            one, entries = groups(content, "269")
            assert int(one["268"]) == len(entries)
            if (book := self.books.get((client, one["262"]), {}).get(one["55"])) is not None:
                book.whole(entries)
        elif kind == b"X":
            one, entries = groups(content, "279")
            assert int(one["268"]) == len(entries) > 0
            self.updates += len(entries)
            assert int(one["20001"]) == self.edge.exchange.input_number
            for e in entries:
                self.books[client, one["262"]][e["55"]].change(e)

    def play(self, step: tuple[str, str, Any]) -> None:
        """One step of a random story."""
        kind, client, what = step
        if kind == "restore":
            self.edge.exchange = Exchange.restore(self.edge.exchange.snapshot())
        elif kind == "many":
            super().play(("order", client, what[0]))
            self.say(client, *what[1:])
        elif kind != "skip":
            super().play(step)


said = st.one_of(orders(), orders(), orders(), orders(), requests())
reading = st.one_of(
    steps,
    phases,
    st.tuples(st.just("order"), st.sampled_from(CLIENTS), requests()),
    st.tuples(st.just("order"), st.sampled_from(CLIENTS), requests()),
    st.tuples(st.just("many"), st.sampled_from(CLIENTS), st.lists(said, min_size=1, max_size=6)),
    st.tuples(st.just("many"), st.sampled_from(CLIENTS), st.lists(said, min_size=1, max_size=6)),
    st.tuples(st.just("restore"), st.just(""), st.just(0)),
)


@settings(max_examples=200)
@given(st.lists(reading, min_size=10, max_size=60), st.sampled_from([1, 2, 4096]))
def test_who_applies_what_he_is_told_has_the_book(story: list[tuple[str, str, Any]], budget: int) -> None:
    readers = Readers(MemoryEdge(budget=budget))
    readers.start()
    for step in story:
        readers.play(step)


calm = st.one_of(
    *[calm_steps] * 5,
    st.tuples(st.just("order"), st.just("C"), requests()),
    st.tuples(st.just("restore"), st.just(""), st.just(0)),
)


@settings(max_examples=60)
@given(st.lists(calm, min_size=20, max_size=80), st.sampled_from([1, 2, 4096]))
def test_who_reads_all_day_has_the_book_and_the_auctions(
    story: list[tuple[str, str, Any]], budget: int
) -> None:
    readers = Readers(MemoryEdge(budget=budget))
    readers.start()
    for client, depth, update in (("A", 0, 1), ("B", 1, 0)):
        types = "|".join(f"269={each}" for each in "01245A")
        request = f"35=V|262=r9|263=1|264={depth}|265={update}|267=6|{types}|146=1|55=AAPL"
        readers.play(("order", client, request))
    for step in story:
        readers.play(step)


def log_on(*symbols: str, **instrument: Any) -> Readers:
    """A and B, subscribed to nothing, at an exchange with these instruments."""
    readers = Readers(MemoryEdge())
    readers.edge.start(*(inputs.instrument(symbol, **instrument) for symbol in symbols))
    for client in "AB":
        readers.play(("order", client, "35=0|"))
    return readers


def heard(readers: Readers) -> list[bytes]:
    """The market data that came since."""
    out = [content for _, _, content in readers.edge.out]
    readers.edge.out.clear()
    return [content for content in out if content.split(b"\x0135=")[1][:1] in b"WXY"]


def request(id: str, kind: str, depth: int, types: str, *symbols: str) -> str:
    """A MarketDataRequest."""
    groups = [f"269={each}" for each in types] + [f"146={len(symbols)}"] + [f"55={each}" for each in symbols]
    return f"35=V|262={id}|263={kind}|264={depth}|265=1|267={len(types)}|" + "|".join(groups)


def test_what_has_changed_goes_on_in_another_message() -> None:
    readers = log_on("AAPL")
    readers.check = lambda: None  # type: ignore[method-assign]
    World.say(readers, "B", request("all", "1", 0, "012", "AAPL"))
    for n in range(900):
        World.say(readers, "A", f"35=D|11=m{n}|55=AAPL|54=2|38=1|40=2|44={10 + n // 3}")
    heard(readers)
    World.say(readers, "A", "35=D|11=t|55=AAPL|54=1|38=899|40=2|44=400")
    messages = heard(readers)
    parts = [groups(message, "279") for message in messages]
    assert len(parts) > 2
    assert max(map(len, messages)) < 65_536
    assert {single["20001"] for single, _ in parts} == {str(readers.edge.exchange.input_number)}
    entries = [e for single, instances in parts for e in instances if int(single["268"]) == len(instances)]
    trades = [e for e in entries if e["269"] == "2"]
    assert [int(e["278"]) for e in trades] == list(range(1, 900))
    assert [e["269"] for e in entries[len(trades) :]] == ["1"] * (FULL + 1)
    assert {(e["272"], e["273"]) for e in trades} == {("20260105", "10:00:00.000")}


def test_the_longest_message_is_served_to_whoever_reads_no_more_than_the_exchange() -> None:
    readers = log_on("X" * 32, price_increment="0.0000000000000001", quantity_increment="0.0000000000000001")
    readers.check = lambda: None  # type: ignore[method-assign]
    for n in range(300):
        for side, price in (("1", 5_000_000_000_000_001 + n), ("2", 5_000_000_000_000_000 - n)):
            World.say(
                readers, "A",
                f"35=D|11=m{n}-{side}|55={'X' * 32}|54={side}|38=0.0000000000000001|40=2|44=-8.{price}",
            )  # fmt: skip
    heard(readers)
    World.say(readers, "A", request("i" * 64, "0", 0, "01", "X" * 32))
    (message,) = heard(readers)
    _, entries = groups(message, "269")
    assert len(entries) == 2 * FULL
    assert 65 * len(entries) < len(message) < 65_536


def test_what_one_request_and_one_session_may_ask_for_is_bounded() -> None:
    symbols = [f"S{n}" for n in range(41)]
    readers = log_on(*symbols)
    readers.check = lambda: None  # type: ignore[method-assign]

    def answers(id: str, kind: str, depth: int, count: int) -> set[bytes]:
        """MsgType, and MDReqRejReason where there is one."""
        World.say(readers, "A", request(id, kind, depth, "01", *symbols[:count]))
        return {
            b"".join(part for part in content.split(b"\x01") if part[:3] == b"35=" or part[:4] == b"281=")
            for content in heard(readers)
        }

    assert answers("one", "0", 0, 40) == {b"35=W"}
    assert answers("more", "0", 0, 41) == {b"35=Y281=2"}
    assert answers("less", "0", 243, 41) == {b"35=W"}
    for n in range(25):
        assert answers(f"s{n}", "1", 1, 40) == {b"35=W"}
    assert answers("another", "1", 1, 1) == {b"35=Y281=2"}
    assert answers("a look", "0", 1, 1) == {b"35=W"}
    assert answers("s7", "2", 1, 1) == set()
    assert answers("another", "1", 1, 40) == {b"35=W"}


@pytest.mark.parametrize(
    "body", ["354=9|355=a", "262", "146=1|55=AAPL", "262=a|263=|264=x|269=|146=1|55=", ""]
)
def test_a_body_that_no_edge_lets_in_does_no_harm(body: str) -> None:
    """It is in the log, whatever made it."""
    readers = log_on("AAPL")
    plain = readers.written("A", request("a", "0", 0, "01", "AAPL"))
    item = readers.edge.input_of("A", plain)
    size = int.from_bytes(item[72:76], "little")
    text = body.replace("|", "\x01").encode() + b"\x01"
    at = 80 + item[68] + item[69] + item[71]
    assert item[at : at + 4] == b"262="
    changed = item[:72] + len(text).to_bytes(4, "little") + item[76:at] + text
    changed += bytes(-len(changed) % 8)
    assert size > len(text)
    readers.edge.entry(len(changed).to_bytes(4, "little") + changed[4:])
    assert readers.edge.exchange.session_counts() == (2, 2)
