"""`quorumbook cluster`: a whole cluster on this machine, for trying out."""

import ctypes
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import click
import msgspec

from gateway.config import ConfigError
from gateway.config_file import load
from gateway.data_directory import default_directory, read_endpoints
from gateway.local_members import apart, elsewhere
from gateway.replicas import ask_all, has_log, in_directory
from gateway.server_commands import own_command
from gateway.whose_directory import HERE, check_for_cluster

START_SECONDS = 60
STOP_SECONDS = 10
WORD_SECONDS = 3  # before it is said what replicas wait for
LATER_WORD_SECONDS = 30
LATE_SECONDS = 1  # between two looks whether a replica that was late takes clients
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIRST_PORT = 7610
PROGRAM = (sys.executable, "-m", "gateway.cli")
FIRST_START = "--first-start"
PORTS = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")


@click.command()
@click.option("--replicas", type=click.IntRange(1, 9), default=3, show_default=True, help="How many.")
@click.option(
    "--data",
    "data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where their directories lie. Default: cluster, in the default data directory.",
)
@click.option("--fix-log", is_flag=True, help="Each writes its FIX traffic to fix.log in its directory.")
def cluster(replicas: int, data: Path | None, fix_log: bool) -> None:
    """Run a cluster of replicas on this machine until it is stopped (Ctrl-C).

    Each replica is a process of its own with its own directory, and each takes clients. Kill one and see: the others go
    on, and nothing that was acknowledged is lost. Started again on the same data everything is as it was.
    """
    directory = (data or default_directory() / HERE).absolute()
    try:
        check_for_cluster(directory)
        directory.mkdir(parents=True, exist_ok=True)
        lock(directory)
        if not any(directory.glob("replica*.toml")):
            configure(directory, replicas)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror}") from None
    files = sorted(directory.glob("replica*.toml"))
    first = not any(has_log(directory_of(file)) for file in files)
    say_how_many(directory, len(files), replicas)
    for number in (signal.SIGINT, signal.SIGTERM):  # both ways to stop this stop the replicas, too
        signal.signal(number, signal.default_int_handler)
    processes: dict[Path, subprocess.Popen[bytes]] = {}
    said_before = {file: length(file.with_suffix(".out")) for file in files}
    try:
        for file in files:
            processes[file] = start(file, first, until=os.getpid(), fix_log=fix_log)
        whole = wait_until_listening(processes, said_before)
        if not processes:
            raise SystemExit(1)
        if whole or not first:
            clients = Clients(processes, files)
            clients.wait()
            introduce(processes, clients.late)
            watch(processes, clients)
    except KeyboardInterrupt:
        pass
    finally:
        stop(processes)
    click.echo("stopped")


def lock(directory: Path) -> None:
    """Until this process ends, however it does. Raises ConfigError when another one runs this cluster."""
    try:
        fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{directory}: this cluster is already running; quorumbook status --data {directory} shows it. A replica "
            f"of it that has ended is started with quorumbook serve --config {directory}/replica1.toml"
        ) from None


def say_how_many(directory: Path, found: int, asked: int) -> None:
    """found: replicas that lie there."""
    if found != asked:
        click.echo(
            f"{directory} holds a cluster of {found} replicas, which goes on: how many it has is in its log. "
            "quorumbook add and remove change that; --data DIR begins another one"
        )
    if found == 2:
        click.echo(
            "Of two replicas both must run: when one is killed the other takes no orders. Three bear one kill"
        )


