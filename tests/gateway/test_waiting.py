"""Why a replica takes no clients: the reason that holds, in words that say what to do."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import waiting
from gateway.config import Cluster
from gateway.replica import Replica
from gateway.waiting import Waiting
from replication.membership import Member, Membership

MEMBERS = {id: f"127.0.0.1:{7600 + 10 * id}" for id in (1, 2, 3)}
THREE = Membership(tuple(Member(id, address, voter=True) for id, address in MEMBERS.items()))


def why_not(
    members: Membership = THREE,
    linked: tuple[int, ...] = (),
    leader: int = 0,
    troubles: dict[int, str] | None = None,
    *,
    waits: bool = True,
    alone: bool = False,
    lost: bool = False,
    missing: int = 0,
    me: int = 1,
) -> str:
    node = SimpleNamespace(me=me, membership=members, leader=leader, alone=alone, lost=lost, missing=missing)
    replica: Any = SimpleNamespace(node=node, linked=set(linked), waits=waits, why_not="the disk is full")
    cluster = Cluster(id="ab" * 16, members=tuple(f"{id} {address}" for id, address in MEMBERS.items()))
    found = Waiting(cast(Replica, replica), cluster, lambda: troubles or {}).why_not()
    assert found is not None
    return found


def test_what_is_wrong_here_is_said_as_it_is() -> None:
    assert why_not(waits=False) == "the disk is full"


def test_without_a_majority_it_says_who_is_missed_once_it_had_the_time_to_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a start there is no link yet, though all are there."""
    assert why_not().endswith(": looking for the other members")
    monkeypatch.setattr(waiting, "LOOKING_SECONDS", 0.0)
    said = why_not()
    assert "no leader is heard since " in said
    assert "of the voters 1, 2, 3 only 1 can be reached from here, and it takes 2" in said


def test_with_a_majority_an_election_is_on() -> None:
    assert why_not(linked=(2,)).endswith("an election is on")
    assert "lost what it had acknowledged, and votes for nobody" in why_not(linked=(2,), lost=True)
    assert "up to entry 1,234, and votes only for one that has all" in why_not(linked=(2,), missing=1234)


def test_a_refusal_by_a_voter_says_why_it_cannot_be_reached() -> None:
    refusal = "member 3 refuses this replica"
    few = "of the voters 1, 2, 3 only 1 can be reached from here, and it takes 2: "
    assert why_not(troubles={0: "a stranger", 3: refusal}).endswith(f": {few}{refusal}; start 2")
    assert why_not(troubles={2: "another", 3: refusal}).endswith(f": {few}another")
    assert why_not(troubles={3: refusal}, linked=(2,)).endswith(f": {refusal}")


def test_who_is_no_member_any_more_hides_no_missing_voter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration still names member 3."""
    monkeypatch.setattr(waiting, "LOOKING_SECONDS", 0.0)
    said = why_not(THREE.remove(3), troubles={0: "a stranger", 3: "member 3 was refused: it was removed"})
    assert said.endswith(
        ": of the voters 1, 2 only 1 can be reached from here, and it takes 2: start the others"
    )


def test_a_removed_replica_says_so() -> None:
    assert "was removed from the cluster" in why_not(THREE.remove(1), leader=2)


def test_a_new_replica_whose_log_lacks_its_own_addition_is_not_taken_for_a_removed_one() -> None:
    assert why_not(leader=2, me=4) == "member 2 leads, and this replica has not caught up with its log yet"


def test_with_a_leader_it_has_not_caught_up() -> None:
    assert why_not(leader=2) == "member 2 leads, and this replica has not caught up with its log yet"


def test_an_empty_log_without_a_leader_gets_a_hint_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Membership(())
    assert "--first-start" not in why_not(nobody)
    monkeypatch.setattr(waiting, "HINT_SECONDS", 0.0)
    said = why_not(nobody)
    assert "start each member once with --first-start" in said
    assert "quorumbook add 1 127.0.0.1:7610" in said
    assert "--first-start" not in why_not(nobody, troubles={2: "member 2 refuses this replica"})


def test_the_time_is_when_a_leader_was_heard_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    node = SimpleNamespace(me=1, membership=THREE, leader=2, alone=False, lost=False, missing=0)
    replica: Any = SimpleNamespace(node=node, linked=set(), waits=True, why_not=None)
    found = Waiting(replica, Cluster(), dict)
    now[0] = 60.0
    found.look()
    node.leader = 0
    now[0] = 120.0
    found.look()
    assert "since 00:01:00 UTC" in str(found.why_not())
