"""Every rule that a Raft leaves out is missed: some life of a cluster shows it soon."""

import pytest
import raft_broken
from raft_plots import anything
from raft_world import live

from replication.raft import Raft

TRIES = 120  # lives; the hardest to find shows in one of ten
WHOLE = (Raft, raft_broken.BrokenLeading, raft_broken.BrokenVoting)
BROKEN = [
    thing
    for thing in vars(raft_broken).values()
    if isinstance(thing, type) and issubclass(thing, Raft) and thing not in WHOLE
]

WITH_SNAPSHOTS = (
    raft_broken.GoesByItsOldMembershipAfterASnapshot,
    raft_broken.AcknowledgesASnapshotThatIsToCome,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_the_world_finds(broken: type[Raft]) -> None:
    forgets = broken in WITH_SNAPSHOTS
    assert any(breaks(broken, seed, forgets=forgets) for seed in range(TRIES))


def breaks(broken: type[Raft], seed: int, *, forgets: bool) -> bool:
    try:
        live(seed, anything, raft_class=broken, forgets=forgets)
    except AssertionError:
        return True
    return False
