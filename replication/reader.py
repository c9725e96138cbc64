"""Reading the log from its beginning: raw and compressed segments, of a stopped or a running exchange.

A running one appends, begins segments and compresses them meanwhile. What it has synced is never moved: what
looks wrong at the end of the last segment is looked at again, and is damage only when nothing has been added
since.
"""

from collections.abc import Iterator

from replication import wal
from replication.archive import open_packed, read_header, unpack
from replication.files import Disk, File, LogDamaged, LogError, LostData
from replication.messages import Entry
from replication.segments import PIECE, Names, packed_name, raw_pieces, segment_name

PIECES_AHEAD = 8


def read_entries(disk: Disk, *, verify: bool, through: int | None = None) -> Iterator[Entry]:
    """Every whole entry, in order; with `verify` every checksum and the hash chain are checked.

    `through`: the last index wanted, which must be there. Raises LostData and LogDamaged; LogError when the
    directory holds no log.
    """
    for entries in disk.ahead(_read(disk, verify, through), PIECES_AHEAD):
        yield from entries


def _read(disk: Disk, verify: bool, through: int | None) -> Iterator[list[Entry]]:
    if not Names(disk).all:
        raise LogError(f"{disk.path('')}: there is no log here")
    position: wal.Position | None = None
    number = 1
    while True:
        segment = _Segment(disk, number, position, verify)
        for entries in segment.pieces():
            if through is not None and entries and entries[-1].index >= through:
                yield [entry for entry in entries if entry.index <= through]
                return
            yield entries
        position = segment.place.position
        if segment.last:
            break
        number += 1
    if through is not None and position.index < through:
        at = segment.place.offset
        raise LostData(segment.path, at, f"the log ends with entry {position.index}; {through} were durable")


def blank_from(file: File, offset: int) -> bool:
    """Whether only zeros follow."""
    while data := file.pread(PIECE, offset):
        if not wal.blank(data, 0):
            return False
        offset += len(data)
    return True


class _Segment:
    """Reads one segment; afterwards `place` is its end and `last` says whether the log ends here."""

    def __init__(self, disk: Disk, number: int, position: wal.Position | None, verify: bool) -> None:
        self._disk = disk
        self._number = number
        self._verify = verify
        self.last = False
        self.packed = False
        try:
            self._file = disk.open(segment_name(number), write=False)
        except FileNotFoundError:
            self.packed = True
            try:
                self._file = disk.open(packed_name(number), write=False)
            except FileNotFoundError:
                raise LostData(disk.path(segment_name(number)), 0, "the segment is missing") from None
        self.path = self._file.path
        try:
            header = (
                open_packed(self._file) if self.packed else wal.decode_segment(self._file.pread(wal.DATA, 0))
            )
        except wal.Bad as bad:
            raise LogDamaged(self.path, bad.offset, bad.what) from None
        if header is None or header.number != number:
            raise LostData(self.path, 0, "the segment header is damaged")
        if position is None:
            position = wal.beginning(header.cluster)
        if header.before != position:
            raise LostData(
                self.path, 0, f"the segment follows entry {header.before.index}; the one before it ends with "
                f"{position.index}, or with another history"
            )  # fmt: skip
        if not self.packed and self._file.size() < header.size:
            size = self._file.size()
            raise LostData(self.path, size, f"the segment ends here; it was made {header.size} bytes long")
        self.header = header
        self.place = wal.first_place(header)

    def pieces(self) -> Iterator[list[Entry]]:
        if self.packed:
            yield from self._unpacked()
            return
        suspect = -1
        while True:
            bad = None
            try:
                for piece in raw_pieces(self._file, self.header, self.place, self._verify):
                    self.place = piece.place
                    yield piece.entries
            except wal.Bad as problem:
                bad = problem
            try:
                self.last = self._ends_here(bad)
                return
            except LostData:
                if self.place.offset == suspect:  # a second look found nothing new
                    raise
                suspect = self.place.offset

    def _unpacked(self) -> Iterator[list[Entry]]:
        for at, data in self._disk.ahead(unpack(self._file), PIECES_AHEAD):
            entries: list[Entry] = []
            start = self.place.offset
            try:
                while self.place.offset - start < len(data):
                    place = wal.decode_batch(
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
        marks = wal.decode_marks(self._file.pread(wal.DATA, 0))
        number = self._number + 1
        try:
            header = read_header(self._disk, number)
        except FileNotFoundError:
            if marks.successor or number < Names(self._disk).last:
                raise LostData(self._disk.path(segment_name(number)), 0, "the segment is missing") from None
            header = None
        except wal.Bad as damage:
            raise LogDamaged(self._disk.path(segment_name(number)), damage.offset, damage.what) from None
        else:
            if header is None:
                self._check_reserved(number, marks.successor_size)
        if header is not None:
            self._must_reach(bad, header.before)
            return False
        clean = bad is None and blank_from(self._file, self.place.offset)
        data = self._file.pread(wal.DATA if clean else self._file.size(), 0)
        wal.judge_end(self.path, data, self.place, bad)
        return True

    def _check_reserved(self, number: int, size: int) -> None:
        """The next segment has no header: because it was not begun, or only in part."""
        file = self._disk.open(segment_name(number), write=False)
        if file.size() < size:
            raise LostData(file.path, file.size(), f"the segment ends here; it was made {size} bytes long")
        if number < Names(self._disk).last:
            raise LostData(file.path, 0, "the segment header is damaged")
        if not blank_from(file, 0):
            wal.recover_reserved(file.path, file.pread(file.size(), 0), self.place.position)
        file.close()

    def _must_reach(self, bad: wal.Bad | None, before: wal.Position) -> None:
        position = self.place.position
        if before != position:
            what = bad.what if bad else f"entry {position.index + 1} is missing"
            where = bad.offset if bad else self.place.offset
            raise LostData(self.path, where, f"{what}; entries to {before.index} had been made durable")
