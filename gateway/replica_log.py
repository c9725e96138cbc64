"""Opening a replica's log to run it: what the configuration means for it, and the clocks that it is given."""

import random
import time
from pathlib import Path

from gateway.config import Config
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.files import LogError
from replication.membership import Member, Membership, of_one
from replication.node import Node
from replication.raft import Timing
from replication.state import STATE_NAME
from replication.wal import Cut


class Clock:
    """The operating system's clocks, for the log."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def open_log(disk: RealDisk, config: Config, first_start: bool, repair: bool) -> Node:
    """first_start: an empty log begins a new cluster of the configured members. Without [cluster] it always begins one
    of its own. repair: what is damaged here comes again from the others. Raises what Node.open raises."""
    cluster = config.cluster
    if len(cluster.members) == 1 and not first_start and STATE_NAME not in disk.names():
        raise LogError(
            f"{disk.path('')}: there is no log here, and member {cluster.member} is the only one of cluster.members. A "
            "new cluster begins with --first-start, once. If this member was in a cluster before, its promises are "
            "lost: name the others in cluster.members, remove it, and add it under a new id"
        )
    return Node.open(
        disk,
        clock=Clock(),
        me=cluster.member,
        below=random.randrange,
        timing=Timing(cluster.heartbeat_ms * 1_000_000, cluster.election_timeout_ms * 1_000_000),
        origin=origin_of(config),
        birth=birth_of(cluster.addresses()) if first_start and cluster.members else None,
        cluster=bytes.fromhex(cluster.id) or None,
        repair=repair,
        discards=config.log.retention == "snapshots",
    )


def origin_of(config: Config) -> Membership:
    """Of a log that names no membership."""
    return of_one() if len(config.cluster.members) < 2 else Membership(())


def others_can_repair(directory: Path, config: Config) -> bool:
    """Whether others are configured, and `peers` says that others vote. Raises OSError."""
    if len(config.cluster.members) < 2:
        return False
    disk = RealDisk(str(directory))
    try:
        return bool(Acquaintances(disk).voters - {config.cluster.member})
    except LogError:  # it is damaged, too
        return False
    finally:
        disk.close()


def birth_of(addresses: dict[int, str]) -> Membership:
    """What the log of a new cluster begins with, the same at each member."""
    return Membership(tuple(Member(id, at, voter=True) for id, at in sorted(addresses.items())))


def describe(cut: Cut) -> str:
    """What a start cut off the log, for people."""
    if cut.last_index < cut.first_index:
        return f"the log ended with the remains of a write that never ended, after entry {cut.last_index}: cut off"
    return (
        f"the log ended with a torn batch, entries {cut.first_index} to {cut.last_index}: cut off. Nothing shows that "
        "a sync of it completed, and nothing is acknowledged before that"
    )
