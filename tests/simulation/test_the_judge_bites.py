"""What is checked of a cluster's life is really looked at: each promise, broken by hand, is missed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import cluster_judge
import pytest
from cluster_client import Client, Violation
from cluster_fix import Fields
from cluster_judge import judge, judge_elsewhere, judge_matching, numbered
from cluster_life import lived
from cluster_quantities import Reports, judge_quantities
from cluster_replay import Epochs, Input, Replay, Said, committed
from cluster_watch import published
from cluster_world import World

from engine.machine import Machine
from gateway.feed import HEADER

Values = dict[str, str]


@pytest.fixture(scope="module")
def world() -> World:
    """A life that nothing is wrong with."""
    world = lived(500_001)
    judge(world)
    return world


@pytest.fixture(scope="module")
def log(world: World) -> tuple[Reports, Machine]:
    """What it says to the clients, and where it leads."""
    replay = Replay(world.up()[0])
    return numbered(replay.said), replay.exchange.machine


def a_client(world: World) -> tuple[Client, tuple[str, int]]:
    """One that got an execution report which nothing follows from, and its key."""
    for client in world.clients:
        for key, fields in client.got.items():
            if fields[2][1] == "8" and key[0] == client.epoch:
                return client, key
    raise AssertionError("nobody was told anything")


# ---------------------------------------------------------------- what the clients got


def test_a_report_that_never_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = a_client(world)
    monkeypatch.delitem(client.got, key)
    with pytest.raises(Violation, match="never got messages"):
        judge(world)


def test_a_report_that_the_log_does_not_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = a_client(world)
    other = [(tag, "777" if tag == "14" else value) for tag, value in client.got[key]]
    monkeypatch.setitem(client.got, key, other)
    with pytest.raises(Violation, match="that the log does not say"):
        judge(world)


def test_a_request_that_was_answered_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = a_client(world)
    monkeypatch.setitem(client.answered, next(iter(client.answered)), 2)
    with pytest.raises(Violation, match="answered twice"):
        judge(world)


def test_a_request_that_took_effect_before_what_was_known_when_it_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = a_client(world)
    values = dict(client.got[key])
    monkeypatch.setitem(client.floors, values["11"], world.heard)
    with pytest.raises(Violation, match="had been heard of"):
        judge(world)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        (lambda said: said.pop(said.index(a_report(said))), "not numbered without gaps"),
        (lambda said: said.reverse(), "is reported after input"),
    ],
)
def test_a_log_that_says_something_else(
    world: World, monkeypatch: pytest.MonkeyPatch, changed: Callable[[Said], Any], wrong: str
) -> None:
    replay = Replay(world.up()[0])
    changed(replay.said)
    if wrong == "is reported after input":
        monkeypatch.setattr(cluster_judge, "judge_client", lambda client, said: None)
    monkeypatch.setattr(cluster_judge, "Replay", lambda host: replay)
    with pytest.raises(Violation, match=wrong):
        judge(world)


def a_report(said: Said) -> tuple[str, Fields]:
    """Not a client's last."""
    return next(one for one in said if one[1][2][1] == "8")


def test_a_connection_that_was_sent_what_belongs_to_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(world.up()[0])
    others: Epochs = {key: number for number, key in enumerate(replay.epochs, 1)}
    monkeypatch.setattr(replay, "epochs", others)
    monkeypatch.setattr(cluster_judge, "Replay", lambda host: replay)
    with pytest.raises(Violation, match="messages of several epochs by one connection"):
        judge(world)


# ---------------------------------------------------------------- what the slow engine says


def answers(replay: Replay, kind: str, **of: str) -> tuple[Input, dict[str, str]]:
    """The first answer of a kind, with fields that have these values, and its input."""
    for one in replay.inputs.values():
        for _, _, values in one.answers:
            if values["35"] == kind and all(values.get(tag[1:]) == value for tag, value in of.items()):
                return one, values
    raise AssertionError("nobody was told")


@pytest.mark.parametrize(
    ("kind", "of", "changed"),
    [
        ("8", {"_150": "F"}, {"31": "1.00"}),  # a fill at another price
        ("8", {"_150": "8"}, {"20002": "1"}),  # a refusal for another reason
        ("8", {"_150": "C"}, {"150": "4"}),
        ("8", {"_150": "D"}, {"44": "1.00"}),
        ("9", {}, {"20002": "1"}),
        ("r", {}, {"533": "999"}),
        ("UR", {}, {"20024": "7"}),
    ],
)
def test_another_answer(world: World, kind: str, of: Values, changed: Values) -> None:
    replay = Replay(world.up()[0])
    answers(replay, kind, **of)[1].update(changed)
    with pytest.raises(Violation, match="by the slow engine it is another report"):
        judge_matching(world, replay.inputs.values(), replay.entries[-1])


