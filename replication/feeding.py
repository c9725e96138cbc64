"""Reading the log from any entry on, for followers that are behind what is kept in memory.

The loop waits for it, so it never looks through a whole segment: it begins at the nearest place it knows, and a reading
that goes on where another ended costs no search. The files may be compressed meanwhile: what is open stays readable.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from replication import wal
from replication.archive import missing, read_header, segment_pieces
from replication.files import Disk, LogDamaged, LostData
from replication.messages import Entry
from replication.segments import segment_name

READERS = 8  # readings that may go on
APART = 1 << 20  # bytes between two places that are known, at least: a few milliseconds of reading


class Feeding:
    """Invariant: the places known of a segment are those of batches in it, rising."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._before: dict[int, int] = {}  # by segment: the index before its first entry
        self._places: dict[int, list[wal.Place]] = {}  # by segment
        self._readers: dict[int, tuple[deque[Entry], Iterator[list[Entry]]]] = {}  # by the next index

    def pass_by(self, number: int, place: wal.Place) -> None:
        """A batch of segment `number` stands at `place`, or will."""
        known = self._places.setdefault(number, [])
        if not known or place.offset - known[-1].offset >= APART:
            known.append(place)

    def give_up(self, stays: int) -> None:
        """Entries after `stays` are not there any more."""
        self._readers.clear()
        self._before = {number: before for number, before in self._before.items() if before <= stays}
        for number, places in self._places.items():
            self._places[number] = [place for place in places if place.position.index <= stays]

    def begin_after(self, index: int) -> None:
        """The segments that end at `index` or before it are to be removed."""
        self._readers = {start: reader for start, reader in self._readers.items() if start > index}

    def read(self, index: int, max_bytes: int, first_segment: int, last_segment: int) -> list[Entry]:
        """At least one entry, from `index` on, which is in these segments. Raises LostData, LogDamaged, OSError."""
        left, reader = self._readers.pop(index, (deque(), iter(())))
        if not left:
            left.extend(next(reader, []))
        if not left:  # a new reader, or one that had come to the end
            reader = self._from(index, first_segment, last_segment)
            left.extend(next(reader, []))
        if not left:
            raise LostData(self._disk.path(""), 0, f"entry {index} cannot be found")
        found = [left.popleft()]
        size = len(found[0].payload)
        while True:
            if not left:
                left.extend(next(reader, []))
            if not left or size + len(left[0].payload) > max_bytes:
                break
            found.append(left.popleft())
            size += len(found[-1].payload)
        if len(self._readers) == READERS:
            self._readers.pop(next(iter(self._readers)))
        self._readers[index + len(found)] = (left, reader)
        return found

    def _from(self, index: int, first_segment: int, last_segment: int) -> Iterator[list[Entry]]:
        numbers = range(first_segment, last_segment + 1)
        number = first_segment - 1 + bisect_right(numbers, index - 1, key=self._index_before)
        place = self.near(number, index)
        while number <= last_segment:
            for piece in segment_pieces(self._disk, number, place, verify=False):
                if piece.place.position.index >= index:
                    yield piece.entries[max(0, index - piece.entries[0].index) :]
            number += 1
            place = None

    def near(self, number: int, index: int) -> wal.Place | None:
        """The last known place in segment `number` of a batch that begins with entry `index` or before it."""
        places = self._places.get(number, [])
        known = bisect_right(places, index - 1, key=lambda place: place.position.index)
        return places[known - 1] if known else None

    def _index_before(self, number: int) -> int:
        if number not in self._before:
            path = self._disk.path(segment_name(number))
            try:
                header = read_header(self._disk, number)
            except FileNotFoundError:
                raise missing(self._disk, number) from None
            except wal.Bad as bad:
                raise LogDamaged(path, bad.offset, bad.what) from None
            if header is None:
                raise LostData(path, 0, "the segment header is damaged")
            self._before[number] = header.before.index
        return self._before[number]
