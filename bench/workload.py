"""The workload files of the matching benchmark as engine commands: `.bin` with answers beside it, or flash1.

A `.bin` begins with a header of 32 bytes (`MEW1`, version, records that fill the book, all records), and has records
of 16 bytes; what a correct engine makes of it is in FILE.ref.json. A flash1 scenario is records of 24 bytes, raw or
.zst. Orders are cancelled and replaced by client_ref, as a client would.
"""

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.records import COMMAND, CommandKind, OrderType, TimeInForce

Records = npt.NDArray[np.void]
Refs = npt.NDArray[np.uint64]

MAGIC = b"MEW1"
HEADER = struct.Struct("<4sIII16x")  # magic, version, records that fill the book, all records
VERSION = 1
OPERATION = np.dtype(
    [("op", "u1"), ("side", "u1"), ("zero", "<u2"), ("qty", "<u4"), ("id", "<u4"), ("price", "<i4")]
)
NEW_OPERATION, CANCEL_OPERATION, MARKETABLE_OPERATION = 0, 1, 2
MESSAGE = np.dtype(
    [
        ("type", "u1"),
        ("side", "u1"),
        ("ioc", "u1"),
        ("zero", "u1"),
        ("qty", "<u4"),
        ("id", "<u8"),
        ("price", "<i8"),
    ]
)
ANSWERS = ("trades", "volume", "notional", "hash")
OWNER = 1


class Wrong(Exception):
    """The engine's answers are not the published ones, or the file is not a workload."""


class Workload(NamedTuple):
    """Commands of one instrument, and what must come out."""

    commands: Records
    prefill: int  # the first so many commands are not timed
    published: dict[str, Any] | None  # ANSWERS; None: flash1


def read(path: Path) -> Workload:
    """Raises Wrong: the file cannot be read, is no workload, or its answers are missing."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}") from None
    if path.suffix == ".zst":
        data = unpacked(path, data)
    if data[:4] == MAGIC:
        return read_operations(path, data)
    if not data or len(data) % MESSAGE.itemsize:
        raise Wrong(
            f"{path}: is no workload: it neither begins with MEW1 nor holds whole records of {MESSAGE.itemsize} "
            "bytes (flash1)"
        )
    return Workload(flash1_commands(path, np.frombuffer(data, MESSAGE)), 0, None)


def unpacked(path: Path, data: bytes) -> bytes:
    import zstandard

    try:
        return zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(data).read()
    except zstandard.ZstdError as error:
        raise Wrong(f"{path}: cannot be unpacked: {error}") from None


def read_operations(path: Path, data: bytes) -> Workload:
    if len(data) < HEADER.size:
        raise Wrong(f"{path}: ends within its header of {HEADER.size} bytes")
    _, version, prefill, total = HEADER.unpack_from(data)
    if version != VERSION:
        raise Wrong(f"{path}: is of version {version}; {VERSION} can be read")
    count, rest = divmod(len(data) - HEADER.size, OPERATION.itemsize)
    if rest or count != total or prefill >= total:
        raise Wrong(
            f"{path}: the header announces {total} records, {prefill} of them to fill the book; there are {count}"
            + (f" and {rest} bytes" if rest else "")
        )
    operations = np.frombuffer(data, OPERATION, offset=HEADER.size)
    known = (operations["op"] <= MARKETABLE_OPERATION) & (operations["side"] <= 1) & (operations["zero"] == 0)
    if not known.all():
        raise Wrong(f"{path}: record {int(known.argmin())} has an unknown operation or side")
    return Workload(commands_of(operations), prefill, read_answers(path.with_name(path.name + ".ref.json")))


def read_answers(path: Path) -> dict[str, Any]:
    try:
        published = json.loads(path.read_text())
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}; the answers are needed to check the run") from None
    except ValueError as error:
        raise Wrong(f"{path}: is not JSON: {error}") from None
    if not isinstance(published, dict) or not published.keys() >= set(ANSWERS):
        raise Wrong(f"{path}: must be an object with {', '.join(ANSWERS)}")
    return published


def commands_of(operations: Records) -> Records:
    """Every new order is a limit order that stays until it is filled or cancelled."""
    commands = np.zeros(len(operations), COMMAND)
    cancels = operations["op"] == CANCEL_OPERATION
    commands["kind"] = np.where(cancels, CommandKind.CANCEL, CommandKind.NEW)
    commands["order_type"] = np.where(cancels, 0, OrderType.LIMIT)
    commands["side"] = operations["side"]
    commands["time_in_force"] = np.where(cancels, 0, TimeInForce.GTC)
    commands["owner"] = OWNER
    commands["client_ref"] = operations["id"]
    commands["price_ticks"] = np.where(cancels, 0, operations["price"])
    commands["quantity_lots"] = operations["qty"]
    return commands


def flash1_commands(path: Path, messages: Records) -> Records:
    """A modify is a REENTER: cancel and enter again under the same id."""
    known = (
        (messages["type"] <= 2) & (messages["side"] <= 1) & (messages["ioc"] <= 1) & (messages["zero"] == 0)
    )
    if not known.all():
        raise Wrong(
            f"{path}: is no workload: it does not begin with MEW1, and message {int(known.argmin())} is not one "
            "of flash1: type 0 to 2, side and ioc 0 or 1"
        )
    commands = np.zeros(len(messages), COMMAND)
    kinds = np.array([CommandKind.NEW, CommandKind.CANCEL, CommandKind.REENTER], "u1")
    commands["kind"] = kinds[messages["type"]]
    commands["order_type"] = OrderType.LIMIT
    commands["side"] = messages["side"]
    commands["time_in_force"] = np.where(messages["ioc"], TimeInForce.IOC, TimeInForce.GTC)
    commands["owner"] = OWNER
    commands["client_ref"] = messages["id"]
    commands["price_ticks"] = messages["price"]
    commands["quantity_lots"] = messages["qty"]
    return commands


def permuted(refs: Refs) -> Refs:
    """A bijection of 64-bit numbers that leaves nothing of their order (the finalizer of splitmix64)."""
    refs = (refs ^ (refs >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    refs = (refs ^ (refs >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return refs ^ (refs >> np.uint64(31))
