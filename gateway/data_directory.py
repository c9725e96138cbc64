"""Where the data of an exchange lies, what a running one wrote there, and what starts it."""

import os
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import ConfigError


def default_directory() -> Path:
    """Where the data lies unless something else is said: $XDG_STATE_HOME/quorumbook (~/.local/state/quorumbook)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "quorumbook"


def read_endpoints(directory: Path) -> dict[str, Any]:
    """What a running exchange wrote. Raises ConfigError when none runs there."""
    path = directory / "endpoints.json"
    try:
        endpoints: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"no exchange runs on {directory}. Start it: {start_command(directory)}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return endpoints


def own_file(directory: Path) -> Path:
    """The configuration of the replica whose data directory it is, as `quorumbook cluster` lays them out."""
    return directory.with_name(f"{directory.name}.toml")


def start_command(directory: Path) -> str:
    """What starts the exchange, or the replica, whose data directory it is."""
    if own_file(directory).exists():
        return f"quorumbook serve --config {own_file(directory)}"
    if (directory / "peers").exists():
        # A member of a cluster keeps that, and starts with its configuration only.
        return "quorumbook serve --config FILE"
    return "quorumbook serve" if directory == default_directory() else f"quorumbook serve --data {directory}"
