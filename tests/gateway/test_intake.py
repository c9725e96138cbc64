"""What waits at a gateway while the membership changes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from gateway.intake import PATIENCE_NS, REPEATS, WAITING_BYTES, Intake, Links
from gateway.replica import Replica
from replication.messages import Entry
from replication.node import Node


def member(take_payload: Callable[[], bytes]) -> tuple[Replica, list[bytes]]:
    """The only one that is left, with what it proposed while there were others; and what it proposes."""
    proposed: list[bytes] = []
    node = SimpleNamespace(
        alone=True, leader=1, term=3, queued_bytes=0, propose=proposed.append, turn=list, installed=None
    )
    node.messages = []
    replica = Replica.__new__(Replica)
    replica.node = cast(Node, node)
    replica.me = 1
    replica.turns = 0
    replica._genesis = b"genesis"
    replica._prepared_term = 3
    replica._scheduling = None
    replica._intake = Intake(replica.node, 1, cast(Links, None), lambda: 1)
    replica.exchange = cast(
        object, SimpleNamespace(rules=1, messages_per_second=0, last_number=lambda incarnation: 2)
    )  # type: ignore[assignment]
    replica.connections = cast(object, SimpleNamespace(  # type: ignore[assignment]
        incarnation=1, gateway_number=3, accepting=True, pending=1, take_payload=take_payload
    ))  # fmt: skip
    return replica, proposed


def test_who_becomes_the_only_member_takes_input_again() -> None:
    replica, _ = member(lambda: b"")
    replica._intake.offer(2, bytes(WAITING_BYTES))
    assert replica._intake.full
    replica._applied(Entry(1, 3, 0, memoryview(b""), bytes(32)))
    assert not replica._intake.full


def test_what_comes_then_is_proposed_behind_what_waits() -> None:
    replica, proposed = member(lambda: b"third")
    replica._committed = []  # type: ignore[assignment]
    replica._turn_log = lambda: None  # type: ignore[method-assign]
    replica._intake.offer(1, b"first")
    replica._intake.offer(2, b"second")
    replica._propose()
    assert proposed == [b"first", b"second", b"third"]


def test_what_the_log_had_no_room_for_is_proposed_to_the_next_leader() -> None:
    replica, proposed = member(lambda: b"third")
    replica._committed = []  # type: ignore[assignment]
    replica.node.queued_bytes = 5
    replica._turn_log = lambda: None  # type: ignore[method-assign]
    replica._propose()
    assert proposed == [b"third"]
    replica.node.term = 4  # type: ignore[misc]
    replica._intake.follow()
    assert proposed == [b"third", b"third"]


def forwarding() -> tuple[Intake, list[bytes], SimpleNamespace]:
    """An intake that follows member 2, what it sends there, and its node."""
    sent: list[bytes] = []
    node = SimpleNamespace(leader=2, term=3, commit_index=10)
    links = SimpleNamespace(forward=lambda to, payload: sent.append(payload))
    intake = Intake(cast(Node, node), 1, cast(Links, links), lambda: 1)
    intake.offer(1, b"first")
    intake.offer(2, b"second")
    intake.follow()
    return intake, sent, node


def looked_after(intake: Intake, begin_ns: int, end_ns: int) -> int:
    """As by a replica: a look every quarter of a second, and a turn."""
    repeats = 0
    for now in range(begin_ns, end_ns, PATIENCE_NS // 8):
        repeats = intake.look_after(now)
        intake.follow()
    return repeats


def test_what_comes_to_nothing_is_proposed_again_in_order() -> None:
    intake, sent, _ = forwarding()
    looked_after(intake, 0, PATIENCE_NS)
    assert sent == [b"first", b"second"]
    looked_after(intake, PATIENCE_NS, 2 * PATIENCE_NS)
    assert sent == [b"first", b"second"] * 2


def test_what_makes_progress_is_not_proposed_again() -> None:
    intake, sent, _ = forwarding()
    looked_after(intake, 0, PATIENCE_NS)
    intake.applied(1)
    looked_after(intake, PATIENCE_NS, 2 * PATIENCE_NS)
    assert sent == [b"first", b"second"]


def test_each_time_it_waits_twice_as_long() -> None:
    intake, sent, node = forwarding()
    node.commit_index += 1
    looked_after(intake, 0, 16 * PATIENCE_NS)
    assert len(sent) // 2 == 1 + 4  # after 1, 3, 7 and 15 times the patience


def test_repeats_count_only_while_the_log_goes_on() -> None:
    intake, _, node = forwarding()
    assert looked_after(intake, 0, 8 * PATIENCE_NS) == 1
    node.commit_index += 1
    assert looked_after(intake, 8 * PATIENCE_NS, 16 * PATIENCE_NS) == 2
    intake.applied(2)
    assert looked_after(intake, 16 * PATIENCE_NS, 17 * PATIENCE_NS) == 0


def test_a_gateway_whose_inputs_never_come_through_begins_anew() -> None:
    replica, _ = member(lambda: b"")
    replica._repeats = 0
    closed: list[str] = []
    replica._abandon = closed.append  # type: ignore[method-assign]
    replica._intake.offer(2, b"lost")
    replica._intake._propose = lambda payload: None  # type: ignore[method-assign]
    replica.connections.events = []
    now = 0
    while not closed:
        replica.node.commit_index = now  # type: ignore[misc]
        replica._look_after_intake(now)
        replica._intake.follow()
        now += PATIENCE_NS // 8
        assert now < 100 * PATIENCE_NS
    assert [details["times"] for _, details in replica.connections.events] == list(range(1, REPEATS + 1))
