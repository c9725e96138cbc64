"""The file `state`: term, vote, cluster, directory, what recovery cut. Two equal slots, a sector each."""

from replication import wal
from replication.files import Disk, File, LogDamaged, LostData

STATE_NAME = "state"
SIZE = 2 * wal.SECTOR


def write_state(file: File, state: wal.State) -> None:
    """Both slots, one after the other, each with its own sync: a torn write leaves one whole, and afterwards
    damage to one slot cannot bring an older vote back."""
    data = wal.encode_state(state)
    data += wal.PADDING[len(data) :]
    for slot in (state.sequence % 2, (state.sequence + 1) % 2):
        file.pwrite(data, slot * wal.SECTOR)
        file.sync()


def write_state_of(disk: Disk, state: wal.State) -> wal.State:
    """The next state of a directory; as it was written. Raises OSError."""
    state = state._replace(sequence=state.sequence + 1)
    file = disk.open(STATE_NAME)
    try:
        write_state(file, state)
    finally:
        file.close()
    return state


def read_state(disk: Disk) -> wal.State:
    try:
        file = disk.open(STATE_NAME, write=False)
    except FileNotFoundError:
        raise no_state(disk) from None
    data = file.pread(2 * wal.SECTOR, 0)
    file.close()
    try:
        state = wal.decode_state(data)
    except wal.Bad as bad:
        raise LogDamaged(disk.path(STATE_NAME), bad.offset, bad.what) from None
    if state is None:
        raise LogDamaged(disk.path(STATE_NAME), 0, "both copies of the term and the vote are damaged")
    return state


def check_state(disk: Disk) -> wal.State:
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
            (one for one in wal.STATE_RECORDS if wal.unsealed(one, wal.STATE_MAGIC, slot, 0) is not None),
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


def check_term(disk: Disk, state: wal.State, last: int) -> None:
    """Raises LostData when the log's last entry is of a term that this state never saw begin."""
    if state.hard.term < last:
        what = f"the file knows of term {state.hard.term}, and the log has entries of term {last}: it is an old copy"
        raise LostData(disk.path(STATE_NAME), 0, what)
