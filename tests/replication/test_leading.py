"""What a leader says as soon as a message was stepped: no turn follows where nothing else is to be done."""

from raft_cluster import Cluster

from replication.messages import Kind, Message


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
