"""Newer rules begin by their entry in the log, at the same place everywhere, when every member can run them."""

from types import SimpleNamespace
from typing import Any

import golden_log
import pytest
from memory_edge import MemoryEdge
from stories import build, time_text

from gateway import inputs
from gateway.config import Config, Loaded
from gateway.exchange import Exchange
from gateway.genesis import rules_of
from gateway.rules import Activation, NewerRules, refusal, runnable

GENESIS = (inputs.setting(), inputs.instrument("AAPL"))
NEWER = 3  # what the programs of these tests run, though no such rules exist


def started(newest: int = NEWER) -> MemoryEdge:
    edge = MemoryEdge(Exchange(newest), rules=1)
    edge.start(*GENESIS)
    return edge


def test_a_log_begins_with_the_first_rules_whatever_a_program_can_run() -> None:
    old, new = started(1), started(NEWER)
    assert (new.exchange.rules, new.exchange.newest_rules) == (1, NEWER)
    assert new.exchange.state_hash() == old.exchange.state_hash()
    assert new.exchange.snapshot() == old.exchange.snapshot()


def test_rules_are_raised_by_their_entry_and_never_go_back() -> None:
    edge = started()
    exchange = edge.exchange
    for version, holds in ((1, 1), (2, 2), (2, 2), (1, 2), (0, 2), (3, 3), (2, 3)):
        number = exchange.input_number
        edge.entry(inputs.activate(version))
        assert exchange.rules == holds
        assert exchange.machine.rules == holds
        assert exchange.input_number == number + 1


def test_rules_are_a_part_of_the_state() -> None:
    raised, same = started(), started()
    raised.entry(inputs.activate(2))
    same.entry(inputs.activate(1))
    assert raised.exchange.state_hash() != same.exchange.state_hash()
    assert raised.exchange.machine.state_hash() != same.exchange.machine.state_hash()
    data = raised.exchange.snapshot()
    restored = Exchange.restore(data, NEWER)
    assert restored.rules == 2
    assert restored.snapshot() == data
    assert restored.state_hash() == raised.exchange.state_hash()
    for edge in (raised, MemoryEdge(restored, now_ns=raised.now_ns)):
        edge.entry(inputs.activate(3))
    assert restored.state_hash() == raised.exchange.state_hash()


def test_a_deadline_that_newer_rules_bring_forward_is_kept() -> None:
    """A fifth of the interval is allowed for transmission from rules 2 on; before, at least a second."""
    edge = started()
    edge.connect("A")
    edge.send("A", build([("35", "A"), ("49", "A"), ("56", edge.own), ("34", "1"), ("52", time_text(edge.now_ns)),
                          ("98", "0"), ("108", "1")]))  # fmt: skip
    begun = edge.now_ns
    edge.wait(10**9)
    assert edge.exchange.next_deadline_ns == begun + 2 * 10**9
    edge.entry(inputs.activate(2))
    assert edge.exchange.next_deadline_ns == begun + 12 * 10**8
    assert Exchange.restore(edge.exchange.snapshot(), NEWER).next_deadline_ns == begun + 12 * 10**8


def test_a_program_stops_before_rules_that_it_does_not_have() -> None:
    """Also where what follows is of a kind that only the newer rules have, and in the middle of a batch."""
    edge = started(newest=2)
    exchange = edge.exchange
    before = exchange.state_hash()
    unknown = inputs.timer()[:4] + b"\x63" + inputs.timer()[5:]
    first = exchange.applied_index + 1
    entries = [
        (index, 1, edge.now_ns, payload, b"")
        for index, payload in enumerate(
            (inputs.timer(), inputs.timer() + inputs.activate(3) + unknown, unknown), first
        )
    ]
    with pytest.raises(NewerRules) as stopped:
        exchange.begin_all(entries)
    assert str(stopped.value) == (
        f"log entry {first + 1} activates rules version 3, and this program runs rules up to version 2. The log is "
        "whole, nothing is lost: install the newer program here, and start it again"
    )
    assert exchange.state_hash() == before
    edge.entry(inputs.activate(2))
    assert exchange.rules == 2


def test_a_snapshot_of_newer_rules_is_no_damage() -> None:
    edge = started()
    edge.entry(inputs.activate(3))
    data = edge.exchange.snapshot()
    with pytest.raises(NewerRules, match="the state at entry 2 is of rules version 3, and this program"):
        Exchange.restore(data, 2)
    with pytest.raises(ValueError, match="the checksum"):
        Exchange.restore(data[:20] + b"\1" + data[21:], 2)


def test_a_newer_program_makes_of_an_old_log_what_was_recorded() -> None:
    for path in golden_log.GOLDEN.glob("rules_1.json.gz"):
        entries, recorded = golden_log.read(path)["traffic"]
        exchange = Exchange(NEWER)
        exchange.begin_all(
            [(index, term, time, payload, b"") for index, (term, time, payload) in enumerate(entries, 1)]
        )
        while not exchange.step():
            pass
        assert exchange.state_hash() == recorded["state"]


