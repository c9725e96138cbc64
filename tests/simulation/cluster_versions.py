"""Programs of two versions in one simulated cluster: who runs which, and what has to hold of the rules.

The old program runs rules up to some older version, the next one the newest. Where versions are not mixed every machine
runs the next. A log begins with the first rules.
"""

from typing import TYPE_CHECKING

from cluster_client import Violation

from gateway.inputs import ACTIVATE, RULES_VERSION, SETTING, split
from gateway.rules import refusal
from replication.membership import is_membership
from replication.messages import Entry

if TYPE_CHECKING:
    from cluster_host import Host
    from cluster_world import World

NEXT = RULES_VERSION  # the newest rules that the next program runs
RULES_AT = slice(40, 44)  # of an ACTIVATE, behind its head


class Versions:
    """mixed: whether there is a next program at all."""

    def __init__(self, world: "World", *, mixed: bool) -> None:
        self.mixed = mixed
        self._world = world
        self.old = world.chance.randrange(1, NEXT)  # the newest rules that the old program runs
        # How likely a machine runs the next program from its birth on.
        self._upgraded = world.chance.choice((0.0, 0.5, 0.8, 1.0)) if mixed else 0.0
        self._proposed = False  # the newest rules, by anybody ever: from then on nobody goes back
        self._activated = [(0, 1)]  # the index at which rules begin, and which
        self._has_genesis = False  # the log
        self._refused: set[tuple[int, int]] = set()  # host and its life

    def of_new_machine(self) -> int:
        """Where the newest rules hold already an old program is a mistake, which Faults puts right."""
        if not self.mixed:
            return NEXT
        likely = 0.7 if self.begun else 1.0 if self._proposed else self._upgraded
        return NEXT if self._world.chance.random() < likely else self.old

    @property
    def may_go_back(self) -> bool:
        return not self._proposed

    @property
    def begun(self) -> bool:
        return self._activated[-1][1] == NEXT

    @property
    def may_have_operators(self) -> bool:
        """What the first configuration has must be in all of them, and the old program knows no operators: they are
        added later, or there is no old program."""
        return not self.mixed or (self.begun and self._has_genesis)

    def refuses(self, host: "Host", other: "Host") -> bool:
        """Whether a host does not take another one for its program."""
        assert host.replica is not None
        if refusal(other.id, other.newest, host.replica.exchange.rules) is None:
            return False
        if (other.id, other.life) not in self._refused:
            self._refused.add((other.id, other.life))
            self._world.count("old program refused", other.name)
        return True

    def proposed(self, host: "Host", payload: bytes) -> None:
        """Newer rules are proposed only when every member can run them."""
        if payload[4] != ACTIVATE:
            return
        assert host.replica is not None
        version = rules_of(payload)
        self._proposed = self._proposed or version == NEXT
        for id in host.replica.node.membership.ids:
            other = self._world.hosts.get(id)
            if other is None or other.newest < version:
                raise Violation(f"host {host.id} activates rules {version}, which host {id} cannot run")

    def committed(self, entry: Entry) -> None:
        if is_membership(entry.payload):
            return
        inputs = list(split(bytes(entry.payload)))
        self._has_genesis = self._has_genesis or any(one[4] == SETTING for one in inputs)
        for version in [rules_of(one) for one in inputs if one[4] == ACTIVATE]:
            if version > self._activated[-1][1]:
                self._activated.append((entry.index, version))
                self._world.count("activated", f"{version} at entry {entry.index}")

    def check(self, host: "Host") -> None:
        """Rules hold from the entry that activates them on, and not before, at every host."""
        assert host.replica is not None
        exchange = host.replica.exchange
        if not exchange.between_entries or exchange.applied_index > len(self._world.log):
            return
        index, rules = exchange.applied_index, exchange.rules
        if rules != max(version for begun, version in self._activated if begun <= index):
            raise Violation(f"rules {rules} hold at host {host.id} at entry {index}")

    def settled(self, members: set[int]) -> bool:
        """Whether the rules hold that all members can run. One that is gone for good, and not removed, can be asked no
        more: then those that hold go on."""
        world = self._world
        wanted = min(world.hosts[id].newest if id in world.hosts else self.old for id in members)
        return self._activated[-1][1] >= wanted


def rules_of(activate: bytes) -> int:
    return int.from_bytes(activate[RULES_AT], "little")
