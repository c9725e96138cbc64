"""Who is linked to whom: members, whose directories the product's own Acquaintances know again."""

from typing import TYPE_CHECKING

from replication.wire import Hello

if TYPE_CHECKING:
    from cluster_host import Host


def is_member(host: "Host", other: "Host", *, linked: bool) -> bool:
    """Whether a host takes another one for a member, as MemberLinks has it; who is none yet goes by a configuration,
    which names all."""
    assert host.replica is not None
    node = host.replica.node
    if not linked and host.world.versions.refuses(host, other):
        return False
    possible = node.possible_members
    if other.id in possible or host.id not in possible:
        return True
    lets_in = node.leader != host.id if linked else node.leader not in possible
    return lets_in and other.id > node.membership.last_id


def are_known(dialler: "Host", accepter: "Host") -> bool:
    """Whether each takes the other for the member that it met before; the dialler says hello first."""
    return _judges(accepter, dialler) and _judges(dialler, accepter)


def _judges(host: "Host", other: "Host") -> bool:
    hello = _hello(other, host.id)
    found: list[str | None] = []
    host.run(host.life, lambda: found.append(host.met.judge(hello)))
    if found == [None]:
        return True
    if found:
        host.world.count("directory refused", f"{host.name}: {found[0]}")
    return False


def _hello(host: "Host", to: int) -> Hello:
    assert host.replica is not None
    node = host.replica.node
    return Hello(node.cluster, host.id, to, node.directory, node.starts, host.met.runs[-1], host.met.runs)
