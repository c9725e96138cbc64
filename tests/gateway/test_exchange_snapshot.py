"""An exchange restored from its snapshot at any entry goes on as the original did, byte for byte."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from test_exchange_properties import GENESIS, World, orders, steps
from test_market_requests import requests

from gateway import inputs
from gateway.exchange import Exchange
from gateway.feed import KINDS
from gateway.rules import NewerRules

CLIENTS = ("A", "B", "C", "A client with a long name" + "." * 39)
NEWEST = inputs.RULES_VERSION
LONG = "x" * 60  # ClOrdIDs that do not fit into an order's slot
HEADER = struct.Struct("<8sIIqqq")
SECTION = struct.Struct("<IIQ")

clients = st.sampled_from(CLIENTS)


def message(kind: str, new: int, old: int, quantity: int, price: int) -> str:
    """About one of few orders, which trade with each other: the ones with even numbers buy."""
    names = f"11=x{old}|1=an account" if kind == "D" else f"11=y{new}|41=x{old}"
    terms = f"38={quantity}|40=2|44={price}|" if kind != "F" else ""
    return f"35={kind}|{names}|55=AAPL|54={1 + old % 2}|{terms}"


trading = st.builds(
    message,
    st.sampled_from("DDDFFGG"),
    st.integers(0, 999),
    st.integers(0, 7),
    st.integers(1, 9),
    st.sampled_from([-1, 9, 10, 11]),
)
lives = st.integers(0, 99).map(
    lambda n: (
        message("D", n, 2 * n, 5, 7),
        f"35=G|11=g{n}|41=x{2 * n}|55=AAPL|54=1|38=4|40=2|44={6 + n % 4}|",
        f"35=F|11=f{n}|41=g{n}|55=AAPL|54=1|",
    )[: 2 + n % 2]
)
more_steps = st.one_of(
    steps,
    *[
        st.tuples(st.just("order"), st.sampled_from(pair), trading)
        for pair in ("AB", "BC", "CA", "AA", "AB", "BA")
    ],
    st.tuples(st.just("order"), clients, orders()),
    st.tuples(st.just("order"), clients, orders().map(lambda text: text.replace("|11=n", f"|11={LONG}n"))),
    st.tuples(st.just("order"), clients, orders().map(lambda text: text.replace("=n", f"={LONG}n"))),
    st.tuples(st.just("order"), clients, orders().map(lambda text: text + "97=Y|")),
    st.tuples(st.just("admin"), clients, st.sampled_from(["35=2|7=1|16=0|", "35=4|123=Y|36=90|", "35=0|"])),
    st.tuples(
        st.just("admin"),
        clients,
        st.sampled_from([f"35=A|98=0|108={n}|141=Y|20003=Y|20004=100|" for n in (1, 5)]),
    ),
    st.tuples(st.just("order"), st.sampled_from("ABC"), requests()),
    st.tuples(st.just("life"), st.sampled_from("ABC"), lives),
    st.tuples(st.just("setting"), st.just(""), st.sampled_from([0, 1, 6, 50])),
    st.tuples(st.just("activate"), st.just(""), st.integers(2, NEWEST)),
    st.tuples(st.just("instrument"), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["lost", "move", "repeat"]), st.just(""), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([10**8, 6 * 10**9, 13 * 10**9])),
    st.tuples(st.just("another leader"), st.just(""), st.just(0)),
    st.tuples(
        st.sampled_from(["listen", "ignore"]),
        st.just(""),
        st.sampled_from([b"", b"trades|", b"orders|AAPL|", b"to", b"levels|NEW0|"]),
    ),
)


def shown(exchange: Exchange) -> dict[str, Any]:
    """All that can be seen of an exchange from outside, but for what comes out of an entry."""
    symbols = exchange.symbols()
    return {
        "index": (exchange.applied_index, exchange.applied_term, exchange.time_ns),
        "inputs": (exchange.input_number, exchange.skipped_inputs, exchange.last_incarnation),
        "comp_id": exchange.comp_id,
        "sessions": exchange.sessions(),
        "symbols": symbols,
        "sequences": [exchange.feed.sequences(symbol.encode()) for symbol in symbols],
        "joined": [
            exchange.feed.snapshot(f"{kind}|{symbol}|".encode(), exchange.machine)
            for symbol in symbols
            for kind in KINDS
        ],
        "hash": exchange.state_hash(),
        "snapshot": exchange.snapshot(),
        "deadline": exchange.next_deadline_ns,
    }


@dataclass
class History(World):
    """A story, with what every entry led to and which subscriptions changed before it."""

    came_out: list[tuple[bytes, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    subscriptions: dict[int, list[tuple[str, bytes]]] = field(default_factory=dict)
    listens: set[bytes] = field(default_factory=lambda: {b""})
    listened: list[set[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        original, self.edge.entry = self.edge.entry, self.entry  # type: ignore[method-assign]
        self.original = original

    def start(self) -> None:
        """Few ClOrdIDs are remembered, so that many are forgotten."""
        self.edge.start(
            inputs.setting(closed_cl_ord_ids=3, cancel_on_disconnect=True, grace_ms=500), *GENESIS
        )

    def entry(self, *items: bytes) -> None:
        """An entry, and what it led to."""
        before = len(self.edge.records)
        self.original(*items)
        self.came_out.append((bytes(self.edge.records[before:]), self.edge.exchange.feed.take()))
        self.shown.append(shown(self.edge.exchange))
        self.listened.append(set(self.listens))

    def say(self, client: str, *texts: str) -> None:
        """Messages, unless their client's connection was closed by the one before."""
        if client in self.edge.connections:
            super().say(client, *texts)

    def play(self, step: tuple[str, str, Any]) -> None:
        """One more step of a random story."""
        kind, _, what = step
        edge = self.edge
        match kind:
            case "life":  # of one order: entered, replaced, perhaps cancelled
                for text in what:
                    super().play(("order", step[1], text))
            case "setting":
                edge.entry(
                    inputs.setting(
                        closed_cl_ord_ids=what, cancel_on_disconnect=what < 6, grace_ms=700, max_sessions=4,
                        sending_time_seconds=10,
                    )
                )  # fmt: skip
            case "activate":
                edge.entry(inputs.activate(what))
            case "instrument":
                edge.entry(inputs.instrument(f"NEW{len(edge.exchange.symbols()) - 2}", max_quantity="100"))
            case "lost":
                edge.entry(inputs.gateway_lost(edge.incarnation))
            case (
                "move"
            ):  # the clients come again through another gateway, before the old one is known to be lost
                edge.names = {key: f"old {name}" for key, name in edge.names.items()}
                edge.connections.clear()
                edge.entry(inputs.gateway_start())
                edge.incarnation, edge.gateway_number = edge.exchange.last_incarnation, 0
            case "repeat":
                entered = inputs.split(bytes(edge.log[-1].payload))
                edge.entry(*[item for item in entered if int.from_bytes(item[8:12], "little")])
            case "listen" | "ignore":
                subscribe(edge.exchange, kind, what)
                if kind == "ignore":
                    self.listens.discard(what)
                elif edge.exchange.feed.listen(what):
                    self.listens.add(what)
                self.subscriptions.setdefault(len(edge.log), []).append((kind, what))
            case _:
                super().play(step)


