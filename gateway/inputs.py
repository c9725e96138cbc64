"""Builds the inputs that do not come from a client: genesis, gateways, time. The layout is gateway/records.pxd's.

Every function returns the bytes of one Input; a log entry's payload is Inputs end to end.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from engine.records import EMPTY_PRICE, INT64_MAX
from replication.membership import is_membership

RULES_VERSION: Final = 3
"""The newest rules that the gateway runs, and activates. The engine may have newer ones."""

GATEWAY_START, GATEWAY_LOST, MESSAGE, DISCONNECT, TIMER, INSTRUMENT, SETTING, ACTIVATE = range(1, 9)
DROP_COPY, OPERATOR, OPERATION = range(9, 12)
BEHIND = {INSTRUMENT, DROP_COPY, OPERATOR, OPERATION}  # the setting, in genesis
MAX_COMP_ID = 64
MAX_SYMBOL = 32
NOT_REJECTED = 255
MAX_INCREMENT = 10**15
MAX_RATE = 1_000_000  # messages a second
MAX_DIGITS = 40  # on either side of the point: more than any value has, few enough to compute with

_HEAD = struct.Struct("<IBBHIIQIIq")
_INSTRUMENT = struct.Struct("<8qbbB13x")
_SETTING = struct.Struct("<IBBBBIIBxHIII")
_PAIR = struct.Struct("<II")
_DROP_COPY = struct.Struct("<BB6x")
_OPERATOR = struct.Struct("<B7x")
_OPERATION = struct.Struct("<I4x")

Number = Decimal | int | str


def _input(kind: int, body: bytes = b"", *, incarnation: int = 0, session: int = 0, number: int = 0, epoch: int = 0,
           connection: int = 0, received_ns: int = 0) -> bytes:  # fmt: skip
    padded = body + bytes(-len(body) % 8)
    size = _HEAD.size + len(padded)
    head = _HEAD.pack(
        size, kind, NOT_REJECTED, 0, incarnation, session, number, epoch, connection, received_ns
    )
    return head + padded


def gateway_start(member: int = 0, nonce: int = 0) -> bytes:
    """A gateway asks for an incarnation: the next number, 1, 2, 3, ... What a member had before is lost; the same nonce
    again asks for nothing new."""
    return _input(GATEWAY_START, connection=member, number=nonce)


def gateway_lost(incarnation: int = 0) -> bytes:
    """The sessions of an incarnation (0: of every one so far) are disconnected; nothing of it is taken any more."""
    return _input(GATEWAY_LOST, _PAIR.pack(incarnation, 0))


def timer() -> bytes:
    """Nothing but the entry's time: wakes an idle exchange for its next deadline."""
    return _input(TIMER)


def activate(rules_version: int = RULES_VERSION) -> bytes:
    """The rules that hold from here on. The replica stops at a version it does not know."""
    return _input(ACTIVATE, _PAIR.pack(rules_version, 0))


def disconnect(*, incarnation: int, number: int, connection: int, session: int = 0, epoch: int = 0,
               received_ns: int = 0) -> bytes:  # fmt: skip
    """The connection is gone. session 0: found by incarnation and connection."""
    return _input(
        DISCONNECT, incarnation=incarnation, number=number, session=session, epoch=epoch,
        connection=connection, received_ns=received_ns,
    )  # fmt: skip


def message(record: bytes, *, incarnation: int, number: int, connection: int, session: int = 0, epoch: int = 0,
            received_ns: int = 0) -> bytes:  # fmt: skip
    """A record of gateway.fix's scan with its head filled in."""
    size, kind, verdict, reserved, *_ = _HEAD.unpack_from(record)
    head = _HEAD.pack(
        size, kind, verdict, reserved, incarnation, session, number, epoch, connection, received_ns
    )
    return head + record[_HEAD.size :]


def setting(
    *,
    comp_id: str = "QUORUMBOOK",
    cancel_on_disconnect: bool = False,
    grace_ms: int = 5000,
    open_to_any: bool = True,
    closed_cl_ord_ids: int = 100_000,
    max_heartbeat_seconds: int = 3600,
    sending_time_seconds: int = 0,
    max_sessions: int = 10_000,
    echo: bool = False,
    reset_on_logon: bool = False,
    messages_per_second: int = 0,
    daily_reset: str = "",
) -> bytes:
    """Defaults of sessions. ValueError names the argument and what is allowed.

    closed_cl_ord_ids: how many ClOrdIDs of closed orders a session remembers. sending_time_seconds: how far
    SendingTime (52) may be from the exchange's time; 0 = not judged. max_sessions: a Logon that would make one more
    is refused; 0 = no bound, as in a log from before there was one. echo: application messages come back, nothing is
    traded. reset_on_logon: a Logon that opens a connection sets both sequence numbers to 1.
    messages_per_second: application messages that a session may send, and twice as many cancels; 0 = no bound.
    daily_reset: when (UTC, such as "21:30") the sequence numbers of all sessions begin anew; "" = never.
    """
    name = _name("comp_id", comp_id, MAX_COMP_ID)
    for key, value in (
        ("grace_ms", grace_ms), ("closed_cl_ord_ids", closed_cl_ord_ids),
        ("max_heartbeat_seconds", max_heartbeat_seconds), ("sending_time_seconds", sending_time_seconds),
        ("max_sessions", max_sessions), ("messages_per_second", messages_per_second),
    ):  # fmt: skip
        most = MAX_RATE if key == "messages_per_second" else 2**32 - 2
        if not 0 <= value <= most:
            raise ValueError(f"{key} must be 0 to {most}, not {value}")
    body = _SETTING.pack(
        grace_ms, 2 if cancel_on_disconnect else 1, int(open_to_any), int(echo), int(reset_on_logon),
        closed_cl_ord_ids, max_heartbeat_seconds, len(name), _minute(daily_reset), sending_time_seconds, max_sessions,
        messages_per_second,
    )  # fmt: skip
    return _input(SETTING, body + name)


