"""The command `snapshot`: makes one beside a running replica, or of a stopped one."""

import os
import time
from contextlib import suppress
from pathlib import Path

import click

from gateway.config import default_directory

LOCK_NAME = "snapshot.lock"
NICE = 19  # the replica goes first


def give_way() -> None:
    """Lowers the priority of this process; of its session, too, when it has one of its own: where Linux groups
    processes by session (sched_autogroup) nice counts only within one."""
    os.nice(NICE)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICE))


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory of a replica. Default: ~/.local/state/quorumbook.",
)
def snapshot(data: Path | None) -> None:
    """Make a snapshot of a replica, which may run meanwhile: its next start need not read all of its log.

    What the log says is committed is applied in this process, from the newest snapshot on. The newest two are kept.
    """
    from gateway.snapshot_maker import Maker
    from replication.disk import RealDisk
    from replication.files import LogError, LogInUse
    from replication.reader import check_there

    directory = (data or default_directory()).absolute()
    give_way()
    began = time.perf_counter()
    try:
        disk = RealDisk(str(directory), create=False)
        check_there(disk)
        disk.lock(LOCK_NAME)
        maker = Maker(disk)
        name = maker.make()
    except LogInUse:
        raise click.ClickException(f"{directory}: another process makes a snapshot of it already") from None
    except LogError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(f"{directory}: the log cannot be applied: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror or error}") from None
    for what in maker.passed_over:
        click.echo(what)
    if name is None:
        click.echo("nothing was committed since the newest snapshot")
        return
    index = int(name.rpartition("-")[2])
    size = (directory / name).stat().st_size
    click.echo(f"snapshot at entry {index:,}: {size:,} bytes, {time.perf_counter() - began:.2f} s")