def subscribe(exchange: Exchange, kind: str, prefix: bytes) -> None:
    if kind == "ignore":
        exchange.feed.ignore(prefix)
    else:
        exchange.feed.listen(prefix)


def restored(history: History, index: int) -> Exchange:
    """The exchange as it was after entry `index`."""
    exchange = Exchange.restore(history.shown[index - 1]["snapshot"])
    assert shown(exchange) == history.shown[index - 1]
    return exchange


def goes_on(history: History, index: int) -> None:
    """The exchange restored after entry `index` does what the original did."""
    exchange = restored(history, index)
    exchange.feed.ignore(b"")
    for prefix in sorted(history.listened[index - 1]):
        exchange.feed.listen(prefix)
    for entry in history.edge.log[index:]:
        for kind, prefix in history.subscriptions.get(entry.index - 1, []):
            subscribe(exchange, kind, prefix)
        exchange.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        with exchange.egress() as view:
            assert (bytes(view), exchange.feed.take()) == history.came_out[entry.index - 1]
        exchange.clear_egress()
        assert shown(exchange) == history.shown[entry.index - 1]
    for kind, prefix in history.subscriptions.get(len(history.edge.log), []):
        subscribe(exchange, kind, prefix)
    for one in (exchange, history.edge.exchange):
        list(one.feed.idle())
    assert list(exchange.feed.idle()) == list(history.edge.exchange.feed.idle())


