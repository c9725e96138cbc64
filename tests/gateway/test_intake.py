"""What waits at a gateway while the membership changes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from gateway.intake import WAITING_BYTES, Intake, Links
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
    replica._intake = Intake(replica.node, 1, cast(Links, None), lambda: 1)
    replica.exchange = cast(object, SimpleNamespace(last_number=lambda incarnation: 2))  # type: ignore[assignment]
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
