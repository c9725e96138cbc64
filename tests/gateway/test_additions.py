"""What a configuration says under rules 3: an empty log begins with it, and a later file's additions are entered."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from memory_edge import MemoryEdge
from stories import build

from gateway import inputs
from gateway.additions import Additions
from gateway.config import ConfigError, Loaded
from gateway.config_file import parse
from gateway.exchange import Exchange
from gateway.genesis import check, check_operators, rules_of, whole
from gateway.schedules import LATE_AUCTION_NS, Scheduling
from replication.node import Node

BASE = """
operators = ["OPS"]
[[instruments]]
symbol = "AAPL"
[[instruments]]
symbol = "GOOG"
"""
RULES = """
operators = ["OPS", "DESK"]
[[instruments]]
symbol = "AAPL"
tick_table = "SHARES"
algorithm = "pro-rata"
top_order = true
pro_rata_minimum = "10"
stop_trigger = "opposite-best"
reference_price = "100"
static_band = "10"
dynamic_band = "2"
price_distance = "20"
max_notional = "100000.005"
breaker_percent = "7.5"
breaker_halt_seconds = 60
breaker_auction_seconds = 30
[[instruments]]
symbol = "GOOG"
[[instruments]]
symbol = "NEW"
price_increment = "0.5"
round_lot = "10"
reference_price = "50"
static_band = "5"
[[tick_tables]]
name = "SHARES"
ticks = ["0.01", "10:0.05"]
[[schedules]]
name = "DAY"
pre_open = "08:00"
continuous = "09:00"
closed = "17:00"
[[schedules]]
name = "LONG"
symbols = ["GOOG"]
pre_open = "07:00"
continuous = "09:00"
closed = "20:00"
"""

SCHEDULE = """
[[schedules]]
name = "DAY"
pre_open = "08:00"
opening_auction = "09:00"
continuous = "09:45"
closed = "17:00"
"""


@dataclass
class FakeNode:
    """Takes what is proposed, and never loses any."""

    term: int = 1
    queued_bytes: int = 0
    proposed: list[bytes] = field(default_factory=list)

    def propose(self, payload: bytes) -> None:
        self.proposed.append(payload)


def begun(loaded: Loaded) -> MemoryEdge:
    edge = MemoryEdge(Exchange(3))
    edge.start(whole(loaded))
    return edge


def added(edge: MemoryEdge, loaded: Loaded, rules: int = 3) -> list[bytes]:
    """What a new leader enters, applied."""
    node, events = FakeNode(), list[tuple[str, Any]]()
    scheduling = Scheduling(cast(Node, node), loaded.config.schedules, lambda: 1, lambda *_: None)
    additions = Additions(cast(Node, node), loaded, scheduling, lambda *event: events.append(event))
    while True:
        before = len(node.proposed)
        additions.look(edge.exchange, rules, edge.now_ns)
        if len(node.proposed) == before:
            break
        for payload in node.proposed[before:]:
            edge.entry(payload)
    assert bool(events) == bool(node.proposed)
    return node.proposed


def told(exchange: Exchange) -> list[tuple[str, str, str]]:
    return [(one["symbol"], one["phase"], one["schedule"]) for one in exchange.instruments()]


def test_an_empty_log_begins_with_all_of_it() -> None:
    loaded = parse(RULES, "my.toml")
    assert rules_of(loaded) == 3
    edge = begun(loaded)
    exchange = edge.exchange
    assert exchange.operators() == ["OPS", "DESK"]
    assert exchange.tick_tables == 1
    assert told(exchange) == [("AAPL", "CLOSED", "DAY"), ("GOOG", "CLOSED", "LONG"), ("NEW", "CLOSED", "DAY")]
    assert exchange.schedules() == {"DAY": None, "LONG": None}
    restored = Exchange.restore(exchange.snapshot(), 3)
    assert restored.instruments() == exchange.instruments()
    assert restored.state_hash() == exchange.state_hash()
    assert added(edge, loaded) == []


def test_no_operation_of_a_configuration_is_refused() -> None:
    """Nobody would be told. As an operator's each is answered."""
    plain = BASE + '[[instruments]]\nsymbol = "NEW"\nprice_increment = "0.5"\n'
    assert (
        refused(plain, [one for one in parse(RULES, "my.toml").genesis if one[4] == inputs.OPERATION]) == []
    )
    pieces = added(begun(parse(BASE, "my.toml")), parse(RULES, "my.toml"))
    news = [one for piece in pieces for one in inputs.split(piece) if one[4] == inputs.OPERATION]
    assert len(news) > 3
    assert refused(BASE, news) == []


