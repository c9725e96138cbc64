"""The command `fix-echo`: the session layer alone, with an application that sends back what it gets."""

import ipaddress
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from gateway.config import Client, Config, ConfigError, Fix, Limits, Loaded, Network, Storage, Trace

if TYPE_CHECKING:
    from gateway.endpoints import Endpoints

SENDING_TIME_SECONDS = 120  # as engines in the field have it
OPTIONS = {"host": "--host", "fix_tcp": "--port", "fix_zmq": "--zmq"}  # what says each key of [network]
FAILURES = 1_000_000  # of Logons in a minute: a suite is made of them


class Told:
    """What whoever started it reads."""

    def say(self, what: str) -> None:
        click.echo(what)

    def listening(self, endpoints: "Endpoints") -> None:
        """Said when it is ready, too."""

    def ready(self, endpoints: "Endpoints") -> None:
        self.say(f"ready fix_tcp={endpoints['fix_tcp']} fix_zmq={endpoints['fix_zmq']} pid={os.getpid()}")


def zmq_port(endpoint: str | None, host: str) -> int:
    """0: any free one. Raises click.UsageError."""
    if endpoint is None:
        return 0
    try:
        parts = urlsplit(endpoint)
        if parts.scheme == "tcp" and parts.hostname in {host, "localhost", "*"} and parts.port is not None:
            return parts.port
    except ValueError:
        pass
    raise click.UsageError(
        f"--zmq {endpoint}: allowed: tcp://{host}:PORT; --host ADDRESS has both sockets listen elsewhere"
    )


def check_host(host: str) -> None:
    """Raises click.UsageError."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise click.UsageError(
            f"--host {host}: allowed: an IP address of this machine, or 0.0.0.0 for all of them"
        ) from None


def loaded(network: Network, sender: str, target: str, reset_on_logon: bool, fix_log: Path | None) -> Loaded:
    """Ports other than 0 are not replaced when somebody has them. Raises ConfigError."""
    from gateway import inputs

    config = Config(
        network=network,
        clients=(Client(comp_id=target),),
        limits=Limits(logon_failures_per_minute=FAILURES),
        storage=Storage(durability="memory"),
        trace=Trace(to="none"),
        fix=Fix(explain_refusals=False, log=str(fix_log) if fix_log else False),
    )
    try:
        genesis = inputs.setting(
            comp_id=sender,
            sending_time_seconds=SENDING_TIME_SECONDS,
            reset_on_logon=reset_on_logon,
            echo=True,
        )
    except ValueError as error:
        raise ConfigError(f"--sender: {error}") from None
    return Loaded(config, "fix-echo", frozenset(f"network.{key}" for key in OPTIONS), (genesis,))


@click.command("fix-echo")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="TCP port; 0: any that is free.")
@click.option("--zmq", "endpoint", metavar="ENDPOINT", help="tcp://127.0.0.1:PORT of the ZeroMQ socket.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where both listen, plain. With another one whoever reaches it may come in.",
)
@click.option("--sender", required=True, metavar="COMPID", help="The CompID of the echo.")
@click.option("--target", required=True, metavar="COMPID", help="The only CompID that may log on.")
@click.option(
    "--reset-on-logon", is_flag=True, help="Every Logon begins with MsgSeqNum 1 again, on both sides."
)
@click.option(
    "--dictionary",
    type=click.Path(dir_okay=False, path_type=Path),
    help="XML data dictionary, as of QuickFIX, that is added to FIX 4.4.",
)
@click.option(
    "--fix-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the FIX traffic to this file; read it with quorumbook fix decode.",
)
def fix_echo(
    port: int,
    endpoint: str | None,
    host: str,
    sender: str,
    target: str,
    reset_on_logon: bool,
    dictionary: Path | None,
    fix_log: Path | None,
) -> None:
    """Serve FIX 4.4 sessions whose every application message comes back, until it is stopped (Ctrl-C).

    For tests of the session layer, by suites of scenarios such as other FIX engines have. A Logon that is refused is
    answered by the end of the connection alone. It keeps nothing: each start is new.
    """
    from gateway.dictionary_file import read_dictionary
    from gateway.endpoints import CannotListen
    from gateway.fix import use
    from gateway.fix44 import FIX44
    from gateway.process import serve
    from gateway.server import Stopped
    from gateway.trace import tracer
    from replication.files import LogError

    check_host(host)
    zmq = zmq_port(endpoint, host)
    network = Network(host=host, fix_zmq=zmq, fix_tcp=port, feed=0, snapshot=0, admin=0)
    try:
        configuration = loaded(network, sender, target, reset_on_logon, fix_log)
        use(read_dictionary(dictionary) if dictionary else FIX44, echo=True)
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quorumbook-echo-")))
            nowhere = stack.enter_context(open(os.devnull, "a", encoding="utf-8"))
            serve(configuration, directory, tracer(nowhere, "error"), Told())
    except CannotListen as error:
        raise click.ClickException(f"{OPTIONS.get(error.key, error.key)}: {error.what}") from None
    except (ConfigError, LogError, Stopped) as error:
        raise click.ClickException(str(error)) from None
    click.echo("stopped")
