"""Operators, and what they and the exchange itself ask for."""

import pytest
from memory_edge import MemoryEdge
from stories import play

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


def answers(*lines: str) -> list[str]:
    """What an exchange under rules 3 says to these lines of a story, after the Logons."""
    begin = "# Rules 3.\ninstrument AAPL 0.01 1\noperator OPS\nconnect OPS\nlogon OPS\nconnect A\nlogon A\n"
    told = play(begin + "\n".join(lines) + "\n", MemoryEdge(Exchange(3)))
    return [line for line in told.splitlines() if line.startswith("<") and "35=A" not in line][2:]


def test_only_an_operator_may_ask() -> None:
    asked = "35=UQ|20020=x|20021=LIMITS|20048=A|20047=1"
    assert answers(f"A > {asked}", f"OPS > {asked}") == [
        "< A 35=j|34=2|45=2|372=UQ|379=x|380=6|58=only an operator's session may ask for this|20002=130",
        "< OPS 35=UR|34=2|20020=x|20021=LIMITS|20024=0|20048=A|20001=9",
    ]


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("20021=HALT|55=AAPL", "55=AAPL|20002=131|58=Operation (20021) is none that there is"),
        (
            "20021=PHASE|55=AAPL|20022=pre-open",
            "55=AAPL|20002=132|58=field 20022: allowed is CONTINUOUS, PRE_OPEN, "
            "OPENING_, VOLATILITY_ or CLOSING_AUCTION, HALT or CLOSED",
        ),
        (
            "20021=TERMS|55=AAPL|20030=FIFO",
            "55=AAPL|20002=132|58=field 20030: allowed is PRICE_TIME or PRO_RATA",
        ),
        ("20021=PHASE|55=NONE|20022=HALT", "55=NONE|20002=100|58=unknown Symbol (55)"),
        ("20021=PHASE|20022=HALT", "20002=115|58=this operation needs field 55"),
        ("20021=PHASE|55=AAPL", "55=AAPL|20002=115|58=this operation needs field 20022"),
        (
            "20021=PHASE|55=*|20022=PRE_OPEN|20023=CONTINUOUS",
            "55=*|20002=115|58=this operation needs field 20025",
        ),
        (
            "20021=PHASE|20028=DAY|20022=HALT",
            "20028=DAY|20002=134|58=there is no schedule of this ScheduleName (20028)",
        ),
        ("20021=DELIST|55=*", "55=*|20002=100|58=unknown Symbol (55)"),
        ("20021=INSTRUMENT|55=AAPL", "55=AAPL|20002=135|58=Symbol (55) is an instrument's already"),
        (
            "20021=INSTRUMENT|55=A B",
            "55=A B|20002=132|58=field 55: allowed is 1 to 32 bytes of printable ASCII, no space, no |, not * alone",
        ),
        (
            "20021=INSTRUMENT|55=B|20005=0",
            "55=B|20002=132|58=field 20005: allowed is a decimal above 0, at most 10^15, with at most 16 decimals",
        ),
        (
            "20021=TERMS|55=AAPL|20009=1.005",
            "55=AAPL|20002=132|58=field 20009: allowed is a multiple of the price increment",
        ),
        (
            "20021=PROTECT|55=AAPL|20041=0.00001",
            "55=AAPL|20002=132|58=field 20041: allowed is a part, such as 0.05 for 5 %, in steps of 0.0001 up to 100",
        ),
        ("20021=TICKS|20034=1", "20002=115|58=this operation needs field 20044"),
        (
            "20021=TICKS|20034=2|20044=1|20045=1",
            "20002=132|58=field 20034: allowed is a whole number, 1 to 1",
        ),
        (
            "20021=TICKS|20034=1|20044=2|20045=1|20045=5|20046=12",
            "20002=132|58=field 20046: allowed is none in the first row, then rising multiples of TickSize (20045)",
        ),
        ("20021=KILL", "20002=115|58=this operation needs field 20048"),
        ("20021=RESTORE|20048=B", "20048=B|20002=133|58=no session has this SessionCompID (20048)"),
        ("20021=CANCEL|54=1", "20002=115|58=this operation needs field 20048"),
        ("20021=CANCEL|20048=*|20009=1", "20048=*|20002=115|58=this operation needs field 55"),
        (
            "20021=LIMITS|20048=*|20047=-1",
            "20048=*|20002=132|58=field 20047: allowed is a whole number, 0 to 4294967294",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_words(asked: str, refused: str) -> None:
    (answer,) = answers(f"OPS > 35=UQ|20020=x|{asked}")
    operation = asked.partition("|")[0]
    assert answer == f"< OPS 35=UR|34=2|20020=x|{operation}|20024=1|{refused}|20001=8"


def test_operations_are_recorded_for_who_wants_them() -> None:
    """Those of the exchange itself, too; a step of a schedule that was taken before did nothing, and is none."""
    edge = MemoryEdge(Exchange(3))
    edge.start(
        inputs.instrument("AAPL"), inputs.instrument("B"), inputs.operation([(20021, "DELIST"), (55, "B")])
    )
    edge.exchange.record_operations = True
    step = inputs.operation(
        [(20021, "PHASE"), (20028, "DAY"), (20029, "20260105-08:00:00"), (20022, "CLOSED")]
    )
    follow = inputs.operation([(20021, "TERMS"), (55, "AAPL"), (20028, "DAY")])
    edge.entry(follow, step, step, inputs.operation([(20021, "PROTECT"), (55, "*"), (20040, "0")]))
    told = edge.exchange.take_operations()
    assert [one[3].split(b"\x01")[0] for one in told] == [b"20021=TERMS", b"20021=PHASE", b"20021=PROTECT"]
    assert [(one[0] - told[0][0], one[1], one[2]) for one in told] == [
        (n, edge.now_ns, "") for n in (0, 1, 3)
    ]
    assert [one[4:9] for one in told] == [
        (True, 1, 0, None, 0), (True, 1, 0, None, 0), (False, 0, 1, None, 132)
    ]  # fmt: skip
    assert told[2][9].startswith("AAPL: ")
    assert edge.exchange.take_operations() == []
