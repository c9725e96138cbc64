"""Reading the log from any entry on, for followers that are behind what is kept in memory.

A reading that goes on where the last one ended costs no search: each follower has a place in the log. The files may be
compressed meanwhile: what is open stays readable.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from replication import wal
from replication.archive import open_packed, read_header, unpack
from replication.files import Disk, LogDamaged, LostData
from replication.messages import Entry
from replication.segments import Names, packed_name, raw_pieces, segment_name

READERS = 8  # places that are remembered


class Feeding:
    """Invalid after entries were given up: make another."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._before: list[int] = []  # index before the first entry of segments 1, 2, 3, ...
        self._readers: dict[int, tuple[deque[Entry], Iterator[list[Entry]]]] = {}  # by the next index

    def read(self, index: int, max_bytes: int) -> list[Entry]:
        """At least one entry, from `index` on; it must be there. Raises LostData, LogDamaged."""
        left, reader = self._readers.pop(index, (deque(), iter(())))
        if not left:
            left.extend(next(reader, []))
        if not left:  # a new reader, or one that had come to the end
            reader = self._from(index)
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

    def _from(self, index: int) -> Iterator[list[Entry]]:
        self._look_for_segments()
        number = bisect_right(self._before, index - 1)
        while True:
            for entries in segment_entries(self._disk, number):
                if entries and entries[-1].index >= index:
                    yield [entry for entry in entries if entry.index >= index]
            number += 1
            self._look_for_segments()
            if number > len(self._before):
                return

    def _look_for_segments(self) -> None:
        last = Names(self._disk).last
        for number in range(len(self._before) + 1, last + 1):
            try:
                header = read_header(self._disk, number)
            except wal.Bad as bad:
                raise LogDamaged(self._disk.path(segment_name(number)), bad.offset, bad.what) from None
            if header is None:
                return  # reserved
            self._before.append(header.before.index)


def segment_entries(disk: Disk, number: int) -> Iterator[list[Entry]]:
    """The whole entries of one segment, raw or compressed, many at a time."""
    try:
        file = disk.open(segment_name(number), write=False)
    except FileNotFoundError:
        file = disk.open(packed_name(number), write=False)
        header = open_packed(file)
        if header is None:
            raise LostData(file.path, 0, "the segment header is damaged") from None
        place = wal.first_place(header)
        for _, data in unpack(file):
            entries: list[Entry] = []
            place, _ = wal.decode_whole(data, 0, place, entries, verify=False)
            yield entries
        return
    header = wal.decode_segment(file.pread(wal.DATA, 0))
    if header is None:
        raise LostData(file.path, 0, "the segment header is damaged")
    try:
        for piece in raw_pieces(file, header, wal.first_place(header), False):
            yield piece.entries
    except wal.Bad as bad:
        raise LostData(file.path, bad.offset, bad.what) from None
