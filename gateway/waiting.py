"""Why a replica of a cluster takes no clients yet, for people: what it waits for, and what to do about it."""

import time
from collections.abc import Callable

from gateway.config import Cluster
from gateway.replica import Replica
from replication.membership import listed

LOOKING_SECONDS = 1.0  # without a leader, before members that there is no link to count as missed
HINT_SECONDS = 3.0  # without a leader, before a replica whose log is empty says what that may mean
NEW_ID = "add the machine under a new id, with an empty directory"


class Waiting:
    """troubles: what is wrong with members that there is no link to, by id; 0 = with strangers."""

    def __init__(self, replica: Replica, cluster: Cluster, troubles: Callable[[], dict[int, str]]) -> None:
        self._replica = replica
        self._cluster = cluster
        self._troubles = troubles
        self._led_s = time.time()  # when a leader was last heard of; at first, when this began

    def look(self) -> None:
        """A few times a second."""
        if self._replica.node.leader:
            self._led_s = time.time()

    def why_not(self) -> str | None:
        """None: clients are taken. The same text for as long as the reason is the same."""
        replica = self._replica
        if not replica.waits:
            return replica.why_not
        node = replica.node
        members = node.membership
        if node.me not in members.ids and node.me <= members.last_id:  # else it is added further on
            return f"this replica was removed from the cluster: stop it for good. To have it back {NEW_ID}"
        if node.alone:
            return "the log does not hold the start of this replica yet"
        if node.leader:
            return f"member {node.leader} leads, and this replica has not caught up with its log yet"
        since = time.strftime("%H:%M:%S UTC", time.gmtime(self._led_s))
        return f"no leader is heard since {since}: {self._without_leader()}"

    def _without_leader(self) -> str:
        node, linked = self._replica.node, self._replica.linked
        members = node.membership
        troubles = {id: what for id, what in sorted(self._troubles().items()) if id in self._others}
        if not members.ids:
            return next(iter(troubles.values()), None) or self._empty()
        reached = (linked | {node.me}) & members.voters
        if len(reached) < members.quorum:
            return self._too_few(reached, troubles)
        if troubles:
            return next(iter(troubles.values()))
        if node.lost:
            return "this replica lost what it had acknowledged, and votes for nobody until a leader has repaired it"
        if node.missing:
            return (
                f"this replica lost what it had acknowledged, up to entry {node.missing:,}, and votes only for one "
                "that has all of it: start that one"
            )
        return "an election is on"

    def _too_few(self, reached: set[int], troubles: dict[int, str]) -> str:
        """Some voters answer and there is no link all the same; the others do not run, or are cut off."""
        members = self._replica.node.membership
        wrong = [what for id, what in troubles.items() if id in members.voters]
        silent = members.voters - reached - troubles.keys()
        if not wrong and self._unled_seconds < LOOKING_SECONDS:
            return "looking for the other members"
        start = [f"start {listed(silent)}" if wrong else "start the others"] if silent else []
        return (
            f"of the voters {listed(members.voters)} only {listed(reached)} can be reached from here, and it takes "
            f"{members.quorum}: {'; '.join([*wrong[:1], *start])}"
        )

    @property
    def _unled_seconds(self) -> float:
        return time.time() - self._led_s

    @property
    def _others(self) -> set[int]:
        node = self._replica.node
        return {*(node.membership.ids or self._cluster.addresses())} - {node.me}

    def _empty(self) -> str:
        if self._unled_seconds < HINT_SECONDS:
            return "this replica's log is empty"
        me = self._cluster.member
        address = self._cluster.addresses().get(me, "HOST:PORT")
        return (
            "this replica's log is empty. If this is a new cluster, start each member once with --first-start; if it "
            f"joins one, add it there with quorumbook add {me} {address}; if it is a member that lost its directory, "
            f"remove it and {NEW_ID}"
        )
