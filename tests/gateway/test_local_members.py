"""What the log says of the replicas of a local cluster."""

from typing import Any

from gateway.local_members import apart, elsewhere

ADDRESSES = {"replica1": "127.0.0.1:1", "replica2": "127.0.0.1:2", "replica4": "127.0.0.1:4"}


def status(member: int, role: str, last_index: int, *members: int) -> dict[str, Any]:
    membership = [{"id": id, "address": f"127.0.0.1:{id}", "voter": True} for id in members]
    return {
        "member": member, "role": role, "term": 2, "last_index": last_index, "membership": membership, "last_id": 3,
    }  # fmt: skip


def test_who_was_removed_is_told_from_who_waits_to_be_added() -> None:
    found = {
        "replica1": status(1, "leader", 9, 1, 3),
        "replica2": status(2, "candidate", 7, 1, 2, 3),
        "replica4": status(4, "learner", 0),
    }
    strangers = apart(found, ADDRESSES)
    assert {name: one.removed for name, one in strangers.items()} == {"replica2": True, "replica4": False}
    assert "member 2 was removed" in strangers["replica2"].why
    assert strangers["replica4"].why.endswith("quorumbook add 4 127.0.0.1:4")
    (missing,) = elsewhere(found, {1, 2, 4})
    assert missing.startswith("member 3 at 127.0.0.1:3 is not run from here")
    assert elsewhere(found, {1, 2, 3, 4}) == []  # it has ended, and it was said why


def test_a_removed_one_whose_directory_was_deleted_does_not_wait_to_be_added() -> None:
    found = {"replica1": status(1, "leader", 9, 1, 3), "replica2": status(2, "learner", 0)}
    assert "member 2 was removed" in apart(found, ADDRESSES)["replica2"].why


def test_nothing_is_said_while_nobody_leads() -> None:
    found = {"replica2": status(2, "candidate", 7, 1, 3)}
    assert (apart(found, ADDRESSES), elsewhere(found, {2})) == ({}, [])
