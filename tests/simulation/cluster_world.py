"""A cluster of real replicas with clients, in one process, under virtual time; a seed decides everything.

A host (cluster_host.py) runs the product's code; the network (cluster_link.py) keeps what TCP keeps, order within a
link, and besides loses, delays and repeats Raft's messages. What goes wrong when is in cluster_faults.py. What has to
hold is checked here at every step; cluster_judge.py has what is checked at the end.
"""

import random
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from typing import cast

from cluster_client import Client, Violation
from cluster_edge import START_NS
from cluster_faults import Faults
from cluster_fix import MS, SECOND, time_ns
from cluster_host import SYMBOLS, Host
from cluster_link import Link
from cluster_operator import Operator
from cluster_versions import Versions

from gateway.replica import Replica
from replication.membership import Member, Membership
from replication.messages import Entry


class World:
    """loss: how likely a message of Raft is lost, repeated, or overtaken. members: of the first start; one is born
    alone, without an election, and others are added. forgets: logs keep what is behind the older of two snapshots.
    mixed: machines run programs of two versions."""

    def __init__(
        self, seed: int, members: int = 3, clients: int = 5, *, forgets: bool = False, mixed: bool = False
    ) -> None:
        self.seed = seed
        self.forgets = forgets
        self.chance = random.Random(seed)
        self.below = self.chance._randbelow  # type: ignore[attr-defined]  # as randrange, without its questions
        self.now = 0
        self.loss = self.chance.choice((0.0, 0.0, 0.01, 0.05))
        self.heartbeat = self.chance.choice((10, 20, 30)) * MS  # an election timeout is 100 ms
        self.faulty = True
        self.sending = True  # clients enter requests
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self.counts: Counter[str] = Counter()
        self.leaders: dict[int, int] = {}  # by term
        self.log: list[tuple[int, bytes]] = []  # (term, chain hash) of what was committed
        self.entries: list[Entry] = []  # the same, whole
        self.histories: dict[
            tuple[int, int], bytes
        ] = {}  # chain hash of what was ever written, by index and term
        self.hashes: dict[int, str] = {}  # state hash by index
        self._compared = (
            1 if seed // 8 % 2 == 0 else 4
        )  # so many entries apart: each one takes a sixth of a life
        self.feed: dict[tuple[bytes, int], bytes] = {}  # what was published, by topic and sequence
        self.heard = 0  # the largest input number that any client was told
        self.log_time_ns = START_NS  # as far as any client was told
        self.last_trade = 0  # that any client was told of
        self.symbols = list(SYMBOLS)  # what clients trade
        self.trace: Callable[[str], None] | None = None
        self.alone = members == 1  # the first one's configuration names nobody else yet
        ids = range(1, members + 1)
        born = () if self.alone else tuple(Member(id, f"host{id}:1", voter=True) for id in ids)
        self.birth = Membership(born)
        self.versions = Versions(self, mixed=mixed)
        self.hosts = {id: Host(self, id) for id in ids}
        self.gone: list[Host] = []  # removed, or dead for good
        self.links = [Link(self, a, b) for a in ids for b in ids if a < b]
        self._links = {(id, link.other(id)): link for link in self.links for id in link.ends}
        self.clients = [*(Client(self, f"CLIENT{number}") for number in range(clients)), Operator(self)]
        for host in self.hosts.values():
            host.start()
        self.faults = Faults(self)
        self.every(20 * MS, self.open_links)
        self.every(SECOND, self.faults.end_former_members)

    # ---------------------------------------------------------------- time

    def at(self, when: int, what: Callable[[], None]) -> None:
        self._sequence += 1
        heappush(self._events, (when if when > self.now else self.now, self._sequence, what))

    def every(self, period: int, what: Callable[[], None]) -> None:
        def again() -> None:
            self.at(self.now + period, again)
            what()

        self.at(self.now, again)

    def run(self, until: int, done: Callable[[], bool] | None = None) -> bool:
        """False: it was not done in time."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, what = heappop(events)
            what()
            if done is not None and done():
                return True
        self.now = max(self.now, until)
        return False

    def delay(self) -> int:
        return 50_000 + self.below(2 * MS - 50_000)

    def count(self, what: str, who: str = "") -> None:
        self.counts[what] += 1
        if self.trace is not None:
            self.tell(who, what)

    def tell(self, who: str, what: str) -> None:
        """For the trace."""
        assert self.trace is not None
        self.trace(f"{self.now / SECOND:9.4f}  {who:16}  {what}")

    def hear(self, answer: dict[str, str]) -> None:
        """What a client was told."""
        self.heard = max(self.heard, int(answer.get("20001", 0)))
        if answer.get("150") == "F":
            self.last_trade = max(self.last_trade, int(answer["880"]))
        if "60" in answer:
            self.log_time_ns = max(self.log_time_ns, time_ns(answer["60"]))

    # ---------------------------------------------------------------- links

    def link(self, a: int, b: int) -> Link | None:
        """None: one of them is gone."""
        return self._links.get((a, b))

    def links_of(self, id: int) -> list[Link]:
        return [link for link in self.links if id in link.ends]

    def open_links(self) -> None:
        for link in self.links:
            link.try_to_open()

    # ---------------------------------------------------------------- checks

    def committed(self, host: Host, entries: list[Entry]) -> None:
        """Committed entries never change, and are the same everywhere."""
        for entry in entries:
            own = (entry.term, entry.chain_hash)
            if entry.index == len(self.log) + 1:
                self.log.append(own)
                self.entries.append(entry)
                self.versions.committed(entry)
            elif entry.index > len(self.log) or self.log[entry.index - 1] != own:
                raise Violation(f"entry {entry.index} of term {entry.term} at host {host.id} is another one")

    def written(self, host: Host, entries: list[Entry]) -> None:
        """Logs match (Raft paper, 5.3): the same index and term stand for the same history."""
        for entry in entries:
            known = self.histories.setdefault((entry.index, entry.term), entry.chain_hash)
            if known != entry.chain_hash:
                raise Violation(
                    f"entry {entry.index} of term {entry.term} has another history at host {host.id}"
                )

    def check(self, host: Host) -> None:
        replica = host.replica
        assert replica is not None
        raft, exchange = replica.node._raft, replica.exchange
        if raft is not None and raft.leading is not None and self.leaders.get(raft.hard.term) != host.id:
            self._elected(host, raft.hard.term)
        self.versions.check(host)
        index = exchange.applied_index
        if index > host.checked and index % self._compared == 0 and exchange.between_entries:
            host.checked = index
            if exchange.works_on:
                self.counts["put aside"] += 1
                return
            self._compare(host, index, exchange.state_hash())

    def _compare(self, host: Host, index: int, found: str) -> None:
        known = self.hashes.setdefault(index, found)
        if known is not found:
            self.counts["states compared"] += 1
        if known != found:
            raise Violation(f"the state at entry {index} is another one at host {host.id}")

    def _elected(self, host: Host, term: int) -> None:
        if term in self.leaders:
            raise Violation(f"hosts {host.id} and {self.leaders[term]} both lead term {term}")
        self.leaders[term] = host.id
        self.count("elections", f"{host.name}, term {term}")

    # ---------------------------------------------------------------- machines

    def leader(self) -> Host | None:
        leaders = [
            host for host in self.hosts.values() if host.replica and host.replica.node.role == "leader"
        ]
        return max(leaders, key=lambda host: cast(Replica, host.replica).node.term, default=None)

    def up(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.replica is not None]

    def join(self, id: int) -> None:
        """A new machine, that waits to be added."""
        host = self.hosts[id] = Host(self, id)
        for other in self.hosts:
            if other != id:
                link = self._links[other, id] = self._links[id, other] = Link(self, other, id)
                self.links.append(link)
        host.start()
        self.faults.look_at_program(host)

    def end_for_good(self, host: Host) -> None:
        if host.replica is not None:
            host.die(power=False)
        del self.hosts[host.id]
        self.gone.append(host)
        self.links = [link for link in self.links if host.id not in link.ends]
        self._links = {ends: link for ends, link in self._links.items() if host.id not in ends}
