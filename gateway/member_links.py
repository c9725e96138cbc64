"""The links to the other members, for a server: sockets, TLS, and what comes by them into the replica."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Cluster, ConfigError
from gateway.endpoints import listener_at
from gateway.rules import refusal
from gateway.telling import Telling
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.impossible import Impossible
from replication.membership import Membership
from replication.messages import Message
from replication.node import Node
from replication.peers import Peers
from replication.wire import Garbled, Hello

if TYPE_CHECKING:
    from gateway.replica import Replica


class MemberLinks:
    """Nothing at all for a cluster of one that has no addresses.

    schedule: a turn is due. failed: called with what Replica.message raises.
    """

    def __init__(
        self,
        cluster: Cluster,
        disk: RealDisk,
        node: Node,
        telling: Telling,
        schedule: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._cluster = cluster
        self._node = node
        self._telling = telling
        self._schedule = schedule
        self._failed = failed
        self._replica: Replica
        self._run = os.urandom(16)
        self._met: Acquaintances
        # What was looked at last: the membership, who may be a member, who leads.
        self._known: tuple[Membership, dict[int, str], int] | None = None
        self._peers: Peers | None = None
        self._misplaced = False  # and that was said
        if cluster.members:
            self._met = Acquaintances(disk)
            if cluster.member in self._met:
                raise ConfigError(
                    f"cluster.member: {disk.path('')} is the directory of another member, which has met member "
                    f"{cluster.member}: what it has promised was promised under another id. Give each member its own"
                )
            self._peers = Peers(cluster.member, self, self._hello, self._met, tls_contexts(cluster))

    def _hello(self, to: int) -> Hello:
        node = self._node
        return Hello(
            node.cluster, self._cluster.member, to, node.directory, node.starts, self._run, self._met.runs,
            self._replica.exchange.newest_rules,
        )  # fmt: skip

    def listen(self, replica: "Replica") -> str | None:
        """Where; None: nowhere. Raises OSError, LogFailed."""
        self._replica = replica
        if self._peers is None:
            return None
        address = self._cluster.addresses()[self._cluster.member]
        listener = listener_at(address)
        self._met.begin(self._run)  # not earlier: a start that fails uses up none of the runs that are kept
        self._peers.listen(listener)
        self.update()
        return address

    def note_voters(self) -> None:
        """Before a turn writes what this member's newest membership is the first to count. Raises LogFailed."""
        if self._peers is not None:
            node = self._node
            committed = node.membership_index <= node.commit_index
            self._met.note_voters(node.membership.voters, committed=committed)

    def update(self) -> None:
        """Goes by the membership; before there is one, by the configuration. Who is being removed stays linked until
        that is committed: it may lead again when the change is given up. A leader knows all members; who hears one
        learns of newer ones from it; who hears none of those that it knows may have to from a newer one itself."""
        node, me = self._node, self._cluster.member
        known = node.membership, node.possible_members, node.leader
        if self._peers is None or known == self._known:
            return
        self._known = known
        membership, possible, leader = known
        members = self._cluster.addresses()
        newer = False
        if me in possible:
            members = {id: address or members.get(id, "") for id, address in possible.items()}
            newer = leader != me
            self._look_at_own(possible[me])
        members.pop(me, None)
        self._peers.update(members, membership.last_id, newer=newer, admits=leader not in possible)

    def _look_at_own(self, known: str) -> None:
        """Says once that this member was added at an address where it does not listen: its next start is refused."""
        me = self._cluster.member
        address = self._cluster.addresses()[me]
        if known not in ("", address) and not self._misplaced:
            self._misplaced = True
            self.trouble(
                me,
                f"member {me} was added at {known}, where the others look for it, and listens at {address}: put "
                f"{known} into cluster.members here, and start again",
            )

    # ---------------------------------------------------------------- for the replica

    @property
    def linked(self) -> dict[int, int]:
        return self._peers.linked if self._peers is not None else {}

    def troubles(self) -> dict[int, str]:
        """What is wrong with members that there is no link to, for people; 0 = with strangers."""
        return self._peers.troubles if self._peers is not None else {}

    def refused(self) -> bool:
        """Whether some member will not have this replica."""
        return self._peers is not None and bool(self._peers.refusing)

    def send(self, message: Message) -> None:
        if self._peers is not None:
            self._peers.send(message)

    def forward(self, to: int, payload: bytes) -> None:
        if self._peers is not None:
            self._peers.forward(to, payload)

    def close(self) -> None:
        if self._peers is not None:
            self._peers.close()

    # ---------------------------------------------------------------- from the peers

    def opened(self, peer: int) -> None:
        self._telling.linked(peer)
        self._hand_over(self._replica.opened, peer)
        self._schedule()

    def closed(self, peer: int) -> None:
        self._telling.link_closed(peer)
        self._hand_over(self._replica.closed, peer)
        self._schedule()

    def message(self, message: Message) -> None:
        self._hand_over(self._replica.message, message)

    def inputs(self, peer: int, payload: bytes) -> None:
        self._hand_over(self._forwarded, peer, payload)

    def received(self) -> None:
        self._hand_over(self._relay)

    def _forwarded(self, peer: int, payload: bytes) -> None:
        try:
            self._replica.forwarded(peer, payload)
        except ValueError as error:
            raise Garbled(str(error)) from None

    def _relay(self) -> None:
        if self._replica.relay():
            self._schedule()

    def _hand_over(self, what: Callable[..., None], *details: Any) -> None:
        """Whatever the replica raises but these two is its own failure, and not that of a link."""
        try:
            what(*details)
        except (Garbled, Impossible):
            raise
        except Exception as error:
            self._failed(error)

    def refusal(self, peer: int, program: int) -> str | None:
        return refusal(peer, program, self._replica.exchange.rules)

    def trouble(self, peer: int, what: str) -> None:
        self._telling.trouble(peer, what)


def tls_contexts(cluster: Cluster) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """For dialling and accepting: both sides show a certificate that the authority signed. None: plain. Raises
    ConfigError."""
    if not cluster.certificate:
        return None
    for name in ("certificate", "key", "authority"):
        path = getattr(cluster, name)
        try:
            Path(path).read_bytes()
        except OSError as error:  # what ssl raises names no file
            raise ConfigError(f"cluster.{name}: {path}: {error.strerror}") from None
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the authority signs members only, and the hello says which one it is
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(cluster.certificate, cluster.key)
            context.load_verify_locations(cluster.authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cluster.certificate, cluster.key, cluster.authority: {error}: they must be PEM files, the key that "
                "of the certificate"
            ) from None
        contexts.append(context)
    return contexts[0], contexts[1]
