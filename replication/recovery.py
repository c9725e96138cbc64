"""Every decision of recovery: what follows the last whole batch of a log, a torn write or lost data. Bytes in,
decisions out; no I/O.

wal.py says what is proven. Only what follows the last proven entry may be cut.
"""

from typing import NamedTuple

from replication import scanning, wal
from replication.files import LostData


class Tail(NamedTuple):
    """What recovery found at the end of the log, and what it has to do."""

    place: wal.Place  # where the next batch goes
    proven_index: int  # the last batch is written again unless it is proven
    last_batch: int  # offset of the last whole batch; 0 = the segment has none
    remains: bool  # bytes follow `place` that are no batch: they are zeroed
    cut: wal.Cut | None  # the torn batch, when `remains`


def recover_tail(path: str, data: bytes, header: wal.SegmentHeader) -> Tail:
    """Decides about the last begun segment, given whole. Raises LostData."""
    place, last_batch = scanning.decode_whole(data, wal.DATA, wal.first_place(header), [], verify=True)
    bad = None
    while place.offset + wal.BATCH_BYTES <= len(data):
        try:
            after = scanning.decode_batch(data, place.offset, place, [], verify=True)
        except scanning.Frayed as problem:
            judge_end(path, data, place, problem)  # raises when the batch was proven
            place, last_batch = problem.after, place.offset
            break
        except wal.Bad as problem:
            bad = problem
            break
        if after is None:
            break
        place, last_batch = after, place.offset
    remains, cut = judge_end(path, data, place, bad)
    return Tail(place, wal.decode_marks(data).proven_index, last_batch, remains, cut)


def judge_end(path: str, data: bytes, place: wal.Place, bad: wal.Bad | None) -> tuple[bool, wal.Cut | None]:
    """Decides about what follows the last whole batch of the last begun segment, given whole: whether
    anything remains there, and what it was. Raises LostData when something proven should be there."""
    index = place.position.index
    traces = scanning.batch_headers(data, place.offset)
    torn = next((batch for batch in traces if batch.first_index == index + 1), None)
    proven = max((wal.decode_marks(data).proven_index, *(batch.first_index - 1 for batch in traces)))
    if proven > index:
        what = bad.what if bad else f"entry {index + 1} is missing"
        where = bad.offset if bad else place.offset
        raise LostData(path, where, f"{what}; entries {index + 1} to {proven} had been made durable")
    remains = torn is not None or not wal.blank(data, place.offset)
    if not remains:
        return False, None
    return True, wal.Cut(index + 1, torn.last_index if torn else index, torn.term if torn else 0)


def recover_reserved(path: str, data: bytes, before: wal.Position) -> wal.Cut | None:
    """Decides about the segment after the last begun one, given whole: None when it is blank.

    Only its first, unproven batch can have been torn: any later trace means that its header was damaged.
    """
    if wal.blank(data, 0):
        return None
    traces = scanning.batch_headers(data, wal.DATA)
    proven = max((wal.decode_marks(data).proven_index, *(batch.first_index - 1 for batch in traces)))
    if proven > before.index:
        raise LostData(path, 0, f"the segment header is damaged; entries to {proven} had been made durable")
    torn = next((batch for batch in traces if batch.first_index == before.index + 1), None)
    return wal.Cut(before.index + 1, torn.last_index if torn else before.index, torn.term if torn else 0)
