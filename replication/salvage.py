"""Repairing a log that lost or damaged what had been durable, where other members have it still.

What is whole from the first entry, or from the newest whole snapshot on, stays; everything after it is given up, and
comes again from the leader. The member remembers that it lost data (State.cut). Where all that follows the damage is
whole it shows how far the log went (reach.py), and the member votes for those whose log goes as far. Otherwise nobody
can say what was there: it neither votes nor stands for election until a leader has repaired it (raft.py).
Damage that the newest snapshot makes needless costs no promise: the segments before that snapshot go, as compaction
would remove them. A log whose only voter is this member has nobody to be repaired from and is not to be touched:
`others_have_it` says so.
"""

from replication import snapshots, wal
from replication.files import Disk, LogDamaged, LogError
from replication.opening import find
from replication.reach import last_entry, whole_through
from replication.reader import beginning_of, read_pieces, segment_of
from replication.renewal import renew
from replication.retention import remove
from replication.segments import Names
from replication.snapshots import Snapshot
from replication.state import State, read_state, write_state_of
from replication.truncation import give_up


def salvage(disk: Disk, segment_bytes: int) -> wal.Cut | None:
    """What was lost; None: nothing. The directory must be locked. segment_bytes: of a segment that has to be made.

    Raises LogDamaged, LostData when term and vote are not there: then this member's promises are lost. OSError.
    """
    state = read_state(disk)
    newest = next(snapshots.newest_first(disk, lambda what: None), None)
    snapshot = newest.index if newest is not None else 0
    whole = whole_part(disk, state.cluster, snapshot)
    log = whole.index if whole is not None else 0
    if newest is not None and log < snapshot:
        if spare(disk, state, newest):
            return None
        whole = whole_through(disk, state.cluster, newest.header.position)
    stays = max(log, snapshot)
    cut = wal.joined(state.cut, what_goes(disk, state, whole, stays))
    if log >= snapshot and log > 0:
        state = write_state_of(disk, state._replace(cut=cut, stays=stays))
        give_up(disk, stays, damaged=True)
    else:
        state = write_state_of(disk, state._replace(cut=cut, stays=None, renews=snapshot))
        renew(disk, state.cluster, snapshot, segment_bytes)
    write_state_of(disk, state._replace(stays=None, renews=None))
    return cut


def what_goes(disk: Disk, state: State, whole: wal.Position | None, stays: int) -> wal.Cut:
    """Entries after `stays`. whole: the last one before the damage; None: there is none. Raises OSError."""
    last = None
    was_giving_up = state.stays is not None or state.renews is not None
    if whole is not None and not was_giving_up:  # else what follows the damage may be stale
        last = last_entry(disk, state.cluster, whole)
    if last is None or last.index <= stays or last.term > state.hard.term:
        return wal.Cut(stays + 1, wal.UNKNOWN, wal.UNKNOWN, durable=True)
    return wal.Cut(stays + 1, last.index, last.term, durable=True)


def spare(disk: Disk, state: State, newest: Snapshot) -> bool:
    """Whether the log is whole behind the newest snapshot, and goes on from there now. Raises OSError."""
    if state.stays is not None or state.renews is not None:
        return False
    try:
        for _ in read_pieces(disk, verify=True, cluster=state.cluster, after=newest.header.position):
            pass
        remove(disk, segment_of(disk, newest.index))
        found = find(disk, state, Names(disk))  # as a start will
        found.file.close()
    except LogError:
        return False
    return True


def whole_part(disk: Disk, cluster: bytes, snapshot: int) -> wal.Position | None:
    """The last entry of the log before which no byte of it is wrong; None: it cannot be used from its beginning on, or
    begins later than the newest whole snapshot reaches."""
    if not Names(disk).all:  # a repair that could not go on has removed them
        return None
    try:
        after = beginning_of(disk)
    except LogDamaged:
        return None
    if after is not None and after.index > snapshot:
        return None
    return whole_through(disk, cluster, after)