def refused(begins_with: str, operations: list[bytes]) -> list[bytes]:
    """Answers that are refusals, when an operator asks for these."""
    edge = begun(parse(begins_with, "my.toml"))
    edge.connect("OPS")
    edge.send("OPS", message("35=A|98=0|108=30", 1))
    for name in ("DAY", "LONG"):  # as the exchange has named them before
        edge.entry(inputs.operation([(20021, "TERMS"), (55, "*"), (20028, name)]))
    edge.out.clear()
    for number, record in enumerate(operations, 2):
        fields = "|".join(f"{tag}={value}" for tag, value in inputs.read_operation(record))
        edge.send("OPS", message(f"35=UQ|20020=x|{fields}", number))
    answers = [content for _, _, content in edge.out]
    assert len(answers) == len(operations)
    return [answer for answer in answers if b"\x0120024=0\x01" not in answer]


def message(text: str, number: int) -> bytes:
    """Of OPS, to the exchange."""
    (_, kind), *body = [cast(tuple[str, str], tuple(part.split("=", 1))) for part in text.split("|")]
    head = [
        ("35", kind),
        ("49", "OPS"),
        ("56", "QUORUMBOOK"),
        ("34", str(number)),
        ("52", "20260105-10:00:00.000"),
    ]
    return build([*head, *body])


def test_a_later_file_adds_operators_instruments_tables_and_schedules() -> None:
    edge = begun(parse(BASE, "my.toml"))
    later = parse(RULES, "my.toml")
    assert added(edge, later, rules=2) == []  # older rules have none of it
    assert added(edge, later)
    exchange = edge.exchange
    assert exchange.operators() == ["OPS", "DESK"]
    assert exchange.tick_tables == 1
    # Who trades goes on until the next step; what is new begins closed, and opens as who comes late does.
    trading = [("AAPL", "CONTINUOUS", "DAY"), ("GOOG", "CONTINUOUS", "LONG")]
    assert told(exchange) == [*trading, ("NEW", "OPENING_AUCTION", "DAY")]
    edge.wait(LATE_AUCTION_NS + 10**9)
    assert told(exchange) == [*trading, ("NEW", "CONTINUOUS", "DAY")]
    new = exchange.instrument("NEW")
    assert new is not None
    assert (str(new["price_increment"]), new["round_lot"]) == ("0.5", 10)
    before = exchange.state_hash()
    assert added(edge, later) == []
    assert exchange.state_hash() == before


def test_what_two_leaders_add_is_there_once() -> None:
    edge = begun(parse(BASE, "my.toml"))
    proposed = added(edge, parse(RULES, "my.toml"))
    seen = told(edge.exchange), edge.exchange.operators(), edge.exchange.tick_tables
    for payload in proposed:
        edge.entry(payload)
    assert (told(edge.exchange), edge.exchange.operators(), edge.exchange.tick_tables) == seen


def test_instruments_beyond_the_first_entry_follow_in_pieces() -> None:
    many = "".join(f'[[instruments]]\nsymbol = "S{number}"\n' for number in range(40_000))
    loaded = parse(f'operators = ["OPS"]\n{many}', "my.toml")
    edge = begun(loaded)
    first = len(edge.exchange.symbols())
    assert first < 40_000
    pieces = added(edge, loaded)
    assert edge.exchange.symbols() == [f"S{number}" for number in range(40_000)]
    assert max(map(len, pieces)) < 600_000
    check(loaded, whole(loaded))


@pytest.mark.parametrize(
    ("hours", "phase"), [(0, "OPENING_AUCTION"), (7, "CLOSED"), (22.5, "PRE_OPEN"), (23.5, "OPENING_AUCTION")]
)
def test_however_many_instruments_follow_a_schedule_they_are_in_one_phase(hours: float, phase: str) -> None:
    """Those that do not fit the first entry come behind the step of the schedule, if its leader was quicker."""
    many = "".join(f'[[instruments]]\nsymbol = "S{number}"\n' for number in range(40_000))
    loaded = parse(f"{SCHEDULE}{many}", "my.toml")
    edge = begun(loaded)
    edge.wait(int(hours * 3600 * 10**9))
    node = FakeNode()
    scheduling = Scheduling(cast(Node, node), loaded.config.schedules, lambda: 1, lambda *_: None)
    scheduling.look(edge.exchange.schedules(), edge.now_ns)
    edge.entry(*node.proposed)
    assert len(edge.exchange.symbols()) < 40_000
    edge.wait(10**9)
    added(edge, loaded)
    assert len(edge.exchange.symbols()) == 40_000
    assert {seen for _, seen, _ in told(edge.exchange)} == {phase}
    edge.wait(2 * LATE_AUCTION_NS)
    assert len({seen for _, seen, _ in told(edge.exchange)}) == 1


