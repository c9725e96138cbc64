"""The file `state`: term, vote, cluster, directory, what recovery cut. Two equal slots, a sector each."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from replication import wal
from replication.files import Disk, File, LogDamaged, LostData
from replication.messages import HardState

STATE_NAME = "state"
SIZE = 2 * wal.SECTOR
STATE_VERSION = 4
STATE = struct.Struct(
    "<4sIQ16sQQQQQ16sQQQQ"
)  # magic version sequence cluster term vote | cut: first last term | directory starts stays renews | cut: durable
STATE_3 = struct.Struct("<4sIQ16sQQQQQ16sQQQ")  # of format version 3: up to what renews
STATE_2 = struct.Struct("<4sIQ16sQQQQQ16sQQ")  # of format version 2: up to what stays
STATE_1 = struct.Struct("<4sIQ16sQQQQQ")  # of format version 1: up to the cut
STATE_RECORDS = (STATE, STATE_3, STATE_2, STATE_1)
STATE_MAGIC = b"QBst"


class State(NamedTuple):
    """The two slots of the file `state`: hard state, what recovery cut, and whose directory this is."""

    sequence: int
    cluster: bytes
    hard: HardState
    cut: wal.Cut | None
    directory: bytes  # 16 random bytes, made with the directory
    starts: int  # how often it was opened to be written to
    stays: int | None  # entries after it are being given up (truncation.py)
    renews: int | None = None  # all of the log is being given up for the snapshot at this entry (renewal.py)


def encode_state(state: State) -> bytes:
    cut = state.cut or wal.Cut(0, 0, 0)
    stays = 0 if state.stays is None else state.stays + 1
    renews = 0 if state.renews is None else state.renews + 1
    return wal.sealed(
        STATE.pack(
            STATE_MAGIC,
            STATE_VERSION,
            state.sequence,
            state.cluster,
            *state.hard,
            *cut[:3],
            state.directory,
            state.starts,
            stays,
            renews,
            cut.durable,
        )
    )


def decode_state(data: bytes) -> State | None:
    """The newer of the two slots that are whole; None when neither is."""
    slots = [decode_slot(data, slot * wal.SECTOR) for slot in range(2)]
    return max(
        (state for state in slots if state is not None), key=lambda state: state.sequence, default=None
    )


def decode_slot(data: bytes, at: int) -> State | None:
    """One slot of `state`; None when it is not whole. Raises wal.Bad for a version that is not known here."""
    found = (wal.unsealed(record, STATE_MAGIC, data, at) for record in STATE_RECORDS)
    fields = next(filter(None, found), None)
    if fields is None:
        return None
    version, sequence, cluster, term, vote, first, last, cut_term, *more = fields
    if version not in range(1, STATE_VERSION + 1):
        raise wal.Bad(
            at + wal.CRC.size + 4, f"state format version {version}; this program reads {STATE_VERSION}"
        )
    directory, starts, stays, renews, durable = [*more, *[bytes(16), 0, 0, 0, 0][len(more) :]]
    return State(
        sequence,  # type: ignore[arg-type]
        cluster,  # type: ignore[arg-type]
        HardState(term, vote),  # type: ignore[arg-type]
        wal.Cut(first, last, cut_term, bool(durable)) if first else None,  # type: ignore[arg-type]
        directory,  # type: ignore[arg-type]
        starts,  # type: ignore[arg-type]
        stays - 1 if stays else None,  # type: ignore[operator]
        renews - 1 if renews else None,  # type: ignore[operator]
    )


def write_slots(file: File, state: State) -> Iterator[None]:
    """Both slots, one after the other; whoever goes on syncs after each: a torn write leaves one whole, and afterwards
    damage to one slot cannot bring an older vote back."""
    data = encode_state(state)
    data += wal.PADDING[len(data) :]
    for slot in (state.sequence % 2, (state.sequence + 1) % 2):
        file.pwrite(data, slot * wal.SECTOR)
        yield


def write_state(file: File, state: State) -> None:
    for _ in write_slots(file, state):
        file.sync()


def write_state_of(disk: Disk, state: State) -> State:
    """The next state of a directory; as it was written. Raises OSError."""
    state = state._replace(sequence=state.sequence + 1)
    file = disk.open(STATE_NAME)
    try:
        write_state(file, state)
    finally:
        file.close()
    return state


class Save:
    """A state being written, its syncs beside the loop. Raises OSError."""

    def __init__(self, disk: Disk, state: State) -> None:
        self.state = state._replace(sequence=state.sequence + 1)
        self._disk = disk
        self._file = disk.open(STATE_NAME)
        self._slots = write_slots(self._file, self.state)
        self.goes_on()

    def goes_on(self) -> bool:
        """Now that its sync is done: whether there is another, which is begun; False: all of it is durable."""
        for _ in self._slots:
            self._disk.begin_sync(self._file)
            return True
        self._file.close()
        return False


def read_state(disk: Disk) -> State:
    try:
        file = disk.open(STATE_NAME, write=False)
    except FileNotFoundError:
        raise no_state(disk) from None
    data = file.pread(2 * wal.SECTOR, 0)
    file.close()
    try:
        state = decode_state(data)
    except wal.Bad as bad:
        raise LogDamaged(disk.path(STATE_NAME), bad.offset, bad.what) from None
    if state is None:
        raise LogDamaged(disk.path(STATE_NAME), 0, "both copies of the term and the vote are damaged")
    return state


def check_state(disk: Disk) -> State:
    """As `read_state`, and every byte of the file is checked. Raises LogDamaged, LostData.

    A start needs one whole slot only, because power may have failed while the other was written; it writes
    both again.
    """
    state = read_state(disk)
    file = disk.open(STATE_NAME, write=False)
    data = file.pread(file.size(), 0)
    file.close()
    if len(data) != SIZE:
        raise LogDamaged(file.path, min(len(data), SIZE), f"the file should end at {SIZE}")
    for start in range(0, SIZE, wal.SECTOR):
        slot = data[start : start + wal.SECTOR]
        record = next(
            (one for one in STATE_RECORDS if wal.unsealed(one, STATE_MAGIC, slot, 0) is not None),
            None,
        )
        if record is None:
            raise LogDamaged(file.path, start, "this copy of the term and the vote is damaged")
        end = wal.CRC.size + record.size
        if not wal.blank(slot, end):
            raise LogDamaged(file.path, start + wal.first_written(slot, end), "there should be zeros here")
    return state


def no_state(disk: Disk) -> LostData:
    return LostData(
        disk.path(STATE_NAME), 0, "the file is missing; it holds the term and the vote of this log"
    )


def check_term(disk: Disk, state: State, last: int) -> None:
    """Raises LostData when the log's last entry is of a term that this state never saw begin."""
    if state.hard.term < last:
        what = f"the file knows of term {state.hard.term}, and the log has entries of term {last}: it is an old copy"
        raise LostData(disk.path(STATE_NAME), 0, what)
