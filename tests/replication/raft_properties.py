"""What must always hold, whatever happens: the five properties of the Raft paper's figure 3, and three of this
implementation. `observe` is called after every step of every member, and raises AssertionError.
"""

from raft_cluster import Cluster, Replica


class Properties:
    """committed: what some member knows to be committed, in order, with the term in which that was first seen."""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}
        self.committed: list[tuple[int, bytes]] = []  # (term, chain hash)
        self._seen_in: list[int] = []
        self._hashes: dict[tuple[int, int], bytes] = {}
        self._checked: dict[int, tuple[object, int, int]] = {}
        self.cluster: Cluster

    def observe(self, replica: Replica) -> None:
        self._log_matching(replica)
        self._goes_by_its_log(replica)
        if replica.raft.leading is not None:
            self._election_safety(replica)
        self._state_machine_safety(replica)

    def _election_safety(self, replica: Replica) -> None:
        term = replica.raft.hard.term
        if term not in self.leaders:
            self.leaders[term] = replica.id
            self._leader_completeness(replica)
        assert self.leaders[term] == replica.id, (
            f"members {self.leaders[term]} and {replica.id} both lead term {term}"
        )

    def _leader_completeness(self, replica: Replica) -> None:
        log, term = replica.raft.log, replica.raft.hard.term
        for index, (entry, seen_in) in enumerate(zip(self.committed, self._seen_in, strict=True), 1):
            if seen_in < term:
                has = log.term_at(index) if index <= log.last_index else 0
                assert has == entry[0], f"leader {replica.id} of term {term} lacks committed entry {index}"

    def _log_matching(self, replica: Replica) -> None:
        """An index and a term mean one entry, and one log before it."""
        entries = replica.disk.entries
        disk, length, term = self._checked.get(replica.id, (None, 0, 0))
        if disk is not replica.disk or length > len(entries) or (length and entries[length - 1].term != term):
            length = 0
        for entry in entries[length:]:
            known = self._hashes.setdefault((entry.index, entry.term), entry.chain_hash)
            assert known == entry.chain_hash, f"two entries {entry.index} of term {entry.term}"
        self._checked[replica.id] = (replica.disk, len(entries), entries[-1].term if entries else 0)

    def _state_machine_safety(self, replica: Replica) -> None:
        raft, entries = replica.raft, replica.disk.entries
        through = min(raft.commit_index, raft.log.written_index)  # the disk may have more, which is given up
        for entry in entries[replica.applied : through]:
            here = (entry.term, entry.chain_hash)
            if entry.index > len(self.committed):
                self.committed.append(here)
                self._seen_in.append(raft.hard.term)
                if raft.leading is not None:
                    self._durable(replica, entry.index, entry.term)
            known = self.committed[entry.index - 1]
            assert known == here, f"member {replica.id} has another entry {entry.index} committed"
        replica.applied = max(replica.applied, through)

    def _durable(self, replica: Replica, index: int, term: int) -> None:
        """What a leader commits is on the disks of a quorum, or was, and is remembered to be lost."""
        voters = replica.raft.membership.voters
        have = [
            id
            for id in voters
            if id in self.cluster.replicas and on_disk(self.cluster.replicas[id], index, term)
        ]
        assert len(have) >= replica.raft.membership.quorum, (
            f"entry {index} of term {term} is committed and durable at {have} only, of {sorted(voters)}"
        )

    def _goes_by_its_log(self, replica: Replica) -> None:
        raft = replica.raft
        assert raft.memberships[-1][1] is raft.membership
        index = raft.memberships[-1][0]
        written = [change for change in replica.disk.changes if change <= raft.log.written_index]
        if index <= raft.log.written_index:
            newest = written[-1] if written else 0
            assert index == newest, (
                f"member {replica.id} goes by entry {index}, and entry {newest} is a membership"
            )
        else:
            assert index <= raft.log.last_index, f"member {replica.id} goes by an entry that its log lost"


def on_disk(replica: Replica, index: int, term: int) -> bool:
    disk = replica.disk
    if disk.lost or max(disk.promised, disk.missing) >= (term, index):
        return True  # it was
    return index <= disk.synced and disk.entries[index - 1].term == term
