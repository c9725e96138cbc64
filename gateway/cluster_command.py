"""`quorumbook cluster`: a whole cluster on this machine, for trying out."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import msgspec

from gateway.config import ConfigError, default_directory, read_endpoints

START_SECONDS = 60
STOP_SECONDS = 10
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
    ports = free_ports(replicas * (1 + len(PORTS)))
    members = ", ".join(f'"{id} 127.0.0.1:{ports[id - 1]}"' for id in range(1, replicas + 1))
    identity = secrets.token_hex(16)
    for id in range(1, replicas + 1):
        own = ports[replicas + (id - 1) * len(PORTS) :]
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


def free_ports(count: int) -> list[int]:
    """TCP ports of the loopback interface that nobody has now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


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
    directories = [directory_of(file) for file in processes]
    flow = directories[0].parent / "day.csv.zst"
    click.echo(f"""\
Try in another terminal:
  {own} generate --out {flow}
  {own} play {flow} --symbol AAPL --data {directories[0]}
  {own} status --data {directories[0]}
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
