"""Where the exchange is: for the commands that talk to one.

`--data DIR` (or the default directory) names a running exchange's data directory, whose endpoints.json
says where it listens; `--connect ENDPOINT` names its FIX endpoint directly.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import zmq

from gateway.client_link import ConnectError, address
from gateway.client_session import SessionError
from gateway.config import DEFAULT_INSTRUMENTS, ConfigError, default_directory, read_endpoints

ANSWER_MS = 5000

Instruments = dict[str, tuple[Decimal, Decimal]]
"""Symbol to price and quantity increment."""


class Place:
    """A running exchange, found by its data directory or by a FIX endpoint."""

    def __init__(self, connect: str | None, data: Path | None) -> None:
        self.connect = connect
        self.directory = replica_in((data or default_directory()).absolute())
        if connect is not None:
            address(connect)
        self.endpoints: dict[str, Any] = {}
        try:
            self.endpoints = read_endpoints(self.directory)
        except ConfigError:
            if connect is None:
                raise
        if connect is not None and data is None and not self._same():
            self.endpoints = {}  # the default directory is another exchange's

    def _same(self) -> bool:
        """Whether --connect leads to the exchange that the data directory belongs to."""
        assert self.connect is not None
        port = address(self.connect)[2]
        known = (self.endpoints.get(name) for name in ("fix_tcp", "fix_zmq"))
        return any(port == address(endpoint)[2] for endpoint in known if endpoint)

    def fix(self) -> str | Callable[[], str]:
        """Where to log on; asked again at every reconnect, since a restarted exchange may listen elsewhere."""
        if self.connect is not None:
            return self.connect
        return self._fix_tcp

    def _fix_tcp(self) -> str:
        """Plain TCP: when this process is killed the exchange knows at once, and the next one need not wait."""
        try:
            return "fix+" + str(read_endpoints(self.directory)["fix_tcp"])
        except ConfigError as error:
            raise ConnectError(str(error)) from None  # while an exchange restarts the file is not there

    def memory(self, comp_id: str) -> Path:
        """The file that remembers this session's numbers between commands."""
        name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"%{ord(found[0]):02x}", comp_id) + ".json"
        if self.connect is None:
            return self.directory / "clients" / name
        _, host, port = address(self.connect)
        return default_directory() / "clients" / f"{host.replace('/', '%2f')}-{port}" / name

    def other(self, name: str) -> str:
        """The feed, snapshot or admin endpoint."""
        if name not in self.endpoints:
            raise ConfigError(
                f"only the FIX endpoint is known: give --data with the exchange's directory ({name})"
            )
        return str(self.endpoints[name])

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
                    f"quorumbook serve --data {self.directory}"
                )
            answer: dict[str, Any] = json.loads(socket.recv())
        if "error" in answer:
            raise ConfigError(answer["error"])
        return answer

    @property
    def assumed(self) -> bool:
        """Only the FIX endpoint is known, which tells no instruments: they are taken to be the default ones."""
        return "admin" not in self.endpoints

    def instruments(self) -> Instruments:
        """What is traded there; without an admin endpoint, what an exchange with the default configuration has."""
        if self.assumed:
            return {
                one.symbol: (Decimal(str(one.price_increment)), Decimal(str(one.quantity_increment)))
                for one in DEFAULT_INSTRUMENTS
            }
        found = self.ask({"command": "instruments"})["instruments"]
        return {
            symbol: (Decimal(one["price_increment"]), Decimal(one["quantity_increment"]))
            for symbol, one in found.items()
        }

    def instrument(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Price and quantity increment. ConfigError lists the symbols that exist."""
        instruments = self.instruments()
        if symbol not in instruments:
            whose = "an exchange with the default configuration" if self.assumed else "this exchange"
            hint = "; give --data with its directory to have its own symbols" if self.assumed else ""
            raise ConfigError(f"unknown symbol {symbol!r}; {whose} has {', '.join(instruments)}{hint}")
        return instruments[symbol]


def replica_in(directory: Path) -> Path:
    """A data directory as it is; of a directory that `quorumbook cluster` made, or has in it, one of the replicas that
    run."""
    if (directory / "endpoints.json").exists():
        return directory
    for above in (directory, directory / "cluster"):
        for file in sorted(above.glob("replica*.toml")):
            try:
                os.kill(read_endpoints(file.with_suffix(""))["pid"], 0)
            except (ConfigError, OSError):
                continue
            return file.with_suffix("")
    return directory


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a user can do something about into a message without a traceback."""
    try:
        yield
    except ConnectionError as error:
        advice = ". Is it running? Start one: quorumbook serve" if "no exchange answers" in str(error) else ""
        raise click.ClickException(f"{error}{advice}") from None
    except (ConfigError, SessionError, TimeoutError, ValueError) as error:
        raise click.ClickException(str(error)) from None
