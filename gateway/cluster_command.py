"""`quorumbook cluster`: a whole cluster on this machine, for trying out."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import click
import msgspec

from gateway.config import ConfigError, default_directory, read_endpoints

START_SECONDS = 60
STOP_SECONDS = 10
FIRST_PORT = 7610
PORTS = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")


@click.command()
@click.option("--replicas", type=click.IntRange(1, 9), default=3, show_default=True, help="How many.")
@click.option(
    "--data",
    "data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where their directories lie. Default: cluster, in the default data directory.",
)
def cluster(replicas: int, data: Path | None) -> None:
    """Run a cluster of replicas on this machine until it is stopped (Ctrl-C).

    Each replica is a process of its own with its own directory, and each takes clients. Kill one and see: the others go
    on, and nothing that was acknowledged is lost. Started again on the same data everything is as it was.
    """
    directory = (data or default_directory() / "cluster").absolute()
    first = not any(directory.glob("replica*.toml"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if first:
            configure(directory, replicas)
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror}") from None
    files = sorted(directory.glob("replica*.toml"))
    if len(files) != replicas:
        click.echo(f"{directory} holds a cluster of {len(files)} replicas: these are started")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to stop this stop the replicas, too
    processes = {file: start(file, first) for file in files}
    try:
        if wait_until_ready(processes):
            introduce(processes)
            watch(processes)
    except KeyboardInterrupt:
        pass
    finally:
        stop(processes)
    click.echo("stopped")


def configure(directory: Path, replicas: int) -> None:
    """Writes a configuration for each replica."""
    ports = free_ports(replicas)
    members = ", ".join(f'"{id} 127.0.0.1:{own[-1]}"' for id, own in enumerate(ports, 1))
    identity = secrets.token_hex(16)
    for id, own in enumerate(ports, 1):
        network = "\n".join(f"{name} = {port}" for name, port in zip(PORTS, own, strict=False))
        (directory / f"replica{id}.toml").write_text(
            f"""\
[cluster]
id = "{identity}"
member = {id}
members = [{members}]

[network]
{network}

[storage]
directory = "{directory / f"replica{id}"}"
"""
        )


def free_ports(replicas: int) -> list[list[int]]:
    """Ports of the loopback interface for each replica, for PORTS and then its peers: 7610 and on, 7620 and on, ...;
    when somebody has one of them, any that are free."""
    usual = [[FIRST_PORT + 10 * id + at for at in range(len(PORTS) + 1)] for id in range(replicas)]
    for given in (usual, [[0] * (len(PORTS) + 1)] * replicas):
        listeners: list[socket.socket] = []
        try:
            for port in chain.from_iterable(given):
                listeners.append(socket.create_server(("127.0.0.1", port)))
            found = iter([listener.getsockname()[1] for listener in listeners])
            return [[next(found) for _ in own] for own in given]
        except OSError:
            continue
        finally:
            for listener in listeners:
                listener.close()
    raise OSError("no free ports on 127.0.0.1")


def directory_of(file: Path) -> Path:
    return file.with_suffix("")


def start(file: Path, first: bool) -> subprocess.Popen[bytes]:
    """One replica; what it says goes to a file beside its configuration."""
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
    with open(file.with_suffix(".out"), "ab") as out:
        return subprocess.Popen(
            [*command, *(["--first-start"] if first else [])],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which stops them in its own way
        )


def wait_until_ready(processes: dict[Path, subprocess.Popen[bytes]]) -> bool:
    """False, with what was said, when one ends instead."""
    until = time.monotonic() + START_SECONDS
    waiting = dict(processes)
    while waiting and time.monotonic() < until:
        time.sleep(0.05)
        for file, process in list(waiting.items()):
            if process.poll() is not None:
                said = file.with_suffix(".out").read_text(errors="replace").strip()
                click.echo(f"{file.stem} has ended with exit code {process.returncode}:\n{said}")
                return False
            try:
                if read_endpoints(directory_of(file))["pid"] == process.pid:
                    del waiting[file]
            except ConfigError:
                pass
    if waiting:
        click.echo(f"not ready within {START_SECONDS} s: {', '.join(file.stem for file in waiting)}")
    return not waiting


def introduce(processes: dict[Path, subprocess.Popen[bytes]]) -> None:
    """Where everything is, and what to try."""
    own = Path(sys.argv[0]).absolute()
    click.echo(f"Quorumbook serves, {len(processes)} replicas; each takes clients.")
    for file, process in processes.items():
        places = read_endpoints(directory_of(file))
        click.echo(f"  {file.stem}  FIX {places['fix_zmq']} (ZeroMQ)  {places['fix_tcp']} (TCP)")
        click.echo(f"            feed {places['feed']}    kill it: kill -9 {process.pid}")
    directory = directory_of(next(iter(processes))).parent
    flow = directory / "day.csv.zst"
    at = "" if directory == default_directory() / "cluster" else f" --data {directory}"
    click.echo(f"""\
Try in another terminal:
  {own} generate --out {flow}
  {own} play {flow} --symbol AAPL{at}
  {own} watch AAPL{at}
  {own} order buy AAPL 100 190.00{at}
  {own} status{at}
  {own} replay {directory_of(next(iter(processes)))} --verify
Stop with Ctrl-C; start again on the same data and everything is as it was.""")
    pairs = (
        f"{file.stem}={msgspec.json.encode(process.pid).decode()}" for file, process in processes.items()
    )
    click.echo("ready " + " ".join(pairs))


def watch(processes: dict[Path, subprocess.Popen[bytes]]) -> None:
    """Tells of replicas that end, until none is left."""
    own = Path(sys.argv[0]).absolute()
    alive = dict(processes)
    while alive:
        time.sleep(0.2)
        for file, process in list(alive.items()):
            if process.poll() is not None:
                del alive[file]
                how = f"exit code {process.returncode}" if process.returncode >= 0 else "a signal"
                click.echo(f"{file.stem} has ended by {how}. Start it again: {own} serve --config {file}")


def stop(processes: dict[Path, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
