"""What is wrong with a configuration, in people's words: the key, what the file says there, and what is allowed."""

import json
import re
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from gateway.config import Client, Config, ConfigError, DropCopy, Instrument, Schedule, TickTable

HUGE = 10**40
TABLES: dict[Any, str] = {
    Instrument: "instruments", Client: "clients", DropCopy: "drop_copies", TickTable: "tick_tables",
    Schedule: "schedules",
}  # fmt: skip
AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.S)
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.S)
MISSING = re.compile(r"Object missing required field `(.*)`", re.S)


def wrong(key: str, what: str) -> ConfigError:
    """Of a key's value that its type allows; who reads the file puts its name in front."""
    return ConfigError(f"{key}: {what}")


def explained(text: str, table: dict[str, Any]) -> str:
    """msgspec's message with the key first, what the file says there, and what is allowed last."""
    match = AT.match(text)
    assert match
    what, path = match["what"], (match["path"] or "$").removeprefix("$").removeprefix(".")
    if unknown := UNKNOWN.match(what):
        struct = at_path(path)[0]
        if path and unknown[1] == "operators":
            return f"{joined(path, plain(unknown[1]))}: it belongs before the first table of the file, not below one"
        allowed = ", ".join(struct.__struct_fields__) if struct else ""
        return f"{joined(path, plain(unknown[1]))}: unknown key; allowed here: {allowed}"
    if missing := MISSING.match(what):
        return f"{joined(path, missing[1])}: missing; allowed: {at_path(joined(path, missing[1]))[1]}"
    return f"{path}: it is {stated(table, path)}; allowed: {at_path(path)[1]}"


def stated(table: dict[str, Any], path: str) -> str:
    """The value at a path, in TOML's words."""
    here: Any = table
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        here = here[int(number)] if number else here[key]
    if isinstance(here, dict):
        return "a table"
    if isinstance(here, list):
        return "an array"
    if isinstance(here, int) and abs(here) >= HUGE:
        return "a number of more than 40 digits"
    return shown(here) if isinstance(here, str) else str(here).lower()


def shown(text: str) -> str:
    """A value in quotes, on one line and not too long."""
    quoted = json.dumps(text[:60], ensure_ascii=not text.isprintable())
    return quoted if len(text) <= 60 else f"{quoted[:-1]}..."


def plain(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else shown(key)


def deepest(text: str) -> str:
    """Where the brackets are, as well as can be said of what cannot be read."""
    lines = text.split("\n")
    number = max(range(len(lines)), key=lambda at: lines[at].count("[") + lines[at].count("{"))
    return f"line {number + 1}, {plain(lines[number].partition('=')[0].strip())}"


def joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def at_path(path: str) -> tuple[type[Struct] | None, str]:
    """The struct at a path such as `instruments[0].symbol`, or the description of the value there."""
    here: Any = Config
    for key in filter(None, re.sub(r"\[\.*\d*\.*\]", "", path).split(".")):
        here = get_type_hints(here, include_extras=True).get(key)
        if get_origin(here) is tuple:
            here = get_args(here)[0]
    if isinstance(here, type) and issubclass(here, Struct):
        keys = ", ".join(here.__struct_fields__)
        if here in TABLES:
            one = re.sub(r"(?<!^)([A-Z])", r" \1", here.__name__).lower()
            return here, f"for each {one} a table under [[{TABLES[here]}]] (two brackets), with {keys}"
        return here, f"a table [{path}], with {keys}"
    return None, next((meta.description or "" for meta in get_args(here) if isinstance(meta, Meta)), "")
