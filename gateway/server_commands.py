"""The commands `serve` and `config`. Heavy modules are imported when a command runs."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from gateway.config import ConfigError
from gateway.data_directory import default_directory
from gateway.sample_config import complete_file

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from gateway.config import Cluster, Loaded
    from gateway.endpoints import Endpoints

DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="TOML file; see `quorumbook config`."
)
@click.option(
    "--data", "data", type=DIRECTORY, help="Where the log lies. Default: ~/.local/state/quorumbook."
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="XML data dictionary, as of QuickFIX, that is added to FIX 4.4.",
)
@click.option(
    "--fix-log",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Write the FIX traffic to FILE, or to fix.log in the data directory.",
)
@click.option(
    "--first-start",
    is_flag=True,
    help="Begin a new cluster of the configured members, in an empty directory. Once, at each of them.",
)
def serve(
    config_file: Path | None,
    data: Path | None,
    dictionary: Path | None,
    fix_log: str | None,
    first_start: bool,
) -> None:
    """Run an exchange, or one replica of it, until it is stopped (Ctrl-C).

    Prints a line that begins `ready` when clients may connect; until then, one that begins `not ready` says why.
    """
    if sys.platform != "linux":
        raise click.ClickException("the server runs on Linux only; `match` and the engine also run elsewhere")
    from gateway.config_file import load
    from gateway.dictionary_file import use_dictionary
    from gateway.process import serve as run
    from gateway.server import Stopped
    from gateway.whose_directory import check_for_exchange
    from replication.files import LogError

    try:
        loaded = load(config_file)
        if fix_log is not None:
            loaded = logging_fix(loaded, fix_log or True)
        directory = (data or Path(loaded.config.storage.directory or default_directory())).absolute()
        if file := dictionary or loaded.config.fix.dictionary:
            use_dictionary(Path(file))
        check_for_exchange(directory)
        make(directory)
        with ExitStack() as stack:
            trace = open_trace(loaded, directory, stack)
            run(
                loaded,
                directory,
                trace,
                Terminal(directory, loaded.config.cluster),
                first_start,
            )
    except (ConfigError, LogError, Stopped) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror or error}") from None
    click.echo("stopped")


def logging_fix(loaded: "Loaded", log: str | bool) -> "Loaded":
    """With another `[fix] log`."""
    fix = replace(loaded.config.fix, log=log)
    return replace(loaded, config=replace(loaded.config, fix=fix))


def make(directory: Path) -> None:
    """The data directory. ConfigError when there cannot be one."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{directory}: the data directory cannot be made: {error.strerror}. Name another with --data DIR"
        ) from None


def open_trace(loaded: "Loaded", directory: Path, stack: ExitStack) -> "FilteringBoundLogger":
    from gateway.trace import tracer

    trace = loaded.config.trace
    if trace.to == "stderr":
        return tracer(sys.stderr, trace.level)
    path = os.devnull
    if trace.to == "file":
        path = str(directory / "trace.jsonl")
    return tracer(stack.enter_context(open(path, "a", encoding="utf-8")), trace.level)


def own_command() -> str:
    """What starts this program, for hints that are to be copied."""
    called = Path(sys.argv[0]).absolute()
    return str(called) if called.name == "quorumbook" else f"{sys.executable} -m gateway.cli"


class Terminal:
    """What whoever started a server reads."""

    def __init__(self, directory: Path, cluster: "Cluster") -> None:
        self._directory = directory
        self._cluster = cluster

    def say(self, what: str) -> None:
        click.echo(what)

    def listening(self, endpoints: "Endpoints") -> None:
        """Where everything is."""
        who = f" as member {self._cluster.member} of a cluster" if len(self._cluster.members) > 1 else ""
        tcp = "TLS" if str(endpoints["fix_tcp"]).startswith("fix+tls") else "plain TCP"
        self.say(f"""\
Quorumbook serves{who}.
  data       {self._directory}  (log, trace.jsonl, endpoints.json)
  FIX        {endpoints["fix_zmq"]}  (ZeroMQ DEALER)    {endpoints["fix_tcp"]}  ({tcp})
  feed       {endpoints["feed"]}    snapshots {endpoints["snapshot"]}    admin {endpoints["admin"]}
Stop with Ctrl-C; start again on the same data and everything is as it was.""")

    def ready(self, endpoints: "Endpoints") -> None:
        """What to try next, then the line that programs wait for."""
        command = own_command()
        flow = self._directory / "day.csv.zst"
        at = "" if self._directory == default_directory() else f" --data {self._directory}"
        self.say(f"""\
Try in another terminal:
  {command} generate --out {flow}
  {command} play {flow} --symbol AAPL{at}
  {command} watch AAPL{at}
  {command} order buy AAPL 100 190.00{at}
  {command} status{at}
  {command} replay {self._directory} --verify""")
        self.say("ready " + " ".join(f"{name}={value}" for name, value in endpoints.items()))


@click.command()
def config() -> None:
    """Print a commented configuration file with every key at its default."""
    click.echo(complete_file(), nl=False)
