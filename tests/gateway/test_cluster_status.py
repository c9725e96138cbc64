"""The table of `quorumbook status`, from answers of replicas."""

from typing import Any

from gateway.cluster_status import newest, picture, replicas

MEMBERS = [
    {"id": 1, "address": "127.0.0.1:1", "voter": True},
    {"id": 2, "address": "127.0.0.1:2", "voter": True},
    {"id": 4, "address": "127.0.0.1:4", "voter": False},
]
BEST = {"cluster": "c1", "leader": 1, "member": 1, "linked": [2]}


def status(
    member: int, role: str, term: int = 5, commit: int = 90, applied: int = 90, **more: Any
) -> dict[str, Any]:
    return {
        "member": member,
        "role": role,
        "accepting": True,
        "term": term,
        "commit_index": commit,
        "applied_index": applied,
        "last_index": commit,
        "membership": MEMBERS,
        "connections": {"tcp": 2, "zeromq": 1},
        "rules": 1,
        "newest_rules": 1,
        "kept_orders": 7,
        **more,
    }  # fmt: skip


def state(index: int, text: str) -> dict[str, Any]:
    return {"applied_index": index, "state_hash": text * 64}


def cells(text: str, id: int) -> str:
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [str(id)]]
    return " ".join(line.split())


def test_every_member_has_a_line_and_who_is_none_has_one_too() -> None:
    removed = status(3, "candidate", term=4, applied=50, membership=[])
    found = replicas(
        [removed, status(1, "leader"), status(4, "learner", applied=70)], {1: state(90, "a")}, {}
    )
    text = picture(found, BEST, ["it does not run"])
    assert text.splitlines()[0] == "cluster c1"
    assert cells(text, 1) == "1 127.0.0.1:1 leader voter 5 90 90 0 3 aaaaaaaaaaaa at 90"
    assert cells(text, 2) == "2 127.0.0.1:2 not reached voter - - - - - -"
    assert cells(text, 3) == "3 - candidate no member 4 90 50 40 3 -"
    assert cells(text, 4) == "4 127.0.0.1:4 learner learner 5 90 70 20 3 -"
    assert text.endswith("not reached: it does not run")


def test_who_was_not_asked_is_told_from_who_was_not_reached() -> None:
    found = replicas([status(2, "follower")], {}, {})
    best = {**BEST, "member": 2, "linked": [1]}
    text = picture(found, best, [])
    assert cells(text, 1) == "1 127.0.0.1:1 leader, not asked voter - - - - - -"
    assert cells(text, 4) == "4 127.0.0.1:4 not asked learner - - - - - -"
    assert text.endswith(
        "not asked: members 1 (linked to 2), 4 (no link to 2): give --data or --admin of each, too"
    )
    mixed = picture(found, best, ["data4 does not run"])
    assert "  not reached or not asked: members 1 (linked to 2), 4 (no link to 2): " in mixed
    assert "asked" not in picture(found, best, ["data4 does not run", "data1 does not run"])


def test_without_a_leader_nobody_knows_the_lag() -> None:
    found = replicas([status(1, "candidate"), status(2, "follower")], {}, {})
    assert [one["lag"] for one in found] == [None, None, None]
    assert cells(picture(found, BEST, []), 2) == "2 127.0.0.1:2 follower voter 5 90 90 ? 3 -"


def test_the_leader_of_the_newest_term_is_believed() -> None:
    deposed, leader = status(1, "leader", term=5, commit=99), status(2, "leader", term=6, commit=95)
    assert newest([deposed, status(4, "learner", term=6, commit=99), leader]) is leader


def test_states_are_compared_at_the_same_entry_only() -> None:
    statuses = [status(1, "leader"), status(2, "follower"), status(4, "learner")]
    same = picture(
        replicas(statuses, {1: state(90, "a"), 2: state(90, "a"), 4: state(89, "b")}, {}), BEST, []
    )
    assert "one state at entry 90: members 1, 2" in same
    assert "DIFFERENT" not in same
    other = picture(
        replicas(statuses, {1: state(90, "a"), 2: state(90, "a"), 4: state(90, "b")}, {}), BEST, []
    )
    assert "DIFFERENT STATES at entry 90 of members 1, 2, 4" in other
    assert "one state" not in other


def test_the_sessions_that_each_replica_holds_are_counted_and_the_first_are_named() -> None:
    many = [f"C{number}" for number in range(1, 1001)]
    held = {
        1: {"count": 1000, "comp_ids": many},
        2: {"count": 1, "comp_ids": ["ALICE"]},
        4: {"count": 0, "comp_ids": []},
    }
    found = replicas([status(1, "leader"), status(2, "follower"), status(4, "learner")], {}, held)
    assert [line for line in picture(found, BEST, []).splitlines() if "holds" in line] == [
        "  member 1 holds 1,000 sessions: C1, C2, C3, C4, C5, C6, C7, C8, ...",
        "  member 2 holds 1 session: ALICE",
    ]
    assert [one["sessions"] for one in found] == list(held.values())


def test_whom_newer_rules_wait_for_is_told() -> None:
    def lines(*newest: int, rules: int = 1) -> list[str]:
        roles = zip((1, 2, 4), ("leader", "follower", "learner"), newest, strict=False)
        answers = [status(id, role, rules=rules, newest_rules=last) for id, role, last in roles]
        shown = picture(replicas(answers, {}, {}), BEST, []).splitlines()
        return [line for line in shown if line.startswith("  rules version")]

    assert lines(1, 1, 1) == []
    assert lines(1, 1) == []
    assert lines(2, 2, 2, rules=2) == []
    assert lines(2, 2, rules=2) == []
    assert lines(2, 1, 2) == [
        "  rules version 1 holds; version 2 begins by itself when every member runs a program that has it. Missing: 2"
    ]
    assert lines(1, 2)[0].endswith("Missing: 1, 4")


def test_it_says_why_states_are_missing() -> None:
    found = replicas(
        [status(1, "leader", kept_orders=25_001), status(2, "follower")], {2: state(90, "a")}, {}
    )
    said = "no state of member 1: more than 25,000 orders; quorumbook verify computes it"
    assert said in picture(found, BEST, [])


def test_who_takes_no_clients_is_named_and_why() -> None:
    refused = status(
        2, "refused", term=0, accepting=False, why_not="member 1 refuses this replica: it is empty"
    )
    text = picture(replicas([status(1, "leader"), refused], {}, {}), BEST, [])
    assert cells(text, 2).startswith("2 127.0.0.1:2 refused voter")
    assert "  member 2 takes no clients: member 1 refuses this replica: it is empty" in text.splitlines()
    assert "member 1 takes no" not in text
