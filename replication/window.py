"""The end of the log in memory, and the terms of all of it."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from replication.messages import Entry, Proposal

KEEP_BYTES = 8 << 20  # of written entries: what followers that keep up are fed from


class Window:
    """Three parts, in order: what was left to the disk, `entries` in memory, `unwritten`.

    Invariants: synced_index <= written_index <= last_index; in memory is everything after the commit index, the entry
    at it too, unless nothing after it was ever seen. fetch(index, max_bytes): entries from the disk.
    """

    def __init__(
        self,
        terms: Iterable[tuple[int, int]],
        last_index: int,
        last_timestamp_ns: int,
        last_hash: bytes,
        fetch: Callable[[int, int], list[Entry]],
    ) -> None:
        self._first_of_term = []  # index of the first entry of each term, rising
        self._terms = []  # the terms
        for first, term in terms:
            self._first_of_term.append(first)
            self._terms.append(term)
        self._fetch = fetch
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._before_hash = last_hash  # of the entry before the first in memory
        self.unwritten: list[Proposal] = []
        self._hashes: dict[int, bytes] = {}  # of unwritten entries, as their leader gave them
        self.last_index = self.written_index = self.synced_index = last_index
        self.last_timestamp_ns = last_timestamp_ns
        self.begins_after = 0  # entries up to it are not even on the disk: a snapshot holds what they led to

    @property
    def first_index(self) -> int:
        """Of the entries in memory."""
        return self.written_index - len(self._entries) + 1

    @property
    def last_term(self) -> int:
        return self._terms[-1] if self._terms else 0

    def term_at(self, index: int) -> int:
        """0 for index 0. `index` must not be above last_index."""
        assert index <= self.last_index
        run = bisect_right(self._first_of_term, index)
        return self._terms[run - 1] if run else 0

    def last_not_above(self, index: int, term: int) -> int:
        """The last index up to `index` whose term is not above `term`: where a log that has `term` there may agree with
        this one (etcd's way to skip whole terms of a divergence)."""
        index = min(index, self.last_index)
        run = bisect_right(self._first_of_term, index) - 1
        while run >= 0 and self._terms[run] > term:
            index = self._first_of_term[run] - 1
            run -= 1
        return index

    def hash_at(self, index: int) -> bytes:
        """The chain hash; empty when it is not in memory, or not known before it is written."""
        if index > self.written_index:
            return self._hashes.get(index, b"")
        if index == self.first_index - 1:
            return self._before_hash
        return self._entries[index - self.first_index].chain_hash if index >= self.first_index else b""

    # ---------------------------------------------------------------- the end moves

    def add(self, proposal: Proposal, chain_hash: bytes = b"") -> None:
        assert proposal.index == self.last_index + 1
        assert proposal.term >= self.last_term
        self._begin_term(proposal.index, proposal.term)
        self.unwritten.append(proposal)
        if chain_hash:
            self._hashes[proposal.index] = chain_hash
        self.last_index = proposal.index
        self.last_timestamp_ns = proposal.timestamp_ns

    def _begin_term(self, index: int, term: int) -> None:
        if term != self.last_term:
            self._first_of_term.append(index)
            self._terms.append(term)

    def written(self, entries: Sequence[Entry]) -> list[int]:
        """What the first of the unwritten became. Gives the indices whose hash is not the one their leader gave."""
        count = len(entries)
        assert [entry.index for entry in entries] == [proposal.index for proposal in self.unwritten[:count]]
        del self.unwritten[:count]
        self._keep(entries)
        self.written_index = entries[-1].index
        return [
            entry.index
            for entry in entries
            if self._hashes.pop(entry.index, entry.chain_hash) != entry.chain_hash
        ]

    def recovered(self, entries: Sequence[Entry]) -> None:
        """The end of the log as a start found it: written, and part of last_index already."""
        self._keep(entries)

    def pass_over(self, entry: Entry) -> None:
        """An entry of the last term that was written, synced and committed in one go, as all before it were."""
        if self._entries:
            self._entries.clear()
            self._bytes = 0
        self._before_hash = entry.chain_hash
        self.last_index = self.written_index = self.synced_index = entry.index
        self.last_timestamp_ns = entry.timestamp_ns

    def _keep(self, entries: Sequence[Entry]) -> None:
        self._entries.extend(entries)
        self._bytes += sum(len(entry.payload) for entry in entries)

    def truncate(self, stays: int) -> int:
        """Gives up what follows `stays`; how many entries that were."""
        gone = self.last_index - stays
        while self.unwritten and self.unwritten[-1].index > stays:
            self._hashes.pop(self.unwritten.pop().index, None)
        while self._entries and self._entries[-1].index > stays:
            self._bytes -= len(self._entries.pop().payload)
        while self._first_of_term and self._first_of_term[-1] > stays:
            self._first_of_term.pop()
            self._terms.pop()
        self.last_index = stays
        self.written_index = min(self.written_index, stays)
        self.synced_index = min(self.synced_index, stays)
        if self.unwritten:
            self.last_timestamp_ns = self.unwritten[-1].timestamp_ns
        elif self._entries:
            self.last_timestamp_ns = self._entries[-1].timestamp_ns
        return gone

    def shrink(self, through: int) -> None:
        """Leaves to the disk what is too much, as far as `through`: committed, applied and synced."""
        while self._bytes > KEEP_BYTES and self._entries[0].index < through:
            entry = self._entries.popleft()
            self._bytes -= len(entry.payload)
            self._before_hash = entry.chain_hash

    # ---------------------------------------------------------------- reading

    def read(self, index: int, max_bytes: int) -> list[Entry]:
        """Written entries from `index` on: at least one, then as many as fit."""
        if index < self.first_index:
            return self._fetch(index, max_bytes)
        found: list[Entry] = []
        size = 0
        for back in range(index - self.written_index - 1, 0):  # from the end: a deque is searched from there
            entry = self._entries[back]
            size += len(entry.payload)
            if found and size > max_bytes:
                break
            found.append(entry)
        return found

    def between(self, after: int, through: int) -> list[Entry]:
        """The entries (after, through], in memory."""
        assert after + 1 >= self.first_index
        entries, end = self._entries, self.written_index
        return [entries[index - end - 1] for index in range(after + 1, through + 1)]