@settings(max_examples=150)
@given(st.lists(more_steps, min_size=10, max_size=50), st.sampled_from([1, NEWEST, NEWEST]), st.data())
def test_a_restored_exchange_goes_on_as_the_original(
    story: list[tuple[str, str, Any]], rules: int, data: st.DataObject
) -> None:
    history = History(MemoryEdge(rules=rules))
    history.start()
    for step in story:
        history.play(step)
    last = len(history.edge.log)
    for index in range(1, last + 1):
        restored(history, index)
    for index in {data.draw(st.integers(1, last)), data.draw(st.integers(1, last)), last}:
        goes_on(history, index)


# ---------------------------------------------------------------- what is not a snapshot


def small() -> bytes:
    """A snapshot that has something of everything: orders, aliases, free slots, a subscription, a gap, a grace."""
    history = History(MemoryEdge())
    history.start()
    for text in (
        "35=D|11=n1|55=AAPL|54=1|38=5|40=2|44=10|1=acct|",
        f"35=D|11={LONG}{LONG}|55=AAPL|54=1|38=5|40=2|44=9.9|",
        "35=D|11=n3|453=1|448=ALICE|447=D|452=1|55=AAPL|54=2|38=2|40=2|44=10|",
        f"35=D|11=n9|453=1|448={LONG}|447=D|452=1|55=AAPL|54=1|38=5|40=2|44=9|",
        "35=G|11=n4|41=n1|55=AAPL|54=1|38=9|40=2|44=9.8|",
    ):
        history.play(("order", "A", text))
    for n in range(8):  # what is closed and forgotten leaves free slots
        history.play(("order", "B", f"35=D|11=b{n}|55=BTC/USD|54=2|38=1|40=2|44=100|59=3|"))
    history.play(("admin", "A", "35=AD|568=t1|569=0|263=1|"))
    history.play(("order", "A", "35=V|262=r1|263=1|264=2|265=1|267=1|269=0|146=1|55=AAPL"))
    history.play(("setting", "", 1))
    history.play(("order", "B", "35=D|11=c1|55=BTC/USD|54=2|38=1|40=2|44=100|59=3|"))
    history.play(("skip", "A", 2))
    history.play(("order", "A", "35=D|11=n5|55=AAPL|54=1|38=5|40=2|44=10|"))
    history.edge.close("B")
    return history.edge.exchange.snapshot()


