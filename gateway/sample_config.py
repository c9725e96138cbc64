"""The configuration file that `quorumbook config` prints: every key at its default, with a comment."""

import json
from typing import get_args, get_type_hints

from msgspec import Meta, Struct

from gateway.config import DEFAULT_INSTRUMENTS, Client, Config, DropCopy

COMMENTS = {
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
    "# protection is how far past the best opposite price a market order may take (empty: any distance).",
    "drop_copies": "Genesis too, a later file may add some: sessions that see others' reports and enter no orders.",
}


def complete_file() -> str:
    """A commented file with every key at its default; it loads as it is."""
    lines = ["# Quorumbook configuration. Every key is shown with its default; all may be left out.", ""]
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
        lines += ["[[instruments]]", *fields(instrument, comments=number == 0), ""]
    example = fields(DropCopy("RISK", ("ALICE", "BOB")))
    lines += [f"# {COMMENTS['drop_copies']}", *(f"# {one}" for one in ("[[drop_copies]]", *example)), ""]
    return "\n".join(lines)


def fields(value: Struct, *, comments: bool = True) -> list[str]:
    lines = []
    for key in value.__struct_fields__:
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
        described = next(
            m for m in get_args(get_type_hints(type(value), include_extras=True)[key]) if isinstance(m, Meta)
        )
        lines.append(
            f"{key} = {text}".ljust(33) + f" # {described.description}" if comments else f"{key} = {text}"
        )
    return lines