def instrument(
    symbol: str,
    *,
    price_increment: Number = "0.01",
    quantity_increment: Number = "1",
    round_lot: Number | None = None,
    min_quantity: Number | None = None,
    max_quantity: Number | None = None,
    low_price: Number | None = None,
    high_price: Number | None = None,
    protection: Number | None = None,
) -> bytes:
    """Defines an instrument; its number is how many were defined before.

    Prices and quantities are decimals. round_lot and min_quantity default to the quantity increment, max_quantity and
    the price limits to none. protection: how far beyond the opposite best a market order may take, None = no limit.
    ValueError names the argument and what is allowed.
    """
    name = _name("symbol", symbol, MAX_SYMBOL)
    price, price_exponent = _increment("price_increment", price_increment)
    quantity, quantity_exponent = _increment("quantity_increment", quantity_increment)
    tick, step = Decimal(price).scaleb(price_exponent), Decimal(quantity).scaleb(quantity_exponent)
    lot = 1 if round_lot is None else units("round_lot", round_lot, step, 1)
    least = lot if min_quantity is None else units("min_quantity", min_quantity, step, 1)
    most = INT64_MAX if max_quantity is None else units("max_quantity", max_quantity, step, least)
    low = EMPTY_PRICE if low_price is None else units("low_price", low_price, tick, EMPTY_PRICE + 1)
    high = (
        EMPTY_PRICE
        if high_price is None
        else units("high_price", high_price, tick, max(low, EMPTY_PRICE + 1))
    )
    distance = -1 if protection is None else units("protection", protection, tick, 0)
    body = _INSTRUMENT.pack(
        price, quantity, lot, least, most, low, high, distance, price_exponent, quantity_exponent, len(name)
    )
    return _input(INSTRUMENT, body + name)


def drop_copy(comp_id: str, of: str) -> bytes:
    """A session sees the reports of another one, "*": of every one. Both exist from then on. ValueError as from
    setting."""
    name = _name("comp_id", comp_id, MAX_COMP_ID)
    whose = b"" if of == "*" else _name("sessions", of, MAX_COMP_ID)
    return _input(DROP_COPY, _DROP_COPY.pack(len(name), len(whose)) + name + whose)


def operator(comp_id: str) -> bytes:
    """A session may send OperatorRequests; it exists from then on. ValueError as from setting."""
    name = _name("operators", comp_id, MAX_COMP_ID)
    return _input(OPERATOR, _OPERATOR.pack(len(name)) + name)


def operation(fields: Iterable[tuple[int, str]]) -> bytes:
    """What an OperatorRequest may ask for, asked by the exchange itself: its fields by tag, in the order of the
    message (docs/operations.md)."""
    text = b"".join(b"%d=%b\x01" % (tag, value.encode()) for tag, value in fields)
    return _input(OPERATION, _OPERATION.pack(len(text)) + text)


def _minute(time: str) -> int:
    """Of the day, counted from 1; 0 for no time."""
    if not time:
        return 0
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", time)
    if match is None:
        raise ValueError(f'daily_reset must be a time of day such as "21:30", or "", not {_shown(time)}')
    return int(match[1]) * 60 + int(match[2]) + 1


def _name(key: str, value: str, limit: int) -> bytes:
    name = value.encode()
    if not 1 <= len(name) <= limit or any(not 32 < byte < 127 for byte in name):
        raise ValueError(
            f"{key} must have 1 to {limit} printable ASCII characters, no spaces, not {_shown(value)}"
        )
    return name


def decimal(key: str, value: Number) -> Decimal:
    """ValueError names the key and what is allowed."""
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise ValueError(f"{key} must be a decimal number, not {_shown(value)}") from None
    if not number.is_finite():
        raise ValueError(f"{key} must be a finite number, not {_shown(value)}")
    if number.adjusted() >= MAX_DIGITS or int(number.as_tuple().exponent) < -MAX_DIGITS:
        raise ValueError(
            f"{key} must have at most {MAX_DIGITS} digits before and after the point, not {_shown(value)}"
        )
    return number


