"""One replica's log at work: proposals in, committed entries out. Obeys Raft's Ready, in its order, here and
only here.

A cluster has exactly one member for now. Its sync is inline: nothing else could be done meanwhile, and a
thread hop would cost more than it saves.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from replication.clock import Clock
from replication.files import Disk, LogError, LogFailed, LogUnavailable
from replication.log import Log
from replication.messages import Buffer, Entry, Ready
from replication.raft import Raft
from replication.wal import DATA, Cut, batch_end

SEGMENT_BYTES = 64 << 20
MAX_ENTRY_BYTES = 4 << 20


class Node:
    """Not thread-safe: one loop calls it.

    Start: `open`, apply `committed(1)`, then call `turn`; the first turn begins a new term and gives its no-
    op. After LogFailed the process must stop: nothing here works any more.
    """

    def __init__(self, disk: Disk, log: Log, clock: Clock, max_entry_bytes: int) -> None:
        self._disk = disk
        self._log = log
        self._max_entry_bytes = max_entry_bytes
        position = log.position
        self._raft = Raft(log.hard_state, position.index, position.timestamp_ns, clock)
        self._queue: deque[Buffer] = deque()
        self.queued_bytes = 0  # proposed and not yet in an entry

    @classmethod
    def open(
        cls,
        disk: Disk,
        *,
        clock: Clock,
        segment_bytes: int = SEGMENT_BYTES,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
    ) -> "Node":
        """Locks the directory and recovers. Raises LogInUse, LogUnavailable, LostData, LogDamaged, LogFailed."""
        if batch_end(DATA, [max_entry_bytes]) > segment_bytes:
            raise ValueError(f"a segment of {segment_bytes} bytes cannot hold an entry of {max_entry_bytes}")
        try:
            disk.lock()
        except OSError as error:
            raise LogUnavailable(disk.path(""), error) from None
        try:
            return cls(disk, Log.open(disk, clock, segment_bytes), clock, max_entry_bytes)
        except LogError:
            disk.close()
            raise

    # ------------------------------------------------------------ the loop's side

    def propose(self, payload: Buffer) -> None:
        """Queues one payload. The payloads of a turn become ONE entry, end to end in this order, as many as
        fit into it; none is cut. `payload` must not change until a turn took it: `queued_bytes` is 0 then.

        Raises ValueError when it is longer than an entry may be.
        """
        size = len(payload)
        if size > self._max_entry_bytes:
            raise ValueError(f"a payload of {size} bytes; an entry holds at most {self._max_entry_bytes}")
        self._queue.append(payload)
        self.queued_bytes += size

    def turn(self) -> list[Entry]:
        """Makes what is queued durable and gives the entries that may now be applied, in order.

        Gives nothing while there is no room for them (`why_not` says why): what is queued stays queued.
        Raises LogFailed: stop the process.
        """
        self._log.poll()
        committed: list[Entry] = []
        if not self._raft.leader:
            if not self._log.make_room([0]):
                return []
            self._raft.campaign()
            committed += self._obey(self._raft.ready())
            committed += self._obey(self._raft.ready())
        if self._queue:
            pieces, size = self._next_pieces()
            if self._log.make_room([size]):
                self._raft.propose(pieces)
                for _ in pieces:
                    self._queue.popleft()
                self.queued_bytes -= size
                committed += self._obey(self._raft.ready())
        else:
            self._log.prove()
        return committed

    def _next_pieces(self) -> tuple[tuple[Buffer, ...], int]:
        size = self.queued_bytes
        if size <= self._max_entry_bytes:
            return tuple(self._queue), size
        pieces: list[Buffer] = []
        size = 0
        for piece in self._queue:
            if size + len(piece) > self._max_entry_bytes:
                break
            pieces.append(piece)
            size += len(piece)
        return tuple(pieces), size

    def _obey(self, ready: Ready) -> list[Entry]:
        entries: list[Entry] = []
        if ready.hard_state is not None:  # write
            self._log.save(ready.hard_state)
        if ready.entries:
            entries = self._log.append(ready.entries)
            # here the other members get what needs no sync
            self._log.sync()
        # here the other members get what promises something; our own vote and acknowledgement:
        self._raft.advance(ready)
        assert not entries or entries[-1].index == self._raft.commit_index
        return entries  # apply

    # ------------------------------------------------------------ what is known

    def committed(self, from_index: int = 1) -> Iterator[Entry]:
        """The durable entries from `from_index`, verified from the first one on. With one member what its
        disk holds is on a quorum's disks. Raises LostData, LogDamaged."""
        for entries in self.committed_pieces():
            yield from (entry for entry in entries if entry.index >= from_index)

    def committed_pieces(self) -> Iterator[list[Entry]]:
        """As `committed`, from the first, many at a time."""
        return self._log.pieces()

    @property
    def last_index(self) -> int:
        return self._log.position.index

    @property
    def chain_hash(self) -> bytes:
        """Of the last entry: two logs with the same one are the same log."""
        return self._log.position.hash

    @property
    def role(self) -> str:
        """leader or follower."""
        return "leader" if self._raft.leader else "follower"

    @property
    def term(self) -> int:
        return self._raft.hard_state.term

    @property
    def accepting(self) -> bool:
        """Whether input may be taken. False when the next segment cannot be reserved; tried again every
        second, as long as somebody asks or takes turns."""
        if self._log.work_due:
            with suppress(LogFailed):  # which is in why_not
                self._log.poll()
        return self._log.why_not is None

    @property
    def why_not(self) -> str | None:
        """Why no input may be taken, for people."""
        return self._log.why_not

    @property
    def cut(self) -> Cut | None:
        """The torn, never acknowledged batch that this start removed from the end of the log: to be
        traced."""
        return self._log.cut

    def close(self) -> None:
        """Ends cleanly and unlocks the directory."""
        try:
            self._log.close()
        finally:
            self._disk.close()