def sections(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(kind, records, where its records begin, their length)."""
    at = HEADER.size
    while at < len(data):
        kind, count, length = SECTION.unpack_from(data, at)
        yield kind, count, at + SECTION.size, length
        at += SECTION.size + length


def sealed(data: bytes) -> bytes:
    """With the checksum that it should have."""
    return data[:-8] + google_crc32c.value(data[:-8]).to_bytes(8, "little")


def test_no_byte_may_be_another() -> None:
    data = small()
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= flip
            with pytest.raises(ValueError, match="snapshot, byte offset"):
                Exchange.restore(damaged)


def test_no_byte_may_be_missing_or_too_many() -> None:
    data = small()
    for length in range(len(data)):
        with pytest.raises(ValueError, match="snapshot, byte offset"):
            Exchange.restore(data[:length])
    for more in (b"\0", bytes(16), data):
        with pytest.raises(ValueError, match=f"byte offset {len(data)}: bytes after the end"):
            Exchange.restore(data + more)


def test_with_a_right_checksum_it_is_refused_or_means_what_it_says() -> None:
    """No byte is without meaning: what is taken at all has the snapshot that it was restored from."""
    data = small()
    refused = 0
    for at in range(len(data) - 8):
        for flip in (1, 0x10, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] ^= flip
            changed = bytearray(sealed(bytes(changed)))
            try:
                restored = Exchange.restore(changed)
            except (ValueError, NewerRules):
                refused += 1
            else:
                assert restored.snapshot() == changed
                restored.state_hash()
    assert refused > len(data)  # of four times as many


def test_who_damaged_it_is_told_what_is_wrong() -> None:
    data = small()
    found = {kind: (begin, length) for kind, _, begin, length in sections(data)}
    sessions, _ = found[5]
    free, _ = found[7]

    def with_bytes(at: int, value: bytes) -> bytes:
        return sealed(data[:at] + value + data[at + len(value) :])

    for changed, why in (
        (b"", "0: it ends in the middle of its header"),
        (b"QBENGINE" + data[8:], "0: not a snapshot of an exchange"),
        (with_bytes(8, b"\2"), "8: format version 2; this program reads version 1"),
        (with_bytes(12, b"\0"), "12: rules version 0; the first one is 1"),
        (data[:-24], f"{len(data) - 24}: it ends before its last section"),
        (data[: found[3][0] + 100], f"{found[3][0] - 16}: this section goes beyond the end"),
        (with_bytes(found[4][0] - 16, b"\5"), f"{found[4][0] - 16}: no section of this kind can be here"),
        (with_bytes(100, b"\1")[:-8] + data[-8:], f"{len(data) - 8}: the checksum is not that of the bytes"),
        (with_bytes(found[3][0] + 8, b"\4"), "the engine's part: snapshot, byte offset 8: rules version 4"),
        (with_bytes(sessions + 12, b"\x63"), "the sessions have more orders than there are, or fewer"),
        (with_bytes(sessions + 104, data[sessions + 464 :][:64]), f"{sessions + 360}: a CompID twice"),
        (with_bytes(sessions + 204, b"\x80"), f"{sessions}: an early message that cannot be"),
        (with_bytes(sessions + 200, b"\x41"), f"{sessions}: a session that cannot be"),
        (with_bytes(sessions + 201, b"\3"), f"{sessions}: a session that cannot be"),
        (with_bytes(sessions + 184, b"\1"), f"{sessions}: a session that cannot be"),
        (with_bytes(found[6][0], data[free : free + 4]), f"{found[6][0]}: an open order that the engine"),
        (with_bytes(free, b"\xff\xff"), f"{free}: a slot that there is not"),
        (with_bytes(free, data[free + 4 : free + 8]), f"{free + 4}: a slot twice"),
    ):
        with pytest.raises(ValueError, match=why):
            Exchange.restore(changed)


def test_half_an_entry_has_no_snapshot() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    pieces = edge.exchange.snapshot_pieces()
    next(pieces)
    edge.exchange.begin(inputs.timer(), 2, 1, edge.now_ns)
    with pytest.raises(RuntimeError, match="the snapshot at entry 1 was not done when the next entry came"):
        list(pieces)
    with pytest.raises(RuntimeError, match="an entry is half applied"):
        edge.exchange.snapshot()


def test_many_sessions_and_orders_come_in_pieces() -> None:
    world = World(MemoryEdge())
    exchange = world.edge.exchange
    world.edge.start(*GENESIS, inputs.setting(closed_cl_ord_ids=5000))
    for n in range(4100):
        world.edge.connect(f"S{n}")
        world.sent[f"S{n}"] = 0
        world.say(f"S{n}", "35=A|98=0|108=0|")
    for n in range(9000):
        world.say("S0", f"35=D|11=a{n}|55=AAPL|54={1 + n % 2}|38=1|40=2|44={9 + n % 2 * 2}|")
    assert_pieces(exchange, [(3, 1), (4, 2), (5, 4096), (5, 4), (6, 4096), (6, 4096), (6, 808), (8, 1)])
    world.say("S0", "35=q|11=q|530=1|55=AAPL|")
    for n in range(100):
        world.say("S0", f"35=D|11=b{n}|55=AAPL|54=1|38=1|40=2|44={1 + n % 9}|")
    assert_pieces(exchange, [(3, 1), (4, 2), (5, 4096), (5, 4), (6, 4096), (6, 1004), (7, 3900), (8, 1)])


def assert_pieces(exchange: Exchange, expected: list[tuple[int, int]]) -> None:
    """The sections from the machine's on have so many records; no piece is much work, and together they restore."""
    pieces = list(exchange.snapshot_pieces())
    assert max(map(len, pieces)) < 1 << 20
    data = b"".join(pieces)
    assert [(kind, count) for kind, count, _, _ in sections(data)][2:] == expected
    restored = Exchange.restore(memoryview(data))
    assert restored.snapshot() == data == exchange.snapshot()
    assert restored.state_hash() == exchange.state_hash()


def test_an_exchange_before_its_first_entry_has_a_snapshot() -> None:
    restored = Exchange.restore(Exchange().snapshot())
    assert restored.snapshot() == Exchange().snapshot()
    edge, other = MemoryEdge(restored), MemoryEdge()
    for each in (edge, other):
        each.start(*GENESIS)
    assert edge.exchange.state_hash() == other.exchange.state_hash()
