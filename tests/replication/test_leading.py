"""What a leader says as soon as a message was stepped: no turn follows where nothing else is to be done."""

import pytest
from raft_cluster import Cluster

from replication.membership import Member, Membership, Refused
from replication.messages import Kind, Message
from replication.raft import Raft


def settle(cluster: Cluster) -> None:
    """Everything is delivered and synced, except what comes for member 1 about entry 2."""
    held: list[Message] = []
    while cluster.network or any(replica.syncing for replica in cluster.up):
        for replica in cluster.up:
            replica.sync()
        for message in [cluster.network.pop(0) for _ in list(cluster.network)]:
            if message.kind is Kind.APPEND_ANSWER and message.index == 2:
                held.append(message)
            else:
                cluster.deliver(message)
    cluster.network += held


def test_whoever_acknowledges_second_is_told_the_commit_index_without_a_turn() -> None:
    """A client may wait at the follower whose acknowledgement comes after the one that made the quorum."""
    cluster = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None)
    leader = cluster.replicas[1]
    leader.raft.stand()
    leader.turn()
    settle(cluster)
    leader.raft.propose((b"a",))
    leader.turn()
    settle(cluster)
    first, second = cluster.network
    leader.step(first)
    assert leader.raft.commit_index == 2
    leader.raft.take_messages()
    leader.raft.step(second)
    (told,) = leader.raft.take_messages()
    assert (told.kind, told.to, told.commit) == (Kind.HEARTBEAT, second.sender, 2)


def members(*ids: int, last_id: int = 0) -> Membership:
    return Membership(tuple(Member(id, f"host{id}", voter=True) for id in ids), last_id)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (members(1, last_id=3), "one comes or goes at a time"),
        (members(1, 2, 4), "one comes or goes at a time"),
        (Membership((Member(2, "host2", voter=False),), 3), "one comes or goes at a time"),
        (members(1, 2, 3)._with(Member(1, "host1", voter=True), Member(2, "host2", voter=True)), ""),
    ],
)
def test_a_leader_changes_one_voter_at_a_time(changed: Membership, words: str) -> None:
    raft = led_by_one()
    if not words:
        raft.change(changed)
        return
    with pytest.raises(Refused, match=words):
        raft.change(changed)
    assert raft.membership == members(1, 2, 3)


def test_a_leader_uses_no_id_again() -> None:
    raft = led_by_one()
    raft.membership = members(1, 2, 3, last_id=7)
    learner = Member(5, "host5", voter=False)
    with pytest.raises(Refused, match="5 would be used again"):
        raft.change(raft.membership._with(*raft.membership.members, learner))
    with pytest.raises(Refused, match="were used before"):
        raft.change(members(1, 2, 3))


def led_by_one() -> Raft:
    """Member 1 of three leads, and has committed its first entry."""
    cluster = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None)
    leader = cluster.replicas[1]
    leader.raft.stand()
    leader.turn()
    settle(cluster)
    return leader.raft


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.APPEND, Kind.VOTE, Kind.HEARTBEAT_ANSWER])
def test_a_stranger_is_not_followed_while_a_leader_is_heard(kind: Kind) -> None:
    """By the log it is no member. When no leader is heard it may be one all the same, and lead, but nothing else."""
    cluster = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None)
    cluster.replicas[1].raft.stand()
    cluster.replicas[1].turn()
    settle(cluster)
    follower = cluster.replicas[2].raft
    bad = Message(kind, 9, 2, 7, follower.log.last_index, 1)
    follower.step(bad)
    assert (follower.hard.term, follower.leader) == (1, 1)
    follower.follow(1, 0)
    follower.step(bad)
    assert follower.hard.term == (1 if kind is Kind.HEARTBEAT_ANSWER else 7)


def test_a_leader_without_room_gives_way_to_one_that_has_some() -> None:
    cluster = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None)
    leader = cluster.replicas[1]
    leader.raft.stand()
    leader.turn()
    settle(cluster)
    cluster.network.clear()
    cluster.replicas[2].raft.full = True  # it has as much of the log, and comes first
    for asked in (2, 3):
        assert leader.raft.leading is not None
        leader.raft.leading.give_way()
        assert leader.raft.leading.transfer_to == asked
        leader.turn()
        settle(cluster)
        for _ in range(2):
            for replica in cluster.up:
                replica.tick(leader.raft.timing.election_ns // 2)
            settle(cluster)
    assert [replica.raft.me for replica in cluster.leaders] == [3]
