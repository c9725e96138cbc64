"""Where a server listens: ports that are free, and endpoints.json, which says it to clients."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.config import ConfigError, Loaded

Endpoints = dict[str, str | int]
ORDER = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")
FILE = "endpoints.json"


def bind(loaded: Loaded, say: Callable[[str], None], name: str, how: Callable[[str], str]) -> str:
    """The endpoint. how: binds an address, raises OSError. A default port that is taken gives way to a free one; one
    that the file states is a ConfigError."""
    network = loaded.config.network
    host = f"[{network.host}]" if ":" in network.host else network.host
    port = getattr(network, name)
    try:
        return how(f"tcp://{host}:{port}")
    except OSError as error:
        if f"network.{name}" in loaded.given:
            raise ConfigError(
                f"{loaded.file}: network.{name}: port {port} on {host}: {error.strerror}"
            ) from None
        say(f"port {port} ({name}) is taken: using a free one")
        return how(f"tcp://{host}:0")


def complete(found: dict[str, str]) -> Endpoints:
    """In the order in which people look for them, and with this process."""
    return {**{name: found[name] for name in ORDER}, "pid": os.getpid()}


def write(directory: Path, endpoints: Endpoints) -> None:
    """Whole or not at all: readers never see half a file. Raises OSError."""
    new = directory / f"{FILE}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(endpoints)) + b"\n")
    new.replace(directory / FILE)


def remove(directory: Path) -> None:
    with suppress(OSError):
        (directory / FILE).unlink()