def test_an_expiry_that_does_not_happen(world: World) -> None:
    replay = Replay(world.up()[0])
    input, _ = answers(replay, "8", _150="C")
    del replay.inputs[input.number]
    with pytest.raises(Violation, match=r"another report|more than the exchange"):
        judge_matching(world, replay.inputs.values(), replay.entries[-1])


def test_a_request_that_is_performed_again(world: World) -> None:
    replay = Replay(world.up()[0])
    number, one = max(replay.inputs.items())
    client, epoch, values = answers(replay, "9")[0].answers[0]
    replay.inputs[number + 1] = Input(number + 1, replay.entries[-1], one.rules)
    replay.inputs[number + 1].answers.append((client, epoch, values))
    with pytest.raises(Violation, match="did not ask for it"):
        judge_matching(world, replay.inputs.values(), replay.entries[-1])


# ---------------------------------------------------------------- quantity


@pytest.mark.parametrize(
    ("kind", "changed", "wrong"),
    [
        ("F", {"32": "1000"}, "are not equal|the fills of an order"),
        ("F", {"54": "7"}, "are not equal"),
        ("F", {"150": "0"}, "are not equal"),
        ("4", {"150": "0"}, "what is ordered is not what is filled, cancelled and left"),
        ("0", {"38": "1000"}, "what is ordered is not what is filled, cancelled and left"),
    ],
)
def test_quantity_that_comes_from_nowhere(
    log: tuple[Reports, Machine], kind: str, changed: Values, wrong: str
) -> None:
    reports = [(name, dict(values)) for name, values in log[0]]
    next(values for _, values in reports if values.get("150") == kind).update(changed)
    with pytest.raises(Violation, match=wrong):
        judge_quantities(reports, log[1])


def test_an_order_that_is_not_in_the_book(log: tuple[Reports, Machine]) -> None:
    with pytest.raises(Violation, match="in the book"):
        judge_quantities(log[0], Machine())


# ---------------------------------------------------------------- the replicas


def test_another_state(world: World) -> None:
    host = world.up()[-1]
    assert host.replica is not None
    right = host.replica.exchange
    host.replica.exchange = cast(
        Any, SimpleNamespace(applied_index=right.applied_index, state_hash=lambda: "other")
    )
    try:
        with pytest.raises(Violation, match="another state than its log leads to"):
            judge(world)
    finally:
        host.replica.exchange = right


def test_another_state_at_one_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = world.up()[0]
    assert host.replica is not None
    assert len(world.hashes) > 0.9 * len(world.log), "the others are not compared"
    index = host.replica.exchange.applied_index
    monkeypatch.setattr(host, "checked", index - 1)
    monkeypatch.setitem(world.hashes, index, "other")
    with pytest.raises(Violation, match=f"the state at entry {index} is another one"):
        world.check(host)


def test_another_entry_at_an_index_that_was_committed(world: World) -> None:
    entry = world.entries[5]._replace(chain_hash=bytes(32))
    with pytest.raises(Violation, match="is another one"):
        world.committed(world.up()[0], [entry])
    with pytest.raises(Violation, match="has another history"):
        world.written(world.up()[0], [entry])


def test_two_leaders_of_a_term(world: World) -> None:
    term, leader = next(iter(world.leaders.items()))
    other = next(host for host in world.up() if host.id != leader)
    with pytest.raises(Violation, match="both lead term"):
        world._elected(other, term)


def test_a_feed_with_a_gap_or_another_message(world: World) -> None:
    host = world.up()[0]
    (topic, _), payload = next(iter(world.feed.items()))
    fields = list(HEADER.unpack_from(payload))
    with pytest.raises(Violation, match="goes on with"):
        published(host, [(topic, payload), (topic, payload)])
    host.feed.clear()
    fields[5] += 1
    with pytest.raises(Violation, match="is another one"):
        published(host, [(topic, HEADER.pack(*fields) + payload[HEADER.size :])])
    host.feed.clear()


def test_a_log_that_leads_elsewhere_in_another_process(world: World) -> None:
    with pytest.raises(Violation, match="leads elsewhere"):
        judge_elsewhere(world, committed(world.up()[0]), "0" * 64)
