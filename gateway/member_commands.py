"""The commands `transfer`, `add` and `remove`: who leads a cluster, and who belongs to it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway.config import ConfigError
from gateway.locate import explained
from gateway.replicas import Cluster, wait_for, where_replicas_are

TRANSFER_SECONDS = 5.0
COMMIT_SECONDS = 30.0
LOOK_SECONDS = (
    2.0  # how often it is said how far a learner is; who was refused before tries again within 1.1 s
)
REFUSED_SECONDS = 10.0  # a new member that is refused for so long is not waited for
ID = click.IntRange(1, 1_000_000)


@click.command()
@click.argument("member", type=ID, required=False)
@where_replicas_are
def transfer(member: int | None, data: Sequence[Path], admin: Sequence[str]) -> None:
    """Hand the leadership to a MEMBER, or to the one that has most of the log.

    Clients see a pause of a few milliseconds.
    """
    with explained():
        hand_over(Cluster(data, admin), member or 0)


@click.command()
@click.argument("member", metavar="ID", type=ID)
@click.argument("address")
@click.option("--learner", is_flag=True, help="Leave it a learner: it gets the log and has no vote.")
@where_replicas_are
def add(member: int, address: str, learner: bool, data: Sequence[Path], admin: Sequence[str]) -> None:
    """Add a member: first as a learner, then, when it has caught up, as a voter.

    ADDRESS is the HOST:PORT that the others reach it at. Start it before or afterwards, on an empty directory, with
    `serve --config`. Interrupted it stays a learner; the same command goes on.
    """
    with explained():
        cluster = Cluster(data, admin)
        known = entry_of(cluster.leader(), member)
        if known is None:
            changed(cluster, f"member {member} is a learner", "add", member, address=address)
        elif known["voter"] or learner or known["address"] != address:
            kind = "voter" if known["voter"] else "learner"
            raise ConfigError(
                f"member {member} is there already: a {kind} at {known['address'] or 'no address'}"
            )
        if learner:
            return
        wait_until_caught_up(cluster, member)
        changed(cluster, f"member {member} is a voter", "promote", member)


@click.command()
@click.argument("member", metavar="ID", type=ID)
@where_replicas_are
def remove(member: int, data: Sequence[Path], admin: Sequence[str]) -> None:
    """Remove a member for good. Its id is never used again.

    A leader hands over first. A removed member goes on running, without a say and without clients, until it is
    stopped; its directory is of no more use.
    """
    with explained():
        cluster = Cluster(data, admin)
        status = cluster.leader()
        if status["member"] == member:
            cluster.ask_leader("may_remove", member=member)
            hand_over(cluster, 0)
        changed(cluster, f"member {member} is removed", "remove", member)


def hand_over(cluster: Cluster, member: int) -> None:
    """Returns when another leads. member: 0 = the one that has most of the log. Raises ConfigError."""
    before = cluster.leader()
    to = cluster.ask_leader("transfer", member=member)["to"]
    if not wait_for(
        lambda: any(leads(status, to, before) for status in cluster.statuses()), TRANSFER_SECONDS
    ):
        raise ConfigError(
            f"member {to} did not take over within {TRANSFER_SECONDS:.0f} s; look at quorumbook status, and try again"
        )
    click.echo(f"member {to} leads; before it was member {before['member']}")


def leads(status: dict[str, Any], member: int, before: dict[str, Any]) -> bool:
    """Whether this replica knows that a member leads since another's term."""
    return bool(status["leader"] == member and status["term"] > before["term"])


def entry_of(status: dict[str, Any], member: int) -> dict[str, Any] | None:
    """What the membership says of a member."""
    return next((one for one in status["membership"] if one["id"] == member), None)


def changed(cluster: Cluster, what: str, command: str, member: int, **fields: Any) -> None:
    """Has the leader propose a change and waits until it is committed. Raises ConfigError."""
    index = cluster.ask_leader(command, member=member, **fields)["index"]

    def committed() -> bool:
        return any(status["commit_index"] >= index for status in cluster.statuses())

    if not committed():
        click.echo(f"entry {index:,} says it: waiting until more than half of the voters have that")
    if not wait_for(committed, COMMIT_SECONDS):
        raise ConfigError(
            f"not committed within {COMMIT_SECONDS:.0f} s, and it may still be: look at quorumbook status"
        )
    now = entry_of(max(cluster.statuses(), key=lambda status: int(status["commit_index"])), member)
    if (command == "remove") != (now is None) or (command == "promote" and now and not now["voter"]):
        raise ConfigError(
            "the leader was lost before that was committed: look at quorumbook status, and try again"
        )
    click.echo(what)


def wait_until_caught_up(cluster: Cluster, member: int) -> None:
    """Says what is waited for whenever that changes. Who does not come yet is waited for, and who is refused is not.
    Raises ConfigError."""
    said = ""
    taken = time.monotonic()  # when it was not known to be refused

    def there() -> bool:
        return any(one["followers"].get(str(member), {}).get("caught_up") for one in cluster.statuses())

    while not wait_for(there, LOOK_SECONDS):
        status = cluster.leader()
        if str(member) not in status["followers"]:
            raise ConfigError(f"member {member} was removed meanwhile")
        now = progress(status, member)
        if now != said:
            said = now
            click.echo(f"waiting: {now}")
        if member in status["linked"] or str(member) not in status["troubles"]:
            taken = time.monotonic()
        elif time.monotonic() > taken + REFUSED_SECONDS:
            raise ConfigError(
                f"{now}. It stays a learner: put that right, and the same command goes on; or quorumbook "
                f"remove {member}"
            )


def progress(status: dict[str, Any], member: int) -> str:
    """How far a follower is, for people."""
    follower, leader = status["followers"][str(member)], status["member"]
    if member in status["linked"]:
        return f"member {member} has {follower['match']:,} of {status['last_index']:,} entries"
    wrong = status["troubles"].get(str(member)) or status["troubles"].get("0")
    if wrong:
        return f"member {member} has no link to member {leader}, which leads: {wrong}"
    at = next(one["address"] for one in status["membership"] if one["id"] == leader)
    return (
        f"member {member} has not come to member {leader}, which leads: start it with quorumbook serve --config FILE. "
        f'If it runs, its cluster.members must have "{leader} {at}", and what it prints says what is wrong'
    )
