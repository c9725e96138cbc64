"""The configuration file that `quorumbook config` prints: every key at its default, with a comment."""

import json
from typing import get_args, get_type_hints

from msgspec import Meta, Struct

from gateway.config import (
    DEFAULT_INSTRUMENTS,
    Client,
    Config,
    DropCopy,
    Instrument,
    Schedule,
    TickTable,
)  # fmt: skip

COMMENTS = {
    "operators": "Genesis, a later file may add some: whose sessions may halt, change and add instruments.",
    "network": "Where this process listens. Not part of the log; may change from one start to the next.",
    "limits": "What clients may take, each bounded for all others' sake. May change from one start to the next.",
    "clients": "Who may log on: a table for each client. With none anybody may, under any SenderCompID.",
    "storage": "Where the log lies.",
    "log": "How much of the log is kept, and how much of it a start has to read. Snapshots are made by a process of\n"
    "# low priority, beside a replica that does not lead or is the only one.",
    "fix": "How FIX is spoken with clients. A dictionary has QuickFIX's form, with private fields and messages; every\n"
    "# replica of a cluster has the same one.",
    "trace": "Diagnostics (never orders).",
    "cluster": "The replicas that hold one log between them. Without members: one replica, a cluster of its own.",
    "exchange": "Genesis values: they become the first entries of an empty log and stay. A later file that\n"
    "# disagrees is refused.",
    "instruments": "Genesis too. Prices are multiples of price_increment, quantities of quantity_increment, both\n"
    "# fixed for the instrument's life. Empty text means: round_lot and min_quantity one increment, no other limit;\n"
    "# protection is how far past the best opposite price a market order may take (empty: any distance). tick_table\n"
    "# says which of these are prices. static_band is around the reference_price, dynamic_band around the last trade,\n"
    "# price_distance how far past it a limit may be, max_notional what an order may be worth, breaker_percent the\n"
    "# move from the reference that halts trading. A later file may add instruments.",
    "tick_tables": "Genesis too, a later file may add some: the tick that prices are multiples of, by price.",
    "schedules": "When the day begins and ends. Who leads enters each phase when it is due by its own file: the times\n"
    "# may change from one start to the next.",
    "drop_copies": "Genesis too, a later file may add some: sessions that see others' reports and enter no orders.",
}


def complete_file() -> str:
    """A commented file with every key at its default; it loads as it is."""
    lines = ["# Quorumbook configuration. Every key is shown with its default; all may be left out.", ""]
    lines += [f"# {COMMENTS['operators']}", described("operators", Config()), ""]
    for section in ("network", "limits", "storage", "log", "fix", "trace", "cluster", "exchange"):
        value = getattr(Config(), section)
        lines += [f"# {COMMENTS[section]}", f"[{section}]", *fields(value), ""]
        if section == "limits":
            lines += [
                f"# {COMMENTS['clients']}",
                *(f"# {one}" for one in ("[[clients]]", *fields(Client(own_tags=True)))),
                "",
            ]
    lines.append(f"# {COMMENTS['instruments']}")
    for number, instrument in enumerate(DEFAULT_INSTRUMENTS):
        lines += ["[[instruments]]", *(own(instrument) if number else fields(instrument)), ""]
    example = fields(DropCopy("RISK", ("ALICE", "BOB")))
    lines += [f"# {COMMENTS['drop_copies']}", *(f"# {one}" for one in ("[[drop_copies]]", *example)), ""]
    day = Schedule("DAY", pre_open="08:00", continuous="09:00", closing_auction="16:30", closed="16:35")
    for section, value in (
        ("tick_tables", TickTable("SHARES", ("0.01", "10:0.05", "100:0.1"))),
        ("schedules", day),
    ):
        lines += [f"# {COMMENTS[section]}", *(f"# {one}" for one in (f"[[{section}]]", *fields(value))), ""]
    return "\n".join(lines)


def own(instrument: Instrument) -> list[str]:
    """What is not at its default."""
    default = Instrument(instrument.symbol)
    differs = [
        key for key in instrument.__struct_fields__ if getattr(instrument, key) != getattr(default, key)
    ]
    lines = fields(instrument, comments=False)
    return [line for line in lines if line.partition(" = ")[0] in ("symbol", *differs)]


def fields(value: Struct, *, comments: bool = True) -> list[str]:
    return [described(key, value) if comments else line_of(key, value) for key in value.__struct_fields__]


def line_of(key: str, value: Struct) -> str:
    here = getattr(value, key)
    text = (
        str(here).lower()
        if isinstance(here, bool)
        else f'"{here}"'
        if isinstance(here, str)
        else json.dumps(here)
        if isinstance(here, tuple)
        else str(here)
    )
    return f"{key} = {text}"


def described(key: str, value: Struct) -> str:
    hints = get_args(get_type_hints(type(value), include_extras=True)[key])
    meaning = next(one for one in hints if isinstance(one, Meta))
    return line_of(key, value).ljust(33) + f" # {meaning.description}"