# ---------------------------------------------------------------- who proposes them, and when


def test_all_members_have_to_be_asked() -> None:
    assert runnable((1, 2, 3), {1: 2, 2: 3, 3: 2, 4: 1}) == 2
    assert runnable((1, 2, 3), {1: 2, 3: 2}) == 0


class Leader:
    def __init__(self, *members: int) -> None:
        self.proposed: list[bytes] = []
        membership = SimpleNamespace(ids=set(members))
        self.node: Any = SimpleNamespace(term=5, membership=membership, propose=self.proposed.append)
        self.links: Any = SimpleNamespace(linked={})
        self.activation = Activation(self.node, 1, self.links, NEWER)

    def looks(self, rules: int = 1, **linked: int) -> list[bytes]:
        """What it proposes. linked: by `m` and member what that one can run."""
        self.proposed.clear()
        self.links.linked = {int(name[1:]): newest for name, newest in linked.items()}
        self.activation.look(rules)
        return list(self.proposed)


def test_a_leader_proposes_what_the_last_member_can_run() -> None:
    leader = Leader(1, 2, 3)
    assert leader.looks() == []
    assert leader.looks(m2=3) == []
    assert leader.looks(m2=3, m3=1) == []
    assert leader.looks(m2=3, m3=2) == [inputs.activate(2)]
    assert leader.looks(m2=3, m3=2) == []  # it is on its way
    assert leader.looks(rules=2, m2=3, m3=2) == []
    assert leader.looks(rules=2, m2=4, m3=4) == [inputs.activate(3)]


def test_a_leader_of_another_term_proposes_again_what_may_be_lost() -> None:
    leader = Leader(1, 2)
    assert leader.looks(m2=2) == [inputs.activate(2)]
    leader.node.term = 6
    assert leader.looks(m2=2) == [inputs.activate(2)]


def test_who_is_no_member_is_not_asked_and_a_new_one_is() -> None:
    leader = Leader(1, 2)
    leader.node.membership.ids.add(4)
    assert leader.looks(m2=3, m3=1) == []
    assert leader.looks(m2=3, m3=1, m4=1) == []
    leader.node.membership.ids.discard(2)
    assert leader.looks(m2=1, m4=2) == [inputs.activate(2)]


def test_one_alone_does_not_wait() -> None:
    assert Leader(1).looks() == [inputs.activate(NEWER)]


def test_an_old_program_is_refused_only_where_newer_rules_hold() -> None:
    assert refusal(3, 1, 1) is None
    assert refusal(3, 2, 1) is None
    assert refusal(3, 1, 2) == (
        "the program of member 3 runs rules up to version 1, and in this cluster version 2 holds: install the newer "
        "program there, and start it again"
    )


@pytest.mark.parametrize(
    ("newer", "rules"),
    [({}, 1), ({"messages_per_second": 5}, 2), ({"daily_reset": "21:30"}, 2), ({"echo": True}, 2)],
)
def test_a_genesis_waits_for_the_rules_that_it_needs(newer: dict[str, Any], rules: int) -> None:
    loaded = Loaded(Config(), "", frozenset(), (inputs.setting(**newer),))
    assert rules_of(loaded) == rules
    leader = Leader(1, 2)
    assert leader.activation.coming(1) == 1
    leader.looks(m2=1)
    assert leader.activation.coming(1) == 1
    leader.looks(m2=2)
    assert leader.activation.coming(1) == 2
    leader.node.term += 1
    assert leader.activation.coming(1) == 1


def test_what_a_gateway_that_is_behind_did_not_carry_is_unsupported_and_not_missing() -> None:
    """It goes by older rules until it has applied the newer ones; the message may be applied behind them."""
    edge = started()
    exchange = edge.exchange
    edge.connect("A")
    head = [("49", "A"), ("56", "QUORUMBOOK"), ("52", time_text(edge.now_ns))]
    edge.send("A", build([("35", "A"), *head, ("34", "1"), ("98", "0"), ("108", "30")]))
    order = [("54", "1"), ("38", "5"), ("55", "AAPL"), ("60", time_text(edge.now_ns))]
    stop = edge.input_of(
        "A", build([("35", "D"), *head, ("34", "2"), ("11", "s1"), *order, ("40", "3"), ("99", "9")])
    )
    lasting = [("40", "2"), ("44", "9"), ("59", "6"), ("126", time_text(edge.now_ns + 10**9))]
    until = edge.input_of("A", build([("35", "D"), *head, ("34", "3"), ("11", "t1"), *order, *lasting]))
    edge.entry(inputs.activate(3), stop, until)
    assert exchange.rules == 3
    said = [message for _, _, message in edge.out[-2:]]
    assert [b"field 99 is not supported" in said[0], b"field 126 is not supported" in said[1]] == [True, True]
