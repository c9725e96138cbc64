"""The admin commands that concern the cluster: who belongs to it, who leads it, how far each follower is."""

from collections.abc import Callable
from typing import Any

from gateway.addresses import HOSTS, is_loopback, is_member
from gateway.config import Cluster
from gateway.replica import Replica
from replication.membership import Membership, Refused, listed
from replication.progress import Flow, Progress

CAUGHT_UP_ENTRIES = 1_000
"""A learner that lacks no more of the log may become a voter: it is there within moments."""


class NotLeading(Refused):
    """Only a leader does this. leader: who leads, as far as is known here; 0 = nobody."""

    def __init__(self, me: int, leader: int) -> None:
        where = f"member {leader} leads" if leader else "no leader is known here"
        super().__init__(f"member {me} does not lead: {where}")
        self.leader = leader


class MemberAdmin:
    """Every command raises membership.Refused, with a text for people, and gives what the answer holds.

    troubles: what is wrong with members that there is no link to; 0 = with strangers. refused: whether some
    member will not have this replica. proposed: called when there is something for the log to do: take a turn.
    """

    def __init__(
        self,
        replica: Replica,
        cluster: Cluster,
        troubles: Callable[[], dict[int, str]],
        refused: Callable[[], bool],
        proposed: Callable[[], None],
    ) -> None:
        self._replica = replica
        self._node = replica.node
        self._cluster = cluster
        self._troubles = troubles
        self._refused = refused
        self._proposed = proposed

    def status(self) -> dict[str, Any]:
        """role: that of Raft, or "refused" where that means nothing: others will not have this replica, and it hears
        no leader. followers: only at the leader."""
        node = self._node
        return {
            "role": "refused" if self._refused() and not node.leader else node.role,
            "cluster": node.cluster.hex(),
            "member": node.me,
            "leader": node.leader,
            "commit_index": node.commit_index,
            "membership": [member._asdict() for member in node.membership.members],
            "last_id": node.membership.last_id,
            "linked": sorted(self._replica.linked),
            "troubles": {str(id): what for id, what in self._troubles().items()},
            "followers": {
                str(id): {
                    "match": progress.match,
                    "flow": progress.flow.value,
                    "caught_up": caught_up(progress, node.last_index),
                }
                for id, progress in node.progress.items()
            },
        }

    def transfer(self, to: int) -> dict[str, Any]:
        """to: a member; 0 = the one that has most of the log."""
        self._must_lead()
        if to in self._node.membership.voters - self._replica.linked - {self._node.me}:
            raise Refused(f"member {to} is not linked to member {self._node.me}, which leads: start it first")
        chosen = self._node.transfer(to)
        self._proposed()
        return {"to": chosen}

    def add(self, id: int, address: str) -> dict[str, Any]:
        """A learner. The log of a single replica does not hold where that one is reached: the same entry says it."""
        node = self._node
        self._must_lead()
        self._check(id, address)
        return self._change(self._with_own_address(node.membership).add(id, address))

    def promote(self, id: int) -> dict[str, Any]:
        """A learner that has caught up becomes a voter."""
        node = self._node
        self._must_lead()
        promoted = node.membership.promote(id)
        if not caught_up(node.progress[id], node.last_index):
            raise Refused(
                f"member {id} has {node.progress[id].match:,} of {node.last_index:,} entries: a voter that is so far "
                "behind could hold everybody up. It is promoted when it has caught up"
            )
        return self._change(promoted)

    def may_remove(self, id: int) -> dict[str, Any]:
        """Whether `remove` would be taken: asked before a leader hands over to go."""
        self._without(id)
        return {}

    def remove(self, id: int) -> dict[str, Any]:
        return self._change(self._without(id))

    def _without(self, id: int) -> Membership:
        self._must_lead()
        left = self._node.membership.remove(id)
        answering = (self._replica.linked | {self._node.me}) & left.voters
        if len(answering) < left.quorum:
            raise Refused(
                f"without member {id} the voters are {listed(left.voters)}, and of these only {listed(answering)} "
                f"can be reached: too few to decide anything. Start another first"
            )
        return left

    def _must_lead(self) -> None:
        if self._node.leader != self._node.me:
            raise NotLeading(self._node.me, self._node.leader)

    def _check(self, id: int, address: str) -> None:
        if not is_member(f"{id} {address}"):
            raise Refused(
                f"member {id} at {address!r}; allowed: an id of 1 to 1000000 and HOST:PORT, such as 127.0.0.1:7620, "
                f"{HOSTS}"
            )
        host = address.rpartition(":")[0]
        if not self._cluster.certificate and not is_loopback(host.strip("[]")):
            raise Refused(
                f"{address} is not a loopback address: members that talk over a network need TLS. Give every member "
                "cluster.certificate, cluster.key and cluster.authority"
            )

    def _with_own_address(self, members: Membership) -> Membership:
        node = self._node
        if members.member(node.me).address:
            return members
        own = self._cluster.addresses().get(node.me)
        if own is None:
            raise Refused(
                f"this replica has no address that others could reach it at. Stop it, put [cluster] id = "
                f'"{node.cluster.hex()}", member = {node.me}, members = ["{node.me} HOST:PORT"] into its configuration '
                "and start it again with that"
            )
        return members.move(node.me, own)

    def _change(self, changed: Membership) -> dict[str, Any]:
        index = self._node.change(changed)
        self._proposed()
        return {"index": index}


def caught_up(progress: Progress, last_index: int) -> bool:
    """Whether a follower takes what comes as it comes, and lacks little."""
    return progress.flow is Flow.REPLICATE and last_index - progress.match <= CAUGHT_UP_ENTRIES
