"""The command `snapshot`: makes one beside a running replica, or of a stopped one."""

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import click

from gateway.config import ConfigError

LOCK_NAME = "snapshot.lock"
NICE = 19  # the replica goes first
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def give_way() -> None:
    """Lowers the priority of this process. A replica starts it in a session of its own: its priority is lowered, too,
    because where Linux groups processes by session (sched_autogroup) nice counts only within one; and it ends with that
    replica, whose directory may be another's by the time the snapshot is done."""
    os.nice(NICE)
    if os.getsid(0) == os.getpid():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICE))


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory of a replica, or of a local cluster: then of each. Default: ~/.local/state/quorumbook.",
)
def snapshot(data: Path | None) -> None:
    """Make a snapshot of a replica, which may run meanwhile: its next start need not read all of its log.

    What the log says is committed is applied in this process, from the newest snapshot on. The newest two are kept.
    """
    from gateway.replicas import with_logs

    try:
        directories = with_logs(data)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    give_way()
    wrong = []
    for directory in directories:
        try:
            make(directory, f"{directory}: " if len(directories) > 1 else "")
        except click.ClickException as error:
            wrong.append(error.message)
    if wrong:
        raise click.ClickException("\n".join(wrong))


def make(directory: Path, whose: str) -> None:
    """whose: before what is said of it. Raises ClickException, also when there is one and the log behind it is
    damaged."""
    from gateway.snapshot_maker import Maker
    from replication.disk import RealDisk
    from replication.files import LogError, LogInUse

    began = time.perf_counter()
    try:
        disk = RealDisk(str(directory), create=False)
        disk.lock(LOCK_NAME)
        maker = Maker(disk)
        name = maker.make()
        for what in maker.passed_over:
            click.echo(what)
        if name is not None:
            index, size = int(name.rpartition("-")[2]), (directory / name).stat().st_size
            took = time.perf_counter() - began
            click.echo(f"{whose}snapshot at entry {index:,}: {size:,} bytes, {took:.2f} s")
        maker.check_rest()
    except LogInUse:
        raise click.ClickException(f"{directory}: another process makes a snapshot of it already") from None
    except LogError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(f"{directory}: the log cannot be applied: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror or error}") from None
    if name is None:
        click.echo(f"{whose}nothing was committed since the newest snapshot")
