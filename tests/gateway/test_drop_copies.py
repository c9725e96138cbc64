"""A drop copy is the reports of the sessions that it sees, all in order; whoever applies the log has the same."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from order_checker import fields
from test_exchange_properties import CLIENTS, GENESIS, World, orders

from gateway import fix, inputs
from gateway.exchange import Exchange

NOT_REJECTED = 255
WATCHERS = {"RISK": {"A", "B"}, "AUDIT": set(CLIENTS)}
COPIES = [inputs.drop_copy("RISK", "A"), inputs.drop_copy("RISK", "B"), inputs.drop_copy("AUDIT", "*")]
AGAIN = [inputs.drop_copy("RISK", "A"), inputs.drop_copy("AUDIT", "C")]  # seen once only, for all that
ITS_OWN = ("34", "52", "56", "115", "9", "10")

steps = st.one_of(
    *[st.tuples(st.just("order"), st.sampled_from(CLIENTS), orders())] * 4,
    st.tuples(st.just("order"), st.sampled_from(sorted(WATCHERS)), orders()),
    st.tuples(
        st.just("admin"),
        st.sampled_from(["A", *WATCHERS]),
        st.sampled_from(["35=1|112=x|", "35=2|7=1|16=0|"]),
    ),
    st.tuples(st.just("close"), st.sampled_from(["A", "B", *WATCHERS]), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([10**9, 40 * 10**9])),
    st.tuples(st.just("restart"), st.just(""), st.just(0)),
)


def played(story: list[Any], budget: int) -> MemoryEdge:
    world = World(MemoryEdge(budget=budget))
    world.edge.start(inputs.setting(cancel_on_disconnect=True, grace_ms=500), *GENESIS, *COPIES, *AGAIN)
    for step in story:
        world.play(step)
    return world.edge


def reports(edge: MemoryEdge) -> list[tuple[str, dict[str, str]]]:
    """Those that went out, and to whom, as often as they were new."""
    heard = [fields(content) for _, kind, content in edge.out if kind in {"message", "kept"}]
    return [(m["56"], m) for m in heard if m["35"] in {"8", "9", "r"}]


def what(m: dict[str, str]) -> dict[str, str]:
    return {tag: value for tag, value in m.items() if tag not in ITS_OWN}


@settings(max_examples=60)
@given(st.lists(steps, min_size=5, max_size=50), st.integers(1, 3), st.data())
def test_a_drop_copy_is_the_union_of_reports(story: list[Any], budget: int, data: st.DataObject) -> None:
    edge = played(story, 4096)
    for watcher, seen in WATCHERS.items():
        copies = [m for whose, m in reports(edge) if whose == watcher]
        originals = [(whose, what(m)) for whose, m in reports(edge) if whose in seen]
        assert [(m["115"], what(m)) for m in copies] == originals
    for _, kind, content in edge.out:
        if kind == "message" and b"\x01115=" in content:
            assert fix.scan_message(content)[5] == NOT_REJECTED

    cut = played(story, budget)
    assert bytes(cut.records) == bytes(edge.records)
    at = data.draw(st.integers(1, len(edge.log)))
    for exchange in (Exchange(), restored(edge, at)):
        exchange.discards_egress = True
        for entry in edge.log[exchange.applied_index :]:
            exchange.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
            with exchange.egress() as view:
                assert len(view) == 0
        assert exchange.state_hash() == edge.exchange.state_hash()
        assert exchange.snapshot() == edge.exchange.snapshot()


@settings(max_examples=60)
@given(st.lists(steps, max_size=25), st.permutations([*COPIES, *AGAIN]), st.lists(steps, max_size=40))
def test_one_that_is_added_begins_there(before: list[Any], copies: list[bytes], after: list[Any]) -> None:
    """Unless it has open orders: then it goes on to trade."""
    world = World(MemoryEdge())
    edge = world.edge
    edge.start(inputs.setting(cancel_on_disconnect=True, grace_ms=500), *GENESIS)
    for step in before:
        world.play(step)
    assert edge.exchange.watches() == []
    trade = {name for name in WATCHERS if edge.exchange.open_orders(name)}
    edge.entry(*copies)
    already = len(reports(edge))
    for step in after:
        world.play(step)
    assert {name for name, _ in edge.exchange.watches()} == WATCHERS.keys() - trade
    for watcher in WATCHERS.keys() - trade:
        seen = WATCHERS[watcher] | (trade if watcher == "AUDIT" else set())
        copied = [(m["115"], what(m)) for whose, m in reports(edge)[already:] if whose == watcher]
        assert copied == [(whose, what(m)) for whose, m in reports(edge)[already:] if whose in seen]
    assert Exchange.restore(edge.exchange.snapshot()).watches() == edge.exchange.watches()


def restored(edge: MemoryEdge, at: int) -> Exchange:
    """As it was after so many entries, by its snapshot."""
    before = Exchange()
    for entry in edge.log[:at]:
        before.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
    return Exchange.restore(before.snapshot())


def test_before_rules_2_there_are_none() -> None:
    edge = MemoryEdge(rules=1)
    edge.start(*GENESIS, *COPIES)
    assert edge.exchange.sessions() == []
