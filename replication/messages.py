"""The values that the parts of replication hand to each other."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview


class Entry(NamedTuple):
    """One item of the log."""

    index: int  # type: ignore[assignment]  # 1, 2, 3, ... (hides tuple.index)
    term: int
    timestamp_ns: int  # stamped by the leader; never less than the entry before
    payload: memoryview  # read-only; empty in the no-op that begins a term
    chain_hash: bytes  # SHA-256 over (previous hash, index, term, timestamp, payload)


class Proposal(NamedTuple):
    """An entry before it is written: the payload in pieces, which are joined once, on their way to the
    disk."""

    index: int  # type: ignore[assignment]
    term: int
    timestamp_ns: int
    pieces: tuple[Buffer, ...]


class HardState(NamedTuple):
    """What a member must remember before it promises anything (the paper's currentTerm and votedFor)."""

    term: int
    vote: int  # member id; 0 = none


class Kind(IntEnum):
    """Of a message. The paper's RequestVote, AppendEntries and InstallSnapshot, the thesis' pre-vote (9.6), TimeoutNow
    (3.10) and read index (6.4); their answers."""

    PRE_VOTE = 1
    PRE_VOTE_ANSWER = 2
    VOTE = 3
    VOTE_ANSWER = 4
    APPEND = 5
    APPEND_ANSWER = 6
    HEARTBEAT = 7
    HEARTBEAT_ANSWER = 8
    TIMEOUT_NOW = 9
    READ = 10
    READ_ANSWER = 11
    SNAPSHOT = 12
    SNAPSHOT_ANSWER = 13


class Message(NamedTuple):
    """What one member tells another. A field that a kind does not name is 0."""

    kind: Kind
    sender: int  # member ids
    to: int
    term: int  # the sender's; in a pre-vote and its consent the term that the vote would be for
    # votes: the candidate's last entry. APPEND: the entry before the first of `entries`. APPEND_ANSWER: the last entry
    # known to be the same and durable; when rejected, a place to try next. READ_ANSWER: the read index. SNAPSHOT and
    # its answer: the last entry that the snapshot holds.
    index: int = 0  # type: ignore[assignment]  # hides tuple.index
    log_term: int = 0  # of the entry at `index`
    # APPEND, HEARTBEAT: what the leader knows to be committed, as far as the receiver has it. SNAPSHOT: bytes of the
    # file.
    commit: int = 0
    rejected: bool = False  # answers; SNAPSHOT_ANSWER: begin again at `number`, whatever was sent
    # VOTE: the leader itself asked for it, which lifts the recent-leader rule. SNAPSHOT: no chunk, but what is wanted?
    forced: bool = False
    lazy: bool = (
        False  # answers to a leader: nobody here waits to hear what is committed; the next append may say it
    )
    # HEARTBEAT and its answer: the round; 0: it only tells the commit index, and wants no answer. READ: the reader's
    # ticket. APPEND_ANSWER: the index that was rejected. PRE_VOTE_ANSWER, VOTE_ANSWER: 1 = it counts only if all voters
    # consent. SNAPSHOT: offset of the chunk in the file; its answer: the offset wanted next.
    number: int = 0
    hash: bytes = (
        b""  # APPEND: the chain hash of the entry at `index`; SNAPSHOT and its answer: the file's digest
    )
    entries: Sequence[Entry] = ()
    data: bytes | memoryview = b""  # SNAPSHOT: the chunk


class Offer(NamedTuple):
    """A snapshot that a leader may send."""

    index: int  # type: ignore[assignment]  # of the last entry that it holds (hides tuple.index)
    term: int  # of that entry
    digest: bytes  # who has the same one has the same file
    size: int  # bytes of the file


class Ready(NamedTuple):
    """What Raft wants done, in this order; node.py obeys it, and nothing else does:

    1. save     `hard_state`, durably, then Raft.saved: nothing else is given before, as it may rest on it, and
                Raft.take_messages holds back the messages that do
    2. give up  the entries after `stays`, durably
    3. write    `proposals`, as one batch, and hand what they became to Raft.written
    4. send     Raft.take_messages: what needs no sync (appends, heartbeats, the commit index, votes)
    5. sync     then Raft.synced: only now may anything that rests on 3 be promised
    6. send     Raft.take_messages again: acknowledgements; our own counts, too
    7. apply    the entries up to Raft.commit_index

    While a sync is under way, of 1 or of 5, 1 to 3 wait; messages come and go.
    """

    hard_state: HardState | None
    stays: int | None
    proposals: Sequence[Proposal]
