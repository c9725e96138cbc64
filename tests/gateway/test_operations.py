"""Operators, and what they and the exchange itself ask for."""

import pytest
from memory_edge import MemoryEdge

from gateway import inputs
from gateway.exchange import Exchange

OPERATORS = [inputs.operator("OPS"), inputs.operator("DESK")]


def test_an_operator_is_a_session_that_the_log_names() -> None:
    edge = MemoryEdge(Exchange(3))
    edge.start(inputs.instrument("AAPL"), *OPERATORS, inputs.operator("OPS"))
    assert edge.exchange.operators() == ["OPS", "DESK"]
    assert [one["comp_id"] for one in edge.exchange.sessions()] == ["OPS", "DESK"]
    restored = Exchange.restore(edge.exchange.snapshot(), 3)
    assert restored.operators() == ["OPS", "DESK"]
    assert restored.snapshot() == edge.exchange.snapshot()
    assert restored.state_hash() == edge.exchange.state_hash()


@pytest.mark.parametrize("rules", [1, 2])
def test_before_rules_3_there_are_none(rules: int) -> None:
    """Under rules that do not have them such an input takes its number and does nothing else."""
    edge = MemoryEdge(Exchange(3), rules=rules)
    edge.start()
    taken = edge.exchange.input_number
    edge.entry(*OPERATORS, inputs.operation([(20021, "PHASE")]))
    assert edge.exchange.input_number == taken + 3
    assert edge.exchange.sessions() == []


def test_what_an_input_says_is_read_back() -> None:
    fields = [(20021, "PHASE"), (55, "*"), (58, "why = because")]
    assert inputs.read_operation(inputs.operation(fields)) == fields
    assert inputs.read_operator(inputs.operator("OPS")) == "OPS"
    genesis = inputs.setting() + inputs.instrument("AAPL") + OPERATORS[0] + inputs.operation(fields)
    assert inputs.genesis_of(inputs.activate(3) + genesis + inputs.timer()) == genesis


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (OPERATORS[0][:40] + b"\0" * 8, "its lengths say|1 to 64 bytes"),
        (OPERATORS[0][:40] + b"\x41" + OPERATORS[0][41:], "its lengths say"),
        (inputs.operation([]), "an operation has 1 to 65536 bytes"),
        (inputs.operation([(58, "x" * 65534)]), "an operation has 1 to 65536 bytes"),
    ],
)
def test_what_cannot_be_stops_the_replica(record: bytes, why: str) -> None:
    edge = MemoryEdge(Exchange(3))
    edge.start()
    before = edge.exchange.state_hash()
    record = len(record).to_bytes(4, "little") + record[4:]
    with pytest.raises(ValueError, match=why):
        edge.entry(record)
    assert edge.exchange.state_hash() == before
