"""The command `recover`: one replica goes on alone, when so many are lost that the rest can decide nothing any more."""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.config import ConfigError
from gateway.config_file import load
from gateway.data_directory import default_directory
from gateway.replica_log import Clock
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.files import LogDamaged, LogError
from replication.membership import Membership, Refused, listed
from replication.node import Node


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The configuration that the replica is run with.",
)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Where its log lies, if not there."
)
@click.option(
    "--give-up",
    "given_up",
    type=int,
    multiple=True,
    metavar="ID",
    help="A member that is lost for good. Every other one has to be named.",
)
def recover(config_file: Path, data: Path | None, given_up: Sequence[int]) -> None:
    """Go on with one replica, when more than half of the voters are lost for good.

    Only then: while more than half can be started again, starting them loses nothing. The replica must be stopped; take
    the one whose log reaches furthest (quorumbook verify DIR DIR). What it says was acknowledged is kept. Orders that
    only the lost members had are gone, and their clients were told otherwise. Whoever is given up must never be started
    again; new members are added under new ids.
    """
    try:
        loaded = load(config_file)
        directory = (data or Path(loaded.config.storage.directory or default_directory())).absolute()
        cluster = loaded.config.cluster
        disk = RealDisk(str(directory), create=False)
        node = Node.open(
            disk,
            clock=Clock(),
            me=cluster.member,
            origin=Membership(()),
            cluster=bytes.fromhex(cluster.id) or None,
        )
        try:
            go_on(node, Acquaintances(disk), directory, given_up, f"quorumbook serve --config {config_file}")
        finally:
            node.close()
    except LogDamaged as damage:
        raise click.ClickException(
            f"{damage} (a start with `quorumbook serve` keeps what is whole before it; then recover)"
        ) from None
    except (ConfigError, LogError, Refused) as error:
        raise click.ClickException(str(error)) from None


def go_on(node: Node, met: Acquaintances, directory: Path, given_up: Sequence[int], start: str) -> None:
    """start: the command that starts the replica. Raises Refused, LogError."""
    for snapshot in node.snapshots(click.echo):
        node.start_from(snapshot)
        break
    for _ in node.committed_pieces():
        pass
    members = node.known_members
    members.member(node.me)
    others = members.ids - {node.me}
    if not others and node.promised is None:
        raise Refused(
            f"{directory}: member {node.me} is the only one already, and whole: start it with {start}"
        )
    known, last = node.commit_index, node.last_index
    if others and set(given_up) != others:
        named = " ".join(f"--give-up {id}" for id in sorted(others))
        raise Refused(
            f"{directory}: member {node.me} has {last:,} entries, of which it knows {known:,} to be committed; the "
            f"others are {listed(others)}. To go on without them, and without what only they have, name them: {named}"
        )
    if others:
        click.echo(f"given up: members {listed(others)}, and every entry after {last:,} that only they have")
    if last > known:
        which = f"entry {last:,}" if last == known + 1 else f"entries {known + 1:,} to {last:,}"
        click.echo(f"kept, though it may never have been acknowledged: {which}")
    if node.promised is not None:
        first, to = node.promised
        which = f"every entry from {first:,} on" if to is None else f"entries {first:,} to {to:,}"
        click.echo(f"lost here before, and given up with it: {which}, as far as it was acknowledged")
    met.note_voters(frozenset({node.me}), committed=True)  # first: nobody else has what is here from then on
    index = node.stand_alone()
    click.echo(
        f"entry {index:,} makes member {node.me} the only one: start it with {start}, and add others, under new ids"
    )
