"""What no member says that keeps to Raft: found before a message changes anything here. The link to whoever says it is
closed, and this replica goes on.

A peer that lies as well as it can is not meant: Raft trusts its members. Two logs that have the same entry with another
hash are not meant either: one of them is damaged, and that stops a replica (Diverged).
"""

from typing import TYPE_CHECKING

from replication import membership
from replication.messages import Kind, Message

if TYPE_CHECKING:
    from replication.raft import Raft

MOST_TERMS = 1 << 32  # that pass while a member is away: an election each 10 ms for over a year
FROM_LEADER = frozenset((Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT, Kind.TIMEOUT_NOW, Kind.READ_ANSWER))
TO_LEADER = frozenset((Kind.APPEND_ANSWER, Kind.HEARTBEAT_ANSWER))


class Impossible(Exception):
    """A message that no member sends; the text is for people."""


def check(raft: "Raft", m: Message) -> None:
    """Raises Impossible."""
    what = what_is_wrong(raft, m)
    if what is not None:
        raise Impossible(f"{m.kind.name} of term {m.term} {what}")


def what_is_wrong(raft: "Raft", m: Message) -> str | None:
    term = raft.hard.term
    if m.term < term:
        return None  # nothing of it counts
    if m.term > term + MOST_TERMS:
        return f"comes while the term here is {term}"
    if m.kind in FROM_LEADER:
        if m.term == term and raft.leader not in (0, m.sender):
            return f"says that it leads, and member {raft.leader} does"
        if m.kind is Kind.APPEND:
            return wrong_append(raft, m)
        return wrong_snapshot(m) if m.kind is Kind.SNAPSHOT else None
    if m.kind in TO_LEADER:
        return wrong_answer(raft, m) if m.term == term else None
    if m.kind in (Kind.VOTE, Kind.PRE_VOTE):
        return None if m.log_term < m.term else f"is asked for with an entry of term {m.log_term}"
    if m.kind in (Kind.VOTE_ANSWER, Kind.PRE_VOTE_ANSWER):
        asked = term if m.kind is Kind.VOTE_ANSWER else term + 1
        return None if m.rejected or m.term <= asked else "grants what was not asked for"
    return None


def wrong_append(raft: "Raft", m: Message) -> str | None:
    log, committed = raft.log, raft.commit_index
    last = m.index + len(m.entries)
    if m.commit > last:
        return f"says that entry {m.commit} is committed, and ends with entry {last}"
    if (m.index == 0) != (m.log_term == 0):
        return f"follows entry {m.index} of term {m.log_term}"
    follows = m.index == log.last_index and m.log_term == log.last_term
    term, time_ns = m.log_term, log.last_timestamp_ns if follows else 0
    for entry in m.entries:
        if entry.term < term or entry.timestamp_ns < time_ns:
            return f"goes back in term or time with entry {entry.index}"
        term, time_ns = entry.term, entry.timestamp_ns
        if membership.is_membership(entry.payload):
            try:
                membership.decode(entry.payload)
            except ValueError as error:
                return f"has {error} as entry {entry.index}"
    if term > m.term:
        return f"has an entry of term {term}"
    if m.index <= committed:
        known = min(last, committed)
        term = m.log_term if known == m.index else m.entries[known - m.index - 1].term
        if term != log.term_at(known):
            return f"has entry {known} of term {term}: committed is one of term {log.term_at(known)}"
    return None


def wrong_snapshot(m: Message) -> str | None:
    if not 0 < m.log_term <= m.term or not m.index or not m.hash:
        return f"is of entry {m.index} of term {m.log_term}"
    if m.number + len(m.data) > m.commit:
        return f"has {len(m.data)} bytes at offset {m.number}: the snapshot has {m.commit}"
    return None


def wrong_answer(raft: "Raft", m: Message) -> str | None:
    """To this member, if it leads: of entries that it wrote, of rounds that it began."""
    if raft.leading is None:
        return None
    last = raft.log.last_index
    if m.kind is Kind.HEARTBEAT_ANSWER:
        return None if m.number <= raft.leading.round else f"answers round {m.number}, which was not begun"
    if m.rejected and not m.index <= m.number > 0:
        return f"rejects entry {m.number}, and has entry {m.index}"
    if max(m.index, m.number) > last:
        return f"is about entry {max(m.index, m.number)}: the leader wrote {last}"
    return None
