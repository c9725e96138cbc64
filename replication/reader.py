"""Reading the log, from its beginning or from a snapshot on: raw and compressed segments, of a stopped or a running
exchange.

A running one appends, begins segments and compresses them meanwhile. What it has synced is never moved: what
looks wrong at the end of the last segment is looked at again, and is damage only when nothing has been added
since.

With `verify` no byte of a segment goes unchecked: what is not covered by a checksum has to be a second copy, or zero.
Only what a write leaves that never ended, a batch that nothing proves at the very end, is no damage.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from replication import recovery, scanning, wal
from replication.archive import commits, missing, open_packed, read_header, unpack
from replication.files import Disk, File, LogDamaged, LogError, LostData
from replication.messages import Entry
from replication.segments import Names, packed_name, raw_pieces, segment_name
from replication.state import check_state, check_term

PIECES_AHEAD = 16  # what is read while the blank end of a segment is checked is applied meanwhile
READ_BYTES = 1 << 20  # at a time: every hand-over to the reader's caller costs two threads a wait


def read_pieces(
    disk: Disk,
    *,
    verify: bool,
    cluster: bytes | None = None,
    after: wal.Position | None = None,
    through: int | None = None,
    unfinished: Callable[[str], None] = lambda what: None,
    pass_by: Callable[[int, wal.Place], None] = lambda number, place: None,
) -> Iterator[list[Entry]]:
    """Every whole entry, in order, many at a time; with `verify` every byte of the segments and the hash chain are
    checked.

    `cluster`: whose log it has to be; None = the first segment says it. `after`: where a snapshot stands: only what
    follows it is wanted, and the log's own hash there must be the snapshot's (LogError: it is not); segments that end
    before it are not looked at. None = from entry 1. `through`: the last index wanted, which must
    be there. `unfinished` is told, for people, when the log ends with a batch that is not whole and that nothing
    proves. `pass_by` is told at which places, by segment, batches begin. Raises LostData and LogDamaged; LogError when
    the directory holds no log.
    """
    return disk.ahead(_read(disk, verify, cluster, after, through, unfinished, pass_by), PIECES_AHEAD)


def check_pieces(
    disk: Disk, unfinished: Callable[[str], None], after: wal.Position | None = None
) -> Iterator[list[Entry]]:
    """As `read_pieces`, with every byte of every file of the log checked, `state` included."""
    check_there(disk)
    state = check_state(disk)
    last = 0
    for entries in read_pieces(disk, verify=True, cluster=state.cluster, after=after, unfinished=unfinished):
        yield entries
        last = entries[-1].term
    if last > state.hard.term:  # perhaps the exchange was started again meanwhile
        check_term(disk, check_state(disk), last)


def check_there(disk: Disk) -> None:
    if not Names(disk).all:
        raise LogError(f"{disk.path('')}: there is no log here")


def committed_through(disk: Disk) -> int:
    """What the log itself says is committed; a running exchange may know of a little more."""
    names = Names(disk)
    for number in range(names.last, names.first - 1, -1):
        found: int | None = None
        with suppress(LostData):  # reserved only; or its last batch is being written
            for index in commits(disk, number):
                found = index
        if found is not None:
            return found
    return begins_after(disk)


def begins_after(disk: Disk) -> int:
    """The index before the log's first entry: 0, unless what came before is in a snapshot only, all of it committed.
    Raises LostData, LogDamaged."""
    position = beginning_of(disk)
    return position.index if position is not None else 0


def beginning_of(disk: Disk) -> wal.Position | None:
    """Where the log begins, when it does not begin with entry 1. Raises LostData, LogDamaged."""
    first = Names(disk).first
    if first == 1:
        return None
    path = disk.path(segment_name(first))
    try:
        header = read_header(disk, first)
    except wal.Bad as bad:
        raise LogDamaged(path, bad.offset, bad.what) from None
    if header is None:
        raise LostData(path, 0, "the segment header is damaged, or the segments before this one are missing")
    return header.before


def segment_of(disk: Disk, index: int) -> int:
    """The segment in which the entry after `index` stands, or will. Raises LostData, LogDamaged; LogError when no
    segment reaches so far back."""
    names = Names(disk)
    damaged = 0
    for number in range(names.last, names.first - 1, -1):
        try:
            header = read_header(disk, number)
        except FileNotFoundError:
            continue
        except wal.Bad as bad:
            raise LogDamaged(disk.path(segment_name(number)), bad.offset, bad.what) from None
        if header is None:
            damaged = number if number < names.last else 0  # the last one may be reserved only
        elif header.before.index <= index:
            return number
    if damaged:
        raise LostData(disk.path(segment_name(damaged)), 0, "the segment header is damaged")
    raise LogError(
        f"{disk.path('')}: the log begins behind entry {index + 1}, which a reading from there on needs"
    )


def _read(
    disk: Disk,
    verify: bool,
    cluster: bytes | None,
    after: wal.Position | None,
    through: int | None,
    unfinished: Callable[[str], None],
    pass_by: Callable[[int, wal.Place], None],
) -> Iterator[list[Entry]]:
    check_there(disk)
    position: wal.Position | None = None
    number = 1 if after is None else segment_of(disk, after.index)
    while True:
        segment = _Segment(disk, number, cluster, position, verify, after)
        for entries in segment.pieces():
            pass_by(number, segment.place)
            last = segment.place.position.index
            wanted = entries
            if after is not None and entries and entries[0].index <= after.index:
                wanted = _behind(disk, after, entries)
            if through is not None and last > through:
                wanted = [entry for entry in wanted if entry.index <= through]
            if wanted:
                yield wanted
            if through is not None and last >= through:
                return
        cluster, position = segment.header.cluster, segment.place.position
        if segment.last:
            break
        number += 1
    if segment.unfinished:
        unfinished(segment.unfinished)
    through = max(through or 0, after.index if after else 0)
    if position.index < through:
        at = segment.place.offset
        raise LostData(segment.path, at, f"the log ends with entry {position.index}; {through} were durable")


def end_behind(disk: Disk, cluster: bytes, number: int, place: wal.Place) -> wal.Position | None:
    """Where the log ends, when everything is whole from `place` in a segment on, each batch and segment linked to the
    one before, and nothing follows the last one; None: something does. Raises LostData, LogDamaged."""
    position = None
    while True:
        segment = _Segment(disk, number, cluster, position, True, None)
        if position is None:
            segment.place = place
        for _ in segment.pieces():
            pass
        if segment.last:
            return None if segment.unfinished else segment.place.position
        number, position = number + 1, segment.place.position


def _behind(disk: Disk, after: wal.Position, entries: list[Entry]) -> list[Entry]:
    """What follows a snapshot. Raises LogError when that is not of this log."""
    at = after.index - entries[0].index
    if at < len(entries) and entries[at].chain_hash != after.hash:
        raise other_history(disk, after)
    return entries[at + 1 :]


def other_history(disk: Disk, after: wal.Position) -> LogError:
    return LogError(
        f"{disk.path('')}: the snapshot at entry {after.index} and the log differ: that entry has another chain hash "
        "in the log. One of the two is of another history, or damaged: take the snapshot away if the log is whole "
        "(quorumbook verify says so), or restore the directory from a copy"
    )


def written_from(file: File, offset: int) -> int | None:
    """The offset of the first byte from `offset` on that is not zero; None when there is none."""
    while data := file.pread(len(wal.ZEROS), offset):  # a size whose memory is used again for the next
        if not wal.blank(data, 0):
            return offset + wal.first_written(data, 0)
        offset += len(data)
    return None


class _Segment:
    """Reads one segment; afterwards `place` is its end and `last` says whether the log ends here."""

    def __init__(
        self,
        disk: Disk,
        number: int,
        cluster: bytes | None,
        position: wal.Position | None,
        verify: bool,
        after: wal.Position | None,
    ) -> None:
        self._disk = disk
        self._number = number
        self._verify = verify
        self.last = False
        self.unfinished = ""  # what the log ends with, beside whole batches
        self.packed = False
        try:
            self._file = disk.open(segment_name(number), write=False)
        except FileNotFoundError:
            self.packed = True
            try:
                self._file = disk.open(packed_name(number), write=False)
            except FileNotFoundError:
                raise missing(disk, number) from None
        self.path = self._file.path
        try:
            header = (
                open_packed(self._file) if self.packed else wal.decode_segment(self._file.pread(wal.DATA, 0))
            )
        except wal.Bad as bad:
            raise LogDamaged(self.path, bad.offset, bad.what) from None
        if header is None or header.number != number:
            raise LostData(self.path, 0, "the segment header is damaged")
        if cluster not in (None, header.cluster):
            raise LostData(
                self.path, 0, "the segment belongs to another log: its header names another cluster"
            )
        if position is None and number == 1:
            position = wal.beginning(header.cluster)
        elif position is None:
            position = header.before  # what came before it was given up for a snapshot
            if after is not None and position.index == after.index and position != after:
                raise other_history(disk, after)
        if header.before != position:
            raise LostData(
                self.path, 0, f"the segment follows entry {header.before.index}; the one before it ends with "
                f"{position.index}, or with another history"
            )  # fmt: skip
        size = header.size if self.packed else self._file.size()
        if size < header.size:
            raise LostData(self.path, size, f"the segment ends here; it was made {header.size} bytes long")
        if size > header.size:
            raise LogDamaged(self.path, header.size, "the segment should end here")
        self.header = header
        self.place = wal.first_place(header)

    def pieces(self) -> Iterator[list[Entry]]:
        if self.packed:
            yield from self._unpacked()
            return
        suspect = -1
        while True:
            bad = damage = None
            try:
                for piece in raw_pieces(self._file, self.header, self.place, self._verify, READ_BYTES):
                    self.place = piece.place
                    yield piece.entries
            except wal.Bad as problem:
                bad = problem
            self.unfinished = ""
            try:
                self.last = self._ends_here(bad)
            except LogDamaged as problem:
                damage = problem
            if (damage or self.unfinished) and self.place.offset != suspect:
                suspect = self.place.offset  # a second look may find what was being written
                continue
            if damage:
                raise damage
            if isinstance(bad, scanning.Frayed):
                self.place = bad.after
                yield bad.entries
            return

    def _unpacked(self) -> Iterator[list[Entry]]:
        for at, data in self._disk.ahead(unpack(self._file), PIECES_AHEAD):
            entries: list[Entry] = []
            start = self.place.offset
            self.place, _ = scanning.decode_whole(data, 0, self.place, entries, verify=self._verify)
            try:
                while self.place.offset - start < len(data):
                    place = scanning.decode_batch(
                        data, self.place.offset - start, self.place, entries, verify=self._verify
                    )
                    if place is None:
                        raise wal.Bad(self.place.offset, "a batch is missing")
                    self.place = place
            except wal.Bad as bad:
                what = f"in the compressed piece at this offset, at byte {bad.offset - start}: {bad.what}"
                raise LostData(self.path, at, what) from None
            yield entries

    def _ends_here(self, bad: wal.Bad | None) -> bool:
        """Whether this is the log's end (True) or the next segment goes on exactly from here (False)."""
        front = self._file.pread(wal.DATA, 0)
        marks = wal.decode_marks(front)
        if self._verify:
            self._check_front(front)
        number = self._number + 1
        try:
            header = read_header(self._disk, number)
        except FileNotFoundError:
            if marks.successor or number < Names(self._disk).last:
                raise missing(self._disk, number) from None
            header = None
        except wal.Bad as damage:
            raise LogDamaged(self._disk.path(segment_name(number)), damage.offset, damage.what) from None
        else:
            if header is None:
                self._check_reserved(number, marks.successor_size)
        if header is not None:
            self._must_reach(bad, header.before)
            if self._verify and (written := written_from(self._file, self.place.offset)) is not None:
                raise LogDamaged(self.path, written, "there should be zeros behind the last batch")
            return False
        written = bad.offset if bad else written_from(self._file, self.place.offset)
        data = front if written is None else self._file.pread(self._file.size(), 0)
        _, cut = recovery.judge_end(self.path, data, self.place, bad)
        if written is not None:
            self._note(self.path, written, cut, whole=isinstance(bad, scanning.Frayed))
        return True

    def _check_front(self, front: bytes) -> None:
        try:
            wal.check_gaps(front)
        except wal.Bad as bad:
            raise LogDamaged(self.path, bad.offset, bad.what) from None
        for offset in wal.torn_marks(front):
            raise LogDamaged(self.path, offset, "a mark is damaged; the next start writes it again")

    def _check_reserved(self, number: int, size: int) -> None:
        """The next segment has no header: because it was not begun, or only in part."""
        file = self._disk.open(segment_name(number), write=False)
        if file.size() < size:
            raise LostData(file.path, file.size(), f"the segment ends here; it was made {size} bytes long")
        if number < Names(self._disk).last:
            raise LostData(file.path, 0, "the segment header is damaged")
        written = written_from(file, 0)
        if written is not None:
            cut = recovery.recover_reserved(file.path, file.pread(file.size(), 0), self.place.position)
            self._note(file.path, written, cut)
        file.close()

    def _note(self, path: str, offset: int, cut: wal.Cut | None, *, whole: bool = False) -> None:
        """Something that is not proven stands at `offset` behind the last batch, unless `cut` is None."""
        if cut is None:
            return
        if cut.last_index < cut.first_index and self._verify:
            raise LogDamaged(
                path,
                offset,
                f"bytes that belong to no batch follow entry {self.place.position.index}, the last one: what an "
                "unfinished write left when power was lost, or damage; a start sets them to zero",
            )
        fate = "are whole, but their batch does not end as it should" if whole else "are not whole"
        then = "completes" if whole else "cuts off"
        self.unfinished = (
            f"{path}, offset {offset}: entries {cut.first_index} to {cut.last_index} {fate}. Nothing shows that a sync "
            f"of them completed: the next start {then} this batch"
        )

    def _must_reach(self, bad: wal.Bad | None, before: wal.Position) -> None:
        position = self.place.position
        if before != position:
            what = bad.what if bad else f"entry {position.index + 1} is missing"
            where = bad.offset if bad else self.place.offset
            raise LostData(self.path, where, f"{what}; entries to {before.index} had been made durable")
