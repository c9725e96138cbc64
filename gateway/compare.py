"""Are these logs one log? Chain hashes side by side, entry by entry; no I/O of its own.

The chain hash of an entry covers every byte of the log up to it: logs that have the same hash at an entry are the same
up to there, and one hash that somebody kept says whether anything before it was changed since.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from replication.files import LogDamaged
from replication.messages import Entry

PIECE = 4_096  # entries handed on at a time


class At(NamedTuple):
    """What a log has at an index."""

    term: int
    hash: bytes


class Parting(NamedTuple):
    """The first index at which logs that agree before it have different entries."""

    index: int  # type: ignore[assignment]
    entries: dict[str, At]  # by log


class Side:
    """One of the logs, as far as it was read."""

    def __init__(self, pieces: Iterator[list[Entry]], begins: int) -> None:
        self.begins = self.last_index = begins
        self.last = At(0, b"")
        self.damage: LogDamaged | None = None
        self._entries = (entry for piece in pieces for entry in piece)

    def next(self) -> Entry | None:
        """None: the log ends here, or is damaged behind this."""
        try:
            entry = next(self._entries, None)
        except LogDamaged as damage:
            self.damage = damage
            return None
        if entry is not None:
            self.last_index, self.last = entry.index, At(entry.term, entry.chain_hash)
        return entry


class Comparison:
    """Reads all of every log. logs: by name, what read_log_pieces gives. common: called with the entries that all whole
    logs have in common, in order, many at a time, from the first that all of them hold. kept: the index whose entry is
    wanted of every log; 0 = none. begins: for each log the index before its first entry.

    Raises LogError for what is no log, and what `common` raises.
    """

    def __init__(
        self,
        logs: Mapping[str, Iterator[list[Entry]]],
        common: Callable[[list[Entry]], None],
        kept: int = 0,
        begins: Mapping[str, int] = {},
    ) -> None:
        self.sides = {name: Side(pieces, begins.get(name, 0)) for name, pieces in logs.items()}
        self.parting: Parting | None = None
        self._start = max(side.begins for side in self.sides.values())
        self.common_index = (
            self._start
        )  # up to here all logs are the same, those left out that are damaged before it
        self.kept: dict[str, At] = {}
        self._common = common
        self._piece: list[Entry] = []
        self._read(kept)

    @property
    def damaged(self) -> dict[str, LogDamaged]:
        return {name: side.damage for name, side in self.sides.items() if side.damage is not None}

    def _read(self, kept: int) -> None:
        reading = dict(self.sides)
        together = True
        index = 0
        while reading:
            index += 1
            found: dict[str, Entry] = {}
            for name, side in list(reading.items()):
                if side.begins >= index:
                    continue
                entry = side.next()
                if entry is not None:
                    found[name] = entry
                    continue
                del reading[name]
                together = (
                    together and side.damage is not None
                )  # whole, and shorter: nothing is common behind it
            if index == kept:
                self.kept = {name: At(entry.term, entry.chain_hash) for name, entry in found.items()}
            if len({entry.chain_hash for entry in found.values()}) > 1 and self.parting is None:
                self.parting = Parting(index, {n: At(one.term, one.chain_hash) for n, one in found.items()})
                together = False
            if together and found and index > self._start:
                self._agreed(next(iter(found.values())))
        self._flush()

    def _agreed(self, entry: Entry) -> None:
        self.common_index = entry.index
        self._piece.append(entry)
        if len(self._piece) == PIECE:
            self._flush()

    def _flush(self) -> None:
        if self._piece:
            self._common(self._piece)
        self._piece = []


def told(comparison: Comparison) -> Iterator[str]:
    """For people: each log, then what they have in common."""
    for name, side in comparison.sides.items():
        if side.damage is not None:
            at = f"{side.damage.path}, offset {side.damage.offset}"
            yield f"{name}: whole up to entry {side.last_index:,}, then DAMAGED: {at}: {side.damage.what}"
        elif not side.last.hash:
            behind = f"no entry behind the snapshot at entry {side.begins:,}" if side.begins else "and empty"
            yield f"{name}: whole, {behind}"
        else:
            last = f"the last of term {side.last.term}, hash {side.last.hash.hex()}"
            held = f"{side.last_index:,} entries"
            if side.begins:
                held = f"entries {side.begins + 1:,} to {side.last_index:,}, the ones before in snapshots"
            yield f"{name}: whole, {held}; {last}"
    if comparison.parting is not None:
        index, entries = comparison.parting
        yield f"the logs part at entry {index:,}; before it they are the same"
        for name, entry in entries.items():
            yield f"  {name}: entry {index:,} of term {entry.term} has hash {entry.hash.hex()}"
    elif len(comparison.sides) - len(comparison.damaged) > 1:
        left_out = ", the damaged left out" if comparison.damaged else ""
        yield f"the same up to entry {comparison.common_index:,}{left_out}"
