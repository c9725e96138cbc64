"""The values that the parts of replication hand to each other."""

from collections.abc import Sequence
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview


class Entry(NamedTuple):
    """One durable item of the log."""

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


class Ready(NamedTuple):
    """What Raft wants done, in this order; node.py obeys it, and nothing else does:

    1. write    `hard_state`, then `entries`
    2. send what needs no sync (appends, heartbeats, the commit index): nobody to send to in a cluster of one
    3. sync     only after it may anything that rests on 1 be promised
    4. send what promises something (votes, acknowledgements): here only our own, by Raft.advance
    5. apply    the entries up to Raft.commit_index
    """

    hard_state: HardState | None
    entries: Sequence[Proposal]
