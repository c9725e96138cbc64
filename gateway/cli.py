"""The command line: which commands there are. Each is imported only when it runs, so that --help is quick."""

import importlib
import os
import sys
from pathlib import Path

import rich_click as click

# NumPy's linear algebra, which nothing here uses, would start a thread for each core; each spins at first for 30 ms.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# As "'x' is not a valid ..." names them.
click.IntRange.name = "integer"
click.FloatRange.name = "number"

COMMANDS = {
    "serve": ("gateway.server_commands", "Start an exchange on this machine."),
    "cluster": ("gateway.cluster_command", "Start a cluster of replicas on this machine."),
    "admin": (
        "gateway.operator_commands",
        "Operate an exchange: phases, instruments, limits, the kill switch.",
    ),
    "fix-echo": ("gateway.fix_echo_command", "Serve FIX sessions that send back what they get."),
    "config": ("gateway.server_commands", "Print a complete, commented configuration file."),
    "password": ("gateway.secret_commands", "Print what the configuration keeps of a client's password."),
    "keys": ("gateway.secret_commands", "Make a pair of CURVE keys, for an exchange or a client."),
    "status": ("gateway.status_command", "Show how a running exchange, or every replica of a cluster, is."),
    "transfer": ("gateway.member_commands", "Hand the leadership of a cluster to another replica."),
    "add": ("gateway.member_commands", "Add a replica to a cluster."),
    "remove": ("gateway.member_commands", "Remove a replica from a cluster."),
    "recover": (
        "gateway.recover_command",
        "Go on with one replica, when most of a cluster is lost for good.",
    ),
    "snapshot": ("gateway.snapshot_command", "Make a snapshot of a replica, which may run meanwhile."),
    "verify": ("gateway.verify_command", "Compare the logs and states of replicas."),
    "play": ("gateway.play_command", "Play a flow file into a running exchange over FIX."),
    "match": ("gateway.match_command", "Play a flow file through the engine in this process."),
    "operations": ("gateway.operations_command", "Show what was asked of an exchange, by whom, and why."),
    "replay": ("gateway.replay_command", "Re-apply an exchange's log."),
    "generate": ("gateway.generate_command", "Write a realistic order flow from a seed."),
    "convert": ("gateway.convert_command", "Turn LOBSTER or ITCH files into a flow and its fills."),
    "order": ("gateway.order_commands", "Enter an order."),
    "cancel": ("gateway.order_commands", "Cancel an order."),
    "replace": ("gateway.order_commands", "Change an order's quantity or price."),
    "orders": ("gateway.order_commands", "List a session's open orders."),
    "instruments": (
        "gateway.instrument_commands",
        "Show what instruments are doing, their terms and protections.",
    ),
    "book": ("gateway.book_commands", "Show a symbol's order book."),
    "watch": ("gateway.book_commands", "Watch a symbol's book and trades live."),
    "fix": ("gateway.fix_commands", "Print FIX logs with names of tags and values."),
    "bench": ("gateway.bench_command", "Measure speed beside its floors."),
}
GROUPS = {
    "Exchange": ("serve", "cluster", "config", "password", "keys", "status", "snapshot", "replay", "verify"),
    "Operators": ("admin", "operations"),
    "Members": ("transfer", "add", "remove", "recover"),
    "Order flow": ("generate", "convert", "match", "play"),
    "Trading": ("order", "cancel", "replace", "orders"),
    "Market": ("instruments", "book", "watch"),
    "FIX": ("fix", "fix-echo"),
    "Tests": ("bench",),
}
click.rich_click.COMMAND_GROUPS = {
    "quorumbook": [{"name": name, "commands": list(commands)} for name, commands in GROUPS.items()]
}


class Commands(click.RichGroup):
    """Commands by name, imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A stand-in that has the name and the help: enough for --help and completion."""
        if cmd_name not in COMMANDS:
            return None
        return click.RichCommand(name=cmd_name, short_help=COMMANDS[cmd_name][1], help=COMMANDS[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        if name is None or name not in COMMANDS:
            return name, None, rest
        command = getattr(importlib.import_module(COMMANDS[name][0]), name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return name, command, rest


@click.command(
    "quorumbook",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="quorumbook")
def quorumbook() -> None:
    """An exchange on your machine: FIX in, one durable log, a compiled matching core, market data out.

    Start one with `quorumbook serve`; play a flow into it from a second terminal with `quorumbook play`.
    """


def missing(module: str) -> str | None:
    """Why one of our modules is not there; None when it is not ours."""
    package = module.partition(".")[0]
    if package not in ("engine", "replication", "gateway"):
        return None
    places = list(sys.modules[package].__path__) if package in sys.modules else []
    if str(Path(__file__).resolve().parent.parent / package) in places:
        return f"this command needs {module}, which is not built here: outside Linux only the engine is"
    found = ", ".join(places) or "nothing"
    return f"it needs its own package {package!r}, but Python finds {found}: take that out of PYTHONPATH"


def main() -> None:
    """The console command. A user's mistake is one line on standard error that can be copied; exit code 1 or 2."""
    try:
        sys.exit(quorumbook.main(prog_name="quorumbook", standalone_mode=False))
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "quorumbook"
        text = " ".join(error.format_message().split())
        click.echo(f"quorumbook: {text} (see {where} --help)", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"quorumbook: {error.format_message()}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        why = missing(error.name or "")
        if why is None:
            raise
        click.echo(f"quorumbook: {why}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read the output has had enough
        sys.exit(1)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        click.echo(f"quorumbook: {text}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("quorumbook: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
