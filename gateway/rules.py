"""When newer rules begin: as soon as every member of the cluster can run them, and not before.

A program runs every version of the rules from 1 to its newest. Which one holds is part of the exchange's state; it
begins at 1, and an ACTIVATE entry raises it, at the same place of the log for every replica. Members say how far they
go when they link. No I/O.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from gateway import inputs
from replication.files import LogError

if TYPE_CHECKING:
    from gateway.intake import Links
    from replication.node import Node

DROP_COPIES = 2  # from this version on sessions see the reports of others
OPERATIONS = 3  # from this version on there are operators, and the exchange enters operations itself


class NewerRules(LogError):
    """The log goes on under rules that this program does not have. what: says which."""

    def __init__(self, what: str, newest: int) -> None:
        super().__init__(
            f"{what}, and this program runs rules up to version {newest}. The log is whole, nothing is lost: install "
            "the newer program here, and start it again"
        )


def runnable(members: Iterable[int], newest: Mapping[int, int]) -> int:
    """The last version that all these members can run. newest: by member, of those that have said it; 0: not all
    have."""
    return min(newest.get(member, 0) for member in members)


def refusal(member: int, newest: int, rules: int) -> str | None:
    """Why a member whose program goes as far as `newest` is not taken where `rules` hold, for people; None: it is."""
    if newest >= rules:
        return None
    return (
        f"the program of member {member} runs rules up to version {newest}, and in this cluster version {rules} holds: "
        "install the newer program there, and start it again"
    )


class Activation:
    """Proposes newer rules, for a leader. newest: that this program can run."""

    def __init__(self, node: "Node", me: int, links: "Links", newest: int) -> None:
        self._node = node
        self._me = me
        self._links = links
        self._newest = newest
        self._proposed = (0, 0)  # (term, version): once is enough

    def coming(self, rules: int) -> int:
        """What holds for an entry that is proposed now. rules: that hold."""
        term, version = self._proposed
        return max(rules, version) if term == self._node.term else rules

    def look(self, rules: int) -> None:
        """When everything of the terms before the leader's own is applied. rules: that hold."""
        node = self._node
        version = runnable(node.membership.ids, {**self._links.linked, self._me: self._newest})
        if version > rules and self._proposed != (node.term, version):
            self._proposed = (node.term, version)
            node.propose(inputs.activate(version))
