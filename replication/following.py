"""What a member does with what its leader says (paper 5.3, the receiver's side; section 7 for snapshots).

Functions of a Raft, without state of their own: every answer waits for them.
"""

from typing import TYPE_CHECKING

from replication import membership
from replication.messages import Kind, Message, Proposal

if TYPE_CHECKING:
    from replication.raft import Raft


def hear(raft: "Raft", m: Message) -> None:
    """The leader of this term speaks (paper 5.3)."""
    assert raft.leading is None
    if raft.leader != m.sender or raft.candidacy is not None:
        raft.follow(m.term, m.sender)
    else:
        raft.wait_for_silence()
    if raft.voting.deferred:
        raft.voting.deny()
    raft.lost_link = (0, 0)
    if m.kind is Kind.APPEND:
        append(raft, m)
    elif m.kind is Kind.SNAPSHOT:
        snapshot(raft, m)
    else:
        raft.committed(min(m.commit, raft.log.last_index))
        if m.number:
            raft.send(Kind.HEARTBEAT_ANSWER, m.sender, number=m.number, lazy=raft.lazy)


def append(raft: "Raft", m: Message) -> None:
    """The consistency check, and what passes it. Raises Diverged."""
    log = raft.log
    last = m.index + len(m.entries)
    if last < raft.commit_index:  # an old one; what is committed is the same everywhere
        acknowledge(raft, m.sender, raft.commit_index)
        return
    if m.index > log.last_index or (m.index > raft.commit_index and log.term_at(m.index) != m.log_term):
        hint = log.last_not_above(min(m.index, log.last_index), m.log_term)
        raft.send(
            Kind.APPEND_ANSWER,
            m.sender,
            index=hint,
            log_term=log.term_at(hint),
            rejected=True,
            number=m.index,
        )
        return
    raft.must_agree(m.index, m.hash)
    for entry in m.entries:
        if entry.index <= log.last_index:
            if entry.index <= raft.commit_index or log.term_at(entry.index) == entry.term:
                raft.must_agree(entry.index, entry.chain_hash)
                continue
            raft.give_up(entry.index - 1)
        log.add(Proposal(entry.index, entry.term, entry.timestamp_ns, (entry.payload,)), entry.chain_hash)
        changed = membership.decode(entry.payload)
        if changed is not None:
            raft.adopt(entry.index, changed)
    raft.committed(min(m.commit, last))
    acknowledge(raft, m.sender, last)


def snapshot(raft: "Raft", m: Message) -> None:
    """A chunk, or the question which one is wanted (paper, section 7)."""
    if m.index <= raft.commit_index:
        acknowledge(raft, m.sender, raft.commit_index)
    elif m.index <= raft.log.last_index and raft.log.term_at(m.index) == m.log_term:
        raft.committed(m.index)  # the log has all that the snapshot stands for
        acknowledge(raft, m.sender, m.index)
    else:
        raft.arrived.append(m)


def acknowledge(raft: "Raft", leader: int, index: int) -> None:
    """At once when it is durable, or else when it is."""
    if index <= raft.log.synced_index:
        raft.send(Kind.APPEND_ANSWER, leader, index=index, lazy=raft.lazy)
    else:
        raft.owed = (leader, index)
