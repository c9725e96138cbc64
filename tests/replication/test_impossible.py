"""Messages that no member sends change nothing and stop nobody, whatever they say."""

from random import Random

import pytest
from raft_cluster import Cluster
from raft_world import World

from replication import membership
from replication.impossible import MOST_TERMS, Impossible
from replication.messages import Entry, Kind, Message
from replication.raft import Diverged

LIVES = 150
NUMBERS = ("term", "index", "log_term", "commit", "number")


def led() -> Cluster:
    """Member 1 leads term 1; entries 1 and 2 are everywhere, and committed."""
    cluster = Cluster(3, below=lambda id, n: 0, watch=lambda replica: None)
    cluster.replicas[1].raft.stand()
    cluster.replicas[1].turn()
    for payload in ((), (b"a",)):
        if payload:
            cluster.replicas[1].raft.propose(payload)
            cluster.replicas[1].turn()
        while cluster.network or any(replica.syncing for replica in cluster.up):
            for replica in cluster.up:
                replica.sync()
            for message in [cluster.network.pop(0) for _ in list(cluster.network)]:
                cluster.deliver(message)
    assert cluster.replicas[3].raft.log.last_index == 2
    return cluster


def entry(index: int, *, term: int = 1, time_ns: int = 1 << 60, payload: bytes = b"") -> Entry:
    return Entry(index, term, time_ns, memoryview(payload), bytes(32))


@pytest.mark.parametrize(
    ("m", "words"),
    [
        (Message(Kind.APPEND_ANSWER, 3, 1, 1, index=3), "is about entry 3: the leader wrote 2"),
        (Message(Kind.APPEND_ANSWER, 3, 1, 1, rejected=True), "rejects entry 0"),
        (Message(Kind.APPEND_ANSWER, 3, 1, 1, rejected=True, index=2, number=1), "rejects entry 1"),
        (Message(Kind.HEARTBEAT_ANSWER, 3, 1, 1, number=99), "answers round 99"),
        (Message(Kind.HEARTBEAT, 3, 1, 1), "says that it leads, and member 1 does"),
        (Message(Kind.HEARTBEAT, 3, 2, 1), "says that it leads, and member 1 does"),
        (Message(Kind.READ_ANSWER, 3, 2, 1), "says that it leads, and member 1 does"),
        (Message(Kind.HEARTBEAT, 1, 2, MOST_TERMS + 2), "comes while the term here is 1"),
        (Message(Kind.APPEND, 1, 2, 1, 2, 1, commit=3), "says that entry 3 is committed"),
        (Message(Kind.APPEND, 1, 2, 1, 2, 0), "follows entry 2 of term 0"),
        (Message(Kind.APPEND, 1, 2, 2, 2, 1, entries=[entry(3, term=2), entry(4)]), "goes back"),
        (Message(Kind.APPEND, 1, 2, 1, 2, 1, entries=[entry(3, time_ns=-1)]), "goes back"),
        (Message(Kind.APPEND, 1, 2, 1, 2, 1, entries=[entry(3, term=2)]), "has an entry of term 2"),
        (Message(Kind.APPEND, 1, 2, 3, 2, 2, entries=[entry(3, term=2)]), "committed is one of term 1"),
        (
            Message(Kind.APPEND, 1, 2, 1, 2, 1, entries=[entry(3, payload=membership.PREFIX)]),
            "has a membership that is cut short",
        ),
        (Message(Kind.SNAPSHOT, 1, 2, 1, 9, 1, 5, number=3, hash=bytes(32), data=b"abc"), "3 bytes at offset 3"),
        (Message(Kind.VOTE, 3, 2, 2, 9, 2), "with an entry of term 2"),
        (Message(Kind.VOTE_ANSWER, 3, 1, 2), "grants what was not asked for"),
    ],
)  # fmt: skip
def test_what_cannot_be_changes_nothing(m: Message, words: str) -> None:
    raft = led().replicas[m.to].raft
    before = raft.hard, raft.leader, raft.log.last_index, raft.commit_index, raft.leading
    with pytest.raises(Impossible, match=words):
        raft.step(m)
    assert before == (raft.hard, raft.leader, raft.log.last_index, raft.commit_index, raft.leading)
    assert not raft.take_messages()


@pytest.mark.parametrize("first", range(0, LIVES, 30))
def test_no_message_stops_a_member(first: int) -> None:
    """An honest message with other numbers is refused, or taken, or shows damage: nothing else."""
    refused = 0
    for seed in range(first, first + 30):
        random = Random(seed)
        world = World(seed)
        for _ in range(random.randrange(40, 120)):
            world.step()
        world.cluster.watch = lambda replica: None  # lies that are believed break the properties
        for replica in world.cluster.up:
            for honest in [m for m in world.cluster.network if m.to == replica.id]:
                edges = (0, replica.raft.commit_index, replica.raft.log.last_index, replica.raft.hard.term)
                changes = {
                    name: max(0, random.choice((*edges, getattr(honest, name))) + random.choice((-1, 0, 1)))
                    for name in random.sample(NUMBERS, random.randint(1, len(NUMBERS)))
                }
                bad = honest._replace(**changes, rejected=random.random() < 0.3)
                try:
                    replica.raft.step(bad)
                    replica.turn()
                    replica.sync()
                    replica.turn()
                except Impossible:
                    refused += 1
                    continue
                except Diverged:
                    pass
                except Exception as error:
                    error.add_note(f"seed {seed}: {bad}")
                    raise
                break  # what follows a lie that was believed proves nothing
    assert refused > 5