def _shown(value: Number) -> str:
    """On one line, and not too long."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _increment(key: str, value: Number) -> tuple[int, int]:
    """Mantissa and exponent, as many decimals as were written, none above the point."""
    number = decimal(key, value)
    exponent = min(int(number.as_tuple().exponent), 0)
    mantissa = int(Fraction(number) * 10**-exponent)
    if exponent < -16 or not 1 <= mantissa <= MAX_INCREMENT:
        raise ValueError(
            f"{key} must be above 0 and at most 10^15, with at most 16 decimals, not {_shown(value)}"
        )
    return mantissa, exponent


def units(key: str, value: Number, increment: Decimal, least: int) -> int:
    """How many increments that is. ValueError names the key and what is allowed."""
    count = Fraction(decimal(key, value)) / Fraction(increment)
    if count.denominator != 1:
        raise ValueError(f"{key} must be a multiple of {increment}, not {_shown(value)}")
    if not least <= count <= INT64_MAX:
        raise ValueError(f"{key} must be {least * increment} to {INT64_MAX * increment}, not {_shown(value)}")
    return int(count)


# ---------------------------------------------------------------- reading them back


def split(payload: bytes) -> Iterator[bytes]:
    """The Inputs of an entry's payload."""
    at = 0
    while at < len(payload):
        (size,) = struct.unpack_from("<I", payload, at)
        yield payload[at : at + size]
        at += size


def genesis_of(payload: bytes) -> bytes:
    """The Inputs that an empty log is begun with, if this payload holds them: the setting, and the instruments, drop
    copies, operators and operations behind it."""
    if is_membership(payload):
        return b""
    records = list(split(payload))
    kinds = [record[4] for record in records]
    if SETTING not in kinds:
        return b""
    begin = kinds.index(SETTING)
    count = next((n for n, kind in enumerate(kinds[begin + 1 :]) if kind not in BEHIND), len(records))
    return b"".join(records[begin : begin + 1 + count])


def read_setting(record: bytes) -> dict[str, Any]:
    """The arguments of setting()."""
    grace_ms, cancel, open_to_any, echo, reset, closed, heartbeat, length, minute, window, sessions, rate = (
        _SETTING.unpack_from(record, _HEAD.size)
    )
    tail = _HEAD.size + _SETTING.size
    return {
        "comp_id": record[tail : tail + length].decode(), "cancel_on_disconnect": cancel == 2, "grace_ms": grace_ms,
        "open_to_any": bool(open_to_any), "closed_cl_ord_ids": closed, "max_heartbeat_seconds": heartbeat,
        "sending_time_seconds": window, "max_sessions": sessions, "echo": bool(echo), "reset_on_logon": bool(reset),
        "messages_per_second": rate,
        "daily_reset": f"{(minute - 1) // 60:02}:{(minute - 1) % 60:02}" if minute else "",
    }  # fmt: skip


def read_instrument(record: bytes) -> dict[str, Any]:
    """The arguments of instrument(), as decimals; None = no limit."""
    price, quantity, lot, least, most, low, high, distance, price_exponent, quantity_exponent, length = (
        _INSTRUMENT.unpack_from(record, _HEAD.size)
    )
    tail = _HEAD.size + _INSTRUMENT.size
    symbol = record[tail : tail + length].decode()
    return described(
        symbol, price, price_exponent, quantity, quantity_exponent, lot, least, most, low, high, distance
    )


def described(symbol: str, price: int, price_exponent: int, quantity: int, quantity_exponent: int, lot: int, least: int,
              most: int, low: int, high: int, distance: int) -> dict[str, Any]:  # fmt: skip
    """The arguments of instrument() for such increments, lots and ticks."""
    tick, step = Decimal(price).scaleb(price_exponent), Decimal(quantity).scaleb(quantity_exponent)
    return {
        "symbol": symbol,
        "price_increment": tick,
        "quantity_increment": step,
        "round_lot": lot * step,
        "min_quantity": least * step,
        "max_quantity": None if most == INT64_MAX else most * step,
        "low_price": None if low == EMPTY_PRICE else low * tick,
        "high_price": None if high == EMPTY_PRICE else high * tick,
        "protection": None if distance < 0 else distance * tick,
    }


def read_drop_copy(record: bytes) -> tuple[str, str]:
    """The arguments of drop_copy()."""
    length, of_length = _DROP_COPY.unpack_from(record, _HEAD.size)
    begin = _HEAD.size + _DROP_COPY.size
    name, whose = record[begin : begin + length], record[begin + length : begin + length + of_length]
    return name.decode(), whose.decode() or "*"


def read_operator(record: bytes) -> str:
    """The argument of operator()."""
    (length,) = _OPERATOR.unpack_from(record, _HEAD.size)
    begin = _HEAD.size + _OPERATOR.size
    return record[begin : begin + length].decode()


def read_operation(record: bytes) -> list[tuple[int, str]]:
    """The argument of operation()."""
    (length,) = _OPERATION.unpack_from(record, _HEAD.size)
    begin = _HEAD.size + _OPERATION.size
    pairs = (field.partition("=") for field in record[begin : begin + length].decode().split("\x01")[:-1])
    return [(int(tag), value) for tag, _, value in pairs]
