"""Where a server listens: ports that are free, and endpoints.json, which says it to clients."""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from gateway.addresses import is_loopback
from gateway.config import ConfigError, Loaded
from gateway.curve import server_keys

Endpoints = dict[str, str | int]
ORDER = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")
FILE = "endpoints.json"
NO_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV}  # of this machine; the last by ZeroMQ


class CannotListen(ConfigError):
    """key: of [network], what is wrong there."""

    def __init__(self, loaded: Loaded, key: str, what: str) -> None:
        super().__init__(f"{loaded.file}: network.{key}: {what}")
        self.key = key
        self.what = what


def bind(loaded: Loaded, taken: list[str], name: str, how: Callable[[str], str]) -> str:
    """The endpoint. how: binds an address, raises OSError. A default port that is taken gives way to a free one, and
    goes to `taken`; one that the file states is not replaced. Raises CannotListen."""
    network = loaded.config.network
    host = f"[{network.host}]" if ":" in network.host else network.host
    if name == "admin" and not is_loopback(network.host):  # who reaches it may stop the exchange
        host = "[::1]" if ":" in network.host else "127.0.0.1"
    port = getattr(network, name)
    try:
        return how(f"tcp://{host}:{port}")
    except OSError as error:
        if error.errno in NO_ADDRESS:
            what = f"this machine has no address {network.host}; allowed: one that it has, such as 127.0.0.1"
            raise CannotListen(loaded, "host", what) from None
        if f"network.{name}" in loaded.given:
            what = f"port {port} on {host}: {error.strerror}"
            raise CannotListen(loaded, name, what) from None
        taken.append(f"{port} ({name})")
        return how(f"tcp://{host}:0")


def listener_at(address: str) -> socket.socket:
    """Bound, for other members. Raises OSError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, int(port)))
    except OSError as error:
        made.close()
        raise OSError(error.errno, error.strerror, address) from None
    return made


def not_for_members(loaded: Loaded, error: OSError) -> ConfigError:
    """What `listener_at` raised, for people."""
    return ConfigError(f"{loaded.file}: cluster.members: {error.filename}: {error.strerror}")


def try_all(loaded: Loaded) -> None:
    """Binds what the file states, and where all listen, and lets it go again: before there is a log, which keeps a
    wrong address for ever. Raises ConfigError."""
    cluster = loaded.config.cluster
    with ExitStack() as stack:

        def bound(address: str) -> str:
            stack.enter_context(listener_at(address.removeprefix("tcp://")))
            return address

        for name in ORDER:
            if f"network.{name}" in loaded.given or name == "fix_tcp":  # a usual port may be taken
                bind(loaded, [], name, bound)
        if cluster.members:
            try:
                bound(cluster.addresses()[cluster.member])
            except OSError as error:
                raise not_for_members(loaded, error) from None


def complete(found: dict[str, str]) -> Endpoints:
    """In the order in which people look for them, and with this process."""
    return {**{name: found[name] for name in ORDER}, "pid": os.getpid()}


def write(directory: Path, endpoints: Endpoints, loaded: Loaded) -> None:
    """Whole or not at all: readers never see half a file. It outlives a replica that is killed: of a member of a
    cluster it has which one that is, and its configuration. It has what clients on this machine may trust. Raises
    OSError."""
    cluster = loaded.config.cluster
    member = {"member": cluster.member, "config": os.path.abspath(loaded.file)} if cluster.members else {}
    network = loaded.config.network
    trust = {"tls_certificate": os.path.abspath(network.tls_certificate)} if network.tls_certificate else {}
    if keys := server_keys(network.curve_secret_key_file):
        trust["curve_server_key"] = keys.public
    new = directory / f"{FILE}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode({**endpoints, **trust, **member})) + b"\n")
    new.replace(directory / FILE)


def remove(directory: Path) -> None:
    with suppress(OSError):
        (directory / FILE).unlink()
