"""The durable log: the segments and the `state` file of one directory, over the Disk protocol.

What is durable when, and what a crash may leave, is stated in wal.py and DESIGN.md. Not thread-safe; the work that runs
beside the loop (upkeep.py) touches only files the loop does not.
"""

from collections.abc import Iterator, Sequence

from replication import recovery, snapshots, wal
from replication.clock import Clock
from replication.feeding import Feeding
from replication.files import Disk, File, LogError, LogFailed, LogUnavailable, LostData
from replication.messages import Entry, HardState, Proposal
from replication.opening import Found, begin, find, is_unfinished, load
from replication.reader import read_pieces
from replication.renewal import begin_behind, renew
from replication.segments import Names, erase, fill, segment_name
from replication.snapshots import Snapshot, settle
from replication.state import STATE_NAME, Save, State, read_state, write_state_of
from replication.truncation import give_up, remove_after, shorten
from replication.upkeep import Upkeep


class Log:
    """Append, sync, read. A failed write or sync raises LogFailed, here and at every later call.

    Invariant: commit_index <= position.index.
    """

    def __init__(self, disk: Disk, clock: Clock, segment_bytes: int, state: State) -> None:
        self._disk = disk
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._state = state
        self._failed: LogFailed | None = None
        self.cut: wal.Cut | None = None  # what this start removed
        self.proven_index = 0  # through which a sync has completed
        self.commit_index = 0  # through which entries are known to be committed
        self.begins_after = 0  # the index before its first entry; what came before is in a snapshot only
        self._first = 1  # segment
        self.syncing = False  # a sync is under way beside the loop: of a batch, or of term and vote
        self._syncing_index = 0  # what it makes durable, if it is the segment's
        self._saving: Save | None = None  # or else: term and vote
        self._proof_due = False  # the last batch's proof is not written
        # The segment that is written to.
        self._file: File
        self._header: wal.SegmentHeader
        self._place: wal.Place
        self._fresh = False  # its header is not durable yet
        self._upkeep = Upkeep(disk, clock, segment_bytes)
        self._feeding = Feeding(disk)

    # ------------------------------------------------------------ opening

    @classmethod
    def open(cls, disk: Disk, clock: Clock, segment_bytes: int, cluster: bytes | None = None) -> "Log":
        """Recovers what the directory holds, or begins a new log. The directory must be locked.

        cluster: whose log it has to be, 16 bytes; None = any, and for a new log one of its own. Raises LostData or
        LogDamaged (nothing was changed then), LogUnavailable, LogFailed, and LogError for another cluster's log.
        """
        try:
            for name in disk.names():
                if is_unfinished(name):
                    disk.unlink(name)
            disk.sync_directory()  # a killed process may have left names that only the cache knows
            names = Names(disk)
            if STATE_NAME not in disk.names():
                begin(disk, names, segment_bytes, cluster)
                names = Names(disk)
            state = read_state(disk)
            if cluster not in (None, state.cluster):
                raise LogError(
                    f"{disk.path('')}: the directory holds a log of cluster {state.cluster.hex()}; this replica is "
                    f"configured for cluster {cluster.hex()}. Give it a directory of its own"
                )
            log = cls(disk, clock, segment_bytes, state)
            if state.stays is not None:
                log._write_state(state)  # a killed process may have left it where only the cache knows
                give_up(disk, state.stays)
                log._write_state(log._state._replace(stays=None))
                names = Names(disk)
            if state.renews is not None:
                log._write_state(state)
                renew(disk, state.cluster, state.renews, segment_bytes)
                log._write_state(log._state._replace(renews=None))
                names = Names(disk)
            if names.first > 1 and not snapshots.names(disk):
                what = "the segment is missing, and no snapshot holds what was in it"
                raise LostData(disk.path(segment_name(1)), 0, what)
            log._recover(find(disk, state, names))
        except OSError as error:
            raise LogUnavailable(disk.path(""), error) from error
        return log

    def _recover(self, found: Found) -> None:
        """Changes the directory; each step can be done again after a crash."""
        file, data, tail, disk = found.file, found.data, found.tail, self._disk
        self._first, self.begins_after, self.commit_index = (
            found.first,
            found.begins_after,
            found.commit_index,
        )
        self._file, self._header, self._place = file, found.header, tail.place
        self.settle(self.commit_index)  # or a promise that has ended would be joined to what is cut now
        if found.cut is not None:
            self.cut = found.cut
            self._forget_what_is_back(tail.place.position)
            self._save_cut(found.cut)
            if tail.remains:
                erase(file, data, tail.place.offset)
            elif found.reserved is not None:
                erase(*found.reserved, 0)
                found.reserved[0].sync()
        self._adopt(data, tail)
        for offset in wal.torn_marks(data):
            file.pwrite(wal.PADDING, offset)
        if found.reserved is not None:
            reserved, blank = found.reserved
            self._upkeep.next_size = max(len(blank), self._segment_bytes)
            fill(disk, reserved, len(blank), self._upkeep.next_size)  # segments have become larger since
            self._note_successor()
            reserved.close()
        self.sync()
        self.prove()
        self._upkeep.sealed = found.sealed

    def _forget_what_is_back(self, end: wal.Position) -> None:
        """What was durable and lost counts no more once the log reaches its end again (raft.py: `missing`): the torn
        batch would be joined to it, and pass for durable, too, and no agreement of all could let that go. All before a
        torn batch is durable: it was synced before that was written."""
        cut = self._state.cut
        if cut is not None and cut.durable and (cut.term, cut.last_index) <= (end.term, end.index):
            self._state = self._state._replace(cut=None)

    def _adopt(self, data: bytes, tail: recovery.Tail) -> None:
        """Writes the last whole batch again unless it is proven: after a failed sync the page cache may hold,
        as if it were clean, what the disk does not."""
        if tail.last_batch and tail.proven_index < tail.place.position.index:
            self._file.pwrite(wal.encode_segment(self._header), 0)
            batch = data[tail.last_batch : tail.place.offset]
            whole = batch[: -wal.BATCH_BYTES] + batch[: wal.BATCH_BYTES]  # the second copy may be torn
            self._file.pwrite(whole, tail.last_batch)

    # ------------------------------------------------------------ the hard state

    @property
    def hard_state(self) -> HardState:
        return self._state.hard

    @property
    def position(self) -> wal.Position:
        """The last entry written (durable after `sync`)."""
        return self._place.position

    def save(self, hard: HardState) -> None:
        """Makes term and vote durable before it returns."""
        self._write_state(self._state._replace(hard=hard))

    def start_save(self, hard: HardState) -> None:
        """As `save`, beside the loop: `hard_state` is the new one when `finish_sync` has said that it is done. Raises
        LogFailed."""
        assert not self.syncing
        self.syncing = True  # for good, if it fails
        try:
            self._saving = Save(self._disk, self._state._replace(hard=hard))
        except OSError as error:
            raise self._fail(self._disk.path(STATE_NAME), error) from error

    def _save_cut(self, cut: wal.Cut) -> None:
        both = wal.joined(self._state.cut, cut)
        if both != self._state.cut:
            self._write_state(self._state._replace(cut=both))

    def count_start(self) -> None:
        """What a copy of the directory, or an older state of it, is known by. Before anything is appended: a killed
        process may have left term, vote and `stays` where only the cache knows. Raises LogFailed."""
        state = self._state
        directory = (
            state.directory if any(state.directory) else self._disk.unique()
        )  # format version 1 had none
        self._write_state(state._replace(directory=directory, starts=state.starts + 1))

    def repaired(self) -> None:
        """A leader has brought back whatever was lost here. Raises LogFailed."""
        self._write_state(self._state._replace(cut=None))

    def settle(self, commit_index: int) -> None:
        """Everything up to `commit_index` is committed. A cut's promise ends with an entry past it."""
        self.commit_index = commit_index
        cut = self._state.cut
        if cut is not None and cut.last_index <= commit_index:
            self._state = self._state._replace(cut=None)

    def _write_state(self, state: State) -> None:
        assert self._saving is None
        try:
            self._state = write_state_of(self._disk, state)
        except OSError as error:
            raise self._fail(self._disk.path(STATE_NAME), error) from error

    # ------------------------------------------------------------ appending

    @property
    def promised(self) -> wal.Cut | None:
        """Entries that are gone, since this start or an earlier one, and that may have been promised."""
        return self._state.cut

    @property
    def cluster(self) -> bytes:
        return self._state.cluster

    @property
    def directory(self) -> bytes:
        """16 random bytes, made with the directory."""
        return self._state.directory

    @property
    def starts(self) -> int:
        """How often the directory was opened to be written to."""
        return self._state.starts

    def make_room(self, payload_lengths: Sequence[int]) -> bool:
        """Whether a batch of such entries can be appended now; goes on to the next segment when it must."""
        assert not self.syncing
        if wal.batch_end(self._place.offset, payload_lengths) <= self._header.size:
            return True
        upkeep = self._upkeep
        if upkeep.next_size == 0 and upkeep.job is None:
            self.poll()
        while upkeep.next_size == 0 and upkeep.job is not None:
            self.poll(wait=True)  # the log grew faster than segments are reserved
        if upkeep.next_size == 0:
            return False
        self.sync()  # of the marks: no power failure tears one in a segment that is not the last
        try:
            file = self._disk.open(segment_name(self._header.number + 1))
        except OSError as error:
            raise self._fail(self._file.path, error) from error
        self._file.close()
        number, _, cluster, _ = self._header
        self._header = wal.SegmentHeader(number + 1, upkeep.next_size, cluster, self._place.position)
        upkeep.seal(number)
        self._file, self._place = file, wal.first_place(self._header)
        self._fresh = True
        return wal.batch_end(self._place.offset, payload_lengths) <= self._header.size

    def append(self, proposals: Sequence[Proposal], commit_index: int) -> list[Entry]:
        """Writes one batch; durable after a sync. `make_room` must have said yes. commit_index: what is known to be
        committed by now: where a start may begin to apply without asking anybody."""
        assert not self.syncing
        place = self._place
        batch, entries, after = wal.encode_batch(place, proposals, min(commit_index, place.position.index))
        assert after.offset <= self._header.size, "no room was made for this batch"
        assert self.proven_index == place.position.index, "the batch before is not synced"
        try:
            if place.number == 1:
                self._file.pwrite(wal.encode_segment(self._header), 0)
            self._file.pwrite(batch, place.offset)
        except OSError as error:
            raise self._fail(self._file.path, error) from error
        self._place = after
        return entries

    def sync(self) -> None:
        """After it everything appended is durable."""
        try:
            self._file.sync()
        except OSError as error:
            raise self._fail(self._file.path, error) from error
        self.proven_index = self._place.position.index
        self._proof_due, self._fresh = True, self._place.number == 1 and self._fresh

    def start_sync(self) -> None:
        """As `sync`, beside the loop. Until `finish_sync` has said that it is done nothing may be appended or given
        up."""
        assert not self.syncing
        self._disk.begin_sync(self._file)
        self._feeding.pass_by(self._header.number, self._place)
        self.syncing = True
        self._syncing_index = self._place.position.index

    @property
    def saving(self) -> bool:
        """Whether the sync that is under way is of term and vote."""
        return self._saving is not None

    def finish_sync(self) -> bool:
        """Whether the sync, or the save, that was started is done. Raises LogFailed."""
        saving = self._saving
        try:
            if not self._disk.sync_done() or (saving is not None and saving.goes_on()):
                return False
        except OSError as error:
            path = self._file.path if saving is None else self._disk.path(STATE_NAME)
            raise self._fail(path, error) from error
        self.syncing = False
        if saving is not None:
            self._saving = None
            self._state = self._state._replace(sequence=saving.state.sequence, hard=saving.state.hard)
            return True
        self.proven_index = self._syncing_index
        self._proof_due, self._fresh = True, False
        return True

    def truncate(self, stays: int) -> None:
        """Gives up every entry after `stays`, durably. Raises LogFailed, LostData, LogDamaged."""
        assert not self.syncing
        assert self.commit_index <= stays < self.proven_index == self._place.position.index
        self._end_work()
        self._write_state(self._state._replace(stays=stays))
        here = stays >= self._header.before.index  # what is reserved behind this segment is blank, and stays
        try:
            header = self._header if here else remove_after(self._disk, stays)
            near = self._feeding.near(header.number, stays) or wal.first_place(header)
            end = self._place.offset if here else header.size
            self._place = shorten(self._disk, header, stays, near, end)
            if not here:
                self._file.close()
                self._file = self._disk.open(segment_name(header.number))
        except OSError as error:
            raise self._fail(self._file.path, error) from error
        if not here:
            self._header = header
            self._upkeep.give_up(header.number)
        elif self._upkeep.next_size:
            self._note_successor()
        self._feeding.give_up(stays)
        self.proven_index = stays
        self._proof_due = True
        self._write_state(self._state._replace(stays=None))

    def renew(self, arrived: Snapshot) -> Snapshot:
        """Gives up every entry and goes on behind a snapshot that was read whole and has the name of one that comes; as
        it is then. Raises LogFailed, LostData, LogDamaged."""
        assert not self.syncing
        self._disk.hurry()  # work on snapshots, too
        self._end_work()
        index = arrived.index
        self._write_state(self._state._replace(renews=index))
        try:
            self._file.close()
            snapshot = settle(self._disk, arrived)
            begin_behind(self._disk, self.cluster, snapshot.header.position, self._segment_bytes)
            number = Names(self._disk).last
            self._file, _, header = load(self._disk, number)
        except OSError as error:
            raise self._fail(self._file.path, error) from error
        assert header is not None, "it was made just now"
        self._header, self._place = header, wal.first_place(header)
        self._upkeep.give_up(0)
        self._feeding = Feeding(self._disk)
        self._first = number
        self.begins_after = self.proven_index = index
        self._proof_due = False
        self.settle(index)
        self._write_state(self._state._replace(renews=None))
        return snapshot

    def prove(self) -> None:
        """Leaves the mark that the last batch was synced, unless it is there. For turns that have nothing to
        write: a batch that follows says the same. The mark is durable with the next sync, or when the kernel
        writes it, or at once as far as a killed process goes."""
        if not self._proof_due:
            return
        number = self._place.number - 1
        if number > 0:
            try:
                self._file.pwrite(wal.encode_proof(number, self._place.position), wal.proof_offset(number))
            except OSError as error:
                raise self._fail(self._file.path, error) from error
        self._proof_due = False

    def _fail(self, path: str, error: OSError) -> LogFailed:
        self._failed = LogFailed(path, error)
        return self._failed

    @property
    def why_not(self) -> str | None:
        """Why no input may be taken, for people."""
        if self._failed is not None:
            return str(self._failed)
        return self._upkeep.damage or self._upkeep.unreserved

    # ------------------------------------------------------------ beside the loop

    @property
    def work_due(self) -> bool:
        """Whether `poll` may have something to do."""
        return self._upkeep.due(self._header, self.commit_index)

    def poll(self, *, wait: bool = False) -> None:
        """Looks after the work beside the loop: takes up what has ended, starts what is due.

        Raises LogFailed, too, when anything failed before.
        """
        if self._failed is not None:
            raise self._failed
        upkeep = self._upkeep
        if not upkeep.due(self._header, self.commit_index):
            return
        if upkeep.job is not None:
            if not upkeep.ended(wait=wait):
                return
            self._finish_work()
        # No reserving before a power failure cannot tear this segment's header: only the last of them may be torn.
        upkeep.begin(self._header, self.commit_index, may_reserve=not self._fresh)

    def _finish_work(self) -> None:
        if self._upkeep.finish(self._header):
            self._note_successor()

    def _end_work(self) -> None:
        """Waits for what is under way."""
        if self._upkeep.job is not None:
            self._disk.hurry()
            self._finish_work()

    def _note_successor(self) -> None:
        note = wal.encode_successor(self._header.number + 1, self._upkeep.next_size)
        try:
            self._file.pwrite(note, wal.SUCCESSOR_OFFSET)
        except OSError as error:
            raise self._fail(self._file.path, error) from error

    # ------------------------------------------------------------ reading

    def pieces(self, after: wal.Position | None = None) -> Iterator[list[Entry]]:
        """The durable entries, those after a snapshot's position or all, many at a time, each verified. Raises
        LostData, LogDamaged; LogError when the snapshot is of another history."""
        return read_pieces(
            self._disk,
            verify=True,
            cluster=self._header.cluster,
            after=after,
            through=self.proven_index,
            pass_by=self._feeding.pass_by,
        )

    def read_from(self, index: int, max_bytes: int) -> list[Entry]:
        """Entries from `index` on, which must be there: at least one, then as many as fit. Raises LostData,
        LogDamaged, OSError."""
        begun = self._header.number - (self._place.number == 1)
        return self._feeding.read(index, max_bytes, self._first, begun)

    @property
    def written_bytes(self) -> int:
        """Of all segments since the first one ever, gone ones too, if all were as large as new ones are."""
        return (self._header.number - 1) * self._segment_bytes + self._place.offset

    def bytes_before(self, segment: int) -> int:
        """Of written_bytes, those before a segment."""
        return (segment - 1) * self._segment_bytes

    @property
    def compressed_below(self) -> int:
        """Segments with lower numbers are not touched by the work beside the loop any more."""
        return self._upkeep.sealed[0] if self._upkeep.sealed else self._header.number

    def begin_with(self, first: wal.SegmentHeader) -> None:
        """Segments before this one are to be removed: they are not read any more."""
        self._first = first.number
        self.begins_after = first.before.index
        self._feeding.begin_after(self.begins_after)

    def close(self) -> None:
        """Waits for the work beside the loop; what was synced is proven durably."""
        self._end_work()
        state = self._state
        # Where giving up failed a start goes on with it: no mark may name what is gone by then.
        whole = state.stays is None and state.renews is None
        if self._failed is None and whole and not self.syncing:
            self.prove()
            self.sync()
        self._file.close()
