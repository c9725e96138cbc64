"""Where the exchange is: for the commands that talk to one.

`--data DIR` (or the default directory) names a running exchange's data directory, whose endpoints.json
says where it listens; `--connect ENDPOINT` names its FIX endpoint directly. Of a cluster both, each as often as
wanted, name all replicas that a session may go on at. Commands for operators take `--admin` instead (replicas.py).
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import zmq

from gateway.client_core import Wire
from gateway.client_link import ConnectError, address
from gateway.client_orders import RequestRefused
from gateway.client_session import SessionError
from gateway.config import DEFAULT_INSTRUMENTS, ConfigError
from gateway.data_directory import default_directory, read_endpoints, start_command
from gateway.proofs import Proofs, what_to_show
from gateway.replicas import ask_all, beside, by_directory, in_directory, unled, unreached

ANSWER_MS = 5000
TRACE_BYTES = 65_536
RECENT_SECONDS = 15
TRACED_SECONDS = 0.5
LOOK_SECONDS = 0.02
FIX_LOG = f"{__name__}.fix_log"

Command = TypeVar("Command", bound=Callable[..., Any])


def where_to_log_on(command: Command) -> Command:
    """The options --connect and --data, each as often as wanted, what a session shows, and --fix-log."""
    for option in (
        click.option(
            "--fix-log",
            type=click.Path(dir_okay=False, path_type=Path),
            callback=keep_fix_log,
            expose_value=False,
            help="Write the FIX traffic to this file; read it with quorumbook fix decode.",
        ),
        what_to_show,
        click.option(
            "--connect",
            "endpoints",
            multiple=True,
            metavar="ENDPOINT",
            help="The exchange's FIX endpoint, e.g. tcp://127.0.0.1:7611; repeat for those of other replicas.",
        ),
        by_directory,
    ):
        command = option(command)
    return command


def keep_fix_log(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    """Aside, for `Place.wire`."""
    ctx.meta[FIX_LOG] = value


class Place:
    """A running exchange, found by data directories of its replicas or by their FIX endpoints."""

    def __init__(self, connect: Sequence[str], data: Sequence[Path]) -> None:
        self.connect = list(connect)
        self._proofs = Proofs()
        for endpoint in self.connect:
            address(endpoint)
        named = list(data) or [default_directory()]
        self._directories = list(dict.fromkeys(one for place in named for one in beside(place.absolute())))
        self.directory = next(iter(self._running()), self._directories[0])
        self.endpoints: dict[str, Any] = {}
        try:
            self.endpoints = read_endpoints(self.directory)
        except ConfigError:
            if not connect:
                raise
        if connect and not data and not self._same():
            self.endpoints = {}  # the default directory is another exchange's

    def _running(self) -> list[Path]:
        return [directory for directory in self._directories if in_directory(directory).admin]

    def _same(self) -> bool:
        """Whether --connect leads to the exchange that the data directory belongs to."""
        ports = [address(endpoint)[2] for endpoint in self.connect]
        known = (self.endpoints.get(name) for name in ("fix_tcp", "fix_zmq"))
        return any(address(endpoint)[2] in ports for endpoint in known if endpoint)

    def fix(self) -> list[str] | Callable[[], list[str]]:
        """Where to log on; asked again at every reconnect, since a restarted exchange may listen elsewhere."""
        return self.connect or self._fix_here

    def _fix_here(self) -> list[str]:
        """By TCP: when this process is killed the exchange knows at once, and the next one need not wait. With keys for
        CURVE by ZeroMQ."""
        try:
            found = [read_endpoints(one) for one in self._running() or self._directories[:1]]
        except ConfigError as error:
            raise ConnectError(str(error)) from None  # while an exchange restarts the file is not there
        name = "fix_tcp" if self._proofs.curve_keys is None else "fix_zmq"
        return [str(one[name]) for one in found]

    def wire(self) -> Wire:
        """What a session shows there, whom it trusts, and where its messages are written down."""
        known = [self.endpoints] if self.connect else [read_endpoints(one) for one in self._running()]
        wire = cast(Wire, self._proofs.options(known))
        context = click.get_current_context(silent=True)
        if path := context.meta.get(FIX_LOG) if context is not None else None:
            wire["fix_log"] = path
        return wire

    def curve(self) -> tuple[str, str, str] | None:
        """The keys for the feed and for snapshots."""
        if self.endpoints.get("curve_server_key") and self._proofs.curve_keys is None:
            raise ConfigError("this exchange's feed is for who has a client's key: give --curve-keys")
        return self._proofs.curve([self.endpoints])

    def memory(self, comp_id: str) -> Path:
        """The file that remembers this session's numbers between commands; one for all replicas."""
        name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"%{ord(found[0]):02x}", comp_id) + ".json"
        if not self.connect:
            alone = len(self._directories) == 1
            return (self._directories[0] if alone else self._directories[0].parent) / "clients" / name
        _, host, port = address(self.connect[0])
        return default_directory() / "clients" / f"{host.replace('/', '%2f')}-{port}" / name

    def other(self, name: str) -> str:
        """The feed, snapshot or admin endpoint."""
        if name not in self.endpoints:
            raise ConfigError(
                f"only the FIX endpoint is known: give --data with the exchange's directory ({name})"
            )
        return str(self.endpoints[name])

    def others(self, name: str) -> list[str]:
        """The feed or snapshot endpoints of all replicas that run on this machine."""
        return [str(read_endpoints(one)[name]) for one in self._running()] or [self.other(name)]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One question to the admin socket. ConfigError when nobody answers or the answer is an error."""
        endpoint = self.other("admin")
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        with socket:
            socket.linger = 0
            socket.connect(endpoint)
            socket.send(json.dumps(request).encode())
            if not socket.poll(ANSWER_MS):
                raise ConfigError(
                    f"{endpoint}: no answer within {ANSWER_MS // 1000} s from process {self.endpoints.get('pid')}: it "
                    "is stuck, or has ended without cleaning up; then start it: "
                    f"{start_command(self.directory)}"
                )
            answer: dict[str, Any] = json.loads(socket.recv())
        if "error" in answer:
            raise ConfigError(answer["error"])
        return answer

    def unled(self) -> str | None:
        """Why nothing can be decided now, for people; None: a replica knows a leader, or none can be asked."""
        replies = ask_all(list(map(in_directory, self._directories)), {"command": "status"})
        statuses = [reply.answer for reply in replies if not reply.why]
        if not self.endpoints or not statuses or any(status["leader"] for status in statuses):
            return None
        return unled(statuses, unreached(replies))

    def refusal(self, comp_id: str) -> str | None:
        """Why a replica on this machine has just refused a Logon, by its trace; None: it says nothing of it.

        The connection may be closed a moment before that is written.
        """
        traces = [one / "trace.jsonl" for one in self._running()] if self.endpoints else []
        end = time.monotonic() + TRACED_SECONDS
        while traces and time.monotonic() < end:
            for trace in traces:
                for told in map(json.loads, reversed(last_lines(trace))):
                    if is_refusal(told, comp_id):
                        return f"{told['why']} ({trace})"
            time.sleep(LOOK_SECONDS)
        return None

    @property
    def assumed(self) -> bool:
        """Only the FIX endpoint is known, which tells no instruments: they are taken to be the default ones."""
        return "admin" not in self.endpoints

    def instrument(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Price and quantity increment. Without an admin endpoint, those of an exchange with the default configuration.
        ConfigError names symbols that exist."""
        if not self.assumed:
            one = self.ask({"command": "instruments", "symbol": symbol})["instruments"][symbol]
            return Decimal(one["price_increment"]), Decimal(one["quantity_increment"])
        default = {known.symbol: known for known in DEFAULT_INSTRUMENTS}
        if symbol not in default:
            raise ConfigError(
                f"unknown symbol {symbol!r}; an exchange with the default configuration has {', '.join(default)}; "
                "give --data with its directory to have its own symbols"
            )
        return Decimal(str(default[symbol].price_increment)), Decimal(str(default[symbol].quantity_increment))


def last_lines(path: Path) -> list[bytes]:
    """The whole lines among the last bytes of a file; none of one that is not there."""
    try:
        with path.open("rb") as file:
            begin = max(path.stat().st_size - TRACE_BYTES, 0)
            file.seek(begin)
            return file.read().split(b"\n")[begin > 0 : -1]
    except OSError:
        return []


def is_refusal(told: dict[str, Any], comp_id: str) -> bool:
    """Whether it tells why a Logon of this client was refused lately.

    A reason that comes again within a second is traced once, and then how often.
    """
    if told["event"] != "logon refused" or told.get("comp_id") != comp_id or "count" in told:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(told["timestamp"]) < timedelta(seconds=RECENT_SECONDS)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a user can do something about into a message without a traceback."""
    try:
        yield
    except BrokenPipeError:  # standard output's, which nobody reads any more
        raise
    except ConnectionError as error:
        advice = ". Is it running? Start one: quorumbook serve" if "no exchange answers" in str(error) else ""
        raise click.ClickException(f"{error}{advice}") from None
    except (ConfigError, RequestRefused, SessionError, TimeoutError, ValueError) as error:
        raise click.ClickException(str(error)) from None
