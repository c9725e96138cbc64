"""Makes a snapshot from the log in a directory, of a stopped or a running replica: reads what the log says is committed
behind the newest snapshot, applies it, and writes the next one. No I/O of its own beyond Disk.

One process at a time (snapshot_command.py holds the lock). A running replica appends, compresses, and deletes what lies
before the oldest snapshot meanwhile: nothing of it is read here.
"""

from contextlib import suppress

from gateway import inputs, replica_snapshot
from gateway.egress import EgressStore
from gateway.egress_file import EgressFile
from gateway.exchange import Exchange
from gateway.inputs import RULES_VERSION
from gateway.replica_snapshot import Restored
from replication import snapshots
from replication.files import Disk
from replication.messages import Entry
from replication.reader import committed_through, read_pieces
from replication.snapshots import History
from replication.state import read_state

EGRESS_NAME = "snapshot-egress.tmp"  # what the messages are kept in meanwhile
STEP = 1 << 16  # inputs applied before their messages are put away


class Maker:
    """Raises LogError (LostData, LogDamaged, NewerRules) for the log, ValueError for an entry that cannot be applied,
    OSError.

    passed_over: what is wrong with snapshots that were not used, for people.
    """

    def __init__(self, disk: Disk, newest_rules: int = RULES_VERSION) -> None:
        self.passed_over: list[str] = []
        self._disk = disk
        self._newest_rules = newest_rules

    def make(self) -> str | None:
        """The name of the new snapshot; None: nothing was committed since the newest one."""
        disk = self._disk
        snapshots.remove_old(disk)
        try:
            self._begin()
            through = committed_through(disk)
            if through <= self._history.index:
                return None
            whole = self._apply(through)
            if whole < through:  # work goes on behind it, and there is no snapshot of that
                self._begin()
                if whole <= self._history.index:
                    return None
                self._apply(whole)
            name = snapshots.write(disk, self._history.header(), replica_snapshot.pieces(*self._restored))
        finally:
            with suppress(FileNotFoundError):
                disk.unlink(EGRESS_NAME)
        snapshots.remove_old(disk)
        return name

    def check_rest(self) -> None:
        """Reads the log on from where `make` ended: what comes behind that is no snapshot's business, but damage there
        may be why so little of it is known to be committed."""
        history = self._history
        for _ in read_pieces(self._disk, verify=True, cluster=history.cluster, after=history.position):
            pass

    def _begin(self) -> None:
        """From the newest snapshot that can be used, or from nothing."""
        self._history = History(read_state(self._disk).cluster)
        self._restored = Restored(b"", Exchange(self._newest_rules), EgressStore(scratch(self._disk)))
        for snapshot in snapshots.newest_first(self._disk, self.passed_over.append):
            try:
                state = snapshots.state_of(self._disk, snapshot.name)
                self._restored = replica_snapshot.restore(state, scratch(self._disk), self._newest_rules)
            except ValueError as error:
                self.passed_over.append(f"{self._disk.path(snapshot.name)}: {error}")
                continue
            self._history = History.of(snapshot.header)
            return

    def _apply(self, through: int) -> int:
        """The last entry, of those that it looked at, behind which no work goes on; 0 = none."""
        whole = 0
        genesis, exchange, store = self._restored
        exchange.feed.ignore(b"")  # nobody reads it here
        history = self._history
        for entries in read_pieces(
            self._disk, verify=True, cluster=history.cluster, after=history.position, through=through
        ):
            history.pass_over(entries)
            genesis = genesis or genesis_in(entries)
            exchange.begin_all(entries)
            done = False
            while not done:
                done = exchange.step(STEP)
                with exchange.egress() as egress:
                    store.append(egress)
                exchange.clear_egress()
            if not exchange.works_on:
                whole = entries[-1].index
        self._restored = Restored(genesis, exchange, store)
        return whole


def scratch(disk: Disk) -> EgressFile:
    """The file of an egress store, empty."""
    return EgressFile(disk.open(EGRESS_NAME, create=True))


def genesis_in(entries: list[Entry]) -> bytes:
    """The payload of the first of these entries that is one of genesis; empty: none is."""
    return next(filter(None, (inputs.genesis_of(bytes(entry.payload)) for entry in entries)), b"")