def configure(directory: Path, replicas: int) -> None:
    """Writes a configuration for each replica."""
    ports = free_ports(replicas)
    members = ", ".join(f'"{id} 127.0.0.1:{own[-1]}"' for id, own in enumerate(ports, 1))
    identity = secrets.token_hex(16)
    for id, own in enumerate(ports, 1):
        network = "\n".join(f"{name} = {port}" for name, port in zip(PORTS, own, strict=False))
        (directory / f"replica{id}.toml").write_text(
            f"""\
operators = ["OPS"]

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
            if given is not usual:
                click.echo(f"ports from {FIRST_PORT} on are taken, and replaced by free ones")
            return [[next(found) for _ in own] for own in given]
        except OSError:
            continue
        finally:
            for listener in listeners:
                listener.close()
    raise OSError("no free ports on 127.0.0.1")


def directory_of(file: Path) -> Path:
    return file.with_suffix("")


def start(file: Path, first: bool, until: int = 0, fix_log: bool = False) -> subprocess.Popen[bytes]:
    """One replica; what it says goes to a file beside its configuration. until: this process, with which it ends, and
    the thread that calls this; 0: with nobody."""
    command = [*PROGRAM, "serve", "--config", str(file), *(["--fix-log"] if fix_log else [])]
    prctl = ctypes.CDLL(None).prctl

    def end_with_parent() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != until:  # it has ended already
            os._exit(1)

    with open(file.with_suffix(".out"), "ab") as out:
        return subprocess.Popen(
            [*command, *([FIRST_START] if first else [])],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which stops them in its own way
            preexec_fn=end_with_parent if until else None,  # noqa: PLW1509 (there is one thread)
        )


def length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def wait_until_listening(
    processes: dict[Path, subprocess.Popen[bytes]], said_before: Mapping[Path, int] = MappingProxyType({})
) -> bool:
    """False, with what they said, when some end instead. said_before: bytes of earlier starts, by configuration."""
    until = time.monotonic() + START_SECONDS
    waiting = dict(processes)
    whole = True
    while waiting and time.monotonic() < until:
        time.sleep(0.05)
        for file, process in list(waiting.items()):
            if process.poll() is not None:
                said = file.with_suffix(".out").read_bytes()[said_before.get(file, 0) :]
                click.echo(
                    f"{file.stem} has ended by {ending(process)}:\n{said.decode(errors='replace').strip()}\n"
                    f"When that is mended: {again(process)}"
                )
                del waiting[file], processes[file]
                whole = False
                continue
            try:
                if read_endpoints(directory_of(file))["pid"] == process.pid:
                    del waiting[file]
            except ConfigError:
                pass
    if waiting:
        click.echo(f"not ready within {START_SECONDS} s: {', '.join(file.stem for file in waiting)}")
    return whole and not waiting


class Clients:
    """Which of `processes` take clients.

    files: of all replicas that lie here, also of those that have ended.
    late: why each that should and does not does not, by name; those that wait to be added are not among them.
    """

    def __init__(self, processes: dict[Path, subprocess.Popen[bytes]], files: Collection[Path]) -> None:
        self._processes = processes
        self._here = {member_of(file)[0] for file in files}
        self._addresses = {file.stem: member_of(file)[1] for file in processes}
        self._told: set[str] = set()
        self._statuses: dict[str, Any] = {}
        self.late: dict[str, str] = {}

    def wait(self) -> None:
        """Until all take them; for a few seconds only where some do. Says what it waits for, and what else the log
        says."""
        word = time.monotonic() + WORD_SECONDS
        while self._processes:
            tell_ended(self._processes)
            self.look()
            some = any(status["accepting"] for status in self._statuses.values())
            if not self.late:
                break
            if time.monotonic() > word:
                word = time.monotonic() + LATER_WORD_SECONDS
                for name, why in self.late.items():
                    click.echo(f"{name} is not ready: {why}")
                if some:
                    break
            time.sleep(0.05)
        for what in elsewhere(self._statuses, self._here):
            click.echo(what)

    def look(self) -> None:
        """Asks them anew. Those that the log says were removed are stopped, and taken out."""
        self._statuses = statuses = ask(self._processes)
        strangers = apart(statuses, self._addresses)
        for file in list(self._processes):
            if (stranger := strangers.get(file.stem)) is None:
                continue
            if stranger.why not in self._told:
                self._told.add(stranger.why)
                click.echo(f"{file.stem}: {stranger.why}")
            if stranger.removed:
                stop({file: self._processes.pop(file)})
        self.late = {
            name: statuses[name]["why_not"] if name in statuses else "it does not answer"
            for name in (file.stem for file in self._processes)
            if name not in strangers and not (name in statuses and statuses[name]["accepting"])
        }


def member_of(file: Path) -> tuple[int, str]:
    """Its id and its address. Raises ClickException."""
    try:
        cluster = load(file).config.cluster
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    return cluster.member, cluster.addresses().get(cluster.member, "HOST:PORT")


def ask(processes: dict[Path, subprocess.Popen[bytes]]) -> dict[str, Any]:
    """The status of those that answer, by name."""
    replies = ask_all([in_directory(directory_of(file)) for file in processes], {"command": "status"})
    return {file.stem: reply.answer for file, reply in zip(processes, replies, strict=True) if not reply.why}


def introduce(processes: dict[Path, subprocess.Popen[bytes]], late: Collection[str]) -> None:
    """Where everything is, and what to try. late: the replicas that take no clients."""
    if not processes:
        return
    own = own_command()
    but = f" but {', '.join(late)}" if late else ""
    click.echo(f"Quorumbook serves, {len(processes)} replicas; each{but} takes clients.")
    for file, process in processes.items():
        places = read_endpoints(directory_of(file))
        click.echo(f"  {file.stem}  FIX {places['fix_zmq']} (ZeroMQ)  {places['fix_tcp']} (TCP)")
        click.echo(f"            feed {places['feed']}    kill it: kill -9 {process.pid}")
    serving = [file for file in processes if file.stem not in late] or list(processes)
    directory = serving[0].parent
    flow = directory / "day.csv.zst"
    at = "" if directory == default_directory() / "cluster" else f" --data {directory}"
    click.echo(f"""\
Try in another terminal:
  {own} generate --out {flow}
  {own} play {flow} --symbol AAPL{at}
  {own} watch AAPL{at}
  {own} order buy AAPL 100 190.00{at}
  {own} status{at}
  {own} replay {directory_of(serving[0])} --verify
Stop with Ctrl-C; start again on the same data and everything is as it was.""")
    pairs = (
        f"{file.stem}={msgspec.json.encode(process.pid).decode()}" for file, process in processes.items()
    )
    click.echo("ready " + " ".join(pairs))


def watch(processes: dict[Path, subprocess.Popen[bytes]], clients: Clients) -> None:
    """Tells of replicas that end, until none is left, and of late ones that take clients after all."""
    next_look = 0.0
    while processes:
        time.sleep(0.2)
        tell_ended(processes)
        if clients.late and time.monotonic() > next_look:
            next_look = time.monotonic() + LATE_SECONDS
            late = set(clients.late)
            clients.look()
            for name in sorted(late & {file.stem for file in processes} - clients.late.keys()):
                click.echo(f"{name} takes clients now")


def tell_ended(alive: dict[Path, subprocess.Popen[bytes]]) -> None:
    """Takes those that have ended out."""
    for file, process in list(alive.items()):
        if process.poll() is not None:
            del alive[file]
            click.echo(f"{file.stem} has ended by {ending(process)}. Start it again: {again(process)}")


def again(process: subprocess.Popen[bytes]) -> str:
    """The command that starts it again as it was."""
    given = cast("list[str]", process.args)[len(PROGRAM) :]
    return " ".join([own_command(), *(word for word in given if word != FIRST_START)])


def ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


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
