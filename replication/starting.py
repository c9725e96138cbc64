"""A start: the log read once, for who applies its entries and for Raft, which goes by it from then on.

What is known to be committed is given to be applied; of the rest Raft decides. A member that is alone has decided.
"""

from collections.abc import Callable, Iterator

from replication import membership
from replication.clock import Clock
from replication.files import Disk, LogError, LostData
from replication.log import Log
from replication.membership import Membership, Refused
from replication.messages import Entry, HardState, Proposal
from replication.raft import Raft, Timing
from replication.snapshots import Header, Snapshot
from replication.wal import Cut, Position, beginning
from replication.window import Window


class Starting:
    """What the log says, as far as it was read. origin: the membership of a log that names none."""

    def __init__(self, log: Log, me: int, origin: Membership) -> None:
        self._log = log
        self._me = me
        self._origin = origin
        self.memberships = [(0, origin)]
        self.after: Position | None = None  # where the snapshot stands that the log is read from
        self._terms: list[tuple[int, int]] = []  # (first index, term)
        self._known_hash = beginning(log.cluster).hash  # of the last entry that is known to be committed
        self._rest: list[Entry] | None = None  # what may not be committed; None: not read so far

    @property
    def members(self) -> Membership:
        return self.memberships[-1][1]

    @property
    def _alone(self) -> bool:
        return self.members.ids == {self._me}

    def start_from(self, disk: Disk, snapshot: Snapshot) -> None:
        """Goes on behind a snapshot that the application was restored from. Raises LostData, LogError."""
        header, log = snapshot.header, self._log
        path = disk.path(snapshot.name)
        if header.cluster != log.cluster:
            raise LogError(f"{path}: the snapshot is of cluster {header.cluster.hex()}; take it away")
        if log.position.index < snapshot.index:
            ends = log.position.index
            what = f"the log ends with entry {ends}; a snapshot shows that {snapshot.index} were committed"
            raise LostData(path, 0, what)
        log.settle(max(log.commit_index, snapshot.index))
        self.go_on_behind(header)

    def go_on_behind(self, header: Header) -> None:
        """Only what follows a snapshot counts."""
        self.after = header.position
        self._terms = list(header.terms)
        self._known_hash = header.position.hash
        self.memberships = [(header.membership_index, header.membership or self._origin)]

    def pieces(self) -> Iterator[list[Entry]]:
        """The entries that are known to be committed, many at a time. Raises LostData, LogDamaged, LogError."""
        known = self._log.commit_index
        rest: list[Entry] = []
        for entries in self._log.pieces(self.after):
            self._pass_over(entries, known)
            committed, others = parted(entries, known)
            rest += others
            if committed:
                yield committed
        self._rest = rest
        if self._alone and rest:
            yield rest

    def pieces_again(self, commit_index: int) -> Iterator[list[Entry]]:
        """As `pieces`, up to `commit_index`, when the start has ended."""
        for entries in self._log.pieces(self.after):
            committed, _ = parted(entries, commit_index)
            if committed:
                yield committed

    def _pass_over(self, entries: list[Entry], known: int) -> None:
        """What Raft has to know of the log."""
        for entry in entries:
            if entry.index <= known:
                self._known_hash = entry.chain_hash
            if not self._terms or self._terms[-1][1] != entry.term:
                self._terms.append((entry.index, entry.term))
            changed = membership.decode(entry.payload)
            if changed is not None:
                self.memberships.append((entry.index, changed))

    def read(self) -> None:
        """Reads the log unless somebody who applies entries has. Raises LostData, LogDamaged."""
        if self._rest is None:
            for _ in self.pieces():
                pass

    def window(self) -> Window:
        """The end of the log that was read, for Raft."""
        log = self._log
        position = log.position
        rest = self._rest if self._rest and not self._alone else []
        before = self._known_hash if rest else position.hash
        window = Window(self._terms, position.index, position.timestamp_ns, before, log.read_from)
        window.recovered(rest)
        window.begins_after = log.begins_after
        return window

    def end(
        self, clock: Clock, below: Callable[[int], int], timing: Timing, *, lost: bool
    ) -> tuple[Raft, int]:
        """The Raft that goes on here, and the entry through which `pieces` gave the log. Raises LogFailed."""
        log, alone = self._log, self._alone
        log.count_start()
        given = log.position.index if alone else log.commit_index
        promised, missing = promises(log.promised)
        raft = Raft(
            self._me,
            log.hard_state,
            self.window(),
            0 if alone else given,
            self.memberships,
            clock,
            below,
            timing,
            promised,
            missing,
            lost=lost,
        )
        self._rest = []
        return raft, given

    def stand_alone(self, clock: Clock) -> int:
        """Makes this member the only one, durably, instead of `end`; the index of the entry that says so. Raises
        Refused, LostData, LogDamaged, LogFailed."""
        self.read()
        log = self._log
        alone = Membership((self.members.member(self._me)._replace(voter=True),), self.members.last_id)
        hard = HardState(log.hard_state.term + 1, self._me)
        position = log.position
        payload = membership.encode(alone)
        if not log.make_room([len(payload)]):
            raise Refused(log.why_not or "the log has no room for another entry")
        log.save(hard)
        at_ns = max(position.timestamp_ns, clock.wall_ns())
        log.append((Proposal(position.index + 1, hard.term, at_ns, (payload,)),), position.index)
        log.sync()
        if log.promised is not None:
            log.repaired()  # by declaration, and not before it is alone: among others it would decide
        return position.index + 1


def promises(cut: Cut | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """What Raft calls promised, and missing."""
    nothing = (0, 0)
    if cut is None or cut.lost:
        return nothing, nothing
    end = (cut.term, cut.last_index)
    return (nothing, end) if cut.durable else (end, nothing)


def parted(entries: list[Entry], known: int) -> tuple[list[Entry], list[Entry]]:
    """Those up to entry `known`, and those after it."""
    if entries[-1].index <= known:
        return entries, []
    at = max(0, known + 1 - entries[0].index)
    return entries[:at], entries[at:]
