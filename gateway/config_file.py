"""The configuration file read: TOML, then its sections, then what types cannot say, then the genesis that it gives."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import Config, ConfigError, Loaded
from gateway.config_checks import check
from gateway.config_errors import HUGE, deepest, explained
from gateway.genesis_inputs import genesis_inputs
from gateway.trial import judge


def load(path: Path | None) -> Loaded:
    """Reads the file, or the embedded default. Raises ConfigError."""
    if path is None:
        return checked(Config(), "the embedded default", {})
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; a TOML file is") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Loaded:
    try:
        table = read_table(text)
    except ValueError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(
            f"{file}: {deepest(text)}: arrays or tables nested too deep; allowed: what quorumbook config prints"
        ) from None
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {explained(str(error), table)}") from None
    return checked(config, file, table)


def read_table(text: str) -> dict[str, Any]:
    """Raises ValueError and RecursionError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        # A number of more digits than Python reads: a shorter one is as wrong, and its key is named.
        return tomllib.loads(re.sub(r"\d[\d_]{999,}", str(HUGE), text))


def checked(config: Config, file: str, table: dict[str, Any]) -> Loaded:
    """table: what the file itself states. Raises ConfigError."""
    try:
        check(config)
        genesis = tuple(genesis_inputs(config))
        judge(config.instruments, genesis)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    given = {f"{section}.{key}" for section in ("network", "exchange") for key in table.get(section, {})}
    lists = {"instruments", "drop_copies", "operators", "tick_tables"} & table.keys()
    return Loaded(config, file, frozenset(given | lists), genesis)
