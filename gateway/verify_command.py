"""The command `verify`: the logs and states of several replicas, compared. Reads only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.compare import Comparison
    from replication.files import LogDamaged
    from replication.messages import Entry
    from replication.snapshots import Snapshot

DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("directories", metavar="[DATA_DIR...]", type=DIRECTORY, nargs=-1)
@click.option("--entry", "kept", metavar="N", type=click.IntRange(min=1), help="Say the hash of this entry.")
@click.option("--hash", "claimed", metavar="HASH", help="With --entry: whether the log has this hash there.")
def verify(directories: tuple[Path, ...], kept: int | None, claimed: str | None) -> None:
    """Read the logs of replicas, running or stopped, and compare them: of a local cluster all of its replicas'.

    Every byte is checked. The exit code is 1 when a log is damaged, when logs part, or when --hash does not hold.
    A hash that was kept says later whether anything up to its entry was changed.
    """
    from gateway.compare import Comparison, told
    from gateway.exchange import Exchange
    from gateway.replay_command import apply, hash_of
    from gateway.replica_snapshot import restore_exchange
    from replication.disk import read_log_pieces
    from replication.files import LogError

    wanted = read_hash(claimed, kept)
    exchange = Exchange()
    names = logs_of(directories)
    unfinished: list[str] = []

    def take(entries: "list[Entry]") -> None:
        apply(exchange, entries, Path(names[0]))

    try:
        cluster = one_cluster(names)
        openings, broken = openings_of(names)
        after = {name: snapshot.header.position for name, (snapshot, _) in openings.items()}
        if openings:  # what all logs hold begins with the last of these
            _, exchange, _ = restore_exchange(max(openings.values(), key=lambda found: found[0].index)[1])
        exchange.feed.ignore(b"")
        exchange.discards_egress = True
        logs: dict[str, Iterator[list[Entry]]] = {
            name: failing(broken[name])
            if name in broken
            else read_log_pieces(name, unfinished=unfinished.append, after=after.get(name))
            for name in names
        }
        begins = {name: position.index for name, position in after.items()}
        comparison = Comparison(logs, take, kept or 0, begins)
    except LogError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.ClickException(f"a snapshot that a log begins with: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None
    click.echo(f"cluster {cluster}")
    for line in [*told(comparison), *unfinished]:
        click.echo(line)
    if comparison.common_index:
        click.echo(f"state hash at entry {comparison.common_index:,}: {hash_of(exchange)}")
    holds = kept is None or tell_entry(comparison, cluster, kept, wanted)
    if comparison.damaged or comparison.parting or not holds:
        raise click.exceptions.Exit(1)


def logs_of(directories: Sequence[Path]) -> list[str]:
    """Raises ClickException."""
    from gateway.config import ConfigError
    from gateway.replicas import with_logs

    try:
        found = [one for named in directories for one in with_logs(named)] or with_logs(None)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    return list(dict.fromkeys(map(str, found)))


def openings_of(
    names: Sequence[str],
) -> "tuple[dict[str, tuple[Snapshot, Iterator[bytes]]], dict[str, LogDamaged]]":
    """What stands for the beginnings that logs do not hold any more; and where that is damaged. Raises LogError."""
    from replication.disk import opening_snapshot
    from replication.files import LogDamaged

    openings, broken = {}, {}
    for name in names:
        try:
            found = opening_snapshot(name)
        except LogDamaged as damage:
            broken[name] = damage
        else:
            if found is not None:
                openings[name] = found
    return openings, broken


def failing(damage: "LogDamaged") -> "Iterator[list[Entry]]":
    """A log that cannot be read from its beginning on."""
    raise damage
    yield


def read_hash(claimed: str | None, kept: int | None) -> bytes | None:
    """Raises UsageError."""
    if claimed is None:
        return None
    if kept is None:
        raise click.UsageError("--hash needs --entry: a hash is that of one entry")
    try:
        found = bytes.fromhex(claimed)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise click.UsageError("--hash: 64 hex digits, as --entry prints them")
    return found


def one_cluster(names: Sequence[str]) -> str:
    """Whose logs these are. Raises LogError, ClickException."""
    from replication.disk import cluster_of

    found = {name: cluster_of(name) for name in names}
    known = {name: cluster for name, cluster in found.items() if cluster is not None}
    if len(set(known.values())) > 1:
        each = "; ".join(f"{name} is of cluster {cluster.hex()}" for name, cluster in known.items())
        raise click.ClickException(f"these are logs of different clusters: {each}")
    return next(
        (cluster.hex() for cluster in known.values()),
        "unknown: neither a file `state` nor a first segment can be read",
    )


def tell_entry(comparison: "Comparison", cluster: str, kept: int, wanted: bytes | None) -> bool:
    """Whether every log that has the entry has it with the wanted hash, and at least one has it."""
    if not comparison.kept:
        click.echo(f"entry {kept:,} is in none of these logs, as far as they are whole")
        return False
    hashes: dict[bytes, list[str]] = {}
    for name, at in comparison.kept.items():
        hashes.setdefault(at.hash, []).append(name)
    for found, names in hashes.items():
        where = f" in {', '.join(names)}" if len(hashes) > 1 else ""
        click.echo(f"entry {kept} of cluster {cluster} has hash {found.hex()}{where}")
    if wanted is None:
        return True
    holds = set(hashes) == {wanted}
    click.echo("the given hash holds" if holds else f"THE GIVEN HASH DOES NOT HOLD: {wanted.hex()}")
    return holds