@pytest.mark.parametrize(
    ("file", "event", "instruments", "first"),
    [
        (RULES, "", 0, ""),
        (RULES.replace('["GOOG"]', '["GOOG", "AAPL"]'), "schedules differ", 1,
         "AAPL follows DAY by the log, LONG by the file"),
        (BASE, "schedules missing", 3, "AAPL"),
        (RULES.replace('name = "LONG"\nsymbols', 'name = "OTHER"\nsymbols'), "schedules missing", 1, "GOOG"),
    ],
)  # fmt: skip
def test_a_file_whose_schedules_are_not_those_of_the_log_is_told_of(
    file: str, event: str, instruments: int, first: str
) -> None:
    edge, node, events = begun(parse(RULES, "my.toml")), FakeNode(), dict[str, Any]()
    loaded = parse(file, "my.toml")
    scheduling = Scheduling(cast(Node, node), loaded.config.schedules, lambda: 1, lambda *_: None)
    additions = Additions(cast(Node, node), loaded, scheduling, lambda *one: events.update([one]))
    additions.look(edge.exchange, 3, edge.now_ns)
    found = {name: details for name, details in events.items() if name != "schedules added"}
    assert found == ({event: {"instruments": instruments, "first": first}} if event else {})


def test_a_file_that_disagrees_is_refused_with_the_key() -> None:
    loaded = parse(RULES, "my.toml")
    check(loaded, whole(loaded))
    for change, why in (
        (
            ('static_band = "10"', 'static_band = "9"'),
            r"instruments\[0\].static_band of AAPL: the file says 9, .* 10\.",
        ),
        (
            ('dynamic_band = "2"\n', ""),
            r"instruments\[0\].dynamic_band of AAPL: the file says none, .* with 2\.",
        ),
        (
            ('algorithm = "pro-rata"\ntop_order = true\n', ""),
            r"instruments\[0\].algorithm of AAPL: .* begun with pro-rata",
        ),
        (
            ("breaker_halt_seconds = 60", "breaker_halt_seconds = 90"),
            r".*breaker_halt_seconds of AAPL: the file says 90, the log was begun with 60\. .* admin protect AAPL",
        ),
        (
            ('breaker_percent = "7.5"', 'breaker_percent = "8"'),
            r".*breaker_percent of AAPL: the file says 8, the log was begun with 7\.5\. ",
        ),
        (
            ("top_order = true\n", ""),
            r".*top_order of AAPL: the file says none, the log was begun with true\. ",
        ),
        (
            ('tick_table = "SHARES"\n', ""),
            r".*tick_table of AAPL: .* begun with table 1\. .* admin terms AAPL",
        ),
        (
            ('price_increment = "0.5"', 'price_increment = "0.25"'),
            r".*price_increment of NEW: .*\. These values are fixed",
        ),
        (('"10:0.05"', '"10:0.1"'), "tick_tables: the log was begun with other ones"),
        (('symbol = "GOOG"', 'symbol = "GOGO"'), "instruments: GOOG missing"),
    ):
        text = RULES.replace('symbols = ["GOOG"]', 'symbols = ["AAPL"]') if "GOGO" in change[1] else RULES
        with pytest.raises(ConfigError, match=f"my.toml: {why}"):
            check(parse(text.replace(*change), "my.toml"), whole(loaded))
    more = RULES.replace(
        '["0.01", "10:0.05"]', '["0.01", "10:0.05"]\n[[tick_tables]]\nname = "X"\nticks = ["0.02"]'
    )
    check(parse(more, "my.toml"), whole(loaded))
    check(parse("", "my.toml"), whole(loaded))
    check_operators(parse(BASE, "my.toml"), ["OPS"])
    check_operators(parse("", "my.toml"), ["OPS"])
    with pytest.raises(ConfigError, match=r"my.toml: operators: the log has DESK, and the file has not"):
        check_operators(parse(BASE, "my.toml"), ["OPS", "DESK"])
