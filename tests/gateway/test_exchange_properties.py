"""What must hold whatever clients send: random sessions, orders and faults, told to the exchange and checked.

The checker believes nothing but the FIX messages that come out, and compares with the engine at the end.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from order_checker import Checker, fields
from standing import standing
from stories import build, time_text

from engine.machine import Machine
from gateway import inputs
from gateway.exchange import Exchange

CLIENTS = ("A", "B", "C")
GENESIS = (
    inputs.instrument("AAPL", protection="0.05"),
    inputs.instrument("BTC/USD", price_increment="1", quantity_increment="0.00000001", min_quantity="0.5"),
)

names = st.integers(0, 12).map(lambda n: f"n{n}")
symbols = st.sampled_from(["AAPL", "AAPL", "AAPL", "BTC/USD", "NONE"])
sides = st.sampled_from("112225")
prices = st.one_of(
    st.integers(95, 105).map(lambda n: f"{n / 10:.1f}"),
    st.integers(95, 105).map(lambda n: f"{n / 10:.2f}"),
    st.sampled_from(["10.005", "-1", "0", "999999999999999999", "92233720368547758.07"]),
)
quantities = st.one_of(
    st.integers(1, 20).map(str), st.sampled_from(["0", "0.5", "1000000", "9223372036854775807"])
)
optional = st.sampled_from(
    [
        "",
        "",
        "",
        "",
        "59=0|",
        "59=1|",
        "59=3|",
        "59=4|",
        "59=6|",
        "59=7|",
        "18=6|",
        "1=acct|",
        "111=1|",
        "111=3|",
        "111=0|",
    ]
    + [
        "18=G|",
        "18=6|20014=S|",
        "110=2|",
        "59=6|126=20260105-10:00:01|",
        "59=6|126=20260105-10:00:40|",
        "59=B|",
    ]
    + [f"20012=1|20013={mode}|" for mode in "1234"]
    + [f"453=1|448={name}|447=D|452=1|" for name in ("ALICE", "BOB", "x" * 90)]
)


limits = st.builds("38={}|40=2|44={}|".format, quantities, prices)
small = st.integers(1, 9)
others = st.one_of(
    st.sampled_from(["38=5|40=1|", "38=5|40=1|", "38=3|40=K|"]),
    st.builds("38={}|40=3|99={}|".format, small, prices),
    st.builds("38={}|40=4|99={}|44={}|".format, small, prices, prices),
    st.builds("38={}|40=P|18={}|".format, small, st.sampled_from("RRMMP")),
    st.builds("38={}|40=P|18={}|44={}|211=0.0{}|".format, small, st.sampled_from("RM"), prices, small),
    st.builds("38={}|40=P|18=a|211=0.{}|".format, small, small),
)
kinds = st.one_of(limits, limits, limits, others)


@st.composite
def orders(draw: Any) -> str:
    """A message about orders, mostly sensible."""
    kind = draw(st.sampled_from("DDDDDDFFGGGHqA"))
    name, other, symbol, side = draw(names), draw(names), draw(symbols), draw(sides)
    terms = draw(kinds)
    match kind:
        case "D":
            return f"35=D|11={name}|55={symbol}|54={side}|{terms}{draw(optional)}"
        case "F":
            return f"35=F|11={name}|41={other}|55={symbol}|54={side}|"
        case "G":
            return f"35=G|11={name}|41={other}|55={symbol}|54={side}|{terms}{draw(optional)}"
        case "H":
            return f"35=H|11={name}|37={draw(st.integers(0, 5))}|55={symbol}|54={side}|"
        case "q":
            return f"35=q|11={name}|530={draw(st.sampled_from('17'))}|55={symbol}|"
        case _:
            return f"35=AF|584={name}|585={draw(st.sampled_from('17'))}|55={symbol}|"


steps = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(CLIENTS), orders()),
    st.tuples(st.just("order"), st.sampled_from(CLIENTS), orders()),
    st.tuples(st.just("order"), st.sampled_from(CLIENTS), orders()),
    st.tuples(st.just("skip"), st.sampled_from(CLIENTS), st.integers(-2, 2)),
    st.tuples(
        st.just("admin"),
        st.sampled_from(CLIENTS),
        st.sampled_from(
            ["35=1|112=x|", "35=2|7=1|16=0|", "35=5|", *(f"35=AD|568=t|569=0|263={n}|" for n in "1112")]
        ),
    ),
    st.tuples(st.just("close"), st.sampled_from(CLIENTS), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 10**9, 40 * 10**9])),
    st.tuples(st.sampled_from(["restart", "another leader"]), st.just(""), st.just(0)),
)


at_once = st.sampled_from([4096, 1, 3])  # reports of a command in a log entry


@dataclass
class World:
    """Clients on an edge: each logs on when it is not, and counts what it sends."""

    edge: MemoryEdge
    sent: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        self.edge.start(
            inputs.setting(closed_cl_ord_ids=6, cancel_on_disconnect=True, grace_ms=500), *GENESIS
        )

    def play(self, step: tuple[str, str, Any]) -> None:
        """One step of a random story."""
        kind, client, what = step
        if kind == "wait":
            self.edge.wait(what)
        elif kind == "restart":
            self.edge.restart()
        elif kind == "another leader":
            self.edge.another_leader()
        elif kind == "close":
            if client in self.edge.connections:
                self.edge.close(client)
        else:
            if client not in self.edge.connections:
                self.edge.connect(client)
                inbound = next(
                    (s["inbound"] for s in self.edge.exchange.sessions() if s["comp_id"] == client), 1
                )
                self.sent[client] = inbound - 1
                self.say(client, "35=A|98=0|108=10|")
            if kind == "skip":
                self.sent[client] += what
            else:
                self.say(client, what)

    def say(self, client: str, *texts: str) -> None:
        """Messages with the next numbers, in one log entry."""
        self.edge.send(client, *[self.written(client, text) for text in texts])

    def written(self, client: str, text: str) -> bytes:
        """A message with the next number."""
        now = time_text(self.edge.now_ns)
        (_, kind), *parts = [tuple(part.split("=", 1)) for part in text.strip("|").split("|")]
        self.sent[client] = max(self.sent[client] + 1, 1)
        head = [
            ("35", kind),
            ("49", client),
            ("56", "QUORUMBOOK"),
            ("34", str(self.sent[client])),
            ("52", now),
        ]
        if kind in "DFGq":
            parts.append(("60", now))
        return build([*head, *parts])


def messages(edge: MemoryEdge) -> list[dict[str, str]]:
    """Everything numbered that came out, in order, for whoever it was."""
    return [fields(content) for _, kind, content in edge.out if kind in {"message", "kept"}]


def book(machine: Machine) -> list[Any]:
    """Every live order of the clients."""
    return [order for owner in range(1, len(CLIENTS) + 1) for order in machine.orders(owner)]


@settings(max_examples=150)
@given(st.lists(steps, max_size=60), at_once, st.integers(1, 3))
def test_reports_add_up_and_steps_do_not_matter(
    story: list[tuple[str, str, Any]], at_once: int, budget: int
) -> None:
    whole, cut = World(MemoryEdge()), World(MemoryEdge(budget=budget))
    for world in (whole, cut):
        world.edge.exchange.reports_at_once = at_once
        world.start()
        for step in story:
            world.play(step)
        world.edge.wait(0)
    assert bytes(cut.edge.records) == bytes(whole.edge.records)
    assert cut.edge.exchange.state_hash() == whole.edge.exchange.state_hash()

    checker = Checker()
    for m in messages(whole.edge):  # MemoryEdge asserts that each session's numbers have no holes
        if m["35"] == "8":
            checker.see(m)
    for two in checker.trades.values():
        assert [m["851"] for m in two] == ["2", "1"]
        assert len({(m["31"], m["32"], m["20001"]) for m in two}) == 1
    live = {str(o.order_id): o for o in book(whole.edge.exchange.machine)}
    assert {number for number, m in checker.orders.items() if m["39"] in "01"} == set(live)
    for number, order in live.items():
        unit = Decimal(1) if checker.orders[number]["55"] == "AAPL" else Decimal("0.00000001")
        assert Decimal(checker.orders[number]["151"]) == order.leaves_lots * unit
    for session in whole.edge.exchange.sessions():
        assert session["closed_cl_ord_ids"] <= 6


@settings(max_examples=100)
@given(st.lists(steps, max_size=60), at_once, st.integers(1, 20), st.integers(1, 40), st.booleans())
def test_a_log_applied_again_in_batches_leads_to_the_same(
    story: list[tuple[str, str, Any]], at_once: int, batch: int, budget: int, discards: bool
) -> None:
    """Many entries at a time, unaligned payloads, egress kept or not."""
    world = World(MemoryEdge())
    world.edge.exchange.reports_at_once = at_once
    world.edge.exchange.record_trades = True
    world.start()
    for step in story:
        world.play(step)
    world.edge.wait(0)
    again = Exchange()
    again.reports_at_once = at_once
    again.record_trades = True
    again.feed.ignore(b"")
    again.discards_egress = discards
    entries = [
        entry._replace(payload=memoryview(b"1234" + bytes(entry.payload))[4:]) for entry in world.edge.log
    ]
    records = bytearray()
    for at in range(0, len(entries), batch):
        again.begin_all(entries[at : at + batch])
        done = False
        while not done:
            done = again.step(budget)
            with again.egress() as view:
                records += view
            again.clear_egress()
    assert records == (b"" if discards else world.edge.records)
    assert again.state_hash() == world.edge.exchange.state_hash()
    assert again.take_trades() == world.edge.exchange.take_trades()
    for symbol in (b"AAPL", b"BTC/USD"):
        assert again.feed.sequences(symbol) == world.edge.exchange.feed.sequences(symbol)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(CLIENTS), orders()), max_size=40))
def test_what_is_refused_changes_nothing_but_numbers(story: list[tuple[str, str]]) -> None:
    world = World(MemoryEdge())
    world.start()
    for client, text in story:
        world.play(("admin", client, "35=0|"))
        before, count = standing(world.edge.exchange), len(world.edge.out)
        world.say(client, text)
        assert len(world.edge.out) > count
        out = messages(world.edge)[-1]
        if out["35"] in "39j" or out.get("150") in ("8", "I"):
            assert standing(world.edge.exchange) == before


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(CLIENTS), orders(), st.integers(0, 99)), max_size=40))
def test_what_was_acted_on_is_only_answered_when_it_comes_again(story: list[tuple[str, str, int]]) -> None:
    """PossResend: after anything else that has happened, the answer is the state of the order meant."""
    world = World(MemoryEdge())
    world.edge.start(*GENESIS)
    acted_on: list[tuple[str, str, str]] = []  # client, message, OrderID
    for client, text, which in story:
        world.play(("admin", client, "35=0|"))
        world.edge.out.clear()
        world.say(client, text)
        answer = next(m for m in messages(world.edge) if m["56"] == client)
        if text[3] in "DFG" and answer.get("150", "8") in "045":
            acted_on.append((client, text, answer["37"]))
        if acted_on:
            sender, sent, order_id = acted_on[which % len(acted_on)]
            before = standing(world.edge.exchange)
            world.edge.out.clear()
            world.say(sender, sent.replace("|", "|97=Y|", 1))
            assert [(m["56"], m["150"], m["37"]) for m in messages(world.edge)] == [(sender, "I", order_id)]
            assert standing(world.edge.exchange) == before


@settings(max_examples=50)
@given(st.lists(steps, max_size=40), st.data())
def test_an_input_in_the_log_twice_takes_effect_once(
    story: list[tuple[str, str, Any]], data: st.DataObject
) -> None:
    """The fence: repeated, late and foreign inputs are skipped, counted, and change no message."""
    once, twice = World(MemoryEdge()), World(MemoryEdge())
    for world in (once, twice):
        world.start()
    for step in story:
        once.play(step)
    original = twice.edge.entry
    skipped = 0

    def entry(*items: bytes) -> None:
        nonlocal skipped
        again = [item for item in items if int.from_bytes(item[8:12], "little")]
        skipped += len(again)
        original(*items, *again)

    twice.edge.entry = entry  # type: ignore[method-assign]
    for step in story:
        twice.play(step)
    assert bytes(twice.edge.records) == bytes(once.edge.records)
    assert twice.edge.exchange.skipped_inputs - once.edge.exchange.skipped_inputs == skipped


@pytest.mark.parametrize("budget", [1, 255, 256, 257, 700, 10**6])
def test_requests_about_many_orders_are_cut_and_come_out_whole(budget: int) -> None:
    count = 600
    world = World(MemoryEdge(budget=budget))
    world.start()
    world.play(("admin", "A", "35=0|"))
    for n in range(count):
        world.say("A", f"35=D|11=m{n}|55=AAPL|54={1 + n % 2}|38=1|40=2|44={9 + n % 2 * 2}|")
    world.edge.out.clear()
    world.say("A", "35=AF|584=s|585=7|")
    world.say("A", "35=AF|584=s|585=7|54=2|")
    world.say("A", "35=q|11=q|530=1|55=AAPL|54=1|")
    world.edge.close("A")  # cancel-on-disconnect takes the rest
    world.edge.wait(10**9)
    out = messages(world.edge)
    every = [str(n) for n in range(1, count + 1)]
    ids = [m["37"] if m["35"] == "8" else m["35"] for m in out]
    assert ids == [*every, *every[1::2], *every[::2], "r", *every[1::2]]
    assert [m["912"] for m in out[:count]] == ["N"] * (count - 1) + ["Y"]
    assert {m["911"] for m in out[:count]} == {str(count)}
    assert out[count + count]["533"] == str(count // 2)
    assert {m["20002"] for m in out[-count // 2 :]} == {"151"}
    assert book(world.edge.exchange.machine) == []
    assert world.edge.exchange.sessions()[0]["open_orders"] == 0


def test_a_malformed_entry_stops_the_replica_before_anything_changes() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    good = inputs.timer()
    before = edge.exchange.state_hash()
    for bad, why in (
        (good[:-1], "39 bytes left"),
        (good + b"\x00" * 8, "8 bytes left at offset 40"),
        (b"\x28\x00\x00\x00\x63" + good[5:], "kind 99"),
        (b"\x30" + good[1:] + bytes(8), "its lengths say 40"),
        (good[:6] + b"\x01" + good[7:], "reserved"),
        (b"\xff\xff\xff\x7f" + good[4:], "of 40 bytes left"),
    ):
        with pytest.raises(ValueError, match=why):
            edge.exchange.begin(bad, edge.exchange.applied_index + 1, 1, edge.now_ns)
        assert edge.exchange.state_hash() == before
    with pytest.raises(ValueError, match="defined already"):
        edge.entry(inputs.instrument("AAPL"))
    with pytest.raises(RuntimeError, match="cannot go on"):
        edge.entry(good)


def test_entries_come_in_order() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    with pytest.raises(ValueError, match="log entry 3 does not follow entry 1"):
        edge.exchange.begin(b"", 3, 1, edge.now_ns)
    with pytest.raises(ValueError, match="its time"):
        edge.exchange.begin(b"", 2, 1, edge.now_ns - 1)
    edge.exchange.apply(b"", 2, 1, edge.now_ns)
    assert edge.exchange.applied_index == 2


def test_of_a_batch_that_is_not_the_log_nothing_is_applied() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    before, now = edge.exchange.state_hash(), edge.now_ns
    good = (2, 1, now + 5, inputs.timer(), b"")
    for bad, why in (
        ((2, 1, now + 5, b"", b""), "log entry 2 does not follow entry 2"),
        ((3, 1, now + 4, b"", b""), "log entry 3: its time"),
        ((3, 0, now + 5, b"", b""), "log entry 3: its term"),
        ((3, 1, now + 5, b"12345678", b""), "log entry 3: 8 bytes left"),
    ):
        with pytest.raises(ValueError, match=why):
            edge.exchange.begin_all([good, bad])
        assert edge.exchange.state_hash() == before
    edge.exchange.begin_all([])
    edge.exchange.begin_all([good])
    assert edge.exchange.step()
    assert edge.exchange.applied_index == 2


def test_egress_must_be_let_go_before_more_is_written() -> None:
    edge = MemoryEdge()
    edge.start(*GENESIS)
    view = edge.exchange.egress()
    with pytest.raises(BufferError, match="release the memoryview"):
        edge.exchange.clear_egress()
    view.release()
    edge.exchange.clear_egress()


def test_trades_are_recorded_when_asked_for() -> None:
    world = World(MemoryEdge())
    world.start()
    world.edge.exchange.record_trades = True
    world.play(("order", "A", "35=D|11=1.1|55=AAPL|54=1|38=10|40=2|44=10|"))
    world.play(("order", "B", "35=D|11=2.1|55=AAPL|54=2|38=4|40=2|44=9|"))
    number, now = world.edge.exchange.input_number, world.edge.now_ns
    assert world.edge.exchange.take_trades() == [(number, now, 2, "2.1", 1, "1.1", "AAPL", 1000, 4)]
    assert world.edge.exchange.take_trades() == []
