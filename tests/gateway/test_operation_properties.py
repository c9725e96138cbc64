"""Whatever operators ask for among random orders: steps, batches and restarts from a snapshot lead to the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from operation_steps import operations, scheduled
from order_checker import Checker
from test_exchange_properties import CLIENTS, GENESIS, World, at_once, messages, orders

from gateway import inputs
from gateway.exchange import Exchange

plain = st.builds(
    "35=D|11=p{}|55=AAPL|54={}|38={}|40=2|44={}|".format,
    st.integers(0, 10**9),
    st.sampled_from("12"),
    st.integers(1, 9),
    st.sampled_from(["10", "9.95", "10.05"]),
)
steps = st.one_of(
    *[st.tuples(st.just("order"), st.sampled_from(CLIENTS), plain)] * 4,
    *[st.tuples(st.just("order"), st.sampled_from(CLIENTS), orders())] * 2,
    *[st.tuples(st.just("ask"), st.just("OPS"), operations)] * 2,
    st.tuples(st.just("enter"), st.just(""), st.one_of(operations, scheduled)),
    st.tuples(st.just("close"), st.sampled_from([*CLIENTS, "OPS"]), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 10**9, 15 * 10**9])),
    st.tuples(st.sampled_from(["restart", "another leader"]), st.just(""), st.just(0)),
)
FOLLOWS = inputs.operation([(20021, "TERMS"), (55, "AAPL"), (20028, "DAY")])
stories = st.lists(steps, min_size=20, max_size=60)


def fields(text: str) -> list[tuple[int, str]]:
    pairs = (part.partition("=") for part in text.strip("|").split("|"))
    return [(int(tag), value) for tag, _, value in pairs]


def played(story: list[tuple[str, str, Any]], at_once: int, budget: int = 4096) -> MemoryEdge:
    """at_once: reports of a command in an entry; what is left is done in the next ones."""
    world = World(MemoryEdge(budget=budget))
    world.edge.exchange.reports_at_once = at_once
    world.edge.start(
        inputs.setting(closed_cl_ord_ids=6, cancel_on_disconnect=True, grace_ms=500),
        *GENESIS,
        inputs.operator("OPS"),
    )
    for number, (kind, client, what) in enumerate(story):
        if kind == "ask":
            world.play(("order", client, f"35=UQ|20020=q{number}|{what}"))
        elif kind == "enter":
            world.edge.entry(inputs.operation(fields(what)))
        else:
            world.play((kind, client, what))
    world.edge.wait(0)
    return world.edge


@settings(max_examples=150)
@given(stories, at_once, st.integers(1, 20))
def test_where_the_work_is_cut_makes_no_difference(
    story: list[tuple[str, str, Any]], at_once: int, budget: int
) -> None:
    whole, cut = played(story, at_once), played(story, at_once, budget)
    assert bytes(cut.records) == bytes(whole.records)
    assert cut.exchange.state_hash() == whole.exchange.state_hash()
    assert cut.exchange.snapshot() == whole.exchange.snapshot()


@settings(max_examples=100)
@given(stories, at_once, st.data())
def test_who_begins_at_a_snapshot_comes_to_the_same(
    story: list[tuple[str, str, Any]], at_once: int, data: st.DataObject
) -> None:
    edge = played(story, at_once)
    at = data.draw(st.integers(0, len(edge.log)))
    before = Exchange()
    before.reports_at_once = at_once
    for entry in edge.log[:at]:
        before.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
    while before.works_on:  # there is no snapshot of work put aside
        with pytest.raises(RuntimeError, match="goes on"):
            before.snapshot()
        entry = edge.log[at]
        before.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        at += 1
    for exchange in (before, Exchange.restore(before.snapshot())):
        exchange.discards_egress = True
        exchange.reports_at_once = at_once
        for entry in edge.log[at:]:
            exchange.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        assert exchange.state_hash() == edge.exchange.state_hash()
        assert exchange.snapshot() == edge.exchange.snapshot()
        assert exchange.instruments() == edge.exchange.instruments()
        assert exchange.schedules() == edge.exchange.schedules()


@settings(max_examples=150)
@given(stories, at_once)
def test_every_request_is_answered_once_and_orders_add_up(
    story: list[tuple[str, str, Any]], at_once: int
) -> None:
    edge = played(story, at_once)
    asked = [f"q{number}" for number, (kind, *_) in enumerate(story) if kind == "ask"]
    answered = [m["20020"] for m in messages(edge) if m["35"] == "UR"]
    assert answered == [name for name in asked if name in set(answered)]
    # A Reject or a BusinessMessageReject is an answer, too: of a value that the edge knows to be none.
    refused = sum(m["35"] in ("3", "j") and m.get("372") == "UQ" for m in messages(edge))
    assert len(answered) + refused == len(asked)
    checker = Checker()
    for m in messages(edge):
        if m["35"] == "8":
            checker.see(m)
    machine = edge.exchange.machine
    owners = range(1, len(edge.exchange.sessions()) + 1)
    live = {str(one.order_id) for owner in owners for one in machine.orders(owner)}
    assert {number for number, m in checker.orders.items() if m["39"] in "01"} == live
