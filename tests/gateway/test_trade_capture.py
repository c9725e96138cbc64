"""TradeCaptureReports beside ExecutionReports, in random trading: none is missing, none too much, both say the same."""

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from order_checker import fields
from test_exchange_properties import CLIENTS, World

from gateway import fix, inputs

NOT_REJECTED = 255
SAME = ("17", "880", "31", "32", "37", "11", "54", "55", "453", "1")

clients = st.sampled_from(CLIENTS)
steps = st.one_of(
    *[st.tuples(clients, st.sampled_from("12"), st.integers(1, 9), st.integers(99, 101))] * 4,
    st.tuples(clients, st.just("ask"), st.sampled_from("1112"), st.just(0)),
    st.tuples(clients, st.just("close"), st.just(0), st.just(0)),
)


def text_of(number: int, what: str, quantity: object, price: int) -> str:
    if what == "ask":
        return f"35=AD|568=t|569=0|263={quantity}|"
    parties = "453=1|448=P|447=D|452=1|1=ACC|" * (number % 2)
    return f"35=D|11=n{number}|{parties}55=AAPL|54={what}|38={quantity}|40=2|44={price}|"


@settings(max_examples=100)
@given(st.lists(steps, min_size=10, max_size=60))
def test_each_fill_of_a_session_that_asked_is_captured(story: list[tuple[str, str, object, int]]) -> None:
    world = World(MemoryEdge())
    world.edge.start(inputs.instrument("AAPL"))
    for number, (client, *step) in enumerate(story):
        world.play(("close" if step[0] == "close" else "order", client, text_of(number, *step)))
    trades_are_captured(world.edge)


def trades_are_captured(edge: MemoryEdge) -> None:
    """While a session asks for TradeCaptureReports, one is right behind every report of a fill, and none else."""
    asked: set[str] = set()
    due: dict[str, dict[str, str]] = {}
    for _, kind, content in edge.out:
        if kind not in {"message", "kept"}:
            continue
        m = fields(content)
        session, fill = m["56"], due.pop(m["56"], None)
        assert (fill is None) == (m["35"] != "AE")
        if fill is not None:
            assert m["571"] == m["17"]
            assert [m.get(tag) for tag in SAME] == [fill.get(tag) for tag in SAME]
            assert fix.scan_message(content)[5] == NOT_REJECTED
        if kind == "kept" or m["35"] == "A":
            asked.discard(session)
        if m["35"] == "AQ" and m["749"] == "0":
            (asked.add if m["750"] == "0" else asked.discard)(session)
        if m["35"] == "8" and m["150"] == "F" and session in asked:
            due[session] = m
    assert not due
